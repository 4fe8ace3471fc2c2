"""Drawing of the page on scale: accuracy against the learning rate."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossbook.evidence import stats
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.pages import figures, style
from lossbook.papers.li2020.names import DRAWN, LOSSES, NAMES
from lossbook.papers.li2020.protocol import GRADIENT_SCALE
from lossbook.papers.li2020.scale import DRAWN_POINTS, best_rate, rates, runs


def rate_curves(evidence: Evidence, profile: str, dataset: str) -> Figure:
    """Draw the test accuracy against the learning rate, and against the length of a step.

    A ring marks the rate chosen on held-out images. Rates at which a network learns next to nothing lie
    below the axes: the losses are compared where they learn.
    """
    figure = Figure(figsize=(6.0, 3.0), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    means: list[float] = []
    for loss in LOSSES:
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
    figures.add_legend(figure, [DRAWN[loss] for loss in LOSSES])
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
    for loss in LOSSES:
        points = _points(evidence, profile, dataset, loss)
        each = ", ".join(f"{m.mean:.1f}% at {rate:g}" for rate, m, _, _ in points)
        parts.append(f"{NAMES[loss]}: {each}")
    return (
        f"Test accuracy on {dataset_name(dataset)} against the learning rate, and against the learning rate "
        f"times the scale of the gradient, one line per loss. {'. '.join(parts)}."
    )
