"""Records trained again with today's code: which, how far, and what is compared."""

from dataclasses import replace

import pytest
import torch
from tiny import tiny_experiment

from lossbook import paths
from lossbook.errors import UnknownNameError
from lossbook.experiments import attest
from lossbook.experiments.runner import run_experiment
from lossbook.results import Store, attestation


@pytest.fixture(autouse=True)
def attestations(tmp_path, monkeypatch):
    real = paths.data_file
    elsewhere = tmp_path / "attestations"

    def data_file(*parts):
        return elsewhere if parts == ("attestations",) else real(*parts)

    monkeypatch.setattr(paths, "data_file", data_file)
    attestation.forget()
    yield elsewhere
    attestation.forget()


@pytest.fixture
def published(place, tmp_path):
    """Publish records of a tiny experiment, as code made them that has since changed."""

    def publish(change=lambda record: record, **settings):
        made = run_experiment(
            tiny_experiment(**settings), profile="smoke", store=Store(tmp_path / "made", tmp_path / "none")
        ).records
        store = Store(tmp_path / "working", tmp_path / "published")
        for record in made:
            # The quickest is the sample: how long each took must not depend on what else the machine does.
            settled = {"code": "then", "seconds": float(record.config["epochs"])}
            old = replace(record, provenance=record.provenance | settled)
            Store(tmp_path / "published").append(change(old))
        return store

    return publish


def shown(store):
    return sorted({str(record.trust) for record in store.records()})


def test_a_sample_is_trained_again_once_and_attests_its_kind(published, place):
    store = published(seeds=2)
    assert shown(store) == ["unattested"]
    threads = torch.get_num_threads()
    done = attest.attest(store=store, progress=False)
    # One of the two seeds of each of the two losses.
    assert (len(done.made), done.known, done.left) == (2, 0, [])
    for _, made in done.made:
        assert (made.digits, made.differs, made.epochs, made.of) == (6, (), 2, 2)
        assert made.compared == 5 * 2 + 5
    assert shown(store) == ["attested (exact)"]
    again = attest.attest(store=store, progress=False)
    assert (again.made, again.known) == ([], 2)
    assert torch.get_num_threads() == threads
    assert not list((place / "checkpoints").glob("*.pt"))


def test_numbers_that_differ_are_found(published):
    def change(record):
        return replace(record, metrics=record.metrics | {"test_ce": record.metrics["test_ce"] * 1.01})

    store = published(change, losses=("ce",), seeds=1)
    ((_, made),) = attest.attest(store=store, progress=False).made
    assert made.digits in (1, 2)
    assert made.differs[0].startswith("metrics test_ce: ")
    assert shown(store) == ["unattested"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda r: replace(r, provenance=r.provenance | {"data": "other"}), "data: other then"),
        (lambda r: replace(r, status="diverged"), "status: diverged then, finished now"),
        (lambda r: replace(r, metrics=r.metrics | {"gone": 1.0}), "metrics gone: 1.0 then, nothing now"),
    ],
)
def test_what_is_no_number_is_compared_too(published, change, where):
    store = published(change, losses=("ce",), seeds=1)
    ((_, made),) = attest.attest(store=store, progress=False).made
    assert (made.digits, made.differs[0].startswith(where)) == (0, True)


def test_weights_that_differ_are_not_exact(published):
    store = published(lambda r: replace(r, weights=r.weights | {"end": "0" * 16}), losses=("ce",), seeds=1)
    ((_, made),) = attest.attest(store=store, progress=False).made
    assert made.digits == 5
    assert made.differs[0].startswith("weights, end: 0000")
    assert shown(store) == ["attested (5 digits)"]


def test_a_long_run_is_left_after_its_first_epochs(published, monkeypatch):
    monkeypatch.setattr(attest, "WHOLE_SECONDS", 0.0)
    store = published(losses=("ce",), seeds=1, epochs=3)
    ((_, made),) = attest.attest(store=store, progress=False).made
    assert (made.epochs, made.of, made.compared, made.digits) == (2, 3, 5 * 2, 6)
    (record,) = store.records()
    assert "the first 2 epochs of 3" in record.trust.why


@pytest.mark.parametrize(
    "settings",
    [
        {"measures": "softmax"},  # measured at the end alone
        {"schedule": {"name": "steps", "at": [2]}, "optimizer": "sgd", "optimizer_options": {"lr": 0.1}},
        {"losses": ("ceel",), "loss_options": {"schedule": [0, 0.5]}},
    ],
)
def test_a_long_run_whose_end_matters_is_trained_as_a_whole(published, monkeypatch, settings):
    monkeypatch.setattr(attest, "WHOLE_SECONDS", 0.0)
    store = published(**{"losses": ("ce",), "seeds": 1, "epochs": 3} | settings)
    ((_, made),) = attest.attest(store=store, progress=False).made
    assert (made.epochs, made.digits) == (3, 6)


def test_what_cannot_be_trained_today_is_left_and_the_rest_is_not(published):
    def change(record):
        if record.config["loss"] == "ce":
            return record
        return replace(record, config=record.config | {"loss": "no_such_loss"})

    done = attest.attest(store=published(change, seeds=1), progress=False)
    assert len(done.made) == 1
    (why,) = done.left
    assert why.startswith("toy/table1 ")
    assert "unknown loss 'no_such_loss'" in why


def test_a_run_that_is_defined_otherwise_today_is_left(published):
    done = attest.attest(
        store=published(lambda r: replace(r, key="0" * 16), losses=("ce",), seeds=1), progress=False
    )
    (why,) = done.left
    assert why.startswith("toy/table1 0000000000000000: a run with its settings has the key ")
    assert done.made == []


def test_a_budget_leaves_the_rest_for_the_next_time(published, monkeypatch):
    store = published(seeds=1)
    real = attest.replay
    calls = []

    def replay(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise attest.OutOfTimeError
        return real(*args, **kwargs)

    monkeypatch.setattr(attest, "replay", replay)
    done = attest.attest(store=store, budget_minutes=10, progress=False)
    assert len(done.made) == 1
    assert done.left[0].endswith("the time budget is used up")
    assert len(attest.attest(store=store, progress=False).made) == 1
    spent = attest.attest(store=published(seeds=1, epochs=1), budget_minutes=1e-9, progress=False)
    assert (spent.made, len(spent.left)) == ([], 2)


def test_a_run_that_other_modules_train_today_is_trained_again(published, monkeypatch):
    store = published(losses=("ce",), seeds=1)
    attest.attest(store=store, progress=False)
    assert attest.attest(store=store, progress=False).known == 1
    real = attest.modules
    monkeypatch.setattr(attest, "modules", lambda plan: (*real(plan), "lossbook.errors"))
    assert len(attest.attest(store=store, progress=False).made) == 1


def test_only_experiments_with_published_records(published):
    store = published(losses=("ce",), seeds=1)
    with pytest.raises(UnknownNameError, match="did you mean 'toy/table1'"):
        attest.attest(["toy/table2"], store=store, progress=False)
    assert len(attest.attest(["toy/table1"], store=store, progress=False).made) == 1


def test_records_of_todays_code_are_left_alone(published):
    def change(record):
        now = attestation.hash_now(tuple(record.provenance["modules"]))
        return replace(record, provenance=record.provenance | {"code": now})

    store = published(change, seeds=1)
    assert shown(store) == ["fresh"]
    done = attest.attest(store=store, progress=False)
    assert (done.made, done.known, done.left) == ([], 0, [])
