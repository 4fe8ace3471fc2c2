"""Whether today's code gives a record: the same code made it, a sample of its kind was trained again, or
neither.

A record carries a hash of the modules it was made by. Records of an experiment with the same hash, and the
same names of network, loss and whatever else chooses code, are of one kind (:func:`kind`). When the code has
changed since, a sample of each kind (:func:`sample`) is trained again with today's code and compared with the
records, number by number (:func:`compare`). The comparisons are in
``data/attestations/<paper>/<item>.jsonl``, one line each. A line counts for as long as the modules that were
imported when it was made are what they were; which modules the record names itself does not matter, so a
module may be renamed.

A run whose plan would take other modules today than when it was attested is not noticed here, where nothing
is planned and torch is not needed: :mod:`lossbook.experiments.attest` notices, and trains it again.
"""

import functools
import hashlib
import json
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossbook import paths
from lossbook.errors import LossbookError
from lossbook.results.code import code_hash
from lossbook.results.locking import locked

if TYPE_CHECKING:
    from lossbook.results.record import Record

#: Digits to which a number must agree where it does not agree exactly. Another kind of processor adds up in
#: another order, and training magnifies the last digits.
DIGITS = 3
#: What agreement to all the digits that a record has counts as.
EXACT = 6
_CURVE = re.compile(r"curves (\w+)/(\d+): (\S+) then, (\S+) now")
_METRIC = re.compile(r"metrics (\w+): (\S+) then, (\S+) now")
#: After how many epochs a long run that is trained again is left: the second shows that an epoch goes on
#: rightly from the one before.
FIRST_EPOCHS = 2

_MOST_DIFFERENCES = 5
# Settings whose values are names of code, or choose it by being there.
_NAMES = (
    "model",
    "loss",
    "optimizer",
    "augmentation",
    "step",
    "measures",
    "epoch_measures",
    "step_measures",
    "class_weight",
    "precision",
    "pixels",
)


@dataclass(frozen=True)
class Attestation:
    """A record's run, trained again and compared.

    Attributes:
        key: Key of the record.
        profile: Its profile.
        seed: Its seed.
        kind: The kind of records it stands for, as :func:`kind` gives it.
        sample: Keys of all records of the kind that are to be trained again.
        code_then: Hash of the code that made it.
        code_now: Hash of the code it was trained again with.
        modules: The modules that hash is of.
        epochs: Epochs that were compared.
        of: Epochs that the run has.
        compared: How many numbers were compared.
        digits: To how many digits the worst of them agree; 6 is all that a record has.
        differs: Where the worst differences are, with both numbers; empty where everything is equal.
        device: ``cpu`` or ``cuda``.
        device_name: The processor's name for itself.
        device_then: That of the record.
        threads: Number of threads.
        versions: Python and the libraries.
        finished: When.
    """

    key: str
    profile: str
    seed: int
    kind: str
    sample: tuple[str, ...]
    code_then: str
    code_now: str
    modules: tuple[str, ...]
    epochs: int
    of: int
    compared: int
    digits: int
    differs: tuple[str, ...]
    device: str
    device_name: str
    device_then: str
    threads: int
    versions: Mapping[str, str]
    finished: str

    @property
    def counts(self) -> bool:
        """Whether it was made with today's code."""
        return hash_now(self.modules) == self.code_now

    @property
    def extent(self) -> str:
        """How much of the run was compared, in words."""
        if self.epochs == self.of:
            return "the whole run"
        return f"the first {'epoch' if self.epochs == 1 else f'{self.epochs} epochs'} of {self.of}"


@dataclass(frozen=True)
class Trust:
    """How far a record is known to be what today's code gives.

    Attributes:
        state: ``fresh``, ``attested`` or ``unattested``.
        digits: For an attested one, to how many digits its sample agrees; 6 is exactly.
        why: The reason, as part of a sentence.
    """

    state: str
    digits: int = 0
    why: str = ""

    @property
    def level(self) -> int:
        """For comparing: 2 is fresh, 1 attested, 0 unattested."""
        return ("unattested", "attested", "fresh").index(self.state)

    def __str__(self) -> str:
        """Say the state, and how exact an attestation is."""
        if self.state != "attested":
            return self.state
        return "attested (exact)" if self.digits >= EXACT else f"attested ({self.digits} digits)"


def kind(experiment: str, code: str, config: Mapping[str, Any]) -> str:
    """A name for the records that one sample stands for: 12 hexadecimal digits, the same for equal kinds.

    Args:
        experiment: ``<paper>/<item>``.
        code: Hash of the code that made the record.
        config: The record's settings. Those that are names of code count, such as network, loss and measures,
            and whether classes were thinned out; data, rates and lengths do not.
    """
    chosen = (*(_hashable(config.get(name)) for name in _NAMES), config.get("class_shares") is not None)
    return _kind(experiment, code, chosen)


@functools.cache
def _kind(experiment: str, code: str, chosen: tuple[Any, ...]) -> str:
    return hashlib.sha256(repr((experiment, code, chosen)).encode()).hexdigest()[:12]


def _hashable(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else json.dumps(value, sort_keys=True)


def trust(experiment: str, provenance: Mapping[str, Any], kind_of: Callable[[], str]) -> Trust:
    """Whether today's code is known to give a record.

    A record is fresh when the modules it was made by are what they were. It is attested when the whole sample
    of its kind was trained again with today's code, and every number of each agrees with its record to
    :data:`DIGITS` significant digits or more. It is unattested otherwise.

    Args:
        experiment: ``<paper>/<item>``.
        provenance: Where it comes from.
        kind_of: Gives the name of its :func:`kind`; asked only where that decides.
    """
    code, modules = provenance.get("code"), provenance.get("modules")
    if not code or not modules:
        return Trust("unattested", why="it does not say what code made it")
    if hash_now(tuple(modules)) == code:
        return Trust("fresh", why="made by today's code")
    return _trust_of_kind(experiment, kind_of())


@functools.cache
def _trust_of_kind(experiment: str, name: str) -> Trust:
    made = [each for each in read(experiment) if each.kind == name]
    found = [each for each in made if each.counts]
    if not found:
        again = " with today's" if made else ""
        return Trust(
            "unattested", why=f"its code has changed since, and no run of its kind was trained again{again}"
        )
    worst = min(found, key=lambda each: each.digits)
    if worst.digits < DIGITS:
        which = (
            "the run of its kind that was trained again"
            if len(found) == 1
            else f"one of {len(found)} runs of its kind that were trained again"
        )
        extent = f"in only {digits(worst.digits)}" if worst.digits else "in no digit"
        return Trust("unattested", worst.digits, f"{which} agrees {extent}: {in_words(worst.differs[0])}")
    # Records may have been added since, which does not undo what was compared.
    keys = {each.key for each in found}
    if not any(keys.issuperset(each.sample) for each in found):
        of = max(len(each.sample) for each in found)
        return Trust(
            "unattested", why=f"{len(found)} of the {of} runs of its sample were trained again so far"
        )
    extents = " or ".join(sorted({each.extent for each in found}))
    how = "exactly" if worst.digits >= EXACT else f"to {worst.digits} digits or more"
    return Trust(
        "attested",
        worst.digits,
        f"{_runs(len(found))} of its kind trained again with today's code, {extents}, agree {how}",
    )


def digits(count: int) -> str:
    """``"no digit"``, ``"1 digit"``, ``"3 digits"``."""
    return "no digit" if count == 0 else "1 digit" if count == 1 else f"{count} digits"


def in_words(difference: str) -> str:
    """``"test cross-entropy after epoch 1: 0.0646 then, 0.0611 now"`` for a line of an attestation."""
    if curve := _CURVE.fullmatch(difference):
        name, epoch, then, now = curve.groups()
        return f"{_words(name)} after epoch {int(epoch) + 1}: {then} then, {now} now"
    if metric := _METRIC.fullmatch(difference):
        name, then, now = metric.groups()
        return f"{_words(name)} at the end: {then} then, {now} now"
    return difference


def _words(name: str) -> str:
    return name.replace("test_ce", "test cross-entropy").replace("train_", "training ").replace("_", " ")


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def forget() -> None:
    """Read attestations anew, and hash code anew, from now on."""
    _trust_of_kind.cache_clear()
    hash_now.cache_clear()
    _read.cache_clear()


@functools.cache
def hash_now(modules: tuple[str, ...]) -> str | None:
    """Hash some modules as they are; None if one of them is gone."""
    try:
        return code_hash(modules)
    except LookupError:
        return None


def path_of(experiment: str) -> Path:
    """The file of an experiment's attestations."""
    return paths.data_file("attestations") / f"{experiment}.jsonl"


def read(experiment: str) -> list[Attestation]:
    """The attestations of an experiment, in the order of the file.

    A line that is no attestation is named in a warning and passed over.

    Raises:
        LossbookError: The file cannot be read.
    """
    return list(_read(path_of(experiment)))


@functools.cache
def _read(path: Path) -> tuple[Attestation, ...]:
    try:
        lines = path.read_bytes().decode(errors="replace").split("\n")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise LossbookError(f"{path} cannot be read: {error.strerror}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            if line.strip():
                found.append(_parsed(line))
        except ValueError as error:
            warnings.warn(
                f"{path}, line {number}, is not an attestation and was passed over ({error}); `lossbook "
                "results attest` makes it anew",
                stacklevel=2,
            )
    return tuple(found)


_TEXTS = (
    "key",
    "profile",
    "kind",
    "code_then",
    "code_now",
    "device",
    "device_name",
    "device_then",
    "finished",
)
_NUMBERS = ("seed", "epochs", "of", "compared", "digits", "threads")
_LISTS = ("sample", "modules", "differs")


def _parsed(line: str) -> Attestation:
    content = json.loads(line)
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    digest = content.pop("digest", None)
    names = {each.name for each in fields(Attestation)}
    if wrong := sorted(names ^ content.keys()):
        raise ValueError(f"{'no' if wrong[0] in names else 'unknown field'} {wrong[0]}")
    for group, check in (
        (_TEXTS, lambda value: isinstance(value, str)),
        (_NUMBERS, lambda value: type(value) is int),
        (_LISTS, lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value)),
        (("versions",), lambda value: isinstance(value, dict)),
    ):
        for name in group:
            if not check(content[name]):
                raise ValueError(f"{name} is {content[name]!r:.40}")
    if digest != digest_of(content):
        raise ValueError("altered since it was written")
    return Attestation(**content | {name: tuple(content[name]) for name in _LISTS})


def digest_of(content: Mapping[str, Any]) -> str:
    """The digest that a line with this content carries: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(line_of(content).encode()).hexdigest()[:16]


def line_of(content: Mapping[str, Any]) -> str:
    """A line of JSON, the same for equal content, without a line end.

    Raises:
        ValueError: A number that is not finite.
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def add(experiment: str, made: Attestation) -> None:
    """Write an attestation, in the place of an earlier one of the same record.

    Raises:
        LossbookError: The file cannot be written.
    """
    path = path_of(experiment)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent):
            forget()  # Another process may have written meanwhile.
            kept = [each for each in read(experiment) if (each.key, each.kind) != (made.key, made.kind)]
            ordered = sorted([*kept, made], key=lambda each: (each.profile, each.kind, each.key))
            paths.atomic_write(path, "".join(map(_line, ordered)))
    except OSError as error:
        raise LossbookError(f"cannot write {path}: {error.strerror}") from error
    forget()


def _line(made: Attestation) -> str:
    content = asdict(made)
    return line_of(content | {"digest": digest_of(content)}) + "\n"


def compare(
    record: Mapping[str, Any], again: Mapping[str, Any], *, epochs: int | None = None
) -> tuple[int, int, tuple[str, ...]]:
    """Compare a record with the same run trained again, number by number.

    Args:
        record: Named values: single ones, lists, and mappings of more, such as the record's ``metrics`` and
            ``curves``. Whatever else today's code measures is not compared.
        again: The same of the run trained again.
        epochs: Compare only this many from the front of each list at the second level, the curves; None
            compares everything, lengths included.

    Returns:
        How many numbers were compared; to how many digits the worst agree, at most 6, and 0 where nothing
        could be compared or something is missing; the five worst differences in words.
    """
    count = 0
    differs: list[tuple[int, str]] = []
    for where, then, now in pairs("", record, again, epochs):
        count += then is None or isinstance(then, int | float)
        if then != now:
            digits = agreement(then, now)
            differs.append((digits, f"{where}: {_word(then)} then, {_word(now)} now"))
    if not count:
        differs.append((0, "the record has no number to compare"))
    differs.sort(key=lambda each: each[0])
    worst = differs[0][0] if differs else EXACT
    return count, worst, tuple(text for _, text in differs[:_MOST_DIFFERENCES])


_MISSING = object()


def _word(value: Any) -> str:
    return "nothing" if value is _MISSING else f"{value!s:.60}"


def pairs(name: str, then: Any, now: Any, epochs: int | None) -> Iterator[tuple[str, Any, Any]]:
    """Two nested values side by side, number by number, each with the name of its place.

    What the second has beyond the first is left out.

    Args:
        name: What stands before each name.
        then: A number, a list, or a mapping of more.
        now: The same, later.
        epochs: Only this many from the front of each list; None for all.
    """
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key, value in then.items():
            yield from pairs(f"{name} {key}".strip(), value, now.get(key, _MISSING), epochs)
    elif isinstance(then, list) and isinstance(now, list):
        if epochs is not None:
            then, now = then[:epochs], now[:epochs]
        if len(then) != len(now):
            yield f"{name}, length", len(then), len(now)
        for i, (one, other) in enumerate(zip(then, now, strict=False)):
            yield from pairs(f"{name}/{i}", one, other, None)
    else:
        yield name, then, now


def agreement(then: Any, now: Any) -> int:
    """To how many significant digits two numbers agree, at most 6: 5 is a relative difference of 1e-5.

    What is not a number agrees to 6 digits or to none.
    """
    if then == now:
        return EXACT
    if not all(isinstance(each, int | float) for each in (then, now)):
        return 0
    return max(0, min(EXACT - 1, math.floor(-math.log10(abs(then - now) / max(abs(then), abs(now))))))


def kinds(records: Iterable["Record"]) -> dict[str, list["Record"]]:
    """Records by their kind; those that do not say what code made them are left out."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if code := record.provenance.get("code"):
            found.setdefault(kind(record.experiment, code, record.config), []).append(record)
    return found


def sample(records: Sequence["Record"]) -> list["Record"]:
    """The records of a kind to train again, the quickest first.

    Of each profile and data set the run that took least time. Runs on tables, whose records have no curves,
    take a second: of each profile and setting of the loss, the quickest, the one in the middle and the
    longest.
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        what = record.config.get("dataset" if record.curves else "loss_options")
        groups.setdefault((record.profile, json.dumps(what, sort_keys=True)), []).append(record)
    chosen: dict[str, Record] = {}
    for group in groups.values():
        ordered = sorted(group, key=lambda record: (seconds(record), record.key))
        places = {0} if group[0].curves else {0, len(group) // 2, len(group) - 1}
        # A run that profiles share has a record in each, and is trained again once.
        chosen |= {ordered[place].key: ordered[place] for place in sorted(places)}
    return sorted(chosen.values(), key=lambda record: (seconds(record), record.key))


def seconds(record: "Record") -> float:
    """How long a record's run took; 0 where it does not say."""
    return float(record.provenance.get("seconds") or 0)
