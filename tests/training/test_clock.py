"""Schedules of the learning rate."""

import math

import pytest
import torch

from lossbook.errors import UnknownNameError
from lossbook.training import clock, plan_run, train
from lossbook.training.clock import Clock, ScheduleError


def rates(declared, lr=0.5, steps=4, epochs=3):
    schedule = clock.get(declared, lr)
    return [schedule(Clock(s, s // steps, steps, epochs)) for s in range(steps * epochs)]


def test_steps_fall_at_epochs():
    assert rates({"name": "steps", "at": [1, 2.5]}) == [0.5] * 4 + [0.5 * 0.1] * 6 + [0.5 * 0.1**2] * 2
    assert rates({"name": "steps", "at": [2], "factor": 0.5}) == [0.5] * 8 + [0.25] * 4


def test_the_cosine_is_pytorchs_step_by_step():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12, eta_min=0.05)
    expected = []
    for _ in range(12):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    assert rates({"name": "cosine", "end": 0.1}) == pytest.approx(expected, rel=1e-12)


def test_one_cycle_rises_and_falls_in_straight_lines():
    found = rates({"name": "one_cycle", "peak": 1, "start": 0.2, "end": 0.1}, lr=1.0)
    assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert found[4:] == pytest.approx([1 - 0.9 * k / 8 for k in range(8)])


def test_a_warm_up_rises_to_the_schedule():
    found = rates({"name": "cosine", "warm_up": 1})
    plain = rates({"name": "cosine"})
    assert found[:4] == pytest.approx([rate * (s + 1) / 5 for s, rate in enumerate(plain[:4])])
    assert found[4:] == plain[4:]


def test_the_loop_follows_a_schedule_in_epochs_whatever_the_batch_size(spec, data):
    seen = {}
    for batch_size, steps in ((16, 3), (42, 1)):
        plan = plan_run(
            spec(batch_size=batch_size, schedule={"name": "steps", "at": [1]}, optimizer="sgd", epochs=2)
        )
        taken = []
        step = plan.step.__class__.__call__

        class Watch(type(plan.step)):
            def __call__(self, state, inputs, targets, taken=taken, step=step):
                taken.append(state.optimizers[0].param_groups[0]["lr"])
                return step(self, state, inputs, targets)

        plan.step.__class__ = Watch
        train(plan, data)
        seen[steps] = taken
    assert seen == {3: pytest.approx([0.01] * 3 + [0.001] * 3), 1: pytest.approx([0.01, 0.001])}


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"name": "steps", "at": [2, 1]}, "must be positive and rise"),
        ({"name": "steps", "at": [0]}, "must be positive and rise"),
        ({"name": "steps", "at": [math.nan]}, "must be positive and rise"),
        ({"name": "steps"}, "cannot be made from"),
        ({"name": "cosine", "end": 2}, "from 0 to 1; got 2"),
        ({"name": "one_cycle", "peak": -1}, "an epoch from 0; got -1"),
        ({"name": "cosine", "warm_up": -1}, "number of epochs from 0; got -1"),
    ],
)
def test_schedules_that_cannot_be_followed_are_refused(declared, message):
    with pytest.raises(ScheduleError, match=message):
        clock.get(declared, 0.1)


def test_an_unknown_schedule_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'steps'"):
        clock.get({"name": "step"}, 0.1)
