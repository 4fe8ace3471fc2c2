"""The features of examples chosen by class, whatever the order of the data set."""

from typing import Any

import torch
from torch import Tensor

from lossbook.training.measures.features import feature_quality
from lossbook.training.measures.subject import Subject

#: Test examples that the quality of features is measured on, at most.
_MOST = 2000
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


def class_quality(subject: Subject) -> dict[str, float | Tensor]:
    """What :func:`~lossbook.training.measures.features.feature_quality` measures, on all classes alike.

    On the first test examples of each class, equally many where there are as many, and 2,000 at most: evenly
    spaced ones, which it takes itself, are of a few classes where a data set is in the order of its classes.

    Returns:
        ``nearest_neighbour``, ``silhouette`` and ``class_distance``.
    """
    targets = subject.targets("test")
    each = max(1, _MOST // subject.num_classes)
    rows = torch.cat([(targets == k).nonzero()[:each, 0] for k in range(subject.num_classes)])
    return feature_quality(_Chosen(subject, rows[:_MOST]))


class _Chosen:
    """A subject whose test part has some examples alone."""

    def __init__(self, subject: Subject, rows: Tensor) -> None:
        self._subject, self._rows = subject, rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._subject, name)

    def targets(self, part: str) -> Tensor:
        return self._subject.targets(part)[self._rows]

    def features(self, part: str, rows: Tensor | None = None) -> Tensor:
        return self._subject.features(part, self._rows if rows is None else self._rows[rows])
