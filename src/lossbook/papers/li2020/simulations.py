r"""The simulations of li2020, Table 1, and what follows from its Eq. 8 to 10, many runs in one program.

Every tensor has a leading dimension of runs, :math:`R`. A run draws its data, first weights and batch order
from generators of its own, so it does not matter which other runs it is computed with. The samples of a set
are sorted by class, in the same way in every run.

Models are small. Class 0 has the logit 0 and the other :math:`K - 1` classes have one each; for two classes
that is the single logit of a logistic regression.
"""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from lossbook.errors import UnknownNameError

_T = TypeVar("_T")
Simulation = Literal["sim1", "sim2", "sim1_mixture", "sim2_deviations"]
"""The two simulations, and each in another reading of its notation."""

#: Samples of class 0 and of class 1 (li2020, Simulations for Eq. 10). Class 1 is the majority.
TRAINING = (1000, 10000)
TESTING = (1000, 1000)
#: Further samples, in the proportions of training, that decide when training stops early; ours.
VALIDATION = (100, 1000)
#: Runs computed at a time: few enough for their samples to stay near the processor.
_BLOCK = 5
_PURPOSES = ("training", "validation", "testing", "network")


# --- the weights and the data -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weighting:
    r"""A pair of class weights, :math:`\lambda_1 = 1 - \lambda_0`.

    Attributes:
        formula: :math:`\lambda_0` in :math:`N_0` and :math:`N_1`.
        lambda_0: Its value.
        header: The entry of the paper's header in whose column it stands.
        reading: ``"printed"``, ``"corrected"``, or ``"both"`` where the header needs no correction.
    """

    formula: str
    lambda_0: Fraction
    header: str
    reading: Literal["printed", "corrected", "both"]

    @property
    def right_side(self) -> float:
        r"""The right side of Eq. 10, :math:`\lambda_1 N_1 / (\lambda_0 N_0)`."""
        n0, n1 = TRAINING
        return float((1 - self.lambda_0) * n1 / (self.lambda_0 * n0))

    @property
    def class_weight(self) -> Tensor:
        r""":math:`(\lambda_0, \lambda_1)`, float64."""
        return torch.tensor([float(self.lambda_0), float(1 - self.lambda_0)], dtype=torch.float64)


def _weightings() -> tuple[Weighting, ...]:
    n0, n1 = TRAINING
    second, third = "N_0/(N_0+N_1)", "2N_0/(2N_0+N_1)"
    return (
        Weighting("1/2", Fraction(1, 2), "1/2", "both"),
        Weighting("N1/(N0+N1)", Fraction(n1, n0 + n1), second, "corrected"),
        Weighting("2N1/(2N1+N0)", Fraction(2 * n1, 2 * n1 + n0), third, "corrected"),
        Weighting("N0/(N0+N1)", Fraction(n0, n0 + n1), second, "printed"),
        Weighting("2N0/(2N0+N1)", Fraction(2 * n0, 2 * n0 + n1), third, "printed"),
    )


#: The weights of Table 1: the first, then the corrected ones, then those of the printed header.
WEIGHTINGS = _weightings()
#: The three whose right sides are the printed 10, 1 and 0.5.
CORRECTED = tuple(each for each in WEIGHTINGS if each.reading != "printed")


@dataclass(frozen=True)
class Samples:
    """The same set of samples of every run.

    Attributes:
        features: Shape ``[R, N, D]``, float64.
        counts: Samples of each class; they stand in the order of the classes.
    """

    features: Tensor
    counts: tuple[int, ...]

    @property
    def target(self) -> Tensor:
        """Class indices, ``[N]``, the same in every run."""
        return torch.repeat_interleave(torch.arange(len(self.counts)), torch.tensor(self.counts))

    def __getitem__(self, runs: slice) -> "Samples":
        """Some of the runs."""
        return Samples(self.features[runs], self.counts)

    def __len__(self) -> int:
        return len(self.features)


def draw(
    simulation: Simulation, purpose: str, counts: tuple[int, int], runs: Sequence[int], *, seed: int = 0
) -> Samples:
    r"""Draw samples of both classes.

    Simulation 1: :math:`\mathcal N(1.5, 1) + \mathcal U(-0.5, 0)` for class 0 and :math:`\mathcal N(-1.5, 1)
    + \mathcal U(0, 0.5)` for class 1, each the sum of two independent draws. Simulation 2: :math:`\mathcal
    N((1, 1, 1), \mathbf I)` and :math:`\mathcal N(\mathbf 0, 1.2\,\mathbf I)`, read as covariance matrices.

    In another reading, ``"sim1_mixture"`` takes either the normal or the uniform draw, each with probability
    one half, and ``"sim2_deviations"`` has standard deviations of 1.2.

    Args:
        simulation: Which of the two.
        purpose: ``"training"``, ``"validation"`` or ``"testing"``: samples of their own.
        counts: Samples of class 0 and of class 1.
        runs: Numbers of the runs.
        seed: With the number of the run and the purpose it decides the samples.

    Raises:
        UnknownNameError: No such simulation or purpose.

    References:
        li2020, Simulations for Eq. (10).
    """
    if simulation not in _DRAW:
        raise UnknownNameError("simulation", simulation, _DRAW)
    features = [_DRAW[simulation](_generator(seed, run, purpose), *counts) for run in runs]
    return Samples(torch.from_numpy(np.stack(features)), counts)


def _sim1(generator: np.random.Generator, n0: int, n1: int) -> np.ndarray:
    of_0 = generator.normal(1.5, 1, n0) + generator.uniform(-0.5, 0, n0)
    of_1 = generator.normal(-1.5, 1, n1) + generator.uniform(0, 0.5, n1)
    return np.concatenate([of_0, of_1])[:, None]


def _sim1_mixture(generator: np.random.Generator, n0: int, n1: int) -> np.ndarray:
    of_0 = np.where(generator.random(n0) < 0.5, generator.normal(1.5, 1, n0), generator.uniform(-0.5, 0, n0))
    of_1 = np.where(generator.random(n1) < 0.5, generator.normal(-1.5, 1, n1), generator.uniform(0, 0.5, n1))
    return np.concatenate([of_0, of_1])[:, None]


def _sim2(
    generator: np.random.Generator, n0: int, n1: int, deviation: float = float(np.sqrt(1.2))
) -> np.ndarray:
    of_0 = generator.normal(1, 1, (n0, 3))
    return np.concatenate([of_0, generator.normal(0, deviation, (n1, 3))])


_DRAW: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "sim1": _sim1,
    "sim2": _sim2,
    "sim1_mixture": _sim1_mixture,
    "sim2_deviations": partial(_sim2, deviation=1.2),
}


def _generator(seed: int, run: int, purpose: str) -> np.random.Generator:
    if purpose not in _PURPOSES:
        raise UnknownNameError("purpose", purpose, _PURPOSES)
    return np.random.default_rng([seed, run, _PURPOSES.index(purpose)])


# --- what is measured ---------------------------------------------------------------------------------------


def confusions(logits: Tensor, counts: Sequence[int]) -> Tensor:
    r"""Mean predicted probabilities :math:`\bar p_{i \to j}`, of every run.

    The same as :func:`lossbook.analysis.mean_confusion`, for many runs and for samples sorted by class.

    Args:
        logits: Of classes 1 to :math:`K - 1`, shape ``[R, N, K - 1]``; class 0 has 0.
        counts: Samples of each class, ``K`` numbers.

    Returns:
        Row: the true class; column: the predicted one. Shape ``[R, K, K]``.

    Raises:
        ValueError: Counts that do not fit the logits, or a class without samples.

    References:
        li2020, the expectation below Eq. 9, with the mean over samples in its place.
    """
    if len(counts) != logits.shape[2] + 1 or sum(counts) != logits.shape[1] or min(counts) < 1:
        raise ValueError(
            f"{list(counts)} samples of each class do not fit logits of shape {list(logits.shape)}; "
            "every class but the first has a logit, and every class needs a sample"
        )
    p = torch.cat([torch.zeros_like(logits[..., :1]), logits], dim=2).softmax(2)
    return torch.stack([each.mean(1) for each in p.split(list(counts), dim=1)], dim=1)


def left_side(logits: Tensor, counts: Sequence[int]) -> Tensor:
    r"""The left side of Eq. 10, :math:`(1 - \bar p_{0 \to 0}) / \bar p_{1 \to 0}`, of every run, ``[R]``.

    Args:
        logits: Of class 1, shape ``[R, N, 1]``.
        counts: Samples of class 0 and of class 1.

    References:
        li2020, Eq. 10.
    """
    of_0, of_1 = logits[..., 0].split(list(counts), dim=1)
    # 1 - f would lose the digits of a confident prediction.
    return of_0.sigmoid().mean(1) / (-of_1).sigmoid().mean(1)


def sampling_deviation(logits: Tensor, counts: Sequence[int]) -> Tensor:
    r"""How far the choice of the samples alone moves the left side of Eq. 10, ``[R]``.

    For a fixed model the left side :math:`r = a / b` is a ratio of two independent means. To first order its
    standard deviation is

    .. math:: r \sqrt{\frac{s_a^2}{n_0 a^2} + \frac{s_b^2}{n_1 b^2}}

    with :math:`s` the standard deviations of the probabilities within each class.

    Args:
        logits: Of class 1, shape ``[R, N, 1]``.
        counts: Samples of class 0 and of class 1.
    """
    of_0, of_1 = logits[..., 0].split(list(counts), dim=1)
    a, b = of_0.sigmoid(), (-of_1).sigmoid()
    variance = [(each.std(1) / each.mean(1)).square() / each.shape[1] for each in (a, b)]
    return a.mean(1) / b.mean(1) * (variance[0] + variance[1]).sqrt()


# --- fitted to the end --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fit:
    """A softmax regression in every run, fitted until its gradient vanishes.

    Attributes:
        weight: Shape ``[R, K - 1, D]``.
        bias: Shape ``[R, K - 1]``; zeros where there is none.
        gradient: The largest entry of the gradient that is left, over all runs.
    """

    weight: Tensor
    bias: Tensor
    gradient: float

    def logits(self, features: Tensor) -> Tensor:
        """Logits of classes 1 to K - 1, ``[R, N, K - 1]``, for features ``[R, N, D]``."""
        return features @ self.weight.transpose(1, 2) + self.bias[:, None]


def fit(
    samples: Samples,
    class_weight: Tensor,
    *,
    bias: bool = True,
    weight_decay: float = 0.0,
    bias_decay: float = 0.0,
    start: tuple[Tensor, Tensor] | None = None,
    tolerance: float = 1e-12,
) -> Fit:
    r"""Fit softmax regressions by Newton's method, to the stationary point.

    .. math::
        \frac{\sum_i \lambda_{y_i} (-\log f_{y_i}(\mathbf x_i))}{\sum_i \lambda_{y_i}}
        + \tfrac{\mu}{2} \lVert \mathbf W \rVert^2 + \tfrac{\nu}{2} \lVert \mathbf b \rVert^2

    is convex. A step that would raise it is halved until it does not.

    Args:
        samples: The training samples.
        class_weight: :math:`\lambda`, shape ``[K]``.
        bias: Whether there is one.
        weight_decay: :math:`\mu`, on the weights of the :math:`K - 1` logits.
        bias_decay: :math:`\nu`, on their biases.
        start: Weights and biases to start from; zeros by default.
        tolerance: The largest entry of the gradient that may be left.

    Returns:
        The fit.

    Raises:
        ValueError: The gradient does not vanish within 60 steps, as on data that can be separated, where
            there is no stationary point.
    """
    others = len(samples.counts) - 1

    def newton(runs: slice) -> tuple[Tensor, float]:
        features = samples.features[runs]
        columns = torch.cat([features, torch.ones_like(features[..., :1])], dim=2) if bias else features
        theta = features.new_zeros(len(features), others, columns.shape[2])
        if start is not None:
            parts = [start[0][runs], start[1][runs, :, None]]
            theta = torch.cat(parts if bias else parts[:1], dim=2).to(features.dtype)
        decay = torch.full_like(theta[0], weight_decay)
        if bias:
            decay[:, -1] = bias_decay
        sample_weight = class_weight.to(features)[samples.target]
        return _newton(columns, samples.target, sample_weight, theta, decay, tolerance)

    blocks = _side_by_side(newton, len(samples))
    theta = torch.cat([theta for theta, _ in blocks])
    left = max(left for _, left in blocks)
    if bias:
        return Fit(theta[..., :-1], theta[..., -1], left)
    return Fit(theta, torch.zeros_like(theta[..., 0]), left)


def _side_by_side(work: Callable[[slice], _T], runs: int, block: int = _BLOCK) -> list[_T]:
    """Do some of the runs at a time, two such blocks side by side.

    Threads of our own do not wait for each other after every operation, as those within torch do; with the
    latter off, this is what keeps two cores busy.
    """
    slices = [slice(first, min(first + block, runs)) for first in range(0, runs, block)]
    if len(slices) == 1:
        return [work(slices[0])]
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(work, slices))


def _newton(
    columns: Tensor, target: Tensor, weight: Tensor, theta: Tensor, decay: Tensor, tolerance: float
) -> tuple[Tensor, float]:
    """Minimise over ``theta``, ``[R, K - 1, P]``; give it and the largest entry of the gradient left."""
    weight = weight / weight.sum()
    own = torch.nn.functional.one_hot(target, theta.shape[1] + 1)[:, 1:].to(columns)

    def evaluate(theta: Tensor) -> tuple[Tensor, Tensor]:
        z = columns @ theta.transpose(1, 2)
        # Class 0 has the logit 0.
        others = z[..., 0] if z.shape[2] == 1 else z.logsumexp(2)
        normaliser = torch.nn.functional.softplus(others, threshold=40)
        loss = ((normaliser - (z * own).sum(2)) * weight).sum(1)
        return loss + (decay * theta.square()).sum((1, 2)) / 2, (z - normaliser[..., None]).exp()

    loss, f = evaluate(theta)
    for _ in range(60):
        residual = (f - own) * weight[:, None]
        gradient = residual.transpose(1, 2) @ columns + decay * theta
        left = gradient.abs().amax((1, 2))
        if float(left.max()) <= tolerance:
            return theta, float(left.max())
        hessian = _hessian(columns, f, weight) + decay.flatten().diag()
        step = torch.linalg.solve(hessian, gradient.flatten(1)).view_as(theta)
        # A run that is done rests, so that its result does not depend on the others.
        size = (left > tolerance).to(loss)
        for _ in range(30):
            new_loss, new_f = evaluate(theta - size[:, None, None] * step)
            # Values agree to rounding long before the gradient vanishes; such a step is taken.
            worse = ~(new_loss <= loss + 1e-12 * loss.abs())
            if not bool(worse.any()):
                break
            size = torch.where(worse, size / 2, size)
        theta, loss, f = theta - size[:, None, None] * step, new_loss, new_f
    raise ValueError(
        f"the gradient is still {float(left.max()):.1e} after 60 steps of Newton's method; where the "
        "training data can be separated there is no stationary point, and a weight decay makes one"
    )


def _hessian(columns: Tensor, f: Tensor, weight: Tensor) -> Tensor:
    r""":math:`\sum_i w_i (\mathrm{diag}(f_i) - f_i f_i^\top) \otimes x_i x_i^\top`, of every run."""
    runs, samples, others = f.shape
    size = columns.shape[2]
    if others == 1:
        curvature = weight * (f * (1 - f))[..., 0]
        return columns.transpose(1, 2) @ (columns * curvature[..., None])
    products = (f[..., None] * columns[:, :, None]).view(runs, samples, others * size)
    hessian = -(products.transpose(1, 2) @ (products * weight[:, None]))
    blocks = hessian.view(runs, others, size, others, size)
    for k in range(others):
        blocks[:, k, :, k] += columns.transpose(1, 2) @ (columns * (f[..., k] * weight)[..., None])
    return hessian


# --- on the way ---------------------------------------------------------------------------------------------


def descent(samples: Samples, weightings: Sequence[Weighting], *, rate: float, steps: int) -> Tensor:
    r"""Full-batch gradient descent for logistic regression, from zero, for several weightings at once.

    The loss is the weighted mean that :func:`fit` minimises, without decay.

    Args:
        samples: The training samples, of two classes.
        weightings: :math:`S` pairs of class weights.
        rate: Step size.
        steps: Number of steps :math:`T`.

    Returns:
        Weights and, last, the bias, before every step and after the last: ``[T + 1, R, S, D + 1]``.
    """
    target = samples.target.double()
    weight = _sample_weights(samples, weightings)  # [S, N]

    def descend(runs: slice) -> Tensor:
        features = samples.features[runs]
        columns = torch.cat([features, torch.ones_like(features[..., :1])], dim=2)
        rows = columns.transpose(1, 2).contiguous()
        theta = columns.new_zeros(len(columns), len(weightings), columns.shape[2])
        path = [theta]
        for _ in range(steps):
            residual = ((theta @ rows).sigmoid_() - target).mul_(weight)
            theta = theta - rate * (residual @ columns)
            path.append(theta)
        return torch.stack(path)

    return torch.cat(_side_by_side(descend, len(samples)), dim=1)


def _sample_weights(samples: Samples, weightings: Sequence[Weighting]) -> Tensor:
    """The share of every sample in the weighted mean, ``[S, N]``, float64."""
    weight = torch.stack([each.class_weight for each in weightings])[:, samples.target]
    return weight / weight.sum(1, keepdim=True)


@dataclass(frozen=True)
class Networks:
    """Networks with one hidden layer of sigmoids and one output, for every run and weighting.

    Attributes:
        inner: Weights of the hidden layer and, last, its biases, ``[R, S, D + 1, H]``.
        outer: Weights of the output layer and, last, its bias, ``[R, S, H + 1]``.
    """

    inner: Tensor
    outer: Tensor

    def hidden(self, features: Tensor, weighting: int) -> Tensor:
        """Outputs of the hidden layer of one weighting, ``[R, N, H]``, for features ``[R, N, D]``."""
        inner = self.inner[:, weighting].to(features)
        return (features @ inner[:, :-1] + inner[:, -1:]).sigmoid_()

    def logits(self, features: Tensor, weighting: int) -> Tensor:
        """Logits of class 1, ``[R, N, 1]``."""
        outer = self.outer[:, weighting].to(features)

        def compute(runs: slice) -> Tensor:
            hidden = self[runs].hidden(features[runs], weighting)
            return hidden @ outer[runs, :-1, None] + outer[runs, -1:, None]

        return torch.cat(_side_by_side(compute, len(features)))

    def __getitem__(self, runs: slice) -> "Networks":
        """The networks of some of the runs."""
        return Networks(self.inner[runs], self.outer[runs])


def train_networks(
    samples: Samples,
    weightings: Sequence[Weighting],
    runs: Sequence[int],
    *,
    seed: int = 0,
    epochs: int = 10,
    rate: float = 0.5,
    decay_rate: bool = True,
    batch: int = 100,
    hidden: int = 10,
    bias: bool = True,
    keep: Collection[int] = (),
) -> dict[int, Networks]:
    r"""Train networks of layers ``(D, hidden, 1)`` by plain stochastic gradient descent, all at once.

    The runs have first weights and a batch order of their own, shared by their weightings. First weights and
    biases are uniform in :math:`\pm 1/\sqrt{\text{inputs}}`. Each class weight is divided by the mean over
    the training samples. Computed in single precision.

    Args:
        samples: The training samples, of two classes.
        weightings: :math:`S` pairs of class weights.
        runs: Numbers of the runs, ``R`` of them.
        seed: As in :func:`draw`.
        epochs: Passes over the samples; samples that do not fill a last batch are left out of it.
        rate: Step size.
        decay_rate: Whether the step size falls to zero, by the same amount at every step.
        batch: Samples of a mini-batch.
        hidden: Sigmoids of the hidden layer.
        bias: Whether the output layer has a bias.
        keep: Numbers of steps after which the networks are kept, besides the last.

    Returns:
        Steps taken -> the networks at that point.

    Raises:
        ValueError: Other than one set of samples per run, or a batch larger than the set.

    References:
        li2020, Sim2; the optimiser is ours, as the paper names none.
    """
    if len(runs) != len(samples):
        raise ValueError(f"{len(runs)} runs, but samples of {len(samples)}")
    size = samples.features.shape[1]
    if not 1 <= batch <= size:
        raise ValueError(f"a mini-batch has 1 to {size} samples of the training set; got {batch}")

    def train(part: slice) -> dict[int, Networks]:
        generators = [_generator(seed, run, "network") for run in runs[part]]
        return _train(
            samples[part], weightings, generators, epochs, rate, decay_rate, batch, hidden, bias, keep
        )

    # Two halves, but not of a few runs: their steps are too short to gain by it.
    parts = _side_by_side(train, len(samples), block=max(20, -(-len(samples) // 2)))
    return {
        step: Networks(
            torch.cat([part[step].inner for part in parts]), torch.cat([part[step].outer for part in parts])
        )
        for step in parts[0]
    }


def _train(
    samples: Samples,
    weightings: Sequence[Weighting],
    generators: Sequence[np.random.Generator],
    epochs: int,
    rate: float,
    decay_rate: bool,
    batch: int,
    hidden: int,
    bias: bool,
    keep: Collection[int],
) -> dict[int, Networks]:
    """:func:`train_networks` for some of the runs, by their generators."""
    size, count, runs = samples.features.shape[1], len(weightings), len(samples)
    features = samples.features.float()
    columns = torch.cat([features, torch.ones_like(features[..., :1])], dim=2)
    target = samples.target.float()
    weight = (_sample_weights(samples, weightings) * size).float().T.contiguous()  # [N, S]
    inputs = columns.shape[2]

    def first(*shape: int) -> Tensor:
        bound = 1 / np.sqrt(shape[0] - 1)
        drawn = [generator.uniform(-bound, bound, shape) for generator in generators]
        return torch.from_numpy(np.stack(drawn)).float()

    # Weightings side by side in the columns: one product serves them all.
    inner = first(inputs, hidden)[:, :, None].repeat(1, 1, count, 1).flatten(2)
    outer = first(hidden + 1)[:, None].repeat(1, count, 1)
    if not bias:
        outer[..., -1] = 0
    per_epoch = size // batch
    steps = epochs * per_epoch
    kept: dict[int, Networks] = {}

    def save(step: int) -> None:
        by_weighting = inner.view(runs, inputs, count, hidden).transpose(1, 2)
        kept[step] = Networks(by_weighting.clone(), outer.clone())

    for step in range(steps):
        if step in keep:
            save(step)
        if step % per_epoch == 0:
            orders = [generator.permutation(size)[: per_epoch * batch] for generator in generators]
            order = torch.from_numpy(np.stack(orders)).view(runs, per_epoch, batch)
        chosen = order[:, step % per_epoch]
        x = columns.gather(1, chosen[..., None].expand(-1, -1, inputs))
        h = (x @ inner).sigmoid_()
        by_weighting = h.view(runs, batch, count, hidden)
        z = (by_weighting * outer[:, None, :, :-1]).sum(3) + outer[:, None, :, -1]
        slope = (z.sigmoid_() - target[chosen][..., None]) * weight[chosen] / batch
        of_outer = (by_weighting * slope[..., None]).sum(1)
        of_hidden = (slope[..., None] * outer[:, None, :, :-1]).flatten(2) * h * (1 - h)
        now = rate * (1 - step / steps) if decay_rate else rate
        inner = inner - now * (x.transpose(1, 2) @ of_hidden)
        outer[..., :-1] -= now * of_outer
        if bias:
            outer[..., -1] -= now * slope.sum(1)
    save(steps)
    return kept


def solve_output(
    networks: Networks,
    samples: Samples,
    weightings: Sequence[Weighting],
    *,
    bias: bool = True,
    weight_decay: float = 1e-6,
    bias_decay: float = 0.0,
) -> Networks:
    """Keep the hidden layers, and bring the output layers to their stationary point by :func:`fit`.

    The hidden units of a network are much alike, so their weights need a little decay to be determined; the
    bias does not.
    """
    outer = networks.outer.double()
    solved = []
    for position, weighting in enumerate(weightings):

        def solve(runs: slice, position: int = position, weighting: Weighting = weighting) -> Tensor:
            hidden = networks[runs].hidden(samples.features[runs], position)
            found = fit(
                Samples(hidden, samples.counts),
                weighting.class_weight,
                bias=bias,
                weight_decay=weight_decay,
                bias_decay=bias_decay,
                start=(outer[runs, position, None, :-1], outer[runs, position, -1:]),
            )
            return torch.cat([found.weight[:, 0], found.bias], dim=1)

        solved.append(torch.cat(_side_by_side(solve, len(samples))))
    return Networks(networks.inner, torch.stack(solved, dim=1))


def weighted_loss(logits: Tensor, samples: Samples, weighting: Weighting) -> Tensor:
    """The weighted mean logistic loss of every run, ``[R]``, for logits ``[R, N, 1]``."""
    target = samples.target.to(logits).expand(logits.shape[:2])
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits[..., 0], target, reduction="none")
    return each @ _sample_weights(samples, [weighting])[0].to(logits)


def stopping_point(losses: Tensor, *, patience: int = 10, least: float = 1e-4) -> Tensor:
    """Where training stops early: the best point when no gain came for a while.

    A loss counts as a gain if it is at least ``least`` below the best before it. After ``patience`` losses
    in a row without one, training stops and goes back to the best. This is scikit-learn's rule.

    Args:
        losses: Validation losses in order of time, ``[T, ...]``.
        patience: Losses in a row without a gain.
        least: The least gain that counts.

    Returns:
        The position of the best loss before the stop, by the rule above; shape ``[...]``.
    """
    best, at = losses[0].clone(), torch.zeros_like(losses[0], dtype=torch.long)
    waited = torch.zeros_like(at)
    for time in range(1, len(losses)):
        running = waited < patience
        gain = (losses[time] <= best - least) & running
        best = torch.where(gain, losses[time], best)
        at = torch.where(gain, time, at)
        waited = torch.where(gain, 0, waited + running)
    return at


# --- ten classes --------------------------------------------------------------------------------------------

#: Samples of the ten classes, from 500 down to 50 in equal ratios, and of the test set.
TEN_TRAINING = tuple(round(500 * 10 ** (-k / 9)) for k in range(10))
TEN_TESTING = (1000,) * 10
#: A fifth of the training samples.
TEN_FEW = tuple(round(count / 5) for count in TEN_TRAINING)


def draw_ten(purpose: str, counts: Sequence[int], runs: Sequence[int], *, seed: int = 0) -> Samples:
    r"""Draw ten normal classes in four dimensions, of unit variance, that overlap.

    Their means are drawn once from :math:`\mathcal N(\mathbf 0, 2\,\mathbf I)` and are the same in all runs
    and for every seed.

    Args:
        purpose: As in :func:`draw`.
        counts: Samples of each class.
        runs: Numbers of the runs.
        seed: As in :func:`draw`.
    """
    means = np.random.default_rng(10).normal(0, np.sqrt(2), (len(counts), 4))
    centres = np.repeat(means, counts, axis=0)
    features = [centres + _generator(seed, run, purpose).normal(size=centres.shape) for run in runs]
    return Samples(torch.from_numpy(np.stack(features)), tuple(counts))


def eq_9(logits: Tensor, counts: Sequence[int], mass: Tensor) -> tuple[Tensor, Tensor]:
    r"""Both sides of Eq. 9 in every run, each ``[R, K]``.

    .. math::
        \lambda_k N_k (1 - \bar p_{k \to k}) \approx \sum_{j \ne k} \lambda_j N_j\, \bar p_{j \to k}

    Args:
        logits: Of classes 1 to :math:`K - 1` on any set of samples, ``[R, N, K - 1]``.
        counts: Samples of each class in that set.
        mass: :math:`\lambda_k N_k`, with the counts of the *training* set, ``[K]``.

    Returns:
        The left sides and the right sides.

    References:
        li2020, Eq. 9.
    """
    confusion = confusions(logits, counts)
    off_diagonal = confusion - torch.diag_embed(confusion.diagonal(dim1=1, dim2=2))
    weighted = mass.to(confusion)[:, None] * off_diagonal
    # 1 - p_kk as the sum of the others: no digits are lost.
    return weighted.sum(2), weighted.sum(1)
