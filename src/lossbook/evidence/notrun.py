"""What has not been run of an experiment, and what it would cost: the records say, nothing is timed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lossbook import datasets, experiments
from lossbook.evidence.select import Evidence, dataset_name, is_trial
from lossbook.evidence.tables import Cell
from lossbook.experiments.progress import duration
from lossbook.results import Record


def cells_not_run(evidence: Evidence, profile: str) -> tuple[list[experiments.Cell], int]:
    """The cells of a profile that have no run at all, and how many cells it declares.

    Args:
        evidence: The records of the experiment.
        profile: The profile.
    """
    declared = experiments.get(evidence.experiment).profile(profile).cells
    made = {_key(record.labels) for record in evidence.by_profile.get(profile, ())}
    return [cell for cell in declared if _key(cell.labels) not in made], len(declared)


def runs_not_made(evidence: Evidence, *profiles: str) -> str:
    """What of some profiles has not been run, in sentences with the command; nothing where all has.

    Args:
        evidence: The records of the experiment.
        *profiles: The profiles.
    """
    left, said, untouched = [], [], []
    for name in profiles:
        declared = experiments.get(evidence.experiment).profile(name)
        seeds = Counter(_key(record.labels) for record in evidence.by_profile.get(name, ()))
        each = [min(seeds[_key(cell.labels)], declared.seeds) for cell in declared.cells]
        total, made = len(each) * declared.seeds, sum(each)
        if made == total:
            continue
        left.append(name)
        if not made:
            untouched.append(f"`{name}` ({total} runs)")
        elif len(set(each)) == 1:
            said.append(f"In profile `{name}` every cell has {each[0]} of {declared.seeds} seeds.")
        else:
            said.append(f"In profile `{name}` {total - made} of {total} runs have not been made.")
    if not left:
        return ""
    if untouched:
        names = " and ".join(filter(None, (", ".join(untouched[:-1]), untouched[-1])))
        said.append(f"Nothing has been run of profile{'s' if len(untouched) > 1 else ''} {names}.")
    which = left[0] if len(left) == 1 else "NAME"
    return " ".join([*said, f"To make them: `lossbook run {evidence.experiment} --profile {which}`."])


def not_run_table(
    evidence: Evidence,
    profile: str,
    headings: Mapping[str, str],
    names: Mapping[str, Mapping[Any, str]] | None = None,
) -> pd.DataFrame:
    """The cells of a profile that have no run, with the seeds they need and what they would cost.

    The cost of a cell is the mean time that recorded runs of the same network on the same data took per
    training image and epoch; without such runs there is none.

    Args:
        evidence: The records of the experiment.
        profile: The profile.
        headings: The labels that name a cell, and their headings.
        names: Label -> its values' names; a value without one is shown as it is, a data set by its title.
    """
    seeds = experiments.get(evidence.experiment).profile(profile).seeds
    speed = _speed(evidence.records)
    rows = []
    for cell in cells_not_run(evidence, profile)[0]:
        row: dict[str, Any] = {
            title: dataset_name(str(cell.labels[label]))
            if label == "dataset"
            else (names or {}).get(label, {}).get(cell.labels[label], cell.labels[label])
            for label, title in headings.items()
        }
        row["Seeds"] = seeds
        row["Cost, from recorded runs"] = _cost(cell, seeds, speed)
        rows.append(row)
    return pd.DataFrame(rows)


def _cost(cell: experiments.Cell, seeds: int, speed: Mapping[tuple[str, str], float]) -> Cell:
    spec = cell.spec
    each = speed.get((spec.dataset, spec.model))
    if each is None:
        return Cell("no run of this network on this data is recorded")
    images = spec.train_size or datasets.info(spec.dataset).train_size
    seconds = each * images * spec.epochs * seeds
    return Cell(f"{duration(seconds)} on one core", {"seconds": seconds})


def _speed(records: Sequence[Record]) -> dict[tuple[str, str], float]:
    """Data set, network -> mean seconds per training image and epoch, of the runs that say."""
    taken: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        seconds, images = record.provenance.get("seconds"), record.provenance.get("train_size")
        if seconds and images and record.status == "finished" and "model" in record.config:
            where = (str(record.config["dataset"]), str(record.config["model"]))
            taken[where].append(float(seconds) / (int(images) * int(record.config["epochs"])))
    return {where: float(np.mean(each)) for where, each in taken.items()}


def _key(labels: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, str(value)) for name, value in labels.items()))


def profiles_table(evidence: Evidence) -> pd.DataFrame:
    """What each profile runs, how many of its runs are recorded, what the others would take, and the command.

    Args:
        evidence: The records of the experiment; profiles that only try whether everything works take no row.
    """
    rows = []
    estimate = experiments.estimator().seconds
    for name, profile in experiments.get(evidence.experiment).profiles.items():
        if is_trial(name):
            continue
        left = experiments.pending(name, evidence.experiment, estimate=estimate)
        count, seconds = sum(each.count for each in left), sum(each.seconds for each in left)
        made = len(profile.runs()) - count
        rows.append(
            {
                "Profile": name,
                "What": profile.description,
                "Runs made": f"{made} of {len(profile.runs())}",
                "The others take": Cell(
                    f"about {duration(seconds)}" if count else "–", {"runs": count, "seconds": seconds}
                ),
                "Command": f"lossbook run {evidence.experiment} --profile {name}",
            }
        )
    return pd.DataFrame(rows)
