"""The papers' tables, as printed."""

import pytest

from lossbook import paths
from lossbook.errors import UnknownNameError
from lossbook.results import published


def test_digits_stay_as_printed(tmp_path, monkeypatch):
    folder = tmp_path / "published" / "paper"
    folder.mkdir(parents=True)
    (folder / "table1.csv").write_text("name,value\na,99.20\nb,\n")
    monkeypatch.setattr(paths, "data_file", lambda *parts: tmp_path.joinpath(*parts))
    frame = published("paper", "table1")
    assert list(frame["value"]) == ["99.20", ""]


def test_an_unknown_table_is_an_error_that_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'yao2018/table1'"):
        published("yao2018", "table7")
