"""Calibration: how far the probabilities of the three losses can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lossbook.evidence import stats, tables
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import PLAIN, Contrast, Contrasts, Select
from lossbook.evidence.rules import Above
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.evidence.tables import Runs
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.li2020.balance import DATASET, at_both_rates
from lossbook.papers.li2020.names import CALIBRATION, CLASSES, LOSSES, NAMES, RATES, basis
from lossbook.papers.li2020.protocol import DIGITS, by_name
from lossbook.results import Record


def _cells(**changes: Any) -> tuple[Cell, ...]:
    return at_both_rates(changes, measures="reliability")


EXPERIMENT = Experiment(
    name=CALIBRATION,
    title="Calibration: how far the probabilities of the three losses can be trusted",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's protocol on Fashion-MNIST, and the same at equal steps",
            _cells(),
            seeds=5,
        ),
        Profile(
            "quick",
            "1,000 images of Fashion-MNIST for 5 epochs, 1,000 test images",
            _cells(train_size=1000, test_size=1000, epochs=5),
            seeds=2,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs, to see that everything runs",
            _cells(**DIGITS),
            seeds=2,
        ),
    ),
)

#: Bins with fewer on average are not drawn: an interval from so few would fill the panel.
LEAST = 10

CORRECTED = "corrected_"

_MEASURED = ("count", "right", "probability")

_KINDS = {"top": "predicted class", "pair": "all classes"}


@dataclass(frozen=True)
class Row:
    """One line of the table: a loss, as it is or with its probabilities corrected.

    Attributes:
        name: Its name.
        prefix: In front of the names of its measures.
        runs: Its runs.
    """

    name: str
    prefix: str
    runs: Runs


def derived(evidence: Evidence) -> Evidence:
    """Return the records with two further metrics, also with ``corrected_`` in front.

    ``over``: mean probability of the predicted class minus accuracy. ``floor``: about what the calibration
    error would be if every prediction were right with just its probability. Even then the accuracy of a bin
    differs from its mean probability by chance; the mean of the absolute difference is taken from the normal
    distribution.
    """
    return replace(
        evidence, by_profile={p: [_derive(r) for r in found] for p, found in evidence.by_profile.items()}
    )


def _derive(record: Record) -> Record:
    metrics = dict(record.metrics)
    for prefix in ("", CORRECTED):
        if f"{prefix}top_count" not in metrics:
            continue
        count, right, probability = (_bins(record, f"{prefix}top_{name}") for name in _MEASURED)
        mean = probability / np.maximum(count, 1)
        metrics[f"{prefix}over"] = float((probability.sum() - right.sum()) / count.sum())
        spread = np.sqrt(2 / math.pi * count * mean * (1 - mean))
        metrics[f"{prefix}floor"] = float(spread.sum() / count.sum())
    return replace(record, metrics=metrics)


def _bins(record: Record, name: str) -> np.ndarray:
    return np.array(record.metrics[name], dtype=float)


def rows(evidence: Evidence, profile: str, rate: str) -> list[Row]:
    """Return the losses that have runs, LGL-INR a second time with its probabilities corrected."""
    found = [Row(NAMES[loss], "", evidence.runs(profile, rate=rate, loss=loss)) for loss in LOSSES]
    found.append(Row(f"{NAMES['lgl_inr']}, corrected", CORRECTED, found[-1].runs))
    return [row for row in found if row.runs.values("ece")]


def expected(probability: np.ndarray, classes: int = CLASSES) -> np.ndarray:
    """Return how often a class is right to which LGL-INR at its minimum gives a probability.

    For equal weights of the other classes, and classes of equal size.

    Args:
        probability: LGL-INR's probabilities.
        classes: Number of classes.
    """
    return probability / (probability + (classes - 1) * (1 - probability))


def _mean(row: Row, metric: str) -> float:
    return stats.mean_interval(row.runs.values(row.prefix + metric).values()).mean


_COLUMNS = (
    ("Confidence minus accuracy", "over"),
    ("ECE", "ece"),
    ("Of chance", "floor"),
    ("ECE, equal numbers", "ece_mass"),
    ("ECE, all classes", "ece_class"),
    ("Brier score", "brier"),
)


#: The columns of the short table.
SHORT = ["Compared at", "Loss", "ECE", "ECE minus CE's", "Of chance", "Brier score"]


def table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the measures of calibration, and the differences of the error to CE's, paired by seed."""
    cells: list[dict[str, object]] = []
    pairs: list[tuple[Runs, Runs] | None] = []
    used = []
    for rate in RATES:
        base = evidence.runs(profile, rate=rate, loss="sml")
        for row in rows(evidence, profile, rate):
            used.append(row.runs)
            mine = _renamed(row)
            pairs.append((mine, base) if row.name != NAMES["sml"] and base.records else None)
            cells.append(
                {"Compared at": RATES[rate], "Loss": row.name}
                | {title: tables.mean_cell(mine, metric, digits=4) for title, metric in _COLUMNS}
            )
    frame = pd.DataFrame(cells)
    if not frame.empty:
        differences, p_values = tables.difference_cells(pairs, "ece", digits=4)
        frame.insert(4, "ECE minus CE's", pd.Series(differences, dtype=object))
        frame.insert(5, "p (Holm)", pd.Series(p_values, dtype=object))
    return frame, tables.notes(used, "ece")


def _renamed(row: Row) -> Runs:
    """The runs of a row, its measures under their plain names."""
    if not row.prefix:
        return row.runs
    return Runs(
        tuple(
            replace(
                r,
                metrics=r.metrics
                | {
                    name.removeprefix(row.prefix): value
                    for name, value in r.metrics.items()
                    if name.startswith(row.prefix)
                },
            )
            for r in row.runs.records
        )
    )


def lead(loss: str, base: str, rate: str, **how: Any) -> Contrast:
    """Test accuracy of one loss minus that of another, trained for as long as in the paper.

    Args:
        loss: One of the losses.
        base: What is subtracted.
        rate: One of :data:`RATES`.
        **how: Which number is read of each run, as for :class:`Select`.
    """
    words = {"paper": "the paper's learning rate", "equal": "equal steps"}[rate]
    return Contrast(
        f"{NAMES[loss]} minus {NAMES[base]}{' early on' if how else ''}, {words}, all training images, CNN2C "
        f"on {dataset_name(DATASET)}",
        Select({"rate": rate, "loss": loss}, **how),
        Select({"rate": rate, "loss": base}, **how),
        resolved=not how,
    )


def error(loss: str, base: str, rate: str, prefix: str = "") -> Contrast:
    """Calibration error of one loss minus that of another, the first perhaps corrected.

    Args:
        loss: One of the losses.
        base: What is subtracted.
        rate: One of :data:`RATES`.
        prefix: In front of the names of the first one's measures.
    """
    return Contrast(
        f"Calibration error of {NAMES[loss]}{', corrected,' if prefix else ''} minus that of {NAMES[base]}, "
        f"{RATES[rate]}",
        Select({"rate": rate, "loss": loss}, f"{prefix}ece"),
        Select({"rate": rate, "loss": base}, "ece"),
        unit=PLAIN,
        resolved=False,
    )


#: Not the paper's, which compares accuracies alone: what its loss does to probabilities.
WORSE_CALIBRATED = Claim(
    "calibration",
    "The probabilities of LGL-INR are further from the true frequencies than those of CE.",
    "not in the paper",
    "Expected calibration error on the test images, LGL-INR minus CE, paired by seed, at the paper's "
    "learning rate and at equal steps.",
    {"": Contrasts(CALIBRATION, [error("lgl_inr", "sml", rate) for rate in RATES])},
    Above(),
    (PAPER,),
    basis=basis,
)
