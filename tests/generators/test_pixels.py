import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.functional.random import generator as keyed
from lit_nst.generators import Pixels, StyleGAN2
from tests.contracts_generator import GeneratorContract

BOXES = pytest.mark.parametrize("box", ["none", "clamp", "sigmoid"])


def picture(low=0.0, high=1.0):
    drawn = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    return low + (high - low) * (drawn - drawn.min()) / (drawn.max() - drawn.min())


class TestPixels(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return Pixels()

    def test_is_the_identity(self, generator):
        w = torch.rand(2, 3, 5, 7)
        assert generator(w) is w
        assert generator.latent(w) is None
        assert generator.shape((3, 5, 7)) == (3, 5, 7)


class TestSigmoid(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return Pixels("sigmoid")

    def test_stays_inside(self, generator):
        w = torch.tensor([-100.0, -1.0, 0.0, 1.0, 100.0]).expand(2, 3, 1, 5)
        image = generator(w)
        assert image.min() >= 0
        assert image.max() <= 1
        assert (image.diff() >= 0).all()

    def test_slope_at_mid_grey_is_one(self, generator):
        w = generator.center.clone().requires_grad_()
        generator(w).backward()
        assert generator(w).item() == 0.5
        assert w.grad.item() == pytest.approx(1)

    def test_black_and_white_are_moved_inside(self, generator):
        w = generator.encode(torch.tensor([0.0, 1.0]))
        torch.testing.assert_close(generator(w), torch.tensor([0.005, 0.995]))
        # Where it still has a slope.
        assert 0.01 < torch.autograd.functional.jacobian(generator, w).diagonal().min() < 0.03


@BOXES
def test_a_picture_and_its_w(box):
    generator, image = Pixels(box), picture(0.006, 0.994)
    torch.testing.assert_close(generator(generator.encode(image)), image, rtol=0, atol=2e-6)
    w = picture(-0.6, 1.6) if box == "sigmoid" else image
    torch.testing.assert_close(generator.encode(generator(w)), w, rtol=0, atol=1e-4)


@BOXES
def test_project(box):
    generator, w = Pixels(box), torch.tensor([-0.5, 0.0, 0.3, 1.0, 1.5])
    assert generator.clamps == (box == "clamp")
    expected = w.clamp(0, 1) if box == "clamp" else w
    assert torch.equal(generator.project(w), expected)
    assert torch.equal(generator.project(generator.project(w)), expected)


def test_other_boxes():
    with pytest.raises(InputError, match=r'^generator\.box is "tanh"; give none, clamp or sigmoid$'):
        Pixels("tanh")


def test_what_has_no_encoder_says_so(tiny_generator):
    generator = StyleGAN2(str(tiny_generator), samples=10)
    with pytest.raises(InputError, match=r"^search\.start: StyleGAN2 cannot start from a picture; use center$"):
        generator.encode(picture())
    w = torch.randn(1, *generator.shape((3, 16, 16)))
    assert generator.project(w) is w
    assert not generator.clamps


@pytest.mark.parametrize("box", ["none", "clamp", "sigmoid"])
def test_with_a_spectrum_a_picture_is_encoded_and_drawn_again(box):
    image = 0.1 + 0.8 * torch.rand(2, 3, 12, 9, generator=keyed(0, "picture"))
    generator = Pixels(box, spectrum=0.5)
    torch.testing.assert_close(generator(generator.encode(image)), image, atol=1e-5, rtol=0)
    far = generator.encode(image) + torch.randn(image.shape, generator=keyed(0, "far"))
    made = generator(generator.project(far))
    if box != "none":
        assert -1e-5 <= float(made.min()) <= float(made.max()) <= 1 + 1e-5


def test_a_spectrum_lets_coarse_structure_take_larger_steps():
    generator, w = Pixels(spectrum=0.5), torch.full((1, 3, 16, 16), 0.5)
    flat, checks = torch.ones(16, 16), (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1
    coarse, fine = (float((generator(w + 0.1 * step) - generator(w)).abs().mean()) for step in (flat, checks))
    assert coarse > 3 * fine


@pytest.mark.parametrize("spectrum", [-0.1, 2.1, float("nan")])
def test_spectrum_out_of_range(spectrum):
    with pytest.raises(InputError, match=r"generator\.spectrum"):
        Pixels(spectrum=spectrum)
