"""Choosing cells by their labels, as in ``loss=lgl_inr,beta=1``."""

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from lossbook.errors import LossbookError, UnknownNameError

_Item = TypeVar("_Item")


def parse(text: str) -> dict[str, str]:
    """The labels asked for, and their values as text.

    Args:
        text: ``label=value`` once or more, with commas between. A comma within a value is part of it where no
            other label follows.

    Raises:
        LossbookError: It is no such list.
    """
    found: dict[str, str] = {}
    for part in re.split(r",(?=\s*\w+\s*=)", text):
        label, equals, value = (each.strip() for each in part.partition("="))
        if not (label and equals):
            raise LossbookError(f"--where takes label=value, as in loss=ce,beta=1; got {part!r}")
        if label in found:
            raise LossbookError(f"--where has the label {label!r} twice")
        found[label] = value
    return found


def select(
    items: Iterable[_Item], wanted: Mapping[str, str], labels: Callable[[_Item], Mapping[str, Any]]
) -> list[_Item]:
    """The items whose labels have the values asked for.

    Args:
        items: Cells or records.
        wanted: Values by label, as :func:`parse` gives them; numbers are equal by value, ``1`` and ``1.0``.
        labels: The labels of an item.

    Raises:
        UnknownNameError: A label or a value that no item has; the message lists those there are.
        LossbookError: Each value is there, but nothing has them all.
    """
    found = list(items)
    for label, value in wanted.items():
        there = [labels(item)[label] for item in found if label in labels(item)]
        if not there:
            names = sorted({name for item in found for name in labels(item)})
            raise UnknownNameError("label", label, names)
        if not any(_equal(each, value) for each in there):
            raise UnknownNameError(f"value of {label}", value, sorted(set(map(str, there)), key=_order))
    chosen = [
        item
        for item in found
        if all(label in labels(item) and _equal(labels(item)[label], v) for label, v in wanted.items())
    ]
    if not chosen:
        text = ",".join(f"{label}={value}" for label, value in wanted.items())
        raise LossbookError(f"each of {text} is there, but no cell has them together")
    return chosen


def _equal(value: Any, text: str) -> bool:
    if str(value) == text:
        return True
    with contextlib.suppress(ValueError):
        return isinstance(value, int | float) and not isinstance(value, bool) and value == float(text)
    return False


def _order(text: str) -> tuple[int, float, str]:
    """Numbers first, by value."""
    try:
        return (0, float(text), text)
    except ValueError:
        return (1, 0.0, text)
