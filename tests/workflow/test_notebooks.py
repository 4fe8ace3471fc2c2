"""Parameters of notebooks, and running one."""

import ast
import errno
import json
import os
from importlib import import_module

import filelock
import jupytext
import nbformat
import pytest

from lossbook import build, experiments, paths
from lossbook.build import execute, graph, hashing, locks, parameters, places, stage, steps
from lossbook.build.errors import StepFailedError
from lossbook.build.source import ALL, read_source
from lossbook.errors import LossbookError, UnknownNameError
from lossbook.models import checkpoints


@pytest.fixture
def here(checkout, monkeypatch):
    """The small checkout, for the package of this process."""
    monkeypatch.setattr(paths, "root", lambda: checkout.top)
    monkeypatch.delenv("LOSSBOOK_BUILD", raising=False)
    monkeypatch.setenv("LOSSBOOK_FILES", "")
    return checkout


@pytest.mark.parametrize("profile", places.PROFILES)
def test_the_book_can_be_made_at_every_profile(profile, tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSBOOK_BUILD", str(tmp_path))
    given = {}
    monkeypatch.setattr(steps, "run_notebook", lambda name, values, *_, **__: given.update({name: values}))
    for name in places.notebook_names():
        steps.step_notebook(name, profile)
        parameters.check_parameters(name, [(key, str(value)) for key, value in given[name].items()])
    lacking = [name for name in experiments.names() if profile not in experiments.get(name).profiles]
    for name in lacking if profile != places.RECORDED else ():
        steps.step_experiment(name, profile, tmp_path / "stamp.json")
        assert json.loads((tmp_path / "stamp.json").read_text())["runs"] == []
        steps.step_shard(name, profile, "1-of-2", tmp_path / "shard.json")
        assert (tmp_path / "shard.json").is_file()
    assert (profile == "paper") == bool(lacking) or profile == places.RECORDED


def test_folders_of_the_environment_hold_wherever_a_step_starts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOSSBOOK_BUILD", "out")
    monkeypatch.setenv("LOSSBOOK_DATA", "sets")
    places.make_absolute()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert (paths.build_dir(), paths.data_root()) == (tmp_path / "out", tmp_path / "sets")


def test_the_packages_with_weights_are_those_that_networks_look_for():
    assert {package for package, _ in checkpoints._PACKAGED.values()} == set(hashing.WEIGHTS)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("profile", "smoke", "smoke"),
        ("seeds", "3", 3),
        ("device", "cpu", "cpu"),
        ("rate", "3", 3.0),
        ("rate", "1e-3", 1e-3),
        ("verbose", "True", True),
        ("verbose", "false", False),
        ("sizes", "[3]", [3]),
        ("sizes", "[]", []),
        ("anything", "[1, 'a']", [1, "a"]),
        ("anything", "some words", "some words"),
    ],
)
def test_value_gets_the_type_of_the_default(here, key, text, value):
    given = parameters.check_parameters("paper/first", [(key, text)])[key]
    assert given == value
    assert type(given) is type(value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("seeds", "2.0"),
        ("seeds", "two"),
        ("seeds", ""),
        ("rate", "fast"),
        ("verbose", "1"),
        ("sizes", "3"),
        ("sizes", "['a']"),
        ("sizes", "[1"),
    ],
)
def test_value_of_another_type_is_refused(here, key, text):
    with pytest.raises(LossbookError, match=f"parameter '{key}' must be .*, for example "):
        parameters.check_parameters("paper/first", [(key, text)])


@pytest.mark.parametrize(
    ("name", "given", "complaint"),
    [
        (
            "li2020/pixels",
            {"profile": "smok"},
            "of li2020/pixels 'smok'; did you mean 'smoke'",
        ),
        ("li2020/pixels", {"profile": "cnn2c"}, "There are: recorded, paper, quick, smoke"),
        (
            "li2020/table3",
            {"profile": "cnn2c", "seeds": "-1"},
            "'seeds' must be 0 .* or 1 or more; got -1",
        ),
        ("li2020/table1", {"runs": "1"}, "parameter 'runs' must be 0 .* or 2 or more; got 1"),
        ("li2020/table1", {"profile": "full"}, "There are: recorded, smoke, quick, paper"),
        ("li2020/table3", {"profile": "quick", "device": "gpu"}, "unknown device 'gpu'"),
        (
            "li2020/table3",
            {"seeds": "3"},
            "'recorded' nothing is trained, so seeds = 3 has",
        ),
        ("li2020/table3", {"device": "cpu"}, "so device = 'cpu' has no effect"),
    ],
)
def test_value_that_cannot_be_right_is_refused(name, given, complaint):
    with pytest.raises(LossbookError, match=complaint):
        parameters.check_parameters(name, given.items())


def test_profile_that_every_experiment_of_the_page_has_is_taken():
    assert (
        parameters.check_parameters("li2020/table5", [("profile", "fashion"), ("seeds", "2")])["seeds"] == 2
    )
    assert parameters.check_parameters("li2020/verdict", [("profile", "quick")])


def test_unknown_parameter_is_refused_with_those_there_are(here):
    with pytest.raises(
        LossbookError, match=r"did you mean 'seeds'.*profile = 'quick', seeds = 2, device = 'auto', rate"
    ):
        parameters.check_parameters("paper/first", [("seed", "1")])


def test_unknown_notebook_is_refused_with_the_nearest(here):
    with pytest.raises(UnknownNameError, match="did you mean 'paper/first'"):
        parameters.check_parameters("paper/firts", [])


def test_default_that_is_no_plain_value_is_reported(here):
    source = here.top / "notebooks" / "paper" / "first.md"
    source.write_text(source.read_text().replace("rate = 0.5", "rate = 1 / 2"))
    with pytest.raises(LossbookError, match="default of parameter 'rate' is not a plain value"):
        parameters.notebook_parameters("paper/first")


def test_installed_package_has_no_notebooks(monkeypatch):
    monkeypatch.setattr(paths, "root", lambda: None)
    with pytest.raises(LossbookError, match="clone the repository"):
        places.notebook_names()


def test_notebook_runs_with_parameters(here, tmp_path):
    here.notebook("paper/first", "import os\nprint(seeds, rate, os.environ['LOSSBOOK_FILES'])")
    output = tmp_path / "out" / "run.ipynb"
    execute.run_notebook("paper/first", {"seeds": 7, "rate": 0.5}, output, files=tmp_path / "files")
    executed = nbformat.read(output, as_version=4)
    assert executed.cells[-1].outputs[0].text == f"7 0.5 {tmp_path / 'files'}\n"
    # What has its default value is not repeated; nothing of this machine is left; nothing else lies there.
    (injected,) = (c for c in executed.cells if "injected-parameters" in c.metadata.get("tags", []))
    assert "seeds = 7" in injected.source
    assert "rate" not in injected.source
    assert "papermill" not in json.dumps(executed)
    assert [path.name for path in output.parent.iterdir()] == ["run.ipynb"]


def test_failing_cell_leaves_the_executed_part_and_no_output(here, tmp_path, capsys):
    here.notebook("paper/first", "print('before')\nraise ValueError('a bad day')")
    output = tmp_path / "run.ipynb"
    with pytest.raises(StepFailedError) as error:
        execute.run_notebook("paper/first", {}, output, files=tmp_path)
    said = str(error.value)
    assert "notebook paper/first failed in code cell 2 of 2: ValueError: a bad day" in said
    assert "    raise ValueError('a bad day')" in said
    assert not output.exists()
    partial = tmp_path / "run.partial.ipynb"
    assert str(partial) in said
    assert "before" in partial.read_text()
    assert "[paper/first] stopped" in capsys.readouterr().out


def test_dead_kernel_is_reported(here, tmp_path):
    here.notebook("paper/first", "import os\nos._exit(1)")
    with pytest.raises(StepFailedError, match="failed in code cell 2 of 2: its Python process died"):
        execute.run_notebook("paper/first", {}, tmp_path / "run.ipynb", files=tmp_path)


def test_output_that_cannot_be_written_is_reported(here, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LossbookError, match=r"cannot write .*file/run\.ipynb"):
        execute.run_notebook("paper/first", {}, tmp_path / "file" / "run.ipynb", files=tmp_path)


def test_full_disk_is_reported(here, tmp_path, monkeypatch):
    def write(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(execute, "_execute", write)
    with pytest.raises(LossbookError, match=r"cannot write .*run\.ipynb: No space left on device"):
        execute.run_notebook("paper/first", {}, tmp_path / "run.ipynb", files=tmp_path)
    assert not (tmp_path / "run.ipynb").exists()


def test_snakemake_waits_for_what_a_killed_build_has_left(here, monkeypatch):
    folder = here.top / "_build" / "smoke"
    folder.mkdir(parents=True)
    monkeypatch.setattr(locks, "_LEFT_OVER", 0.1)
    with (
        filelock.FileLock(folder / ".workflow.lock", is_singleton=False),
        pytest.raises(LossbookError, match="another Snakemake works in .*smoke; wait for it or stop it"),
    ):
        locks.hold_workflow("smoke")
    locks.hold_workflow("smoke").release()


def test_a_notebook_shows_the_experiments_it_declares(here):
    here.write("src/lossbook/papers/table/__init__.py", 'EXPERIMENTS = ("one", "two")\n')
    here.notebook("paper/third", "print()", "all")
    graph = build.Graph("smoke")
    assert graph.shown_by("paper/first") == []
    assert graph.shown_by("paper/second") == graph.trained_for("paper/second") == ["table/one"]
    assert graph.shown_by("paper/third") == ["table/one", "table/two"]
    assert build.Graph("recorded").trained_for("paper/second") == []


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (
            "[table/onne]",
            "unknown experiment in the front matter of paper/second 'table/onne'; did you mean 'table/one'",
        ),
        ("table/one", r"in its front matter, lossbook must be .*got \{'experiments': 'table/one'\}"),
        ("[1]", "in its front matter, lossbook must be "),
    ],
)
def test_a_wrong_declaration_is_refused(here, declared, message):
    here.notebook("paper/second", "print()", declared)
    with pytest.raises(LossbookError, match=message):
        build.Graph("smoke").shown_by("paper/second")


def test_a_declaration_survives_jupytext(here):
    notebook = jupytext.read(here.top / "notebooks" / "paper" / "second.md")
    again = jupytext.reads(jupytext.writes(notebook, fmt="md:myst"), fmt="md:myst")
    assert again.metadata["lossbook"] == {"experiments": ["table/one"]}


@pytest.mark.parametrize("name", places.notebook_names())
def test_a_notebook_declares_the_experiments_that_its_code_names(name):
    """A page that uses the glance shows every experiment; a verdict those that its claims rest on."""
    source = read_source(name)
    texts = {n.value for tree in source.code for n in ast.walk(tree) if isinstance(n, ast.Constant)}
    named = sorted(set(experiments.names()) & {text for text in texts if isinstance(text, str)})
    if any("verdict.EXPERIMENTS" in ast.unparse(tree) for tree in source.code):
        named = sorted({*named, *import_module(f"lossbook.papers.{name.replace('/', '.')}").EXPERIMENTS})
    if "lossbook.papers.synthesis.glance" in source.modules:
        assert source.experiments == ALL
    else:
        assert sorted(source.experiments) == named


@pytest.mark.parametrize("name", places.notebook_names())
def test_a_page_of_results_opens_with_what_was_found(name):
    """Warnings may stand in front. The glance, of all papers, has no single finding."""
    source = read_source(name)
    if not source.experiments or name == "synthesis/glance":
        pytest.skip("no experiment's page")
    helpers, shown = {}, []
    for node in (each for tree in source.code for each in tree.body):
        if isinstance(node, ast.FunctionDef):
            helpers[node.name] = _shown(node, helpers)
        else:
            shown += _shown(node, helpers)
    assert shown[0] == "finding"


def _shown(node, helpers):
    """What a statement shows, in order of lines: methods of the page, and what its own functions show."""
    found = []
    for call in sorted((n for n in ast.walk(node) if isinstance(n, ast.Call)), key=lambda n: n.lineno):
        name = ast.unparse(call.func)
        if name == "overview":
            found.append("finding")  # its headlines, of a verdict
        elif name.startswith("page.") and name[5:] in ("finding", "figure", "table", "text"):
            found.append(name[5:])
        found += helpers.get(name, [])
    return found


def test_every_experiment_is_found_wherever_it_is_declared():
    assert build.Graph("smoke").experiments == experiments.names()


def test_records_of_another_experiment_that_count_are_what_a_page_depends_on(monkeypatch):
    made = build.Graph("recorded")
    assert {name: made.also(name) for name in experiments.names()} == {
        name: list(experiments.get(name).also) for name in experiments.names()
    }
    asked = []
    monkeypatch.setattr(made, "_records", lambda experiment: asked.append(experiment) or "")
    made.notebook_inputs("dong2019/table1")
    assert asked == ["dong2019/table1", "synthesis/head_to_head"]


def test_pages_depend_on_the_versions_of_the_libraries(monkeypatch):
    made, before = build.Graph("recorded"), []
    hashed = graph.hash_files
    for inputs in (made.book_inputs, lambda: made.notebook_inputs("yao2018/table1")):
        before.append(inputs())
    lock = places.checkout() / "requirements.lock"
    monkeypatch.setattr(graph, "hash_files", lambda files: hashed(files) + "+" * (lock in list(files)))
    assert made.book_inputs() != before[0]
    assert made.notebook_inputs("yao2018/table1") != before[1]


def test_the_code_of_an_experiment_is_that_of_its_own_module(monkeypatch):
    seen = []
    monkeypatch.setattr(graph, "code_hash", lambda modules: seen.append(modules) or "")
    made = build.Graph("smoke")
    made.experiment_inputs("li2020/imbalance")
    made.experiment_inputs("li2020/table3")
    assert seen == [["lossbook.papers.li2020.imbalance"], ["lossbook.papers.li2020.table3"]]


def test_text_of_a_page_is_that_of_its_source_whenever_it_was_executed(here):
    output = here.top / "_build" / "smoke" / "notebooks" / "paper" / "first.ipynb"
    source = here.notebook("paper/first", "print('hello')")
    execute.run_notebook("paper/first", {"seeds": 7}, output, files=here.top / "files")
    source.write_text(source.read_text().replace("# paper/first", "# New\n\nMore text.\n\n+++\n\nAnd more."))
    shown = stage.with_current_text("paper/first", "smoke")
    assert [cell["source"] for cell in shown["cells"] if cell["cell_type"] == "markdown"] == [
        "# New\n\nMore text.",
        "And more.",
    ]
    code = [cell for cell in shown["cells"] if cell["cell_type"] == "code"]
    assert "seeds = 7\n" in code[1]["source"]
    assert code[2]["outputs"][0]["text"] == ["hello\n"]
    assert len({cell["id"] for cell in shown["cells"]}) == 5
    nbformat.validate(nbformat.reads(json.dumps(shown), as_version=4))
