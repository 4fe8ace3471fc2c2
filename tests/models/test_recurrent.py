"""The LSTMs for texts."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

from lossbook import models

TOKENS = torch.tensor([[5, 6, 7, 8], [9, 3, 0, 0], [4, 0, 0, 0]])
MASK = TOKENS != 0


def made(**options):
    torch.manual_seed(0)
    return models.build("lstm", (12,), 5, **{"embedding": 3, "hidden": 4} | options).eval()


@pytest.mark.parametrize(
    ("layers", "width", "count"),
    # Embeddings of 12 words; per layer 4 gates with two matrices and two biases; the output.
    [
        (1, 50, 12 * 50 + 4 * 50 * (50 + 50 + 2) + 51 * 5),
        (2, 100, 12 * 100 + 2 * 4 * 100 * (100 + 100 + 2) + 101 * 5),
    ],
)
def test_the_networks_are_the_papers(layers, width, count):
    network = made(embedding=width, hidden=width, layers=layers)
    assert sum(p.numel() for p in network.parameters()) == count
    weights = 4 * width * (2 * width + 2) * layers + (width + 1) * 5
    options = {"embedding": width, "hidden": width, "layers": layers}
    assert models.weights_per_token("lstm", 5, **options) == weights


@pytest.mark.parametrize("layers", [1, 2])
def test_the_output_at_the_last_token_is_that_of_a_packed_sequence(layers):
    network = made(layers=layers)
    packed = pack_padded_sequence(network.embedding(TOKENS), MASK.sum(1), batch_first=True)
    _, (hidden, _) = network.lstm(packed)
    assert torch.allclose(network(TOKENS, MASK), network.output(hidden[-1]), atol=1e-6)


def test_padding_is_read_only_where_it_is_asked_for():
    more = torch.nn.functional.pad(TOKENS, (0, 3))
    network = made()
    assert torch.allclose(network(TOKENS, MASK), network(more, more != 0), atol=1e-6)
    padded = made(padded_to=7)
    assert torch.allclose(padded(TOKENS, MASK), padded(more, more != 0), atol=1e-6)
    assert torch.allclose(padded(TOKENS, MASK), network(more, torch.ones_like(more)), atol=1e-6)
    assert not torch.allclose(padded(TOKENS, MASK)[2], network(TOKENS, MASK)[2], atol=1e-4)


def test_a_text_is_cut_where_padding_is_read_to_a_length():
    cut = made(padded_to=2)
    assert torch.allclose(cut(TOKENS, MASK), cut(TOKENS[:, :2], MASK[:, :2]), atol=1e-6)
