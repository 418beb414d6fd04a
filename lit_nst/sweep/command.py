"""``python cli.py sweep --config feature_inversion.yaml --vary 'model.target.layers=[[conv1_1], [relu1_1]]'``."""

import sys
from pathlib import Path

from lit_nst.errors import InputError
from lit_nst.files import write_atomically
from lit_nst.parallel import Ranks
from lit_nst.sweep.folder import CELLS, open_folder
from lit_nst.sweep.halt import GRACE
from lit_nst.sweep.options import read_command
from lit_nst.sweep.pages import check_page, make_page, measure
from lit_nst.sweep.plan import Plan
from lit_nst.sweep.processes import Processes, split
from lit_nst.sweep.records import collect
from lit_nst.sweep.runner import LEFT_OUT, Fit, left_out, run_cells
from lit_nst.sweep.table import csv_of

USAGE = """usage: lit-nst sweep --config NAME [--config NAME ...] --vary 'KEY=[VALUE, ...]' [--vary ...] [fit's options]

  python cli.py sweep --config sweeps/inversion.yaml                a recipe: configs, options, arms, vary, page
  python cli.py sweep --config feature_inversion.yaml --vary 'model.target.layers=[[conv1_1], [relu1_1]]'
  python cli.py sweep --config style_transfer.yaml --vary 'model.style=[GramLoss, MeanVarLoss]' \\
                      --vary 'model.style.weight=[100, 1000]' --trainer.max_steps 50
  python cli.py sweep --config sweeps/inversion.yaml --trainer.devices 2      two processes share the cells

Every combination is a run in logs/NAME/version_N/cells/; weights share a run, a row each. The same command again
goes on where it was stopped. In the end there are index.html, figures/*.png and table.csv."""


def main(args: list[str], fit: Fit, configs: Path) -> None:
    """Runs or goes on with a sweep, in as many processes as the arguments say, then writes its page.

    Args:
        args: The arguments after ``sweep``.
        fit: Runs the command line ``fit …`` of one cell.
        configs: Folder in which configs are looked up that are not files here.

    Raises:
        InputError: Bad arguments, a bad recipe, or a cell that refuses its options.
        SystemExit: As ``run_cells``; with status 3 where pictures were left out.
    """
    if not args or {"-h", "--help"} & set(args):
        print(USAGE)
        return
    processes, rest = split(args)
    plan = read_command(rest, configs)
    check_page(plan)
    ranks = processes.ranks(plan)
    ranks.launch(lambda: _process(plan, fit, ranks, processes))


def _process(plan: Plan, fit: Fit, ranks: Ranks, processes: Processes) -> None:
    """What each process does."""
    folder = Path(ranks.agree(lambda: str(open_folder(plan, Path("logs")))))
    ranks.close()
    run_cells(plan, folder, fit, ranks, processes)
    if ranks.rank == 0:
        _show(plan, folder)
        ranks.wait(GRACE)


def _show(plan: Plan, folder: Path) -> None:
    """Makes the table and the page."""
    rows = collect(plan, folder / CELLS)
    if not rows:
        raise InputError(f"{folder}: no row was made; look at the cells")
    measure(plan, rows)
    write_atomically(folder / "table.csv", csv_of(rows).encode())
    make_page(plan, rows, folder)
    print(f"{len(rows)} rows. Look at:\n  {folder / 'index.html'}\n  {folder / 'figures'}\n  {folder / 'table.csv'}")
    if missing := left_out(plan, folder):
        print(f"{missing} rows were left out, since their pictures cannot be read", file=sys.stderr)
        raise SystemExit(LEFT_OUT)
