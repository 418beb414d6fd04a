import math

import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from lit_nst.errors import InputError
from lit_nst.report.quality import feature_distance, psnr, ssim, style_distance


def pictures(count, height, width, seed=0):
    noise = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.avg_pool2d(noise, 3, 1, 1, count_include_pad=False)


A, B = pictures(3, 24, 31), (pictures(3, 24, 31) + 0.1 * pictures(3, 24, 31, 1)).clamp(0, 1)


def test_psnr_equals_torchmetrics_row_by_row():
    expected = [peak_signal_noise_ratio(a, b, data_range=1.0) for a, b in zip(A, B, strict=True)]
    torch.testing.assert_close(psnr(A, B), torch.stack(expected))


def test_psnr_by_hand():
    a, b = torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)
    b[0, 0] = 0.5
    assert psnr(a, b).tolist() == pytest.approx([-10 * math.log10(0.25 / 3), 100.0], rel=1e-6)
    assert psnr(a, a + 1e-7).tolist() == [100.0, 100.0]


def test_ssim_equals_torchmetrics_in_the_interior():
    _, everywhere = structural_similarity_index_measure(A, B, data_range=1.0, reduction="none", return_full_image=True)
    interior = everywhere[:, :, 5:-5, 5:-5].mean((1, 2, 3))
    torch.testing.assert_close(ssim(A, B), interior, atol=1e-5, rtol=0)
    assert abs(everywhere.mean((1, 2, 3)) - interior).min() > 1e-4


def test_ssim_of_flat_pictures_by_hand():
    c1 = 0.01**2
    a, b = (torch.full((1, 3, 16, 16), level, dtype=torch.float64) for level in (0.2, 0.6))
    expected = (2 * 0.2 * 0.6 + c1) / (0.2**2 + 0.6**2 + c1)
    assert ssim(a.float(), b.float()).item() == pytest.approx(expected, abs=1e-4)
    assert ssim(a, b).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("height", "width", "window"), [(8, 40, 7), (5, 5, 5), (1, 9, 1)])
def test_ssim_of_small_pictures_takes_the_largest_odd_window(height, width, window):
    a, b = pictures(2, height, width).double(), pictures(2, height, width, 2).double()
    assert ssim(a, b).tolist() == pytest.approx([slow_ssim(x, y, window) for x, y in zip(a, b, strict=True)])


def slow_ssim(a, b, size):
    """The formula, window by window."""
    x = torch.arange(size, dtype=torch.float64) - size // 2
    kernel = torch.exp(-(x.view(-1, 1) ** 2 + x**2) / 4.5)
    kernel /= kernel.sum()
    values = []
    for c in range(3):
        for i in range(a.shape[1] - size + 1):
            for j in range(a.shape[2] - size + 1):
                p, q = a[c, i : i + size, j : j + size], b[c, i : i + size, j : j + size]
                mp, mq = (kernel * p).sum(), (kernel * q).sum()
                vp, vq = (kernel * (p - mp) ** 2).sum(), (kernel * (q - mq) ** 2).sum()
                cov = (kernel * (p - mp) * (q - mq)).sum()
                low = (mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)
                values.append(float((2 * mp * mq + 1e-4) * (2 * cov + 9e-4) / low))
    return sum(values) / len(values)


def test_identical_pictures():
    torch.testing.assert_close(ssim(A, A), torch.ones(3))
    assert psnr(A, A).tolist() == [100.0] * 3
    assert feature_distance({"x": A}, {"x": A}).tolist() == [0.0] * 3


@pytest.mark.parametrize("figure", [psnr, ssim, lambda a, b: feature_distance({"x": a}, {"x": b})])
def test_rows_are_independent_and_half_precision_is_taken_in_full(figure):
    together = figure(A, B)
    assert together.shape == (3,)
    alone = torch.cat([figure(a[None], b[None]) for a, b in zip(A, B, strict=True)])
    torch.testing.assert_close(together, alone, atol=0, rtol=1e-6)
    half = figure(A.half(), B.half())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, together, atol=0, rtol=1e-2)


def test_feature_distance_by_hand():
    a = {
        "one": torch.tensor([[3.0, 4.0], [1.0, 0.0]]).view(1, 2, 2, 1).transpose(1, 2),
        "two": torch.tensor([2.0, 0.0]).view(1, 2, 1, 1),
    }
    b = {
        "one": torch.tensor([[8.0, 6.0], [7.0, 0.0]]).view(1, 2, 2, 1).transpose(1, 2),
        "two": torch.tensor([0.0, 9.0]).view(1, 2, 1, 1),
    }
    one = ((0.6 - 0.8) ** 2 + (0.8 - 0.6) ** 2 + 0.0) / 2
    assert feature_distance(a, b).item() == pytest.approx((one + 2.0) / 2)


def test_feature_distance_ignores_scale_and_bears_zeros():
    torch.testing.assert_close(feature_distance({"x": A}, {"x": 7 * A}), torch.zeros(3), atol=1e-6, rtol=0)
    zero = torch.zeros(1, 4, 2, 2)
    assert feature_distance({"x": zero}, {"x": zero}).item() == 0
    assert feature_distance({"x": zero}, {"x": zero + 1}).item() == pytest.approx(1.0)


@pytest.mark.parametrize("figure", [psnr, ssim])
@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (A, A[:2], "shapes"),
        (A[0], A[0], "shapes"),
        (A[:0], A[:0], "shapes"),
        (A, (A * 255).byte(), "uint8"),
    ],
)
def test_bad_input_is_named(figure, a, b, message):
    with pytest.raises(InputError, match=f"{figure.__name__}: .*{message}"):
        figure(a, b)


@pytest.mark.parametrize(
    ("a", "b", "message"), [({}, {}, "layers"), ({"x": A}, {"y": A}, "layers"), ({"x": A}, {"x": A[:1]}, "x: shapes")]
)
def test_bad_features_are_named(a, b, message):
    with pytest.raises(InputError, match=message):
        feature_distance(a, b)


def test_style_distance_by_hand():
    a = {"one": torch.tensor([[1.0, 3.0], [0.0, 2.0]]).view(1, 2, 1, 2), "two": torch.zeros(1, 1, 2, 2)}
    b = {"one": torch.tensor([[2.0], [1.0]]).view(1, 2, 1, 1), "two": torch.ones(1, 1, 3, 1)}
    # Gram matrices [[5, 3], [3, 2]] and [[4, 2], [2, 1]]; 0 and 1.
    assert style_distance(a, b).item() == pytest.approx(((1 + 1 + 1 + 1) / (16 + 4 + 4 + 1) + 1) / 2)


def test_style_distance_says_nothing_of_places():
    order = torch.randperm(24 * 31, generator=torch.Generator().manual_seed(0))
    shuffled = A.flatten(2)[:, :, order].view(A.shape)
    assert style_distance({"x": A}, {"x": A}).tolist() == [0, 0, 0]
    torch.testing.assert_close(style_distance({"x": shuffled}, {"x": A}), torch.zeros(3), atol=1e-10, rtol=0)
    twice = torch.cat([A, A], 2)
    torch.testing.assert_close(style_distance({"x": twice}, {"x": A}), torch.zeros(3), atol=1e-10, rtol=0)
    assert (style_distance({"x": B}, {"x": A}) > 1e-4).all()


def test_style_distance_of_rows_and_scales():
    together = style_distance({"x": B}, {"x": A})
    alone = torch.cat([style_distance({"x": b[None]}, {"x": a[None]}) for a, b in zip(A, B, strict=True)])
    torch.testing.assert_close(together, alone, atol=0, rtol=1e-6)
    torch.testing.assert_close(style_distance({"x": 1e4 * B}, {"x": 1e4 * A}), together, atol=0, rtol=1e-5)
    zero = torch.zeros(1, 4, 2, 2)
    assert style_distance({"x": zero}, {"x": zero}).item() == 0
    assert style_distance({"x": zero}, {"x": zero + 1e-3}).item() == pytest.approx(1)
    assert style_distance({"x": zero + 1}, {"x": zero}).isfinite().all()


def test_style_distance_needs_the_same_layers():
    for a, b in (({}, {}), ({"x": A}, {"y": A})):
        with pytest.raises(InputError, match="style_distance: layers"):
            style_distance(a, b)


@pytest.mark.parametrize("side", [16, 24, 100])
def test_values_do_not_depend_on_the_other_rows(side):
    numbers = torch.Generator().manual_seed(side)
    a, b = torch.rand(2, 8, 3, side, side, generator=numbers)
    maps = [{str(i): torch.rand(8, 6 + i, side, side, generator=numbers) for i in range(6)} for _ in range(2)]
    figures = {
        psnr: (a, b),
        ssim: (a, b),
        feature_distance: maps,
        style_distance: maps,
    }
    for figure, (x, y) in figures.items():
        alike = figure(x, y)
        for start, end in ((0, 1), (1, 6), (6, 8)):
            own = (
                {key: value[start:end] for key, value in z.items()} if isinstance(z, dict) else z[start:end]
                for z in (x, y)
            )
            assert torch.equal(figure(*own), alike[start:end]), figure.__name__
