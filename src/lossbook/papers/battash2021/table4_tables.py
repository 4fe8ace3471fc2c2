"""Table 4 beside the paper's: its tables and tests, and what its choices change."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lossbook import datasets, experiments
from lossbook.evidence import ranking, stats, tables
from lossbook.evidence.select import Evidence
from lossbook.evidence.tables import Cell
from lossbook.experiments.grid import PAPER
from lossbook.losses import MixingSchedule
from lossbook.papers.battash2021.names import (
    CE,
    CLASSIFIERS,
    GRADUAL,
    METHODS,
    NAMES,
    SETS,
    TABLE4,
    TWO_PHASE,
    VERY_LOW,
)
from lossbook.papers.battash2021.table4_scores import (
    BY_BATCHES,
    PARTITIONED,
    POOLED,
    READINGS,
    STANDARDISED,
    Reading,
    Scores,
    Study,
)
from lossbook.results import published

# --- what the page shows ------------------------------------------------------------------------------


def complete(evidence: Evidence) -> list[Study]:
    """Return the profiles that have complete data sets, the one with the most of them first.

    Of profiles with equally many, the better one comes first.
    """
    found = [Study(records) for records in evidence.by_profile.values()]
    return sorted(
        (study for study in found if study.read()),
        key=lambda study: -min(len(each.datasets) for each in study.read()),
    )


def studies(evidence: Evidence) -> list[Study]:
    """Return what there is of each profile, the one to show first, as :func:`complete` orders them.

    Raises:
        ValueError: No data set is complete at any profile.
    """
    if found := complete(evidence):
        return found
    raise ValueError(
        f"no data set has all of its runs yet; `lossbook run {TABLE4} --profile quick` makes them"
    )


def profile_text(study: Study) -> str:
    """Return which profile a page's numbers are of, and what more there could be."""
    numbers = (
        f"Unless a caption says otherwise, all numbers below are of the profile {study.profile} "
        f"({_description(study)})."
    )
    if study.profile == PAPER:
        return numbers
    return (
        f"{numbers} They show that everything works, and how the methods compare there; they are not the "
        f"paper's experiment. `lossbook run {TABLE4} --profile paper` makes the runs of that."
    )


def other_text(study: Study) -> str:
    """Return what a profile is whose Table 4 stands below the one shown first, data sets included."""
    names = ", ".join(sorted(set(study.frame["dataset"])))
    return f"This page was made at profile {study.profile} ({_description(study)}: {names}). It gives:"


def _description(study: Study) -> str:
    if study.embedded:
        epochs = " or ".join(str(n) for n in sorted({int(r.config["epochs"]) for r in study.records}))
        return f"small sets that come with scikit-learn, in place of the paper's, and {epochs} epochs"
    return experiments.get(TABLE4).profiles[study.profile].description


def notes(every: Iterable[str]) -> list[str]:
    """Return what must be noted about the runs, in addition to what :func:`data_text` says."""
    return [note for note in every if STANDARDISED not in note and PARTITIONED not in note]


def by_classifier(frame: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Divide a table by classifier, so that each part is narrow enough to read on a phone.

    Args:
        frame: A table with a column "Classifier".

    Yields:
        The classifier's name in records, its title, and its rows without that column.
    """
    for name, title in CLASSIFIERS.items():
        rows = frame[frame["Classifier"] == title] if len(frame) else frame
        if len(rows):
            yield name, title, rows.drop(columns="Classifier").dropna(axis="columns", how="all")


# --- Table 4 ------------------------------------------------------------------------------------------------


def table_four(study: Study, reading: Reading = POOLED) -> tuple[pd.DataFrame, list[str]]:
    """Return Table 4, the paper's numbers beside ours, on accuracies averaged over seeds.

    Ranks are given in two ways: with no place left out after a tie (1, 1, 2), and as mid-ranks. See
    :func:`conventions_table` for the others.

    Args:
        study: The runs.
        reading: How rate and epoch are chosen, and which accuracy is read.

    Returns:
        The table and the notes it needs.
    """
    rows = []
    for found in study.read(reading):
        gains = ranking.mean_gains(100 * found.mean, CE)
        won = ranking.wins(found.mean)
        dense = ranking.ranks(found.mean, "dense").mean(axis=0)
        middle = ranking.ranks(found.mean).mean(axis=0)
        mark = tables.UNATTESTED if _unattested(study) else ""
        for j, method in enumerate(METHODS):
            paper = printed()[found.classifier, method.loss, method.schedule]
            keys = tuple(str(key) for key in found.runs[:, :, j].ravel())
            rows.append(
                {
                    "Classifier": CLASSIFIERS[found.classifier],
                    "Method": method.name,
                    "Wins, paper": paper["wins"],
                    "Ours": Cell(f"{won[j]}{mark}", {"wins": won[j], "n": len(found.datasets)}, keys),
                    "Gain, paper": paper["accuracy_gain_points"],
                    "Our gain": _gain_cell(gains[j], found.mean, j),
                    "Rank, paper": paper["mean_rank"],
                    "Our rank": _number_cell(dense[j]),
                    "Mid-rank": _number_cell(middle[j]),
                }
            )
    notes = [_counted(study), *_left_out(study)]
    if _unattested(study):
        notes.append(tables.UNATTESTED_NOTE)
    return pd.DataFrame(rows), notes


@dataclass(frozen=True)
class Convention:
    """A way to come from accuracies to wins and mean ranks.

    Attributes:
        averaged: Average the accuracies over seeds first, not the counts afterwards.
        ties: What tied methods get.
    """

    averaged: bool
    ties: ranking.Ties

    @property
    def title(self) -> str:
        """In words."""
        places = {"dense": "1, 1, 2", "min": "1, 1, 3", "average": "1.5, 1.5, 3"}[self.ties]
        return f"{'accuracies averaged first' if self.averaged else 'seed by seed'}, ties {places}"

    def wins(self, found: Scores) -> np.ndarray:
        """Return the wins of each method, ``[K]``."""
        return np.mean([ranking.wins(values) for values in self._tables(found)], axis=0)

    def ranks(self, found: Scores) -> np.ndarray:
        """Return the mean rank of each method, ``[K]``."""
        return np.mean(
            [ranking.ranks(values, self.ties).mean(axis=0) for values in self._tables(found)], axis=0
        )

    def distance(self, found: Scores) -> float:
        """Return how far the mean ranks are from the paper's, averaged over methods."""
        return float(np.abs(self.ranks(found) - _printed_column(found.classifier, "mean_rank")).mean())

    def _tables(self, found: Scores) -> Sequence[np.ndarray]:
        return [found.mean] if self.averaged else list(found.values)


#: The ways that the paper's numbers do not exclude, and mid-ranks.
CONVENTIONS = tuple(
    Convention(averaged, ties) for ties in ("dense", "min", "average") for averaged in (True, False)
)


def conventions_table(study: Study) -> pd.DataFrame:
    """Return wins and mean ranks under every convention, beside the paper's."""
    rows = []

    def add(found: Scores, title: str, won: np.ndarray, places: np.ndarray, distance: Cell) -> None:
        rows.append(
            {
                "Classifier": CLASSIFIERS[found.classifier],
                "How it is counted": title,
                "Sum of wins": f"{won.sum():g}",
                "Sum of ranks": _number_cell(places.sum()),
                "Off by": distance,
                **{name: _number_cell(place) for name, place in zip(NAMES, places, strict=True)},
            }
        )

    for found in study.read():
        won, places = (_printed_column(found.classifier, column) for column in ("wins", "mean_rank"))
        add(found, "the paper", won, places, Cell("–"))
        for each in CONVENTIONS:
            add(found, each.title, each.wins(found), each.ranks(found), _number_cell(each.distance(found)))
    return pd.DataFrame(rows)


def conventions_text(study: Study) -> str:
    """Return which convention comes nearest to the paper's mean ranks, and what the wins say."""
    read = study.read()
    if not read:
        return ""
    off = {each: float(np.mean([each.distance(found) for found in read])) for each in CONVENTIONS}
    first, second = sorted(off, key=lambda each: off[each])[:2]
    won = {
        averaged: " and ".join(f"{Convention(averaged, 'dense').wins(found).sum():g}" for found in read)
        for averaged in (True, False)
    }
    paper = " and ".join(f"{_printed_column(found.classifier, 'wins').sum():g}" for found in read)
    ties = []
    for found in read:
        single, averaged = _mean_seed(found, ranking.tied_pairs), ranking.tied_pairs(found.mean)
        ties.append(
            f"{CLASSIFIERS[found.classifier].lower()} {100 * single:.0f}% with a single seed and "
            f"{100 * averaged:.0f}% after averaging"
        )
    return (
        f"In our runs, *{first.title}* comes nearest to the paper's mean ranks. "
        f"It is off by {off[first]:.2f} on average, the next (*{second.title}*) by {off[second]:.2f}. "
        f"The wins add up to {paper} in the paper, and in ours to {won[True]} with accuracies averaged "
        f"first, {won[False]} seed by seed. Pairs of methods that tie: {'; '.join(ties)}."
    )


# --- which methods differ -----------------------------------------------------------------------------------


def friedman_table(study: Study) -> pd.DataFrame:
    """Return Friedman's test for each classifier: on accuracies averaged over seeds, and seed by seed."""
    rows = []
    for found in study.read():
        for title, values in views(found):
            row: dict[str, object] = {"Classifier": CLASSIFIERS[found.classifier], "Accuracies": title}
            test = friedman(values)
            if test is None:
                rows.append(row | {"Chi-square (df 5)": "no test: all tie, or one set"})
                continue
            freedom = f"5, {5 * (test.n - 1)}"
            rows.append(
                row
                | {
                    "Chi-square (df 5)": Cell(f"{test.chi_square:.1f}", {"value": test.chi_square}),
                    "p": Cell(_p(test.p), {"value": test.p}),
                    "F": Cell(f"{test.f:.2f}", {"value": test.f}),
                    "df of F": freedom,
                    "p of F": Cell(_p(test.f_p), {"value": test.f_p}),
                }
            )
    return pd.DataFrame(rows)


def pairs_table(study: Study) -> pd.DataFrame:
    """Return all pairs of methods: sets won and lost, Conover with Benjamini-Hochberg, Wilcoxon with Holm.

    All on accuracies averaged over seeds.
    """
    rows = []
    for found in study.read():
        if friedman(found.mean) is None:
            continue
        conover = ranking.by_pair(ranking.conover(found.mean))
        for pair in ranking.wilcoxon(found.mean):
            other = conover[frozenset((pair.first, pair.second))]
            rows.append(
                {
                    "Classifier": CLASSIFIERS[found.classifier],
                    "Pair": f"{NAMES[pair.first]} against {NAMES[pair.second]}",
                    "Better / equal / worse": f"{pair.better} / {pair.equal} / {pair.worse}",
                    "Conover": _p_cell(other),
                    "Wilcoxon": _p_cell(pair),
                }
            )
    return pd.DataFrame(rows)


# --- set by set ---------------------------------------------------------------------------------------------


def scatter_text(study: Study) -> str:
    """Return how much of the set-by-set gains a test part of that size could show at all."""
    parts = []
    for found in study.read():
        known = np.isfinite(found.test_sizes)
        if not known.any():
            continue
        gain = 100 * np.abs(found.mean[:, GRADUAL] - found.mean[:, CE])[known]
        limit = np.array(
            [
                100 * stats.resolution(float(p), int(n))
                for p, n in zip(found.mean[known, CE], found.test_sizes[known], strict=True)
            ]
        )
        parts.append(
            f"{CLASSIFIERS[found.classifier]}: on {int((gain > limit).sum())} of {len(gain)} data sets the "
            "gain or loss is larger than that."
        )
    sizes = np.concatenate([found.test_sizes for found in study.read()])
    sizes = sizes[np.isfinite(sizes)]
    if not sizes.size:
        return ""
    median = math.ceil(np.median(sizes))
    return (
        f"Half of the data sets have {median} test examples or fewer; there, one example is "
        f"{100 / median:.2g} points or more. By chance, two accuracies on independent test "
        "parts of a data set's size differ by more than 1.96 standard errors one time in twenty. "
        + " ".join(parts)
    )


def largest_table(study: Study, number: int = 3) -> pd.DataFrame:
    """Return the data sets on which the gradual mixture gains and loses most against CE.

    Args:
        study: The runs.
        number: How many at either end.
    """
    rows = []
    for found in study.read():
        gain = found.mean[:, GRADUAL] - found.mean[:, CE]
        order = np.argsort(-gain, kind="stable")
        ends = dict.fromkeys((*order[:number], *order[-number:]))
        for i in map(int, ends):
            each = 100 * (found.values[:, i, GRADUAL] - found.values[:, i, CE])
            rows.append(
                {
                    "Classifier": CLASSIFIERS[found.classifier],
                    "Data": found.datasets[i],
                    "Tested on": f"{found.test_sizes[i]:g}",
                    "CE, %": _number_cell(100 * found.mean[i, CE]),
                    f"{NAMES[GRADUAL]}, %": _number_cell(100 * found.mean[i, GRADUAL]),
                    "Gain": _signed_cell(100 * gain[i]),
                    "By seed": ", ".join(tables.signed(float(value)) for value in each),
                }
            )
    return pd.DataFrame(rows)


# --- seeds and choices --------------------------------------------------------------------------------------


def seeds_table(study: Study) -> pd.DataFrame:
    """Return how far the seeds agree, for each classifier; empty with a single seed."""
    rows = []
    for found in study.read():
        if len(found.seeds) < 2:
            continue
        agreement = ranking.seed_agreement(found.values)
        gain = found.values[:, :, GRADUAL] - found.values[:, :, CE]
        moved = 100 * np.abs(found.values[0, :, CE] - found.values[1, :, CE])
        rows.append(
            {
                "Classifier": CLASSIFIERS[found.classifier],
                "Rank correlation": Cell(
                    tables.number(agreement.rank_correlation, 2)
                    if agreement.correlated
                    else "no ranking without ties",
                    {"mean": agreement.rank_correlation, "n": agreement.correlated},
                ),
                "Same winners, %": _number_cell(100 * agreement.same_winners, 1),
                "No common winner, %": _number_cell(100 * agreement.disjoint_winners, 1),
                "Sign flips, %": _number_cell(100 * _turns(gain), 1),
                "CE moves by": _number_cell(float(moved.mean())),
                "Gain by seed": ", ".join(tables.signed(100 * float(value)) for value in gain.mean(axis=1)),
            }
        )
    return pd.DataFrame(rows)


def sensitivity_table(study: Study) -> tuple[pd.DataFrame, list[str]]:
    """Return mid-ranks and the gain of the gradual mixture under each reading of the records."""
    rows = []
    for classifier in CLASSIFIERS:
        for reading, found in _readings(study, classifier):
            middle = ranking.ranks(found.mean).mean(axis=0)
            gain = ranking.mean_gains(100 * found.mean, CE)[GRADUAL]
            pair = pair_of(ranking.wilcoxon(found.mean), GRADUAL, CE)
            rows.append(
                {
                    "Classifier": CLASSIFIERS[classifier],
                    "How rate, epoch and accuracy are read": reading.title,
                    "Gain": _with_ranks(_gain_cell(gain, found.mean, GRADUAL), middle),
                    "p (Holm)": _p_cell(pair),
                    "Sets": len(found.datasets),
                }
            )
    notes = [
        f"Gain: {NAMES[GRADUAL]} minus CE, in points; p: Wilcoxon's test, adjusted by Holm's method over all "
        f"15 pairs; * marks p below {stats.LEVEL}. On accuracies averaged over seeds. The file also has the "
        "p before adjustment and the mid-ranks of all methods."
    ]
    return pd.DataFrame(rows), notes


def _with_ranks(cell: Cell, middle: np.ndarray) -> Cell:
    """A cell with the mid-ranks of all methods beside its numbers."""
    ranks = {f"mid-rank of {name}": float(rank) for name, rank in zip(NAMES, middle, strict=True)}
    return replace(cell, values={**cell.values, **ranks})


def _readings(study: Study, classifier: str) -> list[tuple[Reading, Scores]]:
    """Every reading that has scores; leaving out the sets on two scales is one only if there are any."""
    some = bool(len(study.frame)) and bool(study.frame["two_scales"].any())
    return [
        (reading, found)
        for reading in READINGS
        if (some or reading.two_scales) and (found := study.scores(classifier, reading)) is not None
    ]


def sensitivity_text(study: Study) -> str:
    """Return how far the choices move the gain of the gradual mixture."""
    parts = []
    for classifier in CLASSIFIERS:
        read = [found for _, found in _readings(study, classifier)]
        if not read:
            continue
        gains = [float(100 * (found.mean[:, GRADUAL] - found.mean[:, CE]).mean()) for found in read]
        pairs = [pair_of(ranking.wilcoxon(found.mean), GRADUAL, CE) for found in read]
        ahead = sum(pair.adjusted < stats.LEVEL and pair.better > pair.worse for pair in pairs)
        low, adjusted = (
            sum(x < stats.LEVEL for x in p) for p in zip(*((x.p, x.adjusted) for x in pairs), strict=True)
        )
        parts.append(
            f"{CLASSIFIERS[classifier]}: the mean gain is between {tables.signed(min(gains))} and "
            f"{tables.signed(max(gains))} points, and p is below {stats.LEVEL} in {low} of {len(pairs)} "
            f"rows, or {adjusted} when adjusted for all 15 pairs. CE+EL 0-0.5 is ahead of CE in {ahead} of "
            f"{len(pairs)} ways of reading the same runs."
        )
    return " ".join(parts)


def switch_table(study: Study) -> pd.DataFrame:
    """Return how many of the runs that are read had their epoch chosen before their schedule came to EL.

    Such a run has not been trained by what sets its schedule apart.
    """
    rows: list[dict[str, object]] = []
    epochs = {int(record.config["epochs"]) for record in study.records}
    if len(epochs) != 1:
        return pd.DataFrame(rows)
    chosen = study.frame.set_index("key")["selected_epoch"]
    for found in study.read():
        for method in (TWO_PHASE, GRADUAL):
            phases = MixingSchedule(METHODS[method].schedule).phases(next(iter(epochs)))
            at = chosen.loc[found.runs[:, :, method].ravel()].to_numpy(dtype=float)
            rows.append(
                {
                    "Classifier": CLASSIFIERS[found.classifier],
                    "Method": NAMES[method],
                    "EL alone from epoch": phases[-1].start + 1,
                    "Runs read": at.size,
                    "Chosen before": _share_cell(int((at < phases[-1].start).sum()), at.size),
                    "In the first phase": _share_cell(int((at < phases[1].start).sum()), at.size),
                }
            )
    return pd.DataFrame(rows)


def _share_cell(count: int, of: int) -> Cell:
    return Cell(f"{count} ({100 * count / of:.0f}%)", {"count": count})


def switch_text(study: Study) -> str:
    """Return the same for the mixture that differs from F = 0 by its last epochs alone, in a sentence."""
    rows = switch_table(study)
    if rows.empty:
        return ""
    rows = rows[rows["Method"] == NAMES[TWO_PHASE]]
    parts = [
        f"{classifier.lower()} {before}"
        for classifier, before in zip(rows["Classifier"], rows["Chosen before"], strict=True)
    ]
    return f"Runs of {NAMES[TWO_PHASE]} that are read at an epoch before EL alone begins: {', '.join(parts)}."


def batches_text(study: Study) -> str:
    """Return how far the mean of per-batch accuracies is from the accuracy, and what it does to Table 4."""
    parts = []
    for classifier in CLASSIFIERS:
        rows = study.frame[study.frame["classifier"] == classifier] if len(study.frame) else study.frame
        if not len(rows):
            continue
        difference = 100 * (rows["test_batch_accuracy"] - rows["test_accuracy"]).astype(float).dropna()
        if len(difference):
            moved = difference.abs()
            parts.append(
                f"{CLASSIFIERS[classifier]}: at the last epoch the same predictions read {moved.mean():.2f} "
                f"points apart on average, and {moved.max():.1f} at most."
            )
        pooled, batches = study.scores(classifier), study.scores(classifier, BY_BATCHES)
        if pooled is None or batches is None:
            continue
        gains = [100 * (each.mean - each.mean[:, [CE]]).mean(axis=0) for each in (pooled, batches)]
        wins = [ranking.wins(each.mean) for each in (pooled, batches)]
        before, after = (tables.signed(each[GRADUAL]) for each in gains)
        parts.append(
            f"In the table read by batches the gain of CE+EL 0-0.5 changes from {before} to {after} "
            f"points, that of any method by at most {np.abs(gains[1] - gains[0]).max():.2f}, and its wins by "
            f"at most {np.abs(wins[1] - wins[0]).max():g}."
        )
    return " ".join(parts)


def rates_table(study: Study) -> pd.DataFrame:
    """Return how often each learning rate was chosen, and how often a run diverged."""
    rows = []
    for found in study.read():
        runs = study.frame[study.frame["classifier"] == found.classifier]
        for j, method in enumerate(METHODS):
            mine = runs[runs["method"] == j]
            rates, counts = np.unique(found.rates[0, :, j], return_counts=True)
            chosen = dict(zip(rates.tolist(), counts.tolist(), strict=True))
            rows.append(
                {
                    "Classifier": CLASSIFIERS[found.classifier],
                    "Method": method.name,
                    **{
                        f"Rate {rate:g}": chosen.get(rate, 0)
                        for rate in sorted(study.frame["learning_rate"].unique(), reverse=True)
                    },
                    "Tied": _tied(study, found, j),
                    "Runs": len(mine),
                    "Diverged": int((mine["status"] != "finished").sum()),
                }
            )
    return pd.DataFrame(rows)


def _tied(study: Study, found: Scores, method: int) -> int:
    """On how many data sets several rates share the best validation accuracy, averaged over seeds."""
    rows = study.frame[
        (study.frame["classifier"] == found.classifier)
        & (study.frame["method"] == method)
        & study.frame["dataset"].isin(found.datasets)
        & study.frame["seed"].isin(found.seeds)
    ]
    mean = rows.groupby(["dataset", "learning_rate"])[POOLED.validation].mean().unstack()
    best = mean.sub(mean.max(axis=1), axis=0) >= -ranking.EQUAL
    return int((best.sum(axis=1) > 1).sum())


def data_text(study: Study) -> str:
    """Return on which data sets the runs were made, and what was done to those on two scales."""
    frame = study.frame
    names = set(frame["dataset"])
    if study.embedded:
        return (
            f"These runs were made on sets that come with scikit-learn ({', '.join(sorted(names))}), not on "
            "the paper's. Their parts were drawn by this package, the same for every run."
        )
    scales = sorted(frame.loc[frame["two_scales"], "dataset"].unique())
    absent = sorted(set(datasets.uci_names()) - names)
    parts = [f"The runs shown here are on {len(names)} of the {SETS} sets."]
    if 0 < len(absent) <= 5:
        parts.append(f"Not among them: {', '.join(absent)}.")
    if scales:
        number = "1 set" if len(scales) == 1 else f"{len(scales)} sets"
        parts.append(f"Each file was standardised by itself in {number}: {', '.join(scales)}.")
    return " ".join(parts)


# --- small things -------------------------------------------------------------------------------------------


def printed() -> Mapping[tuple[str, str, str], Mapping[str, str]]:
    rows = published("battash2021", "table4").to_dict("records")
    return {
        (str(row["classifier"]), str(row["loss"]), str(row["schedule"])): {
            str(name): str(value) for name, value in row.items()
        }
        for row in rows
    }


def printed_gain(classifier: str, method: int) -> float:
    """The gain over CE that the paper has for a method, in points."""
    each = METHODS[method]
    return float(printed()[classifier, each.loss, each.schedule]["accuracy_gain_points"])


def _printed_column(classifier: str, column: str) -> np.ndarray:
    return np.array([float(row[column]) for (name, _, _), row in printed().items() if name == classifier])


def _mean_seed(found: Scores, statistic: Callable[[np.ndarray], float]) -> float:
    return float(np.mean([statistic(values) for values in found.values]))


def views(found: Scores) -> Iterator[tuple[str, np.ndarray]]:
    """The accuracies averaged over seeds, then those of each seed."""
    yield f"mean of {seeds_text(found)}", found.mean
    for seed, values in zip(found.seeds, found.values, strict=True):
        yield f"seed {seed}", values


def friedman(values: np.ndarray) -> ranking.Friedman | None:
    try:
        return ranking.friedman(values)
    except ValueError:  # One data set, or nothing but ties: a page at a small profile shows that much.
        return None


def pair_of(pairs: Sequence[ranking.Pair], first: int, second: int) -> ranking.Pair:
    """The comparison of two methods, seen from the first."""
    pair = ranking.by_pair(pairs)[frozenset((first, second))]
    if pair.first == first:
        return pair
    return ranking.Pair(first, second, pair.p, pair.adjusted, pair.worse, pair.equal, pair.better)


def _turns(gain: np.ndarray) -> float:
    """Share of data sets where a difference ``[S, N]`` is positive with one seed, negative with another."""
    above, below = (gain > ranking.EQUAL).any(axis=0), (gain < -ranking.EQUAL).any(axis=0)
    return float((above & below).mean())


def seeds_text(found: Scores) -> str:
    return "1 seed" if len(found.seeds) == 1 else f"{len(found.seeds)} seeds"


def _unattested(study: Study) -> bool:
    return any(record.trust.state == "unattested" for record in study.records)


def _counted(study: Study) -> str:
    sizes = ", ".join(
        f"{CLASSIFIERS[found.classifier].lower()} {len(found.datasets)} sets and {seeds_text(found)}"
        for found in study.read()
    )
    return (
        f"Ours: {sizes}, on accuracies averaged over seeds; the paper: {SETS} sets and 2 seeds. Methods that "
        "tie for the first place all win. Gain: mean of the accuracy minus that of CE, in points; ± is half "
        "of the 95% interval over data sets (Student's t). Our rank leaves no place out after a tie (1, 1, "
        "2). A mid-rank gives tied methods the mean of their places."
    )


def _left_out(study: Study) -> list[str]:
    reasons: dict[str, dict[str, None]] = {}
    for found in study.read():
        for name, why in found.left_out.items():
            reasons.setdefault(why, {})[name] = None
    return [f"Left out, as {why}: {', '.join(names)}." for why, names in reasons.items()]


def _gain_cell(gain: stats.Interval, mean: np.ndarray, method: int) -> Cell:
    values = {"mean": gain.mean, "low": gain.low, "high": gain.high, "n": gain.n}
    values["median"] = float(np.median(100 * (mean[:, method] - mean[:, CE])))
    return Cell("0" if method == CE else interval_text(gain), values)


def interval_text(gain: stats.Interval) -> str:
    return f"{tables.signed(gain.mean)}{tables.band(gain, 2)}"


def _number_cell(value: float, digits: int = 2) -> Cell:
    return Cell(tables.number(float(value), digits), {"value": float(value)})


def _signed_cell(value: float) -> Cell:
    return Cell(tables.signed(float(value)), {"value": float(value)})


def _p_cell(pair: ranking.Pair) -> Cell:
    mark = " *" if pair.adjusted < stats.LEVEL else ""
    return Cell(f"{tables.p_text(pair.adjusted)}{mark}", {"adjusted": pair.adjusted, "unadjusted": pair.p})


def _p(p: float) -> str:
    return tables.p_text(p) if p >= VERY_LOW or p == 0 else f"{p:.0e}"


def equals_text(p: float) -> str:
    text = tables.p_text(p)
    return text if text.startswith("<") else f"= {text}"
