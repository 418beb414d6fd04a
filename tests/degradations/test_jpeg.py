import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lit_nst.degradations import JPEG, Degradation
from lit_nst.errors import InputError
from tests.contracts_degradation import DegradationContract, images, natural, pull


def psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * (a - b).detach().square().mean().clamp_min(1e-15).log10())


class JPEGContract(DegradationContract):
    kind = JPEG
    linear = False
    smooth = False

    def observe_near_forward(self, operator: Degradation) -> None:
        x = natural()
        assert psnr(operator(x), operator.observe(x, [0, 1])) > 50


class TestSubsampled(JPEGContract):
    options = {"quality": 10}  # noqa: RUF012


class TestFullChroma(JPEGContract):
    options = {"quality": 50, "subsampling": False}  # noqa: RUF012


def file_cycle(image: Tensor, **options: object) -> Tensor:
    file = io.BytesIO()
    Image.fromarray((image * 255).round().byte().permute(1, 2, 0).numpy()).save(file, "JPEG", **options)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) / 255


@pytest.mark.parametrize(("subsampling", "name"), [(True, "4:2:0"), (False, "4:4:4")])
def test_observe_is_the_file(subsampling, name):
    x = natural(1, 40, 56)
    read = JPEG(12, subsampling).observe(x, [0])[0]
    assert torch.equal(read, file_cycle(x[0], quality=12, subsampling=name))


def test_tables_are_in_the_order_of_the_blocks():
    # Annex K of ITU-T T.81, which is quality 50.
    tables = JPEG(50).tables
    assert tables[0, 0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]
    assert tables[0, :, 0].tolist() == [16, 12, 14, 14, 18, 24, 49, 72]
    assert tables[1, 0].tolist() == [17, 18, 24, 47, 99, 99, 99, 99]


@pytest.mark.parametrize("subsampling", [True, False])
@pytest.mark.parametrize("quality", [5, 10, 50, 95])
@pytest.mark.parametrize("size", [(64, 64), (61, 45), (9, 30)])
def test_forward_has_the_values_of_the_file(quality, subsampling, size):
    x, operator = natural(4, *size), JPEG(quality, subsampling)
    assert psnr(operator(x), operator.observe(x, range(4))) > 45


@pytest.mark.parametrize("quality", [5, 10, 50])
def test_flat_images_are_exact(quality):
    # A constant block meets the exact halves of every rounding.
    x = (torch.arange(128 * 3).view(128, 3, 1, 1) * 7 % 256 / 255).expand(-1, -1, 8, 8)
    operator = JPEG(quality)
    assert (operator(x) - operator.observe(x, range(128))).abs().max() < 1e-6


def test_lower_quality_is_worse():
    x = natural()
    quality = [psnr(JPEG(q)(x), x) for q in (5, 20, 50, 95)]
    assert quality == sorted(quality)
    assert quality[0] + 6 < quality[-1]


def test_gradient_without_subsampling_is_the_identity():
    x, y = natural(), torch.randn(2, 3, 64, 64)
    assert torch.equal(pull(JPEG(10, subsampling=False), x, y), y)


def test_gradient_with_subsampling_keeps_luma_and_means():
    x, weights = natural(1, 15, 21), torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    # The gradient of the luma is that of the luma of the image.
    y = torch.randn(1, 1, 15, 21) * weights
    torch.testing.assert_close(pull(JPEG(10), x, y), y, atol=1e-5, rtol=0)
    # Chroma that alternates between pixels is lost.
    stripes = torch.tensor([1.0, -1.0]).repeat(8).expand(16, 16)
    chroma = torch.stack((stripes, -0.299 / 0.587 * stripes, 0 * stripes))[None]
    jacobian = torch.autograd.functional.jvp(JPEG(10), natural(1, 16, 16), chroma)[1]
    assert jacobian[..., 4:12, 4:12].abs().max() < 1e-5


@pytest.mark.parametrize("subsampling", [True, False])
def test_descent_reaches_the_measurement(subsampling):
    operator = JPEG(10, subsampling)
    target = operator.observe(natural(1, 16, 16), [0])
    w = torch.full_like(target, 0.5).requires_grad_()
    optimiser = torch.optim.Adam([w], lr=0.04)
    start = psnr(operator(w), target)
    for _ in range(40):
        optimiser.zero_grad()
        (operator(w) - target).square().sum().backward()
        optimiser.step()
    assert psnr(operator(w), target) > start + 15


def test_values_outside_are_clamped():
    x = torch.full((1, 3, 8, 8), 1.7)
    for y in (JPEG(50)(x), JPEG(50).observe(x, [0])):
        assert torch.equal(y, torch.ones_like(y))
    assert torch.equal(JPEG(50)(-x), torch.zeros_like(x))


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_bad_quality(quality):
    with pytest.raises(InputError, match=f"quality is {quality}"):
        JPEG(quality)


def test_half_precision_is_computed_in_full():
    x = images().bfloat16()
    y = JPEG(30)(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y, JPEG(30)(x.float()).bfloat16(), atol=0, rtol=0)
