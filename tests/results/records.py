"""A record that was never trained."""

from lossbook.results import Record


def make_record(key="0123456789abcdef", **changes):
    content = {
        "key": key,
        "experiment": "yao2018/table1",
        "profile": "quick",
        "labels": {"dataset": "mnist", "loss": "ce", "epochs": 3},
        "config": {"dataset": "mnist"},
        "seed": 0,
        "status": "finished",
        "metrics": {"test_accuracy": 0.5},
        "curves": {"test_accuracy": [0.25, 0.5]},
        "provenance": {"code": "x", "finished": "2026-01-01T00:00:00Z"},
    }
    return Record(**(content | changes))
