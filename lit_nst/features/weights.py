"""Where a network's weights come from: trained ones, by name or by file."""

import pickle
from collections.abc import Collection
from pathlib import Path
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lit_nst.errors import InputError

SUFFIXES = (".pth", ".pt", ".safetensors")
CHOICES = '"random", "imagenet" or the path of a .pth, .pt or .safetensors file'


def check(weights: str, width: float) -> None:
    """Refuses a choice of weights before anything is built.

    Args:
        weights: The option ``features.weights``.
        width: The option ``features.width``.

    Raises:
        InputError: No such choice, no such file, or a width that the trained weights do not have.
    """
    if weights == "random":
        return
    if weights == "imagenet":
        if width != 1:
            raise InputError(f'features.width is {width:g}, but "imagenet" weights need 1; use "random" or a file')
    elif not weights.endswith(SUFFIXES):
        raise InputError(f'features.weights: there are no weights "{weights}"; give {CHOICES}')
    elif not Path(weights).is_file():
        raise InputError(f"features.weights: there is no file {weights}; give {CHOICES}")


def state_dict(weights: str, enum: str) -> dict[str, Tensor]:
    """Reads trained weights, by torchvision's parameter names.

    Args:
        weights: ``"imagenet"`` or a path.
        enum: Member of torchvision's weight enums that ``"imagenet"`` stands for.

    Raises:
        InputError: No download, or a file that is not a dict of tensors.
    """
    if weights == "imagenet":
        return _download(enum)
    try:
        if weights.endswith(".safetensors"):
            return load_file(weights)
        state = torch.load(weights, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"features.weights: {weights} cannot be read ({reason}); give {CHOICES}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"features.weights: {weights} is not a state dict; save one with torch.save(net.state_dict())")
    return state


def fill(net: nn.Sequential, state: dict[str, Tensor], known: Collection[str], weights: str) -> None:
    """Copies trained weights into the convolutions of a network that may be cut short.

    Args:
        net: Its modules stand at their indices in torchvision's ``features``.
        state: Weights by torchvision's names; ``classifier.*`` is passed over.
        known: Names of the whole network's weights.
        weights: The option, for the messages.

    Raises:
        InputError: A weight that is missing, of another shape, or of another network.
    """
    extra = [key for key in state if key not in known and not key.startswith("classifier.")]
    if extra:
        raise InputError(f"features.weights: {weights} holds {_some(extra)}, of another network; give {CHOICES}")
    own = {f"features.{key}": value for key, value in net.named_parameters()}
    missing = [key for key in own if key not in state]
    if missing:
        raise InputError(f"features.weights: {weights} lacks {_some(missing)}; give a file of torchvision's naming")
    for key, value in own.items():
        if state[key].shape != value.shape:
            shapes = f"{_size(state[key])} in {weights}, {_size(value)} here"
            raise InputError(f"features.weights: {key} is {shapes}; set features.width to the file's width")
    with torch.no_grad():
        for key, value in own.items():
            value.copy_(state[key])


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


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")


def _size(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape))
