"""Runs that choose learning rates: their records decide no claim, and are in no one's way."""

import importlib
from typing import Any

import pytest

from lossbook import experiments
from lossbook.evidence import Evidence
from lossbook.pages import style
from lossbook.results import Record

PAPERS = ("battash2021", "dong2019")
CHOOSING = [
    (name, profile)
    for name in experiments.names()
    for profile in experiments.get(name).profiles
    if profile == "rates" and name.startswith(PAPERS)
]


def made(name: str, profile: str) -> list[Record]:
    """A record for every declared run, the highest rate the best."""
    return [
        Record(
            key=spec.key,
            experiment=name,
            profile=profile,
            labels=dict(cell.labels),
            config=spec.config,
            seed=spec.seed,
            status="finished",
            metrics=dict.fromkeys(
                ("test_accuracy", "map", "rank_1", "several_map_image"), 0.5 + spec.seed / 9
            ),
            curves={"test_accuracy": [0.4, 0.5]},
            provenance={
                "train_size": 45_001,
                "test_size": 4_999,
                "data_notes": [],
                "code": "0",
                "seconds": 1.0,
            },
        )
        for cell, spec in experiments.get(name).profile(profile).runs()
    ]


def given(paper: str) -> list[Evidence]:
    style.theme()
    found: dict[str, dict[str, Any]] = {name: {} for name in experiments.names() if name.startswith(paper)}
    for name, profile in CHOOSING:
        if name in found:
            found[name][profile] = made(name, profile)
    return [Evidence(name, "", by_profile) for name, by_profile in found.items()]


def test_there_are_such_runs() -> None:
    assert len(CHOOSING) >= 5


@pytest.mark.parametrize("paper", PAPERS)
def test_no_claim_is_judged_by_them(paper: str) -> None:
    verdict = importlib.import_module(f"lossbook.papers.{paper}.verdict")
    evidence = given(paper)
    for claim in verdict.CLAIMS:
        judged = verdict.judge(claim.key, *evidence)
        assert not {record.profile for record in judged.records} & {"rates"}, claim.key
