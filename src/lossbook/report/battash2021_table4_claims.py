"""The claims of battash2021's UCI section, and what the records of Table 4 say of each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lossbook.report import ranking, stats, tables, verdict
from lossbook.report.battash2021 import (
    LEVEL,
    NAMES,
    PAPER,
    SETS,
    VERY_LOW,
    equals_text,
    friedman,
    interval_text,
    pair_of,
    printed,
    seeds_text,
    switch_text,
    views,
)
from lossbook.report.battash2021_table4 import (
    CE,
    CLASSIFIERS,
    CONSTANT,
    EL,
    FOCAL,
    GRADUAL,
    READINGS,
    TWO_PHASE,
    Scores,
    Study,
)
from lossbook.results import Record

_WHERE = "UCI Datasets, last paragraph; Table 4"
_RULE = (
    "Each comparison is made in two ways. By the mean: the 95% interval of the mean difference over data "
    "sets lies on the side claimed. By Wilcoxon's test: p, adjusted by Holm's method over the 15 pairs, is "
    "below 0.05, with more data sets better than worse. The claim holds if all of that is so, holds in part "
    "if some of it is, does not hold if no mean difference has the sign claimed, and is not settled "
    "otherwise."
)

_SAME_RULE = "As for the second claim."
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


def claims(study: Study | None) -> list[verdict.Claim]:
    """Return the claims of the paper's UCI section with their findings.

    Args:
        study: The runs to test them on, or None. Runs on other sets than the paper's test nothing.
    """
    usable = study if study is not None and not study.embedded else None
    read = usable.read() if usable else []
    ahead = "is more accurate than CE"
    return [
        _best(usable, read),
        _compared(
            f"The gradual mixture ({NAMES[GRADUAL]}) {ahead}, for both classifiers.",
            f"Abstract; Introduction; {_WHERE}",
            usable,
            read,
            [(GRADUAL, CE)],
            _RULE,
        ),
        _compared(
            f"The other two mixtures ({NAMES[CONSTANT]} and {NAMES[TWO_PHASE]}) beat CE too.",
            _WHERE,
            usable,
            read,
            [(CONSTANT, CE), (TWO_PHASE, CE)],
            more=[switch_text(usable)] if usable else [],
        ),
        _compared("EL by itself cannot compete with CE.", _WHERE, usable, read, [(CE, EL)], wins=EL),
        _compared(
            "CE is more accurate than the focal loss.",
            _WHERE,
            usable,
            read,
            [(CE, FOCAL)],
            more=["The factor 0.25 of the focal loss divides its learning rate by four."],
        ),
        _differ(usable, read),
    ]


def meaning(study: Study) -> list[str]:
    """Return what Table 4 means, in sentences that follow from the records."""
    found = []
    for each in study.read():
        gain = ranking.mean_gains(100 * each.mean, CE)[GRADUAL]
        pair = pair_of(ranking.wilcoxon(each.mean), GRADUAL, CE)
        size = int(gain.low > 0) - int(gain.high < 0)
        sign = int(_ahead(each, GRADUAL, CE)) - int(_ahead(each, CE, GRADUAL))
        says = f"the gradual mixture {_SIZE[size]} and {_SIGN[sign]}"
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
        return " Under none of the other choices below is it ahead of CE by that test."
    return f" It is ahead of CE by that test where one choice is another: {'; '.join(titles)}."


def _beside_paper(found: Scores, gain: stats.Interval) -> str:
    """Where the paper's gain of the gradual mixture lies in our interval, and whether that could tell."""
    if math.isnan(gain.half):
        return ""
    paper = float(printed()[found.classifier, "ceel", "0-0.5"]["accuracy_gain_points"])
    place = "inside" if gain.low <= paper <= gain.high else "outside"
    text = f" The paper's {paper:.2f} is {place} this interval."
    if gain.half > paper:
        text += " But so small a gain could not be told from zero here: the data sets differ too much."
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


def _best(study: Study | None, read: Sequence[Scores]) -> verdict.Claim:
    firsts, sentences = [], []
    for found in read:
        won = ranking.wins(found.mean)
        gain = (found.mean - found.mean[:, [CE]]).mean(axis=0)
        place = ranking.ranks(found.mean).mean(axis=0)
        for column, values in (("wins", won), ("mean gain", gain), ("mid-rank", -place)):
            first = int(np.argmax(values))
            is_best = bool(values[GRADUAL] >= values.max() - ranking.EQUAL)
            firsts.append(is_best)
            if not is_best:
                sentences.append(f"{CLASSIFIERS[found.classifier]}: by {column} the first is {NAMES[first]}.")
    if firsts:
        sentences.insert(0, f"It is first in {sum(firsts)} of {len(firsts)} columns.")
    return _claim(
        f"Of the six methods the gradual mixture ({NAMES[GRADUAL]}) has the most wins, the largest mean "
        "gain and the best mean rank, for both classifiers.",
        _WHERE,
        "It holds if that is so in our Table 4 (mid-ranks), holds in part if it is so in some of the six "
        "columns, and does not hold if in none. Being first is not yet a difference beyond chance: that is "
        "the next claim.",
        _share(firsts, len(CLASSIFIERS) * 3) if firsts else "not tested",
        study,
        sentences,
    )


def _compared(
    title: str,
    where: str,
    study: Study | None,
    read: Sequence[Scores],
    pairs: Sequence[tuple[int, int]],
    rule: str = _SAME_RULE,
    wins: int | None = None,
    more: Sequence[str] = (),
) -> verdict.Claim:
    shown, signs, sentences = [], [], []
    for found in read:
        for better, worse in pairs:
            difference = stats.mean_interval(100 * (found.mean[:, better] - found.mean[:, worse]))
            shown += [difference.low > 0, _ahead(found, better, worse)]
            signs.append(difference.mean > 0)
            pair = pair_of(ranking.wilcoxon(found.mean), better, worse)
            sentences.append(
                f"{CLASSIFIERS[found.classifier]}, {NAMES[better]} minus {NAMES[worse]}: "
                f"{interval_text(difference)} points; {pair.better} sets better, {pair.equal} equal, "
                f"{pair.worse} worse; p {equals_text(pair.adjusted)}."
            )
            if worse in (EL, FOCAL):
                sentences.append(_at_the_largest_rate(found, worse))
        if wins is not None:
            won = ranking.wins(found.mean)
            sentences.append(
                f"{CLASSIFIERS[found.classifier]}: {NAMES[wins]} wins on {won[wins]:g} data sets, "
                f"CE on {won[CE]:g}."
            )
    finding: verdict.Finding = "not tested"
    if shown:
        finding = _share(shown, 2 * len(CLASSIFIERS) * len(pairs))
        if finding == "does not hold" and any(signs):
            finding = "not settled"
    sentences += [said for said in more if said and sentences]
    return _claim(title, where, rule, finding, study, sentences)


def _at_the_largest_rate(found: Scores, method: int) -> str:
    """How often a method takes the largest rate there is, where a larger one might suit it better."""
    counts = [int((found.rates[0, :, j] == found.rates.max()).sum()) for j in (method, CE)]
    return (
        f"{CLASSIFIERS[found.classifier]}: the largest learning rate was chosen for {NAMES[method]} on "
        f"{counts[0]} of {len(found.datasets)} sets, for CE on {counts[1]}. Larger ones were not tried."
    )


def _differ(study: Study | None, read: Sequence[Scores]) -> verdict.Claim:
    low, open_ = [], []
    sentences = []
    for found in read:
        for title, values in list(views(found))[1:]:
            test = friedman(values)
            low.append(test is not None and test.p < VERY_LOW)
            open_.append(test is not None and test.p < LEVEL)
            if test is not None:
                sentences.append(
                    f"{CLASSIFIERS[found.classifier]}, {title}: chi-square {test.chi_square:.1f}, "
                    f"p {equals_text(test.p)}."
                )
    finding: verdict.Finding = "not tested"
    if low:
        finding = "holds" if all(low) and len(read) == len(CLASSIFIERS) else "holds in part"
        if not any(open_):
            finding = "not settled"
    return _claim(
        "The six methods differ at a very low p-value by Friedman's test, in each experiment.",
        "UCI Datasets, last paragraph",
        f"Friedman's test, corrected for ties, for each classifier and seed. It holds if every p is below "
        f"{VERY_LOW}, holds in part if some p is below {LEVEL}, and is not settled otherwise.",
        finding,
        study,
        sentences,
    )


def _claim(
    title: str,
    where: str,
    rule: str,
    finding: verdict.Finding,
    study: Study | None,
    sentences: Sequence[str],
) -> verdict.Claim:
    records: tuple[Record, ...] = study.records if study else ()
    said = tuple(sentences) or ("There are no runs on the paper's data sets that could tell.",)
    return verdict.Claim(title, where, rule, finding, _basis(study), said, records)


def _share(shown: Sequence[bool], wanted: int) -> verdict.Finding:
    if all(shown) and len(shown) == wanted:
        return "holds"
    return "holds in part" if any(shown) else "does not hold"


def _basis(study: Study | None) -> str:
    read = study.read() if study else []
    if study is None or not read:
        return "no runs"
    sets = f"{len(read[0].datasets)} of the {SETS} sets, {seeds_text(read[0])}"
    if study.profile == PAPER:
        return f"the paper's protocol, with a split of our own choice ({sets})"
    return f"a subset, not all of the paper's sets ({sets})"


def _ahead(found: Scores, better: int, worse: int) -> bool:
    """Whether one method is ahead of another on significantly more data sets."""
    pair = pair_of(ranking.wilcoxon(found.mean), better, worse)
    return pair.adjusted < LEVEL and pair.better > pair.worse
