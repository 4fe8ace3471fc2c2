"""Fig. 1: what features look like, and what can be measured of them over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lossbook import datasets
from lossbook.evidence import stats, tables
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import PLAIN, Contrast, Contrasts, Unit
from lossbook.evidence.rules import Above, CarriesOver, OnceWhole
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.evidence.tables import Runs
from lossbook.papers.dong2019 import table1
from lossbook.papers.dong2019.fig5 import groups
from lossbook.papers.dong2019.names import DECISIVE, FREQUENCIES, ONE, OWN, RATES, TABLE1, USUAL, named
from lossbook.results import Record, Store

DATASET = "cifar100"
#: Panels of the figure; the paper has the first three.
PANELS = (("ce", USUAL), ("lr", USUAL), ("ss_lr", USUAL), ("hs_lr", USUAL))
#: What is measured, with the names of the table.
MEASURED = {"nearest_neighbour": "Nearest neighbour, %", "silhouette": "Silhouette"}
_SHARE = Unit(100.0, 2, "points")


def superclass_correlation(record: Record) -> float | None:
    r"""How far distances of class means follow CIFAR-100's superclasses.

    Pearson's correlation, over all pairs of classes, of the distance of their mean features with whether they
    are of different superclasses. It is 0 where distances know nothing of superclasses.

    Args:
        record: A run with ``class_distance``.

    Returns:
        The correlation; None for a run without distances, or on data without superclasses.
    """
    distance = record.metrics.get("class_distance")
    of = datasets.info(str(record.config["dataset"])).superclass_of
    if not distance or len(of) != len(distance):
        return None
    values = np.array([[np.nan if v is None else v for v in row] for row in distance], dtype=float)
    first, second = np.triu_indices(len(of), 1)
    far, apart = values[first, second], np.asarray(of)[first] != np.asarray(of)[second]
    kept = np.isfinite(far)
    return float(np.corrcoef(far[kept], apart[kept])[0, 1]) if kept.any() else None


def compared(
    what: str, loss: str, other: str, rates: str = ONE, *, start: str = USUAL, other_start: str = USUAL
) -> Contrast:
    """A measure of the features of one loss minus that of another.

    Args:
        what: A metric of :data:`MEASURED`, or ``superclasses``.
        loss: The one.
        other: What is subtracted.
        rates: Both at one rate, or each at its own.
        start: Where the biases start.
        other_start: Where those of the other start.
    """
    if what == "superclasses":
        read: dict[str, Any] = {"value": superclass_correlation}
        name, unit = "Correlation with superclasses", PLAIN
    else:
        read = {"metric": what}
        name, unit = ("Nearest neighbour", _SHARE) if what == "nearest_neighbour" else ("Silhouette", PLAIN)
    pair = f"{named(loss, start)} minus {named(other, other_start)}"
    return Contrast(
        f"{name}, {pair} on {{left[dataset]}}, {RATES[rates]}",
        table1.select(DATASET, loss, start, rates, **read),
        table1.select(DATASET, other, other_start, rates, **read),
        unit=unit,
        resolved=False,
    )


def _readings(what: Sequence[str], loss: str, other: str) -> dict[str, Contrasts]:
    return {
        RATES[rates]: Contrasts(
            TABLE1, [compared(each, loss, other, rates) for each in what], optional=rates == OWN
        )
        for rates in (ONE, OWN)
    }


APART = Claim(
    "lr-features",
    "In the feature space of LR, classes overlap more than in that of CE.",
    "Fig. 1",
    "Share of test images whose nearest neighbour is of their class, and silhouette, CE minus LR, paired by "
    "seed. The paper shows a t-SNE picture of five classes and measures nothing.",
    _readings(tuple(MEASURED), "ce", "lr"),
    CarriesOver(OnceWhole(Above()), table1.SMALL),
    DECISIVE,
    basis=table1.figure_basis,
)
DISCRIMINATIVE = Claim(
    "ss-lr-features",
    "SS-LR yields more discriminative features than LR.",
    "Fig. 1",
    "Share of test images whose nearest neighbour is of their class, and silhouette, SS-LR minus LR, paired "
    "by seed.",
    _readings(tuple(MEASURED), "ss_lr", "lr"),
    CarriesOver(OnceWhole(Above()), table1.SMALL),
    DECISIVE,
    basis=table1.figure_basis,
)
MANIFOLD = Claim(
    "class-manifold",
    "LR maintains the structure of the class manifold better than CE, which may distort it.",
    "Related Work; Remarks on Eq. 3 and 4",
    "Correlation of the distances of class means with whether classes are of different superclasses of "
    "CIFAR-100, LR minus CE, paired by seed. The paper does not define the structure; that superclasses "
    "stand for it is this book's reading.",
    _readings(("superclasses",), "lr", "ce"),
    CarriesOver(OnceWhole(Above()), table1.SMALL),
    DECISIVE,
    basis=table1.figure_basis,
)
CLAIMS = (APART, DISCRIMINATIVE, MANIFOLD)


def follows(key: str, evidence: Evidence) -> str:
    """What follows for someone who wants the features of LR; nothing without three runs that show it.

    Args:
        key: The claim.
        evidence: The records of Table 1.
    """
    what = "nearest_neighbour"
    if key == APART.key:
        gain = table1.decided(compared(what, "lr", "lr", start=FREQUENCIES), evidence)
        beside = table1.decided(compared(what, "lr", "ce", start=FREQUENCIES), evidence)
        if gain is None or beside is None or not gain.above:
            return ""
        return (
            "start LR's output biases at −log(K − 1). The share of test images whose nearest neighbour is of "
            f"their class then changes by {gain.short()} points, and is {beside.short()} points from CE's, "
            "at one rate."
        )
    if key == DISCRIMINATIVE.key:
        found = {
            (name, rates): table1.decided(
                compared(name, "ss_lr", "lr", rates, other_start=FREQUENCIES), evidence
            )
            for name in MEASURED
            for rates in (ONE, OWN)
        }
        made = {key: each for key, each in found.items() if each is not None}
        beside = made.get((what, ONE))
        if beside is None:
            return ""
        words = {"nearest_neighbour": "nearest neighbour", "silhouette": "silhouette"}
        ahead = [f"{words[name]}, {RATES[rates]}" for (name, rates), each in made.items() if each.above]
        which = f" ({'; '.join(ahead)})" if ahead else ""
        return (
            "LR whose biases start at −log(K − 1) is the smaller change. SS-LR is ahead of it in "
            f"{len(ahead)} of {len(made)} comparisons{which}; nearest neighbour {beside.short()} points at "
            "one rate."
        )
    return ""


def table(evidence: Evidence, profile: str, rates: str = ONE) -> tuple[pd.DataFrame, list[str | tables.Cell]]:
    """What is measured of the features at one profile; one row per loss and start.

    Args:
        evidence: The records.
        profile: Which of them.
        rates: At one rate, or each at its own.
    """
    rows, used = [], []
    for variant, runs in groups(evidence, profile, rates).items():
        if not runs.values("nearest_neighbour"):
            continue
        used.append(runs)
        rows.append(
            {
                "Data": dataset_name(str(runs.records[0].labels["dataset"]), runs.records),
                "Loss": named(*variant),
                "Nearest neighbour, %": tables.mean_cell(runs, "nearest_neighbour", percent=True),
                "Silhouette": tables.mean_cell(runs, "silhouette", digits=3),
                "Superclasses": _correlation(runs),
                "Accuracy, %": tables.mean_cell(runs, "test_accuracy", percent=True),
            }
        )
    return pd.DataFrame(rows), [*tables.notes(used)]


def _correlation(runs: Runs) -> tables.Cell:
    found = {r.seed: value for r in runs.records if (value := superclass_correlation(r)) is not None}
    if not found:
        return tables.Cell("–")
    interval = stats.mean_interval(found.values())
    text = f"{interval.mean:.3f}{tables.band(interval, 3)} (n = {interval.n})"
    return tables.Cell(text, {"mean": interval.mean}, runs.keys)


# --- the picture --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Embedding:
    """The features of five classes in two dimensions.

    Attributes:
        variant: Loss and start.
        record: The run.
        points: ``[N, 2]``.
        targets: The class of each, ``[N]``.
        names: Names of the classes, by number.
    """

    variant: tuple[str, str]
    record: Record
    points: np.ndarray
    targets: np.ndarray
    names: dict[int, str]


def features(record: Record, store: Store | None = None) -> tuple[np.ndarray, np.ndarray] | None:
    """Features and classes of the test images that a run has kept; None where it has kept none.

    Args:
        record: The run.
        store: Where its arrays lie; the project's own by default.
    """
    targets = np.asarray(record.metrics.get("class_targets", ()), dtype=int)
    if not len(targets):
        return None
    if "class_features" in record.metrics:
        return np.asarray(record.metrics["class_features"], dtype=np.float32), targets
    values = (store or Store()).array(record, "metrics/class_features")
    return values.astype(np.float32), targets


def embedding(
    variant: tuple[str, str], record: Record, seed: int = 0, store: Store | None = None
) -> Embedding | None:
    """t-SNE of a run's features, of perplexity 30 or less; None where it has kept none.

    Args:
        variant: Loss and start.
        record: The run.
        seed: Seeds the embedding, which starts from principal components.
        store: Where its arrays lie; the project's own by default.
    """
    from sklearn.manifold import TSNE  # slow to import

    found = features(record, store)
    if found is None:
        return None
    values, targets = found
    perplexity = min(30.0, (len(targets) - 1) / 3)
    points = TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(values)
    names = datasets.info(str(record.config["dataset"])).class_names
    shown = {int(k): names[k] for k in np.unique(targets)}
    return Embedding(variant, record, points, targets, shown)


def embeddings(evidence: Evidence, profile: str, seed: int = 0) -> list[Embedding]:
    """The panels of the figure: the first seed of each loss, at one rate.

    Args:
        evidence: The records.
        profile: The profile.
        seed: Seeds t-SNE, not the runs.
    """
    found = groups(evidence, profile)
    made = [embedding(variant, found[variant].records[0], seed) for variant in PANELS if variant in found]
    return [each for each in made if each is not None]


def alt(shown: Sequence[Embedding]) -> str:
    """What the picture shows, in words."""
    classes = ", ".join(shown[0].names.values())
    losses = ", ".join(named(*each.variant) for each in shown)
    near = ", ".join(f"{named(*each.variant)} {100 * neighbours(each):.0f}%" for each in shown)
    return (
        f"Test images of five classes ({classes}) as points, a panel for each of {losses}. Points whose "
        f"nearest neighbour in the picture is of their class: {near}."
    )


def neighbours(shown: Embedding) -> float:
    """The share of points whose nearest other point in the picture is of their class."""
    far = np.linalg.norm(shown.points[:, None] - shown.points[None], axis=2)
    np.fill_diagonal(far, np.inf)
    return float((shown.targets[far.argmin(1)] == shown.targets).mean())
