"""Frozen networks."""

from itertools import chain
from typing import Any, TypeVar

from torch import nn

Net = TypeVar("Net", bound=nn.Module)


def freeze(net: Net) -> Net:
    """Freezes a network: evaluation mode, no gradients of its weights, absent from checkpoints.

    The network stays a registered submodule, so it follows the task to its device and is compiled with
    it, yet ``state_dict`` leaves its entries out and a strict ``load_state_dict`` does not ask for them.
    """
    net.eval().requires_grad_(False)
    # PyTorch leaves these two public methods without types.
    net.register_state_dict_post_hook(_leave_out)  # type: ignore[no-untyped-call]
    net.register_load_state_dict_pre_hook(_fill_in)  # type: ignore[no-untyped-call]
    return net


def _leave_out(net: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        del state[key]


def _fill_in(net: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for path, module in net.named_modules():
        for name, value in chain(module._parameters.items(), module._buffers.items()):
            if value is not None and name not in module._non_persistent_buffers_set:
                state.setdefault(prefix + (path + "." if path else "") + name, value)
