r"""Negative class distraction: how a one-vs-rest loss divides between the target and the wrong classes.

A one-vs-rest loss of one example is a sum of two parts,

.. math:: \ell(z, y) = P(z_y) + N\bigl((z_k)_{k \ne y}\bigr),

the positive part of the target class and the negative part of the wrong classes. Either part vanishes where
its own classes are certain to be right: :math:`P \to 0` for :math:`z_y \to \infty`, :math:`N \to 0` when all
:math:`z_k \to -\infty`. So the parts can be read off any such loss, without knowing its formula.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lossbook.analysis.profile import Loss, logit_gradient

# Far enough out: exp(-100) is lost in any rounding. No further: infinity times 0 is not a number, and a loss
# may subtract the target's term from a sum over all classes.
_CERTAIN = 100.0


@dataclass(frozen=True)
class Distraction:
    r"""The parts of a one-vs-rest loss and of its gradient, one value per example; all of shape ``[B]``.

    Attributes:
        positive: :math:`P`, the target's part of the loss, in the loss's own units.
        negative: :math:`N`, that of all wrong classes together; ``positive + negative`` is the loss.
        positive_gradient: :math:`|\partial \ell / \partial z_y|`.
        negative_gradient: :math:`\sum_{k \ne y} |\partial \ell / \partial z_k|`.
    """

    positive: Tensor
    negative: Tensor
    positive_gradient: Tensor
    negative_gradient: Tensor

    @property
    def ratio(self) -> Tensor:
        """Gradient ratio of the positive to the negative classes of each example, shape ``[B]``.

        Infinite where the wrong classes have no gradient left, NaN where the target has none either.
        """
        return self.positive_gradient / self.negative_gradient

    @property
    def batch_ratio(self) -> Tensor:
        """The same for the batch as a whole, a scalar: the sum of the one gradient over that of the other.

        It is not the mean of :attr:`ratio`, which a few well-learned examples can dominate.
        """
        return self.positive_gradient.sum() / self.negative_gradient.sum()


def distraction(loss: Loss, logits: Tensor, target: Tensor) -> Distraction:
    r"""Split a one-vs-rest loss and its gradient into the parts of the target and of the wrong classes.

    For the logistic loss, with :math:`s_k = \sigma(z_k)`, the parts are :math:`-\log s_y` and
    :math:`-\sum_{k \ne y} \log(1 - s_k)`, those of the gradient :math:`1 - s_y` and
    :math:`\sum_{k \ne y} s_k`. At :math:`z = 0` both ratios are :math:`1 : (K - 1)`.

    Args:
        loss: Logits ``[B, K]`` and targets ``[B]`` to losses ``[B]``, a one-vs-rest loss without a constant
            of its own: of :mod:`lossbook.losses`, ``lr_loss``, ``hs_lr_loss`` and ``ss_lr_loss`` with
            ``reduction="none"``.
        logits: :math:`z`, finite, float32 or float64, shape ``[B, K]``.
        target: Class indices :math:`y`, shape ``[B]``.

    Returns:
        The four parts, detached, each of shape ``[B]``.

    Raises:
        ValueError: Logits of another shape or type or not finite, a loss that does not give one value per
            example, or a loss that is not the sum of the two parts, such as softmax cross-entropy.

    References:
        dong2019, "The Negative Class Distraction Problem" and Fig. 2. The paper does not define the
        gradient ratio; here it is taken with respect to the logits, the wrong classes summed.
    """
    if logits.ndim != 2 or logits.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"logits must be float32 or float64 of shape [B, K]; got {logits.dtype}, {list(logits.shape)}"
        )
    if not bool(logits.isfinite().all()):
        raise ValueError("logits must be finite; found an infinite one or NaN")
    gradient = logit_gradient(loss, logits, target).abs()
    index = target.unsqueeze(1)
    with torch.no_grad():
        whole = loss(logits, target)
        at_target = logits.gather(1, index)
        positive = loss(torch.full_like(logits, -_CERTAIN).scatter(1, index, at_target), target)
        negative = loss(logits.scatter(1, index, _CERTAIN), target)
    rounding = 1e3 * torch.finfo(logits.dtype).eps
    agree = torch.isclose(positive + negative, whole, rtol=rounding, atol=rounding)
    if not bool(agree.all()):
        example = int((~agree).nonzero()[0])
        raise ValueError(
            "the loss is not the sum of a part of the target and a part of the wrong classes: for example "
            f"{example} it is {float(whole[example]):.6g}, and the parts are {float(positive[example]):.6g} "
            f"and {float(negative[example]):.6g}"
        )
    on_target = gradient.gather(1, index).squeeze(1)
    return Distraction(
        positive=positive,
        negative=negative,
        positive_gradient=on_target,
        negative_gradient=gradient.scatter(1, index, 0.0).sum(1),
    )
