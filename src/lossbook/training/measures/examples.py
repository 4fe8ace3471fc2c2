"""What a network makes of every single example, by epoch."""

import torch
from torch import Tensor

from lossbook.training.measures.subject import Subject


def examples(subject: Subject) -> dict[str, float | Tensor]:
    """The probability of the right class and the predicted class of every example of the parts.

    Args:
        subject: The network, and parts of one class per example.

    Returns:
        For each of the parts ``train`` and ``test`` in front of each name, one value per example, ``[N]``:
        ``p``, the softmax probability of the right class, float32; ``predicted``, the predicted class, int16.

    References:
        battash2021, "Motivating example".
    """
    found: dict[str, float | Tensor] = {}
    for part in ("train", "test"):
        logits, targets = subject.logits(part), subject.targets(part)
        found[f"{part}_p"] = logits.softmax(1).gather(1, targets.unsqueeze(1)).squeeze(1).float()
        found[f"{part}_predicted"] = logits.argmax(1).to(torch.int16)
    return found
