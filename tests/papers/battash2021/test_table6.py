"""Table 6: what the mixture gains under further regularisation."""

from dataclasses import replace
from typing import Any

from battash2021_runs import evidence, made

from lossbook import experiments
from lossbook.papers.battash2021 import (
    table6,
    verdict,
)


def test_gains_under_regularisation():
    def accuracy(seed: int, loss: str, regularisation: str = table6.BASELINE, **_: Any) -> float:
        more = {table6.ERASING: -0.02, table6.DROPOUT: 0.01}.get(regularisation, 0.0)
        gain = 0.006 if regularisation == table6.JITTER else 0.004
        return 0.9 + more + (gain + 0.0001 * seed) * (loss == "ceel")

    own = evidence("table6", *(made("table6", profile, accuracy) for profile in ("cifar10", "cnn2c")))
    other = evidence("table1", made("table1", "cifar10", accuracy))
    judged = verdict.judge("regularisation", own, other)
    assert judged.finding == "holds in part"
    assert judged.count == (8, 8)
    small = evidence("table6", made("table6", "cnn2c", accuracy, seeds=8))
    assert verdict.judge("regularisation", small, evidence("table1")).count == (4, 4)
    frame, _ = table6.table(small, "cnn2c")
    assert len(frame) == 6
    assert str(frame.loc[1, "Adds to CE"]).startswith("-2.00")
    # A gain without further regularisation does not remain under it by itself.
    assert table6.gain(table6.BASELINE).what not in {d.what for d in judged.differences}
    frame, _ = table6.table(table6.together(own, other), "cifar10")
    rows = {r["Regularisation"]: r for r in frame.to_dict("records")}
    assert len(rows) == 6
    assert str(rows["random erasing"]["Adds to CE"]).startswith("-2.00")
    assert str(rows["colour jitter"]["Gain of CE+EL 0-0.5"]).startswith("+0.61")
    assert rows["colour jitter"]["Paper (CINIC-10, ResNet-34)"] == "+1.13"
    # The accuracies rise to their end, so both readings agree.
    jitter = rows["colour jitter"]
    assert str(jitter["Gain at the best test epoch"]) == str(jitter["Gain of CE+EL 0-0.5"])
    # Table 1's runs are the baseline, which the claim does not rest on.
    assert verdict.judge("regularisation", own, evidence("table1")).count == (8, 8)


def test_the_papers_protocol_has_its_five_regularisations_and_their_numbers():
    cells = experiments.get("battash2021/table6").profile("paper").cells
    assert {c.labels["regularisation"] for c in cells} == {row for row, _ in table6.printed()}
    assert {(c.spec.model, c.spec.dataset, c.spec.epochs) for c in cells} == {
        ("small_resnet34", "cinic10", 90)
    }
    dropped = {c.labels["regularisation"] for c in cells if c.spec.model_options}
    assert dropped == {"dropout"}
    own = evidence(
        "table6", made("table6", "paper", lambda loss, seed, **_: 0.8 + seed / 1e3 * (loss == "ceel"))
    )
    frame, _ = table6.table(own, "paper")
    rows = {r["Regularisation"]: r for r in frame.to_dict("records")}
    # 89.66 - 89.11 with rotation, 89.82 - 89.34 without.
    assert rows["random erasing"]["Paper (CINIC-10, ResNet-34)"] == "+0.55"
    assert rows["random erasing, no rotation"]["Paper (CINIC-10, ResNet-34)"] == "+0.48"
    judged = verdict.judge("regularisation", own, evidence("table1"))
    assert len(judged.differences) == 4
    assert all("ResNet-34 on CINIC-10" in d.what for d in judged.differences)


def test_smoke_runs_are_named_by_their_own_network():
    found = evidence("table6", made("table6", "smoke", lambda loss, seed, **_: 0.8 + seed / 1e3, seeds=2))
    difference = table6.gain(table6.ERASING, "smoke").at(found, "smoke")
    assert difference is not None
    assert "a small CNN on" in difference.what


def test_departures_of_data_that_are_not_shown_are_not_said():
    def noted(profile: str, note: str):
        records = made("table1", profile, lambda **_: 0.9)
        return [replace(r, provenance=r.provenance | {"data_notes": [note]}) for r in records]

    table1 = evidence("table1", noted("reference", "not shown"), noted("cifar10", "shown"))
    notes = ("CIFAR-100: not shown", "CIFAR-10: shown", "another note")
    own = replace(evidence("table6"), notes=("its own",))
    found = table6.together(own, replace(table1, notes=notes))
    assert found.notes == ("its own", "CIFAR-10: shown", "another note")
