"""The page on multi-modality neglect, on records whose answer is known."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from said import numbers

from lossbook import experiments
from lossbook.evidence import Evidence
from lossbook.pages import style
from lossbook.papers.li2020 import modality, modality_figures
from lossbook.papers.li2020.names import LOSSES, MODALITY
from lossbook.results import Record

SIMILAR = (0, 2, 4, 6)


def curves(area: float, own: float = 0.6, similar: float = 0.1, other: float = 0.01) -> dict[str, list[Any]]:
    """Two epochs; at the end, each similar class gets ``similar`` of the shirt, each other one ``other``."""
    found: dict[str, list[Any]] = {"test_accuracy": [0.5, 0.8]}
    # A row per class, and one of the classes that are not similar.
    probability, auc = np.full((2, 11, 10), np.nan), np.full((2, 11, 10), np.nan)
    for k in SIMILAR:
        for j in (*SIMILAR, 10):
            end = {k: own, 10: other}.get(j, similar)
            probability[:, j, k] = 0.1, end
            if j != k:
                auc[:, j, k] = 0.5, 0.99 if j == 10 else area
    for part in ("train", "test"):
        found |= {f"{part}_hardest": [0.4, 0.2], f"{part}_rest": [0.05, 0.01]}
        found |= {f"{part}_hardest_class": [0.3, 0.12], f"{part}_other_classes": [0.05, 0.02]}
        found |= {f"{part}_probability": _lists(probability), f"{part}_auc": _lists(auc)}
    return found


def _lists(values: np.ndarray) -> list[Any]:
    found: list[Any] = np.where(np.isnan(values), None, values.astype(object)).tolist()
    return found


def counts(right: int) -> dict[str, list[list[float]]]:
    """Of 1,000 images of a similar class, this many right, 30 as an ankle boot, the rest as the next."""
    found = np.zeros((10, 10))
    for row, k in enumerate(SIMILAR):
        found[k, k], found[k, 9], found[k, SIMILAR[(row + 1) % 4]] = right, 30, 970 - right
    return {"count": found.tolist()}


def evidence(
    area: Callable[[str, str, int], float],
    *,
    profile: str = "subset",
    seeds: int = 3,
    losses: Sequence[str] = LOSSES,
    status: str = "finished",
    right: Callable[[str, int], int] = lambda loss, seed: 700,
) -> Evidence:
    style.theme()
    records = []
    for cell in experiments.get(MODALITY).profiles[profile].cells:
        loss, rate = cell.labels["loss"], cell.labels["rate"]
        for seed in range(seeds if loss in losses else 0):
            spec = replace(cell.spec, seed=seed)
            measured: dict[str, Any] = curves(area(loss, rate, seed))
            metrics = {"test_accuracy": 0.8} | counts(right(loss, seed))
            source = {"train_size": 12_000, "test_size": 5000, "data_notes": [], "code": "0", "seconds": 1.0}
            records.append(
                Record(
                    spec.key,
                    MODALITY,
                    profile,
                    dict(cell.labels),
                    spec.config,
                    seed,
                    status,
                    metrics,
                    measured,
                    source,
                )
            )
    return modality.derived(Evidence(MODALITY, profile, {profile: records}))


def same(loss: str, rate: str, seed: int) -> float:
    return 0.9 + seed / 1000


def test_what_is_derived_by_hand() -> None:
    record = evidence(same).by_profile["subset"][0]
    # Three similar classes at 0.1 and six others at 0.01.
    assert record.metrics["train_target_lacking"] == pytest.approx(0.4)
    assert record.metrics["train_target_received"] == pytest.approx(0.36)
    assert record.metrics["train_target_similar_share"] == pytest.approx(0.30 / 0.36)
    assert record.metrics["test_similar_auc"] == pytest.approx(0.9)
    assert record.metrics["test_other_auc"] == pytest.approx(0.99)
    assert record.metrics["similar_accuracy"] == pytest.approx(0.7)
    assert record.metrics["similar_confusions"] == pytest.approx(27.0)
    assert record.curves["test_similar_auc"] == pytest.approx([0.5, 0.9])
    # What was there stays.
    assert record.metric("count/0/0") == 700
    assert record.curves["test_accuracy"] == [0.5, 0.8]


def test_a_missing_value_stays_missing() -> None:
    found = evidence(same)
    record = found.by_profile["subset"][0]
    none = _lists(np.full((11, 10), np.nan))
    broken = {
        name: [*values[:-1], none if isinstance(values[-1], list) else None]
        for name, values in record.curves.items()
    }
    again = modality.derived(
        replace(found, by_profile={"subset": [replace(record, curves=broken, status="diverged")]})
    )
    assert again.by_profile["subset"][0].metrics["test_similar_auc"] is None
    assert again.by_profile["subset"][0].curves["test_similar_auc"][0] == 0.5


def lead(loss: str, rate: str, seed: int) -> float:
    extra = {"paper": 0.04, "equal": 0.01}[rate] if loss == "lgl_inr" else 0.0
    return 0.9 + extra + seed / 1000 * (1 if loss == "lgl" else 1.1)


def test_the_outcome_compares_with_lgl_at_each_rate() -> None:
    frame, notes = modality.outcome_table(evidence(lead), "subset")
    assert frame["Compared at"].tolist() == ["the paper's learning rate"] * 3 + ["equal steps"] * 3
    assert frame["Loss"].tolist() == ["CE", "LR", "LGL-INR"] * 2
    difference = [str(cell) for cell in frame["Area, similar, minus LR"]]
    assert difference[1] == difference[4] == "–"
    assert difference[2].startswith("+0.0401")
    assert difference[5].startswith("+0.0101")
    assert str(frame["Similar classes, %"][0]).startswith("70.00")
    assert not notes


def test_the_balance_of_the_shirt() -> None:
    frame, _ = modality.balance_table(evidence(same), "subset")
    assert list(frame.columns[2:7]) == [
        "Lacks",
        "From T-shirt/top",
        "From Pullover",
        "From Coat",
        "From six others",
    ]
    row = [str(cell) for cell in frame.iloc[0]][2:]
    assert [cell.partition(" ")[0] for cell in row] == [
        "0.400",
        "0.100",
        "0.100",
        "0.100",
        "0.060",
        "0.360",
        "83.3",
    ]


def test_the_levels_at_the_end() -> None:
    frame, _ = modality.levels_table(evidence(same), "subset")
    row = [str(cell).partition(" ")[0] for cell in frame.iloc[5]][2:]
    assert row == ["0.200", "0.0100", "0.120", "0.0200", "6.0"]


def test_the_lead_at_each_rate_and_who_fills_the_balance() -> None:
    found = evidence(lead)
    assert modality.lead("lgl_inr", "paper").in_words(found).startswith("+0.0401 (95% interval +0.0399")
    claim = modality.NEGLECT.judge({MODALITY: found})
    # CE's seeds are those of LR, a little wider apart.
    assert (claim.finding, claim.count) == ("holds in part", (2, 4))
    said = modality.share(found, "subset")
    # LR and CE at both rates, and what it would be if all nine classes were alike.
    assert numbers(said) == [*["83"] * 4, "33"]


def test_easy_classes_that_fill_the_balance() -> None:
    found = evidence(same)
    easy = [
        replace(r, curves=r.curves | curves(0.9, similar=0.01, other=0.1)) for r in found.by_profile["subset"]
    ]
    said = modality.share(modality.derived(replace(found, by_profile={"subset": easy})), "subset")
    assert numbers(said) == [*["5"] * 4, "33"]


def test_without_some_runs_the_page_stands() -> None:
    only = evidence(same, losses=("sml",), seeds=1)
    assert "CE 83%" in modality.share(only, "subset")
    assert len(modality.outcome_table(only, "subset")[0]) == 2
    assert len(modality_figures.hardest_figure(only, "subset", "paper").axes) == 4


def test_figures_have_their_panels_and_words() -> None:
    found = evidence(same)
    assert len(modality_figures.hardest_figure(found, "subset", "equal").axes) == 4
    figure = modality_figures.target_figure(found, "subset", "paper")
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "p(Shirt) on Shirt",
        "p(Shirt) on T-shirt/top",
        "p(Shirt) on Pullover",
        "p(Shirt) on Coat",
        "p(Shirt) on the six others",
        "Area under ROC, similar",
    ]
    assert "LR 0.200 and 0.0100" in modality_figures.hardest_alt(found, "subset", "equal")
    assert (
        "LGL-INR: T-shirt/top 0.10, Pullover 0.10, Coat 0.10, Shirt 0.60, others 0.010; area 0.901"
        in modality_figures.target_alt(found, "subset", "paper")
    )
