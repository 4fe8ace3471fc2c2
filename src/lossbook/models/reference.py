"""A reference network for images of 32x32 pixels, in two sizes, to be trained on a processor in minutes.

Test accuracy with cross-entropy by the recipe in :mod:`lossbook.papers.recipe`, mean of 3 seeds and its 95%
interval, test images used once:

- small, 9 epochs: 91.05% ± 0.15 on CIFAR-10, 65.51% ± 0.45 on CIFAR-100. The shortest run took 8.3 minutes.
- large, 12 epochs on CIFAR-10: 92.28% ± 0.52; the shortest run took 16.3 minutes.
- large, 20 epochs on CIFAR-100: 71.85% ± 0.70; the shortest run took 26.1 minutes.

CIFAR-10 had 9,980 of its 10,000 test images. Each run had one core of an AMD EPYC (AVX-512 with bfloat16,
torch 2.15) whose other core trained another: two cores made two runs in that time.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_PATCH = 2
# What is added to the variance of a direction, so that directions without any are not blown up.
_LEAST_VARIANCE = 5e-4
# The logits of a fresh network should be small: its features are not.
_SCALE = 1 / 8


class ReferenceNetwork(nn.Module):
    r"""A whitening layer and three stages of two 3x3 convolutions, each stage on a quarter of the pixels.

    The first layer takes patches of 2x2 pixels to their principal components, scaled to variance 1, and to
    the same with the opposite sign. It is fitted to the training images, and not trained:

    .. math:: \Bigl\{\pm \frac{v_i}{\sqrt{\lambda_i + \varepsilon}}\Bigr\}, \quad
              \mathbf E[x x^T] = \sum_i \lambda_i v_i v_i^T

    The other convolutions start as the identity on the channels of their input, and at random where they have
    more. Behind each are batch normalisation and a rectifier; the first of a stage has its pooling before
    both, where they cost a quarter. The features are the maxima over the pixels of the last stage.

    References:
        Whitening, identities at the start and scaled logits are found in K. Jordan, 94% on CIFAR-10 in 3.29
        seconds on a single GPU, 2024, and in the work that it builds on.
    """

    def __init__(
        self, in_shape: tuple[int, ...], num_classes: int, widths: tuple[int, int, int], dropout: float
    ) -> None:
        """Draw the weights.

        Args:
            in_shape: ``(channels, height, width)``, height and width at least 17.
            num_classes: Number of logits.
            widths: Channels of the stages.
            dropout: Share of the features that is dropped in training.

        Raises:
            ValueError: An image too small for the layers.
        """
        super().__init__()
        channels, height, width = in_shape
        if min(height, width) < 17:
            raise ValueError(
                f"the reference network needs images of at least 17x17 pixels; got {height}x{width}. "
                "Smaller images vanish in its poolings"
            )
        components = channels * _PATCH**2
        self.whitening = nn.Conv2d(channels, 2 * components, _PATCH)
        self.whitening.weight.requires_grad_(False)
        layers: list[nn.Module] = []
        last = 2 * components
        for stage in widths:
            layers += [
                _convolution(last, stage),
                nn.MaxPool2d(2),
                nn.BatchNorm2d(stage),
                nn.ReLU(inplace=True),
            ]
            layers += [_convolution(stage, stage), nn.BatchNorm2d(stage), nn.ReLU(inplace=True)]
            last = stage
        self.stages = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.output = nn.Linear(last, num_classes)

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Fit the first layer to training images ``[N, C, H, W]``, scaled as they will be given."""
        patches = F.unfold(images.double(), _PATCH)
        values, vectors = torch.linalg.eigh((patches @ patches.transpose(1, 2)).mean(0) / patches.shape[2])
        # The sign of an eigenvector is the library's whim; both are taken, and this says which comes first.
        vectors = vectors * torch.where(vectors.sum(0) < 0, -1.0, 1.0)
        filters = (vectors / (values + _LEAST_VARIANCE).sqrt()).T.reshape(-1, images.shape[1], _PATCH, _PATCH)
        self.whitening.weight.copy_(torch.cat([filters, -filters]))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``[B, K]``."""
        stages: Tensor = self.stages(F.relu(self.whitening(images)))
        logits: Tensor = self.output(self.dropout(stages.amax((2, 3)))) * _SCALE
        return logits


def _convolution(channels: int, out_channels: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, out_channels, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(layer.weight[:channels])
    return layer


def reference_small(in_shape: tuple[int, ...], num_classes: int = 10, *, dropout: float = 0.0) -> nn.Module:
    """The small reference network: stages of 64, 128 and 128 channels.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.
        dropout: Share of the features that is dropped in training, before the output.

    Raises:
        ValueError: An image too small for the layers.
    """
    return ReferenceNetwork(in_shape, num_classes, (64, 128, 128), dropout)


def reference_large(in_shape: tuple[int, ...], num_classes: int = 10, *, dropout: float = 0.0) -> nn.Module:
    """The large reference network: stages of 64, 192 and 256 channels.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``.
        num_classes: Number of logits.
        dropout: Share of the features that is dropped in training, before the output.

    Raises:
        ValueError: An image too small for the layers.
    """
    # Not 256 in the second: in bfloat16 a convolution from 64 to 256 channels reaches 0.6 of the rate of one
    # from 64 to 192 (two cores of an AMD EPYC, torch 2.15).
    return ReferenceNetwork(in_shape, num_classes, (64, 192, 256), dropout)
