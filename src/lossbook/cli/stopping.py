"""Ctrl-C and SIGTERM: the last line says what is kept, and the exit status is the conventional one."""

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

KEPT = "what was finished is kept"


class Stopped(Exception):
    """The user ended the command.

    Attributes:
        status: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(self, number: signal.Signals, kept: str) -> None:
        """State which signal it was, and what is kept."""
        super().__init__(kept)
        self.status = 128 + number


class _TerminatedError(KeyboardInterrupt):
    pass


def _terminate(*_: Any) -> None:
    raise _TerminatedError


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """End what is within at Ctrl-C and at SIGTERM alike.

    Raises:
        Stopped: One of them came; the message is what the interrupted code has noted of what is kept.
    """
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt as stop:
        number = signal.SIGTERM if isinstance(stop, _TerminatedError) else signal.SIGINT
        raise Stopped(number, "; ".join(getattr(stop, "__notes__", [])) or KEPT) from None
    finally:
        signal.signal(signal.SIGTERM, before)
