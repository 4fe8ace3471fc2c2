"""Table 5: betas, and constant weights beside them."""

import pytest
from li2020_runs import cells, column, evidence, made
from said import numbers

from lossbook.papers.li2020 import (
    table5,
)
from lossbook.papers.li2020.names import TABLE5
from lossbook.results import published


@pytest.mark.parametrize(("profile", "dataset"), [("paper", "kmnist"), ("fashion", "fashion_mnist")])
def test_table5_has_the_papers_betas_and_those_it_only_discusses(profile, dataset):
    shown = [cell for cell in cells("table5", profile) if not cell.labels["detach"]]
    found = {cell.labels["beta"]: cell.spec for cell in shown}
    assert found.keys() == {0, 1, 2, 4, 8, 16}
    assert {int(r.beta) for r in published("li2020", "table5").itertuples()} <= found.keys()
    for beta, spec in found.items():
        assert (spec.dataset, spec.model, spec.epochs) == (dataset, "li2020_cnn2c", 20)
        assert spec.loss_options == {"beta": beta}


def test_the_gradient_through_the_weights_is_compared_at_equal_beta():
    specs = {(c.labels["beta"], c.labels["detach"]): c.spec for c in cells("table5")}
    for beta in (1, 4, 16):
        assert specs[beta, True].loss_options == {"beta": beta, "detach": True}
        assert specs[beta, False].loss_options == {"beta": beta}


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
