"""Building the pages and putting them in place."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from lossbook import paths
from lossbook.build.hashing import hash_text
from lossbook.build.places import notebook_names, notebook_source, profile_dir
from lossbook.build.slim import once, slim
from lossbook.build.stage import stage, with_current_text
from lossbook.errors import LossbookError

_MATHJAX = "tex-svg-full.js"


def build_pages(profile: str) -> None:
    """Stage pages and executed notebooks, build the book from them, and put it in place as a whole.

    Raises:
        LossbookError: A page is missing, or Jupyter Book warned; the book that was there stays.
    """
    folder = profile_dir(profile)
    stage(profile)
    work = folder / "jupyter-book"
    listing = hash_text(*sorted(str(path) for path in (folder / "stage").rglob("*")))
    seen = work / "listing"
    # Pages that are gone would linger in an old output.
    if not seen.is_file() or seen.read_text(encoding="utf-8") != listing:
        shutil.rmtree(work, ignore_errors=True)
    paths.atomic_write(seen, listing)
    log = folder / "jupyter-book.log"
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build"]
    command += [str(folder / "stage"), "--path-output", str(work), "--warningiserror", "--keep-going"]
    with log.open("wb") as file:
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, cwd=folder, check=False)
    if status.returncode:
        shutil.rmtree(work, ignore_errors=True)  # Sphinx repeats no warning about a page it has read.
        complaints = _complaints(log, folder)
        raise LossbookError(f"Jupyter Book stopped at warnings or errors:\n{complaints}\nFull output: {log}")
    _publish(profile, work / "_build" / "html")


def _complaints(log: Path, folder: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line).replace(f"{folder}/stage/", "") for line in lines]
    found = [line for line in plain if re.search(r"WARNING|ERROR|CRITICAL|Exception|Error:", line)]
    return textwrap.indent("\n".join(found or plain[-30:]), "    ")


def _publish(profile: str, html: Path) -> None:
    """Put together the built pages, MathJax and the pages' files, and swap them in."""
    folder = profile_dir(profile)
    fresh = Path(tempfile.mkdtemp(dir=folder, prefix="book-"))
    fresh.chmod(0o755)
    shutil.copytree(html, fresh, dirs_exist_ok=True)
    slim(fresh)
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    if package is None or package.origin is None:
        raise LossbookError("sphinx-mathjax-offline is not installed; the book's mathematics need it")
    mathjax = Path(package.origin).parent / "static" / "mathjax" / _MATHJAX
    (fresh / "_static" / "mathjax").mkdir(parents=True)
    shutil.copy(mathjax, fresh / "_static" / "mathjax")
    for name in notebook_names():
        made, target = folder / "files" / name, fresh / "files" / name
        shutil.copytree(made, target, ignore=shutil.ignore_patterns(".snakemake*"))
        text = json.dumps(with_current_text(name, profile), indent=1, ensure_ascii=False)
        (target / f"{name.rpartition('/')[2]}.ipynb").write_text(text + "\n", encoding="utf-8")
        shutil.copy(notebook_source(name), target)
    once(fresh)
    book, old = folder / "book", folder / "book.old"
    shutil.rmtree(old, ignore_errors=True)
    if book.exists():
        book.rename(old)
    fresh.rename(book)
    shutil.rmtree(old, ignore_errors=True)
