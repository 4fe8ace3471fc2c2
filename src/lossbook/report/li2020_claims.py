"""The claims of li2020, and what derivations, simulations and records say of each.

Statements on networks are held against the records. Runs shorter than the paper's, or on fewer images, are
reported and leave such a statement open. What is in none of the paper's tables (the learning rate, the
balance and the neglect of trained networks) is settled by a smaller grid too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from lossbook import experiments
from lossbook.experiments.li2020 import FIRST_LEVEL, GRADIENT_SCALE
from lossbook.experiments.progress import duration
from lossbook.report import li2020_calibration as calibration
from lossbook.report import li2020_confusion as fig1
from lossbook.report import li2020_imbalance as imbalance
from lossbook.report import li2020_modality as modality
from lossbook.report import li2020_scale, li2020_theory, stats, tables, verdict
from lossbook.report.evidence import Evidence, substituted
from lossbook.report.li2020 import (
    BASELINE,
    DATASETS,
    NAMES,
    NETWORK_NAMES,
    NETWORKS,
    PAPER,
    TABLE3,
    dataset_name,
    printed,
)
from lossbook.report.li2020_pixels import PIXELS
from lossbook.report.li2020_tables import TABLE4, TABLE5
from lossbook.report.tables import Runs
from lossbook.report.verdict import Claim, Finding
from lossbook.report.yao2018_measures import points
from lossbook.results import Record, published

#: Profiles at the paper's protocol; runs of any other leave a claim about its tables open.
WHOLE = (PAPER, "fashion")
#: Profiles that decide where the question is not one of the paper's tables: long enough for their purpose.
LONG_ENOUGH = (PAPER, "subset")
#: The two readings of the paper's logistic loss: summed over the classes, and averaged.
READINGS = ("lgl", "lgl_mean")
#: The learning rate of SML times the scale of its gradient at which steps are equal.
STEP = 0.1
#: Of ten classes, how many count as nearly all.
NEARLY_ALL = 9
#: How many of LGL's weakest classes the paper points at (Fig. 1).
WEAKEST = 2


@dataclass(frozen=True)
class Comparison:
    """Two groups of runs that differ in one thing, seed by seed.

    Attributes:
        what: What is compared, in words.
        runs: One side.
        base: The other.
        difference: Mean difference over the seeds that both have, in fractions.
        resolution: The least difference of two accuracies that the test set resolves; NaN where the
            difference is not one of accuracies after the last epoch.
        paper: The same difference in the paper, in points; None where it has none.
    """

    what: str
    runs: Runs
    base: Runs
    difference: stats.PairedDifference
    resolution: float = math.nan
    paper: float | None = None

    @property
    def records(self) -> tuple[Record, ...]:
        """The runs of both sides."""
        return (*self.runs.records, *self.base.records)

    @property
    def profile(self) -> str:
        """Their profile."""
        return self.records[0].profile

    @property
    def above(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.difference.low > 0

    @property
    def below(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.difference.high < 0

    @property
    def no_gain(self) -> bool:
        """Whether the interval excludes a gain that the test set could resolve."""
        return self.difference.high <= self.resolution

    @property
    def same(self) -> bool:
        """Whether the interval excludes every difference that the test set could resolve."""
        return self.difference.low >= -self.resolution and self.no_gain

    def sentence(self) -> str:
        """Return the comparison in words."""
        parts = [f"{self.what}: {points(self.difference)}"]
        if self.paper is not None:
            parts.append(f"the paper has {tables.signed(self.paper)}")
        if not math.isnan(self.resolution):
            size = min(r.provenance["test_size"] for r in self.records)
            parts.append(f"{size:,} test images resolve about {100 * self.resolution:.2f}")
        return "; ".join(parts) + "."


def compare(what: str, runs: Runs, base: Runs, *, paper: float | None = None) -> Comparison | None:
    """Compare test accuracies; None without a shared seed, or on embedded data."""
    if any(substituted(r) for r in (*runs.records, *base.records)):
        return None
    found = tables.difference(runs, base, "test_accuracy")
    if found is None:
        return None
    size = min(r.provenance["test_size"] for r in base.records)
    accuracy = float(np.mean(list(base.values("test_accuracy").values())))
    return Comparison(what, runs, base, found, stats.resolution(accuracy, size), paper)


def best(
    evidence: Evidence, make: Callable[[str], Comparison | None], only: Sequence[str] = ()
) -> Comparison | None:
    """Return the comparison at the best profile that has it.

    The paper's protocol comes before all others, then one with several seeds before one with a single.

    Args:
        evidence: The records.
        make: Profile -> the comparison, or None.
        only: Profiles that count; all by default.
    """
    made = [c for profile in evidence.by_profile if not only or profile in only if (c := make(profile))]
    return min(made, key=lambda c: (c.profile not in WHOLE, c.difference.n == 1), default=None)


@dataclass(frozen=True)
class Sources:
    """The records of the chapter's experiments."""

    table3: Evidence
    table4: Evidence
    table5: Evidence
    scale: Evidence
    modality: Evidence
    imbalance: Evidence
    calibration: Evidence
    pixels: Evidence

    @property
    def all(self) -> tuple[Evidence, ...]:
        """Each of them."""
        return (
            *(self.table3, self.table4, self.table5, self.scale),
            *(self.modality, self.imbalance, self.calibration, self.pixels),
        )

    @property
    def notes(self) -> list[str]:
        """What a reader must know of the choice of records."""
        return [f"{each.experiment}: {note}" for each in self.all for note in each.notes]

    @property
    def records(self) -> list[Record]:
        """Every record shown."""
        return [record for each in self.all for record in each.records]


def claims(sources: Sources) -> dict[str, Claim]:
    """Return every claim with its finding, in the order of the verdict page."""
    makers: dict[str, Callable[[], Claim]] = {
        "balance": li2020_theory.balance,
        "generalises": li2020_theory.generalises,
        "table1": li2020_theory.table_one,
        "trained": partial(_trained, sources.imbalance),
        "examples": li2020_theory.examples,
        "guarantee": li2020_theory.guarantee,
        "reweighting": partial(_reweighting, sources.imbalance),
        "multiclass": li2020_theory.multiclass,
        "boundary": li2020_theory.boundary,
        "skewness": li2020_theory.skewness,
        "manifold": li2020_theory.manifold,
        "averaging": li2020_theory.averaging,
        "neglect": partial(_neglect, sources.modality),
        "limits": li2020_theory.limits,
        "focus": li2020_theory.focus,
        "one-vs-rest": partial(_one_vs_rest, sources.scale),
        "lgl": partial(_lgl_poorer, sources.table3, sources.pixels),
        "inr-lgl": partial(_inr_lgl, sources.table3, sources.pixels),
        "inr-sml": partial(_inr_sml, sources.table3, sources.pixels),
        "setting": partial(_setting, sources.scale, sources.calibration),
        "fast": partial(_fast, sources.table3, sources.scale, sources.calibration),
        "classes": partial(_classes, sources.table3),
        "beta": partial(_beta, sources.table5),
        "extremes": partial(_extremes, sources.table5),
        "cifar10": partial(_cifar10, sources.table4),
        "unlike": _unlike,
        "capacity": li2020_theory.capacity,
    }
    return {name: make() for name, make in makers.items()}


def tally(claims: Iterable[Claim]) -> str:
    """Return how many claims there are of each finding, in a sentence."""
    found = Counter(claim.finding for claim in claims)
    words: dict[Finding, str] = {
        "holds": "hold",
        "holds in part": "hold in part",
        "does not hold": "do not hold",
        "not settled": "are not settled",
        "not tested": "are not tested",
    }
    parts = [f"{found[finding]} {said}" for finding, said in words.items() if found[finding]]
    return f"Of {sum(found.values())} claims, {', '.join(parts)}."


# --- findings -----------------------------------------------------------------------------------------------

_MORE_RULE = (
    "The difference of test accuracies after the last epoch, paired by seed, in each pair of data set and "
    "network. It holds if the 95% interval lies above zero in all {total}, holds in part if in some, does "
    "not hold if no tested one leaves room for a gain that the test set resolves (1.96 standard errors of "
    "the difference of two accuracies on independent images; on the same ones finer differences can show), "
    "and is not settled otherwise. Only runs at the paper's protocol count; others are shown."
)


def more(found: Sequence[Comparison], total: int, decisive: Sequence[str] = WHOLE) -> Finding:
    """Whether one side is more accurate, by the rule that the page states."""
    if not found:
        return "not tested"
    made = [c for c in found if c.profile in decisive]
    if made and any(c.above for c in made):
        return "holds" if len(made) == total and all(c.above for c in made) else "holds in part"
    if made and all(c.no_gain for c in made):
        return "does not hold"
    return "not settled"


def _of_readings(found: dict[str, Finding]) -> Finding:
    """The finding of a claim that can be read in several ways; where they differ, in part at most."""
    different = set(found.values())
    if len(different) == 1:
        return different.pop()
    return "not settled" if different & {"not settled", "not tested"} else "holds in part"


_TABLES = (TABLE3, TABLE4, TABLE5, PIXELS)


def basis(records: Sequence[Record]) -> str:
    """On what runs a finding rests, and how far that is from the paper's protocol; profile by profile."""
    parts = []
    # Runs of a table and others may share a profile's name; only those of a table are the paper's own.
    for profile, own in dict.fromkeys((r.profile, r.experiment in _TABLES) for r in records):
        mine = [r for r in records if (r.profile, r.experiment in _TABLES) == (profile, own)]
        sets = ", ".join(dict.fromkeys(dataset_name(str(r.labels["dataset"])) for r in mine))
        networks = ", ".join(dict.fromkeys(NETWORK_NAMES[str(r.labels["network"])] for r in mine))
        if profile in WHOLE and own:
            how = f"the paper's protocol ({verdict.seeds_text(mine)})"
        elif profile == PAPER:
            how = f"as many images and epochs as in the paper ({verdict.seeds_text(mine)})"
        else:
            how = verdict.basis(mine)
        parts.append(f"{networks} on {sets}: {how}")
    return "; ".join(parts) or "no runs"


_NO_RUNS = "The record store has no runs on the data itself that could tell."


def _unique(groups: Iterable[Iterable[Record]]) -> tuple[Record, ...]:
    return tuple({r.key: r for group in groups for r in group}.values())


def _claim(
    title: str,
    where: str,
    rule: str,
    finding: Finding,
    found: Sequence[Comparison],
    *more: str,
    readings: dict[str, Finding] | None = None,
) -> Claim:
    records = _unique(c.records for c in found)
    sentences = (*(c.sentence() for c in found), *more) if found else (_NO_RUNS, *more)
    return Claim(title, where, rule, finding, basis(records), sentences, records, readings or {})


def _one_vs_rest(evidence: Evidence) -> Claim:
    found = []
    for dataset in DATASETS:
        chosen = best(evidence, partial(_first_level, evidence, dataset), LONG_ENOUGH)
        if chosen is not None:
            found.append(chosen)
    return _claim(
        "One logistic loss a class sees more negatives than positives, and this imbalance can degrade it.",
        "Introduction; LGL-INR",
        "A logistic loss whose positives weigh as much as all negatives, and whose negatives weigh alike "
        f"(LGL-INR with β = 0), minus LGL, at equal steps (learning rate times gradient scale {STEP:g}), "
        f"paired by seed. {_ONE_NETWORK_RULE}",
        _on_one_network(found),
        found,
    )


_ONE_NETWORK_RULE = (
    "It holds in part if an interval lies above zero and none below, does not hold if all exclude a gain "
    "that the test set resolves and runs on as many images and epochs as in the paper are among them, and is "
    "not settled otherwise. At most it holds in part: one network cannot show a general rule. Runs of the "
    "profiles paper and subset decide."
)


def _on_one_network(found: Sequence[Comparison]) -> Finding:
    """Whether one side is more accurate, for a general claim that one network can neither prove nor refute.

    So it holds in part at most, and does not hold only where it was tried as long as in the paper.
    """
    if not found:
        return "not tested"
    made = [c for c in found if c.profile in LONG_ENOUGH]
    above, below = any(c.above for c in made), any(c.below for c in made)
    if above and not below:
        return "holds in part"
    tried = any(c.profile in WHOLE for c in made)
    return "does not hold" if tried and not above and all(c.no_gain for c in made) else "not settled"


def _first_level(evidence: Evidence, dataset: str, profile: str) -> Comparison | None:
    sides = (li2020_scale.at_step(evidence, profile, dataset, loss, STEP) for loss in (FIRST_LEVEL, "lgl"))
    return compare(f"LGL-INR at β = 0 minus LGL, equal steps, CNN2C on {dataset_name(dataset)}", *sides)


# --- Table 3 ------------------------------------------------------------------------------------------------


def _table_three(evidence: Evidence, loss: str, base: str) -> list[Comparison]:
    """The comparison of two losses on every data set and network that has runs of both."""
    paper = printed()
    found = []
    for network in NETWORKS:
        for dataset in DATASETS:
            sides = [paper[dataset, network, "lgl" if each in READINGS else each] for each in (loss, base)]

            def make(
                profile: str,
                network: str = network,
                dataset: str = dataset,
                lead: float = sides[0] - sides[1],
            ) -> Comparison | None:
                where: dict[str, Any] = {"network": network, "dataset": dataset}
                return compare(
                    f"{NAMES[loss]} minus {NAMES[base]}, {NETWORK_NAMES[network]} on {dataset_name(dataset)}",
                    evidence.runs(profile, loss=loss, **where),
                    evidence.runs(profile, loss=base, **where),
                    paper=lead,
                )

            chosen = best(evidence, make)
            if chosen is not None:
                found.append(chosen)
    return found


_PAIRS = len(NETWORKS) * len(DATASETS)
_STANDARDISED = "standardised pixels"
_PIXELS_RULE = (
    " The paper does not say how pixels were scaled. Runs of its protocol on standardised pixels count as "
    "another reading, beside those on pixels from 0 to 1."
)


def _on_standardised_pixels(pixels: Evidence, loss: str, base: str) -> dict[str, list[Comparison]]:
    """The same on standardised pixels, for as long as in the paper; nothing without such runs."""
    found = []
    for dataset in DATASETS:
        where: dict[str, Any] = {"network": "cnn2c", "dataset": dataset}
        chosen = compare(
            f"{NAMES[loss]} minus {NAMES[base]}, {NETWORK_NAMES['cnn2c']} on {dataset_name(dataset)}, "
            f"{_STANDARDISED}",
            pixels.runs(PAPER, loss=loss, **where),
            pixels.runs(PAPER, loss=base, **where),
        )
        if chosen is not None:
            found.append(chosen)
    return {_STANDARDISED: found} if found else {}


def _lgl_poorer(evidence: Evidence, pixels: Evidence) -> Claim:
    found = {NAMES[reading]: _table_three(evidence, BASELINE, reading) for reading in READINGS}
    found |= _on_standardised_pixels(pixels, BASELINE, "lgl")
    readings = {reading: more(each, _PAIRS) for reading, each in found.items()}
    return _claim(
        "On MNIST and the sets like it the logistic loss is less accurate than the softmax loss.",
        "Predictive Results; Table 3",
        _MORE_RULE.format(total="six") + " LGL is taken summed and averaged over the classes; where the two "
        "readings differ it holds in part, or is not settled if one of them is not." + _PIXELS_RULE,
        _of_readings(readings),
        [c for each in found.values() for c in each],
        readings=readings,
    )


def _inr_lgl(evidence: Evidence, pixels: Evidence) -> Claim:
    found = {NAMES[reading]: _table_three(evidence, "lgl_inr", reading) for reading in READINGS}
    found |= _on_standardised_pixels(pixels, "lgl_inr", "lgl")
    readings = {reading: more(each, _PAIRS) for reading, each in found.items()}
    return _claim(
        "On MNIST and the sets like it LGL-INR is more accurate than the logistic loss.",
        "Abstract; Predictive Results; Table 3",
        "As for claim 17, for LGL-INR minus LGL, in the same readings.",
        _of_readings(readings),
        [c for each in found.values() for c in each],
        readings=readings,
    )


def _inr_sml(evidence: Evidence, pixels: Evidence) -> Claim:
    found = {"pixels from 0 to 1": _table_three(evidence, "lgl_inr", BASELINE)}
    found |= _on_standardised_pixels(pixels, "lgl_inr", BASELINE)
    readings = {reading: more(each, _PAIRS) for reading, each in found.items()}
    every = [c for each in found.values() for c in each]
    return _claim(
        "On MNIST and the sets like it LGL-INR is competitive with the softmax loss, and outperforms it.",
        "Abstract; Predictive Results; Table 3",
        "As for claim 17, for LGL-INR minus SML. To be competitive takes less: every interval excludes a "
        "loss that the test set resolves. The evidence says so apart.",
        _of_readings(readings),
        every,
        *_competitive(every),
        readings=readings,
    )


def _competitive(found: Sequence[Comparison]) -> list[str]:
    made = [c for c in found if c.profile in WHOLE]
    if not made or any(math.isnan(c.difference.half) for c in made):
        return []
    level = sum(c.difference.low >= -c.resolution for c in made)
    if level == len(made):
        return [f"Competitive it is: all {level} intervals exclude a loss that the test set resolves."]
    return [f"That it is competitive shows in {level} of {len(made)} comparisons."]


# --- the learning rate, and the speed -----------------------------------------------------------------------


def _setting(scale: Evidence, calibrated: Evidence) -> Claim:
    found = []
    for dataset in DATASETS:
        for base in (BASELINE, "lgl"):
            chosen = best(scale, partial(_at_best_rates, scale, dataset, base))
            if chosen is not None:
                found.append(chosen)
    found += [c for base in (BASELINE, "lgl") if (c := _at_equal_steps(calibrated, base)) is not None]
    return _claim(
        "All losses are compared in the same setting, so LGL-INR's lead is the loss's own.",
        "Experiments, first paragraph; Predictive Results",
        "LGL-INR minus SML and minus LGL, paired by seed: each with the learning rate that is best for it on "
        "training images held out, and at equal steps on all training images. " + _ONE_NETWORK_RULE,
        _on_one_network(found),
        found,
        f"At one learning rate the steps of LGL-INR are {GRADIENT_SCALE['lgl_inr']:.1f} times as long as "
        "those of SML and LGL early in training. The same learning rate is not the same setting.",
    )


def _at_equal_steps(evidence: Evidence, base: str) -> Comparison | None:
    """LGL-INR against another loss at equal steps, for as long as in the paper."""
    sides = (evidence.runs(PAPER, rate="equal", loss=loss) for loss in ("lgl_inr", base))
    return compare(f"LGL-INR minus {NAMES[base]}, {_WHOLE_AT_EQUAL_STEPS}", *sides)


_WHOLE_AT_EQUAL_STEPS = f"equal steps, all training images, CNN2C on {dataset_name(calibration.DATASET)}"


def _at_best_rates(evidence: Evidence, dataset: str, base: str, profile: str) -> Comparison | None:
    if dataset not in li2020_scale.sets(profile):
        return None
    sides, rates = [], []
    for loss in ("lgl_inr", base):
        rate = li2020_scale.best_rate(evidence, profile, dataset, loss)
        if rate is None:
            return None
        rates.append(rate)
        sides.append(li2020_scale.runs(evidence, profile, dataset, loss, rate))
    return compare(
        f"LGL-INR at {rates[0]:g} minus {NAMES[base]} at {rates[1]:g}, CNN2C on {dataset_name(dataset)}",
        *sides,
    )


def _fast(table3: Evidence, scale: Evidence, calibrated: Evidence) -> Claim:
    same_rate, same_step = [], []
    for dataset in DATASETS:
        for base in (BASELINE, "lgl"):
            chosen = best(table3, partial(_early_at_rate, table3, dataset, base), WHOLE)
            if chosen is not None:
                same_rate.append(chosen)
            chosen = best(scale, partial(_early_at_step, scale, dataset, base), LONG_ENOUGH)
            if chosen is not None:
                same_step.append(chosen)
    for base in (BASELINE, "lgl"):
        sides = (calibrated.runs(PAPER, rate="equal", loss=loss) for loss in ("lgl_inr", base))
        chosen = _compare_early(f"LGL-INR minus {NAMES[base]} early on, {_WHOLE_AT_EQUAL_STEPS}", *sides)
        if chosen is not None:
            same_step.append(chosen)
    finding: Finding = "not tested"
    if same_rate:
        faster = [c.above for c in same_rate]
        if any(faster):
            by_itself = all(faster) and same_step and all(c.above for c in same_step)
            finding = "holds" if by_itself else "holds in part"
        else:
            finding = "does not hold" if all(c.below for c in same_rate) else "not settled"
    return _claim(
        "LGL-INR converges slightly faster than the others, so the focus on hard classes may help training.",
        "Further Analysis; Fig. 2",
        "The mean test accuracy over the first quarter of the epochs, LGL-INR's minus that of SML and of "
        "LGL, paired by seed: at the paper's learning rate, and at equal steps "
        f"(learning rate times gradient scale {STEP:g}). It holds if all intervals lie above zero, holds in "
        "part if some of those at the paper's learning rate do, does not hold if all of them lie below zero, "
        "and is not settled otherwise. Only runs at the paper's protocol decide at the paper's learning "
        "rate, and the profiles paper and subset at equal steps.",
        finding,
        [*same_rate, *same_step],
        *(() if same_step else ("There are no runs at equal steps yet.",)),
    )


def _early(runs: Runs) -> dict[int, float]:
    """Seed -> mean test accuracy over the first quarter of the epochs."""
    found = {}
    for record in runs.records:
        curve = record.curves["test_accuracy"]
        values = [v for v in curve[: math.ceil(len(curve) / 4)] if v is not None]
        if record.status == "finished" and values:
            found[record.seed] = float(np.mean(values))
    return found


def _compare_early(what: str, runs: Runs, base: Runs) -> Comparison | None:
    values, others = _early(runs), _early(base)
    if any(substituted(r) for r in (*runs.records, *base.records)) or not set(values) & set(others):
        return None
    return Comparison(what, runs, base, stats.paired_difference(values, others))


def _early_at_rate(evidence: Evidence, dataset: str, base: str, profile: str) -> Comparison | None:
    where: dict[str, Any] = {"network": "cnn2c", "dataset": dataset}
    return _compare_early(
        f"LGL-INR minus {NAMES[base]} early on, CNN2C on {dataset_name(dataset)}, learning rate 0.01",
        evidence.runs(profile, loss="lgl_inr", **where),
        evidence.runs(profile, loss=base, **where),
    )


def _early_at_step(evidence: Evidence, dataset: str, base: str, profile: str) -> Comparison | None:
    sides = (li2020_scale.at_step(evidence, profile, dataset, loss, STEP) for loss in ("lgl_inr", base))
    return _compare_early(
        f"LGL-INR minus {NAMES[base]} early on, CNN2C on {dataset_name(dataset)}, equal steps", *sides
    )


# --- the balance and the neglect of trained networks ------------------------------------------------------


def _first(evidence: Evidence) -> str | None:
    """The best profile that has records on the data set itself."""
    return next(
        (name for name, found in evidence.by_profile.items() if not any(substituted(r) for r in found)), None
    )


def _trained(evidence: Evidence) -> Claim:
    profile = _first(evidence)
    records = [
        r
        for r in evidence.by_profile.get(profile or "", ())
        # LGL-INR has weights and a balance of its own, and a mean over the weights of a batch is not Eq. 1.
        if r.labels["weight"] in ("none", "inverse") and r.status == "finished"
    ]
    derived = imbalance.derived(Evidence(evidence.experiment, evidence.profile, {PAPER: records})).records
    factors = {
        name: float(np.nanmedian([r.metrics[f"{name}_factor"] or math.nan for r in derived]))
        for name in ("before", "train", "test")
        if derived
    }
    finding: Finding = "not tested"
    if factors:
        close = [factors[part] <= math.exp(li2020_theory.ABOUT) for part in ("train", "test")]
        if profile in LONG_ENOUGH and any(close):
            finding = "holds" if all(close) else "holds in part"
        else:
            # Shorter runs than the paper's may be on their way to it.
            finding = "does not hold" if profile == PAPER else "not settled"
    return Claim(
        "Networks satisfy the balance once they are trained, on training and on test data.",
        "below Eq. 8; Eq. 9",
        "CNN2C on Fashion-MNIST with SML and LGL, balanced and imbalanced, without class weights and with "
        "weights by inverse frequency. The factor by which the sides of Eq. 9 differ (mean over classes of "
        "the absolute logarithm), median over runs. It holds if it is at most "
        f"{math.exp(li2020_theory.ABOUT):.2f} on training and on test images, and holds in part if on one of "
        "them; runs of the profiles paper and subset decide that. It does not hold if it is larger on both "
        "in runs of the profile paper, and is not settled otherwise.",
        finding,
        basis(records),
        (
            f"The factor is {factors['train']:.2f} on training images and {factors['test']:.2f} on test "
            f"images, median over {len(records)} runs.",
            *(
                [f"On training images it was {factors['before']:.2f} before the learning rate fell."]
                if any("schedule" in r.config for r in records)
                else []
            ),
            "While the learning rate is constant, each batch moves the biases again, and training does not "
            "come to rest.",
        )
        if factors
        else (_NO_RUNS,),
        tuple(records),
    )


def _reweighting(evidence: Evidence) -> Claim:
    profile = _first(evidence)
    found = []
    if profile is not None:
        derived = imbalance.derived(evidence)
        for design in imbalance.designs(derived, profile):
            for loss in ("sml", "lgl"):
                mine, base = (imbalance.runs(derived, profile, design, loss, w) for w in ("inverse", "none"))
                d = tables.difference(mine, base, "small_accuracy")
                if d is not None:
                    what = f"{NAMES[loss]} with weights minus without, small classes of the {design} set"
                    found.append(Comparison(what.replace("_", "-"), mine, base, d))
    return _claim(
        "On imbalanced data class weights by inverse frequency boost the performance on the small classes.",
        "Abstract; Introduction, first and second paragraph",
        "Test accuracy on the small classes (mean over classes), CNN2C on imbalanced Fashion-MNIST, with "
        "weights minus without, paired by seed, for SML and LGL on each imbalanced set. It holds if all 95% "
        "intervals lie above zero, holds in part if some do, does not hold if all lie below, and is not "
        "settled otherwise. Runs of the profiles paper and subset decide.",
        _above(found, profile),
        found,
    )


def _above(found: Sequence[Comparison], profile: str | None) -> Finding:
    """Whether differences lie above zero: all, some, or none."""
    if not found:
        return "not tested"
    if profile not in LONG_ENOUGH:
        return "not settled"
    above = [c.above for c in found]
    if any(above):
        return "holds" if all(above) else "holds in part"
    return "does not hold" if all(c.below for c in found) else "not settled"


def _neglect(evidence: Evidence) -> Claim:
    profile = _first(evidence)
    found = []
    if profile is not None:
        derived = modality.derived(evidence)
        for rate, words in modality.RATES.items():
            base = modality.runs(derived, profile, rate, "lgl")
            for loss, d in modality.comparisons(derived, profile, rate).items():
                what = f"{NAMES[loss]} minus LGL at {words}"
                found.append(Comparison(what, modality.runs(derived, profile, rate, loss), base, d))
    records = _unique(c.records for c in found)
    return Claim(
        "Networks trained with LGL tell similar classes apart less well than those trained with SML or "
        "LGL-INR.",
        "Multi-modality Neglect Problem; Predictive Results; Further Analysis",
        "The area under the ROC curve between similar classes (four garments, test images), that of SML and "
        "of LGL-INR minus that of LGL, paired by seed, at the paper's learning rate and at equal "
        "steps. It holds if all 95% intervals lie above zero, holds in part if some do, does not hold if all "
        "lie below, and is not settled otherwise. Runs of the profiles paper and subset decide.",
        _above(found, profile),
        basis(records),
        (
            "Area of similar classes: " + "; ".join(f"{c.what} {_area(c.difference)}" for c in found) + ".",
            "Where a lead is there at one learning rate and gone at equal steps, it is one of longer steps. "
            "LGL and LGL-INR are read by one sigmoid a class; the softmax of SML depends on all logits, "
            "which may be a part of its difference from the two.",
        )
        if found
        else (_NO_RUNS,),
        records,
    )


def _area(d: stats.PairedDifference) -> str:
    if math.isnan(d.half):
        return f"{tables.signed(d.mean, 4)} (no interval)"
    return f"{tables.signed(d.mean, 4)} ({tables.signed(d.low, 4)} to {tables.signed(d.high, 4)})"


# --- single classes -----------------------------------------------------------------------------------------


def _classes(evidence: Evidence) -> Claim:
    title = (
        "LGL-INR is right more often than LGL on all classes and than SML on nearly all, and clearly so on "
        "the two on which LGL is weakest."
    )
    where = "Further Analysis; Fig. 1"
    rule = (
        f"Images that are right, class by class, CNN2C. (1) LGL-INR is ahead of LGL on at least {NEARLY_ALL} "
        f"of ten classes, mean over seeds; (2) so of SML; (3) on LGL's {WEAKEST} weakest classes together "
        "its gain over LGL has a 95% interval above zero. The paper's figure is on KMNIST; where that was "
        "not run, another data set stands for it. It holds if all three are so on KMNIST, holds in part if "
        "some are, there or elsewhere, does not hold if none is on KMNIST and the gain lies below zero, and "
        "is not settled otherwise. Only runs at the paper's protocol with several seeds decide."
    )
    whole = {name: each for name, each in evidence.by_profile.items() if name in WHOLE}
    shown = fig1.choose(Evidence(evidence.experiment, evidence.profile, whole)) or fig1.choose(evidence)
    records = () if shown is None else _unique(each.records for each in shown.runs.values())
    if shown is None or any(substituted(r) for r in records):
        return Claim(title, where, rule, "not tested", "no runs", (_NO_RUNS,))
    better, _, _ = fig1.wins(shown)
    weakest = sorted(range(len(shown.classes)), key=lambda i: fig1.confusion(shown, "lgl")[i, i])[:WEAKEST]
    sides = [
        {
            r.seed: float(sum(r.metric(f"count/{i}/{i}") or 0 for i in weakest))
            for r in shown.runs[loss].records
        }
        for loss in ("lgl_inr", "lgl")
    ]
    gain = stats.paired_difference(sides[0], sides[1])
    parts = [better["lgl"] >= NEARLY_ALL, better["sml"] >= NEARLY_ALL, gain.low > 0]
    finding: Finding = "not settled"
    if gain.n > 1 and shown.profile in WHOLE:
        if any(parts):
            finding = "holds" if all(parts) and shown.on_the_papers_data else "holds in part"
        elif shown.on_the_papers_data and gain.high < 0:
            finding = "does not hold"
    interval = (
        "no interval"
        if math.isnan(gain.half)
        else f"95% interval {tables.signed(gain.low, 1)} to {tables.signed(gain.high, 1)}"
    )
    return Claim(
        title,
        where,
        rule,
        finding,
        basis(records),
        (
            f"On {shown.title} LGL-INR is ahead of LGL on {better['lgl']} and of SML on {better['sml']} of "
            f"{len(shown.classes)} classes, mean over {verdict.seeds_text(records)}; the paper has 10 and 9 "
            "on KMNIST.",
            f"LGL's weakest classes are {' and '.join(shown.classes[i] for i in weakest)}. On them LGL-INR "
            f"is right on {tables.signed(gain.mean, 1)} more images ({interval}).",
        ),
        records,
    )


# --- Table 5 ------------------------------------------------------------------------------------------------


def _betas(evidence: Evidence, betas: Iterable[int]) -> list[Comparison]:
    """Accuracy at each beta minus that at beta 1, gradient through the weights."""
    table = {
        float(r["beta"]): float(r["accuracy_percent"])
        for r in published("li2020", "table5").to_dict("records")
    }
    found = []
    for beta in betas:
        paper = table[beta] - table[1] if beta in table else None

        def make(profile: str, beta: int = beta, paper: float | None = paper) -> Comparison | None:
            sides = [evidence.runs(profile, beta=each, detach=False) for each in (beta, 1)]
            if not sides[0].records:
                return None
            dataset = dataset_name(str(sides[0].records[0].labels["dataset"]))
            return compare(f"β = {beta} minus β = 1, CNN2C on {dataset}", *sides, paper=paper)

        chosen = best(evidence, make)
        if chosen is not None:
            found.append(chosen)
    return found


def _beta(evidence: Evidence) -> Claim:
    betas = (2, 4)
    found = _betas(evidence, betas)
    made = [c for c in found if c.profile in WHOLE]
    finding: Finding = "not settled" if found else "not tested"
    if len(made) == len(betas):
        if all(c.same for c in made):
            finding = "holds"
        elif any(not c.same and (c.above or c.below) for c in made):
            finding = "does not hold"
    return _claim(
        "Accuracy is not sensitive to β from 1 to 4, so LGL-INR takes no tuning of it.",
        "Further Analysis; Table 5",
        "Test accuracy at β = 2 and at β = 4 minus that at β = 1, paired by seed, against the least "
        "difference r that the test set resolves. It holds if both 95% intervals lie within -r to r, does "
        "not hold if one excludes zero and reaches beyond, and is not settled otherwise. Only runs at the "
        "paper's protocol decide; the paper's are on KMNIST.",
        finding,
        found,
    )


def _extremes(evidence: Evidence) -> Claim:
    betas = (0, 8, 16)
    found = _betas(evidence, betas)
    made = [c for c in found if c.profile in WHOLE]
    finding: Finding = "not settled" if found else "not tested"
    if len(made) == len(betas):
        if made[0].below and any(c.below for c in made[1:]):
            finding = "holds"
        elif any(c.below for c in made):
            finding = "holds in part"
        elif all(c.difference.low >= -c.resolution for c in made):
            finding = "does not hold"
    return _claim(
        "Small and large values of β are not desirable: it is the reweighting of hard classes that helps.",
        "Further Analysis; Predictive Results",
        "Test accuracy at β = 0 (no reweighting among negatives), 8 and 16 minus that at β = 1, paired by "
        "seed. It holds if the 95% intervals of β = 0 and of a large β lie below zero, holds in part if one "
        "of them does, does not hold if none allows a loss that the test set resolves, and is not settled "
        "otherwise. Only runs at the paper's protocol decide. The paper tests none of these values.",
        finding,
        found,
    )


# --- Table 4 ------------------------------------------------------------------------------------------------


def _cifar10(evidence: Evidence) -> Claim:
    table = {
        (r["network"], r["loss"]): float(r["accuracy_percent"])
        for r in published("li2020", "table4").to_dict("records")
    }
    pairs = (("lgl_inr", "sml"), ("lgl_inr", "lgl"), ("lgl", "sml"))
    found = []
    for network in ("mobilenet_v2", "resnet18"):
        for loss, base in pairs:
            # The short profiles take a step or two: they say nothing of accuracy.
            chosen = best(
                evidence,
                lambda profile, network=network, loss=loss, base=base: compare(  # type: ignore[misc]
                    f"{NAMES[loss]} minus {NAMES[base]}, {NETWORK_NAMES[network]} on CIFAR-10",
                    evidence.runs(profile, network=network, loss=loss),
                    evidence.runs(profile, network=network, loss=base),
                    paper=table[network, loss] - table[network, base],
                ),
                (PAPER,),
            )
            if chosen is not None:
                found.append(chosen)
    return _claim(
        "On CIFAR-10 LGL-INR is more accurate than both others, and LGL more accurate than SML.",
        "Predictive Results; Table 4",
        _MORE_RULE.format(total="six comparisons").replace(
            "in each pair of data set and network", "three comparisons for each of the two networks"
        ),
        more(found, 2 * len(pairs)),
        found,
    )


def _unlike() -> Claim:
    return Claim(
        "LGL is ahead of SML on CIFAR-10, possibly because its classes are less alike.",
        "Predictive Results",
        "It would hold if LGL were ahead of SML on CIFAR-10 at equal steps, and no longer so with classes "
        "added that are hard to tell apart. The paper does not test the reason, and no run here does.",
        "not tested",
        "no runs",
        (_NO_RUNS,),
    )


# --- what is missing ----------------------------------------------------------------------------------------


def missing(sources: Sources, device: str = "auto") -> pd.DataFrame:
    """Return which of the paper's runs have not been made, and what they would cost here.

    A cell counts as run if the record store has any seed of it at the paper's protocol.

    Args:
        sources: The records.
        device: Where the runs would be made.
    """
    rows: dict[tuple[str, str, str], list[Any]] = {}
    for item, evidence in ((TABLE3, sources.table3), (TABLE4, sources.table4), (TABLE5, sources.table5)):
        for pending in experiments.pending(PAPER, item, device=device):
            labels = pending.labels
            if not _made(evidence, labels):
                rows.setdefault((item, labels["network"], labels["dataset"]), []).append(pending)
    return pd.DataFrame(
        {
            "Experiment": item,
            "What": f"{NETWORK_NAMES[network]} on "
            f"{dataset_name(dataset)}{_in_part(item, network, dataset, each)}",
            "Runs": sum(p.count for p in each),
            "Cost here": f"about {duration(sum(p.seconds for p in each))}",
            "Data": "there" if each[0].data_present else "not there",
        }
        for (item, network, dataset), each in rows.items()
    )


def _in_part(item: str, network: str, dataset: str, missing: Sequence[Any]) -> str:
    """Which losses are missing, where others are there."""
    cells = experiments.get(item).profiles[PAPER].cells
    every = sum((c.labels["network"], c.labels["dataset"]) == (network, dataset) for c in cells)
    if len(missing) == every:
        return ""
    return f" ({' and '.join(dict.fromkeys(NAMES[p.labels['loss']] for p in missing))} alone)"


def _made(evidence: Evidence, labels: dict[str, Any]) -> bool:
    """Whether a cell of the paper's protocol has a run."""
    return bool(evidence.runs(PAPER, **labels).records)
