"""Training sets whose classes are of unequal size, and losses that weigh examples by their class."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: Ways to weigh each example by the inverse of its class's frequency; see :func:`weighted_loss`.
WEIGHTINGS = ("inverse_frequency", "inverse_frequency_in_batch")


def class_rows(labels: Tensor, shares: Sequence[float], size: int | None = None) -> Tensor:
    """Rows of a subset whose classes have given sizes relative to each other.

    Within a class the rows are evenly spaced. Every class keeps at least one.

    Args:
        labels: Classes of all examples, shape ``[N]``.
        shares: Size of each class relative to the largest, in (0, 1], shape ``[K]``.
        size: About how many rows in all; as many as the shares and the examples allow for None, or where
            there are fewer.

    Returns:
        Row numbers, rising.

    Raises:
        ValueError: Shares out of their range or not one a class, a class without an example, a size below 1.
    """
    counts = torch.bincount(labels, minlength=len(shares)).tolist()
    if len(counts) != len(shares):
        raise ValueError(f"there must be one share a class, {len(counts)} in all; got {len(shares)}")
    if not shares or not all(0 < share <= 1 for share in shares) or max(shares) != 1:
        raise ValueError(f"shares must lie in (0, 1], that of the largest class 1; got {list(shares)}")
    if 0 in counts:
        raise ValueError(f"there is no example of class {counts.index(0)}, so it cannot have a share")
    if size is not None and size < 1:
        raise ValueError(f"size must be at least 1; got {size}")
    largest = min(count / share for count, share in zip(counts, shares, strict=True))
    if size is not None:
        largest = min(largest, size / sum(shares))
    chosen = []
    for k, (count, share) in enumerate(zip(counts, shares, strict=True)):
        # Shares are decimal fractions, which a product in binary may fall short of.
        wanted = max(1, int(share * largest + 1e-6))
        chosen.append((labels == k).nonzero().squeeze(1)[torch.arange(wanted) * count // wanted])
    return torch.cat(chosen).sort().values


def inverse_frequency(labels: Tensor, classes: int) -> Tensor:
    r"""Weights of classes by inverse frequency, with mean 1 over the examples.

    .. math:: \lambda_k = \frac{N}{K N_k}

    Args:
        labels: Classes of the training examples, shape ``[N]``.
        classes: Number of classes, K.

    Raises:
        ValueError: A class without an example.

    References:
        li2020, "Binary Case with LGL", up to a factor that all classes share.
    """
    counts = torch.bincount(labels, minlength=classes)
    if not bool((counts > 0).all()):
        missing = int((counts == 0).nonzero()[0])
        raise ValueError(f"there is no example of class {missing}, so its inverse frequency is infinite")
    return (len(labels) / (classes * counts)).float()


class ClassWeighted(nn.Module):
    r"""A loss whose examples are weighed by their class.

    .. math:: \frac{1}{B} \sum_{i=1}^{B} \lambda_{y_i} \ell_i

    The sum is divided by the number of examples. So an example counts the same in whichever batch it comes,
    and the steps of an epoch add up to the loss over all examples. PyTorch's weighted mean divides by the sum
    of the weights in the batch instead; there, an example counts less beside others of great weight.

    References:
        li2020, Eq. 1.
    """

    weight: Tensor

    def __init__(self, loss: nn.Module, weight: Tensor, *, in_batch: bool = False) -> None:
        """Hold the loss and the weights.

        Args:
            loss: A loss with one value an example, shape ``[B]``.
            weight: One weight per class, shape ``[K]``.
            in_batch: Divide by the sum of the batch's weights, as PyTorch does.
        """
        super().__init__()
        self.loss = loss
        self.in_batch = in_batch
        self.register_buffer("weight", weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits ``[B, K]`` against class indices ``[B]``."""
        weight = self.weight[target]
        total = (weight * self.loss(input, target)).sum()
        return total / (weight.sum() if self.in_batch else len(target))


def weighted_loss(loss: nn.Module, weighting: str, labels: Tensor, classes: int) -> nn.Module:
    """A loss with weights by inverse class frequency.

    Args:
        loss: A loss with one value an example.
        weighting: ``inverse_frequency``, divided by the number of examples in a batch; or
            ``inverse_frequency_in_batch``, divided by the sum of their weights. See :class:`ClassWeighted`.
        labels: Classes of the training examples, shape ``[N]``.
        classes: Number of classes.
    """
    return ClassWeighted(loss, inverse_frequency(labels, classes), in_batch=weighting == WEIGHTINGS[1])
