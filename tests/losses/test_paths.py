"""Every loss on every path: values and gradients for gaps from -1e4 to 1e4, in every dtype, with every
option.

The reference is the processor's own path in float64, which other tests hold against 120 digits. "As on a GPU"
is the formula that serves wherever values are not read; a dispatch mode leads to it here.
"""

import inspect
import math
import warnings

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import grad, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from lossbook import losses

# Of torch about itself, at the first derivative in forward mode.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:FutureWarning")

IN_FAMILY = [
    ("nllr", {}),
    ("nllr", {"clip": 1e-7}),
    ("el", {}),
    ("mae", {}),
    ("ceel", {}),
    ("ceel", {"alpha": 0.0, "beta": 2.0}),
    ("ceel", {"schedule": [0.4]}),
    ("focal", {}),
    ("focal", {"gamma": 0.5}),
    ("focal", {"gamma": 5.0, "alpha": 0.25}),
    ("gce", {}),
    ("gce", {"q": 1.0}),
    ("gce", {"q": 0.1, "k": 1e-3}),
    ("tamed_ce", {"alpha": 0.5}),
    ("tamed_ce", {"alpha": 1.0}),
    ("tamed_ce", {"alpha": 2.0}),
    ("tamed_ce", {"alpha": 20.0}),
]
OTHERS = [
    ("bce", {}),
    ("mpce", {}),
    ("complement_entropy", {}),
    ("lr", {}),
    ("hs_lr", {}),
    ("hs_lr", {"m": 1.0}),
    ("ss_lr", {}),
    ("ss_lr", {"r": 0.0}),
    ("ss_lr", {"r": 0.5}),
    ("asymmetric", {}),
    ("asymmetric", {"clip": 0.0, "gamma_neg": 0.5}),
]
ROWWISE = IN_FAMILY + OTHERS
WHOLE = [
    ("lgl_inr", {}),
    ("lgl_inr", {"beta": 4.0}),
    ("lgl_inr", {"detach": True, "class_reduction": "mean"}),
]
ALL = ROWWISE + WHOLE
#: Take class probabilities, and have label_smoothing.
SMOOTH = [each for each in ROWWISE if each[0] not in ("complement_entropy", "hs_lr", "asymmetric")]

GAPS = [0.0, 1e-3, 0.5, 2.0, 5.0, 16.0, 17.0, 18.0, 25.0, 30.0, 50.0, 80.0, 100.0, 740.0, 1e3, 1e4]
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


class Mode(TorchDispatchMode):
    """Hands every operation on."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


class Subclass(torch.Tensor):
    """As fastai and torchvision have them."""


def module(each, **settings):
    name, options = each
    return losses.get(name, **options, **settings)


def label(each):
    name, options = each
    return " ".join([name, *(f"{key}={value}" for key, value in options.items())])


def gaps(dtype, classes):
    """Logits of two classes, or of four of which two are far behind, with the target in any place."""
    ahead = torch.tensor([*GAPS, *(-gap for gap in GAPS)], dtype=dtype)
    target = torch.arange(len(ahead)) % 2
    logits = torch.full((len(ahead), classes), -3.0, dtype=dtype)
    logits[:, :2] = 0
    logits[torch.arange(len(ahead)), target] = -ahead
    return logits, target


# --- the paths ----------------------------------------------------------------------------------------------


def kernel(loss, logits, target):
    leaf = logits.clone().requires_grad_()
    values = loss(leaf, target)
    return values.detach(), torch.autograd.grad(values.sum(), leaf)[0]


def grid(loss, logits, target):
    """Logits [1, K, N] and [2, K, N / 2, 1]; of float32 and float64 through the kernel as well."""
    flat = logits.t().unsqueeze(0).clone().requires_grad_()
    values = loss(flat, target.unsqueeze(0))
    slopes = torch.autograd.grad(values.sum(), flat)[0]
    return values.detach().squeeze(0), slopes.squeeze(0).t()


def image(loss, logits, target):
    """As a network for segmentation has them: [B, K, H, W] of more images than one, by the formula."""
    half = len(target) // 2
    leaf = logits.view(2, half, 1, -1).movedim(-1, 1).clone().requires_grad_()
    with Mode():
        values = loss(leaf, target.view(2, half, 1))
    slopes = torch.autograd.grad(values.sum(), leaf)[0]
    return values.detach().flatten(), slopes.movedim(1, -1).reshape(logits.shape)


def as_on_a_gpu(loss, logits, target):
    with Mode():
        return kernel(loss, logits, target)


def subclass(loss, logits, target):
    values, slopes = kernel(loss, logits.as_subclass(Subclass), target)
    assert type(values) is Subclass
    return values.as_subclass(torch.Tensor), slopes.as_subclass(torch.Tensor)


def batched(loss, logits, target):
    values = vmap(loss)(logits.unsqueeze(1), target.unsqueeze(1)).squeeze(1)
    return values, vmap(grad(lambda z, y: loss(z, y)))(logits, target)


def forward(loss, logits, target):
    values, columns = None, []
    for k in range(logits.shape[1]):
        with forward_ad.dual_level():
            direction = torch.zeros_like(logits)
            direction[:, k] = 1
            values, tangent = forward_ad.unpack_dual(loss(forward_ad.make_dual(logits, direction), target))
            columns.append(torch.zeros_like(values) if tangent is None else tangent)
    return values, torch.stack(columns, 1)


def with_graph(loss, logits, target):
    leaf = logits.clone().requires_grad_()
    values = loss(leaf, target)
    return values.detach(), torch.autograd.grad(values.sum(), leaf, create_graph=True)[0].detach()


ROW_PATHS = [kernel, grid, image, as_on_a_gpu, subclass, batched, forward, with_graph]
BATCH_PATHS = [kernel, as_on_a_gpu, subclass, with_graph, image]


# --- few ulp ------------------------------------------------------------------------------------------------


def check(each, got, expected, logits, dtype):
    """Within some ulp, and what rounding the gap, as the exponent of e, costs besides."""
    values, slopes = (part.double() for part in got)
    reference, reference_slopes = expected
    wide = logits.double()
    gap = (wide.amax(1) - wide.amin(1)).clamp(max=750)
    eps, tiny = torch.finfo(dtype).eps, torch.finfo(dtype).smallest_normal
    inner = eps if dtype == torch.float64 else torch.finfo(torch.float32).eps
    ulp = 2 * eps + inner * (30 + 12 * gap)
    size = reference_slopes.abs().amax(1, keepdim=True)
    if each in IN_FAMILY:
        room = ulp * reference.abs() + (4 * inner * gap if each[0] == "nllr" else 0)
        slope_room = ulp.unsqueeze(1) * size
    else:  # Sums of parts near 1, and for MPCE near its value.
        parts = reference.abs().clamp(min=1)
        room = (2 * eps + 30 * inner) * parts
        slope_room = (2 * eps + 30 * inner) * torch.maximum(parts.unsqueeze(1), size)
    limit = torch.finfo(dtype).max
    off = (values - reference).abs() > room + tiny
    off &= ~((reference.abs() >= limit) & values.isinf())
    assert not off.any(), (label(each), logits[off], values[off], reference[off])
    off = ((slopes - reference_slopes).abs() > slope_room + tiny).any(1)
    assert not off.any(), (label(each), logits[off], slopes[off], reference_slopes[off])


@pytest.mark.parametrize("path", ROW_PATHS, ids=lambda path: path.__name__)
@pytest.mark.parametrize("each", ROWWISE, ids=label)
def test_values_and_gradients_keep_their_digits(each, path):
    loss = module(each, reduction="none")
    for dtype in DTYPES:
        logits, target = gaps(dtype, 2 if dtype in DTYPES[:2] else 4)
        check(each, path(loss, logits, target), kernel(loss, logits.double(), target), logits, dtype)


@pytest.mark.parametrize(
    ("backend", "dtype"), [("eager", torch.float64), ("aot_eager", torch.float32), ("eager", torch.bfloat16)]
)
def test_compiled_values_and_gradients_keep_their_digits(backend, dtype):
    """All losses in one function, so that there is one compilation."""
    modules = [module(each, reduction="none") for each in ROWWISE]
    logits, target = gaps(dtype, 4)
    torch._dynamo.reset()
    run = torch.compile(lambda z, y: [loss(z, y) for loss in modules], backend=backend, fullgraph=True)
    leaf = logits.clone().requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = run(leaf, target)
    for each, loss, value in zip(ROWWISE, modules, values, strict=True):
        (slopes,) = torch.autograd.grad(value.sum(), leaf, retain_graph=True)
        check(each, (value.detach(), slopes), kernel(loss, logits.double(), target), logits, dtype)


@pytest.mark.parametrize(("gap", "expected"), [(16.0, 1.12535162055095e-7), (18.0, 1.52299795127603e-8)])
@pytest.mark.parametrize("path", ROW_PATHS, ids=lambda path: path.__name__)
def test_a_sure_mistake_still_teaches_the_expectation_loss(path, gap, expected):
    logits, target = torch.tensor([[0.0, gap]] * 2), torch.tensor([0, 0])
    _, slopes = path(losses.ExpectationLoss(reduction="none"), logits, target)
    assert slopes[0].tolist() == pytest.approx([-expected, expected], rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("path", [*ROW_PATHS[:6], with_graph], ids=lambda path: path.__name__)
@pytest.mark.parametrize("each", [each for each in ROWWISE if each[0] != "mpce"], ids=label)
def test_masked_classes_leave_finite_gradients(each, path, dtype):
    """A target of -inf has the limits, and a competitor of -inf is as if absent; MPCE has no limit."""
    loss = module(each, reduction="none")
    logits = torch.tensor([[-math.inf, 1.0, 0.0], [0.5, -math.inf, 1.0]], dtype=dtype)
    values, slopes = path(loss, logits, torch.tensor([0, 0]))
    expected, expected_slopes = kernel(loss, logits, torch.tensor([0, 0]))
    torch.testing.assert_close(values, expected)
    torch.testing.assert_close(slopes, expected_slopes)
    assert slopes.isfinite().all()


# --- every option -------------------------------------------------------------------------------------------


def example(classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(12, classes, dtype=torch.float64, generator=generator)
    return logits, torch.randint(classes, (12,), generator=generator), generator


SETTINGS = [
    {"reduction": reduction, **options}
    for reduction in ("none", "mean", "sum")
    for options in ({}, {"weight": [0.25, 1.0, 3.0, 0.5], "ignore_index": 2})
]


@pytest.mark.parametrize("path", BATCH_PATHS, ids=lambda path: path.__name__)
@pytest.mark.parametrize("each", ALL, ids=label)
def test_options_mean_the_same_on_every_path(each, path):
    logits, target, _ = example()
    for settings in SETTINGS:
        if each in SMOOTH:
            settings = settings | {"label_smoothing": 0.2} if settings["reduction"] == "mean" else settings
        loss = module(each, **settings)
        values, slopes = path(loss, logits, target)
        expected, expected_slopes = kernel(loss, logits, target)
        torch.testing.assert_close(values.flatten(), expected.flatten(), rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(slopes, expected_slopes, rtol=1e-11, atol=1e-13)


def test_compiled_options_mean_the_same():
    modules = [module(each, **settings) for each in ALL for settings in SETTINGS[3:4]]
    modules += [module(each, label_smoothing=0.2, weight=[0.25, 1.0, 3.0, 0.5]) for each in SMOOTH]
    logits, target, _ = example()
    torch._dynamo.reset()
    run = torch.compile(lambda z, y: [loss(z, y) for loss in modules], backend="eager", fullgraph=True)
    leaf = logits.clone().requires_grad_()
    for loss, value in zip(modules, run(leaf, target), strict=True):
        expected, expected_slopes = kernel(loss, logits, target)
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-13)
        (slopes,) = torch.autograd.grad(value, leaf, retain_graph=True)
        torch.testing.assert_close(slopes, expected_slopes, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("option", ["beta", "gamma", "gamma_neg", "q", "r", "m", "clip", "label_smoothing"])
@pytest.mark.parametrize("each", [each for each in ALL if len(each[1]) == 0], ids=label)
def test_an_option_to_be_learnt_is_refused_on_every_path(each, option):
    function = type(module(each))._function if each[0] != "ceel" else losses.ceel_loss
    given = torch.tensor(0.25, requires_grad=True)
    logits, target, _ = example()
    if option not in inspect.signature(function).parameters:
        return

    def run(z, y):
        return function(z, y, **{option: given})

    said = f"{option} must be a number; got a tensor that requires a gradient"
    with pytest.raises(TypeError, match=said):
        run(logits, target)
    with pytest.raises(TypeError, match=said), Mode():
        run(logits, target)
    with pytest.raises(TypeError, match=said):
        vmap(run)(logits[None], target[None])
    with pytest.raises(Exception, match=said):
        torch.compile(run, backend="eager", fullgraph=True)(logits, target)


# --- class probabilities ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", BATCH_PATHS[:4], ids=lambda path: path.__name__)
@pytest.mark.parametrize("each", SMOOTH, ids=label)
def test_class_probabilities_give_the_expected_loss(each, path):
    """On every path it is the sum of each class's probability times its loss as the target."""
    logits, _, generator = example()
    share = torch.rand(12, 4, dtype=torch.float64, generator=generator).softmax(1)
    got = path(module(each, reduction="none"), logits, share)
    loss = module(each, reduction="none")
    classes = [kernel(loss, logits, torch.full((12,), k)) for k in range(4)]
    expected = sum(share[:, k] * values for k, (values, _) in enumerate(classes))
    torch.testing.assert_close(got[0], expected, rtol=1e-12, atol=1e-13)
    slopes = sum(share[:, k, None] * each for k, (_, each) in enumerate(classes))
    torch.testing.assert_close(got[1], slopes, rtol=1e-10, atol=1e-12)
    values = module(each, reduction="none")(logits.t()[None], share.t()[None])
    torch.testing.assert_close(values[0], expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("each", SMOOTH, ids=label)
def test_class_probabilities_of_one_class_are_its_index(each, dtype):
    """Also where the others cost more than there are numbers for, and for any gap."""
    loss = module(each, reduction="none")
    for classes in (2, 4):
        logits, target = gaps(dtype, classes)
        one_hot = torch.nn.functional.one_hot(target, classes).to(dtype)
        check(each, kernel(loss, logits, one_hot), kernel(loss, logits.double(), target), logits, dtype)
    logits = torch.tensor([[1.0, -math.inf, 0.0]], dtype=dtype)
    got = kernel(loss, logits, torch.tensor([[1.0, 0.0, 0.0]], dtype=dtype))
    torch.testing.assert_close(got, kernel(loss, logits, torch.tensor([0])))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("extra", [(), (3,)])
def test_smoothing_weight_and_mean_are_those_of_cross_entropy(weighted, reduction, smoothing, extra):
    """CEEL with alpha = 1 and beta = 0 is cross-entropy, of class indices and of class probabilities."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(6, 4, *extra, dtype=torch.float64, generator=generator)
    target = torch.randint(4, (6, *extra), generator=generator)
    share = torch.rand(6, 4, *extra, dtype=torch.float64, generator=generator).softmax(1)
    weight = torch.tensor([0.25, 1.0, 3.0, 0.5], dtype=torch.float64) if weighted else None
    settings = {"weight": weight, "reduction": reduction, "label_smoothing": smoothing}
    for wanted in (target, share):
        expected = torch.nn.functional.cross_entropy(logits, wanted, **settings)
        torch.testing.assert_close(losses.ceel_loss(logits, wanted, beta=0.0, **settings), expected)
    target.view(-1)[::2] = 1
    settings["ignore_index"] = 1
    expected = torch.nn.functional.cross_entropy(logits, target, **settings)
    torch.testing.assert_close(losses.ceel_loss(logits, target, beta=0.0, **settings), expected)


def test_soft_labels_of_the_logistic_loss():
    logits, soft = torch.tensor([[4.0, 0.0]]), torch.tensor([[0.5, 0.5]])
    expected = pytest.approx(2.7112968, abs=1e-6)  # softplus(z) - t z, summed
    assert losses.lr_loss(logits, soft).item() == expected
    assert torch.compile(losses.LRLoss(), backend="eager")(logits, soft).item() == expected
    assert vmap(losses.LRLoss())(logits[None], soft[None]).item() == expected


@pytest.mark.parametrize("bad", [-0.5, 1.5, math.nan, math.inf])
@pytest.mark.parametrize("each", SMOOTH, ids=label)
def test_targets_that_are_no_probabilities_make_no_number(each, bad):
    """An error where values can be read, else an example that is not a number."""
    loss = module(each, reduction="none")
    logits, target = torch.zeros(2, 3), torch.tensor([[1.0, 0.0, 0.0], [0.0, bad, 0.0]])
    with pytest.raises(ValueError, match=f"must lie between 0 and 1; found {bad:g}"):
        loss(logits, target)
    with Mode():
        got = loss(logits, target)
    assert got.isnan().tolist() == [False, True]
    assert vmap(loss)(logits[None], target[None])[0].isnan().tolist() == [False, True]


def test_hard_selection_makes_no_number_of_soft_labels():
    loss = losses.HSLRLoss(reduction="none")
    logits, target = torch.zeros(2, 3), torch.tensor([[1.0, 0.0, 1.0], [0.5, 0.5, 0.0]])
    with Mode():
        assert loss(logits, target).isnan().tolist() == [False, True]
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    assert compiled(logits, target).isnan().tolist() == [False, True]


@pytest.mark.parametrize("each", [("lr", {}), ("el", {})], ids=label)
def test_targets_that_learn_get_their_gradient(each):
    """As a teacher's probabilities may: the loss of each class, for a loss linear in the target."""
    logits, _, generator = example()
    share = torch.rand(12, 4, dtype=torch.float64, generator=generator).softmax(1).requires_grad_()
    (slopes,) = torch.autograd.grad(module(each, reduction="sum")(logits, share), share)
    if each[0] == "lr":
        torch.testing.assert_close(slopes, -logits)
    else:
        torch.testing.assert_close(slopes, 1 - logits.softmax(1))
