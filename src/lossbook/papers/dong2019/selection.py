"""Fig. 6 and 7: how many negative classes HS-LR selects, and how sharply SS-LR weighs them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lossbook.experiments.grid import Cell, Experiment, Profile
from lossbook.papers.dong2019.names import OPTIONS, SELECTION
from lossbook.papers.dong2019.protocol import REFERENCE_RECIPE, by_name, cell
from lossbook.papers.dong2019.table2 import OMNIGLOT, RECIPES
from lossbook.training import RunSpec

#: Shares of the negative classes that HS-LR selects; so small a share selects one class.
ONE_CLASS = 0.001
SHARES = (ONE_CLASS, 0.1, 0.25, 0.5, 0.75, 1.0)
#: Powers of SS-LR. At r = 0 it is HS-LR at m = 100, which is run once for both.
POWERS = (0.5, 1.0, 2.0, 5.0, 10.0, 50.0)
ALL_CLASSES, NO_POWER = 1.0, 0.0
#: How many classes m stands for: floor(m (K - 1)), as in the paper, or floor(m K), the target's zero among
#: them, as in its published code.
PAPER_COUNT, PUBLISHED_COUNT = "paper", "published"
M, R = 0.25, 2.0

OBJECTS = "cifar100"
BASES: dict[str, RunSpec] = {
    OBJECTS: replace(
        REFERENCE_RECIPE,
        dataset=OBJECTS,
        schedule={"name": "one_cycle", "peak": 1, "start": 0.2},
        epochs=3,
    ),
    OMNIGLOT: replace(
        RECIPES[OMNIGLOT],
        measures=["retrieval_both"],
        schedule={"name": "one_cycle", "peak": 1, "start": 0.2},
        epochs=4,
    ),
}


def selected(base: RunSpec, m: float, count: str = PAPER_COUNT, **changes: Any) -> Cell:
    """HS-LR at a share of the negative classes."""
    options = {**OPTIONS["hs_lr"], "m": m} | ({} if count == PAPER_COUNT else {"count": count})
    labels = {"m": m, "r": None, "count": count}
    return cell(base, "hs_lr", options=options, labels=labels, **changes)


def weighted(base: RunSpec, r: float, **changes: Any) -> Cell:
    """SS-LR at a power of the probability."""
    labels = {"m": None, "r": r, "count": PAPER_COUNT}
    return cell(base, "ss_lr", options={**OPTIONS["ss_lr"], "r": r}, labels=labels, **changes)


def _cells(base: RunSpec, **changes: Any) -> tuple[Cell, ...]:
    """The settings of the paper and the ends first."""
    shares = sorted(SHARES, key=lambda m: m not in (M, ALL_CLASSES, ONE_CLASS))
    powers = sorted(POWERS, key=lambda r: r not in (R, POWERS[-1]))
    return (
        *(selected(base, m, **changes) for m in shares[:3]),
        *(weighted(base, r, **changes) for r in powers[:2]),
        *(selected(base, m, **changes) for m in shares[3:]),
        *(weighted(base, r, **changes) for r in powers[2:]),
        selected(base, M, PUBLISHED_COUNT, **changes),
    )


EXPERIMENT = Experiment(
    name=SELECTION,
    title="Fig. 6 and 7: how many negative classes are selected, and how sharply they are weighed",
    profiles=by_name(
        Profile(
            "reference",
            "the reference network: CIFAR-100 for 3 epochs, and retrieval on Omniglot after 4",
            tuple(each for base in BASES.values() for each in _cells(base)),
            seeds=3,
        ),
        Profile(
            "quick",
            "2,000 images of CIFAR-100 for 3 epochs",
            _cells(BASES[OBJECTS], batch_size=100, train_size=2000, test_size=1000),
            seeds=1,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs on another network, to see that everything runs",
            _cells(
                BASES[OBJECTS],
                dataset="digits",
                model="keras_mnist_cnn",
                augmentation="none",
                batch_size=32,
                epochs=2,
                lr=0.1,
                train_size=128,
                test_size=100,
            ),
            seeds=3,
        ),
    ),
)
