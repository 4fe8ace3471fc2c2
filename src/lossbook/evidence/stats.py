"""Means, intervals and comparisons over seeds, as every page of the book uses them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import ndtri

#: Spread below which values count as equal; accuracies are ratios of integers and differ by more.
_EQUAL = 1e-12

#: P-values below this are called significant.
LEVEL = 0.05

#: The fewest values that have an interval. That of two reaches 12.7 standard errors to each side and tells
#: nothing.
FEWEST = 3


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` values with its interval; ``low`` and ``high`` are NaN where ``n`` is below 3."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2

    @property
    def bounded(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)


@dataclass(frozen=True)
class PairedDifference(Interval):
    """A mean difference over pairs, with its interval and the two-sided p-value of the paired t test."""

    p: float


def mean_interval(values: Iterable[float], level: float = 0.95) -> Interval:
    r"""Return the mean and its Student t interval.

    .. math:: \bar x \pm t_{n-1,\,(1+\mathrm{level})/2}\; s / \sqrt n

    with ``s`` the standard deviation with ``n - 1`` in its denominator.

    Args:
        values: One value per run.
        level: Coverage of the interval, between 0 and 1.

    Returns:
        The interval; its bounds are NaN for fewer than :data:`FEWEST` values.

    Raises:
        ValueError: If there is no value, a value is not finite, or ``level`` is not between 0 and 1.
    """
    data = np.asarray(list(values), dtype=float)
    if data.size == 0:
        raise ValueError("a mean needs at least one value")
    if not np.isfinite(data).all():
        raise ValueError("a mean needs finite values; take diverged runs out first and say so")
    _check_level(level)
    mean = float(data.mean())
    if data.size < FEWEST:
        return Interval(mean, math.nan, math.nan, int(data.size))
    if np.ptp(data) <= _EQUAL:
        return Interval(mean, mean, mean, int(data.size))
    low, high = stats.t.interval(level, data.size - 1, loc=mean, scale=stats.sem(data))
    return Interval(mean, float(low), float(high), int(data.size))


def paired_difference(
    values: Mapping[int, float], baseline: Mapping[int, float], level: float = 0.95
) -> PairedDifference:
    """Return the mean of ``values - baseline`` over the seeds that both have, with its paired t interval.

    Equal seeds mean equal initial weights and equal order of the data, so what the seeds share cancels.

    Args:
        values: Seed -> value.
        baseline: Seed -> value of the baseline.
        level: Coverage of the interval.

    Returns:
        The difference. ``n`` counts the shared seeds. With fewer than :data:`FEWEST` of them there is no
        interval and no p-value (NaN). Nor is there if all differences are the same: a few such pairs say
        nothing about the spread, and an interval of no width would claim certainty.

    Raises:
        ValueError: If no seed is shared, or a shared value is not finite.
    """
    seeds = sorted(set(values) & set(baseline))
    if not seeds:
        raise ValueError("a paired comparison needs at least one seed that both sides have")
    differences = np.array([values[s] - baseline[s] for s in seeds], dtype=float)
    found = mean_interval(differences, level)
    if not found.bounded or np.ptp(differences) <= _EQUAL:
        return PairedDifference(found.mean, math.nan, math.nan, found.n, math.nan)
    p = float(stats.ttest_1samp(differences, 0).pvalue)
    return PairedDifference(found.mean, found.low, found.high, found.n, p)


def holm(p_values: Sequence[float]) -> list[float]:
    r"""Return Holm's step-down adjusted p-values, in the order given.

    With the p-values sorted, :math:`\tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1)\, p_{(j)})`. A NaN
    is a comparison that was not made: it stays NaN and does not count in ``m``.

    Args:
        p_values: One p-value per comparison of a table.

    Returns:
        The adjusted p-values.

    Raises:
        ValueError: If a p-value lies outside [0, 1].
    """
    adjusted = [math.nan] * len(p_values)
    made = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    if any(not 0 <= p <= 1 for p, _ in made):
        raise ValueError("p-values lie between 0 and 1")
    running = 0.0
    for rank, (p, i) in enumerate(made):
        running = max(running, min(1.0, (len(made) - rank) * p))
        adjusted[i] = running
    return adjusted


def binomial_interval(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    r"""Return Wilson's interval for the accuracy of a network that is right on ``right`` of ``n`` examples.

    .. math:: \frac{\hat p + z^2/2n \pm z\sqrt{\hat p(1-\hat p)/n + z^2/4n^2}}{1 + z^2/n}

    with :math:`\hat p` the accuracy. It says how far the accuracy of one fixed network could move with
    another test set of the same size. It does not see that another seed gives another network.

    Args:
        right: How many of the test examples it gets right.
        n: Number of test examples.
        level: Coverage of the interval.

    Returns:
        The lower and the upper bound, as fractions.

    Raises:
        ValueError: If ``right`` is not a count of 0 to ``n``, there is no test example, or ``level`` is
            not in (0, 1).
    """
    if n < 1 or not 0 <= right <= n:
        raise ValueError(f"an accuracy is a count of one test example or more; got {right} of {n}")
    _check_level(level)
    low, high = stats.binomtest(right, n).proportion_ci(level, method="wilson")
    return float(low), float(high)


def resolution(proportion: float, n: int, level: float = 0.95) -> float:
    r"""Return the least difference of two accuracies that ``n`` test examples resolve.

    .. math:: z\,\sqrt{2\,\hat p(1-\hat p)/n}

    the half-width of the interval for the difference of two independent accuracies near ``proportion``.

    Args:
        proportion: The accuracy, between 0 and 1.
        n: Number of test examples of each.
        level: Coverage of the interval.

    Returns:
        The difference, as a fraction.
    """
    _check_level(level)
    if not 0 <= proportion <= 1 or n < 1:
        raise ValueError("expected an accuracy between 0 and 1 and at least one test example")
    return float(ndtri((1 + level) / 2)) * math.sqrt(2 * proportion * (1 - proportion) / n)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError("the level of an interval lies between 0 and 1, for example 0.95")
