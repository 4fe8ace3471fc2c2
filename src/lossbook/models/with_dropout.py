"""Networks of other families with dropout before their output."""

from torch import nn

from lossbook.models.li2020 import cnn2c


def cnn2c_dropout(
    in_shape: tuple[int, int, int], num_classes: int = 10, *, dropout: float = 0.0
) -> nn.Module:
    """CNN2C of li2020 with dropout before its linear layer; with the same weights at the start.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``, height and width at least 16.
        num_classes: Number of logits.
        dropout: Share of the features that is dropped in training.

    Raises:
        ValueError: An image too small for the layers.
    """
    *features, output = cnn2c(in_shape, num_classes).children()
    return nn.Sequential(*features, nn.Dropout(dropout), output)
