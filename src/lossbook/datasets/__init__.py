"""Data sets: registry, download, verification, loading to tensors."""

from lossbook.datasets.errors import DataDamagedError, DataUnavailableError
from lossbook.datasets.loading import ImageData, load, present
from lossbook.datasets.registry import DatasetInfo, info, names

__all__ = [
    "DataDamagedError",
    "DataUnavailableError",
    "DatasetInfo",
    "ImageData",
    "info",
    "load",
    "names",
    "present",
]
