"""Sets of texts: the tasks of GLUE as tab-separated files, and the clothing reviews as one CSV file."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from lossbook.datasets import official
from lossbook.datasets.arrays import content_checksum
from lossbook.datasets.data import Dataset, Part, Texts
from lossbook.datasets.errors import DataDamagedError
from lossbook.datasets.registry import DatasetInfo


def read(info: DatasetInfo, root: Path) -> Dataset:
    """A set of texts, its files verified where their checksums are known.

    Of GLUE, ``train.tsv`` is the training part and ``dev.tsv`` the test part. The reviews have no published
    parts: a fifth, evenly spaced within each class in the order of the file, is the test part, and a review
    without text is left out. battash2021 (section "LSTM multi-class classification") predicts the rating, 1
    to 5, from the review's text, and does not say how the reviews are divided.

    Raises:
        DataDamagedError: A file is not what it should be.
    """
    import torch

    notes = list(info.notes)
    tables = []
    for file in info.files:
        path = root / info.folder / file.name
        if file.digest:
            official.check_file(path, file, info.name)
        else:
            notes.append(f"{file.name} could not be verified: no checksum of it is known")
        tables.append(_columns(info, path))
    if info.format == "clothing":
        tables = _divided(info, *tables[0])
    parts, checksums = {}, []
    for part, (texts, labels) in zip(info.parts, tables, strict=True):
        if len(texts) != info.parts[part]:
            raise DataDamagedError(
                f"{root / info.folder} has {len(texts):,} {part} texts, but {info.title} has "
                f"{info.parts[part]:,}. Put the published files there again."
            )
        parts[part] = Part(texts, torch.from_numpy(labels))
        # Lengths first, so that no two lists of texts run together to the same bytes.
        digest = hashlib.sha256()
        for text in (text for example in texts for text in example):
            raw = text.encode()
            digest.update(f"{len(raw)}\n".encode() + raw)
        checksums += [digest.hexdigest(), content_checksum(labels)]
    return Dataset(
        name=info.name,
        kind=info.kind,
        parts=parts,
        num_classes=info.num_classes,
        class_names=info.class_names,
        checksum=hashlib.sha256("\n".join(checksums).encode()).hexdigest(),
        notes=tuple(notes),
    )


def _columns(info: DatasetInfo, path: Path) -> tuple[Texts, np.ndarray]:
    """The texts and the labels of a file."""
    wanted, label = info.columns["texts"], info.columns["label"]
    commas = path.suffix == ".csv"
    try:
        table = pd.read_csv(
            path,
            sep="," if commas else "\t",
            # GLUE quotes nothing: a quotation mark is part of the text.
            quoting=csv.QUOTE_MINIMAL if commas else csv.QUOTE_NONE,
            header=0 if isinstance(label, str) else None,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
        )
        texts, values = table[wanted], table[label]
    except (ValueError, KeyError) as error:
        raise DataDamagedError(f"{path} is damaged: {error}. Put the published file there again.") from error
    rows = (texts != "").all(axis=1) if info.format == "clothing" else slice(None)
    texts, values = texts[rows], values[rows]
    number = {name: at for at, name in enumerate(info.class_names)}
    if not set(values) <= set(number) and not any(name.isdigit() for name in number):
        number = {str(at): at for at in range(info.num_classes)}
    if other := sorted(set(values) - set(number)):
        raise DataDamagedError(
            f"{path} has the label {other[0]!r}, which is none of {', '.join(info.class_names)}. "
            "Put the published file there again."
        )
    labels = values.map(number).to_numpy(dtype=np.int64, copy=True)
    return tuple(texts.itertuples(index=False, name=None)), labels


def _divided(info: DatasetInfo, texts: Texts, labels: np.ndarray) -> list[tuple[Texts, np.ndarray]]:
    test = official.stratified(labels, min(info.test_size, len(labels)))
    return [
        (tuple(text for text, take in zip(texts, rows, strict=True) if take), labels[rows])
        for rows in (~test, test)
    ]
