"""One line of a file of records: JSON with a digest of itself, of the schema that this version reads."""

import contextlib
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from lossbook.results.attestation import digest_of, line_of

SCHEMA = 2

_TYPES: dict[str, type] = {
    **dict.fromkeys(("key", "experiment", "profile", "status"), str),
    **dict.fromkeys(("labels", "config", "metrics", "curves", "provenance"), dict),
    **dict.fromkeys(("steps", "files", "weights"), dict),
    **dict.fromkeys(("seed", "schema"), int),
}
_OPTIONAL = ("steps", "files", "weights")
_KINDS: dict[type, str] = {str: "text", dict: "an object", int: "a whole number"}
_STATUS = ("finished", "diverged")
_FILE = {"path": str, "sha256": str, "dtype": str, "shape": list}
# What other parts of the package count on, where it is there.
_PROVENANCE: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("code", "data", "device", "device_name", "precision", "finished"), (str,)),
    **dict.fromkeys(("modules", "data_notes"), (list,)),
    **dict.fromkeys(("threads", "train_size", "test_size", "validation_size"), (int,)),
    "seconds": (int, float),
    "versions": (dict,),
}


def written(content: Mapping[str, Any]) -> str:
    """The line of a record with its digest, without a line end; empty groups are left out.

    Raises:
        ValueError: A number that is not finite.
    """
    kept = {name: value for name, value in content.items() if value or name not in _OPTIONAL}
    return line_of(kept | {"digest": digest_of(kept)})


def read(line: str) -> dict[str, Any]:
    """The fields of a record, without the digest.

    Raises:
        ValueError: The line is not a record, or not as it was written.
    """
    content = _parsed(line)
    digest = content.pop("digest", None)
    _check_types(content)
    if not _is_as_written(line, content, digest):
        raise ValueError(
            f"altered since it was written: its digest is {digest}, its content's {digest_of(content)}"
        )
    return content


def _parsed(line: str) -> dict[str, Any]:
    try:
        content = json.loads(line, parse_constant=_not_finite, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("lists within lists without end") from error
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    schema = content.get("schema")
    if schema != SCHEMA or type(schema) is not int:
        raise ValueError(
            f"schema {schema!r:.40}, this version reads {SCHEMA}: published records come with the checkout, "
            "so update data/results; others are made again by `lossbook run`"
        )
    return content


def _check_types(content: Mapping[str, Any]) -> None:
    for name, kind in _TYPES.items():
        if name not in content:
            if name in _OPTIONAL:
                continue
            raise ValueError(f"no {name}")
        if not isinstance(content[name], kind) or isinstance(content[name], bool):
            raise ValueError(f"{name} is {content[name]!r:.40}, not {_KINDS[kind]}")
    if unknown := sorted(content.keys() - _TYPES.keys()):
        raise ValueError(f"unknown field {unknown[0]!r}")
    if content["status"] not in _STATUS:
        raise ValueError(f"status is {content['status']!r:.40}, not {' or '.join(_STATUS)}")
    for name, value in content["metrics"].items():
        _check_numbers(f"metrics {name}", value)
    for group in ("curves", "steps"):
        for name, values in content.get(group, {}).items():
            if not isinstance(values, list):
                raise ValueError(f"{group} {name} is {values!r:.40}, not a list")
            _check_numbers(f"{group} {name}", values)
    for name, value in content.get("weights", {}).items():
        if not isinstance(value, str):
            raise ValueError(f"weights {name} is {value!r:.40}, not text")
    for name, value in content.get("files", {}).items():
        if not isinstance(value, dict) or any(not isinstance(value.get(k), t) for k, t in _FILE.items()):
            raise ValueError(f"files {name} is {value!r:.40}, not {', '.join(_FILE)}")
    for name, kinds in _PROVENANCE.items():
        value = content["provenance"].get(name)
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise ValueError(f"provenance {name} is {value!r:.40}")


_NUMBERS = {int, float, type(None)}


def _check_numbers(name: str, value: Any) -> int:
    """See that a value is a number, None, or a rectangular array of them; how many axes it has."""
    if not isinstance(value, list):
        if type(value) not in _NUMBERS:
            raise ValueError(f"{name} holds {value!r:.40}, which is not a number")
        return 0
    if _NUMBERS.issuperset(map(type, value)):
        return 1
    axes = {_check_numbers(name, each) for each in value}
    lengths = {len(each) if isinstance(each, list) else -1 for each in value}
    if len(axes) > 1 or len(lengths) > 1:
        raise ValueError(f"{name} is an array whose rows differ in length")
    return 1 + axes.pop()


def _is_as_written(line: str, content: Mapping[str, Any], digest: Any) -> bool:
    # The digest is of the line without it. Only a line that something else has formatted is written anew.
    whole = hashlib.sha256(line.replace(f'"digest":"{digest}",', "", 1).encode()).hexdigest()[:16]
    return digest in (whole, digest_of(content))


def mended(line: str) -> str | None:
    """A line whose numbers were put in quotation marks, as it was written.

    Args:
        line: A line that is not a record.

    Returns:
        The line, or None where it is damaged otherwise: then its digest does not fit.
    """
    try:
        content = _parsed(line)
        digest = content.pop("digest", None)
        for name in ("seed", "metrics", "curves", "steps"):
            if name in content:
                content[name] = _unquoted(content[name])
        _check_types(content)
    except ValueError:
        return None
    return line_of(content | {"digest": digest}) if digest == digest_of(content) else None


def _unquoted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unquoted(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_unquoted(each) for each in value]
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return json.loads(value, parse_constant=_not_finite, parse_float=_finite)
    return value


def _not_finite(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _not_finite(text)
