"""The published files in torchvision's own layout, and scikit-learn's digits, decoded to arrays.

torchvision and scikit-learn are imported where they are used: listing and downloading need not wait for them.
"""

import gzip
import hashlib
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np

from lossbook.datasets.arrays import unreadable
from lossbook.datasets.errors import DataDamagedError, DataUnavailableError
from lossbook.datasets.registry import ARRAYS, DatasetInfo, FileInfo

_DIGITS_TEST = 400


def complete(info: DatasetInfo, root: Path) -> bool:
    """Whether every published file of the set is there, packed or unpacked.

    An archive of which no checksum is known counts only once it is unpacked: what it holds is checked then.

    Raises:
        DataUnavailableError: The folder cannot be read, so this cannot be told.
    """
    folder = root / info.folder
    try:
        if info.archive and info.archive.digest and (root / info.archive.name).is_file():
            return True
        if not info.files:
            return folder.is_dir()
        return all(
            (folder / file.name).is_file()
            or (file.unpacked is not None and _is_there(folder / file.unpacked.name))
            for file in info.files
        )
    except OSError as error:
        raise unreadable(folder, error) from error


def _is_there(path: Path) -> bool:
    # What an archive of images unpacks to is a folder.
    return path.is_file() or path.is_dir()


def decode(info: DatasetInfo, root: Path) -> dict[str, np.ndarray]:
    """Verify the published files of a set in torchvision's pickles or MNIST's format, and decode them.

    Returns:
        The four arrays: images uint8 ``[N, H, W, C]``, labels int64 ``[N]``.

    Raises:
        DataDamagedError: A file is not the published one.
        DataUnavailableError: A file cannot be verified.
    """
    if info.format == "sklearn":
        return _digits()
    if info.format == "idx":
        return _idx(info, root / info.folder)
    folder = root / info.folder
    if info.archive is None or all((folder / file.name).is_file() for file in info.files):
        return _cifar(info, root)
    check_file(root / info.archive.name, info.archive, info.name)
    with tempfile.TemporaryDirectory() as temporary:
        extract(root / info.archive.name, Path(temporary))
        return _cifar(info, Path(temporary))


def check_file(path: Path, file: FileInfo, name: str) -> None:
    """Compare a file with its published checksum.

    Raises:
        DataDamagedError: It is another file; the message gives both checksums and the remedy.
        DataUnavailableError: No checksum of it is known.
    """
    if file.digest is None:
        raise DataUnavailableError(
            f"{path} cannot be verified: the checksum of the unpacked file is not published. "
            f"Put the .gz file it comes from beside it, or run `lossbook data get {name}`."
        )
    algorithm, expected = file.digest
    found = file_checksum(path, algorithm)
    if found != expected:
        raise DataDamagedError(mismatch(path, algorithm, expected, found, name))


def file_checksum(path: Path, algorithm: str) -> str:
    """Hex digest of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, algorithm).hexdigest()


def mismatch(path: Path, algorithm: str, expected: str, found: str, name: str) -> str:
    """What to say of a file that is not the published one."""
    return (
        f"{path} is truncated or altered: its {algorithm} is {found}, but {expected} was expected. "
        f"Remove it and run `lossbook data get {name}`."
    )


def inside(info: DatasetInfo, folder: Path) -> Path:
    """Where in `folder` to unpack a set's archive so that its files come to lie in the set's own folder."""
    # The tables, Omniglot and CINIC-10 come without a folder around them.
    bare = info.format in ("uci", "omniglot", "cinic10")
    target = folder / Path(info.folder).name if bare else folder
    target.mkdir(exist_ok=True)
    return target


def extract(archive: Path, folder: Path) -> None:
    """Unpack a tar or zip archive; members that point outside of `folder` are refused or end up within it."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        return
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(folder, filter="data")
            return
        # Python 3.11.0 to 3.11.3 has no filters: take plain files and folders, by plain names.
        for member in tar.getmembers():
            parts = PurePosixPath(member.name).parts
            if not (member.isfile() or member.isdir()) or ".." in parts or "/" in parts[:1]:
                raise tarfile.ExtractError(f"{archive} has the member {member.name!r}, which is not taken")
        tar.extractall(folder)


def _idx(info: DatasetInfo, folder: Path) -> dict[str, np.ndarray]:
    from torchvision.datasets import mnist

    arrays = {}
    with tempfile.TemporaryDirectory() as temporary:
        for file in info.files:
            assert file.array is not None
            assert file.unpacked is not None
            packed, plain = folder / file.name, folder / file.unpacked.name
            if plain.is_file() and (file.unpacked.digest or not packed.is_file()):
                check_file(plain, file.unpacked, info.name)
            else:
                check_file(packed, file, info.name)
                plain = Path(temporary) / file.unpacked.name
                plain.write_bytes(gunzip(packed))
            read = mnist.read_image_file if file.array.endswith("images") else mnist.read_label_file
            array = read(str(plain)).numpy()
            arrays[file.array] = array[..., None] if file.array.endswith("images") else array.astype(np.int64)
    return arrays


def gunzip(path: Path) -> bytes:
    """What a gzip file holds.

    Raises:
        DataDamagedError: It is none, or is cut short.
    """
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataDamagedError(f"{path} cannot be unpacked: {error}") from error


def _cifar(info: DatasetInfo, root: Path) -> dict[str, np.ndarray]:
    from torchvision import datasets as tv

    folder = root / info.folder
    for file in info.files:
        check_file(folder / file.name, file, info.name)
    # torchvision reads the batches; which batches, with which checksums, the registry says.
    base = tv.CIFAR100 if info.num_classes == 100 else tv.CIFAR10
    known = {file.name: [file.name, file.md5] for file in info.files}
    splits = {
        "train_list": [known[name] for name, _ in base.train_list],
        "test_list": [known[name] for name, _ in base.test_list],
        "meta": {**base.meta, "md5": known[base.meta["filename"]][1]},
        "base_folder": info.folder,
    }
    reader = type("Reader", (base,), splits)
    arrays = {}
    for split in ("train", "test"):
        part = reader(root, train=split == "train")
        arrays[f"{split}_images"] = np.ascontiguousarray(part.data)
        arrays[f"{split}_labels"] = np.asarray(part.targets, dtype=np.int64)
    return arrays


def _digits() -> dict[str, np.ndarray]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    # Pixels are 0..16. Each is repeated 2 x 2, so that networks made for larger images fit.
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    images = images.repeat(2, axis=1).repeat(2, axis=2)[..., None]
    labels = digits.target.astype(np.int64)
    test = stratified(labels, _DIGITS_TEST)
    parts = (images[~test], labels[~test], images[test], labels[test])
    return {array: np.ascontiguousarray(part) for array, part in zip(ARRAYS, parts, strict=True)}


def stratified(labels: np.ndarray, size: int) -> np.ndarray:
    """Which of the rows to take, bool ``[N]``: `size` of them, the same share of each class."""
    # Evenly spaced within each class and free of random numbers, so that it stays the same for ever.
    # Largest remainders make the class counts add up to `size`.
    counts = np.bincount(labels)
    shares = counts * size / len(labels)
    wanted = np.floor(shares).astype(int)
    wanted[np.argsort(wanted - shares, kind="stable")[: size - wanted.sum()]] += 1
    chosen = np.zeros(len(labels), dtype=bool)
    for label, (count, want) in enumerate(zip(counts, wanted, strict=True)):
        steps = np.arange(count + 1) * want // count
        chosen[np.flatnonzero(labels == label)[np.diff(steps) > 0]] = True
    return chosen
