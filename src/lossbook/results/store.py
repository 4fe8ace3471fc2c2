"""The record store: one JSON line a run, written whole or not at all, read whatever lies between.

Working records are under ``_build/results``; those worth publishing are committed under ``data/results``.
Both hold ``<paper>/<item>/<profile>.jsonl``. A shard of a grid writes a file of its own beside it,
``<profile>.shard-<i>-of-<n>.jsonl``. The name of a file does not matter to the reader, so records of a shard
count as soon as they are there; :meth:`Store.merge` puts them where the others are.
"""

import contextlib
import hashlib
import json
import math
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossbook import paths
from lossbook.errors import LossbookError
from lossbook.results import arrays, attestation
from lossbook.results.attestation import Trust, digest_of, line_of
from lossbook.results.locking import held, locked

if TYPE_CHECKING:
    import numpy as np

SCHEMA = 2
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
        metrics: Values at the last epoch, and what was measured at the end; accuracies are fractions. An
            array keeps its shape, as nested lists.
        curves: One value per epoch for each metric that is measured by epoch.
        steps: One value per step for each that is measured by step.
        files: Arrays too large for a line, by name; see :mod:`lossbook.results.arrays`.
        weights: Digests of the weights after the ``first`` epoch and at the ``end``.
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
    metrics: dict[str, Any]
    curves: dict[str, list[Any]]
    provenance: dict[str, Any]
    steps: dict[str, list[Any]] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA
    origin: str = field(default="working", compare=False)

    @property
    def trust(self) -> Trust:
        """Whether today's code is known to give this record; see :mod:`lossbook.results.attestation`."""
        return attestation.trust(self.experiment, self.config, self.provenance)

    def metric(self, name: str) -> Any:
        """A metric, or an element of one that is an array: ``count/3/7`` is row 3, column 7 of ``count``.

        None where there is no such metric, or where it was not finite.

        Raises:
            IndexError: An element that the array does not have.
        """
        whole, index = _indexed(name)
        return _element(self.metrics.get(whole), index)

    def curve(self, name: str) -> list[Any]:
        """What was measured by epoch, or an element of it, named as by :meth:`metric`; empty if nothing.

        Raises:
            IndexError: An element that the array does not have.
        """
        whole, index = _indexed(name)
        return [_element(value, index) for value in self.curves.get(whole, [])]

    def numbers(self) -> dict[str, float | None]:
        """Every metric as single numbers, named as by :meth:`metric`; sorted by name."""
        return dict(sorted(_flat(self.metrics)))

    def to_json(self) -> str:
        """The record as one line with its digest, without a line end.

        Raises:
            ValueError: A number that is not finite.
        """
        content = asdict(self)
        del content["origin"]
        for name in _OPTIONAL:
            if not content[name]:
                del content[name]
        return line_of(content | {"digest": digest_of(content)})

    @classmethod
    def from_json(cls, line: str, origin: str) -> "Record":
        """Read one line.

        Raises:
            ValueError: The line is not a record, or not as it was written.
        """
        content = _parsed(line)
        digest = content.pop("digest", None)
        _check_types(content)
        if not _is_as_written(line, content, digest):
            raise ValueError(
                f"altered since it was written: its digest is {digest}, its content's {digest_of(content)}"
            )
        return cls(**content, origin=origin)


def _indexed(name: str) -> tuple[str, list[int]]:
    whole, *index = name.split("/")
    return whole, [int(i) for i in index]


def _element(value: Any, index: Sequence[int]) -> Any:
    for i in index:
        value = value if value is None else value[i]
    return value


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    for name, value in values.items():
        if isinstance(value, list):
            yield from _flat({f"{name}/{i}": each for i, each in enumerate(value)})
        else:
            yield name, value


# --- one line -----------------------------------------------------------------------------------------------

_TYPES: dict[str, type] = {
    **dict.fromkeys(("key", "experiment", "profile", "status"), str),
    **dict.fromkeys(("labels", "config", "metrics", "curves", "provenance"), dict),
    **dict.fromkeys(("steps", "files", "weights"), dict),
    **dict.fromkeys(("seed", "schema"), int),
}
_OPTIONAL = ("steps", "files", "weights")
_KINDS: dict[type, str] = {str: "text", dict: "an object", int: "a whole number"}
_STATUS = ("finished", "diverged")
_FILE = {"path": str, "sha256": str, "dtype": str, "shape": list}
# What other parts of the package count on, where it is there.
_PROVENANCE: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("code", "data", "device", "device_name", "precision", "finished"), (str,)),
    **dict.fromkeys(("modules", "data_notes"), (list,)),
    **dict.fromkeys(("threads", "train_size", "test_size", "validation_size"), (int,)),
    "seconds": (int, float),
    "versions": (dict,),
}


def _parsed(line: str) -> dict[str, Any]:
    try:
        content = json.loads(line, parse_constant=_not_finite, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("lists within lists without end") from error
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    schema = content.get("schema")
    if schema != SCHEMA or type(schema) is not int:
        raise ValueError(
            f"schema {schema!r:.40}, this version reads {SCHEMA}: published records come with the checkout, "
            "so update data/results; others are made again by `lossbook run`"
        )
    return content


def _check_types(content: Mapping[str, Any]) -> None:
    for name, kind in _TYPES.items():
        if name not in content:
            if name in _OPTIONAL:
                continue
            raise ValueError(f"no {name}")
        if not isinstance(content[name], kind) or isinstance(content[name], bool):
            raise ValueError(f"{name} is {content[name]!r:.40}, not {_KINDS[kind]}")
    if unknown := sorted(content.keys() - _TYPES.keys()):
        raise ValueError(f"unknown field {unknown[0]!r}")
    if content["status"] not in _STATUS:
        raise ValueError(f"status is {content['status']!r:.40}, not {' or '.join(_STATUS)}")
    for name, value in content["metrics"].items():
        _check_numbers(f"metrics {name}", value)
    for group in ("curves", "steps"):
        for name, values in content.get(group, {}).items():
            if not isinstance(values, list):
                raise ValueError(f"{group} {name} is {values!r:.40}, not a list")
            _check_numbers(f"{group} {name}", values)
    for name, value in content.get("weights", {}).items():
        if not isinstance(value, str):
            raise ValueError(f"weights {name} is {value!r:.40}, not text")
    for name, value in content.get("files", {}).items():
        if not isinstance(value, dict) or any(not isinstance(value.get(k), t) for k, t in _FILE.items()):
            raise ValueError(f"files {name} is {value!r:.40}, not {', '.join(_FILE)}")
    for name, kinds in _PROVENANCE.items():
        value = content["provenance"].get(name)
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise ValueError(f"provenance {name} is {value!r:.40}")


_NUMBERS = {int, float, type(None)}


def _check_numbers(name: str, value: Any) -> int:
    """See that a value is a number, None, or a rectangular array of them; how many axes it has."""
    if not isinstance(value, list):
        if type(value) not in _NUMBERS:
            raise ValueError(f"{name} holds {value!r:.40}, which is not a number")
        return 0
    if _NUMBERS.issuperset(map(type, value)):
        return 1
    axes = {_check_numbers(name, each) for each in value}
    lengths = {len(each) if isinstance(each, list) else -1 for each in value}
    if len(axes) > 1 or len(lengths) > 1:
        raise ValueError(f"{name} is an array whose rows differ in length")
    return 1 + axes.pop()


def _is_as_written(line: str, content: Mapping[str, Any], digest: Any) -> bool:
    # The digest is of the line without it. Only a line that something else has formatted is written anew.
    whole = hashlib.sha256(line.replace(f'"digest":"{digest}",', "", 1).encode()).hexdigest()[:16]
    return digest in (whole, digest_of(content))


def mended(line: str) -> str | None:
    """A line whose numbers were put in quotation marks, as it was written.

    Args:
        line: A line that is no record.

    Returns:
        The line, or None where it is damaged otherwise: then its digest does not fit.
    """
    try:
        content = _parsed(line)
        digest = content.pop("digest", None)
        for name in ("seed", "metrics", "curves", "steps"):
            if name in content:
                content[name] = _unquoted(content[name])
        _check_types(content)
    except ValueError:
        return None
    return line_of(content | {"digest": digest}) if digest == digest_of(content) else None


def _unquoted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unquoted(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_unquoted(each) for each in value]
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return json.loads(value, parse_constant=_not_finite, parse_float=_finite)
    return value


def canonical(content: Mapping[str, Any]) -> str:
    """Settings or labels as text, the same for equal ones."""
    return json.dumps(content, sort_keys=True)


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
        is reported with a warning and left where it is. Shards may be merged meanwhile.

        Args:
            experiment: Only this ``<paper>/<item>``.
            profile: Only this profile.
        """
        best: dict[tuple[str, str, str], tuple[tuple[int, bool, str], Record]] = {}
        for record in self._read_all(experiment):
            if experiment not in (None, record.experiment) or profile not in (None, record.profile):
                continue
            rank = (
                record.trust.level,
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
            with contextlib.ExitStack() as stack:
                # Always in this order, so that two merges do not wait for each other for ever.
                opened = {shard: stack.enter_context(held(shard)) for shard in shards}
                handles = {shard: handle for shard, handle in opened.items() if handle is not None}
                lines = [line for shard, handle in handles.items() for line in _whole_lines(shard, handle)]
                stack.enter_context(held(common, create=True))
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

    def problems(self) -> "list[Problem]":
        """Lines that are no records or whose arrays are not as written, in all files, in their order."""
        found = []
        for folder, origin in self._folders():
            for path, content in _read_files(folder):
                for number, record, why in _lines(content, origin):
                    if wrong := why or self._wrong_file(record):
                        found.append(Problem(path, number, wrong))
        return found

    def fix(self) -> "list[tuple[Problem, str]]":
        """Set lines right that :func:`mended` can, and move the others that are no records aside.

        They go to a file beside theirs, ``<file>.damaged``; a file that has no record left is removed.

        Returns:
            Each problem, and what was done about it.

        Raises:
            LossbookError: A file cannot be written; it is as it was.
        """
        done: list[tuple[Problem, str]] = []
        for folder, origin in self._folders():
            for path in _listing(folder)[0]:
                try:
                    with held(path) as handle:
                        if handle is not None:
                            done += self._fix(path, origin)
                except OSError as error:
                    raise LossbookError(f"cannot set {path} right: {error.strerror}") from error
        return done

    def _fix(self, path: Path, origin: str) -> "list[tuple[Problem, str]]":
        content = path.read_bytes()
        aside = path.with_name(f"{path.name}.damaged")
        lines: list[bytes | None] = list(content.split(b"\n"))
        done, moved = [], list[bytes]()
        for number, record, why in _lines(content, origin):
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
            for path, content in _read_files(folder / experiment if experiment else folder):
                yield from _records(path, content, origin)


def shard_files(common: Path) -> list[Path]:
    """The files of shards that belong to a common file, sorted."""
    return sorted(common.parent.glob(f"{common.stem}.shard-*-of-*.jsonl"))


def _append(path: Path, line: bytes) -> None:
    with held(path, create=True) as handle:
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
    with path.open("rb") as file, contextlib.suppress(OSError), locked(file.fileno()):
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


@dataclass(frozen=True)
class Problem:
    """A line of a file that is no record.

    Attributes:
        path: The file.
        line: Number of the line, from 1.
        why: What is wrong with it.
    """

    path: Path
    line: int
    why: str


def _records(path: Path, content: bytes, origin: str) -> Iterator[Record]:
    for number, record, why in _lines(content, origin):
        if record is not None:
            yield record
        else:
            warnings.warn(
                f"{path}, line {number}, is not a record and was passed over ({why}); "
                "`lossbook results check --fix` sets it right or moves it aside",
                stacklevel=2,
            )


def _lines(content: bytes, origin: str) -> Iterator[tuple[int, Record | None, str]]:
    text = content.decode("utf-8", errors="replace")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, Record.from_json(line, origin), ""
            except ValueError as error:
                yield number, None, str(error)


def _not_finite(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _not_finite(text)
