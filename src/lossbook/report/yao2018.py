"""The chapter on yao2018: Table I beside the paper's, its figures, and what the records say of its claims."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from lossbook import datasets, experiments, models
from lossbook.report import figures, stats, tables, verdict
from lossbook.report.evidence import Evidence, substituted
from lossbook.report.page import Cell
from lossbook.report.style import loss_style
from lossbook.report.tables import Runs
from lossbook.results import Record, published

EXPERIMENT = "yao2018/table1"
BASELINE = "ce"
DATASETS = ("mnist", "cifar10")
LOSSES = ("ce", "bce", "nllr", "nllr_clipped")

#: The losses that the paper's NLLR may have been: its formula, or the formula on clipped probabilities.
READINGS = ("nllr", "nllr_clipped")

#: The epochs at which the paper reports each loss (Sec. IV).
PUBLISHED_EPOCHS = {"ce": 100, "bce": 100, "nllr": 500, "nllr_clipped": 500}
PAPER = "paper"

_PANELS = (
    figures.Panel("train_loss", "Training loss (own)"),
    figures.Panel("test_loss", "Test loss (own)"),
    figures.Panel("train_accuracy", "Training accuracy, %", percent=True),
    figures.Panel("test_accuracy", "Test accuracy, %", percent=True),
)
# From here on, the own losses are drawn on an axis that is logarithmic beyond 1: NLLR has no lower bound.
_LINEAR_SPAN = 8.0

_LAYERS = {
    "keras_mnist_cnn": (
        "Conv 32 (3×3), Conv 64 (3×3), max-pool 2, dropout 0.25; dense 128, dropout 0.5; dense 10"
    ),
    "keras_cifar10_cnn": (
        "Conv 32 (3×3, same), Conv 32, max-pool 2, dropout 0.25; Conv 64 (same), Conv 64, max-pool 2, "
        "dropout 0.25; dense 512, dropout 0.5; dense 10"
    ),
}
_OPTIMIZERS = {"keras_adadelta": "Adadelta, rho 0.95", "keras_rmsprop": "RMSprop, rho 0.9"}
_AUGMENTATIONS = {"none": "none", "keras_shift_flip": "shifts by up to 0.1, horizontal flips"}


def setup_table() -> pd.DataFrame:
    """Return the paper's two set-ups as the experiment declares them, with the parameters counted."""
    rows = []
    for dataset in DATASETS:
        cells = experiments.get(EXPERIMENT).profiles[PAPER].cells
        spec = next(cell.spec for cell in cells if cell.labels["dataset"] == dataset)
        height, width, channels = datasets.info(dataset).image_shape
        network = models.build(spec.model, (channels, height, width))
        options = {"lr": "learning rate", "decay": "decay", "rho": "rho"}
        settings = "".join(f", {options.get(k, k)} {v:g}" for k, v in spec.optimizer_options.items())
        rows.append(
            {
                "Data": datasets.info(dataset).title,
                "Network": _LAYERS[spec.model],
                "Parameters": f"{sum(p.numel() for p in network.parameters()):,}",
                "Optimiser": _OPTIMIZERS[spec.optimizer] + settings,
                "Batch": spec.batch_size,
                "Augmentation": _AUGMENTATIONS[spec.augmentation],
            }
        )
    return pd.DataFrame(rows)


def costs(profile: str, device: str = "auto") -> dict[tuple[str, str, int], float]:
    """Return what the missing runs of a profile would cost here: (data set, loss, epochs) -> seconds."""
    return {
        (p.labels["dataset"], p.labels["loss"], p.labels["epochs"]): p.seconds
        for p in experiments.pending(profile, EXPERIMENT, device=device)
    }


def losses(evidence: Evidence, profile: str) -> list[str]:
    """Return the losses that a profile declares or has records of, in the book's order."""
    declared = {cell.labels["loss"] for cell in experiments.get(EXPERIMENT).profiles[profile].cells}
    recorded = {record.labels["loss"] for record in evidence.by_profile.get(profile, ())}
    return [loss for loss in LOSSES if loss in declared | recorded]


def epochs_of(profile: str, dataset: str) -> dict[str, int]:
    """Return the epochs at which a profile's Table I reads each loss: the published ones, or its own."""
    if profile == PAPER:
        return PUBLISHED_EPOCHS
    cells = experiments.get(EXPERIMENT).profiles[profile].cells
    return {c.labels["loss"]: c.labels["epochs"] for c in cells if c.labels["dataset"] == dataset}


def table_one(
    evidence: Evidence, profile: str, cost: Mapping[tuple[str, str, int], float] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Return Table I at one profile, the paper's number beside ours.

    Args:
        evidence: The records.
        profile: Which of them; never mixed with another's.
        cost: Seconds that missing runs would take here, by data set, loss and epochs.

    Returns:
        The table and the notes it needs.
    """
    printed = {(r.dataset, r.loss): r for r in published("yao2018", "table1").itertuples()}
    rows, pairs, used = [], [], []
    for dataset in DATASETS:
        epochs = epochs_of(profile, dataset)
        for loss in losses(evidence, profile):
            if loss not in epochs:
                continue
            runs = evidence.runs(profile, epochs[loss], dataset=dataset, loss=loss)
            base = evidence.runs(profile, epochs[BASELINE], dataset=dataset, loss=BASELINE)
            used.append(runs)
            pairs.append((runs, base) if loss != BASELINE else None)
            paper = printed.get((dataset, "nllr" if loss in READINGS else loss))
            rows.append(
                {
                    "Data": dataset_name(dataset, runs.records),
                    "Loss": loss_style(loss).name,
                    "Paper, %": paper.accuracy_percent if paper else "–",
                    "Ours, %": tables.mean_cell(
                        runs,
                        "test_accuracy",
                        percent=True,
                        cost=(cost or {}).get((dataset, loss, epochs[loss])),
                    ),
                    "Best test epoch, %": tables.mean_cell(runs, "best_test_accuracy", percent=True)
                    if runs.records
                    else Cell("–"),
                    "Paper's epochs": paper.epochs if paper else "–",
                    "Our epochs": epochs[loss],
                }
            )
    frame = _with_differences(pd.DataFrame(rows), "Minus CE, points", pairs)
    frame = frame[[*frame.columns[:4], "Minus CE, points", "p (Holm)", *frame.columns[4:7]]]
    notes = tables.notes(used)
    if "nllr_clipped" in losses(evidence, profile):
        notes.append(
            "The paper does not say whether it clipped probabilities; its number for NLLR stands beside both."
        )
    return frame, notes


def equal_epochs_table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return last-epoch accuracy and test cross-entropy with all losses at the same number of epochs.

    Nothing in the two set-ups depends on the length of the run, so the first epochs of a long run are the
    short run.

    Args:
        evidence: The records.
        profile: Which of them.

    Returns:
        The table, with rows only where there is a run, and the notes it needs.
    """
    rows, pairs, used = [], [], []
    for dataset in DATASETS:
        for length in common_lengths(profile, dataset):
            for loss in losses(evidence, profile):
                runs = evidence.runs(profile, length, dataset=dataset, loss=loss)
                if not runs.records:
                    continue
                used.append(runs)
                base = evidence.runs(profile, length, dataset=dataset, loss=BASELINE)
                pairs.append((runs, base) if loss != BASELINE else None)
                rows.append(
                    {
                        "Data": dataset_name(dataset, runs.records),
                        "Epochs": length,
                        "Loss": loss_style(loss).name,
                        "Test accuracy, %": tables.mean_cell(runs, "test_accuracy", percent=True),
                        "Test cross-entropy": tables.mean_cell(runs, "test_ce", digits=3),
                    }
                )
    frame = _with_differences(pd.DataFrame(rows), "Accuracy minus CE, points", pairs)
    return frame, tables.notes(used)


def _with_differences(
    frame: pd.DataFrame, column: str, pairs: Sequence[tuple[Runs, Runs] | None]
) -> pd.DataFrame:
    differences, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
    return frame.assign(**{column: pd.Series(differences), "p (Holm)": pd.Series(p_values)})


def common_lengths(profile: str, dataset: str) -> list[int]:
    """Return the numbers of epochs at which a profile declares the baseline on a data set, shortest first."""
    cells = experiments.get(EXPERIMENT).profiles[profile].cells
    labels = [cell.labels for cell in cells]
    return sorted(
        {each["epochs"] for each in labels if (each["dataset"], each["loss"]) == (dataset, BASELINE)}
    )


def learning_curves(evidence: Evidence, profile: str, dataset: str) -> Figure:
    """Draw Fig. 1 (MNIST) or Fig. 2 (CIFAR-10): losses and accuracies by epoch, with a band over seeds."""
    groups = curve_groups(evidence, profile, dataset)
    own = [
        value
        for group in groups.values()
        for record in group
        for name in ("train_loss", "test_loss")
        for value in record.curves.get(name, [])
        if value is not None
    ]
    scale = "symlog" if own and max(own) - min(own) > _LINEAR_SPAN else "linear"
    panels = [p if p.percent else figures.Panel(p.metric, p.title, scale=scale) for p in _PANELS]
    return figures.curves(groups, panels)


def cross_entropy_curves(evidence: Evidence, profile: str, dataset: str) -> Figure:
    """Draw the test cross-entropy of networks trained with each loss: one yardstick for all."""
    return figures.curves(
        curve_groups(evidence, profile, dataset),
        [figures.Panel("test_ce", "Test cross-entropy, log scale", scale="log")],
        columns=1,
    )


def curve_groups(evidence: Evidence, profile: str, dataset: str) -> dict[str, list[Record]]:
    """Return loss -> records to draw: the longest run of each seed, which contains the shorter ones."""
    groups: dict[str, list[Record]] = {}
    for loss in losses(evidence, profile):
        longest: dict[int, Record] = {}
        for record in evidence.by_profile.get(profile, ()):
            if (record.labels["dataset"], record.labels["loss"]) != (dataset, loss):
                continue
            known = longest.get(record.seed)
            if known is None or record.labels["epochs"] > known.labels["epochs"]:
                longest[record.seed] = record
        # Seeds of another length would end the mean early: only the longest length is drawn.
        top = max((r.labels["epochs"] for r in longest.values()), default=0)
        chosen = [longest[s] for s in sorted(longest) if longest[s].labels["epochs"] == top]
        if chosen:
            groups[loss] = chosen
    return groups


def curves_alt(evidence: Evidence, profile: str, dataset: str) -> str:
    """Return what the learning curves show, in words and numbers."""
    ends = _ends(evidence, profile, dataset, "test_accuracy", lambda value: f"{100 * value:.1f}%")
    return (
        f"Training loss, test loss, training accuracy and test accuracy by epoch on "
        f"{_drawn_on(evidence, profile, dataset)}, one line per loss. Test accuracy at the end: {ends}."
    )


def cross_entropy_alt(evidence: Evidence, profile: str, dataset: str) -> str:
    """Return what the curves of the test cross-entropy show, in words and numbers."""
    ends = _ends(evidence, profile, dataset, "test_ce", lambda value: tables.number(value, 3))
    title = _drawn_on(evidence, profile, dataset)
    return f"Test cross-entropy by epoch on {title}, one line per loss. At the end: {ends}."


def curves_protocol(evidence: Evidence, profile: str, dataset: str) -> str:
    """Return what the runs of a figure were trained on, in words."""
    records = _drawn(evidence, profile, dataset)
    return f"{dataset_name(dataset, records)}; {verdict.protocol(records)}"


def _drawn(evidence: Evidence, profile: str, dataset: str) -> list[Record]:
    return [r for group in curve_groups(evidence, profile, dataset).values() for r in group]


def _drawn_on(evidence: Evidence, profile: str, dataset: str) -> str:
    return dataset_name(dataset, _drawn(evidence, profile, dataset))


def _ends(
    evidence: Evidence, profile: str, dataset: str, metric: str, written: Callable[[float], str]
) -> str:
    ends = []
    for loss, group in curve_groups(evidence, profile, dataset).items():
        values = Runs(tuple(group)).values(metric)
        mean = written(stats.mean_interval(values.values()).mean) if values else "broke down"
        ends.append(f"{loss_style(loss).name} {mean} after {group[0].labels['epochs']} epochs")
    return ", ".join(ends)


def dataset_name(dataset: str, records: Iterable[Record] = ()) -> str:
    """Return a data set's title; where the runs were made on another set, that too."""
    title = datasets.info(dataset).title
    others = {r.config["dataset"] for r in records if substituted(r)}
    return f"{title} (here: {', '.join(sorted(others))})" if others else title
