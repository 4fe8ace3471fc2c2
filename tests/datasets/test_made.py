"""The set that scikit-learn draws: always the same, or refused."""

from dataclasses import replace

import pytest

from lossbook import datasets
from lossbook.datasets import DataDamagedError
from lossbook.datasets.registry import Content


def test_it_is_there_and_the_same() -> None:
    assert datasets.present("made_labels")
    data = datasets.load("made_labels", download=False)
    assert data.checksum.startswith("3c9d3b2481b3")
    assert data.parts["train"].inputs.shape == (300, 20)
    assert data.parts["test"].targets.shape == (100, 12)
    assert float(data.parts["train"].targets.sum(1).float().mean()) == pytest.approx(1.9, abs=0.1)


def test_other_numbers_are_refused() -> None:
    info = datasets.info("made_labels")
    other = replace(info, contents={**info.contents, "y": (Content("0" * 64),)})
    with pytest.raises(
        DataDamagedError, match="draws other made_labels than this package was made with: y has"
    ):
        datasets.load(other)
