"""Made-up records of dong2019's experiments."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from dong2019_runs import MakeRecord, Value

from lossbook import experiments
from lossbook.results import Record


@pytest.fixture
def made(make_record: MakeRecord) -> Callable[..., list[Record]]:
    """A record of every run of a profile; its last accuracy is a function of labels and seed."""

    def make(name: str, profile: str, value: Value, seeds: int | None = None, **more: Any) -> list[Record]:
        return [
            replace(
                make_record([0.1, value(dict(cell.labels), spec.seed)], test_size=10_000, train_size=50_000),
                key=spec.key,
                experiment=name,
                profile=profile,
                labels=dict(cell.labels),
                config=spec.config,
                seed=spec.seed,
                **more,
            )
            for cell, spec in experiments.get(name).profile(profile).runs(seeds)
        ]

    return make
