"""Train an experiment's networks one after the other, each on several processes.

.. code-block:: bash

    torchrun --nproc-per-node 2 -m lossbook.experiments.distributed li2020/table4 --profile paper

For networks that are too large for one GPU's time; a grid of small ones is faster in shards. See
:mod:`lossbook.training.distributed` for what is divided, and what it changes.
"""

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

import torch

from lossbook import datasets, experiments
from lossbook.errors import LossbookError
from lossbook.experiments import trunks
from lossbook.experiments.grid import Experiment
from lossbook.experiments.jobs import train_job
from lossbook.experiments.locks import claimed
from lossbook.experiments.progress import RunProgress
from lossbook.experiments.runner import deadline_after, missing, plan_experiment, used_up
from lossbook.results import Store
from lossbook.training import OutOfTimeError, RunPlan, distributed

COMMAND = "torchrun --nproc-per-node N -m lossbook.experiments.distributed"


def run_distributed(
    experiment: Experiment,
    *,
    profile: str = "quick",
    seeds: int | None = None,
    budget_minutes: float | None = None,
    store: Store | None = None,
) -> tuple[int, int]:
    """Train what has no record yet; every process of the process group calls this.

    The first process writes the records, which say how many processes there were.

    Args:
        experiment: The experiment.
        profile: Name of the profile.
        seeds: Number of seeds; the profile's own if None.
        budget_minutes: Stop after this many minutes, keeping the last checkpoint of the run in hand.
        store: Where records are; the project's own if None.

    Returns:
        How many runs were trained, and how many are left.

    Raises:
        LossbookError: Unknown profile, no data, an experiment on tables, or a step of two passes.
    """
    deadline, first = deadline_after(budget_minutes), distributed.rank() == 0
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    store = store or Store()
    runs, _ = plan_experiment(experiment, experiment.profile(profile), seeds)
    for run in runs:
        if not isinstance(run.plan, RunPlan):
            raise LossbookError(
                f"{run.experiment} trains small networks on tables, many at once; divide it by "
                "`lossbook run --shard` instead"
            )
        if run.plan.step.optimizers > 1:
            raise LossbookError(f"{run.experiment} takes steps of two passes, which one process must take")
    left = distributed.agree([run.spec.key for run in missing(runs, store, False)])
    if first and left:
        store.check_writable(experiment.name, profile)
    trained = 0
    with RunProgress([run.spec for run in runs if run.spec.key in left], device, show=first) as shown:
        for run in [run for run in runs if run.spec.key in left]:
            with claimed(run) if first else contextlib.nullcontext(True) as mine:
                # Another program may have it in hand, or have finished it meanwhile.
                if not distributed.agree(mine and bool(missing([run], store, False))):
                    shown.skip(run.spec)
                    continue
                if first:
                    datasets.load(run.spec.dataset)  # One process downloads.
                distributed.agree(None)
                shown.start(run.spec)
                try:
                    watch = functools.partial(shown.epoch, run.spec)
                    (record,) = train_job([run], device, deadline, [watch])
                except OutOfTimeError:
                    shown.say(used_up(run, run.checkpoint))
                    break
                if first:
                    made = record.provenance | {"processes": distributed.world()}
                    store.append(replace(record, provenance=made))
                    run.checkpoint.unlink(missing_ok=True)
                    trunks.forget(run)
                distributed.agree(None)
                shown.finish(run.spec)
                trained += 1
    return trained, len(left) - trained


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(
        COMMAND, description="Train what is missing of an experiment, each network on several processes."
    )
    parser.add_argument("experiment", help="for example li2020/table4")
    parser.add_argument("--profile", default="quick", help="smoke, quick, paper, or another one")
    parser.add_argument("--seeds", type=int, help="number of seeds; the profile's own if not given")
    parser.add_argument("--budget", type=float, help="stop after this many minutes")
    given = parser.parse_args(arguments)
    if not distributed.started_by_torchrun():
        print(f"start it like this: {COMMAND.replace('N', '2')} {given.experiment}", file=sys.stderr)
        return 2
    distributed.start()
    first = distributed.rank() == 0
    try:
        trained, left = run_distributed(
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
        distributed.stop()
    if first:
        print(f"{given.experiment} [{given.profile}]: {trained} runs trained now, {left} left")
    return 75 if left else 0


if __name__ == "__main__":
    sys.exit(main())
