"""From notebook sources to the book: parameters, execution, staging, and the pages themselves.

The graph is in the ``Snakefile``; its rules call this module as ``python -m lossbook.workflow``. Everything
made at a profile lies under ``_build/<profile>/``:

- ``shards/``: stamps of the parts of an experiment that are done, until the whole is;
- ``experiments/``: one stamp an experiment, saying which runs were there and what is to be noted about them;
- ``notebooks/``: executed notebooks; a failed one stays as ``*.partial.ipynb``;
- ``files/``: the CSV, SVG and PDF files of the pages;
- ``stage/``: what Jupyter Book reads;
- ``book/``: the book, replaced as a whole, and only by a build without a warning.
"""

import argparse
import ast
import contextlib
import dataclasses
import datetime
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lossbook import paths
from lossbook.errors import LossbookError, UnknownNameError
from lossbook.results.code import code_hash, imported_modules, module_closure
from lossbook.results.store import Store, shard_files

PROFILES = ("smoke", "quick", "paper")

#: Exit status of a shard that stopped before it was done: the same command goes on (EX_TEMPFAIL).
UNFINISHED = 75


class StepFailedError(Exception):
    """A notebook, or a build, stopped at an error; the message is what the user needs to see of it."""


class UnfinishedError(Exception):
    """A shard, or an experiment, stopped before all of its runs were done."""


# --- names and places ---------------------------------------------------------------------------------------


def check_profile(name: str) -> str:
    """Give back the name of a profile of the book.

    Raises:
        UnknownNameError: It is none.
    """
    if name not in PROFILES:
        raise UnknownNameError("PROFILE", name, PROFILES)
    return name


@dataclasses.dataclass(frozen=True)
class Settings:
    """What may be given to Snakemake's ``--config``.

    Attributes:
        profile: The book's profile.
        shards: Into how many jobs each experiment is divided.
        threads: Processor cores a shard.
        device: Where an experiment trains: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        refresh: Whether to train again what was made by code that has since changed; by default at every
            profile but the paper's.
    """

    profile: str = "quick"
    shards: int = 1
    threads: int = 1
    device: str = "auto"
    refresh: bool | None = None

    def stamps(self, experiment: str) -> list[str]:
        """The stamps that the shards of an experiment write; none if it is not divided."""
        if self.shards == 1:
            return []
        return [f"shards/{experiment}/{i}-of-{self.shards}.json" for i in range(1, self.shards + 1)]

    def options(self, runtime: int | None = None) -> str:
        """Options of the steps ``shard`` and ``experiment``.

        Args:
            runtime: Minutes that a shard's job may run, so that it ends by itself before; None for no limit.
        """
        words = [f"--device {self.device}"]
        if self.refresh is not None:
            words.append("--refresh" if self.refresh else "--no-refresh")
        if runtime is not None:
            words.append(f"--budget {max(runtime - 10, runtime / 2):g}")
        return " ".join(words)


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Check what was given to ``--config``.

    Raises:
        UnknownNameError: A setting or a profile there is not.
        LossbookError: A value of the wrong type.
    """
    known = [field.name for field in dataclasses.fields(Settings)]
    for name, value in config.items():
        if name not in known:
            raise UnknownNameError("setting", name, known)
        if name in ("shards", "threads"):
            right, wanted = type(value) is int and value >= 1, "a whole number from 1"
        elif name == "refresh":
            right, wanted = isinstance(value, bool), "True or False"
        else:
            right, wanted = isinstance(value, str), "a name"
        if not right:
            raise LossbookError(f"setting {name!r} must be {wanted}; got {value!r}")
    given = Settings(**config)
    check_profile(given.profile)
    return given


def profile_dir(profile: str) -> Path:
    """The folder of everything built at a profile."""
    return paths.build_dir() / profile


def checkout() -> Path:
    """The checkout, which notebooks and pages come from.

    Raises:
        LossbookError: The package is installed by itself.
    """
    top = paths.root()
    if top is None:
        raise LossbookError(
            "the notebooks are not part of the installed package; clone the repository and run this there"
        )
    return top


def notebook_names() -> list[str]:
    """Names of all notebooks, ``<paper>/<item>``, sorted."""
    folder = checkout() / "notebooks"
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.glob("*/*.md"))


def notebook_source(name: str) -> Path:
    """The source of a notebook.

    Raises:
        UnknownNameError: No such notebook; the message names the nearest.
    """
    names = notebook_names()
    if name not in names:
        raise UnknownNameError("notebook", name, names)
    return checkout() / "notebooks" / f"{name}.md"


def read_notebook(name: str) -> Any:
    """A notebook's source as a notebook node, without outputs.

    Raises:
        LossbookError: No such notebook, or no jupytext to read it with.
    """
    try:
        import jupytext
    except ImportError as error:
        raise LossbookError(
            "notebooks need jupytext and papermill, which are not installed; in the checkout: "
            "pip install '.[book]'"
        ) from error

    return jupytext.read(notebook_source(name))


def _code(notebook: Any) -> list[ast.Module]:
    """Parsed code cells; a cell that is no plain Python (a magic, a mistake) is left to its execution."""
    parsed = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            with contextlib.suppress(SyntaxError):
                parsed.append(ast.parse(cell.source))
    return parsed


# --- parameters ---------------------------------------------------------------------------------------------

_KINDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "list": "a list of the same kind",
}


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A parameter of a notebook: its name, and the value it has when none is given."""

    name: str
    default: Any

    def parse(self, text: str) -> Any:
        """Read a value given as text; any plain value goes where the default is None.

        Raises:
            LossbookError: The text is no value of the default's type.
        """
        kind = type(self.default).__name__
        try:
            return self._parse(kind, text)
        except (ValueError, SyntaxError, KeyError):
            wanted = _KINDS[kind]
            raise LossbookError(
                f"parameter {self.name!r} must be {wanted}, for example {self.default!r}; {text!r} is not"
            ) from None

    def _parse(self, kind: str, text: str) -> Any:
        if kind == "str":
            return text
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        if kind in ("int", "float"):
            return {"int": int, "float": float}[kind](text)
        if kind == "list":
            value = ast.literal_eval(text)
            kinds = {type(each) for each in self.default}
            if not isinstance(value, list) or (kinds and {type(each) for each in value} - kinds):
                raise ValueError(text)
            return value
        with contextlib.suppress(ValueError, SyntaxError):
            return ast.literal_eval(text)
        return text


def notebook_parameters(name: str) -> dict[str, Parameter]:
    """The parameters of a notebook, from its cell tagged ``parameters``.

    Raises:
        LossbookError: No such notebook, or a parameter whose default is not a plain value.
    """
    return _parameters(name, read_notebook(name))


def _parameters(name: str, notebook: Any) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code" or "parameters" not in cell.metadata.get("tags", []):
            continue
        for node in ast.parse(cell.source).body:
            match node:
                case ast.Assign(targets=[ast.Name(id=target)], value=value):
                    pass
                case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value):
                    pass
                case _:
                    continue
            try:
                default = ast.literal_eval(value)
            except ValueError:
                default = ...
            if default is not None and type(default).__name__ not in _KINDS:
                raise LossbookError(
                    f"notebook {name}: the default of parameter {target!r} is not a plain value"
                )
            found[target] = Parameter(target, default)
    return found


def check_parameters(name: str, given: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Read parameters given as text.

    Args:
        name: The notebook.
        given: Names and values.

    Returns:
        Values by name, each of the type of the parameter's default.

    Raises:
        LossbookError: No such notebook, a parameter it has not (the message names those it has, with their
            defaults, and the nearest), or a value of the wrong type.
    """
    known = notebook_parameters(name)
    values = {}
    for key, text in given:
        if key not in known:
            defaults = ", ".join(f"{p.name} = {p.default!r}" for p in known.values())
            mistake = UnknownNameError(f"parameter of {name}", key, known)
            raise LossbookError(f"{mistake}" + (f" (by default {defaults})" if defaults else ""))
        values[key] = known[key].parse(text)
    return values


# --- what a page depends on ---------------------------------------------------------------------------------


def experiment_names() -> list[str]:
    """Names of all experiments, read from the sources of ``lossbook.experiments``: importing is slow."""
    return sorted(set().union(*_declared().values()))


def _declared() -> dict[str, set[str]]:
    """The experiments that each module of ``lossbook.experiments`` names, ``<paper>/<item>``."""
    top = checkout()
    papers = {path.parent.name for path in (top / "notebooks").glob("*/*.md")}
    found = {}
    for path in sorted((top / "src" / "lossbook" / "experiments").glob("*.py")):
        texts = _named([ast.parse(path.read_text(encoding="utf-8"))])
        known = {text for text in texts if text.partition("/")[0] in papers | {path.stem}}
        found[f"lossbook.experiments.{path.stem}"] = known
    return found


def experiments_of(name: str) -> list[str]:
    """The experiments whose records a notebook shows: those it names in its code.

    A notebook that uses ``lossbook.report.glance`` shows them all.
    """
    known = experiment_names()
    trees = _code(read_notebook(name))
    if "lossbook.report.glance" in module_closure(_modules(trees)):
        return known
    return sorted(set(known) & _named(trees))


def notebook_inputs(name: str, profile: str) -> str:
    """What the executed notebook depends on, besides the stamps of its experiments, as content hashes.

    These are its source, the package's modules it uses (comments and docstrings apart), the papers' own
    numbers, the errata, and the records its experiments have at other profiles or among the published.

    Args:
        name: The notebook.
        profile: The book's profile.

    Returns:
        JSON text, equal if and only if all of it is.
    """
    modules = _modules(_code(read_notebook(name)))
    closure = module_closure(modules)
    paper = name.partition("/")[0]
    data = checkout() / "data"
    files = [data / "published" / ("" if paper == "synthesis" else paper)]
    if "lossbook.report.errata" in closure:
        files.append(data / "errata.yaml")
    if any(module.startswith("lossbook.datasets") for module in closure):
        files.append(data / "datasets.yaml")
    records: list[Path] = []
    for experiment in experiments_of(name):
        records.append(data / "results" / experiment)
        working = paths.build_dir() / "results" / experiment
        # Of this profile the stamp tells.
        records += [path for path in _files([working]) if path.name.partition(".")[0] != profile]
    return json.dumps(
        {
            "source": _hash_files([notebook_source(name)]),
            "code": code_hash(modules),
            "data": _hash_files(files),
            "records": _hash_files(records),
        }
    )


def experiment_inputs(experiment: str) -> str:
    """The code that declares and trains an experiment, as a hash."""
    return code_hash([module for module, names in _declared().items() if experiment in names])


def book_inputs() -> str:
    """What the pages depend on besides the executed notebooks: written pages, docstrings, settings."""
    top = checkout()
    names = ["book", "notebooks", "src", "workflow", "_config.yml", "_toc.yml"]
    files = [top / name for name in names]
    return json.dumps({"files": _hash_files(files), "address": _address()})


def drop_outdated_stamps(profile: str) -> None:
    """Delete stamps that no longer say the truth, and what was made by them, so that their steps run again.

    That is an experiment's stamp after its records changed behind the workflow's back, for example by
    ``lossbook run``, or after data arrived that it had to do without; and the book's, after somebody deleted
    the book.
    """
    folder = profile_dir(profile)
    for path in (folder / "experiments").glob("*/*.json"):
        stamp = _read_json(path)
        experiment = path.relative_to(folder / "experiments").with_suffix("").as_posix()
        if not stamp or stamp["state"] != _experiment_state(experiment, profile, stamp["notes"]):
            path.unlink()
            # Snakemake makes nothing anew that no step waits for, so what was made of it goes too.
            for name in notebook_names():
                if experiment in experiments_of(name):
                    (folder / "notebooks" / f"{name}.ipynb").unlink(missing_ok=True)
            (folder / "book.json").unlink(missing_ok=True)
    if not (folder / "book" / first_page()).is_file():
        (folder / "book.json").unlink(missing_ok=True)


def _experiment_state(experiment: str, profile: str, notes: Sequence[str]) -> str:
    """What a stamp holds on to: the records, and, when there is a note, the data sets that are there."""
    common = paths.build_dir() / "results" / experiment / f"{profile}.jsonl"
    records = _hash_files([common, *shard_files(common)])
    return _hash_text(records, *(_data_sets_there() if notes else []))


def _named(trees: Iterable[ast.AST]) -> set[str]:
    """The texts in some code that read like ``<paper>/<item>``."""
    form = re.compile(r"[a-z0-9_]+/[a-z0-9_]+")
    constants = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {c.value for c in constants if isinstance(c.value, str) and form.fullmatch(c.value)}


def _modules(trees: Iterable[ast.AST]) -> list[str]:
    return sorted(set().union(*(imported_modules(tree) for tree in trees)))


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (p for p in found if p.is_file() and "__pycache__" not in p.parts)


def _hash_files(places: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in _files(places):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{os.path.relpath(path, checkout())}\0{content}\0".encode())
    return digest.hexdigest()[:16]


def _data_sets_there() -> list[str]:
    try:
        return sorted(path.name for path in paths.data_root().iterdir())
    except OSError:
        return []


# --- running a notebook -------------------------------------------------------------------------------------


def run_notebook(
    name: str, parameters: dict[str, Any], output: Path, *, files: Path, echo: bool = False
) -> None:
    """Run a notebook and write it with its outputs, whole or not at all.

    It runs in the checkout with this interpreter, by papermill; parameters that have their default value are
    not passed, so the page shows only what differs.

    Args:
        name: The notebook, ``<paper>/<item>``.
        parameters: Values by name, as :func:`check_parameters` gives them.
        output: The executed notebook.
        files: Where its tables and figures go, in a folder of its name.
        echo: Show what the notebook prints while it runs, not only how far it is.

    Raises:
        LossbookError: No such notebook, or the output cannot be written.
        StepFailedError: A cell failed; what was executed lies beside the output as ``*.partial.ipynb``.
    """
    import nbformat

    notebook = read_notebook(name)
    defaults = _parameters(name, notebook)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # jupytext makes up random ones
    changed = {key: value for key, value in parameters.items() if value != defaults[key].default}
    partial = output.with_name(f"{output.stem}.partial.ipynb")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(b"")
    except OSError as error:
        raise LossbookError(f"cannot write {output}: {error.strerror}") from error
    os.environ["LOSSBOOK_FILES"] = str(files)
    with _Progress(name, sum(cell.cell_type == "code" for cell in notebook.cells)) as progress:
        executed = _execute(name, notebook, changed, partial, progress, echo)
    _strip(executed)
    paths.atomic_write(output, nbformat.writes(executed))
    partial.unlink()


class _Progress:
    """Says on the terminal that a notebook runs, and of a long one from time to time which cell it is in."""

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total, self.cell = name, total, 0
        self.start = time.monotonic()
        self._over = threading.Event()

    def __enter__(self) -> "_Progress":
        self._say(f"running, {self.total} cells")
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        seconds = time.monotonic() - self.start
        self._say(f"{'done' if kind is None else 'stopped'} after {seconds:.0f} s")

    def _beat(self) -> None:
        pause = 10
        while not self._over.wait(pause):
            self._say(f"cell {self.cell} of {self.total}, {time.monotonic() - self.start:.0f} s")
            pause = min(2 * pause, 60)

    def _say(self, text: str) -> None:
        print(f"[{self.name}] {text}", flush=True)


class _Prefixed:
    """A text file that puts a notebook's name before each line it passes on."""

    def __init__(self, name: str) -> None:
        self.name, self.rest = name, ""

    def write(self, text: str) -> None:
        *lines, self.rest = re.split(r"[\r\n]+", self.rest + text)
        for line in filter(None, lines):
            print(f"[{self.name}] {line}", flush=True)

    def flush(self) -> None:
        pass


def _execute(
    name: str, notebook: Any, parameters: dict[str, Any], partial: Path, progress: _Progress, echo: bool
) -> Any:
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.engines import NBClientEngine, papermill_engines

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
            start = nb_man.cell_start

            def cell_start(cell: Any, cell_index: int | None = None, **rest: Any) -> None:
                tags = cell.metadata.get("tags", [])
                progress.cell += cell.cell_type == "code" and "injected-parameters" not in tags
                start(cell, cell_index, **rest)

            nb_man.cell_start = cell_start
            super().execute_managed_notebook(nb_man, kernel_name, **options)

    papermill_engines.register("lossbook", Engine)
    try:
        return papermill.execute_notebook(
            notebook,
            partial,
            parameters,
            engine_name="lossbook",
            kernel_name=_kernel(),
            language="python",
            cwd=checkout(),
            progress_bar=False,
            stdout_file=sys.stdout if echo else None,
            stderr_file=sys.stderr if echo else _Prefixed(name),
        )
    except papermill.PapermillExecutionError as error:
        trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback)).splitlines()
        raise StepFailedError(
            _failure(name, progress, partial, f"{error.ename}: {error.evalue}", error.source, trace[-25:])
        ) from error
    except DeadKernelError as error:
        raise StepFailedError(
            _failure(name, progress, partial, "its Python process died (out of memory, or killed)", "", [])
        ) from error


def _failure(
    name: str, progress: _Progress, partial: Path, error: str, source: str, trace: Sequence[str]
) -> str:
    parts = [f"notebook {name} failed in code cell {progress.cell} of {progress.total}: {error}"]
    if source:
        parts.append("The cell:\n" + textwrap.indent(source, "    "))
    if trace:
        parts.append("The error:\n" + textwrap.indent("\n".join(trace), "    "))
    parts.append(f"The part that was executed: {partial}")
    return "\n".join(parts)


def _strip(notebook: Any) -> None:
    """Leave out what papermill notes about this machine: paths and times."""
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)


def _kernel() -> str:
    """Set up a kernel of this very interpreter, whatever kernels the user's home has; its name."""
    home = paths.build_dir() / "jupyter"
    command = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    command += ["--log-level=ERROR", "--HistoryManager.enabled=False"]
    spec = {"argv": command, "display_name": "Python 3", "language": "python"}
    text = json.dumps(spec)
    target = home / "kernels" / "python3" / "kernel.json"
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        paths.atomic_write(target, text)
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(home), os.environ.get("JUPYTER_PATH")]))
    os.environ["JUPYTER_RUNTIME_DIR"] = str(home / "runtime")
    os.environ["JUPYTER_CONFIG_DIR"] = str(home / "config")
    os.environ["IPYTHONDIR"] = str(home / "ipython")
    os.environ["MPLCONFIGDIR"] = str(_matplotlib())
    return "python3"


def _matplotlib() -> Path:
    """A folder with matplotlib's list of fonts, made beforehand: else a page shows that it is made."""
    folder = Path(os.environ.get("MPLCONFIGDIR") or paths.build_dir() / "jupyter" / "matplotlib")
    if not list(folder.glob("fontlist-*.json")):
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", "import matplotlib.font_manager"]
        environment = {**os.environ, "MPLCONFIGDIR": str(folder)}
        subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=False)
    return folder


# --- the pages ----------------------------------------------------------------------------------------------


def first_page() -> str:
    """The file name of the book's first page."""
    return f"{_toc()['root']}.html"


def build_pages(profile: str) -> None:
    """Stage pages and executed notebooks, build the book from them, and put it in place as a whole.

    Raises:
        LossbookError: A page is missing, or Jupyter Book warned; the book that was there stays.
    """
    folder = profile_dir(profile)
    stage(profile)
    work = folder / "jupyter-book"
    listing = _hash_text(*sorted(str(path) for path in (folder / "stage").rglob("*")))
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
        raise LossbookError(f"Jupyter Book stopped at warnings or errors:\n{complaints}\nAll it said: {log}")
    _publish(profile, work / "_build" / "html")


def stage(profile: str) -> Path:
    """Lay out what Jupyter Book reads: pages, executed notebooks, settings. The unchanged stays untouched.

    Raises:
        LossbookError: A page of ``_toc.yml`` has no source, or a source is in no chapter.
    """
    top, folder = checkout(), profile_dir(profile)
    wanted = {path.relative_to(top / "book"): path.read_bytes() for path in _files([top / "book"])}
    for path in [path for path in wanted if path.suffix == ".md"]:
        wanted[path] = _link_to_executed(wanted[path].decode(), path.parent).encode()
    for name in notebook_names():
        notebook = json.loads((folder / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = _link_to_executed("".join(cell["source"]), Path(name).parent)
        wanted[Path(f"{name}.ipynb")] = json.dumps(notebook, indent=1).encode()
    _check_toc({path.with_suffix("").as_posix() for path in wanted if path.suffix in (".md", ".ipynb")})
    wanted[Path("_toc.yml")] = (top / "_toc.yml").read_bytes()
    wanted[Path("_config.yml")] = yaml.safe_dump(_config()).encode()
    target = folder / "stage"
    for path in _files([target]):
        if path.relative_to(target) not in wanted:
            path.unlink()
    for relative, content in wanted.items():
        path = target / relative
        if not path.is_file() or path.read_bytes() != content:
            paths.atomic_write(path, content)
    return target


def _link_to_executed(text: str, folder: Path) -> str:
    """Point links to notebooks' sources, which work in the repository, to the pages made of them."""

    def point(link: re.Match[str]) -> str:
        target = os.path.normpath(folder / link[1]).replace(os.sep, "/")
        return f"]({link[1]}.ipynb{link[2] or ''})" if target in names else link[0]

    names = set(notebook_names())
    return re.sub(r"\]\(([^()\s#]+)\.md(#[^()\s]*)?\)", point, text)


def _toc() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((checkout() / "_toc.yml").read_text(encoding="utf-8"))
    return content


def _check_toc(there: set[str]) -> None:
    listed: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            listed.extend(node[key] for key in ("root", "file") if key in node)
            node = list(node.values())
        for each in node if isinstance(node, list) else []:
            walk(each)

    walk(_toc())
    problems = [
        f"_toc.yml lists {page!r}, but neither book/{page}.md nor notebooks/{page}.md is there"
        for page in listed
        if page not in there and not page.startswith("api/")  # sphinx-autoapi writes those
    ]
    problems += [f"{page}.md is in no chapter of _toc.yml" for page in sorted(there - set(listed))]
    if problems:
        raise LossbookError("\n".join(problems))


def _config() -> dict[str, Any]:
    """The settings of ``_config.yml`` with what depends on the machine."""
    top = checkout()
    config: dict[str, Any] = yaml.safe_load((top / "_config.yml").read_text(encoding="utf-8"))
    config["sphinx"]["local_extensions"] = {"lossbook_pages": str(top / "workflow" / "sphinx")}
    config["sphinx"]["config"]["autoapi_dirs"] = [str(top / "src" / "lossbook")]
    config["sphinx"]["config"]["autoapi_template_dir"] = str(top / "workflow" / "sphinx" / "templates")
    book, repository = _address()
    config["html"]["baseurl"] = book
    if repository:
        config["repository"] = {"url": repository, "branch": "main"}
        config["html"]["use_repository_button"] = True
    return config


def _address() -> tuple[str, str]:
    """Where the book and its repository are published: ``BOOK_URL`` and ``BOOK_REPOSITORY``, else nowhere."""
    return os.environ.get("BOOK_URL", ""), os.environ.get("BOOK_REPOSITORY", "")


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
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    if package is None or package.origin is None:
        raise LossbookError("sphinx-mathjax-offline is not installed; the book's mathematics need it")
    mathjax = Path(package.origin).parent / "static" / "mathjax" / _MATHJAX
    (fresh / "_static" / "mathjax").mkdir(parents=True)
    shutil.copy(mathjax, fresh / "_static" / "mathjax")
    for name in notebook_names():
        made, target = folder / "files" / name, fresh / "files" / name
        shutil.copytree(made, target)
        shutil.copy(folder / "notebooks" / f"{name}.ipynb", target)
        shutil.copy(notebook_source(name), target)
    book, old = folder / "book", folder / "book.old"
    shutil.rmtree(old, ignore_errors=True)
    if book.exists():
        book.rename(old)
    fresh.rename(book)
    shutil.rmtree(old, ignore_errors=True)


_MATHJAX = "tex-svg-full.js"


def _hash_text(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


# --- a whole build ------------------------------------------------------------------------------------------


def build(profile: str) -> None:
    """Build the book at a profile; Snakemake runs what is not up to date. Prints where the first page is.

    Raises:
        LossbookError: An unknown profile, or another build is under way.
        StepFailedError: A step failed; the message says which and why.
    """
    check_profile(profile)
    start = time.monotonic()
    folder = profile_dir(profile)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LossbookError(
            f"cannot write to {folder}: {error.strerror}; set LOSSBOOK_BUILD to a folder that can be written"
        ) from error
    with _only_build(folder):
        state = folder / "state.json"
        inputs = _build_inputs()
        if _read_json(state) == {"inputs": inputs, "made": _made(profile)}:
            print("Nothing has changed since the last build.")
        else:
            state.unlink(missing_ok=True)
            _check_sources()
            _snakemake(profile)
            paths.atomic_write(state, json.dumps({"inputs": inputs, "made": _made(profile)}))
            print(f"Built at profile {profile} in {time.monotonic() - start:.0f} s.")
    for note in _notes(folder):
        print(f"Note: {note}")
    print(f"The book's first page:\n{folder / 'book' / first_page()}")


@contextlib.contextmanager
def _only_build(folder: Path) -> Iterator[None]:
    """Hold the profile for this process. The system lets go of it however the process ends."""
    with (folder / ".lock").open("w") as lock:
        try:
            import fcntl
        except ImportError:  # Windows: two builds at a time are up to the user.
            yield
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LossbookError(f"another build is under way in {folder}; wait for it or stop it") from None
        yield


def _check_sources() -> None:
    for path in (checkout() / "src").rglob("*.py"):
        try:
            ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError as error:
            raise LossbookError(f"{path}, line {error.lineno}: {error.msg}") from error


def _build_inputs() -> str:
    """Everything a build reads, at a glance: what Snakemake needs seconds to find out in detail."""
    top = checkout()
    names = ["src", "notebooks", "book", "data", "workflow", "Snakefile", "_config.yml", "_toc.yml"]
    return _hash_text(_hash_files([top / name for name in names]), sys.executable, *_address())


def _made(profile: str) -> str:
    folder = profile_dir(profile)
    places = [folder / name for name in ("book", "experiments", "notebooks")]
    listing = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in _files(places)]
    data = _data_sets_there() if _notes(folder) else []
    return _hash_text(_hash_files([paths.build_dir() / "results"]), *listing, *data)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _snakemake(profile: str) -> None:
    top, folder = checkout(), profile_dir(profile)
    failures, log = folder / "failures", folder / "snakemake.log"
    shutil.rmtree(failures, ignore_errors=True)
    # A new home for Snakemake's cache must not move the data root.
    environment = {
        **os.environ,
        "MPLCONFIGDIR": str(_matplotlib()),
        "LOSSBOOK_DATA": str(paths.data_root()),
        "XDG_CACHE_HOME": str(paths.build_dir() / "cache"),
        "LOSSBOOK_FAILURES": str(failures),
    }
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(top / "Snakefile")]
    command += ["--directory", str(folder), "--config", f"profile={profile}"]
    # No lock of Snakemake's own: one left behind by a killed build would stop the next.
    command += ["--workflow-profile", str(top / "workflow" / "profiles" / "default"), "--nolock"]
    # Snakemake talks to stderr, its steps to stdout: only those are for the reader, unless Snakemake fails.
    with log.open("wb") as file:
        status = subprocess.run(command, env=environment, stderr=file, check=False).returncode
    if not status:
        return
    said = [path.read_text(encoding="utf-8").strip() for path in sorted(failures.glob("*.txt"))]
    if not said:
        text = log.read_text(encoding="utf-8", errors="replace")
        said = [text.partition("Building DAG of jobs...\n")[2].strip() or text.strip()]
    book = folder / "book" / first_page()
    if book.is_file():
        made = datetime.datetime.fromtimestamp(book.stat().st_mtime)
        said.append(f"The book was not built; {book.parent} is still the one of {made:%Y-%m-%d %H:%M}.")
    else:
        said.append("The book was not built.")
    raise StepFailedError("\n\n".join(said))


def _notes(folder: Path) -> list[str]:
    notes: dict[str, None] = {}
    for path in sorted((folder / "experiments").glob("*/*.json")):
        notes.update(dict.fromkeys(json.loads(path.read_text(encoding="utf-8"))["notes"]))
    return list(notes)


# --- the steps of the Snakefile -----------------------------------------------------------------------------


def step_shard(
    name: str,
    profile: str,
    shard: str,
    stamp: Path,
    device: str = "auto",
    budget: float | None = None,
    refresh: bool | None = None,
) -> None:
    """Train what a part of an experiment misses, and write the stamp of that part.

    A run whose data cannot be had holds nothing up: whether that is an error is for the whole experiment.

    Raises:
        UnfinishedError: The budget is used up, or another process has some of the runs in hand.
    """
    from lossbook import datasets, experiments

    index, _, count = shard.partition("-of-")
    again = refresh if refresh is not None else profile != "paper"
    try:
        outcome = experiments.run(
            name,
            profile=profile,
            device=device,
            budget_minutes=budget,
            refresh=again,
            shard=(int(index), int(count)),
        )
    except datasets.DataUnavailableError as error:
        print(error)
    else:
        _check_finished(outcome, f"shard {shard} of {name}", again)
    paths.atomic_write(stamp, "{}\n")


def step_experiment(
    name: str, profile: str, stamp: Path, device: str = "auto", refresh: bool | None = None
) -> None:
    """Merge what shards have trained of an experiment, train what it misses, and write its stamp.

    Raises:
        UnfinishedError: Another process has some of the runs in hand.
    """
    from lossbook import experiments

    Store().merge(name, profile)
    # At the paper's own profile a change of code asks for days of training: that is for the user to start.
    again = refresh if refresh is not None else profile != "paper"
    outcome = experiments.run(name, profile=profile, device=device, refresh=again)
    _check_finished(outcome, name, again)
    runs = {f"{r.key} {r.provenance.get('code')} {r.provenance.get('finished')}" for r in outcome.records}
    notes = list(outcome.notes)
    content = {"notes": notes, "runs": sorted(runs), "state": _experiment_state(name, profile, notes)}
    paths.atomic_write(stamp, json.dumps(content, indent=1))


def _check_finished(outcome: Any, what: str, again: bool) -> None:
    left = [run for run in outcome.left if run.spec.dataset not in outcome.unavailable]
    old = [r for r in outcome.unattested if again and r.config["dataset"] not in outcome.unavailable]
    if left or old:
        from lossbook.experiments.runner import holders

        held = "".join(f"; in hand: {holder}" for holder in holders(left))
        number = len(left) + len(old)
        raise UnfinishedError(f"{number} runs of {what} are left; the same command goes on with them{held}")


def step_notebook(name: str, profile: str) -> None:
    """Execute a notebook of the book."""
    folder = profile_dir(profile)
    (folder / "files" / name).mkdir(parents=True, exist_ok=True)  # Also for a page that saves nothing.
    parameters = {"profile": profile} if "profile" in notebook_parameters(name) else {}
    output = folder / "notebooks" / f"{name}.ipynb"
    run_notebook(name, parameters, output, files=folder / "files")


def step_book(profile: str) -> None:
    """Build the pages and write the book's stamp."""
    print("[book] building the pages", flush=True)
    build_pages(profile)
    paths.atomic_write(profile_dir(profile) / "book.json", json.dumps({"first page": first_page()}))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m lossbook.workflow``; the exit status."""
    parser = argparse.ArgumentParser("python -m lossbook.workflow", description="Steps of building the book.")
    steps = parser.add_subparsers(dest="step", required=True)
    for step, text in {
        "build": "build the whole book, or what is not up to date of it",
        "shard": "train what a part of an experiment misses",
        "experiment": "train what an experiment misses",
        "notebook": "execute one notebook of the book",
        "book": "build the pages from executed notebooks",
    }.items():
        sub = steps.add_parser(step, help=text)
        sub.add_argument("--profile", default="quick")
        if step in ("shard", "experiment", "notebook"):
            sub.add_argument("name")
        if step in ("shard", "experiment"):
            sub.add_argument("--stamp", type=Path, required=True, help="the file that says it is done")
            sub.add_argument("--device", default="auto")
            sub.add_argument("--refresh", action=argparse.BooleanOptionalAction)
        if step == "shard":
            sub.add_argument("shard", help="for example 1-of-8")
            sub.add_argument("--budget", type=float, help="stop after so many minutes")
    given = parser.parse_args(arguments)
    try:
        check_profile(given.profile)
        match given.step:
            case "build":
                build(given.profile)
            case "shard":
                step_shard(
                    given.name,
                    given.profile,
                    given.shard,
                    given.stamp,
                    device=given.device,
                    budget=given.budget,
                    refresh=given.refresh,
                )
            case "experiment":
                step_experiment(given.name, given.profile, given.stamp, given.device, given.refresh)
            case "notebook":
                step_notebook(given.name, given.profile)
            case "book":
                step_book(given.profile)
    except KeyboardInterrupt:
        if given.step == "build":
            print("Stopped. The same command goes on where it was.", file=sys.stderr)
        return 130
    except UnfinishedError as error:
        _report(given, str(error))
        return UNFINISHED
    except Exception as error:
        expected = isinstance(error, LossbookError | StepFailedError)
        _report(given, str(error) if expected else traceback.format_exc())
        return 2 if isinstance(error, LossbookError) else 1
    return 0


def _report(given: argparse.Namespace, text: str) -> None:
    """Say why a step stopped: to the reader, or to the build, which shows it below what other steps say."""
    folder = os.environ.get("LOSSBOOK_FAILURES")
    if folder and given.step != "build":
        name = getattr(given, "name", "").replace("/", "-")
        paths.atomic_write(Path(folder) / f"{given.step}-{name}.txt", text)
    else:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
