"""How a loss divides between the target and the wrong classes, at every step."""

import copy

import torch
from torch import Tensor, nn

from lossbook.training.measures.subject import StepSeen

# Far enough out: exp(-100) is lost in any rounding.
_CERTAIN = 100.0


def parts(seen: StepSeen) -> dict[str, float | Tensor]:
    r"""Loss and gradient of a step, divided between the target's class and the wrong classes.

    With :math:`g_k = \partial L / \partial z_k`, L the loss of the batch:

    .. math:: \text{ratio} = \frac{\sum_i |g_{i y_i}|}{\sum_i \sum_{k \ne y_i} |g_{ik}|}

    The positive part of the loss is what is left with all wrong classes certain to be right, at logits of
    -100; the negative part what is left with the target certain, at 100. They add up to the loss for a
    one-vs-rest loss (LR, HS-LR, SS-LR). Softmax cross-entropy has no such parts: both are 0 there, and the
    ratio is always 1.

    Args:
        seen: The step; its targets are class indices ``[B]``, or labels ``bool [B, K]``, of which all that
            are true count as targets.

    Returns:
        ``loss``, ``positive``, ``negative``, ``ratio``, and the two sums of the ratio, ``positive_gradient``
        and ``negative_gradient``.

    References:
        dong2019, Fig. 2, which does not define the gradient ratio; see
        :func:`lossbook.analysis.distraction`.
    """
    loss, targets = seen.loss, seen.targets
    with torch.enable_grad():
        logits = seen.logits.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(logits, targets), logits)
    chosen = (
        targets
        if targets.ndim == 2
        else torch.zeros_like(logits, dtype=torch.bool).scatter(1, targets.unsqueeze(1), True)
    )
    with torch.no_grad():
        certain = torch.full_like(logits, _CERTAIN)
        positive = loss(torch.where(chosen, seen.logits, -certain), targets)
        negative = loss(torch.where(chosen, certain, seen.logits), targets)
    size = gradient.abs()
    on_targets, elsewhere = size[chosen].sum(), size[~chosen].sum()
    return {
        "loss": seen.value,
        "positive": positive,
        "negative": negative,
        "ratio": on_targets / elsewhere,
        "positive_gradient": on_targets,
        "negative_gradient": elsewhere,
    }


def per_example(loss: nn.Module) -> nn.Module:
    """The loss with one value per example.

    Raises:
        ValueError: A loss without a ``reduction``, which cannot be taken apart.
    """
    if not hasattr(loss, "reduction"):
        raise ValueError(f"{type(loss).__name__} has no reduction, so it gives no value per example")
    single = copy.copy(loss)
    single.reduction = "none"  # type: ignore[assignment]
    return single
