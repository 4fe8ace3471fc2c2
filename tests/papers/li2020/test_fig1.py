"""Fig. 1: which classes are taken for which."""

from collections.abc import Sequence

import pytest
from li2020_runs import evidence, made
from said import numbers

from lossbook.papers.li2020 import fig1 as li2020_confusion
from lossbook.papers.li2020 import (
    fig1_figures,
)
from lossbook.papers.li2020.names import TABLE3


def fig1(losses: dict[str, Sequence[float]], dataset: str = "fashion_mnist") -> li2020_confusion.Shown | None:
    where = {"dataset": dataset, "network": "cnn2c"}
    return li2020_confusion.choose(
        evidence(
            TABLE3,
            [
                made(TABLE3, "paper", value, seed=seed, loss=loss, **where)
                for loss, values in losses.items()
                for seed, value in enumerate(values)
            ],
        )
    )


def test_fig_1_takes_kmnist_where_it_can_and_seeds_that_all_losses_have() -> None:
    shown = fig1({"lgl": (0.8, 0.8), "sml": (0.85,), "lgl_inr": (0.9, 0.9)})
    assert shown is not None
    assert not shown.on_the_papers_data
    assert {len(each.records) for each in shown.runs.values()} == {1}
    assert shown.classes[9] == "Ankle boot"
    assert fig1({"lgl": (0.8,), "sml": (0.85,)}) is None
    kmnist = fig1({"lgl": (0.8,), "sml": (0.85,), "lgl_inr": (0.9,)}, "kmnist")
    assert kmnist is not None
    assert kmnist.on_the_papers_data


def test_fig_1_counts_and_compares_classes() -> None:
    shown = fig1({"lgl": (0.80, 0.81, 0.82), "sml": (0.90, 0.90, 0.90), "lgl_inr": (0.85, 0.861, 0.872)})
    assert shown is not None
    matrix = li2020_confusion.confusion(shown, "lgl")
    assert matrix.sum() == pytest.approx(10_000)
    assert matrix[3, 4] == pytest.approx(190)
    better, sure, worse = li2020_confusion.wins(shown)
    assert better == {"lgl": 10, "sml": 0}
    assert sure == {"lgl": 10, "sml": 0}
    assert worse == {"lgl": 0, "sml": 0}
    ahead = fig1({"lgl": (0.80, 0.81, 0.82), "sml": (0.90, 0.911, 0.922), "lgl_inr": (0.80, 0.81, 0.822)})
    assert ahead is not None
    assert li2020_confusion.wins(ahead)[2] == {"lgl": 0, "sml": 10}
    # Classes ahead, those of them significantly at p below 0.05 of 20 differences, and those behind.
    notes = [numbers(note) for note in li2020_confusion.class_table(ahead)[1]]
    assert ["0", "10", "0", "0.05", "20", "10"] in notes
    frame, notes = li2020_confusion.class_table(shown)
    assert str(frame["LGL-INR minus LR"][0]).startswith("+51.0 ± ")
    # None is behind.
    for name, right in (("CE", "0"), ("LR", "10")):
        (note,) = (note for note in notes if f" {name} on " in note)
        assert numbers(note) == [right, "10", right, "0.05", "20"]
    pairs = li2020_confusion.pairs_table(shown)
    assert str(pairs["CE"][0]).startswith("100.0")
    assert len(fig1_figures.confusion_figure(shown).axes) == 6
    probabilities, _ = li2020_confusion.probability_table(shown)
    assert str(probabilities["Calibration error"][0]).startswith("0.0200")
