"""Input that a loss cannot take is refused with a sentence that names it."""

import inspect

import pytest
import torch

LOGITS = torch.zeros(4, 3)
TARGET = torch.tensor([0, 1, 2, 0])


def refused(kind, call, *arguments, **settings):
    """What is said on refusal."""
    with pytest.raises(kind) as caught:
        call(*arguments, **settings)
    assert type(caught.value) is kind
    return str(caught.value)


@pytest.mark.parametrize(
    ("target", "named"), [([0, 1, 3, 0], 3), ([0, -1, 2, 0], -1), ([0, 1, -100, -101], -101)]
)
def test_targets_out_of_range(loss, target, named):
    said = refused(ValueError, loss.function, LOGITS, torch.tensor(target))
    assert said == f"targets must lie in 0..2 or equal ignore_index (-100); found {named}"


def test_ignore_index_is_the_only_exception(loss):
    target = torch.tensor([0, -1, -100, 0])
    said = refused(ValueError, loss.function, LOGITS, target, ignore_index=-1)
    assert said == "targets must lie in 0..2 or equal ignore_index (-1); found -100"
    assert loss.function(LOGITS, torch.tensor([0, 7, 1, 0]), ignore_index=7).isfinite()
    assert loss.function(LOGITS, torch.tensor([0, -7, 1, 0]), ignore_index=-7).isfinite()


def test_out_of_range_in_a_grid_of_targets(loss):
    target = torch.zeros(4, 2, 2, dtype=torch.long)
    target[3, 1, 0] = 9
    said = refused(ValueError, loss.function, torch.zeros(4, 3, 2, 2), target)
    assert said == "targets must lie in 0..2 or equal ignore_index (-100); found 9"


@pytest.mark.parametrize("dtype", [torch.bool, torch.complex64])
def test_targets_that_are_neither_integers_nor_floating_point(loss, dtype):
    said = refused(TypeError, loss.function, LOGITS, TARGET.to(dtype))
    assert said == f"targets must be class indices, an integer tensor; got {dtype}"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_class_indices_of_floating_point(loss, dtype):
    if "label_smoothing" in inspect.signature(loss.function_of).parameters:
        said = refused(ValueError, loss.function, LOGITS, TARGET.to(dtype))
        assert said == (
            "class probabilities must have the logits' shape, [4, 3]; got [4] (class indices are integers)"
        )
    else:
        said = refused(TypeError, loss.function, LOGITS, TARGET.to(dtype))
        assert said == (
            f"targets must be class indices, an integer tensor; got {dtype}; this loss has no meaning for "
            "class probabilities: for mixup and cutmix take "
            "lam * loss(logits, a) + (1 - lam) * loss(logits, b)"
        )


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.uint8, torch.int16, torch.int8])
def test_integer_targets_of_other_widths_are_fine(loss, dtype):
    logits = torch.linspace(-1, 1, 12).reshape(4, 3)
    torch.testing.assert_close(loss.function(logits, TARGET.to(dtype)), loss.function(logits, TARGET))


def test_targets_that_are_no_tensor(loss):
    said = refused(TypeError, loss.function, LOGITS, [0, 1, 2, 0])
    assert said == "targets must be class indices, an integer tensor; got list"


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_logits_that_are_not_floating_point(loss, dtype):
    said = refused(TypeError, loss.function, LOGITS.to(dtype), TARGET)
    assert said == f"logits must be a floating-point tensor; got {dtype}"


def test_logits_that_are_no_tensor(loss):
    said = refused(TypeError, loss.function, [[0.0, 1.0]], torch.tensor([0]))
    assert said == "logits must be a floating-point tensor; got list"


def test_logits_without_classes(loss):
    said = refused(ValueError, loss.function, torch.zeros(()), torch.tensor(0))
    assert said == "logits must have shape [K], [B, K] or [B, K, d1, ...]; got []"


@pytest.mark.parametrize("classes", [0, 1])
def test_too_few_classes(loss, classes):
    said = refused(ValueError, loss.function, torch.zeros(4, classes), torch.zeros(4, dtype=torch.long))
    assert said == f"a loss over competing classes needs at least 2 of them; the logits have {classes}"


@pytest.mark.parametrize(
    ("logits", "target", "expected"),
    [
        ((4, 3), (3,), [4]),
        ((4, 3), (4, 1), [4]),
        ((4, 3), (4, 3), [4]),
        ((4, 3), (), [4]),
        ((4, 3, 5), (4,), [4, 5]),
        ((4, 3, 5, 6), (4, 6, 5), [4, 5, 6]),
    ],
)
def test_targets_of_wrong_shape(loss, logits, target, expected):
    said = refused(ValueError, loss.function, torch.zeros(logits), torch.zeros(target, dtype=torch.long))
    assert said == (
        f"targets must have the logits' shape without the class dimension, {expected}; "
        f"got {list(target)} for logits of shape {list(logits)}"
    )


@pytest.mark.parametrize("shape", [(2,), (4,), (3, 1), ()])
def test_weights_of_wrong_shape(loss, shape):
    expected = f"weight must have one entry per class, shape [3]; got {list(shape)}"
    assert refused(ValueError, loss.function, LOGITS, TARGET, weight=torch.ones(shape)) == expected
    assert refused(ValueError, loss.module(weight=torch.ones(shape)), LOGITS, TARGET) == expected


@pytest.mark.parametrize("reduction", ["avg", "Mean", "", None])
def test_unknown_reductions(loss, reduction):
    expected = f"reduction must be one of none, mean, sum; got {reduction!r}"
    assert refused(ValueError, loss.function, LOGITS, TARGET, reduction=reduction) == expected
    assert refused(ValueError, loss.module, reduction=reduction) == expected
