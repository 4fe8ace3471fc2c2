"""Eq. 9 of li2020 on trained networks: balanced and imbalanced classes, with and without class weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from lossbook import datasets
from lossbook.experiments.li2020_balance import DESIGNS, LOSSES, weights
from lossbook.report import stats, style, tables
from lossbook.report.evidence import Evidence, substituted
from lossbook.report.li2020 import DRAWN, NAMES
from lossbook.report.page import Cell
from lossbook.report.tables import Runs
from lossbook.results import Record

IMBALANCE = "li2020/imbalance"
DESIGN_NAMES = {"balanced": "balanced", "step": "10:1", "long_tailed": "long-tailed"}
WEIGHT_NAMES = {
    "none": "none",
    "inverse": "inverse frequency",
    "in_batch": "the same, PyTorch's mean",
    "own": "its own",
}
CLASSES = 10
#: The five classes that are small in both imbalanced designs.
SMALL = range(5, 10)
Part = Literal["train", "test"]
PARTS: tuple[Part, Part] = ("train", "test")


# --- both sides ---------------------------------------------------------------------------------------------


def sides(record: Record, part: Part, *, inverse: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return what each class lacks and receives after each epoch, shape ``[epochs, K]`` each.

    Args:
        record: A run.
        part: On which images.
        inverse: For class weights by inverse frequency instead of equal ones.

    Returns:
        Both sides of Eq. 9, divided by the weight and the number of the class's training images. For LGL-INR
        with weights by inverse frequency, the right side is divided by K - 1 besides: its negatives weigh as
        much together as its positives. That is its balance at beta = 0, where the other classes count alike.
    """
    name = "received_inverse" if inverse else "received"
    lacking, received = (np.array(record.curves[f"{part}_{side}"], dtype=float) for side in ("lacking", name))
    if inverse and record.labels["loss"] == "lgl_inr":
        received = received / (CLASSES - 1)
    return lacking, received


def is_weighted(record: Record) -> bool:
    """Whether a run was trained with weights by inverse class frequency, of whatever kind."""
    return record.labels["weight"] != "none"


def ratios(record: Record, part: Part, *, inverse: bool | None = None) -> np.ndarray:
    """Return lacking over received of each class at the end; 1 where Eq. 9 holds.

    Args:
        record: A run.
        part: On which images.
        inverse: Class weights of the equation; those that the run was trained with if None.
    """
    weighted = is_weighted(record) if inverse is None else inverse
    lacking, received = sides(record, part, inverse=weighted)
    return np.asarray(lacking[-1] / received[-1])


def constant_epochs(record: Record) -> int:
    """Return after how many epochs the learning rate fell; all epochs where it did not."""
    length = len(record.curves["train_lacking"])
    schedule = record.config.get("schedule")
    return min(length, int(schedule["at"][0])) if schedule else length


def factor(ratio: np.ndarray) -> float:
    r"""Return how far ratios are from 1, whichever way: :math:`\exp(\mathrm{mean}_k |\log r_k|)`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.exp(np.abs(np.log(ratio)).mean()))


def derived(evidence: Evidence) -> Evidence:
    """Return the records with what this page derives of their measures, as further metrics.

    ``train_factor`` and ``test_factor``: how far the two sides of Eq. 9 are apart, with the class weights of
    the run. ``before_factor``: on training images, the mean of this over the second half of the epochs before
    the learning rate falls. ``other_factor``: on training images, with the other class weights.
    ``train_ratio/k`` and ``test_ratio/k``: lacking over received of class k; ``small_ratio`` and
    ``large_ratio``: on test images, geometric means over the small and over the large classes.
    ``small_accuracy`` and ``large_accuracy``: test accuracies of these classes.
    """
    return replace(
        evidence, by_profile={p: [_derive(r) for r in found] for p, found in evidence.by_profile.items()}
    )


def _derive(record: Record) -> Record:
    by_epoch, constant = factors(record, "train"), constant_epochs(record)
    found = {
        "train_factor": factor(ratios(record, "train")),
        "before_factor": float(by_epoch[constant // 2 : constant].mean()),
        "other_factor": factor(ratios(record, "train", inverse=not is_weighted(record))),
        "test_factor": factor(ratios(record, "test")),
    }
    test = np.log(ratios(record, "test"))
    large = [k for k in range(CLASSES) if k not in SMALL]
    for name, group in (("small", list(SMALL)), ("large", large)):
        found[f"{name}_ratio"] = float(np.exp(test[group].mean()))
        if "count" in record.metrics:
            found[f"{name}_accuracy"] = _accuracy(record, group)
    finite: dict[str, Any] = {name: value if np.isfinite(value) else None for name, value in found.items()}
    for part in PARTS:
        by_class = ratios(record, part).tolist()
        finite[f"{part}_ratio"] = [ratio if np.isfinite(ratio) else None for ratio in by_class]
    return replace(record, metrics=record.metrics | finite)


def _accuracy(record: Record, group: Iterable[int]) -> float:
    """The mean over classes of the share of their test images that is right."""
    counts = np.array(record.metrics["count"], dtype=float)
    return float(np.mean([counts[k, k] / counts[k].sum() for k in group]))


def runs(evidence: Evidence, profile: str, design: str, loss: str, weight: str) -> Runs:
    """Return the runs of one loss with one kind of class weights on one design."""
    return evidence.runs(profile, design=design, loss=loss, weight=weight)


def designs(evidence: Evidence, profile: str) -> list[str]:
    """Return the designs that a profile has runs of."""
    found = {record.labels["design"] for record in evidence.by_profile[profile]}
    return [design for design in DESIGNS if design in found]


def _cells(evidence: Evidence, profile: str) -> list[tuple[str, str, str, Runs]]:
    return [
        (design, loss, weight, mine)
        for design in designs(evidence, profile)
        for loss in LOSSES
        for weight in weights(design, loss)
        if (mine := runs(evidence, profile, design, loss, weight)).records
    ]


# --- the training sets --------------------------------------------------------------------------------------


def sizes_table(evidence: Evidence, profile: str) -> pd.DataFrame:
    """Return how many training images of each class the runs of a profile had."""
    record = evidence.by_profile[profile][0]
    names = datasets.info(record.config["dataset"]).class_names
    frame = pd.DataFrame({"Class": [f"{k} {name}" for k, name in enumerate(names)]})
    for design in designs(evidence, profile):
        first = next(r for r in evidence.by_profile[profile] if r.labels["design"] == design)
        frame[DESIGN_NAMES[design]] = [f"{size:,}" for size in _sizes(first)]
    return frame


# --- Eq. 9, class by class ----------------------------------------------------------------------------------


def balance_figure(evidence: Evidence, profile: str) -> Figure:
    """Draw lacking over received by class: a row a design; training images left, test images right."""
    shown = designs(evidence, profile)
    figure = Figure(figsize=(6.0, 1.95 * len(shown) + 0.9), layout="constrained")
    axes = figure.subplots(len(shown), 2, squeeze=False, sharex=True, sharey="row")
    for row, design in zip(axes, shown, strict=True):
        for ax, part in zip(row, PARTS, strict=True):
            _draw_ratios(ax, evidence, profile, design, part)
            ax.set_title(f"{DESIGN_NAMES[design]}, {'training' if part == 'train' else 'test'}")
        row[0].set_ylabel("lacking / received")
    for ax in axes[-1]:
        ax.set_xlabel("class")
    figure.legend(handles=_ratio_legend(), loc="outside upper center", ncols=2, columnspacing=1.4)
    return figure


def _draw_ratios(ax: Axes, evidence: Evidence, profile: str, design: str, part: Part) -> None:
    every = []
    for shift, (loss, weight) in enumerate(_DRAWN):
        mine = runs(evidence, profile, design, loss, weight)
        if not mine.records:
            continue
        values = np.array([ratios(record, part) for record in mine.records])
        x = np.arange(CLASSES) + 0.17 * (shift - 1.5)
        mean = np.exp(np.log(values).mean(0))
        look = _look(loss, weight)
        ax.vlines(x, values.min(0), values.max(0), color=look["color"], linewidth=1.2)
        ax.plot(x, mean, linestyle="none", **look)
        every.append(values)
    ax.axhline(1, color=style.MUTED, linewidth=0.8, zorder=0)
    ax.set_yscale("log")
    low, high = (
        float(pick(np.concatenate([v.ravel() for v in every] + [np.ones(1)]))) for pick in (np.min, np.max)
    )
    ticks = [t for t in (0.1, 0.2, 0.5, 0.8, 1, 1.25, 2, 5, 10, 20, 50) if low / 1.2 <= t <= high * 1.2]
    if high / low > 20:
        ticks = [t for t in ticks if t not in (0.8, 1.25)]
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_xticks(range(CLASSES))


_DRAWN = (("sml", "none"), ("lgl", "none"), ("sml", "inverse"), ("lgl", "inverse"))


def _look(loss: str, weight: str) -> dict[str, Any]:
    look = style.loss_style(DRAWN[loss])
    # Hollow: with weights.
    fill = "none" if weight != "none" else "full"
    return {"color": look.color, "marker": look.marker, "fillstyle": fill, "markersize": 5.5}


def _ratio_legend() -> list[Line2D]:
    return [
        Line2D(
            [],
            [],
            linestyle="none",
            label=f"{style.loss_style(DRAWN[loss]).name}, {'no weights' if weight == 'none' else 'weights'}",
            **_look(loss, weight),
        )
        for loss, weight in _DRAWN
    ]


def balance_alt(evidence: Evidence, profile: str) -> str:
    """Return what the figure shows, in words and numbers."""
    parts = []
    for design, loss, weight, mine in _cells(evidence, profile):
        if (loss, weight) in _DRAWN:
            train, test = (
                np.mean(list(mine.values(f"{part}_factor").values())) for part in ("train", "test")
            )
            parts.append(
                f"{DESIGN_NAMES[design]}, {NAMES[loss]}, weights {WEIGHT_NAMES[weight]}: a factor of "
                f"{train:.2f} and {test:.2f}"
            )
    return (
        "The ratio of the two sides of Eq. 9 for each of ten classes, on training images at the left and on "
        "test images at the right, one row a design; 1 is balance. Distance from 1 in the mean over the "
        f"classes, on training and on test images: {'; '.join(parts)}."
    )


def balance_table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return how far the two sides of Eq. 9 are apart, for every cell."""
    rows, used = [], []
    for design, loss, weight, mine in _cells(evidence, profile):
        used.append(mine)
        rows.append(
            {
                "Classes": DESIGN_NAMES[design],
                "Loss": NAMES[loss],
                "Weights": WEIGHT_NAMES[weight],
                "Training, before": tables.mean_cell(mine, "before_factor"),
                "Training, end": tables.mean_cell(mine, "train_factor"),
                "The other weights": (
                    Cell("–") if design == "balanced" else tables.mean_cell(mine, "other_factor")
                ),
                "Test, end": tables.mean_cell(mine, "test_factor"),
                "Test, classes 0 to 4": tables.mean_cell(mine, "large_ratio"),
                "Test, classes 5 to 9": tables.mean_cell(mine, "small_ratio"),
            }
        )
    return pd.DataFrame(rows), tables.notes(used)


# --- by epoch -----------------------------------------------------------------------------------------------


def epochs_figure(evidence: Evidence, profile: str) -> Figure:
    """Draw by epoch how far the sides of Eq. 9 are apart on training and on test images, a panel a design."""
    shown = designs(evidence, profile)
    figure = Figure(figsize=(6.0, 1.9 * len(shown) + 0.9), layout="constrained")
    axes = figure.subplots(len(shown), 2, squeeze=False, sharex=True, sharey="row")
    for row, design in zip(axes, shown, strict=True):
        for ax, part in zip(row, PARTS, strict=True):
            for loss, weight in _DRAWN:
                mine = runs(evidence, profile, design, loss, weight)
                if mine.records:
                    _draw_epochs(ax, mine.records, loss, weight, part)
                    fell = constant_epochs(mine.records[0])
                    if fell < len(factors(mine.records[0], part)):
                        ax.axvline(fell + 0.5, color=style.MUTED, linewidth=0.8, linestyle=":", zorder=0)
            ax.axhline(1, color=style.MUTED, linewidth=0.8, zorder=0)
            ax.set_title(f"{DESIGN_NAMES[design]}, {'training' if part == 'train' else 'test'}")
            ax.margins(x=0.03)
        row[0].set_ylabel("factor from balance")
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(handles=_ratio_legend(), loc="outside upper center", ncols=2, columnspacing=1.4)
    return figure


def factors(record: Record, part: Part) -> np.ndarray:
    """Return the distance from balance after each epoch, with the class weights of the run."""
    lacking, received = sides(record, part, inverse=is_weighted(record))
    return np.array([factor(left / right) for left, right in zip(lacking, received, strict=True)])


def _draw_epochs(ax: Axes, records: Sequence[Record], loss: str, weight: str, part: Part) -> None:
    found = [factors(record, part) for record in records]
    # A run that broke down is shorter than the others; from there on no mean is drawn.
    values = np.full((len(found), max(map(len, found))), np.nan)
    for row, mine in zip(values, found, strict=True):
        row[: len(mine)] = mine
    x = np.arange(1, values.shape[1] + 1)
    look = _look(loss, weight)
    ax.plot(x, values.mean(0), linestyle="-" if weight == "none" else (0, (3, 1.5)), **look)
    ax.fill_between(x, values.min(0), values.max(0), color=str(look["color"]), alpha=0.18, linewidth=0)


def epochs_alt(evidence: Evidence, profile: str) -> str:
    """Return what the figure shows, in words and numbers."""
    parts = []
    for design, loss, weight, mine in _cells(evidence, profile):
        if (loss, weight) in _DRAWN:
            first, last = (np.mean([factors(r, "train")[e] for r in mine.records]) for e in (0, -1))
            parts.append(
                f"{DESIGN_NAMES[design]}, {NAMES[loss]}, weights {WEIGHT_NAMES[weight]}: {first:.2f} after "
                f"the first epoch, {last:.2f} after the last"
            )
    return (
        "Distance of the two sides of Eq. 9 by epoch, as a factor, on training and on test images, one row a "
        f"design. On training images: {'; '.join(parts)}."
    )


# --- batches without some class -----------------------------------------------------------------------------


def presence(images: int, total: int, batch: int) -> float:
    r"""Return how often a class is in a batch: :math:`1 - (1 - N_k / N)^B`, for images drawn one by one.

    Args:
        images: Training images of the class.
        total: Training images in all.
        batch: Images a batch.
    """
    return 1 - (1 - images / total) ** batch


def batches_table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return for LGL-INR on long-tailed classes how often a class is in a batch, and its balance."""
    mine = runs(evidence, profile, "long_tailed", "lgl_inr", "own")
    if not mine.records:
        return pd.DataFrame(), []
    record = mine.records[0]
    names = datasets.info(record.config["dataset"]).class_names
    counts = _sizes(record)
    total, batch = sum(counts), record.config["batch_size"]
    rows = []
    for k, count in enumerate(counts):
        share = presence(count, total, batch)
        rows.append(
            {
                "Class": f"{k} {names[k]}",
                "Images": f"{count:,}",
                "In batches, %": f"{100 * share:.1f}",
                "Expected ratio": f"{1 / share:.2f}",
                "Lacking / received": tables.mean_cell(mine, f"train_ratio/{k}"),
            }
        )
    return pd.DataFrame(rows), tables.notes([mine])


def _sizes(record: Record) -> list[int]:
    """Training images of each class, to rounding."""
    shares = record.config.get("class_shares") or (1.0,) * CLASSES
    return [max(1, round(share * record.provenance["train_size"] / sum(shares))) for share in shares]


# --- what weights do ----------------------------------------------------------------------------------------


def accuracy_table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return test accuracies over all, the large and the small classes, and what class weights change."""
    rows, used = [], []
    small_pairs: list[tuple[Runs, Runs] | None] = []
    large_pairs: list[tuple[Runs, Runs] | None] = []
    for design, loss, weight, mine in _cells(evidence, profile):
        used.append(mine)
        base = runs(evidence, profile, design, loss, "none")
        compared = (mine, base) if weight in ("inverse", "in_batch") and base.records else None
        small_pairs.append(compared)
        large_pairs.append(compared)
        rows.append(
            {
                "Classes": DESIGN_NAMES[design],
                "Loss": NAMES[loss],
                "Weights": WEIGHT_NAMES[weight],
                "All, %": tables.mean_cell(mine, "test_accuracy", percent=True),
                "Large, %": tables.mean_cell(mine, "large_accuracy", percent=True),
                "Small, %": tables.mean_cell(mine, "small_accuracy", percent=True),
            }
        )
    frame = pd.DataFrame(rows)
    for name, metric, pairs in (
        ("Large", "large_accuracy", large_pairs),
        ("Small", "small_accuracy", small_pairs),
    ):
        differences, p_values = tables.difference_cells(pairs, metric, percent=True)
        frame[f"{name}: weights minus none"] = pd.Series(differences, dtype=object)
        frame[f"{name}: p (Holm)"] = pd.Series(p_values, dtype=object)
    return frame, tables.notes(used)


# --- what it means ------------------------------------------------------------------------------------------


def meaning(evidence: Evidence, profile: str) -> list[str]:
    """Return what the runs of a profile say of Eq. 9 and of class weights, sentence by sentence."""
    return [
        said
        for said in (
            *(_held(evidence, profile, loss) for loss in ("sml", "lgl")),
            _told_apart(evidence, profile),
            _tested(evidence, profile),
            _averaged_in_batch(evidence, profile),
            _rarest(evidence, profile),
            _rare_in_batches(evidence, profile),
            *(_weights(evidence, profile, loss) for loss in ("sml", "lgl")),
        )
        if said
    ]


def _values(evidence: Evidence, profile: str, metric: str, **labels: str) -> list[float]:
    return [
        float(value)
        for record in evidence.by_profile[profile]
        if all(record.labels[name] == wanted for name, wanted in labels.items())
        and record.status == "finished"
        and (value := record.metrics.get(metric)) is not None
    ]


def _of_eq9(evidence: Evidence, profile: str, one: str, other: str) -> list[tuple[float, float]]:
    """Two metrics of each run whose loss is that of Eq. 1: SML and LGL, without weights or with those."""
    found = [
        (record.metrics.get(one), record.metrics.get(other))
        for record in evidence.by_profile[profile]
        if record.labels["loss"] != "lgl_inr" and record.labels["weight"] in ("none", "inverse")
    ]
    return [(a, b) for a, b in found if a is not None and b is not None]


def _held(evidence: Evidence, profile: str, loss: str) -> str:
    parts = []
    for weight in ("none", "inverse"):
        before, last, test = (
            _values(evidence, profile, f"{name}_factor", loss=loss, weight=weight)
            for name in ("before", "train", "test")
        )
        if before and last and test:
            said = "without class weights" if weight == "none" else "with weights by inverse frequency"
            parts.append(
                f"{said} by a factor of {np.median(last):.2f} after the last epoch{_fell(evidence, profile)}"
                f"{np.median(before):.2f}), and {np.median(test):.2f} on test images"
            )
    if not parts:
        return ""
    return (
        f"**{NAMES[loss]}.** The sides of Eq. 9 differ {'; '.join(parts)} (mean over the classes, median "
        "over runs)."
    )


def _fell(evidence: Evidence, profile: str) -> str:
    every = evidence.by_profile[profile]
    if any(constant_epochs(r) < len(r.curves["train_lacking"]) for r in every):
        return " (before the learning rate fell: "
    return " (mean over the second half of training: "


def _told_apart(evidence: Evidence, profile: str) -> str:
    """Whether the equation with the right weights fits better than with the wrong ones; imbalanced only."""
    right = wrong = 0
    for record in evidence.by_profile[profile]:
        own, other = (record.metrics.get(f"{name}_factor") for name in ("train", "other"))
        unequal = record.labels["design"] != "balanced"
        if (
            unequal
            and record.labels["weight"] in ("none", "inverse")
            and own is not None
            and other is not None
        ):
            right += own < other
            wrong += own >= other
    if not right + wrong:
        return ""
    return (
        f"**The weights in the equation.** On imbalanced classes, Eq. 9 with the weights that a network was "
        f"trained with fits its training images better than Eq. 9 with the other weights in {right} of "
        f"{right + wrong} runs."
    )


def _tested(evidence: Evidence, profile: str) -> str:
    both = _of_eq9(evidence, profile, "train_factor", "test_factor")
    if not both:
        return ""
    further = sum(test > train for train, test in both)
    said = (
        "**Test images.** The sides are further apart on test images than on training images in "
        f"{further} of {len(both)} runs of SML and LGL."
    )
    for design in designs(evidence, profile):
        ratio = {
            name: [
                v
                for loss in ("sml", "lgl")
                for v in _values(evidence, profile, f"{name}_ratio", loss=loss, weight="none", design=design)
            ]
            for name in ("large", "small")
        }
        if design != "balanced" and ratio["large"] and ratio["small"]:
            said += (
                f" On {DESIGN_NAMES[design]} classes without weights, small classes lack "
                f"{np.median(ratio['small']):.2f} times what they receive there, large ones "
                f"{np.median(ratio['large']):.2f} times."
            )
    return said


def _rarest(evidence: Evidence, profile: str) -> str:
    """The smallest class of the long-tailed design: few training images speak for its test images."""
    parts, images = [], 0
    for loss in ("sml", "lgl"):
        for weight in ("none", "inverse"):
            mine = runs(evidence, profile, "long_tailed", loss, weight)
            train, test = (list(mine.values(f"{part}_ratio/{CLASSES - 1}").values()) for part in PARTS)
            if train and test:
                images = _sizes(mine.records[0])[-1]
                name = NAMES[loss] + (" with weights" if weight == "inverse" else "")
                parts.append(f"{name} {np.median(train):.2f} and {np.median(test):.2f}")
    if not parts:
        return ""
    return (
        f"**The rarest class**, with {images} training images, lacks so many times what it receives on "
        f"training and on test images: {'; '.join(parts)}."
    )


def _rare_in_batches(evidence: Evidence, profile: str) -> str:
    mine = runs(evidence, profile, "long_tailed", "lgl_inr", "own")
    parts = []
    for k in (CLASSES - 2, CLASSES - 1):
        found = list(mine.values(f"train_ratio/{k}").values())
        if found:
            counts = _sizes(mine.records[0])
            share = presence(counts[k], sum(counts), int(mine.records[0].config["batch_size"]))
            parts.append(f"{np.median(found):.2f} times (from its batches alone: {1 / share:.2f})")
    if not parts:
        return ""
    return (
        "**Batches without a class.** With LGL-INR the two rarest long-tailed classes lack "
        f"{' and '.join(parts)} what they receive on training images."
    )


def _averaged_in_batch(evidence: Evidence, profile: str) -> str:
    found = {
        weight: _values(evidence, profile, "train_factor", loss="sml", weight=weight)
        for weight in ("inverse", "in_batch")
    }
    if not all(found.values()):
        return ""
    return (
        "**PyTorch's weighted mean.** With the sum of weighted losses divided by the number of examples, as "
        f"in Eq. 1, the sides differ by a factor of {np.median(found['inverse']):.2f} at the end; divided by "
        "the sum of the weights in each batch, as PyTorch's cross-entropy does, by "
        f"{np.median(found['in_batch']):.2f}."
    )


def _weights(evidence: Evidence, profile: str, loss: str) -> str:
    parts = []
    for design in designs(evidence, profile):
        if "inverse" not in weights(design, loss):
            continue
        mine, base = (runs(evidence, profile, design, loss, weight) for weight in ("inverse", "none"))
        small, large = (tables.difference(mine, base, f"{name}_accuracy") for name in ("small", "large"))
        if small is not None and large is not None:
            parts.append(
                f"on {DESIGN_NAMES[design]} classes small ones {_points(small)}, large ones {_points(large)}"
            )
    if not parts:
        return ""
    return f"**What weights do to the test accuracy of {NAMES[loss]}:** {'; '.join(parts)}."


def _points(d: stats.PairedDifference) -> str:
    said = f"{tables.signed(100 * d.mean)} points"
    if d.half != d.half:
        return said
    low, high = (tables.signed(100 * bound) for bound in (d.low, d.high))
    return f"{said} ({low} to {high}{', zero among them' if d.low <= 0 <= d.high else ''})"


def on_other_data(evidence: Evidence, profile: str) -> bool:
    """Whether any run of a profile was made on other images than its label says."""
    return any(substituted(record) for record in evidence.by_profile[profile])
