"""How an experiment is declared: a grid of cells, at several profiles."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lossbook.errors import LossbookError, UnknownNameError
from lossbook.training import RunSpec

#: The profile of a paper's own protocol.
PAPER = "paper"
#: Profiles that try whether everything works. They tell nothing about a paper, nor about what its runs cost.
TRIALS = ("smoke", "quick")


@dataclass(frozen=True)
class Cell:
    """One cell of a table: what it is in the paper's terms, and what is run for it.

    Attributes:
        labels: What the cell is in the paper's terms, for example data set and loss.
        spec: What is run, but for the seed.
    """

    labels: Mapping[str, Any]
    spec: RunSpec


@dataclass(frozen=True)
class Profile:
    """An experiment at one scale.

    Attributes:
        name: ``smoke`` (seconds, embedded data), ``quick`` (a minute, a subset), ``paper`` (the paper's own
            protocol), or a name that says what it is.
        description: What is run, in a few words.
        cells: The grid.
        seeds: How many seeds each cell is run with.
        embedded_fallback: Whether scikit-learn's digits stand in for an unavailable data set.
        embedded_cells: What is run instead of the grid, all of it, where one of its tables is unavailable.
        part_of: Name of the profile of which this one runs a part. Their records count for both.
    """

    name: str
    description: str
    cells: tuple[Cell, ...]
    seeds: int
    embedded_fallback: bool = False
    embedded_cells: tuple[Cell, ...] = ()
    part_of: str | None = None

    def runs(self, seeds: int | None = None) -> list[tuple[Cell, RunSpec]]:
        """Every run of the grid, seed by seed, so that an unfinished experiment has whole seeds.

        Args:
            seeds: Number of seeds; the profile's own if None.

        Raises:
            LossbookError: Fewer than one seed.
        """
        count = self.seeds if seeds is None else seeds
        if count < 1:
            raise LossbookError(f"an experiment needs at least 1 seed; got {count}")
        return [(cell, replace(cell.spec, seed=seed)) for seed in range(count) for cell in self.cells]


@dataclass(frozen=True)
class Experiment:
    """A table or figure of a paper.

    Attributes:
        name: ``<paper>/<item>``.
        title: What it is, in a few words.
        profiles: The profiles by name, best first: the order in which pages prefer them.
        also: Names of other experiments. A record of theirs counts here too where the run is the same in
            every setting.
    """

    name: str
    title: str
    profiles: Mapping[str, Profile]
    also: tuple[str, ...] = ()

    def profile(self, name: str) -> Profile:
        """The profile of that name.

        Raises:
            UnknownNameError: There is none; the message names the nearest.
        """
        if name not in self.profiles:
            raise UnknownNameError(f"profile of {self.name}", name, self.profiles)
        return self.profiles[name]

    def sharing(self, name: str) -> tuple[tuple[str, str | None], ...]:
        """The experiments and profiles whose records count for a profile.

        Itself, its parts, and what it is a part of; and all profiles of other experiments, None.
        """
        whole = self.profile(name).part_of
        own = (each for each, p in self.profiles.items() if each in (name, whole) or p.part_of == name)
        return (*((self.name, each) for each in own), *((other, None) for other in self.also))
