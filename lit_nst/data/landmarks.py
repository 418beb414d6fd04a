"""Points of a face: files → two eyes and two mouth corners."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lit_nst.errors import InputError

SUFFIXES = (".json", ".npy", ".csv", ".txt", ".pts")
FARTHEST = 1e9

# Where the two eyes and the two mouth corners are, by the number of points.
_PLACES: dict[int, tuple[list[int], ...]] = {
    4: ([0], [1], [2], [3]),
    5: ([0], [1], [3], [4]),
    68: (list(range(36, 42)), list(range(42, 48)), [48], [54]),
}


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Eye, eye, mouth corner, mouth corner, in pixels; whole numbers are the centres of pixels.

    Of each pair the one comes first that is at the left when the picture is turned so that the face is
    upright. Points in the other order, as files that name a person's own left eye first have them, are
    put into this one: seen from the front, eyes over mouth, there is no other face that they could mean.

    Args:
        points: n×2 of x and y: 4 points as above; 5 with the nose in the middle; or the 68 of iBUG, whose
            eye is the mean of six points (36–41, 42–47), and whose mouth corners are 48 and 54, from 0.

    Raises:
        InputError: Another number of points, values that are not finite, points that are on one line or
            closer, or eyes and mouth corners that run in opposite directions, so that the order is unclear.

    >>> Landmarks([[60, 40], [40, 40], [55, 70], [45, 70]]).points[:, 0].tolist()
    [40.0, 60.0, 45.0, 55.0]
    """

    points: NDArray[np.float64]

    def __init__(self, points: ArrayLike) -> None:
        given = _array(points)
        if given.ndim != 2 or given.shape[1] != 2 or len(given) not in _PLACES:
            shape = "×".join(map(str, given.shape)) or "a single number"
            raise InputError(f"landmarks are {shape}; give 4, 5 or 68 points, x and y each")
        if not np.isfinite(given).all():
            raise InputError("landmarks hold a value that is not finite; give pixels")
        if np.abs(given).max() > FARTHEST:
            raise InputError(f"landmarks hold {np.abs(given).max():.3g}, which is in no picture; give pixels")
        object.__setattr__(self, "points", _ordered(np.stack([given[place].mean(0) for place in _PLACES[len(given)]])))

    @property
    def between_eyes(self) -> NDArray[np.float64]:
        """e, from the left to the right eye."""
        return np.asarray(self.points[1] - self.points[0])

    @property
    def middle_of_eyes(self) -> NDArray[np.float64]:
        """E, the point between the eyes."""
        return np.asarray(self.points[:2].mean(0))

    @property
    def eyes_to_mouth(self) -> NDArray[np.float64]:
        """m, from the point between the eyes to the middle of the mouth."""
        return np.asarray(self.points[2:].mean(0) - self.middle_of_eyes)


def read_landmarks(path: str | Path, name: str | None = None) -> Landmarks:
    """Reads the points of one face.

    - ``.json``: ``[[x, y], …]``, ``{"landmarks": [[x, y], …]}``, or ``{"photo.jpg": [[x, y], …], …}`` for
      several pictures, by their file's name with or without its suffix.
    - ``.npy``: an n×2 array.
    - ``.csv``, ``.txt``: a line ``x,y`` per point, also with spaces; a first line of headings is skipped.
    - ``.pts``: iBUG's, which count pixels from 1; one is taken off.
    - A folder: the file of one of these kinds that has the picture's name.

    Args:
        path: The file or folder.
        name: File name of the picture, for files and folders of several.

    Raises:
        InputError: No such file, another kind, broken contents, no points of this picture, or points that
            ``Landmarks`` refuses.
    """
    path = Path(path)
    if path.is_dir():
        path = _in_folder(path, name)
    if not path.is_file():
        raise InputError(f"{path} does not exist; give a file of landmarks ({', '.join(SUFFIXES)})")
    try:
        return Landmarks(_read(path, name))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (OSError, ValueError, EOFError, MemoryError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} cannot be read ({reason}); give landmarks as {', '.join(SUFFIXES)}") from None


def _array(points: ArrayLike) -> NDArray[np.float64]:
    try:
        given = np.asarray(points)
        if given.dtype.kind == "c":
            raise TypeError
        return given.astype(np.float64)
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise InputError("landmarks are not a list of points; give [[x, y], ...]") from None


def _ordered(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Left before right; refuses points that span no face."""
    eyes, mouth = points[1] - points[0], points[3] - points[2]
    down = points[2:].mean(0) - points[:2].mean(0)
    turn = eyes[0] * down[1] - eyes[1] * down[0]
    if abs(turn) <= 0.01 * max(eyes @ eyes, down @ down):
        raise InputError("eyes and mouth are on one line, or on one point; give two eyes, then two mouth corners")
    if eyes @ mouth < 0:
        raise InputError("eyes and mouth corners run in opposite directions; give all points in one order")
    return points if turn > 0 else points[[1, 0, 3, 2]]


def _in_folder(folder: Path, name: str | None) -> Path:
    if name is None:
        raise InputError(f"{folder} is a folder; give a file of landmarks")
    found = [path for suffix in SUFFIXES if (path := folder / f"{Path(name).stem}{suffix}").is_file()]
    if not found:
        raise InputError(
            f"{folder} holds no landmarks of {name}; looked for {Path(name).stem} with {', '.join(SUFFIXES)}"
        )
    return found[0]


def _read(path: Path, name: str | None) -> Any:
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _of_picture(json.loads(path.read_text("utf-8")), name)
    if suffix == ".npy":
        with path.open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                # Else NumPy takes it for a pickle, and tells how to run that.
                raise ValueError("not an array of NumPy")
        return np.load(path, allow_pickle=False)
    if suffix in (".csv", ".txt"):
        return _rows(path.read_text("utf-8-sig"))
    if suffix == ".pts":
        body = re.search(r"\{([^}]*)\}", path.read_text("utf-8"))
        if body is None:
            raise InputError("there is no { … } with points; give a .pts file of iBUG")
        return np.asarray(_rows(body[1])) - 1
    raise InputError(f"landmarks of the kind {suffix or 'without a suffix'} are unknown; give {', '.join(SUFFIXES)}")


def _of_picture(content: Any, name: str | None) -> Any:
    """The list of points in a JSON file that may hold several pictures."""
    if not isinstance(content, dict):
        return content
    if "landmarks" in content:
        return content["landmarks"]
    if name is None and len(content) == 1:
        return next(iter(content.values()))
    keys = [] if name is None else [key for key in (name, Path(name).stem) if key in content]
    if not keys:
        known = ", ".join(repr(key[:40])[1:-1] for key in list(content)[:5]) + (", …" if len(content) > 5 else "")
        wanted = "landmarks" if name is None else name
        raise InputError(f'there is no "{wanted}" in it; it holds {known or "nothing"}')
    return content[keys[0]]


def _rows(text: str) -> list[list[float]]:
    lines = [re.split(r"[,;\s]+", line.strip(" \t,;")) for line in text.splitlines() if line.strip()]
    if lines and not re.search(r"\d", "".join(lines[0])):
        lines = lines[1:]
    if wrong := [line for line in lines if len(line) != 2]:
        raise InputError(f'a line is "{" ".join(wrong[0][:5])[:80]}"; give x and y in each')
    return [[float(value) for value in line] for line in lines]
