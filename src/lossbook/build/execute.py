"""Running one notebook."""

import os
import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lossbook import paths
from lossbook.build.errors import StepFailedError
from lossbook.build.kernel import kernel
from lossbook.build.parameters import parameters_of
from lossbook.build.places import checkout, make_absolute
from lossbook.build.progress import Prefixed, Progress
from lossbook.build.source import read_source
from lossbook.errors import LossbookError


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

    make_absolute()  # The kernel starts in the checkout.
    source = read_source(name)
    notebook, defaults = source.notebook, parameters_of(source)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # jupytext makes up random ones
    changed = {key: value for key, value in parameters.items() if value != defaults[key].default}
    partial = output.with_name(f"{output.stem}.partial.ipynb")
    os.environ["LOSSBOOK_FILES"] = str(files)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(b"")
        with Progress(name, sum(cell.cell_type == "code" for cell in notebook.cells)) as progress:
            executed = _execute(name, notebook, changed, partial, progress, echo)
        _strip(executed)
        paths.atomic_write(output, nbformat.writes(executed))
        partial.unlink()
    except OSError as error:
        raise LossbookError(f"cannot write {output}: {error.strerror or error}") from error


def _execute(
    name: str, notebook: Any, parameters: dict[str, Any], partial: Path, progress: Progress, echo: bool
) -> Any:
    import papermill
    from nbclient.exceptions import DeadKernelError

    def count(cell: Any, **_: Any) -> None:
        progress.cell += "injected-parameters" not in cell.metadata.get("tags", [])

    try:
        return papermill.execute_notebook(
            notebook,
            partial,
            parameters,
            kernel_name=kernel(),
            language="python",
            cwd=checkout(),
            progress_bar=False,
            stdout_file=sys.stdout if echo else None,
            stderr_file=sys.stderr if echo else Prefixed(name),
            on_cell_execute=count,  # nbclient's own; papermill hands it on
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
    name: str, progress: Progress, partial: Path, error: str, source: str, trace: Sequence[str]
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
