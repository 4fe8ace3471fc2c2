"""What the learning rate does: the three losses at equal steps, and each at its best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from lossbook import datasets, experiments, losses, models
from lossbook.evidence import tables
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import Contrast, Contrasts, Joined, Select
from lossbook.evidence.rules import Tendency
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.evidence.tables import Runs
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.li2020 import calibration
from lossbook.papers.li2020.names import (
    BASELINE,
    CALIBRATION,
    CODE,
    DATASETS,
    FIRST_LEVEL,
    LONG_ENOUGH,
    LOSSES,
    NAMES,
    SCALE,
    WHOLE,
    basis,
)
from lossbook.papers.li2020.protocol import (
    DIGITS,
    EQUAL_STEP,
    GRADIENT_SCALE,
    SMALL,
    by_name,
    cell,
    changed,
    rate_of,
)

#: Learning rates times the gradient's scale. Equal ones are steps of equal length early in training.
STEPS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)

#: Those at which the first level of LGL-INR's weights is tried alone.
FIRST_LEVEL_STEPS = (0.03, 0.1, 0.3)

SPLITS = ("validation", "test")


def _cells(
    sets: Iterable[str], steps: Iterable[float], validation_size: int, **changes: Any
) -> tuple[Cell, ...]:
    steps = tuple(steps)
    grid = [
        (split, loss, lr)
        for split in SPLITS
        for loss in GRADIENT_SCALE
        # Equal steps; and the paper's rate, where it is not among them.
        for lr in sorted({*(rate_of(step, loss) for step in steps), 0.01})
    ]
    grid += [("test", FIRST_LEVEL, rate_of(step, FIRST_LEVEL)) for step in steps if step in FIRST_LEVEL_STEPS]
    return tuple(
        changed(
            cell(SMALL, named, "cnn2c", loss, changes),
            {"lr": lr, "split": split},
            optimizer_options={"lr": lr, "momentum": 0.5},
            validation_size=validation_size if split == "validation" else None,
        )
        for named in sets
        for split, loss, lr in grid
    )


EXPERIMENT = Experiment(
    name=SCALE,
    title="What the learning rate does: the three losses at equal steps, and each at its best",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's protocol at six learning rates per loss; 10,000 training images held out to choose",
            _cells(("mnist", "fashion_mnist", "kmnist"), STEPS, 10_000),
            seeds=5,
        ),
        Profile(
            "subset",
            "12,000 images of Fashion-MNIST for 10 epochs, 10,000 others held out to choose a learning rate",
            _cells(
                ("fashion_mnist",),
                (0.01, 0.03, 0.1, 0.3, 1.0),
                10_000,
                train_size=12_000,
                test_size=5_000,
                epochs=10,
            ),
            seeds=3,
        ),
        Profile(
            "quick",
            "1,000 images of Fashion-MNIST for 5 epochs, 1,000 others held out to choose a learning rate",
            _cells(("fashion_mnist",), (0.03, 0.1, 0.3), 1000, train_size=1000, test_size=1000, epochs=5),
            seeds=2,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs, to see that everything runs",
            _cells(("fashion_mnist",), (0.03, 0.1), 300, **DIGITS),
            seeds=1,
        ),
    ),
)

PUBLISHED_RATE = 0.01

#: The L1 norm of a loss's gradient with respect to ten logits of zero over that of CE, batch balanced.
AT_ZERO = {"sml": 1.0, "lgl": 25 / 9, "lgl_inr": 50 / 9}

#: Output biases with which every image is given the frequencies of ten classes.
BIASES = {"sml": 0.0, "lgl": -math.log(9), "lgl_inr": 0.0}


def gradient_table(
    dataset: str = "fashion_mnist", seeds: int = 5, batch: int = 640
) -> tuple[pd.DataFrame, list[str]]:
    """Return how long the gradient of each loss is early in training, over that of CE; and on which images.

    Before the first step, and with output biases that give every image the frequencies of the classes; each
    by the formula, and for CNN2C with fresh weights on real images, with respect to the logits and to the
    weights of the network.

    Args:
        dataset: A data set, of which evenly spaced training images are taken; digits where it is not there.
        seeds: How many networks to average over.
        batch: How many images.
    """
    used = dataset if datasets.present(dataset) else "digits"
    data = datasets.load(used)
    train = data.parts["train"]
    rows = torch.arange(batch) * len(train.targets) // batch
    assert isinstance(train.inputs, torch.Tensor)
    images = train.inputs[rows].permute(0, 3, 1, 2).float() / 255
    target = train.targets[rows]
    frame = pd.DataFrame({"Loss": [NAMES[loss] for loss in LOSSES]})
    for when, biases, exact in (
        ("start", dict.fromkeys(LOSSES, 0.0), AT_ZERO),
        ("frequencies", BIASES, GRADIENT_SCALE),
    ):
        norms: dict[str, list[tuple[float, float]]] = {loss: [] for loss in LOSSES}
        for seed in range(seeds):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                shape = (images.shape[1], images.shape[2], images.shape[3])
                network = models.build("li2020_cnn2c", shape, data.num_classes)
            for loss in LOSSES:
                norms[loss].append(_gradient_norms(network, loss, biases[loss], images, target))
        ratios = {
            loss: np.mean(np.array(mine) / np.array(norms[BASELINE]), axis=0) for loss, mine in norms.items()
        }
        frame[f"Formula, {when}"] = [f"{exact[loss]:.2f}" for loss in LOSSES]
        frame[f"Logits, {when}"] = [f"{ratios[loss][0]:.2f}" for loss in LOSSES]
        frame[f"Weights, {when}"] = [f"{ratios[loss][1]:.2f}" for loss in LOSSES]
    stands_in = (
        "" if used == dataset else f", as {dataset_name(dataset)} is not on the machine that made this page"
    )
    return frame, [f"Images: {dataset_name(used)}{stands_in}."]


def _gradient_norms(
    network: nn.Module, loss: str, bias: float, images: torch.Tensor, target: torch.Tensor
) -> tuple[float, float]:
    """Sum of absolute values for the logits, Euclidean norm for the weights; a bias added to all logits."""
    logits = network(images) + bias
    logits.retain_grad()
    network.zero_grad()
    losses.get(CODE[loss])(logits, target).backward()
    weights = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    assert logits.grad is not None
    return float(logits.grad.abs().sum()), float(weights.norm())


def rates(profile: str, dataset: str, loss: str) -> list[float]:
    """Return the learning rates that a profile declares for a loss, rising."""
    cells = experiments.get(SCALE).profiles[profile].cells
    return sorted(
        {c.labels["lr"] for c in cells if (c.labels["dataset"], c.labels["loss"]) == (dataset, loss)}
    )


def sets(profile: str) -> list[str]:
    """Return the data sets that a profile declares."""
    return list(dict.fromkeys(c.labels["dataset"] for c in experiments.get(SCALE).profiles[profile].cells))


def step(loss: str, rate: float) -> float:
    """Return the length of a step early in training: the learning rate times the scale of the gradient."""
    return float(f"{rate * GRADIENT_SCALE['lgl_inr' if loss == FIRST_LEVEL else loss]:.2g}")


def at_step(evidence: Evidence, profile: str, dataset: str, loss: str, length: float) -> Runs:
    """Return the runs of one loss whose steps have a length; none where there is no such rate."""
    rate = next((r for r in rates(profile, dataset, loss) if step(loss, r) == length), None)
    return Runs() if rate is None else runs(evidence, profile, dataset, loss, rate)


def runs(evidence: Evidence, profile: str, dataset: str, loss: str, rate: float, split: str = "test") -> Runs:
    """Return the runs of one loss at one learning rate."""
    return evidence.runs(profile, dataset=dataset, loss=loss, lr=rate, split=split)


def best_rate(evidence: Evidence, profile: str, dataset: str, loss: str) -> float | None:
    """Return the learning rate with the highest mean accuracy on held-out training images, or None.

    A run that diverged counts as an accuracy of zero. The test images play no part in the choice.
    """
    means: dict[float, float] = {}
    for rate in rates(profile, dataset, loss):
        found = runs(evidence, profile, dataset, loss, rate, "validation")
        values = found.values("test_accuracy")
        if found.records:
            means[rate] = sum(values.values()) / len(found.records)
    return max(means, key=lambda rate: (means[rate], -rate)) if means else None


def three_ways(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the losses compared at the paper's learning rate, at equal steps, and each at its own best rate.

    Args:
        evidence: The records.
        profile: Which of them.

    Returns:
        The table and the notes it needs.
    """
    rows: list[dict[str, Any]] = []
    pairs: list[tuple[Runs, Runs] | None] = []
    used: list[Runs] = []
    for dataset in sets(profile):
        for way, chosen in _ways(evidence, profile, dataset):
            base = _found(evidence, profile, dataset, BASELINE, chosen)
            for loss in LOSSES:
                mine = _found(evidence, profile, dataset, loss, chosen)
                rate = chosen.get(loss)
                if mine is None or rate is None:
                    continue
                used.append(mine)
                pairs.append((mine, base) if base is not None and loss != BASELINE else None)
                rows.append(
                    {
                        "Data": dataset_name(dataset, mine.records),
                        "Compared at": way,
                        "Loss": NAMES[loss],
                        "Learning rate": f"{rate:g}",
                        "Step": f"{step(loss, rate):g}",
                        "Test accuracy, %": tables.mean_cell(mine, "test_accuracy", percent=True),
                    }
                )
    frame = pd.DataFrame(rows)
    differences, p_values = _each_once(pairs)
    frame = frame.assign(
        **{
            "Minus CE, points": pd.Series(differences, dtype=object),
            "p (Holm)": pd.Series(p_values, dtype=object),
        }
    )
    return _without_one_name(frame), [*tables.notes(used), *_at_the_edge(evidence, profile)]


def _each_once(pairs: Sequence[tuple[Runs, Runs] | None]) -> tuple[list[tables.Cell], list[tables.Cell]]:
    """Differences and adjusted p-values, where the same runs compared in two rows are one comparison."""
    places = {(pair[0].keys, pair[1].keys): n for n, pair in reversed([*enumerate(pairs)]) if pair}
    first = [places[pair[0].keys, pair[1].keys] if pair else n for n, pair in enumerate(pairs)]
    once = [pair if first[n] == n else None for n, pair in enumerate(pairs)]
    differences, p_values = tables.difference_cells(once, "test_accuracy", percent=True)
    return [differences[n] for n in first], [p_values[n] for n in first]


def _without_one_name(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out the name of the data set where it is one throughout, and that which the profile declares."""
    names = set(frame["Data"]) if len(frame) else set()
    one = len(names) == 1 and "(here:" not in next(iter(names))
    return frame.drop(columns="Data") if one else frame


def row_headers(frame: pd.DataFrame) -> int:
    """Return how many columns say what a row is: those up to the loss."""
    return list(frame.columns).index("Loss") + 1


def _at_the_edge(evidence: Evidence, profile: str) -> list[str]:
    found = []
    for dataset in sets(profile):
        names = []
        for loss in LOSSES:
            declared = rates(profile, dataset, loss)
            if best_rate(evidence, profile, dataset, loss) in (declared[0], declared[-1]):
                names.append(NAMES[loss])
        if names:
            found.append(
                f"{dataset_name(dataset)}: the chosen rate of {' and '.join(names)} is at the end of those "
                "tried; a better one may lie beyond."
            )
    return found


def _found(
    evidence: Evidence, profile: str, dataset: str, loss: str, chosen: dict[str, float]
) -> Runs | None:
    if loss not in chosen:
        return None
    found = runs(evidence, profile, dataset, loss, chosen[loss])
    return found if found.records else None


def _ways(evidence: Evidence, profile: str, dataset: str) -> Iterable[tuple[str, dict[str, float]]]:
    yield "the paper's learning rate", dict.fromkeys(LOSSES, PUBLISHED_RATE)
    common = set.intersection(
        *({step(loss, rate) for rate in rates(profile, dataset, loss)} for loss in LOSSES)
    )
    for length in sorted(common):
        yield (
            f"steps of {length:g}",
            {
                loss: next(r for r in rates(profile, dataset, loss) if step(loss, r) == length)
                for loss in LOSSES
            },
        )
    best = {loss: best_rate(evidence, profile, dataset, loss) for loss in LOSSES}
    yield "each one's best rate", {loss: rate for loss, rate in best.items() if rate is not None}


def two_levels(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return LR, LGL-INR with the first level of its weights, and with both, at equal steps.

    Differences are to the row above.
    """
    rows: list[dict[str, Any]] = []
    pairs: list[tuple[Runs, Runs] | None] = []
    used: list[Runs] = []
    for dataset in sets(profile):
        for rate in rates(profile, dataset, FIRST_LEVEL):
            above: Runs | None = None
            for loss in ("lgl", FIRST_LEVEL, "lgl_inr"):
                mine = at_step(evidence, profile, dataset, loss, step(FIRST_LEVEL, rate))
                if not mine.records:
                    continue
                used.append(mine)
                pairs.append((mine, above) if above is not None else None)
                above = mine
                rows.append(
                    {
                        "Data": dataset_name(dataset, mine.records),
                        "Step": f"{step(FIRST_LEVEL, rate):g}",
                        "Loss": NAMES[loss],
                        "Test accuracy, %": tables.mean_cell(mine, "test_accuracy", percent=True),
                    }
                )
    frame = pd.DataFrame(rows)
    differences, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
    frame = frame.assign(
        **{
            "Minus the row above, points": pd.Series(differences, dtype=object),
            "p (Holm)": pd.Series(p_values, dtype=object),
        }
    )
    return _without_one_name(frame), tables.notes(used)


#: Percentage points below the best mean that the figure shows at most.
DRAWN_POINTS = 25.0


def at_equal_steps(loss: str, base: str, dataset: str, **how: Any) -> Contrast:
    """Test accuracy of one loss minus that of another at equal steps.

    Args:
        loss: One of the losses.
        base: What is subtracted.
        dataset: One of the data sets.
        **how: Which number is read of each run, as for :class:`Select`.
    """
    left, right = (
        Select({"dataset": dataset, "loss": each, "lr": rate_of(EQUAL_STEP, each), "split": "test"}, **how)
        for each in (loss, base)
    )
    name = NAMES[loss].replace(", β = 0", " at β = 0")
    return Contrast(
        f"{name} minus {NAMES[base]}{' early on' if how else ''}, equal steps, CNN2C on "
        f"{dataset_name(dataset)}",
        left,
        right,
        resolved=not how,
    )


def at_best_rates(loss: str, base: str, dataset: str) -> Contrast:
    """Test accuracy of one loss minus that of another, each at the rate best for it on held-out images."""
    left, right = (
        Select({"dataset": dataset, "loss": each, "split": "test"}, chosen=partial(_best, dataset, each))
        for each in (loss, base)
    )
    return Contrast(
        f"{NAMES[loss]} at {{left[lr]:g}} minus {NAMES[base]} at {{right[lr]:g}}, CNN2C on "
        f"{dataset_name(dataset)}",
        left,
        right,
    )


def _best(dataset: str, loss: str, evidence: Evidence, profile: str) -> dict[str, float] | None:
    rate = best_rate(evidence, profile, dataset, loss) if dataset in sets(profile) else None
    return None if rate is None else {"lr": rate}


#: For a claim about losses in general, tried on one network.
ONE_NETWORK = Tendency(
    WHOLE, "one network cannot show a general rule", "runs on as many images and epochs as in the paper"
)

ONE_VS_REST = Claim(
    "one-vs-rest",
    "LR, one logistic loss per class, sees more negatives than positives, and this imbalance can degrade it.",
    "Introduction; LGL-INR",
    "A logistic loss whose positives weigh as much as all negatives, and whose negatives weigh alike "
    f"(LGL-INR with β = 0), minus LR, at equal steps (learning rate times gradient scale {EQUAL_STEP:g}), "
    "paired by seed. Runs of the profiles paper and subset decide.",
    {"": Contrasts(SCALE, [at_equal_steps(FIRST_LEVEL, "lgl", each) for each in DATASETS], only=LONG_ENOUGH)},
    ONE_NETWORK,
    LONG_ENOUGH,
    basis=basis,
)
LONGER_STEPS = (
    f"At one learning rate the steps of LGL-INR are {GRADIENT_SCALE['lgl_inr']:.1f} times as long as those "
    "of CE and LR early in training, once the class frequencies are learned. The same learning rate is not "
    "the same setting."
)
SETTING = Claim(
    "setting",
    "All losses are compared in the same setting, so LGL-INR's lead is the loss's own.",
    "Experiments, first paragraph; Predictive Results",
    "LGL-INR minus CE and minus LR, paired by seed: each with the learning rate that is best for it on "
    "training images held out, and at equal steps on all training images. Runs of the profiles paper and "
    "subset decide.",
    {
        "": Joined(
            (
                Contrasts(
                    SCALE,
                    [at_best_rates("lgl_inr", base, each) for each in DATASETS for base in (BASELINE, "lgl")],
                ),
                Contrasts(
                    CALIBRATION,
                    [calibration.lead("lgl_inr", base, "equal") for base in (BASELINE, "lgl")],
                    only=(PAPER,),
                ),
            )
        )
    },
    ONE_NETWORK,
    LONG_ENOUGH,
    more=lambda _: (LONGER_STEPS,),
    basis=basis,
)
