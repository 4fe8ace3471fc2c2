"""How far an experiment is, with the time left; and what a run would cost here."""

import functools
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Protocol

import torch

from lossbook import datasets
from lossbook.experiments.costs import TEST_SHARE, run_sizes, table_shape, text_seconds
from lossbook.progress import Bar, Progress, duration
from lossbook.training import Replica, RunPlan, RunSpec, SplitArrays, plan_run, train_replicas
from lossbook.training.images import to_float
from lossbook.training.selection import on_device

_MOST_BARS = 4


def estimate_seconds(spec: RunSpec, device: torch.device) -> float:
    """What a run would cost on a device, from a few steps on random data; on texts, by operations."""
    if datasets.is_table(spec.dataset):
        return _table_seconds(spec, device)
    if datasets.info(spec.dataset).kind == "texts":
        return text_seconds(spec)
    train, test = run_sizes(spec)
    # The loss is a small part of a step, so one measurement serves all losses of a network.
    step = _step_seconds(
        spec.dataset, spec.model, spec.optimizer, spec.batch_size, spec.augmentation, str(device)
    )
    return spec.epochs * step * (math.ceil(train / spec.batch_size) + TEST_SHARE * test / spec.batch_size)


@functools.cache
def _step_seconds(
    dataset: str, model: str, optimizer: str, batch_size: int, augmentation: str, device: str
) -> float:
    spec = RunSpec(dataset, model, "ce", optimizer, batch_size, 1, augmentation=augmentation)
    plan = plan_run(spec)
    assert isinstance(plan, RunPlan)
    info = datasets.info(dataset)
    if info.kind != "images":
        return _small_step_seconds(replace(spec, loss="lr"), device)
    height, width, channels = info.image_shape
    where = torch.device(device)
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        network = plan.build_model((channels, height, width), info.num_classes)
        network = network.to(device=where, memory_format=torch.channels_last)  # type: ignore[call-overload]
        updates, _ = plan.build_optimizer(network.parameters())
        shape = (batch_size, height, width, channels)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, device=where)
        target = torch.randint(0, info.num_classes, (batch_size,), device=where)
        noise = torch.Generator().manual_seed(0)
        times = []
        for _ in range(4):
            started = time.perf_counter()
            value = plan.loss(network(plan.augmentation(to_float(images), noise)), target)
            updates.zero_grad()
            value.backward()
            updates.step()
            float(value.detach())  # Waits for the device.
            times.append(time.perf_counter() - started)
    return min(times[1:])


def _small_step_seconds(spec: RunSpec, device: str) -> float:
    """The same for features and texts, whose shape only the data know; nothing where they are not here."""
    if not datasets.present(spec.dataset):
        return 0.0
    where, plan = torch.device(device), plan_run(spec)
    assert isinstance(plan, RunPlan)
    data = on_device(datasets.load(spec.dataset, download=False), where)
    train, task = data.parts["train"], plan.task(data)
    rows = torch.arange(min(spec.batch_size, len(train.targets)), device=where)
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        network = task.place(plan.build_model(task.in_shape, data.num_classes), where)
        updates, _ = plan.build_optimizer(network.parameters())
        times = []
        for _ in range(4):
            started = time.perf_counter()
            value = plan.loss(network(*task.batch(train, rows, None)), train.targets[rows])
            updates.zero_grad()
            value.backward()
            updates.step()
            float(value.detach())  # Waits for the device.
            times.append(time.perf_counter() - started)
    return min(times[1:])


def _table_seconds(spec: RunSpec, device: torch.device) -> float:
    examples, features, classes = table_shape(spec.dataset)
    sizes = (2 ** round(math.log2(size)) for size in (features, classes))
    step = _replica_step_seconds(spec.model, spec.batch_size, *sizes, str(device))
    # Half of the examples are trained on; measuring all of them is part of what was timed.
    return spec.epochs * step * math.ceil(examples / 2 / spec.batch_size)


@functools.cache
def _replica_step_seconds(
    model: str, batch_size: int, features: int, classes: int, device: str, *, steps: int = 16
) -> float:
    """Seconds a step and replica, of as many together as a study has on a table."""
    where, noise = torch.device(device), torch.Generator().manual_seed(0)

    def part(size: int) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = torch.randn(size, features, generator=noise)
        return inputs.to(where), torch.randint(classes, (size,), generator=noise).to(where)

    size = steps * batch_size
    arrays = SplitArrays(*part(size), *part(size // 2), *part(size // 2), num_classes=classes)
    replicas = [Replica("ce", 0.01, 1, seed % 2) for seed in range(36)]
    times = []
    for _ in range(2):
        started = time.perf_counter()
        train_replicas(
            replicas,
            arrays,
            hidden=features if model == "hidden" else 0,
            batch_size=batch_size,
            momentum=0.9,
            ties="last",
        )
        times.append(time.perf_counter() - started)
    return min(times) / steps / len(replicas)


class Report(Protocol):
    """Whom to tell how far runs have come."""

    def say(self, text: str) -> None:
        """Something else to know."""

    def start(self, spec: RunSpec) -> None:
        """A run is taken in hand."""

    def epoch(self, spec: RunSpec, epochs: int) -> None:
        """A number of its epochs are done."""

    def finish(self, spec: RunSpec) -> None:
        """Its record is written."""

    def skip(self, spec: RunSpec) -> None:
        """It is not ours to do."""


class RunProgress:
    """A bar for all runs, by their estimated cost, and one for each run in hand, by epochs."""

    def __init__(self, specs: Sequence[RunSpec], device: torch.device, *, show: bool = True) -> None:
        """Weigh the runs by their estimated cost.

        Args:
            specs: All runs there are to do.
            device: Where they are trained.
            show: Whether anything is shown.
        """
        #: How many records were written.
        self.finished = 0
        #: The runs in hand by their keys.
        self.in_hand: dict[str, RunSpec] = {}
        self._shown = Progress(show=show)
        self._weights = {spec.key: estimate_seconds(spec, device) if show else 1.0 for spec in specs}
        self._total = sum(self._weights.values())
        self._count, self._done = len(specs), 0.0
        self._epochs: dict[str, int] = {}
        self._bars: dict[str, Bar] = {}

    def __enter__(self) -> "RunProgress":
        """Start the clock."""
        self._shown.__enter__()
        self.say(f"{self._count} runs to do, about {duration(self._total)} one after the other")
        self._all = self._shown.bar(self._label, self._total)
        self._all.at(0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say where it ended."""
        self._shown.tell(now=True)
        self._shown.__exit__(kind, error, trace)

    @property
    def _label(self) -> str:
        more = f", {len(self.in_hand)} in hand" if len(self.in_hand) > _MOST_BARS else ""
        return f"{self.finished}/{self._count} runs done{more}"

    def _show(self) -> None:
        # The sum of rounded parts may miss their total, and then some time would seem to be left at the end.
        done = self._total if self.finished == self._count else self._done
        self._all.at(done, label=self._label, total=self._total)

    def tell(self) -> None:
        """Give the sign of life that may be due where there is no terminal."""
        self._shown.tell()

    def say(self, text: str) -> None:
        """Print a line."""
        self._shown.say(text)

    def start(self, spec: RunSpec) -> None:
        """Take a run in hand, which shows its bar."""
        self.in_hand[spec.key] = spec
        if len(self._bars) < _MOST_BARS and spec.key not in self._bars:
            name = f"{spec.dataset} {spec.loss} seed {spec.seed}"
            self._bars[spec.key] = self._shown.bar(name, spec.epochs, "epoch")
        self._show()

    def epoch(self, spec: RunSpec, epochs: int) -> None:
        """Say how many epochs of a run are done."""
        weight, seen = self._weights[spec.key], self._epochs.get(spec.key)
        if seen is None:
            # A run continued from a checkpoint starts late: what it did before costs nothing now.
            self._total -= weight * (epochs - 1) / spec.epochs
            seen = epochs - 1
        self._done += weight * (epochs - seen) / spec.epochs
        self._epochs[spec.key] = epochs
        if spec.key in self._bars:
            self._bars[spec.key].at(epochs, tell=False)
        self._show()

    def finish(self, spec: RunSpec) -> None:
        """Count a run as done, whose training may have ended before its last epoch."""
        self.finished += 1
        seen = self._epochs.get(spec.key, 0)
        self._done += self._weights[spec.key] * (spec.epochs - seen) / spec.epochs
        self._drop(spec)

    def skip(self, spec: RunSpec) -> None:
        """Count a run as not ours to do."""
        seen = self._epochs.get(spec.key, 0)
        self._total -= self._weights[spec.key] * (spec.epochs - seen) / spec.epochs
        self._count -= 1
        self._drop(spec)

    def _drop(self, spec: RunSpec) -> None:
        self.in_hand.pop(spec.key, None)
        if bar := self._bars.pop(spec.key, None):
            bar.remove()
        self._show()
