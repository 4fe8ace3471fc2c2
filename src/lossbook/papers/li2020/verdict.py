"""The claims of li2020 in the order of the verdict page, and what has not been run.

Statements on networks are held against the records. Runs shorter than the paper's, or on fewer images, are
reported and leave such a statement open. What is in none of the paper's tables (the learning rate, the
balance and the neglect of trained networks) is settled by a smaller grid too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lossbook import experiments
from lossbook.evidence import claims
from lossbook.evidence.claims import AnyClaim, Verdict
from lossbook.evidence.select import RECORDED, Evidence, dataset_name
from lossbook.experiments.grid import PAPER
from lossbook.experiments.progress import duration
from lossbook.papers.li2020 import fig1, imbalance, modality, scale, table3, table4, table5, theory
from lossbook.papers.li2020.names import NAMES, NETWORK_NAMES, TABLE3, TABLE4, TABLE5

#: Every claim; its number is its place.
CLAIMS: tuple[AnyClaim, ...] = (
    theory.BALANCE,
    theory.GENERALISES,
    theory.TABLE_ONE,
    imbalance.TRAINED,
    theory.EXAMPLES,
    theory.GUARANTEE,
    imbalance.REWEIGHTING,
    theory.MULTICLASS,
    theory.BOUNDARY,
    theory.SKEWNESS,
    theory.MANIFOLD,
    theory.AVERAGING,
    modality.NEGLECT,
    theory.LIMITS,
    theory.FOCUS,
    scale.ONE_VS_REST,
    table3.LGL_POORER,
    table3.INR_LGL,
    table3.COMPETITIVE,
    table3.INR_SML,
    scale.SETTING,
    table3.FAST,
    fig1.CLASSES_APART,
    table5.BETA,
    table5.EXTREMES,
    table4.CIFAR10,
    table4.UNLIKE,
    theory.CAPACITY,
)
#: Those that the verdict page opens with.
HEADLINES = ("balance", "averaging", "inr-sml")


def judge(key: str, *given: Evidence, profile: str = RECORDED) -> Verdict:
    """Judge one claim without working out the others.

    Args:
        key: Its name, for example ``"inr-sml"``.
        *given: Records that the page has already chosen; those of other experiments are read.
        profile: The profile that the page is made at.

    Raises:
        UnknownNameError: If there is no claim of this name.
    """
    return claims.judge(CLAIMS, key, *given, profile=profile)


def missing(evidence: Mapping[str, Evidence]) -> pd.DataFrame:
    """Return which of the paper's runs have not been made, and what they would cost.

    A cell counts as run if the record store has any seed of it at the paper's protocol.

    Args:
        evidence: The records by experiment.
    """
    rows: dict[tuple[str, str, str], list[Any]] = {}
    estimate = experiments.estimator().seconds
    for item in (TABLE3, TABLE4, TABLE5):
        for pending in experiments.pending(PAPER, item, estimate=estimate):
            labels = pending.labels
            if not evidence[item].runs(PAPER, **labels).records:
                rows.setdefault((item, labels["network"], labels["dataset"]), []).append(pending)
    return pd.DataFrame(
        {
            "Experiment": item,
            "What": f"{NETWORK_NAMES[network]} on "
            f"{dataset_name(dataset)}{_in_part(item, network, dataset, each)}",
            "Runs": sum(p.count for p in each),
            "Cost": f"about {duration(sum(p.seconds for p in each))}",
            "Data": "there" if each[0].data_present else "not there",
        }
        for (item, network, dataset), each in rows.items()
    )


def _in_part(item: str, network: str, dataset: str, missing: Sequence[Any]) -> str:
    """Which losses are missing, where others are there."""
    cells = experiments.get(item).profiles[PAPER].cells
    every = sum((c.labels["network"], c.labels["dataset"]) == (network, dataset) for c in cells)
    if len(missing) == every:
        return ""
    return f" ({' and '.join(dict.fromkeys(NAMES[p.labels['loss']] for p in missing))} alone)"
