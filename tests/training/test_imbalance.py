"""Training sets with classes of unequal size, and weights by inverse frequency."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from lossbook import losses
from lossbook.training.imbalance import (
    WEIGHTINGS,
    ClassWeighted,
    class_rows,
    inverse_frequency,
    weighted_loss,
)


def sizes(labels, rows):
    return torch.bincount(labels[rows]).tolist()


def test_sizes_follow_the_shares():
    labels = torch.arange(3).repeat(100)
    assert sizes(labels, class_rows(labels, (1, 0.1, 0.5))) == [100, 10, 50]
    # 160 parts of 80: the largest class has 50.
    assert sizes(labels, class_rows(labels, (1, 0.1, 0.5), 80)) == [50, 5, 25]
    # 0.29 of 100 is 29, which the product in binary falls short of.
    assert sizes(labels, class_rows(labels, (1, 0.29, 1))) == [100, 29, 100]


def test_a_small_class_limits_the_others():
    labels = torch.tensor([0] * 100 + [1] * 3)
    assert sizes(labels, class_rows(labels, (1, 0.1))) == [30, 3]
    assert sizes(labels, class_rows(labels, (1, 1))) == [3, 3]
    # More than there are: as many as there are.
    assert sizes(labels, class_rows(labels, (1, 0.1), 1000)) == [30, 3]


def test_no_class_vanishes():
    labels = torch.arange(2).repeat(50)
    assert sizes(labels, class_rows(labels, (1, 0.001))) == [50, 1]


def test_rows_are_evenly_spaced_within_a_class():
    labels = torch.arange(2).repeat(10)
    assert class_rows(labels, (1, 0.5)).tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18]


@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=60).map(lambda rest: [0, 1, 2, 3, *rest]),
    shares=st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
    size=st.none() | st.integers(1, 100),
)
def test_rows_are_rows_each_once(labels, shares, size):
    labels = torch.tensor(labels)
    rows = class_rows(labels, (*shares, 1.0), size)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert int(rows[0]) >= 0
    assert int(rows[-1]) < len(labels)
    assert min(sizes(labels, rows)) >= 1
    if size is not None:
        assert len(rows) <= max(size, len(shares) + 1) + len(shares)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ((1, 1), "one share a class, 3 in all; got 2"),
        ((1, 1, 0), "must lie in"),
        ((1, 2, 1), "must lie in"),
        ((0.5, 0.5, 0.5), "that of the largest class 1"),
        ((1, 1, 1, 1), "no example of class 3"),
    ],
)
def test_shares_that_cannot_be(shares, message):
    with pytest.raises(ValueError, match=message):
        class_rows(torch.tensor([0, 1, 2]), shares)


def test_a_size_that_cannot_be():
    with pytest.raises(ValueError, match="size must be at least 1; got 0"):
        class_rows(torch.tensor([0, 1]), (1, 1), 0)


def test_inverse_frequencies():
    weight = inverse_frequency(torch.tensor([0, 0, 0, 0, 1, 2, 2]), 3)
    assert weight.tolist() == pytest.approx([7 / 12, 7 / 3, 7 / 6])
    with pytest.raises(ValueError, match="no example of class 2"):
        inverse_frequency(torch.tensor([0, 1, 3]), 4)


LABELS = torch.tensor([0, 0, 0, 0, 1, 2, 2])
WEIGHT = torch.tensor([7 / 12, 7 / 3, 7 / 6])


def logits():
    return torch.randn(7, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("name", "options"), [("ce", {}), ("lr", {})])
def test_an_example_counts_the_same_in_every_batch(name, options):
    loss = weighted_loss(losses.get(name, reduction="none", **options), WEIGHTINGS[0], LABELS, 3)
    z = logits()
    whole = loss(z, LABELS)
    each = losses.get(name, reduction="none", **options)(z, LABELS)
    assert float(whole) == pytest.approx(float((WEIGHT[LABELS] * each).sum() / 7))
    parts = [(2, slice(0, 2)), (5, slice(2, 7))]
    assert float(whole) == pytest.approx(sum(n * float(loss(z[rows], LABELS[rows])) for n, rows in parts) / 7)


def test_in_the_batch_it_is_pytorchs_weighted_mean():
    loss = weighted_loss(torch.nn.CrossEntropyLoss(reduction="none"), WEIGHTINGS[1], LABELS, 3)
    for rows in (slice(0, 7), slice(3, 6)):
        expected = F.cross_entropy(logits()[rows], LABELS[rows], weight=WEIGHT)
        assert float(loss(logits()[rows], LABELS[rows])) == pytest.approx(float(expected))
    # The two differ, or there would be nothing to compare.
    other = ClassWeighted(torch.nn.CrossEntropyLoss(reduction="none"), WEIGHT)
    assert float(other(logits()[3:6], LABELS[3:6])) != pytest.approx(float(expected), rel=0.05)


def test_in_double_precision_too():
    loss = weighted_loss(torch.nn.CrossEntropyLoss(reduction="none"), WEIGHTINGS[0], LABELS, 3)
    assert loss(logits().double(), LABELS).dtype == torch.float64
