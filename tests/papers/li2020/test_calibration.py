"""The page on calibration, on records whose answer is known."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from said import numbers

from lossbook import experiments
from lossbook.evidence import Evidence
from lossbook.losses import LGLINRLoss
from lossbook.pages import style
from lossbook.papers.li2020 import calibration, calibration_figures
from lossbook.papers.li2020.names import CALIBRATION
from lossbook.results import Record
from lossbook.training.measures import reliability as measures

PROFILE = "paper"
SIZE = 10_000


def measured(over: float) -> dict[str, Any]:
    """A network whose confidence lies this much above its accuracy: 0.9 in every image."""
    p = torch.full((SIZE, 10), (1 - 0.9) / 9, dtype=torch.float64)
    p[:, 0] = 0.9
    labels = torch.zeros(SIZE, dtype=torch.long)
    labels[: round(SIZE * (1 - 0.9 + over))] = 1
    found = {
        name: value.tolist() if isinstance(value, torch.Tensor) else value
        for name, value in measures.reliability(p, labels).items()
    }
    return found | {"test_accuracy": 0.9 - over}


def evidence(
    over: Callable[[str, int], float], *, seeds: int = 3, corrected: float = 0.01, status: str = "finished"
) -> Evidence:
    style.theme()
    records = []
    for cell in experiments.get(CALIBRATION).profiles[PROFILE].cells:
        loss = cell.labels["loss"]
        for seed in range(seeds):
            spec = replace(cell.spec, seed=seed)
            metrics = measured(over(loss, seed))
            if loss != "sml":
                also = measured(corrected if loss == "lgl_inr" else 0.3)
                metrics |= {f"corrected_{name}": value for name, value in also.items()}
            source = {"train_size": 60_000, "test_size": SIZE, "data_notes": [], "code": "0", "seconds": 1.0}
            records.append(
                Record(
                    spec.key,
                    CALIBRATION,
                    PROFILE,
                    dict(cell.labels),
                    spec.config,
                    seed,
                    status,
                    metrics if status == "finished" else {},
                    {},
                    source,
                )
            )
    return calibration.derived(Evidence(CALIBRATION, PROFILE, {PROFILE: records}))


def known(loss: str, seed: int) -> float:
    return {"sml": 0.0, "lgl": -0.02, "lgl_inr": 0.05}[loss] + 0.001 * seed


def test_the_loss_itself_has_its_minimum_at_nine_times_the_odds():
    # A batch in which every class is met in the same situation: of ten like images one of each class in
    # truth, so eta = 0.1 for all, and the minimum is at odds of 9 / 9 = 1.
    logits = torch.zeros(10, 10, dtype=torch.float64, requires_grad=True)
    LGLINRLoss(beta=0)(logits, torch.arange(10)).backward()
    assert logits.grad.sum(0).abs().max() < 1e-12
    assert calibration.expected(np.array([0.5]))[0] == pytest.approx(0.1)


def test_what_is_expected_inverts_the_correction():
    true = np.linspace(0.01, 0.99, 50)
    odds = 9 * true / (1 - true)
    assert calibration.expected(odds / (1 + odds)) == pytest.approx(true)


def test_the_table_by_hand():
    frame, _ = calibration.table(evidence(known), PROFILE)
    assert list(frame["Loss"]) == ["CE", "LR", "LGL-INR", "LGL-INR, corrected"] * 2
    assert frame["Confidence minus accuracy"][2].values["mean"] == pytest.approx(0.051)
    assert frame["ECE"][1].values["mean"] == pytest.approx(0.019)
    # Corrected rows have their own measures, and are compared as well.
    assert frame["ECE"][3].values["mean"] == pytest.approx(0.01)
    assert frame["ECE minus CE's"][0].text == "–"
    assert frame["ECE minus CE's"][3].values["mean"] == pytest.approx(0.009)
    # All in one bin: the mean absolute deviation of a binomial share.
    floor = np.sqrt(2 / np.pi * 0.9 * 0.1 / SIZE)
    assert frame["Of chance"][0].values["mean"] == pytest.approx(floor)


def test_the_floor_is_what_chance_gives():
    rng = np.random.default_rng(0)
    p = torch.as_tensor(rng.uniform(0.5, 1, 4000))
    errors = [measures.ece(p, torch.as_tensor(rng.uniform(size=4000)) < p) for _ in range(1000)]
    counts = np.histogram(p, bins=15, range=(0, 1))[0]
    sums = np.histogram(p, bins=15, range=(0, 1), weights=p)[0]
    metrics = {"top_count": counts.tolist(), "top_probability": sums.tolist(), "top_right": [0.0] * 15}
    record = replace(evidence(known, seeds=1).records[0], metrics=metrics)
    made = calibration.derived(Evidence("e", PROFILE, {PROFILE: [record]})).records[0]
    assert made.metrics["floor"] == pytest.approx(np.mean(errors), rel=0.05)


def test_the_finding_counts_both_ways_of_comparing_and_the_correction_is_measured():
    def scattered(loss: str, seed: int) -> float:
        return known(loss, seed) + 0.001 * seed * (loss == "lgl_inr")

    made = evidence(scattered)
    found = calibration.WORSE_CALIBRATED.judge({CALIBRATION: made})
    assert (found.finding, found.count) == ("holds", (2, 2))
    # 0.05 to 0.054 against 0 to 0.002.
    assert "the paper's learning rate" in found.evidence[0]
    assert numbers(found.evidence[0]) == ["+0.0510", "95", "+0.0485", "+0.0535", "3"]
    corrected = calibration.error("lgl_inr", "sml", "equal", calibration.CORRECTED)
    assert corrected.in_words(made).startswith("+0.0090 (")
    close = evidence(lambda loss, seed: 0.001 * seed * (1 if loss == "sml" else -1))
    assert calibration.WORSE_CALIBRATED.judge({CALIBRATION: close}).finding == "not settled"


def test_the_diagram_has_a_point_a_bin():
    made = evidence(known)
    figure = calibration_figures.diagram(made, PROFILE, "paper")
    top, bottom = figure.axes[:3], figure.axes[3:]
    points = [
        container.lines[0].get_xydata() for container in top[2].containers if hasattr(container, "lines")
    ]
    assert np.concatenate(points) == pytest.approx(np.array([[0.9, 0.89], [0.9, 0.849]]))
    # Nine wrong classes at one ninetieth are one point, the predicted class the other.
    (pairs,) = (c.lines[0].get_xydata() for c in bottom[0].containers if hasattr(c, "lines"))
    assert pairs[:, 0] == pytest.approx([0.1 / 9, 0.9])
    alt = calibration_figures.diagram_alt(made, PROFILE, "paper")
    # Calibration error, and mean probability minus accuracy.
    assert numbers(alt.partition("LGL-INR: ")[2])[:2] == ["0.051", "+0.051"]


def test_runs_that_broke_down_leave_a_page():
    made = evidence(known, status="diverged")
    assert calibration.table(made, PROFILE)[0].empty
    assert calibration.WORSE_CALIBRATED.judge({CALIBRATION: made}).finding == "not tested"
    calibration_figures.diagram(made, PROFILE, "paper")
