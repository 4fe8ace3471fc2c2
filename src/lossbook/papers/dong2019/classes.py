"""How the gap between CE and LR grows with the number of classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lossbook.experiments.grid import Cell, Experiment, Profile
from lossbook.papers.dong2019.names import CLASSES, FREQUENCIES, LOSSES, USUAL
from lossbook.papers.dong2019.protocol import REFERENCE_RECIPE, by_name, cell
from lossbook.results import Record
from lossbook.training import RunSpec

CIFAR100, OMNIGLOT = "cifar100", "omniglot_background"
#: How many of the classes, evenly spaced, each data set is cut to.
COUNTS: Mapping[str, tuple[int, ...]] = {CIFAR100: (5, 10, 20, 50, 100), OMNIGLOT: (50, 200, 964)}

#: What is equal at all numbers of classes besides the number of steps. With CIFAR-100 it is the images in
#: all, so that the more classes there are, the fewer images each has: the question is what classes do.
#: With Omniglot it is the images of each class, so that more classes also bring more images: as many in all
#: as 50 characters have would be less than one of each of 964.
ALL, EACH = "all", "each"
IMAGES = {ALL: "equally many images in all", EACH: "equally many images of each class"}

#: Images of CIFAR-100, all that five of its classes have; of each of 100 classes there are 25.
SIZE = 2500
PER_CLASS = SIZE // 100
#: Drawings of each character, all there are for training.
DRAWERS = 16

Variant = tuple[str, str]
#: Most informative first. The last is LR with its biases at -log(K - 1).
VARIANTS: tuple[Variant, ...] = (
    ("ce", USUAL),
    ("lr", USUAL),
    ("lr", FREQUENCIES),
    *((loss, USUAL) for loss in LOSSES[2:]),
)
#: Rates are chosen for the two losses whose gap is asked for, at these numbers of classes.
CHOSEN = ("ce", "lr")
CHOSEN_COUNTS: Mapping[str, tuple[int, ...]] = {CIFAR100: (5, 20, 100), OMNIGLOT: (50, 200, 964)}
RATES = (0.1, 0.3, 1.0)
#: The one rate of a data set: that of CE with the highest mean accuracy over the numbers of classes, which
#: :func:`choose_one` makes of the records of ``rates``; a rate in the middle until they have been run.
ONE: dict[str, float] = {CIFAR100: 0.3, OMNIGLOT: 0.3}
#: Each loss's own rate at a number of classes: what :func:`choose` makes of them; likewise.
OWN: dict[tuple[str, int, str], float] = {
    (dataset, count, loss): 0.3
    for dataset, counts in CHOSEN_COUNTS.items()
    for count in counts
    for loss in CHOSEN
}


def _recipe(dataset: str, batch: int, images: int, steps: int, **changes: Any) -> RunSpec:
    """The recipe of the reference network for a number of steps, a sixth of them until its peak."""
    epochs = round(steps / -(-images // batch))
    schedule = {"name": "one_cycle", "peak": epochs / 6, "start": 0.2}
    return replace(
        REFERENCE_RECIPE, dataset=dataset, batch_size=batch, epochs=epochs, schedule=schedule, **changes
    )


def recipe(dataset: str, count: int, images: str, *, held_out: bool = False) -> RunSpec:
    """What is run at a number of classes, but for the loss and its rate.

    Args:
        dataset: CIFAR-100 or Omniglot's background characters.
        count: Number of classes.
        images: What is equal at all numbers of classes, :data:`ALL` or :data:`EACH`.
        held_out: Train on four fifths of CIFAR-100's images, or three quarters of the drawings, and measure
            on other training images.
    """
    if dataset == OMNIGLOT:
        size = DRAWERS * count
        part = {"validation_size": size // 4} if held_out else {}
        # Not flipped: the mirror image of a character can be another one.
        return _recipe(
            dataset, 64, size - size // 4 * held_out, 1446, classes=count, augmentation="none", **part
        )
    size = SIZE if images == ALL else PER_CLASS * count
    if held_out:
        size = size * 4 // 5
        return _recipe(
            dataset, 50, size, 600, classes=count, train_size=size, validation_size=min(SIZE, 100 * count)
        )
    return _recipe(dataset, 50, size, 600, classes=count, train_size=size, test_size=SIZE)


def _cell(
    dataset: str,
    count: int,
    variant: Variant,
    lr: float,
    images: str = ALL,
    *,
    held_out: bool = False,
    **changes: Any,
) -> Cell:
    base = recipe(dataset, count, images, held_out=held_out)
    loss, start = variant
    return cell(base, loss, start=start, lr=lr, labels={"classes": count, "images": images}, **changes)


def _images(dataset: str) -> str:
    """What is equal at all numbers of classes of a data set."""
    return EACH if dataset == OMNIGLOT else ALL


def _reference() -> tuple[Cell, ...]:
    every = [(dataset, count) for dataset, counts in COUNTS.items() for count in counts]
    # By step only where Fig. 2 is looked at.
    cells = [
        _cell(
            dataset,
            count,
            variant,
            ONE[dataset],
            _images(dataset),
            **({"step_measures": ["parts"]} if count == max(COUNTS[OMNIGLOT]) else {}),
        )
        for variant in VARIANTS
        for dataset, count in every
    ]
    cells += [
        _cell(dataset, count, (loss, USUAL), rate, _images(dataset))
        for (dataset, count, loss), rate in OWN.items()
        if rate != ONE[dataset]
    ]
    cells += [
        _cell(CIFAR100, count, (loss, USUAL), ONE[CIFAR100], EACH) for count in (5, 20) for loss in CHOSEN
    ]
    return tuple(cells)


def _rates() -> tuple[Cell, ...]:
    return tuple(
        _cell(dataset, count, (loss, USUAL), lr, _images(dataset), held_out=True)
        for dataset, counts in CHOSEN_COUNTS.items()
        for count in counts
        for loss in CHOSEN
        for lr in RATES
    )


def _few(dataset: str, counts: Sequence[int], *, lr: float = 0.3, **changes: Any) -> tuple[Cell, ...]:
    """A small grid, its last number of classes with what is measured by step."""
    return tuple(
        cell(
            REFERENCE_RECIPE,
            loss,
            start=start,
            lr=lr,
            labels={"classes": count, "images": ALL},
            dataset=dataset,
            classes=count,
            step_measures=["parts"] if count == counts[-1] else None,
            **changes,
        )
        for loss, start in VARIANTS
        for count in counts
    )


def _accuracies(records: Iterable[Record]) -> dict[tuple[str, int, str], dict[float, float]]:
    """Accuracy by rate for each data set, number of classes and loss all of whose rates have been run.

    A run that broke down counts as none right.
    """
    found: dict[tuple[str, int, str], dict[float, float]] = defaultdict(dict)
    for record in records:
        accuracy = record.metric("test_accuracy") if record.status == "finished" else None
        labels = record.labels
        which = (labels["dataset"], labels["classes"], labels["loss"])
        found[which][labels["lr"]] = 0.0 if accuracy is None else accuracy
    return {which: each for which, each in found.items() if set(RATES) <= set(each)}


def _best(accuracies: Mapping[float, float]) -> float:
    return max(sorted(accuracies), key=lambda rate: (accuracies[rate], -rate))


def choose(records: Iterable[Record]) -> dict[tuple[str, int, str], float]:
    """The rate of each data set, number of classes and loss with the highest accuracy; the least if equal.

    Args:
        records: Those of the profile ``rates``, whose accuracies are those of validation images.
    """
    return {which: _best(each) for which, each in _accuracies(records).items()}


def choose_one(records: Iterable[Record]) -> dict[str, float]:
    """The rate of each data set with the highest accuracy of CE, averaged over the numbers of classes.

    A data set is left out until CE has been run at every rate and number of classes.

    Args:
        records: Those of the profile ``rates``.
    """
    every = _accuracies(records)
    found = {}
    for dataset, counts in CHOSEN_COUNTS.items():
        mine = [every[dataset, count, "ce"] for count in counts if (dataset, count, "ce") in every]
        if len(mine) == len(counts):
            found[dataset] = _best({rate: sum(each[rate] for each in mine) for rate in RATES})
    return found


EXPERIMENT = Experiment(
    name=CLASSES,
    title="How the gap between CE and LR grows with the number of classes",
    profiles=by_name(
        Profile(
            "reference",
            "the reference network: 2,500 images of 5 to 100 classes of CIFAR-100 for 600 steps, 16 drawings "
            "of each of 50 to 964 characters of Omniglot for about 1,446",
            _reference(),
            seeds=5,
        ),
        Profile(
            "rates",
            "CE and LR at three rates, measured on training images that were held out",
            _rates(),
            seeds=1,
        ),
        Profile(
            "quick",
            "the reference network for 80 steps on 200 images of 5, 20 and 100 classes of CIFAR-100",
            _few("cifar100", (5, 20, 100), batch_size=20, epochs=8, train_size=200, test_size=500),
            seeds=1,
        ),
        Profile(
            "smoke",
            "5 and 10 classes of scikit-learn's digits for 2 epochs on another network, to see that all runs",
            _few(
                "digits",
                (5, 10),
                model="keras_mnist_cnn",
                augmentation="none",
                batch_size=32,
                epochs=2,
                lr=0.1,
                train_size=128,
                test_size=100,
            ),
            seeds=3,
        ),
    ),
)
