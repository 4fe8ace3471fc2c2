"""What is measured of a trained network, on logits that are known."""

import pytest
import torch
from torch import nn

from lossbook.errors import UnknownNameError
from lossbook.training import measures
from lossbook.training.engine import Arrays


class Given(nn.Module):
    """Gives the logits of the image whose first pixel is its number."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, images):
        assert not self.training
        return self.logits[(images[:, 0, 0, 0] * 255).round().long()]


def examined(logits, labels, name):
    images = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1)
    logits = torch.as_tensor(logits, dtype=torch.float64)
    labels = torch.as_tensor(labels)
    arrays = Arrays(images, labels, images, labels, logits.shape[1])
    return measures.get(name)(Given(logits), arrays)


# Rows of log p, so that the softmax gives p back.
P = [[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.25, 0.25, 0.5], [0.1, 0.8, 0.1]]
LABELS = [0, 0, 2, 1]


def test_softmax_probabilities_by_hand():
    found = examined(torch.tensor(P).log(), LABELS, "softmax")
    counts = {key: value for key, value in found.items() if key.startswith("count/") and value}
    assert counts == {"count/0/0": 1, "count/0/1": 1, "count/2/2": 1, "count/1/1": 1}
    assert found["probability/0/0"] == pytest.approx((0.7 + 0.3) / 2)
    assert found["probability/0/1"] == pytest.approx((0.2 + 0.6) / 2)
    assert found["probability/2/0"] == pytest.approx(0.25)
    # The hardest wrong class of each image, then the one other.
    assert found["hardest"] == pytest.approx((0.2 + 0.6 + 0.25 + 0.1) / 4)
    assert found["rest"] == pytest.approx((0.1 + 0.1 + 0.25 + 0.1) / 4)
    # Confidences .7, .6, .5 and .8 lie in four bins; the second is wrong.
    assert found["ece"] == pytest.approx((0.3 + 0.6 + 0.5 + 0.2) / 4)


def test_sigmoid_probabilities_need_not_sum_to_one():
    found = examined(
        torch.logit(torch.tensor([[0.9, 0.8], [0.3, 0.4]], dtype=torch.float64)), [0, 1], "sigmoid"
    )
    assert found["probability/0/1"] == pytest.approx(0.8)
    assert found["hardest"] == pytest.approx((0.8 + 0.3) / 2)
    assert found["rest"] == 0


def test_more_images_than_a_batch_of_the_evaluation():
    n = 256
    logits = torch.zeros(n, 2)
    logits[:, 1] = 1
    assert examined(logits, torch.zeros(n, dtype=torch.long), "softmax")["count/0/1"] == n


def test_calibration_within_a_bin_is_a_difference_of_means():
    # All four in the bin (14/15, 1]: three of four right, mean confidence 0.96.
    confidence = torch.tensor([0.95, 0.95, 0.97, 0.97])
    right = torch.tensor([True, True, True, False])
    assert measures.ece(confidence, right) == pytest.approx(0.96 - 0.75)
    # With one bin an over- and an under-confident half cancel, with two they do not.
    confidence, right = torch.tensor([0.4, 0.9]), torch.tensor([True, False])
    assert measures.ece(confidence, right, bins=1) == pytest.approx(abs(0.65 - 0.5))
    assert measures.ece(confidence, right, bins=2) == pytest.approx((0.6 + 0.9) / 2)


def test_the_edge_of_a_bin_belongs_to_it():
    # 1.0 is counted, and 0.5 lies in the lower of two bins.
    assert measures.ece(torch.tensor([1.0]), torch.tensor([False])) == 1
    both = measures.ece(torch.tensor([0.5, 0.3]), torch.tensor([True, False]), bins=2)
    assert both == pytest.approx(abs(1 - 0.8) / 2)


def test_unknown_measure():
    with pytest.raises(UnknownNameError, match="did you mean 'softmax'"):
        measures.get("sofmax")
