"""Losses of one row of logits at a time, with their gradients in closed form.

On a CPU, whole-tensor passes are bound by memory. So there a loss and its gradient are evaluated together,
in blocks of rows that stay in cache, and what is kept for the backward pass is the gradient alone. Everywhere
else (CUDA, ``torch.compile``, ``torch.func``, forward-mode and second derivatives, more than two dimensions)
the same loss is an ordinary differentiable formula.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from lossbook.losses._common import is_traced, reduce_loss

# Elements of a block for each thread: few enough to stay in a core's own cache, and many enough that the
# calls themselves cost little.
_BLOCK = 262144

_HALF = (torch.float16, torch.bfloat16)


class RowLoss(ABC):
    """A loss of the logits and the target of one example, without weight and reduction."""

    @abstractmethod
    def formula(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss in differentiable form.

        Args:
            logits: Shape ``[B, K]`` or ``[B, K, d1, ...]``, float32 or float64.
            target: Class indices, shape ``[B]`` or ``[B, d1, ...]``; or multi-hot, in the logits' shape.

        Returns:
            Losses, shape ``[B]`` or ``[B, d1, ...]``.
        """

    @abstractmethod
    def evaluate(
        self, logits: Tensor, target: Tensor, out: Tensor, *, gradient: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The loss of a block, and its gradient.

        Args:
            logits: Shape ``[b, K]``, float32 or float64; not to be changed.
            target: Class indices ``[b, 1]``, or multi-hot ``[b, K]``.
            out: Where to write the gradient, shape ``[b, K]``; without ``gradient``, to be used freely.
            gradient: Whether the gradient is asked for.

        Returns:
            Losses, shape ``[b]``; and what each row of ``out`` is still to be multiplied with to make the
            gradient, shape ``[b, 1]``, or None for nothing. Scaling goes over it anyway.
        """


def row_losses(rule: RowLoss, logits: Tensor, target: Tensor) -> Tensor:
    """Evaluate a loss on every example.

    Args:
        rule: The loss.
        logits: Shape ``[B, K]`` or ``[B, K, d1, ...]``. Half precision, which cannot hold a sum over classes,
            is widened inside.
        target: Valid class indices, ``[B]`` or ``[B, d1, ...]``; or multi-hot, in the logits' shape.

    Returns:
        Losses, shape ``[B]`` or ``[B, d1, ...]``, float32 for logits in half precision, else in their dtype.
    """
    if logits.ndim == 2 and len(logits) and has_closed_form(logits):
        losses: Tensor = _Blocks.apply(logits, target, rule, None)
        return losses
    return rule.formula(widened(logits), target)


def total_loss(
    rule: RowLoss,
    logits: Tensor,
    target: Tensor,
    keep: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Evaluate a loss on every example, weigh and reduce; where it can, in one go with the gradient.

    Args:
        rule: The loss.
        logits: As for :func:`row_losses`; numbers also where an example does not count.
        target: As for :func:`row_losses`.
        keep: Which examples count, in the shape of class indices, or None for all.
        weight: One weight a class, shape ``[K]``, for class indices, or None for ones.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        A scalar, or losses for ``"none"``; in the dtype of :func:`row_losses`.
    """
    rows = len(logits)
    if reduction == "none" or logits.ndim > 2 or rows == 0 or not has_closed_form(logits, weight):
        return reduce_loss(row_losses(rule, logits, target), target, keep, weight, reduction)
    mean = reduction == "mean"
    scale: Tensor | float = 1 / rows if mean else 1.0
    if weight is not None or keep is not None:
        dtype = widened(logits[:0]).dtype
        each = logits.new_ones(rows, dtype=dtype) if weight is None else weight.to(dtype)[target]
        if keep is not None:
            each = each * keep
        scale = each / each.sum() if mean else each
    loss: Tensor = _Blocks.apply(logits, target, rule, scale)
    return loss


def has_closed_form(logits: Tensor, weight: Tensor | None = None) -> bool:
    """Whether the gradient with respect to the logits is all that can be asked for, and on a CPU."""
    if logits.device.type != "cpu" or is_traced() or forward_ad.unpack_dual(logits).tangent is not None:
        return False
    if weight is None:
        return True
    return not weight.requires_grad and forward_ad.unpack_dual(weight).tangent is None


def widened(logits: Tensor) -> Tensor:
    """Logits in float32 instead of half precision."""
    return logits.float() if logits.dtype in _HALF else logits


def is_batched(grad_output: Tensor) -> bool:
    """Whether these are many gradients at once, as for a Jacobian."""
    functorch = torch._C._functorch
    wrapped: bool = functorch.is_functorch_wrapped_tensor(grad_output)
    return wrapped or functorch.is_legacy_batchedtensor(grad_output)


class _Blocks(torch.autograd.Function):
    """Losses, shape ``[B]``; or, with a scale a row or for all, the sum of all times their scale."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, rule: RowLoss, scale: Tensor | float | None
    ) -> Tensor:
        ctx.rule, ctx.scale, ctx.dtype = rule, scale, logits.dtype
        ctx.save_for_backward(logits, target)
        # In half precision the gradient could vanish before the backward pass scales it.
        keep = ctx.needs_input_grad[0] and logits.dtype not in _HALF
        ctx.gradient = torch.empty_like(logits) if keep else None
        losses, ctx.factor = _evaluate(rule, logits, target, ctx.gradient, scale)
        if scale is not None:
            return _total(losses, scale)
        # Autograd lets nobody change a view in place.
        return losses.clone() if losses._is_view() else losses

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, None, None, None]:
        if torch.is_grad_enabled():  # A second derivative is asked for.
            logits, target = ctx.saved_tensors
            losses = ctx.rule.formula(widened(logits), target)
            if ctx.scale is not None:
                losses = _total(losses, ctx.scale)
            gradient = torch.autograd.grad(losses, logits, grad_output, create_graph=True)[0]
            return gradient, None, None, None
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None:  # In half precision, or in a second backward pass through the same graph.
            logits, target = ctx.saved_tensors
            gradient = torch.empty_like(logits, dtype=grad_output.dtype)
            _, ctx.factor = _evaluate(ctx.rule, widened(logits), target, gradient, ctx.scale)
        return scaled(gradient, grad_output, ctx.factor).to(ctx.dtype), None, None, None


def scaled(gradient: Tensor, grad_output: Tensor, factor: Tensor | None = None) -> Tensor:
    """A gradient times what comes from above, in its own place where there is room.

    Args:
        gradient: Shape ``[B, K]``.
        grad_output: A scalar, or one a row, shape ``[B]``.
        factor: One more a row, shape ``[B, 1]``, or None.
    """
    many = is_batched(grad_output)
    if grad_output.ndim == 0:
        # The backward pass of a loss begins with 1, mostly.
        if not many and grad_output.item() == 1:
            return gradient
        scale = grad_output
    else:
        scale = grad_output.unsqueeze(1)
        if factor is not None:
            scale = scale * factor
    return gradient * scale if many else gradient.mul_(scale)


def _total(losses: Tensor, scale: Tensor | float) -> Tensor:
    return losses.sum() * scale if isinstance(scale, float) else (losses * scale).sum()


def _evaluate(
    rule: RowLoss, logits: Tensor, target: Tensor, gradient: Tensor | None, scale: Tensor | float | None
) -> tuple[Tensor, Tensor | None]:
    """Evaluate a loss block by block, and its gradient if there is a place for it.

    Returns:
        Losses, not scaled, and what is still missing in the gradient: with a scale nothing, and None.
    """
    index = target.unsqueeze(1) if target.ndim == 1 else target
    rows, classes = logits.shape
    block = max(1, _BLOCK * torch.get_num_threads() // classes)
    if gradient is not None and rows <= block:  # Splitting costs as much as computing, on a small batch.
        return _step(rule, logits, index, gradient, scale)
    parts = zip(logits.split(block), index.split(block), strict=True)
    if gradient is None:
        scratch = torch.empty_like(widened(logits[:block]))
        made = [rule.evaluate(widened(z), y, scratch[: len(z)], gradient=False) for z, y in parts]
    else:
        outs = gradient.split(block)
        scales = scale.split(block) if isinstance(scale, Tensor) else [scale] * len(outs)
        made = [_step(rule, z, y, out, s) for (z, y), out, s in zip(parts, outs, scales, strict=True)]
    if len(made) == 1:
        return made[0]
    factors = [factor for _, factor in made if factor is not None]
    return torch.cat([losses for losses, _ in made]), torch.cat(factors) if factors else None


def _step(
    rule: RowLoss, logits: Tensor, index: Tensor, out: Tensor, scale: Tensor | float | None
) -> tuple[Tensor, Tensor | None]:
    """Evaluate a block with its gradient, and scale that while it is in cache."""
    losses, factor = rule.evaluate(logits, index, out, gradient=True)
    if scale is None:
        return losses, factor
    if isinstance(scale, Tensor):
        scale = scale.unsqueeze(1)
    if factor is not None:
        out.mul_(factor.mul_(scale))
    elif isinstance(scale, Tensor) or scale != 1:
        out.mul_(scale)
    return losses, None
