"""What a measure is given: a network with the data of its run, or a step of its training."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from lossbook.training.clock import Clock


class Subject(Protocol):
    """A network with the data of its run; it is evaluated, not trained.

    Attributes:
        network: The network.
        loss: The run's loss.
        num_classes: Number of classes it was trained on, K.
    """

    network: nn.Module
    loss: nn.Module
    num_classes: int

    def parts(self) -> tuple[str, ...]:
        """Names of the parts of the data, such as ``train`` and ``test``."""

    def targets(self, part: str) -> Tensor:
        """Classes ``int64 [N]`` of a part's examples, or labels ``bool [N, K]``."""

    def groups(self, part: str) -> Tensor | None:
        """Camera or drawer ``int64 [N]`` of a part's examples, where there is such a thing."""

    def batches(
        self, part: str, rows: Tensor | None = None, size: int = 1000
    ) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
        """Inputs as the network takes them, and targets, in order."""

    def logits(self, part: str, rows: Tensor | None = None) -> Tensor:
        """Logits of a part's examples, float64 ``[N, K]``."""

    def features(self, part: str, rows: Tensor | None = None) -> Tensor:
        """What the last linear layer is given for each of a part's examples, float32 ``[N, D]``."""


class StepSeen(NamedTuple):
    """A step of training, seen before its update.

    Attributes:
        loss: The run's loss.
        value: The loss of the batch, a scalar.
        logits: Logits of the batch, ``[B, K]``, without a graph.
        targets: Targets of the batch.
        clock: Where the run stands.
    """

    loss: nn.Module
    value: Tensor
    logits: Tensor
    targets: Tensor
    clock: Clock
