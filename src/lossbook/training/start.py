"""Where training starts: the logits of a network that has seen nothing."""

from __future__ import annotations

import math

import torch
from torch import nn

#: Name of the start at which each class of a one-vs-rest loss has its frequency, where all are alike.
FREQUENCIES = "frequencies"


def output_bias(start: float | str, num_classes: int) -> float:
    r"""The logit that every class starts from.

    Args:
        start: A number, or ``"frequencies"``: :math:`-\log(K - 1)`, at which the sigmoid of each of K classes
            is 1/K.
        num_classes: K.

    Raises:
        ValueError: Another name, or a number that is not finite.
    """
    if start == FREQUENCIES:
        return -math.log(max(1, num_classes - 1))
    if isinstance(start, str) or not math.isfinite(start):
        raise ValueError(f"the output's bias starts at a number, or at {FREQUENCIES!r}; got {start!r}")
    return float(start)


@torch.no_grad()
def set_output_bias(network: nn.Module, in_shape: tuple[int, ...], logit: float) -> None:
    """Start the biases of the last linear layer so that they put all logits at a number.

    How much a bias moves a logit is measured, as a network may scale its logits behind that layer.

    Args:
        network: A fresh network of images or feature vectors.
        in_shape: Shape of one input.
        logit: The number.

    Raises:
        ValueError: The network's last linear layer has no bias.
    """
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1:]
    bias = last[0].bias if last else None
    if bias is None:
        raise ValueError("this network has no output bias to start from")
    training, inputs = network.training, torch.zeros(1, *in_shape)
    network.eval()
    bias.zero_()
    before = network(inputs)
    bias.fill_(1.0)
    scale = float((network(inputs) - before).mean())
    bias.fill_(logit / scale)
    network.train(training)
