"""A small checkout: two notebooks, an experiment that trains nothing, and this package's build."""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_NOTEBOOK = """\
---
jupytext:
  notebook_metadata_filter: lossbook
  text_representation: {{extension: .md, format_name: myst}}
kernelspec: {{display_name: Python 3, language: python, name: python3}}
lossbook: {{experiments: {experiments}}}
---

# {title}

```{{code-cell}} python3
:tags: [parameters]
profile = "quick"
seeds = 2  # how many
device = "auto"
rate = 0.5
verbose = False
sizes = [1, 2]
anything = None
```

```{{code-cell}} python3
{code}
```
"""

_EXPERIMENTS = (
    "'A room.'"
    + """
import types
from lossbook import paths
from lossbook.toy import table

NAMES = {table.NAME}

def get(name):
    return types.SimpleNamespace(profiles=("paper", "quick", "smoke"))

def run(name, *, profile, device, refresh):
    record = types.SimpleNamespace(key="k", provenance={"code": table.VALUE, "finished": "t"})
    paths.atomic_write(paths.build_dir() / "results" / name / f"{profile}.jsonl", f"{table.VALUE}\\n")
    print("trained", name, profile, refresh)
    return types.SimpleNamespace(
        records=[record], notes=("digits stand in",), left=[], unattested=[], unavailable=()
    )
"""
)


class Checkout:
    """The small checkout, and commands run in it."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def write(self, name: str, text: str) -> Path:
        """Write a file of the checkout."""
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def notebook(self, name: str, code: str, experiments: str = "[]") -> Path:
        """Write a notebook with one cell after its parameters, and what it declares in YAML."""
        text = _NOTEBOOK.format(title=name, code=code, experiments=experiments)
        return self.write(f"notebooks/{name}.md", text)

    @contextlib.contextmanager
    def changed(self, name: str, old: str, new: str) -> Iterator[None]:
        """A file as it was but for some text; a new file if there was none."""
        path = self.top / name
        before = path.read_text() if path.exists() else None
        assert old in (before or "")
        self.write(name, before.replace(old, new) if before else new)
        yield
        path.unlink() if before is None else path.write_text(before)

    def environment(self) -> dict[str, str]:
        """The environment of a command run in the checkout."""
        known = {k: v for k, v in os.environ.items() if not k.startswith(("LOSSBOOK_", "MAKE"))}
        return known | {"PYTHONPATH": str(self.top / "src"), "LOSSBOOK_DATA": str(self.top / "datasets")}

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start ``python -m <arguments>`` of the checkout as make does, below a shell."""
        command = " ".join(shlex.quote(each) for each in (sys.executable, "-m", *arguments))
        environment = self.environment() | {"MAKELEVEL": "1"}
        return subprocess.Popen(["sh", "-c", f"{command}; exit $?"], env=environment, cwd=self.top)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m <arguments>`` of the checkout; stdout and stderr together."""
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(
            command,
            env=self.environment() | environment,
            cwd=self.top,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def build(self, profile: str = "smoke") -> subprocess.CompletedProcess[str]:
        """Build the book of the checkout."""
        return self.run("lossbook.build", "all", "--profile", profile)

    def plan(self, profile: str = "smoke") -> set[str]:
        """What a build would do, from Snakemake's dry run."""
        folder = str(self.top / "_build" / profile)
        options = [
            "--directory",
            folder,
            "--config",
            f"profile={profile}",
            "--dry-run",
            "--nolock",
            "--cores",
            "2",
        ]
        done = self.run("snakemake", "--snakefile", str(self.top / "Snakefile"), *options)
        assert done.returncode == 0, done.stdout
        outputs = re.findall(r"^ +output: ([^,\n]+)", done.stdout, re.MULTILINE)
        return {output.rpartition(".")[0] for output in outputs}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout with pages ``paper/first`` and ``paper/second`` and the experiment ``table/one``."""
    made = Checkout(tmp_path / "a checkout")
    package = made.top / "src" / "lossbook"
    package.mkdir(parents=True)
    for name in ("__init__.py", "errors.py", "paths.py"):
        shutil.copy(ROOT / "src" / "lossbook" / name, package)
    for name in ("build", "results"):
        shutil.copytree(ROOT / "src" / "lossbook" / name, package / name)
    shutil.copytree(ROOT / "workflow", made.top / "workflow")
    for name in ("Makefile", "Snakefile", "_config.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, made.top)
    made.write("data/datasets.yaml", "{}\n")
    made.write("data/published/paper/table.csv", "a\n1\n")
    made.write("src/lossbook/toy/__init__.py", '"""A room."""\n')
    made.write("src/lossbook/toy/used.py", '"""Used by the first page."""\n\nVALUE = 1\n')
    made.write("src/lossbook/toy/table.py", '"""The experiment\'s code."""\n\nNAME, VALUE = "table/one", 1\n')
    made.write("src/lossbook/experiments/__init__.py", _EXPERIMENTS)
    made.write("src/lossbook/papers/table/__init__.py", 'EXPERIMENTS = ("one",)\n')
    made.write(
        "src/lossbook/papers/table/one.py",
        '"""Declares."""\n\nfrom lossbook.toy import table\n\nNAME = table.NAME\n',
    )
    made.write("book/intro.md", "# Introduction\n\nWords, and $x^2$.\n")
    made.write("book/references.bib", "")
    pages = ["paper/first", "paper/second", "api/lossbook/index"]
    rooms = [f"api/lossbook/{room}/index" for room in ("errors", "experiments", "paths", "results", "toy")]
    chapters = "".join(f"  - file: {page}\n" for page in [*pages, *rooms])
    made.write("_toc.yml", f"format: jb-book\nroot: intro\nchapters:\n{chapters}")
    made.notebook("paper/first", "from lossbook.toy import used\n\nprint('value', used.VALUE, profile)")
    made.notebook("paper/second", "print('second')", "[table/one]")
    return made
