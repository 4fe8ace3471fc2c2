"""Records of runs: written, read, traced to the code and data behind them; and the papers' own numbers."""

from lossbook.results.code import code_hash
from lossbook.results.published import published
from lossbook.results.record import Record, canonical
from lossbook.results.store import Store

__all__ = ["Record", "Store", "canonical", "code_hash", "published"]
