"""The losses on softmax outputs: each with its settings worth testing, and its formula as printed."""

import os
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate

import mpmath
import pytest
import torch

from lossbook import losses


@dataclass(frozen=True)
class Variant:
    """A loss with one choice of its options.

    ``printed`` is its formula, of the class probabilities p, of r = 1 - p, of the target class y, and of a
    logarithm. It serves for high precision and for tensors.
    """

    function_of: object
    module_of: object
    printed: object
    options: dict = field(default_factory=dict)
    phi: str | None = None
    name: str = ""

    @property
    def function(self):
        return partial(self.function_of, **self.options)

    @property
    def module(self):
        return partial(self.module_of, **self.options)


def _nllr(p, r, y, log):
    return -log(p[y] / r[y])


def _clipped(clip):
    def printed(p, r, y, log):
        none = 0 * p[y]  # makes a number of p's own kind
        held = min(max(p[y], none + clip), none + (1 - clip))
        return -log(held / (1 - held))

    return printed


def _mae(p, r, y, log):
    return r[y] + sum(p[:y]) + sum(p[y + 1 :])


def _ceel(alpha, beta):
    return lambda p, r, y, log: -alpha * log(p[y]) + beta * r[y]


def _focal(gamma, alpha=1.0):
    return lambda p, r, y, log: -alpha * r[y] ** gamma * log(p[y])


def _gce(q, k=0.0):
    return lambda p, r, y, log: (1 - max(p[y], 0 * p[y] + k) ** q) / q


def _tamed(alpha):
    if alpha == 1:
        return lambda p, r, y, log: log(1 - log(p[y]))
    return lambda p, r, y, log: ((1 - log(p[y])) ** (1 - alpha) - 1) / (1 - alpha)


def _bce(p, r, y, log):
    return -log(p[y]) - sum(log(r[k]) for k in range(len(p)) if k != y)


def _mpce(p, r, y, log):
    return -(max(p) - p[y]) * log(p[y])


def _complement(p, r, y, log):
    q = [p[k] / r[y] for k in range(len(p)) if k != y]
    return sum(each * log(each) for each in q)


def _variants():
    nllr = partial(Variant, losses.nllr_loss, losses.NLLRLoss, phi="nllr")
    yield nllr(_nllr, name="nllr")
    yield nllr(_clipped(2**-7), {"clip": 2**-7}, name="nllr-clipped")
    yield Variant(
        losses.expectation_loss,
        losses.ExpectationLoss,
        lambda p, r, y, log: r[y],
        phi="el",
        name="el",
    )
    yield Variant(losses.mae_loss, losses.MAELoss, _mae, phi="mae", name="mae")
    for alpha, beta in [(1, 1), (0, 1), (1, 0), (0.5, 8)]:
        options = {"alpha": alpha, "beta": beta}
        yield Variant(
            losses.ceel_loss,
            losses.CEELLoss,
            _ceel(alpha, beta),
            options,
            phi="ceel",
            name=f"ceel-{alpha}-{beta}",
        )
    focal = partial(Variant, losses.focal_loss, losses.FocalLoss)
    for gamma in (2, 0, 0.5, 1, 5):
        yield focal(_focal(gamma), {"gamma": gamma}, phi="focal", name=f"focal-{gamma}")
    yield focal(_focal(2, 0.25), {"alpha": 0.25}, name="focal-2-alpha")
    gce = partial(Variant, losses.gce_loss, losses.GCELoss, phi="gce")
    yield gce(_gce(0.7), name="gce-0.7")
    for q in (1, 0.125):
        yield gce(_gce(q), {"q": q}, name=f"gce-{q}")
    yield gce(_gce(0.5, 0.25), {"q": 0.5, "k": 0.25}, name="gce-0.5-truncated")
    for alpha in (1, 0, 0.5, 2):
        yield Variant(
            losses.tamed_ce_loss,
            losses.TamedCELoss,
            _tamed(alpha),
            {"alpha": alpha},
            phi="tamed_ce",
            name=f"tamed_ce-{alpha}",
        )
    yield Variant(losses.softmax_bce_loss, losses.SoftmaxBCELoss, _bce, name="bce")
    yield Variant(losses.mpce_loss, losses.MPCELoss, _mpce, name="mpce")
    yield Variant(
        losses.complement_entropy_loss,
        losses.ComplementEntropyLoss,
        _complement,
        name="complement_entropy",
    )


VARIANTS = list(_variants())
# One variant of each loss, the first.
LOSSES = list({each.function_of: each for each in reversed(VARIANTS)}.values())[::-1]


def pytest_generate_tests(metafunc):
    """Give ``variant`` every variant in turn, ``in_family`` those with a phi, ``loss`` one of each loss."""
    with_phi = [each for each in VARIANTS if each.phi]
    for name, values in {"variant": VARIANTS, "in_family": with_phi, "loss": LOSSES}.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, values, ids=lambda each: each.name)


# --- high precision -----------------------------------------------------------------------------------------

# Logits of +-1e4 make probabilities of 1e-8686, which an exponent holds without digits; 1 - p is therefore a
# sum over the other classes. The digits are for differences such as 1 - p^q, down to 1e-100.
_HIGH = mpmath.mp.clone()
_HIGH.dps = 120
_STEP = _HIGH.mpf(10) ** -40


def _of_powers(printed, powers, target):
    before = [0, *accumulate(powers)]
    after = [0, *accumulate(reversed(powers))][::-1]
    total = before[-1]
    p = [power / total for power in powers]
    r = [(low + high) / total for low, high in zip(before[:-1], after[1:], strict=True)]
    return printed(p, r, target, _HIGH.log)


def _exact(variant, logits, target):
    """The loss of one example, rounded once at the end."""
    return float(_of_powers(variant.printed, [_HIGH.exp(z) for z in logits], target))


def _exact_gradient(variant, logits, target):
    """Its gradient, by central differences whose error is far below float64's own."""
    powers = [_HIGH.exp(z) for z in logits]
    up, down = _HIGH.exp(_STEP), _HIGH.exp(-_STEP)

    def moved(k, factor):
        return _of_powers(variant.printed, [*powers[:k], powers[k] * factor, *powers[k + 1 :]], target)

    return [float((moved(k, up) - moved(k, down)) / (2 * _STEP)) for k in range(len(powers))]


def _naive(variant, logits, target):
    """The loss as printed, on softmax probabilities: for moderate logits in float64 only."""
    p = logits.softmax(1)
    rows = [
        variant.printed(row.unbind(), (1 - row).unbind(), y, torch.log)
        for row, y in zip(p, target.tolist(), strict=True)
    ]
    return torch.stack(rows)


@pytest.fixture
def exact():
    return _exact


@pytest.fixture
def exact_gradient():
    return _exact_gradient


@pytest.fixture
def naive():
    return _naive


# --- batches ------------------------------------------------------------------------------------------------


@pytest.fixture
def batch():
    """Makes float64 logits ``[B, K, ...]`` and targets from a seed."""

    def make(count=8, classes=5, *extra, scale=2.0, seed=0):
        generator = torch.Generator().manual_seed(seed)
        logits = scale * torch.randn(count, classes, *extra, dtype=torch.float64, generator=generator)
        return logits, torch.randint(classes, (count, *extra), generator=generator)

    return make


@pytest.fixture
def gradient():
    """The gradient of the summed loss, in the logits' own type."""

    def of(function, logits, target, **settings):
        leaf = logits.detach().clone().requires_grad_()
        return torch.autograd.grad(function(leaf, target, reduction="sum", **settings), leaf)[0]

    return of


@pytest.fixture(autouse=True)
def _no_graph_of_a_mutant(monkeypatch):
    """Graphs of torch.compile cannot be captured through the mutation tester's switches."""
    if "MUTANT_UNDER_TEST" in os.environ:
        monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.skip("a mutant is not compiled"))
