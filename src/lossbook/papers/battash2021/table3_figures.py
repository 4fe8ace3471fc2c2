"""Drawing of Table 3: each mixture minus CE, beside the paper's."""

from __future__ import annotations

from matplotlib.figure import Figure

from lossbook.evidence.contrasts import POINTS
from lossbook.evidence.select import Evidence
from lossbook.papers.battash2021 import texts_figures
from lossbook.papers.battash2021.table3 import NAMES, differences


def gains(evidence: Evidence, profile: str, protocol: str) -> Figure:
    """Draw each mixture minus CE with its 95% interval, network by network, and the paper's difference."""
    found = [
        (NAMES[name], method.name, each) for name, method, each in differences(evidence, profile, protocol)
    ]
    label, axis = "accuracy minus that of CE, points", "network: layers × cells"
    return texts_figures.gains(found, label, scale=POINTS.scale, axis=axis)


def gains_alt(evidence: Evidence, profile: str, protocol: str) -> str:
    """What the figure shows, in words and numbers."""
    said = [
        f"LSTM {NAMES[architecture]}, {method.name}: {difference.short()}"
        for architecture, method, difference in differences(evidence, profile, protocol)
    ]
    return f"Accuracy minus that of CE in points, with half of its 95% interval. {'; '.join(said)}."
