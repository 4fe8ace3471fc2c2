"""A network on the data of its run: what it gives for each example, and how good that is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from lossbook.training.steps import Inputs, State

if TYPE_CHECKING:
    from lossbook.datasets.data import Dataset, Part

_BATCH = 1000


class Task(Protocol):
    """Turns data into what a network takes; fitted to the training part when it is made.

    Attributes:
        in_shape: Shape of one input, as a network's builder takes it.
    """

    in_shape: tuple[int, ...]

    def place(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Put a network where and how it is trained."""

    def batch(self, part: "Part", rows: Tensor, noise: Generator | None) -> Inputs:
        """What a network is given of some rows; ``noise`` is None in evaluation."""


class TrainedNetwork:
    """A network with the data of its run, to be measured; it is evaluated, not trained.

    Attributes:
        network: The network.
        loss: The run's loss.
        num_classes: Number of classes it was trained on.
    """

    def __init__(self, state: State, task: Task, data: "Dataset") -> None:
        """Hold what is measured.

        Args:
            state: The network and the loss.
            task: Gives it its inputs.
            data: The parts it is measured on.
        """
        self.network, self.loss, self.num_classes = state.network, state.loss, data.num_classes
        self._forward, self._task, self._data = state.forward, task, data

    def parts(self) -> tuple[str, ...]:
        """Names of the parts of the data."""
        return tuple(self._data.parts)

    def targets(self, part: str) -> Tensor:
        """Classes ``int64 [N]`` of a part's examples, or labels ``bool [N, K]``."""
        return self._data.parts[part].targets

    def groups(self, part: str) -> Tensor | None:
        """Camera or drawer ``int64 [N]`` of a part's examples, where there is such a thing."""
        return self._data.parts[part].groups

    def batches(
        self, part: str, rows: Tensor | None = None, size: int = _BATCH
    ) -> Iterator[tuple[Inputs, Tensor]]:
        """Inputs as the network takes them, and targets, in order.

        Args:
            part: Name of the part.
            rows: Row numbers; all for None.
            size: Examples per batch.
        """
        chosen = self._data.parts[part]
        device = chosen.targets.device
        every = torch.arange(len(chosen.targets), device=device) if rows is None else rows.to(device)
        for some in every.split(size):
            yield self._task.batch(chosen, some, None), chosen.targets[some]

    @torch.no_grad()
    def logits(self, part: str, rows: Tensor | None = None) -> Tensor:
        """Logits of a part's examples, float64 ``[N, K]``."""
        self.network.eval()
        return torch.cat([self._forward(*inputs) for inputs, _ in self.batches(part, rows)]).double()

    @torch.no_grad()
    def features(self, part: str, rows: Tensor | None = None) -> Tensor:
        """What the last linear layer is given for each of a part's examples, float32 ``[N, D]``.

        Raises:
            ValueError: The network has no linear layer.
        """
        self.network.eval()
        with _captured(self.network) as seen:
            return torch.cat(
                [_last(self._forward, inputs, seen).float() for inputs, _ in self.batches(part, rows)]
            )


def evaluate(subject: TrainedNetwork) -> dict[str, float]:
    """The values of the curves that are measured after every epoch.

    With a test part of one class per example: ``test_loss``, ``test_accuracy``, and ``test_ce``, the
    cross-entropy, which all losses can be compared by. With several labels per example: ``test_loss`` and
    ``test_bce``, the binary cross-entropy summed over the classes. Nothing without a test part.
    """
    if "test" not in subject.parts():
        return {}
    logits, targets = subject.logits("test"), subject.targets("test")
    with torch.no_grad():
        value = float(subject.loss(logits, targets))
        if targets.ndim == 2:
            bce = F.binary_cross_entropy_with_logits(logits, targets.double(), reduction="none")
            return {"test_loss": value, "test_bce": float(bce.sum(1).mean())}
        return {
            "test_loss": value,
            "test_accuracy": float((logits.argmax(1) == targets).double().mean()),
            "test_ce": float(F.cross_entropy(logits, targets)),
        }


def curve_names(data: "Dataset") -> tuple[str, ...]:
    """Names of a run's curves: those of training, then those of :func:`evaluate`."""
    if data.parts["train"].targets.ndim == 2:
        return ("train_loss", *(("test_loss", "test_bce") if "test" in data.parts else ()))
    tested = ("test_loss", "test_accuracy", "test_ce") if "test" in data.parts else ()
    return ("train_loss", "train_accuracy", *tested)


@contextmanager
def _captured(network: nn.Module) -> Iterator[list[Tensor]]:
    """The inputs of a network's last linear layer, as they pass."""
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise ValueError(f"{type(network).__name__} has no linear layer, whose input would be its features")
    seen: list[Tensor] = []
    handle = layers[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    try:
        yield seen
    finally:
        handle.remove()


def _last(forward: Callable[..., Tensor], inputs: Inputs, seen: list[Tensor]) -> Tensor:
    seen.clear()
    forward(*inputs)
    return seen[-1]
