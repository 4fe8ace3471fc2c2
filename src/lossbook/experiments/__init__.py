"""The papers' tables and figures as declared grids of runs, and how they are run."""

from lossbook.errors import UnknownNameError
from lossbook.experiments import battash2021, head_to_head, li2020, li2020_balance, yao2018
from lossbook.experiments.grid import Cell, Experiment, Profile
from lossbook.experiments.runner import PendingRuns, RunOutcome, pending_runs
from lossbook.experiments.workers import run_in_processes

__all__ = [
    "Cell",
    "Experiment",
    "PendingRuns",
    "Profile",
    "RunOutcome",
    "get",
    "names",
    "pending",
    "run",
]

_EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        *yao2018.EXPERIMENTS,
        *li2020.EXPERIMENTS,
        *li2020_balance.EXPERIMENTS,
        *battash2021.EXPERIMENTS,
        *head_to_head.EXPERIMENTS,
    )
}


def names() -> list[str]:
    """The experiments there are, ``<paper>/<item>``."""
    return sorted(_EXPERIMENTS)


def get(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        UnknownNameError: There is none; the message names the nearest.
    """
    if name not in _EXPERIMENTS:
        raise UnknownNameError("experiment", name, names())
    return _EXPERIMENTS[name]


def run(
    name: str,
    *,
    profile: str = "quick",
    seeds: int | None = None,
    device: str = "auto",
    budget_minutes: float | None = None,
    refresh: bool = False,
    shard: tuple[int, int] = (1, 1),
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
        progress=progress,
    )


def pending(
    profile: str | None = None, experiment: str | None = None, *, device: str = "auto"
) -> list[PendingRuns]:
    """What has not been run, cell by cell, and what it would cost here.

    Args:
        profile: Only this profile; an unknown one is refused.
        experiment: Only this experiment.
        device: Where it would run.

    Raises:
        UnknownNameError: An unknown profile or experiment.
    """
    chosen = [get(experiment)] if experiment else [get(name) for name in names()]
    known = sorted({name for each in chosen for name in each.profiles})
    if profile is not None and profile not in known:
        raise UnknownNameError("profile", profile, known)
    return [
        pending_cell
        for each in chosen
        for name, declared in each.profiles.items()
        if profile in (None, name)
        for pending_cell in pending_runs(each, declared, device=device)
    ]
