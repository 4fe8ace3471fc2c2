"""Gradients: against closed forms, against autograd of the printed formula, against finite differences."""

import pytest
import torch
from torch.nn import functional as F

from lossbook.losses import nllr_loss, softmax_bce_loss


def gradient(function, logits, target):
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(function(logits, target, reduction="sum"), logits)[0]


def closed_form(name, logits, target):
    """phi'(u) (q - e_y); for BCE the gradient of CE plus that of each -log(1 - p_j)."""
    p = logits.softmax(1)
    e = F.one_hot(target, logits.shape[1]).to(p.dtype)
    py = (p * e).sum(1, keepdim=True)
    q = p * (1 - e)
    q = q / q.sum(1, keepdim=True)
    if name == "bce":
        # d/dz_k of -log(1 - p_j) is p_j / (1 - p_j) times (1[k = j] - p_k).
        odds = (1 - e) * p / (1 - p)
        return (p - e) + odds - p * odds.sum(1, keepdim=True)
    slope = {"nllr": torch.ones_like(py), "el": py * (1 - py), "mae": 2 * py * (1 - py)}[name]
    return slope * (q - e)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_closed_form(loss, batch, classes):
    logits, target = batch(30, classes)
    got = gradient(loss.function, logits, target)
    torch.testing.assert_close(got, closed_form(loss.name, logits, target), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_autograd_of_the_printed_formula(loss, naive, batch, classes):
    logits, target = batch(30, classes)
    plain = logits.clone().requires_grad_()
    (expected,) = torch.autograd.grad(naive(loss.name, plain, target).sum(), plain)
    torch.testing.assert_close(gradient(loss.function, logits, target), expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(
        loss.function(logits, target, reduction="none"), naive(loss.name, logits, target), rtol=1e-10, atol=0
    )


@pytest.mark.parametrize("shape", [(3, 2), (3, 4), (2, 3, 2)])
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_finite_differences_of_first_and_second_order(loss, batch, shape, reduction):
    logits, target = batch(*shape)
    weight = torch.linspace(0.5, 2, shape[1], dtype=torch.float64)
    target.view(-1)[0] = -100

    def function(values):
        return loss.function(values, target, weight=weight, reduction=reduction)

    logits.requires_grad_()
    assert torch.autograd.gradcheck(function, (logits,))
    assert torch.autograd.gradgradcheck(function, (logits,))


def test_finite_differences_where_two_logits_tie_for_the_largest(loss):
    logits = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]], dtype=torch.float64, requires_grad=True)
    for target in ([0, 1], [2, 2]):
        assert torch.autograd.gradcheck(lambda z, y=target: loss.function(z, torch.tensor(y)), (logits,))


def test_far_from_the_boundary_the_gradient_is_its_limit(loss):
    # Confidently wrong, then confidently right, both beyond where 1 - p can be told from 0 or 1.
    logits = torch.tensor([[-1e4, 1e4, 0.0], [1e4, -1e4, 0.0]])
    limits = {
        "nllr": [[-1, 1, 0], [-1, 0, 1]],
        "bce": [[-1, 2, -1], [0, 0, 0]],
        "el": [[0, 0, 0], [0, 0, 0]],
        "mae": [[0, 0, 0], [0, 0, 0]],
    }
    got = gradient(loss.function, logits, torch.tensor([0, 0]))
    torch.testing.assert_close(got, torch.tensor(limits[loss.name], dtype=got.dtype))


@pytest.mark.parametrize("gap", [17.0, 18.0, 30.0, 80.0])
def test_confident_mistakes_in_float32_keep_their_gradient(gap):
    # log(p + 1e-7), the usual guard, has gradient exactly 0 here.
    logits = torch.tensor([[0.0, gap]])
    target = torch.tensor([0])
    torch.testing.assert_close(gradient(nllr_loss, logits, target), torch.tensor([[-1.0, 1.0]]))
    torch.testing.assert_close(gradient(softmax_bce_loss, logits, target), torch.tensor([[-2.0, 2.0]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gradients_have_the_type_of_the_logits(loss, batch, dtype):
    logits, target = batch(6, 4, scale=1.0)
    narrow = logits.to(dtype).requires_grad_()
    loss.function(narrow, target, reduction="sum").backward()
    assert narrow.grad.dtype == dtype
    expected = gradient(loss.function, narrow.detach().double(), target)
    torch.testing.assert_close(narrow.grad.double(), expected, rtol=1e-2, atol=1e-2)
