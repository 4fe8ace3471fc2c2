"""Is it the gradient's norm? CE at the size of the mixture, EL alone, each at its own rate (Eq. 20 to 22)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from lossbook.analysis.escaping import gradient_volumes
from lossbook.evidence import tables
from lossbook.evidence.choosing import best_rates
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import Beside, Contrast, Contrasts
from lossbook.evidence.rules import CarriesOver, Gain, OnceWhole
from lossbook.evidence.select import Evidence, dataset_name, joined
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.losses import MixingSchedule
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
    select,
    title,
)
from lossbook.papers.battash2021.table1 import PAPER_NETWORKS, TABLE1, planned, printed
from lossbook.training import RunSpec

GRADIENT_NORM = "battash2021/gradient_norm"
#: CE with its gradient as large as that of the gradual mixture, in the two readings that the paper prints.
TARGET, SQUARE = ("ce_target", "0-0.5"), ("ce_square", "0-0.5")
SIZED = (TARGET, SQUARE)
EL = ("el", "")
Tried = Mapping[tuple[str, str], tuple[float, ...]]
#: Learning rates that a regime is tried at on held-out training images.
RATES: Tried = {
    GRADUAL: (0.1, 0.3, 1.0, 3.0),
    CE: (0.3, 1.0, 3.0),
    EL: (0.3, 1.0, 3.0, 10.0),
}
#: The rate of each on the test images: what :func:`choose` makes of the records of ``rates``; until they are
#: there, what CE and the gradual mixture did best at in the synthesis's head-to-head, and CE's for EL.
RATE: dict[tuple[str, str], float] = {CE: 1.0, GRADUAL: 0.3, EL: 1.0}
#: The same for the small network, whose recipe is that of the page on escaping.
SMALL_RATES: Tried = {
    GRADUAL: (0.02, 0.05, 0.1, 0.2),
    CE: (0.02, 0.05, 0.1, 0.2),
    EL: (0.05, 0.1, 0.2, 0.5),
}
SMALL_RATE: dict[tuple[str, str], float] = {CE: 0.05, GRADUAL: 0.05, EL: 0.1}
#: Profiles whose rates are chosen: where they are tried, which ones, and those of the test images.
CHOICES: dict[str, tuple[str, Tried, Mapping[tuple[str, str], float]]] = {
    "reference": ("rates", RATES, RATE),
    SMALL_RUNS: ("cnn2c_rates", SMALL_RATES, SMALL_RATE),
}
#: In the order of the page's table.
_SHOWN = (CE, GRADUAL, *SIZED, EL)
_SMOKE = replace(REFERENCE, **DIGITS)


def _cells(base: RunSpec, rates: Mapping[tuple[str, str], float] = {}, **changes: Any) -> tuple[Cell, ...]:
    shared = base.optimizer_options["lr"]
    own = [(regime, lr) for regime, lr in rates.items() if lr != shared]
    return (
        *(cell(base, regime, labels={"part": "test"}, **changes) for regime in SIZED),
        *(cell(base, regime, lr=lr, labels={"part": "test"}, **changes) for regime, lr in own),
        *((cell(base, EL, labels={"part": "test"}, **changes),) if EL not in dict(own) else ()),
    )


def _rates(base: RunSpec, tried: Tried, **changes: Any) -> tuple[Cell, ...]:
    return tuple(
        cell(base, regime, lr=lr, labels={"part": "validation"}, **changes)
        for regime, rates in tried.items()
        for lr in rates
    )


def _bases(base: RunSpec, **changes: Any) -> tuple[Cell, ...]:
    return tuple(cell(base, regime, labels={"part": "test"}, **changes) for regime in (CE, GRADUAL))


EXPERIMENT = Experiment(
    name=GRADIENT_NORM,
    title="Is it the gradient's norm? (Eq. 20 to 22)",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's protocol on CIFAR-100 with ResNet-20",
            (*_bases(CIFAR), *_cells(CIFAR)),
            seeds=4,
        ),
        Profile(
            "reference",
            "12 epochs of the reference network on CIFAR-100: what Table 1's runs do not have",
            _cells(REFERENCE, RATE),
            seeds=3,
        ),
        Profile(
            SMALL_RUNS,
            "CNN2C on 6,000 images of Fashion-MNIST for 12 epochs: what Table 1's runs do not have",
            _cells(SMALL, SMALL_RATE),
            seeds=8,
        ),
        Profile(
            "rates",
            "6 epochs on 45,001 training images of CIFAR-100, measured on the 4,999 others",
            _rates(REFERENCE, RATES, validation_size=4999, epochs=6),
            seeds=1,
        ),
        Profile(
            "cnn2c_rates",
            "CNN2C on 6,000 images of Fashion-MNIST for 12 epochs, measured on 10,000 other training images",
            _rates(SMALL, SMALL_RATES, validation_size=10_000),
            seeds=3,
        ),
        Profile(
            "quick",
            "6 epochs of the reference network on 2,000 images of CIFAR-10",
            (
                *_bases(REFERENCE, dataset="cifar10", **QUICK),
                *_cells(REFERENCE, RATE, dataset="cifar10", **QUICK),
            ),
            seeds=1,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 6 epochs on another network, to see that everything runs",
            (*_bases(_SMOKE), *_cells(_SMOKE, {GRADUAL: 0.02})),
            seeds=2,
        ),
    ),
)

SHARED = tuple(CHOICES)
AS_IN_TABLE1 = {"part": "test"}


def together(evidence: Evidence, table1: Evidence) -> Evidence:
    """The page's runs with those of Table 1 with the same network: CE and the gradual mixture."""
    return joined(evidence, table1, SHARED, AS_IN_TABLE1)


def choose(evidence: Evidence, profile: str = "reference") -> dict[tuple[str, str], float]:
    """The learning rate of each regime with the highest accuracy on held-out images; of equal ones the least.

    A regime is left out until every one of its rates has a run. A run that broke down is never chosen.

    Args:
        evidence: The records.
        profile: For whose runs on the test images the rates are chosen, a key of :data:`CHOICES`.
    """
    where, tried, _ = CHOICES[profile]
    records = evidence.by_profile.get(where, ())
    return best_rates(records, ["loss", "schedule"], lambda *regime: tried.get(regime, ()))


def rate(regime: tuple[str, str], profile: str) -> float:
    """The learning rate of a regime's own at a profile; the shared one where none is chosen."""
    shared: float = recipe(profile).optimizer_options["lr"]
    return CHOICES[profile][2].get(regime, shared) if profile in CHOICES else shared


def factors(epochs: int = 12, schedule: str = "0-0.5") -> pd.DataFrame:
    """What the gradient of CE is multiplied by in each phase of a mixture, in both readings."""
    rows = []
    for phase in MixingSchedule(schedule).phases(epochs):
        volume = gradient_volumes(phase.alpha, phase.beta)
        rows.append(
            {
                "F": f"{phase.focus:g}",
                "Epochs": _span(phase.start + 1, phase.start + phase.epochs),
                "α": f"{phase.alpha:g}",
                "β": f"{phase.beta:.3g}",
                "Eq. 21": f"{volume.target:.2f}",
                "Eq. 22": f"{volume.competitor_square:.2f}",
            }
        )
    return pd.DataFrame(rows)


def _span(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def recipe(profile: str) -> RunSpec:
    """What the runs of a profile have in common: their network, and the rate that the regimes share."""
    return {PAPER: CIFAR, "smoke": _SMOKE, SMALL_RUNS: SMALL}.get(profile, REFERENCE)


def against(
    regime: tuple[str, str],
    base: tuple[str, str],
    lr: float | None = None,
    base_lr: float | None = None,
    profile: str = "reference",
) -> Contrast:
    """One regime's accuracy minus another's at a profile, at their rates; the shared one for None."""
    common = recipe(profile)
    shared = common.optimizer_options["lr"]
    rates = [shared if each is None else each for each in (lr, base_lr)]
    at = "" if rates[0] == rates[1] else " at {left[lr]:g}"
    base_at = "" if rates[0] == rates[1] else " at {right[lr]:g}"
    where = {"network": common.model, "part": "test"}
    network = NETWORK_NAMES[common.model]
    return Contrast(
        f"{title(regime)}{at} minus {title(base)}{base_at}, {network} on {{left[dataset]}}",
        select(regime, lr=rates[0], **where),
        select(base, lr=rates[1], **where),
    )


def each_own(profile: str) -> Contrast:
    """The gradual mixture minus CE, each at the learning rate of its own."""
    return against(GRADUAL, CE, rate(GRADUAL, profile), rate(CE, profile), profile)


def data_name(profile: str) -> str:
    """The data set of a profile, as pages name it."""
    return dataset_name(recipe(profile).dataset)


def before(evidence: Evidence) -> str:
    """What the declared seeds can show of a gain as large as the paper's, from the records of Table 1."""
    gains = [
        printed()["cifar100", network, *GRADUAL] - printed()["cifar100", network, *CE]
        for network in PAPER_NETWORKS
    ]
    what = "gains of CE+EL 0-0.5 over CE that the paper prints for CIFAR-100"
    return planned(evidence, EXPERIMENT.profile("reference").seeds, gains, what)


def table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Every regime and rate that has been run, with its difference from CE and from the gradual mixture."""
    cells: dict[tuple[tuple[str, str], float], None] = {}
    for record in evidence.by_profile.get(profile, ()):
        regime = str(record.labels["loss"]), str(record.labels["schedule"])
        if regime in _SHOWN:
            cells[regime, record.labels["lr"]] = None
    runs = {
        key: evidence.runs(profile, loss=key[0][0], schedule=key[0][1], lr=key[1], part="test")
        for key in cells
        if evidence.runs(profile, loss=key[0][0], schedule=key[0][1], lr=key[1], part="test").records
    }
    shared = recipe(profile).optimizer_options["lr"]
    order = sorted(runs, key=lambda key: (_SHOWN.index(key[0]), key[1]))
    frame = pd.DataFrame(
        {
            "Regime": title(key[0]),
            "Rate": f"{key[1]:g}",
            "Accuracy, %": tables.mean_cell(runs[key], "test_accuracy", percent=True),
            "Best test epoch, %": tables.mean_cell(runs[key], "best_test_accuracy", percent=True),
        }
        for key in order
    )
    if not order:
        return frame, []
    for base, name in ((CE, "CE"), (GRADUAL, title(GRADUAL))):
        known = runs.get((base, shared))
        pairs = [(runs[k], known) if known is not None and k != (base, shared) else None for k in order]
        differences, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
        frame[f"Minus {name}"] = pd.Series(differences, dtype=object)
        frame[f"p (Holm), {name}"] = pd.Series(p_values, dtype=object)
    return frame, tables.notes(runs.values())


def rates_table(evidence: Evidence, profile: str = "reference") -> pd.DataFrame:
    """Accuracy on held-out training images by regime and rate.

    Args:
        evidence: The records.
        profile: As for :func:`choose`.
    """
    where, tried, _ = CHOICES[profile]
    best = choose(evidence, profile)
    found = {
        (regime, lr): evidence.runs(where, loss=regime[0], schedule=regime[1], lr=lr)
        for regime, rates in tried.items()
        for lr in rates
    }
    return pd.DataFrame(
        {
            "Regime": title(regime),
            "Rate": f"{lr:g}",
            "Held-out accuracy, %": tables.mean_cell(runs, "test_accuracy", percent=True),
            "Chosen": "yes" if best.get(regime) == lr else "",
        }
        for (regime, lr), runs in found.items()
        if runs.records
    )


def _beside(profile: str, *, optional: bool) -> Beside:
    return Beside(
        GRADIENT_NORM,
        [against(GRADUAL, regime, profile=profile) for regime in SIZED],
        only=(profile,),
        optional=optional,
        beside=TABLE1,
        profiles=SHARED,
        labels=AS_IN_TABLE1,
    )


SIZE = Claim(
    "size",
    "CE with its gradient scaled to the size of that of CE+EL 0-0.5 is not competitive with it.",
    "Recognition in CIFAR100 and CINIC10, after Eq. 22",
    "Test accuracy after the last epoch of CE+EL 0-0.5 minus that of CE times the factor, in both "
    "printed readings, paired by seed: with CNN2C on Fashion-MNIST and, once there are runs, on CIFAR-100 "
    "with the reference network and with the paper's ResNet-20. The paper does not say which reading it "
    "used; its numbers are in a supplement that was not available.",
    {
        "CNN2C": _beside(SMALL_RUNS, optional=False),
        "reference network": _beside("reference", optional=True),
        "the paper's protocol": Contrasts(
            GRADIENT_NORM,
            [against(GRADUAL, regime, profile=PAPER) for regime in SIZED],
            only=(PAPER,),
            optional=True,
        ),
    },
    CarriesOver(OnceWhole(Gain()), REDUCED),
    DECISIVE,
    basis=basis,
)
