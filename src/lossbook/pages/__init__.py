"""Pages: tables, figures and provenance as a reader sees them, each with its files.

A notebook starts with a :class:`Page` and shows what :mod:`lossbook.evidence` made of its records.
"""

from lossbook.pages.page import Page
from lossbook.pages.style import LOSS_STYLE, LossStyle, loss_style, theme

__all__ = ["LOSS_STYLE", "LossStyle", "Page", "loss_style", "theme"]
