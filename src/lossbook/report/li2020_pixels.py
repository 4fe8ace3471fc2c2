"""Table 3 of li2020 with CNN2C, on pixels from 0 to 1 and on standardised ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from lossbook import experiments
from lossbook.report import stats, tables
from lossbook.report.evidence import Evidence, substituted
from lossbook.report.li2020 import NAMES, dataset_name, printed
from lossbook.report.tables import Runs
from lossbook.results import Record

PIXELS = "li2020/pixels"
LOSSES = ("sml", "lgl", "lgl_inr")
#: What LGL-INR is compared with.
BASES = ("sml", "lgl")
NETWORK = "cnn2c"
#: How pixels are scaled, in words.
SCALINGS = {"unit": "0 to 1", "standardised": "standardised"}


def datasets_of(profile: str) -> tuple[str, ...]:
    """The data sets that a profile declares, in order."""
    return tuple(dict.fromkeys(str(cell.labels["dataset"]) for cell in _cells(profile)))


def _cells(profile: str) -> tuple[experiments.Cell, ...]:
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
        scaling: evidence.runs(profile, dataset=dataset, network=NETWORK, loss=loss)
        for scaling, evidence in zip(SCALINGS, (table3, pixels), strict=True)
    }


def accuracy_table(
    table3: Evidence, pixels: Evidence, profile: str, cost: Mapping[tuple[object, ...], float] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Return the accuracies on both kinds of pixels beside the paper's, and their differences.

    Args:
        table3: The records of Table 3.
        pixels: Those on standardised pixels.
        profile: Which of both.
        cost: Seconds that missing runs would take here, by labels.

    Returns:
        The table and the notes it needs.
    """
    paper = printed()
    rows, pairs = [], []
    used: list[Runs] = []
    for cell in _cells(profile):
        dataset, loss = str(cell.labels["dataset"]), str(cell.labels["loss"])
        mine = of_cell(table3, pixels, profile, dataset, loss)
        used += mine.values()
        pairs.append((mine["standardised"], mine["unit"]))
        row: dict[str, object] = {
            "Data": dataset_name(dataset, [r for each in mine.values() for r in each.records]),
            "Loss": NAMES[loss],
            "Paper, %": f"{paper[dataset, NETWORK, loss]:.2f}",
        }
        for scaling, words in SCALINGS.items():
            costs = {} if scaling == "unit" else cost or {}
            row[f"{words.capitalize()}, %"] = tables.mean_cell(
                mine[scaling],
                "test_accuracy",
                percent=True,
                cost=costs.get(tuple(sorted(cell.labels.items()))),
            )
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
        for base in BASES:
            row: dict[str, object] = {
                "Data": dataset_name(dataset),
                "LGL-INR minus": NAMES[base],
                "Paper": tables.signed(paper[dataset, NETWORK, "lgl_inr"] - paper[dataset, NETWORK, base]),
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


def meaning(table3: Evidence, pixels: Evidence, profile: str) -> list[str]:
    """Return what the runs of a profile say, in sentences that follow from them; none on stand-in data."""
    found = [_lead(table3, pixels, profile, dataset) for dataset in datasets_of(profile)]
    return [*(sentence for sentence in found if sentence), *_levels(table3, pixels, profile)]


def _lead(table3: Evidence, pixels: Evidence, profile: str, dataset: str) -> str:
    parts = []
    for base in BASES:
        sides = [of_cell(table3, pixels, profile, dataset, each) for each in ("lgl_inr", base)]
        if any(substituted(r) for side in sides for each in side.values() for r in each.records):
            return ""
        leads = {
            each: tables.difference(sides[0][each], sides[1][each], "test_accuracy") for each in SCALINGS
        }
        unit, scaled = leads["unit"], leads["standardised"]
        if unit is None or scaled is None:
            continue
        on_unit, on_scaled = tables.signed_band(unit), tables.signed_band(scaled)
        parts.append(
            f"Minus {NAMES[base]} it is {on_unit} points on pixels from 0 to 1 and {on_scaled} points on "
            f"standardised ones: {_verdict(unit, scaled)}."
        )
    if not parts:
        return ""
    return f"**The accuracy of LGL-INR on {dataset_name(dataset)}.** {' '.join(parts)}"


def _verdict(unit: stats.PairedDifference, scaled: stats.PairedDifference) -> str:
    if math.isnan(unit.half) or math.isnan(scaled.half):
        return "a single pair, which decides nothing"
    if unit.low > 0 and scaled.high < 0:
        return "the lead turns round with the scaling"
    if unit.low > 0 and scaled.low > 0:
        return "it leads on both"
    if unit.low > 0:
        return "on standardised pixels no lead can be told from zero"
    if scaled.low > 0:
        return "only on standardised pixels can a lead be told from zero"
    return "on neither can a lead be told from zero"


def _levels(table3: Evidence, pixels: Evidence, profile: str) -> Iterator[str]:
    """Which scaling is nearer to the paper's accuracies, loss by loss; only runs of its protocol can say."""
    if profile != "paper":
        return
    for dataset in datasets_of(profile):
        parts = []
        for loss in LOSSES:
            mine = of_cell(table3, pixels, profile, dataset, loss)
            gaps = {scaling: _gap(mine[scaling], printed()[dataset, NETWORK, loss]) for scaling in SCALINGS}
            if not any(math.isnan(gap) for gap in gaps.values()):
                said = " and ".join(tables.signed(gap) for gap in gaps.values())
                parts.append(f"{NAMES[loss]} {said}")
        if parts:
            yield (
                f"**{dataset_name(dataset)}, ours minus the paper's accuracies**, in points, on pixels from "
                f"0 to 1 and on standardised ones: {'; '.join(parts)}."
            )


def _gap(runs: Runs, paper: float) -> float:
    values: Sequence[float] = list(runs.values("test_accuracy").values())
    if not values or any(substituted(r) for r in runs.records):
        return math.nan
    return 100 * stats.mean_interval(values).mean - paper


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
