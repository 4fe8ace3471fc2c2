"""Arrays that are too large for a line of a record: compressed files beside it, named by what they hold."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossbook import paths
from lossbook.errors import LossbookError

if TYPE_CHECKING:
    import numpy as np

    from lossbook.results.record import Record

#: Elements that an array in a line of a record has at most.
MOST = 20_000


def write(folder: Path, array: "np.ndarray") -> dict[str, Any]:
    """Write an array to a compressed file in a folder ``arrays``; one with the same content is not written
    twice.

    Args:
        folder: The folder of the records.
        array: The array.

    Returns:
        ``path`` relative to the folder, ``sha256`` of type, shape and values, ``dtype`` and ``shape``.

    Raises:
        LossbookError: The file cannot be written.
    """
    import numpy as np

    digest = _checksum(array)
    name = f"arrays/{digest[:16]}.npz"
    path = folder / name
    if not path.exists():
        content = io.BytesIO()
        np.savez_compressed(content, array=array)
        try:
            paths.atomic_write(path, content.getvalue())
        except OSError as error:
            raise LossbookError(f"cannot write {path}: {error.strerror}") from error
    return {"path": name, "sha256": digest, "dtype": str(array.dtype), "shape": list(array.shape)}


def read(record: "Record", name: str, folders: Mapping[str, Path | None]) -> "np.ndarray":
    """Read an array of a record that lies in a file, and verify it.

    Args:
        record: The record.
        name: Group and name, such as ``metrics/features``.
        folders: By origin of a record, where its files are: those of a store.

    Raises:
        LossbookError: The record names no such file, or the file is missing or not what it was.
    """
    import numpy as np

    if name not in record.files:
        raise LossbookError(
            f"{record.key} has no array {name!r} in a file; it has: {', '.join(record.files) or 'none'}"
        )
    known, folder = record.files[name], folders[record.origin]
    if folder is None:
        raise LossbookError(f"there is no folder of {record.origin} records here")
    path = folder / record.experiment / known["path"]
    try:
        with np.load(path, allow_pickle=False) as file:
            array: np.ndarray = file["array"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise LossbookError(f"{path}, an array of {record.key}, cannot be read: {error}") from error
    if _checksum(array) != known["sha256"]:
        raise LossbookError(
            f"{path} is not what {record.key} was recorded with; restore it, or train the run again"
        )
    return array


def _checksum(array: "np.ndarray") -> str:
    import numpy as np

    plain = np.ascontiguousarray(array)
    return hashlib.sha256(f"{plain.dtype.str} {plain.shape}\n".encode() + plain.tobytes()).hexdigest()
