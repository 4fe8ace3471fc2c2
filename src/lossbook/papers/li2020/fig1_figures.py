"""Drawing of Fig. 1: which classes are confused."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from lossbook.pages import style
from lossbook.papers.li2020.fig1 import ORDER, Shown, confused, confusion
from lossbook.papers.li2020.names import NAMES


def confusion_figure(shown: Shown) -> Figure:
    """Draw the confusion matrices of the three losses, mistakes only, in one scale."""
    figure = Figure(figsize=(6.0, 3.2), layout="constrained")
    axes = figure.subplots(1, len(ORDER), sharey=True)
    matrices = {loss: confusion(shown, loss) for loss in ORDER}
    k = len(shown.classes)
    off = ~np.eye(k, dtype=bool)
    top = max(float(m[off].max()) for m in matrices.values())
    look = mpl.colormaps["viridis"].with_extremes(bad=style.GRID)
    for ax, (loss, matrix) in zip(axes, matrices.items(), strict=True):
        mistakes = np.ma.masked_where(~off, matrix)
        image = ax.imshow(mistakes, cmap=look, vmin=0, vmax=max(top, 1.0))
        right = matrix.trace() / matrix.sum()
        ax.set_title(f"{NAMES[loss]} {100 * right:.2f}%")
        ax.set_xticks(range(k), shown.classes, rotation=90, fontsize=7)
        ax.set_yticks(range(k), shown.classes, fontsize=7)
        ax.grid(visible=False)
        ax.set_xlabel("predicted")
    axes[0].set_ylabel("class")
    figure.colorbar(image, ax=list(axes), label="images", shrink=0.75)
    return figure


def confusion_alt(shown: Shown) -> str:
    """Return what the figure shows, in words and numbers."""
    parts = []
    for loss in ORDER:
        matrix = confusion(shown, loss)
        pairs = confused(matrix)[:3]
        said = ", ".join(f"{shown.classes[i]} as {shown.classes[j]} {matrix[i, j]:.0f}" for i, j in pairs)
        parts.append(f"{NAMES[loss]}: {100 * matrix.trace() / matrix.sum():.2f}% right; {said}")
    return (
        f"Mistakes of {len(ORDER)} losses on the test images of {shown.title}, a square a pair of classes. "
        f"Most frequent: {'. '.join(parts)}."
    )
