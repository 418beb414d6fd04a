"""The commands beside ``fit``: latents, conversions, faces."""

import io
import json
import os
import struct
import zipfile

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tests.hostile.case import CANARIES, SHELL, Case, check, params
from tests.hostile.test_generators import safetensors


def render(name, make, says=(), file="bad.safetensors", more=(), slow=False) -> Case:
    arguments = ["render", file, "--generator", "tiny.safetensors", "--out", "again", *more]
    return Case(f"render: {name}", arguments, [file, *says], make, slow=slow)


def written(file, data):
    return lambda folder: (folder / file).write_bytes(data)


def latent(change, file="bad.safetensors"):
    """The latents of a run, changed in one place."""

    def make(folder):
        with safe_open(folder / "latent.safetensors", "pt") as old:
            told, tensors = old.metadata(), {key: old.get_tensor(key) for key in old.keys()}  # noqa: SIM118
        change(tensors, told)
        save_file({key: value.contiguous() for key, value in tensors.items()}, folder / file, told)

    return make


def npz(**changes):
    def make(folder):
        with np.load(folder / "latent.npz") as file:
            arrays = {**{key: file[key] for key in file.files}, **changes}
        np.savez(folder / "bad.npz", **{key: value for key, value in arrays.items() if value is not None})

    return make


def huge_npz(folder):
    """An array whose header claims 2^62 numbers."""
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }" % 2**62
    head += b" " * (63 - (len(head) + 10) % 64) + b"\n"
    with zipfile.ZipFile(folder / "bad.npz", "w") as archive:
        archive.writestr("latent.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head)


def npz_bomb(folder):
    with zipfile.ZipFile(folder / "bad.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("latent.npy", bytes(200 << 20))


def name_of_code(folder):
    npz(names=np.array([SHELL], dtype=object))(folder)


def put_names(*names):
    return latent(lambda tensors, told: told.update(names=json.dumps(list(names))))


RENDER = [
    render("missing", lambda folder: None, ["no such file"], "nowhere.npz"),
    render("FIFO", lambda folder: os.mkfifo(folder / "pipe.npz"), [], "pipe.npz"),
    render("endless device", lambda folder: None, [], "/dev/zero"),
    render("folder", lambda folder: None, [], "model"),
    render("empty", written("bad.npz", b""), [], "bad.npz"),
    render("text", written("bad.npz", b"hello"), [], "bad.npz"),
    render("pickle that calls a shell", written("bad.npz", CANARIES["shell"]), [], "bad.npz"),
    render("names that call a shell", name_of_code, [], "bad.npz"),
    render("claim of 2^62 numbers", huge_npz, [], "bad.npz"),
    render("zip bomb", npz_bomb, ["compressed"], "bad.npz"),
    render("no latent", npz(latent=None), [], "bad.npz"),
    render("latent of texts", npz(latent=np.array([["a"]])), [], "bad.npz"),
    render("latent of complex numbers", npz(latent=np.zeros((1, 6, 8), complex)), [], "bad.npz"),
    render("latent of NaN", npz(latent=np.full((1, 6, 8), np.nan, np.float32)), ["not finite"], "bad.npz"),
    render(
        "another generator",
        npz(generator_sha256=np.array("0" * 64), weights_sha256=np.array("0" * 64)),
        ["--generator"],
        "bad.npz",
    ),
    render(
        "escapes in the SHA-256",
        npz(generator_sha256=np.array("\x1b[2J\n"), weights_sha256=np.array("")),
        ["--generator"],
        "bad.npz",
    ),
    render("two names for one", npz(names=np.array(["a", "b"])), ["2 names"], "bad.npz"),
    render("safetensors of 2^60 bytes", written("bad.safetensors", safetensors(b"{", 2**60))),
    render("safetensors of nothing", written("bad.safetensors", safetensors(b"{}"))),
    render("name that leaves the folder", put_names("../../owned"), ["no name of a picture"]),
    render("absolute name", put_names("/tmp/owned"), ["no name of a picture"]),
    render("name with a zero", put_names("a\0b"), ["no name of a picture"]),
    render("name of half a letter", put_names("\ud800"), []),
    render("name of 300 letters", put_names("a" * 300), ["no name of a picture"]),
    render("name of nothing", put_names(""), ["no name of a picture"]),
    render("names of a dictionary", latent(lambda tensors, told: told.update(names="{}"))),
    render("names of 50,000 brackets", latent(lambda tensors, told: told.update(names="[" * 50_000))),
    render("latent of whole numbers", latent(lambda tensors, told: tensors.update(latent=tensors["latent"].int()))),
    render("latent of another width", latent(lambda tensors, told: tensors.update(latent=torch.zeros(1, 6, 9)))),
    render("latent beyond all", latent(lambda tensors, told: tensors["latent"].fill_(3e38)), ["not finite"]),
    render("noise of nonsense", latent(lambda tensors, told: told.update(noise="\x1b[2J"))),
    render("noise map too many", latent(lambda tensors, told: tensors.update(noise_0=torch.zeros(1)))),
    Case(
        "render: file as folder",
        ["render", "latent.npz", "--generator", "tiny.safetensors", "--out", "photo.png"],
        ["--out", "photo.png"],
    ),
    Case(
        "render: generator that calls a shell",
        ["render", "latent.npz", "--generator", "bad.pkl", "--out", "again"],
        ["bad.pkl", "nothing was run"],
        written("bad.pkl", CANARIES["shell"]),
    ),
    Case("render: nothing", ["render"], ["latent", "--help"]),
    Case("render: unknown option", ["render", "latent.npz", "--out", "again", "--\x1b[2J"], ["unrecognized"]),
]


def convert(name, source, target, says, make=lambda folder: None, more=()) -> Case:
    return Case(f"convert: {name}", ["convert", source, target, *more], says, make)


CONVERT = [
    convert("missing", "nowhere.pkl", "new.safetensors", ["nowhere.pkl"]),
    convert(
        "pickle that calls a shell",
        "bad.pkl",
        "new.safetensors",
        ["bad.pkl", "nothing was run"],
        written("bad.pkl", CANARIES["shell"]),
    ),
    convert("pickle as target", "tiny.safetensors", "new.pkl", ["new.pkl"]),
    convert("itself", "tiny.safetensors", "tiny.safetensors", ["tiny.safetensors"], more=["--force"]),
    convert("what is there", "tiny.safetensors", "latent.safetensors", ["latent.safetensors", "--force"]),
    convert(
        "folder as target",
        "tiny.safetensors",
        "dir.pt",
        ["dir.pt"],
        lambda folder: (folder / "dir.pt").mkdir(),
        ["--force"],
    ),
    convert("below a file", "tiny.safetensors", "photo.png/new.pt", ["photo.png"]),
    convert("name of 300 letters", "tiny.safetensors", "a" * 300 + ".pt", ["too long"]),
    convert("nowhere to write", "tiny.safetensors", "/proc/new.pt", ["/proc/new.pt"]),
    convert("half of another format", "tiny.safetensors", "new.pt", ["half"], more=["--half"]),
    convert("FIFO", "pipe.pkl", "new.pt", ["pipe.pkl"], lambda folder: os.mkfifo(folder / "pipe.pkl")),
    convert(
        "safetensors of 2^60 bytes",
        "bad.safetensors",
        "new.pt",
        ["bad.safetensors"],
        written("bad.safetensors", safetensors(b"{", 2**60)),
    ),
]
POINTS = "[[5, 6], [11, 6], [6, 11], [10, 11]]"


def align(name, points, says, photo="photo.png", more=(), make=lambda folder: None, file="bad.json") -> Case:
    def both(folder):
        (folder / file).write_bytes(points if isinstance(points, bytes) else points.encode())
        make(folder)

    return Case(f"align: {name}", ["align", photo, "--landmarks", file, "--out", "new", "--smallest", "0", "--size",
                                   "16", *more], says, both)  # fmt: skip


def array(value) -> bytes:
    data = io.BytesIO()
    np.save(data, value, allow_pickle=True)
    return data.getvalue()


ALIGN = [
    align("missing photo", POINTS, ["nowhere.png"], "nowhere.png"),
    align("FIFO", POINTS, ["pipe.png"], "pipe.png", make=lambda folder: os.mkfifo(folder / "pipe.png")),
    align("text", POINTS, ["tiny.yaml"], "tiny.yaml"),
    align("points of nothing", "", ["bad.json"]),
    align("points of 100,000 brackets", "[" * 100_000, ["bad.json"]),
    align("points of NaN", "[[NaN, 1], [2, 3], [4, 5], [6, 7]]", ["not finite"]),
    align("points beyond the picture", "[[1e300, 0], [0, 0], [0, 1e300], [1e300, 1e300]]", ["no picture"]),
    align("points of texts", '[["a", "b"], [1, 2], [3, 4], [5, 6]]', ["bad.json"]),
    align("points of one line", "[[0, 0], [1, 1], [2, 2], [3, 3]]", ["one line"]),
    align("points of another photo", json.dumps({"\x1b[2J": []}), ["photo.png"]),
    align("points that call a shell", CANARIES["shell"], ["bad.npy", "not an array of NumPy"], file="bad.npy"),
    align("array that calls a shell", array(np.array([SHELL], dtype=object)), ["bad.npy"], file="bad.npy"),
    align(
        "array that claims 2^62 numbers",
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,), }".ljust(127)
        + b"\n",
        ["bad.npy"],
        file="bad.npy",
    ),
    align("size of none", POINTS, ["size"], more=["--size", "0"]),
    align("size of a billion", POINTS, ["size"], more=["--size", "1000000000"]),
    align("size of a text", POINTS, ["--size", "many"], more=["--size", "many"]),
    align("smallest of NaN", POINTS, ["smallest"], more=["--smallest", "nan"]),
    align("folder that is a file", POINTS, ["--out"], more=["--out", "photo.png"]),
    align("folder of the photo", POINTS, ["--out", "photo.png"], more=["--out", "."]),
    align(
        "name too long for its figure",
        POINTS,
        ["too long"],
        "a" * 245 + ".png",
        make=lambda folder: (folder / "photo.png").rename(folder / ("a" * 245 + ".png")),
    ),
]


def paste(name, says, make=lambda folder: None, photo="photo.png", face="faces/photo.png", more=()) -> Case:
    return Case(f"paste: {name}", ["paste", photo, face, "--alignment", "faces/photo.json", "--out", "new.png", *more],
                says, make)  # fmt: skip


def record(**told):
    def make(folder):
        path = folder / "faces/photo.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **told}))

    return make


PASTE = [
    paste("missing face", ["nowhere.png"], face="nowhere.png"),
    paste("FIFO as face", ["pipe.png"], lambda folder: os.mkfifo(folder / "pipe.png"), face="pipe.png"),
    paste("another photo", ["photo.json", "99"], record(source_width=99)),
    paste("escapes in the record", ["photo.json"], record(source="\x1b[2J\n", source_width=99)),
    paste("quad of NaN", ["quad"], record(quad=[[float("nan")] * 2] * 4)),
    paste("quad of a point", ["quad", "not a square"], record(quad=[[1, 1]] * 4)),
    paste("quad beyond all", ["quad"], record(quad=[[0, 0], [0, 1e30], [1e30, 1e30], [1e30, 0]])),
    paste("quad of a text", ["photo.json"], record(quad="all")),
    paste("width of a list", ["photo.json"], record(source_width=[16])),
    paste("width of infinity", ["photo.json"], record(source_width=float("inf"))),
    paste("version of the future", ["version"], record(version=99)),
    paste("record of 100,000 brackets", ["photo.json"], written("faces/photo.json", b"[" * 100_000)),
    paste("record of no text", ["photo.json"], written("faces/photo.json", b"\xff\xfe\x00")),
    paste("record of a list", ["photo.json"], written("faces/photo.json", b"[]")),
    paste(
        "record of a FIFO",
        ["faces/photo.json"],
        lambda folder: ((folder / "faces/photo.json").unlink(), os.mkfifo(folder / "faces/photo.json")),
    ),
    paste("feather of NaN", ["feather"], more=["--feather", "nan"]),
    paste("feather below none", ["feather"], more=["--feather", "-1"]),
    paste("feather of infinity", ["feather"], more=["--feather", "inf"]),
    paste("over the photo", ["--out", "photo.png"], more=["--out", "photo.png"]),
    paste("no picture", ["--out", "new.exe"], more=["--out", "new.exe"]),
    paste("below a file", ["photo.png"], more=["--out", "photo.png/new.png"]),
    paste("over the record", ["--out"], more=["--out", "faces/photo.json"]),
]
CASES = [*RENDER, *CONVERT, *ALIGN, *PASTE]


@pytest.mark.parametrize("case", params(CASES, 40))
def test_refused(case, place):
    check(case, place)
