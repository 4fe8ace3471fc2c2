"""The five LSTMs of battash2021 on texts."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LSTMClassifier(nn.Module):
    r"""Embeddings, one or more LSTM layers, and a linear layer on the output at the end of the sequence.

    .. math:: z = W h_T + b, \quad h_1, \dots, h_T = \mathrm{LSTM}(e_{w_1}, \dots, e_{w_T})

    The end of the sequence can be read in two ways: T is the text's last token, or the end of the padding,
    which then passes through the LSTM as if it were text.

    References:
        battash2021, section "LSTM multi-class classification", which does not say which.
    """

    def __init__(
        self,
        vocabulary: int,
        num_classes: int,
        *,
        embedding: int,
        hidden: int,
        layers: int,
        padded_to: int | None,
    ) -> None:
        """Draw the weights.

        Args:
            vocabulary: Number of token numbers; 0 is padding, whose vector is zero.
            num_classes: Number of logits.
            embedding: Width of the embeddings, :math:`E_d`.
            hidden: LSTM cells per layer, :math:`H_d`.
            layers: Number of LSTM layers.
            padded_to: Cut or pad every text to this many tokens and read the padding; None reads the output
                at the last token.
        """
        super().__init__()
        self.padded_to = padded_to
        self.embedding = nn.Embedding(vocabulary, embedding, padding_idx=0)
        self.lstm = nn.LSTM(embedding, hidden, layers, batch_first=True)
        self.output = nn.Linear(hidden, num_classes)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return logits ``[B, K]`` of token numbers ``[B, T]``; ``mask`` is False where there is padding."""
        if self.padded_to is not None:
            tokens = F.pad(tokens[:, : self.padded_to], (0, max(0, self.padded_to - tokens.shape[1])))
        states, _ = self.lstm(self.embedding(tokens))
        if self.padded_to is not None:
            last = states[:, -1]
        else:
            # Padding follows the text, so what an LSTM gives at the last token does not depend on it.
            at = (mask.sum(1) - 1).clamp(min=0)
            last = states[torch.arange(len(states), device=states.device), at]
        logits: Tensor = self.output(last)
        return logits


def lstm(
    in_shape: tuple[int, ...],
    num_classes: int = 5,
    *,
    embedding: int = 50,
    hidden: int = 50,
    layers: int = 1,
    padded_to: int | None = None,
) -> nn.Module:
    """The network of :class:`LSTMClassifier`.

    Args:
        in_shape: ``(vocabulary,)``.
        num_classes: Number of logits.
        embedding: Width of the embeddings.
        hidden: LSTM cells per layer.
        layers: Number of LSTM layers.
        padded_to: Cut or pad every text to this many tokens and read the padding; None reads the output at
            the last token.
    """
    return LSTMClassifier(
        in_shape[0], num_classes, embedding=embedding, hidden=hidden, layers=layers, padded_to=padded_to
    )
