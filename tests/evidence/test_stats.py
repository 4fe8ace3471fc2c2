"""Statistics against independent calculations: simulation, permutation, and printed tables."""

import itertools
import math

import numpy as np
import pytest

from lossbook.evidence import stats

# Two-sided 95% points of Student's t as printed in any table, by degrees of freedom.
T_TABLE = {2: 4.303, 4: 2.776, 9: 2.262}


@pytest.mark.parametrize("df", T_TABLE)
def test_mean_interval_uses_the_printed_t_table(df: int) -> None:
    n = df + 1
    values = [float(i % 2) for i in range(n)]
    mean = sum(values) / n
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / df)
    found = stats.mean_interval(values)
    assert found.mean == pytest.approx(mean)
    assert found.half == pytest.approx(T_TABLE[df] * deviation / math.sqrt(n), rel=1e-3)
    assert found.n == n


def test_mean_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(3, 2, size=(2000, 3))
    hits = [i.low <= 3 <= i.high for i in map(stats.mean_interval, samples)]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("values", [[0.5], [0.25, 0.75]])
def test_one_value_or_two_have_no_interval(values: list[float]) -> None:
    found = stats.mean_interval(values)
    assert (found.mean, found.n, found.bounded) == (0.5, len(values), False)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    pairs = stats.paired_difference(dict(enumerate(values)), dict.fromkeys(range(9), 0.25))
    assert (pairs.mean, pairs.n, pairs.bounded) == (0.25, len(values), False)
    assert math.isnan(pairs.p)


@pytest.mark.parametrize("bad", [[], [0.5, math.nan], [math.inf]])
def test_a_mean_of_nothing_or_of_a_diverged_run_is_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="a mean needs"):
        stats.mean_interval(bad)


def test_level_must_be_a_probability() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        stats.mean_interval([1.0, 2.0], level=95)


def test_paired_difference_on_student_s_sleep_data() -> None:
    # Student (1908): extra hours of sleep under two drugs, ten patients; t = 4.0621, p = 0.002833.
    first = dict(enumerate([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]))
    second = dict(enumerate([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]))
    found = stats.paired_difference(second, first)
    assert found.mean == pytest.approx(1.58)
    assert found.p == pytest.approx(0.002833, rel=1e-3)
    assert (found.low, found.high) == pytest.approx((0.7001, 2.4599), abs=1e-4)
    assert found.n == 10


def test_only_shared_seeds_are_compared() -> None:
    found = stats.paired_difference({0: 0.9, 1: 0.8, 5: 0.1}, {0: 0.7, 1: 0.7, 9: 0.9})
    assert found.n == 2
    assert found.mean == pytest.approx(0.15)


def test_one_shared_seed_gives_a_difference_and_nothing_else() -> None:
    found = stats.paired_difference({0: 0.9}, {0: 0.7, 1: 0.7})
    assert found.mean == pytest.approx(0.2)
    assert math.isnan(found.p)
    assert math.isnan(found.low)


def test_no_shared_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="seed"):
        stats.paired_difference({0: 0.9}, {1: 0.7})


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_differences_without_spread_do_not_claim_certainty(shift: float) -> None:
    base = {0: 0.91, 1: 0.92, 2: 0.97}
    # In floating point the differences agree only to rounding, which must not give p near 0.
    found = stats.paired_difference({seed: value + shift for seed, value in base.items()}, base)
    assert found.mean == pytest.approx(shift)
    assert math.isnan(found.p)
    assert math.isnan(found.low)


def _holm_by_closed_testing(p_values: list[float]) -> list[float]:
    """A hypothesis is rejected if every set of hypotheses it is in is rejected by Bonferroni."""
    m = len(p_values)
    subsets = [s for size in range(1, m + 1) for s in itertools.combinations(range(m), size)]
    return [max(min(1.0, len(s) * min(p_values[j] for j in s)) for s in subsets if i in s) for i in range(m)]


def test_holm_is_the_closed_test_of_bonferroni() -> None:
    rng = np.random.default_rng(1)
    for _ in range(30):
        p_values = list(rng.uniform(0, 1, size=5) ** 2)
        assert stats.holm(p_values) == pytest.approx(_holm_by_closed_testing(p_values))


def test_holm_leaves_out_what_was_not_compared() -> None:
    adjusted = stats.holm([0.02, math.nan, 0.01])
    assert adjusted[0] == pytest.approx(0.02)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.02)


def test_holm_refuses_what_is_no_p_value() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        stats.holm([1.2])


def test_binomial_interval_inverts_the_score_test() -> None:
    # Wilson's bounds are the proportions p at which |p_hat - p| is z standard errors of p.
    right, n = 9928, 10_000
    p_hat = right / n
    low, high = stats.binomial_interval(right, n)
    for bound in (low, high):
        assert abs(p_hat - bound) / math.sqrt(bound * (1 - bound) / n) == pytest.approx(1.959964, rel=1e-5)
    assert low < p_hat < high
    assert stats.binomial_interval(50, 50)[1] == 1.0


@pytest.mark.parametrize(("right", "n"), [(11, 10), (-1, 10), (0, 0)])
def test_binomial_interval_refuses_what_is_no_count_of_a_test_set(right: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{right} of {n}"):
        stats.binomial_interval(right, n)


def test_resolution_is_exceeded_by_chance_one_time_in_twenty() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.binomial(1000, 0.9, size=(2, 20_000)) / 1000
    assert np.mean(abs(a - b) > stats.resolution(0.9, 1000)) == pytest.approx(0.05, abs=0.01)
