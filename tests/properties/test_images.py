import io
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, ImageOps

from lit_nst.data import image_size, list_images, read_image, read_mask
from lit_nst.data.write import write_png
from lit_nst.errors import InputError
from tests.properties.material import answer, damaged

KINDS = {
    "PNG": ["1", "L", "LA", "RGB", "RGBA", "P", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "GIF": ["1", "L", "P"],
    "TIFF": ["1", "L", "LA", "RGB", "RGBA", "P", "I;16", "CMYK"],
    "WEBP": ["RGB", "RGBA"],
    "BMP": ["1", "L", "P", "RGB"],
    "PPM": ["1", "L", "RGB", "I;16"],
}
PAIRS = [(kind, mode) for kind, modes in KINDS.items() for mode in modes]
TURNABLE = ("PNG", "JPEG", "TIFF", "WEBP")
seeds = st.integers(0, 2**32 - 1)


def picture(mode: str, height: int, width: int, seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, (height, width), np.uint16))
    if mode in ("1", "P"):
        grey = Image.fromarray(rng.integers(0, 256, (height, width), np.uint8))
        return grey.convert(mode)
    bands = len(Image.new(mode, (1, 1)).getbands())
    levels = rng.integers(0, 256, (height, width, bands), np.uint8)
    return Image.fromarray(levels[..., 0] if bands == 1 else levels, mode)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif.tobytes()


def samples() -> list[bytes]:
    """One small file of every kind, some with a profile, a turn and transparency."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [encoded(picture(mode, 5, 4, 0), kind) for kind, mode in PAIRS]
        found += [encoded(picture("RGB", 5, 4, 1), kind, exif=turned(6)) for kind in TURNABLE]
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        found += [encoded(picture(mode, 5, 4, 2), "PNG", icc_profile=profile) for mode in ("L", "RGB")]
        found += [encoded(picture("P", 5, 4, 3), "GIF", transparency=0), encoded(picture("L", 3, 3, 4), "PNG")]
        frames = [picture("P", 5, 4, seed) for seed in (5, 6)]
        found.append(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
        found.append(encoded(Image.new("F", (4, 5), 0.5), "TIFF"))
    return found


SAMPLES = samples()


def readers(path):
    """Every reader returns or refuses; what it returns keeps its promises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        size = answer(lambda: image_size(path))
        for alpha in ("composite", "mask"):
            found = answer(lambda alpha=alpha: read_image(path, alpha))
            if found is None:
                continue
            image, hole = found
            assert image.dtype == torch.float32
            assert image.shape == (3, *size)
            assert 0 <= float(image.min()) <= float(image.max()) <= 1
            if hole is not None:
                assert hole.shape == (1, *size)
                assert set(hole.unique().tolist()) <= {0.0, 1.0}
        mask = answer(lambda: read_mask(path))
        if mask is not None:
            assert mask.shape == (1, *size)
            assert set(mask.unique().tolist()) <= {0.0, 1.0}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("images") / "picture"


@given(data=st.binary(max_size=200))
def test_any_bytes(file, data):
    file.write_bytes(data)
    readers(file)


@given(data=st.data(), sound=st.sampled_from(SAMPLES))
def test_damaged_files(file, data, sound):
    file.write_bytes(data.draw(damaged(sound)))
    readers(file)


@given(pair=st.sampled_from(PAIRS), height=st.integers(2, 9), width=st.integers(2, 9), seed=seeds)
def test_sound_files_of_every_kind(file, pair, height, width, seed):
    kind, mode = pair
    file.write_bytes(encoded(picture(mode, height, width, seed), kind))
    assert image_size(file) == (height, width)
    assert read_image(file)[0].shape == (3, height, width)
    readers(file)


@given(kind=st.sampled_from(TURNABLE), orientation=st.integers(0, 9), size=st.tuples(*[st.integers(2, 6)] * 2))
def test_turns(file, kind, orientation, size):
    whole = {"lossless": True} if kind == "WEBP" else {}
    file.write_bytes(encoded(picture("RGB", *size, 0), kind, exif=turned(orientation), **whole))
    with Image.open(file) as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    image, _ = read_image(file)
    assert image_size(file) == upright.shape[:2]
    assert torch.equal(image, torch.from_numpy(upright.transpose(2, 0, 1) / np.float32(255)))


@given(size=st.tuples(st.integers(2, 9), st.integers(2, 9)), seed=seeds, low=st.floats(-2, 0), high=st.floats(0, 3))
def test_written_pictures_come_back_within_half_a_level(file, size, seed, low, high):
    image = low + (high - low) * torch.rand(3, *size, generator=torch.Generator().manual_seed(seed))
    write_png(image, file)
    again, hole = read_image(file)
    assert hole is None
    assert (again - image.clamp(0, 1)).abs().max() <= 0.5 / 255 + 1e-6


@given(background=st.floats(), seed=seeds)
def test_background(file, background, seed):
    file.write_bytes(encoded(picture("RGBA", 4, 5, seed), "PNG"))
    found = answer(lambda: read_image(file, background=background))
    assert (found is not None) == (0 <= background <= 1)
    if found is not None:
        assert 0 <= float(found[0].min()) <= float(found[0].max()) <= 1


names = st.text(st.characters(exclude_categories=()), max_size=30) | st.text("~*?[]!/.\\\0aé-{}\n", max_size=12)


@given(source=names | st.lists(names, max_size=3) | names.map("embedded:{}".format))
def test_list_images_finds_files_or_refuses(tmp_path_factory, source):
    folder = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        try:
            found = list_images(source)
        except InputError:
            return
        assert found
        assert all(path.exists() for path in found)


@given(source=st.text(max_size=20))
def test_a_path_that_is_no_file_is_refused(source):
    for reader in (read_image, read_mask, image_size):
        with pytest.raises(InputError):
            reader(f"nowhere/{source}")
