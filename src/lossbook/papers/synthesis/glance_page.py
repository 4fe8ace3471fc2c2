"""The forest plot of the results at a glance."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lossbook.evidence.tables import signed
from lossbook.pages.style import INK, MUTED, loss_style
from lossbook.papers.synthesis.glance import Group, Row

#: A value this many times farther out than the middle of its panel is an arrow at the edge, with its number.
FAR = 6.0
#: Letters of a row's label on a line.
LABEL = 25


def forest(found: Sequence[Group]) -> Figure:
    """Draw differences, a panel per comparison: diamonds are the paper's, a dot with its 95% interval ours.

    Args:
        found: The groups; rows that have not been run take no room.
    """
    shown = [group for group in found if group.drawn and group.shown]
    heads = [_head(group) for group in shown]
    labels = [[_label(row.what) for row in group.shown] for group in shown]
    # In inches: a row, more where labels take several lines; ticks; the lines above a panel.
    heights = [
        (0.27 + 0.11 * max(each.count("\n") for each in mine)) * len(mine) + 0.25 + 0.15 * sum(map(len, head))
        for mine, head in zip(labels, heads, strict=True)
    ]
    figure = Figure(figsize=(4.4, sum(heights) + 0.45), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.02, w_pad=0.02)  # type: ignore[union-attr, call-arg]
    axes = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, group, each, head in zip(axes, shown, labels, heads, strict=True):
        _panel(ax, group, each, head)
    rows = [row for group in shown for row in group.shown]
    figure.legend(
        handles=list(_legend(rows)), loc="outside upper left", ncols=3, handlelength=0.9, columnspacing=0.9,
        handletextpad=0.5, fontsize=9,
    )  # fmt: skip
    return figure


def _label(what: str) -> str:
    """A label on several lines, broken behind commas and before brackets where its parts are short enough."""
    parts = re.split(r"(?<=,) | (?=\()", what)
    whole = (part if len(part) > LABEL else part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts)
    return textwrap.fill(" ".join(whole), LABEL, break_on_hyphens=False)


def _head(group: Group) -> tuple[list[str], list[str]]:
    """The lines above a panel: what is compared; what must be known of either side."""
    terms = group.terms and f"○ {group.terms}"
    return textwrap.wrap(f"{group.item}. {group.title}", 54), [
        line for text in (group.note, terms) for line in textwrap.wrap(text, 66)
    ]


def _legend(rows: Sequence[Row]) -> Iterable[Line2D]:
    for marker, fill, label, used in (
        ("D", "none", "paper", True),
        ("o", INK, "ours", any(row.whole for row in rows)),
        ("o", "none", "ours: same question, other terms", any(not row.whole for row in rows)),
    ):
        if used:
            yield Line2D(
                [], [], marker=marker, markerfacecolor=fill, color=INK, linestyle="none", label=label
            )


def _panel(ax: Axes, group: Group, labels: Sequence[str], head: tuple[list[str], list[str]]) -> None:
    low, high = limits(group.shown)
    ax.axvline(0, color=MUTED, linewidth=0.9)
    for y, row in enumerate(group.shown):
        assert row.ours is not None
        color = loss_style(row.loss).color
        for paper in row.papers:
            _mark(ax, paper, y - 0.16, (low, high), marker="D", color=INK, markerfacecolor="none", size=5.5)
        if row.ours.bounded:
            ends = [min(max(end, low), high) for end in (row.ours.low, row.ours.high)]
            ax.plot(ends, [y + 0.16] * 2, color=color, linewidth=1.8, solid_capstyle="butt")
        fill = color if row.whole else "none"
        _mark(
            ax, row.ours.mean, y + 0.16, (low, high), marker="o", color=color, markerfacecolor=fill, size=5.5
        )
        ax.annotate(
            row.text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=INK
        )
    ax.set_yticks(range(len(labels)), labels, linespacing=1.0)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.set_xlim(low, high)
    ax.tick_params(labelsize=9)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=3, min_n_ticks=2))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    # From the edge of the figure: above the axis alone a long title would not fit. The blank one keeps room.
    title, below = head
    ax.set_title("\n".join(" " for _ in (*title, *below)), fontsize=9.5, linespacing=1.15)
    for number, line in enumerate((*below[::-1], *title[::-1])):
        bold = number >= len(below)
        ax.annotate(
            line,
            (0.01, 1),
            xycoords=("figure fraction", "axes fraction"),
            xytext=(0, 5 + 11 * number),
            textcoords="offset points",
            fontsize=9.5 if bold else 8.5,
            fontweight="bold" if bold else "normal",
            color=INK if bold else MUTED,
        ).set_in_layout(False)
    ax.grid(visible=False, axis="y")


def _mark(
    ax: Axes,
    x: float,
    y: float,
    span: tuple[float, float],
    *,
    marker: str,
    color: str,
    markerfacecolor: str,
    size: float,
) -> None:
    """A mark; an arrow at the edge where it lies beyond."""
    if span[0] <= x <= span[1]:
        ax.plot(
            [x], [y], marker, color=color, markerfacecolor=markerfacecolor, markersize=size, clip_on=False
        )
    else:
        edge, arrow = (span[0], "<") if x < span[0] else (span[1], ">")
        ax.plot([edge], [y], arrow, color=color, markerfacecolor=color, markersize=size + 1, clip_on=False)


def limits(rows: Sequence[Row]) -> tuple[float, float]:
    """The ends of a panel's axis: around zero and all marks, but for those that would hide the others."""
    marks = []
    for row in rows:
        assert row.ours is not None
        ends = [row.ours.mean] if not row.ours.bounded else [row.ours.low, row.ours.high]
        marks.append([*row.papers, *ends])
    reach = sorted(max(map(abs, each)) for each in marks)
    far = FAR * reach[len(reach) // 2]
    near = [x for each in marks for x in each if abs(x) <= far]
    low, high = min(0.0, *near), max(0.0, *near)
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def alt(found: Sequence[Group]) -> str:
    """The forest plot in words and numbers."""
    parts = [
        f"{group.item}, {group.title}: "
        + "; ".join(
            f"{row.what}: paper {row.said(lambda left, right: signed(left - right)) or 'without a number'}, "
            f"ours {row.text}{'' if row.whole else f' ({row.terms})'}"
            for row in group.shown
        )
        for group in found
        if group.drawn and group.shown
    ]
    return f"Differences of the paper and ours. {'. '.join(parts)}."
