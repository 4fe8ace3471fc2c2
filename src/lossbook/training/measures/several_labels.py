"""How good predictions of several labels per example are."""

import torch
from torch import Tensor

from lossbook.training.measures.subject import Subject

BEST = 5


def several_labels(subject: Subject) -> dict[str, float | Tensor]:
    """The measures of :func:`ranked_labels` on the test part."""
    return ranked_labels(subject.logits("test"), subject.targets("test"))


def ranked_labels(scores: Tensor, labels: Tensor) -> dict[str, float | Tensor]:
    r"""Average precision and balanced accuracy, by class and by example.

    Average precision is :math:`\frac 1m \sum_j j / r_j` for the m true labels at ranks :math:`r_j`, as in
    scikit-learn. For balanced accuracy the five classes of highest score are predicted of each example; it is
    the mean of the shares of true labels that are predicted and of false ones that are not.

    Args:
        scores: Logits, ``[N, K]``, K at least 5.
        labels: ``bool [N, K]``.

    Returns:
        ``map_class``: mean over the classes that occur, each over all examples. ``map_example``: mean over
        the examples that have a label, each over all classes. ``balanced_class`` and ``balanced_example``:
        balanced accuracy, likewise; a class all of whose examples have it, or an example with all labels, is
        left out. ``f1_example``: mean over the examples of :math:`2 t / (5 + m)`, t of m true labels
        predicted.

    Raises:
        ValueError: Fewer than five classes, or no true label at all.

    References:
        dong2019, Table 3, which evaluates "per-image and per-class model performances of top-5 class
        predictions" and gives no formula.
    """
    from sklearn.metrics import average_precision_score  # slow to import

    if labels.shape != scores.shape or scores.shape[1] < BEST:
        raise ValueError(
            f"scores and labels must both be [N, K] with K at least {BEST}; got {list(scores.shape)} and "
            f"{list(labels.shape)}"
        )
    if not bool(labels.any()):
        raise ValueError("no example has a label, so there is nothing to rank")
    values, truth = scores.cpu().double().numpy(), labels.cpu().numpy()
    occurs, labelled = truth.any(0), truth.any(1)
    top = torch.zeros_like(labels).scatter(1, scores.topk(BEST, 1).indices, True)
    right = (top & labels).sum(1).double()
    return {
        "map_class": float(average_precision_score(truth[:, occurs], values[:, occurs], average="macro")),
        "map_example": float(average_precision_score(truth[labelled], values[labelled], average="samples")),
        "balanced_class": _balanced(top, labels, 0),
        "balanced_example": _balanced(top, labels, 1),
        "f1_example": float((2 * right / (BEST + labels.sum(1)))[labels.any(1)].mean()),
    }


def _balanced(predicted: Tensor, labels: Tensor, axis: int) -> float:
    true, false = labels.sum(axis), (~labels).sum(axis)
    kept = (true > 0) & (false > 0)
    hit = (predicted & labels).sum(axis)[kept] / true[kept]
    passed = (~predicted & ~labels).sum(axis)[kept] / false[kept]
    return float(((hit.double() + passed.double()) / 2).mean())
