"""The claims of dong2019 in the order of its verdict page, what follows from them, and what is not run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pandas as pd

from lossbook import experiments
from lossbook.evidence import claims
from lossbook.evidence.claims import AnyClaim, Claim, Verdict
from lossbook.evidence.contrasts import Contrasts, Difference
from lossbook.evidence.rules import CarriesOver, NoLoss, OnceWhole
from lossbook.evidence.select import RECORDED, Evidence, dataset_name, is_trial
from lossbook.evidence.tables import Cell
from lossbook.papers.dong2019 import (
    classes,
    fig1,
    fig2,
    fig5,
    hard_mining,
    selection,
    table1,
    table2,
    table3,
    theory,
)
from lossbook.papers.dong2019.names import (
    CHOOSING,
    CLASSES,
    DECISIVE,
    FREQUENCIES,
    LOGISTIC,
    NETWORK_NAMES,
    ONE,
    OWN,
    RATES,
    SELECTION,
    TABLE1,
    TABLE2,
    TABLE3,
    USUAL,
    named,
)
from lossbook.progress import duration

#: The experiments whose records decide claims.
EXPERIMENTS = (TABLE1, CLASSES, TABLE2, TABLE3, SELECTION)

COMPETITIVE = Claim(
    "competitive",
    "HS-LR and SS-LR are competitive alternatives to CE where each example has one label.",
    "Abstract; Conclusion",
    "Test accuracy of HS-LR and SS-LR minus that of CE on CIFAR-100 and CIFAR-10, paired by seed.",
    {
        RATES[rates]: Contrasts(
            TABLE1,
            [
                table1.minus(dataset, loss, "ce", rates=rates)
                for dataset in ("cifar100", "cifar10")
                for loss in ("hs_lr", "ss_lr")
            ],
            optional=rates == OWN,
        )
        for rates in (ONE, OWN)
    },
    CarriesOver(OnceWhole(NoLoss()), table1.SMALL),
    DECISIVE,
    basis=table1.basis,
)

#: The sections of the page and their claims, in order.
SECTIONS: Mapping[str, Sequence[AnyClaim]] = {
    "The argument": theory.CLAIMS,
    "Training": fig2.CLAIMS,
    "Objects": (COMPETITIVE, *table1.CLAIMS, *classes.CLAIMS),
    "Features": fig1.CLAIMS,
    "Unseen classes": table2.CLAIMS,
    "Several labels": table3.CLAIMS,
    "Further analysis": (*fig5.CLAIMS, *selection.CLAIMS, *hard_mining.CLAIMS),
}
#: Every claim; its number is its place.
CLAIMS: tuple[AnyClaim, ...] = tuple(claim for each in SECTIONS.values() for claim in each)
#: Those that the page opens with.
HEADLINES = ("outweigh", "beyond-ce", "sparse-superior")


def judge(key: str, *given: Evidence, profile: str = RECORDED) -> Verdict:
    """Judge one claim without working out the others.

    Args:
        key: Its name, for example ``"beyond-ce"``.
        *given: Records that the page has already chosen; those of other experiments are read.
        profile: The profile that the page is made at.

    Raises:
        UnknownNameError: If there is no claim of this name.
    """
    return claims.judge(CLAIMS, key, *given, profile=profile)


def numbers(verdicts: Mapping[str, Verdict]) -> dict[str, str]:
    """What stands beside a finding that rests on too many differences to list them all.

    Args:
        verdicts: The claims by key.
    """
    short = {table3.SUPERIOR.key: table3.number}
    short |= {claim.key: selection.number for claim in selection.CLAIMS if isinstance(claim, Claim)}
    return {key: said for key, say in short.items() if (said := say(verdicts[key]))}


def advice(evidence: Mapping[str, Evidence]) -> list[str]:
    """What someone who has many classes should do, as far as the records say.

    Args:
        evidence: The records by experiment.

    Returns:
        A paragraph per question, in Markdown; one that no runs of three seeds answer is said to be open.
    """
    objects, unseen = evidence[TABLE1], evidence[TABLE2]
    rates = OWN if table1.decided(table1.minus("cifar100", "ss_lr", "ce", rates=OWN), objects) else ONE
    one_label = {
        named(loss, start): table1.decided(
            table1.minus("cifar100", loss, "ce", start=start, rates=rates), objects
        )
        for loss, start in (*((loss, USUAL) for loss in LOGISTIC), ("lr", FREQUENCIES))
    }
    started = {
        "accuracy on CIFAR-100": table1.decided(
            table1.minus("cifar100", "lr", "lr", start=FREQUENCIES, rates=rates), objects
        ),
        **{
            f"rank-1 on {place.title}": table1.decided(table2.started(place, "lr", "rank_1"), unseen)
            for place in table2.PLACES
        },
    }
    retrieved = {
        f"{named(loss, start)}, on {place.title}": table1.decided(
            table2.contrast(place, loss, "ce", "rank_1", start=start), unseen
        )
        for place in table2.PLACES
        for loss, start in (("hs_lr", USUAL), ("ss_lr", USUAL), ("lr", FREQUENCIES))
    }
    few = table3.SUPERIOR.judge({TABLE3: evidence[TABLE3]})
    settings = [
        selection.follows(claim.key, claim.judge({SELECTION: evidence[SELECTION]}))
        for claim in (selection.M_MATTERS, selection.R_ROBUST)
    ]
    return [
        _paragraph(
            f"One label per example, accuracy on CIFAR-100, {RATES[rates]}",
            one_label,
            "ahead of CE",
            "behind CE",
            "Those ahead of CE are worth a try, on your own data and at a learning rate of their own.",
            "These runs give no reason to leave CE.",
        ),
        _paragraph(
            "If you use LR: output biases started at −log(K − 1) instead of 0",
            started,
            "better",
            "worse",
            "Start them there: it takes one line.",
            "These runs show no gain from starting them there.",
        ),
        _paragraph(
            f"Features for classes that are not trained on, rank-1, {RATES[ONE]}",
            retrieved,
            "ahead of CE",
            "behind CE",
            "Those ahead of CE are worth a try where features are what you want.",
            "These runs give no reason to leave CE.",
        ),
        _few_labels(few, _beside(evidence[TABLE3]), table3.follows(evidence[TABLE3])),
        f"**Settings.** {' '.join(_sentence(each) for each in settings if each) or OPEN}",
    ]


#: What the page says where a question has no runs.
OPEN = "Open: there are no runs of three seeds or more yet."


def _paragraph(
    question: str,
    found: Mapping[str, Difference | None],
    ahead: str,
    behind: str,
    gain: str,
    none: str,
) -> str:
    """What is ahead and what behind, and what follows: ``gain`` of what is ahead, ``none`` if nothing is."""
    made = {name: d for name, d in found.items() if d is not None}
    if not made:
        return f"**{question}.** {OPEN}"
    groups: dict[str, list[str]] = defaultdict(list)
    for name, d in made.items():
        groups[ahead if d.above else behind if d.below else "not told apart"].append(f"{name} ({d.short()})")
    said = "; ".join(
        f"{what}: {', '.join(groups[what])}" for what in (ahead, behind, "not told apart") if what in groups
    )
    return f"**{question}.** In points, {said}. {gain if ahead in groups else none}"


def _beside(evidence: Evidence) -> str:
    """How selection as in the published code stands to LR, and both readings to LR from low biases."""
    return " ".join(filter(None, (table3.published_text(evidence), table3.against_low_biases(evidence))))


def _few_labels(verdict: Verdict, beside: str, first: str) -> str:
    """How often selection is ahead of LR, what else it stands beside, and what to do first."""
    question = "**Few labels beside many classes.**"
    found = table3.at_rates(verdict, OWN)
    if not found:
        return f"{question} {OPEN}"
    made, shown, below = len(found), sum(d.above for d in found), sum(d.below for d in found)
    said = (
        f"Each at its own rate, HS-LR or SS-LR is ahead of LR in {shown} of {made} comparisons on tables of "
        f"features, and behind in {below}."
    ) + (f" {beside}" if beside else "")
    if shown > made / 2 and not below:
        return f"{question} {said} Try them before LR."
    if not shown:
        return f"{question} {said} These runs give no reason to leave LR."
    what = _sentence(first) if first else "Which is better depends on the data and on the measure: try both."
    return f"{question} {said} {what}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def missing() -> pd.DataFrame:
    """Which runs have not been made, and what they would cost; trials and choices of a rate are left out."""
    rows: dict[tuple[str, str, str, str], list[experiments.PendingRuns]] = defaultdict(list)
    estimate = experiments.estimator().seconds
    declared = [(item, name) for item in EXPERIMENTS for name in experiments.get(item).profiles]
    for item, name in declared:
        if is_trial(name) or name in CHOOSING:
            continue
        for pending in experiments.pending(name, item, estimate=estimate):
            rows[item, name, str(pending.labels["network"]), str(pending.labels["dataset"])].append(pending)
    return pd.DataFrame(
        {
            "Experiment": item,
            "Profile": name,
            "What": f"{NETWORK_NAMES.get(network, network)} on {dataset_name(dataset)}",
            "Runs": sum(p.count for p in each),
            "Cost": Cell(
                f"about {duration(sum(p.seconds for p in each))}", {"seconds": sum(p.seconds for p in each)}
            ),
            "Data": "on this machine" if all(p.data_present for p in each) else "not on this machine",
        }
        for (item, name, network, dataset), each in rows.items()
    )
