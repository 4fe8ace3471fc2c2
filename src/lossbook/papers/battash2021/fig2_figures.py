"""Drawing of Fig. 2: performance profiles, and the differences from CE that they hide."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from lossbook.evidence import performance
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.papers.battash2021 import texts_figures
from lossbook.papers.battash2021.fig2 import differences, scores
from lossbook.papers.battash2021.texts import REGIMES


def profiles(evidence: Evidence, profile: str) -> Figure:
    """Draw, for each regime, the share of tasks on which it comes within a factor of the best."""
    _, found = scores(evidence, profile)
    ratios = performance.ratios(found)
    # Scores may be negative, but a share below half of the best is beyond what the figure is for.
    low = max(0.5, float(np.floor(20 * (ratios.min() - 0.01)) / 20))
    thresholds = np.linspace(low, 1, 1001)
    shares = performance.profile(ratios, thresholds)
    figure = Figure(figsize=(5.6, 3.2), layout="constrained")
    ax = figure.subplots()
    for place, look in enumerate(texts_figures.LOOKS):
        # Markers lie apart, as the curves often coincide.
        ax.plot(thresholds, shares[:, place], marker=look.marker, markevery=(40 * place, 200), **look.line())
    ax.set(xlabel="threshold τ", ylabel="share of tasks", ylim=(-0.04, 1.06))
    figure.legend(loc="outside upper center", ncols=4, columnspacing=1.0)
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
    found = [
        (dataset_name(task).removeprefix("GLUE: "), method.name, each)
        for task, method, each in differences(evidence, profile)
    ]
    return texts_figures.gains(found, "score minus that of CE")


def gains_alt(evidence: Evidence, profile: str) -> str:
    """The differences in words and numbers."""
    said = [f"{each.what}: {each.short()}" for *_, each in differences(evidence, profile)]
    return f"Score minus that of CE with half of its 95% interval. {'; '.join(said)}."
