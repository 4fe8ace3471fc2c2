"""Sets with several labels: ARFF files, and the cache made of them."""

import dataclasses

import numpy as np
import pytest
import torch

from lossbook import datasets, paths
from lossbook.datasets import arrays, mulan, verification
from lossbook.datasets.registry import Content

HEADING = """@relation 'Corel5k-train: -C -3'

% a comment
@attribute Cluster1 {0,1}
@attribute "clear sky" {0, 1}
@attribute 'it\\'s' numeric
@attribute city {0,1}
@ATTRIBUTE sun {0,1}

@data
"""
TRAIN = HEADING + "{0 1,3 1}\n{2 1, 4 1}\n{}\n"
TEST = HEADING + "1,1,0,0,1\n0, 0, 1.0, 1, 1\n"
X = [[1, 0, 0], [0, 0, 1], [0, 0, 0], [1, 1, 0], [0, 0, 1]]
Y = [[1, 0], [0, 1], [0, 0], [0, 1], [1, 1]]


@pytest.fixture
def info():
    return dataclasses.replace(
        datasets.info("corel5k"), parts={"train": 3, "test": 2}, label_count=2, contents={}
    )


@pytest.fixture
def published(root, info):
    folder = root / "mulan"
    folder.mkdir()
    for file, text in zip(info.files, (TRAIN, TEST), strict=True):
        (folder / file.name).write_text(text)
    return folder


def is_tiny(data):
    train, test = data.parts["train"], data.parts["test"]
    assert data.kind == "features"
    assert (train.inputs.dtype, train.targets.dtype) == (torch.float32, torch.bool)
    assert train.inputs.tolist() == X[:3]
    assert test.inputs.tolist() == X[3:]
    assert train.targets.int().tolist() == Y[:3]
    assert test.targets.int().tolist() == Y[3:]
    assert data.class_names == ("city", "sun")


def test_arff_files_are_read_sparse_and_dense_and_cached(info, published):
    first = datasets.load(info, download=False)
    is_tiny(first)
    with np.load(published / "corel5k.npz") as cache:
        assert sorted(cache) == ["feature_names", "label_names", "train_size", "x", "y"]
        assert (cache["x"].dtype, cache["y"].dtype, cache["train_size"].shape) == (np.uint8, np.uint8, ())
        assert cache["feature_names"].tolist() == ["Cluster1", "clear sky", "it's"]
    for file in info.files:
        (published / file.name).unlink()
    second = datasets.load(info, download=False)
    is_tiny(second)
    assert second.checksum == first.checksum
    assert datasets.verify(info).verified == (str(published / "corel5k.npz"),)
    assert verification.status(info).verified == "when loaded"
    datasets.get(info, progress=False)  # nothing to do


def test_the_files_are_downloaded(info, root, server):
    server.files = {file.name: text.encode() for file, text in zip(info.files, (TRAIN, TEST), strict=True)}
    server.plan = ["breaks off", "well"]
    info = dataclasses.replace(info, mirrors=(server.url,))
    assert not datasets.present(info)
    is_tiny(datasets.load(info))
    assert [name for name, _ in server.asked] == [info.files[0].name, info.files[0].name, info.files[1].name]


@pytest.mark.parametrize("cached", [False, True])
def test_content_is_compared_with_the_registry(info, published, cached):
    if cached:
        datasets.load(info, download=False)
    right = {
        name: (Content(arrays.content_checksum(np.array(v, np.uint8))),) for name, v in (("x", X), ("y", Y))
    }
    wrong = {**right, "y": (Content("0" * 64),)}
    with pytest.raises(datasets.DataDamagedError, match=r"is not Corel5k as published: y has content sha256"):
        datasets.load(dataclasses.replace(info, contents=wrong), download=False)
    (problem,) = datasets.verify(dataclasses.replace(info, contents=wrong)).problems
    assert "0" * 64 in problem
    # What is wrong is not kept.
    assert (published / "corel5k.npz").exists() == cached
    is_tiny(datasets.load(dataclasses.replace(info, contents=right), download=False))


def test_another_split_is_refused(info, published):
    other = dataclasses.replace(info, parts={"train": 2, "test": 3})
    with pytest.raises(datasets.DataDamagedError, match=r"5 examples, 3 of them for training"):
        datasets.load(other, download=False)
    datasets.load(info, download=False)
    with pytest.raises(datasets.DataDamagedError, match=r"corel5k.npz is not Corel5k as published"):
        datasets.load(other, download=False)


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_damaged_cache_is_named(info, published, content):
    if content is None:
        np.savez(published / "corel5k.npz", x=np.zeros(3))
    else:
        (published / "corel5k.npz").write_bytes(content)
    with pytest.raises(
        datasets.DataDamagedError, match=r"corel5k.npz is damaged: .* makes it anew from Corel5k-"
    ):
        datasets.load(info, download=False)


def test_a_data_root_that_cannot_be_written_still_loads(info, published, monkeypatch):
    def refuse(path, content):
        raise OSError("read-only")

    monkeypatch.setattr(paths, "atomic_write", refuse)
    with pytest.warns(UserWarning, match="Corel5k is not cached in"):
        is_tiny(datasets.load(info, download=False))


def test_files_with_different_attributes_are_refused(info, published):
    path = published / info.files[1].name
    path.write_text(TEST.replace("city", "town"))
    with pytest.raises(datasets.DataDamagedError, match="have different attributes"):
        datasets.load(info, download=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADING, "it has no data"),
        (HEADING + "{0 1,5 1}\n", r"line 11: there is no attribute 5; they go from 0 to 4"),
        (HEADING + "{0 2}\n", r"line 11: '2' is not 0 or 1"),
        (HEADING + "{0 1\n", r"line 11: the row does not end in }"),
        (HEADING + "1,0,1\n", r"line 11: the row has 3 values for 5 attributes"),
        (HEADING + "1,0,1,?,0\n", r"line 11: '\?' is not 0 or 1"),
        ("@attribute a {yes,no}\n@data\n{}\n", r"line 1: attribute a is \{yes,no\}, not \{0,1\} or numeric"),
        ("@attribute\n@data\n{}\n", "line 1: '@attribute' is not an attribute with a name and a type"),
        ("anything\n", "line 1: 'anything' is neither an attribute nor a comment"),
    ],
)
def test_a_damaged_arff_file_is_named_with_its_line(tmp_path, text, message):
    path = tmp_path / "a.arff"
    path.write_text(text)
    with pytest.raises(datasets.DataDamagedError, match=rf"a.arff is damaged: {message}"):
        mulan.read_arff(path)
