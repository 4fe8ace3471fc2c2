"""Table 1: what is run, and what its losses gain, on records whose answer is known."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from dong2019_runs import CLASSES, TABLE1, Value, accuracy, evidence
from said import numbers

from lossbook import experiments, losses
from lossbook.evidence import claims
from lossbook.papers.dong2019 import classes, fig5, hard_mining, objects_figures, table1
from lossbook.papers.dong2019.names import FREQUENCIES, LOSSES, OPTIONS, OWN, USUAL
from lossbook.results import Record


def test_every_loss_is_run_at_one_rate_and_at_its_own() -> None:
    cells = experiments.get("dong2019/table1").profile("reference").cells
    run = [tuple(cell.labels[n] for n in ("dataset", "loss", "start", "lr")) for cell in cells]
    assert len(set(run)) == len(run)
    for dataset in ("cifar100", "cifar10"):
        assert {(dataset, loss, USUAL, table1.ONE_RATE) for loss in LOSSES} <= set(run)
        assert (dataset, "lr", FREQUENCIES, table1.ONE_RATE) in run
    assert {(*which, rate) for which, rate in table1.OWN_RATE.items()} <= set(run)
    for cell in cells:
        by_step = cell.spec.step_measures == ["parts"]
        hard = cell.labels["loss"] in table1.HARD_CE
        assert by_step == (cell.labels["dataset"] == "cifar100" and not hard)
        assert (cell.spec.output_bias == FREQUENCIES) == (cell.labels["start"] == FREQUENCIES)
        assert cell.spec.validation_size is None


def test_the_papers_protocol_has_its_settings() -> None:
    profile = experiments.get("dong2019/table1").profile("paper")
    assert profile.seeds == 10
    for cell in profile.cells:
        spec = cell.spec
        assert spec.epochs == 300
        assert spec.optimizer_options == {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
        assert spec.batch_size == (64 if spec.dataset == "tiny_imagenet" else 128)
        # What Fig. 1 is drawn from; the runs that compare hard selection on CE need none of it.
        pictured = spec.dataset == "cifar100" and spec.loss in LOSSES
        assert spec.measures == (["class_quality", "class_features"] if pictured else None)
    small, large = (
        {repr(replace(c.spec, model="")): c.labels["loss"] for c in profile.cells if c.spec.model == model}
        for model in ("cifar_resnet32", "wide_resnet28_10")
    )
    assert len(small) == 18
    # The paper tried hard selection on CE with the large network alone.
    assert {large.pop(each) for each in large.keys() - small.keys()} == set(table1.HARD_CE)
    assert small == large
    short = experiments.get("dong2019/table1").profile("resnet32").cells
    assert {cell.spec.schedule["at"] == [5.0, 7.5] for cell in short if cell.spec.schedule} == {True}
    assert [(c.labels["loss"], c.labels["start"]) for c in short] == [
        *((loss, USUAL) for loss in LOSSES),
        ("lr", FREQUENCIES),
    ]


def test_defaults_that_are_left_out_are_the_papers() -> None:
    for loss, options in table1.AS_THERE.items():
        assert repr(losses.get(loss, **options)) == repr(losses.get(loss, **OPTIONS[loss]))


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
    # Where a loss is at its best at the common rate, both readings are the same runs.
    assert numbers(said)[-2:] == ["3", "6"]


def test_the_main_obstacle_is_what_holds_back_more_than_half(made: Callable[..., list[Record]]) -> None:
    def closing(share: float) -> Value:
        def value(labels: dict[str, Any], seed: int) -> float:
            gap = 0.1 * (labels["loss"] == "lr") * (1 - share * (labels["start"] == FREQUENCIES))
            return 0.6 - gap + 0.001 * seed * (1 + (labels["start"] == FREQUENCIES))

        return value

    most, part = (evidence(TABLE1, *made(TABLE1, "reference", closing(share))) for share in (0.8, 0.2))
    verdict = table1.OBSTACLE.judge({TABLE1: most})
    assert verdict.short == "holds in part, 2 of 2"
    # 0.8 of ten points are three above the middle, and the seeds add a fifth of one.
    assert 100 * verdict.differences[0].interval.mean == pytest.approx(3.2)
    assert {r.labels["loss"] for r in verdict.records} == {"ce", "lr"}
    assert table1.OBSTACLE.judge({TABLE1: part}).finding == "does not carry over"


def test_what_follows_for_someone_who_chooses_a_loss(made: Callable[..., list[Record]]) -> None:
    def said(key: str, value: Value, seeds: int = 3) -> str:
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

    def soft(labels: dict[str, Any], seed: int) -> float:
        # The soft selection is ahead from the usual start, and behind from low biases.
        gain = 0.02 * (labels["loss"] == "ss_lr") * (1 if labels["start"] == USUAL else -1)
        return level(labels, seed) + gain

    assert re.findall(r"-\d.\d+ ± ", said("soft-best", soft)), "the reverse from low biases is said"


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


def test_the_large_network_stands_beside_its_own_numbers_of_the_paper(
    made: Callable[..., list[Record]],
) -> None:
    def by_network(labels: dict[str, Any], seed: int) -> float:
        large = labels["network"] == "wide_resnet28_10"
        return (
            0.6
            + 0.2 * large
            + 0.03 * (labels["loss"] in ("hs_lr", "ss_lr", "hs_ce")) * (1 - 2 * large)
            + 0.001 * seed * (labels["loss"] == "ce")
        )

    found = evidence(TABLE1, *made(TABLE1, "paper", by_network))
    small, _ = table1.table(found, "paper")
    large, _ = table1.table(found, "paper", network="wide_resnet28_10")
    assert len(small) == len(large) == 12
    paper = dict(
        zip(zip(large["Data"], large["Loss"], strict=True), large["Paper (WideResNet-28-10), %"], strict=True)
    )
    assert (paper["CIFAR-100", "CE"], paper["CIFAR-100", "HS-LR"], paper["CIFAR-100", "SS-LR"]) == (
        "81.0",
        "79.0",
        "–",
    )
    judged = claims.judge(table1.CLAIMS, "large-networks", found)
    assert judged.finding == "does not hold"
    assert all(d.interval.mean == pytest.approx(-0.0345) for d in judged.differences)
    assert claims.judge(table1.CLAIMS, "beyond-ce", found).differences[0].interval.mean == pytest.approx(
        0.0255
    )
    mined = claims.judge(hard_mining.CLAIMS, "hard-mining-ce", found)
    assert mined.differences[0].interval.mean == pytest.approx(-0.0345)
