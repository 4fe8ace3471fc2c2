"""Residual networks in their form for CIFAR: 6n + 2 layers, three stages of 16, 32 and 64 channels."""

from torch import Tensor, nn
from torch.nn import functional as F


class _Block(nn.Module):
    """Two convolutions and a shortcut without parameters, which halves the image by leaving out pixels."""

    def __init__(self, channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.stride, self.more = stride, out_channels - channels

    def forward(self, images: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(images)))))
        shortcut = images[:, :, :: self.stride, :: self.stride]
        # Channels that the shortcut lacks are zeros, as many before as after.
        shortcut = F.pad(shortcut, (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        return F.relu(out + shortcut)


def _resnet(in_shape: tuple[int, ...], num_classes: int, blocks: int) -> nn.Module:
    stages: list[nn.Module] = []
    channels = 16
    for stage, width in enumerate((16, 32, 64)):
        for block in range(blocks):
            stages.append(_Block(channels, width, 2 if stage and not block else 1))
            channels = width
    network = nn.Sequential(
        nn.Conv2d(in_shape[0], 16, 3, 1, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        *stages,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, num_classes),
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return network


def resnet20(in_shape: tuple[int, ...], num_classes: int = 10) -> nn.Module:
    """ResNet-20 for images of 32x32 pixels.

    It has 269,722 parameters on RGB images and ten classes (0.27 million in the paper) and takes 41 million
    multiplications and additions per image. Weights are drawn as in He et al., Delving deep into rectifiers,
    2015.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.

    References:
        He et al., Deep residual learning for image recognition, 2016, Section 4.2, option A.
    """
    return _resnet(in_shape, num_classes, 3)


def resnet32(in_shape: tuple[int, ...], num_classes: int = 10) -> nn.Module:
    """ResNet-32 for images of 32x32 pixels.

    It has 464,154 parameters on RGB images and ten classes (0.46 million in the paper) and takes 69 million
    multiplications and additions per image. Weights are drawn as those of :func:`resnet20`.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.

    References:
        dong2019, Table 1; He et al., Deep residual learning for image recognition, 2016, Section 4.2, option
        A.
    """
    return _resnet(in_shape, num_classes, 5)
