"""Both sides of li2020's balance of probabilities, class by class."""

import torch
from torch import Tensor

from lossbook.analysis.balance import Link, confusion_balance, mean_confusion
from lossbook.training.measures.subject import Subject


def balance_softmax(subject: Subject) -> dict[str, float | Tensor]:
    """The measures of :func:`balance_sides`, probabilities by the softmax."""
    return balance_sides(subject, "softmax")


def balance_sigmoid(subject: Subject) -> dict[str, float | Tensor]:
    """The measures of :func:`balance_sides`, probabilities by one sigmoid per class."""
    return balance_sides(subject, "logistic")


def balance_sides(subject: Subject, link: Link) -> dict[str, float | Tensor]:
    r"""Both sides of the balance for every class, on all training and all test images.

    .. math::
        1 - \bar p_{k \to k} \approx
        \frac{1}{\lambda_k N_k} \sum_{j \ne k} \lambda_j N_j \, \bar p_{j \to k}

    with :math:`N_k` the training images of class k, also where the probabilities are those of test images.

    Args:
        subject: The network, and images; every class must occur in both parts.
        link: How logits become probabilities.

    Returns:
        For ``train`` and ``test`` in front of each name, one value per class, ``[K]``: ``lacking``, the left
        side; ``received``, the right side for equal weights; ``received_inverse``, that for weights by
        inverse frequency, :math:`\lambda_k = 1/N_k`.

    References:
        li2020, Eq. 9, divided by :math:`\lambda_k N_k`.
    """
    counts = torch.bincount(subject.targets("train"), minlength=subject.num_classes).double()
    found: dict[str, float | Tensor] = {}
    for part in ("train", "test"):
        confusion = mean_confusion(subject.logits(part), subject.targets(part), link=link)
        for name, size in (("received", counts), ("received_inverse", torch.ones_like(counts))):
            sides = confusion_balance(confusion, size)
            found[f"{part}_lacking"] = sides.lacking / size
            found[f"{part}_{name}"] = sides.received / size
    return found
