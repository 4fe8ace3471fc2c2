"""Fig. 2: the parts of the loss by step."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dong2019_runs import CLASSES, TABLE1, MakeRecord, accuracy, evidence, mark
from said import numbers

from lossbook.evidence import claims
from lossbook.evidence.select import Evidence
from lossbook.papers.dong2019 import fig2, objects_figures
from lossbook.papers.dong2019.names import USUAL
from lossbook.results import Record


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
        records = made(name, "reference", lambda *_: 0.5, 3)
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
    assert frame["Loss"].tolist() == ["LR", "LR, biases at −log(K − 1)", "HS-LR", "SS-LR", "CE"]
    assert str(frame["Positive part at first"][4]) == "–"
    assert float(frame["Ratio, first tenth"][0].values["mean"]) == pytest.approx(0.011)
    assert float(frame["Steps until it is 0.9, %"][0].values["mean"]) == pytest.approx(38, abs=1)
    assert float(frame["Steps until it is 0.9, %"][1].values["mean"]) == 0
    # Percent of the gradient from wrong classes: at the first step, over the second half, from low biases.
    said = numbers(fig2.headline(shown[0]))
    assert said[2:6] == ["98.91", "0.24", "49.98", "0.06"]
    assert said[-2:] == ["49.98", "0.06"]
    assert len(objects_figures.distraction(shown[1]).axes) == 4
    # The positive part stays below log K, and the ratio at 1 or little above.
    assert fig2.overshoot(shown) == ""
    assert "964 classes" in fig2.alt(shown[1])


def test_biases_that_overshoot_are_told_in_every_run(made: Callable[..., list[Record]]) -> None:
    def stepped(record: Record) -> Record:
        # Past log 100 = 4.6 by a unit or two, with ten steps at a ratio of 3 or 5.
        far = 5.6 + 0.5 * record.seed
        ratio = [0.01] * 10 + [3.0 + record.seed] * 10 + [1.0] * 80
        return replace(record, steps=steps(ratio, [0.7, far, *[4.6] * 98]))

    records = [r for r in made(TABLE1, "reference", accuracy, 3) if r.config.get("step_measures")]
    shown = fig2.every_shown(evidence(TABLE1, *map(stepped, records)), Evidence(CLASSES, "", {}))
    assert numbers(fig2.overshoot(shown).partition(": on ")[2])[1:] == [
        "100",
        *("5.6", "6.6", "4.6"),
        *("10", "3", "5"),
        "1",
    ]
    frame, _ = fig2.table(shown[0])
    assert frame["Its highest"][0].values["mean"] == pytest.approx(6.1)


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
            for r in made(TABLE1, "reference", accuracy, 3)
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


def test_late_steps_are_drawn_as_one_point_and_none_is_left_out() -> None:
    level = np.arange(1.0, 5001)
    low = level.copy()
    low[4000] = -1
    steps, mean, least, most = objects_figures.thinned(level, low, level)
    assert len(steps) < 300
    assert steps[:4] == pytest.approx([1, 2, 3, 4])
    assert mean[:4] == pytest.approx([1, 2, 3, 4])
    # A group lies where its steps do, and its band takes in all of them.
    assert mean == pytest.approx(steps, rel=0.02)
    assert least.min() == -1
    assert most[-1] == 5000
    assert mean[-1] < 5000
    few = objects_figures.thinned(level[:5], level[:5], level[:5])
    assert all(each == pytest.approx(level[:5]) for each in few)
