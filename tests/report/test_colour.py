import math

import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import to_pil_image

from lit_nst.errors import InputError
from lit_nst.report.colour import (
    brightness,
    high_frequency_share,
    histogram_distance,
    saturation_share,
    variability,
)


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def smooth(count, side, seed=0):
    """Blurred noise."""
    small = noise(count, 3, side // 16 + 1, side // 16 + 1, seed=seed)
    return torch.nn.functional.interpolate(small, size=(side, side), mode="bicubic").clamp(0, 1)


def test_brightness_is_the_luma_of_pillow():
    images = noise(3, 3, 20, 30).mul(255).round() / 255
    levels = [list(to_pil_image(image).convert("L").get_flattened_data()) for image in images]
    expected = [sum(row) / len(row) / 255 for row in levels]
    assert brightness(images).tolist() == pytest.approx(expected, abs=0.6 / 255)
    pure = torch.eye(3).view(3, 3, 1, 1)
    assert brightness(pure).tolist() == pytest.approx([0.299, 0.587, 0.114])


def test_brightness_shows_a_known_shift():
    image = 0.5 * noise(1, 3, 32, 32)
    assert float(brightness(image + 10 / 255) - brightness(image)) == pytest.approx(10 / 255, abs=1e-6)


def test_histogram_distance_of_a_shift_is_the_shift():
    a = 0.5 * noise(2, 3, 16, 16)
    assert histogram_distance(a, a + 0.125).tolist() == pytest.approx([0.125] * 2, abs=1e-6)
    only_red = a + torch.tensor([0.3, 0, 0]).view(3, 1, 1)
    assert histogram_distance(a, only_red).tolist() == pytest.approx([0.1] * 2, abs=1e-6)


def test_histogram_distance_sees_values_not_places():
    a = noise(1, 3, 8, 8)
    shuffled = a.flatten(2)[..., torch.randperm(64, generator=torch.Generator().manual_seed(0))].view(1, 3, 4, 16)
    assert histogram_distance(a, a).item() == histogram_distance(a, shuffled).item() == 0
    assert histogram_distance(a, a.repeat(1, 1, 2, 3)).item() == pytest.approx(0, abs=1e-6)
    assert histogram_distance(a, a.flip(1)).item() > 0


def test_histogram_distance_equals_scipy_for_several_sizes():
    stats = pytest.importorskip("scipy.stats")
    a, b = noise(2, 3, 9, 7).double(), noise(2, 3, 5, 11, seed=1).double().square()
    a[:, :, 0] = b[:, :, 0, :7]
    expected = [
        sum(stats.wasserstein_distance(x[c].flatten(), y[c].flatten()) for c in range(3)) / 3
        for x, y in zip(a, b, strict=True)
    ]
    assert histogram_distance(a, b).tolist() == pytest.approx(expected, abs=1e-12)
    assert histogram_distance(b, a).tolist() == pytest.approx(expected, abs=1e-12)
    assert histogram_distance(a.float(), b).tolist() == pytest.approx(expected, abs=1e-6)


def test_histogram_distance_by_hand():
    a, b = torch.zeros(1, 3, 1, 4), torch.tensor([0.0, 0.0, 0.5, 1.0]).expand(1, 3, 1, 4)
    assert histogram_distance(a, b).item() == pytest.approx(1.5 / 4)
    assert histogram_distance(torch.zeros(1, 3, 1, 1), torch.zeros(1, 3, 1, 1)).item() == 0


def test_saturation_share_counts_a_pixel_once():
    image = torch.full((1, 3, 2, 4), 0.5)
    image[0, 0, 0, 0] = 0
    image[0, :, 0, 1] = 1
    image[0, 1, 0, 2] = 0.4 / 255
    image[0, 1, 0, 3] = 0.6 / 255
    image[0, 2, 1, 0] = 254.6 / 255
    image[0, 2, 1, 1] = 254.4 / 255
    image[0, 2, 1, 2] = 1.7
    assert saturation_share(image).item() == 5 / 8


@pytest.mark.parametrize("shape", [(64, 64), (96, 41)])
def test_white_noise_has_the_area_outside_a_quarter(shape):
    shares = high_frequency_share(noise(40, 3, *shape))
    assert shares.mean().item() == pytest.approx(1 - math.pi / 16, abs=0.01)
    assert shares.std().item() < 0.03


@pytest.mark.parametrize(("cycles", "expected"), [(4, 0), (13, 0), (19, 1), (30, 1)])
def test_a_wave_is_on_its_side_of_half_nyquist(cycles, expected):
    wave = 0.5 + 0.4 * torch.sin(2 * math.pi * cycles * torch.arange(64) / 64)
    both = torch.stack([wave.expand(3, 64, 64), wave.view(-1, 1).expand(3, 64, 64)])
    assert high_frequency_share(both).tolist() == pytest.approx([expected] * 2, abs=1e-4)


def test_a_diagonal_wave_counts_by_its_length():
    x = torch.arange(64)
    wave = torch.sin(2 * math.pi * 13 * (x + x.view(-1, 1)) / 64).expand(1, 3, 64, 64)
    assert high_frequency_share(wave).item() == pytest.approx(1, abs=1e-3)


def test_noise_on_a_smooth_picture_raises_the_share_step_by_step():
    image = smooth(1, 64)
    shares = [high_frequency_share(image + level * (noise(1, 3, 64, 64, seed=1) - 0.5)) for level in (0, 0.1, 0.3, 1)]
    assert shares[0] < 0.01
    assert shares == sorted(shares)
    assert shares[-1] > 0.3


def test_a_ramp_has_no_high_frequencies_though_its_borders_differ():
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    assert high_frequency_share(ramp).item() < 1e-4


def test_high_frequency_share_is_the_same_at_any_contrast_and_zero_if_flat():
    image = noise(2, 3, 32, 32)
    torch.testing.assert_close(high_frequency_share(0.2 + 0.01 * image), high_frequency_share(image), atol=1e-4, rtol=0)
    flat = noise(9, 3, 1, 1).expand(-1, -1, 30, 17)
    assert high_frequency_share(flat).tolist() == [0] * 9
    assert high_frequency_share(torch.full((1, 3, 1, 1), 0.3)).tolist() == [0]
    assert all(0 <= s <= 1 for s in high_frequency_share(noise(3, 3, 2, 1)).tolist())


def test_variability_by_hand():
    images = torch.zeros(3, 3, 2, 2)
    images[1] += 0.3
    images[2] += 0.4
    assert variability(images).tolist() == pytest.approx([0.35, 0.2, 0.25])
    half = torch.zeros(2, 3, 2, 2)
    half[1, :, 0] = 1
    assert variability(half).tolist() == pytest.approx([math.sqrt(0.5)] * 2)


def test_relative_variability_is_one_for_independent_pictures_of_any_contrast():
    images = noise(6, 3, 64, 64)
    for contrast in (1.0, 0.1):
        assert variability(contrast * images, relative=True).tolist() == pytest.approx([1] * 6, abs=0.02)
    shared = noise(1, 3, 64, 64, seed=1)
    mixed = math.sqrt(0.5) * (images + shared)
    assert variability(mixed, relative=True).tolist() == pytest.approx([math.sqrt(0.5)] * 6, abs=0.02)


@pytest.mark.parametrize("relative", [False, True])
def test_copies_have_no_variability(relative):
    assert variability(noise(1, 3, 8, 8).expand(4, -1, -1, -1), relative).tolist() == [0] * 4
    assert variability(torch.full((2, 3, 8, 8), 0.3), relative).tolist() == [0] * 2


FIGURES = [brightness, saturation_share, high_frequency_share, lambda x: histogram_distance(x, x.flip(1))]


@pytest.mark.parametrize("measure", FIGURES)
def test_rows_are_independent_and_half_precision_is_taken(measure):
    images = noise(3, 3, 17, 12)
    alone = torch.cat([measure(image[None]) for image in images])
    torch.testing.assert_close(measure(images), alone)
    torch.testing.assert_close(measure(images.to(memory_format=torch.channels_last)), alone)
    half = measure(images.half())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, alone, atol=5e-3, rtol=0)


@pytest.mark.parametrize("measure", [*FIGURES, variability])
@pytest.mark.parametrize(
    ("images", "message"),
    [(torch.zeros(3, 4, 4), "shape"), (torch.zeros(2, 1, 4, 4), "shape"), (torch.zeros(0, 3, 4, 4), "shape"),
     (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), "uint8")],
)  # fmt: skip
def test_bad_input_is_named(measure, images, message):
    with pytest.raises(InputError, match=message):
        measure(images)


def test_rows_must_be_pairs_and_variability_needs_two():
    with pytest.raises(InputError, match="2 and 1 images"):
        histogram_distance(torch.zeros(2, 3, 4, 4), torch.zeros(1, 3, 4, 4))
    with pytest.raises(InputError, match="one image"):
        variability(torch.zeros(1, 3, 4, 4))


def test_figures_agree_with_a_picture_file(tmp_path):
    image = smooth(1, 32)
    to_pil_image(image[0]).save(tmp_path / "a.png")
    levels = torch.tensor(list(Image.open(tmp_path / "a.png").get_flattened_data())).float().div(255)
    again = levels.T.reshape(1, 3, 32, 32)
    assert histogram_distance(image, again).item() < 1 / 255
