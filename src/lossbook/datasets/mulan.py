"""Mulan's sets with several labels per example: ARFF files, and the cache ``mulan/<set>.npz`` made of them.

Mulan publishes a training file and a test file per set, with the labels as the last attributes. The cache
holds ``x`` uint8 ``[N, D]`` and ``y`` uint8 ``[N, K]``, all values 0 or 1, the ``train_size`` training rows
first, and ``feature_names`` and ``label_names``. Whichever it came from, the content is compared with the
checksums of the registry.
"""

import csv
import io
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lossbook import paths
from lossbook.datasets.arrays import content_checksum, overall_checksum
from lossbook.datasets.data import Dataset, Part
from lossbook.datasets.errors import DataDamagedError
from lossbook.datasets.registry import DatasetInfo

_ATTRIBUTE = re.compile(
    r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s{]+)\s*(.+)""", re.IGNORECASE
)

_AGAIN = "Remove it; `lossbook data get` downloads it again."


def cache(info: DatasetInfo, root: Path) -> Path:
    """Where the cache of a set lies."""
    return root / info.folder / f"{info.name}.npz"


def read(info: DatasetInfo, root: Path) -> Dataset:
    """A set of Mulan, from the cache where there is one, else from its ARFF files.

    Raises:
        DataDamagedError: A file is damaged, or holds another set than the published one.
    """
    import torch

    path = cache(info, root)
    content = _cached(info, path) if path.is_file() else _published(info, root)
    x, y, first = content["x"], content["y"], info.train_size
    parts = {
        part: Part(torch.from_numpy(x[rows].astype(np.float32)), torch.from_numpy(y[rows].astype(bool)))
        for part, rows in (("train", slice(first)), ("test", slice(first, None)))
    }
    return Dataset(
        name=info.name,
        kind=info.kind,
        parts=parts,
        num_classes=info.num_classes,
        class_names=tuple(content["label_names"].tolist()),
        checksum=overall_checksum(
            [content_checksum(part) for part in (x[:first], y[:first], x[first:], y[first:])]
        ),
        notes=info.notes,
    )


def read_arff(path: Path) -> tuple[list[str], np.ndarray]:
    """Read an ARFF file of 0/1 attributes, dense or sparse.

    Returns:
        The names of the attributes, and their values, uint8 ``[N, D]``.

    Raises:
        DataDamagedError: It is not such a file; the message names the line.
    """
    names: list[str] = []
    rows: list[np.ndarray] = []
    in_data = False
    for number, line in enumerate(_text(path).splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("%"):
            continue
        try:
            if in_data:
                rows.append(_row(line, len(names)))
            elif line.lower() == "@data":
                in_data = True
            elif line.lower().startswith("@attribute"):
                names.append(_attribute(line))
            elif not line.lower().startswith("@relation"):
                raise ValueError(f"{line[:40]!r} is neither an attribute nor a comment")
        except ValueError as error:
            raise DataDamagedError(f"{path} is damaged: line {number}: {error}. {_AGAIN}") from error
    if not rows:
        raise DataDamagedError(f"{path} is damaged: it has no data. {_AGAIN}")
    return names, np.array(rows, dtype=np.uint8)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataDamagedError(f"{path} is damaged: {error}. {_AGAIN}") from error


def _attribute(line: str) -> str:
    """The name of an attribute, which must be 0 or 1 or a number."""
    found = _ATTRIBUTE.fullmatch(line)
    if not found:
        raise ValueError(f"{line[:40]!r} is not an attribute with a name and a type")
    name, kind = found[1], found[2].strip().lower()
    if kind not in ("numeric", "real", "integer") and kind.replace(" ", "") != "{0,1}":
        raise ValueError(f"attribute {name} is {kind[:40]}, not {{0,1}} or numeric")
    return re.sub(r"\\(.)", r"\1", name[1:-1]) if name[0] in "'\"" else name


def _row(line: str, width: int) -> np.ndarray:
    row = np.zeros(width, dtype=np.uint8)
    if line.startswith("{"):
        if not line.endswith("}"):
            raise ValueError("the row does not end in }")
        for pair in filter(None, (pair.strip() for pair in line[1:-1].split(","))):
            place, _, value = pair.partition(" ")
            if not 0 <= int(place) < width:
                raise ValueError(f"there is no attribute {place}; they go from 0 to {width - 1}")
            row[int(place)] = _binary(value)
        return row
    values = next(csv.reader([line]))
    if len(values) != width:
        raise ValueError(f"the row has {len(values)} values for {width} attributes")
    row[:] = [_binary(value) for value in values]
    return row


def _binary(value: str) -> int:
    if value.strip() in ("0", "0.0"):
        return 0
    if value.strip() in ("1", "1.0"):
        return 1
    raise ValueError(f"{value!r} is not 0 or 1")


def _published(info: DatasetInfo, root: Path) -> dict[str, Any]:
    """Read the ARFF files and keep what they hold in the cache."""
    (names, train), (others, test) = (read_arff(root / info.folder / file.name) for file in info.files)
    if names != others:
        raise DataDamagedError(
            f"{info.files[0].name} and {info.files[1].name} in {root / info.folder} have different "
            f"attributes. {_AGAIN}"
        )
    values, features = np.concatenate([train, test]), len(names) - info.num_classes
    content: dict[str, Any] = {
        "x": values[:, :features],
        "y": values[:, features:],
        "train_size": np.int64(len(train)),
        "feature_names": np.array(names[:features]),
        "label_names": np.array(names[features:]),
    }
    _check(info, root / info.folder, content, _AGAIN)
    packed = io.BytesIO()
    np.savez_compressed(packed, **content)
    try:
        paths.atomic_write(cache(info, root), packed.getvalue())
    except OSError as error:
        warnings.warn(f"{info.title} is not cached in {root}: {error}", stacklevel=4)
    return content


def _cached(info: DatasetInfo, path: Path) -> dict[str, Any]:
    remedy = f"Remove it; the next load makes it anew from {' and '.join(file.name for file in info.files)}."
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in ("x", "y", "train_size", "feature_names", "label_names")}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataDamagedError(f"{path} is damaged: {error}. {remedy}") from error
    _check(info, path, content, remedy)
    return content


def _check(info: DatasetInfo, where: Path, content: dict[str, Any], remedy: str) -> None:
    for array in ("x", "y"):
        known, found = info.contents.get(array, ()), content_checksum(content[array])
        if known and found not in [one.sha256 for one in known]:
            raise DataDamagedError(
                f"{where} is not {info.title} as published: {array} has content sha256 {found}, but "
                f"{known[0].sha256} was expected. {remedy}"
            )
    sizes = (len(content["x"]), len(content["y"]), content["y"].shape[1:], int(content["train_size"]))
    total = sum(info.parts.values())
    if sizes != (total, total, (info.num_classes,), info.train_size):
        raise DataDamagedError(
            f"{where} is not {info.title} as published: it has {sizes[0]:,} examples, {sizes[3]:,} of them "
            f"for training, and labels {list(content['y'].shape)}, not {total:,}, {info.train_size:,} and "
            f"{info.num_classes} labels. {remedy}"
        )
