"""The papers' networks, by name."""

from collections.abc import Callable

from torch import nn

from lossbook.errors import UnknownNameError
from lossbook.models.keras2018 import keras_cifar10_cnn, keras_mnist_cnn

__all__ = ["build", "builder", "keras_cifar10_cnn", "keras_mnist_cnn", "names"]

_BUILDERS: dict[str, Callable[[tuple[int, int, int], int], nn.Module]] = {
    "keras_cifar10_cnn": keras_cifar10_cnn,
    "keras_mnist_cnn": keras_mnist_cnn,
}


def names() -> list[str]:
    """The names that :func:`build` knows."""
    return sorted(_BUILDERS)


def builder(name: str) -> Callable[[tuple[int, int, int], int], nn.Module]:
    """The function that builds a network by name.

    Raises:
        UnknownNameError: A name there is not; the message names the nearest.
    """
    if name not in _BUILDERS:
        raise UnknownNameError("model", name, names())
    return _BUILDERS[name]


def build(name: str, in_shape: tuple[int, int, int], num_classes: int = 10) -> nn.Module:
    """Build a network with fresh weights from torch's global random state.

    Args:
        name: One of :func:`names`.
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.

    Raises:
        UnknownNameError: A name there is not; the message names the nearest.
    """
    return builder(name)(in_shape, num_classes)
