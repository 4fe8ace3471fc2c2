r"""A loss seen from its logits: its gradient, and its course as the target's probability grows."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]
"""A loss of logits ``[B, K]`` and class indices ``[B]``, one value per example, ``[B]``.

The value of an example must not depend on the others, as that of LGL-INR does.
"""


def example_losses(loss: Loss, logits: Tensor, target: Tensor) -> Tensor:
    """The loss of each example, shape ``[B]``.

    Args:
        loss: Logits ``[B, K]`` and targets ``[B]`` to losses ``[B]``; for a loss of
            :mod:`lossbook.losses` with ``reduction="none"``.
        logits: Shape ``[B, K]``.
        target: Class indices, shape ``[B]``.

    Raises:
        ValueError: The loss does not give one value per example.
    """
    values = loss(logits, target)
    if values.shape != target.shape:
        raise ValueError(
            f"the loss must give one value per example, shape {list(target.shape)}; it gave "
            f'{list(values.shape)} (for a loss of lossbook.losses set reduction="none")'
        )
    return values


def logit_gradient(loss: Loss, logits: Tensor, target: Tensor) -> Tensor:
    r"""The gradient of each example's loss with respect to its own logits.

    Args:
        loss: Logits ``[B, K]`` and targets ``[B]`` to losses ``[B]``; for a loss of
            :mod:`lossbook.losses` with ``reduction="none"``.
        logits: Shape ``[B, K]``.
        target: Class indices, shape ``[B]``.

    Returns:
        :math:`\partial \ell_i / \partial z_{ik}`, shape ``[B, K]``.

    Raises:
        ValueError: The loss does not give one value per example.
    """
    with torch.enable_grad():
        leaf = logits.detach().clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(example_losses(loss, leaf, target).sum(), leaf)
    return gradient


def logits_with_confidence(confidence: Tensor, num_classes: int) -> Tensor:
    r"""Logits whose softmax gives class 0 a wanted probability and shares the rest equally.

    Args:
        confidence: :math:`p_0`, each strictly between 0 and 1, shape ``[B]``.
        num_classes: K, at least 2.

    Returns:
        Logits, shape ``[B, K]``: :math:`z_0 = \log\frac{p_0 (K - 1)}{1 - p_0}`, the others 0.

    Raises:
        ValueError: A probability outside (0, 1), or fewer than two classes.
    """
    if num_classes < 2:
        raise ValueError(f"num_classes must be at least 2; got {num_classes}")
    if not bool(((confidence > 0) & (confidence < 1)).all()):
        raise ValueError("every confidence must lie strictly between 0 and 1")
    logits = confidence.new_zeros(len(confidence), num_classes)
    logits[:, 0] = torch.logit(confidence) + math.log(num_classes - 1)
    return logits


@dataclass(frozen=True)
class GradientProfile:
    """A loss and its logit gradient against the target's probability; all of shape ``[B]``.

    Attributes:
        confidence: The target's probability.
        loss: The loss, in the loss's own units.
        on_target: Its derivative with respect to the target's logit.
        on_competitor: Its derivative with respect to each competitor's logit (all equal here).
        l1: The L1 norm of its gradient with respect to all logits.
    """

    confidence: Tensor
    loss: Tensor
    on_target: Tensor
    on_competitor: Tensor
    l1: Tensor


def gradient_profile(loss: Loss, confidence: Tensor, num_classes: int) -> GradientProfile:
    """Follow a loss as the target's probability grows, the competitors being equally likely.

    Args:
        loss: Logits ``[B, K]`` and targets ``[B]`` to losses ``[B]``.
        confidence: The target's probabilities, each strictly between 0 and 1, shape ``[B]``.
        num_classes: K, at least 2.

    Raises:
        ValueError: As :func:`logits_with_confidence` and :func:`logit_gradient` say.
    """
    logits = logits_with_confidence(confidence, num_classes)
    target = torch.zeros(len(confidence), dtype=torch.long, device=confidence.device)
    gradient = logit_gradient(loss, logits, target)
    return GradientProfile(
        confidence=confidence,
        loss=loss(logits, target).detach(),
        on_target=gradient[:, 0],
        on_competitor=gradient[:, 1],
        l1=gradient.abs().sum(1),
    )
