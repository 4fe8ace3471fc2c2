"""Table I, and Fig. 1 and 2, which show the same runs: what is run, tabled and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from lossbook import datasets, experiments, models
from lossbook.evidence import tables
from lossbook.evidence.contrasts import Contrast, Select
from lossbook.evidence.notrun import not_run_table
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.evidence.tables import Runs
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.yao2018.names import (
    BASELINE,
    CLIPPED,
    CODE,
    DATASETS,
    LOSSES,
    NAMES,
    PUBLISHED_EPOCHS,
    READINGS,
    TABLE1,
)
from lossbook.results import Record, published
from lossbook.training import RunSpec

# The Keras examples of 2018, which the paper names (Sec. IV, reference 10).
MNIST = RunSpec(
    dataset="mnist",
    model="keras_mnist_cnn",
    loss="ce",
    optimizer="keras_adadelta",
    optimizer_options={"lr": 1.0},
    batch_size=128,
    epochs=12,
)
CIFAR10 = RunSpec(
    dataset="cifar10",
    model="keras_cifar10_cnn",
    loss="ce",
    optimizer="keras_rmsprop",
    optimizer_options={"lr": 1e-4, "decay": 1e-6},
    batch_size=32,
    epochs=100,
    augmentation="keras_shift_flip",
)


def _cell(base: RunSpec, loss: str, epochs: int, dataset: str | None = None) -> Cell:
    labels = {"dataset": dataset or base.dataset, "loss": loss, "epochs": epochs}
    name, options = CODE.get(loss, (loss, {}))
    return Cell(labels, replace(base, loss=name, loss_options=options, epochs=epochs))


def _paper_cells() -> tuple[Cell, ...]:
    # As published first; then what the paper lacks: NLLR clipped, and CE and BCE for as long as NLLR had.
    lengths = [*PUBLISHED_EPOCHS.items(), ("ce", 500), ("bce", 500)]
    return tuple(_cell(base, loss, epochs) for base in (MNIST, CIFAR10) for loss, epochs in lengths)


def _quick_cells() -> tuple[Cell, ...]:
    mnist = replace(MNIST, train_size=2000, test_size=2000)
    faster = {"lr": 1e-3, "decay": 1e-6}
    cifar10 = replace(CIFAR10, train_size=1500, test_size=1000, optimizer_options=faster)
    printed = [loss for loss in LOSSES if loss != CLIPPED]
    return tuple(_cell(base, loss, epochs) for base, epochs in ((mnist, 3), (cifar10, 2)) for loss in printed)


def _smoke_cells() -> tuple[Cell, ...]:
    return tuple(
        _cell(replace(base, dataset="digits", train_size=256, test_size=100), loss, 2, dataset=base.dataset)
        for base in (MNIST, CIFAR10)
        for loss in LOSSES
    )


EXPERIMENT = Experiment(
    name=TABLE1,
    title="Table I, Fig. 1 and 2: CE, BCE and NLLR on MNIST and CIFAR-10",
    profiles={
        profile.name: profile
        for profile in (
            Profile(
                PAPER,
                "the paper's protocol: CE, BCE 100 epochs, NLLR 500; besides, CE, BCE, clipped NLLR 500",
                _paper_cells(),
                seeds=3,
            ),
            Profile(
                "keras12",
                "all of MNIST for 12 epochs, the length of the Keras example",
                tuple(_cell(MNIST, loss, 12) for loss in LOSSES),
                seeds=3,
            ),
            Profile(
                "quick",
                "2,000 images of MNIST for 3 epochs, 1,500 of CIFAR-10 for 2 epochs at learning rate 0.001",
                _quick_cells(),
                seeds=2,
                embedded_fallback=True,
            ),
            Profile(
                "smoke",
                "256 of scikit-learn's digits for 2 epochs, to see that everything runs",
                _smoke_cells(),
                seeds=2,
            ),
        )
    },
)

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
_BOTH = "The paper does not say whether it clipped probabilities; its number for NLLR stands beside both."


def setup_table() -> pd.DataFrame:
    """Return the paper's two set-ups as the experiment declares them, with the parameters counted."""
    rows = []
    for spec in (MNIST, CIFAR10):
        height, width, channels = datasets.info(spec.dataset).image_shape
        network = models.build(spec.model, (channels, height, width))
        options = {"lr": "learning rate", "decay": "decay", "rho": "rho"}
        settings = "".join(f", {options.get(k, k)} {v:g}" for k, v in spec.optimizer_options.items())
        rows.append(
            {
                "Data": dataset_name(spec.dataset),
                "Network": _LAYERS[spec.model],
                "Parameters": f"{sum(p.numel() for p in network.parameters()):,}",
                "Optimiser": _OPTIMIZERS[spec.optimizer] + settings,
                "Batch": spec.batch_size,
                "Augmentation": _AUGMENTATIONS[spec.augmentation],
            }
        )
    return pd.DataFrame(rows)


def not_run(evidence: Evidence) -> pd.DataFrame:
    """Return the cells at the paper's protocol that have no run, and what they would cost."""
    headings = {"dataset": "Data", "loss": "Loss", "epochs": "Epochs"}
    return not_run_table(evidence, PAPER, headings, {"loss": NAMES})


def losses(evidence: Evidence, profile: str) -> list[str]:
    """Return the losses that a profile declares or has records of, in the book's order."""
    declared = {cell.labels["loss"] for cell in experiments.get(TABLE1).profiles[profile].cells}
    recorded = {record.labels["loss"] for record in evidence.by_profile.get(profile, ())}
    return [loss for loss in LOSSES if loss in declared | recorded]


def epochs_of(profile: str, dataset: str) -> dict[str, int]:
    """Return the epochs at which a profile's Table I reads each loss: the published ones, or its own."""
    if profile == PAPER:
        return PUBLISHED_EPOCHS
    cells = experiments.get(TABLE1).profiles[profile].cells
    return {c.labels["loss"]: c.labels["epochs"] for c in cells if c.labels["dataset"] == dataset}


def table_one(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return Table I at one profile, the paper's number beside ours, a row for each cell that has runs.

    Args:
        evidence: The records.
        profile: Which of them; never mixed with another's.

    Returns:
        The table and the notes it needs.
    """
    printed = {(r["dataset"], r["loss"]): r for r in published("yao2018", "table1").to_dict("records")}
    rows: list[dict[str, Any]] = []
    pairs: list[tuple[Runs, Runs] | None] = []
    used = []
    for dataset in DATASETS:
        epochs = epochs_of(profile, dataset)
        for loss in losses(evidence, profile):
            if loss not in epochs:
                continue
            runs = evidence.runs(profile, epochs[loss], dataset=dataset, loss=loss)
            if not runs.records:
                continue
            base = evidence.runs(profile, epochs[BASELINE], dataset=dataset, loss=BASELINE)
            used.append(runs)
            pairs.append((runs, base) if loss != BASELINE else None)
            paper = printed[dataset, "nllr" if loss in READINGS else loss]
            base_paper = printed[dataset, BASELINE]
            lead = float(paper["accuracy_percent"]) - float(base_paper["accuracy_percent"])
            rows.append(
                {
                    "Data": dataset_name(dataset, runs.records),
                    "Loss": NAMES[loss],
                    "Paper, %": paper["accuracy_percent"],
                    "Ours, %": tables.mean_cell(runs, "test_accuracy", percent=True),
                    "Paper minus CE": "–" if loss == BASELINE else tables.signed(lead),
                    "Best test epoch, %": tables.mean_cell(runs, "best_test_accuracy", percent=True),
                    "Paper's epochs": paper["epochs"],
                    "Our epochs": epochs[loss],
                }
            )
    notes = tables.notes(used)
    if any(row["Loss"] == NAMES[CLIPPED] for row in rows):
        notes.append(_BOTH)
    return _with_differences(rows, "Minus CE, points", pairs, 5), notes


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
    rows: list[dict[str, Any]] = []
    pairs: list[tuple[Runs, Runs] | None] = []
    used = []
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
                        "Loss": NAMES[loss],
                        "Test accuracy, %": tables.mean_cell(runs, "test_accuracy", percent=True),
                        "Test cross-entropy": tables.mean_cell(runs, "test_ce", digits=3),
                    }
                )
    return _with_differences(rows, "Accuracy minus CE, points", pairs, 6), tables.notes(used)


def _with_differences(
    rows: Sequence[dict[str, Any]], column: str, pairs: Sequence[tuple[Runs, Runs] | None], place: int
) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    if len(frame):
        differences, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
        frame.insert(place - 1, column, pd.Series(differences, dtype=object))
        frame.insert(place, "p (Holm)", pd.Series(p_values, dtype=object))
    return frame


def common_lengths(profile: str, dataset: str) -> list[int]:
    """Return the numbers of epochs at which a profile declares the baseline on a data set, shortest first."""
    labels = [cell.labels for cell in experiments.get(TABLE1).profiles[profile].cells]
    return sorted(
        {each["epochs"] for each in labels if (each["dataset"], each["loss"]) == (dataset, BASELINE)}
    )


def compared(
    dataset: str, loss: str, base: str = BASELINE, *, published: bool = False
) -> tuple[Contrast, ...]:
    """Two losses on a data set in all ways that the experiment has, the best first.

    Args:
        dataset: The data set.
        loss: The loss.
        base: What it is compared with.
        published: At the paper's own, unequal numbers of epochs first, then at equal ones.
    """
    lengths = {n for profile in EXPERIMENT.profiles for n in common_lengths(profile, dataset)}
    equal = [_contrast(dataset, loss, base, n, n) for n in sorted(lengths, reverse=True)]
    if not published:
        return tuple(equal)
    return (_contrast(dataset, loss, base, PUBLISHED_EPOCHS[loss], PUBLISHED_EPOCHS[base]), *equal)


def _contrast(dataset: str, loss: str, base: str, epochs: int, base_epochs: int) -> Contrast:
    names = {**NAMES, **READINGS}
    after = f"both after {epochs} epochs"
    if epochs != base_epochs:
        after = f"{names[loss]} after {epochs} epochs, {names[base]} after {base_epochs}"
    left, right = (
        Select({"dataset": dataset, "loss": each}, epochs=length)
        for each, length in ((loss, epochs), (base, base_epochs))
    )
    return Contrast(f"{names[loss]} minus {names[base]} on {dataset_name(dataset)} ({after})", left, right)


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
