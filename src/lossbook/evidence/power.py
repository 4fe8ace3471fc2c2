"""What difference a number of seeds can show, and how many seeds a difference takes."""

from __future__ import annotations

import math
from collections.abc import Iterable

from scipy.stats import nct
from scipy.stats import t as student_t

from lossbook.evidence.contrasts import POINTS, Difference
from lossbook.evidence.stats import LEVEL

#: How often a difference that is there should show.
POWER = 0.8
_MOST = 1000


def reach(seeds: int, level: float = LEVEL) -> float:
    r"""The least mean difference, in standard deviations, that a paired t test shows, :math:`t / \sqrt n`.

    Args:
        seeds: Number of pairs n.
        level: Two-sided level of the test.
    """
    return float(student_t.ppf(1 - level / 2, seeds - 1)) / math.sqrt(seeds)


def seeds_for(gain: float, deviation: float, *, power: float = POWER, level: float = LEVEL) -> int | None:
    """The least number of pairs with which a paired t test shows a gain this often; None for over 1,000.

    Args:
        gain: The mean difference that there is.
        deviation: Standard deviation of the paired differences, in the same unit.
        power: How often it should show.
        level: Two-sided level of the test.
    """
    for n in range(2, _MOST + 1):
        critical = float(student_t.ppf(1 - level / 2, n - 1))
        if nct.sf(critical, n - 1, math.sqrt(n) * gain / deviation) >= power:
            return n
    return None


def deviation(difference: Difference) -> float:
    """Standard deviation of the paired differences over seeds, from their interval; NaN without one."""
    n = difference.interval.n
    return difference.interval.half / reach(n) if difference.interval.bounded else math.nan


def in_words(found: Iterable[Difference], gains: Iterable[float] = ()) -> str:
    """What gain the seeds of some differences can show, and how many seeds stated gains would take.

    Args:
        found: Differences between accuracies.
        gains: Gains in points.
    """
    known = [(POINTS.scale * deviation(d), d.interval.n) for d in found]
    known = [(spread, n) for spread, n in known if math.isfinite(spread) and spread > 0]
    if not known:
        return ""
    spreads = sorted(spread for spread, _ in known)
    middle, seeds = spreads[len(spreads) // 2], max(n for _, n in known)
    text = (
        f"The paired differences of {len(known)} comparisons have standard deviations of {spreads[0]:.2f} to "
        f"{spreads[-1]:.2f} points over the seeds. At {middle:.2f}, {seeds} seeds show a mean difference if "
        f"it exceeds {reach(seeds) * middle:.2f} points."
    )
    needed = [(gain, seeds_for(gain, middle)) for gain in gains]
    said = ", ".join(f"{gain:g} points {n if n is not None else 'over 1,000'}" for gain, n in needed)
    return f"{text} To show in four of five studies, a gain takes this many seeds: {said}." if said else text
