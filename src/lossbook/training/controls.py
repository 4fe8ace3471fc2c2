"""Losses that are controls of an experiment, for nobody to train with otherwise."""

from collections.abc import Iterable

import torch

from lossbook.losses._common import Weight
from lossbook.losses.mixing import CEELLoss, MixingSchedule

# Each reading of Eq. 20 to 22: what beta counts for in the factor.
_READINGS = {"target": 1 / 3, "square": 1 / 2, "simplex": 1 / 4}


class ScaledCELoss(CEELLoss):
    r"""Cross-entropy times a factor that follows a mixing schedule (battash2021, Eq. 20 to 22).

    .. math:: \ell = -M \log p_y, \quad M = \frac{V_{\alpha\beta}}{V_{ce}} = \alpha + r \beta

    The factor makes the area under the gradient's curve that of :math:`\alpha\,\text{CE} + \beta\,\text{EL}`:
    r is 1/3 for the logit of the correct class (Eq. 21), 1/2 for another one (Eq. 22, over the unit square),
    and 1/4 for another one over the probabilities that there are, :math:`p_y + p_j \le 1`.
    """

    def __init__(
        self,
        weight: Weight | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        schedule: MixingSchedule | str | Iterable[float] = "0-0.5",
        reading: str = "target",
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            label_smoothing: The share of every target that goes to all classes alike.
            schedule: The mix whose size is taken: what :class:`MixingSchedule` takes. Until
                :meth:`set_epoch` is called, that of the first phase.
            reading: ``"target"``, ``"square"`` or ``"simplex"``.

        Raises:
            TypeError: Neither a schedule nor the text of one.
            ValueError: An unknown schedule, reading or reduction.
        """
        if reading not in _READINGS:
            raise ValueError(f"reading must be one of {', '.join(map(repr, _READINGS))}; got {reading!r}")
        super().__init__(
            weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
            schedule=schedule,
        )
        self.reading = reading
        self._scale()

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Take up the factor of an epoch.

        Args:
            epoch: Counted from 0.
            epochs: How many there will be in all.

        Raises:
            ValueError: Too few epochs for the schedule, or an epoch that is not one of them.
        """
        super().set_epoch(epoch, epochs)
        self._scale()

    def _scale(self) -> None:
        """From the mix of the schedule to cross-entropy alone, times the factor."""
        alpha, beta = self._factors
        self._factors = alpha + _READINGS[self.reading] * beta, 0.0
        self._constants["mix"].copy_(torch.tensor(self._factors, dtype=torch.float64, device="cpu"))

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        return f"reading={self.reading!r}, {super().extra_repr()}"
