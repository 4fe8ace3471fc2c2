"""The image experiments of battash2021: what they declare, and tables and findings whose answer is known."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from said import numbers

from lossbook import experiments
from lossbook.evidence import Evidence
from lossbook.losses import MixingSchedule
from lossbook.pages import style
from lossbook.papers.battash2021 import (
    escaping,
    fig1,
    gradient_norm,
    images_figures,
    motivation,
    table1,
    table5,
    table6,
    verdict,
)
from lossbook.papers.battash2021.protocol import CE, CONSTANT, GRADUAL, MIXTURES, REGIMES, TWO_PHASE
from lossbook.papers.battash2021.protocol import title as name_of
from lossbook.results import Record, arrays, published

ITEMS = ("table1", "motivation", "gradient_norm", "table5", "table6", "escaping")
NOTEBOOKS = Path(__file__).parents[3] / "notebooks" / "battash2021"


def made(
    item: str, profile: str, accuracy: Callable[..., float], seeds: int = 3, **where: Any
) -> list[Record]:
    """Records of the declared cells that have these labels; ``accuracy`` is given labels and seed."""
    style.theme()
    found = []
    for cell in experiments.get(f"battash2021/{item}").profile(profile).cells:
        if any(cell.labels.get(name) != value for name, value in where.items()):
            continue
        for seed in range(seeds):
            spec = replace(cell.spec, seed=seed)
            last = accuracy(seed=seed, **cell.labels)
            curve = [last * (epoch + 1) / spec.epochs for epoch in range(spec.epochs)]
            found.append(
                Record(
                    key=spec.key,
                    experiment=f"battash2021/{item}",
                    profile=profile,
                    labels=dict(cell.labels),
                    config=spec.config,
                    seed=seed,
                    status="finished",
                    metrics={"test_accuracy": last},
                    curves={"test_accuracy": curve},
                    provenance={
                        "train_size": 50_000,
                        "test_size": 10_000,
                        "data_notes": [],
                        "code": "0123456789ab",
                        "seconds": 60.0 * spec.epochs * (2 if spec.step else 1),
                    },
                )
            )
    assert found, "no cell has these labels"
    return found


def evidence(item: str, *groups: list[Record]) -> Evidence:
    records = [record for group in groups for record in group]
    name = f"battash2021/{item}"
    by_profile = {p: [r for r in records if r.profile == p] for p in experiments.get(name).profiles}
    return Evidence(name, "recorded", {p: found for p, found in by_profile.items() if found})


def gains(**points: float) -> Callable[..., float]:
    """Accuracy 0.7 for CE, and so many points more for other regimes, whose seeds scatter."""
    scatter = {"ceel": 0.001, "el": 0.002}

    def accuracy(seed: int, loss: str, schedule: str, **_: Any) -> float:
        return 0.7 + points.get(name_of((loss, schedule)), 0.0) / 100 + scatter.get(loss, 0.0) * (seed % 3)

    return accuracy


# --- what is declared ---


def test_table_1_at_paper_scale_is_the_papers_protocol():
    cells = experiments.get("battash2021/table1").profile("paper").cells
    for cell in cells:
        spec, labels = cell.spec, cell.labels
        assert spec.optimizer_options == {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
        cifar = labels["dataset"] == "cifar100"
        assert (spec.epochs, spec.batch_size) == ((240, 128) if cifar else (90, 256))
        assert spec.schedule == {"name": "steps", "at": [120, 160, 200] if cifar else [30, 60]}
        rotated = not cifar and labels["network"] == "li2020_resnet18"
        assert spec.augmentation == ("crop_flip_rotate" if rotated else "crop_flip")
        assert spec.loss_options == ({"schedule": labels["schedule"]} if labels["schedule"] else {})
    regimes = {(c.labels["loss"], c.labels["schedule"]) for c in cells}
    assert regimes == set(REGIMES)
    assert len(cells) == 2 * 3 * 4


@pytest.mark.parametrize("item", ITEMS)
def test_twelve_epochs_make_six_equal_phases_and_leave_one_for_el_alone(item):
    """A schedule in whole epochs is the paper's only where its phases come out even."""
    for name, profile in experiments.get(f"battash2021/{item}").profiles.items():
        for cell in profile.cells:
            epochs = cell.spec.epochs
            if cell.labels["schedule"] == "0-0.5" and name not in ("paper",):
                assert {p.epochs for p in MixingSchedule("0-0.5").phases(epochs)} == {epochs // 6}
    last = MixingSchedule("0,0.5").phases(12)[-1]
    assert (last.start, last.epochs, last.alpha) == (11, 1, 0.0)


def test_regimes_of_the_main_table_differ_in_the_loss_alone():
    for profile in ("reference", "resnet20", "cifar10"):
        others = set()
        for cell in experiments.get("battash2021/table1").profile(profile).cells:
            config = cell.spec.config
            del config["loss"], config["loss_options"]
            others.add(str(config))
        assert len(others) == 1
    assert experiments.get("battash2021/table1").profile("reference").seeds == 8


@pytest.mark.parametrize(
    ("item", "profile"),
    [
        ("motivation", "reference"),
        ("gradient_norm", "reference"),
        ("table5", "reference"),
        ("table6", "cifar10"),
    ],
)
def test_nothing_that_table_1_has_is_trained_again(item, profile):
    def plain(cell):
        return replace(cell.spec, epoch_measures=None).key

    table = {plain(c) for c in experiments.get("battash2021/table1").profile(profile).cells}
    mine = {plain(c) for c in experiments.get(f"battash2021/{item}").profile(profile).cells}
    assert not table & mine
    # What is read beside it has the labels that it is selected by.
    labels = {name for c in experiments.get("battash2021/table1").profile(profile).cells for name in c.labels}
    own = experiments.get(f"battash2021/{item}").profile(profile).cells[0].labels
    assert labels <= set(own)


def test_complement_training_takes_twice_the_passes():
    cells = experiments.get("battash2021/table5").profile("reference").cells
    assert {c.spec.step for c in cells if c.labels["loss"] == "cot"} == {"complement"}
    longer = [c for c in cells if c.labels["length"] == table5.COST]
    assert {(c.spec.epochs, c.spec.step) for c in longer} == {(24, None)}


def test_rates_are_chosen_on_held_out_training_images():
    cells = experiments.get("battash2021/gradient_norm").profile("rates").cells
    assert {c.spec.validation_size for c in cells} == {4999}
    found = made(
        "gradient_norm", "rates", lambda lr, **_: 0.5 - abs(np.log10(lr) - np.log10(0.3)) / 10, seeds=1
    )
    assert gradient_norm.choose(found) == {GRADUAL: 0.3, CE: 0.3, gradient_norm.EL: 0.3}
    # Without one of its rates a regime is left open.
    part = [r for r in found if (r.labels["loss"], r.labels["lr"]) != ("el", 10.0)]
    assert gradient_norm.EL not in gradient_norm.choose(part)
    assert len(gradient_norm.rates_table(evidence("gradient_norm", found))) == len(found)


# --- Table 1 ---


def test_a_gain_of_every_mixture_holds_in_part_at_most():
    accuracy = gains(**{"CE+EL 0": 0.5, "CE+EL 0,0.5": 0.5, "CE+EL 0-0.5": 0.6})
    found = evidence(
        "table1",
        made("table1", "reference", accuracy, seeds=8),
        made("table1", "resnet20", accuracy),
    )
    judged = verdict.judge("images", found)
    assert judged.finding == "holds in part"
    assert judged.count == (6, 6)
    assert "12 epochs, 8 seeds" in judged.basis
    first = judged.differences[0]
    assert 100 * first.interval.mean == pytest.approx(0.5 + 0.7 / 8, abs=0.02)
    # ResNet-20 has a number of the paper's to stand beside; the reference network has none.
    by_network = {d.runs.records[0].labels["network"]: d.contrast.paper for d in judged.differences}
    assert by_network["reference_small"] is None
    assert by_network["cifar_resnet20"] == pytest.approx(68.48 - 68.25)


def test_no_gain_does_not_hold_once_both_networks_have_been_run():
    losing = gains(**dict.fromkeys(("CE+EL 0", "CE+EL 0,0.5", "CE+EL 0-0.5"), -0.5))
    one = made("table1", "reference", losing, seeds=8)
    judged = verdict.judge("images", evidence("table1", one))
    assert (judged.finding, judged.count, judged.open) == ("not settled", (0, 3), 3)
    both = evidence("table1", one, made("table1", "resnet20", losing))
    assert verdict.judge("images", both).finding == "does not carry over"


def test_advice_names_the_mixtures_that_differ_from_ce():
    def said(seeds=8, **points):
        text = table1.follows(evidence("table1", made("table1", "reference", gains(**points), seeds=seeds)))
        return re.findall(r"(CE\+EL \S+)[^+±]*? ([+-]\d\.\d+) ± ", text) if text else text

    # Their seeds scatter between 0 and 0.2: at -0.1 the constant mixture cannot be told from CE.
    worse = said(**{"CE+EL 0": -0.1, "CE+EL 0,0.5": -0.5, "CE+EL 0-0.5": -1.0})
    assert worse == [("CE+EL 0,0.5", "-0.41"), ("CE+EL 0-0.5", "-0.91")]
    both = said(**{"CE+EL 0": 1.0, "CE+EL 0,0.5": -0.09, "CE+EL 0-0.5": -1.0})
    assert both == [("CE+EL 0", "+1.09"), ("CE+EL 0-0.5", "-0.91")]
    # Without an interval there is nothing to go by.
    assert said(seeds=2, **{"CE+EL 0-0.5": -1.0}) == ""


def test_table_1_beside_the_papers_and_its_best_epoch():
    found = evidence("table1", made("table1", "resnet20", gains(**{"CE+EL 0-0.5": 1.0})))
    frame, _ = table1.TABLE.frame(found, "resnet20")
    rows = {(r["Loss"], r["F"]): r for r in frame.to_dict("records")}
    assert rows["CE+EL", "0-0.5"]["Paper"] == "68.48"
    assert str(rows["CE+EL", "0-0.5"]["Ours minus CE"]).startswith("+1.10 ± ")
    best = table1.best_epoch_table(found, "resnet20").set_index("Regime")
    # The curves rise to their end, so the best epoch is the last and adds nothing.
    assert str(best.loc["CE", "Best epoch adds, points"]) == "0.00 (n = 3)"
    assert best.loc["CE", "Best epochs"] == "12, 12, 12"
    assert table1.power_text(found, "resnet20").count("points") >= 4


def test_a_better_epoch_before_the_last_counts_only_where_it_is_read():
    records = made("table1", "cifar10", gains(), loss="ceel", schedule="0-0.5")
    moved = [
        replace(
            r,
            curves={"test_accuracy": [*r.curves["test_accuracy"][:-2], 0.75, r.curves["test_accuracy"][-1]]},
        )
        for r in records
    ]
    found = evidence("table1", moved, made("table1", "cifar10", gains(), loss="ce"))
    last, best = (
        table1.gain(GRADUAL, "cifar10", metric=metric).at(found, "cifar10")
        for metric in ("test_accuracy", "best_test_accuracy")
    )
    assert last is not None
    assert best is not None
    assert 100 * last.interval.mean == pytest.approx(0.1)
    assert 100 * best.interval.mean == pytest.approx(5.0)


# --- the motivating example ---

RIGHT = 16


def tracked(record: Record, states: list[list[int]]) -> Record:
    return replace(record, curves=record.curves | {"test_tracked": states, "train_tracked": states})


def test_fates_by_hand():
    # Five images over four epochs; followed from epoch 3.
    before = [RIGHT + 9, RIGHT + 4, 1, 1, 3]
    after = [RIGHT + 9, 2, RIGHT + 5, 0, RIGHT + 6]
    found = motivation.fates(np.array([before, before, before, after]))
    assert motivation.start_epoch(4) == 3
    assert {name: (f.images, f.right) for name, f in found.items()} == {
        "correct": (2, 1),
        "wrong_above_0.2": (1, 1),
        "wrong_below_0.2": (2, 1),
    }


@pytest.mark.parametrize(("epochs", "start"), [(90, 70), (12, 9), (6, 5), (2, 1)])
def test_groups_are_made_after_78_percent(epochs, start):
    assert motivation.start_epoch(epochs) == start


def test_the_papers_groups_are_those_it_prints():
    found = motivation.printed()
    rows = {r["group"]: r for r in published("battash2021", "motivation").to_dict("records")}
    for group in ("wrong_above_0.2", "wrong_below_0.2"):
        assert round(100 * found[group].share, 2) == float(rows[group]["percent"])
    assert sum(f.images for f in found.values()) == 10_000


def lost(back_sure: int, back_unsure: int) -> list[list[int]]:
    """Of 20 images, 10 right throughout; of 5 wrong ones each at p = 0.35 and p = 0.05 so many come back."""
    start = [RIGHT + 8] * 10 + [3] * 5 + [0] * 5
    end = list(start)
    for place, count in ((10, back_sure), (15, back_unsure)):
        end[place : place + count] = [RIGHT + 6] * count
    return [start] * 11 + [end]


def test_images_that_come_back():
    records = [
        tracked(r, lost(3 + r.seed % 2, 1 if r.labels["loss"] == "ce" else 0))
        for r in made("table1", "reference", gains(), seeds=4)
    ]
    one, other = evidence("motivation"), evidence("table1", records)
    judged = verdict.judge("left-behind", one, other)
    assert judged.finding == "holds in part"
    (difference,) = judged.differences
    assert 100 * difference.interval.mean == pytest.approx(70 - 20)
    assert difference.contrast.paper == pytest.approx(35.1, abs=0.05)
    # Of those with p < 0.2, ours and the paper's percentages.
    assert numbers(judged.evidence[1]) == ["0.2", "20.00", "3.35"]
    assert motivation.condition(judged).endswith(judged.evidence[1])
    both = motivation.together(one, other)
    frame = motivation.groups_table(both, "reference").set_index("Runs")
    assert frame.loc["Paper: CE, ResNet-32", "wrong, p < 0.2"] == "3.35"
    assert str(frame.loc["CE", "wrong, p < 0.2"]) == "20.00"
    assert str(frame.loc["CE+EL 0-0.5", "wrong, p < 0.2"]) == "0.00"
    flow = motivation.flow_table(both, "reference").set_index("Runs")
    assert flow.loc["Paper: CE, ResNet-32"].tolist() == ["23.5", "8.8", "28.4"]
    assert str(flow.loc["CE", "Come back, p < 0.2"]) == "50.0"
    returned = motivation.returned(GRADUAL).at(both, "reference")
    assert returned is not None
    assert 100 * returned.interval.mean == pytest.approx(-20)
    assert motivation.returning(both, "reference")[CE][8] == pytest.approx(20)
    assert len(images_figures.returning(both, "reference").axes) == 2
    # More training images come back than test images, and the axis they share has room for them.
    better = [replace(r, curves=r.curves | {"train_tracked": lost(5, 5)}) for r in records]
    drawn = images_figures.returning(motivation.together(one, evidence("table1", better)), "reference")
    assert all(max(line.get_ydata()) <= ax.get_ylim()[1] for ax in drawn.axes for line in ax.lines)
    assert "CE, test images: 20.0%" in images_figures.returning_alt(both, "reference")


def test_runs_without_lost_images_beside_their_control_and_table_1():
    def accuracy(seed, loss, **_):
        return 0.7 + {"ce_without_lost": 0.01, "ce_without_random": -0.005}.get(loss, 0.0) + 0.001 * seed

    own = [tracked(r, lost(3, 1)) for r in made("motivation", "reference", accuracy, run="falling")]
    one = evidence("motivation", own)
    both = motivation.together(one, evidence("table1", made("table1", "reference", accuracy, loss="ce")))
    pairs = ((motivation.WITHOUT_LOST, CE), (motivation.WITHOUT_RANDOM, CE), motivation.OMITTING)
    found = [motivation.omitted(*pair).at(both, "reference") for pair in pairs]
    assert [100 * each.interval.mean for each in found] == pytest.approx([1.0, -0.5, 1.5])
    assert found[0].what == "CE without lost images minus CE, CIFAR-100"
    # They are no runs of the paper's figure.
    assert motivation.returning(one, "reference") == {}
    assert motivation.groups_table(one, "reference")["Runs"].tolist()[1:] == [
        "CE without lost images",
        "CE without random images",
    ]


def test_states_of_ten_thousand_images_are_read_from_their_file(store):
    (record,) = made("table1", "reference", gains(), seeds=1, loss="ce")
    kept = np.tile(np.arange(10_000) % 26, (12, 1)).astype(np.uint8)
    file = arrays.write(store.working / record.experiment, kept)
    record = replace(record, files={"curves/test_tracked": file})
    assert np.array_equal(motivation.states(record, "test"), kept)
    # None of them changes.
    assert motivation.fates(motivation.states(record, "test"))["correct"].share == 1


# --- the gradient's norm ---


def test_the_factors_are_those_of_the_derivation():
    frame = gradient_norm.factors()
    assert frame["Eq. 21"].tolist() == ["1.33", "1.42", "1.56", "1.83", "2.67", "0.33"]
    assert frame["Eq. 22"].tolist() == ["1.50", "1.62", "1.83", "2.25", "3.50", "0.50"]


def test_ce_at_the_mixtures_size_is_compared_with_table_1s_runs():
    accuracy = gains(**{"CE+EL 0-0.5": 1.0, "EL": -20.0})
    own = evidence("gradient_norm", made("gradient_norm", "reference", accuracy))
    other = evidence("table1", made("table1", "reference", accuracy, seeds=8))
    judged = verdict.judge("size", own, other)
    assert judged.finding == "holds in part"
    assert judged.count == (2, 2)
    assert judged.differences[0].interval.n == 3
    assert {r.experiment for r in judged.records} == {"battash2021/gradient_norm", "battash2021/table1"}
    frame, _ = gradient_norm.table(gradient_norm.together(own, other), "reference")
    rows = {(r["Regime"], r["Rate"]): r for r in frame.to_dict("records")}
    assert set(rows) == {
        ("CE", "1"),
        ("CE+EL 0-0.5", "0.3"),
        ("CE+EL 0-0.5", "1"),
        ("CE, sized by Eq. 21", "1"),
        ("CE, sized by Eq. 22", "1"),
        ("EL", "1"),
    }
    assert str(rows["CE", "1"]["Minus CE+EL 0-0.5"]).startswith("-1.0")
    assert str(rows["EL", "1"]["Minus CE"]).startswith("-19.80")


# --- Tables 5 and 6 ---


def test_complement_training_at_equal_epochs_and_at_equal_cost():
    def accuracy(seed: int, loss: str, length: str = "", **_: Any) -> float:
        return 0.7 + 0.02 * (loss == "cot") + 0.03 * (length == table5.COST) + 0.001 * seed * (loss == "cot")

    own = evidence("table5", made("table5", "reference", accuracy))
    other = evidence("table1", made("table1", "reference", accuracy, seeds=8))
    judged = verdict.judge("complement", own, other)
    assert judged.finding == "holds in part"
    assert judged.differences[0].contrast.paper == pytest.approx((1.12 + 0.86 + 1.01) / 3)
    both = table5.together(own, other)
    assert table5.lead(CE, table5.EPOCHS).in_words(both).startswith("+2.10 points")
    assert table5.lead(CE, table5.COST).in_words(both).startswith("-0.90 points")
    frame, _ = table5.table(both, "reference")
    assert list(zip(frame["Regime"], frame["Epochs"], strict=True)) == [
        ("CE", "12"),
        ("CE", "24"),
        ("CE+EL 0-0.5", "12"),
        ("CE+EL 0-0.5", "24"),
        ("COT", "12"),
    ]
    minutes = [str(value) for value in frame["Minutes per run"]]
    assert minutes == ["12.0", "24.0", "12.0", "24.0", "24.0"]
    assert len(table5.paper_table()) == 6


def test_table_5_at_paper_scale_has_a_row_per_network():
    found = evidence("table5", made("table5", "paper", lambda seed, **_: 0.7 + 0.001 * seed))
    frame, _ = table5.table(found, "paper")
    assert len(frame) == 9
    assert set(frame["Data"]) == {"CIFAR-100", "Tiny ImageNet"}


def test_gains_under_regularisation():
    def accuracy(seed: int, loss: str, regularisation: str = table6.BASELINE, **_: Any) -> float:
        more = {table6.ERASING: -0.02, table6.DROPOUT: 0.01}.get(regularisation, 0.0)
        gain = 0.006 if regularisation == table6.JITTER else 0.004
        return 0.9 + more + (gain + 0.0001 * seed) * (loss == "ceel")

    own = evidence("table6", made("table6", "cifar10", accuracy))
    other = evidence("table1", made("table1", "cifar10", accuracy))
    judged = verdict.judge("regularisation", own, other)
    assert judged.finding == "holds in part"
    assert judged.count == (4, 4)
    # A gain without further regularisation does not remain under it by itself.
    assert table6.gain(table6.BASELINE).what not in {d.what for d in judged.differences}
    frame, _ = table6.table(table6.together(own, other), "cifar10")
    rows = {r["Regularisation"]: r for r in frame.to_dict("records")}
    assert len(rows) == 6
    assert str(rows["random erasing"]["Adds to CE"]).startswith("-2.00")
    assert str(rows["colour jitter"]["Gain of CE+EL 0-0.5"]).startswith("+0.61")
    assert rows["colour jitter"]["Paper (CINIC-10, ResNet-34)"] == "+1.13"
    # Table 1's runs are the baseline, which the claim does not rest on.
    assert verdict.judge("regularisation", own, evidence("table1")).count == (4, 4)


# --- escaping ---


def escaping_runs(own: float, scale: float) -> Evidence:
    """CE has a trace of 10; every other regime ``own`` under its loss and 10 under CE, at a scale."""
    records = []
    for r in made("escaping", "reference", lambda seed, **_: 0.8 + 0.01 * seed):
        ce = r.labels["loss"] == "ce"
        value, c = (10.0, 1.0) if ce else (own * (1 + 0.01 * r.seed), scale)
        epochs = 12
        records.append(
            replace(
                r,
                curves=r.curves
                | {
                    "own_trace": [value] * epochs,
                    "ce_trace": [10.0] * epochs,
                    "scale": [c] * epochs,
                    "sharpness": [3.0 + r.seed] * epochs,
                },
            )
        )
    return evidence("escaping", records)


def test_a_larger_trace_can_be_the_scale_alone():
    found = escaping_runs(own=80.0, scale=2.0)
    assert verdict.judge("escapes", found).finding == "holds in part"
    at_scale = verdict.judge("escapes-at-scale", found)
    assert at_scale.differences[0].interval.mean == pytest.approx(0.01, abs=0.001)  # 80 / 8 is 10
    smaller = escaping_runs(own=40.0, scale=2.0)
    assert verdict.judge("escapes", smaller).finding == "holds in part"
    assert verdict.judge("escapes-at-scale", smaller).finding == "does not hold"


def test_traces_and_what_goes_with_them():
    found = escaping_runs(own=80.0, scale=2.0)
    frame = escaping.table(found, "reference").set_index("Regime")
    assert str(frame.loc["CE", "tr(HΣ) under its own loss"]) == "10"
    assert str(frame.loc["CE+EL 0", "Scale c, mean"]) == "2"
    rho = escaping.correlation(found, "reference", "sharpness")
    assert rho is not None
    assert rho == (pytest.approx(1.0), 15)
    first, second = escaping.correlations_text(found, "reference").splitlines()[2:]
    # Sharpness comes last; the second line leaves EL out.
    assert (numbers(first)[0], numbers(first)[-1]) == ("15", "+1.00")
    assert numbers(second)[0] == "12"
    assert escaping.correlations_text(found, "paper") == ""
    assert str(escaping._band([1.0, 2.0, 3.0], ())) == "2.0 ± 2.5"
    assert str(escaping._band([1e4, 2e4, 3e4], ())) == "2.0e4 ± 2.5e4"
    assert str(escaping._band([100.0, 600.0, 800.0], ())) == "500 ± 896"
    assert len(images_figures.traces(found, "reference").axes) == 3
    assert "under CE: CE 10" in images_figures.traces_alt(found, "reference")
    assert images_figures.accuracy_against(found, "reference", "own").axes
    # A trace that is estimated below zero has no logarithm.
    record = replace(found.records[0], curves={"ce_trace": [-1.0, None]})
    assert escaping.level(record, "ce") is None


# --- Fig. 1, figures, pages ---


def test_the_curves_of_fig_1():
    tops = {mix.name: mix.top for mix in fig1.MIXES}
    assert tops["CE"] == (0.0, 1.0)
    assert tops["EL"] == (0.5, 0.25)
    for focus, mix in zip(fig1.FOCUS[:-1], fig1.MIXES[1:], strict=False):
        assert mix.top[0] == pytest.approx(focus)
    assert tops["β = 5"][1] == pytest.approx(1.8)
    frame = fig1.table().set_index("Curve")
    # The areas are the factors of Eq. 21.
    assert frame.loc["β = 5", "Area, times that of CE"] == "2.67"
    assert frame.loc["EL", "Area, times that of CE"] == "0.33"
    assert images_figures.sizes().axes
    assert "β = 5: 1.800 at 0.40" in images_figures.sizes_alt()


def test_gains_are_drawn_with_their_seeds_and_the_papers():
    found = evidence("table1", made("table1", "resnet20", gains(**{"CE+EL 0-0.5": 1.0})))
    named = table1.named(table1.differences(found, "resnet20"))
    assert [name for name, _ in named] == [name_of(regime) for regime in MIXTURES]
    figure = images_figures.gains(named)
    diamonds = [line for line in figure.axes[0].lines if line.get_marker() == "D" and len(line.get_xdata())]
    assert len(diamonds) == 3
    assert "CE+EL 0-0.5 +1.10" in images_figures.gains_alt(named)


def test_every_regime_has_a_look_of_its_own():
    looks = [(look.color, look.marker, str(look.dash)) for look in images_figures.LOOKS.values()]
    assert len(set(looks)) == len(looks)
    assert set(images_figures.LOOKS) >= {CE, CONSTANT, TWO_PHASE, GRADUAL, table5.COT, *gradient_norm.SIZED}


@pytest.mark.parametrize("item", [*ITEMS, "fig1"])
def test_pages_are_there_and_declare_what_they_read(item):
    text = (NOTEBOOKS / f"{item}.md").read_text(encoding="utf-8")
    if item == "fig1":
        assert "gather(" not in text
        return
    read = {line.split('gather("')[1].split('"')[0] for line in text.splitlines() if 'gather("' in line}
    declared = text.split("experiments: [")[1].split("]")[0].split(", ")
    assert read == set(declared)


def test_without_records_no_claim_on_images_is_tested():
    empty = [evidence(item) for item in ITEMS]
    for key in (
        "images",
        "left-behind",
        "size",
        "complement",
        "regularisation",
        "escapes",
        "escapes-at-scale",
    ):
        judged = verdict.judge(key, *empty)
        assert judged.finding == "not tested"
        assert judged.basis == "no runs"
