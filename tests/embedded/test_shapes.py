"""The text-to-image model that ships with the package, and that its card tells the truth."""

import json
import socket
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from lit_nst.embedded import FOLDER
from lit_nst.features.attributes import AttributeClassifier
from lit_nst.files import sha256
from lit_nst.functional.random import seeded_normal
from lit_nst.generators import LatentDiffusion
from lit_nst.samplers import Sampler, Travel

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
SHAPES = FOLDER / "shapes"


@pytest.fixture(scope="module")
def recipe():
    """The gate of the model, and the words of its captions."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RECIPES))
        import captions
        import text_to_image_gate

        yield text_to_image_gate, captions
    for name in set(sys.modules) - before:
        if str(RECIPES) in str(getattr(sys.modules[name], "__file__", "")):
            sys.modules.pop(name)


@pytest.fixture(scope="module")
def card():
    return json.loads((FOLDER / "shapes.json").read_text())


@pytest.fixture(scope="module")
def model():
    return LatentDiffusion("embedded")


def test_card_describes_every_file(card):
    files = {path.relative_to(SHAPES).as_posix(): path for path in SHAPES.rglob("*") if path.is_file()}
    assert sorted(card["files"]) == sorted(files)
    for name, path in files.items():
        assert card["files"][name] == {"sha256": sha256(path), "bytes": path.stat().st_size}
    assert card["bytes"] == sum(path.stat().st_size for path in files.values()) <= 12_000_000
    assert all(card[key] for key in ("data", "recipe", "command", "steps", "minutes", "hardware", "licence"))
    assert (FOLDER / "shapes.png").is_file()


def test_weights_are_half_precision_safetensors_and_configs_name_no_machine():
    suffixes = {path.suffix for path in SHAPES.rglob("*") if path.is_file()}
    assert suffixes == {".safetensors", ".json", ".txt"}
    for path in SHAPES.rglob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118
    for path in SHAPES.rglob("*config.json"):
        assert "_name_or_path" not in json.loads(path.read_text())


def test_card_describes_the_model(card, model):
    parts = {"vae": model.vae, "text_encoder": model.text_encoder, "unet": model.unet}
    assert card["parameters"] == {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    assert {p.dtype for part in parts.values() for p in part.parameters()} == {torch.float32}
    assert card["scaling_factor"] == model.vae.config.scaling_factor
    assert card["prediction"] == model.prediction == "v_prediction"
    assert card["latent"] == [model.channels, *[model.resolution // model.factor] * 2]
    assert card["picture"] == [3, model.resolution, model.resolution]


def test_no_socket_is_opened_to_load_it(monkeypatch):
    def denied(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", denied)
    monkeypatch.setattr(socket, "create_connection", denied)
    LatentDiffusion("embedded")


def test_pipeline_of_diffusers_draws_the_same(model):
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(
        str(SHAPES), local_files_only=True, use_safetensors=True, safety_checker=None
    )
    pipe.set_progress_bar_config(disable=True)
    text, latents = "a red star on a blue background", seeded_normal((1, 8, 8, 8), 0)
    drawn = pipe(text, num_inference_steps=3, guidance_scale=1.0, latents=latents.clone(), output_type="pt").images
    process, x = Sampler("model", spacing="leading").build(model.scheduler, 3, Travel()), latents
    with torch.no_grad():
        for turn in process.plan:
            output = model.predict(x, process.timesteps[turn.index], model.embed([text]))
            x = process.step(output, turn.index, x)
        assert torch.allclose(model(x).clamp(0, 1), drawn, atol=1e-4)


def test_model_passed_its_gate(card):
    gate = card["gate"]
    required = gate["required"]
    assert required["psnr_db"] >= 26
    assert required["captions"] >= 0.9
    assert required["swaps"] >= 0.85
    assert gate["captions"] >= 256
    assert gate["psnr_db"]["mean"] >= required["psnr_db"]
    for scale in (3, 7.5):
        found = gate[f"guidance {scale:g}"]
        assert all(found["captions"][name] >= required["captions"] for name in ("shape", "color", "background"))
        assert found["swaps"] >= required["swaps"]
        assert 0 <= found["held-out pairs"]["all three"] <= 1


def test_every_word_is_one_token(card, model, recipe):
    _, captions = recipe
    for word in captions.words():
        assert len(model.tokenizer(word).input_ids) == 3, f"{word} with begin and end"
    longest = captions.describe(captions.Scene("star", "orange", "orange", "small", "middle", "checkered", "rough"))
    assert len(model.tokenizer(longest).input_ids) <= card["captions"]["tokens"] == model.tokenizer.model_max_length


def test_card_says_what_was_held_out(card, recipe):
    _, captions = recipe
    assert card["held_out"]["pairs, never drawn"] == [" ".join(pair) for pair in captions.HELD_OUT]
    drawn = captions.sample(3000, np.random.default_rng(0))
    assert not {(scene.color, scene.shape) for scene in drawn} & set(captions.HELD_OUT)
    texts = " ".join(captions.describe(scene) for scene in drawn).split()
    wordless = {*card["held_out"]["surfaces, drawn but without a word"]}
    assert wordless == {*captions.WORDLESS}
    assert not {*texts} & {*captions.WORDLESS, *captions.UNSEEN}
    assert wordless <= {scene.ground for scene in drawn}
    assert not {scene.ground for scene in drawn} & {*captions.UNSEEN}


def test_measured_psnr_is_what_the_card_says(card, model, recipe):
    gate, _ = recipe
    assert gate.reconstruction(model, 96)["mean"] == pytest.approx(card["gate"]["psnr_db"]["mean"], abs=1.0)


def test_pictures_show_their_captions(model, recipe, monkeypatch):
    gate, captions = recipe
    monkeypatch.setattr(gate, "STEPS", 12)
    asked = captions.sample(12, np.random.default_rng(84))
    texts = [captions.describe(scene) for scene in asked]
    pictures = gate.paint(model, texts, range(12), 5.0)
    assert pictures.shape == (12, 3, 32, 32)
    assert AttributeClassifier().adherence(pictures, texts).mean() >= 0.85


def test_swaps_change_one_attribute(recipe):
    gate, captions = recipe
    asked = captions.sample(50, np.random.default_rng(85))
    after, changed = gate.swapped(asked, np.random.default_rng(85))
    for scene, other, name in zip(asked, after, changed, strict=True):
        assert [n for n in vars(scene) if getattr(scene, n) != getattr(other, n)] == [name]
        assert other.color != other.background
        assert (other.color, other.shape) not in captions.HELD_OUT
    assert {*changed} == {*gate.NAMED}


def test_a_swap_is_right_where_the_new_word_and_the_others_are_read(recipe):
    gate, captions = recipe
    red = captions.Scene("circle", "red", "blue", "big", "top", "plain", "plain")
    green, red_ring, green_ring = (
        replace(red, **change)
        for change in ({"color": "green"}, {"shape": "ring"}, {"color": "green", "shape": "ring"})
    )

    class Reader:
        """Answers with the scenes that it is handed as pictures."""

        def read(self, scenes):
            return {name: [getattr(scene, name) for scene in scenes] for name in gate.NAMED}

    # Both right; shape wrong before; colour stays; shape wrong before and after.
    read = [red, red_ring, red, red_ring], [green, green, red, green_ring]
    found = gate.swaps(Reader(), read, ([red] * 4, [green] * 4))
    assert found.tolist() == [[True, True, False, False], [True, False, False, False], [True, False, False, True]]
