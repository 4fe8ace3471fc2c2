"""Table 4 of battash2021: how a learning rate is chosen, and tables and findings whose answer is known."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from said import numbers

from lossbook import datasets, experiments
from lossbook.evidence import Evidence, ranking, recorded
from lossbook.pages import style
from lossbook.pages.page import table_csv, table_html
from lossbook.papers.battash2021 import table4_figures as figures
from lossbook.papers.battash2021 import table4_scores as table4
from lossbook.papers.battash2021 import table4_tables as battash2021
from lossbook.papers.battash2021 import verdict
from lossbook.papers.battash2021.names import CE, CLASSIFIERS, EL, FOCAL, GRADUAL, METHODS, NAMES, TABLE4
from lossbook.papers.battash2021.table4_scores import POOLED, READINGS, Study
from lossbook.results import Record, published

RATES = (0.01, 0.005, 0.001)
#: Data set, method, rate, seed -> validation and test accuracy; None for a run that diverged.
Accuracies = Callable[[int, int, float, int], tuple[float, float] | None]


def _record(
    name: str,
    method: int,
    rate: float,
    seed: int,
    values: tuple[float, float] | None,
    classifier: str = "linear",
    profile: str = "paper",
    collection: str = "uci121",
    **metrics: float,
) -> Record:
    validation, test = values or (None, None)
    every = dict.fromkeys(
        ("validation_accuracy", "validation_batch_accuracy", "selected_validation_accuracy"), validation
    )
    every |= {"by_batches_validation_batch_accuracy": validation}
    tests = ("test_accuracy", "test_batch_accuracy", "selected_test_accuracy")
    every |= dict.fromkeys((*tests, "selected_first_test_accuracy", "by_batches_test_batch_accuracy"), test)
    return Record(
        key=f"{name}-{classifier}-{method}-{rate}-{seed}",
        experiment=TABLE4,
        profile=profile,
        labels={
            "dataset": name,
            "classifier": classifier,
            "loss": METHODS[method].loss,
            "schedule": METHODS[method].schedule,
            "learning_rate": rate,
        },
        config={"dataset": f"{collection}/{name}", "epochs": 50},
        seed=seed,
        status="finished" if values else "diverged",
        metrics=every | {"selected_epoch": 49} | metrics,
        curves={},
        provenance={
            "data_notes": ["each data file was standardised by itself"] if name == "set1" else [],
            "test_size": 100,
        },
    )


def _study(
    accuracies: Accuracies,
    sets: int,
    seeds: int = 2,
    classifiers: Iterable[str] = ("linear", "hidden"),
    **settings: Any,
) -> Study:
    return Study(
        [
            _record(f"set{i}", method, rate, seed, accuracies(i, method, rate, seed), classifier, **settings)
            for i in range(sets)
            for classifier in classifiers
            for method in range(6)
            for rate in RATES
            for seed in range(seeds)
        ]
    )


def _fixed(table: Sequence[Sequence[float]]) -> Accuracies:
    return lambda i, method, _rate, _seed: (0.5, table[i][method])


def _columns(found: table4.Scores | None) -> table4.Scores:
    assert found is not None
    return found


# --- the declared experiment and the printed table ---


def test_methods_and_classifiers_are_those_of_the_experiment() -> None:
    for profile in experiments.get(TABLE4).profiles.values():
        labels = [cell.labels for cell in profile.cells]
        assert {(each["loss"], each["schedule"]) for each in labels} == {
            (method.loss, method.schedule) for method in METHODS
        }
        assert {each["classifier"] for each in labels} == set(CLASSIFIERS)
        assert {each["learning_rate"] for each in labels} == set(RATES)


def test_the_printed_table_has_every_method() -> None:
    rows = published("battash2021", "table4")
    printed = list(zip(rows["loss"], rows["schedule"], strict=True))
    assert printed == [(method.loss, method.schedule) for method in METHODS] * 2


# --- which rate is taken ---


def _choice(
    by_rate: dict[float, Sequence[tuple[float, float] | None]], **settings: Any
) -> table4.Scores | None:
    """EL has these validation and test accuracies by rate and seed; the others tie at every rate."""

    def accuracies(_i: int, method: int, rate: float, seed: int) -> tuple[float, float] | None:
        return by_rate[rate][seed] if method == EL else (0.5, 0.5)

    study = _study(accuracies, 1, classifiers=["linear"])
    return study.scores("linear", table4.replace(POOLED, **settings))


def test_the_rate_is_that_of_the_best_mean_validation_accuracy() -> None:
    by_rate: dict[float, Sequence[tuple[float, float] | None]] = {
        0.01: [(0.9, 0.1), (0.5, 0.2)],
        0.005: [(0.8, 0.3), (0.7, 0.4)],
        0.001: [(0.6, 0.9), (0.8, 1.0)],
    }
    found = _columns(_choice(by_rate))
    assert found.rates[:, 0, EL].tolist() == [0.005, 0.005]
    assert found.values[:, 0, EL].tolist() == [0.3, 0.4]
    assert found.runs[:, 0, EL].tolist() == ["set0-linear-4-0.005-0", "set0-linear-4-0.005-1"]
    each = _columns(_choice(by_rate, per_seed=True))
    assert each.rates[:, 0, EL].tolist() == [0.01, 0.001]
    assert each.values[:, 0, EL].tolist() == [0.1, 1.0]


def test_of_tied_rates_the_larger_is_taken_even_when_rounding_hides_the_tie() -> None:
    # 2/7 and 4/7 against 3/7 twice, in the six digits of a record.
    by_rate: dict[float, Sequence[tuple[float, float] | None]] = {
        0.01: [(0.428571, 0.1), (0.428571, 0.1)],
        0.005: [(0.285714, 0.2), (0.571429, 0.2)],
        0.001: [(0.1, 0.3), (0.1, 0.3)],
    }
    assert _columns(_choice(by_rate)).rates[0, 0].tolist() == [0.01] * 6
    smaller = _columns(_choice(by_rate, smaller=True))
    assert smaller.rates[0, 0, EL] == 0.005
    assert smaller.rates[0, 0, CE] == 0.001


def test_a_rate_at_which_a_seed_diverged_is_never_taken() -> None:
    good, bad = [(0.2, 0.2), (0.2, 0.2)], [(0.9, 0.9), None]
    found = _columns(_choice({0.01: bad, 0.005: good, 0.001: bad}))
    assert found.rates[:, 0, EL].tolist() == [0.005, 0.005]
    assert _choice({0.01: bad, 0.005: bad, 0.001: bad}) is None
    # A value that is missing counts as diverged, finished or not.
    nan = [(math.nan, 0.9), (0.9, 0.9)]
    assert _columns(_choice({0.01: nan, 0.005: good, 0.001: nan})).rates[0, 0, EL] == 0.005


def test_a_set_without_any_rate_left_is_left_out_and_named() -> None:
    study = _study(
        lambda i, method, _rate, _seed: None if (i, method) == (1, FOCAL) else (0.5, 0.5 + i / 10), 3
    )
    found = _columns(study.scores("linear"))
    assert found.datasets == ("set0", "set2")
    assert [(name, reason.split()[0]) for name, reason in found.left_out.items()] == [("set1", "Focal")]
    assert found.mean[:, CE].tolist() == [0.5, 0.7]
    _, notes = battash2021.table_four(study)
    assert any("Focal" in note and "set1" in note for note in notes)


def test_every_method_can_take_the_rate_of_ce() -> None:
    def accuracies(_i: int, method: int, rate: float, _seed: int) -> tuple[float, float] | None:
        if method == EL and rate == 0.001:
            return None
        return ((rate == 0.001) if method == CE else (rate == 0.005)) * 0.5, rate

    study = _study(accuracies, 1)
    own = _columns(study.scores("linear"))
    assert own.rates[0, 0].tolist() == [0.001] + [0.005] * 5
    shared = _columns(study.scores("linear", table4.replace(POOLED, rate_of=CE)))
    # EL diverged there, so it takes CE's next best: of two that tie, the larger.
    assert shared.rates[0, 0].tolist() == [0.001] * 4 + [0.01, 0.001]


def test_test_accuracies_do_not_choose() -> None:
    rng = np.random.default_rng(0)
    validation, test, other = rng.random((3, 4, 6, 3, 2))

    def of(tests: np.ndarray) -> Accuracies:
        def accuracies(i: int, method: int, rate: float, seed: int) -> tuple[float, float]:
            place = (i, method, RATES.index(rate), seed)
            return float(validation[place]), float(tests[place])

        return accuracies

    for reading in READINGS:
        one = _study(of(test), 4).scores("linear", reading)
        two = _study(of(other), 4).scores("linear", reading)
        assert (_columns(one).rates == _columns(two).rates).all()
        assert not (_columns(one).values == _columns(two).values).any()


def test_readings_read_what_they_say() -> None:
    names = {
        "selected_test_accuracy": 0.1,
        "by_batches_test_batch_accuracy": 0.2,
        "selected_first_test_accuracy": 0.3,
        "test_accuracy": 0.4,
    }
    study = _study(lambda *_: (0.5, 0.5), 1, **names)
    read = [float(_columns(study.scores("linear", r)).values[0, 0, 0]) for r in READINGS[:4]]
    assert read == [0.1, 0.2, 0.3, 0.4]


# --- which data sets and seeds count ---


def _without(study: Study, drop: Callable[[Record], bool]) -> Study:
    return Study([record for record in study.records if not drop(record)])


def test_incomplete_sets_are_left_out() -> None:
    whole = _study(lambda *_: (0.5, 0.5), 3)
    found = _without(whole, lambda r: r.key == "set1-linear-3-0.005-1").scores("linear")
    assert _columns(found).datasets == ("set0", "set2")
    assert list(_columns(found).left_out) == ["set1"]


def test_a_seed_hardly_begun_does_not_cost_the_others() -> None:
    whole = _study(lambda *_: (0.5, 0.5), 4, seeds=3)
    part = _without(whole, lambda r: r.seed == 2 and r.labels["dataset"] != "set0")
    found = _columns(part.scores("hidden"))
    assert (found.seeds, len(found.datasets)) == ((0, 1), 4)
    most = _without(whole, lambda r: r.seed == 2 and r.labels["dataset"] == "set0")
    found = _columns(most.scores("hidden"))
    assert (found.seeds, found.datasets) == ((0, 1, 2), ("set1", "set2", "set3"))


def test_sets_on_two_scales_can_be_left_out() -> None:
    study = _study(lambda *_: (0.5, 0.5), 3)
    found = study.scores("linear", READINGS[-1])
    assert _columns(found).datasets == ("set0", "set2")
    only = _without(study, lambda r: r.labels["dataset"] != "set1")
    assert only.scores("linear", READINGS[-1]) is None


def test_without_runs_there_are_no_scores() -> None:
    empty = Study([])
    assert empty.read() == []
    assert empty.profile == ""
    assert not empty.embedded
    assert _study(lambda *_: (0.5, 0.5), 1, classifiers=["linear"]).scores("hidden") is None


def test_runs_that_do_not_belong_are_refused() -> None:
    record = _record("set0", 0, 0.01, 0, (0.5, 0.5))
    with pytest.raises(ValueError, match="two runs of one cell and seed"):
        Study([record, record])
    with pytest.raises(ValueError, match="different profiles"):
        Study([record, _record("set0", 1, 0.01, 0, (0.5, 0.5), profile="quick")])
    record.labels["loss"] = "nllr"
    with pytest.raises(ValueError, match="no method of Table 4"):
        Study([record])


def test_stand_ins_and_the_papers_sets_never_share_a_table() -> None:
    real = _study(lambda *_: (0.5, 0.6), 2, profile="quick")
    stand_ins = _study(lambda *_: (0.5, 0.9), 3, profile="quick", collection="sklearn")
    both = Study([*stand_ins.records, *real.records])
    assert both.records == real.records
    assert not both.embedded
    assert _columns(both.scores("linear")).datasets == ("set0", "set1")
    assert _columns(both.scores("linear")).mean.tolist() == [[0.6] * 6] * 2
    assert stand_ins.embedded


def _evidence(*found: Study) -> Evidence:
    return Evidence(TABLE4, "quick", {study.profile: study.records for study in found})


def test_the_profile_with_the_most_complete_sets_is_shown() -> None:
    begun = _without(_study(lambda *_: (0.5, 0.5), 3), lambda r: r.key.startswith("set2-hidden-5"))
    whole = _study(lambda *_: (0.5, 0.5), 3, profile="quick")
    assert [s.profile for s in battash2021.studies(_evidence(begun, whole))] == ["quick", "paper"]
    full = _study(lambda *_: (0.5, 0.5), 3)
    assert [s.profile for s in battash2021.studies(_evidence(full, whole))] == ["paper", "quick"]
    nothing = _without(full, lambda r: r.labels["learning_rate"] == 0.01 and r.labels["loss"] == "el")
    assert [s.profile for s in battash2021.studies(_evidence(nothing, whole))] == ["quick"]
    with pytest.raises(ValueError, match="no data set has all of its runs"):
        battash2021.studies(_evidence(nothing))
    assert "--profile paper" in battash2021.profile_text(whole)
    assert "--profile paper" not in battash2021.profile_text(full)


def test_the_note_on_scales_is_the_one_that_the_data_bring() -> None:
    table = datasets.standardise_files(datasets.load_embedded_uci("iris"))
    assert any(table4.STANDARDISED in note for note in table.notes)


def test_notes_that_the_page_tells_itself_are_not_repeated() -> None:
    iris = [f"sklearn/iris: {note}" for note in datasets.load_embedded_uci("iris").notes]
    assert iris
    assert battash2021.notes(["uci121/spect: each data file was standardised by itself", "x", *iris]) == ["x"]


def test_a_second_profile_is_described() -> None:
    quick = _study(lambda *_: (0.5, 0.5), 2, profile="quick")
    text = battash2021.other_text(quick)
    assert numbers(text) == ["23", "121", "50"]
    assert "set0, set1" in text
    embedded = _study(lambda *_: (0.5, 0.5), 1, profile="quick", collection="sklearn")
    text = battash2021.other_text(embedded)
    assert numbers(text) == ["50"]
    assert all(name in text for name in ("scikit-learn", "set0"))


# --- the tables ---

# Test accuracies of three data sets, all seeds alike: CE, CE+EL 0, 0,0.5, 0-0.5, EL, focal.
TABLE = [
    [0.80, 0.80, 0.82, 0.84, 0.50, 0.70],
    [0.90, 0.90, 0.90, 0.90, 0.90, 0.90],
    [0.60, 0.62, 0.62, 0.61, 0.30, 0.59],
]


def _row(frame: Any, method: int, classifier: str = "Linear") -> dict[str, Any]:
    rows = frame[(frame["Classifier"] == classifier) & (frame["Method"] == METHODS[method].name)]
    return dict(rows.iloc[0])


def test_table_four_by_hand() -> None:
    frame, notes = battash2021.table_four(_study(_fixed(TABLE), 3))
    gradual, ce = _row(frame, GRADUAL), _row(frame, CE)
    assert len(frame) == 12
    # Best in the first set, all tie in the second; third place of six in the third.
    assert str(gradual["Ours"]) == "2"
    assert gradual["Wins, paper"] == "48"
    assert gradual["Our gain"].values["mean"] == pytest.approx((4 + 0 + 1) / 3)
    assert gradual["Our gain"].values["median"] == pytest.approx(1)
    assert gradual["Our rank"].values["value"] == pytest.approx((1 + 1 + 2) / 3)
    assert gradual["Mid-rank"].values["value"] == pytest.approx((1 + 3.5 + 3) / 3)
    assert str(ce["Our gain"]) == "0"
    assert ce["Our rank"].values["value"] == pytest.approx((3 + 1 + 3) / 3)
    assert ce["Mid-rank"].values["value"] == pytest.approx((3.5 + 3.5 + 4) / 3)
    assert "3 sets and 2 seeds" in notes[0]
    assert "set2-linear-3-0.01-1" in table_csv(frame)


def test_the_papers_way_of_reading_stands_beside() -> None:
    # By batches EL would have every win.
    study = Study(
        [
            _record(
                f"set{i}",
                method,
                0.01,
                0,
                (0.5, 0.5),
                by_batches_test_batch_accuracy=0.5 + (method == EL) / 4,
            )
            for i in range(2)
            for method in range(6)
        ]
    )
    pooled, _ = battash2021.table_four(study)
    batches, _ = battash2021.table_four(study, table4.BY_BATCHES)
    assert [str(cell) for cell in pooled["Ours"]] == ["2"] * 6
    assert [str(cell) for cell in batches["Ours"]] == ["0", "0", "0", "0", "2", "0"]
    assert str(_row(batches, EL)["Our gain"]).startswith("+25.00")


def test_batches_and_examples_are_compared_run_by_run() -> None:
    study = _study(lambda *_: (0.5, 0.5), 1, test_batch_accuracy=0.47)
    assert numbers(battash2021.batches_text(study))[0] == "3.00"


def test_batches_and_examples_are_compared_in_their_tables() -> None:
    study = Study(
        [
            _record(
                f"set{i}",
                method,
                0.01,
                0,
                (0.5, 0.5 + 0.01 * (method == GRADUAL)),
                by_batches_test_batch_accuracy=0.5 + 0.03 * (method == GRADUAL) - 0.07 * (method == EL),
            )
            for i in range(3)
            for method in range(6)
        ]
    )
    # The gradual mixture's gain by examples and by batches, and how far any method's gain and wins move.
    assert numbers(battash2021.batches_text(study))[-4:] == ["+1.00", "+3.00", "7.00", "0"]


def test_tables_are_divided_by_classifier() -> None:
    frame, _ = battash2021.table_four(_study(_fixed(TABLE), 3))
    parts = list(battash2021.by_classifier(frame))
    assert [(name, title, len(rows)) for name, title, rows in parts] == [
        ("linear", "Linear", 6),
        ("hidden", "One hidden layer", 6),
    ]
    assert parts[1][2]["Wins, paper"].tolist() == ["26", "30", "37", "42", "33", "25"]
    assert all("Classifier" not in rows for _, _, rows in parts)
    only, _ = battash2021.table_four(_study(_fixed(TABLE), 3, classifiers=["hidden"]))
    assert [name for name, _, _ in battash2021.by_classifier(only)] == ["hidden"]
    assert list(battash2021.by_classifier(battash2021.pairs_table(Study([])))) == []


def test_the_first_reading_is_that_of_table_four() -> None:
    assert READINGS[:2] == (POOLED, table4.BY_BATCHES)


def _convention(averaged: bool, ties: ranking.Ties) -> battash2021.Convention:
    (found,) = (c for c in battash2021.CONVENTIONS if (c.averaged, c.ties) == (averaged, ties))
    return found


def test_conventions_by_hand() -> None:
    # One set. Seed 0: EL is best, the others tie. Seed 1: CE and EL tie, then the others.
    def accuracies(_i: int, method: int, _rate: float, seed: int) -> tuple[float, float]:
        return 0.5, {CE: [0.5, 0.9], EL: [0.8, 0.9]}.get(method, [0.5, 0.3])[seed]

    study = _study(accuracies, 1)
    found = study.read()[0]
    wins = {averaged: _convention(averaged, "min").wins(found).tolist() for averaged in (True, False)}
    assert wins == {True: [0, 0, 0, 0, 1, 0], False: [0.5, 0, 0, 0, 1, 0]}
    # Averages: EL .85, CE .7, the others .4.
    assert _convention(True, "dense").ranks(found).tolist() == [2, 3, 3, 3, 1, 3]
    assert _convention(True, "min").ranks(found).tolist() == [2, 3, 3, 3, 1, 3]
    assert _convention(True, "average").ranks(found).tolist() == [2, 4.5, 4.5, 4.5, 1, 4.5]
    # Seed 0: 2 2 2 2 1 2 under both. Seed 1: 1 2 2 2 1 2 or 1 3 3 3 1 3.
    assert _convention(False, "dense").ranks(found).tolist() == [1.5, 2, 2, 2, 1, 2]
    assert _convention(False, "min").ranks(found).tolist() == [1.5, 2.5, 2.5, 2.5, 1, 2.5]
    # The paper: 2.59, 2.39, 2.30, 2.12, 3.25, 3.13.
    off = (0.59 + 0.61 + 0.70 + 0.88 + 2.25 + 0.13) / 6
    assert _convention(True, "min").distance(found) == pytest.approx(off)
    frame = battash2021.conventions_table(study)
    assert len(frame) == 2 * (1 + len(battash2021.CONVENTIONS))
    assert str(frame["Sum of ranks"][0]) == "15.78"
    assert frame["Sum of wins"][:3].tolist() == ["203", "1", "1.5"]
    assert [str(cell) for cell in frame["Off by"]][:2] == ["–", f"{off:.2f}"]


def test_text_names_the_nearest_convention() -> None:
    # Places 4 1 1 1 4 4 and 1 4 4 4 1 1 average to 2.5, without gaps to 1.5, as mid-ranks to 3.5.
    ahead, behind = [0.8, 0.9, 0.9, 0.9, 0.8, 0.8], [0.9, 0.8, 0.8, 0.8, 0.9, 0.9]
    text = battash2021.conventions_text(_study(_fixed([ahead, behind]), 2))
    assert text.split("*")[1].endswith("1, 1, 3")
    # Sums of wins in the paper and in both ways of ours, and 6 of 15 pairs tie.
    assert numbers(text)[-10:] == ["203", "193", *["6"] * 4, *["40"] * 4]
    dense = _study(_fixed([[0.6, 0.7, 0.8, 0.9, 0.5, 0.5]]), 1)
    assert battash2021.conventions_text(dense).split("*")[1].endswith("1, 1, 2")
    assert battash2021.conventions_text(Study([])) == ""


def test_pairs_have_both_tests() -> None:
    rng = np.random.default_rng(1)
    table = rng.random((12, 6)).round(2).tolist()
    study = _study(_fixed(table), 12)
    frame = battash2021.pairs_table(study)
    assert len(frame) == 30
    conover, wilcoxon = ranking.conover(np.array(table)), ranking.wilcoxon(np.array(table))
    first = frame["Conover"][0].values
    assert first["adjusted"] == pytest.approx(conover[0].adjusted)
    assert frame["Wilcoxon"][14].values["adjusted"] == pytest.approx(wilcoxon[14].adjusted)


def test_seeds_table_by_hand() -> None:
    def accuracies(i: int, method: int, _rate: float, seed: int) -> tuple[float, float]:
        if method == GRADUAL:
            return 0.5, [[0.6, 0.4], [0.6, 0.7]][i][seed]
        return 0.5, 0.5 if method == CE else 0.1

    row = battash2021.seeds_table(_study(accuracies, 2)).iloc[0]
    assert row["Sign flips, %"].values["value"] == 50
    assert row["Same winners, %"].values["value"] == 50
    assert row["No common winner, %"].values["value"] == 50
    assert row["CE moves by"].values["value"] == 0
    assert row["Gain by seed"] == "+10.00, +5.00"
    assert battash2021.seeds_table(_study(accuracies, 2, seeds=1)).empty


def test_choices_are_compared() -> None:
    text = battash2021.sensitivity_text(_study(_fixed(TABLE), 3))
    # Gains of 4, 0 and 1 points; without the second set 2.5.
    assert numbers(text)[:11] == ["+1.67", "+2.50", "0.05", "0", "9", "0", "15", "0", "0.5", "0", "9"]
    frame, _ = battash2021.sensitivity_table(_study(_fixed(TABLE), 3))
    assert len(frame) == 2 * len(READINGS)
    assert list(frame)[1:] == ["How rate, epoch and accuracy are read", "Gain", "p (Holm)", "Sets"]
    assert frame["Gain"][0].values["mid-rank of EL"] == pytest.approx((6 + 3.5 + 6) / 3)
    assert frame["Sets"].tolist()[:9] == [3] * 8 + [2]
    # Without a set on two scales there is nothing to leave out, in the table and in the text.
    plain = _without(_study(_fixed(TABLE), 3), lambda r: r.labels["dataset"] == "set1")
    assert len(battash2021.sensitivity_table(plain)[0]) == 2 * 8
    assert "0 of 8 rows" in battash2021.sensitivity_text(plain)
    rates = battash2021.rates_table(_study(_fixed(TABLE), 3))
    assert rates["Rate 0.01"].tolist() == [3] * 12
    assert rates["Runs"].tolist() == [18] * 12
    # All rates validate alike.
    assert rates["Tied"].tolist() == [3] * 12
    ahead = battash2021.sensitivity_text(_shifted(AS_CLAIMED))
    assert numbers(ahead)[:11] == ["+3.00", "+3.00", "0.05", "9", "9", "9", "15", "0", "0.5", "9", "9"]


def test_one_rate_for_all_data_sets() -> None:
    """Set 0 likes 0.005 best by far, the two others 0.01 a little."""

    def accuracies(i: int, _method: int, rate: float, _seed: int) -> tuple[float, float]:
        good = {0.01: 0.5 if i == 0 else 0.61, 0.005: 0.9 if i == 0 else 0.6, 0.001: 0.1}[rate]
        return good, rate

    study = _study(accuracies, 3)
    one = next(reading for reading in READINGS if reading.one_rate)
    assert _columns(study.scores("linear", one)).rates[0].tolist() == [[0.005] * 6] * 3
    assert _columns(study.scores("linear")).rates[0, :, 0].tolist() == [0.005, 0.01, 0.01]
    assert battash2021.rates_table(study)["Tied"].tolist() == [0] * 12


def test_epochs_chosen_before_the_switch_to_el() -> None:
    """F = 0,0.5 comes to EL with epoch 48 of 50, the gradual schedule with 43; its second phase is at 9."""
    for epoch, before, first in (
        (47, [0, 0], [0, 0]),
        (46, [6, 0], [6, 0]),
        (8, [6, 6], [6, 0]),
        (7, [6, 6], [6, 6]),
    ):
        study = _study(_fixed(TABLE), 3, classifiers=("linear",), selected_epoch=epoch)
        rows = battash2021.switch_table(study)
        assert rows["EL alone from epoch"].tolist() == [48, 43]
        assert rows["Runs read"].tolist() == [6, 6]
        assert [cell.values["count"] for cell in rows["Chosen before"]] == before
        assert [cell.values["count"] for cell in rows["In the first phase"]] == first
    assert "linear 6 (100%)" in battash2021.switch_text(study)


@pytest.mark.parametrize(("sets", "seeds"), [(1, 1), (2, 1), (1, 2)])
def test_small_studies_make_every_table_and_figure(sets: int, seeds: int) -> None:
    style.theme()
    study = _study(_fixed(TABLE), sets, seeds)
    frames = [battash2021.table_four(study)[0], battash2021.sensitivity_table(study)[0]]
    for make in ("conventions", "friedman", "pairs", "largest", "seeds", "rates"):
        frames.append(getattr(battash2021, f"{make}_table")(study))
    for frame in frames:
        assert "nan" not in table_html(frame, "caption")
    for diagrams in (figures.published_diagrams(study), figures.mean_diagrams(study)):
        if diagrams:
            assert style.svg(figures.draw(diagrams))
            assert "mean ranks" in figures.diagrams_alt(diagrams)
    assert style.svg(figures.gains_by_size(study))
    assert style.svg(figures.gains(study))
    texts = [
        figures.gains_by_size_alt(study),
        figures.gains_alt(study),
        battash2021.scatter_text(study),
        battash2021.batches_text(study),
    ]
    texts += [battash2021.conventions_text(study), battash2021.sensitivity_text(study)]
    texts += [battash2021.data_text(study), *verdict.meaning(study)]
    assert not any("nan" in text for text in texts)
    assert all(claim.evidence for claim in verdict.claims(study).values())


def test_the_data_are_told() -> None:
    study = _study(_fixed(TABLE), 2)
    text = battash2021.data_text(study)
    assert numbers(text) == ["2", "121", "1"]
    assert text.endswith("set1.")
    assert "scikit-learn" in battash2021.data_text(_study(_fixed(TABLE), 1, collection="sklearn"))


# --- the claims ---


def _shifted(gains: Sequence[float], noise: float = 0.0, hidden_too: bool = True) -> Study:
    """Twenty sets; each method is so many points better than CE, give or take."""
    rng = np.random.default_rng(5)
    base = rng.uniform(0.5, 0.8, 20)
    around = rng.normal(0, noise, (20, 6)) + rng.normal(0, 1e-4, (20, 6))
    table = base[:, None] + np.array(gains) + around
    return _study(_fixed(table.round(6).tolist()), 20, classifiers=("linear", "hidden")[: 1 + hidden_too])


AS_CLAIMED = (0.0, 0.01, 0.02, 0.03, -0.05, -0.02)


def _findings(study: Study | None) -> list[str]:
    return [claim.finding for claim in verdict.claims(study).values()]


def test_claims_hold_where_the_runs_say_so() -> None:
    assert _findings(_shifted(AS_CLAIMED)) == ["holds"] * 6


def test_claims_do_not_hold_where_the_runs_say_the_opposite() -> None:
    assert _findings(_shifted([-gain for gain in AS_CLAIMED])) == ["does not hold"] * 5 + ["holds"]


def test_half_of_the_classifiers_are_half_of_a_claim() -> None:
    assert _findings(_shifted(AS_CLAIMED, hidden_too=False)) == ["holds in part"] * 6


def test_neither_a_mean_nor_an_unadjusted_p_is_enough() -> None:
    # Differences of ranks 1 to 20 in size, the negative ones with ranks that add up to 49. So p is below 0.05
    # for one pair, not for 15 of them. The largest loss puts zero inside the interval of the mean.
    sizes = [*range(1, 20), 100]
    gains = [-size if rank in (3, 5, 8, 13, 20) else size for rank, size in enumerate(sizes, start=1)]
    table = np.full((20, 6), 0.5)
    table[:, GRADUAL] += np.array(gains) / 1000
    study = _study(_fixed(table.round(6).tolist()), 20)
    pair = battash2021.pair_of(ranking.wilcoxon(_columns(study.scores("linear")).mean), GRADUAL, CE)
    assert (pair.better, pair.worse) == (15, 5)
    assert pair.p < 0.05 < pair.adjusted
    assert np.mean(gains) > 0
    assert _findings(study)[1] == "not settled"
    # None is named as ahead: the subject alone is.
    assert re.findall(r"CE\+EL [\d.,-]*\d", verdict.meaning(study)[0]) == [NAMES[GRADUAL]]


def test_differences_within_the_noise_settle_nothing() -> None:
    study = _shifted([0, 0.0005, 0.0005, 0.0005, -0.0005, -0.0005], noise=0.02)
    assert _findings(study)[3:5] == ["not settled", "not settled"]
    assert _findings(study)[5] in ("not settled", "holds in part")


def test_runs_on_other_data_test_nothing() -> None:
    assert _findings(None) == ["not tested"] * 6
    assert _findings(Study([])) == ["not tested"] * 6
    embedded = _study(_fixed(TABLE), 3, collection="sklearn", profile="smoke")
    assert _findings(embedded) == ["not tested"] * 6
    assert {claim.basis for claim in verdict.claims(embedded).values()} == {"no runs"}


def test_what_a_claim_was_tested_on_is_said() -> None:
    claims = verdict.claims(_study(_fixed(TABLE), 3, profile="quick"))
    assert "a subset" in claims["best"].basis
    assert "3 of the 121 sets, 2 seeds" in claims["best"].basis
    assert "the paper's protocol" in verdict.claims(_shifted(AS_CLAIMED))["best"].basis


def test_claims_count_what_shows_them() -> None:
    claims = verdict.claims(_shifted(AS_CLAIMED))
    # Three columns or four tests for each of two classifiers; each mixture by mean and test at once.
    assert [claims[key].count for key in ("best", "gradual", "mixtures", "differ")] == [
        *((6, 6), (2, 2), (4, 4), (4, 4))
    ]
    half = verdict.claims(_shifted((0.0, -0.01, 0.02, 0.03, 0.05, -0.02)))
    assert half["mixtures"].short == "holds in part, 2 of 4"
    assert verdict.claims(None)["gradual"].count is None
    assert "linear +3.00 ± <0.01 (p < 0.001)" in claims["gradual"].number


def test_all_claims_of_the_paper_are_judged_on_one_set_of_records() -> None:
    others = {name: Evidence(name, "", {}) for name in verdict.EXPERIMENTS}
    evidence = others | {TABLE4: _evidence(_shifted(AS_CLAIMED))}
    found = {claim.key: claim.judge(evidence).finding for claim in verdict.CLAIMS}
    assert list(found.values()) == ["holds"] * 6 + ["not tested"] * (len(verdict.CLAIMS) - 6)
    nothing = others | {TABLE4: _evidence()}
    assert {claim.judge(nothing).finding for claim in verdict.CLAIMS} == {"not tested"}


def test_the_advice_follows_from_the_runs() -> None:
    others = {name: Evidence(name, "", {}) for name in verdict.EXPERIMENTS}
    assert verdict.advice(others) == []
    (said,) = verdict.advice(others | {TABLE4: _evidence(_shifted(AS_CLAIMED))})
    assert "20 of the 121 sets, 2 seeds" in said
    assert re.search(
        r"above zero for CE\+EL 0 with a linear classifier, \+\d.*; CE\+EL 0 with one hidden", said
    )
    frame = verdict.gains_on_tables(others | {TABLE4: _evidence(_shifted(AS_CLAIMED))})
    rows = frame.set_index("Minus CE, points")
    assert list(rows.index) == [*NAMES[1:4], NAMES[EL]]
    assert str(rows.loc[NAMES[GRADUAL], "Linear"]) == "+3.00 ± <0.01"
    assert verdict.gains_on_tables(others).empty
    assert "Do not train with EL alone" in said
    (said,) = verdict.advice(others | {TABLE4: _evidence(_shifted([0.0] * 6, noise=0.02))})
    assert "No mixture's gain over CE can be told from zero." in said
    assert "Do not train" not in said


def test_the_advice_has_every_experiment_that_was_run() -> None:
    found = {name: recorded(name) for name in verdict.EXPERIMENTS}
    said = [each[2:].partition(":")[0] for each in verdict.advice(found)]
    assert said == ["Tables", "Images", "Images", "Texts"]


def test_the_names_and_looks_are_those_of_the_book() -> None:
    for method, look in zip(METHODS, figures.STYLES, strict=True):
        assert look.name == method.name
        if method.loss != "ceel":
            assert look == style.loss_style(method.loss)
    # No two methods of a figure share a colour.
    assert len({look.color for look in figures.STYLES}) == 6


def test_the_figure_of_gains_has_the_papers_numbers_and_ours() -> None:
    style.theme()
    figure = figures.gains(_shifted(AS_CLAIMED))
    mixtures, others = figure.axes[:2]
    assert [label.get_text() for label in mixtures.get_yticklabels()] == NAMES[1:4]
    diamonds = [
        float(line.get_xdata()[0])
        for line in mixtures.lines
        if line.get_marker() == "D" and len(line.get_xdata())
    ]
    assert diamonds == [0.09, 0.2, 0.3]
    ours = [float(c.lines[0].get_xdata()[0]) for c in others.containers]
    assert ours == pytest.approx([-5, -2], abs=0.01)
    alt = figures.gains_alt(_shifted(AS_CLAIMED))
    assert "CE+EL 0-0.5 +3.00 ± 0.00, the paper +0.30" in alt


def test_meaning_follows_from_the_runs() -> None:
    up = verdict.meaning(_shifted(AS_CLAIMED))
    assert len(up) == 2
    # Of 20 sets the mean gain, that by seed and the median; the paper's; sets better, equal and worse.
    constant, two_phase, gradual = NAMES[1:4]
    said = numbers(up[0].replace(gradual, "it"))
    assert said[:5] == ["20", "+3.00", "0.01", "+3.00", "+3.00"]
    assert said[5:10] == ["+3.00", "0.30", "20", "0", "0"]
    assert "outside" in up[0]
    # All three are ahead of CE, and each of those below it.
    assert re.findall(r"CE\+EL [\d.,-]*\d", up[0]) == [
        *(gradual, constant, two_phase, gradual),
        *(two_phase, constant, gradual, constant, gradual, two_phase),
    ]
    down = verdict.meaning(_shifted([-gain for gain in AS_CLAIMED]))
    assert numbers(down[0].replace(gradual, "it"))[1] == "-3.00"
    open_ = verdict.meaning(_study(_fixed(TABLE), 3))
    # 5/3 give or take 5.17.
    assert numbers(open_[0].replace(gradual, "it"))[1:3] == ["+1.67", "5.17"]
    assert "inside" in open_[0]
    assert re.findall(r"CE\+EL [\d.,-]*\d", open_[0]) == [gradual]
    assert len({text[0].split("**")[1] for text in (up, down, open_)}) == 3
    embedded = verdict.meaning(_study(_fixed(TABLE), 3, collection="sklearn"))
    assert "0.30" not in embedded[0], "the paper's gain is that on its own sets"
    single = verdict.meaning(_study(_fixed(TABLE), 3, seeds=1))
    assert len(numbers(single[0])) == len(numbers(open_[0])) - 2, "there is no gain by seed"
