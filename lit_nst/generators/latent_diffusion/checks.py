"""Which pipelines can be read, by their configurations."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lit_nst.errors import InputError, quote

ACCEPTED = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")
READ = "only Stable Diffusion 1.x and 2.x, text to image, is read"
OTHERS = {
    "XL": "Stable Diffusion XL",
    "Diffusion3": "Stable Diffusion 3",
    "Flux": "Flux",
    "Inpaint": "an inpainting model",
    "Variation": "a model of image variations",
    "Upscale": "an upscaler",
    "Depth2Img": "a model that needs depth",
    "ControlNet": "a ControlNet",
    "LatentConsistency": "a latent consistency model",
}
VAES = ("AutoencoderKL", "AutoencoderTiny")
PREDICTIONS = ("epsilon", "v_prediction", "flow_prediction", "sample")
# Of the training; the usual number is 1000.
MOST_STEPS = 100_000
Config = Mapping[str, Any]


def check_pipeline(index: Config, path: Path) -> None:
    """Refuses pipelines of other kinds, by name.

    Raises:
        InputError: Neither Stable Diffusion 1.x nor 2.x.
    """
    name = str(index.get("_class_name"))
    if name not in ACCEPTED:
        kind = next((kind for mark, kind in OTHERS.items() if mark in name), f"a {quote(name)}")
        raise InputError(f"{path}: {kind}; {READ}")


def check_unet(unet: Config, vae: Config, text: Config, path: Path) -> None:
    """Refuses U-Nets that want more than latents, a timestep and a text, and parts that do not fit each other.

    Raises:
        InputError: Such a U-Net.
    """
    if unet.get("_class_name", "UNet2DConditionModel") != "UNet2DConditionModel":
        raise InputError(f"{path}: a {quote(unet['_class_name'])}; {READ}")
    channels = unet.get("in_channels", 4)
    if channels == 9:
        raise InputError(f"{path}: the U-Net of an inpainting model, with 9 channels; {READ}")
    if unet.get("addition_embed_type") is not None:
        raise InputError(f"{path}: the U-Net of Stable Diffusion XL or of image variations; {READ}")
    for key in ("class_embed_type", "encoder_hid_dim", "time_cond_proj_dim", "num_class_embeds"):
        if unet.get(key) is not None:
            raise InputError(f"{path}: the U-Net has {key}, so it wants more than a text; {READ}")
    if unet.get("out_channels", 4) != channels:
        raise InputError(f"{path}: {quote(channels)} channels in and {quote(unet.get('out_channels', 4))} out; {READ}")
    latent = vae.get("latent_channels", 4)
    if latent != channels:
        given = f"{quote(channels)} channels, but the VAE has {quote(latent)}"
        raise InputError(f"{path}: {given}; give a VAE of this model")
    width, wanted = text.get("hidden_size", 512), unet.get("cross_attention_dim", 1280)
    if width != wanted:
        given = f"wants texts of width {quote(wanted)}, but the text encoder gives {quote(width)}"
        raise InputError(f"{path}: {given}; get it again")


def check_vae(config: Config, path: Path) -> None:
    """Refuses autoencoders of other kinds.

    Raises:
        InputError: Neither AutoencoderKL nor AutoencoderTiny.
    """
    if config.get("_class_name") not in VAES:
        raise InputError(f"{path}: a {quote(config.get('_class_name'))}; give an {' or an '.join(VAES)}")


def check_text(config: Config, path: Path) -> None:
    """Refuses text encoders other than CLIP's.

    Raises:
        InputError: Another one.
    """
    names = config.get("architectures") or ["CLIPTextModel"]
    name = names[0] if isinstance(names, list) else names
    if name not in ("CLIPTextModel", "CLIPModel"):
        raise InputError(f"{path}: a {quote(name)} instead of a CLIPTextModel; {READ}")


def factor(vae: Config) -> int:
    """Pixels per latent and side; 1 where a configuration, which the library will refuse, lists no blocks."""
    tiny = vae.get("_class_name") == "AutoencoderTiny"
    blocks = vae.get("decoder_block_out_channels" if tiny else "block_out_channels", [64] * 4 if tiny else [64])
    return int(2 ** (len(blocks) - 1)) if isinstance(blocks, (list, tuple)) and blocks else 1


def scheduler(config: Config, path: Path) -> dict[str, Any]:
    """The scheduler's configuration as Stable Diffusion means it: no clipped latents, steps from 1 on.

    Old folders lack both entries, and the classes' own defaults are those of pixels.

    Raises:
        InputError: No class, another kind of prediction, or a strange number of steps.
    """
    name = config.get("_class_name")
    if not isinstance(name, str):
        raise InputError(f"{path}: names no scheduler class; get the file again")
    steps = config.get("num_train_timesteps", 1000)
    if type(steps) is not int or not 1 <= steps <= MOST_STEPS:
        raise InputError(f"{path}: num_train_timesteps is {str(steps)[:80]}; it can be 1 to {MOST_STEPS}")
    flow = name.startswith("FlowMatch")
    prediction = config.get("prediction_type", "flow_prediction" if flow else "epsilon")
    if prediction not in PREDICTIONS:
        raise InputError(f'{path}: prediction_type is "{quote(prediction)}"; it can be {", ".join(PREDICTIONS)}')
    if flow:
        return {**config, "prediction_type": prediction}
    return {**config, "prediction_type": prediction, "clip_sample": False, "steps_offset": 1}
