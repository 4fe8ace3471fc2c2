"""Reduction, weight, ignore_index and shapes, as torch.nn.functional.cross_entropy has them."""

import math

import pytest
import torch
from torch.nn import functional as F

from lossbook.losses import nllr_loss
from lossbook.losses._common import reduce_loss

EXTRA = [(), (3,), (2, 3), (2, 2, 3)]


@pytest.mark.parametrize("extra", EXTRA)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore_index", [-100, 1, -1])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_the_reduction_is_that_of_cross_entropy(batch, extra, weighted, ignore_index, reduction):
    """softplus of an NLLR is a cross-entropy, so the reduction of one can be held against the other's."""
    logits, target = batch(6, 4, *extra)
    target.view(-1)[::3] = ignore_index
    weight = torch.tensor([0.25, 1.0, 3.0, 0.0], dtype=torch.float64) if weighted else None
    settings = {"weight": weight, "ignore_index": ignore_index, "reduction": reduction}
    expected = F.cross_entropy(logits, target, **settings)

    plain = torch.where(target == ignore_index, 0, target)
    each = F.softplus(nllr_loss(logits, plain, reduction="none"))
    keep = target != ignore_index
    torch.testing.assert_close(reduce_loss(each, plain, keep, weight, reduction), expected)


@pytest.mark.parametrize("extra", EXTRA)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore_index", [-100, 2])
def test_each_reduction_from_the_losses_example_by_example(loss, batch, extra, weighted, ignore_index):
    logits, target = batch(6, 4, *extra)
    target.view(-1)[1::4] = ignore_index
    weight = torch.tensor([0.25, 1.0, 3.0, 0.5], dtype=torch.float64) if weighted else None
    # One example at a time, without weight or mask.
    rows = logits.movedim(1, -1).reshape(-1, 4)
    expected, scales = [], []
    for row, wanted in zip(rows, target.flatten().tolist(), strict=True):
        kept = wanted != ignore_index
        scale = (float(weight[wanted]) if weighted else 1.0) if kept else 0.0
        value = loss.function(row[None], torch.tensor([wanted])).item() if kept else 0.0
        expected.append(scale * value)
        scales.append(scale)
    settings = {"weight": weight, "ignore_index": ignore_index}
    got = loss.function(logits, target, reduction="none", **settings)
    assert got.shape == target.shape
    assert got.flatten().tolist() == pytest.approx(expected, rel=1e-12)
    total = loss.function(logits, target, reduction="sum", **settings)
    assert total.item() == pytest.approx(math.fsum(expected), rel=1e-12)
    mean = loss.function(logits, target, reduction="mean", **settings)
    assert mean.item() == pytest.approx(math.fsum(expected) / math.fsum(scales), rel=1e-12)
    assert mean.shape == total.shape == ()
    torch.testing.assert_close(loss.function(logits, target, **settings), mean)


def test_the_mean_is_weighted_as_in_pytorch_and_not_over_the_batch(loss):
    logits = torch.tensor([[1.0, 2.0, 0.0], [0.5, -2.0, 0.75]], dtype=torch.float64)
    target = torch.tensor([0, 1])
    first, second = loss.function(logits, target, reduction="none").tolist()
    weight = torch.tensor([3.0, 1.0, 7.0])
    got = loss.function(logits, target, weight=weight).item()
    assert got == pytest.approx((3 * first + second) / 4)
    assert got != pytest.approx((3 * first + second) / 2)


def test_ignored_examples_get_no_gradient(loss, batch):
    logits, _ = batch(5, 4)
    target = logits.argmin(1)  # the loss of a target that leads may be flat
    expected = logits.clone().requires_grad_()
    loss.function(expected[[0, 1, 3, 4]], target[[0, 1, 3, 4]]).backward()
    target[2] = -100
    logits.requires_grad_()
    loss.function(logits, target).backward()
    assert logits.grad[2].tolist() == [0.0] * 4
    torch.testing.assert_close(logits.grad, expected.grad)
    assert (logits.grad.abs().sum(1) > 0).tolist() == [True, True, False, True, True]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("extra", [(), (2,)], ids=["kernel", "formula"])
def test_ignored_logits_may_be_anything(loss, batch, bad, extra):
    """Value and gradient are those of the others, also where PyTorch's gradient would be NaN."""
    logits, target = batch(3, 3, *extra)
    clean = logits[:2].clone().requires_grad_()
    expected = loss.function(clean, target[:2])
    expected.backward()
    target[2] = -100
    logits[2] = bad
    logits.requires_grad_()
    got = loss.function(logits, target)
    got.backward()
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(logits.grad[:2], clean.grad)
    assert (logits.grad[2] == 0).all()


@pytest.mark.parametrize(
    ("dtype", "ignored"), [(torch.uint8, 255), (torch.int8, -1), (torch.int16, -100), (torch.int32, -100)]
)
def test_narrow_targets_can_be_ignored(loss, batch, dtype, ignored):
    logits, target = batch(6, 4)
    target[::2] = ignored
    expected = loss.function(logits, target, ignore_index=ignored)
    torch.testing.assert_close(loss.function(logits, target.to(dtype), ignore_index=ignored), expected)
    torch.testing.assert_close(expected, loss.function(logits[1::2], target[1::2]))


@pytest.mark.parametrize("ignored", [0, 1, 3])
def test_any_class_can_be_ignored(loss, batch, ignored):
    """The first and the last too, whether or not others are there."""
    logits, _ = batch(8, 4)
    for target in (torch.tensor([0, 1, 2, 3, 3, 2, 1, 0]), torch.tensor([ignored] * 4 + [2] * 4)):
        expected = loss.function(logits[target != ignored], target[target != ignored])
        torch.testing.assert_close(loss.function(logits, target, ignore_index=ignored), expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_all_ignored_is_as_in_pytorch(loss, batch, weighted):
    logits, target = batch(4, 3)
    target[:] = -100
    weight = torch.ones(3, dtype=torch.float64) if weighted else None
    for reduction in ("none", "mean", "sum"):
        expected = F.cross_entropy(logits, target, weight=weight, reduction=reduction)
        got = loss.function(logits, target, weight=weight, reduction=reduction)
        torch.testing.assert_close(got, expected, equal_nan=True)
    assert loss.function(logits, target, weight=weight).isnan()


@pytest.mark.parametrize("shape", [(0, 3), (2, 3, 0)])
def test_an_empty_batch_is_as_in_pytorch(loss, shape):
    logits = torch.zeros(shape, requires_grad=True)
    target = torch.zeros((shape[0], *shape[2:]), dtype=torch.long)
    assert loss.function(logits, target).isnan()
    assert loss.function(logits, target, reduction="sum").item() == 0
    assert loss.function(logits, target, reduction="none").shape == target.shape
    loss.function(logits, target, reduction="sum").backward()
    assert logits.grad.shape == shape


def test_weights_of_another_type_do_not_widen_the_loss(loss, batch):
    logits, target = batch(6, 3)
    weight = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    expected = loss.function(logits, target, weight=weight)
    for dtype in (torch.float16, torch.float32):
        got = loss.function(logits.to(dtype), target, weight=weight)
        assert got.dtype == dtype
        torch.testing.assert_close(got.double(), expected, rtol=5e-3, atol=1e-3)
    torch.testing.assert_close(loss.function(logits, target, weight=weight.int()), expected)


def test_weights_in_half_precision_are_summed_in_the_precision_of_the_losses(loss):
    # bfloat16 counts to 256.
    logits = torch.tensor([[0.5, 1.0, -1.0]]).expand(257, 3)
    target = torch.zeros(257, dtype=torch.long)
    got = loss.function(logits, target, weight=torch.ones(3, dtype=torch.bfloat16))
    torch.testing.assert_close(got, loss.function(logits, target))


def test_more_examples_than_half_precision_can_count(loss):
    """float16 ends at 65504."""
    rows = 70_000
    logits = torch.tensor([0.5, -0.25, 1.0], dtype=torch.float16).repeat(rows, 1)
    target = torch.zeros(rows, dtype=torch.long)
    target[0] = -100
    expected = loss.function(logits[:1], target[1:2])
    torch.testing.assert_close(loss.function(logits, target), expected, rtol=2e-3, atol=1e-6)
