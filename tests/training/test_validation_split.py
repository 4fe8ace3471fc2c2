"""Images held out of training."""

import pytest
import torch

from lossbook import datasets
from lossbook.errors import LossbookError
from lossbook.training import RunSpec, select


def test_a_validation_split_leaves_the_test_images_alone(monkeypatch):
    data = datasets.load("digits")
    spec = RunSpec("digits", "li2020_cnn2c", "ce", "sgd", 32, 1, validation_size=300, test_size=100)
    chosen = select(data, spec)
    whole = data.parts["train"]
    assert len(chosen.parts["train"].targets) == len(whole.targets) - 300
    assert len(chosen.parts["test"].targets) == 100
    # Each image of the training set is in one part or in none, and no test image is in either.
    rows = {tuple(image.flatten().tolist()) for image in chosen.parts["train"].inputs}
    held_out = {tuple(image.flatten().tolist()) for image in chosen.parts["test"].inputs}
    everything = {tuple(image.flatten().tolist()) for image in whole.inputs}
    assert held_out <= everything
    assert rows <= everything
    assert not rows & held_out
    everyone = select(data, RunSpec("digits", "li2020_cnn2c", "ce", "sgd", 32, 1))
    for name, part in data.parts.items():
        assert torch.equal(everyone.parts[name].targets, part.targets)


@pytest.mark.parametrize("size", [0, 1397, 10_000])
def test_a_validation_split_that_leaves_nothing(size):
    spec = RunSpec("digits", "li2020_cnn2c", "ce", "sgd", 32, 1, validation_size=size)
    with pytest.raises(LossbookError, match="must take some of the 1,397 training examples of digits"):
        select(datasets.load("digits"), spec)
