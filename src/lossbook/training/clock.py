"""Where a run stands, and schedules of the learning rate as functions of it."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lossbook.errors import LossbookError, UnknownNameError


class Clock(NamedTuple):
    """Where a run stands.

    Attributes:
        step: Steps taken so far, over all epochs.
        epoch: The epoch in hand, 0-based.
        steps: Steps per epoch.
        epochs: Epochs in all.
    """

    step: int
    epoch: int
    steps: int
    epochs: int

    @property
    def time(self) -> float:
        """Epochs passed, with fractions."""
        return self.step / self.steps


#: From where a run stands to the learning rate of its next step.
Schedule = Callable[[Clock], float]


class ScheduleError(LossbookError, ValueError):
    """A schedule that cannot be followed."""


def steps(lr: float, *, at: Sequence[float], factor: float = 0.1) -> Schedule:
    """Multiply the learning rate by a factor at given epochs.

    Args:
        lr: Learning rate at the start.
        at: Epochs after which the rate is multiplied, rising; fractions are rounded to whole steps.
        factor: What it is multiplied by.

    Raises:
        ScheduleError: Epochs that do not rise, or that are not positive.
    """
    drops = list(at)
    if drops != sorted(set(drops)) or not all(0 < drop < math.inf for drop in drops):
        raise ScheduleError(f"the epochs of a stepwise schedule must be positive and rise; got {drops}")

    def rate(clock: Clock) -> float:
        return lr * factor ** sum(clock.step >= round(drop * clock.steps) for drop in drops)

    return rate


def cosine(lr: float, *, end: float = 0.0) -> Schedule:
    r"""Half a cosine from the learning rate to a fraction of it.

    .. math:: \eta(t) = \eta \bigl(e + (1 - e)\,\tfrac12 (1 + \cos \pi t / T)\bigr)

    Args:
        lr: Learning rate at the start, :math:`\eta`.
        end: What is left of it at the end, :math:`e`, as a fraction.

    References:
        Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017, without restarts.
    """
    _check_fraction("end", end)

    def rate(clock: Clock) -> float:
        return lr * (end + (1 - end) * 0.5 * (1 + math.cos(math.pi * clock.time / clock.epochs)))

    return rate


def one_cycle(lr: float, *, peak: float, start: float = 0.0, end: float = 0.0) -> Schedule:
    """Rise linearly from a fraction of the learning rate to all of it, then fall linearly.

    Args:
        lr: Learning rate at the peak.
        peak: Epoch at which it is reached.
        start: What the rate starts from, as a fraction of ``lr``.
        end: What it ends at, likewise.

    References:
        Smith and Topin, Super-convergence, 2019, with straight lines.
    """
    for name, value in (("start", start), ("end", end)):
        _check_fraction(name, value)
    if not 0 <= peak < math.inf:
        raise ScheduleError(f"the peak of a one-cycle schedule must be an epoch from 0; got {peak}")

    def rate(clock: Clock) -> float:
        if clock.time < peak:
            return lr * (start + (1 - start) * clock.time / peak)
        left = (clock.epochs - clock.time) / max(clock.epochs - peak, 1e-12)
        return lr * (end + (1 - end) * min(left, 1.0))

    return rate


def warm_up(schedule: Schedule, epochs: float) -> Schedule:
    """Rise linearly to what a schedule gives, over its first epochs.

    Step s of the w steps of the warm-up has (s + 1) / (w + 1) of the rate, so that none is zero.

    Args:
        schedule: What to follow afterwards.
        epochs: Length of the warm-up; fractions are rounded to whole steps.
    """
    if not 0 <= epochs < math.inf:
        raise ScheduleError(f"a warm-up must last a number of epochs from 0; got {epochs}")

    def rate(clock: Clock) -> float:
        length = round(epochs * clock.steps)
        return schedule(clock) * min(1.0, (clock.step + 1) / (length + 1))

    return rate


_SCHEDULES: dict[str, Callable[..., Schedule]] = {"cosine": cosine, "one_cycle": one_cycle, "steps": steps}


def get(declared: Mapping[str, Any], lr: float) -> Schedule:
    """The schedule that a run declares.

    Args:
        declared: ``name`` (``steps``, ``cosine`` or ``one_cycle``), the options of the function of that name,
            and ``warm_up``, a number of epochs, if wanted.
        lr: The run's learning rate.

    Raises:
        UnknownNameError: An unknown name.
        ScheduleError: Options that are unknown, missing or out of range.
    """
    options = dict(declared)
    name, warm = options.pop("name", None), options.pop("warm_up", None)
    if name not in _SCHEDULES:
        raise UnknownNameError("learning-rate schedule", name, sorted(_SCHEDULES))
    try:
        found = _SCHEDULES[name](lr, **options)
    except TypeError as error:
        raise ScheduleError(f"the schedule {name!r} cannot be made from {options}: {error}") from error
    return found if warm is None else warm_up(found, warm)


def _check_fraction(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ScheduleError(f"{name} must be a fraction of the learning rate, from 0 to 1; got {value}")
