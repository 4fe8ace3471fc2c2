"""Cells: what is averaged, what is only counted, and what is said when there is nothing."""

import math
from typing import Any

import pytest

from lossbook.evidence import Runs, stats, tables


def test_a_mean_states_its_interval_and_its_runs(make_record: Any) -> None:
    runs = Runs(tuple(make_record(a, seed=s) for s, a in enumerate([0.97, 0.98, 0.96])))
    cell = tables.mean_cell(runs, "test_accuracy", percent=True)
    # t(2) = 4.303, s = 1 point: 4.303 / sqrt(3) = 2.48.
    assert cell.text == "97.00 ± 2.48 (n = 3)"
    assert cell.runs == runs.keys
    assert cell.values["n"] == 3
    assert cell.title == "seed 0: 97.000, seed 1: 98.000, seed 2: 96.000"


def test_a_single_run_is_shown_as_one(make_record: Any) -> None:
    cell = tables.mean_cell(Runs((make_record(0.973),)), "test_accuracy", percent=True)
    assert cell.text == "97.30 (1 run)"
    # Wilson's interval for 973 of 1,000 images; between seeds there is none.
    assert "96.10 to 98.14" in cell.title


def test_a_cell_never_run_says_what_it_would_cost() -> None:
    assert tables.mean_cell(Runs(), "test_accuracy").text == "not run"
    assert tables.mean_cell(Runs(), "test_accuracy", cost=7200).text == "not run; about 2.0 h"


def test_diverged_runs_are_counted_and_not_averaged(make_record: Any) -> None:
    good = [make_record(a, seed=s) for s, a in enumerate([0.97, 0.98, 0.975])]
    bad = make_record([0.5, 0.1], seed=3, status="diverged")
    cell = tables.mean_cell(Runs((*good, bad)), "test_accuracy", percent=True)
    assert cell.text.startswith("97.50 ± ")
    assert cell.text.endswith("(n = 3, 1 more diverged)")
    assert bad.key in cell.runs
    # Two have a mean and no interval.
    few = tables.mean_cell(Runs((*good[:2], bad)), "test_accuracy", percent=True)
    assert few.text == "97.50 (2 runs, 1 more diverged)"
    assert math.isnan(few.values["low"])
    assert tables.mean_cell(Runs((bad,)), "test_accuracy").text == "diverged (1 run)"
    assert any(note.startswith("1 run ") for note in tables.notes([Runs((*good, bad))]))


def test_a_run_that_broke_down_later_counts_before(make_record: Any) -> None:
    record = make_record([0.9, 0.95, None], status="diverged")
    assert Runs((record,), epochs=2).values("test_accuracy") == {0: 0.95}
    assert Runs((record,), epochs=2).values("best_test_accuracy") == {0: 0.95}
    assert Runs((record,), epochs=3).values("test_accuracy") == {}
    assert Runs((record,)).diverged() == 1


def test_the_best_epoch_is_not_the_last(make_record: Any) -> None:
    runs = Runs((make_record([0.9, 0.97, 0.95]),))
    assert runs.values("test_accuracy") == {0: 0.95}
    assert runs.values("best_test_accuracy") == {0: 0.97}
    assert Runs(runs.records, epochs=1).values("best_test_accuracy") == {0: 0.9}


@pytest.mark.parametrize(("trust", "marked"), [("fresh", False), ("attested", False), ("unattested", True)])
def test_unattested_records_alone_are_marked(make_record: Any, trust: str, marked: bool) -> None:
    runs = Runs((make_record(0.9), make_record(0.9, seed=1, trust=trust)))
    assert tables.mean_cell(runs, "test_accuracy").text.endswith(tables.UNATTESTED) == marked
    assert (tables.UNATTESTED_NOTE in tables.notes([runs])) == marked


def test_profiles_do_not_share_a_cell(make_record: Any) -> None:
    with pytest.raises(ValueError, match="profiles"):
        Runs((make_record(0.9), make_record(0.9, seed=1, profile="paper")))
    with pytest.raises(ValueError, match="seed"):
        Runs((make_record(0.9), make_record(0.9, loss="bce")))


def test_differences_are_paired_and_adjusted_over_the_table(make_record: Any) -> None:
    base = Runs(tuple(make_record(a, seed=s) for s, a in enumerate([0.90, 0.95, 0.92])))
    better = Runs(tuple(make_record(a, seed=s, loss="nllr") for s, a in enumerate([0.911, 0.959, 0.930])))
    same = Runs(tuple(make_record(a, seed=s, loss="bce") for s, a in enumerate([0.91, 0.94, 0.92])))
    differences, p_values = tables.difference_cells(
        [None, (better, base), (same, base)], "test_accuracy", percent=True
    )
    assert differences[0].text == "–"
    # Differences 1.1, 0.9, 1.0 points: the spread between seeds, 2.5 points, does not enter.
    assert differences[1].text == "+1.00 ± 0.25 (n = 3)"
    assert p_values[1].values["holm"] == pytest.approx(2 * float(p_values[1].values["unadjusted"]))
    assert set(differences[1].runs) == {*base.keys, *better.keys}


def test_few_pairs_and_equal_pairs_have_no_interval(make_record: Any) -> None:
    base = [make_record(0.9, seed=s) for s in range(3)]
    other = [make_record(0.91, seed=s, loss="nllr") for s in range(3)]
    other[1] = make_record(0.93, seed=1, loss="nllr")
    pairs = [(Runs(tuple(other[:n])), Runs(tuple(base))) for n in (1, 2)]
    pairs.append((Runs((other[0], make_record(0.91, seed=1, loss="nllr"), other[2])), Runs(tuple(base))))
    differences, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
    assert [c.text for c in differences] == ["+1.00 (1 pair)", "+2.00 (2 pairs)", "+1.00 (n = 3, all equal)"]
    assert [c.text for c in p_values] == ["–"] * 3


@pytest.mark.parametrize(
    ("values", "scale", "shown"),
    [
        ([1.0, 1.2, 1.4], 1, " ± 0.50"),
        ([1.0, 1.002, 1.004], 1, " ± <0.01"),  # 0.00 would claim certainty
        ([0.010, 0.012, 0.014], 100, " ± 0.50"),
        ([1.3, 1.3, 1.3], 1, ""),  # no spread, no interval
        ([1.0, 2.0], 1, ""),
    ],
)
def test_an_interval_behind_its_mean_is_never_of_no_width(
    values: list[float], scale: float, shown: str
) -> None:
    assert tables.band(stats.mean_interval(values), 2, scale) == shown


def test_zero_has_no_minus() -> None:
    assert tables.signed(-0.0001) == "+0.00"


def test_huge_numbers_are_written_in_powers_of_ten(make_record: Any) -> None:
    assert tables.number(99_999.4, 1) == "99999.4"
    assert tables.number(-8.733e29, 3) == "-8.7e29"
    runs = Runs(tuple(make_record(0.7, seed=s, test_ce=1e29 * (1 + 2 * s)) for s in range(3)))
    assert tables.mean_cell(runs, "test_ce", digits=3).text == "3.0e29 ± 5.0e29 (n = 3)"
