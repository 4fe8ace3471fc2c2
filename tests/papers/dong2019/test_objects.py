"""The pages on objects, on records whose answer is known, and on none."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from said import numbers

from lossbook import datasets, experiments
from lossbook.evidence import claims
from lossbook.evidence.select import Evidence
from lossbook.papers.dong2019 import classes, fig1, fig2, fig5, hard_mining, objects_figures, table1
from lossbook.papers.dong2019.names import FREQUENCIES, ONE, OWN, USUAL
from lossbook.results import Record

MakeRecord = Callable[..., Record]
Value = Callable[[dict[str, Any], int], float]
TABLE1, CLASSES = "dong2019/table1", "dong2019/classes"


@pytest.fixture
def made(make_record: MakeRecord) -> Callable[..., list[Record]]:
    """A record of every run of a profile; its last accuracy is a function of labels and seed."""

    def make(name: str, profile: str, value: Value, seeds: int | None = None, **more: Any) -> list[Record]:
        return [
            replace(
                make_record([0.1, value(dict(cell.labels), spec.seed)], test_size=10_000, train_size=50_000),
                key=spec.key,
                experiment=name,
                profile=profile,
                labels=dict(cell.labels),
                config=spec.config,
                seed=spec.seed,
                **more,
            )
            for cell, spec in experiments.get(name).profile(profile).runs(seeds)
        ]

    return make


def mark(loss: str) -> int:
    """A number from 1 to 9 that differs from loss to loss, so that pairs of seeds do."""
    return 1 + ("ce", "lr", "hs_lr", "ss_lr", "hs_ce", "selected_ce").index(loss)


def evidence(name: str, *records: Record) -> Evidence:
    by_profile = {
        profile: found
        for profile in experiments.get(name).profiles
        if (found := [r for r in records if r.profile == profile])
    }
    return Evidence(name, "", by_profile)


def nothing() -> list[Evidence]:
    return [Evidence(TABLE1, "", {}), Evidence(CLASSES, "", {})]


def test_without_records_nothing_is_claimed() -> None:
    given = nothing()
    for module in (table1, classes, fig1, fig2, fig5, hard_mining):
        for claim in module.CLAIMS:
            assert claims.judge(module.CLAIMS, claim.key, *given).finding == "not tested", claim.key
    assert fig2.every_shown(*given) == []
    assert table1.not_recorded(given[0]) == ["paper", "resnet32", "reference"]


# --- Table 1 ---


def accuracy(labels: dict[str, Any], seed: int) -> float:
    """On 100 classes LR loses 4 points, and nothing with its biases set; on ten nothing differs."""
    base = 0.6 + 0.002 * seed
    own = {"lr": -0.04, "hs_lr": 0.01, "ss_lr": 0.012, "hs_ce": -0.01}.get(labels["loss"], 0.0)
    if labels["dataset"] == "cifar10" or labels["start"] == FREQUENCIES:
        own = 0.0
    spread = 0.0002 * mark(labels["loss"]) * (1 if labels["start"] == USUAL else 3)
    return base + own + spread * (-1) ** seed


def test_table_one_of_the_paper() -> None:
    assert table1.printed()["resnet32", "cifar100", "ss_lr"] == 69.1
    assert table1.paper_lead("cifar100", "ce", "lr") == 3.8
    assert table1.paper_lead("tiny_imagenet", "ss_lr", "ce") == 5.8
    assert table1.paper_lead("digits", "ce", "lr") is None


def test_lr_falls_behind_on_many_classes_and_its_biases_mend_it(made: Callable[..., list[Record]]) -> None:
    found = evidence(TABLE1, *made(TABLE1, "reference", accuracy))
    judged = {claim.key: claim.judge({TABLE1: found}) for claim in table1.CLAIMS}
    assert judged["lr-many-classes"].short == "holds in part, 2 of 2"
    assert judged["lr-many-classes"].differences[0].contrast.paper == 3.8
    assert judged["beyond-ce"].count == (4, 8)
    assert judged["large-networks"].finding == "not tested"
    over_lr, over_ce = (each.measure(found) for each in table1.remedy("cifar100"))
    assert over_lr is not None
    assert over_ce is not None
    assert over_lr.interval.mean == pytest.approx(0.04, abs=0.001)
    assert over_ce.interval.mean == pytest.approx(0, abs=0.001)
    said = table1.headline(judged["beyond-ce"], found)
    assert "+0.8" in said
    assert "4 of the 8" in said


def test_what_follows_for_someone_who_chooses_a_loss(made: Callable[..., list[Record]]) -> None:
    def said(key: str, value: Value, seeds: int | None = None) -> str:
        found = evidence(TABLE1, *made(TABLE1, "reference", value, seeds))
        return table1.follows(key, claims.judge(table1.CLAIMS, key, found), found)

    def level(labels: dict[str, Any], seed: int) -> float:
        return accuracy({**labels, "dataset": "cifar10"}, seed)

    assert "gains +4.0" in said("lr-many-classes", accuracy)
    assert said("lr-many-classes", level) == ""
    assert said("lr-many-classes", accuracy, 2) == ""  # two seeds show nothing
    # SS-LR minus LR whose biases are set, at one rate and at own rates.
    ahead, open_ = said("beyond-lr", accuracy), said("beyond-lr", level)
    assert (ahead.count("+1.19 ± 0.11"), open_.count("-0.01 ± 0.11")) == (2, 2)
    assert (" not " in ahead, " not " in open_) == (False, True)
    ahead = said("beyond-ce", lambda labels, seed: accuracy({**labels, "dataset": ""}, seed))
    assert "HS-LR and SS-LR" in ahead
    assert "CE" in said("beyond-ce", level)
    assert "LR" not in said("beyond-ce", level), "no loss is named beside CE"
    assert said("beyond-ce", level, 2) == ""
    assert said("soft-best", level) == ""


def test_table_one_has_a_row_for_every_cell_run(made: Callable[..., list[Record]]) -> None:
    found = evidence(TABLE1, *made(TABLE1, "reference", accuracy))
    frame, notes = table1.table(found, "reference")
    assert notes == []
    assert " ".join(frame["Loss"]) == "CE LR HS-LR SS-LR LR HS-LR SS-LR CE LR HS-LR SS-LR LR"
    assert frame["Paper (ResNet-32), %"].tolist()[:5] == ["68.1", "64.3", "68.9", "69.1", "–"]
    assert float(frame["Minus CE, points"][1].values["mean"]) == pytest.approx(-4, abs=0.1)
    assert str(frame["Minus LR, points"][1]) == "–"
    own, _ = table1.table(found, "reference", OWN)
    assert len(own) == len(table1.OWN_RATE)
    rows = table1.figure_rows(found, "reference")
    assert [len(each) for each in rows.values()] == [6, 4]
    assert len(objects_figures.differences(rows, "CE").axes) == 2


def test_two_seeds_have_no_interval(made: Callable[..., list[Record]]) -> None:
    found = evidence(TABLE1, *made(TABLE1, "reference", accuracy, 2))
    frame, _ = table1.table(found, "reference")
    assert str(frame["Ours, %"][0]) == "60.10 (2 runs)"
    assert str(frame["Minus CE, points"][1]).endswith(" (2 pairs)")
    assert str(frame["p (Holm), CE"][1]) == "–"
    assert not any(
        d.interval.bounded for rows in table1.figure_rows(found, "reference").values() for _, d in rows
    )


def test_rates_tables_mark_what_was_chosen(made: Callable[..., list[Record]]) -> None:
    records = made(TABLE1, "rates", lambda labels, _: 0.5 if labels["lr"] == 0.3 else 0.4)
    frame = table1.rates_table(evidence(TABLE1, *records))
    assert frame["Rate 0.3"].map(str).unique().tolist() == ["50.00 *"]
    assert frame["Rate 0.1"].map(str).tolist() == ["40.00"] * 5 + ["–"] * 4
    records = made(CLASSES, "rates", lambda labels, _: 0.5 if labels["lr"] == 0.1 else 0.4)
    frame = classes.rates_table(evidence(CLASSES, *records))
    assert len(frame) == 12
    assert frame["Rate 0.1"].map(str).unique().tolist() == ["50.00 *"]


# --- numbers of classes ---


def growing(per_doubling: float) -> Value:
    def value(labels: dict[str, Any], seed: int) -> float:
        gap = per_doubling * math.log2(labels["classes"]) if labels["loss"] == "lr" else 0.0
        if labels["start"] == FREQUENCIES:
            gap = gap / 10 + 0.001 * seed
        noise = 0.001 * (-1) ** seed * (mark(labels["loss"]) + seed + labels["classes"] % 3)
        return 0.7 + 0.01 * seed - gap + noise

    return value


@pytest.mark.parametrize(
    ("slope", "finding"), [(0.01, "holds in part"), (0.0, "not settled"), (-0.01, "does not carry over")]
)
def test_how_the_gap_grows(made: Callable[..., list[Record]], slope: float, finding: str) -> None:
    found = evidence(CLASSES, *made(CLASSES, "reference", growing(slope)))
    trend = classes.trend(found, "reference", "cifar100", ("lr", USUAL))
    assert list(trend.gaps) == [5, 10, 20, 50, 100]
    assert trend.slope is not None
    assert trend.slope.n == 5
    assert trend.slope.mean == pytest.approx(slope, abs=0.002)
    verdict = classes.judge_growth(found)
    assert verdict.finding == finding
    assert set(verdict.readings) == {"one rate for all", "each at its own rate"}
    if slope > 0:
        assert verdict.short == "holds in part, 4 of 4"


def test_what_is_equal_at_all_numbers_of_classes(made: Callable[..., list[Record]]) -> None:
    found = evidence(CLASSES, *made(CLASSES, "reference", growing(0.01)))
    each = classes.trend(found, "reference", "cifar100", ("lr", USUAL), ONE, classes.EACH)
    # With 100 classes both readings are one: 2,500 images are 25 of each.
    assert list(each.gaps) == [5, 20, 100]
    own = classes.trend(found, "reference", classes.OMNIGLOT, ("lr", USUAL), OWN)
    assert list(own.gaps) == [50, 200, 964]


def test_the_page_on_numbers_of_classes(made: Callable[..., list[Record]]) -> None:
    found = evidence(CLASSES, *made(CLASSES, "reference", growing(0.01)))
    frame, notes = classes.gap_table(found, "reference")
    assert notes == []
    # Four variants at five and three numbers of classes, LR at its own rate at three and three, and at 25
    # images of each class at three.
    assert len(frame) == 4 * 8 + 6 + 3
    assert len(classes.slope_table(found, "reference")) == 4 * 2 + 2 + 1
    assert len(objects_figures.gaps(classes.trends(found, "reference")).axes) == 2
    # CE minus LR with the fewest and the most classes, and its growth, on CIFAR-100 and then Omniglot.
    said = numbers(classes.headline(found, "reference"))
    assert said[:8] == ["100", "+2.30", "0.14", "5", "+6.62", "0.14", "100", "+1.00"]
    assert said[-2:] == ["964", "+1.00"]
    assert "at 964" in classes.alt(found, "reference")
    two = evidence(CLASSES, *made(CLASSES, "reference", growing(0.01), 2))
    assert classes.follows(two) == ""
    assert "−log(K − 1)" in classes.follows(found)
    # CE minus LR from such biases and from zero, with the classes of either set.
    assert numbers(classes.follows(found))[1:] == [
        *("+0.84", "0.24", "+6.62", "0.14", "100", "100"),
        *("+1.17", "0.24", "+9.89", "0.14", "964"),
    ]
    assert "±" not in classes.headline(two, "reference")


# --- Fig. 2 ---


def steps(ratio: Sequence[float], positive: Sequence[float] | None = None) -> dict[str, list[float]]:
    size = len(ratio)
    return {
        "loss": [2.0] * size,
        "positive": list(positive or [1.0] * size),
        "negative": [float(value) for value in np.linspace(10, 1, size)],
        "ratio": list(ratio),
        "positive_gradient": list(ratio),
        "negative_gradient": [1.0] * size,
    }


def test_measures_of_a_run_by_step(make_record: MakeRecord) -> None:
    ratio = [0.01] * 20 + [1.0] * 80
    positive = [0.7] + [2.7] * 4 + [1.0] * 95
    record = replace(make_record(0.5), steps=steps(ratio, positive))
    smooth = fig2.smooth_ratio(record)
    assert smooth[0] == pytest.approx(0.01)
    assert smooth[24] == pytest.approx((5 * 0.01 + 5) / 10)
    # Nine of ten steps at 1 are not quite 0.9 together with one of 0.01: 0.901 is.
    assert fig2.until_near(record) == pytest.approx(0.28)
    assert fig2.early_ratio(record) == pytest.approx(0.01)
    assert fig2.late_ratio(record) == pytest.approx(1)
    assert fig2.rise(record) == pytest.approx(1.65 - 0.7)
    # A part that only falls has not risen.
    assert fig2.rise(replace(record, steps=steps(ratio, list(np.linspace(2, 1, 100))))) < 0
    assert fig2.fall(record) == pytest.approx(0.9 * 4.5 / 99)
    never = replace(record, steps=steps([0.1] * 50))
    assert fig2.until_near(never) == 1


def by_loss(labels: dict[str, Any]) -> list[float]:
    slow = labels["loss"] == "lr" and labels["start"] == USUAL
    return [0.01] * 30 + [1.0] * 70 if slow else [1.0] * 100


def test_distraction_ends_with_the_biases(made: Callable[..., list[Record]]) -> None:
    def stepped(name: str) -> Evidence:
        records = made(name, "reference", lambda *_: 0.5)
        return evidence(
            name,
            *(
                replace(
                    r,
                    steps=steps(
                        [v + 0.001 * r.seed for v in by_loss(r.labels)],
                        [0.7, *np.linspace(3 + 0.1 * r.seed, 1, 99)],
                    ),
                )
                if r.config.get("step_measures")
                else r
                for r in records
            ),
        )

    given = [stepped(TABLE1), stepped(CLASSES)]
    shown = fig2.every_shown(*given)
    assert [each.classes for each in shown] == [100, 964]
    judged = {claim.key: claims.judge(fig2.CLAIMS, claim.key, *given) for claim in fig2.CLAIMS}
    assert judged["positive-rises"].finding == "holds in part"
    # The ratio is at 1 over the second half, though it was nearly zero before.
    assert judged["distracted-throughout"].finding == "does not carry over"
    frame, _ = fig2.table(shown[0])
    assert frame["Loss"].tolist() == ["LR", "LR, biases at −log(K − 1)", "HS-LR", "SS-LR"]
    assert float(frame["Ratio, first tenth"][0].values["mean"]) == pytest.approx(0.011)
    assert float(frame["Steps until it is 0.9, %"][0].values["mean"]) == pytest.approx(38, abs=1)
    assert float(frame["Steps until it is 0.9, %"][1].values["mean"]) == 0
    # Percent of the gradient from wrong classes: at the first step, over the second half, from low biases.
    assert numbers(fig2.headline(shown[0]))[2:] == ["98.9", "0.2", "50.0", "0.1", "50", "1", "50.0", "0.1"]
    assert len(objects_figures.distraction(shown[1]).axes) == 4
    assert "964 classes" in fig2.alt(shown[1])


def test_the_focus_is_raised_at_first_and_not_later(made: Callable[..., list[Record]]) -> None:
    """SS-LR starts at a higher ratio than LR, which is ahead by the end of the first tenth."""

    def ratios(record: Record) -> list[float]:
        first, later = {"lr": (0.01, 0.99), "ss_lr": (0.17, 0.97)}.get(record.labels["loss"], (0.5, 1.0))
        spread = 0.0005 * (1 + record.seed) * mark(record.labels["loss"])
        return [first + spread, *[later + spread] * 999]

    found = evidence(
        TABLE1,
        *(
            replace(r, steps=steps(ratios(r)))
            for r in made(TABLE1, "reference", accuracy)
            if r.config.get("step_measures")
        ),
    )
    verdict = claims.judge(fig2.CLAIMS, "focus-raised", found, Evidence(CLASSES, "", {}))
    assert verdict.readings == {
        "CIFAR-100, at the first step": "holds in part",
        "CIFAR-100, over the first tenth": "does not carry over",
    }
    assert verdict.short == "holds in part, 1 of 2"
    assert fig2.follows("focus-raised", verdict, found) == ""
    ended = claims.judge(fig2.CLAIMS, "distracted-throughout", found, Evidence(CLASSES, "", {}))
    assert "gains +4.0" in fig2.follows("distracted-throughout", ended, found)
    assert fig2.follows("distracted-throughout", replace(ended, finding="holds in part"), found) == ""


# --- Fig. 5 ---


def test_epochs_to_an_accuracy() -> None:
    curve = [0.2, 0.4, 0.8, 0.7]
    assert fig5.epochs_to(curve, 0.1) == 1
    assert fig5.epochs_to(curve, 0.3) == 1.5
    assert fig5.epochs_to(curve, 0.7) == pytest.approx(2.75)
    assert fig5.epochs_to(curve, 0.9) is None
    assert fig5.epochs_to([None, 0.4], 0.3) == 2


def test_losses_that_are_later_do_not_converge_as_fast(made: Callable[..., list[Record]]) -> None:
    def with_curves(late: Callable[[str, int], float], started: float = 0.0) -> Evidence:
        records = []
        for r in made(TABLE1, "reference", accuracy):
            epochs = np.arange(1, 10)
            sooner = started + 0.01 * r.seed if r.labels["start"] == FREQUENCIES else 0.0
            curve = (0.6 * np.clip(epochs / (4 + late(r.labels["loss"], r.seed) - sooner), 0, 1)).tolist()
            records.append(replace(r, curves={"test_accuracy": curve}, metrics={"test_accuracy": 0.6}))
        return evidence(TABLE1, *records)

    same = with_curves(lambda loss, seed: 0.05 * seed * mark(loss))
    assert fig5.AS_FAST.judge({TABLE1: same}).finding == "holds in part"
    late = with_curves(lambda loss, seed: (3 if loss == "lr" else 0) + 0.05 * seed * mark(loss))
    verdict = fig5.AS_FAST.judge({TABLE1: late})
    assert verdict.finding == "does not carry over"
    frame = fig5.table(late, "reference")
    assert list(frame)[1:] == ["To 30.0%", "To 45.0%", "To 54.0%", "To 90% of its own last", "Last, %"]
    assert float(frame["To 30.0%"][1].values["mean"]) > 3 > float(frame["To 30.0%"][0].values["mean"])
    assert len(objects_figures.convergence(late, "reference").axes) == 2
    assert "LR 60.0%" in fig5.alt(late, "reference")
    assert fig5.follows(late) == ""  # wherever its biases start
    late = with_curves(lambda loss, seed: (3 if loss == "lr" else 0) + 0.05 * seed * mark(loss), 3)
    assert "1.5 ± 0.0 epochs sooner" in fig5.follows(late)  # half of 3: to half of the last accuracy


# --- Fig. 1 ---


def distances(within: float) -> list[list[float]]:
    of = np.asarray(datasets.info("cifar100").superclass_of)
    far = np.where(of[:, None] == of[None], within, 1.0)
    # Not all pairs alike, as a correlation needs.
    return (far + 0.01 * np.abs(np.subtract.outer(np.arange(100), np.arange(100))) / 100).tolist()


def test_distances_follow_superclasses(make_record: MakeRecord) -> None:
    record = replace(make_record(0.5), config={"dataset": "cifar100"})
    near = replace(record, metrics={"class_distance": distances(0.5)})
    assert fig1.superclass_correlation(near) == pytest.approx(1, abs=0.01)
    same = replace(record, metrics={"class_distance": distances(1.0)})
    assert fig1.superclass_correlation(same) == pytest.approx(0, abs=0.05)
    assert fig1.superclass_correlation(record) is None
    assert fig1.superclass_correlation(replace(near, config={"dataset": "cifar10"})) is None


def test_features_are_compared_over_seeds(made: Callable[..., list[Record]]) -> None:
    rng = np.random.default_rng(0)
    records = []
    for r in made(TABLE1, "reference", accuracy):
        good = r.labels["loss"] != "lr"
        wiggle = 0.003 * (-1) ** r.seed * mark(r.labels["loss"])
        targets = np.repeat(np.arange(0, 100, 20), 8)
        points = targets[:, None] / 10.0 + rng.normal(size=(40, 6))
        metrics = {
            "test_accuracy": 0.5,
            "nearest_neighbour": (0.5 if good else 0.4) + wiggle,
            "silhouette": (0.1 if good else 0.0) + wiggle,
            "class_distance": distances(0.9 if good else 0.7),
            "class_features": points.tolist(),
            "class_targets": targets.tolist(),
        }
        records.append(replace(r, metrics=metrics))
    found = evidence(TABLE1, *records)
    judged = {claim.key: claim.judge({TABLE1: found}) for claim in fig1.CLAIMS}
    assert judged["lr-features"].short == "holds in part, 4 of 4"
    assert judged["ss-lr-features"].short == "holds in part, 4 of 4"
    # All seeds alike: no interval.
    assert judged["class-manifold"].finding == "not settled"
    assert fig1.follows("lr-features", found) == fig1.follows("class-manifold", found) == ""
    assert "+10.20 ± 1.72" in fig1.follows("ss-lr-features", found)
    assert " not " not in fig1.follows("ss-lr-features", found)
    low = [
        replace(r, metrics={**r.metrics, "nearest_neighbour": 0.55 + 0.003 * r.seed})
        if r.labels["start"] == FREQUENCIES
        else r
        for r in records
    ]
    assert "+15.10 ± 1.88" in fig1.follows("lr-features", evidence(TABLE1, *low))
    behind = fig1.follows("ss-lr-features", evidence(TABLE1, *low))
    assert "-4.90 ± 3.52" in behind
    assert " not " in behind
    frame, _ = fig1.table(found, "reference")
    assert frame["Loss"].tolist() == ["CE", "LR", "HS-LR", "SS-LR", "LR, biases at −log(K − 1)"]
    pictured = fig1.embeddings(found, "reference")
    assert [each.variant[0] for each in pictured] == ["ce", "lr", "ss_lr", "hs_lr"]
    assert list(pictured[0].names) == [0, 20, 40, 60, 80]
    assert fig1.neighbours(pictured[0]) > 0.5
    assert len(objects_figures.embeddings(pictured).axes) == 4
    assert "apple, chair" in fig1.alt(pictured)


# --- hard mining on CE ---


def test_hard_mining_does_not_help_ce(made: Callable[..., list[Record]]) -> None:
    found = evidence(TABLE1, *made(TABLE1, "reference", accuracy))
    verdict = hard_mining.NO_HELP.judge({TABLE1: found})
    assert set(verdict.readings) == set(hard_mining.READINGS.values())
    assert verdict.finding == "holds in part"
    assert verdict.differences[0].contrast.paper == 0.0
    gains = any(d.above for d in verdict.differences)
    assert not gains
    assert hard_mining.follows(verdict)
    lower = evidence(
        TABLE1, *made(TABLE1, "reference", lambda *a: accuracy(*a) - 0.1 * (a[0]["loss"] == "selected_ce"))
    )
    costs = hard_mining.NO_HELP.judge({TABLE1: lower})
    assert costs.differences[-1].below
    assert f"{costs.differences[-1].short()} points" in hard_mining.follows(costs)
    helped = evidence(
        TABLE1, *made(TABLE1, "reference", lambda *a: accuracy(*a) + 0.1 * (a[0]["loss"] == "hs_ce"))
    )
    assert hard_mining.follows(hard_mining.NO_HELP.judge({TABLE1: helped})) == ""
    frame, _ = hard_mining.table(found, "reference")
    assert len(frame) == 5
    assert float(frame["Difference, points"][1].values["mean"]) == pytest.approx(-1, abs=0.1)
    assert float(frame["Difference, points"][4].values["mean"]) == pytest.approx(5, abs=0.2)
    assert hard_mining.printed_table()["CE"].tolist() == ["57.0", "35.8", "80.0"]


def test_a_page_on_one_data_set_shows_no_other(made: Callable[..., list[Record]]) -> None:
    records = made(TABLE1, "reference", accuracy)
    ten = [r for r in records if r.labels["dataset"] == "cifar10"]
    notes = ("CIFAR-10: 9,980 images", "others")
    left = table1.only(replace(evidence(TABLE1, *records), notes=notes), "cifar100")
    assert {r.labels["dataset"] for r in left.records} == {"cifar100"}
    assert left.notes == ("others",)
    assert fig5.shown(left) == ["reference"]
    assert fig5.shown(table1.only(evidence(TABLE1, *ten), "cifar100")) == []
    # Runs that choose a rate are none that a page compares.
    assert not table1.only(evidence(TABLE1, *made(TABLE1, "rates", accuracy)), "cifar100").records
