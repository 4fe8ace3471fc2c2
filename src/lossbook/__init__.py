"""Losses beyond cross-entropy, and the experiments that test them."""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_ROOMS = (
    *("analysis", "datasets", "evidence", "experiments", "losses"),
    *("models", "pages", "papers", "results", "training"),
)

if not TYPE_CHECKING:

    def __getattr__(name):
        # After `import lossbook` alone there is `lossbook.losses`, and nothing is loaded that is not used.
        if name in _ROOMS:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *_ROOMS})
