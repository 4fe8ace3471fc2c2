r"""What a stationary output bias fixes: the balance of predicted probabilities.

Add a bias :math:`b_k` to every logit of a classifier. Where the training loss is stationary in :math:`b_k`,
two sums agree: the probability of class :math:`k` that its own samples lack, and the probability of class
:math:`k` that the samples of the other classes have, each sample counted with its weight. This holds for
softmax cross-entropy and for logistic losses (one problem per class, one-vs-rest) alike. It holds on the data
and in the mode (dropout, batch normalisation, augmentation) in which the loss is stationary, and only if
nothing else in the objective, such as weight decay, depends on the bias.

A binary problem with a single logit :math:`z` is the softmax over the two logits :math:`(0, z)`.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Link = Literal["softmax", "logistic"]
"""How logits become probabilities: across the classes, or each by a sigmoid of its own."""


@dataclass(frozen=True)
class Balance:
    r"""The two sides of a balance equation, one entry per class, ``[K]``, float64.

    Attributes:
        lacking: Weighted probability of class :math:`k` that its own samples lack.
        received: Weighted probability of class :math:`k` that samples of other classes have.
    """

    lacking: Tensor
    received: Tensor

    @property
    def residual(self) -> Tensor:
        """Lacking minus received, ``[K]``; zero where the loss is stationary in the biases."""
        return self.lacking - self.received

    @property
    def ratio(self) -> Tensor:
        """Lacking over received, ``[K]``; NaN where both are zero."""
        return self.lacking / self.received


def balance(
    logits: Tensor,
    target: Tensor,
    *,
    link: Link = "softmax",
    class_weight: Tensor | None = None,
    sample_weight: Tensor | None = None,
) -> Balance:
    r"""Weigh the probability that each class lacks against what it receives from the others.

    .. math::
        \text{lacking}_k = \sum_{i: y_i = k} w_{ik} (1 - f_{ik}), \qquad
        \text{received}_k = \sum_{i: y_i \ne k} w_{ik} f_{ik}

    with :math:`f_{ik}` the predicted probability of class :math:`k` for sample :math:`i` and :math:`w_{ik} =
    \lambda_{y_i} s_{ik}`. The residual is minus the derivative by a bias :math:`b_k` of the summed loss
    :math:`-\sum_i w_i \log f_{i y_i}` (softmax, :math:`s_{ik} = s_i`) or
    :math:`-\sum_i \sum_k w_{ik} [y_i = k] \log f_{ik} - \sum_i \sum_k w_{ik} [y_i \ne k] \log(1 - f_{ik})`
    (logistic).

    Args:
        logits: A model's outputs, shape ``[N, K]``.
        target: Class indices, shape ``[N]``.
        link: ``"softmax"``, or ``"logistic"`` for one sigmoid per class.
        class_weight: :math:`\lambda`, by the sample's true class, shape ``[K]``; ones by default.
        sample_weight: :math:`s`, shape ``[N]``, or ``[N, K]`` where the weight depends on the problem
            :math:`k` too (logistic only); ones by default.

    Returns:
        Both sides, summed in float64, in units of the weights.

    Raises:
        TypeError: Logits that are not floating point, targets that are not integers.
        ValueError: A shape, target, link or weight that does not fit.

    References:
        li2020, Eq. 8.
    """
    _check(logits, target, link)
    target = target.long()  # uint8 would select as a mask
    weight = _weights(logits, target, link, class_weight, sample_weight)
    # 1 - f would lose all digits of a confident prediction.
    probability, complement = _probabilities(logits, link)
    own = _membership(target, logits.shape[1])
    return Balance(
        lacking=(weight * complement * own).sum(0), received=(weight * probability * (1 - own)).sum(0)
    )


def mean_confusion(
    logits: Tensor, target: Tensor, *, link: Link = "softmax", sample_weight: Tensor | None = None
) -> Tensor:
    r"""The mean predicted probability of every class, over the samples of every class.

    .. math:: \bar p_{i \to j} = \frac{\sum_{n: y_n = i} s_n f_{nj}}{\sum_{n: y_n = i} s_n}

    This is not the share of samples that are put into class :math:`j`: for two samples of class 0 that are
    predicted with 0.6 each, :math:`\bar p_{0 \to 0}` is 0.6, and both are right.

    Args:
        logits: A model's outputs, shape ``[N, K]``.
        target: Class indices, shape ``[N]``; every class must occur.
        link: ``"softmax"``, or ``"logistic"`` for one sigmoid per class. Rows sum to 1 for softmax only.
        sample_weight: :math:`s`, shape ``[N]``; ones by default.

    Returns:
        Row: the true class; column: the predicted one. Shape ``[K, K]``, float64.

    Raises:
        TypeError: Logits that are not floating point, targets that are not integers.
        ValueError: A class without a sample, or a shape, target, link or weight that does not fit.

    References:
        li2020, the expectation below Eq. 9, with the mean over samples in its place.
    """
    _check(logits, target, link)
    if sample_weight is not None and sample_weight.ndim != 1:
        raise ValueError(
            f"sample_weight must have one entry per sample, shape [{len(logits)}]; "
            f"got {list(sample_weight.shape)}"
        )
    weight = _weights(logits, target, link, None, sample_weight)[:, :1]
    own = _membership(target, logits.shape[1]) * weight
    total = own.sum(0)
    if not bool((total > 0).all()):
        empty = ", ".join(str(k) for k in torch.nonzero(total <= 0).flatten().tolist())
        raise ValueError(f"a mean over each class needs samples of each; there are none of class {empty}")
    return own.T @ _probabilities(logits, link)[0] / total[:, None]


def confusion_balance(confusion: Tensor, counts: Tensor, *, class_weight: Tensor | None = None) -> Balance:
    r"""The balance of a mean-confusion matrix.

    .. math::
        \text{lacking}_k = \lambda_k N_k (1 - \bar p_{k \to k}), \qquad
        \text{received}_k = \sum_{j \ne k} \lambda_j N_j \bar p_{j \to k}

    With the matrix and the counts of one set of samples this is :func:`balance` on that set. The matrix of
    another set, such as the test set, may be put in with the counts of the training set; the sides then agree
    as far as the model predicts both sets alike.

    For two classes and a softmax, both equations say :math:`(1 - \bar p_{0 \to 0}) / \bar p_{1 \to 0} =
    \lambda_1 N_1 / (\lambda_0 N_0)`.

    Args:
        confusion: :math:`\bar p_{i \to j}` in row i, column j, shape ``[K, K]``.
        counts: :math:`N_k`, samples of each class in the training set, shape ``[K]``.
        class_weight: :math:`\lambda`, shape ``[K]``; ones by default.

    Returns:
        Both sides, float64, in units of the weights.

    Raises:
        ValueError: Shapes that do not fit, or a weight or count that is negative or not finite.

    References:
        li2020, Eq. 9 and 10.
    """
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1] or len(confusion) < 2:
        raise ValueError(f"confusion must have shape [K, K] with K at least 2; got {list(confusion.shape)}")
    classes = len(confusion)
    weight = _checked_weight("counts", counts, (classes,))
    if class_weight is not None:
        weight = weight * _checked_weight("class_weight", class_weight, (classes,))
    weighted = weight[:, None] * confusion.double()
    # Not the sum over the rest of the row: the rows of a logistic model do not sum to 1.
    return Balance(
        lacking=weight * (1 - confusion.double().diagonal()),
        received=weighted.sum(0) - weighted.diagonal(),
    )


def _probabilities(logits: Tensor, link: Link) -> tuple[Tensor, Tensor]:
    """Probabilities and one minus each, both to full relative precision; float64."""
    z = logits.detach().double()
    if link == "logistic":
        return z.sigmoid(), (-z).sigmoid()
    p = z.softmax(1)
    classes = p.shape[1]
    # The sum over the other classes, without subtracting from one: [N, K] @ [K, K].
    others = 1 - torch.eye(classes, dtype=p.dtype, device=p.device)
    return p, p @ others


def _membership(target: Tensor, classes: int) -> Tensor:
    return torch.nn.functional.one_hot(target.long(), classes).double()


def _weights(
    logits: Tensor, target: Tensor, link: Link, class_weight: Tensor | None, sample_weight: Tensor | None
) -> Tensor:
    """The weight of every sample in every problem, ``[N, K]`` or ``[N, 1]``, float64."""
    samples, classes = logits.shape
    weight = torch.ones(samples, 1, dtype=torch.float64, device=logits.device)
    if class_weight is not None:
        weight = weight * _checked_weight("class_weight", class_weight, (classes,))[target, None]
    if sample_weight is None:
        return weight
    if sample_weight.ndim == 2 and link == "softmax":
        raise ValueError(
            "a softmax loss has one weight per sample: sample_weight must have shape "
            f"[{samples}]; got {list(sample_weight.shape)}"
        )
    shape = (samples, classes) if sample_weight.ndim == 2 else (samples,)
    checked = _checked_weight("sample_weight", sample_weight, shape)
    return weight * (checked if checked.ndim == 2 else checked[:, None])


def _checked_weight(name: str, weight: Tensor, shape: tuple[int, ...]) -> Tensor:
    if tuple(weight.shape) != shape:
        raise ValueError(f"{name} must have shape {list(shape)}; got {list(weight.shape)}")
    weight = weight.detach().double()
    if not bool((torch.isfinite(weight) & (weight >= 0)).all()):
        raise ValueError(f"{name} must be finite and not negative")
    return weight


def _check(logits: Tensor, target: Tensor, link: str) -> None:
    if link not in ("softmax", "logistic"):
        raise ValueError(f"link must be 'softmax' or 'logistic'; got {link!r}")
    if not logits.is_floating_point():
        raise TypeError(f"logits must be a floating-point tensor; got {logits.dtype}")
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(
            f"logits must have shape [N, K] with K at least 2; got {list(logits.shape)} "
            "(a single logit z is the softmax over the two logits 0 and z)"
        )
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise TypeError(f"targets must be class indices, an integer tensor; got {target.dtype}")
    if tuple(target.shape) != (len(logits),):
        raise ValueError(f"targets must have shape [{len(logits)}]; got {list(target.shape)}")
    if bool(((target < 0) | (target >= logits.shape[1])).any()):
        raise ValueError(f"targets must lie in 0..{logits.shape[1] - 1}")
