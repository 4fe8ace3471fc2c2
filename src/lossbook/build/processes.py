"""Processes that end together: a build that is stopped, or killed, leaves nothing running.

A build starts Snakemake as the leader of a process group of its own. The build ends that group however it
ends itself; where it cannot, because it was killed, the leader and each of its steps notice that their parent
is gone. A notebook's kernel notices by itself.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO

#: Set for the processes that a build starts.
STARTED_BY_BUILD = "LOSSBOOK_FAILURES"
_GRACE = 5.0
_PAUSE = 0.5


def run_group(command: Sequence[str], environment: Mapping[str, str], stderr: BinaryIO) -> int:
    """Run a command as the leader of a process group, and end the whole group with it.

    Returns:
        Its exit status.
    """
    process = subprocess.Popen(command, env=environment, stderr=stderr, start_new_session=True)
    try:
        return process.wait()
    finally:
        _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _GRACE
        while time.monotonic() < deadline:
            process.poll()  # A leader that has ended but was not waited for still counts as there.
            try:
                os.killpg(process.pid, kind)
            except (ProcessLookupError, PermissionError):  # macOS refuses a group of ended processes
                return
            time.sleep(0.05)


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Take SIGTERM and SIGHUP for Ctrl-C, so that what was started can be ended; ``nohup`` is respected."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    heard = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_make() -> None:
    """Where make has started this process, send it SIGTERM when make is gone."""
    if os.environ.get("MAKELEVEL"):
        _watch(lambda: os.kill(os.getpid(), signal.SIGTERM))


def end_group_with_parent() -> None:
    """Where a build has started this process, kill its whole group when its parent is gone."""
    if os.environ.get(STARTED_BY_BUILD):
        _watch(lambda: os.killpg(os.getpgrp(), signal.SIGKILL))


def _watch(end: Callable[[], None]) -> None:
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PAUSE)
        end()

    threading.Thread(target=watch, daemon=True).start()
