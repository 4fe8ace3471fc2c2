"""From notebook sources to the book: parameters, execution, staging, and the pages themselves.

The graph is in the ``Snakefile``; its rules call this package as ``python -m lossbook.build STEP``.
Everything made at a profile lies under ``_build/<profile>/``:

- ``shards/``: stamps of the parts of an experiment that are done, until the whole is;
- ``experiments/``: one stamp per experiment, saying which runs were there and what readers must know;
- ``notebooks/``: executed notebooks; a failed one stays as ``*.partial.ipynb``;
- ``files/``: the CSV, SVG and PDF files of the pages;
- ``stage/``: what Jupyter Book reads;
- ``book/``: the book, replaced as a whole, and only by a build without a warning.
"""

from lossbook.build.graph import Graph
from lossbook.build.places import PROFILES
from lossbook.build.processes import end_group_with_parent
from lossbook.build.settings import read_settings
from lossbook.build.stamps import drop_outdated_stamps

__all__ = [
    "PROFILES",
    "Graph",
    "drop_outdated_stamps",
    "end_group_with_parent",
    "read_settings",
]
