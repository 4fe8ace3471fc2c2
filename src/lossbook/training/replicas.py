"""Many replicas of a small fully connected network, trained as one batched program.

Replicas share data, architecture and batch size. Each has a loss, a learning rate, a number of epochs and a
seed of its own, and so its own weights, order of the data and momentum. A step does for all of them together
what PyTorch would do one by one: one batched matrix product a layer, forward and backward, written by hand.

Replicas meet in no operation that mixes their numbers, and none whose rounding depends on how many there are.
So a replica's result does not depend on which others ran beside it.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lossbook import losses
from lossbook.training import checkpoint as checkpoints
from lossbook.training.batched_losses import WHOLE, LossBatch, grouped, has_closed_form
from lossbook.training.checkpoint import OutOfTimeError
from lossbook.training.rng import derive, generator

#: Accuracy and cross-entropy, which all losses can be compared by, on each part of the data.
REPLICA_CURVES = (
    *("train_accuracy", "train_ce"),
    *("validation_accuracy", "validation_batch_accuracy", "validation_ce"),
    *("test_accuracy", "test_batch_accuracy", "test_ce"),
)
Ties = Literal["first", "last"]

# Always this many, as rounding may depend on the number; and whole vectors.
_EVALUATION_ROWS = 4 * WHOLE
_INDEX_ELEMENTS = 2**22
# Matrix products round otherwise from another alignment, on some processors; 16 numbers are 64 bytes or more,
# so that a replica's matrices begin on a cache line whoever stands before them.
_ALIGNED = 16


@dataclass(frozen=True)
class Replica:
    """What one replica does not share with the others.

    Attributes:
        loss: Name of the loss, as :func:`lossbook.losses.get` knows it.
        learning_rate: Of SGD, constant; finite and not negative.
        epochs: Number of passes over the training data, at least 1.
        seed: Seeds the weights and the order of the data. Replicas with one seed start from the same weights
            and see the same batches.
        loss_options: Arguments of the loss, for example ``{"schedule": "0-0.5"}``.
    """

    loss: str
    learning_rate: float
    epochs: int
    seed: int = 0
    loss_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitArrays:
    """Examples as rows of numbers, in three parts, all on one device.

    Attributes:
        train_inputs: Floating point, ``[N, D]``; its precision is that of the training.
        train_labels: ``int64 [N]``, from 0 to ``num_classes`` - 1.
        validation_inputs: As above.
        validation_labels: As above.
        test_inputs: As above.
        test_labels: As above.
        num_classes: Number of classes, at least 2.
    """

    train_inputs: Tensor
    train_labels: Tensor
    validation_inputs: Tensor
    validation_labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor
    num_classes: int

    def part(self, name: str) -> tuple[Tensor, Tensor]:
        """Inputs and labels of ``train``, ``validation`` or ``test``."""
        return getattr(self, f"{name}_inputs"), getattr(self, f"{name}_labels")


@dataclass(frozen=True)
class ReplicaResult:
    """What a replica gives.

    Attributes:
        status: ``finished``, or ``diverged`` when its cross-entropy in training stopped being finite.
        curves: One value an epoch for each of ``REPLICA_CURVES``, measured after the epoch. An ``accuracy``
            is the share of a part's examples. A ``batch_accuracy`` is the mean over the accuracies of
            batches, in the order of the data and of the size used in training; a smaller last batch counts
            in full. At the epoch of divergence all are NaN, and it is the last.
        selected_epoch: The epoch of highest ``validation_accuracy``, counted from 0; None if it diverged in
            the first.
        gradient: ``closed form`` or ``torch.func``, how its loss was differentiated.
        seconds: Its share of the time spent, by epoch the time over the number of replicas in training.
        together: How many replicas were trained together.
    """

    status: str
    curves: dict[str, list[float]]
    selected_epoch: int | None
    gradient: str
    seconds: float
    together: int

    def selected(self, curve: str) -> float:
        """A curve's value at the selected epoch, for example of ``test_accuracy``; NaN if there is none."""
        return math.nan if self.selected_epoch is None else self.curves[curve][self.selected_epoch]


def select_epoch(curve: Sequence[float], ties: Ties) -> int | None:
    """The epoch at which a curve is highest, counted from 0.

    Args:
        curve: One value an epoch; NaN counts for nothing.
        ties: Which of several equal epochs to take, ``first`` or ``last``.

    Returns:
        The epoch; None where there is no number.

    Raises:
        ValueError: Another way with ties.
    """
    if ties not in ("first", "last"):
        raise ValueError(f"ties must be 'first' or 'last'; got {ties!r}")
    best = max((value for value in curve if not math.isnan(value)), default=None)
    equal = [epoch for epoch, value in enumerate(curve) if value == best]
    return (equal[0] if ties == "first" else equal[-1]) if equal else None


@dataclass
class _Member:
    """A replica on its way; its weights and velocities are one vector each, layer by layer."""

    replica: Replica
    loss: nn.Module
    weights: Tensor
    velocity: Tensor
    curves: dict[str, list[float]]
    status: str = "training"
    seconds: float = 0.0
    together: int = 1


def train_replicas(
    replicas: Sequence[Replica],
    arrays: SplitArrays,
    *,
    hidden: int,
    batch_size: int,
    momentum: float,
    ties: Ties,
    checkpoint: Path | None = None,
    code: str = "",
    deadline: float = math.inf,
    on_epoch: Callable[[int], None] | None = None,
) -> list[ReplicaResult]:
    r"""Train replicas by SGD with momentum, and measure each after every epoch.

    The network is linear, or has one hidden layer of rectified linear units. Weights start as those of
    ``torch.nn.Linear``. A step is that of ``torch.optim.SGD``, with the learning rate :math:`\eta` inside the
    velocity, which is the same as long as :math:`\eta` is constant:

    .. math:: v \leftarrow \mu v + \eta \nabla L, \quad w \leftarrow w - v

    The last batch of an epoch holds the examples that are left. Random numbers of an epoch depend on a
    replica's seed and the epoch alone. On a CPU one thread is used.

    Args:
        replicas: What to train.
        arrays: The examples; their device is where the replicas are trained.
        hidden: Number of hidden units; 0 for a linear classifier.
        batch_size: Examples a step.
        momentum: :math:`\mu`, from 0 to below 1.
        ties: Which epoch to select if several have the highest validation accuracy, ``first`` or ``last``.
        checkpoint: File to continue from and to save to now and then, and at the end; the caller deletes it.
        code: Hash of the code and of the data; a checkpoint with another one is not continued, nor is one in
            which some of the replicas are missing.
        deadline: ``time.monotonic()`` by which to stop.
        on_epoch: Called with the number of epochs done, after each.

    Returns:
        One result a replica, in their order.

    Raises:
        OutOfTimeError: The deadline came first.
        TypeError: Inputs or labels of a wrong type.
        ValueError: A wrong shape, a value out of its range, or an unknown name or option (then an
            :class:`~lossbook.errors.UnknownNameError`).
    """
    _check(replicas, arrays, hidden, batch_size, momentum)
    select_epoch([], ties)
    shapes = _shapes(arrays, hidden)
    settings = repr((shapes, arrays.train_inputs.dtype, batch_size, momentum))
    with _one_thread(arrays.train_inputs.device), torch.no_grad():
        members = _start(replicas, arrays, shapes)
        parts = {name: _with_ones(*arrays.part(name)) for name in ("train", "validation", "test")}
        done = _restore(members, checkpoints.load(checkpoint, code), settings)

        program: _Program | None = None
        saved_at = time.monotonic()
        for epoch in range(done, max((replica.epochs for replica in replicas), default=0)):
            started = time.monotonic()
            active = [member for member in members if member.status == "training"]
            if not active:
                break
            if program is None or len(active) < len(program.members):
                if program is not None:
                    program.hand_back()
                program = _Program(active, parts, shapes, batch_size, momentum)
            program.train(epoch, deadline)
            program.measure()
            now = time.monotonic()
            for member in active:
                member.seconds += (now - started) / len(active)
            if on_epoch is not None:
                on_epoch(epoch + 1)
            left = any(member.status == "training" for member in members)
            out_of_time = left and now + (now - started) > deadline
            if checkpoint is not None and (out_of_time or not left or now - saved_at > checkpoints.SECONDS):
                program.hand_back()
                held = {repr(m.replica): {name: getattr(m, name) for name in _SAVED} for m in members}
                checkpoints.save(
                    checkpoint, {"code": code, "settings": settings, "epochs": epoch + 1, "members": held}
                )
                saved_at = now
            if out_of_time:
                raise OutOfTimeError
    return [_result(member, ties) for member in members]


_SAVED = ("weights", "velocity", "curves", "status", "seconds", "together")


def _restore(members: Sequence["_Member"], state: Mapping[str, Any] | None, settings: str) -> int:
    """Take replicas up where a checkpoint left them; how many epochs were done."""
    if state is None or state["settings"] != settings:
        return 0
    if any(repr(member.replica) not in state["members"] for member in members):
        return 0
    for member in members:
        for name, value in state["members"][repr(member.replica)].items():
            old = getattr(member, name)
            setattr(member, name, value.to(old.device) if isinstance(old, Tensor) else value)
    return int(state["epochs"])


def _result(member: _Member, ties: Ties) -> ReplicaResult:
    return ReplicaResult(
        member.status,
        member.curves,
        select_epoch(member.curves["validation_accuracy"], ties),
        "closed form" if has_closed_form(member.loss) else "torch.func",
        member.seconds,
        member.together,
    )


# --- the start ----------------------------------------------------------------------------------------------


def _check(
    replicas: Sequence[Replica], arrays: SplitArrays, hidden: int, batch_size: int, momentum: float
) -> None:
    if hidden < 0:
        raise ValueError(f"hidden must be a number of units, 0 for a linear classifier; got {hidden}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1; got {batch_size}")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must lie in 0 to below 1; got {momentum}")
    for replica in replicas:
        if not 0 <= replica.learning_rate < math.inf:
            raise ValueError(f"a learning rate must be finite and not negative; got {replica.learning_rate}")
        if replica.epochs < 1:
            raise ValueError(f"a replica needs at least one epoch; got {replica.epochs}")
    if arrays.num_classes < 2:
        raise ValueError(f"a classifier needs at least 2 classes; got {arrays.num_classes}")
    for part in ("train", "validation", "test"):
        _check_part(part, arrays)


def _check_part(part: str, arrays: SplitArrays) -> None:
    inputs, labels = arrays.part(part)
    like = arrays.train_inputs
    if not inputs.is_floating_point() or inputs.dtype != like.dtype:
        raise TypeError(
            f"{part} inputs must be floating point, as those of training; got {inputs.dtype} and {like.dtype}"
        )
    if labels.dtype != torch.int64:
        raise TypeError(f"{part} labels must be int64; got {labels.dtype}")
    if inputs.ndim != 2 or inputs.shape[1:] != like.shape[1:] or 0 in inputs.shape:
        raise ValueError(
            f"{part} inputs must have shape [N, D], N at least 1 and D as in training; "
            f"got {list(inputs.shape)} and {list(like.shape)}"
        )
    if labels.shape != inputs.shape[:1]:
        raise ValueError(
            f"{part} labels must have shape [N], one a row of the inputs; "
            f"got {list(labels.shape)} for inputs of shape {list(inputs.shape)}"
        )
    low, high = (int(end) for end in labels.aminmax())
    if low < 0 or high >= arrays.num_classes:
        raise ValueError(
            f"{part} labels must lie in 0..{arrays.num_classes - 1}; found {low if low < 0 else high}"
        )
    if not bool(inputs.isfinite().all()):
        raise ValueError(f"{part} inputs must be finite")


def _shapes(arrays: SplitArrays, hidden: int) -> list[tuple[int, int]]:
    """Of each layer's matrix; the bias is its last row."""
    widths = [arrays.train_inputs.shape[1], *([hidden] if hidden else []), arrays.num_classes]
    return [(into + 1, out) for into, out in pairwise(widths)]


def _with_ones(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs with a column of ones, which the bias multiplies."""
    return torch.cat([inputs, inputs.new_ones(len(inputs), 1)], 1), labels


def _start(
    replicas: Sequence[Replica], arrays: SplitArrays, shapes: Sequence[tuple[int, int]]
) -> list[_Member]:
    like = arrays.train_inputs
    first = {seed: _initial(seed, shapes).to(like) for seed in {replica.seed for replica in replicas}}
    modules: dict[str, nn.Module] = {}
    members = []
    for replica in replicas:
        key = repr((replica.loss, sorted(replica.loss_options.items()), replica.epochs))
        if key not in modules:
            modules[key] = losses.get(replica.loss, **replica.loss_options).to(like.device)
        weights = first[replica.seed].clone()
        curves: dict[str, list[float]] = {name: [] for name in REPLICA_CURVES}
        member = _Member(replica, modules[key], weights, torch.zeros_like(weights), curves)
        member.together = len(replicas)
        members.append(member)
    return members


def _initial(seed: int, shapes: Sequence[tuple[int, int]]) -> Tensor:
    """The weights of ``torch.nn.Linear`` layers made in order after seeding, as one vector."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "weights", 0))
        layers = [nn.Linear(rows - 1, columns, dtype=torch.float32) for rows, columns in shapes]
    parts = [part for layer in layers for part in (layer.weight.t().reshape(-1), layer.bias)]
    return torch.cat(parts).detach()


@contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    """More would split elementwise work by its size, and pay for small matrices nowhere."""
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


# --- the program --------------------------------------------------------------------------------------------


class _Program:
    """Replicas in training, with the buffers of a step made once."""

    def __init__(
        self,
        members: Sequence[_Member],
        parts: Mapping[str, tuple[Tensor, Tensor]],
        shapes: Sequence[tuple[int, int]],
        batch_size: int,
        momentum: float,
    ) -> None:
        self.members = [members[r] for r in grouped([member.loss for member in members])]
        self._parts, self._batch_size, self._momentum = parts, batch_size, momentum
        # All in one vector, so that one operation takes the step.
        self._all_weights, self._weights = _together([m.weights for m in self.members], shapes)
        self._all_velocities, self._velocities = _together([m.velocity for m in self.members], shapes)
        seeds = [member.replica.seed for member in self.members]
        self._seeds = list(dict.fromkeys(seeds))
        self._seed_of = torch.tensor([self._seeds.index(seed) for seed in seeds])

        like = parts["train"][0]
        count = len(self.members)

        # Rows of a batch are as wide as it takes for each batch to begin on a multiple of _ALIGNED.
        step = _ALIGNED // math.gcd(_ALIGNED, batch_size)

        def buffer(columns: int) -> Tensor:
            return like.new_ones(count, batch_size, columns + -columns % step)[:, :, :columns]

        columns = shapes[0][0]
        self._train_rows = nn.functional.pad(like, (0, -columns % step))
        self._input_rows = like.new_empty(count * batch_size, self._train_rows.shape[1])
        self._inputs = self._input_rows.view(count, batch_size, -1)[:, :, :columns]
        # A layer's input; a hidden one has a last column of ones, which the bias multiplies.
        self._last = self._inputs if len(shapes) == 1 else buffer(shapes[1][0])
        self._logits, self._gradient = buffer(shapes[-1][1]), buffer(shapes[-1][1])
        self._inputs_t, self._last_t = self._inputs.transpose(1, 2), self._last.transpose(1, 2)
        if len(shapes) == 2:
            self._before, self._hidden_gradient = buffer(shapes[0][1]), buffer(shapes[0][1])
            self._hidden = self._last[:, :, :-1]
            self._back = self._weights[1][:, :-1].transpose(1, 2)
        self._losses = LossBatch(
            [member.loss for member in self.members],
            [member.replica.learning_rate for member in self.members],
            [member.replica.epochs for member in self.members],
            self._logits,
            self._gradient,
        )

    def train(self, epoch: int, deadline: float) -> None:
        """Pass over the training data once.

        Raises:
            OutOfTimeError: The deadline came first.
        """
        self._losses.set_epoch(epoch)
        labels = self._parts["train"][1]
        size, steps = self._batch_size, -(-len(labels) // self._batch_size)
        last = len(labels) - (steps - 1) * size
        # The last batch is filled up with any example; the losses leave it out.
        orders = torch.zeros(len(self._seeds), steps * size, dtype=torch.int64)
        for order, seed in zip(orders, self._seeds, strict=True):
            order[: len(labels)] = torch.randperm(len(labels), generator=generator(seed, "order", epoch))
        block = max(1, _INDEX_ELEMENTS // (len(self.members) * size))
        for start in range(0, steps, block):
            rows = orders.view(-1, steps, size)[:, start : start + block]
            rows = rows[self._seed_of].transpose(0, 1).contiguous().to(labels.device)
            targets, indices = labels[rows].unbind(0), rows.flatten(1).unbind(0)
            for step, (index, target) in enumerate(zip(indices, targets, strict=True), start + 1):
                if time.monotonic() > deadline:
                    raise OutOfTimeError
                torch.index_select(self._train_rows, 0, index, out=self._input_rows)
                self._step(target, size if step < steps else last)

    def _step(self, target: Tensor, count: int) -> None:
        deep = len(self._weights) == 2
        if deep:
            torch.bmm(self._inputs, self._weights[0], out=self._before)
            torch.clamp_min(self._before, 0, out=self._hidden)
        torch.bmm(self._last, self._weights[-1], out=self._logits)
        self._losses.evaluate(target, count)
        if deep:
            gradient = torch.bmm(self._gradient, self._back, out=self._hidden_gradient)
            torch.ops.aten.threshold_backward.grad_input(gradient, self._before, 0, grad_input=gradient)
            self._velocities[0].baddbmm_(self._inputs_t, gradient, beta=self._momentum)
        self._velocities[-1].baddbmm_(self._last_t, self._gradient, beta=self._momentum)
        self._all_weights.sub_(self._all_velocities)

    def measure(self) -> None:
        """Add the values of an epoch to the curves, and note who has finished or diverged."""
        values: dict[str, list[float]] = {}
        for part, (inputs, labels) in self._parts.items():
            correct, ce = self._evaluate(inputs, labels)
            values[f"{part}_accuracy"] = correct.mean(1).tolist()
            values[f"{part}_batch_accuracy"] = _batch_means(correct, self._batch_size).tolist()
            values[f"{part}_ce"] = ce.tolist()
        for r, member in enumerate(self.members):
            good = math.isfinite(values["train_ce"][r])
            for name, curve in member.curves.items():
                curve.append(values[name][r] if good else math.nan)
            if not good:
                member.status = "diverged"
            elif len(member.curves["train_ce"]) == member.replica.epochs:
                member.status = "finished"

    def _evaluate(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Which examples each replica gets right, 1 or 0, ``[R, N]``; its mean cross-entropy, ``[R]``."""
        count, labelled = len(self.members), len(labels)
        correct, ce = [], []
        rows = zip(inputs.split(_EVALUATION_ROWS), labels.split(_EVALUATION_ROWS), strict=True)
        for batch, target in rows:
            missing = _EVALUATION_ROWS - len(target)
            batch, target = (
                nn.functional.pad(batch, (0, 0, 0, missing)),
                nn.functional.pad(target, (0, missing)),
            )
            outputs = batch.expand(count, -1, -1)
            if len(self._weights) == 2:
                hidden = torch.bmm(outputs, self._weights[0]).clamp_min_(0)
                output = self._weights[1]
                logits = torch.baddbmm(output[:, -1:], hidden, output[:, :-1])
            else:
                logits = torch.bmm(outputs, self._weights[0])
            correct.append(logits.argmax(2) == target)
            log_p = logits.permute(2, 0, 1).contiguous().log_softmax(0)
            ce.append(-log_p.gather(0, target.expand(1, count, -1))[0])
        right, values = (torch.cat(parts, 1)[:, :labelled].double() for parts in (correct, ce))
        return right, values.mean(1)

    def hand_back(self) -> None:
        """Give each replica its weights and velocities."""
        for r, member in enumerate(self.members):
            member.weights = torch.cat([layer[r].flatten() for layer in self._weights])
            member.velocity = torch.cat([layer[r].flatten() for layer in self._velocities])


def _together(vectors: Sequence[Tensor], shapes: Sequence[tuple[int, int]]) -> tuple[Tensor, list[Tensor]]:
    """One vector of all replicas, layer by layer; and its parts, ``[R, rows, columns]`` each."""
    sizes = [rows * columns for rows, columns in shapes]
    layers = [
        nn.functional.pad(torch.stack(layer), (0, -layer[0].numel() % _ALIGNED))
        for layer in zip(*(vector.split(sizes) for vector in vectors), strict=True)
    ]
    everything = torch.cat([layer.flatten() for layer in layers])
    parts = everything.split([layer.numel() for layer in layers])
    return everything, [
        part.view(len(vectors), -1)[:, :size].unflatten(1, shape)
        for part, size, shape in zip(parts, sizes, shapes, strict=True)
    ]


def _batch_means(correct: Tensor, size: int) -> Tensor:
    """The mean over batches of their means; shape ``[R]`` from ``[R, N]``."""
    batches = -(-correct.shape[1] // size)
    padding = batches * size - correct.shape[1]
    counts = correct.new_full((batches,), size)
    counts[-1] -= padding
    return (nn.functional.pad(correct, (0, padding)).unflatten(1, (-1, size)).sum(2) / counts).mean(1)
