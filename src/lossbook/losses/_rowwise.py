"""Losses of one row of logits at a time, with their gradients in closed form.

On a CPU, whole-tensor passes are bound by memory. So there a loss is evaluated in blocks of rows that stay in
cache, keeps only a few numbers a row for the backward pass, and then writes the gradient once. Everywhere
else (CUDA, ``torch.compile``, ``torch.func``, forward-mode and second derivatives, more than two dimensions)
the same loss is an ordinary differentiable formula.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

# Elements of a block for each thread: few enough that one or two arrays of it stay in a core's own cache, and
# many enough that the calls themselves cost little.
_BLOCK = 131072


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
    def value(self, logits: Tensor, target: Tensor) -> tuple[Tensor, ...]:
        """The loss of a block.

        Args:
            logits: Shape ``[b, K]``; not to be changed.
            target: Class indices ``[b, 1]``, or multi-hot ``[b, K]``.

        Returns:
            Losses, shape ``[b]``, and whatever :meth:`gradient` needs of each row, each with b rows.
        """

    @abstractmethod
    def gradient(
        self, logits: Tensor, target: Tensor, scale: Tensor, kept: Sequence[Tensor], out: Tensor
    ) -> None:
        """Write the gradient of a block.

        Args:
            logits: Shape ``[b, K]``; not to be changed.
            target: Class indices ``[b, 1]``, or multi-hot ``[b, K]``.
            scale: What each row's gradient is to be multiplied with, shape ``[b, 1]``.
            kept: What :meth:`value` gave beside the losses.
            out: Where to write, shape ``[b, K]``, the logits' dtype.
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
        and not torch.compiler.is_compiling()
        and not is_transformed(logits)
        and not is_transformed(target)
        and forward_ad.unpack_dual(logits).tangent is None
    ):
        losses: Tensor = _Blocks.apply(logits, target, rule)
        return losses
    return rule.formula(widened(logits), target)


def widened(logits: Tensor) -> Tensor:
    """Logits in float32 instead of half precision."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def is_transformed(tensor: Tensor) -> bool:
    """Whether ``torch.func`` is tracing through a tensor."""
    return torch._C._functorch.is_functorch_wrapped_tensor(tensor)


class _Blocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, rule: RowLoss) -> Tensor:
        index = target.unsqueeze(1) if target.ndim == 1 else target
        # What is kept is no part of any graph, so it need not be saved as the inputs are.
        ctx.rule = rule
        ctx.rows = _rows(logits)
        ctx.save_for_backward(logits, target)
        if ctx.rows >= logits.shape[0]:  # Splitting costs as much as computing, on a small batch.
            losses, *kept = rule.value(widened(logits), index)
            ctx.kept = [kept]
            return losses
        parts = [
            rule.value(widened(z), y)
            for z, y in zip(logits.split(ctx.rows), index.split(ctx.rows), strict=True)
        ]
        ctx.kept = [kept for _, *kept in parts]
        return torch.cat([losses for losses, *_ in parts])

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, None, None]:
        logits, target = ctx.saved_tensors
        if torch.is_grad_enabled():  # A second derivative is asked for.
            losses = ctx.rule.formula(widened(logits), target)
            return torch.autograd.grad(losses, logits, grad_output, create_graph=True)[0], None, None
        gradient = torch.empty_like(logits)
        whole = (
            logits,
            target.unsqueeze(1) if target.ndim == 1 else target,
            grad_output.unsqueeze(1),
            gradient,
        )
        blocks = (
            [whole] if len(ctx.kept) == 1 else zip(*(each.split(ctx.rows) for each in whole), strict=True)
        )
        for (part, index, scale, out), kept in zip(blocks, ctx.kept, strict=True):
            z = widened(part)
            if z is part:
                ctx.rule.gradient(z, index, scale, kept, out)
            else:
                wide = torch.empty_like(z)
                ctx.rule.gradient(z, index, scale, kept, wide)
                out.copy_(wide)
        return gradient, None, None


def _rows(logits: Tensor) -> int:
    """How many rows make a block."""
    return max(1, _BLOCK * torch.get_num_threads() // logits.shape[1])
