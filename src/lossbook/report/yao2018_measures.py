"""What the claims of yao2018 are tested with: paired comparisons, and curves of long runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lossbook import datasets
from lossbook.report import stats
from lossbook.report.evidence import Evidence, substituted
from lossbook.report.style import loss_style
from lossbook.report.tables import Runs, difference, signed
from lossbook.report.yao2018 import BASELINE, PAPER, PUBLISHED_EPOCHS, common_lengths
from lossbook.results import Record

#: A long run, long enough to speak of overfitting: the paper's shortest.
LONG = 100
#: Curves count as degraded beyond this: points of accuracy, and the share of the loss's descent lost again.
ACCURACY_DROP = 0.5
LOSS_RISE = 0.05


@dataclass(frozen=True)
class Comparison:
    """Two losses on one data set at one profile, seed by seed."""

    dataset: str
    loss: str
    base: str
    runs: Runs
    base_runs: Runs
    difference: stats.PairedDifference
    resolution: float

    @property
    def records(self) -> tuple[Record, ...]:
        """The runs of both sides."""
        return (*self.runs.records, *self.base_runs.records)

    @property
    def part(self) -> bool:
        """Whether any run was trained on less than nine tenths of the training images."""
        # A copy of the data may lack some images.
        whole = datasets.info(self.dataset).train_size
        return any(r.provenance["train_size"] < 0.9 * whole for r in self.records)

    @property
    def above(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.difference.low > 0

    @property
    def no_gain(self) -> bool:
        """Whether the interval excludes a gain that the test set could resolve."""
        return self.difference.high <= self.resolution

    def sentence(self) -> str:
        """Return the comparison in words."""
        d, names = self.difference, (loss_style(self.loss).name, loss_style(self.base).name)
        lengths = [r.epochs or r.records[0].labels["epochs"] for r in (self.runs, self.base_runs)]
        after = (
            f"both after {lengths[0]} epochs"
            if lengths[0] == lengths[1]
            else f"{names[0]} after {lengths[0]} epochs, {names[1]} after {lengths[1]}"
        )
        size = min(r.provenance["test_size"] for r in self.records)
        return (
            f"{names[0]} minus {names[1]} on {datasets.info(self.dataset).title} ({after}): "
            f"{points(d)}; {size:,} test images resolve about "
            f"{100 * self.resolution:.2f} points."
        )


def points(d: stats.Interval) -> str:
    """A difference of accuracies in words."""
    if not math.isnan(d.half):
        interval = f"95% interval {signed(100 * d.low)} to {signed(100 * d.high)}, {d.n} seeds"
    elif d.n > 1:
        interval = f"the same for all {d.n} seeds, so no interval"
    else:
        interval = "1 seed, so no interval"
    return f"{signed(100 * d.mean)} points ({interval})"


def compare(
    evidence: Evidence, profile: str, dataset: str, loss: str, base: str, epochs: int, base_epochs: int
) -> Comparison | None:
    """Compare two losses at one profile; None without a shared seed, or on embedded data."""
    runs = evidence.runs(profile, epochs, dataset=dataset, loss=loss)
    base_runs = evidence.runs(profile, base_epochs, dataset=dataset, loss=base)
    if any(substituted(r) for r in (*runs.records, *base_runs.records)):
        return None
    found = difference(runs, base_runs, "test_accuracy")
    if found is None:
        return None
    size = min(r.provenance["test_size"] for r in base_runs.records)
    accuracy = float(np.mean(list(base_runs.values("test_accuracy").values())))
    return Comparison(dataset, loss, base, runs, base_runs, found, stats.resolution(accuracy, size))


def best_comparison(
    evidence: Evidence, dataset: str, loss: str, base: str = BASELINE, *, published: bool = False
) -> Comparison | None:
    """Compare two losses at the best profile that has both, one with several seeds before one with a single.

    Args:
        evidence: The records.
        dataset: The data set.
        loss: The loss.
        base: What it is compared with.
        published: Compare at the paper's own, unequal numbers of epochs; otherwise at the largest equal one.
    """
    single = None
    for profile in evidence.by_profile:
        if published:
            lengths = [(PUBLISHED_EPOCHS[loss], PUBLISHED_EPOCHS[base])] if profile == PAPER else []
        else:
            lengths = [(n, n) for n in reversed(common_lengths(profile, dataset))]
        for length, base_length in lengths:
            found = compare(evidence, profile, dataset, loss, base, length, base_length)
            if found is not None and found.difference.n > 1:
                return found
            single = single or found
    return single


@dataclass(frozen=True)
class LongRuns:
    """Runs of one loss on one data set, read over their first ``length`` epochs.

    Curves are judged by means over a sliding tenth of the epochs.
    """

    profile: str
    dataset: str
    loss: str
    records: tuple[Record, ...]
    length: int

    @property
    def diverged(self) -> int:
        """How many runs broke down before the end."""
        return len(self.records) - len(self._complete("test_accuracy"))

    @property
    def accuracy_drop(self) -> float:
        """Points lost since the best window, mean over seeds."""
        drops = [
            windows.max() - windows[-1] for windows in map(self._windows, self._complete("test_accuracy"))
        ]
        return 100 * float(np.mean(drops)) if drops else math.nan

    @property
    def loss_rise(self) -> float:
        """Share of the test loss's descent from the first epoch that was lost again, mean over seeds."""
        return self._share_of_descent(lambda windows: windows[-1] - windows.min())

    @property
    def late_share(self) -> float:
        """Share of the test loss's descent that happened in the last tenth of the epochs, mean over seeds."""
        return self._share_of_descent(lambda windows: abs(windows[-1 - self._width] - windows[-1]))

    @property
    def accuracy_degraded(self) -> bool:
        """Whether the test accuracy ends clearly below its best."""
        return self.accuracy_drop > ACCURACY_DROP

    @property
    def loss_degraded(self) -> bool:
        """Whether the test loss has clearly risen again."""
        return self.loss_rise > LOSS_RISE

    @property
    def loss_settled(self) -> bool:
        """Whether the test loss has come to rest."""
        return self.late_share <= LOSS_RISE

    def late_gain(self, metric: str) -> stats.Interval:
        """Mean of the last tenth minus the mean of the ten epochs that end at epoch 100, over seeds."""
        gains = [
            curve[-self._width :].mean() - curve[LONG - 10 : LONG].mean() for curve in self._complete(metric)
        ]
        return stats.mean_interval(gains) if gains else stats.Interval(np.nan, np.nan, np.nan, 0)

    def sentence(self) -> str:
        """Return in words what became of accuracy and loss."""
        lost = f" ({self.diverged} broke down)" if self.diverged else ""
        runs = "1 run" if len(self.records) == 1 else f"{len(self.records)} runs"
        return (
            f"{loss_style(self.loss).name} on {datasets.info(self.dataset).title}, {runs} over {self.length} "
            f"epochs{lost}: the accuracy ends {self.accuracy_drop:.2f} points below its best; "
            f"{self.loss_rise:.1%} of the test loss's descent is lost again, and {self.late_share:.1%} of it "
            "happens in the last tenth of the epochs."
        )

    @property
    def _width(self) -> int:
        return max(1, self.length // 10)

    def _share_of_descent(self, part: Callable[[np.ndarray], float]) -> float:
        shares = []
        for curve in self._complete("test_loss"):
            descent = curve[0] - self._windows(curve).min()
            shares.append(part(self._windows(curve)) / descent if descent > 0 else np.inf)
        return float(np.mean(shares)) if shares else math.nan

    def _complete(self, metric: str) -> list[np.ndarray]:
        found = (np.array(r.curves[metric][: self.length], dtype=float) for r in self.records)
        return [curve for curve in found if len(curve) == self.length and np.isfinite(curve).all()]

    def _windows(self, curve: np.ndarray) -> np.ndarray:
        return np.convolve(curve, np.ones(self._width) / self._width, mode="valid")


def long_runs(
    evidence: Evidence, dataset: str, loss: str, *, minimum: int, length: int | None = None
) -> LongRuns | None:
    """The best profile's runs of at least ``minimum`` epochs, the longest ones unless a length is given."""
    for profile, records in evidence.by_profile.items():
        fitting = [
            r
            for r in records
            if (r.labels["dataset"], r.labels["loss"]) == (dataset, loss)
            and r.labels["epochs"] >= minimum
            and not substituted(r)
        ]
        if fitting:
            epochs = length or max(r.labels["epochs"] for r in fitting)
            runs = evidence.runs(profile, epochs, dataset=dataset, loss=loss)
            return LongRuns(profile, dataset, loss, runs.records, epochs)
    return None
