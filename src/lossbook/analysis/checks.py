"""One line for each thing a page checks."""

import textwrap

from torch import Tensor


class CheckFailed(AssertionError):
    """A statement that a page makes turned out false."""


def check(statement: str, result: bool | float | Tensor, tolerance: float | None = None) -> None:
    """Print that a statement holds, or stop the page.

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
        _say(f"holds: {statement}")
        return
    sizes = [abs(float(value)) for value in values]
    # Written so that NaN, which compares false with everything, fails.
    if not all(size <= tolerance for size in sizes):
        raise CheckFailed(f"does not hold: {statement} (error {max(sizes):.3g}, allowed {tolerance:.0e})")
    _say(f"holds: {statement} (largest error {max(sizes):.1e}, allowed {tolerance:.0e})")


def _say(line: str) -> None:
    # As wide as a page's column of output.
    print(textwrap.fill(line, 72, subsequent_indent="       "))
