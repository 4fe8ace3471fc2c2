"""Networks for photographs at the size of ImageNet's, drawn anew: ResNet-50 and the first MobileNet."""

from torch import nn


def resnet50(in_shape: tuple[int, ...], num_classes: int = 1000) -> nn.Module:
    """ResNet-50 as torchvision has it.

    It has 25,557,032 parameters on RGB images and a thousand classes.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``; three channels.
        num_classes: Number of logits.

    Raises:
        ValueError: Other than three channels.

    References:
        He et al., Deep residual learning for image recognition, 2016, Table 1.
    """
    # Imported where it is used: it takes a while.
    from torchvision import models

    if in_shape[0] != 3:
        raise ValueError(f"ResNet-50 is for images of three channels; got {in_shape[0]}")
    network: nn.Module = models.resnet50(num_classes=num_classes)
    return network


#: Channels and stride of the separable convolutions of MobileNet.
_SEPARABLE = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)


def mobilenet(in_shape: tuple[int, ...], num_classes: int = 1000) -> nn.Module:
    """The first MobileNet at its full width: 27 convolutions, 13 of them by channel, and a linear layer.

    It has 4,231,976 parameters on RGB images and a thousand classes (4.2 million in its paper; dong2019 says
    3.3 million, about what it has without the linear layer).

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.

    References:
        Howard et al., MobileNets: efficient convolutional neural networks for mobile vision applications,
        2017, Table 1.
    """
    layers = [_convolution(in_shape[0], 32, 3, 2)]
    channels = 32
    for wider, stride in _SEPARABLE:
        layers += [_convolution(channels, channels, 3, stride, channels), _convolution(channels, wider, 1)]
        channels = wider
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


def _convolution(channels: int, wider: int, size: int, stride: int = 1, groups: int = 1) -> nn.Module:
    layer = nn.Conv2d(channels, wider, size, stride, size // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(layer, nn.BatchNorm2d(wider), nn.ReLU(inplace=True))
