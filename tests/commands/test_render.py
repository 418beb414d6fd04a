import re

import pytest
import torch

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


@pytest.mark.parametrize("file", ["latent.npz", "latent.safetensors"])
@pytest.mark.parametrize("options", [{}, {"space": "w++"}, {"space": "w", "noise": "optimized"}, {"noise": "none"}])
def test_draws_the_same_pictures_again(tiny_generator, smooth_images, tmp_path, capsys, options, file):
    results = run(StyleGAN2(str(tiny_generator), samples=50, **options), smooth_images, tmp_path)
    render.main([str(results / file), "--generator", str(tiny_generator), "--out", str(tmp_path / "again")])
    for name in ("00", "01", "02"):
        difference = read_image(tmp_path / "again" / f"{name}.png")[0] - read_image(results / f"{name}.png")[0]
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
