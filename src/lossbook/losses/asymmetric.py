r"""The asymmetric loss: logistic regression that looks away from easy classes, most of all from wrong ones.

It is not a loss of the four papers. It was made for the same trouble as hard and soft selection, few labels
beside very many classes that are none, and stands beside them in comparisons.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lossbook.losses._common import ClassificationLoss, Weight, check_factor, check_number, refuse
from lossbook.losses.logistic import LR, _hard, _loss
from lossbook.losses.softmax import Phi, focal_phi, softplus


@dataclass(frozen=True)
class Asymmetric(LR):
    """Binary cross-entropy, summed over the classes, each term weighed by how wrong its probability is."""

    gamma_neg: float = 4.0
    gamma_pos: float = 1.0
    clip: float = 0.05

    def __post_init__(self) -> None:
        check_factor("gamma_neg", self.gamma_neg)
        check_factor("gamma_pos", self.gamma_pos)
        check_number("clip", self.clip)
        if not 0 <= self.clip < 1:
            refuse("clip", self.clip, "lie in [0, 1)")

    @property
    def _positive(self) -> Phi:
        """What a label costs, of minus its logit."""
        return focal_phi(self.gamma_pos)

    def formula(self, logits: Tensor, target: Tensor) -> Tensor:
        """Evaluate the loss in differentiable form."""
        if target.is_floating_point():
            return super().formula(logits, target)
        index = target.unsqueeze(1)
        positive = self._positive.value(-logits.gather(1, index)).squeeze(1)
        return positive + self._negative(logits).scatter(1, index, 0).sum(1)

    def costs(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """What every class costs as a label, and as none."""
        return self._positive.value(-logits), self._negative(logits)

    def _negative(self, logits: Tensor) -> Tensor:
        if self.clip == 0:
            return focal_phi(self.gamma_neg).value(logits)
        # As exponentials of softplus both keep their digits, and their derivatives'.
        p, rest = torch.exp(-softplus(-logits)), torch.exp(-softplus(logits))
        off = p <= self.clip  # not true of NaN, which is to go through
        # Any number inside stands for those clipped: their derivatives are taken, and dropped.
        shifted = (p - self.clip).masked_fill(off, 0.5)
        return (shifted.pow(self.gamma_neg) * self._cost(shifted, rest)).masked_fill(off, 0)

    def _cost(self, shifted: Tensor, rest: Tensor) -> Tensor:
        """``-log(1 - shifted)``, of what is not small from the other end: ``1 - shifted = rest + clip``."""
        near = -torch.log1p(-shifted.clamp(max=0.5))
        return torch.where(shifted <= 0.5, near, -torch.log(rest + self.clip))

    def evaluate(
        self, logits: Tensor, target: Tensor, out: Tensor, *, gradient: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Evaluate the loss of a block, and its gradient."""
        terms = self._negatives(logits, out, gradient=gradient)
        if not target.is_floating_point():
            behind = logits.gather(1, target).neg_()
            terms.scatter_(1, target, self._positive.value(behind))
            if gradient:
                out.scatter_(1, target, self._positive.slope(behind).neg_())
            return terms.sum(1), None
        labels = target > 0
        behind = logits[labels].neg_()
        terms[labels] = self._positive.value(behind)
        if gradient:
            out[labels] = self._positive.slope(behind).neg_()
        if self.weight is not None:
            weight = self.weight.to(logits.dtype)
            terms.mul_(weight)
            out.mul_(weight)
        return terms.sum(1), None

    def _negatives(self, logits: Tensor, out: Tensor, *, gradient: bool) -> Tensor:
        r"""What every class costs as no label; with its derivative in ``out``.

        With :math:`q = 1 - p` and the shifted probability :math:`\bar p = p - c`, the derivative is

        .. math::

            p q \left(-\gamma \bar p^{\gamma - 1} \log(1 - \bar p) + \frac{\bar p^\gamma}{q + c}\right)
        """
        gamma = self.gamma_neg
        if self.clip == 0:
            phi = focal_phi(gamma)
            if gradient:
                out.copy_(phi.slope(logits))
            return phi.value(logits)
        p = torch.sigmoid(logits, out=out)
        rest = torch.sigmoid(-logits)
        off = p <= self.clip
        shifted = (p - self.clip).masked_fill_(off, 0.5)
        cost, share = self._cost(shifted, rest), shifted.pow(gamma)
        if gradient:
            steep = share / (rest + self.clip)
            if gamma:
                steep.addcmul_(share / shifted, cost, value=gamma)
            out.mul_(rest).mul_(steep).masked_fill_(off, 0)
        return share.mul_(cost).masked_fill_(off, 0)


def asymmetric_loss(
    input: Tensor,
    target: Tensor,
    *,
    gamma_neg: float = 4.0,
    gamma_pos: float = 1.0,
    clip: float = 0.05,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""Asymmetric loss (ASL): labels and other classes are focused apart, and easy other classes dropped.

    .. math::

        \ell = -\sum_{k \in Y} (1 - p_k)^{\gamma_+} \log p_k
               - \sum_{k \notin Y} \bar p_k^{\gamma_-} \log(1 - \bar p_k), \quad
        p_k = \sigma(z_k), \quad \bar p_k = \max(p_k - c, 0)

    :math:`Y` are the labels, and c is ``clip``: another class costs nothing up to that probability, and at
    most :math:`-(1 - c)^{\gamma_-} \log c`. The gradient flows through the powers. With no power and no clip
    it is :func:`lr_loss`; with :math:`\gamma_+ = 0` and no clip, :func:`ss_lr_loss` at :math:`r = \gamma_-`
    whose beta is the number of other classes.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``.
        target: Class indices, in the logits' shape without the classes. Or multi-hot, 0 or 1, bool or
            floating point, in the logits' shape. Soft labels are refused: the paper has none.
        gamma_neg: How strongly to look away from other classes of low probability; finite and not negative.
        gamma_pos: How strongly to look away from labels of high probability; finite and not negative.
        clip: The probability up to which another class costs nothing, in [0, 1).
        weight: One weight per class, shape ``[K]``. With class indices it weighs an example by its target
            class; with multi-hot targets it weighs each class's own term, and does not enter the mean.
        ignore_index: Target value whose examples count for nothing; for class indices only.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``, over examples. (The
            authors' code takes the sum over the batch.)

    Returns:
        A scalar, or losses of shape ``[B]`` or ``[B, d1, ...]`` for ``reduction="none"``. NaN logits give
        NaN.

    Raises:
        TypeError: Logits that are not floating point, or targets that are neither integers nor multi-hot.
        ValueError: Wrong shapes, targets out of range, an unknown reduction, an option out of its range, an
            ``ignore_index`` with multi-hot targets, targets between 0 and 1.

    References:
        Ridnik, Ben-Baruch, Zamir, Noy, Friedman, Protter, Zelnik-Manor: Asymmetric Loss For Multi-Label
        Classification, ICCV 2021. The defaults are those of the authors' code, which can also take the powers
        as constants in the gradient (``disable_torch_grad_focal_loss``); copies of it differ in whether they
        do.
    """
    rule = Asymmetric(gamma_neg=gamma_neg, gamma_pos=gamma_pos, clip=clip)
    tensors = isinstance(input, Tensor) and isinstance(target, Tensor)
    if tensors and target.is_floating_point() and target.shape == input.shape:
        target = _hard(target) if target.ndim > 1 else _hard(target.unsqueeze(0)).squeeze(0)
    return _loss(rule, input, target, weight, ignore_index, reduction)


class AsymmetricLoss(ClassificationLoss):
    r"""Module form of :func:`asymmetric_loss` (Ridnik et al., 2021).

    .. math::

        \ell = -\sum_{k \in Y} (1 - p_k)^{\gamma_+} \log p_k
               - \sum_{k \notin Y} \bar p_k^{\gamma_-} \log(1 - \bar p_k), \quad
        \bar p_k = \max(p_k - c, 0)
    """

    _function = staticmethod(asymmetric_loss)
    _options = ("gamma_neg", "gamma_pos", "clip")

    def __init__(
        self,
        weight: Weight | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        gamma_neg: float = 4.0,
        gamma_pos: float = 1.0,
        clip: float = 0.05,
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            gamma_neg: How strongly to look away from other classes of low probability.
            gamma_pos: How strongly to look away from labels of high probability.
            clip: The probability up to which another class costs nothing.

        Raises:
            TypeError: An option that is not a number, a weight that is neither a tensor nor numbers.
            ValueError: An option out of its range, or an unknown reduction.
        """
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)
        Asymmetric(gamma_neg=gamma_neg, gamma_pos=gamma_pos, clip=clip)
        self.gamma_neg = gamma_neg
        self.gamma_pos = gamma_pos
        self.clip = clip
