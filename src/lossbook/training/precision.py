"""Networks in mixed precision: the wide sums in half the bits, weights and loss in float32."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

#: Number formats of a run besides float32, by name.
FORMATS = {"bfloat16": torch.bfloat16}


class MixedPrecision(nn.Module):
    """A network whose matrix products and convolutions are made in a shorter number format.

    Weights and their gradients stay in float32, and so do the operations that PyTorch's autocast keeps there.
    bfloat16 has float32's range, so gradients need no scaling.

    Args:
        network: The network; its parameters become this module's, under the prefix ``network``.
        dtype: The number format.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype

    def forward(self, input: Tensor) -> Tensor:
        """Evaluate the network; the result is float32, for the loss."""
        with torch.autocast(input.device.type, dtype=self.dtype):
            output: Tensor = self.network(input)
        return output.float()


def mixed(
    build: Callable[[tuple[int, int, int], int], nn.Module], name: str
) -> Callable[[tuple[int, int, int], int], nn.Module]:
    """Let a network's builder make it in mixed precision; the weights drawn are the same.

    Args:
        build: From input shape ``(C, H, W)`` and number of classes to the network.
        name: One of :data:`FORMATS`.
    """

    def wrapped(shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        return MixedPrecision(build(shape, num_classes), FORMATS[name])

    return wrapped
