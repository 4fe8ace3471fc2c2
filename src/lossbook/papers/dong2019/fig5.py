"""Fig. 5: how fast the losses converge on CIFAR-100."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lossbook.evidence import stats, tables
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import Contrast, Contrasts, Difference, Unit
from lossbook.evidence.rules import CarriesOver, Finding
from lossbook.evidence.select import Evidence
from lossbook.evidence.tables import Runs
from lossbook.papers.dong2019 import table1
from lossbook.papers.dong2019.names import (
    BASELINE,
    DECISIVE,
    FREQUENCIES,
    LOGISTIC,
    LOSSES,
    NAMES,
    ONE,
    OWN,
    RATES,
    REFERENCE,
    TABLE1,
    USUAL,
    named,
)
from lossbook.results import Record

DATASET = "cifar100"
VARIANTS = (*((loss, USUAL) for loss in LOSSES), ("lr", FREQUENCIES))
#: Convergence is timed to this share of a run's own last accuracy.
SHARE = 0.9
#: What is reached is also shown for these shares of the last accuracy of CE.
LEVELS = (0.5, 0.75, 0.9)


def epochs_to(curve: Sequence[float | None], level: float) -> float | None:
    """Epochs until an accuracy is first reached, by straight lines between epochs; None if it never is.

    Args:
        curve: Accuracy after each epoch.
        level: The accuracy.
    """
    before = None
    for epoch, value in enumerate(curve, start=1):
        if value is not None and value >= level:
            if before is None or value == before:
                return float(epoch)
            return epoch - (value - level) / (value - before)
        before = value
    return None


def to_own(record: Record) -> float | None:
    """Epochs to :data:`SHARE` of the run's own last test accuracy."""
    curve = record.curve("test_accuracy")
    return epochs_to(curve, SHARE * curve[-1]) if curve and curve[-1] else None


@dataclass(frozen=True)
class AsFast:
    """All converge within some epochs of each other.

    Attributes:
        epochs: How many.
    """

    epochs: float

    def text(self, total: int) -> str:  # noqa: ARG002  the same for any number
        """The rule in words."""
        return (
            f"It holds if every 95% interval lies within ±{self.epochs:g} epoch, does not hold if one lies "
            "wholly beyond, and is not settled otherwise."
        )

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding."""
        if any(d.interval.low > self.epochs or d.interval.high < -self.epochs for d in found):
            return "does not hold"
        return "holds" if found and len(found) == total and all(map(self.shows, found)) else "not settled"

    def shows(self, difference: Difference) -> bool:
        """Whether the interval lies within the epochs."""
        return -self.epochs <= difference.interval.low and difference.interval.high <= self.epochs


def later(loss: str, rates: str = ONE) -> Contrast:
    """How many epochs later than CE a loss reaches :data:`SHARE` of its own last accuracy."""
    return Contrast(
        f"{NAMES[loss]} minus CE on {{left[dataset]}}, {RATES[rates]}",
        table1.select(DATASET, loss, rates=rates, value=to_own),
        table1.select(DATASET, BASELINE, rates=rates, value=to_own),
        unit=Unit(1.0, 2, "epochs"),
        resolved=False,
    )


AS_FAST = Claim(
    "as-fast",
    "All the losses converge at very similar speeds.",
    "Convergence Rate; Fig. 5",
    f"Epochs to {SHARE:.0%} of a run's own last test accuracy on CIFAR-100, each loss minus CE, paired by "
    "seed. The paper's text gives no number, and the margin is this book's.",
    {
        RATES[rates]: Contrasts(TABLE1, [later(loss, rates) for loss in LOGISTIC], optional=rates == OWN)
        for rates in (ONE, OWN)
    },
    CarriesOver(AsFast(1.0), table1.SMALL),
    DECISIVE,
    basis=table1.figure_basis,
)
CLAIMS = (AS_FAST,)


def follows(evidence: Evidence) -> str:
    """What follows for someone who trains LR; nothing without three runs that show it.

    Args:
        evidence: The records of Table 1.
    """
    base = table1.select(DATASET, BASELINE).runs(evidence, REFERENCE).values("test_accuracy").values()
    if not base:
        return ""
    level = LEVELS[0] * float(np.mean(list(base)))
    usual, low = (
        table1.select(DATASET, "lr", start, value=lambda r: epochs_to(r.curve("test_accuracy"), level))
        for start in (USUAL, FREQUENCIES)
    )
    contrast = Contrast(
        "LR, biases at 0 minus −log(K − 1)", usual, low, unit=Unit(1.0, 1, "epochs"), resolved=False
    )
    sooner = table1.decided(contrast, evidence)
    if sooner is None or not sooner.above:
        return ""
    return (
        "with output biases at −log(K − 1), LR reaches half of CE's last accuracy "
        f"{sooner.interval.mean:.1f} ± {sooner.interval.half:.1f} epochs sooner than from biases at 0, "
        "at one rate for all."
    )


def groups(evidence: Evidence, profile: str, rates: str = ONE) -> dict[tuple[str, str], Runs]:
    """The runs by loss and start, on CIFAR-100 or, where a page is tried, on the data of the trial.

    Args:
        evidence: The records.
        profile: The profile.
        rates: At one rate, or each at its own.
    """
    every = [r.labels["dataset"] for r in evidence.by_profile.get(profile, ())]
    dataset = DATASET if DATASET in every else next(iter(every), DATASET)
    found = {variant: table1.select(dataset, *variant, rates).runs(evidence, profile) for variant in VARIANTS}
    return {variant: runs for variant, runs in found.items() if runs.records}


def shown(evidence: Evidence) -> list[str]:
    """The profiles with runs to show."""
    return [name for name in evidence.by_profile if any(groups(evidence, name, rates) for rates in RATES)]


def table(evidence: Evidence, profile: str, rates: str = ONE) -> pd.DataFrame:
    """Epochs to shares of CE's last accuracy, and to 90% of a loss's own; one row per loss and start."""
    found = groups(evidence, profile, rates)
    base = found.get((BASELINE, USUAL), Runs()).values("test_accuracy").values()
    if not base:
        return pd.DataFrame()
    last = float(np.mean(list(base)))
    columns: dict[str, Callable[[Record], float | None]] = {}
    for share in LEVELS:
        level = share * last
        columns[f"To {100 * level:.1f}%"] = lambda r, level=level: epochs_to(  # type: ignore[misc]
            r.curve("test_accuracy"), level
        )
    columns[f"To {SHARE:.0%} of its own last"] = to_own
    rows = []
    for variant, runs in found.items():
        row: dict[str, object] = {"Loss": named(*variant)}
        row |= {name: _epochs(runs, value) for name, value in columns.items()}
        row["Last, %"] = tables.mean_cell(runs, "test_accuracy", percent=True)
        rows.append(row)
    return pd.DataFrame(rows)


def _epochs(runs: Runs, value: Callable[[Record], float | None]) -> tables.Cell:
    reached = [epochs for record in runs.records if (epochs := value(record)) is not None]
    if not reached:
        return tables.Cell("never")
    interval = stats.mean_interval(reached)
    never = len(runs.records) - len(reached)
    text = f"{interval.mean:.1f}{tables.band(interval, 1)}{f' ({never} never)' if never else ''}"
    return tables.Cell(text, {"mean": interval.mean, "n": interval.n}, runs.keys)


def alt(evidence: Evidence, profile: str) -> str:
    """What the figure shows, in words and numbers."""
    parts = []
    for rates in (ONE, OWN):
        ends = ", ".join(
            f"{named(*variant)} {100 * float(np.mean(list(values.values()))):.1f}%"
            for variant, runs in groups(evidence, profile, rates).items()
            if (values := runs.values("test_accuracy"))
        )
        if ends:
            parts.append(f"At the end, {RATES[rates]}: {ends}")
    return f"Test accuracy by epoch, one line per loss. {'. '.join(parts)}."
