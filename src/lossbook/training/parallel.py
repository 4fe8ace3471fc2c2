r"""One run on several processes, each with its part of every batch.

The processes share a run as torch's own ``torchrun`` starts them. Every process has the whole network and all
examples. It sends its part of a batch through the network; then all have the logits of the whole batch, so
that the loss is computed on the batch as one process would see it, whatever the loss. Gradients are added up
by ``DistributedDataParallel``.

The number of processes decides how fast a run is, not what comes out. Order, augmentation and dropout masks
are those of one process: each process draws them for the whole batch and takes its part. Batch normalisation
takes mean and variance over the whole batch. What is left is the order in which numbers are added up.
"""

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parallel import DistributedDataParallel
from torchvision.ops import StochasticDepth

from lossbook.training.engine import Arrays, OutOfTimeError, TrainingResult, train
from lossbook.training.plan import RunPlan

ENTRY_POINT = "lossbook.training.parallel:train_parallel"


def train_parallel(
    plan: RunPlan,
    arrays: Arrays,
    *,
    checkpoint: Path | None = None,
    code: str = "",
    deadline: float = math.inf,
    on_epoch: Callable[[int], None] | None = None,
) -> TrainingResult:
    """Train one network by all processes of the process group; see :func:`lossbook.training.train`.

    Every process calls this with the same plan and arrays and gets the same result. The first process reads
    and writes the checkpoint, and its clock decides about the deadline. A checkpoint belongs to a number of
    processes, which is part of its name.

    Args:
        plan: The run.
        arrays: All examples, on the process's device.
        checkpoint: As for one process.
        code: As for one process.
        deadline: As for one process.
        on_epoch: As for one process.

    Raises:
        OutOfTimeError: The deadline came first, in all processes.
        ValueError: The network draws random numbers in a way that cannot be divided.
        RuntimeError: There is no process group; start the program by ``torchrun``.
    """
    if not distributed.is_initialized():
        raise RuntimeError("there is no process group; start this by torchrun")
    if checkpoint is not None:
        checkpoint = checkpoint.with_suffix(f".{distributed.get_world_size()}-processes.pt")

    limit = deadline if from_first(math.isfinite(deadline)) else None

    def build(shape: tuple[int, int, int], classes: int) -> nn.Module:
        return DividedNetwork(plan.build_model(shape, classes), limit)

    with tempfile.TemporaryDirectory() as folder:
        return train(
            replace(plan, build_model=build),
            arrays,
            checkpoint=_hand_out(checkpoint, Path(folder)),
            code=code,
            on_epoch=on_epoch,
        )


def from_first(value: Any) -> Any:
    """The first process's value, in all processes."""
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def _hand_out(checkpoint: Path | None, folder: Path) -> Path | None:
    """The checkpoint for the first process; for each other one a copy of its own, which nobody keeps."""
    first = distributed.get_rank() == 0
    there = from_first(checkpoint.read_bytes() if first and checkpoint and checkpoint.is_file() else None)
    if first or checkpoint is None:
        return checkpoint
    copy = folder / checkpoint.name
    if there is not None:
        copy.write_bytes(there)
    return copy


class _Part:
    """Which rows of the batch in hand are this process's."""

    def __init__(self) -> None:
        self.rows, self.total = slice(0, 0), 0

    def take(self, total: int) -> None:
        """Divide a batch of so many rows."""
        rank, world = distributed.get_rank(), distributed.get_world_size()
        self.rows, self.total = slice(total * rank // world, total * (rank + 1) // world), total

    def of(self, whole: Tensor) -> Tensor:
        return whole[self.rows]

    def check(self, part: Tensor) -> None:
        if len(part) != self.rows.stop - self.rows.start:
            raise ValueError(
                f"a layer got {len(part)} rows for {self.rows.stop - self.rows.start} examples; in a network "
                "that is divided, the first dimension of what a layer sees must be the batch"
            )


class DividedNetwork(nn.Module):
    """A network whose batches are divided among the processes, and which gives the logits of all.

    Args:
        network: The network; its batch normalisation and dropout are replaced.
        deadline: ``time.monotonic()`` by which to stop training, if at all. The first process decides.

    Raises:
        ValueError: It draws random numbers in a way that cannot be divided.
    """

    def __init__(self, network: nn.Module, deadline: float | None = None) -> None:
        super().__init__()
        self._part = _Part()
        self.network = _divided(network, self._part, {})
        self._deadline = deadline
        self._parallel: list[nn.Module] = []  # No module of its own: its weights are the network's.

    def forward(self, images: Tensor) -> Tensor:
        """The logits of a whole batch, ``[B, K]``, in all processes.

        Raises:
            OutOfTimeError: In training, after the deadline.
        """
        self._part.take(len(images))
        if not torch.is_grad_enabled():
            return _gather(self.network(self._part.of(images)), self._part)
        # One clock decides, or some would wait for ever for those that stopped.
        if self._deadline is not None and from_first(time.monotonic() > self._deadline):
            raise OutOfTimeError
        if not self._parallel:
            self._parallel.append(DistributedDataParallel(self.network))
        logits: Tensor = _Gather.apply(self._parallel[0](self._part.of(images)), self._part)
        return logits


def _gather(logits: Tensor, part: _Part) -> Tensor:
    # Adding zeros changes nothing, and parts need not be of one size.
    whole = logits.new_zeros(part.total, *logits.shape[1:])
    whole[part.rows] = logits
    distributed.all_reduce(whole)
    return whole


class _Gather(torch.autograd.Function):
    """The parts of all processes as one; every process computes the same loss of it."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, part: _Part) -> Tensor:
        ctx.rows = part.rows
        return _gather(logits, part)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # DistributedDataParallel takes the mean of the processes' gradients; here their sum is wanted.
        return gradient[ctx.rows] * distributed.get_world_size(), None


class _Sum(torch.autograd.Function):
    """The sum over the processes."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:  # noqa: ARG004
        whole = part.clone()
        distributed.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        whole = gradient.clone()
        distributed.all_reduce(whole)
        return whole


class _DividedDropout(nn.Module):
    """Dropout with the mask of the whole batch: a process takes the rows of its part."""

    def __init__(self, dropout: nn.Module, part: _Part) -> None:
        super().__init__()
        self.dropout, self._part = dropout, part

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return input
        self._part.check(input)
        layout = torch.channels_last if _is_channels_last(input) else torch.contiguous_format
        ones = torch.empty(
            (self._part.total, *input.shape[1:]), dtype=input.dtype, device=input.device, memory_format=layout
        )
        mask: Tensor = self.dropout(ones.fill_(1))
        return input * self._part.of(mask)


def _is_channels_last(input: Tensor) -> bool:
    return input.ndim == 4 and not input.is_contiguous()


class _DividedBatchNorm(nn.Module):
    """Batch normalisation over the examples of all processes."""

    def __init__(self, norm: _BatchNorm, part: _Part) -> None:
        super().__init__()
        self.norm, self._part = norm, part

    def forward(self, input: Tensor) -> Tensor:
        norm = self.norm
        if not self.training and norm.running_mean is not None:
            given: Tensor = norm(input)
            return given
        self._part.check(input)
        others = [0, *range(2, input.ndim)]
        shape = [1, -1] + [1] * (input.ndim - 2)
        count = self._part.total * math.prod(input.shape[2:])
        if count < 2:
            raise ValueError("batch normalisation needs more than one value a channel in training")
        mean = _Sum.apply(input.sum(others)) / count
        centered = input - mean.view(shape)
        variance = _Sum.apply(centered.square().sum(others)) / count
        if self.training and norm.running_mean is not None:
            self._note(mean.detach(), variance.detach() * count / (count - 1))
        out = centered * (variance + norm.eps).rsqrt().view(shape)
        if norm.affine:
            out = out * norm.weight.view(shape) + norm.bias.view(shape)
        return out

    def _note(self, mean: Tensor, variance: Tensor) -> None:
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked.add_(1)
        momentum = norm.momentum if norm.momentum is not None else 1 / float(norm.num_batches_tracked)
        norm.running_mean.lerp_(mean, momentum)
        norm.running_var.lerp_(variance, momentum)


def _divided(module: nn.Module, part: _Part, done: dict[int, nn.Module]) -> nn.Module:
    """A module that knows of the other processes; one that stands in several places stays one."""
    if id(module) not in done:
        done[id(module)] = module
        if isinstance(module, _BatchNorm):
            done[id(module)] = _DividedBatchNorm(module, part)
        elif type(module) in (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d):
            done[id(module)] = _DividedDropout(module, part)
        elif _is_random(module):
            raise ValueError(
                f"a network with {type(module).__name__} cannot be divided among processes: "
                "its random numbers would not be those of one process. Train it by one process."
            )
        else:
            for name, child in list(module._modules.items()):
                if child is not None:
                    setattr(module, name, _divided(child, part, done))
    return done[id(module)]


def _is_random(module: nn.Module) -> bool:
    if isinstance(module, nn.RReLU | _DropoutNd | StochasticDepth):
        return True
    return isinstance(module, nn.MultiheadAttention | nn.RNNBase) and module.dropout > 0
