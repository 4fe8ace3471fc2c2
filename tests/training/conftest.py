"""Tiny runs: a few random images that a network can learn, on one core in well under a second."""

import pytest
import torch

from lossbook.training import RunSpec
from lossbook.training.engine import Arrays


@pytest.fixture(scope="session")
def arrays():
    """42 training and 30 test images of 16x16, three classes told apart by where they are bright."""
    generator = torch.Generator().manual_seed(0)

    def images(count):
        labels = torch.randint(3, (count,), generator=generator)
        pixels = torch.randint(0, 128, (count, 16, 16, 1), generator=generator)
        for index, label in enumerate(labels.tolist()):
            pixels[index, 5 * label : 5 * label + 5] += 90
        return pixels.to(torch.uint8), labels

    return Arrays(*images(42), *images(30), num_classes=3)


@pytest.fixture
def spec():
    def make(**changes):
        settings = {
            "dataset": "digits",
            "model": "keras_mnist_cnn",
            "loss": "nllr",
            "optimizer": "keras_adadelta",
            "batch_size": 16,
            "epochs": 3,
        }
        return RunSpec(**(settings | changes))

    return make
