"""The record store: one JSON line per run, written whole or not at all, and read even among damaged lines.

Working records are under ``_build/results``; those worth publishing are committed under ``data/results``.
Both hold ``<paper>/<item>/<profile>.jsonl``. A shard of a grid writes a file of its own beside it,
``<profile>.shard-<i>-of-<n>.jsonl``. The name of a file does not matter to the reader, so records of a shard
count as soon as they are there; :meth:`Store.merge` puts them where the others are.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lossbook import paths
from lossbook.errors import LossbookError
from lossbook.results import arrays, files
from lossbook.results.files import shard_files
from lossbook.results.lines import mended
from lossbook.results.locking import locked
from lossbook.results.record import Record, canonical

if TYPE_CHECKING:
    import numpy as np

_ROOM = 1 << 16  # bytes, more than most records have


@dataclass(frozen=True)
class Problem:
    """A line of a file that is not a record.

    Attributes:
        path: The file.
        line: Number of the line, from 1.
        why: What is wrong with it.
    """

    path: Path
    line: int
    why: str


def most_trusted(records: Sequence[Record]) -> Record:
    """Of records of one run the most trusted one, then a published one, then the newest."""
    if len(records) == 1:
        return records[0]  # Trust takes time to find out.
    return max(
        records,
        key=lambda r: (r.trust.level, r.origin == "published", str(r.provenance.get("finished", ""))),
    )


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
        """All records, the newest of each run of a profile; a trusted one is preferred to one that is not.

        A run that profiles share may have a record in each. A damaged line, or a file that cannot be read,
        is reported with a warning and left where it is. Shards may be merged meanwhile. The same records may
        be handed out again, so change a copy.

        Args:
            experiment: Only this ``<paper>/<item>``.
            profile: Only this profile.
        """
        runs: dict[tuple[str, str, str], list[Record]] = {}
        for record in self._read_all(experiment):
            if experiment in (None, record.experiment) and profile in (None, record.profile):
                runs.setdefault((record.experiment, record.profile, record.key), []).append(record)
        return sorted(
            (most_trusted(each) for each in runs.values()),
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
            files.append(path, line)
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
        if not shard_files(common):
            return 0
        try:
            with locked(common.parent):
                shards = shard_files(common)  # Another merge may have been first.
                lines = [line for shard in shards for line in files.whole_lines(shard)]
                content = common.read_bytes() if common.exists() else b""
                known = set(content.splitlines())
                new = [line for line in dict.fromkeys(lines) if line not in known]
                if new:
                    gap = b"" if content.endswith(b"\n") or not content else b"\n"
                    paths.atomic_write(common, content + gap + b"".join(line + b"\n" for line in new))
                    files.sync(common)
                for shard in shards:
                    shard.unlink()
        except OSError as error:
            raise LossbookError(
                f"cannot merge the shards of {experiment} into {common}: {error.strerror}. Nothing was lost; "
                "make room and run this again."
            ) from error
        return len(new)

    def problems(self) -> "list[Problem]":
        """Lines that are not records or whose arrays are not as written, in all files, in their order."""
        found = []
        for folder, origin in self._folders():
            for path, content in files.read(folder):
                for number, record, why in files.lines(content, origin):
                    if wrong := why or self._wrong_file(record):
                        found.append(Problem(path, number, wrong))
        return found

    def fix(self) -> "list[tuple[Problem, str]]":
        """Set lines right that :func:`mended` can, and move the others that are not records aside.

        They go to a file beside theirs, ``<file>.damaged``; a file that has no record left is removed.

        Returns:
            Each problem, and what was done about it.

        Raises:
            LossbookError: A file cannot be written; it is as it was.
        """
        done: list[tuple[Problem, str]] = []
        for folder, origin in self._folders():
            for path in files.listing(folder)[0]:
                try:
                    with locked(path.parent):
                        if path.exists():
                            done += self._fix(path, origin)
                except OSError as error:
                    raise LossbookError(f"cannot repair {path}: {error.strerror}") from error
        return done

    def _fix(self, path: Path, origin: str) -> "list[tuple[Problem, str]]":
        content = path.read_bytes()
        aside = path.with_name(f"{path.name}.damaged")
        lines: list[bytes | None] = list(content.split(b"\n"))
        done, moved = [], list[bytes]()
        for number, record, why in files.lines(content, origin):
            wrong = why or self._wrong_file(record)
            if not wrong:
                continue
            line = lines[number - 1] or b""
            better = mended(line.decode("utf-8", errors="replace"))
            if better is not None and record is None:
                lines[number - 1], what = better.encode(), "set right"
            else:
                moved.append(line)
                lines[number - 1], what = None, f"moved to {aside}"
            done.append((Problem(path, number, wrong), what))
        if not done:
            return []
        if moved:
            before = aside.read_bytes() if aside.exists() else b""
            paths.atomic_write(aside, before + b"".join(line + b"\n" for line in moved))
        kept = [line for line in lines if line is not None and line.strip()]
        if kept:
            paths.atomic_write(path, b"".join(line + b"\n" for line in kept))
        else:
            path.unlink()
        return done

    def _wrong_file(self, record: Record | None) -> str:
        """What is wrong with the files that a record names; empty if nothing is."""
        if record is None:
            return ""
        for name in record.files:
            try:
                self.array(record, name)
            except LossbookError as error:
                return str(error)
        return ""

    def _by_origin(self) -> dict[str, Path | None]:
        return {"published": self.published, "working": self.working}

    def _folders(self) -> list[tuple[Path, str]]:
        return [(folder, origin) for origin, folder in self._by_origin().items() if folder is not None]

    def array(self, record: Record, name: str) -> "np.ndarray":
        """An array of a record that lies in a file beside it; see :func:`lossbook.results.arrays.read`."""
        return arrays.read(record, name, self._by_origin())

    def _read_all(self, experiment: str | None) -> Iterator[Record]:
        for folder, origin in self._folders():
            for path, content in files.read(folder / experiment if experiment else folder):
                yield from files.records(path, content, origin)
