r"""What a loss asks for when the labels are random: its population minimiser.

Write :math:`\eta_k` for the true probability of class :math:`k` at one input. A loss :math:`\ell(z, k)` of
logits :math:`z` has the expected value :math:`\sum_k \eta_k \ell(z, k)` there. The softmax
:math:`p` of the logits that make it smallest is the loss's population minimiser.
"""

import math

import torch
from torch import Tensor

from lossbook.analysis.profile import Loss, example_losses


def expected_loss(loss: Loss, logits: Tensor, eta: Tensor) -> Tensor:
    r"""The loss expected at one input whose label is random, :math:`\sum_k \eta_k \ell(z, k)`.

    Args:
        loss: Logits ``[B, K]`` and targets ``[B]`` to losses ``[B]``.
        logits: :math:`z`, shape ``[K]``.
        eta: True class probabilities, shape ``[K]``.

    Returns:
        A scalar, in the loss's own units.

    Raises:
        ValueError: The loss does not give one value per example.
    """
    classes = len(eta)
    target = torch.arange(classes, device=logits.device)
    values = example_losses(loss, logits.expand(classes, classes), target)
    # A class that never occurs costs nothing, even where its loss is infinite.
    return torch.where(eta > 0, eta * values, torch.zeros_like(values)).sum()


def population_minimiser(loss: Loss, eta: Tensor, *, max_iterations: int = 500) -> Tensor:
    r"""Find the softmax probabilities that make the expected loss smallest, by L-BFGS from equal ones.

    Args:
        loss: Logits ``[B, K]`` and targets ``[B]`` to losses ``[B]``, smooth in the logits.
        eta: True class probabilities, each positive, sum 1, shape ``[K]``.
        max_iterations: When to give up.

    Returns:
        :math:`p`, shape ``[K]``, in the type of ``eta``; the search is in float64.

    Raises:
        ValueError: ``eta`` is not a distribution, the loss does not give one value per example, or the search
            does not settle, as when the expected loss has no smallest value at finite logits.
    """
    _check_distribution(eta)
    wide = eta.double()
    logits = torch.zeros_like(wide, requires_grad=True)
    search = torch.optim.LBFGS(
        [logits],
        max_iter=max_iterations,
        tolerance_grad=1e-10,
        tolerance_change=0.0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def evaluate() -> Tensor:
        search.zero_grad()
        with torch.enable_grad():
            value = expected_loss(loss, logits, wide)
            value.backward()
        return value

    search.step(evaluate)
    evaluate()
    assert logits.grad is not None
    p = logits.detach().softmax(0)
    slope = float(logits.grad.abs().max())
    # Along a ray to infinity the gradient may fade as well, but then some probability has vanished.
    if not slope < 1e-7 or float(p.min()) < 1e-9 * float(eta.min()):
        raise ValueError(
            f"no smallest expected loss found at finite logits for eta = {_shown(eta)}: after the search the "
            f"largest probability is {float(p.max()):.6g} and the gradient {slope:.2g}"
        )
    return p.to(eta.dtype)


def nllr_minimiser(eta: Tensor) -> Tensor:
    r"""The population minimiser of the negative log-likelihood ratio, from its own equation.

    .. math:: p_k (1 - p_k) = c\,\eta_k, \quad \sum_k p_k = 1

    It exists only where every :math:`\eta_k` is below 1/2. Only the most likely class can have
    :math:`p_k > 1/2`, so the system has one unknown, :math:`1 - p_{\max}`, found by bisection.

    Args:
        eta: True class probabilities, each positive, sum 1, shape ``[K]``; float64 for full precision.

    Returns:
        :math:`p`, shape ``[K]``.

    Raises:
        ValueError: ``eta`` is not a distribution, or a class has probability 1/2 or more.

    References:
        Not in yao2018; it follows from its Eq. 11.
    """
    _check_distribution(eta)
    top = int(eta.argmax())
    if float(eta[top]) >= 0.5:
        raise ValueError(
            f"the expected NLLR has no single smallest value at finite logits: class {top} has probability "
            f"{float(eta[top]):.6g}, and every class must stay below 1/2"
        )

    def at(rest: float) -> Tensor:
        product = eta * (rest * (1 - rest) / eta[top])
        # The smaller root of p (1 - p) = product, in the form that does not cancel.
        p = 2 * product / (1 + (1 - 4 * product).clamp(min=0).sqrt())
        p[top] = 1 - rest
        return p

    low, high = 0.0, 1 - 1 / len(eta)
    # Halving ends when no number lies between the two.
    while low < (middle := (low + high) / 2) < high:
        p = at(middle)
        if float(p.sum() - p[top]) > middle:
            low = middle
        else:
            high = middle
    return at(high)


def _check_distribution(eta: Tensor) -> None:
    if eta.ndim != 1 or len(eta) < 2 or not eta.is_floating_point():
        raise ValueError(
            f"eta must be a floating-point tensor of shape [K] with K at least 2; got {eta.dtype}, "
            f"shape {list(eta.shape)}"
        )
    if not bool((eta > 0).all()) or not math.isclose(float(eta.sum()), 1, abs_tol=1e-6):
        raise ValueError(f"eta must be positive and sum to 1; got {_shown(eta)}, sum {float(eta.sum()):.6g}")


def _shown(eta: Tensor) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in eta.tolist()) + "]"
