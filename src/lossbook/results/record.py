"""The result of one run, and how it is written as one line."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from lossbook.results import attestation, lines
from lossbook.results.attestation import Trust


@dataclass(frozen=True)
class Record:
    """The result of one run: one cell of an experiment, one seed, one profile.

    Attributes:
        key: Hash of everything that defines the run.
        experiment: ``<paper>/<item>``.
        profile: The profile it was run under.
        labels: What the cell is in the paper's terms.
        config: Everything that defines the run, but the seed.
        seed: The seed.
        status: ``finished``, or ``diverged`` when the training loss stopped being finite.
        metrics: Values at the last epoch, and what was measured at the end; accuracies are fractions. An
            array keeps its shape, as nested lists.
        curves: One value per epoch for each metric that is measured by epoch.
        steps: One value per step for each that is measured by step.
        files: Arrays too large for a line, by name; see :mod:`lossbook.results.arrays`.
        weights: Digests of the weights after the ``first`` epoch and at the ``end``.
        provenance: Code, data, machine, versions, seconds.
        origin: ``published`` (committed) or ``working``.
    """

    key: str
    experiment: str
    profile: str
    labels: dict[str, Any]
    config: dict[str, Any]
    seed: int
    status: str
    metrics: dict[str, Any]
    curves: dict[str, list[Any]]
    provenance: dict[str, Any]
    steps: dict[str, list[Any]] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    schema: int = lines.SCHEMA
    origin: str = field(default="working", compare=False)

    @property
    def trust(self) -> Trust:
        """Whether today's code is known to give this record; see :mod:`lossbook.results.attestation`."""
        return attestation.trust(self.experiment, self.provenance, lambda: self._kind)

    @cached_property
    def _kind(self) -> str:
        return attestation.kind(self.experiment, self.provenance["code"], self.config)

    def metric(self, name: str) -> Any:
        """A metric, or an element of one that is an array: ``count/3/7`` is row 3, column 7 of ``count``.

        None where there is no such metric, or where it was not finite.

        Raises:
            IndexError: An element that the array does not have.
        """
        whole, index = _indexed(name)
        return _element(self.metrics.get(whole), index)

    def curve(self, name: str) -> list[Any]:
        """What was measured by epoch, or an element of it, named as by :meth:`metric`; empty if nothing.

        Raises:
            IndexError: An element that the array does not have.
        """
        whole, index = _indexed(name)
        return [_element(value, index) for value in self.curves.get(whole, [])]

    def numbers(self) -> dict[str, float | None]:
        """Every metric as single numbers, named as by :meth:`metric`; sorted by name."""
        return dict(sorted(_flat(self.metrics)))

    def to_json(self) -> str:
        """The record as one line with its digest, without a line end.

        Raises:
            ValueError: A number that is not finite.
        """
        content = asdict(self)
        del content["origin"]
        return lines.written(content)

    @classmethod
    def from_json(cls, line: str, origin: str) -> "Record":
        """Read one line.

        Raises:
            ValueError: The line is not a record, or not as it was written.
        """
        return cls(**lines.read(line), origin=origin)


def canonical(content: Mapping[str, Any]) -> str:
    """Settings or labels as text, the same for equal ones."""
    return json.dumps(content, sort_keys=True)


def _indexed(name: str) -> tuple[str, list[int]]:
    whole, *index = name.split("/")
    return whole, [int(i) for i in index]


def _element(value: Any, index: Sequence[int]) -> Any:
    for i in index:
        value = value if value is None else value[i]
    return value


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    for name, value in values.items():
        if isinstance(value, list):
            yield from _flat({f"{name}/{i}": each for i, each in enumerate(value)})
        else:
            yield name, value
