"""LR, HS-LR and SS-LR: class indices and multi-hot targets, against the printed formulas in loops."""

import inspect
import math
import pickle
import warnings
from dataclasses import dataclass, field
from functools import partial

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from lossbook import losses
from lossbook.errors import UnknownNameError
from lossbook.losses import _common, _rowwise, logistic, softmax

close = torch.testing.assert_close

# Of torch about itself, at the first derivative in forward mode.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:FutureWarning")

_HIGH = mpmath.mp.clone()
_HIGH.dps = 50


# --- the formulas as printed --------------------------------------------------------------------------------


def _lr(p, r, labels, log, weight):
    """Eq. 3, of probabilities p and r = 1 - p, with a weight for each class's term."""
    total = 0
    for k in range(len(p)):
        total = total - weight[k] * (log(p[k]) if k in labels else log(r[k]))
    return total


def _hs(m, beta, count="paper"):
    """Eq. 5; for several labels, of the classes that are not labels, at least one of them."""

    def printed(p, r, labels, log, weight):
        negatives = sorted((k for k in range(len(p)) if k not in labels), key=lambda k: -p[k])
        n = int(len(p) * m) if count == "published" else math.floor(m * len(negatives) + 1e-9)
        n = max(1, n)
        total = 0
        for k in labels:
            total = total - weight[k] * log(p[k])
        for k in negatives[:n]:
            total = total - beta / n * weight[k] * log(r[k])
        return total

    return printed


def _ss(r_power, beta):
    """Eq. 6."""

    def printed(p, r, labels, log, weight):
        negatives = [k for k in range(len(p)) if k not in labels]
        total = 0
        for k in labels:
            total = total - weight[k] * log(p[k])
        for k in negatives:
            total = total - beta / len(negatives) * weight[k] * p[k] ** r_power * log(r[k])
        return total

    return printed


@dataclass(frozen=True)
class Variant:
    """A loss with one choice of its options, and its formula."""

    name: str
    printed: object
    options: dict = field(default_factory=dict)

    @property
    def plain(self):
        return getattr(losses, f"{self.name}_loss")

    @property
    def function(self):
        return partial(self.plain, **self.options)

    @property
    def module(self):
        return partial(MODULES[self.name], **self.options)

    def __str__(self):
        return "-".join([self.name, *(f"{key}{value}" for key, value in self.options.items())])


MODULES = {"lr": losses.LRLoss, "hs_lr": losses.HSLRLoss, "ss_lr": losses.SSLRLoss}
VARIANTS = [
    Variant("lr", _lr),
    Variant("hs_lr", _hs(0.25, 10.0)),
    Variant("hs_lr", _hs(0.5, 2.5), {"m": 0.5, "beta": 2.5}),
    Variant("hs_lr", _hs(1.0, 10.0), {"m": 1}),
    Variant("hs_lr", _hs(0.25, 10.0, "published"), {"count": "published"}),
    Variant("hs_lr", _hs(1.0, 3.0, "published"), {"m": 1.0, "beta": 3, "count": "published"}),
    Variant("ss_lr", _ss(2, 10.0)),
    Variant("ss_lr", _ss(0, 10.0), {"r": 0}),
    Variant("ss_lr", _ss(1, 1.0), {"r": 1.0, "beta": 1.0}),
    Variant("ss_lr", _ss(0.5, 3.0), {"r": 0.5, "beta": 3.0}),
    Variant("ss_lr", _ss(3, 10.0), {"r": 3.0}),
    Variant("ss_lr", _ss(50, 10.0), {"r": 50.0}),
]
FIRST = [VARIANTS[0], VARIANTS[1], VARIANTS[6]]


@pytest.fixture(params=VARIANTS, ids=str)
def case(request):
    """Each loss with each choice of options."""
    return request.param


@pytest.fixture(params=FIRST, ids=str)
def one(request):
    """Each loss with its default options."""
    return request.param


def exact(case, logits, labels, weight=None):
    """The loss of one example at 50 digits."""
    p = [1 / (1 + _HIGH.exp(-_HIGH.mpf(z))) for z in logits]
    r = [1 / (1 + _HIGH.exp(_HIGH.mpf(z))) for z in logits]
    return float(case.printed(p, r, labels, _HIGH.log, weight or [1] * len(p)))


def naive(case, logits, labels, weight=None):
    """The losses of a batch ``[B, K]``, as printed: for moderate logits in float64 only."""
    rows = []
    for z, own in zip(logits, labels, strict=True):
        p = z.sigmoid()
        rows.append(case.printed(p.unbind(), (1 - p).unbind(), own, torch.log, weight or [1] * len(p)))
    return torch.stack(rows)


def multi_hot(labels, classes, dtype=torch.float64):
    target = torch.zeros(len(labels), classes, dtype=dtype)
    for row, own in zip(target, labels, strict=True):
        row[own] = 1
    return target


def gradient(function, logits, target, **options):
    leaf = logits.detach().clone().requires_grad_()
    return torch.autograd.grad(function(leaf, target, reduction="sum", **options), leaf)[0]


class Elsewhere(torch.Tensor):
    """Any subclass takes the path that a GPU takes."""


def by_formula(function, logits, target, **options):
    """Values and gradients by the formula that serves everywhere but on a processor."""
    leaf = logits.detach().clone().as_subclass(Elsewhere).requires_grad_()
    values = function(leaf, target, reduction="none", **options)
    slopes = torch.autograd.grad(values.sum(), leaf)[0]
    return values.detach().as_subclass(torch.Tensor), slopes.as_subclass(torch.Tensor)


@pytest.fixture
def small_blocks(monkeypatch):
    """Room for two rows of seven classes in a block."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(_rowwise, "_BLOCK", 14)


@pytest.fixture(params=["partition", "topk"])
def selection(request, monkeypatch):
    """Either way to select the highest classes, whatever their number."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    classes = 1 if request.param == "partition" else math.inf
    monkeypatch.setattr(logistic, "_PARTITION_CLASSES", classes)
    return request.param


# --- values -------------------------------------------------------------------------------------------------

LOGITS = [
    [0.0, 0.0],
    [-3.0, 7.0],
    [1e4, -1e4],
    [0.5, -1.25, 2.0],
    [0.0] * 4,
    [3.0, -2.0, 0.25, 1e-8, -1e-8],
    [-40.0, 3.0, 1.0, -17.5, 39.0],
    [1e4, 0.0, -1e4, 1e4, 5.0],
    [15.0, 16.0, 17.0, 19.0, 21.0, 25.0, -21.0],
    [0.1 * k for k in range(10)],
    [(-1) ** k * 2.0 * k for k in range(10)],
    [-1e4] + [1e4] * 9,
]


@pytest.mark.parametrize("logits", LOGITS, ids=str)
def test_values(case, logits, selection):
    for target in sorted({0, 1, len(logits) - 1}):
        got = case.function(torch.tensor([logits], dtype=torch.float64), torch.tensor([target])).item()
        assert got == pytest.approx(exact(case, logits, [target]), rel=1e-13, abs=1e-100)


@pytest.mark.parametrize(
    ("dtype", "digits"), [(torch.float32, 2e-6), (torch.bfloat16, 1e-2), (torch.float16, 1e-3)]
)
@pytest.mark.parametrize("logits", [z for z in LOGITS if len(z) > 4], ids=str)
def test_narrower_types_keep_their_digits_and_their_type(case, logits, dtype, digits):
    held = torch.tensor([logits], dtype=dtype)
    got = case.function(held, torch.tensor([1]))
    assert got.dtype == dtype
    expected = exact(case, held[0].double().tolist(), [1])
    assert math.isfinite(expected)
    # A power of 50 multiplies the relative error of a probability by 50.
    room = digits * (10 if case.options.get("r") == 50 else 1)
    limit = torch.finfo(dtype).max
    want = math.inf if expected > limit else pytest.approx(expected, rel=room, abs=1e-15)
    assert got.double().item() == want


@pytest.mark.parametrize("classes", [2, 10, 200, 1000])
def test_where_nothing_is_known_yet(classes):
    """At z = 0: K log 2 for LR, log 2 (1 + beta) and log 2 (1 + beta / 2^r) for the others."""
    logits = torch.zeros(3, classes, dtype=torch.float64)
    target = torch.tensor([0, 1, classes - 1])
    assert losses.lr_loss(logits, target).item() == pytest.approx(classes * math.log(2))
    for m, beta in [(1, 10), (0.5, 3)]:
        if classes > 2:
            got = losses.hs_lr_loss(logits, target, m=m, beta=beta).item()
            assert got == pytest.approx((1 + beta) * math.log(2))
    for r, beta in [(2, 10), (0, 10), (7, 3)]:
        got = losses.ss_lr_loss(logits, target, r=r, beta=beta).item()
        assert got == pytest.approx((1 + beta / 2**r) * math.log(2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_survives_a_thousand_classes(one, dtype):
    # A sum of 1000 terms of log 2 is beyond what bfloat16 can add up.
    got = one.function(torch.zeros(1, 1000, dtype=dtype), torch.tensor([3])).double().item()
    want = {"lr": 1000, "hs_lr": 11, "ss_lr": 3.5}[one.name] * math.log(2)
    assert got == pytest.approx(want, rel=5e-3)


@pytest.mark.parametrize("place", ["target", "elsewhere"])
def test_nan_logits_give_nan_to_their_example_alone(case, place, batch, selection):
    logits, target = batch(4, 7)
    clean = case.function(logits, target, reduction="none")
    logits[1, int(target[1]) if place == "target" else (int(target[1]) + 1) % 7] = math.nan
    got = case.function(logits, target, reduction="none")
    assert got.isnan().tolist() == [False, True, False, False]
    assert torch.equal(got[[0, 2, 3]], clean[[0, 2, 3]])
    assert gradient(case.function, logits, target)[[0, 2, 3]].isfinite().all()


def test_a_class_ruled_out_costs_nothing(case, batch, selection):
    logits, target = batch(4, 7)
    logits[:, 2] = -math.inf
    low = logits.clone()
    low[:, 2] = -1e4
    target[target == 2] = 1
    for function in (partial(case.function, reduction="none"), partial(gradient, case.function)):
        close(function(logits, target), function(low, target))
    assert (gradient(case.function, logits, target)[:, 2] == 0).all()


def test_a_label_that_is_certain_costs_nothing(case, batch, selection):
    logits, target = batch(4, 7)
    logits.scatter_(1, target[:, None], math.inf)
    near = logits.clamp(max=1e4)
    expected = case.function(near, target, reduction="none"), gradient(case.function, near, target)
    close(
        (case.function(logits, target, reduction="none"), gradient(case.function, logits, target)), expected
    )
    close(by_formula(case.function, logits, target), expected)


# --- gradients ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [5, 7, 12])
def test_autograd_of_the_printed_formula(case, batch, classes, selection):
    logits, target = batch(30, classes)
    plain = logits.clone().requires_grad_()
    expected = naive(case, plain, [[y] for y in target.tolist()])
    (slopes,) = torch.autograd.grad(expected.sum(), plain)
    close(case.function(logits, target, reduction="none"), expected.detach(), rtol=1e-10, atol=1e-13)
    close(gradient(case.function, logits, target), slopes, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 6, 7])
def test_blocks_and_formula_agree(case, batch, small_blocks, selection, rows, dtype):
    logits, target = batch(rows, 7, scale=4.0)
    logits = logits.to(dtype)
    few = 200 * torch.finfo(dtype).eps
    values, slopes = by_formula(case.function, logits, target)
    close(case.function(logits, target, reduction="none"), values, rtol=few, atol=few)
    close(gradient(case.function, logits, target), slopes, rtol=few, atol=few)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_blocks_and_formula_agree_on_many_classes(case, batch, dtype):
    logits, target = batch(300, 1000, scale=3.0)
    logits = logits.to(dtype)
    few = 200 * torch.finfo(dtype).eps
    values, slopes = by_formula(case.function, logits, target)
    close(case.function(logits, target, reduction="none"), values, rtol=few, atol=few)
    close(gradient(case.function, logits, target), slopes, rtol=few, atol=few)


@pytest.mark.parametrize("path", [gradient, lambda *given: by_formula(*given)[1]], ids=["blocks", "formula"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_far_from_the_boundary_the_gradient_is_its_limit(one, dtype, path, selection):
    """Wrong by 1e4 at the label and at two classes; then right by as much everywhere."""
    push = {"lr": 1, "hs_lr": 10 / 2, "ss_lr": 10 / 8}[one.name]
    logits = torch.full((2, 9), -1e4, dtype=dtype)
    logits[0, 1:3] = logits[1, 0] = 1e4
    limits = torch.zeros_like(logits)
    limits[0, :3] = torch.tensor([-1, push, push])
    target = torch.tensor([0, 0])
    close(path(one.function, logits, target), limits)
    values = one.function(logits, target, reduction="none").double().tolist()
    expected = 1e4 * (1 + 2 * push)
    if dtype == torch.float16:
        assert values == [math.inf if expected > 65504 else pytest.approx(expected, rel=1e-3), 0]
    else:
        assert values == [pytest.approx(expected, rel=1e-2), 0]


@pytest.mark.parametrize("gap", [17.0, 18.0, 30.0, 80.0])
def test_confident_mistakes_in_float32_keep_their_gradient(one, gap):
    # log(p + 1e-7) and log(1 - p + 1e-7), the usual guards, have next to none here.
    logits = torch.tensor([[-gap, gap, *[-gap] * 7]])
    push = {"lr": 1, "hs_lr": 10 / 2, "ss_lr": 10 / 8}[one.name]
    slopes = gradient(one.function, logits, torch.tensor([0]))[0, :2]
    close(slopes, torch.tensor([-1.0, push]), rtol=1e-5, atol=0)


def test_a_label_learnt_well_keeps_the_digits_of_its_gradient(one):
    """p - 1 would be 0 from a logit of 17 on, in float32."""
    logits = torch.full((1, 9), -200.0)
    for z in (10.0, 20.0, 80.0):
        logits[0, 4] = z
        expected = -math.exp(-z) / (1 + math.exp(-z))
        slope = gradient(one.function, logits, torch.tensor([4]))[0, 4].item()
        assert slope == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(3, 7), (2, 5, 3)])
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_finite_differences_of_first_and_second_order(case, batch, shape, reduction):
    logits, target = batch(*shape)
    weight = torch.linspace(0.5, 2, shape[1], dtype=torch.float64)
    target.view(-1)[0] = -100

    def function(values):
        return case.function(values, target, weight=weight, reduction=reduction)

    logits.requires_grad_()
    assert torch.autograd.gradcheck(function, (logits,), check_forward_ad=len(shape) == 2)
    assert torch.autograd.gradgradcheck(function, (logits,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gradients_have_the_type_of_the_logits(case, batch, dtype):
    logits, target = batch(6, 7, scale=1.0)
    narrow = logits.to(dtype)
    slopes = gradient(case.function, narrow, target)
    assert slopes.dtype == dtype
    close(slopes.double(), gradient(case.function, narrow.double(), target), rtol=1e-2, atol=1e-2)


def test_a_graph_can_be_used_again_if_kept(one, batch, small_blocks):
    logits, target = batch(7, 7)
    total = one.function(logits.requires_grad_(), target)
    first, second = (torch.autograd.grad(total, logits, retain_graph=True)[0].clone() for _ in range(2))
    close(first, second, rtol=1e-14, atol=1e-16)


# --- how many, and which ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("m", "classes", "paper", "published"),
    [
        *[(0.25, k, n, c) for k, n, c in [(10, 2, 2), (100, 24, 25), (200, 49, 50), (1000, 249, 250)]],
        *[(0.25, k, n, n) for k, n in [(751, 187), (702, 175)]],
        *[(m, 10, n, c) for m, n, c in [(0.5, 4, 5), (0.75, 6, 7), (1.0, 9, 10)]],
        # Whose products in binary fall short of a whole number.
        *[(0.29, 101, 29, 29), (0.57, 101, 57, 57), (0.07, 101, 7, 7), (0.58, 51, 29, 29)],
    ],
)
def test_how_many_are_selected(m, classes, paper, published, selection):
    logits = torch.randn(20, classes, generator=torch.Generator().manual_seed(0))
    target = torch.arange(20) % classes
    for count, n in [("paper", paper), ("published", published)]:
        slopes = gradient(partial(losses.hs_lr_loss, m=m, count=count), logits, target)
        slopes.scatter_(1, target[:, None], 0)
        assert ((slopes != 0).sum(1) == min(n, classes - 1)).all()
        # The weight of each is beta / n; at m = 1 the code divides by K, and selects K - 1.
        ratio = slopes / logits.sigmoid()
        close(ratio[slopes != 0], torch.full_like(ratio[slopes != 0], 10 / n))
        chosen = logits.where(slopes != 0, math.inf).amin(1)
        others = logits.scatter(1, target[:, None], -math.inf).where(slopes == 0, -math.inf).amax(1)
        assert (chosen >= others).all()


def _rounded(classes):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(40, classes, generator=generator).mul(4).round().div(4)


@pytest.mark.parametrize("classes", [9, 40, 300])
@pytest.mark.parametrize("m", [0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(
    "logits",
    [
        _rounded,
        lambda classes: torch.zeros(40, classes),
        lambda classes: torch.full((40, classes), -7.5),
        lambda classes: torch.eye(40, classes),
        lambda classes: torch.zeros(40, classes).masked_fill(torch.arange(classes) % 3 == 0, -math.inf),
        lambda classes: _rounded(classes).clamp(max=0.5),
    ],
    ids=["rounded", "zeros", "equal", "one apart", "ruled out", "clipped"],
)
def test_exactly_as_many_where_classes_tie(logits, m, classes, selection):
    """Equal logits may be taken in any order, but no more of them and no fewer."""
    z = logits(classes)
    target = torch.arange(40) % classes
    n = math.floor(m * (classes - 1))
    slopes = gradient(partial(losses.hs_lr_loss, m=m), z, target)
    values, _ = by_formula(partial(losses.hs_lr_loss, m=m), z, target)
    close(losses.hs_lr_loss(z, target, m=m, reduction="none"), values)
    slopes.scatter_(1, target[:, None], 0)
    others = z.scatter(1, target[:, None], -math.inf)
    can_count = (others > -math.inf).sum(1).clamp(max=n)
    assert torch.equal((slopes != 0).sum(1), can_count)
    close(slopes.where(slopes == 0, slopes / z.sigmoid()).sum(1), can_count * 10 / n)
    chosen = others.where(slopes != 0, math.inf).amin(1)
    assert (chosen >= others.where(slopes == 0, -math.inf).amax(1)).all()


def test_without_numpy_the_selection_is_the_same(monkeypatch, batch):
    logits, target = batch(50, 100)
    chosen = losses.hs_lr_loss, losses.softmax_bce_loss
    expected = [gradient(loss, logits, target) for loss in chosen]

    def unavailable(_):
        raise RuntimeError("Numpy is not available")

    monkeypatch.setattr(torch.Tensor, "numpy", unavailable)
    assert not _common._has_numpy()
    monkeypatch.setattr(logistic, "HAS_NUMPY", False)
    monkeypatch.setattr(softmax, "HAS_NUMPY", False)
    close([gradient(loss, logits, target) for loss in chosen], expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_many_examples_of_few_classes_select_as_few_examples_do(monkeypatch, batch, dtype):
    """By partition from 1024 rows, by topk below: the same classes, so the same gradients to the bit."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    logits, target = batch(1024, 10)
    logits = logits.to(dtype)
    partitioned = []
    monkeypatch.setattr(
        logistic,
        "_partitions",
        lambda z, _own=logistic._partitions: partitioned.append(_own(z)) or partitioned[-1],
    )
    got = gradient(losses.hs_lr_loss, logits, target)
    halves = [
        gradient(losses.hs_lr_loss, *half) for half in zip(logits.split(512), target.split(512), strict=True)
    ]
    assert partitioned == [True, False, False]
    assert torch.equal(got, torch.cat(halves))
    values = [
        losses.hs_lr_loss(*half, reduction="none")
        for half in zip(logits.split(512), target.split(512), strict=True)
    ]
    few = 8 * torch.finfo(dtype).eps
    close(losses.hs_lr_loss(logits, target, reduction="none"), torch.cat(values), rtol=few, atol=0)


# --- what holds between them --------------------------------------------------------------------------------


@st.composite
def examples(draw, size=30.0, fewest=2):
    """Float64 logits ``[1, K]`` within +-size, and a target."""
    classes = draw(st.sampled_from([k for k in (2, 3, 5, 10, 40) if k >= fewest]))
    values = draw(st.lists(st.floats(-size, size, width=32), min_size=classes, max_size=classes))
    return torch.tensor([values], dtype=torch.float64), torch.tensor([draw(st.integers(0, classes - 1))])


def both(function, logits, target):
    """Value and gradient of one example."""
    return function(logits, target, reduction="none"), gradient(function, logits, target)


def same(one, other, logits, target):
    close(both(one, logits, target), both(other, logits, target), rtol=1e-11, atol=1e-14)


@given(examples(), st.floats(0, 20))
@settings(max_examples=50, deadline=None)
def test_ends_of_the_options_meet(example, beta):
    rest = example[0].shape[1] - 1.0
    all_hard = partial(losses.hs_lr_loss, m=1)
    same(partial(losses.ss_lr_loss, r=0, beta=beta), partial(all_hard, beta=beta), *example)
    same(partial(all_hard, beta=rest), losses.lr_loss, *example)
    same(partial(losses.ss_lr_loss, r=0, beta=rest), losses.lr_loss, *example)
    # As the label is one of the K in the authors' code, its weight is beta / K.
    published = partial(all_hard, count="published", beta=(rest + 1) * beta / rest)
    same(published, partial(all_hard, beta=beta), *example)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("r", [5e-324, 1e-300, 1e-40, 1e-6])
def test_next_to_no_focus_is_none(batch, r, dtype):
    logits, target = batch(20, 7, scale=5.0)
    logits = logits.to(dtype)
    for of in (
        lambda function: function(logits, target),
        lambda function: gradient(function, logits, target),
    ):
        close(of(partial(losses.ss_lr_loss, r=r)), of(partial(losses.ss_lr_loss, r=0)), rtol=2e-4, atol=0)


@given(examples())
@settings(max_examples=50, deadline=None)
def test_lr_is_k_times_the_mean_of_pytorch(example):
    logits, target = example
    hot = F.one_hot(target, logits.shape[1]).double()

    def theirs(z, y, reduction):
        return logits.shape[1] * F.binary_cross_entropy_with_logits(z, hot, reduction="mean").view(1)

    # Theirs are differences: of numbers as large as the logits, and in the gradient of numbers up to 1.
    room = 2 * torch.finfo(torch.float64).eps
    value, slopes = both(losses.lr_loss, logits, target)
    close(value, theirs(logits, target, "none"), rtol=1e-12, atol=room * logits.abs().sum().item())
    close(slopes, gradient(theirs, logits, target), rtol=1e-12, atol=room)
    close(losses.lr_loss(logits, hot), losses.lr_loss(logits, target), rtol=1e-14, atol=0)


@given(examples(size=15.0), st.sampled_from([0, 0.5, 1, 2, 5]))
@settings(max_examples=50, deadline=None)
def test_the_negative_term_of_ss_lr_is_that_of_the_focal_loss(example, gamma):
    logits, target = example
    rest = logits.shape[1] - 1.0
    focal = sigmoid_focal_loss(logits, torch.zeros_like(logits), alpha=-1, gamma=gamma)
    expected = F.softplus(-logits[0, target[0]], threshold=40)
    expected = expected + focal.sum() - focal[0, target[0]]
    close(losses.ss_lr_loss(logits, target, r=gamma, beta=rest), expected, rtol=1e-9, atol=1e-12)


@given(examples(size=15.0))
@settings(max_examples=30, deadline=None)
def test_lr_is_the_focal_loss_without_focus(example):
    logits, target = example
    hot = F.one_hot(target, logits.shape[1]).double()
    focal = sigmoid_focal_loss(logits, hot, alpha=-1, gamma=0, reduction="sum")
    close(losses.lr_loss(logits, target), focal, rtol=1e-10, atol=1e-12)


ALL = [partial(each.plain, **each.options) for each in VARIANTS]


@given(examples(fewest=5), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_classes_does_not_matter(example, random):
    logits, target = example
    order = list(range(logits.shape[1]))
    random.shuffle(order)
    where = torch.tensor([order.index(int(target))])
    distinct = len(set(logits[0].tolist())) == logits.shape[1]
    for function in ALL:
        value, slopes = both(function, logits, target)
        moved, moved_slopes = both(function, logits[:, order], where)
        close(moved, value, rtol=1e-12, atol=1e-14)
        if distinct:  # Of classes that tie, any may be selected.
            close(moved_slopes, slopes[:, order], rtol=1e-12, atol=1e-14)


@given(examples(fewest=5, size=1e4), st.floats(0, 100))
@settings(max_examples=30, deadline=None)
def test_monotone_and_finite_however_large_the_logits(example, step):
    """The loss falls with the label's logit, rises with any other, and is never negative."""
    logits, target = example
    label = F.one_hot(target, logits.shape[1]).double()
    for function in ALL:
        value, slopes = both(function, logits, target)
        assert value >= 0
        assert value.isfinite()
        assert (slopes * (1 - 2 * label) >= 0).all()
        assert slopes.isfinite().all()
        # But for rounding, which no exponential is monotone in.
        assert function(logits + step * label, target) <= value * (1 + 1e-12)
        assert function(logits + step * (1 - label), target) >= value * (1 - 1e-12)


@given(examples(fewest=5), examples(fewest=5), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_lr_and_hs_lr_are_convex(one_end, other_end, where):
    (a, target), (b, _) = one_end, other_end
    classes = min(a.shape[1], b.shape[1])
    a, b, target = a[:, :classes], b[:, :classes], target.clamp(max=classes - 1)
    for function in (losses.lr_loss, losses.hs_lr_loss, partial(losses.hs_lr_loss, m=0.75)):
        chord = where * function(a, target) + (1 - where) * function(b, target)
        assert function(where * a + (1 - where) * b, target) <= chord * (1 + 1e-12) + 1e-12


def test_at_zero_the_gradient_divides_as_the_paper_says():
    """One to K - 1 for LR; for HS-LR one to beta, for any m and K; for SS-LR about one to 3."""
    logits = torch.zeros(1, 50, dtype=torch.float64)
    target = torch.tensor([7])

    def ratio(function):
        slopes = gradient(function, logits, target)
        assert slopes[0, 7] == -0.5
        return (slopes.sum() - slopes[0, 7]).item() / 0.5

    assert ratio(losses.lr_loss) == pytest.approx(49)
    for m in (0.1, 0.25, 1):
        assert ratio(partial(losses.hs_lr_loss, m=m)) == pytest.approx(10)
    assert ratio(losses.ss_lr_loss) == pytest.approx(10 / 4 * (2 * math.log(2) + 1))
    assert ratio(losses.ss_lr_loss) == pytest.approx(5.9657, abs=5e-5)


# --- several labels -----------------------------------------------------------------------------------------

LABELS = [[2], [0, 6], [1, 2, 3], [], [0, 1, 2, 3, 4, 5, 6], [4], [0, 2, 4, 6]]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [torch.bool, torch.float16, torch.float32, torch.float64])
def test_several_labels(case, batch, small_blocks, selection, weighted, dtype):
    logits, _ = batch(len(LABELS), 7)
    target = multi_hot(LABELS, 7, dtype)
    weight = [0.25, 1.0, 3.0, 0.5, 2.0, 0.0, 1.5] if weighted else None
    options = {"weight": torch.tensor(weight) if weighted else None}
    plain = logits.clone().requires_grad_()
    expected = naive(case, plain, LABELS, weight)
    (slopes,) = torch.autograd.grad(expected.sum(), plain)
    got = case.function(logits, target, reduction="none", **options)
    close(got, expected.detach(), rtol=1e-10, atol=1e-13)
    close(gradient(case.function, logits, target, **options), slopes, rtol=1e-9, atol=1e-12)
    close(case.function(logits, target, **options), got.mean())
    close(case.function(logits, target, reduction="sum", **options), got.sum())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("share", [0.02, 0.7])
def test_several_labels_of_many_classes_by_the_formula(case, batch, weighted, dtype, share, selection):
    logits, _ = batch(60, 300, scale=3.0)
    logits = logits.to(dtype)
    target = torch.rand(60, 300, generator=torch.Generator().manual_seed(1)) < share
    weight = torch.linspace(0, 2, 300, dtype=dtype) if weighted else None
    few = 200 * torch.finfo(dtype).eps
    values, slopes = by_formula(case.function, logits, target, weight=weight)
    got = case.function(logits, target, weight=weight, reduction="none")
    close(got, values, rtol=few, atol=few)
    close(gradient(case.function, logits, target, weight=weight), slopes, rtol=few, atol=few)


@pytest.mark.parametrize("m", [0.25, 0.9])
def test_exactly_as_many_where_classes_tie_beside_several_labels(m, selection):
    logits = _rounded(60)
    target = logits.roll(1, 1) > 1
    target[0], target[1] = True, False
    rest = (~target).sum(1)
    n = torch.tensor([max(1, math.floor(m * each)) for each in rest.tolist()]).clamp(max=rest)
    slopes = gradient(partial(losses.hs_lr_loss, m=m), logits, target)
    chosen = (slopes != 0) & ~target
    assert torch.equal(chosen.sum(1), n)
    lowest = logits.where(chosen, math.inf).amin(1)
    assert (lowest >= logits.where(~chosen & ~target, -math.inf).amax(1)).all()
    close(slopes.where(chosen, 0), (chosen * logits.sigmoid() * 10 / n.clamp(min=1)[:, None]).float())


def test_one_label_either_way(case, batch):
    logits, target = batch(20, 7, 2, scale=4.0)
    hot = F.one_hot(target, 7).movedim(-1, 1)
    for given_hot in (hot.bool(), hot.double()):
        for settings_ in ({"reduction": "none"}, {"reduction": "mean"}, {"reduction": "sum"}):
            close(case.function(logits, given_hot, **settings_), case.function(logits, target, **settings_))
        close(gradient(case.function, logits, given_hot), gradient(case.function, logits, target))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(9, 7), (3, 7, 2, 2)])
def test_lr_with_several_labels_is_pytorchs(batch, weighted, shape):
    logits, _ = batch(*shape, scale=5.0)
    target = (logits.flip(0) > 0).double()
    weight = torch.linspace(0, 3, 7, dtype=torch.float64) if weighted else None
    by_class = weight.view(7, *(1 for _ in shape[2:])) if weighted else None
    each = F.binary_cross_entropy_with_logits(logits, target, weight=by_class, reduction="none")
    got = losses.lr_loss(logits, target, weight=weight, reduction="none")
    close(got, each.sum(1), rtol=1e-12, atol=1e-14)
    close(losses.lr_loss(logits, target, weight=weight), 7 * each.mean(), rtol=1e-12, atol=0)


def test_several_labels_far_from_the_boundary(case):
    logits = torch.tensor([[-1e4, 1e4, 1e4, -1e4, -1e4, 1e4, -1e4]], requires_grad=True)
    target = multi_hot([[0, 1]], 7, torch.float32)
    value = case.function(logits, target)
    expected = exact(case, logits[0].tolist(), [0, 1])
    assert value.item() == pytest.approx(expected, rel=1e-6)
    value.backward()
    assert logits.grad.isfinite().all()
    assert logits.grad[0, :2].tolist() == [-1, 0]


def test_an_example_of_all_labels_has_no_negative_term(case):
    logits = torch.tensor([[1.0, -2.0, 0.5, 3.0, 0.0]], dtype=torch.float64)
    got = case.function(logits, torch.ones(1, 5, dtype=torch.bool)).item()
    assert got == pytest.approx(sum(math.log1p(math.exp(-z)) for z in logits[0].tolist()), rel=1e-13)


def test_several_labels_of_finite_differences(case, batch):
    logits, _ = batch(len(LABELS), 7)
    target, weight = multi_hot(LABELS, 7), torch.linspace(0.5, 2, 7, dtype=torch.float64)
    logits.requires_grad_()
    weight.requires_grad_()

    def function(z, w):
        return case.function(z, target, weight=w)

    assert torch.autograd.gradcheck(function, (logits, weight))
    assert torch.autograd.gradgradcheck(function, (logits, weight))


# --- weight, ignore_index, reduction ------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [(), (3,), (2, 2, 3)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore_index", [-100, 2])
def test_each_reduction_from_the_losses_example_by_example(case, batch, extra, weighted, ignore_index):
    logits, target = batch(4, 5, *extra)
    target.view(-1)[1::3] = ignore_index
    weight = torch.tensor([0.25, 1.0, 3.0, 0.5, 0.0], dtype=torch.float64) if weighted else None
    expected, scales = [], []
    for row, wanted in zip(logits.movedim(1, -1).reshape(-1, 5), target.flatten().tolist(), strict=True):
        kept = wanted != ignore_index
        scales.append((float(weight[wanted]) if weighted else 1.0) if kept else 0.0)
        value = case.function(row[None], torch.tensor([wanted])).item() if kept else 0.0
        expected.append(scales[-1] * value)
    options = {"weight": weight, "ignore_index": ignore_index}
    each = case.function(logits, target, reduction="none", **options)
    assert each.shape == target.shape
    assert each.flatten().tolist() == pytest.approx(expected, rel=1e-12)
    total = case.function(logits, target, reduction="sum", **options)
    assert total.item() == pytest.approx(math.fsum(expected), rel=1e-12)
    mean = case.function(logits, target, **options)
    assert mean.item() == pytest.approx(math.fsum(expected) / math.fsum(scales), rel=1e-12)
    assert mean.shape == total.shape == ()


def test_ignored_examples_get_no_gradient_and_may_be_anything(one, batch):
    logits, target = batch(5, 7)
    clean = one.function(logits[:4], target[:4])
    target[4] = -100
    for bad in (math.nan, math.inf, -math.inf):
        logits[4] = bad
        close(one.function(logits, target), clean)
    logits[4] = 1.0
    slopes = gradient(one.function, logits, target)
    assert (slopes[4] == 0).all()
    assert (slopes[:4] != 0).any(1).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_all_ignored_is_as_in_pytorch(one, batch, weighted):
    logits, target = batch(4, 7)
    target[:] = -100
    weight = torch.ones(7, dtype=torch.float64) if weighted else None
    for reduction in ("none", "mean", "sum"):
        expected = F.cross_entropy(logits, target, weight=weight, reduction=reduction)
        got = one.function(logits, target, weight=weight, reduction=reduction)
        close(got, expected, equal_nan=True)


@pytest.mark.parametrize("hot", [False, True])
@pytest.mark.parametrize("shape", [(0, 7), (2, 7, 0)])
def test_an_empty_batch_is_as_in_pytorch(one, shape, hot):
    logits = torch.zeros(shape, requires_grad=True)
    places = (shape[0], *shape[2:])
    target = torch.zeros(shape) if hot else torch.zeros(places, dtype=torch.long)
    assert one.function(logits, target).isnan()
    assert one.function(logits, target, reduction="none").shape == places
    total = one.function(logits, target, reduction="sum")
    assert total.item() == 0
    total.backward()
    assert logits.grad.shape == shape


def test_weights_of_another_type_do_not_widen_the_loss(one, batch):
    logits, target = batch(6, 7)
    weight = torch.arange(1, 8, dtype=torch.float64)
    for targets in (target, F.one_hot(target, 7).bool()):
        expected = one.function(logits, targets, weight=weight)
        for dtype in (torch.float16, torch.float32):
            got = one.function(logits.to(dtype), targets, weight=weight)
            assert got.dtype == dtype
            close(got.double(), expected, rtol=5e-3, atol=1e-3)
        close(one.function(logits, targets, weight=weight.int()), expected)


def test_the_input_is_left_as_it_was(case, batch, small_blocks, selection):
    logits, target = batch(7, 7)
    hot, weight = F.one_hot(target, 7).double(), torch.rand(7, dtype=torch.float64)
    target[0] = -100
    given_ = (logits, target, hot, weight)
    kept = [each.clone() for each in given_]
    gradient(case.function, logits, target, weight=weight)
    gradient(case.function, logits, hot, weight=weight)
    with torch.no_grad():
        case.function(logits, target, weight=weight)
    assert all(torch.equal(*pair) for pair in zip(given_, kept, strict=True))


@pytest.mark.parametrize(
    "layout",
    [
        lambda z: z.t().contiguous().t(),
        lambda z: z.repeat_interleave(2, dim=1)[:, ::2],
        lambda z: F.pad(z, (1, 2))[:, 1:-2],
        lambda z: z[:1].expand(7, 7),
    ],
    ids=["transposed", "every second", "columns of a wider one", "expanded"],
)
def test_logits_of_any_layout(case, batch, small_blocks, selection, layout):
    logits, target = batch(7, 7)
    given_ = layout(logits)
    leaf = given_.detach().requires_grad_()
    (slopes,) = torch.autograd.grad(case.function(leaf, target, reduction="sum"), leaf)
    close(slopes, gradient(case.function, given_.contiguous(), target), rtol=1e-13, atol=1e-15)


# --- what is refused ----------------------------------------------------------------------------------------

Z = torch.zeros(4, 9)
Y = torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("hs_lr", {"m": 0.0}, "m must lie in (0, 1], as a fraction; got 0.0"),
        ("hs_lr", {"m": 25}, "m must lie in (0, 1], as a fraction; got 25"),
        ("hs_lr", {"m": -0.5}, "m must lie in (0, 1], as a fraction; got -0.5"),
        ("hs_lr", {"m": math.nan}, "m must lie in (0, 1], as a fraction; got nan"),
        ("hs_lr", {"beta": -1.0}, "beta must be finite and not negative; got -1.0"),
        ("hs_lr", {"beta": math.inf}, "beta must be finite and not negative; got inf"),
        ("hs_lr", {"count": "code"}, "count must be one of paper, published; got 'code'"),
        ("ss_lr", {"r": -1e-9}, "r must be finite and not negative; got -1e-09"),
        ("ss_lr", {"r": math.inf}, "r must be finite and not negative; got inf"),
        ("ss_lr", {"beta": math.nan}, "beta must be finite and not negative; got nan"),
    ],
)
def test_options_out_of_range(name, options, said):
    """By the function when called, by the module when made."""
    for make in (
        lambda: getattr(losses, f"{name}_loss")(Z, Y, **options),
        lambda: losses.get(name, **options),
    ):
        with pytest.raises(ValueError) as refused:  # noqa: PT011
            make()
        assert str(refused.value) == said


@pytest.mark.parametrize("count", ["paper", "published"])
@pytest.mark.parametrize(("classes", "m"), [(2, 0.25), (2, 0.99), (4, 0.24), (10, 0.05), (40, 0.01)])
def test_at_least_one_class_is_selected(classes, m, count, selection):
    z = torch.linspace(-1, 2, classes, dtype=torch.float64).flip(0)[None]
    expected = F.softplus(-z[0, -1]) + 10 * F.softplus(z[0, 0])
    for target in (torch.tensor([classes - 1]), F.one_hot(torch.tensor([classes - 1]), classes).bool()):
        close(losses.hs_lr_loss(z, target, m=m, count=count), expected)
        values, _ = by_formula(partial(losses.hs_lr_loss, m=m, count=count), z, target)
        close(values[0], expected)


@pytest.mark.parametrize("bad", [-1.0, 2.0, math.nan, math.inf, -1e-5, 1.00001])
def test_labels_out_of_range(one, bad):
    target = torch.zeros(4, 9)
    target[2, 3], target[1, 1] = bad, 1
    with pytest.raises(ValueError, match=f"multi-hot targets must lie between 0 and 1; found {bad:g}$"):
        one.function(Z, target)


def test_hard_selection_takes_no_soft_labels():
    target = torch.zeros(4, 9)
    target[2, 3], target[1, 1] = 0.5, 1
    with pytest.raises(
        ValueError, match=r"this loss must be 0 or 1; found 0\.5; .* mixup and cutmix take lam"
    ):
        losses.hs_lr_loss(Z, target)


def test_multi_hot_targets_of_wrong_shape(one):
    for shape in [(4,), (4, 1), (9, 4), (4, 9, 1)]:
        with pytest.raises(ValueError, match=r"must have the logits' shape, \[4, 9\]") as refused:
            one.function(Z, torch.zeros(shape))
        assert str(refused.value).endswith(f"got {list(shape)} (class indices are integers)")


def test_multi_hot_targets_have_nothing_to_ignore(one):
    with pytest.raises(ValueError, match="ignore_index is for class indices.*; got 0$"):
        one.function(Z, torch.zeros(4, 9), ignore_index=0)


def test_integers_are_class_indices(one):
    with pytest.raises(ValueError, match="without the class dimension"):
        one.function(Z, torch.zeros(4, 9, dtype=torch.long))


@pytest.mark.parametrize(("target", "named"), [([0, 9, 1, 0], "9"), ([0, -1, 2, 0], "-1")])
def test_targets_out_of_range(one, target, named):
    with pytest.raises(ValueError, match=rf"0\.\.8 or equal ignore_index \(-100\); found {named}$"):
        one.function(Z, torch.tensor(target))


def test_what_is_no_tensor_of_the_right_kind(one):
    with pytest.raises(TypeError, match="integer tensor; got list"):
        one.function(Z, [0, 1, 2, 0])
    with pytest.raises(TypeError, match=r"integer tensor; got torch\.complex64"):
        one.function(Z, torch.zeros(4, 9, dtype=torch.complex64))
    with pytest.raises(TypeError, match="floating-point tensor; got torch.int64"):
        one.function(Z.long(), Y)
    few, least = (0, "one") if one.name == "lr" else (1, "2 of them")
    with pytest.raises(ValueError, match=f"at least {least}; the logits have {few}"):
        one.function(Z[:, :few], torch.zeros(4, dtype=torch.long))
    with pytest.raises(ValueError, match=r"one entry per class, shape \[9\]; got \[4\]"):
        one.function(Z, Y, weight=torch.ones(4))
    with pytest.raises(ValueError, match="reduction must be one of none, mean, sum; got 'avg'"):
        one.function(Z, Y, reduction="avg")


# --- transforms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hot", [False, True])
def test_vmap(case, batch, hot):
    logits, target = batch(12, 7, scale=3.0)
    if hot:
        target = logits.roll(1, 0) > 1
    stacked, targets = logits.view(3, 4, 7), target.view(3, 4, *target.shape[1:])
    means = vmap(case.function)(stacked, targets)
    close(means, torch.stack([case.function(*each) for each in zip(stacked, targets, strict=True)]))
    shared = vmap(case.function, in_dims=(0, None))(stacked, targets[0])
    close(shared, torch.stack([case.function(z, targets[0]) for z in stacked]))
    shared = vmap(case.function, in_dims=(None, 0))(stacked[0], targets)
    close(shared, torch.stack([case.function(stacked[0], y) for y in targets]))
    slopes = vmap(grad(lambda z, y: case.function(z[None], y[None])))(logits, target)
    close(slopes, gradient(case.function, logits, target))
    weights = torch.rand(3, 7, dtype=torch.float64)
    got = vmap(lambda w: case.function(logits, target, weight=w))(weights)
    close(got, torch.stack([case.function(logits, target, weight=w) for w in weights]))


def test_gradients_of_gradients(case, batch):
    logits, target = batch(2, 5)

    def total(z):
        return case.function(z, target, reduction="sum")

    expected = torch.autograd.functional.hessian(total, logits)
    for of in (hessian(total), jacrev(jacrev(total)), jacfwd(jacfwd(total))):
        close(of(logits), expected, rtol=1e-9, atol=1e-12)
    close(
        torch.autograd.functional.jacobian(total, logits, vectorize=True),
        gradient(case.function, logits, target),
    )
    _, tangent = jvp(total, (logits,), (logits.flip(0),))
    close(tangent, (gradient(case.function, logits, target) * logits.flip(0)).sum())


def test_captured_without_a_break(batch):
    """All in one function, of class indices and of several labels."""
    logits, target = batch(9, 7)
    labels = F.one_hot(target, 7).double()
    labels[:, 2] = 1
    functions = [partial(each.function, reduction="none") for each in VARIANTS]
    torch.compiler.reset()

    def run(z):
        return torch.stack([function(z, wanted) for function in functions for wanted in (target, labels)])

    compiled = torch.compile(run, fullgraph=True, backend="eager")
    close(compiled(logits), run(logits))
    close(
        gradient(lambda z, *_, **__: compiled(z).sum(), logits, target),
        gradient(lambda z, *_, **__: run(z).sum(), logits, target),
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("hot", [False, True])
def test_autocast_is_that_of_cross_entropy(one, batch, dtype, hot):
    """Half precision goes in, float32 comes out."""
    logits, target = batch(6, 7)
    given_ = F.one_hot(target, 7).bool() if hot else target
    narrow = logits.to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = one.function(narrow, given_)
        assert got.dtype == F.cross_entropy(narrow, target).dtype == torch.float32
    close(got, one.function(narrow.float(), given_))
    got.backward()
    assert narrow.grad.dtype == dtype


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_nothing_waits(case, batch):
    logits, target = batch(30, 100)
    expected = case.function(logits, target), gradient(case.function, logits, target)
    there, wanted = logits.cuda(), target.cuda()
    hot = F.one_hot(wanted, 100).double()
    torch.cuda.set_sync_debug_mode("error")
    try:
        value, slopes = case.function(there, wanted), gradient(case.function, there, wanted)
        case.function(there, hot)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    close((value.cpu(), slopes.cpu()), expected)


# --- modules ------------------------------------------------------------------------------------------------


def test_a_module_gives_what_its_function_gives(case, batch):
    logits, target = batch(6, 7)
    target[0] = 2
    weight = torch.arange(1, 8, dtype=torch.float64)
    close(case.module()(logits, target), case.function(logits, target))
    hot = F.one_hot(target, 7).bool()
    close(case.module(weight)(logits, hot), case.function(logits, hot, weight=weight))
    for reduction in ("none", "mean", "sum"):
        options = {"weight": weight, "ignore_index": 2, "reduction": reduction}
        close(case.module(**options)(logits, target), case.function(logits, target, **options))


def test_a_module_takes_the_place_of_cross_entropy(one):
    cls = MODULES[one.name]
    assert list(inspect.signature(cls).parameters)[:3] == ["weight", "ignore_index", "reduction"]
    of_function, of_module = inspect.signature(one.plain).parameters, inspect.signature(cls).parameters
    assert set(of_function) - {"input", "target"} == set(of_module)
    assert all(of_module[name].default == of_function[name].default for name in of_module)
    weight = torch.tensor([1.0, 2.0, 4.0])
    module = cls(weight, ignore_index=1, reduction="sum")
    assert list(module.state_dict()) == ["weight"]
    assert list(cls().state_dict()) == list(nn.CrossEntropyLoss().state_dict()) == []
    assert module.double().weight.dtype == torch.float64
    again = pickle.loads(pickle.dumps(module))
    assert repr(again) == repr(module)


def test_print_shows_the_settings():
    assert repr(losses.LRLoss()) == "LRLoss(ignore_index=-100, reduction='mean')"
    assert repr(losses.HSLRLoss(m=0.5, count="published")) == (
        "HSLRLoss(m=0.5, beta=10.0, count='published', ignore_index=-100, reduction='mean')"
    )
    assert repr(losses.SSLRLoss(r=1)) == "SSLRLoss(r=1, beta=10.0, ignore_index=-100, reduction='mean')"


def test_by_name():
    assert {name: type(losses.get(name)) for name in MODULES} == MODULES
    module = losses.get("hs_lr", m=0.5, beta=3, count="published", reduction="sum", ignore_index=4)
    assert (module.m, module.beta, module.count) == (0.5, 3, "published")
    assert (module.reduction, module.ignore_index) == ("sum", 4)
    with pytest.raises(UnknownNameError, match="'gamma'"):
        losses.get("ss_lr", gamma=2)
    with pytest.raises(UnknownNameError, match="did you mean 'hs_lr'"):
        losses.get("hslr")


def test_no_warnings(case, batch):
    logits, target = batch(40, 50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradient(case.function, logits, target)
        case.function(logits, F.one_hot(target, 50).bool())
