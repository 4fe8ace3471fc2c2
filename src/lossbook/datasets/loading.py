"""Data sets as tensors."""

import importlib
import warnings
from pathlib import Path

from lossbook import paths
from lossbook.datasets import arrays, folders, made, mulan, official
from lossbook.datasets.data import Dataset, Part
from lossbook.datasets.errors import DataDamagedError, DataUnavailableError
from lossbook.datasets.registry import DatasetInfo
from lossbook.datasets.registry import info as find
from lossbook.errors import LossbookError

#: Formats of sets that need no files, and what such a set is a part of.
EMBEDDED = {"sklearn": "part of scikit-learn", "made_up": "part of this package"}


def present(name: str | DatasetInfo) -> bool:
    """Whether a set can be loaded without a network.

    Raises:
        DataUnavailableError: Its folder cannot be read.
    """
    info, root = _info(name), paths.data_root()
    if info.refusal:
        return False
    return info.format in EMBEDDED or cached(info, root) or official.complete(info, root)


def cached(info: DatasetInfo, root: Path) -> bool:
    """Whether a set is there in the form that a load writes beside the published files."""
    if info.format != "mulan":
        return arrays.complete(info, root)
    try:
        return mulan.cache(info, root).is_file()
    except OSError as error:
        raise arrays.unreadable(root / info.folder, error) from error


def load(name: str | DatasetInfo, *, download: bool = True) -> Dataset:
    """Load a data set from the data root as tensors, its content verified.

    The plain array layout is used where it is there, else the published files in torchvision's layout.
    Those are decoded once and kept in the array layout for the next time. Large sets of images stay on disk
    as files (:class:`~lossbook.datasets.ImageFiles`).

    Args:
        name: One of :func:`names`, or a registry entry of your own.
        download: Whether to download a set that is not there.

    Raises:
        UnknownNameError: There is no such set.
        LossbookError: It is a collection of tables.
        DataUnavailableError: The set is not there and could not be downloaded, or is refused; the message
            says why, and where it must be asked for.
        DataDamagedError: A file is there but is not what it should be.
    """
    info, root = _info(name), paths.data_root()
    if info.format == "uci":
        raise LossbookError(
            f"{info.name} is not one data set but a collection of tables: `load_uci` loads one, `uci_names` "
            "names them"
        )
    if info.refusal:
        raise DataUnavailableError(info.refusal)
    if not present(info):
        if not download:
            how = info.by_hand.format(folder=root / info.folder) or f"Run `lossbook data get {info.name}`."
            raise DataUnavailableError(
                f"{info.title} is not in {root}. {how} Or set LOSSBOOK_DATA to the folder that has it."
            )
        # Imported by its name: the hash of the code behind a record follows imports, and no number depends on
        # how the files came here.
        importlib.import_module("lossbook.datasets.download").get(info)
    try:
        if info.format == "mulan":
            return mulan.read(info, root)
        if info.format == "sklearn" and info.kind == "features":
            return made.read(info)
        if info.kind == "texts":
            if info.format == "made_up":
                from lossbook.datasets import made_up

                return made_up.read(info)
            # Imported where it is used: images do without pandas.
            from lossbook.datasets import texts

            return texts.read(info, root)
        if folders.is_lazy(info):
            return folders.read(info, root)
        if info.format != "sklearn" and arrays.complete(info, root):
            return _tensors(info, arrays.read(info, root))
        return _tensors(info, _decode(info, root))
    except OSError as error:
        raise DataUnavailableError(f"{info.title} could not be read from {root}: {error}") from error


def decode(info: DatasetInfo, root: Path) -> arrays.Arrays:
    """Decode the published files of a set of images, and compare them with its entry in the registry.

    Raises:
        DataDamagedError: A file is not the published one, or the images are not those of the entry.
        DataUnavailableError: A file cannot be verified.
    """
    if info.read_from_archive:
        found = folders.decode(info, root)
    else:
        found = arrays.Arrays(official.decode(info, root), {})
    arrays.check_declared(info, arrays.Arrays(found.arrays, {}))
    if not found.notes:
        return found
    # Nothing vouches for the files but what they hold.
    for array, known in info.contents.items():
        if (checksum := arrays.content_checksum(found.arrays[array])) not in [one.sha256 for one in known]:
            raise DataDamagedError(
                f"{root / info.folder} does not hold {info.title} as published: {array} has content sha256 "
                f"{checksum}, but {known[0].sha256} was expected. Remove it and run "
                f"`lossbook data get {info.name}`."
            )
    return arrays.Arrays(found.arrays, {}, () if info.contents else found.notes, found.class_names)


def _info(name: str | DatasetInfo) -> DatasetInfo:
    return name if isinstance(name, DatasetInfo) else find(name)


def _decode(info: DatasetInfo, root: Path) -> arrays.Arrays:
    if info.format == "sklearn":
        decoded = official.decode(info, root)
        checksums = {array: arrays.content_checksum(decoded[array]) for array in info.arrays}
        for array, known in info.contents.items():
            if known and checksums[array] != known[0].sha256:
                raise DataDamagedError(
                    f"scikit-learn's {info.name} are not those this package was made with: {array} has "
                    f"content sha256 {checksums[array]}, but {known[0].sha256} was expected. "
                    "Install scikit-learn again."
                )
        return arrays.Arrays(decoded, checksums)
    found = decode(info, root)
    try:
        checksums = arrays.write(info, root, found)
    except OSError as error:
        warnings.warn(f"{info.title} is not cached as arrays in {root}: {error}", stacklevel=3)
        checksums = {array: arrays.content_checksum(found.arrays[array]) for array in info.arrays}
    return arrays.Arrays(found.arrays, checksums, found.notes, found.class_names)


def _tensors(info: DatasetInfo, found: arrays.Arrays) -> Dataset:
    # Imported where it is used: listing and downloading data sets should not wait for it.
    import torch

    arrays.check_declared(info, found)
    held = {array: torch.from_numpy(values) for array, values in found.arrays.items()}
    names = info.class_names or found.class_names or tuple(str(label) for label in range(info.num_classes))
    return Dataset(
        name=info.name,
        kind=info.kind,
        parts={
            part: Part(held[f"{part}_images"], held[f"{part}_labels"], held.get(f"{part}_groups"))
            for part in info.parts
        },
        num_classes=info.num_classes,
        class_names=names,
        checksum=arrays.overall_checksum(found.checksums[array] for array in info.arrays),
        notes=(*info.notes, *found.notes),
    )
