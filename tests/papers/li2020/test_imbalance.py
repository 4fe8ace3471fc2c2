"""The page on Eq. 9 and imbalance, on records whose answer is known."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from said import numbers

from lossbook import experiments
from lossbook.evidence import Evidence, recorded
from lossbook.pages import style
from lossbook.papers.li2020 import imbalance, imbalance_figures
from lossbook.papers.li2020.names import IMBALANCE
from lossbook.results import Record, Store

K = 10
EPOCHS = 10

#: Of a run: the ratios of both sides at the end, as (train, equal weights), (train, inverse), (test, both).
Ratios = Callable[[str, str, str, int], tuple[float, float, float]]


def curves(train: float, train_inverse: float, test: float) -> dict[str, list[list[float]]]:
    """Every class lacks 0.2; before epoch 8, and so at constant rate, the ratios are twice as far from 1."""
    # Every other class lies on the other side of 1: both are as far from it.
    sign = np.array([1 if k % 2 else -1 for k in range(K)])
    found: dict[str, list[list[float]]] = {}
    for part, equal, inverse in (("train", train, train_inverse), ("test", test, test)):
        for name, ratio in (("received", equal), ("received_inverse", inverse)):
            before, after = ((0.2 / ratio ** (power * sign)).tolist() for power in (2.0, 1.0))
            found[f"{part}_{name}"] = [before] * 7 + [after] * 3
        found[f"{part}_lacking"] = [[0.2] * K] * EPOCHS
    return found


def counts(large: float, small: float) -> dict[str, list[list[float]]]:
    right = np.array([1000 * (small if k >= 5 else large) for k in range(K)])
    return {"count": (np.diag(right) + np.roll(np.diag(1000 - right), 1, axis=1)).tolist()}


def accuracies(design: str, weight: str, seed: int) -> tuple[float, float]:
    return 0.9, 0.8


def evidence(
    ratios: Ratios, accuracy: Callable[[str, str, int], tuple[float, float]] = accuracies, *, seeds: int = 3
) -> Evidence:
    style.theme()
    records = []
    for cell in experiments.get(IMBALANCE).profiles["subset"].cells:
        design, loss, weight = (cell.labels[name] for name in ("design", "loss", "weight"))
        for seed in range(seeds):
            spec = replace(cell.spec, seed=seed)
            metrics: dict[str, Any] = {"test_accuracy": 0.85} | counts(*accuracy(design, weight, seed))
            source = {"train_size": 8250, "test_size": 2500, "data_notes": [], "code": "0", "seconds": 1.0}
            records.append(
                Record(
                    spec.key,
                    IMBALANCE,
                    "subset",
                    dict(cell.labels),
                    spec.config,
                    seed,
                    "finished",
                    metrics,
                    curves(*ratios(design, loss, weight, seed)),
                    source,
                )
            )
    return imbalance.derived(Evidence(IMBALANCE, "subset", {"subset": records}))


def fits(design: str, loss: str, weight: str, seed: int) -> tuple[float, float, float]:
    """The right weights give 1.1, the wrong ones 3; test images 1.5."""
    return (1.1, 3.0, 1.5) if weight == "none" else (3.0, 1.1, 1.5)


def record(found: Evidence, **labels: str) -> Record:
    return next(
        r
        for r in found.by_profile["subset"]
        if all(r.labels[name] == value for name, value in labels.items())
    )


def test_what_is_derived_by_hand() -> None:
    found = evidence(fits)
    for weight in ("none", "inverse"):
        metrics = record(found, design="step", loss="sml", weight=weight).metrics
        assert metrics["train_factor"] == pytest.approx(1.1)
        assert metrics["other_factor"] == pytest.approx(3.0)
        assert metrics["test_factor"] == pytest.approx(1.5)
        # The second half of seven epochs, at the square.
        assert metrics["before_factor"] == pytest.approx(1.21)
        assert metrics["train_ratio"][1] == pytest.approx(1.1)
        assert metrics["train_ratio"][2] == pytest.approx(1 / 1.1)
        # Classes 5, 7 and 9 are above 1, 6 and 8 below.
        assert metrics["small_ratio"] == pytest.approx(1.5 ** (1 / 5))
        assert metrics["large_ratio"] == pytest.approx(1.5 ** (-1 / 5))
        assert metrics["small_accuracy"] == pytest.approx(0.8)
        assert metrics["large_accuracy"] == pytest.approx(0.9)


def test_the_factor_counts_both_directions_alike() -> None:
    assert imbalance.factor(np.ones(10)) == 1
    assert imbalance.factor(np.array([2.0, 0.5])) == pytest.approx(2)
    assert imbalance.factor(np.array([4.0, 1.0])) == pytest.approx(2)
    assert math.isinf(imbalance.factor(np.array([0.0, 1.0])))


def test_the_negatives_of_lgl_inr_count_a_ninth_each() -> None:
    found = evidence(fits)
    own = record(found, loss="lgl_inr", weight="own", design="long_tailed")
    lacking, received = imbalance.sides(own, "train", inverse=True)
    assert lacking.shape == received.shape == (EPOCHS, K)
    assert received[-1, 1] == pytest.approx(0.2 / 1.1 / 9)
    assert imbalance.sides(own, "train", inverse=False)[1][-1, 1] == pytest.approx(0.2 / 3.0)


def test_the_epoch_at_which_the_learning_rate_falls() -> None:
    one = record(evidence(fits, seeds=1), design="step", loss="sml")
    assert imbalance.constant_epochs(one) == 7
    constant = {name: value for name, value in one.config.items() if name != "schedule"}
    assert imbalance.constant_epochs(replace(one, config=constant)) == 10


def test_the_sizes_shown_are_those_trained_on(tmp_path: Path) -> None:
    found = recorded("li2020/imbalance", store=Store(working=tmp_path)).by_profile["subset"]
    assert {record.labels["design"] for record in found} == set(imbalance.DESIGNS)
    for each in found:
        assert sum(imbalance._sizes(each)) == each.provenance["train_size"]


def test_sizes_of_the_classes() -> None:
    frame = imbalance.sizes_table(evidence(fits, seeds=1), "subset")
    assert frame["balanced"].tolist() == ["825"] * 10
    assert frame["10:1"].tolist() == ["1,500"] * 5 + ["150"] * 5
    tail = [int(size.replace(",", "")) for size in frame["long-tailed"]]
    assert tail[0] / tail[9] == pytest.approx(100, rel=0.02)
    assert sum(tail) == pytest.approx(8250, abs=5)
    assert frame["Class"][6] == "6 Shirt"


def test_tables_have_a_row_a_cell() -> None:
    found = evidence(fits)
    frame, _ = imbalance.balance_table(found, "subset")
    assert len(frame) == 15
    assert str(frame["The other weights"][0]) == "–"
    assert [str(cell).partition(" ")[0] for cell in frame.iloc[4][3:]] == [
        "1.21",
        "1.10",
        "3.00",
        "1.50",
        "0.92",
        "1.08",
    ]


def weighted(design: str, weight: str, seed: int) -> tuple[float, float]:
    gain = 0.05 + seed / 1000 if weight in ("inverse", "in_batch") else 0.0
    return 0.9 - gain / 5, 0.7 + gain


def test_accuracies_are_compared_with_no_weights_on_the_same_classes() -> None:
    frame, _ = imbalance.accuracy_table(evidence(fits, weighted), "subset")
    small = dict(
        zip(
            zip(frame["Classes"], frame["Loss"], frame["Weights"], strict=True),
            map(str, frame["Small: weights minus none"]),
            strict=True,
        )
    )
    assert small["balanced", "CE", "none"] == "–"
    assert small["10:1", "LGL-INR", "its own"] == "–"
    assert small["10:1", "CE", "inverse frequency"].startswith("+5.10 ± ")
    assert small["long-tailed", "CE", "the same, PyTorch's mean"].startswith("+5.10 ± ")
    assert str(frame["Large: weights minus none"][4]).startswith("-1.02 ± ")


def test_sentences_count_what_fits() -> None:
    # Two designs, two losses, two kinds of weights, three seeds.
    assert numbers(imbalance.told_apart(evidence(fits), "subset"))[-2:] == ["24", "24"]

    def fails(design: str, loss: str, weight: str, seed: int) -> tuple[float, float, float]:
        return (3.0, 1.1, 1.05) if weight == "none" else (1.1, 3.0, 1.05)

    assert numbers(imbalance.told_apart(evidence(fails), "subset"))[-2:] == ["0", "24"]


def test_a_sentence_on_the_rarest_class() -> None:
    said = imbalance.rarest(evidence(fits), "subset")
    # Its images; on training and on test images: CE, CE with weights, LR, LR with weights.
    assert numbers(said) == ["33", *["1.10", "1.50"] * 4]


def test_what_weights_do_to_the_small_and_to_the_large_classes() -> None:
    found = evidence(fits, weighted)
    said = imbalance.gain("sml", "step").in_words(found)
    assert numbers(said) == ["+5.10", "95", "+4.85", "+5.35", "3"]
    assert imbalance.gain("lgl", "long_tailed", imbalance.large_accuracy).in_words(found).startswith("-1.02")
    claim = imbalance.REWEIGHTING.judge({IMBALANCE: found})
    assert (claim.finding, claim.count) == ("holds", (4, 4))
    assert claim.evidence[0].startswith("CE ")
    assert numbers(claim.evidence[0])[:3] == ["10", "1", "+5.10"]


def test_trained_networks_by_hand() -> None:
    claim = imbalance.TRAINED.conclude(evidence(fits))
    # On training images and on test images, over 30 runs; and before the learning rate fell.
    assert numbers(claim.evidence[0]) == ["9", "1.10", "1.50", "30"]
    assert numbers(claim.evidence[1]) == ["1.21"]
    assert (claim.finding, claim.count) == ("holds in part", (1, 2))


@pytest.mark.parametrize(
    ("images", "total", "batch", "share"), [(1, 10, 8, 0.5695), (1, 10, 64, 0.9988), (1, 100, 64, 0.4744)]
)
def test_how_often_a_class_is_in_a_batch(images: int, total: int, batch: int, share: float) -> None:
    assert imbalance.presence(images, total, batch) == pytest.approx(share, abs=5e-5)
    generator = np.random.default_rng(0)
    drawn = generator.random((20_000, batch)) < images / total
    assert drawn.any(1).mean() == pytest.approx(share, abs=0.015)


def test_batches_without_a_class() -> None:
    frame, _ = imbalance.batches_table(evidence(fits), "subset")
    assert frame["Class"].tolist()[9] == "9 Ankle boot"
    share = imbalance.presence(int(frame["Images"][9]), 8250, 64)
    assert frame["In batches, %"][9] == f"{100 * share:.1f}"
    assert float(frame["Expected ratio"][9]) == pytest.approx(1 / share, abs=0.05)
    assert str(frame["Lacking / received"][9]).startswith(f"{9 * 1.1:.2f}")


def test_figures_and_their_words() -> None:
    found = evidence(fits)
    figure = imbalance_figures.balance_figure(found, "subset")
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        f"{design}, {part}" for design in ("balanced", "10:1", "long-tailed") for part in ("training", "test")
    ]
    assert len(imbalance_figures.epochs_figure(found, "subset").axes) == 6
    alt = imbalance_figures.balance_alt(found, "subset").partition("long-tailed, LR, weights inverse")[2]
    assert numbers(alt)[:2] == ["1.10", "1.50"]
    # After the first epoch and after the last.
    alt = imbalance_figures.epochs_alt(found, "subset").partition("10:1, CE, weights none")[2]
    assert numbers(alt)[:2] == ["1.21", "1.10"]
