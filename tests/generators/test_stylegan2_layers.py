"""The layers against the textbook formulation: weights per sample, grouped convolution, zero insertion."""

import math

import pytest
import torch
import torch.nn.functional as F

from lit_nst.generators.stylegan2.layers import FullyConnected, SynthesisLayer, ToRGB, fir_kernel, linear


def zero_insert(x: torch.Tensor) -> torch.Tensor:
    up = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    up[:, :, ::2, ::2] = x
    return up


def fir(x: torch.Tensor, pad: tuple[int, int, int, int]) -> torch.Tensor:
    kernel = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype)
    kernel = (kernel[:, None] * kernel / 64 * 4).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(F.pad(x, pad), kernel, groups=x.shape[1])


def textbook(layer: SynthesisLayer, x: torch.Tensor, w: torch.Tensor, noise: bool) -> torch.Tensor:
    """Karras et al. 2020, equations 1 to 3, as usually written."""
    batch, fan_in, side, _ = x.shape
    style = w @ layer.affine.weight.T / math.sqrt(w.shape[1]) + layer.affine.bias
    weight = layer.weight[None] * style[:, None, :, None, None]
    weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    fan_out = weight.shape[1]
    if layer.up == 2:
        kernel = weight.transpose(1, 2).reshape(batch * fan_in, fan_out, 3, 3)
        x = F.conv_transpose2d(x.reshape(1, batch * fan_in, side, side), kernel, stride=2, groups=batch)
        x = fir(x.view(batch, fan_out, 2 * side + 1, 2 * side + 1), (1, 1, 1, 1))
    else:
        kernel = weight.reshape(batch * fan_out, fan_in, 3, 3)
        x = F.conv2d(x.reshape(1, batch * fan_in, side, side), kernel, padding=1, groups=batch)
        x = x.view(batch, fan_out, side, side)
    if noise:
        x = x + layer.noise_strength * layer.noise_const
    x = F.leaky_relu(x + layer.bias[:, None, None], 0.2) * math.sqrt(2)
    return x if layer.conv_clamp is None else x.clamp(-layer.conv_clamp, layer.conv_clamp)


@pytest.fixture(params=[1, 2], ids=["same size", "up"])
def layer(request):
    torch.manual_seed(3)
    side = 8 * request.param
    layer = SynthesisLayer(6, 5, 7, side, up=request.param, conv_clamp=1.5)
    with torch.no_grad():
        layer.noise_strength.fill_(0.3)
        layer.bias.normal_()
    return layer


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_synthesis_layer_equals_the_grouped_formulation(layer, noise, frozen):
    if frozen:
        layer.precompute()
    x, w = torch.randn(3, 6, 8, 8), torch.randn(3, 7)
    torch.testing.assert_close(layer(x, w, noise), textbook(layer, x, w, noise), rtol=0, atol=1e-4)
    assert (layer(x, w, noise).abs() <= 1.5).all()


def test_noise_changes_the_output(layer):
    x, w = torch.randn(1, 6, 8, 8), torch.randn(1, 7)
    assert not torch.allclose(layer(x, w, True), layer(x, w, False))


def test_synthesis_layer_gradient_is_right_in_double_precision(layer):
    layer = layer.double().requires_grad_(False)
    layer.precompute()
    x = torch.randn(2, 6, 4, 4, dtype=torch.float64, requires_grad=True)
    w = torch.randn(2, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: layer(x, w, False), (x, w))


def test_to_rgb_equals_the_grouped_formulation():
    torch.manual_seed(4)
    layer = ToRGB(6, 7)
    with torch.no_grad():
        layer.bias.normal_()
    x, w = torch.randn(3, 6, 8, 8), torch.randn(3, 7)
    style = (w @ layer.affine.weight.T / math.sqrt(7) + layer.affine.bias) / math.sqrt(6)
    weight = (layer.weight[None] * style[:, None, :, None, None]).reshape(9, 6, 1, 1)
    expected = F.conv2d(x.reshape(1, 18, 8, 8), weight, groups=3).view(3, 3, 8, 8) + layer.bias[:, None, None]
    torch.testing.assert_close(layer(x, w), expected, rtol=0, atol=1e-5)


def test_rgb_up_sampling_equals_zero_insertion_and_fir():
    x = torch.randn(2, 3, 5, 5)
    kernel = (4 * fir_kernel()).expand(3, 1, 4, 4)
    up = F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=3)
    torch.testing.assert_close(up, fir(zero_insert(x), (2, 1, 2, 1)))


def test_learning_rate_multiplier_scales_the_stored_weights():
    torch.manual_seed(0)
    layer = FullyConnected(400, 300, lr_multiplier=0.01, bias_init=1.0)
    assert 95 < layer.weight.std() < 105
    assert (layer.bias == 100).all()
    x = torch.randn(2, 400)
    expected = x @ layer.weight.T * 0.01 / 20 + 1
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_linear_does_not_depend_on_the_batch():
    torch.manual_seed(0)
    x, weight = torch.randn(9, 128), torch.randn(64, 128)
    whole = linear(x, weight)
    assert torch.equal(whole, torch.cat([linear(row[None], weight) for row in x]))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(whole, linear(x, weight))
