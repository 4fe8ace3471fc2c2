r"""Gradients of many losses at once: one loss a replica, on logits ``[R, B, K]``.

With :math:`p` the softmax of an example's logits and :math:`r = 1 - p_y = \sum_{k \ne y} p_k`, a loss
:math:`\phi(u)` of :mod:`lossbook.losses` has the gradient

.. math:: \frac{\partial \ell}{\partial z_k} = g\,p_k \; (k \ne y), \quad
          \frac{\partial \ell}{\partial z_y} = -g\,r, \quad g = \frac{\phi'(u)}{r}

Cross-entropy, expectation loss and their mixes have :math:`g = \alpha + \beta p_y`; the focal loss has
:math:`g = r^{\gamma - 1} (r - \gamma\,p_y \log p_y)`. These need a dozen small operations for all replicas
together. Any other loss goes through ``torch.func``.

On a CPU, PyTorch computes some functions (softmax and sigmoid among them) to another last digit in the odd
elements at the end of a tensor. A replica's gradient could then depend on how many there are. So there are
as many elements as fill whole vectors.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from lossbook.losses.mixing import CEELLoss
from lossbook.losses.softmax import ExpectationLoss, FocalLoss, MAELoss

# Elements that fill whole vectors of any processor, with PyTorch's loops unrolled four times.
WHOLE = 64


@dataclass(frozen=True)
class _Family:
    """What losses that are evaluated together have in common; two replicas may share a group if equal.

    Attributes:
        kind: ``mix``, ``focal`` or ``other``.
        gamma: Of the focal loss.
        module: The loss itself, of the kind ``other``.
    """

    kind: str
    gamma: float = 0.0
    module: nn.Module | None = None


def _family(loss: nn.Module) -> _Family:
    reduction, weight = getattr(loss, "reduction", "mean"), getattr(loss, "weight", None)
    if reduction not in ("mean", "sum"):
        raise ValueError(f"a loss to train with must reduce to one number; got reduction {reduction!r}")
    plain = reduction == "mean" and weight is None and getattr(loss, "ignore_index", -100) < 0
    if plain and getattr(loss, "label_smoothing", 0) == 0:
        # Of exactly these classes: one derived from them may be another loss.
        if type(loss) in (nn.CrossEntropyLoss, CEELLoss, ExpectationLoss, MAELoss):
            return _Family("mix")
        if type(loss) is FocalLoss and not isinstance(loss.alpha, Tensor):
            return _Family("focal", gamma=float(loss.gamma))
    return _Family("other", module=loss)


def has_closed_form(loss: nn.Module) -> bool:
    """Whether a loss is evaluated in closed form; through ``torch.func`` otherwise.

    Args:
        loss: A loss module with logits ``[B, K]`` and class indices ``[B]`` as input.

    Raises:
        ValueError: A loss that is not reduced to one number.
    """
    return _family(loss).kind != "other"


def grouped(losses: Sequence[nn.Module]) -> list[int]:
    """An order of replicas in which those that are evaluated together stand together.

    Args:
        losses: The loss of each replica.

    Returns:
        Positions in ``losses``.

    Raises:
        ValueError: A loss that is not reduced to one number.
    """
    families = [_family(loss) for loss in losses]
    rank = {"mix": 0, "focal": 1, "other": 2}
    return sorted(range(len(losses)), key=lambda r: (rank[families[r].kind], families.index(families[r])))


@dataclass(frozen=True)
class _Group:
    """Replicas evaluated together; for a closed form with their parts of the buffers, as ``[1, rows]``."""

    family: _Family
    replicas: slice
    rows: slice
    at_target: Tensor
    rest: Tensor
    factor: Tensor


class LossBatch:
    """The losses of R replicas, each scaled by its learning rate.

    A batch may hold fewer examples than there is room for: the rows behind them count for nothing.
    """

    def __init__(
        self,
        losses: Sequence[nn.Module],
        learning_rates: Sequence[float],
        epochs: Sequence[int],
        logits: Tensor,
        gradient: Tensor,
    ) -> None:
        """Make room for intermediate results, and take up the first epoch.

        Args:
            losses: One a replica, R of them, in the order of :func:`grouped`.
            learning_rates: One a replica.
            epochs: How many epochs each replica will be trained for; schedules depend on it.
            logits: Where :meth:`evaluate` finds the logits, shape ``[R, B, K]``, contiguous.
            gradient: Where it leaves the gradients, likewise.

        Raises:
            ValueError: A loss that is not reduced to one number, losses in another order, or too few epochs
                for a schedule.
        """
        if grouped(losses) != list(range(len(losses))):
            raise ValueError("losses must stand in the order of grouped(losses)")
        self._losses = list(losses)
        self._epochs = list(epochs)
        self._logits, self._gradient = logits, gradient
        self._rates = torch.tensor(learning_rates, dtype=torch.float64)
        self._closed = sum(1 for loss in losses if has_closed_form(loss))
        size, classes = logits.shape[1:]
        rows = self._closed * size
        # Classes first: short sums are slow along the last dimension.
        z = logits.new_zeros(classes, -(-rows // WHOLE) * WHOLE)
        self._z, self._p = z, torch.zeros_like(z)
        self._rest, self._factor = torch.zeros_like(z[:1]), torch.zeros_like(z[:1])
        self._at_target, self._zeros = torch.zeros_like(z[:1, :rows]), torch.zeros_like(z[:1, :rows])
        self._from, self._into = logits[: self._closed].view(rows, classes).t(), self._z[:, :rows]
        self._back, self._out = self._p[:, :rows], gradient[: self._closed].view(rows, classes).t()
        self._groups = []
        start = 0
        for family, members in groupby(_family(loss) for loss in losses):
            stop = start + len(list(members))
            part = slice(start * size, stop * size)
            buffers = (buffer[:, part] for buffer in (self._at_target, self._rest, self._factor))
            self._groups.append(_Group(family, slice(start, stop), part, *buffers))
            start = stop
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Take up the mixes of an epoch, where a loss follows a schedule.

        Args:
            epoch: Counted from 0.

        Raises:
            ValueError: Too few epochs for a schedule, or an epoch that is not one of them.
        """
        plans = list(zip(self._losses, self._epochs, strict=True))
        mixes = [_mix(loss, epoch, epochs) for loss, epochs in plans[: self._closed]]
        self._mixes = torch.tensor(mixes, dtype=torch.float64).view(-1, 2)
        self._scaled: dict[int, list[tuple[Tensor, Tensor]]] = {}
        for loss, epochs in plans[self._closed :]:
            if isinstance(loss, CEELLoss):
                loss.set_epoch(epoch, epochs)

    def evaluate(self, target: Tensor, count: int) -> None:
        """Write each replica's learning rate times the gradient of its loss; 0 in rows behind ``count``.

        Args:
            target: Class indices, shape ``[R, B]``, contiguous, valid in every row.
            count: How many rows of a batch hold examples; a mean is over those.
        """
        if self._closed:
            self._closed_forms(target[: self._closed].view(1, -1), count)
        for group in self._groups:
            if group.family.module is not None:
                g = group.replicas
                gradient = _through_func(group.family.module, self._logits[g, :count], target[g, :count])
                self._gradient[g, :count] = gradient * self._rates[g].view(-1, 1, 1).to(gradient)
                self._gradient[g, count:] = 0

    def _closed_forms(self, target: Tensor, count: int) -> None:
        self._into.copy_(self._from)
        p = torch.softmax(self._z, 0, out=self._p)
        torch.gather(p, 0, target, out=self._at_target)
        # 1 - p_y as the sum of the others keeps its digits where p_y is near 1.
        torch.sum(p.scatter_(0, target, self._zeros), 0, keepdim=True, out=self._rest)
        for group, (alpha, beta) in zip(self._groups, self._factors(count), strict=False):
            if group.family.kind == "mix":
                torch.addcmul(alpha, beta, group.at_target, out=group.factor)
            else:
                torch.mul(_focal(group.family.gamma, group.at_target, group.rest), alpha, out=group.factor)
        p.scatter_(0, target, self._rest.neg_()).mul_(self._factor)
        self._out.copy_(self._back)

    def _factors(self, count: int) -> list[tuple[Tensor, Tensor]]:
        """For each closed form alpha and beta, times learning rate by count; 0 behind ``count``."""
        if count not in self._scaled:
            counts = torch.arange(self._logits.shape[1]) < count
            scale = self._rates[: self._closed, None] / count * counts
            alpha, beta = (
                (mix[:, None] * scale).view(1, -1).to(self._logits) for mix in self._mixes.unbind(1)
            )
            closed = [group.rows for group in self._groups if group.family.module is None]
            self._scaled[count] = [(alpha[:, rows], beta[:, rows]) for rows in closed]
        return self._scaled[count]


def _mix(loss: Any, epoch: int, epochs: int) -> tuple[float, float]:
    """Alpha and beta of a mix; of the focal loss its factor, and 0."""
    if isinstance(loss, CEELLoss):
        return (loss.alpha, loss.beta) if loss.schedule is None else loss.schedule(epoch, epochs)
    if isinstance(loss, FocalLoss):
        return (1.0 if loss.alpha is None else float(loss.alpha)), 0.0
    if isinstance(loss, MAELoss):
        return 0.0, 2.0
    return (0.0, 1.0) if isinstance(loss, ExpectationLoss) else (1.0, 0.0)


def _focal(gamma: float, p: Tensor, rest: Tensor) -> Tensor:
    r""":math:`r^{\gamma - 1} (r - \gamma p \log p)`, with :math:`-\log p = \log(1 + r / p)`."""
    tiny = torch.finfo(p.dtype).tiny
    p, rest = p.clamp(min=tiny), rest.clamp(min=tiny)
    factor = torch.div(rest, p).log1p_().mul_(p).mul_(gamma).add_(rest)
    # Not a power: see the head of this module.
    return factor.mul_(rest if gamma == 2 else rest.log().mul_(gamma - 1).exp_())


def _through_func(loss: nn.Module, logits: Tensor, target: Tensor) -> Tensor:
    """Gradients of a loss, shape ``[R, B, K]``, for targets ``[R, B]``."""
    replicas, rows = target.shape
    padding = -replicas % (WHOLE // math.gcd(rows, WHOLE))
    logits = torch.cat([logits, logits.new_zeros(padding, *logits.shape[1:])])
    target = torch.cat([target, target.new_zeros(padding, rows)])
    gradients: Tensor = torch.func.vmap(torch.func.grad(loss))(logits, target)
    return gradients[:replicas]
