"""What is trained at one go: a single run, or the runs on a table that make one batched program."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lossbook import datasets, paths
from lossbook.errors import LossbookError
from lossbook.experiments import saved
from lossbook.experiments.grid import Cell
from lossbook.results import Record, code_hash, provenance
from lossbook.training import (
    Replica,
    ReplicaPlan,
    ReplicaResult,
    RunPlan,
    RunSpec,
    SplitArrays,
    TrainingResult,
    train_replicas,
)
from lossbook.training import train as train_alone
from lossbook.training.engine import Arrays
from lossbook.training.imbalance import class_rows
from lossbook.training.replicas import Ties, select_epoch

#: Called with the number of epochs done of a run.
Watch = Callable[[int], None]


@dataclass(frozen=True)
class Run:
    """A run of an experiment, ready to be trained.

    Attributes:
        experiment: ``<paper>/<item>``.
        profile: Name of the profile.
        cell: The cell it belongs to.
        plan: The run itself.
        code: Hash of the code it would be made by.
        sharing: The profiles whose records of it count, its own among them.
    """

    experiment: str
    profile: str
    cell: Cell
    plan: RunPlan | ReplicaPlan
    code: str
    sharing: tuple[str, ...]

    @property
    def spec(self) -> RunSpec:
        """What defines the run."""
        return self.plan.spec

    @property
    def job(self) -> str:
        """The same for runs that are trained together."""
        return self.plan.group if isinstance(self.plan, ReplicaPlan) else self.spec.key

    @property
    def checkpoint(self) -> Path:
        """Where the job it belongs to is saved now and then."""
        return paths.build_dir() / "checkpoints" / f"{self.job}.pt"

    @property
    def finished(self) -> Path:
        """Where what was trained of its job is kept until the records are written."""
        return self.checkpoint.with_suffix(".done")


def jobs(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that are trained together, side by side; in the order of their first."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.job, []).append(run)
    return list(found.values())


def train_job(
    job: Sequence[Run],
    device: torch.device,
    deadline: float,
    watches: Sequence[Watch],
    *,
    train: Callable[..., TrainingResult] = train_alone,
) -> Iterator[Record]:
    """Train the runs of a job, and give their records as they come.

    What was trained is kept beside the checkpoint, at :attr:`Run.finished`, so that it is not lost if it
    cannot be measured or recorded; to be deleted once the records are written. Several processes that train
    a run together keep none.

    Args:
        job: Runs that are trained together.
        device: Where.
        deadline: ``time.monotonic()`` by which to stop.
        watches: One a run.
        train: What trains a run on images; called as :func:`lossbook.training.train` is.

    Raises:
        OutOfTimeError: The deadline came first; a checkpoint is kept.
        DataUnavailableError: The data are not there and could not be downloaded.
        LossbookError: There is not enough memory for a single run.
    """
    if isinstance(job[0].plan, ReplicaPlan):
        yield from _train_table(job, device, deadline, watches)
        return
    for run, watch in zip(job, watches, strict=True):
        assert isinstance(run.plan, RunPlan)
        data = datasets.load(run.spec.dataset)
        arrays = _arrays(data, run.spec, device)
        plan, networks = _watched(run.plan, arrays)
        # A checkpoint, or what was trained, is of no use with other data.
        made_by = f"{data.checksum} {_training_code(run.plan)}"
        alone = train is train_alone
        result = _finished(run, plan, arrays, made_by) if alone else None
        if result is None:
            if alone:
                saved.discard_damaged(run.checkpoint)
            result = train(
                plan,
                arrays,
                checkpoint=run.checkpoint,
                code=f"{data.checksum} {run.code}",
                deadline=deadline,
                on_epoch=_measuring(plan, arrays, networks, watch),
            )
            if alone:
                content = {"status": result.status, "curves": result.curves, "seconds": result.seconds}
                state = {"model": networks[-1].state_dict()}
                saved.write_finished(run.finished, made_by, content | state)
        else:
            watch(len(result.curves["train_loss"]))
        curves = {name: [_plain(value) for value in values] for name, values in result.curves.items()}
        if isinstance(networks[-1], _Measured):
            curves |= networks[-1].curves()
        sizes = {"train_size": len(arrays.train_labels), "test_size": len(arrays.test_labels)}
        metrics = {name: values[-1] for name, values in curves.items()}
        if run.plan.measure is not None:
            measured = run.plan.measure(networks[-1], arrays)
            metrics |= {name: _plain(value) for name, value in measured.items()}
        made = _provenance(run, device, data.checksum, data.notes, sizes, result.seconds)
        yield _record(run, result.status, metrics, curves, made)


def _training_code(plan: RunPlan) -> str:
    """Hash of the code that a run is trained by, without what measures it at the end."""
    entries = list(plan.entry_points)
    if plan.measure is not None:
        name = f"{plan.measure.__module__}:{plan.measure.__qualname__}"
        if name in entries:
            entries.remove(name)
    return code_hash(entries)


def _finished(run: Run, plan: RunPlan, arrays: Arrays, made_by: str) -> TrainingResult | None:
    """A training whose record was not written, its network built anew; None if there is none."""
    state = saved.read_finished(run.finished, made_by)
    if state is None:
        return None
    height, width, channels = arrays.train_images.shape[1:]
    device = arrays.train_images.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        network = plan.build_model((channels, height, width), arrays.num_classes)
    # As it was trained: the layout in memory decides the last digits.
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.load_state_dict(state["model"])
    network.eval()
    return TrainingResult(state["status"], state["curves"], state["seconds"])


# --- images -------------------------------------------------------------------------------------------------


def _watched(plan: RunPlan, arrays: Arrays) -> tuple[RunPlan, list[nn.Module]]:
    """A plan fitted to its examples that keeps the network it builds, to be measured."""
    built: list[nn.Module] = []
    fitted = plan.fitted(arrays)

    def build(in_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        network = fitted.build_model(in_shape, num_classes)
        built.append(network if plan.epoch_measure is None else _Measured(network))
        return built[-1]

    return replace(fitted, build_model=build), built


class _Measured(nn.Module):
    """A network with what was measured of it after each epoch, which its checkpoints hold too."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.epochs: list[dict[str, float]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(images)
        return logits

    def get_extra_state(self) -> dict[str, Any]:
        return {"epochs": list(self.epochs)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.epochs = list(state["epochs"])

    def curves(self) -> dict[str, list[float | None]]:
        """What was measured, by name; one value an epoch."""
        names = self.epochs[0] if self.epochs else ()
        return {name: [_plain(values[name]) for values in self.epochs] for name in names}


def _measuring(plan: RunPlan, arrays: Arrays, networks: list[nn.Module], watch: Watch) -> Watch:
    """A watch that measures the network first, where that is asked for."""
    measure = plan.epoch_measure
    if measure is None:
        return watch

    def on_epoch(epochs: int) -> None:
        network = networks[-1]
        assert isinstance(network, _Measured)
        network.epochs.append(measure(network, arrays))
        watch(epochs)

    return on_epoch


def _arrays(data: datasets.ImageData, spec: RunSpec, device: torch.device) -> Arrays:
    # Records rest on which rows these are, and their code hash does not hold it: a test pins it instead.
    images, labels = data.test_images, data.test_labels
    rows = torch.arange(len(data.train_labels))
    if spec.validation_size is not None:
        if not 0 < spec.validation_size < len(rows):
            raise LossbookError(
                f"validation_size must take some of the {len(rows):,} training examples of {spec.dataset} "
                f"and leave some; got {spec.validation_size}"
            )
        held_out = spread(len(rows), spec.validation_size)
        images, labels = data.train_images[held_out], data.train_labels[held_out]
        rows = rows[~torch.isin(rows, held_out)]
    if spec.class_shares is None:
        train_index = rows[spread(len(rows), spec.train_size)]
    else:
        train_index = rows[class_rows(data.train_labels[rows], spec.class_shares, spec.train_size)]
    test_index = spread(len(labels), spec.test_size)
    return Arrays(
        data.train_images[train_index].to(device),
        data.train_labels[train_index].to(device),
        images[test_index].to(device),
        labels[test_index].to(device),
        data.num_classes,
    )


def spread(length: int, size: int | None) -> torch.Tensor:
    """Row numbers of a subset, evenly spaced; all of them for None."""
    # Records rest on these numbers; see _arrays.
    # Published sets are not always shuffled (MNIST's first 5,000 test digits are the easier).
    if size is None or size >= length:
        return torch.arange(length)
    return torch.arange(size) * length // size


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
    kept: dict[str, dict[str, Any]] = (saved.read_finished(job[0].finished, table.checksum) or {}).get(
        "runs", {}
    )
    known = {run.spec.key for run in job if kept.get(run.spec.key, {}).get("code") == run.code}
    for run, watch in zip(job, watches, strict=True):
        if run.spec.key in known:
            watch(run.spec.epochs)
            yield _table_record(run, kept[run.spec.key], table, arrays, device)
    left = [(run, watch) for run, watch in zip(job, watches, strict=True) if run.spec.key not in known]
    saved.discard_damaged(job[0].checkpoint)
    waiting = [left] if left else []
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
            kept[run.spec.key] = {"code": run.code, "together": len(runs), "result": asdict(result)}
        saved.write_finished(job[0].finished, table.checksum, {"runs": kept})
        for run in runs:
            yield _table_record(run, kept[run.spec.key], table, arrays, device)


def _table_record(
    run: Run, trained: dict[str, Any], table: datasets.UciSet, arrays: SplitArrays, device: torch.device
) -> Record:
    result = ReplicaResult(**trained["result"])
    sizes = {f"{part}_size": len(arrays.part(part)[1]) for part in ("train", "validation", "test")}
    made = _provenance(run, device, table.checksum, table.notes, sizes, result.seconds)
    made |= {"trained_together": trained["together"], "gradient": result.gradient}
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
    metrics: dict[str, float | None],
    curves: dict[str, list[float | None]],
    made: dict[str, Any],
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
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else provenance.processor_name()
    return {
        "code": run.code,
        "entry_points": list(run.plan.entry_points),
        "git": commit,
        "dirty": dirty,
        "data": checksum,
        "data_notes": list(notes),
        **sizes,
        "device": device.type,
        "device_name": name,
        "precision": run.spec.precision or "float32",
        "threads": torch.get_num_threads(),
        "versions": provenance.versions(),
        "seconds": float(f"{seconds:.4g}"),
        "finished": provenance.now(),
    }


def _plain(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
