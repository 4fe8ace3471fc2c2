"""The claims of battash2021, in the order of its verdict page: on the UCI data sets, then the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from lossbook.evidence import claims as judging
from lossbook.evidence import ranking, stats, tables
from lossbook.evidence.claims import Claim, Computed, Finding, Verdict
from lossbook.evidence.select import RECORDED, Evidence
from lossbook.experiments.grid import PAPER
from lossbook.papers.battash2021 import fig2, table3
from lossbook.papers.battash2021.escaping import ESCAPES, ESCAPES_AT_SCALE
from lossbook.papers.battash2021.gradient_norm import SIZE
from lossbook.papers.battash2021.motivation import LEFT_BEHIND
from lossbook.papers.battash2021.names import (
    CE,
    CLASSIFIERS,
    CONSTANT,
    EL,
    FOCAL,
    GRADUAL,
    LEVEL,
    NAMES,
    SETS,
    TABLE4,
    TWO_PHASE,
    VERY_LOW,
)
from lossbook.papers.battash2021.table1 import IMAGES
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
from lossbook.papers.battash2021.table5 import COMPLEMENT
from lossbook.papers.battash2021.table6 import REGULARISATION

_WHERE = "UCI Datasets, last paragraph; Table 4"
_RULE = (
    "Each comparison is made in two ways. By the mean: the 95% interval of the mean difference over data "
    "sets lies on the side claimed. By Wilcoxon's test: p, adjusted by Holm's method over the 15 pairs, is "
    "below 0.05, with more data sets better than worse. The claim holds if all of that is so, holds in part "
    "if some of it is, does not hold if no mean difference has the sign claimed, and is not settled "
    "otherwise."
)

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
    return {key: make(study) for key, make in _UCI.items()}


def _usable(study: Study | None) -> Study | None:
    return study if study is not None and not study.embedded else None


def _on_records(make: Callable[[Study | None], Verdict]) -> Callable[[Evidence], Verdict]:
    def compute(evidence: Evidence) -> Verdict:
        return make(next(iter(complete(evidence)), None))

    return compute


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


def _best(study: Study | None) -> Verdict:
    firsts, sentences = [], []
    for found in _read(study):
        won = ranking.wins(found.mean)
        gain = (found.mean - found.mean[:, [CE]]).mean(axis=0)
        place = ranking.ranks(found.mean).mean(axis=0)
        for column, values in (("wins", won), ("mean gain", gain), ("mid-rank", -place)):
            first = int(np.argmax(values))
            is_best = bool(values[GRADUAL] >= values.max() - ranking.EQUAL)
            firsts.append(is_best)
            if not is_best:
                sentences.append(f"{CLASSIFIERS[found.classifier]}, {column}: {NAMES[first]} is first.")
    if firsts:
        sentences.insert(0, f"It is first in {sum(firsts)} of {len(firsts)} columns.")
    return _claim(
        f"Of the six methods the gradual mixture ({NAMES[GRADUAL]}) has the most wins, the largest mean "
        "gain and the best mean rank, for both classifiers.",
        _WHERE,
        "It holds if the gradual mixture is first in all six columns of our Table 4 (with mid-ranks), holds "
        "in part if it is first in some, and does not hold if in none. Being first is not yet a difference "
        "beyond chance, which is the next claim's question.",
        _share(firsts, len(CLASSIFIERS) * 3) if firsts else "not tested",
        study,
        sentences,
        firsts,
    )


def _compared(
    title: str,
    where: str,
    study: Study | None,
    pairs: Sequence[tuple[int, int]],
    wins: int | None = None,
    more: Sequence[str] = (),
) -> Verdict:
    shown, signs, sentences = [], [], []
    short: dict[str, list[str]] = defaultdict(list)
    for found in _read(study):
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
            short[f"{NAMES[better]} minus {NAMES[worse]}"].append(
                f"{CLASSIFIERS[found.classifier].lower()} {interval_text(difference)} "
                f"(p {equals_text(pair.adjusted)})"
            )
            if worse in (EL, FOCAL):
                sentences.append(_at_the_largest_rate(found, worse))
        if wins is not None:
            won = ranking.wins(found.mean)
            sentences.append(
                f"{CLASSIFIERS[found.classifier]}: {NAMES[wins]} wins on {won[wins]:g} data sets, "
                f"CE on {won[CE]:g}."
            )
    finding: Finding = "not tested"
    if shown:
        finding = _share(shown, 2 * len(CLASSIFIERS) * len(pairs))
        if finding == "does not hold" and any(signs):
            finding = "not settled"
    if short:
        said = (f"{pair}, in points: {'; '.join(values)}." for pair, values in short.items())
        sentences.insert(0, f"{' '.join(said)} The p-values are those of Wilcoxon's test.")
    sentences += [said for said in more if said and sentences]
    return _claim(title, where, _RULE, finding, study, sentences, shown)


def _at_the_largest_rate(found: Scores, method: int) -> str:
    """How often a method takes the largest rate there is, where a larger one might suit it better."""
    counts = [int((found.rates[0, :, j] == found.rates.max()).sum()) for j in (method, CE)]
    return (
        f"{CLASSIFIERS[found.classifier]}: the largest learning rate was chosen for {NAMES[method]} on "
        f"{counts[0]} of {len(found.datasets)} sets, for CE on {counts[1]}. Larger ones were not tried."
    )


def _differ(study: Study | None) -> Verdict:
    low, open_ = [], []
    sentences = []
    read = _read(study)
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
    finding: Finding = "not tested"
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
        low,
    )


def _read(study: Study | None) -> list[Scores]:
    usable = _usable(study)
    return usable.read() if usable else []


def _claim(
    title: str,
    where: str,
    rule: str,
    finding: Finding,
    study: Study | None,
    sentences: Sequence[str],
    shown: Sequence[bool],
) -> Verdict:
    usable = _usable(study)
    said = tuple(sentences) or ("No recorded run on the paper's data sets can tell.",)
    records = usable.records if usable else ()
    count = (sum(shown), len(shown)) if shown else None
    return Verdict(title, where, rule, finding, _basis(usable), said, records, count=count)


def _share(shown: Sequence[bool], wanted: int) -> Finding:
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


_UCI: dict[str, Callable[[Study | None], Verdict]] = {
    "best": _best,
    "gradual": lambda study: _compared(
        f"The gradual mixture ({NAMES[GRADUAL]}) is more accurate than CE, for both classifiers.",
        f"Abstract; Introduction; {_WHERE}",
        study,
        [(GRADUAL, CE)],
    ),
    "mixtures": lambda study: _compared(
        f"The other two mixtures ({NAMES[CONSTANT]} and {NAMES[TWO_PHASE]}) beat CE too.",
        _WHERE,
        study,
        [(CONSTANT, CE), (TWO_PHASE, CE)],
        more=[switch_text(usable)] if (usable := _usable(study)) else [],
    ),
    "el": lambda study: _compared("EL by itself cannot compete with CE.", _WHERE, study, [(CE, EL)], wins=EL),
    "focal": lambda study: _compared(
        "CE is more accurate than the focal loss.",
        _WHERE,
        study,
        [(CE, FOCAL)],
        more=["The factor 0.25 of the focal loss divides its learning rate by four."],
    ),
    "differ": _differ,
}


CLAIMS: tuple[Claim | Computed, ...] = (
    *(Computed(key, _on_records(make), (TABLE4,)) for key, make in _UCI.items()),
    IMAGES,
    LEFT_BEHIND,
    IMAGENET,
    IMAGENET_GRADUAL,
    fig2.GLUE_CLAIM,
    table3.REVIEWS_CLAIM,
    COMPLEMENT,
    REGULARISATION,
    SIZE,
    ESCAPES,
)

#: What the paper does not claim and the pages ask all the same.
QUESTIONS: tuple[Claim, ...] = (ESCAPES_AT_SCALE,)

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
