"""README.md and the written pages say what is so: commands parse, examples run, names and paths exist."""

import csv
import importlib
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import typer
import yaml
from said import numbers

from lossbook import __version__, build, datasets, experiments, paths
from lossbook.build.parameters import check_parameters, notebook_parameters, parameters_of
from lossbook.build.places import RECORDED, notebook_names
from lossbook.build.source import Source
from lossbook.cli import app, notebook
from lossbook.experiments import distributed

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "book").glob("*.md"))]
BOOK = [page for page in PAGES if page.parent.name == "book"]
EVERYWHERE = [*PAGES, ROOT / "CHANGELOG.md"]
FENCE = re.compile(r"^(`{3,})([^\n`]*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
SHELL = {"bash", "sh", "console"}


def each(pages):
    return pytest.mark.parametrize("page", pages, ids=lambda p: p.name)


def blocks(page: Path, *kinds: str) -> list[str]:
    return [body for _, kind, body in FENCE.findall(page.read_text()) if kind in kinds]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def spans(page: Path) -> list[str]:
    """Inline code, but not what stands in a role such as {cite:p}."""
    return [text for role, text in re.findall(r"(\{[a-z:]+\})?`([^`\n]+)`", prose(page)) if not role]


def commands(page: Path) -> Iterator[list[str]]:
    """Every command on the page, as words; pipes and lists of commands taken apart."""
    lines = "\n".join(blocks(page, *SHELL)).replace("\\\n", " ").splitlines()
    for line in [*lines, *spans(page)]:
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        while "|" in words:
            yield words[: words.index("|")]
            words = words[words.index("|") + 1 :]
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        if words:
            yield words


def lossbook_commands(page: Path) -> Iterator[list[str]]:
    for words in commands(page):
        if words[0] == "lossbook" and len(words) > 1:
            yield words[1:]
        elif words[:3] == ["python", "-m", "lossbook.cli"]:
            yield words[3:]


def is_placeholder(word: str) -> bool:
    return "<" in word or word.isupper()


def parse(words: list[str]) -> None:
    """Parse a command of ``lossbook`` as the command itself does, and run nothing."""
    if words in (["--help"], ["--version"]):
        return
    command, context = typer.main.get_command(app), None
    name = "lossbook"
    while hasattr(command, "commands"):
        context = command.make_context(name, [], parent=context, resilient_parsing=True)
        if not words:
            return  # A group, named as such.
        name, *words = words
        assert name in command.commands, f"there is no {name!r}; there are {sorted(command.commands)}"
        command = command.commands[name]
    if not words:
        return  # A command named in a sentence, without what it takes.
    if name == "notebook":
        check_notebook(words)
        return
    given = command.make_context(name, words, parent=context).params
    experiment = given.get("experiment") or given.get("what")
    if experiment and not re.fullmatch("[0-9a-f]+", experiment) and not is_placeholder(experiment):
        assert experiment in experiments.names()
    profile = given.get("profile")
    if profile and not is_placeholder(profile):
        assert profile in {p for each in experiments.names() for p in experiments.get(each).profiles}
    if (
        name in ("get", "verify")
        and given.get("name") not in (None, "all")
        and not is_placeholder(given["name"])
    ):
        datasets.info(given["name"])


def check_notebook(words: list[str]) -> None:
    name, parameters, _ = notebook._split(words)
    if not is_placeholder(name):
        check_parameters(name, parameters)


@each(PAGES)
def test_lossbook_commands_parse(page):
    for words in lossbook_commands(page):
        try:
            parse(words)
        except Exception as error:
            raise AssertionError(f"{page.name}: lossbook {shlex.join(words)}: {error!r}") from error


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rum yao2018/table1", "no 'rum'"),
        ("run yao2018/tabel1", "yao2018/tabel1"),
        ("run yao2018/table1 --profil quick", "--profil"),
        ("run yao2018/table1 --seeds many", "integer"),
        ("run yao2018/table1 --profile papper", "papper"),
        ("notebook yao2018/table1 -p sedes 2", "did you mean 'seeds'"),
        ("data get mnits", "did you mean 'mnist'"),
        ("results exprot", "no 'exprot'"),
    ],
)
def test_a_wrong_command_would_be_noticed(line, said):
    with pytest.raises(Exception) as caught:  # noqa: PT011 -- each comes with an exception of its own
        parse(shlex.split(line))
    assert said in f"{caught.value} {getattr(caught.value, 'message', '')}"


def test_the_readme_names_every_command():
    said = {words[0] for words in lossbook_commands(ROOT / "README.md")}
    assert said >= set(typer.main.get_command(app).commands)


@each(PAGES)
def test_make_targets_and_variables_exist(page):
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for words in commands(page):
        if words[0] != "make":
            continue
        for word in words[1:]:
            name, is_variable, value = word.partition("=")
            if not is_variable:
                assert name in targets, word
                continue
            assert name in makefile, word
            if name == "PROFILE":
                assert set(value.split("|")) <= set(build.PROFILES), word


@each(PAGES)
def test_papermill_gets_parameters_that_the_notebook_has(page):
    for line in "\n".join(blocks(page, *SHELL)).splitlines():
        if "| papermill" in line:
            (source,) = re.findall(r"notebooks/(\S+)\.md", line)
            check_parameters(source, re.findall(r"-p (\S+) (\S+)", line))


@each(PAGES)
def test_workflow_commands_name_a_step(page):
    for words in commands(page):
        if words[:3] == ["python", "-m", "lossbook.build"]:
            assert words[3] == "all"
            assert words[4:] in ([], *(["--profile", name] for name in build.PROFILES))


@each(PAGES)
def test_snakemake_gets_settings_experiments_and_folders_that_are_there(page):
    for words in commands(page):
        if words[0] == "snakemake":
            config = dict(word.split("=") for word in words if re.fullmatch(r"[a-z]+=\w+", word))
            given = build.read_settings({name: yaml.safe_load(value) for name, value in config.items()})
            if "--directory" in words:
                assert words[words.index("--directory") + 1] == f"_build/{given.profile}"
            for word in words:
                if word.startswith("experiments/"):
                    name = word.removeprefix("experiments/").removesuffix(".json")
                    assert given.profile in experiments.get(name).profiles


@each(PAGES)
def test_torchrun_commands_parse(page, capsys, monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    for words in commands(page):
        within = [
            shlex.split(word) for word in words if word.startswith("torchrun ")
        ]  # In sbatch --wrap "...".
        for part in (words, *within):
            if part[0] == "torchrun" and len(part) > 1:
                given = part[part.index("lossbook.experiments.distributed") + 1 :]
                assert distributed.main(given) == 2
                assert "start it like this" in capsys.readouterr().err
                assert given[0] in experiments.names()


@each(PAGES)
def test_python_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "example"}
    for number, block in enumerate(blocks(page, "python"), start=1):
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)


def test_the_experiment_that_extend_declares_can_be_planned(monkeypatch):
    from lossbook.training import plan_run

    names: dict[str, object] = {"__name__": "example"}
    (block,) = [b for b in blocks(ROOT / "book" / "extend.md", "python") if "EXPERIMENT =" in b]
    exec(block, names)
    experiment = names["EXPERIMENT"]
    assert list(experiment.profiles) == ["paper", "quick", "smoke"]
    for profile in experiment.profiles.values():
        for _, spec in profile.runs():
            plan_run(spec)


def test_the_notebook_that_extend_shows_runs(tmp_path, monkeypatch):
    import jupytext

    monkeypatch.setenv("LOSSBOOK_FILES", str(tmp_path))
    (source,) = blocks(ROOT / "book" / "extend.md", "markdown")
    read = jupytext.reads(source, fmt="md:myst")
    assert [p.name for p in parameters_of(Source("example", read)).values()] == ["classes"]
    names: dict[str, object] = {"__name__": "example"}
    for cell in read.cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    assert (tmp_path / "yao2018" / "apart" / "apart.csv").is_file()


@each(EVERYWHERE)
def test_named_paths_exist(page):
    top = {path.name for path in ROOT.iterdir()}
    for text in spans(page):
        if " " in text or is_placeholder(text) or not re.match(r"[A-Za-z_.]", text):
            continue
        first = text.split("/")[0]
        is_file = text in top or text in {"Makefile", "Snakefile", "LICENSE", "CITATION.cff", "README.md"}
        is_path = "/" in text and first in {
            "src",
            "book",
            "notebooks",
            "data",
            "tests",
            "benchmarks",
            "workflow",
        }
        # Published records come later; the rest is there from the start.
        if (is_file or is_path) and not text.startswith("data/results"):
            assert (ROOT / text).exists(), text


@each(PAGES)
def test_named_modules_and_objects_exist(page):
    for text in spans(page):
        if not re.fullmatch(r"lossbook(\.\w+)+", text):
            continue
        module, rest = text, []
        while True:
            try:
                found = importlib.import_module(module)
                break
            except ModuleNotFoundError:
                module, _, last = module.rpartition(".")
                rest.insert(0, last)
        for name in rest:
            found = getattr(found, name)


@each(PAGES)
def test_names_of_the_code_exist(page):
    """Constants such as _MODULES, and classes such as NLLRLoss, are in the sources or made on the page."""
    sources = "\n".join([*(p.read_text() for p in (ROOT / "src").rglob("*.py")), *blocks(page, "python")])
    for text in spans(page):
        if re.fullmatch(r"_[A-Z]+|[A-Z]+_[A-Z]+|[A-Z][a-z]\w+[A-Z]\w+|NLLRLoss", text):
            assert re.search(rf"\b{text}\b", sources) or hasattr(torch.nn, text), text


@each(BOOK)
def test_cited_keys_are_in_the_bibliography(page):
    from pybtex.database import parse_file

    keys = set(parse_file(str(ROOT / "book" / "references.bib")).entries)
    cited = {
        key.strip()
        for keys_ in re.findall(r"\{cite:[pt]\}`([^`]+)`", page.read_text())
        for key in keys_.split(",")
    }
    assert cited <= keys, cited - keys


def test_every_paper_of_the_notebooks_is_in_the_bibliography():
    from pybtex.database import parse_file

    entries = parse_file(str(ROOT / "book" / "references.bib")).entries
    assert {"li2020", "battash2021", "dong2019", "yao2018"} <= set(entries)
    for source in (ROOT / "notebooks").rglob("*.md"):
        for keys in re.findall(r"\{cite:[pt]\}`([^`]+)`", source.read_text()):
            assert {key.strip() for key in keys.split(",")} <= set(entries), source.name


def in_book() -> set[str]:
    """Every page that `_toc.yml` lists."""
    return set(re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text()))


@each(BOOK)
def test_links_lead_to_pages_and_labels_that_exist(page):
    sources = [*BOOK, *(ROOT / "notebooks").rglob("*.md")]
    labels = {
        label for s in sources for label in re.findall(r"^\(([^)\s]+)\)=$", s.read_text(), re.MULTILINE)
    }
    for target in re.findall(r"\[[^\]]+\]\(([^)\s]+)\)", prose(page)):
        if not target.startswith("https://"):
            assert target.removesuffix(".md") in in_book() | labels, target


@each(BOOK)
def test_the_page_is_in_the_table_of_contents(page):
    assert page.stem in in_book()


@each([*EVERYWHERE])
def test_headings_start_with_one_and_skip_no_level(page):
    levels = [len(marks) for marks in re.findall(r"^(#+) ", prose(page), re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


# --- numbers and lists that a page repeats ------------------------------------------------------------------


def rows(page: str, heading: str) -> list[list[str]]:
    """The rows of the first table whose heading row begins so, without that row."""
    text = (ROOT / page).read_text()
    table = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table, heading
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[1].splitlines()]


def test_the_published_table_is_quoted_as_recorded():
    with (ROOT / "data" / "published" / "yao2018" / "table1.csv").open() as file:
        recorded = list(csv.DictReader(file))
    for title, *printed in rows("book/yao2018.md", "Data set"):
        values = [f"{r['accuracy_percent']}%" for r in recorded if datasets.info(r["dataset"]).title == title]
        assert printed == values


def test_the_notebooks_and_their_parameters_are_listed():
    said = {
        name.strip("`"): re.findall(r"`(\w+)`", text) for name, text in rows("book/reproduce.md", "Notebook")
    }
    assert said == {name: list(notebook_parameters(name)) for name in notebook_names()}


def test_the_profiles_of_the_build_are_listed():
    assert [row[0].strip("`") for row in rows("book/reproduce.md", "Profile")] == list(build.PROFILES)


def test_what_is_published_is_what_make_book_builds():
    (flow,) = (ROOT / ".github" / "workflows").glob("*.yml")
    steps = yaml.safe_load(flow.read_text())["jobs"]["build"]["steps"]
    (upload,) = (step for step in steps if "upload-pages" in step.get("uses", ""))
    (made,) = (step["run"] for step in steps if "make book" in step.get("run", ""))
    assert made == "make book", "without a profile it is that of the recorded runs"
    assert upload["with"]["path"] == f"_build/{RECORDED}/book"


def test_the_files_to_put_by_hand_are_those_of_the_registry():
    table = rows("book/reproduce.md", "Data set")
    assert [row[0].strip("`") for row in table] == [n for n in datasets.names() if datasets.info(n).mirrors]
    prose = (ROOT / "book/reproduce.md").read_text()
    assert all(f"`{name}`" in prose for name in datasets.names())
    mnist = [file.name for file in datasets.info("mnist").files]
    for name, files, folder in table:
        info = datasets.info(name.strip("`"))
        named = re.findall(r"`([^`]+)`", files) or mnist
        assert named == ([info.archive.name] if info.archive else [file.name for file in info.files])
        # An archive is put in the data root itself.
        assert re.findall(r"`([^`]+)`", folder) == ([] if info.archive else [info.folder])


def test_the_cost_of_the_paper_profile_is_counted_right():
    profile = experiments.get("yao2018/table1").profiles["paper"]
    runs = profile.runs()
    totals = {d: sum(s.epochs for _, s in runs if s.dataset == d) for d in ("mnist", "cifar10")}
    text = (ROOT / "book" / "running.md").read_text()
    # Runs, cells and seeds; epochs of MNIST and of CIFAR-10.
    counts = [str(len(runs)), str(len(profile.cells)), str(profile.seeds)]
    epochs = [f"{totals['mnist']:,}", f"{totals['cifar10']:,}"]
    assert numbers(text.partition("`paper` profile of `yao2018/table1` ")[2])[:5] == counts + epochs
    keras12 = experiments.get("yao2018/table1").profiles["keras12"].runs()
    assert f"{len(keras12)} runs of {keras12[0][1].epochs} epochs" in text


def test_the_environment_variables_are_the_ones_that_are_read():
    code = (ROOT / "src" / "lossbook" / "paths.py").read_text()
    said = {row[0].strip("`") for row in rows("book/reproduce.md", "Variable")}
    assert said == set(re.findall(r"LOSSBOOK_[A-Z]+", code))


def test_download_sizes_are_those_of_the_registry():
    names = ("mnist", "fashion_mnist", "cifar10", "cifar100")
    sizes = {datasets.info(name).title: datasets.info(name).download_size / 1e6 for name in names}
    text = " ".join((ROOT / "book" / "reproduce.md").read_text().split())
    assert all(f" {title} ({size:.0f} MB)" in text for title, size in sizes.items())
    assert f"{sum(sizes.values()):.0f} MB" in (ROOT / "README.md").read_text()


def test_the_layers_are_listed_in_order():
    listed = re.findall(r"`lossbook\.(\w+)`", " ".join(row[0] for row in rows("book/extend.md", "Layer")))
    there = (ROOT / "src" / "lossbook").iterdir()
    packages = {p.stem for p in there if not p.name.startswith("_") and p.name != "py.typed"}
    assert set(listed) | {"errors", "paths", "progress"} == packages


def test_keys_of_the_registry_are_listed():
    listed = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows("book/extend.md", "Key")))
    registry = yaml.safe_load(paths.data_file("datasets.yaml").read_text())
    used = {key for entry in registry.values() for key in entry} - {"variants"}
    assert set(listed) == used


def test_citation_file_agrees_with_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert citation["authors"] == [{"name": "the lossbook contributors"}]
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_licence_names_both_licences_and_the_holder():
    text = (ROOT / "LICENSE").read_text()
    for words in ("MIT License", "CC BY 4.0", "the lossbook contributors"):
        assert words in text
