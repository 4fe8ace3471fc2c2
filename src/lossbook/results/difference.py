"""What differs between two sets of records: folders, or what git has of ``data/results`` at two revisions."""

import statistics
import subprocess
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lossbook import paths
from lossbook.errors import LossbookError
from lossbook.results import attestation, files
from lossbook.results.record import Record, canonical


@dataclass(frozen=True)
class Spread:
    """A number over the seeds of a cell.

    Attributes:
        mean: The mean.
        deviation: The standard deviation; None for a single seed.
        count: Number of seeds.
    """

    mean: float
    deviation: float | None
    count: int

    def __str__(self) -> str:
        """Mean and standard deviation, with five significant digits."""
        return f"{self.mean:.5g}" + ("" if self.deviation is None else f" ± {self.deviation:.2g}")


@dataclass(frozen=True)
class CellDifference:
    """The records of one cell before and after.

    Attributes:
        experiment: ``<paper>/<item>``.
        profile: The profile.
        before: Its records before, one per seed.
        after: Its records after, likewise.
    """

    experiment: str
    profile: str
    before: Sequence[Record]
    after: Sequence[Record]

    @property
    def labels(self) -> dict[str, Any]:
        """What the cell is in the paper's terms."""
        return (self.before or self.after)[0].labels

    @cached_property
    def pairs(self) -> list[tuple[Record, Record]]:
        """The records of each seed that there are both before and after."""
        later = {record.seed: record for record in self.after}
        return [(record, later[record.seed]) for record in self.before if record.seed in later]

    @cached_property
    def numbers(self) -> tuple[int, int, int]:
        """How many numbers were compared; how many differ; to how many digits the worst of these agree."""
        count, digits = 0, []
        for then, now in self.pairs:
            for _, one, other in attestation.pairs("", _content(then), _content(now), None):
                count += 1
                if one != other:
                    digits.append(attestation.agreement(one, other))
        return count, len(digits), min(digits, default=attestation.EXACT)

    @cached_property
    def words(self) -> list[str]:
        """What differs, in words; empty if nothing does."""
        if not self.after:
            return ["only before"]
        if not self.before:
            return ["only after"]
        found = []
        count, changed, digits = self.numbers
        if changed:
            found.append(f"{changed} of {count} values differ, the worst agrees to {digits} digits")
        for then, now in self.pairs:
            for name in sorted(then.config.keys() | now.config.keys()):
                one, other = (each.config.get(name, "unset") for each in (then, now))
                if one != other:
                    found.append(f"{name}: {one} before, {other} after")
            if then.status != now.status:
                found.append(f"seed {then.seed}: {then.status} before, {now.status} after")
            if new := sorted(now.metrics.keys() - then.metrics.keys()):
                found.append(f"measured after alone: {', '.join(new)}")
        earlier, later = ({record.seed for record in each} for each in (self.before, self.after))
        for when, only in (("before", earlier - later), ("after", later - earlier)):
            if only:
                found.append(f"seeds {', '.join(map(str, sorted(only)))} only {when}")
        return list(dict.fromkeys(found))

    @property
    def made_again(self) -> int:
        """How many records come from another training than before, whether or not their numbers differ."""
        return sum(then.provenance != now.provenance for then, now in self.pairs)

    def spreads(self, metric: str) -> tuple[Spread | None, Spread | None, Spread | None]:
        """A metric over the seeds before, after, and the difference after minus before, paired by seed.

        Args:
            metric: Its name, as for :meth:`lossbook.results.Record.metric`.

        Returns:
            None for each where there is no such number.
        """
        changes = []
        for pair in self.pairs:
            then, now = (_number(record, metric) for record in pair)
            changes.append(None if then is None or now is None else now - then)
        return (
            _spread(_number(record, metric) for record in self.before),
            _spread(_number(record, metric) for record in self.after),
            _spread(changes),
        )


def _content(record: Record) -> dict[str, Any]:
    sums = {name: file["sha256"] for name, file in record.files.items()}
    groups = {name: getattr(record, name) for name in ("metrics", "curves", "steps", "weights")}
    return groups | {"files": sums}


def _number(record: Record, metric: str) -> float | None:
    try:
        value = record.metric(metric)
    except (IndexError, ValueError):
        return None
    return value if isinstance(value, int | float) else None


def _spread(values: Iterable[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Spread(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None, len(known))


def compare(before: Iterable[Record], after: Iterable[Record]) -> list[CellDifference]:
    """Pair two sets of records cell by cell; what does not differ is among them, with no words."""
    cells: dict[tuple[str, str, str], tuple[list[Record], list[Record]]] = {}
    for side, records in enumerate((before, after)):
        for record in records:
            cell = (record.experiment, record.profile, canonical(record.labels))
            cells.setdefault(cell, ([], []))[side].append(record)
    return [CellDifference(name, profile, *sides) for (name, profile, _), sides in sorted(cells.items())]


def read(place: str) -> list[Record]:
    """The records of a folder, or those that git has in ``data/results`` at a revision.

    Args:
        place: A folder; or, where there is none of that name, a revision such as ``HEAD~1`` or a tag.

    Raises:
        LossbookError: Neither is there, this is not a git checkout, or there are no records.
    """
    newest: dict[tuple[str, str, str], Record] = {}
    for path, content in files.read(Path(place)) if Path(place).is_dir() else _revision(place):
        damaged = []
        for _, record, why in files.lines(content, "published"):
            if record is None:
                damaged.append(why)
                continue
            run = (record.experiment, record.profile, record.key)
            if run not in newest or _finished(record) > _finished(newest[run]):
                newest[run] = record
        if damaged:
            warnings.warn(
                f"{path}: {len(damaged)} lines are not records and were passed over ({damaged[0]})",
                stacklevel=2,
            )
    if not newest:
        raise LossbookError(f"{place} has no records")
    return sorted(newest.values(), key=lambda r: (r.experiment, r.profile, canonical(r.labels), r.seed))


def _finished(record: Record) -> str:
    return str(record.provenance.get("finished", ""))


def _revision(name: str) -> list[tuple[Path, bytes]]:
    top = paths.root()
    if top is None or _git(top, "rev-parse", "--git-dir") is None:
        raise LossbookError(
            f"{name!r} is no folder; a revision needs a git checkout of the project, which this is not"
        )
    if name.startswith("-") or _git(top, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}") is None:
        raise LossbookError(f"{name!r} is neither a folder nor a revision that git knows here")
    listing = _git(top, "ls-tree", "-r", "-z", "--name-only", name, "--", "data/results") or b""
    found = []
    for path in listing.decode().split("\0"):
        if path.endswith(".jsonl"):
            content = _git(top, "show", f"{name}:./{path}")
            if content is None:
                raise LossbookError(f"git cannot read {path} of {name}")
            found.append((Path(f"{name}:{path}"), content))
    return found


def _git(top: Path, *words: str) -> bytes | None:
    try:
        return subprocess.run(["git", *words], cwd=top, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
