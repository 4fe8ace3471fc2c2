"""The claims of yao2018, in the order of its verdict page.

The paper does not say whether its NLLR was computed from clipped probabilities. A claim about NLLR is
therefore tested for both readings: the formula as printed, and the formula on probabilities clipped as Keras
clips them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from lossbook.evidence.claims import NO_RUNS, Claim, Computed, Finding, Verdict, basis, of_readings, unique
from lossbook.evidence.contrasts import POINTS, Difference, interval_in_words
from lossbook.evidence.preferred import Preferred, first
from lossbook.evidence.rules import AtMostInPart, Gain, NoGain, Same, WholeData
from lossbook.evidence.select import Evidence, dataset_name, substituted
from lossbook.evidence.tables import number
from lossbook.experiments.grid import PAPER
from lossbook.papers.yao2018.long_runs import ACCURACY_DROP, LONG, LOSS_RISE, long_runs
from lossbook.papers.yao2018.names import BASELINE, DATASETS, READINGS, TABLE1
from lossbook.papers.yao2018.table1 import compared
from lossbook.results import Record

#: The profiles whose runs can decide a claim: those on all of the training images.
DECISIVE = (PAPER, "keras12")
#: Points of accuracy below CE from which training counts as failed.
BEHIND = 1.0
#: Runs from this length on can show that training with NLLR fails; only long ones can show that it does not.
SHORT = 12
#: A test loss below this has run away: no probability that float32 can hold gives it.
RUNAWAY = -1000.0


def _against(dataset: str, *bases: str, published: bool) -> dict[str, Preferred]:
    """NLLR against other losses on a data set, for both of its readings."""
    return {
        name: Preferred(TABLE1, tuple(compared(dataset, loss, base, published=published) for base in bases))
        for loss, name in READINGS.items()
    }


_AS_PUBLISHED = (
    "paired by seed, as published (500 against 100 epochs) where there are such runs, otherwise after equal "
    "numbers of epochs."
)
_EQUAL = "after equal numbers of epochs, the comparison the paper lacks."


@dataclass(frozen=True)
class Reading:
    """What the records say about one reading of a claim."""

    finding: Finding
    sentences: tuple[str, ...]
    records: tuple[Record, ...] = ()


def meaning(evidence: Evidence) -> list[str]:
    """Return what Table I and its figures mean, in sentences that follow from the records."""
    found = []
    for dataset in DATASETS:
        differences = {
            loss: d
            for loss in READINGS
            if (d := first(compared(dataset, loss), evidence, DECISIVE)) is not None
        }
        if not differences:
            found.append(
                f"On {dataset_name(dataset)} itself there are no runs of NLLR and CE to compare yet."
            )
        for loss, d in differences.items():
            name = READINGS[loss]
            if d.above:
                says = f"{name} is more accurate than CE"
            elif d.below:
                says = f"{name} is less accurate than CE"
            else:
                says = f"the runs do not separate {name} from CE"
            found.append(
                f"**On {dataset_name(dataset)}, {says}.** {d.sentence()} Tested on: {basis(d.records)}. "
                + " ".join((*_yardstick(name, d), *_runaway(d)))
            )
    return found


def _yardstick(name: str, d: Difference) -> list[str]:
    ours, theirs = (list(runs.values("test_ce").values()) for runs in (d.runs, d.base))
    if not ours or not theirs:
        return []
    nllr, ce = float(np.mean(ours)), float(np.mean(theirs))
    if nllr > ce:
        what = "as probabilities its outputs are worse, whatever the accuracy"
    else:
        what = "here its outputs are no worse as probabilities"
    return [
        f"The test cross-entropy of the networks, averaged over seeds, is {number(nllr, 3)} with {name} "
        f"and {number(ce, 3)} with CE: {what}."
    ]


def _runaway(d: Difference) -> list[str]:
    losses = list(d.runs.values("test_loss").values())
    lowest = min(losses, default=0.0)
    if lowest > RUNAWAY:
        return []
    return [
        f"Its test loss has reached {number(float(np.mean(losses)), 1)}, averaged over seeds, and "
        f"{number(lowest, 1)} in the seed where it is lowest: the loss has no lower bound, and training has "
        "driven it down without end. The logits keep growing, and with them the damage that each wrong "
        "example does."
    ]


def _read(
    title: str, where: str, rule: str, evidence: Evidence, test: Callable[[Evidence, str], Reading]
) -> Verdict:
    """Test a claim about NLLR for both readings; where they differ, it holds in part at most."""
    readings = {name: test(evidence, loss) for loss, name in READINGS.items()}
    bases = {basis(r.records): name for name, r in readings.items() if r.records}
    findings = {name: r.finding for name, r in readings.items()}
    return Verdict(
        title,
        where,
        rule,
        of_readings(findings),
        basis="; ".join(bases if len(bases) < 2 else (f"{name}: {on}" for on, name in bases.items()))
        or basis(()),
        evidence=tuple(f"**{name}: {r.finding}.** {' '.join(r.sentences)}" for name, r in readings.items()),
        records=unique(r.records for r in readings.values()),
        readings=findings,
    )


def _stable(evidence: Evidence) -> Verdict:
    def test(evidence: Evidence, loss: str) -> Reading:
        curves = long_runs(evidence, "mnist", loss, minimum=SHORT)
        if curves is None:
            return Reading("not tested", (_too_short(evidence, "mnist"),))
        ways = [c for c in compared("mnist", loss) if c.left.epochs == curves.length]
        beside = next((d for c in ways if (d := c.at(evidence, curves.profile)) is not None), None)
        behind = beside is not None and 100 * beside.interval.mean < -BEHIND
        finding: Finding
        if curves.accuracy_degraded or curves.diverged or behind:
            finding = "does not hold"
        elif curves.length < LONG:
            finding = "not tested"
        else:
            finding = "holds" if curves.loss_settled and not curves.loss_degraded else "holds in part"
        comparison = [beside.sentence()] if beside else []
        return Reading(finding, (curves.sentence(), *comparison), curves.records)

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


def _overfit(evidence: Evidence) -> Verdict:
    found = [long_runs(evidence, "cifar10", loss, minimum=LONG, length=LONG) for loss in ("ce", "bce")]
    made = [c for c in found if c is not None]
    finding: Finding = "not tested"
    if made:
        signs = [sign for c in made for sign in (c.accuracy_degraded, c.loss_degraded)]
        if all(signs) and len(made) == len(found):
            finding = "holds"
        else:
            finding = "holds in part" if any(signs) else "does not hold"
    records = unique(c.records for c in made)
    return Verdict(
        "On CIFAR-10, CE and BCE overfit within 100 epochs: their test loss and accuracy get worse again.",
        "Sec. IV, on Fig. 2",
        f"Over the first 100 epochs. {_DEGRADED_RULE} It holds if both degrade for both losses, holds in "
        "part if some do, and does not hold if none does.",
        finding,
        basis(records),
        tuple(c.sentence() for c in made) or (_too_short(evidence, "cifar10"),),
        records,
    )


def _improves(evidence: Evidence) -> Verdict:
    def test(evidence: Evidence, loss: str) -> Reading:
        curves = long_runs(evidence, "cifar10", loss, minimum=2 * LONG)
        if curves is None:
            return Reading("not tested", (_too_short(evidence, "cifar10"),))
        gain, fall = curves.late_gain("test_accuracy"), curves.late_gain("test_loss")
        up, down = gain.low > 0, fall.high < 0
        finding: Finding
        if curves.accuracy_degraded or curves.diverged or gain.high < 0:
            finding = "does not hold"
        elif not gain.bounded:
            finding = "not settled"
        elif up and down and not curves.loss_degraded:
            finding = "holds"
        else:
            finding = "holds in part" if up or down else "does not hold"
        late = (
            f"From the ten epochs up to epoch {LONG} to the last tenth, accuracy changes by "
            f"{interval_in_words(gain, POINTS)}, the test loss by {number(fall.mean, 3)}"
            + ("." if not fall.bounded else f" ({number(fall.low, 3)} to {number(fall.high, 3)}).")
        )
        return Reading(finding, (curves.sentence(), late), curves.records)

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
    f"than {ACCURACY_DROP} points below its best, averaged over seeds; the loss, if more than "
    f"{LOSS_RISE:.0%} of its descent from the first epoch is lost again."
)


def _lower(evidence: Evidence) -> Verdict:
    def test(evidence: Evidence, loss: str) -> Reading:
        chosen = first(compared("mnist", loss), evidence, DECISIVE)
        if chosen is None:
            return Reading("not tested", (NO_RUNS,))
        own, base = chosen.runs.values("test_loss"), chosen.base.values("test_loss")
        shared = sorted(set(own) & set(base))
        lower = [own[seed] < base[seed] for seed in shared]
        means = [float(np.mean([side[seed] for seed in shared])) for side in (own, base)]
        said = (
            f"In the mean over {len(shared)} {'seeds' if len(shared) > 1 else 'seed'}, its test loss ends at "
            f"{number(means[0], 3)}, that of CE at {number(means[1], 3)}.",
            *_yardstick(READINGS[loss], chosen),
        )
        finding: Finding = "holds" if all(lower) else "holds in part" if any(lower) else "does not hold"
        return Reading(finding, said, unique([chosen.records]))

    return _read(
        "On MNIST the loss values of NLLR are much lower than those of CE, because NLLR is a ratio.",
        "Sec. IV, on Fig. 1",
        "The paper makes the same claim for BCE. It holds if in every pair of runs with the same seed NLLR's "
        "own test loss ends below CE's. That the value is lower says nothing about the network: on the same "
        "outputs NLLR = CE + log(1 - p), which is always below CE, and has no lower bound.",
        evidence,
        test,
    )


def _only_correct() -> Verdict:
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
    return Verdict(
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


def _too_short(evidence: Evidence, dataset: str) -> str:
    made = (r for r in evidence.records if r.labels["dataset"] == dataset and not substituted(r))
    longest = max((r.labels["epochs"] for r in made), default=0)
    so_far = f"the longest recorded so far have {longest}" if longest else "none is recorded"
    return f"It takes runs of {LONG} epochs or more on the data set itself; {so_far}."


CLAIMS = (
    Claim(
        "mnist",
        "On MNIST, NLLR is about as accurate as CE.",
        "Sec. I, IV and V; Table I; Fig. 1",
        f"NLLR minus CE, {_AS_PUBLISHED}",
        _against("mnist", BASELINE, published=True),
        WholeData(Same()),
        DECISIVE,
    ),
    Claim(
        "cifar10",
        "On CIFAR-10, NLLR is significantly more accurate than CE and BCE (86.01% against 79.92% and "
        "80.01%).",
        "Abstract; Sec. IV and V; Table I; Fig. 2",
        f"NLLR minus CE and NLLR minus BCE, {_AS_PUBLISHED}",
        _against("cifar10", "ce", "bce", published=True),
        WholeData(Gain()),
        DECISIVE,
    ),
    Claim(
        "equal",
        "The gain on CIFAR-10 comes from the loss, which is the better one wherever classes are easily "
        "confused.",
        "Sec. IV, last paragraph",
        f"NLLR minus CE and NLLR minus BCE on CIFAR-10 {_EQUAL}",
        _against("cifar10", "ce", "bce", published=False),
        AtMostInPart(WholeData(Gain()), "one data set and one network cannot show a general rule"),
        DECISIVE,
    ),
    Claim(
        "bce",
        "Binary cross-entropy on softmax outputs cannot improve on CE in multi-class classification.",
        "Sec. II, after Eq. 10",
        "BCE minus CE after equal numbers of epochs, on each data set.",
        {"": Preferred(TABLE1, tuple(compared(dataset, "bce") for dataset in DATASETS))},
        WholeData(NoGain()),
        DECISIVE,
        caveat="What runs show on two data sets can refute 'cannot', and never prove it.",
    ),
    Computed("stable", _stable, (TABLE1,)),
    Computed("overfit", _overfit, (TABLE1,)),
    Computed("improves", _improves, (TABLE1,)),
    Computed("lower", _lower, (TABLE1,)),
    Computed("correct", _only_correct),
)

#: The claims that the verdict page opens with.
HEADLINES = ("correct", "mnist", "cifar10")
