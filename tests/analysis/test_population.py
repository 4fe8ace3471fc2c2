from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lossbook.analysis import expected_loss, nllr_minimiser, population_minimiser
from lossbook.losses import CEELLoss, nllr_loss, softmax_bce_loss

CE = partial(F.cross_entropy, reduction="none")
BCE = partial(softmax_bce_loss, reduction="none")
NLLR = partial(nllr_loss, reduction="none")


def distribution(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_expected_loss_is_the_weighted_sum():
    eta = distribution(0.5, 0.3, 0.2)
    logits = distribution(1.0, -2.0, 0.5)
    by_hand = -(eta * logits.log_softmax(0)).sum()
    torch.testing.assert_close(expected_loss(CE, logits, eta), by_hand)


def test_a_class_that_never_occurs_costs_nothing():
    logits = distribution(0.0, 0.0, -torch.inf)
    assert float(expected_loss(CE, logits, distribution(0.5, 0.5, 0.0))) == pytest.approx(0.6931471805599453)


@pytest.mark.parametrize("loss", [CE, BCE], ids=["ce", "bce"])
@pytest.mark.parametrize("eta", [(0.45, 0.35, 0.2), (0.9, 0.06, 0.03, 0.01), (0.3, 0.7)])
def test_proper_losses_ask_for_eta(loss, eta):
    eta = distribution(*eta)
    torch.testing.assert_close(population_minimiser(loss, eta), eta, rtol=0, atol=1e-7)


@pytest.mark.parametrize("eta", [(0.45, 0.35, 0.2), (0.49, 0.26, 0.25), (0.2,) * 5, (0.4, 0.4, 0.1, 0.1)])
def test_the_equation_for_nllr_agrees_with_the_search(eta):
    eta = distribution(*eta)
    p = nllr_minimiser(eta)
    assert float(p.sum()) == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(p, population_minimiser(NLLR, eta), rtol=0, atol=1e-6)
    product = p * (1 - p)
    torch.testing.assert_close(product / product.sum(), eta, rtol=0, atol=1e-12)


def test_nllr_minimiser_close_to_one_half():
    eta = distribution(0.5 - 1e-6, 0.3, 0.2 + 1e-6)
    p = nllr_minimiser(eta)
    product = p * (1 - p)
    torch.testing.assert_close(product / product.sum(), eta, rtol=0, atol=1e-10)
    assert float(p[0]) > 0.99999


@pytest.mark.parametrize("eta", [(0.5, 0.5), (0.5, 0.3, 0.2), (0.6, 0.4), (0.8, 0.1, 0.1)])
def test_nllr_has_no_minimiser_from_one_half_on(eta):
    with pytest.raises(ValueError, match="below 1/2"):
        nllr_minimiser(distribution(*eta))


@pytest.mark.parametrize("eta", [(0.5, 0.3, 0.2), (0.6, 0.4), (0.8, 0.1, 0.1)])
def test_the_search_says_when_it_runs_away(eta):
    with pytest.raises(ValueError, match="no smallest expected loss"):
        population_minimiser(NLLR, distribution(*eta))


@pytest.mark.parametrize("eta", [(0.5, 0.4), (1.0, 0.0), (1.2, -0.2), (1.0,)])
def test_what_is_no_distribution_is_refused(eta):
    with pytest.raises(ValueError, match="eta must be"):
        nllr_minimiser(distribution(*eta))
    with pytest.raises(ValueError, match="eta must be"):
        population_minimiser(CE, distribution(*eta))


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), CEELLoss()])
def test_a_loss_that_is_reduced_already_is_refused(loss):
    with pytest.raises(ValueError, match=r"one value per example, shape \[3\]; it gave \[\]"):
        population_minimiser(loss, distribution(0.5, 0.3, 0.2))


def test_single_precision_is_searched_in_double():
    loss, eta = CEELLoss(reduction="none"), (0.45, 0.3, 0.25)
    expected = population_minimiser(loss, distribution(*eta))
    with torch.no_grad():  # of the caller's
        found = population_minimiser(loss, distribution(*eta).float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=0)
