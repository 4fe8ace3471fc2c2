"""The command in a place of its own."""

import sys

import pytest

from lossbook import paths
from lossbook.cli import main
from lossbook.results import Record, Store


@pytest.fixture
def command(tmp_path, monkeypatch, capfd):
    """Run the command on an empty build folder; give status, output and errors."""
    monkeypatch.setenv("LOSSBOOK_BUILD", str(tmp_path / "build"))

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["lossbook", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capfd.readouterr()
        return stopped.value.code or 0, out, err

    return call


@pytest.fixture
def store(command, tmp_path, monkeypatch):
    """Where the command finds records: nothing is published but what a test publishes."""
    monkeypatch.setattr(paths, "published_results", lambda: tmp_path / "published")
    return Store()


@pytest.fixture
def make_record():
    """A record that was never trained."""

    def make(key="0123456789abcdef", **changes):
        content = {
            "key": key,
            "experiment": "toy/table1",
            "profile": "quick",
            "labels": {"loss": "ce", "beta": 1},
            "config": {"dataset": "digits", "epochs": 3},
            "seed": 0,
            "status": "finished",
            "metrics": {"test_accuracy": 0.5, "test_ce": 1.0},
            "curves": {"test_accuracy": [0.25, 0.5, 1.0]},
            "provenance": {"code": "x", "seconds": 100.0, "finished": "2026-01-01T00:00:00Z"},
        }
        return Record(**(content | changes))

    return make
