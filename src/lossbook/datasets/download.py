"""Bring a data set's published files into the data root, in its publisher's or torchvision's layout."""

import contextlib
import math
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from lossbook import paths
from lossbook.datasets import arrays, loading, official, transfer, uci121
from lossbook.datasets.errors import DataDamagedError, DataUnavailableError
from lossbook.datasets.registry import DatasetInfo, FileInfo
from lossbook.datasets.registry import info as find
from lossbook.datasets.verification import verify
from lossbook.progress import Progress, amount


def get(name: str | DatasetInfo, *, progress: bool = True) -> None:
    """Download a data set into the data root, unless it is there already.

    Every file is verified before it appears under its own name. A download that broke off is taken up again.

    Args:
        name: One of :func:`names`, or a registry entry of your own.
        progress: Whether to tell on standard error how far it is.

    Raises:
        UnknownNameError: There is no such set.
        DataUnavailableError: No server gave the files, the set must be asked for or is refused, or the data
            root cannot be written; the message says what to do by hand.
        DataDamagedError: The data root has the set as arrays, but not the right ones.
    """
    info = name if isinstance(name, DatasetInfo) else find(name)
    root = paths.data_root()
    try:
        with Progress(show=progress) as tell:
            _bring(info, root, tell)
    except OSError as error:
        raise arrays.unreadable(Path(error.filename or root), error) from error


def _bring(info: DatasetInfo, root: Path, tell: Progress) -> None:
    if info.refusal:
        raise DataUnavailableError(info.refusal)
    if info.format in loading.EMBEDDED:
        tell.say(f"{info.title}: {loading.EMBEDDED[info.format]}, nothing to download")
    elif arrays.complete(info, root):
        tell.say(f"{info.title}: already in {root / info.name}")
        for note in arrays.read(info, root).notes:
            tell.say(f"{info.title}: {note}; to download the published set, remove that folder first")
    elif loading.cached(info, root):
        tell.say(f"{info.title}: already in {root / info.folder}")
    elif official.complete(info, root) and not verify(info, decode=False).problems:
        tell.say(f"{info.title}: already in {root / info.folder if not info.archive else root}")
        for note in uci121.notes(info, root) if info.format == "uci" else ():
            tell.say(
                f"{info.title}: {note}; to download the published archive, remove {root / info.folder} first"
            )
    elif not info.mirrors:
        raise DataUnavailableError(f"{info.title} is not in {root} as published. {by_hand(info, root)}")
    else:
        try:
            with _alone(info, root, tell):
                _get(info, root, tell)
        except OSError as error:
            raise transfer.unwritable(Path(error.filename or root), error) from error


def by_hand(info: DatasetInfo, root: Path) -> str:
    """How to put a set's files in place without this package."""
    if info.by_hand:
        text = info.by_hand.format(folder=root / info.folder)
        return f"{text} Or set LOSSBOOK_DATA to a folder that has {info.folder} in it."
    if info.archive:
        what, folder = info.archive.name, root
    else:
        what, folder = ", ".join(file.name for file in info.files), root / info.folder
    return (
        f"Put {what} into {folder} by hand (published at {' and '.join(info.mirrors)}), "
        f"or set LOSSBOOK_DATA to a folder that has {info.folder} in it."
    )


def _get(info: DatasetInfo, root: Path, tell: Progress) -> None:
    folder = root / info.folder
    files = (info.archive,) if info.archive else info.files
    if info.files and info.archive and all(_right(folder / file.name, file) for file in info.files):
        files = ()
    place = root if info.archive else folder
    missing = [file for file in files if not _there(place, file)]
    if missing:
        _check_space(info, root, missing)
        _download(info, root, place, missing, tell)
    if not info.read_from_archive:
        _unpack(info, root, files, missing)
    tell.say(f"{info.title}: {_came(info, missing)} {place if info.read_from_archive else folder}")


def _unpack(info: DatasetInfo, root: Path, files: tuple[FileInfo, ...], missing: list[FileInfo]) -> None:
    if not info.archive:
        for file in info.files:
            _unpack_gzip(root / info.folder, file)
    elif files:
        _unpack_archive(info, root)
        if missing:
            (root / info.archive.name).unlink()


def _came(info: DatasetInfo, missing: list[FileInfo]) -> str:
    if not missing:
        return "already in"
    known = all(file.digest for file in ((info.archive,) if info.archive else info.files))
    known = known or bool(info.archive and all(file.digest for file in info.files))
    return "verified, in" if known else "without a known checksum, in"


def _download(info: DatasetInfo, root: Path, place: Path, missing: list[FileInfo], tell: Progress) -> None:
    place.mkdir(parents=True, exist_ok=True)
    mirrors, unreached = transfer.reachable(info.mirrors)
    if not mirrors:
        why = "; ".join(f"{host}: {reason}" for host, reason in unreached.items())
        raise DataUnavailableError(
            f"{info.title} could not be downloaded: no server could be reached ({why}). "
            + by_hand(info, root)
        )
    for file in missing:
        part = place / f"{file.name}.part"
        reasons = []
        for mirror in mirrors:
            tell.say(f"{info.title}: {file.name}{_size(file)} from {mirror}")
            try:
                with tell.bar(file.name, file.size, "bytes") as bar:
                    transfer.fetch(mirror + file.name, file, part, bar)
                break
            except transfer.TransferError as error:
                reasons.append(f"{mirror} {error}")
        else:
            raise DataUnavailableError(
                f"{info.title} could not be downloaded: no mirror gave {file.name} "
                f"({'; '.join(reasons)}). Try again later. {by_hand(info, root)}"
            )
        transfer.settle(part, place / file.name)


def _size(file: FileInfo) -> str:
    return f" ({amount(file.size)})" if file.size else ""


def _there(folder: Path, file: FileInfo) -> bool:
    if _right(folder / file.name, file):
        return True
    return bool(file.unpacked and file.unpacked.digest and _right(folder / file.unpacked.name, file.unpacked))


def _right(path: Path, file: FileInfo) -> bool:
    if file.digest is None:
        # An archive without a known checksum: what it holds is checked instead.
        return path.is_file()
    algorithm, expected = file.digest
    return path.is_file() and official.file_checksum(path, algorithm) == expected


def _check_space(info: DatasetInfo, root: Path, missing: list[FileInfo]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    # The packed files, the unpacked ones, and the arrays that the first load writes.
    decoded = sum(info.parts.values()) * math.prod(info.image_shape) if info.image_shape else 0
    needed = sum(file.size or 0 for file in missing) + 2 * decoded
    free = shutil.disk_usage(root).free
    if free < needed:
        raise DataUnavailableError(
            f"{info.title} needs about {amount(needed)} in {root}, but its disk has only {amount(free)} "
            "free. Free some space, or set LOSSBOOK_DATA to a folder on another disk."
        )


def _unpack_gzip(folder: Path, file: FileInfo) -> None:
    if file.unpacked is None:
        return
    packed, plain = folder / file.name, folder / file.unpacked.name
    if not packed.is_file() or (file.unpacked.digest and _right(plain, file.unpacked)):
        return
    paths.atomic_write(plain, official.gunzip(packed))


def _unpack_archive(info: DatasetInfo, root: Path) -> None:
    assert info.archive is not None
    archive = root / info.archive.name
    with tempfile.TemporaryDirectory(prefix=f".{info.name}-", dir=root) as temporary:
        unpacked, folder = Path(temporary) / Path(info.folder).name, root / info.folder
        try:
            official.extract(archive, official.inside(info, Path(temporary)))
            for file in info.files:
                if file.digest:
                    official.check_file(unpacked / file.name, file, info.name)
                elif not (unpacked / file.name).is_file():
                    raise DataDamagedError(f"it has no {file.name}.")
        except (
            tarfile.TarError,
            zipfile.BadZipFile,
            EOFError,
            zlib.error,
            FileNotFoundError,
            DataDamagedError,
        ) as error:
            if info.archive.digest:
                raise
            raise DataDamagedError(
                f"{archive} is not the archive of {info.title} that this package knows: {error} "
                f"Remove it and run `lossbook data get {info.name}`."
            ) from error
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not folder.exists():
            unpacked.rename(folder)
            return
        for path in [path for path in unpacked.rglob("*") if path.is_file()]:
            target = folder / path.relative_to(unpacked)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


@contextlib.contextmanager
def _alone(info: DatasetInfo, root: Path, tell: Progress) -> Iterator[None]:
    """Keep other processes from downloading the same set at the same time."""
    lock = FileLock(root / f".{info.name}.lock")
    try:
        root.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            tell.say(f"{info.title}: waiting for another download of it to end")
            lock.acquire()
    except OSError as error:
        raise transfer.unwritable(root, error) from error
    try:
        yield
    finally:
        lock.release()
