"""One file from a server: resumed where it broke off, verified, there whole or not at all."""

import contextlib
import errno
import http.client
import os
import queue
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from lossbook.datasets import official
from lossbook.datasets.errors import DataUnavailableError
from lossbook.datasets.registry import FileInfo
from lossbook.progress import Bar

# To find a server. A name look-up knows no time limit, so it runs in a thread that may be left behind.
REACH_SECONDS = 3.0
# Without a single byte from a server that was found. A slow one may take as long as it likes.
STALL_SECONDS = 30.0
RETRY_SECONDS = 0.5
_FRUITLESS = 3
_CHUNK = 1 << 16


class TransferError(Exception):
    """A server did not give the file; the message says why."""


def reachable(mirrors: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Which of some addresses have a server that accepts connections.

    All are tried at once, for `REACH_SECONDS` in all.

    Returns:
        The reachable ones in the order given, and for each host that is not the reason.
    """
    mirrors = list(mirrors)
    places = {mirror: _place(mirror) for mirror in mirrors}
    wanted = {place for place in places.values() if place}
    answers: queue.SimpleQueue[tuple[tuple[str, int], str]] = queue.SimpleQueue()
    deadline = time.monotonic() + REACH_SECONDS
    for place in wanted:
        threading.Thread(target=_knock, args=(place, answers), daemon=True).start()
    heard: dict[tuple[str, int], str] = {}
    while len(heard) < len(wanted):
        try:
            place, reason = answers.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            break
        heard[place] = reason
        if not reason:
            # One is enough; the others get a moment more, so that the preferred one still comes first.
            deadline = min(deadline, time.monotonic() + 1)
    found = [mirror for mirror, place in places.items() if place is None or heard.get(place) == ""]
    reasons = {
        place[0]: heard.get(place) or f"no answer within {REACH_SECONDS:g} seconds"
        for mirror, place in places.items()
        if place and mirror not in found
    }
    return found, reasons


def fetch(url: str, file: FileInfo, part: Path, progress: Bar) -> None:
    """Bring a file's published bytes to `part`, going on from what `part` already holds.

    Args:
        url: Where the file is.
        file: What is known of it; its checksum, if known, decides whether it is the right one.
        part: Where to put it. What has come stays there when the server breaks off, for the next attempt.
        progress: Its bar.

    Raises:
        TransferError: The server does not have the file, sent other bytes, or broke off again and again.
        DataUnavailableError: The disk is full or cannot be written.
    """
    fruitless, best, heard, total = 0, 0, False, file.size
    resumed = part.exists()
    while True:
        have = part.stat().st_size if part.exists() else 0
        progress.at(have)
        if have and total is not None and have >= total:
            wrong = _wrong(part, file, total)
            if wrong is None:
                return
            part.unlink()
            if not resumed:
                raise TransferError(wrong)
            # The beginning may have come from another version of the file: once more from the start.
            resumed, best = False, 0
            continue
        resumed = resumed or have > 0
        try:
            total = _receive(url, part, have, file.size, progress)
            reason = "broke off"
            heard = True
        except urllib.error.HTTPError as error:
            if error.code == 416:
                # What is here is no beginning of what the server has.
                part.unlink(missing_ok=True)
                resumed = False
            elif error.code < 500 and error.code not in (408, 429):
                raise TransferError(f"answered {error.code} {error.reason}") from error
            reason = f"answered {error.code} {error.reason}"
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            reason = _plain(error)
            if not heard and isinstance(getattr(error, "reason", error), TimeoutError):
                raise TransferError(reason) from error
        have = part.stat().st_size if part.exists() else 0
        if have > best:
            fruitless, best, heard = 0, have, True
        else:
            fruitless += 1
        if total is not None and have >= total:
            continue
        if fruitless >= _FRUITLESS:
            size = f" of {total}" if total is not None else ""
            raise TransferError(f"{reason} after {have}{size} bytes, {_FRUITLESS} times in a row")
        time.sleep(RETRY_SECONDS * fruitless)


def _certificates() -> ssl.SSLContext:
    """Who is trusted: as the system says; by certifi's list where it says nothing, as on some macOS."""
    context = ssl.create_default_context()
    places = ssl.get_default_verify_paths()
    if not places.cafile and not places.capath:
        with contextlib.suppress(ImportError):
            import certifi

            context.load_verify_locations(certifi.where())
    return context


def _receive(url: str, part: Path, have: int, size: int | None, progress: Bar) -> int | None:
    """Append what the server sends; the file's size, None where neither registry nor server told it."""
    request = urllib.request.Request(url, headers={"User-Agent": "lossbook", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=STALL_SECONDS, context=_certificates()) as answer:
        start = _start(answer, have, size)
        length = answer.headers.get("Content-Length")
        announced = start + int(length) if length and length.isdigit() else None
        try:
            out = part.open("ab" if start else "wb")
        except OSError as error:
            raise unwritable(part, error) from error
        with out:
            done = start
            while size is None or done <= size:
                chunk = answer.read1(_CHUNK)
                if not chunk:
                    break
                try:
                    out.write(chunk)
                    out.flush()
                except OSError as error:
                    raise unwritable(part, error) from error
                done += len(chunk)
                progress.at(done)
    # An announced length is only believed where the true one is not known.
    if size is not None:
        return size
    return done if announced is None else announced


def _start(answer: http.client.HTTPResponse, have: int, size: int | None) -> int:
    """At which byte the answer begins: 0 when the server ignored that only the rest was asked for."""
    if not have or answer.status != 206:
        return 0
    given = re.match(r"bytes (\d+)-\d*/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if not given or int(given[1]) != have:
        raise http.client.HTTPException("answered with another part of the file than was asked for")
    if size is not None and given[2] not in ("*", str(size)):
        raise http.client.HTTPException(f"has a file of {given[2]} bytes, but one of {size} was expected")
    return have


def _wrong(part: Path, file: FileInfo, total: int) -> str | None:
    """Why the file is not the published one."""
    if part.stat().st_size > total:
        return f"sent more than the {total} bytes of {file.name}"
    if file.digest is None:
        return None
    algorithm, expected = file.digest
    found = official.file_checksum(part, algorithm)
    if found == expected:
        return None
    return f"sent wrong bytes: the {algorithm} of {file.name} is {found}, but {expected} was expected"


def unwritable(path: Path, error: OSError) -> DataUnavailableError:
    """What to say when a file cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataUnavailableError(
            f"The disk is full: {path} could not be written. What has come is kept. "
            "Free some space and try again, or set LOSSBOOK_DATA to a folder on another disk."
        )
    return DataUnavailableError(
        f"{path} cannot be written: {error.strerror or error}. "
        "Set LOSSBOOK_DATA to a folder that can be written, or one that has the files."
    )


def _place(url: str) -> tuple[str, int] | None:
    """Host and port to connect to for an address: the proxy's where one is set; None for a local file."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname):
        parts = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _knock(place: tuple[str, int], answers: "queue.SimpleQueue[tuple[tuple[str, int], str]]") -> None:
    try:
        socket.create_connection(place, timeout=REACH_SECONDS).close()
        answers.put((place, ""))
    except (OSError, ValueError) as error:
        answers.put((place, _plain(error)))


def _plain(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    return (getattr(reason, "strerror", None) or str(reason) or type(reason).__name__).lower()


def settle(part: Path, target: Path) -> None:
    """Move a verified file into place, its content on the disk first."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
