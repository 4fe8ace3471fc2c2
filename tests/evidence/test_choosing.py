"""Learning rates chosen from records."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from lossbook.evidence.choosing import best_rate, best_rates
from lossbook.results import Record

RATES = (0.1, 0.3, 1.0)


@pytest.fixture
def run(make_record: Callable[..., Record]) -> Callable[..., Record]:
    """A run at a rate and a seed."""

    def make(lr: float, accuracy: float, seed: int = 0, loss: str = "ce", status: str = "finished") -> Record:
        record = make_record(accuracy, loss=loss, seed=seed, status=status)
        return replace(record, labels={**record.labels, "lr": lr})

    return make


def chosen(*records: Record) -> dict[tuple[str, ...], float]:
    return best_rates(records, ["loss"], lambda loss: RATES if loss == "ce" else ())


def test_of_equal_rates_the_least_is_chosen() -> None:
    assert best_rate({0.3: 0.5, 0.1: 0.5, 1.0: 0.4}) == 0.1


def test_the_best_mean_over_seeds_is_chosen_once_all_rates_are_tried(run: Callable[..., Record]) -> None:
    some = [run(0.1, 0.5), run(0.3, 0.7)]
    assert chosen(*some) == {}
    assert chosen(*some, run(1.0, 0.6)) == {("ce",): 0.3}
    second = [run(0.1, 0.5, 1), run(0.3, 0.4, 1), run(1.0, 0.6, 1)]
    assert chosen(*some, run(1.0, 0.6), *second) == {("ce",): 1.0}
    # What is not asked for is not chosen.
    assert chosen(*(run(lr, 0.9, loss="el") for lr in RATES)) == {}


def test_only_seeds_that_all_rates_have_are_compared(run: Callable[..., Record]) -> None:
    first = [run(0.1, 0.5), run(0.3, 0.7), run(1.0, 0.6)]
    # A lucky second seed of one rate alone does not count.
    assert chosen(*first, run(1.0, 0.99, 1)) == {("ce",): 0.3}
    assert chosen(*first[:2], run(1.0, 0.99, 1)) == {}, "no seed is shared"


def test_a_rate_that_is_not_among_those_tried_does_not_count(run: Callable[..., Record]) -> None:
    first = [run(0.1, 0.5), run(0.3, 0.7), run(1.0, 0.6)]
    assert chosen(*first, run(3.0, 0.9)) == {("ce",): 0.3}


def test_a_rate_that_broke_down_is_never_chosen(run: Callable[..., Record]) -> None:
    broken = run(0.3, 0.9, seed=1, status="diverged")
    runs = [run(0.1, 0.5), run(0.3, 0.7), run(1.0, 0.6), run(0.1, 0.5, 1), broken, run(1.0, 0.6, 1)]
    assert chosen(*runs) == {("ce",): 1.0}
    assert chosen(*(replace(r, status="diverged") for r in runs)) == {}
