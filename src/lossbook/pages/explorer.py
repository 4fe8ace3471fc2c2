"""A slider over the options of losses: their curves, tabulated when a page is built.

The page's script, ``book/_static/explorer.js``, draws rows of the table and evaluates no formula. Where it
does not run, nothing is shown: a page has a figure beside it that says the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import torch
from IPython.display import display

from lossbook.losses import Phi, phi
from lossbook.pages.page import data_script
from lossbook.pages.style import LOSS_STYLE

#: Gaps at which a loss is tabulated, and probabilities of the correct class for its step size.
GAPS = torch.linspace(-6, 6, 41, dtype=torch.float64)
PROBABILITIES = torch.linspace(0, 1, 61, dtype=torch.float64).clamp(1e-6, 1 - 1e-6)

_WIDTH, _HEIGHT = 340, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 10, 26, 44


@dataclass(frozen=True)
class Family:
    """A loss and the option that its slider moves.

    Attributes:
        loss: Its name in :data:`lossbook.pages.LOSS_STYLE`.
        symbol: The option as it is written, for example ``"γ"``.
        members: The loss at each position of the slider, by the option's value.
        start: The value that is shown first.
        note: What a reader should know about its ends.
    """

    loss: str
    symbol: str
    members: Mapping[float, Phi]
    start: float
    note: str = ""

    @property
    def name(self) -> str:
        """What the reader chooses: the loss and its option."""
        return f"{LOSS_STYLE[self.loss].name}, {self.symbol}"


@dataclass(frozen=True)
class _Panel:
    """One of the two charts: what is on its axes, and where."""

    title: str
    label: str
    x: tuple[float, float]
    y: tuple[float, float]
    x_ticks: Sequence[float]
    y_ticks: Sequence[float]
    names: Mapping[str, tuple[float, float]]  # of the lines that stay, and where they are written

    def scaled(self, x: float, y: float) -> tuple[float, float]:
        across, down = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return (
            _LEFT + across * (x - self.x[0]) / (self.x[1] - self.x[0]),
            _TOP + down * (self.y[1] - y) / (self.y[1] - self.y[0]),
        )


_LOSS = _Panel(
    "Loss", "gap u (correct side left of 0)", (-6, 6), (0, 6), (-6, -3, 0, 3, 6), (0, 2, 4, 6),
    {"ce": (3.4, 4.6), "el": (5.0, 1.2)},
)  # fmt: skip
_STEP = _Panel(
    "Step size", "probability of the correct class", (0, 1), (0, 2), (0, 0.25, 0.5, 0.75, 1), (0, 1, 2),
    {"ce": (0.72, 0.36), "el": (0.5, 0.06)},
)  # fmt: skip


def values(member: Phi) -> tuple[list[float], list[float]]:
    """A row of the table: the loss over :data:`GAPS`, and its step size over :data:`PROBABILITIES`."""
    loss = member.value(GAPS).tolist()
    step = member.slope(-torch.logit(PROBABILITIES)).tolist()
    return [round(v, 2) for v in loss], [round(v, 3) for v in step]


def table(families: Sequence[Family]) -> dict[str, Any]:
    """Everything that the page's script draws, as plain values."""
    return {
        "charts": [
            {"x": [_scale(panel, x) for x in grid.tolist()], "y": [panel.scaled(0, y)[1] for y in (0, 1)]}
            for panel, grid in ((_LOSS, GAPS), (_STEP, PROBABILITIES))
        ],
        "families": [
            {
                "color": LOSS_STYLE[family.loss].color,
                "symbol": family.symbol,
                "start": list(family.members).index(family.start),
                "labels": [f"{value:g}" for value in family.members],
                "texts": [_text(family, value) for value in family.members],
                "rows": [values(member) for member in family.members.values()],
            }
            for family in families
        ],
    }


def explore(families: Sequence[Family]) -> None:
    """Show the slider, its choice of losses and the two charts."""
    choices = "".join(
        f'<label><input type="radio" name="explorer-family" value="{number}"{" checked" * (number == 0)}> '
        f"{escape(family.name)}</label>"
        for number, family in enumerate(families)
    )
    html = (
        f"<style>{_STYLE}</style>"
        f'<div class="lossbook lossbook-explorer" hidden>{data_script(table(families), "rows")}'
        f"<fieldset><legend>Try it: move an option</legend>{choices}</fieldset>"
        '<p class="slider"><label for="explorer-value"></label>'
        '<input id="explorer-value" type="range" min="0" step="1"></p>'
        f'<p class="said" role="status"></p><div class="charts">{_chart(_LOSS)}{_chart(_STEP)}</div></div>'
        '<script src="../_static/explorer.js" defer></script>'
    )
    display({"text/html": html, "text/plain": "[a slider over the options of losses]"}, raw=True)


def _scale(panel: _Panel, x: float) -> float:
    return round(panel.scaled(x, 0)[0], 1)


def _text(family: Family, value: float) -> str:
    """What the charts show at one position of the slider, in words."""
    fine = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
    slope = family.members[value].slope(-torch.logit(fine))
    most, at = float(slope.max()), float(fine[slope.argmax()])
    where = "as p goes to 0" if at <= 0.001 else f"at p\u00a0=\u00a0{at:.2f}"
    name = f"{LOSS_STYLE[family.loss].name} with {family.symbol} = {value:g}"
    return f"{name}: largest step size {most:.2f}, {where}. {family.note}".strip()


def _path(panel: _Panel, grid: Sequence[float], heights: Sequence[float]) -> str:
    points = (panel.scaled(x, y) for x, y in zip(grid, heights, strict=True))
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _chart(panel: _Panel) -> str:
    """A chart with its axes and the lines that stay; the script draws the one that moves."""
    grid = GAPS if panel is _LOSS else PROBABILITIES
    (left, bottom), (right, top) = panel.scaled(panel.x[0], panel.y[0]), panel.scaled(panel.x[1], panel.y[1])
    clip = f"explorer-{panel.title.lower().replace(' ', '-')}"
    area = f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}"/>'
    parts = [f'<clipPath id="{clip}">{area}</clipPath>']
    for x in panel.x_ticks:
        across = panel.scaled(x, 0)[0]
        parts.append(f'<path class="grid" d="M{across:.1f} {top}V{bottom}"/>')
        parts.append(f'<text x="{across:.1f}" y="{bottom + 17}" text-anchor="middle">{_number(x)}</text>')
    for y in panel.y_ticks:
        down = panel.scaled(0, y)[1]
        parts.append(f'<path class="grid" d="M{left} {down:.1f}H{right}"/>')
        parts.append(f'<text x="{left - 6}" y="{down + 4:.1f}" text-anchor="end">{_number(y)}</text>')
    for name in panel.names:
        row = values(phi(name))[panel is _STEP]
        parts.append(
            f'<path class="stays" clip-path="url(#{clip})" stroke="{LOSS_STYLE[name].color}" '
            f'd="{_path(panel, grid.tolist(), row)}"/>'
        )
    parts.append(f'<path class="moves" clip-path="url(#{clip})"/>')
    for name, (x, y) in panel.names.items():
        across, down = panel.scaled(x, y)
        label = LOSS_STYLE[name].name
        parts.append(
            f'<text class="name" x="{across:.0f}" y="{down:.0f}" text-anchor="middle">{label}</text>'
        )
    parts.append(f'<text class="title" x="{left}" y="15">{panel.title}</text>')
    parts.append(
        f'<text x="{(left + right) / 2:.0f}" y="{bottom + 36}" text-anchor="middle">{panel.label}</text>'
    )
    said = f"{panel.title} over the {panel.label}: CE, EL and the chosen loss"
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{said}">{"".join(parts)}</svg>'


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")


_STYLE = """
.lossbook-explorer fieldset {
  border: 0; padding: 0; margin: 0; display: flex; flex-wrap: wrap; gap: .2em 1.2em}
.lossbook-explorer legend {font-size: 1em; font-weight: 600; margin: 0}
.lossbook-explorer .slider {display: flex; gap: .8em; align-items: center; margin: .6em 0}
.lossbook-explorer .slider label {min-width: 5em; font-variant-numeric: tabular-nums}
.lossbook-explorer .slider input {flex: 1; max-width: 30em; min-height: 2em; accent-color: var(--moving)}
.lossbook-explorer .said {font-size: .88em; margin: 0 0 .8em;
  padding-left: .6em; border-left: 4px solid var(--moving)}
.lossbook-explorer .charts {display: grid; gap: 1em;
  grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr))}
.lossbook-explorer svg {width: 100%; max-width: 460px; height: auto; overflow: visible}
.lossbook-explorer svg text {font-size: 12.5px; fill: currentColor}
.lossbook-explorer svg .name {
  paint-order: stroke; stroke: var(--pst-color-background, white); stroke-width: 4px}
.lossbook-explorer svg .title {font-weight: 700}
.lossbook-explorer svg .grid {stroke: currentColor; opacity: .18; stroke-width: .8}
.lossbook-explorer svg .stays {fill: none; stroke-width: 1.3; stroke-dasharray: 4 3}
.lossbook-explorer svg .moves {fill: none; stroke: var(--moving); stroke-width: 2.6}
@media print {.lossbook-explorer {display: none}}
"""
