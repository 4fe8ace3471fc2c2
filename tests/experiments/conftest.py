"""A place of its own for what the tests make."""

import sys
from pathlib import Path

import pytest

from lossbook.results import Store

sys.path.insert(0, str(Path(__file__).parent))  # for tiny.py, which a killed process imports too


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSBOOK_BUILD", str(tmp_path / "build"))
    return tmp_path / "build"


@pytest.fixture
def store(place, tmp_path):
    return Store(published=tmp_path / "published")
