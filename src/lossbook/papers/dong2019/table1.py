"""Table 1: the four losses on images of objects, by number of classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import pandas as pd

from lossbook.evidence import stats, tables
from lossbook.evidence.choosing import best_rates
from lossbook.evidence.claims import Claim, Verdict, seeds_text
from lossbook.evidence.contrasts import Contrast, Contrasts, Difference, Select
from lossbook.evidence.grids import not_run
from lossbook.evidence.rules import Above, CarriesOver, Gain, NoLoss, OnceWhole
from lossbook.evidence.select import Evidence, dataset_name, is_trial, substituted
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.dong2019.names import (
    BASELINE,
    CHOSEN_AT,
    DECISIVE,
    FREQUENCIES,
    LARGE_NETWORK,
    LOGISTIC,
    LOSSES,
    NAMES,
    NETWORK_NAMES,
    ONE,
    OPTIONS,
    OWN,
    PRINTED_DATASETS,
    PRINTED_NETWORKS,
    RATES,
    REFERENCE,
    SMALL_NETWORK,
    STARTS,
    TABLE1,
    USUAL,
    named,
)
from lossbook.papers.dong2019.protocol import REFERENCE_RECIPE, by_name, cell
from lossbook.results import Record, published
from lossbook.training import RunSpec

#: What is compared besides the losses as they are: LR with its biases at -log(K - 1).
Variant = tuple[str, str]
USUAL_STARTS: tuple[Variant, ...] = tuple((loss, USUAL) for loss in LOSSES)
LR_FREQUENCIES: Variant = ("lr", FREQUENCIES)

#: The one rate of all losses, as in the paper: that of the recipe.
ONE_RATE = float(REFERENCE_RECIPE.optimizer_options["lr"])
#: Learning rates that are tried on validation images. On ten classes 0.1 is left out: CE, LR and SS-LR all
#: did worst at it in the synthesis's head-to-head: for these the least rate tried here is no end.
TRIED: Mapping[str, tuple[float, ...]] = {"cifar100": (0.1, 0.3, 1.0, 3.0), "cifar10": (0.3, 1.0, 3.0)}
LOWER_ELSEWHERE = tuple(("cifar10", loss, USUAL) for loss in ("ce", "lr", "ss_lr"))
#: How: in short runs, measured on training images that are held out, evenly spaced. Of a copy of CIFAR-100
#: that has one image of each class after another, every tenth would be of ten classes alone, and 4,999 are of
#: all. On CIFAR-10 it is done as in the synthesis's head-to-head, whose runs are some of these.
TRIALS: Mapping[str, Mapping[str, Any]] = {
    "cifar100": {"epochs": 4, "validation_size": 4999},
    "cifar10": {"epochs": 6, "validation_size": 5000},
}
#: A loss that reaches less than this part of CE's accuracy in them is still far behind.
SLOW = 0.6
#: A record of the head-to-head counts here where the run is the same.
ALSO = ("synthesis/head_to_head",)
#: So SS-LR has no options here, as there: the loss's defaults are the paper's r and beta.
AS_THERE: Mapping[str, Mapping[str, Any]] = {"ss_lr": {}}
#: What a rate is chosen for.
CHOSEN: Mapping[str, tuple[Variant, ...]] = {
    "cifar100": (*USUAL_STARTS, LR_FREQUENCIES),
    "cifar10": USUAL_STARTS,
}
#: Each one's own rate: what :func:`choose` makes of the records of ``rates``.
OWN_RATE: dict[tuple[str, str, str], float] = {
    ("cifar100", "ce", USUAL): 1.0,
    ("cifar100", "lr", USUAL): 3.0,
    ("cifar100", "hs_lr", USUAL): 1.0,
    ("cifar100", "ss_lr", USUAL): 3.0,
    ("cifar100", "lr", FREQUENCIES): 1.0,
    ("cifar10", "ce", USUAL): 1.0,
    ("cifar10", "lr", USUAL): 0.3,
    ("cifar10", "hs_lr", USUAL): 0.3,
    ("cifar10", "ss_lr", USUAL): 1.0,
}

#: Hard selection on CE, in the two readings of the paper's words. It names no m here: that of HS-LR is taken.
HARD_CE: Mapping[str, Mapping[str, Any]] = {
    "hs_ce": {"m": 0.25, "beta": 10.0},
    "selected_ce": {"m": 0.25},
}

#: The paper's protocol. It says nothing of the schedule beyond its initial rate: the drops are those of
#: He et al., at half and at three quarters of training.
PAPER_RECIPE = RunSpec(
    dataset="cifar100",
    model=SMALL_NETWORK,
    loss="ce",
    optimizer="sgd",
    optimizer_options={"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
    schedule={"name": "steps", "at": [150, 225]},
    augmentation="crop_flip",
    pixels="standardised",
    batch_size=128,
    epochs=300,
)
#: ResNet-32 on a thirtieth of the paper's epochs, dropping the rate at the same parts of them.
SHORT = 10
RESNET32_RECIPE = replace(
    PAPER_RECIPE,
    epochs=SHORT,
    schedule={"name": "steps", "at": [SHORT / 2, 3 * SHORT / 4]},
    precision="native",
)

#: What is measured of a run on CIFAR-100: Fig. 2 by step, Fig. 1 at the end.
MEASURES: Mapping[str, Any] = {"step_measures": ["parts"], "measures": ["class_quality"]}
#: Besides, where the figure of features shows the run.
PICTURED: Mapping[str, Any] = {**MEASURES, "measures": ["class_quality", "class_features"]}


def choose(records: Iterable[Record]) -> dict[tuple[str, str, str], float]:
    """The rate of each data set, loss and start with the highest last accuracy; of equal ones the least.

    One is left out until every one of its rates has a run. A run that broke down is never chosen.

    Args:
        records: Those of the profile ``rates``, whose accuracies are those of validation images.
    """
    return best_rates(records, ["dataset", "loss", "start"], lambda dataset, *_: TRIED.get(dataset, ()))


def _reference() -> tuple[Cell, ...]:
    """Most informative first, since runs are made seed by seed; a rate that is both is run once."""
    started = [(loss, FREQUENCIES) for loss in LOGISTIC]
    wanted: list[tuple[str, Variant, float, Mapping[str, Any]]] = [
        ("cifar100", variant, ONE_RATE, PICTURED) for variant in (*USUAL_STARTS, LR_FREQUENCIES)
    ]
    wanted += [("cifar100", each, OWN_RATE["cifar100", *each], MEASURES) for each in CHOSEN["cifar100"]]
    wanted += [("cifar10", each, ONE_RATE, {}) for each in USUAL_STARTS]
    wanted += [("cifar10", each, OWN_RATE["cifar10", *each], {}) for each in CHOSEN["cifar10"]]
    wanted += [("cifar10", LR_FREQUENCIES, ONE_RATE, {})]
    wanted += [("cifar100", each, ONE_RATE, MEASURES) for each in started if each != LR_FREQUENCIES]
    wanted += [("cifar100", (loss, USUAL), ONE_RATE, {}) for loss in HARD_CE]
    cells: dict[tuple[str, Variant, float], Cell] = {}
    for dataset, (loss, start), lr, measured in wanted:
        options = HARD_CE.get(loss, AS_THERE.get(loss))
        made = cell(REFERENCE_RECIPE, loss, start=start, lr=lr, options=options, dataset=dataset, **measured)
        cells.setdefault((dataset, (loss, start), lr), made)
    return tuple(cells.values())


def _rates() -> tuple[Cell, ...]:
    return tuple(
        cell(
            REFERENCE_RECIPE,
            loss,
            start=start,
            lr=lr,
            options=AS_THERE.get(loss),
            dataset=dataset,
            **TRIALS[dataset],
        )
        for dataset, variants in CHOSEN.items()
        for loss, start in variants
        for lr in TRIED[dataset]
    )


def _small(**changes: Any) -> tuple[Cell, ...]:
    variants = [*USUAL_STARTS, *((loss, FREQUENCIES) for loss in LOGISTIC)]
    variants += [(loss, USUAL) for loss in HARD_CE]
    return tuple(
        cell(REFERENCE_RECIPE, loss, start=start, options=HARD_CE.get(loss), **PICTURED, **changes)
        for loss, start in variants
    )


def _paper(model: str) -> tuple[Cell, ...]:
    # m is "in the range of [25, 75] by a grid search on the validation dataset".
    shares = (0.25, 0.5, 0.75)
    cells = []
    for dataset, batch in (("cifar10", 128), ("cifar100", 128), ("tiny_imagenet", 64)):
        # Fig. 1 is of CIFAR-100. Nothing is measured by step: runs of 300 epochs have up to 469,000.
        seen = {"measures": PICTURED["measures"]} if dataset == "cifar100" else {}
        base = replace(PAPER_RECIPE, dataset=dataset, batch_size=batch, model=model, **seen)
        cells += [cell(base, loss, labels={"m": None}) for loss in LOSSES if loss != "hs_lr"]
        cells += [cell(base, "hs_lr", options={**OPTIONS["hs_lr"], "m": m}, labels={"m": m}) for m in shares]
    return tuple(cells)


def _wide() -> tuple[Cell, ...]:
    """With the large network the paper also has hard selection on CE, on CIFAR-100."""
    base = replace(PAPER_RECIPE, model=LARGE_NETWORK)
    hard = (cell(base, loss, options=HARD_CE[loss], labels={"m": None}) for loss in HARD_CE)
    return (*_paper(LARGE_NETWORK), *hard)


EXPERIMENT = Experiment(
    name=TABLE1,
    title="Table 1: the four losses on images of objects",
    also=ALSO,
    profiles=by_name(
        Profile(
            PAPER,
            "ResNet-32 and WideResNet-28-10 for 300 epochs on CIFAR-10, CIFAR-100 and Tiny ImageNet; HS-LR "
            "with m = 25, 50, 75",
            (*_paper(SMALL_NETWORK), *_wide()),
            seeds=10,
        ),
        Profile(
            "resnet32",
            f"the paper's ResNet-32 and settings on CIFAR-100, for {SHORT} epochs instead of 300; LR from "
            "low biases as well",
            tuple(
                cell(RESNET32_RECIPE, loss, start=start, measures=["class_quality"])
                for loss, start in (*USUAL_STARTS, LR_FREQUENCIES)
            ),
            seeds=3,
        ),
        Profile(
            "reference",
            "the reference network for 9 epochs on CIFAR-100 and CIFAR-10, at one rate and at own rates",
            _reference(),
            seeds=5,
        ),
        Profile(
            CHOSEN_AT,
            "short runs of the reference network, measured on training images that are held out",
            _rates(),
            seeds=1,
        ),
        Profile(
            "quick",
            "2 epochs on 1,999 images of CIFAR-100",
            _small(epochs=2, batch_size=100, train_size=1999, test_size=999),
            seeds=1,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs on another network, to see that everything runs",
            _small(
                dataset="digits",
                model="keras_mnist_cnn",
                augmentation="none",
                batch_size=32,
                epochs=2,
                lr=0.1,
                train_size=128,
                test_size=100,
            ),
            seeds=2,
        ),
    ),
)


# --- from records to numbers --------------------------------------------------------------------------------

#: Why no claim of the paper holds whole here.
SMALL = "one small network on a short schedule cannot show it in general"


@cache
def printed() -> dict[tuple[str, str, str], float]:
    """Table 1 of the paper: network, data set, loss -> accuracy in percent."""
    rows = published("dong2019", "table1").to_dict("records")
    return {(r["network"], r["dataset"], r["loss"]): float(r["accuracy_percent"]) for r in rows}


def paper_lead(dataset: str, loss: str, other: str, network: str = SMALL_NETWORK) -> float | None:
    """A loss minus another in the paper, in points; None where the text at hand has not both.

    Args:
        dataset: The data set, by its name here.
        loss: The one.
        other: What is subtracted.
        network: The network, by its name here.
    """
    found = [
        printed().get((PRINTED_NETWORKS[network], _printed_dataset(dataset), each)) for each in (loss, other)
    ]
    return None if found[0] is None or found[1] is None else round(found[0] - found[1], 1)


def _printed_dataset(dataset: str) -> str:
    return PRINTED_DATASETS.get(dataset, dataset)


def only(evidence: Evidence, dataset: str) -> Evidence:
    """The runs on one data set that can be compared, without the notes on others; small versions are kept.

    Args:
        evidence: The records.
        dataset: The data set, by its name here.
    """
    kept = {
        profile: [r for r in records if is_trial(profile) or r.labels["dataset"] == dataset]
        for profile, records in evidence.by_profile.items()
        if profile != CHOSEN_AT
    }
    found = replace(evidence, by_profile={profile: records for profile, records in kept.items() if records})
    others = {dataset_name(r.config["dataset"]) for r in evidence.records} - {
        dataset_name(r.config["dataset"]) for r in found.records
    }
    return replace(found, notes=tuple(n for n in evidence.notes if n.partition(": ")[0] not in others))


def which(
    dataset: str, loss: str, start: str, rates: str, profile: str, network: str = SMALL_NETWORK
) -> Mapping[str, Any] | None:
    """The labels that name a cell at a profile; None where it has none, or only ones that choose a rate.

    Args:
        dataset: The data set.
        loss: The loss.
        start: Where the biases start.
        rates: At the one rate, or at its own; only the reference network is run at both.
        profile: The profile.
        network: One of the paper's; other profiles than its own have one network each.
    """
    labels = {"dataset": dataset, "loss": loss, "start": start}
    if profile == CHOSEN_AT:
        return None
    if profile == PAPER:
        return labels | {"network": network, "m": 0.25 if loss == "hs_lr" else None}
    if profile == REFERENCE:
        lr = ONE_RATE if rates == ONE else OWN_RATE.get((dataset, loss, start))
        return None if lr is None else labels | {"lr": lr}
    return labels if rates == ONE else None


def select(
    dataset: str, loss: str, start: str = USUAL, rates: str = ONE, network: str = SMALL_NETWORK, **more: Any
) -> Select:
    """The runs of a loss, at whatever profile; see :func:`which`."""
    return Select({}, chosen=lambda _, profile: which(dataset, loss, start, rates, profile, network), **more)


def minus(
    dataset: str,
    loss: str,
    other: str,
    *,
    start: str = USUAL,
    rates: str = ONE,
    other_start: str = USUAL,
    network: str = SMALL_NETWORK,
) -> Contrast:
    """Test accuracy of a loss minus that of another, beside the paper's.

    Args:
        dataset: The data set.
        loss: The one.
        other: What is subtracted.
        start: Where the biases start.
        rates: Both at the one rate, or each at its own.
        other_start: Where those of the other start.
        network: The paper's network that is asked about.
    """
    usual = start == other_start == USUAL
    which_one = "" if network == SMALL_NETWORK else f" with {NETWORK_NAMES[network]}"
    sides = f"{named(loss, start)} minus {named(other, other_start)}{which_one}"
    return Contrast(
        f"{sides} on {{left[dataset]}}, {RATES[rates]}",
        select(dataset, loss, start, rates, network),
        select(dataset, other, other_start, rates, network),
        paper=paper_lead(dataset, loss, other, network) if usual else None,
    )


def basis(records: Sequence[Record], paper: str = "the paper has ResNet-32 for 300 epochs, 10 runs") -> str:
    """On what runs a finding rests, and what the paper has in their place."""
    if not records:
        return "no runs"
    networks = sorted({NETWORK_NAMES.get(r.labels["network"], r.labels["network"]) for r in records})
    epochs = " or ".join(str(n) for n in sorted({r.labels["epochs"] for r in records}))
    return f"the {' and the '.join(networks)} for {epochs} epochs, {seeds_text(records)}; {paper}"


#: The paper's figures do not say which network they are from.
figure_basis = partial(basis, paper="the paper does not name its network")


def _both(pairs: Sequence[tuple[str, str, str]]) -> dict[str, Contrasts]:
    """The same comparisons at one rate and at own rates, as two readings."""
    return {
        RATES[rates]: Contrasts(TABLE1, [minus(*pair, rates=rates) for pair in pairs], optional=rates == OWN)
        for rates in (ONE, OWN)
    }


_MEASURED = (
    "Test accuracy after the last epoch, paired by seed; at one rate for all losses, as in the paper, "
)
_RATED = _MEASURED + "and with each loss at its own rate."

#: The paper's data sets of objects.
OBJECTS = ("cifar10", "cifar100", "tiny_imagenet")


def _large_leads() -> str:
    """The paper's own differences of HS-LR from CE with its large network, set by set."""
    leads = {dataset: paper_lead(dataset, "hs_lr", BASELINE, LARGE_NETWORK) for dataset in OBJECTS}
    return ", ".join(
        f"{tables.signed(lead, 1)} on {dataset_name(dataset)}"
        for dataset, lead in leads.items()
        if lead is not None
    )


LR_FALLS_BEHIND = Claim(
    "lr-many-classes",
    "With many classes LR is clearly less accurate than CE.",
    "Evaluation of Table 1, observation (1)",
    f"CE minus LR on CIFAR-100. {_RATED}",
    _both([("cifar100", "ce", "lr")]),
    CarriesOver(OnceWhole(Gain()), SMALL),
    DECISIVE,
    basis=basis,
)
LR_ON_A_PAR = Claim(
    "lr-ten-classes",
    "With ten classes LR is on a par with CE or slightly better.",
    "Evaluation of Table 1, observation (1)",
    f"LR minus CE on CIFAR-10. {_RATED}",
    _both([("cifar10", "lr", "ce")]),
    CarriesOver(NoLoss(), SMALL),
    DECISIVE,
    basis=basis,
)
BEYOND_LR = Claim(
    "beyond-lr",
    "HS-LR and SS-LR notably improve on LR.",
    "Evaluation of Table 1, observation (2)",
    f"HS-LR minus LR and SS-LR minus LR on CIFAR-100 and CIFAR-10. {_RATED}",
    _both([(dataset, loss, "lr") for dataset in ("cifar100", "cifar10") for loss in ("hs_lr", "ss_lr")]),
    CarriesOver(OnceWhole(Gain()), SMALL),
    DECISIVE,
    basis=basis,
)
BEYOND_CE = Claim(
    "beyond-ce",
    "HS-LR and SS-LR outperform CE.",
    "Evaluation of Table 1, observation (2)",
    'The paper adds "especially on tasks with more classes", which is a claim of its own here. '
    f"HS-LR minus CE and SS-LR minus CE on CIFAR-100 and CIFAR-10. {_RATED}",
    _both([(dataset, loss, "ce") for dataset in ("cifar100", "cifar10") for loss in ("hs_lr", "ss_lr")]),
    CarriesOver(OnceWhole(Gain()), SMALL),
    DECISIVE,
    basis=basis,
)
SOFT_BEST = Claim(
    "soft-best",
    "Soft selection consistently generalises better than hard selection on objects.",
    "Evaluation of Table 1, observation (3)",
    "The paper calls it the best; other claims compare it with CE and LR. SS-LR minus HS-LR on CIFAR-100 "
    f"and CIFAR-10. {_RATED}",
    _both([(dataset, "ss_lr", "hs_lr") for dataset in ("cifar100", "cifar10")]),
    CarriesOver(OnceWhole(Gain()), SMALL),
    DECISIVE,
    basis=basis,
)
LARGE_NETWORKS = Claim(
    "large-networks",
    "Large networks benefit from HS-LR and SS-LR as small ones do.",
    "Evaluation of Table 1, observation (4)",
    "HS-LR and SS-LR minus CE with WideResNet-28-10, on the paper's three data sets. The paper does not say "
    "over what they benefit; that it means CE is this book's reading. HS-LR has m = 25%, which the paper "
    "calls satisfactory; for each set it chose between 25 and 75. The paper's own differences for HS-LR, in "
    f"points: {_large_leads()}. Its row of SS-LR is missing from the text at hand.",
    {
        "": Contrasts(
            TABLE1,
            [
                minus(dataset, loss, BASELINE, network=LARGE_NETWORK)
                for dataset in OBJECTS
                for loss in ("hs_lr", "ss_lr")
            ],
            only=(PAPER,),
        )
    },
    OnceWhole(Gain()),
    basis=partial(basis, paper="the paper has the same for 10 runs"),
)


@dataclass(frozen=True)
class _FromMiddle(Difference):
    """A difference from the middle of two sides; its records are those of all three."""

    others: tuple[Record, ...] = ()

    @property
    def records(self) -> tuple[Record, ...]:
        return (*super().records, *self.others)


@dataclass(frozen=True)
class Halfway(Contrast):
    """A contrast with the middle between two selections: the other one and the right side.

    Attributes:
        other: The other one.
    """

    other: Select = field(kw_only=True)

    def at(self, evidence: Evidence, profile: str) -> Difference | None:
        """The difference at one profile; None without a seed that all three share."""
        found = super().at(evidence, profile)
        if found is None:
            return None
        more = self.other.runs(evidence, profile)
        mine, low, high = self.left.values(found.runs), self.right.values(found.base), self.other.values(more)
        middle = {seed: (low[seed] + high[seed]) / 2 for seed in low.keys() & high.keys()}
        if not middle.keys() & mine.keys() or any(substituted(r) for r in more.records):
            return None
        interval = stats.paired_difference(mine, middle)
        return _FromMiddle(self, found.runs, found.base, interval, found.resolution, others=more.records)


def _closes_half(rates: str) -> Contrast:
    return Halfway(
        f"LR from biases at −log(K − 1) minus the middle of LR and CE on {{left[dataset]}}, {RATES[rates]}",
        select("cifar100", "lr", FREQUENCIES, rates),
        select("cifar100", "lr", USUAL, rates),
        other=select("cifar100", BASELINE, USUAL, rates),
        resolved=False,
    )


OBSTACLE = Claim(
    "main-obstacle",
    "Negative class distraction is the main obstacle to LR in single-label classification.",
    "Introduction, contribution (2); The Negative Class Distraction Problem",
    "With biases at −log(K − 1) both sides have the same gradient at the first step and nearly so "
    "afterwards; the loss itself is unchanged. If that start closes more than half of the gap to CE, we take "
    "the distraction, with the overshoot that follows it, for most of what holds LR back; the runs do not "
    "separate the two, and the start also makes the first losses smaller. "
    "Tested where there is a gap: accuracy of LR from there on CIFAR-100, minus the middle between LR as it "
    "is and CE, paired by seed; at one rate for all losses, and with each at its own.",
    {RATES[rates]: Contrasts(TABLE1, [_closes_half(rates)], optional=rates == OWN) for rates in (ONE, OWN)},
    CarriesOver(Above(), SMALL),
    DECISIVE,
    basis=basis,
)
CLAIMS = (LR_FALLS_BEHIND, OBSTACLE, LR_ON_A_PAR, BEYOND_LR, BEYOND_CE, SOFT_BEST, LARGE_NETWORKS)


def remedy(dataset: str, rates: str = ONE) -> tuple[Contrast, Contrast]:
    """LR with its biases at -log(K - 1), minus LR as it is and minus CE; the paper has neither."""
    return (
        minus(dataset, "lr", "lr", start=FREQUENCIES, rates=rates),
        minus(dataset, "lr", BASELINE, start=FREQUENCIES, rates=rates),
    )


def follows(key: str, verdict: Verdict, evidence: Evidence) -> str:
    """What follows from a claim's runs for someone who chooses a loss; may be nothing.

    Args:
        key: The claim.
        verdict: Its finding.
        evidence: The records.
    """
    made = [d for d in verdict.differences if d.profile in DECISIVE and d.interval.bounded]
    ahead, behind = any(d.above for d in made), any(d.below for d in made)
    if key == LR_FALLS_BEHIND.key:
        gains = _by_rates(lambda rates: remedy("cifar100", rates)[0], evidence)
        if gains and all(d.above for d in gains.values()):
            over_ce = decided(remedy("cifar100")[1], evidence)
            then = f" LR minus CE is then {over_ce.short()} at one rate." if over_ce else ""
            return (
                "start LR's output biases at −log(K − 1) where there are many classes: on CIFAR-100 that "
                f"gains {_listed(gains)} points.{then}"
            )
    if key == BEYOND_LR.key:
        beside = _by_rates(
            lambda rates: minus("cifar100", "ss_lr", "lr", other_start=FREQUENCIES, rates=rates), evidence
        )
        said = f"SS-LR minus LR from there, in points on CIFAR-100: {_listed(beside)}."
        if beside and all(d.above for d in beside.values()):
            return f"SS-LR is also ahead of LR whose biases start at −log(K − 1). {said}"
        if beside and all(d.below for d in beside.values()):
            return f"start LR's biases at −log(K − 1) rather than change the loss. {said}"
        if beside:
            return (
                "SS-LR is not shown to be ahead of LR whose biases start at −log(K − 1), which is the "
                f"smaller change. {said}"
            )
    if key == BEYOND_CE.key and made:
        if not ahead:
            return "for accuracy alone, these runs give no reason to leave CE."
        if not behind:
            return "HS-LR and SS-LR are worth a try beside CE, each at a learning rate of its own."
        return (
            "which loss is ahead depends on the data and on the learning rate: compare them on your own data."
        )
    if key == SOFT_BEST.key and ahead and not behind:
        beside = _by_rates(
            lambda rates: minus(
                "cifar100", "ss_lr", "hs_lr", start=FREQUENCIES, other_start=FREQUENCIES, rates=rates
            ),
            evidence,
        )
        there = f" From low biases SS-LR minus HS-LR is, on CIFAR-100, {_listed(beside)}." if beside else ""
        return f"where you select at all, try the soft selection first.{there}"
    return ""


def _by_rates(contrast: Callable[[str], Contrast], evidence: Evidence) -> dict[str, Difference]:
    """A difference at one rate and at own rates, where three seeds or more have been run."""
    found = {RATES[rates]: decided(contrast(rates), evidence) for rates in (ONE, OWN)}
    return {rates: each for rates, each in found.items() if each is not None}


def _listed(found: Mapping[str, Difference]) -> str:
    return ", ".join(f"{each.short()} ({rates})" for rates, each in found.items())


def decided(contrast: Contrast, evidence: Evidence) -> Difference | None:
    """A difference at a decisive profile of three seeds or more."""
    found = contrast.measure(evidence, DECISIVE, DECISIVE)
    return found if found and found.interval.bounded else None


def table(
    evidence: Evidence, profile: str, rates: str = ONE, network: str = SMALL_NETWORK
) -> tuple[pd.DataFrame, list[str | tables.Cell]]:
    """Table 1 at one profile: accuracy, and the differences to CE and to LR, beside the paper's accuracy.

    Args:
        evidence: The records.
        profile: Which of them.
        rates: At one rate for all losses, or with each at its own; as :func:`which` takes it.
        network: The paper's network whose numbers stand beside.

    Returns:
        The table, with a row for every cell that has been run, and the notes it needs.
    """
    declared = EXPERIMENT.profiles[profile].cells
    kinds = dict.fromkeys((c.labels["dataset"], c.labels["loss"], c.labels["start"]) for c in declared)
    rows, used, to_ce, to_lr = [], [], [], []
    count = 0

    def runs(dataset: str, loss: str, start: str) -> tables.Runs:
        return select(dataset, loss, start, rates, network).runs(evidence, profile)

    for dataset, loss, start in sorted(kinds, key=_order):
        labels = which(dataset, loss, start, rates, profile, network)
        if loss not in LOSSES or labels is None:
            continue
        count += 1
        mine = runs(dataset, loss, start)
        if not mine.records:
            continue
        used.append(mine)
        to_ce.append(None if loss == BASELINE else (mine, runs(dataset, BASELINE, USUAL)))
        plain = (loss, start) == ("lr", USUAL)
        to_lr.append(None if loss == BASELINE or plain else (mine, runs(dataset, "lr", USUAL)))
        paper = printed().get((PRINTED_NETWORKS[network], _printed_dataset(dataset), loss))
        rows.append(
            {
                "Data": dataset_name(dataset, mine.records),
                "Loss": NAMES[loss],
                "Start": STARTS[start] if loss in LOGISTIC else tables.Cell("–"),
                "Rate": f"{mine.records[0].labels['lr']:g}",
                f"Paper ({NETWORK_NAMES[network]}), %": "–"
                if paper is None or start != USUAL
                else f"{paper:.1f}",
                "Ours, %": tables.mean_cell(mine, "test_accuracy", percent=True),
            }
        )
    frame = pd.DataFrame(rows)
    if rows:
        for name, pairs in (("CE", to_ce), ("LR", to_lr)):
            differences, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
            frame[f"Minus {name}, points"] = pd.Series(differences, dtype=object)
            frame[f"p (Holm), {name}"] = pd.Series(p_values, dtype=object)
    return frame, [*tables.notes(used), *not_run(count, len(rows))]


def _order(kind: tuple[str, str, str]) -> tuple[int, bool, int]:
    dataset, loss, start = kind
    sets = ("cifar100", "cifar10", "tiny_imagenet")
    place = sets.index(dataset) if dataset in sets else len(sets)
    return place, start == FREQUENCIES, LOSSES.index(loss) if loss in LOSSES else len(LOSSES)


def headline(verdict: Verdict, evidence: Evidence) -> str:
    """The paper's own case, many classes at one rate, beside its numbers; and how many of all show a gain.

    Args:
        verdict: The claim on CE.
        evidence: The records.
    """
    parts = []
    for loss in ("hs_lr", "ss_lr"):
        found = decided(minus("cifar100", loss, BASELINE), evidence)
        if found is not None and found.contrast.paper is not None:
            parts.append(
                f"{NAMES[loss]} minus CE {found.short()} points (the paper: {found.contrast.paper:+.1f})"
            )
    if not parts or verdict.count is None:
        return ""
    # Some losses are at their best at the common rate: the same runs then count once.
    counted = verdict.differences[: verdict.count[1]]
    apart = {frozenset(record.key for record in each.records): each for each in counted}
    gains = sum(each.above for each in apart.values())
    return (
        f"On the 100 classes of CIFAR-100, {RATES[ONE]}: {', '.join(parts)}. A gain shows in "
        f"{gains or 'none'} of the {len(apart)} comparisons."
    )


def figure_rows(
    evidence: Evidence, profile: str, rates: str = ONE, network: str = SMALL_NETWORK
) -> dict[str, list[tuple[Variant, Difference]]]:
    """Differences to CE by data set, as the figure takes them: loss and start, and the difference."""
    declared = EXPERIMENT.profiles[profile].cells
    kinds = dict.fromkeys((c.labels["dataset"], c.labels["loss"], c.labels["start"]) for c in declared)
    found: dict[str, list[tuple[Variant, Difference]]] = {}
    for dataset, loss, start in sorted(kinds, key=_order):
        if loss == BASELINE or loss not in LOSSES:
            continue
        each = minus(dataset, loss, BASELINE, start=start, rates=rates, network=network).at(evidence, profile)
        if each is None:
            continue
        found.setdefault(dataset_name(dataset, each.records), []).append(((loss, start), each))
    return found


def figure_alt(rows: Mapping[str, Sequence[tuple[Variant, Difference]]], profile: str, rates: str) -> str:
    """What the figure of differences shows, in words and numbers."""
    parts = [
        f"{title}: "
        + ", ".join(
            f"{named(*which)} {each.short()}"
            + ("" if each.contrast.paper is None else f" (the paper: {each.contrast.paper:+.1f})")
            for which, each in found
        )
        for title, found in rows.items()
    ]
    return f"Accuracy minus that of CE in points, profile {profile}, {RATES[rates]}. {'. '.join(parts)}."


def rate_cells(made: Mapping[float, Record], rates: Iterable[float], chosen: float | None) -> dict[str, Any]:
    """A row of validation accuracies by rate, a star at the one chosen.

    Args:
        made: Rate -> the run.
        rates: The columns.
        chosen: The rate chosen; None for none yet.
    """
    row: dict[str, Any] = {}
    for rate in rates:
        record = made.get(rate)
        if record is None:
            row[f"Rate {rate:g}"] = tables.Cell("–")
            continue
        accuracy = record.metric("test_accuracy") if record.status == "finished" else None
        text = "diverged" if accuracy is None else f"{100 * accuracy:.2f}"
        values = {} if accuracy is None else {"accuracy": 100 * accuracy}
        row[f"Rate {rate:g}"] = tables.Cell(f"{text}{' *' * (rate == chosen)}", values, (record.key,))
    return row


def rates_text(evidence: Evidence) -> str:
    """For what no own rate has been chosen yet, and for what the best is at the end of what was tried."""
    best = choose(evidence.by_profile.get(CHOSEN_AT, ()))
    said = []
    if left := [kind for kind in OWN_RATE if kind not in best]:
        sets = dict.fromkeys(dataset for dataset, *_ in left)
        names = "; ".join(
            f"{dataset_name(each)}: {', '.join(named(*kind[1:]) for kind in left if kind[0] == each)}"
            for each in sets
        )
        said.append(
            f"Not all rates have been tried yet ({names}). Until `lossbook run {TABLE1} --profile "
            f"{CHOSEN_AT}` has tried them, the own rates of these are provisional."
        )
    made = evidence.by_profile.get(CHOSEN_AT, ())
    highest: dict[tuple[str, str, str], float] = {}
    for record in made:
        kind = (record.labels["dataset"], record.labels["loss"], record.labels["start"])
        highest[kind] = max(highest.get(kind, 0.0), record.metric("test_accuracy") or 0.0)
    slow = [
        f"{named(*kind[1:])} on {dataset_name(kind[0])} ({100 * highest[kind]:.1f}%)"
        for kind in best
        if highest[kind] < SLOW * highest.get((kind[0], BASELINE, USUAL), 0.0)
    ]
    if slow:
        said.append(
            "Even at their best rates these are far behind CE when the short runs end, so that the choice is "
            f"uncertain: {', '.join(slow)}."
        )
    edges = [
        f"{named(*kind[1:])} on {dataset_name(kind[0])} ({rate:g})"
        for kind, rate in best.items()
        if rate == max(TRIED[kind[0]]) or (rate == min(TRIED[kind[0]]) and kind not in LOWER_ELSEWHERE)
    ]
    if edges:
        said.append(f"The best rate is the lowest or the highest tried: {', '.join(edges)}.")
    return " ".join(said)


def rates_table(evidence: Evidence) -> pd.DataFrame:
    """Validation accuracy at every rate that was tried; a star at the one chosen."""
    made = evidence.by_profile.get(CHOSEN_AT, ())
    best = choose(made)
    found: dict[tuple[str, str, str], dict[float, Record]] = defaultdict(dict)
    for record in made:
        kind = (record.labels["dataset"], record.labels["loss"], record.labels["start"])
        found[kind][record.labels["lr"]] = record
    every = sorted({rate for each in found.values() for rate in each})
    return pd.DataFrame(
        {
            "Data": dataset_name(kind[0]),
            "Loss": named(*kind[1:]),
            **rate_cells(found[kind], every, best.get(kind)),
        }
        for kind in sorted(found, key=_order)
    )
