"""One line with a tick for each thing a page checks."""

import inspect
import sys

from torch import Tensor

#: Metadata of a tick line in a notebook: the line of the cell, counted from 1, at which the check began.
LINE = "lossbook_check_line"


class CheckFailed(AssertionError):
    """A statement that a page makes turned out false."""


def check(statement: str, result: bool | float | Tensor, tolerance: float | None = None) -> None:
    """Say with a tick that a statement holds, or stop the page.

    In a notebook the tick line carries the line of the cell that made it, so that the book can fold the code
    behind it.

    Args:
        statement: What is claimed, in words.
        result: A truth value (a bool, or a tensor of bools of which all must hold) when there is no
            ``tolerance``; otherwise errors, a number or a tensor of any shape, none of which may exceed it
            in size.
        tolerance: The largest error allowed, in the units of ``result``.

    Raises:
        CheckFailed: The statement does not hold. An error that is NaN never holds.
        TypeError: Errors without a tolerance, truth values with one, or nothing to look at.
    """
    values = result.detach().cpu().flatten().tolist() if isinstance(result, Tensor) else [result]
    if not values:
        raise TypeError(f"check {statement!r} has nothing to look at: the result is empty")
    truths = all(type(value) is bool for value in values)
    if truths != (tolerance is None):
        raise TypeError(
            f"check {statement!r}: give truth values without a tolerance, or errors (numbers) with one"
        )
    if tolerance is None:
        if not all(values):
            raise CheckFailed(f"does not hold: {statement}")
        _say(f"✓ {statement}")
        return
    sizes = [abs(float(value)) for value in values]
    # Written so that NaN, which compares false with everything, fails.
    if not all(size <= tolerance for size in sizes):
        raise CheckFailed(f"does not hold: {statement} (error {max(sizes):.3g}, allowed {tolerance:.0e})")
    _say(f"✓ {statement} (largest error {_short(max(sizes))}, allowed {_short(tolerance)})")


def _short(number: float) -> str:
    # With a minus, where a hyphen would let the line break.
    return f"{number:.0e}".replace("e-0", "e-").replace("-", "−") if number else "0"


def _say(line: str) -> None:
    # Nobody needs IPython for a check; where a notebook runs, it is loaded.
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        print(line)
        return
    ipython.display.display({"text/plain": line}, raw=True, metadata={LINE: _line_of_cell()})


def _line_of_cell() -> int:
    """The line of the statement under way at the top level of the cell, through however many functions."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return frame.f_lineno if frame is not None else 1
