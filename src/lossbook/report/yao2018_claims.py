"""The claims of yao2018, and what the records say of each.

The paper does not say whether its NLLR was computed from clipped probabilities. A claim about NLLR is
therefore tested for both readings: the formula as printed, and the formula on probabilities clipped as Keras
clips them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lossbook import datasets
from lossbook.report.evidence import Evidence, substituted
from lossbook.report.style import loss_style
from lossbook.report.tables import number
from lossbook.report.verdict import Claim, Finding, basis
from lossbook.report.yao2018 import BASELINE, DATASETS, READINGS
from lossbook.report.yao2018_measures import (
    ACCURACY_DROP,
    LONG,
    LOSS_RISE,
    Comparison,
    LongRuns,
    best_comparison,
    compare,
    long_runs,
    points,
)
from lossbook.results import Record

#: Points of accuracy below CE from which training counts as failed.
BEHIND = 1.0
#: Runs from this length on can show that training with NLLR fails; only long ones can show that it does not.
SHORT = 12
#: A test loss below this has run away: no probability that float32 can hold gives it.
RUNAWAY = -1000.0


@dataclass(frozen=True)
class Reading:
    """What the records say of one reading of a claim."""

    loss: str
    finding: Finding
    sentences: tuple[str, ...]
    records: tuple[Record, ...]


def claims(evidence: Evidence) -> dict[str, Claim]:
    """Return every claim with its finding, in the order of the verdict page."""
    makers: dict[str, Callable[[Evidence], Claim]] = {
        "mnist": _mnist,
        "cifar10": _cifar10,
        "equal": _equal_epochs,
        "bce": _bce,
        "stable": _stable,
        "overfit": _overfit,
        "improves": _improves,
        "lower": _lower,
        "correct": _only_correct,
    }
    return {name: make(evidence) for name, make in makers.items()}


def meaning(evidence: Evidence) -> list[str]:
    """Return what Table I and its figures mean, in sentences that follow from the records."""
    found = []
    for dataset in DATASETS:
        title = datasets.info(dataset).title
        compared = [c for loss in READINGS if (c := best_comparison(evidence, dataset, loss)) is not None]
        if not compared:
            found.append(f"On {title} itself there are no runs of NLLR and CE to compare yet.")
        for chosen in compared:
            name = _name(chosen.loss)
            if chosen.above:
                says = f"{name} is more accurate than CE"
            elif chosen.difference.high < 0:
                says = f"{name} is less accurate than CE"
            else:
                says = f"the runs do not tell {name} from CE"
            found.append(
                f"**On {title}, {says}.** {chosen.sentence()} Tested on: {basis(chosen.records)}. "
                + " ".join((*_yardstick(chosen), *_runaway(chosen)))
            )
    return found


def _name(loss: str) -> str:
    return {"nllr": "NLLR as printed", "nllr_clipped": "NLLR clipped"}.get(loss, loss_style(loss).name)


def _yardstick(chosen: Comparison) -> list[str]:
    ours, theirs = (list(r.values("test_ce").values()) for r in (chosen.runs, chosen.base_runs))
    if not ours or not theirs:
        return []
    nllr, ce = float(np.mean(ours)), float(np.mean(theirs))
    if nllr > ce:
        what = "higher: as probabilities, its outputs are the worse ones, whatever the accuracy"
    else:
        what = "not higher: here its outputs are no worse as probabilities"
    return [
        f"The test cross-entropy of the networks trained with {_name(chosen.loss)} is {number(nllr, 3)}, of "
        f"those trained with CE {number(ce, 3)}; {what}."
    ]


def _runaway(chosen: Comparison) -> list[str]:
    lowest = min(chosen.runs.values("test_loss").values(), default=0.0)
    if lowest > RUNAWAY:
        return []
    return [
        f"Its test loss has reached {number(lowest, 1)}: the loss has no lower bound, and training has run "
        "away along it. The logits grow without end, and with them the damage that each wrong example does."
    ]


def _read(
    title: str, where: str, rule: str, evidence: Evidence, test: Callable[[Evidence, str], Reading]
) -> Claim:
    """Test a claim about NLLR for both readings; where they differ, it holds in part at most."""
    readings = [test(evidence, loss) for loss in READINGS]
    tested = [r for r in readings if r.finding != "not tested"]
    findings = {r.finding for r in readings}
    finding: Finding
    if len(findings) == 1:
        finding = readings[0].finding
    else:
        finding = "not settled" if findings & {"not settled", "not tested"} else "holds in part"
    bases = list(dict.fromkeys(basis(r.records) for r in tested))
    return Claim(
        title,
        where,
        rule,
        finding,
        basis=bases[0]
        if len(bases) == 1
        else "; ".join(f"{_name(r.loss)}: {basis(r.records)}" for r in tested) or basis(()),
        evidence=tuple(f"**{_name(r.loss)}: {r.finding}.** {' '.join(r.sentences)}" for r in readings),
        records=_unique(r.records for r in tested),
        readings={_name(r.loss): r.finding for r in readings},
    )


def _mnist(evidence: Evidence) -> Claim:
    def test(evidence: Evidence, loss: str) -> Reading:
        chosen = best_comparison(evidence, "mnist", loss, published=True) or best_comparison(
            evidence, "mnist", loss
        )
        finding: Finding = "not tested"
        if chosen is not None:
            d, r = chosen.difference, chosen.resolution
            if chosen.part:
                finding = "not settled"
            elif d.low >= -r and d.high <= r:
                finding = "holds"
            elif d.low > r or d.high < -r:
                finding = "does not hold"
            else:
                finding = "not settled"
        return _reading(loss, finding, [chosen])

    return _read(
        "On MNIST, NLLR is about as accurate as CE.",
        "Sec. I, IV and V; Table I; Fig. 1",
        "The 95% interval of NLLR minus CE, paired by seed, against the least difference r that two test "
        "sets of this size resolve (1.96 standard errors of the difference of two accuracies on independent "
        "images; on the same images, as here, finer differences can show, so r is a generous margin). It "
        "holds if the interval lies within -r to r, does not hold if it lies outside, and is not settled "
        "otherwise. Runs on a part of the training images leave it open.",
        evidence,
        test,
    )


def _cifar10(evidence: Evidence) -> Claim:
    def test(evidence: Evidence, loss: str) -> Reading:
        found = [
            best_comparison(evidence, "cifar10", loss, base, published=True)
            or best_comparison(evidence, "cifar10", loss, base)
            for base in ("ce", "bce")
        ]
        return _reading(loss, _gain(found), found)

    return _read(
        "On CIFAR-10, NLLR is significantly more accurate than CE and BCE (86.01% against 79.92% and "
        "80.01%).",
        "Abstract; Sec. IV and V; Table I; Fig. 2",
        "NLLR minus CE and NLLR minus BCE, paired by seed; as published (500 against 100 epochs) where there "
        f"are such runs, otherwise at equal epochs. {_GAIN_RULE}",
        evidence,
        test,
    )


def _equal_epochs(evidence: Evidence) -> Claim:
    def test(evidence: Evidence, loss: str) -> Reading:
        found = [best_comparison(evidence, "cifar10", loss, base) for base in ("ce", "bce")]
        finding = _gain(found)
        return _reading(loss, "holds in part" if finding == "holds" else finding, found)

    return _read(
        "The gain on CIFAR-10 comes from the loss, which is the better one wherever classes are easily "
        "confused.",
        "Sec. IV, last paragraph",
        "NLLR minus CE and NLLR minus BCE on CIFAR-10 after equal numbers of epochs, the comparison the "
        f"paper lacks. {_GAIN_RULE} At most it holds in part: one data set and one network cannot show a "
        f"general rule.",
        evidence,
        test,
    )


_GAIN_RULE = (
    "It holds if both 95% intervals lie above zero, holds in part if one does, does not hold if both "
    "exclude a gain that the test set resolves, and is not settled otherwise. Runs on a part of the training "
    "images leave it open."
)


def _gain(found: Sequence[Comparison | None]) -> Finding:
    made = [c for c in found if c is not None]
    if not made:
        return "not tested"
    if any(c.part for c in made):
        return "not settled"
    if all(c.above for c in made) and len(made) == len(found):
        return "holds"
    if any(c.above for c in made):
        return "holds in part"
    if all(c.no_gain for c in made) and len(made) == len(found):
        return "does not hold"
    return "not settled"


def _bce(evidence: Evidence) -> Claim:
    found = [best_comparison(evidence, dataset, "bce") for dataset in DATASETS]
    made = [c for c in found if c is not None]
    settled = [c for c in made if not c.part and (c.above or c.no_gain)]
    finding: Finding
    if not made:
        finding = "not tested"
    elif len(settled) < len(made):
        finding = "not settled"
    elif any(c.above and not c.no_gain for c in made):
        finding = "holds in part" if any(c.no_gain for c in made) else "does not hold"
    else:
        finding = "holds" if len(made) == len(found) else "holds in part"
    reading = _reading("bce", finding, found)
    return Claim(
        "Binary cross-entropy on softmax outputs cannot improve on CE in multi-class classification.",
        "Sec. II, after Eq. 10",
        "BCE minus CE after equal numbers of epochs, on each data set. A gain is excluded if the 95% "
        "interval ends below what the test set resolves, and shown if it lies above zero and is not "
        "excluded. It holds if a gain is excluded on both data sets, holds in part on one of them, does "
        "not hold if a gain is shown on every one tested, and is not settled if an interval allows both or "
        "runs are on a part of the training images. "
        "What runs show of two data sets can refute 'cannot', and never prove it.",
        finding,
        basis(reading.records),
        reading.sentences,
        reading.records,
    )


def _stable(evidence: Evidence) -> Claim:
    def test(evidence: Evidence, loss: str) -> Reading:
        curves = long_runs(evidence, "mnist", loss, minimum=SHORT)
        if curves is None:
            return _curve_reading(loss, "not tested", curves, evidence)
        beside = compare(evidence, curves.profile, "mnist", loss, BASELINE, curves.length, curves.length)
        behind = beside is not None and 100 * beside.difference.mean < -BEHIND
        finding: Finding
        if curves.accuracy_degraded or curves.diverged or behind:
            finding = "does not hold"
        elif curves.length < LONG:
            finding = "not tested"
        else:
            finding = "holds" if curves.loss_settled and not curves.loss_degraded else "holds in part"
        comparison = [beside.sentence()] if beside else []
        return _curve_reading(loss, finding, curves, evidence, *comparison)

    return _read(
        "On MNIST, training with NLLR converges as that with CE does, and stays stable for 500 epochs.",
        "Sec. IV, on Fig. 1",
        f"{_DEGRADED_RULE} The loss has come to rest if at most {LOSS_RISE:.0%} of its descent happens in "
        "the last tenth. The claim does not hold if a run breaks down, the accuracy degrades, or it ends "
        f"more than {BEHIND:g} point below CE's; runs of {SHORT} epochs can show that. Otherwise it takes "
        f"runs of {LONG} epochs: it holds if the loss has come to rest and has not degraded, and holds in "
        f"part if not.",
        evidence,
        test,
    )


def _overfit(evidence: Evidence) -> Claim:
    found = [long_runs(evidence, "cifar10", loss, minimum=LONG, length=LONG) for loss in ("ce", "bce")]
    made = [c for c in found if c is not None]
    finding: Finding = "not tested"
    if made:
        signs = [sign for c in made for sign in (c.accuracy_degraded, c.loss_degraded)]
        if all(signs) and len(made) == len(found):
            finding = "holds"
        else:
            finding = "holds in part" if any(signs) else "does not hold"
    records = _unique(c.records for c in made)
    return Claim(
        "On CIFAR-10, CE and BCE overfit within 100 epochs: their test loss and accuracy get worse again.",
        "Sec. IV, on Fig. 2",
        f"Over the first 100 epochs. {_DEGRADED_RULE} It holds if both degrade for both losses, holds in "
        "part if some do, and does not hold if none does.",
        finding,
        basis(records),
        tuple(c.sentence() for c in made) or (_too_short(evidence),),
        records,
    )


def _improves(evidence: Evidence) -> Claim:
    def test(evidence: Evidence, loss: str) -> Reading:
        curves = long_runs(evidence, "cifar10", loss, minimum=2 * LONG)
        if curves is None:
            return _curve_reading(loss, "not tested", curves, evidence)
        gain, fall = curves.late_gain("test_accuracy"), curves.late_gain("test_loss")
        up, down = gain.low > 0, fall.high < 0
        finding: Finding
        if curves.accuracy_degraded or curves.diverged or gain.high < 0:
            finding = "does not hold"
        elif math.isnan(gain.half):
            finding = "not settled"
        elif up and down and not curves.loss_degraded:
            finding = "holds"
        else:
            finding = "holds in part" if up or down else "does not hold"
        late = (
            f"From the ten epochs up to epoch {LONG} to the last tenth, accuracy changes by {points(gain)}, "
            f"the test loss by {number(fall.mean, 3)}"
            + ("." if math.isnan(fall.half) else f" ({number(fall.low, 3)} to {number(fall.high, 3)}).")
        )
        return _curve_reading(loss, finding, curves, evidence, late)

    return _read(
        "On CIFAR-10, NLLR does not overfit: its test loss and accuracy keep improving over 500 epochs.",
        "Sec. IV, on Fig. 2",
        "Mean of the last tenth of the epochs against the ten epochs up to epoch 100, seed by seed. "
        f"{_DEGRADED_RULE} It holds if accuracy rises and loss falls (95% intervals on the right side of "
        "zero) and neither degrades, holds in part if one of them improves, and does not hold if neither "
        "does, the accuracy degrades or a run breaks down. With one seed it is not settled.",
        evidence,
        test,
    )


_DEGRADED_RULE = (
    "Values are means over a sliding tenth of the epochs. Accuracy has degraded if its last value is more "
    f"than {ACCURACY_DROP} points below its best, in the mean over seeds; the loss, if more than "
    f"{LOSS_RISE:.0%} of its descent from the first epoch is lost again."
)


def _lower(evidence: Evidence) -> Claim:
    def test(evidence: Evidence, loss: str) -> Reading:
        chosen = best_comparison(evidence, "mnist", loss)
        if chosen is None:
            return Reading(loss, "not tested", (_NO_RUNS,), ())
        own, base = chosen.runs.values("test_loss"), chosen.base_runs.values("test_loss")
        shared = sorted(set(own) & set(base))
        lower = [own[seed] < base[seed] for seed in shared]
        means = [float(np.mean([side[seed] for seed in shared])) for side in (own, base)]
        said = (
            f"Its test loss ends at {number(means[0], 3)}, that of CE at {number(means[1], 3)}.",
            *_yardstick(chosen),
        )
        finding: Finding = "holds" if all(lower) else "holds in part" if any(lower) else "does not hold"
        return Reading(loss, finding, said, _unique([chosen.records]))

    return _read(
        "On MNIST the loss values of NLLR are much lower than those of CE, because NLLR is a ratio.",
        "Sec. IV, on Fig. 1",
        "The paper says it of BCE too. It holds if in every pair of runs with the same seed NLLR's own test "
        "loss ends below CE's. That "
        "the value is lower says nothing of the network: on the same outputs NLLR = CE + log(1 - p), which "
        "is below CE always, and has no lower bound.",
        evidence,
        test,
    )


def _only_correct(evidence: Evidence) -> Claim:  # noqa: ARG001  settled by mathematics, not by runs
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1000, 10, generator=generator, dtype=torch.float64).mul_(3).requires_grad_()
    target = torch.randint(0, 10, (1000,), generator=generator)
    torch.nn.functional.cross_entropy(logits, target, reduction="sum").backward()
    gradient, p = logits.grad, logits.detach().softmax(1)
    assert gradient is not None
    competitors = torch.nn.functional.one_hot(target, 10) == 0
    error = float((gradient - p)[competitors].abs().max())
    smallest = float(gradient[competitors].min())
    holds = error > 1e-12 or smallest <= 0
    return Claim(
        "CE is a generative criterion: it measures the correct class only and does not discriminate it "
        "from the others.",
        "Abstract; Sec. I to III and V",
        "It does not hold if the gradient of CE pushes every competing logit down by that class's "
        "probability. That is checked here on 1,000 random cases. Where the paper turns p(y|x) into p(x|y) "
        "it needs assumptions that training does not make; the derivation page has the steps.",
        "holds" if holds else "does not hold",
        "mathematics, checked on random cases",
        (
            "The gradient of CE with respect to a competing logit equals that class's probability: the "
            f"largest deviation is {error:.0e}, the smallest gradient {smallest:.0e}.",
            "NLLR's gradient is CE's divided by 1 - p: it has the same direction for every example, so the "
            "competing classes enter both losses in the same proportions.",
        ),
    )


_NO_RUNS = "The record store has no runs that could tell."


def _unique(groups: Iterable[Iterable[Record]]) -> tuple[Record, ...]:
    return tuple({record.key: record for group in groups for record in group}.values())


def _reading(loss: str, finding: Finding, found: Sequence[Comparison | None]) -> Reading:
    made = [c for c in found if c is not None]
    sentences = tuple(c.sentence() for c in made) or (_NO_RUNS,)
    return Reading(loss, finding, sentences, _unique(c.records for c in made))


def _curve_reading(
    loss: str, finding: Finding, curves: LongRuns | None, evidence: Evidence, *more: str
) -> Reading:
    if curves is None:
        return Reading(loss, finding, (_too_short(evidence),), ())
    return Reading(loss, finding, (curves.sentence(), *more), curves.records)


def _too_short(evidence: Evidence) -> str:
    longest = max((r.labels["epochs"] for r in evidence.records if not substituted(r)), default=0)
    so_far = f"the longest recorded so far have {longest}" if longest else "none is recorded"
    return f"It takes runs of {LONG} epochs or more on the data set itself; {so_far}."
