"""What every loss shares: checking its input, and PyTorch's weight, ignore_index and reduction."""

import torch
from torch import Tensor

REDUCTIONS = ("none", "mean", "sum")


def check_classification(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> None:
    """Refuse input that a loss on logits and class indices cannot take.

    Raises:
        TypeError: Logits that are not floating point, targets that are not integers.
        ValueError: Wrong shapes, fewer than two classes, targets out of range, an unknown reduction, a
            weight of wrong length.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}; got {reduction!r}")
    if not torch.is_tensor(input) or not input.is_floating_point():
        got = input.dtype if torch.is_tensor(input) else type(input).__name__
        raise TypeError(f"logits must be a floating-point tensor; got {got}")
    if not torch.is_tensor(target) or target.is_floating_point() or target.is_complex():
        got = target.dtype if torch.is_tensor(target) else type(target).__name__
        raise TypeError(f"targets must be class indices, an integer tensor; got {got}")
    if target.dtype == torch.bool:
        raise TypeError("targets must be class indices, an integer tensor; got torch.bool")
    if input.ndim < 2:
        raise ValueError(f"logits must have shape [B, K] or [B, K, d1, ...]; got {list(input.shape)}")
    expected = (input.shape[0], *input.shape[2:])
    if tuple(target.shape) != expected:
        raise ValueError(
            f"targets must have the logits' shape without the class dimension, {list(expected)}; "
            f"got {list(target.shape)} for logits of shape {list(input.shape)}"
        )
    classes = input.shape[1]
    if classes < 2:
        raise ValueError(f"a loss over competing classes needs at least 2 of them; the logits have {classes}")
    if weight is not None and tuple(weight.shape) != (classes,):
        raise ValueError(f"weight must have one entry a class, shape [{classes}]; got {list(weight.shape)}")
    # Reading values would break tracing, and on a GPU it would wait for the device, where PyTorch's own
    # kernels stop on such a target; so they are read on the CPU only.
    if target.device.type != "cpu" or torch.compiler.is_compiling() or _is_transformed(target):
        return
    wrong = (target < 0) | (target >= classes)
    wrong &= target != ignore_index
    if bool(wrong.any()):
        value = int(target[wrong][0])
        raise ValueError(
            f"targets must lie in 0..{classes - 1} or equal ignore_index ({ignore_index}); found {value}"
        )


def _is_transformed(tensor: Tensor) -> bool:
    return torch._C._functorch.is_functorch_wrapped_tensor(tensor)


def reduce_loss(
    loss: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> Tensor:
    """Weigh, mask and reduce per-example losses as ``torch.nn.functional.cross_entropy`` does.

    The mean is the weighted mean, ``sum_i w[y_i] l_i / sum_i w[y_i]`` over the examples not ignored.

    Args:
        loss: Per-example losses, shape ``[B]`` or ``[B, d1, ...]``.
        target: Class indices, same shape.
        weight: One weight a class, shape ``[K]``, or None for ones.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    """
    keep = target != ignore_index
    loss = torch.where(keep, loss, torch.zeros_like(loss))
    if weight is None:
        scale = keep.to(loss.dtype)
    else:
        scale = weight.to(loss.dtype)[torch.where(keep, target, torch.zeros_like(target))] * keep
        loss = loss * scale
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    return loss.sum() / scale.sum()
