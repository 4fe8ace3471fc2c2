"""Running an experiment: only what is missing, safe to stop at any moment."""

import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from lossbook import datasets
from lossbook.errors import LossbookError
from lossbook.experiments import trunks
from lossbook.experiments.grid import Cell, Experiment, Profile
from lossbook.experiments.jobs import train_job
from lossbook.experiments.locks import claimed
from lossbook.experiments.planned import Run, jobs, modules
from lossbook.experiments.progress import Report, RunProgress
from lossbook.models import checkpoints
from lossbook.progress import duration
from lossbook.results import Record, Store, canonical, code_hash
from lossbook.results.where import select
from lossbook.training import RunSpec, plan_run
from lossbook.training.checkpoint import OutOfTimeError

EMBEDDED = "digits"


@dataclass(frozen=True)
class RunOutcome:
    """What :func:`run` did.

    Attributes:
        records: The records of the experiment at this profile, old and new. A run that stands in for several
            cells has one for each, with the cell's labels and the same key.
        trained: How many runs were trained now.
        left: The runs that have no record yet.
        unattested: Records that today's code is not known to give.
        notes: What a reader must know, for example that embedded data stood in for a data set.
        unavailable: Data sets that are unavailable, so that their runs are left.
        again: What was trained again by force: the record that there was, and the new one.
    """

    records: list[Record]
    trained: int
    left: list[Run]
    unattested: list[Record]
    notes: tuple[str, ...]
    unavailable: tuple[str, ...] = ()
    again: tuple[tuple[Record, Record], ...] = ()


def device_named(name: str) -> torch.device:
    """The device of that name.

    Args:
        name: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        LossbookError: Another name, or a GPU that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not (index.isascii() and index.isdecimal())):
        raise LossbookError(
            f"unknown device {name!r}; there are: auto, cpu, cuda, cuda:N (N the GPU's number)"
        )
    if kind == "cuda":
        count = torch.cuda.device_count()
        if int(index or 0) >= count:
            raise LossbookError(f"no device {name!r} here: torch sees {count} GPUs; use --device cpu or auto")
    return torch.device(name)


def deadline_after(budget_minutes: float | None) -> float:
    """The ``time.monotonic()`` at which a budget is used up; infinite without one.

    Raises:
        LossbookError: A budget that is no positive number of minutes.
    """
    if budget_minutes is None:
        return math.inf
    if not budget_minutes > 0:
        raise LossbookError(f"a budget must be a positive number of minutes; got {budget_minutes}")
    return time.monotonic() + 60 * budget_minutes


def plan_experiment(
    experiment: Experiment,
    profile: Profile,
    seeds: int | None = None,
    *,
    where: Mapping[str, str] | None = None,
    key: str | None = None,
) -> tuple[list[Run], tuple[str, ...]]:
    """Resolve a profile's grid into runs, each once, with embedded data where a real set is unavailable.

    Data sets that are missing are downloaded only where embedded data may stand in for them.

    Args:
        experiment: The experiment.
        profile: The profile.
        seeds: Number of seeds; the profile's own if None.
        where: Only the cells whose labels have these values; see :mod:`lossbook.results.where`.
        key: Only the run whose key begins so.

    Raises:
        LossbookError: No cell has such labels, or not exactly one run such a key.
    """

    def cells(of: tuple[Cell, ...]) -> tuple[Cell, ...]:
        return tuple(select(of, where, lambda cell: cell.labels)) if where else of

    profile = replace(profile, cells=cells(profile.cells))
    reasons = _unobtainable(profile)
    notes: list[str] = []
    if reasons and profile.embedded_cells:
        notes.append(
            f"{', '.join(reasons)}: unavailable, so embedded sets were run instead. "
            f"{next(iter(reasons.values()))}"
        )
        profile = replace(profile, cells=cells(profile.embedded_cells))
        reasons = {}
    runs: dict[str, Run] = {}
    meant: dict[str, dict[str, None]] = {}
    hashes: dict[tuple[str, ...], str] = {}
    sharing = experiment.sharing(profile.name)
    for cell, spec in profile.runs(seeds):
        if reason := reasons.get(spec.dataset):
            notes.append(
                f"{datasets.info(spec.dataset).title} is unavailable, so scikit-learn's digits stand in "
                f"for it: the numbers labelled {spec.dataset} say nothing about {spec.dataset}. {reason}"
            )
            spec = stand_in(spec)
            meant.setdefault(spec.key, {})[cell.spec.dataset] = None
        plan = plan_run(spec)
        used = modules(plan)
        if used not in hashes:
            hashes[used] = code_hash(used)
        code = hashes[used]
        runs.setdefault(spec.key, Run(experiment.name, profile.name, cell, plan, code, sharing))
    for names in sorted({tuple(each) for each in meant.values() if len(each) > 1}):
        notes.append(
            f"{' and '.join(names)} are labels of the same runs here, each of which is trained once."
        )
    if key is not None:
        return [_with_key(experiment, profile, list(runs.values()), key)], tuple(dict.fromkeys(notes))
    return list(runs.values()), tuple(dict.fromkeys(notes))


def _with_key(experiment: Experiment, profile: Profile, runs: Sequence[Run], key: str) -> Run:
    found = [run for run in runs if run.spec.key.startswith(key)]
    if len(found) > 1:
        raise LossbookError(
            f"{len(found)} runs have a key that begins with {key!r}; give more of it: "
            + ", ".join(run.spec.key for run in found[:10])
        )
    if not found:
        others = [
            name
            for name, other in experiment.profiles.items()
            if name != profile.name and any(spec.key.startswith(key) for _, spec in other.runs())
        ]
        elsewhere = f"; there is one at profile {' and '.join(others)}" if others else ""
        raise LossbookError(
            f"none of the {len(runs)} runs of {experiment.name} at profile {profile.name} has a key that "
            f"begins with {key!r}{elsewhere}"
        )
    return found[0]


def stand_in(spec: RunSpec) -> RunSpec:
    """The run on scikit-learn's digits that stands in for one on an unavailable data set."""
    return replace(spec, dataset=EMBEDDED, train_size=None, test_size=None)


def _unobtainable(profile: Profile) -> dict[str, str]:
    """Data sets and pretrained networks that are unavailable, each with the reason."""
    if not profile.embedded_fallback and not profile.embedded_cells:
        return {}
    reasons = {}
    for name in sorted({cell.spec.dataset for cell in profile.cells}):
        try:
            if datasets.is_table(name):
                datasets.get_table(name)
            elif not datasets.present(name):
                datasets.get(name)
        except (datasets.DataUnavailableError, datasets.DataDamagedError) as error:
            reasons[name] = str(error)
    for name in sorted({str(cell.spec.model_options.get("checkpoint", "")) for cell in profile.cells} - {""}):
        try:
            checkpoints.find(name)
        except checkpoints.MissingCheckpointError as error:
            reasons[name] = str(error)
    return reasons


def run_experiment(
    experiment: Experiment,
    *,
    profile: str = "quick",
    seeds: int | None = None,
    device: str = "auto",
    budget_minutes: float | None = None,
    refresh: bool = False,
    shard: tuple[int, int] = (1, 1),
    where: Mapping[str, str] | None = None,
    key: str | None = None,
    force: bool = False,
    train: bool = True,
    progress: bool = True,
    report: Report | None = None,
    store: Store | None = None,
) -> RunOutcome:
    """Train what is missing of an experiment, and return all its records at that profile.

    Every finished run is written at once, so nothing finished is lost however this ends. Several processes
    may work on the same experiment: no run is trained twice.

    Args:
        experiment: The experiment.
        profile: Name of the profile.
        seeds: Number of seeds; the profile's own if None.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        budget_minutes: Stop after this many minutes, keeping the last checkpoint of the run in hand.
        refresh: Train again what is unattested: made by code that has since changed, without a sample of its
            kind trained again with today's.
        shard: Which part of how many to train, ``(i, n)`` with i from 1. Runs that are trained together
            stay together. The outcome covers this part's runs only. A part's records go to a file
            of its own; see :meth:`lossbook.results.Store.merge`.
        where: Only the cells whose labels have these values.
        key: Only the run whose key begins so.
        force: Train the run with that key again, though it has a record. The new record counts unless the
            other is published and no less trusted.
        train: Whether to train at all; if not, return what is there.
        progress: Show progress on standard error.
        report: Tell this instead.
        store: Where records are, and go; the project's own, with a file for the shard, if None.

    Raises:
        LossbookError: Unknown profile or device, a store that cannot be written.
        KeyboardInterrupt: Ctrl-C; a note of it says what is kept.
    """
    if force and key is None:
        raise LossbookError("--force trains a single run again; name it with --key")
    deadline = deadline_after(budget_minutes)
    on = device_named(device)
    chosen = experiment.profile(profile)
    store = store or Store(shard=shard)
    runs, notes = plan_experiment(experiment, chosen, seeds, where=where, key=key)
    runs = part(runs, *shard)
    before = {record.key: record for record in stored(experiment, chosen, store)} if force else {}

    def to_train(runs: Sequence[Run]) -> list[Run]:
        return list(runs) if force else missing(runs, store, refresh)

    waiting = to_train(runs) if train else []
    made, unavailable = list[Record](), dict[str, datasets.DataUnavailableError]()
    if waiting:
        store.check_writable(experiment.name, profile)
        with (
            contextlib.nullcontext(report)
            if report is not None
            else RunProgress([run.spec for run in waiting], on, show=progress) as shown
        ):
            made, unavailable = _train_all(waiting, store, on, deadline, to_train, shown, anew=force)
        notes += tuple(f"{name} was not run: {error}" for name, error in unavailable.items())
    by_key: dict[str, list[Record]] = {}
    for record in stored(experiment, chosen, store):
        by_key.setdefault(record.key, []).append(record)
    records = [record for run in runs for record in by_key.get(run.spec.key, ())]
    notes += data_notes(records)
    left = [run for run in runs if run.spec.key not in by_key]
    unattested = [record for record in records if record.trust.state == "unattested"]
    again = tuple((before[record.key], record) for record in made if record.key in before)
    return RunOutcome(records, len(made), left, unattested, notes, tuple(unavailable), again)


def data_notes(records: Iterable[Record]) -> tuple[str, ...]:
    """What the data behind some records depart from the published ones in, each once."""
    return tuple(
        dict.fromkeys(
            f"{dataset_title(record.config['dataset'])}: {note}"
            for record in records
            for note in record.provenance.get("data_notes", ())
        )
    )


def dataset_title(dataset: str) -> str:
    """The printed name of a data set; of a table, its name within the collection."""
    return dataset if datasets.is_table(dataset) else datasets.info(dataset).title


def stored(experiment: Experiment, profile: Profile, store: Store) -> list[Record]:
    """The records of a profile, and those of runs that it shares with another one.

    That is a part of it, one that it is a part of, or another experiment; see :meth:`Experiment.sharing`. A
    shared run was trained under one name and counts under both: its record comes with this profile's name
    and labels. The more trusted record is preferred, then one of this profile's own. A run on embedded
    data that stands in for several cells comes once with the labels of each.
    """
    cells = {canonical(cell.spec.config): cell for cell in profile.cells}
    sharing = experiment.sharing(profile.name)
    made: dict[str, list[tuple[bool, Record]]] = {}
    for record in chain.from_iterable(store.records(*each) for each in sharing):
        own = (record.experiment, record.profile) == (experiment.name, profile.name)
        if not own:
            cell = cells.get(canonical(record.config))
            if cell is None:
                continue
            record = replace(record, profile=profile.name, labels=dict(cell.labels))
        made.setdefault(record.key, []).append((own, record))
    # Trust takes time to find out, and most runs have one record.
    best = [
        each[0][1] if len(each) == 1 else max(each, key=lambda one: (one[1].trust.level, one[0]))[1]
        for each in made.values()
    ]
    shared: dict[str, dict[str, Cell]] = {}
    for cell in profile.cells if profile.embedded_fallback else ():
        config = canonical(stand_in(cell.spec).config)
        shared.setdefault(config, {})[canonical(cell.labels)] = cell
    found: list[Record] = []
    for record in best:
        under = shared.get(canonical(record.config), {})
        if canonical(record.labels) in under:
            found += [replace(record, labels=dict(cell.labels)) for cell in under.values()]
        else:
            found.append(record)
    return sorted(found, key=lambda r: (canonical(r.labels), r.seed))


def part(runs: list[Run], index: int, count: int) -> list[Run]:
    """Part ``index`` of ``count`` of some runs.

    Those that are trained together, or begin as one, stay together.

    Raises:
        LossbookError: No such part.
    """
    if not 1 <= index <= count:
        raise LossbookError(f"a shard is i/n with i from 1 to n; got {index}/{count}")
    return [run for group in trunks.together(runs)[index - 1 :: count] for run in group]


def missing(runs: Sequence[Run], store: Store, refresh: bool) -> list[Run]:
    """The runs without a record; to refresh, also those of which every record is unattested."""
    counted: set[str] = set()
    for experiment, profile in dict.fromkeys(each for run in runs for each in run.sharing):
        for record in store.records(experiment, profile):
            if not (refresh and record.trust.state == "unattested"):
                counted.add(record.key)
    return [run for run in runs if run.spec.key not in counted]


def _train_all(
    runs: Sequence[Run],
    store: Store,
    device: torch.device,
    deadline: float,
    to_train: Callable[[Sequence[Run]], list[Run]],
    shown: Report,
    *,
    anew: bool,
) -> tuple[list[Record], dict[str, datasets.DataUnavailableError]]:
    """Train runs job by job; their records, and by data set why others could not be trained."""
    made: list[Record] = []
    unavailable: dict[str, datasets.DataUnavailableError] = {}
    queue, found = jobs(runs), {} if anew else trunks.trunks(runs)
    refused: set[str] = set()
    while queue:
        job = trunks.ready(queue, found)
        queue.remove(job)
        with claimed(job[0]) as held:
            if not held and job[0].job not in refused:
                # It may have been held for a moment only, to be left something.
                refused.add(job[0].job)
                queue.append(job)
                continue
            # Another process may have it in hand, or have finished it meanwhile.
            mine = to_train(job) if held else []
            for run in job:
                if run not in mine:
                    shown.skip(run.spec)
            if not mine:
                if held:
                    trunks.forget(job[0])
                continue
            for run in mine:
                shown.start(run.spec)
            watches = [functools.partial(shown.epoch, run.spec) for run in mine]
            try:
                begun = trunks.branches(mine[0], runs, found, lambda run: bool(to_train([run])))
                for record in train_job(mine, device, deadline, watches, branches=None if anew else begun):
                    store.append(record)
                    made.append(record)
                    shown.finish(next(run.spec for run in mine if run.spec.key == record.key))
                mine[0].checkpoint.unlink(missing_ok=True)
                trunks.forget(mine[0])
            except OutOfTimeError:
                shown.say(used_up(mine[0], mine[0].checkpoint))
                break
            except datasets.DataUnavailableError as error:
                # The others can be run all the same.
                unavailable[mine[0].spec.dataset] = error
                for run in mine:
                    shown.skip(run.spec)
            except KeyboardInterrupt as stop:
                written = {record.key for record in made}
                stop.add_note(kept(len(made), [run for run in mine if run.spec.key not in written]))
                raise
    return made, unavailable


def kept(trained: int, in_hand: Sequence[Run]) -> str:
    """What is kept of runs that were stopped, in words.

    Args:
        trained: How many have a record that they had not before.
        in_hand: The others that were begun.
    """
    parts = [f"{trained} runs were trained now, and are kept"]
    for job in jobs(in_hand):
        spec = job[0].spec
        name = (
            f"{spec.dataset} {spec.loss} seed {spec.seed}"
            if len(job) == 1
            else f"{len(job)} runs on {spec.dataset}"
        )
        try:
            age = time.time() - job[0].checkpoint.stat().st_mtime
        except OSError:
            parts.append(f"{name} had no checkpoint yet and starts anew")
        else:
            parts.append(f"{name} goes on from a checkpoint saved {duration(age)} ago")
    return "; ".join(parts)


def used_up(run: Run, checkpoint: Path) -> str:
    """What to say when the budget ended a run, of which there may be no checkpoint."""
    if checkpoint.is_file():
        return "the time budget is used up; the same command goes on from here"
    return (
        f"the time budget is used up before an epoch of {run.spec.model} on {run.spec.dataset} was finished "
        "and saved: that run starts anew, and needs a longer budget"
    )


@dataclass(frozen=True)
class PendingRuns:
    """Runs of one cell that have no record, and what they would cost.

    Attributes:
        experiment: ``<paper>/<item>``.
        profile: Name of the profile.
        labels: The cell, in the paper's terms.
        count: How many seeds are missing.
        seconds: Estimated seconds for all of them.
        data_present: Whether the data set lies in the data root.
    """

    experiment: str
    profile: str
    labels: dict[str, Any]
    count: int
    seconds: float
    data_present: bool


def pending_runs(
    experiment: Experiment,
    profile: Profile,
    *,
    store: Store | None = None,
    estimate: Callable[[RunSpec], float],
) -> list[PendingRuns]:
    """What has not been run of a profile, cell by cell, and what it would cost by an estimate of seconds."""
    store = store or Store()
    known = {record.key for record in stored(experiment, profile, store)}
    found = []
    for cell in profile.cells:
        specs = [replace(cell.spec, seed=seed) for seed in range(profile.seeds)]
        count = sum(spec.key not in known for spec in specs)
        if count:
            found.append(
                PendingRuns(
                    experiment.name,
                    profile.name,
                    dict(cell.labels),
                    count,
                    count * estimate(cell.spec),
                    is_present(cell.spec.dataset),
                )
            )
    return found


def is_present(dataset: str) -> bool:
    """Whether a data set can be read without a network."""
    try:
        return datasets.table_present(dataset) if datasets.is_table(dataset) else datasets.present(dataset)
    except (OSError, datasets.DataUnavailableError):
        return False  # It may be there, but cannot be read.
