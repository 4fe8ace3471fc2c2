"""Results at a glance: every table and figure of the papers treated so far, and how far it has been run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lossbook import datasets, experiments, paths
from lossbook.report import evidence as choice
from lossbook.report import tables, verdict, yao2018
from lossbook.report.page import Cell
from lossbook.report.style import loss_style
from lossbook.results import Record, Store, published

PAPER = "paper"

# Losses of a paper that can be read in more than one way: each reading has a row of its own.
_READINGS = {("yao2018", "nllr"): yao2018.READINGS}


def papers() -> list[str]:
    """Return the papers with published numbers in the project, by their key."""
    return sorted(path.parent.name for path in paths.data_file("published").glob("*/items.csv"))


def glance(*, store: Store | None = None) -> tuple[pd.DataFrame, list[Record]]:
    """Return one row per number of the papers' tables and per figure, and the records behind them.

    Runs on embedded data say nothing of a paper and do not count.

    Args:
        store: Where to read; the project's own store by default.

    Returns:
        The table (item, what, status, the paper's number, ours and how it was made), and the records.
    """
    rows: list[dict[str, Any]] = []
    used: list[Record] = []
    for paper in papers():
        for item in _rows(paper, "items"):
            found = choice.records(item["experiment"], store=store)
            link = Cell(f"{paper} {item['title']}", href=f"../{item['page']}.html")
            if paths.data_file("published", paper, f"{item['item']}.csv").is_file():
                for cell in _rows(paper, item["item"]):
                    for loss in _READINGS.get((paper, cell["loss"]), (cell["loss"],)):
                        rows.append({"Item": link, **_number(found, {**cell, "loss": loss}, used)})
            else:
                rows.append({"Item": link, **_figure(found, item["dataset"], used)})
    return pd.DataFrame(rows), list({r.key: r for r in used}.values())


def _rows(paper: str, item: str) -> list[dict[str, str]]:
    return [{str(k): v for k, v in row.items()} for row in published(paper, item).to_dict("records")]


def _number(found: choice.Evidence, cell: dict[str, str], used: list[Record]) -> dict[str, Any]:
    """One number of a table: at the paper's protocol if that was run, else at the best profile there is."""
    labels: dict[str, Any] = {"dataset": cell["dataset"], "loss": cell["loss"]}
    runs = found.runs(PAPER, int(cell["epochs"]), **labels)
    if not runs.records and (profile := found.best(**labels)):
        runs = found.runs(profile, **labels)
    used += runs.records
    return {
        "What": f"{datasets.info(cell['dataset']).title}, {loss_style(cell['loss']).name}",
        "Status": _status(runs.records),
        "Paper": cell["accuracy_percent"],
        "Ours": tables.mean_cell(runs, "test_accuracy", percent=True) if runs.records else Cell("–"),
        "Ours is made with": verdict.protocol(runs.records) if runs.records else "–",
    }


def _figure(found: choice.Evidence, dataset: str, used: list[Record]) -> dict[str, Any]:
    """A figure: the best profile that has a run of every cell it declares for the data set, else the best."""
    complete = [name for name in found.by_profile if not _missing(found, name, dataset)]
    profile = next(iter(complete), None) or found.best(dataset=dataset)
    runs = [r for r in found.by_profile.get(profile or "", ()) if r.labels["dataset"] == dataset]
    used += runs
    partly = "" if profile in complete or not runs else ", in part"
    return {
        "What": f"{datasets.info(dataset).title}, by epoch",
        "Status": _status(runs) + partly,
        "Paper": "curves",
        "Ours": Cell("curves" if runs else "–", runs=tuple(r.key for r in runs)),
        "Ours is made with": verdict.protocol(runs) if runs else "–",
    }


def _missing(found: choice.Evidence, profile: str, dataset: str) -> bool:
    """Whether a cell that the profile declares for a data set has no run on it, or it declares none."""
    cells = [
        c for c in experiments.get(found.experiment).profiles[profile].cells if c.labels["dataset"] == dataset
    ]
    groups = [found.runs(profile, **c.labels).records for c in cells]
    return not all(groups) or not groups or any(choice.substituted(r) for group in groups for r in group)


def _status(records: Sequence[Record]) -> str:
    if not records:
        return "not run"
    return "paper scale" if {r.profile for r in records} == {PAPER} else "reduced"
