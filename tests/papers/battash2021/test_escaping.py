"""Escaping efficiency: traces whose answer is known."""

from dataclasses import replace

import pytest
from battash2021_runs import evidence, made
from said import numbers

from lossbook.evidence import Evidence
from lossbook.papers.battash2021 import (
    escaping,
    images_figures,
    verdict,
)


def escaping_runs(own: float, scale: float) -> Evidence:
    """CE has a trace of 10; every other regime ``own`` under its loss and 10 under CE, at a scale."""
    records = []
    for r in made("escaping", "reference", lambda seed, **_: 0.8 + 0.01 * seed):
        ce = r.labels["loss"] == "ce"
        value, c = (10.0, 1.0) if ce else (own * (1 + 0.01 * r.seed), scale)
        epochs = 12
        records.append(
            replace(
                r,
                curves=r.curves
                | {
                    "own_trace": [value] * epochs,
                    "ce_trace": [10.0] * epochs,
                    "scale": [c] * epochs,
                    "sharpness": [3.0 + r.seed] * epochs,
                },
            )
        )
    return evidence("escaping", records)


def test_a_larger_trace_can_be_the_scale_alone():
    found = escaping_runs(own=80.0, scale=2.0)
    assert verdict.judge("escapes", found).finding == "holds in part"
    at_scale = verdict.judge("escapes-at-scale", found)
    assert at_scale.differences[0].interval.mean == pytest.approx(0.01, abs=0.001)  # 80 / 8 is 10
    smaller = escaping_runs(own=40.0, scale=2.0)
    assert verdict.judge("escapes", smaller).finding == "holds in part"
    assert verdict.judge("escapes-at-scale", smaller).finding == "does not hold"


def test_negative_estimates_are_counted_where_they_cannot_be_drawn():
    found = escaping_runs(own=80.0, scale=2.0)
    assert images_figures.not_drawn(found, "reference") == ""
    below = [
        replace(r, curves=r.curves | {"own_trace": [-1.0, *r.curves["own_trace"][1:]]})
        if r.labels["loss"] == "el"
        else r
        for r in found.records
    ]
    said = images_figures.not_drawn(evidence("escaping", below), "reference")
    # Three seeds of twelve epochs, under its own loss and at the scale of CE.
    assert numbers(said) == ["3", "36", "3", "36"]


def test_traces_and_what_goes_with_them():
    found = escaping_runs(own=80.0, scale=2.0)
    frame = escaping.table(found, "reference").set_index("Regime")
    assert str(frame.loc["CE", "tr(HΣ) under its own loss"]) == "10"
    assert str(frame.loc["CE+EL 0", "Scale c, mean"]) == "2"
    rho = escaping.correlation(found, "reference", "sharpness")
    assert rho is not None
    assert rho == (pytest.approx(1.0), 15)
    first, second = escaping.correlations_text(found, "reference").splitlines()[2:]
    # Sharpness comes last; the second line leaves EL out.
    assert (numbers(first)[0], numbers(first)[-1]) == ("15", "+1.00")
    assert numbers(second)[0] == "12"
    assert escaping.correlations_text(found, "paper") == ""
    assert str(escaping._band([1.0, 2.0, 3.0], ())) == "2.0 ± 2.5"
    assert str(escaping._band([1e4, 2e4, 3e4], ())) == "2.0e4 ± 2.5e4"
    assert str(escaping._band([100.0, 600.0, 800.0], ())) == "500 ± 896"
    assert len(images_figures.traces(found, "reference").axes) == 3
    assert "under CE: CE 10" in images_figures.traces_alt(found, "reference")
    assert images_figures.accuracy_against(found, "reference", "own").axes
    # A trace that is estimated below zero has no logarithm.
    record = replace(found.records[0], curves={"ce_trace": [-1.0, None]})
    assert escaping.level(record, "ce") is None
