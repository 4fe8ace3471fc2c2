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

# Elements of a block for each thread: few enough to stay in a core's own cache, and many enough that the
# calls themselves cost little.
_BLOCK = 262144


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
            gradient, shape ``[b, 1]``, or None for nothing. The backward pass goes over it anyway.
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
    if (
        logits.device.type == "cpu"
        and logits.ndim == 2
        and not is_traced()
        and forward_ad.unpack_dual(logits).tangent is None
    ):
        losses: Tensor = _Blocks.apply(logits, target, rule)
        return losses
    return rule.formula(widened(logits), target)


def widened(logits: Tensor) -> Tensor:
    """Logits in float32 instead of half precision."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def is_traced() -> bool:
    """Whether ``torch.compile`` or a transform of ``torch.func`` is at work."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()


class _Blocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, rule: RowLoss) -> Tensor:
        ctx.rule, ctx.dtype = rule, logits.dtype
        ctx.save_for_backward(logits, target)
        # In half precision the gradient could vanish before the backward pass scales it.
        keep = ctx.needs_input_grad[0] and widened(logits) is logits
        ctx.gradient = torch.empty_like(logits) if keep else None
        losses, ctx.factor = _evaluate(rule, logits, target, ctx.gradient)
        # Autograd lets nobody change a view in place.
        return losses.clone() if losses._is_view() else losses

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, None, None]:
        if torch.is_grad_enabled():  # A second derivative is asked for.
            logits, target = ctx.saved_tensors
            losses = ctx.rule.formula(widened(logits), target)
            return torch.autograd.grad(losses, logits, grad_output, create_graph=True)[0], None, None
        gradient, ctx.gradient = ctx.gradient, None
        scale = grad_output.unsqueeze(1)
        if gradient is None:  # In half precision, or in a second backward pass through the same graph.
            logits, target = ctx.saved_tensors
            gradient = torch.empty_like(logits, dtype=grad_output.dtype)
            _, ctx.factor = _evaluate(ctx.rule, widened(logits), target, gradient)
        if ctx.factor is not None:
            scale = scale * ctx.factor
        # Many gradients at once, as for a Jacobian, do not fit in the place of one.
        functorch = torch._C._functorch
        many = functorch.is_functorch_wrapped_tensor(scale) or functorch.is_legacy_batchedtensor(scale)
        return (gradient * scale if many else gradient.mul_(scale)).to(ctx.dtype), None, None


def _evaluate(
    rule: RowLoss, logits: Tensor, target: Tensor, gradient: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Evaluate a loss block by block, and its gradient if there is a place for it."""
    index = target.unsqueeze(1) if target.ndim == 1 else target
    rows, classes = logits.shape
    block = max(1, _BLOCK * torch.get_num_threads() // classes)
    if gradient is not None and rows <= block:  # Splitting costs as much as computing, on a small batch.
        return rule.evaluate(logits, index, gradient, gradient=True)
    parts = zip(logits.split(block), index.split(block), strict=True)
    if gradient is None:
        scratch = torch.empty_like(widened(logits[:block]))
        made = [rule.evaluate(widened(z), y, scratch[: len(z)], gradient=False) for z, y in parts]
    else:
        outs = gradient.split(block)
        made = [rule.evaluate(z, y, out, gradient=True) for (z, y), out in zip(parts, outs, strict=True)]
    if len(made) == 1:
        return made[0]
    factors = [factor for _, factor in made if factor is not None]
    return torch.cat([losses for losses, _ in made]), torch.cat(factors) if factors else None
