"""Running an experiment: only what is missing, safe to stop at any moment."""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lossbook import datasets, paths
from lossbook.errors import LossbookError
from lossbook.experiments.grid import Cell, Experiment, Profile
from lossbook.experiments.progress import Progress
from lossbook.results import Record, Store, code_hash, provenance
from lossbook.training import RunPlan, RunSpec, TrainingResult, plan_run, train
from lossbook.training.engine import Arrays, OutOfTimeError

EMBEDDED = "digits"


@dataclass(frozen=True)
class Run:
    """A run of an experiment, ready to be trained.

    Attributes:
        experiment: ``<paper>/<item>``.
        profile: Name of the profile.
        cell: The cell it belongs to.
        plan: The run itself.
        code: Hash of the code it would be made by.
    """

    experiment: str
    profile: str
    cell: Cell
    plan: RunPlan
    code: str

    @property
    def spec(self) -> RunSpec:
        """What defines the run."""
        return self.plan.spec


@dataclass(frozen=True)
class RunOutcome:
    """What :func:`run` did.

    Attributes:
        records: The records of the experiment at this profile, old and new.
        trained: How many runs were trained now.
        left: The runs that have no record yet.
        stale: Records made by code that has since changed.
        notes: What a reader must know, for example that embedded data stood in for a data set.
    """

    records: list[Record]
    trained: int
    left: list[Run]
    stale: list[Record]
    notes: tuple[str, ...]


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
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise LossbookError(
            f"unknown device {name!r}; there are: auto, cpu, cuda, cuda:N (N the GPU's number)"
        )
    if kind == "cuda":
        count = torch.cuda.device_count()
        if int(index or 0) >= count:
            raise LossbookError(f"no device {name!r} here: torch sees {count} GPUs; use --device cpu or auto")
    return torch.device(name)


def plan_experiment(
    experiment: Experiment, profile: Profile, seeds: int | None = None
) -> tuple[list[Run], tuple[str, ...]]:
    """Resolve a profile's grid into runs, each once, with embedded data where a real set cannot be had.

    Data sets that are missing are not downloaded here; see :func:`run`.
    """
    runs: dict[str, Run] = {}
    notes: list[str] = []
    substituted = _unobtainable(profile)
    for cell, spec in profile.runs(seeds):
        if reason := substituted.get(spec.dataset):
            notes.append(
                f"{datasets.info(spec.dataset).title} could not be had, so scikit-learn's digits stand in "
                f"for it: the numbers labelled {spec.dataset} say nothing about {spec.dataset}. {reason}"
            )
            spec = replace(spec, dataset=EMBEDDED, train_size=None, test_size=None)
        plan = plan_run(spec)
        runs[spec.key] = Run(experiment.name, profile.name, cell, plan, code_hash(plan.entry_points))
    return list(runs.values()), tuple(dict.fromkeys(notes))


def _unobtainable(profile: Profile) -> dict[str, str]:
    if not profile.embedded_fallback:
        return {}
    reasons = {}
    for name in sorted({cell.spec.dataset for cell in profile.cells}):
        if not datasets.present(name):
            try:
                datasets.get(name)
            except datasets.DataUnavailableError as error:
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
    progress: bool = True,
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
        budget_minutes: Stop after so many minutes, keeping the last checkpoint of the run in hand.
        refresh: Train again what was made by code that has since changed.
        progress: Show progress on standard error.
        store: Where records are; the project's own if None.

    Raises:
        LossbookError: Unknown profile or device, no data, a store that cannot be written.
    """
    if budget_minutes is not None and not budget_minutes > 0:
        raise LossbookError(f"a budget must be a positive number of minutes; got {budget_minutes}")
    deadline = math.inf if budget_minutes is None else time.monotonic() + 60 * budget_minutes
    where = device_named(device)
    chosen = experiment.profile(profile)
    store = store or Store()
    runs, notes = plan_experiment(experiment, chosen, seeds)
    missing = _missing(runs, store, refresh)
    trained = 0
    if missing:
        trained = _train_all(missing, store, where, deadline, refresh, progress)
    by_key = {record.key: record for record in store.records(experiment.name, profile)}
    records = [by_key[run.spec.key] for run in runs if run.spec.key in by_key]
    notes += tuple(
        dict.fromkeys(
            f"{record.config['dataset']}: {note}"
            for record in records
            for note in record.provenance["data_notes"]
        )
    )
    left = [run for run in runs if run.spec.key not in by_key]
    return RunOutcome(records, trained, left, [record for record in records if record.stale], notes)


def _missing(runs: Sequence[Run], store: Store, refresh: bool) -> list[Run]:
    known = {
        record.key: record
        for name, profile in sorted({(run.experiment, run.profile) for run in runs})
        for record in store.records(name, profile)
    }
    return [
        run
        for run in runs
        if run.spec.key not in known or (refresh and known[run.spec.key].provenance["code"] != run.code)
    ]


def _train_all(
    runs: Sequence[Run], store: Store, device: torch.device, deadline: float, refresh: bool, progress: bool
) -> int:
    trained = 0
    with Progress([run.spec for run in runs], device, enabled=progress) as shown:
        for run in runs:
            with _claimed(run) as claimed:
                # Another process may have it in hand, or have finished it meanwhile.
                if not claimed or not _missing([run], store, refresh):
                    shown.skip(run.spec)
                    continue
                data = datasets.load(run.spec.dataset)
                try:
                    result = train(
                        run.plan,
                        _arrays(data, run.spec, device),
                        checkpoint=_checkpoint(run),
                        code=run.code,
                        deadline=deadline,
                        on_epoch=shown.watch(run.spec),
                    )
                except OutOfTimeError:
                    shown.say("the time budget is used up; the same command goes on from here")
                    break
                store.append(_record(run, result, data, device))
                trained += 1
    return trained


def _checkpoint(run: Run) -> Path:
    return paths.build_dir() / "checkpoints" / f"{run.spec.key}.pt"


@contextlib.contextmanager
def _claimed(run: Run) -> Iterator[bool]:
    """Hold a run's lock, so that no other process trains it; False when another one holds it."""
    try:
        import fcntl
    except ImportError:  # Windows: one process at a time is up to the user.
        yield True
        return
    path = _checkpoint(run).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)


def _arrays(data: datasets.ImageData, spec: RunSpec, device: torch.device) -> Arrays:
    train_index = _spread(len(data.train_labels), spec.train_size)
    test_index = _spread(len(data.test_labels), spec.test_size)
    return Arrays(
        data.train_images[train_index].to(device),
        data.train_labels[train_index].to(device),
        data.test_images[test_index].to(device),
        data.test_labels[test_index].to(device),
        data.num_classes,
    )


def _spread(length: int, size: int | None) -> torch.Tensor:
    # Evenly spaced: published sets are not always shuffled (MNIST's first 5,000 test digits are the easier).
    if size is None or size >= length:
        return torch.arange(length)
    return torch.arange(size) * length // size


def _record(run: Run, result: TrainingResult, data: datasets.ImageData, device: torch.device) -> Record:
    commit, dirty = provenance.git_state()
    curves = {name: [_plain(value) for value in values] for name, values in result.curves.items()}
    return Record(
        key=run.spec.key,
        experiment=run.experiment,
        profile=run.profile,
        labels=dict(run.cell.labels),
        config=run.spec.config,
        seed=run.spec.seed,
        status=result.status,
        metrics={name: values[-1] for name, values in curves.items()},
        curves=curves,
        provenance={
            "code": run.code,
            "entry_points": list(run.plan.entry_points),
            "git": commit,
            "dirty": dirty,
            "data": data.checksum,
            "data_notes": list(data.notes),
            "train_size": min(run.spec.train_size or len(data.train_labels), len(data.train_labels)),
            "test_size": min(run.spec.test_size or len(data.test_labels), len(data.test_labels)),
            "device": device.type,
            "device_name": torch.cuda.get_device_name(device)
            if device.type == "cuda"
            else provenance.processor_name(),
            "precision": "float32",
            "threads": torch.get_num_threads(),
            "versions": provenance.versions(),
            "seconds": round(result.seconds, 2),
            "finished": provenance.now(),
        },
    )


def _plain(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


@dataclass(frozen=True)
class PendingRuns:
    """Runs of one cell that have no record, and what they would cost here.

    Attributes:
        experiment: ``<paper>/<item>``.
        profile: Name of the profile.
        labels: The cell, in the paper's terms.
        count: How many seeds are missing.
        seconds: Estimated seconds here for all of them, from a few steps on random data.
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
    device: str = "auto",
    store: Store | None = None,
    estimate: Callable[[RunSpec, torch.device], float] | None = None,
) -> list[PendingRuns]:
    """What has not been run of a profile, cell by cell; the cost is measured on this machine."""
    from lossbook.experiments.progress import estimate_seconds

    estimate = estimate or estimate_seconds
    where = device_named(device)
    store = store or Store()
    known = {record.key for record in store.records(experiment.name, profile.name)}
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
                    count * estimate(cell.spec, where),
                    datasets.present(cell.spec.dataset),
                )
            )
    return found
