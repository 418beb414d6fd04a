"""``python cli.py sweep --config feature_inversion.yaml --vary 'model.target.layers=[[conv1_1], [relu1_1]]'``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lit_nst.errors import InputError
from lit_nst.files import write_atomically
from lit_nst.sweep.folder import CELLS, open_folder
from lit_nst.sweep.options import read_command
from lit_nst.sweep.pages import check_page, make_page, measure
from lit_nst.sweep.records import collect
from lit_nst.sweep.runner import run_cells
from lit_nst.sweep.table import csv_of

USAGE = """usage: lit-nst sweep --config NAME [--config NAME ...] --vary 'KEY=[VALUE, ...]' [--vary ...] [fit's options]

  python cli.py sweep --config sweeps/inversion.yaml                a recipe: configs, options, arms, vary, page
  python cli.py sweep --config feature_inversion.yaml --vary 'model.target.layers=[[conv1_1], [relu1_1]]'
  python cli.py sweep --config style_transfer.yaml --vary 'model.style=[GramLoss, MeanVarLoss]' \\
                      --vary 'model.style.weight=[100, 1000]' --trainer.max_steps 50

Every combination is a run in logs/NAME/version_N/cells/; weights share a run, a row each. The same command again
goes on where it was stopped. In the end there are index.html, figures/*.png and table.csv."""


def main(args: list[str], fit: Callable[[list[str]], Any], configs: Path) -> None:
    """Runs or goes on with a sweep, then writes its page.

    Args:
        args: The arguments after ``sweep``.
        fit: Runs the command line ``fit …`` of one cell.
        configs: Folder in which configs are looked up that are not files here.

    Raises:
        InputError: Bad arguments, a bad recipe, or a cell that refuses its options.
    """
    if not args or {"-h", "--help"} & set(args):
        print(USAGE)
        return
    plan = read_command(args, configs)
    check_page(plan)
    folder = open_folder(plan, Path("logs"))
    run_cells(plan, folder, fit)
    rows = collect(plan, folder / CELLS)
    if not rows:
        raise InputError(f"{folder}: no row was made; look at the cells")
    measure(plan, rows)
    write_atomically(folder / "table.csv", csv_of(rows).encode())
    make_page(plan, rows, folder)
    print(f"{len(rows)} rows. Look at:\n  {folder / 'index.html'}\n  {folder / 'figures'}\n  {folder / 'table.csv'}")
