"""Tables by one name."""

import pytest
import torch

from lossbook import datasets
from lossbook.datasets import tables
from lossbook.errors import UnknownNameError


def test_embedded_tables_are_there_without_files():
    assert datasets.is_table("sklearn/wine")
    assert not datasets.is_table("mnist")
    assert datasets.table_present("sklearn/wine")
    datasets.get_table("sklearn/wine")
    assert datasets.load_table("sklearn/wine").checksum == datasets.load_embedded_uci("wine").checksum


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("uci/abalone", "collection of tables 'uci'.*did you mean 'uci121'"),
        ("uci121/abalon", "did you mean 'uci121/abalone'"),
        ("sklearn/moons", "unknown table 'sklearn/moons'"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(name, message):
    for function in (datasets.table_present, datasets.get_table, datasets.load_table):
        with pytest.raises(UnknownNameError, match=message):
            function(name)


def test_a_table_that_is_not_there_and_cannot_be_had(monkeypatch, tmp_path):
    monkeypatch.setenv("LOSSBOOK_DATA", str(tmp_path))
    monkeypatch.setattr(tables, "find", lambda name: name)
    asked = []

    def download(what):
        asked.append(what)
        raise datasets.DataUnavailableError("no server answered")

    import lossbook.datasets.download

    monkeypatch.setattr(lossbook.datasets.download, "get", download)
    assert not datasets.table_present("uci121/abalone")
    for function in (datasets.get_table, datasets.load_table):
        with pytest.raises(datasets.DataUnavailableError, match="unavailable. no server answered"):
            function("uci121/abalone")
    assert asked == ["uci121", "uci121"]


@pytest.mark.parametrize("two_scales", [False, True])
def test_only_a_set_on_two_scales_is_standardised_again(monkeypatch, two_scales):
    plain = datasets.load_embedded_uci("iris")
    shifted = tables.UciSet(
        **{name: getattr(plain, name) for name in ("name", "labels", "num_classes", "tuning")},
        features=plain.features * 3 + 1,
        first_file=100,
        partitions=plain.partitions,
        checksum="",
        notes=("the training file and the test file are on different scales; standardise_files mends that",)
        if two_scales
        else (),
    )
    monkeypatch.setattr(tables, "load_uci", lambda name: shifted)
    monkeypatch.setattr(tables, "is_there", lambda name, root: True)
    found = datasets.load_table("uci121/iris")
    if two_scales:
        for part in (found.features[:100], found.features[100:]):
            torch.testing.assert_close(part.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
        assert "each data file was standardised by itself" in found.notes
    else:
        assert found is shifted
