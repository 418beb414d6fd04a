"""What the pictures of the text-to-image model show, and how captions say it.

    a small red circle at the top on a striped blue background

Every picture is a :class:`Scene`. A caption always names the shape, its colour and the colour of the
background; size, place and surfaces are named at random. Held out, so that guidance and generalisation can
be tested on what training never said:

* ``HELD_OUT``: pairs of a colour and a shape which the model never meets, drawn or named; its judge does.
* ``WORDLESS``: surfaces which are drawn but for which captions have no word.
* ``UNSEEN``: surfaces which only the autoencoder has seen.
"""

from dataclasses import dataclass

import numpy as np

SHAPES = ("circle", "ring", "square", "triangle", "cross", "star")
# Red, green, blue, as sRGB in [0, 1].
COLORS = {
    "red": (0.86, 0.12, 0.12),
    "orange": (0.97, 0.54, 0.08),
    "yellow": (0.96, 0.90, 0.20),
    "green": (0.14, 0.62, 0.22),
    "blue": (0.14, 0.30, 0.86),
    "purple": (0.58, 0.18, 0.70),
    "white": (0.94, 0.94, 0.94),
    "black": (0.08, 0.08, 0.08),
}
SIZES = ("small", "big")
PLACES = {"middle": "in the middle", **{name: f"at the {name}" for name in ("top", "bottom", "left", "right")}}
NAMED = ("plain", "striped", "dotted", "checkered", "rough")
WORDLESS = ("mosaic", "wavy")
UNSEEN = ("woven", "hatched")
SURFACES = (*NAMED, *WORDLESS, *UNSEEN)
HELD_OUT = (
    ("red", "star"),
    ("orange", "cross"),
    ("yellow", "square"),
    ("green", "ring"),
    ("blue", "triangle"),
    ("purple", "circle"),
)
EMPTY = 0.15
LENGTH = 16
BEGIN, END = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True)
class Scene:
    """One shape on a background.

    Attributes:
        shape: One of ``SHAPES``.
        color: Of the shape, one of ``COLORS``.
        background: Colour of the background, another one of ``COLORS``.
        size: One of ``SIZES``.
        place: One of ``PLACES``.
        surface: Of the shape, one of ``SURFACES``.
        ground: Surface of the background, one of ``SURFACES``.
    """

    shape: str
    color: str
    background: str
    size: str
    place: str
    surface: str
    ground: str


def sample(
    count: int, random: np.random.Generator, surfaces: tuple[str, ...] = (*NAMED, *WORDLESS), pairs: bool = False
) -> list[Scene]:
    """Random scenes, with the pairs of ``HELD_OUT`` or not; most shapes and a third of the backgrounds are plain."""
    found: list[Scene] = []
    while len(found) < count:
        color, background = (str(name) for name in random.choice(list(COLORS), 2, replace=False))
        shape = str(random.choice(SHAPES))
        if (color, shape) in HELD_OUT and not pairs:
            continue
        surface = "plain" if random.random() < 0.65 else str(random.choice(surfaces))
        ground = "plain" if random.random() < 0.3 else str(random.choice(surfaces))
        size, place = str(random.choice(SIZES)), str(random.choice(list(PLACES)))
        found.append(Scene(shape, color, background, size, place, surface, ground))
    return found


def describe(scene: Scene, told: tuple[bool, bool, bool, bool] = (True, True, True, True)) -> str:
    """The caption, which tells size, place, the surface of the shape and that of the background or not.

    >>> describe(Scene("ring", "red", "blue", "big", "top", "plain", "striped"), (True, True, False, True))
    'a big red ring at the top on a striped blue background'
    """
    size, place, surface, ground = told
    parts = [
        "a",
        scene.size if size else "",
        scene.surface if surface and scene.surface in NAMED else "",
        scene.color,
        scene.shape,
        PLACES[scene.place] if place else "",
        "on a",
        scene.ground if ground and scene.ground in NAMED else "",
        scene.background,
        "background",
    ]
    words = " ".join(part for part in parts if part).split()
    return " ".join("an" if pair == ("a", "orange") else pair[0] for pair in zip(words, [*words[1:], ""], strict=True))


def caption(scene: Scene, random: np.random.Generator) -> str:
    """A caption for training: empty in ``EMPTY`` of all cases, for classifier-free guidance."""
    size, place, surface, ground, empty = random.random(5)
    return "" if empty < EMPTY else describe(scene, (size < 0.8, place < 0.6, surface < 0.5, ground < 0.6))


def words() -> list[str]:
    """All words that captions are made of, sorted."""
    texts = (*SHAPES, *COLORS, *SIZES, *PLACES.values(), *NAMED, "a", "an", "on", "background")
    return sorted({word for text in texts for word in text.split()})


def vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """CLIP's kind of vocabulary: the symbols of bytes, alone and at the end of a word, merges, begin and end.

    Every word of :func:`words` is one token; any other word falls into its parts.
    """
    symbols = _byte_symbols()
    tokens = [*symbols, *(symbol + "</w>" for symbol in symbols)]
    merges: list[tuple[str, str]] = []
    for word in words():
        rest = _merged([*word[:-1], word[-1] + "</w>"], merges)
        # What the merges of earlier words leave of this one is joined from the left, after them.
        while len(rest) > 1:
            merges.append((rest[0], rest[1]))
            tokens.append(rest[0] + rest[1])
            rest = [rest[0] + rest[1], *rest[2:]]
    return {token: index for index, token in enumerate([*tokens, BEGIN, END])}, merges


def _merged(parts: list[str], merges: list[tuple[str, str]]) -> list[str]:
    """Byte pair encoding: the earliest merge that fits comes first, everywhere in the word."""
    for pair in merges:
        rest: list[str] = []
        for part in parts:
            if rest and (rest[-1], part) == pair:
                rest[-1] += part
            else:
                rest.append(part)
        parts = rest
    return parts


def _byte_symbols() -> list[str]:
    """One printable character for each byte, in the order of CLIP: printable bytes stand for themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]
