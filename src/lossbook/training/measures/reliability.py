"""How far predicted probabilities agree with frequencies."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from lossbook.training.measures.subject import Subject

BINS = 15


def ece(confidence: Tensor, right: Tensor, bins: int = BINS) -> float:
    r"""Expected calibration error, predictions binned by confidence in bins of equal width over (0, 1].

    .. math:: \sum_b \frac{n_b}{n} \bigl|\mathrm{accuracy}_b - \mathrm{confidence}_b\bigr|

    Args:
        confidence: Probability of the predicted class, shape ``[N]``.
        right: Whether the prediction is right, shape ``[N]``.
        bins: Number of bins; each holds its upper edge.
    """
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64).tolist()
    gap = 0.0
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            gap += abs(float((right[inside].double() - confidence[inside].double()).sum()))
    return gap / len(confidence)


def reliability_softmax(subject: Subject) -> dict[str, float | Tensor]:
    """The measures of :func:`reliability`, probabilities by the softmax."""
    logits = subject.logits("test")
    return reliability(logits.softmax(1), subject.targets("test"))


def reliability_sigmoid(subject: Subject) -> dict[str, float | Tensor]:
    r"""The measures of :func:`reliability`, probabilities by one sigmoid per class.

    With ``corrected_`` in front of each name, those of :math:`\sigma(z_k - \ln(K - 1))`. A loss that weighs
    the positives of a class as much as all its negatives, each of K - 1 classes alike, has its minimum at
    odds K - 1 times the true ones; the shift takes the factor back.
    """
    logits, labels = subject.logits("test"), subject.targets("test")
    found = reliability(logits.sigmoid(), labels)
    corrected = reliability((logits - math.log(subject.num_classes - 1)).sigmoid(), labels)
    return found | {f"corrected_{name}": value for name, value in corrected.items()}


def reliability(p: Tensor, labels: Tensor) -> dict[str, float | Tensor]:
    r"""How far predicted probabilities agree with frequencies, in 15 bins of equal width over [0, 1].

    Args:
        p: Probabilities, shape ``[N, K]``; rows need not sum to one.
        labels: Class indices, shape ``[N]``.

    Returns:
        For ``top``, the predicted class of each image, and ``pair``, all pairs of an image and a class, and
        every bin, ``[15]``: ``top_count``, how many there are; ``top_right``, for how many of them the
        class is right; ``top_probability``, the sum of their probabilities. ``ece``: expected calibration
        error of the predicted class, as in :func:`ece`. ``ece_mass``: the same in 15 bins of equal numbers of
        images. ``ece_class``: the mean over the classes of the calibration error of the class's probability
        over all images. ``brier``: mean over the images of
        :math:`\sum_k (p_k - [k = y])^2`.
    """
    size, classes = p.shape
    one_hot = torch.zeros_like(p).scatter(1, labels.unsqueeze(1), 1)
    confidence, predicted = p.max(1)
    right = predicted == labels
    order = confidence.argsort(stable=True)
    gaps = (confidence - right.to(p.dtype))[order].tensor_split(BINS)
    found: dict[str, float | Tensor] = {
        "ece": ece(confidence, right),
        "ece_mass": sum(abs(float(gap.sum())) for gap in gaps) / size,
        "ece_class": sum(ece(p[:, k], labels == k) for k in range(classes)) / classes,
        "brier": float((p - one_hot).square().sum(1).mean()),
    }
    for name, probability, hit in (("top", confidence, right), ("pair", p.flatten(), one_hot.flatten())):
        # The bins of ece(): each holds its upper edge.
        edges = torch.linspace(0, 1, BINS + 1, dtype=torch.float64, device=p.device)[1:-1]
        bins = torch.bucketize(probability, edges.to(p.dtype))
        ones = torch.ones_like(probability)
        for measured, each in (("count", ones), ("right", hit.to(p.dtype)), ("probability", probability)):
            found[f"{name}_{measured}"] = p.new_zeros(BINS).index_add(0, bins, each)
    return found
