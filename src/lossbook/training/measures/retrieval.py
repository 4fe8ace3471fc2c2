"""Retrieval of examples of classes that were not trained on, by the distance of their features."""

from typing import Literal

import torch
from torch import Tensor

from lossbook.training.measures.subject import Subject

Distance = Literal["cosine", "euclidean"]
RANKS = (1, 5, 10, 20)
#: Identities of Market-1501 that are no person of interest: images that count for nothing.
JUNK = -1
_BLOCK = 256


def retrieval_cosine(subject: Subject) -> dict[str, float | Tensor]:
    """The measures of :func:`retrieval` of the run's own parts, by the angle between features."""
    return _of_parts(subject, "cosine")


def retrieval_euclidean(subject: Subject) -> dict[str, float | Tensor]:
    """The measures of :func:`retrieval` of the run's own parts, by the distance of features."""
    return _of_parts(subject, "euclidean")


def _of_parts(subject: Subject, distance: Distance) -> dict[str, float | Tensor]:
    if "query" in subject.parts():
        sides = [(subject.features(p), subject.targets(p), subject.groups(p)) for p in ("query", "gallery")]
        return retrieval(*sides[0], *sides[1], distance=distance)
    part = "evaluation"
    if part not in subject.parts():
        raise ValueError(
            "retrieval needs the parts query and gallery, or evaluation; there are: "
            + ", ".join(subject.parts())
        )
    every = subject.features(part), subject.targets(part), subject.groups(part)
    return retrieval(*every, *every, distance=distance, same=True)


def retrieval(
    query: Tensor,
    query_targets: Tensor,
    query_groups: Tensor | None,
    gallery: Tensor,
    gallery_targets: Tensor,
    gallery_groups: Tensor | None,
    *,
    distance: Distance = "cosine",
    same: bool = False,
) -> dict[str, float | Tensor]:
    r"""Rank every query's gallery by distance, and see where the examples of its class are.

    Gallery examples of the query's class from its own group (images of a person by the same camera) are left
    out, as are junk images; with ``same``, so is the query itself. A query without an example to find is left
    out of all means. Ties are ranked in the order of the gallery.

    Args:
        query: Features, ``[Q, D]``.
        query_targets: Classes, ``[Q]``.
        query_groups: Cameras, ``[Q]``; None where there are none.
        gallery: Features, ``[G, D]``.
        gallery_targets: Classes, ``[G]``; -1 is junk.
        gallery_groups: Cameras, ``[G]``; None where there are none.
        distance: By the angle between features, or by their Euclidean distance.
        same: Whether query and gallery are the same examples.

    Returns:
        ``rank_1`` and so on: the share of queries with an example of their class among the first. ``map``:
        the mean of average precision, :math:`\frac 1m \sum_j j / r_j` for the m examples at ranks
        :math:`r_j`.
        ``map_trapezoid``: with the precision between two of them as the mean of both ends,
        :math:`\frac 1m \sum_j \frac 12 \bigl(\frac j{r_j} + \frac{j - 1}{r_j - 1}\bigr)`, 1 for the second
        term where :math:`r_j = 1`. ``queries``: how many count.

    Raises:
        ValueError: No query has anything to find.

    References:
        dong2019, Table 2; Zheng et al., Scalable person re-identification: a benchmark, 2015, whose own code
        computes the second.
    """
    if distance == "cosine":
        query, gallery = (torch.nn.functional.normalize(side, dim=1) for side in (query, gallery))
    usual, trapezoid, first = [], [], []
    for rows in torch.arange(len(query), device=query.device).split(_BLOCK):
        right = query_targets[rows].unsqueeze(1) == gallery_targets
        out = (gallery_targets == JUNK).expand_as(right)
        if query_groups is not None and gallery_groups is not None:
            out = out | (right & (query_groups[rows].unsqueeze(1) == gallery_groups))
        if same:
            out = out | (rows.unsqueeze(1) == torch.arange(len(gallery), device=rows.device))
        if distance == "cosine":
            far = -(query[rows] @ gallery.T)
        else:
            far = torch.cdist(query[rows], gallery, compute_mode="donot_use_mm_for_euclid_dist")
        order = far.masked_fill(out, float("inf")).argsort(dim=1, stable=True)
        found = (right & ~out).gather(1, order)
        count = found.sum(1)
        kept = count > 0
        found, count = found[kept], count[kept]
        rank = torch.arange(1, found.shape[1] + 1, device=found.device, dtype=torch.float64)
        hits = found.cumsum(1).double()
        precision = hits / rank
        before = torch.where(rank > 1, (hits - 1) / (rank - 1).clamp(min=1), 1.0)
        usual.append((precision * found).sum(1) / count)
        trapezoid.append(((precision + before) / 2 * found).sum(1) / count)
        first.append(found.double().argmax(1))
    at = torch.cat(first)
    if not len(at):
        raise ValueError(
            "no query has an example of its class in the gallery, so there is nothing to retrieve"
        )
    return {
        **{f"rank_{k}": float((at < k).double().mean()) for k in RANKS},
        "map": float(torch.cat(usual).mean()),
        "map_trapezoid": float(torch.cat(trapezoid).mean()),
        "queries": float(len(at)),
    }
