"""Every page of the built book, in a real browser, from disk, with no other host to ask."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest


class _Names(HTMLParser):
    """What a page refers to, and the anchors it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.resources: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors.update(filter(None, (given.get("id"), given.get("name"))))
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") != "canonical":
            self.resources.append(given.get("href", ""))
        elif given.get("src"):
            self.resources.append(given["src"])


@pytest.fixture(scope="session")
def names(pages):
    return {path: _Names(path.read_text(encoding="utf-8")) for path in pages}


def _all(seen, what):
    """What was found on any page, by page."""
    return {page: found for page, this in seen.items() if (found := what(this))}


def test_every_chapter_is_there(pages, book):
    there = {path.relative_to(book).as_posix() for path in pages}
    assert {"intro.html", "yao2018/derivation.html", "yao2018/table1.html", "yao2018/verdict.html"} <= there
    assert {"synthesis/glance.html", "synthesis/errata.html", "api/lossbook/losses/index.html"} <= there


def test_index_leads_to_the_first_page(tab, book):
    tab.goto((book / "index.html").as_uri())
    tab.wait_for_url("**/intro.html", timeout=30_000)


def test_no_page_asks_another_host(seen):
    assert _all(seen, lambda this: this.requests) == {}


def test_no_page_names_a_resource_of_another_host(names, book):
    def elsewhere(reference: str) -> bool:
        return reference.startswith("//") or urlsplit(reference).scheme not in ("", "data")

    named = {path.relative_to(book).as_posix(): page.resources for path, page in names.items()}
    remote = {page: found for page, each in named.items() if (found := list(filter(elsewhere, each)))}
    assert remote == {}


def test_no_console_error(seen):
    assert _all(seen, lambda this: this.errors) == {}


def test_mathematics_is_set(seen):
    assert _all(seen, lambda this: this.look["wrong"]) == {}
    assert _all(seen, lambda this: this.look["unset"]) == {}
    assert seen["yao2018/derivation.html"].look["formulas"] > 50


def test_no_latex_is_left_in_the_text(seen):
    raw = re.compile(
        r"\$\$|\\\(|\\\[|\\[a-zA-Z]{2,}|\$[^$\n]{1,60}\$|\{(?:cite|eq|ref|numref|doc)(?::\w+)?\}`"
    )
    assert _all(seen, lambda this: raw.findall(this.look["text"])) == {}


def test_no_traceback(seen):
    failed = re.compile(r"Traceback \(most recent call last\)|\b\w+(?:Error|Exception): ")
    assert _all(seen, lambda this: "Traceback (most recent call last)" in this.look["whole"]) == {}
    outputs = {page: this for page, this in seen.items() if not page.startswith("api/")}
    assert _all(outputs, lambda this: failed.findall(this.look["text"])) == {}


def test_every_image_has_alt_text_and_is_there(seen):
    assert _all(seen, lambda this: this.look["withoutAlt"]) == {}
    assert _all(seen, lambda this: this.look["notLoaded"]) == {}


def test_no_page_is_wider_than_a_phone(seen):
    assert _all(seen, lambda this: this.too_wide_on_phone) == {}


def test_internal_links_lead_somewhere(names, book):
    broken = []
    for path, page in names.items():
        for link in [*page.links, *page.resources]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir() or not target.exists() or book not in target.parents:
                broken.append(f"{path.relative_to(book)}: {link}")
            elif parts.fragment and target in names and unquote(parts.fragment) not in names[target].anchors:
                broken.append(f"{path.relative_to(book)}: {link} (no such anchor)")
    assert broken == []


@pytest.mark.parametrize(
    "page", ["yao2018/derivation", "yao2018/table1", "yao2018/verdict", "synthesis/glance"]
)
def test_notebook_of_a_page_can_be_downloaded(book, page):
    folder = book / "files" / page
    item = Path(page).name
    assert (folder / f"{item}.ipynb").is_file()
    assert (folder / f"{item}.md").is_file()


def test_search_finds_from_disk(tab, book):
    tab.goto((book / "search.html").as_uri() + "?q=likelihood", wait_until="load")
    tab.wait_for_selector("#search-results ul.search li a", timeout=30_000)
    assert tab.seen.errors == []
    assert tab.seen.requests == []


def test_theme_switch_changes_the_figures(tab, book):
    tab.goto((book / "yao2018" / "table1.html").as_uri(), wait_until="load")
    shown = {}
    for _ in range(3):
        theme = tab.evaluate("document.documentElement.dataset.theme")
        shown[theme] = [
            tab.evaluate(
                f"[...document.querySelectorAll('img.only-{variant}')]"
                ".filter(e => getComputedStyle(e).display != 'none').length"
            )
            for variant in ("light", "dark")
        ]
        tab.locator(".theme-switch-button").first.click()
    figures = tab.evaluate("document.querySelectorAll('img.only-light').length")
    assert figures > 0
    assert shown == {"light": [figures, 0], "dark": [0, figures]}
