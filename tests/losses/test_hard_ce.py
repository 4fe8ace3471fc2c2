"""Hard selection on softmax outputs: value, gradient, and where it meets other losses."""

import mpmath
import pytest
import torch
from torch.nn import functional as F

from lossbook.losses import (
    HSCELoss,
    SelectedCELoss,
    get,
    hs_ce_loss,
    selected_ce_loss,
    softmax_bce_loss,
)

close = torch.testing.assert_close
LOSSES = [hs_ce_loss, selected_ce_loss]


def example(rows=40, classes=9, scale=3.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(classes, (rows,), generator=generator)


def printed(name, row, target, n, beta):
    """The two formulas, in 60 digits."""
    with mpmath.workdps(60):
        z = [mpmath.mpf(value) for value in row]
        hardest = sorted((k for k in range(len(z)) if k != target), key=lambda k: -z[k])[:n]
        if name == "selected_ce_loss":
            total = sum(mpmath.exp(z[k]) for k in [target, *hardest])
            return float(-mpmath.log(mpmath.exp(z[target]) / total))
        total = sum(mpmath.exp(each) for each in z)
        p = [mpmath.exp(each) / total for each in z]
        return float(
            -mpmath.log(p[target]) - mpmath.mpf(beta) / n * sum(mpmath.log(1 - p[k]) for k in hardest)
        )


@pytest.mark.parametrize("function", LOSSES)
@pytest.mark.parametrize("scale", [1.0, 60.0])
@pytest.mark.parametrize(("m", "n"), [(0.25, 2), (0.01, 1), (1.0, 8)])
def test_values_are_those_of_the_formula(function, scale, m, n):
    logits, target = example(12, scale=scale)
    options = {"m": m} if function is selected_ce_loss else {"m": m, "beta": 4.0}
    found = function(logits, target, reduction="none", **options)
    wanted = [
        printed(function.__name__, *each, n, 4.0)
        for each in zip(logits.tolist(), target.tolist(), strict=True)
    ]
    close(found, torch.tensor(wanted, dtype=torch.float64), rtol=1e-12, atol=1e-200)


@pytest.mark.parametrize("function", LOSSES)
@pytest.mark.parametrize("m", [0.25, 1.0])
def test_finite_differences_of_first_and_second_order(function, m):
    logits, target = example(5)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: function(z, target, m=m, reduction="none"), logits)
    assert torch.autograd.gradgradcheck(lambda z: function(z, target, m=m, reduction="none"), logits)


@pytest.mark.parametrize("function", LOSSES)
@pytest.mark.parametrize("scale", [0.0, 3.0, 40.0, 1000.0])
def test_the_gradient_in_closed_form_is_that_of_the_formula(function, scale):
    # 1000: probabilities of 0 and 1, and odds without end.
    logits, target = example(200, 11, scale=scale)
    for dtype in (torch.float64, torch.float32):
        leaf = logits.to(dtype).requires_grad_()
        (closed,) = torch.autograd.grad(function(leaf, target), leaf)
        (formula,) = torch.autograd.grad(function(leaf, target), leaf, create_graph=True)
        assert closed.isfinite().all()
        close(closed, formula.detach(), rtol=1e-5 if dtype == torch.float32 else 1e-11, atol=1e-7)


def test_all_classes_selected_is_a_loss_without_selection():
    logits, target = example()
    close(selected_ce_loss(logits, target, m=1.0), F.cross_entropy(logits, target))
    close(hs_ce_loss(logits, target, m=1.0, beta=8.0), softmax_bce_loss(logits, target))
    close(hs_ce_loss(logits, target, beta=0.0), F.cross_entropy(logits, target))


def test_what_is_not_selected_has_no_gradient():
    logits = torch.tensor([[0.0, 5.0, 4.0, 3.0, -1.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(selected_ce_loss(logits, torch.tensor([0]), m=0.5), logits)
    assert (gradient[0] != 0).tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("function", LOSSES)
def test_weight_ignored_targets_and_more_dimensions(function):
    logits, target = example(6, 5)
    target[2] = -100
    weight = torch.rand(5, dtype=torch.float64)
    each = function(logits, target, weight=weight, reduction="none")
    kept = target != -100
    assert each[2] == 0
    close(function(logits, target, weight=weight), each.sum() / weight[target[kept]].sum())
    close(function(logits[0], target[0]), function(logits[:1], target[:1]))
    image = logits.reshape(2, 3, 5).permute(0, 2, 1)
    close(
        function(image, target.reshape(2, 3), reduction="none").flatten(),
        function(logits, target, reduction="none"),
    )


def test_modules_and_names():
    logits, target = example()
    assert isinstance(get("hs_ce"), HSCELoss)
    assert isinstance(get("selected_ce"), SelectedCELoss)
    close(HSCELoss(m=0.5, beta=3.0)(logits, target), hs_ce_loss(logits, target, m=0.5, beta=3.0))
    close(SelectedCELoss(m=0.5)(logits, target), selected_ce_loss(logits, target, m=0.5))
    assert repr(SelectedCELoss()) == "SelectedCELoss(m=0.25, ignore_index=-100, reduction='mean')"
    for module in (HSCELoss, SelectedCELoss):
        with pytest.raises(ValueError, match=r"m must lie in \(0, 1\]"):
            module(m=0.0)
