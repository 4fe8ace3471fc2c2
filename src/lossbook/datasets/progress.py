"""How far a download is: a bar on a terminal, a line now and then elsewhere."""

import time
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

_LINE_SECONDS = 10.0


class Reporter(Protocol):
    """What a download tells of itself."""

    def say(self, text: str) -> None:
        """Print a line."""

    def start(self, label: str, total: int | None) -> None:
        """Begin a file of `total` bytes; None where that is not known."""

    def at(self, done: int) -> None:
        """So many bytes of the file are here."""

    def stop(self) -> None:
        """The file ended, well or not."""


def reporter(show: bool) -> Reporter:
    """A bar when standard error is a terminal, else lines; nothing when not to be shown."""
    if not show:
        return _Silent()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    return _Bar(console) if console.is_terminal else _Lines(console)


def amount(size: float) -> str:
    """A number of bytes for people: ``9.9 MB``."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


class _Silent:
    def say(self, text: str) -> None:
        pass

    def start(self, label: str, total: int | None) -> None:
        pass

    def at(self, done: int) -> None:
        pass

    def stop(self) -> None:
        pass


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._label = ""
        self._total: int | None = None
        self._begun: tuple[float, int] | None = None
        self._last = 0.0

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    def start(self, label: str, total: int | None) -> None:
        self._label, self._total, self._begun = label, total, None
        self._last = time.monotonic()

    def at(self, done: int) -> None:
        now = time.monotonic()
        if self._begun is None or done < self._begun[1]:
            self._begun = (now, done)
        if now - self._last < _LINE_SECONDS:
            return
        self._last = now
        speed = (done - self._begun[1]) / max(now - self._begun[0], 1e-9)
        text = f"{self._label}: {amount(done)}"
        if self._total:
            text += f" of {amount(self._total)}"
        text += f", {amount(speed)}/s"
        if self._total and speed:
            text += f", {(self._total - done) / speed:.0f} s left"
        self.say(text)

    def stop(self) -> None:
        pass


class _Bar:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    def start(self, label: str, total: int | None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._progress.add_task(label, total=total)
        self._progress.start()

    def at(self, done: int) -> None:
        if self._progress:
            self._progress.update(self._task, completed=done)

    def stop(self) -> None:
        if self._progress:
            self._progress.stop()
