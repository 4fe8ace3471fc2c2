"""NLLR of probabilities clipped first, as libraries that work on probabilities have it."""

import math

import pytest
import torch

from lossbook.losses import NLLRLoss, nllr_loss


def losses_of_gaps(gaps, clip):
    logits = torch.tensor([[0.0, gap] for gap in gaps], dtype=torch.float64, requires_grad=True)
    target = torch.zeros(len(gaps), dtype=torch.long)
    value = nllr_loss(logits, target, clip=clip, reduction="none")
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    return value.tolist(), gradient


@pytest.mark.parametrize("clip", [1e-7, 1e-3, 0.25])
def test_bounded_by_the_log_odds_of_the_clip(clip):
    bound = math.log((1 - clip) / clip)
    values, gradient = losses_of_gaps([-1e4, -bound - 0.01, bound + 0.01, 1e4], clip)
    assert values == pytest.approx([-bound, -bound, bound, bound], rel=1e-12)
    assert (gradient == 0).all()


def test_the_bound_of_keras_is_16_118():
    values, _ = losses_of_gaps([-50.0, 50.0], 1e-7)
    assert values == pytest.approx([-16.118095551, 16.118095551], abs=1e-9)


def test_inside_the_bound_it_is_the_plain_loss():
    gaps = [-16.11, -3.0, 0.0, 5.0, 16.11]
    clipped, clipped_gradient = losses_of_gaps(gaps, 1e-7)
    plain, plain_gradient = losses_of_gaps(gaps, None)
    assert clipped == plain
    assert torch.equal(clipped_gradient, plain_gradient)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_it_is_the_loss_of_clipped_probabilities(classes):
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(200, classes, dtype=torch.float64, generator=generator)
    target = torch.randint(classes, (200,), generator=generator)
    p = logits.softmax(1).gather(1, target[:, None]).squeeze(1).clamp(0.05, 0.95)
    assert ((p == 0.05) | (p == 0.95)).any()
    got = nllr_loss(logits, target, clip=0.05, reduction="none")
    torch.testing.assert_close(got, ((1 - p) / p).log(), rtol=1e-9, atol=1e-12)


def test_weight_and_reduction_come_after_the_clip():
    logits = torch.tensor([[0.0, 100.0], [100.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    target = torch.tensor([0, 1, 0])
    weight = torch.tensor([1.0, 3.0])
    bound = math.log(0.9 / 0.1)
    got = nllr_loss(logits, target, weight=weight, clip=0.1).item()
    assert got == pytest.approx((bound + 3 * bound + 1.0) / 5)
    assert NLLRLoss(weight, clip=0.1)(logits, target).item() == pytest.approx(got)


def test_nan_is_not_clipped_away():
    logits = torch.tensor([[math.nan, 0.0]])
    assert nllr_loss(logits, torch.tensor([0]), clip=1e-7).isnan()
