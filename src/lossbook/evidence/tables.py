"""From records to cells: means with intervals, paired differences, and what has not been run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lossbook.evidence import stats
from lossbook.progress import duration
from lossbook.results import Record

#: Marks a cell whose records today's code is not known to give.
UNATTESTED = "†"
UNATTESTED_NOTE = (
    f"{UNATTESTED} Unattested: made, at least in part, by code that has since changed; today's code may give "
    "another number."
)


@dataclass(frozen=True)
class Cell:
    """One cell of a table that knows the numbers and the runs behind its text.

    Attributes:
        text: What the reader sees.
        values: Numbers at full precision; each becomes a column ``"<column>: <name>"`` of the CSV.
        runs: Keys of the runs behind the cell.
        title: What is said above the list of its runs.
        href: Where the text links to.
    """

    text: str
    values: Mapping[str, float | int | str] = field(default_factory=dict)
    runs: tuple[str, ...] = ()
    title: str = ""
    href: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Runs:
    """The runs behind one cell: one experiment, one profile, one setting, several seeds.

    Attributes:
        records: One record per seed.
        epochs: Read the values after this many epochs; None reads them at the last.
    """

    records: tuple[Record, ...] = ()
    epochs: int | None = None

    def __post_init__(self) -> None:
        """Refuse runs that cannot share a cell.

        Raises:
            ValueError: If profiles are mixed, or a seed occurs twice.
        """
        if len({(r.experiment, r.profile) for r in self.records}) > 1:
            raise ValueError("runs of different profiles or experiments do not belong in one cell")
        if len({r.seed for r in self.records}) < len(self.records):
            raise ValueError(
                "a cell has one run per seed; these runs repeat a seed, so they differ in something else"
            )

    def values(self, metric: str) -> dict[int, float]:
        """Return seed -> value for the runs that have a finite one.

        Args:
            metric: Name of a metric; ``"best_test_accuracy"`` is the highest test accuracy of any epoch.
        """
        found = {r.seed: self._value(r, metric) for r in self.records}
        return {seed: value for seed, value in found.items() if value is not None}

    def diverged(self, metric: str = "test_accuracy") -> int:
        """Return how many runs have no value because training broke down."""
        return len(self.records) - len(self.values(metric))

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the runs."""
        return tuple(r.key for r in self.records)

    @property
    def unattested(self) -> bool:
        """Whether any of the runs is one that today's code is not known to give."""
        return any(r.trust.state == "unattested" for r in self.records)

    def _value(self, record: Record, metric: str) -> float | None:
        if metric == "best_test_accuracy":
            curve = record.curves.get("test_accuracy", [])[: self.epochs]
            finite = [v for v in curve if v is not None]
            whole = self.epochs is not None and len(finite) == self.epochs
            return max(finite) if finite and (record.status == "finished" or whole) else None
        if self.epochs is not None:
            curve = record.curve(metric)
            return curve[self.epochs - 1] if len(curve) >= self.epochs else None
        return record.metric(metric) if record.status == "finished" else None


def mean_cell(
    runs: Runs, metric: str, *, percent: bool = False, digits: int = 2, cost: float | None = None
) -> Cell:
    """Return the mean of a metric over seeds with its 95% interval.

    One run or two have no interval. Diverged runs are counted in the text, never averaged away. Without a run
    the cell says so, and what the missing runs would cost.

    Args:
        runs: The runs.
        metric: Name of the metric.
        percent: Show a fraction in percent; the numbers of the CSV are then percent too.
        digits: Digits after the point.
        cost: Estimated seconds of the runs not made.
    """
    if not runs.records:
        about = f"; about {duration(cost)}" if cost else ""
        return Cell(f"not run{about}", {"n": 0})
    scale = 100.0 if percent else 1.0
    values = {seed: value * scale for seed, value in runs.values(metric).items()}
    diverged = len(runs.records) - len(values)
    mark = f" {UNATTESTED}" if runs.unattested else ""
    if not values:
        return Cell(f"diverged ({_of(diverged)}){mark}", {"n": 0, "diverged": diverged}, runs.keys)
    interval = stats.mean_interval(values.values())
    lost = f", {diverged} more diverged" if diverged else ""
    n = f"n = {interval.n}" if interval.bounded else _of(interval.n)
    text = f"{number(interval.mean, digits)}{band(interval, digits)} ({n}{lost}){mark}"
    each = ", ".join(f"seed {seed}: {number(value, digits + 1)}" for seed, value in values.items())
    numbers = {"mean": interval.mean, "low": interval.low, "high": interval.high, "n": interval.n}
    if interval.n == 1 and metric.endswith("test_accuracy"):
        # The only interval that one run has: other test images, not other seeds.
        size = min(r.provenance["test_size"] for r in runs.records)
        right = round(size * interval.mean / scale)
        low, high = (scale * bound for bound in stats.binomial_interval(right, size))
        numbers |= {"test set low": low, "test set high": high}
        each += f"; 95% interval for {size:,} test images {low:.{digits}f} to {high:.{digits}f}"
    if diverged:
        numbers["diverged"] = diverged
    return Cell(text, numbers, runs.keys, each)


def difference(runs: Runs, baseline: Runs, metric: str) -> stats.PairedDifference | None:
    """Return the paired difference to the baseline, or None if no seed has a value on both sides."""
    values, base = runs.values(metric), baseline.values(metric)
    return stats.paired_difference(values, base) if set(values) & set(base) else None


def signed_band(d: stats.PairedDifference) -> str:
    """Return a difference of fractions in points with half of its 95% interval, where it has one."""
    return f"{signed(100 * d.mean)}{band(d, 2, 100)}"


def band(interval: stats.Interval, digits: int, scale: float = 1.0) -> str:
    """Return ``" ± 0.12"``, half of an interval behind its mean; nothing where there is none.

    An interval narrower than the last digit shown is said to be so: "± 0.00" would claim certainty. Equal
    values, whose interval has no width, show no spread to build one from, and get none.

    Args:
        interval: The interval.
        digits: Digits after the point.
        scale: What it is multiplied by.
    """
    half = scale * interval.half
    if math.isnan(half) or math.isclose(half, 0, abs_tol=1e-12):
        return ""
    least = 10.0**-digits
    return f" ± {number(half, digits)}" if half >= least / 2 else f" ± <{least:.{digits}f}"


def difference_cells(
    pairs: Sequence[tuple[Runs, Runs] | None], metric: str, *, percent: bool = False, digits: int = 2
) -> tuple[list[Cell], list[Cell]]:
    """Return a column of paired differences and a column of their p-values, Holm-adjusted over the column.

    Args:
        pairs: For each row the runs and the baseline's, or None for a row without a comparison.
        metric: Name of the metric.
        percent: Differences of fractions in percentage points.
        digits: Digits after the point.

    Returns:
        The cells of the differences and those of the adjusted p-values.
    """
    found = [difference(*pair, metric) if pair else None for pair in pairs]
    adjusted = stats.holm([d.p if d else math.nan for d in found])
    scale = 100.0 if percent else 1.0
    differences, p_values = [], []
    for pair, d, p in zip(pairs, found, adjusted, strict=True):
        if pair is None or d is None:
            differences.append(Cell("–"))
            p_values.append(Cell("–"))
            continue
        keys = tuple(dict.fromkeys((*pair[0].keys, *pair[1].keys)))
        if not d.bounded:
            few = "1 pair" if d.n == 1 else f"{d.n} pairs"
            why = few if d.n < stats.FEWEST else f"n = {d.n}, all equal"
            text = f"{signed(d.mean * scale, digits)} ({why})"
        else:
            text = f"{signed(d.mean * scale, digits)}{band(d, digits, scale)} (n = {d.n})"
        numbers = {"mean": d.mean * scale, "low": d.low * scale, "high": d.high * scale, "n": d.n}
        differences.append(Cell(text, numbers, keys))
        p_values.append(Cell(p_text(p), {} if math.isnan(p) else {"holm": p, "unadjusted": d.p}))
    return differences, p_values


def number(value: float, digits: int) -> str:
    """Return a number with this many digits after the point; a huge one in powers of ten."""
    if not math.isfinite(value) or abs(value) < 1e5:
        return f"{round(value, digits) + 0.0:.{digits}f}"  # zero never gets a minus
    mantissa, exponent = f"{value:.1e}".split("e+")
    return f"{mantissa}e{int(exponent)}"


def signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign; zero never gets a minus."""
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def p_text(p: float) -> str:
    """Return a p-value as text; a dash where there is none."""
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def notes(runs: Iterable[Runs], metric: str = "test_accuracy") -> list[str]:
    """Return the sentences a table needs below it for these runs: trust and divergence."""
    every = list(runs)
    found = []
    if any(r.unattested for r in every):
        found.append(UNATTESTED_NOTE)
    diverged = sum(r.diverged(metric) for r in every)
    if diverged:
        found.append(
            f"{_of(diverged)} broke down in training: the loss stopped being finite. They are counted in "
            "their cell and are no part of its mean."
        )
    return found


def _of(n: int) -> str:
    return "1 run" if n == 1 else f"{n} runs"
