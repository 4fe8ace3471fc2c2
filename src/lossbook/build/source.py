"""A notebook's source: its cells, the experiments it declares, and the modules its code imports."""

import ast
import contextlib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lossbook.build.hashing import hash_text
from lossbook.build.places import notebook_source
from lossbook.errors import LossbookError
from lossbook.results.code import imported_modules

#: What a notebook declares that shows the records of every experiment.
ALL = "all"


@dataclass(frozen=True)
class Source:
    """A notebook as it is written.

    Attributes:
        name: ``<paper>/<item>``.
        notebook: The notebook node, without outputs.
    """

    name: str
    notebook: Any

    @property
    def experiments(self) -> list[str] | str:
        """The experiments whose records it shows, as its front matter declares them; :data:`ALL` for each.

        Raises:
            LossbookError: The declaration is neither a list of names nor ``all``.
        """
        declared = self.notebook.metadata.get("lossbook", {})
        names = declared.get("experiments", []) if isinstance(declared, Mapping) else None
        if names == ALL or (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            return names
        raise LossbookError(
            f"notebook {self.name}: in its front matter, lossbook must be {{experiments: "
            f"[<paper>/<item>, ...]}} or {{experiments: {ALL}}}; got {declared!r}"
        )

    @functools.cached_property
    def code(self) -> list[ast.Module]:
        """Parsed code cells; one that is not plain Python (a magic, a mistake) is left to its execution."""
        parsed = []
        for cell in self.notebook.cells:
            if cell.cell_type == "code":
                with contextlib.suppress(SyntaxError):
                    parsed.append(ast.parse(cell.source))
        return parsed

    @functools.cached_property
    def modules(self) -> list[str]:
        """The package's modules that its code imports."""
        return sorted(set().union(*(imported_modules(tree) for tree in self.code)))

    @property
    def code_hash(self) -> str:
        """A hash of what an execution depends on: its code cells and their tags, not its text."""
        cells = [cell for cell in self.notebook.cells if cell.cell_type == "code"]
        return hash_text(*(f"{cell.source}\0{cell.metadata.get('tags', [])}" for cell in cells))


def read_source(name: str) -> Source:
    """Read a notebook's source.

    Raises:
        LossbookError: No such notebook, or no jupytext to read it with.
    """
    try:
        import jupytext
    except ImportError as error:
        raise LossbookError(
            "notebooks need jupytext and papermill, which are not installed; in the checkout: "
            "pip install '.[book]'"
        ) from error

    return Source(name, jupytext.read(notebook_source(name)))
