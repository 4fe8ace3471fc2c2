"""What holds between the losses for any logits whatever."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from lossbook.losses import expectation_loss, mae_loss, nllr_loss, softmax_bce_loss
from lossbook.losses.softmax import competitor_gap

FUNCTIONS = (nllr_loss, softmax_bce_loss, expectation_loss, mae_loss)


@st.composite
def examples(draw, size=8.0):
    """Float64 logits ``[1, K]`` within +-size, and a target."""
    classes = draw(st.sampled_from([2, 3, 10]))
    values = draw(st.lists(st.floats(-size, size, width=32), min_size=classes, max_size=classes))
    target = draw(st.integers(0, classes - 1))
    return torch.tensor([values], dtype=torch.float64), torch.tensor([target])


def each(function, logits, target):
    return function(logits, target, reduction="none")


def gradient(function, logits, target):
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(function(logits, target, reduction="sum"), logits)[0]


close = torch.testing.assert_close


@given(examples())
@settings(max_examples=60, deadline=None)
def test_values(example):
    ce, nllr = each(F.cross_entropy, *example), each(nllr_loss, *example)
    el, mae = each(expectation_loss, *example), each(mae_loss, *example)
    p = (-ce).exp()
    close(nllr, competitor_gap(*example), rtol=1e-14, atol=1e-14)
    close(nllr, ce + torch.log1p(-p), rtol=1e-8, atol=1e-8)
    # torch's own softplus is linear from 20 on, as if log(1 + e^-20) = 2e-9 were nothing.
    close(ce, torch.logaddexp(nllr, torch.zeros_like(nllr)), rtol=1e-12, atol=1e-14)
    close(el, nllr.sigmoid(), rtol=1e-12, atol=0)
    close(el, 1 - p, rtol=1e-9, atol=1e-14)
    close(mae, 2 * el, rtol=0, atol=0)


@given(examples())
@settings(max_examples=60, deadline=None)
def test_bce_lies_between_one_and_two_cross_entropies(example):
    ce, bce = each(F.cross_entropy, *example), each(softmax_bce_loss, *example)
    room = 1e-9 * ce + 1e-12
    assert bool(ce - room <= bce)
    assert bool(bce <= 2 * ce + room)
    if example[0].shape[1] == 2:
        close(bce, 2 * ce, rtol=1e-9, atol=1e-12)


@given(examples(size=300.0))
@settings(max_examples=60, deadline=None)
def test_gradient_of_nllr(example):
    logits, target = example
    grad = gradient(nllr_loss, logits, target)
    close(grad.abs().sum(1), torch.tensor([2.0], dtype=torch.float64), rtol=1e-12, atol=0)
    close(grad.gather(1, target[:, None]), torch.tensor([[-1.0]], dtype=torch.float64), rtol=1e-12, atol=0)
    # grad CE = (1 - p) grad NLLR
    p_wrong = competitor_gap(logits, target).sigmoid()[:, None]
    close(gradient(F.cross_entropy, logits, target), p_wrong * grad, rtol=1e-9, atol=1e-13)


@given(examples(), st.floats(-100, 100))
@settings(max_examples=40, deadline=None)
def test_a_common_shift_of_the_logits_changes_nothing(example, shift):
    logits, target = example
    for function in FUNCTIONS:
        close(each(function, logits + shift, target), each(function, logits, target), rtol=1e-9, atol=1e-11)
        moved, grad = gradient(function, logits + shift, target), gradient(function, logits, target)
        close(moved, grad, rtol=1e-9, atol=1e-11)
        close(grad.sum(), torch.zeros_like(grad.sum()), rtol=0, atol=1e-12)


@given(examples(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_classes_does_not_matter(example, random):
    logits, target = example
    order = list(range(logits.shape[1]))
    random.shuffle(order)
    where = torch.tensor([order.index(int(target))])
    for function in FUNCTIONS:
        close(each(function, logits[:, order], where), each(function, logits, target), rtol=1e-9, atol=1e-12)


@given(examples(size=1e4))
@settings(max_examples=60, deadline=None)
def test_bounds_hold_however_large_the_logits(example):
    assert 0 <= each(expectation_loss, *example) <= 1
    assert 0 <= each(mae_loss, *example) <= 2
    assert each(softmax_bce_loss, *example) >= 0
    for function in FUNCTIONS:
        assert each(function, *example).isfinite().all()
        assert gradient(function, *example).isfinite().all()
