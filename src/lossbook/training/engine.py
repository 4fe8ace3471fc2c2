"""The training loop."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lossbook.training.plan import RunPlan

CURVES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "test_ce")
_EVALUATION_BATCH = 1000
_CHECKPOINT_SECONDS = 20.0


class OutOfTimeError(Exception):
    """The deadline came before the run was finished; its last checkpoint is kept."""


@dataclass(frozen=True)
class Arrays:
    """The examples of a run, on its device.

    Attributes:
        train_images: ``uint8 [N, H, W, C]``.
        train_labels: ``int64 [N]``.
        test_images: As above.
        test_labels: As above.
        num_classes: Number of classes.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    num_classes: int


@dataclass(frozen=True)
class TrainingResult:
    """What a run gives.

    Attributes:
        status: ``finished``, or ``diverged`` when the training loss stopped being finite.
        curves: One value an epoch for each of ``CURVES``.
        seconds: Time spent, over all its parts if it was stopped and continued.
    """

    status: str
    curves: dict[str, list[float]]
    seconds: float


def train(
    plan: RunPlan,
    arrays: Arrays,
    *,
    checkpoint: Path | None = None,
    code: str = "",
    deadline: float = math.inf,
    on_epoch: Callable[[int], None] | None = None,
) -> TrainingResult:
    """Train one network and measure it on the test data after every epoch.

    Training values are running means over the epoch, with dropout and augmentation on and the weights as
    they were at each step, as Keras reports them. Random numbers of an epoch depend on the seed and the epoch
    alone, so a run continued from a checkpoint gives the same numbers as one that was never stopped.

    Args:
        plan: The run; where it rests on the examples, fitted to them by
            :meth:`lossbook.training.RunPlan.fitted`.
        arrays: The examples; their device is where the run is trained.
        checkpoint: File to continue from and to save to now and then; removed at the end.
        code: Hash of the code; a checkpoint made by other code is not continued.
        deadline: ``time.monotonic()`` by which to stop.
        on_epoch: Called with the number of epochs done, after each.

    Raises:
        OutOfTimeError: The deadline came first.
    """
    spec, device = plan.spec, arrays.train_images.device
    with _reproducible(device):
        torch.manual_seed(_derive(spec.seed, "weights", 0))
        height, width, channels = arrays.train_images.shape[1:]
        model = plan.build_model((channels, height, width), arrays.num_classes)
        model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        loss = plan.loss.to(device)
        optimizer, schedule = plan.build_optimizer(model.parameters(), **spec.optimizer_options)
        curves: dict[str, list[float]] = {name: [] for name in CURVES}
        spent, step, status = 0.0, 0, "finished"

        state = _load(checkpoint, code)
        if state is not None:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            curves, spent, step = state["curves"], state["seconds"], state["step"]

        begun = saved = time.monotonic()
        before = spent

        def save() -> None:
            if checkpoint is not None:
                _save(
                    checkpoint,
                    {
                        "code": code,
                        "model": model.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "curves": curves,
                        "seconds": spent,
                        "step": step,
                    },
                )

        for epoch in range(len(curves["train_loss"]), spec.epochs):
            started = time.monotonic()
            values, step = _train_epoch(plan, arrays, model, loss, optimizer, schedule, epoch, step, deadline)
            values |= _evaluate(model, loss, arrays.test_images, arrays.test_labels)
            for name in CURVES:
                curves[name].append(values[name])
            now = time.monotonic()
            spent = before + now - begun
            if on_epoch is not None:
                on_epoch(epoch + 1)
            if not math.isfinite(values["train_loss"]):
                status = "diverged"
                break
            out_of_time = epoch + 1 < spec.epochs and now + (now - started) > deadline
            if out_of_time or now - saved > _CHECKPOINT_SECONDS:
                save()
                saved = now
            if out_of_time:
                raise OutOfTimeError
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return TrainingResult(status, curves, spent)


def _train_epoch(
    plan: RunPlan,
    arrays: Arrays,
    model: nn.Module,
    loss: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: Callable[[int], float] | None,
    epoch: int,
    step: int,
    deadline: float,
) -> tuple[dict[str, float], int]:
    spec, labels = plan.spec, arrays.train_labels
    order = torch.randperm(len(labels), generator=_generator(spec.seed, "order", epoch)).to(labels.device)
    noise = _generator(spec.seed, "augmentation", epoch)
    torch.manual_seed(_derive(spec.seed, "dropout", epoch))
    model.train()
    total = torch.zeros((), dtype=torch.float64, device=labels.device)
    correct = torch.zeros((), dtype=torch.int64, device=labels.device)
    for batch in order.split(spec.batch_size):
        if time.monotonic() > deadline:
            raise OutOfTimeError
        if schedule is not None:
            for group in optimizer.param_groups:
                group["lr"] = schedule(step)
        images = plan.augmentation(to_float(arrays.train_images[batch]), noise)
        target = labels[batch]
        logits = model(images)
        value = loss(logits, target)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        step += 1
        total += value.detach().double() * len(target)
        correct += (logits.detach().argmax(1) == target).sum()
    return {
        "train_loss": float(total) / len(labels),
        "train_accuracy": int(correct) / len(labels),
    }, step


@torch.no_grad()
def _evaluate(model: nn.Module, loss: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    model.eval()
    logits = torch.cat([model(to_float(batch)) for batch in images.split(_EVALUATION_BATCH)]).double()
    return {
        "test_loss": float(loss(logits, labels)),
        "test_accuracy": float((logits.argmax(1) == labels).double().mean()),
        "test_ce": float(nn.functional.cross_entropy(logits, labels)),
    }


def to_float(images: Tensor) -> Tensor:
    """From ``uint8 [B, H, W, C]`` to float in [0, 1], ``[B, C, H, W]``, channels last in memory."""
    return images.permute(0, 3, 1, 2).float().div_(255)


def _derive(seed: int, stream: str, epoch: int) -> int:
    digest = hashlib.sha256(f"{seed}/{stream}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def _generator(seed: int, stream: str, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(_derive(seed, stream, epoch))


@contextmanager
def _reproducible(device: torch.device) -> Iterator[None]:
    cuda = device.type == "cuda"
    with (
        torch.random.fork_rng(devices=[device] if cuda else []),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
    ):
        yield


def _save(path: Path, state: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def _load(path: Path | None, code: str) -> dict[str, Any] | None:
    if path is None or not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return state if state["code"] == code else None
