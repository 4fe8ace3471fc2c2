"""What a network predicts of the test images, class by class."""

from collections.abc import Callable

import torch
from torch import Tensor

from lossbook.training.measures.reliability import ece
from lossbook.training.measures.subject import Subject


def softmax(subject: Subject) -> dict[str, float | Tensor]:
    """The measures of :func:`predictions`, probabilities by the softmax."""
    return predictions(subject, lambda logits: logits.softmax(1))


def sigmoid(subject: Subject) -> dict[str, float | Tensor]:
    """The measures of :func:`predictions`, probabilities by one sigmoid per class."""
    return predictions(subject, torch.sigmoid)


def predictions(subject: Subject, probabilities: Callable[[Tensor], Tensor]) -> dict[str, float | Tensor]:
    """What a network predicts of the test images.

    Args:
        subject: The network, and the test images.
        probabilities: From logits ``[N, K]`` to probabilities.

    Returns:
        ``count``: images of class i predicted as class j, ``[K, K]``. ``probability``: mean probability of
        class j over the images of class i, ``[K, K]``. ``hardest``: mean over the images of the highest
        probability among the wrong classes. ``rest``: mean probability of the other wrong classes. ``ece``:
        expected calibration error of the probability of the predicted class, in 15 bins of equal width, as in
        :func:`ece`.
    """
    logits = subject.logits("test")
    labels, classes = subject.targets("test"), subject.num_classes
    p = probabilities(logits)
    confidence, predicted = p.max(1)
    ones = torch.ones(len(labels), dtype=p.dtype, device=p.device)
    sizes = p.new_zeros(classes).index_add(0, labels, ones)
    counts = p.new_zeros(classes * classes).index_add(0, labels * classes + predicted, ones)
    means = p.new_zeros(classes, classes).index_add(0, labels, p) / sizes.unsqueeze(1)
    wrong = p.scatter(1, labels.unsqueeze(1), 0)
    hardest = wrong.amax(1)
    return {
        "count": counts.view(classes, classes),
        "probability": means,
        "hardest": float(hardest.mean()),
        "rest": float((wrong.sum(1) - hardest).mean() / max(1, classes - 2)),
        "ece": ece(confidence, predicted == labels),
    }
