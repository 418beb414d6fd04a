import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.generators.stylegan2.prior import Prior

MIX = torch.tensor([[1.0, 0.5, 0.0], [0.0, 2.0, 0.3], [0.0, 0.0, 0.4]])
NORMAL = normal((20_000, 3), 0, "prior") @ MIX + torch.tensor([0.5, -0.2, 0.1])
# As the mapping network ends: leaky ReLU 0.2.
SAMPLES = torch.nn.functional.leaky_relu(NORMAL, 0.2)


@pytest.mark.parametrize("kind", ["isotropic", "standardized", "whitened", "pn"])
def test_a_sample_is_at_distance_one(kind):
    prior = Prior(SAMPLES[:10_000], kind)
    assert prior(SAMPLES[10_000:]).square().mean() == pytest.approx(1, rel=0.03)
    assert prior(SAMPLES.view(-1, 2, 3)).shape == (10_000, 2, 3)


def test_isotropic_has_one_unit_and_standardized_one_each():
    isotropic, standardized = Prior(SAMPLES, "isotropic"), Prior(SAMPLES, "standardized")
    assert isotropic(SAMPLES).square().mean(0).std() > 0.3
    torch.testing.assert_close(standardized(SAMPLES).square().mean(0), torch.ones(3), rtol=0, atol=0.01)
    assert isotropic(isotropic.center).abs().max() == 0
    torch.testing.assert_close(isotropic(isotropic.center + isotropic.scale), torch.ones(3))


def test_whitened_undoes_the_covariance():
    prior = Prior(SAMPLES, "whitened")
    torch.testing.assert_close(torch.cov(prior(SAMPLES).T), torch.eye(3), rtol=0, atol=0.02)
    assert prior(prior.center).abs().max() < 1e-5


def test_pn_undoes_the_leaky_relu_and_the_covariance():
    prior = Prior(SAMPLES, "pn")
    white = prior(SAMPLES)
    torch.testing.assert_close(torch.cov(white.T), torch.eye(3), rtol=0, atol=0.02)
    # A rotation of the whitened normal numbers: the length of each is that of what it was made from.
    expected = torch.linalg.solve_triangular(
        torch.linalg.cholesky(torch.cov(NORMAL.T)), (NORMAL - NORMAL.mean(0)).T, upper=False
    )
    torch.testing.assert_close(white.square().sum(1), expected.square().sum(0), rtol=0.02, atol=0.02)


def test_directions_without_spread_do_not_outweigh_the_others():
    flat = SAMPLES.clone()
    flat[:, 2] = 0.0
    white = Prior(flat, "whitened")(flat + torch.tensor([0.0, 0.0, 0.01]))
    assert white.square().mean() < 2


def test_other_kinds_are_refused():
    with pytest.raises(InputError, match=r"generator\.prior is"):
        Prior(SAMPLES, "round")
