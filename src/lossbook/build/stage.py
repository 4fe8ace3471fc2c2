"""Laying out what Jupyter Book reads."""

import base64
import json
import os
import re
from pathlib import Path
from typing import Any

import yaml

from lossbook import paths
from lossbook.build.hashing import files_in
from lossbook.build.places import checkout, notebook_names, profile_dir
from lossbook.build.source import read_source
from lossbook.errors import LossbookError


def first_page() -> str:
    """The file name of the book's first page."""
    return f"{_toc()['root']}.html"


def stage(profile: str) -> Path:
    """Lay out what Jupyter Book reads: pages, executed notebooks, settings. The unchanged stays untouched.

    Raises:
        LossbookError: A page of ``_toc.yml`` has no source, or a source is in no chapter.
    """
    top, folder = checkout(), profile_dir(profile)
    wanted = {path.relative_to(top / "book"): path.read_bytes() for path in files_in([top / "book"])}
    for path in [path for path in wanted if path.suffix == ".md"]:
        wanted[path] = _link_to_executed(wanted[path].decode(), path.parent).encode()
    for name in notebook_names():
        notebook = with_current_text(name, profile)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = _link_to_executed("".join(cell["source"]), Path(name).parent)
        _link_figures(notebook, f"../files/{name}", folder / "files" / name)
        wanted[Path(f"{name}.ipynb")] = json.dumps(notebook, indent=1).encode()
    _check_toc({path.with_suffix("").as_posix() for path in wanted if path.suffix in (".md", ".ipynb")})
    wanted[Path("_toc.yml")] = (top / "_toc.yml").read_bytes()
    wanted[Path("_config.yml")] = yaml.safe_dump(_config()).encode()
    target = folder / "stage"
    for path in files_in([target]):
        if path.relative_to(target) not in wanted:
            path.unlink()
    for relative, content in wanted.items():
        path = target / relative
        if not path.is_file() or path.read_bytes() != content:
            paths.atomic_write(path, content)
    return target


def with_current_text(name: str, profile: str) -> dict[str, Any]:
    """The executed notebook with the text that its source has now: a changed word asks for no execution."""
    path = profile_dir(profile) / "notebooks" / f"{name}.ipynb"
    executed: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in executed["cells"] if cell["cell_type"] == "code"]
    cells: list[dict[str, Any]] = []
    for cell in read_source(name).notebook.cells:
        if cell.cell_type == "code":
            cells.append(code.pop(0))
            while code and "injected-parameters" in code[0]["metadata"].get("tags", []):
                cells.append(code.pop(0))
        else:
            cells.append(dict(cell))
    for number, each in enumerate(cells):
        each["id"] = f"cell-{number}"  # jupytext makes up random ones
    return executed | {"cells": cells}


_EMBEDDED = re.compile(r'src="data:image/svg\+xml;base64,([^"]+)"')


def _link_figures(notebook: dict[str, Any], place: str, files: Path) -> None:
    """Point figures that an executed notebook embeds to the files of the page, which have them once."""
    there = {path.read_bytes(): path.name for path in files.glob("*.svg")}

    def link(figure: re.Match[str]) -> str:
        name = there.get(base64.b64decode(figure[1]))
        return f'src="{place}/{name}" loading="lazy"' if name else figure[0]

    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if html := output.get("data", {}).get("text/html"):
                output["data"]["text/html"] = _EMBEDDED.sub(link, "".join(html))


def _link_to_executed(text: str, folder: Path) -> str:
    """Point links to notebooks' sources, which work in the repository, to the pages made of them."""

    def point(link: re.Match[str]) -> str:
        target = os.path.normpath(folder / link[1]).replace(os.sep, "/")
        return f"]({link[1]}.ipynb{link[2] or ''})" if target in names else link[0]

    names = set(notebook_names())
    return re.sub(r"\]\(([^()\s#]+)\.md(#[^()\s]*)?\)", point, text)


def _toc() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((checkout() / "_toc.yml").read_text(encoding="utf-8"))
    return content


def _check_toc(there: set[str]) -> None:
    listed: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            listed.extend(node[key] for key in ("root", "file") if key in node)
            node = list(node.values())
        for each in node if isinstance(node, list) else []:
            walk(each)

    walk(_toc())
    problems = [
        f"_toc.yml lists {page!r}, but neither book/{page}.md nor notebooks/{page}.md is there"
        for page in listed
        if page not in there and not page.startswith("api/")  # sphinx-autoapi writes those
    ]
    problems += [f"{page}.md is in no chapter of _toc.yml" for page in sorted(there - set(listed))]
    if problems:
        raise LossbookError("\n".join(problems))


def _config() -> dict[str, Any]:
    """The settings of ``_config.yml`` with what depends on the machine."""
    top = checkout()
    config: dict[str, Any] = yaml.safe_load((top / "_config.yml").read_text(encoding="utf-8"))
    config["sphinx"]["local_extensions"] = {"lossbook_pages": str(top / "workflow" / "sphinx")}
    config["sphinx"]["config"]["autoapi_dirs"] = [str(top / "src" / "lossbook")]
    config["sphinx"]["config"]["autoapi_template_dir"] = str(top / "workflow" / "sphinx" / "templates")
    book, repository = address()
    config["html"]["baseurl"] = book
    if repository:
        config["repository"] = {"url": repository, "branch": "main"}
        config["html"]["use_repository_button"] = True
    return config


def address() -> tuple[str, str]:
    """Where the book and its repository are published: ``BOOK_URL`` and ``BOOK_REPOSITORY``, else nowhere."""
    return os.environ.get("BOOK_URL", ""), os.environ.get("BOOK_REPOSITORY", "")
