import io

import pytest
import torch
from PIL import Image, ImageChops, ImageStat

from lit_nst.errors import InputError
from lit_nst.report.animation import animation
from lit_nst.report.sheet import INK, PAPER, contact_sheet

GRAY = (20, 90, 160, 230)


def frames(levels=GRAY, rows=1, side=16):
    return [torch.full((rows, 3, side, side), level / 255) for level in levels]


def read(data):
    """Every frame as RGB, and its duration in milliseconds."""
    gif = Image.open(io.BytesIO(data))
    assert gif.format == "GIF"
    shown = []
    for i in range(gif.n_frames):
        gif.seek(i)
        shown.append((gif.convert("RGB"), gif.info["duration"]))
    return shown


def test_frames_come_in_their_order_and_the_last_is_held():
    shown = read(animation(frames(), [0, 10, 20, 30], duration=0.1, hold=1.5))
    assert [duration for _, duration in shown] == [100, 100, 100, 1500]
    for (image, _), level in zip(shown, GRAY, strict=True):
        assert max(abs(c - level) for c in image.getpixel((50, 50))) <= 3


def test_it_is_repeated_without_end():
    assert Image.open(io.BytesIO(animation(frames(), [0, 1, 2, 3]))).info["loop"] == 0


def test_the_step_is_written_under_each_frame():
    grid = contact_sheet(frames()[0])
    shown = read(animation(frames((90, 90)), [100, 205]))
    bands = [image.crop((0, grid.height, *image.size)) for image, _ in shown]
    for band in bands:
        colors = {color for _, color in band.getcolors()}
        assert all(
            min(max(abs(a - b) for a, b in zip(color, own, strict=True)) for own in colors) <= 4
            for color in (PAPER, INK)
        )
    left = ImageChops.difference(*bands).getbbox()[0]
    assert left > bands[0].width // 2
    assert ImageChops.difference(*(image.crop((0, 0, *grid.size)) for image, _ in shown)).getbbox() is None


def test_a_still_picture_does_not_flicker():
    still = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    moving = [torch.cat([still, still.roll(k, -1) * k / 5]) for k in range(6)]
    shown = [image.crop((0, 0, 192, 190)) for image, _ in read(animation(moving, range(6)))]
    assert all(ImageChops.difference(shown[0], image).getbbox() is None for image in shown)


def test_smooth_pictures_are_dithered_to_their_mean_colors():
    x = torch.linspace(0, 1, 64)
    picture = torch.stack([x.expand(64, 64), x.view(-1, 1).expand(64, 64), 1 - x.expand(64, 64)])[None]
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    box = (2, 2, 194, 194)
    shown = read(animation([noise, picture], [0, 1]))[-1][0].crop(box)
    fine, coarse = (
        ImageStat.Stat(ImageChops.difference(contact_sheet(picture).crop(box).reduce(n), shown.reduce(n)))
        for n in (1, 12)
    )
    assert sum(coarse.mean) < sum(fine.mean) / 3
    assert max(high for _, high in coarse.extrema) <= 20


def test_at_most_eight_rows_are_shown_and_the_rest_is_said():
    eight = read(animation(frames((0,), rows=8), [0]))[0][0]
    twenty = read(animation(frames((0,), rows=20), [0]))[0][0]
    assert eight.size == twenty.size == (4 * 194 + 2, eight.height)
    assert ImageChops.difference(eight, twenty).getbbox()[1] > 2 * 194


def test_large_pictures_are_reduced():
    image = read(animation(frames((0,), rows=2, side=900), [0]))[0][0]
    assert image.width <= 1024


def test_more_frames_than_the_palette_is_made_from():
    levels = [4 * k for k in range(34)]
    shown = read(animation(frames(levels, side=4), range(34)))
    assert len(shown) == 34
    assert max(abs(image.getpixel((50, 50))[0] - level) for (image, _), level in zip(shown, levels, strict=True)) <= 4


@pytest.mark.parametrize(
    ("frames", "steps", "message"),
    [
        ([], [], "no frame"),
        (frames(), [0, 1, 2], "3 steps for 4 frames"),
        (frames((0, 0)), [5, 5], "do not rise"),
        ([torch.zeros(3, 4, 4)], [0], "shape"),
        ([torch.zeros(1, 3, 4, 4), torch.zeros(2, 3, 4, 4)], [0, 1], "frame 1 has shape"),
    ],
)
def test_bad_input_is_named(frames, steps, message):
    with pytest.raises(InputError, match=message):
        animation(frames, steps)
