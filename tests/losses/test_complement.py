"""Complement objective training: the two passes over a batch, step by step."""

import copy

import pytest
import torch
from torch import nn

from lossbook.losses import ComplementEntropyLoss, ComplementStep, FocalLoss, complement_entropy_loss

F64 = torch.float64


def data(count=6, features=4, classes=5):
    generator = torch.Generator().manual_seed(1)
    input = torch.randn(count, features, dtype=F64, generator=generator)
    return input, torch.randint(classes, (count,), generator=generator)


def linear(features=4, classes=5):
    torch.manual_seed(2)
    return nn.Linear(features, classes, dtype=F64)


def sgd(model, lr=0.5, **options):
    return torch.optim.SGD(model.parameters(), lr=lr, **options)


def complement_gradient(logits, target):
    """Of the mean negative entropy of the competitors, in closed form: q (log q - sum q log q) / B."""
    q = logits.softmax(1).scatter(1, target[:, None], 0)
    q = q / q.sum(1, keepdim=True)
    log_q = q.clamp(min=1e-300).log()
    return q * (log_q - (q * log_q).sum(1, keepdim=True)) / len(target)


def ce_gradient(logits, target):
    return (logits.softmax(1) - nn.functional.one_hot(target, logits.shape[1])) / len(target)


@pytest.mark.parametrize(("scale", "factor"), [(None, 1 / 5), (1.0, 1.0), (0.25, 0.25), (0.0, 0.0)])
def test_two_steps_of_plain_descent_by_hand(scale, factor):
    """Of a linear model, whose gradient is that of the logits times the input."""
    input, target = data()
    model = linear()
    weight, bias = (p.detach().clone() for p in model.parameters())
    step = ComplementStep(model, nn.CrossEntropyLoss(), sgd(model, 0.5), sgd(model, 2.0), scale=scale)
    result = step(input, target)

    slope = ce_gradient(input @ weight.T + bias, target)
    weight -= 0.5 * slope.T @ input
    bias -= 0.5 * slope.sum(0)
    between = input @ weight.T + bias
    slope = factor * complement_gradient(between, target)
    weight -= 2.0 * slope.T @ input
    bias -= 2.0 * slope.sum(0)
    torch.testing.assert_close(model.weight.detach(), weight, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(model.bias.detach(), bias, rtol=1e-12, atol=1e-14)
    # The complement loss is that between the steps.
    torch.testing.assert_close(result.complement, factor * complement_entropy_loss(between, target))


def test_what_it_returns_is_of_the_first_pass_and_free_of_the_graph():
    input, target = data()
    model = linear()
    logits = model(input).detach()
    result = ComplementStep(model, nn.CrossEntropyLoss(), sgd(model), sgd(model))(input, target)
    primary, complement, first = result
    assert torch.equal(first, logits)
    torch.testing.assert_close(primary, nn.functional.cross_entropy(logits, target))
    assert complement.shape == primary.shape == ()
    assert not any(tensor.requires_grad for tensor in result)


def test_the_second_pass_makes_the_competitors_even():
    input, target = data()
    model = linear()
    step = ComplementStep(model, nn.CrossEntropyLoss(), sgd(model, 0.0), sgd(model, 1.0))
    losses = [step(input, target).complement.item() for _ in range(2000)]
    assert losses == sorted(losses, reverse=True)
    # The least there is: 5 classes, so 4 competitors alike, over K = 5.
    assert losses[-1] == pytest.approx(-torch.tensor(4.0).log().item() / 5, rel=0.02)


def test_momentum_and_decay_of_each_optimiser_are_its_own():
    input, target = data()
    model = linear()
    twin = copy.deepcopy(model)
    settings = {"momentum": 0.9, "weight_decay": 0.1}
    first, second = sgd(model, **settings), sgd(model, momentum=0.5)
    step = ComplementStep(model, nn.CrossEntropyLoss(), first, second)
    # Velocities by hand, for gradients found by autograd alone.
    velocity = {"first": None, "second": None}
    for _ in range(4):
        step(input, target)
        for name, momentum, decay in (("first", 0.9, 0.1), ("second", 0.5, 0.0)):
            logits = twin(input)
            if name == "first":
                loss = -logits.log_softmax(1).gather(1, target[:, None]).mean()
            else:
                loss = complement_entropy_loss(logits, target) / 5
            gradients = torch.autograd.grad(loss, list(twin.parameters()))
            with torch.no_grad():
                gradients = [g + decay * p for g, p in zip(gradients, twin.parameters(), strict=True)]
                old = velocity[name] or [torch.zeros_like(g) for g in gradients]
                velocity[name] = [momentum * v + g for v, g in zip(old, gradients, strict=True)]
                for p, v in zip(twin.parameters(), velocity[name], strict=True):
                    p -= 0.5 * v
    torch.testing.assert_close(model.weight, twin.weight, rtol=1e-11, atol=1e-13)


def test_the_scale_is_that_of_the_originals_code():
    """There, on probabilities: a sum over all entries, over the batch and the number of classes."""
    input, target = data()
    model = linear()
    p = model(input).softmax(1).detach()
    wrong = 1 - nn.functional.one_hot(target, 5).to(F64)
    q = p / (1 - p.gather(1, target[:, None]))
    expected = (q * q.log() * wrong).sum() / len(target) / 5
    step = ComplementStep(model, nn.CrossEntropyLoss(), sgd(model, 0.0), sgd(model))
    torch.testing.assert_close(step(input, target).complement, expected, rtol=1e-12, atol=0)


def test_of_two_classes_the_second_pass_changes_nothing():
    input, target = data(classes=2)
    model, twin = linear(classes=2), linear(classes=2)
    result = ComplementStep(model, nn.CrossEntropyLoss(), sgd(model), sgd(model))(input, target)
    optimizer = sgd(twin)
    nn.functional.cross_entropy(twin(input), target).backward()
    optimizer.step()
    assert torch.equal(model.weight, twin.weight)
    assert result.complement == 0


def test_losses_of_ones_own():
    input, target = data()
    target[:2] = -1
    model, twin = linear(), linear()
    step = ComplementStep(
        model,
        FocalLoss(ignore_index=-1),
        sgd(model),
        sgd(model),
        complement=ComplementEntropyLoss(ignore_index=-1),
    )
    step(input, target)
    other = ComplementStep(twin, FocalLoss(), sgd(twin), sgd(twin))
    other(input[2:], target[2:])
    torch.testing.assert_close(model.weight, twin.weight)


def test_segmentation_counts_classes_and_not_pixels():
    torch.manual_seed(0)
    model = nn.Conv2d(2, 3, 1, dtype=F64)
    input, target = torch.randn(2, 2, 4, 4, dtype=F64), torch.randint(3, (2, 4, 4))
    step = ComplementStep(model, nn.CrossEntropyLoss(), sgd(model, 0.0), sgd(model))
    expected = complement_entropy_loss(model(input), target).detach() / 3
    torch.testing.assert_close(step(input, target).complement, expected)


def test_batch_normalisation_sees_the_batch_twice_and_the_mode_stays():
    model = nn.Sequential(nn.BatchNorm1d(4, dtype=F64), linear())
    step = ComplementStep(model, nn.CrossEntropyLoss(), sgd(model), sgd(model))
    step(*data())
    assert model[0].num_batches_tracked == 2
    model.eval()
    step(*data())
    assert model[0].num_batches_tracked == 2
    assert not model.training


def test_both_updates_can_be_overridden():
    class Clipped(ComplementStep):
        def update(self, optimizer, loss):
            optimizer.zero_grad()
            loss.backward()
            norms.append(nn.utils.clip_grad_norm_(model.parameters(), 1e-3))
            optimizer.step()

    norms = []
    model = linear()
    before = copy.deepcopy(model)
    Clipped(model, nn.CrossEntropyLoss(), sgd(model, 1.0), sgd(model, 1.0))(*data())
    moved = [(a - b).square().sum() for a, b in zip(model.parameters(), before.parameters(), strict=True)]
    assert len(norms) == 2
    assert min(norms) > 1e-3
    assert sum(moved).sqrt() <= 2e-3


def test_one_optimiser_may_serve_both():
    input, target = data()
    model, twin = linear(), linear()
    optimizer = sgd(model)
    ComplementStep(model, nn.CrossEntropyLoss(), optimizer, optimizer)(input, target)
    ComplementStep(twin, nn.CrossEntropyLoss(), sgd(twin), sgd(twin))(input, target)
    assert torch.equal(model.weight, twin.weight)
