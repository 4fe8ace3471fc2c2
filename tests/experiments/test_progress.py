"""How far an experiment is: which run, which epoch, how long it will take at the speed so far."""

from dataclasses import replace

import pytest
import torch
from tiny import tiny_experiment

from lossbook import progress
from lossbook.experiments import progress as experiment_progress
from lossbook.experiments.progress import RunProgress
from lossbook.training import RunSpec


@pytest.fixture
def clock(monkeypatch):
    """The time, set by the test; every run is estimated to take 100 s."""
    moment = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: moment[0])
    monkeypatch.setattr(experiment_progress, "estimate_seconds", lambda spec, device: 100.0)
    return moment


def specs(**changes):
    return [spec for _, spec in tiny_experiment(**changes).profiles["smoke"].runs()]


def test_the_time_left_is_from_the_speed_so_far(clock, capsys):
    ce, nllr, *_ = runs = specs(epochs=4)
    with RunProgress(runs, torch.device("cpu")) as shown:
        shown.start(ce)
        shown.start(nllr)
        for spec in (ce, nllr, ce):
            clock[0] += 15.0
            shown.epoch(spec, 1 if spec is nllr else shown._epochs.get(ce.key, 0) + 1)
        shown.say("a word")
    assert capsys.readouterr().err.splitlines() == [
        "4 runs to do, about 7 min one after the other",
        # A quarter of a run took 15 s, so 15 quarters take 225.
        "0/4 runs done, about 4 min left; digits ce seed 0, epoch 1/4; digits nllr seed 0, epoch 0/4",
        "0/4 runs done, about 4 min left; digits ce seed 0, epoch 1/4; digits nllr seed 0, epoch 1/4",
        # The second epoch of CE took 30 s, half of it for the other run, and two are left.
        "0/4 runs done, about 3 min left; digits ce seed 0, epoch 2/4, about 60 s left; digits nllr seed 0, "
        "epoch 1/4",
        "a word",
    ]


def test_a_run_from_a_checkpoint_and_one_of_another_process_cost_nothing_now(clock, capsys):
    first, second, third = runs = specs(epochs=10, losses=("ce", "nllr", "lr"), seeds=1)
    with RunProgress(runs, torch.device("cpu")) as shown:
        shown.skip(third)
        shown.start(first)
        clock[0] = 20.0
        shown.epoch(first, 9)  # The ninth alone was trained now.
        shown.epoch(first, 10)
        shown.finish(first)
        shown.start(second)
        assert list(shown.in_hand) == [second.key]
        assert shown.finished == 1
    # Two epochs of ten took 20 s, and ten are left.
    assert "1/2 runs done, about 2 min left" in capsys.readouterr().err


def test_a_run_that_diverged_is_done(clock, capsys):
    (run,) = specs(losses=("ce",), seeds=1, epochs=50)
    with RunProgress([run], torch.device("cpu")) as shown:
        shown.start(run)
        shown.epoch(run, 1)
        shown.finish(run)
    assert capsys.readouterr().err.splitlines()[-1] == "1/1 runs done"


def test_nothing_is_left_at_the_end_however_the_parts_round(clock, capsys, monkeypatch):
    costs = iter((0.9, 0.8, 0.7, 0.5))  # Their sum is not what thirds of them add up to.
    monkeypatch.setattr(experiment_progress, "estimate_seconds", lambda spec, device: next(costs))
    runs = specs(epochs=3)
    with RunProgress(runs, torch.device("cpu")) as shown:
        for epoch in (1, 2, 3):
            for run in runs:
                clock[0] += 1.0
                shown.epoch(run, epoch)
        for run in runs:
            shown.finish(run)
    assert capsys.readouterr().err.splitlines()[-1] == "4/4 runs done"


def test_of_many_runs_in_hand_a_few_are_shown(clock, capsys):
    runs = specs(seeds=10)
    with RunProgress(runs, torch.device("cpu")) as shown:
        for run in runs:
            shown.start(run)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("0/20 runs done, 20 in hand; ")
    assert last.count("epoch 0/2") == 4


def test_networks_on_features_are_timed_on_their_data():
    spec = RunSpec("made_labels", "mlp", "lr", "sgd", 32, 2, optimizer_options={"lr": 0.1})
    seconds = experiment_progress.estimate_seconds(spec, torch.device("cpu"))
    assert 0 < seconds < 60
    # Without the data nothing is known of its shape.
    assert experiment_progress._small_step_seconds(replace(spec, dataset="glue_stsb"), "cpu") == 0
