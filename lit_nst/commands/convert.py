"""``python cli.py convert ffhq.pkl ffhq.safetensors``."""

import contextlib
import math
import os
import secrets
from pathlib import Path

import torch
from torch import Tensor, nn

from lit_nst.commands.parser import CommandParser
from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.generators.stylegan2.checkpoint import check_name, read, resolve, write
from lit_nst.generators.stylegan2.formats.state import build

TEXT = """Writes a StyleGAN2 in another format: reads .pkl (NVlabs), .pt or .pth (rosinality, pSp, e4e, ReStyle, or a
state dict by NVlabs' names) and .safetensors (this project's); writes .safetensors or .pt (rosinality's).

  python cli.py convert ffhq.pkl ffhq.safetensors              what fit reads fastest, and safely
  python cli.py convert ffhq.pkl ffhq.pt                       for tools that know rosinality's names
  python cli.py convert ffhq.pt ffhq.safetensors --half        half the size, weights rounded to float16
  python cli.py convert embedded portraits.pt                  the generator that comes with the package

What was written is read back: every float32 weight must have kept its bits, and one image is drawn from both."""


def main(args: list[str]) -> None:
    """Converts a generator file and prints one line about it.

    Args:
        args: The arguments after ``convert``.

    Raises:
        InputError: Bad arguments, a file that is no generator, or one that the other format cannot hold.
        OSError: The new file cannot be written.
    """
    parser = CommandParser("convert", TEXT)
    parser.add_argument("source", metavar="IN", help='"embedded" or a .pkl, .pt, .pth or .safetensors file')
    parser.add_argument("target", metavar="OUT", type=Path, help="the new file, .safetensors or .pt")
    parser.add_argument("--half", action="store_true", help="store float16; for .safetensors only")
    parser.add_argument("--force", action="store_true", help="write over OUT where it is there")
    given = parser.parse_args(args)
    source, target = resolve(given.source), given.target
    check_name(target, given.half)
    _check_target(source, target, given.force)
    print(convert(source, target, given.half))


def convert(source: Path, target: Path, half: bool = False) -> str:
    """Writes a generator in the format that a suffix names; the target appears only once it is known to be right.

    Args:
        source: A generator file.
        target: The new file.
        half: Store float16.

    Returns:
        One line: resolution, rows of w, parameters, and how far an image of the new file is from one of the old.

    Raises:
        InputError: The source cannot be read, or the target's format cannot hold it.
    """
    architecture, state = read(source)
    draft = target.with_name(f".{secrets.token_hex(8)}{target.suffix}")
    try:
        write(draft, architecture, state, half)
        again, copy = read(draft)
        dtype = torch.float16 if half else torch.float32
        equal = all(torch.equal(copy[key], value.to(dtype).float()) for key, value in state.items())
        if again != architecture or copy.keys() != state.keys() or not equal:
            raise InputError(f"{target}: what was written is not what was read, so it was not kept; please report this")
        nets = build(architecture)
        difference = float((_draw(nets, state) - _draw(nets, copy)).abs().max())
        if not math.isfinite(difference):
            raise InputError(
                f"{source}: its images have values that are not finite; the training or the file is broken"
            )
        os.replace(draft, target)
    except OSError as error:
        # Of a full disk, or a file that cannot be written, the system names no file, or the draft.
        raise OSError(error.errno, error.strerror or str(error), str(target)) from None
    finally:
        # Also where the folder could not be made.
        with contextlib.suppress(OSError):
            draft.unlink()
    side, numbers = architecture.resolution, sum(parameter.numel() for parameter in nets.parameters())
    return (
        f"{target}: {side}×{side}, {architecture.num_ws} rows of w, {numbers / 1e6:.2f} M parameters, images differ by "
        f"{difference:.1e} at most"
    )


def _check_target(source: Path, target: Path, force: bool) -> None:
    if target.exists() and target.samefile(source):
        raise InputError(f"OUT {target} is IN; give another name")
    if target.is_dir():
        raise InputError(f"OUT {target} is a folder; give the name of a file")
    if target.exists() and not force:
        raise InputError(f"OUT {target} exists; give another name, or --force to write over it")


@torch.no_grad()
def _draw(nets: nn.ModuleDict, state: dict[str, Tensor]) -> Tensor:
    """An image of one seeded z, about [-1, 1]."""
    nets.load_state_dict(state, assign=True)
    z = normal((1, state["mapping.fc0.weight"].shape[1]), 0, "convert")
    image: Tensor = nets["synthesis"](nets["mapping"](z))
    return image
