"""Declared cells and made-up records of li2020's experiments."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lossbook import experiments
from lossbook.evidence import Evidence
from lossbook.pages import style
from lossbook.results import Record

CODE = {"sml": "ce", "lgl": "lr", "lgl_mean": "lr", "lgl_inr": "lgl_inr"}


def cells(name, profile="paper"):
    return experiments.get(f"li2020/{name}").profiles[profile].cells


K = 10


def made(
    experiment: str, profile: str, accuracy: float, *, seed: int = 0, status: str = "finished", **labels: Any
) -> list[Record]:
    """A record for every declared cell that has these labels."""
    style.theme()
    found = []
    for cell in experiments.get(experiment).profiles[profile].cells:
        if any(cell.labels.get(name) != value for name, value in labels.items()):
            continue
        spec = replace(cell.spec, seed=seed)
        curve = [accuracy / 2, accuracy]
        metrics = {"test_accuracy": accuracy, "test_ce": 0.3, "ece": 0.02, "hardest": 0.1, "rest": 0.01}
        metrics |= counts(accuracy)
        found.append(
            Record(
                key=spec.key,
                experiment=experiment,
                profile=profile,
                labels=dict(cell.labels),
                config=spec.config,
                seed=seed,
                status=status,
                metrics=metrics,
                curves={"train_accuracy": curve, "test_accuracy": curve},
                provenance={
                    "train_size": 60_000,
                    "test_size": 10_000,
                    "data_notes": [],
                    "code": "0123456789ab",
                    "git": "5a4ef87000000000",
                    "data": "fedcba9876543210",
                    "device": "cpu",
                    "versions": {"torch": "2"},
                    "seconds": 1.0,
                },
            )
        )
    assert found, "no cell has these labels"
    return found


def counts(accuracy: float) -> dict[str, list[list[float]]]:
    """A thousand images per class; all mistakes go to the next class."""
    right = 1000 * accuracy * np.eye(K)
    return {"count": (right + np.roll(1000 * (1 - accuracy) * np.eye(K), 1, axis=1)).tolist()}


def evidence(experiment: str, groups: Sequence[list[Record]]) -> Evidence:
    records = [record for group in groups for record in group]
    names = [p for p in experiments.get(experiment).profiles if any(r.profile == p for r in records)]
    return Evidence(experiment, "quick", {p: [r for r in records if r.profile == p] for p in names})


def column(frame: Any, name: str) -> list[str]:
    return [str(value) for value in frame[name]]
