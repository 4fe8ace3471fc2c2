"""How a finding follows from differences. A rule says in words what it does, and does what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from lossbook import datasets
from lossbook.evidence.contrasts import Difference
from lossbook.experiments.grid import PAPER

Finding = Literal[
    "holds", "holds in part", "does not hold", "does not carry over", "not settled", "not tested"
]

#: The findings against a claim: by the paper's own protocol or by a proof, and by runs of another protocol.
AGAINST: tuple[Finding, ...] = ("does not hold", "does not carry over")

#: Names of small numbers, as sentences have them.
_NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def in_words(n: int) -> str:
    """A count as a word, from ten on in digits: ``"six"``, ``"12"``."""
    return _NUMBERS[n] if n < len(_NUMBERS) else str(n)


def every(total: int) -> str:
    """All comparisons of a claim in words: ``"both"``, ``"all six"``."""
    return "both" if total == 2 else f"all {in_words(total)}"


class Rule(Protocol):
    """Turns measured differences into a finding."""

    def text(self, total: int) -> str:
        """The rule in words, for a claim that rests on this many comparisons."""
        ...

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding.

        Args:
            found: The differences that were measured at decisive profiles.
            total: How many comparisons the claim rests on.
        """
        ...

    def shows(self, difference: Difference) -> bool:
        """Whether one difference by itself shows what is claimed; the page counts these."""
        ...


@dataclass(frozen=True)
class Gain:
    """The left side is better; excluded where no interval leaves room for a gain the test set resolves."""

    def text(self, total: int) -> str:
        """The rule in words."""
        where = "" if total == 1 else f" in {every(total)} comparisons, holds in part if it does in some"
        none = "it leaves no" if total == 1 else "no interval tested leaves"
        return (
            f"It holds if the 95% interval lies above zero{where}, does not hold if {none} room for a gain "
            "that the test set resolves (1.96 standard errors of the difference of two accuracies on "
            "independent images; on the same images smaller differences can show), and is not settled "
            "otherwise."
        )

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding."""
        if found and any(d.above for d in found):
            return "holds" if len(found) == total and all(d.above for d in found) else "holds in part"
        return "does not hold" if found and all(d.no_gain for d in found) else "not settled"

    def shows(self, difference: Difference) -> bool:
        """Whether the interval lies above zero."""
        return difference.above


@dataclass(frozen=True)
class Above:
    """The left side is larger; refuted only where every interval lies below zero."""

    def text(self, total: int) -> str:
        """The rule in words."""
        if total == 1:
            return (
                "It holds if the 95% interval lies above zero, does not hold if it lies below, and is not "
                "settled otherwise."
            )
        return (
            "It holds if all 95% intervals lie above zero, holds in part if some do, does not hold if all "
            "lie below, and is not settled otherwise."
        )

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding."""
        if found and any(d.above for d in found):
            return "holds" if len(found) == total and all(d.above for d in found) else "holds in part"
        return "does not hold" if found and all(d.below for d in found) else "not settled"

    def shows(self, difference: Difference) -> bool:
        """Whether the interval lies above zero."""
        return difference.above


@dataclass(frozen=True)
class Same:
    """Both sides are equal as far as the test images can tell."""

    def text(self, total: int) -> str:
        """The rule in words."""
        intervals = "the 95% interval lies" if total == 1 else f"{every(total)} 95% intervals lie"
        one = "it" if total == 1 else "one"
        return (
            "Against the least difference r that the test set resolves (1.96 standard errors of the "
            f"difference of two accuracies on independent images): it holds if {intervals} within -r to r, "
            f"does not hold if {one} excludes zero and reaches beyond, and is not settled otherwise."
        )

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding."""
        if any(not d.same and (d.above or d.below) for d in found):
            return "does not hold"
        return "holds" if found and len(found) == total and all(d.same for d in found) else "not settled"

    def shows(self, difference: Difference) -> bool:
        """Whether the interval lies within what the test images resolve."""
        return difference.same


@dataclass(frozen=True)
class NoLoss:
    """The left side is not worse by more than the test images could tell: it is competitive."""

    def text(self, total: int) -> str:
        """The rule in words."""
        exclude = "the 95% interval excludes" if total == 1 else f"{every(total)} 95% intervals exclude"
        return (
            f"It holds if {exclude} a loss that the test set resolves (1.96 standard errors of the "
            "difference of two accuracies on independent images), holds in part if some do, does not hold if "
            "all lie below such a loss, and is not settled otherwise."
        )

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding."""
        if found and any(d.no_loss for d in found):
            return "holds" if len(found) == total and all(d.no_loss for d in found) else "holds in part"
        return (
            "does not hold"
            if found and all(d.interval.high < -d.resolution for d in found)
            else "not settled"
        )

    def shows(self, difference: Difference) -> bool:
        """Whether the interval excludes a loss that the test images resolve."""
        return difference.no_loss


@dataclass(frozen=True)
class Tendency:
    """The left side is better somewhere and worse nowhere: all that a few cells can show of a general claim.

    Attributes:
        refuting: The profiles that train for long enough to show that there is no gain.
        why: Why it can hold in part only, for example ``"one network cannot show a general rule"``.
        refuted: In words what is needed to show that there is none.
    """

    refuting: tuple[str, ...]
    why: str
    refuted: str

    def text(self, total: int) -> str:  # noqa: ARG002  the same for any number
        """The rule in words."""
        return (
            "It holds in part if an interval lies above zero and none below, does not hold if all exclude a "
            f"gain that the test set resolves and {self.refuted} are among them, and is not settled "
            f"otherwise. At most it holds in part: {self.why}."
        )

    def judge(self, found: Sequence[Difference], total: int) -> Finding:  # noqa: ARG002
        """The finding."""
        above, below = any(d.above for d in found), any(d.below for d in found)
        if above and not below:
            return "holds in part"
        tried = any(d.profile in self.refuting for d in found)
        return "does not hold" if tried and not above and all(d.no_gain for d in found) else "not settled"

    def shows(self, difference: Difference) -> bool:
        """Whether the interval lies above zero."""
        return difference.above


@dataclass(frozen=True)
class AtMostInPart:
    """Another rule, for a general claim that the data cannot prove.

    Attributes:
        rule: The other rule.
        why: Why it cannot, for example ``"one network cannot show a general rule"``.
    """

    rule: Rule
    why: str

    def text(self, total: int) -> str:
        """The rule in words."""
        return f"{self.rule.text(total)} At most it holds in part: {self.why}."

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding."""
        finding = self.rule.judge(found, total)
        return "holds in part" if finding == "holds" else finding

    def shows(self, difference: Difference) -> bool:
        """As the other rule."""
        return self.rule.shows(difference)


@dataclass(frozen=True)
class CarriesOver:
    """Another rule, for a claim that is tested on other networks, data or schedules than the paper's.

    Such runs show a general claim in part at most, and so do those of the paper's protocol, of which only a
    part is declared. Where runs of another protocol exclude it, it does not carry over to them: the paper's
    own runs may still be right.

    Attributes:
        rule: The other rule.
        why: Why our runs cannot settle it, for example ``"one network cannot show a general rule"``.
    """

    rule: Rule
    why: str

    def text(self, total: int) -> str:
        """The rule in words."""
        return (
            f"{self.rule.text(total)} At most it holds in part: {self.why}. Where runs of another protocol "
            "than the paper's exclude it, it does not carry over to them, instead of not holding."
        )

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding."""
        finding = self.rule.judge(found, total)
        if finding == "does not hold" and any(d.profile != PAPER for d in found):
            return "does not carry over"
        return "holds in part" if finding == "holds" else finding

    def shows(self, difference: Difference) -> bool:
        """As the other rule."""
        return self.rule.shows(difference)


@dataclass(frozen=True)
class OnceWhole:
    """Another rule, by which a claim falls only once all of its comparisons have been made.

    Attributes:
        rule: The other rule.
    """

    rule: Rule

    def text(self, total: int) -> str:
        """The rule in words."""
        whole = "" if total == 1 else f" It can be found not to hold only once {every(total)} have been run."
        return f"{self.rule.text(total)}{whole}"

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding."""
        finding = self.rule.judge(found, total)
        return "not settled" if finding == "does not hold" and len(found) < total else finding

    def shows(self, difference: Difference) -> bool:
        """What it is for the other rule."""
        return self.rule.shows(difference)


@dataclass(frozen=True)
class NoGain:
    """The left side is not better, as far as the test images can tell; refuted where it is, everywhere."""

    def text(self, total: int) -> str:
        """The rule in words."""
        compared = "the comparison" if total == 1 else f"{every(total)} comparisons"
        return (
            "A gain is excluded if the 95% interval ends below what the test set resolves, and shown if it "
            f"lies above zero and is not excluded. It holds if a gain is excluded in {compared}, holds in "
            "part if in some, does not hold if one is shown in every comparison made, and is not settled if "
            "an interval allows both."
        )

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding."""
        if not found or not all(d.above or d.no_gain for d in found):
            return "not settled"
        if any(not d.no_gain for d in found):
            return "holds in part" if any(d.no_gain for d in found) else "does not hold"
        return "holds" if len(found) == total else "holds in part"

    def shows(self, difference: Difference) -> bool:
        """Whether the interval excludes a gain that the test images resolve."""
        return difference.no_gain


@dataclass(frozen=True)
class WholeData:
    """Another rule, for a claim that runs on a part of the training images leave open.

    Attributes:
        rule: The other rule.
    """

    rule: Rule

    def text(self, total: int) -> str:
        """The rule in words."""
        return f"{self.rule.text(total)} Runs on a part of the training images leave it open."

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding."""
        return "not settled" if any(map(_on_a_part, found)) else self.rule.judge(found, total)

    def shows(self, difference: Difference) -> bool:
        """As the other rule, on all of the training images."""
        return not _on_a_part(difference) and self.rule.shows(difference)


def _on_a_part(difference: Difference) -> bool:
    """Whether a run was trained on less than nine tenths of its set; a copy may lack some images."""
    return any(
        record.provenance["train_size"] < 0.9 * datasets.info(str(record.labels["dataset"])).train_size
        for record in difference.records
    )
