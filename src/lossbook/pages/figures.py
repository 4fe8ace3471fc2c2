"""Figures that several chapters share: learning curves of several losses, with a band over seeds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator, SymmetricalLogLocator

from lossbook.pages import style
from lossbook.results import Record


@dataclass(frozen=True)
class Panel:
    """One panel of a figure of learning curves.

    Attributes:
        metric: Name of the curve in the records.
        title: Title of the panel.
        percent: Show a fraction in percent.
        scale: ``"linear"``, ``"log"``, or ``"symlog"``: linear between -1 and 1, logarithmic beyond.
        losses: The losses drawn in it; all by default.
    """

    metric: str
    title: str
    percent: bool = False
    scale: str = "linear"
    losses: tuple[str, ...] = ()


def curves(
    groups: Mapping[str, Sequence[Record]],
    panels: Sequence[Panel],
    *,
    columns: int = 2,
    width: float = 6.0,
    looks: Mapping[str, style.LossStyle] | None = None,
) -> Figure:
    """Draw learning curves: per loss the mean over seeds, and a band from the lowest to the highest seed.

    A run that broke down ends in a cross. From there on no mean is drawn: it would be one of other runs.

    Args:
        groups: Loss -> the records of its seeds.
        panels: What each panel shows.
        columns: Number of panels side by side.
        width: In inches; on a phone the letters of a narrow figure are larger.
        looks: How groups are drawn that are not named as a loss.

    Returns:
        The figure, drawn in the look of the book.
    """
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(width, 2.35 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for ax, panel in zip(axes, panels, strict=False):
        for position, (loss, records) in enumerate(groups.items()):
            if not panel.losses or loss in panel.losses:
                look = (looks or {}).get(loss) or style.loss_style(loss)
                _draw(ax, look, records, panel, position)
        ax.set_title(panel.title)
        _scale(ax, panel.scale)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        ax.margins(x=0.03)
    for ax in axes[len(panels) :]:
        ax.remove()
    for ax in axes[max(0, len(panels) - columns) : len(panels)]:
        ax.set_xlabel("epoch")
    add_legend(figure, groups, looks)
    return figure


def add_legend(
    figure: Figure, losses: Iterable[str], looks: Mapping[str, style.LossStyle] | None = None
) -> None:
    """Put one legend above the panels, in the order and with the marks of the whole book.

    Args:
        figure: The figure.
        losses: Names of losses, and of others that have a look.
        looks: The looks of those that are not named as a loss; they come last.
    """
    every = {**style.LOSS_STYLE, **(looks or {})}
    wanted = set(losses)
    handles = []
    for look in (each for name, each in every.items() if name in wanted):
        (handle,) = figure.axes[0].plot([], [], **look.line(), marker=look.marker)
        handles.append(handle)
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=min(4 if figure.get_figwidth() > 5.5 else 3, len(handles)),
        columnspacing=1.4,
    )


def _scale(ax: Axes, scale: str) -> None:
    ax.set_yscale(scale)
    if scale == "linear":
        return
    low, high = ax.get_ylim()
    if scale == "log" and high / low < 1e3:
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    if scale == "symlog" and max(-low, high) > 1e4:
        # A loss may run over thirty decades; its labels must not, nor those around zero meet.
        # Within a decade or two there are more of them.
        few = low * high > 0 and max(low / high, high / low) < 1e2
        locator = SymmetricalLogLocator(base=10, linthresh=1, subs=(1.0, 2.0, 5.0) if few else None)
        locator.set_params(numticks=6)
        ticks = locator.tick_values(low, high)
        ax.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if abs(tick) != 1]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(_plain)


def _plain(value: float, _position: float) -> str:
    return re.sub(r"e([+-])0*", lambda e: f"e{e[1].strip('+')}", f"{value:g}").replace("-", "−")


def _draw(ax: Axes, look: style.LossStyle, records: Sequence[Record], panel: Panel, position: int) -> None:
    runs = [record.curve(panel.metric) for record in records]
    length = max((len(run) for run in runs), default=0)
    if not length:
        return
    # A missing value (None) becomes NaN, and so do the epochs that a run which broke down never reached.
    values = np.full((len(runs), length), np.nan)
    for row, run in zip(values, runs, strict=True):
        row[: len(run)] = np.asarray(run, dtype=float)
    values *= 100 if panel.percent else 1
    epochs = np.arange(1, length + 1)
    complete = np.isfinite(values).all(axis=0)
    mean = np.where(complete, values.mean(axis=0), np.nan)
    # Few markers, shifted from loss to loss, so that they do not cover each other.
    every = max(1, length // 6)
    shift = min(position * every // 4, length - 1)
    ax.plot(epochs, mean, marker=look.marker, markevery=(shift, every), **look.line())
    if len(runs) > 1:
        low = np.where(complete, values.min(axis=0), np.nan)
        high = np.where(complete, values.max(axis=0), np.nan)
        ax.fill_between(epochs, low, high, color=look.color, alpha=0.22, linewidth=0)
    for record, row in zip(records, values, strict=True):
        finite = np.flatnonzero(np.isfinite(row))
        if record.status == "diverged" and finite.size:
            last = finite[-1]
            ax.plot(epochs[last], row[last], marker="X", markersize=8, color=look.color, linestyle="none")
