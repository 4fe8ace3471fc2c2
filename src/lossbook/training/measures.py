"""What is measured of a network, by name: at the end of its training, or after every epoch."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from lossbook.analysis import Link, confusion_balance, mean_confusion
from lossbook.errors import UnknownNameError
from lossbook.training.engine import Arrays, to_float

Measure = Callable[[nn.Module, Arrays], dict[str, float]]

BINS = 15
#: T-shirt, pullover, coat and shirt of Fashion-MNIST: classes that are hard to tell apart.
SIMILAR = (0, 2, 4, 6)
_BATCH = 1000
_MODALITY_IMAGES = 3000


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


def reliability_softmax(model: nn.Module, arrays: Arrays) -> dict[str, float]:
    """The measures of :func:`reliability`, probabilities by the softmax."""
    logits = _logits(model, arrays.test_images)
    return reliability(logits.softmax(1), arrays.test_labels)


def reliability_sigmoid(model: nn.Module, arrays: Arrays) -> dict[str, float]:
    r"""The measures of :func:`reliability`, probabilities by one sigmoid a class.

    With ``corrected_`` in front of each name, those of :math:`\sigma(z_k - \ln(K - 1))`. A loss that weighs
    the positives of a class as much as all its negatives, each of K - 1 classes alike, has its minimum at
    odds K - 1 times the true ones; the shift takes the factor back.
    """
    logits, labels = _logits(model, arrays.test_images), arrays.test_labels
    found = reliability(logits.sigmoid(), labels)
    corrected = reliability((logits - math.log(arrays.num_classes - 1)).sigmoid(), labels)
    return found | {f"corrected_{name}": value for name, value in corrected.items()}


def reliability(p: Tensor, labels: Tensor) -> dict[str, float]:
    r"""How far predicted probabilities agree with frequencies, in 15 bins of equal width over [0, 1].

    Args:
        p: Probabilities, shape ``[N, K]``; rows need not sum to one.
        labels: Class indices, shape ``[N]``.

    Returns:
        For ``top``, the predicted class of each image, and ``pair``, all pairs of an image and a class, and
        every bin b from 0: ``top_count/b``, how many there are; ``top_right/b``, for how many of them the
        class is right; ``top_probability/b``, the sum of their probabilities. ``ece``: expected calibration
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
    found = {
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
            sums = p.new_zeros(BINS).index_add(0, bins, each)
            found |= {f"{name}_{measured}/{b}": float(value) for b, value in enumerate(sums)}
    return found


def modality_softmax(model: nn.Module, arrays: Arrays) -> dict[str, float]:
    """The measures of :func:`modality`, probabilities by the softmax."""
    return modality(model, arrays, lambda logits: logits.softmax(1))


def modality_sigmoid(model: nn.Module, arrays: Arrays) -> dict[str, float]:
    """The measures of :func:`modality`, probabilities by one sigmoid a class."""
    return modality(model, arrays, torch.sigmoid)


def modality(model: nn.Module, arrays: Arrays, probabilities: Callable[[Tensor], Tensor]) -> dict[str, float]:
    r"""How the hardest of the wrong classes differs from the others, on training and on test images.

    At most 3,000 images of each, evenly spaced. With :math:`\bar p_{j \to k}` the mean probability of class k
    over the images of class j:

    Args:
        model: The network; it is evaluated, not trained.
        arrays: The images and labels, of seven classes or more.
        probabilities: From logits ``[N, K]`` to probabilities.

    Returns:
        For ``train`` and ``test`` in front of each name: ``hardest`` and ``rest``, as in :func:`predictions`.
        ``hardest_class``: mean over the classes k of the highest :math:`\bar p_{j \to k}` among the other
        classes j; ``other_classes``: mean of the remaining ones. For j and k among :data:`SIMILAR`,
        ``probability/j/k``: :math:`\bar p_{j \to k}`; ``auc/j/k``, the area under the ROC curve: how often an
        image of class k has a higher probability of class k than an image of class j, ties by half. For
        ``other`` instead of j: the mean over the classes that are not similar; the area against all their
        images.

    Raises:
        ValueError: Too few classes.
    """
    if arrays.num_classes <= max(SIMILAR):
        raise ValueError(f"this measure needs {max(SIMILAR) + 1} classes or more; got {arrays.num_classes}")
    found: dict[str, float] = {}
    for part, images, labels in _parts(arrays):
        size = min(len(labels), _MODALITY_IMAGES)
        rows = torch.arange(size, device=labels.device) * len(labels) // size
        p = probabilities(_logits(model, images[rows]))
        values = _modality(p, labels[rows])
        found |= {f"{part}_{name}": value for name, value in values.items()}
    return found


def _modality(p: Tensor, labels: Tensor) -> dict[str, float]:
    classes = p.shape[1]
    wrong = p.scatter(1, labels.unsqueeze(1), 0)
    hardest = wrong.amax(1)
    of = [p[labels == j] for j in range(classes)]
    means = torch.stack([rows.mean(0) for rows in of])
    others = means.masked_fill(torch.eye(classes, dtype=torch.bool, device=p.device), 0)
    hardest_class = others.amax(0)
    found = {
        "hardest": float(hardest.mean()),
        "rest": float((wrong.sum(1) - hardest).mean() / (classes - 2)),
        "hardest_class": float(hardest_class.mean()),
        "other_classes": float((others.sum(0) - hardest_class).mean() / (classes - 2)),
    }
    unlike = [j for j in range(classes) if j not in SIMILAR]
    for k in SIMILAR:
        for j in SIMILAR:
            found[f"probability/{j}/{k}"] = float(means[j, k])
            if j != k:
                found[f"auc/{j}/{k}"] = auc(of[k][:, k], of[j][:, k])
        found[f"probability/other/{k}"] = float(means[unlike, k].mean())
        found[f"auc/other/{k}"] = auc(of[k][:, k], torch.cat([of[j][:, k] for j in unlike]))
    return found


def auc(positive: Tensor, negative: Tensor) -> float:
    """Area under the ROC curve: how often a positive's score exceeds a negative's, ties counted by half.

    Args:
        positive: Scores of the positives, shape ``[N]``.
        negative: Scores of the negatives, shape ``[M]``.
    """
    if not len(positive) or not len(negative):
        return float("nan")
    ordered = negative.sort().values
    positive = positive.contiguous()
    below = torch.searchsorted(ordered, positive) + torch.searchsorted(ordered, positive, right=True)
    return float(below.double().mean() / (2 * len(ordered)))


def balance_softmax(model: nn.Module, arrays: Arrays) -> dict[str, float]:
    """The measures of :func:`balance_sides`, probabilities by the softmax."""
    return balance_sides(model, arrays, "softmax")


def balance_sigmoid(model: nn.Module, arrays: Arrays) -> dict[str, float]:
    """The measures of :func:`balance_sides`, probabilities by one sigmoid a class."""
    return balance_sides(model, arrays, "logistic")


def balance_sides(model: nn.Module, arrays: Arrays, link: Link) -> dict[str, float]:
    r"""Both sides of the balance for every class, on all training and all test images.

    .. math::
        1 - \bar p_{k \to k} \approx
        \frac{1}{\lambda_k N_k} \sum_{j \ne k} \lambda_j N_j \, \bar p_{j \to k}

    with :math:`N_k` the training images of class k, also where the probabilities are those of test images.

    Args:
        model: The network; it is evaluated, not trained.
        arrays: The images and labels; every class must occur in both parts.
        link: How logits become probabilities.

    Returns:
        For ``train`` and ``test`` in front of each name and every class k: ``lacking/k``, the left side;
        ``received/k``, the right side for equal weights; ``received_inverse/k``, that for weights by inverse
        frequency, :math:`\lambda_k = 1/N_k`.

    References:
        li2020, Eq. 9, divided by :math:`\lambda_k N_k`.
    """
    counts = torch.bincount(arrays.train_labels, minlength=arrays.num_classes).double()
    found: dict[str, float] = {}
    for part, images, labels in _parts(arrays):
        confusion = mean_confusion(_logits(model, images), labels, link=link)
        for name, size in (("received", counts), ("received_inverse", torch.ones_like(counts))):
            sides = confusion_balance(confusion, size)
            for k in range(arrays.num_classes):
                found[f"{part}_lacking/{k}"] = float(sides.lacking[k] / size[k])
                found[f"{part}_{name}/{k}"] = float(sides.received[k] / size[k])
    return found


def _parts(arrays: Arrays) -> Iterator[tuple[str, Tensor, Tensor]]:
    yield "train", arrays.train_images, arrays.train_labels
    yield "test", arrays.test_images, arrays.test_labels


@torch.no_grad()
def _logits(model: nn.Module, images: Tensor) -> Tensor:
    model.eval()
    return torch.cat([model(to_float(batch)) for batch in images.split(_BATCH)]).double()


_MEASURES: dict[str, Measure] = {
    "balance_sigmoid": balance_sigmoid,
    "balance_softmax": balance_softmax,
    "modality_sigmoid": modality_sigmoid,
    "modality_softmax": modality_softmax,
    "reliability_sigmoid": reliability_sigmoid,
    "reliability_softmax": reliability_softmax,
    "sigmoid": sigmoid,
    "softmax": softmax,
}


def get(name: str) -> Measure:
    """The measure of that name.

    Raises:
        UnknownNameError: A name there is not; the message names the nearest.
    """
    if name not in _MEASURES:
        raise UnknownNameError("measure", name, sorted(_MEASURES))
    return _MEASURES[name]
