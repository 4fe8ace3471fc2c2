"""The record store: one JSON line a run, written whole or not at all, read whatever lies between.

Working records are under ``_build/results``; those worth publishing are committed under ``data/results``.
Both hold ``<paper>/<item>/<profile>.jsonl``. The name of a file does not matter to the reader, so shards
merge by lying side by side.
"""

import contextlib
import functools
import json
import os
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from lossbook import paths
from lossbook.errors import LossbookError
from lossbook.results.code import code_hash

SCHEMA = 1


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
        content = json.loads(line)
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
        known = {f.name for f in fields(cls)} - {"origin"}
        if missing := known - content.keys():
            raise ValueError(f"no {', '.join(sorted(missing))}")
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']}, this version reads {SCHEMA}")
        return cls(**{name: content[name] for name in known}, origin=origin)


@functools.cache
def _current_hash(entry_points: tuple[str, ...]) -> str | None:
    try:
        return code_hash(entry_points)
    except LookupError:
        return None  # What made the record is no longer there under that name.


class Store:
    """Reads published and working records together, and appends to the working ones."""

    def __init__(self, working: Path | None = None, published: Path | None = None) -> None:
        """Open a store; nothing is read until asked.

        Args:
            working: Folder of working records; default ``_build/results``.
            published: Folder of committed records; default ``data/results`` of the checkout, if there is one.
        """
        self.working = working or paths.build_dir() / "results"
        self.published = published or paths.published_results()

    def records(self, experiment: str | None = None, profile: str | None = None) -> list[Record]:
        """All records, the newest of each key; a fresh one is preferred to a stale one.

        A damaged line is reported with a warning and left where it is.

        Args:
            experiment: Only this ``<paper>/<item>``.
            profile: Only this profile.
        """
        best: dict[str, tuple[tuple[bool, bool, str], Record]] = {}
        for record in self._read_all(experiment):
            if experiment not in (None, record.experiment) or profile not in (None, record.profile):
                continue
            rank = (
                record.stale is False,
                record.origin == "published",
                str(record.provenance.get("finished", "")),
            )
            if record.key not in best or rank > best[record.key][0]:
                best[record.key] = (rank, record)
        return sorted(
            (record for _, record in best.values()),
            key=lambda r: (r.experiment, r.profile, json.dumps(r.labels, sort_keys=True), r.seed),
        )

    def append(self, record: Record) -> Path:
        """Add a record to the working store, whole or not at all.

        Returns:
            The file it went to.

        Raises:
            LossbookError: The disk is full or the folder cannot be written; the store is as it was.
        """
        path = self.working / record.experiment / f"{record.profile}.jsonl"
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

    def _read_all(self, experiment: str | None) -> Iterator[Record]:
        for folder, origin in ((self.published, "published"), (self.working, "working")):
            if folder is None:
                continue
            start = folder / experiment if experiment else folder
            for path in sorted(start.rglob("*.jsonl")) if start.is_dir() else []:
                yield from _read_file(path, origin)


def _append(path: Path, line: bytes) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        with _locked(handle):
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
    finally:
        os.close(handle)


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


def _read_file(path: Path, origin: str) -> Iterator[Record]:
    text = path.read_bytes().decode("utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield Record.from_json(line, origin)
        except (ValueError, TypeError) as error:
            warnings.warn(
                f"{path}, line {number}, is not a record and was passed over ({error})", stacklevel=2
            )
