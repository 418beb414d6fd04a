"""Rows by kind and depth of their layer."""

from collections.abc import Sequence
from dataclasses import dataclass

from lit_nst.errors import InputError
from lit_nst.features.layers import vgg_names
from lit_nst.report import Interval, Series, bootstrap_mean
from lit_nst.sweep.pages.parts import needed, per_unit
from lit_nst.sweep.plan import Plan
from lit_nst.sweep.records import Row

KINDS = ("conv", "relu")
DEPTHS = [name.removeprefix("conv") for name in vgg_names([2, 2, 4, 4, 4]) if name.startswith("conv")]


def check_layers(plan: Plan, key: str) -> None:
    """Refuses a plan whose layers are not single convolutions and ReLUs of VGG19, each kind at the same depths.

    Raises:
        InputError: It does so.
    """
    axis = needed(plan, key)
    names = [layers[0] if isinstance(layers, list) and len(layers) == 1 else None for layers in axis.values]
    known = [f"{kind}{depth}" for kind in KINDS for depth in DEPTHS]
    for name, layers in zip(names, axis.values, strict=True):
        if name not in known:
            raise InputError(
                f"--vary {key}: page {plan.page} shows single layers, not {layers}; give [conv3_1] or such"
            )
    if {n[4:] for n in names if n and n[:4] == "conv"} != {n[4:] for n in names if n and n[:4] == "relu"}:
        raise InputError(f"--vary {key}: page {plan.page} compares conv with relu; give both at every depth")


@dataclass(frozen=True)
class ByDepth:
    """The rows of a sweep over layers.

    Attributes:
        rows: All of them.
        key: The axis.
    """

    rows: Sequence[Row]
    key: str

    @property
    def depths(self) -> list[int]:
        """Those that were run, from 1."""
        return sorted({DEPTHS.index(row.labels[self.key][4:]) + 1 for row in self.rows})

    @property
    def ticks(self) -> dict[float, str]:
        """Depth → ``1_1`` and so on."""
        return {depth: DEPTHS[depth - 1] for depth in self.depths}

    def at(self, kind: str, depth: int) -> list[Row]:
        """The rows of one layer."""
        return [row for row in self.rows if row.labels[self.key] == f"{kind}{DEPTHS[depth - 1]}"]

    def values(self, kind: str, depth: int, figure: str) -> list[float]:
        """A figure at one layer, a mean per picture."""
        return per_unit(self.at(kind, depth), figure)

    def curves(self, figure: str) -> list[Series]:
        """A line over depth per kind."""
        return [
            Series.of(kind, self.depths, [bootstrap_mean(self.values(kind, d, figure)) for d in self.depths])
            for kind in KINDS
        ]

    def per_picture(self, kind: str, figure: str) -> list[list[float]]:
        """A list over depth per picture."""
        return [list(line) for line in zip(*(self.values(kind, d, figure) for d in self.depths), strict=True)]

    def mean(self, kind: str, depth: int, figure: str) -> Interval:
        """Mean over pictures at one layer."""
        return bootstrap_mean(self.values(kind, depth, figure))

    @property
    def units(self) -> list[Row]:
        """One row per picture, to name it."""
        first = self.at(self.rows[0].labels[self.key][:4], self.depths[0]) or list(self.rows)
        return list({row.unit: row for row in reversed(first)}.values())[::-1]

    def shown(self, kind: str, depth: int, unit: tuple[str, ...]) -> Row | None:
        """The first start of a picture at a layer."""
        return next((row for row in self.at(kind, depth) if row.unit == unit), None)
