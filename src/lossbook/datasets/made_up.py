"""Tiny sets of texts that this package makes up, for trying things out where no data set is at hand.

Words are drawn by a fixed rule. What a network learns of them says nothing about any language or loss.
"""

import hashlib
import random
from collections.abc import Callable

import numpy as np

from lossbook.datasets.arrays import content_checksum
from lossbook.datasets.data import Dataset, Part, Texts
from lossbook.datasets.registry import DatasetInfo

# A rating draws its words from its own row and from the neighbours', so that near ratings are confused.
_OPINIONS = (
    ("awful", "torn", "returned", "itchy", "worst"),
    ("poor", "thin", "tight", "cheap", "faded"),
    ("okay", "plain", "average", "decent", "fine"),
    ("good", "soft", "pretty", "comfortable", "nice"),
    ("perfect", "love", "gorgeous", "favourite", "wonderful"),
)
# How often each rating occurs, out of 16: most are the best, as in real reviews.
_RATINGS = (1, 1, 2, 3, 9)
_THINGS = ("dress", "top", "skirt", "jacket", "sweater", "coat")
_FILLERS = ("the", "this", "is", "and", "it", "really", "with", "color", "size", "looks")
_NAMES = ("anna", "ben", "carla", "david", "elena", "felix", "greta", "hugo")
_DEEDS = ("read", "sold", "found", "lost", "painted", "carried")


def read(info: DatasetInfo) -> Dataset:
    """A made-up set, the same every time.

    Args:
        info: Its entry in the registry; ``made_up_reviews`` or ``made_up_pairs``.
    """
    import torch

    make = {"made_up_reviews": _review, "made_up_pairs": _pair}[info.name]
    parts, checksums = {}, []
    for number, (part, size) in enumerate(info.parts.items()):
        texts, labels = _made(make, random.Random(number), size)
        parts[part] = Part(texts, torch.from_numpy(labels))
        checksums += [hashlib.sha256(repr(texts).encode()).hexdigest(), content_checksum(labels)]
    return Dataset(
        name=info.name,
        kind=info.kind,
        parts=parts,
        num_classes=info.num_classes,
        class_names=info.class_names,
        checksum=hashlib.sha256("\n".join(checksums).encode()).hexdigest(),
        notes=info.notes,
    )


def _made(
    make: Callable[[random.Random], tuple[tuple[str, ...], int]], source: random.Random, size: int
) -> tuple[Texts, np.ndarray]:
    made = [make(source) for _ in range(size)]
    return tuple(texts for texts, _ in made), np.array([label for _, label in made], dtype=np.int64)


def _review(source: random.Random) -> tuple[tuple[str, ...], int]:
    """A review and its rating, from 0."""
    rating = source.choices(range(5), _RATINGS)[0]
    words = [source.choice(_FILLERS), source.choice(_THINGS)]
    for _ in range(source.randint(2, 10)):
        near = min(4, max(0, rating + source.choices((-1, 0, 1), (1, 3, 1))[0]))
        words += [source.choice(_FILLERS), source.choice(_OPINIONS[near])]
    return (" ".join(words) + ".",), rating


def _pair(source: random.Random) -> tuple[tuple[str, ...], int]:
    """Two sentences, and 1 if the second repeats the name of the first."""
    name, thing = source.choice(_NAMES), source.choice(_THINGS)
    label = source.randint(0, 1)
    other = name if label else source.choice([each for each in _NAMES if each != name])
    return (f"{name} {source.choice(_DEEDS)} the {thing}.", f"the {thing} was seen by {other}."), label
