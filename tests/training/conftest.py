"""Tiny runs: a few random images that a network can learn, on one core in well under a second."""

from dataclasses import replace

import pytest
import torch

from lossbook.datasets import Dataset, Part
from lossbook.training import RunSpec


@pytest.fixture(scope="session")
def data():
    """42 training and 30 test images of 16x16, three classes told apart by where they are bright."""
    generator = torch.Generator().manual_seed(0)

    def images(count):
        labels = torch.randint(3, (count,), generator=generator)
        pixels = torch.randint(0, 128, (count, 16, 16, 1), generator=generator)
        for index, label in enumerate(labels.tolist()):
            pixels[index, 5 * label : 5 * label + 5] += 90
        return Part(pixels.to(torch.uint8), labels)

    return Dataset(
        "toy", "images", {"train": images(42), "test": images(30)}, 3, ("top", "middle", "low"), ""
    )


@pytest.fixture(scope="session")
def retrieval_data(data):
    """The training images; the test images, by two cameras, are to be found among each other."""
    test = data.parts["test"]
    cameras = torch.arange(len(test.targets)) % 2
    return replace(data, parts={"train": data.parts["train"], "evaluation": replace(test, groups=cameras)})


@pytest.fixture(scope="session")
def class_feature_data(feature_data):
    """The same rows with one class each: how many of the first three labels they have, two at the most."""
    parts = {
        name: Part(part.inputs, part.targets[:, :3].sum(1).clamp(max=2))
        for name, part in feature_data.parts.items()
    }
    return replace(feature_data, parts=parts, num_classes=3, class_names=tuple("abc"))


@pytest.fixture(scope="session")
def feature_data():
    """60 training and 30 test rows of 12 numbers with several of six labels each."""
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(12, 6, generator=generator)

    def rows(count):
        inputs = torch.randn(count, 12, generator=generator)
        return Part(inputs, inputs @ mixing > 2)

    return Dataset("toy", "features", {"train": rows(60), "test": rows(30)}, 6, tuple("abcdef"), "")


@pytest.fixture(scope="session")
def text_data():
    """40 training and 20 test texts of two classes, of different length."""
    generator = torch.Generator().manual_seed(2)
    words = (("good", "great", "fine"), ("bad", "poor", "dull"))

    def texts(count):
        labels = torch.randint(2, (count,), generator=generator)
        made = []
        for label in labels.tolist():
            length = int(torch.randint(1, 9, (), generator=generator))
            chosen = torch.randint(3, (length,), generator=generator).tolist()
            made.append(("it is " + " ".join(words[label][c] for c in chosen) + ".",))
        return Part(tuple(made), labels)

    return Dataset("toy", "texts", {"train": texts(40), "test": texts(20)}, 2, ("good", "bad"), "")


@pytest.fixture(scope="session")
def with_part():
    """The data with other inputs or targets in a part."""

    def change(data, name, inputs, targets):
        return replace(data, parts={**data.parts, name: Part(inputs, targets)})

    return change


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
