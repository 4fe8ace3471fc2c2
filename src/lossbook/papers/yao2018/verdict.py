"""The claims of yao2018, in the order of its verdict page.

The paper does not say whether its NLLR was computed from clipped probabilities. A claim about NLLR is
therefore tested for both readings: the formula as printed, and the formula on probabilities clipped as Keras
clips them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from lossbook.evidence import stats
from lossbook.evidence.claims import NO_RUNS, Claim, Computed, Measured, Measurement, Verdict, basis, unique
from lossbook.evidence.conditions import All, Cases, Is, Some, share
from lossbook.evidence.contrasts import POINTS, Difference, interval_in_words
from lossbook.evidence.preferred import Preferred, first
from lossbook.evidence.rules import AtMostInPart, Gain, NoGain, Same, WholeData
from lossbook.evidence.select import Evidence, dataset_name, substituted
from lossbook.evidence.tables import number
from lossbook.experiments.grid import PAPER
from lossbook.papers.yao2018.long_runs import ACCURACY_DROP, LONG, LOSS_RISE, long_runs
from lossbook.papers.yao2018.names import BASELINE, DATASETS, READINGS, TABLE1
from lossbook.papers.yao2018.table1 import compared

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
        "driven it far down. The larger the logits, the more damage each wrong example does."
    ]


def _stable(loss: str, evidence: Evidence) -> Measurement:
    curves = long_runs(evidence, "mnist", loss, minimum=SHORT)
    if curves is None:
        return Measurement({}, (_too_short(evidence, "mnist"),))
    ways = [c for c in compared("mnist", loss) if c.left.epochs == curves.length]
    beside = next((d for c in ways if (d := c.at(evidence, curves.profile)) is not None), None)
    return Measurement(
        {
            "broken": [curves.diverged],
            "drop": [curves.accuracy_drop],
            "behind": [-100 * beside.interval.mean] if beside else [],
            "epochs": [curves.length],
            "late": [curves.late_share],
            "rise": [curves.loss_rise],
        },
        (curves.sentence(), *([beside.sentence()] if beside else [])),
        curves.records,
    )


def _overfit(evidence: Evidence) -> Measurement:
    found = [long_runs(evidence, "cifar10", loss, minimum=LONG, length=LONG) for loss in ("ce", "bce")]
    made = [c for c in found if c is not None]
    if not made:
        return Measurement({}, (_too_short(evidence, "cifar10"),))
    return Measurement(
        {"drop": [c.accuracy_drop for c in made], "rise": [c.loss_rise for c in made]},
        [c.sentence() for c in made],
        unique(c.records for c in made),
        whole=len(made) == len(found),
    )


def _improves(loss: str, evidence: Evidence) -> Measurement:
    curves = long_runs(evidence, "cifar10", loss, minimum=2 * LONG)
    if curves is None:
        return Measurement({}, (_too_short(evidence, "cifar10"),))
    gain, fall = curves.late_gain("test_accuracy"), curves.late_gain("test_loss")
    late = (
        f"From the ten epochs up to epoch {LONG} to the last tenth, accuracy changes by "
        f"{interval_in_words(gain, POINTS)}, the test loss by {number(fall.mean, 3)}"
        + ("." if not fall.bounded else f" ({number(fall.low, 3)} to {number(fall.high, 3)}).")
    )
    return Measurement(
        {
            "broken": [curves.diverged],
            "drop": [curves.accuracy_drop],
            "rise": [curves.loss_rise],
            "seeds": [gain.n],
            "least gain": [gain.low],
            "largest gain": [gain.high],
            "largest change of the loss": [fall.high],
        },
        (curves.sentence(), late),
        curves.records,
    )


def _lower(loss: str, evidence: Evidence) -> Measurement:
    chosen = first(compared("mnist", loss), evidence, DECISIVE)
    if chosen is None:
        return Measurement({}, (NO_RUNS,))
    own, base = chosen.runs.values("test_loss"), chosen.base.values("test_loss")
    shared = sorted(set(own) & set(base))
    means = [float(np.mean([side[seed] for seed in shared])) for side in (own, base)]
    said = (
        f"In the mean over {len(shared)} {'seeds' if len(shared) > 1 else 'seed'}, its test loss ends at "
        f"{number(means[0], 3)}, that of CE at {number(means[1], 3)}.",
        *_yardstick(READINGS[loss], chosen),
    )
    differences = [own[seed] - base[seed] for seed in shared]
    return Measurement({"difference": differences}, said, unique([chosen.records]))


def _readings(measure: Callable[[str, Evidence], Measurement]) -> dict[str, Callable[..., Measurement]]:
    """Both readings of a claim about NLLR."""
    return {name: partial(measure, loss) for loss, name in READINGS.items()}


_WINDOWS = (
    "Curves are read as means over a sliding tenth of the epochs; what they lose is averaged over seeds."
)
_BROKEN = Is("broken", ">", 0, "a run breaks down")
_DROP = Is("drop", ">", ACCURACY_DROP, "the accuracy ends {} points below its best")
_BEHIND = Is("behind", ">", BEHIND, "{} point below CE's")
_KEPT = Is("rise", "<=", LOSS_RISE, "{} of the test loss's descent from the first epoch is lost again", ".0%")
_AT_REST = Is("late", "<=", LOSS_RISE, "{} of it happens in the last tenth of the epochs", ".0%")
_BETTER = (
    Is("least gain", ">", 0, "the 95% interval of the change of accuracy lies above zero"),
    Is("largest change of the loss", "<", 0, "that of the test loss lies below zero"),
)
_WORSE = Is("largest gain", "<", 0, "the 95% interval of the change of accuracy lies below zero")


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
    Measured(
        "stable",
        "On MNIST, training with NLLR converges as that with CE does, and stays stable for 500 epochs.",
        "Sec. IV, on Fig. 1",
        f"{_WINDOWS} Runs of {SHORT} epochs or more are read.",
        _readings(_stable),
        Cases(
            (
                ("does not hold", Some((_BROKEN, _DROP, _BEHIND))),
                ("not tested", Is("epochs", "<", LONG, "the number of epochs is {}")),
                ("holds", All((_KEPT, _AT_REST))),
            ),
            "holds in part",
        ),
        (TABLE1,),
    ),
    Measured(
        "overfit",
        "On CIFAR-10, CE and BCE overfit within 100 epochs: their test loss and accuracy get worse again.",
        "Sec. IV, on Fig. 2",
        f"Both losses, over the first {LONG} epochs. {_WINDOWS}",
        {"": _overfit},
        share(All((_DROP, replace(_KEPT, sign=">")))),
        (TABLE1,),
    ),
    Measured(
        "improves",
        "On CIFAR-10, NLLR does not overfit: its test loss and accuracy keep improving over 500 epochs.",
        "Sec. IV, on Fig. 2",
        "A change is the mean of the last tenth of the epochs minus that of the ten epochs up to epoch "
        f"{LONG}, seed by seed. {_WINDOWS}",
        _readings(_improves),
        Cases(
            (
                ("does not hold", Some((_BROKEN, _DROP, _WORSE))),
                ("not settled", Is("seeds", "<", stats.FEWEST, "the number of seeds is {}")),
                ("holds", All((*_BETTER, _KEPT))),
                ("holds in part", Some(_BETTER, "accuracy or loss improves")),
            ),
            "not settled",
        ),
        (TABLE1,),
    ),
    Measured(
        "lower",
        "On MNIST the loss values of NLLR are much lower than those of CE, because NLLR is a ratio.",
        "Sec. IV, on Fig. 1",
        "The paper makes the same claim for BCE.",
        _readings(_lower),
        share(Is("difference", "<", 0, "NLLR's own test loss ends below CE's in every pair of equal seeds")),
        (TABLE1,),
        caveat="That the value is lower says nothing about the network: on the same outputs NLLR = CE + "
        "log(1 - p), which is always below CE, and has no lower bound.",
    ),
    Computed("correct", _only_correct),
)

#: The claims that the verdict page opens with.
HEADLINES = ("correct", "mnist", "cifar10")
