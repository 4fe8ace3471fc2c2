"""Table 2: CE and the three mixtures on ImageNet."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from scipy.stats import t as student_t

from lossbook import experiments
from lossbook.evidence import stats, tables
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import Contrast, Contrasts, Difference
from lossbook.evidence.grids import Column, Table
from lossbook.evidence.notrun import cells_not_run
from lossbook.evidence.rules import Gain, OnceWhole
from lossbook.evidence.select import Evidence
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.battash2021.protocol import (
    CE,
    CONSTANT,
    DIGITS,
    FOCUS_NAMES,
    GRADUAL,
    LOSS_NAMES,
    MISSING,
    MIXTURES,
    NETWORK_NAMES,
    QUICK,
    REFERENCE,
    REGIMES,
    TWO_PHASE,
    basis,
    by_name,
    cell,
    places,
    select,
    title,
)
from lossbook.progress import duration
from lossbook.results import Store, published
from lossbook.training import RunSpec

TABLE2 = "battash2021/table2"
#: The paper's networks as torchvision has them, by their names in the paper. "ShuffleNet" and the number of
#: groups of the two ResNeXt are our reading: the paper names no more.
PAPER_NETWORKS = {
    "imagenet_resnet18": "resnet18",
    "imagenet_resnet34": "resnet34",
    "imagenet_resnet50": "resnet50",
    "imagenet_resnet101": "resnet101",
    "imagenet_shufflenet_v2": "shufflenet",
    "imagenet_resnext50": "resnext50",
    "imagenet_resnext101": "resnext101",
}
#: "ImageNet": epochs, learning rate, augmentation and crops are the paper's. Momentum, weight decay and batch
#: size are those of the "official PyTorch training script" that it follows.
IMAGENET_RECIPE = RunSpec(
    dataset="imagenet",
    model="imagenet_resnet18",
    loss="ce",
    optimizer="sgd",
    optimizer_options={"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
    schedule={"name": "steps", "at": [30, 60]},
    augmentation="resized_crop_flip",
    batch_size=256,
    epochs=90,
)


def _cells(base: RunSpec, networks: Iterable[str] = (), **changes: Any) -> tuple[Cell, ...]:
    return tuple(
        cell(base, regime, **{"model": network, **changes})
        for network in networks or (base.model,)
        for regime in REGIMES
    )


EXPERIMENT = Experiment(
    name=TABLE2,
    title="Table 2: CE and the three mixtures on ImageNet",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's protocol with its networks as torchvision has them, three seeds instead of two",
            _cells(IMAGENET_RECIPE, PAPER_NETWORKS),
            # The paper has two, which give no interval and so decide no claim.
            seeds=3,
        ),
        Profile(
            "quick",
            "6 epochs of the reference network on 2,000 images of CIFAR-10",
            _cells(REFERENCE, dataset="cifar10", **QUICK),
            seeds=1,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 6 epochs on another network, to see that everything runs",
            _cells(REFERENCE, **DIGITS),
            seeds=2,
        ),
    ),
)


# --- the paper's numbers ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Printed:
    """One cell of the paper's Table 2, in percent.

    Attributes:
        mean: The mean over the seeds.
        deviation: What stands behind "±": presumably their standard deviation.
        seeds: How many seeds.
    """

    mean: float
    deviation: float
    seeds: int


@cache
def printed() -> dict[tuple[str, str, str], Printed]:
    """Table 2 of the paper: network, loss, F -> its cell."""
    own = {paper: name for name, paper in PAPER_NETWORKS.items()}
    return {
        (own[r["model"]], r["loss"], r["schedule"]): Printed(
            float(r["accuracy_percent"]), float(r["std_percent"]), int(r["seeds"])
        )
        for r in published("battash2021", "table2").to_dict("records")
    }


@dataclass(frozen=True)
class PrintedGain:
    """A difference between two regimes that the paper's Table 2 implies, in points.

    Attributes:
        network: The network.
        left: The regime.
        right: What it is compared with.
        gain: The difference of the means.
        half: Half of Welch's 95% interval; NaN where both deviations are printed as zero.
        p: Welch's two-sided p-value; NaN likewise.
    """

    network: str
    left: tuple[str, str]
    right: tuple[str, str]
    gain: float
    half: float
    p: float


def printed_gain(network: str, left: tuple[str, str], right: tuple[str, str] = CE) -> PrintedGain:
    """What the paper's means and standard deviations say about a difference, by Welch's t test.

    The seeds are the same for all regimes, but the paper's text has no number of a single seed, so nothing
    can be paired.

    Args:
        network: The network.
        left: The regime.
        right: What it is compared with.
    """
    mine, other = (printed()[network, *regime] for regime in (left, right))
    gain = mine.mean - other.mean
    parts = [(each.deviation**2 / each.seeds, each.seeds - 1) for each in (mine, other)]
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return PrintedGain(network, left, right, gain, math.nan, math.nan)
    freedom = variance**2 / sum(part**2 / n for part, n in parts)
    error = math.sqrt(variance)
    half = float(student_t.ppf(0.975, freedom)) * error
    return PrintedGain(network, left, right, gain, half, float(2 * student_t.sf(abs(gain) / error, freedom)))


def printed_gains() -> list[PrintedGain]:
    """Every mixture minus CE in the paper's Table 2, network by network."""
    return [printed_gain(network, regime) for network, regime in product(PAPER_NETWORKS, MIXTURES)]


@dataclass(frozen=True)
class Pooled:
    """The spread over seeds of the paper's Table 2, if it is the same in all of its cells.

    Attributes:
        deviation: Standard deviation, in points: the root of the mean square over the cells.
        freedom: Its degrees of freedom, one fewer than seeds for each cell.
        half: Half of the 95% interval of a difference between two cells.
        half_by_n: The same if the printed deviations divide by n instead of n - 1.
    """

    deviation: float
    freedom: int
    half: float
    half_by_n: float


@cache
def pooled() -> Pooled:
    """The spread over all cells of the paper's Table 2."""
    cells = list(printed().values())
    (seeds,) = {each.seeds for each in cells}
    deviation = math.sqrt(float(np.mean([each.deviation**2 for each in cells])))
    error = deviation * math.sqrt(2 / seeds)
    freedom = len(cells) * (seeds - 1)
    half = float(student_t.ppf(0.975, freedom)) * error
    return Pooled(
        deviation,
        freedom,
        half,
        half * math.sqrt(seeds / (seeds - 1)),
    )


def printed_table() -> pd.DataFrame:
    """CE and the gains of the mixtures in the paper's Table 2, with Welch's intervals."""
    rows = []
    for network in PAPER_NETWORKS:
        base = printed()[network, *CE]
        row: dict[str, Any] = {
            "Network": NETWORK_NAMES[network],
            "CE, %": f"{base.mean:.2f} ± {base.deviation:.2f}",
        }
        for regime in MIXTURES:
            found = printed_gain(network, regime)
            band = "" if math.isnan(found.half) else f" ± {found.half:.2f}"
            numbers = {} if math.isnan(found.p) else {"half": found.half, "p": found.p}
            row[f"{title(regime)} minus CE"] = tables.Cell(
                f"{tables.signed(found.gain)}{band}", {"gain": found.gain, **numbers}
            )
        rows.append(row)
    return pd.DataFrame(rows)


def printed_text() -> list[str]:
    """What the paper's numbers show and what two seeds leave open, in sentences computed from them."""
    return [_order(), _one_by_one(), _together(), _end_of_training()]


def _tested() -> list[PrintedGain]:
    """The printed gains over CE that Welch's test can judge: not both deviations are printed as zero."""
    return [each for each in printed_gains() if not math.isnan(each.p)]


def _clear() -> int:
    """How many of them have Welch's interval above zero."""
    return sum(each.gain > each.half for each in _tested())


def _larger(gains: Iterable[PrintedGain], half: float) -> int:
    """How many gains are larger than half of an interval."""
    return sum(each.gain > half for each in gains)


def printed_in_short() -> str:
    """How many of the paper's own gains over CE are beyond chance, for a box that has no run to show."""
    gains = printed_gains()
    return (
        f"No run tests this. Of the paper's own gains over CE, {_clear()} of {len(_tested())} have a 95% "
        f"interval above zero by the two seeds of each cell. If all cells share one spread, "
        f"{_larger(gains, pooled().half)} of {len(gains)} do."
    )


def _order() -> str:
    order = [sorted(REGIMES, key=lambda r: printed()[network, *r].mean) for network in PAPER_NETWORKS]
    lowest, first = (sum(each[at] == regime for each in order) for at, regime in ((0, CE), (-1, GRADUAL)))
    gains = [printed_gain(network, GRADUAL).gain for network in PAPER_NETWORKS]
    sign = binomtest(sum(gain > 0 for gain in gains), len(gains)).pvalue
    return (
        f"**First and last are the same throughout.** CE is the lowest with {lowest} of {len(order)} "
        f"networks and {title(GRADUAL)} the highest with {first}. "
        f"{title(GRADUAL)} gains {tables.signed(min(gains))} to {tables.signed(max(gains))} points over CE. "
        f"If the networks were independent experiments, signs as alike as these would have p = {sign:.3f}. "
        "But they share images and seeds."
    )


def _one_by_one() -> str:
    tested = _tested()
    least = min(stats.holm([each.p for each in tested]))
    return (
        f"**One network at a time, two seeds show little.** {_clear()} of {len(tested)} gains have a Welch "
        f"interval above zero, and after Holm's correction the smallest p is {least:.2f}. This takes the "
        "printed deviations to divide by n − 1; if they divide by n, the intervals are wider still."
    )


def _together() -> str:
    spread = pooled()
    compared = (
        printed_gains(),
        [printed_gain(network, GRADUAL) for network in PAPER_NETWORKS],
        [printed_gain(network, GRADUAL, TWO_PHASE) for network in PAPER_NETWORKS],
    )
    every, gradual, later = (_larger(gains, spread.half) for gains in compared)
    by_n = [_larger(gains, spread.half_by_n) for gains in compared]
    return (
        f"**All cells together show more.** The printed deviations go from "
        f"{min(each.deviation for each in printed().values()):.2f} to "
        f"{max(each.deviation for each in printed().values()):.2f}. Suppose that the spread behind them is "
        f"the same in all {len(printed())} cells. Then it is {spread.deviation:.2f} points, with "
        f"{spread.freedom} degrees of freedom, and a difference has an interval of ± {spread.half:.2f}. "
        f"Taken one by one, {every} of the {len(compared[0])} gains over CE are larger than that, among them "
        f"{gradual} of {len(compared[1])} of {title(GRADUAL)}. With {later} of {len(compared[2])} networks "
        f"{title(GRADUAL)} is ahead of {title(TWO_PHASE)} by more than that, too. "
        "The paper does not say whether its deviations divide by n or by n − 1. "
        f"If by n, the interval is ± {spread.half_by_n:.2f} and the three counts are {by_n[0]}, {by_n[1]} "
        f"and {by_n[2]}."
    )


def _end_of_training() -> str:
    moved = [printed_gain(network, TWO_PHASE, CONSTANT).gain for network in PAPER_NETWORKS]
    epochs = IMAGENET_RECIPE.epochs
    # CE+EL 0,0.5 switches to EL after 95% of the epochs, in whole ones.
    shared = epochs * 19 // 20
    return (
        f"**The last epochs seem to move the accuracy.** With equal seeds {title(CONSTANT)} and "
        f"{title(TWO_PHASE)} are one run for {shared} of {epochs} epochs. Their printed means differ by "
        f"{tables.signed(min(moved))} to {tables.signed(max(moved))} points, after {epochs - shared} epochs "
        "on EL alone at a learning rate of 0.001. Runs on GPUs need not repeat to the digit, so a part "
        "of that may be chance."
    )


# --- ours ---------------------------------------------------------------------------------------------------


def gain(
    regime: tuple[str, str],
    network: str,
    base: tuple[str, str] = CE,
    dataset: str = "imagenet",
    metric: str = "test_accuracy",
) -> Contrast:
    """A regime's accuracy minus that of another, by default CE, with one network."""
    where = {"dataset": dataset, "network": network, "metric": metric}
    paper = printed_gain(network, regime, base).gain if network in PAPER_NETWORKS else None
    return Contrast(
        f"{title(regime)} minus {title(base)}, {NETWORK_NAMES[network]} on {{left[dataset]}}",
        select(regime, **where),
        select(base, **where),
        paper=paper,
    )


TABLE = Table(
    TABLE2,
    rows={"network": "Network", "loss": "Loss", "schedule": "F"},
    names={"network": NETWORK_NAMES, "loss": LOSS_NAMES, "schedule": FOCUS_NAMES},
    columns=(
        Column("Last epoch, %", "test_accuracy", percent=True),
        Column("Best test epoch, %", "best_test_accuracy", percent=True),
    ),
    published={where: each.mean for where, each in printed().items()},
    against={"loss": "ce", "schedule": ""},
    baseline="CE",
    missing=MISSING,
)

IMAGENET = Claim(
    "imagenet",
    "On ImageNet all three mixtures are more accurate than CE, with every network.",
    "ImageNet; Table 2",
    "Test accuracy after the last epoch on ImageNet, each mixture minus CE, paired by seed, with each of the "
    "paper's seven networks. The paper may have the accuracy of the best test epoch.",
    {"": Contrasts(TABLE2, [gain(regime, network) for network in PAPER_NETWORKS for regime in MIXTURES])},
    OnceWhole(Gain()),
    (PAPER,),
    basis=basis,
)
IMAGENET_GRADUAL = Claim(
    "imagenet-gradual",
    "On ImageNet CE+EL 0-0.5 is the most accurate of the four regimes, with every network.",
    "ImageNet; Table 2",
    "Test accuracy after the last epoch on ImageNet, CE+EL 0-0.5 minus each of the other regimes, "
    "paired by seed, with each of the paper's seven networks.",
    {
        "": Contrasts(
            TABLE2,
            [
                gain(GRADUAL, network, other)
                for network in PAPER_NETWORKS
                for other in (CE, CONSTANT, TWO_PHASE)
            ],
        )
    },
    OnceWhole(Gain()),
    (PAPER,),
    basis=basis,
)


def differences(evidence: Evidence, profile: str) -> list[tuple[str, Difference]]:
    """Every mixture minus CE that has been run at a profile, each with its name."""
    return [
        (f"{title(regime)}, {NETWORK_NAMES[where['network']]}", found)
        for where, regime in product(places(evidence, profile), MIXTURES)
        if (found := gain(regime, **where).at(evidence, profile)) is not None
    ]


def not_run_text(evidence: Evidence, *, store: Store | None = None) -> str:
    """What has not been run at the paper's protocol and what it would cost, in one line of Markdown.

    Args:
        evidence: The records of the page.
        store: Where the records are that costs follow from; the project's own store by default.
    """
    open_cells, declared = cells_not_run(evidence, PAPER)
    left = experiments.pending(PAPER, TABLE2, store=store)
    if not open_cells or not left:
        return ""
    one = {each.labels["network"]: each.seconds / each.count for each in left}
    cheapest, dearest = min(one, key=lambda n: one[n]), max(one, key=lambda n: one[n])
    return (
        f"{len(open_cells)} of {declared} cells have not been run "
        f"([what is open](../synthesis/glance.html#glance-open)). On one core of the kind that our records "
        f"come from, a run would take about {duration(one[cheapest])} ({NETWORK_NAMES[cheapest]}) to "
        f"{duration(one[dearest])} ({NETWORK_NAMES[dearest]}), estimated from the network's operations, "
        "without the time to read the files."
    )
