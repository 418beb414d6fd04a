"""What a feature extractor is."""

from collections.abc import Sequence

from torch import Tensor, nn


class Features(nn.Module):
    """Φ: images in [0, 1] → layer name → feature map.

    Attributes:
        layers: The layers that a call returns; the network ends at the deepest of them.
    """

    layers: list[str]

    def select(self, layers: Sequence[str]) -> None:
        """Chooses the layers and builds the network up to the deepest of them.

        Raises:
            InputError: A name that the network does not have.
        """
        raise NotImplementedError

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """B×3×H×W in [0, 1] → {layer: B×C×h×w}."""
        raise NotImplementedError
