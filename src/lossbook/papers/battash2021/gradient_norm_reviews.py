"""Is it the gradient's norm, on reviews? CE at the size of the mixtures, and each loss at several rates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from lossbook.evidence import stats, tables
from lossbook.evidence.choosing import best_rates
from lossbook.evidence.claims import Claim, Verdict, seeds_text
from lossbook.evidence.contrasts import Contrast, Contrasts, Mean, averaged
from lossbook.evidence.rules import Gain, OnceWhole
from lossbook.evidence.select import Evidence
from lossbook.experiments.grid import TRIALS, Cell, Experiment, Profile
from lossbook.papers.battash2021 import gradient_norm, texts
from lossbook.papers.battash2021.protocol import CE, GRADUAL, TWO_PHASE, by_name, cell, select, title
from lossbook.papers.battash2021.table3 import (
    ARCHITECTURES,
    CLEAN_EPOCHS,
    MADE_UP,
    MEANS,
    NAMES,
    recipe,
)
from lossbook.results import Record

REVIEWS_NORM = "battash2021/gradient_norm_reviews"
#: CE and the mixtures are its runs.
ALSO = ("battash2021/table3",)
#: CE with its gradient as large as that of the two mixtures whose size changes during training (Eq. 21), and
#: as large as that of the gradual one in the other printed reading (Eq. 22).
TARGET_GRADUAL, TARGET_TWO = ("ce_target", "0-0.5"), ("ce_target", "0,0.5")
SQUARE = ("ce_square", "0-0.5")
EL = ("el", "")
#: A mixture, and CE at its size.
SIZED = {GRADUAL: TARGET_GRADUAL, TWO_PHASE: TARGET_TWO}
#: All networks of Table 3 but the largest, which costs as much as three of the others; and the smallest.
NETWORKS = tuple(name for name in ARCHITECTURES if name != "arch5")
SMALLEST = "arch1"
#: The rate that all losses share in the published code, and those tried for each on held-out reviews.
SHARED_RATE = 0.01
RATES = (0.001, 0.003, 0.01, 0.03)
TRIED = (CE, TWO_PHASE, GRADUAL, EL)
HELD_OUT = 2000


def _cells(
    regimes: Sequence[tuple[str, str]],
    networks: Sequence[str] = (SMALLEST,),
    lr: float | None = None,
    part: str = "test",
    **changes: Any,
) -> tuple[Cell, ...]:
    return tuple(
        cell(
            recipe("clean", name),
            regime,
            lr=lr,
            labels={"architecture": name, "part": part},
            **changes,
        )
        for regime in regimes
        for name in networks
    )


def _small(**changes: Any) -> tuple[Cell, ...]:
    return _cells((CE, TWO_PHASE, GRADUAL, TARGET_TWO, TARGET_GRADUAL, SQUARE, EL), **changes)


EXPERIMENT = Experiment(
    name=REVIEWS_NORM,
    title="Is it the gradient's norm? On reviews",
    also=ALSO,
    profiles=by_name(
        Profile(
            "clean",
            "7 epochs, clean protocol of Table 3: CE at the size of the mixtures with four of its networks, "
            "its second reading and EL with the smallest",
            (
                *_cells((CE, TWO_PHASE, GRADUAL), NETWORKS),
                *_cells((TARGET_TWO, TARGET_GRADUAL), NETWORKS),
                *_cells((SQUARE, EL)),
            ),
            seeds=8,
        ),
        Profile(
            "rates",
            f"the smallest network on all but {HELD_OUT:,} training reviews, measured on those, by rate",
            tuple(
                each
                for lr in RATES
                for each in _cells(TRIED, lr=lr, part="validation", validation_size=HELD_OUT)
            ),
            seeds=3,
        ),
        Profile(
            "quick",
            "1,000 reviews for 6 epochs, with the smallest of the five networks",
            _small(train_size=1000, test_size=500, batch_size=64, epochs=6),
            seeds=2,
            embedded_cells=_small(**MADE_UP),
        ),
        Profile(
            "smoke",
            "made-up reviews for 6 epochs, to see that everything runs",
            _small(**MADE_UP),
            seeds=2,
        ),
    ),
)

Regime = tuple[str, str]
CLEAN = "clean"
HOW = {CLEAN: "the clean protocol of Table 3, with fewer epochs than the paper's"}


def name(regime: Regime) -> str:
    """A regime as the page names it."""
    if regime in SIZED.values():
        return f"CE at the size of {title(next(m for m, sized in SIZED.items() if sized == regime))}"
    return f"CE at the size of {title(GRADUAL)} by Eq. 22" if regime == SQUARE else title(regime)


def against(
    regime: Regime,
    base: Regime,
    network: str = SMALLEST,
    metric: str = "test_accuracy",
    epochs: int | None = None,
) -> Contrast:
    """One regime minus another with one of the networks, paired by seed; after the last epoch by default."""
    left, right = (
        replace(select(each, metric=metric, architecture=network, lr=SHARED_RATE, part="test"), epochs=epochs)
        for each in (regime, base)
    )
    return Contrast(
        f"{name(regime)} minus {name(base)}, LSTM {NAMES[network]}",
        left,
        right,
        resolved=metric == "test_accuracy",
    )


def over_networks(
    evidence: Evidence,
    regime: Regime,
    base: Regime,
    metric: str = "test_accuracy",
    epochs: int | None = None,
) -> Mean | None:
    """One regime minus another, mean over the networks; None without a seed that all of them have."""
    return averaged([against(regime, base, each, metric, epochs).at(evidence, CLEAN) for each in NETWORKS])


def _pairs(mixture: Regime) -> tuple[tuple[Regime, Regime], ...]:
    """What is compared for a mixture, in the order of the table."""
    sized = SIZED[mixture]
    return (mixture, CE), (sized, CE), (mixture, sized)


def table(evidence: Evidence) -> pd.DataFrame:
    """Both mixtures, and CE at their size, minus CE and minus each other: means over the four networks."""
    rows = []
    for mixture in SIZED:
        for regime, base in _pairs(mixture):
            found = {head: over_networks(evidence, regime, base, metric) for head, metric in MEANS.items()}
            cells = {head: mean.cell for head, mean in found.items() if mean is not None}
            if cells:
                rows.append({"Difference": f"{name(regime)} minus {name(base)}", **cells})
    return pd.DataFrame(rows)


def by_epoch(evidence: Evidence, regime: Regime) -> list[Mean]:
    """A regime's test accuracy minus that of CE after each epoch, mean over the networks."""
    found = (over_networks(evidence, regime, CE, epochs=epoch) for epoch in range(1, CLEAN_EPOCHS + 1))
    return [each for each in found if each is not None]


SIZE_ON_REVIEWS = Claim(
    "size-on-reviews",
    "On the reviews the mixtures do better than CE with its gradient scaled to their size.",
    "Not in the paper, whose control is on images",
    "Test accuracy after the last epoch of each mixture minus that of CE times the factor of Eq. 21, with "
    "each of four networks, paired by seed.",
    {
        "": Contrasts(
            REVIEWS_NORM,
            [against(mixture, sized, each) for mixture, sized in SIZED.items() for each in NETWORKS],
        )
    },
    OnceWhole(Gain()),
    (CLEAN,),
    basis=lambda records: texts.basis(records, HOW),
)


def headline(evidence: Evidence) -> str:
    """What each mixture and CE at its size gain over CE, in the mean over the networks."""
    said = []
    for mixture in SIZED:
        found = [over_networks(evidence, *pair) for pair in _pairs(mixture)]
        if any(each is None for each in found):
            continue
        own, sized, between = found
        said.append(f"{title(mixture)} {own}, CE at its size {sized}, the first minus the second {between}")
    if not said:
        return ""
    return (
        "Accuracy after the last epoch minus that of CE in points, mean over four networks: "
        f"{'; '.join(said)}."
    )


def follows(evidence: Evidence) -> str:
    """What follows for someone who sees a gain after the last epoch; nothing where no interval says so."""
    explained, beyond, unbalanced = [], [], []
    for mixture, sized in SIZED.items():
        own, alone = over_networks(evidence, mixture, sized), over_networks(evidence, sized, CE)
        rare = over_networks(evidence, mixture, sized, "balanced_accuracy")
        if own is None or alone is None:
            continue
        if own.interval.low > 0:
            beyond.append(title(mixture))
            if rare is not None and rare.interval.high < 0:
                unbalanced.append(title(mixture))
        elif alone.interval.low > 0:
            explained.append(title(mixture))
    said = []
    if beyond:
        balanced = ", and is ahead in balanced accuracy" if unbalanced == beyond else ""
        said.append(
            f"CE with a gradient as large stays behind {' and '.join(beyond)} in accuracy after the last "
            f"epoch{balanced}."
        )
    if explained:
        said.append(
            "Before another loss, try CE with a learning rate that falls at the end: scaling the gradient of "
            f"CE alone gains too, and no gain of {' or '.join(explained)} beyond that is shown."
        )
    return " ".join(said)


def choose(records: Iterable[Record]) -> dict[Regime, float]:
    """The learning rate of each regime that is best on held-out reviews; of equal ones the least.

    Args:
        records: Those of the profile ``rates``; of several seeds the mean counts.
    """
    found = best_rates(records, ["loss", "schedule"], lambda *regime: RATES if regime in TRIED else ())
    return {(str(loss), str(schedule)): rate for (loss, schedule), rate in found.items()}


def same_rate(evidence: Evidence) -> str:
    """That CE and both mixtures do best at the rate that all losses share; nothing where they do not."""
    tried = evidence.by_profile.get("rates", ())
    best = choose(tried)
    compared = (CE, *SIZED)
    if {best.get(regime) for regime in compared} != {SHARED_RATE}:
        return ""
    names = ", ".join(title(regime) for regime in compared)
    return (
        f"{names}: with this network ({seeds_text(tried)}) each does best at {SHARED_RATE:g}, the rate of "
        "the runs above, so that with it the comparison of each at its own rate is the one above."
    )


def rates_table(evidence: Evidence) -> pd.DataFrame:
    """Accuracy on held-out reviews by regime and rate."""
    best = choose(evidence.by_profile.get("rates", ()))
    rows = []
    for regime in TRIED:
        cells: dict[str, Any] = {}
        for rate in RATES:
            runs = evidence.runs("rates", loss=regime[0], schedule=regime[1], lr=rate)
            if runs.records:
                cells[f"{rate:g}"] = tables.mean_cell(runs, "test_accuracy", percent=True)
        if cells:
            rows.append(
                {"Loss": title(regime), **cells, "Chosen": f"{best[regime]:g}" if regime in best else ""}
            )
    return pd.DataFrame(rows)


def factors(epochs: int) -> pd.DataFrame:
    """The factor of Eq. 21 by epoch, for both mixtures."""
    frames = {title(mixture): gradient_norm.factors(epochs, mixture[1]) for mixture in SIZED}
    return pd.concat(
        [frame.assign(Mixture=mixture)[["Mixture", "Epochs", "Eq. 21"]] for mixture, frame in frames.items()]
    )


def adjusted(verdict: Verdict) -> str:
    """How many of a claim's comparisons are left after an adjustment for their number.

    Args:
        verdict: The finding, whose intervals are each for a single comparison.
    """
    if not verdict.differences:
        return ""
    p = stats.holm([each.interval.p for each in verdict.differences])
    left = sum(value < stats.LEVEL for value in p)
    return (
        f"Each interval of the claim is for a single comparison. After Holm's adjustment over the {len(p)} "
        f"of them the number of p-values below {stats.LEVEL:g} is {left}, and the smallest is {min(p):.3f}."
    )


def small(evidence: Evidence) -> list[str]:
    """With the smallest network: CE scaled in the second reading, and EL alone, minus CE."""
    found = [against(regime, CE) for regime in (SQUARE, EL)]
    made = [c.measure(evidence, (CLEAN,), [p for p in evidence.by_profile if p not in TRIALS]) for c in found]
    return [f"{d.what}: {d.in_words()}." for d in made if d is not None]
