"""The papers' own tables, as printed."""

import pandas as pd

from lossbook import paths
from lossbook.errors import UnknownNameError


def published(paper: str, item: str) -> pd.DataFrame:
    """Read a table of a paper, ``data/published/<paper>/<item>.csv``, all digits as printed (text).

    Args:
        paper: For example ``"yao2018"``.
        item: For example ``"table1"``.

    Raises:
        UnknownNameError: No such table; the message names the nearest.
    """
    folder = paths.data_file("published")
    path = folder / paper / f"{item}.csv"
    if not path.is_file():
        there = sorted(str(p.relative_to(folder).with_suffix("")) for p in folder.glob("*/*.csv"))
        raise UnknownNameError("published table", f"{paper}/{item}", there)
    return pd.read_csv(path, dtype=str, keep_default_na=False)
