"""What becomes of accuracy and loss in long training: whether they settle, degrade or keep improving."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lossbook.evidence import stats
from lossbook.evidence.select import Evidence, dataset_name, substituted
from lossbook.papers.yao2018.names import NAMES
from lossbook.results import Record

#: A long run, long enough to speak of overfitting: the paper's shortest.
LONG = 100
#: Curves count as degraded beyond this: points of accuracy, and the share of the loss's descent lost again.
ACCURACY_DROP = 0.5
LOSS_RISE = 0.05


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
        """Share of the test loss's descent that happened in the last tenth of the epochs, mean over seeds.

        Negative where the loss rises there.
        """
        return self._share_of_descent(lambda windows: windows[-1 - self._width] - windows[-1])

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
            f"{NAMES[self.loss]} on {dataset_name(self.dataset)}, {runs} over {self.length} "
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
