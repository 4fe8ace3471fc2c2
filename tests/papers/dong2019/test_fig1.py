"""Fig. 1: features and distances between classes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from dong2019_runs import TABLE1, MakeRecord, accuracy, evidence, mark

from lossbook import datasets
from lossbook.papers.dong2019 import fig1, objects_figures
from lossbook.papers.dong2019.names import FREQUENCIES
from lossbook.results import Record


def distances(within: float) -> list[list[float]]:
    of = np.asarray(datasets.info("cifar100").superclass_of)
    far = np.where(of[:, None] == of[None], within, 1.0)
    # Not all pairs alike, as a correlation needs.
    return (far + 0.01 * np.abs(np.subtract.outer(np.arange(100), np.arange(100))) / 100).tolist()


def test_distances_follow_superclasses(make_record: MakeRecord) -> None:
    record = replace(make_record(0.5), config={"dataset": "cifar100"})
    near = replace(record, metrics={"class_distance": distances(0.5)})
    assert fig1.superclass_correlation(near) == pytest.approx(1, abs=0.01)
    same = replace(record, metrics={"class_distance": distances(1.0)})
    assert fig1.superclass_correlation(same) == pytest.approx(0, abs=0.05)
    assert fig1.superclass_correlation(record) is None
    assert fig1.superclass_correlation(replace(near, config={"dataset": "cifar10"})) is None


def test_features_are_compared_over_seeds(made: Callable[..., list[Record]]) -> None:
    rng = np.random.default_rng(0)
    records = []
    for r in made(TABLE1, "reference", accuracy, 3):
        good = r.labels["loss"] != "lr"
        wiggle = 0.003 * (-1) ** r.seed * mark(r.labels["loss"])
        targets = np.repeat(np.arange(0, 100, 20), 8)
        points = targets[:, None] / 10.0 + rng.normal(size=(40, 6))
        metrics = {
            "test_accuracy": 0.5,
            "nearest_neighbour": (0.5 if good else 0.4) + wiggle,
            "silhouette": (0.1 if good else 0.0) + wiggle,
            "class_distance": distances(0.9 if good else 0.7),
            "class_features": points.tolist(),
            "class_targets": targets.tolist(),
        }
        records.append(replace(r, metrics=metrics))
    found = evidence(TABLE1, *records)
    judged = {claim.key: claim.judge({TABLE1: found}) for claim in fig1.CLAIMS}
    assert judged["lr-features"].short == "holds in part, 4 of 4"
    assert judged["ss-lr-features"].short == "holds in part, 4 of 4"
    # All seeds alike: no interval.
    assert judged["class-manifold"].finding == "not settled"
    assert fig1.follows("lr-features", found) == fig1.follows("class-manifold", found) == ""
    assert "+10.20 ± 1.72" in fig1.follows("ss-lr-features", found)
    assert " not " not in fig1.follows("ss-lr-features", found)
    low = [
        replace(r, metrics={**r.metrics, "nearest_neighbour": 0.55 + 0.003 * r.seed})
        if r.labels["start"] == FREQUENCIES
        else r
        for r in records
    ]
    assert "+15.10 ± 1.88" in fig1.follows("lr-features", evidence(TABLE1, *low))
    behind = fig1.follows("ss-lr-features", evidence(TABLE1, *low))
    assert "-4.90 ± 3.52" in behind
    # The silhouette of made-up records does not vary with the start.
    assert "in 2 of 4 comparisons (silhouette, one rate for all; silhouette, each at" in behind
    frame, _ = fig1.table(found, "reference")
    assert frame["Loss"].tolist() == ["CE", "LR", "HS-LR", "SS-LR", "LR, biases at −log(K − 1)"]
    pictured = fig1.embeddings(found, "reference")
    assert [each.variant[0] for each in pictured] == ["ce", "lr", "ss_lr", "hs_lr"]
    assert list(pictured[0].names) == [0, 20, 40, 60, 80]
    assert fig1.neighbours(pictured[0]) > 0.5
    assert len(objects_figures.embeddings(pictured).axes) == 4
    assert "apple, chair" in fig1.alt(pictured)
