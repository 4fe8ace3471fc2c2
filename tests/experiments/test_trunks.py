"""Runs that are the same for their first epochs: trained once, recorded as if each had been trained alone."""

import json

import pytest
import torch
from tiny import in_other_hands, tiny_experiment

from lossbook.experiments import Cell, Experiment, Profile, costs, runner, trunks
from lossbook.experiments.runner import run_experiment
from lossbook.results import Store
from lossbook.training import OutOfTimeError, RunSpec, loop

EPOCHS = 12
#: In the order that battash2021's runs are declared.
SCHEDULES = ("0-0.5", "0", "0,0.5")
#: Two runs may begin as another: of 12 epochs, 2 are in the first of six phases, 11 are 95%.
SHARED = 2 + 11


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSBOOK_BUILD", str(tmp_path / "build"))
    return tmp_path / "build"


@pytest.fixture
def store(place, tmp_path):
    return Store(working=place / "results", published=tmp_path / "published")


def mixtures(schedules=SCHEDULES, seeds=1, **changes):
    (base,) = tiny_experiment(epochs=EPOCHS, losses=("ceel",), seeds=1, **changes).profiles["smoke"].cells
    config = base.spec.config
    cells = tuple(
        Cell({"loss": "ceel", "schedule": name}, RunSpec(**config | {"loss_options": {"schedule": name}}))
        for name in schedules
    )
    return Experiment("toy/table1", "A toy", {"smoke": Profile("smoke", "tiny", cells, seeds)})


def run(experiment, store, **options):
    return run_experiment(
        experiment, profile="smoke", device="cpu", progress=False, store=store, **options
    ).records


def runs_of(experiment):
    return runner.plan_experiment(experiment, experiment.profiles["smoke"])[0]


def known(records):
    """Everything of a record but when, how fast and how it was made."""
    return {
        (r.labels["schedule"], r.seed): (r.key, r.status, r.metrics, r.curves, r.weights, r.files)
        for r in records
    }


@pytest.fixture
def epochs(monkeypatch):
    """The epochs that are trained, in turn."""
    trained, train_epoch = [], loop._train_epoch

    def watched(run, epoch, deadline):
        trained.append(epoch)
        return train_epoch(run, epoch, deadline)

    monkeypatch.setattr(loop, "_train_epoch", watched)
    return trained


def alone(tmp_path, **changes):
    found = []
    for name in SCHEDULES:
        store = Store(working=tmp_path / f"alone-{name}", published=tmp_path / "published")
        found += run(mixtures((name,), **changes), store)
    return known(found)


@pytest.mark.parametrize("measures", [{}, {"epoch_measures": "tracked"}])
def test_the_records_are_those_of_runs_trained_alone(store, place, tmp_path, epochs, measures):
    apart = alone(tmp_path, seeds=2, **measures)
    assert len(epochs) == 2 * 3 * EPOCHS
    epochs.clear()
    together = run(mixtures(seeds=2, **measures), store)
    assert len(epochs) == 2 * (3 * EPOCHS - SHARED)
    assert known(together) == apart
    # They differ from each other after all.
    assert len({json.dumps(r.weights) for r in together}) == 6
    assert not list((place / "checkpoints").glob("*.pt"))


def test_a_record_says_where_it_began(store):
    records = {r.labels["schedule"]: r for r in run(mixtures(), store)}
    made = {name: dict(record.provenance.get("begun_as", {})) for name, record in records.items()}
    shared = {name: begun.pop("seconds", 0.0) for name, begun in made.items()}
    assert made == {
        "0-0.5": {},
        "0": {"run": records["0-0.5"].key, "epochs": 2},
        "0,0.5": {"run": records["0"].key, "epochs": 11},
    }
    # What they had in common counts in each record, and once where times are added up.
    seconds = {name: record.provenance["seconds"] for name, record in records.items()}
    assert all(0 < shared[name] < seconds[name] for name in ("0", "0,0.5"))
    assert costs.spent(list(records.values())).seconds == pytest.approx(
        sum(seconds.values()) - sum(shared.values())
    )


@pytest.mark.parametrize("stop", range(1, 3 * EPOCHS - SHARED, 6))
def test_stopped_anywhere_it_goes_on_the_same(store, tmp_path, monkeypatch, stop):
    apart = alone(tmp_path)
    monkeypatch.setattr(loop.checkpoints, "SECONDS", 0.0)
    train_epoch, trained = loop._train_epoch, []

    def stopping(run, epoch, deadline):
        if len(trained) == stop:
            trained.append(None)
            raise OutOfTimeError
        trained.append(epoch)
        return train_epoch(run, epoch, deadline)

    monkeypatch.setattr(loop, "_train_epoch", stopping)
    assert len(run(mixtures(), store)) < 3
    assert known(run(mixtures(), store)) == apart
    assert len(trained) - 1 == 3 * EPOCHS - SHARED


def test_only_what_is_missing_is_left_a_beginning(store, place, epochs):
    run(mixtures(("0,0.5",)), store)
    epochs.clear()
    records = run(mixtures(), store)
    assert len(records) == 3
    assert len(epochs) == 2 * EPOCHS - 2
    assert not list((place / "checkpoints").glob("*.pt"))


def test_a_beginning_of_other_code_is_not_taken_up(store, monkeypatch, tmp_path):
    apart = alone(tmp_path)
    first, second, _ = runs_of(mixtures())
    with monkeypatch.context() as changed:
        changed.setattr("lossbook.experiments.planned.code_hash", lambda modules: "0" * 12)
        changed.setattr(store, "append", lambda record: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(mixtures(), store)
    assert trunks._left(second).is_file()
    assert known(run(mixtures(), store)) == apart
    assert first.spec.key != second.spec.key


def test_what_parts_when():
    found = {
        each.spec.loss_options["schedule"]: trunk
        for each in runs_of(mixtures())
        if (trunk := trunks.trunks(runs_of(mixtures())).get(each.spec.key))
    }
    assert {
        name: (trunk.run.spec.loss_options["schedule"], trunk.epochs) for name, trunk in found.items()
    } == {"0": ("0-0.5", 2), "0,0.5": ("0", 11)}


@pytest.mark.parametrize(
    "change",
    [{"train_size": 63}, {"optimizer_options": {"lr": 0.5}}, {"epoch_measures": "tracked"}, {"epochs": 18}],
    ids=str,
)
def test_runs_that_differ_in_anything_else_share_nothing(change):
    one, other = (
        RunSpec(**mixtures((name,)).profiles["smoke"].cells[0].spec.config | more)
        for name, more in (("0", {}), ("0,0.5", change))
    )
    cells = tuple(Cell({"n": n}, spec) for n, spec in enumerate((one, other)))
    assert (
        trunks.trunks(
            runs_of(Experiment("toy/table1", "A toy", {"smoke": Profile("smoke", "tiny", cells, 1)}))
        )
        == {}
    )


def test_a_run_begins_as_one_of_its_own_seed():
    runs = runs_of(mixtures(seeds=3))
    found = trunks.trunks(runs)
    assert len(found) == 6
    by_key = {each.spec.key: each for each in runs}
    assert all(trunk.run.spec.seed == by_key[key].spec.seed for key, trunk in found.items())


def test_losses_without_a_schedule_share_nothing():
    assert trunks.trunks(runs_of(tiny_experiment(losses=("ce", "ceel", "nllr")))) == {}


def test_a_run_waits_for_its_beginning_while_another_process_trains_it(store, place, epochs):
    experiment = mixtures()
    first, second, third = runs = runs_of(experiment)
    found = trunks.trunks(runs)
    assert trunks.ready([[first], [second], [third]], found) == [first]
    # What it begins as is still to be trained here.
    assert trunks.ready([[third], [second]], found) == [second]
    with in_other_hands(place / "checkpoints" / f"{second.spec.key}.lock"):
        assert trunks.ready([[third], [first]], found) == [first]
        assert trunks.ready([[third]], found) == [third]
        made = run(experiment, store)
    assert sorted(record.labels["schedule"] for record in made) == ["0,0.5", "0-0.5"]
    assert len(epochs) == 2 * EPOCHS


def test_while_another_process_trains_the_first_the_others_still_share(store, place, epochs):
    first, _, _ = runs_of(mixtures())
    with in_other_hands(place / "checkpoints" / f"{first.spec.key}.lock"):
        made = run(mixtures(), store)
    assert len(made) == 2
    assert len(epochs) == 2 * EPOCHS - 11


def test_a_shard_has_all_runs_that_begin_as_one(store, epochs):
    assert [
        [r.spec.loss_options["schedule"] for r in group]
        for group in trunks.together(runs_of(mixtures(seeds=2)))
    ] == [list(SCHEDULES)] * 2
    for index in (1, 2):
        run(mixtures(seeds=2), store, shard=(index, 2))
    assert len(epochs) == 2 * (3 * EPOCHS - SHARED)


MACHINE = {"device": "cpu", "threads": 1}


@pytest.fixture
def left(place):
    """A run to which another one has left its beginning, and that one."""
    first, second, _ = runs_of(mixtures())
    state = {"curves": {"train_loss": [1.0, 1.0]}, "status": "finished", "seconds": 2.0}
    trunks.checkpoint.save(first.checkpoint, state | {"code": trunks.checkpoint_code(first, "data")})
    trunks.leave(first, branch(second), "data", MACHINE)
    return second, first


def branch(of, epochs=2, wanted=True):
    return trunks.Branch(epochs, of, lambda: wanted)


def test_what_is_left_is_taken_up_once_and_forgotten(left):
    second, first = left
    origin = {"run": first.spec.key, "epochs": 2, "seconds": 2.0}
    assert trunks.take_up(second, "data", MACHINE) == origin
    kept = torch.load(second.checkpoint)
    assert set(kept) == {"curves", "status", "seconds", "code"}
    # Stopped and continued, it began there all the same.
    assert trunks.take_up(second, "data", MACHINE) == origin
    trunks.forget(second)
    assert sorted(path.suffix for path in second.checkpoint.parent.glob("*-begun*")) == []


def test_nothing_is_left_to_a_run_that_has_begun_or_is_not_wanted(left):
    second, first = left
    trunks.forget(second)
    own = {"code": trunks.checkpoint_code(second, "data"), "curves": {"train_loss": [1.0]}}
    trunks.checkpoint.save(second.checkpoint, own)
    trunks.leave(first, branch(second), "data", MACHINE)
    second.checkpoint.unlink()
    trunks.leave(first, branch(second, epochs=3), "data", MACHINE)
    trunks.leave(first, branch(second, wanted=False), "data", MACHINE)
    trunks.leave(first, branch(second), "other data", MACHINE)
    with in_other_hands(second.checkpoint.with_suffix(".lock")):
        trunks.leave(first, branch(second), "data", MACHINE)
    assert not trunks._left(second).exists()
    trunks.leave(first, branch(second), "data", MACHINE)
    assert torch.load(trunks._left(second))["trunk"] == first.spec.key


def test_what_another_machine_left_is_not_taken_up(left):
    second, _ = left
    assert trunks.take_up(second, "data", MACHINE | {"threads": 2}) is None
    assert trunks.take_up(second, "other data", MACHINE) is None
    assert not second.checkpoint.exists()


@pytest.mark.parametrize("own", ["damaged", "outdated"])
@pytest.mark.filterwarnings("ignore:.*is damaged and was deleted")
def test_a_checkpoint_of_its_own_that_is_of_no_use_makes_no_false_origin(left, own):
    second, first = left
    if own == "damaged":
        second.checkpoint.write_bytes(b"no checkpoint")
    else:
        trunks.checkpoint.save(second.checkpoint, {"code": "other code", "curves": {"train_loss": []}})
    assert trunks.take_up(second, "data", MACHINE)["run"] == first.spec.key
    assert len(torch.load(second.checkpoint)["curves"]["train_loss"]) == 2


def test_a_run_that_began_by_itself_did_not_begin_as_another(left):
    second, _ = left
    own = {"code": trunks.checkpoint_code(second, "data"), "curves": {"train_loss": [1.0]}}
    trunks.checkpoint.save(second.checkpoint, own)
    assert trunks.take_up(second, "data", MACHINE) is None
    # Nor where its own checkpoint is lost after it took the other's up, and nothing is left.
    second.checkpoint.unlink()
    assert trunks.take_up(second, "data", MACHINE)
    second.checkpoint.unlink()
    trunks._left(second).unlink()
    assert trunks.take_up(second, "data", MACHINE) is None
    assert not trunks._said(second).exists()


@pytest.mark.filterwarnings("ignore:.*could not be written")
def test_on_a_full_disk_a_run_begins_at_its_start(left, monkeypatch):
    second, _ = left

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(trunks.checkpoint.torch, "save", full)
    assert trunks.take_up(second, "data", MACHINE) is None


def test_by_force_a_run_is_trained_from_its_start(store, epochs):
    key = next(r.key for r in run(mixtures(), store) if r.labels["schedule"] == "0")
    epochs.clear()
    run(mixtures(), store, key=key, force=True)
    assert len(epochs) == EPOCHS
