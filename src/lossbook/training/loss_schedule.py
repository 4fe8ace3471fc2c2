"""Losses that change from epoch to epoch."""

from collections.abc import Callable
from typing import Any, Protocol, cast

from torch import nn

from lossbook.training.optim import Optimizer


class ScheduledLoss(Protocol):
    """A loss with a schedule of its own, such as :class:`lossbook.losses.CEELLoss` with one."""

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Take up what holds in an epoch, counted from 0, of so many."""


def scheduled_part(loss: nn.Module) -> ScheduledLoss | None:
    """The loss, or the one within it, that changes from epoch to epoch; None if nothing does."""
    for part in loss.modules():
        if hasattr(part, "set_epoch") and getattr(part, "schedule", part) is not None:
            return cast(ScheduledLoss, part)
    return None


def follow_epochs(
    loss: ScheduledLoss, build_optimizer: Callable[..., Optimizer], *, epochs: int, steps_per_epoch: int
) -> Callable[..., Optimizer]:
    """An optimiser that takes a loss to its epoch before every step.

    The training loop asks for the learning rate of a step, by its number, before it takes it. The epoch
    follows from the number alone, so a run that is continued goes on where the loss was.

    Args:
        loss: What changes.
        build_optimizer: From parameters to optimiser and learning-rate schedule.
        epochs: Number of epochs in all.
        steps_per_epoch: Number of batches of an epoch.

    Returns:
        As ``build_optimizer``, with the same learning rates.
    """

    def build(*args: Any, **options: Any) -> Optimizer:
        optimizer, rates = build_optimizer(*args, **options)
        constant: float = optimizer.param_groups[0]["lr"]
        at: int | None = None

        def rate(step: int) -> float:
            nonlocal at
            epoch = step // steps_per_epoch
            if epoch != at:
                loss.set_epoch(epoch, epochs)
                at = epoch
            return constant if rates is None else rates(step)

        return optimizer, rate

    return build
