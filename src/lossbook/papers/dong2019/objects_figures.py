"""Drawings of the experiments on objects: distraction by step, the gap by number of classes, accuracies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from lossbook.evidence.contrasts import Difference
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.pages import style
from lossbook.papers.dong2019 import classes, fig1, fig2, fig5
from lossbook.papers.dong2019.names import ONE, RATES, USUAL, named

Variant = tuple[str, str]
#: Of a curve by step; more would only make the drawing heavy.
POINTS = 300


def look(loss: str, start: str = USUAL) -> style.LossStyle:
    """The look of a loss; with other biases at the start it keeps its colour, and its line is solid."""
    usual = style.loss_style(loss)
    if start == USUAL:
        return usual
    return style.LossStyle(named(loss, start), usual.color, "D", "-")


def legend(figure: Figure, variants: Sequence[Variant], columns: int = 4) -> None:
    """One legend above the panels.

    Args:
        figure: The figure.
        variants: Losses and starts, in order.
        columns: Entries side by side.
    """
    handles = []
    for variant in variants:
        each = look(*variant)
        handles += figure.axes[0].plot([], [], **each.line(), marker=each.marker)
    figure.legend(handles=handles, loc="outside upper center", ncols=min(columns, len(handles)))


# --- Fig. 2 -------------------------------------------------------------------------------------------------


def distraction(shown: fig2.Shown) -> Figure:
    """Whole loss, positive part, negative part and gradient ratio by step; bands from lowest to highest seed.

    Both axes are logarithmic: what is asked for happens in the first steps. Steps that would fall on one
    pixel are drawn as one.

    Args:
        shown: The runs.
    """
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes = figure.subplots(2, 2).flatten()
    variants = [each for each in fig2.VARIANTS if each in shown.runs]
    for ax, (part, title) in zip(axes, fig2.PARTS.items(), strict=True):
        if part == "ratio":
            ax.axhline(1, color=style.MUTED, linewidth=0.9)
        for variant in variants:
            steps, mean, low, high = thinned(*fig2.means(shown.runs[variant], part))
            each = look(*variant)
            ax.plot(steps, mean, **{**each.line(), "linewidth": 1.3})
            if len(shown.runs[variant].records) > 1:
                ax.fill_between(steps, low, high, color=each.color, alpha=0.2, linewidth=0)
        ax.set_xscale("log")
        ax.set_yscale("log")
        low_end, high_end = ax.get_ylim()
        # Within two decades powers of ten alone would be too few labels.
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high_end < 100 * low_end else (1.0,)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_minor_locator(NullLocator())
        ax.set_title(title)
    for ax in axes[2:]:
        ax.set_xlabel("step")
    legend(figure, variants, 2)
    return figure


def thinned(mean: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, ...]:
    """Put steps together that a logarithmic axis shows at one place.

    Args:
        mean: By step.
        low: The lower end of the band.
        high: The upper end.

    Returns:
        The steps to draw at, from 1, and the mean, lowest and highest there; at most :data:`POINTS`.
    """
    first = np.unique(np.geomspace(1, len(mean) + 1, POINTS + 1)[:-1].astype(int)) - 1
    last = np.append(first[1:], len(mean))
    means = np.add.reduceat(mean, first) / (last - first)
    return (
        np.sqrt((first + 1.0) * last),
        means,
        np.minimum.reduceat(low, first),
        np.maximum.reduceat(high, first),
    )


# --- gap by number of classes -------------------------------------------------------------------------------


def gaps(trends: Sequence[tuple[str, classes.Trend]]) -> Figure:
    """CE minus each loss against the number of classes, with 95% intervals; a panel per data set.

    Args:
        trends: What is at one rate for all, and LR at its own.
    """
    sets = list(dict.fromkeys(each.dataset for _, each in trends))
    figure = Figure(figsize=(6.4, 3.2 + 0.4), layout="constrained")
    axes = figure.subplots(1, len(sets), squeeze=False).flatten()
    drawn: dict[Variant, None] = {}
    for ax, dataset in zip(axes, sets, strict=True):
        ax.axhline(0, color=style.MUTED, linewidth=0.9)
        mine = [each for name, each in trends if each.dataset == dataset and name == RATES[ONE]]
        every = sorted({count for each in mine for count in each.gaps})
        for place, each in enumerate(mine):
            drawn[each.variant] = None
            _gap(ax, each, 1.04 ** (place - len(mine) / 2))
        ax.set_xscale("log")
        ax.set_xticks(every, [str(count) for count in every])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xlabel("classes")
        ax.set_title(dataset_name(dataset).partition(",")[0])
    axes[0].set_ylabel("CE minus loss, points")
    legend(figure, list(drawn), 2)
    return figure


def _gap(ax: Axes, trend: classes.Trend, shift: float) -> None:
    each = look(*trend.variant)
    x = np.array(list(trend.gaps)) * shift
    intervals = [gap.interval for gap in trend.gaps.values()]
    mean = 100 * np.array([interval.mean for interval in intervals])
    half = [100 * i.half if i.bounded else 0.0 for i in intervals]
    ax.errorbar(x, mean, yerr=half, **{**each.line(), "linewidth": 1.3}, marker=each.marker, capsize=2.5)


# --- Table 1 ------------------------------------------------------------------------------------------------


def differences(rows: Mapping[str, Sequence[tuple[Variant, Difference]]], baseline: str) -> Figure:
    """Differences with their intervals, a panel per data set; where the paper has one, a hollow diamond.

    Args:
        rows: Panel title -> loss and start, and the difference.
        baseline: What they are differences from.
    """
    places = {
        variant: -at
        for at, variant in enumerate(dict.fromkeys(v for found in rows.values() for v, _ in found))
    }
    figure = Figure(figsize=(6.4, 0.34 * len(places) + 1.1), layout="constrained")
    axes = figure.subplots(1, len(rows), squeeze=False, sharey=True).flatten()
    for ax, (title, found) in zip(axes, rows.items(), strict=True):
        ax.axvline(0, color=style.MUTED, linewidth=0.9)
        for variant, each in found:
            ours, at = look(*variant), places[variant]
            band = 100 * each.interval.half if each.interval.bounded else 0.0
            ax.errorbar(
                100 * each.interval.mean,
                at,
                xerr=band,
                color=ours.color,
                marker=ours.marker,
                capsize=3,
                linestyle="",
            )
            if each.contrast.paper is not None:
                ax.plot(each.contrast.paper, at, "D", markersize=6.5, markerfacecolor="none", color=style.INK)
        ax.set_ylim(min(places.values()) - 0.6, 0.6)
        ax.set_title(title)
        ax.set_xlabel(f"minus {baseline}, points")
    axes[0].set_yticks(list(places.values()), [named(*variant) for variant in places])
    return figure


# --- Fig. 5 -------------------------------------------------------------------------------------------------


def convergence(evidence: Evidence, profile: str) -> Figure:
    """Test accuracy by epoch, a panel for one rate and one for own rates; bands from lowest to highest seed.

    Args:
        evidence: The records of Table 1.
        profile: The profile.
    """
    panels = {rates: fig5.groups(evidence, profile, rates) for rates in RATES}
    panels = {rates: found for rates, found in panels.items() if found}
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False).flatten()
    for ax, (rates, found) in zip(axes, panels.items(), strict=True):
        for variant, runs in found.items():
            curves = [
                [math.nan if v is None else 100 * v for v in record.curve("test_accuracy")]
                for record in runs.records
            ]
            length = min(map(len, curves))
            values = np.array([curve[:length] for curve in curves])
            epochs = np.arange(1, length + 1)
            each = look(*variant)
            ax.plot(epochs, values.mean(0), marker=each.marker, markersize=3.5, **each.line())
            if len(curves) > 1:
                ax.fill_between(
                    epochs, values.min(0), values.max(0), color=each.color, alpha=0.2, linewidth=0
                )
        ax.set_title(RATES[rates])
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes[0].set_ylabel("test accuracy, %")
    legend(figure, list(dict.fromkeys(variant for found in panels.values() for variant in found)), 3)
    return figure


# --- Fig. 1 -------------------------------------------------------------------------------------------------

# Classes, told apart by marker as well; all keep a contrast of 3:1 on either page.
_CLASSES = (("#0072b2", "o"), ("#d55e00", "^"), ("#009e73", "s"), ("#c00ca8", "D"), ("#906048", "v"))


def embeddings(shown: Sequence[fig1.Embedding]) -> Figure:
    """t-SNE of the features of five classes, a panel per loss.

    Args:
        shown: One embedding per panel.
    """
    rows = -(-len(shown) // 2)
    figure = Figure(figsize=(6.4, 2.9 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False).flatten()
    handles = {}
    for ax, each in zip(axes, shown, strict=False):
        for (number, name), (color, marker) in zip(each.names.items(), _CLASSES, strict=False):
            mine = each.points[each.targets == number]
            handles[name] = ax.scatter(*mine.T, s=9, color=color, marker=marker, linewidths=0)
        ax.set_title(named(*each.variant))
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(False)
    for ax in axes[len(shown) :]:
        ax.remove()
    figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=5, markerscale=2)
    return figure
