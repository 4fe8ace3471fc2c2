"""The chapter's tables and figures on records whose answer is known."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from said import numbers

from lossbook import experiments
from lossbook.evidence import Evidence
from lossbook.pages import style
from lossbook.papers.li2020 import (
    calibration,
    fig1_figures,
    scale,
    scale_figures,
    table3,
    table3_figures,
    table4,
    table5,
)
from lossbook.papers.li2020 import fig1 as li2020_confusion
from lossbook.papers.li2020.names import BOTH_READINGS, SCALE, TABLE3, TABLE4, TABLE5
from lossbook.results import Record, published

K = 10


def made(
    experiment: str, profile: str, accuracy: float, *, seed: int = 0, status: str = "finished", **labels: Any
) -> list[Record]:
    """A record for every declared cell that has these labels."""
    style.theme()
    found = []
    for cell in experiments.get(experiment).profiles[profile].cells:
        if any(cell.labels.get(name) != value for name, value in labels.items()):
            continue
        spec = replace(cell.spec, seed=seed)
        curve = [accuracy / 2, accuracy]
        metrics = {"test_accuracy": accuracy, "test_ce": 0.3, "ece": 0.02, "hardest": 0.1, "rest": 0.01}
        metrics |= counts(accuracy)
        found.append(
            Record(
                key=spec.key,
                experiment=experiment,
                profile=profile,
                labels=dict(cell.labels),
                config=spec.config,
                seed=seed,
                status=status,
                metrics=metrics,
                curves={"train_accuracy": curve, "test_accuracy": curve},
                provenance={
                    "train_size": 60_000,
                    "test_size": 10_000,
                    "data_notes": [],
                    "code": "0123456789ab",
                    "git": "5a4ef87000000000",
                    "data": "fedcba9876543210",
                    "device": "cpu",
                    "versions": {"torch": "2"},
                    "seconds": 1.0,
                },
            )
        )
    assert found, "no cell has these labels"
    return found


def counts(accuracy: float) -> dict[str, list[list[float]]]:
    """A thousand images per class; all mistakes go to the next class."""
    right = 1000 * accuracy * np.eye(K)
    return {"count": (right + np.roll(1000 * (1 - accuracy) * np.eye(K), 1, axis=1)).tolist()}


def evidence(experiment: str, groups: Sequence[list[Record]]) -> Evidence:
    records = [record for group in groups for record in group]
    names = [p for p in experiments.get(experiment).profiles if any(r.profile == p for r in records)]
    return Evidence(experiment, "quick", {p: [r for r in records if r.profile == p] for p in names})


def column(frame: Any, name: str) -> list[str]:
    return [str(value) for value in frame[name]]


# --- networks ---


def test_the_networks_of_table_2_and_4() -> None:
    frame = table3.network_table()
    assert column(frame, "Network") == ["CNN2C", "CNN5C", "MobileNetV2", "ResNet-18"]
    assert column(frame, "Parameters") == ["33,580", "1,573,834", "2,236,682", "11,173,962"]


def test_the_diagram_shows_the_sizes_behind_each_layer() -> None:
    sizes = table3.layer_sizes("cnn5c")
    assert sizes[0] == ("image", "1 × 28 × 28")
    assert ("conv 3×3", "512 × 7 × 7") in sizes
    assert sizes[-2:] == [("flatten", "512"), ("linear", "10")]
    assert ("flatten", "800") in table3.layer_sizes("cnn2c")
    assert "512 × 7 × 7" in table3_figures.diagram_alt()
    style.theme()
    assert len(table3_figures.network_diagram().axes) == 2


# --- Table 3 ---


def test_table_three_beside_the_papers() -> None:
    where = {"dataset": "kmnist", "network": "cnn2c"}
    runs = [
        made(TABLE3, "paper", value + 0.002 * seed, seed=seed, loss=loss, **where)
        for loss, value in zip(BOTH_READINGS, (0.89, 0.88, 0.87, 0.90), strict=True)
        for seed in range(3)
    ]
    frame, notes = table3.TABLE.frame(evidence(TABLE3, runs), "paper")
    assert column(frame, "Loss") == ["CE", "LR", "LR (mean)", "LGL-INR"]
    assert column(frame, "Data") == ["KMNIST"] * 4
    # Both readings of the logistic loss have the paper's one number.
    assert column(frame, "Paper") == ["95.13", "94.37", "94.37", "96.43"]
    assert column(frame, "Paper minus CE") == ["–", "-0.76", "-0.76", "+1.30"]
    assert str(frame["Ours, %"][0]).startswith("89.20 ± ")
    assert column(frame, "Ours minus CE")[3] == "+1.00 (n = 3, all equal)"
    assert numbers(notes[-1]) == ["20", "24"]
    assert table3.TABLE.frame(evidence(TABLE3, []), "paper")[0].empty


def test_every_number_of_table_3_is_printed() -> None:
    rows = published("li2020", "table3").itertuples()
    found = {(r.network, r.dataset, r.loss): float(r.accuracy_percent) for r in rows}
    assert {key: value for key, value in table3.printed().items() if key[2] != "lgl_mean"} == found


def test_the_last_epochs_steady_a_lead() -> None:
    """By hand: 0.88 to 0.9, mean 0.89, against 0.9 throughout; the seeds differ by 0.002, 0.003 and 0.004."""

    def curves(loss: str, seed: int) -> list[float]:
        if loss != "lgl_inr":
            return [0.5, 0.9, 0.9, 0.9, 0.9, 0.9]
        return [0.1, *(0.88 + step / 200 + seed * 0.001 for step in range(5))]

    def said(cut: int) -> str:
        groups = [
            [
                replace(r, curves={"test_accuracy": curves(loss, seed)[cut:]})
                for r in made(*(TABLE3, "cnn2c", 0.9), loss=loss, dataset="mnist", network="cnn2c", seed=seed)
            ]
            for loss in ("sml", "lgl_inr")
            for seed in (2, 3, 4)
        ]
        steadier = table3.lead("lgl_inr", "sml", "cnn2c", "mnist", value=table3.last_epochs)
        return steadier.in_words(evidence(TABLE3, groups))

    assert numbers(said(0)) == ["-0.70", "95", "-0.95", "-0.45", "3"]
    assert said(1) == "not run", "nothing is left out there"


def test_fig_2_draws_one_line_a_loss_in_the_books_names() -> None:
    groups = [made(TABLE3, "quick", 0.8, seed=s, dataset="mnist") for s in range(2)]
    found = evidence(TABLE3, groups)
    assert list(table3.curve_groups(found, "quick", "mnist", "cnn2c")) == ["ce", "lr", "lr_mean", "lgl_inr"]
    assert "CE 80.0%" in table3_figures.curves_alt(found, "quick", "mnist", "cnn2c")
    assert len(table3_figures.learning_curves(found, "quick", "mnist", "cnn2c").axes) == 2
    assert not table3.curve_groups(found, "quick", "fashion_mnist", "cnn2c")


# --- Fig. 1 ---


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


# --- scale ---


def test_gradients_before_the_first_step() -> None:
    frame, _ = scale.gradient_table(seeds=2, batch=100)
    for when, exact in (("start", [1, 25 / 9, 50 / 9]), ("frequencies", [1, 1, 50 / 9])):
        assert column(frame, f"Formula, {when}") == [f"{value:.2f}" for value in exact]
        assert [float(value) for value in frame[f"Logits, {when}"]] == pytest.approx(exact, rel=0.05)
    # The push that is common to all images adds up over them, and ends.
    assert float(frame["Weights, start"][1]) > 8
    assert float(frame["Weights, frequencies"][1]) == pytest.approx(1, abs=0.1)


def scale_runs(accuracy: Any) -> Evidence:
    cells = experiments.get(SCALE).profiles["subset"].cells
    return evidence(
        SCALE,
        [
            made(SCALE, "subset", accuracy(**cell.labels) + 0.001 * seed, seed=seed, **cell.labels)
            for cell in cells
            for seed in range(3)
        ],
    )


def test_a_learning_rate_is_chosen_on_held_out_images_alone() -> None:
    def accuracy(lr: float, split: str, **_: Any) -> float:
        # Held-out images like 0.04 best, the test images the highest rate.
        return 0.9 - abs(np.log10(lr / 0.04)) / 10 if split == "validation" else 0.5 + lr / 10

    found = scale_runs(accuracy)
    assert scale.best_rate(found, "subset", "fashion_mnist", "lgl") == 0.03
    assert scale.best_rate(found, "subset", "fashion_mnist", "sml") == 0.03
    frame, notes = scale.three_ways(found, "subset")
    best = frame[frame["Compared at"] == "each one's best rate"]
    assert best["Learning rate"].tolist() == ["0.03", "0.03", "0.054"]
    assert not any("CE and LR and LGL-INR" in note for note in notes)


def test_equal_steps_compare_equal_steps() -> None:
    found = scale_runs(lambda lr, loss, **_: 0.9 + scale.step(loss, lr) / 100)
    frame, notes = scale.three_ways(found, "subset")
    for way in dict.fromkeys(frame["Compared at"]):
        rows = frame[frame["Compared at"] == way]
        assert len(rows) == 3
        if way.startswith("steps of"):
            assert {f"steps of {s}" for s in rows["Step"]} == {way}
            assert {str(c) for c in rows["Minus CE, points"]} == {"–", "+0.00 (n = 3, all equal)"}
    same = frame[frame["Compared at"] == "the paper's learning rate"]
    assert same["Learning rate"].tolist() == ["0.01"] * 3
    assert str(same["Minus CE, points"].iloc[2]).startswith("+0.05")
    assert any("CE and LR and LGL-INR" in note for note in notes), "their best rate is the last"
    assert len(scale_figures.rate_curves(found, "subset", "fashion_mnist").axes) == 2
    assert "CE: 90.1% at 0.01" in scale_figures.rate_curves_alt(found, "subset", "fashion_mnist")


def test_runs_compared_in_two_rows_count_once() -> None:
    # The paper's rate is CE's and LR's for steps of 0.01 too, and 0.1 the best of both.
    def accuracy(lr: float, loss: str, **_: Any) -> float:
        return 0.9 - abs(np.log10(scale.step(loss, lr)) + 1) / 10

    found = scale_runs(lambda **labels: accuracy(**labels))
    moved = [
        replace(r, metrics=r.metrics | {"test_accuracy": r.metrics["test_accuracy"] + 0.05 + 0.003 * r.seed})
        if r.labels["loss"] == "lgl"
        else r
        for r in found.records
    ]
    frame, _ = scale.three_ways(evidence(SCALE, [moved]), "subset")
    cells = frame[frame["Loss"] == "LR"]
    ours, p_values = cells["Minus CE, points"].tolist(), cells["p (Holm)"].tolist()
    assert len(ours) == 7
    assert ours[0] is ours[1]
    assert ours[6] is ours[3]
    # Five different comparisons, of the same p-value; LGL-INR's differences are the same for both seeds.
    assert p_values[0].values["unadjusted"] < 0.02
    assert p_values[0].values["holm"] == pytest.approx(5 * p_values[0].values["unadjusted"])


def test_the_leads_at_the_papers_length() -> None:
    groups = [
        made(
            "li2020/calibration",
            "paper",
            value + 0.001 * seed * (loss == "sml"),
            seed=seed,
            loss=loss,
            rate=rate,
        )
        for rate, leads in (("paper", 0.02), ("equal", 0.005))
        for loss, value in (("sml", 0.88), ("lgl", 0.885), ("lgl_inr", 0.88 + leads))
        for seed in range(3)
    ]
    found = evidence("li2020/calibration", groups)
    leads = [calibration.lead("lgl_inr", "sml", rate).measure(found) for rate in ("paper", "equal")]
    assert [lead and lead.short() for lead in leads] == ["+1.90 ± 0.25", "+0.40 ± 0.25"]
    assert calibration.lead("lgl_inr", "lgl", "paper").in_words(found).startswith("+1.50 points")


def test_leads_at_best_and_at_equal_rates_name_their_rates() -> None:
    def accuracy(lr: float, loss: str, split: str, **_: Any) -> float:
        best = {"sml": 0.3, "lgl_inr": 0.01}.get(loss, 0.1)
        return 0.9 - abs(np.log10(lr / best)) / 10 + 0.02 * (loss == "lgl_inr" and split == "test")

    found = scale_runs(accuracy)
    lead = scale.at_best_rates("lgl_inr", "sml", "fashion_mnist").measure(found)
    assert lead is not None
    assert lead.what == "LGL-INR at 0.01 minus CE at 0.3, CNN2C on Fashion-MNIST"
    assert lead.interval.mean == pytest.approx(0.02)
    # MNIST is not among the sets of this profile.
    assert scale.at_best_rates("lgl_inr", "sml", "mnist").measure(found) is None
    equal = scale.at_equal_steps("lgl_inr", "sml", "fashion_mnist").measure(found)
    assert equal is not None
    assert [each.records[0].labels["lr"] for each in (equal.runs, equal.base)] == [0.018, 0.1]


def test_rates_that_teach_nothing_do_not_flatten_the_figure() -> None:
    def lowest(accuracy_at_high_rates: float) -> float:
        found = scale_runs(lambda lr, **_: accuracy_at_high_rates if lr >= 0.3 else 0.9)
        low, high = scale_figures.rate_curves(found, "subset", "fashion_mnist").axes[0].get_ylim()
        assert low < 90 < high
        return low

    assert lowest(0.1) == pytest.approx(65, abs=0.2)  # seeds differ a little
    assert 79 < lowest(0.8) < 80


def test_a_diverged_run_is_not_the_best() -> None:
    groups = [
        made(SCALE, "quick", 0.5, loss="sml", split="validation", lr=0.01),
        made(SCALE, "quick", 0.9, loss="sml", split="validation", lr=0.3, status="diverged"),
    ]
    assert scale.best_rate(evidence(SCALE, groups), "quick", "fashion_mnist", "sml") == 0.01


# --- Tables 4 and 5 ---


def test_table_4_has_the_papers_numbers() -> None:
    frame = table4.paper_table()
    assert frame["Paper"].tolist() == ["91.11", "92.40", "93.34", "91.32", "91.55", "93.68"]
    assert frame["Paper minus CE"].tolist() == ["–", "+1.29", "+2.23", "–", "+0.23", "+2.36"]
    found = evidence(TABLE4, [made(TABLE4, "quick", 0.25)])
    frame, _ = table4.TABLE.frame(found, "quick")
    assert set(column(frame, "Ours, %")) == {"25.00 (1 run)"}
    assert column(frame, "Paper") == ["91.11", "92.40", "93.34", "91.32", "91.55", "93.68"]


def test_table_5_compares_beta_with_1_and_constant_weights_at_equal_beta() -> None:
    groups = [
        made(
            TABLE5,
            "fashion",
            0.90 + beta / 1000 - 0.01 * detach,
            seed=seed,
            beta=beta,
            detach=detach,
        )
        for beta, detach in ((0, False), (1, False), (4, False), (4, True))
        for seed in range(2)
    ]
    frame, notes = table5.table(evidence(TABLE5, groups), "fashion")
    found = dict(
        zip(
            zip(frame["β"], frame["Gradient through λ"], strict=True),
            column(frame, "Difference, points"),
            strict=True,
        )
    )
    assert found["0", "yes"].startswith("-0.10")
    assert found["4", "yes"].startswith("+0.30")
    assert found["4", "no"].startswith("-1.00")
    assert found["1", "yes"] == "–"
    assert frame["Paper (KMNIST), %"].tolist() == ["–", "96.43", "96.43", "–"]
    # Cells that have not been run take no row.
    assert numbers(notes[-1]) == ["5", "9"]
    assert table5.table(evidence(TABLE5, []), "paper")[0].empty


def test_a_gradient_that_does_not_pass_is_compared_at_the_same_beta() -> None:
    groups = [
        made(TABLE5, "fashion", value + 0.001 * seed * detach, seed=seed, beta=4, detach=detach)
        for detach, value in ((False, 0.9), (True, 0.91))
        for seed in range(3)
    ]
    lead = table5.detached(4).measure(evidence(TABLE5, groups))
    assert lead is not None
    assert lead.short() == "+1.10 ± 0.25"
    assert lead.what == "Gradient not through λ minus through it, β = 4, CNN2C on Fashion-MNIST"


@pytest.mark.parametrize(("beta", "weight"), [(0, 1 / 9), (1, 0.2536), (1000, 1)])
def test_the_largest_weight(beta: float, weight: float) -> None:
    assert table5.largest_weight(beta) == pytest.approx(weight, abs=5e-5)
