"""Multi-modality neglect in li2020: the hardest wrong class and the others, during training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lossbook import datasets
from lossbook.report import figures, stats, tables
from lossbook.report.evidence import Evidence
from lossbook.report.li2020 import DRAWN, NAMES, RATES
from lossbook.report.tables import Runs
from lossbook.results import Record
from lossbook.training.measures.modality import SIMILAR

MODALITY = "li2020/modality"
LOSSES = ("sml", "lgl", "lgl_inr")
#: The class whose balance is shown: the shirt.
TARGET = 6
CLASSES = 10
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


def _groups(evidence: Evidence, profile: str, rate: str) -> dict[str, list[Record]]:
    found = {DRAWN[loss]: list(runs(evidence, profile, rate, loss).records) for loss in LOSSES}
    return {name: records for name, records in found.items() if records}


# --- the hardest wrong class and the others -----------------------------------------------------------------


def hardest_figure(evidence: Evidence, profile: str, rate: str) -> Figure:
    """Draw by epoch the mean probability of the hardest wrong class of an image, and of the others."""
    panels = [
        figures.Panel(f"{part}_{name}", f"{title}, {images}", scale=scale)
        for part, images in (("train", "training"), ("test", "test"))
        for name, title, scale in (("hardest", "Hardest", "linear"), ("rest", "Others", "log"))
    ]
    return figures.curves(_groups(evidence, profile, rate), panels)


def hardest_alt(evidence: Evidence, profile: str, rate: str) -> str:
    """Return what the figure shows, in words and numbers."""
    parts = []
    for loss in LOSSES:
        mine = runs(evidence, profile, rate, loss)
        hardest, rest = (_mean(mine, f"test_{name}") for name in ("hardest", "rest"))
        parts.append(f"{NAMES[loss]} {hardest:.3f} and {rest:.4f}")
    return (
        "Mean probability of the hardest wrong class and of the other wrong classes by epoch, on training "
        f"and on test images, one line per loss, at {RATES[rate]}. On test images at the end: "
        f"{'; '.join(parts)}."
    )


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


# --- one class ----------------------------------------------------------------------------------------------


def target_figure(evidence: Evidence, profile: str, rate: str) -> Figure:
    """Draw by epoch the mean probability of the target class on test images of it, of similar and other ones.

    The last panel is the mean area under the ROC curve over the pairs of similar classes.
    """
    names = class_names(evidence, profile)
    target = names[TARGET]
    panels = [
        figures.Panel(f"test_probability/{j}/{TARGET}", f"p({target}) on {names[j]}")
        for j in (TARGET, *(j for j in SIMILAR if j != TARGET))
    ]
    panels.append(figures.Panel(f"test_probability/{_OTHER}/{TARGET}", f"p({target}) on the six others"))
    panels.append(figures.Panel("test_similar_auc", "Area under ROC, similar"))
    return figures.curves(_groups(evidence, profile, rate), panels)


def target_alt(evidence: Evidence, profile: str, rate: str) -> str:
    """Return what the figure shows, in words and numbers."""
    names = class_names(evidence, profile)
    parts = []
    for loss in LOSSES:
        mine = runs(evidence, profile, rate, loss)
        each = [f"{names[j]} {_mean(mine, f'test_probability/{j}/{TARGET}'):.2f}" for j in SIMILAR]
        others = _mean(mine, f"test_probability/{_OTHER}/{TARGET}")
        area = _mean(mine, "test_similar_auc")
        parts.append(f"{NAMES[loss]}: {', '.join(each)}, others {others:.3f}; area {area:.3f}")
    return (
        f"Mean probability of the class {names[TARGET]} on test images of different classes by epoch, one "
        "panel a class and one line per loss, and the mean area under the ROC curve over pairs of similar "
        f"classes, at {RATES[rate]}. At the end: {'. '.join(parts)}."
    )


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


# --- what it does to the predictions ------------------------------------------------------------------------


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
        frame.insert(6, "Area, similar, minus LGL", pd.Series(differences, dtype=object))
        frame.insert(7, "p (Holm)", pd.Series(p_values, dtype=object))
    return frame, tables.notes(used)


# --- what it means ------------------------------------------------------------------------------------------


def meaning(evidence: Evidence, profile: str) -> list[str]:
    """Return what the runs of a profile say of the claims, sentence by sentence."""
    return [
        said
        for said in (
            _share_sentence(evidence, profile),
            *(_comparison(evidence, profile, rate) for rate in RATES),
            _agreement(evidence, profile),
        )
        if said
    ]


def _share_sentence(evidence: Evidence, profile: str) -> str:
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
        f"**Who fills the balance.** Of the probability of {names[TARGET]} that is given to other classes' "
        f"training images, the three similar classes have with {'; with '.join(parts)}. If all nine were "
        f"alike, it would be {even:.0f}%."
    )


def comparisons(evidence: Evidence, profile: str, rate: str) -> Mapping[str, stats.PairedDifference]:
    """Return for SML and LGL-INR the difference to LGL in the area of similar classes, paired by seed."""
    base = runs(evidence, profile, rate, "lgl")
    found = {
        loss: tables.difference(runs(evidence, profile, rate, loss), base, "test_similar_auc")
        for loss in ("sml", "lgl_inr")
    }
    return {loss: d for loss, d in found.items() if d is not None}


def _comparison(evidence: Evidence, profile: str, rate: str) -> str:
    parts = []
    for loss, d in comparisons(evidence, profile, rate).items():
        accuracy = tables.difference(
            runs(evidence, profile, rate, loss), runs(evidence, profile, rate, "lgl"), "similar_accuracy"
        )
        said = f"{NAMES[loss]} {tables.signed(d.mean, 4)}{_interval(d, 1, 4)}"
        if accuracy is not None:
            points = tables.signed(100 * accuracy.mean)
            said += f", and in accuracy on them {points} points{_interval(accuracy, 100, 2)}"
        parts.append(said)
    if not parts:
        return ""
    return f"**At {RATES[rate]}**, area of similar classes against LGL: {'; '.join(parts)}."


def _interval(d: stats.PairedDifference, scale: float, digits: int) -> str:
    if d.half != d.half:
        return ""
    low, high = (tables.signed(scale * bound, digits) for bound in (d.low, d.high))
    return f" (95% interval {low} to {high}{', zero among them' if d.low <= 0 <= d.high else ''})"


def _agreement(evidence: Evidence, profile: str) -> str:
    """Whether the lead over LGL is the same at the paper's rate and at equal steps."""
    leads = {rate: comparisons(evidence, profile, rate).get("lgl_inr") for rate in RATES}
    paper, equal = leads["paper"], leads["equal"]
    if paper is None or equal is None:
        return ""
    if paper.mean <= 0:
        return (
            "LGL-INR tells similar classes apart no better than LGL at the paper's learning rate, in the "
            "mean over seeds."
        )
    if paper.half == paper.half and paper.low <= 0:
        return "LGL-INR's lead over LGL at the paper's learning rate cannot be told from zero."
    if equal.half == equal.half and equal.low <= 0 <= equal.high:
        if equal.high >= paper.mean:
            return (
                "These runs do not tell how much of LGL-INR's lead over LGL at the paper's learning rate is "
                "left at equal steps: both nothing and all of it lie within the interval."
            )
        return (
            "Of LGL-INR's lead over LGL at the paper's learning rate, nothing that can be told from zero is "
            "left at equal steps. As far as these runs show, the lead is that of longer steps."
        )
    left = equal.mean / paper.mean
    said = (
        f"Of LGL-INR's lead over LGL at the paper's learning rate, {100 * left:.0f}% "
        f"{'is' if left >= 0 else '(a lead of LGL) is'} left at equal steps."
    )
    if left > 0 and equal.low > 0:
        said += " So longer steps do not explain all of it."
    return said
