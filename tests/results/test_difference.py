"""What differs between two sets of records."""

import re
import subprocess
from dataclasses import replace

import pytest
from records import make_record

from lossbook import paths
from lossbook.errors import LossbookError
from lossbook.results import Store, difference
from lossbook.results.difference import Spread


def cells(before, after):
    return difference.compare(before, after)


def seeds(*accuracies, **changes):
    """A cell of records, a seed for each accuracy."""
    return [
        make_record(key=f"{seed:016x}", seed=seed, metrics={"test_accuracy": value}, **changes)
        for seed, value in enumerate(accuracies)
    ]


def test_equal_numbers_are_no_difference_even_from_another_training():
    later = {"code": "y", "finished": "2026-02-01T00:00:00Z"}
    (cell,) = cells(seeds(0.5, 0.6), seeds(0.5, 0.6, provenance=later))
    assert (cell.words, cell.made_again, cell.numbers) == ([], 2, (6, 0, 6))


def test_a_change_comes_with_its_spread_over_seeds():
    (cell,) = cells(seeds(0.5, 0.6), seeds(0.5, 0.7))
    assert cell.words == ["1 of 6 values differ, the worst agrees to 0 digits"]
    before, after, change = cell.spreads("test_accuracy")
    assert before == Spread(pytest.approx(0.55), pytest.approx(0.0707107), 2)
    assert after == Spread(pytest.approx(0.6), pytest.approx(0.1414214), 2)
    # Paired by seed: 0 and 0.1.
    assert change == Spread(pytest.approx(0.05), pytest.approx(0.0707107), 2)
    assert str(change) == "0.05 ± 0.071"
    assert cell.spreads("other") == (None, None, None)


def test_seeds_cells_and_settings_that_come_and_go_are_said():
    (grown,) = cells(seeds(0.5), seeds(0.5, 0.6))
    assert grown.words == ["seeds 1 only after"]
    assert str(grown.spreads("test_accuracy")[0]) == "0.5"
    gone, new = cells(seeds(0.5), seeds(0.5, labels={"loss": "el"}))
    assert (gone.words, new.words) == (["only before"], ["only after"])
    (other,) = cells(seeds(0.5), seeds(0.5, config={"dataset": "digits"}))
    assert other.words == ["dataset: mnist before, digits after"]
    (more,) = cells(seeds(0.5), [replace(seeds(0.5)[0], metrics={"test_accuracy": 0.5, "ece": 0.1})])
    assert more.words == ["measured after alone: ece"]
    (ended,) = cells(seeds(0.5), seeds(0.5, status="diverged"))
    assert ended.words == ["seed 0: finished before, diverged after"]


def test_weights_and_arrays_in_files_count():
    file = {"path": "arrays/x.npz", "sha256": "1", "dtype": "float32", "shape": [3]}
    before = seeds(0.5, weights={"end": "a"}, files={"metrics/f": file})
    after = seeds(0.5, weights={"end": "b"}, files={"metrics/f": file | {"sha256": "2"}})
    assert cells(before, after)[0].words == ["2 of 5 values differ, the worst agrees to 0 digits"]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout with records at the tag ``old`` and others at HEAD."""
    top = tmp_path / "checkout"
    top.mkdir()
    monkeypatch.setattr(paths, "root", lambda: top)

    def git(*words):
        name = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        subprocess.run(["git", *name, *words], cwd=top, check=True, capture_output=True)

    git("init")
    for tag, accuracy in (("old", 0.5), ("new", 0.7)):
        path = top / "data/results/yao2018/table1/quick.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(seeds(accuracy)[0].to_json() + "\n")
        git("add", "-A")
        git("commit", "-m", tag)
        git("tag", tag)
    return top


def test_git_revisions_and_folders_are_read_alike(checkout):
    old, new = difference.read("old"), difference.read("HEAD")
    assert [r.metrics["test_accuracy"] for r in (*old, *new)] == [0.5, 0.7]
    assert difference.read(str(checkout / "data" / "results")) == new


def test_of_two_records_of_a_run_in_a_folder_the_newer_counts(tmp_path):
    store = Store(working=tmp_path)
    for finished, value in (("2026-01-02", 0.7), ("2026-01-01", 0.6)):
        store.append(make_record(metrics={"m": value}, provenance={"finished": finished}))
    assert [r.metrics["m"] for r in difference.read(str(tmp_path))] == [0.7]


def test_lines_that_are_no_records_are_counted_once_per_file(checkout):
    path = checkout / "data/results/yao2018/table1/quick.jsonl"
    path.write_text(path.read_text() + "{}\n" * 3)
    with pytest.warns(UserWarning, match=r"quick\.jsonl: 3 lines are not records .*\(schema None") as caught:
        assert len(difference.read(str(checkout / "data"))) == 1
    assert len(caught) == 1


@pytest.mark.parametrize("name", ["odl", "--all", "old:data"])
def test_what_is_neither_a_folder_nor_a_revision_is_refused(checkout, name):
    with pytest.raises(LossbookError, match=f"'{re.escape(name)}' is neither a folder nor a revision"):
        difference.read(name)


def test_a_place_without_records_is_refused(checkout, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(LossbookError, match="empty has no records"):
        difference.read(str(tmp_path / "empty"))


def test_a_revision_outside_of_a_git_checkout_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for top in (None, tmp_path):
        monkeypatch.setattr(paths, "root", lambda top=top: top)
        with pytest.raises(LossbookError, match="'HEAD' is no folder; a revision needs a git checkout"):
            difference.read("HEAD")
