"""Rules against a margin: what lies within it, what beyond, and what between."""

from types import SimpleNamespace
from typing import Any

import pytest

from lossbook.evidence.rules import Above, Gain, OnceWhole
from lossbook.papers.dong2019.rules import Beyond, OneWay, Within


def between(low: float, high: float) -> Any:
    """A difference of accuracies, as fractions, whose interval goes from ``low`` to ``high`` points."""
    return SimpleNamespace(
        interval=SimpleNamespace(low=low / 100, high=high / 100),
        contrast=SimpleNamespace(unit=SimpleNamespace(scale=100.0)),
    )


INSIDE, ACROSS, OUTSIDE = between(-0.9, 0.9), between(-0.5, 1.5), between(-3.0, -1.1)


@pytest.mark.parametrize(
    ("found", "within", "beyond"),
    [
        ([INSIDE, INSIDE], "holds", "does not hold"),
        ([INSIDE, ACROSS], "holds in part", "not settled"),
        ([ACROSS, ACROSS], "not settled", "not settled"),
        ([INSIDE, OUTSIDE], "does not hold", "holds"),
        ([], "not settled", "not settled"),
    ],
)
def test_findings_against_a_margin_of_a_point(found: list[Any], within: str, beyond: str) -> None:
    assert Within(1.0).judge(found, 2) == within
    assert Beyond(1.0).judge(found, 2) == beyond
    # A comparison that has not been made leaves open what all must show.
    assert Within(1.0).judge(found[:1], 2) != "holds"


def test_a_claim_falls_only_once_all_has_been_run() -> None:
    """A loss without a gain in one of two comparisons: the other one may still show it."""
    lost: Any = SimpleNamespace(above=False, no_gain=True)
    gained: Any = SimpleNamespace(above=True, no_gain=False)
    rule = OnceWhole(Gain())
    assert [rule.judge(found, 2) for found in ([lost, lost], [lost], [gained], [gained, gained], [])] == [
        *("does not hold", "not settled", "holds in part", "holds", "not settled"),
    ]
    assert Gain().judge([lost], 2) == "does not hold"
    assert rule.shows(gained)
    assert not rule.shows(lost)


def test_differences_in_both_directions_leave_a_claim_open() -> None:
    ahead, behind, neither = (
        SimpleNamespace(above=above, below=below)
        for above, below in ((True, False), (False, True), (False, False))
    )
    rule: Any = OneWay(Above())
    found = ([ahead, ahead], [ahead, neither], [ahead, behind], [behind, behind], [neither, behind])
    assert [rule.judge(each, 2) for each in found] == [
        *("holds", "holds in part", "not settled", "does not hold", "not settled"),
    ]
    assert Above().judge(found[2], 2) == "holds in part"  # type: ignore[arg-type]
    assert [rule.shows(each) for each in (ahead, behind)] == [True, False]
