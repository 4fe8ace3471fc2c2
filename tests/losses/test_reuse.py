"""Losses where people put them: exporters, tracers, meshes, checkpoints, examples without a batch."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import lossbook
from lossbook import losses
from lossbook.errors import UnknownNameError

NEEDS = {"tamed_ce": {"alpha": 0.5}}
NAMES = [name for name in losses.available() if name not in ("ce", "mmc")]
close = torch.testing.assert_close


def make(name, **settings):
    return losses.get(name, **NEEDS.get(name, {}), **settings)


def example(rows=6, classes=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=generator)
    return logits, torch.randint(classes, (rows,), generator=generator)


class Model(nn.Module):
    """A loss within something else, as exporters want it."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def forward(self, logits, target):
        return self.loss(logits, target)


# --- tracers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_export_with_any_number_of_rows(name):
    loss = make(name)
    rows = {0: torch.export.Dim("rows")}
    program = torch.export.export(Model(loss), example(), dynamic_shapes=(rows, rows)).module()
    for count in (2, 5, 11):  # fewer than classes, and more
        close(program(*example(count)), loss(*example(count)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_jit_trace(name):
    loss = make(name)
    traced = torch.jit.trace(loss, example(), check_trace=False)
    for count in (3, 11):
        close(traced(*example(count)), loss(*example(count)))


@pytest.mark.parametrize("settings", [{"tracing_mode": "symbolic"}, {"pre_dispatch": True}])
@pytest.mark.parametrize("name", NAMES)
def test_make_fx(name, settings):
    loss = make(name)

    def step(logits, target):
        leaf = logits.detach().requires_grad_()
        return torch.autograd.grad(loss(leaf, target), leaf)[0]

    traced = make_fx(loss if "pre_dispatch" in settings else step, **settings)(*example())
    close(traced(*example(seed=1)), (loss if "pre_dispatch" in settings else step)(*example(seed=1)))


@pytest.mark.parametrize("name", NAMES)
def test_shapes_without_values(name):
    with FakeTensorMode() as mode:
        logits, target = (mode.from_tensor(each) for each in example())
        logits.requires_grad_()
        make(name)(logits, target).backward()
        assert logits.grad.shape == logits.shape


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_onnx_with_any_number_of_rows(name, tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    loss = make(name)
    rows = {0: torch.export.Dim("rows")}
    file = str(tmp_path / "loss.onnx")
    torch.onnx.export(Model(loss), example(), file, dynamo=True, dynamic_shapes=(rows, rows), verbose=False)
    session = runtime.InferenceSession(file)
    for count in (3, 11):
        given = zip(session.get_inputs(), example(count), strict=True)
        (value,) = session.run(None, {each.name: tensor.numpy() for each, tensor in given})
        close(torch.tensor(value), loss(*example(count)), rtol=1e-4, atol=1e-5)


# --- meshes -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    distributed = pytest.importorskip("torch.distributed")
    if not distributed.is_available() or distributed.is_initialized():
        pytest.skip("needs a process group of its own")
    store = distributed.FileStore(str(tmp_path_factory.mktemp("mesh") / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield torch.distributed.device_mesh.init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place", ["replicated", "by rows"])
@pytest.mark.parametrize("name", NAMES)
def test_tensors_on_a_mesh(name, place, mesh):
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    places = [Replicate() if place == "replicated" else Shard(0)]
    logits, target = example()
    leaf = distribute_tensor(logits, mesh, places).requires_grad_()
    loss = make(name)
    value = loss(leaf, distribute_tensor(target, mesh, places))
    value.backward()
    plain = logits.clone().requires_grad_()
    loss(plain, target).backward()
    close(value.full_tensor(), loss(logits, target))
    close(leaf.grad.full_tensor(), plain.grad)


# --- memory -------------------------------------------------------------------------------------------------


def held_by_nodes(node):
    """Tensors that the nodes of a graph hold as attributes, beyond the reach of autograd's hooks."""
    waiting, found = [node], []
    while waiting:
        node = waiting.pop()
        found += [each for each in getattr(node, "__dict__", {}).values() if isinstance(each, torch.Tensor)]
        waiting += [each for each, _ in node.next_functions if each is not None]
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_keeps_no_gradient(name):
    """What is kept for the backward pass goes where hooks of autograd can reach it."""
    logits, target = example(13, 11)
    leaf = logits.requires_grad_()
    packed = []

    def pack(tensor):
        packed.append(tensor.shape)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        total = make(name)(leaf, target)
    assert packed.count(logits.shape) == 2  # the logits and the gradient
    expected = torch.autograd.grad(total, leaf)[0]
    total = checkpoint(make(name), leaf, target, use_reentrant=False)
    assert not held_by_nodes(total.grad_fn)
    close(torch.autograd.grad(total, leaf)[0], expected)


# --- modules ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [None, [0.5, 1.0, 2.0]])
@pytest.mark.parametrize("name", losses.available())
def test_a_checkpoint_of_cross_entropy_fits_every_loss(name, weight):
    needs = {"centers": losses.max_mahalanobis_centers(3, 2)} if name == "mmc" else {}
    held = None if weight is None else torch.tensor(weight)
    module = make(name, weight=None if held is None else torch.ones(3), **needs)
    module.load_state_dict(nn.CrossEntropyLoss(held).state_dict(), strict=True)
    assert held is None or torch.equal(module.weight, held)


def test_constants_survive_the_meta_device():
    """As where large models are made: without values first, then filled."""
    with torch.device("meta"):
        mixed, focal = losses.CEELLoss(alpha=0.5, beta=2.0), losses.FocalLoss(gamma=1.5, alpha=0.5)
    centers = losses.max_mahalanobis_centers(3, 4)
    several = nn.ModuleList(
        [mixed, focal, losses.MMCLoss(centers), losses.FocalLoss(alpha=centers[:, 0].abs())]
    )
    several.to("meta").to_empty(device="cpu").double()
    logits, target = example(5, 3)
    logits = logits.double()
    close(several[0](logits, target), losses.ceel_loss(logits, target, alpha=0.5, beta=2.0))
    close(several[2].centers, centers.double())
    close(several[3].alpha, centers[:, 0].abs().double())
    again = pickle.loads(pickle.dumps(copy.deepcopy(several.to("meta")))).to_empty(device="cpu")
    close(again[2].centers, centers.double())
    assert (again[0].alpha, again[0].beta) == (0.5, 2.0)


def test_constants_without_values_are_refused():
    with torch.device("meta"):
        centers = losses.max_mahalanobis_centers(3, 4)
    with pytest.raises(ValueError, match=r'centers must have values; make it with device="cpu"'):
        losses.MMCLoss(centers)


def test_a_constant_that_was_replaced_stays_so():
    module = losses.FocalLoss(alpha=torch.ones(3))
    module.alpha = torch.tensor([1.0, 2.0, 3.0])
    assert module.double().alpha.tolist() == [1, 2, 3]
    assert module.to("meta").to_empty(device="cpu").alpha.tolist() == [1, 2, 3]


# --- input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", NAMES)
def test_an_example_without_a_batch(name, reduction):
    """Logits [K], as cross-entropy takes them; and so per-example gradients without a detour."""
    loss = make(name, reduction=reduction)
    logits, target = example(4)
    got = loss(logits[0], target[0])
    assert got.shape == ()
    close(got, loss(logits[:1], target[:1]).squeeze())
    assert loss(logits[0], torch.tensor(-100)).isnan() == (reduction == "mean")
    slopes = vmap(grad(loss))(logits, target)
    leaf = logits.clone().requires_grad_()
    sum(loss(z, y) for z, y in zip(leaf, target, strict=True)).backward()
    close(slopes, leaf.grad)
    if "label_smoothing" in vars(loss):
        close(loss(logits[0], F.one_hot(target[0], 7).float()), got)


def test_an_example_of_features_without_a_batch():
    loss = losses.MMCLoss(losses.max_mahalanobis_centers(3, 4), reduction="none")
    close(loss(torch.ones(4), torch.tensor(1)), loss(torch.ones(1, 4), torch.tensor([1]))[0])


def test_one_logit_is_a_question_of_yes_or_no():
    logits = torch.tensor([[2.0], [-1.0]])
    answers = torch.tensor([[1.0], [0.0]])
    expected = F.binary_cross_entropy_with_logits(logits, answers)
    close(losses.lr_loss(logits, answers), expected)
    close(losses.lr_loss(logits, answers.bool()), expected)
    close(losses.lr_loss(logits, torch.tensor([0, 0])), F.softplus(-logits).mean())


@pytest.mark.parametrize("name", [*NAMES, "ce"])
def test_weights_may_be_a_list(name):
    logits, target = example(6, 3)
    expected = make(name, weight=torch.tensor([0.5, 1.0, 2.0]))(logits, target)
    close(make(name, weight=[0.5, 1, 2])(logits, target), expected)
    if name != "ce":
        function = type(make(name))._function if name != "ceel" else losses.ceel_loss
        close(function(logits, target, weight=[0.5, 1, 2], **NEEDS.get(name, {})), expected)
        # In double precision they are not rounded first.
        exact = function(logits.double(), target, weight=[0.1, 0.7, 0.3], **NEEDS.get(name, {}))
        weight = torch.tensor([0.1, 0.7, 0.3], dtype=torch.float64)
        close(function(logits.double(), target, weight=weight, **NEEDS.get(name, {})), exact, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_settings_of_the_wrong_kind_are_refused_with_a_sentence(name):
    for bad in (0.25, "0.5", [1.0, "a"], object()):
        with pytest.raises(
            TypeError, match="weight must have one number per class, as a tensor or a list; got"
        ):
            make(name, weight=bad)
    for bad in (None, 1.5, "2"):
        with pytest.raises(TypeError, match="ignore_index must be an integer, -100 to ignore nothing; got"):
            make(name, ignore_index=bad)
    if "label_smoothing" in vars(make(name)):
        with pytest.raises(ValueError, match=r"label_smoothing must lie in \[0, 1\]; got 1.5"):
            make(name, label_smoothing=1.5)


def test_a_position_is_not_taken_for_an_option():
    with pytest.raises(TypeError, match=r"got 0\.25 \(options of the loss itself are given by keyword\)"):
        losses.FocalLoss(0.25)
    with pytest.raises(TypeError, match="positional"):
        losses.FocalLoss(None, 0.25)
    for make_it in (
        lambda: losses.HSLRLoss(m="0.25"),
        lambda: losses.HSLRLoss(beta=[1.0]),
        lambda: losses.SSLRLoss(r=None),
        lambda: losses.LGLINRLoss(beta="1"),
    ):
        with pytest.raises(TypeError, match="must be a number; got"):
            make_it()


def test_cross_entropy_by_either_name():
    for name in ("ce", "cross_entropy"):
        assert type(losses.get(name)) is nn.CrossEntropyLoss
        made = losses.get(name, weight=[1, 2], ignore_index=1, reduction="sum", label_smoothing=0.1)
        assert (made.ignore_index, made.reduction, made.label_smoothing) == (1, "sum", 0.1)
        assert made.weight.tolist() == [1, 2]
    with pytest.raises(UnknownNameError, match="did you mean 'ceel'"):
        losses.get("cel")


def test_types_are_declared():
    assert (Path(lossbook.__file__).parent / "py.typed").is_file()
