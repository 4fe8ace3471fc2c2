"""The declared experiments of li2020 against what the paper says."""

import math
from dataclasses import replace

import pytest
import torch
from tiny import tiny_experiment

from lossbook import datasets, experiments, losses
from lossbook.errors import LossbookError
from lossbook.experiments.runner import run_experiment
from lossbook.papers.li2020.names import FIRST_LEVEL
from lossbook.papers.li2020.protocol import GRADIENT_SCALE
from lossbook.papers.li2020.scale import FIRST_LEVEL_STEPS
from lossbook.results import published
from lossbook.training import RunSpec, select

CODE = {"sml": "ce", "lgl": "lr", "lgl_mean": "lr", "lgl_inr": "lgl_inr"}


def cells(name, profile="paper"):
    return experiments.get(f"li2020/{name}").profiles[profile].cells


def test_table3_at_paper_scale_is_the_papers_protocol():
    found = {(c.labels["network"], c.labels["loss"], c.labels["dataset"]): c.spec for c in cells("table3")}
    printed = {(r.network, r.loss, r.dataset) for r in published("li2020", "table3").itertuples()}
    assert printed <= found.keys()
    assert {loss for _, loss, _ in found.keys() - printed} == {"lgl_mean"}
    for (network, loss, dataset), spec in found.items():
        assert (spec.dataset, spec.model, spec.loss) == (dataset, f"li2020_{network}", CODE[loss])
        assert (spec.batch_size, spec.epochs, spec.augmentation) == (64, 20, "none")
        assert (spec.train_size, spec.test_size, spec.validation_size) == (None, None, None)
        # The mean over ten classes is a tenth of the sum, hence a tenth of the learning rate.
        lr = 0.001 if loss == "lgl_mean" else 0.01
        assert spec.optimizer == "sgd"
        assert spec.optimizer_options == {"lr": pytest.approx(lr), "momentum": 0.5}
        assert spec.loss_options == ({"beta": 1} if loss == "lgl_inr" else {})
        assert spec.measures == ("softmax" if loss == "sml" else "sigmoid")
    assert experiments.get("li2020/table3").profiles["paper"].seeds >= 5


def test_cnn2c_is_a_part_of_the_papers_protocol():
    paper = {cell.spec.key for cell in cells("table3")}
    part = {cell.spec.key for cell in cells("table3", "cnn2c")}
    assert part < paper
    assert len(part) == 8


@pytest.mark.parametrize("profile", ["paper", "quick", "smoke"])
def test_standardised_pixels_are_all_that_sets_a_run_apart_from_table_3(profile):
    plain = {cell.spec.key for cell in cells("table3", profile)}
    scaled = cells("pixels", profile)
    assert {replace(cell.spec, pixels=None).key for cell in scaled} < plain
    assert {cell.spec.pixels for cell in scaled} == {"standardised"}
    assert {(c.labels["dataset"], c.labels["loss"]) for c in scaled} == {
        (dataset, loss)
        for dataset in (("mnist",) if profile == "smoke" else ("mnist", "fashion_mnist"))
        for loss in ("sml", "lgl", "lgl_inr")
    }


def test_table4_at_paper_scale_is_the_papers_protocol():
    found = {(c.labels["network"], c.labels["loss"], c.labels["dataset"]): c.spec for c in cells("table4")}
    assert found.keys() == {
        (r.network, r.loss, r.dataset) for r in published("li2020", "table4").itertuples()
    }
    for (network, loss, _), spec in found.items():
        assert (spec.model, spec.loss) == (f"li2020_{network}", CODE[loss])
        assert (spec.batch_size, spec.epochs, spec.augmentation) == (64, 100, "crop_flip")
        options = dict(spec.optimizer_options)
        assert spec.schedule == {"name": "steps", "at": [50, 75]}
        assert options == {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    assert experiments.get("li2020/table4").profiles["paper"].seeds >= 3


@pytest.mark.parametrize(("profile", "dataset"), [("paper", "kmnist"), ("fashion", "fashion_mnist")])
def test_table5_has_the_papers_betas_and_those_it_only_discusses(profile, dataset):
    shown = [cell for cell in cells("table5", profile) if not cell.labels["detach"]]
    found = {cell.labels["beta"]: cell.spec for cell in shown}
    assert found.keys() == {0, 1, 2, 4, 8, 16}
    assert {int(r.beta) for r in published("li2020", "table5").itertuples()} <= found.keys()
    for beta, spec in found.items():
        assert (spec.dataset, spec.model, spec.epochs) == (dataset, "li2020_cnn2c", 20)
        assert spec.loss_options == {"beta": beta}


def test_a_validation_split_leaves_the_test_images_alone(monkeypatch):
    data = datasets.load("digits")
    spec = RunSpec("digits", "li2020_cnn2c", "ce", "sgd", 32, 1, validation_size=300, test_size=100)
    chosen = select(data, spec)
    whole = data.parts["train"]
    assert len(chosen.parts["train"].targets) == len(whole.targets) - 300
    assert len(chosen.parts["test"].targets) == 100
    # Each image of the training set is in one part or in none, and no test image is in either.
    rows = {tuple(image.flatten().tolist()) for image in chosen.parts["train"].inputs}
    held_out = {tuple(image.flatten().tolist()) for image in chosen.parts["test"].inputs}
    everything = {tuple(image.flatten().tolist()) for image in whole.inputs}
    assert held_out <= everything
    assert rows <= everything
    assert not rows & held_out
    everyone = select(data, RunSpec("digits", "li2020_cnn2c", "ce", "sgd", 32, 1))
    for name, part in data.parts.items():
        assert torch.equal(everyone.parts[name].targets, part.targets)


def test_measures_are_part_of_the_record_and_of_its_code(store):
    plain = run_experiment(
        tiny_experiment(seeds=1, losses=("ce",)), profile="smoke", store=store, progress=False
    )
    more = run_experiment(
        tiny_experiment(seeds=1, losses=("ce",), measures="softmax"),
        profile="smoke",
        store=store,
        progress=False,
    )
    (before,), (after,) = plain.records, more.records
    assert before.key != after.key
    assert before.curves == after.curves
    assert "ece" not in before.metrics
    assert before.metrics.items() <= after.metrics.items()
    more_code = set(after.provenance["modules"]) - set(before.provenance["modules"])
    assert more_code == {"lossbook.training.measures.predictions"}
    # The matrix of confusion has the test images of the run, and its diagonal is the accuracy.
    count = torch.tensor(after.metrics["count"])
    assert count.shape == (10, 10)
    assert int(count.sum()) == after.provenance["test_size"] == 50
    assert float(count.diagonal().sum()) / 50 == pytest.approx(after.metrics["test_accuracy"])


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
    for loss, scale in GRADIENT_SCALE.items():
        torch.testing.assert_close(gradients[loss], scale * gradients["sml"])


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


def test_the_gradient_through_the_weights_is_compared_at_equal_beta():
    specs = {(c.labels["beta"], c.labels["detach"]): c.spec for c in cells("table5")}
    for beta in (1, 4, 16):
        assert specs[beta, True].loss_options == {"beta": beta, "detach": True}
        assert specs[beta, False].loss_options == {"beta": beta}


@pytest.mark.parametrize("size", [0, 1397, 10_000])
def test_a_validation_split_that_leaves_nothing(size):
    spec = RunSpec("digits", "li2020_cnn2c", "ce", "sgd", 32, 1, validation_size=size)
    with pytest.raises(LossbookError, match="must take some of the 1,397 training examples of digits"):
        select(datasets.load("digits"), spec)
