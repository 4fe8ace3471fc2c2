"""Table 2 and Fig. 3: retrieval among classes that were never seen in training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from lossbook.experiments.grid import Cell, Experiment, Profile
from lossbook.papers.dong2019.names import FREQUENCIES, LOGISTIC, LOSSES, TABLE2, USUAL
from lossbook.papers.dong2019.protocol import REFERENCE_RECIPE, by_name, cell
from lossbook.results import Record
from lossbook.training import RunSpec

#: What stands in for persons, by data set: characters whose alphabets were never seen, and 20 of 100 classes.
OMNIGLOT, CIFAR100, MARKET = "omniglot", "cifar100", "market1501"
SETS = (OMNIGLOT, CIFAR100)

#: The losses as they are, and the one-vs-rest losses with biases at -log(K - 1).
VARIANTS = (*((loss, USUAL) for loss in LOSSES), *((loss, FREQUENCIES) for loss in LOGISTIC))

#: Characters are not mirrored, as the mirror image of one can be another; there is no shift without it.
RECIPES: dict[str, RunSpec] = {
    OMNIGLOT: replace(
        REFERENCE_RECIPE,
        dataset=OMNIGLOT,
        augmentation="none",
        epochs=6,
    ),
    CIFAR100: replace(
        REFERENCE_RECIPE,
        dataset=CIFAR100,
        unseen_classes=20,
        schedule={"name": "one_cycle", "peak": 1, "start": 0.2},
        epochs=3,
    ),
}
#: Training examples that choose the rates, evenly spaced: two drawings of each character, and a tenth of the
#: images.
HELD_OUT = {OMNIGLOT: 1928, CIFAR100: 4000}

#: The one rate of all losses, as in the paper: that of the recipe.
ONE_RATE = float(REFERENCE_RECIPE.optimizer_options["lr"])
#: Learning rates that are tried on examples held out of training.
RATES = (0.1, 0.3, 1.0, 3.0)
#: Each loss's own rate: what :func:`choose` makes of the records of ``rates``; the one rate where not all
#: have been run.
OWN: dict[tuple[str, str], float] = {(dataset, loss): ONE_RATE for dataset in SETS for loss in LOSSES}

#: The paper's protocol. It names no schedule and no augmentation. Adam's momentum is its beta1.
PAPER_RECIPE = RunSpec(
    dataset=MARKET,
    model="resnet50",
    loss="ce",
    optimizer="adam",
    optimizer_options={"lr": 3e-4, "momentum": 0.9, "weight_decay": 1e-4},
    pixels="standardised",
    batch_size=32,
    epochs=300,
    measures=["retrieval_both"],
)
NETWORKS = ("resnet50", "mobilenet")


def choose(records: Iterable[Record]) -> dict[tuple[str, str], float]:
    """The rate of each data set and loss with the highest accuracy after the last epoch; of equal ones the least.

    One is left out until every one of its rates has a run. A run that broke down is never chosen.

    Args:
        records: Those of the profile ``rates``, whose accuracies are those of examples held out of training.
    """
    found: dict[tuple[str, str], dict[float, float]] = defaultdict(dict)
    for record in records:
        accuracy = record.metric("test_accuracy") if record.status == "finished" else None
        which = (record.labels["dataset"], record.labels["loss"])
        found[which][record.labels["lr"]] = -1.0 if accuracy is None else accuracy
    return {
        which: max(RATES, key=lambda rate: (each[rate], -rate))
        for which, each in found.items()
        if set(RATES) <= set(each) and max(each.values()) >= 0
    }


def _reference() -> tuple[Cell, ...]:
    """Omniglot, which has as many classes as persons have, before CIFAR-100; a rate that is both is run once."""
    cells: dict[tuple[str, str, str, float], Cell] = {}
    for dataset in SETS:
        seen = {"step_measures": ["parts"]} if dataset == OMNIGLOT else {}
        own = [(loss, USUAL, OWN[dataset, loss]) for loss in LOSSES]
        for loss, start, lr in [*((*variant, ONE_RATE) for variant in VARIANTS), *own]:
            made = cell(RECIPES[dataset], loss, start=start, lr=lr, measures=["retrieval_both"], **seen)
            cells.setdefault((dataset, loss, start, lr), made)
    return tuple(cells.values())


def _rates() -> tuple[Cell, ...]:
    return tuple(
        cell(RECIPES[dataset], loss, lr=lr, validation_size=HELD_OUT[dataset])
        for dataset in SETS
        for loss in LOSSES
        for lr in RATES
    )


def _small(**changes: Any) -> tuple[Cell, ...]:
    return tuple(
        cell(RECIPES[CIFAR100], loss, start=start, measures=["retrieval_both"], **changes)
        for loss, start in VARIANTS
    )


EXPERIMENT = Experiment(
    name=TABLE2,
    title="Table 2: retrieval among classes never seen in training",
    profiles=by_name(
        Profile(
            "paper",
            "ResNet-50 and MobileNet for 300 epochs on Market-1501; DukeMTMC has been withdrawn",
            tuple(
                cell(replace(PAPER_RECIPE, model=network), loss) for network in NETWORKS for loss in LOSSES
            ),
            seeds=10,
        ),
        Profile(
            "reference",
            "the reference network: 964 characters of Omniglot for 6 epochs, 80 classes of CIFAR-100 for 3; "
            "retrieval among 659 other characters and 20 other classes",
            _reference(),
            seeds=5,
        ),
        Profile(
            "rates",
            "the same on 18 of 20 drawings and on nine tenths of the images, measured on the others",
            _rates(),
            seeds=1,
        ),
        Profile(
            "quick",
            "80 classes of CIFAR-100 for 3 epochs on 2,000 images, retrieval among the other 20",
            _small(batch_size=100, train_size=2000),
            seeds=1,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits of 7 classes for 2 epochs on another network, retrieval among the "
            "other 3, to see that everything runs",
            _small(
                dataset="digits",
                model="keras_mnist_cnn",
                augmentation="none",
                unseen_classes=3,
                batch_size=32,
                epochs=2,
                lr=0.1,
                train_size=128,
            ),
            seeds=3,
        ),
    ),
)
