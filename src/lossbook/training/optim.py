"""Optimisers as the papers' own code sets them up, by name.

Each takes the parameters and its options, and returns the optimiser with a function from the number of steps
taken so far to the learning rate, or None where it is constant.
"""

from collections.abc import Callable, Iterable

import torch
from torch.nn import Parameter

from lossbook.errors import UnknownNameError

Schedule = Callable[[int], float]
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
    return optimizer, (lambda step: lr / (1 + decay * step)) if decay else None


_OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "keras_adadelta": keras_adadelta,
    "keras_rmsprop": keras_rmsprop,
}


def get(name: str) -> Callable[..., Optimizer]:
    """The optimiser of that name.

    Raises:
        UnknownNameError: A name there is not; the message names the nearest.
    """
    if name not in _OPTIMIZERS:
        raise UnknownNameError("optimizer", name, sorted(_OPTIMIZERS))
    return _OPTIMIZERS[name]
