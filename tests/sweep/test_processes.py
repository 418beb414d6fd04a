from pathlib import Path

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.sweep.arms import Arm
from lit_nst.sweep.axis import Axis
from lit_nst.sweep.plan import Cell, Plan
from lit_nst.sweep.processes import Processes, split

BASE, OTHER = Path("base.yaml"), Path("other.yaml")


def plan(config=None, options=(), axes=(), overrides=(), other=None):
    arms = {} if other is None else {"other": Arm("other", {OTHER: other}, (), alone=True)}
    return Plan("p", {BASE: config or {}}, tuple(options), tuple(axes), tuple(overrides), "generic", {}, arms)


@pytest.mark.parametrize(
    ("args", "processes", "rest"),
    [
        ([], Processes(), []),
        (["--config", "a", "--x", "1"], Processes(), ["--config", "a", "--x", "1"]),
        (["--trainer.devices", "2", "--x=1"], Processes(2), ["--x=1"]),
        (["--trainer.devices=[0, 3]"], Processes([0, 3]), []),
        (["--trainer.devices", "-1"], Processes(-1), []),
        (["--trainer.devices", "auto", "--trainer.devices", "2"], Processes(2), []),
        (["--trainer.num_nodes", "3", "a"], Processes(nodes=3), ["a"]),
        (["--trainer.accelerator", "cpu"], Processes(accelerator="cpu"), []),
    ],
)
def test_processes_are_no_part_of_the_plan(args, processes, rest):
    assert split(args) == (processes, rest)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--trainer.devices"], ["--trainer.devices", "no value"]),
        (["--trainer.num_nodes", "--x"], ["--trainer.num_nodes", "no value"]),
        (["--trainer.devices", "1.5"], ["--trainer.devices: 1.5"]),
        (["--trainer.devices", "true"], ["--trainer.devices: true"]),
        (["--trainer.devices", "[1"], ["--trainer.devices: [1"]),
        (["--trainer.devices", "[]"], ["--trainer.devices: []"]),
        (["--trainer.num_nodes", "0"], ["--trainer.num_nodes: 0"]),
        (["--trainer.num_nodes", "two"], ["--trainer.num_nodes: two"]),
    ],
)
def test_values_that_are_none_are_refused_in_one_line(args, words):
    with pytest.raises(InputError) as caught:
        split(args)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("processes", "words"),
    [
        (Processes("many", accelerator="cpu"), "--trainer.devices many"),
        (Processes(0, accelerator="cpu"), "--trainer.devices 0"),
        (Processes(accelerator="abacus"), "--trainer.accelerator abacus"),
    ],
)
def test_devices_that_there_are_not_are_refused_in_one_line(processes, words):
    with pytest.raises(InputError, match=words) as caught:
        processes.ranks(plan())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "of"),
    [
        (None, plan()),
        ("cpu", plan({"trainer": {"accelerator": "cuda"}})),
        (None, plan({"trainer": {"accelerator": "cpu"}})),
        (None, plan({"trainer": {"accelerator": "cuda"}}, [("trainer.accelerator", "cpu")])),
        (None, plan(options=[("trainer.accelerator", "cuda")], overrides=[("trainer.accelerator", "cpu")])),
        (None, plan({"trainer": {"accelerator": None}})),
        (None, plan({"trainer": "broken"})),
    ],
)
def test_accelerator_is_that_of_the_command_line_or_the_last_one_that_is_named(given, of, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    ranks = Processes(2, accelerator=given).ranks(of)
    assert (ranks.rank, ranks.size, ranks.device.type) == (0, 2, "cpu")


def test_accelerator_that_varies_is_not_given_too():
    varied = plan(axes=[Axis("trainer.accelerator", ("cpu", "cuda"))])
    with pytest.raises(InputError, match=r"^--trainer.accelerator: it varies"):
        Processes(accelerator="cpu").ranks(varied)


@pytest.mark.parametrize(
    ("processes", "of", "options", "device", "found"),
    [
        (Processes(), plan(), (), "cpu", []),
        (Processes(2, accelerator="cpu"), plan(), (), "cpu", [("trainer.accelerator", "cpu")]),
        (Processes(2), plan(), (), "cuda:0", []),
        (Processes(2), plan(), (), "cuda:1", [("trainer.devices", "[1]")]),
        (
            Processes(2, accelerator="gpu"),
            plan({"trainer": {"accelerator": "cpu"}}),
            (),
            "cuda:1",
            [("trainer.accelerator", "gpu"), ("trainer.devices", "[1]")],
        ),
        (Processes(2), plan({"trainer": {"accelerator": "cpu"}}), (), "cuda:1", []),
        (Processes(2), plan(), (("trainer.accelerator", "cpu"),), "cuda:1", []),
        (Processes(2), plan(other={"trainer": {"accelerator": "cpu"}}), (), "cuda:1", []),
    ],
)
def test_cell_runs_on_the_device_of_its_process(processes, of, options, device, found):
    cell = Cell("c", {}, options, (OTHER,) if of.arms else (BASE,))
    assert processes.options(of, cell, torch.device(device)) == found
