"""Losses beyond cross-entropy, and the experiments that test them."""

__version__ = "0.1.0"
