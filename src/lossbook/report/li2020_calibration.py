"""Calibration of the losses of li2020: reliability diagrams, and what the design of LGL-INR explains."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lossbook.report import stats, style, tables
from lossbook.report.evidence import Evidence
from lossbook.report.li2020 import DRAWN, NAMES, RATES
from lossbook.report.tables import Runs
from lossbook.results import Record
from lossbook.training.measures.reliability import BINS

CALIBRATION = "li2020/calibration"
DATASET = "fashion_mnist"
LOSSES = ("sml", "lgl", "lgl_inr")
CLASSES = 10
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


# --- the diagram --------------------------------------------------------------------------------------------


def diagram(evidence: Evidence, profile: str, rate: str) -> Figure:
    """Draw how often a class is right against its predicted probability, one column a loss.

    Above the predicted class of each image, with bars for the share of the images in each bin; below all
    pairs of an image and a class. Points are means over seeds with the 95% interval for the images of one
    run.
    """
    figure = Figure(figsize=(6.0, 5.0), layout="constrained")
    axes = figure.subplots(len(_KINDS), len(LOSSES), sharex=True, sharey=True, squeeze=False)
    line = np.linspace(0, 1, 201)
    for down, (kind, words) in enumerate(_KINDS.items()):
        for across, loss in enumerate(LOSSES):
            ax = axes[down, across]
            runs = evidence.runs(profile, rate=rate, loss=loss)
            ax.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1)
            if loss == "lgl_inr":
                ax.plot(line, expected(line), color=style.MUTED, linewidth=1, linestyle=(0, (4, 2)))
                _points(ax, runs, f"{CORRECTED}{kind}", loss, hollow=True)
            _points(ax, runs, kind, loss, bars=kind == "top")
            ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
            ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
            if down == 0:
                ax.set_title(NAMES[loss])
            else:
                ax.set_xlabel("probability")
        axes[down, 0].set_ylabel(f"right, {words}")
    marks: dict[str, Any] = {"color": style.INK, "marker": "o", "linestyle": "none"}
    figure.legend(
        handles=[
            Line2D([], [], color=style.MUTED, linewidth=1, label="calibrated"),
            Line2D([], [], **marks, label="measured"),
            Line2D(
                [], [], color=style.MUTED, linewidth=1, linestyle=(0, (4, 2)), label="expected of LGL-INR"
            ),
            Line2D([], [], **marks, markerfacecolor="none", label="LGL-INR, corrected"),
        ],
        loc="outside upper center",
        ncols=2,
    )
    return figure


def _points(ax: Axes, runs: Runs, kind: str, loss: str, *, hollow: bool = False, bars: bool = False) -> None:
    records = [r for r in runs.records if f"{kind}_count" in r.metrics]
    if not records:
        return
    count, right, probability = (
        np.sum([_bins(r, f"{kind}_{name}") for r in records], axis=0) for name in _MEASURED
    )
    look = style.loss_style(DRAWN[loss])
    marker = "o" if hollow else look.marker
    if bars:
        edges = np.linspace(0, 1, BINS + 1)
        ax.bar(edges[:-1], count / count.sum(), width=1 / BINS, align="edge", color=style.GRID, linewidth=0)
    drawn = count >= LEAST * len(records)
    x, y = probability[drawn] / count[drawn], right[drawn] / count[drawn]
    # One run's images: those of other seeds are the same.
    sizes = np.rint(count[drawn] / len(records)).astype(int)
    intervals = np.array([stats.binomial_interval(p, int(n)) for p, n in zip(y, sizes, strict=True)])
    reach = np.abs(intervals.reshape(-1, 2) - y[:, None]).T
    ax.errorbar(
        x,
        y,
        yerr=reach,
        fmt=marker,
        color=look.color,
        markerfacecolor="none" if hollow else look.color,
        markersize=5.5 if marker == "*" else 4,
        elinewidth=1,
    )


def diagram_alt(evidence: Evidence, profile: str, rate: str) -> str:
    """Return what the figure shows, in words and numbers."""
    parts = [
        f"{row.name}: calibration error {_mean(row, 'ece'):.3f}, mean probability minus accuracy "
        f"{_mean(row, 'over'):+.3f}"
        for row in rows(evidence, profile, rate)
    ]
    return (
        "How often a class is right against its predicted probability, for the predicted class above and for "
        f"all classes below, one column a loss, at {RATES[rate]}. {'. '.join(parts)}."
    )


def _mean(row: Row, metric: str) -> float:
    return stats.mean_interval(row.runs.values(row.prefix + metric).values()).mean


# --- the table ----------------------------------------------------------------------------------------------

_COLUMNS = (
    ("Confidence minus accuracy", "over"),
    ("ECE", "ece"),
    ("Of chance", "floor"),
    ("ECE, equal numbers", "ece_mass"),
    ("ECE, all classes", "ece_class"),
    ("Brier score", "brier"),
)


def table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the measures of calibration, and the differences of the error to SML's, paired by seed."""
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
        frame.insert(4, "ECE minus SML's", pd.Series(differences, dtype=object))
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


# --- what it means ------------------------------------------------------------------------------------------


def meaning(evidence: Evidence, profile: str) -> list[str]:
    """Return what the runs of a profile say, one paragraph for each way of comparing."""
    return [said for rate in RATES for said in _sentences(evidence, profile, rate)]


def _sentences(evidence: Evidence, profile: str, rate: str) -> Iterator[str]:
    by_name = {row.name: row for row in rows(evidence, profile, rate)}
    if not by_name:
        return
    errors = "; ".join(
        f"{name} {_mean(row, 'ece'):.4f}, {_direction(row)}"
        for name, row in by_name.items()
        if not row.prefix
    )
    said = f"**At {RATES[rate]}**, the calibration errors are: {errors}."
    plain, corrected = by_name.get(NAMES["lgl_inr"]), by_name.get(f"{NAMES['lgl_inr']}, corrected")
    if plain is not None and corrected is not None:
        before, after = _mean(plain, "ece"), _mean(corrected, "ece")
        said += (
            f" With its odds divided by {CLASSES - 1}, LGL-INR's error goes from {before:.4f} to {after:.4f}"
        )
        if after < before:
            said += f": the shift takes {100 * (1 - after / before):.0f}% of it away"
        said += "."
    yield said


def _direction(row: Row) -> str:
    over = stats.mean_interval(row.runs.values(row.prefix + "over").values())
    accuracy = _mean(replace(row, prefix=""), "test_accuracy")
    size = min(r.provenance["test_size"] for r in row.runs.records)
    low, high = stats.binomial_interval(accuracy, size)
    if low <= accuracy + over.mean <= high:
        return "on the whole neither too sure nor too unsure"
    doubt = ", with zero within the interval over seeds" if over.low <= 0 <= over.high else ""
    return f"on the whole too {'sure' if over.mean > 0 else 'unsure'}, by {abs(over.mean):.4f}{doubt}"
