"""Several runs of an experiment at once, each in a process of its own."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Any

import torch

from lossbook import datasets
from lossbook.errors import LossbookError
from lossbook.experiments.grid import Experiment
from lossbook.experiments.progress import RunProgress
from lossbook.experiments.runner import (
    RunOutcome,
    device_named,
    kept,
    missing,
    part,
    plan_experiment,
    run_experiment,
)
from lossbook.results import Store
from lossbook.training import RunSpec

#: Seconds after which to look up where nobody tells anything.
_PAUSE = 1.0


def run_in_processes(
    experiment: Experiment,
    processes: int,
    *,
    profile: str = "quick",
    seeds: int | None = None,
    shard: tuple[int, int] = (1, 1),
    where: Mapping[str, str] | None = None,
    key: str | None = None,
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
        where: Only the cells whose labels have these values.
        key: Only the run whose key begins so.
        progress: Show progress on standard error.
        store: Where records are, and go.
        **options: Further arguments of :func:`run_experiment`.

    Raises:
        LossbookError: As :func:`run_experiment`; or fewer processes than one, or one that was killed.
    """
    if processes < 1:
        raise LossbookError(f"an experiment needs at least 1 process; got {processes}")
    store = store or Store(shard=shard)
    given: dict[str, Any] = {"profile": profile, "seeds": seeds, "shard": shard, "store": store}
    given |= {"where": where, "key": key, **options}
    device = device_named(options.get("device", "auto"))
    runs, _ = plan_experiment(experiment, experiment.profile(profile), seeds, where=where, key=key)
    runs = missing(part(runs, *shard), store, bool(options.get("refresh")))
    if processes == 1 or len(runs) < 2:
        return run_experiment(experiment, progress=progress, **given)
    _download({run.spec.dataset for run in runs})
    with RunProgress([run.spec for run in runs], device, show=progress) as shown:
        try:
            found = _in_workers(experiment, given, min(processes, len(runs)), shown)
        except KeyboardInterrupt as stop:
            stop.add_note(kept(shown.finished, [run for run in runs if run.spec.key in shown.in_hand]))
            raise
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


def _in_workers(
    experiment: Experiment, given: dict[str, Any], count: int, shown: RunProgress
) -> list[RunOutcome]:
    """Have several processes train; what each of them did. None of them is left when this ends."""
    threads = max(1, torch.get_num_threads() // count)
    # A fresh interpreter each: a forked one cannot use a GPU, nor threads that were there before.
    context = multiprocessing.get_context("spawn")
    workers: dict[Any, Any] = {}
    try:
        with _deaf_to_interrupts():
            for _ in range(count):
                receiving, sending = context.Pipe(duplex=False)
                workers[receiving] = context.Process(
                    target=_work, args=(experiment, given, threads, sending), daemon=True
                )
                workers[receiving].start()
                sending.close()  # Else its end would not be seen.
        return _listen(workers, shown)
    finally:
        for worker in workers.values():
            if worker.pid is not None:
                worker.terminate()
                worker.join()


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach, which goes to all of a terminal: the parent ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Sender:
    """Tells the parent how far a worker's runs have come."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe

    def say(self, text: str) -> None:
        self._pipe.send(("say", text))

    def start(self, spec: RunSpec) -> None:
        self._pipe.send(("start", spec))

    def epoch(self, spec: RunSpec, epochs: int) -> None:
        self._pipe.send(("epoch", spec, epochs))

    def finish(self, spec: RunSpec) -> None:
        self._pipe.send(("finish", spec))

    def skip(self, spec: RunSpec) -> None:
        self._pipe.send(("skip", spec))


def _work(experiment: Experiment, given: dict[str, Any], threads: int, pipe: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    try:
        outcome = run_experiment(experiment, report=_Sender(pipe), **given)
    except LossbookError as error:
        pipe.send(("failed", error))
    else:
        pipe.send(("done", replace(outcome, records=[], left=[], unattested=[])))


def _end_with_parent() -> None:
    """A killed parent cannot stop its workers; so they watch it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _listen(workers: Mapping[Any, Any], shown: RunProgress) -> list[RunOutcome]:
    """Show what workers tell until the last one ends."""
    found: list[RunOutcome] = []
    skipped: Counter[str] = Counter()
    begun: dict[str, Any] = {}
    listening = dict(workers)
    while listening:
        told: list[Any] = wait(list(listening), timeout=_PAUSE)
        for pipe in told:
            try:
                kind, *what = pipe.recv()
            except EOFError:
                worker = listening.pop(pipe)
                worker.join()
                if worker.exitcode:
                    raise LossbookError(
                        f"a worker process ended with status {worker.exitcode}; finished runs are kept, and "
                        "the same command goes on"
                    ) from None
                continue
            if kind == "failed":
                raise what[0]
            if kind == "done":
                found.append(what[0])
            elif kind == "skip":
                # A run that one worker leaves to another is still ours.
                key = what[0].key
                if begun.get(key) is pipe:
                    del begun[key]  # Its data are unavailable.
                skipped[key] += 1
                if skipped[key] == len(workers) and key not in begun:
                    shown.skip(what[0])
            else:
                if kind == "start":
                    begun[what[0].key] = pipe
                getattr(shown, kind)(*what)
        shown.tell()
    return found
