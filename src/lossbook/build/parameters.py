"""Parameters of notebooks: what there is, and whether what is given can be right."""

import ast
import contextlib
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from lossbook.build.places import PROFILES, RECORDED
from lossbook.build.source import ALL, Source, read_source
from lossbook.errors import LossbookError, UnknownNameError

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
    return parameters_of(read_source(name))


def parameters_of(source: Source) -> dict[str, Parameter]:
    """The parameters of a notebook whose source has been read; see :func:`notebook_parameters`."""
    found: dict[str, Parameter] = {}
    for cell in source.notebook.cells:
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
                    f"notebook {source.name}: the default of parameter {target!r} is not a plain value"
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
            defaults, and the nearest), a value of the wrong type, or a profile, number or device that cannot
            be right.
    """
    source = read_source(name)
    known = parameters_of(source)
    values = {}
    for key, text in given:
        if key not in known:
            defaults = ", ".join(f"{p.name} = {p.default!r}" for p in known.values())
            mistake = UnknownNameError(f"parameter of {name}", key, known)
            raise LossbookError(f"{mistake}" + (f" (by default {defaults})" if defaults else ""))
        values[key] = known[key].parse(text)
    _check_values(source, {key: p.default for key, p in known.items()}, values)
    return values


#: Parameters that are numbers of something: the numbers that none may lie below, 0 apart.
_COUNTS = {"seeds": 1, "runs": 2}


def _check_values(source: Source, defaults: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse values of the type that is right which the package would refuse, or not use, in a kernel."""
    for key, least in _COUNTS.items():
        if key in given and given[key] != 0 and given[key] < least:
            raise LossbookError(
                f"parameter {key!r} must be 0 (the profile's own number) or {least} or more; got {given[key]}"
            )
    if "device" in given:
        from lossbook.experiments.runner import device_named

        device_named(given["device"])
    if "profile" in given:
        there = profiles_of(source)
        if given["profile"] not in there:
            raise UnknownNameError(f"profile of {source.name}", given["profile"], there)
    if {**defaults, **given}.get("profile") == RECORDED:
        for key in ("seeds", "device"):
            if given.get(key, defaults.get(key)) != defaults.get(key):
                raise LossbookError(
                    f"at profile {RECORDED!r} nothing is trained, so {key} = {given[key]!r} has no effect; "
                    "name the profile to train, for example -p profile quick"
                )


def notebook_profiles(name: str) -> list[str]:
    """The profiles that a notebook can be made at, by its name."""
    return profiles_of(read_source(name))


def profiles_of(source: Source) -> list[str]:
    """The profiles that a notebook can be made at: those that each of its experiments has."""
    if source.experiments in ([], ALL):
        return list(PROFILES)
    from lossbook import experiments

    first, *rest = (experiments.get(name).profiles for name in source.experiments)
    return [RECORDED, *(name for name in first if all(name in each for each in rest))]
