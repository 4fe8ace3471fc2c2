"""The asymmetric loss: against its formula at fifty digits, in loops, and against others."""

import math
import pickle
from functools import partial

import mpmath
import pytest
import torch
from timm.loss import AsymmetricLossMultiLabel
from torch.nn import functional as F

from lossbook import losses
from lossbook.losses import _rowwise

close = torch.testing.assert_close
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:FutureWarning")

_HIGH = mpmath.mp.clone()
_HIGH.dps = 50

VARIANTS = [
    {},
    {"clip": 0.0},
    {"gamma_neg": 0.0, "gamma_pos": 0.0, "clip": 0.2},
    {"gamma_neg": 0.5, "gamma_pos": 0.5},
    {"gamma_neg": 1.0, "gamma_pos": 0.0},
    {"gamma_neg": 2.5, "gamma_pos": 3.0, "clip": 0.7},
    {"gamma_neg": 50.0, "clip": 1e-3},
]


@pytest.fixture(params=VARIANTS, ids=str)
def options(request):
    return {"gamma_neg": 4.0, "gamma_pos": 1.0, "clip": 0.05} | request.param


@pytest.fixture
def asl(options):
    return partial(losses.asymmetric_loss, **options)


def printed(p, r, labels, log, weight, *, gamma_neg, gamma_pos, clip):
    """The formula, of probabilities p and r = 1 - p; what it costs is found from p alone."""
    total = 0
    for k in range(len(p)):
        if k in labels:
            total = total - weight[k] * r[k] ** gamma_pos * log(p[k])
        elif p[k] > clip:
            total = total - weight[k] * (p[k] - clip) ** gamma_neg * log(r[k] + clip)
    return total


def exact(logits, labels, **options):
    p = [1 / (1 + _HIGH.exp(-_HIGH.mpf(z))) for z in logits]
    r = [1 / (1 + _HIGH.exp(_HIGH.mpf(z))) for z in logits]
    high = {name: _HIGH.mpf(value) for name, value in options.items()}
    return float(printed(p, r, labels, _HIGH.log, [1] * len(p), **high))


def gradient(function, logits, target, **settings):
    leaf = logits.detach().clone().requires_grad_()
    return torch.autograd.grad(function(leaf, target, reduction="sum", **settings), leaf)[0]


class Elsewhere(torch.Tensor):
    """Any subclass takes the path that a GPU takes."""


def by_formula(function, logits, target, **settings):
    leaf = logits.detach().clone().as_subclass(Elsewhere).requires_grad_()
    values = function(leaf, target, reduction="none", **settings)
    slopes = torch.autograd.grad(values.sum(), leaf)[0]
    return values.detach().as_subclass(torch.Tensor), slopes.as_subclass(torch.Tensor)


def labels_of(rows, classes, share=0.3, seed=1):
    """Labels bool ``[B, K]``; the first example has none, the second all."""
    found = torch.rand(rows, classes, generator=torch.Generator().manual_seed(seed)) < share
    found[0], found[1] = False, True
    return found


# --- values ---

LOGITS = [
    [0.0, 0.0],
    [1e4, -1e4, 3.0],
    [0.5, -1.25, 2.0],
    [3.0, -2.0, 0.25, 1e-8, -1e-8],
    [-40.0, 3.0, 1.0, -17.5, 39.0],
    # On either side of a probability of 0.05, of 0.2 and of 0.7.
    [-2.95, -2.94, -1.39, -1.38, 0.84, 0.85],
    [15.0, 16.0, 17.0, 19.0, 21.0, 25.0, -21.0],
]


@pytest.mark.parametrize("logits", LOGITS, ids=str)
def test_values(options, asl, logits):
    for labels in ([0], [len(logits) - 1], [0, 1], []):
        target = torch.zeros(1, len(logits), dtype=torch.bool)
        target[0, labels] = True
        expected = pytest.approx(exact(logits, labels, **options), rel=1e-12, abs=1e-14)
        held = torch.tensor([logits], dtype=torch.float64)
        assert asl(held, target).item() == expected
        assert by_formula(asl, held, target)[0].item() == expected
        if len(labels) == 1:
            assert asl(held, torch.tensor(labels)).item() == expected


def test_values_by_hand():
    # p = 1/2: a label costs log 2 / 2; another class 0.45^4 (-log 0.55).
    z = torch.zeros(1, 3)
    assert losses.asymmetric_loss(z, torch.tensor([0])).item() == pytest.approx(
        math.log(2) / 2 - 2 * 0.45**4 * math.log(0.55)
    )
    # Up to a probability of 0.05 another class costs nothing, and is not pushed.
    z = torch.tensor([[0.0, math.log(0.05 / 0.95) - 1e-3, -50.0]])
    assert losses.asymmetric_loss(z, torch.tensor([0])).item() == pytest.approx(math.log(2) / 2)
    assert gradient(losses.asymmetric_loss, z, torch.tensor([0]))[0, 1:].tolist() == [0, 0]
    # However wrong, it costs no more than this.
    z = torch.tensor([[1e4, 1e4]])
    assert losses.asymmetric_loss(z, torch.tensor([0])).item() == pytest.approx(-(0.95**4) * math.log(0.05))


def test_float32_keeps_its_digits(options, asl):
    for logits in LOGITS:
        held = torch.tensor([logits], dtype=torch.float32)
        # What is left of a probability beside the clip is known to the rounding of the probability.
        room = 1e-5 if options["gamma_neg"] < 50 else 1e-4
        got = asl(held, torch.tensor([0]))
        assert got.dtype == torch.float32
        assert got.item() == pytest.approx(
            exact(held[0].double().tolist(), [0], **options), rel=room, abs=1e-6
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_survives_a_thousand_classes(dtype):
    got = losses.asymmetric_loss(torch.zeros(1, 1000, dtype=dtype), torch.tensor([3]))
    assert got.dtype == dtype
    assert got.double().item() == pytest.approx(math.log(2) / 2 - 999 * 0.45**4 * math.log(0.55), rel=5e-3)


@pytest.mark.parametrize("place", [0, 3])
def test_nan_logits_give_nan_to_their_example_alone(asl, batch, place):
    logits, _ = batch(4, 7)
    target = torch.tensor([0, 0, 1, 2])
    clean = asl(logits, target, reduction="none")
    logits[1, place] = math.nan
    for got in (asl(logits, target, reduction="none"), by_formula(asl, logits, target)[0]):
        assert got.isnan().tolist() == [False, True, False, False]
        close(got[[0, 2, 3]], clean[[0, 2, 3]])


# --- gradients ---


@pytest.mark.parametrize("several", [False, True])
def test_autograd_of_the_printed_formula(options, asl, batch, several):
    logits, index = batch(30, 7, scale=3.0)
    target = labels_of(30, 7) if several else index
    plain = logits.clone().requires_grad_()
    rows = []
    for row, own in zip(plain, target if several else index, strict=True):
        p = row.sigmoid()
        labels = own.nonzero().flatten().tolist() if several else [int(own)]
        rows.append(
            printed(p.unbind(), (1 - p).unbind(), labels, torch.log, [1] * 7, **options) + 0 * p.sum()
        )
    expected = torch.stack(rows)
    (slopes,) = torch.autograd.grad(expected.sum(), plain)
    close(asl(logits, target, reduction="none"), expected.detach(), rtol=1e-10, atol=1e-13)
    close(gradient(asl, logits, target), slopes, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [2, 3, 7])
def test_blocks_and_formula_agree(asl, batch, monkeypatch, rows, dtype, several):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(_rowwise, "_BLOCK", 14)  # two rows of seven classes
    logits, target = batch(rows, 7, scale=4.0)
    logits, target = logits.to(dtype), labels_of(rows, 7) if several else target
    few = 500 * torch.finfo(dtype).eps
    weight = torch.linspace(0.5, 2, 7)
    values, slopes = by_formula(asl, logits, target, weight=weight)
    close(asl(logits, target, reduction="none", weight=weight), values, rtol=few, atol=few)
    close(gradient(asl, logits, target, weight=weight), slopes, rtol=few, atol=few)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("shape", [(3, 7), (2, 5, 3)])
def test_finite_differences_of_first_and_second_order(asl, batch, shape, several):
    logits, target = batch(*shape)
    weight = torch.linspace(0.5, 2, shape[1], dtype=torch.float64)
    if several:
        target = torch.rand(shape, generator=torch.Generator().manual_seed(2)) < 0.4
    else:
        target.view(-1)[0] = -100

    def function(values):
        return asl(values, target, weight=weight)

    logits.requires_grad_()
    assert torch.autograd.gradcheck(function, (logits,), check_forward_ad=len(shape) == 2)
    assert torch.autograd.gradgradcheck(function, (logits,))


@pytest.mark.parametrize("gap", [17.0, 30.0, 80.0])
def test_confident_mistakes_in_float32_keep_their_gradient(gap):
    """A label far down is pushed by 1, and without a clip so is another class far up."""
    z, target = torch.tensor([[-gap, gap, -gap]]), torch.tensor([0])
    free = gradient(partial(losses.asymmetric_loss, clip=0.0), z, target)
    close(free, torch.tensor([[-1.0, 1.0, 0.0]]), rtol=1e-5, atol=1e-6)
    # A clip is there to let go of such a class: by p (1 - p) / c and less.
    held = gradient(losses.asymmetric_loss, z, target)[0]
    assert held[0].item() == pytest.approx(-1, rel=1e-5)
    assert 0 < held[1].item() < 27 * math.exp(-gap)


# --- what it is elsewhere ---


@pytest.mark.parametrize("several", [False, True])
def test_its_ends_are_other_losses(batch, several):
    logits, target = batch(20, 7, scale=4.0)
    target = labels_of(20, 7) if several else target
    plain = partial(losses.asymmetric_loss, gamma_neg=0, gamma_pos=0, clip=0)
    close(plain(logits, target), losses.lr_loss(logits, target))
    close(gradient(plain, logits, target), gradient(losses.lr_loss, logits, target))
    if not several:
        soft = partial(losses.ss_lr_loss, r=3, beta=6)
        negatives = partial(losses.asymmetric_loss, gamma_neg=3, gamma_pos=0, clip=0)
        close(negatives(logits, target), soft(logits, target))
        close(gradient(negatives, logits, target), gradient(soft, logits, target))


@pytest.mark.parametrize("clip", [0.0, 0.05, 0.3])
@pytest.mark.parametrize(("gamma_neg", "gamma_pos"), [(4, 1), (4, 0), (2, 2)])
def test_it_is_timms(batch, clip, gamma_neg, gamma_pos):
    logits, _ = batch(50, 7, scale=3.0)
    target = labels_of(50, 7)
    given = {"gamma_neg": gamma_neg, "gamma_pos": gamma_pos, "clip": clip}
    theirs = AsymmetricLossMultiLabel(**given, eps=1e-30)
    logits = logits.float()
    close(
        losses.asymmetric_loss(logits, target, **given), theirs(logits, target.float()), rtol=1e-5, atol=1e-6
    )
    leaf = logits.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(theirs(leaf, target.float()) * 50, leaf)
    close(gradient(partial(losses.asymmetric_loss, **given), logits, target), slopes, rtol=2e-5, atol=1e-5)


# --- targets and settings ---


def test_every_form_of_the_labels_is_the_same(asl, batch):
    logits, index = batch(12, 7)
    one = F.one_hot(index, 7)
    expected = asl(logits, index)
    for target in (one.bool(), one.double(), one.float()):
        close(asl(logits, target), expected, rtol=1e-12, atol=0)
    several = labels_of(12, 7)
    close(asl(logits, several.float()), asl(logits, several), rtol=1e-12, atol=0)
    grid = logits.t()[None], several.t()[None]
    close(asl(*grid, reduction="none")[0], asl(logits, several, reduction="none"))
    close(asl(logits[0], index[0]), asl(logits[:1], index[:1]))
    close(asl(logits[2], several[2].float()), asl(logits[2:3], several[2:3]))


def test_soft_labels_are_refused_or_make_no_number():
    module = losses.AsymmetricLoss(reduction="none")
    logits, soft = torch.zeros(2, 3), torch.tensor([[1.0, 0.0, 1.0], [0.25, 0.75, 0.0]])
    with pytest.raises(ValueError, match=r"multi-hot targets of this loss must be 0 or 1; found 0\.25"):
        module(logits, soft)
    with pytest.raises(ValueError, match=r"found 0\.25"):
        module(logits[1], soft[1])
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    assert compiled(logits, soft).isnan().tolist() == [False, True]


def test_weight_and_ignored_examples(asl, batch):
    logits, index = batch(12, 7)
    weight = torch.linspace(0.5, 2, 7, dtype=torch.float64)
    each = asl(logits, index, reduction="none")
    index[3] = -1
    kept = torch.arange(12) != 3
    share = weight[index[kept]]
    expected = (each[kept] * share).sum() / share.sum()
    close(asl(logits, index, weight=weight, ignore_index=-1), expected)
    # With several labels a weight is of the class's own term, and the mean is one over examples.
    several = labels_of(12, 7)
    terms = torch.stack(
        [asl(logits[:, k : k + 1], several[:, k : k + 1], reduction="none") for k in range(7)], 1
    )
    close(asl(logits, several, weight=weight), (terms * weight).sum(1).mean())
    close(asl(logits, several, reduction="sum"), terms.sum())


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"gamma_neg": -1.0}, ValueError, "gamma_neg must be finite and not negative; got -1.0"),
        ({"gamma_pos": math.inf}, ValueError, "gamma_pos must be finite and not negative; got inf"),
        ({"clip": 1.0}, ValueError, r"clip must lie in \[0, 1\); got 1.0"),
        ({"clip": math.nan}, ValueError, r"clip must lie in \[0, 1\); got nan"),
        ({"clip": None}, TypeError, "clip must be a number; got NoneType"),
    ],
)
def test_options_out_of_range(given, error, said):
    with pytest.raises(error, match=said):
        losses.AsymmetricLoss(**given)
    with pytest.raises(error, match=said):
        losses.asymmetric_loss(torch.zeros(2, 3), torch.tensor([0, 1]), **given)


def test_bad_targets():
    logits = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"multi-hot targets must have the logits' shape"):
        losses.asymmetric_loss(logits, torch.rand(2))
    with pytest.raises(ValueError, match=r"targets must lie in 0\.\.2"):
        losses.asymmetric_loss(logits, torch.tensor([0, 3]))
    with pytest.raises(ValueError, match="ignore_index is for class indices"):
        losses.asymmetric_loss(logits, torch.ones(2, 3), ignore_index=0)
    with pytest.raises(TypeError, match="logits must be a floating-point tensor"):
        losses.asymmetric_loss([[0.0]], torch.ones(1, 1))


def test_the_module(batch):
    logits, _ = batch(5, 7)
    target = labels_of(5, 7)
    module = losses.get("asymmetric", gamma_neg=2.0, clip=0.1, reduction="sum")
    assert repr(module) == (
        "AsymmetricLoss(gamma_neg=2.0, gamma_pos=1.0, clip=0.1, ignore_index=-100, reduction='sum')"
    )
    expected = losses.asymmetric_loss(logits, target, gamma_neg=2.0, clip=0.1, reduction="sum")
    assert torch.equal(pickle.loads(pickle.dumps(module))(logits, target), expected)
