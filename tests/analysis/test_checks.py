import math

import pytest
import torch

from lossbook.analysis import CheckFailed, check


def test_a_true_statement_prints_one_line(capsys):
    check("two is two", 2 == 2)
    check("small", torch.tensor([1e-12, -2e-12]), 1e-10)
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["holds: two is two", "holds: small (largest error 2.0e-12, allowed 1e-10)"]


@pytest.mark.parametrize(
    ("result", "tolerance"),
    [
        (False, None),
        (torch.tensor([True, False]), None),
        (0.2, 0.1),
        (torch.tensor([0.0, -0.2]), 0.1),
        (math.nan, 0.1),
        (torch.tensor([0.0, math.nan]), 0.1),
        (math.inf, 0.1),
    ],
)
def test_a_false_statement_stops(result, tolerance):
    with pytest.raises(CheckFailed, match="does not hold: the claim"):
        check("the claim", result, tolerance)


@pytest.mark.parametrize(
    ("result", "tolerance"), [(0.0, None), (True, 0.1), (torch.tensor([]), 0.1), (torch.zeros(2), None)]
)
def test_what_could_not_fail_is_refused(result, tolerance):
    with pytest.raises(TypeError, match="claim"):
        check("the claim", result, tolerance)


def test_a_long_statement_is_wrapped(capsys):
    check("a statement " * 10, True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= 72
