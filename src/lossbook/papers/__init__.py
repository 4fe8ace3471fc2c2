"""A package per paper: its equations, and each table or figure in a file of its own, as declarations."""

from lossbook.papers.equation import Equation

__all__ = ["Equation"]
