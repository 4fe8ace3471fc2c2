"""Drawing of Fig. 1 and 2: losses and accuracies by epoch, NLLR as printed in panels of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from lossbook.evidence import claims, stats, tables
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.evidence.tables import Runs
from lossbook.pages import figures
from lossbook.papers.yao2018.names import NAMES, READINGS
from lossbook.papers.yao2018.table1 import curve_groups
from lossbook.results import Record

#: The loss without a lower bound: its values, and what they do to its accuracy, hide those of the others.
UNBOUNDED = "nllr"
# From here on, the own losses are drawn on an axis that is logarithmic beyond 1.
_LINEAR_SPAN = 8.0


@dataclass(frozen=True)
class Curves:
    """Learning curves of all losses on a data set, as one figure with its words.

    Attributes:
        groups: Loss -> the records of its seeds.
        dataset: The data set.
    """

    groups: dict[str, list[Record]]
    dataset: str

    @classmethod
    def of(cls, evidence: Evidence, profile: str, dataset: str) -> Curves:
        """The curves that a profile has; none where nothing was run."""
        return cls(curve_groups(evidence, profile, dataset), dataset)

    @property
    def records(self) -> list[Record]:
        """Every run drawn."""
        return [record for group in self.groups.values() for record in group]

    @property
    def protocol(self) -> str:
        """What the runs were trained on, in words."""
        return f"{self._data}; {claims.protocol(self.records)}"

    def draw(self, part: str) -> Figure:
        """Draw accuracies and losses, by row; NLLR as printed in a column of its own.

        Args:
            part: ``"test"`` or ``"train"``.
        """
        word = {"test": "Test", "train": "Training"}[part]
        metrics = ((f"{part}_accuracy", f"{word} accuracy, %"), (f"{part}_loss", f"{word} loss (own)"))
        return self._panels([(metric, title, self._scale(metric)) for metric, title in metrics])

    def draw_cross_entropy(self) -> Figure:
        """Draw the test cross-entropy of networks trained with each loss: one yardstick for all."""
        return self._panels([("test_ce", "Test cross-entropy", lambda _: "log")])

    def alt(self, what: str) -> str:
        """What learning curves show, in words and numbers.

        Args:
            what: ``"test"`` or ``"train"``.
        """
        word = {"test": "test", "train": "training"}[what]
        ends = self._ends(f"{what}_accuracy", lambda value: f"{100 * value:.1f}%")
        return (
            f"{word.capitalize()} accuracy and {word} loss by epoch on {self._data}, one line per loss"
            f"{self._apart}. {word.capitalize()} accuracy at the end: {ends}."
        )

    def cross_entropy_alt(self) -> str:
        """What the curves of the test cross-entropy show, in words and numbers."""
        ends = self._ends("test_ce", lambda value: tables.number(value, 3))
        drawn = f"Test cross-entropy by epoch on {self._data}, one line per loss{self._apart}"
        return f"{drawn}. At the end: {ends}."

    @property
    def _data(self) -> str:
        return dataset_name(self.dataset, self.records)

    @property
    def _columns(self) -> list[tuple[str, ...]]:
        """The losses of each column of panels."""
        bounded = tuple(loss for loss in self.groups if loss != UNBOUNDED)
        return [each for each in (bounded, tuple(self.groups.keys() & {UNBOUNDED})) if each]

    @property
    def _apart(self) -> str:
        return f", {READINGS[UNBOUNDED]} in panels of its own" if len(self._columns) > 1 else ""

    def _panels(self, rows: Sequence[tuple[str, str, Callable[[Sequence[str]], str]]]) -> Figure:
        panels = []
        for metric, title, scale in rows:
            for column in self._columns:
                whose = READINGS[UNBOUNDED] if column == (UNBOUNDED,) else title
                percent = metric.endswith("accuracy")
                panels.append(figures.Panel(metric, whose, percent, scale(column), column))
        return figures.curves(self.groups, panels, columns=len(self._columns), width=5.0)

    def _scale(self, metric: str) -> Callable[[Sequence[str]], str]:
        def scale(losses: Sequence[str]) -> str:
            if metric.endswith("accuracy"):
                return "linear"
            values = [
                v for loss in losses for r in self.groups[loss] for v in r.curve(metric) if v is not None
            ]
            return "symlog" if values and max(values) - min(values) > _LINEAR_SPAN else "linear"

        return scale

    def _ends(self, metric: str, written: Callable[[float], str]) -> str:
        ends = []
        for loss, group in self.groups.items():
            values = Runs(tuple(group)).values(metric)
            mean = written(stats.mean_interval(values.values()).mean) if values else "broke down"
            ends.append(f"{NAMES[loss]} {mean} after {group[0].labels['epochs']} epochs")
        return ", ".join(ends)
