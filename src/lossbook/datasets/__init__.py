"""Data sets: registry, download, verification, loading to tensors."""

from lossbook.datasets.data import Dataset, ImageFiles, Part, Texts
from lossbook.datasets.download import get
from lossbook.datasets.errors import DataDamagedError, DataUnavailableError
from lossbook.datasets.loading import load, present
from lossbook.datasets.registry import DatasetInfo, info, names
from lossbook.datasets.tables import get_table, is_table, load_table, table_present
from lossbook.datasets.uci121 import (
    UciSet,
    UciSplit,
    embedded_uci_names,
    load_embedded_uci,
    load_uci,
    split,
    standardise_files,
    uci_absent,
    uci_names,
)
from lossbook.datasets.verification import VerifyReport, verify

__all__ = [
    "DataDamagedError",
    "DataUnavailableError",
    "Dataset",
    "DatasetInfo",
    "ImageFiles",
    "Part",
    "Texts",
    "UciSet",
    "UciSplit",
    "VerifyReport",
    "embedded_uci_names",
    "get",
    "get_table",
    "info",
    "is_table",
    "load",
    "load_embedded_uci",
    "load_table",
    "load_uci",
    "names",
    "present",
    "split",
    "standardise_files",
    "table_present",
    "uci_absent",
    "uci_names",
    "verify",
]
