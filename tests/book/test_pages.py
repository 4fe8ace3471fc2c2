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


def _drawn(tab):
    """What the slider of the atlas draws, and what its table has for the place it is at."""
    return tab.evaluate(
        """() => {
            const box = document.querySelector(".lossbook-explorer");
            const { charts, families } = JSON.parse(box.querySelector("script").textContent);
            const family = families[Number(box.querySelector("input[type=radio]:checked").value)];
            const row = family.rows[Number(box.querySelector("input[type=range]").value)];
            const drawn = [...box.querySelectorAll(".moves")].map(path =>
                path.getAttribute("d").match(/[0-9.-]+/g).map(Number));
            const wanted = charts.map(({ x, y: [zero, one] }, i) =>
                x.flatMap((at, k) => [at, zero + row[i][k] * (one - zero)]));
            const said = [".slider label", ".said"].map(name => box.querySelector(name).textContent);
            return { hidden: box.hidden, drawn: drawn.flat(), wanted: wanted.flat(), said };
        }"""
    )


def test_slider_of_the_atlas_draws_its_table_and_moves_by_keyboard(tab, book):
    tab.goto((book / "synthesis" / "atlas.html").as_uri(), wait_until="load")
    first = _drawn(tab)
    assert not first["hidden"]
    assert first["said"][0] == "γ = 2"
    assert first["drawn"] == pytest.approx(first["wanted"], abs=0.06)
    tab.locator(".lossbook-explorer input[type=range]").focus()
    tab.keyboard.press("ArrowRight")
    moved = _drawn(tab)
    assert moved["said"][0] == "γ = 2.25"
    assert moved["said"][1].startswith("Focal with γ = 2.25")
    assert moved["drawn"] != first["drawn"]
    assert moved["drawn"] == pytest.approx(moved["wanted"], abs=0.06)
    tab.locator(".lossbook-explorer input[type=radio]").first.focus()
    tab.keyboard.press("ArrowLeft")  # to the last of them
    assert _drawn(tab)["said"][0] == "q = 0.7"


@pytest.mark.parametrize("script", [True, False])
def test_without_scripts_the_atlas_has_its_figures_alone(browser, book, script):
    page = browser.new_page(java_script_enabled=script)
    page.goto((book / "synthesis" / "atlas.html").as_uri(), wait_until="load")
    assert page.locator("figure#gap-losses").is_visible()
    assert page.locator(".lossbook-explorer").is_visible() == script
    page.close()


def test_letters_of_the_atlas_are_legible_on_a_phone(tab, book):
    tab.set_viewport_size({"width": 390, "height": 800})
    tab.goto((book / "synthesis" / "atlas.html").as_uri(), wait_until="load")
    # Images are loaded when they are scrolled to.
    tab.evaluate(
        """async () => {
            for (const image of document.querySelectorAll(".lossbook-figure img.only-light")) {
                image.loading = "eager";
                await image.decode();
            }
        }"""
    )
    # At its own width a figure has letters of 11 points (14.7 pixels); a panel, which keeps its width, of 9.
    scales = tab.evaluate(
        "[...document.querySelectorAll('.lossbook-figure img.only-light')].map(e => e.width / e.naturalWidth)"
    )
    assert len(scales) >= 6
    assert min(scales) >= 0.7
    letters = tab.evaluate(
        """[...document.querySelectorAll(".lossbook-explorer svg")].map(
            e => 12.5 * e.getBoundingClientRect().width / e.viewBox.baseVal.width)"""
    )
    assert min(letters) >= 12


def test_a_check_opens_to_its_code(tab, book):
    tab.goto((book / "dong2019" / "derivation.html").as_uri(), wait_until="load")
    check = tab.locator(".tag_check details").first
    assert check.locator("summary").inner_text().strip() == "✓ Eq. 1: the two forms are equal"
    assert not check.locator("pre").first.is_visible()
    check.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert check.locator("pre").first.is_visible()
    # No check is outside a fold, and no code of this page is.
    assert tab.evaluate("document.querySelectorAll('.cell_output').length") < 20
    assert tab.locator(".cell > .cell_input").count() == 0


@pytest.mark.parametrize("page", ["yao2018", "li2020", "battash2021", "dong2019"])
def test_contents_beside_a_derivation_fit(tab, book, page):
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.goto((book / page / "derivation.html").as_uri(), wait_until="load")
    # Beside the section that is read, the list shows what is in it.
    too_long = tab.evaluate(
        """async () => {
            const list = document.querySelector(".bd-sidebar-secondary");
            const found = [];
            for (const heading of document.querySelectorAll(".bd-article h2, .bd-article h3")) {
                heading.scrollIntoView();
                await new Promise(done => setTimeout(done, 100));
                if (list.scrollHeight > list.clientHeight) found.push(heading.textContent);
            }
            return found;
        }"""
    )
    assert too_long == []


def test_every_control_has_a_name_and_the_page_one_search_box(tab, book):
    tab.goto((book / "intro.html").as_uri(), wait_until="load")
    unnamed = """[...document.querySelectorAll("button, summary, select, input")].filter(e =>
        e.getClientRects().length && !e.getAttribute("aria-label") && !e.textContent.trim() &&
        !e.labels?.length).map(e => e.outerHTML)"""
    assert tab.evaluate(unnamed) == []
    assert tab.locator(".bd-sidebar-primary summary").count() > 0
    assert tab.get_by_role("button", name="Search").count() == 1


def test_a_number_of_a_table_opens_the_list_of_its_runs(tab, book):
    tab.set_viewport_size({"width": 390, "height": 800})
    tab.goto((book / "yao2018" / "table1.html").as_uri(), wait_until="load")
    number = tab.locator("td .lossbook-number:visible").first
    box = tab.locator("#lossbook-runs")
    text = number.inner_text()
    number.click()
    assert text in box.locator("p").first.inner_text()
    commands = box.locator("code").all_inner_texts()
    assert len(commands) == len(number.locator("xpath=..").get_attribute("data-runs").split())
    keys = (book / "files" / "yao2018" / "table1" / "runs.csv").read_text().split()
    for command in commands:
        key = command.removeprefix("lossbook results show ")
        assert any(line.startswith(f"{key},") for line in keys), command
    assert re.match(r"seed \d+, (fresh|attested|unattested)", box.locator("li").first.inner_text())
    wide = box.evaluate("e => e.scrollWidth - e.clientWidth")
    assert wide == 0
    # Another number takes the list over.
    other = tab.locator("td .lossbook-number").last
    other.evaluate("e => e.click()")
    assert box.is_visible()
    assert other.text_content() in box.locator("p").first.inner_text()
    assert box.locator("code").all_inner_texts() != commands
    tab.keyboard.press("Escape")
    assert not box.is_visible()


def test_the_list_of_runs_is_reached_by_keyboard(tab, book):
    tab.goto((book / "yao2018" / "table1.html").as_uri(), wait_until="load")
    numbers = tab.locator("table:visible").first.locator(".lossbook-number")
    assert numbers.count() > 1
    # Tab stops once in each table.
    assert [numbers.nth(i).evaluate("e => e.tabIndex") for i in range(numbers.count())].count(0) == 1
    numbers.first.focus()
    tab.keyboard.press("ArrowRight")
    assert numbers.nth(1).evaluate("e => e === document.activeElement")
    tab.keyboard.press("Enter")
    box = tab.locator("#lossbook-runs")
    assert numbers.nth(1).inner_text() in box.locator("p").first.inner_text()
    assert box.get_by_role("button", name="Close").evaluate("e => e === document.activeElement")
    tab.keyboard.press("Enter")
    assert not box.is_visible()
    assert numbers.nth(1).evaluate("e => e === document.activeElement")


def test_the_number_in_a_box_opens_its_runs_and_is_not_printed(tab, book):
    tab.goto((book / "yao2018" / "table1.html").as_uri(), wait_until="load")
    behind = tab.locator(".lossbook-behind:visible").first
    many = int(behind.inner_text().split()[0])
    behind.click()
    assert tab.locator("#lossbook-runs code").count() == many
    tab.emulate_media(media="print")
    assert not behind.is_visible()
    assert not tab.locator("#lossbook-runs").is_visible()


def test_a_page_in_the_dark_theme_is_printed_in_the_light_one(tab, book):
    tab.emulate_media(color_scheme="dark")
    tab.goto((book / "yao2018" / "table1.html").as_uri(), wait_until="load")
    theme = "document.documentElement.dataset.theme"
    tab.evaluate(f"addEventListener('beforeprint', () => {{ window.printed = {theme}; }})")
    assert tab.evaluate(theme) == "dark"
    tab.pdf()
    assert tab.evaluate("window.printed") == "light"
    assert tab.evaluate(theme) == "dark"


@pytest.mark.parametrize(
    "page", ["li2020/calibration", "synthesis/errata", "synthesis/atlas", "synthesis/glance", "intro"]
)
def test_nothing_is_cut_on_paper(tab, book, page):
    tab.set_viewport_size({"width": 717, "height": 1000})  # A4 between margins of 1 cm
    tab.emulate_media(media="print")
    tab.goto((book / f"{page}.html").as_uri(), wait_until="load")
    cut = """[...document.querySelectorAll(".bd-article :is(table, td, th, pre, img, dd)")].filter(e =>
        e.getClientRects().length && e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.outerHTML.slice(0, 100))"""
    assert tab.evaluate(cut) == []
    # A name that is squeezed to a column of letters is not cut, and no name either.
    squeezed = """[...document.querySelectorAll(".bd-article details tbody th")].filter(e =>
        e.getClientRects().length && e.clientWidth < 24).map(e => e.textContent)"""
    assert tab.evaluate(squeezed) == []
