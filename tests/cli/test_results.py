"""``lossbook results``: what it shows of records, and what it refuses."""

import csv
import io
import json

import pandas as pd
import pytest

from lossbook.cli.record import sparkline
from lossbook.results import Record, Store


def test_a_record_is_shown_as_a_whole(command, store, make_record):
    store.append(
        make_record(
            metrics={"test_accuracy": 0.5, "count": [[1, 2], [3, 40]], "gap": None},
            curves={"test_accuracy": [0.25, None, 1.0], "sides": [[0.0, 1.0], [1.0, 2.0]]},
            weights={"end": "abcd"},
            files={
                "metrics/features": {"path": "arrays/f.npz", "sha256": "00", "dtype": "float32", "shape": [3]}
            },
        )
    )
    store.append(make_record(key="fedcba9876543210"))
    status, out, _ = command("results", "show", "0123")
    assert status == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for line in (
        "key 0123456789abcdef",
        "experiment toy/table1 [quick], working",
        "cell beta 1, loss ce",
        "trust unattested: it does not say what code made it",
        "weights, end abcd",
        "epochs 3",
        "count array of 2 x 2, 1 to 40",
        "gap not finite",
        "sides (mean) 0.5 1.5 0.5 1.5 ▁█ 2 epochs",
        "test_accuracy 0.25 1 0.25 1 ▁ █ 3 epochs",
        "metrics/features arrays/f.npz: float32, 3, sha256 00",
        "finished 2026-01-01T00:00:00Z",
    ):
        assert line in lines
    whole = lines.index("epoch sides (mean) test_accuracy")
    assert lines[whole + 1 : whole + 4] == ["1 0.5 0.25", "2 1.5 not finite", "3 1"]
    assert "fedcba9876543210" not in out


def test_many_curves_are_shown_epoch_by_epoch_in_lines_that_fit(command, store, make_record):
    names = [f"a_measure_of_some_length_{n}" for n in range(5)]
    store.append(make_record(curves={name: [0.1 + n, 0.2 + n] for n, name in enumerate(names)}))
    lines = command("results", "show", "0123")[1].splitlines()
    heads = [line.split()[1:] for line in lines if line.split()[:1] == ["epoch"]]
    assert heads == [names[:2], names[2:4], names[4:]]
    second = [line.split()[1:] for line in lines if line.split()[:1] == ["2"]]
    assert second == [["0.2", "1.2"], ["2.2", "3.2"], ["4.2"]]


def test_records_are_shown_whole_as_json(command, store, make_record):
    store.append(make_record(curves={"test_accuracy": [0.25, None, 1.0], "sides": [[0.0, 1.0], [1.0, 2.0]]}))
    for what in ("0123", "toy/table1"):
        (found,) = json.loads(command("results", "show", what, "--format", "json")[1])
        assert found["curves"] == {"test_accuracy": [0.25, None, 1.0], "sides": [[0.0, 1.0], [1.0, 2.0]]}
        assert found["trust"] == {"state": "unattested", "why": "it does not say what code made it"}
        assert found["origin"] == "working"


def test_a_run_that_two_profiles_share_is_shown_for_both(command, store, make_record):
    for profile in ("quick", "paper"):
        store.append(make_record(profile=profile))
    out = command("results", "show", "01")[1]
    assert "[quick]" in out
    assert "[paper]" in out
    assert "[quick]" not in command("results", "show", "01", "--profile", "paper")[1]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("ff", "no record has a key that begins with 'ff'"),
        ("01", "2 keys begin with '01'; give more of one: 0123456789abcdef, 0199999999999999"),
        ("toy", "unknown experiment with records 'toy'; did you mean 'toy/table1'?"),
    ],
)
def test_a_key_must_name_one_run(command, store, make_record, what, message):
    store.append(make_record())
    store.append(make_record(key="0199999999999999"))
    status, _, err = command("results", "show", what)
    assert status == 2
    assert message in err


def test_a_long_curve_becomes_a_short_line_from_its_first_value_to_its_last():
    assert sparkline([]) == ""
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert sparkline([0.0, 3.5, None, 7.0]) == "▁▅ █"
    line = sparkline([float(i) for i in range(1000)])
    assert (len(line), line[0], line[-1]) == (40, "▁", "█")


def test_diff_says_that_nothing_has_changed_or_what_has(command, make_record, tmp_path):
    for name, value in (("a", 0.5), ("b", 0.75)):
        folder = Store(working=tmp_path / name)
        folder.append(make_record(metrics={"test_accuracy": value}))
        folder.append(make_record(key="1" * 16, seed=1, metrics={"test_accuracy": 0.5}))
        folder.append(make_record(key="2" * 16, labels={"loss": "el"}))
    a, b = (str(tmp_path / name) for name in "ab")
    assert command("results", "diff", a, a)[:2] == (
        0,
        "nothing has changed: 3 records have the same numbers\n",
    )
    status, out, _ = command("results", "diff", a, b)
    assert status == 1
    text = " ".join(out.split())
    assert "0.5 ± 0 " in text
    assert "0.625 ± 0.18" in text
    assert "0.125 ± 0.18" in text
    assert "1 of 2 cells differ" in text
    assert "loss el" not in text
    assert (
        "unknown metric 'tset_accuracy'; did you mean 'test_accuracy'?"
        in command("results", "diff", a, b, "--metric", "tset_accuracy")[2]
    )


def test_show_and_export_take_cells_by_their_labels(command, store, make_record):
    for beta in (0, 1):
        store.append(make_record(key=f"{beta}" * 16, labels={"loss": "lgl", "beta": beta}))
    out = command("results", "show", "toy/table1", "--where", "loss=lgl,beta=1")[1]
    assert "1" * 16 in out
    assert "0" * 16 not in out
    (row,) = csv.DictReader(io.StringIO(command("results", "export", "--where", "beta=0")[1]))
    assert row["key"] == "0" * 16


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "toy/table1", "--where", "lr=1"], "unknown label 'lr'; There are: beta, loss"),
        (["export", "--where", "beta=3"], "unknown value of beta '3'; There are: 1"),
        (["show", "0123", "--where", "beta=1"], "--where is for experiments alone"),
        (["show", "0123", "--format", "csv"], "unknown format 'csv'; There are: text, json"),
        (["export", "--format", "xlsx"], "unknown format 'xlsx'; There are: csv, parquet, json, jsonl"),
    ],
)
def test_wrong_choices_are_refused(command, store, make_record, words, message):
    store.append(make_record())
    status, _, err = command("results", *words)
    assert status == 2
    assert message in err


@pytest.fixture(params=["rows alone", "pyarrow"])
def parquet(request, monkeypatch):
    """How a file of Parquet is read: by pyarrow where it is installed, and as the rows that it was given."""
    if request.param == "pyarrow":
        pytest.importorskip(
            "pyarrow", reason="pyarrow is not a dependency; the rows alone are tested without it"
        )
        return pd.read_parquet
    given = []

    def keep(frame, content, *, index):
        assert not index
        given.append(frame)
        content.write(b"PAR1")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", keep)
    return lambda path: given[-1] if path.read_bytes() == b"PAR1" else None


def test_an_export_as_parquet_has_the_rows_of_the_csv(command, store, make_record, tmp_path, parquet):
    for key, beta in (("0", 1), ("1", "none"), ("2", None)):
        store.append(make_record(key=key * 16, labels={"loss": "lgl", "beta": beta}))
    path = tmp_path / "records.parquet"
    assert command("results", "export", "--format", "parquet", "--output", str(path))[0] == 0
    found = parquet(path)
    rows = list(csv.DictReader(io.StringIO(command("results", "export")[1])))
    assert found["key"].tolist() == [row["key"] for row in rows]
    # Numbers and words in one column are all words.
    assert found["label_beta"].fillna("").tolist() == [row["label_beta"] for row in rows]
    assert found["seed"].tolist() == [int(row["seed"]) for row in rows]


def test_parquet_without_pyarrow_says_what_to_install(command, store, make_record, monkeypatch):
    def refuse(*_, **__):
        raise ImportError("Unable to find a usable engine")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", refuse)
    store.append(make_record())
    status, out, err = command("results", "export", "--format", "parquet")
    assert (status, out) == (2, "")
    assert "pip install pyarrow" in err


def test_an_export_as_json_is_an_array_of_whole_records(command, store, make_record):
    records = [make_record(), make_record(key="1" * 16, seed=1)]
    for record in records:
        store.append(record)
    out = command("results", "export", "--format", "json")[1]
    assert [Record.from_json(json.dumps(each), "working") for each in json.loads(out)] == records
