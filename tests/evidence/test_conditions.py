"""Rules on measured numbers: what they say, and what they decide."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossbook.evidence.claims import NO_RUNS, Measured, Measurement
from lossbook.evidence.conditions import All, Cases, Each, Is, Some, share

P = Is("p", "<", 0.05, "every p is {}")
GAIN = Is("gain", ">", 2.5, "every gain is {} points")
BOTH = All((P, GAIN))


@given(
    st.sampled_from(["<", "<=", ">", ">="]),
    st.floats(-1e3, 1e3, allow_nan=False),
    st.floats(1e-6, 1e3, allow_nan=False),
)
def test_a_number_that_crosses_the_bound_changes_the_finding(sign: str, bound: float, apart: float) -> None:
    condition = Is("x", sign, bound, "x is {}")  # type: ignore[arg-type]
    below, at, above = (condition.met({"x": [x]}) for x in (bound - apart, bound, bound + apart))
    assert (below, at, above) == (sign[0] == "<", "=" in sign, sign[0] == ">")
    findings = [share(condition).judge({"x": [x]}) for x in (bound - apart, bound + apart)]
    assert sorted(findings) == ["does not hold", "holds"]
    assert f"{bound:g}" in share(condition).text()


def test_the_words_follow_the_side_and_the_bound() -> None:
    words = {sign: replace(P, sign=sign).text() for sign in ("<", "<=", ">", ">=")}
    assert list(words.values()) == [
        f"every p is {side} 0.05" for side in ("less than", "at most", "more than", "at least")
    ]
    assert replace(P, shown=".0%").text().endswith("5%")
    assert Is("data", "=", "kmnist", "the set is {}").text() == "the set is kmnist"


@pytest.mark.parametrize("numbers", [[], [math.nan], [0.01, math.nan], [0.01, 0.05]])
def test_what_is_lacking_or_undefined_meets_no_bound(numbers: list[float]) -> None:
    assert not P.met({"p": numbers})
    assert Some((P,)).met({"p": numbers}) == (0.01 in numbers)


@pytest.mark.parametrize(
    ("p", "gain", "whole", "finding", "count"),
    [
        ([0.01, 0.02], [3.0], True, "holds", (3, 3)),
        ([0.01, 0.02], [3.0], False, "holds in part", (3, 3)),
        ([0.01, 0.2], [3.0], True, "holds in part", (2, 3)),
        ([0.2, 0.2], [3.0], True, "holds in part", (1, 3)),
        ([0.2, 0.2], [1.0], True, "does not hold", (0, 3)),
    ],
)
def test_a_claim_holds_in_part_where_some_numbers_show_it(
    p: list[float], gain: list[float], whole: bool, finding: str, count: tuple[int, int]
) -> None:
    rule = share(BOTH)
    assert rule.judge({"p": p, "gain": gain}, whole) == finding
    assert rule.count({"p": p, "gain": gain}) == count
    assert rule.count({}) is None


def test_a_comparison_counts_where_it_meets_every_condition() -> None:
    numbers = {"p": [0.01, 0.2, 0.01], "gain": [3.0, 3.0, 1.0]}
    assert Each((P, GAIN)).marks(numbers) == [True, False, False]
    assert Each((P, GAIN)).met({"p": [0.01], "gain": [3.0]})
    with pytest.raises(ValueError, match="shorter"):
        Each((P, GAIN)).marks({"p": [0.01], "gain": []})


def test_the_first_finding_that_applies_counts() -> None:
    rule = Cases((("does not hold", Some((GAIN, P))), ("holds", P), ("not tested", GAIN)), "not settled")
    assert rule.judge({"p": [0.01], "gain": [0.0]}) == "does not hold"
    assert rule.judge({"p": [1.0], "gain": [0.0]}) == "not settled"
    said = rule.text()
    places = [said.index(words) for words in ("does not hold if", "; holds if", "; is not tested if")]
    assert places == sorted(places)
    assert rule.count({"p": [1.0], "gain": [0.0]}) is None


def test_a_measured_claim_says_its_rule_and_follows_it(make_record: object) -> None:
    record = make_record(0.9)  # type: ignore[operator]

    def claim(*decisive: str) -> Measured:
        found = Measurement({"p": [0.01]}, ("Found.",), (record,))
        return Measured("it", "It is.", "Sec. 1", "p.", {"": lambda: found}, share(P), decisive=decisive)

    verdict = claim().judge({})
    assert (verdict.finding, verdict.count, verdict.records) == ("holds", (1, 1), (record,))
    assert verdict.rule == f"p. {share(P).text()}"
    assert claim(record.profile).judge({}).finding == "holds"
    assert claim("another").judge({}).finding == "not settled"
    assert "another" in claim("another").judge({}).rule


def test_each_reading_of_a_measured_claim_is_judged_by_itself() -> None:
    readings = {
        "one": lambda: Measurement({"p": [0.01]}, ("A.",), basis="here"),
        "two": lambda: Measurement({"p": [0.2]}, ("B.",), basis="there"),
        "three": lambda: Measurement({}, (NO_RUNS,)),
    }
    claim = Measured("it", "It is.", "Sec. 1", "", readings, share(P))
    verdict = claim.judge({})
    assert dict(verdict.readings) == {"one": "holds", "two": "does not hold", "three": "not tested"}
    assert (verdict.finding, verdict.count) == ("not settled", (1, 2))
    assert verdict.basis == "one: here; two: there"
    assert verdict.evidence[0] == "**one: holds.** A."
