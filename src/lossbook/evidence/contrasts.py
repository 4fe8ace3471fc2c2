"""Two selections of runs that differ in one thing, and the difference between them, paired by seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lossbook import datasets
from lossbook.evidence import stats
from lossbook.evidence.select import Evidence, joined, substituted
from lossbook.evidence.tables import Cell, Runs, band, signed
from lossbook.results import Record


@dataclass(frozen=True)
class Unit:
    """How a difference is written: multiplied by a scale, rounded, with a name behind it."""

    scale: float = 1.0
    digits: int = 2
    name: str = ""


#: Fractions, such as accuracies, in percentage points.
POINTS = Unit(100.0, 2, "points")
#: Numbers as they are, such as an area under a curve.
PLAIN = Unit(1.0, 4)


@dataclass(frozen=True)
class Select:
    """Which runs of an experiment, and which number is read of each: the only way from records to numbers.

    Attributes:
        labels: What the cell is, for example ``{"dataset": "mnist", "loss": "ce"}``.
        metric: Name of a metric.
        value: Reads the number of a finished record instead; None where it has none.
        epochs: Read the metric after this many epochs; None reads it at the last.
        chosen: Given the records and a profile, the labels that the records decide, such as the learning rate
            that was best on held-out images; None where they cannot.
    """

    labels: Mapping[str, Any]
    metric: str = "test_accuracy"
    value: Callable[[Record], float | None] | None = None
    epochs: int | None = None
    chosen: Callable[[Evidence, str], Mapping[str, Any] | None] | None = None

    def runs(self, evidence: Evidence, profile: str) -> Runs:
        """The runs at a profile, one per seed."""
        chosen = self.chosen(evidence, profile) if self.chosen else {}
        return Runs() if chosen is None else evidence.runs(profile, self.epochs, **self.labels, **chosen)

    def values(self, runs: Runs) -> dict[int, float]:
        """Seed -> number, of the runs that have one."""
        if self.value is None:
            return runs.values(self.metric)
        read = {r.seed: self.value(r) for r in runs.records if r.status == "finished"}
        return {seed: number for seed, number in read.items() if number is not None}


@dataclass(frozen=True)
class Contrast:
    """Two selections of one experiment's runs that differ in one thing.

    Attributes:
        what: What is compared, for example ``"LGL-INR minus CE, CNN2C on MNIST"``. Labels of the runs of
            either side can stand in it, as in ``"β = 2 minus β = 1 on {left[dataset]}"``; a data set is
            named by its title.
        left: One side.
        right: What is subtracted from it.
        paper: The same difference in the paper, in the unit shown; None where it has none.
        unit: How the difference is written.
        resolved: Whether the numbers are accuracies on the test images, whose number limits what a
            difference can show.
    """

    what: str
    left: Select
    right: Select
    paper: float | None = None
    unit: Unit = POINTS
    resolved: bool = True

    def at(self, evidence: Evidence, profile: str) -> Difference | None:
        """The difference at one profile; None without a shared seed, or on data that stood in for others."""
        runs, base = (side.runs(evidence, profile) for side in (self.left, self.right))
        if any(substituted(r) for r in (*runs.records, *base.records)):
            return None
        values, others = self.left.values(runs), self.right.values(base)
        if not set(values) & set(others):
            return None
        resolution = math.nan
        if self.resolved:
            size = min(r.provenance["test_size"] for r in base.records)
            shared = set(values) & set(others)
            middle = np.mean([(values[seed] + others[seed]) / 2 for seed in shared])
            resolution = stats.resolution(float(middle), size)
        return Difference(self, runs, base, stats.paired_difference(values, others), resolution)

    def measure(
        self, evidence: Evidence, decisive: Sequence[str] = (), only: Sequence[str] = ()
    ) -> Difference | None:
        """The difference at the best profile that has it.

        Decisive profiles come before others, then those with an interval, then the order of the
        experiment's profiles.

        Args:
            evidence: The records of the experiment.
            decisive: The profiles that can decide a claim.
            only: The profiles that count at all; every one by default.
        """
        made = [
            found
            for profile in evidence.by_profile
            if (not only or profile in only) and (found := self.at(evidence, profile)) is not None
        ]
        return min(made, key=lambda d: (d.profile not in decisive, not d.interval.bounded), default=None)

    def in_words(self, evidence: Evidence, decisive: Sequence[str] = (), only: Sequence[str] = ()) -> str:
        """The difference with its interval; ``"not run"`` without one. Arguments as for :meth:`measure`."""
        found = self.measure(evidence, decisive, only)
        return "not run" if found is None else found.in_words()


@dataclass(frozen=True)
class Difference:
    """What a contrast measured.

    Attributes:
        contrast: What was compared.
        runs: The runs of one side.
        base: Those of the other.
        interval: Mean difference over the seeds that both have, with its 95% interval and p-value.
        resolution: The least difference of two accuracies that the test images resolve; NaN for others.
    """

    contrast: Contrast
    runs: Runs
    base: Runs
    interval: stats.PairedDifference
    resolution: float = math.nan

    @property
    def records(self) -> tuple[Record, ...]:
        """The runs of both sides."""
        return (*self.runs.records, *self.base.records)

    @property
    def profile(self) -> str:
        """Their profile."""
        return self.records[0].profile

    @property
    def what(self) -> str:
        """What was compared, with the labels of its runs filled in."""
        sides = {"left": self.runs.records[0].labels, "right": self.base.records[0].labels}
        titles = {
            side: {**labels, "dataset": datasets.info(str(labels["dataset"])).title}
            if "dataset" in labels
            else labels
            for side, labels in sides.items()
        }
        return self.contrast.what.format(**titles)

    @property
    def by_seed(self) -> dict[int, float]:
        """Seed -> difference, of the seeds that both sides have."""
        values, others = self.contrast.left.values(self.runs), self.contrast.right.values(self.base)
        return {seed: values[seed] - others[seed] for seed in sorted(set(values) & set(others))}

    @property
    def above(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.interval.low > 0

    @property
    def below(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.interval.high < 0

    @property
    def no_gain(self) -> bool:
        """Whether the interval excludes a gain that the test images could resolve."""
        return self.interval.high <= self.resolution

    @property
    def no_loss(self) -> bool:
        """Whether the interval excludes a loss that the test images could resolve."""
        return self.interval.low >= -self.resolution

    @property
    def same(self) -> bool:
        """Whether the interval excludes every difference that the test images could resolve."""
        return self.no_gain and self.no_loss

    def in_words(self) -> str:
        """The difference with its interval: ``"+0.27 points (95% interval +0.12 to +0.42, 5 seeds)"``."""
        return interval_in_words(self.interval, self.contrast.unit)

    def short(self) -> str:
        """The difference and half of its interval: ``"+0.27 ± 0.15"``."""
        unit = self.contrast.unit
        half = band(self.interval, unit.digits, unit.scale)
        return f"{signed(unit.scale * self.interval.mean, unit.digits)}{half}"

    def sentence(self) -> str:
        """What was compared and found, with the paper's difference and what the test images resolve."""
        unit = self.contrast.unit
        parts = [f"{self.what}: {self.in_words()}"]
        if self.contrast.paper is not None:
            parts.append(f"the paper has {signed(self.contrast.paper, unit.digits)}")
        if not math.isnan(self.resolution):
            size = min(r.provenance["test_size"] for r in self.records)
            name = str(self.records[0].labels.get("dataset"))
            texts = name in datasets.names() and datasets.info(name).kind == "texts"
            what = "texts" if texts else "images"
            parts.append(f"{size:,} test {what} resolve about {unit.scale * self.resolution:.{unit.digits}f}")
        return "; ".join(parts) + "."


@dataclass(frozen=True)
class Mean:
    """A mean over several differences, seed by seed, in the unit shown.

    Attributes:
        interval: The mean over the seeds that all of them have, with its 95% interval.
        differences: What is averaged.
    """

    interval: stats.Interval
    differences: Sequence[Difference]

    def __str__(self) -> str:
        """As tables have it: ``"+0.27 ± 0.15"``."""
        return f"{signed(self.interval.mean)}{band(self.interval, 2)}"

    @property
    def cell(self) -> Cell:
        """The same as a cell of a table, with its numbers and the runs behind them."""
        numbers = {name: getattr(self.interval, name) for name in ("mean", "low", "high")}
        runs = dict.fromkeys(r.key for each in self.differences for r in each.records)
        return Cell(str(self), numbers, tuple(runs))


def averaged(found: Sequence[Difference | None]) -> Mean | None:
    """The mean of several differences; None where one has not been run, or no seed is shared by all."""
    made = [each for each in found if each is not None]
    if not made or len(made) < len(found):
        return None
    each = [difference.by_seed for difference in made]
    seeds = sorted(set.intersection(*map(set, each)))
    scale = made[0].contrast.unit.scale
    means = [scale * sum(one[seed] for one in each) / len(each) for seed in seeds]
    return Mean(stats.mean_interval(means), made) if means else None


def interval_in_words(d: stats.Interval, unit: Unit = POINTS) -> str:
    """A mean difference in words, with its 95% interval where there is one.

    Args:
        d: The difference.
        unit: How it is written.
    """

    def written(value: float) -> str:
        return signed(unit.scale * value, unit.digits)

    if d.bounded:
        interval = f"95% interval {written(d.low)} to {written(d.high)}, {d.n} seeds"
    elif d.n >= stats.FEWEST:
        interval = f"the same for all {d.n} seeds, so no interval"
    else:
        interval = f"{d.n} {'seed' if d.n == 1 else 'seeds'}, so no interval"
    return f"{written(d.mean)}{f' {unit.name}' if unit.name else ''} ({interval})"


@dataclass(frozen=True)
class Contrasts:
    """Several contrasts of one experiment, all of which a claim needs; one reading of it.

    Attributes:
        experiment: ``<paper>/<item>``, whose records are compared.
        each: The contrasts.
        only: Profiles that count at all; every one by default.
        optional: A reading that counts only where it has runs; one that is not optional leaves a claim open.
    """

    experiment: str
    each: Sequence[Contrast] = field(default_factory=tuple)
    only: tuple[str, ...] = ()
    optional: bool = False

    @property
    def experiments(self) -> tuple[str, ...]:
        """Whose records are compared."""
        return (self.experiment,)

    def measure(self, evidence: Mapping[str, Evidence], decisive: Sequence[str] = ()) -> list[Difference]:
        """Those that have runs, each at its best profile."""
        found = (c.measure(evidence[self.experiment], decisive, self.only) for c in self.each)
        return [difference for difference in found if difference is not None]


@dataclass(frozen=True)
class Beside(Contrasts):
    """Contrasts of an experiment's runs with those of another; see :func:`lossbook.evidence.select.joined`.

    Attributes:
        beside: ``<paper>/<item>`` of the other.
        profiles: The profiles whose runs are taken over from it.
        labels: What its labels do not say.
    """

    beside: str = ""
    profiles: tuple[str, ...] = ()
    labels: Mapping[str, Any] = field(default_factory=dict)

    @property
    def experiments(self) -> tuple[str, ...]:
        """Whose records are compared."""
        return (self.experiment, self.beside)

    def measure(self, evidence: Mapping[str, Evidence], decisive: Sequence[str] = ()) -> list[Difference]:
        """Those that have runs, each at its best profile."""
        both = joined(evidence[self.experiment], evidence[self.beside], self.profiles, self.labels)
        return super().measure({self.experiment: both}, decisive)


@dataclass(frozen=True)
class Joined:
    """Contrasts of several experiments that a claim needs together.

    Attributes:
        parts: Those of each experiment.
    """

    parts: tuple[Contrasts, ...]
    optional = False

    @property
    def each(self) -> tuple[Contrast, ...]:
        """All of them."""
        return tuple(contrast for part in self.parts for contrast in part.each)

    @property
    def experiments(self) -> tuple[str, ...]:
        """Whose records are compared."""
        return tuple(dict.fromkeys(part.experiment for part in self.parts))

    def measure(self, evidence: Mapping[str, Evidence], decisive: Sequence[str] = ()) -> list[Difference]:
        """Those that have runs, each at its best profile."""
        return [difference for part in self.parts for difference in part.measure(evidence, decisive)]
