"""The state of every example by epoch, and what is measured of escaping."""

import pytest
import torch
from torch import nn

from lossbook import losses
from lossbook.analysis import mean_hessian
from lossbook.training import measures
from lossbook.training.measures.curvature import estimate
from lossbook.training.measures.escaping import gradient_length, sharpness
from lossbook.training.measures.tracked import RIGHT, TRAIN, states


def test_states_by_hand():
    p = torch.tensor([[0.25, 0.75], [0.75, 0.25], [0.95, 0.05], [0.5, 0.5]], dtype=torch.float64)
    found = states(p.log(), torch.tensor([0, 0, 1, 0]))
    assert found.dtype == torch.uint8
    assert found.tolist() == [2, RIGHT + 7, 0, RIGHT + 5]
    certain = states(torch.tensor([[900.0, 0.0]]), torch.tensor([0]))
    assert certain.tolist() == [RIGHT + 9], "the last interval has its upper end"


class Small:
    """A linear classifier with its examples, as a measure is given it."""

    def __init__(self, loss, count=40):
        generator = torch.Generator().manual_seed(0)
        self.network = nn.Linear(3, 4).double()
        with torch.no_grad():
            for parameter in self.network.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
        self.loss, self.num_classes = loss, 4
        self.x = torch.randn(count, 3, generator=generator, dtype=torch.float64)
        self.y = torch.randint(4, (count,), generator=generator)

    def parts(self):
        return ("train", "test")

    def targets(self, part):
        return self.y

    def logits(self, part, rows=None):
        with torch.no_grad():
            return self.network(self.x if rows is None else self.x[rows])

    def batches(self, part, rows=None, size=1000):
        every = torch.arange(len(self.y)) if rows is None else rows
        for some in every.split(size):
            yield (self.x[some],), self.y[some]


def test_every_test_example_and_some_of_training():
    subject = Small(nn.CrossEntropyLoss(), count=TRAIN + 100)
    found = measures.get("tracked")(subject)
    assert len(found["test_tracked"]) == TRAIN + 100
    assert len(found["train_tracked"]) == TRAIN
    rows = torch.arange(TRAIN) * (TRAIN + 100) // TRAIN
    assert torch.equal(found["train_tracked"], found["test_tracked"][rows])


def hessian(subject):
    def model(w):
        return subject.x @ w[:12].reshape(4, 3).T + w[12:]

    flat = torch.cat([p.detach().flatten() for p in subject.network.parameters()])
    return mean_hessian(nn.CrossEntropyLoss(reduction="none"), model, flat, subject.y)


def test_the_sharpness_is_the_largest_eigenvalue():
    subject = Small(nn.CrossEntropyLoss())
    largest = float(torch.linalg.eigvalsh(hessian(subject)).abs().max())
    assert sharpness(subject, torch.arange(40), steps=60) == pytest.approx(largest, rel=1e-3)


def test_a_loss_times_c_is_the_same_at_equal_scale():
    plain, double = Small(nn.CrossEntropyLoss()), Small(losses.FocalLoss(gamma=0.0, alpha=2.0))
    first, second = (measures.get("escaping")(subject) for subject in (plain, double))
    assert first["scale"] == pytest.approx(1.0)
    assert second["scale"] == pytest.approx(2.0)
    assert second["own_trace"] == pytest.approx(8 * first["own_trace"])
    assert second["ce_trace"] == pytest.approx(first["ce_trace"]) == pytest.approx(first["own_trace"])
    assert second["sharpness"] == pytest.approx(first["sharpness"])
    assert first["own_trace"] == estimate(plain, examples=256, probes=8)["trace"]


def test_the_length_of_gradients_by_hand():
    subject = Small(losses.CEELLoss(alpha=1.0, beta=1.0))
    rows = torch.arange(40)
    p = subject.logits("train").softmax(1)
    target = nn.functional.one_hot(subject.y, 4)
    right = (p * target).sum(1, keepdim=True)
    expected = ((1 + right) * (p - target)).square().sum(1).mean().sqrt()
    assert gradient_length(subject, rows) == pytest.approx(float(expected))
