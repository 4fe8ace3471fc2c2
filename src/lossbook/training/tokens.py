"""The task of texts: sequences of token numbers, padded per batch to the longest of it."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor, nn

from lossbook.training.steps import Inputs

if TYPE_CHECKING:
    from lossbook.datasets.data import Dataset, Part, Texts

PADDING = 0
UNKNOWN = 1
SEPARATOR = 2
_SPECIAL = 3
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?|[^\w\s]|_")


class Vocabulary:
    """Words that occur in training, by falling frequency.

    Words are runs of letters and digits, with an apostrophe inside, or single signs; in lower case.

    Attributes:
        words: Number of each word; 0 is padding, 1 any other word, 2 what separates two texts of an example.
    """

    def __init__(self, texts: Iterable[Sequence[str]], *, size: int = 30_000, least: int = 2) -> None:
        """Count the words of the training texts.

        Args:
            texts: The texts of each example.
            size: How many words to keep at most.
            least: How often a word must occur.
        """
        counts = Counter(word for example in texts for text in example for word in words(text))
        # Ties in the order of the alphabet: the same whatever the order of the examples.
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        kept = [word for word, count in ordered if count >= least][:size]
        self.words = {word: number for number, word in enumerate(kept, start=_SPECIAL)}

    def __len__(self) -> int:
        """Count the token numbers, the special ones included."""
        return len(self.words) + _SPECIAL

    def encode(self, example: Sequence[str], longest: int) -> list[int]:
        """Token numbers of an example's texts, cut to ``longest``; at least one.

        Args:
            example: The texts.
            longest: How many tokens to keep at most.
        """
        numbers: list[int] = []
        for index, text in enumerate(example):
            numbers += [SEPARATOR] if index else []
            numbers += [self.words.get(word, UNKNOWN) for word in words(text)]
        return numbers[:longest] or [UNKNOWN]


def words(text: str) -> list[str]:
    """The words of a text, as :class:`Vocabulary` counts them."""
    return _WORD.findall(text.lower())


def _texts(part: "Part") -> "Texts":
    assert isinstance(part.inputs, tuple)
    return part.inputs


class Tokens:
    """Texts as token numbers ``int64 [B, T]`` with a mask ``bool [B, T]`` of those that are no padding.

    The vocabulary is that of the training texts.
    """

    def __init__(self, data: "Dataset", *, longest: int = 128) -> None:
        """Fit the vocabulary, and encode all texts.

        Args:
            data: The texts of the run.
            longest: How many tokens of an example to keep at most.
        """
        self.vocabulary = Vocabulary(_texts(data.parts["train"]))
        self.in_shape: tuple[int, ...] = (len(self.vocabulary),)
        self._encoded = {
            id(part): [torch.tensor(self.vocabulary.encode(example, longest)) for example in _texts(part)]
            for part in data.parts.values()
        }
        self._parts = list(data.parts.values())  # Their ids must stay theirs.

    def place(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Put a network where it is trained."""
        return network.to(device)

    def batch(self, part: "Part", rows: Tensor, noise: Generator | None) -> Inputs:  # noqa: ARG002
        """What a network is given of some rows."""
        encoded = self._encoded[id(part)]
        sequences = [encoded[row] for row in rows.tolist()]
        numbers = nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=PADDING)
        numbers = numbers.to(part.targets.device)
        return numbers, numbers != PADDING
