"""BERT with a linear classifier on top, to be fine-tuned; the library transformers reads its weights."""

from typing import Any

from torch import Tensor, nn

from lossbook.models import checkpoints

#: Weights outside the embeddings of some checkpoints, for estimates of cost; BERT-base's for any other.
_WEIGHTS = {"all-MiniLM-L6-v2": 10_796_162, checkpoints.RANDOM: 18_000}
_BERT_BASE = 85_648_130
#: The tiny network with random weights.
_TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


class BertClassifier(nn.Module):
    """A BERT, its pooled first token through dropout and a linear layer.

    References:
        Devlin et al., BERT: pre-training of deep bidirectional transformers for language understanding, 2019.
        battash2021, section "BERT on the GLUE Benchmark".
    """

    def __init__(self, network: nn.Module) -> None:
        """Hold the network.

        Args:
            network: The library's network for sequence classification.
        """
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        """Return logits ``[B, K]``.

        Args:
            tokens: Token numbers, int64 ``[B, T]``.
            mask: False where there is padding, ``[B, T]``.
            types: 0 in the first text of an example and 1 in the second, int64 ``[B, T]``.
        """
        logits: Tensor = self.network(
            input_ids=tokens, attention_mask=mask.long(), token_type_ids=types
        ).logits
        return logits


def bert(
    in_shape: tuple[int, ...], num_classes: int = 2, *, checkpoint: str = "bert-base-uncased"
) -> nn.Module:
    """The network of :class:`BertClassifier`.

    Args:
        in_shape: ``(vocabulary,)``, which a checkpoint has of its own.
        num_classes: Number of logits.
        checkpoint: A name or folder of a BERT; ``random`` for a tiny one with random weights.

    Raises:
        LossbookError: The library or the checkpoint is not here, or it is no BERT.
    """
    transformers = checkpoints.library()
    kind = transformers.BertForSequenceClassification
    if checkpoint == checkpoints.RANDOM:
        settings = transformers.BertConfig(vocab_size=in_shape[0], num_labels=num_classes, **_TINY)
        return BertClassifier(kind(settings))
    folder = checkpoints.find(checkpoint)
    logging = transformers.utils.logging
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # That the classifier is new is no surprise.
    logging.disable_progress_bar()
    try:
        network = kind.from_pretrained(folder, num_labels=num_classes)
    except (OSError, ValueError) as error:
        raise checkpoints.unreadable(checkpoint, error) from error
    finally:
        logging.set_verbosity(level)
    return BertClassifier(network.float())


def bert_weights(checkpoint: str = "bert-base-uncased", **_: Any) -> int:
    """About how many weights every token is multiplied with, for estimates of cost; nothing is read."""
    return _WEIGHTS.get(checkpoint, _BERT_BASE)
