"""Files that several processes write, one at a time, even where one of them replaces the file."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def held(path: Path, *, create: bool = False) -> Iterator[int | None]:
    """Open a file and hold its lock.

    Args:
        path: The file.
        create: Whether to make it, empty, where there is none.

    Yields:
        Its descriptor; None where there is none and none is to be made.
    """
    flags = os.O_RDWR | os.O_APPEND | (os.O_CREAT if create else 0)
    while True:
        try:
            handle = os.open(path, flags, 0o666)
        except FileNotFoundError:
            if create:
                raise
            yield None
            return
        try:
            with locked(handle):
                # Another process may have put another file in its place, or none, while this waited.
                if _is_at(path, handle):
                    yield handle
                    return
        finally:
            os.close(handle)


@contextlib.contextmanager
def locked(handle: int) -> Iterator[None]:
    """Hold the lock of an open file."""
    try:
        import fcntl
    except ImportError:  # Windows: one writer at a time is up to the user.
        yield
        return
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
