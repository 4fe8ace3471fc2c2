"""Runs that test_parallel.py trains alone and, by ``torchrun divided.py FOLDER``, by two processes."""

import contextlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import distributed, nn

from lossbook import datasets
from lossbook.losses import FocalLoss
from lossbook.training import RunSpec, engine, parallel, plan_run
from lossbook.training.engine import Arrays, OutOfTimeError
from lossbook.training.parallel import train_parallel

# In batches of 16 the last one has a single example, so that one process has none of it.
SPEC = RunSpec("digits", "keras_mnist_cnn", "ce", "keras_rmsprop", 16, 3, train_size=49, test_size=31)


def digits(spec):
    """Evenly spaced digits."""
    data = datasets.load("digits", download=False)
    train_rows, test_rows = (torch.arange(size) * 20 for size in (spec.train_size, spec.test_size))
    test_rows = test_rows % len(data.test_labels)
    return Arrays(
        data.train_images[train_rows],
        data.train_labels[train_rows],
        data.test_images[test_rows],
        data.test_labels[test_rows],
        10,
    )


def normalised(in_shape, classes):
    """A network with batch normalisation of both kinds, and dropout of whole channels."""
    twice = nn.Dropout(0.3)
    return nn.Sequential(
        nn.Conv2d(in_shape[0], 4, 3, stride=2),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout2d(0.2),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        twice,
        nn.Linear(64, 12),
        nn.BatchNorm1d(12, momentum=None),
        nn.ReLU(),
        twice,
        nn.Linear(12, classes),
    )


def descent(parameters, lr=0.05):
    """Plain gradient descent: unlike Adadelta it does not make a difference in a tiny gradient large."""
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9), None


def plans():
    """Runs by name: with losses that look at the whole batch, and with batch normalisation."""
    larger = replace(SPEC, model="keras_cifar10_cnn", augmentation="keras_shift_flip")
    found = {name: plan_run(replace(SPEC, loss=name)) for name in ("ce", "nllr", "lgl_inr")}
    found["weighted"] = replace(found["ce"], loss=FocalLoss(weight=torch.linspace(0.5, 2, 10)))
    found["augmented"] = plan_run(larger)
    # Batch normalisation of a single example is undefined: here the last batch has two.
    found["norm"] = replace(plan_run(replace(SPEC, train_size=50)), build_model=normalised)
    return {name: replace(plan, build_optimizer=descent) for name, plan in found.items()}


def main(folder):
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    results = {name: train_parallel(plan, digits(plan.spec)).curves for name, plan in plans().items()}

    # Stopped by the first process's clock alone, and continued from its checkpoint.
    clocks, engine._CHECKPOINT_SECONDS = [0.0], 0.0
    parallel.time = SimpleNamespace(monotonic=lambda: clocks[-1])
    plan = plans()["norm"]

    def stop(epoch):
        if rank == 0 and epoch == 2:
            clocks.append(1.0)

    with contextlib.suppress(OutOfTimeError):
        part = {"checkpoint": folder / f"{rank}" / "run.pt", "code": "c"}
        train_parallel(plan, digits(plan.spec), deadline=0.5, on_epoch=stop, **part)
        raise AssertionError("not stopped")
    saved = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.pt"))
    distributed.barrier()
    epochs = []
    results["continued"] = train_parallel(plan, digits(plan.spec), on_epoch=epochs.append, **part).curves
    distributed.barrier()
    left = sorted(folder.rglob("run*"))
    with (folder / f"{rank}.json").open("w") as file:
        json.dump({"results": results, "saved": saved, "epochs": epochs, "left": len(left)}, file)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
