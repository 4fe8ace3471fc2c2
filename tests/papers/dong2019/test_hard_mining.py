"""Hard mining on CE."""

from collections.abc import Callable

import pytest
from dong2019_runs import TABLE1, accuracy, evidence

from lossbook.papers.dong2019 import hard_mining
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
