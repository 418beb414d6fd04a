"""Procedural portraits: ``ATTRIBUTES`` Gaussian numbers in, one picture out.

Every shape is a signed-distance function of the pixel centre (negative inside); its coverage is a
one-pixel ramp around zero, so edges are anti-aliased at any resolution without supersampling. A whole
batch is drawn at once, shape after shape, back to front.
"""

import math

import torch
from torch import Tensor

NAMES = (
    "background_hue", "background_light", "background_tilt",
    "x", "y", "scale", "yaw", "roll",
    "face_width", "jaw",
    "skin_tone", "skin_warmth",
    "hair_shade", "hair_warmth", "hair_length", "hair_volume", "fringe", "parting",
    "eye_size", "eye_spacing", "iris", "gaze",
    "brow_height", "brow_thickness",
    "nose_length",
    "mouth_width", "smile", "lips",
    "glasses",
    "light_side",
    "clothes_hue", "clothes_light",
)  # fmt: skip
ATTRIBUTES = len(NAMES)


def sample(count: int, seed: int) -> Tensor:
    """Draws ``count`` attribute vectors on the sphere of radius √ATTRIBUTES.

    StyleGAN2's mapping network normalises its input in the same way, so a generator that is trained
    on these vectors sees all that the renderer sees.
    """
    z = torch.randn(count, ATTRIBUTES, generator=torch.Generator().manual_seed(seed))
    return normalize(z)


def normalize(z: Tensor) -> Tensor:
    """Scales each row to mean square 1."""
    return z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def render(z: Tensor, resolution: int = 64) -> Tensor:
    """Draws one portrait per row of ``z``.

    Args:
        z: Attributes, B×32, about N(0, 1), in the order of ``NAMES``.
        resolution: Side of the picture in pixels.

    Returns:
        Images, B×3×resolution×resolution, in [0, 1].
    """
    a = {name: column.view(-1, 1, 1) for name, column in zip(NAMES, normalize(z).unbind(1), strict=True)}
    scene = _Scene(a, resolution)
    _background(scene)
    _back_hair(scene)
    _body(scene)
    _head(scene)
    _mouth_and_nose(scene)
    _eyes(scene)
    _front_hair(scene)
    _glasses(scene)
    return scene.image.clamp(0, 1)


class _Scene:
    """The picture so far, the pixel grid, and the grid in the head's own coordinates."""

    def __init__(self, a: dict[str, Tensor], resolution: int) -> None:
        self.a = a
        self.pixel = 2.0 / resolution
        axis = (torch.arange(resolution) + 0.5) * self.pixel - 1
        self.y, self.x = (g.unsqueeze(0) for g in torch.meshgrid(axis, axis, indexing="ij"))
        self.size = 1.12 + 0.07 * a["scale"].tanh()
        angle = 0.13 * a["roll"].tanh()
        dx, dy = self.x - 0.07 * a["x"].tanh(), self.y - 0.04 - 0.06 * a["y"].tanh()
        self.u = (dx * angle.cos() + dy * angle.sin()) / self.size
        self.v = (dy * angle.cos() - dx * angle.sin()) / self.size
        self.turn = 0.09 * a["yaw"].tanh()
        self.width = 0.47 + 0.035 * a["face_width"].tanh()
        self.light = 0.22 * a["light_side"].tanh()
        dark, pale = torch.tensor([0.36, 0.21, 0.13]), torch.tensor([0.98, 0.82, 0.72])
        warm = torch.tensor([0.03, -0.005, -0.035]).view(1, 3, 1, 1) * a["skin_warmth"].tanh().unsqueeze(1)
        self.skin = _mix(dark, pale, _share(a["skin_tone"] + 0.35)) + warm
        gray = 0.07 + 0.55 * _share(1.1 * a["hair_shade"] - 0.3)
        tint = _share(a["hair_warmth"])
        self.hair = torch.stack(
            [gray * (1.05 + 0.35 * tint), gray * (0.95 - 0.02 * tint), gray * (0.9 - 0.42 * tint)], 1
        )
        self.image = torch.zeros(len(a["x"]), 3, resolution, resolution)

    def cover(self, distance: Tensor, softness: float = 1.0) -> Tensor:
        """Coverage in [0, 1] of a shape, with an edge ``softness`` pixels wide."""
        return (0.5 - distance / (self.pixel * softness)).clamp(0, 1)

    def paint(self, alpha: Tensor, color: Tensor) -> None:
        """Lays a colour (broadcast to B×3×H×W) over the picture."""
        alpha = alpha.unsqueeze(1)
        self.image = self.image + alpha * (color - self.image)


def _share(a: Tensor) -> Tensor:
    """Gaussian → uniform in [0, 1]."""
    return 0.5 * (1 + torch.erf(a / math.sqrt(2)))


def _mix(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Blend of two RGB colours, share B×1×1 → B×3×1×1."""
    return torch.lerp(first.view(1, 3, 1, 1), second.view(1, 3, 1, 1), share.unsqueeze(1))


def _hue(angle: Tensor, light: Tensor, chroma: float) -> Tensor:
    """A colour of given hue angle (radians), lightness and chroma, B×3×1×1."""
    shifts = torch.tensor([0.0, 2 * math.pi / 3, 4 * math.pi / 3]).view(1, 3, 1, 1)
    return light.unsqueeze(1) + chroma * torch.cos(angle.unsqueeze(1) - shifts)


def _ellipse(x: Tensor, y: Tensor, rx: Tensor | float, ry: Tensor | float) -> Tensor:
    """First-order distance to an ellipse at the origin."""
    value = ((x / rx).square() + (y / ry).square()).clamp_min(1e-6).sqrt()
    slope = ((x / rx**2).square() + (y / ry**2).square()).clamp_min(1e-6).sqrt()
    return value * (value - 1) / slope


def _box(x: Tensor, y: Tensor, rx: Tensor | float, ry: Tensor | float, corner: float) -> Tensor:
    """Distance to a rounded box at the origin."""
    dx, dy = x.abs() - rx + corner, y.abs() - ry + corner
    return dx.clamp_min(0).hypot(dy.clamp_min(0)) + torch.maximum(dx, dy).clamp_max(0) - corner


def _background(s: _Scene) -> None:
    hue = 1.7 * s.a["background_hue"]
    light = 0.58 + 0.13 * s.a["background_light"].tanh()
    tilt = 0.6 * s.a["background_tilt"].tanh()
    ramp = (s.y * tilt.cos() + s.x * tilt.sin()).unsqueeze(1)
    s.image = s.image + _hue(hue, light, 0.14) - 0.13 * ramp


def _back_hair(s: _Scene) -> None:
    volume = 0.06 + 0.025 * s.a["hair_volume"].tanh()
    length = 0.42 * _share(1.3 * s.a["hair_length"])
    top = _ellipse(s.u + 0.4 * s.turn, s.v + 0.1, s.width + volume, 0.60 + volume)
    fall = _box(s.u + 0.4 * s.turn, s.v - 0.15 - 0.5 * length, s.width + volume + 0.02, 0.25 + 0.5 * length, 0.2)
    s.paint(s.cover(torch.minimum(top, fall)), s.hair * (0.78 + 0.15 * _side(s)))


def _side(s: _Scene) -> Tensor:
    """Light across the head, about -0.3 to 0.3, B×1×H×W."""
    return (s.light * (s.u / s.width).clamp(-1.2, 1.2)).unsqueeze(1)


def _body(s: _Scene) -> None:
    hue, light = 1.5 * s.a["clothes_hue"] + 2.5, 0.46 + 0.2 * s.a["clothes_light"].tanh()
    cloth = _hue(hue, light, 0.17)
    cx = s.x - 0.5 * 0.07 * s.a["x"].tanh()
    shoulders = _ellipse(cx, s.y - 1.3, 0.98, 0.6)
    fold = 0.06 * torch.cos(9 * cx).unsqueeze(1)
    s.paint(s.cover(shoulders), cloth * (1 + s.light.unsqueeze(1) * cx.unsqueeze(1) + fold))
    neck = _box(s.u + 0.3 * s.turn, s.v - 0.62, 0.19, 0.3, 0.1)
    shade = 0.68 + 0.12 * ((s.v - 0.55) / 0.3).clamp(0, 1).unsqueeze(1)
    s.paint(s.cover(neck), s.skin * (shade + _side(s)))
    collar = (_ellipse(cx, s.y - 0.70, 0.30, 0.2).abs() - 0.035).clamp_min(-1)
    below = torch.maximum(collar, 0.74 - s.y)
    s.paint(s.cover(below), cloth * 1.25 + 0.06)


def _face_distance(s: _Scene) -> Tensor:
    """The outline of the face: an ellipse whose lower half narrows towards the chin."""
    jaw = 0.16 + 0.08 * s.a["jaw"].tanh()
    narrow = 1 - jaw * (s.v / 0.6).clamp(0, 1).square()
    return _ellipse(s.u / narrow, s.v, s.width - 0.02, 0.6)


def _head(s: _Scene) -> None:
    for sign in (-1.0, 1.0):
        ear = _ellipse(s.u - sign * (s.width - 0.015) + 0.35 * s.turn, s.v - 0.02, 0.07, 0.13)
        s.paint(s.cover(ear), s.skin * (0.86 + _side(s)))
        inner = _ellipse(s.u - sign * (s.width + 0.005) + 0.35 * s.turn, s.v - 0.02, 0.035, 0.08)
        s.paint(s.cover(inner, 1.5), s.skin * (0.72 + _side(s)))
    face = _face_distance(s)
    round_off = 0.13 * ((face / 0.25 + 1).clamp(0, 1).square()).unsqueeze(1)
    s.paint(s.cover(face), s.skin * (1.02 + _side(s) - round_off))
    blush = torch.tensor([0.03, -0.035, -0.03]).view(1, 3, 1, 1)
    for sign in (-1.0, 1.0):
        cheek = _ellipse(s.u - sign * 0.24 - s.turn, s.v - 0.19, 0.13, 0.1)
        s.image = s.image + s.cover(cheek, 8.0).unsqueeze(1) * blush


def _mouth_and_nose(s: _Scene) -> None:
    x = s.u - 1.25 * s.turn
    length = 0.12 + 0.03 * s.a["nose_length"].tanh()
    tip = length + 0.02
    bridge = _box(x - 0.035 - 0.2 * s.turn, s.v - 0.5 * length + 0.02, 0.018, 0.5 * length + 0.03, 0.015)
    s.paint(0.5 * s.cover(bridge, 2.0), s.skin * 0.74)
    shine = _box(x + 0.005, s.v - 0.5 * length, 0.02, 0.5 * length + 0.02, 0.015)
    s.paint(0.35 * s.cover(shine, 2.0), s.skin * 1.15 + 0.03)
    s.paint(0.55 * s.cover(_ellipse(x, s.v - tip, 0.085, 0.04), 1.5), s.skin * 0.8)
    for sign in (-1.0, 1.0):
        s.paint(0.8 * s.cover(_ellipse(x - sign * 0.042, s.v - tip - 0.012, 0.024, 0.016)), s.skin * 0.4)
    width = 0.17 + 0.03 * s.a["mouth_width"].tanh()
    curve = 0.042 * s.a["smile"].tanh() + 0.022
    full = 0.042 + 0.012 * s.a["lips"].tanh()
    arc = (s.v - 0.335) - curve * (1 - 2 * (x / width).square().clamp_max(1.5))
    taper = (1 - (x / width).square()).clamp_min(0).sqrt()
    lips = torch.maximum(arc.abs() - full * taper.clamp_min(0.05), x.abs() - width)
    red = s.skin * torch.tensor([0.92, 0.52, 0.50]).view(1, 3, 1, 1) + torch.tensor([0.08, 0.0, 0.02]).view(1, 3, 1, 1)
    s.paint(s.cover(lips), red * (1.0 + 0.8 * (arc / full).clamp(-1, 1).unsqueeze(1) * 0.2))
    teeth = (2.2 * s.a["smile"] - 0.6).sigmoid()
    opening = torch.maximum((arc + 0.002).abs() - 0.024 * teeth * taper, x.abs() - 0.8 * width)
    s.paint(teeth * s.cover(opening), torch.tensor([0.95, 0.93, 0.90]).view(1, 3, 1, 1))
    line = torch.maximum((arc + 0.024 * teeth * taper * 0.9).abs() - 0.011, x.abs() - 0.95 * width)
    s.paint(0.85 * s.cover(line), red * 0.42)


def _eyes(s: _Scene) -> None:
    spacing = 0.205 + 0.018 * s.a["eye_spacing"].tanh()
    open_ = 0.066 + 0.016 * s.a["eye_size"].tanh()
    tone = _share(s.a["iris"])
    brown, blue = torch.tensor([0.33, 0.19, 0.08]), torch.tensor([0.25, 0.50, 0.72])
    iris = _mix(brown, blue, tone)
    look = 0.024 * s.a["gaze"].tanh() + 0.25 * s.turn
    brow_y = -0.215 - 0.03 * s.a["brow_height"].tanh()
    thick = 0.026 + 0.009 * s.a["brow_thickness"].tanh()
    for sign in (-1.0, 1.0):
        x, y = s.u - s.turn - sign * spacing * (1 - 0.9 * sign * s.turn), s.v + 0.065
        socket = _ellipse(x, y, 0.15, open_ + 0.06)
        s.paint(0.22 * s.cover(socket, 4.0), s.skin * 0.62)
        eye = _ellipse(x, y, 0.112, open_)
        white = s.cover(eye)
        s.paint(white, torch.tensor([0.96, 0.95, 0.93]).view(1, 3, 1, 1))
        s.paint(white * s.cover((x - look).hypot(y) - 0.060), iris)
        s.paint(white * s.cover((x - look).hypot(y) - 0.028), torch.full((1, 3, 1, 1), 0.04))
        s.paint(white * s.cover((x - look + 0.022).hypot(y + 0.024) - 0.017), torch.ones(1, 3, 1, 1))
        lid = torch.maximum(eye.abs() - 0.015, y + 0.2 * open_)
        s.paint(0.9 * s.cover(lid), s.skin * 0.18)
        arch = y - 0.065 - brow_y - 0.35 * x.square() / 0.13 - sign * 0.02 * (x / 0.13)
        brow = torch.maximum(arch.abs() - thick * (1 - 0.35 * (sign * x / 0.15).clamp(-1, 1)), x.abs() - 0.145)
        s.paint(0.92 * s.cover(brow), s.hair * 0.62)


def _front_hair(s: _Scene) -> None:
    volume = 0.06 + 0.025 * s.a["hair_volume"].tanh()
    cap = _ellipse(s.u + 0.4 * s.turn, s.v + 0.1, s.width + volume, 0.60 + volume)
    part = 0.2 * s.a["parting"].tanh()
    line = -0.35 + 0.05 * s.a["fringe"].tanh()
    x = s.u - part - 0.6 * s.turn
    hairline = s.v - line - 0.95 * x.square() + 0.10 * torch.exp(-(x / 0.09).square())
    sides = -(_face_distance(s) + 0.035)
    inside = torch.maximum(cap, torch.minimum(hairline * 0.75, sides))
    inside = torch.maximum(inside, s.v - 0.04 - 0.25 * _share(s.a["hair_length"]))
    strand = 0.10 * torch.sin(26 * x / (1.25 + s.v)).unsqueeze(1)
    gloss = 0.35 * torch.exp(-((s.v + 0.52 - 0.5 * x.square()) / 0.07).square()).unsqueeze(1)
    s.paint(s.cover(inside), s.hair * (1 + strand + gloss + 1.3 * _side(s)))


def _glasses(s: _Scene) -> None:
    worn = (6 * (s.a["glasses"] - 0.55)).sigmoid()
    spacing = 0.21
    frame = torch.full_like(s.u, 9.0)
    for sign in (-1.0, 1.0):
        x, y = s.u - s.turn - sign * spacing, s.v + 0.05
        lens = _box(x, y, 0.172, 0.125, 0.085)
        s.paint(0.10 * worn * s.cover(lens), torch.tensor([0.80, 0.90, 1.0]).view(1, 3, 1, 1))
        frame = torch.minimum(frame, lens.abs() - 0.016)
    bridge = _box(s.u - s.turn, s.v + 0.075, 0.05, 0.014, 0.01)
    arms = torch.maximum(
        (s.v + 0.08).abs() - 0.014, (s.u.abs() - s.width + 0.03).clamp_min(0.36 - (s.u - s.turn).abs())
    )
    frame = torch.minimum(frame, torch.minimum(bridge, torch.maximum(arms, _face_distance(s))))
    s.paint(worn * s.cover(frame), torch.tensor([0.10, 0.09, 0.11]).view(1, 3, 1, 1))
