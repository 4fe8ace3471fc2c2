"""Performance profiles, by hand."""

import numpy as np
import pytest

from lossbook.evidence import performance

SCORES = np.array([[0.8, 0.4], [0.5, 0.5], [0.3, 0.6]])


def test_shares_of_problems_within_a_factor_of_the_best():
    ratios = performance.ratios(SCORES)
    assert ratios.tolist() == [[1, 0.5], [1, 1], [0.5, 1]]
    shares = performance.profile(ratios, np.array([0.4, 0.5, 0.51, 1.0]))
    assert shares == pytest.approx(np.array([[1, 1], [1, 1], [2 / 3, 2 / 3], [2 / 3, 2 / 3]]))


def test_a_problem_without_a_positive_score_has_no_ratio():
    with pytest.raises(ValueError, match="leave out the others"):
        performance.ratios(np.array([[0.5, 0.4], [0.0, -0.1]]))
