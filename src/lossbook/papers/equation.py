"""An equation of a paper: where it is derived, what computes it, and which tests hold it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Equation:
    """An equation, or a statement of the derivation page that has a label.

    Attributes:
        label: Its anchor on the page, ``<paper>-eq-<number>`` or ``<paper>-<what>``.
        title: What it is, in a few words.
        functions: Full names of what computes it, in this package or in PyTorch; none where only the code of
            the page does.
        tests: Pytest's names of the tests that hold these functions to it.
    """

    label: str
    title: str
    functions: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How the paper's reader knows it: ``"Eq. 6"``; empty for a statement without a number."""
        number = self.label.partition("-eq-")[2].partition("-")[0]
        return f"Eq. {number}" if number else ""
