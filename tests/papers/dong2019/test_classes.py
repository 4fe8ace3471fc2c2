"""The number of classes: what is run, and how the gap between CE and LR grows."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dong2019_runs import CLASSES, Value, evidence, mark
from said import numbers

from lossbook import experiments
from lossbook.evidence import recorded
from lossbook.evidence.contrasts import Contrast
from lossbook.papers.dong2019 import classes, objects_figures
from lossbook.papers.dong2019.names import DECISIVE, FREQUENCIES, ONE, OWN, USUAL
from lossbook.results import Record, Store


def test_numbers_of_classes_differ_in_nothing_else() -> None:
    cells = experiments.get("dong2019/classes").profile("reference").cells
    at_one = [cell for cell in cells if cell.labels["lr"] == classes.ONE_RATE[cell.labels["dataset"]]]
    for dataset, images in ((classes.CIFAR100, classes.ALL), (classes.OMNIGLOT, classes.EACH)):
        mine = [c for c in at_one if (c.labels["dataset"], c.labels["images"]) == (dataset, images)]
        each: dict[int, list[Any]] = {}
        for cell in mine:
            if not (dataset == classes.CIFAR100 and images == classes.EACH):
                each.setdefault(cell.labels["classes"], []).append(cell)
        assert tuple(sorted(each)) == classes.COUNTS[dataset]
        for found in each.values():
            variants = [(c.labels["loss"], c.labels["start"]) for c in found]
            assert variants == list(classes.VARIANTS)
    for cell in cells:
        spec = cell.spec
        size = spec.train_size or classes.DRAWERS * (spec.classes or 0)
        steps = -(-size // spec.batch_size) * spec.epochs
        assert steps == 600 if spec.dataset == "cifar100" else abs(steps - 1446) <= 4
        assert spec.schedule is not None
        assert spec.schedule["peak"] == spec.epochs / 6
    equal = [c for c in cells if c.labels["images"] == classes.EACH and c.spec.dataset == "cifar100"]
    assert {(c.spec.train_size + 1) / c.labels["classes"] for c in equal} == {25}


def test_held_out_images_are_of_training_and_as_many_as_there_are() -> None:
    for cell in experiments.get("dong2019/classes").profile("rates").cells:
        spec = cell.spec
        have = 500 * spec.classes if spec.dataset == "cifar100" else 16 * spec.classes
        assert spec.validation_size
        assert spec.validation_size + (spec.train_size or 0) <= have
        assert spec.test_size is None


def growing(per_doubling: float, by_seed: float = 0.0) -> Value:
    def value(labels: dict[str, Any], seed: int) -> float:
        gap = (
            (per_doubling + by_seed * (seed - 2)) * math.log2(labels["classes"])
            if labels["loss"] == "lr"
            else 0.0
        )
        if labels["start"] == FREQUENCIES:
            gap = gap / 10 + 0.001 * seed
        noise = 0.001 * (-1) ** seed * (mark(labels["loss"]) + seed + labels["classes"] % 3)
        return 0.7 + 0.01 * seed - gap + noise

    return value


@pytest.mark.parametrize(
    ("slope", "finding"), [(0.01, "holds in part"), (0.0, "not settled"), (-0.01, "does not carry over")]
)
def test_how_the_gap_grows(made: Callable[..., list[Record]], slope: float, finding: str) -> None:
    found = evidence(CLASSES, *made(CLASSES, "reference", growing(slope, 1e-4)))
    trend = classes.trend(found, "reference", "cifar100", ("lr", USUAL))
    assert list(trend.gaps) == [5, 10, 20, 50, 100]
    assert trend.slope is not None
    assert trend.slope.n == 5
    assert trend.slope.mean == pytest.approx(slope, abs=0.002)
    verdict = classes.GROWS.judge({CLASSES: found})
    assert verdict.finding == finding
    assert set(verdict.readings) == {"one rate for all", "each at its own rate"}
    if slope > 0:
        assert verdict.short == "holds in part, 4 of 4"


def test_the_lead_over_ce_is_the_gap_turned_round(made: Callable[..., list[Record]]) -> None:
    def value(labels: dict[str, Any], seed: int) -> float:
        lead = 0.02 * math.log2(labels["classes"]) * (labels["loss"] in ("hs_lr", "ss_lr"))
        return 0.5 + lead * (1 + 0.01 * seed) + 0.001 * seed * mark(labels["loss"])

    found = evidence(CLASSES, *made(CLASSES, "reference", value))
    assert classes.LEAD_GROWS.judge({CLASSES: found}).short == "holds in part, 4 of 4"
    slope = classes.lead_growth(classes.CIFAR100, "ss_lr").at(found, "reference")
    assert slope is not None
    assert slope.interval.mean == pytest.approx(0.0204)
    assert slope.interval.low < slope.interval.mean < slope.interval.high
    behind = evidence(CLASSES, *made(CLASSES, "reference", lambda labels, seed: 1 - value(labels, seed)))
    assert classes.LEAD_GROWS.judge({CLASSES: behind}).finding == "does not carry over"


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
    narrowed, _, beyond = classes.follows(found).partition(" Ahead of LR so started: ")
    assert re.findall(r"(\S+) by ", beyond) == ["HS-LR", "SS-LR"] * 2
    assert numbers(narrowed)[1:] == [
        *("+0.84", "0.24", "+6.62", "0.14", "100", "100"),
        *("+1.17", "0.24", "+9.89", "0.14", "964"),
    ]
    assert "±" not in classes.headline(two, "reference")


def test_the_chapters_first_page_quotes_the_records(tmp_path: Path) -> None:
    found = recorded(CLASSES, store=Store(working=tmp_path))
    text = " ".join((Path(__file__).parents[3] / "book" / "dong2019.md").read_text("utf-8").split())
    many = max(classes.COUNTS["cifar100"])
    best = classes.select("cifar100", many, "ss_lr")
    over_ce, over_low = (
        Contrast("", best, classes.select("cifar100", many, *other)).measure(found, DECISIVE)
        for other in (("ce",), ("lr", FREQUENCIES))
    )
    assert over_ce is not None
    assert over_low is not None
    quoted = (over_ce.short().removeprefix("+"), over_low.short().removeprefix("+"))
    assert f"by {quoted[0]} points and of LR from those biases by {quoted[1]}." in text
