"""The features of a few classes, for pictures of them."""

import torch
from torch import Tensor

from lossbook.training.measures.subject import Subject

#: How many classes, and how many examples of each at most.
CLASSES, EACH = 5, 100


def chosen_classes(num_classes: int) -> list[int]:
    """The classes shown: five, evenly spaced, or all where there are fewer."""
    shown = min(CLASSES, num_classes)
    return [at * num_classes // shown for at in range(shown)]


def class_features(subject: Subject) -> dict[str, float | Tensor]:
    """The features of the test examples of five classes, evenly spaced among the labels.

    Of each class at most the first 100. They are rounded to half precision: a picture shows no more.

    Returns:
        ``class_features``, float16 ``[N, D]``; ``class_targets``, int64 ``[N]``.

    References:
        dong2019, Fig. 1, which does not name its five classes.
    """
    targets = subject.targets("test")
    rows = torch.cat([(targets == k).nonzero()[:EACH, 0] for k in chosen_classes(subject.num_classes)])
    return {
        "class_features": subject.features("test", rows).half(),
        "class_targets": targets[rows],
    }
