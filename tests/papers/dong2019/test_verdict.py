"""The claims of dong2019 in one list: from formulas, and from records whose answer is known."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from said import numbers

from lossbook import experiments
from lossbook.evidence import Evidence, recorded
from lossbook.papers.dong2019 import selection, table1, verdict
from lossbook.papers.dong2019.names import FREQUENCIES, SELECTION, TABLE1, TABLE2, TABLE3
from lossbook.results import Record, Store

MakeRecord = Callable[..., Record]
PAGE = (Path(__file__).parents[3] / "notebooks" / "dong2019" / "verdict.md").read_text(encoding="utf-8")


@pytest.fixture
def made(make_record: MakeRecord) -> Callable[..., list[Record]]:
    """A record of every cell and seed of the profiles that were run; all measures as given."""

    def make(
        name: str, value: Callable[[dict[str, Any], int], float], measures: Sequence[str] = ("rank_1", "map")
    ) -> list[Record]:
        found = []
        declared = experiments.get(name)
        profiles = [each for each in ("reference", "narrow") if each in declared.profiles]
        for profile, (cell, spec) in ((p, run) for p in profiles for run in declared.profile(p).runs()):
            number = value(dict(cell.labels), spec.seed)
            record = make_record(number, test_size=10_000, train_size=50_000)
            found.append(
                replace(
                    record,
                    key=spec.key,
                    experiment=name,
                    profile=profile,
                    labels=dict(cell.labels),
                    config=spec.config,
                    seed=spec.seed,
                    metrics=record.metrics | dict.fromkeys(measures, number),
                )
            )
        return found

    return make


def evidence(store: Store, *groups: list[Record]) -> dict[str, Evidence]:
    for record in (record for group in groups for record in group):
        store.append(record)
    return {name: recorded(name, store=store) for name in verdict.EXPERIMENTS}


def advice(found: dict[str, Evidence]) -> dict[str, str]:
    """Question -> what follows."""
    return {re.split(r"[,:]| on ", text.split("**")[1])[0]: text for text in verdict.advice(found)}


# --- the whole page ---


def test_without_records_only_the_argument_is_judged(store: Store) -> None:
    found = evidence(store)
    judged = {claim.key: claim.judge(found) for claim in verdict.CLAIMS}
    assert len(judged) == len(verdict.CLAIMS)
    assert {judged[c.key].finding for c in verdict.CLAIMS if c.experiments} == {"not tested"}
    assert {key: judged[key].short for key in judged if judged[key].finding != "not tested"} == {
        "outweigh": "holds",
        "course": "does not hold",
        "minima": "not settled",
        "imbalance": "holds in part",
        "sparse": "holds",
        "identical": "does not hold",
        "competition": "holds",
        "focus": "holds in part",
        "alpha": "holds in part, 16 of 20",
        "powers": "holds",
        "focal": "holds in part",
    }
    assert all(verdict.OPEN in text for text in verdict.advice(found))
    assert set(verdict.HEADLINES) <= judged.keys()


def test_the_argument_has_the_numbers_of_the_derivation() -> None:
    def said(key: str) -> str:
        return " ".join(verdict.judge(key).evidence)

    assert "199 for 200 classes" in said("outweigh")
    assert "1.104" in said("outweigh")
    assert "5.298 and 0.997" in said("course")
    assert "by 95%" in said("course")
    assert "5.00 at m = 25, 2.50 at m = 50, 1.67 at m = 75, 1.11 at m = 100" in said("alpha")
    assert "2.98 at r = 2, 1.58e-13 at r = 50" in said("powers")
    assert "lowered for 10." in said("focus")
    assert "332 times" in said("sparse")
    assert "ratio is 1.00" in said("sparse")


def test_the_page_shows_every_claim_once_in_order() -> None:
    keys = [claim.key for claim in verdict.CLAIMS]
    assert re.findall(r'show\("([\w-]+)"\)', PAGE) == keys
    assert re.findall(r"\(dong2019-claim-([\w-]+)\)=", PAGE) == keys
    assert re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE)[2:-2] == list(verdict.SECTIONS)


def test_what_has_not_been_run_has_a_row_per_network_and_data_set() -> None:
    frame = verdict.missing()
    rows = {(row["Experiment"], row["What"]): row["Runs"] for row in frame.to_dict("records")}
    assert set(frame["Profile"]) <= {"paper", "reference", "resnet32", "narrow"}
    assert rows[TABLE2, "ResNet-50 on Market-1501"] == 40
    assert rows[TABLE2, "MobileNet on Market-1501"] == 40
    assert (SELECTION, "ResNet-50 on Market-1501") in rows
    assert not any("Duke" in what for _, what in rows)


# --- what to do ---


def _noise(labels: dict[str, Any], seed: int) -> float:
    """Of its own for every loss, start and data set."""
    text = f"{labels['loss']} {labels['start']} {labels['dataset']}"
    return 0.00002 * (sum(map(ord, text)) % 50) * (-1) ** seed


def test_advice_follows_the_gains(store: Store, made: Callable[..., list[Record]]) -> None:
    def value(labels: dict[str, Any], seed: int) -> float:
        level = {"ce": 0.60, "lr": 0.55, "hs_lr": 0.60, "ss_lr": 0.63}.get(labels["loss"], 0.6)
        return level + 0.03 * (labels["start"] == FREQUENCIES) + _noise(labels, seed)

    said = advice(evidence(store, made(TABLE1, value), made(TABLE2, value)))
    one = said["One label per example"]
    # Ahead of CE, behind it and not told apart.
    of = re.compile(r"([A-Z-]+)(?:, biases[^(]+\(K − 1\))? \((.\d\.\d)")
    assert [of.findall(part) for part in one.split(";")] == [
        [("SS-LR", "+3.0")],
        [("LR", "-5.0"), ("LR", "-2.0")],
        [("HS-LR", "-0.0")],
    ]
    started = said["If you use LR"]
    for where in ("accuracy on CIFAR-100", "rank-1 on Omniglot", "rank-1 on CIFAR-100, narrow network"):
        assert f"{where} (+3.0" in started.partition("better: ")[2]
    ahead = (
        said["Features for classes that are not trained on"].partition("ahead of CE: ")[2].partition(";")[0]
    )
    assert "SS-LR, on Omniglot" in ahead
    assert "HS-LR" not in ahead


def test_advice_does_not_follow_where_there_is_no_gain(
    tmp_path: Path, made: Callable[..., list[Record]]
) -> None:
    def value(labels: dict[str, Any], seed: int) -> float:
        return 0.6 - 0.05 * (labels["loss"] != "ce") + _noise(labels, seed)

    def better(labels: dict[str, Any], seed: int) -> float:
        return value(labels, seed) + 0.1 * (labels["loss"] != "ce") + 0.03 * (labels["start"] == FREQUENCIES)

    said, gained = (
        advice(evidence(Store(tmp_path / each.__name__, tmp_path), made(TABLE1, each), made(TABLE2, each)))
        for each in (value, better)
    )
    assert "LR (-5.0" in said["One label per example"]
    # What it comes to is said last.
    for title in ("One label per example", "If you use LR", "Features for classes that are not trained on"):
        assert said[title].rpartition("). ")[2] != gained[title].rpartition("). ")[2]


def test_two_seeds_give_no_advice(store: Store, made: Callable[..., list[Record]]) -> None:
    records = [r for r in made(TABLE1, lambda labels, seed: 0.6 + _noise(labels, seed)) if r.seed < 2]
    assert verdict.OPEN in advice(evidence(store, records))["One label per example"]


def test_advice_on_few_labels_counts(tmp_path: Path, made: Callable[..., list[Record]]) -> None:
    measures = ("map_example", "map_class", "balanced_example", "balanced_class")

    def gain(size: float) -> Callable[[dict[str, Any], int], float]:
        return lambda labels, seed: 0.5 + size * (labels["loss"] in ("hs_lr", "ss_lr")) + _noise(labels, seed)

    ahead, behind = (
        advice(evidence(Store(tmp_path / name, tmp_path), made(TABLE3, gain(size), measures)))[
            "Few labels beside many classes."
        ]
        for name, size in (("ahead", 0.05), ("behind", -0.05))
    )
    # At own rates, ahead of LR in how many comparisons, and behind.
    assert (numbers(ahead)[:3], numbers(behind)[:3]) == (["24", "24", "0"], ["0", "24", "24"])
    assert ahead.rpartition("comparisons. ")[2] != behind.rpartition("comparisons. ")[2]


def test_advice_on_settings_is_that_of_their_page(store: Store, made: Callable[..., list[Record]]) -> None:
    def value(labels: dict[str, Any], seed: int) -> float:
        order = [*selection.SHARES, *selection.POWERS]
        at = order.index(labels["m"]) if labels["m"] else 6 + selection.POWERS.index(labels["r"])
        return 0.6 + 0.0001 * at * (-1) ** seed

    said = advice(evidence(store, made(SELECTION, value)))["Settings."]
    assert all(name in said for name in (" m ", " r "))
    assert "matters" not in said
    assert "M = " not in said


def test_competitive_is_no_loss_that_the_test_images_resolve(
    store: Store, made: Callable[..., list[Record]]
) -> None:
    def value(labels: dict[str, Any], seed: int) -> float:
        return 0.6 - 0.001 * (labels["loss"] != "ce") + _noise(labels, seed)

    found = evidence(store, made(TABLE1, value))
    assert verdict.COMPETITIVE.judge(found).finding == "holds in part"
    assert table1.BEYOND_CE.judge(found).finding == "does not carry over"
