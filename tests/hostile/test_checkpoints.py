"""Checkpoints of runs that go on."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from tests.hostile.case import CANARIES, CODE, SHELL, Case, check, params
from tests.hostile.kit import checkpoint

HOOK = ""
RESUME = ["--ckpt_path", "bad.ckpt", "--trainer.max_steps", "4"]


def given(name: str, data: bytes | Callable[[], bytes], says=("bad.ckpt",), slow=False) -> Case:
    """A file of some bytes."""
    return Case(
        name,
        RESUME,
        ["ckpt_path", *says],
        lambda folder: (folder / "bad.ckpt").write_bytes(data() if callable(data) else data),
        slow=slow,
        known=HOOK,
    )


def changed(name: str, change, says=(), more=(), slow=False) -> Case:
    """The checkpoint of a run, changed in one place."""

    def make(folder):
        found = checkpoint(folder)
        torch.save(change(found) or found, folder / "bad.ckpt")

    return Case(name, [*RESUME, *more], ["ckpt_path", *says], make, slow=slow, known=HOOK)


def put(value, *keys):
    """Sets one entry; None as last key: takes it out."""

    def change(found):
        inner = found
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return change


def without(*keys):
    def change(found):
        inner = found
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]

    return change


def saved(value) -> bytes:
    data = io.BytesIO()
    torch.save(value, data)
    return data.getvalue()


def legacy(value) -> bytes:
    data = io.BytesIO()
    torch.save(value, data, _use_new_zipfile_serialization=False)
    return data.getvalue()


def cut(folder):
    data = (folder / "last.ckpt").read_bytes()
    (folder / "bad.ckpt").write_bytes(data[: len(data) // 2])


def zip_bomb() -> bytes:
    """A torch file whose pickle unpacks to a gibibyte."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("archive/data.pkl", "w") as file:
        for _ in range(1024):
            file.write(bytes(1 << 20))
    return data.getvalue()


def numbers() -> bytes:
    data = io.BytesIO()
    np.save(data, np.zeros((1, 3, 16, 16)))
    return data.getvalue()


CASES = [
    Case("missing", ["--ckpt_path", "nowhere.ckpt"], ["--ckpt_path", "nowhere.ckpt", "does not exist", "last.ckpt"]),
    Case("folder", ["--ckpt_path", "model"], ["--ckpt_path", "model"]),
    Case("FIFO", RESUME, ["--ckpt_path", "bad.ckpt"], lambda folder: os.mkfifo(folder / "bad.ckpt")),
    Case("endless device", ["--ckpt_path", "/dev/zero"], ["--ckpt_path", "/dev/zero"]),
    Case(
        "link to itself",
        RESUME,
        ["--ckpt_path", "bad.ckpt"],
        lambda folder: (folder / "bad.ckpt").symlink_to("bad.ckpt"),
    ),
    Case("address", ["--ckpt_path", "http://localhost:1/last.ckpt"], ["--ckpt_path", "does not exist"]),
    Case("address of a scheme", ["--ckpt_path", "memory://last.ckpt"], ["--ckpt_path", "does not exist"]),
    Case("name of 300 letters", ["--ckpt_path", "a" * 300], ["too long", "aaa"]),
    Case("name with escapes", ["--ckpt_path", "\x1b[2J\n.ckpt"], ["--ckpt_path", "does not exist"]),
    Case("no name", ["--ckpt_path", ""], ["--ckpt_path"]),
    Case("last of no run", ["--ckpt_path", "last"], ["--ckpt_path"]),
    Case("best of no run", ["--ckpt_path", "best"], ["--ckpt_path"]),
    Case("cut off", RESUME, ["--ckpt_path", "bad.ckpt"], cut, known=HOOK),
    given("empty", b""),
    given("text", b"hello\n"),
    given("picture", lambda: Path("photo.png").read_bytes()),
    given("zeros", bytes(100_000)),
    given("pickle that calls a shell", CANARIES["shell"]),
    given("pickle that runs code", CANARIES["code"]),
    given("torch file that calls a shell", saved({"state_dict": SHELL})),
    given("torch file that runs code", saved([CODE])),
    given("old torch file that calls a shell", legacy({"state_dict": SHELL})),
    changed("code beside the tensors", lambda found: {**found, "extra": SHELL}),
    changed("code as a tensor", put(CODE, "state_dict", "w")),
    changed("code as the state of a callback", lambda found: found["callbacks"].update(x=SHELL)),
    given("old pickle", pickle.dumps({"state_dict": {}}, 0)),
    given("safetensors", save({"w": torch.zeros(1, 3, 16, 16)})),
    given("array", numbers),
    given("zip bomb", zip_bomb, slow=True),
    given("list", saved([1, 2])),
    given("tensor", saved(torch.zeros(3))),
    given("nothing in it", saved({})),
    given("nested 5,000 times", lambda: saved(__import__("functools").reduce(lambda a, _: [a], range(400), []))),
    changed("weights alone", lambda found: dict(found["state_dict"])),
    changed("no state", without("state_dict")),
    changed("state of a list", put([], "state_dict")),
    changed("state of null", put(None, "state_dict")),
    changed("no w", without("state_dict", "w")),
    changed("no best", without("state_dict", "best"), ["best"]),
    changed("another tensor", put(torch.zeros(1), "state_dict", "extra"), ["extra"]),
    changed("w of another size", put(torch.zeros(1, 3, 8, 8), "state_dict", "w"), ["its best and its w"]),
    changed("w of more rows", put(torch.zeros(2, 3, 16, 16), "state_dict", "w"), ["its best and its w"]),
    changed("best of another size", put(torch.zeros(1, 3, 8, 8), "state_dict", "best"), ["best"]),
    changed("w of a text", put("w", "state_dict", "w")),
    changed("w of a list", put([1.0], "state_dict", "w")),
    changed("w of whole numbers", put(torch.zeros(1, 3, 16, 16, dtype=torch.int64), "state_dict", "w")),
    changed("w of complex numbers", put(torch.zeros(1, 3, 16, 16, dtype=torch.complex64), "state_dict", "w")),
    changed("w without values", put(torch.zeros(1, 3, 16, 16, device="meta"), "state_dict", "w")),
    changed("w in few places", lambda found: found["state_dict"].update(w=found["state_dict"]["w"].to_sparse())),
    changed("no optimizer", without("optimizer_states")),
    changed("optimizers of none", put([], "optimizer_states")),
    changed("optimizer of null", put([None], "optimizer_states")),
    changed("optimizer of a text", put("Adam", "optimizer_states")),
    changed("optimizer without groups", without("optimizer_states", 0, "param_groups")),
    changed("optimizer of another size", put(torch.zeros(1, 3, 8, 8), "optimizer_states", 0, "state", 0, "exp_avg")),
    changed("another optimizer", lambda found: None, ["optimizer"], ["--model.optimizer", "torch.optim.SGD"]),
    changed("optimizer with line searches", lambda found: None, ["optimizer"], ["--model.optimizer", "RowLBFGS"]),
    changed("no schedule", without("lr_schedulers")),
    changed("no loops", without("loops")),
    changed("loops of null", put(None, "loops")),
    changed("loops of another kind", put({"fit_loop": {}}, "loops")),
    changed("no steps", without("global_step")),
    changed("steps of a text", put("many", "global_step")),
    changed("steps below none", put(-5, "global_step")),
    changed("no epoch", without("epoch")),
    changed("no version", without("pytorch-lightning_version")),
    changed("version of nonsense", put("\x1b[2Jnext", "pytorch-lightning_version")),
    changed("version of a number", put(3, "pytorch-lightning_version")),
    changed("callbacks of a list", put([1], "callbacks")),
]


@pytest.mark.parametrize("case", params(CASES, 14))
def test_refused(case, place):
    check(case, place)
