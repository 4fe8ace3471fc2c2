"""Runs that are the same for their first epochs, which are trained once.

Two runs that differ in the schedule of their loss alone are one run until the schedules part: weights, order
of the data and augmentation depend on the seed and the epoch. The first of them that is trained leaves its
checkpoint of that epoch to the other, whose record is what training it alone on the same machine would give,
digit by digit.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossbook import paths
from lossbook.experiments.locks import claimed
from lossbook.experiments.planned import Run, checkpoint_code, jobs
from lossbook.training import RunPlan, checkpoint

#: From an epoch and the number of epochs to the settings of a loss, such as a
#: :class:`lossbook.losses.MixingSchedule`.
_Schedule = Callable[[int, int], Any]


@dataclass(frozen=True)
class Trunk:
    """Where a run can begin.

    Attributes:
        run: Another run.
        epochs: For how many epochs the two are the same.
    """

    run: Run
    epochs: int


def trunks(runs: Sequence[Run]) -> dict[str, Trunk]:
    """For each run that begins as one before it does: that with which it has most epochs in common, by key.

    Args:
        runs: In the order that they are trained.
    """
    alike: dict[str, list[tuple[Run, _Schedule]]] = {}
    found: dict[str, Trunk] = {}
    for run in runs:
        schedule = _schedule(run)
        if schedule is None:
            continue
        earlier = alike.setdefault(_otherwise(run), [])
        shared = [(_shared(schedule, other, run.spec.epochs), before) for before, other in earlier]
        epochs, before = max(shared, key=lambda pair: pair[0], default=(0, run))
        if epochs:
            found[run.spec.key] = Trunk(before, epochs)
        earlier.append((run, schedule))
    return found


@dataclass(frozen=True)
class Branch:
    """A run that begins as another one.

    Attributes:
        epochs: For how many epochs the two are the same.
        run: The run.
        wanted: Whether it is still to be trained.
    """

    epochs: int
    run: Run
    wanted: Callable[[], bool]


def branches(
    run: Run, runs: Sequence[Run], found: dict[str, Trunk], wanted: Callable[[Run], bool]
) -> list[Branch]:
    """The runs that begin as one does; the earliest to part first.

    Args:
        run: The one.
        runs: All.
        found: What :func:`trunks` found of them.
        wanted: Whether a run is still to be trained.
    """
    mine = [
        Branch(trunk.epochs, other, functools.partial(wanted, other))
        for other in runs
        if (trunk := found.get(other.spec.key)) is not None and trunk.run.spec.key == run.spec.key
    ]
    return sorted(mine, key=lambda branch: branch.epochs)


def ready(queue: list[list[Run]], found: dict[str, Trunk]) -> list[Run]:
    """The first job of a queue that does not wait for the beginning of its run; the first of all if none.

    A run waits while the one that it begins as is in the queue too, or in another process's hands and not
    there yet.
    """
    waiting = {run.spec.key for job in queue for run in job}
    for job in queue:
        trunk = found.get(job[0].spec.key)
        if trunk is None or not (trunk.run.spec.key in waiting or _awaited(job[0], trunk)):
            return job
    return queue[0]


def _awaited(run: Run, trunk: Trunk) -> bool:
    if _left(run).is_file() or run.checkpoint.is_file():
        return False
    with claimed(trunk.run) as held:
        return not held


def together(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that are trained together or begin as each other, group by group; in the order of their first."""
    found = trunks(runs)
    groups: dict[str, list[Run]] = {}
    of: dict[str, str] = {}
    for job in jobs(runs):
        key = job[0].spec.key
        trunk = found.get(key)
        of[key] = key if trunk is None else of[trunk.run.spec.key]
        groups.setdefault(of[key], []).extend(job)
    return list(groups.values())


def leave(run: Run, branch: Branch, data: str, machine: Mapping[str, Any]) -> None:
    """Leave a run's checkpoint to another one to begin with, unless that one has begun or is in hand.

    Args:
        run: The run, whose checkpoint may be of the epochs that the two have in common.
        branch: The other one.
        data: Checksum of the data.
        machine: What the numbers depend on besides, such as the device and the versions of libraries.
    """
    code = checkpoint_code(run, data)
    state = checkpoint.load(run.checkpoint, code)
    if state is None or len(state["curves"]["train_loss"]) != branch.epochs or state["status"] != "finished":
        return
    other = branch.run
    with claimed(other) as held:
        if held and branch.wanted() and checkpoint.load(other.checkpoint, code) is None:
            checkpoint.save(_left(other), state | {"trunk": run.spec.key, "machine": dict(machine)})


def take_up(run: Run, data: str, machine: Mapping[str, Any]) -> dict[str, Any] | None:
    """Begin with what another run left, unless the run has begun; where it then began, for its record.

    Args:
        run: The run, of which this process has the lock.
        data: Checksum of the data.
        machine: As for :func:`leave`; what another machine left is not taken up.
    """
    code, said = checkpoint_code(run, data), _said(run)
    if checkpoint.load(run.checkpoint, code) is not None:
        known: dict[str, Any] | None = json.loads(said.read_text("utf-8")) if said.is_file() else None
        return known
    said.unlink(missing_ok=True)
    state = checkpoint.load(_left(run), code)
    if state is None or state.pop("machine", None) != dict(machine):
        return None
    origin = {
        "run": state.pop("trunk"),
        "epochs": len(state["curves"]["train_loss"]),
        "seconds": float(f"{state['seconds']:.4g}"),
    }
    checkpoint.save(run.checkpoint, state)
    if not run.checkpoint.is_file():  # A full disk.
        return None
    paths.atomic_write(said, json.dumps(origin))
    return origin


def forget(run: Run) -> None:
    """Delete what was left to a run, once it is recorded."""
    for path in (_left(run), _said(run)):
        path.unlink(missing_ok=True)


def _left(run: Run) -> Path:
    return run.checkpoint.with_name(f"{run.checkpoint.stem}-begun.pt")


def _said(run: Run) -> Path:
    """Where it is kept that a run took up what was left to it."""
    return _left(run).with_suffix(".json")


def _schedule(run: Run) -> _Schedule | None:
    if not isinstance(run.plan, RunPlan):
        return None
    schedule: _Schedule | None = getattr(run.plan.scheduled_loss(run.plan.loss), "schedule", None)
    return schedule


def _otherwise(run: Run) -> str:
    """A run's settings without the schedule of its loss, and its code."""
    config = run.spec.config
    config["loss_options"] = {n: v for n, v in config["loss_options"].items() if n != "schedule"}
    return json.dumps([config, run.spec.seed, run.code], sort_keys=True)


def _shared(one: _Schedule, other: _Schedule, epochs: int) -> int:
    """For how many epochs two schedules are the same; the last one is trained in any case."""
    equal = 0
    while equal < epochs - 1 and one(equal, epochs) == other(equal, epochs):
        equal += 1
    return equal
