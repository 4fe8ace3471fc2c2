"""Random resized crops, against torchvision's."""

import math

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from lossbook.training import augmentations
from lossbook.training.resized_crop import boxes, resized_crop_flip

COUNT = 4000


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_each_image_is_torchvisions_crop_of_its_box():
    images = torch.rand(12, 3, 40, 40, generator=generator(1))
    out = resized_crop_flip(images, generator(), size=16)
    drawn = generator()
    places = boxes(12, 40, 40, drawn).tolist()
    flip = (torch.rand(12, generator=drawn) < 0.5).tolist()
    assert 0 < sum(flip) < 12
    for at, (top, left, tall, wide) in enumerate(places):
        theirs = functional.resized_crop(images[at], top, left, tall, wide, [16, 16], antialias=True)
        theirs = functional.horizontal_flip(theirs) if flip[at] else theirs
        torch.testing.assert_close(out[at], theirs)
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_boxes_lie_within_the_image_and_have_the_usual_sizes_and_shapes():
    found = boxes(COUNT, 256, 256, generator()).double()
    top, left, tall, wide = found.unbind(1)
    assert float(torch.stack([top, left]).min()) == 0
    assert float((top + tall).max()) == float((left + wide).max()) == 256
    share, ratio = tall * wide / 256**2, wide / tall
    # Sides are rounded to whole pixels: half a pixel of the 63 that the narrowest has.
    assert 0.08 * 0.98 < float(share.min()) < 0.09
    assert 0.98 < float(share.max()) <= 1
    assert 0.75 * 0.98 < float(ratio.min()) < 0.76
    assert 1.32 < float(ratio.max()) < 4 / 3 * 1.02
    assert abs(float(ratio.log().mean())) < 5 * math.log(4 / 3) / math.sqrt(3 * COUNT)


@pytest.mark.parametrize("size", [(256, 256), (200, 256)])
def test_boxes_are_drawn_as_torchvision_draws_them(size):
    """Means of the four numbers, to five standard errors."""
    mine = boxes(COUNT, *size, generator()).double()
    torch.manual_seed(0)
    crop = v2.RandomResizedCrop(224, antialias=True)
    image = torch.empty(3, *size)
    drawn = [crop.make_params([image]) for _ in range(COUNT)]
    theirs = torch.tensor([[d["top"], d["left"], d["height"], d["width"]] for d in drawn]).double()
    error = (mine.var(0) / COUNT + theirs.var(0) / COUNT).sqrt()
    assert bool(((mine.mean(0) - theirs.mean(0)).abs() < 5 * error).all())
    assert bool(((mine.var(0) / theirs.var(0)).log().abs() < 0.15).all())


def test_where_no_box_fits_the_largest_central_one_is_taken():
    """In 1 x 100 pixels a box is one pixel high if it fits; else a width of 4/3 is rounded to one pixel."""
    found = boxes(50, 1, 100, generator())
    assert found[:, 2].tolist() == [1] * 50
    assert [0, 49, 1, 1] in found.tolist()


def test_it_is_known_by_name_and_gives_224_pixels():
    named = augmentations.get("resized_crop_flip")
    assert named is resized_crop_flip
    assert named(torch.rand(2, 3, 256, 256), generator()).shape == (2, 3, 224, 224)
