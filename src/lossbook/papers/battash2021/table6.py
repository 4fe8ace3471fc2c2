"""Table 6: CE and CE+EL 0-0.5 under further regularisation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import pandas as pd

from lossbook.evidence import tables
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import Beside, Contrast, Contrasts
from lossbook.evidence.rules import CarriesOver, Gain, OnceWhole
from lossbook.evidence.select import Evidence, joined
from lossbook.evidence.tables import Runs
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.battash2021.protocol import (
    CE,
    CINIC,
    DIGITS,
    GRADUAL,
    NETWORK_NAMES,
    QUICK,
    REDUCED,
    REFERENCE,
    SMALL,
    SMALL_RUNS,
    basis,
    by_name,
    cell,
    select,
    title,
)
from lossbook.papers.battash2021.table1 import TABLE1, planned
from lossbook.results import published
from lossbook.training import RunSpec

TABLE6 = "battash2021/table6"
#: Without any augmentation: Table 1's runs of the small network.
NONE = "none"
BASELINE, ERASING, JITTER, DROPOUT = "baseline", "random_erasing", "color_jitter", "dropout"
ROTATION, ROTATED_ERASING = "rotation", "rotation_random_erasing"
#: On pages. The reference network has less than a million parameters, for which the paper does not rotate.
NAMES = {
    NONE: "no augmentation",
    BASELINE: "baseline: shifts and flips",
    ERASING: "random erasing",
    JITTER: "colour jitter",
    DROPOUT: "dropout 0.2",
    ROTATION: "rotation by up to 5°",
    ROTATED_ERASING: "rotation and random erasing",
}
#: The row of the paper's Table 6 that each is nearest to: rows of the profiles other than the paper's own.
PRINTED = {
    BASELINE: "baseline",
    ERASING: "random_erasing_without_rotation",
    JITTER: "color_jitter",
    DROPOUT: "dropout",
    ROTATION: "baseline",
    ROTATED_ERASING: "random_erasing",
}
_AUGMENTATION = {
    BASELINE: "shift_flip",
    ERASING: "shift_flip_erase",
    JITTER: "shift_flip_jitter",
    ROTATION: "shift_flip_rotate",
    ROTATED_ERASING: "shift_flip_rotate_erase",
}
#: At the paper's own protocol rows have the names of its Table 6, where rotation is part of the baseline.
PAPER_NAMES = {
    "baseline": "baseline: shifts, flips and rotation",
    "random_erasing": "random erasing",
    "random_erasing_without_rotation": "random erasing, no rotation",
    "color_jitter": "colour jitter",
    "dropout": "dropout 0.2",
}
_PAPER_AUGMENTATION = {
    "baseline": "crop_flip_rotate",
    "random_erasing": "crop_flip_rotate_erase",
    "random_erasing_without_rotation": "crop_flip_erase",
    "color_jitter": "crop_flip_rotate_jitter",
    "dropout": "crop_flip_rotate",
}
_MORE = (ERASING, JITTER, DROPOUT, ROTATION, ROTATED_ERASING)
#: What the claim rests on. Not the baseline: a gain there alone would show the opposite.
FURTHER = (ERASING, JITTER, DROPOUT, ROTATED_ERASING)


def _cells(base: RunSpec, rows: Iterable[str], **changes: Any) -> tuple[Cell, ...]:
    return tuple(
        cell(
            base,
            regime,
            labels={"regularisation": row},
            **{
                "augmentation": _AUGMENTATION.get(row, "shift_flip"),
                "model_options": {"dropout": 0.2} if row == DROPOUT else {},
                **changes,
            },
        )
        for row in rows
        for regime in (CE, GRADUAL)
    )


def _small() -> tuple[Cell, ...]:
    """CNN2C has no dropout of its own."""
    dropout = _cells(SMALL, (DROPOUT,), model="cnn2c_dropout")
    return (*_cells(SMALL, [row for row in (BASELINE, *_MORE) if row != DROPOUT]), *dropout)


def _paper() -> tuple[Cell, ...]:
    return tuple(
        cell(
            replace(CINIC, model="small_resnet34"),
            regime,
            labels={"regularisation": row},
            augmentation=augmentation,
            model_options={"dropout": 0.2} if row == "dropout" else {},
        )
        for row, augmentation in _PAPER_AUGMENTATION.items()
        for regime in (CE, GRADUAL)
    )


EXPERIMENT = Experiment(
    name=TABLE6,
    title="Table 6: CE and CE+EL 0-0.5 under further regularisation",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's protocol: ResNet-34 on CINIC-10, its five regularisations",
            _paper(),
            seeds=3,
        ),
        Profile(
            "cifar10",
            "12 epochs of the reference network on CIFAR-10: what Table 1's runs do not have",
            _cells(REFERENCE, _MORE, dataset="cifar10"),
            seeds=3,
        ),
        Profile(
            SMALL_RUNS,
            "CNN2C on 6,000 images of Fashion-MNIST for 12 epochs",
            _small(),
            seeds=8,
        ),
        Profile(
            "quick",
            "6 epochs of the reference network on 2,000 images of CIFAR-10",
            _cells(REFERENCE, (BASELINE, *_MORE), dataset="cifar10", **QUICK),
            seeds=1,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 6 epochs on another network, to see that everything runs",
            tuple(
                cell(
                    replace(REFERENCE, **DIGITS),
                    regime,
                    labels={"regularisation": row},
                    augmentation=augmentation,
                )
                for row, augmentation in _AUGMENTATION.items()
                for regime in (CE, GRADUAL)
            ),
            seeds=2,
        ),
    ),
)

SHARED = ("cifar10",)
AS_IN_TABLE1 = {"regularisation": BASELINE}


def together(evidence: Evidence, table1: Evidence) -> Evidence:
    """The page's runs with those of Table 1: on CIFAR-10 the baseline, with CNN2C those not augmented."""
    both = joined(evidence, table1, SHARED, AS_IN_TABLE1)
    return joined(both, table1, (SMALL_RUNS,), {"regularisation": NONE})


@cache
def printed() -> dict[tuple[str, str], float]:
    """Table 6 of the paper: regularisation, loss -> percent."""
    rows = published("battash2021", "table6").to_dict("records")
    return {(r["regularization"], r["loss"]): float(r["accuracy_percent"]) for r in rows}


def names(profile: str) -> dict[str, str]:
    """The regularisations of a profile, by their labels, as pages name them."""
    return PAPER_NAMES if profile == PAPER else NAMES


def _paper_gain(row: str, profile: str) -> float | None:
    name = row if profile == PAPER else PRINTED.get(row)
    return None if name is None else printed()[name, "ceel"] - printed()[name, "ce"]


def gain(row: str, profile: str = "cifar10") -> Contrast:
    """The mixture minus CE under one regularisation of a profile."""
    network = str(EXPERIMENT.profile(profile).cells[0].labels["network"])
    return Contrast(
        f"{title(GRADUAL)} minus CE, {names(profile)[row]}, {NETWORK_NAMES[network]} on {{left[dataset]}}",
        select(GRADUAL, regularisation=row),
        select(CE, regularisation=row),
        paper=_paper_gain(row, profile),
    )


def before(evidence: Evidence) -> str:
    """What the declared seeds can show of the paper's gains, from the records of Table 1."""
    gains = [gain for row in PAPER_NAMES if (gain := _paper_gain(row, PAPER)) is not None]
    return planned(evidence, EXPERIMENT.profile("cifar10").seeds, gains, "gains that the paper prints")


def table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Accuracy under each regularisation, the gain of the mixture and the paper's."""
    named = names(profile)
    rows = [row for row in named if _runs(evidence, profile, row, CE).records]
    pairs = [(_runs(evidence, profile, r, GRADUAL), _runs(evidence, profile, r, CE)) for r in rows]
    against = _runs(evidence, profile, BASELINE, CE)
    adds, _ = tables.difference_cells(
        [None if row == BASELINE else (base, against) for row, (_, base) in zip(rows, pairs, strict=True)],
        "test_accuracy",
        percent=True,
    )
    gains, p_values = tables.difference_cells(list(pairs), "test_accuracy", percent=True)
    at_best, _ = tables.difference_cells(list(pairs), "best_test_accuracy", percent=True)
    frame = pd.DataFrame(
        {
            "Regularisation": named[row],
            "CE, %": tables.mean_cell(base, "test_accuracy", percent=True),
            "CE+EL 0-0.5, %": tables.mean_cell(mine, "test_accuracy", percent=True),
            "Adds to CE": adds[at],
            "Gain of CE+EL 0-0.5": gains[at],
            "p (Holm)": p_values[at],
            "Gain at the best test epoch": at_best[at],
            "Paper (CINIC-10, ResNet-34)": "–"
            if (paper := _paper_gain(row, profile)) is None
            else tables.signed(paper),
        }
        for at, (row, (mine, base)) in enumerate(zip(rows, pairs, strict=True))
    )
    return frame, tables.notes(runs for pair in pairs for runs in pair)


def _runs(evidence: Evidence, profile: str, row: str, regime: tuple[str, str]) -> Runs:
    return evidence.runs(profile, loss=regime[0], schedule=regime[1], regularisation=row)


REGULARISATION = Claim(
    "regularisation",
    "The gain of CE+EL 0-0.5 remains under further regularisation.",
    "Mixing EL and CE with extra regularization; Table 6",
    "Test accuracy after the last epoch of CE+EL 0-0.5 minus that of CE, paired by seed, under each of the "
    "paper's four further regularisations: with CNN2C on Fashion-MNIST and, once there are runs, with the "
    "reference network on CIFAR-10 and with the paper's ResNet-34 on CINIC-10.",
    {
        "reference network": Beside(
            TABLE6,
            [gain(row) for row in FURTHER],
            only=("cifar10",),
            beside=TABLE1,
            profiles=SHARED,
            labels=AS_IN_TABLE1,
            optional=True,
        ),
        "CNN2C": Contrasts(TABLE6, [gain(row, SMALL_RUNS) for row in FURTHER], only=(SMALL_RUNS,)),
        "the paper's protocol": Contrasts(
            TABLE6,
            [gain(row, PAPER) for row in PAPER_NAMES if row != BASELINE],
            only=(PAPER,),
            optional=True,
        ),
    },
    CarriesOver(OnceWhole(Gain()), REDUCED),
    (PAPER, "cifar10", SMALL_RUNS),
    basis=basis,
)
