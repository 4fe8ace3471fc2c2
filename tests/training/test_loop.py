"""What a run reports, and that the same run gives the same numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lossbook.training import plan_run, train
from lossbook.training.checkpoint import OutOfTimeError
from lossbook.training.images import to_float


class Watch:
    """Stands in for an augmentation: keeps what the network is shown."""

    def __init__(self):
        self.batches = []

    def __call__(self, images, generator):
        self.batches.append(images.clone())
        return images


def linear_plan(spec, lr, build=None):
    """A linear classifier without dropout, and plain gradient descent."""

    def linear(in_shape, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(in_shape), classes))

    def descent(parameters):
        return torch.optim.SGD(parameters, lr=lr), None

    return replace(plan_run(spec), build_model=build or linear, build_optimizer=descent)


@pytest.mark.parametrize(
    "changes",
    [{}, {"optimizer": "keras_rmsprop", "augmentation": "keras_shift_flip"}],
    ids=["adadelta", "rmsprop with augmentation"],
)
def test_the_same_seed_gives_the_same_curves_to_the_bit(spec, data, changes):
    first = train(plan_run(spec(**changes)), data)
    torch.rand(7)  # Whatever happened before a run is nothing to it.
    assert train(plan_run(spec(**changes)), data).curves == first.curves
    other = train(plan_run(spec(seed=1, **changes)), data)
    for name in ("train_loss", "test_loss", "test_ce"):
        assert not set(other.curves[name]) & set(first.curves[name])


def test_a_run_reports_each_curve_for_each_epoch_and_learns(spec, data):
    seen = []
    result = train(plan_run(spec(loss="ce", epochs=6)), data, on_epoch=seen.append)
    assert result.status == "finished"
    assert seen == [1, 2, 3, 4, 5, 6]
    assert tuple(result.curves) == ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "test_ce")
    assert all(len(curve) == 6 for curve in result.curves.values())
    assert result.seconds > 0
    assert result.curves["test_ce"][-1] < result.curves["test_ce"][0]
    assert result.curves["test_accuracy"][-1] > 0.8


def test_losses_with_one_seed_start_alike_and_see_the_same(spec, data):
    """At learning rate 0 the weights stay where they started, so every run must see the same network."""
    results, shown = {}, {}
    for loss in ("ce", "bce", "nllr", "el", "mae"):
        watch = Watch()
        plan = replace(plan_run(spec(loss=loss, epochs=2, optimizer_options={"lr": 0.0})), augmentation=watch)
        results[loss], shown[loss] = train(plan, data).curves, watch.batches
    for loss, curves in results.items():
        for name in ("test_ce", "test_accuracy"):
            assert curves[name] == results["ce"][name]
        # Training accuracy is equal only if dropout left out the same units.
        assert curves["train_accuracy"] == results["ce"]["train_accuracy"]
        assert all(torch.equal(a, b) for a, b in zip(shown[loss], shown["ce"], strict=True))
    assert results["ce"]["test_loss"] == results["ce"]["test_ce"]
    assert results["mae"]["test_loss"] == pytest.approx([2 * value for value in results["el"]["test_loss"]])


def test_another_seed_starts_from_other_weights(spec, data):
    settings = {"epochs": 1, "optimizer_options": {"lr": 0.0}}
    starts = [train(plan_run(spec(seed=seed, **settings)), data).curves["test_ce"][0] for seed in (0, 1, 2)]
    assert len(set(starts)) == 3


def test_every_example_once_an_epoch_in_another_order_each_time(spec, data):
    orders = []
    for seed in (0, 1):
        watch = Watch()
        train(replace(plan_run(spec(epochs=2, seed=seed)), augmentation=watch), data)
        assert [len(batch) for batch in watch.batches] == [16, 16, 10] * 2, "42 examples in batches of 16"
        orders += [torch.cat(watch.batches[:3]), torch.cat(watch.batches[3:])]
    everything = to_float(data.parts["train"].inputs)
    names = {image.numpy().tobytes(): index for index, image in enumerate(everything)}
    assert len(names) == 42
    indices = [tuple(names[image.numpy().tobytes()] for image in order) for order in orders]
    assert all(sorted(order) == list(range(42)) for order in indices)
    assert len({*indices, tuple(range(42))}) == 5


def test_images_become_floats_between_0_and_1():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 3, 1, 1).expand(2, 3, 4, 3)
    floats = to_float(images)
    assert floats.shape == (2, 3, 3, 4)
    torch.testing.assert_close(floats[1, 2, :, 3], torch.tensor([0.0, 0.2, 1.0]))


@pytest.mark.parametrize("loss", ["ce", "nllr", "mae"])
def test_training_values_are_running_means_over_examples(spec, data, loss):
    """Softmax regression by gradient descent, once more in numpy, float64."""
    spec = spec(loss=loss, epochs=2)
    watch, built = Watch(), []

    def build(in_shape, classes):
        network = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(in_shape), classes))
        built.extend(parameter.detach().double().numpy().copy() for parameter in network.parameters())
        return network

    plan = replace(linear_plan(spec, 0.05, build), augmentation=watch)
    curves = train(plan, data).curves
    weight, bias = built
    train_part = data.parts["train"]
    labels_of = {
        image.numpy().tobytes(): int(label)
        for image, label in zip(to_float(train_part.inputs), train_part.targets, strict=True)
    }
    for epoch in range(2):
        total, right = 0.0, 0
        for images in watch.batches[3 * epoch : 3 * epoch + 3]:
            x = images.flatten(1).double().numpy()
            y = np.array([labels_of[image.numpy().tobytes()] for image in images])
            e = np.eye(3)[y]
            z = x @ weight.T + bias
            p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
            py = (p * e).sum(1, keepdims=True)
            q = p * (1 - e) / (1 - py)
            values = {"ce": -np.log(py), "nllr": np.log((1 - py) / py), "mae": 2 * (1 - py)}[loss]
            slope = {"ce": 1 - py, "nllr": 1, "mae": 2 * py * (1 - py)}[loss]
            total += values.sum()
            right += int((z.argmax(1) == y).sum())
            gradient = slope * (q - e) / len(y)
            weight, bias = weight - 0.05 * gradient.T @ x, bias - 0.05 * gradient.sum(0)
        assert curves["train_loss"][epoch] == pytest.approx(total / 42, rel=1e-4)
        assert curves["train_accuracy"][epoch] == right / 42


@pytest.mark.parametrize("loss", ["ce", "nllr"])
def test_with_nothing_learned_training_and_test_values_agree(spec, data, loss):
    """Measured on the same images, with neither dropout nor steps: the last, smaller batch must count."""
    same = replace(data, parts=dict.fromkeys(("train", "test"), data.parts["train"]))
    curves = train(linear_plan(spec(loss=loss, epochs=2), 0.0), same).curves
    assert curves["train_loss"] == pytest.approx(curves["test_loss"], rel=1e-6)
    assert curves["train_accuracy"] == pytest.approx(curves["test_accuracy"], rel=1e-12)


def test_test_values_are_those_of_the_network_after_the_epoch(spec, data, with_part):
    """With dropout off, over more test images than are evaluated at a time."""
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(0, 256, (1003, 16, 16, 1), generator=generator).to(torch.uint8)
    labels = torch.randint(3, (1003,), generator=generator)
    many = with_part(data, "test", images, labels)
    kept = []
    plan = plan_run(spec(epochs=2))

    def build(in_shape, classes):
        kept.append(plan.build_model(in_shape, classes))
        return kept[-1]

    curves = train(replace(plan, build_model=build), many).curves
    network = kept[0].eval()
    with torch.no_grad():
        logits = network(to_float(images)).double()
    p = logits.softmax(1).gather(1, labels[:, None])
    assert curves["test_ce"][-1] == pytest.approx(-p.log().mean().item(), rel=1e-5)
    assert curves["test_loss"][-1] == pytest.approx(((1 - p) / p).log().mean().item(), rel=1e-4)
    right = (logits.argmax(1) == labels).sum().item()
    assert curves["test_accuracy"][-1] == pytest.approx(right / 1003, abs=1e-12)


@pytest.mark.parametrize("loss", ["ce", "bce", "nllr"])
def test_divergence_ends_a_run_and_is_said(spec, data, loss, tmp_path):
    checkpoint = tmp_path / "run.pt"
    plan = plan_run(spec(loss=loss, epochs=5, optimizer_options={"lr": 1e30}))
    result = train(plan, data, checkpoint=checkpoint)
    assert result.status == "diverged"
    lengths = {len(curve) for curve in result.curves.values()}
    assert len(lengths) == 1
    assert lengths.pop() < 5
    *before, last = result.curves["train_loss"]
    assert not math.isfinite(last)
    assert all(map(math.isfinite, before))
    seen = []
    again = train(plan, data, checkpoint=checkpoint, on_epoch=seen.append)
    assert (again.status, seen) == ("diverged", []), "nothing is left to train"


def test_the_global_random_state_and_settings_are_left_as_they_were(spec, data):
    torch.manual_seed(11)
    before, flags = torch.get_rng_state(), torch.backends.cudnn.deterministic
    train(plan_run(spec(epochs=1, augmentation="keras_shift_flip")), data)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(OutOfTimeError):
        train(plan_run(spec()), data, deadline=-math.inf)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.backends.cudnn.deterministic == flags


def test_the_examples_are_left_as_they_were(spec, data):
    parts = [tensor for part in data.parts.values() for tensor in (part.inputs, part.targets)]
    kept = [tensor.clone() for tensor in parts]
    train(plan_run(spec(epochs=1, augmentation="keras_shift_flip")), data)
    assert all(torch.equal(one, other) for one, other in zip(parts, kept, strict=True))


def test_the_learning_rate_falls_with_every_step_of_the_run(spec, data):
    rates = []

    class Recorder(torch.optim.SGD):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    def scheduled(parameters):
        return Recorder(parameters, lr=123.0), lambda clock: 0.1 / (1 + clock.step)

    train(replace(plan_run(spec(epochs=2)), build_optimizer=scheduled), data)
    assert rates == pytest.approx([0.1 / (1 + step) for step in range(6)])


def test_options_reach_the_optimiser_and_the_loss(spec, data):
    made = {}

    def optimiser(parameters, **options):
        made.update(options)
        return torch.optim.SGD(parameters, lr=0.0), None

    plan = plan_run(spec(epochs=1, loss_options={"clip": 0.25}, optimizer_options={"lr": 0.5, "decay": 0.1}))
    curves = train(replace(plan, build_optimizer=optimiser), data).curves
    assert made == {"lr": 0.5, "decay": 0.1}
    assert abs(curves["test_loss"][0]) <= math.log(3)


def test_a_batch_larger_than_the_data_is_one_step(spec, data, with_part):
    train_part = data.parts["train"]
    few = with_part(data, "train", train_part.inputs[:5], train_part.targets[:5])
    watch = Watch()
    result = train(replace(plan_run(spec(batch_size=64, epochs=1)), augmentation=watch), few)
    assert [len(batch) for batch in watch.batches] == [5]
    assert result.curves["train_accuracy"][0] in {k / 5 for k in range(6)}


def drawn(spec, data):
    """Random numbers that dropout and the augmentation draw, batch by batch."""
    dropout, augmentation = [], []

    class Draws(nn.Linear):
        def forward(self, images):
            if self.training:
                dropout.append(tuple(F.dropout(torch.ones(64)).tolist()))
            return super().forward(images.flatten(1))

    def draw(images, generator):
        augmentation.append(float(torch.rand((), generator=generator)))
        return images

    plan = linear_plan(spec, 0.1, lambda in_shape, classes: Draws(math.prod(in_shape), classes))
    train(replace(plan, augmentation=draw), data)
    assert len(dropout) == len(augmentation) == 3 * spec.epochs
    return dropout, augmentation


def test_every_batch_of_every_epoch_and_seed_draws_its_own_random_numbers(spec, data):
    first, other = drawn(spec(), data), drawn(spec(seed=1), data)
    for numbers, others in zip(first, other, strict=True):
        assert len({*numbers, *others}) == 18
    assert drawn(spec(loss="ce"), data) == first, "the loss has no say in it"


def test_gradients_do_not_pile_up_over_steps(spec, data):
    seen = []

    class Recorder(torch.optim.SGD):
        def step(self, closure=None):
            seen.append([p.grad.clone() for group in self.param_groups for p in group["params"]])

    def recorded(parameters):
        return Recorder(parameters, lr=0.0), None

    watch = Watch()
    network = nn.Sequential(nn.Flatten(), nn.Linear(256, 3))
    plan = replace(
        plan_run(spec(loss="ce", epochs=1)),
        build_model=lambda in_shape, classes: network,
        build_optimizer=recorded,
        augmentation=watch,
    )
    train(plan, data)
    train_part = data.parts["train"]
    labels_of = {
        image.numpy().tobytes(): int(label)
        for image, label in zip(to_float(train_part.inputs), train_part.targets, strict=True)
    }
    for images, (weight, _) in zip(watch.batches, seen, strict=True):
        target = torch.tensor([labels_of[image.numpy().tobytes()] for image in images])
        p = network(images).softmax(1).detach() - F.one_hot(target, 3)
        torch.testing.assert_close(weight, p.T @ images.flatten(1) / len(target))
