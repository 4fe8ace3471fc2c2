"""The claims of battash2021, in the order of its verdict page: on the UCI data sets, then the others."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from lossbook.evidence import claims as judging
from lossbook.evidence import ranking, stats, tables
from lossbook.evidence.claims import AnyClaim, Claim, Measured, Measurement, Verdict
from lossbook.evidence.conditions import All, Cases, Each, Is, Some, share
from lossbook.evidence.select import RECORDED, Evidence
from lossbook.experiments.grid import PAPER
from lossbook.papers.battash2021 import fig2, small_network, table1, table3, texts
from lossbook.papers.battash2021.escaping import CE_ESCAPES, ESCAPES, ESCAPES_AT_SCALE, FLATTER
from lossbook.papers.battash2021.gradient_norm import SIZE
from lossbook.papers.battash2021.gradient_norm_reviews import SIZE_ON_REVIEWS
from lossbook.papers.battash2021.motivation import LEFT_BEHIND
from lossbook.papers.battash2021.names import (
    CE,
    CLASSIFIERS,
    CONSTANT,
    EL,
    FOCAL,
    GRADUAL,
    NAMES,
    SETS,
    TABLE4,
    TWO_PHASE,
    VERY_LOW,
)
from lossbook.papers.battash2021.table1 import CINIC_GRADUAL, IMAGES
from lossbook.papers.battash2021.table2 import IMAGENET, IMAGENET_GRADUAL
from lossbook.papers.battash2021.table4_scores import READINGS, Scores, Study
from lossbook.papers.battash2021.table4_tables import (
    complete,
    equals_text,
    friedman,
    interval_text,
    pair_of,
    printed_gain,
    seeds_text,
    switch_text,
    views,
)
from lossbook.papers.battash2021.table5 import COMPLEMENT, COMPLEMENT_LARGER
from lossbook.papers.battash2021.table6 import REGULARISATION

_LAST = "UCI Datasets, last paragraph"
_WHERE = f"{_LAST}; Table 4"
_FIRST = Is("place", "<=", 1, f"{NAMES[GRADUAL]} is first in every column of our Table 4, with mid-ranks")
_AHEAD = Is("p", "<", stats.LEVEL, "every p is {}, with more data sets better than worse")
_BETTER = All((Is("low", ">", 0, "every 95% interval of a mean difference lies above zero"), _AHEAD))
_VERY_LOW = Is("p", "<", VERY_LOW, "every p is {}")
_LOW = Some((Is("p", "<", stats.LEVEL, "some p is {}"),))
_NOWHERE = Is("high", "<", 0, "every such interval lies below zero")

#: Numbers by name, and what they say.
_Found = tuple[Mapping[str, Sequence[float]], Sequence[str]]

_SIZE = {
    1: "gains over CE in the mean",
    0: "has a mean gain over CE that cannot be told from zero",
    -1: "loses against CE in the mean",
}
_SIGN = {
    1: "is ahead of it by Wilcoxon's test",
    0: "is neither ahead of it nor behind it by Wilcoxon's test",
    -1: "is behind it by Wilcoxon's test",
}


def claims(study: Study | None) -> dict[str, Verdict]:
    """Return every claim of the paper's UCI section with its finding, by key.

    Args:
        study: The runs to test them on, or None. Runs on other sets than the paper's test nothing.
    """
    return {claim.key: claim.conclude(study) for claim in _UCI}


def meaning(study: Study) -> list[str]:
    """Return what Table 4 means, in sentences that follow from the records."""
    found = []
    for each in study.read():
        gain = ranking.mean_gains(100 * each.mean, CE)[GRADUAL]
        pair = pair_of(ranking.wilcoxon(each.mean), GRADUAL, CE)
        size = int(gain.low > 0) - int(gain.high < 0)
        sign = int(_ahead(each, GRADUAL, CE)) - int(_ahead(each, CE, GRADUAL))
        says = f"{NAMES[GRADUAL]} {_SIZE[size]} and {_SIGN[sign]}"
        by_seed = ""
        if len(each.seeds) > 1:
            gains = 100 * (each.values[:, :, GRADUAL] - each.values[:, :, CE]).mean(axis=1)
            by_seed = f" (seed by seed {', '.join(tables.signed(float(value)) for value in gains)})"
        beside = "" if study.embedded else _beside_paper(each, gain)
        found.append(
            f"**{CLASSIFIERS[each.classifier]}: {says}.** The mean gain over {len(each.datasets)} data sets "
            f"is {interval_text(gain)} points{by_seed}, and the median {_median(each, GRADUAL)}.{beside} "
            f"The mixture is better on {pair.better} of the sets, equal on {pair.equal} and worse on "
            f"{pair.worse} (Wilcoxon, Holm over 15 pairs: p {equals_text(pair.adjusted)}). {_mixtures(each)}"
            f"{_under_choices(study, each.classifier)}"
        )
    return found


def advice(evidence: Mapping[str, Evidence]) -> list[str]:
    """What the recorded runs say to someone who trains a classifier; nothing on what has not been run.

    Args:
        evidence: The records by experiment.

    Returns:
        A paragraph each on tables, images and texts, in Markdown.
    """
    found = [_on_tables(study) for study in complete(evidence[TABLE4])[:1] if not study.embedded]
    images, reviews = evidence[table1.TABLE1], evidence[table3.TABLE3]
    if said := table1.follows(images):
        found.append(f"**Images: {IMAGES.judge({table1.TABLE1: images}).basis}.** {said}")
    if said := small_network.follows(evidence):
        found.append(said)
    if said := table3.headline(reviews):
        basis = texts.basis(reviews.by_profile["clean"], table3.HOW)
        found.append(f"**Texts: {basis}.** {said} {table3.follows(reviews)}".rstrip())
    return found


def _gains_on_tables(study: Study) -> dict[int, dict[str, stats.Interval]]:
    """Method -> classifier -> its accuracy minus that of CE in points, for the mixtures and EL."""
    return {
        method: {
            CLASSIFIERS[each.classifier]: ranking.mean_gains(100 * each.mean, CE)[method]
            for each in study.read()
        }
        for method in (CONSTANT, TWO_PHASE, GRADUAL, EL)
    }


def gains_on_tables(evidence: Mapping[str, Evidence]) -> pd.DataFrame:
    """The mixtures and EL minus CE on small tables in points, by classifier; empty without recorded runs."""
    studies = [study for study in complete(evidence[TABLE4])[:1] if not study.embedded]
    keys = tuple(record.key for study in studies for record in study.records)
    return pd.DataFrame(
        {"Minus CE, points": NAMES[method]}
        | {
            name: tables.Cell(
                interval_text(gain), {"mean": gain.mean, "low": gain.low, "high": gain.high}, keys
            )
            for name, gain in made.items()
        }
        for study in studies
        for method, made in _gains_on_tables(study).items()
    )


def _on_tables(study: Study) -> str:
    """What follows from the gains of the mixtures and of EL over CE on small tables."""
    gains = _gains_on_tables(study)
    ahead = [
        f"{NAMES[method]} with {'a linear classifier' if name == CLASSIFIERS['linear'] else name.lower()}, "
        f"{interval_text(gain)} points"
        for method in (CONSTANT, TWO_PHASE, GRADUAL)
        for name, gain in gains[method].items()
        if gain.low > 0
    ]
    follows = "No mixture's gain over CE can be told from zero."
    if ahead:
        follows = f"The interval of the gain over CE lies above zero for {'; '.join(ahead)}."
    if all(gain.high < 0 for gain in gains[EL].values()):
        follows += " Do not train with EL alone from the start."
    return f"**Tables: {_basis(study)}.** {follows}"


def _median(found: Scores, method: int) -> str:
    return tables.signed(float(np.median(100 * (found.mean[:, method] - found.mean[:, CE]))))


def _under_choices(study: Study, classifier: str) -> str:
    """Under which other ways of reading the runs the gradual mixture is ahead of CE."""
    read = [(reading, study.scores(classifier, reading)) for reading in READINGS[1:]]
    titles = [
        reading.title[0].lower() + reading.title[1:]
        for reading, found in read
        if found is not None and _ahead(found, GRADUAL, CE)
    ]
    if not titles:
        return " It is not ahead of CE by that test under any of the other choices below."
    return f" It is ahead of CE by that test if one choice is changed: {'; '.join(titles)}."


def _beside_paper(found: Scores, gain: stats.Interval) -> str:
    """Where the paper's gain of the gradual mixture lies in our interval, and whether that could tell."""
    if not gain.bounded:
        return ""
    paper = printed_gain(found.classifier, GRADUAL)
    place = "inside" if gain.low <= paper <= gain.high else "outside"
    text = f" The paper's {paper:.2f} is {place} this interval."
    if gain.half > paper:
        text += " But a gain that small could not be told from zero here: the data sets differ too much."
    return text


def _mixtures(found: Scores) -> str:
    """Which of the three mixtures are ahead of CE, and which differ from each other."""
    mixtures = (CONSTANT, TWO_PHASE, GRADUAL)
    ahead = [NAMES[j] for j in mixtures if _ahead(found, j, CE)]
    apart = [
        f"{NAMES[i]} is ahead of {NAMES[j]}"
        for i in mixtures
        for j in mixtures
        if i != j and _ahead(found, i, j)
    ]
    return (
        f"Mixtures ahead of CE by that test: {' and '.join(ahead) or 'none'}. "
        f"Among themselves {'; '.join(apart) or 'they cannot be told apart'}."
    )


def _best(study: Study) -> _Found:
    places, sentences = [], []
    for found in study.read():
        won = ranking.wins(found.mean)
        gain = (found.mean - found.mean[:, [CE]]).mean(axis=0)
        place = ranking.ranks(found.mean).mean(axis=0)
        for column, values in (("wins", won), ("mean gain", gain), ("mid-rank", -place)):
            places.append(1 + int((values > values[GRADUAL] + ranking.EQUAL).sum()))
            if places[-1] > 1:
                sentences.append(
                    f"{CLASSIFIERS[found.classifier]}, {column}: {NAMES[int(np.argmax(values))]} is first."
                )
    return {"place": places}, [f"It is first in {places.count(1)} of {len(places)} columns.", *sentences]


def _compared(
    study: Study,
    pairs: Sequence[tuple[int, int]],
    wins: int | None = None,
    more: Callable[[Study], str] = lambda _: "",
) -> _Found:
    numbers: dict[str, list[float]] = defaultdict(list)
    sentences = []
    short: dict[str, list[str]] = defaultdict(list)
    for found in study.read():
        classifier = CLASSIFIERS[found.classifier]
        for better, worse in pairs:
            difference = stats.mean_interval(100 * (found.mean[:, better] - found.mean[:, worse]))
            pair = pair_of(ranking.wilcoxon(found.mean), better, worse)
            numbers["low"].append(difference.low)
            numbers["high"].append(difference.high)
            numbers["p"].append(_p_ahead(pair))
            what, p = f"{NAMES[better]} minus {NAMES[worse]}", f"p {equals_text(pair.adjusted)}"
            sentences.append(
                f"{classifier}, {what}: {interval_text(difference)} points; {pair.better} sets better, "
                f"{pair.equal} equal, {pair.worse} worse; {p}."
            )
            short[what].append(f"{classifier.lower()} {interval_text(difference)} ({p})")
            if worse in (EL, FOCAL):
                sentences.append(_at_the_largest_rate(found, worse))
        if wins is not None:
            won = ranking.wins(found.mean)
            sentences.append(
                f"{classifier}: {NAMES[wins]} wins on {won[wins]:g} data sets, CE on {won[CE]:g}."
            )
    said = " ".join(f"{what}, in points: {'; '.join(values)}." for what, values in short.items())
    sentences.insert(0, f"{said} The p-values are those of Wilcoxon's test.")
    return numbers, [each for each in (*sentences, more(study)) if each]


def _at_the_largest_rate(found: Scores, method: int) -> str:
    """How often a method takes the largest rate there is, where a larger one might suit it better."""
    counts = [int((found.rates[0, :, j] == found.rates.max()).sum()) for j in (method, CE)]
    return (
        f"{CLASSIFIERS[found.classifier]}: the largest learning rate was chosen for {NAMES[method]} on "
        f"{counts[0]} of {len(found.datasets)} sets, for CE on {counts[1]}. Larger ones were not tried."
    )


def _differ(study: Study) -> _Found:
    values, sentences = [], []
    for found in study.read():
        for title, table in list(views(found))[1:]:
            test = friedman(table)
            values.append(math.nan if test is None else test.p)
            if test is not None:
                sentences.append(
                    f"{CLASSIFIERS[found.classifier]}, {title}: chi-square {test.chi_square:.1f}, "
                    f"p {equals_text(test.p)}."
                )
    return {"p": values}, sentences or ["All methods tie, or there is one data set: no test can be made."]


def _basis(study: Study) -> str:
    read = study.read()
    sets = f"{len(read[0].datasets)} of the {SETS} sets, {seeds_text(read[0])}"
    if study.profile == PAPER:
        return f"the paper's protocol, with a split of our own choice ({sets})"
    return f"a subset, not all of the paper's sets ({sets})"


def _ahead(found: Scores, better: int, worse: int) -> bool:
    """Whether one method is ahead of another on significantly more data sets."""
    return _AHEAD.met({"p": [_p_ahead(pair_of(ranking.wilcoxon(found.mean), better, worse))]})


def _p_ahead(pair: ranking.Pair) -> float:
    """The adjusted p-value of Wilcoxon's test; 1 where not more data sets are better than worse."""
    return pair.adjusted if pair.better > pair.worse else 1.0


def _measure(read: Callable[[Study], _Found], given: Evidence | Study | None) -> Measurement:
    """Measure the runs that a page has, or of records the most complete profile."""
    study = next(iter(complete(given)), None) if isinstance(given, Evidence) else given
    if study is None or study.embedded or not study.read():
        return Measurement({}, ("No recorded run on the paper's data sets can tell.",))
    whole = len(study.read()) == len(CLASSIFIERS)
    return Measurement(*read(study), study.records, whole, _basis(study))


_PAIRED = (
    "Each comparison is made for each classifier, over the data sets; p is that of Wilcoxon's test, adjusted "
    "by Holm's method over the 15 pairs."
)
_PAIRED_RULE = replace(
    share(_BETTER, ("does not hold", _NOWHERE), none="not settled"), counted=Each(_BETTER.parts)
)


def _uci(
    key: str,
    title: str,
    read: Callable[[Study], _Found],
    where: str = _WHERE,
    measured: str = _PAIRED,
    rule: Cases = _PAIRED_RULE,
    caveat: str = "",
) -> Measured:
    readings = {"": partial(_measure, read)}
    return Measured(key, title, where, measured, readings, rule, (TABLE4,), caveat=caveat)


_UCI = (
    _uci(
        "best",
        f"Of the six methods {NAMES[GRADUAL]} has the most wins, the largest mean gain and the best mean "
        "rank, for both classifiers.",
        _best,
        measured="",
        rule=share(_FIRST),
        caveat="Being first is not yet a difference beyond chance, which is the next claim's question.",
    ),
    _uci(
        "gradual",
        f"{NAMES[GRADUAL]} is more accurate than CE, for both classifiers.",
        partial(_compared, pairs=[(GRADUAL, CE)]),
        where=f"Abstract; Introduction; {_WHERE}",
    ),
    _uci(
        "mixtures",
        f"The other two mixtures ({NAMES[CONSTANT]} and {NAMES[TWO_PHASE]}) beat CE too.",
        partial(_compared, pairs=[(CONSTANT, CE), (TWO_PHASE, CE)], more=switch_text),
    ),
    _uci("el", "EL by itself cannot compete with CE.", partial(_compared, pairs=[(CE, EL)], wins=EL)),
    _uci(
        "focal",
        "CE is more accurate than the focal loss.",
        partial(
            _compared,
            pairs=[(CE, FOCAL)],
            more=lambda _: "The factor 0.25 of the focal loss divides its learning rate by four.",
        ),
    ),
    _uci(
        "differ",
        "The six methods differ at a very low p-value by Friedman's test, in each experiment.",
        _differ,
        where=_LAST,
        measured="Friedman's test, corrected for ties, for each classifier and seed.",
        rule=Cases((("holds", _VERY_LOW), ("holds in part", _LOW)), "not settled", counted=_VERY_LOW),
    ),
)


CLAIMS: tuple[AnyClaim, ...] = (
    *_UCI,
    IMAGES,
    CINIC_GRADUAL,
    LEFT_BEHIND,
    IMAGENET,
    IMAGENET_GRADUAL,
    fig2.GLUE_CLAIM,
    fig2.GLUE_MIXTURES,
    table3.REVIEWS_CLAIM,
    COMPLEMENT,
    COMPLEMENT_LARGER,
    REGULARISATION,
    SIZE,
    ESCAPES,
    CE_ESCAPES,
    FLATTER,
)

#: What the paper does not claim and the pages ask all the same.
QUESTIONS: tuple[Claim, ...] = (ESCAPES_AT_SCALE, SIZE_ON_REVIEWS)

#: The claims that the verdict page opens with.
HEADLINES = ("gradual", "mixtures", "el")


def judge(key: str, *given: Evidence, profile: str = RECORDED) -> Verdict:
    """Judge one claim, or one of our own questions, without working out the others.

    Args:
        key: Its name, for example ``"images"``.
        *given: Records that the page has already chosen; those of other experiments are read.
        profile: The profile that the page is made at.

    Raises:
        UnknownNameError: If there is no claim of this name.
    """
    return judging.judge((*CLAIMS, *QUESTIONS), key, *given, profile=profile)


#: The experiments whose records the claims rest on.
EXPERIMENTS = tuple(dict.fromkeys(name for claim in CLAIMS for name in claim.experiments))
