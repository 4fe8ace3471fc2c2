"""A paper's table as it is declared: which cells, what the paper has, and what they are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from lossbook import experiments
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.evidence.tables import Cell, Runs, difference_cells, mean_cell, notes, signed

#: What stands where there is no number.
NOTHING = "–"


@dataclass(frozen=True)
class Column:
    """A column of our numbers.

    Attributes:
        title: Its heading.
        metric: Which metric of the runs.
        percent: A fraction shown in percent.
        digits: Digits after the point.
    """

    title: str
    metric: str = "test_accuracy"
    percent: bool = False
    digits: int = 2


@dataclass(frozen=True)
class Table:
    """A table of an experiment: the paper's number, ours, and the difference from a baseline.

    Attributes:
        experiment: ``<paper>/<item>``.
        rows: The labels that name a row and their headings, in order.
        names: Label -> its values' names; a value without one is shown as it is, a data set by its title.
        columns: Our numbers; differences are those of the first.
        published: The paper's numbers, by the values of ``rows``, in percent where the first column is.
        against: Labels that make a cell's baseline of it, for example ``{"loss": "ce"}``; without one there
            are no differences.
        baseline: The baseline's name in the headings of differences.
        missing: Where what has not been run is listed, as the page links to it.
    """

    experiment: str
    rows: Mapping[str, str]
    columns: Sequence[Column]
    names: Mapping[str, Mapping[Any, str]] = field(default_factory=dict)
    published: Mapping[tuple[Any, ...], float] = field(default_factory=dict)
    against: Mapping[str, Any] = field(default_factory=dict)
    baseline: str = ""
    missing: str = ""

    def frame(
        self, evidence: Evidence, profile: str, *, where: Mapping[str, Any] | None = None
    ) -> tuple[pd.DataFrame, list[str | Cell]]:
        """The table at one profile, with a row for every cell that has been run, and the notes it needs.

        A column without a single value, such as the paper's for a network that it does not use, is left out.

        Args:
            evidence: The records.
            profile: The profile.
            where: Only the cells with these labels.
        """
        declared = experiments.get(self.experiment).profile(profile).cells
        cells = [
            dict(cell.labels)
            for cell in declared
            if all(cell.labels.get(name) == value for name, value in (where or {}).items())
        ]
        first = self.columns[0]
        rows: list[dict[str, Any]] = []
        pairs: list[tuple[Runs, Runs] | None] = []
        used: list[Runs] = []
        for labels in cells:
            runs = _runs(evidence, profile, labels, declared)
            if not runs.records:
                continue
            used.append(runs)
            base = self._base(labels, cells)
            pairs.append((runs, _runs(evidence, profile, base, declared)) if base is not None else None)
            row: dict[str, Any] = {
                title: self._named(label, labels[label], runs) for label, title in self.rows.items()
            }
            paper, lead = self._published(labels)
            if self.published:
                row["Paper"] = NOTHING if paper is None else f"{paper:.{first.digits}f}"
            for column in self.columns:
                row[column.title] = mean_cell(
                    runs, column.metric, percent=column.percent, digits=column.digits
                )
            if self.published and self.against:
                row[f"Paper minus {self.baseline}"] = NOTHING if lead is None else signed(lead, first.digits)
            rows.append(row)
        frame = pd.DataFrame(rows)
        if rows and self.against:
            place = list(frame).index(first.title) + 1
            differences, p_values = difference_cells(
                pairs, first.metric, percent=first.percent, digits=first.digits
            )
            frame.insert(place, f"Ours minus {self.baseline}", pd.Series(differences, dtype=object))
            frame.insert(place + 1, "p (Holm)", pd.Series(p_values, dtype=object))
        return filled(frame), [*notes(used, first.metric), *not_run(len(cells), len(rows), self.missing)]

    def _base(
        self, labels: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]
    ) -> Mapping[str, Any] | None:
        """The cell that one is compared with; cells may differ besides in labels that name no row."""
        wanted = {label: {**labels, **self.against}[label] for label in self.rows}
        if not self.against or all(labels[label] == value for label, value in wanted.items()):
            return None
        return next((c for c in cells if all(c.get(k) == value for k, value in wanted.items())), None)

    def _named(self, label: str, value: Any, runs: Runs) -> Any:
        if label == "dataset":
            return dataset_name(value, runs.records)
        return self.names.get(label, {}).get(value, value)

    def _published(self, labels: Mapping[str, Any]) -> tuple[float | None, float | None]:
        """The paper's number for a cell, and its lead over the baseline's."""
        paper = self.published.get(tuple(labels[label] for label in self.rows))
        base = self.published.get(tuple({**labels, **self.against}[label] for label in self.rows))
        own = all(labels.get(label) == value for label, value in self.against.items())
        lead = None if paper is None or base is None or own else paper - base
        return paper, lead


def filled(frame: pd.DataFrame) -> pd.DataFrame:
    """A table without the columns in which no row has a value."""
    return frame[[title for title in frame if any(str(value) != NOTHING for value in frame[title])]]


def not_run(declared: int, shown: int, href: str = "") -> list[str | Cell]:
    """The note of a table that lacks cells; none where all have been run.

    Args:
        declared: How many cells the table has.
        shown: How many of them have been run.
        href: Where what is missing is listed.
    """
    if shown == declared:
        return []
    said = f"{declared - shown} of {declared} cells of this table have not been run."
    return [Cell(said, href=href) if href else said]


def _runs(
    evidence: Evidence, profile: str, labels: Mapping[str, Any], declared: Sequence[experiments.Cell]
) -> Runs:
    """The runs of a cell; where cells differ in length alone, a longer run serves a shorter cell too."""
    others = {name: value for name, value in labels.items() if name != "epochs"}
    lengths = {
        cell.labels.get("epochs")
        for cell in declared
        if all(cell.labels.get(name) == value for name, value in others.items())
    }
    return evidence.runs(profile, labels["epochs"] if len(lengths) > 1 else None, **others)
