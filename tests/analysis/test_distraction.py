import math
from functools import partial

import pytest
import torch
from torch.nn import functional as F

from lossbook.analysis import distraction
from lossbook.losses import hs_lr_loss, lr_loss, ss_lr_loss

LOG2 = math.log(2)


def lr(z, y):
    one_hot = F.one_hot(y, z.shape[1]).to(z.dtype)
    return F.binary_cross_entropy_with_logits(z, one_hot, reduction="none").sum(1)


def hs_lr(z, y, hardest=2, alpha=5.0):
    """dong2019, Eq. 5, with the number of negatives and their weight given."""
    negatives = z.scatter(1, y[:, None], -torch.inf).topk(hardest, dim=1).values
    return F.softplus(-z.gather(1, y[:, None])[:, 0]) + alpha * F.softplus(negatives).sum(1)


def ss_lr(z, y, r=2.0, alpha=0.5):
    """dong2019, Eq. 6."""
    terms = z.sigmoid() ** r * F.softplus(z)
    negatives = terms.sum(1) - terms.gather(1, y[:, None])[:, 0]
    return F.softplus(-z.gather(1, y[:, None])[:, 0]) + alpha * negatives


def batch(size=40, classes=7, dtype=torch.float64, spread=3.0):
    generator = torch.Generator().manual_seed(1)
    logits = spread * torch.randn(size, classes, dtype=dtype, generator=generator)
    return logits, torch.randint(classes, (size,), generator=generator)


def numeric_gradient(loss, z, y, step=1e-6):
    """Central differences, one logit at a time."""
    columns = []
    for k in range(z.shape[1]):
        shift = torch.zeros(z.shape[1], dtype=z.dtype)
        shift[k] = step
        columns.append((loss(z + shift, y) - loss(z - shift, y)) / (2 * step))
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("classes", [2, 10, 100, 200, 751])
def test_at_initialisation_the_negatives_of_lr_outweigh_the_positive_by_their_number(classes):
    zeros = torch.zeros(3, classes, dtype=torch.float64)
    parts = distraction(lr, zeros, torch.tensor([0, 1, classes - 1]))
    one = torch.ones(3, dtype=torch.float64)
    torch.testing.assert_close(parts.positive, LOG2 * one)
    torch.testing.assert_close(parts.negative, (classes - 1) * LOG2 * one)
    torch.testing.assert_close(parts.positive_gradient, one / 2)
    torch.testing.assert_close(parts.negative_gradient, (classes - 1) / 2 * one)
    torch.testing.assert_close(parts.ratio, one / (classes - 1))
    torch.testing.assert_close(parts.batch_ratio, one[0] / (classes - 1))


def test_at_initialisation_of_hs_lr_only_the_selected_negatives_count():
    parts = distraction(hs_lr, torch.zeros(2, 10, dtype=torch.float64), torch.tensor([3, 9]))
    torch.testing.assert_close(parts.negative, torch.full((2,), 10 * LOG2, dtype=torch.float64))
    torch.testing.assert_close(parts.ratio, torch.full((2,), 0.1, dtype=torch.float64))


def test_at_initialisation_of_ss_lr():
    parts = distraction(ss_lr, torch.zeros(1, 21, dtype=torch.float64), torch.tensor([0]))
    # 20 negatives of weight 1/2; d/dz p^2 softplus(z) at 0 is (2 log 2 / 2 + 1/2) / 4.
    assert float(parts.negative) == pytest.approx(10 * LOG2 / 4)
    assert float(parts.negative_gradient) == pytest.approx(10 * (LOG2 + 0.5) / 4)


@pytest.mark.parametrize("loss", [lr, hs_lr, ss_lr])
def test_parts_and_gradients_of_random_logits(loss):
    z, y = batch()
    parts = distraction(loss, z, y)
    at_target = z.gather(1, y[:, None])[:, 0]
    positive = torch.log1p(torch.exp(-at_target))
    torch.testing.assert_close(parts.positive, positive, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(parts.negative, loss(z, y) - positive, rtol=1e-9, atol=1e-12)
    gradient = numeric_gradient(loss, z, y).abs()
    on_target = gradient.gather(1, y[:, None])[:, 0]
    torch.testing.assert_close(parts.positive_gradient, on_target, rtol=0, atol=1e-8)
    torch.testing.assert_close(parts.negative_gradient, gradient.sum(1) - on_target, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("packaged", "by_hand"),
    [
        (lr_loss, lr),
        (partial(hs_lr_loss, m=0.4, beta=10.0), hs_lr),  # 2 of 6, at 5 each
        (partial(ss_lr_loss, r=2.0, beta=3.0), ss_lr),  # 6, at 1/2 each
    ],
    ids=["lr", "hs_lr", "ss_lr"],
)
def test_the_losses_of_the_package(packaged, by_hand):
    z, y = batch()
    found, expected = distraction(partial(packaged, reduction="none"), z, y), distraction(by_hand, z, y)
    for part in ("positive", "negative", "positive_gradient", "negative_gradient"):
        torch.testing.assert_close(getattr(found, part), getattr(expected, part))


def test_the_ratio_of_lr_from_its_probabilities():
    z, y = batch()
    s = z.sigmoid()
    of_target = s.gather(1, y[:, None])[:, 0]
    parts = distraction(lr, z, y)
    torch.testing.assert_close(parts.ratio, (1 - of_target) / (s.sum(1) - of_target))
    summed = (1 - of_target).sum() / (s.sum() - of_target.sum())
    torch.testing.assert_close(parts.batch_ratio, summed)
    assert abs(float(parts.ratio.mean() - summed)) > 0.01


def test_where_the_negatives_sum_to_the_rest_the_gradients_balance():
    p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], dtype=torch.float64)
    parts = distraction(lr, torch.logit(p), torch.tensor([0, 2]))
    torch.testing.assert_close(parts.ratio, torch.ones(2, dtype=torch.float64))


def test_the_ratio_where_gradients_have_gone():
    z = torch.tensor([[0.0, -1e3], [1e3, -1e3]], dtype=torch.float64)
    ratio = distraction(lr, z, torch.tensor([0, 0])).ratio
    assert math.isinf(ratio[0])
    assert math.isnan(ratio[1])


def test_single_precision_and_large_logits():
    z, y = batch(dtype=torch.float32, classes=300, spread=30.0)
    parts = distraction(lr, z, y)
    torch.testing.assert_close(parts.positive + parts.negative, lr(z, y), rtol=1e-5, atol=1e-5)


def test_the_parts_carry_no_graph_and_the_logits_stay():
    z, y = batch(size=2)
    z.requires_grad_(True)
    before = z.detach().clone()
    parts = distraction(lr, z, y)
    assert not any(t.requires_grad for t in (parts.positive, parts.negative, parts.ratio))
    assert z.grad is None
    assert torch.equal(z.detach(), before)


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, y: F.cross_entropy(z, y, reduction="none"),
        lambda z, y: lr(z, y) + 1,
        lambda z, y: lr(z, y) * (1 + z.mean(1) ** 2),
    ],
    ids=["softmax", "constant", "product"],
)
def test_a_loss_that_is_no_sum_of_the_two_parts_is_refused(loss):
    with pytest.raises(ValueError, match="not the sum of a part of the target"):
        distraction(loss, *batch())


def test_a_loss_that_reduces_is_refused():
    with pytest.raises(ValueError, match="one value per example"):
        distraction(lambda z, y: lr(z, y).mean(), *batch())


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (torch.zeros(3, dtype=torch.float64), r"shape \[B, K\]"),
        (torch.zeros(3, 2, dtype=torch.float16), "float32 or float64"),
        (torch.full((3, 2), math.nan), "finite"),
        (torch.full((3, 2), math.inf), "finite"),
    ],
)
def test_logits_it_cannot_take_are_refused(logits, message):
    with pytest.raises(ValueError, match=message):
        distraction(lr, logits, torch.zeros(3, dtype=torch.long))
