"""Every claim of every paper in one list, and how many of each paper hold."""

from lossbook.evidence.claims import Verdict
from lossbook.papers.synthesis import ledger
from lossbook.papers.synthesis.ledger import Entry
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
