"""Escaping efficiency on trained networks: tr(H Sigma) by epoch, at equal scale, beside the test accuracy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lossbook.evidence import stats, tables
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import Contrast, Contrasts, Unit
from lossbook.evidence.rules import Above, AtMostInPart, CarriesOver, OnceWhole, Rule
from lossbook.evidence.select import Evidence
from lossbook.evidence.tables import Cell as Shown
from lossbook.evidence.tables import Runs
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.battash2021.protocol import (
    CE,
    CIFAR,
    DIGITS,
    GRADUAL,
    MIXTURES,
    REDUCED,
    REGIMES,
    SMALL,
    basis,
    by_name,
    cell,
    select,
    title,
)
from lossbook.results import Record
from lossbook.training import RunSpec

ESCAPING = "battash2021/escaping"
EL = ("el", "")
#: The regimes that are measured.
ALL = (*REGIMES, EL)
_MEASURED: dict[str, Any] = {"epoch_measures": "escaping"}


def _cells(base: RunSpec, regimes: Sequence[tuple[str, str]] = ALL) -> tuple[Cell, ...]:
    return tuple(cell(base, regime, **_MEASURED) for regime in regimes)


EXPERIMENT = Experiment(
    name=ESCAPING,
    title="Escaping efficiency on trained networks",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's recipe for CIFAR-100 with ResNet-20, measured after every epoch; the paper measures "
            "nothing",
            _cells(CIFAR),
            seeds=3,
        ),
        Profile(
            "reference",
            "CNN2C on 6,000 images of Fashion-MNIST for 12 epochs, measured after every epoch",
            _cells(SMALL),
            seeds=5,
        ),
        Profile(
            "quick",
            "CNN2C on 1,000 images of Fashion-MNIST for 6 epochs",
            _cells(replace(SMALL, train_size=1000, test_size=1000, epochs=6)),
            seeds=1,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "32 of scikit-learn's digits for 6 epochs, to see that everything runs",
            _cells(replace(SMALL, **{**DIGITS, "model": "li2020_cnn2c", "train_size": 32}), (CE, GRADUAL)),
            seeds=2,
        ),
    ),
)

#: What is read of a run, and how: as measured, at the scale of CE, and under CE itself.
READINGS = {
    "own": "under its own loss",
    "scaled": "at the scale of CE",
    "ce": "under CE",
}
_LOGS = Unit(1.0, 2, "natural log units")


def curve(record: Record, reading: str) -> list[float]:
    """tr(H Sigma) after each epoch in one of the readings, batch size 1."""
    if reading == "scaled":
        return [
            float(own) / float(scale) ** 3 if own is not None and scale else float("nan")
            for own, scale in zip(record.curve("own_trace"), record.curve("scale"), strict=True)
        ]
    return [float("nan") if v is None else float(v) for v in record.curve(f"{reading}_trace")]


def level(record: Record, reading: str) -> float | None:
    """The logarithm of the mean of tr(H Sigma) over the epochs; None where it is not positive."""
    values = [v for v in curve(record, reading) if np.isfinite(v)]
    mean = float(np.mean(values)) if values else 0.0
    return float(np.log(mean)) if mean > 0 else None


def against(regime: tuple[str, str], reading: str) -> Contrast:
    """The logarithm of a regime's mean trace minus that of CE."""
    return Contrast(
        f"log tr(HΣ), {title(regime)} minus CE, {READINGS[reading]}",
        select(regime, value=lambda record: level(record, reading)),
        select(CE, value=lambda record: level(record, "ce")),
        unit=_LOGS,
        resolved=False,
    )


def sharpness(record: Record) -> float | None:
    """The logarithm of the sharpness after the last epoch; None where it is not positive."""
    value = _last(record, "sharpness")
    return float(np.log(value)) if value > 0 else None


def flatter(regime: tuple[str, str]) -> Contrast:
    """The logarithm of the sharpness that CE ends with minus that of a regime."""
    return Contrast(
        f"log sharpness, CE minus {title(regime)}",
        select(CE, value=sharpness),
        select(regime, value=sharpness),
        unit=_LOGS,
        resolved=False,
    )


def ce_against_el() -> Contrast:
    """The logarithm of the mean trace of CE minus that of EL, each under its own loss."""
    return Contrast(
        "log tr(HΣ), CE minus EL, each under its own loss",
        select(CE, value=lambda record: level(record, "ce")),
        select(EL, value=lambda record: level(record, "own")),
        unit=_LOGS,
        resolved=False,
    )


def _claim(
    key: str, title_: str, where: str, contrasts: Sequence[Contrast], measured: str, rule: Rule
) -> Claim:
    return Claim(
        key,
        title_,
        where,
        measured,
        {"": Contrasts(ESCAPING, contrasts)},
        rule,
        (PAPER, "reference"),
        basis=basis,
    )


ESCAPES = _claim(
    "escapes",
    "Training with a mixture has a higher escaping efficiency than training with CE.",
    "Escaping Efficiency; Eq. 18",
    [against(regime, "own") for regime in MIXTURES],
    "The logarithm of the mean of tr(HΣ) over the epochs, each network measured under the loss it is trained "
    "with, minus that of CE, paired by seed.",
    CarriesOver(OnceWhole(Above()), REDUCED),
)
CE_ESCAPES = _claim(
    "ce-escapes",
    "Training with CE has a higher escaping efficiency than training with EL alone.",
    "Escaping Efficiency, after Eq. 18",
    [ce_against_el()],
    "The logarithm of the mean of tr(HΣ) over the epochs, each network measured under the loss it is trained "
    "with, CE minus EL, paired by seed. The paper derives it in a supplement that was not available.",
    CarriesOver(Above(), REDUCED),
)
FLATTER = _claim(
    "flatter",
    "Training with a mixture is more likely than training with CE to end in a wide minimum.",
    "Introduction; Conclusions",
    [flatter(regime) for regime in MIXTURES],
    "Sharpness is the largest eigenvalue of the Hessian of CE, whatever the network is trained with; a "
    "minimum counts as wide where it is small. Its logarithm after the last epoch, CE minus each mixture, "
    "paired by seed.",
    CarriesOver(OnceWhole(Above()), REDUCED),
)
ESCAPES_AT_SCALE = _claim(
    "escapes-at-scale",
    "At equal scale of the loss, too, the escaping efficiency of the mixtures is higher (our own question).",
    "not claimed; the question is ours, about Eq. 18",
    [against(regime, "scaled") for regime in MIXTURES],
    "The logarithm of the mean of tr(HΣ)/c³ over the epochs minus that of tr(HΣ) for CE, paired by seed. "
    "Here c is the ratio of two root-mean-square lengths on the same examples: that of the loss's gradient "
    "with respect to the logits, and that of CE's.",
    # No runs of the paper's can be right about a question that it does not ask.
    AtMostInPart(OnceWhole(Above()), REDUCED),
)


def table(evidence: Evidence, profile: str) -> pd.DataFrame:
    """At the end of training and averaged over it: the trace in each reading, sharpness and accuracy."""
    rows = []
    for regime in ALL:
        records = _of(evidence, profile, regime)
        if not records:
            continue
        keys = tuple(r.key for r in records)
        rows.append(
            {
                "Regime": title(regime),
                **{
                    f"tr(HΣ) {words}": _band([float(np.nanmean(curve(r, reading))) for r in records], keys)
                    for reading, words in READINGS.items()
                },
                "tr(HΣ) under its own loss, last epoch": _band(
                    [_last(r, "own_trace") for r in records], keys
                ),
                "Scale c, mean": _band([_mean(r, "scale") for r in records], keys),
                "Sharpness, last epoch": _band([_last(r, "sharpness") for r in records], keys),
                "Accuracy, %": tables.mean_cell(Runs(tuple(records)), "test_accuracy", percent=True),
            }
        )
    return pd.DataFrame(rows)


def _of(evidence: Evidence, profile: str, regime: tuple[str, str]) -> list[Record]:
    found = evidence.runs(profile, loss=regime[0], schedule=regime[1]).records
    return [r for r in found if r.status == "finished"]


def _last(record: Record, name: str) -> float:
    values = record.curve(name)
    return float("nan") if not values or values[-1] is None else float(values[-1])


def _mean(record: Record, name: str) -> float:
    values = [float(v) for v in record.curve(name) if v is not None]
    return float(np.mean(values)) if values else float("nan")


def _band(values: list[float], keys: tuple[str, ...]) -> Shown:
    finite = [v for v in values if np.isfinite(v)]
    if not finite:
        return Shown("–", {"n": 0}, keys)
    mean = stats.mean_interval(finite)
    text = re.sub(r"e\+0*", "e", f"{mean.mean:.3g}")
    if mean.bounded and max(mean.mean, mean.half) >= 1e4:
        text = " ± ".join(re.sub(r"e\+0*", "e", f"{value:.1e}") for value in (mean.mean, mean.half))
    elif mean.bounded and mean.half > 0:
        digits = max(0, 1 - math.floor(math.log10(mean.half)))  # two that count of half the interval
        text = f"{tables.number(mean.mean, digits)} ± {tables.number(mean.half, digits)}"
    return Shown(text, {"mean": mean.mean, "n": mean.n}, keys)


def correlation(
    evidence: Evidence, profile: str, reading: str, regimes: Sequence[tuple[str, str]] = ALL
) -> tuple[float, int] | None:
    """Spearman's rank correlation over runs of trace and test accuracy, and the number of runs.

    Args:
        evidence: The records.
        profile: Which of them.
        reading: One of :data:`READINGS`, or ``sharpness`` at the last epoch.
        regimes: The runs of these alone.
    """
    from scipy.stats import spearmanr

    pairs: list[tuple[float, float]] = []
    for regime in regimes:
        for record in _of(evidence, profile, regime):
            value = _last(record, "sharpness") if reading == "sharpness" else level(record, reading)
            if value is not None and np.isfinite(value):
                pairs.append((value, _last(record, "test_accuracy")))
    # Among equal values nothing goes with anything.
    if len(pairs) < 5 or any(len(set(side)) == 1 for side in zip(*pairs, strict=True)):
        return None
    return float(spearmanr(*zip(*pairs, strict=True)).statistic), len(pairs)


def correlations_text(evidence: Evidence, profile: str) -> str:
    """What goes with the test accuracy, over all runs and without those of EL alone; nothing without runs.

    Args:
        evidence: The records.
        profile: Which of them.
    """
    said = []
    for whose, regimes in (("", ALL), (" without EL", REGIMES)):
        found = {
            "sharpness at the last epoch"
            if reading == "sharpness"
            else f"the trace {READINGS[reading]}": made
            for reading in (*READINGS, "sharpness")
            if (made := correlation(evidence, profile, reading, regimes)) is not None
        }
        if found:
            count = max(n for _, n in found.values())
            each = "; ".join(
                f"{what} {rho:+.2f}{'' if n == count else f' ({n} runs)'}" for what, (rho, n) in found.items()
            )
            said.append(f"- Over the {count} runs{whose}: {each}.")
    return (
        "\n".join([f"Rank correlation with the test accuracy, profile {profile}:", "", *said]) if said else ""
    )


def curves(evidence: Evidence, profile: str, reading: str) -> Mapping[tuple[str, str], list[list[float]]]:
    """Regime -> for each seed the trace after each epoch."""
    return {
        regime: [curve(record, reading) for record in _of(evidence, profile, regime)]
        for regime in ALL
        if _of(evidence, profile, regime)
    }
