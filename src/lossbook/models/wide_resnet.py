"""Wide residual networks in their form for CIFAR: few layers, many channels, normalisation before each."""

from torch import Tensor, nn
from torch.nn import functional as F

_STAGES = (16, 32, 64)


class PreActivated(nn.Module):
    """Two convolutions, each after normalisation and ReLU; the shortcut is a 1x1 one where shapes differ."""

    def __init__(self, channels: int, out_channels: int, stride: int) -> None:
        """Draw the weights.

        Args:
            channels: Of the input.
            out_channels: Of the output; another number where the stride is not 1.
            stride: Of the first convolution.
        """
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, out_channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.shortcut = (
            None if channels == out_channels else nn.Conv2d(channels, out_channels, 1, stride, bias=False)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the branch and the shortcut, added."""
        ready = F.relu(self.bn1(images))
        out: Tensor = self.conv2(F.relu(self.bn2(self.conv1(ready))))
        return out + (images if self.shortcut is None else self.shortcut(ready))


def wide_resnet28_10(in_shape: tuple[int, ...], num_classes: int = 10) -> nn.Module:
    """WideResNet-28-10: three stages of four blocks with 160, 320 and 640 channels, without dropout.

    It has 36,479,194 parameters on RGB images and ten classes (36.5 million in the paper). The 28 layers are
    its convolutions, shortcuts of 1x1 counted in. Weights are drawn as in He et al., Delving deep into
    rectifiers, 2015.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``, at least 4 pixels high and wide.
        num_classes: Number of logits.

    References:
        dong2019, Table 1; Zagoruyko and Komodakis, Wide residual networks, 2016, Section 2.
    """
    blocks, factor = 4, 10
    stages: list[nn.Module] = []
    channels = _STAGES[0]
    for stage, width in enumerate(_STAGES):
        for block in range(blocks):
            stages.append(PreActivated(channels, factor * width, 2 if stage and not block else 1))
            channels = factor * width
    network = nn.Sequential(
        nn.Conv2d(in_shape[0], _STAGES[0], 3, 1, 1, bias=False),
        *stages,
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, num_classes),
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return network
