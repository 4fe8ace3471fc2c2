"""The record store: whole lines or none, damaged ones reported, nothing lost."""

import json
import os
import re
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from records import make_record

from lossbook import paths
from lossbook.errors import LossbookError
from lossbook.results import Store, arrays, attestation, files, locking
from lossbook.results.attestation import Trust, digest_of, line_of


@pytest.fixture
def folder(tmp_path):
    return Store(working=tmp_path / "working", published=tmp_path / "published")


def test_a_record_comes_back_as_it_was_written(folder):
    record = make_record(curves={"test_accuracy": [None, 0.5]})
    path = folder.append(record)
    assert folder.records() == [record]
    assert path.read_text().count("\n") == 1


def test_published_and_working_records_are_read_together(folder):
    folder.append(make_record(key="a" * 16))
    published = folder.published / "yao2018/table1/paper.jsonl"
    published.parent.mkdir(parents=True)
    published.write_text(make_record(key="b" * 16, profile="paper").to_json() + "\n")
    origins = {record.key[0]: record.origin for record in folder.records()}
    assert origins == {"a": "working", "b": "published"}
    assert [r.key[0] for r in folder.records(profile="paper")] == ["b"]
    assert folder.records(experiment="yao2018/table2") == []


def test_of_two_records_of_a_run_the_newer_counts(folder):
    for finished, value in (("2026-01-02T00:00:00Z", 0.7), ("2026-01-01T00:00:00Z", 0.6)):
        folder.append(make_record(metrics={"m": value}, provenance={"code": "x", "finished": finished}))
    assert [r.metrics["m"] for r in folder.records()] == [0.7]


def test_a_run_that_two_profiles_share_has_a_record_in_each(folder):
    for profile, value in (("quick", 0.6), ("paper", 0.7)):
        folder.append(make_record(profile=profile, metrics={"m": value}))
    assert {r.profile: r.metrics["m"] for r in folder.records()} == {"quick": 0.6, "paper": 0.7}


@pytest.mark.parametrize("better", ["fresh", "attested"])
def test_a_trusted_record_counts_before_a_newer_one_that_is_not(folder, monkeypatch, better):
    monkeypatch.setattr(
        attestation, "trust", lambda experiment, made, kind_of: Trust(made["code"]), raising=True
    )
    for code, finished in ((better, "2026-01-01T00:00:00Z"), ("unattested", "2026-02-01T00:00:00Z")):
        folder.append(make_record(provenance={"code": code, "finished": finished}))
    (record,) = folder.records()
    assert record.trust.state == better


def test_damaged_lines_are_reported_and_left_alone(folder):
    path = folder.append(make_record(key="a" * 16))
    whole = path.read_text()
    path.write_text(whole + whole[:40] + "\n" + "[1]\n" + '{"key": 1}\n' + "\n")
    with pytest.warns(UserWarning, match="is not a record") as caught:
        assert [r.key for r in folder.records()] == ["a" * 16]
    assert len(caught) == 3
    assert f"{path}, line 2" in str(caught[0].message)
    assert "results check --fix" in str(caught[0].message)
    assert path.read_text().startswith(whole + whole[:40])


def rewritten(record, **changes):
    """The line of a record with a digest of its own after a change of its fields."""
    content = json.loads(record.to_json()) | changes
    del content["digest"]
    content = {name: value for name, value in content.items() if value is not ...}
    return line_of(content | {"digest": digest_of(content)})


MADE = {"code": "x", "finished": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": 7}, "key is 7, not text"),
        ({"seed": "0"}, "seed is '0', not a whole number"),
        ({"seed": True}, "seed is True, not a whole number"),
        ({"seed": 0.5}, "seed is 0.5, not a whole number"),
        ({"labels": []}, "labels is [], not an object"),
        ({"status": "done"}, "status is 'done', not finished or diverged"),
        ({"metrics": {"m": "0.5"}}, "metrics m holds '0.5', which is not a number"),
        ({"metrics": {"m": [[1], [True]]}}, "metrics m holds True"),
        ({"metrics": {"m": [[1, 2], [3]]}}, "metrics m is an array whose rows differ in length"),
        ({"metrics": {"m": [1, [2]]}}, "metrics m is an array whose rows differ in length"),
        ({"curves": {"m": 0.5}}, "curves m is 0.5, not a list"),
        ({"curves": {"m": [0.5, {}]}}, "curves m holds {}"),
        ({"steps": {"m": ["x"]}}, "steps m holds 'x'"),
        ({"weights": {"end": 1}}, "weights end is 1, not text"),
        ({"files": {"metrics/f": {"path": "arrays/x.npz"}}}, "files metrics/f is"),
        ({"provenance": MADE | {"seconds": "1"}}, "provenance seconds is '1'"),
        ({"provenance": MADE | {"modules": "a"}}, "provenance modules is 'a'"),
        ({"curves": ...}, "no curves"),
        ({"more": 1}, "unknown field 'more'"),
        ({"schema": 2.0}, "schema 2.0, this version reads 2"),
        ({"schema": ...}, "schema None"),
    ],
)
def test_a_field_of_the_wrong_type_makes_no_record(folder, changes, message):
    path = folder.append(make_record(key="a" * 16))
    path.write_text(path.read_text() + rewritten(make_record(key="b" * 16), **changes) + "\n")
    with pytest.warns(UserWarning, match=re.escape(message)) as caught:
        assert [r.key[0] for r in folder.records()] == ["a"]
    assert f"{path}, line 2" in str(caught[0].message)


def test_what_the_types_allow_is_a_record(folder):
    record = make_record(
        metrics={"m": None, "n": 3, "count": [[1.0, None], [2, 3.5]], "empty": []},
        curves={"m": [None, 0.5], "by_class": [[0.1, 0.2], [0.3, None]]},
        steps={"s": [0.5, 0.25]},
        weights={"first": "ab", "end": "cd"},
        provenance=MADE | {"seconds": 3, "threads": 1, "modules": ["a"], "more": None},
    )
    folder.append(record)
    assert folder.records() == [record]


@pytest.mark.parametrize(
    ("old", "new"), [('"test_accuracy":0.5', '"test_accuracy":0.6'), ('"seed":0', '"seed":1'), ('"x"', '"y"')]
)
def test_a_line_that_was_altered_is_named(folder, old, new):
    path = folder.append(make_record(key="a" * 16))
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.warns(UserWarning, match=r"line 1, is not a record .*\(altered since it was written"):
        assert folder.records() == []


def test_a_line_without_its_digest_is_no_record(folder):
    path = folder.append(make_record())
    content = json.loads(path.read_text())
    del content["digest"]
    path.write_text(line_of(content) + "\n")
    with pytest.warns(UserWarning, match="its digest is None"):
        assert folder.records() == []


def test_a_line_that_something_else_formatted_is_what_was_written(folder):
    path = folder.append(make_record())
    path.write_text(json.dumps(json.loads(path.read_text())) + "\r\n")
    assert folder.records() == [make_record()]
    assert folder.problems() == []


def test_an_element_of_an_array_has_a_name():
    record = make_record(
        metrics={"m": 0.5, "count": [[1.0, 2.0], [3.0, None]], "none": None},
        curves={"m": [0.25, 0.5], "sides": [[0.1, 0.2], [0.3, 0.4]]},
    )
    assert [record.metric(name) for name in ("m", "count/0/1", "count/1/1", "none/3", "other")] == [
        0.5,
        2.0,
        None,
        None,
        None,
    ]
    assert record.curve("sides/1") == [0.2, 0.4]
    assert (record.curve("m"), record.curve("other")) == ([0.25, 0.5], [])
    names = ["count/0/0", "count/0/1", "count/1/0", "count/1/1", "m", "none"]
    assert list(record.numbers()) == names
    with pytest.raises(IndexError):
        record.metric("count/2/0")


def test_fixing_sets_right_what_the_digest_vouches_for_and_moves_the_rest_aside(folder):
    path = folder.append(make_record(key="a" * 16))
    whole = path.read_text()
    other = make_record(key="b" * 16)
    quoted = other.to_json().replace('"test_accuracy":0.5', '"test_accuracy":"0.5"').replace(":0,", ':"0",')
    altered = other.to_json().replace('"test_accuracy":0.5', '"test_accuracy":"0.6"')
    assert quoted != other.to_json() != altered
    path.write_text(whole + altered + "\n" + quoted + "\n" + whole[:40])
    assert [problem.line for problem in folder.problems()] == [2, 3, 4]
    aside = path.with_name("quick.jsonl.damaged")
    assert [(p.line, what) for p, what in folder.fix()] == [
        (2, f"moved to {aside}"),
        (3, "set right"),
        (4, f"moved to {aside}"),
    ]
    assert path.read_text() == whole + other.to_json() + "\n"
    assert aside.read_text() == altered + "\n" + whole[:40] + "\n"
    assert folder.problems() == folder.fix() == []
    assert [r.key[0] for r in folder.records()] == ["a", "b"]

    # What is moved aside later comes behind; a file with nothing left in it goes.
    path.write_text("[1]\n")
    folder.fix()
    assert aside.read_text().endswith(whole[:40] + "\n[1]\n")
    assert not path.exists()


def test_a_file_that_cannot_be_set_right_stays_as_it_was(folder, monkeypatch):
    path = folder.append(make_record())
    path.write_text(path.read_text() + "[1]\n")
    before = path.read_bytes()

    def failing(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(paths, "atomic_write", failing)
    with pytest.raises(LossbookError, match=r"cannot repair .*quick\.jsonl: No space left"):
        folder.fix()
    assert path.read_bytes() == before


@pytest.fixture
def with_array(folder):
    """A record with an array in a file, in the working store."""
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    place = folder.working / "yao2018/table1"
    record = make_record(files={"metrics/features": arrays.write(place, array)})
    folder.append(record)
    return record, array, place / record.files["metrics/features"]["path"]


def test_an_array_in_a_file_comes_back_as_it_was(folder, with_array):
    record, array, _ = with_array
    found = folder.array(record, "metrics/features")
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert (found == array).all()
    assert folder.problems() == []
    with pytest.raises(
        LossbookError, match=r"has no array 'metrics/other' in a file; it has: metrics/features"
    ):
        folder.array(record, "metrics/other")


def test_an_array_that_is_not_what_it_was_is_named(folder, with_array):
    record, array, file = with_array
    np.savez_compressed(file, array=array.astype(np.float64))
    with pytest.raises(LossbookError, match="is not what .* was recorded with"):
        folder.array(record, "metrics/features")
    file.write_bytes(file.read_bytes()[:-30])
    (problem,) = folder.problems()
    assert "cannot be read" in problem.why
    file.unlink()
    (done,) = folder.fix()
    assert (done[0].line, done[1].startswith("moved to")) == (1, True)
    assert folder.records() == []


def test_the_same_array_is_written_once(with_array):
    _, array, file = with_array
    stamp = file.stat().st_mtime_ns
    arrays.write(file.parent.parent, array)
    assert [file.stat().st_mtime_ns, *file.parent.iterdir()] == [stamp, file]
    arrays.write(file.parent.parent, array.T)
    assert len([*file.parent.iterdir()]) == 2


def test_a_line_broken_off_does_not_take_the_next_record_with_it(folder):
    path = folder.append(make_record(key="a" * 16))
    path.write_bytes(path.read_bytes()[:-30])
    folder.append(make_record(key="b" * 16))
    with pytest.warns(UserWarning, match="line 1"):
        assert [r.key for r in folder.records()] == ["b" * 16]


def test_a_record_of_another_schema_is_reported(folder):
    path = folder.append(make_record())
    path.write_text(rewritten(make_record(), schema=1) + "\n")
    with pytest.warns(
        UserWarning, match=r"quick\.jsonl, line 1, .*schema 1, .*update data/results"
    ) as caught:
        assert folder.records() == []
    assert "`lossbook run`" in str(caught[0].message)


def test_not_a_number_cannot_get_into_the_store(folder):
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.append(make_record(metrics={"m": float("nan")}))
    assert folder.records() == []


def test_a_full_disk_leaves_the_store_as_it_was(folder, monkeypatch):
    path = folder.append(make_record(key="a" * 16))
    before = path.read_bytes()
    real = os.write

    calls = []

    def failing(handle, data):
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return real(handle, data[:50])

    monkeypatch.setattr(files.os, "write", failing)
    with pytest.raises(LossbookError, match="No space left on device.*make room"):
        folder.append(make_record(key="b" * 16))
    assert len(calls) == 2
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_reported(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(LossbookError, match="LOSSBOOK_BUILD"):
        Store(working=blocked).append(make_record())


@pytest.fixture
def part(folder):
    """The store of a shard."""
    return lambda i, n=2: Store(folder.working, folder.published, shard=(i, n))


def _names(folder):
    return sorted(path.name for path in folder.working.rglob("*.jsonl"))


def test_a_shard_has_a_file_of_its_own_which_every_store_reads(folder, part):
    folder.append(make_record(key="a" * 16))
    path = part(2, 8).append(make_record(key="b" * 16))
    assert path.name == "quick.shard-2-of-8.jsonl"
    assert [r.key[0] for r in folder.records()] == ["a", "b"]


def test_merging_moves_records_once_however_often(folder, part):
    folder.append(make_record(key="a" * 16))
    for i, key in ((1, "b"), (2, "c"), (2, "d")):
        part(i).append(make_record(key=key * 16))
    part(1).append(make_record(key="e" * 16, profile="paper"))
    before = folder.records()
    assert folder.shards() == [("yao2018/table1", "paper"), ("yao2018/table1", "quick")]
    assert folder.merge("yao2018/table1", "quick") == 3
    assert _names(folder) == ["paper.shard-1-of-2.jsonl", "quick.jsonl"]
    assert folder.records() == before
    once = (folder.working / "yao2018/table1/quick.jsonl").read_bytes()
    assert once.count(b"\n") == 4

    # A shard that is copied here once more, as from another machine.
    part(2).append(make_record(key="c" * 16))
    assert folder.merge("yao2018/table1", "quick") == 0
    assert folder.merge("yao2018/table1", "quick") == 0
    assert (folder.working / "yao2018/table1/quick.jsonl").read_bytes() == once
    assert folder.records() == before


@pytest.mark.parametrize("step", ["paths.atomic_write", "Path.unlink"])
def test_a_merge_broken_off_loses_and_doubles_nothing(folder, part, monkeypatch, step):
    folder.append(make_record(key="a" * 16))
    for i in (1, 2):
        part(i).append(make_record(key=f"{i}" * 16))
    before = folder.records()

    def failing(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"lossbook.results.store.{step}", failing)
        with pytest.raises(LossbookError, match="Nothing was lost"):
            folder.merge("yao2018/table1", "quick")
    assert folder.records() == before
    folder.merge("yao2018/table1", "quick")
    assert folder.records() == before
    assert _names(folder) == ["quick.jsonl"]
    assert (folder.working / "yao2018/table1/quick.jsonl").read_text().count("\n") == 3


def test_a_line_broken_off_in_a_shard_is_reported_and_left_out(folder, part):
    path = part(1).append(make_record(key="a" * 16))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-30])
    with pytest.warns(UserWarning, match=r"quick\.shard-1-of-2\.jsonl has a line that was broken off"):
        assert folder.merge("yao2018/table1", "quick") == 1
    assert [r.key[0] for r in folder.records()] == ["a"]


def test_records_written_while_shards_are_merged_are_not_lost(tmp_path, folder):
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[3])
        from records import make_record
        from lossbook.results import Store
        shard = (int(sys.argv[2]), 2) if sys.argv[2] < "3" else (1, 1)
        store = Store(Path(sys.argv[1]), Path(sys.argv[1]) / "none", shard=shard)
        for i in range(60):
            store.append(make_record(key=f"{sys.argv[2]}{i:015d}", curves={"x": [0.5] * 1000}))
        """
    )
    path = Path(__file__).parent
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(folder.working), number, str(path)])
        for number in "1123"
    ]
    merges = 0
    while any(writer.poll() is None for writer in writers):
        merges += folder.merge("yao2018/table1", "quick") > 0
    assert [writer.wait() for writer in writers] == [0] * 4
    folder.merge("yao2018/table1", "quick")
    assert merges
    (left,) = folder.working.rglob("*.jsonl")
    keys = [json.loads(line)["key"] for line in left.read_text().splitlines()]
    # Two of the writers wrote the same lines, for which one is enough.
    assert sorted(keys) == sorted(f"{n}{i:015d}" for n in "123" for i in range(60))


def _merging_before(monkeypatch, folder, which):
    """Merge the shards just before the file of a name is read, once."""
    real, merged = Path.read_bytes, []

    def read_bytes(path):
        if path.name == which and not merged:
            merged.append(1)
            folder.merge("yao2018/table1", "quick")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    return merged


@pytest.mark.parametrize("which", ["quick.jsonl", "quick.shard-1-of-2.jsonl", "quick.shard-2-of-2.jsonl"])
def test_no_record_is_missed_while_shards_are_merged(folder, part, monkeypatch, which):
    for key, store_ in (("a", part(1)), ("b", part(2)), ("c", folder)):
        store_.append(make_record(key=key * 16))
    merged = _merging_before(monkeypatch, folder, which)
    assert sorted(r.key[0] for r in folder.records()) == ["a", "b", "c"]
    assert merged


def test_a_line_in_the_making_is_waited_for(folder):
    path = folder.append(make_record())
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    found = []
    with locking.locked(path.parent):
        reading = threading.Thread(target=lambda: found.extend(folder.records()))
        reading.start()
        time.sleep(0.1)
        path.write_bytes(whole)
    reading.join()
    assert len(found) == 1


def test_a_broken_line_in_a_folder_that_cannot_be_locked_is_reported(folder, monkeypatch):
    path = folder.append(make_record(key="a" * 16))
    path.write_bytes(path.read_bytes() + b'{"key":')

    def read_only(place):
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(files, "locked", read_only)
    with pytest.warns(UserWarning, match="line 2, is not a record"):
        assert [r.key[0] for r in folder.records()] == ["a"]


def test_a_common_file_that_appears_while_folders_are_listed_is_read(folder, part, monkeypatch):
    part(1).append(make_record(key="a" * 16))
    real, merged = files.listing, []

    def listing(place):
        found = real(place)
        if place == folder.working and not merged:
            # As a folder is listed that a merge changes: neither the shard nor the common file is seen.
            merged.append(folder.merge("yao2018/table1", "quick"))
            return [], []
        return found

    monkeypatch.setattr(files, "listing", listing)
    assert [r.key[0] for r in folder.records()] == ["a"]
    assert merged == [1]


def test_what_is_no_file_is_reported_and_passed_over(folder):
    place = folder.append(make_record()).parent
    (place / "folder.jsonl").mkdir()
    (place / "link.jsonl").symlink_to(place / "nowhere")
    with pytest.warns(UserWarning, match="cannot be read and was passed over") as caught:
        assert len(folder.records()) == 1
    assert sorted(str(w.message).split(" cannot")[0] for w in caught) == [
        str(place / "folder.jsonl"),
        str(place / "link.jsonl"),
    ]


def test_a_file_that_must_not_be_read_is_reported_and_passed_over(folder, monkeypatch):
    folder.append(make_record(key="a" * 16))
    closed = folder.append(make_record(key="b" * 16, profile="closed"))
    real = Path.read_bytes

    def read_bytes(path):
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    with pytest.warns(UserWarning, match=r"closed\.jsonl cannot be read and was passed over \(Permission"):
        assert [r.key[0] for r in folder.records()] == ["a"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_makes_no_record(folder, value):
    path = folder.append(make_record(key="a" * 16))
    line = make_record(key="b" * 16).to_json().replace('"test_accuracy":0.5', f'"test_accuracy":{value}')
    assert value in line
    path.write_text(path.read_text() + line + "\n")
    with pytest.warns(UserWarning, match="line 2, is not a record and was passed over"):
        assert [r.key[0] for r in folder.records()] == ["a"]


def test_processes_writing_at_once_do_not_mix_their_lines(tmp_path):
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[3])
        from records import make_record
        from lossbook.results import Store
        store = Store(working=Path(sys.argv[1]), published=Path(sys.argv[1]) / "none")
        for i in range(40):
            store.append(make_record(key=f"{sys.argv[2]}{i:015d}", curves={"x": [0.5] * 3000}))
        """
    )
    here = str(Path(__file__).parent)
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name, here]) for name in ("a", "b")
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(Store(working=tmp_path, published=tmp_path / "none").records()) == 80
