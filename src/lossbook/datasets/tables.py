"""Tables by one name, wherever they come from: ``uci121/<set>`` or ``sklearn/<set>``."""

import importlib
from collections.abc import Callable
from pathlib import Path

from lossbook import paths
from lossbook.datasets.arrays import unreadable
from lossbook.datasets.errors import DataUnavailableError
from lossbook.datasets.registry import info as find
from lossbook.datasets.uci121 import (
    COLLECTION,
    UciSet,
    embedded_uci_names,
    has_two_scales,
    is_there,
    load_embedded_uci,
    load_uci,
    standardise_files,
    uci_names,
)
from lossbook.errors import LossbookError, UnknownNameError

EMBEDDED = "sklearn"


def is_table(dataset: str) -> bool:
    """Whether a data set's name is that of a table."""
    return "/" in dataset


def table_present(dataset: str) -> bool:
    """Whether a table can be loaded without a network.

    Raises:
        UnknownNameError: There is no such table.
    """
    collection, name = _parts(dataset)
    return collection == EMBEDDED or is_there(name, paths.data_root())


def get_table(dataset: str) -> None:
    """Download the collection a table belongs to, if the table is not there.

    Raises:
        DataUnavailableError: It could not be downloaded, or cannot be read.
        UnknownNameError: There is no such table.
    """
    try:
        if not table_present(dataset):
            _download(dataset)
            load_uci(_parts(dataset)[1])  # Copies of the collection may lack a set.
    except OSError as error:
        raise unreadable(Path(error.filename or paths.data_root()), error) from error


def load_table(dataset: str) -> UciSet:
    """Load a table as it is trained on.

    That is as published, except for the sets whose two files are on different scales (see
    :func:`~lossbook.datasets.load_uci`): of those, each file is standardised by itself. The set's ``notes``
    say so.

    Args:
        dataset: ``uci121/<set>`` or ``sklearn/<set>``.

    Raises:
        UnknownNameError: There is no such table.
        DataUnavailableError: It is not there and could not be downloaded.
        DataDamagedError: A file is there but is not what it should be.
    """
    collection, name = _parts(dataset)
    if collection == EMBEDDED:
        return load_embedded_uci(name)
    if not table_present(dataset):
        # As for images, no number depends on how the files came here.
        _download(dataset)
    table = load_uci(name)
    return standardise_files(table) if has_two_scales(table) else table


def _download(dataset: str) -> None:
    get: Callable[[object], object] = importlib.import_module("lossbook.datasets.download").get
    try:
        get(find(COLLECTION))
    except LossbookError as error:
        raise DataUnavailableError(f"The table {dataset} is unavailable. {error}") from error


def _parts(dataset: str) -> tuple[str, str]:
    collection, _, name = dataset.partition("/")
    known = {COLLECTION: uci_names, EMBEDDED: embedded_uci_names}
    if collection not in known:
        raise UnknownNameError("collection of tables", collection, sorted(known))
    if name not in known[collection]():
        raise UnknownNameError("table", dataset, [f"{collection}/{each}" for each in known[collection]()])
    return collection, name
