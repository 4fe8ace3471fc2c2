"""How texts become numbers, by name."""

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from lossbook.errors import UnknownNameError

# Module and class of each. Imported when asked for: a record depends on the code of its own.
_TASKS = {
    "pooled_words": ("pooled_words", "PooledWords"),
    "word_pieces": ("word_pieces", "WordPieces"),
    "words": ("tokens", "Tokens"),
}


def task_class(declared: Mapping[str, Any] | None) -> type[Any]:
    """The task that a run declares for its texts; see :func:`get`.

    Raises:
        UnknownNameError: An unknown name; the message names the nearest.
    """
    name = dict(declared or {}).get("name", "words")
    if name not in _TASKS:
        raise UnknownNameError("reading of texts", name, sorted(_TASKS))
    module, found = _TASKS[name]
    chosen: type[Any] = getattr(importlib.import_module(f"lossbook.training.{module}"), found)
    return chosen


def get(declared: Mapping[str, Any] | None) -> Callable[..., Any]:
    """What makes the task from the data of a run.

    Args:
        declared: ``name`` (``words``, those of the training part; ``pooled_words``, of all parts; or
            ``word_pieces``, those of a pretrained network) and the options of the class of that name; None
            for words with its defaults.

    Raises:
        UnknownNameError: An unknown name; the message names the nearest.
    """
    options = {name: value for name, value in (declared or {}).items() if name != "name"}
    make: Callable[..., Any] = task_class(declared)
    return functools.partial(make, **options)
