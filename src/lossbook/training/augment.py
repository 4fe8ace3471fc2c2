"""Shifts, crops and flips of whole batches of float images ``[B, C, H, W]``."""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


def none(images: Tensor, generator: Generator) -> Tensor:  # noqa: ARG001
    """Leave the images as they are."""
    return images


def keras_shift_flip(images: Tensor, generator: Generator) -> Tensor:
    """Shift by up to a tenth of each side and flip half of the images left to right.

    Shifts are uniform and continuous, images between pixels are bilinear, and the border's pixels are
    repeated outside, as in the Keras image generator of 2018.

    Args:
        images: Float images, ``[B, C, H, W]``.
        generator: A generator on the CPU.
    """
    count = len(images)
    shift = torch.rand(count, 2, generator=generator) * 0.2 - 0.1
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = flip
    theta[:, 1, 1] = 1
    theta[:, :, 2] = 2 * shift  # The sampling grid runs from -1 to 1.
    grid = F.affine_grid(theta.to(images.device), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def crop_flip(images: Tensor, generator: Generator, padding: int = 4) -> Tensor:
    """Crop at random out of the image with a border of zeros, and flip half of the images left to right.

    Shifts are whole pixels, up to the width of the border in each direction, all alike probable.

    Args:
        images: Float images, ``[B, C, H, W]``.
        generator: A generator on the CPU.
        padding: Width of the border in pixels.
    """
    count, _, height, width = images.shape
    top = torch.randint(2 * padding + 1, (count, 1), generator=generator)
    left = torch.randint(2 * padding + 1, (count, 1), generator=generator)
    flip = torch.rand(count, 1, generator=generator) < 0.5
    rows = top + torch.arange(height)
    columns = left + torch.where(flip, torch.arange(width).flip(0), torch.arange(width))
    padded = F.pad(images, (padding,) * 4)
    which = torch.arange(count).view(-1, 1, 1)
    index = [each.to(images.device) for each in (which, rows.unsqueeze(2), columns.unsqueeze(1))]
    # Indexing puts the channels last, where the engine wants them in memory.
    return padded.permute(0, 2, 3, 1)[index[0], index[1], index[2]].permute(0, 3, 1, 2)


def shift_flip(images: Tensor, generator: Generator, most: int = 2) -> Tensor:
    """Shift by whole pixels, at random, and flip half of the images left to right.

    Shifts are uniform, up to ``most`` pixels in each direction, with zeros behind the border. Images with the
    same shift are copied together, which costs a fraction of what copying pixel by pixel does.

    Args:
        images: Float images, ``[B, C, H, W]``.
        generator: A generator on the CPU.
        most: Largest shift in pixels.
    """
    count, _, height, width = images.shape
    shift = torch.randint(2 * most + 1, (count, 2), generator=generator)
    flip = torch.rand(count, generator=generator) < 0.5
    # A permutation of the channels alone: memory stays as it is.
    padded = F.pad(images.permute(0, 2, 3, 1), (0, 0, most, most, most, most))
    out = torch.empty_like(images.permute(0, 2, 3, 1), memory_format=torch.contiguous_format)
    for top in range(2 * most + 1):
        for left in range(2 * most + 1):
            rows = ((shift[:, 0] == top) & (shift[:, 1] == left)).nonzero().squeeze(1).to(images.device)
            out[rows] = padded[rows, top : top + height, left : left + width]
    rows = flip.nonzero().squeeze(1).to(images.device)
    out[rows] = out[rows].flip(2)
    return out.permute(0, 3, 1, 2)
