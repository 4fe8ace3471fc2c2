"""What a claim says of the records it rests on."""

from dataclasses import replace
from typing import Any

import pytest
from said import numbers

from lossbook.errors import UnknownNameError
from lossbook.evidence import Evidence
from lossbook.evidence import claims as verdict
from lossbook.evidence.conditions import Is, share
from lossbook.pages.provenance import Provenance


def claim(*records: Any) -> verdict.Verdict:
    return verdict.Verdict("It holds.", "Sec. 1", "A rule.", "holds", "runs", ("Found.",), records)


@pytest.mark.parametrize("trust", ["fresh", "attested", "unattested"])
def test_a_claim_on_unattested_records_says_so(make_record: Any, trust: str) -> None:
    mine = claim(make_record(0.9), make_record(0.8, seed=1, trust=trust))
    said = verdict.trust_text(mine.records)
    assert numbers(said) == (["1", "2"] if trust == "unattested" else [])
    # The reason is the record's own.
    assert ("no run was compared" in said) == bool(said) == (trust == "unattested")
    shown = {"attested": "attested (exact)"}.get(trust, trust)
    assert verdict.summary({"it": mine})["Records"].tolist() == [shown]


def test_a_summary_numbers_the_claims_and_links_to_them() -> None:
    frame = verdict.summary({"it": claim(), "same": claim()}, "claim-")
    assert [(str(cell), cell.href) for cell in frame["Claim"]] == [
        ("1. It holds.", "#claim-it"),
        ("2. It holds.", "#claim-same"),
    ]
    assert frame["Records"].tolist() == ["", ""]
    assert [str(found) for found in frame["Finding"]] == ["holds", "holds"]
    assert verdict.tally([claim(), claim()]) == "Of 2 claims, 2 hold."


def test_one_claim_is_judged_by_its_name_on_the_records_given(make_record: Any) -> None:
    experiment = "yao2018/table1"
    given = Evidence(experiment, "", {"paper": [make_record(0.9)]})

    def measure(found: Evidence) -> verdict.Measurement:
        return verdict.Measurement({"x": [1.0]}, ("Found.",), tuple(found.records))

    rule = share(Is("x", ">", 0, "x is positive"))
    claims = [verdict.Measured("it", "It is.", "Sec. 1", "", {"": measure}, rule, (experiment,))]
    assert verdict.judge(claims, "it", given).records == tuple(given.records)
    with pytest.raises(UnknownNameError, match="unknown claim 'its'"):
        verdict.judge(claims, "its", given)


def test_provenance_says_how_far_runs_are_trusted(make_record: Any) -> None:
    records = [make_record(0.9), make_record(0.9, seed=1, trust="attested")]
    both = Provenance([*records, make_record(0.9, seed=2, trust="unattested")])
    said = "1 attested (exact), 1 fresh, 1 unattested"
    assert said in both.line()
    assert both.facts()["Trust"] == said
    assert both.frame()["trust"].tolist() == ["fresh", "attested (exact)", "unattested"]
    assert "; fresh; " in Provenance(records[:1]).line()


def test_a_run_that_two_experiments_share_is_counted_once(make_record: Any) -> None:
    one, other = make_record(0.9), make_record(0.9, seed=1)
    shared = replace(one, experiment="yao2018/other", profile="paper")
    facts = Provenance([one, other, shared]).facts()
    assert facts["Runs"].startswith("2 runs (2 ")
    assert facts["Profiles"] == "quick, paper"
    # Every line of the file says under which experiment the run is.
    assert len(Provenance([one, other, shared]).frame()) == 3


def test_the_runs_of_a_page_have_a_column_per_element_that_any_of_them_has(make_record: Any) -> None:
    record = make_record(0.9)
    record.metrics["auc"] = [[None, 0.5], [0.25, None]]
    frame = Provenance([record]).frame()
    assert [name for name in frame if "/" in name] == ["auc/0/1", "auc/1/0"]
    assert frame["auc/1/0"].tolist() == [0.25]
