"""Hashes of the code behind a number: they change when it does, and only then."""

import ast
import textwrap

import pytest

from lossbook.results import code


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of its own, with a function to write its modules."""
    top = tmp_path / "toy"

    def write(**modules):
        for name, text in {"__init__": "", **modules}.items():
            path = top.joinpath(*name.split("__in__")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            (path.parent / "__init__.py").touch()
            path.write_text(textwrap.dedent(text))

    monkeypatch.setattr(code, "_PACKAGE", top)
    monkeypatch.setattr(code, "_NAME", "toy")
    return write


_INDENTED = '''
    """Doc."""
    import math
    from typing import TYPE_CHECKING

    from toy.other import helper as aid
    from toy.sub import third

    if TYPE_CHECKING:
        from toy.shape import Shape
    else:
        from toy.real import Shape

    SCALE = 2

    def f(x: "Shape"):
        """Say what it does."""
        from toy import late
        return aid(x) * SCALE * late.y  # twice
'''
BASE = textwrap.dedent(_INDENTED)
SOURCES = {
    "a": BASE,
    "other": "def helper(x):\n    return x\n",
    "late": "y = 1\n",
    "real": "Shape = int\n",
    "shape": "from toy import aside\n\nShape = str\n",
    "aside": "z = 1\n",
    "sub__in____init__": "from toy.sub import fourth\n",
    "sub__in__third": "from . import fifth\n",
    "sub__in__fourth": "w = 1\n",
    "sub__in__fifth": "v = 1\n",
}


def hashed(package, **changes):
    package(**SOURCES | changes)
    return code.code_hash(["toy.a"])


def test_comments_docstrings_and_blank_lines_do_not_count(package):
    before = hashed(package)
    changed = BASE.replace("# twice", "# two times").replace("Say what it does.", "Say it.\n\n    More.\n")
    changed = changed.replace("SCALE = 2", "\n\nSCALE = 2")
    assert changed != BASE
    assert hashed(package, a=changed) == before


@pytest.mark.parametrize(
    ("module", "moves"),
    [
        ("a", True),
        ("other", True),
        ("late", True),  # imported within a function
        ("real", True),
        ("sub__in__third", True),
        ("sub__in__fifth", True),  # a relative import
        ("shape", False),  # for annotations alone
        ("aside", False),
        ("sub__in____init__", False),  # only the way to the module that is imported
        ("sub__in__fourth", False),
    ],
)
def test_a_change_counts_where_the_module_is_imported(package, module, moves):
    before = hashed(package)
    assert (hashed(package, **{module: SOURCES[module] + "\nmore = 1\n"}) != before) == moves


def test_what_is_taken_from_a_package_itself_counts(package):
    taking = BASE.replace("from toy.sub import third", "from toy import sub")
    before = hashed(package, a=taking)
    assert hashed(package, a=taking, sub__in__fourth="w = 2\n") != before
    name = BASE.replace("from toy.sub import third", "from toy.sub import fourth, no_module")
    before = hashed(package, a=name)
    assert hashed(package, a=name, sub__in____init__="no_module = 1\n") != before


def test_the_names_of_modules_count(package):
    package(a="x = 1\n", b="x = 1\n")
    assert code.code_hash(["toy.a"]) != code.code_hash(["toy.b"])
    assert code.code_hash(["toy.a", "toy.b"]) == code.code_hash(["toy.b", "toy.a", "toy.a"])


@pytest.mark.parametrize("name", ["toy.nothing", "torch.nn"])
def test_a_module_that_is_not_there_is_an_error(package, name):
    package(a="x = 1\n")
    with pytest.raises(LookupError, match=name):
        code.code_hash(["toy.a", name])


def test_one_family_of_losses_does_not_depend_on_the_others():
    found = code.module_closure(["lossbook.losses.softmax"])
    assert "lossbook.losses._rowwise" in found
    assert not {"lossbook.losses", "lossbook.losses.logistic", "lossbook.losses.mixing"} & {*found}


def test_the_training_loop_depends_on_no_loss_and_no_network():
    found = code.module_closure(["lossbook.training.loop"])
    assert "lossbook.training.steps" in found
    assert not [name for name in found if name.startswith(("lossbook.losses", "lossbook.models"))]


def test_module_closure_of_the_losses_is_small():
    found = code.module_closure(["lossbook.losses"])
    assert "lossbook.losses.softmax" in found
    assert not [name for name in found if "training" in name or "report" in name]


def test_imports_of_a_piece_of_code():
    tree = ast.parse(
        "from lossbook import losses, __version__\nimport lossbook.results.store\nimport numpy\n"
    )
    assert code.imported_modules(tree) == {"lossbook", "lossbook.losses", "lossbook.results.store"}
    assert code.imported_modules(ast.parse("from lossbook import losses")) == {"lossbook.losses"}
