"""The experiments on neglect and on balance: what is declared, and that it is trained as declared."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from lossbook import datasets, experiments
from lossbook.experiments import Experiment, Profile, jobs, planned
from lossbook.experiments.runner import run_experiment
from lossbook.papers.li2020.protocol import GRADIENT_SCALE
from lossbook.training import OutOfTimeError, RunSpec, plan_run, select
from lossbook.training import checkpoint as checkpoints
from lossbook.training.imbalance import class_rows

CODE = {"sml": "ce", "lgl": "lr", "lgl_inr": "lgl_inr"}


def cells(name, profile="paper"):
    return experiments.get(f"li2020/{name}").profiles[profile].cells


def test_modality_at_paper_scale_is_the_papers_protocol_and_equal_steps():
    found = {(c.labels["loss"], c.labels["rate"]): c.spec for c in cells("modality")}
    assert found.keys() == {(loss, rate) for loss in CODE for rate in ("paper", "equal")}
    for (loss, rate), spec in found.items():
        assert (spec.dataset, spec.model, spec.loss) == ("fashion_mnist", "li2020_cnn2c", CODE[loss])
        assert (spec.batch_size, spec.epochs, spec.train_size, spec.test_size) == (64, 20, None, None)
        lr = spec.optimizer_options["lr"]
        if rate == "paper":
            assert lr == 0.01
        else:
            assert lr * GRADIENT_SCALE[loss] == pytest.approx(0.1, rel=1e-3)
        assert spec.optimizer_options["momentum"] == 0.5
        assert spec.measures == ("softmax" if loss == "sml" else "sigmoid")
        assert spec.epoch_measures == f"modality_{spec.measures}"
        assert spec.loss_options == ({"beta": 1} if loss == "lgl_inr" else {})
        assert (spec.class_shares, spec.class_weight) == (None, None)
    assert experiments.get("li2020/modality").profiles["paper"].seeds == 5


def test_imbalance_at_paper_scale_has_every_design_with_and_without_weights():
    found = {(c.labels["design"], c.labels["loss"], c.labels["weight"]): c.spec for c in cells("imbalance")}
    assert found.keys() == {
        *((design, "lgl_inr", "own") for design in ("balanced", "step", "long_tailed")),
        *(
            (design, loss, "none")
            for design in ("balanced", "step", "long_tailed")
            for loss in ("sml", "lgl")
        ),
        *((design, loss, "inverse") for design in ("step", "long_tailed") for loss in ("sml", "lgl")),
        *((design, "sml", "in_batch") for design in ("step", "long_tailed")),
    }
    named = {
        "none": None,
        "own": None,
        "inverse": "inverse_frequency",
        "in_batch": "inverse_frequency_in_batch",
    }
    for (design, loss, weight), spec in found.items():
        assert (spec.loss, spec.class_weight) == (CODE[loss], named[weight])
        assert (spec.epochs, spec.batch_size, spec.train_size) == (20, 64, None)
        assert spec.optimizer_options == {"lr": 0.01, "momentum": 0.5}
        assert spec.epoch_measures == ("balance_softmax" if loss == "sml" else "balance_sigmoid")
        if design == "balanced":
            assert spec.class_shares is None
        elif design == "step":
            assert spec.class_shares == (1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.1)
        else:
            shares = spec.class_shares
            assert shares[0] == 1
            assert shares[9] == pytest.approx(0.01)
            ratios = [b / a for a, b in pairwise(shares)]
            assert ratios == pytest.approx([0.01 ** (1 / 9)] * 9, rel=1e-3)


def test_the_learning_rate_falls_for_the_last_three_of_ten_epochs():
    """So the designs must have equally many steps an epoch, whatever is lost to rounding."""
    labels = torch.arange(10).repeat(6000)
    for cell in cells("imbalance", "subset"):
        spec = cell.spec
        shares = spec.class_shares or (1.0,) * 10
        rows = class_rows(labels, shares, spec.train_size)
        assert 8200 <= len(rows) <= 8250
        assert (spec.schedule, spec.epochs) == ({"name": "steps", "at": [7]}, 10)
        lr = spec.optimizer_options["lr"]
        assert lr * GRADIENT_SCALE[cell.labels["loss"]] == pytest.approx(0.1, rel=1e-3)


def test_training_sets_have_the_sizes_declared():
    data = datasets.load("digits")
    spec = next(c.spec for c in cells("imbalance", "smoke") if c.labels["design"] == "step")
    train = select(data, spec).parts["train"]
    # 128 over 5.5 is 23.3.
    assert torch.bincount(train.targets).tolist() == [23] * 5 + [2] * 5
    assert len(select(data, spec).parts["test"].targets) == 50
    # The same images without an option of the loss or a seed playing a part.
    again = select(data, replace(spec, class_weight="inverse_frequency", seed=3)).parts["train"]
    assert torch.equal(again.inputs, train.inputs)


def tiny(**changes):
    settings = {
        "dataset": "digits",
        "model": "keras_mnist_cnn",
        "loss": "ce",
        "optimizer": "sgd",
        "optimizer_options": {"lr": 0.1},
        "batch_size": 32,
        "epochs": 3,
        "train_size": 64,
        "test_size": 50,
    }
    return RunSpec(**(settings | changes))


def outcome(spec, store):
    cell = experiments.Cell({"dataset": "digits", "loss": "ce", "epochs": spec.epochs}, spec)
    profile = Profile("smoke", "tiny", (cell,), seeds=1)
    return run_experiment(
        Experiment("toy/table1", "A toy", {"smoke": profile}), profile="smoke", store=store, progress=False
    )


def test_measuring_every_epoch_changes_nothing_else(store):
    plain, measured = (
        outcome(tiny(epoch_measures=name), store).records[0] for name in (None, "balance_softmax")
    )
    assert measured.key != plain.key
    assert measured.curves.items() >= plain.curves.items()
    assert measured.metrics.items() >= plain.metrics.items()
    assert len(measured.curves) == len(plain.curves) + 2 * 3
    assert [len(values) for values in measured.curves["train_lacking"]] == [10] * 3
    assert measured.metrics["train_lacking"] == measured.curves["train_lacking"][-1]
    assert measured.metric("train_lacking/3") == measured.curve("train_lacking/3")[-1]


def test_what_was_measured_survives_a_stop(store, place, monkeypatch):
    spec = tiny(epoch_measures="modality_softmax")
    whole = outcome(spec, store).records[0]
    monkeypatch.setattr(checkpoints, "SECONDS", -1.0)
    plan = plan_run(spec)
    run = planned.Run(
        "toy/table1",
        "smoke",
        experiments.Cell(whole.labels, spec),
        plan,
        whole.provenance["code"],
        (("toy/table1", "smoke"),),
    )

    def stop(epochs):
        if epochs == 2:
            raise OutOfTimeError

    device = torch.device("cpu")
    with pytest.raises(OutOfTimeError):
        list(jobs.train_job([run], device, float("inf"), [stop]))
    assert run.checkpoint.is_file()
    seen = []
    (record,) = jobs.train_job([run], device, float("inf"), [seen.append])
    assert seen == [2, 3]
    assert record.curves == whole.curves


def test_weights_are_those_of_the_training_images(store):
    """At equal class sizes weights are ones, and change nothing; at unequal ones they do."""
    shares = (1.0,) * 5 + (0.5,) * 5
    flat = [
        outcome(tiny(class_shares=(1.0,) * 10, train_size=60, class_weight=weight), store).records[0]
        for weight in (None, "inverse_frequency", "inverse_frequency_in_batch")
    ]
    assert flat[0].provenance["train_size"] == 60
    for record in flat[1:]:
        for name, curve in flat[0].curves.items():
            assert record.curves[name] == pytest.approx(curve, rel=1e-4), name
    none, inverse, in_batch = (
        outcome(tiny(class_shares=shares, class_weight=weight), store).records[0].curves["train_loss"]
        for weight in (None, "inverse_frequency", "inverse_frequency_in_batch")
    )
    assert none != pytest.approx(inverse, rel=1e-3)
    assert in_batch != pytest.approx(inverse, rel=1e-4)
