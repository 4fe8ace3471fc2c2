"""Networks for photographs: ResNet-50 of torchvision, and MobileNet, which torchvision does not have.

Weights start at random. dong2019 does not say whether its networks for persons and clothes started from
ImageNet's weights, as is usual there.
"""

from torch import nn

# Channels and stride of MobileNet's thirteen pairs of convolutions.
_PAIRS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)


def resnet50(in_shape: tuple[int, ...], num_classes: int = 1000) -> nn.Module:
    """ResNet-50, as torchvision builds it.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.

    References:
        He et al., Deep residual learning for image recognition, 2016. dong2019, Tables 2 and 3.
    """
    from torchvision.models import resnet50 as build

    network: nn.Module = build(num_classes=num_classes)
    if in_shape[0] != 3:
        network.conv1 = nn.Conv2d(in_shape[0], 64, 7, stride=2, padding=3, bias=False)
    return network


def mobilenet(in_shape: tuple[int, ...], num_classes: int = 1000) -> nn.Module:
    """MobileNet, the first of its name: a convolution, thirteen pairs of a depthwise and a 1x1 convolution.

    It has 4,231,976 parameters for RGB images and 1,000 classes.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.

    References:
        Howard et al., MobileNets, 2017, Table 1. dong2019, Tables 2 and 3.
    """
    layers = _block(in_shape[0], 32, 3, 2)
    width = 32
    for channels, stride in _PAIRS:
        layers += _block(width, width, 3, stride, groups=width) + _block(width, channels, 1, 1)
        width = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))


def _block(channels: int, out_channels: int, size: int, stride: int, groups: int = 1) -> list[nn.Module]:
    kernel = nn.Conv2d(
        channels, out_channels, size, stride=stride, padding=size // 2, groups=groups, bias=False
    )
    return [kernel, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]
