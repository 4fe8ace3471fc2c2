"""Drawings of the page on Table 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from lossbook.evidence import stats
from lossbook.pages import style
from lossbook.papers.li2020.simulations import (
    CORRECTED,
    WEIGHTINGS,
)
from lossbook.papers.li2020.table1 import (
    CONDITIONS,
    SIMULATIONS,
    Path,
    Result,
    TenClasses,
    formula,
    paper_value,
)

_MARKERS = {each.formula: marker for each, marker in zip(WEIGHTINGS, "os^Dv", strict=True)}

_DASHES: dict[str, Literal["-", "--", ":"]] = {
    CORRECTED[0].formula: "-",
    CORRECTED[1].formula: "--",
    CORRECTED[2].formula: ":",
}


def _number(value: float, _position: object = None) -> str:
    return f"{value:g}" if value >= 1e-3 else f"$10^{{{round(math.log10(value))}}}$"


def _log_ticks(ax: Axes, ticks: Sequence[float], axis: str = "x") -> None:
    chosen = ax.xaxis if axis == "x" else ax.yaxis
    chosen.set_major_locator(FixedLocator(ticks))
    chosen.set_minor_locator(NullLocator())
    chosen.set_major_formatter(FuncFormatter(_number))


def reading_figure(results: Sequence[Result]) -> Figure:
    """Every run with every weighting, on a logarithmic scale, beside the paper's values."""
    figure = Figure(figsize=(5.2, 5.8), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True)
    color = style.loss_style("lr").color
    for ax, simulation in zip(axes, SIMULATIONS, strict=True):
        for position, weighting in enumerate(WEIGHTINGS):
            r = next(r for r in results if (r.simulation, r.weighting) == (simulation, weighting))
            ax.plot(r.testing, np.full(len(r.testing), position), "|", color=color, alpha=0.4, markersize=9)
            ax.plot([weighting.right_side], [position], "x", color=color, markersize=7)
            mean, deviation = paper_value(simulation, weighting)
            ax.errorbar(
                mean, position + 0.3, xerr=deviation, fmt="D", color=style.INK, markersize=4, capsize=2
            )
        ax.set_xscale("log")
        _log_ticks(ax, (0.5, 1, 10, 50, 100))
        ax.set_title(f"Simulation {SIMULATIONS[simulation]}")
        ax.set_yticks(
            range(len(WEIGHTINGS)),
            [f"{formula(w)}{' as printed' if w.reading == 'printed' else ''}" for w in WEIGHTINGS],
        )
        ax.invert_yaxis()
    axes[1].set_xlabel("left side of Eq. 10")
    figure.legend(
        handles=[
            Line2D([], [], linestyle="none", marker="|", color=color, markersize=9, label="our runs, test"),
            Line2D([], [], linestyle="none", marker="x", color=color, label="our runs, training"),
            Line2D([], [], linestyle="none", marker="D", color=style.INK, markersize=4, label="paper, ± SD"),
        ],
        loc="outside upper center",
        ncols=2,
    )
    return figure


def spread_figure(results: Sequence[Result]) -> Figure:
    """Every run with the corrected weights, divided by the right side of Eq. 10."""
    figure = Figure(figsize=(5.2, 6.0), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True)
    color = style.loss_style("lr").color
    for ax, simulation in zip(axes, SIMULATIONS, strict=True):
        ax.axvline(1, color=style.MUTED, linewidth=0.8)
        for position, weighting in enumerate(CORRECTED):
            right = weighting.right_side
            r = next(r for r in results if (r.simulation, r.weighting) == (simulation, weighting))
            values = np.sort((r.testing / right).numpy())
            # Sorted values spread evenly: a cumulative curve on its side, the same every time.
            ax.plot(
                values,
                position + 0.32 - 0.44 * (np.arange(len(values)) + 0.5) / len(values),
                "o",
                color=color,
                alpha=0.45,
                markersize=3,
            )
            ax.plot((r.training / right).numpy(), np.full(len(values), position - 0.2), "x", color=color)
            mean, deviation = paper_value(simulation, weighting)
            ax.errorbar(
                mean / right,
                position - 0.34,
                xerr=deviation / right,
                fmt="D",
                color=style.INK,
                markersize=4,
                capsize=2,
            )
        ax.set_title(f"Simulation {SIMULATIONS[simulation]}")
        ax.set_yticks(range(len(CORRECTED)), [f"right side {w.right_side:g}" for w in CORRECTED])
        ax.invert_yaxis()
    axes[1].set_xlabel("left side / right side")
    figure.legend(
        handles=[
            Line2D([], [], linestyle="none", marker="o", color=color, alpha=0.6, label="our runs, test"),
            Line2D([], [], linestyle="none", marker="x", color=color, label="our runs, training"),
            Line2D([], [], linestyle="none", marker="D", color=style.INK, markersize=4, label="paper, ± SD"),
        ],
        loc="outside upper center",
        ncols=2,
    )
    return figure


def approach_figure(paths: Sequence[Path]) -> Figure:
    """The left side of Eq. 10 over training: itself, and its distance from the right side."""
    panels = {
        ("sim1", "descent"): "1: gradient descent",
        ("sim2", "constant"): "2: SGD, constant step",
        ("sim2", "falling"): "2: SGD, falling step",
    }
    figure = Figure(figsize=(5.4, 7.4), layout="constrained")
    axes = figure.subplots(3, 2, sharex="row")
    color = style.loss_style("lr").color
    for row, (key, title) in enumerate(panels.items()):
        sides, distances = axes[row]
        for path in paths:
            if (path.simulation, path.condition) != key:
                continue
            right, look = path.weighting.right_side, _DASHES[path.weighting.formula]
            steps = np.asarray(path.steps[1:])  # step 0 has no place on a logarithmic axis
            values = path.training[1:].numpy()
            sides.axhline(right, color=style.MUTED, linewidth=0.8)
            sides.plot(steps, values.mean(1), color=color, linestyle=look)
            sides.fill_between(steps, values.min(1), values.max(1), color=color, alpha=0.18, linewidth=0)
            distances.plot(steps, np.abs(values / right - 1).mean(1), color=color, linestyle=look)
            test = path.testing[1:].numpy()
            distances.plot(
                steps, np.abs(test / right - 1).mean(1), color=style.INK, linestyle=look, linewidth=1.0
            )
        for ax in (sides, distances):
            ax.set_xscale("log")
            ax.set_yscale("log")
            _log_ticks(ax, (1, 10, 100, 1000))
        sides.set_title(title)
        sides.set_ylabel("left side, training")
        _log_ticks(sides, (0.5, 1, 10), "y")
        distances.set(ylabel="relative distance", ylim=(1e-8, 20))
        _log_ticks(distances, (1, 1e-2, 1e-4, 1e-6, 1e-8), "y")
    for ax in axes[-1]:
        ax.set_xlabel("steps")
    handles = [
        Line2D([], [], color=color, linestyle=_DASHES[w.formula], label=f"right side {w.right_side:g}")
        for w in CORRECTED
    ]
    handles += [
        Line2D([], [], color=color, label="thick: training"),
        Line2D([], [], color=style.INK, linewidth=1.0, label="thin: test"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, columnspacing=1.2)
    return figure


def variants_figure(results: Sequence[Result]) -> Figure:
    """Left side over right side in each condition, on training and on test data."""
    figure = Figure(figsize=(5.2, 8.4), layout="constrained")
    axes = figure.subplots(2, 1)
    color = style.loss_style("lr").color
    ticks = ((0.1, 0.2, 0.5, 1, 2), (0.8, 0.9, 1, 1.1, 1.25))
    for ax, simulation, shown in zip(axes, SIMULATIONS, ticks, strict=True):
        ax.axvline(1, color=style.MUTED, linewidth=0.8)
        made = [c for c in CONDITIONS if any((r.simulation, r.condition) == (simulation, c) for r in results)]
        for position, condition in enumerate(made):
            for shift, weighting in zip((-0.24, 0.0, 0.24), CORRECTED, strict=True):
                for r in results:
                    if (r.simulation, r.condition, r.weighting) != (simulation, condition, weighting):
                        continue
                    for data, face, off in ((r.training, color, -0.04), (r.testing, "none", 0.04)):
                        relative = (data / weighting.right_side).numpy()
                        ax.errorbar(
                            relative.mean(),
                            position + shift + off,
                            xerr=relative.std(ddof=1),
                            fmt=_MARKERS[weighting.formula],
                            color=color,
                            markerfacecolor=face,
                            markersize=4.5,
                            linewidth=1.0,
                        )
        ax.set_xscale("log")
        _log_ticks(ax, shown)
        ax.set(title=f"Simulation {SIMULATIONS[simulation]}", xlabel="left side / right side")
        ax.set_yticks(
            range(len(made)),
            [CONDITIONS[condition].replace("weight decay ", "decay ") for condition in made],
        )
        ax.invert_yaxis()
    handles = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=_MARKERS[w.formula],
            color=color,
            label=f"right side {w.right_side:g}",
        )
        for w in CORRECTED
    ]
    handles.append(
        Line2D([], [], linestyle="none", marker="o", color=color, markerfacecolor="none", label="open: test")
    )
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


def ten_figure(results: Sequence[TenClasses]) -> Figure:
    """Left side over right side of Eq. 9, class by class, on training and on test data."""
    figure = Figure(figsize=(5.2, 8.8), layout="constrained")
    axes = figure.subplots(4, 1)
    color = style.loss_style("ce").color
    for ax, r in zip(axes, results, strict=True):
        classes = np.arange(len(r.counts))
        ax.axhline(1, color=style.MUTED, linewidth=0.8)
        test = (r.testing[0] / r.testing[1]).numpy()
        train = (r.training[0] / r.training[1]).numpy()
        offsets = np.linspace(-0.22, 0.22, len(test))
        for offset, run in zip(offsets, test, strict=True):
            ax.plot(classes + offset, run, "o", color=color, alpha=0.25, markersize=2)
        half = [stats.mean_interval(column.tolist()).half for column in test.T]
        ax.errorbar(
            classes,
            test.mean(0),
            yerr=half,
            fmt="o",
            color=color,
            markerfacecolor="none",
            markersize=5,
            capsize=2,
        )
        ax.plot(classes, train.mean(0), "x", color=style.INK, markersize=5)
        ax.set_title(f"{r.weights}, {sum(r.counts):,} samples")
        ax.set_yscale("log")
        ax.set_xticks(classes, [str(count) for count in r.counts])
    for pair, ticks in ((axes[:2], (0.8, 1, 1.25)), (axes[2:], (0.5, 1, 2, 4))):
        pair[0].sharey(pair[1])
        for ax in pair:
            _log_ticks(ax, ticks, "y")
    figure.supylabel("left side / right side", fontsize=11)
    axes[-1].set_xlabel("class, by its training samples")
    figure.legend(
        handles=[
            Line2D([], [], linestyle="none", marker="x", color=style.INK, label="training"),
            Line2D(
                [],
                [],
                linestyle="none",
                marker="o",
                color=color,
                markerfacecolor="none",
                label="test, mean with 95% interval",
            ),
            Line2D(
                [],
                [],
                linestyle="none",
                marker="o",
                color=color,
                alpha=0.4,
                markersize=3,
                label="test, one run",
            ),
        ],
        loc="outside upper center",
        ncols=2,
    )
    return figure
