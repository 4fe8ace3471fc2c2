"""Is it the gradient's norm, on reviews? CE at the size of the mixtures, and each loss at its own rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lossbook.experiments.grid import Cell, Experiment, Profile
from lossbook.papers.battash2021.protocol import CE, GRADUAL, TWO_PHASE, by_name, cell
from lossbook.papers.battash2021.table3 import ARCHITECTURES, MADE_UP, TABLE3, recipe

REVIEWS_NORM = "battash2021/gradient_norm_reviews"
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
    also=(TABLE3,),
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
