"""Losses as modules, by name, and inside torch's function transforms."""

import pytest
import torch
from torch import nn
from torch.func import grad, vmap

from lossbook import losses
from lossbook.errors import LossbookError, UnknownNameError


def test_a_module_gives_what_its_function_gives(loss, batch):
    logits, target = batch(6, 3)
    target[0] = 2
    weight = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    torch.testing.assert_close(loss.module()(logits, target), loss.function(logits, target))
    for reduction in ("none", "mean", "sum"):
        settings = {"weight": weight, "ignore_index": 2, "reduction": reduction}
        got = loss.module(**settings)(logits, target)
        torch.testing.assert_close(got, loss.function(logits, target, **settings))


def test_it_takes_the_place_of_cross_entropy(loss, batch):
    """The same arguments in the same places, a weight that follows the module."""
    weight = torch.tensor([1.0, 2.0, 4.0])
    module = loss.module(weight, ignore_index=1, reduction="sum")
    theirs = nn.CrossEntropyLoss(weight, ignore_index=1, reduction="sum")
    assert list(module.state_dict()) == list(theirs.state_dict()) == ["weight"]
    assert torch.equal(module.state_dict()["weight"], weight)
    assert list(loss.module().state_dict()) == list(nn.CrossEntropyLoss().state_dict()) == []
    fresh = loss.module(torch.ones(3))
    fresh.load_state_dict(module.state_dict())
    assert torch.equal(fresh.weight, weight)
    assert module.double().weight.dtype == torch.float64


def test_print_shows_the_settings(loss):
    name = loss.module.__name__
    assert repr(loss.module()) == f"{name}(ignore_index=-100, reduction='mean')"
    assert repr(loss.module(ignore_index=3, reduction="sum")) == f"{name}(ignore_index=3, reduction='sum')"
    assert "clip=1e-07" in repr(losses.NLLRLoss(clip=1e-7))


def test_every_name_makes_its_module():
    assert losses.available() == ["bce", "ce", "el", "mae", "nllr"]
    made = {name: type(losses.get(name)) for name in losses.available()}
    assert made == {
        "bce": losses.SoftmaxBCELoss,
        "ce": nn.CrossEntropyLoss,
        "el": losses.ExpectationLoss,
        "mae": losses.MAELoss,
        "nllr": losses.NLLRLoss,
    }


def test_options_reach_the_module():
    module = losses.get("nllr", reduction="sum", ignore_index=4, clip=0.1)
    assert (module.reduction, module.ignore_index, module.clip) == ("sum", 4, 0.1)
    assert losses.get("ce", label_smoothing=0.1).label_smoothing == 0.1


@pytest.mark.parametrize(
    ("name", "nearest"), [("nlr", "nllr"), ("CE", "ce"), ("b_ce", "bce"), ("MAE", "mae")]
)
def test_an_unknown_name_is_answered_with_the_nearest(name, nearest):
    with pytest.raises(
        UnknownNameError, match=rf"unknown loss '{name}'; did you mean '{nearest}'\?"
    ) as error:
        losses.get(name)
    assert str(error.value).endswith("There are: bce, ce, el, mae, nllr")
    assert isinstance(error.value, LossbookError | ValueError)


@pytest.mark.parametrize(
    ("name", "option", "nearest"),
    [("nllr", "clp", "clip"), ("ce", "reductoin", "reduction"), ("mae", "ignore_idx", "ignore_index")],
)
def test_an_unknown_option_is_answered_with_the_nearest(name, option, nearest):
    with pytest.raises(UnknownNameError, match=f"'{option}'; did you mean '{nearest}'") as error:
        losses.get(name, **{option: 1})
    assert f"option of the loss '{name}'" in str(error.value)


def test_only_nllr_can_be_clipped():
    with pytest.raises(UnknownNameError, match="option of the loss 'el' 'clip'"):
        losses.get("el", clip=0.1)


def test_vmap_and_grad_compose(loss, batch):
    logits, target = batch(12, 3, scale=3.0)
    stacked, targets = logits.view(3, 4, 3), target.view(3, 4)
    means = vmap(loss.function)(stacked, targets)
    expected = torch.stack([loss.function(z, y) for z, y in zip(stacked, targets, strict=True)])
    torch.testing.assert_close(means, expected)
    # One target for many replicas.
    shared = vmap(loss.function, in_dims=(0, None))(stacked, targets[0])
    expected = torch.stack([loss.function(z, targets[0]) for z in stacked])
    torch.testing.assert_close(shared, expected)

    slopes = vmap(grad(lambda z, y: loss.function(z[None], y[None])))(logits, target)
    leaf = logits.clone().requires_grad_()
    loss.function(leaf, target, reduction="sum").backward()
    torch.testing.assert_close(slopes, leaf.grad)
