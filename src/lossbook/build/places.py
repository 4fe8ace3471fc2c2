"""Profiles of the book, the checkout, and the folders that a build writes."""

import os
from pathlib import Path

from lossbook import paths
from lossbook.errors import LossbookError, UnknownNameError

#: The profile at which the book shows recorded runs and trains nothing.
RECORDED = "recorded"
#: What the book can be made at.
PROFILES = (RECORDED, "smoke", "quick", "paper")
#: Profiles whose runs pages show only where they are made at that profile; see ``lossbook.evidence.select``.
TRIALS = ("smoke", "quick")


def make_absolute() -> None:
    """Make relative folders that the environment names absolute, for programs that start elsewhere."""
    for name in ("LOSSBOOK_DATA", "LOSSBOOK_BUILD"):
        if given := os.environ.get(name):
            os.environ[name] = str(Path(given).expanduser().absolute())


def check_profile(name: str) -> str:
    """Give back the name of a profile of the book.

    Raises:
        UnknownNameError: It is none.
    """
    if name not in PROFILES:
        raise UnknownNameError("PROFILE", name, PROFILES)
    return name


def profile_dir(profile: str) -> Path:
    """The folder of everything built at a profile."""
    return paths.build_dir() / profile


def checkout() -> Path:
    """The checkout, which notebooks and pages come from.

    Raises:
        LossbookError: The package is installed by itself.
    """
    top = paths.root()
    if top is None:
        raise LossbookError(
            "the notebooks are not part of the installed package; clone the repository and run this there"
        )
    return top


def notebook_names() -> list[str]:
    """Names of all notebooks, ``<paper>/<item>``, sorted."""
    folder = checkout() / "notebooks"
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.glob("*/*.md"))


def notebook_source(name: str) -> Path:
    """The source of a notebook.

    Raises:
        UnknownNameError: No such notebook; the message names the nearest.
    """
    names = notebook_names()
    if name not in names:
        raise UnknownNameError("notebook", name, names)
    return checkout() / "notebooks" / f"{name}.md"
