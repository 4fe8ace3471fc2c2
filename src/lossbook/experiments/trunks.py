"""Runs that are the same for their first epochs, which are trained once.

Two runs that differ in the schedule of their loss alone are one run until the schedules part: weights, order
of the data and augmentation depend on the seed and the epoch. The first of them that is trained leaves its
checkpoint of that epoch to the other, whose record is what training it alone would give, digit by digit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossbook.experiments.locks import claimed
from lossbook.experiments.planned import Run, checkpoint_code
from lossbook.training import RunPlan, checkpoint

#: From an epoch and the number of epochs to the settings of a loss, such as a
#: :class:`lossbook.losses.MixingSchedule`.
_Schedule = Callable[[int, int], Any]


@dataclass(frozen=True)
class Trunk:
    """Where a run can begin.

    Attributes:
        run: Another run.
        epochs: For so many epochs it is the same.
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


def branches(run: Run, runs: Sequence[Run], found: dict[str, Trunk]) -> list[tuple[int, Run]]:
    """The runs that begin as one does, each with for how many epochs; the earliest to part first."""
    mine = [
        (trunk.epochs, other)
        for other in runs
        if (trunk := found.get(other.spec.key)) is not None and trunk.run.spec.key == run.spec.key
    ]
    return sorted(mine, key=lambda pair: pair[0])


def leave(run: Run, epochs: int, branch: Run, data: str) -> None:
    """Leave a run's checkpoint to another one to begin with, unless that has begun or is in hand.

    Args:
        run: The run, whose checkpoint may be of these epochs.
        epochs: For how many the two are the same.
        branch: The other one.
        data: Checksum of the data.
    """
    state = checkpoint.load(run.checkpoint, checkpoint_code(run, data))
    if state is None or len(state["curves"]["train_loss"]) != epochs or state["status"] != "finished":
        return
    with claimed(branch) as held:
        if held and not branch.checkpoint.is_file() and not _left(branch).is_file():
            checkpoint.save(_left(branch), state | {"trunk": run.spec.key})


def take_up(run: Run, data: str) -> dict[str, Any] | None:
    """Begin with what another run left, unless the run has begun; where it then began, for its record.

    Args:
        run: The run, of which this process has the lock.
        data: Checksum of the data.
    """
    state = checkpoint.load(_left(run), checkpoint_code(run, data))
    if state is None:
        return None
    origin = {
        "run": state.pop("trunk"),
        "epochs": len(state["curves"]["train_loss"]),
        "seconds": float(f"{state['seconds']:.4g}"),
    }
    if not run.checkpoint.is_file():
        checkpoint.save(run.checkpoint, state)
    return origin


def forget(run: Run) -> None:
    """Delete what was left to a run, once it is recorded."""
    _left(run).unlink(missing_ok=True)


def awaited(run: Run, found: dict[str, Trunk]) -> bool:
    """Whether another process has the run in hand whose beginning this one can take up, and is not there."""
    trunk = found.get(run.spec.key)
    if trunk is None or _left(run).is_file() or run.checkpoint.is_file():
        return False
    with claimed(trunk.run) as held:
        return not held


def _left(run: Run) -> Path:
    return run.checkpoint.with_name(f"{run.checkpoint.stem}-begun.pt")


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
    """For how many epochs two schedules are the same; all but the last at most, as two runs are two."""
    equal = 0
    while equal < epochs - 1 and one(equal, epochs) == other(equal, epochs):
        equal += 1
    return equal
