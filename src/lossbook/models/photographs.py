"""torchvision's networks for ImageNet, drawn anew, with what its weights expect of an image in front of them.

Each takes photographs ``[B, 3, H, W]`` with values from 0 to 1. Of a photograph larger than 224 x 224 it sees
the centre alone, and it standardises every channel with the constants that torchvision's networks are trained
with. So a test image of 256 x 256 is cropped as at the end of torchvision's transforms, and a training image
that has been cropped to 224 x 224 stays whole.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

#: Side of what the networks see, in pixels.
SIDE = 224
#: Mean and standard deviation of each channel, as in torchvision's transforms and PyTorch's ImageNet example.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Photographs(nn.Module):
    """A network behind a central crop to 224 x 224 and the standardisation of its channels."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module) -> None:
        """Take the network.

        Args:
            network: Takes standardised images ``[B, 3, H, W]`` with sides of up to 224 pixels.
        """
        super().__init__()
        self.network = network
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            # Constants, so they are no part of the weights.
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B, K]`` of images ``[B, 3, H, W]`` with values from 0 to 1."""
        standard: Tensor = (centre(images) - self.mean) / self.deviation
        logits: Tensor = self.network(standard)
        return logits


def centre(images: Tensor, side: int = SIDE) -> Tensor:
    """The centre of images, ``side`` pixels high and wide; a side that is no longer stays as it is.

    Args:
        images: ``[B, C, H, W]``.
        side: Length of a side.
    """
    height, width = images.shape[2:]
    # As torchvision's CenterCrop rounds.
    top, left = (max(0, round((length - side) / 2)) for length in (height, width))
    return images[:, :, top : top + min(side, height), left : left + min(side, width)]


def imagenet_resnet18(in_shape: tuple[int, ...], num_classes: int = 1000) -> nn.Module:
    """ResNet-18: 11,689,512 parameters with a thousand classes.

    Args:
        in_shape: Shape of one input, ``(3, height, width)``.
        num_classes: Number of logits.

    Raises:
        ValueError: Other than three channels.

    References:
        He et al., Deep residual learning for image recognition, 2016, Table 1.
    """
    from torchvision import models

    return _photographs(models.resnet18, in_shape, num_classes)


def imagenet_resnet34(in_shape: tuple[int, ...], num_classes: int = 1000) -> nn.Module:
    """ResNet-34: 21,797,672 parameters with a thousand classes. As :func:`imagenet_resnet18`."""
    from torchvision import models

    return _photographs(models.resnet34, in_shape, num_classes)


def imagenet_resnet50(in_shape: tuple[int, ...], num_classes: int = 1000) -> nn.Module:
    """ResNet-50: 25,557,032 parameters with a thousand classes. As :func:`imagenet_resnet18`."""
    from torchvision import models

    return _photographs(models.resnet50, in_shape, num_classes)


def imagenet_resnet101(in_shape: tuple[int, ...], num_classes: int = 1000) -> nn.Module:
    """ResNet-101: 44,549,160 parameters with a thousand classes. As :func:`imagenet_resnet18`."""
    from torchvision import models

    return _photographs(models.resnet101, in_shape, num_classes)


def imagenet_resnext50(in_shape: tuple[int, ...], num_classes: int = 1000) -> nn.Module:
    """ResNeXt-50 with 32 groups of 4 channels: 25,028,904 parameters with a thousand classes.

    Args:
        in_shape: Shape of one input, ``(3, height, width)``.
        num_classes: Number of logits.

    Raises:
        ValueError: Other than three channels.

    References:
        Xie et al., Aggregated residual transformations for deep neural networks, 2017, Table 1.
    """
    from torchvision import models

    return _photographs(models.resnext50_32x4d, in_shape, num_classes)


def imagenet_resnext101(in_shape: tuple[int, ...], num_classes: int = 1000) -> nn.Module:
    """ResNeXt-101 with 32 groups of 8 channels: 88,791,336 parameters. As :func:`imagenet_resnext50`."""
    from torchvision import models

    return _photographs(models.resnext101_32x8d, in_shape, num_classes)


def imagenet_shufflenet_v2(in_shape: tuple[int, ...], num_classes: int = 1000) -> nn.Module:
    """The second ShuffleNet at its width 1: 2,278,604 parameters with a thousand classes.

    Args:
        in_shape: Shape of one input, ``(3, height, width)``.
        num_classes: Number of logits.

    Raises:
        ValueError: Other than three channels.

    References:
        Ma et al., ShuffleNet V2: practical guidelines for efficient CNN architecture design, 2018, Table 5.
    """
    from torchvision import models

    return _photographs(models.shufflenet_v2_x1_0, in_shape, num_classes)


def _photographs(build: Callable[..., nn.Module], in_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    if in_shape[0] != 3:
        raise ValueError(f"networks for photographs take images of three channels; got {in_shape[0]}")
    return Photographs(build(num_classes=num_classes))
