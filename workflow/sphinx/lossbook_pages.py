"""What this book asks of Sphinx beyond its settings."""

import ast
import json
from html import escape
from typing import Any

from myst_nb.sphinx_ import HideCodeCellNode

#: Of `lossbook.analysis.checks`, whose import would load PyTorch.
LINE = "lossbook_check_line"

Cell = dict[str, Any]


def _hide_inside(_app: Any, what: str, name: str, _obj: Any, skip: bool, _options: list[str]) -> bool:
    """Skip the modules inside a room: their public names stand on the room's own page."""
    return skip or (what in ("module", "package") and name.count(".") > 1)


# --- checks -------------------------------------------------------------------------------------------------


def _fold_checks_of_page(app: Any, page: str, source: list[str]) -> None:
    if app.env.doc2path(page).endswith(".ipynb"):
        notebook = json.loads(source[0])
        notebook["cells"] = [part for cell in notebook["cells"] for part in fold_checks(cell)]
        source[0] = json.dumps(notebook)


def fold_checks(cell: Cell) -> list[Cell]:
    """Divide a cell into one for each check: the line with the tick, and behind it the code that made it.

    A statement that makes several checks, such as a loop, stays whole, and their lines stand together. The
    code goes to the check that it prepares; what follows the last check goes with it, unless it shows
    something itself. Cells without a check stay as they are.
    """
    checks = [output for output in cell.get("outputs", []) if LINE in output.get("metadata", {})]
    if not checks:
        return [cell]
    lines = "".join(cell["source"]).splitlines()
    try:
        ends = [node.end_lineno or 0 for node in ast.parse("\n".join(lines)).body]
    except SyntaxError:  # A magic, which is no Python: the cell stays whole.
        ends = [len(lines)]
    parts: list[tuple[int, list[str], list[Cell]]] = []  # last line, ticks, what else the code shows
    shown: list[Cell] = []
    for output in cell["outputs"]:
        if LINE not in output.get("metadata", {}):
            shown.append(output)
            continue
        end = next(end for end in ends if end >= output["metadata"][LINE])
        if not parts or parts[-1][0] != end:
            parts.append((end, [], []))
        parts[-1][1].append("".join(output["data"]["text/plain"]))
        parts[-1][2].extend(shown)
        shown = []
    if not shown:
        parts[-1] = (len(lines), *parts[-1][1:])
    folded = []
    start = 0
    for number, (end, ticks, others) in enumerate(parts):
        prompt = "\n".join(ticks)
        metadata = {
            "tags": ["check", "hide-input"],
            "mystnb": {"code_prompt_show": prompt},
        }
        source = "\n".join(lines[start:end]).strip("\n")
        changes = {"source": source, "outputs": others, "metadata": metadata, "id": f"{cell['id']}-{number}"}
        folded.append(cell | changes)
        start = end
    if shown:
        folded.append(cell | {"source": "\n".join(lines[start:]).strip("\n"), "outputs": shown})
    return folded


def _open_fold(translator: Any, node: HideCodeCellNode) -> None:
    # MyST-NB's own names every fold "Toggle hidden content" to a screen reader, and hides its text from it.
    lines = "".join(f"<span>{escape(line)}</span>" for line in node["prompt_show"].splitlines())
    translator.body.append(f'<details class="hide {" ".join(node["classes"])}"><summary>{lines}</summary>\n')


def _close_fold(translator: Any, _node: HideCodeCellNode) -> None:
    translator.body.append("</details>\n")


def _no_download_button(_app: Any, config: Any) -> None:
    """Leave out the theme's button: it leads to copies of the sources, and pages have links of their own."""
    config.html_theme_options = {**config.html_theme_options, "use_download_button": False}


def setup(app: Any) -> dict[str, bool]:
    """Make this an extension."""
    app.connect("autoapi-skip-member", _hide_inside)
    app.connect("source-read", _fold_checks_of_page)
    app.add_node(HideCodeCellNode, override=True, html=(_open_fold, _close_fold))
    app.connect("config-inited", _no_download_button)
    # Sphinx loads MathJax where a page's source has mathematics; here some are in outputs alone.
    app.set_html_assets_policy("always")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
