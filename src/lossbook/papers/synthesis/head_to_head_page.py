"""The page on the losses of the four papers side by side: findings, figures and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from lossbook import datasets, experiments
from lossbook.evidence import stats, tables
from lossbook.evidence.claims import Claim, Verdict, seeds_text
from lossbook.evidence.contrasts import Contrast, Contrasts, Difference, Select
from lossbook.evidence.power import deviation, reach
from lossbook.evidence.rules import Gain
from lossbook.evidence.select import Evidence
from lossbook.evidence.tables import Cell, Runs
from lossbook.experiments.costs import spent
from lossbook.pages.style import INK, LossStyle, loss_style
from lossbook.papers.recipe import RECIPE
from lossbook.papers.synthesis.head_to_head import (
    DATASETS,
    EXPERIMENT,
    LOSSES,
    RATES,
    SEEDS,
    choose,
)
from lossbook.progress import duration
from lossbook.results import Record

NAME = EXPERIMENT.name
#: The profile that compares the losses, the one that chose their learning rates, and the large network's.
COMPARED, CHOSEN, LARGE = "reference", "rates", "large"
BASELINE = "CE"
OTHERS = tuple(loss for loss in LOSSES if loss != BASELINE)


def look(loss: str) -> LossStyle:
    """The book's name, colour and marker of a loss."""
    code, options = LOSSES[loss]
    style = loss_style("nllr_clipped" if "clip" in options else code)
    return replace(style, name=f"{style.name} {options['schedule']}") if "schedule" in options else style


def title(dataset: str) -> str:
    """The printed name of a data set."""
    return datasets.info(dataset).title


def contrast(dataset: str, loss: str) -> Contrast:
    """A loss minus CE on a data set."""
    return Contrast(
        f"{look(loss).name} minus CE, {title(dataset)}",
        Select({"dataset": dataset, "loss": loss}),
        Select({"dataset": dataset, "loss": BASELINE}),
    )


CLAIM = Claim(
    "head-to-head",
    "The losses of the four papers are more accurate than CE.",
    "What each paper says of its own loss, put on one network, recipe and number of epochs",
    "Test accuracy after the last epoch, each loss minus CE on each data set, paired by seed.",
    {"": Contrasts(NAME, [contrast(dataset, loss) for dataset in DATASETS for loss in OTHERS])},
    Gain(),
    decisive=(COMPARED,),
    basis=lambda records: _basis(records),
)


def _basis(records: Sequence[Record]) -> str:
    if not records:
        return "no runs"
    return f"the small reference network, {RECIPE.epochs} epochs, {seeds_text(records)}"


def verdict(evidence: Evidence) -> Verdict:
    """What the runs so far say of the losses beside CE."""
    return CLAIM.judge({NAME: complete(evidence)})


def complete(evidence: Evidence) -> Evidence:
    """The runs that can be compared: of a loss with all its seeds, at the profile that compares."""
    records = evidence.by_profile.get(COMPARED, ())
    seeds = Counter((record.labels["dataset"], record.labels["loss"]) for record in records)
    kept = [r for r in records if seeds[r.labels["dataset"], r.labels["loss"]] >= SEEDS]
    return Evidence(NAME, evidence.profile, {COMPARED: kept} if kept else {})


def so_far(evidence: Evidence) -> str:
    """How much of the comparison has been run, where no loss can be compared yet."""
    made, every = len(evidence.by_profile.get(COMPARED, ())), len(EXPERIMENT.profile(COMPARED).runs())
    if not made:
        return "The comparison has not been run yet. So far learning rates were tried, on validation images."
    return f"{made} of {every} runs have been made. Losses are compared once both have all {SEEDS} seeds."


def runs(evidence: Evidence, dataset: str, loss: str) -> Runs:
    """The runs of a loss on a data set that are compared."""
    return evidence.runs(COMPARED, dataset=dataset, loss=loss)


def differences(evidence: Evidence) -> dict[tuple[str, str], tuple[Difference, float]]:
    """Every loss minus CE that has been run, with its p-value by Holm's method over all of them."""
    whole = complete(evidence)
    found = {
        (dataset, loss): difference
        for dataset in DATASETS
        for loss in OTHERS
        if (difference := contrast(dataset, loss).at(whole, COMPARED)) is not None
    }
    adjusted = stats.holm([each.interval.p for each in found.values()])
    return {key: (each, p) for (key, each), p in zip(found.items(), adjusted, strict=True)}


def sentences(evidence: Evidence) -> list[str]:
    """Which losses differ from CE beyond the noise of seeds, data set by data set."""
    found = differences(evidence)
    said = []
    for dataset in DATASETS:
        mine = {loss: each for (name, loss), each in found.items() if name == dataset}
        if not mine:
            continue
        groups: dict[str, list[str]] = {"ahead": [], "behind": [], "open": []}
        for loss, (difference, p) in mine.items():
            where = "ahead" if difference.above else "behind" if difference.below else "open"
            mark = ", not after Holm's adjustment" if where != "open" and p >= stats.LEVEL else ""
            groups[where].append(f"{look(loss).name} ({difference.short()}{mark})")
        parts = [
            f"{words} CE: {', '.join(groups[where])}"
            for where, words in (
                ("ahead", "ahead of"),
                ("behind", "behind"),
                ("open", "not told apart from"),
            )
            if groups[where]
        ]
        said.append(f"**{title(dataset)}**, points of accuracy: {'; '.join(parts)}.")
    return said


def follows(evidence: Evidence) -> str:
    """What someone should do who has such a task; empty until every comparison is made."""
    found = differences(evidence)
    if len(found) < len(OTHERS) * len(DATASETS):
        return ""
    behind = {loss for (_, loss), (each, _) in found.items() if each.below}
    ahead = [loss for (_, loss), (each, p) in found.items() if each.above and p < stats.LEVEL]
    names = [look(loss).name for loss in dict.fromkeys(ahead) if loss not in behind]
    if not names:
        return (
            "nothing here speaks for leaving CE where accuracy is all that counts, though small gains may "
            "stay unseen. With another loss, choose the learning rate anew, on the data at hand."
        )
    return f"try {' and '.join(names)} beside CE, each at a learning rate chosen on validation images."


def power(evidence: Evidence) -> str:
    """What effect as many seeds as these can show, by itself and after Holm's adjustment."""
    found = differences(evidence)
    spreads = [
        100 * deviation(each)
        for each, _ in found.values()
        if each.interval.n == SEEDS and each.interval.bounded
    ]
    alone, first = (reach(SEEDS, stats.LEVEL / count) for count in (1, len(OTHERS) * len(DATASETS)))
    text = (
        f"With {SEEDS} seeds a mean difference shows if it exceeds {alone:.1f} standard deviations of "
        f"the paired differences, and by Holm's method over {len(OTHERS) * len(DATASETS)} comparisons the "
        f"first must exceed {first:.1f}."
    )
    if not spreads:
        return text
    middle = sorted(spreads)[len(spreads) // 2]
    return (
        f"{text} Here the standard deviations are {min(spreads):.2f} to {max(spreads):.2f} points: at "
        f"{middle:.2f}, differences below about {alone * middle:.1f} points stay open."
    )


# --- tables -------------------------------------------------------------------------------------------------


def accuracy_table(evidence: Evidence) -> tuple[pd.DataFrame, list[str]]:
    """Accuracy by loss and data set, and the differences from CE; what has not been run takes no row.

    Returns:
        The table and the notes it needs.
    """
    found = [
        (dataset, loss, mine)
        for dataset in DATASETS
        for loss in LOSSES
        if (mine := runs(evidence, dataset, loss)).records
    ]
    whole = complete(evidence)
    pairs = [
        (runs(whole, dataset, loss), runs(whole, dataset, BASELINE)) if loss != BASELINE else None
        for dataset, loss, _ in found
    ]
    minus, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
    frame = pd.DataFrame(
        {
            "Data": title(dataset),
            "Loss": look(loss).name,
            "Rate": f"{mine.records[0].labels['lr']:g}",
            "Accuracy, %": _mean(mine),
            "Minus CE": difference,
            "p (Holm)": p,
        }
        for (dataset, loss, mine), difference, p in zip(found, minus, p_values, strict=True)
    )
    notes = tables.notes(mine for _, _, mine in found)
    missing = len(DATASETS) * len(LOSSES) - len(found)
    if missing:
        notes.append(f"{missing} of {len(DATASETS) * len(LOSSES)} cells of this table have not been run.")
    return frame, notes


def _mean(mine: Runs) -> Cell:
    """The mean over seeds; without an interval where there are fewer than three."""
    values = mine.values("test_accuracy")
    if len(values) == 2:
        mean = 100 * sum(values.values()) / 2
        return Cell(f"{mean:.2f} (2 runs)", {"mean": mean, "n": 2}, mine.keys)
    return tables.mean_cell(mine, "test_accuracy", percent=True)


def networks_table(evidence: Evidence) -> pd.DataFrame:
    """Accuracy and shortest run of both sizes of the network with CE, where all seeds are there."""
    rows = []
    for profile, size in ((COMPARED, "small"), (LARGE, "large")):
        for dataset in DATASETS:
            mine = evidence.runs(profile, dataset=dataset, loss=BASELINE)
            if len(mine.values("test_accuracy")) < SEEDS:
                continue
            # Others shared the machine with something else.
            shortest = min(r.provenance["seconds"] for r in mine.records)
            rows.append(
                {
                    "Network": size,
                    "Data": title(dataset),
                    "Epochs": str(mine.records[0].labels["epochs"]),
                    "Accuracy, %": tables.mean_cell(mine, "test_accuracy", percent=True),
                    "Shortest run, min": Cell(f"{shortest / 60:.1f}", {"seconds": shortest}, mine.keys),
                    "Threads": ", ".join(sorted({str(r.provenance["threads"]) for r in mine.records})),
                    "Processor": ", ".join(sorted({str(r.provenance["device_name"]) for r in mine.records})),
                }
            )
    return pd.DataFrame(rows)


def rates_table(evidence: Evidence) -> pd.DataFrame:
    """Validation accuracy by loss and learning rate, of the runs made so far."""
    tried = _tried(evidence)
    best = choose(evidence.by_profile.get(CHOSEN, ()))
    rows = []
    for loss, found in tried.items():
        for rate, record in found.items():
            accuracy = record.metric("test_accuracy") if record.status == "finished" else None
            rows.append(
                {
                    "Loss": look(loss).name,
                    "Rate": f"{rate:g}",
                    "Validation accuracy, %": Cell(
                        "diverged" if accuracy is None else f"{100 * accuracy:.2f}",
                        {} if accuracy is None else {"accuracy": 100 * accuracy},
                        (record.key,),
                    ),
                    "Chosen": "yes" if best.get(loss) == rate else "",
                }
            )
    return pd.DataFrame(rows)


def _tried(evidence: Evidence) -> dict[str, dict[float, Record]]:
    made = {(r.labels["loss"], r.labels["lr"]): r for r in evidence.by_profile.get(CHOSEN, ())}
    found = {
        loss: {rate: made[loss, rate] for rate in sorted(rates) if (loss, rate) in made}
        for loss, rates in RATES.items()
    }
    return {loss: each for loss, each in found.items() if each}


def cost_table(evidence: Evidence) -> pd.DataFrame:
    """What the runs of either profile took, and what those not made yet would take."""
    rows = []
    estimate = experiments.estimator().seconds
    for profile in (COMPARED, CHOSEN, LARGE):
        made = spent(evidence.by_profile.get(profile, ()))
        left = experiments.pending(profile, NAME, estimate=estimate)
        count, seconds = sum(each.count for each in left), sum(each.seconds for each in left)
        rows.append(
            {
                "Profile": profile,
                "Runs made": Cell(str(made), {"runs": made.runs, "seconds": made.seconds}),
                "Not made yet": Cell(
                    f"{count} runs, about {duration(seconds)}" if count else "none",
                    {"runs": count, "seconds": seconds},
                ),
            }
        )
    return pd.DataFrame(rows)


# --- figures ------------------------------------------------------------------------------------------------


def accuracy_figure(evidence: Evidence) -> Figure:
    """Accuracy by loss, a panel per data set: a dot per seed, the mean, and its 95% interval."""
    shown = [
        (dataset, [loss for loss in LOSSES if runs(evidence, dataset, loss).values("test_accuracy")])
        for dataset in DATASETS
    ]
    shown = [(dataset, losses) for dataset, losses in shown if losses]
    heights = [len(losses) + 1.6 for _, losses in shown]
    figure = Figure(figsize=(4.4, 0.34 * sum(heights) + 0.3), layout="constrained")
    axes = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, (dataset, losses) in zip(axes, shown, strict=True):
        for row, loss in enumerate(losses):
            values = [100 * v for v in runs(evidence, dataset, loss).values("test_accuracy").values()]
            style = look(loss)
            ax.plot(values, [row + 0.16] * len(values), "o", color=style.color, markersize=3.5, alpha=0.8)
            mean = stats.mean_interval(values)
            if mean.bounded:
                ax.plot([mean.low, mean.high], [row - 0.12] * 2, color=style.color, linewidth=1.6)
            ax.plot([mean.mean], [row - 0.12], marker=style.marker, color=style.color, markersize=6.5)
        ax.set_yticks(range(len(losses)), [look(loss).name for loss in losses])
        ax.set_ylim(len(losses) - 0.5, -0.6)
        ax.set_title(title(dataset))
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5))
        ax.grid(visible=False, axis="y")
    axes[-1].set_xlabel("test accuracy, %")
    return figure


def accuracy_alt(evidence: Evidence) -> str:
    """The figure of accuracies in words and numbers."""
    parts = []
    for dataset in DATASETS:
        said = [
            f"{look(loss).name} {_mean(mine)}"
            for loss in LOSSES
            if (mine := runs(evidence, dataset, loss)).values("test_accuracy")
        ]
        if said:
            parts.append(f"{title(dataset)}: {', '.join(said)}")
    return f"Test accuracy in percent by loss, a dot per seed. {'. '.join(parts)}."


def rates_figure(evidence: Evidence) -> Figure:
    """Validation accuracy against the learning rate, a line per loss; a ring marks the rate chosen."""
    figure = Figure(figsize=(4.4, 3.7), layout="constrained")
    ax = figure.subplots()
    best = choose(evidence.by_profile.get(CHOSEN, ()))
    for loss, found in _tried(evidence).items():
        style = look(loss)
        points = [
            (rate, 100 * accuracy)
            for rate, record in found.items()
            if record.status == "finished" and (accuracy := record.metric("test_accuracy")) is not None
        ]
        if not points:
            continue
        ax.plot(*zip(*points, strict=True), marker=style.marker, **style.line())
        if loss in best:
            ax.plot(
                [best[loss]],
                [dict(points)[best[loss]]],
                "o",
                markersize=12,
                markerfacecolor="none",
                color=INK,
                markeredgewidth=1.0,
            )
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(sorted({rate for each in RATES.values() for rate in each})))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set(xlabel="learning rate", ylabel="validation accuracy, %")
    figure.legend(loc="outside upper center", ncols=3, columnspacing=1.2)
    return figure


def rates_alt(evidence: Evidence) -> str:
    """The figure of rates in words and numbers."""
    parts = []
    for loss, found in _tried(evidence).items():
        said = [
            f"{100 * accuracy:.1f} at {rate:g}"
            if (accuracy := record.metric("test_accuracy")) is not None and record.status == "finished"
            else f"diverged at {rate:g}"
            for rate, record in found.items()
        ]
        parts.append(f"{look(loss).name}: {', '.join(said)}")
    return f"Validation accuracy in percent by learning rate. {'. '.join(parts)}."


def rates_text(evidence: Evidence) -> str:
    """Which rates the comparison has, and for which losses the records chose them."""
    best = choose(evidence.by_profile.get(CHOSEN, ()))
    if not best:
        return "No loss has been run at all of its rates yet."
    rates = ", ".join(f"{look(loss).name} {best[loss]:g}" for loss in LOSSES if loss in best)
    text = f"The rates chosen: {rates}."
    ends = [look(loss).name for loss, rate in best.items() if rate in (min(RATES[loss]), max(RATES[loss]))]
    if ends:
        text += (
            f" For {', '.join(ends)} the best rate is at the end of those tried: one beyond may be better."
        )
    undecided = [look(loss).name for loss in LOSSES if loss not in best]
    if undecided:
        text += f" Not all rates have been run for {', '.join(undecided)}, whose rates may still change."
    return text
