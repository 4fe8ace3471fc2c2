"""Fig. 1 of li2020: which classes the networks of Table 3 confuse, and what their probabilities are worth."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lossbook import datasets
from lossbook.report import stats, style, tables
from lossbook.report.evidence import Evidence
from lossbook.report.li2020 import NAMES, dataset_name, runs
from lossbook.report.tables import Runs

LOSSES = ("lgl", "sml", "lgl_inr")
NETWORK = "cnn2c"
PAPER_DATASET = "kmnist"
_PREFERRED = (PAPER_DATASET, "fashion_mnist", "mnist")


@dataclass(frozen=True)
class Shown:
    """The runs that stand for the paper's Fig. 1.

    Attributes:
        profile: Their profile.
        dataset: Their data set, as labelled.
        runs: By loss.
        classes: Names of the classes.
    """

    profile: str
    dataset: str
    runs: dict[str, Runs]
    classes: tuple[str, ...]

    @property
    def title(self) -> str:
        """The data set's title; where the runs were made on another, that too."""
        return dataset_name(self.dataset, self.runs[LOSSES[0]].records)

    @property
    def on_the_papers_data(self) -> bool:
        """Whether the data set is that of the paper's figure."""
        return self.dataset == PAPER_DATASET


def choose(evidence: Evidence) -> Shown | None:
    """Return the best runs there are of all three losses: KMNIST's, else another set's; None without any.

    Only seeds that every loss was run with count, so that the losses are compared on the same.
    """
    for profile in evidence.by_profile:
        for dataset in _PREFERRED:
            found = {
                loss: runs(evidence, profile, dataset=dataset, network=NETWORK, loss=loss) for loss in LOSSES
            }
            common = set.intersection(*(set(each.values("count/0/0")) for each in found.values()))
            if common:
                kept = {
                    loss: Runs(tuple(r for r in each.records if r.seed in common))
                    for loss, each in found.items()
                }
                names = datasets.info(kept[LOSSES[0]].records[0].config["dataset"]).class_names
                return Shown(profile, dataset, kept, names)
    return None


def confusion(shown: Shown, loss: str) -> np.ndarray:
    """Return the mean over seeds of how many images of each class (row) are predicted as each (column)."""
    each = [r.metrics["count"] for r in shown.runs[loss].records]
    return np.asarray(each, dtype=float).mean(axis=0)


def confusion_figure(shown: Shown) -> Figure:
    """Draw the confusion matrices of the three losses, mistakes only, in one scale."""
    figure = Figure(figsize=(6.0, 2.9), layout="constrained")
    axes = figure.subplots(1, len(LOSSES), sharey=True)
    matrices = {loss: confusion(shown, loss) for loss in LOSSES}
    k = len(shown.classes)
    off = ~np.eye(k, dtype=bool)
    top = max(float(m[off].max()) for m in matrices.values())
    look = mpl.colormaps["viridis"].with_extremes(bad=style.GRID)
    for ax, (loss, matrix) in zip(axes, matrices.items(), strict=True):
        mistakes = np.ma.masked_where(~off, matrix)
        image = ax.imshow(mistakes, cmap=look, vmin=0, vmax=max(top, 1.0))
        right = matrix.trace() / matrix.sum()
        ax.set_title(f"{NAMES[loss]} {100 * right:.2f}%")
        ax.set_xticks(range(0, k, 3))
        ax.set_yticks(range(k))
        ax.grid(visible=False)
        ax.set_xlabel("predicted")
    axes[0].set_ylabel("class")
    figure.colorbar(image, ax=list(axes), label="images", shrink=0.75)
    return figure


def confusion_alt(shown: Shown) -> str:
    """Return what the figure shows, in words and numbers."""
    parts = []
    for loss in LOSSES:
        matrix = confusion(shown, loss)
        pairs = _hardest(matrix)[:3]
        said = ", ".join(f"{shown.classes[i]} as {shown.classes[j]} {matrix[i, j]:.0f}" for i, j in pairs)
        parts.append(f"{NAMES[loss]}: {100 * matrix.trace() / matrix.sum():.2f}% right; {said}")
    return (
        f"Mistakes of {len(LOSSES)} losses on the test images of {shown.title}, a square a pair of classes. "
        f"Most frequent: {'. '.join(parts)}."
    )


def _hardest(matrix: np.ndarray) -> list[tuple[int, int]]:
    k = len(matrix)
    pairs = [(i, j) for i in range(k) for j in range(k) if i != j]
    return sorted(pairs, key=lambda pair: -matrix[pair])


def class_table(shown: Shown) -> tuple[pd.DataFrame, list[str]]:
    """Return, class by class, how many images are right, and the differences between the losses.

    The p-values are adjusted over all comparisons of the table.
    """
    k = len(shown.classes)
    metrics = [f"count/{i}/{i}" for i in range(k)]
    sizes = confusion(shown, LOSSES[0]).sum(axis=1)
    frame = pd.DataFrame(
        {
            "Class": [f"{i} {name}" for i, name in enumerate(shown.classes)],
            "Images": [f"{size:.0f}" for size in sizes],
            **{
                NAMES[loss]: [tables.mean_cell(shown.runs[loss], m, digits=1) for m in metrics]
                for loss in LOSSES
            },
        }
    )
    mine = shown.runs["lgl_inr"]
    for loss in ("lgl", "sml"):
        cells = [tables.difference_cells([(mine, shown.runs[loss])], m, digits=1)[0][0] for m in metrics]
        frame[f"LGL-INR minus {NAMES[loss]}"] = pd.Series(cells)
    better, sure, worse = wins(shown)
    notes = [
        f"LGL-INR is right more often than {NAMES[loss]} on {better[loss]} of {k} classes in the mean, and "
        f"on {sure[loss]} of them significantly: p below 0.05, adjusted by Holm's method over all {2 * k} "
        f"differences here. {_worse(worse[loss])}"
        for loss in ("lgl", "sml")
    ]
    return frame, [*notes, *tables.notes(shown.runs.values(), "count/0/0")]


def _worse(count: int) -> str:
    return f"On {count or 'none'} it is significantly behind."


def wins(shown: Shown) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Return on how many classes LGL-INR is ahead of LGL and of SML, and is ahead or behind significantly.

    "Significantly" is a p-value below 0.05 of the paired t test, adjusted by Holm's method over all classes
    and both comparisons.
    """
    better = dict.fromkeys(("lgl", "sml"), 0)
    sure = dict.fromkeys(("lgl", "sml"), 0)
    worse = dict.fromkeys(("lgl", "sml"), 0)
    found = []
    for loss in better:
        for i in range(len(shown.classes)):
            d = tables.difference(shown.runs["lgl_inr"], shown.runs[loss], f"count/{i}/{i}")
            if d is not None:
                found.append((loss, d))
                better[loss] += d.mean > 0
    adjusted = stats.holm([d.p for _, d in found])
    for (loss, d), p in zip(found, adjusted, strict=True):
        sure[loss] += d.mean > 0 and p < 0.05
        worse[loss] += d.mean < 0 and p < 0.05
    return better, sure, worse


def pairs_table(shown: Shown, count: int = 6) -> pd.DataFrame:
    """Return the pairs of classes that SML confuses most, and how often each loss confuses them."""
    rows = []
    for i, j in _hardest(confusion(shown, "sml"))[:count]:
        rows.append(
            {
                "Class": shown.classes[i],
                "Predicted": shown.classes[j],
                **{
                    NAMES[loss]: tables.mean_cell(shown.runs[loss], f"count/{i}/{j}", digits=1)
                    for loss in LOSSES
                },
            }
        )
    return pd.DataFrame(rows)


def probability_table(shown: Shown) -> tuple[pd.DataFrame, list[str]]:
    """Return calibration and mean probabilities of the correct, the hardest wrong and the other classes."""
    rows = []
    for loss in LOSSES:
        each = shown.runs[loss]
        rows.append(
            {
                "Loss": NAMES[loss],
                "Hardest wrong class": tables.mean_cell(each, "hardest", digits=3),
                "Other wrong classes": tables.mean_cell(each, "rest", digits=4),
                "Calibration error": tables.mean_cell(each, "ece", digits=4),
                "Test cross-entropy": tables.mean_cell(each, "test_ce", digits=3),
            }
        )
    return pd.DataFrame(rows), tables.notes(shown.runs.values(), "ece")
