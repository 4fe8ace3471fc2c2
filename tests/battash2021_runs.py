"""Made-up records of battash2021's image experiments."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lossbook import experiments
from lossbook.evidence import Evidence
from lossbook.pages import style
from lossbook.papers.battash2021.protocol import title as name_of
from lossbook.results import Record


def made(
    item: str, profile: str, accuracy: Callable[..., float], seeds: int = 3, **where: Any
) -> list[Record]:
    """Records of the declared cells that have these labels; ``accuracy`` is given labels and seed."""
    style.theme()
    found = []
    for cell in experiments.get(f"battash2021/{item}").profile(profile).cells:
        if any(cell.labels.get(name) != value for name, value in where.items()):
            continue
        for seed in range(seeds):
            spec = replace(cell.spec, seed=seed)
            last = accuracy(seed=seed, **cell.labels)
            curve = [last * (epoch + 1) / spec.epochs for epoch in range(spec.epochs)]
            found.append(
                Record(
                    key=spec.key,
                    experiment=f"battash2021/{item}",
                    profile=profile,
                    labels=dict(cell.labels),
                    config=spec.config,
                    seed=seed,
                    status="finished",
                    metrics={"test_accuracy": last},
                    curves={"test_accuracy": curve},
                    provenance={
                        "train_size": 50_000,
                        "test_size": 10_000,
                        "data_notes": [],
                        "code": "0123456789ab",
                        "seconds": 60.0 * spec.epochs * (2 if spec.step else 1),
                    },
                )
            )
    assert found, "no cell has these labels"
    return found


def evidence(item: str, *groups: list[Record]) -> Evidence:
    records = [record for group in groups for record in group]
    name = f"battash2021/{item}"
    by_profile = {p: [r for r in records if r.profile == p] for p in experiments.get(name).profiles}
    return Evidence(name, "recorded", {p: found for p, found in by_profile.items() if found})


def gains(**points: float) -> Callable[..., float]:
    """Accuracy 0.7 for CE, and so many points more for other regimes, whose seeds scatter."""
    scatter = {"ceel": 0.001, "el": 0.002}

    def accuracy(seed: int, loss: str, schedule: str, **_: Any) -> float:
        return 0.7 + points.get(name_of((loss, schedule)), 0.0) / 100 + scatter.get(loss, 0.0) * (seed % 3)

    return accuracy
