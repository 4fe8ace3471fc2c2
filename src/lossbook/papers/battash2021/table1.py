"""Table 1: CE and the three mixtures on images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

import pandas as pd

from lossbook.evidence import power, stats, tables
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import Contrast, Contrasts, Difference
from lossbook.evidence.grids import Column, Table
from lossbook.evidence.rules import CarriesOver, Gain, OnceWhole
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.battash2021.protocol import (
    CE,
    CIFAR,
    CINIC,
    CONSTANT,
    DECISIVE,
    DIGITS,
    FOCUS_NAMES,
    GRADUAL,
    LOSS_NAMES,
    MISSING,
    MIXTURES,
    NETWORK_NAMES,
    QUICK,
    REDUCED,
    REFERENCE,
    REGIMES,
    SMALL,
    SMALL_RUNS,
    TWO_PHASE,
    basis,
    by_name,
    cell,
    places,
    select,
    title,
)
from lossbook.results import Record, published
from lossbook.training import RunSpec

TABLE1 = "battash2021/table1"
#: The paper's networks, by their names in it.
PAPER_NETWORKS = {
    "small_shufflenet_v2": "shufflenetv2",
    "cifar_resnet20": "resnet20",
    "cifar_resnet32": "resnet32",
    "cifar_resnet44": "resnet44",
    "li2020_resnet18": "resnet18",
    "small_resnet34": "resnet34",
    "preact_resnet18": "preact_resnet18",
    "resnext29": "resnext29",
}
#: The paper rotates images for networks of more than a million parameters, on CINIC-10.
_LARGE = ("li2020_resnet18", "small_resnet34", "preact_resnet18", "resnext29")
#: The paper's length, and a twentieth of it.
SHORT: dict[str, Any] = {"epochs": 12, "schedule": {"name": "steps", "at": [6, 8, 10]}, "precision": "native"}
TRACKED: dict[str, Any] = {"epoch_measures": "tracked"}


def _cells(base: RunSpec, networks: Iterable[str] = (), **changes: Any) -> tuple[Cell, ...]:
    return tuple(
        cell(base, regime, **{"model": network, **changes})
        for network in networks or (base.model,)
        for regime in REGIMES
    )


def _paper() -> tuple[Cell, ...]:
    small = [name for name in PAPER_NETWORKS if name not in _LARGE]
    return (
        *_cells(CIFAR, PAPER_NETWORKS),
        *_cells(CINIC, small),
        *_cells(CINIC, _LARGE, augmentation="crop_flip_rotate"),
    )


EXPERIMENT = Experiment(
    name=TABLE1,
    title="Table 1: CE and the three mixtures on images",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's protocol with its eight networks, on CIFAR-100 and CINIC-10",
            _paper(),
            seeds=4,
        ),
        Profile(
            "reference",
            "12 epochs of the reference network on CIFAR-100, every image's state by epoch",
            _cells(REFERENCE, **TRACKED),
            seeds=8,
        ),
        Profile(
            "resnet20",
            "ResNet-20 on CIFAR-100 with the paper's recipe at a twentieth of its length, 12 epochs",
            _cells(CIFAR, **SHORT),
            seeds=3,
        ),
        Profile(
            "cifar10",
            "12 epochs of the reference network on CIFAR-10",
            _cells(REFERENCE, dataset="cifar10"),
            seeds=3,
        ),
        Profile(
            SMALL_RUNS,
            "CNN2C on 6,000 images of Fashion-MNIST for 12 epochs",
            _cells(SMALL, **TRACKED),
            seeds=8,
        ),
        Profile(
            "quick",
            "6 epochs of the reference network on 2,000 images of CIFAR-10",
            _cells(REFERENCE, dataset="cifar10", **QUICK, **TRACKED),
            seeds=1,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 6 epochs on another network, to see that everything runs",
            _cells(REFERENCE, **DIGITS, **TRACKED),
            seeds=2,
        ),
    ),
)


@cache
def printed() -> dict[tuple[str, str, str, str], float]:
    """Table 1 of the paper: data set, network, loss, F -> percent."""
    own = {paper: name for name, paper in PAPER_NETWORKS.items()}
    return {
        (r["dataset"], own[r["model"]], r["loss"], r["schedule"]): float(r["accuracy_percent"])
        for r in published("battash2021", "table1").to_dict("records")
    }


def _paper_gain(dataset: str, network: str, regime: tuple[str, str], base: tuple[str, str]) -> float | None:
    mine, other = ((dataset, network, *each) for each in (regime, base))
    return printed()[mine] - printed()[other] if mine in printed() else None


def gain(
    regime: tuple[str, str],
    dataset: str = "cifar100",
    network: str = "reference_small",
    metric: str = "test_accuracy",
    base: tuple[str, str] = CE,
) -> Contrast:
    """A regime's accuracy minus that of another, by default CE, on one data set with one network."""
    where = {"dataset": dataset, "network": network, "metric": metric}
    return Contrast(
        f"{title(regime)} minus {title(base)}, {NETWORK_NAMES[network]} on {{left[dataset]}}",
        select(regime, **where),
        select(base, **where),
        paper=_paper_gain(dataset, network, regime, base),
    )


TABLE = Table(
    TABLE1,
    rows={"dataset": "Data", "network": "Network", "loss": "Loss", "schedule": "F"},
    names={"network": NETWORK_NAMES, "loss": LOSS_NAMES, "schedule": FOCUS_NAMES},
    columns=(
        Column("Last epoch, %", "test_accuracy", percent=True),
        Column("Best test epoch, %", "best_test_accuracy", percent=True),
    ),
    published=printed(),
    against={"loss": "ce", "schedule": ""},
    baseline="CE",
    missing=MISSING,
)

IMAGES = Claim(
    "images",
    "On CIFAR-100 and CINIC-10 all three mixtures are more accurate than CE, with every network.",
    "Recognition in CIFAR100 and CINIC10; Table 1",
    "Test accuracy after the last epoch on CIFAR-100, each mixture minus CE at one learning rate, paired by "
    "seed, with the reference network and with ResNet-20. The paper has other networks, CINIC-10 as well, "
    "and presumably the accuracy of the best test epoch.",
    {
        "": Contrasts(
            TABLE1,
            [
                gain(regime, network=network)
                for network in ("reference_small", "cifar_resnet20")
                for regime in MIXTURES
            ],
        )
    },
    CarriesOver(OnceWhole(Gain()), REDUCED),
    DECISIVE,
    basis=basis,
)


#: Of the paper's networks the one with which another mixture is ahead on CINIC-10.
_EXCEPTION = "li2020_resnet18"
CINIC_GRADUAL = Claim(
    "cinic-gradual",
    "On CINIC-10 CE+EL 0-0.5 is the most accurate of the four regimes, with all networks but one.",
    "Recognition in CIFAR100 and CINIC10; Table 1",
    "Test accuracy after the last epoch on CINIC-10, CE+EL 0-0.5 minus each of the other regimes, paired by "
    f"seed, with each of the paper's networks except {NETWORK_NAMES[_EXCEPTION]}, where its Table 1 has "
    "CE+EL 0,0.5 ahead by 0.01 points.",
    {
        "": Contrasts(
            TABLE1,
            [
                gain(GRADUAL, "cinic10", network, base=other)
                for network in PAPER_NETWORKS
                if network != _EXCEPTION
                for other in (CE, CONSTANT, TWO_PHASE)
            ],
            only=(PAPER,),
        )
    },
    OnceWhole(Gain()),
    (PAPER,),
    basis=basis,
)


def follows(evidence: Evidence) -> str:
    """What follows for someone who trains with CE; nothing until all mixtures have been run with three seeds.

    Args:
        evidence: The records.
    """
    found = {regime: gain(regime).measure(evidence, DECISIVE, DECISIVE) for regime in MIXTURES}
    made = {title(regime): each for regime, each in found.items() if each and each.interval.bounded}
    if len(made) < len(MIXTURES):
        return ""
    ahead = [name for name, each in made.items() if each.above]
    behind = [name for name, each in made.items() if each.below]
    said = [f"{name} minus CE is {made[name].short()} points here." for name in (*ahead, *behind)]
    if ahead:
        return " ".join(["Compare a mixture with CE on held-out images of your own.", *said])
    return " ".join(
        [
            "At one learning rate, chosen for CE on CIFAR-10, these runs on CIFAR-100 give no reason to mix "
            "in EL.",
            *said,
        ]
    )


def differences(evidence: Evidence, profile: str, metric: str = "test_accuracy") -> list[Difference]:
    """Every mixture minus CE that has been run at a profile."""
    sides = (
        gain(regime, **where, metric=metric) for where in places(evidence, profile) for regime in MIXTURES
    )
    return [found for side in sides if (found := side.at(evidence, profile)) is not None]


def named(found: Iterable[Difference]) -> list[tuple[str, Difference]]:
    """Each difference with the name of its mixture, and of network and data where there are several."""
    every = list(found)
    several = len({d.runs.records[0].labels["network"] + d.runs.records[0].labels["dataset"] for d in every})
    return [
        (
            title((d.contrast.left.labels["loss"], d.contrast.left.labels["schedule"]))
            + (f", {d.what.rpartition(', ')[2]}" if several > 1 else ""),
            d,
        )
        for d in every
    ]


def power_text(evidence: Evidence, profile: str) -> str:
    """What gain the seeds can show, beside the gains that the paper prints for CIFAR-100."""
    gains = (0.1, 0.3, 0.5)
    return power.in_words(differences(evidence, profile), gains)


#: How many the paper has on CIFAR-100.
PAPER_SEEDS = 4


def fewer_seeds(evidence: Evidence, profile: str) -> str:
    """What as many seeds as the paper has would have shown, the first of more; nothing without more."""
    found = named(differences(evidence, profile))
    if not found or min(len(each.by_seed) for _, each in found) <= PAPER_SEEDS:
        return ""
    said = []
    for name, each in found:
        values = [each.by_seed[seed] for seed in sorted(each.by_seed)[:PAPER_SEEDS]]
        mean = stats.mean_interval([each.contrast.unit.scale * value for value in values])
        said.append(f"{name} {tables.signed(mean.mean)}{tables.band(mean, 2)} instead of {each.short()}")
    return (
        f"The first {PAPER_SEEDS} seeds, as many as the paper has on CIFAR-100, would by themselves have "
        f"given: {', '.join(said)}."
    )


def planned(evidence: Evidence, seeds: int, gains: Iterable[float], what: str) -> str:
    """What runs of the reference network can show on another page, by the spread over seeds in this table.

    Args:
        evidence: The records of Table 1.
        seeds: How many seeds the runs will have.
        gains: The gains that they are meant to show, in points.
        what: What the gains are.
    """
    where = "[Table 1](table1.html) on CIFAR-100"
    said = power.before(differences(evidence, "reference"), seeds, gains, where=where, what=what)
    return said and f"{said} All this is about runs with the reference network."


def best_epoch_table(evidence: Evidence, profile: str) -> pd.DataFrame:
    """What reading the best test epoch instead of the last adds to each regime, and to its gain over CE."""
    rows = []
    for where, regime in product(places(evidence, profile), REGIMES):
        mine = _of(evidence, profile, regime, where)
        if not mine:
            continue
        more = [100 * (max(_curve(r)) - _curve(r)[-1]) for r in mine]
        epochs = [1 + _curve(r).index(max(_curve(r))) for r in mine]
        gains = [
            gain(regime, **where, metric=metric).at(evidence, profile)
            for metric in ("test_accuracy", "best_test_accuracy")
        ]
        rows.append(
            {
                "Network": NETWORK_NAMES[where["network"]],
                "Data": dataset_name(where["dataset"]),
                "Regime": title(regime),
                "Best epoch adds, points": _band(more, mine),
                "Best epochs": ", ".join(str(e) for e in epochs),
                "Gain, last epoch": "–" if regime == CE or gains[0] is None else gains[0].short(),
                "Gain, best test epoch": "–" if regime == CE or gains[1] is None else gains[1].short(),
            }
        )
    return pd.DataFrame(rows)


def _of(evidence: Evidence, profile: str, regime: tuple[str, str], where: Mapping[str, Any]) -> list[Record]:
    found = evidence.runs(profile, loss=regime[0], schedule=regime[1], **where).records
    return [r for r in found if r.status == "finished"]


def _curve(record: Record) -> list[float]:
    return [float(value) for value in record.curve("test_accuracy")]


def _band(values: Sequence[float], records: Sequence[Record]) -> tables.Cell:
    """A mean over seeds, with its interval from three seeds on."""
    mean = stats.mean_interval(values)
    text = f"{mean.mean:.2f}{tables.band(mean, 2)} (n = {mean.n})"
    return tables.Cell(text, {"mean": mean.mean, "n": mean.n}, tuple(r.key for r in records))
