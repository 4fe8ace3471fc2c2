"""Runs as they are planned: what is trained, under which name, and where it is saved now and then."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lossbook import paths
from lossbook.experiments.grid import Cell
from lossbook.results import code_hash
from lossbook.training import ReplicaPlan, RunPlan, RunSpec


@dataclass(frozen=True)
class Run:
    """A run of an experiment, ready to be trained.

    Attributes:
        experiment: ``<paper>/<item>``.
        profile: Name of the profile.
        cell: The cell it belongs to.
        plan: The run itself.
        code: Hash of the code it would be made by.
        sharing: The experiments and profiles whose records of it count, its own among them; None for all
            profiles of one.
        again: Whether it is trained a second time, to be compared with its record.
    """

    experiment: str
    profile: str
    cell: Cell
    plan: RunPlan | ReplicaPlan
    code: str
    sharing: tuple[tuple[str, str | None], ...]
    again: bool = False

    @property
    def spec(self) -> RunSpec:
        """What defines the run."""
        return self.plan.spec

    @property
    def job(self) -> str:
        """The same for runs that are trained together."""
        return self.plan.group if isinstance(self.plan, ReplicaPlan) else self.spec.key

    @property
    def checkpoint(self) -> Path:
        """Where the job it belongs to is saved now and then."""
        ending = "-again" if self.again else ""
        return paths.build_dir() / "checkpoints" / f"{self.job}{ending}.pt"


def modules(plan: RunPlan | ReplicaPlan) -> tuple[str, ...]:
    """The modules whose code decides the record of a run; sorted."""
    return tuple(sorted({*plan.modules, *plan.measuring_modules}))


def checkpoint_code(run: Run, data: str) -> str:
    """What the checkpoint of a run is of no use without: these data, by their checksum, and this code.

    What is measured at the end may change.
    """
    return f"{data} {code_hash(run.plan.modules)}"


def jobs(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that are trained together, side by side; in the order of their first."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.job, []).append(run)
    return list(found.values())
