"""``lossbook notebook``: what it refuses, and what it says of a failing notebook."""

import re

import pytest
from typer.testing import CliRunner

from lossbook import paths
from lossbook.build.errors import StepFailedError
from lossbook.cli import app
from lossbook.cli import notebook as command
from lossbook.errors import LossbookError


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """What the command asks of the build; nothing is run."""
    made = []
    monkeypatch.setattr(paths, "build_dir", lambda: tmp_path)
    monkeypatch.setattr(command, "check_parameters", lambda _, given: dict(given))
    monkeypatch.setattr(command, "run_notebook", lambda *args, **_: made.append(args))
    return made


def _invoke(*arguments):
    return CliRunner().invoke(app, ["notebook", *arguments])


def test_parameters_and_output_are_passed_on(calls, tmp_path):
    done = _invoke("yao2018/table1", "-p", "seeds", "-1", "-p", "profile", "smoke", str(tmp_path / "o.ipynb"))
    assert done.exit_code == 0
    assert calls == [("yao2018/table1", {"seeds": "-1", "profile": "smoke"}, tmp_path / "o.ipynb")]
    assert done.output.strip() == str(tmp_path / "o.ipynb")


def test_without_output_it_goes_to_the_build_folder(calls, tmp_path):
    done = _invoke("yao2018/table1")
    assert calls[0][2] == tmp_path / "notebooks-by-hand" / "yao2018" / "table1.ipynb"
    assert done.output.strip() == str(calls[0][2])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["yao2018/table1", "-p", "seeds"], "-p takes a name and a value"),
        (["yao2018/table1", "--seeds", "2"], "unknown option --seeds"),
        (["yao2018/table1", "a.ipynb", "b.ipynb"], "at most one output"),
        (["yao2018/table1", "out.txt"], r"must be named \*\.ipynb; got 'out\.txt'"),
    ],
)
def test_wrong_request_is_refused(calls, arguments, complaint):
    done = _invoke(*arguments)
    assert isinstance(done.exception, LossbookError)
    assert re.search(complaint, str(done.exception))
    assert not calls


def test_failing_notebook_is_status_1(calls, monkeypatch):
    def fail(*_, **__):
        raise StepFailedError("notebook x failed in code cell 2 of 3")

    monkeypatch.setattr(command, "run_notebook", fail)
    done = _invoke("yao2018/table1")
    assert done.exit_code == 1
    assert "failed in code cell 2 of 3" in done.output
