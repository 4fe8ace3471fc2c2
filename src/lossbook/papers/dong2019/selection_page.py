"""The figure and the tables of the page on Fig. 6 and 7."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossbook import experiments
from lossbook.evidence import stats, tables
from lossbook.evidence.grids import not_run
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.evidence.tables import Runs
from lossbook.pages.style import INK, loss_style
from lossbook.papers.dong2019.names import NAMES, SELECTION, USUAL
from lossbook.papers.dong2019.selection import (
    ALL_CLASSES,
    MEASURES,
    NO_POWER,
    OBJECTS,
    ONE_CLASS,
    PAPER_COUNT,
    POWERS,
    PUBLISHED_COUNT,
    SHARES,
    M,
    R,
    percent,
)
from lossbook.papers.dong2019.table2 import MISSING
from lossbook.results import canonical

#: A curve: its loss, the setting that varies, and the settings.
CURVES: Mapping[str, tuple[str, Sequence[float]]] = {
    "hs_lr": ("m", SHARES),
    "ss_lr": ("r", (NO_POWER, *POWERS)),
}


@dataclass(frozen=True)
class Setting:
    """A setting of a loss on a data set, with its runs and those of m = 25 or r = 2.

    Attributes:
        dataset: The data set.
        loss: The loss.
        value: Its m or r.
        count: How the classes that m stands for are counted.
        runs: The runs.
        base: Those at m = 25 or r = 2.
    """

    dataset: str
    loss: str
    value: float
    count: str
    runs: Runs
    base: Runs

    @property
    def name(self) -> str:
        """The setting as the paper has it."""
        if self.loss == "ss_lr":
            return f"r = {self.value:g}"
        return percent(self.value) + (", published count" if self.count == PUBLISHED_COUNT else "")

    @property
    def usual(self) -> bool:
        """Whether it is m = 25 or r = 2."""
        return self.value == (M if self.loss == "hs_lr" else R) and self.count == PAPER_COUNT

    @property
    def measures(self) -> Mapping[str, str]:
        """What is measured, and its name."""
        return MEASURES.get(self.dataset, MEASURES[OBJECTS])


def settings(evidence: Evidence, profile: str) -> list[Setting]:
    """The settings of a profile that have been run, data set by data set, m before r, in order of size."""
    datasets = dict.fromkeys(
        cell.labels["dataset"] for cell in experiments.get(SELECTION).profile(profile).cells
    )
    return [
        setting for dataset in datasets for setting in _of(evidence, profile, dataset) if setting.runs.records
    ]


def _of(evidence: Evidence, profile: str, dataset: str) -> Iterator[Setting]:
    def hard(m: float, count: str = PAPER_COUNT) -> Runs:
        return evidence.runs(profile, dataset=dataset, loss="hs_lr", m=m, count=count, start=USUAL)

    def soft(r: float) -> Runs:
        if r == NO_POWER:
            return hard(ALL_CLASSES)
        return evidence.runs(profile, dataset=dataset, loss="ss_lr", r=r, start=USUAL)

    for m in SHARES:
        yield Setting(dataset, "hs_lr", m, PAPER_COUNT, hard(m), hard(M))
    yield Setting(dataset, "hs_lr", M, PUBLISHED_COUNT, hard(M, PUBLISHED_COUNT), hard(M))
    for r in (NO_POWER, *POWERS):
        yield Setting(dataset, "ss_lr", r, PAPER_COUNT, soft(r), soft(R))


def tables_by_data(
    evidence: Evidence, profile: str
) -> dict[str, tuple[pd.DataFrame, list[str | tables.Cell]]]:
    """What every setting gives, and its differences from m = 25 or r = 2.

    Args:
        evidence: The records.
        profile: Which of them.

    Returns:
        By data set a row per setting that has been run, and the notes the table needs.
    """
    found = settings(evidence, profile)
    declared = experiments.get(SELECTION).profile(profile).cells
    made = {}
    for dataset in dict.fromkeys(each.dataset for each in found):
        mine = [each for each in found if each.dataset == dataset]
        pairs = [None if each.usual or not each.base.records else (each.runs, each.base) for each in mine]
        frame = pd.DataFrame({"Loss": NAMES[each.loss], "Setting": each.name} for each in mine)
        notes: dict[str, None] = {}
        for metric, name in mine[0].measures.items():
            differences, p_values = tables.difference_cells(pairs, metric, percent=True)
            frame[f"{name.capitalize() if name.islower() else name}, %"] = pd.Series(
                [tables.mean_cell(each.runs, metric, percent=True) for each in mine], dtype=object
            )
            frame[f"{name}, minus m = 25 or r = 2"] = pd.Series(differences, dtype=object)
            frame[f"p (Holm), {name}"] = pd.Series(p_values, dtype=object)
            notes |= dict.fromkeys(tables.notes([each.runs for each in mine], metric))
        keys = {key for each in mine for key in each.runs.keys}
        run = {canonical(r.labels) for r in evidence.by_profile[profile] if r.key in keys}
        wanted = {"dataset": dataset, "start": USUAL}
        cells = [cell for cell in declared if wanted.items() <= cell.labels.items()]
        made[dataset] = (frame, [*notes, *not_run(len(cells), len(run), MISSING)])
    return made


# --- the figure ---------------------------------------------------------------------------------------------


def figure(evidence: Evidence, profile: str) -> Figure | None:
    """m on the left, r on the right, a row of panels per data set; None where nothing has been run."""
    found = settings(evidence, profile)
    datasets = list(dict.fromkeys(each.dataset for each in found))
    if not found:
        return None
    made = Figure(figsize=(5.4, 2.7 * len(datasets) + 0.3), layout="constrained")
    axes = made.subplots(len(datasets), 2, squeeze=False, sharey="row")
    for row, dataset in enumerate(datasets):
        for column, loss in enumerate(CURVES):
            mine = [e for e in found if (e.dataset, e.loss, e.count) == (dataset, loss, PAPER_COUNT)]
            _curve(axes[row, column], mine, loss)
        title = dataset_name(dataset, [r for e in found if e.dataset == dataset for r in e.runs.records])
        axes[row, 0].set_title(title)
        axes[row, 0].set_ylabel(" and ".join(MEASURES.get(dataset, MEASURES[OBJECTS]).values()) + ", %")
    for column, label in enumerate(("m of HS-LR, % of wrong classes", "r of SS-LR")):
        axes[-1, column].set_xlabel(label)
    return made


def _curve(ax: Axes, found: Sequence[Setting], loss: str) -> None:
    """Means with 95% intervals, evenly spaced: the settings span four orders of magnitude."""
    places = {value: at for at, value in enumerate(CURVES[loss][1])}
    style = loss_style(loss)
    metrics = dict.fromkeys(metric for each in found for metric in each.measures)
    for metric, filled in zip(metrics, (True, False), strict=False):
        points = []
        for each in found:
            values = each.runs.values(metric)
            if not values:
                continue
            mean = stats.mean_interval([100 * v for v in values.values()])
            points.append((places[each.value], mean.mean))
            if mean.bounded:
                ax.plot([places[each.value]] * 2, [mean.low, mean.high], color=style.color, linewidth=1.4)
        if points:
            x, y = zip(*sorted(points), strict=True)
            face = style.color if filled else "none"
            ax.plot(x, y, color=style.color, linestyle=style.dash, marker=style.marker, markerfacecolor=face)
            if len(metrics) > 1:
                name = found[0].measures[metric]
                # At the right end: on the left, m = one class lies far below the others.
                end = (x[-1], y[-1])
                ax.annotate(name, end, xytext=(4, -15), textcoords="offset points", ha="right", color=INK)
    ax.set_xticks(list(places.values()), [_tick(loss, value) for value in places])


def _tick(loss: str, value: float) -> str:
    if loss == "ss_lr":
        return f"{value:g}"
    return "1 class" if value == ONE_CLASS else f"{100 * value:g}"


def alt(evidence: Evidence, profile: str) -> str:
    """The figure in words and numbers."""
    said: dict[str, list[str]] = {}
    for each in settings(evidence, profile):
        if each.count != PAPER_COUNT:
            continue
        for metric, name in each.measures.items():
            where = (
                f"{dataset_name(each.dataset, each.runs.records)}, {name} of {NAMES[each.loss]} in percent"
            )
            said.setdefault(where, []).append(
                f"{tables.mean_cell(each.runs, metric, percent=True)} at {each.name}"
            )
    return " ".join(f"{where}: {', '.join(parts)}." for where, parts in said.items())
