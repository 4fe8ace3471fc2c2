"""Training and test part drawn anew by the seed, as some published code does instead of keeping one split."""

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lossbook.datasets.data import Dataset, Part
from lossbook.errors import LossbookError
from lossbook.training.rng import generator

if TYPE_CHECKING:
    from lossbook.training.spec import RunSpec


def redraw(data: Dataset, spec: "RunSpec") -> Dataset:
    """The data with the parts ``train`` and ``test`` put together and divided at random, by the run's seed.

    Runs with the same seed get the same parts, so differences paired by seed are fair. What differs from
    seed to seed is then the test set as well as the network.

    Args:
        data: The data set.
        spec: The run; its ``redraw`` is the share that becomes the test part. None leaves the data as they
            are.

    Raises:
        LossbookError: Data that are not texts or tensors, with parts ``train`` and ``test``.
    """
    if spec.redraw is None:
        return data
    if set(data.parts) != {"train", "test"}:
        raise LossbookError(f"redraw is for data with a training and a test part; {data.name} has others")
    train, test = data.parts["train"], data.parts["test"]
    inputs: Tensor | tuple[tuple[str, ...], ...]
    if isinstance(train.inputs, tuple) and isinstance(test.inputs, tuple):
        inputs = train.inputs + test.inputs
    elif isinstance(train.inputs, Tensor) and isinstance(test.inputs, Tensor):
        inputs = torch.cat([train.inputs, test.inputs])
    else:
        raise LossbookError(f"redraw takes texts or tensors; {data.name} stays on disk as files")
    targets = torch.cat([train.targets, test.targets])
    order = torch.randperm(len(targets), generator=generator(spec.seed, "split", 0))
    size = round(spec.redraw * len(targets))

    def part(rows: Tensor) -> Part:
        rows = rows.sort().values
        chosen = inputs[rows] if isinstance(inputs, Tensor) else tuple(inputs[row] for row in rows.tolist())
        return Part(chosen, targets[rows])

    return replace(data, parts={"train": part(order[size:]), "test": part(order[:size])})
