"""Retrieval by both distances, under names that tell them apart."""

from torch import Tensor

from lossbook.training.measures.retrieval import retrieval_cosine, retrieval_euclidean
from lossbook.training.measures.subject import Subject


def retrieval_both(subject: Subject) -> dict[str, float | Tensor]:
    """The measures of retrieval by angle, and those by Euclidean distance with ``euclidean_`` before them.

    :func:`~lossbook.training.measures.retrieval.retrieval` has the protocol.

    References:
        dong2019, Table 2, which names no distance.
    """
    by_distance = {f"euclidean_{name}": value for name, value in retrieval_euclidean(subject).items()}
    return retrieval_cosine(subject) | by_distance
