"""What is trained at one go: a single run, or the runs on a table that make one batched program."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lossbook import datasets, paths
from lossbook.datasets.data import Dataset
from lossbook.errors import LossbookError
from lossbook.experiments import trunks
from lossbook.experiments.planned import Run, checkpoint_code, modules
from lossbook.results import Record, Store, provenance
from lossbook.results.arrays import MOST, write
from lossbook.training import (
    Replica,
    ReplicaPlan,
    ReplicaResult,
    RunPlan,
    RunSpec,
    SplitArrays,
    select,
    train,
    train_replicas,
)
from lossbook.training.precision import used as used_precision
from lossbook.training.redraw import redraw
from lossbook.training.replicas import Ties, select_epoch
from lossbook.training.selection import on_device, sizes

#: Called with the number of epochs done of a run.
Watch = Callable[[int], None]


def train_job(
    job: Sequence[Run],
    device: torch.device,
    deadline: float,
    watches: Sequence[Watch],
    *,
    stop_after: int | None = None,
    branches: Sequence[trunks.Branch] | None = None,
) -> Iterator[Record]:
    """Train the runs of a job, and give their records as they come.

    What was trained is in the checkpoint, at :attr:`Run.checkpoint`, so that it is not lost if it cannot be
    measured or recorded; to be deleted once the records are written.

    Args:
        job: Runs that are trained together.
        device: Where.
        deadline: ``time.monotonic()`` by which to stop.
        watches: One per run.
        stop_after: Leave each run after this many epochs.
        branches: Other runs that begin as this one does; its checkpoint is left to them, see
            :mod:`lossbook.experiments.trunks`. The earliest to part first. None to train from the start
            in any case.

    Raises:
        OutOfTimeError: The deadline came first; a checkpoint is kept.
        DataUnavailableError: The data are not there and could not be downloaded.
        LossbookError: There is not enough memory for a single run.
    """
    if isinstance(job[0].plan, ReplicaPlan):
        yield from _train_table(job, device, deadline, watches)
        return
    for run, watch in zip(job, watches, strict=True):
        yield _train_network(run, device, deadline, watch, stop_after, branches)


# --- networks -----------------------------------------------------------------------------------------------


def _train_network(
    run: Run,
    device: torch.device,
    deadline: float,
    watch: Watch,
    stop_after: int | None,
    branches: Sequence[trunks.Branch] | None,
) -> Record:
    plan = run.plan
    assert isinstance(plan, RunPlan)
    whole = datasets.load(run.spec.dataset)
    data = on_device(select(redraw(whole, run.spec), run.spec), device)
    _check_classes(data, run.spec)
    machine = _machine(run, device)
    origin = None if branches is None else trunks.take_up(run, whole.checksum, machine)
    learn = functools.partial(
        train,
        plan,
        data,
        checkpoint=run.checkpoint,
        code=checkpoint_code(run, whole.checksum),
        deadline=deadline,
        on_epoch=watch,
    )
    for branch in branches or ():
        learn(stop_after=branch.epochs)
        trunks.leave(run, branch, whole.checksum, machine)
    result = learn(stop_after=stop_after)
    files = _Files(run)
    curves = files.take("curves", result.curves | result.by_epoch)
    steps = files.take("steps", result.by_step)
    metrics = {name: values[-1] for name, values in curves.items() if values}
    measured = {
        name: value for measure in plan.end_measures for name, value in measure(result.trained).items()
    }
    metrics |= files.take("metrics", measured)
    made = _provenance(run, device, whole.checksum, whole.notes, sizes(data), result.seconds)
    made |= {} if origin is None else {"begun_as": origin}
    return _record(
        run, result.status, metrics, curves, made, steps=steps, files=files.written, weights=result.weights
    )


def _check_classes(data: Dataset, spec: RunSpec) -> None:
    """Refuse evenly spaced examples that leave out classes, as they do where rows are ordered by class.

    Raises:
        LossbookError: A part that could have ten examples of each class has none of some.
    """
    if spec.class_shares is not None or not (spec.train_size or spec.test_size or spec.validation_size):
        return
    for name in ("train", "test"):
        targets = data.parts[name].targets if name in data.parts else torch.empty(0, 0)
        if targets.ndim != 1 or len(targets) < 10 * data.num_classes:
            continue
        missing = int((torch.bincount(targets, minlength=data.num_classes) == 0).sum())
        if missing:
            raise LossbookError(
                f"the {name} part of this run would have {len(targets):,} examples and none of {missing} of "
                f"the {data.num_classes} classes: the examples of {data.name} are ordered by class here, and "
                "the run takes evenly spaced ones. Choose a train_size, test_size or validation_size that "
                "does not divide their number, such as one less"
            )


class _Files:
    """Sorts what was measured into what a line of a record holds and what lies beside it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.written: dict[str, dict[str, Any]] = {}

    def take(self, group: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Small arrays and numbers as they stand in a record; large ones are written to a file."""
        small = {}
        for name, value in values.items():
            if isinstance(value, Tensor) and value.numel() > MOST:
                where = Store().working / self.run.experiment
                self.written[f"{group}/{name}"] = write(where, value.detach().cpu().numpy())
            else:
                small[name] = _plain_list(value)
        return small


# --- tables -------------------------------------------------------------------------------------------------


def _train_table(
    job: Sequence[Run], device: torch.device, deadline: float, watches: Sequence[Watch]
) -> Iterator[Record]:
    try:
        table = datasets.load_table(job[0].spec.dataset)
    except OSError as error:
        raise datasets.DataUnavailableError(
            f"{job[0].spec.dataset} cannot be read from {paths.data_root()}: {error}"
        ) from error
    arrays = split_arrays(table, device)
    left = list(zip(job, watches, strict=True))
    waiting = [left]
    while waiting:
        now = waiting.pop()
        runs = [run for run, _ in now]
        try:
            results = _train_together(runs, table, arrays, deadline, [watch for _, watch in now])
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            if len(runs) == 1:
                raise LossbookError(
                    f"{runs[0].spec.dataset} needs more memory than there is, even for one network alone"
                ) from error
            # A replica's result does not depend on its company, so half as many at a time give the same.
            half = len(runs) // 2
            waiting += [now[half:], now[:half]]
            continue
        for run, result in zip(runs, results, strict=True):
            yield _table_record(run, result, table, arrays, device)


def _table_record(
    run: Run, result: ReplicaResult, table: datasets.UciSet, arrays: SplitArrays, device: torch.device
) -> Record:
    sizes = {f"{part}_size": len(arrays.part(part)[1]) for part in ("train", "validation", "test")}
    made = _provenance(run, device, table.checksum, table.notes, sizes, result.seconds)
    made |= {"trained_together": result.together, "gradient": result.gradient}
    # Curves of thousands of small networks would be most of a store.
    return _record(run, result.status, _table_metrics(result), {}, made)


def _train_together(
    runs: Sequence[Run],
    table: datasets.UciSet,
    arrays: SplitArrays,
    deadline: float,
    watches: Sequence[Watch],
) -> list[ReplicaResult]:
    plan = runs[0].plan
    assert isinstance(plan, ReplicaPlan)
    replicas: list[Replica] = [run.plan.replica for run in runs if isinstance(run.plan, ReplicaPlan)]

    def on_epoch(epochs: int) -> None:
        for run, watch in zip(runs, watches, strict=True):
            if epochs <= run.spec.epochs:
                watch(epochs)

    return train_replicas(
        replicas,
        arrays,
        hidden=plan.hidden(table.num_features),
        batch_size=plan.spec.batch_size,
        momentum=plan.momentum,
        ties="last",
        checkpoint=runs[0].checkpoint,
        code=" ".join([table.checksum, *sorted({run.code for run in runs})]),
        deadline=deadline,
        on_epoch=on_epoch,
    )


def split_arrays(table: datasets.UciSet, device: torch.device) -> SplitArrays:
    """A table's training, validation and test part on a device; see :func:`lossbook.datasets.split`."""
    rows = datasets.split(table)

    def part(index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return table.features[index].to(device), table.labels[index].to(device)

    return SplitArrays(*part(rows.train), *part(rows.validation), *part(rows.test), table.num_classes)


def _out_of_memory(error: BaseException) -> bool:
    # On a CPU, PyTorch has no exception of its own for it.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error)


def _table_metrics(result: ReplicaResult) -> dict[str, float | None]:
    """Values at the last epoch; at the one chosen on validation data; and at the one chosen as published."""
    metrics = {name: _plain(values[-1]) for name, values in result.curves.items()}
    pooled, batches = "validation_accuracy", "validation_batch_accuracy"
    chosen: tuple[tuple[str, str, Ties, tuple[str, ...]], ...] = (
        ("selected", pooled, "last", (pooled, "validation_ce", "test_accuracy", "test_ce")),
        ("selected_first", pooled, "first", ("test_accuracy",)),
        # battash2021 reads accuracies as means over batches, in validation too.
        ("by_batches", batches, "last", (batches, "test_batch_accuracy")),
    )
    for name, by, ties, shown in chosen:
        epoch = select_epoch(result.curves[by], ties)
        metrics[f"{name}_epoch"] = epoch
        for curve in shown:
            metrics[f"{name}_{curve}"] = None if epoch is None else _plain(result.curves[curve][epoch])
    return metrics


# --- records ------------------------------------------------------------------------------------------------


def _record(
    run: Run,
    status: str,
    metrics: dict[str, Any],
    curves: dict[str, list[Any]],
    made: dict[str, Any],
    **more: Any,
) -> Record:
    return Record(
        key=run.spec.key,
        experiment=run.experiment,
        profile=run.profile,
        labels=dict(run.cell.labels),
        config=run.spec.config,
        seed=run.spec.seed,
        status=status,
        metrics=metrics,
        curves=curves,
        provenance=made,
        **more,
    )


def _provenance(
    run: Run,
    device: torch.device,
    checksum: str,
    notes: Sequence[str],
    sizes: dict[str, int],
    seconds: float,
) -> dict[str, Any]:
    commit, dirty = provenance.git_state()
    return {
        "code": run.code,
        "modules": list(modules(run.plan)),
        "git": commit,
        "dirty": dirty,
        "data": checksum,
        "data_notes": list(notes),
        **sizes,
        **_machine(run, device),
        "seconds": float(f"{seconds:.4g}"),
        "finished": provenance.now(),
    }


def _machine(run: Run, device: torch.device) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else provenance.processor_name()
    return {
        "device": device.type,
        "device_name": name,
        "precision": used_precision(run.spec.precision, device),
        "threads": torch.get_num_threads(),
        "versions": provenance.versions(),
    }


def _plain_list(value: Any) -> Any:
    if isinstance(value, Tensor):
        value = value.tolist()
    return [_plain_list(each) for each in value] if isinstance(value, list) else _plain(float(value))


def _plain(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
