"""The book as built at the smoke profile, opened page by page in a headless browser from disk."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 375, "height": 800}

# Run in the page. Code is shown as it is; what MathJax has set is not text any more.
_LOOK = r"""
async () => {
  if (window.MathJax && MathJax.startup) { await MathJax.startup.promise; }
  const copy = document.body.cloneNode(true);
  copy.querySelectorAll("pre, code, script, style, mjx-container, .sig").forEach(e => e.remove());
  const sources = [...document.querySelectorAll("img")];
  return {
    text: copy.textContent,
    whole: document.body.textContent,
    formulas: document.querySelectorAll(".math").length,
    unset: [...document.querySelectorAll(".math")].filter(e => !e.querySelector("mjx-container svg")).length,
    wrong: [...document.querySelectorAll("mjx-merror, [data-mjx-error]")].map(e => e.textContent),
    withoutAlt: sources.filter(e => !(e.getAttribute("alt") || "").trim()).map(e => e.src.slice(0, 80)),
    notLoaded: sources.filter(e => e.complete && !e.naturalWidth).map(e => e.src.slice(0, 80)),
  };
}
"""


@dataclass
class Seen:
    """What the browser saw of one page."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    look: dict[str, Any] = field(default_factory=dict)
    too_wide_on_phone: int = 0


@pytest.fixture(scope="session")
def book() -> Path:
    """The folder of the built book."""
    done = subprocess.run(
        [sys.executable, "-m", "lossbook.build", "all", "--profile", "smoke"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k not in ("LOSSBOOK_BUILD", "LOSSBOOK_FILES")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    return Path(done.stdout.splitlines()[-1]).parent


@pytest.fixture(scope="session")
def pages(book: Path) -> list[Path]:
    """Every page of the book; ``index.html`` only leads to the first."""
    found = (path for path in book.rglob("*.html") if "_static" not in path.parts)
    return sorted(path for path in found if path != book / "index.html")


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """An empty tab; what it asks of other hosts and its errors are in ``tab.seen``."""
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        page.seen = watch(page)
        yield page


def watch(page: Any) -> Seen:
    """Note requests to other hosts, which are refused, and errors."""
    seen = Seen()

    def answer(route: Any) -> None:
        if route.request.url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        else:
            seen.requests.append(route.request.url)
            route.abort()

    page.route("**/*", answer)
    page.on("console", lambda message: message.type == "error" and seen.errors.append(message.text))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    return seen


@pytest.fixture(scope="session")
def seen(browser: Any, book: Path, pages: list[Path]) -> dict[str, Seen]:
    """What was seen of each page, by its path in the book."""
    found = {}
    with browser.new_context() as context:
        for path in pages:
            page = context.new_page()
            found[path.relative_to(book).as_posix()] = this = watch(page)
            page.set_viewport_size(DESKTOP)
            page.goto(path.as_uri(), wait_until="load", timeout=120_000)
            page.wait_for_load_state("load")
            this.look = page.evaluate(_LOOK)
            page.set_viewport_size(PHONE)
            wide = page.evaluate("document.documentElement.scrollWidth")
            this.too_wide_on_phone = max(0, wide - PHONE["width"])
            page.close()
    return found
