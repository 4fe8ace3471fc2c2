"""What the page on Table 1 of li2020 shows, computed from the simulations in a few seconds.

Every function takes the numbers of the runs and does all of them, with every weighting.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lossbook.errors import UnknownNameError
from lossbook.experiments.li2020_simulations import (
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

#: Runs by profile; the paper has 100.
RUNS = {"smoke": 5, "quick": 100, "paper": 100}
#: At most so many of the runs, the first ones, take part in what goes beyond the paper's table.
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
        profile: ``"smoke"``, ``"quick"`` or ``"paper"``.
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
