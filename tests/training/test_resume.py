"""A run that is stopped and continued gives the numbers of one that never was."""

import math

import pytest
import torch

from lossbook.training import engine, plan_run, train
from lossbook.training.engine import OutOfTimeError

SETTINGS = {
    "adadelta": {},
    "rmsprop, decay, augmentation": {
        "optimizer": "keras_rmsprop",
        "optimizer_options": {"lr": 1e-3, "decay": 0.2},
        "augmentation": "keras_shift_flip",
        "model": "keras_cifar10_cnn",
    },
}


@pytest.fixture
def every_epoch(monkeypatch):
    """Save after each epoch instead of every 20 seconds."""
    monkeypatch.setattr(engine, "_CHECKPOINT_SECONDS", -1.0)


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by one second every time it is asked."""

    class Clock:
        now = 0.0

        def monotonic(self):
            self.now += 1.0
            return self.now

    clock = Clock()
    monkeypatch.setattr(engine, "time", clock)
    return clock


class Stop(Exception):
    pass


def stop_at(epoch, error=Stop):
    def on_epoch(done):
        if done == epoch:
            raise error

    return on_epoch


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_stopped_again_and_again(spec, arrays, tmp_path, every_epoch, settings):
    plan, checkpoint = plan_run(spec(epochs=4, **settings)), tmp_path / "deep" / "run.pt"
    whole = train(plan, arrays)
    for epoch in (2, 3, 4):
        with pytest.raises(Stop):
            train(plan_run(plan.spec), arrays, checkpoint=checkpoint, code="a", on_epoch=stop_at(epoch))
        torch.rand(epoch)
    seen = []
    result = train(plan_run(plan.spec), arrays, checkpoint=checkpoint, code="a", on_epoch=seen.append)
    assert seen == [4], "three epochs had been saved"
    assert result.curves == whole.curves
    assert result.status == "finished"
    assert list(checkpoint.parent.iterdir()) == []


def test_stopped_from_the_keyboard(spec, arrays, tmp_path, every_epoch):
    plan, checkpoint = plan_run(spec()), tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        train(plan, arrays, checkpoint=checkpoint, on_epoch=stop_at(2, KeyboardInterrupt))
    assert train(plan, arrays, checkpoint=checkpoint).curves == train(plan, arrays).curves


def test_stopped_within_an_epoch(spec, arrays, tmp_path, every_epoch):
    plan, checkpoint = plan_run(spec()), tmp_path / "run.pt"
    calls = []

    class Breaks(type(plan.loss)):
        def forward(self, input, target):
            calls.append(len(target))
            if len(calls) == 7:  # Three steps and one evaluation an epoch.
                raise Stop
            return super().forward(input, target)

    whole = train(plan, arrays)
    plan.loss.__class__ = Breaks
    with pytest.raises(Stop):
        train(plan, arrays, checkpoint=checkpoint)
    seen = []
    result = train(plan_run(plan.spec), arrays, checkpoint=checkpoint, on_epoch=seen.append)
    assert (seen, result.curves) == ([2, 3], whole.curves)


def test_a_checkpoint_of_other_code_is_not_continued(spec, arrays, tmp_path, every_epoch):
    plan, checkpoint = plan_run(spec()), tmp_path / "run.pt"
    with pytest.raises(Stop):
        train(plan, arrays, checkpoint=checkpoint, code="old", on_epoch=stop_at(3))
    state = torch.load(checkpoint, weights_only=True)
    state["curves"]["test_ce"][0] = 99.0
    torch.save(state, checkpoint)
    seen = []
    result = train(plan, arrays, checkpoint=checkpoint, code="new", on_epoch=seen.append)
    assert seen == [1, 2, 3]
    assert result.curves == train(plan, arrays).curves


def test_the_deadline_stops_a_run_that_goes_on_later_to_the_same_result(spec, arrays, tmp_path, clock):
    plan, checkpoint = plan_run(spec(epochs=6)), tmp_path / "run.pt"
    whole = train(plan, arrays)
    stops, seen, spent = 0, [], []
    while True:
        begun = clock.now
        try:
            result = train(plan, arrays, checkpoint=checkpoint, deadline=clock.now + 14, on_epoch=seen.append)
            break
        except OutOfTimeError:
            stops += 1
            spent.append(clock.now - begun)
            assert checkpoint.is_file()
            assert stops < 10
    assert stops >= 2
    assert max(spent) <= 15
    assert seen == [1, 2, 3, 4, 5, 6], "no epoch was lost or made twice"
    assert result.curves == whole.curves
    assert not checkpoint.exists()


def test_seconds_are_those_of_all_parts(spec, arrays, tmp_path, clock):
    plan, checkpoint = plan_run(spec(epochs=4)), tmp_path / "run.pt"
    with pytest.raises(OutOfTimeError):
        train(plan, arrays, checkpoint=checkpoint, deadline=clock.now + 14)
    saved = torch.load(checkpoint, weights_only=True)
    clock.now += 1e6  # Time between the parts is not the run's.
    result = train(plan, arrays, checkpoint=checkpoint)
    assert len(saved["curves"]["test_ce"]) < 4
    assert saved["seconds"] < result.seconds < 100


def test_a_deadline_already_past_does_nothing(spec, arrays, tmp_path):
    checkpoint = tmp_path / "run.pt"
    with pytest.raises(OutOfTimeError):
        train(plan_run(spec()), arrays, checkpoint=checkpoint, deadline=-math.inf, on_epoch=stop_at(1))
    assert list(tmp_path.iterdir()) == []


def test_the_last_epoch_is_not_given_up_for_a_deadline_it_met(spec, arrays, clock):
    # One step and an epoch's end: asked five times in all, the last one past the deadline.
    result = train(plan_run(spec(epochs=1, batch_size=64)), arrays, deadline=3.5)
    assert result.status == "finished"


def test_no_checkpoint_is_left_or_needed(spec, arrays, tmp_path, every_epoch):
    checkpoint = tmp_path / "run.pt"
    result = train(plan_run(spec(epochs=2)), arrays, checkpoint=checkpoint)
    assert list(tmp_path.iterdir()) == []
    assert train(plan_run(spec(epochs=2)), arrays).curves == result.curves
