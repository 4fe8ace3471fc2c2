"""The names of dong2019: its losses, starts, readings, networks and experiments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossbook.experiments.grid import PAPER

TABLE1, TABLE2, TABLE3 = "dong2019/table1", "dong2019/table2", "dong2019/table3"
CLASSES, SELECTION = "dong2019/classes", "dong2019/selection"

#: The profile of the reference network, and that of the narrow one.
REFERENCE, NARROW = "reference", "narrow"
#: Profiles that decide. Runs of the reference network answer the paper's questions; they are not its
#: experiments.
DECISIVE = (PAPER, REFERENCE, NARROW)

#: The paper's losses. Its SR is the book's CE.
LOSSES = ("ce", "lr", "hs_lr", "ss_lr")
BASELINE = "ce"
#: The one-vs-rest losses, which distraction concerns.
LOGISTIC = ("lr", "hs_lr", "ss_lr")
#: On pages.
NAMES = {
    "ce": "CE",
    "lr": "LR",
    "hs_lr": "HS-LR",
    "ss_lr": "SS-LR",
    "asymmetric": "ASL",
    "hs_lr_published": "HS-LR as in the code",
    "ss_lr_published": "SS-LR as in the code",
}
#: The paper's settings: r = 2 in its main experiments, beta = 10 in all, and of m the value that it calls
#: satisfactory. On objects it chose m between 25% and 75%; for the other tables it names none.
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "ce": {},
    "lr": {},
    "hs_lr": {"m": 0.25, "beta": 10.0},
    "ss_lr": {"r": 2.0, "beta": 10.0},
}

#: Where the biases of the output start: as the network has them, near 0, or at -log(K - 1), where every
#: sigmoid is 1/K. The paper does not try the second.
USUAL, FREQUENCIES = "usual", "frequencies"
STARTS = {USUAL: "biases at 0", FREQUENCIES: "biases at −log(K − 1)"}

#: How learning rates are set: one for all losses, as in the paper, or each loss's own, chosen on validation
#: images.
ONE, OWN = "one", "own"
RATES = {ONE: "one rate for all", OWN: "each at its own rate"}
#: The profile whose runs choose them. They are measured on validation images, and decide nothing else.
CHOSEN_AT = "rates"
#: The same for the narrow network.
NARROW_CHOSEN_AT = "narrow_rates"
CHOOSING = (CHOSEN_AT, NARROW_CHOSEN_AT)

#: Data sets whose name in the paper's tables is another.
PRINTED_DATASETS = {"tiny_imagenet": "tiny200"}
#: The paper's small and large network for objects, and what its tables call them.
SMALL_NETWORK, LARGE_NETWORK = "cifar_resnet32", "wide_resnet28_10"
PRINTED_NETWORKS = {SMALL_NETWORK: "resnet32", LARGE_NETWORK: "wrn28_10"}
#: Networks by their name in records.
NETWORK_NAMES = {
    "reference_small": "reference network",
    "reference_narrow": "narrow reference network",
    "cifar_resnet32": "ResNet-32",
    "wide_resnet28_10": "WideResNet-28-10",
    "mlp": "one hidden layer",
    "resnet32": "ResNet-32",
    "wrn28_10": "WideResNet-28-10",
    "resnet50": "ResNet-50",
    "mobilenet": "MobileNet",
}


def named(loss: str, start: str = USUAL) -> str:
    """The printed name of a loss, with its start where that is not the usual one."""
    return NAMES[loss] if start == USUAL else f"{NAMES[loss]}, {STARTS[start]}"
