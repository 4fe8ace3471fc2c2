r"""Logistic losses: one yes-or-no question per class, one-vs-rest.

Write :math:`p_k = \sigma(z_k)` for the sigmoid of the logit of class :math:`k`. A class that is a label costs
:math:`-\log p_k = \log(1 + e^{-z_k})`, any other one :math:`-\log(1 - p_k) = \log(1 + e^{z_k})`. The losses
here differ in how they weigh the other classes against the label: :func:`lr_loss` takes all of them as they
are, :func:`hs_lr_loss` the highest of them, :func:`ss_lr_loss` each by its probability, and
:func:`lgl_inr_loss` by how hard their examples are in the whole batch.

All are computed from logits, with no epsilon in a logarithm, so a confident mistake keeps its gradient.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from lossbook.losses._common import (
    HAS_NUMPY,
    RECIPE,
    ClassificationLoss,
    SmoothedLoss,
    Weight,
    autocast_logits,
    check_factor,
    check_logits,
    check_number,
    check_smoothing,
    class_indices,
    class_probabilities,
    is_compiled_for_cpu,
    is_exporting,
    is_readable,
    reduce_loss,
    refuse,
)
from lossbook.losses._rowwise import (
    RowLoss,
    as_rows,
    by_class,
    classification_loss,
    has_closed_form,
    is_single,
    keep_gradient,
    product,
    scale_gradient,
    scaled,
    total_loss,
    widened,
)
from lossbook.losses.softmax import focal_phi, softplus

Count = Literal["paper", "published"]
ClassReduction = Literal["sum", "mean"]
_COUNTS, _CLASS_REDUCTIONS = get_args(Count), get_args(ClassReduction)

# --- targets ------------------------------------------------------------------------------------------------


def _flipped(logits: Tensor, target: Tensor) -> Tensor:
    """Logits with the sign turned at the label, so that each class costs ``softplus`` of its entry."""
    index = target.unsqueeze(1)
    return logits.scatter(1, index, -logits.gather(1, index))


def _positive(logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """What the labels cost: one term for a class index, else their weighted sum."""
    if target.is_floating_point():
        return _weighed(softplus(-logits).masked_fill(target == 0, 0), weight).sum(1)
    return softplus(-logits.gather(1, target.unsqueeze(1))).squeeze(1)


def _negatives(logits: Tensor, target: Tensor) -> Tensor:
    """Logits with the labels sent as far down as they go, where they cost nothing."""
    lowest = torch.finfo(logits.dtype).min
    if target.is_floating_point():
        return logits.masked_fill(target > 0, lowest)
    return logits.scatter(1, target.unsqueeze(1), lowest)


def _weighed(terms: Tensor, weight: Tensor | None) -> Tensor:
    return terms if weight is None else terms * by_class(terms, weight)


# --- the kernels --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OneVsRest(RowLoss):
    """A loss with a term for each class.

    Attributes:
        weight: One weight per class, shape ``[K]``, for the terms of an example with multi-hot targets.
    """

    weight: Tensor | None = None

    def evaluate(
        self, logits: Tensor, target: Tensor, out: Tensor, *, gradient: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Evaluate the loss of a block, and its gradient."""
        if not target.is_floating_point():
            return self.single(logits, target, out, gradient=gradient), None
        sign = target.mul(-2).add_(1)
        terms = softplus(torch.mul(logits, sign, out=out))
        p = out.sigmoid_()  # of a label, 1 - p
        if self.weight is not None:
            weight = self.weight.to(logits.dtype)
            terms.mul_(weight)
            sign.mul_(weight)
        share, steep = self.share(logits, target), None
        if share is not None:
            if gradient and self.power:
                steep = (1 - p).mul_(terms).mul_(share).mul_(self.power)
            share.add_(target)
            terms.mul_(share)
            sign.mul_(share)
        if gradient:
            out.mul_(sign)
            if steep is not None:
                out.add_(steep)
        return terms.sum(1), None

    @abstractmethod
    def single(self, logits: Tensor, target: Tensor, out: Tensor, *, gradient: bool) -> Tensor:
        """The same for class indices ``[b, 1]``."""

    @abstractmethod
    def share(self, logits: Tensor, target: Tensor) -> Tensor | None:
        """What a term -log(1 - p) is multiplied with, 0 for labels, shape ``[b, K]``; None for 1."""

    @property
    def power(self) -> float:
        """Which power of p is in the share."""
        return 0.0


@dataclass(frozen=True)
class LR(OneVsRest):
    """Binary cross-entropy, summed over the classes."""

    def formula(self, logits: Tensor, target: Tensor) -> Tensor:
        """Evaluate the loss in differentiable form."""
        if target.is_floating_point():
            positive, negative = self.costs(logits)
            terms = product(target, positive) + product(1 - target, negative)
            return _weighed(terms, self.weight).sum(1)
        return softplus(_flipped(logits, target)).sum(1)

    def costs(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """What every class costs as the label, and beside another one."""
        return softplus(-logits), softplus(logits)

    def single(self, logits: Tensor, target: Tensor, out: Tensor, *, gradient: bool) -> Tensor:
        """Evaluate the loss of a block, and its gradient, p - e_y."""
        behind = logits.gather(1, target).neg_()
        if gradient:
            torch.sigmoid(logits, out=out).scatter_(1, target, torch.sigmoid(behind).neg_())
        return softplus(logits).scatter_(1, target, softplus(behind)).sum(1)

    def share(self, logits: Tensor, target: Tensor) -> None:
        """All alike."""


@dataclass(frozen=True)
class HSLR(OneVsRest):
    """Logistic loss of the labels and of the hardest of the other classes."""

    any_shape: ClassVar[bool] = False  # it selects along the last dimension
    m: float = 0.25
    beta: float = 10.0
    count: Count = "paper"

    def __post_init__(self) -> None:
        check_number("m", self.m)
        if not 0 < self.m <= 1:
            refuse("m", self.m, "lie in (0, 1], as a fraction")
        check_factor("beta", self.beta)
        if self.count not in _COUNTS:
            refuse("count", repr(self.count), f"be one of {', '.join(_COUNTS)}")

    @property
    def numbers(self) -> list[float]:
        """Its options as numbers."""
        return [self.m, self.beta, float(_COUNTS.index(self.count))]

    @classmethod
    def from_numbers(cls, *numbers: float) -> Self:
        """Make it from its options."""
        m, beta, count = numbers
        return cls(m=m, beta=beta, count=_COUNTS[int(count)])

    def selected(self, classes: int) -> int:
        """How many other classes count, for an example with one label among ``classes``; at least 1."""
        return max(1, int(classes * self.m) if self.count == "published" else self._part(classes - 1))

    def _part(self, negatives: int) -> int:
        # m is meant as a decimal fraction: 0.29 of 100 is 29, which the product in binary falls short of.
        return math.floor(self.m * negatives + _ROUNDING)

    def _counts(self, target: Tensor) -> tuple[Tensor, int]:
        """How many other classes count for each multi-hot example, shape ``[b, 1, ...]``, and at most."""
        classes = target.shape[1]
        if self.count == "published":
            n = self.selected(classes)
            return torch.full_like(target[:, :1], n), n
        others = classes - target.sum(1, keepdim=True, dtype=torch.float64)
        counts = (self.m * others + _ROUNDING).floor().clamp(min=1)
        return counts.to(target.dtype), max(1, self._part(classes))

    def formula(self, logits: Tensor, target: Tensor) -> Tensor:
        """Evaluate the loss in differentiable form."""
        positive = _positive(logits, target, self.weight)
        if not target.is_floating_point():
            n = self.selected(logits.shape[1])
            hardest = _negatives(logits, target).topk(min(n, logits.shape[1] - 1), 1, sorted=False).values
            return positive + self.beta / n * softplus(hardest).sum(1)
        counts, most = self._counts(target)
        hardest, index = _negatives(logits, target).topk(most, 1)
        terms = softplus(hardest)
        if self.weight is not None:
            terms = terms * by_class(terms, self.weight).expand_as(logits).gather(1, index)
        rank = by_class(terms, torch.arange(most, device=terms.device))
        return positive + self.beta * (terms * (rank < counts) / counts).sum(1)

    def single(self, logits: Tensor, target: Tensor, out: Tensor, *, gradient: bool) -> Tensor:
        """Evaluate the loss of a block, and its gradient.

        That is p_y - 1 for the label, and beta / n times p_k for the classes selected.
        """
        classes = logits.shape[1]
        n = self.selected(classes)
        alpha, n = self.beta / n, min(n, classes - 1)
        behind = logits.gather(1, target).neg_()
        out.copy_(logits).scatter_(1, target, torch.finfo(logits.dtype).min)
        if _partitions(logits):
            out.numpy().partition(classes - n - 1, 1)
            hardest = out[:, classes - n :].clone()
            bound = out[:, classes - n - 1, None].clone()  # the highest of those not selected
            if gradient:
                chosen = torch.gt(logits, bound, out=out)
                tied = (hardest.amin(1, keepdim=True) == bound).squeeze(1).nonzero().squeeze(1)
                if len(tied):
                    z = logits[tied].scatter_(1, target[tied], -math.inf)
                    chosen[tied] = _highest(z, bound[tied], n)
                _product(chosen, torch.sigmoid(logits), alpha, out)
        else:
            hardest, index = out.topk(n, 1, sorted=False)
            if gradient:
                out.zero_().scatter_(1, index, torch.sigmoid(hardest).mul_(alpha))
        if gradient:
            out.scatter_(1, target, torch.sigmoid(behind).neg_())
        return softplus(behind).squeeze(1).add_(softplus(hardest).sum(1), alpha=alpha)

    def share(self, logits: Tensor, target: Tensor) -> Tensor:
        """A part of beta for each class selected."""
        classes = logits.shape[1]
        counts, most = self._counts(target)
        others = torch.add(logits, target, alpha=-torch.finfo(logits.dtype).max)
        if _partitions(logits):
            top = others.clone()
            top.numpy().partition(classes - most, 1)
            top = top[:, classes - most :]
            top.numpy().sort(1)
        else:
            top = others.topk(most, 1).values.flip(1)
        least = top.gather(1, most - counts.long())
        chosen = (others >= least).to(others.dtype)
        tied = (chosen.sum(1, keepdim=True) != counts).squeeze(1).nonzero().squeeze(1)
        if len(tied):
            chosen[tied] = _highest(others[tied], least[tied], counts[tied])
        return chosen.mul_(1 - target).mul_(self.beta / counts)


def _highest(z: Tensor, least: Tensor, n: Tensor | int) -> Tensor:
    """Mark the n highest entries of each row, of which ``least`` is the lowest, with 1.

    Of those equal to it, they are the first that there is room for.
    """
    above, level = z > least, z == least
    room = n - above.sum(1, keepdim=True)
    return (above | (level & (level.cumsum(1) <= room))).to(z.dtype)


def _product(a: Tensor, b: Tensor, scale: float, out: Tensor) -> Tensor:
    """Write ``scale * a * b`` in one pass."""
    return torch.addcmul(a.new_zeros(()), a, b, value=scale, out=out)


def _partitions(logits: Tensor) -> bool:
    rows, classes = logits.shape
    many = classes >= _PARTITION_CLASSES or rows >= _PARTITION_ROWS
    return HAS_NUMPY and many and torch.get_num_threads() <= _PARTITION_THREADS


# Numpy's partition selects about six times faster than torch.topk. But it runs on one thread, and takes a
# while to call; and on small batches the order in which topk leaves what it selects is in published records.
_PARTITION_CLASSES, _PARTITION_ROWS = 32, 1024
_PARTITION_THREADS = 4

# Far above what rounding does to m times a number of classes, far below the steps of any m in use.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class SSLR(OneVsRest):
    """Logistic loss of the labels and of the other classes, those by a power of their probability."""

    r: float = 2.0
    beta: float = 10.0

    def __post_init__(self) -> None:
        check_factor("r", self.r)
        check_factor("beta", self.beta)

    @property
    def numbers(self) -> list[float]:
        """Its options as numbers."""
        return [self.r, self.beta]

    @classmethod
    def from_numbers(cls, *numbers: float) -> Self:
        """Make it from its options."""
        r, beta = numbers
        return cls(r=r, beta=beta)

    def formula(self, logits: Tensor, target: Tensor) -> Tensor:
        """Evaluate the loss in differentiable form."""
        if target.is_floating_point():
            # Beside several labels, the others divide beta among fewer.
            negative = product(1 - target, self._negative(logits)) * (self.beta / _others(target))
            terms = product(target, softplus(-logits)) + negative
            return _weighed(terms, self.weight).sum(1)
        terms = self._negative(_negatives(logits, target))
        return _positive(logits, target, None) + self.beta / (logits.shape[1] - 1) * terms.sum(1)

    def costs(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """What every class costs as the label, and beside another one."""
        return softplus(-logits), self.beta / (logits.shape[1] - 1) * self._negative(logits)

    def _negative(self, logits: Tensor) -> Tensor:
        return focal_phi(self.r).value(logits)

    def single(self, logits: Tensor, target: Tensor, out: Tensor, *, gradient: bool) -> Tensor:
        r"""Evaluate the loss of a block, and its gradient.

        The gradient is :math:`p_y - 1` for the label, and for the others
        :math:`\alpha p^r \bigl(r (1 - p) \log(1 + e^z) + p\bigr)`.
        """
        alpha = self.beta / (logits.shape[1] - 1)
        behind = logits.gather(1, target).neg_()
        terms = softplus(logits).scatter_(1, target, 0)
        p = torch.sigmoid(logits, out=out)
        share = self._power(p)
        if gradient:
            # The bracket over r lies between log(1 + e^z) and 1 / r, at p. 1 / r is to be finite in float32.
            r = max(self.r, 1e-30)
            slope = torch.lerp(terms, logits.new_tensor(1 / r), p, out=out)
            _product(share, slope, alpha * r, out)
            out.scatter_(1, target, torch.sigmoid(behind).neg_())
        return softplus(behind).squeeze(1).add_(terms.mul_(share).sum(1), alpha=alpha)

    def share(self, logits: Tensor, target: Tensor) -> Tensor:
        """A part of beta for each class that is not a label, times the power of its probability."""
        return self._power(torch.sigmoid(logits)).mul_(1 - target).mul_(self.beta / _others(target))

    @property
    def power(self) -> float:
        """Which power of p is in the share."""
        return self.r

    def _power(self, p: Tensor) -> Tensor:
        if self.r == 0:
            return torch.ones_like(p)
        if self.r == 2:
            return p * p
        # Processors are slow with numbers that are all but 0; these are nothing beside any loss.
        smallest = math.log(torch.finfo(p.dtype).tiny) / 2
        return p.log().mul_(self.r).clamp_(min=smallest).exp_()


def _others(target: Tensor) -> Tensor:
    """How many classes are not labels, but at least 1."""
    return (target.shape[1] - target.sum(1, keepdim=True)).clamp(min=1)


def _loss(
    rule: LR | HSLR | SSLR,
    input: Tensor,
    target: Tensor,
    weight: Weight | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float = 0.0,
) -> Tensor:
    classes = 1 if isinstance(rule, LR) else 2
    settings = (weight, ignore_index, reduction, label_smoothing)
    if not isinstance(target, Tensor) or not (target.dtype == torch.bool or target.is_floating_point()):
        return classification_loss(rule, input, target, *settings, classes=classes)
    if is_single(input, target):
        loss = _loss(rule, input.unsqueeze(0), target.unsqueeze(0), *settings)
        return loss.squeeze(0) if reduction == "none" else loss
    weight = check_logits(input, weight, ignore_index, reduction, classes=classes)
    check_smoothing(label_smoothing)
    labels = class_probabilities(input, target, ignore_index, what="multi-hot targets")
    if label_smoothing:
        labels = labels * (1 - label_smoothing) + label_smoothing / input.shape[1]
    logits = autocast_logits(input)
    rule = replace(rule, weight=weight)
    # Labels other than 0 and 1 are seen on a processor only; elsewhere the formula is right for them as well.
    hard = target.dtype == torch.bool and not label_smoothing
    if not hard and is_readable(labels):
        hard = torch.equal(labels * labels, labels)  # No other numbers are their own squares.
    if hard and has_closed_form(logits, weight, labels):
        return total_loss(rule, logits, labels, reduction=reduction).to(logits.dtype)
    if isinstance(rule, HSLR) and not hard:
        labels = _hard(labels)
    return reduce_loss(rule.formula(widened(logits), labels), labels, None, None, reduction).to(logits.dtype)


def _hard(labels: Tensor) -> Tensor:
    """Refuse labels other than 0 and 1; where values cannot be read, their example becomes not a number.

    Raises:
        ValueError: There is one.
    """
    soft = (labels != 0) & (labels != 1)
    if not is_readable(labels):
        return labels.masked_fill(soft.any(1, keepdim=True), math.nan)
    if soft.any():
        raise ValueError(
            f"multi-hot targets of this loss must be 0 or 1; found {float(labels[soft][0]):g}{RECIPE}"
        )
    return labels


# --- LGL-INR ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LGLINR:
    """Eq. 11 of li2020 for a batch, summed over the classes."""

    beta: float = 1.0
    detach: bool = False

    def __post_init__(self) -> None:
        check_factor("beta", self.beta)

    def shares(self, logits: Tensor, target: Tensor, keep: Tensor | None) -> Tensor:
        """Each example's share, in differentiable form; see :func:`lgl_inr_loss`.

        Args:
            logits: Shape ``[N, K]``, float32 or float64.
            target: Valid class indices, shape ``[N]``.
            keep: Which examples count, or None for all.

        Returns:
            Shape ``[N]``, anything where an example does not count.
        """
        count, classes = logits.shape
        ones = torch.ones_like(target, dtype=logits.dtype)
        if keep is not None:
            logits = logits.masked_fill(~keep.unsqueeze(1), 0)
            ones = keep.to(logits.dtype)
        group, groups = target, classes
        # The classes that are there, numbered in order, may be fewer than all; but an exported program is for
        # any number of rows.
        if not (is_exporting() or torch.jit.is_tracing()) and count < classes:
            group, groups = _renumbered(target), count
        index = group.unsqueeze(1).expand(-1, classes)
        present = ones.new_zeros(groups).scatter_add(0, group, ones)
        size = present.clamp(min=1)
        own = target.new_zeros(groups).scatter(0, group, target).unsqueeze(1)
        p = torch.sigmoid(logits) * ones.unsqueeze(1)
        hardness = p.new_zeros(groups, classes).scatter_add(0, index, p) / size.unsqueeze(1)
        is_own = torch.zeros_like(hardness).scatter(1, own, 1) > 0
        weights = self._weights(hardness, ~is_own & (present > 0).unsqueeze(1))
        terms = weights.gather(0, index) * softplus(logits)
        positive = softplus(-logits.gather(1, target.unsqueeze(1))).squeeze(1)
        return ones.sum() / size.gather(0, group) * (positive + terms.sum(1))

    def _weights(self, hardness: Tensor, negative: Tensor) -> Tensor:
        """The weights of each class (row) in each one's rest (column), 0 where it is no part of it."""
        # Not -inf: where a class has no rest at all, softmax of nothing but -inf is not a number.
        lowest = torch.finfo(hardness.dtype).min
        weights = (self.beta * hardness).masked_fill(~negative, lowest).softmax(0) * negative
        return weights.detach() if self.detach else weights

    def total(self, logits: Tensor, target: Tensor, factor: Tensor | None, gradient: Tensor | None) -> Tensor:
        """A sum over the classes' mean losses, each with its factor.

        Args:
            logits: Shape ``[N, K]``, float32 or float64, N at least 1.
            target: Class indices, shape ``[N]``.
            factor: One per class, shape ``[K]``, or None for ones.
            gradient: Where to write the gradient, in the logits' shape, if asked for.
        """
        classes = logits.shape[1]
        sizes = target.bincount(minlength=classes)
        group, own = target, None
        if int(sizes.amin()) == 0:
            own, group, sizes = target.unique(return_inverse=True, return_counts=True)
            factor = None if factor is None else factor[own]
        size = sizes.unsqueeze(1).to(logits.dtype)
        p = torch.empty_like(logits) if gradient is None else gradient
        parts = _parts(_BLOCK // classes, logits, group, p)
        # Sums over each class (row) of the probability of each class (column), and of -log(1 - p).
        hardness, cost = logits.new_zeros(2, len(size), classes)
        for z, y, out in parts:
            hardness.index_add_(0, y, torch.sigmoid(z, out=out))
            cost.index_add_(0, y, softplus(z))
        scale = size.reciprocal() if factor is None else factor.unsqueeze(1) / size
        steepness = self.beta / size
        weights = _at_own(hardness.mul_(steepness), own, torch.finfo(logits.dtype).min).softmax(0)
        if len(size) == 1:  # For its own class there is no rest.
            _at_own(weights, own, 0)
        cost.mul_(scale)
        rest = (weights * cost).sum(0)
        behind = logits.gather(1, target.unsqueeze(1)).neg_()
        each = scale.index_select(0, group)
        loss = softplus(behind).mul_(each).sum() + rest.sum()
        if gradient is None:
            return loss
        through = cost.sub_(rest).mul_(weights).mul_(steepness)
        direct = weights.mul_(scale)
        for _, y, out in parts:
            bracket = direct.index_select(0, y)
            if not self.detach:
                bracket.addcmul_(through.index_select(0, y), 1 - out)
            out.mul_(bracket)
        gradient.scatter_(1, target.unsqueeze(1), torch.sigmoid(behind).mul_(each).neg_())
        return loss


# Elements that stay in a core's cache, with all that is made of them.
_BLOCK = 131072


def _parts(rows: int, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
    """Split tensors alike."""
    if len(tensors[0]) <= rows:
        return [tensors]
    return list(zip(*(each.split(max(1, rows)) for each in tensors), strict=True))


def _at_own(matrix: Tensor, own: Tensor | None, value: float) -> Tensor:
    """Fill, in place, where a row's class is the column's."""
    return matrix.fill_diagonal_(value) if own is None else matrix.scatter_(1, own.unsqueeze(1), value)


def _renumbered(target: Tensor) -> Tensor:
    """Number the distinct values 0, 1, ... in rising order, without asking how many there are."""
    ordered, order = target.sort()
    first = F.pad((ordered[1:] != ordered[:-1]).long(), (1, 0))
    return torch.zeros_like(target).scatter(0, order, first.cumsum(0))


def _total(
    rule: LGLINR, logits: Tensor, target: Tensor, keep: Tensor | None, weight: Tensor | None, reduction: str
) -> Tensor:
    """Weigh and reduce the examples' shares, in one go with the gradient."""
    mean = reduction == "mean"
    logits, target, factor, _ = _counted(logits, target, keep, weight, mean)
    count = len(target)
    if count == 0:
        return logits.sum() / (0 if mean else 1)
    total: Tensor = _Total.apply(logits, target, factor, rule)
    return total if mean else total * count


def _counted(
    logits: Tensor, target: Tensor, keep: Tensor | None, weight: Tensor | None, mean: bool
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """The examples that count, what each class's mean is multiplied with, and where the examples were."""
    kept = None
    if keep is not None:
        kept = keep.flatten().nonzero().squeeze(1)
        logits, target = logits.index_select(0, kept), target[kept]
    factor = None
    if weight is not None and len(target):
        factor = weight.to(logits.dtype)
        if mean:
            factor = factor / factor[target].mean()
    return logits, target, factor, kept


@torch.library.custom_op("lossbook::lgl_inr", mutates_args=())
def _compiled_total(
    logits: Tensor,
    target: Tensor,
    keep: Tensor | None,
    weight: Tensor | None,
    beta: float,
    detach: bool,
    mean: bool,
    gradient: bool,
) -> tuple[Tensor, Tensor]:
    """The loss of a batch, and its gradient if asked for, as one operator of compiled code."""
    rows, labels, factor, kept = _counted(logits, target, keep, weight, mean)
    scale = 1 if mean else len(labels)
    if len(labels) == 0:
        # As PyTorch has it: the mean of nothing is not a number.
        return logits.new_full((), math.nan if mean else 0.0), torch.zeros_like(logits)
    slopes = torch.empty_like(rows) if gradient else None
    loss = LGLINR(beta, detach).total(rows, labels, factor, slopes) * scale
    if slopes is None:
        return loss, logits.new_empty(0)
    slopes.mul_(scale)
    return loss, slopes if kept is None else torch.zeros_like(logits).index_copy_(0, kept, slopes)


@_compiled_total.register_fake
def _(logits: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
    return logits.new_empty(()), torch.empty_like(logits) if others[-1] else logits.new_empty(0)


_compiled_total.register_autograd(scale_gradient, setup_context=keep_gradient)


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, factor: Tensor | None, rule: LGLINR) -> Tensor:
        ctx.rule = rule
        gradient = torch.empty_like(logits) if ctx.needs_input_grad[0] else None
        loss = rule.total(logits, target, factor, gradient)
        ctx.save_for_backward(logits, target, factor, gradient)
        ctx.spent = False
        return loss

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, None, None, None]:
        logits, target, factor, gradient = ctx.saved_tensors
        if torch.is_grad_enabled():  # A second derivative is asked for.
            shares = ctx.rule.shares(logits, target, None)
            loss = (shares if factor is None else shares * factor[target]).mean()
            return torch.autograd.grad(loss, logits, grad_output, create_graph=True)[0], None, None, None
        if ctx.spent:  # In a second backward pass through the same graph.
            gradient = torch.empty_like(logits)
            ctx.rule.total(logits, target, factor, gradient)
        else:
            # Its memory becomes that of the result, unseen by the version counter.
            ctx.spent, gradient = True, gradient.data
        return scaled(gradient, grad_output), None, None, None


# --- the losses ---------------------------------------------------------------------------------------------


def lr_loss(
    input: Tensor,
    target: Tensor,
    *,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Logistic regression: binary cross-entropy summed over the classes, K times the mean PyTorch takes.

    .. math:: \ell = -\log p_y - \sum_{k \ne y} \log(1 - p_k), \quad p_k = \sigma(z_k)

    ``torch.nn.BCEWithLogitsLoss`` takes the mean over examples and classes, this the mean over examples of
    the sum over classes.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``.
        target: Class indices, in the logits' shape without the classes. Or labels, bool or floating point
            from 0 to 1, in the logits' shape: then a class that is a label with the share :math:`t_k` costs
            :math:`-t_k \log p_k` and :math:`-(1 - t_k) \log(1 - p_k)`, and the classes add up. Several
            labels, soft labels and class probabilities are such; for the latter it is the expected loss.
        weight: One weight per class, shape ``[K]``. With class indices it weighs an example by its target
            class; with multi-hot targets it weighs each class's own term, and does not enter the mean, as in
            ``torch.nn.functional.binary_cross_entropy_with_logits``.
        ignore_index: Target value whose examples count for nothing; for class indices only.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``, over examples.
        label_smoothing: The share, in [0, 1], of every target that goes to all classes alike.

    Returns:
        A scalar, or losses of shape ``[B]`` or ``[B, d1, ...]`` for ``reduction="none"``. NaN logits give
        NaN.

    Raises:
        TypeError: Logits that are not floating point, or targets that are neither integers nor multi-hot.
        ValueError: Wrong shapes, targets out of range, an unknown reduction, an ``ignore_index`` with
            multi-hot targets.

    References:
        dong2019, Eq. 3.
    """
    return _loss(LR(), input, target, weight, ignore_index, reduction, label_smoothing)


def hs_lr_loss(
    input: Tensor,
    target: Tensor,
    *,
    m: float = 0.25,
    beta: float = 10.0,
    count: Count = "paper",
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""Logistic regression with hard selection: the label, and the highest of the other classes.

    .. math:: \ell = -\log p_y - \frac{\beta}{n} \sum_{k \in H} \log(1 - p_k), \quad p_k = \sigma(z_k)

    :math:`H` holds the :math:`n = \lfloor m (K - 1) \rfloor` classes of highest probability beside the
    label, at least one: always exactly n. Where classes tie for the last place, any of them may be taken; the
    loss does not depend on which, the gradient does. The loss is convex in the logits.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, in the logits' shape without the classes. Or multi-hot, 0 or 1, bool or
            floating point, in the logits' shape: then the :math:`-\log p_k` of an example's labels add up,
            and n and the selection are of its own N classes that are not labels, :math:`n = \lfloor m N
            \rfloor`, yet at least 1 where there is one. (The authors' code divides the labels' sum over the
            batch by the number of labels in the batch.)
        m: The share of the other classes to select, in (0, 1]; the paper's m is this in percent.
        beta: How much the selected classes weigh together; finite and not negative.
        count: ``"paper"`` for n as above; ``"published"`` for that of the authors' code, the whole part of
            :math:`K m`, with the label as one of the K but costing nothing. They often agree, or differ by
            one.
        weight: One weight per class, shape ``[K]``. With class indices it weighs an example by its target
            class; with multi-hot targets it weighs each class's own term, after the selection, and does not
            enter the mean.
        ignore_index: Target value whose examples count for nothing; for class indices only.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``, over examples.

    Returns:
        A scalar, or losses of shape ``[B]`` or ``[B, d1, ...]`` for ``reduction="none"``. NaN logits give
        NaN.

    Raises:
        TypeError: Logits that are not floating point, or targets that are neither integers nor multi-hot.
        ValueError: Wrong shapes, targets out of range, an unknown reduction, an option out of its range, an
            ``ignore_index`` with multi-hot targets, targets between 0 and 1.

    References:
        dong2019, Eq. 5.
    """
    return _loss(HSLR(m=m, beta=beta, count=count), input, target, weight, ignore_index, reduction)


def ss_lr_loss(
    input: Tensor,
    target: Tensor,
    *,
    r: float = 2.0,
    beta: float = 10.0,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Logistic regression with soft selection: the other classes count by a power of their probability.

    .. math::

        \ell = -\log p_y - \frac{\beta}{K - 1} \sum_{k \ne y} p_k^r \log(1 - p_k), \quad p_k = \sigma(z_k)

    The gradient flows through :math:`p_k^r`. The sum is the part of the sigmoid focal loss that concerns the
    wrong classes; unlike there, the label's term has no such factor.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, in the logits' shape without the classes. Or labels, bool or floating point
            from 0 to 1, in the logits' shape: then the :math:`-t_k \log p_k` of an example's labels add up,
            another class counts with :math:`1 - t_k`, and :math:`K - 1` gives way to the sum of these. For
            class probabilities it is the expected loss. (The authors' code divides either sum over the batch
            by its number of terms in the batch.)
        r: How strongly to attend to classes of high probability; 0 for all alike. Finite and not negative.
        beta: How much the other classes weigh together; finite and not negative.
        weight: One weight per class, shape ``[K]``. With class indices it weighs an example by its target
            class; with multi-hot targets it weighs each class's own term, and does not enter the mean.
        ignore_index: Target value whose examples count for nothing; for class indices only.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``, over examples.
        label_smoothing: The share, in [0, 1], of every target that goes to all classes alike.

    Returns:
        A scalar, or losses of shape ``[B]`` or ``[B, d1, ...]`` for ``reduction="none"``. NaN logits give
        NaN.

    Raises:
        TypeError: Logits that are not floating point, or targets that are neither integers nor multi-hot.
        ValueError: Wrong shapes, targets out of range, an unknown reduction, an option out of its range, an
            ``ignore_index`` with multi-hot targets.

    References:
        dong2019, Eq. 6.
    """
    return _loss(SSLR(r=r, beta=beta), input, target, weight, ignore_index, reduction, label_smoothing)


def lgl_inr_loss(
    input: Tensor,
    target: Tensor,
    *,
    beta: float = 1.0,
    detach: bool = False,
    class_reduction: ClassReduction = "sum",
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""In-negative-class reweighted logistic loss: one-vs-rest, hard classes among the rest count more.

    For class :math:`k` against the rest, with :math:`S_j` the examples of class :math:`j` in the batch,
    :math:`N_j` their number and :math:`p_{ik} = \sigma(z_{ik})`,

    .. math::

        L_k = -\frac{1}{N_k} \sum_{i \in S_k} \log p_{ik}
              - \sum_{j \ne k} \lambda_{jk} \frac{1}{N_j} \sum_{i \in S_j} \log(1 - p_{ik}), \quad
        \lambda_{jk} = \frac{e^{\beta \bar p_{jk}}}{\sum_{l \ne k} e^{\beta \bar p_{lk}}}, \quad
        \bar p_{jk} = \frac{1}{N_j} \sum_{i \in S_j} p_{ik}

    The paper prints the loss of one class. Here the loss of a batch is :math:`\sum_k L_k`, with counts and
    means over the batch. A class that is not in it drops out of all sums over j, and its own :math:`L_k`
    keeps the term of the rest alone. A batch of one class has no rest for that class.

    :math:`\sum_k L_k` is the mean of one share for each example i of class y,

    .. math:: \ell_i = \frac{B}{N_y} \Bigl(-\log p_{iy} - \sum_{k \ne y} \lambda_{yk} \log(1 - p_{ik})\Bigr).

    A share depends on the whole batch, so a large batch cannot be evaluated in pieces.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2. With more dimensions
            each position is an example of its own, of one common batch.
        target: Class indices, in the logits' shape without the classes. Multi-hot targets are refused: an
            example of several classes would be positive and negative in the same mean.
        beta: How much more hard classes count; 0 for all alike. Finite and not negative.
        detach: Take :math:`\lambda` as constants in the gradient. The text does not say; the published code
            lets the gradient flow through them, and so does the default. The value is the same.
        class_reduction: ``"sum"`` of the :math:`L_k`, as in the published code, or their ``"mean"``, a K-th
            of it. The text does not say.
        weight: One weight per class, shape ``[K]``; it weighs an example's share by its target class.
        ignore_index: Target value whose examples count for nothing, neither in the counts nor in the means.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"`` of the shares.

    Returns:
        A scalar, or the shares in the shape of ``target`` for ``reduction="none"``. NaN logits make the loss
        NaN.

    Raises:
        TypeError: Logits that are not floating point or targets that are not integers.
        ValueError: Wrong shapes, targets out of range, an unknown reduction, an option out of its range.

    References:
        li2020, Eq. 11.
    """
    if is_single(input, target):
        loss = lgl_inr_loss(
            input.unsqueeze(0),
            target.unsqueeze(0),
            beta=beta,
            detach=detach,
            class_reduction=class_reduction,
            weight=weight,
            ignore_index=ignore_index,
            reduction=reduction,
        )
        return loss.squeeze(0) if reduction == "none" else loss
    weight = check_logits(input, weight, ignore_index, reduction)
    _check_class_reduction(class_reduction)
    rule = LGLINR(beta, detach)
    if isinstance(target, Tensor) and target.shape == input.shape:
        raise ValueError(
            "this loss takes class indices only: its weights come from the examples of each class, and with "
            "multi-hot targets an example is of several"
        )
    index, keep = class_indices(input, target, ignore_index, hint=RECIPE)
    logits = autocast_logits(input)
    rows, labels = widened(logits), index
    if rows.ndim > 2:
        rows, labels = as_rows(rows), as_rows(index)
    if reduction != "none" and is_compiled_for_cpu(rows) and (weight is None or not weight.requires_grad):
        gradient = torch.is_grad_enabled() and rows.requires_grad
        mask = None if keep is None else keep.flatten()
        loss, _ = _compiled_total(rows, labels, mask, weight, beta, detach, reduction == "mean", gradient)
    elif reduction == "none" or not has_closed_form(rows, weight):
        shares = rule.shares(rows, labels, None if keep is None else keep.flatten())
        loss = reduce_loss(shares.view(index.shape), index, keep, weight, reduction)
    else:
        loss = _total(rule, rows, labels, keep, weight, reduction)
    if class_reduction == "mean":
        loss = loss / input.shape[1]
    return loss.to(logits.dtype)


def _check_class_reduction(class_reduction: str) -> None:
    if class_reduction not in _CLASS_REDUCTIONS:
        refuse("class_reduction", repr(class_reduction), f"be one of {', '.join(_CLASS_REDUCTIONS)}")


class LRLoss(SmoothedLoss):
    r"""Module form of :func:`lr_loss` (dong2019, Eq. 3); K times the mean of ``torch.nn.BCEWithLogitsLoss``.

    .. math:: \ell = -\log p_y - \sum_{k \ne y} \log(1 - p_k), \quad p_k = \sigma(z_k)
    """

    _function = staticmethod(lr_loss)
    _options = ("label_smoothing",)


class HSLRLoss(ClassificationLoss):
    r"""Module form of :func:`hs_lr_loss` (dong2019, Eq. 5).

    .. math:: \ell = -\log p_y - \frac{\beta}{n} \sum_{k \in H} \log(1 - p_k), \quad p_k = \sigma(z_k)
    """

    _function = staticmethod(hs_lr_loss)
    _options = ("m", "beta", "count")

    def __init__(
        self,
        weight: Weight | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        m: float = 0.25,
        beta: float = 10.0,
        count: Count = "paper",
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            m: The share of the other classes to select, in (0, 1]; at least one class is.
            beta: How much the selected classes weigh together.
            count: ``"paper"`` or ``"published"``, how many classes m is; see :func:`hs_lr_loss`.

        Raises:
            TypeError: An option that is not a number, a weight that is neither a tensor nor numbers.
            ValueError: An option out of its range, or an unknown reduction.
        """
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)
        HSLR(m=m, beta=beta, count=count)
        self.m = m
        self.beta = beta
        self.count: Count = count


class SSLRLoss(SmoothedLoss):
    r"""Module form of :func:`ss_lr_loss` (dong2019, Eq. 6).

    .. math::

        \ell = -\log p_y - \frac{\beta}{K - 1} \sum_{k \ne y} p_k^r \log(1 - p_k), \quad p_k = \sigma(z_k)
    """

    _function = staticmethod(ss_lr_loss)
    _options = ("r", "beta", "label_smoothing")

    def __init__(
        self,
        weight: Weight | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        r: float = 2.0,
        beta: float = 10.0,
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            label_smoothing: The share of every target that goes to all classes alike.
            r: How strongly to attend to classes of high probability; 0 for all alike.
            beta: How much the other classes weigh together.

        Raises:
            TypeError: An option that is not a number, a weight that is neither a tensor nor numbers.
            ValueError: An option out of its range, or an unknown reduction.
        """
        super().__init__(
            weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )
        SSLR(r=r, beta=beta)
        self.r = r
        self.beta = beta


class LGLINRLoss(ClassificationLoss):
    r"""Module form of :func:`lgl_inr_loss` (li2020, Eq. 11).

    .. math::

        \ell_i = \frac{B}{N_y} \Bigl(-\log p_{iy} - \sum_{k \ne y} \lambda_{yk} \log(1 - p_{ik})\Bigr)
    """

    _function = staticmethod(lgl_inr_loss)
    _options = ("beta", "detach", "class_reduction")

    def __init__(
        self,
        weight: Weight | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        beta: float = 1.0,
        detach: bool = False,
        class_reduction: ClassReduction = "sum",
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            beta: How much more hard classes count; 0 for all alike.
            detach: Take the weights within the rest as constants in the gradient.
            class_reduction: ``"sum"`` or ``"mean"`` over the classes; see :func:`lgl_inr_loss`.

        Raises:
            TypeError: An option that is not a number, a weight that is neither a tensor nor numbers.
            ValueError: An option out of its range, or an unknown reduction.
        """
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)
        LGLINR(beta, detach)
        _check_class_reduction(class_reduction)
        self.beta = beta
        self.detach = detach
        self.class_reduction: ClassReduction = class_reduction
