"""Training many small networks: the engine beside the plain PyTorch loop.

    .venv/bin/python benchmarks/engine.py [--shape 640x16x3] [--rounds 3] [--epochs 2]
    .venv/bin/python benchmarks/engine.py --cnn [--device cuda]
    .venv/bin/python benchmarks/engine.py --network reference_large [--threads 2]

**Tables.** The grid is that of battash2021's study of the UCI sets: 6 losses, 3 learning rates and 2 seeds,
so 36 networks a data set, by SGD with momentum 0.9 in batches of 8, with accuracy and cross-entropy on
training, validation and test data after every epoch. Data are random, in shapes like those of the sets:
examples x features x classes, half of the examples for training and a quarter each to validate and to test.
"Linear" is a linear classifier, "hidden" has one hidden layer as wide as the input.

The plain loop trains one network after another: `nn.Sequential`, `torch.optim.SGD`, losses from PyTorch's own
functions, batches by indexing (a DataLoader would be slower). The two train in turn within one process, round
after round; a time is the median of the rounds, for all 36 networks together and per step, measurement of the
epochs included. "Floor" is a forward and a backward pass of one network in PyTorch at that batch size,
without loss, optimiser and measurement; beside it stands what the engine takes per network and step, with
all three.

**Images.** 3 losses by 5 seeds of CNN2C, the small network of li2020, in batches of 64 of random images of
MNIST's shape, one network after another. The plain loop is a DataLoader over a TensorDataset with
`torch.optim.SGD`; the engine keeps the images on the device as bytes and measures on a test set after each
epoch, which the plain loop does as well. "Floor" is a forward and a backward pass alone. "Of peak" is the
network's multiplications and additions in the time of a step, over those of a product of two large matrices
here; "of copy" is the bytes of weights, gradients and velocities read and written in a step, over what a copy
moves in that time. Both say how far a network so small is from keeping the processor busy.

**A reference network.** Ten batches of 512 random images of 32x32 pixels and a measurement on 1,000, by the
recipe of `synthesis/head_to_head`: mixed precision where the processor has it, channels last, shifts and
flips of whole batches. The plain loop is the one a user would write: float32, a DataLoader with torchvision's
RandomCrop and RandomHorizontalFlip on each image. "Data" is the share of a step that goes into indexing,
augmentation and scaling.
"Of ceiling" is the network's multiplications and additions in the time of a step, over those of a product of
two large matrices in the same number format.

Leave the machine otherwise idle.

Seen on two cores of an AMD EPYC server, torch 2.15, in times of the plain loop's speed: 22 to 46 for tables
of up to 42 features, 17 (linear) and 8 (hidden) for one of 100, geometric mean 26 (640x6x3, 640x16x3,
640x42x2, 640x100x9; 3 rounds). A network costs 3 to 28 microseconds a step; PyTorch's forward and backward
alone take 24 to 59. For images on one core, 1.95 times: 10.6 ms a step above a floor of 8.8, at two thirds
of the peak.

The large reference network there, with AVX-512 and bfloat16 but no AMX: 2.7 times the plain loop on two
threads (571 ms a step instead of 1,521, 54% of the ceiling of 887 GFLOP/s), 2.6 times on one (66%). Data take
0.7% of a step. The aim was 3 times and 40%. The plain loop already runs at 181 GFLOP/s, nine tenths of what a
product of large matrices reaches in float32 (207). Three quarters of the engine's step are convolutions; the
rest is pooling, normalisation and rectifiers, which move memory and gain little from bfloat16.
None of this has been measured on a GPU.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode
from torchvision.transforms import v2

from lossbook import losses, models
from lossbook.datasets.data import Dataset, Part
from lossbook.losses import MixingSchedule
from lossbook.papers.synthesis.head_to_head import RECIPE
from lossbook.training import (
    Replica,
    RunPlan,
    RunSpec,
    SplitArrays,
    plan_run,
    precision,
    train,
    train_replicas,
)
from lossbook.training.images import to_float

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
    parser.add_argument("--cnn", action="store_true", help="images instead of tables")
    parser.add_argument("--network", help="a network for 32x32 images instead of tables, reference_large say")
    parser.add_argument("--device", default="cpu", help="for --cnn: cpu or cuda (default: %(default)s)")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.cnn:
        _images(torch.device(given.device), given.rounds)
        return
    if given.network:
        _reference(given.network, given.rounds)
        return
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


# --- images -------------------------------------------------------------------------------------------------

CNN = RunSpec(
    dataset="mnist",
    model="li2020_cnn2c",
    loss="ce",
    optimizer="sgd",
    optimizer_options={"lr": 0.01, "momentum": 0.5},
    batch_size=64,
    epochs=1,
)
CNN_LOSSES = ("ce", "lr", "lgl_inr")
TRAIN, TEST = 64 * 30, 640


def _images(device: torch.device, rounds: int) -> None:
    noise = torch.Generator().manual_seed(0)

    def part(size: int) -> tuple[Tensor, Tensor]:
        images = torch.randint(0, 256, (size, 28, 28, 1), dtype=torch.uint8, generator=noise)
        return images, torch.randint(10, (size,), generator=noise)

    train_part, test_part = part(TRAIN), part(TEST)
    there = [each.to(device) for each in (*train_part, *test_part)]
    parts = {"train": Part(there[0], there[1]), "test": Part(there[2], there[3])}
    arrays = Dataset("random", "images", parts, 10, tuple("0123456789"), "")
    specs = [replace(CNN, loss=loss, seed=seed) for loss in CNN_LOSSES for seed in range(5)]

    def engine() -> None:
        for spec in specs:
            plan = plan_run(spec)
            assert isinstance(plan, RunPlan)
            train(plan, arrays)

    def plain() -> None:
        for spec in specs:
            _plain_images(spec, train_part, test_part, device)

    steps = len(specs) * TRAIN // CNN.batch_size
    plain_time, engine_time = _times([plain, engine], rounds)
    images = train_part[0][: CNN.batch_size].to(device)
    target = train_part[1][: CNN.batch_size].to(device)
    model = models.build(CNN.model, (1, 28, 28)).to(device)
    floor = _median(lambda: _pass(model, to_float(images), target), device)
    with FlopCounterMode(display=False) as counter:
        _pass(model, to_float(images), target)
    flops = counter.get_total_flops()
    large = torch.randn(2048, 2048, device=device)
    peak = 2 * 2048**3 / _median(lambda: large @ large, device)
    source = torch.randn(2**25, device=device)
    sink = torch.empty_like(source)
    bandwidth = 8 * 2**25 / _median(lambda: sink.copy_(source), device)
    # Weights, gradients and velocities are read; weights and velocities written; a gradient is written once.
    moved = 6 * 4 * sum(each.numel() for each in model.parameters())
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    step = engine_time / steps
    print(
        f"{name}, torch {torch.__version__}, {torch.get_num_threads()} threads; {len(specs)} networks, "
        f"batches of {CNN.batch_size}, {rounds} rounds of {TRAIN} images and a measurement on {TEST}"
    )
    print(
        f"plain {1e3 * plain_time / steps:.3f} ms a step, engine {1e3 * step:.3f}, "
        f"ratio {plain_time / engine_time:.2f}, floor {1e3 * floor:.3f} ms"
    )
    print(
        f"{flops / 1e6:.1f} MFLOP a step: {100 * flops / step / peak:.1f} % of peak "
        f"({peak / 1e9:.0f} GFLOP/s); "
        f"{moved / 1e6:.2f} MB: {100 * moved / step / bandwidth:.2f} % of copy ({bandwidth / 1e9:.0f} GB/s)"
    )


# --- a reference network ------------------------------------------------------------------------------------


class _Shown(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Images as a user's own data set would give them, one by one."""

    def __init__(self, part: Part, augment: bool) -> None:
        assert isinstance(part.inputs, Tensor)
        self.images, self.labels = part.inputs, part.targets
        steps: list[Any] = [v2.RandomCrop(32, padding=2), v2.RandomHorizontalFlip()] if augment else []
        scaling = v2.Normalize([0.5] * 3, [0.29] * 3)
        self.transform = v2.Compose([*steps, v2.ToDtype(torch.float32, scale=True), scaling])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return self.transform(self.images[row].permute(2, 0, 1)), self.labels[row]


def _reference(name: str, rounds: int) -> None:
    noise = torch.Generator().manual_seed(0)

    def part(size: int) -> Part:
        images = torch.randint(0, 256, (size, 32, 32, 3), dtype=torch.uint8, generator=noise)
        return Part(images, torch.randint(10, (size,), generator=noise))

    steps, batch = 10, RECIPE.batch_size
    parts = {"train": part(steps * batch), "test": part(1000)}
    data = Dataset("random", "images", parts, 10, tuple("0123456789"), "")
    plan = plan_run(replace(RECIPE, model=name, epochs=1, schedule=None))
    assert isinstance(plan, RunPlan)

    def plain() -> None:
        model = models.build(name, (3, 32, 32))
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
        for images, target in DataLoader(_Shown(parts["train"], True), batch, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), target).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for images, target in DataLoader(_Shown(parts["test"], False), 1000):
                float((model(images).argmax(1) == target).float().mean())

    plain_time, engine_time = _times([plain, lambda: train(plan, data)], rounds)
    task, cpu = plan.task(data), torch.device("cpu")
    rows = torch.arange(batch)
    shown = _median(lambda: task.batch(parts["train"], rows, noise), cpu)
    model = models.build(name, (3, 32, 32))
    with FlopCounterMode(display=False) as counter:
        (images,) = task.batch(parts["train"], rows, None)
        _pass(model, images, parts["train"].targets[:batch])
    flops = counter.get_total_flops()
    form = precision.used(RECIPE.precision, cpu)
    large = torch.randn(4096, 4096, dtype=getattr(torch, form))
    ceiling = 2 * 4096**3 / _median(lambda: large @ large, cpu)
    step = engine_time / steps
    print(
        f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads; {name}, batches of {batch}, {rounds} rounds of {steps} steps "
        "and a measurement on 1,000 images"
    )
    print(
        f"plain {1e3 * plain_time / steps:.0f} ms a step, engine {1e3 * step:.0f} in {form}, "
        f"ratio {plain_time / engine_time:.2f}; data {100 * shown / step:.1f} % of a step; "
        f"{flops / 1e9:.0f} GFLOP a step: {100 * flops / step / ceiling:.0f} % of ceiling "
        f"({ceiling / 1e9:.0f} GFLOP/s)"
    )


def _pass(model: nn.Module, images: Tensor, target: Tensor) -> None:
    F.cross_entropy(model(images), target).backward()


def _plain_images(
    spec: RunSpec, train_part: tuple[Tensor, Tensor], test_part: tuple[Tensor, Tensor], device: torch.device
) -> None:
    torch.manual_seed(spec.seed)
    model = models.build(spec.model, (1, 28, 28)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), **spec.optimizer_options)
    loss = losses.get(spec.loss)

    def loader(part: tuple[Tensor, Tensor], size: int, shuffle: bool) -> DataLoader[Any]:
        images = part[0].permute(0, 3, 1, 2).float() / 255
        return DataLoader(TensorDataset(images, part[1]), size, shuffle=shuffle)

    for images, target in loader(train_part, spec.batch_size, True):
        optimizer.zero_grad()
        loss(model(images.to(device)), target.to(device)).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        for images, target in loader(test_part, 1000, False):
            float((model(images.to(device)).argmax(1) == target.to(device)).float().mean())


def _median(work: Callable[[], object], device: torch.device) -> float:
    times = []
    for _ in range(30):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
