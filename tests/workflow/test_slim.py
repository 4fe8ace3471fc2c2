"""What is left out of the built pages."""

import base64
import json

import pytest

from lossbook.build import stage
from lossbook.build.slim import once, slim
from lossbook.build.whole import weight


@pytest.fixture
def site(tmp_path):
    """A page, and static files that are named by it, by one another, by themselves alone, or by nothing."""
    files = {
        "paper/page.html": '<script src="../_static/used.js"></script><link href="../_static/used.css?v=1">',
        "_static/used.js": 'load("chain.js")\n//# sourceMappingURL=used.js.map',
        "_static/chain.js": "",
        "_static/used.css": "src: url(fonts/a.woff2), url(fonts/a.ttf)",
        "_static/used.js.map": "",
        "_static/fonts/a.woff2": "",
        "_static/fonts/a.ttf": "",
        "_static/unused.js": "unused.js loads idle.js",
        "_static/idle.js": "",
        "_more/unused.css": "",
        "files/paper/page/table.csv": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_no_page_needs_is_left_out(site):
    slim(site)
    assert {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()} == {
        "paper/page.html",
        "_static/used.js",
        "_static/chain.js",
        "_static/used.css",
        "_static/fonts/a.woff2",
        "files/paper/page/table.csv",
    }
    assert not (site / "_more").exists(), "an empty folder is left out too"


def test_a_file_is_there_once_and_every_page_links_to_it(tmp_path):
    files = {
        "a/one.html": '<a href="../files/a/one/runs.csv">',
        "a/two.html": '<a href="../files/a/two/runs.csv"><a href="../files/a/two/table.csv">',
        "files/a/one/runs.csv": "same",
        "files/a/two/runs.csv": "same",
        "files/a/two/table.csv": "other",
        "files/a/two/other.csv": "same",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    once(tmp_path)
    assert (tmp_path / "files/a/two/other.csv").exists(), "a reader gets the file by its own name"
    assert not (tmp_path / "files/a/two/runs.csv").exists()
    assert (tmp_path / "a/one.html").read_text() == files["a/one.html"]
    assert (tmp_path / "a/two.html").read_text() == (
        '<a href="../files/a/one/runs.csv"><a href="../files/a/two/table.csv">'
    )


def test_the_weight_of_the_pages_is_said(tmp_path):
    assert weight(tmp_path) == "0.0 MB"
    for name, size in (
        ("intro.html", 20_000),
        ("paper/page.html", 250_000),
        ("files/paper/page/a.csv", 3_000_000),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    assert weight(tmp_path) == "3.3 MB; heaviest page paper/page.html, 0.25 MB"


def test_figures_of_a_page_are_files_and_are_not_embedded_again(tmp_path):
    (tmp_path / "a.svg").write_bytes(b"<svg>a</svg>")
    embedded = [
        f'<img src="data:image/svg+xml;base64,{base64.b64encode(text).decode()}" alt="x">'
        for text in (b"<svg>a</svg>", b"<svg>b</svg>")
    ]
    html = {"data": {"text/html": ["".join(embedded)], "text/plain": "x"}}
    outputs = [html, {"name": "stdout", "text": "x"}]
    notebook = {"cells": [{"cell_type": "code", "outputs": outputs}, {"cell_type": "markdown", "source": ""}]}
    stage._link_figures(notebook, "../files/paper/page", tmp_path)
    shown = notebook["cells"][0]["outputs"][0]["data"]["text/html"]
    assert shown == f'<img src="../files/paper/page/a.svg" loading="lazy" alt="x">{embedded[1]}'
    json.dumps(notebook)
