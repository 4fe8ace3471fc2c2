"""Parameters of notebooks, and running one."""

import json

import nbformat
import pytest

from lossbook import paths, workflow
from lossbook.errors import LossbookError, UnknownNameError


@pytest.fixture
def here(checkout, monkeypatch):
    """The small checkout, for the package of this process."""
    monkeypatch.setattr(paths, "root", lambda: checkout.top)
    monkeypatch.delenv("LOSSBOOK_BUILD", raising=False)
    monkeypatch.setenv("LOSSBOOK_FILES", "")
    return checkout


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("profile", "smoke", "smoke"),
        ("profile", "1", "1"),
        ("seeds", "3", 3),
        ("seeds", "-1", -1),
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
    given = workflow.check_parameters("paper/first", [(key, text)])[key]
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
        workflow.check_parameters("paper/first", [(key, text)])


def test_unknown_parameter_is_refused_with_those_there_are(here):
    with pytest.raises(LossbookError, match=r"did you mean 'seeds'.*profile = 'quick', seeds = 2, rate"):
        workflow.check_parameters("paper/first", [("seed", "1")])


def test_unknown_notebook_is_refused_with_the_nearest(here):
    with pytest.raises(UnknownNameError, match="did you mean 'paper/first'"):
        workflow.check_parameters("paper/firts", [])


def test_default_that_is_no_plain_value_is_reported(here):
    source = here.top / "notebooks" / "paper" / "first.md"
    source.write_text(source.read_text().replace("rate = 0.5", "rate = 1 / 2"))
    with pytest.raises(LossbookError, match="default of parameter 'rate' is not a plain value"):
        workflow.notebook_parameters("paper/first")


def test_installed_package_has_no_notebooks(monkeypatch):
    monkeypatch.setattr(paths, "root", lambda: None)
    with pytest.raises(LossbookError, match="clone the repository"):
        workflow.notebook_names()


def test_notebook_runs_with_parameters(here, tmp_path):
    here.notebook("paper/first", "import os\nprint(seeds, rate, os.environ['LOSSBOOK_FILES'])")
    output = tmp_path / "out" / "run.ipynb"
    workflow.run_notebook("paper/first", {"seeds": 7, "rate": 0.5}, output, files=tmp_path / "files")
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
    with pytest.raises(workflow.StepFailedError) as error:
        workflow.run_notebook("paper/first", {}, output, files=tmp_path)
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
    with pytest.raises(workflow.StepFailedError, match="failed in code cell 2 of 2: its Python process died"):
        workflow.run_notebook("paper/first", {}, tmp_path / "run.ipynb", files=tmp_path)


def test_output_that_cannot_be_written_is_reported(here, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LossbookError, match=r"cannot write .*file/run\.ipynb"):
        workflow.run_notebook("paper/first", {}, tmp_path / "file" / "run.ipynb", files=tmp_path)


def test_experiments_are_found_in_the_code(here):
    here.write("src/lossbook/experiments/table.py", 'NAME = "table/one"\nOTHER = "table/two"\n')
    assert workflow.experiments_of("paper/first") == []
    assert workflow.experiments_of("paper/second") == ["table/one"]


def test_every_experiment_is_found_wherever_it_is_declared():
    from lossbook import experiments

    assert workflow.experiment_names() == experiments.names()


def test_an_experiment_may_be_declared_in_a_module_of_another_name(here):
    here.write("src/lossbook/experiments/more.py", 'NAME = "paper/one"\nWRONG = "nowhere/one"\n')
    assert workflow.experiment_names() == ["paper/one", "table/one"]


def test_the_code_of_an_experiment_is_that_of_its_own_module(monkeypatch):
    seen = []
    monkeypatch.setattr(workflow, "code_hash", lambda modules: seen.append(modules) or "")
    workflow.experiment_inputs("li2020/imbalance")
    workflow.experiment_inputs("li2020/table3")
    assert seen == [["lossbook.experiments.li2020_balance"], ["lossbook.experiments.li2020"]]


def test_a_page_of_results_at_a_glance_shows_every_experiment(here, monkeypatch):
    glance = ["lossbook", "lossbook.report", "lossbook.report.glance"]
    monkeypatch.setattr(workflow, "module_closure", lambda modules: glance)
    assert workflow.experiments_of("paper/first") == ["table/one"]
