"""Drawing of Fig. 1: which classes are confused."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from lossbook.pages import style
from lossbook.papers.li2020.fig1 import Shown, confused, confusion
from lossbook.papers.li2020.names import LOSSES, NAMES


def confusion_figure(shown: Shown) -> Figure:
    """Draw the mistakes of the three losses in one scale, and what LGL-INR changes against LR."""
    figure = Figure(figsize=(6.0, 6.2), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    matrices = {loss: confusion(shown, loss) for loss in LOSSES}
    k = len(shown.classes)
    right = np.eye(k, dtype=bool)
    top = max(float(m[~right].max()) for m in matrices.values())
    for ax, (loss, matrix) in zip(axes.flat, matrices.items(), strict=False):
        look = mpl.colormaps["viridis"].with_extremes(bad=style.GRID)
        image = ax.imshow(np.ma.masked_where(right, matrix), cmap=look, vmin=0, vmax=max(top, 1.0))
        ax.set_title(f"{NAMES[loss]} {100 * matrix.trace() / matrix.sum():.2f}%")
    change = matrices["lgl_inr"] - matrices["lgl"]
    most = max(float(np.abs(change[~right]).max()), 1.0)
    look = mpl.colormaps["RdBu_r"].with_extremes(bad=style.GRID)
    difference = axes[1, 1].imshow(np.ma.masked_where(right, change), cmap=look, vmin=-most, vmax=most)
    axes[1, 1].set_title(f"{NAMES['lgl_inr']} minus {NAMES['lgl']}")
    for ax in axes.flat:
        ax.set_xticks(range(k), shown.classes, rotation=90, fontsize=9)
        ax.set_yticks(range(k), shown.classes, fontsize=9)
        ax.grid(visible=False)
    figure.supxlabel("predicted", fontsize=11)
    figure.supylabel("class", fontsize=11)
    figure.colorbar(image, ax=axes[0], label="images taken for another class", shrink=0.9)
    figure.colorbar(difference, ax=axes[1], label="more or fewer", shrink=0.9)
    return figure


def confusion_alt(shown: Shown) -> str:
    """Return what the figure shows, in words and numbers."""
    parts = []
    for loss in LOSSES:
        matrix = confusion(shown, loss)
        pairs = confused(matrix)[:3]
        said = ", ".join(f"{shown.classes[i]} as {shown.classes[j]} {matrix[i, j]:.0f}" for i, j in pairs)
        parts.append(f"{NAMES[loss]}: {100 * matrix.trace() / matrix.sum():.2f}% right; {said}")
    return (
        f"Mistakes of {len(LOSSES)} losses on the test images of {shown.title}, one square per pair of "
        f"classes, and what LGL-INR changes against LR. Most frequent: {'. '.join(parts)}."
    )
