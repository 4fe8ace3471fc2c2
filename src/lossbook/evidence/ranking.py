"""Statistics for several methods on many data sets: ranks, their tests, and the diagram that sums them up.

Everywhere ``scores`` is an array ``[N, K]``: N data sets, K methods, higher is better. A data set is one
observation; what is averaged over seeds is averaged before. Scores closer than 2e-6 count as equal: records
keep six digits, so averages of the same accuracies in another order need not be the same number.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import f, false_discovery_control, friedmanchisquare, rankdata, spearmanr

from lossbook.evidence import stats

Ties = Literal["average", "min", "dense"]

#: Scores closer than this are equal. Means over a few seeds of accuracies on 50,000 examples or fewer,
#: rounded to six digits, are either further apart or equal.
EQUAL = 2e-6
# Rounding error of sums of ranks.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Friedman:
    """Friedman's test of K methods on N data sets.

    Attributes:
        chi_square: The statistic, corrected for ties; K - 1 degrees of freedom.
        p: Its p-value.
        f: Iman and Davenport's statistic; K - 1 and (K - 1)(N - 1) degrees of freedom.
        f_p: Its p-value.
        n: Number of data sets.
        k: Number of methods.
    """

    chi_square: float
    p: float
    f: float
    f_p: float
    n: int
    k: int


@dataclass(frozen=True)
class Pair:
    """Two methods compared: ``better``, ``equal`` and ``worse`` count data sets from the first one's side."""

    first: int
    second: int
    p: float
    adjusted: float
    better: int
    equal: int
    worse: int


@dataclass(frozen=True)
class SeedAgreement:
    """How far two seeds tell the same story.

    Attributes:
        rank_correlation: Spearman's correlation of the methods' ranks on one data set under two seeds,
            averaged over data sets and pairs of seeds; NaN where none could be computed.
        correlated: Over how many pairs of rankings that average was taken. Where all methods tie under one
            of the seeds there is no correlation.
        same_winners: Share of pairs of rankings with the same winners, ties included.
        disjoint_winners: Share of pairs of rankings without a common winner.
        pairs: Number of pairs of rankings.
    """

    rank_correlation: float
    correlated: int
    same_winners: float
    disjoint_winners: float
    pairs: int


def ranks(scores: np.ndarray, ties: Ties = "average") -> np.ndarray:
    """Return the place of each method on each data set, 1 for the highest score.

    Args:
        scores: ``[N, K]``.
        ties: What tied methods get: the ``average`` of their places (mid-ranks, which the tests are defined
            on), the best of them (``min``: 1, 1, 3), or the best with no place left out after it (``dense``:
            1, 1, 2).

    Returns:
        Ranks ``[N, K]``. Mid-ranks of a row add up to K(K+1)/2; the others add up to less where methods tie.

    Raises:
        ValueError: Not a table of at least one data set and two methods, or a value that is not finite.
    """
    return np.asarray(rankdata(-_levelled(_table(scores)), method=ties, axis=1), dtype=float)


def wins(scores: np.ndarray) -> np.ndarray:
    """Return for each method the number of data sets on which no other is better, ``[K]``.

    Methods that share the highest score all win, so the wins may add up to more than N.
    """
    return winners(scores).sum(axis=0)


def winners(scores: np.ndarray) -> np.ndarray:
    """Return which methods have the highest score of their data set, bool ``[N, K]``."""
    levelled = _levelled(_table(scores))
    return levelled == levelled.max(axis=1, keepdims=True)


def tied_pairs(scores: np.ndarray) -> float:
    """Return the share of the pairs of methods that tie, averaged over data sets.

    With ranks of kind ``min``, a method's place is one more than the number of methods better than it. So
    the mean ranks of K methods add up to ``K + (1 - share) K(K-1)/2``.
    """
    levelled = _levelled(_table(scores))
    equal = levelled[:, :, None] == levelled[:, None, :]
    k = levelled.shape[1]
    return float((equal.sum(axis=(1, 2)) - k).mean() / (k * (k - 1)))


def friedman(scores: np.ndarray) -> Friedman:
    r"""Test whether all methods have the same expected rank (Friedman, 1937; Iman and Davenport, 1980).

    With mid-ranks :math:`r_{ij}` of N data sets and K methods, :math:`R_j = \sum_i r_{ij}` and
    :math:`A = \sum_{ij} r_{ij}^2`,

    .. math::
        \chi^2 = \frac{(K-1) \sum_j (R_j - N(K+1)/2)^2}{A - N K (K+1)^2 / 4}, \qquad
        F = \frac{(N-1)\,\chi^2}{N(K-1) - \chi^2}

    The denominator of the first is what corrects for ties.

    Raises:
        ValueError: All methods tie on every data set, or there are fewer than two data sets or three methods.
    """
    places = _informative(scores)
    n, k = places.shape
    chi_square, p = friedmanchisquare(*places.T)
    rest = n * (k - 1) - chi_square
    # Every data set has the same ranking: no spread is left, up to rounding.
    statistic = float((n - 1) * chi_square / rest) if rest > _ROUNDING else math.inf
    f_p = float(f.sf(statistic, k - 1, (k - 1) * (n - 1)))
    return Friedman(float(chi_square), float(p), statistic, f_p, n, k)


def conover(scores: np.ndarray) -> list[Pair]:
    r"""Compare all pairs of methods after Friedman's test by Conover's (1999, Sec. 5.8).

    .. math::
        t_{ij} = \frac{R_i - R_j}{\sqrt{2N \left(1 - \frac{\chi^2}{N(K-1)}\right) \frac{A - C}{(N-1)(K-1)}}},
        \qquad C = \frac{N K (K+1)^2}{4}

    in the notation of :func:`friedman`, two-sided, with (N-1)(K-1) degrees of freedom. The p-values are
    adjusted by Benjamini and Hochberg's method over the pairs, as battash2021, Fig. 3, has it.

    Raises:
        ImportError: Without scikit-posthocs, which the extra ``book`` brings.
        ValueError: As :func:`friedman`.
    """
    from scikit_posthocs import posthoc_conover_friedman  # slow to import

    places = _informative(scores)
    pairs = list(itertools.combinations(range(places.shape[1]), 2))
    if np.ptp(places, axis=0).any():
        with np.errstate(divide="ignore"):  # of a method against itself
            table = posthoc_conover_friedman(places).to_numpy()
        p_values = [float(table[pair]) for pair in pairs]
    else:  # every data set has the same ranking
        p_values = [float(places[0, i] == places[0, j]) for i, j in pairs]
    adjusted = false_discovery_control(p_values, method="bh")
    return _pairs(scores, pairs, p_values, [float(p) for p in adjusted])


def wilcoxon(scores: np.ndarray) -> list[Pair]:
    """Compare all pairs of methods by Wilcoxon's signed-rank test, adjusted by Holm's method.

    See :func:`signed_rank_p` for the test. Unlike ranks among all methods, it does not let the comparison of
    two depend on the other four (Benavoli, Corani and Mangili, 2016).
    """
    table = _table(scores)
    pairs = list(itertools.combinations(range(table.shape[1]), 2))
    p_values = [signed_rank_p(table[:, i] - table[:, j]) for i, j in pairs]
    return _pairs(table, pairs, p_values, stats.holm(p_values))


def signed_rank_p(differences: np.ndarray) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test, zeros by Pratt's method, exact.

    Absolute differences are ranked, zeros included, ties by mid-ranks. The ranks of zeros are then left out
    (Pratt, 1959). Given those ranks, each sign is + or - with equal chance if the methods do not differ; the
    p-value is computed from all combinations of signs, not from a normal approximation.

    Args:
        differences: One paired difference per data set, ``[N]``.

    Returns:
        The p-value; 1 if every difference is zero.

    Raises:
        ValueError: No difference, or one that is not finite.
    """
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError("the signed-rank test needs one finite difference per data set")
    size = np.abs(values)
    # The zero that is put in front is what anything within EQUAL of it becomes.
    size = _levelled(np.concatenate([[0.0], size])[None])[0, 1:]
    # Twice a mid-rank is a whole number, so sums of them can be counted.
    doubled = np.rint(2 * rankdata(size)).astype(np.int64)[size > 0]
    if not doubled.size:
        return 1.0
    observed = int(doubled[values[size > 0] > 0].sum())
    # chance[w]: probability that the doubled ranks with a + add up to w.
    chance = np.zeros(int(doubled.sum()) + 1)
    chance[0] = 1.0
    for rank in doubled:
        moved = np.zeros_like(chance)
        moved[rank:] = chance[:-rank]
        chance = (chance + moved) / 2
    below, above = chance[: observed + 1].sum(), chance[observed:].sum()
    return float(min(1.0, 2 * min(below, above)))


def mean_gains(scores: np.ndarray, baseline: int, level: float = 0.95) -> list[stats.Interval]:
    """Return each method's mean gain over a baseline with its interval over data sets (Student's t).

    Args:
        scores: ``[N, K]``.
        baseline: Column of the baseline; its own gain is 0 with no spread.
        level: Coverage of the intervals.
    """
    table = _table(scores)
    return [stats.mean_interval(column - table[:, baseline], level) for column in table.T]


def seed_agreement(scores: np.ndarray) -> SeedAgreement:
    """Say how far the rankings under different seeds agree.

    Args:
        scores: ``[S, N, K]``: S seeds.

    Raises:
        ValueError: Fewer than two seeds, or as :func:`ranks`.
    """
    values = np.asarray(scores, dtype=float)
    if values.ndim != 3 or len(values) < 2:
        raise ValueError(
            "agreement between seeds needs scores [seeds, data sets, methods] of two seeds or more"
        )
    places = [ranks(each) for each in values]
    first = [winners(each) for each in values]
    correlations: list[float] = []
    same, disjoint, pairs = 0, 0, 0
    for a, b in itertools.combinations(range(len(values)), 2):
        same += int((first[a] == first[b]).all(axis=1).sum())
        disjoint += int((~(first[a] & first[b]).any(axis=1)).sum())
        pairs += values.shape[1]
        correlations += [
            float(spearmanr(x, y).statistic)
            for x, y in zip(places[a], places[b], strict=True)
            if np.ptp(x) > 0 and np.ptp(y) > 0
        ]
    mean = float(np.mean(correlations)) if correlations else math.nan
    return SeedAgreement(mean, len(correlations), same / pairs, disjoint / pairs, pairs)


def groups(mean_ranks: Sequence[float], pairs: Sequence[Pair], level: float = 0.05) -> list[tuple[int, ...]]:
    """Return the longest runs of methods, in order of mean rank, of which no two differ significantly.

    A bar of a critical-difference diagram then never covers two methods that do differ.

    Args:
        mean_ranks: ``[K]``.
        pairs: All pairs, with adjusted p-values.
        level: A pair differs if its adjusted p-value is below this.

    Returns:
        Groups of two or more methods (columns, best first), none inside another.
    """
    order = sorted(range(len(mean_ranks)), key=lambda j: (mean_ranks[j], j))
    differ = {frozenset((pair.first, pair.second)) for pair in pairs if pair.adjusted < level}
    found: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and all(frozenset((order[end], j)) not in differ for j in order[start:end]):
            end += 1
        if end - start > 1 and end > reached:
            found.append(tuple(order[start:end]))
            reached = end
    return found


def _table(scores: np.ndarray) -> np.ndarray:
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2:
        raise ValueError(
            f"scores must be a table of one data set or more by two methods or more; got shape {table.shape}"
        )
    if not np.isfinite(table).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(table))[0])
        raise ValueError(
            f"method {column} has no finite score on data set {row}; leave the data set out and say so"
        )
    return table


def _levelled(table: np.ndarray) -> np.ndarray:
    """Give scores of a row that are closer than EQUAL to the next one the same value."""
    order = np.argsort(table, axis=1, kind="stable")
    ordered = np.take_along_axis(table, order, axis=1)
    starts = np.concatenate([np.ones((len(table), 1), dtype=bool), np.diff(ordered, axis=1) > EQUAL], axis=1)
    first = np.maximum.accumulate(np.where(starts, np.arange(table.shape[1]), 0), axis=1)
    levelled = np.empty_like(table)
    np.put_along_axis(levelled, order, np.take_along_axis(ordered, first, axis=1), axis=1)
    return levelled


def _informative(scores: np.ndarray) -> np.ndarray:
    """The mid-ranks, of enough data sets and methods to test, not all of them the same."""
    places = ranks(scores)
    n, k = places.shape
    if n < 2 or k < 3:
        raise ValueError(f"the test needs at least two data sets and three methods; got {n} and {k}")
    if not np.ptp(places, axis=1).any():
        raise ValueError("all methods tie on every data set: there is nothing to test")
    return places


def _pairs(
    scores: np.ndarray,
    pairs: Sequence[tuple[int, int]],
    p_values: Sequence[float],
    adjusted: Sequence[float],
) -> list[Pair]:
    levelled = _levelled(_table(scores))
    found = []
    for (i, j), p, holm in zip(pairs, p_values, adjusted, strict=True):
        better = int((levelled[:, i] > levelled[:, j]).sum())
        worse = int((levelled[:, i] < levelled[:, j]).sum())
        found.append(Pair(i, j, p, holm, better, len(levelled) - better - worse, worse))
    return found


def by_pair(pairs: Sequence[Pair]) -> Mapping[frozenset[int], Pair]:
    """Return the pairs by their two columns."""
    return {frozenset((pair.first, pair.second)): pair for pair in pairs}
