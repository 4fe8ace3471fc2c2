"""Multi-modality neglect: the hardest wrong class and the others during training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lossbook import datasets
from lossbook.evidence import stats, tables
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import PLAIN, Contrast, Contrasts, Select
from lossbook.evidence.rules import Above
from lossbook.evidence.select import Evidence
from lossbook.evidence.tables import Runs
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.li2020.balance import at_both_rates
from lossbook.papers.li2020.names import CLASSES, LONG_ENOUGH, LOSSES, MODALITY, NAMES, RATES, basis
from lossbook.papers.li2020.protocol import DIGITS, by_name
from lossbook.results import Record
from lossbook.training.measures.modality import SIMILAR


def _cells(**changes: Any) -> tuple[Cell, ...]:
    return at_both_rates(changes, epoch_measures="modality")


EXPERIMENT = Experiment(
    name=MODALITY,
    title="Multi-modality neglect: the hardest wrong class and the others during training",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's protocol on Fashion-MNIST, and the same at equal steps",
            _cells(),
            seeds=5,
        ),
        Profile(
            "subset",
            "12,000 images of Fashion-MNIST for 10 epochs, 5,000 test images",
            _cells(train_size=12_000, test_size=5000, epochs=10),
            seeds=3,
        ),
        Profile(
            "quick",
            "1,000 images of Fashion-MNIST for 3 epochs, 500 test images",
            _cells(train_size=1000, test_size=500, epochs=3),
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

#: The class whose balance is shown: the shirt.
TARGET = 6

_UNLIKE = CLASSES - len(SIMILAR)

_OTHER = CLASSES  # the row of the classes that are not similar

Values = Callable[[str], np.ndarray]


def derived(evidence: Evidence) -> Evidence:
    """Return the records with what this page derives of their measures, as further curves and metrics.

    For ``train`` and ``test`` in front: ``similar_auc`` and ``other_auc``, means over the similar classes and
    their pairs; ``class_ratio``, the hardest class over the mean of the others; ``target_lacking`` and
    ``target_received``, both sides of Eq. 10 for the target class; ``target_others`` and
    ``target_similar_share``, what it receives from the classes that are not similar, and which part from
    those that are. ``similar_accuracy`` is the share of test images of the similar classes that are right,
    ``similar_confusions`` how many of a hundred of them are taken for another similar class.
    """
    return replace(
        evidence, by_profile={p: [_derive(r) for r in found] for p, found in evidence.by_profile.items()}
    )


def _derive(record: Record) -> Record:
    curves = dict(record.curves)
    for part in ("train", "test"):
        curves |= {f"{part}_{name}": _plain(values) for name, values in _of_part(record, part).items()}
    metrics = dict(record.metrics)
    metrics |= {name: values[-1] for name, values in curves.items() if values}
    if "count" in metrics:
        counts = np.array([metrics["count"][i] for i in SIMILAR], dtype=float)
        right = np.array([counts[row, k] for row, k in enumerate(SIMILAR)])
        metrics["similar_accuracy"] = float(right.sum() / counts.sum())
        within = counts[:, list(SIMILAR)].sum() - right.sum()
        metrics["similar_confusions"] = float(100 * within / counts.sum())
    return replace(record, curves=curves, metrics=metrics)


def _of_part(record: Record, part: str) -> dict[str, np.ndarray]:
    def values(name: str) -> np.ndarray:
        return np.array(record.curve(f"{part}_{name}"), dtype=float)

    pairs = [(j, k) for k in SIMILAR for j in SIMILAR if j != k]
    similar = sum(values(f"probability/{j}/{TARGET}") for j in SIMILAR if j != TARGET)
    others = _UNLIKE * values(f"probability/{_OTHER}/{TARGET}")
    return {
        "similar_auc": np.mean([values(f"auc/{j}/{k}") for j, k in pairs], axis=0),
        "other_auc": np.mean([values(f"auc/{_OTHER}/{k}") for k in SIMILAR], axis=0),
        "class_ratio": values("hardest_class") / values("other_classes"),
        "target_lacking": 1 - values(f"probability/{TARGET}/{TARGET}"),
        "target_others": others,
        "target_received": similar + others,
        "target_similar_share": similar / (similar + others),
    }


def _plain(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def runs(evidence: Evidence, profile: str, rate: str, loss: str) -> Runs:
    """Return the runs of one loss at one way of comparing."""
    return evidence.runs(profile, rate=rate, loss=loss)


def class_names(evidence: Evidence, profile: str) -> tuple[str, ...]:
    """Return the names of the classes that the runs of a profile were made on."""
    record = evidence.by_profile[profile][0]
    return datasets.info(record.config["dataset"]).class_names


def _mean(mine: Runs, metric: str) -> float:
    values = list(mine.values(metric).values())
    return stats.mean_interval(values).mean if values else float("nan")


def levels_table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the mean probabilities at the end: by image, and by class as the weights of LGL-INR see them."""
    rows, used = [], []
    for rate in RATES:
        for loss in LOSSES:
            mine = runs(evidence, profile, rate, loss)
            if not mine.records:
                continue
            used.append(mine)
            row: dict[str, object] = {"Compared at": RATES[rate], "Loss": NAMES[loss]}
            for name, metric, digits in (
                ("Hardest of an image", "hardest", 3),
                ("Others", "rest", 4),
                ("Hardest class", "hardest_class", 3),
                ("Other classes", "other_classes", 4),
            ):
                row[name] = tables.mean_cell(mine, f"train_{metric}", digits=digits)
            row["Ratio of the classes"] = tables.mean_cell(mine, "train_class_ratio", digits=1)
            rows.append(row)
    return pd.DataFrame(rows), tables.notes(used)


def balance_table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the balance of the target class on training images: what it lacks, and receives of whom."""
    names = class_names(evidence, profile)
    rows, used = [], []
    for rate in RATES:
        for loss in LOSSES:
            mine = runs(evidence, profile, rate, loss)
            if not mine.records:
                continue
            used.append(mine)
            row: dict[str, object] = {"Compared at": RATES[rate], "Loss": NAMES[loss]}
            row["Lacks"] = tables.mean_cell(mine, "train_target_lacking", digits=3)
            for j in SIMILAR:
                if j != TARGET:
                    metric = f"train_probability/{j}/{TARGET}"
                    row[f"From {names[j]}"] = tables.mean_cell(mine, metric, digits=3)
            row["From six others"] = tables.mean_cell(mine, "train_target_others", digits=3)
            row["Receives"] = tables.mean_cell(mine, "train_target_received", digits=3)
            row["Similar classes' share, %"] = tables.mean_cell(
                mine, "train_target_similar_share", percent=True, digits=1
            )
            rows.append(row)
    return pd.DataFrame(rows), tables.notes(used)


def outcome_table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return what the neglect should show in: similar classes told apart, and the others."""
    rows, pairs, used = [], [], []
    for rate in RATES:
        base = runs(evidence, profile, rate, "lgl")
        for loss in LOSSES:
            mine = runs(evidence, profile, rate, loss)
            if not mine.records:
                continue
            used.append(mine)
            pairs.append((mine, base) if loss != "lgl" and base.records else None)
            rows.append(
                {
                    "Compared at": RATES[rate],
                    "Loss": NAMES[loss],
                    "Accuracy, %": tables.mean_cell(mine, "test_accuracy", percent=True),
                    "Similar classes, %": tables.mean_cell(mine, "similar_accuracy", percent=True),
                    "Taken for a similar one, %": tables.mean_cell(mine, "similar_confusions"),
                    "Area, similar": tables.mean_cell(mine, "test_similar_auc", digits=4),
                    "Area, others": tables.mean_cell(mine, "test_other_auc", digits=4),
                }
            )
    frame = pd.DataFrame(rows)
    if not frame.empty:
        differences, p_values = tables.difference_cells(pairs, "test_similar_auc", digits=4)
        frame.insert(6, "Area, similar, minus LR", pd.Series(differences, dtype=object))
        frame.insert(7, "p (Holm)", pd.Series(p_values, dtype=object))
    return frame, tables.notes(used)


def share(evidence: Evidence, profile: str) -> str:
    names = class_names(evidence, profile)
    parts = []
    for loss in ("lgl", "sml"):
        found = {
            rate: _mean(runs(evidence, profile, rate, loss), "train_target_similar_share") for rate in RATES
        }
        said = [f"{100 * share:.0f}% at {RATES[rate]}" for rate, share in found.items() if share == share]
        if said:
            parts.append(f"{NAMES[loss]} {' and '.join(said)}")
    if not parts:
        return ""
    even = 100 * (len(SIMILAR) - 1) / (CLASSES - 1)
    return (
        f"**Where the probability goes.** Of the probability of {names[TARGET]} that is assigned to training "
        f"images of other classes, the three similar classes account for: {'; '.join(parts)}. If all nine "
        f"classes were alike, it would be {even:.0f}%."
    )


def similar_area(record: Record) -> float | None:
    """Area under the ROC curve on test images after the last epoch, mean over the pairs of similar
    classes."""
    areas = _of_part(record, "test")["similar_auc"]
    return float(areas[-1]) if areas.size and np.isfinite(areas[-1]) else None


def lead(loss: str, rate: str) -> Contrast:
    """How much better a loss tells similar classes apart than LR."""
    return Contrast(
        f"{NAMES[loss]} minus LR, area of similar classes at {RATES[rate]}",
        Select({"rate": rate, "loss": loss}, value=similar_area),
        Select({"rate": rate, "loss": "lgl"}, value=similar_area),
        unit=PLAIN,
        resolved=False,
    )


NEGLECT = Claim(
    "neglect",
    "Networks trained with LR tell similar classes apart less well than those trained with CE or LGL-INR.",
    "Multi-modality Neglect Problem; Predictive Results; Further Analysis",
    "The area under the ROC curve between similar classes (four garments, test images), that of CE and of "
    "LGL-INR minus that of LR, paired by seed, at the paper's learning rate and at equal steps. Runs of the "
    "profiles paper and subset decide.",
    {"": Contrasts(MODALITY, [lead(loss, rate) for rate in RATES for loss in ("sml", "lgl_inr")])},
    Above(),
    LONG_ENOUGH,
    more=lambda _: (
        "A lead that vanishes at equal steps comes from step size. LR and LGL-INR are read by one sigmoid "
        "per class; the softmax of CE depends on all logits, which may be a part of its difference from the "
        "two.",
    ),
    basis=basis,
)
