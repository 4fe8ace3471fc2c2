"""Folders whose files several processes write, one at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, the file ``.lock`` in it; waits for the process that has it.

    The files themselves are no locks: a merge puts another file in the place of one, or deletes it.

    Raises:
        OSError: The folder cannot be written.
    """
    with FileLock(folder / ".lock"):
        yield
