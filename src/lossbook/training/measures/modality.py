"""How the hardest of the wrong classes differs from the others, by epoch or at the end."""

from collections.abc import Callable

import torch
from torch import Tensor

from lossbook.training.measures.subject import Subject

#: T-shirt, pullover, coat and shirt of Fashion-MNIST: classes that are hard to tell apart.
SIMILAR = (0, 2, 4, 6)
_MOST = 3000


def modality_softmax(subject: Subject) -> dict[str, float | Tensor]:
    """The measures of :func:`modality`, probabilities by the softmax."""
    return modality(subject, lambda logits: logits.softmax(1))


def modality_sigmoid(subject: Subject) -> dict[str, float | Tensor]:
    """The measures of :func:`modality`, probabilities by one sigmoid per class."""
    return modality(subject, torch.sigmoid)


def modality(subject: Subject, probabilities: Callable[[Tensor], Tensor]) -> dict[str, float | Tensor]:
    r"""How the hardest of the wrong classes differs from the others, on training and on test images.

    At most 3,000 images of each, evenly spaced. With :math:`\bar p_{j \to k}` the mean probability of class k
    over the images of class j:

    Args:
        subject: The network, and images of seven classes or more.
        probabilities: From logits ``[N, K]`` to probabilities.

    Returns:
        For ``train`` and ``test`` in front of each name: ``hardest`` and ``rest``, as in :func:`predictions`.
        ``hardest_class``: mean over the classes k of the highest :math:`\bar p_{j \to k}` among the other
        classes j; ``other_classes``: mean of the remaining ones. For rows j and columns k of
        :data:`SIMILAR`, ``[K + 1, K]``, NaN elsewhere: ``probability``, :math:`\bar p_{j \to k}`; ``auc``,
        the area under the ROC curve: how often an image of class k has a higher probability of class k than
        an image of class j, ties by half. Row K: the mean over the classes that are not similar; the area
        against all their images.

    Raises:
        ValueError: Too few classes.
    """
    if subject.num_classes <= max(SIMILAR):
        raise ValueError(f"this measure needs {max(SIMILAR) + 1} classes or more; got {subject.num_classes}")
    found: dict[str, float | Tensor] = {}
    for part in ("train", "test"):
        labels = subject.targets(part)
        size = min(len(labels), _MOST)
        rows = torch.arange(size, device=labels.device) * len(labels) // size
        p = probabilities(subject.logits(part, rows))
        values = _modality(p, labels[rows])
        found |= {f"{part}_{name}": value for name, value in values.items()}
    return found


def _modality(p: Tensor, labels: Tensor) -> dict[str, float | Tensor]:
    classes = p.shape[1]
    wrong = p.scatter(1, labels.unsqueeze(1), 0)
    hardest = wrong.amax(1)
    of = [p[labels == j] for j in range(classes)]
    means = torch.stack([rows.mean(0) for rows in of])
    others = means.masked_fill(torch.eye(classes, dtype=torch.bool, device=p.device), 0)
    hardest_class = others.amax(0)
    unlike = [j for j in range(classes) if j not in SIMILAR]
    probability, area = p.new_full((2, classes + 1, classes), float("nan"))
    for k in SIMILAR:
        for j in SIMILAR:
            probability[j, k] = means[j, k]
            if j != k:
                area[j, k] = auc(of[k][:, k], of[j][:, k])
        probability[classes, k] = means[unlike, k].mean()
        area[classes, k] = auc(of[k][:, k], torch.cat([of[j][:, k] for j in unlike]))
    return {
        "hardest": float(hardest.mean()),
        "rest": float((wrong.sum(1) - hardest).mean() / (classes - 2)),
        "hardest_class": float(hardest_class.mean()),
        "other_classes": float((others.sum(0) - hardest_class).mean() / (classes - 2)),
        "probability": probability,
        "auc": area,
    }


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
