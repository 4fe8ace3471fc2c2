"""Training many small networks: the replica engine beside the plain PyTorch loop.

    .venv/bin/python benchmarks/engine.py [--shape 640x16x3] [--rounds 3] [--epochs 2]

The grid is that of battash2021's study of the UCI sets: 6 losses, 3 learning rates and 2 seeds, so 36
networks a data set, by SGD with momentum 0.9 in batches of 8, with accuracy and cross-entropy on training,
validation and test data after every epoch. Data are random, in shapes like those of the sets: examples x
features x classes, half of the examples for training and a quarter each to validate and to test. "Linear" is
a linear classifier, "hidden" has one hidden layer as wide as the input.

The plain loop trains one network after another: `nn.Sequential`, `torch.optim.SGD`, losses from PyTorch's own
functions, batches by indexing (a DataLoader would be slower). The two train in turn within one process, round
after round; a time is the median of the rounds, for all 36 networks together and per step, measurement of the
epochs included. "Floor" is a forward and a backward pass of one network in PyTorch at that batch size,
without loss, optimiser and measurement; beside it stands what the engine takes per network and step, with
all three. Leave the machine otherwise idle.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossbook.losses import MixingSchedule
from lossbook.training.replicas import Replica, SplitArrays, train_replicas

SHAPES = ("640x6x3", "640x16x3", "640x16x26", "640x42x2", "640x100x9", "320x256x10")
BATCH, MOMENTUM = 8, 0.9
RATES, SEEDS = (0.01, 0.005, 0.001), (0, 1)
LOSSES: list[tuple[str, dict[str, Any]]] = [
    ("ce", {}),
    ("ceel", {"schedule": [0.0]}),
    ("ceel", {"schedule": [0.0, 0.5]}),
    ("ceel", {"schedule": [0.0, 0.25]}),
    ("el", {}),
    ("focal", {"gamma": 2.0, "alpha": 0.25}),
]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The replica engine beside the plain loop.")
    parser.add_argument("--shape", nargs="+", default=SHAPES, help="NxDxK (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=2, help="in a round (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of the plain loop; the engine uses one")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    replicas = [
        Replica(name, rate, given.epochs, seed, options)
        for name, options in LOSSES
        for rate in RATES
        for seed in SEEDS
    ]
    print(
        f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}; "
        f"{len(replicas)} networks, batches of {BATCH}, {given.rounds} rounds of {given.epochs} epochs"
    )
    print(f"{'':22}{'plain':>10}{'engine':>10}{'ratio':>8}{'floor':>12}{'engine':>12}")
    print(f"{'':22}{'ms/step':>10}{'ms/step':>10}{'':8}{'µs/network':>12}{'µs/network':>12}")
    ratios = []
    for shape in given.shape:
        count, width, classes = (int(size) for size in shape.split("x"))
        arrays = _draw(count, width, classes)
        steps = given.epochs * -(-len(arrays.train_labels) // BATCH)
        for name, hidden in (("linear", 0), ("hidden", width)):
            contestants: list[Callable[[], object]] = [
                lambda arrays=arrays, hidden=hidden: _plain(replicas, arrays, hidden),  # type: ignore[misc]
                lambda arrays=arrays, hidden=hidden: train_replicas(  # type: ignore[misc]
                    replicas, arrays, hidden=hidden, batch_size=BATCH, momentum=MOMENTUM, ties="last"
                ),
            ]
            plain, engine = (1e3 * seconds / steps for seconds in _times(contestants, given.rounds))
            ratios.append(plain / engine)
            print(
                f"{shape:14}{name:8}{plain:10.2f}{engine:10.3f}{plain / engine:8.1f}"
                f"{1e6 * _floor(arrays, hidden):12.0f}{1e3 * engine / len(replicas):12.1f}",
                flush=True,
            )
    print(f"{'geometric mean':42}{statistics.geometric_mean(ratios):8.1f}")


def _draw(count: int, width: int, classes: int) -> SplitArrays:
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(classes, width, generator=generator)

    def part(size: int) -> tuple[Tensor, Tensor]:
        labels = torch.randint(classes, (size,), generator=generator)
        return centres[labels] + torch.randn(size, width, generator=generator), labels

    return SplitArrays(*part(count // 2), *part(count // 4), *part(count // 4), num_classes=classes)


def _network(arrays: SplitArrays, hidden: int) -> nn.Module:
    width, classes = arrays.train_inputs.shape[1], arrays.num_classes
    if hidden:
        return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, classes))
    return nn.Linear(width, classes)


def _loss(replica: Replica, epoch: int) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss as a user would write it."""

    def at_target(logits: Tensor, target: Tensor) -> Tensor:
        return logits.softmax(1).gather(1, target[:, None]).squeeze(1)

    def focal(logits: Tensor, target: Tensor) -> Tensor:
        ce = F.cross_entropy(logits, target, reduction="none")
        return 0.25 * ((1 - torch.exp(-ce)) ** 2 * ce).mean()

    if replica.loss == "ce":
        return F.cross_entropy
    if replica.loss == "focal":
        return focal
    alpha, beta = 0.0, 1.0
    if replica.loss == "ceel":
        alpha, beta = MixingSchedule(replica.loss_options["schedule"])(epoch, replica.epochs)
    if alpha == 0:
        return lambda z, y: beta * (1 - at_target(z, y)).mean()
    return lambda z, y: alpha * F.cross_entropy(z, y) + beta * (1 - at_target(z, y)).mean()


def _plain(replicas: list[Replica], arrays: SplitArrays, hidden: int) -> None:
    inputs, labels = arrays.part("train")
    for replica in replicas:
        torch.manual_seed(replica.seed)
        model = _network(arrays, hidden)
        optimizer = torch.optim.SGD(model.parameters(), lr=replica.learning_rate, momentum=MOMENTUM)
        for epoch in range(replica.epochs):
            loss = _loss(replica, epoch)
            for rows in torch.randperm(len(labels)).split(BATCH):
                optimizer.zero_grad()
                loss(model(inputs[rows]), labels[rows]).backward()
                optimizer.step()
            with torch.no_grad():
                for part in ("train", "validation", "test"):
                    x, y = arrays.part(part)
                    logits = model(x)
                    float(F.cross_entropy(logits, y))
                    float((logits.argmax(1) == y).float().mean())


def _floor(arrays: SplitArrays, hidden: int) -> float:
    """Seconds of a forward and a backward pass of one network."""
    model, (inputs, _) = _network(arrays, hidden), arrays.part("train")
    batch = inputs[:BATCH]
    gradient = torch.ones(BATCH, arrays.num_classes)
    times = []
    for _ in range(300):
        start = time.perf_counter()
        model(batch).backward(gradient)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _times(contestants: list[Callable[[], object]], rounds: int) -> list[float]:
    """Seconds each takes: the median of rounds in which all run in turn."""
    taken: list[list[float]] = [[] for _ in contestants]
    for _ in range(rounds):
        for contestant, times in zip(contestants, taken, strict=True):
            start = time.perf_counter()
            contestant()
            times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in taken]


if __name__ == "__main__":
    main()
