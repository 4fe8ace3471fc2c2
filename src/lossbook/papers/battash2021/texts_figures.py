"""Drawing that the pages on texts share: each mixture minus CE, row by row."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lossbook.evidence.contrasts import Difference
from lossbook.pages.style import INK
from lossbook.papers.battash2021.table4_figures import STYLES
from lossbook.papers.battash2021.texts import MIXTURES, REGIMES

#: How CE and the three mixtures are drawn, in the order of :data:`REGIMES`; as on the page on Table 4.
LOOKS = STYLES[: len(REGIMES)]
_NAMES = [method.name for method in MIXTURES]


def gains(
    found: Sequence[tuple[str, str, Difference]], label: str, *, scale: float = 1.0, axis: str = ""
) -> Figure:
    """Draw each mixture minus CE with its 95% interval, and the paper's difference where it has one.

    Args:
        found: Name of the row, of the mixture, and the difference.
        label: Of the horizontal axis.
        scale: What differences are multiplied by; the paper's are in the unit shown.
        axis: Label of the vertical axis.
    """
    rows = list(dict.fromkeys(row for row, *_ in found))
    figure = Figure(figsize=(6.0, 0.75 * len(rows) + 1.3), layout="constrained")
    ax = figure.subplots()
    papers = False
    for row, name, difference in found:
        place = _NAMES.index(name)
        look, d = LOOKS[place + 1], difference.interval
        y = rows.index(row) + 0.24 * (place - 1)
        if d.bounded:
            ax.plot([scale * d.low, scale * d.high], [y, y], color=look.color, linewidth=1.4)
        ax.plot(scale * d.mean, y, marker=look.marker, color=look.color, markersize=6, linestyle="none")
        if (paper := difference.contrast.paper) is not None:
            papers = True
            ax.plot(paper, y, marker="D", color=INK, fillstyle="none", markersize=5, linestyle="none")
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(range(len(rows)), rows)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set(xlabel=label, ylabel=axis)
    ax.grid(visible=False, axis="y")
    marks = [
        Line2D([], [], marker=look.marker, color=look.color, linestyle="none", label=name)
        for name, look in zip(_NAMES, LOOKS[1:], strict=True)
    ]
    if papers:
        marks.append(
            Line2D([], [], marker="D", color=INK, fillstyle="none", linestyle="none", label="the paper")
        )
    figure.legend(handles=marks, loc="outside upper center", ncols=len(marks), columnspacing=1.0)
    return figure
