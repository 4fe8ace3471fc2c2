"""The papers' errata: read, checked for form, and shown on a page with a filter."""

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
from lossbook.pages.page import Cell

MATTERS = {
    "result": "a formula or a conclusion changes",
    "design": "it bears on what the experiments can show",
    "wording": "the text may mislead",
    "typo": "a typing error",
}
"""How much an erratum matters, heaviest first, and what each word means."""

KINDS = {
    "formula": "an equation, a symbol, or a condition on it",
    "argument": "what the text concludes or explains",
    "experiment": "set-up, data, or the reading of results",
    "text": "citations, names and spelling",
}
"""What an erratum is about, and what each word means."""

_CHECKED_BY = re.compile(r"(?P<page>[a-z0-9-]+/[a-z0-9-]+)#(?P<label>[a-z0-9-]+)")

_STYLE = """<style>
.lossbook-erratum {border-top: 1px solid #8884; padding-top: .6em; margin-top: 1.2em; overflow-wrap: anywhere}
.lossbook-erratum h4 {margin: 0 0 .3em; font-size: 1.1em}
.lossbook-erratum p {margin: 0 0 .3em; font-size: .9em}
.lossbook-erratum dl {margin: 0}
.lossbook-erratum dt {font-weight: 600; margin-top: .3em}
.lossbook-erratum dd {margin: 0; overflow-x: auto; overflow-y: hidden}
@media (min-width: 600px) {
  .lossbook-erratum dl {display: grid; grid-template-columns: 7em minmax(0, 1fr); gap: .25em .8em}
  .lossbook-erratum dt {margin: 0}
}
.lossbook-errata > details > summary {margin-top: 1.5em}
.lossbook-errata summary h3 {display: inline; font-size: 1.2em}
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
        kind: One of :data:`KINDS`.
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
    kind: str
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
    if erratum.kind not in KINDS:
        raise ErrataError(f"{where}: kind is {erratum.kind!r}; it must be one of {', '.join(KINDS)}")
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


def summary(errata: Iterable[Erratum]) -> pd.DataFrame:
    """Return how many errata of each weight a paper has, linked to where they begin, for ``Page.table``."""
    entries = list(errata)
    rows = []
    for paper in dict.fromkeys(entry.paper for entry in entries):
        weights = [entry.matters for entry in entries if entry.paper == paper]
        row = {"paper": Cell(paper, href=f"#{paper}-errata")}
        for name in MATTERS:
            count = weights.count(name)
            row[name] = Cell(str(count), {"count": count}, href=f"#{_group_id(paper, name)}" if count else "")
        rows.append({**row, "all": len(weights)})
    return pd.DataFrame(rows)


def filter_form(errata: Iterable[Erratum]) -> HTML:
    """Return the form that narrows down what :func:`show` shows.

    ``errata.js`` among the book's static files makes it work. Without JavaScript the form stays hidden, and
    every erratum is shown.
    """
    papers = dict.fromkeys(entry.paper for entry in errata)
    choices = {
        "paper": ("Paper", {paper: paper for paper in papers}),
        "matters": ("Weight", {name: f"{name}: {meaning}" for name, meaning in MATTERS.items()}),
        "kind": ("About", {name: f"{name}: {meaning}" for name, meaning in KINDS.items()}),
    }
    fields = "".join(
        f'<label>{label}<select name="{name}"><option value="">all</option>'
        + "".join(f'<option value="{escape(key)}">{escape(text)}</option>' for key, text in options.items())
        + "</select></label>"
        for name, (label, options) in choices.items()
    )
    return HTML(
        '<form class="lossbook-filter" id="errata-filter" role="search" aria-label="Filter the errata" '
        "hidden>"
        f'{fields}<label>Words<input type="search" name="words" autocomplete="off"></label>'
        '<button type="button">Show all</button><output></output></form>'
    )


def show(errata: Iterable[Erratum]) -> HTML:
    """Return a paper's entries for display, heaviest first and linked to their checks; typos are folded."""
    entries = by_weight(errata)
    body = ""
    for name, meaning in MATTERS.items():
        group = [entry for entry in entries if entry.matters == name]
        if not group:
            continue
        title = meaning[0].upper() + meaning[1:] if name != "typo" else "Typing errors"
        heading = (
            f'<h3 id="{escape(_group_id(group[0].paper, name))}">'
            f'{title} (<span class="lossbook-count">{len(group)}</span>)</h3>'
        )
        inner = "".join(map(_html, group))
        if name == "typo":
            body += f"<details><summary>{heading}</summary>{inner}</details>"
        else:
            body += f"<section>{heading}{inner}</section>"
    return HTML(f'{_STYLE}<div class="lossbook-errata mathjax_process">{body}</div>')


def _group_id(paper: str, matters: str) -> str:
    return f"{paper}-errata-{matters}"


def _html(erratum: Erratum) -> str:
    section = erratum.label.removeprefix(f"{erratum.paper}-")
    terms = {
        "Printed": "<em>nothing is said</em>" if erratum.printed == "missing" else escape(erratum.printed),
        "Should read": escape(erratum.right),
        "Why": escape(erratum.explanation),
        "Checked": f'<a href="{escape(erratum.href)}">{escape(erratum.page)}, section {escape(section)}</a>',
    }
    items = "".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in terms.items())
    link = f'<a class="headerlink" href="#{escape(erratum.id)}" aria-label="Link to this erratum">#</a>'
    return (
        f'<section class="lossbook-erratum" data-paper="{escape(erratum.paper)}" '
        f'data-matters="{erratum.matters}" data-kind="{erratum.kind}">'
        f'<h4 id="{escape(erratum.id)}">{escape(erratum.title)}{link}</h4>'
        f"<p>{escape(erratum.location)} · {erratum.kind} · {erratum.matters}</p><dl>{items}</dl></section>"
    )
