"""The reference network and the residual networks for CIFAR."""

import pytest
import torch
from torch import nn

from lossbook import models
from lossbook.evidence import gather, stats
from lossbook.models import reference


@pytest.mark.parametrize(("profile", "size"), [("reference", "small"), ("large", "large")])
def test_the_accuracy_that_is_stated_is_that_of_the_records(profile, size):
    found = gather("synthesis/head_to_head")
    stated = " ".join(reference.__doc__.split())
    shortest = []
    for dataset, name in (("cifar10", "CIFAR-10"), ("cifar100", "CIFAR-100")):
        records = found.runs(profile, dataset=dataset, loss="CE").records
        mean = stats.mean_interval(100 * r.metrics["test_accuracy"] for r in records)
        accuracy = f"{mean.mean:.2f}% ± {mean.half:.2f}"
        epochs = f"{records[0].labels['epochs']} epochs"
        told = f"{accuracy} on {name}" if size == "small" else f"{size}, {epochs} on {name}: {accuracy}"
        assert told in stated
        assert f"{size}, {epochs}" in stated
        assert f"mean of {mean.n} seeds" in stated
        assert {r.provenance["device_name"] for r in records} == {"AMD EPYC"}
        shortest.append(min(r.provenance["seconds"] for r in records) / 60)
    for minutes in [min(shortest)] if size == "small" else shortest:
        assert f"shortest run took {minutes:.1f} minutes" in stated


def made(name, in_shape=(3, 32, 32), classes=10, seed=0):
    torch.manual_seed(seed)
    return models.build(name, in_shape, classes)


def parameters(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("name", "layers", "count"),
    [
        ("cifar_resnet20", 20, 269_722),
        ("cifar_resnet32", 32, 464_154),
        ("cifar_resnet44", 44, 658_586),
        ("cifar_resnet110", 110, 1_727_962),
    ],
)
def test_residual_networks_have_the_papers_layers_and_parameters(name, layers, count):
    network = made(name)
    weighted = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert (len(weighted), parameters(network)) == (layers, count)
    sizes = []
    for module in network:
        module.register_forward_hook(lambda _m, _i, out: sizes.append(tuple(out.shape[1:])))
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    assert [size for size in dict.fromkeys(sizes) if len(size) == 3] == [
        (16, 32, 32), (32, 16, 16), (64, 8, 8), (64, 1, 1)
    ]  # fmt: skip


def test_the_wide_network_has_the_papers_layers_and_parameters():
    network = made("wide_resnet28_10")
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert (len(convolutions), parameters(network)) == (28, 36_479_194)
    sizes = []
    for module in network:
        module.register_forward_hook(lambda _m, _i, out: sizes.append(tuple(out.shape[1:])))
    network.eval()
    logits = network(torch.rand(1, 3, 32, 32))
    assert logits.shape == (1, 10)
    assert [size for size in dict.fromkeys(sizes) if len(size) == 3] == [
        (16, 32, 32), (160, 32, 32), (320, 16, 16), (640, 8, 8), (640, 1, 1)
    ]  # fmt: skip
    # With its branch silenced, a block hands on what it was given, or what its shortcut makes of it.
    first, second = network[1], network[2]
    for block in (first, second):
        nn.init.zeros_(block.conv2.weight)
    images = torch.randn(1, 16, 4, 4)
    wider = first(images)
    assert torch.equal(wider, first.shortcut(torch.relu(first.bn1(images))))
    assert torch.equal(second(wider), wider)


def test_a_shortcut_takes_every_second_pixel_and_adds_empty_channels():
    network = made("cifar_resnet20")
    block = next(m for m in network if getattr(m, "stride", 1) == 2)
    for norm in (block.bn1, block.bn2):
        nn.init.zeros_(norm.weight)
    images = torch.rand(2, 16, 8, 8)
    out = block(images)
    torch.testing.assert_close(out[:, 8:24], images[:, :, ::2, ::2])
    assert not out[:, :8].any()
    assert not out[:, 24:].any()


@pytest.mark.parametrize(
    ("name", "widths"), [("reference_small", (64, 128, 128)), ("reference_large", (64, 192, 256))]
)
def test_the_stages_of_the_reference_network(name, widths):
    network = made(name, classes=100)
    sizes = []
    for module in network.stages:
        if isinstance(module, nn.MaxPool2d):
            module.register_forward_hook(lambda _m, _i, out: sizes.append(tuple(out.shape[1:])))
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 100)
    assert sizes == [(widths[0], 15, 15), (widths[1], 7, 7), (widths[2], 3, 3)]
    assert network.output.in_features == widths[-1]


def test_patches_come_out_white_with_either_sign():
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(3, 3, generator=generator)
    images = torch.einsum("ij,njhw->nihw", mixing, torch.randn(50, 3, 20, 20, generator=generator))
    images = nn.functional.avg_pool2d(images, 2, 1)  # Neighbours are alike, as in pictures.
    network = made("reference_small", (3, 19, 19))
    network.fit(images)
    nn.init.zeros_(network.whitening.bias)
    out = network.whitening(images)
    torch.testing.assert_close(out[:, 12:], -out[:, :12])
    values = out[:, :12].permute(1, 0, 2, 3).flatten(1).double()
    second = values @ values.T / values.shape[1]
    scale = second.diagonal()
    assert ((scale > 0.9) & (scale < 1 + 1e-4)).all(), "less than 1 by what is added to small variances"
    assert (second - scale.diag()).abs().max() < 1e-4


def test_the_first_layer_is_fitted_before_training_and_stays():
    from lossbook.datasets import Dataset, Part
    from lossbook.training import RunSpec, plan_run, train

    generator = torch.Generator().manual_seed(2)
    images = torch.randint(256, (64, 18, 18, 3), generator=generator).to(torch.uint8)
    part = Part(images, torch.randint(3, (64,), generator=generator))
    data = Dataset("toy", "images", {"train": part, "test": part}, 3, ("a", "b", "c"), "")
    plan = plan_run(RunSpec("toy", "reference_small", "ce", "sgd", 32, 2, pixels="standardised"))
    network = train(plan, data).trained.network
    expected = made("reference_small", (3, 18, 18), 3)
    expected.fit(*plan.task(data).batch(part, torch.arange(64), None))
    torch.testing.assert_close(network.whitening.weight, expected.whitening.weight)
    assert not torch.equal(network.stages[0].weight, expected.stages[0].weight)


def test_convolutions_start_as_the_identity_where_they_can():
    network = made("reference_small")
    images = torch.rand(2, 64, 9, 9)
    torch.testing.assert_close(network.stages[4](images), images)
    torch.testing.assert_close(network.stages[7](images)[:, :64], images)


def test_small_images_are_refused():
    with pytest.raises(ValueError, match="at least 17x17 pixels; got 16x32"):
        made("reference_large", (1, 16, 32))


def test_dropout_changes_training_alone():
    torch.manual_seed(3)
    network = models.build("reference_small", (3, 18, 18), 3, dropout=0.5)
    images = torch.rand(64, 3, 18, 18)
    assert network.dropout.p == 0.5
    assert torch.equal(network.eval()(images), network(images))
    features = network.train()
    assert not torch.equal(features(images), features(images))
    plain = made("reference_small", (3, 18, 18), 3)
    assert list(plain.state_dict()) == list(network.state_dict())


def test_the_narrow_network_is_the_reference_network_with_fewer_channels():
    narrow, small = made("reference_narrow"), made("reference_small")
    assert isinstance(narrow, reference.ReferenceNetwork)
    shapes = [
        [m.out_channels for m in network.stages if isinstance(m, nn.Conv2d)] for network in (narrow, small)
    ]
    assert shapes == [[16, 16, 32, 32, 64, 64], [64, 64, 128, 128, 128, 128]]
    assert narrow.output.in_features == 64
    assert narrow(torch.rand(2, 3, 32, 32)).shape == (2, 10)
