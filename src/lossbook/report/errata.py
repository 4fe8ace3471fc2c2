"""The papers' errata: read, checked for form, and shown on a page."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from html import escape
from pathlib import Path

import pandas as pd
import yaml
from IPython.display import HTML

from lossbook import paths
from lossbook.errors import LossbookError
from lossbook.report.page import Cell

MATTERS = {
    "result": "a formula or a conclusion changes",
    "design": "it bears on what the experiments can show",
    "wording": "the text may mislead",
    "typo": "a slip of the pen",
}
"""How much an erratum matters, heaviest first, and what each word means."""

_CHECKED_BY = re.compile(r"(?P<page>[a-z0-9-]+/[a-z0-9-]+)#(?P<label>[a-z0-9-]+)")

_STYLE = """<style>
.lossbook-erratum {border-top: 1px solid #8884; padding-top: .6em; margin-top: 1.2em; overflow-wrap: anywhere}
.lossbook-erratum h3 {margin: 0 0 .4em; font-size: 1.1em}
.lossbook-erratum dt {font-weight: 600; margin-top: .4em}
.lossbook-erratum dd {margin-left: 1em; overflow-x: auto}
</style>"""


class ErrataError(LossbookError):
    """The list of errata is not in order; the message names the entry and what it lacks."""


@dataclass(frozen=True)
class Erratum:
    r"""One place where a paper's text should read differently; mathematics stands between ``\(`` and ``\)``.

    Attributes:
        id: Unique; begins with the paper's key.
        paper: The paper's key.
        title: The point in a few words.
        location: Where in the paper.
        printed: What is printed there, or ``missing`` where the paper says nothing and should.
        right: What it should say.
        checked_by: Where the point is checked, ``<paper>/<item>#<label>``.
        matters: One of :data:`MATTERS`.
        explanation: Why, in a few sentences.
    """

    id: str
    paper: str
    title: str
    location: str
    printed: str
    right: str
    checked_by: str
    matters: str
    explanation: str

    @property
    def page(self) -> str:
        """The page that checks it, ``<paper>/<item>``."""
        return self.checked_by.partition("#")[0]

    @property
    def label(self) -> str:
        """The label on that page."""
        return self.checked_by.partition("#")[2]

    @property
    def href(self) -> str:
        """The address of the check, seen from another page of the book."""
        return f"../{self.page}.html#{self.label}"


def load(path: Path | None = None) -> list[Erratum]:
    """Read the errata and check their form.

    Args:
        path: A YAML list of entries; by default the project's own, ``data/errata.yaml``.

    Raises:
        ErrataError: The file cannot be read, or an entry is incomplete or malformed.
    """
    path = path or paths.data_file("errata.yaml")
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ErrataError(f"cannot read the errata: {path}: {error}") from error
    if not isinstance(entries, list):
        raise ErrataError(f"{path} must be a list of entries; it is {_kind(entries)}")
    errata = [_erratum(entry, f"{path}, entry {number}") for number, entry in enumerate(entries, 1)]
    seen: set[str] = set()
    for erratum in errata:
        if erratum.id in seen:
            raise ErrataError(f"{path}: two entries have the id {erratum.id!r}")
        seen.add(erratum.id)
    return errata


def _erratum(entry: object, where: str) -> Erratum:
    names = [item.name for item in fields(Erratum)]
    if not isinstance(entry, dict):
        raise ErrataError(f"{where} must have the keys {', '.join(names)}; it is {_kind(entry)}")
    if isinstance(entry.get("id"), str):
        where += f" ({entry['id']})"
    missing = [name for name in names if name not in entry]
    if missing:
        raise ErrataError(f"{where} lacks {', '.join(missing)}")
    unknown = [str(key) for key in entry if key not in names]
    if unknown:
        raise ErrataError(f"{where} has the unknown key {', '.join(unknown)}; there are {', '.join(names)}")
    for name in names:
        value = entry[name]
        if not isinstance(value, str) or not value.strip():
            raise ErrataError(f"{where}: {name} must be text; it is {_kind(value)}")
        if value.count(r"\(") != value.count(r"\)"):
            raise ErrataError(rf"{where}: {name} opens \( and closes \) a different number of times")
    erratum = Erratum(**entry)
    for part in ("title", "location"):
        if "\\(" in getattr(erratum, part):
            raise ErrataError(f"{where}: mathematics is not shown in the {part}; put it in words")
    if not erratum.id.startswith(f"{erratum.paper}-"):
        raise ErrataError(f"{where}: the id must begin with the paper's key, {erratum.paper}-")
    if erratum.matters not in MATTERS:
        raise ErrataError(f"{where}: matters is {erratum.matters!r}; it must be one of {', '.join(MATTERS)}")
    if not _CHECKED_BY.fullmatch(erratum.checked_by):
        raise ErrataError(
            f"{where}: checked_by must be <paper>/<item>#<label>, for example "
            f"yao2018/derivation#yao2018-eq-12; it is {erratum.checked_by!r}"
        )
    return erratum


def _kind(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, str):
        return "text" if value.strip() else "empty text"
    return {"dict": "a mapping", "list": "a list"}.get(
        type(value).__name__, f"{type(value).__name__} {value!r}"
    )


def by_weight(errata: Iterable[Erratum]) -> list[Erratum]:
    """Return the errata ordered by how much they matter, and within that as they were."""
    weights = list(MATTERS)
    return sorted(errata, key=lambda erratum: weights.index(erratum.matters))


def overview(errata: Iterable[Erratum]) -> pd.DataFrame:
    """Return one row per erratum, heaviest first, linked to its entry, for ``Page.table``."""
    return pd.DataFrame(
        {
            "erratum": Cell(erratum.title, href=f"#{erratum.id}"),
            "where": erratum.location,
            "matters": erratum.matters,
        }
        for erratum in by_weight(errata)
    )


def show(errata: Iterable[Erratum]) -> HTML:
    """Return the entries for display, heaviest first and slips folded, each linked to its check."""
    entries = by_weight(errata)
    body = "".join(_html(entry) for entry in entries if entry.matters != "typo")
    typos = [entry for entry in entries if entry.matters == "typo"]
    if typos:
        heading = f"Slips of the pen ({len(typos)})"
        body += f"<details><summary>{heading}</summary>{''.join(map(_html, typos))}</details>"
    return HTML(f'{_STYLE}<div class="mathjax_process">{body}</div>')


def _html(erratum: Erratum) -> str:
    section = erratum.label.removeprefix(f"{erratum.paper}-")
    terms = {
        "Where": f"{escape(erratum.location)} ({erratum.matters}: {MATTERS[erratum.matters]})",
        "Printed": "<em>nothing is said</em>" if erratum.printed == "missing" else escape(erratum.printed),
        "Should read": escape(erratum.right),
        "Why": escape(erratum.explanation),
        "Checked": f'<a href="{escape(erratum.href)}">{escape(erratum.page)}, section {escape(section)}</a>',
    }
    items = "".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in terms.items())
    body = f"<h3>{escape(erratum.title)}</h3><dl>{items}</dl>"
    return f'<section class="lossbook-erratum" id="{escape(erratum.id)}">{body}</section>'
