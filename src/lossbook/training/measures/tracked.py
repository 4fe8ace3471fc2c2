"""Every example's state by epoch, in a byte: whether it is right, and how probable its class is."""

import torch
from torch import Tensor

from lossbook.training.measures.subject import Subject

#: Width of the intervals that probabilities are told apart by.
BINS = 10
#: What is added to the interval of an example that is classified rightly.
RIGHT = 16
#: How many training examples are tracked at most, evenly spaced. 5,000 would miss most classes where examples
#: are ordered by classes in turn.
TRAIN = 4999


def tracked(subject: Subject) -> dict[str, float | Tensor]:
    r"""The state of every test example, and of 4,999 training examples, evenly spaced.

    .. math:: s = \min(\lfloor 10\, p_y \rfloor, 9) + 16\, [\arg\max_k p_k = y]

    A byte per example and epoch, where :func:`lossbook.training.measures.examples.examples` takes six for
    every example of either part.

    Args:
        subject: The network, and parts of one class per example.

    Returns:
        ``test_tracked`` and ``train_tracked``, uint8 ``[N]``.

    References:
        battash2021, "A Motivating Example".
    """
    found: dict[str, float | Tensor] = {}
    for part in ("test", "train"):
        targets = subject.targets(part)
        size = len(targets) if part == "test" else min(len(targets), TRAIN)
        rows = torch.arange(size, device=targets.device) * len(targets) // size
        found[f"{part}_tracked"] = states(subject.logits(part, rows), targets[rows])
    return found


def states(logits: Tensor, targets: Tensor) -> Tensor:
    """The states of :func:`tracked`, uint8 ``[N]``, from logits ``[N, K]`` and classes ``[N]``."""
    p = logits.softmax(1).gather(1, targets.unsqueeze(1)).squeeze(1)
    interval = (BINS * p).floor().clamp(max=BINS - 1)
    return (interval + RIGHT * (logits.argmax(1) == targets)).to(torch.uint8)
