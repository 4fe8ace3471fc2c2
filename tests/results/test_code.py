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
    code._parsed.cache_clear()
    yield write
    code._parsed.cache_clear()


_INDENTED = '''
    """Doc."""
    import math
    from toy.other import helper as aid
    from toy import third

    SCALE = 2
    UNUSED = 3

    def f(x):
        """Say what it does."""
        return aid(x) * SCALE  # twice

    class C:
        """A class."""
        def m(self):
            return third.g(1)

    def unused():
        return 1
'''
OTHER = "def helper(x):\n    return x + deep()\n\ndef deep():\n    return 0\n\ndef aside():\n    return 5\n"
THIRD = "def g(x):\n    return x\n\ndef h(x):\n    return x\n"


BASE = textwrap.dedent(_INDENTED)


def hashes(package, a=BASE, other=OTHER, third=THIRD):
    package(a=a, other=other, third=third)
    return code.code_hash(["toy.a:f"]), code.code_hash(["toy.a:C"]), code.module_closure_hash(["toy.a"])


def test_comments_docstrings_and_blank_lines_do_not_count(package):
    before = hashes(package)
    changed = BASE.replace("# twice", "# two times").replace("Say what it does.", "Say it.\n\n    More.\n")
    changed = changed.replace("SCALE = 2", "\n\nSCALE = 2")
    assert changed != BASE
    assert hashes(package, a=changed) == before


@pytest.mark.parametrize(
    ("module", "old", "new", "moves"),
    [
        ("a", "SCALE = 2", "SCALE = 4", (True, False, True)),
        ("a", "UNUSED = 3", "UNUSED = 4", (False, False, True)),
        ("a", "third.g(1)", "third.h(1)", (False, True, True)),
        ("a", "* SCALE", "+ SCALE", (True, False, True)),
        ("other", "return 0", "return 1", (True, False, True)),
        ("other", "return 5", "return 6", (False, False, True)),
        ("third", "def g(x):\n    return x", "def g(x):\n    return -x", (False, True, True)),
        ("third", "def h(x):\n    return x", "def h(x):\n    return -x", (False, False, True)),
    ],
)
def test_a_change_moves_what_depends_on_it_alone(package, module, old, new, moves):
    before = hashes(package)
    sources = {"a": BASE, "other": OTHER, "third": THIRD}
    assert old in sources[module]
    sources[module] = sources[module].replace(old, new)
    after = hashes(package, **sources)
    assert tuple(x != y for x, y in zip(before, after, strict=True)) == moves


def test_names_re_exported_by_a_package_are_followed(package):
    def both(body):
        package(
            sub__in____init__="from toy.sub.inner import f\n",
            sub__in__inner=f"def f():\n    return {body}\n",
            a="from toy.sub import f\n\ndef g():\n    return f()\n",
        )
        return code.code_hash(["toy.a:g"])

    assert both("1") != both("2")


def test_imports_inside_a_function_are_followed(package):
    def result(body):
        package(a="def g():\n    from toy.b import f\n    return f()\n", b=f"def f():\n    return {body}\n")
        return code.code_hash(["toy.a:g"])

    assert result("1") != result("2")


def test_a_module_used_as_a_value_counts_whole(package):
    def result(body):
        package(
            a="from toy import b\n\ndef g():\n    return vars(b)\n",
            b=f"def f():\n    return {body}\n",
        )
        return code.code_hash(["toy.a:g"])

    assert result("1") != result("2")


def test_decorators_count(package):
    def result(decorator):
        package(a=f"import functools\n\n{decorator}\ndef g():\n    return 1\n")
        return code.code_hash(["toy.a:g"])

    assert result("@functools.cache") != result("@functools.lru_cache")


def test_a_name_that_is_not_there_is_an_error(package):
    package(a="x = 1\n")
    with pytest.raises(LookupError, match="nothing"):
        code.code_hash(["toy.a:nothing"])


def test_names_of_other_packages_count_as_themselves(package):
    package(a="x = 1\n")
    first = code.code_hash(["torch.nn:CrossEntropyLoss", "toy.a:x"])
    assert first != code.code_hash(["torch.nn:NLLLoss", "toy.a:x"])


def test_a_field_named_as_a_function_of_the_module_is_not_that_function(package):
    def hashed(body):
        method = "def m(self):\n        return self.f"
        package(a=f"def f():\n    return {body}\n\nclass C:\n    f: int\n    {method}\n")
        return code.code_hash(["toy.a:C"])

    assert hashed(1) == hashed(2)


def test_nllr_does_not_reach_the_other_losses_of_its_kernel():
    reached: dict[tuple[str, str], str] = {}
    code._reach("lossbook.losses.softmax", "NLLRLoss", reached)
    names = {name for _, name in reached}
    assert {"NLLRLoss", "nllr_loss", "nllr_phi", "PhiLoss", "row_losses", "reduce_loss"} <= names
    assert not names & {"gce_phi", "phi", "ceel_loss", "softmax_bce_loss", "SoftmaxBCE"}


def test_module_closure_of_the_losses_is_small():
    found = code.module_closure(["lossbook.losses"])
    assert "lossbook.losses.softmax" in found
    assert not [name for name in found if "training" in name or "report" in name]


def test_imports_of_a_piece_of_code():
    tree = ast.parse("from lossbook import losses\nimport lossbook.results.store\nimport numpy\n")
    assert code.imported_modules(tree) == {"lossbook", "lossbook.losses", "lossbook.results.store"}
