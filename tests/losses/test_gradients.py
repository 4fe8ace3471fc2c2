"""Gradients: against 120 digits, closed forms, autograd of the printed formula, and finite differences."""

import math

import pytest
import torch
from torch.nn import functional as F

from lossbook import losses
from lossbook.losses import focal_loss, gce_loss, mpce_loss, nllr_loss, phi, softmax_bce_loss

# No two classes tie for the largest logit, where MPCE has a corner. All are the same number in float32.
LOGITS = [
    [0.0, 0.5],
    [-3.0, 7.0],
    [20.0, -1.0],
    [0.5, -1.25, 2.0],
    [-40.0, 3.0, 1.0],
    [40.0, 3.0, 1.0],
    [1e4, 0.0, -1e4],
    [-1e4, 9999.0, 1e4],
    [2.0**-22, 0.0, -(2.0**-20)],
    [(-1) ** k * 0.75 * k for k in range(10)],
]
CASES = [(logits, target) for logits in LOGITS for target in {0, len(logits) - 1}]


class Elsewhere(torch.Tensor):
    """Any subclass takes the path that a GPU takes."""


def of_formula(variant, logits, target):
    """The gradient by autograd of the formula that serves everywhere but on a processor."""
    leaf = logits.clone().as_subclass(Elsewhere).requires_grad_()
    slopes = torch.autograd.grad(variant.function(leaf, target, reduction="sum"), leaf)[0]
    return slopes.as_subclass(torch.Tensor)


def assert_near(got, expected, room):
    assert got.shape == (1, len(expected))
    assert got.double().flatten().tolist() == pytest.approx(expected, rel=0, abs=room)


def test_kernel_and_formula_in_high_precision(variant, exact, exact_gradient, gradient):
    for logits, target in CASES:
        expected = exact_gradient(variant, logits, target)
        size = max(map(abs, expected))
        # What is added up to a gradient: numbers near 1, and for MPCE near its value.
        parts = max(1, size, abs(exact(variant, logits, target)))
        for dtype in (torch.float32, torch.float64):
            eps = torch.finfo(dtype).eps
            z, y = torch.tensor([logits], dtype=dtype), torch.tensor([target])
            # phi'(u) (q - e_y) loses nothing, however small phi' is.
            room = 200 * eps * size if variant.phi else 16 * eps * parts
            room = max(room, torch.finfo(dtype).tiny)
            assert_near(gradient(variant.function, z, y), expected, room)
            assert_near(of_formula(variant, z, y), expected, room)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_closed_form_of_the_family(in_family, batch, gradient, classes):
    """phi'(u) (q - e_y), with phi' by name."""
    logits, target = batch(30, classes)
    p = logits.softmax(1)
    e = F.one_hot(target, classes).double()
    q = p * (1 - e)
    wrong = q.sum(1, keepdim=True)
    u = (wrong / (p * e).sum(1, keepdim=True)).log()
    expected = phi(in_family.phi, **in_family.options).slope(u) * (q / wrong - e)
    got = gradient(in_family.function, logits, target)
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_autograd_of_the_printed_formula(variant, naive, batch, gradient, classes):
    logits, target = batch(20, classes)
    plain = logits.clone().requires_grad_()
    losses = naive(variant, plain, target)
    (expected,) = torch.autograd.grad(losses.sum(), plain)
    for got in (gradient(variant.function, logits, target), of_formula(variant, logits, target)):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)
    got = variant.function(logits, target, reduction="none")
    torch.testing.assert_close(got, losses.detach(), rtol=1e-9, atol=1e-12)


def test_finite_differences_of_first_and_second_order(variant, batch):
    logits, target = batch(3, 4)
    target[0] = -100

    def function(values):
        return variant.function(values, target, reduction="none")

    logits.requires_grad_()
    assert torch.autograd.gradcheck(function, (logits,))
    assert torch.autograd.gradgradcheck(function, (logits,))


def test_finite_differences_on_a_grid(loss, batch):
    logits, target = batch(2, 3, 2)
    target[0, 1] = -100
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss.function(z, target), (logits,))
    assert torch.autograd.gradgradcheck(lambda z: loss.function(z, target), (logits,))


def test_finite_differences_of_the_weighted_mean(loss, batch):
    logits, target = batch(3, 4)
    weight = torch.linspace(0.5, 2, 4, dtype=torch.float64, requires_grad=True)
    logits.requires_grad_()

    def function(values, weight):
        return loss.function(values, target, weight=weight)

    assert torch.autograd.gradcheck(function, (logits, weight))
    assert torch.autograd.gradgradcheck(function, (logits, weight))


def test_finite_differences_where_two_logits_tie_for_the_largest(variant):
    logits = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]], dtype=torch.float64, requires_grad=True)
    for target in ([0, 1], [2, 2]):
        if variant.name != "mpce":  # It has a corner there.
            assert torch.autograd.gradcheck(
                lambda z, y=target: variant.function(z, torch.tensor(y)), (logits,)
            )


def test_classes_that_tie_for_the_top_share_the_gradient_of_mpce(gradient):
    """The mean of the gradients on either side of the corner, and the same on both paths."""
    logits = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    target = torch.tensor([2, 0])
    sides = []
    for k in (0, 1):
        tilted = logits[:1].clone()
        tilted[0, k] += 1e-9
        sides.append(gradient(mpce_loss, tilted, target[:1]))
    got = gradient(mpce_loss, logits, target)
    torch.testing.assert_close(got[:1], (sides[0] + sides[1]) / 2, rtol=1e-6, atol=1e-8)
    leaf = logits.clone().as_subclass(Elsewhere).requires_grad_()
    formula = torch.autograd.grad(mpce_loss(leaf, target, reduction="sum"), leaf)[0]
    torch.testing.assert_close(got, formula.as_subclass(torch.Tensor), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("nllr", [-1, 1, 0], [-1, 0, 1]),
        ("softmax_bce", [-1, 2, -1], [0, 0, 0]),
        ("expectation", [0, 0, 0], [0, 0, 0]),
        ("focal", [-1, 1, 0], [0, 0, 0]),
        ("mpce", [-1, 1, 0], [0, 0, 0]),
        ("gce", [0, 0, 0], [0, 0, 0]),
        ("complement_entropy", [0, 0, 0], [0, 0, 0]),
    ],
)
def test_who_learns_from_a_sure_mistake(gradient, name, wrong, right):
    """The target far behind one competitor, and far ahead of all: whether, and from whom."""
    logits = torch.tensor([[-1e4, 1e4, 0.0], [1e4, -1e4, 0.0]])
    got = gradient(getattr(losses, f"{name}_loss"), logits, torch.tensor([0, 0]))
    assert got.tolist() == [wrong, right]


@pytest.mark.parametrize("gap", [17.0, 18.0, 30.0, 80.0])
def test_confident_mistakes_in_float32_keep_their_gradient(gap, gradient):
    # log(p + 1e-7), the usual guard, has gradient exactly 0 here.
    logits = torch.tensor([[0.0, gap]])
    target = torch.tensor([0])
    torch.testing.assert_close(gradient(nllr_loss, logits, target), torch.tensor([[-1.0, 1.0]]))
    torch.testing.assert_close(gradient(focal_loss, logits, target), torch.tensor([[-1.0, 1.0]]))
    torch.testing.assert_close(gradient(softmax_bce_loss, logits, target), torch.tensor([[-2.0, 2.0]]))


def test_truncated_gce_stops_at_its_k(gradient):
    k = 0.25
    at = math.log(k / (1 - k))  # the target's logit beside one of 0, where p is k
    logits = torch.tensor([[at - 0.01, 0.0], [at + 0.01, 0.0]], dtype=torch.float64)
    target = torch.tensor([0, 0])
    got = gradient(gce_loss, logits, target, k=k)
    assert got[0].tolist() == [0, 0]
    assert torch.equal(got[1], gradient(gce_loss, logits, target)[1])
    value = gce_loss(logits, target, k=k, reduction="none")
    assert value[0].item() == pytest.approx((1 - k**0.7) / 0.7, rel=1e-14)
    assert value[1] < value[0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gradients_have_the_type_of_the_logits(variant, batch, gradient, dtype):
    logits, target = batch(6, 4, scale=1.0)
    narrow = logits.to(dtype).requires_grad_()
    variant.function(narrow, target, reduction="sum").backward()
    assert narrow.grad.dtype == dtype
    expected = gradient(variant.function, narrow.detach().double(), target)
    rounded = torch.finfo(dtype).eps
    torch.testing.assert_close(narrow.grad.double(), expected, rtol=rounded, atol=1e-7)
