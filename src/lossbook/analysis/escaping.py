r"""Gradient noise and curvature of a loss on a small model, and what battash2021 concludes from them.

The model is a function of one vector of parameters: :math:`W`, shape ``[P]``, to the logits of a fixed set of
examples, shape ``[N, K]``. Everything is exact, by ``torch.func``; memory grows as :math:`N P^2`, so P should
stay in the hundreds.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.func import jacrev
from torch.nn import functional as F

from lossbook.analysis.profile import Loss, example_losses

Model = Callable[[Tensor], Tensor]
"""A model on a fixed set of examples: parameters ``[P]`` to logits ``[N, K]``."""


def example_gradients(loss: Loss, model: Model, parameters: Tensor, target: Tensor) -> Tensor:
    r"""The gradient of each example's loss with respect to the parameters.

    .. math:: \nabla_W\, \ell(x_i, W)

    Args:
        loss: Logits ``[N, K]`` and targets ``[N]`` to losses ``[N]``; for a loss of
            :mod:`lossbook.losses` with ``reduction="none"``.
        model: Parameters ``[P]`` to logits ``[N, K]``.
        parameters: :math:`W`, floating point, shape ``[P]``.
        target: Class indices, shape ``[N]``.

    Returns:
        Shape ``[N, P]``.

    Raises:
        ValueError: Parameters, logits or losses of another shape.
    """
    gradients: Tensor = jacrev(_per_example(loss, model, parameters, target))(parameters)
    return gradients


def noise_covariance(
    loss: Loss, model: Model, parameters: Tensor, target: Tensor, *, batch_size: int = 1
) -> Tensor:
    r"""The covariance of a mini-batch gradient.

    .. math::

        \Sigma = \frac 1m \Bigl[\frac 1N \sum_i \nabla\ell_i \nabla\ell_i^T - \nabla L\, \nabla L^T\Bigr],
        \quad \nabla L = \frac 1N \sum_i \nabla\ell_i

    It is exact for m examples drawn with replacement; without replacement it is smaller by the factor
    :math:`(N - m) / (N - 1)`.

    Args:
        loss: Logits ``[N, K]`` and targets ``[N]`` to losses ``[N]``.
        model: Parameters ``[P]`` to logits ``[N, K]``.
        parameters: :math:`W`, floating point, shape ``[P]``.
        target: Class indices, shape ``[N]``.
        batch_size: m, at least 1.

    Returns:
        Shape ``[P, P]``.

    Raises:
        ValueError: As :func:`example_gradients` says, or a batch size below 1.

    References:
        battash2021, Eq. 16.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1; got {batch_size}")
    gradients = example_gradients(loss, model, parameters, target)
    # Centred first: subtracting the two terms as printed would cancel digits.
    centred = gradients - gradients.mean(0)
    return centred.T @ centred / (len(gradients) * batch_size)


def mean_hessian(loss: Loss, model: Model, parameters: Tensor, target: Tensor) -> Tensor:
    r"""The second derivatives of the mean loss, :math:`H = \nabla^2 \frac 1N \sum_i \ell(x_i, W)`.

    Args:
        loss: Logits ``[N, K]`` and targets ``[N]`` to losses ``[N]``, twice differentiable.
        model: Parameters ``[P]`` to logits ``[N, K]``, twice differentiable.
        parameters: :math:`W`, floating point, shape ``[P]``.
        target: Class indices, shape ``[N]``.

    Returns:
        Shape ``[P, P]``.

    Raises:
        ValueError: As :func:`example_gradients` says.
    """
    losses = _per_example(loss, model, parameters, target)
    second: Tensor = jacrev(jacrev(lambda w: losses(w).mean()))(parameters)
    return second


def escaping_efficiency(
    loss: Loss, model: Model, parameters: Tensor, target: Tensor, *, batch_size: int = 1, time: float = 1.0
) -> float:
    r"""By how much gradient noise raises the mean loss from a minimum, to first order in time.

    .. math:: EE = \mathbf E[L(W_t) - L(W^*)] \approx \frac t2 \operatorname{Tr}(H \Sigma)

    The process is :math:`dW = -\nabla L\, dt + \sqrt{\Sigma}\, dB`. With the noise
    :math:`\sqrt{\eta\Sigma}\, dB` of battash2021, Eq. 15, the value is :math:`\eta` times as large. A loss
    multiplied by c has :math:`c^3` times the value.

    Args:
        loss: Logits ``[N, K]`` and targets ``[N]`` to losses ``[N]``, twice differentiable.
        model: Parameters ``[P]`` to logits ``[N, K]``, twice differentiable.
        parameters: :math:`W^*`, floating point, shape ``[P]``.
        target: Class indices, shape ``[N]``.
        batch_size: m, at least 1.
        time: t.

    Returns:
        In the units of the loss, times t.

    Raises:
        ValueError: As :func:`noise_covariance` says.

    References:
        battash2021, Eq. 15 to 17 and the approximation below them.
    """
    noise = noise_covariance(loss, model, parameters, target, batch_size=batch_size)
    curvature = mean_hessian(loss, model, parameters, target)
    # Both matrices are symmetric, so the trace of the product is the sum of elementwise products.
    return time / 2 * float((curvature * noise).sum())


@dataclass(frozen=True)
class EscapingBound:
    r"""The two sides of battash2021, Eq. 18, and what they are made of.

    Attributes:
        left: :math:`EE(L_{\alpha\beta}) - EE(L_{ce})` at :math:`\alpha = 1`.
        right: The right side as printed, which has neither t nor m.
        F_p: :math:`\mathbf E_x[\nabla p_y \nabla p_y^T]`, shape ``[P, P]``.
        H_p: :math:`-\mathbf E_x[\nabla^2 p_y]`, shape ``[P, P]``.
        M: The largest :math:`p_y` of the examples.
    """

    left: float
    right: float
    F_p: Tensor
    H_p: Tensor
    M: float


def escaping_bound(
    model: Model, parameters: Tensor, target: Tensor, *, beta: float, batch_size: int = 1, time: float = 1.0
) -> EscapingBound:
    r"""Both sides of the inequality by which a mixed loss escapes better than cross-entropy.

    .. math::

        EE(L_{1\beta}) - EE(L_{ce}) >
        \Bigl(\beta^3 + \frac{3\beta^2}{M} + \beta\Bigl(\frac{2}{M^2} + \frac 1M\Bigr)\Bigr)
        \operatorname{Tr}(F_p F_p^T + 2 H_p F_p)

    with :math:`L_{1\beta} = -\log p_y + \beta\,(1 - p_y)`. The left side is proportional to :math:`t / (2m)`
    and the right side is not, so whether the inequality holds depends on time and batch size; at
    :math:`t / (2m) = 1` it fails in some problems. See the derivation page of battash2021.

    Args:
        model: Parameters ``[P]`` to logits ``[N, K]``, twice differentiable.
        parameters: :math:`W`, floating point, shape ``[P]``; the same for both losses, as on the right side.
        target: Class indices, shape ``[N]``.
        beta: Weight of the expectation loss, not negative.
        batch_size: m, at least 1; in the left side only.
        time: t; in the left side only.

    Raises:
        ValueError: As :func:`noise_covariance` says, or a negative weight.

    References:
        battash2021, Eq. 18.
    """
    if beta < 0:
        raise ValueError(f"beta must not be negative; got {beta}")

    def mixed(weight: float) -> Loss:
        return lambda z, y: F.cross_entropy(z, y, reduction="none") + weight * (1 - _confidence(z, y))

    with_el, without = (
        escaping_efficiency(mixed(weight), model, parameters, target, batch_size=batch_size, time=time)
        for weight in (beta, 0.0)
    )
    gradients = example_gradients(_confidence, model, parameters, target)
    F_p = gradients.T @ gradients / len(gradients)
    H_p = -mean_hessian(_confidence, model, parameters, target)
    M = float(_confidence(model(parameters), target).max())
    factor = beta**3 + 3 * beta**2 / M + beta * (2 / M**2 + 1 / M)
    return EscapingBound(
        left=with_el - without,
        right=factor * float((F_p * F_p).sum() + 2 * (H_p * F_p).sum()),
        F_p=F_p,
        H_p=H_p,
        M=M,
    )


@dataclass(frozen=True)
class GradientVolumes:
    r"""The factors on the learning rate of battash2021's control experiment, :math:`V_{ce+el} / V_{ce}`.

    Attributes:
        target: For the correct class's logit, Eq. 21: :math:`\alpha + \beta / 3`.
        competitor_square: For another class's logit, Eq. 22 as printed, over the square
            :math:`0 \le p_y, p_j \le 1`: :math:`\alpha + \beta / 2`.
        competitor_simplex: The same over :math:`p_y + p_j \le 1`, which probabilities obey:
            :math:`\alpha + \beta / 4`.
    """

    target: float
    competitor_square: float
    competitor_simplex: float


def gradient_volumes(alpha: float, beta: float) -> GradientVolumes:
    r"""Compare the size of the mixed loss's logit gradient with that of cross-entropy.

    The absolute gradient of :math:`\alpha L_{ce} + \beta L_{el}` is :math:`(1 - p_y)(\alpha + \beta p_y)` for
    the correct class's logit and :math:`p_j (\alpha + \beta p_y)` for another's. Its integral is divided by
    that of cross-entropy: 1/2 for the correct class, 1/2 for another over the square, 1/6 over the simplex.

    Args:
        alpha: Weight of cross-entropy, not negative.
        beta: Weight of the expectation loss, not negative.

    Raises:
        ValueError: A negative weight.

    References:
        battash2021, Eq. 20 to 22, with the absolute value that Eq. 21 needs.
    """
    if alpha < 0 or beta < 0:
        raise ValueError(f"alpha and beta must not be negative; got {alpha} and {beta}")
    return GradientVolumes(
        target=alpha + beta / 3,
        competitor_square=alpha + beta / 2,
        competitor_simplex=alpha + beta / 4,
    )


def _confidence(logits: Tensor, target: Tensor) -> Tensor:
    return logits.softmax(1).gather(1, target.unsqueeze(1)).squeeze(1)


def _per_example(loss: Loss, model: Model, parameters: Tensor, target: Tensor) -> Callable[[Tensor], Tensor]:
    if parameters.ndim != 1 or not parameters.is_floating_point():
        raise ValueError(
            f"parameters must be one floating-point vector, shape [P]; got {parameters.dtype}, "
            f"shape {list(parameters.shape)}"
        )

    def losses(w: Tensor) -> Tensor:
        logits = model(w)
        if logits.ndim != 2 or len(logits) != len(target):
            raise ValueError(
                f"the model must give logits of shape [N, K] for the {len(target)} targets; "
                f"it gave shape {list(logits.shape)}"
            )
        return example_losses(loss, logits, target)

    return losses
