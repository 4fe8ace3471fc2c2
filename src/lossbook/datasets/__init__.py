"""Data sets: registry, download, verification, loading to tensors."""

from lossbook.datasets.download import get
from lossbook.datasets.errors import DataDamagedError, DataUnavailableError
from lossbook.datasets.loading import ImageData, load, present
from lossbook.datasets.registry import DatasetInfo, info, names
from lossbook.datasets.verification import VerifyReport, verify

__all__ = [
    "DataDamagedError",
    "DataUnavailableError",
    "DatasetInfo",
    "ImageData",
    "VerifyReport",
    "get",
    "info",
    "load",
    "names",
    "present",
    "verify",
]
