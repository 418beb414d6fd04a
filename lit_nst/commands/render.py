"""``python cli.py render results/latent.safetensors --out FOLDER``."""

from pathlib import Path

import torch
from torch import Tensor

from lit_nst.callbacks.latents import Latents, read_latents
from lit_nst.commands.parser import CommandParser
from lit_nst.data import read_image, write_png
from lit_nst.errors import InputError, quote
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
    if options.out.exists() and (not options.out.is_dir() or options.out.samefile(options.latent.parent)):
        raise InputError(f"--out: {options.out} is a file, or the folder of the latents; give another folder")
    latents = read_latents(options.latent)
    # Samples serve the search alone.
    generator = StyleGAN2(options.generator, noise="none" if latents.noise == "none" else "const", samples=2)
    _check(latents, generator, options.latent, options.generator)
    images = draw(generator, latents)
    if not bool(images.isfinite().all()):
        raise InputError(f"{options.latent}: its latents are so large that their pictures are not finite")
    compared = _compared(latents, images, options.latent.parent)
    for name, image in zip(latents.names, images, strict=True):
        write_png(image, options.out / f"{name}.png")
    print(f"{len(images)} pictures in {options.out}{compared}")


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
        told = quote(latents.digests[0])[:16]
        raise InputError(
            f"{path}: its generator has the SHA-256 {told}…, {given} has {str(own[0])[:16]}…; "
            "give that generator with --generator"
        )
    rows, w_dim = latents.latent.shape[1:]
    sizes = (generator.num_ws, sum(generator.architecture.fans))
    if rows not in sizes or w_dim != generator.architecture.w_dim:
        raise InputError(
            f"{path}: latents of {rows}×{w_dim}, the generator takes {sizes[0]}×{generator.architecture.w_dim}"
        )
    sides = [4 * 2 ** ((i + 1) // 2) for i in range(generator.num_ws - 1)]
    wanted = [(len(latents.latent), 1, side, side) for side in sides] if latents.maps else []
    if [tuple(x.shape) for x in latents.maps] != wanted:
        raise InputError(
            f"{path}: its noise maps are not those of the generator, of {len(sides)} layers; it is damaged"
        )


def _compared(latents: Latents, images: Tensor, folder: Path) -> str:
    """The largest difference to the pictures of the run, where they are there."""
    there = [(folder / f"{name}.png", image) for name, image in zip(latents.names, images, strict=True)]
    pairs = [(read_image(path)[0], image) for path, image in there if path.is_file()]
    differences = [float((old - image).abs().max()) for old, image in pairs if old.shape == image.shape]
    return f"; at most {255 * max(differences):.2f}/255 from those of the run" if differences else ""
