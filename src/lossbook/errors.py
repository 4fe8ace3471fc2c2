"""Errors meant for the user: a sentence saying what was wrong and what to do."""

import difflib
from collections.abc import Iterable


class LossbookError(Exception):
    """An error with a message for the user; the command prints it and exits with status 2."""


class UnknownNameError(LossbookError, ValueError):
    """A name that is not one of the valid choices; the message names the nearest and lists them all."""

    def __init__(self, what: str, name: object, choices: Iterable[str]) -> None:
        """State the mistake.

        Args:
            what: What the name should have been, for example ``"data set"``.
            name: The name as given.
            choices: Every valid name.
        """
        self.choices = tuple(choices)
        close = difflib.get_close_matches(str(name).lower(), self.choices, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]!r}? " if close else ""
        there = ", ".join(self.choices) if self.choices else "none"
        super().__init__(f"unknown {what} {str(name)!r}; {hint}There are: {there}")
