"""Losses that are controls of an experiment, for nobody to train with otherwise."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossbook.errors import UnknownNameError
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


class Omission:
    """Which examples are left out in which epoch: none at first, those of a name from a share of them on.

    The first epochs of two of them are the same.
    """

    NAMES = ("lost", "random")

    def __init__(self, which: str, after: float = 70 / 90) -> None:
        """Choose the examples.

        Args:
            which: ``"lost"``: misclassified ones with a small probability of their class; ``"random"``: as
                many of the batch, drawn at random.
            after: After this share of the epochs, rounded to whole ones; by default that at which battash2021
                follows images.

        Raises:
            UnknownNameError: Neither of the two.
            ValueError: A share outside 0 to 1.
        """
        if which not in self.NAMES:
            raise UnknownNameError("omission", which, self.NAMES)
        if not 0 <= after <= 1:
            raise ValueError(f"after must be a share of the epochs, from 0 to 1; got {after}")
        self.which, self.after = which, after

    def __call__(self, epoch: int, epochs: int) -> str | None:
        """What is left out in an epoch, counted from 0; None for nothing.

        Args:
            epoch: The epoch.
            epochs: How many there are in all.
        """
        return self.which if epoch >= round(self.after * epochs) else None

    def __repr__(self) -> str:
        """Show both settings."""
        return f"Omission({self.which!r}, after={self.after:.4g})"


class WithoutLostCELoss(nn.CrossEntropyLoss):
    r"""Cross-entropy that leaves out, late in training, the examples that seem lost (battash2021).

    .. math:: \ell = \frac{1}{|K|} \sum_{i \in K} -\log p_{y_i}, \quad
              K = \{i : \arg\max_k p_{ik} = y_i \text{ or } p_{y_i} \ge t\}

    over the examples of a batch, by the predictions of the step itself, augmentation and dropout included. So
    an image that has become right counts again. The paper wonders whether to focus on other examples, and
    does not try to leave these out. ``"random"`` is the control: it leaves out as many of the
    batch, whichever they are.

    Where no gradient is taken, the loss is cross-entropy over all examples.
    """

    def __init__(self, *, schedule: str = "lost", after: float = 70 / 90, below: float = 0.2) -> None:
        """Hold the settings.

        Args:
            schedule: What is left out, see :class:`Omission`.
            after: After which share of the epochs.
            below: The threshold t of :math:`p_y`.

        Raises:
            UnknownNameError: An unknown omission.
            ValueError: A share or a threshold outside 0 to 1.
        """
        super().__init__()
        if not 0 <= below <= 1:
            raise ValueError(f"below must be a probability, from 0 to 1; got {below}")
        self.schedule, self.below = Omission(schedule, after), below
        self._out: str | None = None

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Take up what is left out in an epoch.

        Args:
            epoch: Counted from 0.
            epochs: How many there will be in all.
        """
        self._out = self.schedule(epoch, epochs)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch; 0 where all of it is left out.

        Args:
            input: Logits ``[B, K]``.
            target: Class indices ``[B]``.
        """
        if self._out is None or not input.requires_grad:
            return super().forward(input, target)
        with torch.no_grad():
            probability = input.softmax(1).gather(1, target[:, None]).squeeze(1)
            out = (input.argmax(1) != target) & (probability < self.below)
            if self._out == "random":
                out = out[torch.randperm(len(out)).to(out.device)]
        losses = F.cross_entropy(input, target, reduction="none")
        return losses.masked_fill(out, 0.0).sum() / (~out).sum().clamp(min=1)

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        return f"schedule={self.schedule!r}, below={self.below:g}"
