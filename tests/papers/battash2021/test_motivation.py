"""The motivating example: which images come back, counted by hand."""

import re
from dataclasses import replace

import numpy as np
import pytest
from battash2021_runs import evidence, gains, made
from said import numbers

from lossbook.evidence import recorded
from lossbook.papers.battash2021 import (
    images_figures,
    motivation,
    verdict,
)
from lossbook.papers.battash2021.protocol import CE, GRADUAL
from lossbook.papers.battash2021.table1 import TABLE1
from lossbook.results import Record, Store, arrays, published

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


def test_the_papers_training_is_that_of_its_code():
    for cell in motivation.EXPERIMENT.profile("paper").cells:
        spec = cell.spec
        assert (spec.model, spec.dataset, spec.epochs, spec.batch_size) == (
            "cifar_resnet32",
            "cifar100",
            90,
            128,
        )
        assert spec.schedule == {"name": "steps", "at": [50, 75]}
        assert spec.optimizer_options == {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}


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


def test_what_comes_back_at_a_constant_rate():
    def back(record: Record) -> list[list[int]]:
        return lost(3, 4 if record.labels["run"] == "constant" else 1)

    own = [tracked(r, back(r)) for r in made("motivation", "cnn2c", gains())]
    falling = [tracked(r, lost(3, 1)) for r in made("table1", "cnn2c", gains())]
    both = motivation.together(evidence("motivation", own), evidence("table1", falling))
    assert numbers(motivation.steady(both, "cnn2c"))[-2:] == ["80.00", "20.00"]
    assert motivation.steady(evidence("motivation", own), "cnn2c") == ""


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


def test_what_the_chapters_first_page_says_is_in_the_records(tmp_path):
    store = Store(working=tmp_path)
    both = motivation.together(*(recorded(name, store=store) for name in (motivation.MOTIVATION, TABLE1)))

    def end(profile):
        frame = motivation.groups_table(both, profile).set_index("Runs")
        return {group: frame.loc["CE", words].values["mean"] for group, words in motivation.GROUPS.items()}

    # "on this short schedule more than a quarter of them do come back ...; with the smaller network on
    # Fashion-MNIST hardly any does"
    assert 25 < end("reference")["wrong_below_0.2"] < 30
    assert end("cnn2c")["wrong_below_0.2"] < 0.5
    # "... come back less often than others, on CIFAR-100 by as much as in the paper"
    lags = {profile: motivation._contrast("test").at(both, profile) for profile in ("reference", "cnn2c")}
    assert all(each.above for each in lags.values())
    printed = motivation.printed()
    paper = printed["wrong_above_0.2"].share - printed["wrong_below_0.2"].share
    assert lags["reference"].interval.low < paper < lags["reference"].interval.high
    assert lags["cnn2c"].interval.high < paper


def test_what_the_last_epoch_does_to_each_group():
    # Of ten right images one is lost; of ten hardly wrong ones four come back, of ten badly wrong ones two.
    before = np.repeat([RIGHT + 5, 5, 0], 10)
    after = before.copy()
    after[0], after[10:14], after[20:22] = 5, RIGHT + 5, RIGHT + 5
    found = [
        replace(r, curves=r.curves | {"train_tracked": [before.tolist()] * 11 + [after.tolist()]})
        for r in made("table1", "cnn2c", gains())
    ]
    both = motivation.together(evidence("motivation", []), evidence("table1", found))
    said = motivation.last_epoch(both, "cnn2c")
    assert re.findall(r"(\d+\.\d)%", said) == ["20.0", "40.0", "10.0"] * 2
    none = [replace(r, curves=r.curves | {"train_tracked": [before[:20].tolist()] * 12}) for r in found]
    assert (
        motivation.last_epoch(
            motivation.together(evidence("motivation", []), evidence("table1", none)), "cnn2c"
        )
        == ""
    )
