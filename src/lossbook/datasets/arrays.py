"""The plain array layout: ``.npy`` files for each part of a set, memory-mapped, checked once and remembered.

``<root>/<name>/<part>_images.npy`` holds uint8 ``[N, H, W, C]``, ``<part>_labels.npy`` int64 ``[N]``, and,
where a set has groups, ``<part>_groups.npy`` int64 ``[N]``; the parts are mostly ``train`` and ``test``.
Beside them lies ``checksums.json``: the content checksum of each array, the size and time of its file when
it was checked, whether the arrays were decoded here from published files, and, where there are any, the names
of the classes that came with those files and what must be known of them.
"""

import contextlib
import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lossbook import paths
from lossbook.datasets.errors import DataDamagedError, DataUnavailableError
from lossbook.datasets.registry import Content, DatasetInfo

SIDECAR = "checksums.json"


@dataclass(frozen=True)
class Arrays:
    """The arrays of a set, their content checksums, and in what they depart from the published set.

    ``class_names`` are those that come with the files, where the registry has none.
    """

    arrays: dict[str, np.ndarray]
    checksums: dict[str, str]
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()


def content_checksum(array: np.ndarray) -> str:
    """SHA-256 of an array's type, shape and values in C order; independent of the file that held it."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{little.dtype.str} {little.shape}\n".encode())
    digest.update(little.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def overall_checksum(checksums: Iterable[str]) -> str:
    """SHA-256 over the content checksums of the arrays of a set, in their fixed order."""
    return hashlib.sha256("\n".join(checksums).encode()).hexdigest()


def file_of(info: DatasetInfo, root: Path, array: str) -> Path:
    """The file an array of the set lies in."""
    return root / info.name / f"{array}.npy"


def complete(info: DatasetInfo, root: Path) -> bool:
    """Whether all files of the layout are there.

    Raises:
        DataUnavailableError: The folder cannot be read, so this cannot be told.
    """
    try:
        return bool(info.image_shape) and all(file_of(info, root, array).is_file() for array in info.arrays)
    except OSError as error:
        raise unreadable(root / info.name, error) from error


def unreadable(path: Path, error: OSError) -> DataUnavailableError:
    """What to say when a folder or file cannot be read."""
    return DataUnavailableError(
        f"{path} cannot be read: {error.strerror or error}. Change who may read it, or set LOSSBOOK_DATA to "
        "another folder."
    )


def check_declared(info: DatasetInfo, found: Arrays) -> None:
    """Compare arrays with what the set's entry in the registry says of them.

    Raises:
        DataDamagedError: They are of another shape, type or number, or have labels of no class.
    """
    problems = []
    for split, declared in info.parts.items():
        images, labels = found.arrays[f"{split}_images"], found.arrays[f"{split}_labels"]
        if images.dtype != np.uint8 or images.ndim != 4 or labels.dtype != np.int64 or labels.ndim != 1:
            problems.append(
                f"{split} images are {images.dtype} {list(images.shape)} and labels {labels.dtype} "
                f"{list(labels.shape)}, not uint8 [N, H, W, C] and int64 [N]"
            )
            continue
        if info.image_shape and images.shape[1:] != info.image_shape:
            problems.append(f"{split} images are {list(images.shape[1:])}, not {list(info.image_shape)}")
        # A known variant may have fewer, and says so in its note.
        if declared and not found.notes and len(images) != declared:
            problems.append(f"there are {len(images):,} {split} images, not {declared:,}")
        if info.class_names and len(labels) and not 0 <= labels.min() <= labels.max() < info.num_classes:
            problems.append(
                f"{split} labels go from {labels.min()} to {labels.max()}, but there are "
                f"{info.num_classes} class names"
            )
    if problems:
        raise DataDamagedError(
            f"{info.title} is not what its entry in the registry says: {'; '.join(problems)}. Correct the "
            "entry, or the files."
        )


def read(info: DatasetInfo, root: Path, *, again: bool = False) -> Arrays:
    """Map the arrays into memory, each checked against its known content.

    Args:
        info: The data set.
        root: The data root.
        again: Compute every checksum again, also of files unchanged since they were last checked.

    Raises:
        DataDamagedError: A file cannot be read or does not hold what it should; the message names it.
    """
    sidecar = _read_sidecar(root / info.name / SIDECAR)
    arrays, stamps, notes = {}, {}, list(sidecar.get("notes", ()))
    for array in info.arrays:
        arrays[array], stamps[array], note = _read_one(info, root, array, sidecar, again)
        if note and note not in notes:
            notes.append(note)
    for array in info.arrays:
        split, _, what = array.rpartition("_")
        images, others = len(arrays[f"{split}_images"]), len(arrays[array])
        if images != others:
            raise DataDamagedError(
                f"{root / info.name} has {images} {split} images but {others} {split} {what}. "
                + _remedy(info, root)
            )
    if stamps != sidecar["arrays"]:
        # Only saves time: a data root that cannot be written is read and checked each time.
        with contextlib.suppress(OSError):
            _write_sidecar(root / info.name / SIDECAR, {**sidecar, "arrays": stamps})
    checksums = {array: stamps[array]["sha256"] for array in info.arrays}
    return Arrays(arrays, checksums, tuple(notes), tuple(sidecar.get("class_names", ())))


def check(info: DatasetInfo, root: Path, array: str) -> str:
    """Compute the content checksum of one array's file again; the content checksum.

    Raises:
        DataDamagedError: The file cannot be read or does not hold what it should.
    """
    sidecar = _read_sidecar(root / info.name / SIDECAR)
    return _read_one(info, root, array, sidecar, True)[1]["sha256"]


def write(info: DatasetInfo, root: Path, decoded: Arrays) -> dict[str, str]:
    """Write arrays decoded from published files; the folder appears whole or not at all.

    Returns:
        The content checksum of each array.

    Raises:
        OSError: The data root cannot be written, or its disk is full; nothing is left behind.
    """
    checksums = {array: content_checksum(decoded.arrays[array]) for array in info.arrays}
    temporary = Path(tempfile.mkdtemp(prefix=f".{info.name}-", dir=root))
    try:
        stamps = {}
        for array in info.arrays:
            path = temporary / f"{array}.npy"
            np.save(path, decoded.arrays[array])
            stat = path.stat()
            stamps[array] = {"sha256": checksums[array], "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
        sidecar: dict[str, Any] = {"decoded_here": True, "arrays": stamps}
        sidecar |= {"class_names": list(decoded.class_names)} if decoded.class_names else {}
        sidecar |= {"notes": list(decoded.notes)} if decoded.notes else {}
        _write_sidecar(temporary / SIDECAR, sidecar)
        temporary.chmod(0o755)
        target = root / info.name
        try:
            temporary.rename(target)
        except OSError:
            if not target.is_dir():
                raise
            # The folder was there, incomplete or shared (MNIST/ where names ignore case). The layout counts
            # only once all files are there, so the sidecar that vouches for them goes first.
            for name in (SIDECAR, *(f"{array}.npy" for array in info.arrays)):
                (temporary / name).replace(target / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return checksums


def _read_one(
    info: DatasetInfo, root: Path, array: str, sidecar: dict[str, Any], again: bool
) -> tuple[np.ndarray, dict[str, Any], str | None]:
    """One array, what to remember of its file, and the note of the variant it is."""
    path = file_of(info, root, array)
    values = _map(info, path)
    stat = path.stat()
    remembered = sidecar["arrays"].get(array, {})
    stamp: dict[str, Any] = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    if not again and "sha256" in remembered and stamp.items() <= remembered.items():
        checksum = remembered["sha256"]
    else:
        checksum = content_checksum(values)
    allowed = list(info.contents.get(array, ()))
    if sidecar["decoded_here"] and "sha256" in remembered:
        allowed.append(Content(remembered["sha256"]))
    known = next((content for content in allowed if content.sha256 == checksum), None)
    if known is None:
        raise DataDamagedError(_mismatch(info, path, values, checksum, allowed))
    return values, {"sha256": checksum, **stamp}, known.note


def _map(info: DatasetInfo, path: Path) -> np.ndarray:
    try:
        # Copy on write: torch wants memory it may write to, and the file stays as it is.
        array = np.load(path, mmap_mode="c", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            array.close()
            raise ValueError("an archive of arrays")
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        raise DataDamagedError(
            f"{path} is truncated or not a NumPy file (sha256 of the file {found}). "
            + _remedy(info, path.parent.parent)
        ) from error
    return array


def _mismatch(info: DatasetInfo, path: Path, array: np.ndarray, found: str, allowed: list[Content]) -> str:
    what = f"{path} holds {array.dtype} {list(array.shape)} with content sha256 {found}"
    remedy = _remedy(info, path.parent.parent)
    if not allowed:
        return (
            f"{what}, and no checksum is known that it could be verified against: arrays of this set are "
            f"trusted only when written here from verified published files. {remedy}"
        )
    expected = " or ".join(
        content.sha256 + (f" (variant {content.variant})" if content.variant else "") for content in allowed
    )
    return f"{what}, but {expected} was expected. {remedy}"


def _remedy(info: DatasetInfo, root: Path) -> str:
    return (
        f"Remove the .npy files in {root / info.name}; the next load writes them anew from the published "
        f"files, which `lossbook data get {info.name}` downloads."
    )


def _read_sidecar(path: Path) -> dict[str, Any]:
    # A damaged sidecar vouches for nothing: it counts as absent.
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        content = json.loads(path.read_text(encoding="utf-8"))
        arrays = {name: dict(entry) for name, entry in content["arrays"].items()}
        lists = {
            key: [str(one) for one in content[key]] for key in ("class_names", "notes") if key in content
        }
        return {"decoded_here": content["decoded_here"] is True, "arrays": arrays, **lists}
    return {"decoded_here": False, "arrays": {}}


def _write_sidecar(path: Path, content: dict[str, Any]) -> None:
    paths.atomic_write(path, json.dumps(content, indent=1) + "\n")
