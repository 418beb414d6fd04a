import pytest
import torch

from lit_nst.generators import Pixels
from tests.contracts_generator import GeneratorContract


class TestPixels(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return Pixels()

    def test_is_the_identity(self, generator):
        w = torch.rand(2, 3, 5, 7)
        assert generator(w) is w
        assert generator.latent(w) is None
        assert generator.shape((3, 5, 7)) == (3, 5, 7)
