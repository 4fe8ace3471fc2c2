"""The training loop: it knows batches, steps and epochs, and nothing of images, losses or records."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lossbook.training import checkpoint as checkpoints
from lossbook.training import distributed
from lossbook.training.checkpoint import OutOfTimeError
from lossbook.training.clock import Clock
from lossbook.training.evaluation import Task, TrainedNetwork, curve_names, evaluate
from lossbook.training.measures.subject import StepSeen
from lossbook.training.rng import derive, generator
from lossbook.training.steps import State

if TYPE_CHECKING:
    from pathlib import Path

    from lossbook.datasets.data import Dataset
    from lossbook.training.plan import RunPlan

#: How many examples, evenly spaced, a network with parts to be fitted is fitted to.
_FITTED_TO = 5000

__all__ = ["OutOfTimeError", "TrainingResult", "train"]


@dataclass(frozen=True)
class TrainingResult:
    """What a run gives.

    Attributes:
        status: ``finished``, or ``diverged`` when the training loss stopped being finite.
        curves: One value per epoch for each curve.
        by_epoch: Arrays that were measured by epoch; the first axis is that of epochs.
        by_step: What was measured by step; the first axis is that of steps.
        seconds: Time spent, over all its parts if it was stopped and continued.
        weights: SHA-256 of the weights after the ``first`` epoch and at the ``end``, 16 digits each.
        trained: The network with the data of its run.
    """

    status: str
    curves: dict[str, list[float]]
    by_epoch: dict[str, Tensor]
    by_step: dict[str, Tensor]
    seconds: float
    weights: dict[str, str]
    trained: TrainedNetwork = field(repr=False)


def train(
    plan: RunPlan,
    data: Dataset,
    *,
    checkpoint: Path | None = None,
    code: str = "",
    deadline: float = math.inf,
    on_epoch: Callable[[int], None] | None = None,
    stop_after: int | None = None,
) -> TrainingResult:
    """Train one network and measure it after every epoch.

    Training values are running means over the epoch, with dropout and augmentation on and the weights as
    they were at each step, as Keras reports them. Random numbers of an epoch depend on the seed and the epoch
    alone, so a run continued from a checkpoint gives the same numbers as one that was never stopped.

    Args:
        plan: The run.
        data: The examples, selected for the run; their device is where it is trained.
        checkpoint: File to continue from and to save to now and then, and at the end: what was trained can
            then be measured again. The caller deletes it.
        code: Hash of code and data; a checkpoint with another one is not continued.
        deadline: ``time.monotonic()`` by which to stop.
        on_epoch: Called with the number of epochs done, after each.
        stop_after: Leave the run after this many epochs, as if it had ended there; schedules are those of the
            whole run.

    Raises:
        OutOfTimeError: The deadline came first.
    """
    spec, device = plan.spec, data.parts["train"].targets.device
    last = spec.epochs if stop_after is None else min(stop_after, spec.epochs)
    with _reproducible(device):
        task = plan.task(data)
        torch.manual_seed(derive(spec.seed, "weights", 0))
        network = task.place(plan.build_model(task.in_shape, data.num_classes), device)
        if hasattr(network, "fit"):
            _fit(network, task, data)
        run = _Run(plan, data, task, network)
        run.restore(checkpoints.load(checkpoint, code))
        begun = saved = time.monotonic()
        before = run.seconds

        for epoch in range(run.epochs, last):
            if run.status != "finished":
                break
            started = time.monotonic()
            run.learn(_train_epoch(run, epoch, deadline))
            now = time.monotonic()
            run.seconds = before + now - begun
            if on_epoch is not None:
                on_epoch(epoch + 1)
            over = epoch + 1 == last or run.status != "finished"
            out_of_time = distributed.agree(not over and now + (now - started) > deadline)
            if distributed.rank() == 0 and (over or out_of_time or now - saved > checkpoints.SECONDS):
                checkpoints.save(checkpoint, run.state_dict() | {"code": code})
                saved = now
            if out_of_time:
                raise OutOfTimeError
    return TrainingResult(
        run.status,
        run.curves,
        _stacked(run.by_epoch),
        _stacked(run.by_step),
        run.seconds,
        run.weights,
        run.trained,
    )


def _fit(network: nn.Module, task: Task, data: Dataset) -> None:
    """Fit what a network takes from the training inputs, as it will be given them, without augmentation."""
    train = data.parts["train"]
    size = min(len(train.targets), _FITTED_TO)
    rows = torch.arange(size, device=train.targets.device) * len(train.targets) // size
    network.fit(*task.batch(train, rows, None))  # type: ignore[operator]


class _Run:
    """A run on its way."""

    def __init__(self, plan: RunPlan, data: Dataset, task: Task, network: nn.Module) -> None:
        self.plan, self.data, self.task = plan, data, task
        device = data.parts["train"].targets.device
        optimizers, self.schedules = plan.optimizers(network)
        forward = plan.forward(distributed.wrap(network), device)
        self.state = State(network, forward, plan.fitted_loss(data).to(device), optimizers)
        self.trained = TrainedNetwork(
            State(network, plan.forward(network, device), self.state.loss, []), task, data
        )
        self.curves: dict[str, list[float]] = {name: [] for name in curve_names(data)}
        self.by_epoch: dict[str, list[Tensor]] = {}
        self.by_step: dict[str, list[Tensor]] = {}
        self.weights: dict[str, str] = {}
        self.seconds, self.step, self.status = 0.0, 0, "finished"

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.curves["train_loss"])

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Go on from a checkpoint."""
        if state is None:
            return
        self.state.network.load_state_dict(state["network"])
        for optimizer, content in zip(self.state.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(content)
        self.curves, self.weights = state["curves"], state["weights"]
        self.by_epoch, self.by_step = state["by_epoch"], state["by_step"]
        self.seconds, self.step, self.status = state["seconds"], state["step"], state["status"]

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "network": self.state.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.state.optimizers],
            "curves": self.curves,
            "by_epoch": self.by_epoch,
            "by_step": self.by_step,
            "weights": self.weights,
            "seconds": self.seconds,
            "step": self.step,
            "status": self.status,
        }

    def learn(self, values: dict[str, float]) -> None:
        """Take up the values of an epoch, and measure what is measured after each."""
        values |= evaluate(self.trained)
        for measure in self.plan.epoch_measures:
            for name, value in measure(self.trained).items():
                if isinstance(value, Tensor) and value.ndim:
                    self.by_epoch.setdefault(name, []).append(value.detach().cpu())
                else:
                    values[name] = float(value)
        for name, value in values.items():
            self.curves.setdefault(name, []).append(value)
        digest = weights_digest(self.state.network)
        self.weights = {"first": self.weights.get("first", digest), "end": digest}
        if not math.isfinite(values["train_loss"]):
            self.status = "diverged"

    def see(self, seen: StepSeen) -> None:
        """Measure what is measured at every step."""
        for measure in self.plan.step_measures:
            for name, value in measure(seen).items():
                self.by_step.setdefault(name, []).append(torch.as_tensor(value).detach().cpu())


def _stacked(values: Mapping[str, list[Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack(found) for name, found in values.items()}


def _train_epoch(run: _Run, epoch: int, deadline: float) -> dict[str, float]:
    spec, train = run.plan.spec, run.data.parts["train"]
    targets, rank = train.targets, distributed.rank()
    order = torch.randperm(len(targets), generator=generator(spec.seed, "order", epoch)).to(targets.device)
    # Processes that train together draw numbers of their own.
    own = f"/{rank}" if rank else ""
    noise = generator(spec.seed, f"augmentation{own}", epoch)
    torch.manual_seed(derive(spec.seed, f"dropout{own}", epoch))
    run.state.network.train()
    scheduled = run.plan.scheduled_loss(run.state.loss)
    if scheduled is not None:
        scheduled.set_epoch(epoch, spec.epochs)
    batches = order.split(spec.batch_size)
    total = torch.zeros((), dtype=torch.float64, device=targets.device)
    correct = torch.zeros((), dtype=torch.int64, device=targets.device)
    for rows in batches:
        if distributed.agree(time.monotonic() > deadline):
            raise OutOfTimeError
        run.state.clock = Clock(run.step, epoch, len(batches), spec.epochs)
        for optimizer, schedule in zip(run.state.optimizers, run.schedules, strict=True):
            if schedule is not None:
                rate = schedule(run.state.clock)
                for group in optimizer.param_groups:
                    group["lr"] = rate
        mine = distributed.share(rows)
        run.state.share = distributed.world() * len(mine) / len(rows)
        inputs, target = run.task.batch(train, mine, noise), targets[mine]
        value, logits = run.plan.step(run.state, inputs, target)
        run.step += 1
        total += value.double() * len(target)
        if target.ndim == 1:
            correct += (logits.argmax(1) == target).sum()
        if run.plan.step_measures:
            run.see(StepSeen(run.state.loss, value, logits, target, run.state.clock))
    values = {"train_loss": float(distributed.total(total)) / len(targets)}
    if targets.ndim == 1:
        values["train_accuracy"] = int(distributed.total(correct)) / len(targets)
    return values


def weights_digest(network: nn.Module) -> str:
    """SHA-256 of a network's weights and buffers by name, 16 digits."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


@contextmanager
def _reproducible(device: torch.device) -> Iterator[None]:
    cuda = device.type == "cuda"
    with (
        torch.random.fork_rng(devices=[device] if cuda else []),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
    ):
        yield
