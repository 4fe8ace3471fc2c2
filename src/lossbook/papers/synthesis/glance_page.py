"""The forest plot of the results at a glance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lossbook.pages.style import INK, MUTED, loss_style
from lossbook.papers.synthesis.glance import Group, Row

#: A value this many times farther out than the middle of its panel is an arrow at the edge, with its number.
FAR = 6.0


def forest(found: Sequence[Group]) -> Figure:
    """Draw differences, a panel per comparison: a diamond is the paper's, a dot with its 95% interval ours.

    Args:
        found: The groups; rows that have not been run take no room.
    """
    shown = [group for group in found if group.shown]
    heights = [len(group.shown) + 1.5 for group in shown]
    figure = Figure(figsize=(4.4, 0.27 * sum(heights) + 0.45), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.02, w_pad=0.02)  # type: ignore[union-attr, call-arg]
    axes = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, group in zip(axes, shown, strict=True):
        _panel(ax, group)
    rows = [row for group in shown for row in group.shown]
    figure.legend(
        handles=list(_legend(rows)), loc="outside upper left", ncols=3, handlelength=1.0, columnspacing=1.2,
        fontsize=9.5,
    )  # fmt: skip
    return figure


def _legend(rows: Sequence[Row]) -> Iterable[Line2D]:
    yield Line2D([], [], marker="D", markerfacecolor="none", color=INK, linestyle="none", label="paper")
    if any(row.whole for row in rows):
        yield Line2D([], [], marker="o", color=INK, linestyle="none", label="ours")
    if any(not row.whole for row in rows):
        yield Line2D(
            [],
            [],
            marker="o",
            markerfacecolor="none",
            color=INK,
            linestyle="none",
            label="ours, other protocol",
        )


def _panel(ax: Axes, group: Group) -> None:
    low, high = limits(group.shown)
    ax.axvline(0, color=MUTED, linewidth=0.9)
    for y, row in enumerate(group.shown):
        assert row.ours is not None
        color = loss_style(row.loss).color
        _mark(ax, row.paper, y - 0.16, (low, high), marker="D", color=INK, markerfacecolor="none", size=5.5)
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
    ax.set_yticks(range(len(group.shown)), [row.what for row in group.shown])
    ax.set_ylim(len(group.shown) - 0.4, -0.6)
    ax.set_xlim(low, high)
    ax.tick_params(labelsize=9)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=3, min_n_ticks=2))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    # From the edge of the figure: above the axis alone a long title would not fit. The blank one keeps room.
    ax.set_title(" ", fontsize=9.5)
    ax.annotate(
        f"{group.item}. {group.title}",
        (0.01, 1),
        xycoords=("figure fraction", "axes fraction"),
        xytext=(0, 5),
        textcoords="offset points",
        fontsize=9.5,
        fontweight="bold",
        color=INK,
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
        marks.append([row.paper, *ends])
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
            f"{row.what}: paper {row.paper:+.2f}, ours {row.text}{'' if row.whole else ' (other protocol)'}"
            for row in group.shown
        )
        for group in found
        if group.shown
    ]
    return f"Differences of the paper and ours. {'. '.join(parts)}."
