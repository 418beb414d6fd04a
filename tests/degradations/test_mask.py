import pytest
import torch
from torch import Tensor

from lit_nst.degradations import Mask
from lit_nst.errors import InputError
from tests.contracts_degradation import DegradationContract, images, pull


class TestBox(DegradationContract):
    kind = Mask
    options = {"box": [0.25, 0.5, 0.75, 1.0]}  # noqa: RUF012


class TestStrokes(DegradationContract):
    kind = Mask
    options = {"strokes": 2, "seed": 3}  # noqa: RUF012


class TestDropped(DegradationContract):
    kind = Mask
    options = {"drop": 0.4, "seed": 3}  # noqa: RUF012


def hole(side: int = 64, height: int | None = None, **options: object) -> Tensor:
    """The hole of one mask, H×W."""
    mask = Mask(**options)
    mask(torch.zeros(1, 3, height or side, side))
    return mask.hole[0, 0]


def pieces(region: Tensor) -> int:
    """Number of connected regions."""
    left = {tuple(pixel) for pixel in region.nonzero().tolist()}
    count = 0
    while left:
        count, front = count + 1, [left.pop()]
        while front:
            y, x = front.pop()
            around = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= around
            front += around
    return count


def test_box_pixels():
    expected = torch.zeros(16, 32, dtype=torch.bool)
    expected[4:12, 4:24] = True
    assert torch.equal(hole(32, 16, box=[0.125, 0.25, 0.75, 0.75]), expected)


def test_whole_image_is_a_box():
    assert hole(8, box=[0, 0, 1, 1]).all()


def test_hole_is_black_and_the_rest_untouched():
    x = torch.randn(2, 3, 16, 16)
    mask = Mask(box=[0.5, 0.0, 1.0, 1.0])
    for y in (mask(x), mask.observe(x, [0, 1])):
        assert torch.equal(y[..., :8], x[..., :8])
        assert not y[..., 8:].any()


def test_black_pixels_stay_data():
    mask = Mask(box=[0.0, 0.0, 0.5, 0.5])
    black = torch.zeros(1, 3, 8, 8)
    known = mask.known(black)
    assert torch.equal(pull(mask, black, torch.ones_like(black)), known.expand(1, 3, 8, 8))
    assert known.shape == (1, 1, 8, 8)
    assert known.sum() == 48
    assert known.dtype == torch.float32


@pytest.mark.parametrize("seed", range(5))
def test_a_stroke_is_one_piece(seed):
    assert pieces(hole(strokes=1, seed=seed)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_coverage_of_strokes(seed):
    share = hole(strokes=7, seed=seed).float().mean()
    assert 0.05 < share < 0.7
    assert pieces(hole(strokes=7, seed=seed)) <= 7


def test_strokes_differ_by_seed_only():
    assert torch.equal(hole(strokes=3, seed=1), hole(strokes=3, seed=1))
    assert not torch.equal(hole(strokes=3, seed=1), hole(strokes=3, seed=2))


def test_more_strokes_keep_the_first():
    few, more = hole(strokes=2), hole(strokes=5)
    assert (few & ~more).sum() == 0
    assert more.sum() > few.sum()


def test_strokes_scale_with_the_image():
    small = hole(32, strokes=3).float()
    large = torch.nn.functional.avg_pool2d(hole(128, strokes=3).float()[None], 4)[0]
    assert (large.round() - small).abs().mean() < 0.02


def test_width_of_a_stroke():
    thin, wide = hole(128, strokes=1, width=0.04), hole(128, strokes=1, width=0.08)
    assert (thin & ~wide).sum() == 0
    assert wide.sum() / thin.sum() == pytest.approx(2, abs=0.3)
    # Eight steps of a tenth, and the round ends; less where it crosses itself.
    most = 0.8 * 0.08 + 3.1416 / 4 * 0.08**2
    shares = torch.stack([hole(strokes=1, seed=seed).float().mean() for seed in range(10)])
    assert shares.max() < 1.05 * most
    assert shares.mean() > 0.8 * most


def test_box_and_strokes_join():
    box, strokes = hole(box=[0, 0, 0.5, 0.5]), hole(strokes=2)
    assert torch.equal(hole(box=[0, 0, 0.5, 0.5], strokes=2), box | strokes)


def test_dropped_pixels():
    missing = hole(128, drop=0.7)
    assert float(missing.float().mean()) == pytest.approx(0.7, abs=0.01)
    # Each by itself: two neighbours are both missing as often as chance has it.
    assert float((missing[:, 1:] & missing[:, :-1]).float().mean()) == pytest.approx(0.49, abs=0.015)
    assert not torch.equal(hole(128, drop=0.7, seed=1), missing)
    box = hole(128, box=[0, 0, 0.5, 0.5])
    assert torch.equal(hole(128, box=[0, 0, 0.5, 0.5], drop=0.7), box | missing)


@pytest.mark.parametrize("drop", [-0.1, 1.0])
def test_bad_drop(drop):
    with pytest.raises(InputError, match=f"drop is {drop}"):
        Mask(drop=drop)


def test_redrawn_for_another_size_only():
    mask = Mask(strokes=2)
    mask(images(1, 16, 16))
    first = mask.hole
    mask(images(1, 16, 16))
    assert mask.hole is first
    assert mask(images(1, 32, 16)).shape == (1, 3, 32, 16)
    assert mask.hole.shape == (1, 1, 32, 16)


def test_attached_masks_win():
    assert Mask.role == "mask"
    files = torch.zeros(2, 1, 16, 16)
    files[0, :, :4], files[1, :, 8:] = 1.0, 0.6
    mask = Mask(box=[0.5, 0.5, 1, 1])
    mask(images(2, 16, 16))
    mask.attach(files)
    x = images(2, 16, 16)
    assert torch.equal(mask(x), x * (files < 0.5))
    assert torch.equal(mask.known(x), (files < 0.5).float())
    assert not mask.state_dict()


def test_one_mask_for_all_and_three_channels():
    mask = Mask()
    mask.attach(torch.eye(16) * torch.tensor([1.0, 0.4, 0.3]).view(1, 3, 1, 1))
    x = images(3, 16, 16)
    assert torch.equal(mask(x), x * (1 - torch.eye(16)))
    assert mask.known(x).shape == (1, 1, 16, 16)


def test_attached_mask_of_another_size():
    mask = Mask()
    mask.attach(torch.zeros(1, 1, 8, 16))
    with pytest.raises(InputError, match="8x16, the image 16x24"):
        mask(images())


def test_number_of_masks():
    mask = Mask()
    mask.attach(torch.zeros(3, 1, 16, 24))
    with pytest.raises(InputError, match="3 masks for 2 images"):
        mask(images())


def test_nothing_given():
    with pytest.raises(InputError, match=r"give --data\.mask FILE, box, strokes or drop"):
        Mask()(images())


def test_hole_without_a_pixel():
    with pytest.raises(InputError, match="no pixel at 16x24"):
        Mask(box=[0.0, 0.0, 0.01, 0.01])(images())


@pytest.mark.parametrize(
    "box", [[0, 0, 1], [0.5, 0, 0.5, 1], [0, 0.6, 1, 0.5], [-0.1, 0, 1, 1], [0, 0, 1, 1.1], [0, 0, 8, 8], []]
)
def test_bad_box(box):
    with pytest.raises(InputError, match="box"):
        Mask(box=box)


@pytest.mark.parametrize("options", [{"strokes": -1}, {"width": 0.0}, {"width": 1.5}])
def test_bad_strokes(options):
    with pytest.raises(InputError, match="strokes"):
        Mask(**options)


def test_mask_without_a_known_pixel_is_refused():
    with pytest.raises(InputError, match="white everywhere"):
        Mask().attach(torch.ones(1, 1, 8, 8))
