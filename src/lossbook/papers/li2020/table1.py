"""What the page on Table 1 of li2020 shows, computed from the simulations in a few seconds.

Every function takes the numbers of the runs and does all of them, with every weighting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.stats import chi2, ttest_ind_from_stats
from scipy.stats import f as fisher_f
from torch import Tensor

from lossbook.errors import UnknownNameError
from lossbook.evidence import stats
from lossbook.evidence.tables import Cell, p_text
from lossbook.papers.li2020.simulations import (
    CORRECTED,
    TEN_FEW,
    TEN_TESTING,
    TEN_TRAINING,
    TESTING,
    TRAINING,
    VALIDATION,
    WEIGHTINGS,
    Networks,
    Samples,
    Simulation,
    Weighting,
    descent,
    draw,
    draw_ten,
    eq_9,
    fit,
    left_side,
    sampling_deviation,
    solve_output,
    stopping_point,
    train_networks,
    weighted_loss,
)
from lossbook.results import published

#: Runs by profile; the paper has 100. Nothing of them is recorded: they take seconds.
RUNS = {"recorded": 100, "smoke": 5, "quick": 100, "paper": 100}

#: At most this many of the runs, the first ones, are used for what goes beyond the paper's table.
FEW_RUNS, TEN_CLASS_RUNS = 20, 40


@dataclass(frozen=True)
class TenClasses:
    """Eq. 9 on ten classes, with one choice of weights and one size of the training set.

    Attributes:
        weights: ``"equal"`` or ``"inverse frequency"``.
        counts: Training samples of each class.
        training: Both sides of Eq. 9 on the training samples, each ``[R, 10]``.
        testing: The same on test samples.
    """

    weights: str
    counts: tuple[int, ...]
    training: tuple[Tensor, Tensor]
    testing: tuple[Tensor, Tensor]


def ten_classes(runs: Sequence[int], *, seed: int = 0) -> list[TenClasses]:
    """Softmax regressions on ten classes: two choices of weights, on all and on a fifth of the samples."""
    testing = draw_ten("testing", TEN_TESTING, runs, seed=seed)
    found = []
    for counts in (TEN_TRAINING, TEN_FEW):
        training = draw_ten("training", counts, runs, seed=seed)
        size = torch.tensor(counts, dtype=torch.float64)
        for weights, class_weight in (("equal", torch.ones_like(size)), ("inverse frequency", 1 / size)):
            fitted = fit(training, class_weight)
            # In units of the mean class: the sides of classes of one size are then comparable across rows.
            mass = class_weight * size / (class_weight * size).mean()
            sides = [
                eq_9(fitted.logits(samples.features), samples.counts, mass) for samples in (training, testing)
            ]
            found.append(TenClasses(weights, counts, *sides))
    return found


@dataclass(frozen=True)
class Result:
    """The left side of Eq. 10 over runs.

    Attributes:
        simulation: Which simulation.
        weighting: The class weights.
        condition: What was done, for example ``"no bias"``; a key of :data:`CONDITIONS`.
        training: On the training samples, ``[R]``.
        testing: On the test samples, ``[R]``.
        sampling: :func:`sampling_deviation` on the test samples, ``[R]``.
    """

    simulation: Simulation
    weighting: Weighting
    condition: str
    training: Tensor
    testing: Tensor
    sampling: Tensor


#: What is done in training, in the words of the page.
CONDITIONS = {
    "free": "free bias, fitted to the end",
    "weights": "weight decay 0.01 on the weights alone",
    "bias-small": "weight decay 0.0001 on the bias",
    "bias-large": "weight decay 0.01 on the bias",
    "none": "no output bias",
    "early": "early stopping",
    "falling": "SGD to its end, falling step size",
    "constant": "SGD to its end, constant step size",
}

#: Options of the fit for each condition that has some.
_OPTIONS: dict[str, dict[str, float]] = {
    "free": {},
    "weights": {"weight_decay": 0.01},
    "bias-small": {"bias_decay": 1e-4},
    "bias-large": {"bias_decay": 0.01},
    "none": {"bias": False},
}

#: Step size and number of steps of gradient descent, simulation 1.
DESCENT = {"rate": 2.0, "steps": 400}

#: Step size, samples of a mini-batch and epochs of SGD, simulation 2; the epochs where its path is shown.
RATE, BATCH, EPOCHS, LONG_EPOCHS = 0.5, 100, 5, 15


def _result(
    simulation: Simulation,
    weighting: Weighting,
    condition: str,
    training: tuple[Tensor, Samples],
    testing: tuple[Tensor, Samples],
) -> Result:
    (logits, samples), (test_logits, tests) = training, testing
    return Result(
        simulation,
        weighting,
        condition,
        left_side(logits, samples.counts),
        left_side(test_logits, tests.counts),
        sampling_deviation(test_logits, tests.counts),
    )


def _of_fit(
    simulation: Simulation, weighting: Weighting, condition: str, training: Samples, testing: Samples
) -> Result:
    fitted = fit(training, weighting.class_weight, **_OPTIONS[condition])  # type: ignore[arg-type]
    pairs = [(fitted.logits(samples.features), samples) for samples in (training, testing)]
    return _result(simulation, weighting, condition, *pairs)


def _of_networks(
    simulation: Simulation,
    weightings: Sequence[Weighting],
    condition: str,
    networks: Networks,
    training: Samples,
    testing: Samples,
) -> list[Result]:
    return [
        _result(
            simulation,
            weighting,
            condition,
            *((networks.logits(samples.features, position), samples) for samples in (training, testing)),
        )
        for position, weighting in enumerate(weightings)
    ]


def _trained(
    training: Samples, weightings: Sequence[Weighting], runs: Sequence[int], seed: int, *, bias: bool = True
) -> Networks:
    """The networks of simulation 2 at the end of SGD with a falling step size."""
    kept = train_networks(
        training, weightings, runs, seed=seed, rate=RATE, epochs=EPOCHS, batch=BATCH, bias=bias
    )
    return kept[max(kept)]


def table_one(
    runs: Sequence[int],
    *,
    seed: int = 0,
    simulations: Sequence[Simulation] = ("sim1", "sim2"),
    weightings: Sequence[Weighting] = WEIGHTINGS,
) -> list[Result]:
    """Table 1: both simulations with every weighting, output layers fitted to the end (``"free"``).

    The hidden layer of simulation 2 is trained by SGD with a falling step size first.

    References:
        li2020, Table 1.
    """
    found: list[Result] = []
    for simulation in simulations:
        training = draw(simulation, "training", TRAINING, runs, seed=seed)
        testing = draw(simulation, "testing", TESTING, runs, seed=seed)
        if simulation.startswith("sim1"):
            found += [_of_fit(simulation, each, "free", training, testing) for each in weightings]
            continue
        networks = _trained(training, weightings, runs, seed)
        solved = solve_output(networks, training, weightings)
        found += _of_networks(simulation, weightings, "free", solved, training, testing)
    return found


@dataclass(frozen=True)
class Path:
    """How the left side of Eq. 10 moves during training.

    Attributes:
        simulation: Which simulation.
        condition: ``"descent"``, ``"constant"`` or ``"falling"``.
        weighting: The class weights.
        steps: Steps taken at each point, ``T`` of them.
        training: On the training samples, ``[T, R]``.
        testing: On the test samples, ``[T, R]``.
    """

    simulation: Simulation
    condition: str
    weighting: Weighting
    steps: tuple[int, ...]
    training: Tensor
    testing: Tensor


def approach(runs: Sequence[int], *, seed: int = 0) -> tuple[list[Path], list[Result]]:
    """Follow the left side of Eq. 10 through training, and stop early by a validation loss.

    Simulation 1 by gradient descent; simulation 2 by SGD with a constant and with a falling step size. The
    validation loss is looked at after every step of gradient descent and after every epoch of SGD with a
    constant step size, and :func:`stopping_point` decides.

    Returns:
        The paths, and the results of early stopping (``"early"``) and of SGD to its end (``"constant"``,
        ``"falling"``).
    """
    by_descent, by_sgd = _approach_by_descent(runs, seed), _approach_by_sgd(runs, seed)
    return by_descent[0] + by_sgd[0], by_descent[1] + by_sgd[1]


def _three_sets(simulation: Simulation, runs: Sequence[int], seed: int) -> tuple[Samples, Samples, Samples]:
    training = draw(simulation, "training", TRAINING, runs, seed=seed)
    validation = draw(simulation, "validation", VALIDATION, runs, seed=seed)
    return training, validation, draw(simulation, "testing", TESTING, runs, seed=seed)


def _approach_by_descent(runs: Sequence[int], seed: int) -> tuple[list[Path], list[Result]]:
    training, validation, testing = _three_sets("sim1", runs, seed)
    way = descent(training, CORRECTED, **DESCENT)  # type: ignore[arg-type]
    points = _spaced(len(way) - 1)
    paths, results = [], []

    def logits(samples: Samples, theta: Tensor) -> Tensor:
        return samples.features @ theta[:, :-1, None] + theta[:, None, -1:]

    for position, weighting in enumerate(CORRECTED):
        thetas = way[:, :, position]
        shown = [
            torch.stack([left_side(logits(each, thetas[t]), each.counts) for t in points])
            for each in (training, testing)
        ]
        paths.append(Path("sim1", "descent", weighting, points, *shown))
        losses = torch.stack(
            [weighted_loss(logits(validation, each), validation, weighting) for each in thetas]
        )
        stopped = thetas[stopping_point(losses), torch.arange(len(runs))]
        pairs = [(logits(each, stopped), each) for each in (training, testing)]
        results.append(_result("sim1", weighting, "early", *pairs))
    return paths, results


def _approach_by_sgd(runs: Sequence[int], seed: int) -> tuple[list[Path], list[Result]]:
    training, validation, testing = _three_sets("sim2", runs, seed)
    per_epoch = sum(TRAINING) // BATCH
    epochs = [epoch * per_epoch for epoch in range(1, LONG_EPOCHS + 1)]
    points = _spaced(epochs[-1])
    paths, results = [], []
    # The paths need no more digits than the networks have.
    single = [Samples(each.features.float(), each.counts) for each in (training, testing)]
    for condition in ("constant", "falling"):
        kept = train_networks(
            training,
            CORRECTED,
            runs,
            seed=seed,
            rate=RATE,
            epochs=LONG_EPOCHS,
            batch=BATCH,
            decay_rate=condition == "falling",
            keep={*points, *epochs},
        )
        for position, weighting in enumerate(CORRECTED):
            shown = [
                torch.stack([left_side(kept[t].logits(each.features, position), each.counts) for t in points])
                for each in single
            ]
            paths.append(Path("sim2", condition, weighting, points, *shown))
        results += _of_networks("sim2", CORRECTED, condition, kept[epochs[-1]], training, testing)
        if condition == "constant":
            ends = [kept[t] for t in epochs]
            results += _stopped_early(ends, training, validation, testing)
    return paths, results


def _stopped_early(
    ends: Sequence[Networks], training: Samples, validation: Samples, testing: Samples
) -> list[Result]:
    """Early stopping of simulation 2, from the networks at the end of every epoch."""
    results = []
    for position, weighting in enumerate(CORRECTED):
        losses = [
            weighted_loss(networks.logits(validation.features, position), validation, weighting)
            for networks in ends
        ]
        at = stopping_point(torch.stack(losses)).tolist()
        stopped = Networks(
            torch.stack([ends[epoch].inner[run] for run, epoch in enumerate(at)]),
            torch.stack([ends[epoch].outer[run] for run, epoch in enumerate(at)]),
        )
        pairs = [(stopped.logits(each.features, position), each) for each in (training, testing)]
        results.append(_result("sim2", weighting, "early", *pairs))
    return results


def _spaced(steps: int) -> tuple[int, ...]:
    """About four points a decade, the first and the last included."""
    spaced = np.geomspace(1, steps, int(4 * np.log10(steps)) + 1)
    return tuple(sorted({0, *spaced.round().astype(int).tolist()}))


def variants(runs: Sequence[int], *, seed: int = 0) -> list[Result]:
    """Both simulations fitted to the end: free bias, decay on the weights, on the bias, and no bias.

    The network of simulation 2 is trained by SGD as for :func:`table_one`, without an output bias where the
    fit has none; the decay acts in the fit of the output layer.
    """
    found = []
    training = draw("sim1", "training", TRAINING, runs, seed=seed)
    testing = draw("sim1", "testing", TESTING, runs, seed=seed)
    for condition in _OPTIONS:
        found += [_of_fit("sim1", each, condition, training, testing) for each in CORRECTED]
    training = draw("sim2", "training", TRAINING, runs, seed=seed)
    testing = draw("sim2", "testing", TESTING, runs, seed=seed)
    networks = {}
    for bias in (True, False):
        networks[bias] = _trained(training, CORRECTED, runs, seed, bias=bias)
    for condition, options in _OPTIONS.items():
        solved = solve_output(
            networks[condition != "none"],
            training,
            CORRECTED,
            **options,  # type: ignore[arg-type]
        )
        found += _of_networks("sim2", CORRECTED, condition, solved, training, testing)
    return found


def runs_of(profile: str, runs: int = 0) -> range:
    """Numbers of the runs of a page.

    Args:
        profile: ``"recorded"``, ``"smoke"``, ``"quick"`` or ``"paper"``.
        runs: How many; 0 for the profile's own number.

    Raises:
        UnknownNameError: No such profile.
        ValueError: A negative number of runs, or one alone, which has no spread.
    """
    if profile not in RUNS:
        raise UnknownNameError("profile", profile, RUNS)
    if runs < 0 or runs == 1:
        raise ValueError(f"runs must be 2 or more, or 0 for the profile's own {RUNS[profile]}; got {runs}")
    return range(runs or RUNS[profile])


#: Runs of the paper (li2020, Table 1).
PAPER_RUNS = 100

#: Relative distance from the right side below which a value is shown as exact.
EXACT = 1e-7

SIMULATIONS = {"sim1": "1", "sim2": "2"}


def formula(weighting: Weighting) -> str:
    """λ₀ in words a table can show."""
    return weighting.formula.replace("N0", "N₀").replace("N1", "N₁")


def paper_value(simulation: str, weighting: Weighting) -> tuple[float, float]:
    """The printed left side and its standard deviation, in the column of this weighting."""
    table = published("li2020", "table1")
    row = table[(table.simulation == simulation) & (table.lambda_0 == weighting.header)].iloc[0]
    return float(row.lhs), float(row.lhs_sd)


def spread(values: Tensor) -> tuple[float, float, float]:
    r"""Standard deviation and its 95% interval for normal values, :math:`s \sqrt{(n - 1) / \chi^2_{n-1}}`."""
    data = np.asarray(values, dtype=float)
    n = data.size - 1
    deviation = float(data.std(ddof=1))
    low, high = (deviation * math.sqrt(n / chi2.ppf(level, n)) for level in (0.975, 0.025))
    return deviation, low, high


def same_mean(ours: Tensor, mean: float, deviation: float) -> float:
    """p-value of Welch's test of our runs against a printed mean and standard deviation of 100 runs."""
    data = np.asarray(ours, dtype=float)
    return float(
        ttest_ind_from_stats(
            data.mean(), data.std(ddof=1), data.size, mean, deviation, PAPER_RUNS, equal_var=False
        ).pvalue
    )


def same_deviation(ours: Tensor, deviation: float) -> float:
    """p-value of the F test of our standard deviation against a printed one of 100 runs, two-sided."""
    data = np.asarray(ours, dtype=float)
    ratio = float(data.var(ddof=1)) / deviation**2
    below = float(fisher_f.cdf(ratio, data.size - 1, PAPER_RUNS - 1))
    return min(1.0, 2 * min(below, 1 - below))


def mean_cell(values: Tensor, right: float) -> Cell:
    """Mean, half of its 95% interval, and the standard deviation over runs.

    Args:
        values: Left sides of Eq. 10, one per run.
        right: Its right side. Values equal to it in every run, to :data:`EXACT`, are shown as such.
    """
    interval = stats.mean_interval(values.tolist())
    deviation, low, high = spread(values)
    off = float((values / right - 1).abs().max())
    digits = _digits(right)
    numbers = {
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "SD": deviation,
        "SD low": low,
        "SD high": high,
        "n": interval.n,
        "largest relative distance": off,
    }
    if off < EXACT:
        title = f"largest relative distance from {right:g} over {interval.n} runs: {off:.0e}"
        return Cell(f"{right:g}, exact", numbers, title=title)
    return Cell(
        f"{interval.mean:.{digits}f} ± {interval.half:.{digits}f} (SD {deviation:.{digits}f})",
        numbers,
        title=f"95% interval of the SD: {low:.{digits}f} to {high:.{digits}f}; {interval.n} runs",
    )


def _digits(right: float) -> int:
    """Digits after the point, so that a thousandth of the right side shows, about."""
    return 1 if right >= 50 else 2 if right >= 10 else 3


def _p_values(results: Sequence[Result]) -> tuple[list[float], list[float]]:
    """Tests of equal means and of equal deviations against the paper, each adjusted over all results."""
    printed = [paper_value(r.simulation, r.weighting) for r in results]
    means = [same_mean(r.testing, *values) for r, values in zip(results, printed, strict=True)]
    deviations = [same_deviation(r.testing, sd) for r, (_, sd) in zip(results, printed, strict=True)]
    return stats.holm(means), stats.holm(deviations)


def table(results: Sequence[Result]) -> pd.DataFrame:
    """Table 1 of the paper beside ours, with both readings of its header.

    Args:
        results: Of :func:`lossbook.papers.li2020.table1.table_one`.
    """
    ordered = sorted(results, key=lambda r: (r.simulation, WEIGHTINGS.index(r.weighting)))
    readings = {"both": "both", "corrected": "corrected", "printed": "as printed"}
    rows = []
    for r, p_mean, p_deviation in zip(ordered, *_p_values(ordered), strict=True):
        right = r.weighting.right_side
        mean, deviation = paper_value(r.simulation, r.weighting)
        alone = float(r.sampling.mean())
        rows.append(
            {
                "simulation": SIMULATIONS[r.simulation],
                "header": readings[r.weighting.reading],
                "λ₀": formula(r.weighting),
                "Eq. 10": f"{right:g}",
                "paper": Cell(f"{mean:.2f} ({deviation:.2f})", {"mean": mean, "SD": deviation}),
                "ours, test": mean_cell(r.testing, right),
                "ours, training": mean_cell(r.training, right),
                "SD of the test samples alone": Cell(f"{alone:.{_digits(right)}f}", {"mean": alone}),
                "p, mean": Cell(p_text(p_mean), {"holm": p_mean}),
                "p, SD": Cell(p_text(p_deviation), {"holm": p_deviation}),
            }
        )
    return pd.DataFrame(rows)


def agreement(results: Sequence[Result]) -> dict[str, list[float]]:
    """How well each of our means agrees with the paper's: the adjusted p-value of Welch's test.

    Args:
        results: Of :func:`lossbook.papers.li2020.table1.table_one`.

    Returns:
        Under ``printed`` for the weights of the header as printed, under ``corrected`` for those whose right
        side is the printed one.
    """
    means, _ = _p_values(results)
    found: dict[str, list[float]] = {"corrected": [], "printed": []}
    for p, r in zip(means, results, strict=True):
        found["printed" if r.weighting.reading == "printed" else "corrected"].append(p)
    return found


def verdict(results: Sequence[Result]) -> str:
    """Which reading of the header gives the paper's numbers, in a few sentences, from the table's tests."""
    agree = {
        header: f"{sum(p >= stats.LEVEL for p in each)} of {{}}{len(each)}"
        for header, each in agreement(results).items()
    }
    _, deviations = _p_values(results)
    text = (
        f"With the corrected header {agree['corrected'].format('our ')} means agree with the paper's "
        f"(adjusted p at least {stats.LEVEL:g}); with the header as printed {agree['printed'].format('')} do."
    )
    apart = [
        r
        for r, p in zip(results, deviations, strict=True)
        if r.weighting.reading != "printed" and p < stats.LEVEL
    ]
    if not apart:
        return f"{text} With the corrected header all standard deviations agree too."
    named = "; ".join(
        f"simulation {SIMULATIONS[r.simulation]}, right side {r.weighting.right_side:g}, ours "
        f"{float(r.testing.std()):.3f} and the paper's {paper_value(r.simulation, r.weighting)[1]:.2f}"
        for r in apart
    )
    return f"{text} Of the standard deviations under the corrected header these differ: {named}."


def readings_table(results: Sequence[Result], names: dict[str, tuple[str, str]]) -> pd.DataFrame:
    """The standard deviation on test data in each reading of the notation.

    Args:
        results: One for each reading.
        names: Simulation -> the simulation of the paper it reads, and the reading in words.
    """
    rows = []
    for r in results:
        simulation, words = names[r.simulation]
        deviation, low, high = spread(r.testing)
        rows.append(
            {
                "simulation": SIMULATIONS[simulation],
                "reading": words,
                "paper's SD": paper_value(simulation, r.weighting)[1],
                "our SD": Cell(
                    f"{deviation:.2f} ({low:.2f} to {high:.2f})",
                    {"SD": deviation, "low": low, "high": high, "n": len(r.testing)},
                ),
                "SD of the test samples alone": f"{float(r.sampling.mean()):.2f}",
            }
        )
    return pd.DataFrame(rows)


def variants_table(results: Sequence[Result]) -> pd.DataFrame:
    """What becomes of the balance in each condition, on training and on test data.

    Args:
        results: Of both simulations, with the corrected weights.
    """
    rows = []
    for simulation in SIMULATIONS:
        for condition, words in CONDITIONS.items():
            found = {
                r.weighting.formula: r
                for r in results
                if (r.simulation, r.condition) == (simulation, condition)
            }
            if not found:
                continue
            row: dict[str, object] = {"simulation": SIMULATIONS[simulation], "training": words}
            for data in ("training", "testing"):
                for weighting in CORRECTED:
                    right = weighting.right_side
                    values = getattr(found[weighting.formula], data)
                    row[f"{'train' if data == 'training' else 'test'}, {right:g}"] = mean_cell(values, right)
            rows.append(row)
    return pd.DataFrame(rows)


def ten_table(results: Sequence[TenClasses]) -> pd.DataFrame:
    """Eq. 9 on ten classes: how far the two sides are apart, and how many equations there are."""
    rows = []
    for r in results:
        sides = {"training": r.training, "test": r.testing}
        apart = {name: (a / b).log() for name, (a, b) in sides.items()}
        residual = r.testing[0] - r.testing[1]
        mean = apart["test"].mean(0)
        error = apart["test"].std(0) / math.sqrt(len(mean))
        worst = int((mean.abs()).argmax())
        rows.append(
            {
                "weights": r.weights,
                "training samples": sum(r.counts),
                "training: largest distance": f"{float(apart['training'].abs().max()):.0e}",
                "test: typical distance": Cell(
                    f"{float(apart['test'].square().mean().sqrt()):.1%}",
                    {
                        "rms of log ratio": float(apart["test"].square().mean().sqrt()),
                        "largest mean log ratio": float(mean[worst]),
                        "class of it": worst,
                        "its standard error": float(error[worst]),
                    },
                ),
                "test: sum of the residuals": f"{float(residual.sum(1).abs().max()):.0e}",
                "independent residuals": int(np.linalg.matrix_rank(residual.numpy())),
            }
        )
    return pd.DataFrame(rows)
