"""Which examples of a data set a run takes."""

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lossbook.datasets.data import Dataset, ImageFiles, Part
from lossbook.errors import LossbookError
from lossbook.training.imbalance import class_rows

if TYPE_CHECKING:
    from lossbook.training.spec import RunSpec


def select(data: Dataset, spec: "RunSpec") -> Dataset:
    """The parts of a data set that a run trains on and is measured on.

    Where a run holds out training examples for validation, they take the place of the test part. Where it
    holds out classes, the part ``train`` has the training examples of the others, and ``evaluation`` the test
    examples of the classes held out.

    Args:
        data: The data set.
        spec: The run, whose ``train_size``, ``test_size``, ``validation_size``, ``class_shares``, ``classes``
            and ``unseen_classes`` choose.

    Raises:
        LossbookError: A choice that the data set does not allow.
    """
    parts, classes = dict(data.parts), data.num_classes
    if spec.unseen_classes is not None or spec.classes is not None:
        parts, classes = _by_class(data, spec)
    train = parts["train"]
    rows = torch.arange(len(train.targets))
    if spec.validation_size is not None:
        if not 0 < spec.validation_size < len(rows):
            raise LossbookError(
                f"validation_size must take some of the {len(rows):,} training examples of {spec.dataset} "
                f"and leave some; got {spec.validation_size}"
            )
        held_out = spread(len(rows), spec.validation_size)
        parts["test"] = take(train, held_out)
        rows = rows[~torch.isin(rows, held_out)]
    if spec.class_shares is None:
        rows = rows[spread(len(rows), spec.train_size)]
    else:
        rows = rows[class_rows(train.targets[rows], spec.class_shares, spec.train_size)]
    parts["train"] = take(train, rows)
    if "test" in parts:
        test = parts["test"]
        parts["test"] = take(test, spread(len(test.targets), spec.test_size))
    elif spec.test_size is not None:
        raise LossbookError(
            f"test_size is for data with a test part; {spec.dataset} has {', '.join(parts)} here"
        )
    return replace(data, parts=parts, num_classes=classes)


def _by_class(data: Dataset, spec: "RunSpec") -> tuple[dict[str, Part], int]:
    if "test" not in data.parts or data.parts["train"].targets.ndim != 1:
        raise LossbookError(f"{data.name} has no test part with one class per example to choose classes from")
    every = torch.arange(data.num_classes)
    unseen = every[:0]
    if spec.unseen_classes is not None:
        if not 0 < spec.unseen_classes < data.num_classes:
            raise LossbookError(
                f"unseen_classes must take some of the {data.num_classes} classes of {data.name} and leave "
                f"some; got {spec.unseen_classes}"
            )
        unseen = spread(data.num_classes, spec.unseen_classes)
        every = every[~torch.isin(every, unseen)]
    if spec.classes is not None:
        if not 2 <= spec.classes <= len(every):
            raise LossbookError(f"classes must lie in 2..{len(every)} for {data.name}; got {spec.classes}")
        every = every[spread(len(every), spec.classes)]
    parts = {"train": _of_classes(data.parts["train"], every)}
    if len(unseen):
        parts["evaluation"] = _of_classes(data.parts["test"], unseen)
    else:
        parts["test"] = _of_classes(data.parts["test"], every)
    return parts, len(every)


def _of_classes(part: Part, classes: Tensor) -> Part:
    """The examples of some classes, which are counted anew from 0."""
    chosen = take(part, torch.isin(part.targets, classes).nonzero().squeeze(1))
    return replace(chosen, targets=torch.searchsorted(classes, chosen.targets))


def take(part: Part, rows: Tensor) -> Part:
    """Some rows of a part."""
    groups = None if part.groups is None else part.groups[rows]
    if isinstance(part.inputs, Tensor):
        return Part(part.inputs[rows], part.targets[rows], groups)
    if isinstance(part.inputs, ImageFiles):
        names = tuple(part.inputs.names[row] for row in rows.tolist())
        return Part(replace(part.inputs, names=names), part.targets[rows], groups)
    return Part(tuple(part.inputs[row] for row in rows.tolist()), part.targets[rows], groups)


def spread(length: int, size: int | None) -> Tensor:
    """Row numbers of a subset, evenly spaced; all of them for None.

    Args:
        length: Number of rows there are.
        size: Number of rows wanted.
    """
    # Records rest on these numbers.
    # Published sets are not always shuffled (MNIST's first 5,000 test digits are the easier).
    if size is None or size >= length:
        return torch.arange(length)
    return torch.arange(size) * length // size


def on_device(data: Dataset, device: torch.device) -> Dataset:
    """A data set with its tensors on a device; files and texts stay where they are."""
    return replace(data, parts={name: _moved(part, device) for name, part in data.parts.items()})


def _moved(part: Part, device: torch.device) -> Part:
    inputs = part.inputs.to(device) if isinstance(part.inputs, Tensor) else part.inputs
    groups = None if part.groups is None else part.groups.to(device)
    return replace(part, inputs=inputs, targets=part.targets.to(device), groups=groups)


def sizes(data: Dataset) -> dict[str, int]:
    """Number of examples of each part, as a record names them: ``train_size`` and so on."""
    return {f"{name}_size": len(part.targets) for name, part in data.parts.items()}
