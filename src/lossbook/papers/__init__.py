"""A package per paper: its equations, and each table or figure in a file of its own, as declarations.

Beside them stands what no paper owns: the form of an equation, and the recipe of the reference network.
"""

from lossbook.papers.equation import Equation

__all__ = ["Equation"]
