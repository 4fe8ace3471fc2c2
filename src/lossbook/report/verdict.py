"""Claims of a paper, what the records say of them, and by which rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from lossbook import datasets
from lossbook.report.page import Page
from lossbook.results import Record, canonical

Finding = Literal["holds", "holds in part", "does not hold", "not settled", "not tested"]


@dataclass(frozen=True)
class Claim:
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
    """

    title: str
    where: str
    rule: str
    finding: Finding
    basis: str
    evidence: tuple[str, ...]
    records: tuple[Record, ...] = ()
    readings: Mapping[str, Finding] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """The finding; where its readings differ, the finding of each."""
        if len(set(self.readings.values())) < 2:
            return self.finding
        return f"{self.finding} ({'; '.join(f'{name}: {found}' for name, found in self.readings.items())})"


def basis(records: Sequence[Record], *, paper_profile: str = "paper") -> str:
    """Return on what runs a finding rests, and how far that is from the paper's protocol."""
    if not records:
        return "no runs"
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


def summary(claims: Iterable[Claim]) -> pd.DataFrame:
    """Return one row per claim: what it says, where, the finding, on which evidence."""
    return pd.DataFrame(
        {
            "Claim": f"{number}. {claim.title}",
            "Where": claim.where,
            "Finding": claim.verdict,
            "Tested on": claim.basis,
            "Records": _trust(claim.records),
        }
        for number, claim in enumerate(claims, start=1)
    )


def trust_text(records: Sequence[Record]) -> str:
    """Return what a reader must know of a finding that rests on unattested records; empty for others."""
    doubtful = [record for record in records if record.trust.state == "unattested"]
    if not doubtful:
        return ""
    return (
        f"{len(doubtful)} of the {len(records)} runs behind this are unattested: today's code may give other "
        f"numbers ({doubtful[0].trust.why})."
    )


def _trust(records: Sequence[Record]) -> str:
    """The least trusted state of some records; empty without any."""
    return str(min((r.trust for r in records), key=lambda trust: trust.level)) if records else ""


def show(page: Page, claim: Claim) -> None:
    """Show a claim's finding, its evidence and the rule."""
    page.text(f"**Finding: {claim.finding}.** Tested on: {claim.basis}.")
    if doubt := trust_text(claim.records):
        page.text(doubt)
    for evidence in claim.evidence:
        page.text(evidence)
    page.text(f"*Rule:* {claim.rule}")
