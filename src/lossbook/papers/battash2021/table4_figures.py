"""Drawing of Table 4 and Fig. 3: gains over CE, mean ranks, and gains set by set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from lossbook.evidence import ranking, stats, tables
from lossbook.pages import diagram, style
from lossbook.papers.battash2021.names import CE, CLASSIFIERS, EL, FOCAL, GRADUAL, NAMES
from lossbook.papers.battash2021.table4_scores import Study
from lossbook.papers.battash2021.table4_tables import friedman, pair_of, printed_gain, seeds_text, views

_MIXTURE = style.loss_style("ceel")
#: How the methods are drawn. The schedules of the mixture are told apart by colour, marker and dash.
STYLES = (
    style.loss_style("ce"),
    replace(_MIXTURE, name=NAMES[1], color="#9a4ff0", marker="<", dash=(0, (1.5, 1.2))),
    replace(_MIXTURE, name=NAMES[2], color="#d9468f", marker=">", dash=(0, (4, 1.5))),
    replace(_MIXTURE, name=NAMES[3], dash="-"),
    style.loss_style("el"),
    style.loss_style("focal"),
)
_SIZES = (3, 10, 30, 100, 300, 1000, 3000, 10_000)
# The mixtures differ from CE by tenths of a point, the others by points: each group has an axis of its own.
_GROUPS = (tuple(range(1, GRADUAL + 1)), (EL, FOCAL))


def gains(study: Study) -> Figure:
    """Draw the mean gain over CE of each method: the paper's, and ours with its 95% interval."""
    style.theme()
    read = study.read()
    figure = Figure(figsize=(5.0, 0.6 + 1.9 * len(read)), layout="constrained")
    axes = figure.subplots(len(read), 2, squeeze=False, sharex="col", width_ratios=(3, 2))
    for row, found in zip(axes, read, strict=True):
        each = ranking.mean_gains(100 * found.mean, CE)
        for ax, group in zip(row, _GROUPS, strict=True):
            ax.axvline(0, color=style.MUTED, linewidth=1)
            for y, j in enumerate(group):
                look, gain = STYLES[j], each[j]
                half = 0.0 if not gain.bounded else gain.half
                ax.errorbar(gain.mean, y + 0.12, xerr=half, color=look.color, marker=look.marker, capsize=3)
                paper = printed_gain(found.classifier, j)
                ax.plot(paper, y - 0.2, marker="D", markersize=6, color=style.INK, fillstyle="none")
            ax.set_yticks(range(len(group)), [NAMES[j] for j in group])
            ax.set_ylim(len(group) - 0.5, -0.5)
            ax.grid(axis="y", visible=False)
        row[0].set_title(CLASSIFIERS[found.classifier])
    axes[-1][0].set_xlabel("gain over CE, points")
    axes[-1][1].set_xlabel("gain, points")
    first = axes[0][0]
    (paper_mark,) = first.plot(
        [], [], "D", color=style.INK, fillstyle="none", markersize=6, label="the paper"
    )
    ours = first.errorbar(
        [], [], xerr=[], color=style.MUTED, marker="o", capsize=3, label="ours, 95% interval"
    )
    figure.legend(handles=[paper_mark, ours], loc="outside upper center", ncols=2)
    return figure


def gains_alt(study: Study) -> str:
    """Return the gains over CE in words and numbers."""
    parts = []
    for found in study.read():
        each = ranking.mean_gains(100 * found.mean, CE)
        said = "; ".join(
            f"{NAMES[j]} {tables.signed(each[j].mean)} ± {each[j].half:.2f}, the paper "
            f"{tables.signed(printed_gain(found.classifier, j))}"
            for group in _GROUPS
            for j in group
        )
        parts.append(f"{CLASSIFIERS[found.classifier]}: {said}.")
    return "Mean gain in accuracy over CE, in points. " + " ".join(parts).replace(" ± nan", "")


def published_diagrams(study: Study) -> list[diagram.Diagram]:
    """Return Fig. 3: mid-ranks for each classifier and seed, grouped by Conover's test as the paper did."""
    return [
        diagram.Diagram(
            f"{CLASSIFIERS[found.classifier]}, {title}",
            middle := ranking.ranks(values).mean(axis=0).tolist(),
            ranking.groups(middle, ranking.conover(values), stats.LEVEL),
        )
        for found in study.read()
        for title, values in list(views(found))[1:]
        if friedman(values) is not None
    ]


def mean_diagrams(study: Study) -> list[diagram.Diagram]:
    """Return the same on accuracies averaged over seeds, grouped by Wilcoxon's test and Holm's method."""
    return [
        diagram.Diagram(
            f"{CLASSIFIERS[found.classifier]}, mean of {seeds_text(found)}",
            middle := ranking.ranks(found.mean).mean(axis=0).tolist(),
            ranking.groups(middle, ranking.wilcoxon(found.mean), stats.LEVEL),
        )
        for found in study.read()
        if friedman(found.mean) is not None
    ]


def draw(diagrams: Sequence[diagram.Diagram]) -> Figure:
    """Draw critical-difference diagrams of the six methods."""
    return diagram.critical_difference(diagrams, NAMES, STYLES)


def diagrams_alt(diagrams: Sequence[diagram.Diagram]) -> str:
    """Return critical-difference diagrams in words and numbers."""
    return " ".join(diagram.describe(each, NAMES) for each in diagrams)


def gains_by_size(study: Study) -> Figure:
    """Draw the gain of the gradual mixture over CE, one point per data set, by size of the test part.

    The curves are 1.96 standard errors of the difference of two independent accuracies of 80% on that many
    test examples. The two methods share a test part, so their difference varies less than that.
    """
    style.theme()
    read = study.read()
    figure = Figure(figsize=(5.0, 3.1), layout="constrained")
    axes = figure.subplots(1, len(read), squeeze=False)[0]
    look = STYLES[GRADUAL]
    for ax, found in zip(axes, read, strict=True):
        gain = 100 * (found.mean[:, GRADUAL] - found.mean[:, CE])
        ax.axhline(0, color=style.MUTED, linewidth=1)
        known = np.isfinite(found.test_sizes)
        if known.any():
            sizes = found.test_sizes[known]
            marks = {"linestyle": "none", "marker": look.marker, "markersize": 4.5, "alpha": 0.65}
            ax.plot(sizes, gain[known], color=look.color, **marks)
            _limits(ax, sizes)
        ax.set_yscale("symlog", linthresh=1)
        largest = max(1.0, float(np.abs(gain).max()))
        ax.set_ylim(-1.6 * largest, 1.6 * largest)
        ticks = [tick for tick in (-30, -10, -3, -1, 0, 1, 3, 10, 30) if abs(tick) <= 1.6 * largest]
        ax.set_yticks(ticks, [str(tick).replace("-", "−") for tick in ticks])
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set(title=CLASSIFIERS[found.classifier], xlabel="test examples")
    axes[0].set_ylabel("gain over CE, points")
    return figure


def _limits(ax: Axes, sizes: np.ndarray) -> None:
    """What a test part of a size resolves, as dashed curves, and ticks at powers of ten."""
    grid = np.geomspace(sizes.min(), sizes.max(), 100)
    limit = np.array([100 * stats.resolution(0.8, int(size)) for size in grid])
    for sign in (1, -1):
        ax.plot(grid, sign * limit, color=style.INK, linewidth=1, linestyle="--")
    ax.set_xscale("log")
    ax.xaxis.set_minor_formatter(NullFormatter())
    # The two panels are narrow: thirds of decades only where there are few decades.
    inside = [mark for mark in _SIZES if sizes.min() <= mark <= sizes.max()]
    marks = inside[-3:] if len(inside) < 4 else [m for m in inside if math.log10(m) % 1 == 0]
    ax.set_xticks(marks, [str(mark) for mark in marks])


def gains_by_size_alt(study: Study) -> str:
    """Return what the plots of gains by size show, in words and numbers."""
    parts = []
    for found in study.read():
        gain = 100 * (found.mean[:, GRADUAL] - found.mean[:, CE])
        pair = pair_of(ranking.wilcoxon(found.mean), GRADUAL, CE)
        low, high = int(gain.argmin()), int(gain.argmax())
        parts.append(
            f"{CLASSIFIERS[found.classifier]}: the mixture is more accurate on {pair.better} data sets, "
            f"equal on {pair.equal}, less accurate on {pair.worse}; gains from {tables.signed(gain[low])} "
            f"points ({found.datasets[low]}) to {tables.signed(gain[high])} ({found.datasets[high]})."
        )
    return (
        f"{NAMES[GRADUAL]} minus CE against the number of test examples, one point for each data set. "
        + " ".join(parts)
    )
