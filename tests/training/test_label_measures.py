"""Measures of ratings and of two classes, against scikit-learn and by hand."""

import pytest
import torch
from sklearn import metrics

from lossbook.training.measures import get


class Fixed:
    """A network whose predictions are known."""

    def __init__(self, labels, predicted, train, classes):
        self.num_classes = classes
        self._logits = torch.eye(classes, dtype=torch.float64)[predicted]
        self._targets = {"test": torch.tensor(labels), "train": torch.tensor(train)}

    def logits(self, part):
        assert part == "test"
        return self._logits

    def targets(self, part):
        return self._targets[part]


LABELS, PREDICTED = [0, 1, 2, 2, 4, 4, 4, 4], [0, 3, 2, 4, 4, 4, 0, 4]


def test_of_a_scale():
    found = get("scale")(Fixed(LABELS, PREDICTED, [4, 4, 2], 5))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(LABELS, PREDICTED))
    assert found["absolute_error"] == (2 + 2 + 4) / 8
    assert found["majority_share"] == 0.5
    assert found["majority_error"] == (4 + 3 + 2 + 2) / 8
    assert found["count"].tolist() == metrics.confusion_matrix(LABELS, PREDICTED, labels=range(5)).tolist()


def test_the_majority_is_that_of_the_training_part():
    assert get("scale")(Fixed(LABELS, PREDICTED, [2, 2, 4], 5))["majority_share"] == 0.25


def test_of_two_classes():
    labels, predicted = [0, 0, 0, 1, 1, 1, 1], [0, 1, 0, 1, 1, 0, 1]
    found = get("binary")(Fixed(labels, predicted, [1], 2))
    assert found["matthews"] == pytest.approx(metrics.matthews_corrcoef(labels, predicted))
    assert found["f1"] == pytest.approx(metrics.f1_score(labels, predicted))
    assert found["majority_share"] == pytest.approx(4 / 7)


def test_a_network_that_predicts_one_class_has_no_correlation():
    assert get("binary")(Fixed([0, 1], [0, 0], [1], 2))["matthews"] == 0
    assert get("binary")(Fixed([0, 0], [0, 0], [1], 2))["f1"] == 0


def test_two_classes_are_two():
    with pytest.raises(ValueError, match="2 classes; got 5"):
        get("binary")(Fixed(LABELS, PREDICTED, [4], 5))
