"""Claims of a paper, what the records say about them, and by which rule."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from lossbook import datasets
from lossbook.errors import UnknownNameError
from lossbook.evidence.conditions import Cases, Numbers
from lossbook.evidence.contrasts import Contrasts, Difference, Joined
from lossbook.evidence.preferred import Preferred
from lossbook.evidence.rules import AGAINST, Finding, Rule
from lossbook.evidence.select import RECORDED, Evidence, recorded
from lossbook.evidence.tables import Cell
from lossbook.experiments.grid import PAPER
from lossbook.results import Record, canonical

NO_RUNS = "No recorded run tests this."
#: The basis of a finding that rests on nothing.
NOTHING = "no runs"
#: Nobody reads more numbers than these in a row: of more, the ends say more.
_MANY = 12


#: How the findings of the readings of a claim make one; see :func:`of_readings`.
JOINED = (
    "Each reading is judged by itself. Where their findings differ, the claim is not settled if one of them "
    "is not settled or not tested, does not carry over if all are against it, and holds in part otherwise."
)


@dataclass(frozen=True)
class Verdict:
    """A claim of a paper and its finding.

    Attributes:
        title: The claim in our words, one sentence.
        where: Where the paper makes it.
        rule: How the finding follows from the evidence.
        finding: The finding.
        basis: What it was tested on: the paper's protocol, or something smaller and then what.
        evidence: What was found, sentence by sentence.
        records: The runs behind it; none for a claim settled by mathematics.
        readings: The finding of each reading, where the claim can be read in more than one way.
        count: How many of the comparisons that can decide it show what is claimed, and how many of them were
            made; None where it does not rest on comparisons.
        open: How many comparisons of the claim have no runs that can decide it.
        differences: What was measured, those that can decide it first.
    """

    title: str
    where: str
    rule: str
    finding: Finding
    basis: str
    evidence: tuple[str, ...]
    records: tuple[Record, ...] = ()
    readings: Mapping[str, Finding] = field(default_factory=dict)
    count: tuple[int, int] | None = None
    open: int = 0
    differences: tuple[Difference, ...] = ()

    @property
    def number(self) -> str:
        """The number that shows the finding: every difference that can decide it, or what was found first.

        Of many differences it is the least and the greatest.
        """
        decided = self.differences[: self.count[1]] if self.count else ()
        if not self.count or not decided:
            return " ".join(self.evidence[:1])
        if len(decided) > _MANY:
            return _counted(self.count[0], decided)
        # "A minus B, here" and "A minus B, there" say once what is compared.
        groups: dict[str, list[Difference]] = defaultdict(list)
        for each in decided:
            groups[each.what.partition(", ")[0]].append(each)
        return " ".join(_in_a_sentence(compared, each) for compared, each in groups.items())

    def __str__(self) -> str:
        """As in a table."""
        return self.short

    @property
    def short(self) -> str:
        """The finding as a label, with its count where it holds in part: ``"holds in part, 3 of 8"``.

        Where more comparisons belong to the claim than were made, it ends in ``tested``.
        """
        if self.count is None or self.finding != "holds in part":
            return self.finding
        return f"{self.finding}, {self.count[0]} of {self.count[1]}{' tested' if self.open else ''}"

    @property
    def verdict(self) -> str:
        """The finding; where its readings differ, the finding of each."""
        if len(set(self.readings.values())) < 2:
            return self.finding
        return f"{self.finding} ({'; '.join(f'{name}: {found}' for name, found in self.readings.items())})"


@dataclass(frozen=True)
class Claim:
    """A claim of a paper as it is declared: what is compared, and the rule its finding follows from.

    Attributes:
        key: Its name on the paper's pages, for example ``"inr-sml"``.
        title: The claim in our words, one sentence.
        where: Where the paper makes it.
        measured: What is compared, as a sentence in front of the rule.
        readings: What it rests on, by reading; a claim that can be read in one way has a single one.
        rule: How the finding follows.
        decisive: The profiles whose runs can decide it; runs of others are shown and leave it open.
        caveat: Sentences that belong to the rule, for example how readings are joined.
        more: Further sentences on what was found; given the differences of all readings.
        basis: Tells on what runs a finding rests.
    """

    key: str
    title: str
    where: str
    measured: str
    readings: Mapping[str, Contrasts | Joined | Preferred]
    rule: Rule
    decisive: tuple[str, ...] = (PAPER,)
    caveat: str = ""
    more: Callable[[Sequence[Difference]], Sequence[str]] = field(default=lambda _: ())
    basis: Callable[[Sequence[Record]], str] = field(default=lambda records: basis(records))

    @property
    def experiments(self) -> tuple[str, ...]:
        """The experiments whose records it rests on."""
        return tuple(dict.fromkeys(name for each in self.readings.values() for name in each.experiments))

    def judge(self, evidence: Mapping[str, Evidence]) -> Verdict:
        """Measure every comparison and apply the rule.

        Args:
            evidence: The records by experiment, of all that the claim names.
        """
        measured = {name: each.measure(evidence, self.decisive) for name, each in self.readings.items()}
        found = {name: each for name, each in measured.items() if each or not self.readings[name].optional}
        findings = {name: self._finding(name, found[name]) for name in found}
        every = [difference for each in found.values() for difference in each]
        decided = [difference for difference in every if difference.profile in self.decisive]
        total = sum(len(self.readings[name].each) for name in found)
        records = unique(difference.records for difference in every)
        text = self.rule.text(max((len(each.each) for each in self.readings.values()), default=0))
        return Verdict(
            title=self.title,
            where=self.where,
            rule=" ".join(
                part for part in (self.measured, text, self.caveat, JOINED * (len(findings) > 1)) if part
            ),
            finding=of_readings(findings),
            basis=self.basis(records),
            evidence=(*(d.sentence() for d in every), *self.more(every)) if every else (NO_RUNS,),
            records=records,
            readings=findings if len(findings) > 1 else {},
            count=(sum(map(self.rule.shows, decided)), len(decided)),
            open=total - len(decided),
            differences=tuple(sorted(every, key=lambda d: d.profile not in self.decisive)),
        )

    def _finding(self, reading: str, found: Sequence[Difference]) -> Finding:
        if not found:
            return "not tested"
        decided = [difference for difference in found if difference.profile in self.decisive]
        return self.rule.judge(decided, len(self.readings[reading].each))


@dataclass(frozen=True)
class Measurement:
    """What was measured for a claim.

    Attributes:
        numbers: What its rule asks for, by name; nothing where there is nothing to measure.
        sentences: What was found.
        records: The runs behind it.
        whole: Whether it is all of what the claim is about.
        basis: What it was measured on, where :func:`basis` does not say it.
    """

    numbers: Numbers
    sentences: Sequence[str]
    records: tuple[Record, ...] = ()
    whole: bool = True
    basis: str = ""


@dataclass(frozen=True)
class Measured:
    """A claim on other numbers than differences between runs, such as ranks, p-values or whole curves.

    Attributes:
        key: Its name on the paper's pages.
        title: The claim in our words, one sentence.
        where: Where the paper makes it.
        measured: What is measured, as a sentence in front of the rule.
        readings: Measure it, by reading, from the records of each experiment in order; as for :class:`Claim`.
        rule: How the finding follows.
        experiments: The experiments whose records it rests on; none for simulations.
        decisive: The profiles whose runs can decide it; every one by default.
        caveat: Sentences that belong to the rule.
    """

    key: str
    title: str
    where: str
    measured: str
    readings: Mapping[str, Callable[..., Measurement]]
    rule: Cases
    experiments: tuple[str, ...] = ()
    decisive: tuple[str, ...] = ()
    caveat: str = ""

    def judge(self, evidence: Mapping[str, Evidence]) -> Verdict:
        """Measure and apply the rule.

        Args:
            evidence: The records by experiment, of all that the claim names.
        """
        return self.conclude(*(evidence[name] for name in self.experiments))

    def conclude(self, *given: Any) -> Verdict:
        """As :meth:`judge`.

        Args:
            *given: What the readings measure, where a page has it at hand.
        """
        found = {name: measure(*given) for name, measure in self.readings.items()}
        findings = {name: self._finding(each) for name, each in found.items()}
        several = len(found) > 1
        bases = {each.basis or basis(each.records): name for name, each in found.items()}
        made = {on: name for on, name in bases.items() if on != NOTHING} or bases
        counts = [count for each in found.values() if (count := self.rule.count(each.numbers))]
        decide = f"Only runs of profile {' or '.join(self.decisive)} decide it." if self.decisive else ""
        parts = (self.measured, self.rule.text(), decide, self.caveat, JOINED * several)
        return Verdict(
            title=self.title,
            where=self.where,
            rule=" ".join(part for part in parts if part),
            finding=of_readings(findings),
            basis="; ".join(made if len(made) < 2 else (f"{name}: {on}" for on, name in made.items())),
            evidence=tuple(
                f"**{name}: {findings[name]}.** {' '.join(m.sentences)}" for name, m in found.items()
            )
            if several
            else tuple(sentence for each in found.values() for sentence in each.sentences),
            records=unique(each.records for each in found.values()),
            readings=findings if several else {},
            count=(sum(shows for shows, _ in counts), sum(made for _, made in counts)) if counts else None,
        )

    def _finding(self, found: Measurement) -> Finding:
        if not found.numbers:
            return "not tested"
        if self.decisive and not all(record.profile in self.decisive for record in found.records):
            return "not settled"
        return self.rule.judge(found.numbers, found.whole)


@dataclass(frozen=True)
class Untested:
    """A claim that nothing in this book tests.

    Attributes:
        key: Its name on the paper's pages.
        title: The claim in our words, one sentence.
        where: Where the paper makes it.
        why: Why it is not tested, or what would test it.
        said: What can be said all the same.
    """

    key: str
    title: str
    where: str
    why: str
    said: str = NO_RUNS
    experiments: ClassVar[tuple[str, ...]] = ()

    def judge(self, evidence: Mapping[str, Evidence]) -> Verdict:  # noqa: ARG002  there is none
        """Say that it is not tested."""
        return Verdict(self.title, self.where, self.why, "not tested", NOTHING, (self.said,))


@dataclass(frozen=True)
class Computed:
    """A claim that mathematics settles; what is computed is the check of a derivation.

    Attributes:
        key: Its name on the paper's pages.
        compute: Gives its finding.
    """

    key: str
    compute: Callable[[], Verdict]
    experiments: ClassVar[tuple[str, ...]] = ()

    def judge(self, evidence: Mapping[str, Evidence]) -> Verdict:  # noqa: ARG002  no run is needed
        """Compute the finding."""
        return self.compute()


#: Every kind of claim.
AnyClaim = Claim | Measured | Untested | Computed


def _in_a_sentence(compared: str, found: Sequence[Difference]) -> str:
    unit = found[0].contrast.unit.name
    if len(found) == 1:
        return f"{found[0].what}: {found[0].short()} {unit}".rstrip() + "."
    places = "; ".join(f"{each.what.partition(', ')[2]} {each.short()}".lstrip() for each in found)
    return f"{compared}{f', in {unit}' if unit else ''}: {places}."


def _counted(shows: int, decided: Sequence[Difference]) -> str:
    units = {each.contrast.unit.name for each in decided}
    if len(units) > 1:
        return f"{shows} of {len(decided)} comparisons show it."
    low, high = (end(decided, key=lambda each: each.interval.mean).short() for end in (min, max))
    return f"The {len(decided)} differences lie between {low} and {high} {units.pop()}".rstrip() + "."


def judge(claims: Iterable[AnyClaim], key: str, *given: Evidence, profile: str = RECORDED) -> Verdict:
    """Judge one of a paper's claims without working out the others.

    Args:
        claims: The claims.
        key: The name of the one.
        *given: Records that the page has already chosen; those of other experiments are read.
        profile: The profile that the page is made at.

    Raises:
        UnknownNameError: If there is no claim of this name.
    """
    by_key = {claim.key: claim for claim in claims}
    if key not in by_key:
        raise UnknownNameError("claim", key, by_key)
    known = {evidence.experiment: evidence for evidence in given}
    needed = by_key[key].experiments
    return by_key[key].judge({name: known.get(name) or recorded(name, profile) for name in needed})


def tally(verdicts: Iterable[Verdict]) -> str:
    """Return how many claims there are of each finding, in a sentence."""
    found = Counter(verdict.finding for verdict in verdicts)
    words: dict[Finding, tuple[str, str]] = {
        "holds": ("holds", "hold"),
        "holds in part": ("holds in part", "hold in part"),
        "does not hold": ("does not hold", "do not hold"),
        "does not carry over": ("does not carry over to our runs", "do not carry over to our runs"),
        "not settled": ("is not settled", "are not settled"),
        "not tested": ("is not tested", "are not tested"),
    }
    parts = [
        f"{found[finding]} {one if found[finding] == 1 else several}"
        for finding, (one, several) in words.items()
        if found[finding]
    ]
    return f"Of {sum(found.values())} claims, {', '.join(parts)}."


def of_readings(found: Mapping[str, Finding]) -> Finding:
    """The finding of a claim that can be read in several ways; where they differ, in part at most.

    Where every reading is against it, though by different protocols, it does not carry over.

    Args:
        found: The finding of each reading.
    """
    different = set(found.values())
    if len(different) == 1:
        return different.pop()
    if different <= set(AGAINST):
        return "does not carry over"
    return "not settled" if different & {"not settled", "not tested"} else "holds in part"


def unique(groups: Iterable[Iterable[Record]]) -> tuple[Record, ...]:
    """Every record of some groups, once."""
    return tuple({record.key: record for group in groups for record in group}.values())


def basis(records: Sequence[Record], *, paper_profile: str = PAPER) -> str:
    """Return on what runs a finding rests, and how far that is from the paper's protocol."""
    if not records:
        return NOTHING
    if {r.profile for r in records} == {paper_profile}:
        return f"the paper's protocol ({seeds_text(records)})"
    if any(r.provenance["train_size"] < datasets.info(r.config["dataset"]).train_size for r in records):
        return f"a small subset, not the paper's protocol ({protocol(records)})"
    return f"shorter training than the paper's ({protocol(records)})"


def protocol(records: Iterable[Record]) -> str:
    """Return what runs were trained on, in words: images, epochs, seeds."""
    found = list(records)
    train = " or ".join(f"{n:,}" for n in sorted({r.provenance["train_size"] for r in found}))
    test = " or ".join(f"{n:,}" for n in sorted({r.provenance["test_size"] for r in found}))
    epochs = " or ".join(str(n) for n in sorted({r.labels["epochs"] for r in found}))
    return f"{train} training images, {test} test images, {epochs} epochs, {seeds_text(found)}"


def seeds_text(records: Iterable[Record]) -> str:
    """Return ``"1 seed"``, ``"3 seeds"``, or ``"3 to 5 seeds"`` where cells differ in their number."""
    by_cell: dict[str, set[int]] = defaultdict(set)
    for record in records:
        by_cell[canonical(record.labels)].add(record.seed)
    counts = [len(seeds) for seeds in by_cell.values()]
    least, most = min(counts, default=0), max(counts, default=0)
    if least < most:
        return f"{least} to {most} seeds"
    return "1 seed" if most == 1 else f"{most} seeds"


def summary(verdicts: Mapping[str, Verdict], anchor: str = "") -> pd.DataFrame:
    """Return one row per claim: what it says, the finding, where, on which evidence.

    Args:
        verdicts: The claims by key, in order; their numbers follow from it.
        anchor: In front of a key, where the page has that claim; without it nothing is linked.
    """
    return pd.DataFrame(
        {
            "Claim": Cell(f"{number}. {verdict.title}", href=f"#{anchor}{key}" if anchor else ""),
            "Finding": verdict,
            "Where": verdict.where,
            "Tested on": verdict.basis,
            "Records": _trust(verdict.records),
        }
        for number, (key, verdict) in enumerate(verdicts.items(), start=1)
    )


def trust_text(records: Sequence[Record]) -> str:
    """Return what a reader must know of a finding that rests on unattested records; empty for others."""
    doubtful = [record for record in records if record.trust.state == "unattested"]
    if not doubtful:
        return ""
    many = f"{len(doubtful)} of the {len(records)} runs behind this are"
    if len(doubtful) == len(records):
        many = f"All {len(records)} runs behind this are" if len(records) > 1 else "The run behind this is"
    return f"{many} unattested: today's code may give other numbers ({doubtful[0].trust.why})."


def _trust(records: Sequence[Record]) -> str:
    """The least trusted state of some records; empty without any."""
    return str(min((r.trust for r in records), key=lambda trust: trust.level)) if records else ""
