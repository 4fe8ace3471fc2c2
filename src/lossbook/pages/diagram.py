"""The critical difference diagram: mean ranks, and which of them cannot be told apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossbook.pages import style


@dataclass(frozen=True)
class Diagram:
    """One critical-difference diagram: its title, mean ranks, and the groups that do not differ."""

    title: str
    mean_ranks: Sequence[float]
    groups: Sequence[Sequence[int]]


def critical_difference(
    diagrams: Sequence[Diagram], names: Sequence[str], styles: Sequence[style.LossStyle], *, columns: int = 1
) -> Figure:
    """Draw critical-difference diagrams (Demšar, 2006): mean ranks, and a bar over what does not differ.

    Args:
        diagrams: What to draw, row by row.
        names: Name of each method.
        styles: How each method is drawn: colour, marker and dash.
        columns: Diagrams side by side.

    Returns:
        The figure, with the best on the left. All axes run between the same whole ranks.
    """
    rows = -(-len(diagrams) // columns)
    means = np.concatenate([diagram.mean_ranks for diagram in diagrams])
    low = math.floor(means.min())
    high = max(math.ceil(means.max()), low + 1)
    style.theme()
    figure = Figure(figsize=(4.8 * columns, (0.25 * len(names) + 0.9) * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for ax, diagram in zip(axes, diagrams, strict=False):
        _draw(ax, diagram, names, styles, (low, high))
    for ax in axes[len(diagrams) :]:
        ax.remove()
    return figure


def describe(diagram: Diagram, names: Sequence[str]) -> str:
    """Return a diagram in words and numbers, for readers who do not see it."""
    order = sorted(range(len(names)), key=lambda j: diagram.mean_ranks[j])
    places = ", ".join(f"{names[j]} {diagram.mean_ranks[j]:.2f}" for j in order)
    joined = "; ".join(" to ".join(dict.fromkeys((names[g[0]], names[g[-1]]))) for g in diagram.groups)
    return f"{diagram.title}: mean ranks {places}. Not told apart: {joined or 'none'}."


def _draw(
    ax: Axes,
    diagram: Diagram,
    names: Sequence[str],
    styles: Sequence[style.LossStyle],
    span: tuple[int, int],
) -> None:
    k, (low, high) = len(names), span
    unit = (high - low) / 5  # lengths across are in fifths of the axis
    order = sorted(range(k), key=lambda j: diagram.mean_ranks[j])
    left = -(-k // 2)
    bars = len(diagram.groups)
    # Below the axis first the bars, then one line of text for each method of a side.
    top = -0.35 - 0.35 * bars
    for height, group in enumerate(diagram.groups):
        ends = [diagram.mean_ranks[group[0]] - 0.04 * unit, diagram.mean_ranks[group[-1]] + 0.04 * unit]
        y = -0.35 - 0.35 * height
        ax.plot(ends, [y, y], color=style.INK, linewidth=3.2, solid_capstyle="butt")
    for position, j in enumerate(order):
        on_left = position < left
        row = position if on_left else k - 1 - position
        y, rank = top - 0.45 - 0.62 * row, diagram.mean_ranks[j]
        edge = low - 0.1 * unit if on_left else high + 0.1 * unit
        look = styles[j]
        ax.plot([rank, rank, edge], [0, y, y], color=look.color, linestyle=look.dash, linewidth=1.4)
        ax.plot([rank], [0], color=look.color, marker=look.marker, markersize=6, clip_on=False, zorder=3)
        text = f"{names[j]}  {rank:.2f}" if on_left else f"{rank:.2f}  {names[j]}"
        ax.text(
            edge + (-0.08 if on_left else 0.08) * unit,
            y,
            text,
            ha="right" if on_left else "left",
            va="center",
            fontsize=9.5,
            color=style.INK,
        )
    ax.plot([low, high], [0, 0], color=style.MUTED, linewidth=1)
    for tick in range(low, high + 1):
        ax.plot([tick, tick], [0, 0.15], color=style.MUTED, linewidth=1)
        ax.text(tick, 0.25, str(tick), ha="center", va="bottom", fontsize=9.5, color=style.INK)
    ax.set_title(diagram.title, fontsize=10)
    # Room for the names, which are outside the axis.
    room = 2.6 * unit
    ax.set_xlim(low - room, high + room)
    ax.set_ylim(top - 0.45 - 0.62 * (left - 1) - 0.3, 0.8)
    ax.axis("off")
