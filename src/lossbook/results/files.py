"""Files of records: read as at one moment whatever others do to them, added to whole or not at all."""

import functools
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from lossbook.results.locking import locked
from lossbook.results.record import Record

_MOST_READINGS = 100


def shard_files(common: Path) -> list[Path]:
    """The files of shards that belong to a common file, sorted."""
    return sorted(common.parent.glob(f"{common.stem}.shard-*-of-*.jsonl"))


def append(path: Path, line: bytes) -> None:
    """Add a line to a file, whole or not at all.

    Raises:
        OSError: It cannot be written; the file is as it was.
    """
    with locked(path.parent):
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                line = b"\n" + line  # A line broken off by a killed process stays damaged, alone.
            try:
                written = 0
                while written < len(line):
                    written += os.write(handle, line[written:])
                os.fsync(handle)
            except BaseException:  # A full disk, or Ctrl-C.
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)


def sync(path: Path) -> None:
    """Have a file on the disk before the ones it was made of are deleted."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a file that are JSON; one that was broken off is reported with a warning."""
    found = []
    for line in path.read_bytes().splitlines():
        try:
            json.loads(line)
        except ValueError:
            if line.strip():
                warnings.warn(f"{path} has a line that was broken off; it was left out", stacklevel=3)
        else:
            found.append(line)
    return found


def read(folder: Path) -> list[tuple[Path, bytes]]:
    """The files of records in a folder with what they hold, as at one moment."""
    for _ in range(_MOST_READINGS):
        found, problems = listing(folder)
        contents = []
        whole = True
        for path in found:
            try:
                contents.append((path, _content(path)))
            except FileNotFoundError as error:
                if path.is_symlink():
                    problems.append(error)
                else:
                    whole = False
            except OSError as error:
                problems.append(error)
        # A merge moves records from one file to another, which may be after this looked into the second.
        if whole and listing(folder)[0] == found:
            break
    for problem in problems:
        warnings.warn(
            f"{problem.filename} cannot be read and was passed over ({problem.strerror})", stacklevel=2
        )
    return sorted(contents)


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if not content or content.endswith(b"\n"):
        return content
    try:  # The last line may be in the making.
        with locked(path.parent):
            return path.read_bytes()
    except FileNotFoundError:
        raise  # It was merged meanwhile.
    except OSError:
        return content  # Where nothing can be written, not even a lock, nobody is writing.


def listing(folder: Path) -> tuple[list[Path], list[OSError]]:
    """What is named as files of records are; shards before the common file, to which a merge moves them."""
    found: list[Path] = []
    problems: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=problems.append):
        found += [Path(place, name) for name in (*folders, *files) if name.endswith(".jsonl")]
    found.sort(key=lambda path: (path.parent, ".shard-" not in path.name, path.name))
    return found, [error for error in problems if not isinstance(error, FileNotFoundError)]


def records(path: Path, content: bytes, origin: str) -> Iterator[Record]:
    """The records of a file; a line that is none is reported with a warning and passed over."""
    for number, record, why in lines(content, origin):
        if record is not None:
            yield record
        else:
            warnings.warn(
                f"{path}, line {number}, is not a record and was passed over ({why}); "
                "`lossbook results check --fix` sets it right or moves it aside",
                stacklevel=2,
            )


@functools.lru_cache(maxsize=8)  # Each profile of an experiment reads all of its files.
def lines(content: bytes, origin: str) -> tuple[tuple[int, Record | None, str], ...]:
    """Of each line of a file its number, from 1, and its record; None where it is none, and why."""
    found: list[tuple[int, Record | None, str]] = []
    text = content.decode("utf-8", errors="replace")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                found.append((number, Record.from_json(line, origin), ""))
            except ValueError as error:
                found.append((number, None, str(error)))
    return tuple(found)
