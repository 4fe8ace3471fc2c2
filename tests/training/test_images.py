"""Pixels as a network is given them."""

import numpy as np
import pytest
import torch

from lossbook.datasets import Dataset, Part
from lossbook.training import plan_run, train
from lossbook.training.augment import none
from lossbook.training.images import Images, to_float

STANDARDISED = {"pixels": "standardised"}


def test_every_channel_of_the_training_images_has_mean_0_and_deviation_1():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (50, 16, 18, 3), generator=generator, dtype=torch.uint8)
    images[..., 1] //= 7
    images[..., 2] = (images[..., 2] > 200) * 255
    part = Part(images, torch.zeros(50, dtype=torch.int64))
    task = Images(Dataset("toy", "images", {"train": part}, 4, (), ""), augmentation=none, **STANDARDISED)
    assert task.in_shape == (3, 16, 18)
    (given,) = task.batch(part, torch.arange(50), None)
    shown = given.permute(0, 2, 3, 1).numpy().astype(np.float64)
    np.testing.assert_allclose(shown.mean((0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(shown.std((0, 1, 2)), 1, rtol=1e-6)
    plain = images.numpy() / 255
    expected = (plain - plain.mean((0, 1, 2))) / plain.std((0, 1, 2))
    np.testing.assert_allclose(shown, expected, atol=1e-5)


def test_the_test_images_are_scaled_by_the_training_images(data, with_part):
    test = data.parts["test"]
    brighter = with_part(data, "test", test.inputs // 2 + 128, test.targets)
    task = Images(brighter, augmentation=none, **STANDARDISED)
    (given,) = task.batch(brighter.parts["test"], torch.arange(30), None)
    train_values = data.parts["train"].inputs.numpy() / 255
    expected = (to_float(brighter.parts["test"].inputs).numpy() - train_values.mean()) / train_values.std()
    np.testing.assert_allclose(given.numpy(), expected, atol=1e-5)
    assert abs(expected.mean()) > 0.5, "by their own mean they would have 0"


def test_augmentation_comes_before_the_scaling_and_only_in_training(data):
    seen = []

    def watch(images, generator):
        seen.append(images.clone())
        return images

    task = Images(data, augmentation=watch, **STANDARDISED)
    rows = torch.arange(4)
    task.batch(data.parts["train"], rows, None)
    assert not seen
    task.batch(data.parts["train"], rows, torch.Generator())
    assert torch.equal(seen[0], to_float(data.parts["train"].inputs[rows]))


def test_it_trains_and_makes_a_difference(spec, data):
    run, plain = spec(loss="ce", epochs=6, **STANDARDISED), spec(loss="ce", epochs=6)
    scaled = train(plan_run(run), data)
    assert scaled.curves["test_accuracy"][-1] > 0.8
    assert scaled.curves != train(plan_run(plain), data).curves
    assert scaled.curves == train(plan_run(run), data).curves


def test_a_constant_channel_is_named(spec, data, with_part):
    part = data.parts["train"]
    constant = with_part(data, "train", torch.full_like(part.inputs, 3), part.targets)
    with pytest.raises(ValueError, match="channel 0 has one value in all training images"):
        train(plan_run(spec(**STANDARDISED)), constant)
