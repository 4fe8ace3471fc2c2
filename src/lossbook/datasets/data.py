"""What a loaded data set is, whatever its examples are: parts with inputs, targets and groups."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lossbook.datasets.errors import DataDamagedError

if TYPE_CHECKING:
    import torch

#: For each example its texts: one, or the two of a pair of sentences.
Texts: TypeAlias = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images that stay on disk and are decoded when they are asked for.

    ``files[rows]`` decodes the images with these row numbers, an int64 tensor ``[B]`` or a slice, to uint8
    ``[B, H, W, C]``. An image of another size is scaled (bicubic, with antialiasing): with ``crop`` so that
    it covers H x W, keeping its proportions, and its centre is taken; without, it is stretched to H x W.

    Attributes:
        folder: Where the files are.
        names: Their paths within it, one per image.
        image_shape: (H, W, C) of a decoded image.
        crop: Whether proportions are kept.
    """

    folder: Path
    names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    crop: bool = False

    def __len__(self) -> int:
        return len(self.names)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, C), as a tensor of all the images would have."""
        return (len(self.names), *self.image_shape)

    def __getitem__(self, rows: "torch.Tensor | slice") -> "torch.Tensor":
        """Decode images.

        Raises:
            IndexError: There is no such row.
            DataDamagedError: A file is missing or is not an image; the message names it.
        """
        # Imported where it is used: listing and downloading data sets should not wait for it.
        import torch

        wanted = range(len(self))[rows] if isinstance(rows, slice) else rows.tolist()
        images = np.empty((len(wanted), *self.image_shape), dtype=np.uint8)
        for at, row in enumerate(wanted):
            images[at] = read_image(self.folder / self.names[row], self.image_shape, crop=self.crop)
        return torch.from_numpy(images)


def read_image(path: Path, shape: tuple[int, ...], *, crop: bool = False) -> np.ndarray:
    """One image file as uint8 ``[H, W, C]``; grey for C = 1, else RGB. See :class:`ImageFiles` for ``crop``.

    Raises:
        DataDamagedError: The file is missing or is not an image.
    """
    from PIL import Image, ImageOps

    height, width, channels = shape
    try:
        with Image.open(path) as opened:
            image: Image.Image = opened.convert("L" if channels == 1 else "RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataDamagedError(
            f"{path} cannot be read as an image: {error}. Put the file there again."
        ) from error
    if image.size != (width, height):
        method = Image.Resampling.BICUBIC
        size = (width, height)
        image = ImageOps.fit(image, size, method) if crop else image.resize(size, method)
    return np.asarray(image, dtype=np.uint8).reshape(shape)


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a data set, N examples.

    Attributes:
        inputs: Images uint8 ``[N, H, W, C]`` in memory or mapped from disk, or :class:`ImageFiles`; features
            float32 ``[N, D]``; or for each example a tuple of texts.
        targets: Class indices int64 ``[N]``, or, where an example has several labels, bool ``[N, K]``.
        groups: int64 ``[N]``: the camera of Market-1501, the drawer of Omniglot; None where there are none.
    """

    inputs: "torch.Tensor | ImageFiles | Texts"
    targets: "torch.Tensor"
    groups: "torch.Tensor | None" = None

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set, loaded.

    Attributes:
        name: Its name.
        kind: ``images``, ``features`` or ``texts``.
        parts: ``train`` and ``test``, and ``validation`` where one is published; ``train``, ``query`` and
            ``gallery`` of Market-1501; ``train`` and ``evaluation`` of Omniglot.
        num_classes: Number of classes K. In the two sets whose test classes are not seen in training, K is
            the number of training classes, and labels of the other parts go on from K.
        class_names: One name for each of the K classes.
        checksum: SHA-256 over the content, whatever files it came from; for :class:`ImageFiles` over names
            and sizes of the files in place of their content, with labels and groups.
        notes: What a reader must know of the set at hand, a sentence each.
    """

    name: str
    kind: str
    parts: Mapping[str, Part]
    num_classes: int
    class_names: tuple[str, ...]
    checksum: str
    notes: tuple[str, ...] = ()
