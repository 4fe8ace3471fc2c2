"""Values of the losses, against 50-digit arithmetic."""

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
CASES = [(logits, target) for logits in LOGITS for target in sorted({0, 1, len(logits) - 1})]


@pytest.mark.parametrize(("logits", "target"), CASES)
def test_float64_values(loss, exact, logits, target):
    expected = exact(logits, target)[loss.name]
    got = loss.function(torch.tensor([logits], dtype=torch.float64), torch.tensor([target])).item()
    # What is left beside 12 digits is the rounding of the logits' own differences.
    room = 8 * torch.finfo(torch.float64).eps * max(1.0, *(abs(z) for z in logits))
    assert got == pytest.approx(expected, rel=1e-12, abs=room)


@pytest.mark.parametrize(
    ("dtype", "digits"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.float16, 2e-3)]
)
@pytest.mark.parametrize("logits", LOGITS)
def test_narrower_types_keep_their_digits_and_their_type(loss, exact, logits, dtype, digits):
    held = torch.tensor([logits], dtype=dtype)
    target = torch.tensor([0])
    got = loss.function(held, target)
    assert got.dtype == dtype
    expected = exact(held[0].double().tolist(), 0)[loss.name]
    room = 8 * torch.finfo(torch.float32).eps * max(1.0, *(abs(z) for z in logits))
    assert got.double().item() == pytest.approx(expected, rel=digits, abs=room)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_survives_a_thousand_classes(loss, dtype):
    # A sum of 999 ones is beyond the 256 that bfloat16 counts to.
    got = loss.function(torch.zeros(1, 1000, dtype=dtype), torch.tensor([3])).double().item()
    p = 1 / 1000
    expected = {
        "nllr": math.log(999),
        "bce": -math.log(p) - 999 * math.log1p(-p),
        "el": 1 - p,
        "mae": 2 * (1 - p),
    }
    assert got == pytest.approx(expected[loss.name], rel=5e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once_at_the_end(loss, exact, dtype):
    # bfloat16 has steps of a half near 100, so a log-sum-exp rounded to it would be off by a tenth.
    logits = [100.0, 99.0, 101.0]
    got = loss.function(torch.tensor([logits], dtype=dtype), torch.tensor([0]))
    expected = torch.tensor(exact(logits, 0)[loss.name], dtype=dtype)
    assert got.item() == pytest.approx(expected.item(), rel=torch.finfo(dtype).eps)


def test_two_classes_are_binary():
    logits = torch.tensor([[0.0, 3.0], [2.0, -5.0]], dtype=torch.float64)
    target = torch.tensor([0, 0])
    torch.testing.assert_close(nllr_loss(logits, target, reduction="none").tolist(), [3.0, -7.0])
    twice = 2 * F.cross_entropy(logits, target, reduction="none")
    torch.testing.assert_close(softmax_bce_loss(logits, target, reduction="none"), twice)


@pytest.mark.parametrize("place", ["target", "elsewhere"])
def test_nan_logits_give_nan_to_their_example_alone(loss, batch, place):
    logits, target = batch(4, 3)
    clean = loss.function(logits, target, reduction="none")
    column = int(target[1]) if place == "target" else (int(target[1]) + 1) % 3
    logits[1, column] = math.nan
    got = loss.function(logits, target, reduction="none")
    assert got.isnan().tolist() == [False, True, False, False]
    assert torch.equal(got[[0, 2, 3]], clean[[0, 2, 3]])
    assert loss.function(logits, target).isnan()
    assert loss.function(logits, target, reduction="sum").isnan()


def test_a_class_with_logit_minus_infinity_is_as_if_absent(loss):
    without = torch.tensor([[0.5, -1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    absent = torch.tensor([[0.5, -1.0, 2.0, -math.inf]], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([1])
    for logits in (without, absent):
        loss.function(logits, target).backward()
    torch.testing.assert_close(loss.function(absent, target), loss.function(without, target))
    torch.testing.assert_close(absent.grad[:, :3], without.grad)
    assert absent.grad[0, 3] == 0


def test_logits_of_any_memory_layout(loss, batch):
    logits, target = batch(3, 4, 5, 6)
    expected = loss.function(logits, target, reduction="none")
    scattered = logits.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)
    assert not scattered.is_contiguous()
    torch.testing.assert_close(loss.function(scattered, target, reduction="none"), expected)
    widened = target.repeat_interleave(2, dim=2)[:, :, ::2]
    torch.testing.assert_close(loss.function(logits, widened, reduction="none"), expected)
