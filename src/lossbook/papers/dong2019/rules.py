"""Rules for claims of dong2019: against a stated margin, and for differences that point both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lossbook.evidence.contrasts import Difference
from lossbook.evidence.rules import Finding, Rule


def _either_side(points: float) -> str:
    """A margin in words: ``"±1 point"``."""
    return f"±{points:g} point{'' if points == 1 else 's'}"


@dataclass(frozen=True)
class Within:
    """Both sides are alike: every interval lies within a margin.

    Attributes:
        points: The margin, in points.
    """

    points: float

    def text(self, total: int) -> str:
        """The rule in words."""
        intervals = "the 95% interval lies" if total == 1 else "all 95% intervals lie"
        one = "it lies" if total == 1 else "one lies"
        part = "" if total == 1 else "holds in part if some lie within and none beyond, "
        return (
            f"It holds if {intervals} within {_either_side(self.points)}, does not hold if {one} wholly "
            f"beyond, {part}and is not settled otherwise."
        )

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding."""
        if any(self.beyond(d) for d in found):
            return "does not hold"
        within = [self.shows(d) for d in found]
        if found and len(found) == total and all(within):
            return "holds"
        return "holds in part" if any(within) else "not settled"

    def shows(self, difference: Difference) -> bool:
        """Whether the interval lies within the margin."""
        margin = self.points / difference.contrast.unit.scale
        return difference.interval.low >= -margin and difference.interval.high <= margin

    def beyond(self, difference: Difference) -> bool:
        """Whether the interval lies wholly beyond the margin, on either side."""
        margin = self.points / difference.contrast.unit.scale
        return difference.interval.low > margin or difference.interval.high < -margin


@dataclass(frozen=True)
class Beyond:
    """A setting matters: some interval lies wholly beyond a margin.

    Attributes:
        points: The margin, in points.
    """

    points: float

    def text(self, total: int) -> str:  # noqa: ARG002  the same for any number
        """The rule in words."""
        return (
            f"It holds if a 95% interval lies wholly beyond {_either_side(self.points)}, does not hold if "
            "all lie within, and is not settled otherwise."
        )

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding."""
        if any(map(self.shows, found)):
            return "holds"
        within = Within(self.points)
        return "does not hold" if len(found) == total and all(map(within.shows, found)) else "not settled"

    def shows(self, difference: Difference) -> bool:
        """Whether the interval lies wholly beyond the margin."""
        return Within(self.points).beyond(difference)


@dataclass(frozen=True)
class OneWay:
    """Another rule, for a claim that differences in both directions leave open.

    Attributes:
        rule: The other rule.
    """

    rule: Rule

    def text(self, total: int) -> str:
        """The rule in words."""
        return f"{self.rule.text(total)} Where one interval lies above zero and one below, it is not settled."

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding."""
        both = any(d.above for d in found) and any(d.below for d in found)
        return "not settled" if both else self.rule.judge(found, total)

    def shows(self, difference: Difference) -> bool:
        """As the other rule."""
        return self.rule.shows(difference)
