"""Fig. 5: how soon an accuracy is reached."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from dong2019_runs import TABLE1, accuracy, evidence, mark

from lossbook.evidence.select import Evidence
from lossbook.papers.dong2019 import fig5, objects_figures
from lossbook.papers.dong2019.names import FREQUENCIES
from lossbook.results import Record


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
        for r in made(TABLE1, "reference", accuracy, 3):
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
