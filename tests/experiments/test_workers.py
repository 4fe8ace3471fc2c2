"""Several runs at once: the same records as one by one, and no process left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny import DyingStore, tiny_experiment

from lossbook.errors import LossbookError
from lossbook.experiments import workers
from lossbook.experiments.runner import run_experiment
from lossbook.experiments.workers import run_in_processes
from lossbook.results import Store

OPTIONS = {"profile": "smoke", "device": "cpu", "progress": False}


def test_two_processes_make_what_one_makes(store, tmp_path, capfd):
    experiment = tiny_experiment(seeds=2)
    alone = run_experiment(
        experiment, store=Store(working=tmp_path / "alone", published=tmp_path / "none"), **OPTIONS
    )
    both = run_in_processes(experiment, 2, store=store, **(OPTIONS | {"progress": True}))
    assert both.trained == 4
    assert both.left == []
    lines = capfd.readouterr().err.splitlines()
    assert lines[0].startswith("4 runs to do, about ")
    assert lines[-1] == "4/4 runs done"
    # Another number of threads may round otherwise.
    losses = {record.key: record.curves["test_loss"] for record in both.records}
    assert losses == {
        record.key: pytest.approx(record.curves["test_loss"], rel=1e-3) for record in alone.records
    }
    # No run was trained twice, and no core has two threads for it.
    lines = (store.working / "toy/table1/smoke.jsonl").read_text().splitlines()
    assert len(lines) == 4
    assert {record.provenance["threads"] for record in both.records} == {max(1, (os.cpu_count() or 1) // 2)}
    assert run_in_processes(experiment, 2, store=store, **OPTIONS).trained == 0


class Told:
    """Takes down what is told."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *what: self.calls.append((name, *what))


def test_workers_tell_which_run_is_at_which_epoch(store):
    told = Told()
    experiment = tiny_experiment(seeds=1)
    given = {"profile": "smoke", "device": "cpu", "store": store}
    (outcome,) = workers._in_workers(experiment, given, 1, told)
    assert outcome.trained == 2
    ce, nllr = (spec for _, spec in experiment.profiles["smoke"].runs())
    assert [call for call in told.calls if call != ("tell",)] == [
        *(("start", ce), ("epoch", ce, 1), ("epoch", ce, 2), ("finish", ce)),
        *(("start", nllr), ("epoch", nllr, 1), ("epoch", nllr, 2), ("finish", nllr)),
    ]


def _pipe(*messages):
    receiving, sending = multiprocessing.Pipe(duplex=False)
    for message in messages:
        sending.send(message)
    sending.close()
    return receiving


def test_a_run_is_not_ours_only_if_every_worker_leaves_it():
    ours, others, without_data, _ = (spec for _, spec in tiny_experiment().profiles["smoke"].runs())
    ended = SimpleNamespace(join=lambda: None, exitcode=0)
    told = Told()
    tried = [("start", without_data), ("skip", without_data)]
    first = _pipe(("start", ours), ("skip", others), ("finish", ours), *tried)
    second = _pipe(("skip", ours), ("skip", others), ("say", "a word"), *tried)
    assert workers._listen({first: ended, second: ended}, told) == []
    assert [call for call in told.calls if call[0] == "skip"] == [("skip", others), ("skip", without_data)]
    assert ("say", "a word") in told.calls


def test_one_process_is_this_one(store):
    outcome = run_in_processes(tiny_experiment(losses=("ce",), seeds=1), 8, store=store, **OPTIONS)
    assert outcome.trained == 1


def test_what_goes_wrong_in_a_worker_is_said(store):
    with pytest.raises(LossbookError, match="at least 1 process; got 0"):
        run_in_processes(tiny_experiment(), 0, store=store, **OPTIONS)
    with pytest.raises(LossbookError, match="no device 'cuda:7' here"):
        run_in_processes(tiny_experiment(), 2, store=store, **(OPTIONS | {"device": "cuda:7"}))
    dying = DyingStore(published=store.published)
    with pytest.raises(LossbookError, match="a worker process ended with status 3"):
        run_in_processes(tiny_experiment(), 2, store=dying, **OPTIONS)


def test_a_budget_ends_all_of_them(store):
    started = time.monotonic()
    outcome = run_in_processes(
        tiny_experiment(epochs=100_000), 2, store=store, budget_minutes=0.05, **OPTIONS
    )
    assert time.monotonic() - started < 60
    assert len(outcome.left) == 4


def test_workers_end_with_a_killed_parent(place):
    script = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from tiny import tiny_experiment
        from lossbook.experiments.workers import run_in_processes
        if __name__ == "__main__":
            long = tiny_experiment(epochs=100_000)
            run_in_processes(long, 2, profile="smoke", device="cpu", progress=False)
        """
    )
    path = place.parent / "main.py"
    path.write_text(script)
    environment = os.environ | {"LOSSBOOK_BUILD": str(place), "OMP_NUM_THREADS": "1"}
    parent = subprocess.Popen([sys.executable, str(path)], env=environment, start_new_session=True)
    locks = place / "checkpoints"
    _wait_until(lambda: len(list(locks.glob("*.lock"))) >= 2)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _wait_until(lambda: not _group_is_alive(parent.pid))


def _wait_until(true, seconds=120):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _group_is_alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
