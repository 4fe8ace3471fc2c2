"""What code a number depends on, as a hash of modules that ignores comments, docstrings and blank lines.

Source text is read and nothing imported, so neither torch nor a notebook library is needed.
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


def code_hash(modules: Iterable[str]) -> str:
    """Hash the sources of :func:`module_closure`; 12 hexadecimal digits.

    Args:
        modules: Names such as ``"lossbook.losses.softmax"``.

    Raises:
        LookupError: A module that the package does not have.
    """
    return _digest([f"{name}\n{_plain_source(name)}" for name in module_closure(modules)])


def module_closure(modules: Iterable[str]) -> list[str]:
    """The package's modules that some modules import, directly or not, themselves included; sorted.

    Raises:
        LookupError: A module that the package does not have.
    """
    waiting, seen = list(modules), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += _imported_by(name, _source(name))
    return sorted(seen)


def imported_modules(tree: ast.AST, module: str = "") -> set[str]:
    """The package's modules that a piece of code imports, wherever in it the imports stand.

    A package that an imported module lies in does not count unless something is taken from the package
    itself: it passes names on and decides no number, and through it every loss would depend on all of them.
    What is imported under ``if TYPE_CHECKING:``, for annotations alone, does not count either.

    Args:
        tree: Parsed code.
        module: Name of the module it is, for relative imports; empty for a notebook.
    """
    found: set[str] = set()
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = _import_source(node, module)
            for alias in node.names:
                submodule = f"{source}.{alias.name}"
                found.add(source if _path(submodule) is None else submodule)
    return {name for name in found if _path(name) is not None}


@functools.cache
def _imported_by(name: str, text: str) -> frozenset[str]:
    return frozenset(imported_modules(ast.parse(text), name))


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


def _import_source(node: ast.ImportFrom, module: str) -> str:
    if not node.level:
        return node.module or ""
    path = _path(module)
    package = module.split(".")
    keep = len(package) - node.level + (1 if path and path.name == "__init__.py" else 0)
    return ".".join([*package[:keep], *([node.module] if node.module else [])])


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """A node and what is in it, without what stands under ``if TYPE_CHECKING:``."""
    yield node
    children = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        children = iter(node.orelse)
    for child in children:
        yield from _executed(child)
