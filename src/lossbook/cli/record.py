"""A whole record as text: what was run, what came out, and how far it is trusted."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from lossbook.cli.output import labels_text
from lossbook.progress import duration
from lossbook.results import Record

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 40
_MOST_NUMBERS = 10
_LINE = 78  # characters in a line of numbers, less than which a terminal seldom has


def rendered(record: Record) -> Group:
    """A record for the terminal: every field, curves by epoch value by value, arrays in one line each."""
    parts: list[Any] = [_fields(_facts(record))]
    for heading, table in (
        ("settings", _fields(_named(record.config))),
        ("metrics", _fields((name, _value(value)) for name, value in sorted(record.metrics.items()))),
        ("curves, by epoch", _curves(record.curves, "epoch")),
        *(("", table) for table in _epochs(record.curves)),
        ("measured by step", _curves(record.steps, "step")),
        ("arrays in files", _fields((name, _file(file)) for name, file in record.files.items())),
        ("where it comes from", _fields(_named(record.provenance))),
    ):
        if table.row_count:
            parts += ["", *([Text(heading, style="bold")] if heading else []), table]
    return Group(*parts)


def whole(record: Record) -> dict[str, Any]:
    """All of a record, with its state of trust and why, for JSON."""
    trust = {"state": record.trust.state, "why": record.trust.why}
    return {**json.loads(record.to_json()), "origin": record.origin, "trust": trust}


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    trust = record.trust
    yield "key", record.key
    yield "experiment", f"{record.experiment} [{record.profile}], {record.origin}"
    yield "cell", labels_text(record.labels)
    yield "seed", str(record.seed)
    yield "status", record.status
    yield "trust", f"{trust}: {trust.why}"
    made = record.provenance
    if (seconds := made.get("seconds")) is not None:
        yield "took", f"{duration(seconds)} on {made.get('device_name') or made.get('device')}"
    for when, digest in record.weights.items():
        yield f"weights, {when}", digest


def _named(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value)
        yield name, ", ".join(map(str, value)) if isinstance(value, list) else text


def _fields(rows: Any) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(f"  {name}"), Text(value))
    return table


def _value(value: Any) -> str:
    if not isinstance(value, list):
        return _number(value)
    shape, rows = [str(len(value))], value
    while rows and isinstance(rows[0], list):
        rows = rows[0]
        shape.append(str(len(rows)))
    if len(shape) == 1 and len(value) <= _MOST_NUMBERS:
        return ", ".join(map(_number, value))
    numbers = [each for each in _flat(value) if each is not None]
    extent = f", {_number(min(numbers))} to {_number(max(numbers))}" if numbers else ""
    return f"array of {' x '.join(shape)}{extent}"


def _file(file: Mapping[str, Any]) -> str:
    shape = " x ".join(map(str, file["shape"]))
    return f"{file['path']}: {file['dtype']}, {shape}, sha256 {file['sha256']}"


def _curves(curves: Mapping[str, Sequence[Any]], unit: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for heading in ("", "first", "last", "least", "most", f"from the first {unit} to the last"):
        table.add_column(heading, no_wrap=True)
    for name, values in sorted(curves.items()):
        for label, curve in _single(name, values):
            finite = [value for value in curve if value is not None]
            ends = (curve[0], curve[-1]) if curve else (None, None)
            extent = (min(finite), max(finite)) if finite else (None, None)
            table.add_row(
                f"  {label}", *map(_number, (*ends, *extent)), f"{sparkline(curve)} {len(curve)} {unit}s"
            )
    return table


def _epochs(curves: Mapping[str, Sequence[Any]]) -> Iterator[Table]:
    """The curves epoch by epoch, beside each other as far as a line has room."""
    left = [each for name, values in sorted(curves.items()) for each in _single(name, values)]
    while left:
        table = Table(box=None, pad_edge=False, padding=(0, 1))
        table.add_column("  epoch", justify="right", no_wrap=True)
        shown: list[list[Any]] = []
        width = len("  epoch")
        while left and (not shown or width + _room(left[0][0]) <= _LINE):
            name, curve = left.pop(0)
            width += _room(name)
            table.add_column(name, justify="right", no_wrap=True)
            shown.append(curve)
        for epoch, values in enumerate(zip_longest(*shown, fillvalue=""), start=1):
            table.add_row(str(epoch), *("" if value == "" else _number(value) for value in values))
        yield table


def _room(name: str) -> int:
    return 2 + max(len(name), len(_number(None)))


def _single(name: str, values: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """A curve of numbers; of one of arrays, the mean of each array."""
    if values and isinstance(values[0], list):
        means = []
        for value in values:
            numbers = [each for each in _flat(value) if each is not None]
            means.append(sum(numbers) / len(numbers) if numbers else None)
        yield f"{name} (mean)", means
    else:
        yield name, list(values)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _flat(each)
    else:
        yield value


def sparkline(values: Sequence[float | None]) -> str:
    """A curve as a line of at most 40 blocks, from its least value to its most.

    Args:
        values: Its values; a gap is shown for None.
    """
    count = min(len(values), _WIDTH)
    chosen = [values[round(i * (len(values) - 1) / max(count - 1, 1))] for i in range(count)]
    finite = [value for value in chosen if value is not None]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    span = (high - low) or 1.0
    top = len(_BARS) - 1
    return "".join(" " if value is None else _BARS[round((value - low) / span * top)] for value in chosen)


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.6g}"
