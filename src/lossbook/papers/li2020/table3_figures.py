"""Drawings of the page on Table 3: the networks, and Fig. 2."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from lossbook.evidence import stats
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.pages import figures, style
from lossbook.papers.li2020.names import NETWORK_NAMES, NETWORKS
from lossbook.papers.li2020.table3 import curve_groups, layer_sizes

_PANELS = (
    figures.Panel("train_accuracy", "Training accuracy, %", percent=True),
    figures.Panel("test_accuracy", "Test accuracy, %", percent=True),
)


def network_diagram() -> Figure:
    """Draw CNN2C and CNN5C layer by layer, with the size behind each layer."""
    chains = {name: layer_sizes(name) for name in NETWORKS}
    most = max(len(chain) for chain in chains.values())
    figure = Figure(figsize=(6.0, 0.44 * most + 0.5), layout="constrained")
    for ax, (name, chain) in zip(figure.subplots(1, 2), chains.items(), strict=True):
        _draw_chain(ax, chain, most)
        ax.set_title(NETWORK_NAMES[name])
    return figure


def _draw_chain(ax: Axes, chain: Sequence[tuple[str, str]], most: int) -> None:
    ax.set(xlim=(0, 1), ylim=(most - 0.4, -0.6))
    ax.axis("off")
    for row, (label, size) in enumerate(chain):
        ax.add_patch(
            FancyBboxPatch(
                (0.02, row - 0.32),
                0.46,
                0.64,
                boxstyle="round,pad=0,rounding_size=0.05",
                facecolor="none",
                edgecolor=style.MUTED,
                linewidth=1.0,
            )
        )
        ax.text(0.25, row, label, ha="center", va="center")
        ax.text(0.54, row, size, ha="left", va="center", color=style.MUTED)
        if row:
            ax.plot([0.25, 0.25], [row - 0.68, row - 0.32], color=style.MUTED, linewidth=1.0)


def diagram_alt() -> str:
    """Return the layers of both networks in words."""
    chains = (
        f"{NETWORK_NAMES[name]}: " + ", ".join(f"{label} to {size}" for label, size in layer_sizes(name)[1:])
        for name in NETWORKS
    )
    return f"The layers of two networks on images of 28 by 28 pixels. {'. '.join(chains)}."


def learning_curves(evidence: Evidence, profile: str, dataset: str, network: str) -> Figure:
    """Draw Fig. 2: accuracy on training and on test images by epoch, with a band over seeds."""
    return figures.curves(curve_groups(evidence, profile, dataset, network), _PANELS)


def curves_alt(evidence: Evidence, profile: str, dataset: str, network: str) -> str:
    """Return what the learning curves show, in words and numbers."""
    ends = []
    for loss, group in curve_groups(evidence, profile, dataset, network).items():
        values = [100 * r.curves["test_accuracy"][-1] for r in group if r.curves["test_accuracy"][-1]]
        if values:
            ends.append(f"{style.loss_style(loss).name} {stats.mean_interval(values).mean:.1f}%")
    return (
        f"Accuracy on training images and on test images by epoch, {NETWORK_NAMES[network]} on "
        f"{dataset_name(dataset)}, one line per loss. Test accuracy at the end: {', '.join(ends)}."
    )
