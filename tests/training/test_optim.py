"""The optimisers against the update rules of Keras 2.2, written out in numpy."""

import numpy as np
import pytest
import torch

from lossbook.errors import UnknownNameError
from lossbook.training import optim
from lossbook.training.clock import Clock


class Adadelta:
    """Keras 2.2, keras/optimizers.py: rho 0.95, epsilon 1e-7."""

    def __init__(self, lr=1.0):
        self.lr, self.squares, self.updates = lr, 0.0, 0.0

    def step(self, value, gradient):
        self.squares = 0.95 * self.squares + 0.05 * gradient**2
        update = gradient * np.sqrt(self.updates + 1e-7) / np.sqrt(self.squares + 1e-7)
        self.updates = 0.95 * self.updates + 0.05 * update**2
        return value - self.lr * update


class RMSprop:
    """Keras 2.2, keras/optimizers.py: rho 0.9, epsilon 1e-7, a rate that falls with the updates made."""

    def __init__(self, lr=1e-3, decay=0.0):
        self.lr, self.decay, self.squares, self.iterations = lr, decay, 0.0, 0

    def step(self, value, gradient):
        lr = self.lr / (1.0 + self.decay * self.iterations)
        self.iterations += 1
        self.squares = 0.9 * self.squares + 0.1 * gradient**2
        return value - lr * gradient / (np.sqrt(self.squares) + 1e-7)


# Zero, tiny (where epsilon decides), moderate and large gradients, of changing sign.
GRADIENTS = np.random.default_rng(0).normal(size=(12, 5)) * np.array([0.0, 1e-8, 1e-3, 1.0, 1e3])


@pytest.mark.parametrize(
    ("name", "reference", "options"),
    [
        ("keras_adadelta", Adadelta, {}),
        ("keras_adadelta", Adadelta, {"lr": 0.3}),
        ("keras_rmsprop", RMSprop, {}),
        ("keras_rmsprop", RMSprop, {"lr": 1e-4, "decay": 1e-6}),
        ("keras_rmsprop", RMSprop, {"lr": 0.1, "decay": 0.5}),
    ],
)
def test_the_updates_are_those_of_keras(name, reference, options):
    parameter = torch.nn.Parameter(torch.linspace(-1, 1, 5, dtype=torch.float64))
    expected, rule = parameter.detach().numpy().copy(), reference(**options)
    optimizer, schedule = optim.get(name)([parameter], **options)
    for step, gradient in enumerate(GRADIENTS):
        if schedule is not None:
            for group in optimizer.param_groups:
                group["lr"] = schedule(Clock(step, 0, 12, 1))
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
        expected = rule.step(expected, gradient)
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-12, atol=1e-15)


def test_the_schedule_counts_the_steps_already_taken():
    _, schedule = optim.keras_rmsprop([torch.nn.Parameter(torch.zeros(1))], lr=0.2, decay=0.25)
    assert [schedule(Clock(step, 0, 5, 1)) for step in (0, 1, 4)] == pytest.approx([0.2, 0.16, 0.1])


def test_without_decay_there_is_no_schedule():
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    assert optim.keras_rmsprop(parameters)[1] is None
    assert optim.keras_adadelta(parameters)[1] is None


def test_an_unknown_optimiser():
    with pytest.raises(UnknownNameError, match="unknown optimizer 'rmsprop'; did you mean 'keras_rmsprop'"):
        optim.get("rmsprop")


class Momentum:
    """v <- m v + g, w <- w - lr v; with weight decay g + d w in place of g."""

    def __init__(self, lr=0.01, momentum=0.0, weight_decay=0.0, nesterov=False):
        self.lr, self.momentum, self.decay = lr, momentum, weight_decay
        self.nesterov, self.velocity = nesterov, 0.0

    def step(self, value, gradient):
        slope = gradient + self.decay * value
        self.velocity = self.momentum * self.velocity + slope
        return value - self.lr * (slope + self.momentum * self.velocity if self.nesterov else self.velocity)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lr": 0.01, "momentum": 0.5},
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-2},
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-2, "nesterov": True},
    ],
)
def test_sgd_takes_the_steps_it_says(options):
    parameter = torch.nn.Parameter(torch.linspace(-1, 1, 5, dtype=torch.float64))
    expected, rule = parameter.detach().numpy().copy(), Momentum(**options)
    optimizer, schedule = optim.get("sgd")([parameter], **options)
    assert schedule is None
    for gradient in GRADIENTS:
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
        expected = rule.step(expected, gradient)
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-12)


def test_a_loss_c_times_as_large_is_a_learning_rate_c_times_as_large():
    made = []
    for lr, scale in ((0.1, 1.0), (0.01, 10.0)):
        parameter = torch.nn.Parameter(torch.ones(5, dtype=torch.float64))
        optimizer, _ = optim.sgd([parameter], lr=lr, momentum=0.5)
        for gradient in GRADIENTS[:, :4].mean(1):
            parameter.grad = torch.full_like(parameter, scale * gradient)
            optimizer.step()
        made.append(parameter.detach())
    torch.testing.assert_close(*made, rtol=1e-12, atol=0)


def test_weight_decay_can_leave_vectors_alone():
    matrix, vector = (torch.nn.Parameter(torch.ones(shape)) for shape in ((2, 3), (3,)))
    optimizer, _ = optim.sgd([matrix, vector], lr=0.5, weight_decay=0.1, decay_vectors=False)
    for parameter in (matrix, vector):
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(matrix.detach(), torch.full((2, 3), 0.95))
    torch.testing.assert_close(vector.detach(), torch.ones(3))
