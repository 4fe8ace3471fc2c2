"""Where things lie: the checkout, the data root, what is built, what is published."""

import contextlib
import os
import sys
import tempfile
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def root() -> Path | None:
    """The checkout this package runs from, or None when it is installed by itself."""
    top = _PACKAGE.parent.parent
    return top if (top / "pyproject.toml").is_file() and (top / "data" / "datasets.yaml").is_file() else None


def data_file(*parts: str) -> Path:
    """A file of the project's own data: ``data/...`` of the checkout, or the installed package's copy."""
    top = root()
    return (top / "data" if top else _PACKAGE / "_data").joinpath(*parts)


def data_root() -> Path:
    """Where the data sets lie: ``LOSSBOOK_DATA``, or ``lossbook`` in the platform's user cache."""
    given = os.environ.get("LOSSBOOK_DATA")
    return Path(given).expanduser().absolute() if given else _user_folder("cache") / "lossbook"


def build_dir() -> Path:
    """Where everything made goes: ``LOSSBOOK_BUILD``, ``_build`` in the checkout, or a user data folder."""
    given = os.environ.get("LOSSBOOK_BUILD")
    if given:
        return Path(given).expanduser().absolute()
    top = root()
    return top / "_build" if top else _user_folder("data") / "lossbook"


def files_dir() -> Path:
    """Where pages save their CSV, SVG and PDF files: ``LOSSBOOK_FILES`` or ``files`` in the build folder."""
    given = os.environ.get("LOSSBOOK_FILES")
    return Path(given).expanduser().absolute() if given else build_dir() / "files"


def published_results() -> Path | None:
    """The committed records, ``data/results``; None outside a checkout."""
    top = root()
    return top / "data" / "results" if top else None


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a file so that it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


def _user_folder(kind: str) -> Path:
    # The platform's own places; platformdirs is not there on a bare training machine.
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / ("Caches" if kind == "cache" else "Application Support")
    variable, default = {
        "cache": ("XDG_CACHE_HOME", ".cache"),
        "data": ("XDG_DATA_HOME", ".local/share"),
    }[kind]
    return Path(os.environ.get(variable) or Path.home() / default)
