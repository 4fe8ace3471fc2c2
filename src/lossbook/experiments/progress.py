"""Progress of an experiment with the time left, and what a run would cost here."""

import functools
import math
import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType

import torch

from lossbook import datasets
from lossbook.training import Replica, RunPlan, RunSpec, SplitArrays, plan_run, train_replicas
from lossbook.training.images import to_float

_LINE_SECONDS = 10.0


def estimate_seconds(spec: RunSpec, device: torch.device) -> float:
    """What a run would cost on a device, from a few steps on random data of its shape."""
    if datasets.is_table(spec.dataset):
        return _table_seconds(spec, device)
    info = datasets.info(spec.dataset)
    train = min(spec.train_size or info.train_size, info.train_size)
    if spec.class_shares is not None:
        # Of published sets all classes are about as large.
        train = min(train, int(info.train_size * sum(spec.class_shares) / info.num_classes))
    test = min(spec.test_size or info.test_size, info.test_size)
    # The loss is a small part of a step, so one measurement serves all losses of a network.
    step = _step_seconds(
        spec.dataset, spec.model, spec.optimizer, spec.batch_size, spec.augmentation, str(device)
    )
    # A test image costs about a third of a training image: forward, without backward.
    return spec.epochs * step * (math.ceil(train / spec.batch_size) + test / spec.batch_size / 3)


@functools.cache
def _step_seconds(
    dataset: str, model: str, optimizer: str, batch_size: int, augmentation: str, device: str
) -> float:
    spec = RunSpec(dataset, model, "ce", optimizer, batch_size, 1, augmentation=augmentation)
    plan = plan_run(spec)
    assert isinstance(plan, RunPlan)
    info = datasets.info(dataset)
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


def _table_seconds(spec: RunSpec, device: torch.device) -> float:
    examples, features, classes = _table_shape(spec.dataset)
    sizes = (2 ** round(math.log2(size)) for size in (features, classes))
    step = _replica_step_seconds(spec.model, spec.batch_size, *sizes, str(device))
    # Half of the examples are trained on; measuring all of them is part of what was timed.
    return spec.epochs * step * math.ceil(examples / 2 / spec.batch_size)


@functools.cache
def _table_shape(dataset: str) -> tuple[int, int, int]:
    """Examples, features and classes; of a table that cannot be read, about the collection's median."""
    try:
        if not datasets.table_present(dataset):
            return 700, 16, 3
        table = datasets.load_table(dataset)
    except (OSError, datasets.DataUnavailableError, datasets.DataDamagedError):
        return 700, 16, 3  # Whoever trains on it says why.
    return len(table.labels), table.num_features, table.num_classes


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


def duration(seconds: float) -> str:
    """Seconds in words that fit their size: ``45 s``, ``12 min``, ``3.4 h``, ``2.1 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


class Progress:
    """Shows how far a list of runs has come: a line in place on a terminal, a line now and then elsewhere."""

    def __init__(self, specs: Sequence[RunSpec], device: torch.device, *, enabled: bool = True) -> None:
        """Weigh the runs by their estimated cost.

        Args:
            specs: All runs there are to do.
            device: Where they are trained.
            enabled: Whether anything is shown.
        """
        self.enabled = enabled
        self.weights = {s.key: estimate_seconds(s, device) for s in specs} if enabled else {}
        self.total = sum(self.weights.values())
        self.count = len(specs)
        self.finished = 0
        self.done = 0.0
        self.started = self.shown = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def __enter__(self) -> "Progress":
        """Start the clock."""
        self.started = time.monotonic()
        if self.enabled:
            self.say(f"{self.count} runs to do, about {duration(self.total)}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the line in place, if there is one."""
        if self.enabled and self.terminal:
            print(file=sys.stderr)

    def say(self, text: str) -> None:
        """Print a line."""
        if self.enabled:
            clear = "\r\x1b[K" if self.terminal else ""
            print(f"{clear}{text}", file=sys.stderr, flush=True)

    def skip(self, spec: RunSpec) -> None:
        """Count a run as not ours to do."""
        self.total -= self.weights.get(spec.key, 0.0)
        self.count -= 1

    def watch(self, spec: RunSpec) -> Callable[[int], None]:
        """A function to call with the number of epochs done of a run."""
        seen = 0

        def on_epoch(epochs: int) -> None:
            nonlocal seen
            # A run continued from a checkpoint starts late: what it did before costs nothing now.
            new = 1 if seen == 0 else epochs - seen
            if seen == 0 and epochs > 1 and self.enabled:
                self.total -= self.weights[spec.key] * (epochs - 1) / spec.epochs
            seen = epochs
            if not self.enabled:
                return
            self.done += self.weights[spec.key] * new / spec.epochs
            if epochs == spec.epochs:
                self.finished += 1
            now = time.monotonic()
            if self.terminal or now - self.shown > _LINE_SECONDS or self.finished == self.count:
                self.shown = now
                left = (now - self.started) * (self.total / self.done - 1) if self.done else self.total
                line = (
                    f"{self.finished}/{self.count} runs done; {spec.dataset} {spec.loss} seed {spec.seed}: "
                    f"epoch {epochs}/{spec.epochs}; about {duration(max(left, 0))} left"
                )
                if self.terminal:
                    print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
                else:
                    print(line, file=sys.stderr, flush=True)

        return on_epoch
