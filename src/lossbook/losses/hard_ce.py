r"""Hard selection of classes, applied to softmax outputs.

:func:`lossbook.losses.hs_lr_loss` keeps the :math:`n = \lfloor m (K - 1) \rfloor` highest of the classes
beside the target. Its authors "additionally applied the same HS formulation (Eq (5))" to softmax regression
(dong2019, "Hard Mining for SR") and print no formula. There are two readings: the formula as it stands, with
softmax outputs for the sigmoid ones, :func:`hs_ce_loss`; or cross-entropy that knows the selected classes
alone, :func:`selected_ce_loss`.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lossbook.losses._common import ClassificationLoss, Weight
from lossbook.losses._rowwise import RowLoss, classification_loss
from lossbook.losses.logistic import HSLR
from lossbook.losses.softmax import PhiLoss, SoftmaxBCE, ce_phi, softplus

_CE = PhiLoss(ce_phi())


def _hardest(logits: Tensor, target: Tensor, n: int) -> Tensor:
    """Mark the n highest logits beside the target's, bool in the logits' shape.

    Args:
        logits: Shape ``[B, K]`` or ``[B, K, d1, ...]``.
        target: Class indices with an axis for the classes, ``[B, 1]`` or ``[B, 1, d1, ...]``.
        n: How many, from 1 to K - 1.
    """
    others = logits.detach().scatter(1, target, -math.inf)
    index = others.topk(n, 1, sorted=False).indices
    return torch.zeros_like(others).scatter(1, index, 1.0).scatter(1, target, 0.0) > 0


@dataclass(frozen=True)
class HSCE(RowLoss):
    """Binary cross-entropy of the target and of the hardest other classes, on softmax outputs."""

    any_shape: ClassVar[bool] = False  # it selects along the last dimension
    m: float = 0.25
    beta: float = 10.0

    def __post_init__(self) -> None:
        HSLR(m=self.m, beta=self.beta)

    @property
    def numbers(self) -> list[float]:
        """Its options as numbers."""
        return [self.m, self.beta]

    def _count(self, classes: int) -> tuple[int, float]:
        """How many classes are selected, and what each weighs."""
        n = HSLR(m=self.m, beta=self.beta).selected(classes)
        return n, self.beta / n

    def formula(self, logits: Tensor, target: Tensor) -> Tensor:
        """Evaluate the loss in differentiable form."""
        index = target.unsqueeze(1)
        n, alpha = self._count(logits.shape[1])
        positive, negative = SoftmaxBCE().costs(logits)
        chosen = _hardest(logits, index, n)
        return positive.gather(1, index).squeeze(1) + alpha * negative.masked_fill(~chosen, 0).sum(1)

    def evaluate(
        self, logits: Tensor, target: Tensor, out: Tensor, *, gradient: bool
    ) -> tuple[Tensor, Tensor | None]:
        r"""Evaluate the loss of a block, and its gradient.

        With odds :math:`o_k = p_k / (1 - p_k)`, each :math:`-\log(1 - p_k)` has the gradient
        :math:`o_k (e_k - p)`. The top class's is :math:`p_t (e_t - q)`, with q the softmax over the others:
        its odds may be infinite.
        """
        n, alpha = self._count(logits.shape[1])
        chosen = _hardest(logits, target, n)
        top = logits.argmax(1, keepdim=True)
        wrong = chosen.gather(1, top).to(logits.dtype) * alpha
        chosen.scatter_(1, top, False)
        at_top = logits.gather(1, top)
        out.copy_(logits).scatter_(1, top, -math.inf)
        lead = at_top - out.logsumexp(1, keepdim=True)  # logarithmic odds of the top class
        rest, p_top = torch.sigmoid(-lead), torch.sigmoid(lead)
        none = out.amax(1, keepdim=True) == -math.inf
        q = out.copy_(out.masked_fill(none, 0).softmax(1))  # where there is none, rest is 0
        p = (q * rest).masked_fill_(~chosen, 0)
        loss = at_top - logits.gather(1, target) + softplus(-lead)
        loss = loss - alpha * torch.log1p(-p).sum(1, keepdim=True)
        loss = loss + torch.where(wrong > 0, wrong * softplus(lead), 0)
        if gradient:
            odds = alpha * p / (1 - p)
            factor = 1 - odds.sum(1, keepdim=True)
            out.mul_(factor * rest - wrong * p_top).add_(odds)
            # Where the top class is the target, p - 1 is -rest, with its digits.
            at_target = top == target
            out.scatter_(1, top, p_top * (factor - 1) + torch.where(at_target, -rest, p_top * (1 + wrong)))
            out.scatter_add_(1, target, -(~at_target).to(out.dtype))
        return loss.squeeze(1), None


@dataclass(frozen=True)
class SelectedCE(RowLoss):
    """Cross-entropy over the target and the hardest other classes."""

    any_shape: ClassVar[bool] = False  # it selects along the last dimension
    m: float = 0.25

    def __post_init__(self) -> None:
        HSLR(m=self.m)

    @property
    def numbers(self) -> list[float]:
        """Its options as numbers."""
        return [self.m]

    def _selected(self, logits: Tensor, index: Tensor) -> Tensor:
        """Logits with those that are not selected sent to where they count for nothing."""
        chosen = _hardest(logits, index, HSLR(m=self.m).selected(logits.shape[1]))
        return logits.masked_fill(~chosen, -math.inf).scatter(1, index, logits.gather(1, index))

    def formula(self, logits: Tensor, target: Tensor) -> Tensor:
        """Evaluate the loss in differentiable form."""
        return _CE.formula(self._selected(logits, target.unsqueeze(1)), target)

    def evaluate(
        self, logits: Tensor, target: Tensor, out: Tensor, *, gradient: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Evaluate the loss of a block, and its gradient: that of cross-entropy over the selected classes."""
        return _CE.evaluate(self._selected(logits, target), target, out, gradient=gradient)


def hs_ce_loss(
    input: Tensor,
    target: Tensor,
    *,
    m: float = 0.25,
    beta: float = 10.0,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""Hard selection as it is printed for sigmoid outputs, on softmax outputs.

    .. math:: \ell = -\log p_y - \frac{\beta}{n} \sum_{k \in H} \log(1 - p_k), \quad
              p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}

    :math:`H` holds the :math:`n = \lfloor m (K - 1) \rfloor` classes of highest probability beside the
    target, at least one. With m = 1 and :math:`\beta = K - 1` it is :func:`lossbook.losses.softmax_bce_loss`,
    with :math:`\beta = 0` cross-entropy.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, in the logits' shape without the classes.
        m: The share of the other classes to select, in (0, 1].
        beta: How much the selected classes weigh together; finite and not negative.
        weight: One weight per class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.

    Returns:
        A scalar, or one loss per example for ``reduction="none"``.

    Raises:
        TypeError: Logits that are not floating point or targets that are not integers.
        ValueError: Wrong shapes, targets out of range, an option out of its range, an unknown reduction.

    References:
        dong2019, Eq. 5 and "Hard Mining for SR", which prints no formula: the first of two readings.
    """
    return classification_loss(HSCE(m=m, beta=beta), input, target, weight, ignore_index, reduction)


def selected_ce_loss(
    input: Tensor,
    target: Tensor,
    *,
    m: float = 0.25,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""Cross-entropy of a softmax over the target and the hardest of the other classes.

    .. math:: \ell = -\log \frac{e^{z_y}}{e^{z_y} + \sum_{k \in H} e^{z_k}}

    :math:`H` holds the :math:`n = \lfloor m (K - 1) \rfloor` classes of highest logit beside the target, at
    least one. With m = 1 it is cross-entropy. Classes that are not selected have no gradient.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, in the logits' shape without the classes.
        m: The share of the other classes to select, in (0, 1].
        weight: One weight per class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.

    Returns:
        A scalar, or one loss per example for ``reduction="none"``.

    Raises:
        TypeError: Logits that are not floating point or targets that are not integers.
        ValueError: Wrong shapes, targets out of range, an option out of its range, an unknown reduction.

    References:
        dong2019, "Hard Mining for SR", which prints no formula: the second of two readings.
    """
    return classification_loss(SelectedCE(m=m), input, target, weight, ignore_index, reduction)


class HSCELoss(ClassificationLoss):
    r"""Module form of :func:`hs_ce_loss`.

    .. math:: \ell = -\log p_y - \frac{\beta}{n} \sum_{k \in H} \log(1 - p_k)
    """

    _function = staticmethod(hs_ce_loss)
    _options = ("m", "beta")

    def __init__(
        self,
        weight: Weight | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        m: float = 0.25,
        beta: float = 10.0,
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            m: The share of the other classes to select, in (0, 1]; at least one class is.
            beta: How much the selected classes weigh together.

        Raises:
            TypeError: An option that is not a number, a weight that is neither a tensor nor numbers.
            ValueError: An option out of its range, or an unknown reduction.
        """
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)
        HSCE(m=m, beta=beta)
        self.m = m
        self.beta = beta


class SelectedCELoss(ClassificationLoss):
    r"""Module form of :func:`selected_ce_loss`.

    .. math:: \ell = -\log \frac{e^{z_y}}{e^{z_y} + \sum_{k \in H} e^{z_k}}
    """

    _function = staticmethod(selected_ce_loss)
    _options = ("m",)

    def __init__(
        self,
        weight: Weight | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        m: float = 0.25,
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            m: The share of the other classes to select, in (0, 1]; at least one class is.

        Raises:
            TypeError: An option that is not a number, a weight that is neither a tensor nor numbers.
            ValueError: An option out of its range, or an unknown reduction.
        """
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)
        SelectedCE(m=m)
        self.m = m
