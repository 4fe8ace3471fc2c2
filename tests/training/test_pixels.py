"""Runs on standardised pixels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lossbook.training import plan_run, train
from lossbook.training.engine import to_float
from lossbook.training.plan import SettingError


def fitted(spec, arrays):
    return plan_run(replace(spec, pixels="standardised")).fitted(arrays)


def test_every_channel_of_the_training_images_has_mean_0_and_deviation_1(spec):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (50, 16, 18, 3), generator=generator, dtype=torch.uint8)
    images[..., 1] //= 7
    images[..., 2] = (images[..., 2] > 200) * 255
    plan = fitted(spec(), type("Arrays", (), {"train_images": images}))
    network = plan.build_model((3, 16, 18), 4)
    seen = []
    network.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.eval()(to_float(images))
    shown = seen[0].permute(0, 2, 3, 1).numpy().astype(np.float64)
    np.testing.assert_allclose(shown.mean((0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(shown.std((0, 1, 2)), 1, rtol=1e-6)
    plain = images.numpy() / 255
    expected = (plain - plain.mean((0, 1, 2))) / plain.std((0, 1, 2))
    np.testing.assert_allclose(shown, expected, atol=1e-5)


def test_the_test_images_are_scaled_by_the_training_images(spec, arrays):
    brighter = replace(arrays, test_images=arrays.test_images // 2 + 128)
    plan, seen = fitted(spec(loss="ce", epochs=1), brighter), []

    def build(*shape):
        network = plan.build_model(*shape)
        network.network.register_forward_pre_hook(
            lambda module, inputs: None if module.training else seen.append(inputs[0])
        )
        return network

    train(replace(plan, build_model=build), brighter)
    train_values = arrays.train_images.numpy() / 255
    expected = (to_float(brighter.test_images).numpy() - train_values.mean()) / train_values.std()
    np.testing.assert_allclose(torch.cat(seen).numpy(), expected, atol=1e-5)
    assert abs(expected.mean()) > 0.5, "by their own mean they would have 0"


def test_the_weights_drawn_are_those_of_plain_pixels(spec, arrays):
    made = []
    for plan in (plan_run(spec(loss="ce")), fitted(spec(loss="ce"), arrays)):
        torch.manual_seed(3)
        made.append(list(plan.build_model((1, 16, 16), 3).parameters()))
    assert all(torch.equal(a, b) for a, b in zip(*made, strict=True))


def test_it_trains_and_makes_a_difference(spec, arrays):
    run = spec(loss="ce", epochs=6)
    scaled = train(fitted(run, arrays), arrays)
    assert scaled.curves["test_accuracy"][-1] > 0.8
    assert scaled.curves != train(plan_run(run), arrays).curves
    assert scaled.curves == train(fitted(run, arrays), arrays).curves


def test_a_constant_channel_is_named(spec, arrays):
    constant = replace(arrays, train_images=torch.full_like(arrays.train_images, 3))
    with pytest.raises(ValueError, match="channel 0 has one value in all training images"):
        fitted(spec(), constant)


def test_a_plan_that_is_not_fitted_is_refused(spec, arrays):
    for changes in ({"pixels": "standardised"}, {"class_weight": "inverse_frequency"}):
        with pytest.raises(SettingError, match=r"rests on the training examples.*plan\.fitted"):
            train(plan_run(spec(**changes)), arrays)
