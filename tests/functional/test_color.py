import torch

from lit_nst.functional.color import EPS, color_covariance, match_colors, noise_of_colors
from lit_nst.functional.random import normal


def colours(key, shape=(3, 40, 30)):
    mix = torch.tensor([[1.0, 0.4, 0.0], [0.0, 0.7, -0.3], [0.2, 0.0, 0.5]])
    return (mix @ normal(shape, key).flatten(1)).view(shape) * 0.1 + torch.tensor([0.3, 0.5, 0.6]).view(3, 1, 1)


def test_mean_and_covariance_are_those_of_the_other():
    moved = match_colors(colours(0), 0.5 * colours(1, (3, 25, 17)).flip(0))
    like = 0.5 * colours(1, (3, 25, 17)).flip(0)
    torch.testing.assert_close(moved.mean((1, 2)), like.mean((1, 2)), atol=1e-6, rtol=0)
    torch.testing.assert_close(color_covariance(moved), color_covariance(like), atol=2e-6, rtol=1e-3)


def test_the_map_is_symmetric_and_the_identity_for_a_picture_itself():
    image = colours(0)
    torch.testing.assert_close(match_colors(image, image), image, atol=1e-5, rtol=0)
    moved = match_colors(image, colours(1).flip(0)).flatten(1).double()
    own = image.flatten(1).double()
    own, moved = own - own.mean(1, keepdim=True), moved - moved.mean(1, keepdim=True)
    linear = moved @ own.T @ torch.linalg.inv(own @ own.T)
    torch.testing.assert_close(linear, linear.T, atol=1e-4, rtol=0)
    assert (torch.linalg.eigvalsh(linear) > 0).all()


def test_one_colour_is_finite():
    flat = torch.full((3, 5, 5), 0.4)
    assert match_colors(flat, colours(0)).isfinite().all()
    torch.testing.assert_close(
        match_colors(colours(0), flat).std((1, 2)), torch.full((3,), EPS**0.5), atol=1e-3, rtol=1
    )


def test_noise_has_the_colours_of_the_picture():
    like = colours(0)
    noise = noise_of_colors(like, normal((3, 200, 200), 1))
    torch.testing.assert_close(noise.mean((1, 2)), like.mean((1, 2)), atol=3e-3, rtol=0)
    torch.testing.assert_close(color_covariance(noise), color_covariance(like), atol=3e-4, rtol=0.03)
