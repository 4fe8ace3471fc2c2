"""What several commands share: tables, warnings, and files that appear whole or not at all."""

import contextlib
import errno
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from lossbook import paths
from lossbook.errors import LossbookError

#: Help of the option ``--where``.
WHERE = "Only cells with these labels, for example loss=lgl_inr,beta=1."


def check_writable(path: Path) -> None:
    """See that a file can be written, before the work it is to tell of is done.

    Raises:
        LossbookError: It cannot.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except OSError as error:
        raise LossbookError(f"cannot write {path}: {error.strerror}") from error


def write(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        LossbookError: It cannot be written.
    """
    try:
        paths.atomic_write(path, content)
    except OSError as error:
        raise LossbookError(f"cannot write {path}: {error.strerror}") from error


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Show each warning once, as a line without the code that it comes from."""
    seen = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in seen:
            seen.add(str(message))
            print(f"warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield


def labels_text(labels: Mapping[str, Any]) -> str:
    """What a cell is, in words."""
    return ", ".join(f"{name} {value}" for name, value in labels.items())


def number(value: float | None, *, percent: bool = False) -> str:
    """A measured number with four digits, or as a percentage."""
    if value is None:
        return "not finite"
    return f"{100 * value:.2f}%" if percent else f"{value:.4g}"


def print_table(table: RenderableType) -> None:
    """Print a table; into a file or a pipe it is not cut to a terminal's width."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(width=200, highlight=False)
    console.print(table)
