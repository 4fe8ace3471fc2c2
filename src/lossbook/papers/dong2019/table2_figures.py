"""The figure of Table 2's page."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossbook.evidence import stats, tables
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.pages.style import INK, loss_style
from lossbook.papers.dong2019.names import RATES
from lossbook.papers.dong2019.table2 import MEASURES, ONE, Place
from lossbook.papers.dong2019.table2_tables import Row, rows


def _panels(evidence: Evidence, profile: str) -> dict[str, list[Row]]:
    """Data set -> its rows with a difference from CE."""
    found: dict[str, list[Row]] = {}
    for row in rows(evidence, profile):
        if any(row.minus_base(metric) for metric in MEASURES):
            found.setdefault(dataset_name(row.labels["dataset"], row.runs.records), []).append(row)
    return found


def _named(row: Row, panel: list[Row], profile: str) -> str:
    """The name of a row; with its rate where the panel has several."""
    rates = {each.labels["lr"] for each in panel}
    own = len(rates) > 1 and row.labels["lr"] != ONE.get(Place(profile, row.labels["dataset"]))
    return f"{row.name}, at {row.labels['lr']:g}" if own else row.name


def figure(evidence: Evidence, profile: str) -> Figure | None:
    """Differences from CE, a panel per data set: rank-1 filled, mAP hollow; intervals from three seeds on.

    None where nothing has been run beside CE.
    """
    panels = _panels(evidence, profile)
    if not panels:
        return None
    heights = [len(panel) + 1.2 for panel in panels.values()]
    made = Figure(figsize=(6.0, 0.42 * sum(heights) + 0.6), layout="constrained")
    axes = made.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, (title, panel) in zip(axes, panels.items(), strict=True):
        for y, row in enumerate(panel):
            style = loss_style(row.labels["loss"])
            for metric, shift in zip(MEASURES, (-0.15, 0.15), strict=True):
                difference = row.minus_base(metric)
                if difference is None:
                    continue
                _draw(ax, difference, y + shift, style.color, style.marker, filled=metric == "rank_1")
        ax.axvline(0, color=INK, linewidth=0.9)
        ax.set_yticks(range(len(panel)), [_named(row, panel, profile) for row in panel])
        ax.set_ylim(len(panel) - 0.5, -0.5)
        ax.set_title(title)
        ax.grid(visible=False, axis="y")
    axes[-1].set_xlabel("minus CE, points")
    handles = [
        axes[0].plot([], [], "o", color=INK, markerfacecolor=INK if filled else "none", label=name)[0]
        for name, filled in (("rank-1", True), ("mAP", False))
    ]
    made.legend(handles=handles, loc="outside upper right", ncols=2)
    return made


def _draw(
    ax: Axes, difference: stats.PairedDifference, y: float, color: str, marker: str, *, filled: bool
) -> None:
    if difference.bounded:
        ax.plot([100 * difference.low, 100 * difference.high], [y, y], color=color, linewidth=1.6)
    face = color if filled else "none"
    ax.plot([100 * difference.mean], [y], marker=marker, color=color, markerfacecolor=face)


def alt(evidence: Evidence, profile: str) -> str:
    """The figure in words and numbers."""
    said = []
    for title, panel in _panels(evidence, profile).items():
        parts = []
        for row in panel:
            found = [(name, row.minus_base(metric)) for metric, name in MEASURES.items()]
            numbers = ", ".join(f"{name} {tables.signed_band(d)}" for name, d in found if d)
            parts.append(f"{_named(row, panel, profile)} {numbers}")
        said.append(f"{title}: {'; '.join(parts)}")
    return f"Differences from CE in points, {RATES['one']} unless another is named. {'. '.join(said)}."
