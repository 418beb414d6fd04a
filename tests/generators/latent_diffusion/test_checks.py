import pytest

from lit_nst.errors import InputError
from lit_nst.generators import LatentDiffusion
from lit_nst.generators.latent_diffusion import checks
from tests.generators.latent_diffusion.pipelines import changed, unet, write_pipeline

FLOW = "FlowMatchEulerDiscreteScheduler"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("StableDiffusionXLPipeline", "Stable Diffusion XL"),
        ("StableDiffusion3Pipeline", "Stable Diffusion 3"),
        ("FluxPipeline", "Flux"),
        ("StableDiffusionInpaintPipeline", "an inpainting model"),
        ("StableDiffusionImageVariationPipeline", "a model of image variations"),
        ("StableDiffusionUpscalePipeline", "an upscaler"),
        ("LatentConsistencyModelPipeline", "a latent consistency model"),
        ("DDPMPipeline", "a DDPMPipeline"),
    ],
)
def test_refuses_other_pipelines_by_name(pipeline, tmp_path, name, kind):
    folder = changed(pipeline, tmp_path / "model", _class_name=name)
    told = f"^{folder}/model_index.json: {kind}; only Stable Diffusion 1.x and 2.x, text to image, is read$"
    with pytest.raises(InputError, match=told):
        LatentDiffusion(str(folder))


def test_an_image_to_image_pipeline_has_the_same_parts(pipeline, tmp_path):
    LatentDiffusion(str(changed(pipeline, tmp_path / "model", _class_name="StableDiffusionImg2ImgPipeline")))


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"in_channels": 9}, "inpainting model, with 9 channels"),
        ({"addition_embed_type": "text_time"}, "Stable Diffusion XL"),
        ({"class_embed_type": "projection"}, "has class_embed_type, so it wants more than a text"),
        ({"time_cond_proj_dim": 256}, "has time_cond_proj_dim"),
        ({"out_channels": 8}, "4 channels in and 8 out"),
        ({"cross_attention_dim": 24}, "wants texts of width 24, but the text encoder gives 16"),
        ({"_class_name": "UNetFlatConditionModel"}, "a UNetFlatConditionModel"),
    ],
)
def test_refuses_other_networks(pipeline, tmp_path, entries, told):
    with pytest.raises(InputError, match=told):
        LatentDiffusion(str(changed(pipeline, tmp_path / "model", "unet/config.json", **entries)))


def test_refuses_other_text_encoders_and_autoencoders(pipeline, tmp_path):
    folder = changed(pipeline, tmp_path / "t5", "text_encoder/config.json", architectures=["T5EncoderModel"])
    with pytest.raises(InputError, match="a T5EncoderModel instead of a CLIPTextModel"):
        LatentDiffusion(str(folder))
    folder = changed(pipeline, tmp_path / "vq", "vae/config.json", _class_name="VQModel")
    with pytest.raises(InputError, match="a VQModel; give an AutoencoderKL or an AutoencoderTiny"):
        LatentDiffusion(str(folder))


def test_an_inpainting_network_is_refused_whatever_its_index_says(tmp_path):
    folder = write_pipeline(tmp_path / "model", unet=unet(9))
    with pytest.raises(InputError, match="inpainting"):
        LatentDiffusion(str(folder))


def test_predictions(pipeline, tmp_path):
    file = "scheduler/scheduler_config.json"
    folder = changed(pipeline, tmp_path / "wrong", file, prediction_type="score")
    told = 'prediction_type is "score"; it can be epsilon, v_prediction, flow_prediction, sample$'
    with pytest.raises(InputError, match=told):
        LatentDiffusion(str(folder))
    assert LatentDiffusion(str(changed(pipeline, tmp_path / "old", file, prediction_type=None))).prediction == "epsilon"
    flow = changed(
        pipeline, tmp_path / "flow", file, prediction_type=None, _class_name="FlowMatchEulerDiscreteScheduler"
    )
    assert LatentDiffusion(str(flow)).prediction == "flow_prediction"
    nameless = changed(pipeline, tmp_path / "nameless", file, _class_name=None)
    with pytest.raises(InputError, match="names no scheduler class; get the file again"):
        LatentDiffusion(str(nameless))


def test_schedulers_are_those_of_latents(tmp_path):
    found = checks.scheduler({"_class_name": "DDIMScheduler", "clip_sample": True, "beta_end": 0.012}, tmp_path)
    assert found == {
        "_class_name": "DDIMScheduler", "clip_sample": False, "beta_end": 0.012, "steps_offset": 1,
        "prediction_type": "epsilon",
    }  # fmt: skip
    flow = checks.scheduler({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}, tmp_path)
    assert flow == {
        "_class_name": "FlowMatchEulerDiscreteScheduler",
        "shift": 3.0,
        "prediction_type": "flow_prediction",
    }


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512]}, 8),
        ({"_class_name": "AutoencoderKL", "block_out_channels": [32, 64, 64]}, 4),
        ({"_class_name": "AutoencoderTiny"}, 8),
        ({"_class_name": "AutoencoderTiny", "decoder_block_out_channels": [8, 8]}, 2),
        ({"_class_name": "AutoencoderKL"}, 1),
    ],
)
def test_factors(config, wanted):
    assert checks.factor(config) == wanted
