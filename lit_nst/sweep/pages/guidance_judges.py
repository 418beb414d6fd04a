"""What networks and measures that guided nothing say of the pictures of a guidance sweep."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lit_nst.callbacks.judge import Judge
from lit_nst.errors import InputError
from lit_nst.features import VGG16
from lit_nst.report import saturation_share, style_distance
from lit_nst.report.palette import equal_grey, hsv_saturation, palette_distance
from lit_nst.sweep.pages.guidance_rows import PLAIN, PROMPT, TEXT, Unit, arm_of, paired, styles_of
from lit_nst.sweep.records import Row

SEED, LAYERS, WIDTH = 2_003, ("relu1_2", "relu2_2", "relu3_3"), 0.5
STYLE, COLOUR, TEXTURE, MOVED = "judged_style", "colour_distance", "texture_distance", "plain_distance"
SATURATED, HSV = "saturation_share", "hsv_saturation"

Figures = dict[str, float | None]


class Judges:
    """Distances to styles, remembered by style.

    ``judged_style`` is ``style_distance`` by a VGG16 of random weights. ``colour_distance`` is ``palette_distance``;
    ``texture_distance`` is the root of ``style_distance`` of both pictures in ``equal_grey``, so that neither is a
    square and both can be compared. ``plain_distance`` is the perceptual distance, by the same network, to the plain
    picture of the same noise.
    """

    def __init__(self) -> None:
        self.judge = Judge(VGG16("random", list(LAYERS), width=WIDTH, seed=SEED).eval())
        self._known: dict[tuple[str, tuple[int, ...]], tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]] = {}

    def to_style(self, picture: Tensor, name: str, style: Tensor) -> Figures:
        """Distances of a picture, 3×H×W, to a style."""
        key = name, tuple(style.shape)
        if key not in self._known:
            self._known[key] = (style[None], self.judge.maps(style[None]), self.judge.maps(equal_grey(style[None])))
        colours, maps, greys = self._known[key]
        own = picture[None]
        return {
            STYLE: float(style_distance(self.judge.maps(own), maps)),
            COLOUR: float(palette_distance(own, colours)),
            TEXTURE: float(style_distance(self.judge.maps(equal_grey(own)), greys).sqrt()),
        }

    def alone(self, picture: Tensor) -> Figures:
        """What needs no other picture."""
        return {SATURATED: float(saturation_share(picture[None])), HSV: float(hsv_saturation(picture[None]))}

    def moved(self, picture: Tensor, plain: Tensor) -> float | None:
        """Distance to the plain picture; None if that has another size."""
        return float(self.judge.between(picture[None], plain[None])) if picture.shape == plain.shape else None


@torch.no_grad()
def measure(rows: Sequence[Row]) -> None:
    """Gives the rows their figures; ``text_adherence`` where there is a judge and the captions are of its kind."""
    judges, plain = Judges(), dict[Unit, Tensor]()
    for row, unit in paired(rows):
        if arm_of(row) == PLAIN and unit is not None:
            plain.setdefault(unit, row.picture)
    for row, unit in paired(rows):
        row.figures.update(judges.alone(row.picture))
        style = row.reference("style") if "style" in row.images else None
        if style is not None:
            row.figures.update(judges.to_style(row.picture, row.images["style"], style))
        if unit in plain:
            row.figures[MOVED] = judges.moved(row.picture, plain[unit])
    _read(rows)


@torch.no_grad()
def other_styles(rows: Sequence[Row]) -> dict[tuple[str, str], Figures]:
    """File and style → figures of the pictures without guidance, compared with the styles that are not their own."""
    judges, first = Judges(), _first_of_each(rows)
    found: dict[tuple[str, str], Figures] = {}
    for row in (row for row in rows if arm_of(row) in (PLAIN, PROMPT)):
        height, width = row.picture.shape[-2:]
        for name, other in first.items():
            style = other.references.picture("style", name, (height, width))
            if row.images.get("style") != name and style is not None:
                found[str(row.file), name] = row.figures | judges.to_style(row.picture, name, style)
    return found


def _first_of_each(rows: Sequence[Row]) -> Mapping[str, Row]:
    return {name: next(row for row in rows if row.images.get("style") == name) for name in styles_of(rows)}


def _read(rows: Sequence[Row]) -> None:
    """How much of its plain prompt each picture shows: a styled caption asks for the same things."""
    pairs = [(row, unit[0]) for row, unit in paired(rows) if unit is not None]
    from lit_nst.features.attributes import AttributeClassifier

    try:
        reader = AttributeClassifier()
        for row, prompt in pairs:
            share = float(reader.adherence(row.picture[None], [prompt]))
            row.figures[TEXT] = share if share == share else None
    except InputError:
        # Without its weights there is no judge; the page says so.
        return
