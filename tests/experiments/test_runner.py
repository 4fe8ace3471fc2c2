"""Running experiments: only what is missing, nothing finished lost, the same numbers again."""

import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import in_other_hands, tiny_experiment

from lossbook import datasets
from lossbook.datasets.data import Dataset, Part
from lossbook.errors import LossbookError, UnknownNameError
from lossbook.experiments import Cell, Experiment, Profile, jobs, locks, planned, runner
from lossbook.experiments.runner import device_named, pending_runs, run_experiment
from lossbook.training import OutOfTimeError, loop, select
from lossbook.training import checkpoint as checkpoints
from lossbook.training.selection import spread


def run(experiment, store, **options):
    return run_experiment(experiment, profile="smoke", device="cpu", progress=False, store=store, **options)


def test_only_what_is_missing_is_trained(store):
    experiment = tiny_experiment()
    first = run(experiment, store, seeds=1)
    assert (first.trained, len(first.records), first.left) == (2, 2, [])
    more = run(experiment, store)
    assert (more.trained, len(more.records)) == (2, 4)
    again = run(experiment, store)
    assert (again.trained, again.records) == (0, more.records)


def test_a_record_says_where_it_comes_from(store):
    (record, _) = run(tiny_experiment(), store, seeds=1).records
    assert record.labels == {"dataset": "digits", "loss": "ce", "epochs": 2}
    assert record.config["train_size"] == 64
    assert "seed" not in record.config
    provenance = record.provenance
    assert provenance["data"] == datasets.load("digits").checksum
    assert provenance["device"] == "cpu"
    assert provenance["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert (provenance["train_size"], provenance["test_size"]) == (64, 50)
    assert record.trust.state == "fresh"
    assert record.metrics["test_accuracy"] == record.curves["test_accuracy"][-1]
    assert all(len(curve) == 2 for curve in record.curves.values())


def test_the_same_numbers_in_another_place(store, tmp_path):
    from lossbook.results import Store

    first = run(tiny_experiment(), store, seeds=1).records
    other = Store(working=tmp_path / "other", published=tmp_path / "published")
    second = run(tiny_experiment(), other, seeds=1).records
    assert [r.curves for r in first] == [r.curves for r in second]
    assert [r.key for r in first] == [r.key for r in second]


def with_a_part(**changes):
    """A whole of two losses, and a part of it with one, under other labels; and a stranger with the same."""
    whole = tiny_experiment(seeds=1, **changes).profiles["smoke"]
    cell = replace(whole.cells[0], labels={"named": "otherwise"})
    part = replace(whole, name="part", cells=(cell,), seeds=2, part_of="smoke")
    profiles = {"smoke": whole, "part": part, "other": replace(part, name="other", part_of=None)}
    return Experiment("toy/table1", "A toy", profiles)


def test_runs_of_a_part_count_for_the_whole_and_the_other_way_round(store):
    toy = with_a_part()
    assert run_experiment(toy, profile="part", seeds=1, store=store, progress=False).trained == 1
    assert [
        p.count for p in pending_runs(toy, toy.profile("smoke"), store=store, estimate=lambda spec: 7.0)
    ] == [1]
    whole = run_experiment(toy, profile="smoke", store=store, progress=False)
    assert whole.trained == 1
    assert [r.profile for r in whole.records] == ["smoke"] * 2
    assert [r.labels["loss"] for r in whole.records] == ["ce", "nllr"]
    # One record was written for each run.
    assert len(store.records()) == 2
    again = run_experiment(toy, profile="part", store=store, progress=False)
    assert again.trained == 1
    assert [r.labels for r in again.records] == [{"named": "otherwise"}] * 2


def test_a_profile_that_is_no_part_shares_nothing(store):
    toy = with_a_part()
    run_experiment(toy, profile="part", seeds=1, store=store, progress=False)
    assert run_experiment(toy, profile="other", seeds=1, store=store, progress=False).trained == 1


def test_runs_of_another_experiment_count_where_they_are_the_same(store, monkeypatch):
    other = tiny_experiment(losses=("ce", "lr"), seeds=1)
    run_experiment(other, profile="smoke", store=store, progress=False)
    cells = [replace(c, labels={"mine": c.spec.loss}) for c in tiny_experiment().profiles["smoke"].cells]
    # Measured otherwise it is another run.
    cells.append(Cell({"mine": "measured"}, replace(cells[0].spec, measures="softmax")))
    profile = Profile("smoke", "tiny", tuple(cells), 1)
    toy = Experiment("toy/table2", "Another toy", {"smoke": profile}, also=(other.name,))
    assert [p.labels["mine"] for p in pending_runs(toy, profile, store=store, estimate=lambda spec: 7.0)] == [
        "nllr",
        "measured",
    ]
    outcome = run_experiment(toy, profile="smoke", store=store, progress=False)
    assert outcome.trained == 2
    found = {r.labels["mine"]: r for r in outcome.records}
    assert set(found) == {"ce", "nllr", "measured"}
    # It stays the other's record, in whose files and attestations it is found.
    assert {name: r.experiment for name, r in found.items()} == {
        "ce": other.name,
        "nllr": toy.name,
        "measured": toy.name,
    }
    # The other way round nothing is taken.
    more = run_experiment(tiny_experiment(seeds=1), profile="smoke", store=store, progress=False)
    assert more.trained == 1


def test_a_fresh_record_of_a_part_comes_before_an_unattested_one(store):
    toy = with_a_part()
    (record,) = run_experiment(toy, profile="part", seeds=1, store=store, progress=False).records
    old = {**record.provenance, "code": "0" * 12}
    store.append(
        replace(record, profile="smoke", provenance=old, labels=dict(toy.profile("smoke").cells[0].labels))
    )
    shown = runner.stored(toy, toy.profile("smoke"), store)
    assert [(r.profile, r.trust.state) for r in shown] == [("smoke", "fresh")]
    # So nothing of it is to be made again.
    assert (
        run_experiment(toy, profile="part", seeds=1, refresh=True, store=store, progress=False).trained == 0
    )


def test_refresh_trains_again_what_other_code_made_and_nothing_else(store, monkeypatch):
    experiment = tiny_experiment(losses=("ce",), seeds=1)
    run(experiment, store)
    assert run(experiment, store, refresh=True).trained == 0
    path = next(store.working.rglob("*.jsonl"))
    (record,) = store.records()
    old = replace(record, provenance=record.provenance | {"code": "0" * 12})
    path.write_text(old.to_json() + "\n")
    kept = run(experiment, store)
    assert (kept.trained, len(kept.unattested)) == (0, 1)
    made = run(experiment, store, refresh=True)
    assert (made.trained, made.unattested) == (1, [])
    assert len(made.records) == 1


def test_a_record_that_does_not_say_what_made_it_is_unattested(store):
    experiment = tiny_experiment(losses=("ce",), seeds=1)
    (record,) = run(experiment, store).records
    path = next(store.working.rglob("*.jsonl"))
    path.write_text(replace(record, provenance={}).to_json() + "\n")
    assert (run(experiment, store).trained, len(run(experiment, store).unattested)) == (0, 1)
    assert run(experiment, store, refresh=True).trained == 1


def test_a_budget_stops_and_the_same_command_goes_on_to_the_same_numbers(store, tmp_path, place, monkeypatch):
    from lossbook.results import Store

    experiment = tiny_experiment(epochs=5, losses=("ce",), seeds=1)
    whole = run(experiment, Store(working=tmp_path / "whole", published=tmp_path / "none"))

    real, started = loop._train_epoch, []

    def no_time_after_two_epochs(*arguments):
        started.append(1)
        if len(started) == 3:
            raise OutOfTimeError
        return real(*arguments)

    monkeypatch.setattr(checkpoints, "SECONDS", -1.0)
    monkeypatch.setattr(loop, "_train_epoch", no_time_after_two_epochs)
    outcome = run(experiment, store, budget_minutes=60)
    assert (outcome.records, len(outcome.left), outcome.trained) == ([], 1, 0)
    assert len(list((place / "checkpoints").glob("*.pt"))) == 1
    continued = run(experiment, store)
    assert len(started) == 3 + 3
    assert continued.records[0].curves == whole.records[0].curves
    assert not list((place / "checkpoints").glob("*.pt"))


def test_a_budget_ends_the_command_in_time(store):
    experiment = tiny_experiment(epochs=100_000, losses=("ce",), seeds=1)
    started = time.monotonic()
    outcome = run(experiment, store, budget_minutes=0.01)
    assert time.monotonic() - started < 20
    assert len(outcome.left) == 1


def test_a_budget_shorter_than_an_epoch_says_that_it_must_be_longer(store, capsys):
    experiment = tiny_experiment(losses=("ce",), seeds=1)
    options = {"profile": "smoke", "device": "cpu", "store": store}
    run_experiment(experiment, budget_minutes=1e-9, **options)
    said = capsys.readouterr().err
    assert "before an epoch of keras_mnist_cnn on digits was finished" in said
    assert "needs a longer budget" in said


def stop_after(epochs, monkeypatch):
    """Save after each epoch, and stop so many epochs later."""
    real, started = loop._train_epoch, []

    def train_epoch(*arguments):
        started.append(1)
        if len(started) == epochs + 1:
            raise OutOfTimeError
        return real(*arguments)

    monkeypatch.setattr(checkpoints, "SECONDS", -1.0)
    monkeypatch.setattr(loop, "_train_epoch", train_epoch)
    return started


def test_a_checkpoint_made_on_other_data_is_not_continued(store, tmp_path, monkeypatch):
    from lossbook.results import Store

    experiment = tiny_experiment(epochs=4, losses=("ce",), seeds=1)
    whole = run(experiment, Store(working=tmp_path / "whole", published=tmp_path / "none"))
    stop_after(2, monkeypatch)
    plain = datasets.load

    def inverted(name):
        data = plain(name)
        train = data.parts["train"]
        parts = {**data.parts, "train": replace(train, inputs=255 - train.inputs)}
        return replace(data, parts=parts, checksum="0" * 64)

    with monkeypatch.context() as changed:
        changed.setattr(jobs.datasets, "load", inverted)
        assert run(experiment, store, budget_minutes=60).trained == 0
    assert run(experiment, store).records[0].curves == whole.records[0].curves


@pytest.mark.parametrize("damage", [b"", b"nothing", b"PK\x03\x04", "half", "other"])
def test_a_damaged_checkpoint_is_dropped_and_the_run_starts_anew(store, place, monkeypatch, damage):
    experiment = tiny_experiment(epochs=3, losses=("ce",), seeds=1)
    stop_after(1, monkeypatch)
    run(experiment, store, budget_minutes=60)
    (checkpoint,) = (place / "checkpoints").glob("*.pt")
    if damage == "other":
        torch.save({"epochs": 1}, checkpoint)
    else:
        content = checkpoint.read_bytes()
        checkpoint.write_bytes(content[: len(content) // 2] if damage == "half" else damage)
    with pytest.warns(UserWarning, match=r"\.pt is damaged and was deleted"):
        outcome = run(experiment, store)
    assert outcome.trained == 1


def no_training(*_, **__):
    raise AssertionError("this was trained before")


def test_what_was_trained_is_not_lost_when_its_record_cannot_be_written(store, tmp_path, place, monkeypatch):
    from lossbook.results import Store

    experiment = tiny_experiment(
        epochs=3, losses=("ce",), seeds=1, measures="reliability_softmax", epoch_measures="softmax"
    )
    whole = run(experiment, Store(working=tmp_path / "whole", published=tmp_path / "none"))

    def full(record):
        raise LossbookError("the disk is full")

    with monkeypatch.context() as changed:
        changed.setattr(store, "append", full)
        with pytest.raises(LossbookError, match="the disk is full"):
            run(experiment, store)
    assert not store.records()
    monkeypatch.setattr("lossbook.training.loop._train_epoch", no_training)
    outcome = run(experiment, store)
    (record,), (other,) = outcome.records, whole.records
    assert outcome.trained == 1
    assert (record.curves, record.metrics, record.status) == (other.curves, other.metrics, other.status)
    assert not list((place / "checkpoints").glob("*.pt"))


def test_what_was_trained_is_not_lost_when_it_cannot_be_measured(store, tmp_path, monkeypatch):
    from lossbook.results import Store
    from lossbook.training import plan

    def fails(subject):
        raise ValueError("no example of class 3")

    experiment = tiny_experiment(losses=("ce",), seeds=1, measures="softmax")
    whole = run(experiment, Store(working=tmp_path / "whole", published=tmp_path / "none"))
    with monkeypatch.context() as changed:
        changed.setattr(plan.measures, "get", lambda name: fails)
        with pytest.raises(ValueError, match="no example of class 3"):
            run(experiment, store)
    # Mended, it measures the network that is there.
    monkeypatch.setattr("lossbook.training.loop._train_epoch", no_training)
    assert run(experiment, store).records[0].metrics == whole.records[0].metrics


def test_what_was_trained_with_other_code_or_data_is_trained_again(store, monkeypatch):
    experiment = tiny_experiment(losses=("ce",), seeds=1)
    with monkeypatch.context() as changed:
        changed.setattr(planned, "code_hash", lambda modules: "0" * 12)
        changed.setattr(store, "append", no_training)
        with pytest.raises(AssertionError):
            run(experiment, store)
    started = stop_after(100, monkeypatch)
    assert run(experiment, store).trained == 1
    assert len(started) == 2


@pytest.mark.filterwarnings("ignore:.*cannot be read")
def test_a_store_that_cannot_be_written_is_named_before_anything_is_trained(store, monkeypatch):
    (store.working / "toy/table1/smoke.jsonl").mkdir(parents=True)
    monkeypatch.setattr(runner, "train_job", no_training)
    with pytest.raises(LossbookError, match=r"cannot write records of toy/table1 to .*LOSSBOOK_BUILD"):
        run(tiny_experiment(losses=("ce",), seeds=1), store)


def test_kill_9_loses_no_finished_run(store, place):
    script = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from tiny import tiny_experiment
        from lossbook.experiments.runner import run_experiment
        run_experiment(tiny_experiment(epochs=2, seeds=50), profile="smoke", device="cpu", progress=False)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=os.environ | {"LOSSBOOK_BUILD": str(place), "OMP_NUM_THREADS": "1"},
    )
    path = place / "results/toy/table1/smoke.jsonl"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not (path.is_file() and path.read_bytes().count(b"\n") >= 2):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = store.records()
    assert 2 <= len(before) < 100
    experiment = tiny_experiment(epochs=2, seeds=2)
    outcome = run(experiment, store)
    assert len(outcome.records) == 4
    assert outcome.trained == 4 - min(len(before), 4)


def test_a_run_in_another_process_hands_is_left_to_it(store, place):
    experiment = tiny_experiment(losses=("ce",), seeds=1)
    runs, _ = runner.plan_experiment(experiment, experiment.profiles["smoke"])
    lock = place / "checkpoints" / f"{runs[0].spec.key}.lock"
    with in_other_hands(lock):
        lock.write_text("process 1 on another")
        outcome = run(experiment, store)
        assert locks.holders(runs) == ["process 1 on another"]
    assert (outcome.trained, len(outcome.left)) == (0, 1)
    assert locks.holders(runs) == []
    assert run(experiment, store).trained == 1


def test_a_build_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch, store):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LOSSBOOK_BUILD", str(tmp_path / "file" / "build"))
    with pytest.raises(LossbookError, match=r"cannot write to .*/file/build/checkpoints.*LOSSBOOK_BUILD"):
        run(tiny_experiment(losses=("ce",), seeds=1), store)


def test_a_run_that_diverges_is_recorded_as_such(store):
    experiment = tiny_experiment(losses=("nllr",), seeds=1, epochs=5, optimizer_options={"lr": 1e30})
    (record,) = run(experiment, store).records
    assert record.status == "diverged"
    assert record.metrics["train_loss"] is None
    assert len(record.curves["train_loss"]) < 5
    assert run(experiment, store).trained == 0


def test_losses_see_the_same_weights_and_the_same_order(store):
    ce, nllr = run(tiny_experiment(), store, seeds=1).records
    assert (ce.labels["loss"], nllr.labels["loss"]) == ("ce", "nllr")
    other = run(tiny_experiment(), store, seeds=2).records
    assert len({r.metrics["test_ce"] for r in other}) == 4


def test_embedded_data_stands_in_only_where_a_profile_allows_it(store, monkeypatch):
    def unobtainable(name, **_):
        raise datasets.DataUnavailableError(f"{name} is unavailable")

    monkeypatch.setattr(runner.datasets, "present", lambda name: name == "digits")
    monkeypatch.setattr(runner.datasets, "get", unobtainable, raising=False)
    plain = tiny_experiment(losses=("ce",), seeds=1).profiles["smoke"]
    cells = tuple(
        Cell({"dataset": "mnist"}, replace(cell.spec, dataset="mnist", epochs=1)) for cell in plain.cells
    )
    allowed = Experiment("toy/a", "", {"smoke": Profile("smoke", "", cells, 1, embedded_fallback=True)})
    outcome = run(allowed, store)
    assert outcome.records[0].config["dataset"] == "digits"
    assert outcome.records[0].labels == {"dataset": "mnist"}
    assert "stand in for it" in outcome.notes[0]
    assert "mnist is unavailable" in outcome.notes[0]


def test_a_run_that_stands_in_for_two_sets_is_trained_once_and_shown_for_both(store, monkeypatch):
    def unobtainable(name, **_):
        raise datasets.DataUnavailableError(f"{name} is unavailable")

    monkeypatch.setattr(runner.datasets, "present", lambda name: name == "digits")
    monkeypatch.setattr(runner.datasets, "get", unobtainable, raising=False)
    (plain,) = tiny_experiment(losses=("ce",), epochs=1).profiles["smoke"].cells
    cells = tuple(
        Cell({"dataset": name}, replace(plain.spec, dataset=name, train_size=size))
        for name, size in (("mnist", 64), ("fashion_mnist", 64), ("kmnist", 65))
    )
    toy = Experiment("toy/a", "", {"smoke": Profile("smoke", "", cells, 1, embedded_fallback=True)})
    outcome = run(toy, store)
    assert outcome.trained == 1
    assert {r.labels["dataset"] for r in outcome.records} == {"mnist", "fashion_mnist", "kmnist"}
    assert len(store.records()) == len({r.key for r in outcome.records}) == 1
    assert any(
        note.startswith("mnist and fashion_mnist and kmnist are labels of the same runs")
        for note in outcome.notes
    )
    again = run(toy, store)
    assert (again.trained, again.records, again.left) == (0, outcome.records, [])

    # With the sets at hand, what stood in for them is not a record of a run.
    monkeypatch.setattr(runner.datasets, "present", lambda name: True)
    runs, _ = runner.plan_experiment(toy, toy.profile("smoke"))
    assert len(runs) == 3
    assert runner.missing(runs, store, False) == runs


def test_every_cell_of_an_experiment_has_records_where_no_data_can_be_had(store, monkeypatch):
    from lossbook import experiments
    from lossbook.evidence import recorded

    def unobtainable(name, **_):
        raise datasets.DataUnavailableError(f"{name} is unavailable")

    monkeypatch.setattr(runner.datasets, "present", lambda name: name == "digits")
    monkeypatch.setattr(runner.datasets, "get", unobtainable, raising=False)
    table3 = experiments.get("li2020/table3")
    quick = table3.profile("quick")
    runs, _ = runner.plan_experiment(table3, quick)
    assert len(runs) == len(quick.runs()) / 2
    (made,) = run(tiny_experiment(losses=("ce",), seeds=1), store).records
    for each in runs:
        labels = dict(each.cell.labels)
        store.append(
            replace(
                made,
                experiment=table3.name,
                profile="quick",
                key=each.spec.key,
                config=each.spec.config,
                seed=each.spec.seed,
                labels=labels,
            )
        )
    outcome = run_experiment(table3, profile="quick", store=store, device="cpu", progress=False)
    assert (outcome.trained, outcome.left) == (0, [])
    assert len(outcome.records) == len(quick.runs())
    # So a page shows both sets, from what was just run or from the store.
    for found in (outcome, None):
        shown = recorded(table3.name, "quick", outcome=found, store=store)
        for cell in quick.cells:
            assert len(shown.runs("quick", **cell.labels).records) == quick.seeds


def test_runs_on_a_set_that_cannot_be_had_are_left_with_the_reason(store, monkeypatch, tmp_path):
    monkeypatch.setenv("LOSSBOOK_DATA", str(tmp_path / "empty"))
    monkeypatch.setattr(
        runner.datasets, "load", lambda name: (_ for _ in ()).throw(datasets.DataUnavailableError("no mnist"))
    )
    outcome = run(tiny_experiment(losses=("ce",), seeds=1), store)
    assert (outcome.trained, len(outcome.left)) == (0, 1)
    assert any("no mnist" in note for note in outcome.notes)


def test_subsets_are_spread_evenly():
    assert spread(10, 5).tolist() == [0, 2, 4, 6, 8]
    assert spread(4, None).tolist() == [0, 1, 2, 3]
    assert spread(4, 9).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("settings", "train", "test"),
    [
        ({}, list(range(20)), list(range(10))),
        ({"train_size": 7, "test_size": 3}, [0, 2, 5, 8, 11, 14, 17], [0, 3, 6]),
        ({"validation_size": 5, "train_size": 6}, [1, 3, 7, 10, 14, 17], [0, 4, 8, 12, 16]),
        ({"validation_size": 5, "test_size": 2, "train_size": 2}, [1, 10], [0, 8]),
        (
            {"class_shares": (1, 0.5)},
            [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18],
            list(range(10)),
        ),
        ({"class_shares": (1, 0.5), "train_size": 6}, [0, 1, 4, 10, 11, 14], list(range(10))),
        (
            {"class_shares": (1, 1), "validation_size": 5},
            [1, 2, 5, 6, 9, 10, 13, 14, 17, 18],
            [0, 4, 8, 12, 16],
        ),
    ],
)
def test_the_examples_that_records_rest_on_stay_the_same(settings, train, test):
    """Worked out by hand."""
    rows, others = torch.arange(20), torch.arange(10)
    parts = {
        "train": datasets.Part(rows.to(torch.uint8).view(20, 1, 1, 1), rows % 2),  # an image is its row
        "test": datasets.Part(others.to(torch.uint8).view(10, 1, 1, 1), others % 2),
    }
    data = datasets.Dataset("toy", "images", parts, 2, ("even", "odd"), "")
    (cell,) = tiny_experiment(losses=("ce",), train_size=None, test_size=None).profiles["smoke"].cells
    chosen = select(data, replace(cell.spec, **settings)).parts
    for name, expected in (("train", train), ("test", test)):
        assert chosen[name].inputs.flatten().tolist() == expected
        assert chosen[name].targets.tolist() == [row % 2 for row in expected]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "at least 1 seed"),
        ({"budget_minutes": 0.0}, "positive number of minutes"),
        ({"budget_minutes": math.nan}, "positive number of minutes"),
    ],
)
def test_settings_that_make_no_sense_are_refused(store, options, message):
    with pytest.raises(LossbookError, match=message):
        run(tiny_experiment(), store, **options)


def test_unknown_names_are_refused_with_the_nearest(store):
    with pytest.raises(UnknownNameError, match="did you mean 'smoke'"):
        run_experiment(tiny_experiment(), profile="smok", store=store)
    with pytest.raises(LossbookError, match="auto, cpu, cuda"):
        device_named("gpu")
    with pytest.raises(LossbookError, match="auto, cpu, cuda"):
        device_named("cuda:x")
    for number in ("²", "١", "-1"):
        with pytest.raises(LossbookError, match="auto, cpu, cuda"):
            device_named(f"cuda:{number}")
    if not torch.cuda.is_available():
        with pytest.raises(LossbookError, match="torch sees 0 GPUs"):
            device_named("cuda")


def test_pending_counts_what_is_missing_and_multiplies_its_cost(store):
    experiment = tiny_experiment()
    run(experiment, store, seeds=1)
    found = pending_runs(experiment, experiment.profiles["smoke"], store=store, estimate=lambda spec: 7.0)
    assert [(cell.labels["loss"], cell.count, cell.seconds) for cell in found] == [
        ("ce", 1, 7.0),
        ("nllr", 1, 7.0),
    ]


def test_a_loss_with_a_schedule_is_taken_from_epoch_to_epoch(store):
    """Weighted by class too; the loss is then within another."""

    def curves(**options):
        changes = {"optimizer": "sgd", "optimizer_options": {"lr": 0.1}, "class_weight": "inverse_frequency"}
        toy = tiny_experiment(losses=["ceel"], seeds=1, loss_options=options, **changes)
        return run_experiment(toy, profile="smoke", store=store).records[0].curves["train_loss"]

    ce, el, both = (
        curves(alpha=1.0, beta=1.0),
        curves(alpha=0.0, beta=1.0),
        curves(schedule=[0.0, 0.5]),
    )
    assert both[0] == ce[0]
    assert both[1] not in (ce[1], el[1])
    assert both[1] < 1 < ce[1], "the expectation loss is at most 1, whatever the network"


def test_a_key_names_one_run_of_the_profile(store):
    toy = tiny_experiment()
    profile = toy.profiles["smoke"]
    larger = replace(profile, name="paper", seeds=3)
    toy = replace(toy, profiles={"smoke": profile, "paper": larger})
    keys = [spec.key for _, spec in larger.runs()]
    (run,), _ = runner.plan_experiment(toy, profile, key=keys[1][:8])
    assert run.spec.key == keys[1]
    with pytest.raises(LossbookError, match=r"none of the 4 runs .* at profile smoke .*at profile paper"):
        runner.plan_experiment(toy, profile, key=keys[5])
    with pytest.raises(LossbookError, match=f"4 runs have a key that begins with ''.*{keys[0]}, {keys[1]}"):
        runner.plan_experiment(toy, profile, key="")


def test_embedded_cells_are_chosen_by_their_own_labels(store, monkeypatch):
    def unobtainable(name, **_):
        raise datasets.DataUnavailableError(f"{name} is unavailable")

    monkeypatch.setattr(runner.datasets, "present", lambda name: name == "digits")
    monkeypatch.setattr(runner.datasets, "get", unobtainable, raising=False)
    embedded = tiny_experiment().profiles["smoke"].cells
    cells = tuple(replace(cell, spec=replace(cell.spec, dataset="mnist")) for cell in embedded)
    toy = Experiment("toy/a", "", {"smoke": Profile("smoke", "", cells, 1, embedded_cells=embedded)})
    (run,), _ = runner.plan_experiment(toy, toy.profile("smoke"), where={"loss": "nllr"})
    assert (run.spec.loss, run.spec.dataset) == ("nllr", "digits")


@pytest.mark.parametrize(("size", "refused"), [(120, True), (119, False)])
def test_examples_in_the_order_of_their_classes_are_not_cut_to_a_few_classes(
    store, monkeypatch, size, refused
):
    images = torch.zeros(1200, 16, 16, 1, dtype=torch.uint8)
    part = Part(images, torch.arange(1200) % 10)
    ordered = Dataset("digits", "images", {"train": part, "test": part}, 10, tuple("0123456789"), "x", ())
    monkeypatch.setattr(datasets, "load", lambda name, **_: ordered)
    experiment = tiny_experiment(losses=("ce",), seeds=1, epochs=1, train_size=size)
    if refused:
        with pytest.raises(LossbookError, match=r"none of 9 of the 10 classes.*one less"):
            run(experiment, store)
    else:
        assert len(run(experiment, store).records) == 1
