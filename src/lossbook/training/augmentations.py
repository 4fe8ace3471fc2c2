"""Augmentations by name."""

import importlib
from collections.abc import Callable

from torch import Generator, Tensor

from lossbook.errors import UnknownNameError

#: From a batch of float images ``[B, C, H, W]`` and a generator on the CPU to such a batch.
Augmentation = Callable[[Tensor, Generator], Tensor]

# Module and function of each. They are imported when they are asked for: a record depends on the code of its
# own.
_AUGMENTATIONS = {
    "crop_flip": ("augment", "crop_flip"),
    "crop_flip_rotate": ("augment_more", "crop_flip_rotate"),
    "crop_flip_rotate_erase": ("augment_more", "crop_flip_rotate_erase"),
    "crop_flip_rotate_jitter": ("augment_more", "crop_flip_rotate_jitter"),
    "crop_flip_erase": ("augment_more", "crop_flip_erase"),
    "keras_shift_flip": ("augment", "keras_shift_flip"),
    "none": ("augment", "none"),
    "resized_crop_flip": ("resized_crop", "resized_crop_flip"),
    "shift_flip": ("augment", "shift_flip"),
    "shift_flip_erase": ("augment_more", "shift_flip_erase"),
    "shift_flip_jitter": ("augment_more", "shift_flip_jitter"),
    "shift_flip_rotate": ("augment_more", "shift_flip_rotate"),
    "shift_flip_rotate_erase": ("augment_more", "shift_flip_rotate_erase"),
}


def get(name: str) -> Augmentation:
    """The augmentation of that name.

    Raises:
        UnknownNameError: An unknown name; the message names the nearest.
    """
    if name not in _AUGMENTATIONS:
        raise UnknownNameError("augmentation", name, sorted(_AUGMENTATIONS))
    module, function = _AUGMENTATIONS[name]
    found: Augmentation = getattr(importlib.import_module(f"lossbook.training.{module}"), function)
    return found
