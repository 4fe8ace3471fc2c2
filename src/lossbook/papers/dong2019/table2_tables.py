"""The tables of Table 2's page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lossbook import experiments
from lossbook.evidence import stats, tables
from lossbook.evidence.contrasts import Difference
from lossbook.evidence.grids import NOTHING, filled, not_run
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.evidence.tables import Runs
from lossbook.experiments.grid import PAPER, Cell
from lossbook.papers.dong2019.names import (
    BASELINE,
    DECISIVE,
    LOGISTIC,
    LOSSES,
    NAMES,
    NETWORK_NAMES,
    TABLE2,
    USUAL,
    named,
)
from lossbook.papers.dong2019.table2 import (
    CHOSEN_BY,
    LARGER,
    MEASURES,
    MISSING,
    NETWORKS,
    OBJECTS,
    ONE,
    OWN,
    PERSONS,
    PLACES,
    RATES,
    TESTED,
    Place,
    choose,
    contrast,
    printed_difference,
    signed_rank,
    started,
)
from lossbook.results import Record


@dataclass(frozen=True)
class Row:
    """A cell that has been run, and CE in its place.

    Attributes:
        labels: What the cell is.
        runs: Its runs.
        base: Those of CE; none for CE itself, or where CE has not been run so.
    """

    labels: Mapping[str, Any]
    runs: Runs
    base: Runs

    @property
    def name(self) -> str:
        """The loss, with its start where that is not the usual one."""
        return named(self.labels["loss"], self.labels["start"])

    def minus_base(self, metric: str) -> stats.PairedDifference | None:
        """The difference from CE; None where there is none."""
        return tables.difference(self.runs, self.base, metric)


def rows(evidence: Evidence, profile: str) -> list[Row]:
    """The cells of a profile that have been run, in order.

    A loss at the one rate is compared with CE at that rate, one at its own rate with CE at CE's own.
    """
    declared = _declared(profile)
    found = []
    for made in declared:
        mine = _runs(evidence, profile, made.labels)
        if mine.records:
            base = _base(profile, made.labels, declared)
            found.append(Row(made.labels, mine, Runs() if base is None else _runs(evidence, profile, base)))
    return found


def _declared(profile: str) -> list[Cell]:
    """The cells of the paper's losses; hard selection on CE has a page of its own."""
    return [each for each in experiments.get(TABLE2).profile(profile).cells if each.labels["loss"] in LOSSES]


def _runs(evidence: Evidence, profile: str, labels: Mapping[str, Any]) -> Runs:
    """The runs of a cell; all cells of a data set are equally long."""
    return evidence.runs(profile, **{name: value for name, value in labels.items() if name != "epochs"})


def table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str | tables.Cell]]:
    """Rank-1 and mAP at one profile, each cell that has been run, and the differences from CE.

    Args:
        evidence: The records.
        profile: Which of them.

    Returns:
        The table and the notes it needs.
    """
    shown = rows(evidence, profile)
    frame = pd.DataFrame(
        {
            "Data": dataset_name(row.labels["dataset"], row.runs.records),
            **({"Network": NETWORK_NAMES[row.labels["network"]]} if profile == PAPER else {}),
            "Loss": row.name,
            "Rate": f"{row.labels['lr']:g}",
            "Rank-1, %": tables.mean_cell(row.runs, "rank_1", percent=True),
            "mAP, %": tables.mean_cell(row.runs, "map", percent=True),
        }
        for row in shown
    )
    pairs = [(row.runs, row.base) if row.base.records else None for row in shown]
    if shown:
        for title, metric in (("Rank-1, %", "rank_1"), ("mAP, %", "map")):
            differences, p_values = tables.difference_cells(pairs, metric, percent=True)
            at = list(frame).index(title) + 1
            short = MEASURES[metric]
            frame.insert(at, f"{short} minus CE", pd.Series(differences, dtype=object))
            frame.insert(at + 1, f"p (Holm), {short}", pd.Series(p_values, dtype=object))
    declared = len(_declared(profile))
    notes = tables.notes((row.runs for row in shown), "rank_1")
    return frame, [*notes, *not_run(declared, len(shown), MISSING)]


def _base(profile: str, labels: Mapping[str, Any], declared: Sequence[Cell]) -> Mapping[str, Any] | None:
    """The labels of CE in the place of a loss; its own rate for a loss at its own rate."""
    if labels["loss"] == BASELINE:
        return None
    dataset, loss, start, lr = (labels[name] for name in ("dataset", "loss", "start", "lr"))
    place = Place(profile, dataset)
    own = start == USUAL and lr != ONE.get(place) and lr == OWN.get((place, loss))
    wanted = {
        **labels,
        "loss": BASELINE,
        "start": USUAL,
        "lr": OWN[place, BASELINE] if own else lr,
    }
    return next((made.labels for made in declared if made.labels == wanted), None)


def started_table(evidence: Evidence) -> pd.DataFrame:
    """What biases at -log(K - 1) do to the one-vs-rest losses, at the one rate; empty without runs."""
    rows: list[dict[str, Any]] = []
    for place in (*PLACES, LARGER):
        for loss in LOGISTIC:
            found = {
                title: difference
                for measure, title in MEASURES.items()
                if (difference := started(place, loss, measure).measure(evidence, DECISIVE)) is not None
            }
            if found:
                row: dict[str, Any] = {"Data": place.title, "Loss": NAMES[loss]}
                rows.append(row | {title: _difference(each) for title, each in found.items()})
    return filled(pd.DataFrame(rows))


def _difference(found: Difference) -> tables.Cell:
    mean, low, high = (100 * v for v in (found.interval.mean, found.interval.low, found.interval.high))
    return tables.Cell(
        f"{found.short()} (n = {found.interval.n})",
        {"mean": mean, "low": low, "high": high, "n": found.interval.n},
        tuple(record.key for record in found.records),
    )


#: Other ways to measure the same, by their names in records.
OTHER_WAYS = {
    "rank_5": "rank-5",
    "map_trapezoid": "mAP by trapezoids",
    "euclidean_rank_1": "rank-1, Euclidean",
    "euclidean_map": "mAP, Euclidean",
}


def other_ways(evidence: Evidence, profile: str) -> pd.DataFrame:
    """The same runs by the trapezoids of Market-1501's own code, and by Euclidean distance."""
    return pd.DataFrame(
        {
            "Data": dataset_name(row.labels["dataset"], row.runs.records),
            "Loss": row.name,
            "Rate": f"{row.labels['lr']:g}",
            **{
                f"{title}, %": tables.mean_cell(row.runs, metric, percent=True)
                for metric, title in OTHER_WAYS.items()
            },
        }
        for row in rows(evidence, profile)
    )


def beside_the_paper(evidence: Evidence) -> pd.DataFrame:
    """The paper's differences on persons beside ours on what stands in for them: rank-1 / mAP, in points."""
    rows = []
    for left, right in (*TESTED, ("hs_lr", "lr"), ("ss_lr", "lr")):
        row: dict[str, Any] = {"Compared": f"{NAMES[left]} minus {NAMES[right]}"}
        for network in NETWORKS:
            for dataset, title in PERSONS.items():
                both = [printed_difference(network, dataset, left, right, m) for m in MEASURES]
                row[f"Paper: {title}, {NETWORK_NAMES[network]}"] = _both(
                    [NOTHING if each is None else tables.signed(each, 1) for each in both]
                )
        for place in PLACES:
            found = [contrast(place, left, right, m).at(evidence, place.profile) for m in MEASURES]
            row[f"Ours: {place.title}"] = _both([NOTHING if each is None else each.short() for each in found])
        rows.append(row)
    return filled(pd.DataFrame(rows))


def _both(texts: Sequence[str]) -> str:
    return NOTHING if set(texts) == {NOTHING} else " / ".join(texts)


def _chosen_from(evidence: Evidence) -> list[tuple[Place, Record]]:
    """The runs that choose rates, each with its place."""
    return [
        (place, record)
        for place, profile in CHOSEN_BY.items()
        for record in evidence.by_profile.get(profile, ())
        if record.labels["dataset"] == place.dataset
    ]


def rates_table(evidence: Evidence) -> pd.DataFrame:
    """Accuracy on held-out training examples by place, loss and rate, of the runs made so far."""
    found = _chosen_from(evidence)
    best = choose(r for _, r in found)
    return pd.DataFrame(
        {
            "Data": place.title,
            "Loss": NAMES[r.labels["loss"]],
            "Rate": f"{r.labels['lr']:g}",
            "Accuracy on held-out examples, %": tables.Cell(
                "diverged" if r.status != "finished" else f"{100 * r.metrics['test_accuracy']:.2f}",
                {},
                (r.key,),
            ),
            "Chosen": "yes" if best.get((place, r.labels["loss"])) == r.labels["lr"] else "",
        }
        for place, r in found
    )


def rates_text(evidence: Evidence) -> str:
    """Which own rates the records have chosen, and for which losses they have not."""
    best = choose(r for _, r in _chosen_from(evidence))
    if not best:
        return "The rates have not all been tried for any loss yet, so only the one rate is compared."
    said = [
        f"{place.title}: "
        + ", ".join(f"{NAMES[loss]} {best[place, loss]:g}" for loss in LOSSES if (place, loss) in best)
        for place in CHOSEN_BY
        if any(which[0] == place for which in best)
    ]
    ends = [
        f"{NAMES[loss]} on {place.title}"
        for (place, loss), rate in best.items()
        if rate in (RATES[0], RATES[-1])
    ]
    beyond = (
        f" For {'; '.join(ends)} the best rate is at the end of those tried: one beyond may be better."
        if ends
        else ""
    )
    return f"The rates chosen: {'; '.join(said)}.{beyond}"


def behind_text(evidence: Evidence) -> str:
    """How far LR's best accuracy on held-out objects is behind CE's with either network; nothing without."""
    found = _chosen_from(evidence)
    best = choose(r for _, r in found)
    said = []
    for place in (LARGER, OBJECTS):
        runs = {
            r.labels["loss"]: r
            for where, r in found
            if where == place and best.get((place, r.labels["loss"])) == r.labels["lr"]
        }
        if not {BASELINE, "lr"} <= runs.keys():
            return ""
        lr, ce = (100 * runs[loss].metrics["test_accuracy"] for loss in ("lr", BASELINE))
        run = runs["lr"]
        batch, epochs = run.config["batch_size"], run.config["epochs"]
        steps = epochs * math.ceil(run.provenance["train_size"] / batch)
        network = NETWORK_NAMES[run.labels["network"]]
        said.append(
            f"with the {network}, {steps:,} steps of {batch} images, LR has {lr:.1f}% and CE {ce:.1f}%"
        )
    return (
        f"On held-out objects, each at its best rate, {'; '.join(said)}. Networks, batches and numbers of "
        "steps differ at once, and there is one seed, so this does not say which of them narrows the gap."
    )


def tests_table(evidence: Evidence) -> pd.DataFrame:
    """Wilcoxon's test, as in the paper, beside the paired t test with its interval, at the one rate."""
    found = [
        difference
        for place in PLACES
        for pair in TESTED
        for measure in MEASURES
        if (difference := contrast(place, *pair, measure).at(evidence, place.profile)) is not None
        and difference.interval.bounded
    ]
    adjusted = stats.holm([d.interval.p for d in found])
    return pd.DataFrame(
        {
            "Compared": d.what,
            "Difference, points": d.short(),
            "p, paired t": tables.p_text(d.interval.p),
            "p (Holm)": tables.p_text(p),
            # Of five pairs the smallest is 0.0625, which three digits would not show.
            "p, Wilcoxon": f"{signed_rank(d):.4f}",
        }
        for d, p in zip(found, adjusted, strict=True)
    )
