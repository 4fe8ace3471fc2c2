"""Table 2: what is declared, how rates are chosen, and what the page says of whatever has been run."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib import pyplot as plt
from said import numbers

from lossbook import experiments, paths
from lossbook.evidence import claims, recorded
from lossbook.evidence.contrasts import Difference
from lossbook.evidence.select import Evidence
from lossbook.papers.dong2019 import hard_mining, table2, table2_figures, table2_tables
from lossbook.papers.dong2019.names import CHOOSING, FREQUENCIES, LOGISTIC, LOSSES, OPTIONS, USUAL
from lossbook.papers.dong2019.table1 import HARD_CE
from lossbook.papers.dong2019.table2 import (
    CHARACTERS,
    HELD_OUT,
    LARGER,
    OBJECTS,
    ONE,
    OWN,
    PLACES,
    RATES,
    choose,
)
from lossbook.results import Record, Store, published
from lossbook.training import plan_run

MakeRecord = Callable[..., Record]
NAME = "dong2019/table2"


@pytest.fixture
def made(make_record: MakeRecord) -> Callable[..., list[Record]]:
    """A record of every cell and seed of a profile with these labels; rank-1 as given, mAP half of it."""

    def make(profile: str, value: Callable[[dict[str, Any], int], float], **only: object) -> list[Record]:
        found = []
        for cell, spec in experiments.get(NAME).profile(profile).runs():
            if any(cell.labels[name] != wanted for name, wanted in only.items()):
                continue
            rank = value(dict(cell.labels), spec.seed)
            measured = {"rank_1": rank, "rank_5": rank, "map": rank / 2, "map_trapezoid": rank / 3}
            measured |= {"euclidean_rank_1": rank, "euclidean_map": rank / 2}
            record = make_record(rank)
            found.append(
                replace(
                    record,
                    key=spec.key,
                    experiment=NAME,
                    profile=profile,
                    labels=dict(cell.labels),
                    config=spec.config,
                    seed=spec.seed,
                    metrics=record.metrics | ({} if profile in CHOOSING else measured),
                )
            )
        return found

    return make


def evidence(store: Store, records: list[Record]) -> Evidence:
    for record in records:
        store.append(record)
    return recorded(NAME, store=store)


def judged(found: Evidence, key: str) -> claims.Verdict:
    return claims.judge(table2.CLAIMS, key, found)


# --- what is declared ---


def test_the_paper_profile_is_the_papers_protocol_where_the_data_can_be_had() -> None:
    profile = experiments.get(NAME).profile("paper")
    assert profile.seeds == 10
    found = {(c.spec.model, c.spec.dataset, c.spec.loss) for c in profile.cells}
    assert found == {(n, "market1501", loss) for n in ("resnet50", "mobilenet") for loss in LOSSES}
    printed = {(r.network, r.loss) for r in published("dong2019", "table2").itertuples()}
    assert printed <= {(network, loss) for network, _, loss in found}
    for cell in profile.cells:
        spec = cell.spec
        assert (spec.optimizer, spec.batch_size, spec.epochs) == ("adam", 32, 300)
        assert spec.optimizer_options == {"lr": 0.0003, "momentum": 0.9, "weight_decay": 1e-4}
        assert spec.loss_options == OPTIONS[spec.loss]


@pytest.mark.parametrize("place", [CHARACTERS, OBJECTS, LARGER])
def test_the_losses_are_compared_at_one_rate_and_at_their_own(place: table2.Place) -> None:
    profile = experiments.get(NAME).profile(place.profile)
    found = {
        (c.spec.loss, c.labels["start"], c.labels["lr"]): c.spec
        for c in profile.cells
        if c.spec.dataset == place.dataset
    }
    one = ONE[place]
    wanted = {(loss, USUAL, one) for loss in LOSSES} | {(loss, FREQUENCIES, one) for loss in LOGISTIC}
    wanted |= {(loss, USUAL, OWN[place, loss]) for loss in LOSSES}
    # Hard selection on CE, in both readings, is run beside them on objects.
    wanted |= {(loss, USUAL, one) for loss in HARD_CE if place == OBJECTS}
    assert found.keys() == wanted
    for (loss, start, lr), spec in found.items():
        assert spec.optimizer_options["lr"] == lr
        assert spec.output_bias == ("frequencies" if start == FREQUENCIES else None)
        assert spec.loss_options == {**OPTIONS, **HARD_CE}[loss]
        assert spec.validation_size is None
        assert spec.model == ("reference_narrow" if place == OBJECTS else "reference_small")
        assert (spec.unseen_classes, spec.augmentation) == (
            (20, "shift_flip") if place.dataset == "cifar100" else (None, "none")
        )
        plan_run(spec)


def test_rates_are_chosen_without_the_classes_to_be_retrieved() -> None:
    for cell in (c for name in CHOOSING for c in experiments.get(NAME).profile(name).cells):
        assert cell.spec.validation_size == HELD_OUT[cell.spec.dataset]
        assert cell.spec.measures is None
        assert cell.spec.unseen_classes == (20 if cell.spec.dataset == "cifar100" else None)


@pytest.mark.parametrize("profile", CHOOSING)
def test_the_rates_are_those_that_the_published_records_choose(profile: str) -> None:
    path = paths.data_file("results", "dong2019", "table2", f"{profile}.jsonl")
    if not path.is_file():
        pytest.skip("no records of the rates are published")
    known = Store(working=path.parent / "none").records(NAME)
    chosen = choose(r for r in known if r.profile == profile)
    assert chosen
    assert chosen.items() <= OWN.items()
    assert {place: rate for (place, loss), rate in chosen.items() if loss == "ce"}.items() <= ONE.items()


def test_the_rate_with_the_highest_last_accuracy_is_chosen(made: Callable[..., list[Record]]) -> None:
    best = {"ce": 1.0, "lr": 0.3, "hs_lr": 3.0, "ss_lr": 0.1}
    records = made(
        "rates", lambda labels, _: 0.9 if labels["lr"] == best[labels["loss"]] else 0.8, dataset="omniglot"
    )
    assert choose(records) == {(CHARACTERS, loss): rate for loss, rate in best.items()}
    assert choose(records[1:]).keys() == {(CHARACTERS, loss) for loss in LOSSES[1:]}
    # Of equal ones the least; one that broke down never.
    level = made("rates", lambda *_: 0.8, dataset="omniglot", loss="lr")
    assert choose(level) == {(CHARACTERS, "lr"): min(RATES)}
    broken = [replace(r, status="diverged") if r.labels["lr"] == min(RATES) else r for r in level]
    assert choose(broken) == {(CHARACTERS, "lr"): 0.3}


# --- claims ---

LEVEL = {"ce": 0.60, "lr": 0.50, "hs_lr": 0.70, "ss_lr": 0.65}


def value(labels: dict[str, Any], seed: int) -> float:
    level = LEVEL.get(labels["loss"], 0.55) + (0.2 if labels["start"] == FREQUENCIES else 0)
    # The seeds are shared; every loss but CE has noise of its own.
    own = {"ce": 0, "lr": 2, "hs_lr": 1, "ss_lr": -1}.get(labels["loss"], 0)
    return level + 0.01 * seed + 0.001 * own * (-1) ** seed


def at_places(
    made: Callable[..., list[Record]], of: Callable[[dict[str, Any], int], float] = value
) -> list[Record]:
    """The places that stand in for persons."""
    return [r for place in PLACES for r in made(place.profile, of, dataset=place.dataset)]


def test_without_records_nothing_is_claimed(store: Store) -> None:
    found = evidence(store, [])
    assert {judged(found, claim.key).finding for claim in table2.CLAIMS} == {"not tested"}
    assert len(table2_tables.started_table(found)) == 0
    assert all(place.title in table2.not_retrieved(found) for place in PLACES)
    assert table2_figures.figure(found, "reference") is None
    frame, notes = table2_tables.table(found, "reference")
    assert len(frame) == 0
    assert [numbers(note) for note in notes] == [["16", "16"]]
    assert len(table2_tables.tests_table(found)) == 0
    assert numbers(table2_tables.rates_text(found)) == [], "no rate is named"
    # The paper's own numbers are there.
    beside = table2_tables.beside_the_paper(found).set_index("Compared")
    assert beside.loc["HS-LR minus CE", "Paper: Market-1501, ResNet-50"] == "+3.8 / +4.9"
    assert beside.loc["HS-LR minus SS-LR", "Paper: Market-1501, MobileNet"] == "–"


def test_hard_selection_ahead_holds_in_part_at_most(store: Store, made: Callable[..., list[Record]]) -> None:
    found = evidence(store, at_places(made))
    verdict = judged(found, "retrieval-hard")
    assert (verdict.finding, verdict.open) == ("holds in part", 0)
    assert verdict.count[0] == verdict.count[1] >= 4
    assert verdict.differences[0].short() == "+5.04 ± 0.27"
    assert "HS-LR" in table2.follows("retrieval-hard", verdict, found)
    for key in ("retrieval-improve", "retrieval-distraction"):
        shown, of = judged(found, key).count
        assert shown == of >= 8
    # LR is ten points behind, but that is of the larger network that the paper says it.
    assert judged(found, "retrieval-similar").finding == "not tested"
    assert "the reference network on Omniglot, the narrow reference network on CIFAR-100" in verdict.basis
    assert "(5 seeds)" in verdict.basis
    # The reference network on objects counts once it is run.
    larger = judged(evidence(store, made("reference", value, dataset="cifar100")), "retrieval-hard")
    assert larger.count[0] > verdict.count[0]


def test_a_start_that_gains_is_what_follows_first(store: Store, made: Callable[..., list[Record]]) -> None:
    def other(labels: dict[str, Any], seed: int) -> float:
        return value(labels, seed) + 0.001 * seed * (labels["start"] == FREQUENCIES)

    found = evidence(store, at_places(made, other))
    said = table2.follows("retrieval-distraction", judged(found, "retrieval-distraction"), found)
    assert "−log(K − 1)" in said.partition("rank-1")[0]
    assert "rank-1 +10.24 ± " in said.partition(" on Omniglot")[0]
    assert "CIFAR-100" in said


def test_hard_selection_behind_everywhere_is_refuted(store: Store, made: Callable[..., list[Record]]) -> None:
    def other(labels: dict[str, Any], seed: int) -> float:
        behind = {"hs_lr": 0.62 + 0.003 * (-1) ** seed, "ss_lr": 0.66}
        return behind.get(labels["loss"], 0.6) + 0.01 * seed

    found = evidence(store, at_places(made, other))
    verdict = judged(found, "retrieval-hard")
    assert verdict.finding == "does not carry over"
    assert table2.follows("retrieval-distraction", verdict, found) == ""
    assert "HS-LR" not in table2.follows("retrieval-hard", verdict, found)


def test_the_sets_can_disagree(store: Store, made: Callable[..., list[Record]]) -> None:
    def other(labels: dict[str, Any], seed: int) -> float:
        sign = 1 if labels["dataset"] == "omniglot" else -1
        lead = 0.05 + 0.002 * (-1) ** seed
        return 0.6 + (sign * lead if labels["loss"] == "hs_lr" else 0)

    found = evidence(store, at_places(made, other))
    verdict = judged(found, "retrieval-hard")
    of = verdict.count[1]
    assert verdict.short == f"holds in part, 2 of {of}"
    both, neither = (
        table2.follows("retrieval-hard", each, found)
        for each in (verdict, replace(verdict, finding="does not carry over"))
    )
    assert both != neither
    assert all(said and "HS-LR" not in said for said in (both, neither))


def test_selections_that_differ_are_to_be_compared(store: Store, made: Callable[..., list[Record]]) -> None:
    def other(labels: dict[str, Any], seed: int) -> float:
        return 0.6 + {"hs_lr": -0.05, "ss_lr": 0.05}.get(labels["loss"], 0) * (1 + 0.02 * seed)

    found = evidence(store, at_places(made, other))
    verdict = judged(found, "retrieval-improve")
    assert verdict.finding == "holds in part"
    assert "held-out classes" in table2.follows("retrieval-improve", verdict, found)


def test_own_rates_are_a_reading_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in PLACES:
        for loss in LOSSES:
            monkeypatch.setitem(OWN, (place, loss), ONE[place])
    always = {"one rate for all", "the reference network on objects", "persons"}
    assert set(table2.readings([("lr", "ce")])) == always
    monkeypatch.setitem(OWN, (CHARACTERS, "lr"), 0.1)
    found = table2.readings([("lr", "ce")])
    assert set(found) == always | {"each at its own rate"}
    assert {(c.left.labels["dataset"], c.left.labels["lr"]) for c in found["each at its own rate"].each} == {
        ("omniglot", 0.1)
    }
    assert all(c.paper is not None for c in found["persons"].each)


# --- the tests of significance ---


def test_five_pairs_cannot_reach_five_percent(store: Store, made: Callable[..., list[Record]]) -> None:
    assert table2.smallest_p(10) == pytest.approx(0.00195, abs=1e-5)
    assert table2.smallest_p(5) == 0.0625
    found = evidence(store, at_places(made, value))
    difference = table2.contrast(CHARACTERS, "hs_lr", "ce", "rank_1").at(found, "reference")
    assert difference is not None
    assert table2.signed_rank(difference) == pytest.approx(0.0625)
    assert difference.interval.p < 1e-6
    frame = table2_tables.tests_table(found)
    assert len(frame) == 16
    assert set(frame["p, Wilcoxon"]) == {"0.0625"}
    verdict = judged(found, "retrieval-significant")
    assert verdict.finding == "not tested"
    assert numbers(verdict.evidence[0]) == ["0.002", "5"]


def test_equal_pairs_have_no_p_value(store: Store, made: Callable[..., list[Record]]) -> None:
    found = evidence(store, made("reference", lambda *_: 0.5, dataset="omniglot"))
    difference = table2.contrast(CHARACTERS, "hs_lr", "ce", "rank_1").at(found, "reference")
    assert difference is not None
    assert math.isnan(table2.signed_rank(difference))


# --- the page ---


def test_some_runs_make_a_table_and_a_figure(store: Store, made: Callable[..., list[Record]]) -> None:
    found = evidence(store, made("reference", value, dataset="omniglot"))
    frame, notes = table2_tables.table(found, "reference")
    frame = frame.set_index("Loss")
    assert len(frame) == 7
    assert str(frame.loc["HS-LR", "Rank-1, %"]).startswith("72.02 ±")
    assert str(frame.loc["HS-LR", "rank-1 minus CE"]) == "+10.02 ± 0.14 (n = 5)"
    assert str(frame.loc["LR, biases at −log(K − 1)", "rank-1 minus CE"]) == "+10.04 ± 0.27 (n = 5)"
    assert str(frame.loc["CE", "rank-1 minus CE"]) == "–"
    assert [numbers(note) for note in notes] == [["9", "16"]]
    figure = table2_figures.figure(found, "reference")
    assert figure is not None
    assert len(figure.axes) == 1
    plt.close(figure)
    assert "HS-LR rank-1 +10.02 ± 0.14, mAP +5.01" in table2_figures.alt(found, "reference")
    assert OBJECTS.title in table2.not_retrieved(found)
    started = table2_tables.started_table(found)
    assert started["Loss"].tolist() == ["LR", "HS-LR", "SS-LR"]
    assert str(started["rank-1"][0]).startswith("+20.00")
    assert len(table2_tables.other_ways(found, "reference")) == 7


def test_own_rates_are_compared_with_that_of_ce(
    store: Store, made: Callable[..., list[Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OWN, (CHARACTERS, "lr"), 0.1)
    profile = replace(experiments.get(NAME).profile("reference"), cells=table2._reference())
    monkeypatch.setitem(table2.EXPERIMENT.profiles, "reference", profile)
    found = evidence(store, made("reference", value, dataset="omniglot"))
    frame, _ = table2_tables.table(found, "reference")
    own = frame[frame["Rate"] == "0.1"]
    assert own["Loss"].tolist() == ["LR"]
    assert str(own["rank-1 minus CE"].iloc[0]) == "-9.96 ± 0.27 (n = 5)"
    assert "LR, at 0.1" in table2_figures.alt(found, "reference")


def test_rates_are_shown_with_the_one_chosen(store: Store, made: Callable[..., list[Record]]) -> None:
    records = made(
        "rates", lambda labels, _: 0.9 if labels["lr"] == 3.0 else 0.5, dataset="omniglot", loss="lr"
    )
    found = evidence(store, records)
    assert table2_tables.rates_table(found)["Chosen"].tolist() == ["", "", "", "yes"]
    text = table2_tables.rates_text(found)
    assert "Omniglot: LR 3" in text
    assert text.count("LR on Omniglot") == 1, "its best rate is the last one tried"


def test_how_far_lr_is_behind_on_held_out_objects(store: Store, made: Callable[..., list[Record]]) -> None:
    best = {"ce": 0.6, "lr": 0.2, "hs_lr": 0.3, "ss_lr": 0.3}
    small = made("rates", lambda labels, _: best[labels["loss"]] - 0.01 * labels["lr"], dataset="cifar100")
    narrow = made("narrow_rates", lambda labels, _: best[labels["loss"]] + 0.1 * (labels["lr"] == 1.0))
    every = [replace(r, provenance=r.provenance | {"train_size": 36_001}) for r in (*small, *narrow)]
    found = evidence(store, every)
    said = numbers(table2_tables.behind_text(found))
    # The best rates are 0.1 and 1; 3 epochs of 36,001 images make 213 and 846 steps.
    assert said == ["213", "512", "19.9", "59.9", "846", "128", "30.0", "70.0"]
    one = replace(found, by_profile={"rates": found.by_profile["rates"]})
    assert table2_tables.behind_text(one) == "", "only one network has been tried"


def test_the_chapters_first_page_quotes_the_records(tmp_path: Path) -> None:
    found = recorded(NAME, store=Store(working=tmp_path))
    text = " ".join((Path(__file__).parents[3] / "book" / "dong2019.md").read_text("utf-8").split())

    def minus_ce(place: table2.Place, loss: str, start: str = USUAL, measure: str = "rank_1") -> Difference:
        difference = table2.contrast(place, loss, "ce", measure, start=start).at(found, place.profile)
        assert difference is not None
        assert difference.interval.n == 5
        return difference

    behind = [minus_ce(OBJECTS, loss).short().removeprefix("-") for loss in ("lr", "hs_lr")]
    assert f"plain LR and HS-LR are {behind[0]} and {behind[1]} points of rank-1 behind" in text
    assert "from low biases all three are behind in mAP" in text
    assert all(minus_ce(OBJECTS, loss, FREQUENCIES, "map").below for loss in LOGISTIC)
    every = [(loss, start) for loss in LOGISTIC for start in (USUAL, FREQUENCIES)]
    assert not any(minus_ce(OBJECTS, *each, m).above for each in every for m in table2.MEASURES)
    assert minus_ce(CHARACTERS, "lr", FREQUENCIES).above
    assert minus_ce(CHARACTERS, "ss_lr").above
    assert minus_ce(CHARACTERS, "hs_lr").below
    assert minus_ce(CHARACTERS, "hs_lr", FREQUENCIES).above
    hard, other = (
        hard_mining.retrieved(loss, "rank_1").at(found, "narrow") for loss in ("selected_ce", "hs_ce")
    )
    assert f"{hard.short().removeprefix('-')} points of rank-1 among classes never seen" in text
    assert other.interval.low < 0 < other.interval.high
