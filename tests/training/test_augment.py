"""Random shifts and flips."""

import pytest
import torch

from lossbook.errors import UnknownNameError
from lossbook.training import augment, augmentations

COUNT = 400


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def moves():
    """Shifts ``[B, 2]`` (down, right) in pixels and flips ``[B]``, read off images that hold coordinates.

    Bilinear sampling of a linear ramp is exact, so the middle of the image says where it came from.
    """
    height, width = 20, 40
    down, right = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    ramps = torch.stack([down, right]).float().expand(COUNT, -1, -1, -1)
    out = augment.keras_shift_flip(ramps, generator())
    slope = out[:, 1, 10, 20] - out[:, 1, 10, 19]
    vertical = out[:, 0, 10, 20] - 10
    # At column 20 a flip alone shows column 19 of 0..39.
    horizontal = out[:, 1, 10, 20] - torch.where(slope < 0, 19.0, 20.0)
    return vertical, horizontal, slope


def test_shifts_stay_within_a_tenth_of_each_side_and_use_all_of_it(moves):
    vertical, horizontal, _ = moves
    for shift, limit in ((vertical, 2.0), (horizontal, 4.0)):
        assert shift.abs().max() <= limit + 1e-4
        assert shift.max() > 0.95 * limit
        assert shift.min() < -0.95 * limit
        # Uniform: mean 0, deviation limit / sqrt(3); five standard errors of room.
        assert shift.mean().abs() < 5 * limit / (3 * COUNT) ** 0.5
        assert shift.std().item() == pytest.approx(limit / 3**0.5, rel=0.15)


def test_shifts_are_not_in_whole_pixels(moves):
    for shift in moves[:2]:
        part = shift - shift.floor()
        assert ((part > 0.1) & (part < 0.9)).float().mean() > 0.7


def test_the_two_shifts_and_the_flip_are_independent(moves):
    vertical, horizontal, slope = moves
    correlation = torch.corrcoef(torch.stack([vertical, horizontal, slope])).fill_diagonal_(0)
    assert correlation.abs().max() < 5 / COUNT**0.5


def test_about_half_are_flipped_and_nothing_is_stretched(moves):
    slope = moves[2]
    torch.testing.assert_close(slope.abs(), torch.ones(COUNT), rtol=0, atol=1e-4)
    assert abs(int((slope < 0).sum()) - COUNT / 2) < 5 * (COUNT / 4) ** 0.5


def test_nothing_is_flipped_upside_down():
    ramp = torch.arange(20.0)[:, None].expand(50, 3, 20, 30)
    out = augment.keras_shift_flip(ramp, generator())
    assert (out.diff(dim=2)[:, :, 3:-3] > 0).all()


def test_each_image_is_sampled_between_its_pixels_and_beyond_them_from_its_border():
    """Against a sampler written out by hand, from the moves that two ramps beside the image tell."""
    image = torch.rand(16, 1, 10, 12, generator=generator(1))
    down, right = torch.meshgrid(torch.arange(10.0), torch.arange(12.0), indexing="ij")
    stacked = torch.cat([image, torch.stack([down, right]).expand(16, -1, -1, -1)], dim=1)
    out = augment.keras_shift_flip(stacked, generator())

    def pixel(picture, row, column):
        return picture[min(max(row, 0), 9), min(max(column, 0), 11)]

    for index in range(16):
        dy = out[index, 1, 5, 5] - 5
        slope = out[index, 2, 5, 6] - out[index, 2, 5, 5]
        start = out[index, 2, 5, 5]
        for row, column in [(0, 0), (0, 11), (9, 0), (9, 11), (4, 3), (6, 8)]:
            y, x = float(row + dy), float(start + slope * (column - 5))
            top, left = int(y // 1), int(x // 1)
            fy, fx = y - top, x - left
            expected = sum(
                wy * wx * pixel(image[index, 0], top + a, left + b)
                for a, wy in ((0, 1 - fy), (1, fy))
                for b, wx in ((0, 1 - fx), (1, fx))
            )
            assert out[index, 0, row, column].item() == pytest.approx(float(expected), abs=1e-4)


def test_no_value_that_was_not_there():
    images = torch.rand(50, 3, 8, 8, generator=generator(2)) * 0.5 + 0.25
    out = augment.keras_shift_flip(images, generator())
    assert out.shape == images.shape
    assert out.dtype == images.dtype
    assert out.min() >= images.min() - 1e-6
    assert out.max() <= images.max() + 1e-6
    constant = torch.full((20, 1, 9, 7), 0.7)
    torch.testing.assert_close(augment.keras_shift_flip(constant, generator()), constant)


def test_channels_move_together():
    images = torch.rand(20, 1, 9, 7, generator=generator(3)).expand(-1, 3, -1, -1)
    out = augment.keras_shift_flip(images, generator())
    assert torch.equal(out[:, 0], out[:, 1])
    assert torch.equal(out[:, 0], out[:, 2])


def test_the_generator_alone_decides():
    images = torch.rand(8, 3, 8, 8, generator=generator(4))
    kept, state = images.clone(), torch.get_rng_state()
    first = augment.keras_shift_flip(images, generator(5))
    torch.manual_seed(99)
    assert torch.equal(augment.keras_shift_flip(images, generator(5)), first)
    assert not torch.equal(augment.keras_shift_flip(images, generator(6)), first)
    same = generator(5)
    augment.keras_shift_flip(images, same)
    assert not torch.equal(augment.keras_shift_flip(images, same), first), "a second batch moves otherwise"
    assert torch.equal(images, kept)
    torch.set_rng_state(state)
    augment.keras_shift_flip(images, generator(5))
    assert torch.equal(torch.get_rng_state(), state)


def test_none_leaves_images_alone():
    images = torch.rand(2, 1, 4, 4)
    assert torch.equal(augmentations.get("none")(images, generator()), images)
    assert augmentations.get("keras_shift_flip") is augment.keras_shift_flip


def test_an_unknown_augmentation():
    with pytest.raises(UnknownNameError, match="augmentation 'shift_filp'; did you mean 'shift_flip'"):
        augmentations.get("shift_filp")


def numbered(count, height=6, width=5, channels=2):
    """Images whose every pixel has a number of its own, from 1."""
    size = channels * height * width
    return torch.arange(1.0, size + 1).view(1, channels, height, width).expand(count, -1, -1, -1)


def test_crops_are_shifted_by_whole_pixels_out_of_a_border_of_zeros():
    images = numbered(2000)
    out = augment.crop_flip(images, generator(), padding=2)
    assert out.shape == images.shape
    padded = torch.nn.functional.pad(images[0], (2, 2, 2, 2))
    windows = [
        padded[:, i : i + 6, j : j + 5].flip(2) if flip else padded[:, i : i + 6, j : j + 5]
        for i in range(5)
        for j in range(5)
        for flip in (False, True)
    ]
    same = (out.unsqueeze(1) == torch.stack(windows)).flatten(2).all(2)
    assert (same.sum(1) == 1).all()
    # 50 windows, all alike probable: 40 each; 5 standard deviations of room.
    assert (same.sum(0) - 40).abs().max() < 5 * 40**0.5


def test_crops_depend_on_the_generator_alone_and_keep_channels_last_in_memory():
    images = numbered(50)
    first = augment.crop_flip(images, generator(5))
    torch.manual_seed(99)
    assert torch.equal(augment.crop_flip(images, generator(5)), first)
    assert not torch.equal(augment.crop_flip(images, generator(6)), first)
    assert first.is_contiguous(memory_format=torch.channels_last)


def test_no_border_leaves_flips_only():
    images = numbered(40)
    out = augment.crop_flip(images, generator(), padding=0)
    kept = (out == images).flatten(1).all(1)
    assert torch.equal(out[~kept], images[~kept].flip(3))
    assert 5 < kept.sum() < 35


def test_shift_flip_is_a_shift_and_a_flip_of_each_image():
    images = torch.arange(1.0, 1 + COUNT * 2 * 6 * 7).view(COUNT, 2, 6, 7)
    out = augment.shift_flip(images, generator())
    draws = generator()
    shift = torch.randint(5, (COUNT, 2), generator=draws)
    flip = torch.rand(COUNT, generator=draws) < 0.5
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    for i in range(COUNT):
        top, left = shift[i].tolist()
        expected = padded[i, :, top : top + 6, left : left + 7]
        assert torch.equal(out[i], expected.flip(2) if flip[i] else expected)
    assert len({tuple(row) for row in shift.tolist()}) == 25
    assert out.is_contiguous(memory_format=torch.channels_last)
