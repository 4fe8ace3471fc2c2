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

import torch
from torch import Tensor, nn

from lossbook.losses import CEELLoss, ExpectationLoss, FocalLoss, MAELoss

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
    if plain:
        if type(loss) is nn.CrossEntropyLoss and loss.label_smoothing == 0:
            return _Family("mix")
        if type(loss) in (CEELLoss, ExpectationLoss, MAELoss):
            return _Family("mix")
        if type(loss) is FocalLoss and not isinstance(loss.alpha, Tensor):
            return _Family("focal", gamma=loss.gamma)
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
    family: _Family
    replicas: slice


class LossBatch:
    """The losses of R replicas, each scaled by its learning rate.

    A batch may hold fewer examples than there is room for: the rows behind them count for nothing.
    """

    def __init__(
        self,
        losses: Sequence[nn.Module],
        learning_rates: Sequence[float],
        epochs: Sequence[int],
        batch_size: int,
        classes: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Make room for intermediate results, and take up the first epoch.

        Args:
            losses: One a replica, R of them, in the order of :func:`grouped`.
            learning_rates: One a replica.
            epochs: How many epochs each replica will be trained for; schedules depend on it.
            batch_size: B, the most examples in a batch.
            classes: K.
            dtype: Of the logits.
            device: Of the logits.

        Raises:
            ValueError: A loss that is not reduced to one number, losses in another order, or too few epochs
                for a schedule.
        """
        if grouped(losses) != list(range(len(losses))):
            raise ValueError("losses must stand in the order of grouped(losses)")
        self._losses = list(losses)
        self._epochs = list(epochs)
        self._batch_size = batch_size
        self._dtype, self._device = dtype, torch.device(device)
        self._groups = _groups([_family(loss) for loss in losses])
        self._closed = sum(1 for loss in losses if has_closed_form(loss))
        self._rates = torch.tensor(learning_rates, dtype=torch.float64).view(-1, 1, 1)
        # Classes first: short sums over the classes are slow along the last dimension.
        rows = -(-self._closed * batch_size // WHOLE) * WHOLE
        self._p = torch.zeros(classes, rows, dtype=dtype, device=device)
        self._logits = torch.zeros_like(self._p)
        self._rest, self._factor = torch.zeros_like(self._p[:1]), torch.zeros_like(self._p[:1])
        self._zeros = torch.zeros_like(self._p[:1, : self._closed * batch_size])
        self._at_target = torch.zeros_like(self._zeros)
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
        self._scaled: dict[int, tuple[Tensor, Tensor]] = {}
        for loss, epochs in plans[self._closed :]:
            if isinstance(loss, CEELLoss):
                loss.set_epoch(epoch, epochs)

    def gradients(self, logits: Tensor, target: Tensor, count: int, out: Tensor) -> None:
        """Write each replica's learning rate times the gradient of its loss.

        Args:
            logits: Shape ``[R, B, K]``.
            target: Class indices, shape ``[R, B]``, valid in every row.
            count: How many rows of a batch hold examples; a mean is over those.
            out: Shape ``[R, B, K]``; rows behind ``count`` become 0.
        """
        if self._closed:
            closed = slice(self._closed)
            self._closed_forms(logits[closed], target[closed], count, out[closed])
        for group in self._groups:
            if group.family.module is not None:
                g = group.replicas
                gradient = _through_func(group.family.module, logits[g, :count], target[g, :count])
                out[g, :count] = gradient * self._rates[g].to(self._device, self._dtype)
                out[g, count:] = 0

    def _closed_forms(self, logits: Tensor, target: Tensor, count: int, out: Tensor) -> None:
        alpha, beta = self._factors(count)
        index = target.reshape(1, -1)
        rows = index.shape[1]
        self._logits[:, :rows].copy_(logits.view(rows, -1).t())
        p = torch.softmax(self._logits, 0, out=self._p)
        at_target = torch.gather(p, 0, index, out=self._at_target)
        # 1 - p_y as the sum of the others keeps its digits where p_y is near 1.
        torch.sum(p.scatter_(0, index, self._zeros), 0, keepdim=True, out=self._rest)
        rest = self._rest[:, :rows]
        for group in self._groups:
            start, stop = (end * self._batch_size for end in (group.replicas.start, group.replicas.stop))
            g = (slice(None), slice(start, stop))
            if group.family.kind == "mix":
                torch.addcmul(alpha[g], beta[g], at_target[g], out=self._factor[g])
            elif group.family.kind == "focal":
                torch.mul(_focal(group.family.gamma, at_target[g], rest[g]), alpha[g], out=self._factor[g])
        p.scatter_(0, index, -rest).mul_(self._factor)
        out.view(rows, -1).copy_(p[:, :rows].t())

    def _factors(self, count: int) -> tuple[Tensor, Tensor]:
        """Alpha and beta, times learning rate by count; shape ``[1, R * B]``, 0 behind ``count``."""
        if count not in self._scaled:
            counts = (torch.arange(self._batch_size) < count).view(1, -1)
            scale = self._rates[: self._closed, :, 0] / count * counts
            alpha, beta = (
                (mix.view(-1, 1) * scale).view(1, -1).to(self._device, self._dtype)
                for mix in self._mixes.unbind(1)
            )
            self._scaled[count] = alpha, beta
        return self._scaled[count]


def _groups(families: Sequence[_Family]) -> list[_Group]:
    groups, start = [], 0
    for family, members in groupby(families):
        stop = start + len(list(members))
        groups.append(_Group(family, slice(start, stop)))
        start = stop
    return groups


def _mix(loss: nn.Module, epoch: int, epochs: int) -> tuple[float, float]:
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
