"""``python cli.py render results/latent.safetensors --out FOLDER``."""

from pathlib import Path

import torch
from torch import Tensor

from lit_nst.callbacks.latents import Latents, read_latents
from lit_nst.commands.parser import CommandParser
from lit_nst.data import read_image, write_png
from lit_nst.errors import InputError
from lit_nst.generators import StyleGAN2

HELP = """Draws the latents of a run again, by the generator that they are of, and by no other.

  python cli.py render logs/inversion/version_0/results/latent.safetensors --out again
  python cli.py render logs/inversion/version_0/results/latent.npz --generator ffhq.pkl --out again

The generator is recognised by the SHA-256 of its file, or of its weights, which outlives a conversion. Pictures of the
run beside the latents are compared with the new ones."""
BATCH = 8


def main(args: list[str]) -> None:
    """Runs the command.

    Raises:
        InputError: Latents that cannot be read, or another generator than theirs.
    """
    parser = CommandParser("render", HELP)
    parser.add_argument("latent", type=Path, help="results/latent.safetensors or latent.npz")
    parser.add_argument("--generator", default="embedded", help="embedded, or the file of the run's generator")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    options = parser.parse_args(args)
    latents = read_latents(options.latent)
    generator = StyleGAN2(options.generator, noise="none" if latents.noise == "none" else "const")
    _check(latents, generator, options.latent, options.generator)
    images = draw(generator, latents)
    for name, image in zip(latents.names, images, strict=True):
        write_png(image, options.out / f"{Path(name).name}.png")
    print(f"{len(images)} pictures in {options.out}{_compared(latents, images, options.latent.parent)}")


@torch.no_grad()
def draw(generator: StyleGAN2, latents: Latents) -> Tensor:
    """B×3×H×W in [0, 1]."""
    images = []
    # Even parts are drawn with the same bits whatever their number.
    for part in torch.split(torch.arange(len(latents.latent)), BATCH):
        rows = part if len(part) % 2 == 0 or len(latents.latent) == 1 else torch.cat([part, part[-1:]])
        noise = [x[rows] for x in latents.maps] if latents.maps else generator.noise == "const"
        images.append(generator.synthesis(latents.latent[rows], noise)[: len(part)])
    return (torch.cat(images) * 0.5 + 0.5).clamp(0, 1)


def _check(latents: Latents, generator: StyleGAN2, path: Path, given: str) -> None:
    own = generator.digest, generator.weights_digest()
    if latents.digests[0] != own[0] and latents.digests[1] != own[1]:
        raise InputError(
            f"{path}: its generator has the SHA-256 {latents.digests[0][:16]}…, {given} has {str(own[0])[:16]}…; "
            "give that generator with --generator"
        )
    rows, w_dim = latents.latent.shape[1:]
    sizes = (generator.num_ws, sum(generator.architecture.fans))
    if rows not in sizes or w_dim != generator.architecture.w_dim:
        raise InputError(
            f"{path}: latents of {rows}×{w_dim}, the generator takes {sizes[0]}×{generator.architecture.w_dim}"
        )


def _compared(latents: Latents, images: Tensor, folder: Path) -> str:
    """The largest difference to the pictures of the run, where they are there."""
    there = [(folder / f"{name}.png", image) for name, image in zip(latents.names, images, strict=True)]
    differences = [float((read_image(path)[0] - image).abs().max()) for path, image in there if path.is_file()]
    return f"; at most {255 * max(differences):.2f}/255 from those of the run" if differences else ""
