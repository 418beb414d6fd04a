"""Memory and seconds of a guided step's gradient through a latent diffusion model of random weights.

    python benchmarks/diffusion.py [--size sd15]

A step predicts with and without the prompt, combines the two, decodes the clean latent and differentiates a loss of the
picture: through U-Net and decoder, or through the decoder alone. The loss is the mean square, so no feature network is
counted. Saved bytes are those that autograd keeps between the step and its gradient, without weights. With a CUDA
device also the peak of its memory, in float32 and in bfloat16. Nothing is downloaded: ``sd15`` is the architecture of
Stable Diffusion 1.5, with a text encoder that is too small, since no prompt is read.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from measure import median, record
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from lit_nst.generators import LatentDiffusion

GIB, MIB = 2**30, 2**20
TEXT = {"intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
CROSS, DOWN, UP = "CrossAttnDownBlock2D", "DownEncoderBlock2D", "UpDecoderBlock2D"
# Name → resolution, U-Net, its text (width, tokens), VAE, tiny VAE.
SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "resolution": 128,
        "unet": {"block_out_channels": (32, 64), "layers_per_block": 1, "attention_head_dim": 4, "norm_num_groups": 8,
                 "down_block_types": (CROSS, CROSS), "up_block_types": ("CrossAttnUpBlock2D",) * 2},
        "text": (64, 16),
        "vae": {"block_out_channels": (32, 64, 64), "layers_per_block": 1, "norm_num_groups": 8,
                "mid_block_add_attention": False},
        "tiny": {"encoder_block_out_channels": (32,) * 3, "decoder_block_out_channels": (32,) * 3,
                 "num_encoder_blocks": (1, 2, 2), "num_decoder_blocks": (2, 2, 1)},
    },
    "sd15": {
        "resolution": 512,
        "unet": {"block_out_channels": (320, 640, 1280, 1280), "layers_per_block": 2, "attention_head_dim": 8,
                 "down_block_types": (CROSS, CROSS, CROSS, "DownBlock2D"),
                 "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3)},
        "text": (768, 77),
        "vae": {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2},
        "tiny": {},
    },
}  # fmt: skip
# Name → checkpointing of U-Net and decoder, attention slicing.
MODES = {
    "eager": (False, False, False),
    "U-Net checkpointed": (True, False, False),
    "U-Net and VAE checkpointed": (True, True, False),
    "attention slicing": (False, False, True),
}
PATHS = ("U-Net and decoder", "decoder")


def make(size: dict[str, Any], folder: Path) -> None:
    """Writes a pipeline of seeded random weights, in float16, and a tiny VAE beside it."""
    torch.manual_seed(0)
    width, tokens = size["text"]
    stages = len(size["vae"]["block_out_channels"])
    letters = [chr(byte) for byte in range(256, 512)]
    entries = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    ids = {"bos_token_id": len(entries) - 2, "eos_token_id": len(entries) - 1, "pad_token_id": len(entries) - 1}
    text = CLIPTextConfig(
        vocab_size=len(entries), hidden_size=width, max_position_embeddings=tokens, **TEXT, **ids
    )  # fmt: skip
    nets = {
        "unet": UNet2DConditionModel(sample_size=64, cross_attention_dim=width, **size["unet"]),
        "vae": AutoencoderKL(down_block_types=(DOWN,) * stages, up_block_types=(UP,) * stages, **size["vae"]),
        "text_encoder": CLIPTextModel(text),
        "tiny": AutoencoderTiny(**size["tiny"]),
    }
    for name, net in nets.items():
        net.half().save_pretrained(folder / name)
    vocabulary = {entry: index for index, entry in enumerate(entries)}
    CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=tokens).save_pretrained(folder / "tokenizer")
    DDIMScheduler().save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))


@contextmanager
def counted(left_out: set[int]) -> Iterator[dict[int, int]]:
    """Bytes that autograd keeps meanwhile, each storage once, by its address."""
    found: dict[int, int] = {}

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in left_out:
            found[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        yield found


class Step:
    """A step's gradient.

    Args:
        generator: The model.
        through: Which way the gradient goes.
        batch: Pictures.
    """

    def __init__(self, generator: LatentDiffusion, through: str, batch: int) -> None:
        self.generator, self.whole = generator, through == PATHS[0]
        side, tokens = generator.resolution or 0, generator.tokenizer.model_max_length
        device = generator.center.device
        self.w = torch.randn(batch, *generator.shape((3, side, side)), device=device).requires_grad_()
        width = generator.unet.config.cross_attention_dim
        self.states = torch.randn(2 * batch, tokens, width, device=device)
        self.weights = {value.untyped_storage().data_ptr() for value in generator.parameters()}

    def clean(self) -> Tensor:
        """The guided clean latent; of the middle of the schedule, with noise and latent at equal shares."""
        both = self.generator.predict(torch.cat([self.w, self.w]), torch.tensor(500), self.states)
        without, with_ = both.chunk(2)
        return (self.w - 0.7 * (without + 7.5 * (with_ - without))) / 0.7

    def run(self) -> tuple[int, Tensor]:
        """Saved bytes and the gradient."""
        with counted(self.weights) as saved, torch.set_grad_enabled(self.whole):
            at, clean = self.w, self.clean()
            if not self.whole:
                at = clean = clean.requires_grad_()
            with torch.enable_grad():
                loss = self.generator(clean).square().mean()
        return sum(saved.values()), torch.autograd.grad(loss, at)[0]


def timed(step: Callable[[], object], count: int) -> float:
    """Median of the seconds, with the device's work done."""
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    return median(seconds)


def switched(generator: LatentDiffusion, mode: str, processors: dict[str, Any]) -> None:
    """Puts the networks into a mode."""
    unet, vae, slicing = MODES[mode]
    for net, on in ((generator.unet, unet), (generator.vae, vae)):
        (net.enable_gradient_checkpointing if on else net.disable_gradient_checkpointing)()
    generator.unet.set_attn_processor(dict(processors))
    if slicing:
        generator.unet.set_attention_slice("max")


def case(generator: LatentDiffusion, through: str, batch: int, steps: int) -> dict[str, Any]:
    """Figures of a mode and a way; the first step, which warms up, gives bytes and gradient."""
    torch.manual_seed(0)
    step = Step(generator, through, batch)
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    size, gradient = step.run()
    figures: dict[str, Any] = {"through": through, "saved_mib": round(size / MIB, 2), "seconds": timed(step.run, steps)}
    if cuda:
        figures["peak_cuda_gib"] = round(torch.cuda.max_memory_allocated() / GIB, 3)
    return {**figures, "gradient": gradient.cpu()}


def measured(folder: Path, precision: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """All modes and ways in one precision."""
    found = []
    for vae in (None, str(folder / "tiny")):
        generator = LatentDiffusion(str(folder), options.resolution, vae, precision, group=0, checkpointing=False)
        generator.to("cuda" if torch.cuda.is_available() else "cpu")
        processors = dict(generator.unet.attn_processors)
        eager: dict[str, Tensor] = {}
        for mode in MODES if vae is None else ("eager", "U-Net and VAE checkpointed"):
            switched(generator, mode, processors)
            for through in PATHS:
                figures = case(generator, through, options.batch, options.steps)
                gradient = figures.pop("gradient")
                wanted = eager.setdefault(through, gradient)
                figures["gradient_bit_identical"] = torch.equal(gradient, wanted)
                label = mode if vae is None else f"tiny VAE, {mode}"
                found.append({"precision": precision, "mode": label, **figures})
                print(found[-1], flush=True)
    return found


def main() -> None:
    """Measures and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--resolution", type=int, help="of the pictures; by default that of the size")
    parser.add_argument("--batch", type=int, default=1, help="pictures per step")
    parser.add_argument("--steps", type=int, default=3, help="timed ones, after the first")
    parser.add_argument("--precisions", nargs="+", help="by default float32, on a GPU bfloat16 too")
    parser.add_argument("--dry", action="store_true", help="write no result")
    options = parser.parse_args()
    size, cuda = SIZES[options.size], torch.cuda.is_available()
    options.resolution = options.resolution or size["resolution"]
    precisions = options.precisions or (["float32", "bfloat16"] if cuda else ["float32"])
    with tempfile.TemporaryDirectory() as name:
        make(size, Path(name))
        cases = [each for precision in precisions for each in measured(Path(name), precision, options)]
    first = {each["mode"]: each["saved_mib"] for each in cases if each["through"] == PATHS[0]}
    ratio = round(first["eager"] / first["U-Net and VAE checkpointed"], 2)
    settings = {key: getattr(options, key) for key in ("size", "resolution", "batch", "steps")}
    told = {
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "cuda_skipped": None if cuda else "no CUDA device here",
    }
    name = "diffusion" if options.size == "small" else f"diffusion_{options.size}"
    record(name, {**settings, **told, "saved_ratio": ratio, "required_ratio": 4, "cases": cases}, options.dry)


if __name__ == "__main__":
    main()
