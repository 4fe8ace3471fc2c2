"""The examples of the page "In other people's loops" that need a library which this project does not install.

Blocks marked ``python`` run with those of the other pages. Those marked ``py`` run here, each where its
library is::

    pip install lightning accelerate skorch transformers
"""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "book" / "loops.md"
BLOCK = re.compile(r"^```(python|py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMON = BLOCK.search(PAGE.read_text())[2]
HEAVY = [body for kind, body in BLOCK.findall(PAGE.read_text()) if kind == "py"]


def library(block):
    """The first that a block imports."""
    return re.search(r"^(?:from|import) (\w+)", block, re.MULTILINE)[1]


def test_the_page_has_an_example_for_each_library():
    assert sorted(map(library, HEAVY)) == ["accelerate", "lightning", "skorch", "transformers"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("block", HEAVY, ids=library)
def test_an_example_runs(block, tmp_path, monkeypatch):
    pytest.importorskip(library(block))
    if library(block) == "transformers":
        pytest.importorskip("accelerate")  # its Trainer is of no use without
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    names = {"__name__": "example"}
    exec(compile(COMMON, "loops.md, first block", "exec"), names)
    exec(compile(block, f"loops.md, {library(block)}", "exec"), names)
