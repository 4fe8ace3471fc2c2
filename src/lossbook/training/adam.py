"""Adam, in a module of its own: records of the other optimisers do not depend on its code."""

from collections.abc import Iterable

import torch
from torch.nn import Parameter

from lossbook.training.clock import Schedule


def adam(
    parameters: Iterable[Parameter], lr: float = 1e-3, momentum: float = 0.9, weight_decay: float = 0.0
) -> tuple[torch.optim.Optimizer, Schedule | None]:
    """Adam with PyTorch's defaults: beta2 0.999, epsilon 1e-8, no decay.

    A loss times a factor takes the same steps, but for epsilon, and without weight decay.

    Args:
        parameters: What to optimise.
        lr: Learning rate at the first step.
        momentum: Its beta1, the share of the mean gradient that is kept.
        weight_decay: Factor of the weights that is added to the gradient, before it is scaled.
    """
    return torch.optim.Adam(parameters, lr=lr, betas=(momentum, 0.999), weight_decay=weight_decay), None
