"""How far something is: bars on a terminal, a line now and then elsewhere; durations and sizes in words."""

import time
from types import TracebackType

from rich import progress
from rich.console import Console
from rich.text import Text

#: Seconds between two lines where there is no terminal, at the least.
LINE_SECONDS = 10.0


class Progress:
    """Bars on standard error if that is a terminal; else lines, each with the text of all bars.

    A context: the bars are there from its start to its end.
    """

    def __init__(self, *, show: bool = True) -> None:
        """Begin with no bar.

        Args:
            show: Whether anything is shown at all.
        """
        self.show = show
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._texts = (progress.TextColumn("{task.description}", markup=False), _Done(), _Left())
        live = show and self._console.is_terminal
        self._bars = progress.Progress(
            self._texts[0], progress.BarColumn(), *self._texts[1:], console=self._console, disable=not live
        )
        self._lines = show and not self._console.is_terminal
        self._last, self._said = time.monotonic(), ""

    def __enter__(self) -> "Progress":
        """Show the bars."""
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bars as they are."""
        self._bars.stop()

    def say(self, text: str) -> None:
        """Print a line, above the bars."""
        if self.show:
            self._console.print(text, markup=False)

    def bar(self, label: str, total: float | None = None, unit: str = "") -> "Bar":
        """Add a bar.

        Args:
            label: What it is of.
            total: Where it ends; None if that is not known.
            unit: ``bytes`` to show amounts and speed; another word to show counts of it; empty for neither.
        """
        return Bar(self, self._bars, self._bars.add_task(label, total=total, unit=unit, begun=None))

    def tell(self, *, now: bool = False) -> None:
        """Print a line with the text of the bars where they cannot be shown, if it differs from the last one
        and that is long enough ago.

        Args:
            now: Whether to print it at once.
        """
        moment = time.monotonic()
        if self._lines and (now or moment - self._last >= LINE_SECONDS):
            bars = [[column.render(task).plain for column in self._texts] for task in self._bars.tasks]
            text = "; ".join(", ".join(filter(None, texts)) for texts in bars)
            if text and text != self._said:
                self._last, self._said = moment, text
                self.say(text)


class Bar:
    """One bar of a :class:`Progress`; a context, at whose end it goes."""

    def __init__(self, shown: Progress, bars: progress.Progress, task: progress.TaskID) -> None:
        """Made by :meth:`Progress.bar`."""
        self._shown, self._bars, self._task = shown, bars, task

    def __enter__(self) -> "Bar":
        """Nothing is left to do."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self.remove()

    def remove(self) -> None:
        """Take the bar away."""
        self._bars.remove_task(self._task)

    def at(
        self, done: float, *, label: str | None = None, total: float | None = None, tell: bool = True
    ) -> None:
        """Say how far it is. Its speed counts from the first of these on.

        Args:
            done: How much is done.
            label: A new label.
            total: A new end.
            tell: Whether a line may be due; not while other bars are yet to be moved.
        """
        task = next(task for task in self._bars.tasks if task.id == self._task)
        begun = task.fields["begun"]
        if begun is None or done < begun[1]:
            self._bars.update(self._task, begun=(time.monotonic(), done))
        self._bars.update(self._task, completed=done)
        if label is not None:
            self._bars.update(self._task, description=label)
        if total is not None:
            self._bars.update(self._task, total=total)
        if tell:
            self._shown.tell()


class _Done(progress.ProgressColumn):
    """Amounts or counts, in a bar's unit."""

    max_refresh = None

    def render(self, task: progress.Task) -> Text:
        unit = task.fields["unit"]
        if not unit:
            return Text("")
        if unit == "bytes":
            of = f" of {amount(task.total)}" if task.total else ""
            speed = _speed(task)
            return Text(f"{amount(task.completed)}{of}" + (f", {amount(speed)}/s" if speed else ""))
        of = f"/{task.total:.0f}" if task.total is not None else ""
        return Text(f"{unit} {task.completed:.0f}{of}")


class _Left(progress.ProgressColumn):
    """The time left at the speed so far."""

    def render(self, task: progress.Task) -> Text:
        speed = _speed(task)
        if not speed or task.total is None or task.completed >= task.total:
            return Text("")
        return Text(f"about {duration((task.total - task.completed) / speed)} left")


def _speed(task: progress.Task) -> float:
    """How much per second, from the first report on; 0 while that is not known."""
    begun = task.fields["begun"]
    if begun is None or task.completed <= begun[1]:
        return 0.0
    return float(task.completed - begun[1]) / max(time.monotonic() - begun[0], 1e-9)


def duration(seconds: float) -> str:
    """Seconds in words that fit their size: ``45 s``, ``12 min``, ``3.4 h``, ``2.1 days``, ``83 years``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    days = seconds / 86400
    if days < 20:
        return f"{days:.1f} days"
    return f"{days:.0f} days" if days < 730 else f"{days / 365.25:,.{int(days < 36525)}f} years"


def amount(size: float) -> str:
    """A number of bytes for people: ``9.9 MB``."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
