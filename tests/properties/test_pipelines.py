import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_nst.generators.latent_diffusion import checks
from lit_nst.generators.latent_diffusion.folders import read_json, weight_file
from tests.properties.material import answer, damaged, json_values

WORDS = st.sampled_from(["AutoencoderKL", "AutoencoderTiny", "UNet2DConditionModel", "CLIPTextModel", "epsilon"])
NAMES = WORDS | st.sampled_from(["StableDiffusionPipeline", "FluxPipeline", "DDIMScheduler", "a\nb\x1b[2J"])
LEAVES = json_values | NAMES | st.lists(NAMES, max_size=2) | st.integers(0, 10)
KEYS = ["_class_name", "in_channels", "out_channels", "addition_embed_type", "class_embed_type", "latent_channels"]
KEYS += ["hidden_size", "cross_attention_dim", "architectures", "block_out_channels", "decoder_block_out_channels"]
KEYS += ["prediction_type", "beta_start", "beta_end", "beta_schedule", "num_train_timesteps", "trained_betas"]
CONFIGS = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, LEAVES))
WHERE = Path("model")


@given(index=CONFIGS)
def test_pipelines_of_any_shape(index):
    answer(lambda: checks.check_pipeline(index, WHERE))


@given(unet=CONFIGS, vae=CONFIGS, text=CONFIGS)
def test_parts_of_any_shape(unet, vae, text):
    answer(lambda: checks.check_vae(vae, WHERE))
    answer(lambda: checks.check_text(text, WHERE))
    answer(lambda: checks.check_unet(unet, vae, text, WHERE))


@given(config=CONFIGS)
def test_schedulers_of_any_shape(config):
    found = answer(lambda: checks.scheduler(config, WHERE))
    assert found is None or isinstance(found["_class_name"], str)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pipelines")


@given(data=st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_json_of_any_bytes(folder, data):
    path = folder / "config.json"
    path.write_bytes(data)
    found = answer(lambda: read_json(path))
    assert found is None or isinstance(found, dict)


@given(data=st.data(), depth=st.sampled_from([0, 10, 100_000]))
def test_damaged_json(folder, data, depth):
    path = folder / "config.json"
    whole = json.dumps({"_class_name": "AutoencoderKL", "block_out_channels": [8, 16]}).encode()
    path.write_bytes(data.draw(damaged(b"[" * depth + whole)))
    answer(lambda: read_json(path))


@given(data=st.binary(max_size=80))
def test_weights_of_any_bytes(folder, data):
    (folder / "model.safetensors").write_bytes(data)
    answer(lambda: weight_file(folder, "model", None))
