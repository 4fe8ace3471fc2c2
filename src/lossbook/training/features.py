"""The task of feature vectors, which a network takes as they are."""

from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor, nn

from lossbook.training.steps import Inputs

if TYPE_CHECKING:
    from lossbook.datasets.data import Dataset, Part


class Features:
    """Rows of numbers, float32 ``[N, D]``."""

    def __init__(self, data: "Dataset") -> None:
        """Note the number of features.

        Args:
            data: The rows of the run.
        """
        inputs = data.parts["train"].inputs
        assert isinstance(inputs, Tensor)
        self.in_shape: tuple[int, ...] = (inputs.shape[1],)

    def place(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Put a network where it is trained."""
        return network.to(device)

    def batch(self, part: "Part", rows: Tensor, noise: Generator | None) -> Inputs:  # noqa: ARG002
        """What a network is given of some rows."""
        assert isinstance(part.inputs, Tensor)
        return (part.inputs[rows].float(),)
