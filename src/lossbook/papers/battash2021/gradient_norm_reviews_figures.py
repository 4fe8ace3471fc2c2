"""Drawing of the control on reviews: the mixtures and CE at their size, minus CE, epoch by epoch."""

from __future__ import annotations

from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lossbook.evidence.contrasts import Mean
from lossbook.evidence.select import Evidence
from lossbook.pages.style import INK, LossStyle, loss_style
from lossbook.papers.battash2021.gradient_norm_reviews import SIZED, Regime, by_epoch, name
from lossbook.papers.battash2021.images_figures import LOOKS
from lossbook.papers.battash2021.protocol import title

_SIZED = replace(loss_style("ce"), marker="s", dash=(0, (5, 1.6)))


def _looks(mixture: Regime) -> dict[Regime, LossStyle]:
    return {mixture: LOOKS[mixture], SIZED[mixture]: _SIZED}


def figure(evidence: Evidence) -> Figure | None:
    """Draw each mixture, and CE at its size, minus CE after every epoch; None where nothing has been run."""
    made = {}
    for mixture in SIZED:
        found = {regime: by_epoch(evidence, regime) for regime in _looks(mixture)}
        if all(found.values()):
            made[mixture] = found
    if not made:
        return None
    drawn = Figure(figsize=(3.3 * len(made), 3.2), layout="constrained")
    axes = drawn.subplots(1, len(made), squeeze=False, sharey=True)[0]
    for ax, (mixture, found) in zip(axes, made.items(), strict=True):
        ax.axhline(0, color=INK, linewidth=0.8)
        for at, (regime, look) in enumerate(_looks(mixture).items()):
            _line(ax, found[regime], look, shift=0.14 * (at - 0.5))
        ax.set_title(title(mixture))
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylabel("accuracy minus CE, points")
    # The mixtures, each from its own panel; CE at their size looks alike in both.
    marks = [ax.get_legend_handles_labels()[0] for ax in axes]
    drawn.legend(
        [*(mine[0] for mine in marks), marks[0][1]],
        [*map(title, made), "CE at the size of the mixture"],
        loc="outside upper center",
        ncols=3,
    )
    return drawn


def _line(ax: Axes, means: list[Mean], look: LossStyle, shift: float) -> None:
    x = [epoch + shift for epoch in range(1, len(means) + 1)]
    ax.plot(x, [each.interval.mean for each in means], marker=look.marker, markersize=4.5, **look.line())
    for at, each in zip(x, means, strict=True):
        if each.interval.bounded:
            ax.plot([at, at], [each.interval.low, each.interval.high], color=look.color, linewidth=1.1)


def alt(evidence: Evidence) -> str:
    """The figure in words and numbers."""
    said = []
    for mixture in SIZED:
        for regime in _looks(mixture):
            if means := by_epoch(evidence, regime):
                said.append(f"{name(regime)}: {', '.join(map(str, means))}")
    return (
        "Test accuracy minus that of CE in points after each epoch, mean over four networks, with half of "
        f"its 95% interval. {'; '.join(said)}."
    )
