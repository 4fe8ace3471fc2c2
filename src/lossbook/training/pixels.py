"""How a network's input is scaled."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

#: Scalings of a run's pixels besides 0 to 1, by name.
SCALINGS = ("standardised",)


class Standardised(nn.Module):
    r"""A network that is given every channel with mean 0 and standard deviation 1.

    .. math:: x \mapsto f\Bigl(\frac{x - \mu_c}{\sigma_c}\Bigr)

    Mean and deviation are held with the weights. They are not trained.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, mean: Tensor, deviation: Tensor) -> None:
        r"""Hold the network, and what its input is scaled by.

        Args:
            network: The network; its parameters become this module's, under the prefix ``network``.
            mean: :math:`\mu`, one a channel, shape ``[C]``, for pixels from 0 to 1.
            deviation: :math:`\sigma`, likewise.
        """
        super().__init__()
        self.network = network
        self.register_buffer("mean", mean.reshape(1, -1, 1, 1))
        self.register_buffer("deviation", deviation.reshape(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Evaluate the network on images ``[B, C, H, W]``, pixels from 0 to 1."""
        logits: Tensor = self.network((images - self.mean) / self.deviation)
        return logits


def standardised(
    build: Callable[[tuple[int, int, int], int], nn.Module], images: Tensor
) -> Callable[[tuple[int, int, int], int], nn.Module]:
    """Let a network's builder make it for standardised pixels; the weights drawn are the same.

    Args:
        build: From input shape ``(C, H, W)`` and number of classes to the network.
        images: The training images, which mean and deviation are taken of, ``uint8 [N, H, W, C]``.

    Raises:
        ValueError: A channel has one value throughout.
    """
    values = torch.arange(256, dtype=torch.float64) / 255
    # By counting: exact sums, in little memory.
    counts = torch.stack([channel.flatten().cpu().bincount(minlength=256) for channel in images.unbind(3)])
    share = counts / counts.sum(1, keepdim=True).double()
    mean = share @ values
    deviation = (share * (values - mean.unsqueeze(1)) ** 2).sum(1).sqrt()
    if not bool((deviation > 0).all()):
        constant = int((deviation == 0).nonzero()[0])
        raise ValueError(f"channel {constant} has one value in all training images, so its deviation is 0")

    def wrapped(shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        return Standardised(build(shape, num_classes), mean.float(), deviation.float())

    return wrapped
