"""Layer names, as the papers write them, and other spellings of them."""

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


def in_depth_order(layers: Sequence[str], names: Sequence[str], network: str) -> dict[str, str]:
    """The chosen layers as they were spelled → their names, shallowest first.

    A layer may be spelled as the papers and Caffe do, in any case and with a hyphen (``conv4_2``,
    ``CONV4-2``), or by its index in torchvision's network (``features.21``, ``21``). Two spellings of one
    layer are both kept.

    Args:
        layers: The choice, in any order.
        names: What there is, in depth order, at torchvision's indices.
        network: Name of the network, for the message.

    Raises:
        InputError: No layer, or one that the network does not have.

    >>> in_depth_order(["relu2_1", "0", "conv1-1", "relu2_1"], vgg_names([1, 1]), "Tiny")
    {'0': 'conv1_1', 'conv1-1': 'conv1_1', 'relu2_1': 'relu2_1'}
    """
    if not layers:
        raise InputError(f"features.layers is empty; name at least one layer of {network}, such as {names[1]}")
    named = {layer: _name(layer, names, network) for layer in layers}
    return dict(sorted(named.items(), key=lambda pair: names.index(pair[1])))


def _name(layer: str, names: Sequence[str], network: str) -> str:
    spelled = layer.lower().replace("-", "_")
    if spelled in names:
        return spelled
    index = spelled.removeprefix("features.")
    if index.isascii() and index.isdigit():
        if int(index) < len(names):
            return names[int(index)]
        near = [f"features.0, …, features.{len(names) - 1}"]
    else:
        near = get_close_matches(spelled, names, n=4, cutoff=0.5) or [names[0], "…", names[-1]]
    raise InputError(f'features.layers: {network} has no layer "{layer}"; choose among {", ".join(near)}')
