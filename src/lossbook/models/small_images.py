"""Further networks for images of 32x32 pixels, those of battash2021's Tables 1, 5 and 6.

What is built for photographs elsewhere starts here with a 3x3 convolution at stride 1 and no pooling behind
it, so that a small image is not halved before the first block.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

# Records made with ResNet-20 and ResNet-32 depend on the text of that module, so it gets no new networks.
from lossbook.models.cifar_resnet import _resnet
from lossbook.models.wide_resnet import PreActivated


def resnet44(in_shape: tuple[int, ...], num_classes: int = 10) -> nn.Module:
    """ResNet-44 for images of 32x32 pixels: 658,586 parameters on RGB images and ten classes.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.

    References:
        battash2021, Table 1; He et al., Deep residual learning for image recognition, 2016, Section 4.2,
        option A.
    """
    return _resnet(in_shape, num_classes, 7)


def resnet110(in_shape: tuple[int, ...], num_classes: int = 10) -> nn.Module:
    """ResNet-110 for images of 32x32 pixels: 1,727,962 parameters. As :func:`resnet44`.

    References:
        battash2021, Table 5.
    """
    return _resnet(in_shape, num_classes, 18)


def small_resnet34(in_shape: tuple[int, ...], num_classes: int = 10, *, dropout: float = 0.0) -> nn.Module:
    """ResNet-34 with the stem for small images: 21,282,122 parameters on RGB images and ten classes.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.
        dropout: Share of the features before the output that dropout sets to zero.

    References:
        battash2021, Tables 1 and 6; He et al., Deep residual learning for image recognition, 2016, Table 1.
    """
    from torchvision.models.resnet import BasicBlock

    network = _with_small_stem(BasicBlock, (3, 4, 6, 3), in_shape, num_classes)
    if dropout:
        output = nn.Linear(512, num_classes)
        network.fc = nn.Sequential(nn.Dropout(dropout), output)
    return network


def small_resnet50(in_shape: tuple[int, ...], num_classes: int = 10) -> nn.Module:
    """ResNet-50 with the stem for small images: 23,520,842 parameters on RGB images and ten classes.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.

    References:
        battash2021, Table 5; He et al., Deep residual learning for image recognition, 2016, Table 1.
    """
    from torchvision.models.resnet import Bottleneck

    return _with_small_stem(Bottleneck, (3, 4, 6, 3), in_shape, num_classes)


def small_resnet101(in_shape: tuple[int, ...], num_classes: int = 10) -> nn.Module:
    """ResNet-101 with the stem for small images: 42,512,970 parameters. As :func:`small_resnet50`."""
    from torchvision.models.resnet import Bottleneck

    return _with_small_stem(Bottleneck, (3, 4, 23, 3), in_shape, num_classes)


def small_shufflenet_v2(in_shape: tuple[int, ...], num_classes: int = 10) -> nn.Module:
    """The second ShuffleNet at its width 0.5, with the stem for small images.

    It has 352,042 parameters on RGB images and ten classes. battash2021 gives no width; its published code
    has 0.5.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.

    References:
        battash2021, Table 1; Ma et al., ShuffleNet V2: practical guidelines for efficient CNN architecture
        design, 2018, Table 5.
    """
    from torchvision.models import ShuffleNetV2

    network = ShuffleNetV2([4, 8, 4], [24, 48, 96, 192, 1024], num_classes)
    network.conv1[0] = nn.Conv2d(in_shape[0], 24, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    whole: nn.Module = network
    return whole


def preact_resnet18(in_shape: tuple[int, ...], num_classes: int = 10) -> nn.Module:
    """ResNet-18 with normalisation and ReLU before each convolution, and with the stem for small images.

    It has 11,172,170 parameters on RGB images and ten classes. The last block is followed by a normalisation
    and a ReLU, as where the order was proposed; battash2021's published code leaves them out. Weights are
    drawn as torch draws them.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``, at least 8 pixels high and wide.
        num_classes: Number of logits.

    References:
        battash2021, Tables 1 and 5; He et al., Identity mappings in deep residual networks, 2016.
    """
    stages: list[nn.Module] = []
    channels = 64
    for width in (64, 128, 256, 512):
        for block in range(2):
            stages.append(PreActivated(channels, width, 2 if width > 64 and not block else 1))
            channels = width
    return nn.Sequential(
        nn.Conv2d(in_shape[0], 64, 3, 1, 1, bias=False),
        *stages,
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, num_classes),
    )


class _Grouped(nn.Module):
    """A 1x1, a grouped 3x3 and a 1x1 convolution; the shortcut is a 1x1 one where shapes differ."""

    def __init__(self, channels: int, inner: int, out_channels: int, groups: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, stride, 1, groups=groups, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = (
            nn.Identity()
            if channels == out_channels
            else nn.Sequential(
                nn.Conv2d(channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        return F.relu(self.branch(images) + self.shortcut(images))


def resnext29(in_shape: tuple[int, ...], num_classes: int = 10) -> nn.Module:
    """ResNeXt-29 with two groups of 64 channels: three stages of three blocks.

    It has 9,130,314 parameters on RGB images and ten classes. battash2021 gives no number of groups; its
    published code has two of 64 channels. Weights are drawn as in He et al., Delving deep into rectifiers,
    2015, for the values that a layer passes on.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``, at least 4 pixels high and wide.
        num_classes: Number of logits.

    References:
        battash2021, Tables 1 and 5; Xie et al., Aggregated residual transformations for deep neural networks,
        2017, Section 5.3.
    """
    groups, width = 2, 64
    stages: list[nn.Module] = []
    channels = 64
    for stage in range(3):
        inner, wide = groups * width * 2**stage, 256 * 2**stage
        for block in range(3):
            stages.append(_Grouped(channels, inner, wide, groups, 2 if stage and not block else 1))
            channels = wide
    network = nn.Sequential(
        nn.Conv2d(in_shape[0], 64, 3, 1, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        *stages,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, num_classes),
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def _with_small_stem(
    block: Any, blocks: Sequence[int], in_shape: tuple[int, ...], num_classes: int
) -> nn.Module:
    """torchvision's ResNet with a first convolution that keeps the size of the image, and no pooling."""
    from torchvision.models import ResNet

    network: nn.Module = ResNet(block, list(blocks), num_classes)
    network.conv1 = nn.Conv2d(in_shape[0], 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()
    return network
