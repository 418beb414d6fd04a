"""What a sweep shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lit_nst.errors import InputError
from lit_nst.files import write_atomically
from lit_nst.report import Picture, Text, page
from lit_nst.sweep.pages import gallery, generic, guidance, inversion, restoration, statistics, texture
from lit_nst.sweep.pages.parts import Drawn, Part, png_of
from lit_nst.sweep.plan import Plan
from lit_nst.sweep.records import Row

PAGES: Mapping[str, "Kind"]


@dataclass(frozen=True)
class Kind:
    """One kind of page.

    Attributes:
        title: Of the page.
        check: Refuses a plan that the page cannot show.
        parts: Makes its parts.
        measure: Gives the rows the figures that the page needs beyond those of the runs.
    """

    title: str
    check: Callable[[Plan], None]
    parts: Callable[[Plan, Sequence[Row]], list[Part]]
    measure: Callable[[Plan, Sequence[Row]], None] = lambda plan, rows: None


PAGES = {
    "inversion": Kind("What each layer keeps of a picture", inversion.check, inversion.parts),
    "texture": Kind("Textures from single layers", texture.check, texture.parts),
    "statistics": Kind("Means and variances against Gram matrices", statistics.check, statistics.parts),
    "gallery": Kind("Style transfer by loss", gallery.check, gallery.parts),
    "restoration": Kind("Inversion and restoration by a generator", restoration.check, restoration.parts),
    "guidance": Kind("Style by guidance", guidance.check, guidance.parts, guidance.measure),
    "generic": Kind("Sweep", generic.check, generic.parts),
}


def check_page(plan: Plan) -> None:
    """Refuses a page that there is not, or that cannot show the plan, before anything is run.

    Raises:
        InputError: Such a page.
    """
    if plan.page not in PAGES:
        raise InputError(f'page: there is no page "{plan.page}"; give one of {", ".join(PAGES)}')
    PAGES[plan.page].check(plan)


def measure(plan: Plan, rows: Sequence[Row]) -> None:
    """Adds the figures of the page to the rows."""
    PAGES[plan.page].measure(plan, rows)


def make_page(plan: Plan, rows: Sequence[Row], folder: Path) -> None:
    """Writes ``index.html`` and ``figures/*.png``, in place of what was there.

    Args:
        plan: Names the page.
        rows: Of all cells.
        folder: Of the sweep.
    """
    parts = [*PAGES[plan.page].parts(plan, rows), _command(plan, rows)]
    figures = folder / "figures"
    names = {f"{part.name}.png" for part in parts if isinstance(part, Drawn)}
    for old in figures.glob("*.png"):
        if old.name not in names:
            old.unlink()
    sections = []
    for part in parts:
        if isinstance(part, Drawn):
            write_atomically(figures / f"{part.name}.png", png_of(part.image))
        sections.append(Picture(part.image, part.caption) if isinstance(part, Drawn) else part)
    title = PAGES[plan.page].title if plan.page != "generic" else f"Sweep {plan.name}"
    write_atomically(folder / "index.html", page(title, sections).encode())


def _command(plan: Plan, rows: Sequence[Row]) -> Text:
    """Where the figures come from."""
    configs = " ".join(f"--config {path.name}" for path in plan.configs)
    given = " ".join(f"--{key} {value}" for key, value in dict((*plan.options, *plan.overrides)).items())
    varied = ", ".join(f"`{axis.key}` ({len(axis.values)})" for axis in plan.axes)
    seconds = sum({row.cell: row.figures["seconds"] or 0.0 for row in rows}.values())
    return Text(
        f"How it was made: `{configs} {given}`, varied in {varied}; {len({row.cell for row in rows})} runs, "
        f"{len(rows)} rows, {seconds:.0f} s of optimisation. All figures are in `table.csv`, every run with its own "
        "config in `cells`."
    )
