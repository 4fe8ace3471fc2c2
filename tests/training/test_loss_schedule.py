"""Losses that change from epoch to epoch."""

from dataclasses import replace

import pytest
import torch

from lossbook.losses import CEELLoss, FocalLoss
from lossbook.training import engine, plan_run, train
from lossbook.training.imbalance import weighted_loss
from lossbook.training.loss_schedule import follow_epochs, scheduled_part
from lossbook.training.optim import sgd
from lossbook.training.plan import SettingError

EPOCHS = 7
# Six phases: the first has 7/6 epochs, rounded down; 6/5 of an epoch is left for each other one.
FOCUS = [0.0, 0.1, 0.1, 0.2, 0.3, 0.4, 0.5]


def scheduled(spec, schedule="0-0.5", **changes):
    options = {"lr": 0.05, "momentum": 0.9} | changes.pop("optimizer_options", {})
    return spec(
        loss="ceel",
        loss_options={"schedule": schedule},
        optimizer="sgd",
        optimizer_options=options,
        **{"epochs": EPOCHS} | changes,
    )


def following(spec, arrays):
    return plan_run(spec).fitted(arrays)


def test_every_batch_and_every_test_of_an_epoch_have_its_mix(spec, arrays):
    plan = following(scheduled(spec), arrays)
    seen = []
    plan.loss.register_forward_hook(lambda loss, *_: seen.append((loss.alpha, loss.beta)))
    train(plan, arrays)
    expected = [(1.0, 1 / (1 - 2 * focus)) if focus < 0.5 else (0.0, 1.0) for focus in FOCUS]
    # 42 examples in batches of 16 make three steps; the test data are measured once an epoch.
    assert seen == [mix for mix in expected for _ in range(3 + 1)]


def test_one_f_throughout_is_the_same_as_fixed_factors(spec, arrays):
    run = scheduled(spec, schedule=[0.2])
    fixed = replace(run, loss_options={"alpha": 1.0, "beta": 1 / 0.6})
    assert train(following(run, arrays), arrays).curves == train(plan_run(fixed), arrays).curves


def test_learning_rates_are_those_of_the_optimiser(spec, arrays):
    """One F, so that only the learning rate changes: a wrong rate would show in the curves."""
    drops = {"optimizer_options": {"milestones": [4, 10]}}
    run = scheduled(spec, schedule=[0.0], **drops)
    fixed = replace(run, loss_options={"alpha": 1.0, "beta": 1.0})
    curves = train(following(run, arrays), arrays).curves
    assert curves == train(plan_run(fixed), arrays).curves
    assert curves != train(following(scheduled(spec, schedule=[0.0]), arrays), arrays).curves


def test_a_run_continued_within_a_phase_gives_the_same(spec, arrays, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_CHECKPOINT_SECONDS", -1.0)
    run = scheduled(spec)
    whole = train(following(run, arrays), arrays)

    class Stop(Exception):
        pass

    def stop(done):
        if done == 4:
            raise Stop

    checkpoint = tmp_path / "run.pt"
    with pytest.raises(Stop):
        train(following(run, arrays), arrays, checkpoint=checkpoint, on_epoch=stop)
    seen = []
    result = train(following(run, arrays), arrays, checkpoint=checkpoint, on_epoch=seen.append)
    assert seen[0] == 4, "three epochs had been saved"
    assert result.curves == whole.curves


def test_a_plan_whose_loss_nothing_takes_along_is_refused(spec, arrays):
    with pytest.raises(SettingError, match=r"changes from epoch to epoch.*plan\.fitted"):
        train(plan_run(scheduled(spec)), arrays)


def test_other_plans_are_left_as_they_are(spec, arrays):
    plan = plan_run(spec(loss="ceel", loss_options={"alpha": 1.0, "beta": 2.0}))
    assert plan.fitted(arrays) is plan
    assert not any("loss_schedule" in name for name in plan.entry_points)
    assert any("loss_schedule:follow_epochs" in name for name in plan_run(scheduled(spec)).entry_points)


def test_a_loss_within_another_is_found():
    labels = torch.tensor([0, 0, 1])
    inner = CEELLoss(reduction="none", schedule="0,0.5")
    assert scheduled_part(weighted_loss(inner, "inverse_frequency", labels, 2)) is inner
    assert scheduled_part(CEELLoss()) is None
    assert scheduled_part(FocalLoss()) is None


def test_the_loss_is_told_once_an_epoch_and_first_where_a_run_goes_on():
    told = []

    class Loss:
        def set_epoch(self, epoch, epochs):
            told.append((epoch, epochs))

    parameter = torch.nn.Parameter(torch.zeros(1))
    _, rate = follow_epochs(Loss(), sgd, epochs=3, steps_per_epoch=2)([parameter], lr=0.5)
    assert [rate(step) for step in (3, 4, 5)] == [0.5] * 3
    assert told == [(1, 3), (2, 3)]
