"""Drawing of the image experiments: gains with their seeds, images that come back, traces by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lossbook.evidence.contrasts import Difference
from lossbook.evidence.select import Evidence
from lossbook.evidence.tables import signed
from lossbook.pages import style
from lossbook.papers.battash2021 import escaping, motivation, table2
from lossbook.papers.battash2021.fig1 import MIXES
from lossbook.papers.battash2021.protocol import (
    CE,
    CONSTANT,
    GRADUAL,
    MIXTURES,
    NETWORK_NAMES,
    TWO_PHASE,
    title,
)
from lossbook.papers.battash2021.table4_figures import STYLES

_COT = style.loss_style("complement_entropy")
#: How regimes are drawn: as in the study of the UCI tables.
LOOKS = {
    **dict(zip((CE, CONSTANT, TWO_PHASE, GRADUAL, ("el", "")), STYLES, strict=False)),
    ("cot", ""): replace(_COT, name="COT"),
    ("ce_target", "0-0.5"): replace(style.loss_style("ce"), marker="s", dash=(0, (5, 1.6))),
    ("ce_square", "0-0.5"): replace(style.loss_style("ce"), marker="^", dash=(0, (1.2, 1.2))),
}


def gains(found: Sequence[tuple[str, Difference]], xlabel: str = "minus CE, points") -> Figure:
    """Draw differences: a small dot per seed, below it the mean with its 95% interval, and the paper's.

    Args:
        found: The name of each row, and what was measured.
        xlabel: What is subtracted.
    """
    style.theme()
    figure = Figure(figsize=(5.0, 0.9 + 0.5 * len(found)), layout="constrained")
    ax = figure.subplots()
    ax.axvline(0, color=style.MUTED, linewidth=1)
    any_paper = False
    for row, (_, difference) in enumerate(found):
        look = LOOKS[_regime(difference)]
        scale = difference.contrast.unit.scale
        each = [scale * value for value in difference.by_seed.values()]
        ax.plot(each, [row - 0.18] * len(each), "o", color=look.color, markersize=3.5, alpha=0.8)
        mean = difference.interval
        if mean.bounded:
            ax.plot([scale * mean.low, scale * mean.high], [row + 0.12] * 2, color=look.color, linewidth=1.6)
        ax.plot([scale * mean.mean], [row + 0.12], marker=look.marker, color=look.color, markersize=7)
        if difference.contrast.paper is not None:
            any_paper = True
            ax.plot([difference.contrast.paper], [row + 0.12], "D", color=style.INK, fillstyle="none")
    ax.set_yticks(range(len(found)), [name for name, _ in found])
    ax.set_ylim(len(found) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(xlabel)
    if any_paper:
        (mark,) = ax.plot([], [], "D", color=style.INK, fillstyle="none", label="the paper")
        figure.legend(handles=[mark], loc="outside upper right")
    return figure


def gains_alt(found: Sequence[tuple[str, Difference]]) -> str:
    """The differences in words and numbers."""
    parts = []
    for name, difference in found:
        paper = difference.contrast.paper
        beside = "" if paper is None else f", the paper {signed(paper)}"
        parts.append(f"{name} {difference.short()}{beside}")
    return f"Differences in points, a dot per seed, with 95% intervals. {'; '.join(parts)}."


def imagenet_gains() -> Figure:
    """Draw the gains of the paper's Table 2 with Welch's intervals; grey is what one common spread hides."""
    style.theme()
    figure = Figure(figsize=(5.6, 4.4), layout="constrained")
    ax = figure.subplots()
    half = table2.pooled().half
    band = ax.axvspan(-half, half, color=style.MUTED, alpha=0.2, linewidth=0)
    ax.axvline(0, color=style.MUTED, linewidth=1)
    marks = []
    for at, regime in enumerate(MIXTURES):
        look = LOOKS[regime]
        for row, network in enumerate(table2.PAPER_NETWORKS):
            found = table2.printed_gain(network, regime)
            height = row + 0.22 * (at - 1)
            if not math.isnan(found.half):
                ends = [found.gain - found.half, found.gain + found.half]
                ax.plot(ends, [height] * 2, color=look.color, linewidth=1.2)
            ax.plot([found.gain], [height], marker=look.marker, color=look.color, markersize=5.5)
        (mark,) = ax.plot([], [], marker=look.marker, color=look.color, linewidth=1.2, label=title(regime))
        marks.append(mark)
    band.set_label("cannot be told from zero")
    ax.set_yticks(range(len(table2.PAPER_NETWORKS)), [NETWORK_NAMES[n] for n in table2.PAPER_NETWORKS])
    ax.set_ylim(len(table2.PAPER_NETWORKS) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("minus CE, points")
    figure.legend(handles=[*marks, band], loc="outside upper center", ncols=2)
    return figure


def imagenet_gains_alt() -> str:
    """The gains that the paper's Table 2 implies in words and numbers."""
    parts = []
    for network in table2.PAPER_NETWORKS:
        gains_of = ", ".join(
            f"{title(regime)} {signed(table2.printed_gain(network, regime).gain)}" for regime in MIXTURES
        )
        parts.append(f"{NETWORK_NAMES[network]}: {gains_of}")
    return f"Printed gains over CE in points, with Welch's 95% intervals from two seeds. {'; '.join(parts)}."


def _regime(difference: Difference) -> tuple[str, str]:
    labels = difference.contrast.left.labels
    return str(labels["loss"]), str(labels["schedule"])


def returning(evidence: Evidence, profile: str) -> Figure:
    """Draw, by the epoch from which they are followed, how many of the images with p < 0.2 come back."""
    style.theme()
    figure = Figure(figsize=(6.0, 3.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (part, words) in zip(axes, motivation.PARTS.items(), strict=True):
        found = motivation.returning(evidence, profile, part)
        for regime, values in found.items():
            look = LOOKS[regime]
            ax.plot(
                range(1, len(values) + 1),
                values,
                marker=look.marker,
                markersize=4,
                **(look.line() | {"label": title(regime)}),
            )
        ax.set_title(words)
        ax.set_xlabel("followed from epoch")
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes[0].set_ylim(bottom=0)  # once all is drawn: it fixes the upper end too
    axes[0].set_ylabel("come back, % of p < 0.2")
    _legend(figure, axes[0], 4)
    return figure


def returning_alt(evidence: Evidence, profile: str) -> str:
    """The figure of images that come back in words and numbers."""
    parts = []
    for part, words in motivation.PARTS.items():
        for regime, values in motivation.returning(evidence, profile, part).items():
            start = motivation.start_epoch(len(values) + 1)
            parts.append(
                f"{title(regime)}, {words}: {values[0]:.1f}% from epoch 1, {values[start - 1]:.1f}% from "
                f"epoch {start}"
            )
    return (
        "Share of the misclassified images with a probability below 0.2 that are right at the end, by the "
        f"epoch from which they are followed. {'; '.join(parts)}."
    )


def traces(evidence: Evidence, profile: str) -> Figure:
    """Draw tr(H Sigma) by epoch, a panel per reading: geometric mean over seeds, and each seed faintly."""
    style.theme()
    figure = Figure(figsize=(6.4, 3.1), layout="constrained")
    axes = figure.subplots(1, len(escaping.READINGS), sharey=True)
    for ax, (reading, words) in zip(axes, escaping.READINGS.items(), strict=True):
        for regime, runs in escaping.curves(evidence, profile, reading).items():
            look = LOOKS[regime]
            # A trace estimated below zero has no place on a logarithmic axis.
            values = np.where(np.asarray(runs) > 0, runs, np.nan)
            epochs = range(1, values.shape[1] + 1)
            for run in values:
                ax.plot(epochs, run, color=look.color, linewidth=0.5, alpha=0.4)
            logs = np.ma.masked_invalid(np.log(values))
            ax.plot(
                epochs,
                np.ma.exp(logs.mean(0)).filled(np.nan),
                marker=look.marker,
                markersize=4,
                **(look.line() | {"label": title(regime)}),
            )
        ax.set_yscale("log")
        ax.set_title(words)
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes[0].set_ylabel("tr(HΣ)")
    _legend(figure, axes[0], 5)
    return figure


def not_drawn(evidence: Evidence, profile: str) -> str:
    """How many estimates of the trace are negative, so that a logarithmic axis cannot show them."""
    said = []
    for reading, words in escaping.READINGS.items():
        for regime, runs in escaping.curves(evidence, profile, reading).items():
            values = np.asarray(runs, dtype=float)
            if below := int((values <= 0).sum()):
                said.append(f"{title(regime)} {words}, {below} of {values.size}")
    if not said:
        return ""
    return f"Estimates that are not positive are left out of the figure and its means: {'; '.join(said)}."


def traces_alt(evidence: Evidence, profile: str) -> str:
    """The figure of traces in words and numbers."""
    parts = []
    for reading, words in escaping.READINGS.items():
        said = []
        for regime, runs in escaping.curves(evidence, profile, reading).items():
            last = [run[-1] for run in runs if run and math.isfinite(run[-1])]
            if last:
                said.append(f"{title(regime)} {np.mean(last):.3g}")
        parts.append(f"{words}: {', '.join(said)}")
    return f"tr(HΣ) by epoch on a logarithmic axis, mean at the last epoch {'; '.join(parts)}."


def accuracy_against(evidence: Evidence, profile: str, reading: str = "ce") -> Figure:
    """Draw the test accuracy of every run against its mean trace in one of the readings.

    EL can lie so far away that the others become one dot, so the others have a panel of their own.
    """
    style.theme()
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots(1, 2)
    for ax, regimes, name in zip(
        axes, (escaping.ALL, escaping.REGIMES), ("all runs", "without EL"), strict=True
    ):
        for regime in regimes:
            look = LOOKS[regime]
            points = [
                (math.exp(level), 100 * float(record.metrics["test_accuracy"]))
                for record in evidence.runs(profile, loss=regime[0], schedule=regime[1]).records
                if record.status == "finished" and (level := escaping.level(record, reading)) is not None
            ]
            if points:
                ax.plot(*zip(*points, strict=True), look.marker, color=look.color, label=title(regime))
        ax.set_title(name)
        ax.set_xlabel(f"mean tr(HΣ) {escaping.READINGS[reading]}")
    axes[0].set_xscale("log")
    axes[1].xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes[0].set_ylabel("test accuracy, %")
    _legend(figure, axes[0], 3)
    return figure


def sizes() -> Figure:
    """Draw the size of the gradient at the target's logit over its probability, for each mix of Fig. 1."""
    style.theme()
    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    ax = figure.subplots()
    p = torch.linspace(0, 1, 401, dtype=torch.float64)
    for mix in MIXES:
        if mix.beta == 0 or mix.alpha == 0:
            look = style.loss_style("el" if mix.alpha == 0 else "ce").line() | {"label": mix.name}
        else:
            look = LOOKS[GRADUAL].line() | {"linestyle": "-" if mix.alpha == 1 else (0, (2, 1.5))}
            kind = "CE + β EL" if mix.alpha == 1 else "α CE + EL, α below 1"
            look |= {"linewidth": 1.2, "label": _once(ax, kind)}
        ax.plot(p, mix.size(p), **look)
        if mix.alpha == 1 and mix.beta >= 2:
            ax.annotate(
                mix.name, mix.top, xytext=(0, 6), textcoords="offset points", ha="center", fontsize=10
            )
    ax.set(xlabel="probability of the correct class", ylabel="|derivative| by its logit")
    ax.set(xlim=(0, 1), ylim=(0, 2.5))
    ax.legend(loc="upper right")
    return figure


def _once(ax: Axes, label: str) -> str:
    """A label for the first of several curves of a kind; the others take no row in the legend."""
    return f"_{label}" if label in ax.get_legend_handles_labels()[1] else label


def sizes_alt() -> str:
    """Fig. 1 in words and numbers."""
    tops = "; ".join(f"{mix.name}: {mix.top[1]:.3f} at {mix.top[0]:.2f}" for mix in MIXES)
    return (
        "Size of the gradient at the logit of the correct class against its probability. CE falls on a "
        f"straight line from 1 to 0. Height and place of each maximum: {tops}."
    )


def _legend(figure: Figure, ax: Axes, columns: int) -> None:
    handles, names = ax.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, names, loc="outside upper center", ncols=min(columns, len(handles)), columnspacing=1.2
        )
