"""Drawings of the page on few labels: the measures by loss, and training by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lossbook.evidence import stats
from lossbook.evidence.select import Evidence
from lossbook.evidence.tables import Runs
from lossbook.pages import figures
from lossbook.pages.style import loss_style
from lossbook.papers.dong2019 import objects_figures
from lossbook.papers.dong2019.names import FREQUENCIES, ONE, OWN, REFERENCE, USUAL, named
from lossbook.papers.dong2019.table3 import BASELINE, COMPARED, DATASETS, LOSSES, LOW, MEASURES, rate, title
from lossbook.results import Record

#: The rows of a panel: loss and start.
_ROWS = ((BASELINE, USUAL), (BASELINE, FREQUENCIES), *((loss, USUAL) for loss in LOSSES[1:]))
_BIASES = "LR, biases at\n−log(K − 1)"


def _runs(evidence: Evidence, dataset: str, loss: str, start: str, policy: str) -> Runs:
    lr = rate(dataset, loss, policy, start)
    return evidence.runs(REFERENCE, dataset=dataset, loss=loss, start=start, lr=lr)


def shown(evidence: Evidence) -> list[str]:
    """The data sets that have runs."""
    made = {record.labels["dataset"] for record in evidence.by_profile.get(REFERENCE, ())}
    return [dataset for dataset in DATASETS if dataset in made]


def measure_figure(evidence: Evidence, measure: str = "map_example") -> Figure:
    """Draw a measure by loss, a panel per data set: seeds, mean and interval at each loss's own rate.

    A hollow mark is the mean at the rate of LR, where the own rate is another.
    """
    sets = shown(evidence)
    figure = Figure(figsize=(4.4, 1.95 * len(sets) + 0.5), layout="constrained")
    axes = figure.subplots(len(sets), 1, squeeze=False)[:, 0]
    for ax, dataset in zip(axes, sets, strict=True):
        for row, (loss, start) in enumerate(_ROWS):
            look = loss_style(loss)
            values = [100 * v for v in _runs(evidence, dataset, loss, start, OWN).values(measure).values()]
            if values:
                mean = stats.mean_interval(values)
                dots = [row + 0.18] * len(values)
                ax.plot(values, dots, "o", color=look.color, markersize=2.5, alpha=0.6)
                if mean.bounded:
                    ax.plot([mean.low, mean.high], [row - 0.14] * 2, color=look.color, linewidth=1.6)
                ax.plot(
                    [mean.mean], [row - 0.14], marker=look.marker, color=look.color, markersize=6.5, mew=1.6
                )
            other = _runs(evidence, dataset, loss, start, ONE).values(measure)
            if other and rate(dataset, loss, ONE) != rate(dataset, loss, OWN, start):
                middle = 100 * sum(other.values()) / len(other)
                ax.plot([middle], [row - 0.14], "o", color=look.color, markersize=6.5, fillstyle="none")
        names = [_BIASES if start == FREQUENCIES else loss_style(loss).name for loss, start in _ROWS]
        ax.set_yticks(range(len(_ROWS)), names)
        ax.set_ylim(len(_ROWS) - 0.5, -0.6)
        ax.set_title(title(dataset))
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5))
        ax.grid(visible=False, axis="y")
    axes[-1].set_xlabel(f"{MEASURES[measure]}, %")
    return figure


def measure_alt(evidence: Evidence, measure: str = "map_example") -> str:
    """The figure in words and numbers."""
    parts = []
    for dataset in shown(evidence):
        said = []
        for loss, start in _ROWS:
            values = _runs(evidence, dataset, loss, start, OWN).values(measure)
            if values:
                name = "LR with biases at -log(K - 1)" if start == FREQUENCIES else loss_style(loss).name
                said.append(f"{name} {100 * sum(values.values()) / len(values):.1f}")
        parts.append(f"{title(dataset)}: {', '.join(said)}")
    return f"{MEASURES[measure]} in percent by loss, a dot per seed. {'. '.join(parts)}."


PANELS = (
    figures.Panel("train_loss", "Training: each loss on its own scale", scale="log"),
    figures.Panel("test_bce", "Test: LR's loss, for all losses", scale="log"),
)


def _trained(evidence: Evidence, dataset: str) -> dict[str, Sequence[Record]]:
    """The runs of each loss at its own rate, and those of LR from low biases, by printed or recorded name."""
    starts = {LOW if start == FREQUENCIES else loss: (loss, start) for loss, start in COMPARED}
    found = {name: _runs(evidence, dataset, *which, OWN).records for name, which in starts.items()}
    return {name: each for name, each in found.items() if each}


def training_figure(evidence: Evidence, dataset: str) -> Figure:
    """Draw the training loss, and LR's loss on the test part, by epoch, each loss at its own rate."""
    # The usual name is too long for a legend of this width.
    looks = {LOW: replace(objects_figures.look(BASELINE, FREQUENCIES), name="LR, low biases")}
    return figures.curves(_trained(evidence, dataset), PANELS, columns=1, width=4.4, looks=looks)


def training_alt(evidence: Evidence, dataset: str) -> str:
    """The figure in words and numbers."""
    said = []
    for name, records in _trained(evidence, dataset).items():
        curves = [r.curve("train_loss") for r in records]
        ends = [(curve[0], curve[-1]) for curve in curves if curve and None not in (curve[0], curve[-1])]
        if ends:
            first, last = (sum(end[at] or 0.0 for end in ends) / len(ends) for at in (0, 1))
            printed = named(BASELINE, FREQUENCIES) if name == LOW else loss_style(name).name
            said.append(f"{printed} from {first:.3g} to {last:.3g}")
    return f"Training loss on {title(dataset)}, first to last epoch: {', '.join(said)}."
