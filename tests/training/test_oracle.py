"""The engine beside a plain loop, which a reader takes in at a glance: the same numbers to the bit."""

import hashlib

import pytest
import torch
from torch import nn

from lossbook import losses, models
from lossbook.training import plan_run, train
from lossbook.training.tokens import Vocabulary


def seeded(seed, stream, epoch):
    digest = hashlib.sha256(f"{seed}/{stream}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def prepared(data, part, vocabulary):
    """All inputs of a part, as a function from rows to what the network is called with."""
    inputs = data.parts[part].inputs
    if data.kind == "images":
        return lambda rows: (inputs[rows].permute(0, 3, 1, 2).float() / 255,)
    if data.kind == "features":
        return lambda rows: (inputs[rows],)

    def padded(rows):
        encoded = [vocabulary.encode(inputs[row], 128) for row in rows.tolist()]
        longest = max(map(len, encoded))
        tokens = torch.tensor([numbers + [0] * (longest - len(numbers)) for numbers in encoded])
        return tokens, tokens != 0

    return padded


def plain_loop(spec, data, shape, loss):
    """SGD with momentum, and the loss and accuracy of training and test after every epoch."""
    torch.manual_seed(seeded(spec.seed, "weights", 0))
    network = models.build(spec.model, shape, data.num_classes)
    if data.kind == "images":
        network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), **spec.optimizer_options)
    vocabulary = Vocabulary(data.parts["train"].inputs) if data.kind == "texts" else None
    # Data for retrieval have no test part.
    parts = [part for part in ("train", "test") if part in data.parts]
    given = {part: prepared(data, part, vocabulary) for part in parts}
    targets = data.parts["train"].targets
    curves = {f"{part}_loss": [] for part in parts}
    for epoch in range(spec.epochs):
        order = torch.randperm(
            len(targets), generator=torch.Generator().manual_seed(seeded(spec.seed, "order", epoch))
        )
        torch.manual_seed(seeded(spec.seed, "dropout", epoch))
        network.train()
        total = 0.0
        for rows in order.split(spec.batch_size):
            value = loss(network(*given["train"](rows)), targets[rows])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            total += value.detach().double() * len(rows)
        curves["train_loss"].append(float(total) / len(targets))
        network.eval()
        if "test" in parts:
            test = data.parts["test"].targets
            with torch.no_grad():
                value = loss(network(*given["test"](torch.arange(len(test)))).double(), test)
            curves["test_loss"].append(float(value))
    return curves, network


@pytest.mark.parametrize(
    ("fixture", "model", "loss", "own"),
    [
        ("data", "keras_mnist_cnn", "ce", nn.CrossEntropyLoss()),
        ("data", "keras_mnist_cnn", "ss_lr", losses.SSLRLoss()),
        ("feature_data", "mlp", "lr", losses.LRLoss()),
        ("class_feature_data", "mlp", "ce", nn.CrossEntropyLoss()),
        ("retrieval_data", "keras_mnist_cnn", "ce", nn.CrossEntropyLoss()),
        ("text_data", "mean_embedding", "el", losses.ExpectationLoss()),
    ],
)
def test_the_engine_is_the_plain_loop(spec, request, fixture, model, loss, own):
    data = request.getfixturevalue(fixture)
    options = {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-4}
    run = spec(model=model, loss=loss, optimizer="sgd", optimizer_options=options, epochs=3)
    plan = plan_run(run)
    found = train(plan, data)
    curves, network = plain_loop(run, data, plan.task(data).in_shape, own)
    assert {name: found.curves[name] for name in curves} == curves
    weights = found.trained.network.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in network.state_dict().items())
    assert len(set(curves["train_loss"])) == 3
