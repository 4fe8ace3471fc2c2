"""Losses as modules, and by name."""

import copy
import inspect
import pickle

import pytest
import torch
from torch import nn

from lossbook import losses
from lossbook.errors import LossbookError, UnknownNameError

SOFTMAX = {
    "bce": losses.SoftmaxBCELoss,
    "ce": nn.CrossEntropyLoss,
    "ceel": losses.CEELLoss,
    "complement_entropy": losses.ComplementEntropyLoss,
    "el": losses.ExpectationLoss,
    "focal": losses.FocalLoss,
    "gce": losses.GCELoss,
    "mae": losses.MAELoss,
    "mpce": losses.MPCELoss,
    "nllr": losses.NLLRLoss,
    "tamed_ce": losses.TamedCELoss,
}


def test_a_module_gives_what_its_function_gives(variant, batch):
    logits, target = batch(6, 3)
    target[0] = 2
    weight = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    torch.testing.assert_close(variant.module()(logits, target), variant.function(logits, target))
    for reduction in ("none", "mean", "sum"):
        settings = {"weight": weight, "ignore_index": 2, "reduction": reduction}
        got = variant.module(**settings)(logits, target)
        torch.testing.assert_close(got, variant.function(logits, target, **settings))


def test_defaults_are_those_of_the_function(loss):
    of_function = inspect.signature(loss.function_of).parameters
    of_module = inspect.signature(loss.module_of).parameters
    for name in set(of_module) & set(of_function):
        assert of_module[name].default == of_function[name].default, name
    assert set(of_function) - {"input", "target"} <= set(of_module)


def test_it_takes_the_place_of_cross_entropy(loss, batch):
    """The weight first, all else by name as PyTorch has it; and a weight that follows the module."""
    first, *others = inspect.signature(loss.module_of).parameters.values()
    assert first.name == "weight"
    assert {each.name for each in others} >= {"ignore_index", "reduction"}
    assert all(each.kind is each.KEYWORD_ONLY for each in others)

    weight = torch.tensor([1.0, 2.0, 4.0])
    module = loss.module(weight=weight, ignore_index=1, reduction="sum")
    assert list(module.state_dict()) == ["weight"]
    assert not loss.module().state_dict()
    assert torch.equal(module.state_dict()["weight"], weight)
    fresh = loss.module(weight=torch.ones(3))
    fresh.load_state_dict(module.state_dict())
    assert torch.equal(fresh.weight, weight)
    assert module.double().weight.dtype == torch.float64


def test_copies_and_pickles_give_the_same(variant, batch):
    logits, target = batch(6, 3)
    module = variant.module(weight=torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64), reduction="none")
    expected = module(logits, target)
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(again(logits, target), expected)
        assert repr(again) == repr(module)


@pytest.mark.parametrize(
    ("module", "shown"),
    [
        (losses.NLLRLoss(), "NLLRLoss(clip=None, ignore_index=-100, reduction='mean')"),
        (losses.NLLRLoss(clip=1e-7), "NLLRLoss(clip=1e-07, ignore_index=-100, reduction='mean')"),
        (losses.ExpectationLoss(reduction="sum"), "ExpectationLoss(ignore_index=-100, reduction='sum')"),
        (losses.MAELoss(ignore_index=3), "MAELoss(ignore_index=3, reduction='mean')"),
        (losses.FocalLoss(), "FocalLoss(gamma=2.0, alpha=None, ignore_index=-100, reduction='mean')"),
        (
            losses.FocalLoss(gamma=1, alpha=0.25),
            "FocalLoss(gamma=1, alpha=0.25, ignore_index=-100, reduction='mean')",
        ),
        (losses.GCELoss(k=0.5), "GCELoss(q=0.7, k=0.5, ignore_index=-100, reduction='mean')"),
        (losses.TamedCELoss(alpha=0.8), "TamedCELoss(alpha=0.8, ignore_index=-100, reduction='mean')"),
        (losses.SoftmaxBCELoss(), "SoftmaxBCELoss(ignore_index=-100, reduction='mean')"),
        (losses.MPCELoss(), "MPCELoss(ignore_index=-100, reduction='mean')"),
        (losses.ComplementEntropyLoss(), "ComplementEntropyLoss(ignore_index=-100, reduction='mean')"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_print_shows_the_settings(module, shown):
    assert repr(module) == shown


# --- by name ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SOFTMAX))
def test_every_name_makes_its_module(name):
    needs = {"alpha": 0.5} if name == "tamed_ce" else {}
    assert type(losses.get(name, **needs)) is SOFTMAX[name]


def test_available_names_are_sorted_and_complete():
    assert losses.available() == sorted(losses.available())
    assert set(losses.available()) >= set(SOFTMAX)


def test_public_names_are_sorted_and_there():
    exported = [name for name in losses.__all__ if name[0].isupper()]
    functions = [name for name in losses.__all__ if not name[0].isupper()]
    assert losses.__all__ == sorted(exported) + sorted(functions)
    for name in losses.__all__:
        assert getattr(losses, name).__doc__, name


def test_options_reach_the_module():
    module = losses.get("nllr", reduction="sum", ignore_index=4, clip=0.1)
    assert (module.reduction, module.ignore_index, module.clip) == ("sum", 4, 0.1)
    assert losses.get("ce", label_smoothing=0.1).label_smoothing == 0.1
    assert losses.get("gce", q=0.5, k=0.25).k == 0.25


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("nlr", "nllr"),
        ("CE", "ce"),
        ("b_ce", "bce"),
        ("MAE", "mae"),
        ("tamed", "tamed_ce"),
        ("focl", "focal"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name, nearest):
    with pytest.raises(
        UnknownNameError, match=rf"^unknown loss '{name}'; did you mean '{nearest}'\?"
    ) as error:
        losses.get(name)
    assert str(error.value).endswith(f"There are: {', '.join(losses.available())}")
    assert isinstance(error.value, LossbookError | ValueError)


@pytest.mark.parametrize(
    ("name", "option", "nearest"),
    [
        ("nllr", "clp", "clip"),
        ("ce", "reductoin", "reduction"),
        ("mae", "ignore_idx", "ignore_index"),
        ("focal", "gama", "gamma"),
        ("tamed_ce", "alfa", "alpha"),
    ],
)
def test_an_unknown_option_is_answered_with_the_nearest(name, option, nearest):
    with pytest.raises(
        UnknownNameError, match=f"^unknown option of the loss '{name}' '{option}'; did you mean '{nearest}'"
    ):
        losses.get(name, **{option: 1})


def test_only_nllr_can_be_clipped():
    with pytest.raises(UnknownNameError, match="^unknown option of the loss 'el' 'clip'"):
        losses.get("el", clip=0.1)


def test_an_option_without_default_is_asked_for():
    with pytest.raises(ValueError, match="^the loss 'tamed_ce' needs the option 'alpha'"):
        losses.get("tamed_ce")
