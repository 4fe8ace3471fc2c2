"""How the gap between CE and LR grows with the number of classes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from lossbook.evidence import stats, tables
from lossbook.evidence.choosing import best_rate
from lossbook.evidence.claims import NOTHING, Claim, seeds_text
from lossbook.evidence.contrasts import Contrast, Contrasts, Difference, Select
from lossbook.evidence.rules import Above, CarriesOver, OnceWhole
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.experiments.grid import Cell, Experiment, Profile
from lossbook.papers.dong2019.names import (
    CHOSEN_AT,
    CLASSES,
    FREQUENCIES,
    LOSSES,
    NAMES,
    ONE,
    OWN,
    RATES,
    REFERENCE,
    USUAL,
    named,
)
from lossbook.papers.dong2019.protocol import REFERENCE_RECIPE, by_name, cell
from lossbook.papers.dong2019.rules import OneWay
from lossbook.papers.dong2019.table1 import SMALL, decided, rate_cells
from lossbook.results import Record
from lossbook.training import RunSpec

CIFAR100, OMNIGLOT = "cifar100", "omniglot_background"
#: How many of the classes, evenly spaced, each data set is cut to.
COUNTS: Mapping[str, tuple[int, ...]] = {CIFAR100: (5, 10, 20, 50, 100), OMNIGLOT: (50, 200, 964)}

#: What is equal at all numbers of classes besides the number of steps. With CIFAR-100 it is the images in
#: all, so that the more classes there are, the fewer images each has: the question is what classes do.
#: With Omniglot it is the images of each class, so that more classes also bring more images: as many in all
#: as 50 characters have would be less than one of each of 964.
ALL, EACH = "all", "each"
IMAGES = {ALL: "equally many images in all", EACH: "equally many images of each class"}

#: Images of CIFAR-100, all that five of its classes have but one; of each of 100 classes there are 25 or 24.
#: One less than 2,500, as examples are taken evenly spaced from a set that may be in an order of classes: of
#: a copy that has one image of each class after another, every twentieth would be of five classes alone.
SIZE = 2499
PER_CLASS = 25
#: Drawings of each character, all there are for training.
DRAWERS = 16

Variant = tuple[str, str]
#: Most informative first. The last is LR with its biases at -log(K - 1).
VARIANTS: tuple[Variant, ...] = (
    ("ce", USUAL),
    ("lr", USUAL),
    ("lr", FREQUENCIES),
    *((loss, USUAL) for loss in LOSSES[2:]),
)
#: Rates are chosen for the two losses whose gap is asked for, at these numbers of classes.
CHOSEN = ("ce", "lr")
CHOSEN_COUNTS: Mapping[str, tuple[int, ...]] = {CIFAR100: (5, 20, 100), OMNIGLOT: (50, 200, 964)}
TRIED: Mapping[str, tuple[float, ...]] = {CIFAR100: (0.03, 0.1, 0.3, 1.0), OMNIGLOT: (0.1, 0.3, 1.0, 3.0)}
#: The one rate of a data set: that of CE with the highest mean accuracy over the numbers of classes, which
#: :func:`choose_one` makes of the records of ``rates``.
ONE_RATE: dict[str, float] = {CIFAR100: 0.3, OMNIGLOT: 1.0}
#: Each loss's own rate at a number of classes: what :func:`choose` makes of them.
OWN_RATE: dict[tuple[str, int, str], float] = {
    (CIFAR100, 5, "ce"): 0.1,
    (CIFAR100, 5, "lr"): 0.1,
    (CIFAR100, 20, "ce"): 0.1,
    (CIFAR100, 20, "lr"): 0.1,
    (CIFAR100, 100, "ce"): 0.3,
    (CIFAR100, 100, "lr"): 0.1,
    (OMNIGLOT, 50, "ce"): 1.0,
    (OMNIGLOT, 50, "lr"): 3.0,
    (OMNIGLOT, 200, "ce"): 1.0,
    (OMNIGLOT, 200, "lr"): 1.0,
    (OMNIGLOT, 964, "ce"): 1.0,
    (OMNIGLOT, 964, "lr"): 1.0,
}


def _recipe(dataset: str, batch: int, images: int, steps: int, **changes: Any) -> RunSpec:
    """The recipe of the reference network for a number of steps, a sixth of them until its peak."""
    epochs = round(steps / -(-images // batch))
    schedule = {"name": "one_cycle", "peak": epochs / 6, "start": 0.2}
    return replace(
        REFERENCE_RECIPE, dataset=dataset, batch_size=batch, epochs=epochs, schedule=schedule, **changes
    )


def recipe(dataset: str, count: int, images: str, *, held_out: bool = False) -> RunSpec:
    """What is run at a number of classes, but for the loss and its rate.

    Args:
        dataset: CIFAR-100 or Omniglot's background characters.
        count: Number of classes.
        images: What is equal at all numbers of classes, :data:`ALL` or :data:`EACH`.
        held_out: Train on four fifths of CIFAR-100's images, or three quarters of the drawings, and measure
            on other training images.
    """
    if dataset == OMNIGLOT:
        size = DRAWERS * count
        part = {"validation_size": size // 4} if held_out else {}
        # Not flipped: the mirror image of a character can be another one.
        return _recipe(
            dataset, 64, size - size // 4 * held_out, 1446, classes=count, augmentation="none", **part
        )
    size = SIZE if images == ALL else PER_CLASS * count - 1
    if held_out:
        size = size * 4 // 5
        held = min(SIZE, 100 * count - 1)
        return _recipe(dataset, 50, size, 600, classes=count, train_size=size, validation_size=held)
    return _recipe(dataset, 50, size, 600, classes=count, train_size=size, test_size=SIZE)


def _cell(
    dataset: str,
    count: int,
    variant: Variant,
    lr: float,
    images: str = ALL,
    *,
    held_out: bool = False,
    **changes: Any,
) -> Cell:
    base = recipe(dataset, count, images, held_out=held_out)
    loss, start = variant
    return cell(base, loss, start=start, lr=lr, labels={"classes": count, "images": images}, **changes)


def _images(dataset: str) -> str:
    """What is equal at all numbers of classes of a data set."""
    return EACH if dataset == OMNIGLOT else ALL


def _reference() -> tuple[Cell, ...]:
    """Most informative first, since runs are made seed by seed."""
    every = [(dataset, count) for dataset, counts in COUNTS.items() for count in counts]
    # By step only where Fig. 2 is looked at.
    cells = [
        _cell(
            dataset,
            count,
            variant,
            ONE_RATE[dataset],
            _images(dataset),
            step_measures=["parts"] if count == max(COUNTS[OMNIGLOT]) else None,
        )
        for variant in VARIANTS
        for dataset, count in every
    ]
    cells += [
        _cell(dataset, count, (loss, USUAL), rate, _images(dataset))
        for (dataset, count, loss), rate in OWN_RATE.items()
        if rate != ONE_RATE[dataset]
    ]
    cells += [
        _cell(CIFAR100, count, (loss, USUAL), ONE_RATE[CIFAR100], EACH)
        for count in (5, 20)
        for loss in CHOSEN
    ]
    return tuple(cells)


def _rates() -> tuple[Cell, ...]:
    return tuple(
        _cell(dataset, count, (loss, USUAL), lr, _images(dataset), held_out=True)
        for dataset, counts in CHOSEN_COUNTS.items()
        for count in counts
        for loss in CHOSEN
        for lr in TRIED[dataset]
    )


def _few(dataset: str, counts: Sequence[int], *, lr: float = 0.3, **changes: Any) -> tuple[Cell, ...]:
    """A small grid, its last number of classes with what is measured by step."""
    return tuple(
        cell(
            REFERENCE_RECIPE,
            loss,
            start=start,
            lr=lr,
            labels={"classes": count, "images": ALL},
            dataset=dataset,
            classes=count,
            step_measures=["parts"] if count == counts[-1] else None,
            **changes,
        )
        for loss, start in VARIANTS
        for count in counts
    )


def _accuracies(records: Iterable[Record]) -> dict[tuple[str, int, str], dict[float, float]]:
    """Accuracy by rate for each data set, number of classes and loss all of whose rates have been run.

    A run that broke down counts as none right.
    """
    found: dict[tuple[str, int, str], dict[float, float]] = defaultdict(dict)
    for record in records:
        accuracy = record.metric("test_accuracy") if record.status == "finished" else None
        labels = record.labels
        which = (labels["dataset"], labels["classes"], labels["loss"])
        found[which][labels["lr"]] = 0.0 if accuracy is None else accuracy
    return {which: each for which, each in found.items() if set(TRIED[which[0]]) <= set(each)}


def choose(records: Iterable[Record]) -> dict[tuple[str, int, str], float]:
    """The rate of each data set, number of classes and loss with the highest accuracy; the least if equal.

    Args:
        records: Those of the profile ``rates``, whose accuracies are those of validation images.
    """
    return {which: best_rate(each) for which, each in _accuracies(records).items()}


def choose_one(records: Iterable[Record]) -> dict[str, float]:
    """The rate of each data set with the highest accuracy of CE, averaged over the numbers of classes.

    A data set is left out until CE has been run at every rate and number of classes.

    Args:
        records: Those of the profile ``rates``.
    """
    every = _accuracies(records)
    found = {}
    for dataset, counts in CHOSEN_COUNTS.items():
        mine = [every[dataset, count, "ce"] for count in counts if (dataset, count, "ce") in every]
        if len(mine) == len(counts):
            found[dataset] = best_rate({rate: sum(each[rate] for each in mine) for rate in TRIED[dataset]})
    return found


EXPERIMENT = Experiment(
    name=CLASSES,
    title="How the gap between CE and LR grows with the number of classes",
    profiles=by_name(
        Profile(
            "reference",
            "the reference network: 2,499 images of 5 to 100 classes of CIFAR-100 for 600 steps, 16 drawings "
            "of each of 50 to 964 characters of Omniglot for about 1,446",
            _reference(),
            seeds=5,
        ),
        Profile(
            CHOSEN_AT,
            "CE and LR at four rates, measured on training images that were held out",
            _rates(),
            seeds=1,
        ),
        Profile(
            "quick",
            "the reference network for 80 steps on 199 images of 5, 20 and 100 classes of CIFAR-100",
            _few("cifar100", (5, 20, 100), batch_size=20, epochs=8, train_size=199, test_size=499),
            seeds=1,
        ),
        Profile(
            "smoke",
            "5 and 10 classes of scikit-learn's digits for 2 epochs on another network, to see that all runs",
            _few(
                "digits",
                (5, 10),
                model="keras_mnist_cnn",
                augmentation="none",
                batch_size=32,
                epochs=2,
                lr=0.1,
                train_size=128,
                test_size=100,
            ),
            seeds=3,
        ),
    ),
)


# --- from records to numbers --------------------------------------------------------------------------------


def which(
    dataset: str, count: int, loss: str, start: str, rates: str, images: str | None, profile: str
) -> Mapping[str, Any] | None:
    """The labels that name a cell at a profile; None where it has none.

    Args:
        dataset: The data set.
        count: Number of classes.
        loss: The loss.
        start: Where its biases start.
        rates: At the data set's one rate, or at the loss's own.
        images: What is equal at all numbers of classes; None for what is with this data set.
        profile: The profile.
    """
    labels = {"dataset": dataset, "classes": count, "loss": loss, "start": start}
    if profile == CHOSEN_AT:
        return None
    if profile != REFERENCE:
        return labels if rates == ONE and images in (None, ALL) else None
    wanted = images or _images(dataset)
    if (dataset, count) == (CIFAR100, 100):
        wanted = ALL  # there they are the same
    one = ONE_RATE.get(dataset)
    lr = one if rates == ONE else OWN_RATE.get((dataset, count, loss)) if start == USUAL else None
    return None if lr is None else labels | {"images": wanted, "lr": lr}


def select(
    dataset: str,
    count: int,
    loss: str,
    start: str = USUAL,
    rates: str = ONE,
    images: str | None = None,
    **more: Any,
) -> Select:
    """The runs of a loss at a number of classes, at whatever profile; see :func:`which`."""
    return Select(
        {},
        chosen=lambda _, profile: which(dataset, count, loss, start, rates, images, profile),
        **more,
    )


def lead(dataset: str, count: int, variant: Variant, rates: str = ONE, images: str | None = None) -> Contrast:
    """Test accuracy of CE minus that of another loss at a number of classes, paired by seed."""
    return Contrast(
        f"CE minus {named(*variant)}, {count} classes of {{left[dataset]}}, {RATES[rates]}",
        select(dataset, count, "ce", USUAL, rates, images),
        select(dataset, count, *variant, rates, images),
    )


@dataclass(frozen=True)
class Trend:
    """The gap between CE and a loss on one data set, by number of classes.

    Attributes:
        dataset: The data set.
        variant: The loss and its start.
        gaps: Number of classes -> CE minus the loss.
        slope: The slope of the gap over log2 K, in fractions, with its interval over the seeds that have
            the gap at every number of classes; None with fewer than two numbers of classes.
    """

    dataset: str
    variant: Variant
    gaps: dict[int, Difference]
    slope: stats.PairedDifference | None


def trend(
    evidence: Evidence,
    profile: str,
    dataset: str,
    variant: Variant,
    rates: str = ONE,
    images: str | None = None,
) -> Trend:
    """How the gap grows: for each seed the least-squares slope over log2 K, and the mean of these.

    Args:
        evidence: The records.
        profile: The profile.
        dataset: The data set.
        variant: The loss that is subtracted from CE, and its start.
        rates: At one rate, or both at their own.
        images: What is equal at all numbers of classes; None for what is with this data set.
    """
    gaps = {}
    seeds: dict[int, dict[int, float]] = defaultdict(dict)
    for count in counts(evidence, profile, dataset):
        contrast = lead(dataset, count, variant, rates, images)
        found = contrast.at(evidence, profile)
        if found is None:
            continue
        gaps[count] = found
        left, right = found.runs.values("test_accuracy"), found.base.values("test_accuracy")
        for seed in set(left) & set(right):
            seeds[seed][count] = left[seed] - right[seed]
    slopes = {seed: _slope(each) for seed, each in seeds.items() if len(gaps) > 1 and set(each) == set(gaps)}
    slope = stats.paired_difference(slopes, dict.fromkeys(slopes, 0.0)) if slopes else None
    return Trend(dataset, variant, gaps, slope)


def _slope(gaps: Mapping[int, float]) -> float:
    return float(np.polyfit([math.log2(count) for count in gaps], list(gaps.values()), 1)[0])


def counts(evidence: Evidence, profile: str, dataset: str) -> list[int]:
    """The numbers of classes that a data set has runs with."""
    records = evidence.by_profile.get(profile, ())
    return sorted({int(r.labels["classes"]) for r in records if r.labels["dataset"] == dataset})


@dataclass(frozen=True)
class Grown(Difference):
    """The slope of a gap over the number of classes; its own runs are those with the most classes.

    Attributes:
        gaps: The gap at each number of classes.
    """

    gaps: tuple[Difference, ...] = ()

    @property
    def records(self) -> tuple[Record, ...]:
        """The runs at every number of classes."""
        return tuple(record for gap in self.gaps for record in gap.records)


@dataclass(frozen=True)
class Growth(Contrast):
    """A contrast of slopes over the number of classes.

    Attributes:
        of: The gap at a profile.
    """

    of: Callable[[Evidence, str], Trend] = field(kw_only=True)

    def at(self, evidence: Evidence, profile: str) -> Difference | None:
        """The slope at one profile; None without one."""
        found = self.of(evidence, profile)
        if found.slope is None:
            return None
        gaps = tuple(found.gaps.values())
        return Grown(self, gaps[-1].runs, gaps[-1].base, found.slope, gaps=gaps)


def growth(dataset: str, rates: str) -> Growth:
    """How CE minus LR grows with each doubling of the number of classes, paired by seed."""
    return Growth(
        f"CE minus LR for each doubling of the number of classes, {{left[dataset]}}, {RATES[rates]}",
        Select({"dataset": dataset, "loss": "ce"}),
        Select({"dataset": dataset, "loss": "lr"}),
        resolved=False,
        of=partial(trend, dataset=dataset, variant=("lr", USUAL), rates=rates),
    )


def lead_growth(dataset: str, loss: str) -> Growth:
    """How a loss minus CE grows with each doubling of the number of classes, paired by seed, at one rate."""

    def of(evidence: Evidence, profile: str) -> Trend:
        found = trend(evidence, profile, dataset, (loss, USUAL))
        slope = found.slope
        if slope is None:
            return found
        return replace(found, slope=replace(slope, mean=-slope.mean, low=-slope.high, high=-slope.low))

    return Growth(
        f"{NAMES[loss]} minus CE for each doubling of the number of classes, {{left[dataset]}}, {RATES[ONE]}",
        Select({"dataset": dataset, "loss": loss}),
        Select({"dataset": dataset, "loss": "ce"}),
        resolved=False,
        of=of,
    )


GROWS = Claim(
    "gap-grows",
    "The more classes there are, the further LR falls behind CE.",
    "Evaluation of Table 1, observation (1)",
    "For each seed the least-squares slope of CE minus LR over the logarithm of the number of classes, at "
    "one rate for all losses, as in the paper, and with both at their own rates.",
    {
        RATES[rates]: Contrasts(
            CLASSES, [growth(dataset, rates) for dataset in COUNTS], only=(REFERENCE,), optional=rates == OWN
        )
        for rates in (ONE, OWN)
    },
    CarriesOver(OnceWhole(OneWay(Above())), SMALL),
    (REFERENCE,),
    basis=lambda records: f"the reference network ({seeds_text(records)})" if records else NOTHING,
)
LEAD_GROWS = Claim(
    "lead-grows",
    "The more classes there are, the better HS-LR and SS-LR do against CE.",
    "Evaluation of Table 1, observation (2)",
    'The paper says that they are ahead "especially on tasks with more classes". For each seed the '
    "least-squares slope of HS-LR and SS-LR minus CE over the logarithm of the number of classes, at one "
    "rate for all losses. The slope is also above zero where a loss is behind CE and catches up; whether it "
    "is ahead is a claim of its own.",
    {
        "": Contrasts(
            CLASSES, [lead_growth(d, loss) for d in COUNTS for loss in ("hs_lr", "ss_lr")], only=(REFERENCE,)
        )
    },
    CarriesOver(OnceWhole(OneWay(Above())), SMALL),
    (REFERENCE,),
    basis=GROWS.basis,
)
CLAIMS = (GROWS, LEAD_GROWS)


def follows(evidence: Evidence) -> str:
    """What LR's start does to the gap at the most classes, where it narrows; nothing if it widens anywhere.

    Args:
        evidence: The records.
    """
    said, beyond = [], []
    for dataset, declared in COUNTS.items():
        many = max(declared)
        usual, low = (decided(lead(dataset, many, ("lr", start)), evidence) for start in (USUAL, FREQUENCIES))
        narrowed = decided(
            Contrast("", select(dataset, many, "lr", FREQUENCIES), select(dataset, many, "lr")), evidence
        )
        if usual is None or low is None or narrowed is None:
            continue
        if narrowed.below:
            return ""
        if not narrowed.above:
            continue
        said.append(
            f"{low.short()} instead of {usual.short()} points with {many} classes of {dataset_name(dataset)}"
        )
        for loss in ("hs_lr", "ss_lr"):
            sides = select(dataset, many, loss), select(dataset, many, "lr", FREQUENCIES)
            better = decided(Contrast("", *sides), evidence)
            if better is not None and better.above:
                beyond.append(f"{NAMES[loss]} by {better.short()} with the {many} of {dataset_name(dataset)}")
    if not said:
        return ""
    ahead = f" Ahead of LR so started: {', '.join(beyond)}." if beyond else ""
    return (
        "start LR's output biases at −log(K − 1) where there are many classes. CE minus LR is then "
        f"{', and '.join(said)}, at one rate.{ahead}"
    )


# --- the page -----------------------------------------------------------------------------------------------


def trends(evidence: Evidence, profile: str) -> list[tuple[str, Trend]]:
    """Every trend there is to show, each with what it is at: one rate, own rates, images of each class."""
    sets = dict.fromkeys(r.labels["dataset"] for r in evidence.by_profile.get(profile, ()))
    found = []
    for dataset in sorted(sets, key=lambda name: list(COUNTS).index(name) if name in COUNTS else 9):
        for variant in VARIANTS[1:]:
            found.append((RATES[ONE], trend(evidence, profile, dataset, variant)))
        found.append((RATES[OWN], trend(evidence, profile, dataset, ("lr", USUAL), OWN)))
        if dataset == CIFAR100:
            found.append((IMAGES[EACH], trend(evidence, profile, dataset, ("lr", USUAL), ONE, EACH)))
    return [(name, each) for name, each in found if each.gaps]


def gap_table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str | tables.Cell]]:
    """CE minus each loss by number of classes, and the slope; one row per data set, loss and reading."""
    shown = trends(evidence, profile)
    rows, used = [], []
    for name, each in shown:
        for count, gap in each.gaps.items():
            used += [gap.runs, gap.base]
            rows.append(
                {
                    "Data": dataset_name(each.dataset, gap.runs.records),
                    "Loss": named(*each.variant),
                    "At": name,
                    "Classes": count,
                    "CE, %": tables.mean_cell(gap.runs, "test_accuracy", percent=True),
                    "Loss, %": tables.mean_cell(gap.base, "test_accuracy", percent=True),
                    "CE minus loss, points": tables.Cell(
                        f"{gap.short()} (n = {gap.interval.n})",
                        {"mean": 100 * gap.interval.mean, "n": gap.interval.n},
                        tuple(record.key for record in gap.records),
                    ),
                }
            )
    return pd.DataFrame(rows), [*tables.notes(used)]


def slope_table(evidence: Evidence, profile: str) -> pd.DataFrame:
    """How fast each loss falls behind CE, in points per doubling of the number of classes."""
    return pd.DataFrame(
        {
            "Data": dataset_name(each.dataset, next(iter(each.gaps.values())).runs.records),
            "Loss": named(*each.variant),
            "At": name,
            "Classes": ", ".join(map(str, each.gaps)),
            "Points per doubling": tables.Cell(
                _slope_words(each.slope),
                {"mean": 100 * each.slope.mean, "low": 100 * each.slope.low, "high": 100 * each.slope.high},
            ),
        }
        for name, each in trends(evidence, profile)
        if each.slope is not None
    )


def headline(evidence: Evidence, profile: str) -> str:
    """The gap between CE and LR at the fewest and the most classes of each data set, at one rate.

    Args:
        evidence: The records.
        profile: The profile.
    """
    said = []
    for name, each in trends(evidence, profile):
        if name != RATES[ONE] or each.variant != ("lr", USUAL) or each.slope is None:
            continue
        (few, first), *_, (many, last) = each.gaps.items()
        title = dataset_name(each.dataset, first.runs.records)
        growth = f"{tables.signed(100 * each.slope.mean)}{tables.band(each.slope, 2, 100)}"
        said.append(
            f"{title}, {name}: CE minus LR is {first.short()} points with {few} classes and {last.short()} "
            f"with {many}, {growth} per doubling of the number of classes."
        )
    return " ".join(said)


def _slope_words(slope: stats.Interval) -> str:
    """A slope in points, with its interval where there are three seeds."""
    mean = tables.signed(100 * slope.mean)
    if not slope.bounded:
        return f"{mean} ({slope.n} {'seed' if slope.n == 1 else 'seeds'}, so no interval)"
    low, high = (tables.signed(100 * bound) for bound in (slope.low, slope.high))
    return f"{mean} (95% interval {low} to {high}, {slope.n} seeds)"


def alt(evidence: Evidence, profile: str) -> str:
    """What the figure shows, in words and numbers."""
    parts = [
        f"{named(*each.variant)} on {dataset_name(each.dataset)}: "
        + ", ".join(f"{100 * gap.interval.mean:+.1f} at {count}" for count, gap in each.gaps.items())
        for name, each in trends(evidence, profile)
        if name == RATES[ONE]
    ]
    return f"CE minus each loss in points of accuracy, by number of classes. {'; '.join(parts)}."


def rates_table(evidence: Evidence) -> pd.DataFrame:
    """Validation accuracy of CE and LR at every rate that was tried; a star at the one chosen."""
    made = evidence.by_profile.get(CHOSEN_AT, ())
    best = choose(made)
    found: dict[tuple[str, int, str], dict[float, Record]] = defaultdict(dict)
    for record in made:
        kind = (record.labels["dataset"], int(record.labels["classes"]), record.labels["loss"])
        found[kind][record.labels["lr"]] = record
    return pd.DataFrame(
        {
            "Data": dataset_name(kind[0]),
            "Classes": kind[1],
            "Loss": NAMES[kind[2]],
            **rate_cells(each, sorted({rate for rates in TRIED.values() for rate in rates}), best.get(kind)),
        }
        for kind, each in sorted(found.items())
    )
