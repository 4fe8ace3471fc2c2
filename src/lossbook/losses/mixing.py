r"""Mixing cross-entropy (CE) and expectation loss (EL) over the course of training (battash2021).

A mix :math:`\alpha\,\text{CE} + \beta\,\text{EL}` has its largest gradient at the target's logit where
:math:`p_y = F`. A :class:`MixingSchedule` says which F holds in which epoch; :class:`CEELLoss` is the mix as
a module that can follow one.
"""

from collections.abc import Callable, Iterable
from operator import index
from typing import NamedTuple, Self

import torch
from torch import Tensor

from lossbook.errors import UnknownNameError
from lossbook.losses._common import ClassificationLoss, is_traced
from lossbook.losses.softmax import Phi, PhiLoss, _loss, ce_phi, ceel_phi, expectation_phi

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
            epochs: How many there will be in all, at least one a phase.

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
            epochs: How many epochs there will be in all, at least one a phase.

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


class CEELLoss(ClassificationLoss):
    r"""Module form of :func:`lossbook.losses.ceel_loss` (battash2021, Eq. 12), with a mix that may change.

    .. math:: \ell = -\alpha \log p_y + \beta (1 - p_y)

    With a schedule, tell it every epoch::

        loss = CEELLoss(schedule="0-0.5")
        for epoch in range(epochs):
            loss.set_epoch(epoch, epochs)

    The current factors are part of ``state_dict``, as ``mix``, so a run resumed from a checkpoint goes on
    with the mix it had. They are a tensor, so a change of mix does not compile the loss anew. They follow the
    module to its device, and stay exact when it is cast to half precision.

    The authors' code reports another number and trains alike: there the expectation loss has the value of the
    0-1 error, 1 for an example whose largest logit is not the target's, and its own gradient (a
    straight-through estimate).
    """

    mix: Tensor

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        *,
        alpha: float = 1.0,
        beta: float = 1.0,
        schedule: MixingSchedule | str | Iterable[float] | None = None,
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight a class, shape ``[K]``.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            alpha: Factor of the cross-entropy, finite and not negative.
            beta: Factor of the expectation loss, finite and not negative.
            schedule: Sets alpha and beta instead; or what :class:`MixingSchedule` takes. Until
                :meth:`set_epoch` is called, the mix is that of the first phase.

        Raises:
            TypeError: A schedule that is none, or a factor that is no number.
            ValueError: A factor out of its range, factors beside a schedule, a schedule there is not, or an
                unknown reduction.
        """
        super().__init__(weight, ignore_index, reduction)
        ceel_phi(alpha, beta)
        if schedule is not None:
            if (alpha, beta) != (1, 1):
                raise ValueError("give alpha and beta, or a schedule that sets them, not both")
            if not isinstance(schedule, MixingSchedule):
                schedule = MixingSchedule(schedule)
            alpha, beta = mixing_factors(schedule._focus[0])
        self.schedule = schedule
        self.register_buffer("mix", torch.tensor([alpha, beta], dtype=torch.float64))

    @property
    def alpha(self) -> float:
        """Factor of the cross-entropy."""
        return float(self.mix[0])

    @property
    def beta(self) -> float:
        """Factor of the expectation loss."""
        return float(self.mix[1])

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Take up the mix of an epoch; without a schedule, keep the one there is.

        Args:
            epoch: Counted from 0.
            epochs: How many there will be in all.

        Raises:
            ValueError: Too few epochs for the schedule, or an epoch that is not one of them.
        """
        if self.schedule is not None:
            self.mix.copy_(torch.tensor(self.schedule(epoch, epochs), dtype=torch.float64))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits ``[B, K, ...]`` against class indices ``[B, ...]``."""
        if self.mix.device.type == "cpu" and not is_traced():
            rule = PhiLoss(ceel_phi(*self.mix.tolist()))
            return _loss(rule, input, target, self.weight, self.ignore_index, self.reduction)
        # Without asking for the values, which a change of the epoch would make anew in what is compiled. A
        # copy, as the epoch may change between here and the backward pass.
        alpha, beta = self.mix.clone().unbind()
        ce, el = ce_phi(), expectation_phi()
        mixed = Phi(
            # Not 0 times cross-entropy, which may be infinite.
            lambda u: torch.where(alpha > 0, alpha * ce.value(u), 0) + beta * el.value(u),
            lambda u: alpha * ce.slope(u) + beta * el.slope(u),
        )
        return _loss(PhiLoss(mixed), input, target, self.weight, self.ignore_index, self.reduction)

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        own = f"alpha={self.alpha}, beta={self.beta}"
        if self.schedule is not None:
            own = f"schedule={self.schedule!r}, {own}"
        return f"{own}, {super().extra_repr()}"

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # Casting a module is about the precision of its weights. The mix follows to the device alone, in
        # double precision wherever there is any.
        mix = self.mix
        del self.mix
        try:
            super()._apply(fn, recurse)
            device = fn(torch.empty(0, dtype=torch.float32, device=mix.device)).device
            kind = torch.float32 if device.type == "mps" else torch.float64
            # Off the meta device there is nothing to take along, as of any other buffer.
            empty = mix.is_meta and device.type != "meta"
            mix = torch.empty_like(mix, device=device, dtype=kind) if empty else mix.to(device, kind)
        finally:  # A device that is not there leaves the module as it was.
            self.register_buffer("mix", mix)
        return self
