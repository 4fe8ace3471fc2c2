"""Drawing of Table 3: each mixture minus CE, beside the paper's."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lossbook.evidence.contrasts import POINTS
from lossbook.evidence.select import Evidence
from lossbook.pages.style import INK, loss_style
from lossbook.papers.battash2021.table3 import ARCHITECTURES, NAMES, differences, gain
from lossbook.papers.battash2021.texts import MIXTURES

_MARKERS = ("o", "s", "P")


def gains(evidence: Evidence, profile: str, protocol: str) -> Figure:
    """Draw each mixture minus CE with its 95% interval, network by network, and the paper's difference."""
    found = {(a, m.name): d for a, m, d in differences(evidence, profile, protocol)}
    dataset = str(evidence.by_profile[profile][0].labels["dataset"])
    shown = [name for name in ARCHITECTURES if any(a == name for a, _ in found)]
    color = loss_style("ceel").color
    figure = Figure(figsize=(5.2, 0.8 * len(shown) + 1.3), layout="constrained")
    ax = figure.subplots()
    for row, architecture in enumerate(shown):
        for place, (method, marker) in enumerate(zip(MIXTURES, _MARKERS, strict=True)):
            y = row + 0.24 * (place - 1)
            if (difference := found.get((architecture, method.name))) is not None:
                interval = difference.interval
                if interval.n > 2:
                    ends = [POINTS.scale * interval.low, POINTS.scale * interval.high]
                    ax.plot(ends, [y, y], color=color, linewidth=1.4)
                ax.plot(POINTS.scale * interval.mean, y, marker=marker, color=color, markersize=6)
            if (paper := gain(architecture, method, protocol, dataset=dataset).paper) is not None:
                ax.plot(paper, y, marker=marker, color=INK, fillstyle="none", markersize=6)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(range(len(shown)), [NAMES[name] for name in shown])
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set(xlabel="accuracy minus that of CE, points", ylabel="network: layers × cells")
    ax.grid(visible=False, axis="y")
    marks = [
        Line2D([], [], marker=marker, color=color, linestyle="none", label=method.name)
        for method, marker in zip(MIXTURES, _MARKERS, strict=True)
    ]
    marks.append(Line2D([], [], marker="o", color=INK, fillstyle="none", linestyle="none", label="paper"))
    figure.legend(handles=marks, loc="outside upper center", ncols=4, columnspacing=1.2)
    return figure


def gains_alt(evidence: Evidence, profile: str, protocol: str) -> str:
    """What the figure shows, in words and numbers."""
    said = [
        f"LSTM {NAMES[architecture]}, {method.name}: {difference.short()}"
        for architecture, method, difference in differences(evidence, profile, protocol)
    ]
    return f"Accuracy minus that of CE in points, with half of its 95% interval. {'; '.join(said)}."
