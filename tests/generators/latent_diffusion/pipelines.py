"""Tiny pipelines of random weights, as folders."""

import json
import shutil
from pathlib import Path

import torch

WORDS = ("circle", "red", "square", "blue")
LENGTH = 8
SIDE = 32
START, END = "<|startoftext|>", "<|endoftext|>"


def byte_symbols() -> list[str]:
    """The 256 letters that stand for bytes in CLIP's vocabulary."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in kept]
    return [chr(byte) for byte in kept] + [chr(256 + i) for i in range(len(others))]


def tokenizer(length: int = LENGTH):
    """CLIP's kind, in which each of the words is one token."""
    from transformers import CLIPTokenizer

    symbols, merges = byte_symbols(), []
    for word in WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            merges.append((pieces[0], pieces[1]))
            pieces = ["".join(pieces[:2]), *pieces[2:]]
    entries = dict.fromkeys([*symbols, *(f"{each}</w>" for each in symbols), *("".join(pair) for pair in merges)])
    vocabulary = {entry: index for index, entry in enumerate([*entries, START, END])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=length)


def text_encoder(vocabulary: int, width: int = 16):
    from transformers import CLIPTextConfig, CLIPTextModel

    sizes = {"hidden_size": width, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1, "pad_token_id": vocabulary - 1}
    config = CLIPTextConfig(vocab_size=vocabulary, max_position_embeddings=LENGTH, projection_dim=width, **sizes, **ids)
    return CLIPTextModel(config)


def unet(channels: int = 4, widths: tuple[int, ...] = (16, 32), layers: int = 1, wide: bool = False):
    """``wide``: attention at the full width of the latents too, as Stable Diffusion has it."""
    from diffusers import UNet2DConditionModel

    downs = ["CrossAttnDownBlock2D" if wide else "DownBlock2D", *["CrossAttnDownBlock2D"] * (len(widths) - 1)]
    ups = [*["CrossAttnUpBlock2D"] * (len(widths) - 1), "CrossAttnUpBlock2D" if wide else "UpBlock2D"]
    return UNet2DConditionModel(
        sample_size=SIDE // 4, in_channels=channels, out_channels=channels, block_out_channels=widths,
        layers_per_block=layers, down_block_types=downs, up_block_types=ups, attention_head_dim=2,
        norm_num_groups=8, cross_attention_dim=16,
    )  # fmt: skip


def vae(channels: int = 4, widths: tuple[int, ...] = (8, 16, 16), **settings):
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=widths, down_block_types=["DownEncoderBlock2D"] * len(widths),
        up_block_types=["UpDecoderBlock2D"] * len(widths), layers_per_block=1, norm_num_groups=8,
        latent_channels=channels, sample_size=SIDE, force_upcast=False,
        **{"scaling_factor": 0.7, "mid_block_add_attention": False, **settings},
    )  # fmt: skip


def tiny_vae(channels: int = 4, stages: int = 3):
    from diffusers import AutoencoderTiny

    widths, blocks = (8,) * stages, (1,) * stages
    return AutoencoderTiny(
        encoder_block_out_channels=widths, decoder_block_out_channels=widths, num_encoder_blocks=blocks,
        num_decoder_blocks=blocks, latent_channels=channels,
    )  # fmt: skip


def scheduler(prediction: str):
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type=prediction,
    )  # fmt: skip


def write_pipeline(folder: Path, prediction: str = "epsilon", half: bool = False, variant: str | None = None, **parts):
    """Writes a pipeline; ``unet`` and ``vae`` replace the tiny ones."""
    torch.manual_seed(0)
    words = tokenizer()
    nets = {"unet": parts.get("unet") or unet(), "vae": parts.get("vae") or vae()}
    nets["text_encoder"] = text_encoder(len(words))
    for name, net in nets.items():
        (net.half() if half else net).save_pretrained(folder / name, variant=variant)
    words.save_pretrained(folder / "tokenizer")
    scheduler(prediction).save_pretrained(folder / "scheduler")
    libraries = {name: ["transformers" if name == "text_encoder" else "diffusers", type(net).__name__]
                 for name, net in nets.items()}  # fmt: skip
    index = {
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1", **libraries,
        "tokenizer": ["transformers", "CLIPTokenizer"], "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": [None, None], "feature_extractor": [None, None], "image_encoder": [None, None],
        "requires_safety_checker": False,
    }  # fmt: skip
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def changed(source: Path, folder: Path, file: str = "model_index.json", **entries) -> Path:
    """A copy of a pipeline with other entries in one of its configurations; None takes an entry out."""
    shutil.copytree(source, folder)
    path = folder / file
    found = {**json.loads(path.read_text()), **entries}
    path.write_text(json.dumps({key: value for key, value in found.items() if value is not None}))
    return folder
