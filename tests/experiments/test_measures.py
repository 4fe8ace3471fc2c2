"""Measures are part of a run."""

import pytest
import torch
from tiny import tiny_experiment

from lossbook.experiments.runner import run_experiment


def test_measures_are_part_of_the_record_and_of_its_code(store):
    plain = run_experiment(
        tiny_experiment(seeds=1, losses=("ce",)), profile="smoke", store=store, progress=False
    )
    more = run_experiment(
        tiny_experiment(seeds=1, losses=("ce",), measures="softmax"),
        profile="smoke",
        store=store,
        progress=False,
    )
    (before,), (after,) = plain.records, more.records
    assert before.key != after.key
    assert before.curves == after.curves
    assert "ece" not in before.metrics
    assert before.metrics.items() <= after.metrics.items()
    more_code = set(after.provenance["modules"]) - set(before.provenance["modules"])
    assert more_code == {"lossbook.training.measures.predictions"}
    # The matrix of confusion has the test images of the run, and its diagonal is the accuracy.
    count = torch.tensor(after.metrics["count"])
    assert count.shape == (10, 10)
    assert int(count.sum()) == after.provenance["test_size"] == 50
    assert float(count.diagonal().sum()) / 50 == pytest.approx(after.metrics["test_accuracy"])
