import math

import numpy as np
import pytest
import torch
from PIL import Image

from lit_nst.data import alignment
from lit_nst.data.alignment import align, face_quad, paste
from lit_nst.data.landmarks import Landmarks
from lit_nst.data.resize import fit_image
from lit_nst.errors import InputError
from lit_nst.functional.random import generator as keyed

FACE = np.array([[-10.0, -10], [10, -10], [-5, 10], [5, 10]])


def face_at(x, y, degrees=0.0, scale=1.0):
    """A face whose quad has the side 80·scale and its middle near (x, y)."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return Landmarks(scale * FACE @ np.array([[c, s], [-s, c]]) + [x, y])


def smooth(height, width, cells=6, key="photo"):
    coarse = torch.rand(1, 3, cells, cells, generator=keyed(0, key))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0].clamp(0, 1)


def ramp(height, width):
    """Red is x, green is y, of the centres of the pixels, in shares of the sides."""
    x, y = (torch.arange(width) + 0.5) / width, (torch.arange(height) + 0.5) / height
    return torch.stack([x.expand(height, -1), y[:, None].expand(-1, width), torch.full((height, width), 0.5)])


def mirrored(index, length):
    """Where np.pad's "reflect" looks, written out."""
    period = max(1, 2 * (length - 1))
    index = abs(index) % period
    return period - index if index >= length else index


def gaussian_matrix(length, sigma):
    radius, matrix = int(4 * sigma + 0.5), np.zeros((length, length))
    for row in range(length):
        for tap in range(-radius, radius + 1):
            place = (row + tap) % (2 * length)
            matrix[row, place if place < length else 2 * length - 1 - place] += math.exp(-0.5 * (tap / sigma) ** 2)
    return matrix / matrix.sum(1, keepdims=True)


def bilinear(image, quad, size):
    """3×H×W at the size×size places of a quad: a loop over the definition, in double."""
    result = np.zeros((3, size, size))
    for j in range(size):
        for i in range(size):
            u, v = (i + 0.5) / size, (j + 0.5) / size
            x, y = (1 - u) * ((1 - v) * quad[0] + v * quad[1]) + u * ((1 - v) * quad[3] + v * quad[2])
            left, top = math.floor(x), math.floor(y)
            for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
                weight = abs(1 - dx - (x - left)) * abs(1 - dy - (y - top))
                result[:, j, i] += weight * image[:, top + dy, left + dx]
    return result


def recipe(image, quad, size):
    """The published numbers, step by step, in double and pixel by pixel; without the final reduction."""
    image, quad = image.double().numpy(), quad.copy()
    shrink = int(0.5 * np.linalg.norm(quad[3] - quad[0]) / size)
    if shrink > 1:
        new = [round(length / shrink) for length in (image.shape[2], image.shape[1])]
        channels = [Image.fromarray(c.astype(np.float32)).resize(new, Image.Resampling.LANCZOS) for c in image]
        image, quad = np.stack([np.asarray(c, float) for c in channels]).clip(0, 1), quad / shrink
    qsize = np.linalg.norm(quad[3] - quad[0])
    border = max(round(0.1 * qsize), 3)
    x0, y0 = (max(math.floor(v) - border, 0) for v in quad.min(0))
    x1, y1 = (min(math.ceil(v) + border, n) for v, n in zip(quad.max(0), image.shape[:0:-1], strict=True))
    image, quad = image[:, y0:y1, x0:x1], quad - [x0, y0]
    height, width = image.shape[1:]
    left, top = (max(border - math.floor(v), 0) for v in quad.min(0))
    right, bottom = (max(math.ceil(v) - n + border, 0) for v, n in zip(quad.max(0), (width, height), strict=True))
    if max(left, top, right, bottom) <= border - 4:
        return bilinear(image, quad, size)
    least = round(0.3 * qsize)
    left, top, right, bottom = (max(pad, least) for pad in (left, top, right, bottom))
    rows = [mirrored(y, height) for y in range(-top, height + bottom)]
    columns = [mirrored(x, width) for x in range(-left, width + right)]
    image = image[:, rows][:, :, columns]
    height, width = image.shape[1:]
    near_x = [min(x / left, (width - 1 - x) / right) for x in range(width)]
    near_y = [min(y / top, (height - 1 - y) / bottom) for y in range(height)]
    mask = np.array([[max(1 - a, 1 - b) for a in near_x] for b in near_y])
    blurred = gaussian_matrix(height, 0.02 * qsize) @ image @ gaussian_matrix(width, 0.02 * qsize).T
    image = image + (blurred - image) * (3 * mask + 1).clip(0, 1)
    image = image + (np.median(image, (1, 2))[:, None, None] - image) * mask.clip(0, 1)
    return bilinear(image, quad + np.array([left, top]), size)


class TestQuad:
    def test_by_hand(self):
        # e = (20, 0), m = (0, 20), x = (40, 0), c = (50, 42).
        quad = face_quad(Landmarks([[40, 40], [60, 40], [45, 60], [55, 60]]))
        np.testing.assert_allclose(quad, [[10, 2], [10, 82], [90, 82], [90, 2]], atol=1e-12)

    def test_long_face_by_hand(self):
        # 1.8|m| = 54 > 2|e| = 40; c = (50, 43).
        quad = face_quad(Landmarks([[40, 40], [60, 40], [45, 70], [55, 70]]))
        np.testing.assert_allclose(quad, [[-4, -11], [-4, 97], [104, 97], [104, -11]], atol=1e-12)

    def test_face_to_the_side_by_hand(self):
        # e = (20, 0), m = (10, 20): e − rot(m) = (40, −10), made 1.8·√500 long; c = (51, 42).
        x = np.array([40.0, -10]) / math.sqrt(1700) * 1.8 * math.sqrt(500)
        y = np.array([-x[1], x[0]])
        quad = face_quad(Landmarks([[40, 40], [60, 40], [55, 60], [65, 60]]))
        c = np.array([51.0, 42])
        np.testing.assert_allclose(quad, [c - x - y, c - x + y, c + x + y, c + x - y], atol=1e-12)

    @pytest.mark.parametrize("degrees", [30, 90, 180, -45])
    def test_turns_with_the_face(self, degrees):
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        upright = face_quad(face_at(0, 0))
        np.testing.assert_allclose(
            face_quad(face_at(7, -3, degrees, 2)), 2 * upright @ np.array([[c, s], [-s, c]]) + [7, -3], atol=1e-9
        )


class TestAlign:
    @pytest.mark.parametrize(
        ("place", "size", "largest"),
        [
            ((100, 90, 0), 64, 3e-7),
            ((100, 90, 33), 64, 1e-6),
            ((100, 90, 180), 40, 1e-6),
            ((30, 25, 0), 64, 2e-6),
            ((170, 150, -20), 64, 2e-6),
            ((12, 172, 70), 64, 2e-6),
            ((43.5, 90, 0), 64, 2e-6),
            ((44.5, 90, 0), 64, 3e-7),
            ((100, 90, 25, 1.9), 24, 1e-6),
            ((30, 130, 10, 2.3), 24, 2e-6),
        ],
        ids=[
            "upright",
            "turned",
            "upside down",
            "top left",
            "right",
            "corner",
            "padded",
            "just not",
            "shrunk",
            "shrunk corner",
        ],
    )
    def test_equals_the_recipe(self, place, size, largest):
        image, face = smooth(180, 200, 40), face_at(*place)
        expected = recipe(image, face_quad(face), size)
        result = align(image, face, size, transform_size=size, smallest=0)
        assert result.image.dtype == torch.float32
        assert np.abs(result.image.double().numpy() - expected).max() < largest

    def test_a_crop_without_change(self):
        # The corners fall on the edges of pixels, so that no pixel is mixed.
        image = smooth(120, 120, 60)
        face = face_at(60.5, 58.5)
        assert face_quad(face)[0].tolist() == [20.5, 10.5]
        torch.testing.assert_close(align(image, face, 80, 80).image, image[:, 11:91, 21:101], rtol=0, atol=1e-6)

    def test_sampled_finely_then_shrunk(self):
        image, face = smooth(120, 120, 40), face_at(60, 60, 20)
        fine = align(image, face, 128, 128, smallest=0).image
        channels = [Image.fromarray(c).resize((32, 32), Image.Resampling.LANCZOS) for c in fine.numpy()]
        expected = torch.from_numpy(np.stack([np.asarray(c) for c in channels])).clamp(0, 1)
        torch.testing.assert_close(align(image, face, 32).image, expected, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("scale", [0.8, 1.9, 2.9])
    def test_the_quad_is_where_the_pixels_come_from(self, scale):
        height, width = 401, 501
        result = align(ramp(height, width), face_at(250, 200, 20, scale), 24, 24, smallest=0)
        for j, i in ((0, 0), (5, 20), (12, 12), (23, 3)):
            u, v = (i + 0.5) / 24, (j + 0.5) / 24
            q = result.quad
            x, y = q[0] + u * (q[3] - q[0]) + v * (q[1] - q[0])
            assert result.image[0, j, i].item() == pytest.approx((x + 0.5) / width, abs=2e-5)
            assert result.image[1, j, i].item() == pytest.approx((y + 0.5) / height, abs=2e-5)

    def test_the_padding_is_quiet(self):
        image = smooth(100, 100, 60)
        corner = align(image, face_at(20, 20), 64, 64).image[:, :8, :8]
        middle = align(image, face_at(50, 50), 64, 64).image[:, :8, :8]
        assert corner.std(dim=(1, 2)).max() < 0.2 * middle.std(dim=(1, 2)).min()

    def test_input_and_type_are_kept(self):
        image = smooth(100, 100).double()
        before = image.clone()
        assert align(image, face_at(20, 20), 64).image.dtype == torch.float64
        assert torch.equal(image, before)

    def test_range(self):
        edges = (torch.arange(120) // 3 % 2).float().expand(3, 120, 120)
        result = align(edges, face_at(60, 60, 5), 32).image
        assert result.min() >= 0
        assert result.max() <= 1

    def test_points_may_be_outside(self):
        assert align(smooth(60, 60), face_at(30, -8), 32).image.isfinite().all()

    @pytest.mark.parametrize(
        ("face", "options", "words"),
        [
            (face_at(50, 200), {}, "all landmarks are outside the photograph of 100×100"),
            (Landmarks([[5, 5], [300, 5], [5, 90], [90, 90]]), {}, "200|201 pixels outside"),
            (face_at(50, 50, 0, 0.3), {}, "24 pixels wide, less than 32 for a result of 32.*--smallest 0"),
            (face_at(50, 50), {"size": 512}, "80 pixels wide, less than 128 for a result of 512"),
            (face_at(50, 50), {"smallest": 81}, "80 pixels wide, less than 81"),
            (face_at(50, 50), {"size": 4}, "size is 4; give at least 8"),
            (face_at(50, 50), {"transform_size": 16}, "transform_size is 16; give a number from size 32 to 16384"),
            (face_at(50, 50), {"transform_size": 99999}, "transform_size is 99999"),
        ],
    )
    def test_refused(self, face, options, words):
        with pytest.raises(InputError, match=words):
            align(smooth(100, 100), face, **{"size": 32, **options})

    def test_a_small_face_is_taken_when_told(self):
        assert align(smooth(100, 100), face_at(50, 50, 0, 0.1), 32, smallest=0).image.shape == (3, 32, 32)

    def test_shape(self):
        with pytest.raises(InputError, match=r"photograph has shape \(1, 3, 8, 8\); give 3×H×W"):
            align(torch.zeros(1, 3, 8, 8), face_at(4, 4))


def depth(quad, height, width):
    """How far each pixel's centre is within a square, as a share of its side; negative outside."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    distances = []
    for a, b in zip(quad, np.roll(quad, -1, 0), strict=True):
        side = b - a
        # The corners run counterclockwise as seen, with y downwards.
        distances.append(-(side[0] * (y - a[1]) - side[1] * (x - a[0])) / (side @ side))
    return np.min(distances, 0)


class TestPaste:
    @pytest.mark.parametrize(
        ("place", "size"),
        [((70, 60, 0), 128), ((70, 60, 31), 80), ((75, 66, 170, 1.2), 24), ((25, 110, -20), 96)],
        ids=["upright", "turned", "shrunk", "edge"],
    )
    def test_a_face_that_was_not_edited_comes_back(self, place, size):
        photo = smooth(141, 153, 6)
        aligned = align(photo, face_at(*place), size)
        result = paste(photo, aligned.image, aligned.quad)
        inside = torch.from_numpy(depth(aligned.quad, 141, 153) > 0)
        assert torch.equal(result[:, ~inside], photo[:, ~inside])
        if place[0] > 60:
            difference = (result - photo).abs()[:, inside]
            assert 0 < difference.mean() < 1 / 255
            assert difference.max() < 0.1

    @pytest.mark.parametrize("n", [20, 80, 333])
    def test_each_pixel_lands_in_its_place(self, n):
        quad = face_quad(face_at(61.3, 58.7, 25))
        result = paste(torch.zeros(3, 120, 130), ramp(n, n), quad, feather=0)
        inside = depth(quad, 120, 130) > 3.2 / n
        x, y = np.meshgrid(np.arange(130), np.arange(120))
        edges = np.stack([quad[3] - quad[0], quad[1] - quad[0]], 1)
        u, v = np.linalg.solve(edges, np.stack([x - quad[0, 0], y - quad[0, 1]]).reshape(2, -1)).reshape(2, 120, 130)
        assert np.abs(result[0].numpy() - u)[inside].max() < 2e-3
        assert np.abs(result[1].numpy() - v)[inside].max() < 2e-3

    @pytest.mark.parametrize("feather", [0.05, 0.2, 0.5])
    def test_the_seam(self, feather):
        quad = face_quad(face_at(60, 60, 40))
        result = paste(torch.zeros(3, 120, 120), torch.ones(3, 64, 64), quad, feather)
        t = (depth(quad, 120, 120) / feather).clip(0, 1)
        np.testing.assert_allclose(result[0].numpy(), 3 * t**2 - 2 * t**3, atol=1e-5)

    def test_a_hard_edge(self):
        quad = face_quad(face_at(60, 60, 40))
        result = paste(torch.zeros(3, 120, 120), torch.ones(3, 64, 64), quad, 0)
        np.testing.assert_array_equal(result[0].numpy(), depth(quad, 120, 120) > 0)

    def test_fine_detail_does_not_alias(self):
        stripes = (torch.arange(640) // 4 % 2).float().expand(3, 640, 640)
        result = paste(torch.full((3, 120, 120), 0.5), stripes, face_quad(face_at(60, 60, 3)))
        assert (result - 0.5).abs().max() < 0.02

    def test_a_quad_far_larger_than_the_photograph_takes_no_memory(self, monkeypatch):
        largest = []

        def fit(image, size, how):
            largest.append(max(size))
            return fit_image(image, size, how)

        monkeypatch.setattr(alignment, "fit_image", fit)
        monkeypatch.setattr(alignment, "LARGEST", 512)
        quad = np.array([[-1e6, -1e6], [-1e6, 1e6], [1e6, 1e6], [1e6, -1e6]])
        result = paste(torch.zeros(3, 20, 20), torch.full((3, 300, 300), 0.5), quad)
        assert (result - 0.5).abs().max() < 1e-5
        assert max(largest) == 300

    def test_the_photograph_stays_and_so_does_its_type(self):
        photo = smooth(120, 120).double()
        before = photo.clone()
        result = paste(photo, torch.ones(3, 16, 16), face_quad(face_at(60, 60)))
        assert torch.equal(photo, before)
        assert result.dtype == torch.float64
        assert not torch.equal(result, before)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"face": torch.zeros(3, 8, 9)}, "the face is 9×8; give a square one"),
            ({"face": torch.zeros(1, 8, 8)}, r"the face has shape \(1, 8, 8\)"),
            ({"photo": torch.zeros(8, 8)}, r"the photograph has shape \(8, 8\)"),
            ({"feather": 0.6}, "feather is 0.6"),
            ({"feather": -0.1}, "feather is -0.1"),
            ({"feather": math.nan}, "feather is nan"),
            ({"quad": np.zeros((4, 2))}, "not a square"),
            ({"quad": np.array([[0, 0], [0, 9], [9, 12], [9, 0]])}, "not a square"),
            ({"quad": np.array([[0, 0], [0, 90], [2, 90], [2, 0]])}, "not a square"),
            ({"quad": np.zeros((3, 2))}, "not four points"),
            ({"quad": np.full((4, 2), math.inf)}, "not four points"),
            ({"quad": face_quad(face_at(400, 60))}, "outside the photograph"),
            ({"quad": face_quad(face_at(0, 0, 0, 1)) - 1e300}, "not four points"),
        ],
    )
    def test_refused(self, options, words):
        given = {"photo": torch.zeros(3, 99, 99), "face": torch.zeros(3, 8, 8), "quad": face_quad(face_at(50, 50))}
        with pytest.raises(InputError, match=words):
            paste(**{**given, **options})
