"""The chapter on li2020: its networks, Table 3 and Fig. 2 beside the paper's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import nn

from lossbook import datasets, experiments, models
from lossbook.experiments.li2020 import FIRST_LEVEL
from lossbook.report import figures, stats, style, tables, verdict
from lossbook.report.evidence import Evidence, substituted
from lossbook.report.tables import Runs
from lossbook.results import Record, published

TABLE3 = "li2020/table3"
PAPER = "paper"
BASELINE = "sml"
LOSSES = ("sml", "lgl", "lgl_mean", "lgl_inr")
NETWORKS = ("cnn2c", "cnn5c")
DATASETS = ("mnist", "fashion_mnist", "kmnist")

#: The losses' names in the rest of the book, by which they are drawn.
DRAWN = {"sml": "ce", "lgl": "lr", "lgl_mean": "lr_mean", "lgl_inr": "lgl_inr"}
NAMES = {"sml": "SML", "lgl": "LGL", "lgl_mean": "LGL, mean", "lgl_inr": "LGL-INR"} | {
    FIRST_LEVEL: "LGL-INR, β = 0"
}
#: How the losses are compared, in words; as declared in the experiments.
RATES = {"paper": "the paper's learning rate", "equal": "equal steps"}
NETWORK_NAMES = {
    "cnn2c": "CNN2C",
    "cnn5c": "CNN5C",
    "mobilenet_v2": "MobileNetV2",
    "resnet18": "ResNet-18",
}
_NO_MEAN = "The paper has one number for LGL; it does not say which of the two readings it is."

_PANELS = (
    figures.Panel("train_accuracy", "Training accuracy, %", percent=True),
    figures.Panel("test_accuracy", "Test accuracy, %", percent=True),
)


# --- the networks -------------------------------------------------------------------------------------------


def network_table() -> pd.DataFrame:
    """Return the paper's networks as built here: what is printed, what is built, parameters counted."""
    printed = {row.network: str(row.architecture) for row in published("li2020", "table2").itertuples()}
    said = {
        "cnn2c": "as printed; no padding, a rectifier after each convolution",
        "cnn5c": "no padding, last pooling over all 7×7 that is left (kernel 7 instead of 8)",
        "mobilenet_v2": "torchvision's, strides of the first convolution and the second stage 1, no dropout",
        "resnet18": "torchvision's, first convolution 3×3 at stride 1, no pooling behind it",
    }
    rows = []
    for name, built in said.items():
        shape = (1, 28, 28) if name in NETWORKS else (3, 32, 32)
        network = models.build(f"li2020_{name}", shape)
        rows.append(
            {
                "Network": NETWORK_NAMES[name],
                "Printed": printed.get(name, '"publicly available implementations"'),
                "Built": built,
                "Parameters": f"{sum(p.numel() for p in network.parameters()):,}",
            }
        )
    return pd.DataFrame(rows)


def layer_sizes(name: str) -> list[tuple[str, str]]:
    """Return the layers of CNN2C or CNN5C on 28x28 images, each with the size of what it puts out.

    Args:
        name: ``"cnn2c"`` or ``"cnn5c"``.

    Returns:
        Pairs like ``("conv 5×5", "20 × 24 × 24")``, the input first.
    """
    x = torch.zeros(1, 1, 28, 28)
    found = [("image", "1 × 28 × 28")]
    network = models.build(f"li2020_{name}", (1, 28, 28)).eval()
    with torch.no_grad():
        for layer in network.children():
            x = layer(x)
            label = _layer_name(layer)
            if label:
                found.append((label, " × ".join(str(n) for n in x.shape[1:])))
    return found


def _layer_name(layer: nn.Module) -> str:
    if isinstance(layer, nn.Conv2d):
        return f"conv {layer.kernel_size[0]}×{layer.kernel_size[0]}"
    if isinstance(layer, nn.BatchNorm2d):
        return "batch norm"
    if isinstance(layer, nn.MaxPool2d):
        return f"max-pool {layer.kernel_size}"
    if isinstance(layer, nn.AdaptiveMaxPool2d):
        return "max-pool, all"
    return {nn.Linear: "linear", nn.Flatten: "flatten"}.get(type(layer), "")


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


# --- Table 3 ------------------------------------------------------------------------------------------------


def printed() -> dict[tuple[str, str, str], float]:
    """Return Table 3 of the paper: data set, network, loss -> accuracy in percent."""
    rows = published("li2020", "table3").to_dict("records")
    return {(r["dataset"], r["network"], r["loss"]): float(r["accuracy_percent"]) for r in rows}


def runs(evidence: Evidence, profile: str, **labels: Any) -> Runs:
    """Return the runs of a cell of Table 3, by any of its labels."""
    labels.pop("epochs", None)  # All cells of a profile have the same length.
    return evidence.runs(profile, **labels)


def costs(profile: str, device: str = "auto", experiment: str = TABLE3) -> dict[tuple[object, ...], float]:
    """Return what the missing runs of a profile would cost here: the cell's labels -> seconds."""
    return {
        tuple(sorted(p.labels.items())): p.seconds
        for p in experiments.pending(profile, experiment, device=device)
    }


def table_three(
    evidence: Evidence, profile: str, cost: Mapping[tuple[object, ...], float] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Return Table 3 at one profile, the paper's number beside ours.

    Args:
        evidence: The records.
        profile: Which of them.
        cost: Seconds that missing runs would take here, by labels.

    Returns:
        The table and the notes it needs.
    """
    table = printed()
    rows, pairs, used = [], [], []
    for cell in experiments.get(TABLE3).profiles[profile].cells:
        labels = dict(cell.labels)
        dataset, network, loss = labels["dataset"], labels["network"], labels["loss"]
        mine = runs(evidence, profile, **labels)
        base = runs(evidence, profile, **_without_beta(labels) | {"loss": BASELINE})
        used.append(mine)
        pairs.append((mine, base) if loss != BASELINE else None)
        published_loss = "lgl" if loss == "lgl_mean" else loss
        paper = table.get((dataset, network, published_loss))
        baseline = table.get((dataset, network, BASELINE))
        lead = None if paper is None or baseline is None or loss == BASELINE else paper - baseline
        rows.append(
            {
                "Network": NETWORK_NAMES[network],
                "Data": dataset_name(dataset, mine.records),
                "Loss": NAMES[loss],
                "Paper, %": "–" if paper is None else f"{paper:.2f}",
                "Ours, %": tables.mean_cell(
                    mine,
                    "test_accuracy",
                    percent=True,
                    cost=(cost or {}).get(tuple(sorted(labels.items()))),
                ),
                "Paper minus SML": "–" if lead is None else tables.signed(lead),
            }
        )
    frame = pd.DataFrame(rows)
    differences, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
    frame.insert(5, "Ours minus SML, points", pd.Series(differences))
    frame.insert(6, "p (Holm)", pd.Series(p_values))
    notes = tables.notes(used)
    if "lgl_mean" in set(frame["Loss"].map({v: k for k, v in NAMES.items()})):
        notes.append(_NO_MEAN)
    return frame, notes


def _without_beta(labels: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in labels.items() if name != "beta"}


def dataset_name(dataset: str, records: Sequence[Record] = ()) -> str:
    """Return a data set's title; where the runs were made on another set, that too."""
    title = datasets.info(dataset).title
    others = {r.config["dataset"] for r in records if substituted(r)}
    return f"{title} (here: {', '.join(sorted(others))})" if others else title


# --- Fig. 2 -------------------------------------------------------------------------------------------------


def curve_groups(evidence: Evidence, profile: str, dataset: str, network: str) -> dict[str, list[Record]]:
    """Return the losses' names in the rest of the book -> their records, to be drawn."""
    groups = {}
    for loss in LOSSES:
        found = runs(evidence, profile, dataset=dataset, network=network, loss=loss).records
        if found:
            groups[DRAWN[loss]] = list(found)
    return groups


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


def curves_protocol(evidence: Evidence, profile: str, dataset: str, network: str) -> str:
    """Return what the runs of a figure were trained on, in words."""
    records = [r for g in curve_groups(evidence, profile, dataset, network).values() for r in g]
    return f"{NETWORK_NAMES[network]}, {dataset_name(dataset, records)}; {verdict.protocol(records)}"


# --- what it means ------------------------------------------------------------------------------------------


def meaning(evidence: Evidence) -> list[str]:
    """Return what the best runs of each data set and network say of the paper's comparison with SML."""
    sentences = []
    for network in NETWORKS:
        for dataset in DATASETS:
            profile = next(
                (
                    name
                    for name in evidence.by_profile
                    if runs(evidence, name, dataset=dataset, network=network, loss="lgl_inr").records
                ),
                None,
            )
            if profile is not None:
                sentences.append(_comparison(evidence, profile, dataset, network))
    return [s for s in (*sentences, _level(evidence)) if s]


def _level(evidence: Evidence) -> str:
    """How far our accuracies at the paper's protocol lie from the paper's."""
    parts = []
    for (dataset, network, loss), paper in printed().items():
        mine = runs(evidence, PAPER, dataset=dataset, network=network, loss=loss)
        values = list(mine.values("test_accuracy").values())
        if values and not any(substituted(r) for r in mine.records):
            gap = 100 * stats.mean_interval(values).mean - paper
            name = f"{NETWORK_NAMES[network]} on {dataset_name(dataset)}"
            parts.append((name, f"{NAMES[loss]} {tables.signed(gap)}"))
    if not parts:
        return ""
    cells = "; ".join(
        f"{name} {', '.join(said for other, said in parts if other == name)}"
        for name in dict.fromkeys(name for name, _ in parts)
    )
    return (
        f"**Ours minus the paper's accuracies**, in points: {cells}. The paper leaves parts of its protocol "
        "open, such as how pixels were scaled, which changes the length of steps too. Our leads over SML can "
        "differ from the paper's for that reason alone."
    )


def _comparison(evidence: Evidence, profile: str, dataset: str, network: str) -> str:
    where = {"dataset": dataset, "network": network}
    base = runs(evidence, profile, **where, loss=BASELINE)
    parts = []
    for loss in ("lgl_inr", "lgl", "lgl_mean"):
        mine = runs(evidence, profile, **where, loss=loss)
        d = tables.difference(mine, base, "test_accuracy")
        if d is None:
            continue
        found = f"{tables.signed(100 * d.mean)} points"
        fewer = "" if d.n == len(base.records) else f", {d.n} seed{'s' if d.n > 1 else ''} that both have"
        if not math.isnan(d.half):
            sure = "" if d.low > 0 or d.high < 0 else ", zero among them"
            found += (
                f" (95% interval {tables.signed(100 * d.low)} to {tables.signed(100 * d.high)}{sure}{fewer})"
            )
        elif fewer:
            found += f" ({fewer.removeprefix(', ')})"
        parts.append(f"{NAMES[loss]} {found}")
    if not parts:
        return ""
    return (
        f"**{NETWORK_NAMES[network]}, {dataset_name(dataset, base.records)}** "
        f"({verdict.protocol(base.records)}), against SML: {'; '.join(parts)}."
        + _steadier(runs(evidence, profile, **where, loss="lgl_inr"), base)
    )


#: Epochs over which accuracies are averaged: at a constant learning rate, one epoch differs from the next.
_LAST = 5


def _steadier(mine: Runs, base: Runs) -> str:
    """The same lead in means over the last epochs, where runs have some before them; else nothing."""
    sides = []
    for each in (mine, base):
        finished = [r for r in each.records if r.status == "finished"]
        if not finished or any(len(r.curves.get("test_accuracy", [])) <= _LAST for r in finished):
            return ""
        last = {r.seed: [v for v in r.curves["test_accuracy"][-_LAST:] if v is not None] for r in finished}
        sides.append({seed: sum(values) / _LAST for seed, values in last.items()})
    if not set(sides[0]) & set(sides[1]):
        return ""
    d = stats.paired_difference(sides[0], sides[1])
    return (
        f" The accuracy moves from epoch to epoch; in means over the last {_LAST} epochs LGL-INR has "
        f"{tables.signed_band(d)} points."
    )
