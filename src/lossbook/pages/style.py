"""How a figure of the book looks: one colour, marker, dash and name per loss, for light and dark pages."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.figure import Figure

from lossbook.errors import UnknownNameError

Dash = str | tuple[int, tuple[float, ...]]


@dataclass(frozen=True)
class LossStyle:
    """How one loss is drawn and named on every page."""

    name: str
    color: str
    marker: str
    dash: Dash

    def line(self) -> dict[str, Any]:
        """Return the keyword arguments of a matplotlib line for this loss."""
        return {"color": self.color, "linestyle": self.dash, "label": self.name}


#: One style per loss for the whole book, in the order of tables and legends. All colours keep a contrast of
#: 3:1 on white and on the dark page; the first four are Okabe and Ito's (one darkened to do so), the others
#: as far from them and from each other as can be, for every kind of colour vision. LGL-INR and the last six
#: losses share a colour with one that is not drawn beside them. Dash and marker tell all of them apart
#: without colour.
LOSS_STYLE: dict[str, LossStyle] = {
    "ce": LossStyle("CE", "#0072b2", "o", "-"),
    "bce": LossStyle("BCE", "#009e73", "s", (0, (5, 1.6))),
    "nllr": LossStyle("NLLR", "#d55e00", "^", (0, (1.2, 1.2))),
    "nllr_clipped": LossStyle("NLLR clipped", "#c76fa0", "D", (0, (6, 1.5, 1.2, 1.5))),
    "el": LossStyle("EL", "#606c6c", "v", (0, (3, 1.2))),
    "ceel": LossStyle("CE+EL", "#c00ca8", "P", (0, (8, 1.5))),
    "focal": LossStyle("Focal", "#906048", "X", (0, (4, 1.2, 1.2, 1.2))),
    "gce": LossStyle("GCE", "#609c48", "<", (0, (3, 1.2, 1.2, 1.2, 1.2, 1.2))),
    "lr": LossStyle("LR", "#5454fc", ">", (0, (2, 1))),
    "hs_lr": LossStyle("HS-LR", "#a84818", "p", (0, (7, 1.2, 2, 1.2))),
    "ss_lr": LossStyle("SS-LR", "#9084e4", "h", (0, (2.5, 2.5))),
    "lgl_inr": LossStyle("LGL-INR", "#009e73", "*", (0, (10, 2, 2, 2))),
    "mae": LossStyle("MAE", "#606c6c", "d", (0, (1, 2))),
    "tamed_ce": LossStyle("Tamed CE", "#9084e4", "8", (0, (6, 3))),
    "mpce": LossStyle("MPCE", "#906048", "H", (0, (1.5, 3))),
    "complement_entropy": LossStyle("Complement entropy", "#c76fa0", "x", (0, (4, 4))),
    "lr_mean": LossStyle("LR (mean)", "#d55e00", "+", (0, (5, 3, 1.5, 3))),
    "asymmetric": LossStyle("ASL", "#009e73", "1", (0, (7, 1.5, 1.5, 1.5, 1.5, 1.5))),
}

# Everything in a figure that is not data has one of these colours, used by nothing else: the dark variant is
# the light one with these three exchanged.
INK, MUTED, GRID = "#1f2329", "#5a626b", "#d6dade"
_DARK = {INK: "#e6e9ec", MUTED: "#a9b1ba", GRID: "#3c434b"}

# A hundredth of a point is finer than any screen, and halves the size of long curves.
_PATH, _DECIMALS = re.compile(r'\bd="[^"]*"'), re.compile(r"(\.\d\d)\d+")

LIGHT_PAGE, DARK_PAGE = "#ffffff", "#14181e"

_RC: dict[Any, Any] = {
    "figure.figsize": (6.0, 3.6),
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": cycler(color=[s.color for s in LOSS_STYLE.values()]),
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "legend.handlelength": 2.8,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same glyphs on every machine
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "legend.fontsize": 10.5,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "svg.hashsalt": "lossbook",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}


def theme() -> None:
    """Make every figure drawn from now on look like the book's."""
    mpl.rcParams.update(_RC)


def loss_style(loss: str) -> LossStyle:
    """Return the style of a loss by its name in records.

    Args:
        loss: The name, for example ``"nllr"``.

    Returns:
        Its colour, marker, dash and printed name.

    Raises:
        UnknownNameError: If the book has no style for this loss.
    """
    if loss not in LOSS_STYLE:
        raise UnknownNameError("loss", loss, LOSS_STYLE)
    return LOSS_STYLE[loss]


def svg(figure: Figure) -> tuple[str, str]:
    """Return a figure as SVG twice: for a light page and for a dark page.

    The figure must have been drawn under :func:`theme`. The same figure gives the same bytes at any time.

    Args:
        figure: The figure.

    Returns:
        The light and the dark SVG text.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": _RC["svg.hashsalt"], "svg.fonttype": _RC["svg.fonttype"]}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    light = _PATH.sub(lambda path: _DECIMALS.sub(r"\1", path.group()), buffer.getvalue())
    dark = light
    for ink, replacement in _DARK.items():
        dark = dark.replace(ink, replacement)
    return light, dark


def pdf(figure: Figure) -> bytes:
    """Return a figure as PDF for print, on white, the same bytes at any time."""
    buffer = io.BytesIO()
    with mpl.rc_context({"pdf.fonttype": _RC["pdf.fonttype"]}):
        figure.savefig(
            buffer,
            format="pdf",
            facecolor="white",
            metadata={"CreationDate": None, "Creator": None, "Producer": None},
        )
    return buffer.getvalue()
