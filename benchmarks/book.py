"""How long the book takes to build, beside `jupyter-book build` executing the same notebooks itself.

    .venv/bin/python benchmarks/book.py [--profile smoke]

Both build the same pages in temporary copies of the checkout, in turn: cold, with nothing changed,
after an edit of one notebook, and after an edit of a module of the package. The experiments are trained
before the clock starts, since only `make book` trains. Jupyter Book executes in its best mode, with its
cache. Each time is one run, in wall-clock seconds; leave the machine otherwise idle. The checkout
itself is not touched.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = "yao2018/verdict"
MODULE = "evidence/stats.py"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure builds of the book.")
    parser.add_argument("--profile", default="smoke", help="the book's (default: %(default)s)")
    profile = parser.parse_args().profile
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours", Path(folder) / "theirs"
        _copy(ours)
        _run(ours, "-m", "lossbook.cli", "run", "yao2018/table1", "--profile", profile)
        shutil.copytree(ours, theirs)
        _prepare_jupyter_book(theirs, profile)
        machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        print(f"Profile {profile}, {machine}.")
        print("Seconds, and in brackets the notebooks that were executed.")
        print(f"{'':20}{'make book':>16}{'jupyter-book':>16}{'ratio':>8}")
        for change in ("cold", "nothing changed", "one notebook edited", "one module edited"):
            for top in (ours, theirs):
                _edit(top, change)
            a, ran_a = _build(ours, r"^\[\S+\] running", "-m", "lossbook.build", "all", "--profile", profile)
            b, ran_b = _build(theirs, "Executing notebook", "-c", _JUPYTER_BOOK, "build", "stage")
            print(f"{change:20}{a:11.1f} ({ran_a:2}){b:11.1f} ({ran_b:2}){b / a:8.1f}", flush=True)


_JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"


def _copy(top: Path) -> None:
    leave = shutil.ignore_patterns(".git", ".venv", "_build", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, top, ignore=leave)


def _prepare_jupyter_book(top: Path, profile: str) -> None:
    """Lay out the same pages for Jupyter Book to execute, the profile in their source: it passes none."""
    stage = top / "stage"
    shutil.copytree(top / "book", stage)
    shutil.copytree(top / "notebooks", stage, dirs_exist_ok=True)
    for path in stage.glob("*/*.md"):
        path.write_text(re.sub(r'^profile = ".*"', f'profile = "{profile}"', path.read_text(), flags=re.M))
    shutil.copy(top / "_toc.yml", stage)
    config = yaml.safe_load((top / "_config.yml").read_text())
    config["execute"] = {"execute_notebooks": "cache", "timeout": -1}
    config["sphinx"]["local_extensions"] = {"lossbook_pages": str(top / "workflow" / "sphinx")}
    config["sphinx"]["config"]["autoapi_dirs"] = [str(top / "src" / "lossbook")]
    config["sphinx"]["config"]["autoapi_template_dir"] = str(top / "workflow" / "sphinx" / "templates")
    (stage / "_config.yml").write_text(yaml.safe_dump(config))


def _edit(top: Path, change: str) -> None:
    """Make the change in a copy: in both places a notebook's source may lie."""
    if change == "one notebook edited":
        for folder in ("notebooks", "stage"):
            path = top / folder / f"{NOTEBOOK}.md"
            if path.is_file():
                path.write_text(path.read_text() + "\n```{code-cell} python3\nprint('edited')\n```\n")
    if change == "one module edited":
        path = top / "src" / "lossbook" / MODULE
        path.write_text(path.read_text() + "\n_EDITED = 1\n")


def _build(top: Path, executed: str, *arguments: str) -> tuple[float, int]:
    """Seconds a build took, and how many notebooks it executed."""
    start = time.perf_counter()
    said = _run(top, *arguments)
    return time.perf_counter() - start, len(re.findall(executed, said, re.MULTILINE))


def _run(top: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("LOSSBOOK_BUILD", "LOSSBOOK_FILES")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=top,
        env=environment | {"PYTHONPATH": str(top / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    main()
