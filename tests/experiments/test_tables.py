"""Runs on tables: trained together, each the same as alone, whatever happens on the way."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lossbook import datasets
from lossbook.errors import LossbookError
from lossbook.experiments import Cell, Experiment, Profile, jobs, runner
from lossbook.experiments.progress import estimate_seconds
from lossbook.experiments.runner import run_experiment
from lossbook.results import Store
from lossbook.training import OutOfTimeError, RunSpec, plan_run
from lossbook.training import checkpoint as checkpoints
from lossbook.training import replicas as engine


def cell(table="sklearn/iris", network="linear", loss="ce", rate=0.01, epochs=3, **options):
    labels = {"dataset": table, "classifier": network, "loss": loss, "learning_rate": rate}
    spec = RunSpec(
        dataset=table,
        model=network,
        loss=loss,
        optimizer="sgd",
        batch_size=8,
        epochs=epochs,
        loss_options=options,
        optimizer_options={"lr": rate, "momentum": 0.9},
    )
    return Cell(labels, spec)


CELLS = (
    cell(),
    cell(loss="el"),
    cell(loss="ceel", schedule="0-0.5", epochs=6),
    cell(network="hidden", loss="focal", rate=0.005),
    cell("sklearn/wine"),
)


def experiment(*cells, seeds=2, **settings):
    return Experiment("toy/tables", "A toy", {"smoke": Profile("smoke", "tiny", cells, seeds, **settings)})


def run(chosen, store, **options):
    return run_experiment(chosen, profile="smoke", device="cpu", progress=False, store=store, **options)


def here(spec):
    return estimate_seconds(spec, torch.device("cpu"))


def numbers(outcome):
    return {record.key: record.metrics for record in outcome.records}


def other_store(tmp_path, name="other"):
    return Store(working=tmp_path / name, published=tmp_path / "published")


def test_a_record_says_what_was_measured_and_how(store):
    (record, *_) = run(experiment(*CELLS), store).records
    assert record.labels["dataset"] == "sklearn/iris"
    assert (record.config["dataset"], record.config["model"]) == ("sklearn/iris", "linear")
    assert record.curves == {}
    assert record.trust.state == "fresh"
    made = record.provenance
    table = datasets.load_embedded_uci("iris")
    rows = datasets.split(table)
    assert made["data"] == table.checksum
    assert made["data_notes"] == list(table.notes)
    sizes = {"train": len(rows.train), "validation": len(rows.validation), "test": len(rows.test)}
    assert {part: made[f"{part}_size"] for part in sizes} == sizes
    # The three on iris with a linear classifier, times two seeds.
    assert (made["trained_together"], made["gradient"]) == (6, "closed form")
    json.loads(record.to_json())


def test_metrics_are_those_of_the_last_epoch_and_of_the_chosen_ones(store):
    chosen = CELLS[2]
    (record,) = run(experiment(chosen, seeds=1), store).records
    plan = plan_run(chosen.spec)
    arrays = jobs.split_arrays(datasets.load_table("sklearn/iris"), runner.device_named("cpu"))
    (result,) = engine.train_replicas(
        [plan.replica], arrays, hidden=0, batch_size=8, momentum=0.9, ties="last"
    )
    curves, metrics = result.curves, record.metrics
    validation = curves["validation_accuracy"]
    last = max(epoch for epoch, value in enumerate(validation) if value == max(validation))
    by_batches = curves["validation_batch_accuracy"]
    published = max(epoch for epoch, value in enumerate(by_batches) if value == max(by_batches))
    first = validation.index(max(validation))
    expected = {name: values[-1] for name, values in curves.items()} | {
        "selected_epoch": last,
        "selected_validation_accuracy": validation[last],
        "selected_validation_ce": curves["validation_ce"][last],
        "selected_test_accuracy": curves["test_accuracy"][last],
        "selected_test_ce": curves["test_ce"][last],
        "selected_first_epoch": first,
        "selected_first_test_accuracy": curves["test_accuracy"][first],
        "by_batches_epoch": published,
        "by_batches_validation_batch_accuracy": by_batches[published],
        "by_batches_test_batch_accuracy": curves["test_batch_accuracy"][published],
    }
    assert metrics == pytest.approx(expected, rel=1e-5)


def test_a_run_alone_is_the_same_as_in_company(store, tmp_path):
    together = numbers(run(experiment(*CELLS), store))
    apart = other_store(tmp_path)
    alone = {}
    for each in CELLS:
        for seeds in (1, 2):  # So the second seed is trained without the first.
            alone |= numbers(run(experiment(each, seeds=seeds), apart))
    if engine.torch.backends.mkl.is_available():
        assert alone == together
    else:
        for key, metrics in together.items():
            assert alone[key]["test_ce"] == pytest.approx(metrics["test_ce"], rel=1e-3)


def test_a_budget_stops_and_the_same_command_goes_on_to_the_same_numbers(store, tmp_path, place, monkeypatch):
    whole = numbers(run(experiment(*CELLS), other_store(tmp_path)))
    real, passes = engine._Program.train, []

    def no_time_in_the_third(*arguments):
        passes.append(1)
        if len(passes) == 3:
            raise OutOfTimeError
        return real(*arguments)

    monkeypatch.setattr(checkpoints, "SECONDS", -1.0)
    monkeypatch.setattr(engine._Program, "train", no_time_in_the_third)
    stopped = run(experiment(*CELLS), store, budget_minutes=60)
    assert (stopped.trained, len(stopped.left)) == (0, 10)
    assert len(list((place / "checkpoints").glob("*.pt"))) == 1
    passes.append(1)
    continued = run(experiment(*CELLS), store)
    assert numbers(continued) == whole
    # Iris goes on with its third pass of six; then three each of the hidden network and of wine.
    assert len(passes) - 4 == 4 + 3 + 3
    assert not list((place / "checkpoints").glob("*.pt"))


def test_a_checkpoint_made_on_other_data_is_not_continued(store, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", -1.0)
    real = engine._Program.train
    chosen = experiment(CELLS[2], seeds=1)
    whole = numbers(run(chosen, other_store(tmp_path)))

    def stop_late(self, epoch, deadline):
        if epoch == 4:
            raise OutOfTimeError
        return real(self, epoch, deadline)

    monkeypatch.setattr(engine._Program, "train", stop_late)
    plain = datasets.load_table
    with monkeypatch.context() as changed:

        def other(name):
            table = plain(name)
            return replace(table, features=table.features * 2, checksum="0" * 64)

        changed.setattr(jobs.datasets, "load_table", other)
        run(chosen, store, budget_minutes=60)
    monkeypatch.setattr(engine._Program, "train", real)
    assert numbers(run(chosen, store)) == whole


def test_what_was_trained_is_not_lost_when_its_records_cannot_be_written(store, tmp_path, place, monkeypatch):
    chosen = experiment(*CELLS)
    whole = numbers(run(chosen, other_store(tmp_path)))
    append, written = store.append, []

    def full_after_one(record):
        written.append(1)
        if len(written) == 2:
            raise LossbookError("the disk is full")
        return append(record)

    with monkeypatch.context() as changed:
        changed.setattr(store, "append", full_after_one)
        with pytest.raises(LossbookError, match="the disk is full"):
            run(chosen, store)
    assert len(store.records()) == 1
    trained, real = [], engine._Program.train

    def train(self, epoch, deadline):
        trained.append(len(self.members))
        return real(self, epoch, deadline)

    monkeypatch.setattr(engine._Program, "train", train)
    outcome = run(chosen, store)
    assert numbers(outcome) == whole
    # All of the first table's networks are there; the others, of two seeds, are yet to be trained.
    assert trained == [2] * (3 + 3)
    assert not list((place / "checkpoints").glob("*.pt"))


@pytest.mark.parametrize(
    "error", [RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError("no more")]
)
def test_out_of_memory_halves_the_replicas_and_goes_on(store, tmp_path, monkeypatch, error):
    whole = run(experiment(*CELLS[:3], seeds=3), other_store(tmp_path))
    real, sizes = jobs.train_replicas, []

    def no_room_for_more_than_three(replicas, *arguments, **settings):
        sizes.append(len(replicas))
        if len(replicas) > 3:
            raise error
        return real(replicas, *arguments, **settings)

    monkeypatch.setattr(jobs, "train_replicas", no_room_for_more_than_three)
    halved = run(experiment(*CELLS[:3], seeds=3), store)
    assert sizes == [9, 4, 2, 2, 5, 2, 3]
    assert [r.metrics for r in halved.records] == [r.metrics for r in whole.records]
    assert {r.provenance["trained_together"] for r in halved.records} == {2, 3}


def test_no_memory_for_one_alone_is_said_and_other_errors_are_not_swallowed(store, monkeypatch):
    def fail(error):
        def raised(*_, **__):
            raise error

        return raised

    monkeypatch.setattr(jobs, "train_replicas", fail(RuntimeError("can't allocate memory")))
    with pytest.raises(LossbookError, match="sklearn/iris needs more memory than there is"):
        run(experiment(CELLS[0]), store)
    monkeypatch.setattr(jobs, "train_replicas", fail(RuntimeError("something else")))
    with pytest.raises(RuntimeError, match="something else"):
        run(experiment(CELLS[0]), store)


def test_a_replica_that_diverges_is_recorded_and_disturbs_nobody(store, tmp_path):
    bad = cell(loss="nllr", rate=3e38)
    outcome = run(experiment(CELLS[0], bad, seeds=1), store)
    by_loss = {record.labels["loss"]: record for record in outcome.records}
    assert by_loss["nllr"].status == "diverged"
    assert by_loss["nllr"].metrics["test_accuracy"] is None
    assert by_loss["nllr"].metrics["selected_epoch"] is None
    alone = run(experiment(CELLS[0], seeds=1), other_store(tmp_path)).records[0]
    assert by_loss["ce"].metrics == pytest.approx(alone.metrics, rel=1e-6)
    assert run(experiment(CELLS[0], bad, seeds=1), store).trained == 0


@pytest.fixture
def no_collection(monkeypatch, tmp_path):
    monkeypatch.setenv("LOSSBOOK_DATA", str(tmp_path / "empty"))

    def unobtainable(_):
        raise datasets.DataUnavailableError("no server answered")

    import lossbook.datasets.download

    monkeypatch.setattr(lossbook.datasets.download, "get", unobtainable)


def test_a_table_that_cannot_be_had_is_passed_over(store, no_collection):
    chosen = experiment(cell("uci121/abalone"), CELLS[0], seeds=1)
    outcome = run(chosen, store)
    assert (outcome.trained, [run.spec.dataset for run in outcome.left]) == (1, ["uci121/abalone"])
    (note,) = (note for note in outcome.notes if "abalone" in note)
    assert note.startswith("uci121/abalone was not run")
    assert "no server answered" in note


def test_a_table_that_must_not_be_read_is_passed_over(store, monkeypatch, tmp_path):
    monkeypatch.setenv("LOSSBOOK_DATA", str(tmp_path / "data"))
    real = Path.is_file

    def is_file(path):
        if tmp_path / "data" in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "is_file", is_file)
    chosen = experiment(cell("uci121/annealing"), CELLS[0], seeds=1)
    outcome = run_experiment(chosen, profile="smoke", device="cpu", store=store)
    assert (outcome.trained, [run.spec.dataset for run in outcome.left]) == (1, ["uci121/annealing"])
    (note,) = (note for note in outcome.notes if "annealing" in note)
    assert "Permission denied" in note
    (waiting,) = runner.pending_runs(chosen, chosen.profiles["smoke"], store=store, estimate=here)
    assert not waiting.data_present


def test_if_nothing_can_be_had_the_runs_are_left_with_the_reason(store, no_collection):
    outcome = run(experiment(cell("uci121/abalone")), store)
    assert outcome.trained == 0
    assert {run.spec.dataset for run in outcome.left} == {"uci121/abalone"}
    assert any("abalone is unavailable" in note for note in outcome.notes)


def test_embedded_tables_are_run_instead_where_the_profile_has_some(store, no_collection):
    chosen = experiment(cell("uci121/abalone"), seeds=1, embedded_cells=(CELLS[0], CELLS[4]))
    outcome = run(chosen, store)
    assert [record.labels["dataset"] for record in outcome.records] == ["sklearn/iris", "sklearn/wine"]
    assert "uci121/abalone: unavailable" in outcome.notes[0]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shards_are_a_division_that_keeps_together_what_is_trained_together(count):
    runs, _ = runner.plan_experiment(experiment(*CELLS), experiment(*CELLS).profiles["smoke"])
    parts = [runner.part(runs, index, count) for index in range(1, count + 1)]
    assert sorted(r.spec.key for part in parts for r in part) == sorted(r.spec.key for r in runs)
    groups = [{r.job for r in part} for part in parts]
    assert sum(len(group) for group in groups) == len(set().union(*groups)) == 3


def test_a_shard_trains_its_part_alone(store):
    outcome = run(experiment(*CELLS), store, shard=(3, 3))
    assert {record.labels["dataset"] for record in outcome.records} == {"sklearn/wine"}
    assert (outcome.trained, outcome.left) == (2, [])
    for wrong in ((0, 3), (4, 3), (1, 0)):
        with pytest.raises(LossbookError, match="i from 1 to n"):
            run(experiment(*CELLS), store, shard=wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "keras_adadelta"}, "trained with 'sgd'"),
        ({"optimizer_options": {"lr": 0.1, "nesterov": True}}, "nesterov"),
        ({"augmentation": "keras_shift_flip"}, "the whole table"),
        ({"train_size": 10}, "the whole table"),
        ({"loss": "cee"}, "did you mean 'ceel'"),
    ],
)
def test_settings_a_table_cannot_be_trained_with_are_refused(change, message):
    with pytest.raises((ValueError, LossbookError), match=message):
        plan_run(replace(CELLS[0].spec, **change))


def test_what_would_it_cost(store):
    chosen = experiment(CELLS[0], CELLS[3], cell("uci121/abalone"))
    found = runner.pending_runs(chosen, chosen.profiles["smoke"], store=store, estimate=here)
    assert [each.count for each in found] == [2, 2, 2]
    assert all(0 < each.seconds < 60 for each in found)
    assert [each.data_present for each in found][:2] == [True, True]
