"""What is measured of a trained network, on logits that are known."""

import math

import pytest
import torch
from torch import nn

from lossbook import losses
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


# None on the edge of a bin, whose rounding would decide.
CLEAR = [[0.7, 0.21, 0.09], [0.3, 0.61, 0.09], [0.25, 0.25, 0.5], [0.1, 0.81, 0.09]]


def test_reliability_by_hand():
    found = measures.reliability(torch.tensor(CLEAR, dtype=torch.float64), torch.tensor(LABELS))
    # Bins of width 1/15: .7 lies in the eleventh.
    top = {b: found[f"top_count/{b}"] for b in range(15) if found[f"top_count/{b}"]}
    assert top == {10: 1, 9: 1, 7: 1, 12: 1}
    assert [found[f"top_right/{b}"] for b in (10, 9, 7, 12)] == [1, 0, 1, 1]
    assert found["top_probability/10"] == pytest.approx(0.7)
    # Every pair is counted once, and every image has one right class.
    assert sum(found[f"pair_count/{b}"] for b in range(15)) == 12
    assert sum(found[f"pair_right/{b}"] for b in range(15)) == 4
    assert sum(found[f"pair_probability/{b}"] for b in range(15)) == pytest.approx(4)
    # Of the wrong class: three of 0.09 and the 0.1.
    assert found["pair_count/1"] == 4
    assert found["pair_right/1"] == 0
    assert found["ece"] == pytest.approx((0.3 + 0.61 + 0.5 + 0.19) / 4)
    # Four images in 15 bins of equal numbers: each alone in one.
    assert found["ece_mass"] == pytest.approx((0.3 + 0.61 + 0.5 + 0.19) / 4)
    # Class by class; the three 0.09 of the last class share a bin.
    by_class = [0.3 + 0.7 + 0.25 + 0.1, 0.21 + 0.61 + 0.25 + 0.19, 0.27 + 0.5]
    assert found["ece_class"] == pytest.approx(sum(by_class) / 3 / 4)
    squares = [
        0.3**2 + 0.21**2 + 0.09**2,
        0.7**2 + 0.61**2 + 0.09**2,
        2 * 0.25**2 + 0.5**2,
        0.1**2 + 0.19**2 + 0.09**2,
    ]
    assert found["brier"] == pytest.approx(sum(squares) / 4)


def test_bins_of_equal_numbers_keep_ties_in_order_and_cancel_within():
    # 30 images, two a bin: one right and one wrong at 0.5 cancel; none would with bins of one.
    p = torch.tensor([[0.5 + 1e-9, 0.5]], dtype=torch.float64).repeat(30, 1)
    labels = torch.tensor([0, 1] * 15)
    assert measures.reliability(p, labels)["ece_mass"] == pytest.approx(0, abs=1e-6)


def test_the_correction_takes_odds_of_nine_back():
    true = torch.rand(500, 10, generator=torch.Generator().manual_seed(0)).double()
    odds = 9 * true / (1 - true)
    found = examined(odds[:200].log(), [0] * 200, "reliability_sigmoid")
    again = measures.reliability(true[:200], torch.zeros(200, dtype=torch.long))
    for name, value in again.items():
        assert found[f"corrected_{name}"] == pytest.approx(value, abs=1e-9), name
    assert found["brier"] > again["brier"]


def test_reliability_of_a_softmax():
    p = torch.tensor(CLEAR, dtype=torch.float64)
    found = examined(p.log(), LABELS, "reliability_softmax")
    expected = measures.reliability(p, torch.tensor(LABELS))
    assert found == pytest.approx(expected, abs=1e-6)


def test_unknown_measure():
    with pytest.raises(UnknownNameError, match="did you mean 'softmax'"):
        measures.get("sofmax")


# --- after every epoch --------------------------------------------------------------------------------------


def trained_and_tested(logits, labels, test_logits, test_labels, name):
    """Training images first, then test images; the network knows them by their number."""
    every = torch.cat([torch.as_tensor(logits), torch.as_tensor(test_logits)]).double()
    number = torch.arange(len(every), dtype=torch.uint8).view(-1, 1, 1, 1)
    n = len(labels)
    arrays = Arrays(
        number[:n], torch.as_tensor(labels), number[n:], torch.as_tensor(test_labels), every.shape[1]
    )
    return measures.get(name)(Given(every), arrays)


def test_the_balance_by_hand():
    # Three images of class 0, one of class 1.
    p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]])
    found = trained_and_tested(p.log(), [0, 0, 0, 1], p[:1].log().repeat(2, 1), [0, 1], "balance_softmax")
    assert found["train_lacking/0"] == pytest.approx((0.1 + 0.2 + 0.3) / 3)
    assert found["train_received/0"] == pytest.approx(0.4 / 3)
    assert found["train_received_inverse/0"] == pytest.approx(0.4)
    assert found["train_lacking/1"] == pytest.approx(0.4)
    assert found["train_received/1"] == pytest.approx(0.6)
    assert found["train_received_inverse/1"] == pytest.approx(0.2)
    # Test probabilities, one image a class, weighed by the training images: three to one.
    assert found["test_lacking/1"] == pytest.approx(0.9)
    assert found["test_received/1"] == pytest.approx(3 * 0.1)
    assert found["test_received_inverse/1"] == pytest.approx(0.1)


def test_the_balance_of_sigmoids_takes_each_class_alone():
    p = torch.tensor([[0.9, 0.8], [0.3, 0.4]], dtype=torch.float64)
    found = trained_and_tested(torch.logit(p), [0, 1], torch.logit(p), [0, 1], "balance_sigmoid")
    assert found["train_lacking/0"] == pytest.approx(0.1)
    assert found["train_received/0"] == pytest.approx(0.3)
    assert found["test_lacking/1"] == pytest.approx(0.6)
    assert found["test_received/1"] == pytest.approx(0.8)


@pytest.mark.parametrize(("name", "loss"), [("softmax", "ce"), ("sigmoid", "lr")])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_sides_differ_by_the_gradient_of_the_biases(name, loss, weighted):
    """The derivative of the summed loss by a bias is minus the residual, times the weight of the class."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2])
    z = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    counts = torch.bincount(labels).double()
    weight = 1 / counts if weighted else torch.ones(3, dtype=torch.float64)
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    each = losses.get(loss, reduction="none")(z + bias, labels)
    (slope,) = torch.autograd.grad((weight[labels] * each).sum(), bias)
    found = trained_and_tested(z, labels, z, labels, f"balance_{name}")
    side = "received_inverse" if weighted else "received"
    for k in range(3):
        residual = found[f"train_lacking/{k}"] - found[f"train_{side}/{k}"]
        assert residual * float(weight[k] * counts[k]) == pytest.approx(-float(slope[k]), abs=1e-12)


def one_image_a_class(p, name="modality_sigmoid"):
    z = torch.logit(torch.as_tensor(p, dtype=torch.float64))
    labels = list(range(len(p)))
    return trained_and_tested(z, labels, z, labels, name)


def test_the_hardest_class_and_the_others_by_hand():
    p = torch.full((8, 8), 0.1)
    p.fill_diagonal_(0.9)
    p[2, 6], p[4, 6] = 0.5, 0.3  # a pullover, a coat as a shirt
    p[1, 6] = 0.2
    found = one_image_a_class(p)
    assert found["test_probability/2/6"] == pytest.approx(0.5)
    assert found["test_probability/6/6"] == pytest.approx(0.9)
    assert found["test_probability/0/6"] == pytest.approx(0.1)
    # 1, 3, 5 and 7 are not similar.
    assert found["test_probability/other/6"] == pytest.approx((0.2 + 3 * 0.1) / 4)
    # By image: rows 1, 2 and 4 hold a higher wrong probability than 0.1.
    assert found["test_hardest"] == pytest.approx((0.2 + 0.5 + 0.3 + 5 * 0.1) / 8)
    assert found["test_rest"] == pytest.approx(0.1)
    # By class: for class 6 the hardest is 0.5, the others 0.3, 0.2 and four times 0.1.
    assert found["test_hardest_class"] == pytest.approx((0.5 + 7 * 0.1) / 8)
    assert found["test_other_classes"] == pytest.approx((0.9 + 7 * 6 * 0.1) / 8 / 6)
    assert {name.partition("_")[0] for name in found} == {"train", "test"}
    assert found["train_hardest"] == found["test_hardest"]


def test_the_area_counts_pairs():
    assert measures.auc(torch.tensor([3.0, 1.0]), torch.tensor([2.0, 0.0])) == pytest.approx(3 / 4)
    assert measures.auc(torch.tensor([1.0]), torch.tensor([1.0, 1.0])) == pytest.approx(1 / 2)
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randint(0, 9, (n,), generator=generator).double() for n in (40, 30))
    pairs = (a[:, None] > b).double() + 0.5 * (a[:, None] == b).double()
    assert measures.auc(a, b) == pytest.approx(float(pairs.mean()))
    assert math.isnan(measures.auc(torch.tensor([]), b))


def test_the_area_is_that_of_the_class_against_the_others_images():
    p = torch.full((16, 8), 0.1)
    p[6, 6], p[14, 6] = 0.4, 0.8  # two shirts
    p[2, 6], p[10, 6] = 0.5, 0.2  # two pullovers
    z, labels = torch.logit(p.double()), [*range(8), *range(8)]
    found = trained_and_tested(z, labels, z, labels, "modality_sigmoid")
    assert found["test_auc/2/6"] == pytest.approx(3 / 4)
    assert found["test_auc/0/6"] == 1
    assert found["test_auc/other/6"] == 1
    assert found["test_auc/6/2"] == pytest.approx(1 / 2)


def test_too_few_classes_for_similar_ones():
    with pytest.raises(ValueError, match="needs 7 classes or more; got 2"):
        one_image_a_class(torch.full((2, 2), 0.5))
