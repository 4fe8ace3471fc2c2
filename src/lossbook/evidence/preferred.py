"""Comparisons that can be made in several ways, for example after several numbers of epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lossbook.evidence.contrasts import Contrast, Difference
from lossbook.evidence.select import Evidence


@dataclass(frozen=True)
class Preferred:
    """Contrasts of one experiment, all of which a claim needs; each in several ways, the best way first.

    Attributes:
        experiment: ``<paper>/<item>``, whose records are compared.
        ways: The contrasts; of each its ways. The first with several seeds counts, or else the first that
            has runs.
    """

    experiment: str
    ways: tuple[tuple[Contrast, ...], ...]
    optional = False

    @property
    def each(self) -> tuple[Contrast, ...]:
        """The best way of each."""
        return tuple(ways[0] for ways in self.ways)

    @property
    def experiments(self) -> tuple[str, ...]:
        """Whose records are compared."""
        return (self.experiment,)

    def measure(self, evidence: Mapping[str, Evidence], decisive: Sequence[str] = ()) -> list[Difference]:
        """Those that have runs, each in its best way."""
        found = (first(ways, evidence[self.experiment], decisive) for ways in self.ways)
        return [difference for difference in found if difference is not None]


def first(ways: Sequence[Contrast], evidence: Evidence, decisive: Sequence[str] = ()) -> Difference | None:
    """The first of several contrasts that has an interval, or else the first that has runs at all.

    Args:
        ways: The contrasts, the best first.
        evidence: The records of the experiment.
        decisive: The profiles that can decide a claim.
    """
    found = [d for way in ways if (d := way.measure(evidence, decisive)) is not None]
    return min(found, key=lambda d: (d.profile not in decisive, not d.interval.bounded), default=None)
