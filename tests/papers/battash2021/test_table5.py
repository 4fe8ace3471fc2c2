"""Table 5: complement training at equal epochs and at equal cost."""

from typing import Any

import pytest
from battash2021_runs import evidence, made

from lossbook import experiments
from lossbook.papers.battash2021 import (
    table5,
    verdict,
)
from lossbook.papers.battash2021.protocol import CE


def test_complement_training_takes_twice_the_passes():
    cells = experiments.get("battash2021/table5").profile("reference").cells
    assert {c.spec.step for c in cells if c.labels["loss"] == "cot"} == {"complement"}
    longer = [c for c in cells if c.labels["length"] == table5.COST]
    assert {(c.spec.epochs, c.spec.step) for c in longer} == {(24, None)}


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
    small = evidence("table5", made("table5", "cnn2c", accuracy, seeds=8))
    beside = evidence("table1", made("table1", "cnn2c", accuracy, seeds=8))
    judged = verdict.judge("complement", small, beside)
    assert (judged.count, judged.differences[0].interval.n) == ((1, 1), 8)
    assert "CNN2C on Fashion-MNIST" in judged.differences[0].what
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
    paper = experiments.get("battash2021/table5").profile("paper").cells
    found = evidence("table5", made("table5", "paper", lambda seed, **_: 0.7 + 0.001 * seed))
    frame, _ = table5.table(found, "paper")
    assert len(frame) == 18
    assert {(r["dataset"], r["network"]) for r in (c.labels for c in paper)} == set(table5.ROWS)
    assert {(dataset, printed) for (dataset, _), printed in table5.ROWS.items()} == set(table5.printed())
    for cell in paper:
        imagenet = cell.spec.dataset == "imagenet"
        assert (cell.spec.epochs, cell.spec.schedule["at"]) == (
            (90, [30, 60]) if imagenet else (200, [100, 150])
        )
    assert set(frame["Data"]) == {"CIFAR-100", "Tiny ImageNet", "ImageNet (ILSVRC 2012)"}


def test_on_imagenet_only_complement_training_is_not_in_table_2():
    declared = experiments.get(table5.TABLE5)
    there = [c.spec.config for c in experiments.get("battash2021/table2").profile("paper").cells]
    imagenet = [c for c in declared.profile("paper").cells if c.spec.dataset == "imagenet"]
    assert {c.labels["loss"]: c.spec.config in there for c in imagenet} == {
        "ce": True,
        "ceel": True,
        "cot": False,
    }
    assert "battash2021/table2" in declared.also


def test_complement_training_on_the_papers_networks():
    def accuracy(seed: int, loss: str, dataset: str, **_: Any) -> float:
        ahead = 0.02 if dataset == "cifar100" else -0.005
        return 0.7 + (ahead + 0.001 * seed) * (loss == "cot")

    own = evidence("table5", made("table5", "paper", accuracy))
    small = verdict.judge("complement", own, evidence("table1"))
    assert (small.finding, small.count, small.open) == ("holds in part", (3, 3), 2)
    assert [round(d.contrast.paper, 2) for d in small.differences] == [1.12, 0.86, 1.01]
    larger = verdict.judge("complement-larger", own)
    assert larger.count == (3, 3)
    assert larger.finding == "holds"
    assert [round(d.contrast.paper, 2) for d in larger.differences] == [-0.87, -0.47, -0.75]
