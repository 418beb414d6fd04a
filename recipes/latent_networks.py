"""The networks of the shipped text-to-image model, untrained: a latent diffusion model (Rombach et al., 2022)."""

from captioned_shapes import SIZE
from captions import BEGIN, COLORS, END, LENGTH, PLACES, SHAPES, SIZES, SURFACES, vocabulary
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from lit_nst.features.attributes import AttributeClassifier

LATENTS = 8
FACTOR = 4
WIDTH = 96
# What the judge reads, and the answers.
QUESTIONS = {
    "shape": SHAPES,
    "color": tuple(COLORS),
    "background": tuple(COLORS),
    "size": SIZES,
    "place": tuple(PLACES),
    "ground": SURFACES,
}


def autoencoder() -> AutoencoderKL:
    """32×32 pictures to 8×8 latents and back."""
    return AutoencoderKL(
        block_out_channels=(32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=LATENTS,
        sample_size=SIZE,
        mid_block_add_attention=False,
        force_upcast=False,
        scaling_factor=1.0,
    )


def denoiser() -> UNet2DConditionModel:
    """Predicts v of 8×8 latents; attends to the caption at 4×4."""
    return UNet2DConditionModel(
        sample_size=SIZE // FACTOR,
        in_channels=LATENTS,
        out_channels=LATENTS,
        block_out_channels=(64, 128),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        norm_num_groups=8,
        cross_attention_dim=WIDTH,
    )


def tokenizer() -> CLIPTokenizer:
    """Byte pair encoding in which each word of the captions is one token."""
    tokens, merges = vocabulary()
    return CLIPTokenizer(vocab=tokens, merges=merges, model_max_length=LENGTH)


def text_encoder() -> CLIPTextModel:
    """A causal transformer of two layers."""
    tokens, _ = vocabulary()
    config = CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=WIDTH,
        max_position_embeddings=LENGTH,
        bos_token_id=tokens[BEGIN],
        eos_token_id=tokens[END],
        pad_token_id=tokens[END],
    )
    return CLIPTextModel(config)


def schedule() -> DDIMScheduler:
    """Stable Diffusion's noise schedule, for a model that predicts v (Salimans & Ho, 2022)."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


def judge() -> AttributeClassifier:
    """Reads a scene from its picture."""
    return AttributeClassifier("random", QUESTIONS)
