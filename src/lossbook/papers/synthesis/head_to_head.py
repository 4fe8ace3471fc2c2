"""The losses of the four papers side by side, on the small reference network: no paper's own experiment."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from lossbook.evidence.choosing import best_rates
from lossbook.experiments.grid import Cell, Experiment, Profile
from lossbook.papers.recipe import RECIPE
from lossbook.results import Record

#: The losses, by the book's names for them: what they are called in the code, and their options.
LOSSES: dict[str, tuple[str, Mapping[str, Any]]] = {
    "CE": ("ce", {}),
    "NLLR (clipped)": ("nllr", {"clip": 1e-7}),
    "CE+EL": ("ceel", {"schedule": "0-0.5"}),
    "LR": ("lr", {}),
    "SS-LR": ("ss_lr", {}),
    "LGL-INR": ("lgl_inr", {}),
}
#: Learning rates that each loss is tried at, on validation images of CIFAR-10.
RATES: dict[str, tuple[float, ...]] = {
    "CE": (0.1, 0.3, 1.0, 3.0),
    "NLLR (clipped)": (0.01, 0.03, 0.1, 0.3),
    "CE+EL": (0.1, 0.3, 1.0),
    "LR": (0.1, 0.3, 1.0),
    "SS-LR": (0.1, 0.3, 1.0, 3.0),
    "LGL-INR": (0.01, 0.03, 0.1, 0.3, 1.0),
}
#: The learning rate of each loss on both data sets: what :func:`choose` makes of the records of ``rates``; a
#: rate in the middle for a loss whose rates have not all been run.
RATE: dict[str, float] = {
    "CE": 1.0,
    "NLLR (clipped)": 0.1,
    "CE+EL": 0.3,
    "LR": 0.3,
    "SS-LR": 1.0,
    "LGL-INR": 0.3,
}
#: The data sets, and the seeds of each loss on each.
DATASETS = ("cifar10", "cifar100")
SEEDS = 3


def _cell(loss: str, lr: float, changes: Mapping[str, Any]) -> Cell:
    code, options = LOSSES[loss]
    spec = replace(RECIPE, **changes, loss=code, loss_options=options)
    spec = replace(spec, optimizer_options={**spec.optimizer_options, "lr": lr})
    labels = {"dataset": spec.dataset, "network": spec.model, "loss": loss, "epochs": spec.epochs, "lr": lr}
    return Cell(labels, spec)


def choose(records: Iterable[Record]) -> dict[str, float]:
    """The learning rate of each loss with the highest accuracy after the last epoch; of equal ones the least.

    A loss is left out until every one of its rates has a run. A run that broke down is never chosen.

    Args:
        records: Those of the profile ``rates``, whose accuracies are those of validation images.
    """
    return {loss: rate for (loss,), rate in best_rates(records, ["loss"], RATES.__getitem__).items()}


def _rates(**changes: Any) -> tuple[Cell, ...]:
    return tuple(_cell(loss, lr, changes) for loss, rates in RATES.items() for lr in rates)


EXPERIMENT = Experiment(
    name="synthesis/head_to_head",
    title="The losses of the four papers on one network and recipe",
    profiles={
        profile.name: profile
        for profile in (
            Profile(
                "reference",
                "9 epochs on all training images of CIFAR-10 and CIFAR-100, each loss at its own rate",
                tuple(_cell(loss, RATE[loss], {"dataset": name}) for name in DATASETS for loss in LOSSES),
                seeds=SEEDS,
            ),
            Profile(
                "large",
                "CE alone on the large reference network: CIFAR-10 for 12 epochs, CIFAR-100 for 20",
                tuple(
                    _cell("CE", RATE["CE"], {"dataset": name, "model": "reference_large", "epochs": epochs})
                    for name, epochs in (("cifar10", 12), ("cifar100", 20))
                ),
                seeds=SEEDS,
            ),
            Profile(
                "rates",
                "6 epochs on 45,000 training images of CIFAR-10, measured on the 5,000 others",
                _rates(epochs=6, validation_size=5000),
                seeds=1,
            ),
            Profile(
                "quick",
                "6 epochs on 512 training images of CIFAR-10, measured on 500 others",
                _rates(epochs=6, batch_size=64, train_size=512, test_size=500, validation_size=5000),
                seeds=1,
            ),
            Profile(
                "smoke",
                "128 of scikit-learn's digits for 6 epochs on another network, to see that everything runs",
                _rates(
                    dataset="digits",
                    model="keras_mnist_cnn",
                    batch_size=32,
                    epochs=6,
                    train_size=128,
                    test_size=50,
                ),
                seeds=1,
            ),
        )
    },
)
