import math

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from lossbook.analysis import CheckFailed, check


def test_a_true_statement_prints_one_line_with_a_tick(capsys):
    check("two is two", 2 == 2)
    check("small", torch.tensor([1e-12, -2e-12]), 1e-10)
    check("exact", 0.0, 1e-10)
    check("a statement " * 10, True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "✓ two is two",
        "✓ small (largest error 2e−12, allowed 1e−10)",
        "✓ exact (largest error 0, allowed 1e−10)",
    ]
    assert len(lines) == 4


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


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_in_a_notebook_a_tick_knows_the_line_of_its_cell(shell):
    cell = """\
from lossbook.analysis import check

def both(n):
    check(f"{n} is even", n % 2 == 0)
    check(f"{n} is positive", n > 0)

check(
    "two is two",
    2 == 2,
)
for n in (2, 4):
    both(n)
"""
    with capture_output() as seen:
        shell.run_cell(cell).raise_error()
    ticks = [(o.data["text/plain"], o.metadata["lossbook_check_line"]) for o in seen.outputs]
    assert ticks == [
        ("✓ two is two", 7),
        ("✓ 2 is even", 12),
        ("✓ 2 is positive", 12),
        ("✓ 4 is even", 12),
        ("✓ 4 is positive", 12),
    ]
