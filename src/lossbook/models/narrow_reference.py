"""A narrow reference network, for grids of many runs on one core."""

from torch import nn

from lossbook.models.reference import ReferenceNetwork


def reference_narrow(in_shape: tuple[int, ...], num_classes: int = 10, *, dropout: float = 0.0) -> nn.Module:
    """The reference network with stages of 16, 32 and 64 channels instead of 64, 128 and 128.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.
        dropout: Share of the features that is dropped in training, before the output.

    Raises:
        ValueError: An image too small for the layers.
    """
    return ReferenceNetwork(in_shape, num_classes, (16, 32, 64), dropout)
