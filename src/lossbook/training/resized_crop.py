"""Random crops of any size and shape, scaled to one size: the augmentation that is usual on ImageNet."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

_ATTEMPTS = 10
_AREA = (0.08, 1.0)
_RATIO = (3 / 4, 4 / 3)


def resized_crop_flip(images: Tensor, generator: Generator, size: int = 224) -> Tensor:
    """Crop at random, scale the crop to a square, and flip half of the images left to right.

    It is torchvision's ``RandomResizedCrop`` with its defaults, then its ``RandomHorizontalFlip``. Crops are
    those of :func:`boxes`; scaling is bilinear with antialiasing.

    Args:
        images: Float images, ``[B, C, H, W]``.
        generator: A generator on the CPU.
        size: Height and width of what comes out.

    References:
        Szegedy et al., Going deeper with convolutions, 2015, Section 6.
    """
    count, channels, height, width = images.shape
    places = boxes(count, height, width, generator).tolist()
    flip = (torch.rand(count, generator=generator) < 0.5).tolist()
    out = torch.empty(
        (count, channels, size, size),
        dtype=images.dtype,
        device=images.device,
        memory_format=torch.channels_last,
    )
    for at, (top, left, tall, wide) in enumerate(places):
        crop = images[at : at + 1, :, top : top + tall, left : left + wide]
        scaled = F.interpolate(crop, (size, size), mode="bilinear", antialias=True)
        out[at] = scaled[0].flip(2) if flip[at] else scaled[0]
    return out


def boxes(count: int, height: int, width: int, generator: Generator) -> Tensor:
    """Random boxes within an image: top, left, height and width of each, int64 ``[count, 4]``.

    A box's share of the image is uniform from 0.08 to 1, the logarithm of its width over its height uniform
    from that of 3/4 to that of 4/3, and its place uniform. One that does not fit is drawn again, up to ten
    times; then the largest central box with a ratio in that range is taken.

    Args:
        count: How many.
        height: Height of the image.
        width: Its width.
        generator: A generator on the CPU.
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(_ATTEMPTS, count, generator=generator)

    area = uniform(*_AREA) * height * width
    ratio = uniform(math.log(_RATIO[0]), math.log(_RATIO[1])).exp()
    place = torch.rand(2, count, generator=generator)
    wide, tall = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (tall > 0) & (tall <= height) & (wide > 0) & (wide <= width)
    first = fits.int().argmax(0, keepdim=True)
    tall, wide = tall.gather(0, first)[0], wide.gather(0, first)[0]
    top, left = (place[0] * (height - tall + 1)).floor(), (place[1] * (width - wide + 1)).floor()
    found = torch.stack([top, left, tall, wide], 1).long()
    most = (min(height, round(width / _RATIO[0])), min(width, round(height * _RATIO[1])))
    central = ((height - most[0]) // 2, (width - most[1]) // 2, *most)
    return torch.where(fits.any(0).unsqueeze(1), found, torch.tensor(central))
