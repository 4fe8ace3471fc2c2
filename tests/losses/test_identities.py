"""What holds between the losses for any logits whatever."""

import math
from functools import partial

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from lossbook import losses
from lossbook.losses.softmax import competitor_gap

ce = partial(F.cross_entropy, reduction="none")


def each(name):
    return partial(getattr(losses, f"{name}_loss"), reduction="none")


nllr, el, mae, bce = each("nllr"), each("expectation"), each("mae"), each("softmax_bce")
ceel, focal, gce, tamed = each("ceel"), each("focal"), each("gce"), each("tamed_ce")
mpce, complement = each("mpce"), each("complement_entropy")

# What depends on the target's probability alone, then what does not.
FAMILY = [
    nllr,
    partial(nllr, clip=0.01),
    el,
    mae,
    partial(ceel, alpha=0.5, beta=3),
    focal,
    partial(focal, gamma=0.5),
    gce,
    partial(gce, k=0.2),
    partial(tamed, alpha=0.5),
    partial(tamed, alpha=2),
]
ALL = [*FAMILY, bce, mpce, complement]


@st.composite
def examples(draw, size=8.0, least=2):
    """Float64 logits ``[1, K]`` within +-size, and a target."""
    classes = draw(st.sampled_from([k for k in (2, 3, 10) if k >= least]))
    values = draw(st.lists(st.floats(-size, size, width=32), min_size=classes, max_size=classes))
    target = draw(st.integers(0, classes - 1))
    return torch.tensor([values], dtype=torch.float64), torch.tensor([target])


def gradient(function, logits, target):
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(function(logits, target).sum(), logits)[0]


def of_target(example):
    logits, target = example
    return logits.softmax(1).gather(1, target[:, None]).squeeze(1)


close = torch.testing.assert_close
often = settings(max_examples=60, deadline=None)
some = settings(max_examples=30, deadline=None)


# --- between cross-entropy, NLLR and the expectation loss ---------------------------------------------------


@given(examples())
@often
def test_nllr_and_cross_entropy(example):
    u, c, p = nllr(*example), ce(*example), of_target(example)
    close(u, competitor_gap(*example), rtol=1e-14, atol=1e-14)
    close(u, c + torch.log1p(-p), rtol=1e-7, atol=1e-7)  # p may be 1 - 1e-8
    # torch's own softplus is linear from 20 on, as if log(1 + e^-20) = 2e-9 were nothing.
    close(c, torch.logaddexp(u, torch.zeros_like(u)), rtol=1e-12, atol=1e-14)
    close(u.exp(), c.expm1(), rtol=1e-9, atol=1e-12)


@given(examples(size=300.0))
@often
def test_gradient_of_nllr(example):
    logits, target = example
    grad = gradient(nllr, logits, target)
    close(grad.abs().sum(1), torch.tensor([2.0], dtype=torch.float64), rtol=1e-12, atol=0)
    close(grad.gather(1, target[:, None]), torch.tensor([[-1.0]], dtype=torch.float64), rtol=1e-12, atol=0)
    # grad CE = (1 - p) grad NLLR
    p_wrong = competitor_gap(logits, target).sigmoid()[:, None]
    close(gradient(ce, logits, target), p_wrong * grad, rtol=1e-9, atol=1e-13)


@given(examples())
@often
def test_the_expectation_loss_by_other_names(example):
    logits, target = example
    loss, p = el(*example), of_target(example)
    close(loss, nllr(*example).sigmoid(), rtol=1e-12, atol=0)
    close(loss, 1 - p, rtol=1e-9, atol=1e-14)
    close(mae(*example), 2 * loss, rtol=1e-14, atol=0)
    close(gce(*example, q=1), loss, rtol=1e-13, atol=1e-15)
    close(ceel(*example, alpha=0, beta=1), loss, rtol=1e-14, atol=0)
    one_hot = F.one_hot(target, logits.shape[1]).double()
    close((logits.softmax(1) - one_hot).abs().sum(1) / 2, loss, rtol=1e-9, atol=1e-14)
    # It is half the gradient's L1 norm of cross-entropy.
    close(gradient(ce, logits, target).abs().sum(1) / 2, loss, rtol=1e-9, atol=1e-14)


@given(examples())
@often
def test_the_series_of_cross_entropy_begins_with_the_expectation_loss(example):
    """CE = sum of (1 - p)^j / j, and what is left after n terms is at most (1 - p)^(n + 1) / ((n + 1) p)."""
    loss, rest = ce(*example), el(*example)
    n = 400
    series = rest + sum(rest**j / j for j in range(2, n + 1))
    left = rest ** (n + 1) / ((n + 1) * of_target(example))
    room = 1e-13 * loss + 1e-15
    assert bool(series <= loss + room)
    assert bool(loss <= series + left + room)
    assert bool(rest <= loss + room)


@given(examples(), st.floats(0, 50))
@often
def test_cross_entropy_with_the_expectation_loss_is_poly_1(example, epsilon):
    poly = ce(*example) + epsilon * (1 - of_target(example))
    close(ceel(*example, alpha=1, beta=epsilon), poly, rtol=1e-9, atol=1e-12)


@given(examples(), st.floats(0, 9), st.floats(0, 9))
@often
def test_the_mix_is_linear_in_its_factors(example, alpha, beta):
    mixed = partial(ceel, alpha=alpha, beta=beta)
    close(mixed(*example), alpha * ce(*example) + beta * el(*example), rtol=1e-12, atol=1e-14)
    expected = alpha * gradient(ce, *example) + beta * gradient(el, *example)
    close(gradient(mixed, *example), expected, rtol=1e-9, atol=1e-13)


# --- settings that make one loss of another -----------------------------------------------------------------


@given(examples(size=50.0))
@often
def test_settings_that_make_cross_entropy(example):
    for function in (
        partial(focal, gamma=0),
        partial(tamed, alpha=0),
        partial(ceel, alpha=1, beta=0),
        partial(focal, gamma=0, alpha=1.0),
    ):
        close(function(*example), ce(*example), rtol=1e-12, atol=1e-14)
        close(gradient(function, *example), gradient(ce, *example), rtol=1e-9, atol=1e-12)


@given(examples(), st.floats(1e-9, 1e-3))
@often
def test_gce_tends_to_cross_entropy(example, q):
    """(1 - p^q) / q = CE - q CE^2 / 2 + ..., an alternating series."""
    loss = ce(*example)
    short = loss - gce(*example, q=q)
    room = 1e-12 * loss + 1e-14
    assert bool(short >= -room)
    assert bool(short <= q * loss**2 / 2 + room)


@given(examples(), st.floats(1e-9, 1e-3), st.sampled_from([-1, 1]))
@often
def test_the_tamed_loss_tends_to_the_logarithm(example, step, side):
    at_one = tamed(*example, alpha=1)
    close(at_one, torch.log1p(ce(*example)), rtol=1e-12, atol=1e-14)
    # Its derivative by alpha is about -log^2 / 2.
    near = tamed(*example, alpha=1 + side * step)
    room = step * at_one**2 + 1e-12 * at_one + 1e-14
    assert bool((near - at_one).abs() <= room)


@given(examples(), st.floats(0, 6), st.floats(0, 6))
@often
def test_losses_fall_as_they_are_tamed(example, less, more):
    less, more = sorted((less, more))
    for function, name in ((focal, "gamma"), (tamed, "alpha")):
        weaker, stronger = function(*example, **{name: less}), function(*example, **{name: more})
        assert bool(stronger <= weaker * (1 + 1e-12))
    low, high = (gce(*example, q=max(q, 0.1) / 6) for q in (less, more))
    assert bool(high <= low * (1 + 1e-12))


@given(examples(), st.floats(0.5, 5))
@often
def test_focal_is_cross_entropy_times_a_power_of_the_expectation_loss(example, gamma):
    expected = el(*example) ** gamma * ce(*example)
    close(focal(*example, gamma=gamma), expected, rtol=1e-11, atol=1e-300)


@given(examples(), st.floats(0.01, 0.99), st.floats(0.05, 1))
@often
def test_truncated_gce_is_the_smaller_of_two(example, k, q):
    ceiling = torch.tensor([(1 - k**q) / q], dtype=torch.float64)
    close(gce(*example, q=q, k=k), torch.minimum(gce(*example, q=q), ceiling), rtol=1e-9, atol=1e-12)


@given(examples(), st.floats(1e-6, 0.49))
@often
def test_clipped_nllr_is_nllr_within_its_bound(example, clip):
    bound = math.log((1 - clip) / clip)
    close(nllr(*example, clip=clip), nllr(*example).clamp(-bound, bound), rtol=1e-12, atol=1e-12)


# --- losses that look at other classes ----------------------------------------------------------------------


@given(examples())
@often
def test_bce_lies_between_one_and_two_cross_entropies(example):
    c, b = ce(*example), bce(*example)
    room = 1e-9 * c + 1e-12
    assert bool(c - room <= b)
    assert bool(b <= 2 * c + room)
    if example[0].shape[1] == 2:
        close(b, 2 * c, rtol=1e-9, atol=1e-12)


@given(examples())
@often
def test_mpce_is_nothing_where_the_target_leads(example):
    logits, target = example
    p, top = of_target(example), logits.softmax(1).amax(1)
    loss = mpce(*example)
    close(loss, (top - p) * ce(*example), rtol=1e-9, atol=1e-12)
    assert bool(loss >= 0)
    assert bool(loss <= ce(*example) * (1 + 1e-12))
    others = logits.scatter(1, target[:, None], -math.inf).amax(1)
    at_target = logits.gather(1, target[:, None]).squeeze(1)
    if bool(at_target >= others):
        assert loss.item() == 0
    if bool(at_target > others):
        assert bool((gradient(mpce, logits, target).abs() <= 1e-15).all())


@given(examples(), st.floats(-1e4, 1e4))
@often
def test_complement_entropy_is_that_of_the_competitors_alone(example, other):
    logits, target = example
    loss, grad = complement(logits, target), gradient(complement, logits, target)
    least = -math.log(logits.shape[1] - 1)
    assert least - 1e-12 <= loss.item() <= 1e-12
    moved = logits.scatter(1, target[:, None], other)
    assert torch.equal(complement(moved, target), loss)
    assert torch.equal(gradient(complement, moved, target), grad)
    assert grad.gather(1, target[:, None]).item() == 0
    even = torch.full_like(logits, 0.3)
    close(complement(even, target).item(), least, rtol=1e-12, atol=1e-14)
    # One step against the gradient makes the competitors more alike.
    assert complement(logits - 1e-4 * grad, target).item() <= loss.item() + 1e-14


# --- of all -------------------------------------------------------------------------------------------------


@given(examples(), st.floats(-100, 100))
@some
def test_a_common_shift_of_the_logits_changes_nothing(example, shift):
    logits, target = example
    for function in ALL:
        close(function(logits + shift, target), function(logits, target), rtol=1e-9, atol=1e-11)
        grad = gradient(function, logits, target)
        close(grad.sum(), torch.zeros_like(grad.sum()), rtol=0, atol=1e-12)
    top_two = logits.topk(2).values[0].diff().abs().item()
    for function in ALL if top_two > 1e-6 else FAMILY:  # MPCE has a corner where two classes tie
        moved, grad = gradient(function, logits + shift, target), gradient(function, logits, target)
        close(moved, grad, rtol=1e-9, atol=1e-11)


@given(examples(), st.randoms(use_true_random=False))
@some
def test_the_order_of_the_classes_does_not_matter(example, random):
    logits, target = example
    order = list(range(logits.shape[1]))
    random.shuffle(order)
    where = torch.tensor([order.index(int(target))])
    for function in ALL:
        close(function(logits[:, order], where), function(logits, target), rtol=1e-9, atol=1e-12)


@given(examples(), st.floats(0, 5))
@some
def test_none_of_the_family_falls_as_the_target_falls_behind(example, step):
    logits, target = example
    behind = logits.scatter_add(1, target[:, None], torch.full((1, 1), -step, dtype=torch.float64))
    for function in FAMILY:
        assert bool(function(behind, target) >= function(logits, target) - 1e-12)
    assert bool(bce(behind, target) >= bce(logits, target) - 1e-12)


@given(examples(least=3), st.floats(0.1, 3))
@some
def test_the_family_sees_the_sum_of_the_competitors_alone(example, step):
    """Probability that moves from one competitor to another changes none of them."""
    logits, target = example
    powers = logits.exp()
    one, two = [k for k in range(logits.shape[1]) if k != int(target)][:2]
    moved = powers.clone()
    given_up = powers[0, one] * (1 - math.exp(-step))
    moved[0, one] -= given_up
    moved[0, two] += given_up
    for function in FAMILY:
        close(function(moved.log(), target), function(logits, target), rtol=1e-9, atol=1e-11)


@given(examples(size=1e4))
@some
def test_bounds_hold_however_large_the_logits(example):
    assert 0 <= el(*example) <= 1
    assert 0 <= mae(*example) <= 2
    assert 0 <= gce(*example, q=0.25) <= 4
    assert 0 <= tamed(*example, alpha=3) <= 0.5
    assert -math.log(9) - 1e-12 <= complement(*example) <= 0
    for function in (bce, focal, ceel, mpce):
        assert function(*example) >= 0
    for function in ALL:
        assert function(*example).isfinite().all()
        assert gradient(function, *example).isfinite().all()
