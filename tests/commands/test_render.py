import re

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lit_nst.callbacks import Results
from lit_nst.cli import main
from lit_nst.commands import render
from lit_nst.data import Images, read_image
from lit_nst.errors import InputError
from lit_nst.generators import StyleGAN2
from lit_nst.generators.stylegan2.checkpoint import write
from tests.conftest import TINY, tiny_state
from tests.fitting import fit, inversion, save_images


def run(generator, smooth_images, folder):
    images = Images(target=save_images(smooth_images[:3], folder / "targets"))
    fit(inversion(None, generator), images, folder, 5, callbacks=[Results(summary=False)])
    return folder / "results"


@pytest.mark.parametrize("options", [{}, {"space": "w++"}, {"space": "w", "noise": "optimized"}, {"noise": "none"}])
def test_draws_the_same_pictures_again(tiny_generator, smooth_images, tmp_path, capsys, options):
    results = run(StyleGAN2(str(tiny_generator), samples=50, **options), smooth_images, tmp_path)
    for file in ("latent.npz", "latent.safetensors"):
        again = tmp_path / f"{file} again"
        render.main([str(results / file), "--generator", str(tiny_generator), "--out", str(again)])
        for name in ("00", "01", "02"):
            difference = read_image(again / f"{name}.png")[0] - read_image(results / f"{name}.png")[0]
            assert difference.abs().max() == 0
        said = re.search(r"3 pictures in .*again; at most (\d\.\d\d)/255", capsys.readouterr().out)
        assert float(said[1]) <= 0.51


def test_a_converted_generator_is_the_same_one(tiny_generator, smooth_images, tmp_path):
    net = StyleGAN2(str(tiny_generator), samples=50)
    results = run(net, smooth_images, tmp_path)
    net.save(tmp_path / "same.pt")
    render.main([str(results / "latent.npz"), "--generator", str(tmp_path / "same.pt"), "--out", str(tmp_path / "a")])
    assert (tmp_path / "a" / "00.png").is_file()


def test_another_generator_is_refused(tiny_generator, smooth_images, tmp_path, capsys):
    results = run(StyleGAN2(str(tiny_generator), samples=50), smooth_images, tmp_path)
    write(tmp_path / "other.safetensors", TINY, tiny_state(seed=1))
    given = [
        str(results / "latent.npz"),
        "--generator",
        str(tmp_path / "other.safetensors"),
        "--out",
        str(tmp_path / "a"),
    ]
    with pytest.raises(InputError, match=r"latent\.npz: its generator has the SHA-256 .* has .*; give that generator"):
        render.main(given)
    assert not (tmp_path / "a").exists()
    with pytest.raises(SystemExit) as status:
        main(["render", *given])
    assert status.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_pictures_that_changed_are_told(tiny_generator, smooth_images, tmp_path, capsys):
    results = run(StyleGAN2(str(tiny_generator), samples=50), smooth_images, tmp_path)
    save_images(torch.zeros(1, 3, 16, 16), results)
    render.main([str(results / "latent.npz"), "--generator", str(tiny_generator), "--out", str(tmp_path / "a")])
    assert float(re.search(r"at most ([\d.]+)/255", capsys.readouterr().out)[1]) > 10


def altered(path, target, **changes):
    """The latents of a run with other tensors or words."""
    with safe_open(path, framework="pt") as file:
        tensors, told = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    tensors |= {key: value for key, value in changes.items() if isinstance(value, torch.Tensor)}
    save_file(tensors, target, told | {key: value for key, value in changes.items() if isinstance(value, str)})
    return target


def test_what_cannot_be_drawn_leaves_nothing(tiny_generator, smooth_images, tmp_path):
    net = StyleGAN2(str(tiny_generator), samples=50, space="w", noise="optimized")
    results = run(net, smooth_images, tmp_path)
    path, out = results / "latent.safetensors", tmp_path / "again"

    def refused(words, file, out=out):
        before = sorted(results.iterdir())
        with pytest.raises(InputError, match=words) as caught:
            render.main([str(file), "--generator", str(tiny_generator), "--out", str(out)])
        assert str(caught.value).isprintable()
        assert not (tmp_path / "again").exists()
        assert sorted(results.iterdir()) == before

    other = tmp_path / "other.safetensors"
    refused("not finite", altered(path, other, latent=torch.full((3, 6, 8), 3e38)))
    refused("latents of 5×8", altered(path, other, latent=torch.zeros(3, 5, 8)))
    refused("noise maps are not those", altered(path, other, noise_2=torch.zeros(3, 1, 4, 4)))
    refused("noise maps are not those", altered(path, other, noise_5=torch.zeros(3, 1, 16, 16)))
    refused(r"SHA-256 \\x1b", altered(path, other, generator_sha256="\x1b[2J", weights_sha256=""))
    refused("the folder of the latents; give another", path, results)
    refused("is a file", path, other)


def test_pictures_of_another_size_are_not_compared(tiny_generator, smooth_images, tmp_path, capsys):
    results = run(StyleGAN2(str(tiny_generator), samples=50), smooth_images, tmp_path)
    save_images(torch.zeros(1, 3, 20, 20), results)
    render.main([str(results / "latent.npz"), "--generator", str(tiny_generator), "--out", str(tmp_path / "a")])
    assert float(re.search(r"at most ([\d.]+)/255", capsys.readouterr().out)[1]) <= 0.51
