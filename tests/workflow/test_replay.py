"""Replaying recorded runs: which are chosen, what is said, and that pages show it."""

import json
from dataclasses import replace

import pytest
from said import numbers

from lossbook import experiments, paths
from lossbook.build import replay
from lossbook.experiments import attest
from lossbook.experiments.runner import run_experiment
from lossbook.pages import replayed
from lossbook.results import Store


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Publish rows of experiments: seconds, epochs and key of each run."""
    monkeypatch.setattr(paths, "published_results", lambda: tmp_path / "published")

    def publish(**experiments):
        for name, runs in experiments.items():
            path = tmp_path / "published" / "paper" / name / "paper.jsonl"
            path.parent.mkdir(parents=True)
            rows = [
                {"key": key, "provenance": {"seconds": s}, "config": {"epochs": n}, "curves": {"a": [1]}}
                for s, n, key in runs
            ]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    return publish


def test_the_cheapest_run_of_each_experiment_is_chosen_while_the_budget_lasts(published, tmp_path):
    published(
        fast=[(0.5, 50, "a"), (0.1, 50, "b")],
        long=[(200.0, 20, "c"), (300.0, 20, "d")],
        longer=[(600.0, 20, "e")],
        longest=[(6000.0, 20, "f")],
    )
    with (tmp_path / "published/paper/fast/paper.jsonl").open("a") as file:
        file.write("{ cut short\n[]\n")  # Passed over, as in every reading of records.
    chosen = replay.plan(90)
    assert {name.partition("/")[2]: (c.key, c.epochs, c.seconds) for name, c in chosen.items()} == {
        "fast": ("b", None, 0.1),
        "long": ("c", 2, 20.0),
        "longer": ("e", 2, 60.0),
        "longest": ("f", 2, 600.0),
    }
    refused = {name: choice.refusal for name, choice in chosen.items() if choice.refusal}
    assert list(refused) == ["paper/longest"]
    assert "took 600 s when it was recorded, and 90 s" in refused["paper/longest"]
    assert sum(choice.seconds for choice in chosen.values() if not choice.refusal) <= 90


def test_no_budget_no_replay(published):
    published(fast=[(0.1, 50, "b")])
    said = replay.replay("paper/fast", replay.plan(0))
    assert said["state"] == "none"
    assert "REPLAY=0" in said["text"]
    assert "it has no recorded run" in replay.replay("paper/other", replay.plan(90))["text"]


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A run of yao2018/table1 at smoke, published; and a way to change its record."""
    monkeypatch.setenv("LOSSBOOK_BUILD", str(tmp_path / "build"))
    monkeypatch.setenv("LOSSBOOK_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(paths, "published_results", lambda: tmp_path / "published")
    whole = experiments.get("yao2018/table1")
    smoke = replace(whole.profiles["smoke"], cells=whole.profiles["smoke"].cells[:1])
    experiment = replace(whole, profiles={"smoke": smoke})
    record = run_experiment(
        experiment,
        profile="smoke",
        seeds=1,
        progress=False,
        store=Store(tmp_path / "made", tmp_path / "none"),
    ).records[0]

    def publish(change=lambda record: record):
        store = Store(tmp_path / "published", tmp_path / "none")
        store.append(change(replace(record, origin="working")))
        return record

    return publish


def test_a_replay_compares_every_number(recorded):
    recorded()
    said = replay.replay("yao2018/table1", replay.plan(90))
    assert said["state"] == "same", said


def test_a_replay_that_differs_says_where(recorded):
    def change(record):
        return replace(record, metrics=record.metrics | {"test_accuracy": 0.987654})

    recorded(change)
    said = replay.replay("yao2018/table1", replay.plan(90))
    assert said["state"] == "different"
    assert "metrics test_accuracy: 0.987654 then" in said["text"]


def test_without_data_nothing_is_replayed_or_downloaded(recorded, monkeypatch):
    recorded(lambda record: replace(record, config=record.config | {"dataset": "mnist"}))
    monkeypatch.setattr(attest, "replay", None)
    said = replay.replay("yao2018/table1", replay.plan(90))
    assert (said["state"], "MNIST" in said["text"]) == ("none", True)


def test_a_replay_out_of_time_is_given_up(recorded, monkeypatch):
    recorded()
    monkeypatch.setattr(replay, "_PATIENCE", 0.0)
    monkeypatch.setattr(replay, "_CONSTANT", -1.0)
    said = replay.replay("yao2018/table1", replay.plan(90))
    assert said["state"] == "none"
    assert "it was stopped" in said["text"]
    assert not list(paths.build_dir().rglob("*.pt"))


def test_pages_say_what_was_replayed(tmp_path, monkeypatch):
    assert replayed.line(["a/b"]) == ""
    monkeypatch.setenv("LOSSBOOK_REPLAYS", str(tmp_path))
    for number, state in enumerate(("same", "none", "different")):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / f"{number}.json").write_text(
            json.dumps({"state": state, "text": f"It is {state}."})
        )
    assert replayed.line(["a/0"]) == "It is same."
    assert replayed.line(["a/0", "a/1", "a/9"]) == "It is same. It is none."
    # Experiments; the same, others, none.
    assert numbers(replayed.line(["a/0", "a/1", "a/2"]))[-4:] == ["3", "1", "1", "1"]
