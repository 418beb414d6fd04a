"""Layer names, as the papers write them."""

from collections.abc import Sequence
from difflib import get_close_matches

from lit_nst.errors import InputError


def vgg_names(blocks: Sequence[int]) -> list[str]:
    """Names of a VGG's layers in depth order, at the indices of torchvision's ``features``.

    Args:
        blocks: Number of convolutions before each pooling.

    >>> vgg_names([1, 2])
    ['conv1_1', 'relu1_1', 'pool1', 'conv2_1', 'relu2_1', 'conv2_2', 'relu2_2', 'pool2']
    """
    names = []
    for block, convolutions in enumerate(blocks, 1):
        for index in range(1, convolutions + 1):
            names += [f"conv{block}_{index}", f"relu{block}_{index}"]
        names.append(f"pool{block}")
    return names


def in_depth_order(layers: Sequence[str], names: Sequence[str], network: str) -> list[str]:
    """The chosen layers once each, shallowest first.

    Args:
        layers: The choice, in any order.
        names: What there is, in depth order.
        network: Name of the network, for the message.

    Raises:
        InputError: No layer, or one that the network does not have.

    >>> in_depth_order(["relu2_1", "conv1_1", "relu2_1"], vgg_names([1, 1]), "Tiny")
    ['conv1_1', 'relu2_1']
    """
    if not layers:
        raise InputError(f"features.layers is empty; name at least one layer of {network}, such as {names[1]}")
    for layer in layers:
        if layer not in names:
            near = get_close_matches(layer, names, n=4, cutoff=0.5) or [names[0], "…", names[-1]]
            raise InputError(f'features.layers: {network} has no layer "{layer}"; choose among {", ".join(near)}')
    return [name for name in names if name in layers]
