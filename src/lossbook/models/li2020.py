"""The four networks of li2020: CNN2C and CNN5C for 28x28 images, MobileNetV2 and ResNet-18 for CIFAR-10.

All end in logits. Weights start as PyTorch (CNN2C, CNN5C) and torchvision (the other two) start them: the
paper says nothing about it.
"""

from torch import nn


def cnn2c(in_shape: tuple[int, int, int], num_classes: int = 10) -> nn.Module:
    """CNN2C: two convolutions, two max-poolings, one linear layer.

    It has 33,580 parameters on 28x28 images and ten classes. Table 2 names no activation function; a
    rectifier follows each convolution here.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``, height and width at least 16.
        num_classes: Number of logits.

    Raises:
        ValueError: An image too small for the layers.

    References:
        li2020, Table 2.
    """
    channels, height, width = in_shape
    sides = [((side - 4) // 2 - 4) // 2 for side in (height, width)]
    _check_sides("CNN2C", 16, height, width)
    return nn.Sequential(
        nn.Conv2d(channels, 20, 5),
        # Pooling before the rectifier gives the same numbers and rectifies a quarter as many.
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Conv2d(20, 50, 5),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(50 * sides[0] * sides[1], num_classes),
    )


def cnn5c(in_shape: tuple[int, int, int], num_classes: int = 10) -> nn.Module:
    """CNN5C: five convolutions, three of them with batch normalisation, one linear layer.

    It has 1,573,834 parameters on 28x28 images and ten classes. Table 2 cannot be built as printed: no
    padding leads from 28x28 pixels to a last pooling of kernel 8 that leaves 512 values. Without padding 7x7
    pixels are left there. So the last pooling takes all that is left, and the network ends in 512 values as
    printed. A rectifier follows each convolution, behind its normalisation.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``, height and width at least 16.
        num_classes: Number of logits.

    Raises:
        ValueError: An image too small for the layers.

    References:
        li2020, Table 2.
    """
    channels, height, width = in_shape
    _check_sides("CNN5C", 16, height, width)
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 64, 3),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.Conv2d(64, 128, 3),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Conv2d(128, 256, 3),
        nn.BatchNorm2d(256),
        nn.ReLU(inplace=True),
        nn.Conv2d(256, 512, 3),
        nn.AdaptiveMaxPool2d(1),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(512, num_classes),
    )


def mobilenet_v2(in_shape: tuple[int, int, int], num_classes: int = 10) -> nn.Module:
    """MobileNetV2 for images of 32x32 pixels: strides of 1 where the original halves the image at first.

    It has 2,236,682 parameters on RGB images and ten classes. The paper trains "publicly available
    implementations" for CIFAR-10 and names none. Those lower the strides of the first convolution and of the
    second stage to 1, as here, and leave out dropout.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.

    References:
        li2020, Model setup and Table 4.
    """
    from torchvision.models import MobileNetV2

    # Expansion, channels, blocks, stride of the first block.
    stages = [[1, 16, 1, 1], [6, 24, 2, 1], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2]]
    network = MobileNetV2(num_classes, inverted_residual_setting=[*stages, [6, 320, 1, 1]], dropout=0.0)
    first = network.features[0][0]
    network.features[0][0] = _convolution(in_shape[0], first.out_channels)
    return network


def resnet18(in_shape: tuple[int, int, int], num_classes: int = 10) -> nn.Module:
    """ResNet-18 for images of 32x32 pixels: a first convolution of 3x3 at stride 1, and no pooling behind it.

    It has 11,173,962 parameters on RGB images and ten classes.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.

    References:
        li2020, Model setup and Table 4.
    """
    from torchvision.models import ResNet
    from torchvision.models.resnet import BasicBlock

    network = ResNet(BasicBlock, [2, 2, 2, 2], num_classes)
    network.conv1 = _convolution(in_shape[0], network.conv1.out_channels)
    network.maxpool = nn.Identity()
    return network


def _convolution(channels: int, out_channels: int) -> nn.Conv2d:
    """A first convolution that keeps the size of the image, started as torchvision starts the others."""
    layer = nn.Conv2d(channels, out_channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


def _check_sides(name: str, least: int, height: int, width: int) -> None:
    if min(height, width) < least:
        raise ValueError(
            f"{name} needs images of at least {least}x{least} pixels; got {height}x{width}. "
            "Smaller images vanish in its convolutions and poolings"
        )
