"""What is kept of runs in hand: checkpoints, and finished trainings whose records are not written yet."""

import contextlib
import warnings
from pathlib import Path
from typing import Any

import torch

from lossbook.errors import LossbookError


def discard_damaged(path: Path) -> None:
    """Delete a checkpoint that cannot be read, with a warning: what it was of is trained from its start.

    Raises:
        LossbookError: There is a file, but it must not be read or deleted.
    """
    if path.is_file():
        _load(path)


def read_finished(path: Path, code: str) -> dict[str, Any] | None:
    """What :func:`write_finished` wrote; None where there is nothing, or where other code or data made it.

    Raises:
        LossbookError: There is a file, but it must not be read or deleted.
    """
    state = _load(path) if path.is_file() else None
    return state if state is not None and state["code"] == code else None


def write_finished(path: Path, code: str, content: dict[str, Any]) -> None:
    """Keep what was trained until its record is written; a disk that is full is a warning.

    Args:
        path: The file; it appears whole or not at all.
        code: Hash of the code and of the data behind it.
        content: Numbers, texts and tensors by name.
    """
    part = path.with_suffix(".done-part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content | {"code": code}, part)
        part.replace(path)
    except (OSError, RuntimeError) as error:  # torch's own writer raises the latter.
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        warnings.warn(
            f"{path} could not be written, which is needed only if this stops now: {error}", stacklevel=2
        )


def _load(path: Path) -> dict[str, Any] | None:
    try:
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
        except (OSError, MemoryError):
            raise
        except Exception:  # What reading a damaged file ends in depends on where the damage is.
            state = None
        if isinstance(state, dict) and "code" in state:
            return state
        warnings.warn(f"{path} is damaged and was deleted; what it was of is trained again", stacklevel=3)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise LossbookError(
            f"{path} cannot be read or deleted: {error.strerror}. Remove it, or set LOSSBOOK_BUILD to "
            "another folder."
        ) from error
    return None
