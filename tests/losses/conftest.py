"""The four losses, their modules, and what each is of softmax probabilities in plain high precision."""

from types import SimpleNamespace

import mpmath
import pytest
import torch

from lossbook import losses


def _exact(logits, target):
    """CE and our four losses of one example, at 50 digits; logits may be as far apart as they like.

    1 - p_k is built as a sum over the other classes, so that it is not lost against 1.
    """
    with mpmath.workdps(50):
        powers = [mpmath.exp(mpmath.mpf(z)) for z in logits]
        others = [mpmath.fsum(powers[:k] + powers[k + 1 :]) for k in range(len(powers))]
        odds = [power / other for power, other in zip(powers, others, strict=True)]
        ce = mpmath.log1p(1 / odds[target])
        bce = ce + mpmath.fsum(mpmath.log1p(odd) for k, odd in enumerate(odds) if k != target)
        el = 1 / (1 + odds[target])
        values = {"ce": ce, "bce": bce, "nllr": -mpmath.log(odds[target]), "el": el, "mae": 2 * el}
        return {name: float(value) for name, value in values.items()}


def _naive(name, logits, target):
    """The loss as printed, on probabilities: for moderate logits in float64 only."""
    p = logits.softmax(1)
    at_target = p.gather(1, target[:, None]).squeeze(1)
    one_hot = torch.nn.functional.one_hot(target, logits.shape[1]).to(p.dtype)
    if name == "nllr":
        return -(at_target / (p * (1 - one_hot)).sum(1)).log()
    if name == "bce":
        return -(one_hot * p.log() + (1 - one_hot) * (1 - p).log()).sum(1)
    if name == "el":
        return 1 - at_target
    return (one_hot - p).abs().sum(1)


LOSSES = {
    "nllr": SimpleNamespace(function=losses.nllr_loss, module=losses.NLLRLoss),
    "bce": SimpleNamespace(function=losses.softmax_bce_loss, module=losses.SoftmaxBCELoss),
    "el": SimpleNamespace(function=losses.expectation_loss, module=losses.ExpectationLoss),
    "mae": SimpleNamespace(function=losses.mae_loss, module=losses.MAELoss),
}


@pytest.fixture(params=sorted(LOSSES))
def loss(request):
    """Each loss in turn: its name, function and module."""
    return SimpleNamespace(name=request.param, **vars(LOSSES[request.param]))


@pytest.fixture
def exact():
    return _exact


@pytest.fixture
def naive():
    return _naive


@pytest.fixture
def batch():
    """Makes float64 logits ``[B, K, ...]`` and targets from a seed."""

    def make(count=8, classes=5, *extra, scale=2.0, seed=0):
        generator = torch.Generator().manual_seed(seed)
        logits = scale * torch.randn(count, classes, *extra, dtype=torch.float64, generator=generator)
        return logits, torch.randint(classes, (count, *extra), generator=generator)

    return make
