"""What every loss shares: checking its input, and PyTorch's weight, ignore_index and reduction."""

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import ClassVar, NoReturn, Self, cast

import torch
from torch import Tensor, nn

REDUCTIONS = ("none", "mean", "sum")

#: What ``weight`` may be: a tensor of one number per class, or a list of them.
Weight = Tensor | Sequence[float]


def check_logits(
    input: Tensor, weight: Weight | None, ignore_index: int, reduction: str, *, classes: int = 2
) -> Tensor | None:
    """Refuse logits and settings that no loss can take.

    Args:
        input: What should be logits.
        weight: What should be one weight per class.
        ignore_index: What should be an integer.
        reduction: What should be one of ``REDUCTIONS``.
        classes: The fewest classes that make sense.

    Returns:
        The weight as a tensor.

    Raises:
        TypeError: Logits that are not floating point, an ``ignore_index`` that is not an integer, a weight
            that is neither a tensor nor a list of numbers.
        ValueError: Wrong shapes, too few classes, an unknown reduction, a weight of wrong length.
    """
    check_settings(ignore_index, reduction)
    if not isinstance(input, Tensor) or not input.is_floating_point():
        raise TypeError(f"logits must be a floating-point tensor; got {_kind(input)}")
    if input.ndim < 2:
        raise ValueError(f"logits must have shape [K], [B, K] or [B, K, d1, ...]; got {list(input.shape)}")
    if input.shape[1] < classes:
        needed = f"{classes} of them" if classes > 1 else "one"
        competing = "over competing classes " if classes > 1 else ""
        raise ValueError(f"a loss {competing}needs at least {needed}; the logits have {input.shape[1]}")
    wide = torch.float64 if input.dtype == torch.float64 else torch.float32
    weight = class_weight(weight, wide, input.device)
    if weight is not None and tuple(weight.shape) != (input.shape[1],):
        raise ValueError(
            f"weight must have one entry per class, shape [{input.shape[1]}]; got {list(weight.shape)}"
        )
    return weight


def check_settings(ignore_index: int, reduction: str) -> None:
    """Refuse an unknown reduction, and an ``ignore_index`` that is not an integer.

    Raises:
        TypeError: ``ignore_index`` is not an integer.
        ValueError: The reduction is none of ``REDUCTIONS``.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}; got {reduction!r}")
    if not isinstance(ignore_index, Integral | torch.SymInt):
        raise TypeError(
            f"ignore_index must be an integer, -100 to ignore nothing; got {type(ignore_index).__name__}"
        )


def class_weight(
    weight: Weight | None, dtype: torch.dtype | None = None, device: torch.device | None = None
) -> Tensor | None:
    """One weight per class as a tensor.

    Args:
        weight: A tensor, which is returned as it is, or numbers.
        dtype: Type for numbers; torch's default if not given.
        device: Where to put numbers.

    Raises:
        TypeError: Neither a tensor nor numbers.
    """
    if weight is None or isinstance(weight, Tensor):
        return weight
    try:
        made = torch.as_tensor(weight, dtype=dtype or torch.get_default_dtype(), device=device)
    except (TypeError, ValueError, RuntimeError):
        made = None
    if made is None or made.ndim == 0:
        raise TypeError(
            f"weight must have one number per class, as a tensor or a list; got {weight!r} "
            "(options of the loss itself are given by keyword)"
        )
    return made


def check_number(option: str, value: object, wanted: str = "be a number") -> None:
    """Refuse what is not a number, and a number to be learnt.

    Raises:
        TypeError: It is none.
    """
    if isinstance(value, Tensor):
        # The kernels know no gradient by an option, and would leave it out without a word.
        if value.ndim == 0 and not value.requires_grad:
            return
        kind = f"a tensor of shape {list(value.shape)}" if value.ndim else "a tensor that requires a gradient"
    elif isinstance(value, Real | torch.SymInt | torch.SymFloat):
        return
    else:
        kind = type(value).__name__
    raise TypeError(f"{option} must {wanted}; got {kind}")


def check_factor(option: str, value: float) -> None:
    """Refuse a factor or exponent that is not a finite number from 0.

    Raises:
        TypeError: It is not a number.
        ValueError: It is negative or not finite.
    """
    check_number(option, value)
    if not 0 <= value < math.inf:
        refuse(option, value, "be finite and not negative")


def check_smoothing(label_smoothing: float) -> None:
    """Refuse a ``label_smoothing`` that is not a share.

    Raises:
        TypeError: It is not a number.
        ValueError: It lies outside 0 to 1.
    """
    check_number("label_smoothing", label_smoothing)
    if not 0 <= label_smoothing <= 1:
        refuse("label_smoothing", label_smoothing, "lie in [0, 1]")


def class_indices(
    input: Tensor, target: Tensor, ignore_index: int, *, hint: str = ""
) -> tuple[Tensor, Tensor | None]:
    """Check class indices, and make them safe to look classes up with.

    Args:
        input: Logits, shape ``[B, K]`` or ``[B, K, d1, ...]``.
        target: Class indices, shape ``[B]`` or ``[B, d1, ...]``.
        ignore_index: Target value whose examples count for nothing.
        hint: What to add for targets of floating point.

    Returns:
        The indices as int64, with 0 in the place of ``ignore_index``; and which examples count, or None when
        all do.

    Raises:
        TypeError: Targets that are not integers.
        ValueError: Wrong shapes, or a target out of range.
    """
    if not isinstance(target, Tensor) or target.dtype not in _INTEGERS:
        soft = isinstance(target, Tensor) and target.is_floating_point()
        raise TypeError(
            f"targets must be class indices, an integer tensor; got {_kind(target)}{hint if soft else ''}"
        )
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
    if is_readable(target):
        if target.numel() == 0:
            return target, None
        low, high = (int(end) for end in target.aminmax())
        if low < 0 or high >= classes:
            _check_range(target, classes, ignore_index)
        elif not low <= ignore_index <= high:
            return target, None
    keep = target != ignore_index
    return target.masked_fill(~keep, 0), keep


_INTEGERS = (torch.int64, torch.int32, torch.uint8, torch.int16, torch.int8)

#: What to do with two targets for one example, for a loss that has no meaning for class probabilities.
RECIPE = (
    "; this loss has no meaning for class probabilities: "
    "for mixup and cutmix take lam * loss(logits, a) + (1 - lam) * loss(logits, b)"
)


def class_probabilities(input: Tensor, target: Tensor, ignore_index: int, *, what: str) -> Tensor:
    """Check targets of floating point, one number per class.

    Args:
        input: Logits, shape ``[B, K]`` or ``[B, K, d1, ...]``.
        target: Floating-point tensor in the logits' shape.
        ignore_index: To be left at its default.
        what: What they are, for messages.

    Returns:
        The targets in the type that the loss is computed in. Where values cannot be read, an example with a
        number outside 0 to 1 becomes not a number.

    Raises:
        ValueError: Wrong shapes, a number outside 0 to 1, an ``ignore_index``.
    """
    if target.shape != input.shape:
        raise ValueError(
            f"{what} must have the logits' shape, {list(input.shape)}; got {list(target.shape)}"
            f"{'' if target.dtype == torch.bool else ' (class indices are integers)'}"
        )
    if ignore_index != IGNORE:
        raise ValueError(f"ignore_index is for class indices, and {what} have none; got {ignore_index}")
    target = target.to(torch.float64 if input.dtype == torch.float64 else torch.float32)
    # A mix of two targets may exceed 1 by its rounding.
    room = 4 * torch.finfo(target.dtype).eps
    good = (target >= -room) & (target <= 1 + room)
    if not is_readable(target):
        return target.masked_fill(~good.all(1, keepdim=True), math.nan)
    if not good.all():
        raise ValueError(f"{what} must lie between 0 and 1; found {float(target[~good][0]):g}")
    return target


#: The default of ``ignore_index``.
IGNORE = -100


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
        losses: One per example, shape ``[B]`` or ``[B, d1, ...]``.
        target: Valid class indices, same shape.
        keep: Which examples count, same shape, or None for all.
        weight: One weight per class, shape ``[K]``, or None for ones.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        A scalar, or losses in their shape for ``"none"``.
    """
    if keep is not None:
        losses = losses.masked_fill(~keep, 0)
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
    return logits if keep is None else logits.masked_fill(~keep.unsqueeze(1), 0)


def is_traced() -> bool:
    """Whether what runs is recorded or transformed: by a compiler, a tracer, ``torch.func`` or a mode."""
    return (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._ops._len_torch_dispatch_stack_pre_dispatch() > 0
        or torch.jit.is_tracing()
    )


# PyTorch 2.6 cannot tell export from compilation.
is_exporting = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)


def is_compiled_for_cpu(tensor: Tensor) -> bool:
    """Whether a graph for a processor is being compiled: not exported, nor inside ``torch.func``."""
    return (
        torch.compiler.is_compiling()
        and not is_exporting()
        and tensor.device.type == "cpu"
        and not torch._C._are_functorch_transforms_active()
    )


def is_readable(tensor: Tensor) -> bool:
    """Whether a tensor's values can be read at once: an ordinary one on a processor, and nothing traced."""
    return type(tensor) in (Tensor, nn.Parameter) and tensor.device.type == "cpu" and not is_traced()


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

    A loss names its function in ``_function`` and lists its own options in ``_options``; they are attributes,
    and ``print`` shows them. ``state_dict`` holds the weight, if there is one, and nothing else, so a
    checkpoint of ``torch.nn.CrossEntropyLoss`` fits every loss. Other tensors are constants: buffers that
    follow the module to its device and keep their values on the way, also off the meta device.
    """

    weight: Tensor | None
    _function: ClassVar[Callable[..., Tensor]]
    _options: ClassVar[tuple[str, ...]] = ()
    _exact: ClassVar[tuple[str, ...]] = ()  # constants that stay in double precision whatever the module
    _constants: dict[str, Tensor]

    def __init__(
        self, weight: Weight | None = None, *, ignore_index: int = IGNORE, reduction: str = "mean"
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.

        Raises:
            TypeError: A weight that is neither a tensor nor numbers, an ``ignore_index`` that is not an
                integer.
            ValueError: An unknown reduction.
        """
        super().__init__()
        self._constants = {}
        check_settings(ignore_index, reduction)
        self.register_buffer("weight", class_weight(weight))
        self.ignore_index = ignore_index
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits, ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, against targets.

        Args:
            input: What the loss's function takes as its first argument.
            target: What it takes as its second.
        """
        names = ("weight", "ignore_index", "reduction", *self._options)
        return type(self)._function(input, target, **{name: getattr(self, name) for name in names})

    def _hold(self, name: str, values: Tensor) -> None:
        """Register a constant.

        Raises:
            ValueError: On the meta device it has no values.
        """
        if values.is_meta:
            refuse(name, "a tensor on the meta device", 'have values; make it with device="cpu"')
        self._constants[name] = values
        self.register_buffer(name, values, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # By its values: to_empty would leave a constant without, as no checkpoint fills it.
        held = {name: cast(Tensor, self._buffers.pop(name)) for name in self._constants}
        try:
            super()._apply(fn, recurse)
            for name, tensor in held.items():
                exact = name in self._exact
                kind = torch.float32 if exact else tensor.dtype
                probe = fn(torch.empty(0, dtype=kind, device=tensor.device))
                if exact:
                    kind = torch.float32 if probe.device.type == "mps" else torch.float64
                if tensor.is_meta:
                    tensor = self._constants[name]
                moved = tensor.to(probe.device, kind if exact else probe.dtype)
                held[name] = moved
                self._constants[name] = tensor if probe.is_meta else moved
        finally:  # A device that is not there leaves the module as it was.
            self._buffers.update(held)
        return self

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        own = [f"{name}={getattr(self, name)!r}" for name in self._options if name != "label_smoothing"]
        smoothing = getattr(self, "label_smoothing", 0.0)
        own += [f"ignore_index={self.ignore_index}, reduction={self.reduction!r}"]
        return ", ".join([*own, *([f"label_smoothing={smoothing}"] if smoothing else [])])


class SmoothedLoss(ClassificationLoss):
    """A classification loss that has ``label_smoothing``, as ``torch.nn.CrossEntropyLoss`` has it."""

    def __init__(
        self,
        weight: Weight | None = None,
        *,
        ignore_index: int = IGNORE,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            label_smoothing: The share of a target that goes to all classes alike.

        Raises:
            TypeError: A weight that is neither a tensor nor numbers, an ``ignore_index`` that is not an
                integer, a ``label_smoothing`` that is not a number.
            ValueError: An unknown reduction, a ``label_smoothing`` outside 0 to 1.
        """
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)
        check_smoothing(label_smoothing)
        self.label_smoothing = label_smoothing
