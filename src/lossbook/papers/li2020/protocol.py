"""What the experiments of li2020 share: the two protocols, and cells made from them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lossbook.experiments.grid import Cell, Profile
from lossbook.papers.li2020.names import CLASSES, CODE, FIRST_LEVEL, LINK
from lossbook.training import RunSpec

# The paper does not say whether the logistic loss is summed over the classes, as its own LGL-INR is in the
# published code, or averaged, as PyTorch's binary cross-entropy is by default. Under SGD without weight
# decay a K-th of the loss is a K-th of the learning rate.
_SHARE = {"lgl_mean": 1 / CLASSES}

#: The length of a loss's gradient with respect to the logits of one example, over that of CE, where every
#: image is given the frequencies of ten classes of equal size: logits of zero for CE and LGL-INR, and of
#: -ln 9 for LR. There the gradients point the same way, so any norm gives the same. At logits of zero LR's
#: is longer, by a push that is common to all images and ends when the biases have learned the frequencies.
GRADIENT_SCALE = {"sml": 1.0, "lgl": 1.0, "lgl_inr": 50 / 9}
#: The learning rate of CE where steps are equal; that of another loss is divided by its scale.
EQUAL_STEP = 0.1
# "Implementation details".
SMALL = RunSpec(
    dataset="mnist",
    model="li2020_cnn2c",
    loss="ce",
    optimizer="sgd",
    optimizer_options={"lr": 0.01, "momentum": 0.5},
    batch_size=64,
    epochs=20,
)
LARGE = RunSpec(
    dataset="cifar10",
    model="li2020_resnet18",
    loss="ce",
    optimizer="sgd",
    optimizer_options={"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
    schedule={"name": "steps", "at": [50, 75]},
    batch_size=64,
    epochs=100,
    augmentation="crop_flip",
)


def rate_of(step: float, loss: str) -> float:
    """Return the learning rate that makes the steps of a loss this long early in training.

    Args:
        step: The learning rate of CE with such steps.
        loss: One of :data:`GRADIENT_SCALE`, or LGL-INR with its first level of weights alone.
    """
    return float(f"{step / GRADIENT_SCALE['lgl_inr' if loss == FIRST_LEVEL else loss]:.4g}")


def cell(
    base: RunSpec, named: str, network: str, loss: str, changes: Mapping[str, Any], beta: float = 1
) -> Cell:
    spec = replace(base, **{"dataset": named, **changes}, model=f"li2020_{network}", loss=CODE[loss])
    spec = replace(spec, measures=LINK[loss])
    labels: dict[str, Any] = {"dataset": named, "network": network, "loss": loss, "epochs": spec.epochs}
    if loss == FIRST_LEVEL:
        beta = 0
    if CODE[loss] == "lgl_inr":
        labels["beta"] = beta
        spec = replace(spec, loss_options={"beta": beta})
    if loss in _SHARE:
        options = dict(spec.optimizer_options)
        spec = replace(spec, optimizer_options=options | {"lr": options["lr"] * _SHARE[loss]})
    return Cell(labels, spec)


def changed(cell: Cell, labels: Mapping[str, Any], **changes: Any) -> Cell:
    return Cell({**cell.labels, **labels}, replace(cell.spec, **changes))


def by_name(*profiles: Profile) -> dict[str, Profile]:
    return {profile.name: profile for profile in profiles}


DIGITS: dict[str, Any] = {
    "dataset": "digits",
    "train_size": 128,
    "test_size": 50,
    "batch_size": 32,
    "epochs": 2,
}
