"""Where a network's weights come from: trained ones, by name or by file."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import cast
from urllib.error import URLError

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from lit_nst.checkpoints import reason
from lit_nst.embedded import locate
from lit_nst.errors import InputError, quote
from lit_nst.features.modules import Pooling

SUFFIXES = (".pth", ".pt", ".safetensors")
CHOICES = '"random", "imagenet" or the path of a .pth, .pt or .safetensors file'
ENCODER = "embedded:encoder.safetensors"


def source(weights: str, network: str) -> str:
    """``"random"``, ``"imagenet"`` or the path of a file that is there.

    Args:
        weights: The option ``features.weights``.
        network: Name of the network that is to have the weights.

    Raises:
        InputError: No such choice, no such file, or the shipped weights of another network.
    """
    if weights == "embedded":
        if network != "VGG19":
            raise InputError(f"features.weights: the shipped encoder is a VGG19; take it, or give {network} {CHOICES}")
        return str(locate(ENCODER))
    if weights not in ("random", "imagenet"):
        if not weights.endswith(SUFFIXES):
            raise InputError(f'features.weights: there are no weights "{weights}"; give "embedded", {CHOICES}')
        if not Path(weights).is_file():
            raise InputError(f'features.weights: there is no file {weights}; give "embedded", {CHOICES}')
    return weights


def native_pooling(weights: str, found: str, poolings: Collection[Pooling]) -> Pooling:
    """The pooling that weights were made with: average for random and shipped ones, else max.

    A ``.safetensors`` file may say otherwise in its metadata, as ``{"pool": "average"}``.

    Args:
        weights: The option.
        found: What ``source`` says of it.
        poolings: Those that the network offers.

    Raises:
        InputError: A file that cannot be read or names a pooling that there is not.
    """
    pool = "average" if weights in ("random", "embedded") else "max"
    if found.endswith(".safetensors"):
        try:
            with safe_open(found, framework="pt") as file:
                pool = (file.metadata() or {}).get("pool", pool)
        # Damaged bytes fail anywhere, as anything.
        except Exception as error:
            raise _unreadable(found, error) from error
    if pool not in poolings:
        raise InputError(
            f'features.weights: {found} says its pooling is "{quote(pool)}"; write {" or ".join(poolings)} there'
        )
    return cast(Pooling, pool)


def state_dict(found: str, enum: str) -> dict[str, Tensor]:
    """Reads trained weights, by torchvision's parameter names.

    Args:
        found: ``"imagenet"`` or a path.
        enum: Member of torchvision's weight enums that ``"imagenet"`` stands for.

    Raises:
        InputError: No download, or a file that is not a dict of tensors.
    """
    if found == "imagenet":
        return _download(enum)
    try:
        if found.endswith(".safetensors"):
            return load_file(found)
        state = torch.load(found, map_location="cpu", weights_only=True)
    except Exception as error:
        raise _unreadable(found, error) from error
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise InputError(f"features.weights: {found} is not a state dict; save one with torch.save(net.state_dict())")
    return state


def check_keys(state: dict[str, Tensor], names: Sequence[str], wanted: int, found: str) -> None:
    """Refuses weights of another network, and too few of this one.

    Args:
        state: Weights by torchvision's names; ``classifier.*`` is passed over.
        names: The whole network's layers, at torchvision's indices.
        wanted: How many of the layers are needed, from the first.
        found: Where the weights come from, for the messages.

    Raises:
        InputError: A weight that no layer has, or one that a wanted layer has not.
    """
    known = {key for index, name in enumerate(names) for key in _keys(index, name)}
    extra = [key for key in state if key not in known and not key.startswith("classifier.")]
    if extra:
        raise InputError(f"features.weights: {found} holds {_some(extra)}, of another network; give {CHOICES}")
    for index, name in enumerate(names[:wanted]):
        missing = [key for key in _keys(index, name) if key not in state]
        if missing:
            raise InputError(
                f"features.weights: {found} lacks {_some(missing)} of {name}; choose layers before it, or give a "
                "whole file of torchvision's naming"
            )


def fill(net: nn.Sequential, state: dict[str, Tensor], found: str) -> None:
    """Copies trained weights into a network that may be cut short.

    Args:
        net: Its modules stand at their indices in torchvision's ``features``.
        state: Weights by torchvision's names.
        found: Where they come from, for the message.

    Raises:
        InputError: A weight of another shape.
    """
    own = {f"features.{key}": value for key, value in net.named_parameters()}
    for key, value in own.items():
        if state[key].shape != value.shape:
            raise InputError(
                f"features.weights: {key} is {_size(state[key])} in {found}, but {_size(value)} fits the network and "
                "the layers before it; give a file whose convolutions follow one another"
            )
    with torch.no_grad():
        for key, value in own.items():
            value.copy_(state[key])


def _keys(index: int, name: str) -> Iterator[str]:
    parts = {"conv": ("",), "fire": ("squeeze.", "expand1x1.", "expand3x3.")}
    for part in parts.get(name[:4], ()):
        for kind in ("weight", "bias"):
            yield f"features.{index}.{part}{kind}"


def _download(enum: str) -> dict[str, Tensor]:
    # torchvision takes long to import and is needed for nothing else here.
    from torchvision.models import get_weight

    try:
        state: dict[str, Tensor] = get_weight(enum).get_state_dict(progress=True, check_hash=True)
    except (URLError, TimeoutError, ConnectionError, RuntimeError) as error:
        raise InputError(
            f'features.weights: "imagenet" has no network or a broken download ({error}); give a local file with '
            'the option features.weights PATH, or use "random"'
        ) from error
    return state


def _unreadable(found: str, error: Exception) -> InputError:
    return InputError(f"features.weights: {found} cannot be read ({reason(error)}); give {CHOICES}")


def _some(keys: list[str]) -> str:
    return ", ".join(map(quote, keys[:3])) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")


def _size(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape))
