"""The names of battash2021: its methods, classifiers and levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TABLE4 = "battash2021/table4"
#: Number of data sets in the paper.
SETS = 121
#: What counts as the paper's "very low p-value".
VERY_LOW = 0.001

#: Classifiers by their name in records.
CLASSIFIERS = {"linear": "Linear", "hidden": "One hidden layer"}
#: The losses on pages.
LOSSES = {"ce": "CE", "ceel": "CE+EL", "el": "EL", "focal": "Focal"}


@dataclass(frozen=True)
class Method:
    """A row of Table 4: a loss, and for the mixture its schedule of F.

    Attributes:
        loss: Name of the loss in the package.
        schedule: Label of the schedule; empty for the other losses.
        options: The loss's options.
    """

    loss: str
    schedule: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The printed name."""
        return f"{LOSSES[self.loss]} {self.schedule}".strip()


#: The six methods, in the order of Table 4 and of every array. The authors' focal loss has gamma 2 and a
#: factor of 0.25 for every class.
METHODS = (
    Method("ce"),
    Method("ceel", "0", {"schedule": "0"}),
    Method("ceel", "0,0.5", {"schedule": "0,0.5"}),
    Method("ceel", "0-0.5", {"schedule": "0-0.5"}),
    Method("el"),
    Method("focal", "", {"gamma": 2.0, "alpha": 0.25}),
)
CE, CONSTANT, TWO_PHASE, GRADUAL, EL, FOCAL = range(6)
NAMES = [method.name for method in METHODS]
