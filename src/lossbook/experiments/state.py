"""What is recorded of an experiment, how far it is trusted, and what the rest would cost."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lossbook.experiments.costs import Estimate
from lossbook.experiments.grid import Experiment
from lossbook.experiments.runner import stored
from lossbook.results import Store
from lossbook.training import RunSpec


@dataclass(frozen=True)
class ProfileState:
    """The runs of an experiment at one profile.

    Attributes:
        experiment: ``<paper>/<item>``.
        profile: Name of the profile.
        runs: How many there are.
        trust: How many of them have a record, by its state of trust.
        missing: How many have none.
        seconds: What the missing ones would take.
        rough: For how many of them no record of the same network tells it, so that it follows from their
            operations.
    """

    experiment: str
    profile: str
    runs: int
    trust: Mapping[str, int]
    missing: int
    seconds: float
    rough: int


def states(
    experiment: Experiment, store: Store, estimate: Callable[[RunSpec], Estimate]
) -> list[ProfileState]:
    """The state of an experiment at each of its profiles.

    Args:
        experiment: The experiment.
        store: Where the records are.
        estimate: What a run would take, as :class:`lossbook.experiments.costs.Estimator` gives it.
    """
    found = []
    for profile in experiment.profiles.values():
        specs = {spec.key: spec for _, spec in profile.runs()}
        records = {r.key: r for r in stored(experiment, profile, store) if r.key in specs}
        missing = [spec for key, spec in specs.items() if key not in records]
        made = [estimate(spec) for spec in missing]
        trust = Counter(record.trust.state for record in records.values())
        found.append(
            ProfileState(
                experiment.name,
                profile.name,
                len(specs),
                trust,
                len(missing),
                sum(each.seconds for each in made),
                sum(each.basis != "same network" for each in made),
            )
        )
    return found
