"""Compare all that is there of a data set with what it should be, computing every checksum again."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lossbook import paths
from lossbook.datasets import arrays, folders, loading, mulan, official, uci121
from lossbook.datasets.errors import DataDamagedError, DataUnavailableError
from lossbook.datasets.registry import DatasetInfo, FileInfo
from lossbook.datasets.registry import info as find


@dataclass(frozen=True)
class VerifyReport:
    """What a verification found.

    Attributes:
        name: The set's name.
        verified: The files, or parts of another package, that are what they should be.
        problems: What is wrong, in sentences: the file, the checksum expected and found, the remedy.
        notes: How the set found here differs from the published one.
    """

    name: str
    verified: tuple[str, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether something was there and nothing was wrong."""
        return bool(self.verified) and not self.problems


@dataclass(frozen=True)
class Status:
    """What can be told of a set without reading all of it."""

    here: bool
    verified: str
    where: str
    notes: tuple[str, ...] = ()


def status(name: str | DatasetInfo) -> Status:
    """Whether a set is here and was verified.

    Arrays unchanged since they were last verified are not read again.

    Raises:
        UnknownNameError: There is no such set.
    """
    info = name if isinstance(name, DatasetInfo) else find(name)
    root = paths.data_root()
    if info.refusal:
        return Status(False, "", "cannot be loaded", (info.refusal,))
    if info.format in loading.EMBEDDED:
        return Status(True, "when loaded", loading.EMBEDDED[info.format])
    try:
        if arrays.complete(info, root):
            try:
                found = arrays.read(info, root)
                arrays.check_declared(info, found)
            except (DataDamagedError, OSError):
                damaged = ("damaged: `lossbook data verify` says how",)
                return Status(True, "NO", str(root / info.name), damaged)
            return Status(True, "yes", str(root / info.name), found.notes)
        if loading.cached(info, root) or official.complete(info, root):
            notes = tuple(uci121.notes(info, root)) if info.format == "uci" else ()
            return Status(True, "when loaded", str(root / info.folder), notes)
    except DataUnavailableError as error:
        return Status(False, "NO", str(root / info.folder), (str(error),))
    except OSError as error:
        unreadable = str(arrays.unreadable(root / info.folder, error))
        return Status(False, "NO", str(root / info.folder), (unreadable,))
    how = f"lossbook data get {info.name}"
    return Status(False, "", how if info.mirrors else f"must be asked for: {how} says where")


def verify(name: str | DatasetInfo, *, decode: bool = True) -> VerifyReport:
    """Check every file of a set that is in the data root, reading all of it.

    A set that is not there gives a report with nothing verified and no problems.

    Args:
        name: One of :func:`names`, or a registry entry of your own.
        decode: Whether to compare what published files hold with the set's entry, too.

    Raises:
        UnknownNameError: There is no such set.
    """
    info = name if isinstance(name, DatasetInfo) else find(name)
    root = paths.data_root()
    verified: list[str] = []
    problems: list[str] = []
    notes: list[str] = [info.refusal] if info.refusal else []
    try:
        _verify(info, root, decode, verified, problems, notes)
    except DataUnavailableError as error:
        problems.append(str(error))
    except OSError as error:
        problems.append(str(arrays.unreadable(root / info.folder, error)))
    return VerifyReport(info.name, tuple(verified), tuple(problems), tuple(notes))


def _verify(
    info: DatasetInfo, root: Path, decode: bool, verified: list[str], problems: list[str], notes: list[str]
) -> None:
    for what, check in _checks(info, root):
        try:
            note = check()
            verified.append(what)
            if note and note not in notes:
                notes.append(note)
        except (DataDamagedError, DataUnavailableError) as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"{what} cannot be read: {error.strerror or error}.")
    if info.format == "uci":
        notes += uci121.notes(info, root) if verified else []
    elif not problems and loading.present(info):
        _verify_whole(info, root, decode, verified, problems, notes)


def _verify_whole(
    info: DatasetInfo, root: Path, decode: bool, verified: list[str], problems: list[str], notes: list[str]
) -> None:
    """Check what no single file shows: that images and labels belong together."""
    published = info.kind == "images" and not folders.is_lazy(info) and info.format != "sklearn"
    try:
        if not published or arrays.complete(info, root):
            found = loading.load(info, download=False).notes
        elif decode:
            found = loading.decode(info, root).notes
        else:
            return
    except (DataDamagedError, DataUnavailableError) as error:
        problems.append(str(error))
        return
    notes += [note for note in found if note not in notes]
    if not verified:
        verified.append(str(mulan.cache(info, root) if info.format == "mulan" else root / info.folder))


def _checks(info: DatasetInfo, root: Path) -> Iterator[tuple[str, Callable[[], str | None]]]:
    """Each thing to check of a set, with what checks it and gives a note or raises."""
    if info.format in loading.EMBEDDED:
        yield loading.EMBEDDED[info.format].removeprefix("part of "), lambda: None
    folder = root / info.folder
    # An archive without a known checksum is checked by what is unpacked from it.
    if info.archive and info.archive.digest and (root / info.archive.name).is_file():
        yield str(root / info.archive.name), partial(_published, info, root / info.archive.name, info.archive)
    for file in info.files:
        # One without a known checksum is checked by what it holds, when all is loaded.
        if file.digest and (folder / file.name).is_file():
            yield str(folder / file.name), partial(_published, info, folder / file.name, file)
        if file.unpacked and (folder / file.unpacked.name).is_file():
            yield str(folder / file.unpacked.name), partial(_unpacked, info, folder, file, file.unpacked)
    if info.format not in loading.EMBEDDED and arrays.complete(info, root):
        for array in info.arrays:
            yield str(arrays.file_of(info, root, array)), partial(_array, info, root, array)


def _published(info: DatasetInfo, path: Path, file: FileInfo) -> None:
    official.check_file(path, file, info.name)


def _unpacked(info: DatasetInfo, folder: Path, file: FileInfo, unpacked: FileInfo) -> None:
    packed, plain = folder / file.name, folder / unpacked.name
    if unpacked.digest or not packed.is_file():
        official.check_file(plain, unpacked, info.name)
        return
    expected = hashlib.sha256(official.gunzip(packed)).hexdigest()
    found = official.file_checksum(plain, "sha256")
    if found != expected:
        raise DataDamagedError(official.mismatch(plain, "sha256", expected, found, info.name))


def _array(info: DatasetInfo, root: Path, array: str) -> str | None:
    checksum = arrays.check(info, root, array)
    return next((known.note for known in info.contents.get(array, ()) if known.sha256 == checksum), None)
