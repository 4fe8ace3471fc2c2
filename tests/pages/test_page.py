"""Pages: what is saved, what is shown, and what is refused."""

import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from lossbook.evidence import Cell, Runs, stats
from lossbook.evidence.claims import Verdict
from lossbook.evidence.contrasts import Contrast, Difference, Select
from lossbook.pages import Page, page


class _Document(HTMLParser):
    """The tags of a piece of HTML, which must be balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What a page displays, as HTML or Markdown; its files go to ``tmp_path``."""
    monkeypatch.setenv("LOSSBOOK_FILES", str(tmp_path))
    outputs: list[str] = []

    def display(content: Any, raw: bool = False) -> None:
        outputs.append(content["text/html"] if raw else content.data)

    monkeypatch.setattr(page, "display", display)
    return outputs


def _plot() -> Figure:
    figure = Figure()
    figure.add_subplot().plot([1, 2], [3, 4])
    return figure


def test_a_figure_is_saved_and_shown_for_light_and_dark_pages(shown: list[str], tmp_path: Path) -> None:
    Page("yao2018/table1").figure(_plot(), "fig1", alt='a "rising" line', caption="A < B")
    folder = tmp_path / "yao2018" / "table1"
    assert sorted(p.name for p in folder.iterdir()) == ["fig1-dark.svg", "fig1.pdf", "fig1.svg"]
    assert (folder / "fig1.pdf").read_bytes().startswith(b"%PDF")
    document = _Document(shown[0])
    light, dark = document.all("img")
    assert light["class"] == "only-light"
    assert dark["class"] == "only-dark"
    assert dark["style"] == "display:none"
    for image in (light, dark):
        assert image["alt"] == 'a "rising" line'
        assert str(image["src"]).startswith("data:image/svg+xml;base64,")
    assert light["src"] != dark["src"]
    links = [a["href"] for a in document.all("a")]
    assert links == [f"../files/yao2018/table1/{n}" for n in ("fig1.svg", "fig1-dark.svg", "fig1.pdf")]
    assert "A &lt; B" in shown[0]


def test_what_is_folded_shows_its_caption_alone(shown: list[str]) -> None:
    made = Page("yao2018/table1")
    made.figure(_plot(), "fig1", alt="a line", caption="A < B", folded=True)
    made.table(pd.DataFrame({"a": [1]}), "table1", caption="Trial runs", folded=True)
    made.table(pd.DataFrame({"a": [1]}), "table2", caption="Recorded runs")
    assert [len(_Document(html).all("details")) for html in shown] == [1, 1, 0]
    assert "<details><summary>A &lt; B</summary><figure" in shown[0]
    assert "<summary>Trial runs</summary><div" in shown[1]


def test_a_figure_needs_alt_text(shown: list[str]) -> None:
    with pytest.raises(ValueError, match="alt text"):
        Page("yao2018/table1").figure(_plot(), "fig1", alt=" ", caption="")
    assert shown == []


def test_a_table_is_escaped_scrolls_and_names_its_rows(shown: list[str], tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "Loss <b>": ["CE & co"],
            "Ours": [Cell("1.00 ± 0.10", {"mean": 1.0012345}, ("k1", "k2"), "seed 0: 1")],
        }
    )
    Page("yao2018/table1").table(frame, "table1", caption="A & B", notes=["x < y"])
    document = _Document(shown[0])
    assert "<b>" not in shown[0]
    assert "CE &amp; co" in shown[0]
    assert "x &lt; y" in shown[0]
    assert document.all("div")[1]["class"] == "table-wrapper"
    assert [th["scope"] for th in document.all("th")] == ["col", "col", "row"]
    assert len(document.all("caption")) == 1
    assert document.all("td")[0]["title"] == "seed 0: 1"
    saved = pd.read_csv(tmp_path / "yao2018" / "table1" / "table1.csv")
    assert saved.to_dict("records") == [
        {
            "Loss <b>": "CE & co",
            "Ours": "1.00 ± 0.10",
            "Ours: mean": 1.0012345,
            "runs": "k1 k2",
            "number of runs": 2,
        }
    ]


def test_an_interval_is_not_broken_over_lines(shown: list[str]) -> None:
    page = Page("toy/table1")
    page.table(pd.DataFrame([{"Loss": "CE ± 1", "Ours": Cell("82.41 ± 0.54 (n = 3)")}]), "t", caption="T")
    assert "82.41\u00a0±\u00a00.54 (n\u00a0=\u00a03)" in shown[0]
    assert "CE ± 1" in shown[0], "other text breaks where it may"


def test_csv_keeps_numbers_of_cells_that_only_some_rows_have() -> None:
    frame = pd.DataFrame({"a": [Cell("–"), Cell("1", {"n": 2, "holm": 0.5}, ("k",))], "b": ["x", "y, z"]})
    saved = pd.read_csv(io.StringIO(page.table_csv(frame)))
    assert list(saved.columns) == ["a", "a: n", "a: holm", "b", "runs", "number of runs"]
    assert saved["b"].tolist() == ["x", "y, z"]
    assert pd.isna(saved["a: n"][0])


def test_csv_names_the_first_of_very_many_runs() -> None:
    keys = [f"k{i}" for i in range(1001)]
    frame = pd.DataFrame({"a": [Cell("1", {}, tuple(keys[:1000])), Cell("2", {}, tuple(keys))]})
    saved = pd.read_csv(io.StringIO(page.table_csv(frame)))
    assert [row.split() for row in saved["runs"]] == [keys[:1000], keys[:10]]
    assert saved["number of runs"].tolist() == [1000, 1001]


@pytest.mark.parametrize("name", ["table1", "yao2018/", "Yao/table1", "../x", "a/b/c"])
def test_a_page_is_named_paper_and_item(name: str) -> None:
    with pytest.raises(ValueError, match="<paper>/<item>"):
        Page(name)


def test_files_of_a_page_do_not_replace_each_other(shown: list[str]) -> None:
    here = Page("yao2018/table1")
    here.table(pd.DataFrame({"a": [1]}), "one", caption="")
    with pytest.raises(ValueError, match="already"):
        here.table(pd.DataFrame({"a": [2]}), "one", caption="")
    with pytest.raises(ValueError, match="lower case"):
        here.table(pd.DataFrame({"a": [2]}), "../two", caption="")
    assert len(shown) == 1


def test_notes(shown: list[str]) -> None:
    Page("yao2018/table1").note("1 < 2, run `lossbook run x`", kind="warning")
    assert "1 &lt; 2, run <code>lossbook run x</code>" in shown[0]
    assert _Document(shown[0]).all("div")[1]["class"] == "admonition warning"
    with pytest.raises(ValueError, match="kind"):
        Page("yao2018/table1").note("x", kind="error")  # type: ignore[arg-type]


def test_a_finding_opens_a_page(shown: list[str], make_record: Any) -> None:
    said = ("**As printed:** LGL-INR minus CE < 0.", "**Clipped:** More.")
    verdict = Verdict(
        *("It is better.", "Table 3", "A rule.", "holds in part", "runs", said),
        records=(make_record(0.9, trust="unattested"),),
        count=(1, 6),
    )
    Page("yao2018/table1").finding(verdict, condition="the learning rate", follows="keep CE.")
    html = shown[0]
    section = _Document(html).all("section")[0]
    assert section["class"] == "lossbook-finding lossbook-holds-in-part"
    assert 'lossbook-holds-in-part">holds in part, 1 of 6</span> <strong>As printed:</strong>' in html
    assert "<em>It depends on:</em> the learning rate" in html
    assert "<em>What follows:</em> Keep CE." in html
    Page("yao2018/table1").finding(
        replace(verdict, finding="not tested"), condition="the learning rate", follows="keep CE."
    )
    assert "It depends on" not in shown[1]
    assert "What follows" not in shown[1]
    assert "unattested" in html
    details = html[html.index("<details") :]
    assert "<strong>Clipped:</strong> More." in details, "the other sentences are folded, with the rule"
    assert "<em>Rule:</em> A rule." in details
    assert "LGL-INR minus CE &lt; 0.</p>" in html[: html.index("<details")]
    assert "LGL-INR minus CE" not in details, "what the box says is not said again in its fold"
    assert "<em>Tested on:</em> runs." in html[: html.index("<details")]


def test_a_folded_finding_is_a_line_that_opens(shown: list[str]) -> None:
    verdict = Verdict("It is better.", "Table 3", "A rule.", "holds", "runs", ("By 2.",))
    Page("yao2018/table1").finding(verdict, follows="keep CE.", folded=True)
    (html,) = shown
    outer = _Document(html).all("details")[0]
    assert outer["class"] == "lossbook-finding lossbook-holds"
    line, opened = html.split("</summary>", 1)
    assert "It is better." in line
    assert "lossbook-chip" in line
    assert "By 2." not in line
    assert "By 2." in opened
    assert "Keep CE." in opened


def test_a_box_can_leave_its_evidence_to_another(shown: list[str]) -> None:
    verdict = Verdict("It is better.", "Table 3", "A rule.", "holds", "runs", ("More.",))
    Page("yao2018/verdict").finding(verdict, evidence="#claim")
    (html,) = shown
    assert '<a href="#claim">Evidence and rule</a>' in html
    assert "<details" not in html


@pytest.mark.parametrize(
    ("count", "still_open", "said"),
    [
        ((0, 1), 0, ""),
        ((0, 0), 1, "the comparison "),
        ((0, 0), 2, "both "),
        ((0, 0), 21, "all 21 "),
        ((1, 4), 8, "8 of the 12 "),
    ],
)
def test_what_was_not_run_of_a_claim_is_counted(
    shown: list[str], count: tuple[int, int], still_open: int, said: str
) -> None:
    verdict = Verdict(
        *("It is better.", "Table 3", "A rule.", "not tested", "no runs", ()), count=count, open=still_open
    )
    Page("yao2018/table1").finding(verdict)
    (html,) = shown
    assert (f"<em>Not run:</em> {said}" if said else "<em>In the paper") in html
    assert ("Not run" in html) == bool(said)


def test_the_command_names_what_was_changed() -> None:
    assert Page("yao2018/table1", profile="quick", seeds=0, device="auto").command == (
        "lossbook notebook yao2018/table1 -p profile quick"
    )
    assert Page("yao2018/table1", profile="quick", seeds=2).command.endswith("-p profile quick -p seeds 2")


def test_provenance_tells_runs_code_data_and_machine(
    shown: list[str], tmp_path: Path, make_record: Any
) -> None:
    records = [make_record(0.9, seed=seed, loss=loss) for seed in (0, 1) for loss in ("ce", "nllr")]
    Page("yao2018/table1", profile="quick").provenance(records)
    for fact in (
        "4 runs",
        "profile quick",
        "seeds 0, 1",
        "0123456789ab",
        "5a4ef870",
        "mnist fedcba98",
        "50 s",
    ):
        assert fact in shown[0], fact
    assert "lossbook notebook yao2018/table1 -p profile quick" in shown[0]
    saved = pd.read_csv(tmp_path / "yao2018" / "table1" / "runs.csv")
    assert saved["key"].tolist() == [r.key for r in records]
    _Document(shown[0])


def test_runs_of_several_experiments_are_listed_without_their_metrics(
    shown: list[str], tmp_path: Path, make_record: Any
) -> None:
    mine = make_record(0.9)
    for name, records in (("one", [mine]), ("both", [mine, replace(mine, experiment="li2020/table3")])):
        Page(f"synthesis/{name}").provenance(records)
        saved = pd.read_csv(tmp_path / "synthesis" / name / "runs.csv")
        assert ("test_accuracy" in saved) == (name == "one")
        assert saved["experiment"].tolist() == [r.experiment for r in records]


def test_the_list_of_runs_has_a_matrix_of_ten_classes_and_none_of_a_hundred(
    shown: list[str], tmp_path: Path, make_record: Any
) -> None:
    mine = make_record(0.9)
    mine.metrics.update(ten=[[0.5] * 10] * 10, hundred=[[0.5] * 100] * 100)
    Page("yao2018/table1").provenance([mine])
    saved = pd.read_csv(tmp_path / "yao2018" / "table1" / "runs.csv")
    assert {name.partition("/")[0] for name in saved} >= {"ten", "test_accuracy"}
    assert not [name for name in saved if name.startswith("hundred")]


def _named(html: str) -> list[str | None]:
    """The runs that are named behind each number, in order."""
    attributes = [each for _, each in _Document(html).tags]
    return [each["data-runs"] for each in attributes if "data-runs" in each]


def test_a_number_names_its_runs_and_the_page_says_once_what_they_are(
    shown: list[str], make_record: Any
) -> None:
    ce = [make_record(0.9, seed=seed) for seed in (0, 1)]
    nllr = [make_record(0.9, seed=0, loss="nllr", trust="unattested")]
    made = Page("yao2018/table1")
    cells = [Cell("–"), Cell("1", {}, (nllr[0].key,)), Cell("2", {}, tuple(r.key for r in (*ce, *nllr)))]
    made.table(pd.DataFrame({"Loss": ["a", "b", "c"], "Ours": cells}), "t", caption="T")
    made.finding(
        Verdict("It is better.", "Table 3", "A rule.", "holds", "runs", ("More.",), records=(*ce, *ce))
    )
    made.provenance([*ce, *nllr])
    assert [_named(html) for html in shown] == [["0", "1 2 0"], ["1 2"], []]
    assert sum("".join(shown).count(record.key) for record in (*ce, *nllr)) == 3
    found = json.loads(shown[-1].partition('class="lossbook-runs">')[2].partition("</script>")[0])
    assert [run[:1] + run[2:] for run in found["runs"]] == [
        [nllr[0].key, 0, "unattested"],
        [ce[0].key, 0, "fresh"],
        [ce[1].key, 1, "fresh"],
    ]
    cells_of = [found["cells"][run[1]] for run in found["runs"]]
    assert cells_of[1] == cells_of[2] != cells_of[0]
    assert cells_of[0].startswith("yao2018/table1 [quick]: ")
    assert "loss nllr" in cells_of[0]


def test_of_many_runs_a_number_names_some_and_says_how_many(shown: list[str], make_record: Any) -> None:
    keys = tuple(f"{n:03d}" for n in range(100))
    frame = pd.DataFrame({"Loss": ["CE"], "Ours": [Cell("1", {}, keys)]})
    Page("yao2018/table1").table(frame, "t", caption="T")
    (cell,) = _Document(shown[0]).all("td")
    assert cell["data-of"] == "100"
    assert len(str(cell["data-runs"]).split()) == page._SOME
    few = Page("yao2018/table1")._runs_of(keys[: page._RUNS])
    assert len(few.split()) == page._RUNS
    assert "data-of" not in few


def test_the_evidence_of_a_finding_names_its_runs(shown: list[str], make_record: Any) -> None:
    runs = [Runs((make_record(a, seed=0, loss=loss),)) for loss, a in (("ce", 0.8), ("nllr", 0.9))]
    contrast = Contrast("NLLR minus CE", Select({}), Select({}))
    interval = stats.paired_difference({0: 0.9}, {0: 0.8})
    found = Difference(contrast, runs[1], runs[0], interval)
    said = ("Something else.", found.sentence())
    verdict = Verdict("It is.", "Table 3", "A rule.", "holds", "runs", said, differences=(found,))
    Page("yao2018/table1").finding(verdict, "A number")
    first, second = _Document(shown[0]).all("li")
    assert "data-runs" not in first
    assert second["data-runs"] == "0 1"


def test_a_page_without_runs_still_says_how_to_run_it(shown: list[str]) -> None:
    Page("yao2018/derivation").provenance([])
    assert "lossbook notebook yao2018/derivation" in shown[0]
