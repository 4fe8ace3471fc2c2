"""What li2020 derives: each claim checked again on small examples, so that its finding is computed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lossbook.evidence import stats
from lossbook.evidence.claims import Computed, Measured, Measurement, Untested, Verdict
from lossbook.evidence.conditions import All, Cases, Is, share
from lossbook.evidence.rules import Finding
from lossbook.evidence.select import dataset_name
from lossbook.losses import lgl_inr_loss
from lossbook.papers.li2020 import table1
from lossbook.papers.li2020.names import ABOUT, NAMES, NETWORK_NAMES
from lossbook.papers.li2020.simulations import (
    TEN_FEW,
    TEN_TRAINING,
    Samples,
    confusions,
    draw,
    draw_ten,
    eq_9,
    fit,
)
from lossbook.results import published

#: Runs of the simulations; the page on Table 1 has more.
RUNS = 20
#: Two sides of Eq. 8 count as equal below this relative distance.
EQUAL = 1e-8

#: A network -> the one with more parameters that the paper has on the same data.
LARGER = {"cnn2c": "cnn5c", "mobilenet_v2": "resnet18"}

MATHEMATICS = "mathematics, checked on small examples"
_EQUAL_WEIGHTS = torch.ones(2, dtype=torch.float64)


def _distance(sides: tuple[Tensor, Tensor]) -> float:
    """The largest relative distance of the two sides of Eq. 8 or 9."""
    left, right = sides
    return float((left / right - 1).abs().max())


def balance() -> Verdict:
    """Eq. 8, at a stationary point with a free bias and without one."""
    samples = draw_ten("training", TEN_FEW, range(3))
    weight = torch.linspace(1, 2, len(TEN_FEW), dtype=torch.float64)
    mass = weight * torch.tensor(TEN_FEW, dtype=torch.float64)
    free, weights_only, penalised, without = (
        _distance(eq_9(fit(samples, weight, **options).logits(samples.features), TEN_FEW, mass))
        for options in ({}, {"weight_decay": 0.01}, {"bias_decay": 0.01}, {"bias": False})
    )
    holds = free < EQUAL and weights_only < EQUAL
    return Verdict(
        "Once a network is trained, the weighted probability that a class lacks equals what it receives from "
        "the samples of the others.",
        "Key Equations for Weights; Eq. 3 to 8",
        "It holds if in models fitted until the gradient vanishes both sides of Eq. 8 agree to rounding, for "
        "every class and unequal class weights, also with weight decay on all parameters but the biases.",
        "holds" if holds else "does not hold",
        MATHEMATICS,
        (
            f"Softmax regressions on ten classes, three fits: the sides differ by at most {free:.0e} of "
            f"their size, and by {weights_only:.0e} with weight decay on the weights.",
            "The paper names what this needs: a bias in the output layer that is not penalised. With a "
            f"weight decay of 0.01 on the biases the sides differ by up to {penalised:.0%}, without biases "
            f"by up to {without:.0%}.",
        ),
    )


def generalises() -> Measurement:
    """Eq. 9 on test data, for two sizes of the training set."""
    found = table1.ten_classes(range(RUNS))
    apart = {
        (each.weights, sum(each.counts)): float(
            (each.testing[0] / each.testing[1]).log().square().mean().sqrt()
        )
        for each in found
    }
    return Measurement(
        {"apart": list(apart.values())},
        (
            "Typical distance on test data: "
            + "; ".join(f"{n:,} samples, {weights} weights {d:.0%}" for (weights, n), d in apart.items())
            + ".",
            "On the training data the distance is zero in all of them. What decides is the size of the "
            "model relative to the number of samples.",
        ),
        basis=f"{RUNS} simulations each",
    )


def table_one(results: Sequence[table1.Result] | None = None) -> Measurement:
    """Table 1 of the paper, with both readings of its header.

    Args:
        results: Simulations that the page has already made; a few are made without.
    """
    results = results or table1.table_one(range(RUNS))
    return Measurement(
        table1.agreement(results),
        (
            table1.verdict(results),
            "With the printed weights Eq. 10 gives 100 and 50 in the second and third columns, and so do our "
            "runs.",
        ),
        basis=f"the paper's simulations ({len(results[0].testing)} runs)",
    )


def examples() -> Verdict:
    """The worked examples below Eq. 10: their numbers, and what is concluded from them."""

    def of_minority(of_majority: float) -> float:
        return 1 - 10 * (1 - of_majority)  # Eq. 10 with ten times as many samples of class 0

    numbers = {0.98: 0.8, 0.92: 0.2, 0.9: 0.0}
    right = all(abs(of_minority(given) - follows) < 1e-12 for given, follows in numbers.items())
    # 89 samples of 100 are right by a little, and the mean is still below one half.
    low = torch.tensor([0.505] * 89 + [0.0] * 11, dtype=torch.float64)
    mean, accuracy = float(low.mean()), float((low > 0.5).double().mean())
    concluded = not (mean < 0.5 < accuracy)
    finding: Finding = "does not hold" if not right else "holds" if concluded else "holds in part"
    return Verdict(
        "With ten times as many samples of one class and equal weights, that class has a mean probability "
        "above 0.9. A mean of 0.92 gives the other class 0.2, so most of it must be misclassified.",
        "Binary Case with LGL, first point",
        "The numbers must follow from Eq. 10, and the conclusion from a mean below one half to a majority of "
        "mistakes must be valid. It holds in part if only the numbers are right.",
        finding,
        MATHEMATICS,
        (
            "The numbers follow: "
            + ", ".join(f"{given:g} gives {abs(round(of_minority(given), 12)):g}" for given in numbers)
            + ".",
            f"The step to decisions is not valid in general: predictions with a mean of {mean:.2f} can be "
            f"right for {accuracy:.0%} of the samples. At a mean of 0.2 at most 40% can be right, so in the "
            "paper's example the conclusion is true.",
        ),
    )


#: Two features of 60 majority and 13 minority samples: place, and how many samples lie there.
_PLACES = (
    (((1.0, 0.5), 20), ((0.5, 0.5), 20), ((-3.0, 0.5), 20)),
    (((-4.0, 2.0), 6), ((-0.5, -0.5), 6), ((0.0, 4.0), 1)),
)


def guarantee() -> Verdict:
    """Inverse-frequency weights for two classes, on 73 points where both accuracies fall."""
    features = torch.tensor(
        [place for of_class in _PLACES for place, count in of_class for _ in range(count)],
        dtype=torch.float64,
    )
    counts = tuple(sum(count for _, count in of_class) for of_class in _PLACES)
    samples = Samples(features[None], counts)
    sizes = torch.tensor(counts, dtype=torch.float64)
    right, means = [], []
    for weight in (_EQUAL_WEIGHTS, 1 / sizes):
        z = fit(samples, weight).logits(samples.features)
        is_right = (z[0, :, 0] > 0).long() == samples.target
        right.append([int(part.sum()) for part in is_right.split(list(counts))])
        means.append(confusions(z, counts)[0].diagonal())
    refuted = right[1][1] < right[0][1] and bool((means[1] > 0.5).all())
    return Verdict(
        "For two classes, weights by inverse class frequency guarantee a better performance on the minority "
        "class, if either class is well predicted.",
        "Abstract; Binary Case with LGL, second point",
        "It does not hold if there is one data set on which both mean probabilities exceed one half with "
        "these weights, and the minority's accuracy falls.",
        "does not hold" if refuted else "holds",
        MATHEMATICS,
        (
            f"On {sum(counts)} points with two features, a logistic regression gets {right[0][1]} of "
            f"{counts[1]} minority points right with equal weights and {right[1][1]} with weights by inverse "
            f"frequency; of the majority {right[0][0]} and {right[1][0]} of {counts[0]}. The mean "
            f"probability of the true class is then {float(means[1][0]):.2f} for both.",
            "What is guaranteed is the equality of the two means, and that the minority's log-loss on the "
            "training data does not grow. The accuracy on the minority may rise; it need not.",
        ),
    )


def multiclass() -> Verdict:
    """Eq. 9 with inverse frequencies for more than two classes: how many numbers stay free."""
    free = {k: k * (k - 1) - _rank(k) for k in range(2, 8)}
    expected = all(free[k] == (k - 1) ** 2 for k in free)
    undetermined = all(number > 1 for k, number in free.items() if k > 2)
    return Verdict(
        "For more than two classes the effect of class weights is not determined.",
        "Abstract; Multi-class Case with SML",
        "It holds if Eq. 9 leaves more than one of the K(K - 1) mean probabilities free for 3 to 7 classes, "
        "where it leaves one free for two classes.",
        "holds" if expected and undetermined and free[2] == 1 else "does not hold",
        MATHEMATICS,
        (
            "Mean probabilities that Eq. 9 leaves free, for 2 to 7 classes: "
            + ", ".join(str(free[k]) for k in free)
            + ".",
            "The equations number one less than the paper counts, as the probabilities of a softmax sum to "
            "one. That makes the claim stronger. For two classes one number is free, the common mean of "
            "both.",
        ),
    )


def _rank(k: int) -> int:
    """Independent equations of Eq. 9 in the mean probabilities off the diagonal, with equal masses."""
    pairs = [(i, j) for i in range(k) for j in range(k) if i != j]
    matrix = torch.zeros(k, len(pairs), dtype=torch.float64)
    for column, (i, j) in enumerate(pairs):
        matrix[i, column] += 1  # what class i lacks
        matrix[j, column] -= 1  # what class j receives
    return int(torch.linalg.matrix_rank(matrix))


def boundary() -> Verdict:
    """Whether far samples count, and where the boundary goes under imbalance."""

    def place(samples: Samples) -> float:
        found = fit(samples, _EQUAL_WEIGHTS)
        return float(-found.bias[0, 0] / found.weight[0, 0, 0])

    before = place(draw("sim1", "training", (1000, 1000), [0]))
    after = place(draw("sim1", "training", (1000, 10_000), [0]))
    few = draw("sim1", "training", (100, 100), [0])
    farthest = int(few.features[0, :100, 0].argmax())  # class 0 lies at the right
    kept = torch.arange(200) != farthest
    moved = place(Samples(few.features[:, kept], (99, 100))) - place(few)
    holds = after > before and abs(moved) > EQUAL
    return Verdict(
        "All samples have a say in the decision boundary, and imbalance pushes it towards the minority.",
        "Learning property of LGL and SML",
        "It holds if leaving out the sample that is farthest on its own side moves the boundary of a "
        "logistic regression, and if ten times as many samples of one class move it towards the other.",
        "holds" if holds else "does not hold",
        MATHEMATICS,
        (
            f"In simulation 1 the boundary lies at {before:.2f} for classes of equal size, and at "
            f"{after:.2f}, on the side of the minority, for ten times as many samples of class 1. For 100 "
            f"samples of each class, it moves by {abs(moved):.0e} if the farthest of them is left out.",
        ),
    )


def averaging() -> Verdict:
    """Whether the balance tells the logistic from the softmax loss."""
    counts = (40, 30, 20, 30)
    samples = draw_ten("training", counts, [0])
    softmax = fit(samples, torch.ones(len(counts), dtype=torch.float64))
    z = softmax.logits(samples.features)
    p = torch.cat([torch.zeros_like(z[..., :1]), z], dim=2).softmax(2)[0]
    apart = {"softmax": _one_vs_rest(p, samples.target)}
    s = torch.stack([_against_the_rest(samples, k) for k in range(len(counts))], dim=1)
    apart["logistic"] = _one_vs_rest(s, samples.target)
    same = all(distance < EQUAL for distance in apart.values())
    return Verdict(
        "LR averages over the negative classes and so neglects hard ones; CE does not suffer from this.",
        "Introduction; Multi-modality Neglect Problem; Predictive Results; Conclusion",
        "The paper derives the averaging from Eq. 10. As an explanation of a difference it does not hold if "
        "networks fitted with either loss satisfy the same equations, class by class.",
        "does not hold" if same else "holds",
        MATHEMATICS,
        (
            "With equal weights both losses satisfy the same balance: what class k lacks equals the sum of "
            "what it receives from the others. In fits to four classes the two sides differ by at most "
            f"{apart['softmax']:.0e} (softmax) and {apart['logistic']:.0e} (logistic) of their size.",
            "This finding concerns the explanation alone. Whether networks trained with LR confuse "
            "hard classes more is a question for experiments.",
        ),
    )


def _against_the_rest(samples: Samples, k: int) -> Tensor:
    """Predicted probabilities of class k, one sigmoid fitted against all other classes, ``[N]``."""
    own = samples.target == k
    order = torch.cat([torch.where(~own)[0], torch.where(own)[0]])
    two = Samples(samples.features[:, order], (int((~own).sum()), int(own.sum())))
    return fit(two, _EQUAL_WEIGHTS).logits(samples.features)[0, :, 0].sigmoid()


def _one_vs_rest(p: Tensor, target: Tensor) -> float:
    """The largest relative distance of what a class lacks from what it receives, ``p`` is ``[N, K]``."""
    own = torch.nn.functional.one_hot(target, p.shape[1]).bool()
    lacks, receives = ((1 - p) * own).sum(0), (p * ~own).sum(0)
    return float((lacks / receives - 1).abs().max())


def weights(beta: float, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    r"""The weights that LGL-INR gives to the classes, read off its gradient.

    With constant :math:`\lambda` the gradient of Eq. 11 with respect to the logits of class :math:`k`, summed
    over the samples of class :math:`j`, is :math:`\lambda_j^{(k)}` times their mean probability of class
    :math:`k`; over the samples of :math:`k` itself it is minus the mean that they lack.

    Args:
        beta: Eq. 11's :math:`\beta`.
        logits: Shape ``[N, K]``, float64.
        target: Class indices, ``[N]``; every class occurs.

    Returns:
        :math:`\lambda_j^{(k)}` with target classes k as rows, zero where j is k; and the weight of the
        positives of each class. Shapes ``[K, K]`` and ``[K]``.

    References:
        li2020, Eq. 11.
    """
    z = logits.detach().clone().requires_grad_()
    lgl_inr_loss(z, target, beta=beta, detach=True).backward()
    assert z.grad is not None
    own = torch.nn.functional.one_hot(target, z.shape[1]).to(z.dtype)
    totals = own.T @ z.grad  # [j, k]
    means = (own.T @ z.detach().sigmoid()) / own.sum(0)[:, None]
    off = 1 - torch.eye(z.shape[1], dtype=z.dtype)
    return (totals / means * off).T, -(totals.diagonal() / (1 - means.diagonal()))


def _batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    """A balanced batch of 60 random logits, in which class 7 is hard for class 3."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.arange(60) % 10
    logits = torch.randn(60, 10, generator=generator, dtype=torch.float64)
    logits[target == 7, 3] += 3
    return logits, target


def limits() -> Verdict:
    """The two levels of Eq. 11 and the limits of its weights."""
    logits, target = _batch()
    even, positive = weights(0.0, logits, target)
    sharp, _ = weights(200.0, logits, target)
    off = ~torch.eye(10, dtype=torch.bool)
    level = float((even[off] - 1 / 9).abs().max())
    sums = float((weights(1.0, logits, target)[0].sum(1) - positive).abs().max())
    hardest = float(sharp[3, 7])
    problems = int((sharp > 0.5).sum())
    right = level < EQUAL and sums < EQUAL and abs(hardest - 1) < 1e-3
    pairs = 10 * 9 // 2
    finding: Finding = "does not hold"
    if right:
        finding = "holds" if problems >= pairs else "holds in part"
    return Verdict(
        "LGL-INR balances positives and negatives. For β = 0 all negative classes weigh the same, for large "
        "β it becomes one-vs-one.",
        "Eq. 11 and the paragraphs below it, up to Experiments",
        "Read off the gradient of the loss on a batch of ten classes. It holds in part if positives and "
        "negatives weigh the same, the weights are 1/(K - 1) for β = 0, and the hardest class has all the "
        "weight for large β; and holds if large β gives one problem per pair of classes, as one-vs-one "
        "does.",
        finding,
        MATHEMATICS,
        (
            f"The positives of a class and all its negatives differ in weight by {sums:.0e}. At β = 0 the "
            f"weights differ from 1/9 by at most {level:.0e}. At β = 200 the class made hard on purpose has "
            f"the weight {hardest:.3f}.",
            f"One-vs-one would be {pairs} problems, one per pair. Here there are {problems}: each class "
            "against its hardest.",
        ),
    )


def focus() -> Verdict:
    """How much a hard class weighs, against other negatives and against positives."""
    logits, target = _batch()
    found = {beta: weights(beta, logits, target)[0][3] for beta in (0.0, 1.0, 4.0)}
    hard = {beta: float(each[7]) for beta, each in found.items()}
    more = hard[0.0] < hard[1.0] < hard[4.0]
    # A negative sample in the plain logistic loss counts 1, as a positive one does.
    less = all(weight < 1 for weight in hard.values())
    finding: Finding = "does not hold"
    if more:
        finding = "holds in part" if less else "holds"
    images = [round(100 * float(a)) for a in published("li2020", "table5").accuracy_percent]
    return Verdict(
        "LGL-INR makes the training focus more on hard classes.",
        "Abstract; In-negative Class Reweighted LGL; Conclusion",
        "It holds if a class that is hard for another gets a larger weight than the easy ones, and more than "
        "the 1 that it has against a positive sample in LR (classes of equal size). It "
        "holds in part if only the first is true.",
        finding,
        MATHEMATICS,
        (
            "The class made hard on purpose has the weight "
            + ", ".join(f"{weight:.3f} at β = {beta:g}" for beta, weight in hard.items())
            + ". So it counts more than other negatives.",
            "Against a positive sample every negative counts less than in LR, the hard ones "
            "included. In size it may count more: with ten classes of equal size LGL-INR gives a positive "
            f"sample 10 and a hard negative one {10 * hard[1.0]:.2f} at β = 1, where LR gives 1 "
            "to each. But a common factor is a matter of the learning rate.",
            "The paper's Table 5 fits a weak effect: β = 1, 2 and 4 lie within "
            f"{max(images) - min(images)} images of 10,000.",
        ),
    )


def capacity() -> Measurement:
    """Larger networks, in the paper's own numbers."""
    rows = [
        *published("li2020", "table3").to_dict("records"),
        *published("li2020", "table4").to_dict("records"),
    ]
    accuracy = {(r["network"], r["dataset"], r["loss"]): float(r["accuracy_percent"]) for r in rows}
    gains = {
        (network, dataset, loss): accuracy[LARGER[network], dataset, loss] - value
        for (network, dataset, loss), value in accuracy.items()
        if network in LARGER
    }
    behind = [key for key, gain in gains.items() if gain <= 0]
    ahead = len(gains) - len(behind)
    return Measurement(
        {"gain": list(gains.values()), "share": [ahead / len(gains)]},
        (
            f"The larger network is ahead in {ahead} of {len(gains)} comparisons.",
            *_exceptions(behind, gains),
        ),
        basis="the paper's own numbers",
    )


def _exceptions(
    behind: Sequence[tuple[str, str, str]], gains: dict[tuple[str, str, str], float]
) -> list[str]:
    return [
        f"The exception is {NAMES[loss]} on {dataset_name(dataset)}: {NETWORK_NAMES[LARGER[network]]} is "
        f"{-gains[network, dataset, loss]:.2f} points behind {NETWORK_NAMES[network]}."
        for network, dataset, loss in behind
    ]


BALANCE = Computed("balance", balance)
GENERALISES = Measured(
    "generalises",
    "If the training data represent the distribution well, the balance carries over to test data.",
    "below Eq. 8; Eq. 9 and 10",
    f"Ten classes simulated {RUNS} times, with equal weights and with weights by inverse frequency, and "
    f"with {sum(TEN_TRAINING):,} and {sum(TEN_FEW)} training samples. The distance of the two sides of Eq. 9 "
    "on test data is the root mean square of the logarithm of their ratio.",
    {"": generalises},
    share(Is("apart", "<", ABOUT, "it is {} in all four cases", ".0%")),
)
_CORRECTED = Is("corrected", ">=", stats.LEVEL, "every p is {} under the corrected header")
_PRINTED = Is("printed", ">=", stats.LEVEL, "every p is {} under the header as printed")
TABLE_ONE = Measured(
    "table1",
    "In two simulations the left side of Eq. 10 comes to 10, 1 and 0.5, as it should for the weights in "
    "the table's header.",
    "Simulations for Eq. (10); Table 1",
    "Our means against the paper's mean and standard deviation over 100 runs, by Welch's test adjusted by "
    "Holm's method over all rows.",
    {"": table_one},
    Cases((("holds", All((_PRINTED, _CORRECTED))), ("holds in part", _CORRECTED)), "does not hold"),
)
EXAMPLES = Computed("examples", examples)
GUARANTEE = Computed("guarantee", guarantee)
MULTICLASS = Computed("multiclass", multiclass)
BOUNDARY = Computed("boundary", boundary)
SKEWNESS = Untested(
    "skewness",
    "What the majority pays when the minority's weight is raised depends on which way its distribution is "
    "skewed.",
    "Learning property of LGL and SML, last sentences",
    "The paper gives no formula and no experiment, and this project has none.",
    "It is plausible: the weight moves the boundary, and what that costs depends on the share of the "
    "majority that lies near it.",
)
MANIFOLD = Untested(
    "manifold",
    "As it learns each class by itself, LR may capture the structure within classes better than CE.",
    "Introduction; In-negative Class Reweighted LGL",
    "The paper takes this from other works and does not test it; nor does this project.",
    "It would take a measure of that structure, which the paper does not name.",
)
AVERAGING = Computed("averaging", averaging)
LIMITS = Computed("limits", limits)
FOCUS = Computed("focus", focus)
_LARGER = Is("gain", ">", 0, "the larger network is ahead in all of them")
CAPACITY = Measured(
    "capacity",
    "For all three losses the larger network is the more accurate one.",
    "Predictive Results",
    "Every pair of networks, data sets and losses in Tables 3 and 4 of the paper itself.",
    {"": capacity},
    Cases(
        (("holds", _LARGER), ("holds in part", Is("share", ">", 0.5, "it is in {} of them", ".0%"))),
        "does not hold",
        counted=_LARGER,
    ),
)
