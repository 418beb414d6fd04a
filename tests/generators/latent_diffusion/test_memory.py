"""What a gradient keeps in memory, with checkpointing and without."""

import pytest
import torch

from lit_nst.generators import LatentDiffusion
from tests.generators.latent_diffusion.pipelines import tiny_vae, unet, vae, write_pipeline

SIDE = 96


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Large enough that what is kept between the blocks is small against what is kept within them."""
    path = tmp_path_factory.mktemp("memory") / "model"
    torch.manual_seed(0)
    return write_pipeline(path, unet=unet(widths=(16, 16, 16), layers=2, wide=True), vae=vae(widths=(16, 16, 16)))


def measured(generator, through_unet=True):
    """Bytes saved for the gradient of a picture, each storage once, and the gradient."""
    states = generator.embed(["a red circle"])
    w = torch.randn(1, *generator.shape((3, SIDE, SIDE)), generator=torch.Generator().manual_seed(0))
    w.requires_grad_()
    frozen = {value.untyped_storage().data_ptr() for value in (*generator.parameters(), w)}
    saved = {}

    def keep(value):
        if value.untyped_storage().data_ptr() not in frozen:
            saved[value.untyped_storage().data_ptr()] = (value, value.untyped_storage().nbytes())
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        x = generator.predict(w, torch.tensor(500), states) if through_unet else w
        loss = generator(x).square().mean()
    (gradient,) = torch.autograd.grad(loss, w)
    return sum(size for _, size in saved.values()), gradient


@pytest.fixture(scope="module")
def eager(folder):
    return measured(LatentDiffusion(str(folder), checkpointing=False))


def test_checkpointing_saves_four_times_less_and_changes_no_bit(folder, eager):
    size, gradient = measured(LatentDiffusion(str(folder)))
    assert eager[0] >= 4 * size
    assert torch.equal(gradient, eager[1])


def test_so_it_does_through_the_decoder_alone(folder):
    plain, expected = measured(LatentDiffusion(str(folder), checkpointing=False), through_unet=False)
    size, gradient = measured(LatentDiffusion(str(folder)), through_unet=False)
    assert plain >= 2 * size
    assert torch.equal(gradient, expected)


def test_so_it_does_with_the_tiny_decoder(folder, tmp_path):
    tiny_vae().save_pretrained(tmp_path)
    plain, expected = measured(LatentDiffusion(str(folder), vae=str(tmp_path), checkpointing=False))
    size, gradient = measured(LatentDiffusion(str(folder), vae=str(tmp_path)))
    assert plain >= 4 * size
    assert torch.equal(gradient, expected)


def test_attention_slicing_would_need_more(folder, eager):
    sliced = LatentDiffusion(str(folder), checkpointing=False)
    sliced.unet.set_attention_slice("max")
    size, gradient = measured(sliced)
    assert size > 1.5 * eager[0]
    torch.testing.assert_close(gradient, eager[1], rtol=1e-3, atol=1e-7)


def test_pictures_alone_keep_nothing(folder):
    generator = LatentDiffusion(str(folder))
    with torch.no_grad():
        image = generator(torch.zeros(1, *generator.shape((3, SIDE, SIDE))))
    assert image.grad_fn is None
