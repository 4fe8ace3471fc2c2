"""The record store: one JSON line a run, written whole or not at all, read whatever lies between.

Working records are under ``_build/results``; those worth publishing are committed under ``data/results``.
Both hold ``<paper>/<item>/<profile>.jsonl``. A shard of a grid writes a file of its own beside it,
``<profile>.shard-<i>-of-<n>.jsonl``. The name of a file does not matter to the reader, so records of a shard
count as soon as they are there; :meth:`Store.merge` puts them where the others are.
"""

import contextlib
import functools
import json
import math
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from lossbook import paths
from lossbook.errors import LossbookError
from lossbook.results.code import code_hash

SCHEMA = 1
_MOST_READINGS = 100
_ROOM = 1 << 16  # bytes, more than most records have


@dataclass(frozen=True)
class Record:
    """The result of one run: one cell of an experiment, one seed, one profile.

    Attributes:
        key: Hash of everything that defines the run.
        experiment: ``<paper>/<item>``.
        profile: The profile it was run under.
        labels: What the cell is in the paper's terms.
        config: Everything that defines the run, but the seed.
        seed: The seed.
        status: ``finished``, or ``diverged`` when the training loss stopped being finite.
        metrics: Values at the last epoch; accuracies are fractions.
        curves: One value an epoch for each metric; None where it was not finite.
        provenance: Code, data, machine, versions, seconds.
        origin: ``published`` (committed) or ``working``.
    """

    key: str
    experiment: str
    profile: str
    labels: dict[str, Any]
    config: dict[str, Any]
    seed: int
    status: str
    metrics: dict[str, float | None]
    curves: dict[str, list[float | None]]
    provenance: dict[str, Any]
    schema: int = SCHEMA
    origin: str = field(default="working", compare=False)

    @property
    def stale(self) -> bool | None:
        """Whether the code behind the record has changed since; None when that cannot be told."""
        entry_points = self.provenance.get("entry_points")
        if not entry_points:
            return None
        return _current_hash(tuple(entry_points)) != self.provenance.get("code")

    def to_json(self) -> str:
        """The record as one line, without a line end."""
        content = asdict(self)
        del content["origin"]
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, line: str, origin: str) -> "Record":
        """Read one line.

        Raises:
            ValueError: The line is not a record.
        """
        content = json.loads(line, parse_constant=_not_finite, parse_float=_finite)
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
        known = {f.name for f in fields(cls)} - {"origin"}
        if missing := known - content.keys():
            raise ValueError(f"no {', '.join(sorted(missing))}")
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']}, this version reads {SCHEMA}")
        return cls(**{name: content[name] for name in known}, origin=origin)


def canonical(content: Mapping[str, Any]) -> str:
    """Settings or labels as text, the same for equal ones."""
    return json.dumps(content, sort_keys=True)


@functools.cache
def _current_hash(entry_points: tuple[str, ...]) -> str | None:
    try:
        return code_hash(entry_points)
    except LookupError:
        return None  # What made the record is no longer there under that name.


class Store:
    """Reads published and working records together, and appends to the working ones."""

    def __init__(
        self,
        working: Path | None = None,
        published: Path | None = None,
        *,
        shard: tuple[int, int] = (1, 1),
    ) -> None:
        """Open a store; nothing is read until asked.

        Args:
            working: Folder of working records; default ``_build/results``.
            published: Folder of committed records; default ``data/results`` of the checkout, if there is one.
            shard: Part i of n, ``(i, n)``, whose file records are added to; ``(1, 1)`` for the common file.
        """
        self.working = working or paths.build_dir() / "results"
        self.published = published or paths.published_results()
        self._ending = "" if shard == (1, 1) else f".shard-{shard[0]}-of-{shard[1]}"

    def records(self, experiment: str | None = None, profile: str | None = None) -> list[Record]:
        """All records, the newest of each run of a profile; a fresh one is preferred to a stale one.

        A run that profiles share may have a record in each. A damaged line, or a file that cannot be read,
        is reported with a warning and left where it is. Shards may be merged meanwhile.

        Args:
            experiment: Only this ``<paper>/<item>``.
            profile: Only this profile.
        """
        best: dict[tuple[str, str, str], tuple[tuple[bool, bool, str], Record]] = {}
        for record in self._read_all(experiment):
            if experiment not in (None, record.experiment) or profile not in (None, record.profile):
                continue
            rank = (
                record.stale is False,
                record.origin == "published",
                str(record.provenance.get("finished", "")),
            )
            run = (record.experiment, record.profile, record.key)
            if run not in best or rank > best[run][0]:
                best[run] = (rank, record)
        return sorted(
            (record for _, record in best.values()),
            key=lambda r: (r.experiment, r.profile, canonical(r.labels), r.seed),
        )

    def append(self, record: Record) -> Path:
        """Add a record to the working store, whole or not at all.

        Returns:
            The file it went to.

        Raises:
            LossbookError: The disk is full or the folder cannot be written; the store is as it was.
        """
        path = self._file(record.experiment, record.profile)
        line = (record.to_json() + "\n").encode()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _append(path, line)
        except OSError as error:
            raise LossbookError(
                f"cannot write the record of {record.experiment} to {path}: {error.strerror}. Nothing was "
                "lost but this run; make room or set LOSSBOOK_BUILD to a folder that can be written, and run "
                "again."
            ) from error
        return path

    def check_writable(self, experiment: str, profile: str) -> None:
        """See that records can be added, before anything is trained for them.

        Args:
            experiment: ``<paper>/<item>``.
            profile: The profile.

        Raises:
            LossbookError: The folder or the file cannot be written, or there is no room.
        """
        path = self._file(experiment, profile)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path.parent) as file:
                file.write(bytes(_ROOM))
                file.flush()
            if path.exists() or path.is_symlink():
                with path.open("ab"):
                    pass
        except OSError as error:
            raise LossbookError(
                f"cannot write records of {experiment} to {path}: {error.strerror}. Make room, or set "
                "LOSSBOOK_BUILD to a folder that can be written."
            ) from error

    def _file(self, experiment: str, profile: str) -> Path:
        return self.working / experiment / f"{profile}{self._ending}.jsonl"

    def shards(self) -> list[tuple[str, str]]:
        """Experiments and profiles that have files of shards to merge, sorted."""
        found = set()
        for path in self.working.rglob("*.shard-*-of-*.jsonl"):
            found.add((path.parent.relative_to(self.working).as_posix(), path.name.rpartition(".shard-")[0]))
        return sorted(found)

    def merge(self, experiment: str, profile: str) -> int:
        """Move the records of an experiment's shards to the common file.

        It may be done again, broken off, or done while shards are still being written: every record is in
        exactly one of the files afterwards, or in both, and then the next merge counts it once. A line that a
        killed process broke off is reported with a warning and left out.

        Args:
            experiment: ``<paper>/<item>``.
            profile: The profile.

        Returns:
            How many records were moved.

        Raises:
            LossbookError: The folder cannot be written; the store is as it was.
        """
        common = self.working / experiment / f"{profile}.jsonl"
        shards = shard_files(common)
        if not shards:
            return 0
        try:
            with contextlib.ExitStack() as held:
                # Always in this order, so that two merges do not wait for each other for ever.
                opened = {shard: held.enter_context(_held(shard)) for shard in shards}
                handles = {shard: handle for shard, handle in opened.items() if handle is not None}
                lines = [line for shard, handle in handles.items() for line in _whole_lines(shard, handle)]
                held.enter_context(_held(common, create=True))
                content = common.read_bytes()
                known = set(content.splitlines())
                new = [line for line in dict.fromkeys(lines) if line not in known]
                if new:
                    gap = b"" if content.endswith(b"\n") or not content else b"\n"
                    paths.atomic_write(common, content + gap + b"".join(line + b"\n" for line in new))
                    _sync(common)
                for shard in handles:
                    shard.unlink()
        except OSError as error:
            raise LossbookError(
                f"cannot merge the shards of {experiment} into {common}: {error.strerror}. Nothing was lost; "
                "make room and run this again."
            ) from error
        return len(new)

    def _read_all(self, experiment: str | None) -> Iterator[Record]:
        for folder, origin in ((self.published, "published"), (self.working, "working")):
            if folder is None:
                continue
            for path, content in _read_files(folder / experiment if experiment else folder):
                yield from _records(path, content, origin)


def shard_files(common: Path) -> list[Path]:
    """The files of shards that belong to a common file, sorted."""
    return sorted(common.parent.glob(f"{common.stem}.shard-*-of-*.jsonl"))


def _append(path: Path, line: bytes) -> None:
    with _held(path, create=True) as handle:
        assert handle is not None
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line  # A line broken off by a killed process stays damaged, alone.
        written = 0
        try:
            while written < len(line):
                written += os.write(handle, line[written:])
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise


def _sync(path: Path) -> None:
    """Have a file on the disk before the ones it was made of are deleted."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _whole_lines(path: Path, handle: int) -> list[bytes]:
    found = []
    for line in os.pread(handle, os.fstat(handle).st_size, 0).splitlines():
        try:
            json.loads(line)
        except ValueError:
            if line.strip():
                warnings.warn(f"{path} has a line that was broken off; it was left out", stacklevel=3)
        else:
            found.append(line)
    return found


@contextlib.contextmanager
def _held(path: Path, *, create: bool = False) -> Iterator[int | None]:
    """Open a file and hold its lock; None when it is not there and is not to be made."""
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
            with _locked(handle):
                # A merge may have put another file in its place, or none, while this waited for the lock.
                if _is_at(path, handle):
                    yield handle
                    return
        finally:
            os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _locked(handle: int) -> Iterator[None]:
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


def _read_files(folder: Path) -> list[tuple[Path, bytes]]:
    """The files of records in a folder with what they hold, as at one moment."""
    for _ in range(_MOST_READINGS):
        found, problems = _listing(folder)
        contents = []
        whole = True
        for path in found:
            try:
                contents.append((path, _read(path)))
            except FileNotFoundError as error:
                if path.is_symlink():
                    problems.append(error)
                else:
                    whole = False
            except OSError as error:
                problems.append(error)
        # A merge moves records from one file to another, which may be after this looked into the second.
        if whole and _listing(folder)[0] == found:
            break
    for problem in problems:
        warnings.warn(
            f"{problem.filename} cannot be read and was passed over ({problem.strerror})", stacklevel=2
        )
    return sorted(contents)


def _read(path: Path) -> bytes:
    content = path.read_bytes()
    if not content or content.endswith(b"\n"):
        return content
    # The last line may be in the making.
    with path.open("rb") as file, contextlib.suppress(OSError), _locked(file.fileno()):
        return file.read()
    return content  # There are file systems without such locks.


def _listing(folder: Path) -> tuple[list[Path], list[OSError]]:
    """What is named as files of records are; shards before the common file, to which a merge moves them."""
    found: list[Path] = []
    problems: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=problems.append):
        found += [Path(place, name) for name in (*folders, *files) if name.endswith(".jsonl")]
    found.sort(key=lambda path: (path.parent, ".shard-" not in path.name, path.name))
    return found, [error for error in problems if not isinstance(error, FileNotFoundError)]


def _records(path: Path, content: bytes, origin: str) -> Iterator[Record]:
    text = content.decode("utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield Record.from_json(line, origin)
        except (ValueError, TypeError) as error:
            warnings.warn(
                f"{path}, line {number}, is not a record and was passed over ({error})", stacklevel=2
            )


def _not_finite(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _not_finite(text)
