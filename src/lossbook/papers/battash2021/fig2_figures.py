"""Drawing of Fig. 2: performance profiles, and the differences from CE that they hide."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lossbook.evidence import performance
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.pages.style import INK, loss_style
from lossbook.papers.battash2021.fig2 import differences, scores
from lossbook.papers.battash2021.texts import MIXTURES, REGIMES

#: CE and the three mixtures: a colour for the loss, dash and marker for the schedule.
_LOOKS = (("-", "o"), ((0, (1.2, 1.2)), "s"), ((0, (4, 1.5)), "P"), ((0, (8, 1.5)), "D"))


def profiles(evidence: Evidence, profile: str) -> Figure:
    """Draw, for each regime, the share of tasks on which it comes within a factor of the best."""
    _, found = scores(evidence, profile)
    ratios = performance.ratios(found)
    # Scores may be negative, but a share below half of the best is beyond what the figure is for.
    low = max(0.5, float(np.floor(20 * (ratios.min() - 0.01)) / 20))
    thresholds = np.linspace(low, 1, 1001)
    shares = performance.profile(ratios, thresholds)
    figure = Figure(figsize=(5.2, 3.2), layout="constrained")
    ax = figure.subplots()
    for place, (method, (dash, marker)) in enumerate(zip(REGIMES, _LOOKS, strict=True)):
        ax.plot(
            thresholds,
            shares[:, place],
            color=loss_style(method.loss).color,
            linestyle=dash,
            marker=marker,
            markevery=(40 * place, 200),
            label=method.name,
        )
    ax.set(xlabel="threshold τ", ylabel="share of tasks", ylim=(-0.04, 1.06))
    figure.legend(loc="outside upper center", ncols=4, columnspacing=1.2)
    return figure


def profiles_alt(evidence: Evidence, profile: str) -> str:
    """The performance profiles in words and numbers."""
    names, found = scores(evidence, profile)
    ratios = performance.ratios(found)
    shares = performance.profile(ratios, np.array([0.95, 0.99, 1.0]))
    said = [
        f"{method.name} {', '.join(f'{share:.2f}' for share in shares[:, place])}"
        for place, method in enumerate(REGIMES)
    ]
    return (
        f"Share of {len(names)} tasks on which each regime has at least 0.95, 0.99 and 1 times the best "
        "score: "
        f"{'; '.join(said)}."
    )


def gains(evidence: Evidence, profile: str) -> Figure:
    """Draw each mixture minus CE in the task's own measure, with its 95% interval, task by task."""
    found = differences(evidence, profile)
    shown = list(dict.fromkeys(task for task, *_ in found))
    names = [method.name for method in MIXTURES]
    color = loss_style("ceel").color
    figure = Figure(figsize=(5.2, 0.75 * len(shown) + 1.2), layout="constrained")
    ax = figure.subplots()
    for task, method, difference in found:
        place = names.index(method.name)
        y, d = shown.index(task) + 0.24 * (place - 1), difference.interval
        if d.n > 2:
            ax.plot([d.low, d.high], [y, y], color=color, linewidth=1.4)
        ax.plot(d.mean, y, marker=_LOOKS[place + 1][1], color=color, markersize=6)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(range(len(shown)), [dataset_name(task).removeprefix("GLUE: ") for task in shown])
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_xlabel("score minus that of CE")
    ax.grid(visible=False, axis="y")
    marks = [
        Line2D([], [], marker=marker, color=color, linestyle="none", label=name)
        for name, (_, marker) in zip(names, _LOOKS[1:], strict=True)
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=3, columnspacing=1.2)
    return figure


def gains_alt(evidence: Evidence, profile: str) -> str:
    """The differences in words and numbers."""
    said = [f"{each.what}: {each.short()}" for *_, each in differences(evidence, profile)]
    return f"Score minus that of CE with half of its 95% interval. {'; '.join(said)}."
