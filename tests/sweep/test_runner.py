import os
import signal
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from lit_nst.errors import InputError
from lit_nst.sweep import turns
from lit_nst.sweep.axis import Axis
from lit_nst.sweep.folder import CELLS, FIGURES, REFUSED, open_folder
from lit_nst.sweep.plan import Plan
from lit_nst.sweep.processes import Processes
from lit_nst.sweep.runner import arguments, left_out, run_cells

PLAN = Plan("p", {Path("a.yaml"): {}}, (), (Axis("x", (1, 2, 3)),), (), "generic", {})
SLURM = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "1"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "1", "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "GROUP_RANK": "0"}
OWN = {"LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "1.1.1.1", "MASTER_PORT": "1"}


def ranks(rank=0, size=1):
    return SimpleNamespace(
        rank=rank, size=size, device=torch.device("cpu"), failed=lambda: None, orphaned=lambda: False,
        stop=lambda _: None, wait=lambda _: None,
    )  # fmt: skip


def name_of(args):
    return next(arg for arg in args if "logger.init_args.name=" in arg).partition("=")[2]


def run(folder, fit, of=None, processes=None):
    """Runs the cells; what ``fit`` does not raise is a run that came to its end."""

    def whole(args):
        try:
            fit(name_of(args))
        finally:
            home = folder / CELLS / name_of(args)
            home.mkdir(parents=True, exist_ok=True)
            (home / FIGURES).write_text('{"rows": [], "unreadable": [{"name": "a"}]}')

    run_cells(PLAN, folder, whole, of or ranks(), processes or Processes())


@pytest.mark.parametrize("variables", [SLURM, TORCHRUN, {**OWN, "LIT_NST_PARENT": "1"}], ids=["slurm", "torch", "own"])
def test_run_knows_nothing_of_the_other_processes(tmp_path, monkeypatch, variables):
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    seen = []

    def fit(name):
        assert not variables.keys() & os.environ.keys()
        assert rank_zero_only.rank == 0
        trainer = Trainer(devices=1, accelerator="cpu", strategy="rows", logger=False, max_steps=1)
        seen.append([trainer.world_size, trainer.global_rank, trainer.is_global_zero])
        os.environ["LEFT"] = "1"

    run(tmp_path, fit, ranks(1, 2))
    assert seen == [[1, 0, True]] * 3
    assert rank_zero_only.rank == 1
    assert variables.items() <= os.environ.items()
    assert "LEFT" not in os.environ


def test_handlers_that_a_run_leaves_are_gone(tmp_path):
    before = signal.getsignal(signal.SIGUSR1)
    found = []

    def fit(name):
        found.append(signal.getsignal(signal.SIGUSR1))
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    run(tmp_path, fit)
    assert signal.SIG_IGN not in found
    assert signal.getsignal(signal.SIGUSR1) == before


def test_lightning_does_not_ask_for_srun_in_every_cell(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(tmp_path, lambda name: warnings.warn("The `srun` command is available on your system", stacklevel=1))


def test_every_process_says_what_it_has_done_and_counts_the_others(tmp_path, capsys):
    def fit(name):
        if name == "x-2":
            (tmp_path / CELLS / "x-3").mkdir()
            (tmp_path / CELLS / "x-3" / FIGURES).touch()

    run(tmp_path, fit)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("1 of 3   x-1 ")
    assert first.endswith(" left")
    assert second.startswith("2 of 3   x-2 ")
    assert second.endswith(" in all")


@pytest.mark.parametrize(("rank", "said"), [(0, "1 of 3 cells were finished before\n"), (1, "")])
def test_what_was_finished_before_is_said_once(tmp_path, capsys, rank, said):
    (tmp_path / CELLS / "x-1").mkdir(parents=True)
    (tmp_path / CELLS / "x-1" / FIGURES).touch()
    names = []
    run(tmp_path, names.append, ranks(rank, 2))
    assert sorted(names) == ["x-2", "x-3"]
    assert capsys.readouterr().out.startswith(said or ("2 of 3", "3 of 3"))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), 130),
        (SystemExit(1), 130),
        (SystemExit(130), 130),
        (SystemExit(143), 143),
        (SIGTERMException(), 143),
    ],
)
def test_run_that_is_stopped_stops_the_sweep(tmp_path, capsys, error, status):
    def fit(name):
        raise error

    with pytest.raises(SystemExit) as caught:
        run(tmp_path, fit)
    assert caught.value.code == status
    assert capsys.readouterr().err == "\nstopped in cell x-1; the same command goes on from there\n"


def test_run_that_leaves_pictures_out_is_a_whole_one(tmp_path):
    def fit(name):
        raise SystemExit(3)

    run(tmp_path, fit)
    assert left_out(PLAN, tmp_path) == 3


def test_refused_cell_of_another_process_is_left_to_the_first_to_say(tmp_path, capsys):
    def fit(name):
        raise InputError("no such layer")

    with pytest.raises(SystemExit) as caught:
        run(tmp_path, fit, ranks(1, 2))
    assert caught.value.code == 2
    assert (tmp_path / REFUSED).read_text() == "cell x-2: no such layer"
    assert capsys.readouterr().err == ""


def test_next_sweep_forgets_what_was_refused(tmp_path):
    folder = open_folder(PLAN, tmp_path)
    (folder / REFUSED).write_text("cell x-2: no such layer")
    assert open_folder(PLAN, tmp_path) == folder
    assert not (folder / REFUSED).exists()


def test_claims_are_gone_when_all_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "PAUSE", 0.01)
    run(tmp_path, lambda name: None, ranks(0, 2))
    assert [path.name for path in tmp_path.iterdir()] == [CELLS]


def test_cell_is_a_run_on_one_machine_and_on_the_device_of_its_process(tmp_path):
    cell = PLAN.cells()[0]
    args = arguments(tmp_path, cell, [("trainer.devices", "[1]")])
    assert args.index("--trainer.devices=1") < args.index("--trainer.devices=[1]")
    assert "--trainer.num_nodes=1" in args
