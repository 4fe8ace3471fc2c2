"""A page of the book: figures, tables, notes and provenance, saved to files and shown with their links."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Literal

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from lossbook import paths
from lossbook.evidence.claims import NOTHING, Verdict, trust_text
from lossbook.evidence.rules import every
from lossbook.evidence.tables import Cell
from lossbook.pages import replayed, style
from lossbook.pages.provenance import Provenance
from lossbook.results import Record

# On a dark page the book's theme puts HTML and images on a light box and hides `.only-light`. These outputs
# bring their dark variant, so they go without the box, and the dark image is shown against its inline style.
# Images have a box of their own because the theme also hides a caption that stands next to such an image.
_STYLE = """<style>
html[data-theme="dark"] .cell_output .text_html:has([class^="lossbook"]) {
  background: none !important; color: inherit !important; padding: 0 !important}
html[data-theme="dark"] img.only-dark, body[data-jp-theme-light="false"] img.only-dark {
  display: inline !important; background: none !important; padding: 0 !important}
body[data-jp-theme-light="false"] img.only-light {display: none !important}
.lossbook-figure {margin: 1.5em 0} .lossbook-figure img {max-width: 100%; height: auto}
.lossbook-links {font-size: .85em} .lossbook summary {cursor: pointer}
.lossbook-finding {border: 1px solid currentColor; border-left-width: .35em; border-radius: .3em;
  margin: 1em 0; padding: .6em 1em} .lossbook-finding p {margin: .3em 0}
.lossbook-finding .lossbook-claim {font-weight: 600}
.lossbook-holds {border-color: #2a7f3f} .lossbook-holds-in-part {border-color: #b36b00}
.lossbook-does-not-hold, .lossbook-does-not-carry-over {border-color: #b3261e}
.lossbook-not-settled, .lossbook-not-tested {border-color: #767676}
.lossbook-chip {border: 1px solid; border-radius: 1em; display: inline-block; font-size: .85em;
  font-weight: 600; padding: 0 .7em; white-space: nowrap}
.table-wrapper {font-size: .88em} .table-wrapper caption {text-align: left}
.lossbook > details .table-wrapper caption {clip-path: inset(50%); height: 1px; overflow: hidden;
  position: absolute; width: 1px}
.table-wrapper td, .table-wrapper th {white-space: nowrap; padding: .35em .5em}
.table-wrapper th {white-space: normal} .table-wrapper thead th {vertical-align: bottom}
.table-wrapper th.lossbook-words {min-width: 9em}
.table-wrapper .lossbook-prose {white-space: normal; min-width: 15em}
</style>"""

# Numbers stay on one line, and a wide table scrolls; headings wrap, and cells longer than this.
_PROSE = 36
# Headings longer than this are not squeezed to one word per line.
_WORDS = 16
# A number names all of its runs, or some where it has more than these; the list of the page's runs has all.
_RUNS, _SOME = 60, 10
_LISTED = 1000  # the same for the keys in a file
_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_TITLES = {"note": "Note", "warning": "Warning"}


class Page:
    """Where a notebook puts its results: ``Page("yao2018/table1", profile="quick")``.

    Files are saved under ``files_dir()/<paper>/<item>/``; what is shown links to them as the page
    ``<paper>/<item>.html`` of the book sees them.
    """

    def __init__(self, name: str, **parameters: object) -> None:
        """Start a page and give figures the book's look.

        Args:
            name: The notebook's name, ``<paper>/<item>``.
            **parameters: The notebook's parameters as it was run; the command that repeats it names them.

        Raises:
            ValueError: If the name does not have the form ``<paper>/<item>``.
        """
        parts = name.split("/")
        if len(parts) != 2 or not all(_NAME.fullmatch(part) for part in parts):
            raise ValueError(f"a page is named <paper>/<item>, for example 'yao2018/table1'; got {name!r}")
        self.name = name
        self.parameters = parameters
        self._saved: set[str] = set()
        self._runs: dict[str, int] = {}
        style.theme()

    @property
    def folder(self) -> Path:
        """Where the page's files are saved."""
        return paths.files_dir().joinpath(*self.name.split("/"))

    @property
    def command(self) -> str:
        """The one command that runs this page again, without what a notebook has by itself."""
        named = {k: v for k, v in self.parameters.items() if v not in (None, 0, "auto", "recorded")}
        chosen = "".join(f" -p {key} {value}" for key, value in named.items())
        return f"lossbook notebook {self.name}{chosen}"

    def figure(self, figure: Figure, name: str, *, alt: str, caption: str, folded: bool = False) -> None:
        """Save a figure as SVG and PDF, show it for light and dark pages, and close it.

        Args:
            figure: The figure, drawn after the page was made.
            name: Name of the files, without an ending.
            alt: What the figure shows, for readers who do not see it.
            caption: The caption, plain text.
            folded: Show the caption alone, which opens to the figure.

        Raises:
            ValueError: If the alt text is empty, or the name is malformed or already used on this page.
        """
        if not alt.strip():
            raise ValueError(f"the figure {name!r} needs an alt text that says what it shows")
        self._claim(name)
        light, dark = style.svg(figure)
        paths.atomic_write(self.folder / f"{name}.svg", light)
        paths.atomic_write(self.folder / f"{name}-dark.svg", dark)
        paths.atomic_write(self.folder / f"{name}.pdf", style.pdf(figure))
        plt.close(figure)  # or the notebook would show it a second time
        links = self._links(
            {"SVG": f"{name}.svg", "SVG for dark pages": f"{name}-dark.svg", "PDF": f"{name}.pdf"}
        )
        _show(
            f'<figure class="lossbook-figure" id="{name}"><div>'
            f'<img class="only-light" src="{_data_uri(light)}" alt="{escape(alt)}">'
            f'<img class="only-dark" style="display:none" src="{_data_uri(dark)}" alt="{escape(alt)}">'
            f"</div><figcaption>{'' if folded else escape(caption)} {links}</figcaption></figure>",
            f"[figure {name}: {alt}]",
            fold=caption if folded else "",
        )

    def table(
        self,
        frame: pd.DataFrame,
        name: str,
        *,
        caption: str,
        notes: Sequence[str | Cell] = (),
        headers: int = 1,
        folded: bool = False,
    ) -> None:
        """Save a table as CSV and show it.

        Args:
            frame: The table; its index is not shown. Cells are plain values, :class:`Cell`, or a
                :class:`Verdict`, shown as a chip.
            name: Name of the file, without an ending.
            caption: The caption, plain text.
            notes: Sentences below the table; a cell may link to another page.
            headers: How many columns from the left name their row.
            folded: Show the caption alone, which opens to the table.

        Raises:
            ValueError: If the name is malformed or already used on this page.
        """
        self._claim(name)
        paths.atomic_write(self.folder / f"{name}.csv", table_csv(frame))
        below = "".join(f"<p>{_inner(note)}</p>" for note in notes)
        links = self._links({"CSV": f"{name}.csv"})
        _show(
            f"{table_html(frame, caption, headers=headers, runs=self._runs_of)}"
            f'<div class="lossbook-links">{below}{links}</div>',
            f"{caption}\n{frame.to_string(index=False)}",
            fold=caption if folded else "",
        )

    def note(self, text: str, kind: Literal["note", "warning"] = "note") -> None:
        """Show a boxed note.

        Args:
            text: Plain text; what stands between backticks is shown as code.
            kind: ``"note"`` or ``"warning"``.

        Raises:
            ValueError: If there is no such kind.
        """
        if kind not in _TITLES:
            raise ValueError(f"a note is of the kind 'note' or 'warning', not {kind!r}")
        shown = _CODE.sub(r"<code>\1</code>", escape(text))
        _show(
            f'<div class="admonition {kind}"><p class="admonition-title">{_TITLES[kind]}</p>'
            f"<p>{shown}</p></div>",
            f"{_TITLES[kind]}: {text}",
        )

    def finding(
        self,
        verdict: Verdict,
        number: str = "",
        *,
        condition: str = "",
        follows: str = "",
        heading: str = "",
        evidence: str = "",
        folded: bool = False,
    ) -> None:
        """Show the box that opens a page: what is claimed, what was found and on what, and what to do.

        The evidence and the rule by which the finding follows are folded behind it, or linked.

        Args:
            verdict: The claim and its finding.
            number: The number that shows it, with its interval; that of the verdict by default.
            condition: What the finding depends on.
            follows: What follows for a reader who chooses a loss.
            heading: In front of the claim, such as its number.
            evidence: Link to the box that has the evidence, where this is not it.
            folded: Show the claim and its finding alone, which open to the rest. What no run has tested is
                always shown so, unless there is a number to give.
        """
        folded = folded or (verdict.finding == "not tested" and not number)
        claim = f'<span class="lossbook-claim">{escape(heading + verdict.title)}</span>'
        runs = self._runs_of(record.key for record in verdict.records)
        shown = _strong(number or verdict.number)
        parts = (
            [f"<p{runs}>{shown}</p>"]
            if folded
            else [f"<p>{claim}</p>", f"<p{runs}>{chip(verdict)} {shown}</p>"]
        )
        if verdict.basis != NOTHING:
            parts.append(f"<p><em>Tested on:</em> {escape(verdict.basis)}.</p>")
        advice = follows[:1].upper() + follows[1:]  # a sentence; what it depends on ends one
        # Nothing depends on, or follows from, what has not been run.
        told = (
            ()
            if verdict.finding == "not tested"
            else (("It depends on", condition), ("What follows", advice))
        )
        for title, text in told:
            if text:
                parts.append(f"<p><em>{title}:</em> {escape(text)}</p>")
        if doubt := trust_text(verdict.records):
            parts.append(f"<p>{escape(doubt)}</p>")
        if evidence:
            parts.append(f'<p><a href="{escape(evidence)}">Evidence and rule</a></p>')
        else:
            parts.append(self._how(verdict, number or verdict.number))
        look = f'class="lossbook-finding lossbook-{verdict.finding.replace(" ", "-")}"'
        body = "".join(parts)
        _show(
            f"<details {look}><summary>{claim} {chip(verdict)}</summary>{body}</details>"
            if folded
            else f'<section {look} aria-label="Finding">{body}</section>',
            f"{verdict.title} {verdict.short}. {number}",
        )

    def text(self, *sentences: str) -> None:
        """Show a paragraph computed from the records, in Markdown."""
        display(Markdown(" ".join(sentences)))

    def provenance(self, records: Iterable[Record]) -> None:
        """Show what the page's numbers come from, and the command that runs the page again.

        Args:
            records: Every record the page used, or none for a page without runs.
        """
        source = Provenance(list(records))
        command = f"<p>Run this page again: <code>{escape(self.command)}</code></p>"
        item = self.name.partition("/")[2]
        files = {"this notebook, executed": f"{item}.ipynb", "its source": f"{item}.md"}
        if not source.records:
            _show(f"<div>{command}{self._links(files)}</div>", f"Run this page again: {self.command}")
            return
        self._claim("runs")
        again = replayed.line(sorted({record.experiment for record in source.records}))
        shown = f"<p>{escape(again)}</p>" if again else ""
        paths.atomic_write(self.folder / "runs.csv", source.frame().to_csv(index=False))
        rows = "".join(
            f'<tr><th scope="row">{escape(key)}</th><td>{escape(value)}</td></tr>'
            for key, value in source.facts().items()
        )
        _show(
            f"<div><p><strong>Provenance.</strong> "
            f"{escape(source.line())}</p>{shown}{command}<details><summary>Details of the runs</summary>"
            f'<div class="table-wrapper" style="overflow-x:auto"><table class="table">'
            f"<caption>What the numbers of this page come from</caption><tbody>{rows}</tbody></table></div>"
            f"</details>{self._links({'every run of this page (CSV)': 'runs.csv', **files})}"
            f"{self._what_runs(source)}</div>",
            f"Provenance. {source.line()}\n{again}\nRun this page again: {self.command}",
        )

    def _runs_of(self, keys: Iterable[str]) -> str:
        """An attribute that names the runs behind a number, by the places :meth:`_what_runs` has them at."""
        every = list(dict.fromkeys(keys))
        if not every:
            return ""
        many = len(every) > _RUNS
        shown = every[:_SOME] if many else every
        named = " ".join(str(self._runs.setdefault(key, len(self._runs))) for key in shown)
        return f' data-runs="{named}"' + f' data-of="{len(every)}"' * many

    def _what_runs(self, source: Provenance) -> str:
        """What the script ``book/_static/runs.js`` lists: each run's key, cell, seed and state of trust."""
        by_key = {record.key: record for record in source.records}
        cells: dict[str, int] = {}
        runs: list[list[object]] = []
        for key in self._runs:
            run: list[object] = [key]
            if record := by_key.get(key):
                cell = ", ".join(f"{name} {value}" for name, value in record.labels.items() if value != "")
                name = f"{record.experiment} [{record.profile}]: {cell}"
                run += [cells.setdefault(name, len(cells)), record.seed, str(record.trust)]
            runs.append(run)
        return data_script({"cells": list(cells), "runs": runs}, "lossbook-runs")

    def _claim(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"name a figure or table in lower case, digits, - and _; got {name!r}")
        if name in self._saved:
            raise ValueError(f"this page already has a figure or table named {name!r}")
        self._saved.add(name)

    def _how(self, verdict: Verdict, shown: str) -> str:
        """The evidence of a finding that is not shown yet, and the rule by which it follows, folded."""
        facts = [("In the paper", verdict.where)]
        if len(set(verdict.readings.values())) > 1:
            facts.append(
                ("By reading", "; ".join(f"{name}: {found}" for name, found in verdict.readings.items()))
            )
        if verdict.open and verdict.count:
            total = verdict.count[1] + verdict.open
            many = every(total) if verdict.open == total else f"{verdict.open} of the {total}"
            which = "the comparison" if total == 1 else f"{many} comparisons"
            facts.append(("Not run", f"{which} that the claim is about"))
        behind = {each.sentence(): self._runs_of(r.key for r in each.records) for each in verdict.differences}
        said = "".join(
            f"<li{behind.get(sentence, '')}>{_strong(sentence)}</li>"
            for sentence in verdict.evidence
            if sentence != shown
        )
        return (
            "<details><summary>Evidence and rule</summary>"
            + "".join(f"<p><em>{title}:</em> {escape(text)}.</p>" for title, text in facts)
            + (f"<ul>{said}</ul>" if said else "")
            + f"<p><em>Rule:</em> {escape(verdict.rule)}</p></details>"
        )

    def _links(self, files: Mapping[str, str]) -> str:
        links = " · ".join(
            f'<a href="../files/{self.name}/{file}" download>{escape(text)}</a>'
            for text, file in files.items()
        )
        return f'<span class="lossbook-links">Download: {links}</span>'


def chip(verdict: Verdict) -> str:
    """Return a finding with its count as HTML: a label that does not depend on its colour."""
    kind = verdict.finding.replace(" ", "-")
    return f'<span class="lossbook-chip lossbook-{kind}">{escape(verdict.short)}</span>'


def _strong(text: str) -> str:
    """Text as HTML; what stands between two pairs of asterisks is strong, as in Markdown."""
    return _STRONG.sub(r"<strong>\1</strong>", escape(text))


def data_script(content: object, name: str) -> str:
    """What a page's script reads, as an element of this class."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" class="{name}">{text}</script>'


def table_csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV: cells as read, their numbers at full precision, and the keys of the runs.

    Of more than :data:`_LISTED` runs behind a row only the first are named; their number stands beside.
    """
    rows: list[dict[str, Any]] = []
    for record in frame.to_dict("records"):
        row: dict[str, Any] = {}
        runs: dict[str, None] = {}
        for column, value in record.items():
            row[str(column)] = str(value) if isinstance(value, (Cell, Verdict)) else value
            if isinstance(value, Cell):
                row.update({f"{column}: {key}": number for key, number in value.values.items()})
                runs.update(dict.fromkeys(value.runs))
        if runs:
            every = list(runs)
            row["runs"] = " ".join(every[:_SOME] if len(every) > _LISTED else every)
            row["number of runs"] = len(every)
        rows.append(row)
    columns: list[str] = []
    for column in map(str, frame.columns):
        columns.append(column)
        columns += _unique(key for row in rows for key in row if key.startswith(f"{column}: "))
    if any("runs" in row for row in rows):
        columns += ["runs", "number of runs"]
    return pd.DataFrame(rows, columns=_unique(columns)).to_csv(index=False)


def table_html(
    frame: pd.DataFrame,
    caption: str,
    *,
    headers: int = 1,
    runs: Callable[[Iterable[str]], str] = lambda _: "",
) -> str:
    """Return a table as HTML that scrolls sideways on a narrow screen.

    Args:
        frame: The table.
        caption: The caption, plain text.
        headers: How many columns from the left name their row.
        runs: Gives the attribute that names the runs behind a cell.
    """
    head = "".join(f'<th scope="col">{escape(str(column))}</th>' for column in frame.columns)
    body = []
    for row in frame.itertuples(index=False):
        cells = []
        for position, value in enumerate(row):
            title = ""
            if isinstance(value, Cell):
                title = runs(value.runs) + (f' title="{escape(value.title)}"' if value.title else "")
            length = len(value.short if isinstance(value, Verdict) else str(value))
            name = "lossbook-prose" if length > _PROSE else "lossbook-words" if length > _WORDS else ""
            style = f' class="{name}"' if name else ""
            tag, scope = ("th", ' scope="row"') if position < headers else ("td", "")
            cells.append(f"<{tag}{scope}{style}{title}>{_inner(value)}</{tag}>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="table-wrapper" style="overflow-x:auto" tabindex="0" role="region" '
        f'aria-label="{escape(caption)}"><table class="table"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _inner(value: object) -> str:
    if isinstance(value, Verdict):
        return chip(value)
    if isinstance(value, Cell):
        text = escape(_held_together(value.text))
        return f'<a href="{escape(value.href)}">{text}</a>' if value.href else text
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return escape(f"{value:.4g}" if isinstance(value, float) else str(value))


def _held_together(text: str) -> str:
    """Without a line break within an interval, or what stands in parentheses behind it."""
    for parts in (" ± ", "(n = ", "(SD "):
        text = text.replace(parts, parts.replace(" ", "\u00a0"))
    return text


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _data_uri(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _show(html: str, plain: str, fold: str = "") -> None:
    if fold:
        html = f"<details><summary>{escape(fold)}</summary>{html}</details>"
    display({"text/html": f'{_STYLE}<div class="lossbook">{html}</div>', "text/plain": plain}, raw=True)
