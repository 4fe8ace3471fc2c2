"""What battash2021 says of escaping from minima, measured on networks of any size."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lossbook.training.measures.curvature import estimate
from lossbook.training.measures.parts import per_example
from lossbook.training.measures.subject import Subject

_EXAMPLES, _PROBES, _STEPS = 256, 8, 12


@dataclass
class _Under:
    """A network measured under another loss than it was trained with."""

    subject: Subject
    loss: nn.Module

    def __getattr__(self, name: str) -> Any:
        return getattr(self.subject, name)


def escaping(subject: Subject) -> dict[str, float | Tensor]:
    r"""The curvature along the gradient's noise, under the network's loss and under cross-entropy.

    .. math:: \operatorname{tr}(H \Sigma), \qquad
              c = \sqrt{\frac{\sum_i \lVert \nabla_z \ell_i \rVert^2}
                             {\sum_i \lVert \nabla_z \ell^{ce}_i \rVert^2}}

    over 256 training examples, evenly spaced, in evaluation mode. A loss times c has c³ times the trace, so
    the trace divided by c³ is at the scale of cross-entropy.

    Returns:
        ``own_trace`` and ``ce_trace``, each the mean over 8 probes; ``own_error`` and ``ce_error``, their
        standard errors; ``scale``, c; ``sharpness``, the largest eigenvalue of the Hessian of cross-entropy
        by 12 steps of power iteration.

    Raises:
        ValueError: A loss that gives no value per example.

    References:
        battash2021, Eq. 16 to 18; :func:`lossbook.training.measures.curvature.noise_curvature`.
    """
    plain: Any = _Under(subject, nn.CrossEntropyLoss())
    found: dict[str, float | Tensor] = {}
    for name, under in (("own", subject), ("ce", plain)):
        traces = estimate(under, examples=_EXAMPLES, probes=_PROBES)
        found |= {f"{name}_trace": traces["trace"], f"{name}_error": traces["trace_error"]}
    rows = _rows(subject)
    sizes = [gradient_length(under, rows) for under in (subject, plain)]
    return found | {"scale": sizes[0] / sizes[1], "sharpness": sharpness(plain, rows)}


def gradient_length(subject: Subject, rows: Tensor) -> float:
    """Root mean square over examples of the length of the loss's gradient with respect to the logits."""
    logits = subject.logits("train", rows).requires_grad_()
    with torch.enable_grad():
        value = per_example(subject.loss)(logits, subject.targets("train")[rows]).sum()
        (gradient,) = torch.autograd.grad(value, logits)
    return float(gradient.square().sum(1).mean().sqrt())


def sharpness(subject: Subject, rows: Tensor, steps: int = _STEPS) -> float:
    """The largest eigenvalue, by size, of the Hessian of the mean loss over some training examples.

    Args:
        subject: The network and its training examples.
        rows: Which of them.
        steps: Steps of power iteration.
    """
    loss = per_example(subject.loss)
    parameters = [p for p in subject.network.parameters() if p.requires_grad]
    noise = torch.Generator().manual_seed(0)
    direction = [torch.randn(p.shape, generator=noise).to(p) for p in parameters]
    subject.network.eval()
    value = 0.0
    for _ in range(steps):
        length = sum(float(d.square().sum()) for d in direction) ** 0.5
        # A flat network turns every direction into zero.
        if length == 0:
            return 0.0
        direction = [d / length for d in direction]
        product = [torch.zeros_like(p) for p in parameters]
        with torch.enable_grad():
            for inputs, target in subject.batches("train", rows, 64):
                mean = loss(subject.network(*inputs), target).sum() / len(rows)
                gradient = torch.autograd.grad(mean, parameters, create_graph=True)
                slope = sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))
                assert isinstance(slope, Tensor)
                parts = torch.autograd.grad(slope, parameters, materialize_grads=True)
                for total, part in zip(product, parts, strict=True):
                    total += part
        value = float(sum((p * d).sum() for p, d in zip(product, direction, strict=True)))
        direction = product
    return value


def _rows(subject: Subject) -> Tensor:
    targets = subject.targets("train")
    size = min(len(targets), _EXAMPLES)
    return torch.arange(size, device=targets.device) * len(targets) // size
