"""Choosing cells by their labels."""

import re

import pytest

from lossbook.errors import LossbookError, UnknownNameError
from lossbook.results import where

CELLS = [
    {"loss": "ce", "lr": 0.1},
    {"loss": "lgl", "lr": 0.1, "beta": 1},
    {"loss": "lgl", "lr": 0.01, "beta": 16, "detach": True},
    {"loss": "ceel", "lr": 0.1, "schedule": "0,0.5"},
]


def chosen(text):
    return where.select(CELLS, where.parse(text), lambda cell: cell)


def test_a_text_is_labels_and_values():
    assert where.parse("loss=lgl_inr,beta=1") == {"loss": "lgl_inr", "beta": "1"}
    assert where.parse(" schedule = 0,0.5 , loss=ce") == {"schedule": "0,0.5", "loss": "ce"}
    assert where.parse("schedule=") == {"schedule": ""}


@pytest.mark.parametrize("text", ["", "loss", "=ce", "loss,beta=1"])
def test_what_is_no_list_of_labels_is_refused(text):
    with pytest.raises(LossbookError, match="--where takes label=value"):
        where.parse(text)


def test_a_label_twice_is_refused():
    with pytest.raises(LossbookError, match="'loss' twice"):
        where.parse("loss=ce,loss=lgl")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("loss=lgl", [1, 2]),
        ("loss=lgl,beta=1", [1]),
        ("beta=1.0", [1]),
        ("lr=1e-2", [2]),
        ("detach=True", [2]),
        ("schedule=0,0.5", [3]),
    ],
)
def test_cells_are_chosen_by_value(text, expected):
    assert chosen(text) == [CELLS[i] for i in expected]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("los=ce", "unknown label 'los'; did you mean 'loss'? There are: beta, detach, loss, lr, schedule"),
        ("beta=2", "unknown value of beta '2'; There are: 1, 16"),
        ("detach=1", "unknown value of detach '1'; There are: True"),
        ("loss=lg", "did you mean 'lgl'? There are: ce, ceel, lgl"),
    ],
)
def test_what_no_cell_has_is_refused_with_what_there_is(text, message):
    with pytest.raises(UnknownNameError, match=re.escape(message)):
        chosen(text)


def test_values_that_no_cell_has_together_are_refused():
    with pytest.raises(LossbookError, match="no cell has them together"):
        chosen("loss=ce,beta=1")
