"""The gradient's norm: rates, factors, and CE at the mixture's size."""

import numpy as np
from battash2021_runs import evidence, gains, made

from lossbook import experiments
from lossbook.papers.battash2021 import (
    gradient_norm,
    verdict,
)
from lossbook.papers.battash2021.protocol import CE, GRADUAL


def test_rates_are_chosen_on_held_out_training_images():
    cells = experiments.get("battash2021/gradient_norm").profile("rates").cells
    assert {c.spec.validation_size for c in cells} == {4999}
    found = made(
        "gradient_norm", "rates", lambda lr, **_: 0.5 - abs(np.log10(lr) - np.log10(0.3)) / 10, seeds=1
    )
    assert gradient_norm.choose(found) == {GRADUAL: 0.3, CE: 0.3, gradient_norm.EL: 0.3}
    # Without one of its rates a regime is left open.
    part = [r for r in found if (r.labels["loss"], r.labels["lr"]) != ("el", 10.0)]
    assert gradient_norm.EL not in gradient_norm.choose(part)
    assert len(gradient_norm.rates_table(evidence("gradient_norm", found))) == len(found)


def test_the_factors_are_those_of_the_derivation():
    frame = gradient_norm.factors()
    assert frame["Eq. 21"].tolist() == ["1.33", "1.42", "1.56", "1.83", "2.67", "0.33"]
    assert frame["Eq. 22"].tolist() == ["1.50", "1.62", "1.83", "2.25", "3.50", "0.50"]


def test_ce_at_the_mixtures_size_is_compared_with_table_1s_runs():
    accuracy = gains(**{"CE+EL 0-0.5": 1.0, "EL": -20.0})
    own = evidence("gradient_norm", made("gradient_norm", "reference", accuracy))
    other = evidence("table1", made("table1", "reference", accuracy, seeds=8))
    judged = verdict.judge("size", own, other)
    assert judged.finding == "holds in part"
    assert judged.count == (2, 2)
    assert judged.differences[0].interval.n == 3
    assert {r.experiment for r in judged.records} == {"battash2021/gradient_norm", "battash2021/table1"}
    frame, _ = gradient_norm.table(gradient_norm.together(own, other), "reference")
    rows = {(r["Regime"], r["Rate"]): r for r in frame.to_dict("records")}
    assert set(rows) == {
        ("CE", "1"),
        ("CE+EL 0-0.5", "0.3"),
        ("CE+EL 0-0.5", "1"),
        ("CE, sized by Eq. 21", "1"),
        ("CE, sized by Eq. 22", "1"),
        ("EL", "1"),
    }
    assert str(rows["CE", "1"]["Minus CE+EL 0-0.5"]).startswith("-1.0")
    assert str(rows["EL", "1"]["Minus CE"]).startswith("-19.80")


def test_runs_of_the_papers_protocol_decide_by_themselves():
    accuracy = gains(**{"CE+EL 0-0.5": 1.0})
    own = evidence("gradient_norm", made("gradient_norm", "paper", accuracy))
    judged = verdict.judge("size", own, evidence("table1"))
    assert judged.count == (2, 2)
    assert {d.runs.records[0].labels["lr"] for d in judged.differences} == {0.1}
    assert "ResNet-20 on CIFAR-100" in judged.differences[0].what
