"""Rotation, random erasing and colour jitter of whole batches of float images ``[B, C, H, W]``."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from lossbook.training.augment import crop_flip, shift_flip

_ATTEMPTS = 10
# How much each channel counts for the grey value, as in ITU-R 601.
_GREY = (0.299, 0.587, 0.114)


def rotate(images: Tensor, generator: Generator, degrees: float = 5.0) -> Tensor:
    """Rotate about the centre by a uniform angle of up to this many degrees either way.

    Values between pixels are bilinear, and outside the image there are zeros.

    Args:
        images: Float images, ``[B, C, H, W]``.
        generator: A generator on the CPU.
        degrees: Largest angle.
    """
    count, _, height, width = images.shape
    angle = (torch.rand(count, generator=generator) * 2 - 1) * math.radians(degrees)
    theta = torch.zeros(count, 2, 3)
    # The sampling grid runs from -1 to 1 along either side, whatever its length.
    theta[:, 0, 0] = theta[:, 1, 1] = angle.cos()
    theta[:, 0, 1] = -angle.sin() * height / width
    theta[:, 1, 0] = angle.sin() * width / height
    grid = F.affine_grid(theta.to(images.device), list(images.shape), align_corners=False)
    turned = F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return turned.contiguous(memory_format=torch.channels_last)


def erase(
    images: Tensor,
    generator: Generator,
    probability: float = 0.5,
    area: tuple[float, float] = (0.02, 0.33),
    ratio: tuple[float, float] = (0.3, 3.3),
) -> Tensor:
    """Replace a random rectangle of some of the images by the image's mean colour.

    A rectangle's share of the image is uniform, the logarithm of its height over its width too, and so is its
    place. One that does not fit is drawn again, up to ten times; then the image stays as it is. That is
    torchvision's ``RandomErasing`` but for the colour, which there is zero after standardisation.

    Args:
        images: Float images, ``[B, C, H, W]``.
        generator: A generator on the CPU.
        probability: How many of the images.
        area: Least and largest share of the image.
        ratio: Least and largest height over width.

    References:
        Zhong et al., Random erasing data augmentation, 2020.
    """
    count, _, height, width = images.shape

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(_ATTEMPTS, count, generator=generator)

    size = uniform(*area) * height * width
    shape = uniform(math.log(ratio[0]), math.log(ratio[1])).exp()
    tall, wide = (size * shape).sqrt().round(), (size / shape).sqrt().round()
    place = torch.rand(2, count, generator=generator)
    chosen = torch.rand(count, generator=generator) < probability
    fits = (tall < height) & (wide < width)
    first = fits.int().argmax(0, keepdim=True)
    tall, wide = tall.gather(0, first)[0], wide.gather(0, first)[0]
    top = (place[0] * (height - tall + 1)).floor()
    left = (place[1] * (width - wide + 1)).floor()
    rows, columns = torch.arange(height), torch.arange(width)
    down = (rows >= top.unsqueeze(1)) & (rows < (top + tall).unsqueeze(1))
    across = (columns >= left.unsqueeze(1)) & (columns < (left + wide).unsqueeze(1))
    inside = down.unsqueeze(2) & across.unsqueeze(1) & (chosen & fits.any(0)).view(-1, 1, 1)
    return torch.where(inside.unsqueeze(1).to(images.device), images.mean((2, 3), keepdim=True), images)


def jitter(images: Tensor, generator: Generator, most: float = 0.4) -> Tensor:
    """Change brightness, contrast and saturation, in this order, each by a factor around 1.

    A factor is uniform from ``1 - most`` to ``1 + most``; the image is mixed in this proportion with black,
    with its mean grey, and with its own grey version, and cut off at 0 and 1. torchvision's ``ColorJitter``
    draws the order too. Images of one channel have no saturation.

    Args:
        images: Float images with values from 0 to 1, ``[B, C, H, W]``.
        generator: A generator on the CPU.
        most: Largest change of a factor.
    """
    draws = 1 + most * (2 * torch.rand(3, len(images), generator=generator) - 1)
    bright, contrast, colour = draws.to(images).view(3, -1, 1, 1, 1)
    images = (images * bright).clamp(0, 1)
    images = _mixed(images, _grey(images).mean((2, 3), keepdim=True), contrast)
    return _mixed(images, _grey(images), colour) if images.shape[1] == 3 else images


def _mixed(images: Tensor, others: Tensor, factor: Tensor) -> Tensor:
    return (others + factor * (images - others)).clamp(0, 1)


def _grey(images: Tensor) -> Tensor:
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    weights = torch.tensor(_GREY, device=images.device, dtype=images.dtype).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def shift_flip_rotate(images: Tensor, generator: Generator) -> Tensor:
    """:func:`~lossbook.training.augment.shift_flip`, then :func:`rotate`."""
    return rotate(shift_flip(images, generator), generator)


def shift_flip_erase(images: Tensor, generator: Generator) -> Tensor:
    """:func:`~lossbook.training.augment.shift_flip`, then :func:`erase`."""
    return erase(shift_flip(images, generator), generator)


def shift_flip_rotate_erase(images: Tensor, generator: Generator) -> Tensor:
    """:func:`shift_flip_rotate`, then :func:`erase`."""
    return erase(shift_flip_rotate(images, generator), generator)


def shift_flip_jitter(images: Tensor, generator: Generator) -> Tensor:
    """:func:`~lossbook.training.augment.shift_flip`, then :func:`jitter`."""
    return jitter(shift_flip(images, generator), generator)


def crop_flip_rotate(images: Tensor, generator: Generator) -> Tensor:
    """:func:`~lossbook.training.augment.crop_flip`, then :func:`rotate`."""
    return rotate(crop_flip(images, generator), generator)


def crop_flip_erase(images: Tensor, generator: Generator) -> Tensor:
    """:func:`~lossbook.training.augment.crop_flip`, then :func:`erase`."""
    return erase(crop_flip(images, generator), generator)


def crop_flip_rotate_erase(images: Tensor, generator: Generator) -> Tensor:
    """:func:`crop_flip_rotate`, then :func:`erase`."""
    return erase(crop_flip_rotate(images, generator), generator)


def crop_flip_rotate_jitter(images: Tensor, generator: Generator) -> Tensor:
    """:func:`crop_flip_rotate`, then :func:`jitter`."""
    return jitter(crop_flip_rotate(images, generator), generator)
