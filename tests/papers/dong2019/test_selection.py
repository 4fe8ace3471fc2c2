"""Fig. 6 and 7: what is declared, and what the page says of whatever has been run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib import pyplot as plt
from said import numbers

from lossbook import experiments, losses
from lossbook.evidence import claims, recorded
from lossbook.evidence.select import Evidence
from lossbook.papers.dong2019 import selection, selection_page
from lossbook.papers.dong2019.names import FREQUENCIES, USUAL
from lossbook.papers.dong2019.selection import (
    ALL_CLASSES,
    ONE_CLASS,
    POWERS,
    PUBLISHED_COUNT,
    SHARES,
    M,
    R,
)
from lossbook.papers.dong2019.table2 import CHARACTERS, LARGER, OBJECTS, ONE, Place
from lossbook.results import Record, Store
from lossbook.training import plan_run

MakeRecord = Callable[..., Record]
NAME = "dong2019/selection"
ACCURACY, RANK = "test_accuracy", "rank_1"


@pytest.fixture
def made(make_record: MakeRecord) -> Callable[..., list[Record]]:
    """A record of every cell and seed of a profile with these labels; all measures as given."""

    def make(profile: str, value: Callable[[dict[str, Any], int], float], **only: object) -> list[Record]:
        found = []
        for cell, spec in experiments.get(NAME).profile(profile).runs():
            if any(cell.labels[name] != wanted for name, wanted in only.items()):
                continue
            number = value(dict(cell.labels), spec.seed)
            record = make_record(number, test_size=10_000, train_size=50_000)
            found.append(
                replace(
                    record,
                    key=spec.key,
                    experiment=NAME,
                    profile=profile,
                    labels=dict(cell.labels),
                    config=spec.config,
                    seed=spec.seed,
                    metrics=record.metrics | {"rank_1": number, "map": number},
                )
            )
        return found

    return make


def evidence(store: Store, records: list[Record]) -> Evidence:
    for record in records:
        store.append(record)
    return recorded(NAME, store=store)


def judged(found: Evidence, key: str) -> claims.Verdict:
    return claims.judge(selection.CLAIMS, key, found)


def noise(labels: dict[str, Any], seed: int) -> float:
    """Small, and of its own for every setting."""
    every = [*SHARES, *POWERS, PUBLISHED_COUNT]
    mine = PUBLISHED_COUNT if labels["count"] == PUBLISHED_COUNT else labels["m"] or labels["r"]
    shift = len(SHARES) if labels["r"] is not None else 0
    return 0.0001 * every.index(mine, shift) * (-1) ** seed


# --- what is declared ---


@pytest.mark.parametrize("place", [CHARACTERS, OBJECTS, LARGER])
def test_every_setting_is_run_on_objects_and_on_retrieval(place: Place) -> None:
    cells = experiments.get(NAME).profile(place.profile).cells
    every = [c for c in cells if c.spec.dataset == place.dataset]
    mine = [c for c in every if c.labels["start"] == USUAL]
    low = [(c.labels["m"], c.labels["r"]) for c in every if c.spec.output_bias == FREQUENCIES]
    assert low == [(M, None), (ALL_CLASSES, None), (None, R)]
    found = {(c.spec.loss, c.labels["m"], c.labels["r"], c.labels["count"]) for c in mine}
    assert found == {
        *(("hs_lr", m, None, "paper") for m in SHARES),
        *(("ss_lr", None, r, "paper") for r in (0.5, 1, 2, 5, 10, 50)),
        ("hs_lr", M, None, PUBLISHED_COUNT),
    }
    assert {c.spec.optimizer_options["lr"] for c in every} == {ONE[place]}
    assert len({c.spec.epochs for c in every}) == 1
    # Accuracy is that on all classes; what is retrieved was never trained on.
    assert {c.spec.unseen_classes for c in every} == {None}
    # m = 25, r = 2 and the ends come first.
    assert [(c.labels["m"], c.labels["r"]) for c in mine[:5]] == [
        *((ONE_CLASS, None), (M, None), (ALL_CLASSES, None)),
        *((None, R), (None, 50.0)),
    ]
    for cell in every:
        plan_run(cell.spec)


@pytest.mark.parametrize("classes", [100, 964])
def test_the_least_share_selects_one_class(classes: int) -> None:
    kernel = losses.get("hs_lr", m=ONE_CLASS)
    logits = torch.randn(5, classes, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    target = torch.arange(5)
    hardest = logits.scatter(1, target[:, None], -torch.inf).amax(1)
    chosen = torch.nn.functional.softplus(hardest)
    wanted = torch.nn.functional.softplus(-logits.gather(1, target[:, None])[:, 0]) + 10 * chosen
    torch.testing.assert_close(kernel(logits, target), wanted.mean())


def test_no_power_is_all_classes() -> None:
    logits = torch.randn(5, 100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    target = torch.arange(5)
    soft, hard = losses.get("ss_lr", r=0.0), losses.get("hs_lr", m=ALL_CLASSES)
    torch.testing.assert_close(soft(logits, target), hard(logits, target))
    assert selection.at_power("omniglot", 0.0, RANK) == selection.at_share("omniglot", 1.0, measure=RANK)


# --- claims ---


def test_without_records_nothing_is_claimed(store: Store) -> None:
    found = evidence(store, [])
    assert {judged(found, claim.key).finding for claim in selection.CLAIMS} == {"not tested"}
    assert selection_page.figure(found, "reference") is None
    assert selection_page.tables_by_data(found, "reference") == {}
    assert selection.published_count_sentences(found) == []
    assert selection.number(judged(found, "r-robust")) == ""


def test_level_curves_are_robust_and_m_does_not_matter(
    store: Store, made: Callable[..., list[Record]]
) -> None:
    found = evidence(store, made("reference", lambda labels, seed: 0.6 + noise(labels, seed)))
    robust = judged(found, "r-robust")
    assert (robust.finding, robust.count) == ("holds in part", (12, 12))
    assert judged(found, "m-matters").finding == "does not carry over"
    assert judged(found, "m-objects").finding == "does not carry over"
    assert judged(found, "ss-favourable").finding == "does not carry over"
    assert "r = 2" in selection.follows("r-robust", robust)
    assert "matters" not in selection.follows("r-robust", robust)


def test_the_papers_picture(store: Store, made: Callable[..., list[Record]]) -> None:
    def value(labels: dict[str, Any], seed: int) -> float:
        if labels["r"] is not None:
            return 0.6 + noise(labels, seed)
        slope = 0.05 if labels["dataset"] == "cifar100" else -0.05
        return 0.6 + slope * labels["m"] + noise(labels, seed)

    found = evidence(store, made("reference", value))
    assert judged(found, "m-objects").short == "holds in part, 6 of 6"
    assert judged(found, "m-retrieval").short == "holds in part, 12 of 12"
    assert judged(found, "m-matters").finding == "holds in part"
    assert judged(found, "ss-favourable").finding == "holds in part"
    assert "m = 100" in selection.follows("m-matters", judged(found, "m-matters"))
    assert "m = 100" in selection.number(judged(found, "m-objects"))


def test_a_sensitive_r_is_refuted_but_only_within_the_range(
    store: Store, made: Callable[..., list[Record]]
) -> None:
    def at(power: float) -> Callable[[dict[str, Any], int], float]:
        return lambda labels, seed: 0.6 - 0.1 * (labels["r"] == power) + noise(labels, seed)

    far = evidence(store, made("reference", at(50.0)))
    assert judged(far, "r-robust").finding == "holds in part"


def test_a_sensitive_r_is_refuted(store: Store, made: Callable[..., list[Record]]) -> None:
    found = evidence(
        store,
        made("reference", lambda labels, seed: 0.6 - 0.1 * (labels["r"] == 10.0) + noise(labels, seed)),
    )
    verdict = judged(found, "r-robust")
    assert verdict.finding == "does not carry over"
    assert "r = 10 minus r = 2" in selection.number(verdict)
    assert "r matters" in selection.follows("r-robust", verdict)
    assert judged(found, "ss-favourable").finding == "does not carry over"


# --- the page ---


def test_some_runs_make_a_table_and_a_figure(store: Store, made: Callable[..., list[Record]]) -> None:
    def value(labels: dict[str, Any], seed: int) -> float:
        return 0.6 + 0.1 * (labels["m"] or 0) + noise(labels, seed)

    found = evidence(store, made("reference", value, dataset="omniglot", loss="hs_lr"))
    ((dataset, (frame, notes)),) = selection_page.tables_by_data(found, "reference").items()
    assert dataset == "omniglot"
    # Six shares, the published count, and r = 0, which is m = 100.
    assert frame["Setting"].tolist() == [
        *("one class", "m = 10", "m = 25", "m = 50", "m = 75", "m = 100"),
        *("m = 25, published count", "r = 0"),
    ]
    row = frame.set_index("Setting").loc["m = 100"]
    assert str(row["Rank-1, %"]).startswith("70.")
    assert str(row["rank-1, minus m = 25 or r = 2"]).startswith("+7.5")
    assert str(frame.set_index("Setting").loc["m = 25"]["rank-1, minus m = 25 or r = 2"]) == "–"
    assert [numbers(note) for note in notes] == [["6", "13"]]
    figure = selection_page.figure(found, "reference")
    assert figure is not None
    assert len(figure.axes) == 2
    plt.close(figure)
    assert "60.01 (n = 5)" in selection_page.alt(found, "reference")
    assert len(selection.published_count_sentences(found)) == 2
    # Rank-1 and mAP; HS-LR at both shares, and no runs of SS-LR.
    said = selection.started_sentences(found)
    assert [(each.count("HS-LR at m"), each.count("SS-LR")) for each in said] == [(2, 0), (2, 0)]


def test_the_chapters_first_page_quotes_the_records(tmp_path: Path) -> None:
    found = recorded(NAME, store=Store(working=tmp_path))
    text = " ".join((Path(__file__).parents[3] / "book" / "dong2019.md").read_text(encoding="utf-8").split())
    many = selection.shares("omniglot", RANK, 1.0, M).at(found, "reference")
    assert many is not None
    assert f"m = 100 minus m = 25 is {many.short()} points of rank-1" in text
    assert many.interval.n == 3
    one = selection.shares("omniglot", RANK, ONE_CLASS, M).at(found, "reference")
    assert one is not None
    assert one.interval.high < -0.5
    rates = {r: selection.powers("omniglot", "map", r).at(found, "reference") for r in (1.0, 5.0, 10.0)}
    assert rates[1.0].interval.low < 0 < rates[1.0].interval.high
    assert all(-0.035 < rates[r].interval.mean < -0.015 and rates[r].below for r in (5.0, 10.0))
    # On objects.
    half, ten = (selection.shares("cifar100", ACCURACY, m, M).at(found, "narrow") for m in (0.5, 0.1))
    fifty = selection.powers("cifar100", ACCURACY, 50.0).at(found, "narrow")
    said = f"{half.interval.n} seeds, HS-LR at m = 50 minus m = 25 is {half.short()} points of accuracy, "
    assert f"{said}at m = 10 {ten.short()}; one class alone fails" in text
    frame, _ = selection_page.tables_by_data(found, "narrow")["cifar100"]
    adjusted = frame.set_index("Setting")["p (Holm), accuracy"]
    assert all(float(str(adjusted[m]).removeprefix("< ")) < 0.05 for m in ("m = 10", "m = 50"))
    assert f"r = 50 costs {fifty.short().removeprefix('-')} points on objects" in text
    chance = selection.at_share("cifar100", ONE_CLASS, measure=ACCURACY).runs(found, "narrow")
    assert max(chance.values(ACCURACY).values()) < 0.02
