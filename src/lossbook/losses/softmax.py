r"""Losses on softmax outputs.

Write :math:`u = \log\sum_{k \ne y} e^{z_k} - z_y` for the gap between the competitors of the target class
:math:`y` and the target itself, and :math:`p_y = \sigma(-u)` for the target's softmax probability. A loss
that depends on :math:`p_y` alone is a function :math:`\phi(u)`; its gradient is :math:`\phi'(u)(q - e_y)`
with :math:`q` the softmax over the competitors of :math:`y`. So most of this module is one kernel,
:class:`PhiLoss`, and a table of :math:`\phi` and :math:`\phi'`, :func:`phi`. Three losses look at other
classes too: :func:`softmax_bce_loss`, :func:`mpce_loss` and :func:`complement_entropy_loss`.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lossbook.errors import UnknownNameError
from lossbook.losses._common import (
    HAS_NUMPY,
    ClassificationLoss,
    SmoothedLoss,
    Weight,
    check_factor,
    check_number,
    is_readable,
    refuse,
)
from lossbook.losses._rowwise import RowLoss, classification_loss

_LITTLE = 1e-20
# e^-1000 is 0 in float64 as well.
_LOG_ZERO = -1000.0

# --- phi ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Phi:
    r"""A loss that depends on the target's probability alone, as a function of :math:`u`.

    .. math:: \ell = \phi(u), \quad \nabla_z \ell = \phi'(u)\,(q - e_y)

    Attributes:
        value: :math:`\phi`, elementwise, in the loss's own units; differentiable twice, and its first
            derivative keeps its digits however small it is.
        slope: :math:`\phi'`, elementwise.
        plain: :math:`\phi` where nothing is differentiated; the same as ``value`` if not given.
    """

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    plain: Callable[[Tensor], Tensor] | None = None


def softplus(t: Tensor) -> Tensor:
    r""":math:`\log(1 + e^t)`, elementwise; exact in float64 too, which ``F.softplus`` leaves at 20."""
    return F.softplus(t, threshold=40)


def _sigmoid(t: Tensor) -> Tensor:
    """``sigmoid`` whose derivative keeps its digits near 1, where autograd's s (1 - s) loses them."""
    return torch.exp(-softplus(-t))


def _one_minus_exp(t: Tensor) -> Tensor:
    """``1 - e^t`` of numbers that are not positive, with the digits of it and of its derivative.

    Autograd takes the derivative of ``expm1`` from its result, which near -1 has none left.
    """
    return torch.where(t > -0.5, -torch.expm1(t), 1 - torch.exp(t))


def nllr_phi(clip: float | None = None) -> Phi:
    r""":math:`\phi` of :func:`nllr_loss`: :math:`u`, held within the bounds of a clip."""
    if clip is None:
        return Phi(lambda u: u, torch.ones_like)
    check_number("clip", clip)
    if not 0 < clip < 0.5:
        refuse("clip", clip, "lie strictly between 0 and 0.5")
    bound = math.log1p(-clip) - math.log(clip)
    return Phi(lambda u: u.clamp(-bound, bound), lambda u: (u.abs() <= bound).to(u.dtype))


def ce_phi() -> Phi:
    r""":math:`\phi` of cross-entropy: :math:`\log(1 + e^u)`."""
    return Phi(softplus, torch.sigmoid)


def expectation_phi() -> Phi:
    r""":math:`\phi` of :func:`expectation_loss`: :math:`\sigma(u)`."""
    return Phi(_sigmoid, lambda u: torch.sigmoid(u) * torch.sigmoid(-u), torch.sigmoid)


def mae_phi() -> Phi:
    r""":math:`\phi` of :func:`mae_loss`: :math:`2 \sigma(u)`."""
    return Phi(
        lambda u: 2 * _sigmoid(u),
        lambda u: 2 * torch.sigmoid(u) * torch.sigmoid(-u),
        lambda u: 2 * torch.sigmoid(u),
    )


def ceel_phi(alpha: float = 1.0, beta: float = 1.0) -> Phi:
    r""":math:`\phi` of :func:`ceel_loss`: :math:`\alpha \log(1 + e^u) + \beta \sigma(u)`."""
    check_factor("alpha", alpha)
    check_factor("beta", beta)
    if alpha == 0:  # Not 0 times cross-entropy, which may be infinite.
        return Phi(
            lambda u: beta * _sigmoid(u),
            lambda u: beta * torch.sigmoid(u) * torch.sigmoid(-u),
            lambda u: beta * torch.sigmoid(u),
        )
    return Phi(
        lambda u: alpha * softplus(u) + beta * _sigmoid(u),
        lambda u: torch.sigmoid(u) * (alpha + beta * torch.sigmoid(-u)),
        lambda u: alpha * softplus(u) + beta * torch.sigmoid(u),
    )


def focal_phi(gamma: float = 2.0) -> Phi:
    r""":math:`\phi` of :func:`focal_loss`: :math:`\sigma(u)^\gamma \log(1 + e^u)`."""
    check_factor("gamma", gamma)
    if gamma == 0:
        return ce_phi()

    # Powers as exponentials of softplus: their derivatives stay finite where the probability is 0.
    def plain(u: Tensor) -> Tensor:
        return torch.exp(-gamma * softplus(-u)) * softplus(u)

    def value(u: Tensor) -> Tensor:
        # Where sigma(u) is 1, not by a product, in whose derivative 0 would meet infinity.
        return torch.where(u >= -_LOG_ZERO, u, plain(u.clamp(max=-_LOG_ZERO)))

    def slope(u: Tensor) -> Tensor:
        u = u.clamp(max=-_LOG_ZERO)  # where p log p is 0 already
        rest = softplus(-u)
        return torch.exp(-gamma * rest) * (gamma * torch.sigmoid(-u) * softplus(u) + torch.sigmoid(u))

    return Phi(value, slope, plain)


def gce_phi(q: float = 0.7, k: float | None = None) -> Phi:
    r""":math:`\phi` of :func:`gce_loss`: :math:`(1 - \sigma(-u)^q) / q`, constant below :math:`p_y = k`."""
    check_number("q", q)
    if not 0 < q <= 1:
        refuse("q", q, "lie in (0, 1]")
    if k is not None:
        check_number("k", k)
        if not 0 < k < 1:
            refuse("k", k, "lie strictly between 0 and 1")
    # Where p_y = k; without k, nowhere.
    end = math.inf if k is None else math.log1p(-k) - math.log(k)

    def value(u: Tensor) -> Tensor:
        return truncated(u, _one_minus_exp(-q * softplus(u)) / q)

    def plain(u: Tensor) -> Tensor:
        return truncated(u, -torch.expm1(-q * softplus(u)) / q)

    def truncated(u: Tensor, loss: Tensor) -> Tensor:
        return loss if k is None else loss.masked_fill(u >= end, (1 - k**q) / q)

    def slope(u: Tensor) -> Tensor:
        slope = torch.exp(-q * softplus(u)) * torch.sigmoid(u)
        return slope if k is None else slope * (u < end)

    return Phi(value, slope, plain)


def tamed_ce_phi(alpha: float) -> Phi:
    r""":math:`\phi` of :func:`tamed_ce_loss`, with :math:`\log(1 + e^u)` for :math:`-\log p_y`."""
    check_factor("alpha", alpha)
    if alpha == 0:
        return ce_phi()

    def plain(u: Tensor) -> Tensor:
        log = torch.log1p(softplus(u))
        return log if alpha == 1 else torch.expm1((1 - alpha) * log) / (1 - alpha)

    def value(u: Tensor) -> Tensor:
        if alpha > 1:
            return _one_minus_exp((1 - alpha) * torch.log1p(softplus(u))) / (alpha - 1)
        # Infinity by itself: in the derivative, infinity would meet 0.
        return plain(u.clamp(max=torch.finfo(u.dtype).max)).masked_fill(u == math.inf, math.inf)

    def slope(u: Tensor) -> Tensor:
        return torch.exp(-alpha * torch.log1p(softplus(u))) * torch.sigmoid(u)

    return Phi(value, slope, plain)


_PHI: dict[str, Callable[..., Phi]] = {
    "nllr": nllr_phi,
    "ce": ce_phi,
    "el": expectation_phi,
    "mae": mae_phi,
    "ceel": ceel_phi,
    "focal": focal_phi,
    "gce": gce_phi,
    "tamed_ce": tamed_ce_phi,
}


def phi(name: str, **options: float | None) -> Phi:
    r"""Look up :math:`\phi` and :math:`\phi'` of a loss that depends on the target's probability alone.

    Args:
        name: ``nllr``, ``ce``, ``el``, ``mae``, ``ceel``, ``focal``, ``gce`` or ``tamed_ce``.
        **options: The loss's own options, for example ``gamma=1.0``.

    Raises:
        UnknownNameError: An unknown name or option; the message names the nearest.
        TypeError: An option that is not a number.
        ValueError: An option out of its range, or one that the loss cannot do without.
    """
    if name not in _PHI:
        raise UnknownNameError("loss", name, _PHI)
    known = inspect.signature(_PHI[name]).parameters
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of the loss {name!r}", option, known)
    missing = [o for o, p in known.items() if p.default is p.empty and o not in options]
    if missing:
        raise ValueError(f"the loss {name!r} needs the option {missing[0]!r}")
    return _PHI[name](**options)


# --- the kernels --------------------------------------------------------------------------------------------


def competitor_gap(input: Tensor, target: Tensor) -> Tensor:
    r"""The negative log-likelihood ratio of each example, :math:`u = \log\sum_{k \ne y} e^{z_k} - z_y`.

    Args:
        input: Logits :math:`z`, shape ``[B, K]`` or ``[B, K, d1, ...]``.
        target: Class indices :math:`y`, shape ``[B]`` or ``[B, d1, ...]``.

    Returns:
        :math:`u`, with the shape of ``target``.
    """
    return _gap(input, target.unsqueeze(1)).squeeze(1)


def _gap(input: Tensor, index: Tensor) -> Tensor:
    """``logsumexp`` over the classes but one, minus the logit of that; -inf where all others are -inf."""
    others = input.scatter(1, index, -math.inf)
    largest = others.detach().amax(1, keepdim=True)
    none = largest == -math.inf
    # Taken out before the sum, a large logit costs its gradient no digits.
    largest = largest.masked_fill(none, 0)
    total = torch.exp(others - largest).sum(1, keepdim=True).masked_fill(none, 1).log()
    # Nor does it cost the result any: what all logits have in common cancels first.
    return (total + (largest - input.gather(1, index))).masked_fill(none, -math.inf)


def _gaps(input: Tensor) -> Tensor:
    """The gap of every class, were it the target, in the logits' shape."""
    largest, top = input.detach().max(1, keepdim=True)
    power = torch.exp(input - largest.masked_fill(largest == -math.inf, 0))
    at_top = torch.zeros_like(input, dtype=torch.bool).scatter(1, top, True)
    # The sum over the others holds the 1 of the largest, and so its digits; but not for the largest itself.
    rest = (power.sum(1, keepdim=True) - power).masked_fill(at_top, 1)
    return torch.where(at_top, _gap(input, top), rest.log() - (input - largest))


def _competitors(logits: Tensor, target: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
    """Write ``e^(z - m)``, with 0 at the target; give the largest competitor ``m``, and the sum."""
    out.copy_(logits).scatter_(1, target, -math.inf)
    # Where all competitors are -inf, there is nothing to subtract, and the sum is 0.
    largest = out.amax(1, keepdim=True).clamp_(min=torch.finfo(out.dtype).min)
    return largest, _exp_(out.sub_(largest)).sum(1, keepdim=True)


def _top(logits: Tensor) -> Tensor:
    """The class of the largest logit, shape ``[b, 1]``."""
    if HAS_NUMPY:
        return torch.from_numpy(logits.detach().numpy().argmax(1, keepdims=True))
    return logits.argmax(1, keepdim=True)


def _exp_(t: Tensor) -> Tensor:
    """``e^t`` in place, of numbers that are not positive, three times as fast as ``t.exp_()`` on a CPU.

    Rounding t / log 2 changes the result by the share |t| times the dtype's epsilon, at most: no more than
    rounding the logits did.
    """
    return t.mul_(_LOG2_E).exp2_()


_LOG2_E = 1 / math.log(2)


@dataclass(frozen=True)
class PhiLoss(RowLoss):
    r"""A loss that depends on the target's probability alone: :math:`\phi(u)`."""

    phi: Phi

    def formula(self, logits: Tensor, target: Tensor) -> Tensor:
        """Evaluate the loss in differentiable form."""
        return self.phi.value(competitor_gap(logits, target))

    def costs(self, logits: Tensor) -> tuple[Tensor, None]:
        """What every class costs as the target; linear in the target, the loss has nothing else."""
        return self.phi.value(_gaps(logits)), None

    def evaluate(
        self, logits: Tensor, target: Tensor, out: Tensor, *, gradient: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Evaluate the loss of a block, and its gradient, phi'(u) (q - e_y)."""
        least = torch.finfo(out.dtype).tiny
        largest = logits.amax(1, keepdim=True)
        total = _exp_(torch.sub(logits, largest, out=out)).scatter_(1, target, 0).sum(1, keepdim=True)
        # Where the target is so far ahead that little is left of its competitors, and of its digits, take
        # their own largest. Beside NaN the smallest is not seen.
        if not total.amin().item() >= _LITTLE and bool((total < _LITTLE).any()):
            largest, total = _competitors(logits, target, out)
        gap = (largest - logits.gather(1, target)).add_(total.log())
        factor = None
        if gradient:
            total.clamp_(min=least)  # 0 where all competitors are -inf
            factor = self.phi.slope(gap).div_(total)
            out.scatter_(1, target, total.neg_())
        return (self.phi.plain or self.phi.value)(gap.squeeze(1)), factor


class SoftmaxBCE(RowLoss):
    """Binary cross-entropy of every class on softmax outputs."""

    @property
    def numbers(self) -> list[float]:
        """It has no options."""
        return []

    # 1 - p_k is built from the other classes where p_k may be near 1, which is the largest logit alone.

    def formula(self, logits: Tensor, target: Tensor) -> Tensor:
        """Evaluate the loss in differentiable form."""
        positive, negative = self.costs(logits)
        index = target.unsqueeze(1)
        return positive.gather(1, index).squeeze(1) + negative.scatter(1, index, 0).sum(1)

    def costs(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """-log p and -log(1 - p) of every class."""
        top = logits.argmax(1, keepdim=True)
        at_top = logits.gather(1, top)
        odds = -_gap(logits, top)
        others = logits.log_softmax(1).scatter(1, top, -math.inf)
        negative = (-torch.log1p(-others.exp())).scatter(1, top, softplus(odds))
        return at_top - logits + softplus(-odds), negative

    def evaluate(
        self, logits: Tensor, target: Tensor, out: Tensor, *, gradient: bool
    ) -> tuple[Tensor, Tensor | None]:
        r"""Evaluate the loss of a block, and its gradient.

        With odds :math:`o_k = p_k / (1 - p_k)`, each :math:`-\log(1 - p_k)` has the gradient
        :math:`o_k (e_k - p)`. The top class's is :math:`p_t e_t - p_t q`, with q the softmax over the others.
        """
        top = _top(logits)
        at_top = logits.gather(1, top)
        largest, total = _competitors(logits, top, out)
        odds = at_top - largest - total.log()  # of the top class, logarithmic
        rest, p_top = torch.sigmoid(-odds), torch.sigmoid(odds)
        q = out.div_(total.clamp_(min=1))
        log_rest = torch.mul(q, -rest).log1p_()
        wrong = (top != target).to(out.dtype)
        others = log_rest.sum(1, keepdim=True) - log_rest.gather(1, target)
        loss = (at_top - logits.gather(1, target)) + softplus(-odds) - others
        # Not by a product: the top class's odds may be infinite.
        loss = loss + torch.where(wrong > 0, softplus(odds), 0)
        if gradient:
            p = torch.mul(q, rest, out=log_rest)
            ratio = p.div_(1 - p).scatter_(1, target, 0)
            factor = 1 - ratio.sum(1, keepdim=True)
            out.mul_(factor * rest - wrong * p_top).add_(ratio)
            # At the top p_top comes in, and 1 goes out where it is the target: that leaves -rest.
            out.scatter_(1, top, p_top * (factor - 1) + torch.where(wrong > 0, 2 * p_top, -rest))
            out.scatter_add_(1, target, -wrong)
        return loss.squeeze(1), None


class MPCE(RowLoss):
    """Cross-entropy, times the lead of the most probable class over the target."""

    @property
    def numbers(self) -> list[float]:
        """It has no options."""
        return []

    def formula(self, logits: Tensor, target: Tensor) -> Tensor:
        """Evaluate the loss in differentiable form."""
        log_p = logits.log_softmax(1)
        at_target = log_p.gather(1, target.unsqueeze(1)).squeeze(1)
        at_top = log_p.amax(1)
        # p_top - p_y without cancellation where the two are close.
        return at_top.exp() * torch.expm1(at_target - at_top) * at_target

    def costs(self, logits: Tensor) -> tuple[Tensor, None]:
        """What every class costs as the target."""
        log_p = logits.log_softmax(1)
        # Numbers only, as in the derivative infinity would meet 0.
        finite = log_p.clamp(min=torch.finfo(log_p.dtype).min)
        at_top = finite.amax(1, keepdim=True)
        costs = at_top.exp() * torch.expm1(finite - at_top) * finite
        return costs.masked_fill(log_p == -math.inf, math.inf), None

    def evaluate(
        self, logits: Tensor, target: Tensor, out: Tensor, *, gradient: bool
    ) -> tuple[Tensor, Tensor | None]:
        r"""Evaluate the loss of a block, and its gradient, with lead M and top class t.

        The gradient is :math:`M (1 - \text{CE})\,p + \text{CE}\,p_t e_t - (\text{CE}\,p_y + M)\,e_y`; classes
        that tie for the top share :math:`e_t`.
        """
        largest = logits.amax(1, keepdim=True)
        total = _exp_(torch.sub(logits, largest, out=out)).sum(1, keepdim=True)
        behind = logits.gather(1, target) - largest
        ce = total.log() - behind
        lead = torch.expm1(behind).neg_().div_(total)
        if gradient:
            top = torch.eq(logits, largest, out=torch.empty_like(out))
            p_target = out.gather(1, target) / total
            out.mul_(lead * (1 - ce) / total)
            out.addcmul_(top, ce / (total * top.sum(1, keepdim=True)))
            out.scatter_add_(1, target, (ce * p_target + lead).neg_())
        return (lead * ce).squeeze(1), None


class ComplementEntropy(RowLoss):
    """Negative entropy of the softmax over the competitors of the target."""

    @property
    def numbers(self) -> list[float]:
        """It has no options."""
        return []

    def formula(self, logits: Tensor, target: Tensor) -> Tensor:
        """Evaluate the loss in differentiable form."""
        others = logits.scatter(1, target.unsqueeze(1), -math.inf)
        none = others.detach().amax(1, keepdim=True) == -math.inf
        log_q = others.masked_fill(none, 0).log_softmax(1)
        # Where q is 0, q log q is 0 in the limit. A comparison with NaN is false and leaves it there.
        log_q = log_q.masked_fill((log_q < _LOG_ZERO) | none, _LOG_ZERO)
        return (log_q.exp() * log_q).sum(1)

    def evaluate(
        self, logits: Tensor, target: Tensor, out: Tensor, *, gradient: bool
    ) -> tuple[Tensor, Tensor | None]:
        r"""Evaluate the loss of a block, and its gradient, :math:`q_j (\log q_j - \sum_k q_k \log q_k)`."""
        behind = logits.scatter(1, target, -math.inf)
        behind.sub_(behind.amax(1, keepdim=True).clamp_(min=torch.finfo(out.dtype).min))
        # Where all competitors are -inf the sum is 0, and so shall the loss be.
        total = _exp_(out.copy_(behind)).sum(1, keepdim=True).clamp_(min=1)
        behind.clamp_(min=_LOG_ZERO).sub_(total.log())  # log q
        q = out.div_(total)
        loss = (q * behind).sum(1, keepdim=True)
        if gradient:
            out.mul_(behind.sub_(loss))
        return loss.squeeze(1), None


# --- the losses ---------------------------------------------------------------------------------------------


def nllr_loss(
    input: Tensor,
    target: Tensor,
    *,
    clip: float | None = None,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Negative log-likelihood ratio of the target class against its competitors.

    .. math:: \ell = -\log\frac{p_y}{\sum_{k \ne y} p_k} = \log\sum_{k \ne y} e^{z_k} - z_y = u

    Its gradient :math:`q - e_y` has L1 norm 2 whatever the confidence, and it is unbounded below.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, in the logits' shape without the classes. Or class probabilities, floating
            point, in the logits' shape: then the loss is the sum of each class's probability times its loss
            as the target, the expected loss; see :func:`torch.nn.functional.cross_entropy`.
        clip: Clip :math:`p_y` to ``[clip, 1 - clip]`` first, as libraries that work on probabilities do
            (Keras in 2018: 1e-7). The loss then lies within :math:`\pm\log((1 - c) / c)`, 16.118 for 1e-7,
            and its gradient is zero outside. The paper's text, and the default, has no clip.
        weight: One weight per class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.
        label_smoothing: The share, in [0, 1], of every target that goes to all classes alike.

    Returns:
        A scalar, or one loss per example for ``reduction="none"``. NaN logits give NaN.

    Raises:
        TypeError: Logits that are not floating point, targets of another kind, or an option that is no
            number.
        ValueError: Wrong shapes, targets out of range, an unknown reduction, a clip outside (0, 0.5).

    References:
        yao2018, Eq. 11.
    """
    return classification_loss(
        PhiLoss(nllr_phi(clip)), input, target, weight, ignore_index, reduction, label_smoothing
    )


def expectation_loss(
    input: Tensor,
    target: Tensor,
    *,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Expected number of errors of a label drawn from the softmax output.

    .. math:: \ell = 1 - p_y = \sigma(u)

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, in the logits' shape without the classes. Or class probabilities, floating
            point, in the logits' shape: then the loss is the sum of each class's probability times its loss
            as the target, the expected loss; see :func:`torch.nn.functional.cross_entropy`.
        weight: One weight per class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.
        label_smoothing: The share, in [0, 1], of every target that goes to all classes alike.

    Returns:
        A scalar, or one loss per example for ``reduction="none"``. NaN logits give NaN.

    Raises:
        TypeError: Logits that are not floating point or targets of another kind.
        ValueError: Wrong shapes, targets out of range, an unknown reduction.

    References:
        battash2021, Eq. 9.
    """
    return classification_loss(
        PhiLoss(expectation_phi()), input, target, weight, ignore_index, reduction, label_smoothing
    )


def mae_loss(
    input: Tensor,
    target: Tensor,
    *,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Mean absolute error between the one-hot target and the softmax output: twice the expectation loss.

    .. math:: \ell = \lVert e_y - p \rVert_1 = 2 (1 - p_y)

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, in the logits' shape without the classes. Or class probabilities, floating
            point, in the logits' shape: then the loss is the sum of each class's probability times its loss
            as the target, the expected loss; see :func:`torch.nn.functional.cross_entropy`.
        weight: One weight per class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.
        label_smoothing: The share, in [0, 1], of every target that goes to all classes alike.

    Returns:
        A scalar, or one loss per example for ``reduction="none"``. NaN logits give NaN.

    Raises:
        TypeError: Logits that are not floating point or targets of another kind.
        ValueError: Wrong shapes, targets out of range, an unknown reduction.

    References:
        battash2021, Eq. 3.
    """
    return classification_loss(
        PhiLoss(mae_phi()), input, target, weight, ignore_index, reduction, label_smoothing
    )


def ceel_loss(
    input: Tensor,
    target: Tensor,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Mix of cross-entropy and expectation loss.

    .. math:: \ell = -\alpha \log p_y + \beta (1 - p_y)

    The gradient with respect to the target's logit is largest where :math:`p_y = (1 - \alpha / \beta) / 2`,
    for
    :math:`\beta \ge \alpha`. With :math:`\alpha = 1` it is also the polynomial loss Poly-1.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, in the logits' shape without the classes. Or class probabilities, floating
            point, in the logits' shape: then the loss is the sum of each class's probability times its loss
            as the target, the expected loss; see :func:`torch.nn.functional.cross_entropy`.
        alpha: Factor of the cross-entropy, finite and not negative.
        beta: Factor of the expectation loss, finite and not negative.
        weight: One weight per class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.
        label_smoothing: The share, in [0, 1], of every target that goes to all classes alike.

    Returns:
        A scalar, or one loss per example for ``reduction="none"``. NaN logits give NaN.

    Raises:
        TypeError: Logits that are not floating point, targets of another kind, or an option that is no
            number.
        ValueError: Wrong shapes, targets out of range, an unknown reduction, a negative factor.

    References:
        battash2021, Eq. 12.
    """
    return classification_loss(
        PhiLoss(ceel_phi(alpha, beta)), input, target, weight, ignore_index, reduction, label_smoothing
    )


def focal_loss(
    input: Tensor,
    target: Tensor,
    *,
    gamma: float = 2.0,
    alpha: float | Tensor | None = None,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Cross-entropy that turns away from examples already classified well.

    .. math:: \ell = -\alpha (1 - p_y)^\gamma \log p_y

    ``alpha`` is a plain factor, 1 if not given. The original is on sigmoid outputs and has a factor
    :math:`\alpha_y` besides, :math:`\alpha` for one of two classes and :math:`1 - \alpha` for the other.
    battash2021 prints it without, and its code has one factor for all classes, 0.25, which divides the
    learning rate by four.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, in the logits' shape without the classes. Or class probabilities, floating
            point, in the logits' shape: then the loss is the sum of each class's probability times its loss
            as the target, the expected loss; see :func:`torch.nn.functional.cross_entropy`.
        gamma: How strongly; 0 is cross-entropy. Finite and not negative.
        alpha: A factor: one for all examples, or one per class, shape ``[K]``. Unlike ``weight``, it does not
            enter the denominator of the mean.
        weight: One weight per class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.
        label_smoothing: The share, in [0, 1], of every target that goes to all classes alike.

    Returns:
        A scalar, or one loss per example for ``reduction="none"``. NaN logits give NaN.

    Raises:
        TypeError: Logits that are not floating point, targets of another kind, or an option that is no
            number.
        ValueError: Wrong shapes, targets out of range, an unknown reduction, a negative gamma or alpha.

    References:
        battash2021, Eq. 2; Lin et al., Focal Loss for Dense Object Detection, 2017.
    """
    _check_alpha(alpha)
    if isinstance(alpha, Tensor) and isinstance(input, Tensor) and input.ndim:
        classes = input.shape[0 if input.ndim == 1 else 1]
        if alpha.shape != (classes,):
            refuse("alpha", list(alpha.shape), f"be a number or have one entry per class, shape [{classes}]")
    return classification_loss(
        PhiLoss(focal_phi(gamma)),
        input,
        target,
        weight,
        ignore_index,
        reduction,
        label_smoothing,
        factor=alpha,
    )


def _check_alpha(alpha: float | Tensor | None) -> None:
    if isinstance(alpha, Tensor):
        good = not is_readable(alpha) or bool(((alpha >= 0) & alpha.isfinite()).all())
    elif alpha is None:
        good = True
    else:
        check_number("alpha", alpha, "be a number, or a tensor with one entry per class")
        good = 0 <= alpha < math.inf
    if not good:
        refuse("alpha", alpha, "be finite and not negative")


def gce_loss(
    input: Tensor,
    target: Tensor,
    *,
    q: float = 0.7,
    k: float | None = None,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Generalised cross-entropy, between cross-entropy and the expectation loss.

    .. math:: \ell = \frac{1 - \max(p_y, k)^q}{q}

    It tends to cross-entropy for :math:`q \to 0` and is the expectation loss for :math:`q = 1`.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, in the logits' shape without the classes. Or class probabilities, floating
            point, in the logits' shape: then the loss is the sum of each class's probability times its loss
            as the target, the expected loss; see :func:`torch.nn.functional.cross_entropy`.
        q: In (0, 1].
        k: Truncate: an example whose target has a probability of at most k, in (0, 1), gets no gradient.
        weight: One weight per class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.
        label_smoothing: The share, in [0, 1], of every target that goes to all classes alike.

    Returns:
        A scalar, or one loss per example for ``reduction="none"``. NaN logits give NaN.

    Raises:
        TypeError: Logits that are not floating point, targets of another kind, or an option that is no
            number.
        ValueError: Wrong shapes, targets out of range, an unknown reduction, a q or k out of its range.

    References:
        battash2021, below Eq. 3; Zhang and Sabuncu, Generalized Cross Entropy Loss, 2018.
    """
    return classification_loss(
        PhiLoss(gce_phi(q, k)), input, target, weight, ignore_index, reduction, label_smoothing
    )


def tamed_ce_loss(
    input: Tensor,
    target: Tensor,
    *,
    alpha: float,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Cross-entropy that grows more slowly for confident mistakes.

    .. math:: \ell = \frac{(1 - \log p_y)^{1 - \alpha} - 1}{1 - \alpha}

    For :math:`\alpha = 0` it is cross-entropy, for :math:`\alpha = 1` its limit, :math:`\log(1 - \log p_y)`.
    Eq. 4 of battash2021 subtracts :math:`1 / (1 - \alpha)` inside the parentheses, which leaves a perfect
    prediction with a loss other than 0.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, in the logits' shape without the classes. Or class probabilities, floating
            point, in the logits' shape: then the loss is the sum of each class's probability times its loss
            as the target, the expected loss; see :func:`torch.nn.functional.cross_entropy`.
        alpha: How strongly it is tamed; finite and not negative.
        weight: One weight per class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.
        label_smoothing: The share, in [0, 1], of every target that goes to all classes alike.

    Returns:
        A scalar, or one loss per example for ``reduction="none"``. NaN logits give NaN.

    Raises:
        TypeError: Logits that are not floating point, targets of another kind, or an option that is no
            number.
        ValueError: Wrong shapes, targets out of range, an unknown reduction, a negative alpha.

    References:
        battash2021, Eq. 4; Martinez and Stiefelhagen, Taming the Cross Entropy Loss, 2018.
    """
    return classification_loss(
        PhiLoss(tamed_ce_phi(alpha)), input, target, weight, ignore_index, reduction, label_smoothing
    )


def softmax_bce_loss(
    input: Tensor,
    target: Tensor,
    *,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Binary cross-entropy of every class, on softmax outputs (not on sigmoid ones: that is LR).

    .. math:: \ell = -\log p_y - \sum_{k \ne y} \log(1 - p_k)

    It lies between cross-entropy and twice cross-entropy, and equals the latter for two classes.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, in the logits' shape without the classes. Or class probabilities, floating
            point, in the logits' shape: then the loss is the sum of each class's probability times its loss
            as the target, the expected loss; see :func:`torch.nn.functional.cross_entropy`.
        weight: One weight per class, shape ``[K]``; it weighs an example by its target class.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.
        label_smoothing: The share, in [0, 1], of every target that goes to all classes alike.

    Returns:
        A scalar, or one loss per example for ``reduction="none"``. NaN logits give NaN.

    Raises:
        TypeError: Logits that are not floating point or targets of another kind.
        ValueError: Wrong shapes, targets out of range, an unknown reduction.

    References:
        yao2018, Eq. 9.
    """
    return classification_loss(SoftmaxBCE(), input, target, weight, ignore_index, reduction, label_smoothing)


def mpce_loss(
    input: Tensor,
    target: Tensor,
    *,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Cross-entropy, times the lead of the most probable class over the target.

    .. math:: \ell = -\bigl(\max_k p_k - p_y\bigr) \log p_y

    It is 0 wherever the target is the most probable class, and so is its gradient unless others tie with it.
    The gradient flows through the lead; classes that tie for the lead share it.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, in the logits' shape without the classes. Or class probabilities, floating
            point, in the logits' shape: then the loss is the sum of each class's probability times its loss
            as the target, the expected loss; see :func:`torch.nn.functional.cross_entropy`.
        weight: One weight per class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.
        label_smoothing: The share, in [0, 1], of every target that goes to all classes alike.

    Returns:
        A scalar, or one loss per example for ``reduction="none"``. NaN logits give NaN.

    Raises:
        TypeError: Logits that are not floating point or targets of another kind.
        ValueError: Wrong shapes, targets out of range, an unknown reduction.

    References:
        battash2021, Eq. 7, after Zhou et al., 2019.
    """
    return classification_loss(MPCE(), input, target, weight, ignore_index, reduction, label_smoothing)


def complement_entropy_loss(
    input: Tensor,
    target: Tensor,
    *,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""Negative entropy of the softmax over the competitors of the target.

    .. math:: \ell = \sum_{k \ne y} q_k \log q_k, \quad q_k = \frac{p_k}{1 - p_y}

    It does not see the target's logit, nor a NaN there: it evens out the competitors, and is meant for a step
    of its own after one of cross-entropy, see :class:`lossbook.losses.ComplementStep`. Eq. 6 of battash2021
    prints it with the other sign, as the entropy, which the original maximises.

    Args:
        input: Logits, shape ``[K]``, ``[B, K]`` or ``[B, K, d1, ...]``, K at least 2.
        target: Class indices, in the logits' shape without the classes.
        weight: One weight per class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.

    Returns:
        A scalar, or one loss per example for ``reduction="none"``. NaN logits give NaN.

    Raises:
        TypeError: Logits that are not floating point or targets that are not integers.
        ValueError: Wrong shapes, targets out of range, an unknown reduction.

    References:
        battash2021, Eq. 6; Chen et al., Complement Objective Training, 2019.
    """
    return classification_loss(ComplementEntropy(), input, target, weight, ignore_index, reduction)


class NLLRLoss(SmoothedLoss):
    r"""Module form of :func:`nllr_loss` (yao2018, Eq. 11).

    .. math:: \ell = -\log\frac{p_y}{\sum_{k \ne y} p_k}
    """

    _function = staticmethod(nllr_loss)
    _options = ("clip", "label_smoothing")

    def __init__(
        self,
        weight: Weight | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        clip: float | None = None,
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            label_smoothing: The share of every target that goes to all classes alike.
            clip: Clip the target's probability first; see :func:`nllr_loss`.

        Raises:
            TypeError: An option that is not a number, a weight that is neither a tensor nor numbers.
            ValueError: An option out of its range, or an unknown reduction.
        """
        super().__init__(
            weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )
        nllr_phi(clip)
        self.clip = clip


class ExpectationLoss(SmoothedLoss):
    r"""Module form of :func:`expectation_loss` (battash2021, Eq. 9).

    .. math:: \ell = 1 - p_y
    """

    _function = staticmethod(expectation_loss)
    _options = ("label_smoothing",)


class MAELoss(SmoothedLoss):
    r"""Module form of :func:`mae_loss` (battash2021, Eq. 3).

    .. math:: \ell = 2 (1 - p_y)
    """

    _function = staticmethod(mae_loss)
    _options = ("label_smoothing",)


class FocalLoss(SmoothedLoss):
    r"""Module form of :func:`focal_loss` (battash2021, Eq. 2).

    .. math:: \ell = -\alpha (1 - p_y)^\gamma \log p_y

    ``alpha`` is a plain factor, for all classes or for each: not the balance between two classes of the
    original's sigmoid form.
    """

    _function = staticmethod(focal_loss)
    _options = ("gamma", "alpha", "label_smoothing")

    def __init__(
        self,
        weight: Weight | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        gamma: float = 2.0,
        alpha: float | Tensor | None = None,
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            label_smoothing: The share of every target that goes to all classes alike.
            gamma: How strongly to turn away from examples already classified well; 0 is cross-entropy.
            alpha: A factor for all examples, or one per class, shape ``[K]``; see :func:`focal_loss`.

        Raises:
            TypeError: An option that is not a number, a weight that is neither a tensor nor numbers.
            ValueError: An option out of its range, or an unknown reduction.
        """
        super().__init__(
            weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )
        focal_phi(gamma)
        _check_alpha(alpha)
        self.gamma = gamma
        self.alpha: float | Tensor | None
        if isinstance(alpha, Tensor) and alpha.ndim:
            self._hold("alpha", alpha)
        else:
            self.alpha = alpha


class GCELoss(SmoothedLoss):
    r"""Module form of :func:`gce_loss` (battash2021, below Eq. 3).

    .. math:: \ell = \frac{1 - \max(p_y, k)^q}{q}
    """

    _function = staticmethod(gce_loss)
    _options = ("q", "k", "label_smoothing")

    def __init__(
        self,
        weight: Weight | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        q: float = 0.7,
        k: float | None = None,
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            label_smoothing: The share of every target that goes to all classes alike.
            q: In (0, 1]; 1 is the expectation loss.
            k: Truncate at this probability; see :func:`gce_loss`.

        Raises:
            TypeError: An option that is not a number, a weight that is neither a tensor nor numbers.
            ValueError: An option out of its range, or an unknown reduction.
        """
        super().__init__(
            weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )
        gce_phi(q, k)
        self.q = q
        self.k = k


class TamedCELoss(SmoothedLoss):
    r"""Module form of :func:`tamed_ce_loss` (battash2021, Eq. 4).

    .. math:: \ell = \frac{(1 - \log p_y)^{1 - \alpha} - 1}{1 - \alpha}
    """

    _function = staticmethod(tamed_ce_loss)
    _options = ("alpha", "label_smoothing")

    def __init__(
        self,
        weight: Weight | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        alpha: float,
    ) -> None:
        """Hold the settings.

        Args:
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.
            label_smoothing: The share of every target that goes to all classes alike.
            alpha: How strongly it is tamed; 0 is cross-entropy. It has no default.

        Raises:
            TypeError: An option that is not a number, a weight that is neither a tensor nor numbers.
            ValueError: An option out of its range, or an unknown reduction.
        """
        super().__init__(
            weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )
        tamed_ce_phi(alpha)
        self.alpha = alpha


class SoftmaxBCELoss(SmoothedLoss):
    r"""Module form of :func:`softmax_bce_loss` (yao2018, Eq. 9).

    .. math:: \ell = -\log p_y - \sum_{k \ne y} \log(1 - p_k)

    The probabilities are softmax outputs, not sigmoid ones as in ``torch.nn.BCEWithLogitsLoss``; that on
    class indices is :class:`lossbook.losses.LRLoss`.
    """

    _function = staticmethod(softmax_bce_loss)
    _options = ("label_smoothing",)


class MPCELoss(SmoothedLoss):
    r"""Module form of :func:`mpce_loss` (battash2021, Eq. 7, after Zhou et al., 2019).

    .. math:: \ell = -\bigl(\max_k p_k - p_y\bigr) \log p_y
    """

    _function = staticmethod(mpce_loss)
    _options = ("label_smoothing",)


class ComplementEntropyLoss(ClassificationLoss):
    r"""Module form of :func:`complement_entropy_loss` (battash2021, Eq. 6).

    .. math:: \ell = \sum_{k \ne y} q_k \log q_k, \quad q_k = \frac{p_k}{1 - p_y}
    """

    _function = staticmethod(complement_entropy_loss)
