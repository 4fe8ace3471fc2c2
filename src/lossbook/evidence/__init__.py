"""From records to what they show: runs selected, paired differences, rankings, claims. No HTML, no paper.

:func:`recorded` chooses the records of an experiment; :class:`Runs` are those of one cell.
"""

from lossbook.evidence.select import TRIALS, Evidence, gather, is_trial, recorded
from lossbook.evidence.tables import Cell, Runs

__all__ = ["TRIALS", "Cell", "Evidence", "Runs", "gather", "is_trial", "recorded"]
