"""Texts as numbers of words that are counted in all parts of the data, the test part included."""

from typing import TYPE_CHECKING

import torch

from lossbook.training.tokens import Tokens, Vocabulary

if TYPE_CHECKING:
    from lossbook.datasets.data import Dataset


class PooledWords(Tokens):
    """As :class:`lossbook.training.tokens.Tokens`, but the vocabulary is that of all parts.

    That lets the test texts decide which words have a vector of their own. battash2021's code does so.
    """

    def __init__(self, data: "Dataset", *, longest: int = 128) -> None:
        """Count the words of all texts, and encode them.

        Args:
            data: The texts of the run.
            longest: How many tokens of an example to keep at most.
        """
        texts = {name: part.inputs for name, part in data.parts.items() if isinstance(part.inputs, tuple)}
        self.vocabulary = Vocabulary([example for part in texts.values() for example in part])
        self.in_shape = (len(self.vocabulary),)
        self._encoded = {
            id(data.parts[name]): [torch.tensor(self.vocabulary.encode(each, longest)) for each in part]
            for name, part in texts.items()
        }
        self._parts = list(data.parts.values())  # Their ids must stay theirs.
