"""Generators, diffusion models and networks of features as files."""

import json
import os
import pickle
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.hostile.case import CANARIES, CANARY, CODE, SHELL, Canary, Case, check, params
from tests.hostile.test_checkpoints import legacy, saved, zip_bomb

SAFE = "bad.safetensors"


def weights(name, file, data, says=(), slow=False) -> Case:
    """A StyleGAN2 file of some bytes."""
    make = lambda folder: (folder / file).write_bytes(data() if callable(data) else data)  # noqa: E731
    return Case(name, ["--model.generator.weights", file], [file, *says], make, "stylegan.yaml", slow=slow)


def link(name, file, make, says=()) -> Case:
    return Case(name, ["--model.generator.weights", file], [file, *says], make, "stylegan.yaml")


def safetensors(header: bytes, length: int | None = None, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + body


def entry(**told) -> bytes:
    return json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **told}}).encode()


def state(name, change, says=(), slow=False) -> Case:
    """The tiny generator, changed in one place."""

    def make(folder):
        tensors = load_file(folder / "tiny.safetensors")
        change(tensors)
        from safetensors import safe_open

        with safe_open(folder / "tiny.safetensors", "pt") as file:
            told = file.metadata()
        save_file({key: value.contiguous() for key, value in tensors.items()}, folder / SAFE, told)

    return Case(name, ["--model.generator.weights", SAFE], [SAFE, *says], make, "stylegan.yaml", slow=slow)


def first(tensors, kind="weight") -> str:
    return next(key for key in sorted(tensors) if key.endswith(kind))


def nested() -> bytes:
    return b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."


def doubling() -> bytes:
    """A list of lists of lists: 2^60 items for whoever copies it."""
    value: list = []
    for _ in range(60):
        value = [value, value]
    return pickle.dumps(value, 2)


STYLEGAN = [
    link("missing", "nowhere.pkl", lambda folder: None, ["no such file"]),
    link("no kind of file", "photo.png", lambda folder: None, ["no such kind of file"]),
    link("endless device", "/dev/zero", lambda folder: None, ["no such kind of file"]),
    link("link to an endless device", "zero.pkl", lambda folder: (folder / "zero.pkl").symlink_to("/dev/zero")),
    link("FIFO", "pipe.pt", lambda folder: os.mkfifo(folder / "pipe.pt")),
    link("folder", "folder.pkl", lambda folder: (folder / "folder.pkl").mkdir()),
    link("link to itself", "loop.pkl", lambda folder: (folder / "loop.pkl").symlink_to("loop.pkl")),
    link("name of 300 letters", "a" * 300 + ".pkl", lambda folder: None),
    link("name with escapes", "x\x1b[2J\n.pkl"[:1] + ".pkl", lambda folder: None),
    link("web address", "https://example.org/ffhq.pkl", lambda folder: None, ["no such file"]),
    link("program", "os.system", lambda folder: None, ["no such kind of file"]),
    weights("empty", "bad.pkl", b"", ["empty"]),
    weights("web page", "bad.pkl", b"<!DOCTYPE html>", ["a web page"]),
    weights("pointer of Git LFS", "bad.pkl", b"version https://git-lfs.github.com/spec/v1\n", ["Git LFS"]),
    weights("picture", "bad.pt", lambda: Path("photo.png").read_bytes()),
    weights("pickle that calls a shell", "bad.pkl", CANARIES["shell"], ["system", "nothing was run"]),
    weights("pickle that runs code", "bad.pkl", CANARIES["code"], ["exec", "nothing was run"]),
    weights("pickle that evaluates", "bad.pkl", pickle.dumps(Canary(eval, f"open('{CANARY}', 'w')"), 3), ["eval"]),
    weights("pickle that calls a shell, as a torch file", "bad.pt", CANARIES["shell"], ["nothing was run"]),
    weights("pickle that calls a shell, as safetensors", SAFE, CANARIES["shell"], ["nothing was run"]),
    weights("torch file that calls a shell", "bad.pt", saved({"g_ema": SHELL}), ["system"]),
    weights("torch file that runs code", "bad.pt", saved({"g_ema": {"a": CODE}}), ["exec"]),
    weights("old torch file that calls a shell", "bad.pt", legacy({"g_ema": SHELL}), ["system"]),
    weights("old text pickle", "bad.pkl", b"cos\nsystem\n(S'touch " + CANARY.encode() + b"'\ntR."),
    weights("pickle of 200,000 lists within each other", "bad.pkl", nested),
    weights("pickle that doubles 60 times", "bad.pkl", doubling),
    weights("pickle that claims a text of 2^60 bytes", "bad.pkl", b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"a."),
    weights("pickle without an end", "bad.pkl", b"\x80\x02" + b"]" * 1000),
    weights("pickle of nothing", "bad.pkl", pickle.dumps(None, 2)),
    weights("zip bomb", "bad.pt", zip_bomb, ["compressed"], slow=True),
    weights("zip of nothing", "bad.pt", b"PK\x05\x06" + bytes(18)),
    weights("torch file of a list", "bad.pt", saved([1, 2])),
    weights("torch file of another network", "bad.pt", lambda: saved({"g_ema": {"a": torch.zeros(3)}})),
    weights("safetensors of 2^60 bytes", SAFE, safetensors(b"{", 2**60)),
    weights("safetensors of 2^64 - 1 bytes", SAFE, safetensors(b"{}", 2**64 - 1)),
    weights(
        "safetensors of a tensor of 2^60 numbers", SAFE, safetensors(entry(shape=[2**60], data_offsets=[0, 2**62]))
    ),
    weights("safetensors of a shape beyond its bytes", SAFE, safetensors(entry(shape=[10**9]), body=bytes(4))),
    weights("safetensors of a shape below none", SAFE, safetensors(entry(shape=[-1]), body=bytes(4))),
    weights(
        "safetensors of bytes twice",
        SAFE,
        safetensors(
            b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
            body=bytes(4),
        ),
    ),
    weights("safetensors of 50,000 brackets", SAFE, safetensors(b'{"a":' + b"[" * 50_000)),
    weights("safetensors of no text", SAFE, safetensors(b'{"\xff":1}')),
    weights("safetensors of nothing", SAFE, safetensors(b"{}")),
    weights("safetensors of another model", SAFE, safetensors(entry(), body=bytes(4)), ["format"]),
    weights("safetensors cut off", SAFE, lambda: Path("tiny.safetensors").read_bytes()[:-9]),
    state("tensor missing", lambda t: t.pop(first(t))),
    state("tensor of another shape", lambda t: t.update({first(t): torch.zeros(3)})),
    state("tensor of whole numbers", lambda t: t.update({first(t): t[first(t)].long()})),
    state("tensor beside the others", lambda t: t.update({"os.system": torch.zeros(1)})),
    state("weights of NaN", lambda t: t[first(t)].fill_(torch.nan)),
    state("weights of infinity", lambda t: t[first(t)].fill_(torch.inf)),
    Case("samples of none", ["--model.generator.samples", "0"], ["samples"], config="stylegan.yaml"),
    Case("samples of 10 billion", ["--model.generator.samples", "10000000000"], ["samples"], config="stylegan.yaml"),
    Case("samples of null", ["--model.generator.samples", "null"], ["samples"], config="stylegan.yaml"),
    Case("space of nonsense", ["--model.generator.space", "[w, w, q]"], ["space"], config="stylegan.yaml"),
    Case("no space", ["--model.generator.space", "[]"], ["space"], config="stylegan.yaml"),
    Case("noise of nonsense", ["--model.generator.noise", "os.system"], ["noise"], config="stylegan.yaml"),
    Case("noise weight of NaN", ["--model.generator.noise_weight", ".nan"], ["noise_weight"], config="stylegan.yaml"),
    Case("seed below none", ["--model.generator.seed", "-1"], ["seed"], config="stylegan.yaml"),
    Case("prior of nonsense", ["--model.generator.prior", "bad"], ["prior"], config="stylegan.yaml"),
]


def guided(name, says, make=lambda folder: None, value="model", slow=False) -> Case:
    return Case(name, ["--model.generator.weights", value], says, make, "guided.yaml", slow=slow)


def entries(file, **told):
    """Other entries of a JSON file of the diffusion model."""

    def make(folder):
        path = folder / "model" / file
        path.write_text(json.dumps({**json.loads(path.read_text()), **told}))

    return make


def replaced(file, data):
    return lambda folder: (folder / "model" / file).write_bytes(data)


UNET = "unet/diffusion_pytorch_model.safetensors"


def pickled(folder):
    path = folder / "model" / UNET
    path.unlink()
    path.with_suffix(".bin").write_bytes(CANARIES["shell"])


def pieces(folder):
    told = {"metadata": {}, "weight_map": {"a": "../../../etc/passwd"}}
    (folder / "model" / f"{UNET}.index.json").write_text(json.dumps(told))


def no_vae(folder):
    import shutil

    shutil.rmtree(folder / "model/vae")


DIFFUSION = [
    guided("no diffusion model", ["nowhere"], value="nowhere"),
    guided("single file of a diffusion model", ["single file"], value="bad.safetensors"),
    guided("device as a diffusion model", ["/dev/zero"], value="/dev/zero"),
    guided("folder of no model", ["model_index.json"], lambda folder: (folder / "none").mkdir(), "none"),
    guided("hub model that is not there", ["hub", "network"], value="nobody/nothing"),
    guided("hub name that leaves", ["../../etc/passwd"], value="../../etc/passwd"),
    guided(
        "another pipeline",
        ["Stable Diffusion XL"],
        entries("model_index.json", _class_name="StableDiffusionXLPipeline"),
    ),
    guided("pipeline of a program", ["os.system"], entries("model_index.json", _class_name="os.system")),
    guided("VAE of a program", ["os.system"], entries("vae/config.json", _class_name="os.system")),
    guided("index of 100,000 brackets", ["model_index.json"], replaced("model_index.json", b"[" * 100_000)),
    guided("index of no text", ["model_index.json"], replaced("model_index.json", b"\xff\xfe")),
    guided("index of a list", ["model_index.json"], replaced("model_index.json", b"[]")),
    guided("pickled weights", ["pickle"], pickled),
    guided("weights in pieces", ["pieces"], pieces),
    guided("U-Net of 2^60 bytes", [UNET], replaced(UNET, safetensors(b"{", 2**60))),
    guided("U-Net of nothing", ["unet"], replaced(UNET, safetensors(b"{}"))),
    guided("U-Net of a pickle", [UNET], replaced(UNET, CANARIES["shell"])),
    guided("U-Net of a billion channels", ["unet"], entries("unet/config.json", block_out_channels=[10**9, 10**9])),
    guided("U-Net of text channels", ["unet"], entries("unet/config.json", in_channels="many")),
    guided("no VAE", ["vae"], no_vae),
    guided("tokenizer of nothing", ["tokenizer"], replaced("tokenizer/tokenizer.json", b"{}")),
    guided(
        "scheduler of nonsense steps", ["scheduler"], entries("scheduler/scheduler_config.json", num_train_timesteps=-1)
    ),
]


def features(name, file, data, says=(), slow=False) -> Case:
    make = lambda folder: (folder / file).write_bytes(data() if callable(data) else data)  # noqa: E731
    arguments = ["--model.target", "ContentLoss", "--model.target.layers", "[relu1_1]", "--model.features", "VGG19"]
    return Case(name, [*arguments, "--model.features.weights", file], ["features.weights", *says], make, slow=slow)


FEATURES = [
    features("features that call a shell", "bad.pth", CANARIES["shell"], ["bad.pth"]),
    features("features of a torch file that runs code", "bad.pth", saved({"features.0.weight": CODE}), ["bad.pth"]),
    features("features of nothing", "bad.pth", b"", ["bad.pth"]),
    features("features of a list", "bad.pth", saved([1]), ["bad.pth"]),
    features("features of numbers as names", "bad.pth", saved({1: torch.zeros(1)}), ["bad.pth"]),
    features("features of another network", "bad.pth", saved({"a": torch.zeros(1)}), ["bad.pth"]),
    features("features of 2^60 bytes", SAFE, safetensors(b"{", 2**60), [SAFE]),
    features("features with a strange pooling", SAFE, safetensors(b'{"__metadata__":{"pool":"\\u001b[2J"}}'), [SAFE]),
    Case(
        "features of a FIFO",
        [
            *["--model.target", "ContentLoss", "--model.target.layers", "[relu1_1]", "--model.features", "VGG19"],
            "--model.features.weights",
            "pipe.pth",
        ],
        ["features.weights", "pipe.pth"],
        lambda folder: os.mkfifo(folder / "pipe.pth"),
    ),
]
CASES = [*STYLEGAN, *DIFFUSION, *FEATURES]


@pytest.mark.parametrize("case", params(STYLEGAN, 20))
def test_generator_is_refused(case, place):
    check(case, place)


@pytest.mark.parametrize("case", params(DIFFUSION, 5))
def test_diffusion_model_is_refused(case, place):
    check(case, place)


@pytest.mark.parametrize("case", params(FEATURES, 3))
def test_features_are_refused(case, place):
    check(case, place)
