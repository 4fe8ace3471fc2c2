"""``lossbook data``: the data sets, from the command line."""

from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from lossbook import datasets, paths
from lossbook.datasets import loading, verification
from lossbook.errors import LossbookError
from lossbook.progress import amount

app = typer.Typer(no_args_is_help=True)

# Wide enough for a path on one line when the output is no terminal.
_PLAIN_WIDTH = 240


@app.command("list")
def list_sets() -> None:
    """What data sets there are, which are here, and under which licence."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("name", "here", "verified", "size", "licence", "where"):
        table.add_column(heading, overflow="fold")
    notes = []
    for name in datasets.names():
        info, state = datasets.info(name), verification.status(name)
        size = amount(info.download_size) if info.download_size else ""
        table.add_row(name, "yes" if state.here else "no", state.verified, size, info.licence, state.where)
        notes += [f"{name}: {note}" for note in state.notes]
    console = _console()
    console.print(table)
    for line in (*notes, f"data root: {paths.data_root()} (LOSSBOOK_DATA sets another)"):
        console.print(line, markup=False)


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="A name that `lossbook data list` shows, or `all`.")],
) -> None:
    """Download a data set into the data root; a download that broke off goes on where it was.

    `all` downloads every set that can be, and goes on where one fails; exit status 2 if one did.
    """
    if name != "all":
        datasets.get(name)
        return
    failed = []
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    for each in datasets.names():
        info = datasets.info(each)
        if not info.mirrors and info.format not in loading.EMBEDDED and not verification.status(each).here:
            why = "it cannot be loaded" if info.refusal else f"`lossbook data get {each}` says where to ask"
            errors.print(f"{info.title}: passed over; {why}", markup=False)
            continue
        try:
            datasets.get(each)
        except (datasets.DataUnavailableError, datasets.DataDamagedError) as error:
            errors.print(f"{each}: {error}", markup=False)
            failed.append(each)
    if failed:
        raise LossbookError(f"{len(failed)} data sets could not be downloaded: {', '.join(failed)}")


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="One data set; all that are here without it.")] = None,
) -> None:
    """Read every file of a data set again and compare it with its checksum; exit status 1 if one is wrong."""
    console, errors = _console(), Console(stderr=True, highlight=False, soft_wrap=True)
    bad = False
    for each in [name] if name else datasets.names():
        report = datasets.verify(each)
        for problem in report.problems:
            bad = True
            errors.print(f"{each}: {problem}", markup=False)
        if report.ok:
            verified = f"{len(report.verified)} files" if len(report.verified) > 1 else report.verified[0]
            console.print(f"{each}: {verified} verified", markup=False)
        elif not report.problems:
            bad = bad or name is not None
            if not datasets.info(each).refusal:
                how = "downloads it" if datasets.info(each).mirrors else "says where to ask for it"
                console.print(
                    f"{each}: not in {paths.data_root()}; `lossbook data get {each}` {how}", markup=False
                )
        for note in report.notes:
            console.print(f"{each}: {note}", markup=False)
    if bad:
        raise typer.Exit(1)


def _console() -> Console:
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, width=_PLAIN_WIDTH)
