"""Reads the parts of a pipeline, silently, and without running any code of theirs."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lit_nst.errors import InputError, quote
from lit_nst.generators.latent_diffusion import checks
from lit_nst.generators.latent_diffusion.folders import STEMS, brief, find, patterns, read_json, weight_file

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
# 256 bytes, once within and once at the end of a word: no byte-level vocabulary is smaller.
LEAST_VOCABULARY = 512


@dataclass(frozen=True)
class Parts:
    """What a pipeline is made of.

    Attributes:
        unet: Latents, timestep and text → prediction.
        vae: Image ↔ latents.
        text_encoder: Tokens → text.
        tokenizer: Words → tokens.
        scheduler: Configuration of the scheduler, with its ``_class_name`` and ``prediction_type``.
        files: The files of the weights, by part and name.
    """

    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: dict[str, Any]
    files: dict[str, Path]


def load(weights: str, vae: str | None, variant: str | None, dtype: torch.dtype, network: bool) -> Parts:
    """Reads a pipeline.

    Args:
        weights: ``"embedded"``, a diffusers folder or a hub id.
        vae: Another autoencoder's folder or hub id, of which ``variant`` is not asked.
        variant: Such as ``"fp16"``: the files that have it in their name.
        dtype: Of the weights in memory.
        network: Whether the hub may be asked.

    Raises:
        InputError: Missing, damaged, of another kind, or parts that do not fit each other.
    """
    _check_libraries()
    networks = [part for part in STEMS if vae is None or part != "vae"]
    folder = find(weights, "generator.weights", patterns(networks, variant), network)
    _check_folder(folder, skipped=() if vae is None else ("vae",))
    places = {part: folder / part for part in STEMS}
    if vae is not None:
        wanted = ["config.json", f"{STEMS['vae']}.safetensors"]
        places["vae"] = find(vae, "generator.vae", wanted, network)
    configs = {part: read_json(place / "config.json") for part, place in places.items()}
    _check_configs(configs, places, folder if vae is not None else None)
    scheduler_file = folder / "scheduler" / "scheduler_config.json"
    scheduler = checks.scheduler(read_json(scheduler_file), scheduler_file)
    files: dict[str, Path] = {}
    nets: dict[str, Any] = {}
    for part, place in places.items():
        chosen = None if part == "vae" and vae is not None else variant
        path = weight_file(place, STEMS[part], chosen)
        files[f"{part}/{path.name}"] = path
        nets[part] = _network(part, place, chosen, dtype, configs[part])
    tokenizer = _tokenizer(folder / "tokenizer", configs["text_encoder"])
    return Parts(**nets, tokenizer=tokenizer, scheduler=scheduler, files=files)


def _check_libraries() -> None:
    try:
        import diffusers  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise InputError(
            f'generator LatentDiffusion needs diffusers and transformers ({brief(error)}); run "pip install diffusers '
            'transformers"'
        ) from None


def _check_folder(folder: Path, skipped: tuple[str, ...]) -> None:
    index = folder / "model_index.json"
    checks.check_pipeline(read_json(index), index)
    for part in PARTS:
        if part not in skipped and not (folder / part).is_dir():
            raise InputError(f"{folder}: its {part} is missing; get the whole model")


def _check_configs(configs: Mapping[str, checks.Config], places: Mapping[str, Path], original: Path | None) -> None:
    checks.check_vae(configs["vae"], places["vae"])
    checks.check_text(configs["text_encoder"], places["text_encoder"])
    checks.check_unet(configs["unet"], configs["vae"], configs["text_encoder"], places["unet"])
    own = None if original is None else original / "vae" / "config.json"
    if own is not None and own.is_file():
        wanted, given = checks.factor(read_json(own)), checks.factor(configs["vae"])
        if wanted != given:
            raise InputError(
                f"generator.vae {places['vae']}: {given} pixels per latent, the model's own has {wanted}; "
                "give a VAE of this model"
            )


def _network(part: str, folder: Path, variant: str | None, dtype: torch.dtype, config: checks.Config) -> nn.Module:
    import diffusers
    import transformers

    settings: dict[str, Any] = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
    if part == "text_encoder":
        kind: Any = transformers.CLIPTextModel
    else:
        kind = diffusers.UNet2DConditionModel if part == "unet" else getattr(diffusers, config["_class_name"])
        # The other way needs accelerate, and says so at every load where it is not there.
        settings["low_cpu_mem_usage"] = False
    try:
        with _silence():
            net, told = kind.from_pretrained(str(folder), variant=variant, dtype=dtype, **settings)
    # Whatever a configuration or a file holds, the libraries trip over it in their own ways.
    except Exception as error:
        raise InputError(f"{folder}: cannot be read ({brief(error)}); get it again") from None
    absent = sorted(map(str, told["missing_keys"])) + sorted(map(str, told["mismatched_keys"]))
    if absent:
        raise InputError(
            f"{folder}: {len(absent)} tensors are missing, such as {absent[0]}, or have other shapes than config.json "
            "says; get it again"
        )
    return net  # type: ignore[no-any-return]


def _tokenizer(folder: Path, text: checks.Config) -> Any:
    from transformers import CLIPTokenizer

    if not (folder / "tokenizer.json").is_file() and not (folder / "merges.txt").is_file():
        raise InputError(f"{folder}: neither tokenizer.json nor merges.txt; get the whole model")
    try:
        with _silence():
            found = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:
        raise InputError(f"{folder}: cannot be read ({brief(error)}); get it again") from None
    known = text.get("vocab_size", 49408)
    if not isinstance(known, int) or not LEAST_VOCABULARY < len(found) <= known:
        raise InputError(
            f"{folder}: a vocabulary of {len(found)} entries, but the text encoder has {quote(known)}; get both again"
        )
    return found


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """No notices, warnings and bars of the libraries meanwhile; afterwards all is as it was."""
    from diffusers.utils import logging as diffusers_logging
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging as transformers_logging

    loggers = (diffusers_logging, transformers_logging)
    levels = [each.get_verbosity() for each in loggers]
    bars, hub_bars = transformers_logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    try:
        for each in loggers:
            each.set_verbosity(each.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # This library leaves the two without types. They switch the hub's bars too.
            transformers_logging.disable_progress_bar()
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
        (enable_progress_bars if hub_bars else disable_progress_bars)()
