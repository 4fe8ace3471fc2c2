"""Rotation, random erasing and colour jitter of batches."""

import math

import pytest
import torch

from lossbook.training import augment, augment_more, augmentations

COUNT = 400


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def noise():
    return torch.rand(COUNT, 3, 16, 16, generator=generator(1))


def test_rotation_turns_about_the_centre_by_up_to_five_degrees():
    """Bilinear sampling of a linear ramp is exact, so its slopes say by which angle an image was turned."""
    size = 33
    down, across = torch.meshgrid(torch.arange(size) - 16.0, torch.arange(size) - 16.0, indexing="ij")
    ramp = torch.stack([down, across]).expand(COUNT, -1, -1, -1)
    out = augment_more.rotate(ramp, generator())
    torch.testing.assert_close(out[:, :, 16, 16], torch.zeros(COUNT, 2), atol=1e-4, rtol=0)
    along_row = out[:, :, 16, 20] / 4
    torch.testing.assert_close(along_row.norm(dim=1), torch.ones(COUNT))
    degrees = torch.rad2deg(torch.atan2(along_row[:, 0], along_row[:, 1]))
    assert 4.8 < float(degrees.max()) <= 5 + 1e-3
    assert -5 - 1e-3 <= float(degrees.min()) < -4.8
    assert abs(float(degrees.mean())) < 5 * 5 / math.sqrt(3 * COUNT)
    # The other axis is at a right angle: nothing is stretched or sheared.
    along_column = out[:, :, 20, 16] / 4
    torch.testing.assert_close((along_row * along_column).sum(1), torch.zeros(COUNT), atol=1e-5, rtol=0)


def test_erasing_takes_a_rectangle_of_half_of_the_images(noise):
    out = augment_more.erase(noise, generator())
    changed = (out != noise).any(1)
    touched = changed.flatten(1).any(1)
    assert 0.4 < float(touched.float().mean()) < 0.6
    for image, before, where in zip(out[touched], noise[touched], changed[touched], strict=True):
        rows, columns = where.any(1).nonzero().flatten(), where.any(0).nonzero().flatten()
        tall, wide = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        assert where.sum() == tall * wide, "one whole rectangle"
        assert tall < 16
        assert wide < 16
        # Sides are rounded to whole pixels, so the bounds hold up to a pixel on either.
        assert (tall + 0.5) * (wide + 0.5) >= 0.02 * 256
        assert (tall - 0.5) * (wide - 0.5) <= 0.33 * 256
        mean = before.mean((1, 2))
        torch.testing.assert_close(image[:, rows[0], columns[0]], mean)
        torch.testing.assert_close(image[:, rows[-1], columns[-1]], mean)


def test_rectangles_reach_every_border(noise):
    changed = (augment_more.erase(noise, generator(2)) != noise).any(1)
    for edge in (changed[:, 0], changed[:, -1], changed[:, :, 0], changed[:, :, -1]):
        assert edge.any()


def test_jitter_changes_brightness_contrast_and_saturation(noise):
    grey = noise[:, :1].expand(-1, 3, -1, -1)
    # A grey image stays grey.
    out = augment_more.jitter(grey, generator())
    torch.testing.assert_close(out[:, 0], out[:, 2], atol=1e-6, rtol=0)
    # An even one has no contrast: its value is multiplied by the brightness alone.
    even = torch.full((COUNT, 3, 4, 4), 0.5)
    factor = augment_more.jitter(even, generator())[:, 0, 0, 0] / 0.5
    assert 0.6 <= float(factor.min()) < 0.62
    assert 1.38 < float(factor.max()) <= 1.4
    out = augment_more.jitter(noise, generator())
    assert float(out.min()) >= 0
    assert float(out.max()) <= 1
    spread = (out.amax(1) - out.amin(1)).mean((1, 2)) / (noise.amax(1) - noise.amin(1)).mean((1, 2))
    assert float(spread.min()) < 0.7
    assert float(spread.max()) > 1.1


def test_jitter_takes_images_of_one_channel():
    assert augment_more.jitter(torch.rand(4, 1, 8, 8), generator()).shape == (4, 1, 8, 8)


NEW = [
    name for name in augmentations._AUGMENTATIONS if augmentations._AUGMENTATIONS[name][0] == "augment_more"
]


@pytest.mark.parametrize("name", NEW)
def test_the_generator_alone_decides_and_memory_keeps_its_order(name, noise):
    images = noise.contiguous(memory_format=torch.channels_last)
    change = augmentations.get(name)
    first, again, other = (change(images, generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == images.shape
    assert first.is_contiguous(memory_format=torch.channels_last)


def test_each_begins_with_the_shift_that_its_name_says(noise):
    plain = augment.shift_flip(noise, generator())
    erased = augment_more.shift_flip_erase(noise, generator())
    same = (plain == erased).all(1).float().mean()
    assert 0.8 < float(same) < 0.99
