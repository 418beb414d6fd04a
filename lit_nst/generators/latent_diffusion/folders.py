"""Where a pipeline's files are: the package, a folder, the local cache of the hub, or, if allowed, the hub."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from lit_nst.embedded import locate
from lit_nst.errors import InputError

EMBEDDED = "embedded:shapes"
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
CHOICES = 'give "embedded", a diffusers folder, or a hub id such as stable-diffusion-v1-5/stable-diffusion-v1-5'
SINGLE = (".safetensors", ".ckpt", ".bin", ".pt", ".pth", ".gguf")
PICKLES = (".bin", ".ckpt", ".pt", ".pth")
STEMS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
POINTER = b"version https://git-lfs"


def find(name: str, option: str, patterns: Sequence[str], network: bool) -> Path:
    """The folder behind an option.

    Args:
        name: A folder, a hub id, or ``"embedded"``.
        option: Name of the option, for the messages.
        patterns: Files that are needed of the hub.
        network: Whether what the local cache lacks may be downloaded.

    Raises:
        InputError: It is none of them, or it is not there.
    """
    if name == "embedded":
        return locate(EMBEDDED)
    path = Path(name)
    if name and path.is_dir():
        return path
    if path.suffix.lower() in SINGLE:
        raise InputError(
            f'{option} "{name}": a single file is not read; make a folder of it, '
            "StableDiffusionPipeline.from_single_file(FILE).save_pretrained(FOLDER), and give that"
        )
    if not HUB_ID.fullmatch(name):
        raise InputError(f'{option} "{name}": no such folder; {CHOICES}')
    return _of_the_hub(name, option, patterns, network)


def _of_the_hub(name: str, option: str, patterns: Sequence[str], network: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns), local_files_only=not network))
    except RepositoryNotFoundError:
        raise InputError(
            f'{option} "{name}": the hub has no such model, or asks for a login; correct it, or run "hf auth login"'
        ) from None
    # The client lets errors of its own, of the system and of its HTTP library through.
    except Exception as error:
        if not network:
            raise InputError(
                f'{option} "{name}": no such folder, and not whole in the local cache of the hub; '
                "correct it, or allow the download with generator.network true"
            ) from None
        raise InputError(
            f'{option} "{name}": the hub cannot be reached ({brief(error)}); try again, or give a folder'
        ) from None


def patterns(parts: Sequence[str], variant: str | None) -> list[str]:
    """The files of the hub that a pipeline needs; no safety checker, no pickles, no other variants."""
    mark = f".{variant}" if variant else ""
    found = ["model_index.json", "*/config.json", "scheduler/scheduler_config.json", "tokenizer/*"]
    return [*found, *(f"{part}/{STEMS[part]}{mark}.safetensors" for part in parts)]


def read_json(path: Path) -> dict[str, Any]:
    """A configuration.

    Raises:
        InputError: Missing or damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: missing; {CHOICES}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({brief(error)}); get the file again") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: not a configuration; get the file again")
    return found


def weight_file(folder: Path, stem: str, variant: str | None) -> Path:
    """The safetensors file of a part, looked into as far as its header.

    Raises:
        InputError: There is none, only a pickle, only another variant, several pieces, or it is damaged.
    """
    # An index could name any file, and the libraries follow it even where the whole file is there.
    for index in folder.glob(f"{stem}*.safetensors.index*.json"):
        raise InputError(
            f'{index}: weights in pieces are not read; save the model again with max_shard_size="100GB", which makes '
            "one file, and take the index away"
        )
    path = folder / f"{stem}{f'.{variant}' if variant else ''}.safetensors"
    if not path.is_file():
        raise InputError(_why_none(folder, stem, variant))
    _check_header(path)
    return path


def _why_none(folder: Path, stem: str, variant: str | None) -> str:
    others = [path.name.removeprefix(stem).removesuffix(".safetensors") for path in folder.glob(f"{stem}*.safetensors")]
    names = sorted(name.lstrip(".") or "null" for name in others)
    if names:
        given = f'generator.variant "{variant}"' if variant else "generator.variant null"
        return f"{folder}: no weights of {given}; give {' or '.join(names)}"
    if any(path.suffix in PICKLES for path in folder.glob("*")):
        return (
            f"{folder}: only pickled weights, which can run code and are not read; convert them where you trust them, "
            "StableDiffusionPipeline.from_pretrained(OLD).save_pretrained(NEW), and give the new folder"
        )
    return f"{folder}: no {stem}.safetensors; get the whole model"


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise InputError(f'{path}: a pointer of Git LFS instead of weights; run "git lfs pull" in its folder')
    try:
        with safe_open(path, "pt"):
            pass
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: damaged ({brief(error)}); get the file again") from None


def brief(error: BaseException) -> str:
    """The first line of an error, or its kind."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__
