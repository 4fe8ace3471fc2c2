"""Results at a glance: every table and figure of the papers treated so far, and how far it has been run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lossbook import datasets, experiments, paths
from lossbook.report import battash2021, battash2021_table4, li2020, ranking, tables, verdict, yao2018
from lossbook.report import evidence as choice
from lossbook.report.page import Cell
from lossbook.report.style import loss_style
from lossbook.results import Record, Store, published

PAPER = "paper"

# Losses of a paper that can be read in more than one way: each reading has a row of its own.
_READINGS = {("yao2018", "nllr"): yao2018.READINGS, ("li2020", "lgl"): ("lgl", "lgl_mean")}


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
            if item["experiment"] == battash2021_table4.EXPERIMENT:
                made = _table_four(found, used)
            elif paths.data_file("published", paper, f"{item['item']}.csv").is_file():
                made = [
                    _number(found, paper, {**cell, "loss": loss}, used)
                    for cell in _rows(paper, item["item"])
                    for loss in _losses(found, paper, cell)
                ]
            else:
                made = [_figure(found, item["dataset"], used)]
            rows += [{"Item": link, **row} for row in made]
    return pd.DataFrame(rows), list({r.key: r for r in used}.values())


def _rows(paper: str, item: str) -> list[dict[str, str]]:
    return [{str(k): v for k, v in row.items()} for row in published(paper, item).to_dict("records")]


def _losses(found: choice.Evidence, paper: str, cell: dict[str, str]) -> list[str]:
    """The readings of a cell's loss that the experiment declares; one where the table is not about losses."""
    loss = cell.get("loss", "lgl_inr")
    declared = {
        str(c.labels["loss"])
        for c in experiments.get(found.experiment).profiles[PAPER].cells
        if c.labels["dataset"] == cell["dataset"]
    }
    return [each for each in _READINGS.get((paper, loss), (loss,)) if each in declared]


def _number(found: choice.Evidence, paper: str, cell: dict[str, str], used: list[Record]) -> dict[str, Any]:
    """One number of a table: at the paper's protocol if that was run, else at the best profile there is."""
    labels: dict[str, Any] = {"dataset": cell["dataset"], "loss": cell["loss"]}
    what = [datasets.info(cell["dataset"]).title]
    if "network" in cell:
        labels["network"] = cell["network"]
        what.append(li2020.NETWORK_NAMES[cell["network"]])
    if "beta" in cell:
        labels |= {"beta": float(cell["beta"]), "detach": False}
    name = li2020.NAMES[cell["loss"]] if paper == "li2020" else loss_style(cell["loss"]).name
    what.append(f"{name}, beta {cell['beta']}" if "beta" in cell else name)
    epochs = int(cell["epochs"]) if "epochs" in cell else None
    runs = found.runs(PAPER, epochs, **labels)
    if not runs.records and (profile := found.best(**labels)):
        runs = found.runs(profile, **labels)
    used += runs.records
    return {
        "What": ", ".join(what),
        "Status": _status(runs.records),
        "Paper": cell["accuracy_percent"],
        "Ours": tables.mean_cell(runs, "test_accuracy", percent=True) if runs.records else Cell("–"),
        "Ours is made with": verdict.protocol(runs.records) if runs.records else "–",
    }


def _table_four(found: choice.Evidence, used: list[Record]) -> list[dict[str, Any]]:
    """The mean improvement over CE of battash2021's Table 4, by classifier and method."""
    real = [s for s in (battash2021_table4.Study(r) for r in found.by_profile.values()) if not s.embedded]
    # As on the table's own page: the profile with the most complete data sets.
    study = max(real, key=lambda s: min((len(each.datasets) for each in s.read()), default=0), default=None)
    rows = []
    for classifier, name in battash2021_table4.CLASSIFIERS.items():
        scores = study.scores(classifier) if study is not None else None
        for j, method in enumerate(battash2021_table4.METHODS):
            if j == battash2021_table4.CE:
                continue
            paper = battash2021.printed()[classifier, method.loss, method.schedule]
            row: dict[str, Any] = {
                "What": f"{name}, {method.name} minus CE, points",
                "Status": "not run",
                "Paper": paper["accuracy_gain_points"],
                "Ours": Cell("–"),
                "Ours is made with": "–",
            }
            if study is not None and scores is not None:
                gain = ranking.mean_gains(100 * scores.mean, battash2021_table4.CE)[j]
                row["Status"] = "paper scale" if study.profile == PAPER else "reduced"
                mark = (
                    f" {tables.UNATTESTED}"
                    if any(r.trust.state == "unattested" for r in study.records)
                    else ""
                )
                row["Ours"] = Cell(
                    f"{tables.signed(gain.mean)} ± {tables.number(gain.half, 2)} (n = {gain.n}){mark}",
                    {"mean": gain.mean, "low": gain.low, "high": gain.high, "n": gain.n},
                    tuple(str(key) for key in scores.runs[:, :, j].ravel()),
                )
                row["Ours is made with"] = (
                    f"{len(scores.datasets)} tables, 50 epochs, {len(scores.seeds)} seeds"
                )
            rows.append(row)
    used += study.records if study is not None else ()
    return rows


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
