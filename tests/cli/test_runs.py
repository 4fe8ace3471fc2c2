"""The command: what it prints, and that a mistake is one sentence and exit status 2."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from lossbook import experiments, paths
from lossbook.cli import app
from lossbook.experiments import Cell, Experiment, Profile
from lossbook.results import Record, Store, arrays, attestation
from lossbook.training import RunSpec

SPEC = RunSpec(
    dataset="digits",
    model="keras_mnist_cnn",
    loss="nllr",
    optimizer="keras_adadelta",
    batch_size=32,
    epochs=1,
    train_size=64,
    test_size=50,
)
TOY = Experiment(
    "toy/table1",
    "A toy",
    {"smoke": Profile("smoke", "tiny", (Cell({"loss": "nllr"}, SPEC),), seeds=2)},
)


_GET, _NAMES = experiments.get, experiments.names


def _declare(monkeypatch, toy):
    """Let an experiment be one of the declared ones."""
    monkeypatch.setattr(experiments, "get", lambda name: toy if name == toy.name else _GET(name))
    monkeypatch.setattr(experiments, "names", lambda: [*_NAMES(), toy.name])


@pytest.fixture
def lossbook(command, monkeypatch):
    """The command in a place of its own, with a toy experiment."""
    _declare(monkeypatch, TOY)
    return command


def test_shards_write_files_of_their_own_and_merge(lossbook, tmp_path):
    run = ("run", "toy/table1", "--profile", "smoke", "--device", "cpu")
    for shard in ("1/2", "2/2"):
        status, out, _ = lossbook(*run, "--shard", shard)
        assert (status, "1 runs trained now, 1 of 1 there" in out) == (0, True)
    folder = tmp_path / "build" / "results" / "toy" / "table1"
    assert sorted(p.name for p in folder.glob("*.jsonl")) == [f"smoke.shard-{i}-of-2.jsonl" for i in (1, 2)]

    assert lossbook("results", "merge", "yao2018/table1")[1] == "there are no shards to merge\n"
    assert lossbook("results", "merge")[1] == "toy/table1 [smoke]: 2 records merged\n"
    assert [p.name for p in folder.glob("*.jsonl")] == ["smoke.jsonl"]
    assert lossbook("results", "merge")[1] == "there are no shards to merge\n"
    assert "0 runs trained now, 2 of 2 there" in lossbook(*run)[1]


def test_run_show_export_and_run_again(lossbook, tmp_path):
    status, out, _ = lossbook("run", "toy/table1", "--profile", "smoke", "--seeds", "1", "--device", "cpu")
    assert (status, "1 runs trained now, 1 of 1 there" in out) == (0, True)
    status, out, _ = lossbook("run", "toy/table1", "--profile", "smoke", "--seeds", "1")
    assert (status, "0 runs trained now, 1 of 1 there" in out) == (0, True)

    status, out, _ = lossbook("results", "list")
    assert status == 0
    assert "toy/table1" in out

    status, out, _ = lossbook("results", "show", "toy/table1")
    assert status == 0
    assert SPEC.key in out
    assert "fresh" in out
    assert "digits" in out  # what it was trained on, which its labels do not say

    status, out, _ = lossbook("results", "export", "toy/table1")
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["trust"] == "fresh"
    assert (row["key"], row["label_loss"], row["dataset_used"]) == (SPEC.key, "nllr", "digits")
    assert 0 <= float(row["test_accuracy"]) <= 1

    target = tmp_path / "out" / "records.jsonl"
    status, out, _ = lossbook("results", "export", "--format", "jsonl", "--output", str(target))
    records = [Record.from_json(line, "working") for line in target.read_text().splitlines()]
    assert "toy/table1" in {record.experiment for record in records}

    for words in ((), ("--device", "cpu")):
        status, out, _ = lossbook("pending", "--experiment", "toy/table1", *words)
        assert status == 0
        assert "in all: 1 runs" in out
        assert ("cost here" in out) == bool(words)


def test_one_run_is_trained_again_and_what_differs_is_said(lossbook, tmp_path):
    run = ("run", "toy/table1", "--profile", "smoke", "--seeds", "1", "--device", "cpu")
    assert "1 runs trained now" in lossbook(*run, "--key", SPEC.key[:6])[1]
    again = (*run, "--key", SPEC.key[:6], "--force")
    status, out, _ = lossbook(*again)
    assert status == 0
    assert "1 runs trained now, 1 of 1 there" in out
    assert f"{SPEC.key}: nothing differs, " in out

    path = tmp_path / "build/results/toy/table1/smoke.jsonl"
    record = Store().records("toy/table1")[0]
    made = record.provenance | {"code": "then", "threads": 99}
    path.write_text(
        replace(record, metrics=record.metrics | {"test_ce": 9.0}, provenance=made).to_json() + "\n"
    )
    out = lossbook(*again)[1]
    assert "values differ, the worst agrees to 0 digits" in out
    assert "metrics test_ce: 9.0 then, " in out
    assert "code: then then, " in out
    assert "threads: 99 then, " in out
    # Made by today's code, the new one counts.
    assert "published" not in out
    assert Store().records("toy/table1")[0].metrics == record.metrics

    path.unlink()
    Store(tmp_path / "published").append(record)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "published_results", lambda: tmp_path / "published")
        assert "the published record is still the one that counts" in lossbook(*again)[1]


def test_only_cells_with_the_labels_asked_for_are_trained(lossbook, monkeypatch):
    cells = tuple(Cell({"beta": beta}, replace(SPEC, seed=beta)) for beta in (0, 1))
    toy = Experiment("toy/table1", "", {"smoke": Profile("smoke", "", cells, seeds=1)})
    _declare(monkeypatch, toy)
    status, out, _ = lossbook("run", "toy/table1", "--profile", "smoke", "--where", "beta=1")
    assert (status, "1 runs trained now, 1 of 1 there" in out) == (0, True)
    assert [record.labels for record in Store().records("toy/table1")] == [{"beta": 1}]


def test_status_says_what_is_recorded_and_what_the_rest_would_cost(lossbook, monkeypatch, make_record):
    cells = tuple(
        Cell({"size": size}, replace(SPEC, train_size=size, model=model))
        for size, model in ((64, SPEC.model), (32, SPEC.model), (64, "li2020_cnn2c"))
    )
    profiles = {"smoke": Profile("smoke", "", cells, seeds=2), "quick": Profile("quick", "", cells[:1], 1)}
    _declare(monkeypatch, Experiment("toy/table1", "", profiles))
    store = Store()
    made = {"seconds": 10.0, "train_size": 64, "test_size": 50}
    for spec in (cells[0].spec, replace(cells[0].spec, seed=7)):  # The second is beyond the profile.
        store.append(
            make_record(key=spec.key, profile="smoke", config=spec.config, seed=spec.seed, provenance=made)
        )
    smoke, quick = experiments.status(experiment="toy/table1")
    assert (smoke.runs, smoke.trust, smoke.missing, smoke.rough) == (6, {"unattested": 1}, 5, 2)
    # One more of 64 examples at the recorded 10 s, and two of 32; a test example counts as a third of one to
    # train on. The two of another network are small.
    assert smoke.seconds == pytest.approx(10 + 2 * 10 * (32 + 50 / 3) / (64 + 50 / 3), abs=0.1)
    assert (quick.runs, quick.missing, quick.seconds) == (1, 1, pytest.approx(10))
    status, out, _ = lossbook("status", "--experiment", "toy/table1")
    assert status == 0
    assert "about 22 s, roughly for 2" in out
    assert "1 of 7 runs are recorded" in out
    assert "did you mean 'smoke'" in lossbook("status", "--profile", "smok")[2]


def test_a_summary_says_what_was_run(lossbook, tmp_path):
    target = tmp_path / "summary.json"
    lossbook("run", "toy/table1", "--profile", "smoke", "--seeds", "1", "--summary", str(target))
    content = json.loads(target.read_text())
    assert content["keys"] == [SPEC.key]
    assert content["left"] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "yao2018/tabel1"], "did you mean 'yao2018/table1'"),
        (["run", "toy/table1", "--profile", "smok"], "did you mean 'smoke'"),
        (["run", "toy/table1", "--profile", "smoke", "--device", "gpu"], "auto, cpu, cuda"),
        (["run", "toy/table1", "--profile", "smoke", "--seeds", "0"], "at least 1 seed"),
        (["run", "toy/table1", "--profile", "smoke", "--seeds", "two"], "--seeds"),
        (["run", "toy/table1", "--profile", "smoke", "--budget", "-1"], "positive number of minutes"),
        (["pending", "--profile", "papper"], "did you mean 'paper'"),
        (["pending", "--experiment", "toy/table2"], "did you mean 'toy/table1'"),
        (["results", "show", "toy/tabel1"], "unknown experiment with records"),
        (["results", "export", "--format", "jsnl"], "did you mean 'jsonl'"),
        (["results", "merge", "toy/table2"], "did you mean 'toy/table1'"),
        (["results", "attest", "li2020/tabel3"], "unknown experiment with published records"),
        (["results", "attest", "--budget", "0"], "positive number of minutes"),
        (["results", "merge", "--profile", "smok"], "did you mean 'smoke'"),
        (["run", "toy/table1", "--profile", "smoke", "--device", "cuda:²"], "unknown device 'cuda:²'"),
        (["run", "toy/table1", "--profile", "smoke", "--force"], "name it with --key"),
        (["run", "toy/table1", "--profile", "smoke", "--key", "xyz"], "none of the 2 runs of toy/table1"),
        (["run", "toy/table1", "--profile", "smoke", "--where", "loss=nlr"], "did you mean 'nllr'"),
        (["run", "toy/table1", "--profile", "smoke", "--where", "los=nllr"], "did you mean 'loss'"),
        (["rnu"], "rnu"),
    ],
)
def test_a_mistake_is_a_sentence_and_status_2(lossbook, words, message):
    status, _, err = lossbook(*words)
    assert status == 2
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_an_export_of_a_profile_that_is_elsewhere_leaves_the_file_alone(lossbook, tmp_path, format):
    lossbook("run", "toy/table1", "--profile", "smoke", "--seeds", "1")
    target = tmp_path / "full.csv"
    target.write_text("full")
    words = ("results", "export", "toy/table1", "--profile", "keras12", "--output", str(target))
    status, _, err = lossbook(*words, "--format", format)
    assert (status, target.read_text()) == (2, "full")
    assert "unknown profile of toy/table1 with records 'keras12'" in err
    assert "There are: smoke" in err


def test_an_export_without_records_leaves_the_file_alone(lossbook, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "published_results", lambda: None)
    target = tmp_path / "full.csv"
    target.write_text("full")
    status, _, err = lossbook("results", "export", "--output", str(target))
    assert (status, target.read_text()) == (2, "full")
    assert "no records to export" in err


def test_an_export_has_the_arrays_that_lie_in_files(lossbook, tmp_path):
    lossbook("run", "toy/table1", "--profile", "smoke", "--seeds", "1")
    store = Store()
    (record,) = store.records("toy/table1")
    array = np.arange(6.0).reshape(2, 3)
    files = {"metrics/features": arrays.write(store.working / "toy/table1", array)}
    store.append(replace(record, files=files, provenance=record.provenance | {"finished": "2099"}))
    words = ("results", "export", "toy/table1", "--format", "jsonl")
    assert "--output copies them" in lossbook(*words)[2]
    target = tmp_path / "data/toy/table1/smoke.jsonl"
    assert lossbook(*words, "--output", str(target))[0] == 0
    exported = Store(tmp_path / "none", tmp_path / "data")
    (again,) = exported.records()
    assert (exported.array(again, "metrics/features") == array).all()
    assert exported.problems() == []


def test_damaged_lines_are_checked_and_fixed(lossbook, tmp_path):
    lossbook("run", "toy/table1", "--profile", "smoke", "--seeds", "1")
    assert lossbook("results", "check") == (0, "every line is a record, as it was written\n", "")
    path = tmp_path / "build/results/toy/table1/smoke.jsonl"
    whole = path.read_text()
    path.write_text(whole.replace('"seed":0', '"seed":"0"', 1) + whole[:40] + "\n")
    status, out, err = lossbook("results", "check")
    assert status == 2
    assert out.startswith(f"{path}, line 1: seed is '0', not a whole number\n{path}, line 2: ")
    assert "2 lines are damaged and passed over; `lossbook results check --fix`" in err
    status, out, _ = lossbook("results", "check", "--fix")
    assert status == 0
    assert "line 1: seed is '0', not a whole number; set right" in out
    assert f"moved to {path}.damaged" in out
    assert path.read_text() == whole


def test_attest_trains_the_published_ones_again_and_says_what_it_found(lossbook, tmp_path, monkeypatch):
    lossbook("run", "toy/table1", "--profile", "smoke", "--seeds", "1")
    (record,) = Store().records("toy/table1")
    record = replace(record, provenance=record.provenance | {"code": "then"})
    (tmp_path / "build/results/toy/table1/smoke.jsonl").unlink()
    Store(tmp_path / "published").append(record)
    monkeypatch.setattr(paths, "published_results", lambda: tmp_path / "published")
    monkeypatch.setattr(attestation, "path_of", lambda name: tmp_path / f"attestations/{name}.jsonl")
    attestation.forget()
    assert "unattested" in lossbook("results", "show", "toy/table1")[1]
    assert "1 unattested" in lossbook("results", "list")[1]
    status, out, _ = lossbook("results", "attest", "toy/table1")
    assert status == 0
    assert "exactly" in out
    assert "1 runs trained again, 0 attested before, 0 left" in out
    assert "attested (exact)" in lossbook("results", "show", "toy/table1")[1]
    assert "0 runs trained again, 1 attested before, 0 left" in lossbook("results", "attest")[1]
    attestation.forget()


def test_a_damaged_record_is_reported_and_the_rest_is_shown(lossbook, tmp_path):
    lossbook("run", "toy/table1", "--profile", "smoke", "--seeds", "1")
    path = tmp_path / "build/results/toy/table1/smoke.jsonl"
    path.write_text('{"key": "broken\n' + path.read_text())
    status, out, err = lossbook("results", "show", "toy/table1")
    assert status == 0
    assert "line 1, is not a record" in err
    assert SPEC.key in out


def test_warnings_are_plain_lines(lossbook, tmp_path):
    run = ("run", "toy/table1", "--profile", "smoke", "--seeds", "1", "--device", "cpu")
    lossbook(*run, "--shard", "1/1")
    path = tmp_path / "build/results/toy/table1/smoke.jsonl"
    path.write_text('{"key": "broken\n' + path.read_text())
    _, _, err = lossbook(*run)
    assert err.startswith(f"warning: {path}, line 1, is not a record")
    assert err.count("\n") == 1
    path.rename(path.with_name("smoke.shard-1-of-2.jsonl"))
    _, _, err = lossbook("results", "merge")
    assert err.startswith("warning: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["folder", "file/summary.json"])
def test_a_summary_that_cannot_be_written_is_said_before_anything_is_trained(lossbook, tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    target = tmp_path / name
    status, _, err = lossbook("run", "toy/table1", "--profile", "smoke", "--summary", str(target))
    assert (status, err.startswith(f"lossbook: cannot write {target}: ")) == (2, True)
    assert not (tmp_path / "build").exists()


def test_a_build_folder_that_cannot_be_made_is_a_sentence(lossbook, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LOSSBOOK_BUILD", str(tmp_path / "file" / "build"))
    status, _, err = lossbook("run", "toy/table1", "--profile", "smoke", "--device", "cpu")
    assert status == 2
    assert "set LOSSBOOK_BUILD to a folder that can be written" in err.splitlines()[-1]
    assert "Traceback" not in err


def test_ctrl_c_says_one_line(lossbook, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "run", interrupted)
    assert lossbook("run", "toy/table1") == (130, "", "lossbook: stopped; what was finished is kept\n")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_stopped_run_says_what_is_kept(tmp_path, number, status, processes):
    script = """
from dataclasses import replace
import signal
import sys
from lossbook import experiments
from lossbook.cli import main
from lossbook.experiments import Cell, Experiment, Profile
from lossbook.training import RunSpec

if __name__ == "__main__":
    # A process that a shell started in the background is deaf to it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    spec = RunSpec("digits", "keras_mnist_cnn", "ce", "keras_adadelta", 32, 1, train_size=64, test_size=50)
    long = replace(spec, epochs=100_000)
    cells = (Cell({"epochs": 1}, spec), Cell({"epochs": 100_000}, long))
    toy = Experiment("toy/table1", "", {"smoke": Profile("smoke", "", cells, seeds=1)})
    experiments.get = lambda name: toy
    sys.argv = ["lossbook", "run", "toy/table1", "--profile", "smoke", "--device", "cpu", *sys.argv[1:]]
    main()
"""
    (tmp_path / "toy.py").write_text(script)
    environment = os.environ | {"LOSSBOOK_BUILD": str(tmp_path / "build"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(tmp_path / "toy.py"), "--processes", processes]
    run = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    told = ""
    while "1/2 runs done" not in told:
        told = run.stderr.readline()
        assert told, "it ended by itself"
    run.send_signal(number)
    said = run.communicate(timeout=300)[1].splitlines()[-1]
    assert run.returncode == status
    assert said.startswith("lossbook: stopped; 1 runs were trained now, and are kept; digits ce seed 0 ")
    assert re.search(
        "had no checkpoint yet and starts anew|goes on from a checkpoint saved [0-9]+ s ago", said
    )


def test_runs_that_a_budget_leaves_have_a_status_of_their_own(lossbook):
    run = ("run", "toy/table1", "--profile", "smoke", "--seeds", "1", "--device", "cpu")
    status, out, _ = lossbook(*run, "--budget", "1e-9")
    assert status == 75
    assert "1 runs are left; the same command goes on" in out
    assert lossbook(*run)[0] == 0


def test_every_command_has_help():
    from typer.testing import CliRunner

    for words in ([], ["run"], ["pending"], ["results"], ["results", "export"], ["data"], ["notebook"]):
        result = CliRunner().invoke(app, [*words, "--help"])
        assert result.exit_code == 0, words


def test_the_training_path_needs_no_workflow_notebook_or_plot_library(tmp_path):
    script = """
import sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    names = {"jupytext", "papermill", "snakemake", "nbformat", "nbclient", "ipykernel", "IPython",
             "matplotlib", "seaborn", "sphinx", "jupyter_book", "pooch"}
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"blocked: {name}")

sys.meta_path.insert(0, Blocker())
sys.argv = ["lossbook", "run", "yao2018/table1", "--profile", "smoke", "--seeds", "1"]
from lossbook.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            "PATH": "",
            "HOME": str(tmp_path),
            "LOSSBOOK_BUILD": str(tmp_path / "build"),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "8 runs trained now" in done.stdout
