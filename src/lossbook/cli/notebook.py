"""``lossbook notebook``: run one notebook with parameters."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lossbook import paths
from lossbook.build.errors import StepFailedError
from lossbook.build.execute import run_notebook
from lossbook.build.parameters import check_parameters
from lossbook.errors import LossbookError

_USAGE = "lossbook notebook NAME [-p KEY VALUE]... [OUT.ipynb]"


def register(app: typer.Typer) -> None:
    """Add the command to the ``lossbook`` command."""
    # The form with two words after -p is papermill's own; typer has no option that takes it more than once.
    app.command(context_settings={"ignore_unknown_options": True})(notebook)


def notebook(
    arguments: Annotated[
        list[str], typer.Argument(metavar="NAME [-p KEY VALUE]... [OUT.ipynb]", show_default=False)
    ],
) -> None:
    """Run a notebook, such as yao2018/table1, with parameters, and write it with its outputs.

    -p KEY VALUE sets a parameter; a name or a value that the notebook does not take is refused. Without
    OUT.ipynb the executed notebook goes to the build folder. The exit status is 1 if a cell failed, and 2 if
    the request was wrong.
    """
    name, given, output = _split(arguments)
    parameters = check_parameters(name, given)
    by_hand = paths.build_dir() / "notebooks-by-hand"
    output = output or by_hand / f"{name}.ipynb"
    try:
        run_notebook(name, parameters, output.absolute(), files=by_hand / "files", echo=True)
    except StepFailedError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    print(output)


def _split(arguments: list[str]) -> tuple[str, list[tuple[str, str]], Path | None]:
    """Name, parameters and output of a command line."""
    words = iter(arguments)
    plain, given = [], []
    for word in words:
        if word in ("-p", "--parameter"):
            key, value = next(words, None), next(words, None)
            if key is None or value is None:
                raise LossbookError(f"{word} takes a name and a value: {_USAGE}")
            given.append((key, value))
        elif word.startswith("-"):
            raise LossbookError(f"unknown option {word}: {_USAGE}")
        else:
            plain.append(word)
    if not 1 <= len(plain) <= 2:
        raise LossbookError(f"a notebook's name and at most one output are expected: {_USAGE}")
    output = Path(plain[1]) if len(plain) == 2 else None
    if output and output.suffix != ".ipynb":
        raise LossbookError(f"the output must be named *.ipynb; got {str(output)!r}")
    return plain[0], given, output
