"""The papers' own tables, as printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossbook import paths
from lossbook.errors import UnknownNameError

if TYPE_CHECKING:
    import pandas as pd


def published(paper: str, item: str) -> pd.DataFrame:
    """Read a table of a paper, ``data/published/<paper>/<item>.csv``, all digits as printed (text).

    Args:
        paper: For example ``"yao2018"``.
        item: For example ``"table1"``.

    Raises:
        UnknownNameError: No such table; the message names the nearest.
    """
    import pandas as pd  # slow to import, and most commands never need it

    folder = paths.data_file("published")
    path = folder / paper / f"{item}.csv"
    if not path.is_file():
        there = sorted(str(p.relative_to(folder).with_suffix("")) for p in folder.glob("*/*.csv"))
        raise UnknownNameError("published table", f"{paper}/{item}", there)
    return pd.read_csv(path, dtype=str, keep_default_na=False)
