"""The claims of yao2018, and what the records say of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from lossbook import datasets
from lossbook.report import stats
from lossbook.report.evidence import Evidence, substituted
from lossbook.report.style import loss_style
from lossbook.report.tables import Runs, difference, signed
from lossbook.report.verdict import Claim, Finding, basis
from lossbook.report.yao2018 import BASELINE, DATASETS, PAPER, PUBLISHED_EPOCHS, common_lengths, dataset_name
from lossbook.results import Record

#: A long run, long enough to speak of overfitting: the paper's shortest.
LONG = 100
#: Curves count as degraded beyond this: points of accuracy, and the share of the loss's descent lost again.
ACCURACY_DROP = 0.5
LOSS_RISE = 0.05


@dataclass(frozen=True)
class Comparison:
    """Two losses on one data set at one profile, seed by seed."""

    dataset: str
    loss: str
    base: str
    runs: Runs
    base_runs: Runs
    difference: stats.PairedDifference
    resolution: float

    @property
    def records(self) -> tuple[Record, ...]:
        """The runs of both sides."""
        return (*self.runs.records, *self.base_runs.records)

    @property
    def above(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.difference.low > 0

    @property
    def no_gain(self) -> bool:
        """Whether the interval excludes a gain that the test set could resolve."""
        return self.difference.high <= self.resolution

    def sentence(self) -> str:
        """Return the comparison in words."""
        d, names = self.difference, (loss_style(self.loss).name, loss_style(self.base).name)
        lengths = [r.epochs or r.records[0].labels["epochs"] for r in (self.runs, self.base_runs)]
        after = (
            f"both after {lengths[0]} epochs"
            if lengths[0] == lengths[1]
            else f"{names[0]} after {lengths[0]} epochs, {names[1]} after {lengths[1]}"
        )
        size = min(r.provenance["test_size"] for r in self.records)
        return (
            f"{names[0]} minus {names[1]} on {datasets.info(self.dataset).title} ({after}): "
            f"{_points(d)}; {size:,} test images resolve about "
            f"{100 * self.resolution:.2f} points."
        )


def _points(d: stats.Interval) -> str:
    """A difference of accuracies in words."""
    if not math.isnan(d.half):
        interval = f"95% interval {signed(100 * d.low)} to {signed(100 * d.high)}, {d.n} seeds"
    elif d.n > 1:
        interval = f"the same for all {d.n} seeds, so no interval"
    else:
        interval = "1 seed, so no interval"
    return f"{signed(100 * d.mean)} points ({interval})"


def compare(
    evidence: Evidence, profile: str, dataset: str, loss: str, base: str, epochs: int, base_epochs: int
) -> Comparison | None:
    """Compare two losses at one profile; None without a shared seed, or on embedded data."""
    runs = evidence.runs(profile, epochs, dataset=dataset, loss=loss)
    base_runs = evidence.runs(profile, base_epochs, dataset=dataset, loss=base)
    if any(substituted(r) for r in (*runs.records, *base_runs.records)):
        return None
    found = difference(runs, base_runs, "test_accuracy")
    if found is None:
        return None
    size = min(r.provenance["test_size"] for r in base_runs.records)
    accuracy = float(np.mean(list(base_runs.values("test_accuracy").values())))
    return Comparison(dataset, loss, base, runs, base_runs, found, stats.resolution(accuracy, size))


def best_comparison(
    evidence: Evidence, dataset: str, loss: str, base: str = BASELINE, *, published: bool = False
) -> Comparison | None:
    """Compare two losses at the best profile that has both, one with several seeds before one with a single.

    Args:
        evidence: The records.
        dataset: The data set.
        loss: The loss.
        base: What it is compared with.
        published: Compare at the paper's own, unequal numbers of epochs; otherwise at the largest equal one.
    """
    single = None
    for profile in evidence.by_profile:
        if published:
            lengths = [(PUBLISHED_EPOCHS[loss], PUBLISHED_EPOCHS[base])] if profile == PAPER else []
        else:
            lengths = [(n, n) for n in reversed(common_lengths(profile))]
        for length, base_length in lengths:
            found = compare(evidence, profile, dataset, loss, base, length, base_length)
            if found is not None and found.difference.n > 1:
                return found
            single = single or found
    return single


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
        chosen = best_comparison(evidence, dataset, "nllr")
        if chosen is None:
            found.append(f"On {title} itself there are no runs of NLLR and CE to compare yet.")
            continue
        if chosen.above:
            says = "NLLR is the more accurate"
        elif chosen.difference.high < 0:
            says = "CE is the more accurate"
        else:
            says = "the runs do not tell NLLR from CE"
        found.append(f"On {title} {says}. {chosen.sentence()} Tested on {basis(chosen.records)}.")
        found += _yardstick(chosen)
    return found


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
        f"The test cross-entropy of the NLLR networks is {nllr:.3f}, of the CE networks {ce:.3f}; {what}."
    ]


def _mnist(evidence: Evidence) -> Claim:
    chosen = best_comparison(evidence, "mnist", "nllr", published=True) or best_comparison(
        evidence, "mnist", "nllr"
    )
    finding: Finding = "not tested"
    if chosen is not None:
        d, r = chosen.difference, chosen.resolution
        if d.low >= -r and d.high <= r:
            finding = "holds"
        elif d.low > r or d.high < -r:
            finding = "does not hold"
        else:
            finding = "not settled"
    return _claim(
        "On MNIST, NLLR is about as accurate as CE.",
        "Sec. I, IV and V; Table I; Fig. 1",
        "The 95% interval of NLLR minus CE, paired by seed, against the least difference r that the test set "
        "resolves (1.96 standard errors of a difference of two accuracies). It holds if the interval lies "
        "within -r to r, does not hold if it lies outside, and is not settled otherwise.",
        finding,
        [chosen],
    )


def _cifar10(evidence: Evidence) -> Claim:
    found = [
        best_comparison(evidence, "cifar10", "nllr", base, published=True)
        or best_comparison(evidence, "cifar10", "nllr", base)
        for base in ("ce", "bce")
    ]
    return _claim(
        "On CIFAR-10, NLLR is significantly more accurate than CE and BCE (86.01% against 79.92% and "
        "80.01%).",
        "Abstract; Sec. IV and V; Table I; Fig. 2",
        "NLLR minus CE and NLLR minus BCE, paired by seed; as published (500 against 100 epochs) where there "
        f"are such runs, otherwise at equal epochs. {_GAIN_RULE}",
        _gain(found),
        found,
    )


def _equal_epochs(evidence: Evidence) -> Claim:
    found = [best_comparison(evidence, "cifar10", "nllr", base) for base in ("ce", "bce")]
    finding = _gain(found)
    return _claim(
        "The gain on CIFAR-10 comes from the loss, which is the better one wherever classes are easily "
        "confused.",
        "Sec. IV, last paragraph",
        "NLLR minus CE and NLLR minus BCE on CIFAR-10 after equal numbers of epochs, the comparison the "
        f"paper lacks. {_GAIN_RULE} At most it holds in part: one data set and one network cannot show a "
        "general rule.",
        "holds in part" if finding == "holds" else finding,
        found,
    )


_GAIN_RULE = (
    "It holds if both 95% intervals lie above zero, holds in part if one does, does not hold if both "
    "exclude a gain that the test set resolves, and is not settled otherwise."
)


def _gain(found: Sequence[Comparison | None]) -> Finding:
    made = [c for c in found if c is not None]
    if not made:
        return "not tested"
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
    settled = [c for c in made if c.above or c.no_gain]
    finding: Finding
    if not made:
        finding = "not tested"
    elif len(settled) < len(made):
        finding = "not settled"
    elif any(c.above and not c.no_gain for c in made):
        finding = "holds in part" if any(c.no_gain for c in made) else "does not hold"
    else:
        finding = "holds" if len(made) == len(found) else "holds in part"
    return _claim(
        "Binary cross-entropy on softmax outputs cannot improve on CE in multi-class classification.",
        "Sec. II, after Eq. 10",
        "BCE minus CE after equal numbers of epochs, on each data set. A gain is excluded if the 95% "
        "interval ends below what the test set resolves, and shown if it lies above zero and is not "
        "excluded. It holds if a gain is excluded on both data sets, holds in part on one of them, does "
        "not hold if a gain is shown on every one tested, and is not settled if an interval allows both. "
        "What runs show of two data sets can refute 'cannot', and never prove it.",
        finding,
        found,
    )


def _stable(evidence: Evidence) -> Claim:
    curves = _long_runs(evidence, "mnist", "nllr", minimum=LONG)
    finding: Finding = "not tested"
    if curves is not None:
        finding = "does not hold" if curves.accuracy_degraded or curves.diverged else "holds"
        if finding == "holds" and curves.loss_degraded:
            finding = "holds in part"
    return _curve_claim(
        "On MNIST, training with NLLR converges and stays stable for 500 epochs.",
        "Sec. IV, on Fig. 1",
        f"{_DEGRADED_RULE} It holds if neither degrades, holds in part if only the loss does, and does not "
        "hold if the accuracy does or a run breaks down.",
        finding,
        [curves],
        evidence,
    )


def _overfit(evidence: Evidence) -> Claim:
    found = [_long_runs(evidence, "cifar10", loss, minimum=LONG, length=LONG) for loss in ("ce", "bce")]
    made = [c for c in found if c is not None]
    finding: Finding = "not tested"
    if made:
        signs = [sign for c in made for sign in (c.accuracy_degraded, c.loss_degraded)]
        if all(signs) and len(made) == len(found):
            finding = "holds"
        else:
            finding = "holds in part" if any(signs) else "does not hold"
    return _curve_claim(
        "On CIFAR-10, CE and BCE overfit within 100 epochs: their test loss and accuracy get worse again.",
        "Sec. IV, on Fig. 2",
        f"Over the first 100 epochs. {_DEGRADED_RULE} It holds if both degrade for both losses, holds in "
        "part if some do, and does not hold if none does.",
        finding,
        found,
        evidence,
    )


def _improves(evidence: Evidence) -> Claim:
    curves = _long_runs(evidence, "cifar10", "nllr", minimum=2 * LONG)
    finding: Finding = "not tested"
    gain = fall = stats.Interval(math.nan, math.nan, math.nan, 0)
    if curves is not None:
        gain, fall = curves.late_gain("test_accuracy"), curves.late_gain("test_loss")
        up, down = gain.low > 0, fall.high < 0
        if curves.accuracy_degraded or (gain.high < 0):
            finding = "does not hold"
        elif gain.n < 2:
            finding = "not settled"
        elif up and down and not curves.loss_degraded:
            finding = "holds"
        elif up or down:
            finding = "holds in part"
        else:
            finding = "does not hold"
    claim = _curve_claim(
        "On CIFAR-10, NLLR does not overfit: its test loss and accuracy keep improving over 500 epochs.",
        "Sec. IV, on Fig. 2",
        "Mean of the last tenth of the epochs against the ten epochs up to epoch 100, seed by seed. "
        f"{_DEGRADED_RULE} It holds if accuracy rises and loss falls (95% intervals on the right side of "
        "zero) and neither degrades, holds in part if one of them improves, and does not hold if neither "
        "does or the accuracy degrades. With one seed it is not settled.",
        finding,
        [curves],
        evidence,
    )
    if curves is None:
        return claim
    late = (
        f"From the ten epochs up to epoch {LONG} to the last tenth, accuracy changes by {_points(gain)}, the "
        f"test loss by {fall.mean:+.3f} (95% interval {fall.low:+.3f} to {fall.high:+.3f})."
    )
    return replace(claim, evidence=(*claim.evidence, late))


_DEGRADED_RULE = (
    "Values are means over a sliding tenth of the epochs. Accuracy has degraded if its last value is more "
    f"than {ACCURACY_DROP} points below its best, in the mean over seeds; the loss, if more than "
    f"{LOSS_RISE:.0%} of its descent from the first epoch is lost again."
)


@dataclass(frozen=True)
class _Curves:
    """Long runs of one loss on one data set, read over their first ``length`` epochs."""

    dataset: str
    loss: str
    records: tuple[Record, ...]
    length: int

    @property
    def diverged(self) -> int:
        return len(self.records) - len(self._complete("test_accuracy"))

    @property
    def accuracy_drop(self) -> float:
        """Points lost since the best window, mean over seeds."""
        drops = [
            windows.max() - windows[-1] for windows in map(self._windows, self._complete("test_accuracy"))
        ]
        return 100 * float(np.mean(drops)) if drops else float("nan")

    @property
    def loss_rise(self) -> float:
        """Share of the loss's descent that was lost again, mean over seeds."""
        shares = []
        for curve in self._complete("test_loss"):
            windows = self._windows(curve)
            descent = curve[0] - windows.min()
            shares.append((windows[-1] - windows.min()) / descent if descent > 0 else np.inf)
        return float(np.mean(shares)) if shares else float("nan")

    @property
    def accuracy_degraded(self) -> bool:
        return self.accuracy_drop > ACCURACY_DROP

    @property
    def loss_degraded(self) -> bool:
        return self.loss_rise > LOSS_RISE

    def late_gain(self, metric: str) -> stats.Interval:
        """Mean of the last tenth minus the mean of the ten epochs that end at epoch 100, over seeds."""
        gains = [
            curve[-max(1, self.length // 10) :].mean() - curve[LONG - 10 : LONG].mean()
            for curve in self._complete(metric)
        ]
        return stats.mean_interval(gains) if gains else stats.Interval(np.nan, np.nan, np.nan, 0)

    def sentence(self) -> str:
        lost = f" ({self.diverged} broke down)" if self.diverged else ""
        return (
            f"{loss_style(self.loss).name} on {datasets.info(self.dataset).title}, {len(self.records)} runs "
            f"over {self.length} epochs{lost}: the accuracy ends {self.accuracy_drop:.2f} points below its "
            f"best; {self.loss_rise:.1%} of the test loss's descent is lost again."
        )

    def _complete(self, metric: str) -> list[np.ndarray]:
        found = (np.array(r.curves[metric][: self.length], dtype=float) for r in self.records)
        return [curve for curve in found if len(curve) == self.length and np.isfinite(curve).all()]

    def _windows(self, curve: np.ndarray) -> np.ndarray:
        width = max(1, self.length // 10)
        return np.convolve(curve, np.ones(width) / width, mode="valid")


def _long_runs(
    evidence: Evidence, dataset: str, loss: str, *, minimum: int, length: int | None = None
) -> _Curves | None:
    """The best profile's runs of at least ``minimum`` epochs, the longest ones unless a length is given."""
    for profile, records in evidence.by_profile.items():
        fitting = [
            r
            for r in records
            if (r.labels["dataset"], r.labels["loss"]) == (dataset, loss)
            and r.labels["epochs"] >= minimum
            and not substituted(r)
        ]
        if fitting:
            epochs = length or max(r.labels["epochs"] for r in fitting)
            runs = evidence.runs(profile, epochs, dataset=dataset, loss=loss)
            return _Curves(dataset, loss, runs.records, epochs)
    return None


def _lower(evidence: Evidence) -> Claim:
    evidences: list[str] = []
    records: list[Record] = []
    lower: list[bool] = []
    for dataset in DATASETS:
        chosen = best_comparison(evidence, dataset, "nllr")
        if chosen is None:
            continue
        own, base = chosen.runs.values("test_loss"), chosen.base_runs.values("test_loss")
        shared = sorted(set(own) & set(base))
        if not shared:
            continue
        lower.append(all(own[s] < base[s] for s in shared))
        records += chosen.records
        evidences.append(
            f"On {dataset_name(dataset)} the test loss at the end is "
            f"{np.mean([own[s] for s in shared]):.3f} for NLLR and {np.mean([base[s] for s in shared]):.3f} "
            "for CE."
        )
        evidences += _yardstick(chosen)
    finding: Finding = "not tested"
    if lower:
        finding = "holds" if all(lower) else "holds in part" if any(lower) else "does not hold"
    return Claim(
        "The loss values of NLLR are much lower than those of CE, because NLLR is a ratio.",
        "Sec. IV, on Fig. 1",
        "It holds if in every pair of runs with the same seed NLLR's own test loss ends below CE's. That "
        "the value is lower says nothing of the network: on the same outputs NLLR = CE + log(1 - p), which "
        "is below CE always, and has no lower bound.",
        finding,
        basis(records),
        tuple(evidences) or (_NO_RUNS,),
        tuple(records),
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


def _claim(title: str, where: str, rule: str, finding: Finding, found: Sequence[Comparison | None]) -> Claim:
    made = [c for c in found if c is not None]
    records = tuple({r.key: r for c in made for r in c.records}.values())
    sentences = tuple(c.sentence() for c in made) or (_NO_RUNS,)
    return Claim(title, where, rule, finding, basis(records), sentences, records)


def _curve_claim(
    title: str, where: str, rule: str, finding: Finding, found: Sequence[_Curves | None], evidence: Evidence
) -> Claim:
    made = [c for c in found if c is not None]
    records = tuple({r.key: r for c in made for r in c.records}.values())
    longest = max((r.labels["epochs"] for r in evidence.records if not substituted(r)), default=0)
    so_far = f"the longest recorded so far have {longest}" if longest else "none is recorded"
    sentences = tuple(c.sentence() for c in made) or (
        f"It takes runs of {LONG} epochs or more on the data set itself; {so_far}.",
    )
    return Claim(title, where, rule, finding, basis(records), sentences, records)
