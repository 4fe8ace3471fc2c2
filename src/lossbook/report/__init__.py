"""Pages: tables, figures and statistics made from records, with everything a reader needs to check them.

A notebook starts with a :class:`Page` and chooses its records with :func:`records`; each chapter's own
tables and figures are in a module of its name.
"""

from lossbook.report.evidence import Evidence, records
from lossbook.report.page import Cell, Page
from lossbook.report.style import LOSS_STYLE, LossStyle, loss_style, theme
from lossbook.report.tables import Runs

__all__ = [
    "LOSS_STYLE",
    "Cell",
    "Evidence",
    "LossStyle",
    "Page",
    "Runs",
    "loss_style",
    "records",
    "theme",
]
