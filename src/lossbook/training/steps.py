"""How a batch becomes a step: one pass, several passes that add up, or two passes with an optimiser each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lossbook.training.clock import Clock

#: What a network is given: its positional arguments.
Inputs = tuple[Tensor, ...]


_START = Clock(0, 0, 1, 1)


@dataclass
class State:
    """What a step works on.

    Attributes:
        network: The network, in training mode.
        forward: From inputs to logits, float32; the network, perhaps in mixed precision or on several
            processes.
        loss: The loss module.
        optimizers: As many as the step asks for.
        clock: Where the run stands.
        share: What the loss of this process's examples counts in the mean over the processes; 1 for a single
            process.
    """

    network: nn.Module
    forward: Callable[..., Tensor]
    loss: nn.Module
    optimizers: list[Optimizer]
    clock: Clock = _START
    share: float = 1.0

    def backward(self, value: Tensor) -> None:
        """Add the gradient of a loss to those there are."""
        (value if self.share == 1 else value * self.share).backward()


class StepResult(NamedTuple):
    """What a step gives, free of the graph.

    Attributes:
        value: The loss of the batch before the update, a scalar.
        logits: Logits of the batch before the update, ``[B, K]``.
    """

    value: Tensor
    logits: Tensor


class Step(Protocol):
    """Turns a batch into an update."""

    optimizers: int

    def __call__(self, state: State, inputs: Inputs, targets: Tensor) -> StepResult:
        """Train on a batch."""


class PlainStep:
    """One pass, one update."""

    optimizers = 1

    def __call__(self, state: State, inputs: Inputs, targets: Tensor) -> StepResult:
        """Train on a batch."""
        (optimizer,) = state.optimizers
        logits = state.forward(*inputs)
        value = state.loss(logits, targets)
        optimizer.zero_grad()
        state.backward(value)
        optimizer.step()
        return StepResult(value.detach(), logits.detach())


class AccumulatedStep:
    r"""One update from several passes over equal parts of a batch, for networks whose batch does not fit.

    A part's loss is weighed by its share of the examples, so for a loss that is a mean over examples the
    gradient is that of the whole batch, up to rounding. It is another one for a loss that looks at the batch
    as a whole, such as LGL-INR, and for batch normalisation, which sees the parts.

    Args:
        parts: Number of parts.
    """

    optimizers = 1

    def __init__(self, parts: int) -> None:
        self.parts = parts

    def __call__(self, state: State, inputs: Inputs, targets: Tensor) -> StepResult:
        """Train on a batch."""
        (optimizer,) = state.optimizers
        optimizer.zero_grad()
        total, found = None, []
        pieces = [each.tensor_split(self.parts) for each in (*inputs, targets)]
        for *part, target in zip(*pieces, strict=True):
            if not len(target):
                continue
            logits = state.forward(*part)
            value = state.loss(logits, target) * (len(target) / len(targets))
            state.backward(value)
            total = value.detach() if total is None else total + value.detach()
            found.append(logits.detach())
        optimizer.step()
        assert total is not None
        return StepResult(total, torch.cat(found))
