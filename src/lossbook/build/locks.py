"""Locks: one build of a profile at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from lossbook.build.places import profile_dir
from lossbook.errors import LossbookError

#: How long to wait for what a killed build has left to end, in seconds.
_LEFT_OVER = 10


@contextmanager
def only_build(folder: Path) -> Iterator[None]:
    """Hold a profile's folder for this process. The system lets go of it however the process ends."""
    lock = filelock.FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise LossbookError(f"another build is under way in {folder}; wait for it or stop it") from None
    except OSError as error:
        raise LossbookError(
            f"cannot write to {folder}: {error.strerror}; set LOSSBOOK_BUILD to a folder that can be written"
        ) from error
    with lock:
        yield


def hold_workflow(profile: str) -> filelock.BaseFileLock:
    """Take the lock that Snakemake holds for as long as it runs, also when the build above it was killed.

    Raises:
        LossbookError: Another Snakemake works in the profile's folder and does not end.
    """
    lock = filelock.FileLock(profile_dir(profile) / ".workflow.lock")
    try:
        lock.acquire(timeout=_LEFT_OVER)
    except filelock.Timeout:
        raise LossbookError(
            f"another Snakemake works in {profile_dir(profile)}; wait for it or stop it"
        ) from None
    return lock
