"""Whether the machine that builds the book gives the numbers of the records."""

import json
import os
from collections.abc import Iterable
from pathlib import Path


def line(experiments: Iterable[str]) -> str:
    """Return what was replayed of some experiments while the book is built; empty outside of a build."""
    folder = os.environ.get("LOSSBOOK_REPLAYS")
    files = [Path(folder) / f"{name}.json" for name in experiments] if folder else []
    found = [json.loads(path.read_text(encoding="utf-8")) for path in files if path.is_file()]
    if len(found) < 3:
        return " ".join(dict.fromkeys(each["text"] for each in found))
    states = [each["state"] for each in found]
    if set(states) == {"none"}:
        return f"No run of the {len(found)} experiments behind this page was replayed on this machine."
    counts = {
        "gave the same numbers": states.count("same"),
        "gave nearly the same": states.count("close"),
        "gave others": states.count("different"),
        "not replayed": states.count("none"),
    }
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"One recorded run of each of {len(found)} experiments on this machine: {said}."
