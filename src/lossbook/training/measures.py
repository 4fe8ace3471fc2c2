"""What is measured of a network once, at the end of its training, by name."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from lossbook.errors import UnknownNameError
from lossbook.training.engine import Arrays, to_float

Measure = Callable[[nn.Module, Arrays], dict[str, float]]

BINS = 15
_BATCH = 1000


def softmax(model: nn.Module, arrays: Arrays) -> dict[str, float]:
    """The measures of :func:`predictions`, probabilities by the softmax."""
    return predictions(model, arrays, lambda logits: logits.softmax(1))


def sigmoid(model: nn.Module, arrays: Arrays) -> dict[str, float]:
    """The measures of :func:`predictions`, probabilities by one sigmoid a class."""
    return predictions(model, arrays, torch.sigmoid)


def predictions(
    model: nn.Module, arrays: Arrays, probabilities: Callable[[Tensor], Tensor]
) -> dict[str, float]:
    """What a network predicts of the test images.

    Args:
        model: The network; it is evaluated, not trained.
        arrays: The test images and labels.
        probabilities: From logits ``[N, K]`` to probabilities.

    Returns:
        ``count/i/j``: images of class i predicted as class j. ``probability/i/j``: mean probability of class
        j over the images of class i. ``hardest``: mean over the images of the highest probability among the
        wrong classes. ``rest``: mean probability of the other wrong classes. ``ece``: expected calibration
        error of the probability of the predicted class, in 15 bins of equal width, as in :func:`ece`.
    """
    logits = _logits(model, arrays.test_images)
    labels, classes = arrays.test_labels, arrays.num_classes
    p = probabilities(logits)
    confidence, predicted = p.max(1)
    ones = torch.ones(len(labels), dtype=p.dtype, device=p.device)
    sizes = p.new_zeros(classes).index_add(0, labels, ones)
    counts = p.new_zeros(classes * classes).index_add(0, labels * classes + predicted, ones)
    means = p.new_zeros(classes, classes).index_add(0, labels, p) / sizes.unsqueeze(1)
    wrong = p.scatter(1, labels.unsqueeze(1), 0)
    hardest = wrong.amax(1)
    found = {
        "hardest": float(hardest.mean()),
        "rest": float((wrong.sum(1) - hardest).mean() / max(1, classes - 2)),
        "ece": ece(confidence, predicted == labels),
    }
    for i in range(classes):
        for j in range(classes):
            found[f"count/{i}/{j}"] = float(counts[i * classes + j])
            found[f"probability/{i}/{j}"] = float(means[i, j])
    return found


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


@torch.no_grad()
def _logits(model: nn.Module, images: Tensor) -> Tensor:
    model.eval()
    return torch.cat([model(to_float(batch)) for batch in images.split(_BATCH)]).double()


_MEASURES: dict[str, Measure] = {"sigmoid": sigmoid, "softmax": softmax}


def get(name: str) -> Measure:
    """The measure of that name.

    Raises:
        UnknownNameError: A name there is not; the message names the nearest.
    """
    if name not in _MEASURES:
        raise UnknownNameError("measure", name, sorted(_MEASURES))
    return _MEASURES[name]
