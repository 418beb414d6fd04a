import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.report.composite import paste_back
from lit_nst.report.quality import psnr


def picture(count=1, height=48, width=40, seed=0):
    coarse = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    soft = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)
    return (0.2 + 0.6 * soft).clamp(0.1, 0.9)


def box(height=48, width=40, top=12, bottom=36, left=10, right=30):
    hole = torch.zeros(1, 1, height, width, dtype=torch.bool)
    hole[..., top:bottom, left:right] = True
    return hole


def seam(image, truth, hole):
    """Largest step of the error across the hole's border, over all pairs of neighbours."""
    error = image - truth
    steps = []
    for dim in (-1, -2):
        length = error.shape[dim] - 1
        crosses = hole.narrow(dim, 0, length) != hole.narrow(dim, 1, length)
        steps.append(((error.diff(dim=dim)).abs() * crosses).max())
    return float(max(steps))


@pytest.mark.parametrize("feather", [0, 1, 8, 100])
def test_known_pixels_are_exact(feather):
    truth, hole = picture(2), box()
    result = picture(2, seed=1)
    pasted = paste_back(result, truth * ~hole, hole, feather)
    known = (~hole).expand_as(truth)
    assert torch.equal(pasted[known], truth[known])
    assert not torch.equal(pasted, truth)
    assert psnr(pasted * ~hole, truth * ~hole).tolist() == [100.0, 100.0]


def test_known_values_outside_the_range_are_kept():
    truth, hole = 3 * picture() - 1, box()
    assert torch.equal(paste_back(picture(), truth, hole)[~hole.expand_as(truth)], truth[~hole.expand_as(truth)])


def test_without_feather_it_is_the_plain_paste():
    truth, result, hole = picture(), picture(seed=1), box()
    assert torch.equal(paste_back(result, truth, hole, 0), torch.where(hole, result, truth))


def test_result_is_untouched_beyond_the_feather():
    truth, result, hole = picture(), picture(seed=1), box()
    pasted = paste_back(result, truth * ~hole, hole, 4)
    # The first pixel in the hole has the distance 1, so the fourth layer is the result.
    assert torch.equal(pasted[..., 15:33, 13:27], result[..., 15:33, 13:27])
    assert not torch.equal(pasted[..., 14, 20], result[..., 14, 20])


def test_distances_are_euclidean():
    hole = box(9, 9, 0, 9, 0, 9)
    hole[..., 4, 4] = False
    y = torch.zeros(1, 3, 9, 9)
    y[..., 4, 4] = 0.5
    pasted = paste_back(torch.zeros(1, 3, 9, 9), y, hole, 4)[0, 0]
    # Everywhere the same difference, so what is left of it is the falling half of the smooth step.
    axis = torch.arange(9.0) - 4
    t = ((axis[:, None] ** 2 + axis**2).sqrt() / 4).clamp(max=1)
    torch.testing.assert_close(pasted, 0.5 * (1 - 3 * t**2 + 2 * t**3), atol=1e-6, rtol=0)


@pytest.mark.parametrize("offset", [-0.1, 0.1])
def test_a_constant_offset_leaves_no_seam(offset):
    truth, hole = picture(), box()
    result = truth + offset
    hard = seam(paste_back(result, truth * ~hole, hole, 0), truth, hole)
    soft = seam(paste_back(result, truth * ~hole, hole, 8), truth, hole)
    assert hard == pytest.approx(0.1, abs=1e-6)
    assert soft < 0.05 * 0.1 + 0.002
    # Nor a step further in: each layer takes a little more of the offset.
    error = paste_back(result, truth * ~hole, hole, 8) - truth
    assert error.diff(dim=-1).abs().max() < 0.02


def test_the_black_of_the_hole_does_not_show():
    white = torch.full((1, 3, 48, 40), 0.9)
    pasted = paste_back(white - 0.2, white * ~box(), box(), 8)
    assert pasted.min() >= 0.7 - 1e-6
    # The fill plays no part at all.
    assert torch.equal(paste_back(white - 0.2, white, box(), 8), pasted)


def test_a_black_jacket_is_kept():
    truth, hole = picture(), box()
    truth[..., 24:, :] = 0
    result = truth + 0.1
    pasted = paste_back(result, truth * ~hole, hole, 6)
    known = (~hole).expand_as(truth)
    assert torch.equal(pasted[known], truth[known])
    # The black counts as a colour: the result turns black towards it.
    assert pasted[..., 35, 20].max() < 0.02
    torch.testing.assert_close(pasted[..., 27, 20], result[..., 27, 20])


def test_nearer_the_truth_than_a_plain_paste():
    truth, hole = picture(), box()
    result = 0.8 * truth + 0.15
    hard, soft = (psnr(paste_back(result, truth * ~hole, hole, feather), truth) for feather in (0, 8))
    assert soft > hard + 1


def test_thin_holes_take_the_colours_around_and_the_detail_of_the_result():
    truth, hole = picture(), torch.zeros(1, 1, 48, 40, dtype=torch.bool)
    hole[..., 20, :] = True
    hole[..., :, 7] = True
    pasted = paste_back(truth + 0.2, truth * ~hole, hole, 8)
    assert (pasted - truth).abs().max() < 0.02


def test_nothing_missing_and_nothing_known():
    truth, result = picture(), picture(seed=1)
    none = torch.zeros(1, 1, 48, 40, dtype=torch.bool)
    assert torch.equal(paste_back(result, truth, none), truth)
    assert torch.equal(paste_back(result, truth * 0, ~none), result)


def test_rows_are_independent():
    truth, result = picture(3), picture(3, seed=1)
    holes = torch.cat((box(), box(top=0, left=0), torch.ones(1, 1, 48, 40, dtype=torch.bool)))
    pasted = paste_back(result, truth, holes)
    for i in range(3):
        alone = paste_back(result[i : i + 1], truth[i : i + 1], holes[i : i + 1])
        torch.testing.assert_close(pasted[i : i + 1], alone, atol=1e-6, rtol=0)


def test_result_stays_in_range():
    pasted = paste_back(picture(seed=1).round(), picture().round(), box(), 12)
    assert pasted.min() >= 0
    assert pasted.max() <= 1


@pytest.mark.parametrize("size", [(1, 7), (5, 1), (13, 17)])
def test_odd_sizes(size):
    hole = torch.zeros(1, 1, *size, dtype=torch.bool)
    hole[..., size[0] // 2, size[1] // 2] = True
    pasted = paste_back(torch.full((1, 3, *size), 0.5), torch.full((1, 3, *size), 0.6), hole)
    torch.testing.assert_close(pasted, torch.full((1, 3, *size), 0.6), atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("shapes", "feather", "text"),
    [
        (((1, 3, 8, 8), (1, 3, 4, 4), (1, 1, 8, 8)), 2, r"result \(1, 3, 8, 8\) and measurement \(1, 3, 4, 4\)"),
        (((1, 1, 8, 8), (1, 1, 8, 8), (1, 1, 8, 8)), 2, "N×3×H×W"),
        (((2, 3, 8, 8), (2, 3, 8, 8), (3, 1, 8, 8)), 2, r"hole \(3, 1, 8, 8\)"),
        (((1, 3, 8, 8), (1, 3, 8, 8), (1, 3, 8, 8)), 2, "hole"),
        (((1, 3, 8, 8), (1, 3, 8, 8), (1, 1, 8, 8)), -1, "feather is -1"),
    ],
)
def test_bad_input(shapes, feather, text):
    with pytest.raises(InputError, match=text):
        paste_back(*(torch.zeros(shape) for shape in shapes), feather=feather)


def test_threads_and_other_rows_change_no_bit():
    generator = torch.Generator().manual_seed(0)
    result, measurement = picture(5, 100, 100), picture(5, 100, 100, 1)
    hole = torch.rand(5, 1, 100, 100, generator=generator) > 0.4
    alike = paste_back(result, measurement, hole, 6)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        for start, end in ((0, 1), (1, 5)):
            own = paste_back(result[start:end], measurement[start:end], hole[start:end], 6)
            assert torch.equal(own, alike[start:end])
    finally:
        torch.set_num_threads(before)
