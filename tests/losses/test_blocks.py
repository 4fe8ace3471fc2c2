"""The kernel that works in blocks of rows on a CPU, against the formula that serves everywhere else."""

import math

import pytest
import torch
from torch.func import jvp, vmap
from torch.nn import functional as F

from lossbook.losses import _rowwise
from lossbook.losses.softmax import PhiLoss, ce_phi

close = torch.testing.assert_close


@pytest.fixture
def small_blocks(monkeypatch):
    """Room for two rows of five classes in a block."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(_rowwise, "_BLOCK", 10)


@pytest.fixture
def evaluated(monkeypatch):
    """How many rows each call of a kernel had, and whether a gradient was asked for."""
    calls = []
    for rule in _rowwise.RowLoss.__subclasses__():

        def counted(self, logits, target, out, *, gradient, _own=rule.evaluate):
            calls.append((len(logits), gradient))
            return _own(self, logits, target, out, gradient=gradient)

        monkeypatch.setattr(rule, "evaluate", counted)
    return calls


def value_and_gradient(function, logits, target, **settings):
    leaf = logits.detach().requires_grad_()
    losses = function(leaf, target, reduction="none", **settings)
    slopes = torch.linspace(-1, 2, losses.numel(), dtype=losses.dtype).view_as(losses)
    return losses.detach(), torch.autograd.grad(losses, leaf, slopes)[0]


class Elsewhere(torch.Tensor):
    """Any subclass takes the path that a GPU takes."""


def by_formula(function, logits, target, **settings):
    """The same by the formula that serves everywhere but on a processor."""
    losses, gradient = value_and_gradient(function, logits.as_subclass(Elsewhere), target, **settings)
    return losses.as_subclass(torch.Tensor), gradient.as_subclass(torch.Tensor)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 6, 7])
def test_blocks_and_formula_agree(variant, batch, small_blocks, rows, dtype):
    logits, target = batch(rows, 5, scale=3.0)
    logits = logits.to(dtype)
    got = value_and_gradient(variant.function, logits, target)
    expected = by_formula(variant.function, logits, target)
    few = 100 * torch.finfo(dtype).eps
    close(got, expected, rtol=few, atol=few)


def test_the_last_block_may_be_smaller(loss, batch, small_blocks, evaluated):
    loss.function(*batch(7, 5))
    assert evaluated == [(2, False), (2, False), (2, False), (1, False)]
    evaluated.clear()
    value_and_gradient(loss.function, *batch(7, 5))
    assert evaluated == [(2, True), (2, True), (2, True), (1, True)]


@pytest.mark.parametrize("gradient", [False, True])
def test_a_row_longer_than_a_block_is_one(loss, batch, small_blocks, evaluated, gradient):
    logits, target = batch(2, 11)
    logits.requires_grad_(gradient)
    loss.function(logits, target)
    assert evaluated == [(1, gradient)] * 2


@pytest.mark.parametrize("gradient", [False, True])
def test_one_block_is_not_split(loss, batch, evaluated, gradient):
    logits, target = batch(7, 5)
    logits.requires_grad_(gradient)
    loss.function(logits, target)
    assert evaluated == [(7, gradient)]


def test_blocks_grow_with_the_threads(loss, batch, monkeypatch, evaluated):
    monkeypatch.setattr(_rowwise, "_BLOCK", 10)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    loss.function(*batch(7, 5))
    assert evaluated == [(6, False), (1, False)]


def test_the_first_backward_pass_evaluates_nothing_anew(loss, batch, evaluated):
    logits, target = batch(4, 3)
    loss.function(logits.requires_grad_(), target).backward()
    assert evaluated == [(4, True)]


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:FutureWarning")  # of torch about itself
def test_the_kernel_serves_on_a_cpu(loss, batch, evaluated):
    logits, target = batch(4, 3)
    loss.function(logits.to("meta"), target.to("meta"))
    vmap(loss.function)(logits[None], target[None])
    jvp(lambda z: loss.function(z, target), (logits,), (logits,))
    assert evaluated == []
    loss.function(logits, target)
    assert evaluated == [(4, False)]
    evaluated.clear()
    loss.function(*batch(4, 3, 2))
    assert evaluated == [(8, False)]


@pytest.mark.parametrize("shape", [(1, 5, 90), (3, 5, 40), (4, 5, 6, 7), (50, 5, 1, 2)])
@pytest.mark.parametrize("room", [10, 220, 1000], ids="room for {}".format)
def test_positions_are_examples(loss, batch, monkeypatch, shape, room):
    """Blocks of positions of one image, and of several images; in either layout."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(_rowwise, "_BLOCK", room)
    logits, target = batch(shape[0], shape[1], *shape[2:], scale=3.0)
    rows = logits.movedim(1, -1).reshape(-1, shape[1]), target.flatten()
    if room == 1000 and len(shape) == 4:
        logits = logits.contiguous(memory_format=torch.channels_last)
    expected, slopes = value_and_gradient(loss.function, *rows)
    got, got_slopes = value_and_gradient(loss.function, logits, target)
    close(got.flatten(), expected, rtol=1e-13, atol=1e-15)
    close(got_slopes.movedim(1, -1).reshape(-1, shape[1]), slopes, rtol=1e-12, atol=1e-14)
    close(loss.function(logits, target, reduction="none").flatten(), expected, rtol=1e-13, atol=1e-15)
    target.view(-1)[::3] = 2
    settings = {"weight": [0.5, 1.0, 3.0, 0.25, 1.0], "ignore_index": 2}
    for reduction in ("mean", "sum"):
        both = []
        for z, y in ((logits, target), (rows[0], target.flatten())):
            leaf = z.detach().clone().requires_grad_()
            value = loss.function(leaf, y, reduction=reduction, **settings)
            both.append((value.detach(), torch.autograd.grad(value, leaf)[0]))
        close(both[0][0], both[1][0])
        close(both[0][1].movedim(1, -1).reshape(-1, shape[1]), both[1][1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("extra", [(), (1,)], ids=["kernel", "formula"])
def test_half_precision_is_widened_to_single(batch, dtype, extra):
    """As PyTorch does it: to float32, no further."""
    logits, target = batch(4, 3, *extra)
    assert _rowwise.row_losses(PhiLoss(ce_phi()), logits.to(dtype), target).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_in_blocks(variant, batch, small_blocks, dtype):
    logits, target = batch(7, 5)
    narrow = logits.to(dtype)
    losses, gradient = value_and_gradient(variant.function, narrow, target)
    assert losses.dtype == gradient.dtype == dtype
    wide, wide_gradient = value_and_gradient(variant.function, narrow.float(), target)
    assert torch.equal(losses, wide.to(dtype))
    # The formula's slopes are rounded to half precision, on the way from the losses.
    close(gradient.float(), wide_gradient, rtol=2 * torch.finfo(dtype).eps, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_half_precision_gradient_is_scaled_before_it_is_rounded(loss, dtype):
    """A loss scaled up, as gradient scalers do, keeps gradients that would round to 0."""
    logits = torch.tensor([[9.0, -9.0, -8.0]], dtype=dtype, requires_grad=True)
    loss.function(logits, torch.tensor([0])).float().mul(2.0**14).backward()
    wide = logits.detach().double().requires_grad_()
    (expected,) = torch.autograd.grad(loss.function(wide, torch.tensor([0])), wide)
    rounded = torch.finfo(dtype).eps
    close(logits.grad.double(), 2.0**14 * expected, rtol=4 * rounded, atol=2.0**14 * 1e-7)


def test_any_gap_bears_a_loss_scale(in_family, gradient):
    """Rows of very different gaps in one block, and incoming slopes as a gradient scaler has them."""
    gaps = torch.tensor([-100.0, -72.0, -70.0, -60.0, -43.0, -20.0, 0.0, 20.0, 100.0])
    logits = torch.stack([-gaps, torch.zeros(9), torch.full((9,), -3.0)], dim=1)
    target = torch.zeros(9, dtype=torch.long)
    expected = torch.cat([gradient(in_family.function, z[None], target[:1]) for z in logits])
    for scale in (1.0, 2.0**24, 2.0**-24):
        leaf = logits.clone().requires_grad_()
        (scale * in_family.function(leaf, target, reduction="sum")).backward()
        # Down to where numbers have no more digits.
        close(leaf.grad / scale, expected, rtol=2e-5, atol=1e-30)


# --- the graph ----------------------------------------------------------------------------------------------


def test_a_graph_can_be_used_again_if_kept(variant, batch, small_blocks):
    logits, target = batch(7, 5)
    leaf = logits.requires_grad_()
    losses = variant.function(leaf, target, reduction="none")
    slopes = torch.linspace(-1, 2, 7, dtype=torch.float64)
    first = torch.autograd.grad(losses, leaf, slopes, retain_graph=True)[0].clone()
    for factor in (1, 3):
        (again,) = torch.autograd.grad(losses, leaf, factor * slopes, retain_graph=True)
        close(again, factor * first, rtol=1e-14, atol=1e-16)


def test_gradients_add_up(loss, batch, small_blocks, gradient):
    logits, target = batch(7, 5)
    leaf = logits.clone().requires_grad_()
    for _ in range(2):
        loss.function(leaf, target).backward()
    total = loss.function(leaf, target)
    total.backward(retain_graph=True)
    total.backward()
    close(leaf.grad, 4 / 7 * gradient(loss.function, logits, target), rtol=1e-13, atol=1e-15)


def test_a_graph_not_kept_is_gone(loss, batch):
    logits, target = batch(4, 3)
    total = loss.function(logits.requires_grad_(), target)
    total.backward()
    with pytest.raises(RuntimeError, match="second time"):
        total.backward()


def test_a_second_pass_after_the_logits_changed_is_refused(loss, batch):
    logits, target = batch(4, 3)
    logits.requires_grad_()
    total = loss.function(logits, target)
    total.backward(retain_graph=True)
    with torch.no_grad():
        logits.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


def test_a_backward_pass_after_the_logits_changed_is_refused(loss, batch):
    logits, target = batch(4, 3)
    leaf = logits.clone().requires_grad_()
    total = loss.function(leaf, target)
    with torch.no_grad():
        leaf.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


def test_losses_may_be_changed_in_place(variant, batch, gradient):
    logits, target = batch(4, 3)
    leaf = logits.clone().requires_grad_()
    losses = variant.function(leaf, target, reduction="none")
    losses *= 3
    losses.sum().backward()
    close(leaf.grad, 3 * gradient(variant.function, logits, target))


def test_overwriting_the_losses_does_not_change_the_gradient(variant, batch, gradient):
    logits, target = batch(4, 3)
    leaf = logits.clone().requires_grad_()
    losses = variant.function(leaf, target, reduction="none")
    total = losses.sum()
    with torch.no_grad():
        losses.fill_(7)
    total.backward()
    close(leaf.grad, gradient(variant.function, logits, target))


def test_the_gradient_flows_on_into_a_network(loss, batch):
    inputs, target = batch(6, 4)
    weight = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    weight.requires_grad_()
    target %= 3
    torch.autograd.gradcheck(lambda w: loss.function(inputs @ w, target), (weight,))


def test_logits_without_gradient(loss, batch):
    logits, target = batch(4, 3)
    assert not loss.function(logits, target).requires_grad
    with torch.no_grad():
        assert not loss.function(logits.requires_grad_(), target).requires_grad
    assert loss.function(logits, target).requires_grad


def test_inference_mode(loss, batch):
    logits, target = batch(4, 3)
    expected = loss.function(logits, target)
    with torch.inference_mode():
        close(loss.function(logits, target), expected)
        made_inside = logits.clone()
    close(loss.function(made_inside, target), expected)
    # A weight that learns, beside logits from inference.
    weight = torch.ones(3, dtype=torch.float64, requires_grad=True)
    loss.function(made_inside, target, weight=weight, reduction="sum").backward()
    assert weight.grad.isfinite().all()


def test_the_second_derivative_reaches_the_incoming_slopes(loss, batch):
    """The gradient is linear in what comes from above, so its derivative by that is the gradient itself."""
    logits, target = batch(3, 4)
    logits.requires_grad_()
    slopes = torch.ones(3, dtype=torch.float64, requires_grad=True)
    losses = loss.function(logits, target, reduction="none")
    (gradient,) = torch.autograd.grad(losses, logits, slopes, create_graph=True)
    (back,) = torch.autograd.grad(gradient.square().sum() / 2, slopes)
    close(back, gradient.detach().square().sum(1))


def test_a_gradient_penalty_trains(loss, batch):
    """A first pass with create_graph, then an ordinary one through both the loss and its gradient."""
    logits, target = batch(3, 4)

    def penalised(values):
        total = loss.function(values, target)
        (slope,) = torch.autograd.grad(total, values, create_graph=True)
        return total + slope.square().sum()

    leaf = logits.clone().requires_grad_()
    penalised(leaf).backward()
    step = 1e-6
    for i in range(4):
        moved = torch.zeros_like(logits)
        moved[1, i] = step
        sides = [penalised((logits + s * moved).requires_grad_()).item() for s in (1, -1)]
        assert leaf.grad[1, i].item() == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-7)


# --- memory -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layout",
    [
        lambda z: z.t().contiguous().t(),
        lambda z: z.repeat_interleave(2, dim=1)[:, ::2],
        lambda z: z.repeat(3, 1)[len(z) : 2 * len(z)],
        lambda z: F.pad(z, (1, 2))[:, 1:-2],
        lambda z: z.flip(0).flip(0),
    ],
    ids=["transposed", "every second", "from the middle", "columns of a wider one", "flipped twice"],
)
def test_logits_of_any_layout(variant, batch, small_blocks, layout):
    logits, target = batch(7, 5)
    expected = value_and_gradient(variant.function, logits, target)
    close(value_and_gradient(variant.function, layout(logits), target), expected, rtol=1e-13, atol=1e-15)


def test_expanded_logits_and_targets(loss, batch, small_blocks):
    logits, target = batch(1, 5)
    expected = value_and_gradient(loss.function, logits.repeat(7, 1), target.repeat(7))
    got = value_and_gradient(loss.function, logits.expand(7, 5), target.expand(7))
    close(got, expected)
    equal_logits = logits[:, :1].expand(7, 5)  # stride 0 along the classes
    expected = value_and_gradient(loss.function, equal_logits.contiguous(), target.expand(7))
    close(value_and_gradient(loss.function, equal_logits, target.expand(7)), expected)


def test_the_input_is_left_as_it_was(variant, batch, small_blocks):
    logits, target = batch(7, 5)
    target[0] = -100
    weight = torch.rand(5, dtype=torch.float64)
    kept = logits.clone(), target.clone(), weight.clone()
    value_and_gradient(variant.function, logits, target, weight=weight)
    for before, after in zip(kept, (logits, target, weight), strict=True):
        assert torch.equal(before, after)


# --- masked classes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [value_and_gradient, by_formula])
def test_a_class_with_logit_minus_infinity_is_as_if_absent(variant, path):
    without = torch.tensor([[0.5, -1.0, 2.0], [3.0, 1.0, 0.0]], dtype=torch.float64)
    absent = F.pad(without, (1, 1), value=-math.inf)
    expected, slopes = path(variant.function, without, torch.tensor([1, 0]))
    got, got_slopes = path(variant.function, absent, torch.tensor([2, 1]))
    close(got, expected, rtol=1e-13, atol=1e-15)
    close(got_slopes[:, 1:4], slopes, rtol=1e-13, atol=1e-15)
    assert (got_slopes[:, [0, 4]] == 0).all()


@pytest.mark.parametrize("path", [value_and_gradient, by_formula])
def test_a_single_competitor_left(variant, path, exact):
    logits = torch.tensor([[0.5, -math.inf, 2.0, -math.inf]], dtype=torch.float64)
    got, slopes = path(variant.function, logits, torch.tensor([0]))
    assert got.item() == pytest.approx(exact(variant, [0.5, 2.0], 0), rel=1e-14, abs=1e-16)
    assert slopes[0, [1, 3]].tolist() == [0, 0]
    assert slopes.isfinite().all()


@pytest.mark.parametrize("path", [value_and_gradient, by_formula])
def test_no_competitor_left(variant, path):
    """The target is certain: like cross-entropy, nothing to lose and nothing to learn (NLLR has no bound)."""
    logits = torch.tensor([[0.5, -math.inf, -math.inf]], dtype=torch.float64)
    got, slopes = path(variant.function, logits, torch.tensor([0]))
    if variant.name == "nllr":
        assert got.item() == -math.inf
    elif variant.name == "nllr-clipped":
        assert got.item() == pytest.approx(-math.log(2**7 - 1))
    else:
        assert got.item() == 0
    assert slopes[0, 1:].tolist() == [0, 0]
    if variant.name != "nllr":
        assert slopes[0, 0] == 0


def test_an_impossible_target_has_the_limits(variant, exact, exact_gradient):
    """What the loss and its gradient tend to as the target falls behind; MPCE's gradient has no limit."""
    logits, target = torch.tensor([[-math.inf, 1.0, 0.0]], dtype=torch.float64), torch.tensor([0])
    far = [-1e30, 1.0, 0.0]
    bounded = exact(variant, far, 0) < 60  # log(1 + CE) is 69
    for path in (value_and_gradient, by_formula):
        got = path(variant.function, logits, target)[0].item()
        assert got == (pytest.approx(exact(variant, far, 0), rel=1e-14) if bounded else math.inf)

    def slopes(kind):
        leaf = logits.clone().as_subclass(kind).requires_grad_()
        return torch.autograd.grad(variant.function(leaf, target, reduction="sum"), leaf)[0][0].tolist()

    expected = pytest.approx(exact_gradient(variant, far, 0), rel=1e-13, abs=1e-13)
    if variant.name != "mpce":
        assert slopes(torch.Tensor) == expected
        assert slopes(Elsewhere) == expected


@pytest.mark.parametrize("path", [value_and_gradient, by_formula])
def test_an_ignored_example_may_have_any_class_masked(variant, path):
    for masked in range(3):
        logits = torch.tensor([[0.5, 1.0, 2.0]], dtype=torch.float64)
        logits[0, masked] = -math.inf
        got, slopes = path(variant.function, logits, torch.tensor([-100]))
        assert got.item() == 0
        assert slopes[0].tolist() == [0, 0, 0]
