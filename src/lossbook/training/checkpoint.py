"""What is kept of a run in hand: one that was stopped goes on, and one that was trained is not lost."""

import contextlib
import warnings
from pathlib import Path
from typing import Any

import torch

from lossbook.errors import LossbookError

#: Seconds between two checkpoints, at the least.
SECONDS = 20.0


class OutOfTimeError(Exception):
    """The deadline came before the run was finished; its last checkpoint is kept."""


def save(path: Path | None, state: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all; a disk that is full is a warning.

    Args:
        path: The file; nothing is written for None.
        state: Numbers, texts and tensors; ``code`` says by what code and from what data.
    """
    if path is None:
        return
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, part)
        part.replace(path)
    except (OSError, RuntimeError) as error:  # torch's own writer raises the latter.
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        warnings.warn(
            f"{path} could not be written, which is needed only if this stops now: {error}", stacklevel=2
        )


def load(path: Path | None, code: str) -> dict[str, Any] | None:
    """Read a checkpoint; None where there is none, or where other code or data made it.

    One that is damaged is deleted with a warning: what it was of is trained from its start.

    Raises:
        LossbookError: There is a file, but it cannot be read or deleted.
    """
    if path is None or not path.is_file():
        return None
    try:
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
        except (OSError, MemoryError):
            raise
        except Exception:  # What reading a damaged file ends in depends on where the damage is.
            state = None
        if isinstance(state, dict) and "code" in state:
            return state if state["code"] == code else None
        warnings.warn(f"{path} is damaged and was deleted; what it was of is trained again", stacklevel=2)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise LossbookError(
            f"{path} cannot be read or deleted: {error.strerror}. Remove it, or set LOSSBOOK_BUILD to "
            "another folder."
        ) from error
    return None
