"""Results at a glance: the papers' numbers beside ours, whatever their experiments look like."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lossbook import experiments
from lossbook.report import glance
from lossbook.results import Record, Store

MakeRecord = Callable[..., Record]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(working=tmp_path / "working", published=tmp_path / "published")


def _declared(
    make: MakeRecord, experiment: str, profile: str, value: Callable[..., float], **only: Any
) -> list[Record]:
    """A record of every cell and seed of a profile with these labels."""
    found = []
    for cell, spec in experiments.get(experiment).profiles[profile].runs():
        if any(cell.labels.get(name) != wanted for name, wanted in only.items()):
            continue
        record = replace(
            make(value(cell.labels, spec.seed)),
            key=spec.key,
            experiment=experiment,
            profile=profile,
            labels=dict(cell.labels),
            config=spec.config,
            seed=spec.seed,
        )
        found.append(record)
    return found


def _rows(store: Store, start: str) -> list[dict[str, str]]:
    frame, _ = glance.glance(store=store)
    rows = [{str(k): str(v) for k, v in row.items()} for row in frame.to_dict("records")]
    return [row for row in rows if row["Item"].startswith(start)]


def test_every_paper_with_items_is_there_and_nothing_was_run(store: Store) -> None:
    frame, records = glance.glance(store=store)
    items = {str(item) for item in frame["Item"]}
    assert {"yao2018 Table I", "li2020 Table 3", "li2020 Table 4", "battash2021 Table 4"} <= items
    assert set(frame["Status"]) == {"not run"}
    assert records == []


def test_a_table_of_networks_has_a_row_for_each_reading_of_a_loss(
    store: Store, make_record: MakeRecord
) -> None:
    for record in _declared(
        make_record,
        "li2020/table3",
        "cnn2c",
        lambda labels, seed: {"sml": 0.90, "lgl": 0.91, "lgl_mean": 0.88, "lgl_inr": 0.92}[labels["loss"]],
        dataset="fashion_mnist",
    ):
        store.append(record)
    rows = {row["What"]: row for row in _rows(store, "li2020 Table 3")}
    found = {what: rows[f"Fashion-MNIST, CNN2C, {what}"] for what in ("SML", "LGL", "LGL, mean", "LGL-INR")}
    assert [row["Paper"] for row in found.values()] == ["91.15", "89.44", "89.44", "91.15"]
    assert [row["Ours"][:5] for row in found.values()] == ["90.00", "91.00", "88.00", "92.00"]
    # The profile cnn2c trains a part of the table at the paper's own protocol.
    assert {row["Status"] for row in found.values()} == {"paper scale"}
    assert rows["MNIST, CNN2C, SML"]["Status"] == "not run"


def test_the_table_of_betas_is_told_apart_by_beta(store: Store, make_record: MakeRecord) -> None:
    for record in _declared(
        make_record, "li2020/table5", "paper", lambda labels, seed: 0.9 + labels["beta"] / 100, detach=False
    ):
        store.append(record)
    rows = _rows(store, "li2020 Table 5")
    assert [row["Paper"] for row in rows] == ["96.43", "96.29", "96.43"]
    assert [row["Ours"][:5] for row in rows] == ["91.00", "92.00", "94.00"]


@pytest.mark.parametrize(("profile", "status"), [("quick", "reduced"), ("smoke", "not run")])
def test_the_tables_of_the_uci_repository(
    store: Store, make_record: MakeRecord, profile: str, status: str
) -> None:
    def value(labels: dict[str, Any], seed: int) -> float:
        return {"ce": 0.80, "el": 0.75, "focal": 0.79}.get(labels["loss"], 0.82)

    for record in _declared(make_record, "battash2021/table4", profile, value, classifier="linear"):
        accuracy = record.metrics["test_accuracy"]
        extra = dict.fromkeys(
            (
                *("selected_validation_accuracy", "selected_test_accuracy", "selected_first_test_accuracy"),
                *("by_batches_validation_batch_accuracy", "by_batches_test_batch_accuracy"),
                *("validation_accuracy", "selected_epoch"),
            ),
            accuracy,
        )
        store.append(replace(record, metrics=record.metrics | extra))
    rows = _rows(store, "battash2021 Table 4")
    assert len(rows) == 10
    assert [row["Paper"] for row in rows[:5]] == ["0.09", "0.20", "0.30", "-2.71", "-0.56"]
    assert [row["Status"] for row in rows] == [status] * 5 + ["not run"] * 5
    if status == "reduced":
        assert [row["Ours"] for row in rows[:5]] == [
            *["+2.00 ± 0.00 (n = 23)"] * 3,
            "-5.00 ± 0.00 (n = 23)",
            "-1.00 ± 0.00 (n = 23)",
        ]
        assert rows[0]["Ours is made with"] == "23 tables, 50 epochs, 2 seeds"
