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


def _spreads(found: Iterable[Difference]) -> list[tuple[float, int]]:
    """Standard deviations of paired differences in points, with their numbers of seeds, in rising order."""
    known = ((POINTS.scale * deviation(d), d.interval.n) for d in found)
    return sorted((spread, n) for spread, n in known if math.isfinite(spread) and spread > 0)


def before(found: Iterable[Difference], seeds: int, gains: Iterable[float], *, where: str, what: str) -> str:
    """What runs can show that have yet to be made, by the spread of others; nothing without any.

    Args:
        found: Differences between accuracies whose spread over seeds is taken to be that of the runs to come.
        seeds: How many seeds the runs will have.
        gains: The gains that they are meant to show, in points.
        where: What has the spread, for example ``"Table 1"``.
        what: What the gains are, for example ``"gains that the paper prints"``.
    """
    known = _spreads(found)
    if not known:
        return ""
    middle = known[len(known) // 2][0]
    sizes = sorted(gains)
    low, high = sizes[0], sizes[-1]
    most, fewest = (
        "over 1,000" if n is None else str(n) for n in (seeds_for(each, middle) for each in (low, high))
    )
    return (
        f"How many runs this takes: the paired differences in {where} have a standard deviation of about "
        f"{middle:.2f} points over the seeds. If it is the same here, {seeds} seeds show a difference that "
        f"exceeds {reach(seeds) * middle:.2f} points. The {what} are {low:.2f} to {high:.2f} points. To be "
        f"shown in four of five studies, the smallest takes {most} seeds and the largest {fewest}."
    )


def in_words(found: Iterable[Difference], gains: Iterable[float] = ()) -> str:
    """What gain the seeds of some differences can show, and how many seeds stated gains would take.

    Args:
        found: Differences between accuracies.
        gains: Gains in points.
    """
    known = _spreads(found)
    if not known:
        return ""
    spreads = [spread for spread, _ in known]
    middle, seeds = spreads[len(spreads) // 2], max(n for _, n in known)
    text = (
        f"The paired differences of {len(known)} comparisons have standard deviations of {spreads[0]:.2f} to "
        f"{spreads[-1]:.2f} points over the seeds. At {middle:.2f}, {seeds} seeds show a mean difference if "
        f"it exceeds {reach(seeds) * middle:.2f} points."
    )
    needed = [(gain, seeds_for(gain, middle)) for gain in gains]
    said = ", ".join(f"{'over 1,000' if n is None else n} for {gain:g} points" for gain, n in needed)
    return f"{text} Seeds that it takes to show a gain in four of five studies: {said}." if said else text
