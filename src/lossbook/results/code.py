"""What code a number depends on, as a hash that ignores comments, docstrings and blank lines.

Two grains. A record carries the hash of the *definitions* it depends on (:func:`code_hash`): functions,
classes and constants reached by name from the functions that made it, so that a new loss in a module does not
make the records of its neighbours look old. Annotations are not followed: they decide no number. A page
depends on whole *modules* (:func:`module_closure_hash`).

Both read source text and import nothing, so neither torch nor a notebook library is needed.
"""

import ast
import functools
import hashlib
import io
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_NAME = _PACKAGE.name


def code_hash(entry_points: Iterable[str]) -> str:
    """Hash the definitions reached from some functions or classes of the package.

    Args:
        entry_points: Names like ``"lossbook.losses.softmax:nllr_loss"``. Names outside the package count as
            themselves: their version is part of a record's provenance anyway.

    Returns:
        12 hexadecimal digits.

    Raises:
        LookupError: A name of the package that is not defined where it is said to be.
    """
    entries = sorted(set(entry_points))
    reached: dict[tuple[str, str], str] = {}
    for entry in entries:
        module, _, name = entry.partition(":")
        if _path(module) is not None:
            _reach(module, name, reached)
    parts = [*entries, *(f"{module}:{name}\n{text}" for (module, name), text in sorted(reached.items()))]
    return _digest(parts)


def module_closure(modules: Iterable[str]) -> list[str]:
    """The package's modules that some modules import, directly or not, themselves included; sorted."""
    waiting, seen = list(modules), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or _path(name) is None:
            continue
        seen.add(name)
        waiting.extend(imported_modules(ast.parse(_source(name)), name))
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return sorted(seen)


def module_closure_hash(modules: Iterable[str]) -> str:
    """Hash the sources of :func:`module_closure`; 12 hexadecimal digits."""
    return _digest([f"{name}\n{_plain_source(name)}" for name in module_closure(modules)])


def imported_modules(tree: ast.AST, module: str = "") -> set[str]:
    """The package's modules that a piece of code imports, wherever in it the imports stand.

    Args:
        tree: Parsed code.
        module: Name of the module it is, for relative imports; empty for a notebook.
    """
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = _import_source(node, module)
            found.add(source)
            found.update(f"{source}.{alias.name}" for alias in node.names)
    return {name for name in found if _path(name) is not None}


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _path(module: str) -> Path | None:
    first, *rest = module.split(".")
    if first != _NAME:
        return None
    base = _PACKAGE.joinpath(*rest)
    for candidate in (base.with_suffix(".py") if rest else base / "__init__.py", base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _source(module: str) -> str:
    path = _path(module)
    if path is None:
        raise LookupError(f"no module {module} in this package")
    return path.read_text(encoding="utf-8")


@functools.cache
def _plain_lines(text: str) -> tuple[str, ...]:
    """The lines of a source with comments and docstrings blanked out."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                for row in range(first.lineno, (first.end_lineno or first.lineno) + 1):
                    lines[row - 1] = ""
    return tuple(line.rstrip() for line in lines)


def _plain_source(module: str) -> str:
    return "\n".join(line for line in _plain_lines(_source(module)) if line)


class _Module:
    """Top-level names of a module: what defines them, or where they are imported from."""

    def __init__(self, name: str) -> None:
        text = _source(name)
        self.name = name
        self.lines = _plain_lines(text)
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, tuple[str, str]] = {}
        for node in ast.parse(text).body:
            for defined in _defined_names(node):
                self.definitions.setdefault(defined, []).append(node)
            self.imports.update(_imports(node, name))

    def text(self, name: str) -> str:
        pieces: list[str] = []
        for node in self.definitions[name]:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            pieces += self.lines[first - 1 : node.end_lineno]
        return "\n".join(line for line in pieces if line)


@functools.cache
def _parsed(name: str, _text: str) -> _Module:
    return _Module(name)


def _module(name: str) -> _Module:
    return _parsed(name, _source(name))


def _defined_names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr):
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id


def _import_source(node: ast.ImportFrom, module: str) -> str:
    if not node.level:
        return node.module or ""
    path = _path(module)
    package = module.split(".")
    keep = len(package) - node.level + (1 if path and path.name == "__init__.py" else 0)
    return ".".join([*package[:keep], *([node.module] if node.module else [])])


def _imports(node: ast.AST, module: str) -> dict[str, tuple[str, str]]:
    """Local name -> (module, name in it); the second is empty when the local name is the module itself."""
    found: dict[str, tuple[str, str]] = {}
    for part in ast.walk(node):
        if isinstance(part, ast.Import):
            for alias in part.names:
                if alias.asname:
                    found[alias.asname] = (alias.name, "")
                else:
                    first = alias.name.split(".")[0]
                    found[first] = (first, "")
        elif isinstance(part, ast.ImportFrom):
            source = _import_source(part, module)
            for alias in part.names:
                whole = f"{source}.{alias.name}"
                target = (whole, "") if _path(whole) is not None else (source, alias.name)
                found[alias.asname or alias.name] = target
    return found


def _reach(module: str, name: str, reached: dict[tuple[str, str], str]) -> None:
    if (module, name) in reached or _path(module) is None:
        return
    here = _module(module)
    if name not in here.definitions:
        if name in here.imports:
            _follow(*here.imports[name], reached)
            return
        raise LookupError(f"{module} defines no {name!r}")
    reached[module, name] = here.text(name)
    for node in here.definitions[name]:
        # Imports made inside the definition come before the module's own.
        imports = {**here.imports, **_imports(node, module)}
        for chain in _names(node):
            if chain[0] in imports:
                _follow_chain(chain, *imports[chain[0]], reached)
            elif chain[0] in here.definitions:
                _reach(module, chain[0], reached)


def _follow(module: str, name: str, reached: dict[tuple[str, str], str]) -> None:
    if _path(module) is None:
        return
    if name:
        _reach(module, name, reached)
    else:
        # A module used as a value: anything in it may be used.
        for each in _module(module).definitions:
            _reach(module, each, reached)


def _follow_chain(
    chain: tuple[str, ...], module: str, name: str, reached: dict[tuple[str, str], str]
) -> None:
    rest = list(chain[1:])
    while not name and rest:
        part = rest.pop(0)
        if _path(f"{module}.{part}") is not None:
            module = f"{module}.{part}"
        else:
            name = part
    _follow(module, name, reached)


def _names(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """Every name read in a piece of code, with the attributes taken from it: ``a.b.c`` as (a, b, c)."""
    if isinstance(node, ast.Attribute):
        chain, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            chain.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            yield (inner.id, *reversed(chain))
        else:
            yield from _names(inner)
        return
    # A name that is given a value here, such as a field of a class, is not the module's.
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
        yield (node.id,)
    for field, child in ast.iter_fields(node):
        if field not in ("annotation", "returns"):
            for part in child if isinstance(child, list) else [child]:
                if isinstance(part, ast.AST):
                    yield from _names(part)
