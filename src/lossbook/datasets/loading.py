"""Data sets as tensors."""

import importlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lossbook import paths
from lossbook.datasets import arrays, official
from lossbook.datasets.errors import DataDamagedError, DataUnavailableError
from lossbook.datasets.registry import ARRAYS, DatasetInfo
from lossbook.datasets.registry import info as find
from lossbook.errors import LossbookError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class ImageData:
    """An image set in memory, or mapped from disk.

    Attributes:
        name: The set's name.
        train_images: uint8 ``[N, H, W, C]``.
        train_labels: int64 ``[N]``.
        test_images: uint8 ``[M, H, W, C]``.
        test_labels: int64 ``[M]``.
        num_classes: Number of classes K; labels are 0 to K-1.
        class_names: One name for each label.
        checksum: SHA-256 over the content of the four arrays, whatever files they came from.
        notes: In what the set at hand departs from the published one, a sentence each.
    """

    name: str
    train_images: "torch.Tensor"
    train_labels: "torch.Tensor"
    test_images: "torch.Tensor"
    test_labels: "torch.Tensor"
    num_classes: int
    class_names: tuple[str, ...]
    checksum: str
    notes: tuple[str, ...] = ()


def present(name: str | DatasetInfo) -> bool:
    """Whether a set can be loaded without a network.

    Raises:
        DataUnavailableError: Its folder must not be read.
    """
    info, root = _info(name), paths.data_root()
    return info.format == "sklearn" or arrays.complete(info, root) or official.complete(info, root)


def load(name: str | DatasetInfo, *, download: bool = True) -> ImageData:
    """Load an image set from the data root as tensors, its content verified.

    The plain array layout is used where it is there, else the published files in torchvision's layout.
    Those are decoded once and kept in the array layout for the next time.

    Args:
        name: One of :func:`names`, or a registry entry of your own.
        download: Whether to download a set that is not there.

    Raises:
        UnknownNameError: There is no such set.
        LossbookError: It is a collection of tables, not an image set.
        DataUnavailableError: The set is not there and could not be downloaded.
        DataDamagedError: A file is there but is not what it should be.
    """
    info, root = _info(name), paths.data_root()
    if info.format == "uci":
        raise LossbookError(
            f"{info.name} is no image set but tables: `load_uci` loads one, `uci_names` names them"
        )
    if not present(info):
        if not download:
            raise DataUnavailableError(
                f"{info.title} is not in {root}. Run `lossbook data get {info.name}`, "
                "or set LOSSBOOK_DATA to the folder that has it."
            )
        # Imported by its name: the hash of the code behind a record follows imports, and no number depends on
        # how the files came here.
        importlib.import_module("lossbook.datasets.download").get(info)
    try:
        if info.format != "sklearn" and arrays.complete(info, root):
            return _tensors(info, arrays.read(info, root))
        return _tensors(info, _decode(info, root))
    except OSError as error:
        raise DataUnavailableError(f"{info.title} could not be read from {root}: {error}") from error


def _info(name: str | DatasetInfo) -> DatasetInfo:
    return name if isinstance(name, DatasetInfo) else find(name)


def _decode(info: DatasetInfo, root: Path) -> arrays.Arrays:
    decoded = official.decode(info, root)
    if info.format == "sklearn":
        checksums = {array: arrays.content_checksum(decoded[array]) for array in ARRAYS}
        for array, known in info.contents.items():
            if known and checksums[array] != known[0].sha256:
                raise DataDamagedError(
                    f"scikit-learn's {info.name} are not those this package was made with: {array} has "
                    f"content sha256 {checksums[array]}, but {known[0].sha256} was expected. "
                    "Install scikit-learn again."
                )
        return arrays.Arrays(decoded, checksums)
    arrays.check_declared(info, arrays.Arrays(decoded, {}))
    try:
        checksums = arrays.write(info, root, decoded)
    except OSError as error:
        warnings.warn(f"{info.title} is not cached as arrays in {root}: {error}", stacklevel=3)
        checksums = {array: arrays.content_checksum(decoded[array]) for array in ARRAYS}
    return arrays.Arrays(decoded, checksums)


def _tensors(info: DatasetInfo, found: arrays.Arrays) -> ImageData:
    # Imported where it is used: listing and downloading data sets should not wait for it.
    import torch

    arrays.check_declared(info, found)
    return ImageData(
        name=info.name,
        train_images=torch.from_numpy(found.arrays["train_images"]),
        train_labels=torch.from_numpy(found.arrays["train_labels"]),
        test_images=torch.from_numpy(found.arrays["test_images"]),
        test_labels=torch.from_numpy(found.arrays["test_labels"]),
        num_classes=info.num_classes,
        class_names=info.class_names,
        checksum=arrays.overall_checksum(found.checksums),
        notes=found.notes,
    )
