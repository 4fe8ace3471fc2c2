"""Losses inside torch.func, forward-mode differentiation, autocast, compilation, export and checkpoints."""

import shutil
import warnings

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from lossbook import losses

close = torch.testing.assert_close

# Of torch about itself, at the first derivative in forward mode.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:FutureWarning")


# --- torch.func ---------------------------------------------------------------------------------------------


def test_vmap_over_batches(variant, batch):
    logits, target = batch(12, 3, scale=3.0)
    stacked, targets = logits.view(3, 4, 3), target.view(3, 4)
    means = vmap(variant.function)(stacked, targets)
    close(means, torch.stack([variant.function(*each) for each in zip(stacked, targets, strict=True)]))
    # One target for many replicas; one replica for many targets.
    shared = vmap(variant.function, in_dims=(0, None))(stacked, targets[0])
    close(shared, torch.stack([variant.function(z, targets[0]) for z in stacked]))
    shared = vmap(variant.function, in_dims=(None, 0))(stacked[0], targets)
    close(shared, torch.stack([variant.function(stacked[0], y) for y in targets]))


def test_per_example_gradients(variant, batch, gradient):
    logits, target = batch(12, 3, scale=3.0)
    slopes = vmap(grad(lambda z, y: variant.function(z[None], y[None])))(logits, target)
    close(slopes, gradient(variant.function, logits, target))


def test_gradients_of_gradients(variant, batch, gradient):
    logits, target = batch(3, 4)

    def total(z):
        return variant.function(z, target, reduction="sum")

    close(grad(total)(logits), gradient(variant.function, logits, target))
    close(vjp(total, logits)[1](torch.ones((), dtype=torch.float64))[0], grad(total)(logits))
    close(jacrev(total)(logits), grad(total)(logits))
    expected = torch.autograd.functional.hessian(total, logits)
    for of in (hessian(total), jacrev(jacrev(total)), jacfwd(jacfwd(total))):
        close(of(logits), expected, rtol=1e-9, atol=1e-12)


def test_many_gradients_at_once(variant, batch):
    """A Jacobian by one vectorised backward pass is that of many."""
    logits, target = batch(3, 4)

    def each(z):
        return variant.function(z, target, reduction="none")

    def mean(z):
        return variant.function(z, target)

    functional = torch.autograd.functional
    close(functional.jacobian(each, logits, vectorize=True), functional.jacobian(each, logits))
    close(functional.hessian(mean, logits, vectorize=True), functional.hessian(mean, logits))
    leaf = logits.clone().requires_grad_()
    values = each(leaf)
    for _ in range(2):  # The second goes through the same graph again.
        (rows,) = torch.autograd.grad(
            values, leaf, torch.eye(3, dtype=torch.float64), is_grads_batched=True, retain_graph=True
        )
        close(rows, functional.jacobian(each, logits))
        (rows,) = torch.func.vmap(lambda g: torch.autograd.grad(values, leaf, g, retain_graph=True))(
            torch.eye(3, dtype=torch.float64)
        )
        close(rows, functional.jacobian(each, logits))


def test_transforms_of_something_else(loss, batch):
    """The logits are outside the transform, the weight of the classes is inside."""
    logits, target = batch(5, 3)
    weights = torch.rand(4, 3, dtype=torch.float64)
    got = vmap(lambda w: loss.function(logits, target, weight=w))(weights)
    close(got, torch.stack([loss.function(logits, target, weight=w) for w in weights]))
    total = grad(lambda w: loss.function(logits, target, weight=w, reduction="sum"))(weights[0])
    each = loss.function(logits, target, reduction="none")
    close(total, torch.zeros(3, dtype=torch.float64).index_add(0, target, each))


def test_a_model_under_functional_call(loss, batch):
    inputs, target = batch(6, 4)
    target %= 3
    model = torch.nn.Linear(4, 3).double()
    parameters = dict(model.named_parameters())
    slopes = grad(lambda p: loss.function(functional_call(model, p, (inputs,)), target))(parameters)
    loss.function(model(inputs), target).backward()
    for name, parameter in parameters.items():
        close(slopes[name], parameter.grad)


def test_bad_targets_pass_unseen_inside_a_transform_as_in_pytorch(loss, batch):
    """Values cannot be read there; what the target may be is up to the caller."""
    logits, target = batch(4, 3)
    target[1] = -100
    expected = loss.function(logits, target)
    close(vmap(loss.function)(logits[None], target[None])[0], expected)


# --- forward mode -------------------------------------------------------------------------------------------


def test_forward_mode(variant, batch, gradient):
    logits, target = batch(3, 4)
    direction = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = (gradient(variant.function, logits, target) * direction).sum()
    _, tangent = jvp(lambda z: variant.function(z, target, reduction="sum"), (logits,), (direction,))
    close(tangent, expected)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(logits, direction)
        total = variant.function(dual, target, reduction="sum")
        close(forward_ad.unpack_dual(total).tangent, expected)
    assert torch.autograd.gradcheck(
        lambda z: variant.function(z, target),
        (logits.requires_grad_(),),
        check_forward_ad=True,
        check_backward_ad=False,
    )


# --- autocast -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_autocast_gives_the_type_that_cross_entropy_gives(loss, batch, dtype):
    logits, target = batch(6, 4)
    logits = logits.to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = F.cross_entropy(logits, target)
        got = loss.function(logits, target)
        each = loss.function(logits, target, reduction="none")
    assert got.dtype == each.dtype == expected.dtype
    close(got, loss.function(logits.to(expected.dtype), target))
    assert loss.function(logits, target).dtype == dtype


def test_a_half_precision_layer_under_autocast(loss, batch):
    inputs, target = batch(6, 4)
    target %= 3
    layer = torch.nn.Linear(4, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = layer(inputs.float())
        total = loss.function(logits, target)
    assert (logits.dtype, total.dtype) == (torch.bfloat16, torch.float32)
    total.backward()
    assert layer.weight.grad.dtype == torch.float32
    assert layer.weight.grad.isfinite().all()


# --- torch.compile ----------------------------------------------------------------------------


def test_a_graph_without_a_break(loss, batch, gradient):
    """Traced in one piece, with its backward pass, and traced once for the same shapes."""
    logits, target = batch(6, 4)
    target[0] = -100
    traced = []

    def backend(graph, inputs):
        traced.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(lambda z, y: loss.function(z, y), fullgraph=True, backend=backend)
    for factor in (1, 2):
        leaf = (factor * logits).requires_grad_()
        total = compiled(leaf, target)
        total.backward()
        close(total.detach(), loss.function(factor * logits, target))
        expected = gradient(lambda z, y, **_: loss.function(z, y), factor * logits, target)
        close(leaf.grad, expected)
    assert len(traced) == 1


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler on a CPU")
def test_compiled_code(batch):
    """All losses in one function, so that the compiler runs once."""
    modules = [losses.get(name) for name in ("nllr", "el", "mae", "ceel", "focal", "gce")]
    modules += [losses.get("tamed_ce", alpha=0.5), losses.get("focal", gamma=0.5), losses.get("gce", k=0.3)]
    modules += [losses.get(name) for name in ("bce", "mpce", "complement_entropy")]
    modules += [losses.get(name) for name in ("lr", "hs_lr", "ss_lr", "lgl_inr", "asymmetric")]

    def total(z, y):
        return torch.stack([module(z, y) for module in modules])

    logits, target = batch(6, 4)
    logits = logits.float()
    leaf, plain = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    slopes = torch.linspace(1, 2, len(modules))
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler, about itself
        got = torch.compile(total, fullgraph=True)(leaf, target)
    got.backward(slopes)
    expected = total(plain, target)
    expected.backward(slopes)
    close(got, expected)
    close(leaf.grad, plain.grad)


BLOCKWISE = ("bce", "mpce", "complement_entropy", "hs_lr", "ss_lr", "lgl_inr")


def compiled_at_once(settings, function=lambda module, z, y: module(z, y)):
    """Modules of all losses that compiled code calls the blocks for, and one compiled function of them."""
    modules = [losses.get(name, **settings) for name in BLOCKWISE]
    torch._dynamo.reset()
    return modules, torch.compile(
        lambda z, y: [function(module, z, y) for module in modules], backend="eager", fullgraph=True
    )


@pytest.mark.parametrize("options", [{}, {"weight": [0.25, 1.0, 3.0, 0.5], "ignore_index": 2}], ids=str)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_compiled_code_calls_the_blocks_on_a_processor(batch, reduction, options):
    """Losses that compile badly are one operator there, with the bits that each example has without it."""
    modules, run = compiled_at_once({"reduction": reduction, **options})
    logits, target = batch(12, 4)
    logits, plain = logits.float().requires_grad_(), logits.float().requires_grad_()
    for module, got in zip(modules, run(logits, target), strict=True):
        expected = module(plain, target)
        (slopes,) = torch.autograd.grad(3 * got.sum(), logits)
        (expected_slopes,) = torch.autograd.grad(3 * expected.sum(), plain)
        close(got, expected)
        close(slopes, expected_slopes)
        if reduction == "none" and not isinstance(module, losses.LGLINRLoss):
            assert torch.equal(got, expected)
            assert torch.equal(slopes, expected_slopes)
    with torch.no_grad():
        for module, got in zip(modules, run(logits, target), strict=True):
            close(got, module(logits, target))


def test_compiled_code_refuses_a_second_derivative_of_the_blocks(batch):
    _, run = compiled_at_once({})
    logits, target = batch(12, 4)
    for got in run(logits.requires_grad_(), target):
        (slopes,) = torch.autograd.grad(got, logits, create_graph=True)
        with pytest.raises(NotImplementedError, match="no second derivative"):
            slopes.sum().backward()


def test_compiled_gradients_by_function_are_those_of_the_formula(batch):
    """``torch.func`` goes through no operator of ours."""
    modules, run = compiled_at_once({}, lambda module, z, y: grad(module)(z, y))
    logits, target = batch(12, 4)
    for module, got in zip(modules, run(logits, target), strict=True):
        close(got, grad(module)(logits, target))


def test_shapes_without_values(loss):
    """On the meta device there is nothing to read."""
    logits = torch.empty(6, 4, 2, device="meta", requires_grad=True)
    target = torch.empty(6, 2, dtype=torch.long, device="meta")
    got = loss.function(logits, target, reduction="none")
    assert (got.device.type, got.shape) == ("meta", (6, 2))
    got.sum().backward()
    assert logits.grad.shape == logits.shape


# --- checkpoints --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpoints(loss, batch, gradient, reentrant):
    logits, target = batch(4, 3)
    leaf = logits.clone().requires_grad_()
    total = checkpoint(lambda z: loss.function(z, target, reduction="sum"), leaf, use_reentrant=reentrant)
    total.backward()
    close(leaf.grad, gradient(loss.function, logits, target))
