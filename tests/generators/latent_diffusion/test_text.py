import warnings

import pytest
import torch

from tests.generators.latent_diffusion.pipelines import LENGTH


def test_pads_to_the_encoder_s_length(diffusion):
    states = diffusion.embed(["a red circle", "", "blue"])
    assert states.shape == (3, LENGTH, 16)
    assert not states.requires_grad
    torch.testing.assert_close(states[2:], diffusion.embed(["blue"]), rtol=0, atol=1e-6)
    assert not torch.allclose(states[0], states[2])


def test_equals_the_pipeline_s_own_states(diffusion, pipeline):
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(pipeline, local_files_only=True)
    wanted, other = pipe.encode_prompt(["a red circle", "blue"], "cpu", 1, True, ["square", ""])
    assert torch.equal(diffusion.embed(["a red circle", "blue"]), wanted)
    assert torch.equal(diffusion.embed(["square", ""]), other)


def test_words_are_tokens(diffusion):
    tokens = diffusion.tokenizer("Red circle xyz", add_special_tokens=False).input_ids
    assert diffusion.tokenizer.decode(tokens).split() == ["red", "circle", "xyz"]
    assert len(tokens) == 5


def test_warns_of_the_words_that_are_cut(diffusion):
    with pytest.warns(UserWarning, match='^the prompt is too long, "Square blue" is cut off; shorten it$') as told:
        states = diffusion.embed(["red red red red red  red Square blue"] * 2 + ["red"])
    assert len(told) == 1
    assert told[0].filename == __file__
    assert torch.equal(states[0], diffusion.embed(["red red red red red red"])[0])
    with pytest.warns(UserWarning, match='"xyz" is cut off'):
        diffusion.embed(["red red red red red xyz"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        diffusion.embed(["red blue red blue red blue", ""])


def test_takes_the_mask_where_the_encoder_wants_it(diffusion):
    plain = diffusion.embed(["red"])
    diffusion.text_encoder.config.use_attention_mask = True
    try:
        masked = diffusion.embed(["red"])
    finally:
        del diffusion.text_encoder.config.use_attention_mask
    torch.testing.assert_close(masked[:, :3], plain[:, :3])
    assert not torch.allclose(masked[:, 3:], plain[:, 3:])
