"""From the records of battash2021, Table 4, to one accuracy per data set, method and seed.

Each method was trained with three learning rates. A :class:`Reading` says by which accuracy rate and
epoch are chosen, and which accuracy is then read. Nothing is ever chosen on test data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from lossbook.evidence.ranking import EQUAL
from lossbook.papers.battash2021.names import CE, CLASSIFIERS, METHODS
from lossbook.results import Record

#: The note that a set has whose two files were brought to one scale.
STANDARDISED = "each data file was standardised by itself"
#: The note of a set that comes with scikit-learn.
PARTITIONED = "with partitions made by this package"


@dataclass(frozen=True)
class Reading:
    """How learning rate and epoch are chosen, and which accuracy is read.

    Attributes:
        title: In words.
        validation: The metric that decides on the learning rate; its epoch was chosen by the same accuracy.
        test: The metric that is read.
        per_seed: Choose the rate for each seed by itself, not once for all seeds by the mean over them.
        one_rate: Choose one rate per method for all data sets, by the mean over them.
        smaller: Of rates that tie take the smaller, not the larger.
        rate_of: Every method takes the rate chosen for this one.
        two_scales: Keep the sets whose two published files are on different scales.
    """

    title: str
    validation: str = "selected_validation_accuracy"
    test: str = "selected_test_accuracy"
    per_seed: bool = False
    one_rate: bool = False
    smaller: bool = False
    rate_of: int | None = None
    two_scales: bool = True


POOLED = Reading("As in Table 4 above: accuracy over all examples; of tied epochs the last")
BY_BATCHES = Reading(
    "Mean of the accuracies of batches of 8, in validation and test",
    "by_batches_validation_batch_accuracy",
    "by_batches_test_batch_accuracy",
)
#: What Table 4 is compared under; each differs from the first in one point.
READINGS = (
    POOLED,
    BY_BATCHES,
    replace(POOLED, title="Of tied epochs the first", test="selected_first_test_accuracy"),
    Reading("The last epoch, no choice of epoch", "validation_accuracy", "test_accuracy"),
    replace(POOLED, title="Learning rate chosen for each seed by itself", per_seed=True),
    replace(POOLED, title="Of tied learning rates the smaller", smaller=True),
    replace(POOLED, title="Every method at the learning rate chosen for CE", rate_of=CE),
    replace(POOLED, title="One learning rate per method, for all data sets", one_rate=True),
    replace(POOLED, title="Without the sets whose files are on different scales", two_scales=False),
)


@dataclass(frozen=True, eq=False)
class Scores:
    """Test accuracies of every method on every data set, as fractions.

    Attributes:
        classifier: Name of the classifier.
        datasets: The N data sets that every method has a value for.
        seeds: The S seeds.
        values: Accuracies ``[S, N, K]``.
        rates: The learning rates chosen ``[S, N, K]``.
        runs: Keys of the runs ``[S, N, K]``.
        test_sizes: Test examples of each data set, ``[N]``; NaN where not recorded.
        left_out: Data set -> why it is not among them.
    """

    classifier: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    values: np.ndarray
    rates: np.ndarray
    runs: np.ndarray
    test_sizes: np.ndarray
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def mean(self) -> np.ndarray:
        """Accuracies averaged over seeds, ``[N, K]``."""
        return self.values.mean(axis=0)


def tidy(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row per run: labels, seed, status, metrics, and what is known of its data.

    Raises:
        ValueError: A run belongs to no method of Table 4, or occurs twice.
    """
    position = {(method.loss, method.schedule): number for number, method in enumerate(METHODS)}
    rows = []
    for record in records:
        labels = record.labels
        chosen = (labels["loss"], labels["schedule"])
        if chosen not in position:
            raise ValueError(f"run {record.key} is of {chosen}, which is no method of Table 4")
        notes = record.provenance.get("data_notes") or ()
        rows.append(
            {
                "dataset": labels["dataset"],
                "classifier": labels["classifier"],
                "method": position[chosen],
                "learning_rate": float(labels["learning_rate"]),
                "seed": record.seed,
                "status": record.status,
                "key": record.key,
                "embedded": _is_embedded(record),
                "two_scales": any(STANDARDISED in note for note in notes),
                "test_size": record.provenance.get("test_size", math.nan),
                **record.metrics,
            }
        )
    frame = pd.DataFrame(rows)
    cell = ["dataset", "classifier", "method", "learning_rate", "seed"]
    if len(frame) and (twice := frame.duplicated(cell)).any():
        raise ValueError(f"two runs of one cell and seed: {frame.loc[twice, cell].iloc[0].to_dict()}")
    return frame


def _is_embedded(record: Record) -> bool:
    return str(record.config.get("dataset", "")).startswith("sklearn/")


def scores(frame: pd.DataFrame, classifier: str, reading: Reading = POOLED) -> Scores | None:
    """Choose a learning rate for each data set and method on validation data, and read the test accuracy.

    The rate with the highest validation accuracy is taken, averaged over seeds; of rates that tie, the
    larger. A rate at which a seed diverged is never taken, for that seed alone where each seed chooses by
    itself. A method that diverged at the rate it is to share with another takes the next best. A data set
    counts if every method has been run on it with every rate and seed, and has a rate left. Where later
    seeds are still incomplete, as many seeds are used as keep the most runs.

    Args:
        frame: What :func:`tidy` made, of one profile.
        classifier: Name of the classifier.
        reading: How to choose and read.

    Returns:
        The scores, or None if no data set is complete.
    """
    rows = frame[frame["classifier"] == classifier] if len(frame) else frame
    if not len(rows):
        return None
    names = sorted(rows["dataset"].unique())
    seeds = sorted(int(seed) for seed in rows["seed"].unique())
    rates = np.array(sorted(rows["learning_rate"].unique(), reverse=not reading.smaller))
    shape = (len(seeds), len(names), len(METHODS), len(rates))
    place = (
        rows["seed"].map({seed: i for i, seed in enumerate(seeds)}).to_numpy(),
        rows["dataset"].map({name: i for i, name in enumerate(names)}).to_numpy(),
        rows["method"].to_numpy(),
        rows["learning_rate"].map({rate: i for i, rate in enumerate(rates)}).to_numpy(),
    )
    finished = (rows["status"] == "finished").to_numpy()
    made, keys = np.zeros(shape, dtype=bool), np.full(shape, "", dtype=object)
    made[place], keys[place] = True, rows["key"].to_numpy()
    validation, test = (np.full(shape, np.nan) for _ in range(2))
    for values, metric in ((validation, reading.validation), (test, reading.test)):
        values[place] = np.where(finished, pd.to_numeric(rows[metric]).to_numpy(dtype=float), np.nan)
    by_name = rows.drop_duplicates("dataset").set_index("dataset").loc[names]
    known = np.ones(len(names), dtype=bool)
    if not reading.two_scales:
        known = ~rows.groupby("dataset")["two_scales"].any().loc[names].to_numpy()

    count, complete = _most_runs(made.all(axis=(2, 3)) & known)
    usable = np.isfinite(validation) & np.isfinite(test)
    criterion = np.where(usable, validation, -np.inf)[:count]
    if not reading.per_seed:
        criterion = np.broadcast_to(criterion.mean(axis=0, keepdims=True), criterion.shape)
    if reading.one_rate:
        each = criterion.mean(axis=1, keepdims=True, where=complete[None, :, None, None])
        criterion = np.broadcast_to(each, criterion.shape)
    if reading.rate_of is not None:
        other = criterion[:, :, [reading.rate_of]]
        criterion = np.where(np.isfinite(criterion), other, -np.inf)
    best = criterion.max(axis=3, keepdims=True)
    chosen = ((criterion >= best - EQUAL) & np.isfinite(criterion)).argmax(axis=3)
    alive = np.isfinite(best[..., 0]).all(axis=0)
    left_out = _left_out(names, known, complete, alive)
    keep = np.array([i for i, name in enumerate(names) if name not in left_out], dtype=int)
    if not len(keep):
        return None

    def read(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values[:count], chosen[..., None], axis=3)[..., 0][:, keep]

    return Scores(
        classifier,
        tuple(names[i] for i in keep),
        tuple(seeds[:count]),
        read(test),
        rates[chosen][:, keep],
        read(keys),
        by_name["test_size"].to_numpy(dtype=float)[keep],
        left_out,
    )


def _most_runs(complete: np.ndarray) -> tuple[int, np.ndarray]:
    """How many of the first seeds to use, and which data sets are complete for them, from bool ``[S, N]``."""
    so_far = np.logical_and.accumulate(complete, axis=0)
    kept = so_far.sum(axis=1) * np.arange(1, len(complete) + 1)
    # The last of the best: of two choices with as many runs, the one with more seeds.
    count = len(kept) - int(kept[::-1].argmax())
    return count, so_far[count - 1]


def _left_out(
    names: Sequence[str], known: np.ndarray, complete: np.ndarray, alive: np.ndarray
) -> dict[str, str]:
    found = {}
    for i, name in enumerate(names):
        if not known[i]:
            found[name] = "its two files are on different scales"
        elif not complete[i]:
            found[name] = "not all of its runs have been made"
        elif not alive[i].all():
            which = METHODS[int((~alive[i]).argmax())].name
            found[name] = f"{which} diverged at every learning rate"
    return found


class Study:
    """The records of one profile, and the scores read from them.

    Runs on scikit-learn's sets and on the paper's never share a table. Where there are both, as when a
    profile was run first without the paper's data and then with them, those on the paper's sets are taken.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        """Take the records.

        Raises:
            ValueError: They are of several profiles, or as :func:`tidy`.
        """
        if len({record.profile for record in records}) > 1:
            raise ValueError("runs of different profiles do not belong in one table")
        real = tuple(record for record in records if not _is_embedded(record))
        self.records = real or tuple(records)
        self.frame = tidy(self.records)
        self._known: dict[tuple[str, Reading], Scores | None] = {}

    @property
    def profile(self) -> str:
        """The profile; empty without records."""
        return self.records[0].profile if self.records else ""

    @property
    def embedded(self) -> bool:
        """Whether any run was made on a set that comes with scikit-learn."""
        return bool(len(self.frame)) and bool(self.frame["embedded"].any())

    def scores(self, classifier: str, reading: Reading = POOLED) -> Scores | None:
        """Return :func:`scores` of a classifier."""
        known = (classifier, reading)
        if known not in self._known:
            self._known[known] = scores(self.frame, classifier, reading)
        return self._known[known]

    def read(self, reading: Reading = POOLED) -> list[Scores]:
        """Return the scores of every classifier that has any."""
        return [found for name in CLASSIFIERS if (found := self.scores(name, reading)) is not None]
