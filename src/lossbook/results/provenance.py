"""Where a number comes from: git commit, machine, versions."""

import functools
import importlib.metadata
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from lossbook import paths

_LIBRARIES = ("lossbook", "torch", "torchvision", "numpy")


def now() -> str:
    """The time, in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@functools.cache
def git_state() -> tuple[str | None, bool | None]:
    """The checkout's commit, and whether the package differs from it; None where there is no git."""
    top = paths.root()
    if top is None:
        return None, None
    commit = _git(top, "rev-parse", "HEAD")
    if commit is None:
        return None, None
    changes = _git(top, "status", "--porcelain", "--", "src")
    return commit, bool(changes) if changes is not None else None


def _git(top: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=top, capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@functools.cache
def versions() -> dict[str, str]:
    """Python and the libraries that decide a number."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if name == "lossbook":
                from lossbook import __version__

                found[name] = __version__
    return found


@functools.cache
def processor_name() -> str:
    """The processor's own name for itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
