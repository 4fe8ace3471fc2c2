"""Table 5: complement training (COT), CE and CE+EL 0-0.5, at equal epochs and at equal cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import pandas as pd

from lossbook.evidence import tables
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import Beside, Contrast, Contrasts
from lossbook.evidence.rules import CarriesOver, Gain, NoGain
from lossbook.evidence.select import Evidence, dataset_name, joined
from lossbook.evidence.tables import Runs
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.battash2021.protocol import (
    CE,
    CIFAR,
    DECISIVE,
    DIGITS,
    GRADUAL,
    NETWORK_NAMES,
    QUICK,
    REDUCED,
    REFERENCE,
    SMALL,
    SMALL_RUNS,
    basis,
    by_name,
    cell,
    places,
    select,
    title,
)
from lossbook.papers.battash2021.table1 import TABLE1, planned
from lossbook.papers.battash2021.table2 import IMAGENET_RECIPE
from lossbook.results import published
from lossbook.training import RunSpec

TABLE5 = "battash2021/table5"
COT = ("cot", "")
#: Its runs on ImageNet count here.
ALSO = ("battash2021/table2",)
#: How long CE and the mixture are trained beside COT, whose steps take two passes.
EPOCHS, COST = "as many epochs", "as much computing"
_TWICE = 2


def _long(base: RunSpec, **changes: Any) -> tuple[Cell, ...]:
    """CE and the mixture with as many passes as COT."""
    epochs = _TWICE * int(changes.pop("epochs", base.epochs))
    return tuple(cell(base, r, labels={"length": COST}, epochs=epochs, **changes) for r in (CE, GRADUAL))


def _short(base: RunSpec, regimes: Sequence[tuple[str, str]], **changes: Any) -> tuple[Cell, ...]:
    return tuple(cell(base, regime, labels={"length": EPOCHS}, **changes) for regime in regimes)


#: "For a fair comparison": 200 epochs with drops at 100 and 150, as in Chen et al. (2019).
_PAPER = replace(CIFAR, epochs=200, schedule={"name": "steps", "at": [100, 150]})
#: The paper's data sets and networks, with their names in it. On ImageNet its numbers for CE and the mixture
#: are those of its Table 2, so that row has that recipe.
ROWS = {
    ("cifar100", "cifar_resnet110"): "resnet110",
    ("cifar100", "preact_resnet18"): "preact_resnet18",
    ("cifar100", "resnext29"): "resnext29",
    ("tiny_imagenet", "small_resnet50"): "resnet50",
    ("tiny_imagenet", "small_resnet101"): "resnet101",
    ("imagenet", "imagenet_resnet50"): "resnet50",
}

EXPERIMENT = Experiment(
    name=TABLE5,
    title="Table 5: complement training, CE and CE+EL 0-0.5",
    also=ALSO,
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's protocol with its networks, on CIFAR-100, Tiny ImageNet and ImageNet",
            tuple(
                each
                for dataset, network in ROWS
                for each in _short(
                    IMAGENET_RECIPE if dataset == "imagenet" else _PAPER,
                    (CE, GRADUAL, COT),
                    dataset=dataset,
                    model=network,
                )
            ),
            seeds=3,
        ),
        Profile(
            "reference",
            "12 epochs of the reference network on CIFAR-100, and 24 of what takes one pass a step",
            (*_short(REFERENCE, (COT,)), *_long(REFERENCE)),
            seeds=3,
        ),
        Profile(
            SMALL_RUNS,
            "CNN2C on 6,000 images of Fashion-MNIST for 12 epochs, and 24 of what takes one pass a step",
            (*_short(SMALL, (COT,)), *_long(SMALL)),
            seeds=8,
        ),
        Profile(
            "quick",
            "6 epochs of the reference network on 2,000 images of CIFAR-10, and 12",
            (
                *_short(REFERENCE, (CE, GRADUAL, COT), dataset="cifar10", **QUICK),
                *_long(REFERENCE, dataset="cifar10", **QUICK),
            ),
            seeds=1,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 6 epochs and for 12, on another network",
            (*_short(REFERENCE, (CE, GRADUAL, COT), **DIGITS), *_long(REFERENCE, **DIGITS)),
            seeds=2,
        ),
    ),
)

SHARED = ("reference", SMALL_RUNS)
AS_IN_TABLE1 = {"length": EPOCHS}


def together(evidence: Evidence, table1: Evidence) -> Evidence:
    """The page's runs with those of Table 1 with the same network: CE and CE+EL 0-0.5."""
    return joined(evidence, table1, SHARED, AS_IN_TABLE1)


@cache
def printed() -> dict[tuple[str, str], dict[str, float]]:
    """Table 5 of the paper: data set, network -> loss -> percent."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in published("battash2021", "table5").to_dict("records"):
        found.setdefault((row["dataset"], row["model"]), {})[row["loss"]] = float(row["accuracy_percent"])
    return found


def _lead(base: str) -> float:
    """The paper's mean lead of COT on CIFAR-100, over its three networks."""
    leads = [row["cot"] - row[base] for (dataset, _), row in printed().items() if dataset == "cifar100"]
    return sum(leads) / len(leads)


def lead(base: tuple[str, str], length: str, network: str = "reference_small") -> Contrast:
    """COT minus CE or the mixture, trained for as many epochs or with as much computing."""
    epochs = "" if length == EPOCHS else ", which has twice the epochs"
    paper = _lead(base[0]) if length == EPOCHS else None
    return Contrast(
        f"COT minus {title(base)}{epochs}, {NETWORK_NAMES[network]} on {{left[dataset]}}",
        select(COT, length=EPOCHS, network=network),
        select(base, length=length, network=network),
        paper=paper,
    )


def network(profile: str) -> str:
    """The network of a profile with one network; of ``paper`` the first."""
    return str(EXPERIMENT.profile(profile).cells[0].labels["network"])


def at_equal_cost(base: tuple[str, str], evidence: Evidence) -> str:
    """The lead of COT over a regime that has twice the epochs, with each network that has been run."""
    found = [lead(base, COST, network(name)).at(evidence, name) for name in SHARED]
    made = [f"{each.what.rpartition(', ')[2]} {each.in_words()}" for each in found if each is not None]
    return "; ".join(made) or "not run"


def printed_lead(dataset: str, network: str) -> Contrast:
    """COT minus the mixture in a row of the paper's Table 5."""
    where = {"length": EPOCHS, "dataset": dataset, "network": network}
    row = printed()[dataset, ROWS[dataset, network]]
    return Contrast(
        f"COT minus {title(GRADUAL)}, {NETWORK_NAMES[network]} on {{left[dataset]}}",
        select(COT, **where),
        select(GRADUAL, **where),
        paper=row["cot"] - row["ceel"],
    )


def _printed_leads(*, small: bool) -> list[Contrast]:
    """Those on CIFAR-100, or those on the larger data sets."""
    return [printed_lead(*where) for where in ROWS if (where[0] == "cifar100") == small]


COMPLEMENT = Claim(
    "complement",
    "Complement training (COT) is ahead of CE+EL 0-0.5 on CIFAR-100.",
    "Comparison with COT; Table 5",
    "Test accuracy of COT after the last epoch minus that of CE+EL 0-0.5 with as many epochs, paired "
    "by seed, on CIFAR-100: with the reference network, and with each of the paper's three. It is "
    "also tested with CNN2C on Fashion-MNIST; neither these data nor the two networks are in the paper.",
    {
        "": Beside(
            TABLE5,
            [
                lead(GRADUAL, EPOCHS),
                lead(GRADUAL, EPOCHS, SMALL.model),
                *_printed_leads(small=True),
            ],
            beside=TABLE1,
            profiles=SHARED,
            labels=AS_IN_TABLE1,
        )
    },
    CarriesOver(Gain(), REDUCED),
    DECISIVE,
    basis=basis,
)
COMPLEMENT_LARGER = Claim(
    "complement-larger",
    "On larger data sets than CIFAR-100, complement training (COT) is not ahead of CE+EL 0-0.5.",
    "Comparison with COT; Table 5",
    "Test accuracy of COT after the last epoch minus that of CE+EL 0-0.5 with as many epochs, paired by "
    "seed, on Tiny ImageNet and ImageNet with the paper's networks.",
    {"": Contrasts(TABLE5, _printed_leads(small=False))},
    NoGain(),
    (PAPER,),
    basis=basis,
)


def before(evidence: Evidence) -> str:
    """What the declared seeds can show of the paper's leads on CIFAR-100, from the records of Table 1."""
    leads = [each.paper for each in _printed_leads(small=True) if each.paper is not None]
    what = "leads of COT over CE+EL 0-0.5 that the paper prints for CIFAR-100"
    return planned(evidence, EXPERIMENT.profile("reference").seeds, leads, what)


def table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Accuracy, time and the lead of COT, a row per regime and length."""
    found: list[tuple[tuple[str, str], Runs]] = []
    pairs: list[tuple[Runs, Runs] | None] = []
    for where in places(evidence, profile):
        cot = evidence.runs(profile, loss="cot", length=EPOCHS, **where)
        for regime, length in product((CE, GRADUAL, COT), (EPOCHS, COST)):
            runs = evidence.runs(profile, loss=regime[0], schedule=regime[1], length=length, **where)
            if runs.records:
                found.append((regime, runs))
                pairs.append((cot, runs) if cot.records and regime != COT else None)
    leads, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
    frame = pd.DataFrame(
        {
            "Network": NETWORK_NAMES[str(runs.records[0].labels["network"])],
            "Data": dataset_name(str(runs.records[0].labels["dataset"]), runs.records),
            "Regime": title(regime),
            "Epochs": str(runs.records[0].labels["epochs"]),
            "Minutes per run": tables.Cell(f"{_minutes(runs):.1f}", {"minutes": _minutes(runs)}, runs.keys),
            "Accuracy, %": tables.mean_cell(runs, "test_accuracy", percent=True),
            "Best test epoch, %": tables.mean_cell(runs, "best_test_accuracy", percent=True),
            "COT minus this": leads[row],
            "p (Holm)": p_values[row],
        }
        for row, (regime, runs) in enumerate(found)
    )
    return frame, tables.notes(runs for _, runs in found)


def _minutes(runs: Runs) -> float:
    return sum(float(r.provenance["seconds"]) for r in runs.records) / len(runs.records) / 60


def paper_table() -> pd.DataFrame:
    """The paper's Table 5, with the leads."""
    return pd.DataFrame(
        {
            "Data": dataset_name(dataset),
            "Network": NETWORK_NAMES[network],
            "CE": f"{row['ce']:.2f}",
            "CE+EL 0-0.5": f"{row['ceel']:.2f}",
            "COT": f"{row['cot']:.2f}",
            "COT minus CE": tables.signed(row["cot"] - row["ce"]),
            "COT minus CE+EL": tables.signed(row["cot"] - row["ceel"]),
        }
        for (dataset, network), row in printed().items()
    )
