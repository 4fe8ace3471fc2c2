"""The map from equations to pages, functions and tests: complete, and without a dead end."""

import ast
import importlib
import pkgutil
import re
from functools import cache
from pathlib import Path

import pytest

from lossbook import papers
from lossbook.papers import Equation

ROOT = Path(__file__).parents[2]
PAPERS = [
    module.name
    for module in pkgutil.iter_modules(papers.__path__)
    if module.ispkg and module.name != "synthesis"
]


def equations(paper: str) -> tuple[Equation, ...]:
    return importlib.import_module(f"lossbook.papers.{paper}.equations").EQUATIONS


def labels(paper: str) -> list[str]:
    text = (ROOT / "notebooks" / paper / "derivation.md").read_text(encoding="utf-8")
    return re.findall(r"^\(([a-z0-9-]+)\)=$", text, flags=re.MULTILINE)


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


EVERY = [pytest.param(paper, each, id=each.label) for paper in PAPERS for each in equations(paper)]


def test_every_paper_is_there():
    assert PAPERS == ["battash2021", "dong2019", "li2020", "yao2018"]


@pytest.mark.parametrize("paper", PAPERS)
def test_every_numbered_label_is_in_the_map_in_the_order_of_the_page(paper):
    mapped = [equation.label for equation in equations(paper)]
    on_page = labels(paper)
    assert [label for label in mapped if label not in on_page] == []
    assert [label for label in on_page if label.startswith(f"{paper}-eq-") or label in mapped] == mapped


@pytest.mark.parametrize(
    ("paper", "last"), [("battash2021", 22), ("dong2019", 6), ("li2020", 11), ("yao2018", 12)]
)
def test_no_equation_of_the_paper_is_missing(paper, last):
    named = list(dict.fromkeys(equation.name for equation in equations(paper) if equation.name))
    assert named == [f"Eq. {number}" for number in range(1, last + 1)]


@pytest.mark.parametrize(("paper", "equation"), EVERY)
def test_its_functions_are_there_and_documented(paper, equation):
    for name in equation.functions:
        module, _, function = name.rpartition(".")
        found = getattr(importlib.import_module(module), function)
        assert callable(found)
        assert found.__doc__


@pytest.mark.parametrize(("paper", "equation"), EVERY)
def test_its_tests_are_there(paper, equation):
    for name in equation.tests:
        path, _, test = name.partition("::")
        assert test in names_in(path), name


@pytest.mark.parametrize(("paper", "equation"), EVERY)
def test_what_the_package_computes_is_tested(paper, equation):
    ours = any(name.startswith("lossbook.") for name in equation.functions)
    assert bool(equation.tests) or not ours
