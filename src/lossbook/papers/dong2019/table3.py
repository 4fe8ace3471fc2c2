"""Table 3 and Fig. 4: few labels beside many classes, on tables of words and regions in place of clothes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import torch

from lossbook import datasets, experiments, losses
from lossbook.evidence import tables
from lossbook.evidence.claims import Claim, Untested, Verdict
from lossbook.evidence.contrasts import Contrast, Contrasts, Difference, Select
from lossbook.evidence.rules import Above, CarriesOver
from lossbook.evidence.select import Evidence
from lossbook.evidence.tables import Runs
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.dong2019.names import (
    CHOSEN_AT,
    DECISIVE,
    FREQUENCIES,
    LOGISTIC,
    NAMES,
    NETWORK_NAMES,
    ONE,
    OWN,
    REFERENCE,
    TABLE3,
    USUAL,
    named,
)
from lossbook.papers.dong2019.names import OPTIONS as PAPER_OPTIONS
from lossbook.papers.dong2019.protocol import by_name, cell
from lossbook.papers.dong2019.rules import Within
from lossbook.results import Record
from lossbook.training import RunSpec
from lossbook.training.start import output_bias

#: The tables of Mulan, those with the fewest labels beside the most classes first.
DATASETS = ("corel5k", "bibtex", "delicious")
#: The losses of the paper that several labels allow, and one made later for the same trouble.
LOSSES = (*LOGISTIC, "asymmetric")
BASELINE = "lr"
#: Those of hard and of soft selection.
SELECTED = ("hs_lr", "ss_lr")
#: The options of a loss where they are not the paper's: the defaults of the asymmetric loss.
OPTIONS: Mapping[str, Mapping[str, Any]] = {"asymmetric": {}}

#: HS-LR and SS-LR as the published code reads them for several labels, and what they are readings of.
PUBLISHED = {"hs_lr_published": "hs_lr", "ss_lr_published": "ss_lr"}
#: Hard and soft selection in both readings.
SELECTING = (*SELECTED, *PUBLISHED)

#: Learning rates that are tried, and how many held-out training examples they are chosen on.
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
VALIDATION_SIZE = 500
#: What is compared: loss and start.
COMPARED = (*((loss, USUAL) for loss in LOSSES), (BASELINE, FREQUENCIES))
#: Name of LR from low biases among the rates.
LOW = f"{BASELINE}, {FREQUENCIES}"
#: What has a learning rate of its own.
TUNED = (*COMPARED, *((loss, USUAL) for loss in PUBLISHED))
#: The learning rate of each loss on each set: what :func:`choose` makes of the records of ``rates``.
RATE: Mapping[str, Mapping[str, float]] = {
    "corel5k": {
        **{"lr": 3e-3, "hs_lr": 1e-3, "ss_lr": 1e-3, "asymmetric": 1e-3, LOW: 1e-3},
        **{"hs_lr_published": 1e-3, "ss_lr_published": 1e-3},
    },
    "bibtex": {
        **{"lr": 1e-3, "hs_lr": 1e-3, "ss_lr": 1e-3, "asymmetric": 3e-4, LOW: 1e-3},
        **{"hs_lr_published": 1e-3, "ss_lr_published": 1e-3},
    },
    "delicious": {
        **{"lr": 1e-2, "hs_lr": 3e-3, "ss_lr": 3e-3, "asymmetric": 3e-3, LOW: 3e-3},
        **{"hs_lr_published": 3e-3, "ss_lr_published": 3e-3},
    },
}
#: Profile that chooses how long to train: LR on Corel5k, measured by epoch on held-out training examples.
TRIED, TRIED_EPOCHS, TRIED_RATE = "lengths", 40, 3e-3
#: Epochs on each set, about as many steps on all: about where LR was best in the profile ``lengths``.
EPOCHS = {"corel5k": 24, "bibtex": 24, "delicious": 8}

#: Of the training parts, counted once; a test counts again.
FACTS: Mapping[str, Mapping[str, Any]] = {
    "corel5k": {
        "Features": 499,
        "Labels per example": 3.52,
        "Most labels": 5,
        "Examples of the median class": 13,
    },
    "bibtex": {
        "Features": 1836,
        "Labels per example": 2.38,
        "Most labels": 28,
        "Examples of the median class": 54,
    },
    "delicious": {
        "Features": 500,
        "Labels per example": 19.05,
        "Most labels": 25,
        "Examples of the median class": 85,
    },
}

#: The measures of the paper: metric of a record -> name. The first chooses the learning rates.
MEASURES = {
    "map_example": "mAP per image",
    "map_class": "mAP per class",
    "balanced_example": "balanced accuracy per image",
    "balanced_class": "balanced accuracy per class",
}

RECIPE = RunSpec(
    dataset="corel5k",
    model="mlp",
    loss=BASELINE,
    optimizer="adam",
    optimizer_options={"lr": 1e-3},
    model_options={"hidden": 128},
    batch_size=128,
    epochs=24,
    measures="several_labels",
)
#: The paper's protocol. It says neither how large its images are nor whether they are augmented, and nothing
#: of weights trained before.
PAPER_RECIPE = RunSpec(
    dataset="deepfashion",
    model="resnet50",
    loss=BASELINE,
    optimizer="adam",
    optimizer_options={"lr": 1e-4, "momentum": 0.9, "weight_decay": 4e-5},
    schedule={"name": "steps", "at": [45]},
    batch_size=32,
    epochs=50,
    measures="several_labels",
)
PAPER_NETWORKS = ("resnet50", "mobilenet")


def _cell(base: RunSpec, loss: str, **settings: Any) -> Cell:
    if loss in PUBLISHED:
        options = published_options(settings["dataset"], PUBLISHED[loss])
        return cell(base, PUBLISHED[loss], options=options, labels={"loss": loss}, **settings)
    return cell(base, loss, options=OPTIONS.get(loss), **settings)


def published_options(dataset: str, loss: str) -> dict[str, Any]:
    """The settings of HS-LR or SS-LR that balance labels and other classes as the published code does.

    It divides the sum over the labels of a batch by their number, where the package divides by the number of
    examples: beside a negative part that is the same, the positive one is smaller by the mean number of
    labels. Beta is larger by that number instead; a factor common to both parts changes nothing with Adam.
    HS-LR also selects as many classes as the code.
    """
    options = {**PAPER_OPTIONS[loss]}
    options["beta"] = round(options["beta"] * FACTS[dataset]["Labels per example"], 2)
    return {**options, "count": "published"} if loss == "hs_lr" else options


def variants(dataset: str) -> list[tuple[str, str, float]]:
    """What is compared on a set: loss, start and learning rate; at LR's rate, then at each one's own.

    The readings of the published code have their own alone.
    """
    every = [
        (loss, start, rate(dataset, loss, policy, start))
        for policy, compared in ((ONE, COMPARED), (OWN, TUNED))
        for loss, start in compared
    ]
    return list(dict.fromkeys(every))


def title(dataset: str) -> str:
    """The printed name of a data set."""
    return datasets.info(dataset).title


def rate(dataset: str, loss: str, policy: str, start: str = USUAL) -> float:
    """The learning rate of a loss from a start: that of LR for all, or each one's own."""
    return RATE[dataset][BASELINE if policy == ONE else _key(loss, start)]


def _key(loss: str, start: str) -> str:
    return loss if start == USUAL else f"{loss}, {start}"


EXPERIMENT = Experiment(
    name=TABLE3,
    title="Table 3 and Fig. 4: few labels beside many classes",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's protocol: DeepFashion, 50 epochs of ResNet-50 and MobileNet",
            tuple(
                _cell(replace(PAPER_RECIPE, model=network), loss)
                for network in PAPER_NETWORKS
                for loss in LOGISTIC
            ),
            seeds=10,
        ),
        Profile(
            REFERENCE,
            "one hidden layer on Corel5k, Bibtex and Delicious, published parts; at LR's learning rate "
            "and at each loss's own",
            tuple(
                _cell(RECIPE, loss, start=start, lr=lr, dataset=name, epochs=EPOCHS[name])
                for name in DATASETS
                for loss, start, lr in variants(name)
            ),
            seeds=10,
        ),
        Profile(
            CHOSEN_AT,
            f"the same, measured on {VALIDATION_SIZE} training examples held out, at six learning rates",
            tuple(
                _cell(
                    RECIPE,
                    loss,
                    start=start,
                    lr=lr,
                    dataset=name,
                    epochs=EPOCHS[name],
                    validation_size=VALIDATION_SIZE,
                )
                for name in DATASETS
                for loss, start in TUNED
                for lr in RATES
            ),
            seeds=3,
        ),
        Profile(
            TRIED,
            f"LR on Corel5k for {TRIED_EPOCHS} epochs, measured by epoch on {VALIDATION_SIZE} training "
            "examples held out",
            (
                _cell(
                    RECIPE,
                    BASELINE,
                    lr=TRIED_RATE,
                    epochs=TRIED_EPOCHS,
                    validation_size=VALIDATION_SIZE,
                    epoch_measures="several_labels",
                ),
            ),
            seeds=3,
        ),
        Profile(
            "quick",
            "3 epochs on Corel5k",
            tuple(
                _cell(RECIPE, loss, start=start, lr=lr, dataset="corel5k", epochs=3)
                for loss, start, lr in variants("corel5k")
            ),
            seeds=3,
        ),
        Profile(
            "smoke",
            "3 epochs on 300 examples made by scikit-learn, to see that everything runs",
            tuple(
                _cell(
                    RECIPE,
                    loss,
                    start=start,
                    lr=1e-3,
                    dataset="made_labels",
                    epochs=3,
                    batch_size=32,
                    model_options={"hidden": 16},
                )
                for loss, start in COMPARED
            ),
            seeds=3,
        ),
    ),
)


def choose(records: Iterable[Record]) -> dict[str, dict[str, float]]:
    """The learning rate with the highest mean average precision per image; of equal ones the least.

    The mean is over the seeds that all rates of a loss have; a loss without one is left out. A run that broke
    down counts as 0.

    Args:
        records: Those of the profile ``rates``, measured on examples held out of training.

    Returns:
        Data set -> loss, or :data:`LOW` -> rate.
    """
    found: dict[tuple[str, str], dict[float, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        labels = record.labels
        value = record.metric("map_example") if record.status == "finished" else None
        name = _key(labels["loss"], labels["start"])
        found[labels["dataset"], name][labels["lr"]][record.seed] = value or 0.0
    chosen: dict[str, dict[str, float]] = {}
    for (dataset, loss), each in found.items():
        seeds = set.intersection(*(set(each.get(rate, ())) for rate in RATES))
        if seeds:
            mean = {rate: sum(each[rate][seed] for seed in seeds) / len(seeds) for rate in RATES}
            chosen.setdefault(dataset, {})[loss] = max(RATES, key=lambda rate: (mean[rate], -rate))
    return chosen


# --- claims -------------------------------------------------------------------------------------------------


#: At which learning rates two losses are compared.
AT = {OWN: "each at its own rate", ONE: "both at LR’s rate"}
#: The readings of a claim that this makes.
READINGS = {
    OWN: "each loss at its own learning rate",
    ONE: "all at the learning rate of LR, where that is another",
}


def _select(dataset: str, loss: str, policy: str, measure: str, start: str = USUAL) -> Select:
    labels = {"dataset": dataset, "loss": loss, "start": start, "lr": rate(dataset, loss, policy, start)}
    return Select(labels, measure)


def contrast(dataset: str, loss: str, other: str, policy: str, measure: str, start: str = USUAL) -> Contrast:
    """One loss minus another on a set, at LR's rate or at each one's own."""
    return Contrast(
        f"{named(loss, start)} minus {NAMES[other]}, {MEASURES[measure]}, {title(dataset)}, {AT[policy]}",
        _select(dataset, loss, policy, measure, start),
        _select(dataset, other, policy, measure),
        resolved=False,
    )


def _photographs(loss: str, other: str) -> Contrasts:
    """The same on DeepFashion, where it has been run."""
    each = [
        Contrast(
            f"{NAMES[loss]} minus {NAMES[other]}, {MEASURES[measure]}, DeepFashion, {NETWORK_NAMES[network]}",
            Select({"dataset": "deepfashion", "network": network, "loss": loss}, measure),
            Select({"dataset": "deepfashion", "network": network, "loss": other}, measure),
            resolved=False,
        )
        for network in PAPER_NETWORKS
        for measure in MEASURES
    ]
    return Contrasts(TABLE3, each, only=(PAPER,), optional=True)


def _readings(pairs: Sequence[tuple[str, str]]) -> dict[str, Contrasts]:
    readings = {
        READINGS[policy]: Contrasts(
            TABLE3,
            [
                contrast(dataset, loss, other, policy, measure)
                for dataset in DATASETS
                for loss, other in pairs
                for measure in MEASURES
                # Where LR's rate is a loss's own, the runs are the same: they count once.
                if policy == OWN
                or {rate(dataset, each, OWN) for each in (loss, other)} != {RATE[dataset][BASELINE]}
            ],
            only=(REFERENCE,),
        )
        for policy in READINGS
    }
    shown = [_photographs(loss, other) for loss, other in pairs]
    readings["the paper's protocol"] = replace(shown[0], each=[each for part in shown for each in part.each])
    return readings


#: What one small network on three tables of features can say of a general claim.
WHY = "one small network on three tables of features cannot show it in general"
#: Differences of a point of mAP or of balanced accuracy are small beside the paper's subject.
MARGIN = 1.0


def _basis(records: Sequence[Record]) -> str:
    if not records:
        return "no runs"
    if {record.profile for record in records} == {PAPER}:
        return "the paper's protocol"
    return "one hidden layer on tables of features, not the paper's networks and images"


SUPERIOR = Claim(
    "sparse-superior",
    "With few labels among many classes, hard and soft selection are significantly better than plain LR.",
    'Clothing Attributes Recognition, "Evaluation" (1); Table 3',
    "HS-LR and SS-LR minus LR, on each data set and by each of the paper's four measures, paired by seed.",
    _readings([(loss, BASELINE) for loss in ("hs_lr", "ss_lr")]),
    CarriesOver(Above(), WHY),
    decisive=DECISIVE,
    basis=_basis,
)
SIMILAR = Claim(
    "sparse-similar",
    "With few labels among many classes, hard and soft selection perform similarly.",
    'Clothing Attributes Recognition, "Evaluation" (2); Table 3',
    "HS-LR minus SS-LR, on each data set and by each of the paper's four measures, paired by seed. The paper "
    "says no more than similarly; the margin is this book's.",
    _readings([("hs_lr", "ss_lr")]),
    CarriesOver(Within(MARGIN), WHY),
    decisive=DECISIVE,
    basis=_basis,
)
STABLE = Untested(
    "sparse-stable",
    "With few labels, training with hard and soft selection is more stable and healthier than with LR.",
    'Clothing Attributes Recognition, "Evaluation", last paragraph; Fig. 4',
    "The paper defines neither word. Its evidence is Fig. 4, curves of the training loss, which was not "
    "available.",
    "The page on Table 3 draws such curves. Which loss trains better cannot be read off them: each is in "
    "units of its own.",
)
BEST_KNOWN = Untested(
    "sparse-best-known",
    "On DeepFashion HS-LR and SS-LR outperform the best published result, a per-class accuracy of 54.5%.",
    'Clothing Attributes Recognition, "Evaluation" (2)',
    "DeepFashion is available from its authors on request and is not at hand. Profile "
    "`paper` declares the runs; none has been made.",
)
CLAIMS = (SUPERIOR, SIMILAR, STABLE, BEST_KNOWN)


# --- tables -------------------------------------------------------------------------------------------------


def runs(evidence: Evidence, profile: str, labels: Mapping[str, Any]) -> Runs:
    """The runs of a cell, given its labels."""
    names = ("dataset", "network", "loss", "start", "lr")
    return evidence.runs(profile, **{name: labels[name] for name in names})


def cells(profile: str) -> dict[str, list[Mapping[str, Any]]]:
    """The labels of a profile's cells, by data set and network, LR's at its own start first."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in experiments.get(TABLE3).profile(profile).cells:
        labels = each.labels
        where = datasets.info(labels["dataset"]).title
        network = f", {NETWORK_NAMES[labels['network']]}" if profile == PAPER else ""
        found[f"{where}{network}"].append(labels)
    return found


def whose(labels: Mapping[str, Any]) -> str:
    """Whose learning rate a cell has: LR's, the loss's own, or both."""
    own = RATE.get(labels["dataset"], {})
    if labels["loss"] == BASELINE or not own:
        return ""
    words = [
        word for loss, word in ((BASELINE, "LR’s"), (labels["loss"], "own")) if own[loss] == labels["lr"]
    ]
    return f" ({' and '.join(words)})" if words else ""


def table(
    evidence: Evidence, profile: str, measures: Sequence[str] = tuple(MEASURES)
) -> tuple[pd.DataFrame, list[str]]:
    """Means by loss and data set, and differences from LR at its own rate; what has not been run has no row.

    Args:
        evidence: The records.
        profile: Which of them.
        measures: Metrics.

    Returns:
        The table and the notes it needs.
    """
    found = [
        (where, labels, mine, runs(evidence, profile, each[0]))
        for where, each in cells(profile).items()
        for labels in each
        if (mine := runs(evidence, profile, labels)).records
    ]
    frame = pd.DataFrame(
        {
            "Data": where,
            "Loss": named(labels["loss"], labels["start"]),
            "Rate": f"{labels['lr']:g}{whose(labels)}",
        }
        for where, labels, _, _ in found
    )
    pairs = [(mine, base) if mine.keys != base.keys else None for _, _, mine, base in found]
    for measure in measures if found else ():
        name = MEASURES[measure]
        frame[f"{name}, %"] = pd.Series([_mean(mine, measure) for _, _, mine, _ in found], dtype=object)
        differences, p_values = tables.difference_cells(pairs, measure, percent=True)
        frame[f"{name} minus LR"] = pd.Series(differences, dtype=object)
        frame[f"{name}, p (Holm)"] = pd.Series(p_values, dtype=object)
    return frame, tables.notes((mine for _, _, mine, _ in found), "map_example")


def _mean(mine: Runs, measure: str) -> tables.Cell:
    """The mean over seeds; without an interval where there are fewer than three."""
    values = mine.values(measure)
    if len(values) == 2:
        mean = 100 * sum(values.values()) / 2
        return tables.Cell(f"{mean:.2f} (2 runs)", {"mean": mean, "n": 2}, mine.keys)
    return tables.mean_cell(mine, measure, percent=True)


def rates_table(evidence: Evidence) -> pd.DataFrame:
    """Mean average precision per image on held-out examples, by data set, loss and learning rate."""
    chosen = choose(evidence.by_profile.get(CHOSEN_AT, ()))
    rows = []
    for dataset in DATASETS:
        for loss, start in TUNED:
            row: dict[str, Any] = {"Data": title(dataset), "Loss": named(loss, start)}
            for lr in RATES:
                mine = evidence.runs(CHOSEN_AT, dataset=dataset, loss=loss, start=start, lr=lr)
                values = list(mine.values("map_example").values())
                mean = 100 * sum(values) / len(values) if values else float("nan")
                mark = " *" if chosen.get(dataset, {}).get(_key(loss, start)) == lr else ""
                row[f"{lr:g}"] = tables.Cell(
                    f"{mean:.2f}{mark}" if values else "–", {"mean": mean}, mine.keys
                )
            rows.append(row)
    return pd.DataFrame(rows)


def differences_table(evidence: Evidence) -> pd.DataFrame:
    """Each loss minus LR by data set and measure, each at its own learning rate."""
    return _differences(
        evidence,
        {
            named(loss, start): partial(contrast, loss=loss, other=BASELINE, policy=OWN, start=start)
            for loss, start in COMPARED[1:]
        },
    )


def low_biases_table(evidence: Evidence) -> pd.DataFrame:
    """Hard and soft selection, in both readings, minus LR from low biases, each at its own learning rate."""
    return _differences(evidence, {NAMES[loss]: partial(_over_low, loss=loss) for loss in SELECTING})


def published_table(evidence: Evidence) -> pd.DataFrame:
    """Several labels as the published code reads them: minus the reading used elsewhere, and minus LR."""
    return _differences(
        evidence,
        {
            f"{NAMES[own]} minus {NAMES[other]}{' as elsewhere' if other == own else ''}": partial(
                contrast, loss=read, other=other, policy=OWN
            )
            for read, own in PUBLISHED.items()
            for other in (own, BASELINE)
        },
    )


def _differences(evidence: Evidence, columns: Mapping[str, Callable[..., Contrast]]) -> pd.DataFrame:
    """Differences by data set and measure where there are three seeds; last, how many are on either side.

    Args:
        evidence: The records.
        columns: Title -> the comparison for a data set and a measure.
    """
    rows: list[dict[str, Any]] = []
    shown: dict[str, list[Difference]] = defaultdict(list)
    for dataset in DATASETS:
        for measure, name in MEASURES.items():
            row: dict[str, tables.Cell] = {}
            for column, compared in columns.items():
                found = compared(dataset=dataset, measure=measure).at(evidence, REFERENCE)
                if found is None or not found.interval.bounded:
                    row[column] = tables.Cell("–")
                    continue
                shown[column].append(found)
                mean, low, high = (
                    100 * v for v in (found.interval.mean, found.interval.low, found.interval.high)
                )
                row[column] = tables.Cell(
                    found.short(),
                    {"mean": mean, "low": low, "high": high, "n": found.interval.n},
                    tuple(record.key for record in found.records),
                )
            if any(cell.runs for cell in row.values()):
                rows.append({"Data": title(dataset), "Measure": name, **row})
    if rows:
        counts = {column: f"{above} / {below} of {n}" for column, (above, below, n) in _sides(shown).items()}
        rows.append({"Data": "All", "Measure": "interval above / below zero", **counts})
    return pd.DataFrame(rows).fillna("–") if rows else pd.DataFrame()


def _sides(shown: Mapping[str, Sequence[Difference]]) -> dict[str, tuple[int, int, int]]:
    """How many intervals lie above zero and below it, of how many."""
    return {
        name: (sum(d.above for d in found), sum(d.below for d in found), len(found))
        for name, found in shown.items()
    }


def published_text(evidence: Evidence) -> str:
    """How often selection as in the published code is better than LR, and worse; empty without runs."""
    made = (
        contrast(dataset, loss, BASELINE, OWN, measure).at(evidence, REFERENCE)
        for loss in PUBLISHED
        for dataset in DATASETS
        for measure in MEASURES
    )
    found = [each for each in made if each is not None and each.interval.bounded]
    if not found:
        return ""
    above, below, n = _sides({"": found})[""]
    return (
        "With several labels as in the published code, each loss at its own rate, HS-LR or SS-LR is ahead of "
        f"LR in {above} of {n} comparisons and behind in {below}."
    )


def _over_low_biases(evidence: Evidence, loss: str) -> list[Difference]:
    """A loss minus LR from low biases, each at its own rate, where there are three seeds."""
    made = (_over_low(d, loss, measure).at(evidence, REFERENCE) for d in DATASETS for measure in MEASURES)
    return [each for each in made if each is not None and each.interval.bounded]


def follows(evidence: Evidence) -> str:
    """What to do first, if low biases beat hard and soft selection more often than they lose."""
    found = [each for loss in SELECTED for each in _over_low_biases(evidence, loss)]
    if sum(each.below for each in found) <= sum(each.above for each in found):
        return ""
    return (
        "before you change the loss, start the output biases of LR low and give it a learning rate of its "
        "own, chosen by the measure that you will be judged by."
    )


def against_low_biases(evidence: Evidence) -> str:
    """How often hard and soft selection are above LR from low biases, and below it; empty without runs."""
    found = {NAMES[loss]: each for loss in SELECTING if (each := _over_low_biases(evidence, loss))}
    if not found:
        return ""
    said = "; ".join(
        f"{name} is ahead of it in {above} and behind it in {below} of {n} comparisons"
        for name, (above, below, n) in _sides(found).items()
    )
    return f"Against **{named(BASELINE, FREQUENCIES)}**, each at its own rate: {said}."


def _over_low(dataset: str, loss: str, measure: str) -> Contrast:
    return Contrast(
        f"{NAMES[loss]} minus {named(BASELINE, FREQUENCIES)}, {MEASURES[measure]}, {title(dataset)}",
        _select(dataset, loss, OWN, measure),
        _select(dataset, BASELINE, OWN, measure, FREQUENCIES),
        resolved=False,
    )


def lengths_text(evidence: Evidence) -> str:
    """After how many epochs LR was best on held-out examples, seed by seed; empty without runs."""
    curves = [r.curve("map_example") for r in evidence.by_profile.get(TRIED, ()) if r.status == "finished"]
    best = [1 + max(range(len(curve)), key=lambda epoch: curve[epoch] or 0.0) for curve in curves]
    if not best:
        return ""
    return (
        f"On {VALIDATION_SIZE} held-out examples of Corel5k, LR at a rate of {TRIED_RATE:g} had its highest "
        f"mAP per image after {', '.join(map(str, sorted(best)))} of {TRIED_EPOCHS} epochs, one per seed."
    )


def at_rates(verdict: Verdict, policy: str) -> list[Difference]:
    """The differences behind the finding that selection is better, at own rates or at the rate of LR.

    Args:
        verdict: That of :data:`SUPERIOR`.
        policy: ``OWN`` or ``ONE``.
    """
    asked = SUPERIOR.readings[READINGS[policy]].each
    return [found for found in verdict.differences if found.contrast in asked]


def number(verdict: Verdict) -> str:
    """What stands beside the finding that selection is better: how far it goes, and how often it is so."""
    places = {OWN: "With each loss at its own learning rate", ONE: "At the rate chosen for LR"}
    found = {words: made for policy, words in places.items() if (made := at_rates(verdict, policy))}
    said = (
        f"{words}, {above} of {n} intervals lie above zero and {below} below."
        for words, (above, below, n) in _sides(found).items()
    )
    return " ".join((verdict.number, *said))


def data_table() -> pd.DataFrame:
    """What the data sets have, in their published parts."""
    rows = []
    for dataset in DATASETS:
        info = datasets.info(dataset)
        row: dict[str, Any] = {
            "Data": info.title,
            "Training": f"{info.train_size:,}",
            "Test": f"{info.test_size:,}",
            "Classes K": info.num_classes,
        }
        rows.append({**row, **FACTS[dataset]})
    return pd.DataFrame(rows)


def start_ratio(dataset: str, loss: str, start: str = USUAL) -> float:
    r"""The gradient ratio of labels to other classes before the first step, where all logits are the same.

    .. math:: \frac{\sum_{k \in Y} |g_k|}{\sum_{k \notin Y} |g_k|}, \quad g_k = \partial \ell / \partial z_k

    of an example with the mean number of labels, rounded.

    Args:
        dataset: One of :data:`DATASETS`.
        loss: A loss at the settings of the experiment.
        start: Where the output biases start.
    """
    classes, labels = datasets.info(dataset).num_classes, round(FACTS[dataset]["Labels per example"])
    bias = output_bias(FREQUENCIES, classes) if start == FREQUENCIES else 0.0
    logits = torch.full((1, classes), bias, dtype=torch.float64, requires_grad=True)
    target = torch.arange(classes)[None] < labels
    value = losses.get(loss, **OPTIONS.get(loss, PAPER_OPTIONS.get(loss, {})))(logits, target)
    size = torch.autograd.grad(value, logits)[0].abs()
    return float(size[target].sum() / size[~target].sum())


def start_table() -> pd.DataFrame:
    """The gradient ratios at the start, of every loss, and of LR from low biases."""
    rows = []
    for loss, start in COMPARED:
        row: dict[str, Any] = {"Loss": named(loss, start)}
        for dataset in DATASETS:
            ratio = start_ratio(dataset, loss, start)
            row[title(dataset)] = tables.Cell(f"{ratio:.3g}", {"ratio": ratio})
        rows.append(row)
    return pd.DataFrame(rows)
