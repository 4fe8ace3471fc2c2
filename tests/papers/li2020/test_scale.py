"""What the learning rate does: steps, rates chosen on held-out images, and leads."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from li2020_runs import cells, column, evidence, made

from lossbook import experiments, losses
from lossbook.evidence import Evidence
from lossbook.papers.li2020 import (
    scale,
    scale_figures,
)
from lossbook.papers.li2020.names import FIRST_LEVEL, SCALE
from lossbook.papers.li2020.protocol import GRADIENT_SCALE
from lossbook.papers.li2020.scale import FIRST_LEVEL_STEPS


def test_gradient_scales_are_those_of_the_losses_where_class_frequencies_are_predicted():
    """A balanced batch of ten classes, two examples each."""
    target = torch.arange(10).repeat(2)
    gradients = {}
    for loss, code, bias in (("sml", "ce", 0.0), ("lgl", "lr", -math.log(9)), ("lgl_inr", "lgl_inr", 0.0)):
        logits = torch.full((20, 10), bias, dtype=torch.float64, requires_grad=True)
        losses.get(code)(logits, target).backward()
        # The biases are at rest.
        assert float(logits.grad.sum(0).abs().max()) < 1e-12
        gradients[loss] = logits.grad
    # The same but for the factor, so it is one for any norm.
    for loss, factor in GRADIENT_SCALE.items():
        torch.testing.assert_close(gradients[loss], factor * gradients["sml"])


def test_equal_steps_are_learning_rates_over_the_scale_of_the_gradient():
    for profile in ("paper", "subset", "quick"):
        steps = {loss: [] for loss in GRADIENT_SCALE}
        for cell in cells("scale", profile):
            lr = cell.spec.optimizer_options["lr"]
            assert lr == cell.labels["lr"]
            loss = cell.labels["loss"]
            if loss == FIRST_LEVEL:
                assert cell.spec.loss_options == {"beta": 0}
                assert cell.labels["split"] == "test"
                assert lr * GRADIENT_SCALE["lgl_inr"] == pytest.approx(
                    min(FIRST_LEVEL_STEPS, key=lambda s: abs(s - lr * 50 / 9)), rel=1e-3
                )
            elif cell.labels["split"] == "test":
                steps[loss].append(lr * GRADIENT_SCALE[loss])
            held_out = 1_000 if profile == "quick" else 10_000
            assert cell.spec.validation_size == (held_out if cell.labels["split"] == "validation" else None)
        assert steps["lgl"] == steps["sml"]
        # The paper's rate besides, where it is not among them.
        extra = [s for s in steps["lgl_inr"] if s == pytest.approx(0.01 * 50 / 9)]
        assert extra
        left = [s for s in steps["lgl_inr"] if s not in extra]
        assert left == pytest.approx([s for s in steps["sml"] if s != 0.01 or profile != "quick"], rel=1e-3)
        rates = {(c.labels["loss"], c.labels["lr"]) for c in cells("scale", profile)}
        assert {(loss, 0.01) for loss in GRADIENT_SCALE} <= rates
    # What is chosen on held-out images is compared on the test images: the same cells on both.
    on = {
        split: {
            tuple(v for k, v in c.labels.items() if k != "split")
            for c in cells("scale")
            if c.labels["split"] == split and c.labels["loss"] != FIRST_LEVEL
        }
        for split in ("validation", "test")
    }
    assert on["validation"] == on["test"]


def test_gradients_before_the_first_step() -> None:
    frame, _ = scale.gradient_table(seeds=2, batch=100)
    for when, exact in (("start", [1, 25 / 9, 50 / 9]), ("frequencies", [1, 1, 50 / 9])):
        assert column(frame, f"Formula, {when}") == [f"{value:.2f}" for value in exact]
        assert [float(value) for value in frame[f"Logits, {when}"]] == pytest.approx(exact, rel=0.05)
    # The push that is common to all images adds up over them, and ends.
    assert float(frame["Weights, start"][1]) > 8
    assert float(frame["Weights, frequencies"][1]) == pytest.approx(1, abs=0.1)


def scale_runs(accuracy: Any) -> Evidence:
    cells = experiments.get(SCALE).profiles["subset"].cells
    return evidence(
        SCALE,
        [
            made(SCALE, "subset", accuracy(**cell.labels) + 0.001 * seed, seed=seed, **cell.labels)
            for cell in cells
            for seed in range(3)
        ],
    )


def test_a_learning_rate_is_chosen_on_held_out_images_alone() -> None:
    def accuracy(lr: float, split: str, **_: Any) -> float:
        # Held-out images like 0.04 best, the test images the highest rate.
        return 0.9 - abs(np.log10(lr / 0.04)) / 10 if split == "validation" else 0.5 + lr / 10

    found = scale_runs(accuracy)
    assert scale.best_rate(found, "subset", "fashion_mnist", "lgl") == 0.03
    assert scale.best_rate(found, "subset", "fashion_mnist", "sml") == 0.03
    frame, notes = scale.three_ways(found, "subset")
    best = frame[frame["Compared at"] == "each one's best rate"]
    assert best["Learning rate"].tolist() == ["0.03", "0.03", "0.054"]
    assert not any("CE and LR and LGL-INR" in note for note in notes)


def test_equal_steps_compare_equal_steps() -> None:
    found = scale_runs(lambda lr, loss, **_: 0.9 + scale.step(loss, lr) / 100)
    frame, notes = scale.three_ways(found, "subset")
    for way in dict.fromkeys(frame["Compared at"]):
        rows = frame[frame["Compared at"] == way]
        assert len(rows) == 3
        if way.startswith("steps of"):
            assert {f"steps of {s}" for s in rows["Step"]} == {way}
            assert {str(c) for c in rows["Minus CE, points"]} == {"–", "+0.00 (n = 3, all equal)"}
    same = frame[frame["Compared at"] == "the paper's learning rate"]
    assert same["Learning rate"].tolist() == ["0.01"] * 3
    assert str(same["Minus CE, points"].iloc[2]).startswith("+0.05")
    assert any("CE and LR and LGL-INR" in note for note in notes), "their best rate is the last"
    assert len(scale_figures.rate_curves(found, "subset", "fashion_mnist").axes) == 2
    assert "CE: 90.1% at 0.01" in scale_figures.rate_curves_alt(found, "subset", "fashion_mnist")


def test_runs_compared_in_two_rows_count_once() -> None:
    # The paper's rate is CE's and LR's for steps of 0.01 too, and 0.1 the best of both.
    def accuracy(lr: float, loss: str, **_: Any) -> float:
        return 0.9 - abs(np.log10(scale.step(loss, lr)) + 1) / 10

    found = scale_runs(lambda **labels: accuracy(**labels))
    moved = [
        replace(r, metrics=r.metrics | {"test_accuracy": r.metrics["test_accuracy"] + 0.05 + 0.003 * r.seed})
        if r.labels["loss"] == "lgl"
        else r
        for r in found.records
    ]
    frame, _ = scale.three_ways(evidence(SCALE, [moved]), "subset")
    cells = frame[frame["Loss"] == "LR"]
    ours, p_values = cells["Minus CE, points"].tolist(), cells["p (Holm)"].tolist()
    assert len(ours) == 7
    assert ours[0] is ours[1]
    assert ours[6] is ours[3]
    # Five different comparisons, of the same p-value; LGL-INR's differences are the same for both seeds.
    assert p_values[0].values["unadjusted"] < 0.02
    assert p_values[0].values["holm"] == pytest.approx(5 * p_values[0].values["unadjusted"])


def test_leads_at_best_and_at_equal_rates_name_their_rates() -> None:
    def accuracy(lr: float, loss: str, split: str, **_: Any) -> float:
        best = {"sml": 0.3, "lgl_inr": 0.01}.get(loss, 0.1)
        return 0.9 - abs(np.log10(lr / best)) / 10 + 0.02 * (loss == "lgl_inr" and split == "test")

    found = scale_runs(accuracy)
    lead = scale.at_best_rates("lgl_inr", "sml", "fashion_mnist").measure(found)
    assert lead is not None
    assert lead.what == "LGL-INR at 0.01 minus CE at 0.3, CNN2C on Fashion-MNIST"
    assert lead.interval.mean == pytest.approx(0.02)
    # MNIST is not among the sets of this profile.
    assert scale.at_best_rates("lgl_inr", "sml", "mnist").measure(found) is None
    equal = scale.at_equal_steps("lgl_inr", "sml", "fashion_mnist").measure(found)
    assert equal is not None
    assert [each.records[0].labels["lr"] for each in (equal.runs, equal.base)] == [0.018, 0.1]


def test_rates_that_teach_nothing_do_not_flatten_the_figure() -> None:
    def lowest(accuracy_at_high_rates: float) -> float:
        found = scale_runs(lambda lr, **_: accuracy_at_high_rates if lr >= 0.3 else 0.9)
        low, high = scale_figures.rate_curves(found, "subset", "fashion_mnist").axes[0].get_ylim()
        assert low < 90 < high
        return low

    assert lowest(0.1) == pytest.approx(65, abs=0.2)  # seeds differ a little
    assert 79 < lowest(0.8) < 80


def test_a_diverged_run_is_not_the_best() -> None:
    groups = [
        made(SCALE, "quick", 0.5, loss="sml", split="validation", lr=0.01),
        made(SCALE, "quick", 0.9, loss="sml", split="validation", lr=0.3, status="diverged"),
    ]
    assert scale.best_rate(evidence(SCALE, groups), "quick", "fashion_mnist", "sml") == 0.01
