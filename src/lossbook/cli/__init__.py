"""The ``lossbook`` command."""

import sys

import typer

from lossbook import __version__
from lossbook.cli import data, notebook, results, runs
from lossbook.cli.stopping import KEPT, Stopped
from lossbook.errors import LossbookError

_INTERRUPTED = 130

app = typer.Typer(
    name="lossbook",
    help="Losses beyond cross-entropy: run the papers' experiments and read their results.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data.app, name="data", help="The data sets: list, download, verify.")
app.add_typer(results.app, name="results", help="The records of runs: list, show, compare, export, check.")
runs.register(app)
notebook.register(app)


def _show_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    """Options of the command itself; each has its own callback."""


def main() -> None:
    """Run the command; an error meant for the user is one message and exit status 2."""
    try:
        app()
    except LossbookError as error:
        print(f"lossbook: {error}", file=sys.stderr)
        sys.exit(2)
    except Stopped as stop:
        _end(stop.status, str(stop))
    except KeyboardInterrupt:
        _end(_INTERRUPTED, KEPT)
    except SystemExit as stop:
        if stop.code != _INTERRUPTED:
            raise
        _end(_INTERRUPTED, KEPT)  # typer makes this of Ctrl-C, and says nothing.


def _end(status: int, kept: str) -> None:
    start = "\n" if sys.stderr.isatty() else ""  # The terminal has shown ^C.
    print(f"{start}lossbook: stopped; {kept}", file=sys.stderr)
    sys.exit(status)
