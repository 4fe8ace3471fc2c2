"""What a claim says of the records it rests on."""

from typing import Any

import pytest

from lossbook.report import verdict
from lossbook.report.provenance import Provenance


def claim(*records: Any) -> verdict.Claim:
    return verdict.Claim("It holds.", "Sec. 1", "A rule.", "holds", "runs", ("Found.",), records)


class Shown:
    """A page that keeps what is said on it."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def text(self, *sentences: str) -> None:
        self.said += sentences


@pytest.mark.parametrize("trust", ["fresh", "attested", "unattested"])
def test_a_claim_on_unattested_records_says_so(make_record: Any, trust: str) -> None:
    mine, page = claim(make_record(0.9), make_record(0.8, seed=1, trust=trust)), Shown()
    verdict.show(page, mine)  # type: ignore[arg-type]
    said = "1 of the 2 runs behind this are unattested: today's code may give other numbers (no run"
    said += " was compared)."
    assert (said in page.said) == (trust == "unattested")
    shown = {"attested": "attested (exact)"}.get(trust, trust)
    assert verdict.summary([mine])["Records"].tolist() == [shown]


def test_a_claim_without_records_says_nothing_of_them() -> None:
    page = Shown()
    verdict.show(page, claim())  # type: ignore[arg-type]
    assert len(page.said) == 3
    assert verdict.summary([claim()])["Records"].tolist() == [""]


def test_provenance_says_how_far_runs_are_trusted(make_record: Any) -> None:
    records = [make_record(0.9), make_record(0.9, seed=1, trust="attested")]
    both = Provenance([*records, make_record(0.9, seed=2, trust="unattested")])
    said = "1 attested (exact), 1 fresh, 1 unattested"
    assert said in both.line()
    assert both.facts()["Trust"] == said
    assert both.frame()["trust"].tolist() == ["fresh", "attested (exact)", "unattested"]
    assert "; fresh; " in Provenance(records[:1]).line()


def test_the_runs_of_a_page_have_a_column_per_element_that_any_of_them_has(make_record: Any) -> None:
    record = make_record(0.9)
    record.metrics["auc"] = [[None, 0.5], [0.25, None]]
    frame = Provenance([record]).frame()
    assert [name for name in frame if "/" in name] == ["auc/0/1", "auc/1/0"]
    assert frame["auc/1/0"].tolist() == [0.25]
