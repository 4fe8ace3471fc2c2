"""Losses of one row of logits at a time, with their gradients in closed form.

On a CPU, whole-tensor passes are bound by memory. So there a loss and its gradient are evaluated together,
in blocks of rows that stay in cache, and what is kept for the backward pass is the gradient alone. Everywhere
else (CUDA, tracers, ``torch.func``, forward-mode and second derivatives, tensor subclasses, targets that are
class probabilities) the same loss is an ordinary differentiable formula. ``torch.compile`` takes the formula
where it makes good code of it, which is for the losses of the target's probability alone; on a CPU it calls
the blocks for the others, as one operator.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from lossbook.losses._common import (
    RECIPE,
    Weight,
    autocast_logits,
    check_logits,
    check_smoothing,
    class_indices,
    class_probabilities,
    countable_logits,
    is_compiled_for_cpu,
    is_readable,
    reduce_loss,
)

# Elements of a block for each thread: few enough to stay in a core's own cache, and many enough that the
# calls themselves cost little.
_BLOCK = 262144

_HALF = (torch.float16, torch.bfloat16)


class RowLoss(ABC):
    """A loss of the logits and the target of one example, without weight and reduction.

    Attributes:
        any_shape: Whether :meth:`evaluate` also takes class indices ``[b, 1, s]`` for logits ``[b, K, s]``.
    """

    any_shape: ClassVar[bool] = True
    known: ClassVar[dict[str, type["RowLoss"]]] = {}

    def __init_subclass__(cls) -> None:
        """Let compiled code find the class by its name."""
        RowLoss.known[cls.__name__] = cls

    @property
    def numbers(self) -> list[float] | None:
        """The options as :meth:`from_numbers` takes them; None where compiled code has the formula."""
        return None

    @classmethod
    def from_numbers(cls, *numbers: float) -> Self:
        """Make a loss from its options."""
        return cls(*numbers)

    @abstractmethod
    def formula(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss in differentiable form.

        Args:
            logits: Shape ``[B, K]`` or ``[B, K, d1, ...]``, float32 or float64.
            target: Class indices, shape ``[B]`` or ``[B, d1, ...]``; or multi-hot, in the logits' shape.

        Returns:
            Losses, shape ``[B]`` or ``[B, d1, ...]``.
        """

    def costs(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        r"""What every class costs as the target, and what it costs beside another one.

        With them a loss is :math:`\ell(z, y) = P_y + \sum_{k \ne y} N_k`, so that its expectation under class
        probabilities is at hand. A loss without them takes class indices only.

        Args:
            logits: Shape ``[B, K]`` or ``[B, K, d1, ...]``, float32 or float64.

        Returns:
            P and N in the logits' shape, N None for zeros.
        """
        raise NotImplementedError

    @property
    def takes_probabilities(self) -> bool:
        """Whether the loss has an expectation under class probabilities."""
        return type(self).costs is not RowLoss.costs

    @abstractmethod
    def evaluate(
        self, logits: Tensor, target: Tensor, out: Tensor, *, gradient: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The loss of a block, and its gradient.

        Args:
            logits: Shape ``[b, K]`` or, with ``any_shape``, ``[b, K, s]``, float32 or float64; not to be
                changed.
            target: Class indices ``[b, 1]`` or ``[b, 1, s]``, or multi-hot ``[b, K]``.
            out: Where to write the gradient, in the logits' shape; without ``gradient``, to be used freely.
            gradient: Whether the gradient is asked for.

        Returns:
            Losses, shape ``[b]`` or ``[b, s]``; and what each row of ``out`` is still to be multiplied with
            to make the gradient, in the shape of class indices, or None for nothing. Scaling goes over it
            anyway.
        """


def classification_loss(
    rule: RowLoss,
    input: Tensor,
    target: Tensor,
    weight: Weight | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float = 0.0,
    *,
    factor: Tensor | float | None = None,
    classes: int = 2,
) -> Tensor:
    """Evaluate a loss as a user calls it.

    Args:
        rule: The loss.
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``.
        target: Class indices, in the logits' shape without the classes; or class probabilities, in the
            logits' shape.
        weight: One weight per class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        label_smoothing: The share of a target that goes to all classes alike.
        factor: One more number, for all classes or for each, that does not enter the mean.
        classes: The fewest classes that make sense.

    Raises:
        TypeError: Input or settings of the wrong kind.
        ValueError: Wrong shapes, or a value out of its range.
    """
    if is_single(input, target):
        loss = classification_loss(
            rule,
            input.unsqueeze(0),
            target.unsqueeze(0),
            weight,
            ignore_index,
            reduction,
            label_smoothing,
            factor=factor,
            classes=classes,
        )
        return loss.squeeze(0) if reduction == "none" else loss
    weight = check_logits(input, weight, ignore_index, reduction, classes=classes)
    check_smoothing(label_smoothing)
    if isinstance(target, Tensor) and target.is_floating_point() and rule.takes_probabilities:
        share = class_probabilities(input, target, ignore_index, what="class probabilities")
        logits, index, keep = autocast_logits(input), None, None
    else:
        hint = "" if rule.takes_probabilities else RECIPE
        index, keep = class_indices(input, target, ignore_index, hint=hint)
        logits = countable_logits(input, keep)
        if label_smoothing == 0:
            if factor is None:
                return total_loss(rule, logits, index, keep, weight, reduction).to(logits.dtype)
            losses = row_losses(rule, logits, index)
            losses = losses * (factor.to(losses.dtype)[index] if isinstance(factor, Tensor) else factor)
            return reduce_loss(losses, index, keep, weight, reduction).to(logits.dtype)
        share = torch.zeros_like(widened(logits)).scatter(1, index.unsqueeze(1), 1)
    share = share * (1 - label_smoothing) + label_smoothing / input.shape[1]
    for each in (weight, factor):
        if each is not None:
            share = share * (by_class(share, each) if isinstance(each, Tensor) else each)
    losses = expected(rule, widened(logits), share)
    if index is None:
        return reduce_loss(losses, target, None, None, reduction).to(logits.dtype)
    if keep is not None:
        losses = losses.masked_fill(~keep, 0)
    if reduction == "mean" and weight is not None:
        scale = weight.to(losses.dtype)[index]
        return (losses.sum() / (scale if keep is None else scale * keep).sum()).to(logits.dtype)
    return reduce_loss(losses, index, keep, None, reduction).to(logits.dtype)


def is_single(input: object, target: object) -> bool:
    """Whether these are logits ``[K]`` and the target of one example, not of a batch."""
    return isinstance(input, Tensor) and isinstance(target, Tensor) and input.ndim == 1


def by_class(terms: Tensor, weight: Tensor) -> Tensor:
    """One entry per class, shaped to be broadcast over ``[B, K, d1, ...]``."""
    return weight.to(terms.dtype).view(-1, *(1 for _ in terms.shape[2:]))


def expected(rule: RowLoss, logits: Tensor, share: Tensor) -> Tensor:
    """The sum over the classes of a share times the loss with that class as the target.

    Args:
        rule: A loss that takes class probabilities.
        logits: Shape ``[B, K]`` or ``[B, K, d1, ...]``, float32 or float64.
        share: In the same shape.
    """
    positive, negative = rule.costs(logits)
    losses = product(share, positive).sum(1)
    if negative is not None:
        # Without the rounding of the sum, which could leave less than nothing.
        rest = (share.sum(1, keepdim=True) - share).clamp(min=0)
        losses = losses + product(rest, negative).sum(1)
    return losses


def product(share: Tensor, cost: Tensor) -> Tensor:
    """``share * cost``, with nothing of an infinite cost for a share of nothing."""
    return share * cost.masked_fill((share == 0) & cost.isinf(), 0)


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
    if logits.numel() and has_closed_form(logits, target):
        losses: Tensor
        if logits.ndim == 2:
            losses = _Blocks.apply(logits, target, rule, None)
            return losses
        losses = _Blocks.apply(*_compact(rule, logits, target), rule, None)
        return losses.view(logits.shape[:1] + logits.shape[2:])
    numbers = rule.numbers
    if numbers is not None and is_compiled_for_cpu(logits) and not target.is_floating_point():
        wide = widened(logits)
        compact = (wide, target) if wide.ndim == 2 else _compact(rule, wide, target)
        gradient = torch.is_grad_enabled() and logits.requires_grad
        losses, _ = _compiled_losses(*compact, type(rule).__name__, numbers, gradient)
        return losses.view(logits.shape[:1] + logits.shape[2:])
    return rule.formula(widened(logits), target)


@torch.library.custom_op("lossbook::row_losses", mutates_args=())
def _compiled_losses(
    logits: Tensor, target: Tensor, rule: str, numbers: list[float], gradient: bool
) -> tuple[Tensor, Tensor]:
    """Evaluate the losses in blocks, and their gradient if asked for, as one operator of compiled code."""
    kind = RowLoss.known[rule]
    out = torch.empty_like(logits) if gradient else None
    losses, factor = _evaluate(kind.from_numbers(*numbers), logits, target, out, None)
    if out is not None and factor is not None:
        out.mul_(factor)
    return losses.clone() if losses._is_view() else losses, logits.new_empty(0) if out is None else out


@_compiled_losses.register_fake
def _(logits: Tensor, target: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
    losses = torch.empty_like(target, dtype=logits.dtype)
    return losses, torch.empty_like(logits) if others[-1] else logits.new_empty(0)


def keep_gradient(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    """Keep what an operator of compiled code gives beside the loss, for the backward pass."""
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(output[1])
    ctx.others = len(inputs) - 1


def scale_gradient(ctx: Any, grad_loss: Tensor, grad_gradient: Tensor | None) -> tuple[Tensor | None, ...]:
    """Multiply it with what comes from above.

    Raises:
        NotImplementedError: A second derivative is asked for.
    """
    if grad_gradient is not None:
        raise NotImplementedError("compiled code has no second derivative of this loss on a CPU")
    (gradient,) = ctx.saved_tensors
    scale = grad_loss.unsqueeze(1) if grad_loss.ndim else grad_loss
    return gradient * scale, *[None] * ctx.others


_compiled_losses.register_autograd(scale_gradient, setup_context=keep_gradient)


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
        weight: One weight per class, shape ``[K]``, for class indices, or None for ones.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        A scalar, or losses for ``"none"``; in the dtype of :func:`row_losses`.
    """
    if reduction == "none" or logits.numel() == 0 or not has_closed_form(logits, target, weight):
        return reduce_loss(row_losses(rule, logits, target), target, keep, weight, reduction)
    if logits.ndim > 2:
        logits, target = _compact(rule, logits, target)
        keep = None if keep is None else keep.view(target.shape)
    count = logits.shape[:1] + logits.shape[2:]
    rows = count.numel()
    mean = reduction == "mean"
    scale: Tensor | float = 1 / rows if mean else 1.0
    if weight is not None or keep is not None:
        dtype = widened(logits[:0]).dtype
        each = logits.new_ones(count, dtype=dtype) if weight is None else weight.to(dtype)[target]
        if keep is not None:
            each = each * keep
        scale = each / each.sum() if mean else each
    loss: Tensor = _Blocks.apply(logits, target, rule, scale)
    return loss


def as_rows(tensor: Tensor) -> Tensor:
    """Logits ``[B, K, d1, ...]`` as ``[N, K]``, or class indices ``[B, d1, ...]`` as ``[N]``."""
    return tensor.movedim(1, -1).flatten(0, -2) if tensor.is_floating_point() else tensor.flatten()


def _compact(rule: RowLoss, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of more dimensions, and their targets, in two; or in three, where nothing is moved for it."""
    many = logits.shape[2:].numel() >= _POSITIONS and not target.is_floating_point()
    if rule.any_shape and many and not logits.movedim(1, -1).is_contiguous():
        return logits.flatten(2), target.flatten(1)
    return as_rows(logits), as_rows(target)


# So many that an operation along them is as quick as one along the classes.
_POSITIONS = 32


def has_closed_form(logits: Tensor, *others: Tensor | None) -> bool:
    """Whether the gradient with respect to the logits is all that can be asked for, and on a CPU."""
    if not is_readable(logits) or forward_ad.unpack_dual(logits).tangent is not None:
        return False
    for each in others:
        if each is None:
            continue
        if type(each) not in (Tensor, nn.Parameter) or each.requires_grad:
            return False
        if forward_ad.unpack_dual(each).tangent is not None:
            return False
    return True


def widened(logits: Tensor) -> Tensor:
    """Logits in float32 instead of half precision."""
    return logits.float() if logits.dtype in _HALF else logits


def is_batched(grad_output: Tensor) -> bool:
    """Whether these are many gradients at once, as for a Jacobian."""
    functorch = torch._C._functorch
    wrapped: bool = functorch.is_functorch_wrapped_tensor(grad_output)
    return wrapped or functorch.is_legacy_batchedtensor(grad_output)


class _Blocks(torch.autograd.Function):
    """Losses, shape ``[B]``; or, with a scale per row or for all, the sum of all times their scale."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, rule: RowLoss, scale: Tensor | float | None
    ) -> Tensor:
        ctx.rule, ctx.dtype = rule, logits.dtype
        # In half precision the gradient could vanish before the backward pass scales it.
        keep = ctx.needs_input_grad[0] and logits.dtype not in _HALF
        gradient = torch.empty_like(logits) if keep else None
        losses, factor = _evaluate(rule, logits, target, gradient, scale)
        ctx.number = None if isinstance(scale, Tensor) else scale
        # All through save_for_backward, so that activation checkpointing and offloading reach it.
        saved_scale = scale if isinstance(scale, Tensor) else None
        ctx.save_for_backward(logits, target, gradient, factor, saved_scale)
        ctx.spent = False
        if scale is not None:
            return _total(losses, scale)
        # Autograd lets nobody change a view in place.
        return losses.clone() if losses._is_view() else losses

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, None, None, None]:
        logits, target, gradient, factor, scale = ctx.saved_tensors
        if scale is None:
            scale = ctx.number
        if torch.is_grad_enabled():  # A second derivative is asked for.
            losses = ctx.rule.formula(widened(logits), target)
            if scale is not None:
                losses = _total(losses, scale)
            gradient = torch.autograd.grad(losses, logits, grad_output, create_graph=True)[0]
            return gradient, None, None, None
        if gradient is None or ctx.spent:  # In half precision, or in a second pass through the same graph.
            gradient = torch.empty_like(logits, dtype=grad_output.dtype)
            _, factor = _evaluate(ctx.rule, widened(logits), target, gradient, scale)
        else:
            # Its memory becomes that of the result, unseen by the version counter.
            ctx.spent, gradient = True, gradient.data
        return scaled(gradient, grad_output, factor).to(ctx.dtype), None, None, None


def scaled(gradient: Tensor, grad_output: Tensor, factor: Tensor | None = None) -> Tensor:
    """A gradient times what comes from above, in its own place where there is room.

    Args:
        gradient: Shape ``[B, K]``.
        grad_output: A scalar, or one per row, shape ``[B]``.
        factor: One more per row, shape ``[B, 1]``, or None.
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
    index = target if target.is_floating_point() else target.unsqueeze(1)
    classes = logits.shape[1]
    block = max(1, _BLOCK * torch.get_num_threads() // classes)
    if logits.ndim == 3:
        return _evaluate_positions(rule, logits, index, gradient, scale, block), None
    # Splitting costs as much as computing, on a small batch.
    if gradient is not None and logits.shape[0] <= block:
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


def _evaluate_positions(
    rule: RowLoss,
    logits: Tensor,
    index: Tensor,
    gradient: Tensor | None,
    scale: Tensor | float | None,
    block: int,
) -> Tensor:
    """The same for logits ``[B, K, S]``; a block has positions of one example, or examples."""
    rows, classes, positions = logits.shape
    width = min(positions, block)
    height = min(rows, max(1, block // positions))
    losses = widened(logits[:0]).new_empty(rows, positions)
    scratch = None
    if gradient is None:
        scratch = losses.new_empty(height, classes, width)
    for row in range(0, rows, height):
        for start in range(0, positions, width):
            at = (slice(row, row + height), slice(None), slice(start, start + width))
            z, here = widened(logits[at]), (at[0], at[2])
            if gradient is None:
                assert scratch is not None
                out = scratch[: z.shape[0], :, : z.shape[2]]
                losses[here], _ = rule.evaluate(z, index[at], out, gradient=False)
                continue
            out = gradient[at]
            part = scale[here] if isinstance(scale, Tensor) else scale
            losses[here], factor = _step(rule, z, index[at], out, part)
            if factor is not None:
                out.mul_(factor)
    return losses


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
