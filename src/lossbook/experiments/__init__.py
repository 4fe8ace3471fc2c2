"""Experiments: grids of runs, declared by the papers' items, and how they are run.

An experiment is named ``<paper>/<item>``; it is the ``EXPERIMENT`` of ``lossbook.papers.<paper>.<item>``.
"""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping

from lossbook.errors import UnknownNameError
from lossbook.experiments.costs import Estimator
from lossbook.experiments.grid import Cell, Experiment, Profile
from lossbook.experiments.runner import PendingRuns, RunOutcome, pending_runs
from lossbook.experiments.state import ProfileState, states
from lossbook.experiments.workers import run_in_processes
from lossbook.results import Store
from lossbook.training import RunSpec

__all__ = [
    "Cell",
    "Experiment",
    "PendingRuns",
    "Profile",
    "ProfileState",
    "RunOutcome",
    "estimator",
    "get",
    "names",
    "pending",
    "run",
    "status",
]


# Where experiments are declared: found by their place, as this room knows no paper.
_PAPERS = "lossbook.papers"


@functools.cache
def names() -> list[str]:
    """The experiments there are, ``<paper>/<item>``."""
    found = []
    for paper in pkgutil.iter_modules(importlib.import_module(_PAPERS).__path__):
        if not paper.ispkg:
            continue
        items = importlib.import_module(f"{_PAPERS}.{paper.name}").EXPERIMENTS
        found += [f"{paper.name}/{item}" for item in items]
    return sorted(found)


def get(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        UnknownNameError: There is none; the message names the nearest.
    """
    if name not in names():
        raise UnknownNameError("experiment", name, names())
    module = importlib.import_module(f"{_PAPERS}.{name.replace('/', '.')}")
    declared: Experiment = module.EXPERIMENT
    return declared


def run(
    name: str,
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
    progress: bool = True,
    processes: int = 1,
) -> RunOutcome:
    """Train what is missing of an experiment; see :func:`lossbook.experiments.runner.run_experiment`.

    With several processes as :func:`lossbook.experiments.workers.run_in_processes`.
    """
    return run_in_processes(
        get(name),
        processes,
        profile=profile,
        seeds=seeds,
        device=device,
        budget_minutes=budget_minutes,
        refresh=refresh,
        shard=shard,
        where=where,
        key=key,
        force=force,
        progress=progress,
    )


def pending(
    profile: str | None = None,
    experiment: str | None = None,
    *,
    store: Store | None = None,
    estimate: Callable[[RunSpec], float] | None = None,
) -> list[PendingRuns]:
    """What has not been run, cell by cell, and what it would cost.

    Args:
        profile: Only this profile; an unknown one is refused.
        experiment: Only this experiment.
        store: Where records are; the project's own store by default.
        estimate: Gives the seconds of a run; by default they follow from the records, as on the machines of
            those. Who asks several times gives ``estimator().seconds``, which reads the records once.

    Raises:
        UnknownNameError: An unknown profile or experiment.
    """
    chosen = _chosen(experiment, profile)
    store = store or Store()
    estimate = estimate or estimator(store).seconds
    return [
        pending_cell
        for each in chosen
        for name, declared in each.profiles.items()
        if profile in (None, name)
        for pending_cell in pending_runs(each, declared, store=store, estimate=estimate)
    ]


def status(profile: str | None = None, experiment: str | None = None) -> list[ProfileState]:
    """What is recorded, how far it is trusted, and what the rest would cost; nothing is timed or trained.

    Args:
        profile: Only this profile; an unknown one is refused.
        experiment: Only this experiment.

    Raises:
        UnknownNameError: An unknown profile or experiment.
    """
    store = Store()
    estimate = estimator(store)
    found = [state for each in _chosen(experiment, profile) for state in states(each, store, estimate)]
    return [state for state in found if profile in (None, state.profile)]


def estimator(store: Store | None = None) -> Estimator:
    """What runs of the declared experiments would cost, by the records; it reads those once.

    Args:
        store: Where records are; the project's own store by default.
    """
    return Estimator(store or Store(), [get(name) for name in names()])


def _chosen(experiment: str | None, profile: str | None) -> list[Experiment]:
    chosen = [get(experiment)] if experiment else [get(name) for name in names()]
    known = sorted({name for each in chosen for name in each.profiles})
    if profile is not None and profile not in known:
        raise UnknownNameError("profile", profile, known)
    return chosen
