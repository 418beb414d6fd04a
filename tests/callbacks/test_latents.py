import json
import math
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lit_nst.callbacks.latents import read_latents, write_latents
from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.generators import Pixels, StyleGAN2

FILES = ("latent.npz", "latent.safetensors")


def rows(net, count=2):
    return net.center + net.scale * normal((count, *net.shape((3, 16, 16))), 0)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("space", ["z", "w", "w+", "w++"])
def test_both_files_hold_the_latents_and_whose_they_are(tiny_generator, tmp_path, space, file):
    net = StyleGAN2(str(tiny_generator), space=space, noise="none", samples=50)
    w = rows(net)
    write_latents(tmp_path, net, ["a", "bé"], w)
    found = read_latents(tmp_path / file)
    assert torch.equal(found.latent, net.latent(w))
    assert found.latent.shape == (2, 60 if space == "w++" else 6, 8)
    assert (found.names, found.noise, found.maps) == (["a", "bé"], "none", [])
    assert found.digests == (net.digest, net.weights_digest())


@pytest.mark.parametrize("file", FILES)
def test_optimised_noise_maps_are_kept(tiny_generator, tmp_path, file):
    net = StyleGAN2(str(tiny_generator), space="w", noise="optimized", samples=50)
    w = rows(net)
    write_latents(tmp_path, net, ["a", "b"], w)
    found = read_latents(tmp_path / file)
    assert found.noise == "optimized"
    assert len(found.maps) == 5
    torch.testing.assert_close(net.synthesis(found.latent, found.maps) * 0.5 + 0.5, net(w), rtol=0, atol=0)


def test_pixels_have_none(tmp_path):
    write_latents(tmp_path, Pixels(), ["a"], torch.zeros(1, 3, 4, 4))
    assert not list(tmp_path.iterdir())


def check(path, *words):
    with pytest.raises(InputError) as error:
        read_latents(path)
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in (path.name, *words)), error.value


def test_files_that_are_no_latents_are_refused(tiny_generator, tmp_path):
    net = StyleGAN2(str(tiny_generator), samples=50)
    write_latents(tmp_path, net, ["a", "b"], rows(net))
    for file in FILES:
        whole = (tmp_path / file).read_bytes()
        (tmp_path / f"cut_{file}").write_bytes(whole[: len(whole) // 2])
        check(tmp_path / f"cut_{file}", "not the latents of a run")
    check(tmp_path / "none.npz", "no such file")
    check(tiny_generator, "names")
    save_file({"latent": torch.zeros(2, 3)}, tmp_path / "flat.safetensors", {
        "generator_sha256": "x", "weights_sha256": "x", "noise": "const", "names": json.dumps(["a", "b"])
    })  # fmt: skip
    check(tmp_path / "flat.safetensors", "shape")
    canary = tmp_path / "canary"

    class Opens:
        def __reduce__(self):
            return open, (str(canary), "w")

    np.savez(tmp_path / "objects.npz", latent=np.array([Opens()], dtype=object))
    check(tmp_path / "objects.npz", "allow_pickle")
    assert not canary.exists()


TOLD = {"generator_sha256": "x", "weights_sha256": "x", "noise": "const"}


def refuses(path, words, latent=None, names=("a", "b"), **tensors):
    told = {key: tensors.pop(key, value) for key, value in TOLD.items()}
    latent = torch.zeros(2, 6, 8) if latent is None else latent
    text = names if isinstance(names, str) else json.dumps(names)
    save_file({"latent": latent, **tensors}, path, {**told, "names": text})
    check(path, words)


@pytest.mark.parametrize(
    "names",
    [
        *([name, "b"] for name in ("../b", "/tmp/b", "..", ".", "", "a\\b", "a\0b", "\ud800", "é" * 150)),
        *(["a", "a"], ["a", "A"], '"ab"', '{"a": 1, "b": 2}', "[1, 2]", "[" * 100_000, "["),
    ],
)
def test_names_become_names_of_files(tmp_path, names):
    refuses(tmp_path / "a.safetensors", "not the latents of a run", names=names)


def test_numbers_that_cannot_be_drawn(tmp_path):
    path = tmp_path / "a.safetensors"
    for bad in (math.nan, math.inf):
        refuses(path, "not finite", torch.full((2, 6, 8), bad))
        refuses(
            path, "noise holds numbers that are not finite", noise="optimized", noise_0=torch.full((2, 1, 4, 4), bad)
        )
    refuses(path, "no floating-point", torch.zeros(2, 6, 8, dtype=torch.int32))
    refuses(path, "no floating-point", torch.zeros(2, 6, 8, dtype=torch.complex64))
    refuses(path, "0 names", torch.zeros(0, 6, 8), [])


def test_noise_that_does_not_fit_its_word(tmp_path):
    path = tmp_path / "a.safetensors"
    refuses(path, "0 noise maps", noise="optimized")
    refuses(path, "1 noise maps", noise_0=torch.zeros(2, 1, 4, 4))
    refuses(path, "'evil", noise="evil\x1b\n")


def test_an_npz_that_grows(tmp_path):
    path = tmp_path / "a.npz"
    told = {key: np.array(value) for key, value in TOLD.items()}
    np.savez_compressed(path, latent=np.zeros((1, 600, 600)), names=np.array(["a"]), **told)
    check(path, "it is compressed")
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 64, 64), }".ljust(117) + b"\n"
    with ZipFile(path, "w") as archive:
        archive.writestr("latent.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    check(path, "not the latents of a run")
