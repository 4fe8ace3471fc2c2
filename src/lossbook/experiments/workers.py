"""Several runs of an experiment at once, each in a process of its own."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Any

import torch

from lossbook import datasets
from lossbook.errors import LossbookError
from lossbook.experiments.grid import Experiment
from lossbook.experiments.progress import duration
from lossbook.experiments.runner import RunOutcome, plan_experiment, run_experiment, stored
from lossbook.results import Store

#: Seconds between two looks at what is done.
_PAUSE = 0.5
_LINE_SECONDS = 10.0


def run_in_processes(
    experiment: Experiment,
    processes: int,
    *,
    profile: str = "quick",
    seeds: int | None = None,
    shard: tuple[int, int] = (1, 1),
    progress: bool = True,
    store: Store | None = None,
    **options: Any,
) -> RunOutcome:
    """Train what is missing of an experiment in several processes; otherwise as :func:`run_experiment`.

    A small network does not keep a machine busy: a step is too short to be divided among the cores of a
    processor, or to fill a GPU. So the processes take different runs. Each has an equal share of the cores.
    A script that calls this must have its own code under ``if __name__ == "__main__":``, as each process
    imports it anew.

    Args:
        experiment: The experiment.
        processes: How many.
        profile: Name of the profile.
        seeds: Number of seeds; the profile's own if None.
        shard: Which part of how many to train.
        progress: Show progress on standard error.
        store: Where records are, and go.
        **options: Further arguments of :func:`run_experiment`.

    Raises:
        LossbookError: As :func:`run_experiment`; or fewer processes than one, or one that was killed.
    """
    if processes < 1:
        raise LossbookError(f"an experiment needs at least 1 process; got {processes}")
    store = store or Store(shard=shard)
    given: dict[str, Any] = {"profile": profile, "seeds": seeds, "shard": shard, "store": store, **options}
    runs, _ = plan_experiment(experiment, experiment.profile(profile), seeds)
    if processes == 1 or len(runs) < 2:
        return run_experiment(experiment, progress=progress, **given)
    _download({run.spec.dataset for run in runs})
    threads = max(1, torch.get_num_threads() // processes)
    # A fresh interpreter each: a forked one cannot use a GPU, nor threads that were there before.
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    workers = [
        context.Process(target=_work, args=(experiment, given, threads, results), daemon=True)
        for _ in range(min(processes, len(runs)))
    ]
    keys = {run.spec.key for run in runs}
    try:
        for worker in workers:
            worker.start()
        found = _wait(workers, results, experiment, profile, store, keys, progress)
    finally:
        for worker in workers:
            worker.terminate()
    outcome = run_experiment(experiment, progress=False, train=False, **given)
    notes = dict.fromkeys((*outcome.notes, *(note for each in found for note in each.notes)))
    return replace(
        outcome,
        trained=sum(each.trained for each in found),
        notes=tuple(notes),
        unavailable=tuple(dict.fromkeys(name for each in found for name in each.unavailable)),
    )


def _download(names: set[str]) -> None:
    """Have the data there before several processes ask for them."""
    for name in sorted(names):
        try:
            if datasets.is_table(name):
                datasets.get_table(name)
            elif not datasets.present(name):
                datasets.get(name)
        except datasets.DataUnavailableError:
            pass  # Whoever needs it says so.


def _work(experiment: Experiment, given: dict[str, Any], threads: int, results: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent ends the others.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    try:
        outcome = run_experiment(experiment, progress=False, **given)
    except LossbookError as error:
        results.put(error)
    else:
        results.put(replace(outcome, records=[], left=[], unattested=[]))


def _end_with_parent() -> None:
    """A killed parent cannot stop its workers; so they watch it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _wait(
    workers: list[Any],
    results: Any,
    experiment: Experiment,
    profile: str,
    store: Store,
    keys: set[str],
    progress: bool,
) -> list[RunOutcome]:
    started = shown = time.monotonic()
    first: int | None = None
    found: list[RunOutcome] = []
    running = list(workers)
    while running:
        wait([worker.sentinel for worker in running], timeout=_PAUSE)
        ended = [worker for worker in running if not worker.is_alive()]
        while not results.empty():
            said = results.get()
            if isinstance(said, LossbookError):
                raise said
            found.append(said)
        for worker in ended:
            running.remove(worker)
            if worker.exitcode:
                raise LossbookError(
                    f"a worker process ended with status {worker.exitcode}; finished runs are kept, and the "
                    "same command goes on"
                )
        now = time.monotonic()
        if progress and (now - shown > _LINE_SECONDS or not running):
            shown = now
            done = len(keys & {r.key for r in stored(experiment, experiment.profile(profile), store)})
            first = done if first is None else first
            left = ""
            if done > first and running:
                seconds = (now - started) * (len(keys) - done) / (done - first)
                left = f"; about {duration(seconds)} left"
            print(
                f"{done}/{len(keys)} runs there, {len(running)} processes{left}", file=sys.stderr, flush=True
            )
    return found
