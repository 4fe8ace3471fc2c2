"""What became of recorded runs that were trained again, as attestations tell it."""

from dataclasses import replace
from typing import Any

import pytest

from lossbook.evidence.attested import trained_again
from lossbook.results import attestation


def test_a_run_trained_again_is_a_row_with_its_differences_in_words(
    make_record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made, *_) = attestation.read("battash2021/table4")
    differs = (
        "curves test_ce/0: 0.0646 then, 0.0611 now",
        "metrics train_loss: 0.5 then, 0.4 now",
        "status: finished then, diverged now",
    )
    record = make_record(0.9, loss="nllr")
    read = [
        replace(made, key=record.key, seed=3, digits=1, differs=differs, device_name="A", device_then="B"),
        replace(made, key="of another page"),
    ]
    monkeypatch.setattr(attestation, "read", lambda experiment: read)
    frame = trained_again("yao2018/table1", [record], {"loss": "Loss"}, {"loss": {"nllr": "NLLR"}})
    assert frame[["Loss", "Seed", "Recorded on", "Again on"]].values.tolist() == [["NLLR", 3, "B", "A"]]
    assert frame["Differences"][0] == (
        "test cross-entropy after epoch 1: 0.0646 then, 0.0611 now; "
        "training loss at the end: 0.5 then, 0.4 now; status: finished then, diverged now"
    )
    assert frame["Digits that agree"][0].values == {"digits": 1}
    assert frame["Digits that agree"][0].runs == (record.key,)
