"""How a finding follows from measured numbers: bounds that are said and decided by the same object."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lossbook.evidence.rules import Finding

#: What was measured, by name: numbers, or labels such as a data set; several of what was measured repeatedly.
Numbers = Mapping[str, Sequence[float | str]]

_SIGNS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "<": (operator.lt, "less than "),
    "<=": (operator.le, "at most "),
    ">": (operator.gt, "more than "),
    ">=": (operator.ge, "at least "),
    "=": (operator.eq, ""),
}


@dataclass(frozen=True)
class Is:
    """What every number of a name must be; one that is NaN is not.

    Attributes:
        of: The name.
        sign: On which side of the bound.
        bound: The bound.
        words: The condition in words, with ``{}`` where the bound stands; zero and one can go without saying.
        shown: How a number is written.
    """

    of: str
    sign: Literal["<", "<=", ">", ">=", "="]
    bound: float | str
    words: str
    shown: str = "g"

    def text(self) -> str:
        """The condition in words, with its bound."""
        bound = self.bound if isinstance(self.bound, str) else f"{self.bound:{self.shown}}"
        return self.words.format(_SIGNS[self.sign][1] + bound)

    def marks(self, numbers: Numbers) -> list[bool]:
        """Whether each number is on that side."""
        return [bool(_SIGNS[self.sign][0](number, self.bound)) for number in numbers[self.of]]

    def met(self, numbers: Numbers) -> bool:
        """Whether every number is; not without any."""
        marks = self.marks(numbers)
        return bool(marks) and all(marks)


@dataclass(frozen=True)
class All:
    """Several conditions at once.

    Attributes:
        parts: The conditions.
    """

    parts: tuple[Is | All, ...]

    def text(self) -> str:
        """Their words."""
        return _listed(self.parts, "and")

    def marks(self, numbers: Numbers) -> list[bool]:
        """Those of each."""
        return [mark for part in self.parts for mark in part.marks(numbers)]

    def met(self, numbers: Numbers) -> bool:
        """Whether all are met."""
        return all(part.met(numbers) for part in self.parts)


@dataclass(frozen=True)
class Some(All):
    """One number is enough, whichever condition it belongs to.

    Attributes:
        words: In words, where a case before this one has named the conditions.
    """

    words: str = ""

    def text(self) -> str:
        """Their words."""
        return self.words or _listed(self.parts, "or")

    def met(self, numbers: Numbers) -> bool:
        """Whether one number is what a condition says."""
        return any(self.marks(numbers))


@dataclass(frozen=True)
class Each(All):
    """Conditions on the same comparisons, with one number each in every condition."""

    def marks(self, numbers: Numbers) -> list[bool]:
        """Whether each comparison meets them all."""
        return [all(marks) for marks in zip(*(part.marks(numbers) for part in self.parts), strict=True)]


#: Something that measured numbers meet or not, and that says so in words.
Condition = Is | All


@dataclass(frozen=True)
class Cases:
    """A rule on measured numbers: the first of several findings whose condition is met.

    Attributes:
        cases: Each finding and its condition.
        otherwise: The finding where none is met.
        counted: The condition by which numbers are counted, as in "holds in part, 3 of 8".
    """

    cases: tuple[tuple[Finding, Condition], ...]
    otherwise: Finding
    counted: Condition | None = None

    def text(self) -> str:
        """The rule in words."""
        several = len(self.cases) > 1
        said = "; ".join(f"{_said(finding)} if {condition.text()}" for finding, condition in self.cases)
        order = " The first that applies counts." if len(self.cases) > 2 else ""
        return f"It {said}{';' if several else ','} and {_said(self.otherwise)} otherwise.{order}"

    def judge(self, numbers: Numbers, whole: bool = True) -> Finding:
        """The finding.

        Args:
            numbers: What was measured.
            whole: Whether that is all of what the claim is about; a part of it cannot show that it holds.
        """
        for finding, condition in self.cases:
            if condition.met(numbers) and (whole or finding != "holds"):
                return finding
        return self.otherwise

    def count(self, numbers: Numbers) -> tuple[int, int] | None:
        """How many numbers show what is claimed, and how many there are."""
        marks = self.counted.marks(numbers) if self.counted and numbers else []
        return (sum(marks), len(marks)) if marks else None


def share(condition: Condition, *more: tuple[Finding, Condition], none: Finding = "does not hold") -> Cases:
    """The rule by which a claim holds if a condition is met, and in part if some of its numbers meet it.

    Args:
        condition: The condition.
        *more: What else can be found where no number meets it.
        none: The finding otherwise.
    """
    some = Some((condition,), "only some of this is so")
    return Cases((("holds", condition), ("holds in part", some), *more), none, condition)


def _said(finding: Finding) -> str:
    return f"is {finding}" if finding.startswith("not") else finding


def _listed(parts: Sequence[Condition], word: str) -> str:
    *first, last = (part.text() for part in parts)
    return f"{', '.join(first)} {word} {last}" if first else last
