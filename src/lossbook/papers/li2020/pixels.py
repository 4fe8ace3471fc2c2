"""Table 3 with CNN2C on standardised pixels; Table 3 itself has pixels from 0 to 1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from lossbook import experiments
from lossbook.evidence import tables
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.evidence.tables import Runs
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.li2020.names import CNN2C, LOSSES, NAMES, PIXELS
from lossbook.papers.li2020.protocol import (
    DIGITS,
    SMALL,
    by_name,
    cell,
    changed,
)
from lossbook.papers.li2020.table3 import printed
from lossbook.results import Record


def _cells(sets: Iterable[str], **changes: Any) -> tuple[Cell, ...]:
    return tuple(
        changed(
            cell(SMALL, named, CNN2C, loss, changes),
            {"pixels": "standardised"},
            pixels="standardised",
        )
        for named in sets
        for loss in LOSSES
    )


EXPERIMENT = Experiment(
    name=PIXELS,
    title="Table 3 with CNN2C on standardised pixels",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's protocol on standardised pixels of Fashion-MNIST and MNIST",
            _cells(("fashion_mnist", "mnist")),
            seeds=5,
        ),
        Profile(
            "quick",
            "2,000 images of Fashion-MNIST and of MNIST for 5 epochs",
            _cells(("fashion_mnist", "mnist"), train_size=2000, test_size=1000, epochs=5),
            seeds=2,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs, to see that everything runs",
            _cells(("mnist",), **DIGITS),
            seeds=2,
        ),
    ),
)

#: How pixels are scaled, in words.
SCALINGS = {"unit": "0 to 1", "standardised": "standardised"}


def datasets_of(profile: str) -> tuple[str, ...]:
    """The data sets that a profile declares, in order."""
    return tuple(dict.fromkeys(str(declared.labels["dataset"]) for declared in _declared(profile)))


def _declared(profile: str) -> tuple[experiments.Cell, ...]:
    return experiments.get(PIXELS).profiles[profile].cells


def of_cell(table3: Evidence, pixels: Evidence, profile: str, dataset: str, loss: str) -> dict[str, Runs]:
    """Return the runs of a loss by how pixels are scaled; they differ in nothing else.

    Args:
        table3: The records of Table 3, which are on pixels from 0 to 1.
        pixels: Those on standardised pixels.
        profile: Which of both.
        dataset: Name of the data set.
        loss: One of :data:`LOSSES`.
    """
    return {
        scaling: evidence.runs(profile, dataset=dataset, network=CNN2C, loss=loss)
        for scaling, evidence in zip(SCALINGS, (table3, pixels), strict=True)
    }


def accuracy_table(table3: Evidence, pixels: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the accuracies on both kinds of pixels beside the paper's, and their differences.

    Args:
        table3: The records of Table 3.
        pixels: Those on standardised pixels.
        profile: Which of both.

    Returns:
        The table, with a row for every loss that has been run on both, and the notes it needs.
    """
    paper = printed()
    rows, pairs = [], []
    used: list[Runs] = []
    for declared in _declared(profile):
        dataset, loss = str(declared.labels["dataset"]), str(declared.labels["loss"])
        mine = of_cell(table3, pixels, profile, dataset, loss)
        if not all(each.records for each in mine.values()):
            continue
        used += mine.values()
        pairs.append((mine["standardised"], mine["unit"]))
        row: dict[str, object] = {
            "Data": dataset_name(dataset, [r for each in mine.values() for r in each.records]),
            "Loss": NAMES[loss],
            "Paper, %": f"{paper[CNN2C, dataset, loss]:.2f}",
        }
        for scaling, words in SCALINGS.items():
            row[f"{words.capitalize()}, %"] = tables.mean_cell(mine[scaling], "test_accuracy", percent=True)
        rows.append(row)
    frame = pd.DataFrame(rows)
    differences, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
    frame["Standardised minus 0 to 1, points"] = pd.Series(differences, dtype=object)
    frame["p (Holm)"] = pd.Series(p_values, dtype=object)
    return frame, tables.notes(used)


def lead_table(table3: Evidence, pixels: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the lead of LGL-INR over the other losses, for each way of scaling pixels; as above."""
    paper = printed()
    rows, pairs, used = [], [], []
    for dataset in datasets_of(profile):
        for base in LOSSES[:2]:
            row: dict[str, object] = {
                "Data": dataset_name(dataset),
                "LGL-INR minus": NAMES[base],
                "Paper": tables.signed(paper[CNN2C, dataset, "lgl_inr"] - paper[CNN2C, dataset, base]),
            }
            rows.append(row)
            for scaling in SCALINGS:
                sides = [
                    of_cell(table3, pixels, profile, dataset, each)[scaling] for each in ("lgl_inr", base)
                ]
                used += sides
                pairs.append((sides[0], sides[1]))
    frame = pd.DataFrame(rows)
    differences, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
    for n, words in enumerate(SCALINGS.values()):
        name = words.capitalize()
        frame[f"{name}, points"] = pd.Series(differences[n :: len(SCALINGS)], dtype=object)
        frame[f"{name}, p (Holm)"] = pd.Series(p_values[n :: len(SCALINGS)], dtype=object)
    return frame, tables.notes(used)


def shown(table3: Evidence, pixels: Evidence) -> list[Record]:
    """Return the records of Table 3 and of this page that the page shows."""
    twins = [
        record
        for profile in pixels.by_profile
        for dataset in datasets_of(profile)
        for loss in LOSSES
        for record in of_cell(table3, pixels, profile, dataset, loss)["unit"].records
    ]
    return [*pixels.records, *twins]
