"""LGL-INR: a loss of a whole batch, against the printed formula in loops over classes."""

import inspect
import itertools
import math
import pickle
from functools import partial

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import grad, hessian, jacrev, jvp, vmap
from torch.nn import functional as F

from lossbook import losses
from lossbook.losses import hs_lr_loss, lgl_inr_loss, logistic

close = torch.testing.assert_close

# Of torch about itself, at the first derivative in forward mode.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:FutureWarning")

_HIGH = mpmath.mp.clone()
_HIGH.dps = 50


# --- the formula as printed ---------------------------------------------------------------------------------


def loops(p, r, target, beta, log, exp, constant=lambda weight: weight):
    """Eq. 11 for each class k, from probabilities ``p[i][k]`` and ``r = 1 - p``: the list of the L_k."""
    members = {}
    for i, y in enumerate(target):
        members.setdefault(y, []).append(i)
    out = []
    for k in range(len(p[0])):
        total = 0
        if k in members:
            total = total - sum(log(p[i][k]) for i in members[k]) / len(members[k])
        rest = [j for j in members if j != k]
        powers = {j: exp(beta * sum(p[i][k] for i in members[j]) / len(members[j])) for j in rest}
        for j in rest:
            weight = constant(powers[j] / sum(powers.values()))
            total = total - weight * sum(log(r[i][k]) for i in members[j]) / len(members[j])
        out.append(total)
    return out


def exact(logits, target, beta=1.0):
    """Its sum over the classes, at 50 digits."""
    p = [[1 / (1 + _HIGH.exp(-_HIGH.mpf(z))) for z in row] for row in logits]
    r = [[1 / (1 + _HIGH.exp(_HIGH.mpf(z))) for z in row] for row in logits]
    return float(sum(loops(p, r, target, _HIGH.mpf(beta), _HIGH.log, _HIGH.exp)))


def naive(logits, target, beta=1.0, detach=False):
    """The L_k of moderate logits in float64."""
    p = logits.sigmoid()
    constant = (lambda weight: torch.as_tensor(weight).detach()) if detach else (lambda weight: weight)
    rows = [row.unbind() for row in p], [row.unbind() for row in 1 - p]
    values = loops(*rows, target.tolist(), beta, torch.log, torch.exp, constant)
    return torch.stack([torch.as_tensor(value, dtype=logits.dtype) for value in values])


def gradient(function, logits, target, **options):
    leaf = logits.detach().clone().requires_grad_()
    return torch.autograd.grad(function(leaf, target, **options), leaf)[0]


def by_formula(logits, target, reduction="mean", weight=None, **options):
    """The differentiable form, which shares for single examples go by."""
    shares = lgl_inr_loss(logits, target, reduction="none", weight=weight, **options)
    if reduction == "sum":
        return shares.sum()
    kept = target != options.get("ignore_index", -100)
    scale = kept.double() if weight is None else weight[target.where(kept, 0)] * kept
    return shares.sum() / scale.sum()


# Rows, classes, and which classes occur: all, some, one; as many rows as classes, more, fewer.
BATCHES = [
    (12, 4, None),
    (5, 5, None),
    (3, 8, None),
    (20, 6, [0, 2, 5]),
    (4, 3, [1]),
    (1, 3, None),
    (9, 2, None),
]


@pytest.fixture(
    params=BATCHES, ids=lambda each: f"{each[0]}x{each[1]}" + ("" if each[2] is None else "-absent")
)
def data(request):
    rows, classes, present = request.param
    generator = torch.Generator().manual_seed(rows * classes)
    logits = 3 * torch.randn(rows, classes, dtype=torch.float64, generator=generator)
    target = torch.randint(classes, (rows,), generator=generator)
    if present is not None:
        target = torch.tensor(present)[target % len(present)]
    return logits, target


@pytest.fixture(params=[131072, 16], ids=["one block", "small blocks"])
def blocks(request, monkeypatch):
    monkeypatch.setattr(logistic, "_BLOCK", request.param)


# --- values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0, 0.5, 1.0, 4.0, 60.0])
@pytest.mark.parametrize("scale", [1, 1e-3, 3e3])
def test_values(data, beta, scale, blocks):
    logits, target = data
    logits = logits * scale
    want = pytest.approx(exact(logits.tolist(), target.tolist(), beta), rel=1e-12)
    assert lgl_inr_loss(logits, target, beta=beta).item() == want
    assert by_formula(logits, target, beta=beta).item() == want


def test_the_published_value_by_default(data):
    """The sum over the classes is the published code's, their mean the other reading."""
    logits, target = data
    each = naive(logits, target)
    close(lgl_inr_loss(logits, target), each.sum())
    close(lgl_inr_loss(logits, target, class_reduction="mean"), each.mean())
    slopes = gradient(lgl_inr_loss, logits, target)
    close(gradient(lgl_inr_loss, logits, target, class_reduction="mean"), slopes / logits.shape[1])


def test_numbers_worked_out_by_hand():
    """Three examples of three classes, p a half but for one: lambda = e^p / sum of e^p over two classes."""
    logits = torch.zeros(3, 3, dtype=torch.float64)
    logits[1, 0] = math.log(3)  # p = 3/4 of class 0 at the example of class 1
    weight = 1 / (1 + math.exp(0.5 - 0.75))
    of_class_0 = math.log(2) + weight * math.log(4) + (1 - weight) * math.log(2)
    got = lgl_inr_loss(logits, torch.arange(3)).item()
    assert got == pytest.approx(of_class_0 + 2 * 2 * math.log(2), rel=1e-14)
    assert got == pytest.approx(4.548554, abs=5e-7)


@pytest.mark.parametrize(
    ("dtype", "digits"), [(torch.float32, 2e-6), (torch.bfloat16, 1e-2), (torch.float16, 2e-3)]
)
def test_narrower_types_keep_their_digits_and_their_type(data, dtype, digits, blocks):
    logits, target = data
    held = logits.to(dtype)
    want = exact(held.double().tolist(), target.tolist())
    for got in (lgl_inr_loss(held, target), lgl_inr_loss(held, target, reduction="none").float().mean()):
        assert got.double().item() == pytest.approx(want, rel=digits)
    assert lgl_inr_loss(held, target).dtype == dtype
    slopes = gradient(lgl_inr_loss, held, target)
    assert slopes.dtype == dtype
    close(slopes.double(), gradient(lgl_inr_loss, held.double(), target), rtol=5 * digits, atol=digits)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_survives_a_thousand_classes(dtype):
    got = lgl_inr_loss(torch.zeros(30, 1000, dtype=dtype), torch.arange(30)).double().item()
    # 30 classes with both terms, 970 with that of the rest alone.
    assert got == pytest.approx((2 * 30 + 970) * math.log(2), rel=5e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("function", [lgl_inr_loss, by_formula])
def test_far_from_the_boundary(function, detach, dtype, blocks):
    """Classes 0 and 2 take the examples of class 1 for their own, by 1e4."""
    logits = torch.full((6, 3), -1e4, dtype=dtype)
    logits[2:4, [0, 2]] = 1e4
    target = torch.tensor([0, 0, 1, 1, 2, 2])
    # L_0 and L_2 have lambda = 1 / (1 + 1/e) for class 1; the label is missed everywhere.
    weight = 1 / (1 + math.exp(-1))
    limits = torch.zeros(6, 3, dtype=torch.float64)
    limits[torch.arange(6), target] = -0.5
    limits[2:4, [0, 2]] = weight / 2
    slopes = gradient(partial(function, detach=detach), logits, target)
    digits = 1e-2 if dtype.itemsize == 2 else 1e-6
    close(slopes, limits.to(dtype), rtol=digits, atol=0)
    if function is lgl_inr_loss or dtype != torch.float16:  # whose sum of shares is beyond its range
        value = function(logits, target).double().item()
        assert value == pytest.approx(1e4 * (3 + 2 * weight), rel=digits)
    right = torch.where(F.one_hot(target, 3) == 1, 1e4, -1e4).to(dtype)
    assert function(right, target).item() == 0
    assert (gradient(function, right, target) == 0).all()


def test_nan_logits_make_the_loss_nan(data):
    logits, target = data
    logits[-1, 0] = math.nan
    for reduction in ("mean", "sum"):
        assert lgl_inr_loss(logits, target, reduction=reduction).isnan()
    assert lgl_inr_loss(logits, target, reduction="none")[-1].isnan()


# --- gradients ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0, 1, 4.0])
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("function", [lgl_inr_loss, by_formula])
def test_autograd_of_the_printed_formula(data, beta, detach, function, blocks):
    logits, target = data
    plain = logits.clone().requires_grad_()
    each = naive(plain, target, beta, detach)
    (expected,) = torch.autograd.grad(each.sum(), plain)
    slopes = gradient(partial(function, beta=beta, detach=detach), logits, target)
    close(slopes, expected, rtol=1e-9, atol=1e-13)


def test_the_gradient_through_the_weights_in_closed_form():
    """For i in S_j: (lambda_j / N_j) p_i (1 + beta (n_j - mean n) (1 - p_i)), n_j the class's mean cost."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(40, 4, dtype=torch.float64, generator=generator)
    target, beta = torch.arange(40) % 4, 4.0
    target[:7] = 2
    slopes = gradient(partial(lgl_inr_loss, beta=beta), logits, target)
    p, cost = logits.sigmoid(), -(1 - logits.sigmoid()).log()
    for k in range(4):
        rest = [j for j in range(4) if j != k]
        weight = torch.stack([beta * p[target == j, k].mean() for j in rest]).softmax(0)
        each = torch.stack([cost[target == j, k].mean() for j in rest])
        for w, j, n in zip(weight, rest, each, strict=True):
            own = p[target == j, k]
            bracket = 1 + beta * (n - (weight * each).sum()) * (1 - own)
            close(slopes[target == j, k], w / (target == j).sum() * own * bracket, rtol=1e-11, atol=1e-15)
        close(slopes[target == k, k], -(1 - p[target == k, k]) / (target == k).sum())


def test_an_easy_class_beside_a_hard_one_is_pushed_up():
    """Lowering its weight is worth more than lowering its cost; not so where the weights are constants."""
    logits = torch.full((20, 10), -3.0, dtype=torch.float64)
    target = torch.arange(20) % 10
    logits[target == 1, 0] = 2.0
    for beta, sign in [(1.0, 1), (2.0, -1), (4.0, -1)]:
        slopes = gradient(partial(lgl_inr_loss, beta=beta), logits, target)
        assert slopes[2, 0].sign() == sign
        assert gradient(partial(lgl_inr_loss, beta=beta, detach=True), logits, target)[2, 0] > 0


def test_the_scale_at_the_start_of_training():
    """At z = 0, classes balanced, the gradient is K^2 / (2 (K - 1)) times that of softmax cross-entropy."""
    logits, target = torch.zeros(60, 10, dtype=torch.float64), torch.arange(60) % 10
    ratio = gradient(lgl_inr_loss, logits, target) / gradient(F.cross_entropy, logits, target)
    close(ratio, torch.full_like(ratio, 100 / 18))


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_finite_differences_of_first_and_second_order(data, reduction, detach):
    logits, target = data
    logits, target = logits[:4].clone(), target[:4].clone()
    if len(target) > 2:
        target[1] = -100
    weight = torch.linspace(0.5, 2, logits.shape[1], dtype=torch.float64, requires_grad=True)
    logits.requires_grad_()

    def function(values, weight):
        return lgl_inr_loss(values, target, weight=weight, reduction=reduction, beta=2.0)

    if not detach:
        assert torch.autograd.gradcheck(function, (logits, weight), check_forward_ad=True)
        assert torch.autograd.gradgradcheck(function, (logits, weight))
        fixed = weight.detach()
        assert torch.autograd.gradcheck(lambda z: function(z, fixed), (logits,), check_forward_ad=True)
        assert torch.autograd.gradgradcheck(lambda z: function(z, fixed), (logits,))
    else:  # Not the derivative of the value; but its own derivative is that of the printed one's.
        options = {"weight": weight.detach(), "reduction": "sum", "beta": 2.0, "detach": True}
        (slopes,) = torch.autograd.grad(lgl_inr_loss(logits, target, **options), logits, create_graph=True)
        (second,) = torch.autograd.grad(slopes.square().sum(), logits)
        (slopes,) = torch.autograd.grad(by_formula(logits, target, **options), logits, create_graph=True)
        (expected,) = torch.autograd.grad(slopes.square().sum(), logits)
        close(second, expected)


def test_a_graph_can_be_used_again_if_kept(data):
    logits, target = data
    total = lgl_inr_loss(logits.requires_grad_(), target)
    first, *more = (torch.autograd.grad(f * total, logits, retain_graph=True)[0].clone() for f in (1, 1, 3))
    close(more[0], first, rtol=1e-14, atol=1e-16)
    close(more[1], 3 * first, rtol=1e-14, atol=1e-16)
    several = torch.tensor([1.0, -2.0], dtype=torch.float64)
    for _ in range(2):
        (rows,) = torch.autograd.grad(total, logits, several, is_grads_batched=True, retain_graph=True)
        close(rows, torch.stack([first, -2 * first]))


def test_gradients_add_up(data):
    logits, target = data
    leaf = logits.clone().requires_grad_()
    for _ in range(2):
        lgl_inr_loss(leaf, target).backward()
    total = lgl_inr_loss(leaf, target)
    total.backward(retain_graph=True)
    total.backward()
    close(leaf.grad, 4 * gradient(lgl_inr_loss, logits, target), rtol=1e-13, atol=1e-15)


# --- what holds ---------------------------------------------------------------------------------------------


@st.composite
def batches(draw, size=30.0):
    classes = draw(st.sampled_from([2, 3, 5]))
    rows = draw(st.integers(1, 9))
    floats = st.floats(-size, size, width=32)
    values = draw(st.lists(floats, min_size=rows * classes, max_size=rows * classes))
    target = draw(st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows))
    return torch.tensor(values, dtype=torch.float64).view(rows, classes), torch.tensor(target)


@given(batches(), st.floats(0, 20))
@settings(max_examples=60, deadline=None)
def test_both_forms_agree_with_the_loops(example, beta):
    logits, target = example
    value = exact(logits.tolist(), target.tolist(), beta)
    for function in (lgl_inr_loss, by_formula):
        assert function(logits, target, beta=beta).item() == pytest.approx(value, rel=1e-11, abs=1e-14)
    forms = [gradient(partial(each, beta=beta), logits, target) for each in (lgl_inr_loss, by_formula)]
    close(*forms, rtol=1e-9, atol=1e-13)


@given(batches(size=1e4), st.floats(0, 1e6))
@settings(max_examples=40, deadline=None)
def test_finite_and_not_negative_however_large_the_logits(example, beta):
    for function in (lgl_inr_loss, by_formula):
        assert 0 <= function(*example, beta=beta) < math.inf
        assert gradient(partial(function, beta=beta), *example).isfinite().all()


@given(batches(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_neither_the_order_of_examples_nor_that_of_classes_matters(example, random):
    logits, target = example
    rows, classes = list(range(len(target))), list(range(logits.shape[1]))
    random.shuffle(rows)
    random.shuffle(classes)
    name = torch.tensor([classes.index(k) for k in range(logits.shape[1])])
    moved, renamed = logits[rows][:, classes], name[target[rows]]
    close(lgl_inr_loss(moved, renamed), lgl_inr_loss(logits, target), rtol=1e-11, atol=1e-14)
    slopes = gradient(lgl_inr_loss, logits, target)
    close(gradient(lgl_inr_loss, moved, renamed), slopes[rows][:, classes], rtol=1e-9, atol=1e-13)


@given(batches(), st.floats(0, 50), st.floats(0, 50))
@settings(max_examples=40, deadline=None)
def test_it_falls_with_the_labels_logits(example, beta, step):
    logits, target = example
    label = F.one_hot(target, logits.shape[1]).double()
    value = lgl_inr_loss(logits, target, beta=beta)
    assert lgl_inr_loss(logits + step * label, target, beta=beta) <= value * (1 + 1e-12)
    slopes = gradient(partial(lgl_inr_loss, beta=beta), logits, target)
    assert (slopes * label <= 0).all()


@given(batches(), st.floats(0, 100))
@settings(max_examples=30, deadline=None)
def test_two_classes_leave_beta_nothing_to_do(example, beta):
    logits, target = example[0][:, :2], example[1].clamp(max=1)
    for of in (lgl_inr_loss, partial(gradient, lgl_inr_loss)):
        close(of(logits, target, beta=beta), of(logits, target, beta=0), rtol=1e-12, atol=1e-14)


@given(st.integers(1, 4), st.integers(2, 6), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_balanced_and_without_beta_it_is_hs_lr_on_all_classes(each, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 5 * torch.randn(each * classes, classes, dtype=torch.float64, generator=generator)
    target = torch.arange(classes).repeat(each)

    def theirs(z, y):
        return classes * hs_lr_loss(z, y, m=1, beta=1)

    ours = partial(lgl_inr_loss, beta=0)
    close(ours(logits, target), theirs(logits, target), rtol=1e-12, atol=0)
    close(gradient(ours, logits, target), gradient(theirs, logits, target), rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_how_uneven_the_weights_can_get(beta):
    """Their ratio is at most e^beta: for beta = 1 and ten classes, they lie between .0440 and .2536."""
    # Confidently wrong of class 0 are the examples of class 1 alone; the gradient there is lambda / N.
    logits, target = torch.full((10, 10), -60.0, dtype=torch.float64), torch.arange(10)
    logits[1, 0] = 60.0
    slopes = gradient(partial(lgl_inr_loss, beta=beta, detach=True), logits, target)
    highest = math.exp(beta) / (math.exp(beta) + 8)
    assert slopes[1, 0].item() == pytest.approx(highest)
    logits[:, 0] = 60.0
    logits[1, 0] = -60.0
    slopes = gradient(partial(lgl_inr_loss, beta=beta, detach=True), logits, target)
    lowest = slopes[1, 0].item() / torch.tensor(-60.0, dtype=torch.float64).sigmoid().item()
    assert lowest == pytest.approx(1 / (1 + 8 * math.exp(beta)))
    if beta == 1:
        assert (round(highest, 4), round(lowest, 4)) == (0.2536, 0.0440)


def test_a_large_beta_leaves_the_hardest_class_alone():
    logits = torch.randn(12, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = torch.arange(12) % 4
    p, cost = logits.sigmoid(), F.softplus(logits)
    total = 0.0
    for k in range(4):
        rest = [j for j in range(4) if j != k]
        hardest = max(rest, key=lambda j: p[target == j, k].mean().item())
        total += F.softplus(-logits[target == k, k]).mean() + cost[target == hardest, k].mean()
    close(lgl_inr_loss(logits, target, beta=1e5), total)


# --- classes that are not there -----------------------------------------------------------------------------


def test_an_absent_class_keeps_the_term_of_its_rest():
    logits = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 2, 0, 2, 3, 3])
    each = naive(logits, target)
    assert each[1] > 0
    assert (gradient(lgl_inr_loss, logits, target)[:, 1] != 0).all()
    without = lgl_inr_loss(logits[:, [0, 2, 3]], torch.tensor([0, 1, 0, 1, 2, 2]))
    close(lgl_inr_loss(logits, target), without + each[1])


def test_a_batch_of_one_class():
    """Its own loss has no rest; the other classes have nothing else."""
    logits = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = torch.full((5,), 1)
    expected = F.softplus(torch.stack([logits[:, 0], -logits[:, 1], logits[:, 2]])).mean(1).sum()
    for function in (lgl_inr_loss, by_formula):
        close(function(logits, target), expected)
        slopes = gradient(function, logits, target)
        close(
            slopes,
            torch.stack([logits[:, 0], -logits[:, 1], logits[:, 2]], 1).sigmoid()
            / 5
            * torch.tensor([1, -1, 1]),
        )


# --- weight, ignore_index, reduction ------------------------------------------------------------------------


@pytest.mark.parametrize("ignore_index", [-100, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("extra", [(), (3,), (2, 2)])
def test_shares_and_reductions(extra, weighted, ignore_index, blocks):
    generator = torch.Generator().manual_seed(5)
    logits = 2 * torch.randn(7, 5, *extra, dtype=torch.float64, generator=generator)
    target = torch.randint(5, (7, *extra), generator=generator)
    target.view(-1)[1::4] = ignore_index
    weight = torch.tensor([0.25, 1.0, 3.0, 0.5, 0.0], dtype=torch.float64) if weighted else None
    kept = target.flatten() != ignore_index
    rows, labels = logits.movedim(1, -1).reshape(-1, 5)[kept], target.flatten()[kept]
    # The mean of the shares is the sum over the classes, of what counts.
    plain = lgl_inr_loss(logits, target, reduction="none", ignore_index=ignore_index)
    assert plain.shape == target.shape
    assert (plain.flatten()[~kept] == 0).all()
    close(plain.flatten()[kept].mean(), naive(rows, labels).sum())
    # Each share: B / N_y (-log p_y - sum of lambda log(1 - p)).
    options = {"weight": weight, "ignore_index": ignore_index}
    scale = torch.ones(len(labels), dtype=torch.float64) if weight is None else weight[labels]
    each = lgl_inr_loss(logits, target, reduction="none", **options)
    close(each.flatten()[kept], scale * plain.flatten()[kept])
    for reduction, expected in [("sum", each.sum()), ("mean", each.sum() / scale.sum())]:
        close(lgl_inr_loss(logits, target, reduction=reduction, **options), expected)
        slopes = gradient(lgl_inr_loss, logits, target, reduction=reduction, **options)
        close(slopes, gradient(by_formula, logits, target, reduction=reduction, **options))
        assert (slopes.movedim(1, -1).reshape(-1, 5)[~kept] == 0).all()


def test_the_share_of_an_example():
    logits = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 0, 0, 1, 1, 2])
    p = logits.sigmoid()
    sizes = [3, 2, 1]
    mean = [[p[target == j, k].mean().item() for k in range(3)] for j in range(3)]
    shares = []
    for i, y in enumerate(target.tolist()):
        share = -math.log(p[i, y])
        for k in range(3):
            if k != y:
                weight = math.exp(mean[y][k]) / sum(math.exp(mean[j][k]) for j in range(3) if j != k)
                share -= weight * math.log(1 - p[i, k])
        shares.append(6 / sizes[y] * share)
    got = lgl_inr_loss(logits, target, reduction="none")
    assert got.tolist() == pytest.approx(shares, rel=1e-12)


def test_ignored_examples_may_be_anything(data):
    logits, target = data
    clean = lgl_inr_loss(logits, target), gradient(lgl_inr_loss, logits, target)
    for bad in (math.nan, math.inf, -math.inf):
        more = F.pad(logits, (0, 0, 0, 2), value=bad)
        labels = torch.cat([target, torch.full((2,), -100)])
        close(lgl_inr_loss(more, labels), clean[0])
        close(gradient(lgl_inr_loss, more, labels)[:-2], clean[1])
        close(lgl_inr_loss(more, labels, reduction="none")[:-2].mean(), clean[0])


@pytest.mark.parametrize("weighted", [False, True])
def test_all_ignored_is_as_in_pytorch(weighted):
    logits = torch.zeros(4, 3, requires_grad=True)
    target = torch.full((4,), -100)
    weight = torch.ones(3) if weighted else None
    for reduction in ("none", "mean", "sum"):
        expected = F.cross_entropy(logits, target, weight=weight, reduction=reduction)
        close(lgl_inr_loss(logits, target, weight=weight, reduction=reduction), expected, equal_nan=True)
    lgl_inr_loss(logits, target, weight=weight, reduction="sum").backward()
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("shape", [(0, 3), (2, 3, 0)])
def test_an_empty_batch_is_as_in_pytorch(shape):
    logits = torch.zeros(shape, requires_grad=True)
    target = torch.zeros((shape[0], *shape[2:]), dtype=torch.long)
    assert lgl_inr_loss(logits, target).isnan()
    assert lgl_inr_loss(logits, target, reduction="none").shape == target.shape
    total = lgl_inr_loss(logits, target, reduction="sum")
    assert total.item() == 0
    total.backward()
    assert logits.grad.shape == shape


def test_the_input_is_left_as_it_was(data, blocks):
    logits, target = data
    weight = torch.rand(logits.shape[1], dtype=torch.float64)
    kept = logits.clone(), target.clone(), weight.clone()
    gradient(lgl_inr_loss, logits, target, weight=weight)
    assert all(torch.equal(*pair) for pair in zip(kept, (logits, target, weight), strict=True))


@pytest.mark.parametrize(
    "layout",
    [
        lambda z: z.t().contiguous().t(),
        lambda z: z.repeat_interleave(2, dim=1)[:, ::2],
        lambda z: z[:1].expand(12, -1),
    ],
    ids=["transposed", "every second", "expanded"],
)
def test_logits_of_any_layout(layout, blocks):
    logits = layout(torch.randn(12, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    target = torch.arange(12) % 4
    leaf = logits.detach().requires_grad_()
    (slopes,) = torch.autograd.grad(lgl_inr_loss(leaf, target), leaf)
    close(slopes, gradient(lgl_inr_loss, logits.contiguous(), target), rtol=1e-13, atol=1e-15)


# --- what is refused ----------------------------------------------------------------------------------------

Z = torch.zeros(4, 9)
Y = torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"beta": -0.1}, "beta must be finite and not negative; got -0.1"),
        ({"beta": math.inf}, "beta must be finite and not negative; got inf"),
        ({"beta": math.nan}, "beta must be finite and not negative; got nan"),
        ({"class_reduction": "none"}, "class_reduction must be one of sum, mean; got 'none'"),
    ],
)
def test_options_out_of_range(options, said):
    for make in (lambda: lgl_inr_loss(Z, Y, **options), lambda: losses.LGLINRLoss(**options)):
        with pytest.raises(ValueError) as refused:  # noqa: PT011
            make()
        assert str(refused.value) == said


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.int64])
def test_multi_hot_targets_are_refused_with_the_reason(dtype):
    with pytest.raises(
        ValueError, match="class indices only: its weights come from the examples of each class"
    ):
        lgl_inr_loss(Z, torch.zeros(4, 9, dtype=dtype))


def test_other_bad_input():
    with pytest.raises(ValueError, match=r"found 9$"):
        lgl_inr_loss(Z, torch.tensor([0, 9, 1, 0]))
    with pytest.raises(TypeError, match="integer tensor; got torch.float32"):
        lgl_inr_loss(Z, Y.float())
    with pytest.raises(TypeError, match="integer tensor; got list"):
        lgl_inr_loss(Z, [0, 1, 2, 0])
    with pytest.raises(ValueError, match="at least 2 of them"):
        lgl_inr_loss(Z[:, :1], torch.zeros(4, dtype=torch.long))
    with pytest.raises(ValueError, match="one entry per class"):
        lgl_inr_loss(Z, Y, weight=torch.ones(4))
    with pytest.raises(ValueError, match="reduction must be one of none, mean, sum; got 'avg'"):
        lgl_inr_loss(Z, Y, reduction="avg")


# --- transforms and modules ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [3, 12])
def test_vmap_and_grad(rows):
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(3, rows, 5, dtype=torch.float64, generator=generator)
    target = torch.randint(5, (3, rows), generator=generator)
    pairs = list(zip(logits, target, strict=True))
    close(vmap(lgl_inr_loss)(logits, target), torch.stack([lgl_inr_loss(*pair) for pair in pairs]))
    shared = vmap(lgl_inr_loss, in_dims=(0, None))(logits, target[0])
    close(shared, torch.stack([lgl_inr_loss(z, target[0]) for z in logits]))
    shared = vmap(lgl_inr_loss, in_dims=(None, 0))(logits[0], target)
    close(shared, torch.stack([lgl_inr_loss(logits[0], y) for y in target]))
    expected = torch.stack([gradient(lgl_inr_loss, *pair) for pair in pairs])
    close(vmap(grad(lgl_inr_loss))(logits, target), expected)
    close(grad(lgl_inr_loss)(*pairs[0]), expected[0])
    weights = torch.rand(4, 5, dtype=torch.float64)
    got = vmap(lambda w: lgl_inr_loss(*pairs[0], weight=w))(weights)
    close(got, torch.stack([lgl_inr_loss(*pairs[0], weight=w) for w in weights]))


def test_gradients_of_gradients(data):
    logits, target = (each[:4] for each in data)

    def total(z):
        return lgl_inr_loss(z, target)

    expected = torch.autograd.functional.hessian(total, logits)
    for of in (hessian(total), jacrev(jacrev(total))):
        close(of(logits), expected, rtol=1e-9, atol=1e-12)
    vectorised = torch.autograd.functional.hessian(total, logits, vectorize=True)
    close(vectorised, expected)
    slopes = gradient(lgl_inr_loss, logits, target)
    close(torch.autograd.functional.jacobian(total, logits, vectorize=True), slopes)
    close(jvp(total, (logits,), (logits + 1,))[1], (slopes * (logits + 1)).sum())


@pytest.mark.parametrize("rows", [3, 12])
@pytest.mark.parametrize("options", [{}, {"reduction": "none"}])
def test_captured_without_a_break(rows, options):
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(rows, 5, dtype=torch.float64, generator=generator)
    target = torch.randint(5, (rows,), generator=generator)
    torch.compiler.reset()
    function = partial(lgl_inr_loss, **options)
    compiled = torch.compile(function, fullgraph=True, backend="eager")
    close(compiled(logits, target), function(logits, target))
    close(
        gradient(lambda *given: compiled(*given).sum(), logits, target),
        gradient(lambda *given: function(*given).sum(), logits, target),
    )


def test_autocast_is_that_of_cross_entropy(data):
    logits, target = data
    narrow = logits.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = lgl_inr_loss(narrow, target)
        assert got.dtype == F.cross_entropy(narrow, target).dtype == torch.float32
    close(got, lgl_inr_loss(narrow.float(), target))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("rows", [30, 300])
def test_on_a_gpu_nothing_waits(rows):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, 100, dtype=torch.float64, generator=generator)
    target = torch.randint(100, (rows,), generator=generator)
    expected = lgl_inr_loss(logits, target), gradient(lgl_inr_loss, logits, target)
    there, wanted = logits.cuda(), target.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        value, slopes = lgl_inr_loss(there, wanted), gradient(lgl_inr_loss, there, wanted)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    close((value.cpu(), slopes.cpu()), expected)


def test_inference_mode(data):
    logits, target = data
    expected = lgl_inr_loss(logits, target)
    with torch.inference_mode():
        close(lgl_inr_loss(logits, target), expected)
        made_inside = logits.clone()
    close(lgl_inr_loss(made_inside, target), expected)


def test_a_module_gives_what_its_function_gives(data):
    logits, target = data
    weight = torch.linspace(0.5, 2, logits.shape[1], dtype=torch.float64)
    close(losses.LGLINRLoss()(logits, target), lgl_inr_loss(logits, target))
    choices = itertools.product(("none", "mean", "sum"), (False, True), ("sum", "mean"))
    for reduction, detach, class_reduction in choices:
        options = {"reduction": reduction, "detach": detach, "class_reduction": class_reduction}
        options |= {"weight": weight, "ignore_index": 1, "beta": 2.0}
        close(
            losses.LGLINRLoss(**options)(logits, target),
            lgl_inr_loss(logits, target, **options),
            equal_nan=True,
        )


@pytest.mark.parametrize("detach", [False, True])
def test_a_module_hands_on_what_values_do_not_show(data, detach):
    module = losses.LGLINRLoss(detach=detach)
    close(gradient(module, *data), gradient(partial(lgl_inr_loss, detach=detach), *data))


def test_a_module_takes_the_place_of_cross_entropy():
    of_module = inspect.signature(losses.LGLINRLoss).parameters
    of_function = inspect.signature(lgl_inr_loss).parameters
    assert list(of_module)[:3] == ["weight", "ignore_index", "reduction"]
    assert set(of_function) - {"input", "target"} == set(of_module)
    assert all(of_module[name].default == of_function[name].default for name in of_module)
    module = losses.get("lgl_inr", beta=2, weight=torch.ones(3))
    assert list(module.state_dict()) == ["weight"]
    said = "LGLINRLoss(beta=2, detach=False, class_reduction='sum', ignore_index=-100, reduction='mean')"
    assert repr(module) == repr(pickle.loads(pickle.dumps(module))) == said
