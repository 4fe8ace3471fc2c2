r"""Losses on softmax outputs.

Write :math:`u = \log\sum_{k \ne y} e^{z_k} - z_y` for the gap between the competitors of the target class
:math:`y` and the target itself, and :math:`p_y = \sigma(-u)` for the target's softmax probability. A loss
that depends on :math:`p_y` alone is a function :math:`\phi(u)`; its gradient is :math:`\phi'(u)(q - e_y)`
with :math:`q` the softmax over the competitors of :math:`y`.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossbook.losses._common import REDUCTIONS, check_classification, reduce_loss


def competitor_gap(input: Tensor, target: Tensor) -> Tensor:
    r"""The negative log-likelihood ratio of each example, :math:`u = \log\sum_{k \ne y} e^{z_k} - z_y`.

    Args:
        input: Logits :math:`z`, shape ``[B, K]`` or ``[B, K, d1, ...]``.
        target: Class indices :math:`y`, shape ``[B]`` or ``[B, d1, ...]``.

    Returns:
        :math:`u`, with the shape of ``target``.
    """
    index = target.unsqueeze(1)
    at_target = input.gather(1, index).squeeze(1)
    competitors = input.scatter(1, index, -math.inf)
    return competitors.logsumexp(1) - at_target


def _gap(input: Tensor, target: Tensor, ignore_index: int) -> Tensor:
    # Half precision cannot hold the sum over classes; PyTorch's cross-entropy widens it inside as well.
    wide = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
    return competitor_gap(wide, _safe(target, ignore_index))


def _safe(target: Tensor, ignore_index: int) -> Tensor:
    target = target.long()
    return torch.where(target == ignore_index, torch.zeros_like(target), target)


def nllr_loss(
    input: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    clip: float | None = None,
) -> Tensor:
    r"""Negative log-likelihood ratio of the target class against its competitors.

    .. math:: \ell = -\log\frac{p_y}{\sum_{k \ne y} p_k} = \log\sum_{k \ne y} e^{z_k} - z_y = u

    Its gradient :math:`q - e_y` has L1 norm 2 whatever the confidence, and it is unbounded below.

    Args:
        input: Logits, shape ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, shape ``[B]`` or ``[B, d1, ...]``.
        weight: One weight a class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.
        clip: Clip :math:`p_y` to ``[clip, 1 - clip]`` first, as libraries that work on probabilities do
            (Keras in 2018: 1e-7). The loss then lies within :math:`\pm\log((1 - c) / c)`, 16.118 for 1e-7,
            and its gradient is zero outside. The paper's text, and the default, has no clip.

    Returns:
        A scalar, or losses in the shape of ``target`` for ``reduction="none"``. NaN logits give NaN.

    Raises:
        TypeError: Logits that are not floating point or targets that are not integers.
        ValueError: Wrong shapes, targets out of range, an unknown reduction, a clip outside (0, 0.5).

    References:
        yao2018, Eq. 11.
    """
    check_classification(input, target, weight, ignore_index, reduction)
    loss = _gap(input, target, ignore_index)
    if clip is not None:
        bound = _clip_bound(clip)
        loss = loss.clamp(-bound, bound)
    return reduce_loss(loss, target, weight, ignore_index, reduction).to(input.dtype)


def _clip_bound(clip: float) -> float:
    if not 0 < clip < 0.5:
        raise ValueError(f"clip must lie strictly between 0 and 0.5; got {clip}")
    return math.log1p(-clip) - math.log(clip)


def expectation_loss(
    input: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""Expected number of errors of a label drawn from the softmax output.

    .. math:: \ell = 1 - p_y = \sigma(u)

    Args:
        input: Logits, shape ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, shape ``[B]`` or ``[B, d1, ...]``.
        weight: One weight a class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.

    Returns:
        A scalar, or losses in the shape of ``target`` for ``reduction="none"``. NaN logits give NaN.

    Raises:
        TypeError: Logits that are not floating point or targets that are not integers.
        ValueError: Wrong shapes, targets out of range, an unknown reduction.

    References:
        battash2021, Eq. 9.
    """
    check_classification(input, target, weight, ignore_index, reduction)
    loss = torch.sigmoid(_gap(input, target, ignore_index))
    return reduce_loss(loss, target, weight, ignore_index, reduction).to(input.dtype)


def softmax_bce_loss(
    input: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""Binary cross-entropy of every class, on softmax outputs.

    .. math:: \ell = -\log p_y - \sum_{k \ne y} \log(1 - p_k)

    It lies between cross-entropy and twice cross-entropy, and equals the latter for two classes.

    Args:
        input: Logits, shape ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, shape ``[B]`` or ``[B, d1, ...]``.
        weight: One weight a class, shape ``[K]``; it weighs an example by its target class.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.

    Returns:
        A scalar, or losses in the shape of ``target`` for ``reduction="none"``. NaN logits give NaN.

    Raises:
        TypeError: Logits that are not floating point or targets that are not integers.
        ValueError: Wrong shapes, targets out of range, an unknown reduction.

    References:
        yao2018, Eq. 9.
    """
    check_classification(input, target, weight, ignore_index, reduction)
    wide = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
    index = _safe(target, ignore_index).unsqueeze(1)
    log_p = wide.log_softmax(1)
    # log(1 - p_k) is -softplus of the class's own log odds; 1 - p_k is built from the other classes only
    # where p_k may be near 1, which is the largest logit alone.
    top = wide.argmax(1, keepdim=True)
    rest = wide.scatter(1, top, -math.inf).logsumexp(1, keepdim=True)
    at_top = wide.gather(1, top)
    log_rest_of_top = -F.softplus(at_top - rest)
    others = log_p.scatter(1, top, -math.inf)
    log_one_minus = torch.log1p(-others.exp()).scatter(1, top, log_rest_of_top)
    loss = -log_p.gather(1, index).squeeze(1) - (
        log_one_minus.sum(1) - log_one_minus.gather(1, index).squeeze(1)
    )
    return reduce_loss(loss, target, weight, ignore_index, reduction).to(input.dtype)


def mae_loss(
    input: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""Mean absolute error between the one-hot target and the softmax output: twice the expectation loss.

    .. math:: \ell = \lVert e_y - p \rVert_1 = 2 (1 - p_y)

    Args:
        input: Logits, shape ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, shape ``[B]`` or ``[B, d1, ...]``.
        weight: One weight a class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.

    Returns:
        A scalar, or losses in the shape of ``target`` for ``reduction="none"``. NaN logits give NaN.

    Raises:
        TypeError: Logits that are not floating point or targets that are not integers.
        ValueError: Wrong shapes, targets out of range, an unknown reduction.

    References:
        battash2021, Eq. 3.
    """
    loss = expectation_loss(input, target, weight=weight, ignore_index=ignore_index, reduction=reduction)
    return 2 * loss


class _ClassificationLoss(nn.Module):
    """Weight, ``ignore_index`` and reduction, held as ``torch.nn.CrossEntropyLoss`` holds them."""

    weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}; got {reduction!r}")
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        return f"ignore_index={self.ignore_index}, reduction={self.reduction!r}"


class NLLRLoss(_ClassificationLoss):
    """Module form of :func:`nllr_loss` (yao2018, Eq. 11)."""

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        *,
        clip: float | None = None,
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight a class, shape ``[K]``.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            clip: Clip the target's probability first; see :func:`nllr_loss`.
        """
        super().__init__(weight, ignore_index, reduction)
        if clip is not None:
            _clip_bound(clip)
        self.clip = clip

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        return super().extra_repr() + (f", clip={self.clip}" if self.clip is not None else "")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits ``[B, K, ...]`` against class indices ``[B, ...]``."""
        return nllr_loss(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            clip=self.clip,
        )


class SoftmaxBCELoss(_ClassificationLoss):
    """Module form of :func:`softmax_bce_loss` (yao2018, Eq. 9)."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits ``[B, K, ...]`` against class indices ``[B, ...]``."""
        return softmax_bce_loss(
            input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class ExpectationLoss(_ClassificationLoss):
    """Module form of :func:`expectation_loss` (battash2021, Eq. 9)."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits ``[B, K, ...]`` against class indices ``[B, ...]``."""
        return expectation_loss(
            input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class MAELoss(_ClassificationLoss):
    """Module form of :func:`mae_loss` (battash2021, Eq. 3)."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits ``[B, K, ...]`` against class indices ``[B, ...]``."""
        return mae_loss(
            input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )
