"""Hard mining on CE."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from dong2019_runs import TABLE1, accuracy, evidence

from lossbook.papers.dong2019 import hard_mining
from lossbook.papers.dong2019.names import TABLE2
from lossbook.results import Record


def test_hard_mining_does_not_help_ce(made: Callable[..., list[Record]]) -> None:
    found = evidence(TABLE1, *made(TABLE1, "reference", accuracy))
    verdict = hard_mining.NO_HELP.judge({TABLE1: found})
    assert set(verdict.readings) == set(hard_mining.READINGS.values())
    assert verdict.finding == "holds in part"
    assert verdict.differences[0].contrast.paper == 0.0
    gains = any(d.above for d in verdict.differences)
    assert not gains
    assert hard_mining.follows(verdict)
    lower = evidence(
        TABLE1, *made(TABLE1, "reference", lambda *a: accuracy(*a) - 0.1 * (a[0]["loss"] == "selected_ce"))
    )
    costs = hard_mining.NO_HELP.judge({TABLE1: lower})
    assert costs.differences[-1].below
    assert f"{costs.differences[-1].short()} points" in hard_mining.follows(costs)
    helped = evidence(
        TABLE1, *made(TABLE1, "reference", lambda *a: accuracy(*a) + 0.1 * (a[0]["loss"] == "hs_ce"))
    )
    assert hard_mining.follows(hard_mining.NO_HELP.judge({TABLE1: helped})) == ""
    frame, _ = hard_mining.table(found, "reference")
    assert len(frame) == 5
    assert float(frame["Difference, points"][1].values["mean"]) == pytest.approx(-1, abs=0.1)
    assert float(frame["Difference, points"][4].values["mean"]) == pytest.approx(5, abs=0.2)
    assert hard_mining.printed_table()["CE"].tolist() == ["57.0", "35.8", "80.0"]


def test_hard_mining_is_judged_on_classes_never_seen_too(made: Callable[..., list[Record]]) -> None:
    def with_measures(record: Record) -> Record:
        rank = accuracy(record.labels, record.seed)
        return replace(record, metrics={"rank_1": rank, "map": rank / 2})  # no accuracy is measured

    every = [with_measures(r) for r in made(TABLE2, "narrow", accuracy)]
    found = evidence(TABLE2, *every)
    verdict = hard_mining.WORSE.judge({TABLE2: found})
    # Eq. 5 with softmax outputs is a point behind CE, CE over the selected classes is not told apart.
    assert list(verdict.readings.values()) == ["holds in part", "not settled"]
    shown = [d for d in verdict.differences if d.above]
    assert [d.contrast.paper for d in shown] == [pytest.approx(2.1), pytest.approx(0.9)]
    assert shown[0].what.startswith("CE minus Eq. 5 with softmax outputs, rank-1 on CIFAR-100")
    assert shown[0].interval.mean == pytest.approx(0.01, abs=0.001)
    assert shown[1].interval.mean == pytest.approx(0.005, abs=0.001)
    frame, notes = hard_mining.retrieval_table(found)
    assert frame["Minus"].tolist() == ["–", "CE", "CE", "–", "LR"]
    assert float(frame["rank-1, difference"][1].values["mean"]) == pytest.approx(-1, abs=0.1)
    assert float(frame["mAP, difference"][4].values["mean"]) == pytest.approx(2.5, abs=0.1)
    assert not notes
    assert len(hard_mining.retrieval_table(evidence(TABLE2))[0]) == 0
