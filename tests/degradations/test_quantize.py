import torch

from lit_nst.data import read_image, write_png
from lit_nst.degradations import Degradation, Quantize
from tests.contracts_degradation import DegradationContract, images, near, pull


class TestQuantize(DegradationContract):
    kind = Quantize

    def observe_near_forward(self, operator: Degradation) -> None:
        near(operator.observe(images(), [0, 1]), operator(images()), 0.5 / 255 + 1e-6)


def test_equals_a_file(tmp_path):
    x = images(1, 16, 16) * 1.6 - 0.3
    write_png(x[0], tmp_path / "y.png")
    read, _ = read_image(tmp_path / "y.png")
    assert torch.equal(Quantize().observe(x, [0])[0], read)


def test_twice_is_once():
    once = Quantize().observe(images(), [0, 1])
    assert torch.equal(Quantize().observe(once, [0, 1]), once)


def test_gradient_is_the_identity_even_where_the_target_is_clamped():
    x, y = 3 * images() - 1, torch.randn(2, 3, 16, 24)
    assert torch.equal(Quantize()(x), x)
    assert torch.equal(pull(Quantize(), x, y), y)
