"""Every claim of every paper in one list, with its finding."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from lossbook.evidence.claims import AnyClaim, Verdict
from lossbook.evidence.select import Evidence, recorded
from lossbook.evidence.tables import Cell
from lossbook.papers.battash2021 import verdict as battash2021
from lossbook.papers.dong2019 import verdict as dong2019
from lossbook.papers.li2020 import verdict as li2020
from lossbook.papers.yao2018 import verdict as yao2018
from lossbook.results import Record, Store

#: The papers in the order of the book.
PAPERS = ("yao2018", "li2020", "battash2021", "dong2019")
#: Findings that leave a claim open: the runs fit either answer, or there are none.
OPEN = ("not settled", "not tested")


@dataclass(frozen=True)
class Entry:
    """A claim with its place in the book.

    Attributes:
        paper: Key of the paper.
        number: Its number on the paper's page of claims.
        page: That page, ``<paper>/<item>``.
        verdict: The claim and its finding.
    """

    paper: str
    number: int
    page: str
    verdict: Verdict


#: From the name of an experiment to its records.
Reader = Callable[[str], Evidence]


def reader(store: Store | None = None) -> Reader:
    """A reader of records that reads those of each experiment once.

    Args:
        store: Where records are; the project's own store by default.
    """
    store = store or Store()
    return functools.cache(lambda experiment: recorded(experiment, store=store))


def _judged(claims: Sequence[AnyClaim], read: Reader) -> Sequence[Verdict]:
    evidence = {name: read(name) for claim in claims for name in claim.experiments}
    return [claim.judge(evidence) for claim in claims]


#: How the claims of each paper are judged, and on which page they are shown.
_JUDGED: dict[str, tuple[str, Callable[[Reader], Sequence[Verdict]]]] = {
    "yao2018": ("yao2018/verdict", functools.partial(_judged, yao2018.CLAIMS)),
    "li2020": ("li2020/verdict", functools.partial(_judged, li2020.CLAIMS)),
    "battash2021": ("battash2021/verdict", functools.partial(_judged, battash2021.CLAIMS)),
    "dong2019": ("dong2019/verdict", functools.partial(_judged, dong2019.CLAIMS)),
}


def ledger(read: Reader) -> list[Entry]:
    """Every claim of every paper, in the order of the book.

    Args:
        read: Reads the records of an experiment.
    """
    return [
        Entry(paper, number, page, verdict)
        for paper, (page, judge) in _JUDGED.items()
        for number, verdict in enumerate(judge(read), start=1)
    ]


def tally(entries: Sequence[Entry]) -> pd.DataFrame:
    """How many claims of each paper hold, hold in part, do not hold, do not carry over and are open."""
    rows = []
    for paper in PAPERS:
        mine = [entry for entry in entries if entry.paper == paper]
        found = Counter(str(entry.verdict.finding) for entry in mine)
        rows.append(
            {
                "Paper": Cell(paper, href=f"../{mine[0].page}.html") if mine else paper,
                "Claims": len(mine) or "none judged yet",
                **{
                    finding.capitalize(): found[finding] if mine else ""
                    for finding in ("holds", "holds in part", "does not hold", "does not carry over")
                },
                "Open": sum(found[finding] for finding in OPEN) if mine else "",
            }
        )
    return pd.DataFrame(rows)


def table(entries: Sequence[Entry]) -> pd.DataFrame:
    """One row per claim: its paper, the claim, the finding, and on what it rests."""
    return pd.DataFrame(
        {
            "Paper": entry.paper,
            "Claim": Cell(f"{entry.number}. {entry.verdict.title}", href=f"../{entry.page}.html"),
            "Finding": entry.verdict,
            "Tested on": entry.verdict.basis,
        }
        for entry in entries
    )


def records(entries: Sequence[Entry]) -> list[Record]:
    """Every record behind the claims, once."""
    return list({r.key: r for entry in entries for r in entry.verdict.records}.values())
