"""How the pages show checks: a line with a tick that opens to the code behind it."""

import importlib.util
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[2] / "workflow" / "sphinx" / "lossbook_pages.py"


@pytest.fixture(scope="module")
def fold():
    spec = importlib.util.spec_from_file_location("lossbook_pages", _PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.fold_checks


def tick(text, line):
    return {
        "output_type": "display_data",
        "data": {"text/plain": text},
        "metadata": {"lossbook_check_line": line},
    }


TABLE = {"output_type": "display_data", "data": {"text/html": "<table>"}, "metadata": {}}


def cell(source, *outputs, tags=()):
    return {
        "cell_type": "code",
        "id": "cell-7",
        "source": source,
        "outputs": list(outputs),
        "metadata": {"tags": list(tags)},
    }


def shown(part):
    return part["metadata"].get("mystnb", {}).get("code_prompt_show"), part["source"], part["outputs"]


def test_a_cell_without_checks_stays(fold):
    for given in (cell("1 + 1", TABLE), {"cell_type": "markdown", "source": "text", "metadata": {}}):
        assert fold(given) == [given]


def test_each_check_has_the_code_before_it(fold):
    source = "a = 1\ncheck(\n    'one',\n    a == 1,\n)\n\nb = 2\ncheck('two', b == 2)\nc = 3"
    parts = fold(cell(source, tick("✓ one", 2), tick("✓ two", 8)))
    assert [shown(part) for part in parts] == [
        ("✓ one", "a = 1\ncheck(\n    'one',\n    a == 1,\n)", []),
        ("✓ two", "b = 2\ncheck('two', b == 2)\nc = 3", []),
    ]
    assert all(part["metadata"]["tags"] == ["check", "hide-input"] for part in parts)
    assert len({part["id"] for part in parts}) == 2


def test_checks_of_one_statement_stand_together(fold):
    source = "for n in (2, 4):\n    check(f'{n}', True)\n    check('again', True)"
    ticks = [tick("✓ 2", 2), tick("✓ again", 3), tick("✓ 4", 2), tick("✓ again", 3)]
    assert [shown(part) for part in fold(cell(source, *ticks))] == [
        ("✓ 2\n✓ again\n✓ 4\n✓ again", source, [])
    ]


def test_what_the_rest_of_the_cell_shows_keeps_its_own_fold(fold):
    source = "check('one', True)\npage.table(frame)"
    check, rest = fold(cell(source, tick("✓ one", 1), TABLE, tags=["hide-input"]))
    assert shown(check) == ("✓ one", "check('one', True)", [])
    assert shown(rest) == (None, "page.table(frame)", [TABLE])
    assert rest["metadata"]["tags"] == ["hide-input"]


def test_what_is_shown_before_a_check_stays_above_the_next(fold):
    source = "page.table(frame)\ncheck('one', True)"
    (part,) = fold(cell(source, TABLE, tick("✓ one", 2)))
    assert shown(part) == ("✓ one", source, [TABLE])


def test_a_cell_with_a_magic_stays_whole(fold):
    source = "%load_ext something\ncheck('one', True)\ncheck('two', True)"
    (part,) = fold(cell(source, tick("✓ one", 2), tick("✓ two", 3)))
    assert shown(part) == ("✓ one\n✓ two", source, [])
