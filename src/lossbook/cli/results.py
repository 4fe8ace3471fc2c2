"""``lossbook results``: the records of runs."""

import csv
import io
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from lossbook.cli.output import WHERE, labels_text, number, plain_warnings, print_table, write
from lossbook.cli.record import rendered, whole
from lossbook.cli.stopping import stoppable
from lossbook.errors import LossbookError, UnknownNameError
from lossbook.results import Record, Store, arrays, difference
from lossbook.results.attestation import EXACT
from lossbook.results.where import parse, select

app = typer.Typer(no_args_is_help=True)

_MOST_KEYS = 10


@app.command("list")
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
    print_table(table)


@app.command("show")
def show_results(
    what: Annotated[
        str,
        typer.Argument(
            metavar="EXPERIMENT|KEY", help="For example yao2018/table1; or a record's key, or how it begins."
        ),
    ],
    profile: Annotated[str | None, typer.Option(help="Only this profile.")] = None,
    where: Annotated[str | None, typer.Option(help=WHERE)] = None,
    format: Annotated[
        str, typer.Option(help="text, or json: an array of whole records with their trust.")
    ] = "text",
) -> None:
    """Show the records of an experiment, one line each; or one record as a whole, with its state of trust."""
    if format not in ("text", "json"):
        raise UnknownNameError("format", format, ("text", "json"))
    by_key = re.fullmatch("[0-9a-f]+", what)
    if by_key and where is not None:
        raise LossbookError("a key names one run, so --where is for experiments alone")
    records = _with_key(what, profile) if by_key else _chosen(what, profile, where)
    if format == "json":
        print(json.dumps([whole(record) for record in records], indent=1))
        return
    if by_key:
        for record in records:
            print_table(rendered(record))
        return
    table = Table(
        "profile", "cell", "trained on", "seed", "test accuracy", "test CE", "status", "trust", "key"
    )
    for record in records:
        table.add_row(
            record.profile,
            labels_text(record.labels),
            str(record.config.get("dataset")),
            str(record.seed),
            number(record.metrics.get("test_accuracy"), percent=True),
            number(record.metrics.get("test_ce")),
            record.status,
            str(record.trust),
            record.key,
        )
    print_table(table)


@app.command("export")
def export_results(
    experiment: Annotated[str | None, typer.Argument(help="Only this experiment.")] = None,
    profile: Annotated[str | None, typer.Option(help="Only this profile.")] = None,
    where: Annotated[str | None, typer.Option(help=WHERE)] = None,
    format: Annotated[
        str,
        typer.Option(
            help="csv or parquet (one row per run; parquet needs pyarrow), json (an array of whole records) "
            "or jsonl (one per line, as in data/results)."
        ),
    ] = "csv",
    output: Annotated[Path | None, typer.Option(help="A file; standard output if not given.")] = None,
) -> None:
    """Write records to a file, for a spreadsheet or for data/results/; beside whole records, their arrays."""
    if format not in _WRITERS:
        raise UnknownNameError("format", format, _WRITERS)
    records = _chosen(experiment, profile, where)
    if not records:
        raise LossbookError("there are no records to export; nothing was written")
    content = _WRITERS[format](records)
    with_files = [record for record in records if record.files] if format not in _OF_ROWS else []
    if output is None:
        if isinstance(content, bytes):
            sys.stdout.buffer.write(content)
        else:
            sys.stdout.write(content)
        if with_files:
            print(
                "the arrays that lie in files are not in this output; --output copies them", file=sys.stderr
            )
        return
    store = Store()
    for record in with_files:
        for name in record.files:
            arrays.write(output.parent, store.array(record, name))
    write(output, content)
    print(f"{len(records)} records written to {output}")


@app.command("diff")
def diff_results(
    before: Annotated[str, typer.Argument(help="A folder of records, or a git revision such as HEAD~1.")],
    after: Annotated[str, typer.Argument(help="The same.")],
    metric: Annotated[
        str, typer.Option(help="What is shown before and after, mean ± standard deviation over seeds.")
    ] = "test_accuracy",
) -> None:
    """Compare two sets of records cell by cell; of a revision, those in data/results. Exit status 1 if they
    differ.
    """
    with plain_warnings():
        sides = [difference.read(place) for place in (before, after)]
    names = {name for records in sides for record in records for name in record.metrics}
    _check_known_name("metric", metric.partition("/")[0], names)
    cells = difference.compare(*sides)
    again = sum(cell.made_again for cell in cells)
    different = [cell for cell in cells if cell.words]
    if not different:
        count = sum(len(cell.pairs) for cell in cells)
        print(f"nothing has changed: {count} records have the same numbers")
    else:
        table = Table("experiment", "profile", "cell", "what differs", "before", "after", f"{metric}, change")
        for cell in different:
            table.add_row(
                cell.experiment,
                cell.profile,
                labels_text(cell.labels),
                "; ".join(cell.words),
                *("" if spread is None else str(spread) for spread in cell.spreads(metric)),
            )
        print_table(table)
        print(f"{len(different)} of {len(cells)} cells differ")
    if again:
        print(f"{again} records come from another training than before")
    if different:
        raise typer.Exit(1)


@app.command("merge")
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


@app.command("check")
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


@app.command("attest")
def attest_results(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[EXPERIMENT]...", help="Only these experiments.")
    ] = None,
    budget: Annotated[float | None, typer.Option(help="Stop after this many minutes.")] = None,
    device: Annotated[str, typer.Option(help="Where to train: auto, cpu, cuda or cuda:N.")] = "cpu",
) -> None:
    """Train a sample of the committed records again with today's code, and compare them digit by digit."""
    from lossbook.experiments.attest import attest

    with stoppable(), plain_warnings():
        done = attest(names or [], budget_minutes=budget, device=device)
    if done.made:
        table = Table("experiment", "record", "epochs", "numbers", "agrees", "worst difference")
        for experiment, made in done.made:
            agrees = "exactly" if made.digits >= EXACT else f"{made.digits} digits"
            worst = made.differs[0] if made.differs else ""
            table.add_row(
                experiment, made.key, f"{made.epochs} of {made.of}", str(made.compared), agrees, worst
            )
        print_table(table)
    print(f"{len(done.made)} runs trained again, {done.known} attested before, {len(done.left)} left")
    for why in done.left:
        print(f"left: {why}")


def _check_known(experiment: str | None, profile: str | None) -> None:
    from lossbook import experiments

    chosen = [experiments.get(name) for name in ([experiment] if experiment else experiments.names())]
    known = sorted({name for each in chosen for name in each.profiles})
    if profile is not None and profile not in known:
        raise UnknownNameError("profile", profile, known)


def _records() -> list[Record]:
    with plain_warnings():
        return Store().records()


def _with_key(beginning: str, profile: str | None) -> list[Record]:
    """The records of the one run whose key begins so; one for each profile that has it."""
    found = [r for r in _records() if r.key.startswith(beginning) and profile in (None, r.profile)]
    keys = sorted({record.key for record in found})
    if not keys:
        at = f" at profile {profile}" if profile else ""
        raise LossbookError(
            f"no record{at} has a key that begins with {beginning!r}; `lossbook results show EXPERIMENT` "
            "lists them"
        )
    if len(keys) > 1:
        some = ", ".join(keys[:_MOST_KEYS]) + (", ..." if len(keys) > _MOST_KEYS else "")
        raise LossbookError(f"{len(keys)} keys begin with {beginning!r}; give more of one: {some}")
    return found


def _chosen(experiment: str | None, profile: str | None, where: str | None) -> list[Record]:
    records = _records()
    if experiment is not None:
        _check_known_name("experiment with records", experiment, {r.experiment for r in records})
        records = [r for r in records if r.experiment == experiment]
    if profile is not None:
        of = f"profile of {experiment} with records" if experiment else "profile with records"
        _check_known_name(of, profile, {r.profile for r in records})
        records = [r for r in records if r.profile == profile]
    return records if where is None else select(records, parse(where), lambda record: record.labels)


def _check_known_name(what: str, name: str, there: set[str]) -> None:
    if name not in there:
        raise UnknownNameError(what, name, sorted(there))


def _rows(records: list[Record]) -> list[dict[str, Any]]:
    return [
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


def _csv(records: list[Record]) -> str:
    rows = _rows(records)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _parquet(records: list[Record]) -> bytes:
    import pandas as pd  # slow to import

    frame = pd.DataFrame(_rows(records))
    for name in frame:
        # A label may be a number in one experiment and text in another; a column has one type.
        if frame[name].dropna().map(type).nunique() > 1:
            frame[name] = frame[name].map(str, na_action="ignore")
    content = io.BytesIO()
    try:
        frame.to_parquet(content, index=False)
    except ImportError as error:
        raise LossbookError("parquet needs pyarrow, which is not installed: pip install pyarrow") from error
    return content.getvalue()


def _jsonl(records: list[Record]) -> str:
    return "".join(record.to_json() + "\n" for record in records)


def _json(records: list[Record]) -> str:
    return "[\n" + ",\n".join(record.to_json() for record in records) + "\n]\n"


_WRITERS: Mapping[str, Callable[[list[Record]], str | bytes]] = {
    "csv": _csv,
    "parquet": _parquet,
    "json": _json,
    "jsonl": _jsonl,
}
_OF_ROWS = ("csv", "parquet")


def _trust(records: list[Record]) -> str:
    states = Counter(str(record.trust) for record in records)
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
