import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from lit_nst.errors import InputError
from lit_nst.files import sha256
from lit_nst.generators import StyleGAN2
from lit_nst.generators.stylegan2.checkpoint import FORMAT, write
from lit_nst.generators.stylegan2.network import Architecture
from lit_nst.tasks.frozen import freeze
from tests.conftest import TINY, tiny_state
from tests.contracts_generator import GeneratorContract


class TestW(GeneratorContract):
    @pytest.fixture
    def generator(self, tiny_generator):
        return StyleGAN2(str(tiny_generator), space="w", samples=500)

    def test_one_latent_serves_all_layers(self, generator):
        w = self.rows(generator)
        assert w.shape == (2, 8)
        rows = w.unsqueeze(1).repeat(1, generator.num_ws, 1)
        assert torch.equal(generator.latent(w), rows)
        assert torch.equal(generator(w), generator(rows))


class TestWPlus(GeneratorContract):
    @pytest.fixture
    def generator(self, tiny_generator):
        return StyleGAN2(str(tiny_generator), samples=500)

    def test_every_layer_has_its_row(self, generator):
        w = self.rows(generator, 1)
        assert w.shape == (1, 6, 8)
        base = generator(w)
        for row in range(6):
            other = w.clone()
            other[:, row] += 0.5
            assert not torch.allclose(generator(other), base)

    def test_synthesis_is_in_minus_one_to_one_and_forward_in_zero_to_one(self, generator):
        w = self.rows(generator)
        torch.testing.assert_close(generator.synthesis(w) * 0.5 + 0.5, generator(w))

    def test_gradient_is_right_in_double_precision(self, generator):
        generator = generator.double()
        generator.synthesis.precompute()
        w = self.rows(generator, 1).requires_grad_()
        assert torch.autograd.gradcheck(generator, (w,), nondet_tol=1e-9)


def test_parameter_names_are_nvlabs(tiny_generator):
    names = set(StyleGAN2(str(tiny_generator), samples=10).state_dict())
    layer = {"weight", "bias", "noise_strength", "noise_const", "resample_filter", "affine.weight", "affine.bias"}
    rgb = {"weight", "bias", "affine.weight", "affine.bias"}
    expected = {f"mapping.fc{i}.{part}" for i in range(2) for part in ("weight", "bias")} | {"mapping.w_avg"}
    for block in ("b4", "b8", "b16"):
        convolutions = ("conv1",) if block == "b4" else ("conv0", "conv1")
        expected |= {f"synthesis.{block}.{conv}.{part}" for conv in convolutions for part in layer}
        expected |= {f"synthesis.{block}.torgb.{part}" for part in rgb} | {f"synthesis.{block}.resample_filter"}
    assert names == expected | {"synthesis.b4.const"}


def test_row_order_is_nvlabs(tiny_generator):
    """Conv1 and ToRGB of b4 use rows 0 and 1; the ToRGB of a block shares its row with the next conv0."""
    seen = {}
    net = StyleGAN2(str(tiny_generator), samples=10)
    for name, module in net.named_modules():
        if name.endswith(("conv0", "conv1", "torgb")):
            module.register_forward_pre_hook(lambda _, args, name=name: seen.update({name: float(args[1][0, 0])}))
    net.synthesis(torch.arange(6.0).view(1, 6, 1).expand(1, 6, 8))
    assert {key.removeprefix("synthesis."): value for key, value in seen.items()} == {
        "b4.conv1": 0, "b4.torgb": 1, "b8.conv0": 1, "b8.conv1": 2, "b8.torgb": 3,
        "b16.conv0": 3, "b16.conv1": 4, "b16.torgb": 5,
    }  # fmt: skip


def test_truncation_moves_towards_w_avg(tiny_generator):
    net = StyleGAN2(str(tiny_generator), samples=10)
    z = torch.randn(3, 8)
    w, average = net.mapping(z), net.w_avg
    torch.testing.assert_close(net.mapping(z, truncation_psi=0.7), average + 0.7 * (w - average))
    partly = net.mapping(z, truncation_psi=0.0, truncation_cutoff=2)
    torch.testing.assert_close(partly[:, :2], average.expand(3, 2, 8))
    assert torch.equal(partly[:, 2:], w[:, 2:])


def test_the_length_of_z_does_not_matter(tiny_generator):
    net = StyleGAN2(str(tiny_generator), samples=10)
    z = torch.randn(2, 8)
    torch.testing.assert_close(net.mapping(z), net.mapping(3 * z))


def test_center_and_scale_are_those_of_samples(tiny_generator):
    net = StyleGAN2(str(tiny_generator), samples=20_000)
    w = net.mapping(torch.randn(20_000, 8, generator=torch.Generator().manual_seed(5)))[:, 0]
    torch.testing.assert_close(net.center, w.mean(0), rtol=0, atol=0.05 * float(net.scale))
    torch.testing.assert_close(net.scale, (w - w.mean(0)).square().mean().sqrt(), rtol=0.02, atol=0)
    assert torch.equal(StyleGAN2(str(tiny_generator), samples=20_000).center, net.center)


def test_save_and_load_keep_every_tensor(tiny_generator, tmp_path):
    net = StyleGAN2(str(tiny_generator), samples=10)
    net.save(tmp_path / "copy.safetensors")
    again = StyleGAN2.load(tmp_path / "copy.safetensors")
    assert again.architecture == TINY
    assert all(torch.equal(again.state_dict()[key], value) for key, value in net.state_dict().items())
    assert again.digest == sha256(tmp_path / "copy.safetensors")
    net.save(tmp_path / "half.safetensors", half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.7 * (tmp_path / "copy.safetensors").stat().st_size


@pytest.mark.parametrize("depth", [2, 8])
@pytest.mark.parametrize("clamp", [None, 256.0])
def test_architecture_is_inferred(tmp_path, depth, clamp):
    architecture = Architecture(5, 7, (9, 8, 6, 4), depth, 0.5, clamp)
    write(tmp_path / "g.safetensors", architecture, tiny_state(architecture))
    net = StyleGAN2(str(tmp_path / "g.safetensors"), samples=10)
    assert net.architecture == architecture
    assert (net.resolution, net.num_ws) == (32, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 1}, r"^generator\.samples is 1; give 2 to 1000000, better thousands$"),
        ({"seed": -1}, r"^generator\.seed is -1; give a number from 0 to 4294967295$"),
        ({"noise_weight": -1.0}, r"^generator\.noise_weight is -1; give 0 to 1e30$"),
        ({"noise": "random"}, r'^generator\.noise is "random"; give const, none or optimized$'),
    ],
)
def test_bad_options(tiny_generator, options, message):
    with pytest.raises(InputError, match=message):
        StyleGAN2(str(tiny_generator), **options)


class TestErrors:
    def check(self, weights, *words):
        with pytest.raises(InputError) as error:
            StyleGAN2(str(weights))
        message = str(error.value)
        assert "\n" not in message
        assert all(word in message for word in words), message

    def test_missing(self, tmp_path):
        self.check(tmp_path / "none.safetensors", "none.safetensors", "no such file", "embedded")

    def test_other_format(self, tmp_path):
        (tmp_path / "g.pkl").write_bytes(b"x")
        self.check(tmp_path / "g.pkl", "g.pkl", ".safetensors")

    def test_damaged(self, tmp_path, tiny_generator):
        (tmp_path / "cut.safetensors").write_bytes(tiny_generator.read_bytes()[:500])
        self.check(tmp_path / "cut.safetensors", "cut.safetensors", "not a readable safetensors file")

    def test_of_another_project(self, tmp_path):
        save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
        self.check(tmp_path / "other.safetensors", "not a StyleGAN2")

    def test_incomplete(self, tmp_path, tiny_generator):
        state = load_file(tiny_generator)
        del state["synthesis.b8.conv0.weight"]
        settings = json.dumps({"lr_multiplier": 0.01, "conv_clamp": None})
        save_file(state, tmp_path / "part.safetensors", {"format": FORMAT, "settings": settings})
        self.check(tmp_path / "part.safetensors", "part.safetensors", "synthesis.b8.conv0.weight")


class TestZ(GeneratorContract):
    @pytest.fixture
    def generator(self, tiny_generator):
        return StyleGAN2(str(tiny_generator), space="z", samples=500)

    def test_z_goes_through_the_mapping_network(self, generator):
        z = self.rows(generator)
        assert (z.shape, float(generator.scale)) == ((2, 8), 1.0)
        assert torch.equal(generator.latent(z), generator.mapping(z))


class TestPerChannel(GeneratorContract):
    @pytest.fixture
    def generator(self, tiny_generator):
        return StyleGAN2(str(tiny_generator), space="w++", samples=500)

    def test_equal_latents_are_those_of_w_plus(self, generator):
        w = self.rows(generator)
        assert w.shape == (2, 60, 8)
        assert generator.architecture.fans == (8, 8, 8, 8, 8, 8, 6, 6)
        rows = torch.randn(2, generator.num_ws, 8)
        torch.testing.assert_close(generator.synthesis(rows[:, generator.spaces.group]), generator.synthesis(rows))


class TestOptimizedNoise(GeneratorContract):
    @pytest.fixture
    def generator(self, tiny_generator):
        return StyleGAN2(str(tiny_generator), space="w", noise="optimized", samples=500)

    def test_standardize_is_zero_at_the_centre_and_in_units_of_the_scale(self, generator):
        row = generator.center[None]
        assert (generator.standardize(row) == 0).all()
        torch.testing.assert_close(generator.standardize(row + 2 * generator.scale), torch.full((1, 8), 2.0))

    def test_starts_from_the_stored_maps(self, generator, tiny_generator):
        stored = StyleGAN2(str(tiny_generator), space="w", samples=500)
        own = generator.maps(generator.center[None])
        assert [tuple(x.shape) for x in own] == [(1, 1, side, side) for side in (4, 8, 8, 16, 16)]
        for x, layer in zip(own, generator._noisy(), strict=True):
            centered = layer.noise_const - layer.noise_const.mean()
            torch.testing.assert_close(x[0, 0], centered / centered.square().mean().sqrt(), rtol=1e-4, atol=1e-5)
        image = stored.synthesis(stored.latent(stored.center[None]), own) * 0.5 + 0.5
        assert torch.equal(generator(generator.center[None]), image)

    def test_project_normalises_the_maps_and_leaves_the_latent(self, generator):
        w = generator.project(self.rows(generator) * 3 + 1)
        assert torch.equal(generator.standardize(w), generator.standardize(self.rows(generator) * 3 + 1))
        for x in generator.maps(w):
            torch.testing.assert_close(x.mean((1, 2, 3)), torch.zeros(2), rtol=0, atol=1e-5)
            torch.testing.assert_close(x.square().mean((1, 2, 3)), torch.ones(2), rtol=1e-4, atol=1e-4)

    def test_penalty_of_a_picture_in_the_noise_is_large(self, generator):
        noisy = generator.project(self.rows(generator, 64))
        maps = [torch.ones(1, 1, len(m.noise_const), len(m.noise_const)) for m in generator._noisy()]
        smooth = torch.cat([torch.zeros(1, 8), *(x.flatten(1) * generator.scale for x in maps)], 1)
        # For white noise each of the 2 products of an h×h map has the variance 1/h².
        expected = 1e5 * sum(2 / side**2 for side in (4, 8, 8, 16, 16))
        assert generator.penalty(smooth).item() == pytest.approx(1e5 * 2 * 7)
        assert generator.penalty(noisy).mean() > expected / 2
        assert generator.penalty(noisy).mean() < 0.1 * generator.penalty(smooth)


def test_gradient_is_shared_by_what_is_one_coordinate(tiny_generator):
    net = StyleGAN2(str(tiny_generator), space=["w", "w+", "w++"], samples=50)
    assert net.phases == 3
    gradient = torch.randn(2, 60, 8)
    assert net.tie(gradient, 2) is gradient
    torch.testing.assert_close(net.tie(gradient, 0), gradient.mean(1, keepdim=True).expand_as(gradient))
    rows = net.tie(gradient, 1)
    # conv1 of b4; its ToRGB and conv0 of b8; conv1; ToRGB and conv0 of b16; conv1; ToRGB.
    for first, last in ((0, 8), (8, 24), (24, 32), (32, 48), (48, 54), (54, 60)):
        torch.testing.assert_close(rows[:, first], gradient[:, first:last].mean(1))
        assert (rows[:, first:last] == rows[:, first : first + 1]).all()


@pytest.mark.parametrize("space", ["x", [], ["w+", "w"], ["w", "w"], ["z", "w"]])
def test_spaces_must_be_known_and_widen(tiny_generator, space):
    with pytest.raises(InputError, match=r"^generator\.space is .*w, w\+, w\+\+"):
        StyleGAN2(str(tiny_generator), space=space, samples=10)


def test_noise_is_optimised_in_one_space_only(tiny_generator):
    with pytest.raises(InputError, match="noise is optimized"):
        StyleGAN2(str(tiny_generator), space=["w", "w+"], noise="optimized", samples=10)


def test_samples_are_keyed_and_lie_in_w(tiny_generator):
    net = StyleGAN2(str(tiny_generator), samples=10)
    few, many = net.sample(2, 3), net.sample(5, 3)
    assert many.shape == (5, 6, 8)
    assert torch.equal(few, many[:2])
    assert not torch.equal(few, net.sample(2, 4))
    assert (many == many[:, :1]).all()
    assert many[:, 0].std() > 0.3 * net.scale
    assert StyleGAN2(str(tiny_generator), space="w", noise="optimized", samples=10).sample(3, 3).shape == (3, 8 + 656)


def test_digest_of_the_weights_outlives_the_format(tiny_generator, tmp_path):
    net = StyleGAN2(str(tiny_generator), samples=10)
    net.save(tmp_path / "same.pt")
    again = StyleGAN2(str(tmp_path / "same.pt"), samples=10)
    assert again.digest != net.digest
    assert again.weights_digest() == net.weights_digest()
    with torch.no_grad():
        again.mapping.w_avg[0] += 1
    assert again.weights_digest() != net.weights_digest()


def test_a_frozen_network_is_saved_whole(tiny_generator, tmp_path):
    net = StyleGAN2(str(tiny_generator), samples=10)
    digest = net.weights_digest()
    assert not freeze(net).state_dict()
    assert net.weights_digest() == digest
    net.save(tmp_path / "frozen.safetensors")
    assert StyleGAN2(str(tmp_path / "frozen.safetensors"), samples=10).weights_digest() == digest


def test_prior_is_of_the_samples(tiny_generator):
    net = StyleGAN2(str(tiny_generator), samples=20_000, prior="whitened")
    w = net.mapping(torch.randn(20_000, 8, generator=torch.Generator().manual_seed(6)))
    assert net.standardize(w).square().mean() == pytest.approx(1.0, rel=0.05)
    torch.testing.assert_close(torch.cov(net.standardize(w[:, 0]).T), torch.eye(8), rtol=0, atol=0.1)
