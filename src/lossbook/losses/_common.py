"""What every loss shares: checking its input, and PyTorch's weight, ignore_index and reduction."""

from typing import NoReturn

import torch
from torch import Tensor, nn

REDUCTIONS = ("none", "mean", "sum")


def check_logits(input: Tensor, weight: Tensor | None, reduction: str, *, classes: int = 2) -> None:
    """Refuse logits, a weight or a reduction that no loss can take.

    Args:
        input: What should be logits.
        weight: What should be one weight a class.
        reduction: What should be one of ``REDUCTIONS``.
        classes: The fewest classes that make sense.

    Raises:
        TypeError: Logits that are not floating point.
        ValueError: Wrong shapes, too few classes, an unknown reduction, a weight of wrong length.
    """
    check_reduction(reduction)
    if not isinstance(input, Tensor) or not input.is_floating_point():
        raise TypeError(f"logits must be a floating-point tensor; got {_kind(input)}")
    if input.ndim < 2:
        raise ValueError(f"logits must have shape [B, K] or [B, K, d1, ...]; got {list(input.shape)}")
    if input.shape[1] < classes:
        raise ValueError(
            f"a loss over competing classes needs at least {classes} of them; "
            f"the logits have {input.shape[1]}"
        )
    if weight is not None and tuple(weight.shape) != (input.shape[1],):
        raise ValueError(
            f"weight must have one entry a class, shape [{input.shape[1]}]; got {list(weight.shape)}"
        )


def check_reduction(reduction: str) -> None:
    """Refuse an unknown reduction.

    Raises:
        ValueError: It is none of ``REDUCTIONS``.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}; got {reduction!r}")


def class_indices(input: Tensor, target: Tensor, ignore_index: int) -> tuple[Tensor, Tensor | None]:
    """Check class indices, and make them safe to look classes up with.

    Args:
        input: Logits, shape ``[B, K]`` or ``[B, K, d1, ...]``.
        target: Class indices, shape ``[B]`` or ``[B, d1, ...]``.
        ignore_index: Target value whose examples count for nothing.

    Returns:
        The indices as int64, with 0 in the place of ``ignore_index``; and which examples count, or None when
        all do.

    Raises:
        TypeError: Targets that are not integers.
        ValueError: Wrong shapes, or a target out of range.
    """
    if not isinstance(target, Tensor) or target.dtype not in _INTEGERS:
        raise TypeError(f"targets must be class indices, an integer tensor; got {_kind(target)}")
    expected = (input.shape[0], *input.shape[2:])
    if target.shape != expected:
        raise ValueError(
            f"targets must have the logits' shape without the class dimension, {list(expected)}; "
            f"got {list(target.shape)} for logits of shape {list(input.shape)}"
        )
    target = target.long()
    classes = input.shape[1]
    # Reading values would break tracing, and on a GPU it would wait for the device, where PyTorch's own
    # kernels stop on such a target; so they are read on the CPU only.
    if target.device.type == "cpu" and not is_traced():
        if target.numel() == 0:
            return target, None
        low, high = (int(end) for end in target.aminmax())
        if low < 0 or high >= classes:
            _check_range(target, classes, ignore_index)
        elif not low <= ignore_index <= high:
            return target, None
    keep = target != ignore_index
    return target.where(keep, 0), keep


_INTEGERS = (torch.int64, torch.int32, torch.uint8, torch.int16, torch.int8)


def _check_range(target: Tensor, classes: int, ignore_index: int) -> None:
    wrong = target[((target < 0) | (target >= classes)) & (target != ignore_index)]
    if wrong.numel():
        raise ValueError(
            f"targets must lie in 0..{classes - 1} or equal ignore_index ({ignore_index}); "
            f"found {int(wrong[0])}"
        )


def reduce_loss(
    losses: Tensor, target: Tensor, keep: Tensor | None, weight: Tensor | None, reduction: str
) -> Tensor:
    """Weigh, mask and reduce losses as ``torch.nn.functional.cross_entropy`` does.

    The mean is the weighted mean, ``sum_i w[y_i] l_i / sum_i w[y_i]`` over the examples that count.

    Args:
        losses: One an example, shape ``[B]`` or ``[B, d1, ...]``.
        target: Valid class indices, same shape.
        keep: Which examples count, same shape, or None for all.
        weight: One weight a class, shape ``[K]``, or None for ones.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        A scalar, or losses in their shape for ``"none"``.
    """
    if keep is not None:
        losses = losses.where(keep, 0)
    if weight is not None:
        scale = weight.to(losses.dtype)[target]
        losses = losses * scale
        if reduction == "mean":
            return losses.sum() / (scale if keep is None else scale * keep).sum()
    if reduction == "mean":
        return losses.mean() if keep is None else losses.sum() / keep.sum()
    return losses.sum() if reduction == "sum" else losses


def autocast_logits(input: Tensor) -> Tensor:
    """Logits as autocast hands them to ``torch.nn.functional.cross_entropy``: float32 for half precision."""
    half = input.dtype in (torch.float16, torch.bfloat16)
    return input.float() if half and torch.is_autocast_enabled(input.device.type) else input


def countable_logits(input: Tensor, keep: Tensor | None) -> Tensor:
    """Logits for a loss under autocast, with 0 for examples that do not count, whatever they hold."""
    logits = autocast_logits(input)
    return logits if keep is None else logits.where(keep.unsqueeze(1), 0)


def is_traced() -> bool:
    """Whether ``torch.compile`` or a transform of ``torch.func`` is at work."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()


def _has_numpy() -> bool:
    try:
        torch.empty(0, device="cpu").numpy()
    except RuntimeError:
        return False
    return True


#: Whether torch has numpy at hand, which selects and compares with the processor's vector instructions where
#: torch does not.
HAS_NUMPY = _has_numpy()


def refuse(option: str, value: object, wanted: str) -> NoReturn:
    """Say that an option's value is no good.

    Raises:
        ValueError: Always.
    """
    raise ValueError(f"{option} must {wanted}; got {value}")


def _kind(value: object) -> object:
    return value.dtype if isinstance(value, Tensor) else type(value).__name__


class ClassificationLoss(nn.Module):
    """Weight, ``ignore_index`` and reduction, held as ``torch.nn.CrossEntropyLoss`` holds them.

    A loss with options of its own lists them in ``_options``; they are attributes, and ``print`` shows them.
    """

    weight: Tensor | None
    _options: tuple[str, ...] = ()

    def __init__(
        self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        own = [f"{name}={getattr(self, name)!r}" for name in self._options]
        return ", ".join([*own, f"ignore_index={self.ignore_index}, reduction={self.reduction!r}"])
