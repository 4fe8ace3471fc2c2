"""``lossbook run``, ``lossbook pending`` and ``lossbook results``."""

import contextlib
import csv
import errno
import io
import json
import os
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lossbook import paths
from lossbook.errors import LossbookError, UnknownNameError
from lossbook.results import Record, Store, arrays
from lossbook.results.attestation import EXACT

if TYPE_CHECKING:
    from lossbook.experiments import PendingRuns

results = typer.Typer(help="The records of runs: list, show, export.", no_args_is_help=True)

FORMATS = ("csv", "jsonl")
_MOST_LINES = 60


def register(app: typer.Typer) -> None:
    """Add the commands to the main one."""
    app.command("run")(run)
    app.command("pending")(pending)
    app.add_typer(results, name="results")


def run(
    experiment: Annotated[str, typer.Argument(help="For example yao2018/table1.")],
    profile: Annotated[
        str, typer.Option(help="smoke, quick, paper, or another of the experiment's.")
    ] = "quick",
    seeds: Annotated[
        int | None, typer.Option(help="Number of seeds; the profile's own if not given.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    budget: Annotated[float | None, typer.Option(help="Stop after this many minutes.")] = None,
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh", help="Train again what is unattested: made by code that has since changed."
        ),
    ] = False,
    processes: Annotated[
        int, typer.Option(help="Train this many runs at once, each in a process of its own.")
    ] = 1,
    shard: Annotated[str, typer.Option(help="Only part i of n of the runs, i/n.")] = "1/1",
    summary: Annotated[
        Path | None, typer.Option(help="Write what was run, and what a reader must know, to this JSON file.")
    ] = None,
) -> None:
    """Train what is missing of an experiment. Stop it whenever you like: nothing finished is lost."""
    from lossbook import experiments

    if summary is not None:
        _check_writable(summary)
    with plain_warnings():
        outcome = experiments.run(
            experiment,
            profile=profile,
            seeds=seeds,
            device=device,
            budget_minutes=budget,
            refresh=refresh,
            shard=_shard(shard),
            processes=processes,
        )
    keys = list(dict.fromkeys(record.key for record in outcome.records))
    there = len(keys)
    print(
        f"{experiment} [{profile}]: {outcome.trained} runs trained now, "
        f"{there} of {there + len(outcome.left)} there"
    )
    if doubtful := {record.key for record in outcome.unattested}:
        print(
            f"{len(doubtful)} records are unattested: made by code that has since changed; --refresh trains "
            f"them again, `lossbook results attest {experiment}` a sample of the published ones, to compare"
        )
    for note in outcome.notes:
        print(f"note: {note}")
    if summary is not None:
        content = {
            "experiment": experiment,
            "profile": profile,
            "keys": keys,
            "left": len(outcome.left),
            "notes": list(outcome.notes),
        }
        _write(summary, json.dumps(content, indent=1) + "\n")
    if outcome.left:
        print(f"{len(outcome.left)} runs are left; the same command goes on")


def pending(
    profile: Annotated[str | None, typer.Option(help="Only this profile.")] = None,
    experiment: Annotated[str | None, typer.Option(help="Only this experiment.")] = None,
    device: Annotated[str, typer.Option(help="Where it would run: auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """List what has not been run, and what it would cost here (a few steps are timed for that)."""
    from lossbook import experiments
    from lossbook.experiments.progress import duration

    with plain_warnings():
        found = experiments.pending(profile, experiment, device=device)
    if not found:
        print("nothing is pending")
        return
    table = Table("experiment", "profile", "cell", "runs", "cost here", "data")
    groups: dict[tuple[str, str], list[PendingRuns]] = defaultdict(list)
    for cell in found:
        groups[cell.experiment, cell.profile].append(cell)
    for (name, scale), cells in groups.items():
        # A grid of thousands gets a line for those with data, and one for the others.
        parts = [[cell] for cell in cells]
        if len(cells) > _MOST_LINES:
            parts = [[c for c in cells if c.data_present is there] for there in (True, False)]
        for part in filter(None, parts):
            table.add_row(
                name,
                scale,
                _labels(part[0].labels) if len(part) == 1 else f"{len(part)} cells",
                str(sum(cell.count for cell in part)),
                duration(sum(cell.seconds for cell in part)),
                "there" if part[0].data_present else "to be downloaded",
            )
    _print(table)
    print(f"in all: {sum(c.count for c in found)} runs, about {duration(sum(c.seconds for c in found))}")


@results.command("list")
def list_results() -> None:
    """List the experiments that have records."""
    groups: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in _records():
        groups[record.experiment, record.profile, record.origin].append(record)
    if not groups:
        print("there are no records yet; `lossbook run EXPERIMENT` makes some, `lossbook pending` lists them")
        return
    table = Table("experiment", "profile", "where", "records", "trust", "newest")
    for (experiment, profile, origin), records in sorted(groups.items()):
        table.add_row(
            experiment,
            profile,
            origin,
            str(len(records)),
            _trust(records),
            max(str(record.provenance.get("finished", "")) for record in records),
        )
    _print(table)


@results.command("show")
def show_results(
    experiment: Annotated[str, typer.Argument(help="For example yao2018/table1.")],
    profile: Annotated[str | None, typer.Option(help="Only this profile.")] = None,
) -> None:
    """Show the records of an experiment, one line each."""
    records = _chosen(experiment, profile)
    table = Table(
        "profile", "cell", "trained on", "seed", "test accuracy", "test CE", "status", "trust", "key"
    )
    for record in records:
        table.add_row(
            record.profile,
            _labels(record.labels),
            str(record.config.get("dataset")),
            str(record.seed),
            _number(record.metrics.get("test_accuracy"), percent=True),
            _number(record.metrics.get("test_ce")),
            record.status,
            str(record.trust),
            record.key,
        )
    _print(table)


@results.command("export")
def export_results(
    experiment: Annotated[str | None, typer.Argument(help="Only this experiment.")] = None,
    profile: Annotated[str | None, typer.Option(help="Only this profile.")] = None,
    format: Annotated[str, typer.Option(help="csv (one row per run) or jsonl (whole records).")] = "csv",
    output: Annotated[Path | None, typer.Option(help="A file; standard output if not given.")] = None,
) -> None:
    """Write records to a file, for a spreadsheet or for data/results/; with jsonl, the arrays beside it."""
    if format not in FORMATS:
        raise UnknownNameError("format", format, FORMATS)
    records = _chosen(experiment, profile)
    if not records:
        raise LossbookError("there are no records to export; nothing was written")
    text = "".join(r.to_json() + "\n" for r in records) if format == "jsonl" else _csv(records)
    with_files = [record for record in records if record.files] if format == "jsonl" else []
    if output is None:
        sys.stdout.write(text)
        if with_files:
            print(
                "the arrays that lie in files are not in this output; --output copies them", file=sys.stderr
            )
        return
    store = Store()
    for record in with_files:
        for name in record.files:
            arrays.write(output.parent, store.array(record, name))
    _write(output, text)
    print(f"{len(records)} records written to {output}")


@results.command("merge")
def merge_results(
    experiment: Annotated[str | None, typer.Argument(help="Only this experiment.")] = None,
    profile: Annotated[str | None, typer.Option(help="Only this profile.")] = None,
) -> None:
    """Move the records that shards wrote to their experiment's own file. It can be repeated at any time."""
    store = Store()
    found = [
        (name, scale)
        for name, scale in store.shards()
        if experiment in (None, name) and profile in (None, scale)
    ]
    if not found:
        _check_known(experiment, profile)
        print("there are no shards to merge")
    for name, scale in found:
        with plain_warnings():
            merged = store.merge(name, scale)
        print(f"{name} [{scale}]: {merged} records merged")


@results.command("check")
def check_results(
    fix: Annotated[
        bool, typer.Option("--fix", help="Set right what can be, and move other damaged lines aside.")
    ] = False,
) -> None:
    """Check every line of every file of records, and the files that records name."""
    store = Store()
    with plain_warnings():
        if fix:
            for problem, what in store.fix():
                print(f"{problem.path}, line {problem.line}: {problem.why}; {what}")
        found = store.problems()
    for problem in found:
        print(f"{problem.path}, line {problem.line}: {problem.why}")
    if found:
        count = "1 line is" if len(found) == 1 else f"{len(found)} lines are"
        raise LossbookError(
            f"{count} damaged and passed over; `lossbook results check --fix` sets right what can be and "
            "moves the others aside, so that their runs can be trained again"
        )
    print("every line is a record, as it was written")


@results.command("attest")
def attest_results(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[EXPERIMENT]...", help="Only these experiments.")
    ] = None,
    budget: Annotated[float | None, typer.Option(help="Stop after this many minutes.")] = None,
    device: Annotated[str, typer.Option(help="Where to train: auto, cpu, cuda or cuda:N.")] = "cpu",
) -> None:
    """Train a sample of the committed records again with today's code, and compare them digit by digit."""
    from lossbook.experiments.attest import attest

    with plain_warnings():
        done = attest(names or [], budget_minutes=budget, device=device)
    if done.made:
        table = Table("experiment", "record", "epochs", "numbers", "agrees", "worst difference")
        for experiment, made in done.made:
            agrees = "exactly" if made.digits >= EXACT else f"{made.digits} digits"
            worst = made.differs[0] if made.differs else ""
            table.add_row(
                experiment, made.key, f"{made.epochs} of {made.of}", str(made.compared), agrees, worst
            )
        _print(table)
    print(f"{len(done.made)} runs trained again, {done.known} attested before, {len(done.left)} left")
    for why in done.left:
        print(f"left: {why}")


def _check_known(experiment: str | None, profile: str | None) -> None:
    from lossbook import experiments

    chosen = [experiments.get(name) for name in ([experiment] if experiment else experiments.names())]
    known = sorted({name for each in chosen for name in each.profiles})
    if profile is not None and profile not in known:
        raise UnknownNameError("profile", profile, known)


def _check_writable(path: Path) -> None:
    """See that a file can be written before the work it is to tell of."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except OSError as error:
        raise LossbookError(f"cannot write {path}: {error.strerror}") from error


def _write(path: Path, text: str) -> None:
    try:
        paths.atomic_write(path, text)
    except OSError as error:
        raise LossbookError(f"cannot write {path}: {error.strerror}") from error


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Show each warning once, as a line without the code that it comes from."""
    seen = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in seen:
            seen.add(str(message))
            print(f"warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal()):
        raise LossbookError(f"a shard is i/n, for example 1/8; got {text!r}")
    return int(index), int(count)


def _records() -> list[Record]:
    with plain_warnings():
        return Store().records()


def _chosen(experiment: str | None, profile: str | None) -> list[Record]:
    records = _records()
    if experiment is not None:
        _check_known_name("experiment with records", experiment, {r.experiment for r in records})
        records = [r for r in records if r.experiment == experiment]
    if profile is not None:
        of = f"profile of {experiment} with records" if experiment else "profile with records"
        _check_known_name(of, profile, {r.profile for r in records})
        records = [r for r in records if r.profile == profile]
    return records


def _check_known_name(what: str, name: str, there: set[str]) -> None:
    if name not in there:
        raise UnknownNameError(what, name, sorted(there))


def _csv(records: list[Record]) -> str:
    rows: list[dict[str, Any]] = [
        {
            "experiment": r.experiment,
            "profile": r.profile,
            **{f"label_{name}": value for name, value in r.labels.items()},
            "seed": r.seed,
            "status": r.status,
            **r.numbers(),
            "dataset_used": r.config["dataset"],
            "epochs": r.config["epochs"],
            "trust": str(r.trust),
            "origin": r.origin,
            "code": r.provenance.get("code"),
            "key": r.key,
        }
        for r in records
    ]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _trust(records: list[Record]) -> str:
    states = Counter(str(record.trust) for record in records)
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


def _labels(labels: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in labels.items())


def _number(value: float | None, *, percent: bool = False) -> str:
    if value is None:
        return "not finite"
    return f"{100 * value:.2f}%" if percent else f"{value:.4g}"


def _print(table: Table) -> None:
    # Into a file or a pipe a table is not cut to a terminal's width.
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)
