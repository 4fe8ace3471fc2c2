"""Eq. 9 on trained networks: balanced and imbalanced classes, with and without class weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from lossbook import datasets
from lossbook.evidence import tables
from lossbook.evidence.claims import NO_RUNS, Claim, Measured, Measurement
from lossbook.evidence.conditions import Is, share
from lossbook.evidence.contrasts import Contrast, Contrasts, Select
from lossbook.evidence.rules import Above
from lossbook.evidence.select import Evidence, substituted
from lossbook.evidence.tables import Runs
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.li2020.balance import labels_of, spec_of
from lossbook.papers.li2020.names import ABOUT, CLASSES, IMBALANCE, LONG_ENOUGH, LOSSES, NAMES, basis
from lossbook.papers.li2020.protocol import DIGITS, by_name
from lossbook.results import Record

#: Sizes of the training classes relative to the largest. Step: the last five have a tenth of the first five.
#: Long-tailed: each class has the same fraction of the one before, the last a hundredth of the first.
DESIGNS: dict[str, tuple[float, ...] | None] = {
    "balanced": None,
    "step": (1.0,) * 5 + (0.1,) * 5,
    "long_tailed": tuple(round(100 ** (-k / 9), 6) for k in range(10)),
}

#: Class weights: none; by inverse frequency as in Eq. 1; the same with PyTorch's weighted mean over a batch.
WEIGHTS = {"none": None, "inverse": "inverse_frequency", "in_batch": "inverse_frequency_in_batch"}


def _cells(rate: str, designs: Iterable[str], drop: int | None = None, **changes: Any) -> tuple[Cell, ...]:
    cells = []
    for design in designs:
        shares = DESIGNS[design]
        for loss in LOSSES:
            spec = spec_of(loss, rate, changes, epoch_measures="balance")
            if drop is not None:
                spec = replace(spec, schedule={"name": "steps", "at": [drop]})
            for weight in weights(design, loss):
                cells.append(
                    Cell(
                        {**labels_of(loss, rate, spec), "design": design, "weight": weight},
                        replace(spec, class_shares=shares, class_weight=WEIGHTS.get(weight)),
                    )
                )
    return tuple(cells)


def weights(design: str, loss: str) -> tuple[str, ...]:
    """Return the class weights that a loss is trained with on a design; LGL-INR has its own.

    Args:
        design: One of :data:`DESIGNS`.
        loss: One of :data:`LOSSES`.
    """
    if loss == "lgl_inr":
        return ("own",)
    if design == "balanced":
        return ("none",)
    return ("none", "inverse", "in_batch") if loss == "sml" else ("none", "inverse")


EXPERIMENT = Experiment(
    name=IMBALANCE,
    title="Eq. 9 on trained networks: balanced and imbalanced classes, with and without class weights",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's protocol on Fashion-MNIST: all images, or as many as the class sizes allow",
            _cells("paper", DESIGNS),
            seeds=5,
        ),
        Profile(
            "subset",
            "about 8,250 images of Fashion-MNIST for 10 epochs, the learning rate a tenth in the last three; "
            "2,500 test images",
            _cells("equal", DESIGNS, 7, train_size=8250, test_size=2500, epochs=10),
            seeds=3,
        ),
        Profile(
            "quick",
            "about 550 images of Fashion-MNIST for 4 epochs, the learning rate a tenth in the last; 300 test "
            "images; balanced and 10:1 alone",
            _cells("equal", ("balanced", "step"), 3, train_size=550, test_size=300, epochs=4),
            seeds=2,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs, to see that everything runs",
            _cells("equal", DESIGNS, **DIGITS),
            seeds=2,
        ),
    ),
)

DESIGN_NAMES = {"balanced": "balanced", "step": "10:1", "long_tailed": "long-tailed"}

WEIGHT_NAMES = {
    "none": "none",
    "inverse": "inverse frequency",
    "in_batch": "the same, PyTorch's mean",
    "own": "its own",
}

#: The five classes that are small in both imbalanced designs.
SMALL = range(5, 10)

Part = Literal["train", "test"]

PARTS: tuple[Part, Part] = ("train", "test")


def sides(record: Record, part: Part, *, inverse: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return what each class lacks and receives after each epoch, shape ``[epochs, K]`` each.

    Args:
        record: A run.
        part: On which images.
        inverse: For class weights by inverse frequency instead of equal ones.

    Returns:
        Both sides of Eq. 9, divided by the weight and the number of the class's training images. For LGL-INR
        with weights by inverse frequency, the right side is also divided by K - 1: its negatives weigh as
        much together as its positives. That is its balance at beta = 0, where the other classes count alike.
    """
    name = "received_inverse" if inverse else "received"
    lacking, received = (np.array(record.curves[f"{part}_{side}"], dtype=float) for side in ("lacking", name))
    if inverse and record.labels["loss"] == "lgl_inr":
        received = received / (CLASSES - 1)
    return lacking, received


def is_weighted(record: Record) -> bool:
    """Whether a run was trained with weights by inverse class frequency, of whatever kind."""
    return record.labels["weight"] != "none"


def ratios(record: Record, part: Part, *, inverse: bool | None = None) -> np.ndarray:
    """Return lacking over received of each class at the end; 1 where Eq. 9 holds.

    Args:
        record: A run.
        part: On which images.
        inverse: Class weights of the equation; those that the run was trained with if None.
    """
    weighted = is_weighted(record) if inverse is None else inverse
    lacking, received = sides(record, part, inverse=weighted)
    return np.asarray(lacking[-1] / received[-1])


def constant_epochs(record: Record) -> int:
    """Return after how many epochs the learning rate fell; all epochs where it did not."""
    length = len(record.curves["train_lacking"])
    schedule = record.config.get("schedule")
    return min(length, int(schedule["at"][0])) if schedule else length


def factor(ratio: np.ndarray) -> float:
    r"""Return how far ratios are from 1, whichever way: :math:`\exp(\mathrm{mean}_k |\log r_k|)`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.exp(np.abs(np.log(ratio)).mean()))


def derived(evidence: Evidence) -> Evidence:
    """Return the records with what this page derives of their measures, as further metrics.

    ``train_factor`` and ``test_factor``: how far the two sides of Eq. 9 are apart, with the class weights of
    the run. ``before_factor``: on training images, the mean of this over the second half of the epochs before
    the learning rate falls. ``other_factor``: on training images, with the other class weights.
    ``train_ratio/k`` and ``test_ratio/k``: lacking over received of class k; ``small_ratio`` and
    ``large_ratio``: on test images, geometric means over the small and over the large classes.
    ``small_accuracy`` and ``large_accuracy``: test accuracies of these classes.
    """
    return replace(
        evidence, by_profile={p: [_derive(r) for r in found] for p, found in evidence.by_profile.items()}
    )


def _derive(record: Record) -> Record:
    by_epoch, constant = factors(record, "train"), constant_epochs(record)
    found = {
        "train_factor": factor(ratios(record, "train")),
        "before_factor": float(by_epoch[constant // 2 : constant].mean()),
        "other_factor": factor(ratios(record, "train", inverse=not is_weighted(record))),
        "test_factor": factor(ratios(record, "test")),
    }
    test = np.log(ratios(record, "test"))
    large = [k for k in range(CLASSES) if k not in SMALL]
    for name, group in (("small", list(SMALL)), ("large", large)):
        found[f"{name}_ratio"] = float(np.exp(test[group].mean()))
        if "count" in record.metrics:
            found[f"{name}_accuracy"] = _accuracy(record, group)
    finite: dict[str, Any] = {name: value if np.isfinite(value) else None for name, value in found.items()}
    for part in PARTS:
        by_class = ratios(record, part).tolist()
        finite[f"{part}_ratio"] = [ratio if np.isfinite(ratio) else None for ratio in by_class]
    return replace(record, metrics=record.metrics | finite)


def _accuracy(record: Record, group: Iterable[int]) -> float:
    """The mean over classes of the share of their test images that is right."""
    counts = np.array(record.metrics["count"], dtype=float)
    return float(np.mean([counts[k, k] / counts[k].sum() for k in group]))


def runs(evidence: Evidence, profile: str, design: str, loss: str, weight: str) -> Runs:
    """Return the runs of one loss with one kind of class weights on one design."""
    return evidence.runs(profile, design=design, loss=loss, weight=weight)


def designs(evidence: Evidence, profile: str) -> list[str]:
    """Return the designs that a profile has runs of."""
    found = {record.labels["design"] for record in evidence.by_profile[profile]}
    return [design for design in DESIGNS if design in found]


def trained_cells(evidence: Evidence, profile: str) -> list[tuple[str, str, str, Runs]]:
    return [
        (design, loss, weight, mine)
        for design in designs(evidence, profile)
        for loss in LOSSES
        for weight in weights(design, loss)
        if (mine := runs(evidence, profile, design, loss, weight)).records
    ]


def sizes_table(evidence: Evidence, profile: str) -> pd.DataFrame:
    """Return how many training images of each class the runs of a profile had."""
    record = evidence.by_profile[profile][0]
    names = datasets.info(record.config["dataset"]).class_names
    frame = pd.DataFrame({"Class": [f"{k} {name}" for k, name in enumerate(names)]})
    for design in designs(evidence, profile):
        first = next(r for r in evidence.by_profile[profile] if r.labels["design"] == design)
        frame[DESIGN_NAMES[design]] = [f"{size:,}" for size in _sizes(first)]
    return frame


def balance_table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return how far the two sides of Eq. 9 are apart, for every cell."""
    rows, used = [], []
    for design, loss, weight, mine in trained_cells(evidence, profile):
        used.append(mine)
        rows.append(
            {
                "Classes": DESIGN_NAMES[design],
                "Loss": NAMES[loss],
                "Weights": WEIGHT_NAMES[weight],
                "Training, before": tables.mean_cell(mine, "before_factor"),
                "Training, end": tables.mean_cell(mine, "train_factor"),
                "The other weights": (
                    tables.Cell("–") if design == "balanced" else tables.mean_cell(mine, "other_factor")
                ),
                "Test, end": tables.mean_cell(mine, "test_factor"),
                "Test, classes 0 to 4": tables.mean_cell(mine, "large_ratio"),
                "Test, classes 5 to 9": tables.mean_cell(mine, "small_ratio"),
            }
        )
    return pd.DataFrame(rows), tables.notes(used)


def factors(record: Record, part: Part) -> np.ndarray:
    """Return the distance from balance after each epoch, with the class weights of the run."""
    lacking, received = sides(record, part, inverse=is_weighted(record))
    return np.array([factor(left / right) for left, right in zip(lacking, received, strict=True)])


def presence(images: int, total: int, batch: int) -> float:
    r"""Return how often a class is in a batch: :math:`1 - (1 - N_k / N)^B`, for images drawn one by one.

    Args:
        images: Training images of the class.
        total: Training images in all.
        batch: Images a batch.
    """
    return 1 - (1 - images / total) ** batch


def batches_table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return for LGL-INR on long-tailed classes how often a class is in a batch, and its balance."""
    mine = runs(evidence, profile, "long_tailed", "lgl_inr", "own")
    if not mine.records:
        return pd.DataFrame(), []
    record = mine.records[0]
    names = datasets.info(record.config["dataset"]).class_names
    counts = _sizes(record)
    total, batch = sum(counts), record.config["batch_size"]
    rows = []
    for k, count in enumerate(counts):
        share = presence(count, total, batch)
        rows.append(
            {
                "Class": f"{k} {names[k]}",
                "Images": f"{count:,}",
                "In batches, %": f"{100 * share:.1f}",
                "Expected ratio": f"{1 / share:.2f}",
                "Lacking / received": tables.mean_cell(mine, f"train_ratio/{k}"),
            }
        )
    return pd.DataFrame(rows), tables.notes([mine])


def _sizes(record: Record) -> list[int]:
    """Training images of each class, by the rule of :func:`lossbook.training.imbalance.class_rows`."""
    shares = record.config.get("class_shares") or (1.0,) * CLASSES
    size = record.config.get("train_size") or record.provenance["train_size"]
    largest = size / sum(shares)
    return [max(1, int(share * largest + 1e-6)) for share in shares]


def accuracy_table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str]]:
    """Return test accuracies over all, the large and the small classes, and what class weights change."""
    rows, used = [], []
    small_pairs: list[tuple[Runs, Runs] | None] = []
    large_pairs: list[tuple[Runs, Runs] | None] = []
    for design, loss, weight, mine in trained_cells(evidence, profile):
        used.append(mine)
        base = runs(evidence, profile, design, loss, "none")
        compared = (mine, base) if weight in ("inverse", "in_batch") and base.records else None
        small_pairs.append(compared)
        large_pairs.append(compared)
        rows.append(
            {
                "Classes": DESIGN_NAMES[design],
                "Loss": NAMES[loss],
                "Weights": WEIGHT_NAMES[weight],
                "All, %": tables.mean_cell(mine, "test_accuracy", percent=True),
                "Large, %": tables.mean_cell(mine, "large_accuracy", percent=True),
                "Small, %": tables.mean_cell(mine, "small_accuracy", percent=True),
            }
        )
    frame = pd.DataFrame(rows)
    for name, metric, pairs in (
        ("Large", "large_accuracy", large_pairs),
        ("Small", "small_accuracy", small_pairs),
    ):
        differences, p_values = tables.difference_cells(pairs, metric, percent=True)
        frame[f"{name}: weights minus none"] = pd.Series(differences, dtype=object)
        frame[f"{name}: p (Holm)"] = pd.Series(p_values, dtype=object)
    return frame, tables.notes(used)


def told_apart(evidence: Evidence, profile: str) -> str:
    """Whether the equation with the right weights fits better than with the wrong ones; imbalanced only."""
    right = wrong = 0
    for record in evidence.by_profile[profile]:
        own, other = (record.metrics.get(f"{name}_factor") for name in ("train", "other"))
        unequal = record.labels["design"] != "balanced"
        if (
            unequal
            and record.labels["weight"] in ("none", "inverse")
            and own is not None
            and other is not None
        ):
            right += own < other
            wrong += own >= other
    if not right + wrong:
        return ""
    return (
        f"**The weights in the equation.** On imbalanced classes, Eq. 9 with the weights that a network was "
        f"trained with fits its training images better than Eq. 9 with the other weights in {right} of "
        f"{right + wrong} runs."
    )


def rarest(evidence: Evidence, profile: str) -> str:
    """The smallest class of the long-tailed design: few training images speak for its test images."""
    parts, images = [], 0
    for loss in ("sml", "lgl"):
        for weight in ("none", "inverse"):
            mine = runs(evidence, profile, "long_tailed", loss, weight)
            train, test = (list(mine.values(f"{part}_ratio/{CLASSES - 1}").values()) for part in PARTS)
            if train and test:
                images = _sizes(mine.records[0])[-1]
                name = NAMES[loss] + (" with weights" if weight == "inverse" else "")
                parts.append(f"{name} {np.median(train):.2f} and {np.median(test):.2f}")
    if not parts:
        return ""
    return (
        f"**The rarest class**, with {images} training images: the ratio of what it lacks to what it "
        f"receives, on training and on test images, medians over the seeds: {'; '.join(parts)}."
    )


def small_accuracy(record: Record) -> float | None:
    """Test accuracy on the small classes, mean over the classes."""
    return _accuracy(record, SMALL) if "count" in record.metrics else None


def large_accuracy(record: Record) -> float | None:
    """Test accuracy on the large classes, mean over the classes."""
    large = [k for k in range(CLASSES) if k not in SMALL]
    return _accuracy(record, large) if "count" in record.metrics else None


def gain(loss: str, design: str, value: Callable[[Record], float | None] = small_accuracy) -> Contrast:
    """What class weights by inverse frequency do to the test accuracy on the small, or other, classes."""
    classes = "small" if value is small_accuracy else "large"
    return Contrast(
        f"{NAMES[loss]} with weights minus without, {classes} classes of the {DESIGN_NAMES[design]} set",
        Select({"design": design, "loss": loss, "weight": "inverse"}, value=value),
        Select({"design": design, "loss": loss, "weight": "none"}, value=value),
        resolved=False,
    )


REWEIGHTING = Claim(
    "reweighting",
    "On imbalanced data class weights by inverse frequency boost the performance on the small classes.",
    "Abstract; Introduction, first and second paragraph",
    "Test accuracy on the small classes (mean over classes), CNN2C on imbalanced Fashion-MNIST, with weights "
    "minus without, paired by seed, for CE and LR on each imbalanced set. Runs of the profiles paper and "
    "subset decide.",
    {
        "": Contrasts(
            IMBALANCE, [gain(loss, design) for design in ("step", "long_tailed") for loss in ("sml", "lgl")]
        )
    },
    Above(),
    LONG_ENOUGH,
    basis=basis,
)


def trained(evidence: Evidence) -> Measurement:
    """How well trained networks satisfy Eq. 9, in the median over runs."""
    profile = next(
        (name for name, found in evidence.by_profile.items() if not any(map(substituted, found))), None
    )
    records = tuple(
        r
        for r in evidence.by_profile.get(profile or "", ())
        # LGL-INR has weights and a balance of its own, and a mean over the weights of a batch is not Eq. 1.
        if r.labels["weight"] in ("none", "inverse") and r.status == "finished"
    )
    if not records:
        return Measurement({}, (NO_RUNS,))
    own = [_derive(record) for record in records]
    before, *factors = (
        float(np.nanmedian([r.metrics[f"{name}_factor"] or math.nan for r in own]))
        for name in ("before", *PARTS)
    )
    fell = any("schedule" in r.config for r in records)
    return Measurement(
        {"factor": factors, "profile": [str(profile)]},
        (
            f"The sides of Eq. 9 differ by a factor of {factors[0]:.2f} on training images and "
            f"{factors[1]:.2f} on test images, median over {len(records)} runs.",
            *([f"On training images it was {before:.2f} before the learning rate fell."] if fell else []),
            "While the learning rate is constant, each batch moves the biases again, and training does not "
            "come to rest.",
        ),
        records,
        basis=basis(records),
    )


TRAINED = Measured(
    "trained",
    "Networks satisfy the balance once they are trained, on training and on test data.",
    "below Eq. 8; Eq. 9",
    "CNN2C on Fashion-MNIST with CE and LR, balanced and imbalanced, without class weights and with "
    "weights by inverse frequency. The factor by which the sides of Eq. 9 differ (mean over classes of "
    "the absolute logarithm), median over runs.",
    {"": trained},
    share(
        Is("factor", "<=", math.exp(ABOUT), "it is {} on training and on test images", ".2f"),
        (
            "does not hold",
            Is("profile", "=", PAPER, "it is larger in all of them and the runs are those of the profile {}"),
        ),
        none="not settled",  # Shorter runs than the paper's may be on their way to it.
    ),
    (IMBALANCE,),
    LONG_ENOUGH,
)
