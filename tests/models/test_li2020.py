"""The networks of li2020, Table 2 and Table 4."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lossbook import models
from lossbook.results import published

SMALL = ("li2020_cnn2c", "li2020_cnn5c")
SHAPES = {
    "li2020_cnn2c": (1, 28, 28),
    "li2020_cnn5c": (1, 28, 28),
    "li2020_mobilenet_v2": (3, 32, 32),
    "li2020_resnet18": (3, 32, 32),
}


def built(name, shape=None, classes=10):
    torch.manual_seed(0)
    return models.build(name, shape or SHAPES[name], classes)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        # Weights and biases of each layer; batch normalisation has two numbers a channel.
        ("li2020_cnn2c", 25 * 20 + 20 + 20 * 25 * 50 + 50 + 800 * 10 + 10),
        (
            "li2020_cnn5c",
            (9 * 32 + 32 + 64)
            + (32 * 9 * 64 + 64 + 128)
            + (64 * 9 * 128 + 128)
            + (128 * 9 * 256 + 256 + 512)
            + (256 * 9 * 512 + 512)
            + (512 * 10 + 10),
        ),
        # torchvision's 2,236,682 for ten classes; its first layer has the same shape.
        ("li2020_mobilenet_v2", 2_236_682),
        # torchvision's 11,181,642 for ten classes, with 3x3 instead of 7x7 in the first layer.
        ("li2020_resnet18", 11_181_642 - 64 * 3 * (49 - 9)),
    ],
)
def test_parameter_counts(name, count):
    assert sum(parameter.numel() for parameter in built(name).parameters()) == count


@pytest.mark.parametrize("name", SMALL)
def test_the_layers_are_those_of_table_2(name):
    """All but the last pooling of CNN5C, which takes what is left instead of a kernel of 8."""
    key = name.removeprefix("li2020_")
    row = next(r for r in published("li2020", "table2").itertuples() if r.network == key)
    printed = row.architecture.replace("MP(K8S1)", "MP(all)").split("-")
    assert [d for layer in built(name) for d in described(layer)] == printed


def described(layer):
    if isinstance(layer, nn.Conv2d):
        assert (layer.padding, layer.dilation, layer.groups) == ((0, 0), (1, 1), 1)
        return [f"CV(C{layer.out_channels}K{layer.kernel_size[0]}S{layer.stride[0]})"]
    if isinstance(layer, nn.MaxPool2d):
        return [f"MP(K{layer.kernel_size}S{layer.stride})"]
    if isinstance(layer, nn.AdaptiveMaxPool2d):
        return ["MP(all)"]
    if isinstance(layer, nn.BatchNorm2d):
        return ["BN"]
    # The table gives the width of what is flattened, then the number of classes.
    return [str(layer.in_features), str(layer.out_features)] if isinstance(layer, nn.Linear) else []


def test_cnn2c_computes_what_table_2_says():
    network = built("li2020_cnn2c").eval()
    w1, b1, w2, b2, w3, b3 = network.parameters()
    images = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    x = F.max_pool2d(F.conv2d(images, w1, b1).relu(), 2)
    x = F.max_pool2d(F.conv2d(x, w2, b2).relu(), 2)
    logits = F.linear(x.flatten(1), w3, b3)
    torch.testing.assert_close(network(images), logits)
    assert (logits < 0).any(), "logits are not rectified"


def test_cnn5c_before_its_last_pooling_has_seven_by_seven():
    network = built("li2020_cnn5c").eval()
    last = next(i for i, layer in enumerate(network) if isinstance(layer, nn.AdaptiveMaxPool2d))
    features = network[:last](torch.rand(2, 1, 28, 28))
    assert features.shape == (2, 512, 7, 7)
    torch.testing.assert_close(
        network(torch.ones(2, 1, 28, 28)),
        network[-1](F.max_pool2d(network[:last](torch.ones(2, 1, 28, 28)), 7).relu().flatten(1)),
    )


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize(("shape", "classes"), [((1, 28, 28), 10), ((3, 32, 32), 7), ((1, 16, 16), 10)])
def test_output_shapes(name, shape, classes):
    assert built(name, shape, classes)(torch.zeros(2, *shape)).shape == (2, classes)


@pytest.mark.parametrize("name", ["li2020_mobilenet_v2", "li2020_resnet18"])
def test_cifar_forms_keep_the_size_of_the_image_at_first(name):
    """Both end their convolutions at 4x4 on 32x32 pixels; made for ImageNet they would end at 1x1."""
    network, seen = built(name).eval(), []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, __, out: seen.append(out.shape[-2:]))
    network(torch.zeros(1, 3, 32, 32))
    assert seen[0] == (32, 32)
    assert seen[-1] == (4, 4)


def test_no_dropout():
    images = torch.rand(2, 3, 32, 32)
    network = built("li2020_mobilenet_v2")
    assert torch.equal(network(images), network(images))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("shape", [(1, 15, 28), (1, 28, 8)])
def test_images_too_small(name, shape):
    with pytest.raises(ValueError, match=r"needs images of at least 16x16 pixels; got"):
        built(name, shape)


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_weights_come_from_the_global_seed(name):
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(nn.utils.parameters_to_vector(models.build(name, SHAPES[name]).parameters()))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
