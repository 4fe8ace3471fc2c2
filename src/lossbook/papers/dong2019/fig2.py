"""Fig. 2: the parts of the loss by step, and how long the wrong classes outweigh the right one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lossbook.datasets import info
from lossbook.evidence import stats, tables
from lossbook.evidence.claims import Claim, Verdict
from lossbook.evidence.contrasts import PLAIN, Contrast, Contrasts, Select, Unit
from lossbook.evidence.rules import AGAINST, Above, CarriesOver
from lossbook.evidence.select import Evidence, dataset_name, is_trial
from lossbook.evidence.tables import Runs
from lossbook.papers.dong2019 import classes, table1
from lossbook.papers.dong2019.names import (
    BASELINE,
    CLASSES,
    DECISIVE,
    FREQUENCIES,
    REFERENCE,
    TABLE1,
    USUAL,
    named,
)
from lossbook.results import Record

#: What the figure shows of a step, and its titles.
PARTS = {
    "loss": "Whole loss",
    "positive": "Positive part",
    "negative": "Negative part",
    "ratio": "Gradient ratio",
}
#: Those of the figure: the paper has the first and the last.
VARIANTS = (("lr", USUAL), ("lr", FREQUENCIES), ("hs_lr", USUAL), ("ss_lr", USUAL))
#: Steps over which the ratio, which moves from batch to batch, is averaged.
WINDOW = 10
#: Near balance: this ratio of positive to negative gradients, of which 1 is balance.
NEAR = 0.9
#: The first steps, as a share of all: the start of training.
EARLY = 0.1


@dataclass(frozen=True)
class Shown:
    """The runs of one data set that the figure shows.

    Attributes:
        evidence: The records of the experiment.
        profile: Their profile.
        dataset: The data set.
        classes: Number of classes, K.
        runs: Loss and start -> the runs.
    """

    evidence: Evidence
    profile: str
    dataset: str
    classes: int
    runs: dict[tuple[str, str], Runs]

    @property
    def name(self) -> str:
        """For files."""
        item = self.evidence.experiment.partition("/")[2]
        return f"{item}-{self.profile}-{self.dataset}".replace("_", "-")

    @property
    def title(self) -> str:
        """The data set and its number of classes."""
        records = [record for each in self.runs.values() for record in each.records]
        return f"{dataset_name(self.dataset, records)}, {self.classes} classes"


def shown(evidence: Evidence, profile: str, dataset: str, count: int) -> Shown | None:
    """The runs on a data set that were measured by step, at the one rate; None where there are none.

    Args:
        evidence: The records of Table 1, or of the numbers of classes.
        profile: The profile.
        dataset: The data set.
        count: Number of classes.
    """
    found = {}
    for loss, start in (("ce", USUAL), *VARIANTS):
        if evidence.experiment == TABLE1:
            mine = table1.select(dataset, loss, start).runs(evidence, profile)
        else:
            mine = classes.select(dataset, count, loss, start).runs(evidence, profile)
        kept = tuple(record for record in mine.records if record.steps.get("ratio"))
        if kept:
            found[loss, start] = Runs(kept)
    if not any(each in found for each in VARIANTS):
        return None
    return Shown(evidence, profile, dataset, count, found)


def every_shown(table1_evidence: Evidence, classes_evidence: Evidence) -> list[Shown]:
    """What there is to show, at the profile that decides, or at one that tries the page: Table 1's first."""
    found = []
    for evidence in (table1_evidence, classes_evidence):
        for profile in evidence.by_profile:
            if profile != REFERENCE and not is_trial(profile):
                continue
            for dataset, count in _places(evidence, profile):
                each = shown(evidence, profile, dataset, count)
                found += [each] if each else []
    return found


def _places(evidence: Evidence, profile: str) -> list[tuple[str, int]]:
    """The data sets and numbers of classes of a profile with runs measured by step."""
    measured = [record for record in evidence.by_profile[profile] if record.steps.get("ratio")]
    return list(
        dict.fromkeys(
            (r.labels["dataset"], int(r.labels.get("classes") or info(r.labels["dataset"]).num_classes))
            for r in measured
        )
    )


# --- of one run ---------------------------------------------------------------------------------------------


def by_step(record: Record, part: str) -> np.ndarray:
    """One value per step, NaN where it was not finite."""
    return np.array([np.nan if v is None else v for v in record.steps.get(part, [])], dtype=float)


def smooth_ratio(record: Record) -> np.ndarray:
    """The gradient ratio of :data:`WINDOW` steps together, at the step they end with.

    It is the sum of the positive gradients over the sum of the negative ones, not the mean of ratios.
    """
    sides = [by_step(record, name) for name in ("positive_gradient", "negative_gradient")]
    totals = [np.cumsum(np.concatenate([[0.0], side])) for side in sides]
    steps = np.arange(1, len(sides[0]) + 1)
    begin = np.maximum(steps - WINDOW, 0)
    positive, negative = (total[steps] - total[begin] for total in totals)
    with np.errstate(divide="ignore", invalid="ignore"):
        return positive / negative


def until_near(record: Record) -> float | None:
    """The share of the steps until the smoothed ratio first reaches :data:`NEAR`; 1 if it never does."""
    ratio = smooth_ratio(record)
    if not len(ratio):
        return None
    reached = np.flatnonzero(ratio >= NEAR)
    return float(reached[0] / len(ratio)) if len(reached) else 1.0


def _median(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else None


def first_ratio(record: Record) -> float | None:
    """The ratio at the first step."""
    ratio = by_step(record, "ratio")
    return float(ratio[0]) if len(ratio) and np.isfinite(ratio[0]) else None


def early_ratio(record: Record) -> float | None:
    """The median of the smoothed ratio over the first tenth of the steps."""
    ratio = smooth_ratio(record)
    return _median(ratio[: max(1, round(EARLY * len(ratio)))])


def late_ratio(record: Record) -> float | None:
    """The median of the smoothed ratio over the second half of the steps."""
    ratio = smooth_ratio(record)
    return _median(ratio[len(ratio) // 2 :])


def highest(record: Record) -> float:
    """The highest value of the positive part at any step."""
    return float(np.nanmax(by_step(record, "positive")))


def highest_ratio(record: Record) -> float:
    """The highest value of the smoothed ratio."""
    return float(np.nanmax(smooth_ratio(record)))


def rise(record: Record) -> float | None:
    """How far the positive part lies above its first value, averaged over the first tenth of the steps.

    The mean and not the maximum, which cannot lie below the first value whatever happens.
    """
    values = by_step(record, "positive")
    return float(_early_mean(values) - values[0]) if len(values) else None


def fall(record: Record) -> float | None:
    """The share by which the negative part lies below its first value, averaged over the same steps."""
    values = by_step(record, "negative")
    if not len(values) or not values[0]:
        return None
    return float(1 - _early_mean(values) / values[0])


def _early_mean(values: np.ndarray) -> float:
    return float(np.nanmean(values[: max(1, round(EARLY * len(values)))]))


def _half(record: Record) -> float | None:
    """Half of balance, for every run that was measured; of CE, whose ratio is 1 at every step."""
    return 0.5 if record.steps.get("ratio") else None


def _nothing(record: Record) -> float | None:
    return 0.0 if record.steps.get("ratio") else None


# --- claims -------------------------------------------------------------------------------------------------

_RATIO = Unit(1.0, 3)


def _sides(value: Callable[[Record], float | None], loss: str, start: str = USUAL) -> tuple[Select, Select]:
    """The same number of a loss's runs on CIFAR-100 and on Omniglot."""
    return (
        table1.select("cifar100", loss, start, value=value),
        classes.select(classes.OMNIGLOT, max(classes.COUNTS[classes.OMNIGLOT]), loss, start, value=value),
    )


def _contrasts(
    what: str, left: tuple[Select, Select], right: tuple[Select, Select], unit: Unit
) -> dict[str, Contrasts]:
    each = [
        Contrast(f"{what}, {{left[dataset]}}", *sides, unit=unit, resolved=False)
        for sides in zip(left, right, strict=True)
    ]
    return {
        "CIFAR-100": Contrasts(TABLE1, each[:1]),
        "Omniglot, 964 classes": Contrasts(CLASSES, each[1:], optional=True),
    }


RISES = Claim(
    "positive-rises",
    "Early in training with LR the positive part of the loss rises while the negative part falls.",
    "The Negative Class Distraction Problem; Fig. 2 (b) and (c)",
    "LR's positive part, averaged over the first tenth of the steps, minus its value at the first step. "
    "The fall of the negative part, which is not in doubt, is in the table.",
    _contrasts("Rise of the positive part", _sides(rise, "lr"), _sides(_nothing, "lr"), PLAIN),
    CarriesOver(Above(), table1.SMALL),
    DECISIVE,
    basis=table1.figure_basis,
)
THROUGHOUT = Claim(
    "distracted-throughout",
    "With LR the positive class is highly distracted by the negative ones throughout training: the gradient "
    "ratio is nearly zero.",
    "Learning Focus Rectification; Fig. 2 (d)",
    "A half minus the median of LR's gradient ratio over the second half of the steps, the gradient taken "
    f"with respect to the logits and summed over wrong classes, images and {WINDOW} steps: the paper does "
    'not say which it takes. A ratio below a half counts as distracted, which is generous to "nearly zero".',
    _contrasts(
        "0.5 minus LR's gradient ratio (−0.5: balance; +0.5: full distraction)",
        _sides(_half, "lr"),
        _sides(late_ratio, "lr"),
        _RATIO,
    ),
    CarriesOver(Above(), table1.SMALL),
    DECISIVE,
    basis=table1.figure_basis,
)
RAISED = Claim(
    "focus-raised",
    "SS-LR raises the learning focus on the positive class.",
    "Learning Focus Rectification; Fig. 2 (d)",
    "The gradient ratio, SS-LR minus LR, paired by seed: at the first step, where the formula alone decides, "
    "and in the median over the first tenth of the steps, where the gradients of "
    f"{WINDOW} steps are taken together.",
    {
        f"{place}, {when}": each
        for when, value in (("at the first step", first_ratio), ("over the first tenth", early_ratio))
        for place, each in _contrasts(
            f"Gradient ratio, SS-LR minus LR {when}", _sides(value, "ss_lr"), _sides(value, "lr"), _RATIO
        ).items()
    },
    CarriesOver(Above(), table1.SMALL),
    DECISIVE,
    basis=table1.figure_basis,
)
CLAIMS = (RISES, THROUGHOUT, RAISED)


# --- the page -----------------------------------------------------------------------------------------------


def table(what: Shown) -> tuple[pd.DataFrame, list[str | tables.Cell]]:
    """What the figure shows, in numbers: at the first step, early and late; one row per loss and start.

    CE has no parts, so its row has ratios alone.

    Args:
        what: The runs.
    """
    parts: dict[str, Callable[[Record], float | None]] = {
        "Positive part at first": lambda r: float(by_step(r, "positive")[0]),
        "Its rise": rise,
        "Its highest": highest,
        "Negative part at first": lambda r: float(by_step(r, "negative")[0]),
        "Its fall, %": lambda r: None if (value := fall(r)) is None else 100 * value,
    }
    ratios: dict[str, Callable[[Record], float | None]] = {
        "Ratio at first": first_ratio,
        "Ratio, first tenth": early_ratio,
        "Ratio, second half": late_ratio,
        f"Steps until it is {NEAR:g}, %": lambda r: None if (v := until_near(r)) is None else 100 * v,
    }
    rows = []
    for loss, start in (*VARIANTS, (BASELINE, USUAL)):
        mine = what.runs.get((loss, start), Runs())
        if not mine.records:
            continue
        row: dict[str, Any] = {"Loss": named(loss, start)}
        row |= {n: tables.Cell("–") if loss == BASELINE else _cell(mine, part) for n, part in parts.items()}
        row |= {name: _cell(mine, ratio) for name, ratio in ratios.items()}
        rows.append(row)
    return pd.DataFrame(rows), [*tables.notes(what.runs.values())]


def _cell(runs: Runs, value: Callable[[Record], float | None]) -> tables.Cell:
    found = [v for r in runs.records if (v := value(r)) is not None and np.isfinite(v)]
    if not found:
        return tables.Cell("–")
    interval = stats.mean_interval(found)
    digits = 3 if abs(interval.mean) < 10 else 1
    text = f"{tables.number(interval.mean, digits)}{tables.band(interval, digits)}"
    return tables.Cell(text, {"mean": interval.mean, "n": interval.n}, runs.keys)


def ce_text(what: Shown) -> str:
    """How large both sides of CE's gradient are, at the first step and later; nothing without runs.

    Args:
        what: The runs.
    """
    runs = what.runs.get((BASELINE, USUAL), Runs()).records
    sides = [by_step(record, "positive_gradient") for record in runs]
    if not sides:
        return ""
    first, late = (
        stats.mean_interval(map(float, each))
        for each in ([side[0] for side in sides], [np.nanmean(side[len(side) // 2 :]) for side in sides])
    )
    return (
        f"{what.title}: with CE each side has {first.mean:.3f}{tables.band(first, 3)} at the first step and "
        f"{late.mean:.3f}{tables.band(late, 3)} on average over the second half of training."
    )


def overshoot(shown: Sequence[Shown]) -> str:
    """Where LR's biases go past the frequencies of the classes in every run; nothing where they do not.

    Args:
        shown: The runs.
    """
    said = []
    for what in shown:
        runs = what.runs.get(("lr", USUAL), Runs()).records
        parts, ratios = ([value(record) for record in runs] for value in (highest, highest_ratio))
        level = math.log(what.classes)
        if runs and min(parts) > level and min(ratios) > 1:
            said.append(
                f"on {what.title}, LR's positive part peaks at {_span(parts)}, where log K is "
                f"{level:.1f}, and the ratio over {WINDOW} steps at {_span(ratios)}"
            )
    if not said:
        return ""
    return (
        f"In the runs LR's positive part overshoots: {'; '.join(said)}. For some steps the correct class "
        "then has more of the gradient than all wrong classes together, the reverse of distraction. These "
        "runs cannot tell what that costs from what the distraction before it costs, since the start at "
        "−log(K − 1) avoids both."
    )


def _span(values: Sequence[float]) -> str:
    """The least and the greatest over seeds, in two digits."""
    least, greatest = (f"{float(f'{value:.2g}'):,.10g}" for value in (min(values), max(values)))
    return least if least == greatest else f"{least} to {greatest}"


def headline(what: Shown) -> str:
    """How much of LR's gradient comes from the wrong classes: at the first step, later, and from low biases.

    Args:
        what: The runs.
    """
    usual, started = (what.runs.get(("lr", start), Runs()) for start in (USUAL, FREQUENCIES))
    if not usual.records:
        return ""

    def share(runs: Runs, ratio: Callable[[Record], float | None]) -> str:
        found = [r for each in runs.records if (r := ratio(each)) is not None]
        interval = stats.mean_interval(100 / (1 + r) for r in found)
        return f"{interval.mean:.2f}{tables.band(interval, 2)}%"

    text = (
        f"{what.title}: the wrong classes make up {share(usual, first_ratio)} of LR's gradient at the first "
        f"step and {share(usual, late_ratio)} over the second half of training, where 50% is balance"
    )
    if started.records:
        text += f"; with its biases at −log(K − 1), {share(started, first_ratio)} at the first step"
    return f"{text}."


def follows(key: str, verdict: Verdict, evidence: Evidence) -> str:
    """What follows for someone who trains LR, from Table 1; nothing without three runs that show it.

    Args:
        key: The claim.
        verdict: Its finding.
        evidence: The records of Table 1.
    """
    if key != THROUGHOUT.key or verdict.finding not in AGAINST:
        return ""
    gain = table1.decided(table1.remedy("cifar100")[0], evidence)
    if gain is None or not gain.above:
        return ""
    return (
        f"short as the phase is, avoid it, and the overshoot after it: LR gains {gain.short()} points of "
        "accuracy on CIFAR-100, one rate for all, when its biases start at −log(K − 1)."
    )


def means(runs: Runs, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, lowest and highest over the seeds of one part, by step; the ratio is smoothed.

    Args:
        runs: The runs.
        part: One of :data:`PARTS`.
    """
    each: Sequence[np.ndarray] = [
        smooth_ratio(record) if part == "ratio" else by_step(record, part) for record in runs.records
    ]
    length = min(len(values) for values in each)
    every = np.stack([values[:length] for values in each])
    return every.mean(0), every.min(0), every.max(0)


def alt(what: Shown) -> str:
    """What the figure shows, in words and numbers.

    Args:
        what: The runs.
    """
    parts = []
    for variant in VARIANTS:
        if variant in what.runs:
            found = {part: means(what.runs[variant], part)[0] for part in PARTS}
            ends = ", ".join(
                f"{title.lower()} {values[0]:.3g} to {values[-1]:.3g}"
                for (part, title), values in zip(PARTS.items(), found.values(), strict=True)
            )
            parts.append(f"{named(*variant)}: {ends}")
    return f"Four panels by step on {what.title}. From the first to the last step, {'; '.join(parts)}."
