"""LPIPS: distance of deep features, its channels weighed by what people see."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from lit_nst.errors import InputError, quote
from lit_nst.functional.reduce import row_mean
from lit_nst.losses.base import Loss, Weight

Net = Literal["vgg", "alex", "squeeze"]
LAYERS: dict[Net, tuple[str, ...]] = {
    "vgg": ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
    "alex": ("relu1", "relu2", "relu3", "relu4", "relu5"),
    "squeeze": ("relu1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9"),
}
FEATURES: dict[Net, str] = {"vgg": "VGG16", "alex": "AlexNet", "squeeze": "SqueezeNet"}


class LPIPSLoss(Loss):
    """LPIPS, version 0.1: λ·Σₗ ⟨Σ꜀ lₗ꜀·(f̂ₗ꜀(x) − f̂ₗ꜀(t))²⟩ with f̂ = f/(‖f‖ + 10⁻¹⁰).

    ‖·‖ runs over the channels of one position, ⟨⟩ over the positions; l are the trained heads, one number per
    channel, none below 0. Layers are summed. As the heads are folded into the statistics, √l·f̂, the target's are
    computed once.

    It is LPIPS if the task's features are the network that the heads were trained on: ``VGG16``, ``AlexNet`` or
    ``SqueezeNet`` with the weights ``imagenet`` (or a file of the same ones) and their max pooling. Loss and
    features know nothing of each other, so only names of layers and numbers of channels are checked. The shipped
    encoder and networks of other widths are refused. A VGG19, and random weights of full width, fit and give a
    number that is not LPIPS.

    Zhang, Isola, Efros, Shechtman & Wang, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
    2018. Values are those of their package ``lpips`` for images in [0, 1] with ``normalize=True``. Departure: the
    gradient is finite where all channels of a position are 0.

    Args:
        net: ``vgg``, ``alex`` or ``squeeze``. The paper's authors advise ``alex`` to judge and ``vgg`` to optimise.
        weight: λ, factor of the whole term; 1 for the score itself.
        heads: A ``.pth`` file of heads, as ``lpips`` has them (``lin0.model.1.weight``, …: 1×C×1×1 each), which is
            read weights-only; None: those of the installed package ``lpips``, which is not imported.

    Raises:
        InputError: No such network; heads that are not there, cannot be read or are no heads; a bad weight.
    """

    def __init__(self, net: Net, weight: Weight = 1.0, heads: str | None = None) -> None:
        if net not in LAYERS:
            raise InputError(f'LPIPSLoss: there is no net "{net}"; give {", ".join(get_args(Net))}')
        layers = LAYERS[net]
        super().__init__(layers, weight, [1.0] * len(layers))
        self.net, self.heads = net, heads
        path = _installed(net) if heads is None else Path(heads)
        for layer, head in zip(layers, _read(path, len(layers)), strict=True):
            self.register_buffer(f"root_{layer}", head.sqrt(), persistent=False)

    def statistics(self, feature: Tensor) -> Tensor:
        """The feature map, B×C×H×W, of unit length over C, not yet weighed."""
        # Unlike the root of a sum of squares, it has a finite gradient where every channel is 0.
        length: Tensor = torch.linalg.vector_norm(feature, dim=1, keepdim=True)
        return feature / (length + 1e-10)

    def measure(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weighed unit features of every layer, √l·f̂, in float32 or better.

        Raises:
            InputError: A layer with another number of channels than its head.
        """
        roots = {layer: self.get_buffer(f"root_{layer}") for layer in self.layers}
        for layer, root in roots.items():
            self._check_channels(layer, features[layer].shape[1], len(root))
        return {layer: roots[layer] * unit for layer, unit in super().measure(features).items()}

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Mean over positions of the sum over channels, B values."""
        return row_mean((a - b).square()) * a.shape[1]

    def _check_channels(self, layer: str, found: int, needed: int) -> None:
        if found != needed:
            heads = "" if self.heads is None else f" in {self.heads}"
            raise InputError(
                f'LPIPSLoss: {layer} has {found} channels, its head of "{self.net}"{heads} is for {needed}; '
                f"give --model.features {FEATURES[self.net]} --model.features.weights imagenet"
            )


def _installed(net: Net) -> Path:
    """The heads that the package ``lpips`` carries, found without running its code."""
    spec = find_spec("lpips")
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "LPIPSLoss: its heads come with the package lpips, which is not installed; pip install lpips, or give "
            "the option heads the path of a .pth file"
        )
    return Path(spec.submodule_search_locations[0]) / "weights" / "v0.1" / f"{net}.pth"


def _read(path: Path, layers: int) -> list[Tensor]:
    """Heads as C×1×1 each, in depth order."""
    if not path.is_file():
        raise InputError(f"LPIPSLoss.heads: there is no file {path}; leave the option out for those of lpips 0.1.4")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    # Damaged bytes fail anywhere, as anything.
    except Exception as error:
        reason = quote(str(error).partition("\n")[0], 200) or type(error).__name__
        raise InputError(f"LPIPSLoss.heads: {path} cannot be read ({reason}); give a .pth of lpips's heads") from error
    keys = [f"lin{index}.model.1.weight" for index in range(layers)]
    if not isinstance(state, dict) or set(state) != set(keys):
        raise InputError(f"LPIPSLoss.heads: {path} has other entries than {keys[0]}, …, {keys[-1]}; give the net's own")
    for key in keys:
        _check_head(path, key, state[key])
    return [state[key].float().view(-1, 1, 1) for key in keys]


def _check_head(path: Path, key: str, head: object) -> None:
    if not isinstance(head, Tensor) or head.shape != (1, head.numel(), 1, 1) or not head.is_floating_point():
        raise InputError(f"LPIPSLoss.heads: {key} in {path} is not a tensor of 1×C×1×1; give a .pth of lpips's heads")
    if not (head.isfinite() & (head >= 0)).all():
        raise InputError(f"LPIPSLoss.heads: {key} in {path} has numbers below 0 or not finite; clamp them first")
