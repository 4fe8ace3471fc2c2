"""The table of phi: each is its loss as a function of the gap, and its slope is its derivative."""

import math

import pytest
import torch
from torch.nn import functional as F

from lossbook.errors import UnknownNameError
from lossbook.losses import Phi, phi
from lossbook.losses.softmax import _PHI, competitor_gap

U = torch.tensor(
    [-1e4, -745.0, -50.0, -20.5, -3.0, -1e-9, 0.0, 0.3, 2.0, 20.5, 36.0, 50.0, 745.0, 1e4],
    dtype=torch.float64,
)


def of(variant):
    return phi(variant.phi, **variant.options)


def test_it_is_the_loss_of_the_gap(in_family, batch):
    logits, target = batch(50, 6, scale=4.0)
    gap = competitor_gap(logits, target)
    got = of(in_family).value(gap)
    torch.testing.assert_close(got, in_family.function(logits, target, reduction="none"))


def test_cross_entropy_is_in_the_table(batch):
    logits, target = batch(50, 6, scale=4.0)
    got = phi("ce").value(competitor_gap(logits, target))
    torch.testing.assert_close(got, F.cross_entropy(logits, target, reduction="none"))
    assert torch.equal(phi("ce").slope(U), U.sigmoid())
    # Not F.softplus: above 20 it returns its argument, which is 2e-9 off.
    u = torch.tensor(20.5, dtype=torch.float64)
    assert float(phi("ce").value(u) - u) == pytest.approx(1.250152866386743e-09, rel=1e-6)


def test_the_slope_is_the_derivative(in_family):
    u = U.clone().requires_grad_()
    (derivative,) = torch.autograd.grad(of(in_family).value(u).sum(), u)
    # Autograd of a sigmoid near 1 is off by its rounding, the slope is not.
    torch.testing.assert_close(of(in_family).slope(U), derivative, rtol=1e-9, atol=1e-13)


def test_values_and_slopes_keep_type_and_shape(in_family):
    for dtype in (torch.float32, torch.float64):
        u = torch.linspace(-3, 3, 6, dtype=dtype).view(2, 1, 3)
        for result in (of(in_family).value(u), of(in_family).slope(u)):
            assert (result.dtype, result.shape) == (dtype, u.shape)


def test_it_never_falls_as_the_gap_grows(in_family):
    """A larger gap is a smaller probability of the target."""
    u = torch.linspace(-60, 60, 2001, dtype=torch.float64)
    values = of(in_family).value(u)
    rounded = torch.finfo(torch.float64).eps * values.abs().max()
    assert (values.diff() >= -rounded).all()
    assert (of(in_family).slope(U) >= 0).all()
    assert (of(in_family).slope(torch.linspace(-4, 1, 11)) > 0).all()


def test_infinite_gaps_have_the_limits(in_family):
    """At -inf the target is certain, at inf it is impossible. The slope is what it is far away, too."""
    ends = torch.tensor([-math.inf, math.inf], dtype=torch.float64)
    far = torch.tensor([-1e300, 1e300], dtype=torch.float64)
    value, slope = of(in_family).value(ends), of(in_family).slope(ends)
    for got, expected in zip(value.tolist(), of(in_family).value(far).tolist(), strict=True):
        assert got == pytest.approx(expected, abs=1e-12) or (math.isinf(got) and abs(expected) > 600)
    assert slope.tolist() == pytest.approx(of(in_family).slope(far).tolist(), abs=1e-12)


def test_nan_stays(in_family):
    u = torch.tensor([math.nan, 0.0], dtype=torch.float64)
    assert of(in_family).value(u).isnan().tolist() == [True, False]


# --- by name ------------------------------------------------------------------------------------------------

NAMES = ["nllr", "ce", "el", "mae", "ceel", "focal", "gce"]


@pytest.mark.parametrize("name", NAMES)
def test_options_may_be_left_out(name):
    assert isinstance(phi(name), Phi)


def test_defaults_are_those_of_the_losses(loss, batch):
    if loss.phi:
        logits, target = batch(20, 4)
        options = {"alpha": 1.0} if loss.phi == "tamed_ce" else {}
        expected = loss.function_of(logits, target, reduction="none", **options)
        got = phi(loss.phi, **options).value(competitor_gap(logits, target))
        torch.testing.assert_close(got, expected)


def test_unknown_names_and_options():
    with pytest.raises(UnknownNameError, match=r"^unknown loss 'focl'; did you mean 'focal'\?") as error:
        phi("focl")
    assert str(error.value).endswith(f"There are: {', '.join(_PHI)}")
    with pytest.raises(
        UnknownNameError, match="^unknown option of the loss 'focal' 'gama'; did you mean 'gamma'"
    ):
        phi("focal", gama=1.0)
    with pytest.raises(UnknownNameError, match="^unknown option of the loss 'el' 'clip'"):
        phi("el", clip=0.1)


@pytest.mark.parametrize("name", ["bce", "mpce", "complement_entropy"])
def test_losses_that_look_at_other_classes_have_none(name):
    with pytest.raises(UnknownNameError, match=f"^unknown loss '{name}'"):
        phi(name)


def test_a_phi_cannot_be_changed():
    with pytest.raises(AttributeError):
        phi("ce").value = torch.sigmoid
