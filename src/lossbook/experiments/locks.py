"""Who has which run in hand: no run is trained by two processes at once."""

import contextlib
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from lossbook.errors import LossbookError
from lossbook.experiments.planned import Run, jobs


@contextlib.contextmanager
def claimed(run: Run) -> Iterator[bool]:
    """Hold a job's lock, so that no other process trains it; False when another one holds it."""
    path = _lock(run)
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        pass
    except OSError as error:
        raise LossbookError(
            f"cannot write to {path.parent}, where unfinished runs are kept: {error.strerror}. Make room, or "
            "set LOSSBOOK_BUILD to a folder that can be written."
        ) from error
    try:
        if lock.is_locked:
            with contextlib.suppress(OSError):  # A full disk: the lock holds without a name in it.
                path.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield lock.is_locked
    finally:
        lock.release()


def holders(runs: Sequence[Run]) -> list[str]:
    """The other processes that have some of the runs in hand, such as ``process 123 on host``; sorted."""
    found = set()
    for run, *_ in jobs(runs):
        with contextlib.suppress(OSError, LossbookError), claimed(run) as held:
            if not held:
                found.add(_lock(run).read_text(encoding="utf-8") or "another process")
    return sorted(found)


def _lock(run: Run) -> Path:
    return run.checkpoint.with_suffix(".lock")
