"""Curvature along the noise of the gradient, of a network of any size."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossbook.training.measures.parts import per_example
from lossbook.training.measures.subject import Subject

_EXAMPLES, _PROBES, _BATCH = 512, 32, 64


def noise_curvature(subject: Subject) -> dict[str, float | Tensor]:
    r"""The trace of the Hessian times the covariance of the gradient, by Hutchinson's estimator.

    .. math:: \operatorname{tr}(H \Sigma) = \mathbf E_v\bigl[(H v)^T (\Sigma v)\bigr], \quad
              \Sigma = \frac 1N \sum_i g_i g_i^T - \bar g \bar g^T

    with v of independent signs, H the Hessian of the mean loss and :math:`g_i` the gradient of example i, all
    over 512 training examples, evenly spaced, with the network in evaluation mode. Divide by the batch size
    for the covariance of a batch's gradient.

    Returns:
        ``trace``: the mean over 32 probes. ``trace_error``: its standard error. ``probes``: their values,
        ``[32]``.

    Raises:
        ValueError: A loss that gives no value per example.

    References:
        battash2021, Eq. 16 and "escaping efficiency"; Hutchinson, A stochastic estimator of the trace, 1989.
    """
    return estimate(subject, examples=_EXAMPLES, probes=_PROBES)


def estimate(subject: Subject, *, examples: int, probes: int, seed: int = 0) -> dict[str, float | Tensor]:
    """As :func:`noise_curvature`, with numbers of examples and probes.

    Args:
        subject: The network and its training examples.
        examples: How many examples, at most.
        probes: How many probes, at least 2.
        seed: Seeds the probes.
    """
    targets = subject.targets("train")
    size = min(len(targets), examples)
    rows = torch.arange(size, device=targets.device) * len(targets) // size
    parameters = [p for p in subject.network.parameters() if p.requires_grad]
    noise = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(probes):
        probe = [(torch.randint(2, p.shape, generator=noise) * 2 - 1).to(p) for p in parameters]
        values.append(_probe(subject, rows, parameters, probe))
    found = torch.stack(values)
    return {
        "trace": float(found.mean()),
        "trace_error": float(found.std() / probes**0.5),
        "probes": found,
    }


def _probe(subject: Subject, rows: Tensor, parameters: Sequence[Tensor], probe: Sequence[Tensor]) -> Tensor:
    """One value of the estimator."""
    loss = per_example(subject.loss)
    subject.network.eval()
    curved = [torch.zeros_like(p) for p in parameters]
    along = []
    with torch.enable_grad():
        for inputs, target in subject.batches("train", rows, _BATCH):
            values = loss(subject.network(*inputs), target)
            # The gradient as a function of what each example counts: its derivative along the probe, with
            # respect to those shares, is each example's own; with respect to the weights, the Hessian's
            # product.
            shares = torch.full_like(values, 1 / len(rows)).requires_grad_()
            gradient = torch.autograd.grad(values, parameters, shares, create_graph=True)
            slope = sum((g * v).sum() for g, v in zip(gradient, probe, strict=True))
            assert isinstance(slope, Tensor)
            own, *product = torch.autograd.grad(slope, [shares, *parameters], materialize_grads=True)
            along.append(own)
            for total, part in zip(curved, product, strict=True):
                total += part
        slopes = torch.cat(along)
        centred = (slopes - slopes.mean()) / len(rows)
        spread = [torch.zeros_like(p) for p in parameters]
        for (inputs, target), weight in zip(
            subject.batches("train", rows, _BATCH), centred.split(_BATCH), strict=True
        ):
            values = loss(subject.network(*inputs), target)
            for total, part in zip(spread, torch.autograd.grad(values, parameters, weight), strict=True):
                total += part
    return sum((c * s).sum().double() for c, s in zip(curved, spread, strict=True))  # type: ignore[return-value]
