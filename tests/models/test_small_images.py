"""The networks of battash2021 for small images: their layers, parameters and shapes."""

import pytest
import torch
from torch import nn

from lossbook import models


def made(name: str, classes: int = 10) -> nn.Module:
    torch.manual_seed(0)
    return models.build(name, (3, 32, 32), classes)


@pytest.mark.parametrize(
    ("name", "convolutions", "count"),
    [
        ("preact_resnet18", 20, 11_172_170),
        ("resnext29", 31, 9_130_314),
        ("small_resnet34", 36, 21_282_122),
        ("small_resnet50", 53, 23_520_842),
        ("small_resnet101", 104, 42_512_970),
        ("small_shufflenet_v2", 56, 352_042),
    ],
)
def test_networks_have_their_layers_and_parameters(name: str, convolutions: int, count: int) -> None:
    with torch.device("meta"):
        network = models.build(name, (3, 32, 32), 10).eval()
        first = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
        sides = []
        first.register_forward_hook(lambda _m, _i, out: sides.append(out.shape[-1]))
        assert network(torch.empty(1, 3, 32, 32)).shape == (1, 10)
    # The first convolution keeps the size of the image.
    assert sides == [32]
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == convolutions
    assert sum(p.numel() for p in network.parameters()) == count


def test_the_classes_come_after_eight_by_eight_or_four_by_four_pixels() -> None:
    for name, side in (("preact_resnet18", 4), ("resnext29", 8), ("small_shufflenet_v2", 4)):
        network = made(name).eval()
        last = [m for m in network.modules() if isinstance(m, nn.Conv2d)][-1]
        sizes = []
        last.register_forward_hook(lambda _m, _i, out, sizes=sizes: sizes.append(tuple(out.shape[2:])))
        network(torch.rand(1, 3, 32, 32))
        assert sizes == [(side, side)]


def test_a_silent_branch_hands_on_the_shortcut() -> None:
    block = made("preact_resnet18")[1]
    nn.init.zeros_(block.conv2.weight)
    images = torch.randn(1, 64, 4, 4)
    assert torch.equal(block(images), images)
    grouped = made("resnext29")[4]
    nn.init.zeros_(grouped.branch[-1].weight)
    images = torch.rand(2, 256, 4, 4)
    assert torch.equal(grouped(images), images)
    assert grouped.branch[3].groups == 2
    assert grouped.branch[3].out_channels == 128


def test_dropout_stands_before_the_output() -> None:
    network = models.build("small_resnet34", (3, 32, 32), 10, dropout=0.2)
    assert [type(m) for m in network.fc] == [nn.Dropout, nn.Linear]
    assert network.fc[0].p == 0.2
    assert isinstance(made("small_resnet34").fc, nn.Linear)
