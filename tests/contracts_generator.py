"""What every generator promises."""

import torch

from lit_nst.generators import Generator


class GeneratorContract:
    """Inherit, and give ``generator`` as a fixture, ``reference`` as the shape of a target."""

    reference = (3, 16, 16)

    def rows(self, generator: Generator, count: int = 2) -> torch.Tensor:
        noise = torch.randn(count, *generator.shape(self.reference), generator=torch.Generator().manual_seed(1))
        return generator.center + generator.scale * noise

    def test_makes_images_of_the_target_s_size(self, generator):
        image = generator(self.rows(generator))
        side = generator.resolution or self.reference[-1]
        assert image.shape == (2, 3, side, side)
        assert image.isfinite().all()

    def test_gradient_reaches_every_coordinate_of_w(self, generator):
        w = self.rows(generator).requires_grad_()
        generator(w).square().sum().backward()
        assert w.grad.isfinite().all()
        assert (w.grad != 0).float().mean() > 0.9

    def test_rows_are_independent(self, generator):
        w = self.rows(generator, 4)
        torch.testing.assert_close(generator(w)[1:3], generator(w[1:3]), rtol=0, atol=1e-5)
        w = w.requires_grad_()
        generator(w)[0].sum().backward()
        assert (w.grad[1:] == 0).all()

    def test_standardize_is_zero_at_the_centre_and_in_units_of_the_scale(self, generator):
        row = generator.center.expand(generator.shape(self.reference))
        assert (generator.standardize(row) == 0).all()
        torch.testing.assert_close(generator.standardize(row + 2 * generator.scale), torch.full_like(row, 2.0))
