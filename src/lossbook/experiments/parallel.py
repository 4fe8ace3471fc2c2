"""Train an experiment's networks one after the other, each on several processes.

.. code-block:: bash

    torchrun --nproc-per-node 2 -m lossbook.experiments.parallel yao2018/table1 --profile paper

For networks that are too large for one GPU's time; a grid of small ones is faster in shards. See
:mod:`lossbook.training.parallel` for what is divided.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import distributed

from lossbook import datasets, experiments
from lossbook.errors import LossbookError
from lossbook.experiments.grid import Experiment
from lossbook.experiments.jobs import Run, train_job
from lossbook.experiments.progress import Progress
from lossbook.experiments.runner import (
    _claimed,
    _missing,
    data_notes,
    deadline_after,
    plan_experiment,
    stored,
    used_up,
)
from lossbook.experiments.saved import discard_damaged
from lossbook.results import Store, code_hash
from lossbook.training import RunPlan
from lossbook.training.engine import OutOfTimeError
from lossbook.training.parallel import ENTRY_POINT, from_first, train_parallel

COMMAND = "torchrun --nproc-per-node N -m lossbook.experiments.parallel"


def run_parallel(
    experiment: Experiment,
    *,
    profile: str = "quick",
    seeds: int | None = None,
    budget_minutes: float | None = None,
    store: Store | None = None,
) -> tuple[int, int, tuple[str, ...]]:
    """Train what has no record yet; every process of the process group calls this.

    The first process writes the records. They are those of one process but for rounding, and say how many
    processes there were.

    Args:
        experiment: The experiment.
        profile: Name of the profile.
        seeds: Number of seeds; the profile's own if None.
        budget_minutes: Stop after so many minutes, keeping the last checkpoint of the run in hand.
        store: Where records are; the project's own if None.

    Returns:
        How many runs were trained, how many are left, and what a reader must know of the data.

    Raises:
        LossbookError: Unknown profile, no data, or an experiment on tables.
    """
    deadline = deadline_after(budget_minutes)
    first = distributed.get_rank() == 0
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    store = store or Store()
    chosen = experiment.profile(profile)
    planned, notes = plan_experiment(experiment, chosen, seeds)
    runs = [_divided(run) for run in planned]
    left = from_first([run.spec.key for run in _missing(runs, store, False)])
    if first and left:
        store.check_writable(experiment.name, profile)
    total = len(left)
    with Progress([run.spec for run in runs if run.spec.key in left], device, enabled=first) as shown:
        for run in [run for run in runs if run.spec.key in left]:
            with _claimed(run) if first else contextlib.nullcontext(True) as claimed:
                # Another program may have it in hand, or have finished it meanwhile.
                if not from_first(claimed and bool(_missing([run], store, False))):
                    shown.skip(run.spec)
                    continue
                checkpoint = run.checkpoint.with_suffix(f".{distributed.get_world_size()}-processes.pt")
                if first:
                    discard_damaged(checkpoint)
                    datasets.load(run.spec.dataset)  # One process downloads.
                distributed.barrier()
                try:
                    (record,) = train_job(
                        [run], device, deadline, [shown.watch(run.spec)], train=train_parallel
                    )
                except OutOfTimeError:
                    shown.say(used_up(run, checkpoint))
                    break
                if first:
                    made = record.provenance | {"processes": distributed.get_world_size()}
                    store.append(replace(record, provenance=made))
                    run.finished.unlink(missing_ok=True)
                left.remove(run.spec.key)
    keys = {run.spec.key for run in runs}
    notes += data_notes(record for record in stored(experiment, chosen, store) if record.key in keys)
    return total - len(left), len(left), notes


def _divided(run: Run) -> Run:
    if not isinstance(run.plan, RunPlan):
        raise LossbookError(
            f"{run.experiment} trains small networks on tables, many at once; divide it by "
            "`lossbook run --shard` instead"
        )
    entries = (*run.plan.entry_points, ENTRY_POINT)
    return replace(run, plan=replace(run.plan, entry_points=entries), code=code_hash(entries))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(
        COMMAND, description="Train what is missing of an experiment, each network on several processes."
    )
    parser.add_argument("experiment", help="for example yao2018/table1")
    parser.add_argument("--profile", default="quick", help="smoke, quick, paper, or another one")
    parser.add_argument("--seeds", type=int, help="number of seeds; the profile's own if not given")
    parser.add_argument("--budget", type=float, help="stop after so many minutes")
    given = parser.parse_args(arguments)
    if "LOCAL_RANK" not in os.environ:
        print(f"start this so: {COMMAND.replace('N', '2')} {given.experiment}", file=sys.stderr)
        return 2
    # What the processes agree on, they agree on without waiting for a GPU.
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    first = distributed.get_rank() == 0
    try:
        trained, left, notes = run_parallel(
            experiments.get(given.experiment),
            profile=given.profile,
            seeds=given.seeds,
            budget_minutes=given.budget,
        )
    except LossbookError as error:
        if first:
            print(f"lossbook: {error}", file=sys.stderr)
        return 2
    finally:
        distributed.destroy_process_group()
    if first:
        print(f"{given.experiment} [{given.profile}]: {trained} runs trained now, {left} left")
        for note in notes:
            print(f"note: {note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
