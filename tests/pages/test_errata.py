import re
from pathlib import Path

import pytest
import yaml

from lossbook.pages import errata

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
ENTRIES = errata.load()
GOOD = {
    "id": "yao2018-x",
    "paper": "yao2018",
    "title": "A point",
    "location": "Eq. 1",
    "printed": "missing",
    "right": r"\(a < b\)",
    "checked_by": "yao2018/derivation#yao2018-eq-1",
    "matters": "typo",
    "kind": "formula",
    "explanation": "Because.",
}


def sections(page: str) -> dict[str, str]:
    """The text of a page by label: from each label to the next."""
    text = (NOTEBOOKS / f"{page}.md").read_text(encoding="utf-8")
    parts = re.split(r"^\(([a-z0-9-]+)\)=$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def write(folder: Path, content: object) -> Path:
    path = folder / "errata.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def test_the_projects_own_list_is_in_order():
    assert len(ENTRIES) > 0
    assert len({entry.id for entry in ENTRIES}) == len(ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_what_an_entry_is_checked_by_exists_and_checks(entry):
    assert (NOTEBOOKS / f"{entry.page}.md").is_file(), f"there is no page {entry.page}"
    section = sections(entry.page).get(entry.label)
    assert section is not None, f"{entry.page} has no label {entry.label}"
    # Misprints in words and references are found by reading; everything else by a computation.
    assert entry.matters == "typo" or "check(" in section


@pytest.mark.parametrize("page", sorted({entry.page for entry in ENTRIES}))
def test_the_page_and_the_list_name_the_same_errata(page):
    on_page = {label: text.count("**Erratum.**") for label, text in sections(page).items()}
    listed = dict.fromkeys(on_page, 0)
    for entry in ENTRIES:
        if entry.page == page:
            listed[entry.label] += 1
    assert listed == on_page


def test_a_good_file_loads(tmp_path):
    (entry,) = errata.load(write(tmp_path, [GOOD]))
    assert (entry.page, entry.label) == ("yao2018/derivation", "yao2018-eq-1")
    assert entry.href == "../yao2018/derivation.html#yao2018-eq-1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"right": None}, r"entry 1 \(yao2018-x\): right must be text; it is empty"),
        ({"right": "  "}, "right must be text; it is empty text"),
        ({"printed": 7}, "printed must be text; it is int 7"),
        ({"matters": "error"}, "'error'; it must be one of result, design, wording, typo"),
        ({"kind": "equation"}, "kind is 'equation'; it must be one of formula, argument, experiment, text"),
        ({"checked_by": "derivation"}, "must be <paper>/<item>#<label>"),
        ({"paper": "li2020"}, "the id must begin with the paper's key, li2020-"),
        ({"explanation": r"of \(x"}, "explanation opens"),
        ({"location": r"the \(x\) there"}, "mathematics is not shown in the location"),
        ({"title": r"\(x\)"}, "mathematics is not shown in the title"),
        ({"page": "3"}, "has the unknown key page; there are id, paper"),
    ],
)
def test_a_malformed_entry_is_named(tmp_path, change, message):
    with pytest.raises(errata.ErrataError, match=message):
        errata.load(write(tmp_path, [GOOD | change]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"id": "yao2018-x"}], r"entry 1 \(yao2018-x\) lacks paper, title"),
        ([GOOD, GOOD], "two entries have the id 'yao2018-x'"),
        (["text"], "entry 1 must have the keys id, paper.*it is text"),
        ({"errata": []}, "must be a list of entries; it is a mapping"),
        ("", "must be a list of entries; it is empty"),
        ("- [", "cannot read the errata"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path, content, message):
    with pytest.raises(errata.ErrataError, match=message):
        errata.load(write(tmp_path, content))


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(errata.ErrataError, match=r"cannot read the errata: .*nowhere\.yaml"):
        errata.load(tmp_path / "nowhere.yaml")


def test_the_entry_as_shown(tmp_path):
    (entry,) = errata.load(write(tmp_path, [GOOD]))
    html = errata.show([entry]).data
    assert '<h4 id="yao2018-x">A point<a class="headerlink" href="#yao2018-x"' in html
    assert 'data-paper="yao2018" data-matters="typo" data-kind="formula"' in html
    assert r"\(a &lt; b\)" in html
    assert "<em>nothing is said</em>" in html
    assert '<a href="../yao2018/derivation.html#yao2018-eq-1">' in html
    row = errata.overview([entry]).iloc[0]
    assert (row["erratum"].href, row["where"], row["matters"]) == ("#yao2018-x", "Eq. 1", "typo")


def test_the_heaviest_come_first_and_typing_errors_are_folded(tmp_path):
    weights = ["typo", "wording", "design", "result", "wording"]
    content = [GOOD | {"id": f"yao2018-{n}", "matters": weight} for n, weight in enumerate(weights)]
    entries = errata.load(write(tmp_path, content))
    assert [entry.id[-1] for entry in errata.by_weight(entries)] == ["3", "2", "1", "4", "0"]
    assert [row.href[-1] for row in errata.overview(entries)["erratum"]] == ["3", "2", "1", "4", "0"]
    shown, folded = errata.show(entries).data.split("<details>")
    assert re.findall(r'<h4 id="yao2018-(\d)"', shown) == ["3", "2", "1", "4"]
    assert re.findall(r'<h4 id="yao2018-(\d)"', folded) == ["0"]
    assert re.findall(r"<h3 id=\S+>(\w+ \w+).*?>(\d)<", shown + folded) == [
        ("A formula", "1"),
        ("It bears", "1"),
        ("The text", "2"),
        ("Typing errors", "1"),
    ]
    assert "<details>" not in errata.show(entries[1:]).data


def test_the_summary_counts_every_erratum_once_and_links_to_its_group():
    table = errata.summary(ENTRIES)
    html = "".join(
        errata.show(entry for entry in ENTRIES if entry.paper == str(paper)).data for paper in table["paper"]
    )
    assert table["all"].sum() == len(ENTRIES)
    for weight in errata.MATTERS:
        assert sum(int(cell.text) for cell in table[weight]) == sum(e.matters == weight for e in ENTRIES)
        assert all(f'id="{cell.href[1:]}"' in html for cell in table[weight] if cell.href)


def test_no_anchor_of_the_page_is_used_twice():
    papers = dict.fromkeys(entry.paper for entry in ENTRIES)
    html = "".join(errata.show(entry for entry in ENTRIES if entry.paper == paper).data for paper in papers)
    anchors = re.findall(r' id="([^"]+)"', html + "".join(f' id="{paper}-errata"' for paper in papers))
    assert len(anchors) == len(set(anchors)) > len(ENTRIES)


# The filter, in a real browser on a page of four errata.

FOUR = [
    GOOD | {"id": "yao2018-a", "matters": "result", "title": "The minimiser"},
    GOOD | {"id": "yao2018-b"},
    GOOD | {"id": "li2020-c", "paper": "li2020", "matters": "design", "kind": "experiment"},
    GOOD | {"id": "li2020-d", "paper": "li2020", "title": "Spelling", "kind": "text"},
]
VISIBLE = """[...document.querySelectorAll("h4")].filter(e => e.checkVisibility({contentVisibilityAuto: true})
    && e.offsetHeight).map(e => e.id)"""


@pytest.fixture(scope="module")
def filter_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("errata")
    entries = errata.load(write(folder, FOUR))
    lists = "".join(
        f'<section id="{paper}-errata"><h2>{paper}</h2>'
        f"{errata.show(e for e in entries if e.paper == paper).data}</section>"
        for paper in ("yao2018", "li2020")
    )
    script = NOTEBOOKS.parent / "book" / "_static" / "errata.js"
    page = folder / "page.html"
    page.write_text(
        f'<!doctype html><meta charset="utf-8"><script src="{script.as_uri()}"></script>'
        f"<main>{errata.filter_form(entries).data}{lists}</main>",
        encoding="utf-8",
    )
    return page


@pytest.fixture
def tab(browser, filter_page):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(filter_page.as_uri())
        yield page


@pytest.mark.parametrize(
    ("label", "choice", "left"),
    [
        ("Paper", "li2020", ["li2020-c", "li2020-d"]),
        ("Weight", "typo", ["yao2018-b", "li2020-d"]),
        ("About", "formula", ["yao2018-a", "yao2018-b"]),
        ("Words", "eq. MINIMISER", ["yao2018-a"]),
        ("Words", "because spelling", ["li2020-d"]),
        ("Words", "nothing like it", []),
    ],
)
def test_the_filter_shows_what_matches_and_says_how_many(tab, label, choice, left):
    control = tab.get_by_label(label)
    control.fill(choice) if label == "Words" else control.select_option(choice)
    assert tab.evaluate(VISIBLE) == left
    assert tab.get_by_role("status").inner_text() == f"{len(left)} of 4 errata shown"
    papers = [each for each in ("yao2018", "li2020") if any(name.startswith(each) for name in left)]
    assert tab.locator("h2:visible").all_inner_texts() == papers
    tab.get_by_role("button", name="Show all").click()
    tab.get_by_text("4 of 4 errata shown").wait_for()
    assert tab.evaluate(VISIBLE) == ["yao2018-a", "li2020-c"]  # typing errors are folded again


def test_a_link_to_a_folded_entry_shows_it(browser, filter_page):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(filter_page.as_uri() + "#li2020-d")
        assert "li2020-d" in page.evaluate(VISIBLE)
        page.get_by_label("Paper").select_option("li2020")
        page.evaluate("location.hash = 'yao2018-b'")
        page.get_by_text("4 of 4 errata shown").wait_for()
        assert "yao2018-b" in page.evaluate(VISIBLE)


def test_without_javascript_the_list_is_whole_and_has_no_form(browser, filter_page):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(filter_page.as_uri())
        assert not page.locator("form").is_visible()
        assert page.locator("h4").count() == len(FOUR)
        page.locator("summary").first.click()
        assert page.locator("#yao2018-b").is_visible()
