import json
import logging
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from lit_nst.errors import InputError
from lit_nst.generators import LatentDiffusion
from tests.generators.latent_diffusion.pipelines import changed, text_encoder, tiny_vae, tokenizer, vae, write_pipeline

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def copy(pipeline, tmp_path):
    return shutil.copytree(pipeline, tmp_path / "copy")


def refused(folder, told, **options):
    with pytest.raises(InputError, match=told) as found:
        LatentDiffusion(str(folder), **options)
    assert "\n" not in str(found.value)
    assert ";" in str(found.value)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_missing_part(copy, part):
    shutil.rmtree(copy / part)
    refused(copy, f"copy: its {part} is missing; get the whole model")


@pytest.mark.parametrize(
    "file",
    ["model_index.json", "unet/config.json", "text_encoder/config.json", "scheduler/scheduler_config.json"],
)
def test_missing_or_damaged_configuration(copy, file):
    (copy / file).write_text("{")
    refused(copy, f"copy/{file}: cannot be read .*; get the file again")
    (copy / file).write_text("[]")
    refused(copy, f"copy/{file}: not a configuration")
    (copy / file).unlink()
    refused(copy, f"copy/{file}: missing; give ")


def test_missing_weights(copy):
    (copy / UNET).unlink()
    refused(copy, "copy/unet: no diffusion_pytorch_model.safetensors; get the whole model")


def test_missing_tokenizer_files(copy):
    (copy / "tokenizer/tokenizer.json").unlink()
    refused(copy, r"copy/tokenizer: neither tokenizer.json nor merges.txt; get the whole model")


def test_vocabulary_and_merges_alone_are_a_tokenizer(copy, diffusion):
    found = json.loads((copy / "tokenizer/tokenizer.json").read_text())["model"]
    (copy / "tokenizer/vocab.json").write_text(json.dumps(found["vocab"]))
    pairs = [each if isinstance(each, str) else " ".join(each) for each in found["merges"]]
    (copy / "tokenizer/merges.txt").write_text("\n".join(["#version: 0.2", *pairs]) + "\n")
    (copy / "tokenizer/tokenizer.json").unlink()
    text = ["a red circle", "blue xyz"]
    assert torch.equal(LatentDiffusion(str(copy)).embed(text), diffusion.embed(text))


def test_another_vocabulary(copy):
    text_encoder(520).save_pretrained(copy / "text_encoder")
    refused(copy, rf"tokenizer: a vocabulary of {len(tokenizer())} entries, but the text encoder has 520; get both")


def test_a_tokenizer_that_knows_nothing(copy):
    found = json.loads((copy / "tokenizer/tokenizer.json").read_text())
    found["model"] |= {"vocab": {"<|startoftext|>": 0, "<|endoftext|>": 1}, "merges": []}
    (copy / "tokenizer/tokenizer.json").write_text(json.dumps(found))
    refused(copy, "tokenizer: (a vocabulary of 2 entries|cannot be read)")


@pytest.mark.parametrize("content", [b"", b"\x08\x00\x00\x00\x00\x00\x00\x00{]", b"not weights at all"])
def test_damaged_weights(copy, content):
    (copy / UNET).write_bytes(content)
    refused(copy, f"copy/{UNET}: damaged .*; get the file again")


def test_cut_off_weights(copy):
    (copy / UNET).write_bytes((copy / UNET).read_bytes()[:-100])
    refused(copy, f"copy/{UNET}: damaged .*; get the file again")


def test_a_pointer_instead_of_weights(copy):
    (copy / UNET).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    refused(copy, 'a pointer of Git LFS instead of weights; run "git lfs pull"')


@pytest.mark.parametrize(
    ("part", "name"), [("unet", "diffusion_pytorch_model.bin"), ("text_encoder", "pytorch_model.bin")]
)
def test_pickles_are_refused_and_not_opened(copy, tmp_path, part, name):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    (copy / part / name).write_bytes(pickle.dumps(Harm()))
    LatentDiffusion(str(copy))
    next((copy / part).glob("*.safetensors")).unlink()
    refused(copy, f"copy/{part}: only pickled weights, which can run code and are not read; convert .*save_pretrained")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("mark", ["safetensors.index", "safetensors.index.fp16", "fp16.safetensors.index"])
def test_an_index_that_could_name_a_pickle_is_refused(copy, mark):
    (copy / f"unet/diffusion_pytorch_model.{mark}.json").write_text("{}")
    refused(copy, "weights in pieces are not read; save the model again with max_shard_size")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_weights_that_lack_tensors_are_not_filled_with_noise(copy, part):
    path = next((copy / part).glob("*.safetensors"))
    state = load_file(path)
    gone = sorted(state)[0]
    save_file({key: value for key, value in state.items() if key != gone}, path, {"format": "pt"})
    refused(copy, rf"copy/{part}: 1 tensors are missing, such as .*{gone.split('.')[-2]}.*; get it again")


def test_weights_of_another_width(pipeline, tmp_path):
    folder = changed(pipeline, tmp_path / "model", "vae/config.json", block_out_channels=[8, 16, 32])
    refused(folder, "model/vae: .*; get it again")


def test_variants(pipeline, tmp_path, diffusion):
    refused(pipeline, r'model/unet: no weights of generator.variant "fp16"; give null', variant="fp16")
    folder = write_pipeline(tmp_path / "half", half=True, variant="fp16")
    refused(folder, r"half/unet: no weights of generator.variant null; give fp16")
    half = LatentDiffusion(str(folder), variant="fp16")
    assert half.unet.dtype == torch.float32
    w = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(half(w), diffusion(w), rtol=0, atol=0.01)
    swapped = LatentDiffusion(str(folder), vae=str(pipeline / "vae"), variant="fp16")
    assert torch.equal(swapped(w), diffusion(w))


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: vae(8), "unet: 4 channels, but the VAE has 8; give a VAE of this model"),
        (lambda: tiny_vae(8), "unet: 4 channels, but the VAE has 8; give a VAE of this model"),
        (lambda: vae(widths=(8, 16)), "2 pixels per latent, the model's own has 4; give a VAE of this model"),
        (lambda: tiny_vae(stages=4), "8 pixels per latent, the model's own has 4; give a VAE of this model"),
    ],
)
def test_autoencoders_that_do_not_fit(pipeline, tmp_path, build, told):
    build().save_pretrained(tmp_path / "vae")
    refused(pipeline, told, vae=str(tmp_path / "vae"))


def test_an_autoencoder_replaces_a_missing_one(copy, pipeline, diffusion):
    shutil.rmtree(copy / "vae")
    assert LatentDiffusion(str(copy), vae=str(pipeline / "vae")).digest == diffusion.digest


def test_old_names_of_attention_are_read(tmp_path):
    folder = write_pipeline(tmp_path / "model", vae=vae(mid_block_add_attention=True))
    w = torch.randn(1, 4, 8, 8)
    wanted = LatentDiffusion(str(folder))(w)
    path = folder / "vae/diffusion_pytorch_model.safetensors"
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = load_file(path)
    for new, old in names.items():
        state = {key.replace(f"attentions.0.{new}.", f"attentions.0.{old}."): value for key, value in state.items()}
    assert any("proj_attn" in key for key in state)
    save_file(state, path, {"format": "pt"})
    assert torch.equal(LatentDiffusion(str(folder))(w), wanted)


def test_old_names_of_the_text_encoder_are_read(copy, diffusion):
    path = copy / "text_encoder/model.safetensors"
    state = {key.removeprefix("text_model."): value for key, value in load_file(path).items()}
    state = {f"text_model.{key}": value for key, value in state.items()}
    state["text_model.embeddings.position_ids"] = torch.arange(8)[None]
    save_file(state, path, {"format": "pt"})
    assert torch.equal(LatentDiffusion(str(copy)).embed(["red"]), diffusion.embed(["red"]))


def test_loading_draws_no_random_numbers(pipeline):
    before = torch.random.get_rng_state()
    LatentDiffusion(str(pipeline))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_default_dtype() == torch.float32


def test_loading_is_silent_and_leaves_the_libraries_as_they_were(pipeline, capfd, recwarn):
    import diffusers
    import transformers
    from huggingface_hub.utils import are_progress_bars_disabled

    def settings():
        loggers = (diffusers.utils.logging, transformers.utils.logging)
        bars = (transformers.utils.logging.is_progress_bar_enabled(), are_progress_bars_disabled())
        return [each.get_verbosity() for each in loggers], bars, logging.root.level

    transformers.utils.logging.enable_progress_bar()
    diffusers.utils.logging.set_verbosity_warning()
    transformers.utils.logging.set_verbosity_warning()
    before = settings()
    capfd.readouterr()
    recwarn.clear()
    LatentDiffusion(str(pipeline))
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
    assert settings() == before
    assert before[:2] == ([logging.WARNING, logging.WARNING], (True, False))


def test_missing_libraries(monkeypatch, pipeline):
    monkeypatch.setitem(__import__("sys").modules, "diffusers", None)
    refused(pipeline, "needs diffusers and transformers .*pip install diffusers transformers")
