"""Networks by name: the papers', and small ones for feature vectors and texts."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lossbook.errors import UnknownNameError
from lossbook.models.cifar_resnet import resnet20, resnet32
from lossbook.models.imagenet import mobilenet, resnet50
from lossbook.models.keras2018 import keras_cifar10_cnn, keras_mnist_cnn
from lossbook.models.li2020 import cnn2c, cnn5c, mobilenet_v2, resnet18
from lossbook.models.narrow_reference import reference_narrow
from lossbook.models.photographs import (
    imagenet_resnet18,
    imagenet_resnet34,
    imagenet_resnet50,
    imagenet_resnet101,
    imagenet_resnext50,
    imagenet_resnext101,
    imagenet_shufflenet_v2,
)
from lossbook.models.pretrained import bert, bert_weights
from lossbook.models.recurrent import lstm
from lossbook.models.reference import reference_large, reference_small
from lossbook.models.small import mean_embedding, mlp
from lossbook.models.small_images import (
    preact_resnet18,
    resnet44,
    resnet110,
    resnext29,
    small_resnet34,
    small_resnet50,
    small_resnet101,
    small_shufflenet_v2,
)
from lossbook.models.wide_resnet import wide_resnet28_10
from lossbook.models.with_dropout import cnn2c_dropout

__all__ = [
    "bert",
    "build",
    "builder",
    "cnn2c",
    "cnn2c_dropout",
    "cnn5c",
    "imagenet_resnet18",
    "imagenet_resnet34",
    "imagenet_resnet50",
    "imagenet_resnet101",
    "imagenet_resnext50",
    "imagenet_resnext101",
    "imagenet_shufflenet_v2",
    "keras_cifar10_cnn",
    "keras_mnist_cnn",
    "lstm",
    "mean_embedding",
    "mlp",
    "mobilenet",
    "mobilenet_v2",
    "names",
    "preact_resnet18",
    "reference_large",
    "reference_narrow",
    "reference_small",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet44",
    "resnet50",
    "resnet110",
    "resnext29",
    "small_resnet34",
    "small_resnet50",
    "small_resnet101",
    "small_shufflenet_v2",
    "takes",
    "weights_per_token",
    "wide_resnet28_10",
]

_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "bert": bert,
    "cifar_resnet110": resnet110,
    "cifar_resnet20": resnet20,
    "cifar_resnet32": resnet32,
    "cifar_resnet44": resnet44,
    "cnn2c_dropout": cnn2c_dropout,
    "imagenet_resnet101": imagenet_resnet101,
    "imagenet_resnet18": imagenet_resnet18,
    "imagenet_resnet34": imagenet_resnet34,
    "imagenet_resnet50": imagenet_resnet50,
    "imagenet_resnext101": imagenet_resnext101,
    "imagenet_resnext50": imagenet_resnext50,
    "imagenet_shufflenet_v2": imagenet_shufflenet_v2,
    "keras_cifar10_cnn": keras_cifar10_cnn,
    "keras_mnist_cnn": keras_mnist_cnn,
    "li2020_cnn2c": cnn2c,
    "li2020_cnn5c": cnn5c,
    "li2020_mobilenet_v2": mobilenet_v2,
    "li2020_resnet18": resnet18,
    "lstm": lstm,
    "mean_embedding": mean_embedding,
    "mlp": mlp,
    "mobilenet": mobilenet,
    "preact_resnet18": preact_resnet18,
    "reference_large": reference_large,
    "reference_narrow": reference_narrow,
    "reference_small": reference_small,
    "resnet50": resnet50,
    "resnext29": resnext29,
    "small_resnet101": small_resnet101,
    "small_resnet34": small_resnet34,
    "small_resnet50": small_resnet50,
    "small_shufflenet_v2": small_shufflenet_v2,
    "wide_resnet28_10": wide_resnet28_10,
}
_TAKES = {"bert": "texts", "lstm": "texts", "mean_embedding": "texts", "mlp": "features"}


def names() -> list[str]:
    """The names that :func:`build` knows."""
    return sorted(_BUILDERS)


def builder(name: str) -> Callable[..., nn.Module]:
    """The function that builds a network by name.

    Raises:
        UnknownNameError: An unknown name; the message names the nearest.
    """
    if name not in _BUILDERS:
        raise UnknownNameError("model", name, names())
    return _BUILDERS[name]


def takes(name: str) -> str:
    """The kind of data that a network takes: ``images``, ``features`` or ``texts``.

    Raises:
        UnknownNameError: An unknown name; the message names the nearest.
    """
    builder(name)
    return _TAKES.get(name, "images")


def build(name: str, in_shape: tuple[int, ...], num_classes: int = 10, **options: Any) -> nn.Module:
    """Build a network with fresh weights from torch's global random state.

    Args:
        name: One of :func:`names`.
        in_shape: Shape of one input: ``(channels, height, width)`` of images, ``(features,)`` of feature
            vectors, ``(vocabulary,)`` of texts.
        num_classes: Number of logits.
        **options: Arguments of the network.

    Raises:
        UnknownNameError: An unknown name; the message names the nearest.
    """
    return builder(name)(in_shape, num_classes, **options)


def weights_per_token(name: str, num_classes: int, **options: Any) -> int:
    """How many weights of a network for texts every token is multiplied with; embeddings are looked up.

    Args:
        name: One of :func:`names` that takes texts.
        num_classes: Number of logits.
        **options: Arguments of the network.
    """
    if name == "bert":
        return bert_weights(**options)
    with torch.device("meta"):
        network = build(name, (1,), num_classes, **options)
    looked_up = {id(w) for m in network.modules() if isinstance(m, nn.Embedding) for w in m.parameters()}
    return sum(weight.numel() for weight in network.parameters() if id(weight) not in looked_up)
