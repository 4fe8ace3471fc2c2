"""Optimisers as the papers' own code sets them up, by name.

Each takes the parameters and its options, and returns the optimiser with a schedule of its learning rate, or
None where that is constant or the run declares one.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import Parameter

from lossbook.errors import UnknownNameError
from lossbook.training.clock import Schedule

Optimizer = tuple[torch.optim.Optimizer, Schedule | None]


def keras_adadelta(parameters: Iterable[Parameter], lr: float = 1.0) -> Optimizer:
    """Adadelta with the defaults of Keras in 2018: rho 0.95, epsilon 1e-7, no decay.

    Args:
        parameters: What to optimise.
        lr: Learning rate.
    """
    return torch.optim.Adadelta(parameters, lr=lr, rho=0.95, eps=1e-7), None


def keras_rmsprop(parameters: Iterable[Parameter], lr: float = 1e-3, decay: float = 0.0) -> Optimizer:
    """RMSprop with the defaults of Keras in 2018: rho 0.9, epsilon 1e-7.

    The learning rate is lr / (1 + decay * steps).

    Args:
        parameters: What to optimise.
        lr: Learning rate at the first step.
        decay: Decay a step.
    """
    optimizer = torch.optim.RMSprop(parameters, lr=lr, alpha=0.9, eps=1e-7)
    return optimizer, (lambda clock: lr / (1 + decay * clock.step)) if decay else None


def sgd(
    parameters: Iterable[Parameter],
    lr: float = 0.01,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    decay_vectors: bool = True,
) -> Optimizer:
    """Stochastic gradient descent with PyTorch's momentum: v <- momentum v + gradient, w <- w - lr v.

    Without weight decay, c times a loss at learning rate lr takes the same steps as the loss at c lr.

    Args:
        parameters: What to optimise.
        lr: Learning rate at the first step.
        momentum: The share of the last step's velocity that is kept.
        weight_decay: Factor of the weights that is added to the gradient.
        nesterov: Whether the gradient counts as if the next velocity were taken already.
        decay_vectors: Whether weight decay applies to biases and to the weights of normalisation as well.
    """
    given: Any = parameters
    if not decay_vectors:
        every = list(parameters)
        given = [
            {"params": [p for p in every if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in every if p.ndim <= 1], "weight_decay": 0.0},
        ]
    return torch.optim.SGD(
        given, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov
    ), None


_OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "keras_adadelta": keras_adadelta,
    "keras_rmsprop": keras_rmsprop,
    "sgd": sgd,
}


def get(name: str) -> Callable[..., Optimizer]:
    """The optimiser of that name.

    Raises:
        UnknownNameError: An unknown name; the message names the nearest.
    """
    if name not in _OPTIMIZERS:
        raise UnknownNameError("optimizer", name, sorted(_OPTIMIZERS))
    return _OPTIMIZERS[name]
