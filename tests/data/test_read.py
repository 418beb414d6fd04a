import contextlib
import io
import os
import warnings

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, PngImagePlugin

from lit_nst import embedded
from lit_nst.data import read
from lit_nst.data.read import image_size, list_images, read_image, read_mask
from lit_nst.errors import InputError
from tests.data.profiles import linear_profile, srgb_curve

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (4, 5, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (4, 5), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (4, 5), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (4, 5), dtype=np.uint16)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def chw(array, top=255):
    array = np.asarray(array, np.float64) / top
    if array.ndim == 2:
        array = array[..., None].repeat(3, -1)
    return torch.from_numpy(array.transpose(2, 0, 1)).float()


def over(colours, alpha, background):
    alpha = chw(alpha)[:1].double()
    return (colours.double() * alpha + background * (1 - alpha)).float()


def save(picture, path, **options):
    picture.save(path, **options)
    return path


def check(path, expected, atol=1e-6):
    image, hole = read_image(path)
    assert hole is None
    assert image.dtype == torch.float32
    assert image.is_contiguous()
    torch.testing.assert_close(image, expected, rtol=0, atol=atol)
    assert image_size(path) == tuple(expected.shape[1:])


def fails(path, *words, read=read_image):
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert all(word in message for word in words), message


class TestFormats:
    @pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm", "gif"])
    def test_rgb(self, tmp_path, suffix):
        check(save(Image.fromarray(RGB), tmp_path / f"a.{suffix}"), chw(RGB))

    @pytest.mark.parametrize("suffix", ["webp", "avif"])
    def test_lossless(self, tmp_path, suffix):
        flat = np.full((8, 8, 3), 128, np.uint8)
        check(save(Image.fromarray(flat), tmp_path / f"a.{suffix}", quality=100), chw(flat), atol=2.1 / 255)

    @pytest.mark.parametrize("suffix", ["png", "tif", "pgm", "gif"])
    def test_grey(self, tmp_path, suffix):
        check(save(Image.fromarray(GREY), tmp_path / f"a.{suffix}"), chw(GREY))

    @pytest.mark.parametrize("background", [0.0, 0.3, 1.0])
    def test_rgba_composite(self, tmp_path, background):
        path = save(Image.fromarray(np.dstack([RGB, ALPHA])), tmp_path / "a.png")
        image, hole = read_image(path, background=background)
        assert hole is None
        torch.testing.assert_close(image, over(chw(RGB), ALPHA, background), rtol=0, atol=1e-6)

    def test_rgba_mask(self, tmp_path):
        path = save(Image.fromarray(np.dstack([RGB, ALPHA])), tmp_path / "a.png")
        image, hole = read_image(path, alpha="mask")
        torch.testing.assert_close(image, chw(RGB))
        assert torch.equal(hole, torch.from_numpy(ALPHA < 128).float()[None])
        assert read_image(save(Image.fromarray(RGB), path), alpha="mask")[1] is None

    def test_grey_alpha(self, tmp_path):
        path = save(Image.fromarray(np.dstack([GREY, ALPHA])), tmp_path / "a.png")
        check(path, over(chw(GREY), ALPHA, 1))
        torch.testing.assert_close(read_image(path, alpha="mask")[0], chw(GREY))

    @pytest.mark.parametrize("suffix", ["png", "gif", "tif", "bmp"])
    def test_palette(self, tmp_path, suffix):
        check(save(Image.fromarray(RGB).quantize(256), tmp_path / f"a.{suffix}"), chw(RGB))

    def test_palette_with_transparent_index(self, tmp_path):
        picture = Image.new("P", (3, 2))
        picture.putpalette([255, 0, 0, 0, 0, 255])
        picture.putpixel((1, 0), 1)
        path = save(picture, tmp_path / "a.png", transparency=1)
        image, hole = read_image(path, alpha="mask")
        assert hole.flatten().tolist() == [0, 1, 0, 0, 0, 0]
        assert image[:, 0, 1].tolist() == [0, 0, 1]
        assert read_image(path, background=0.5)[0][:, 0].T.tolist() == [[1, 0, 0], [0.5, 0.5, 0.5], [1, 0, 0]]

    def test_palette_with_alpha_table(self, tmp_path):
        picture = Image.new("P", (2, 2))
        picture.putpalette([255, 0, 0, 0, 0, 255])
        picture.putpixel((1, 0), 1)
        path = save(picture, tmp_path / "a.png", transparency=bytes([51, 255]))
        image, _ = read_image(path, background=0.0)
        torch.testing.assert_close(image[:, 0].T, torch.tensor([[0.2, 0, 0], [0, 0, 1]]))

    def test_transparent_colour(self, tmp_path):
        path = save(Image.fromarray(RGB), tmp_path / "a.png", transparency=tuple(map(int, RGB[1, 2])))
        hole = read_image(path, alpha="mask")[1]
        assert hole.nonzero().tolist() == [[0, 1, 2]]

    def test_bilevel(self, tmp_path):
        for suffix in ("png", "tif", "pbm"):
            check(save(Image.fromarray(GREY > 99), tmp_path / f"a.{suffix}"), chw(GREY > 99, 1))

    @pytest.mark.parametrize("suffix", ["png", "tif"])
    def test_sixteen_bits(self, tmp_path, suffix):
        check(save(Image.fromarray(DEEP), tmp_path / f"a.{suffix}"), chw(DEEP, 65535), atol=1e-7)

    def test_sixteen_bits_big_endian(self, tmp_path):
        check(save(Image.fromarray(DEEP.astype(">u2")), tmp_path / "a.tif"), chw(DEEP, 65535), atol=1e-7)

    def test_sixteen_bits_transparent(self, tmp_path):
        path = save(Image.fromarray(DEEP), tmp_path / "a.png", transparency=int(DEEP[1, 2]))
        image, hole = read_image(path, alpha="mask")
        torch.testing.assert_close(image, chw(DEEP, 65535))
        assert hole.nonzero().tolist() == [[0, 1, 2]]

    def test_integer(self, tmp_path):
        check(save(Image.fromarray(DEEP.astype(np.int32)), tmp_path / "a.tif"), chw(DEEP, 65535), atol=1e-7)

    def test_float(self, tmp_path):
        values = RNG.random((4, 5), dtype=np.float32)
        check(save(Image.fromarray(values), tmp_path / "a.tif"), chw(values, 1), atol=0)

    def test_cmyk_jpeg(self, tmp_path):
        inks = np.full((16, 16, 4), (0, 255, 255, 0), np.uint8)
        path = save(Image.fromarray(inks, "CMYK"), tmp_path / "a.jpg", quality=100)
        check(path, chw(np.full((16, 16, 3), (255, 0, 0))), atol=3 / 255)

    def test_ycbcr(self, tmp_path):
        path = save(Image.new("YCbCr", (4, 4), (76, 85, 255)), tmp_path / "a.tif")
        check(path, chw(np.full((4, 4, 3), (254, 0, 0))), atol=1.1 / 255)

    def test_lab(self, tmp_path):
        path = save(Image.new("LAB", (4, 4), (128, 128, 128)), tmp_path / "a.tif")
        check(path, torch.full((3, 4, 4), 0.467), atol=0.01)

    def test_first_frame(self, tmp_path):
        frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
        for suffix in ("gif", "png", "tif"):
            path = save(frames[0], tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
            check(path, chw(np.full((4, 4, 3), (255, 0, 0))))


class TestOrientation:
    EXPECTED = (
        lambda a: a,
        lambda a: a[:, ::-1],
        lambda a: a[::-1, ::-1],
        lambda a: a[::-1],
        lambda a: a.swapaxes(0, 1),
        lambda a: np.rot90(a, -1),
        lambda a: np.rot90(a, 2).swapaxes(0, 1),
        lambda a: np.rot90(a),
    )

    @pytest.mark.parametrize("suffix", ["png", "tif"])
    @pytest.mark.parametrize("orientation", range(10))
    def test_each(self, tmp_path, orientation, suffix):
        exif = Image.Exif()
        exif[0x0112] = orientation
        turn = self.EXPECTED[orientation - 1 if 1 <= orientation <= 8 else 0]
        check(save(Image.fromarray(RGB), tmp_path / f"a.{suffix}", exif=exif), chw(turn(RGB)))
        check(save(Image.fromarray(DEEP), tmp_path / f"b.{suffix}", exif=exif), chw(turn(DEEP), 65535))

    def test_compressed_tiff(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        path = save(Image.fromarray(RGB), tmp_path / "a.tif", exif=exif, compression="tiff_lzw")
        check(path, chw(np.rot90(RGB, -1)))

    def test_jpeg_and_alpha(self, tmp_path):
        halves = np.zeros((16, 32, 3), np.uint8)
        halves[:, :16] = 255
        exif = Image.Exif()
        exif[0x0112] = 6
        path = save(Image.fromarray(halves), tmp_path / "a.jpg", exif=exif, quality=100)
        check(path, chw(np.rot90(halves, -1)), atol=0.02)
        path = save(Image.fromarray(np.dstack([RGB, ALPHA])), tmp_path / "a.png", exif=exif)
        check(path, over(chw(np.rot90(RGB, -1)), np.rot90(ALPHA, -1), 1))

    @pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
    @pytest.mark.parametrize("exif", [b"nothing of the kind", b"II*\0"])
    def test_broken_exif_is_ignored(self, tmp_path, suffix, exif):
        path = save(Image.new("RGB", (8, 4), "white"), tmp_path / f"a.{suffix}", exif=b"Exif\0\0" + exif)
        check(path, torch.ones(3, 4, 8))


class TestProfile:
    def test_srgb_changes_nothing(self, tmp_path):
        icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        check(save(Image.fromarray(RGB), tmp_path / "a.png", icc_profile=icc), chw(RGB))
        check(save(Image.fromarray(GREY), tmp_path / "b.png", icc_profile=icc), chw(GREY))

    @pytest.mark.parametrize("array", [RGB, GREY])
    def test_linear(self, tmp_path, array):
        icc = linear_profile("RGB" if array.ndim == 3 else "GRAY")
        expected = chw(np.vectorize(srgb_curve)(array / 255), 1)
        check(save(Image.fromarray(array), tmp_path / "a.png", icc_profile=icc), expected, atol=1 / 255)

    def test_primaries(self, tmp_path):
        icc = linear_profile("RGB", order=(2, 1, 0))
        path = save(Image.new("RGB", (2, 2), "red"), tmp_path / "a.png", icc_profile=icc)
        check(path, chw(np.full((2, 2, 3), (0, 0, 255))), atol=2 / 255)

    def test_palette(self, tmp_path):
        picture = Image.new("P", (2, 2))
        picture.putpalette([255, 0, 0])
        path = save(picture, tmp_path / "a.png", icc_profile=linear_profile("RGB", order=(2, 1, 0)))
        check(path, chw(np.full((2, 2, 3), (0, 0, 255))), atol=2 / 255)

    def test_alpha_is_left_alone(self, tmp_path):
        for colours, space in ((RGB, "RGB"), (GREY, "GRAY")):
            picture = Image.fromarray(np.dstack([colours, ALPHA]))
            path = save(picture, tmp_path / "a.png", icc_profile=linear_profile(space))
            image, hole = read_image(path, alpha="mask")
            assert torch.equal(hole, torch.from_numpy(ALPHA < 128).float()[None])
            torch.testing.assert_close(image, chw(np.vectorize(srgb_curve)(colours / 255), 1), rtol=0, atol=2 / 255)

    def test_sixteen_bits_keep_their_steps(self, tmp_path):
        steps = np.arange(30000, 30064, dtype=np.uint16).reshape(8, 8)
        path = save(Image.fromarray(steps), tmp_path / "a.png", icc_profile=linear_profile("GRAY"))
        check(path, chw(np.vectorize(srgb_curve)(steps / 65535), 1), atol=1 / 255)
        assert len(read_image(path)[0].unique()) == 64

    def test_bilevel(self, tmp_path):
        path = save(Image.fromarray(GREY > 99), tmp_path / "a.png", icc_profile=linear_profile("GRAY"))
        check(path, chw(GREY > 99, 1))

    def test_lab_picture(self, tmp_path):
        icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
        path = save(Image.new("LAB", (4, 4), (128, 128, 128)), tmp_path / "a.tif", icc_profile=icc)
        check(path, torch.full((3, 4, 4), 0.467), atol=0.01)

    @pytest.mark.parametrize(
        ("icc", "reason"),
        [
            (b"broken", "cannot open profile"),
            (linear_profile("RGB")[:200], "cannot open profile"),
            (linear_profile("GRAY"), "not for RGB pictures"),
        ],
    )
    def test_broken_or_foreign_profile_is_ignored_with_a_warning(self, tmp_path, icc, reason):
        path = save(Image.fromarray(RGB), tmp_path / "a.png", icc_profile=icc)
        with pytest.warns(UserWarning, match=rf"a\.png: its colour profile is ignored \(.*{reason}.*\)"):
            image, _ = read_image(path)
        torch.testing.assert_close(image, chw(RGB))


class TestErrors:
    @pytest.mark.parametrize("function", [read_image, read_mask, image_size])
    def test_no_image(self, tmp_path, function):
        fails(tmp_path / "none.png", "does not exist", read=function)
        fails(tmp_path / ("long" * 99), "does not exist", read=function)
        fails(tmp_path, "is a folder", read=function)
        (tmp_path / "empty.png").touch()
        fails(tmp_path / "empty.png", "is empty (0 bytes)", read=function)
        (tmp_path / "text.png").write_text("no picture")
        fails(tmp_path / "text.png", "is not an image", read=function)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_pipe(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        fails(tmp_path / "pipe", "not a regular file")

    @pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
    def test_tiny(self, tmp_path, size):
        path = save(Image.new("RGB", size), tmp_path / "a.png")
        fails(path, f"{size[1]}×{size[0]}", "at least 2×2")
        fails(path, read=image_size)

    def test_two_by_two_is_enough(self, tmp_path):
        check(save(Image.new("RGB", (2, 2)), tmp_path / "a.png"), torch.zeros(3, 2, 2))

    @pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
    def test_truncated(self, tmp_path, suffix):
        noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        path = save(Image.fromarray(noise), tmp_path / f"a.{suffix}")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        fails(path)

    def test_the_reason_is_told(self, tmp_path):
        path = save(Image.fromarray(RGB), tmp_path / "a.bmp")
        path.write_bytes(path.read_bytes()[:-20])
        fails(path, "image file is truncated")

    def test_corrupt(self, tmp_path):
        path = save(Image.fromarray(RGB), tmp_path / "a.png")
        data = bytearray(path.read_bytes())
        place = data.index(b"IDAT")
        data[place + 6 : place + 20] = bytes(14)
        path.write_bytes(data)
        fails(path, "cannot be read")

    def test_other_formats_stay_closed(self, tmp_path):
        path = save(Image.fromarray(RGB), tmp_path / "a.eps")
        fails(path.rename(tmp_path / "a.png"), "is not an image")

    def test_pixel_limit_is_checked_before_decoding(self, tmp_path, monkeypatch):
        path = save(Image.fromarray(RGB), tmp_path / "a.png")
        monkeypatch.setattr(read, "MAX_PIXELS", 20)
        read_image(path)
        monkeypatch.setattr(read, "MAX_PIXELS", 19)
        monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: pytest.fail("decoded"))
        fails(path, "4×5", "more than 19 pixels")

    def test_pillows_own_limit(self, tmp_path, monkeypatch):
        path = save(Image.fromarray(RGB), tmp_path / "a.png")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15)
        with warnings.catch_warnings(record=True) as seen:
            check(path, chw(RGB))
        assert not seen
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
        fails(path, "far more than 100,000,000 pixels")

    def test_grey_levels_out_of_range(self, tmp_path):
        for bad in (255.0, -0.1, np.nan, np.inf):
            values = np.zeros((4, 4), np.float32)
            values[1, 1] = bad
            fails(save(Image.fromarray(values), tmp_path / "a.tif"), "scale them to 0 to 1")
        fails(save(Image.fromarray(np.full((4, 4), 70000, np.int32)), tmp_path / "a.tif"), "70000", "0 to 65535")

    @pytest.mark.parametrize("background", [-0.1, 1.1, 255, float("nan")])
    def test_background(self, tmp_path, background):
        with pytest.raises(InputError, match="background is"):
            read_image(tmp_path, background=background)

    def test_alpha(self, tmp_path):
        with pytest.raises(InputError, match="alpha is 'keep'"):
            read_image(tmp_path, alpha="keep")


class TestMask:
    def test_white_is_the_hole(self, tmp_path):
        levels = np.array([[0, 127, 128, 255]] * 2, np.uint8)
        for picture in (Image.fromarray(levels), Image.fromarray(levels).convert("RGB")):
            mask = read_mask(save(picture, tmp_path / "a.png"))
            assert mask.dtype == torch.float32
            assert mask.tolist() == [[[0, 0, 1, 1]] * 2]

    def test_transparent_is_known(self, tmp_path):
        path = save(Image.new("RGBA", (2, 2), (255, 255, 255, 0)), tmp_path / "a.png")
        assert read_mask(path).sum() == 0


class TestList:
    @pytest.fixture
    def folder(self, tmp_path):
        for name in ("b10.png", "b2.PNG", "a.jpg", "notes.txt", ".hidden.png", "deep/c.png"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        (tmp_path / "folder.png").mkdir()
        return tmp_path

    def names(self, source):
        return [path.name for path in list_images(source)]

    def test_file(self, folder):
        assert list_images(f"{folder}/notes.txt") == [folder / "notes.txt"]

    def test_folder_in_natural_order(self, folder):
        assert self.names(str(folder)) == ["a.jpg", "b2.PNG", "b10.png"]

    def test_pattern(self, folder):
        assert self.names(f"{folder}/b*") == ["b2.PNG", "b10.png"]
        assert self.names(f"{folder}/**/*.png") == ["b10.png", "c.png"]

    def test_file_named_like_a_pattern(self, folder):
        (folder / "a[1].png").touch()
        assert self.names(f"{folder}/a[1].png") == ["a[1].png"]

    def test_list_keeps_its_order(self, folder):
        assert self.names([f"{folder}/b10.png", f"{folder}/a.*", f"{folder}/b10.png"]) == [
            "b10.png",
            "a.jpg",
            "b10.png",
        ]

    def test_home(self, folder, monkeypatch):
        monkeypatch.setenv("HOME", str(folder))
        assert list_images("~/a.jpg") == [folder / "a.jpg"]

    def test_embedded(self, folder, monkeypatch):
        monkeypatch.setattr(embedded, "FOLDER", folder)
        assert list_images("embedded:deep") == list_images("embedded:deep/c.png") == [folder / "deep/c.png"]
        assert self.names("embedded:b*") == ["b2.PNG", "b10.png"]

    def test_embedded_is_a_folder_of_the_package(self):
        assert (embedded.FOLDER / "__init__.py").is_file()

    @pytest.mark.parametrize("name", ["../x.png", "a/../../x", "/etc/passwd", ".."])
    def test_embedded_stays_in_its_folder(self, name):
        with pytest.raises(InputError, match=r"leaves the embedded images"):
            list_images(f"embedded:{name}")

    def test_nothing(self, folder, monkeypatch):
        monkeypatch.setattr(embedded, "FOLDER", folder)
        (folder / "empty").mkdir()
        for source, words in {
            f"{folder}/none.png": "does not exist",
            "embedded:none": "does not exist",
            f"{folder}/empty": "holds no image",
            f"{folder}/*.gif": "matches no image",
            "long" * 99: "does not exist",
        }.items():
            fails(source, words, read=list_images)
            fails(source, words, read=lambda source: list_images([f"{folder}/a.jpg", source]))
        with pytest.raises(InputError, match="list of images is empty"):
            list_images([])
        with pytest.raises(InputError, match="empty path"):
            list_images("")


def test_damaged_files_never_raise_anything_else(tmp_path, monkeypatch):
    """Every byte region of small files of each format is damaged once."""
    monkeypatch.setattr(read, "MAX_PIXELS", 10_000)
    buffer = {}
    for kind in ("PNG", "GIF", "TIFF", "BMP", "JPEG", "PPM"):
        stream = io.BytesIO()
        Image.fromarray(RGB).save(stream, kind)
        buffer[kind] = stream.getvalue()
    path = tmp_path / "a.img"
    for data in buffer.values():
        for start in range(0, len(data), max(1, len(data) // 40)):
            damaged = bytearray(data)
            damaged[start : start + 3] = b"\xff\x80\x01"[: len(damaged) - start]
            path.write_bytes(damaged)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for function in (read_image, image_size):
                    with contextlib.suppress(InputError):
                        function(path)
