"""Input that a loss cannot take is refused with a sentence that names it."""

import pytest
import torch

LOGITS = torch.zeros(4, 3)
TARGET = torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("target", "named"), [([0, 1, 3, 0], "3"), ([0, -1, 2, 0], "-1"), ([0, 1, -100, -101], "-101")]
)
def test_targets_out_of_range(loss, target, named):
    with pytest.raises(ValueError, match=rf"0\.\.2 or equal ignore_index \(-100\); found {named}$"):
        loss.function(LOGITS, torch.tensor(target))


def test_ignore_index_is_the_only_exception(loss):
    with pytest.raises(ValueError, match=r"ignore_index \(-1\); found -100$"):
        loss.function(LOGITS, torch.tensor([0, -1, -100, 0]), ignore_index=-1)
    assert loss.function(LOGITS, torch.tensor([0, 7, 1, 0]), ignore_index=7).isfinite()


def test_out_of_range_in_a_grid_of_targets(loss):
    target = torch.zeros(4, 2, 2, dtype=torch.long)
    target[3, 1, 0] = 9
    with pytest.raises(ValueError, match="found 9"):
        loss.function(torch.zeros(4, 3, 2, 2), target)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bool, torch.complex64])
def test_targets_that_are_not_integers(loss, dtype):
    with pytest.raises(TypeError, match=rf"integer tensor; got {dtype}$"):
        loss.function(LOGITS, TARGET.to(dtype))


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.uint8, torch.int16, torch.int8])
def test_integer_targets_of_other_widths_are_fine(loss, dtype):
    logits = torch.linspace(-1, 1, 12).reshape(4, 3)
    torch.testing.assert_close(loss.function(logits, TARGET.to(dtype)), loss.function(logits, TARGET))


def test_targets_that_are_no_tensor(loss):
    with pytest.raises(TypeError, match="integer tensor; got list"):
        loss.function(LOGITS, [0, 1, 2, 0])


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_logits_that_are_not_floating_point(loss, dtype):
    with pytest.raises(TypeError, match=rf"floating-point tensor; got {dtype}$"):
        loss.function(LOGITS.to(dtype), TARGET)


def test_logits_that_are_no_tensor(loss):
    with pytest.raises(TypeError, match="floating-point tensor; got list"):
        loss.function([[0.0, 1.0]], torch.tensor([0]))


@pytest.mark.parametrize("shape", [(), (3,)])
def test_logits_of_too_few_dimensions(loss, shape):
    with pytest.raises(ValueError, match=rf"\[B, K\].*; got \[{', '.join(map(str, shape))}\]"):
        loss.function(torch.zeros(shape), torch.tensor(0))


def test_a_single_class(loss):
    with pytest.raises(ValueError, match="at least 2 of them; the logits have 1"):
        loss.function(torch.zeros(4, 1), torch.zeros(4, dtype=torch.long))


@pytest.mark.parametrize(
    ("logits", "target", "expected", "got"),
    [
        ((4, 3), (3,), "[4]", "[3]"),
        ((4, 3), (4, 1), "[4]", "[4, 1]"),
        ((4, 3), (4, 3), "[4]", "[4, 3]"),
        ((4, 3), (), "[4]", "[]"),
        ((4, 3, 5), (4,), "[4, 5]", "[4]"),
        ((4, 3, 5, 6), (4, 6, 5), "[4, 5, 6]", "[4, 6, 5]"),
    ],
)
def test_targets_of_wrong_shape(loss, logits, target, expected, got):
    with pytest.raises(ValueError, match="without the class dimension") as refused:
        loss.function(torch.zeros(logits), torch.zeros(target, dtype=torch.long))
    assert f"{expected}; got {got} for logits of shape {list(logits)}" in str(refused.value)


@pytest.mark.parametrize("shape", [(2,), (4,), (3, 1), ()])
def test_weights_of_wrong_shape(loss, shape):
    with pytest.raises(ValueError, match=r"shape \[3\]; got") as refused:
        loss.function(LOGITS, TARGET, weight=torch.ones(shape))
    assert str(refused.value).endswith(f"got {list(shape)}")
    with pytest.raises(ValueError, match="one entry a class"):
        loss.module(weight=torch.ones(shape))(LOGITS, TARGET)


@pytest.mark.parametrize("reduction", ["avg", "Mean", "", None])
def test_unknown_reductions(loss, reduction):
    with pytest.raises(ValueError, match=f"none, mean, sum; got {reduction!r}"):
        loss.function(LOGITS, TARGET, reduction=reduction)
    with pytest.raises(ValueError, match=f"none, mean, sum; got {reduction!r}"):
        loss.module(reduction=reduction)
