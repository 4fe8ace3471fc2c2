r"""Classification by distance to fixed centres in feature space (battash2021, Eq. 5; Pang et al., 2020).

A network without a last linear layer gives features. Each class has a centre, fixed before training: the
corners of a regular simplex, which are as far apart as points on a sphere can be. The loss pulls the features
of an example to its class's centre, :func:`mmc_loss`; the nearest centre is the prediction,
:func:`mmc_scores`.
"""

import math

import torch
from torch import Tensor

from lossbook.losses._common import (
    RECIPE,
    ClassificationLoss,
    Weight,
    autocast_logits,
    check_logits,
    check_number,
    class_indices,
    reduce_loss,
    refuse,
)
from lossbook.losses._rowwise import is_single, widened


def max_mahalanobis_centers(
    classes: int,
    features: int,
    norm: float = 10.0,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    r"""The Max-Mahalanobis centres: K points of one length, as far apart as possible.

    .. math:: \langle \mu_j, \mu_k \rangle = -\frac{C^2}{K - 1} \text{ for } j \ne k,
        \quad \lVert \mu_k \rVert = C

    They sum to zero, and any two are :math:`C \sqrt{2K / (K - 1)}` apart. Of the many sets that are
    rotations of each other this is the one of the original, in which a centre is zero beyond its own
    coordinate.

    Args:
        classes: K, at least 2.
        features: D, the length of a feature vector; at least :math:`K - 1`.
        norm: The length C, positive. The original's code has 10 and 100.
        dtype: Floating-point type; torch's default if not given.
        device: Where to make them.

    Returns:
        Centres, shape ``[K, D]``.

    Raises:
        TypeError: An argument that is not a number.
        ValueError: Fewer than two classes, too few features, a norm that is not positive.

    References:
        Pang et al., Rethinking Softmax Cross-Entropy Loss for Adversarial Robustness, 2020.
    """
    for name, value in {"classes": classes, "features": features, "norm": norm}.items():
        check_number(name, value)
    if classes < 2:
        refuse("classes", classes, "be at least 2")
    if features < classes - 1:
        refuse("features", features, f"be at least {classes - 1} for {classes} classes")
    if not 0 < norm < math.inf:
        refuse("norm", norm, "be positive and finite")
    # Column j is constant below the diagonal, as all later centres look alike from centre j. Their inner
    # products give both its entries.
    later = torch.arange(classes - 1, 0, -1, dtype=torch.float64)
    diagonal = norm * (classes * later / ((classes - 1) * (later + 1))).sqrt()
    centers = torch.zeros(classes, features, dtype=torch.float64)
    simplex = centers[:, : classes - 1]
    simplex.copy_((-diagonal / later).expand_as(simplex).tril(-1))
    simplex.diagonal().copy_(diagonal)
    return centers.to(device=device, dtype=dtype or torch.get_default_dtype())


def mmc_loss(
    input: Tensor,
    target: Tensor,
    centers: Tensor,
    *,
    weight: Weight | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""Half the squared distance of features to the centre of the target class.

    .. math:: \ell = \frac{1}{2} \lVert z - \mu_y \rVert_2^2

    Its gradient is :math:`z - \mu_y`. Eq. 5 of battash2021 prints it without the square; the original has
    the square.

    Args:
        input: Features :math:`z`, not logits, shape ``[D]`` or ``[B, D]``.
        target: Class indices :math:`y`, shape ``[]`` or ``[B]``.
        centers: One centre per class, shape ``[K, D]``, K at least 2; see :func:`max_mahalanobis_centers`.
        weight: One weight per class, shape ``[K]``.
        ignore_index: Target value whose examples count for nothing.
        reduction: ``"none"``, ``"mean"`` (weighted mean, as in PyTorch) or ``"sum"``.

    Returns:
        A scalar, or losses, shape ``[B]``, for ``reduction="none"``.

    Raises:
        TypeError: Features or centres that are not floating point, or targets that are not integers.
        ValueError: Wrong shapes, targets out of range, an unknown reduction.

    References:
        battash2021, Eq. 5; Pang et al., Rethinking Softmax Cross-Entropy Loss for Adversarial Robustness,
        2020.
    """
    if is_single(input, target):
        loss = mmc_loss(
            input.unsqueeze(0),
            target.unsqueeze(0),
            centers,
            weight=weight,
            ignore_index=ignore_index,
            reduction=reduction,
        )
        return loss.squeeze(0) if reduction == "none" else loss
    _check(input, centers)
    # Only the shape matters, which is that of the scores.
    scores = input[:, :1].expand(-1, centers.shape[0])
    weight = check_logits(scores, weight, ignore_index, reduction)
    index, keep = class_indices(scores, target, ignore_index, hint=RECIPE)
    features = autocast_logits(input)
    wide = widened(features)
    losses = (wide - centers.to(wide.dtype)[index]).square().sum(1) / 2
    return reduce_loss(losses, index, keep, weight, reduction).to(features.dtype)


def mmc_scores(input: Tensor, centers: Tensor) -> Tensor:
    r"""Class scores of features: minus half the squared distance to each centre.

    .. math:: s_k = -\frac{1}{2} \lVert z - \mu_k \rVert_2^2

    The largest is at the nearest centre, the prediction; that of the target is minus :func:`mmc_loss`, up to
    rounding. In single precision, distances below about a thousandth of the vectors' lengths are lost, which
    :func:`mmc_loss` keeps.

    Args:
        input: Features :math:`z`, shape ``[B, D]``.
        centers: One centre per class, shape ``[K, D]``.

    Returns:
        Scores, shape ``[B, K]``.

    Raises:
        TypeError: Features or centres that are not floating point.
        ValueError: Wrong shapes.

    References:
        Pang et al., Rethinking Softmax Cross-Entropy Loss for Adversarial Robustness, 2020.
    """
    _check(input, centers)
    features = autocast_logits(input)
    wide = widened(features)
    # By a product of matrices: differences take tens of times as long for a thousand classes.
    distances = torch.cdist(wide, centers.to(wide.dtype), compute_mode="use_mm_for_euclid_dist")
    return (distances.square() / -2).to(features.dtype)


def _check_matrix(name: str, value: Tensor, shape: str) -> None:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} must be a floating-point tensor; got {kind}")
    if value.ndim != 2:
        raise ValueError(f"{name} must have shape {shape}; got {list(value.shape)}")


def _check(input: Tensor, centers: Tensor) -> None:
    _check_matrix("features", input, "[B, D]")
    _check_matrix("centers", centers, "[K, D]")
    if input.shape[1] != centers.shape[1]:
        raise ValueError(
            f"features and centers must be equally long; got features of shape {list(input.shape)} and "
            f"centers of shape {list(centers.shape)}"
        )


class MMCLoss(ClassificationLoss):
    """Module form of :func:`mmc_loss` (battash2021, Eq. 5), with centres that are not trained.

    They follow the module to its device, and are no part of ``state_dict``::

        loss = MMCLoss(max_mahalanobis_centers(10, features=64))
        loss(features, target).backward()
        predictions = loss.scores(features).argmax(1)
    """

    _function = staticmethod(mmc_loss)
    _options = ("centers",)
    centers: Tensor

    def __init__(
        self,
        centers: Tensor,
        *,
        weight: Weight | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        """Hold the settings.

        Args:
            centers: One centre per class, shape ``[K, D]``.
            weight: One weight per class, shape ``[K]``; a tensor or a list.
            ignore_index: Target value whose examples count for nothing.
            reduction: ``"none"``, ``"mean"`` or ``"sum"``.

        Raises:
            TypeError: Centres that are not floating point.
            ValueError: Centres of a wrong shape or on the meta device, or an unknown reduction.
        """
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)
        _check_matrix("centers", centers, "[K, D]")
        self._hold("centers", centers.detach())

    def scores(self, input: Tensor) -> Tensor:
        """Return class scores ``[B, K]`` of features ``[B, D]``, see :func:`mmc_scores`."""
        return mmc_scores(input, self.centers)

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        classes, features = self.centers.shape
        shown = f"ignore_index={self.ignore_index}, reduction={self.reduction!r}"
        return f"classes={classes}, features={features}, {shown}"
