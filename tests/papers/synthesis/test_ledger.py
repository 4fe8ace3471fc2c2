"""Every claim of every paper in one list, and how many of each paper hold."""

import pytest

from lossbook.evidence.claims import Computed, Measured, Verdict
from lossbook.evidence.conditions import Condition, Is
from lossbook.papers.battash2021 import verdict as battash2021
from lossbook.papers.dong2019 import verdict as dong2019
from lossbook.papers.li2020 import verdict as li2020
from lossbook.papers.synthesis import ledger
from lossbook.papers.synthesis.ledger import Entry
from lossbook.papers.yao2018 import verdict as yao2018
from lossbook.results import Store


def entry(paper: str, number: int, finding: str, count: tuple[int, int] | None = None) -> Entry:
    verdict = Verdict("It is so.", "Table 1", "", finding, "no runs", (), count=count)  # type: ignore[arg-type]
    return Entry(paper, number, f"{paper}/verdict", verdict)


def test_the_tally_counts_each_claim_once() -> None:
    entries = [
        entry("yao2018", 1, "holds"),
        entry("yao2018", 2, "not settled"),
        entry("yao2018", 3, "not tested"),
        entry("li2020", 1, "does not hold"),
        entry("li2020", 2, "holds in part", (3, 8)),
    ]
    rows = {str(row["Paper"]): row for row in ledger.tally(entries).to_dict("records")}
    assert list(rows) == ["yao2018", "li2020", "battash2021", "dong2019"]
    assert [rows["yao2018"][c] for c in ("Claims", "Holds", "Holds in part", "Does not hold", "Open")] == [
        *(3, 1, 0, 0, 2)
    ]
    assert [rows["li2020"][c] for c in ("Claims", "Holds in part", "Does not hold")] == [2, 1, 1]
    assert rows["dong2019"]["Claims"] == "none judged yet"
    table = ledger.table(entries)
    assert str(table["Finding"][4]) == "holds in part, 3 of 8"
    assert str(table["Claim"][4]) == "2. It is so."


def test_every_paper_with_a_page_of_claims_is_judged(store: Store) -> None:
    found = ledger.ledger(ledger.reader(store))
    counts = {paper: sum(e.paper == paper for e in found) for paper in ledger.PAPERS}
    assert all(counts.values())
    numbers = [e.number for e in found if e.paper == "li2020"]
    assert numbers == list(range(1, len(numbers) + 1))
    # Without records no claim on trained networks is decided.
    decided = {e.verdict.finding for e in found if e.paper == "battash2021"}
    assert decided == {"not tested"}
    assert ledger.records(found) == []


CLAIMS = [claim for paper in (yao2018, li2020, battash2021, dong2019) for claim in paper.CLAIMS]


def bounds(condition: Condition) -> list[Is]:
    """Every bound of a condition."""
    parts = () if isinstance(condition, Is) else condition.parts
    return [each for part in parts for each in bounds(part)] or [condition]  # type: ignore[list-item]


@pytest.mark.parametrize("claim", [c for c in CLAIMS if isinstance(c, Measured)], ids=lambda claim: claim.key)
def test_a_rule_says_the_bounds_it_decides_by(claim: Measured) -> None:
    every = [each for _, condition in claim.rule.cases for each in bounds(condition)]
    assert every
    for each in every:
        assert each.text() in claim.rule.text()
        # That an interval lies above zero, that no run broke down or a place is the first needs no number.
        assert "{}" in each.words or each.bound in (0, 1)
        other = "another" if isinstance(each.bound, str) else each.bound - 1e-6
        beyond = each.bound if isinstance(each.bound, str) else each.bound + 1e-6
        assert each.met({each.of: [other]}) != each.met({each.of: [beyond]})


def test_only_mathematics_is_settled_without_a_declared_rule() -> None:
    computed = [claim for claim in CLAIMS if isinstance(claim, Computed)]
    assert len(computed) == 20
    assert {claim.experiments for claim in computed} == {()}
    assert {claim.judge({}).basis.partition(",")[0] for claim in computed} == {"mathematics"}
