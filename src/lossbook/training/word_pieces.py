"""Texts as word pieces: the token numbers of a pretrained network's own tokeniser."""

from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor, nn

from lossbook.models import checkpoints
from lossbook.training.steps import Inputs
from lossbook.training.tokens import PADDING, SEPARATOR, UNKNOWN, Vocabulary, words

if TYPE_CHECKING:
    from lossbook.datasets.data import Dataset, Part


class WordPieces:
    """Texts as token numbers, a mask of what is no padding, and the number of the text, each ``[B, T]``.

    A batch is padded to its longest example.
    """

    def __init__(self, data: "Dataset", *, checkpoint: str = "bert-base-uncased", longest: int = 128) -> None:
        """Encode all texts.

        Args:
            data: The texts of the run: one or two per example.
            checkpoint: Whose tokeniser; ``random`` numbers the words of the training part.
            longest: How many tokens of an example to keep at most, those that mark its beginning and end
                among them; of two texts the longer is cut first.

        Raises:
            LossbookError: The library or the checkpoint is not here.
        """
        examples = {name: part.inputs for name, part in data.parts.items() if isinstance(part.inputs, tuple)}
        if checkpoint == checkpoints.RANDOM:
            vocabulary = Vocabulary(examples["train"])
            self._padding, self.in_shape = PADDING, (len(vocabulary),)
            encoded = {
                name: [_marked(vocabulary, example, longest) for example in every]
                for name, every in examples.items()
            }
        else:
            transformers = checkpoints.library()
            folder = checkpoints.find(checkpoint)
            try:
                tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
            except (OSError, ValueError) as error:
                raise checkpoints.unreadable(checkpoint, error) from error
            self._padding, self.in_shape = tokenizer.pad_token_id, (len(tokenizer),)
            encoded = {}
            for name, every in examples.items():
                made = tokenizer(
                    *(list(texts) for texts in zip(*every, strict=True)),
                    truncation=True,
                    max_length=longest,
                    return_token_type_ids=True,
                )
                encoded[name] = list(zip(made["input_ids"], made["token_type_ids"], strict=True))
        self._encoded = {
            id(data.parts[name]): [tuple(map(torch.tensor, pair)) for pair in pairs]
            for name, pairs in encoded.items()
        }
        self._parts = list(data.parts.values())  # Their ids must stay theirs.

    def place(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Put a network where it is trained."""
        return network.to(device)

    def batch(self, part: "Part", rows: Tensor, noise: Generator | None) -> Inputs:  # noqa: ARG002
        """What a network is given of some rows."""
        chosen = [self._encoded[id(part)][row] for row in rows.tolist()]
        device = part.targets.device
        tokens, types, mask = (
            nn.utils.rnn.pad_sequence(each, batch_first=True, padding_value=fill).to(device)
            for each, fill in (
                ([numbers for numbers, _ in chosen], self._padding),
                ([kinds for _, kinds in chosen], 0),
                ([torch.ones(len(numbers), dtype=torch.bool) for numbers, _ in chosen], False),
            )
        )
        return tokens, mask, types


def _marked(vocabulary: Vocabulary, example: tuple[str, ...], longest: int) -> tuple[list[int], list[int]]:
    """Words as numbers with a mark in front and after each text, cut at the end; and the texts' numbers."""
    tokens, types = [SEPARATOR], [0]
    for number, text in enumerate(example):
        found = [vocabulary.words.get(word, UNKNOWN) for word in words(text)]
        tokens += [*found, SEPARATOR]
        types += [min(number, 1)] * (len(found) + 1)
    return tokens[:longest], types[:longest]
