"""Escaping efficiency: traces whose answer is known."""

from dataclasses import replace

import pytest
from battash2021_runs import evidence, made
from said import numbers

from lossbook.evidence import Evidence, recorded, stats
from lossbook.papers.battash2021 import escaping, images_figures, verdict
from lossbook.papers.battash2021.protocol import CE, CONSTANT, GRADUAL, MIXTURES, TWO_PHASE
from lossbook.results import Store


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


def test_what_the_chapters_first_page_says_is_in_the_records(tmp_path):
    found = recorded(escaping.ESCAPING, store=Store(working=tmp_path))

    def signs(contrasts):
        made = {regime: contrasts(regime).at(found, "reference") for regime in MIXTURES}
        assert {each.interval.n for each in made.values()} == {5}
        return {regime: each.above - each.below for regime, each in made.items()}

    # "... of the mixtures, averaged over training, is higher than that of CE"
    assert set(signs(lambda regime: escaping.against(regime, "own")).values()) == {1}
    # "at equal scale no mixture is shown to be above CE, and two are below"
    assert sorted(signs(lambda regime: escaping.against(regime, "scaled")).values()) == [-1, -1, 0]
    # "CE+EL 0 and CE+EL 0-0.5 end with a smaller sharpness than CE ...; the interval of CE+EL 0,0.5 reaches
    # zero", "with no higher accuracy shown"
    assert signs(escaping.flatter) == {CONSTANT: 1, GRADUAL: 1, TWO_PHASE: 0}
    runs = {
        regime: found.runs("reference", loss=regime[0], schedule=regime[1]).values("test_accuracy")
        for regime in (CE, *MIXTURES)
    }
    assert not any(stats.paired_difference(runs[regime], runs[CE]).low > 0 for regime in MIXTURES)
    # "Where a schedule ends with EL alone, it falls far below it in that phase": to less than a tenth.
    last = {
        regime: [
            escaping.curve(r, "own" if regime != CE else "ce")[-1]
            for r in escaping._of(found, "reference", regime)
        ]
        for regime in (CE, GRADUAL, TWO_PHASE)
    }
    assert max(*last[GRADUAL], *last[TWO_PHASE]) < 0.1 * min(last[CE])
