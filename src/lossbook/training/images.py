"""The task of images: pixels to a network's input, with their scaling and augmentation."""

from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor, nn

from lossbook.training.steps import Inputs

if TYPE_CHECKING:
    from lossbook.datasets.data import Dataset, ImageFiles, Part
    from lossbook.training.augmentations import Augmentation

#: Scalings of pixels besides 0 to 1, by name.
SCALINGS = ("standardised",)


class Images:
    r"""Images ``uint8 [N, H, W, C]`` as floats ``[B, C, H, W]``, channels last in memory.

    Pixels lie in 0 to 1, or every channel has mean 0 and standard deviation 1 over the training images:

    .. math:: x \mapsto \frac{x - \mu_c}{\sigma_c}

    Augmentation comes first, on pixels from 0 to 1.
    """

    def __init__(self, data: "Dataset", *, pixels: str | None, augmentation: "Augmentation") -> None:
        """Fit the scaling to the training images.

        Args:
            data: The images of the run, on their device.
            pixels: One of :data:`SCALINGS`; None for 0 to 1.
            augmentation: From a batch and a generator to a batch.

        Raises:
            ValueError: A channel to be standardised has one value throughout.
        """
        train = data.parts["train"]
        _, height, width, channels = _pixels(train).shape
        self.in_shape: tuple[int, ...] = (channels, height, width)
        self.augmentation = augmentation
        self._mean: Tensor | None = None
        if pixels is not None:
            mean, deviation = _statistics(_pixels(train))
            device = train.targets.device
            self._mean = mean.float().reshape(1, -1, 1, 1).to(device)
            self._deviation = deviation.float().reshape(1, -1, 1, 1).to(device)

    def place(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Put a network where and how it is trained."""
        placed: nn.Module = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return placed

    def batch(self, part: "Part", rows: Tensor, noise: Generator | None) -> Inputs:
        """What a network is given of some rows.

        Args:
            part: Where the rows are from.
            rows: Row numbers, on the part's device.
            noise: Draws the augmentation; None for none, in evaluation.
        """
        images = to_float(_pixels(part)[rows].to(part.targets.device))
        if noise is not None:
            images = self.augmentation(images, noise)
        if self._mean is not None:
            images = (images - self._mean) / self._deviation
        return (images,)


def to_float(images: Tensor) -> Tensor:
    """From ``uint8 [B, H, W, C]`` to float in [0, 1], ``[B, C, H, W]``, channels last in memory."""
    return images.permute(0, 3, 1, 2).float().div_(255)


def _pixels(part: "Part") -> "Tensor | ImageFiles":
    assert not isinstance(part.inputs, tuple)
    return part.inputs


def _statistics(images: "Tensor | ImageFiles") -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, pixels from 0 to 1; float64 ``[C]``."""
    values = torch.arange(256, dtype=torch.float64) / 255
    # By counting: exact sums, in little memory.
    blocks = [images[rows] for rows in torch.arange(len(images)).split(4096)]
    counts = sum(
        torch.stack([channel.flatten().cpu().bincount(minlength=256) for channel in block.unbind(3)])
        for block in blocks
    )
    assert isinstance(counts, Tensor)
    share = counts / counts.sum(1, keepdim=True).double()
    mean = share @ values
    deviation = (share * (values - mean.unsqueeze(1)) ** 2).sum(1).sqrt()
    if not bool((deviation > 0).all()):
        constant = int((deviation == 0).nonzero()[0])
        raise ValueError(f"channel {constant} has one value in all training images, so its deviation is 0")
    return mean, deviation
