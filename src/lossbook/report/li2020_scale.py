"""The scale of the losses of li2020: how long their steps are, and what is left at equal ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from lossbook import datasets, experiments, losses, models
from lossbook.experiments.li2020 import FIRST_LEVEL, GRADIENT_SCALE
from lossbook.report import figures, stats, style, tables
from lossbook.report.evidence import Evidence
from lossbook.report.li2020 import DRAWN, NAMES, RATES, dataset_name
from lossbook.report.page import Cell
from lossbook.report.tables import Runs

SCALE = "li2020/scale"
BASELINE = "sml"
PUBLISHED_RATE = 0.01
_CODE = {"sml": "ce", "lgl": "lr", "lgl_inr": "lgl_inr"}


# --- gradients ----------------------------------------------------------------------------------------------


#: The L1 norm of a loss's gradient with respect to ten logits of zero over that of SML, batch balanced.
AT_ZERO = {"sml": 1.0, "lgl": 25 / 9, "lgl_inr": 50 / 9}
#: Output biases with which every image is given the frequencies of ten classes.
BIASES = {"sml": 0.0, "lgl": -math.log(9), "lgl_inr": 0.0}


def gradient_table(dataset: str = "fashion_mnist", seeds: int = 5, batch: int = 640) -> pd.DataFrame:
    """Return how long the gradient of each loss is early in training, over that of SML.

    Before the first step, and with output biases that give every image the frequencies of the classes; each
    by the formula, and for CNN2C with fresh weights on real images, with respect to the logits and to the
    weights of the network.

    Args:
        dataset: A data set, of which evenly spaced training images are taken; digits where it is not there.
        seeds: How many networks to average over.
        batch: How many images.
    """
    data = datasets.load(dataset if datasets.present(dataset) else "digits")
    train = data.parts["train"]
    rows = torch.arange(batch) * len(train.targets) // batch
    assert isinstance(train.inputs, torch.Tensor)
    images = train.inputs[rows].permute(0, 3, 1, 2).float() / 255
    target = train.targets[rows]
    frame = pd.DataFrame({"Loss": [NAMES[loss] for loss in _CODE]})
    for when, biases, exact in (
        ("start", dict.fromkeys(_CODE, 0.0), AT_ZERO),
        ("frequencies", BIASES, GRADIENT_SCALE),
    ):
        norms: dict[str, list[tuple[float, float]]] = {loss: [] for loss in _CODE}
        for seed in range(seeds):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                shape = (images.shape[1], images.shape[2], images.shape[3])
                network = models.build("li2020_cnn2c", shape, data.num_classes)
            for loss in _CODE:
                norms[loss].append(_gradient_norms(network, loss, biases[loss], images, target))
        ratios = {
            loss: np.mean(np.array(mine) / np.array(norms[BASELINE]), axis=0) for loss, mine in norms.items()
        }
        frame[f"Formula, {when}"] = [f"{exact[loss]:.2f}" for loss in _CODE]
        frame[f"Logits, {when}"] = [f"{ratios[loss][0]:.2f}" for loss in _CODE]
        frame[f"Weights, {when}"] = [f"{ratios[loss][1]:.2f}" for loss in _CODE]
    return frame


def _gradient_norms(
    network: nn.Module, loss: str, bias: float, images: torch.Tensor, target: torch.Tensor
) -> tuple[float, float]:
    """Sum of absolute values for the logits, Euclidean norm for the weights; a bias added to all logits."""
    logits = network(images) + bias
    logits.retain_grad()
    network.zero_grad()
    losses.get(_CODE[loss])(logits, target).backward()
    weights = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    assert logits.grad is not None
    return float(logits.grad.abs().sum()), float(weights.norm())


# --- equal rates, equal steps, own best ---------------------------------------------------------------------


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

    A run that diverged counts as an accuracy of zero. The test images have no part in the choice.
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
            for loss in _CODE:
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
            "Minus SML, points": pd.Series(differences, dtype=object),
            "p (Holm)": pd.Series(p_values, dtype=object),
        }
    )
    return _without_one_name(frame), [*tables.notes(used), *_at_the_edge(evidence, profile)]


def _each_once(pairs: Sequence[tuple[Runs, Runs] | None]) -> tuple[list[Cell], list[Cell]]:
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
        for loss in _CODE:
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
    yield "the paper's learning rate", dict.fromkeys(_CODE, PUBLISHED_RATE)
    common = set.intersection(
        *({step(loss, rate) for rate in rates(profile, dataset, loss)} for loss in _CODE)
    )
    for length in sorted(common):
        yield (
            f"steps of {length:g}",
            {
                loss: next(r for r in rates(profile, dataset, loss) if step(loss, r) == length)
                for loss in _CODE
            },
        )
    best = {loss: best_rate(evidence, profile, dataset, loss) for loss in _CODE}
    yield "each one's best rate", {loss: rate for loss, rate in best.items() if rate is not None}


def two_levels(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return LGL, LGL-INR with the first level of its weights, and with both, at equal steps.

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


def rate_curves(evidence: Evidence, profile: str, dataset: str) -> Figure:
    """Draw the test accuracy against the learning rate, and against the length of a step.

    A ring marks the rate chosen on held-out images. Rates at which a network learns next to nothing lie
    below the axes: the losses are compared where they learn.
    """
    figure = Figure(figsize=(6.0, 3.0), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    means: list[float] = []
    for loss in _CODE:
        points = _points(evidence, profile, dataset, loss)
        if not points:
            continue
        best = best_rate(evidence, profile, dataset, loss)
        for ax, scale in zip(axes, (1.0, GRADIENT_SCALE[loss]), strict=True):
            _draw(ax, loss, points, scale, best)
        means += [m.mean for _, m, _, _ in points]
    if means and min(means) < max(means) - DRAWN_POINTS:
        axes[0].set_ylim(max(means) - DRAWN_POINTS, max(means) + DRAWN_POINTS / 20)
    axes[0].set(xlabel="learning rate", ylabel="test accuracy, %", xscale="log")
    axes[1].set(xlabel="learning rate × gradient scale", xscale="log")
    figures.add_legend(figure, [DRAWN[loss] for loss in _CODE])
    return figure


def _points(
    evidence: Evidence, profile: str, dataset: str, loss: str
) -> list[tuple[float, stats.Interval, float, float]]:
    """Learning rate, mean, lowest and highest test accuracy in percent."""
    found = []
    for rate in rates(profile, dataset, loss):
        values = runs(evidence, profile, dataset, loss, rate).values("test_accuracy")
        percent = [100 * v for v in values.values()]
        if percent:
            found.append((rate, stats.mean_interval(percent), min(percent), max(percent)))
    return found


def _draw(
    ax: Axes,
    loss: str,
    points: Sequence[tuple[float, stats.Interval, float, float]],
    scale: float,
    best: float | None,
) -> None:
    look = style.loss_style(DRAWN[loss])
    x = [scale * rate for rate, *_ in points]
    ax.plot(x, [m.mean for _, m, _, _ in points], marker=look.marker, **look.line())
    ax.fill_between(
        x,
        [low for *_, low, _ in points],
        [high for *_, high in points],
        color=look.color,
        alpha=0.22,
        linewidth=0,
    )
    for rate, mean, _, _ in points:
        if rate == best:
            ax.plot(scale * rate, mean.mean, marker="o", markersize=13, fillstyle="none", color=look.color)


def rate_curves_alt(evidence: Evidence, profile: str, dataset: str) -> str:
    """Return what the figure shows, in words and numbers."""
    parts = []
    for loss in _CODE:
        points = _points(evidence, profile, dataset, loss)
        each = ", ".join(f"{m.mean:.1f}% at {rate:g}" for rate, m, _, _ in points)
        parts.append(f"{NAMES[loss]}: {each}")
    return (
        f"Test accuracy on {dataset_name(dataset)} against the learning rate, and against the learning rate "
        f"times the scale of the gradient, one line per loss. {'. '.join(parts)}."
    )


def meaning(evidence: Evidence) -> list[str]:
    """Return what the best runs there are say: the leads over SML at equal rates, and each at its best."""
    sentences = []
    for profile in evidence.by_profile:
        for dataset in sets(profile):
            ways = dict(_ways(evidence, profile, dataset))
            for loss in ("lgl", "lgl_inr"):
                found = []
                for way in ("the paper's learning rate", "each one's best rate"):
                    mine = _found(evidence, profile, dataset, loss, ways[way])
                    base = _found(evidence, profile, dataset, BASELINE, ways[way])
                    d = tables.difference(mine, base, "test_accuracy") if mine and base else None
                    if d is not None:
                        band = f" ± {100 * d.half:.2f}" if d.n > 1 and d.half == d.half else ""
                        found.append(f"{tables.signed(100 * d.mean)}{band} points at {way}")
                if found:
                    sentences.append(
                        f"**{NAMES[loss]} minus SML, {dataset_name(dataset)}, profile {profile}:** "
                        f"{'; '.join(found)}."
                    )
    return sentences


def at_the_papers_length(calibration: Evidence) -> str:
    """Return the leads at the paper's rate and at equal steps, trained as long as in the paper.

    Args:
        calibration: The runs of the page on calibration, which have both.
    """
    parts = []
    for loss, base in (("lgl_inr", BASELINE), ("lgl_inr", "lgl")):
        found = []
        for rate, words in RATES.items():
            sides = [calibration.runs("paper", rate=rate, loss=each) for each in (loss, base)]
            d = tables.difference(sides[0], sides[1], "test_accuracy")
            if d is not None:
                found.append(f"{tables.signed_band(d)} points at {words} (n = {d.n})")
        if found:
            parts.append(f"{NAMES[loss]} minus {NAMES[base]} {', '.join(found)}")
    if not parts:
        return ""
    return f"**On all 60,000 training images, for 20 epochs:** {'; '.join(parts)}."


def costs(profile: str, device: str = "auto") -> Cell:
    """Return what the missing runs of a profile would cost here, as a cell."""
    pending = experiments.pending(profile, SCALE, device=device)
    if not pending:
        return Cell("all run")
    from lossbook.experiments.progress import duration

    seconds = sum(p.seconds for p in pending)
    return Cell(f"{sum(p.count for p in pending)} runs not made; about {duration(seconds)} here")
