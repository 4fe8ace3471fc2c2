from functools import partial

import pytest
import torch
from torch.nn import functional as F

from lossbook.analysis import gradient_profile, logit_gradient, logits_with_confidence
from lossbook.losses import expectation_loss, nllr_loss, phi

LOSSES = {
    "nllr": partial(nllr_loss, reduction="none"),
    "ce": partial(F.cross_entropy, reduction="none"),
    "el": partial(expectation_loss, reduction="none"),
}


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_the_gradient_is_the_slope_times_the_direction(name):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(50, 6, dtype=torch.float64, generator=generator)
    target = torch.randint(6, (50,), generator=generator)
    one_hot = F.one_hot(target, 6)
    p = logits.softmax(1)
    q = p.masked_fill(one_hot.bool(), 0)
    u = (q.sum(1) / (p * one_hot).sum(1)).log()
    q = q / q.sum(1, keepdim=True)
    expected = phi(name).slope(u)[:, None] * (q - one_hot)
    torch.testing.assert_close(logit_gradient(LOSSES[name], logits, target), expected, rtol=1e-9, atol=1e-12)


def test_logits_have_the_wanted_confidence_and_equal_competitors():
    confidence = torch.tensor([0.1, 0.5, 0.999], dtype=torch.float64)
    p = logits_with_confidence(confidence, 4).softmax(1)
    expected = torch.stack([confidence, *[(1 - confidence) / 3] * 3], dim=1)
    torch.testing.assert_close(p, expected)


@pytest.mark.parametrize(("confidence", "classes"), [([0.0], 3), ([1.0], 3), ([float("nan")], 3), ([0.5], 1)])
def test_impossible_confidences_are_refused(confidence, classes):
    with pytest.raises(ValueError, match=r"between 0 and 1|at least 2"):
        logits_with_confidence(torch.tensor(confidence), classes)


def test_profile_of_cross_entropy():
    confidence = torch.tensor([0.2, 0.7], dtype=torch.float64)
    profile = gradient_profile(LOSSES["ce"], confidence, 5)
    torch.testing.assert_close(profile.loss, -confidence.log())
    torch.testing.assert_close(profile.on_target, confidence - 1)
    torch.testing.assert_close(profile.on_competitor, (1 - confidence) / 4)
    torch.testing.assert_close(profile.l1, 2 * (1 - confidence))


def test_a_loss_that_reduces_is_refused():
    with pytest.raises(ValueError, match="one value per example"):
        logit_gradient(F.cross_entropy, torch.zeros(3, 2), torch.tensor([0, 1, 0]))
