"""A run that is stopped and continued gives the numbers of one that never was."""

import math

import pytest
import torch

from lossbook.training import OutOfTimeError, loop, plan_run, train
from lossbook.training import checkpoint as checkpoints

# One row for each kind of task, step, schedule and measure; the first entry names the data.
SETTINGS = {
    "images, adadelta": ("data", {}),
    "rmsprop, decay, augmentation": (
        "data",
        {
            "optimizer": "keras_rmsprop",
            "optimizer_options": {"lr": 1e-3, "decay": 0.2},
            "augmentation": "keras_shift_flip",
            "model": "keras_cifar10_cnn",
        },
    ),
    "momentum, one cycle, bfloat16, standardised": (
        "data",
        {
            "optimizer": "sgd",
            "loss": "ce",
            "optimizer_options": {"lr": 0.02, "momentum": 0.9, "nesterov": True, "decay_vectors": False},
            "schedule": {"name": "one_cycle", "peak": 1.5},
            "precision": "bfloat16",
            "pixels": "standardised",
            "augmentation": "crop_flip",
        },
    ),
    "complement, cosine": (
        "data",
        {
            "loss": "ce",
            "optimizer": "sgd",
            "optimizer_options": {"lr": 0.05, "momentum": 0.9},
            "schedule": {"name": "cosine", "warm_up": 1},
            "step": "complement",
        },
    ),
    "accumulated, class weights": ("data", {"accumulate": 3, "class_weight": "inverse_frequency"}),
    "a schedule of the loss": (
        "data",
        {"loss": "ceel", "loss_options": {"schedule": "0,0.5"}, "optimizer": "sgd"},
    ),
    "measures by epoch and by step": (
        "data",
        {"loss": "lr", "epoch_measures": ["softmax", "examples"], "step_measures": "parts"},
    ),
    "features, several labels": (
        "feature_data",
        {"model": "mlp", "model_options": {"hidden": 8}, "loss": "lr", "optimizer": "sgd"},
    ),
    "texts": ("text_data", {"model": "mean_embedding", "loss": "ce", "step_measures": "parts"}),
    "retrieval, steps with warm-up": (
        "retrieval_data",
        {
            "loss": "ce",
            "optimizer": "sgd",
            "optimizer_options": {"lr": 0.05, "momentum": 0.9},
            "schedule": {"name": "steps", "at": [1.5, 3], "warm_up": 1},
            "measures": "retrieval_both",
        },
    ),
    "features, one class, images' states by epoch and measures at the end": (
        "class_feature_data",
        {
            "model": "mlp",
            "loss": "ce",
            "optimizer": "sgd",
            "epoch_measures": "tracked",
            "measures": ["softmax", "features"],
        },
    ),
}


@pytest.fixture
def every_epoch(monkeypatch):
    """Save after each epoch instead of every 20 seconds."""
    monkeypatch.setattr(checkpoints, "SECONDS", -1.0)


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by one second every time it is asked."""

    class Clock:
        now = 0.0

        def monotonic(self):
            self.now += 1.0
            return self.now

    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)
    return clock


class Stop(Exception):
    pass


def stop_at(epoch, error=Stop):
    def on_epoch(done):
        if done == epoch:
            raise error

    return on_epoch


def everything(plan, result):
    """All that a run gives, but for the time it took."""
    arrays = {**result.by_epoch, **{f"step {name}": value for name, value in result.by_step.items()}}
    for measure in plan.end_measures:
        arrays |= {f"end {name}": torch.as_tensor(v) for name, v in measure(result.trained).items()}
    return result.status, result.curves, {k: v.tolist() for k, v in arrays.items()}, result.weights


@pytest.mark.parametrize("settings", SETTINGS)
def test_stopped_again_and_again(spec, tmp_path, every_epoch, request, settings):
    fixture, changes = SETTINGS[settings]
    data = request.getfixturevalue(fixture)
    run, checkpoint = spec(epochs=4, **changes), tmp_path / "deep" / "run.pt"
    whole = train(plan_run(run), data)
    ended = everything(plan_run(run), whole)
    for epoch in (2, 3, 4):
        with pytest.raises(Stop):
            train(plan_run(run), data, checkpoint=checkpoint, code="a", on_epoch=stop_at(epoch))
        torch.rand(epoch)
    seen = []
    result = train(plan_run(run), data, checkpoint=checkpoint, code="a", on_epoch=seen.append)
    assert seen == [4], "three epochs had been saved"
    assert everything(plan_run(run), result) == ended
    # What was trained to the end can be measured again, and nothing is trained.
    again = train(plan_run(run), data, checkpoint=checkpoint, code="a", on_epoch=stop_at(1))
    assert everything(plan_run(run), again) == ended
    for part in data.parts:
        assert torch.equal(again.trained.logits(part), whole.trained.logits(part))


def test_leaving_a_run_early_gives_its_first_epochs(spec, data):
    run = spec(epochs=4, optimizer="sgd", schedule={"name": "cosine"})
    whole, first = train(plan_run(run), data), train(plan_run(run), data, stop_after=2)
    assert first.curves == {name: values[:2] for name, values in whole.curves.items()}
    assert first.weights["first"] == whole.weights["first"]
    assert first.weights["end"] != whole.weights["end"]


def test_stopped_from_the_keyboard(spec, data, tmp_path, every_epoch):
    plan, checkpoint = plan_run(spec()), tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        train(plan, data, checkpoint=checkpoint, on_epoch=stop_at(2, KeyboardInterrupt))
    assert train(plan, data, checkpoint=checkpoint).curves == train(plan, data).curves


def test_stopped_within_an_epoch(spec, data, tmp_path, every_epoch):
    plan, checkpoint = plan_run(spec()), tmp_path / "run.pt"
    calls = []

    class Breaks(type(plan.loss)):
        def forward(self, input, target):
            calls.append(len(target))
            if len(calls) == 7:  # Three steps and one evaluation an epoch.
                raise Stop
            return super().forward(input, target)

    whole = train(plan, data)
    plan.loss.__class__ = Breaks
    with pytest.raises(Stop):
        train(plan, data, checkpoint=checkpoint)
    seen = []
    result = train(plan_run(plan.spec), data, checkpoint=checkpoint, on_epoch=seen.append)
    assert (seen, result.curves) == ([2, 3], whole.curves)


def test_a_checkpoint_of_other_code_is_not_continued(spec, data, tmp_path, every_epoch):
    plan, checkpoint = plan_run(spec()), tmp_path / "run.pt"
    with pytest.raises(Stop):
        train(plan, data, checkpoint=checkpoint, code="old", on_epoch=stop_at(3))
    state = torch.load(checkpoint, weights_only=True)
    state["curves"]["test_ce"][0] = 99.0
    torch.save(state, checkpoint)
    seen = []
    result = train(plan, data, checkpoint=checkpoint, code="new", on_epoch=seen.append)
    assert seen == [1, 2, 3]
    assert result.curves == train(plan, data).curves


def test_the_deadline_stops_a_run_that_goes_on_later_to_the_same_result(spec, data, tmp_path, clock):
    plan, checkpoint = plan_run(spec(epochs=6)), tmp_path / "run.pt"
    whole = train(plan, data)
    stops, seen, spent = 0, [], []
    while True:
        begun = clock.now
        try:
            result = train(plan, data, checkpoint=checkpoint, deadline=clock.now + 14, on_epoch=seen.append)
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


def test_seconds_are_those_of_all_parts(spec, data, tmp_path, clock):
    plan, checkpoint = plan_run(spec(epochs=4)), tmp_path / "run.pt"
    with pytest.raises(OutOfTimeError):
        train(plan, data, checkpoint=checkpoint, deadline=clock.now + 14)
    saved = torch.load(checkpoint, weights_only=True)
    clock.now += 1e6  # Time between the parts is not the run's.
    result = train(plan, data, checkpoint=checkpoint)
    assert len(saved["curves"]["test_ce"]) < 4
    assert saved["seconds"] < result.seconds < 100


def test_a_deadline_already_past_does_nothing(spec, data, tmp_path):
    checkpoint = tmp_path / "run.pt"
    with pytest.raises(OutOfTimeError):
        train(plan_run(spec()), data, checkpoint=checkpoint, deadline=-math.inf, on_epoch=stop_at(1))
    assert list(tmp_path.iterdir()) == []


def test_the_last_epoch_is_not_given_up_for_a_deadline_it_met(spec, data, clock):
    # One step and an epoch's end: asked five times in all, the last one past the deadline.
    result = train(plan_run(spec(epochs=1, batch_size=64)), data, deadline=3.5)
    assert result.status == "finished"


def test_no_checkpoint_is_needed(spec, data, tmp_path, every_epoch):
    result = train(plan_run(spec(epochs=2)), data, checkpoint=tmp_path / "run.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]
    assert train(plan_run(spec(epochs=2)), data).curves == result.curves


def test_a_full_disk_costs_the_checkpoint_and_not_the_run(spec, data, tmp_path, every_epoch, monkeypatch):
    def full(state, path):
        path.write_bytes(b"PK")
        raise RuntimeError("write failed: no space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.warns(UserWarning, match="no space left on device"):
        result = train(plan_run(spec(epochs=2)), data, checkpoint=tmp_path / "run.pt")
    assert list(tmp_path.iterdir()) == []
    assert result.status == "finished"
