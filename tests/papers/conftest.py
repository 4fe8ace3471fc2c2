"""Synthetic records are trusted."""

import pytest


@pytest.fixture(autouse=True)
def _all_trusted(trusted: None) -> None:
    """Records are fresh unless a test says otherwise."""
