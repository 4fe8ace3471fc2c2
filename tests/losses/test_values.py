"""Values of the losses, against arithmetic of 120 digits."""

import math

import pytest
import torch
from torch.nn import functional as F

from lossbook.losses import nllr_loss, softmax_bce_loss

# K in {2, 3, 10}; confidently right, wrong, undecided, ties, far beyond the range of exp.
LOGITS = [
    [0.0, 0.0],
    [1.0, -0.5],
    [-3.0, 7.0],
    [1e4, -1e4],
    [1e4, 1e4],
    [-1e4, -1e4 + 1],
    [1e-8, -1e-8],
    [0.0, 0.0, 0.0],
    [0.5, -1.25, 2.0],
    [-40.0, 3.0, 1.0],
    [40.0, 3.0, 1.0],
    [1e4, 0.0, -1e4],
    [-1e4, 1e4, 1e4],
    [3e-7, 2e-7, -1e-7],
    [0.0] * 10,
    [0.1 * k for k in range(10)],
    [(-1) ** k * 2.0 * k for k in range(10)],
    [1e4] + [-1e4] * 9,
    [-1e4] + [1e4] * 9,
    [1000.0 * k for k in range(10)],
]


def room(logits, dtype):
    """What is left beside relative digits: the rounding of the logits' own differences."""
    return 8 * torch.finfo(dtype).eps * max(1.0, *(abs(z) for z in logits))


def paths(variant, logits, target):
    """The loss of one example, as the block kernel and as the differentiable formula have it."""
    row = torch.as_tensor(logits)
    yield variant.function(row[None], torch.tensor([target])).item()
    yield variant.function(row[None, :, None], torch.tensor([[target]])).item()


def test_float64_values(variant, exact):
    for logits in LOGITS:
        for target in sorted({0, 1, len(logits) - 1}):
            expected = exact(variant, logits, target)
            for got in paths(variant, torch.tensor(logits, dtype=torch.float64), target):
                assert got == pytest.approx(expected, rel=1e-12, abs=room(logits, torch.float64)), logits


@pytest.mark.parametrize(
    ("dtype", "digits"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.float16, 2e-3)]
)
def test_narrower_types_keep_their_digits_and_their_type(variant, exact, dtype, digits):
    for logits in LOGITS:
        held = torch.tensor(logits, dtype=dtype)
        assert variant.function(held[None], torch.tensor([0])).dtype == dtype
        expected = exact(variant, held.double().tolist(), 0)
        for got in paths(variant, held, 0):
            assert got == pytest.approx(expected, rel=digits, abs=room(logits, torch.float32)), logits


# 1 - p is rounded away here unless it is built from the competitors.
SURE = [[40.0, 3.0, 1.0], [20.0, -20.0], [200.0, 0.0, 10.0, -10.0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_confident_predictions_keep_relative_digits(in_family, exact, dtype):
    """However small the loss of a target that is nearly certain, and whatever the target."""
    few = 200 * torch.finfo(dtype).eps
    for logits in SURE:
        for target in range(len(logits)):
            expected = exact(in_family, logits, target)
            if not expected or abs(expected) > torch.finfo(dtype).tiny:
                for got in paths(in_family, torch.tensor(logits, dtype=dtype), target):
                    assert got == pytest.approx(expected, rel=few, abs=0), logits


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_logits_of_ten_thousand(variant, exact, exact_gradient, gradient, dtype):
    """Far beyond where exp overflows, and where 1 - p can be told from 0 or 1."""
    eps = torch.finfo(dtype).eps
    for logits in ([1e4, -1e4, -1e4], [-1e4, 1e4, -1e4], [-1e4, 1e4, 0.0], [-1e4, 0.0, 0.0]):
        held = torch.tensor(logits, dtype=dtype)  # bfloat16 has 9984 for 10000
        expected = exact(variant, held.tolist(), 0)
        for got in paths(variant, held, 0):
            assert got == pytest.approx(expected, rel=2 * eps, abs=2 * eps), logits
        slopes = gradient(variant.function, held[None], torch.tensor([0]))
        assert slopes.dtype == dtype
        expected = exact_gradient(variant, held.tolist(), 0)
        assert slopes[0].tolist() == pytest.approx(expected, rel=2 * eps, abs=2 * eps), logits


@pytest.mark.parametrize("common", [1e4, 1e6, -1e6])
def test_what_all_logits_have_in_common_costs_no_digits(variant, exact, common):
    held = common + torch.tensor([0.0, 1.5, -2.0, 0.5])  # in float32, without rounding
    expected = exact(variant, (held - common).tolist(), 0)
    for got in paths(variant, held, 0):
        assert got == pytest.approx(expected, rel=1e-5), common


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_survives_a_thousand_classes(variant, exact, dtype):
    # A sum of 999 ones is beyond the 256 that bfloat16 counts to.
    expected = exact(variant, [0.0] * 1000, 3)
    got = variant.function(torch.zeros(1, 1000, dtype=dtype), torch.tensor([3])).double().item()
    assert got == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once_at_the_end(variant, exact, dtype):
    # bfloat16 has steps of a half near 100, so a log-sum-exp rounded to it would be off by a tenth.
    logits = [100.0, 99.0, 101.0]
    got = variant.function(torch.tensor([logits], dtype=dtype), torch.tensor([0]))
    expected = torch.tensor(exact(variant, logits, 0), dtype=dtype)
    assert got.item() == pytest.approx(expected.item(), rel=torch.finfo(dtype).eps)


def test_two_classes_are_binary():
    logits = torch.tensor([[0.0, 3.0], [2.0, -5.0]], dtype=torch.float64)
    target = torch.tensor([0, 0])
    torch.testing.assert_close(nllr_loss(logits, target, reduction="none").tolist(), [3.0, -7.0])
    twice = 2 * F.cross_entropy(logits, target, reduction="none")
    torch.testing.assert_close(softmax_bce_loss(logits, target, reduction="none"), twice)


@pytest.mark.parametrize("place", ["target", "elsewhere"])
@pytest.mark.parametrize("extra", [(), (1,)], ids=["kernel", "formula"])
def test_nan_logits_give_nan_to_their_example_alone(loss, batch, gradient, place, extra):
    seen = (loss.name, place) != ("complement_entropy", "target")
    logits, target = batch(4, 3, *extra)
    clean = loss.function(logits, target, reduction="none")
    clean_gradient = gradient(loss.function, logits, target)
    column = int(target[1]) if place == "target" else (int(target[1]) + 1) % 3
    logits[1, column] = math.nan
    got = loss.function(logits, target, reduction="none")
    assert got.isnan().flatten().tolist() == [False, seen, False, False]
    assert torch.equal(got[[0, 2, 3]], clean[[0, 2, 3]])
    assert torch.equal(gradient(loss.function, logits, target)[[0, 2, 3]], clean_gradient[[0, 2, 3]])
    assert loss.function(logits, target).isnan() == seen
    assert loss.function(logits, target, reduction="sum").isnan() == seen


@pytest.mark.parametrize("extra", [(), (1,)], ids=["kernel", "formula"])
def test_nan_beside_a_target_far_ahead(variant, gradient, extra):
    """Examples are evaluated together, and do not see each other."""
    logits = torch.tensor([[200.0, 0.0, 1.0], [-200.0, 0.0, 1.0], [0.5, 0.0, 1.0], [math.nan, 0.0, 1.0]])
    logits = logits.view(4, 3, *extra)
    target = torch.zeros(4, *extra, dtype=torch.long)
    got = variant.function(logits, target, reduction="none")
    slopes = gradient(variant.function, logits, target)
    for i in range(3):
        alone = logits[i : i + 1], target[i : i + 1]
        torch.testing.assert_close(got[i : i + 1], variant.function(*alone, reduction="none"))
        torch.testing.assert_close(slopes[i : i + 1], gradient(variant.function, *alone))


def test_logits_of_any_memory_layout(loss, batch):
    logits, target = batch(3, 4, 5, 6)
    expected = loss.function(logits, target, reduction="none")
    scattered = logits.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)
    assert not scattered.is_contiguous()
    torch.testing.assert_close(loss.function(scattered, target, reduction="none"), expected)
    widened = target.repeat_interleave(2, dim=2)[:, :, ::2]
    torch.testing.assert_close(loss.function(logits, widened, reduction="none"), expected)
