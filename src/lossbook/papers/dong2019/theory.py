"""What dong2019 argues from its formulas: each claim checked again on examples, so that it is computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from lossbook.analysis import Distraction, distraction, logit_gradient
from lossbook.evidence.claims import Computed, Verdict
from lossbook.evidence.rules import Finding
from lossbook.losses import hs_lr_loss, lr_loss, ss_lr_loss

MATHEMATICS = "mathematics, checked on examples"
#: Numbers of classes: CIFAR-10, CIFAR-100, Tiny ImageNet, DukeMTMC and Market-1501 in training.
CLASSES = (10, 100, 200, 702, 751)
#: The shares of the negative classes that the paper's range begins and ends at, and all of them.
SHARES = (0.25, 0.5, 0.75, 1.0)
BETA = 10.0
#: Numbers count as equal below this.
EQUAL = 1e-9

_LR = partial(lr_loss, reduction="none")
_WHERE_NCD = "The Negative Class Distraction Problem"


def _ce(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target, reduction="none")


def _at_zero(loss: Callable[..., Tensor], classes: int) -> Distraction:
    """The parts of a loss where an untrained network is: at logits of zero."""
    return distraction(loss, torch.zeros(1, classes, dtype=torch.float64), torch.zeros(1, dtype=torch.int64))


def _examples(rows: int = 200, classes: int = 10) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(classes, (rows,), generator=generator)


def outweigh() -> Verdict:
    """The negative part against the positive one at the start, by number of classes."""
    found = {k: _at_zero(_LR, k) for k in CLASSES}
    loss = {k: float(each.negative / each.positive) for k, each in found.items()}
    gradient = {k: float(1 / each.ratio) for k, each in found.items()}
    right = all(abs(loss[k] - (k - 1)) < EQUAL * k and abs(gradient[k] - (k - 1)) < EQUAL * k for k in found)
    tiny = found[200]
    least = 2 * float(torch.log(torch.tensor(2.0)))
    return Verdict(
        "At the start of training the negative classes outweigh the positive one in LR, the more so the more "
        "classes there are.",
        f"{_WHERE_NCD}; Fig. 2",
        "It holds if at logits of zero the negative part of Eq. 3 and of its gradient is K - 1 times the "
        "positive one.",
        "holds" if right else "does not hold",
        MATHEMATICS,
        (
            "Negative over positive part, in the loss and in the gradient: "
            + ", ".join(f"{loss[k]:.0f} for {k} classes" for k in found)
            + ".",
            f"For the 200 classes of Tiny ImageNet that is {float(tiny.negative):.1f} against "
            f"{float(tiny.positive):.3f}. The paper's example, 140 against 0.4, cannot be an average at the "
            f"start: positive + negative/199 is at least {least:.3f} there, and its numbers give "
            f"{0.4 + 140 / 199:.3f}.",
        ),
    )


def course() -> Verdict:
    """What the biases alone do to the positive part."""
    k = 200
    settled = distraction(
        _LR,
        torch.full((1, k), -float(torch.log(torch.tensor(k - 1.0))), dtype=torch.float64),
        torch.zeros(1, dtype=torch.int64),
    )
    start = _at_zero(_LR, k)
    before, after = (float(each.positive + each.negative) for each in (start, settled))
    rises = float(settled.positive) > float(start.positive) and after < before
    return Verdict(
        "That early in training the positive part of the loss rises while the negative one falls is "
        "unexpected, and suggests that the positive class is largely ignored.",
        f"{_WHERE_NCD}; Fig. 2(b) and (c)",
        "It does not hold if a network that ignores the image, with its biases at the best values there are, "
        "has a higher positive part than at the start, at a lower loss.",
        "does not hold" if rises else "holds",
        MATHEMATICS,
        (
            f"For 200 classes: at logits of zero the positive part is {float(start.positive):.3f} and the "
            f"negative {float(start.negative):.1f}. With all sigmoids at 1/200, which is the best without "
            f"looking at the image, they are {float(settled.positive):.3f} and "
            f"{float(settled.negative):.3f}. The loss falls by {1 - after / before:.0%}, "
            "and for that the positive part has to rise.",
        ),
    )


def minima() -> Verdict:
    """Whether LR's loss has poor minima of its own."""
    logits, target = _examples()
    others, _ = _examples(rows=400)
    middle = (logits + others[200:]) / 2
    above = (_LR(logits, target) + _LR(others[200:], target)) / 2 - _LR(middle, target)
    convex = float(above.min()) >= -EQUAL
    return Verdict(
        "LR leads to some poor local minima with the positive class largely ignored.",
        _WHERE_NCD,
        "Formulas settle only half of it. If Eq. 3 is convex in the logits, a last layer on fixed features "
        "has no local minimum but the global one, so that such minima would be the network's, and the "
        "claim is not settled. If it is not convex, the claim holds in part.",
        "not settled" if convex else "holds in part",
        MATHEMATICS,
        (
            "On 200 random pairs of logits the loss at the middle is below the mean of both ends, by "
            f"{float(above.min()):.2f} or more.",
            "The expected loss is least where each sigmoid is the probability of its class.",
        ),
    )


def identical() -> Verdict:
    """Whether softmax regression pushes all other classes alike."""
    logits, target = _examples()
    gradient, p = logit_gradient(_ce, logits, target), logits.softmax(1)
    others = F.one_hot(target, logits.shape[1]) == 0
    error = float((gradient - p)[others].abs().max())
    spread = float(
        (gradient.masked_fill(~others, 0).amax(1) / gradient[others].view(200, -1).amin(1)).median()
    )
    return Verdict(
        "CE treats all classes but the labelled one identically and so ignores how they are related.",
        "Introduction; Delve Deep into Deep Learning Classification, Remarks",
        "It does not hold if the gradient of CE with respect to another class's logit is that class's "
        "probability, which differs from class to class.",
        "does not hold" if error < EQUAL and spread > 1 else "holds",
        MATHEMATICS,
        (
            "On 200 random examples of ten classes the gradient is the probability of the class, within "
            f"{error:.0e}; in the median the largest is {spread:.0f} times the smallest.",
            "LR pushes a class by its sigmoid. In both losses the more probable class is pushed harder. The "
            "claim is right in another sense, for both: no term names a relation between classes.",
        ),
    )


def competition() -> Verdict:
    """Whether softmax regression is distracted."""
    logits, target = _examples()
    gradient = logit_gradient(_ce, logits, target)
    on_target = gradient.gather(1, target[:, None])[:, 0].abs()
    elsewhere = gradient.abs().sum(1) - on_target
    error = float((on_target / elsewhere - 1).abs().max())
    return Verdict(
        "CE does not suffer from negative class distraction.",
        "Further Analysis and Discussion, Hard Mining for SR",
        "It holds if in the gradient of CE the labelled class has as much weight as all others together, for "
        "every example.",
        "holds" if error < EQUAL else "does not hold",
        MATHEMATICS,
        (f"On 200 random examples the two weights agree within {error:.0e}. It needs no experiment.",),
    )


def imbalance() -> Verdict:
    """Whether distraction is another thing than class imbalance."""
    ratios = {k: float(_at_zero(_LR, k).ratio) for k in CLASSES}
    per_image = all(abs(ratio * (k - 1) - 1) < EQUAL for k, ratio in ratios.items())
    classes, each = 100, 500
    targets = torch.arange(classes).repeat_interleave(each)
    positives = F.one_hot(targets, classes).sum(0)
    per_class = float((len(targets) - positives[0]) / positives[0])
    same = bool((positives == each).all()) and per_class == classes - 1
    finding: Finding = "holds in part" if per_image and same else "holds" if per_image else "does not hold"
    return Verdict(
        "Distraction arises in each example, whatever the distribution of the training data, and so is "
        "fundamentally different from class imbalance.",
        "Related Work; Rectification by Negative Class Soft Selection",
        "It holds if the ratio of one example depends on the number of classes alone. It holds in part if "
        "the binary task of each class is out of balance by the same factor, which is class imbalance.",
        finding,
        MATHEMATICS,
        (
            "At logits of zero the positive class has 1/(K - 1) of the gradient, whatever the data.",
            f"With {classes} classes of {each} images each, the binary task of a class has {each} positives "
            f"and {per_class:.0f} times as many negatives. Both are one sum, by example or by class.",
        ),
    )


def sparse() -> Verdict:
    """What a few labels among many classes leave of the positive part at the start."""
    classes, labels = 1000, 3
    target = torch.arange(classes)[None] < labels

    def ratio(logit: float) -> float:
        logits = torch.full((1, classes), logit, dtype=torch.float64, requires_grad=True)
        size = torch.autograd.grad(lr_loss(logits, target), logits)[0].abs()
        return float(size[target].sum() / size[~target].sum())

    start, settled = ratio(0.0), ratio(-math.log(classes / labels - 1))
    right = abs(start - labels / (classes - labels)) < EQUAL
    return Verdict(
        "Distraction also occurs in multi-label classification, where an example has few labels.",
        f"{_WHERE_NCD}; Clothing Attributes Recognition; Fig. 4",
        "It holds if at logits of zero the gradient ratio of L labels to the other classes is L/(K - L).",
        "holds" if right else "does not hold",
        MATHEMATICS,
        (
            f"With {labels} labels among {classes:,} classes, as on DeepFashion, the other classes have "
            f"{1 / start:.0f} times the gradient of the labels.",
            f"There, too, it is a matter of the start: with every sigmoid at {labels}/{classes:,}, the "
            f"mean frequency of a label, the ratio is {settled:.2f}.",
        ),
    )


def focus() -> Verdict:
    """What selecting negative classes does to the weight of the positive one."""
    ratios = {
        (k, m): float(_at_zero(partial(hs_lr_loss, m=m, beta=BETA, reduction="none"), k).ratio)
        for k in CLASSES
        for m in SHARES
    }
    plain = {k: float(_at_zero(_LR, k).ratio) for k in CLASSES}
    by_beta = all(abs(ratio - 1 / BETA) < EQUAL for ratio in ratios.values())
    raised = [k for k in CLASSES if ratios[k, 0.25] > plain[k]]
    finding: Finding = "does not hold"
    if raised:
        finding = "holds in part" if by_beta or len(raised) < len(CLASSES) else "holds"
    return Verdict(
        "Selecting the hard negative classes gives the positive class more of the focus.",
        f"{_WHERE_NCD}; Rectification by Negative Class Hard Selection",
        "At the start of training. It holds if the gradient ratio of HS-LR is above that of LR because of "
        "the selection, and holds in part if it is above, but the same for every m.",
        finding,
        MATHEMATICS,
        (
            f"The ratio of positive to negative classes is 1/{BETA:g} for m from 25 to 100 and every number "
            f"of classes: the weight of Eq. 5 divides by the number selected. It is β that sets it.",
            f"LR has 1/(K - 1). So the ratio is raised for {', '.join(map(str, raised))} classes, and "
            f"lowered for {', '.join(str(k) for k in CLASSES if k not in raised) or 'none'}.",
        ),
    )


def alpha() -> Verdict:
    """Whether the weight of the selected classes is below 1."""
    weights = {(k, m): BETA / max(1, int(m * (k - 1) + EQUAL)) for k in CLASSES for m in SHARES}
    below = [which for which, weight in weights.items() if weight < 1]
    finding: Finding = (
        "holds" if len(below) == len(weights) else "holds in part" if below else "does not hold"
    )
    ten = ", ".join(f"{weights[10, m]:.2f} at m = {100 * m:.0f}" for m in SHARES)
    return Verdict(
        "The weight α of the negative classes in HS-LR is below 1.",
        "Rectification by Negative Class Hard Selection, below Eq. 5",
        "For the numbers of classes of the paper's single-label data, m of 25 to 100 percent and β = 10. It "
        "holds if α is below 1 for all, and holds in part if for some.",
        finding,
        MATHEMATICS,
        (f"On the ten classes of CIFAR-10 α is {ten}; for the other data sets it is below 1.",),
        count=(len(below), len(weights)),
    )


def powers() -> Verdict:
    """SS-LR at r = 0, and how a growing r shifts the weight to hard classes."""
    logits, target = _examples(classes=100)
    hard = hs_lr_loss(logits, target, m=1.0, beta=BETA, reduction="none")
    error = float((ss_lr_loss(logits, target, r=0.0, beta=BETA, reduction="none") - hard).abs().max())
    p = torch.tensor([0.1, 0.5], dtype=torch.float64)
    favours = [float((p[1] / p[0]) ** r) for r in (0.0, 1.0, 2.0, 10.0)]
    negative = {
        r: float(_at_zero(partial(ss_lr_loss, r=r, beta=BETA, reduction="none"), 200).negative_gradient)
        for r in (0.0, 2.0, 50.0)
    }
    right = error < EQUAL and favours == sorted(favours) and favours[0] < favours[-1]
    return Verdict(
        "At r = 0 SS-LR is HS-LR at m = 100, and growing r shifts the focus to hard negative classes.",
        "Rectification by Negative Class Soft Selection",
        "It holds if both losses agree on random examples, and if the weight of a hard class over an easy "
        "one rises with r.",
        "holds" if right else "does not hold",
        MATHEMATICS,
        (
            f"On 200 examples of 100 classes they agree within {error:.0e}. A class at 0.5 weighs "
            + ", ".join(f"{f:.3g}" for f in favours)
            + " times as much as one at 0.1 for r = 0, 1, 2 and 10.",
            "All weights shrink as well: at logits of zero the negative gradient is "
            + ", ".join(f"{value:.3g} at r = {r:g}" for r, value in negative.items())
            + ".",
        ),
    )


def focal() -> Verdict:
    """SS-LR's negative term beside that of the focal loss on sigmoids."""
    z = torch.linspace(-8, 8, 101, dtype=torch.float64)
    r, s = 2.0, torch.sigmoid(z)
    lin = -(s**r) * torch.log1p(-s)
    zeros = torch.zeros_like(z, dtype=torch.int64)
    rows = torch.stack([torch.full_like(z, 40.0), z], dim=1)
    mine = ss_lr_loss(rows, zeros, r=r, beta=1.0, reduction="none")
    error = float((mine - lin).abs().max())
    return Verdict(
        "SS-LR differs fundamentally from the focal loss, which is built on softmax and works on examples "
        "instead of classes.",
        "Rectification by Negative Class Soft Selection, last paragraph",
        "It holds in part if the negative term of SS-LR is that of the focal loss as it was published, on "
        "sigmoids and with γ = r, while the positive term differs; it holds if both differ.",
        "holds in part" if error < EQUAL else "holds",
        MATHEMATICS,
        (
            f"At 101 logits and r = γ = 2 both terms agree within {error:.0e}. What differs is the positive "
            "term, which the focal loss weakens, and the weight α.",
        ),
    )


CLAIMS = (
    Computed("outweigh", outweigh),
    Computed("course", course),
    Computed("minima", minima),
    Computed("imbalance", imbalance),
    Computed("sparse", sparse),
    Computed("identical", identical),
    Computed("competition", competition),
    Computed("focus", focus),
    Computed("alpha", alpha),
    Computed("powers", powers),
    Computed("focal", focal),
)
