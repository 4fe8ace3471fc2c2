"""Drawings of the page on balance: the two sides of Eq. 9 by class and by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from lossbook.evidence.select import Evidence
from lossbook.pages import style
from lossbook.papers.li2020.imbalance import (
    DESIGN_NAMES,
    PARTS,
    WEIGHT_NAMES,
    Part,
    constant_epochs,
    designs,
    factors,
    ratios,
    runs,
    trained_cells,
)
from lossbook.papers.li2020.names import CLASSES, DRAWN, NAMES
from lossbook.results import Record


def balance_figure(evidence: Evidence, profile: str) -> Figure:
    """Draw lacking over received by class: one row per design; training images left, test images right."""
    shown = designs(evidence, profile)
    figure = Figure(figsize=(6.0, 1.95 * len(shown) + 0.9), layout="constrained")
    axes = figure.subplots(len(shown), 2, squeeze=False, sharex=True, sharey="row")
    for row, design in zip(axes, shown, strict=True):
        for ax, part in zip(row, PARTS, strict=True):
            _draw_ratios(ax, evidence, profile, design, part)
            ax.set_title(f"{DESIGN_NAMES[design]}, {'training' if part == 'train' else 'test'}")
        row[0].set_ylabel("lacking / received")
    for ax in axes[-1]:
        ax.set_xlabel("class")
    figure.legend(handles=_ratio_legend(), loc="outside upper center", ncols=2, columnspacing=1.4)
    return figure


def _draw_ratios(ax: Axes, evidence: Evidence, profile: str, design: str, part: Part) -> None:
    every = []
    for shift, (loss, weight) in enumerate(_DRAWN):
        mine = runs(evidence, profile, design, loss, weight)
        if not mine.records:
            continue
        values = np.array([ratios(record, part) for record in mine.records])
        x = np.arange(CLASSES) + 0.17 * (shift - 1.5)
        mean = np.exp(np.log(values).mean(0))
        look = _look(loss, weight)
        ax.vlines(x, values.min(0), values.max(0), color=look["color"], linewidth=1.2)
        ax.plot(x, mean, linestyle="none", **look)
        every.append(values)
    ax.axhline(1, color=style.MUTED, linewidth=0.8, zorder=0)
    ax.set_yscale("log")
    low, high = (
        float(pick(np.concatenate([v.ravel() for v in every] + [np.ones(1)]))) for pick in (np.min, np.max)
    )
    ticks = [t for t in (0.1, 0.2, 0.5, 0.8, 1, 1.25, 2, 5, 10, 20, 50) if low / 1.2 <= t <= high * 1.2]
    if high / low > 20:
        ticks = [t for t in ticks if t not in (0.8, 1.25)]
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_xticks(range(CLASSES))


_DRAWN = (("sml", "none"), ("lgl", "none"), ("sml", "inverse"), ("lgl", "inverse"))


def _look(loss: str, weight: str) -> dict[str, Any]:
    look = style.loss_style(DRAWN[loss])
    # Hollow: with weights.
    fill = "none" if weight != "none" else "full"
    return {"color": look.color, "marker": look.marker, "fillstyle": fill, "markersize": 5.5}


def _ratio_legend() -> list[Line2D]:
    return [
        Line2D(
            [],
            [],
            linestyle="none",
            label=f"{style.loss_style(DRAWN[loss]).name}, {'no weights' if weight == 'none' else 'weights'}",
            **_look(loss, weight),
        )
        for loss, weight in _DRAWN
    ]


def balance_alt(evidence: Evidence, profile: str) -> str:
    """Return what the figure shows, in words and numbers."""
    parts = []
    for design, loss, weight, mine in trained_cells(evidence, profile):
        if (loss, weight) in _DRAWN:
            train, test = (
                np.mean(list(mine.values(f"{part}_factor").values())) for part in ("train", "test")
            )
            parts.append(
                f"{DESIGN_NAMES[design]}, {NAMES[loss]}, weights {WEIGHT_NAMES[weight]}: a factor of "
                f"{train:.2f} and {test:.2f}"
            )
    return (
        "The ratio of the two sides of Eq. 9 for each of ten classes, on training images at the left and on "
        "test images at the right, one row per design; 1 is balance. Distance from 1, averaged over the "
        f"classes, on training and on test images: {'; '.join(parts)}."
    )


def epochs_figure(evidence: Evidence, profile: str) -> Figure:
    """Draw by epoch how far apart the sides of Eq. 9 are, one row of panels per design."""
    shown = designs(evidence, profile)
    figure = Figure(figsize=(6.0, 1.9 * len(shown) + 0.9), layout="constrained")
    axes = figure.subplots(len(shown), 2, squeeze=False, sharex=True, sharey="row")
    for row, design in zip(axes, shown, strict=True):
        for ax, part in zip(row, PARTS, strict=True):
            for loss, weight in _DRAWN:
                mine = runs(evidence, profile, design, loss, weight)
                if mine.records:
                    _draw_epochs(ax, mine.records, loss, weight, part)
                    fell = constant_epochs(mine.records[0])
                    if fell < len(factors(mine.records[0], part)):
                        ax.axvline(fell + 0.5, color=style.MUTED, linewidth=0.8, linestyle=":", zorder=0)
            ax.axhline(1, color=style.MUTED, linewidth=0.8, zorder=0)
            ax.set_title(f"{DESIGN_NAMES[design]}, {'training' if part == 'train' else 'test'}")
            ax.margins(x=0.03)
        row[0].set_ylabel("factor from balance")
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(handles=_ratio_legend(), loc="outside upper center", ncols=2, columnspacing=1.4)
    return figure


def _draw_epochs(ax: Axes, records: Sequence[Record], loss: str, weight: str, part: Part) -> None:
    found = [factors(record, part) for record in records]
    # A run that broke down is shorter than the others; from there on no mean is drawn.
    values = np.full((len(found), max(map(len, found))), np.nan)
    for row, mine in zip(values, found, strict=True):
        row[: len(mine)] = mine
    x = np.arange(1, values.shape[1] + 1)
    look = _look(loss, weight)
    ax.plot(x, values.mean(0), linestyle="-" if weight == "none" else (0, (3, 1.5)), **look)
    ax.fill_between(x, values.min(0), values.max(0), color=str(look["color"]), alpha=0.18, linewidth=0)


def epochs_alt(evidence: Evidence, profile: str) -> str:
    """Return what the figure shows, in words and numbers."""
    parts = []
    for design, loss, weight, mine in trained_cells(evidence, profile):
        if (loss, weight) in _DRAWN:
            first, last = (np.mean([factors(r, "train")[e] for r in mine.records]) for e in (0, -1))
            parts.append(
                f"{DESIGN_NAMES[design]}, {NAMES[loss]}, weights {WEIGHT_NAMES[weight]}: {first:.2f} after "
                f"the first epoch, {last:.2f} after the last"
            )
    return (
        "Distance of the two sides of Eq. 9 by epoch, as a factor, on training and on test images, one row a "
        f"design. On training images: {'; '.join(parts)}."
    )
