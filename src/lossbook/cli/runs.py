"""``lossbook run`` and ``lossbook pending``."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from lossbook.cli.output import WHERE, check_writable, labels_text, plain_warnings, print_table, write
from lossbook.cli.stopping import stoppable
from lossbook.errors import LossbookError
from lossbook.progress import duration
from lossbook.results import Record, attestation, difference
from lossbook.results.where import parse

if TYPE_CHECKING:
    from lossbook.experiments import PendingRuns

_MOST_LINES = 60
_LEFT = 75  # sysexits.h: a temporary failure, to be tried again


def register(app: typer.Typer) -> None:
    """Add the commands to the main one."""
    app.command("run")(run)
    app.command("pending")(pending)
    app.command("status")(status)


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
    where: Annotated[str | None, typer.Option(help=WHERE)] = None,
    key: Annotated[str | None, typer.Option(help="Only the run whose key begins so.")] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="With --key: train the run again, and say what differs."),
    ] = False,
    processes: Annotated[
        int, typer.Option(help="Train this many runs at once, each in a process of its own.")
    ] = 1,
    shard: Annotated[str, typer.Option(help="Only part i of n of the runs, i/n.")] = "1/1",
    summary: Annotated[
        Path | None, typer.Option(help="Write what was run, and what a reader must know, to this JSON file.")
    ] = None,
) -> None:
    """Train what is missing of an experiment. Stop it whenever you like: nothing finished is lost.

    The exit status is 0 if every run has its record; 75 if runs are left, because the budget is used up,
    another process has them in hand, or their data are unavailable; 2 if the request was wrong; 130 after
    Ctrl-C, and 143 after SIGTERM.
    """
    from lossbook import experiments

    if summary is not None:
        check_writable(summary)
    with stoppable(), plain_warnings():
        outcome = experiments.run(
            experiment,
            profile=profile,
            seeds=seeds,
            device=device,
            budget_minutes=budget,
            refresh=refresh,
            shard=_shard(shard),
            where=parse(where) if where is not None else None,
            key=key,
            force=force,
            processes=processes,
        )
    keys = list(dict.fromkeys(record.key for record in outcome.records))
    there = len(keys)
    print(
        f"{experiment} [{profile}]: {outcome.trained} runs trained now, "
        f"{there} of {there + len(outcome.left)} there"
    )
    for then, now in outcome.again:
        _say_what_differs(then, now, outcome.records)
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
        write(summary, json.dumps(content, indent=1) + "\n")
    if outcome.left:
        print(f"{len(outcome.left)} runs are left; the same command goes on")
        raise typer.Exit(_LEFT)


def _say_what_differs(then: Record, now: Record, counting: Sequence[Record]) -> None:
    """Compare a run's new record with the one there was, and name what may be why they differ."""
    (cell,) = difference.compare([then], [replace(now, profile=then.profile, labels=then.labels)])
    if cell.words:
        print(f"{now.key}: {'; '.join(cell.words)}")
        groups = [
            {name: getattr(each, name) for name in ("metrics", "curves", "steps")} for each in (then, now)
        ]
        for text in attestation.compare(*groups)[2]:
            print(f"  {text}")
        for name in ("code", "data", "device_name", "threads", "precision", "versions"):
            one, other = (each.provenance.get(name) for each in (then, now))
            if one != other:
                print(f"  {name}: {one} then, {other} now")
    else:
        print(f"{now.key}: nothing differs, {cell.numbers[0]} values are the same")
    if any(each.key == now.key and each.origin == "published" for each in counting):
        print("the published record is still the one that counts")


def pending(
    profile: Annotated[str | None, typer.Option(help="Only this profile.")] = None,
    experiment: Annotated[str | None, typer.Option(help="Only this experiment.")] = None,
    device: Annotated[
        str | None, typer.Option(help="Time a few steps of each network there: auto, cpu, cuda or cuda:N.")
    ] = None,
) -> None:
    """List what has not been run, and what it would cost.

    The cost is from the time that runs of the same network took when they were recorded, as in `status`. With
    --device a few steps of each network are timed instead, which takes minutes for the whole list.
    """
    from lossbook import experiments
    from lossbook.experiments.progress import estimate_seconds
    from lossbook.experiments.runner import device_named

    with plain_warnings():
        estimate = None if device is None else partial(estimate_seconds, device=device_named(device))
        found = experiments.pending(profile, experiment, estimate=estimate)
    if not found:
        print("nothing is pending")
        return
    table = Table("experiment", "profile", "cell", "runs", "cost" if device is None else "cost here", "data")
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
                labels_text(part[0].labels) if len(part) == 1 else f"{len(part)} cells",
                str(sum(cell.count for cell in part)),
                duration(sum(cell.seconds for cell in part)),
                "there" if part[0].data_present else "to be downloaded",
            )
    print_table(table)
    print(f"in all: {sum(c.count for c in found)} runs, about {duration(sum(c.seconds for c in found))}")


def status(
    profile: Annotated[str | None, typer.Option(help="Only this profile.")] = None,
    experiment: Annotated[str | None, typer.Option(help="Only this experiment.")] = None,
) -> None:
    """Show for each experiment what is recorded, how far it is trusted, and what the missing runs would cost.

    The cost is from the time that runs of the same network took when they were recorded. Where there are none
    it is rough: from the network's operations. `make plan` says what a build of the book would run, and why.
    """
    from lossbook import experiments

    with plain_warnings():
        found = experiments.status(profile, experiment)
    states = ("fresh", "attested", "unattested")
    table = Table("experiment", "profile", "runs", *states, "missing", "cost of these")
    for each in found:
        table.add_row(
            each.experiment,
            each.profile,
            str(each.runs),
            *(str(each.trust.get(state, "")) for state in states),
            str(each.missing or ""),
            _cost(each.seconds, each.missing, each.rough),
        )
    print_table(table)
    recorded = sum(sum(each.trust.values()) for each in found)
    seconds, missing, rough = (
        sum(values) for values in zip(*((e.seconds, e.missing, e.rough) for e in found), strict=True)
    )
    print(f"{recorded} of {recorded + missing} runs are recorded")
    if missing:
        print(f"the missing ones would cost: {_cost(seconds, missing, rough)}")


def _cost(seconds: float, missing: int, rough: int) -> str:
    if not missing:
        return ""
    how = "" if not rough else ", roughly" if rough == missing else f", roughly for {rough}"
    return f"about {duration(seconds)}{how}"


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal()):
        raise LossbookError(f"a shard is i/n, for example 1/8; got {text!r}")
    return int(index), int(count)
