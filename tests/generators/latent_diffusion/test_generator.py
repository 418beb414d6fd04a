import hashlib

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.generators import LatentDiffusion
from lit_nst.tasks.frozen import freeze
from tests.contracts_generator import GeneratorContract
from tests.generators.latent_diffusion.pipelines import SIDE, changed, tiny_vae, vae, write_pipeline


def latents(count=2, channels=4, seed=0):
    return torch.randn(count, channels, SIDE // 4, SIDE // 4, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def velocity(half_pipeline):
    return LatentDiffusion(str(half_pipeline))


@pytest.fixture(scope="module")
def swapped(pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "vae"
    torch.manual_seed(1)
    tiny_vae().save_pretrained(folder)
    return LatentDiffusion(str(pipeline), vae=str(folder))


class TestLatentDiffusion(GeneratorContract):
    reference = (3, SIDE, SIDE)

    @pytest.fixture
    def generator(self, diffusion):
        return diffusion

    def test_says_what_the_folder_says(self, generator):
        assert (generator.resolution, generator.factor, generator.channels) == (32, 4, 4)
        assert generator.prediction == generator.scheduler["prediction_type"] == "epsilon"
        assert generator.scheduler["_class_name"] == "DDIMScheduler"
        assert generator.latent(latents()) is None

    def test_knows_the_latents_of_wide_pictures(self, generator):
        assert generator.shape((3, 32, 64)) == (4, 8, 16)
        assert generator(torch.zeros(1, 4, 8, 16)).shape == (1, 3, 32, 64)
        with pytest.raises(InputError, match="32×30 pixels are no whole latents; give multiples of 4"):
            generator.shape((3, 32, 30))


class TestVelocity(TestLatentDiffusion):
    @pytest.fixture
    def generator(self, velocity):
        return velocity

    def test_says_what_the_folder_says(self, generator):
        assert (generator.prediction, generator.channels) == ("v_prediction", 8)
        assert generator.unet.dtype == torch.float32

    def test_knows_the_latents_of_wide_pictures(self, generator):
        assert generator.shape((3, 32, 64)) == (8, 8, 16)


class TestTiny(GeneratorContract):
    reference = (3, SIDE, SIDE)

    @pytest.fixture
    def generator(self, swapped):
        return swapped

    def test_decodes_and_encodes_with_it(self, generator, diffusion):
        w = latents()
        assert type(generator.vae).__name__ == "AutoencoderTiny"
        torch.testing.assert_close(generator(w), generator.vae.decode(w).sample / 2 + 0.5)
        image = torch.rand(2, 3, SIDE, SIDE)
        torch.testing.assert_close(generator.encode(image), generator.vae.encode(2 * image - 1).latents)
        states = generator.embed(["red", "blue"])
        assert torch.equal(generator.predict(w, torch.tensor(3), states), diffusion.predict(w, torch.tensor(3), states))


def sampled(generator, prompts, negative, w, steps=4, scale=5.0):
    """The unguided loop, by hand."""
    import diffusers

    sampler = diffusers.DDIMScheduler.from_config(generator.scheduler)
    sampler.set_timesteps(steps)
    states, others = generator.embed(prompts), generator.embed(negative)
    for timestep in sampler.timesteps:
        plain = generator.predict(w, timestep, others)
        w = sampler.step(plain + scale * (generator.predict(w, timestep, states) - plain), timestep, w).prev_sample
    return generator(w)


@pytest.mark.parametrize("folder", ["pipeline", "half_pipeline"])
def test_samples_what_diffusers_own_pipeline_does(folder, request):
    from diffusers import StableDiffusionPipeline

    folder = request.getfixturevalue(folder)
    generator = LatentDiffusion(str(folder))
    prompts, negative = ["a red circle", "blue square"], ["", "a red thing that is far too long to be read"]
    w = latents(channels=generator.channels)
    pipe = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    made = pipe(
        prompts, negative_prompt=negative, latents=w, num_inference_steps=4, guidance_scale=5.0, output_type="pt",
        height=SIDE, width=SIDE,
    ).images  # fmt: skip
    with torch.no_grad(), pytest.warns(UserWarning, match="too long"):
        ours = sampled(generator, prompts, negative, w)
    assert made.std() > 0.01
    torch.testing.assert_close(ours.clamp(0, 1), made, rtol=0, atol=1e-5)


def test_scales_and_shifts_latents(tmp_path):
    folder = write_pipeline(tmp_path / "model", vae=vae(scaling_factor=0.25, shift_factor=0.5))
    generator = LatentDiffusion(str(folder))
    w, image = latents(), torch.rand(2, 3, SIDE, SIDE)
    torch.testing.assert_close(generator(w), generator.vae.decode(w / 0.25 + 0.5).sample / 2 + 0.5)
    mean = generator.vae.encode(2 * image - 1).latent_dist.mean
    torch.testing.assert_close(generator.encode(image), (mean - 0.5) * 0.25)


def test_the_gradient_is_the_slope(pipeline):
    generator = LatentDiffusion(str(pipeline), precision="float64")
    states, w = generator.embed(["red"]), latents(1).double()

    def image(w):
        return generator(generator.predict(w, torch.tensor(400), states)).square().sum()

    direction = latents(1, seed=1).double()
    slope = (image(w + 1e-5 * direction) - image(w - 1e-5 * direction)) / 2e-5
    w.requires_grad_()
    (gradient,) = torch.autograd.grad(image(w), w)
    torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-6, atol=0)


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float64"])
def test_weights_have_the_precision_and_pictures_stay_wide(pipeline, diffusion, precision):
    generator = LatentDiffusion(str(pipeline), precision=precision)
    dtypes = {value.dtype for value in generator.parameters()}
    assert dtypes == {getattr(torch, precision)}
    wide = torch.float64 if precision == "float64" else torch.float32
    w, timestep = latents().requires_grad_(), torch.tensor(400)
    states = generator.embed(["red", "blue"])
    output = generator.predict(w, timestep, states)
    image = generator(output)
    # Images are in the precision of w, as the networks that compare them.
    assert (states.dtype, output.dtype, image.dtype) == (wide, torch.float32, torch.float32)
    assert generator(output.double()).dtype == torch.float64
    assert generator.encode(image.detach()).dtype == wide
    assert generator.predict(w.double(), timestep, states).dtype == torch.float64
    expected = diffusion(diffusion.predict(w, timestep, diffusion.embed(["red", "blue"])))
    torch.testing.assert_close(image.to(torch.float32), expected, rtol=0, atol=0.05)
    assert torch.autograd.grad(image.sum(), w)[0].isfinite().all()


def test_a_timestep_may_be_one_per_row(diffusion):
    w, states = latents(), diffusion.embed(["red", "blue"])
    both = diffusion.predict(w, torch.tensor([10, 900]), states)
    torch.testing.assert_close(both[1:], diffusion.predict(w[1:], torch.tensor(900), states[1:]), rtol=0, atol=1e-5)
    assert not torch.allclose(both[:1], diffusion.predict(w[:1], torch.tensor(900), states[:1]), atol=1e-5)


def test_is_frozen_from_the_start(diffusion):
    assert not any(value.requires_grad for value in diffusion.parameters())
    assert not any(module.training for module in diffusion.modules())


def test_freezes_into_a_task(pipeline):
    task = torch.nn.Module()
    task.generator = freeze(LatentDiffusion(str(pipeline)))
    assert not task.state_dict()
    assert {name.split(".")[1] for name, _ in task.named_parameters()} == {"unet", "vae", "text_encoder"}
    assert len(task.generator.weights_digest()) == 64


def test_digests_are_of_files_and_of_weights(pipeline, half_pipeline, diffusion, tmp_path):
    files = ["text_encoder/model", "unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model"]
    paths = [f"{name}.safetensors" for name in files]
    lines = [f"{path} {hashlib.sha256((pipeline / path).read_bytes()).hexdigest()}\n" for path in paths]
    assert diffusion.digest == hashlib.sha256("".join(lines).encode()).hexdigest()
    torch.manual_seed(5)
    vae().save_pretrained(tmp_path)
    other = LatentDiffusion(str(pipeline), vae=str(tmp_path))
    assert other.digest != diffusion.digest
    assert other.weights_digest() != diffusion.weights_digest()
    narrow = LatentDiffusion(str(half_pipeline), precision="float16").weights_digest()
    assert narrow == LatentDiffusion(str(half_pipeline)).weights_digest()


def test_resolution_is_the_model_s_or_the_user_s(pipeline, tmp_path):
    assert LatentDiffusion(str(pipeline), resolution=64).resolution == 64
    for given in (30, 0, -4):
        with pytest.raises(InputError, match=f"generator.resolution is {given}; give a multiple of 4"):
            LatentDiffusion(str(pipeline), resolution=given)
    listed = changed(pipeline, tmp_path / "listed", "unet/config.json", sample_size=[16, 16])
    assert LatentDiffusion(str(listed)).resolution == 64
    nameless = changed(pipeline, tmp_path / "nameless", "unet/config.json", sample_size=None)
    with pytest.raises(InputError, match=r"generator\.resolution: the model names none; give one, such as 512"):
        LatentDiffusion(str(nameless))
    assert LatentDiffusion(str(nameless), resolution=48).resolution == 48


def test_refuses_another_precision(pipeline):
    with pytest.raises(InputError, match=r'generator\.precision is "half"; give float32, float16, bfloat16, float64'):
        LatentDiffusion(str(pipeline), precision="half")
