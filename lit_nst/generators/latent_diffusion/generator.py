"""Stable Diffusion as a generator of the project."""

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lit_nst.errors import InputError
from lit_nst.files import sha256
from lit_nst.generators.base import Generator
from lit_nst.generators.latent_diffusion import checks, text
from lit_nst.generators.latent_diffusion.groups import in_groups
from lit_nst.generators.latent_diffusion.half import in_precision
from lit_nst.generators.latent_diffusion.loading import Parts, load

PRECISIONS = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}


# Of which a lone one is computed twice.
SMALL = 256
LONGEST = 50_000


class LatentDiffusion(Generator):
    """Stable Diffusion 1.x or 2.x (Rombach et al. 2022): ``w`` are the latents of its autoencoder.

    G is the decoder, G(w) = (decode(w/s + m) + 1)/2 with the autoencoder's scaling factor s and its shift m, mostly 0.
    ``predict`` is the network that a sampler asks at every step, ``embed`` makes what it reads of a prompt. The
    frozen networks are those of diffusers and transformers, which are imported when one is built. There is no safety
    checker.

    Args:
        weights: ``"embedded"`` (the shipped model of captioned shapes), a diffusers folder, or a hub id such as
            ``stable-diffusion-v1-5/stable-diffusion-v1-5``. Only safetensors are read; no code of a file is run.
        resolution: Side of the images, a multiple of ``factor``; None: the one that the model was trained at.
        vae: Folder or hub id of another AutoencoderKL, or of an AutoencoderTiny, which is faster and needs less memory.
        precision: Of the weights, and of all that they compute; ``w``, predictions and images stay in float32 or wider.
            In float16 gradients are scaled on their way, so that small ones do not vanish.
        variant: Such as ``fp16``, where a folder holds files with that in their name.
        network: Allows downloads; without it hub ids are read from the local cache only, and nothing is asked.
        group: How many inputs the networks get at a time, the last group filled up; a row then has the same bits in any
            company. 0: all at once, which is faster on a GPU, with bits that depend on the number of rows.
        checkpointing: Gradients recompute what U-Net and decoder have left out: several times less memory, a third
            more time, the same bits.

    Attributes:
        prediction: What the network predicts: ``epsilon``, ``v_prediction``, ``flow_prediction`` or ``sample``.
        scheduler: Configuration of the model's own scheduler, with its ``_class_name``.
        channels: Of the latents.
        factor: Pixels per latent and side.

    Raises:
        InputError: Missing, damaged, a model of another kind, only pickles, a variant or an autoencoder that does not
            fit, or a resolution that cannot be made.
    """

    unet: Any
    vae: Any
    text_encoder: Any

    def __init__(
        self,
        weights: str = "embedded",
        resolution: int | None = None,
        vae: str | None = None,
        precision: Literal["float32", "float16", "bfloat16", "float64"] = "float32",
        variant: str | None = None,
        network: bool = False,
        group: int = 8,
        checkpointing: bool = True,
    ) -> None:
        super().__init__()
        if group < 0:
            raise InputError(f"generator.group is {group}; give at least 1, or 0 for all at once")
        self.group = group
        if precision not in PRECISIONS:
            raise InputError(f'generator.precision is "{precision}"; give {", ".join(PRECISIONS)}')
        parts = load(weights, vae, variant, PRECISIONS[precision], network)
        self.unet, self.vae, self.text_encoder, self.tokenizer = (
            parts.unet, parts.vae, parts.text_encoder, parts.tokenizer,
        )  # fmt: skip
        self.scheduler, self.prediction = parts.scheduler, str(parts.scheduler["prediction_type"])
        self.channels, self.factor = int(self.unet.config.in_channels), checks.factor(self.vae.config)
        self.resolution = self._side(resolution)
        self.small = self.resolution <= SMALL and group > 0
        self.digest = _digest(parts)
        self.eval().requires_grad_(False)
        if checkpointing:
            self.unet.enable_gradient_checkpointing()
            self.vae.enable_gradient_checkpointing()
        self.register_buffer("center", torch.tensor(0.0), persistent=False)
        self.register_buffer("scale", torch.tensor(1.0), persistent=False)

    def shape(self, image: Sequence[int]) -> torch.Size:
        """The latents of a picture.

        Raises:
            InputError: A side that ``factor`` does not divide.
        """
        height, width = image[-2:]
        if height % self.factor or width % self.factor:
            raise InputError(f"{height}×{width} pixels are no whole latents; give multiples of {self.factor}")
        return torch.Size((self.channels, height // self.factor, width // self.factor))

    def embed(self, texts: Sequence[str]) -> Tensor:
        """N prompts → N×L×D, without gradients; one that is too long is cut, with a warning that names the words."""
        return text.embed(texts, self.tokenizer, self.text_encoder)

    def predict(self, x: Tensor, timestep: Tensor, states: Tensor) -> Tensor:
        """The U-Net.

        Args:
            x: Latents as the network wants them, that is after the sampler's ``scale_model_input``; B×C×h×w.
            timestep: One number, or one per row.
            states: Of ``embed``; B×L×D.

        Returns:
            What ``prediction`` says; B×C×h×w in the precision of ``x``.
        """
        dtype = self.unet.dtype
        time, states = timestep.to(x.device), states.to(x.device, dtype)
        times = time.expand(len(x)) if time.dim() == 0 else time

        def ask(scaled: Tensor, at: Tensor, told: Tensor) -> Tensor:
            return self.unet(scaled, at, told, return_dict=False)[0]  # type: ignore[no-any-return]

        return in_precision(lambda scaled: in_groups(ask, self.group, scaled, times, states), x, dtype)

    def encode(self, image: Tensor) -> Tensor:
        """The mean of the encoder, in units of ``w``; float32 or wider."""
        coded = self.vae.encode((2 * image - 1).to(self.vae.dtype))
        latents = coded.latent_dist.mode() if hasattr(coded, "latent_dist") else coded.latents
        scaling, shift = self._units()
        return (_wide(latents) - shift) * scaling

    def weights_digest(self) -> str:
        """SHA-256 of names and values as float32, the same for every file that holds these values."""
        digest = hashlib.sha256()
        for part in ("text_encoder", "unet", "vae"):
            net: nn.Module = getattr(self, part)
            for name, value in sorted(net.state_dict().items()):
                digest.update(f"{part}.{name}{tuple(value.shape)}".encode())
                digest.update(value.detach().cpu().float().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def forward(self, w: Tensor) -> Tensor:
        """B×C×h×w → B×3×(factor·h)×(factor·w), about [0, 1], not clamped; float32 or wider."""
        scaling, shift = self._units()
        latents = _wide(w / scaling + shift)

        def decode(x: Tensor) -> Tensor:
            return self.vae.decode(x, return_dict=False)[0]  # type: ignore[no-any-return]

        image = in_precision(lambda x: in_groups(decode, self.group, x), latents, self.vae.dtype)
        return image * 0.5 + 0.5

    def _units(self) -> tuple[float, float]:
        config = self.vae.config
        return float(config.scaling_factor), float(config.get("shift_factor") or 0.0)

    def _side(self, given: int | None) -> int:
        if given is None:
            size = self.unet.config.sample_size
            size = size[0] if isinstance(size, list | tuple) else size
            if size is None:
                raise InputError("generator.resolution: the model names none; give one, such as 512")
            return int(size) * self.factor
        if not 1 <= given <= LONGEST or given % self.factor:
            raise InputError(f"generator.resolution is {given}; give a multiple of {self.factor}, up to {LONGEST}")
        return given


def _digest(parts: Parts) -> str:
    """SHA-256 of the weights' files, each by its part and name."""
    lines = "".join(f"{name} {sha256(path)}\n" for name, path in sorted(parts.files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
