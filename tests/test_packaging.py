"""Declared dependencies, the lock and environment.yml agree; the package installs; rooms stay in order."""

import ast
import graphlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from lossbook import experiments
from lossbook.results.code import imported_modules

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "lossbook"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Each room imports only from those before it.
ROOMS = [
    "errors",
    "progress",
    "paths",
    "results",
    "losses",
    "analysis",
    "datasets",
    "models",
    "training",
    "experiments",
    "evidence",
    "pages",
    "papers",
    "build",
    "cli",
]
# What training needs; a bare GPU machine has no more.
TRAINING_PATH = {
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "yaml",
    "typer",
    "rich",
    "tqdm",
    "filelock",  # torch brings it
    "PIL",  # torchvision brings it
}


def _locked() -> list[tuple[Requirement, str]]:
    """The lock's entries, each with its text."""
    text = re.sub(r"^#.*\n", "", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    blocks = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    return [(Requirement(block.splitlines()[0].rstrip("\\ ")), block) for block in blocks if block.strip()]


def _declared() -> list[Requirement]:
    project = PROJECT["project"]
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    return [Requirement(r) for r in [*project["dependencies"], *extras, *PROJECT["build-system"]["requires"]]]


def test_lock_pins_every_entry_with_hashes():
    for requirement, block in _locked():
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", block), requirement


def test_lock_names_no_index_and_no_file():
    text = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"://|--index|--extra-index|--find-links|file:", text)


@pytest.mark.parametrize("requirement", _declared(), ids=str)
def test_declared_dependency_is_locked_within_its_bound(requirement):
    name = canonicalize_name(requirement.name)
    pins = [locked for locked, _ in _locked() if canonicalize_name(locked.name) == name]
    assert pins, f"{name} is not in requirements.lock; run: make lock"
    for pin in pins:
        (version,) = (each.version for each in pin.specifier)
        assert requirement.specifier.contains(version, prereleases=True), f"{pin} is outside {requirement}"


def test_conda_environment_installs_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = [each for each in environment["dependencies"] if isinstance(each, str)]
    (pip,) = (each["pip"] for each in environment["dependencies"] if isinstance(each, dict))
    assert pip == ["-r requirements.lock"]
    assert sorted(each.partition("=")[0] for each in conda) == ["pip", "python"]
    (python,) = (each.partition("=")[2] for each in conda if each.startswith("python="))
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(python)


def test_package_installs_by_itself(tmp_path):
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    target = tmp_path / "site"
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, ROOT], check=True)

    def said(*command: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(target)}
        done = subprocess.run(
            [sys.executable, *command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", said(str(target / "bin" / "lossbook"), "--version"))
    where = "from lossbook import paths; print(paths.root(), paths.data_file('datasets.yaml').is_file())"
    assert said("-c", where).split() == ["None", "True"]


def test_losses_import_torch_and_nothing_else():
    code = """
import sys, torch
before = set(sys.modules)
import lossbook.losses
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(new - set(sys.stdlib_module_names) - {"lossbook"}))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_importing_the_package_imports_nothing_else():
    code = """
import sys
import lossbook
print(sorted({n.partition(".")[0] for n in sys.modules} & {"torch", "numpy", "pandas", "yaml", "matplotlib"}))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _room(module: str) -> str | None:
    """The room of ``lossbook.room...``; None for the package itself and for what is not of it."""
    parts = module.split(".")
    return parts[1] if parts[0] == "lossbook" and len(parts) > 1 else None


def _imports(path: Path) -> Iterator[str]:
    """Full names of what a module imports, wherever in it."""
    package = ["lossbook", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _is_item(paper: str, name: str = "__init__") -> bool:
    """Whether a module of a paper declares an experiment, so that machines without plots import it."""
    return f"{paper}/{name}" in experiments.names()


@pytest.mark.parametrize("path", _modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_no_paper_imports_another(path):
    room, *rest = path.relative_to(PACKAGE).parts
    if room != "papers" or len(rest) < 2 or rest[0] == "synthesis":
        pytest.skip("not a paper's; the synthesis reads all")
    used = {name.split(".")[2] for name in _imports(path) if name.startswith("lossbook.papers.")}
    # What no paper owns: the form of an equation, and the recipe of the reference network.
    assert used <= {rest[0], "Equation", "recipe"}


@pytest.mark.parametrize("path", _modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_rooms_import_only_from_rooms_before_them(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    used = {room for name in _imports(path) if (room := _room(name)) in ROOMS}
    if own == "__init__":
        assert not used
        return
    allowed = {"losses", "errors"} if own == "losses" else set(ROOMS[: ROOMS.index(own) + 1])
    assert used <= allowed, f"{own} must not import {sorted(used - allowed)}"


def test_no_modules_import_each_other_in_a_circle():
    """Wherever in a module an import stands; what is imported for annotations alone does not count."""
    imports = {}
    for path in _modules():
        name = ".".join(["lossbook", *path.relative_to(PACKAGE).with_suffix("").parts])
        name = name.removesuffix(".__init__")
        imports[name] = imported_modules(ast.parse(path.read_text()), name) - {name}
    graphlib.TopologicalSorter(imports).prepare()


@pytest.mark.parametrize("path", _modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_training_path_needs_no_notebook_or_plotting_library(path):
    room, *rest = path.relative_to(PACKAGE).with_suffix("").parts
    if room in ("pages", "build") or (room == "papers" and not _is_item(*rest)):
        pytest.skip("what is shown may use any library")
    used = {name.partition(".")[0] for name in _imports(path)} - set(sys.stdlib_module_names) - {"lossbook"}
    allowed = {"torch"} if path.parent.name == "losses" else TRAINING_PATH
    if path == PACKAGE / "evidence" / "ranking.py":
        allowed = allowed | {"scikit_posthocs"}  # imported where it is called, by pages
    if path == PACKAGE / "datasets" / "transfer.py":
        allowed = allowed | {"certifi"}  # where the system trusts nobody, and only if it is there
    assert used <= allowed, sorted(used - allowed)
