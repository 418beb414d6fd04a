"""Lines and shapes on a picture, each drawn within the pixels round it."""

import numpy as np
from canvas import Array, capsule, cover, lay, polygon


class Pen:
    """Draws tapered lines, each within the pixels round it."""

    def __init__(self, image: Array) -> None:
        self.image = image
        self.side = len(image)

    def window(self, xs: list[float], ys: list[float]) -> tuple[tuple[slice, slice], Array, Array] | None:
        """Slices and pixel centres of the rectangle round some points."""
        x0, x1 = (int(np.clip(v * self.side, 0, self.side)) for v in (min(xs), max(xs) + 1 / self.side))
        y0, y1 = (int(np.clip(v * self.side, 0, self.side)) for v in (min(ys), max(ys) + 1 / self.side))
        if x0 >= x1 or y0 >= y1:
            return None
        y, x = np.mgrid[y0:y1, x0:x1]
        return (slice(y0, y1), slice(x0, x1)), (x + 0.5) / self.side, (y + 0.5) / self.side

    def stroke(self, a: tuple[float, float], b: tuple[float, float], ra: float, rb: float, paint: Array) -> None:
        """A line from a to b, of radius ra to rb."""
        wide = max(ra, rb) + 1.5 / self.side
        found = self.window([a[0] - wide, a[0] + wide, b[0] - wide, b[0] + wide],
                            [a[1] - wide, a[1] + wide, b[1] - wide, b[1] + wide])  # fmt: skip
        if found:
            window, x, y = found
            lay(self.image[window], cover(capsule(x, y, a, b, ra, rb), 1 / self.side), paint)

    def shape(self, corners: list[tuple[float, float]], paint: Array) -> None:
        """A convex polygon, corners clockwise as seen."""
        found = self.window([c[0] for c in corners], [c[1] for c in corners])
        if found:
            window, x, y = found
            lay(self.image[window], cover(polygon(x, y, corners), 1 / self.side), paint)
