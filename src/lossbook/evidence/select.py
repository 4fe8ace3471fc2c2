"""Which records a page shows: per profile, best first, each cell under today's definition."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lossbook import datasets, experiments
from lossbook.datasets.tables import COLLECTION
from lossbook.errors import UnknownNameError
from lossbook.evidence.tables import Runs
from lossbook.experiments.grid import TRIALS
from lossbook.experiments.runner import EMBEDDED, data_notes, run_experiment, stored
from lossbook.results import Record, Store, canonical

#: What a page is made at by default: it shows recorded runs and trains nothing.
RECORDED = "recorded"


@dataclass(frozen=True)
class Evidence:
    """The records of one experiment, by profile, the best profile first.

    Attributes:
        experiment: ``<paper>/<item>``.
        profile: The profile the page was made at, or ``recorded``.
        by_profile: Profile -> its records, without empty ones.
        notes: What a reader must know of the choice.
    """

    experiment: str
    profile: str
    by_profile: Mapping[str, Sequence[Record]]
    notes: tuple[str, ...] = ()

    @property
    def records(self) -> list[Record]:
        """Every record shown, once."""
        return list({record.key: record for each in self.by_profile.values() for record in each}.values())

    def runs(self, profile: str, epochs: int | None = None, **labels: Any) -> Runs:
        """Return the runs of one cell, one per seed.

        Args:
            profile: The profile; cells never mix two.
            epochs: Read values after this many epochs. Longer runs then serve as well as runs of just
                this length, which is right where nothing in training depends on the length of the run.
            **labels: What the cell is, for example ``dataset="mnist", loss="ce"``.

        Raises:
            ValueError: If the labels name more than one cell and no number of epochs decides.
            UnknownNameError: A profile or label that the experiment does not have.
        """
        self._check(profile, labels)
        found: dict[int, Record] = {}
        for record in self.by_profile.get(profile, ()):
            if any(record.labels.get(name) != value for name, value in labels.items()):
                continue
            length = int(record.labels["epochs"])
            if epochs is not None and length < epochs:
                continue
            known = found.get(record.seed)
            if known is not None and epochs is None:
                raise ValueError(f"{labels} names more than one cell of {self.experiment} at {profile}")
            # The shortest run that is long enough: the one made for this cell, where there is one.
            if known is None or length < int(known.labels["epochs"]):
                found[record.seed] = record
        return Runs(tuple(found[seed] for seed in sorted(found)), epochs)

    def best(self, **labels: Any) -> str | None:
        """Return the best profile that has a record of these labels on the labels' own data set, or None.

        Raises:
            UnknownNameError: A label that the experiment does not have.
        """
        self._check(None, labels)
        for profile, found in self.by_profile.items():
            for record in found:
                if all(record.labels.get(k) == v for k, v in labels.items()) and not substituted(record):
                    return profile
        return None

    def _check(self, profile: str | None, labels: Mapping[str, Any]) -> None:
        """Refuse names that the experiment does not have, which would look like runs not made."""
        if profile is not None:
            experiments.get(self.experiment).profile(profile)
        known = _label_names(self.experiment)
        for name in labels:
            if name not in known:
                raise UnknownNameError(f"label of {self.experiment}", name, known)


@functools.cache
def _label_names(experiment: str) -> tuple[str, ...]:
    profiles = experiments.get(experiment).profiles.values()
    cells = (cell for profile in profiles for cell in (*profile.cells, *profile.embedded_cells))
    return tuple(sorted({name for cell in cells for name in cell.labels}))


def recorded(
    experiment: str,
    profile: str | None = None,
    *,
    outcome: experiments.RunOutcome | None = None,
    store: Store | None = None,
) -> Evidence:
    """Choose the records that a page shows.

    Every profile that has records is shown under its own name, in the experiment's order, best first. A part
    of a profile counts under both names; where all its runs are shown under the better one, it is left out,
    unless the page is made at it. Each of the :data:`TRIALS` is shown only on pages made at it. Records on
    embedded data are shown for a cell only where there is none on the real set.

    Args:
        experiment: ``<paper>/<item>``.
        profile: The profile the page is made at; ``recorded`` for none.
        outcome: What the page has just run at ``profile``: of that profile, exactly these are shown.
        store: Where to read; the project's own store by default.

    Raises:
        UnknownNameError: An unknown experiment or profile.
    """
    declared = experiments.get(experiment)
    if profile not in (None, RECORDED):
        declared.profile(profile)
    store = store or Store()
    chosen: dict[str, Sequence[Record]] = {}
    outdated = 0
    for name, definition in declared.profiles.items():
        if is_trial(name) and name != profile:
            continue
        known = stored(declared, definition, store)
        by_labels: dict[str, list[Record]] = defaultdict(list)
        for record in known:
            by_labels[canonical(record.labels)].append(record)
        outdated += len(known)
        current: list[Record] = []
        for cells in (definition.cells, definition.embedded_cells):
            found: list[Record] = []
            for cell in cells:
                real, embedded = _of_cell(cell, by_labels[canonical(cell.labels)])
                found += real or (embedded if definition.embedded_fallback else [])
                outdated -= len(real) + len(embedded)
            current = current or found
        if outcome is not None and name == profile:
            current = list(outcome.records)
        better = {record.key for each in chosen.values() for record in each}
        if current and (name == profile or not better.issuperset(record.key for record in current)):
            chosen[name] = current
    notes: tuple[str, ...] = ()
    if outdated:
        notes = (
            f"{outdated} records of an earlier definition of this experiment are in the store and are "
            "not shown.",
        )
    return Evidence(experiment, profile or "", chosen, notes)


def gather(
    experiment: str,
    profile: str = RECORDED,
    *,
    seeds: int = 0,
    device: str = "auto",
    store: Store | None = None,
) -> Evidence:
    """Choose the records that a page shows, after training what they miss at the profile the page is made at.

    Args:
        experiment: ``<paper>/<item>``.
        profile: The profile; at ``recorded`` nothing is trained, and seeds and device do not matter.
        seeds: Number of seeds; 0 for the profile's own.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        store: Where to read and write; the project's own store by default.

    Returns:
        As :func:`records` chooses them; the notes say besides how data depart from the published ones.

    Raises:
        UnknownNameError: An unknown experiment or profile.
        LossbookError: Unknown device, or a store that cannot be written.
    """
    if profile == RECORDED:
        found = recorded(experiment, profile, store=store)
        return replace(found, notes=(*data_notes(found.records), *found.notes))
    outcome = run_experiment(
        experiments.get(experiment),
        profile=profile,
        seeds=seeds or None,
        device=device,
        progress=False,
        store=store,
    )
    found = recorded(experiment, profile, outcome=outcome, store=store)
    return replace(found, notes=(*outcome.notes, *found.notes))


def joined(
    evidence: Evidence, other: Evidence, profiles: Sequence[str], labels: Mapping[str, Any] | None = None
) -> Evidence:
    """Evidence with runs of another experiment beside its own, as if they were made for it.

    It spares what would be trained twice: a baseline that several experiments are compared with.

    Args:
        evidence: The records of an experiment.
        other: Those of the other. Their labels have to be labels of the first.
        profiles: The profiles whose runs are taken over; both experiments have them.
        labels: What the labels of the other do not say since it is the same for all of its runs.
    """
    by_profile = {
        name: [
            *evidence.by_profile.get(name, ()),
            *(
                replace(record, labels={**(labels or {}), **record.labels})
                for record in other.by_profile.get(name, ())
                if name in profiles
            ),
        ]
        for name in experiments.get(evidence.experiment).profiles
    }
    taken = [record for name in profiles for record in other.by_profile.get(name, ())]
    # How data depart from the published ones matters for the runs that are shown.
    beside = set(data_notes(other.records)) - set(data_notes(taken))
    notes = tuple(dict.fromkeys((*evidence.notes, *(note for note in other.notes if note not in beside))))
    return replace(evidence, by_profile={k: v for k, v in by_profile.items() if v}, notes=notes)


def is_trial(profile: str) -> bool:
    """Whether runs at a profile only try whether everything works.

    A page shows such runs only where it is made at that profile, and folded.
    """
    return profile in TRIALS


def substituted(record: Record) -> bool:
    """Whether the run was made on other data than its label says."""
    made_on = str(record.config.get("dataset"))
    # The label of a table is its name within the collection.
    return record.labels.get("dataset") not in (None, made_on, made_on.removeprefix(f"{COLLECTION}/"))


def dataset_name(dataset: str, records: Sequence[Record] = ()) -> str:
    """Return a data set's title; where the runs were made on another set, that too."""
    title = datasets.info(dataset).title
    others = {r.config["dataset"] for r in records if substituted(r)}
    return f"{title} (here: {', '.join(sorted(others))})" if others else title


def _of_cell(cell: experiments.Cell, mine: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Of the records with a cell's labels, those on its own data, and those on the embedded stand-in."""
    stand_in = replace(cell.spec, dataset=EMBEDDED, train_size=None, test_size=None)
    real = [r for r in mine if canonical(r.config) == canonical(cell.spec.config)]
    return real, [r for r in mine if r not in real and canonical(r.config) == canonical(stand_in.config)]
