"""Other measures of a classifier than its accuracy: by class, by distance on a scale, and of two classes."""

import math

import torch
from torch import Tensor

from lossbook.training.measures.subject import Subject


def scale(subject: Subject) -> dict[str, float | Tensor]:
    r"""What a network predicts of test examples whose classes are the steps of a scale, such as ratings.

    Returns:
        ``count``: examples of class i predicted as class j, ``[K, K]``. ``balanced_accuracy``: mean over the
        classes of the share that is predicted right. ``absolute_error``: mean of :math:`|\hat y - y|`, in
        steps. ``majority_share``: the accuracy of always predicting the most frequent class of the training
        part. ``majority_error``: the mean absolute error of that.
    """
    count = confusion(subject)
    classes = torch.arange(len(count), dtype=count.dtype, device=count.device)
    sizes, total = count.sum(1), count.sum()
    steps = (classes.unsqueeze(1) - classes).abs()
    majority = int(torch.bincount(subject.targets("train"), minlength=len(count)).argmax())
    return {
        "count": count,
        "balanced_accuracy": float((count.diag() / sizes)[sizes > 0].mean()),
        "absolute_error": float((count * steps).sum() / total),
        "majority_share": float(sizes[majority] / total),
        "majority_error": float((sizes * steps[majority]).sum() / total),
    }


def binary(subject: Subject) -> dict[str, float | Tensor]:
    r"""The measures that GLUE has besides accuracy, of test examples of two classes, 1 the positive.

    Returns:
        ``count``: examples of class i predicted as class j, ``[2, 2]``. ``matthews``: Matthews' correlation
        coefficient, 0 where one class alone is predicted. ``f1``: harmonic mean of precision and recall, 0
        where neither is defined. ``majority_share``: the accuracy of always predicting the most frequent
        class of the training part.

    Raises:
        ValueError: More than two classes.
    """
    count = confusion(subject)
    if len(count) != 2:
        raise ValueError(f"F1 and Matthews' correlation are for 2 classes; got {len(count)}")
    (tn, fp), (fn, tp) = count.tolist()
    margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    majority = int(torch.bincount(subject.targets("train"), minlength=2).argmax())
    return {
        "count": count,
        "matthews": (tp * tn - fp * fn) / math.sqrt(margins) if margins else 0.0,
        "f1": 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0,
        "majority_share": float(count.sum(1)[majority] / count.sum()),
    }


def confusion(subject: Subject) -> Tensor:
    """Test examples of class i predicted as class j, float64 ``[K, K]``."""
    predicted, labels = subject.logits("test").argmax(1), subject.targets("test")
    classes = subject.num_classes
    pairs = torch.bincount(labels * classes + predicted, minlength=classes * classes)
    return pairs.view(classes, classes).double()
