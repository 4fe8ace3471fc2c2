"""Losses that change from epoch to epoch."""

from dataclasses import replace

import torch

from lossbook.losses import CEELLoss, FocalLoss
from lossbook.training import plan_run, train
from lossbook.training.imbalance import weighted_loss
from lossbook.training.plan import scheduled_part

EPOCHS = 7
# Six phases: the first has 7/6 epochs, rounded down; 6/5 of an epoch is left for each other one.
FOCUS = [0.0, 0.1, 0.1, 0.2, 0.3, 0.4, 0.5]


def scheduled(spec, schedule="0-0.5", **changes):
    return spec(
        loss="ceel",
        loss_options={"schedule": schedule},
        optimizer="sgd",
        optimizer_options={"lr": 0.05, "momentum": 0.9},
        **{"epochs": EPOCHS} | changes,
    )


def test_every_batch_and_every_test_of_an_epoch_have_its_mix(spec, data):
    plan = plan_run(scheduled(spec))
    seen = []
    plan.loss.register_forward_hook(lambda loss, *_: seen.append((loss.alpha, loss.beta)))
    train(plan, data)
    expected = [(1.0, 1 / (1 - 2 * focus)) if focus < 0.5 else (0.0, 1.0) for focus in FOCUS]
    # 42 examples in batches of 16 make three steps; the test data are measured once per epoch.
    assert seen == [mix for mix in expected for _ in range(3 + 1)]


def test_one_f_throughout_is_the_same_as_fixed_factors(spec, data):
    run = scheduled(spec, schedule=[0.2])
    fixed = replace(run, loss_options={"alpha": 1.0, "beta": 1 / 0.6})
    assert train(plan_run(run), data).curves == train(plan_run(fixed), data).curves


def test_a_schedule_of_the_learning_rate_goes_with_it(spec, data):
    """One F, so that only the learning rate changes: a wrong rate would show in the curves."""
    drops = {"schedule": {"name": "steps", "at": [4 / 3, 10 / 3]}}
    run = replace(scheduled(spec, schedule=[0.0]), **drops)
    fixed = replace(run, loss_options={"alpha": 1.0, "beta": 1.0})
    curves = train(plan_run(run), data).curves
    assert curves == train(plan_run(fixed), data).curves
    assert curves != train(plan_run(scheduled(spec, schedule=[0.0])), data).curves


def test_a_loss_within_another_is_found():
    labels = torch.tensor([0, 0, 1])
    inner = CEELLoss(reduction="none", schedule="0,0.5")
    assert scheduled_part(weighted_loss(inner, "inverse_frequency", labels, 2)) is inner
    assert scheduled_part(CEELLoss()) is None
    assert scheduled_part(FocalLoss()) is None
