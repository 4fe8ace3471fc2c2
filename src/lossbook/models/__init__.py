"""The papers' networks, by name."""

from collections.abc import Callable

from torch import nn

from lossbook.errors import UnknownNameError
from lossbook.models.keras2018 import keras_cifar10_cnn, keras_mnist_cnn
from lossbook.models.li2020 import cnn2c, cnn5c, mobilenet_v2, resnet18

__all__ = [
    "build",
    "builder",
    "cnn2c",
    "cnn5c",
    "keras_cifar10_cnn",
    "keras_mnist_cnn",
    "mobilenet_v2",
    "names",
    "resnet18",
]

_BUILDERS: dict[str, Callable[[tuple[int, int, int], int], nn.Module]] = {
    "keras_cifar10_cnn": keras_cifar10_cnn,
    "keras_mnist_cnn": keras_mnist_cnn,
    "li2020_cnn2c": cnn2c,
    "li2020_cnn5c": cnn5c,
    "li2020_mobilenet_v2": mobilenet_v2,
    "li2020_resnet18": resnet18,
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
