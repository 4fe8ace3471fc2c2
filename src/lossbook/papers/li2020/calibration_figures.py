"""Drawing of the page on calibration: reliability diagrams."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lossbook.evidence import stats
from lossbook.evidence.select import Evidence
from lossbook.evidence.tables import Runs
from lossbook.pages import style
from lossbook.papers.li2020.calibration import (
    _KINDS,
    _MEASURED,
    CORRECTED,
    LEAST,
    _bins,
    _mean,
    expected,
    rows,
)
from lossbook.papers.li2020.names import DRAWN, LOSSES, NAMES, RATES
from lossbook.training.measures.reliability import BINS


def diagram(evidence: Evidence, profile: str, rate: str) -> Figure:
    """Draw how often a class is right against its predicted probability, one column per loss.

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
                [], [], color=style.MUTED, linewidth=1, linestyle=(0, (4, 2)), label="expected for LGL-INR"
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
    counted = (np.rint(each[drawn] / len(records)).astype(int).tolist() for each in (right, count))
    intervals = np.array([stats.binomial_interval(*each) for each in zip(*counted, strict=True)])
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
        f"all classes below, one column per loss, at {RATES[rate]}. {'. '.join(parts)}."
    )
