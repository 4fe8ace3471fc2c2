r"""Mixing cross-entropy (CE) and expectation loss (EL) over the course of training (battash2021).

A mix :math:`\alpha\,\text{CE} + \beta\,\text{EL}` has its largest gradient at the target's logit where
:math:`p_y = F`. A :class:`MixingSchedule` says which F holds in which epoch; :class:`CEELLoss` is the mix as
a module that can follow one.
"""

from collections.abc import Iterable
from operator import index
from typing import NamedTuple

import torch
from torch import Tensor

from lossbook.errors import UnknownNameError
from lossbook.losses._common import SmoothedLoss, Weight, is_readable
from lossbook.losses._rowwise import classification_loss
from lossbook.losses.softmax import Phi, PhiLoss, ce_phi, ceel_phi, expectation_phi

# The paper's schedules: every F, and the share of the epochs that the first takes, as a ratio.
_PUBLISHED: dict[str, tuple[tuple[float, ...], tuple[int, int]]] = {
    "0": ((0.0,), (1, 1)),
    "0,0.5": ((0.0, 0.5), (19, 20)),
    "0-0.5": ((0.0, 0.1, 0.2, 0.3, 0.4, 0.5), (1, 6)),
}


def mixing_factors(focus: float) -> tuple[float, float]:
    r"""The mix whose gradient at the target's logit is largest where :math:`p_y = F`.

    .. math:: \alpha = 1, \quad \beta = \frac{1}{1 - 2F}

    and :math:`\alpha = 0, \beta = 1` for :math:`F = 0.5`, the expectation loss alone.

    Args:
        focus: F, a probability from 0 to 0.5.

    Returns:
        :math:`(\alpha, \beta)`.

    Raises:
        ValueError: F outside 0 to 0.5.

    References:
        battash2021, Eq. 14 and below.
    """
    if not 0 <= focus <= 0.5:
        raise ValueError(f"F must lie between 0 and 0.5; got {focus}")
    return (0.0, 1.0) if focus == 0.5 else (1.0, 1 / (1 - 2 * focus))


class Phase(NamedTuple):
    """A stretch of epochs with one mix.

    Attributes:
        start: Its first epoch, counted from 0.
        epochs: How many epochs it lasts.
        focus: F, the target's probability where the gradient is largest.
        alpha: Factor of the cross-entropy.
        beta: Factor of the expectation loss.
    """

    start: int
    epochs: int
    focus: float
    alpha: float
    beta: float


class MixingSchedule:
    r"""Which mix of cross-entropy and expectation loss to train with, epoch by epoch.

    Each F of the schedule makes a phase, with :math:`\alpha` and :math:`\beta` from :func:`mixing_factors`.
    The first phase lasts for its share of the epochs, rounded down. The others share the rest evenly; where
    one would begin within an epoch, it begins with the next. This is the rule of the authors' code. For
    ``"0-0.5"`` it gives six phases of 40 epochs for 240, and of 8, 9, 8, 9, 8 and 8 epochs for 50.

    It is called with an epoch, counted from 0, and the number of epochs, and returns
    :math:`(\alpha, \beta)`::

        schedule = MixingSchedule("0-0.5")
        for epoch in range(epochs):
            alpha, beta = schedule(epoch, epochs)

    Two schedules with the same phases are equal.

    References:
        battash2021, Eq. 14 and section Scheduling.
    """

    def __init__(self, focus: str | Iterable[float]) -> None:
        """Choose the phases.

        Args:
            focus: A schedule of the paper: ``"0"`` (F = 0 throughout), ``"0,0.5"`` (F = 0 for 95% of the
                epochs, then 0.5) or ``"0-0.5"`` (0, 0.1, 0.2, 0.3, 0.4, 0.5 in six equal phases). Or any F in
                order, for equal phases.

        Raises:
            TypeError: Neither a name nor numbers.
            ValueError: An unknown name (the message says which there are), no F at all, or one outside 0 to
                0.5.
        """
        if isinstance(focus, str):
            if focus not in _PUBLISHED:
                raise UnknownNameError("mixing schedule", focus, _PUBLISHED)
            values, share = _PUBLISHED[focus]
        else:
            values = _numbers(focus)
            share = (1, len(values))
        if not values:
            raise ValueError("a mixing schedule needs at least one F; got none")
        for value in values:
            mixing_factors(value)
        self._focus = values
        self._share = share

    def __call__(self, epoch: int, epochs: int) -> tuple[float, float]:
        """The factors of an epoch.

        Args:
            epoch: Counted from 0.
            epochs: How many there will be in all, at least one per phase.

        Returns:
            Alpha and beta.

        Raises:
            ValueError: Too few epochs, or an epoch that is not one of them.
        """
        phases = self.phases(epochs)
        if not 0 <= index(epoch) < epochs:
            raise ValueError(
                f"epoch must lie in 0..{epochs - 1}, counted from 0, for {epochs} epochs; got {epoch}"
            )
        phase = [phase for phase in phases if phase.start <= epoch][-1]
        return phase.alpha, phase.beta

    def phases(self, epochs: int) -> list[Phase]:
        """List the phases in order.

        Args:
            epochs: How many epochs there will be in all, at least one per phase.

        Raises:
            ValueError: Too few epochs.
        """
        count = len(self._focus)
        if index(epochs) < count:
            phases = "phase" if count == 1 else "phases"
            raise ValueError(f"{self!r} has {count} {phases} and needs at least as many epochs; got {epochs}")
        taken, of = self._share
        first = epochs * taken // of
        # Rounded up: -(-a // b).
        starts = [0, *(first - (-i * (epochs - first)) // (count - 1) for i in range(count - 1))]
        ends = [*starts[1:], epochs]
        return [
            Phase(start, end - start, focus, *mixing_factors(focus))
            for start, end, focus in zip(starts, ends, self._focus, strict=True)
        ]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MixingSchedule):
            return NotImplemented
        return (self._focus, self._share) == (other._focus, other._share)

    def __hash__(self) -> int:
        return hash((self._focus, self._share))

    def __repr__(self) -> str:
        name = next((n for n, known in _PUBLISHED.items() if known == (self._focus, self._share)), None)
        return f"MixingSchedule({list(self._focus) if name is None else name!r})"


def _numbers(values: Iterable[float]) -> tuple[float, ...]:
    try:
        return tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise TypeError(
            f"a mixing schedule is one of {', '.join(map(repr, _PUBLISHED))}, or a list of numbers F; "
            f"got {values!r}"
        ) from None


class CEELLoss(SmoothedLoss):
    r"""Module form of :func:`lossbook.losses.ceel_loss` (battash2021, Eq. 12), with a mix that may change.

    .. math:: \ell = -\alpha \log p_y + \beta (1 - p_y)

    With a schedule, tell it every epoch::

        loss = CEELLoss(schedule="0-0.5")
        for epoch in range(epochs):
            loss.set_epoch(epoch, epochs)

    The factors are settings, no part of ``state_dict``: a run resumed from a checkpoint tells the loss its
    epoch as well. For compiled code they are a tensor, so a change of mix does not compile the loss anew.
    They follow the module to its device, and stay exact when it is cast to half precision.

    The authors' code reports another number and trains alike: there the expectation loss has the value of the
    0-1 error, 1 for an example whose largest logit is not the target's, and its own gradient (a
    straight-through estimate).
    """

    _exact = ("mix",)
    mix: Tensor

    def __init__(
        self,
        weight: Weight | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        alpha: float = 1.0,
        beta: float = 1.0,
        schedule: MixingSchedule | str | Iterable[float] | None = None,
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            label_smoothing: The share of every target that goes to all classes alike.
            alpha: Factor of the cross-entropy, finite and not negative.
            beta: Factor of the expectation loss, finite and not negative.
            schedule: Sets alpha and beta instead; or what :class:`MixingSchedule` takes. Until
                :meth:`set_epoch` is called, the mix is that of the first phase.

        Raises:
            TypeError: Neither a schedule nor the text of one, or a factor that is not a number.
            ValueError: A factor out of its range, factors beside a schedule, an unknown schedule, or an
                unknown reduction.
        """
        super().__init__(
            weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )
        ceel_phi(alpha, beta)
        if schedule is not None:
            if (alpha, beta) != (1, 1):
                raise ValueError("give alpha and beta, or a schedule that sets them, not both")
            if not isinstance(schedule, MixingSchedule):
                schedule = MixingSchedule(schedule)
            alpha, beta = mixing_factors(schedule._focus[0])
        self.schedule = schedule
        self._factors = float(alpha), float(beta)
        self._hold("mix", torch.tensor(self._factors, dtype=torch.float64, device="cpu"))

    @property
    def alpha(self) -> float:
        """Factor of the cross-entropy."""
        return self._factors[0]

    @property
    def beta(self) -> float:
        """Factor of the expectation loss."""
        return self._factors[1]

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Take up the mix of an epoch; without a schedule, keep the one there is.

        Args:
            epoch: Counted from 0.
            epochs: How many there will be in all.

        Raises:
            ValueError: Too few epochs for the schedule, or an epoch that is not one of them.
        """
        if self.schedule is not None:
            self._factors = self.schedule(epoch, epochs)
            self._constants["mix"].copy_(torch.tensor(self._factors, dtype=torch.float64, device="cpu"))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits, ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, against targets.

        Args:
            input: Logits, as for :func:`lossbook.losses.ceel_loss`.
            target: Class indices or class probabilities, likewise.
        """
        rule = PhiLoss(self._traced_phi() if torch.compiler.is_compiling() else self._current_phi())
        settings = (self.weight, self.ignore_index, self.reduction, self.label_smoothing)
        return classification_loss(rule, input, target, *settings)

    def _current_phi(self) -> Phi:
        if self.mix.is_meta or self.mix is self._constants["mix"]:
            return ceel_phi(*self._factors)
        # Another mix in its place, as torch.func.functional_call has it.
        return ceel_phi(*self.mix.tolist()) if is_readable(self.mix) else self._traced_phi()

    def _traced_phi(self) -> Phi:
        # Without asking for the values, which a change of the epoch would make anew in what is compiled. A
        # copy, as the epoch may change between here and the backward pass.
        alpha, beta = self.mix.clone().unbind()
        ce, el = ce_phi(), expectation_phi()
        return Phi(
            # Not 0 times cross-entropy, which may be infinite.
            lambda u: (alpha * ce.value(u)).masked_fill(alpha == 0, 0) + beta * el.value(u),
            lambda u: alpha * ce.slope(u) + beta * el.slope(u),
        )

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        own = f"alpha={self.alpha}, beta={self.beta}"
        if self.schedule is not None:
            own = f"schedule={self.schedule!r}, {own}"
        return f"{own}, {super().extra_repr()}"
