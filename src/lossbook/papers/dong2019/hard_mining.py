"""Hard mining on CE: the readings of "the same HS formulation (Eq (5))" applied to softmax regression."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd

from lossbook.evidence import tables
from lossbook.evidence.claims import Claim, Verdict
from lossbook.evidence.contrasts import Contrast, Contrasts
from lossbook.evidence.rules import Above, CarriesOver, NoGain, OnceWhole
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.papers.dong2019 import table1, table2
from lossbook.papers.dong2019.names import (
    BASELINE,
    DECISIVE,
    LARGE_NETWORK,
    NAMES,
    NETWORK_NAMES,
    TABLE1,
    TABLE2,
)
from lossbook.results import published

DATASET = "cifar100"
#: Losses of :mod:`lossbook.losses.hard_ce`, and how each reads the paper's words.
READINGS = {
    "hs_ce": "Eq. 5 with softmax outputs",
    "selected_ce": "CE over the selected classes",
}


def printed() -> pd.DataFrame:
    """What the paper has: hard selection on CE, and CE, in percent."""
    return published("dong2019", "hard_mining")


def printed_table() -> pd.DataFrame:
    """What the paper has, as a table."""
    metrics = {"rank1": "Rank-1", "map": "mAP", "accuracy": "accuracy"}
    sets = {"dukemtmc": "DukeMTMC", "cifar100": "CIFAR-100"}
    return pd.DataFrame(
        {
            "Data": sets[row["dataset"]],
            "Network": NETWORK_NAMES[row["network"]],
            "Measure, %": metrics[row["metric"]],
            "Hard selection on CE": row["hard_selection_percent"],
            "CE": row["ce_percent"],
        }
        for row in printed().to_dict("records")
    )


def paper_difference() -> float:
    """Hard selection minus CE with WideResNet-28-10 on CIFAR-100 in the paper's text, in points."""
    (row,) = (r for r in printed().to_dict("records") if r["dataset"] == DATASET)
    return float(row["hard_selection_percent"]) - float(row["ce_percent"])


def minus_ce(loss: str, dataset: str = DATASET) -> Contrast:
    """A reading minus CE on CIFAR-100, beside the paper's difference with another network."""
    return Contrast(
        f"{READINGS[loss]} minus CE on {{left[dataset]}}",
        table1.select(dataset, loss, network=LARGE_NETWORK),
        table1.select(dataset, BASELINE, network=LARGE_NETWORK),
        paper=paper_difference() if dataset == DATASET else None,
    )


#: What hard selection on CE retrieves is measured on, and the paper's name of each measure.
RETRIEVED = table2.OBJECTS
PRINTED = {"rank_1": "rank1", "map": "map"}


def retrieved(loss: str, measure: str) -> Contrast:
    """A reading minus CE on classes never seen, beside the paper's difference on persons."""
    (row,) = (r for r in printed().to_dict("records") if r["metric"] == PRINTED[measure])
    return Contrast(
        f"{READINGS[loss]} minus CE, {table2.MEASURES[measure]} on {RETRIEVED.title}",
        table2.select(RETRIEVED, loss, measure),
        table2.select(RETRIEVED, BASELINE, measure),
        paper=float(row["hard_selection_percent"]) - float(row["ce_percent"]),
        resolved=False,
    )


NO_HELP = Claim(
    "hard-mining-ce",
    "Hard mining does not help CE, which suggests that CE does not suffer from distraction as LR does.",
    "Hard Mining for SR",
    "Test accuracy on CIFAR-100 of hard selection on CE minus CE, at one rate, in two readings of the "
    "paper's words, which have no formula.",
    {name: Contrasts(TABLE1, [minus_ce(loss)]) for loss, name in READINGS.items()},
    CarriesOver(NoGain(), table1.SMALL),
    DECISIVE,
    basis=partial(table1.basis, paper="the paper has WideResNet-28-10 here, and MobileNet on persons"),
)


def _flipped(contrast: Contrast) -> Contrast:
    """CE minus a reading, for a claim that hard selection is behind."""
    paper = None if contrast.paper is None else -contrast.paper
    reading, _, where = contrast.what.partition(" minus CE, ")
    return replace(
        contrast, what=f"CE minus {reading}, {where}", left=contrast.right, right=contrast.left, paper=paper
    )


WORSE = Claim(
    "hard-mining-retrieval",
    "Where persons are identified, CE with hard selection is behind CE.",
    "Hard Mining for SR: MobileNet on DukeMTMC",
    f"CE minus hard selection on CE, rank-1 and mAP on {RETRIEVED.title}, at one rate, in two readings of "
    "the paper's words; paired by seed.",
    {
        name: Contrasts(TABLE2, [_flipped(retrieved(loss, measure)) for measure in table2.MEASURES])
        for loss, name in READINGS.items()
    },
    CarriesOver(OnceWhole(Above()), "one small network on objects instead of persons"),
    DECISIVE,
    basis=table2.basis,
)
CLAIMS = (NO_HELP, WORSE)


def follows(verdict: Verdict) -> str:
    """What follows for someone who trains with CE; nothing where a reading gains, or all is open."""
    if any(d.above for d in verdict.differences):
        return ""
    if behind := [f"{d.what} is {d.short()} points" for d in verdict.differences if d.below]:
        return f"use CE as it is. {'; '.join(behind)}."
    if verdict.finding in ("not tested", "not settled"):
        return ""
    return "these runs give no reason to use hard selection on CE."


def table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str | tables.Cell]]:
    """CE, both readings and the one-vs-rest pair LR and HS-LR at one profile, each minus its own baseline.

    Args:
        evidence: The records.
        profile: Which of them.
    """
    every = [r.labels["dataset"] for r in evidence.by_profile.get(profile, ())]
    dataset = DATASET if DATASET in every else next(iter(every), DATASET)
    rows, pairs, used = [], [], []
    for loss, base in (
        ("ce", None),
        ("hs_ce", "ce"),
        ("selected_ce", "ce"),
        ("lr", None),
        ("hs_lr", "lr"),
    ):
        mine = table1.select(dataset, loss, network=LARGE_NETWORK).runs(evidence, profile)
        if not mine.records:
            continue
        used.append(mine)
        pairs.append(
            (mine, table1.select(dataset, base, network=LARGE_NETWORK).runs(evidence, profile))
            if base
            else None
        )
        rows.append(
            {
                "Data": dataset_name(dataset, mine.records),
                "Loss": READINGS.get(loss) or NAMES[loss],
                "Accuracy, %": tables.mean_cell(mine, "test_accuracy", percent=True),
                "Minus": NAMES[base] if base else "–",
            }
        )
    frame = pd.DataFrame(rows)
    if rows:
        differences, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
        frame["Difference, points"] = pd.Series(differences, dtype=object)
        frame["p (Holm)"] = pd.Series(p_values, dtype=object)
    return frame, [*tables.notes(used)]


def retrieval_table(evidence: Evidence) -> tuple[pd.DataFrame, list[str | tables.Cell]]:
    """CE, both readings, LR and HS-LR among classes never seen, each minus its own baseline.

    Args:
        evidence: The records of Table 2.
    """
    rows, pairs, used = [], [], []
    for loss, base in (("ce", None), ("hs_ce", "ce"), ("selected_ce", "ce"), ("lr", None), ("hs_lr", "lr")):
        mine, other = (
            None
            if each is None
            else table2.select(RETRIEVED, each, "rank_1").runs(evidence, RETRIEVED.profile)
            for each in (loss, base)
        )
        if mine is None or not mine.records:
            continue
        used.append(mine)
        pairs.append(None if other is None or not other.records else (mine, other))
        rows.append({"Loss": READINGS.get(loss) or NAMES[loss], "Minus": NAMES[base] if base else "–"})
    frame = pd.DataFrame(rows)
    for measure, name in table2.MEASURES.items() if rows else ():
        differences, p_values = tables.difference_cells(pairs, measure, percent=True)
        frame[f"{name}, %"] = pd.Series(
            [tables.mean_cell(r, measure, percent=True) for r in used], dtype=object
        )
        frame[f"{name}, difference"] = pd.Series(differences, dtype=object)
        frame[f"p (Holm), {name}"] = pd.Series(p_values, dtype=object)
    return frame, [*tables.notes(used, "rank_1")]
