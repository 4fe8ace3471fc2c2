"""Fig. 6 and 7: how many negative classes HS-LR selects, and how sharply SS-LR weighs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lossbook import datasets
from lossbook.evidence.claims import Claim, Measured, Measurement, Verdict, seeds_text
from lossbook.evidence.conditions import Cases, Is, Some
from lossbook.evidence.contrasts import Contrast, Contrasts, Select
from lossbook.evidence.rules import AGAINST, Above, CarriesOver, Gain, OnceWhole
from lossbook.evidence.select import Evidence
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.dong2019 import table2
from lossbook.papers.dong2019.names import DECISIVE, FREQUENCIES, NARROW, OPTIONS, SELECTION, USUAL
from lossbook.papers.dong2019.protocol import REFERENCE_RECIPE, by_name, cell
from lossbook.papers.dong2019.rules import Beyond, Within
from lossbook.papers.dong2019.table1 import PAPER_RECIPE
from lossbook.papers.dong2019.table2 import OMNIGLOT, RECIPES, networks_and_sets
from lossbook.papers.dong2019.table2 import PAPER_RECIPE as PERSONS_RECIPE
from lossbook.results import Record
from lossbook.training import RunSpec

#: Shares of the negative classes that HS-LR selects; so small a share selects one class.
ONE_CLASS = 0.001
SHARES = (ONE_CLASS, 0.1, 0.25, 0.5, 0.75, 1.0)
#: Powers of SS-LR. At r = 0 it is HS-LR at m = 100, which is run once for both.
POWERS = (0.5, 1.0, 2.0, 5.0, 10.0, 50.0)
ALL_CLASSES, NO_POWER = 1.0, 0.0
#: How many classes m stands for: floor(m (K - 1)), as in the paper, or floor(m K), the target's zero among
#: them, as in its published code.
PAPER_COUNT, PUBLISHED_COUNT = "paper", "published"
M, R = 0.25, 2.0
#: Where m and r are set: the m that the paper calls satisfactory, and its r for all but ImageNet.
SET = {"m": "m = 25", "r": "r = 2"}

OBJECTS = "cifar100"


def _base(place: table2.Place, recipe: RunSpec) -> RunSpec:
    """A recipe at the one rate of a place, with the short schedule."""
    return replace(
        recipe,
        optimizer_options={**recipe.optimizer_options, "lr": table2.ONE[place]},
        schedule={"name": "one_cycle", "peak": 1, "start": 0.2},
        epochs=3,
    )


BASES: dict[str, RunSpec] = {
    OBJECTS: _base(table2.LARGER, replace(REFERENCE_RECIPE, dataset=OBJECTS)),
    OMNIGLOT: _base(table2.CHARACTERS, replace(RECIPES[OMNIGLOT], measures=["retrieval_cosine"])),
}
NARROW_BASE = _base(table2.OBJECTS, replace(table2.NARROW_RECIPE, unseen_classes=None))


def selected(base: RunSpec, m: float, count: str = PAPER_COUNT, **changes: Any) -> Cell:
    """HS-LR at a share of the negative classes."""
    options = {**OPTIONS["hs_lr"], "m": m} | ({} if count == PAPER_COUNT else {"count": count})
    labels = {"m": m, "r": None, "count": count}
    return cell(base, "hs_lr", options=options, labels=labels, **changes)


def weighted(base: RunSpec, r: float, **changes: Any) -> Cell:
    """SS-LR at a power of the probability."""
    labels = {"m": None, "r": r, "count": PAPER_COUNT}
    return cell(base, "ss_lr", options={**OPTIONS["ss_lr"], "r": r}, labels=labels, **changes)


def _cells(base: RunSpec, **changes: Any) -> tuple[Cell, ...]:
    """First m = 25 and r = 2, which the paper sets, and the ends."""
    shares = sorted(SHARES, key=lambda m: m not in (M, ALL_CLASSES, ONE_CLASS))
    powers = sorted(POWERS, key=lambda r: r not in (R, POWERS[-1]))
    return (
        *(selected(base, m, **changes) for m in shares[:3]),
        *(weighted(base, r, **changes) for r in powers[:2]),
        *(selected(base, m, **changes) for m in shares[3:]),
        *(weighted(base, r, **changes) for r in powers[2:]),
        selected(base, M, PUBLISHED_COUNT, **changes),
    )


def _started(base: RunSpec, **changes: Any) -> tuple[Cell, ...]:
    """m = 25, r = 2 and all negative classes, with biases at -log(K - 1), which the paper does not try."""
    return (
        *(selected(base, m, start=FREQUENCIES, **changes) for m in (M, ALL_CLASSES)),
        weighted(base, R, start=FREQUENCIES, **changes),
    )


EXPERIMENT = Experiment(
    name=SELECTION,
    title="Fig. 6 and 7: how many negative classes are selected, and how sharply they are weighed",
    profiles=by_name(
        Profile(
            PAPER,
            "ResNet-32 for 300 epochs on CIFAR-100, and ResNet-50 on Market-1501; the text names neither",
            (*_cells(PAPER_RECIPE), *_cells(PERSONS_RECIPE)),
            seeds=10,
        ),
        Profile(
            "reference",
            "the reference network for 3 epochs, on CIFAR-100 and on Omniglot with retrieval, at one rate",
            tuple(each for base in BASES.values() for each in (*_cells(base), *_started(base))),
            seeds=5,
        ),
        Profile(
            NARROW,
            "a narrow reference network for 3 epochs on CIFAR-100, at one rate",
            (*_cells(NARROW_BASE), *_started(NARROW_BASE)),
            seeds=5,
        ),
        Profile(
            "quick",
            "1,999 images of CIFAR-100 for 3 epochs",
            _cells(BASES[OBJECTS], batch_size=100, train_size=1999, test_size=999),
            seeds=1,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs on another network, to see that everything runs",
            _cells(
                BASES[OBJECTS],
                dataset="digits",
                model="keras_mnist_cnn",
                augmentation="none",
                batch_size=32,
                epochs=2,
                lr=0.1,
                train_size=128,
                test_size=100,
            ),
            seeds=3,
        ),
    ),
)


# --- what is compared ---------------------------------------------------------------------------------------

#: What is measured of each data set, and its name.
MEASURES: Mapping[str, Mapping[str, str]] = {
    OBJECTS: {"test_accuracy": "accuracy"},
    OMNIGLOT: {"rank_1": "rank-1", "map": "mAP"},
}
#: High and low shares of the negative classes, for "a high value of m".
HIGH, LOW = (0.75, 1.0), (ONE_CLASS, 0.1, 0.25)
#: What "a reasonable range" of r is taken to be; and the powers outside. The paper has 50 on ImageNet.
REASONABLE, OUTSIDE = (0.5, 1.0, 5.0, 10.0), (NO_POWER, 50.0)
#: Points within which a setting makes no difference.
MARGIN = 1.0
SHORT = "one small network on a short schedule cannot show it in general"


def at_share(
    dataset: str, m: float, count: str = PAPER_COUNT, measure: str = "", start: str = USUAL
) -> Select:
    """HS-LR at a share of the negative classes."""
    return Select({"dataset": dataset, "loss": "hs_lr", "m": m, "count": count, "start": start}, measure)


def at_power(dataset: str, r: float, measure: str = "", start: str = USUAL) -> Select:
    """SS-LR at a power of the probability; at 0 it is HS-LR on all negative classes."""
    if r == NO_POWER:
        return at_share(dataset, ALL_CLASSES, measure=measure, start=start)
    return Select({"dataset": dataset, "loss": "ss_lr", "r": r, "start": start}, measure)


def percent(m: float) -> str:
    """A share of the classes as the paper has it."""
    return "one class" if m == ONE_CLASS else f"m = {100 * m:g}"


def _contrast(dataset: str, measure: str, what: str, left: Select, right: Select) -> Contrast:
    where = f"{MEASURES[dataset][measure]} on {datasets.info(dataset).title}"
    return Contrast(f"{what}, {where}", left, right, resolved=measure == "test_accuracy")


def shares(dataset: str, measure: str, left: float, right: float) -> Contrast:
    """One share of the negative classes minus another."""
    sides = [at_share(dataset, m, measure=measure) for m in (left, right)]
    return _contrast(dataset, measure, f"{percent(left)} minus {percent(right)}", *sides)


def powers(dataset: str, measure: str, r: float) -> Contrast:
    """A power minus r = 2."""
    sides = [at_power(dataset, each, measure) for each in (r, R)]
    return _contrast(dataset, measure, f"r = {r:g} minus r = {R:g}", *sides)


def published_count(dataset: str, measure: str) -> Contrast:
    """The published code's count of classes minus the paper's, at m = 25."""
    sides = [at_share(dataset, M, count, measure) for count in (PUBLISHED_COUNT, PAPER_COUNT)]
    return _contrast(dataset, measure, f"Count of the published code minus the paper's, {percent(M)}", *sides)


def started(dataset: str, measure: str) -> dict[str, Contrast]:
    """What biases at -log(K - 1) change at m = 25, at r = 2 and at m = 100, by setting."""
    low, usual = (
        {
            f"HS-LR at {percent(M)}": at_share(dataset, M, measure=measure, start=start),
            f"HS-LR at {percent(ALL_CLASSES)}": at_share(dataset, ALL_CLASSES, measure=measure, start=start),
            f"SS-LR at r = {R:g}": at_power(dataset, R, measure, start),
        }
        for start in (FREQUENCIES, USUAL)
    )
    return {name: _contrast(dataset, measure, name, low[name], usual[name]) for name in low}


def basis(records: Sequence[Record]) -> str:
    """On what runs a finding rests."""
    if not records:
        return "no runs"
    if {r.profile for r in records} == {PAPER}:
        return f"the paper's protocol ({seeds_text(records)})"
    return f"{networks_and_sets(records)}, a few epochs ({seeds_text(records)})"


_WHERE = "Further Analysis and Discussion, Parameter Analysis"
_EVERY = [(dataset, measure) for dataset, measures in MEASURES.items() for measure in measures]

M_MATTERS = Claim(
    "m-matters",
    "A good selection of m is important.",
    f"{_WHERE}; Fig. 6",
    f"HS-LR at every other m minus HS-LR at {percent(M)}, paired by seed. The margin is this book's.",
    {"": Contrasts(SELECTION, [shares(*each, m, M) for each in _EVERY for m in SHARES if m != M])},
    CarriesOver(Beyond(MARGIN), SHORT),
    DECISIVE,
    basis=basis,
)
M_OBJECTS = Claim(
    "m-objects",
    "For the classification of objects a high m is preferred.",
    f"{_WHERE}; Fig. 6",
    "Test accuracy of HS-LR at m = 75 and 100 minus that at one class, m = 10 and m = 25, paired by seed.",
    {"": Contrasts(SELECTION, [shares(OBJECTS, "test_accuracy", high, low) for high in HIGH for low in LOW])},
    CarriesOver(OnceWhole(Gain()), SHORT),
    DECISIVE,
    basis=basis,
)
M_RETRIEVAL = Claim(
    "m-retrieval",
    "A high m hurts the identification of persons.",
    f"{_WHERE}; Fig. 6",
    "Rank-1 and mAP among characters never seen, of HS-LR at one class, m = 10 and m = 25 minus those at "
    "m = 75 and 100, paired by seed.",
    {
        "": Contrasts(
            SELECTION,
            [
                shares(OMNIGLOT, measure, low, high)
                for measure in MEASURES[OMNIGLOT]
                for low in LOW
                for high in HIGH
            ],
        )
    },
    CarriesOver(
        OnceWhole(Above()), "one small network on a short schedule, and characters instead of persons"
    ),
    DECISIVE,
    basis=basis,
)
R_ROBUST = Claim(
    "r-robust",
    "Within a reasonable range, performance is not sensitive to r.",
    f"{_WHERE}; Rectification by Negative Class Soft Selection; Fig. 7",
    f"SS-LR at r = 0.5, 1, 5 and 10 minus SS-LR at r = {R:g}, paired by seed. The paper gives no "
    "range, and the margin is this book's.",
    {"": Contrasts(SELECTION, [powers(*each, r) for each in _EVERY for r in REASONABLE])},
    CarriesOver(Within(MARGIN), SHORT),
    DECISIVE,
    basis=basis,
)


def favourable(evidence: Evidence) -> Measurement:
    """What is found of the two claims from which it follows that SS-LR is the loss that is easier to set."""
    matters, robust = (claim.judge({SELECTION: evidence}) for claim in (M_MATTERS, R_ROBUST))
    findings = [matters.finding, robust.finding]
    records = (*matters.records, *robust.records)
    return Measurement(
        {} if "not tested" in findings else {"premises": findings},
        (
            f"That a good m is important: {matters.finding}. That r matters little: {robust.finding}.",
            *(f"The largest difference: {w}." for w in (_farthest(matters), _farthest(robust)) if w),
        ),
        records,
        basis=basis(records),
    )


def _farthest(verdict: Verdict) -> str:
    found = max(verdict.differences, key=lambda d: abs(d.interval.mean), default=None)
    return "" if found is None else f"{found.what}, {found.in_words()}"


FAVOURABLE = Measured(
    "ss-favourable",
    "As r matters little and m much, soft selection is a favourable choice over hard selection in terms of "
    "parameter selection.",
    _WHERE,
    "It follows from two other claims, that a good m is important and that r matters little.",
    {"": favourable},
    Cases(
        (
            *((against, Some((Is("premises", "=", against, "one of them {}"),))) for against in AGAINST),
            ("holds in part", Is("premises", "=", "holds in part", "each of them {}")),
        ),
        "not settled",
    ),
    (SELECTION,),
)

CLAIMS = (M_MATTERS, M_OBJECTS, M_RETRIEVAL, R_ROBUST, FAVOURABLE)


def number(verdict: Verdict) -> str:
    """The difference of a claim that is farthest from zero, in words; nothing without runs."""
    farthest = _farthest(verdict)
    return f"The largest of {len(verdict.differences)} differences: {farthest}." if farthest else ""


def follows(key: str, verdict: Verdict) -> str:
    """What follows from a finding for someone who sets m or r; may be nothing."""
    what = {M_MATTERS.key: "m", R_ROBUST.key: "r"}.get(key)
    if what is None:
        return ""
    shown, refuted = verdict.finding == "holds in part", verdict.finding in AGAINST
    if refuted if what == "m" else shown:
        return f"keep {SET[what]}: these runs show nothing to be gained by tuning it."
    if not (shown if what == "m" else refuted):
        return ""
    better = max((d for d in verdict.differences if d.above), key=lambda d: d.interval.mean, default=None)
    if better is None:
        return f"choose {what} on validation data if you change it from {SET[what]}, as {what} matters."
    return f"choose {what} on validation data. {better.what}: {better.short()}."


def published_count_sentences(evidence: Evidence) -> list[str]:
    """What the published code's count changes, measure by measure; nothing without runs."""
    found = (published_count(*each).measure(evidence, DECISIVE) for each in _EVERY)
    return [f"{d.what}: {d.in_words()}." for d in found if d is not None]


def started_sentences(evidence: Evidence) -> list[str]:
    """What starting the biases at -log(K - 1) changes, measure by measure; nothing without runs."""
    said = []
    for dataset, measure in _EVERY:
        made = {name: c.measure(evidence, DECISIVE) for name, c in started(dataset, measure).items()}
        found = [f"{name} {d.short()}" for name, d in made.items() if d is not None]
        if found:
            where = f"{MEASURES[dataset][measure]} on {datasets.info(dataset).title}"
            said.append(f"Minus biases at 0, {where}, in points: {', '.join(found)}.")
    return said
