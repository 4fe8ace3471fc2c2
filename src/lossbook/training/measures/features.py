"""The features of examples, which the last layer is given, and how well they keep classes apart."""

import torch
from torch import Tensor

from lossbook.training.measures.subject import Subject

_MOST = 2000


def features(subject: Subject) -> dict[str, float | Tensor]:
    """The features of at most 2,000 test examples, evenly spaced, for pictures of them.

    Returns:
        ``features``, float32 ``[N, D]``; ``targets``, int64 ``[N]``.
    """
    part = _measured_part(subject)
    rows = _rows(subject.targets(part))
    return {"features": subject.features(part, rows), "targets": subject.targets(part)[rows]}


def feature_quality(subject: Subject) -> dict[str, float | Tensor]:
    r"""How well the features of test examples keep classes apart, and what the class means look like.

    At most 2,000 examples, evenly spaced; features are scaled to length 1.

    Returns:
        ``nearest_neighbour``: the share of examples whose nearest other example is of their class.
        ``silhouette``: mean over the examples of :math:`(b - a) / \max(a, b)`, with a the mean distance to
        the other examples of the class and b that to those of the nearest other class. ``class_distance``:
        Euclidean distances of the class means, ``[K, K]``, NaN for a class without an example.

    References:
        Rousseeuw, Silhouettes, 1987, as in scikit-learn.
    """
    from sklearn.metrics import silhouette_score  # slow to import

    part = _measured_part(subject)
    rows = _rows(subject.targets(part))
    targets = subject.targets(part)[rows]
    unit = torch.nn.functional.normalize(subject.features(part, rows).double(), dim=1)
    distance = torch.cdist(unit, unit).fill_diagonal_(float("inf"))
    nearest = targets[distance.argmin(1)]
    classes = max(subject.num_classes, int(targets.max()) + 1)
    sums = unit.new_zeros(classes, unit.shape[1]).index_add(0, targets, unit)
    means = sums / torch.bincount(targets, minlength=classes).unsqueeze(1)
    return {
        "nearest_neighbour": float((nearest == targets).double().mean()),
        "silhouette": float(silhouette_score(unit.cpu().numpy(), targets.cpu().numpy())),
        "class_distance": torch.cdist(means, means),
    }


def _measured_part(subject: Subject) -> str:
    return "test" if "test" in subject.parts() else "evaluation"


def _rows(targets: Tensor) -> Tensor:
    size = min(len(targets), _MOST)
    return torch.arange(size, device=targets.device) * len(targets) // size
