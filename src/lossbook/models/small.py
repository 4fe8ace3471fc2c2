"""Small networks for inputs other than images: feature vectors and texts."""

import torch
from torch import Tensor, nn


def mlp(in_shape: tuple[int, ...], num_classes: int = 10, *, hidden: int = 512) -> nn.Module:
    """One hidden layer of rectified linear units on a feature vector.

    Args:
        in_shape: ``(features,)``.
        num_classes: Number of logits.
        hidden: Number of hidden units.
    """
    return nn.Sequential(nn.Linear(in_shape[0], hidden), nn.ReLU(), nn.Linear(hidden, num_classes))


class MeanEmbedding(nn.Module):
    r"""The mean of a text's token embeddings, through one hidden layer.

    .. math:: z = W_2 \max\Bigl(0, W_1 \tfrac{1}{T} \sum_t e_{w_t} + b_1\Bigr) + b_2
    """

    def __init__(self, vocabulary: int, num_classes: int, *, width: int) -> None:
        """Draw the weights.

        Args:
            vocabulary: Number of token numbers.
            num_classes: Number of logits.
            width: Width of embeddings and hidden layer.
        """
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.hidden = nn.Linear(width, width)
        self.output = nn.Linear(width, num_classes)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return logits ``[B, K]`` of token numbers ``[B, T]``; ``mask`` is False where there is padding."""
        chosen = self.embedding(tokens) * mask.unsqueeze(2)
        mean = chosen.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        logits: Tensor = self.output(torch.relu(self.hidden(mean)))
        return logits


def mean_embedding(in_shape: tuple[int, ...], num_classes: int = 2, *, width: int = 128) -> nn.Module:
    """The network of :class:`MeanEmbedding`, for short texts.

    Args:
        in_shape: ``(vocabulary,)``.
        num_classes: Number of logits.
        width: Width of embeddings and hidden layer.
    """
    return MeanEmbedding(in_shape[0], num_classes, width=width)
