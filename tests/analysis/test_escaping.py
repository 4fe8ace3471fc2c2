import math
from functools import partial
from itertools import product

import pytest
import torch
from torch.nn import functional as F

from lossbook.analysis import (
    escaping_bound,
    escaping_efficiency,
    example_gradients,
    gradient_volumes,
    mean_hessian,
    noise_covariance,
)
from lossbook.losses import expectation_loss

CE = partial(F.cross_entropy, reduction="none")
EL = partial(expectation_loss, reduction="none")
tensor = partial(torch.tensor, dtype=torch.float64)

# One parameter: the logits of input x are (w x, 0), and so p_0 = sigmoid(w x).
X = tensor([1.0, -2.0, 0.5, 3.0])
Y = torch.tensor([0, 1, 1, 0])
W = tensor([0.3])


def slope_model(w):
    return torch.stack([w * X, torch.zeros_like(X)], dim=1)


# In terms of the signed input s (minus x for class 1), p_y = sigmoid(w s), whatever the class.
S = torch.where(Y == 0, X, -X)
P = torch.sigmoid(W * S)
DP, DDP = P * (1 - P) * S, P * (1 - P) * (1 - 2 * P) * S**2


def network(seed=0):
    """A small network with a hidden layer, its parameters (P = 26), and targets."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(6, 2, generator=generator, dtype=torch.float64)

    def model(w):
        hidden = torch.tanh(x @ w[:8].reshape(2, 4) + w[8:12])
        return hidden @ w[12:24].reshape(4, 3) + F.pad(w[24:26], (0, 1))

    parameters = torch.randn(26, generator=generator, dtype=torch.float64)
    return model, parameters, torch.randint(3, (6,), generator=generator)


def test_closed_form_with_one_parameter():
    torch.testing.assert_close(example_gradients(CE, slope_model, W, Y)[:, 0], -(1 - P) * S)
    torch.testing.assert_close(example_gradients(EL, slope_model, W, Y)[:, 0], -DP)
    torch.testing.assert_close(mean_hessian(CE, slope_model, W, Y)[0, 0], (P * (1 - P) * S**2).mean())
    torch.testing.assert_close(mean_hessian(EL, slope_model, W, Y)[0, 0], -DDP.mean())
    variance = ((1 - P) * S).var(correction=0)
    torch.testing.assert_close(noise_covariance(CE, slope_model, W, Y)[0, 0], variance)
    torch.testing.assert_close(noise_covariance(CE, slope_model, W, Y, batch_size=5)[0, 0], variance / 5)
    expected = 3 / 2 * (P * (1 - P) * S**2).mean() * variance / 2
    found = escaping_efficiency(CE, slope_model, W, Y, batch_size=2, time=3.0)
    assert found == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("loss", [CE, EL], ids=["ce", "el"])
def test_gradients_and_hessian_against_differences(loss):
    model, w, y = network()
    step = 1e-4 * torch.eye(len(w), dtype=w.dtype)
    gradient = torch.stack([(loss(model(w + s), y) - loss(model(w - s), y)) / 2e-4 for s in step], dim=1)
    torch.testing.assert_close(example_gradients(loss, model, w, y), gradient, rtol=0, atol=1e-7)

    def slope(v):
        return example_gradients(loss, model, v, y).mean(0)

    second = torch.stack([(slope(w + s) - slope(w - s)) / 2e-4 for s in step])
    found = mean_hessian(loss, model, w, y)
    torch.testing.assert_close(found, second, rtol=0, atol=1e-7)
    torch.testing.assert_close(found, found.T)


def test_covariance_over_all_mini_batches():
    model, w, y = network()
    gradients = example_gradients(CE, model, w, y)
    batches = torch.tensor(list(product(range(6), repeat=3)))  # with replacement
    means = gradients[batches].mean(1)
    found = noise_covariance(CE, model, w, y, batch_size=3)
    torch.testing.assert_close(found, means.T.cov(correction=0), rtol=0, atol=1e-13)
    printed = gradients.T @ gradients / 6 - torch.outer(gradients.mean(0), gradients.mean(0))
    torch.testing.assert_close(found, printed / 3, rtol=0, atol=1e-13)


def test_escaping_efficiency_is_the_rise_of_a_noisy_quadratic():
    """The loss (w - c)^2 / 2 of targets c has curvature 1; its process is known exactly."""

    def loss(z, c):
        return (z[:, 0] - c) ** 2 / 2

    def model(w):
        return w.expand(4, 2)

    c = torch.tensor([0, 1, 3, 8])
    at_minimum = tensor([3.0])
    variance, time = 9.5, 1e-3  # of c
    rise = variance / 2 * (1 - math.exp(-2 * time)) / 2  # Ornstein-Uhlenbeck
    found = escaping_efficiency(loss, model, at_minimum, c, time=time)
    assert found == pytest.approx(time / 2 * variance, rel=1e-12)
    assert found == pytest.approx(rise, rel=2 * time)


def test_a_multiple_of_the_loss_has_the_cube_of_its_efficiency():
    model, w, y = network()
    once = escaping_efficiency(CE, model, w, y)
    assert escaping_efficiency(lambda z, t: 3 * CE(z, t), model, w, y) == pytest.approx(27 * once, rel=1e-12)


@pytest.mark.parametrize("beta", [0.0, 1.0, 5.0])
def test_bound_with_one_parameter(beta):
    def efficiency(weight):  # t = 2, m = 1
        gradient = -(1 / P + weight) * DP
        curvature = (DP**2 / P**2 - (1 / P + weight) * DDP).mean()
        return curvature * gradient.var(correction=0)

    found = escaping_bound(slope_model, W, Y, beta=beta, time=2.0)
    assert found.left == pytest.approx(float(efficiency(beta) - efficiency(0)), rel=1e-12, abs=1e-15)
    F_p, H_p, M = (DP**2).mean(), -DDP.mean(), float(P.max())
    torch.testing.assert_close(found.F_p, F_p[None, None])
    torch.testing.assert_close(found.H_p, H_p[None, None])
    assert pytest.approx(M, rel=1e-14) == found.M
    factor = beta**3 + 3 * beta**2 / M + beta * (2 / M**2 + 1 / M)
    assert found.right == pytest.approx(float(factor * (F_p**2 + 2 * H_p * F_p)), rel=1e-12)


def test_bound_agrees_with_the_package_losses():
    model, w, y = network()
    mixed = escaping_efficiency(lambda z, t: CE(z, t) + 2 * EL(z, t), model, w, y, batch_size=4, time=0.5)
    alone = escaping_efficiency(CE, model, w, y, batch_size=4, time=0.5)
    found = escaping_bound(model, w, y, beta=2.0, batch_size=4, time=0.5)
    assert found.left == pytest.approx(mixed - alone, rel=1e-11)
    other = escaping_bound(model, w, y, beta=2.0)  # t and m are on the left side only
    assert found.right == other.right
    assert found.left == pytest.approx(other.left / 8, rel=1e-12)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (1.0, 5.0), (0.0, 1.0)])
def test_volumes_against_numerical_integration(alpha, beta):
    n = 1000
    middle = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    p_y, p_j = middle[:, None], middle
    on_competitor = p_j * (alpha + beta * p_y)
    # Half of a cell on the diagonal lies in the simplex.
    diagonal = torch.arange(n)[:, None] + torch.arange(n) - (n - 1)
    inside = (diagonal < 0) + 0.5 * (diagonal == 0)
    found = gradient_volumes(alpha, beta)
    assert found.target == pytest.approx(
        float(((1 - middle) * (alpha + beta * middle)).mean() / (1 - middle).mean()), abs=1e-5
    )
    assert found.competitor_square == pytest.approx(float(on_competitor.mean() / p_j.mean()), abs=1e-5)
    assert found.competitor_simplex == pytest.approx(
        float((inside * on_competitor).mean() / (inside * p_j).mean()), abs=1e-4
    )


@pytest.mark.parametrize("weights", [(-1.0, 1.0), (1.0, -0.1)])
def test_negative_weights_are_refused(weights):
    with pytest.raises(ValueError, match="must not be negative"):
        gradient_volumes(*weights)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="one value per example"):
        noise_covariance(F.cross_entropy, slope_model, W, Y)
    with pytest.raises(ValueError, match=r"one floating-point vector, shape \[P\]; got .*shape \[1, 1\]"):
        noise_covariance(CE, slope_model, W[None], Y)
    with pytest.raises(ValueError, match="torch.int64"):
        mean_hessian(CE, slope_model, torch.tensor([1]), Y)
    with pytest.raises(ValueError, match=r"for the 3 targets; it gave shape \[4, 2\]"):
        example_gradients(CE, slope_model, W, Y[:3])
    with pytest.raises(ValueError, match="batch_size must be at least 1; got 0"):
        noise_covariance(CE, slope_model, W, Y, batch_size=0)
    with pytest.raises(ValueError, match="beta must not be negative; got -1"):
        escaping_bound(slope_model, W, Y, beta=-1.0)
