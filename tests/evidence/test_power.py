"""What so many seeds can show, against scipy and a simulation."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from lossbook.evidence import power


@pytest.mark.parametrize(("seeds", "expected"), [(3, 2.484), (8, 0.836)])
def test_what_shows_is_where_the_t_test_is_at_its_level(seeds, expected):
    assert power.reach(seeds) == pytest.approx(expected, abs=1e-3)
    shape = np.arange(seeds, dtype=float)
    values = (shape - shape.mean()) / shape.std(ddof=1) + power.reach(seeds)
    assert ttest_1samp(values, 0).pvalue == pytest.approx(0.05)


def test_as_many_seeds_as_show_a_gain_four_times_in_five():
    n = power.seeds_for(0.3, 0.3)
    assert n == 10
    draws = np.random.default_rng(0).normal(0.3, 0.3, (20_000, n))
    found = ttest_1samp(draws, 0, axis=1)
    assert ((found.pvalue < 0.05) & (found.statistic > 0)).mean() == pytest.approx(0.8, abs=0.02)
    assert power.seeds_for(0.3, 0.3, power=0.5) < n
    assert power.seeds_for(1e-3, 1.0) is None
