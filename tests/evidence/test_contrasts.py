"""Contrasts, rules and declared claims: findings worked by hand from synthetic runs."""

import math
from dataclasses import replace
from typing import Any

import pytest
from said import numbers

from lossbook.evidence import Evidence, stats
from lossbook.evidence.claims import NO_RUNS, Claim, of_readings
from lossbook.evidence.contrasts import (
    PLAIN,
    POINTS,
    Contrast,
    Contrasts,
    Difference,
    Joined,
    Select,
    interval_in_words,
)
from lossbook.evidence.grids import Column, Table
from lossbook.evidence.rules import (
    Above,
    AtMostInPart,
    CarriesOver,
    Gain,
    NoGain,
    NoLoss,
    Same,
    Tendency,
    every,
)
from lossbook.evidence.tables import Runs

EXPERIMENT = "yao2018/table1"
LEFT = Select({"dataset": "mnist", "loss": "bce"})
RIGHT = Select({"dataset": "mnist", "loss": "ce"})
PLAIN_CONTRAST = Contrast("BCE minus CE", LEFT, RIGHT, paper=0.25)


@pytest.fixture
def made(make_record: Any) -> Any:
    """Evidence with runs of BCE and CE at profiles: profile -> (accuracies of BCE, of CE), by seed."""

    def make(**profiles: tuple[list[float], list[float]]) -> Evidence:
        return Evidence(
            EXPERIMENT,
            "",
            {
                profile: [
                    make_record(value, loss=loss, seed=seed, profile=profile)
                    for loss, values in zip(("bce", "ce"), sides, strict=True)
                    for seed, value in enumerate(values)
                ]
                for profile, sides in profiles.items()
            },
        )

    return make


def difference(
    low: float, high: float, *, resolution: float = 0.01, n: int = 5, profile: str = "paper"
) -> Any:
    """A difference with an interval of the test's choice."""

    class Chosen(Difference):
        @property
        def profile(self) -> str:
            return profile

    interval = stats.PairedDifference((low + high) / 2, low, high, n, 0.5)
    return Chosen(PLAIN_CONTRAST, Runs(), Runs(), interval, resolution)


def test_a_difference_is_paired_by_seed_and_says_what_the_test_images_resolve(made: Any) -> None:
    found = PLAIN_CONTRAST.at(made(paper=([0.92, 0.93, 0.92, 0.97], [0.90, 0.92, 0.89])), "paper")
    assert found is not None
    assert (found.interval.n, found.profile) == (3, "paper")
    assert found.interval.mean == pytest.approx(0.02)
    # 1.96 standard errors of the difference of two accuracies on 1,000 images each, near the mean of both.
    middle = (0.90 + 0.92 + 0.89 + 0.92 + 0.93 + 0.92) / 6
    assert found.resolution == pytest.approx(1.959964 * math.sqrt(2 * middle * (1 - middle) / 1000), rel=1e-6)
    # The differences are 2, 1 and 3 points, so half of the interval is 4.303 / sqrt(3).
    assert found.sentence() == (
        "BCE minus CE: +2.00 points (95% interval -0.48 to +4.48, 3 seeds); the paper has +0.25; 1,000 test "
        "images resolve about 2.47."
    )
    assert found.short() == "+2.00 ± 2.48"


def test_no_difference_without_a_common_seed_or_on_data_that_stood_in(made: Any, make_record: Any) -> None:
    assert PLAIN_CONTRAST.at(made(paper=([0.9], [])), "paper") is None
    stood_in = [make_record(0.9, loss=loss, profile="paper", trained_on="digits") for loss in ("bce", "ce")]
    assert PLAIN_CONTRAST.at(Evidence(EXPERIMENT, "", {"paper": stood_in}), "paper") is None


def test_the_decisive_profile_comes_before_an_interval_and_that_before_none(made: Any) -> None:
    # Two seeds have no interval either.
    evidence = made(paper=([0.9, 0.9], [0.8, 0.7]), keras12=([0.9, 0.9, 0.9], [0.8, 0.7, 0.8]))
    found = [PLAIN_CONTRAST.measure(evidence, decisive) for decisive in ((), ("paper",))]
    assert [d and d.profile for d in found] == ["keras12", "paper"]
    only = PLAIN_CONTRAST.measure(evidence, only=("paper",))
    assert only is not None
    assert only.profile == "paper"


def test_a_number_may_be_read_of_each_record(made: Any) -> None:
    read = Contrast(
        "Seeds",
        Select(LEFT.labels, value=lambda r: float(r.seed)),
        Select(RIGHT.labels, value=lambda r: 0.5 if r.seed else None),
        unit=PLAIN,
        resolved=False,
    )
    found = read.at(made(paper=([0.9, 0.9], [0.8, 0.7])), "paper")
    assert found is not None
    assert numbers(found.sentence()) == ["+0.5000", "1"]
    assert math.isnan(found.resolution)


def test_differences_in_words() -> None:
    equal = stats.PairedDifference(0.01, math.nan, math.nan, 3, math.nan)
    assert interval_in_words(equal, POINTS) == "+1.00 points (the same for all 3 seeds, so no interval)"


@pytest.mark.parametrize(
    ("rule", "intervals", "finding"),
    [
        (Gain(), [(0.1, 0.2), (0.1, 0.3)], "holds"),
        (Gain(), [(0.1, 0.2)], "holds in part"),  # one of two was not run
        (Gain(), [(0.1, 0.2), (-0.1, 0.3)], "holds in part"),
        (Gain(), [(-0.1, 0.009), (-0.1, 0.005)], "does not hold"),
        (Gain(), [(-0.1, 0.009), (-0.1, 0.02)], "not settled"),
        (Above(), [(0.1, 0.2), (0.1, 0.3)], "holds"),
        (Above(), [(0.1, 0.2), (-0.3, -0.1)], "holds in part"),
        (Above(), [(-0.3, -0.1), (-0.3, -0.1)], "does not hold"),
        (Above(), [(-0.3, 0.005), (-0.3, -0.1)], "not settled"),
        (Same(), [(-0.005, 0.005), (0.001, 0.009)], "holds"),
        (Same(), [(-0.005, 0.005)], "not settled"),
        (Same(), [(-0.005, 0.005), (0.001, 0.02)], "does not hold"),
        (Same(), [(-0.005, 0.005), (-0.02, 0.02)], "not settled"),
        (NoLoss(), [(-0.005, 0.5), (0.1, 0.2)], "holds"),
        (NoLoss(), [(-0.005, 0.5), (-0.1, 0.2)], "holds in part"),
        (NoLoss(), [(-0.5, -0.2), (-0.3, -0.02)], "does not hold"),
        (NoLoss(), [(-0.5, -0.2), (-0.3, -0.005)], "not settled"),
        (NoGain(), [(-0.1, 0.005), (-0.2, 0.0)], "holds"),
        (NoGain(), [(-0.1, 0.005)], "holds in part"),  # one of two was not run
        (NoGain(), [(-0.1, 0.005), (0.02, 0.03)], "holds in part"),
        (NoGain(), [(0.02, 0.03), (0.02, 0.04)], "does not hold"),
        (NoGain(), [(-0.1, 0.005), (-0.1, 0.03)], "not settled"),
        (AtMostInPart(Gain(), "one network is no rule"), [(0.1, 0.2), (0.1, 0.3)], "holds in part"),
        (AtMostInPart(Gain(), "one network is no rule"), [(-0.1, 0.0), (-0.2, 0.0)], "does not hold"),
        (CarriesOver(Gain(), "one network is no rule"), [(0.1, 0.2), (0.1, 0.3)], "holds in part"),
    ],
)
def test_findings_by_hand(rule: Any, intervals: list[tuple[float, float]], finding: str) -> None:
    assert rule.judge([difference(low, high) for low, high in intervals], 2) == finding
    assert rule.text(2) != rule.text(1)


@pytest.mark.parametrize(
    ("profiles", "finding"),
    [
        (("paper", "paper"), "does not hold"),
        (("reference", "paper"), "does not carry over"),
        (("reference", "reference"), "does not carry over"),
    ],
)
def test_only_the_papers_own_protocol_refutes_a_claim(profiles: tuple[str, str], finding: str) -> None:
    rule = CarriesOver(Gain(), "one network is no rule")
    lost = [difference(-0.1, 0.0, profile=profile) for profile in profiles]
    assert rule.judge(lost, 2) == finding
    won = [difference(0.1, 0.2, profile=profile) for profile in profiles]
    assert rule.judge(won, 2) == "holds in part"
    assert (rule.shows(won[0]), rule.shows(lost[0])) == (True, False)


@pytest.mark.parametrize("rule", [Gain(), Above(), Same(), NoLoss()])
def test_without_a_decisive_difference_nothing_is_settled(rule: Any) -> None:
    assert rule.judge([], 2) == "not settled"


def claim(**changes: Any) -> Claim:
    readings = {"": Contrasts(EXPERIMENT, (PLAIN_CONTRAST,))}
    return Claim(
        "bce",
        "BCE is better.",
        "Sec. 1",
        "BCE minus CE.",
        **{"readings": readings, "rule": Gain(), **changes},
    )


def test_a_claim_counts_what_shows_it(made: Any) -> None:
    holds = claim().judge({EXPERIMENT: made(paper=([0.95, 0.96, 0.96], [0.90, 0.91, 0.90]))})
    assert (holds.finding, holds.count, len(holds.records)) == ("holds", (1, 1), 6)
    assert holds.rule == f"BCE minus CE. {Gain().text(1)}"
    assert holds.evidence[0].startswith("BCE minus CE: +5.33 ")
    short = claim().judge({EXPERIMENT: made(keras12=([0.95, 0.96], [0.90, 0.91]))})
    assert (short.finding, short.count, short.open) == ("not settled", (0, 0), 1)
    none = claim().judge({EXPERIMENT: made()})
    assert (none.finding, none.evidence, none.basis) == ("not tested", (NO_RUNS,), "no runs")


def test_readings_that_differ_hold_in_part(made: Any) -> None:
    other = Contrast("CE minus BCE", RIGHT, LEFT)
    readings = {"one": Contrasts(EXPERIMENT, (PLAIN_CONTRAST,)), "other": Contrasts(EXPERIMENT, (other,))}
    found = claim(readings=readings).judge({EXPERIMENT: made(paper=([0.95, 0.96, 0.96], [0.90, 0.91, 0.90]))})
    assert found.readings == {"one": "holds", "other": "does not hold"}
    assert (found.finding, found.count) == ("holds in part", (1, 2))
    assert of_readings({"a": "holds", "b": "not tested"}) == "not settled"
    assert of_readings({"a": "does not hold", "b": "does not carry over"}) == "does not carry over"
    assert of_readings({"a": "does not hold", "b": "holds in part"}) == "holds in part"


def test_a_reading_counts_only_where_it_has_runs_unless_the_claim_needs_it(made: Any) -> None:
    elsewhere = Contrast("Elsewhere", Select({"dataset": "cifar10", "loss": "bce"}), RIGHT)
    runs = {EXPERIMENT: made(paper=([0.95, 0.96, 0.96], [0.90, 0.91, 0.90]))}

    def judged(optional: bool) -> Any:
        other = Contrasts(EXPERIMENT, (elsewhere,), optional=optional)
        return claim(readings={"one": Contrasts(EXPERIMENT, (PLAIN_CONTRAST,)), "other": other}).judge(runs)

    assert (judged(True).finding, judged(True).count, judged(True).open) == ("holds", (1, 1), 0)
    assert (judged(False).finding, judged(False).count, judged(False).open) == ("not settled", (1, 1), 1)


def test_a_claim_may_need_contrasts_of_several_experiments(made: Any) -> None:
    joined = Joined((Contrasts(EXPERIMENT, (PLAIN_CONTRAST,)), Contrasts("yao2018/other", (PLAIN_CONTRAST,))))
    runs = made(paper=([0.95, 0.96, 0.96], [0.90, 0.91, 0.90]))
    needed = claim(readings={"": joined})
    assert needed.experiments == (EXPERIMENT, "yao2018/other")
    found = needed.judge({EXPERIMENT: runs, "yao2018/other": made()})
    assert (found.finding, found.short) == ("holds in part", "holds in part, 1 of 1 tested")
    assert found.number == f"BCE minus CE: {found.differences[0].short()} points."


def test_of_many_differences_the_ends_are_said(made: Any) -> None:
    runs = {EXPERIMENT: made(paper=([0.95, 0.96, 0.96], [0.90, 0.91, 0.90]))}
    reverse = Contrast("CE minus BCE", RIGHT, LEFT)

    def number(times: int) -> str:
        many = (*(PLAIN_CONTRAST,) * (times - 1), reverse)
        return claim(readings={"": Contrasts(EXPERIMENT, many)}).judge(runs).number

    assert numbers(number(13)) == ["13", "-5.33", "1.43", "+5.33", "1.43"]
    assert number(12).count("+5.33 ± 1.43") == 11, "so many are read one by one"


def test_the_records_may_decide_a_label_and_its_name_stands_in_the_sentence(made: Any) -> None:
    evidence = made(paper=([0.95, 0.96], [0.90, 0.91]))

    def best(shown: Evidence, profile: str) -> dict[str, str] | None:
        return {"loss": "bce"} if shown.by_profile.get(profile) else None

    chosen = Contrast(
        "{left[loss]} minus {right[loss]} on {left[dataset]}",
        Select({"dataset": "mnist"}, chosen=best),
        RIGHT,
    )
    found = chosen.measure(evidence)
    assert found is not None
    assert found.what == "bce minus ce on MNIST"
    assert chosen.measure(made()) is None
    assert chosen.in_words(made()) == "not run"


@pytest.mark.parametrize(
    ("intervals", "profile", "finding"),
    [
        ([(0.1, 0.2), (-0.1, 0.3)], "subset", "holds in part"),
        ([(0.1, 0.2), (-0.3, -0.1)], "paper", "not settled"),
        ([(-0.1, 0.009), (-0.1, 0.005)], "paper", "does not hold"),
        ([(-0.1, 0.009), (-0.1, 0.005)], "subset", "not settled"),  # trained for too short a time
        ([(-0.1, 0.009), (-0.1, 0.02)], "paper", "not settled"),
    ],
)
def test_a_tendency_needs_a_gain_somewhere_and_a_loss_nowhere(
    intervals: list[tuple[float, float]], profile: str, finding: str
) -> None:
    rule = Tendency(("paper",), "one network is no rule", "long runs")
    found = [difference(low, high, profile=profile) for low, high in intervals]
    assert rule.judge(found, len(found)) == finding
    assert "one network is no rule" in rule.text(2)


def test_both_and_all_six() -> None:
    assert [every(n) for n in (2, 6, 12)] == ["both", "all six", "all 12"]


def test_a_declared_table_has_the_papers_numbers_and_a_row_per_cell_that_was_run(made: Any) -> None:
    table = Table(
        EXPERIMENT,
        rows={"dataset": "Data", "loss": "Loss"},
        columns=(Column("Ours, %", percent=True), Column("Test loss", "test_loss", digits=3)),
        names={"loss": {"ce": "CE", "bce": "BCE"}},
        published={("mnist", "ce"): 99.0, ("mnist", "bce"): 99.25},
        against={"loss": "ce"},
        baseline="CE",
    )
    sides = ([0.95, 0.96, 0.94], [0.90, 0.92, 0.88])
    evidence = made(smoke=sides)
    frame, notes = table.frame(evidence, "smoke", where={"dataset": "mnist"})
    assert frame["Loss"].tolist() == ["CE", "BCE"]
    assert list(frame)[2:] == [
        *("Paper", "Ours, %", "Ours minus CE", "p (Holm)", "Test loss", "Paper minus CE"),
    ]
    assert frame["Paper"].tolist() == ["99.00", "99.25"]
    assert frame["Paper minus CE"].tolist() == ["–", "+0.25"]
    assert [str(cell) for cell in frame["Ours minus CE"]] == ["–", "+5.00 ± 2.48 (n = 3)"]
    assert ["2", "4"] in map(numbers, notes)
    unpublished, _ = replace(table, published={("mnist", "gce"): 99.0}).frame(evidence, "smoke")
    assert [title for title in unpublished if "Paper" in title] == [], "no row has the paper's number"
