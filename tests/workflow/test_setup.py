"""The set-up behind `make`, and `make` itself, as far as no installation is needed."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def setup(tmp_path, monkeypatch):
    """The set-up script's names, run in an empty checkout."""
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.chdir(tmp_path)
    return runpy.run_path(str(ROOT / "workflow" / "setup.py"))


def test_set_up_environment_is_left_alone(setup, monkeypatch):
    python = Path(setup["PYTHON"])
    python.parent.mkdir(parents=True)
    python.write_text("")
    setup["DONE"].write_text(setup["state"]())
    made = []
    monkeypatch.setitem(setup["main"].__globals__, "make_venv", lambda: sys.exit(made.append(1)))
    monkeypatch.setitem(setup["main"].__globals__, "works", lambda _: True)
    setup["main"]()
    assert (python.read_text(), made) == ("", [])
    # After an upgrade of the system the libraries are those of another Python.
    monkeypatch.setitem(setup["main"].__globals__, "works", lambda _: False)
    with pytest.raises(SystemExit):
        setup["main"]()
    assert made == [1]


def test_changed_lock_or_place_asks_for_set_up(setup, tmp_path, monkeypatch):
    before = setup["state"]()
    lock = tmp_path / "requirements.lock"
    lock.write_text(lock.read_text() + "# changed\n")
    changed = setup["state"]()
    assert changed != before
    (tmp_path / "moved").mkdir()
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    monkeypatch.chdir(tmp_path / "moved")
    assert setup["state"]() != changed


def test_environment_of_another_place_is_made_anew(setup, tmp_path, monkeypatch):
    """In a copied clone the programs of .venv would run the original's Python."""
    made = []

    def make(command):
        made.append(command[1:4])
        Path(setup["VENV"]).mkdir(exist_ok=True)
        return 0

    monkeypatch.setattr(subprocess, "call", make)
    monkeypatch.setitem(setup["make_venv"].__globals__, "works", lambda _: True)
    setup["make_venv"]()
    setup["make_venv"]()
    assert made == [["-m", "venv", "--clear"]]
    shutil.copytree(tmp_path / ".venv", tmp_path / "copy" / ".venv")
    monkeypatch.chdir(tmp_path / "copy")
    setup["make_venv"]()
    setup["make_venv"]()
    assert made == [["-m", "venv", "--clear"]] * 2


def test_old_python_is_refused(setup, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    with pytest.raises(SystemExit, match=r"Python 3\.11 or later is needed; .* is 3\.10"):
        setup["main"]()


def test_python_without_venv_is_reported(setup, monkeypatch):
    monkeypatch.setattr(subprocess, "call", lambda *_, **__: 1)
    with pytest.raises(SystemExit, match="apt install python3-venv"):
        setup["make_venv"]()


def test_uv_is_installed_as_the_lock_pins_it(setup, monkeypatch):
    asked = []

    def call(command, **_):
        asked.append((command, Path(command[-1]).read_text()))
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    setup["install_uv"]({})
    ((command, text),) = asked
    assert "--require-hashes" in command
    assert text.startswith("uv==")
    assert text.count("==") == 1
    assert "--hash=sha256:" in text


def _make(folder, *arguments):
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_make_refuses_an_unknown_profile_before_anything_else(tmp_path):
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    refused = _make(tmp_path, "book", "PROFILE=smok")
    assert refused.returncode == 2
    assert "unknown PROFILE 'smok'; there are: recorded, smoke, quick, paper" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


def test_make_names_a_missing_python(tmp_path):
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    refused = _make(tmp_path, "book", "PYTHON=python9.9")
    assert refused.returncode == 2
    assert "there is no 'python9.9' here" in refused.stderr


def test_make_help_lists_what_there_is(tmp_path):
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    said = _make(tmp_path, "help").stdout
    assert all(f"make {target}" in said for target in ("book", "test", "lock", "clean", "distclean"))
    assert "smoke|quick|paper" in said
    assert "LOSSBOOK_DATA" in said
