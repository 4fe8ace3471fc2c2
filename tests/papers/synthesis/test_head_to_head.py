"""The losses head to head: the rates follow from records, and the page from whatever has been run."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from said import numbers

from lossbook import experiments, paths
from lossbook.evidence import recorded
from lossbook.evidence.select import Evidence
from lossbook.papers.synthesis import head_to_head, head_to_head_page
from lossbook.papers.synthesis.head_to_head import LOSSES, RATE, RATES, choose
from lossbook.results import Record, Store

MakeRecord = Callable[..., Record]
NAME = "synthesis/head_to_head"


@pytest.fixture
def made(make_record: MakeRecord) -> Callable[..., list[Record]]:
    """A record of every cell and seed of a profile with these labels."""

    def make(profile: str, value: Callable[[dict[str, object], int], float], **only: object) -> list[Record]:
        return [
            replace(
                make_record(value(dict(cell.labels), spec.seed), test_size=10_000, train_size=50_000),
                key=spec.key,
                experiment=NAME,
                profile=profile,
                labels=dict(cell.labels),
                config=spec.config,
                seed=spec.seed,
            )
            for cell, spec in experiments.get(NAME).profile(profile).runs()
            if all(cell.labels[name] == wanted for name, wanted in only.items())
        ]

    return make


def evidence(store: Store, records: list[Record]) -> Evidence:
    for record in records:
        store.append(record)
    return recorded(NAME, store=store)


# --- rates ---


def test_the_rates_are_those_that_the_published_records_choose() -> None:
    path = paths.data_file("results", "synthesis", "head_to_head", "rates.jsonl")
    if not path.is_file():
        pytest.skip("no records of the rates are published")
    published = Store(working=path.parent / "none").records(NAME)
    chosen = choose(r for r in published if r.profile == "rates")
    assert chosen, "no loss has all of its rates"
    assert chosen.items() <= RATE.items()


def test_the_rate_with_the_highest_last_accuracy_is_chosen(made: Callable[..., list[Record]]) -> None:
    best = {"CE": 1.0, "NLLR (clipped)": 0.03, "CE+EL": 0.1, "LR": 0.3, "SS-LR": 0.3, "LGL-INR": 0.01}
    records = made("rates", lambda labels, _: 0.9 if labels["lr"] == best[str(labels["loss"])] else 0.8)
    assert choose(records) == best
    # Of equal ones the least; one that broke down never.
    assert choose(made("rates", lambda *_: 0.8, loss="LR")) == {"LR": 0.1}
    records = made("rates", lambda labels, _: float(str(labels["lr"])) / 2, loss="LR")
    broken = [replace(r, status="diverged") if r.labels["lr"] == 1.0 else r for r in records]
    assert choose(broken) == {"LR": 0.3}


def test_a_loss_without_all_of_its_rates_is_left_open(made: Callable[..., list[Record]]) -> None:
    records = made("rates", lambda *_: 0.8, loss="CE")
    assert choose(records[1:]) == {}


def test_every_loss_is_compared_at_its_own_rate_on_both_data_sets() -> None:
    profile = experiments.get(NAME).profile("reference")
    assert profile.seeds == 3
    assert {(c.labels["dataset"], c.labels["loss"]) for c in profile.cells} == {
        (dataset, loss) for dataset in ("cifar10", "cifar100") for loss in LOSSES
    }
    for cell in profile.cells:
        assert cell.spec.optimizer_options["lr"] == RATE[str(cell.labels["loss"])]
        assert cell.spec.epochs == 9
        assert cell.spec.validation_size is None
    assert all(RATE[loss] in RATES[loss] for loss in LOSSES)


# --- the page ---


def test_without_records_nothing_is_claimed(store: Store) -> None:
    found = evidence(store, [])
    assert head_to_head_page.verdict(found).finding == "not tested"
    assert head_to_head_page.sentences(found) == []
    assert head_to_head_page.follows(found) == ""
    assert "8.1" in head_to_head_page.power(found)
    frame, notes = head_to_head_page.accuracy_table(found)
    assert len(frame) == 0
    assert [numbers(note) for note in notes] == [["12", "12"]]


def value(labels: dict[str, object], seed: int) -> float:
    level = {"CE": 0.90, "LGL-INR": 0.92, "LR": 0.86}.get(str(labels["loss"]), 0.90)
    # CE moves from seed to seed; LGL-INR and LR follow it closely, the others by noise of their own.
    own = {"LGL-INR": 0.0001, "LR": 0.0001, "CE": 0.0}.get(str(labels["loss"]), 0.004)
    return level + 0.003 * seed + own * (-1) ** seed


def test_what_differs_from_cross_entropy(store: Store, made: Callable[..., list[Record]]) -> None:
    found = evidence(store, made("reference", value, dataset="cifar10"))
    (sentence,) = head_to_head_page.sentences(found)
    # Ahead of CE, behind it and not told apart.
    ahead, behind, open_ = sentence.split(";")
    assert ahead.endswith(": LGL-INR (+2.00 ± 0.03)")
    assert behind.endswith(": LR (-4.00 ± 0.03)")
    assert ": NLLR clipped (+0.13 ± 1.15), CE+EL 0-0.5 (+0.13 ± 1.15), SS-LR (+0.13 ± 1.15)" in open_
    assert head_to_head_page.follows(found) == "", "half of the comparisons are made"
    verdict = head_to_head_page.verdict(found)
    assert (verdict.short, verdict.open) == ("holds in part, 1 of 5 tested", 5)
    frame, notes = head_to_head_page.accuracy_table(found)
    assert frame["Loss"].tolist() == ["CE", "NLLR clipped", "CE+EL 0-0.5", "LR", "SS-LR", "LGL-INR"]
    assert str(frame["Minus CE"][5]) == "+2.00 ± 0.03 (n = 3)"
    assert [numbers(note) for note in notes] == [["6", "12"]]
    assert "LGL-INR 92.30" in head_to_head_page.accuracy_alt(found)
    assert len(head_to_head_page.accuracy_figure(found).axes) == 1


def test_two_seeds_give_no_interval_and_no_comparison(
    store: Store, made: Callable[..., list[Record]]
) -> None:
    records = [r for r in made("reference", value, dataset="cifar10") if r.seed < 2]
    found = evidence(store, records)
    assert head_to_head_page.sentences(found) == []
    assert head_to_head_page.verdict(found).finding == "not tested"
    frame, _ = head_to_head_page.accuracy_table(found)
    assert "±" not in "".join(map(str, frame.to_numpy().ravel()))
    assert str(frame["Accuracy, %"][0]) == "90.15 (2 runs)"


def test_rates_are_shown_as_far_as_they_have_been_run(
    store: Store, made: Callable[..., list[Record]]
) -> None:
    records = made("rates", lambda labels, _: 0.5 + float(str(labels["lr"])) / 10, loss="LR")
    other = made("rates", lambda *_: 0.7, loss="LGL-INR")
    found = evidence(store, [*records, replace(other[0], status="diverged")])
    frame = head_to_head_page.rates_table(found)
    assert frame["Rate"].tolist() == ["0.1", "0.3", "1", "0.01"]
    assert frame["Chosen"].tolist() == ["", "", "yes", ""]
    assert str(frame["Validation accuracy, %"][3]) == "diverged"
    text = head_to_head_page.rates_text(found)
    # The rates chosen, those at the end of what was tried, and losses of which some rates have not been run.
    chosen, last, open_ = text.split(". ")
    assert chosen.endswith(": LR 1")
    assert " LR " in last
    assert " CE, NLLR clipped, CE+EL 0-0.5, SS-LR, LGL-INR," in open_
    assert "diverged at 0.01" in head_to_head_page.rates_alt(found)
    head_to_head_page.rates_figure(found)


def test_an_effect_that_three_seeds_can_show() -> None:
    # 4.303 / sqrt(3), from a table of Student's t with two degrees of freedom.
    assert head_to_head_page.reach(3, 0.05) == pytest.approx(4.303 / 3**0.5, abs=1e-3)


def test_the_experiment_names_no_loss_that_the_book_does_not() -> None:
    assert [head_to_head_page.look(loss).name for loss in LOSSES] == [
        *("CE", "NLLR clipped", "CE+EL 0-0.5", "LR", "SS-LR", "LGL-INR")
    ]
    assert head_to_head.EXPERIMENT.name == NAME


def test_a_network_is_shown_with_all_its_seeds_or_not_at_all(
    made: Callable[..., list[Record]], store: Store
) -> None:
    large = [
        r for r in made("large", lambda labels, seed: 0.9 + seed / 100) if r.labels["dataset"] == "cifar10"
    ]
    timed = [
        replace(
            r, provenance={**r.provenance, "seconds": 60.0 * (1 + r.seed), "threads": 1, "device_name": "a"}
        )
        for r in large
    ]
    assert head_to_head_page.networks_table(evidence(store, timed[:2])).empty
    frame = head_to_head_page.networks_table(evidence(store, timed[2:]))
    assert frame.drop(columns=["Accuracy, %"]).astype(str).to_dict("records") == [
        {
            "Network": "large",
            "Data": "CIFAR-10",
            "Epochs": "12",
            "Shortest run, min": "1.0",
            "Threads": "1",
            "Processor": "a",
        }
    ]
    assert frame["Accuracy, %"][0].values["mean"] == pytest.approx(91)


def test_without_a_comparison_the_page_says_how_much_has_been_run(
    made: Callable[..., list[Record]], store: Store
) -> None:
    assert numbers(head_to_head_page.so_far(recorded(NAME, store=store))) == []
    first = [r for r in made("reference", lambda *_: 0.9) if r.seed == 0]
    assert head_to_head_page.so_far(evidence(store, first)).startswith("12 of 36 runs")


@pytest.mark.parametrize(
    ("behind", "named"), [((), True), (("cifar100",), False), (("cifar10", "cifar100"), False)]
)
def test_what_follows_where_a_loss_is_ahead_on_both_data_sets_on_one_or_on_none(
    store: Store, made: Callable[..., list[Record]], behind: tuple[str, ...], named: bool
) -> None:
    def accuracy(labels: dict[str, object], seed: int) -> float:
        lower = labels["loss"] == "LGL-INR" and labels["dataset"] in behind
        return value(labels, seed) - 0.1 * lower

    found = evidence(store, made("reference", accuracy))
    said = head_to_head_page.follows(found)
    assert ("LGL-INR" in said, "CE" in said) == (named, True)
