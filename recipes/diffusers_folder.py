"""The trained text-to-image model as a diffusers folder of float16 safetensors.

The tokenizer is written twice: as ``vocab.json`` and ``merges.txt``, which every version of CLIP's tokenizer
reads, and as the ``tokenizer.json`` of the fast ones.
"""

import json
import tempfile
from pathlib import Path

import torch
from captions import vocabulary
from diffusers import StableDiffusionPipeline
from latent_networks import denoiser, schedule, text_encoder, tokenizer
from train_text_to_image import load_vae

from lit_nst.files import write_atomically
from lit_nst.generators import LatentDiffusion


def assemble(folder: Path) -> StableDiffusionPipeline:
    """The pipeline of the averaged weights of a training."""
    unet, text = denoiser(), text_encoder()
    average = torch.load(folder / "diffusion.pt", weights_only=True)["average"]
    for name, model in (("unet", unet), ("text_encoder", text)):
        prefix = f"{name}."
        model.load_state_dict({k.removeprefix(prefix): v for k, v in average.items() if k.startswith(prefix)})
    return StableDiffusionPipeline(
        vae=load_vae(folder),
        text_encoder=text.eval(),
        tokenizer=tokenizer(),
        unet=unet.eval(),
        scheduler=schedule(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def write_folder(folder: Path, out: Path) -> LatentDiffusion:
    """Writes the trained model of ``folder`` to ``out`` in float16 and loads it again."""
    pipe = assemble(folder).to(torch.float16)
    with tempfile.TemporaryDirectory() as temporary:
        pipe.save_pretrained(temporary, safe_serialization=True)
        tokens, merges = vocabulary()
        tokenizer = Path(temporary) / "tokenizer"
        (tokenizer / "vocab.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
        lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
        (tokenizer / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        # Else transformers would read float16 where diffusers reads float32, and the pipeline would stop.
        config = Path(temporary) / "text_encoder" / "config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), "dtype": "float32"}, indent=2) + "\n")
        for path in sorted(Path(temporary).rglob("*")):
            if path.is_file():
                write_atomically(out / path.relative_to(temporary), path.read_bytes())
    return LatentDiffusion(str(out))
