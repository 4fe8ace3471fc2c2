"""What a notebook that runs says on the terminal."""

import re
import threading
import time


class Progress:
    """Says on the terminal that a notebook runs, and of a long one from time to time which cell it is in."""

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total, self.cell = name, total, 0
        self.start = time.monotonic()
        self._over = threading.Event()

    def __enter__(self) -> "Progress":
        self._say(f"running, {self.total} cells")
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        seconds = time.monotonic() - self.start
        self._say(f"{'done' if kind is None else 'stopped'} after {seconds:.0f} s")

    def _beat(self) -> None:
        pause = 10
        while not self._over.wait(pause):
            self._say(f"cell {self.cell} of {self.total}, {time.monotonic() - self.start:.0f} s")
            pause = min(2 * pause, 60)

    def _say(self, text: str) -> None:
        print(f"[{self.name}] {text}", flush=True)


class Prefixed:
    """A text file that puts a notebook's name before each line it passes on."""

    def __init__(self, name: str) -> None:
        self.name, self.rest = name, ""

    def write(self, text: str) -> None:
        *lines, self.rest = re.split(r"[\r\n]+", self.rest + text)
        for line in filter(None, lines):
            print(f"[{self.name}] {line}", flush=True)

    def flush(self) -> None:
        pass
