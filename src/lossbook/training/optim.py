"""Optimisers as the papers' own code sets them up, by name.

Each takes the parameters and its options, and returns the optimiser with a function from the number of steps
taken so far to the learning rate, or None where it is constant.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

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


def sgd(
    parameters: Iterable[Parameter],
    lr: float = 0.01,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    milestones: Sequence[int] = (),
    gamma: float = 0.1,
) -> Optimizer:
    """Stochastic gradient descent with PyTorch's momentum: v <- momentum v + gradient, w <- w - lr v.

    Without weight decay, c times a loss at learning rate lr takes the same steps as the loss at c lr.

    Args:
        parameters: What to optimise.
        lr: Learning rate at the first step.
        momentum: The share of the last step's velocity that is kept.
        weight_decay: Factor of the weights that is added to the gradient, biases included.
        milestones: Numbers of steps after which the learning rate is multiplied by gamma, rising.
        gamma: What it is multiplied by.

    Raises:
        ValueError: Milestones that do not rise.
    """
    drops = list(milestones)
    if drops != sorted(set(drops)):
        raise ValueError(f"milestones must be numbers of steps that rise; got {drops}")
    optimizer = torch.optim.SGD(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay)
    return optimizer, (lambda step: lr * gamma ** bisect_right(drops, step)) if drops else None


_OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "keras_adadelta": keras_adadelta,
    "keras_rmsprop": keras_rmsprop,
    "sgd": sgd,
}


def get(name: str) -> Callable[..., Optimizer]:
    """The optimiser of that name.

    Raises:
        UnknownNameError: A name there is not; the message names the nearest.
    """
    if name not in _OPTIMIZERS:
        raise UnknownNameError("optimizer", name, sorted(_OPTIMIZERS))
    return _OPTIMIZERS[name]
