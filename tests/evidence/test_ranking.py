"""Ranks and their tests: values worked by hand or by other libraries, properties, and what is refused."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats as scipy_stats

from lossbook.evidence import ranking

# Nine data sets, four methods; two ties. p-values of all pairs, in the order of itertools.combinations, by
# scikit-posthocs 0.17.1, posthoc_conover_friedman, plain and with p_adjust="fdr_bh".
SCORES = np.array(
    [
        [0.72, 0.62, 0.65, 0.68],
        [0.62, 0.73, 0.76, 0.73],
        [0.60, 0.62, 0.67, 0.71],
        [0.69, 0.68, 0.66, 0.67],
        [0.70, 0.72, 0.63, 0.66],
        [0.66, 0.66, 0.76, 0.72],
        [0.66, 0.67, 0.72, 0.73],
        [0.62, 0.72, 0.74, 0.79],
        [0.71, 0.65, 0.67, 0.74],
    ]
)
CONOVER = [
    *(0.9257782798611893, 0.5161751183479898, 0.10310041439696917),
    *(0.45869511560758086, 0.08629632931220214, 0.3107310658419526),
]
CONOVER_BH = [
    *(0.9257782798611893, 0.6194101420175877, 0.3093012431909075),
    *(0.6194101420175877, 0.3093012431909075, 0.6194101420175877),
]

# Percentages with many ties, as accuracies on small data sets have them.
TABLES = arrays(
    float,
    st.tuples(st.integers(2, 8), st.integers(2, 6)),
    elements=st.integers(0, 4).map(lambda value: value / 4),
)


def _spread(table: np.ndarray) -> bool:
    return bool((np.ptp(table, axis=1) > 0).any())


# --- ranks ---


def test_ranks_by_hand() -> None:
    scores = np.array([[0.9, 0.8, 0.9, 0.7], [0.5, 0.5, 0.5, 0.5], [0.1, 0.2, 0.3, 0.4]])
    assert ranking.ranks(scores).tolist() == [[1.5, 3, 1.5, 4], [2.5] * 4, [4, 3, 2, 1]]
    assert ranking.ranks(scores, "min").tolist() == [[1, 3, 1, 4], [1] * 4, [4, 3, 2, 1]]
    assert ranking.ranks(scores, "dense").tolist() == [[1, 2, 1, 3], [1] * 4, [4, 3, 2, 1]]
    assert ranking.wins(scores).tolist() == [2, 1, 2, 2]
    # One pair of six ties, all six do, none does.
    assert ranking.tied_pairs(scores) == pytest.approx(7 / 18)


def test_scores_that_differ_by_rounding_alone_tie() -> None:
    # 2/7 and 4/7 average to the same as 3/7 twice, but not in six digits.
    table = np.array([[(0.285714 + 0.571429) / 2, (0.428571 + 0.428571) / 2, 0.428601]])
    assert ranking.ranks(table).tolist() == [[2.5, 2.5, 1]]


@given(TABLES)
def test_mid_ranks_add_up_and_the_others_lack_what_ties(table: np.ndarray) -> None:
    k = table.shape[1]
    assert ranking.ranks(table).sum(axis=1) == pytest.approx(k * (k + 1) / 2)
    shared = ranking.ranks(table, "min").sum(axis=1).mean()
    assert shared == pytest.approx(k + (1 - ranking.tied_pairs(table)) * k * (k - 1) / 2)
    assert ranking.ranks(table, "dense").sum(axis=1).mean() <= shared + 1e-12
    assert ranking.wins(table).sum() >= len(table)


@given(TABLES, st.randoms(use_true_random=False))
def test_order_of_methods_and_data_sets_does_not_matter(table: np.ndarray, random: object) -> None:
    columns, rows = list(range(table.shape[1])), list(range(len(table)))
    random.shuffle(columns)  # type: ignore[attr-defined]
    random.shuffle(rows)  # type: ignore[attr-defined]
    moved = table[rows][:, columns]
    assert (ranking.ranks(moved) == ranking.ranks(table)[rows][:, columns]).all()
    if table.shape[1] < 3 or not _spread(table):
        return
    assert ranking.friedman(moved).chi_square == pytest.approx(ranking.friedman(table).chi_square)
    for compare in (ranking.conover, ranking.wilcoxon):
        known = ranking.by_pair(compare(table))
        for pair in compare(moved):
            there = known[frozenset((columns[pair.first], columns[pair.second]))]
            assert pair.p == pytest.approx(there.p)
            assert {pair.better, pair.worse} == {there.better, there.worse}


# --- Friedman and Conover ---


def test_friedman_by_hand() -> None:
    scores = np.array([[2, 1, 3], [3, 1, 2], [2, 1, 3], [2, 1, 3], [3, 2, 1]]) / 3.0
    places = ranking.ranks(scores)
    assert places.sum(axis=0).tolist() == [8, 14, 8]
    test = ranking.friedman(scores)
    # 12 / (5 * 3 * 4) * (64 + 196 + 64) - 3 * 5 * 4 = 4.8; F = 4 * 4.8 / (10 - 4.8).
    assert test.chi_square == pytest.approx(4.8)
    assert test.p == pytest.approx(math.exp(-2.4))  # two degrees of freedom: an exponential distribution
    assert test.f == pytest.approx(19.2 / 5.2)
    assert (test.n, test.k) == (5, 3)


def test_iman_davenport_is_the_analysis_of_variance_of_the_ranks() -> None:
    # F of a two-way layout on the ranks, by sums of squares.
    places = ranking.ranks(SCORES)
    n, k = places.shape
    methods = n * ((places.mean(axis=0) - places.mean()) ** 2).sum()
    rows = k * ((places.mean(axis=1) - places.mean()) ** 2).sum()
    rest = ((places - places.mean()) ** 2).sum() - methods - rows
    expected = (methods / (k - 1)) / (rest / ((k - 1) * (n - 1)))
    assert ranking.friedman(SCORES).f == pytest.approx(expected)


def test_conover_is_that_of_scikit_posthocs() -> None:
    pairs = ranking.conover(SCORES)
    assert [(p.first, p.second) for p in pairs] == list(itertools.combinations(range(4), 2))
    assert [p.p for p in pairs] == pytest.approx(CONOVER)
    assert [p.adjusted for p in pairs] == pytest.approx(CONOVER_BH)
    assert [(p.better, p.equal, p.worse) for p in pairs][:2] == [(3, 1, 5), (4, 0, 5)]


def test_equal_rankings_everywhere_leave_no_spread() -> None:
    scores = np.tile([0.9, 0.8, 0.7], (6, 1))
    test = ranking.friedman(scores)
    assert test.chi_square == pytest.approx(12)
    assert test.f == math.inf
    assert test.f_p == 0
    assert [p.adjusted for p in ranking.conover(scores)] == [0, 0, 0]
    assert [p.p for p in ranking.conover(np.tile([0.9, 0.8, 0.8], (6, 1)))] == [0, 0, 1]


# --- Wilcoxon ---


def test_signed_rank_by_hand() -> None:
    # Ranks 1 to 4 of which 1 is negative: the sums 10, 9 of 16 sign patterns are as far out; twice 2/16.
    assert ranking.signed_rank_p(np.array([-1.0, 2, 3, 4])) == pytest.approx(4 / 16)
    # A zero takes rank 1 and is left out. The ranks 2 and 3, both positive: one pattern of four, twice.
    assert ranking.signed_rank_p(np.array([0.0, 2, 3])) == pytest.approx(0.5)
    # Ties: ranks 1.5, 1.5, 3. Plus sums 0 to 6; 4.5 or more in 3 of 8 patterns.
    assert ranking.signed_rank_p(np.array([-1.0, 1, 3])) == pytest.approx(6 / 8)
    assert ranking.signed_rank_p(np.zeros(5)) == 1
    assert ranking.signed_rank_p(np.array([0.5])) == 1


@given(st.lists(st.integers(-1000, 1000).filter(bool), min_size=1, max_size=30, unique_by=abs))
def test_without_ties_signed_rank_is_the_exact_test(values: list[int]) -> None:
    expected = scipy_stats.wilcoxon(values, method="exact").pvalue
    assert ranking.signed_rank_p(np.array(values) / 1000) == pytest.approx(expected)


@settings(max_examples=30)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_with_zeros_and_ties_every_pattern_of_signs_counts(values: list[int]) -> None:
    """Against a list of all sign patterns, which is Pratt's test by its definition."""
    differences = np.array(values, dtype=float) / 100
    places = scipy_stats.rankdata(np.abs(values))[np.array(values) != 0]
    if not places.size:
        assert ranking.signed_rank_p(differences) == 1
        return
    observed = places[[v > 0 for v in values if v]].sum()
    sums = [np.dot(signs, places) for signs in itertools.product((0, 1), repeat=len(places))]
    below = np.mean([s <= observed for s in sums])
    above = np.mean([s >= observed for s in sums])
    assert ranking.signed_rank_p(differences) == pytest.approx(min(1, 2 * min(below, above)))


def test_many_data_sets_agree_with_pratts_normal_approximation() -> None:
    values = np.random.default_rng(0).integers(-5, 8, 120)
    expected = scipy_stats.wilcoxon(values, zero_method="pratt", method="asymptotic").pvalue
    found = ranking.signed_rank_p(values / 100)
    # In standard deviations, as an approximation is meant.
    assert scipy_stats.norm.isf(found / 2) == pytest.approx(scipy_stats.norm.isf(expected / 2), abs=0.05)


def test_rounding_makes_neither_ties_nor_signs() -> None:
    steps = np.array([1, 1, 1, -1, 2, 2, 0, 0])
    noise = np.array([1, -1, 0, 1, -1, 0, 1, -1]) * 3e-7
    assert ranking.signed_rank_p(steps / 100 + noise) == ranking.signed_rank_p(steps / 100)


def test_wilcoxon_adjusts_by_holm() -> None:
    pairs = ranking.wilcoxon(SCORES)
    p = sorted(pair.p for pair in pairs)
    assert min(pair.adjusted for pair in pairs) == pytest.approx(6 * p[0])
    last = next(pair for pair in pairs if (pair.first, pair.second) == (0, 3))
    # Differences without zeros.
    assert last.p == pytest.approx(scipy_stats.wilcoxon(np.round(SCORES[:, 0] - SCORES[:, 3], 2)).pvalue)


# --- gains, seeds, groups ---


def test_gains_have_intervals_over_data_sets() -> None:
    scores = np.array([[0.5, 0.6], [0.5, 0.7], [0.5, 0.8]])
    base, gain = ranking.mean_gains(scores, 0)
    assert (base.mean, base.low, base.high) == (0, 0, 0)
    # Mean 0.2, deviation 0.1, t(2, 0.975) = 4.302653.
    assert gain.mean == pytest.approx(0.2)
    assert gain.half == pytest.approx(4.302653 * 0.1 / math.sqrt(3), rel=1e-6)


def test_seed_agreement_by_hand() -> None:
    seeds = np.array(
        [
            [[0.9, 0.8, 0.7], [0.9, 0.8, 0.7], [0.5, 0.5, 0.5], [0.9, 0.9, 0.1]],
            [[0.9, 0.8, 0.7], [0.7, 0.8, 0.9], [0.9, 0.8, 0.7], [0.9, 0.8, 0.1]],
        ]
    )
    found = ranking.seed_agreement(seeds)
    # Correlations 1, -1, none, and that of (1.5, 1.5, 3) with (1, 2, 3): sqrt(3) / 2.
    assert found.correlated == 3
    assert found.rank_correlation == pytest.approx(math.sqrt(3) / 2 / 3)
    assert found.same_winners == 1 / 4
    assert found.disjoint_winners == 1 / 4
    assert found.pairs == 4


def test_agreement_of_a_seed_with_itself_is_whole() -> None:
    found = ranking.seed_agreement(np.stack([SCORES] * 3))
    assert found.rank_correlation == pytest.approx(1)
    assert (found.same_winners, found.disjoint_winners, found.pairs) == (1, 0, 27)


def test_nothing_to_correlate_where_all_tie() -> None:
    found = ranking.seed_agreement(np.full((2, 3, 4), 0.5))
    assert math.isnan(found.rank_correlation)
    assert (found.correlated, found.same_winners) == (0, 1)


def _different(*pairs: tuple[int, int], k: int = 4) -> list[ranking.Pair]:
    return [
        ranking.Pair(i, j, 0.5, 0.01 if (i, j) in pairs else 0.5, 0, 0, 0)
        for i, j in itertools.combinations(range(k), 2)
    ]


def test_groups_are_runs_without_a_difference() -> None:
    places = [1.0, 2.0, 3.0, 4.0]
    assert ranking.groups(places, _different()) == [(0, 1, 2, 3)]
    assert ranking.groups(places, _different((0, 3))) == [(0, 1, 2), (1, 2, 3)]
    assert ranking.groups(places, _different((0, 2), (0, 3), (1, 2), (1, 3))) == [(0, 1), (2, 3)]
    # 0 and 1 differ although 0 and 2 do not: no bar may cover both.
    assert ranking.groups(places, _different((0, 1))) == [(1, 2, 3)]
    assert ranking.groups([4.0, 3.0, 2.0, 1.0], _different((0, 1), (0, 2), (0, 3))) == [(3, 2, 1)]
    everything = list(itertools.combinations(range(4), 2))
    assert ranking.groups(places, _different(*everything)) == []


@given(st.sets(st.sampled_from(list(itertools.combinations(range(5), 2)))))
def test_no_group_holds_a_difference_or_lies_in_another(differ: set[tuple[int, int]]) -> None:
    found = ranking.groups([1, 2, 3, 4, 5], _different(*differ, k=5))
    for group in found:
        assert not differ & set(itertools.combinations(sorted(group), 2))
        assert not any(set(group) < set(other) for other in found)
    for i in range(4):  # every neighbouring pair that does not differ is under a bar
        assert ((i, i + 1) in differ) != any({i, i + 1} <= set(group) for group in found)


# --- the diagram ---


# --- what is refused ---


@pytest.mark.parametrize("shape", [(0, 3), (3, 1), (3,), (2, 2, 2)])
def test_tables_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="table of one data set or more by two methods or more"):
        ranking.ranks(np.zeros(shape))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_missing_scores_are_named(value: float) -> None:
    table = SCORES.copy()
    table[2, 1] = value
    for call in (ranking.ranks, ranking.wins, ranking.friedman, ranking.conover, ranking.wilcoxon):
        with pytest.raises(ValueError, match="method 1 has no finite score on data set 2"):
            call(table)


def test_tests_without_information_are_refused() -> None:
    for call in (ranking.friedman, ranking.conover):
        with pytest.raises(ValueError, match="all methods tie on every data set"):
            call(np.full((5, 3), 0.5))
        for few in (SCORES[:1], SCORES[:, :2]):
            with pytest.raises(ValueError, match="at least two data sets and three methods"):
                call(few)
    assert [p.adjusted for p in ranking.wilcoxon(np.full((5, 3), 0.5))] == [1, 1, 1]
    for bad in (np.array([]), np.array([math.nan]), np.zeros((2, 2))):
        with pytest.raises(ValueError, match="one finite difference per data set"):
            ranking.signed_rank_p(bad)
    with pytest.raises(ValueError, match="two seeds or more"):
        ranking.seed_agreement(SCORES[None])
