"""Options of single losses: what they mean, and which values are refused."""

import math

import numpy as np
import pytest
import torch

from lossbook import losses

LOGITS = torch.tensor([[1.0, -0.5, 0.25], [0.0, 2.0, -1.0], [0.5, 0.5, 3.0]], dtype=torch.float64)
TARGET = torch.tensor([0, 2, 1])
BAD = [
    ("nllr", "clip", [0.0, -1e-7, 0.5, 1.0, math.nan, math.inf], "lie strictly between 0 and 0.5"),
    ("ceel", "alpha", [-1e-9, -1.0, math.inf, math.nan], "be finite and not negative"),
    ("ceel", "beta", [-1e-9, -1.0, math.inf, math.nan], "be finite and not negative"),
    ("focal", "gamma", [-1e-9, -1.0, math.inf, math.nan], "be finite and not negative"),
    ("focal", "alpha", [-1e-9, -1.0, math.inf, math.nan], "be finite and not negative"),
    ("gce", "q", [0.0, -0.5, 1 + 1e-9, 2.0, math.nan], "lie in (0, 1]"),
    ("gce", "k", [0.0, -0.5, 1.0, 2.0, math.nan], "lie strictly between 0 and 1"),
    ("tamed_ce", "alpha", [-1e-9, -1.0, math.inf, math.nan], "be finite and not negative"),
]
CASES = [(name, option, value, wanted) for name, option, values, wanted in BAD for value in values]
GOOD = [
    ("nllr", {"clip": 0.4999}),
    ("nllr", {"clip": 1e-12}),
    ("ceel", {"alpha": 0, "beta": 0}),
    ("focal", {"gamma": 0, "alpha": 0}),
    ("focal", {"gamma": 1e3, "alpha": 1e3}),
    ("gce", {"q": 1e-12, "k": 1e-12}),
    ("gce", {"q": 1, "k": 0.9999}),
    ("tamed_ce", {"alpha": 0}),
    ("tamed_ce", {"alpha": 1e3}),
]


def function(name):
    return getattr(losses, f"{name}_loss")


def refused(call):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        call()
    return str(caught.value)


@pytest.mark.parametrize(("name", "option", "value", "wanted"), CASES)
def test_options_out_of_range_are_refused(name, option, value, wanted):
    """Where they are given: by the function when called, by the module when made."""
    expected = f"{option} must {wanted}; got {value}"
    assert refused(lambda: function(name)(LOGITS, TARGET, **{option: value})) == expected
    assert refused(lambda: losses.get(name, **{option: value})) == expected


@pytest.mark.parametrize(("name", "options"), GOOD)
def test_options_at_the_end_of_their_range_are_taken(name, options):
    assert function(name)(LOGITS, TARGET, **options).isfinite()
    assert losses.get(name, **options)(LOGITS, TARGET).isfinite()


def test_integers_do_as_options():
    for name, ints, floats in [
        ("focal", {"gamma": 2, "alpha": 1}, {"gamma": 2.0, "alpha": 1.0}),
        ("gce", {"q": 1}, {"q": 1.0}),
        ("tamed_ce", {"alpha": 1}, {"alpha": 1.0}),
        ("ceel", {"alpha": 1, "beta": 2}, {"alpha": 1.0, "beta": 2.0}),
    ]:
        got = function(name)(LOGITS, TARGET, **ints)
        assert torch.equal(got, function(name)(LOGITS, TARGET, **floats))


# --- focal: a factor for each class -------------------------------------------------------------------------


def test_a_factor_for_each_class_multiplies_the_losses():
    alpha = torch.tensor([0.25, 2.0, 0.5], dtype=torch.float64)
    plain = losses.focal_loss(LOGITS, TARGET, reduction="none")
    got = losses.focal_loss(LOGITS, TARGET, alpha=alpha, reduction="none")
    torch.testing.assert_close(got, plain * alpha[TARGET], rtol=1e-14, atol=0)
    # Unlike weight, it is no part of the denominator of the mean.
    mean = losses.focal_loss(LOGITS, TARGET, alpha=alpha)
    torch.testing.assert_close(mean, got.mean())
    weighted = losses.focal_loss(LOGITS, TARGET, weight=alpha)
    torch.testing.assert_close(weighted, got.sum() / alpha[TARGET].sum())
    both = losses.focal_loss(LOGITS, TARGET, weight=alpha, alpha=alpha)
    torch.testing.assert_close(both, (got * alpha[TARGET]).sum() / alpha[TARGET].sum())


def test_a_factor_for_each_class_with_ignored_examples():
    alpha = torch.tensor([0.25, 2.0, 0.5], dtype=torch.float64)
    target = torch.tensor([0, -100, 1])
    got = losses.focal_loss(LOGITS, target, alpha=alpha, reduction="none")
    plain = losses.focal_loss(LOGITS, TARGET, reduction="none")
    torch.testing.assert_close(got, plain * torch.tensor([0.25, 0, 2], dtype=torch.float64))
    torch.testing.assert_close(losses.focal_loss(LOGITS, target, alpha=alpha), got.sum() / 2)


def test_one_factor_for_all_is_that_of_each_class(batch):
    logits, target = batch(6, 3, 2)
    expected = losses.focal_loss(logits, target, alpha=torch.full((3,), 0.25))
    torch.testing.assert_close(losses.focal_loss(logits, target, alpha=0.25), expected)
    torch.testing.assert_close(losses.focal_loss(logits, target) / 4, expected)


def test_the_factor_of_each_class_keeps_the_type_of_the_logits():
    for dtype in (torch.float16, torch.float32):
        got = losses.focal_loss(LOGITS.to(dtype), TARGET, alpha=torch.ones(3, dtype=torch.float64))
        assert got.dtype == dtype


@pytest.mark.parametrize("shape", [(2,), (4,), (3, 1), ()])
def test_factors_of_wrong_shape(shape):
    expected = f"alpha must be a number or have one entry per class, shape [3]; got {list(shape)}"
    alpha = torch.ones(shape)
    assert refused(lambda: losses.focal_loss(LOGITS, TARGET, alpha=alpha)) == expected
    assert refused(lambda: losses.FocalLoss(alpha=alpha)(LOGITS, TARGET)) == expected


@pytest.mark.parametrize("bad", [-0.5, math.nan, math.inf])
def test_factors_out_of_range(bad):
    alpha = torch.tensor([1.0, bad, 1.0])
    expected = f"alpha must be finite and not negative; got {alpha}"
    assert refused(lambda: losses.focal_loss(LOGITS, TARGET, alpha=alpha)) == expected
    assert refused(lambda: losses.FocalLoss(alpha=alpha)) == expected


def test_factors_follow_the_module():
    module = losses.FocalLoss(alpha=torch.tensor([0.25, 2.0, 0.5]))
    assert module.double().alpha.dtype == torch.float64
    assert module.to("meta").alpha.is_meta


def test_factors_that_learn(batch):
    """A tensor of factors may itself get a gradient: the sum of the losses of each class."""
    logits, target = batch(8, 3)
    alpha = torch.ones(3, dtype=torch.float64, requires_grad=True)
    losses.focal_loss(logits, target, alpha=alpha, reduction="sum").backward()
    each = losses.focal_loss(logits, target, reduction="none")
    expected = torch.zeros(3, dtype=torch.float64).index_add(0, target, each)
    torch.testing.assert_close(alpha.grad, expected)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: losses.FocalLoss(gamma=torch.tensor(2.0, requires_grad=True)),
            "gamma must be a number; got a",
        ),
        (
            lambda: losses.CEELLoss(alpha=torch.tensor(2.0, requires_grad=True)),
            "alpha must be a number; got a",
        ),
        (lambda: losses.FocalLoss(alpha=[0.25, 0.75]), "alpha must be a number, or a tensor .*; got list"),
        (
            lambda: losses.TamedCELoss(alpha=torch.ones(3)),
            r"alpha must be a number; got a tensor of shape \[3\]",
        ),
        (lambda: losses.GCELoss(q=None), "q must be a number; got NoneType"),
        (lambda: losses.GCELoss(k="0.5"), "k must be a number; got str"),
        (lambda: losses.NLLRLoss(clip="1e-7"), "clip must be a number; got str"),
    ],
)
def test_options_that_are_no_numbers(make, says):
    """A number that is to be learnt is none: no gradient would come to it."""
    with pytest.raises(TypeError, match=says):
        make()


def test_numbers_of_other_kinds_do_as_options(batch):
    logits, target = batch(4, 3)
    expected = losses.focal_loss(logits, target, gamma=1.5)
    for gamma in (torch.tensor(1.5), np.float32(1.5)):
        torch.testing.assert_close(losses.focal_loss(logits, target, gamma=gamma), expected)


def test_phi_names_an_option_that_it_cannot_do_without():
    with pytest.raises(ValueError, match="'tamed_ce' needs the option 'alpha'"):
        losses.phi("tamed_ce")
