"""Tables, figures and sentences of the page on Table 1 of li2020."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from scipy.stats import chi2, ttest_ind_from_stats
from scipy.stats import f as fisher_f
from torch import Tensor

from lossbook.experiments.li2020_simulations import (
    CORRECTED,
    WEIGHTINGS,
    Weighting,
)
from lossbook.experiments.li2020_table1 import CONDITIONS, Path, Result, TenClasses
from lossbook.report import stats, style
from lossbook.report.page import Cell
from lossbook.report.tables import p_text
from lossbook.results import published

#: Runs of the paper (li2020, Table 1).
PAPER_RUNS = 100
#: Adjusted p-values below this count as a difference.
ALPHA = 0.05
#: Relative distance from the right side below which a value is shown as exact.
EXACT = 1e-7
SIMULATIONS = {"sim1": "1", "sim2": "2"}
_MARKERS = {each.formula: marker for each, marker in zip(WEIGHTINGS, "os^Dv", strict=True)}
_DASHES: dict[str, Literal["-", "--", ":"]] = {
    CORRECTED[0].formula: "-",
    CORRECTED[1].formula: "--",
    CORRECTED[2].formula: ":",
}


def formula(weighting: Weighting) -> str:
    """λ₀ in words a table can show."""
    return weighting.formula.replace("N0", "N₀").replace("N1", "N₁")


def paper_value(simulation: str, weighting: Weighting) -> tuple[float, float]:
    """The printed left side and its standard deviation, in the column of this weighting."""
    table = published("li2020", "table1")
    row = table[(table.simulation == simulation) & (table.lambda_0 == weighting.header)].iloc[0]
    return float(row.lhs), float(row.lhs_sd)


def spread(values: Tensor) -> tuple[float, float, float]:
    r"""Standard deviation and its 95% interval for normal values, :math:`s \sqrt{(n - 1) / \chi^2_{n-1}}`."""
    data = np.asarray(values, dtype=float)
    n = data.size - 1
    deviation = float(data.std(ddof=1))
    low, high = (deviation * math.sqrt(n / chi2.ppf(level, n)) for level in (0.975, 0.025))
    return deviation, low, high


def same_mean(ours: Tensor, mean: float, deviation: float) -> float:
    """p-value of Welch's test of our runs against a printed mean and standard deviation of 100 runs."""
    data = np.asarray(ours, dtype=float)
    return float(
        ttest_ind_from_stats(
            data.mean(), data.std(ddof=1), data.size, mean, deviation, PAPER_RUNS, equal_var=False
        ).pvalue
    )


def same_deviation(ours: Tensor, deviation: float) -> float:
    """p-value of the F test of our standard deviation against a printed one of 100 runs, two-sided."""
    data = np.asarray(ours, dtype=float)
    ratio = float(data.var(ddof=1)) / deviation**2
    below = float(fisher_f.cdf(ratio, data.size - 1, PAPER_RUNS - 1))
    return min(1.0, 2 * min(below, 1 - below))


def mean_cell(values: Tensor, right: float) -> Cell:
    """Mean, half of its 95% interval, and the standard deviation over runs.

    Args:
        values: Left sides of Eq. 10, one per run.
        right: Its right side. Values equal to it in every run, to :data:`EXACT`, are shown as such.
    """
    interval = stats.mean_interval(values.tolist())
    deviation, low, high = spread(values)
    off = float((values / right - 1).abs().max())
    digits = _digits(right)
    numbers = {
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "SD": deviation,
        "SD low": low,
        "SD high": high,
        "n": interval.n,
        "largest relative distance": off,
    }
    if off < EXACT:
        title = f"largest relative distance from {right:g} over {interval.n} runs: {off:.0e}"
        return Cell(f"{right:g}, exact", numbers, title=title)
    return Cell(
        f"{interval.mean:.{digits}f} ± {interval.half:.{digits}f} (SD {deviation:.{digits}f})",
        numbers,
        title=f"95% interval of the SD: {low:.{digits}f} to {high:.{digits}f}; {interval.n} runs",
    )


def _digits(right: float) -> int:
    """Digits after the point, so that a thousandth of the right side shows, about."""
    return 1 if right >= 50 else 2 if right >= 10 else 3


def _p_values(results: Sequence[Result]) -> tuple[list[float], list[float]]:
    """Tests of equal means and of equal deviations against the paper, each adjusted over all results."""
    printed = [paper_value(r.simulation, r.weighting) for r in results]
    means = [same_mean(r.testing, *values) for r, values in zip(results, printed, strict=True)]
    deviations = [same_deviation(r.testing, sd) for r, (_, sd) in zip(results, printed, strict=True)]
    return stats.holm(means), stats.holm(deviations)


def table_one(results: Sequence[Result]) -> pd.DataFrame:
    """Table 1 of the paper beside ours, with both readings of its header.

    Args:
        results: Of :func:`lossbook.experiments.li2020_table1.table_one`.
    """
    ordered = sorted(results, key=lambda r: (r.simulation, WEIGHTINGS.index(r.weighting)))
    readings = {"both": "both", "corrected": "corrected", "printed": "as printed"}
    rows = []
    for r, p_mean, p_deviation in zip(ordered, *_p_values(ordered), strict=True):
        right = r.weighting.right_side
        mean, deviation = paper_value(r.simulation, r.weighting)
        alone = float(r.sampling.mean())
        rows.append(
            {
                "simulation": SIMULATIONS[r.simulation],
                "header": readings[r.weighting.reading],
                "λ₀": formula(r.weighting),
                "Eq. 10": f"{right:g}",
                "paper": Cell(f"{mean:.2f} ({deviation:.2f})", {"mean": mean, "SD": deviation}),
                "ours, test": mean_cell(r.testing, right),
                "ours, training": mean_cell(r.training, right),
                "SD of the test samples alone": Cell(f"{alone:.{_digits(right)}f}", {"mean": alone}),
                "p, mean": Cell(p_text(p_mean), {"holm": p_mean}),
                "p, SD": Cell(p_text(p_deviation), {"holm": p_deviation}),
            }
        )
    return pd.DataFrame(rows)


def agreement(results: Sequence[Result]) -> dict[bool, list[bool]]:
    """Whether each of our means agrees with the paper's, by whether the header is taken as printed.

    Two means agree if the adjusted p-value of Welch's test is at least :data:`ALPHA`.

    Args:
        results: Of :func:`lossbook.experiments.li2020_table1.table_one`.

    Returns:
        Under True for the weights as printed, under False for those whose right side is the printed one.
    """
    means, _ = _p_values(results)
    pairs = list(zip(means, results, strict=True))
    return {
        printed: [p >= ALPHA for p, r in pairs if (r.weighting.reading == "printed") == printed]
        for printed in (False, True)
    }


def verdict(results: Sequence[Result]) -> str:
    """Which reading of the header gives the paper's numbers, in a few sentences, from the table's tests."""
    agree = agreement(results)
    _, deviations = _p_values(results)
    text = (
        f"With the corrected header {sum(agree[False])} of our {len(agree[False])} means agree with the "
        f"paper's (adjusted p at least {ALPHA:g}); with the header as printed {sum(agree[True])} of "
        f"{len(agree[True])} do."
    )
    apart = [
        r for r, p in zip(results, deviations, strict=True) if r.weighting.reading != "printed" and p < ALPHA
    ]
    if not apart:
        return f"{text} With the corrected header all standard deviations agree too."
    named = "; ".join(
        f"simulation {SIMULATIONS[r.simulation]}, right side {r.weighting.right_side:g}, ours "
        f"{float(r.testing.std()):.3f} and the paper's {paper_value(r.simulation, r.weighting)[1]:.2f}"
        for r in apart
    )
    return f"{text} Of the standard deviations under the corrected header these differ: {named}."


def readings_table(results: Sequence[Result], names: dict[str, tuple[str, str]]) -> pd.DataFrame:
    """The standard deviation on test data in each reading of the notation.

    Args:
        results: One for each reading.
        names: Simulation -> the simulation of the paper it reads, and the reading in words.
    """
    rows = []
    for r in results:
        simulation, words = names[r.simulation]
        deviation, low, high = spread(r.testing)
        rows.append(
            {
                "simulation": SIMULATIONS[simulation],
                "reading": words,
                "paper's SD": paper_value(simulation, r.weighting)[1],
                "our SD": Cell(
                    f"{deviation:.2f} ({low:.2f} to {high:.2f})",
                    {"SD": deviation, "low": low, "high": high, "n": len(r.testing)},
                ),
                "SD of the test samples alone": f"{float(r.sampling.mean()):.2f}",
            }
        )
    return pd.DataFrame(rows)


def variants_table(results: Sequence[Result]) -> pd.DataFrame:
    """What becomes of the balance in each condition, on training and on test data.

    Args:
        results: Of both simulations, with the corrected weights.
    """
    rows = []
    for simulation in SIMULATIONS:
        for condition, words in CONDITIONS.items():
            found = {
                r.weighting.formula: r
                for r in results
                if (r.simulation, r.condition) == (simulation, condition)
            }
            if not found:
                continue
            row: dict[str, object] = {"simulation": SIMULATIONS[simulation], "training": words}
            for data in ("training", "testing"):
                for weighting in CORRECTED:
                    right = weighting.right_side
                    values = getattr(found[weighting.formula], data)
                    row[f"{'train' if data == 'training' else 'test'}, {right:g}"] = mean_cell(values, right)
            rows.append(row)
    return pd.DataFrame(rows)


def ten_table(results: Sequence[TenClasses]) -> pd.DataFrame:
    """Eq. 9 on ten classes: how far the two sides are apart, and how many equations there are."""
    rows = []
    for r in results:
        sides = {"training": r.training, "test": r.testing}
        apart = {name: (a / b).log() for name, (a, b) in sides.items()}
        residual = r.testing[0] - r.testing[1]
        mean = apart["test"].mean(0)
        error = apart["test"].std(0) / math.sqrt(len(mean))
        worst = int((mean.abs()).argmax())
        rows.append(
            {
                "weights": r.weights,
                "training samples": sum(r.counts),
                "training: largest distance": f"{float(apart['training'].abs().max()):.0e}",
                "test: typical distance": Cell(
                    f"{float(apart['test'].square().mean().sqrt()):.1%}",
                    {
                        "rms of log ratio": float(apart["test"].square().mean().sqrt()),
                        "largest mean log ratio": float(mean[worst]),
                        "class of it": worst,
                        "its standard error": float(error[worst]),
                    },
                ),
                "test: sum of the residuals": f"{float(residual.sum(1).abs().max()):.0e}",
                "independent residuals": int(np.linalg.matrix_rank(residual.numpy())),
            }
        )
    return pd.DataFrame(rows)


# --- figures ------------------------------------------------------------------------------------------------


def _number(value: float, _position: object = None) -> str:
    return f"{value:g}" if value >= 1e-3 else f"$10^{{{round(math.log10(value))}}}$"


def _log_ticks(ax: Axes, ticks: Sequence[float], axis: str = "x") -> None:
    chosen = ax.xaxis if axis == "x" else ax.yaxis
    chosen.set_major_locator(FixedLocator(ticks))
    chosen.set_minor_locator(NullLocator())
    chosen.set_major_formatter(FuncFormatter(_number))


def reading_figure(results: Sequence[Result]) -> Figure:
    """Every run with every weighting, on a logarithmic scale, beside the paper's values."""
    figure = Figure(figsize=(7.8, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    color = style.loss_style("lr").color
    for ax, simulation in zip(axes, SIMULATIONS, strict=True):
        for position, weighting in enumerate(WEIGHTINGS):
            r = next(r for r in results if (r.simulation, r.weighting) == (simulation, weighting))
            ax.plot(r.testing, np.full(len(r.testing), position), "|", color=color, alpha=0.4, markersize=9)
            ax.plot([weighting.right_side], [position], "x", color=color, markersize=7)
            mean, deviation = paper_value(simulation, weighting)
            ax.errorbar(
                mean, position + 0.3, xerr=deviation, fmt="D", color=style.INK, markersize=4, capsize=2
            )
        ax.set_xscale("log")
        _log_ticks(ax, (0.5, 1, 10, 50, 100))
        ax.set(title=f"Simulation {SIMULATIONS[simulation]}", xlabel="left side of Eq. 10")
        ax.set_yticks(
            range(len(WEIGHTINGS)),
            [f"{formula(w)}{' as printed' if w.reading == 'printed' else ''}" for w in WEIGHTINGS],
        )
    axes[0].invert_yaxis()
    figure.legend(
        handles=[
            Line2D([], [], linestyle="none", marker="|", color=color, markersize=9, label="our runs, test"),
            Line2D([], [], linestyle="none", marker="x", color=color, label="our runs, training"),
            Line2D([], [], linestyle="none", marker="D", color=style.INK, markersize=4, label="paper, ± SD"),
        ],
        loc="outside upper center",
        ncols=3,
    )
    return figure


def spread_figure(results: Sequence[Result]) -> Figure:
    """Every run with the corrected weights, divided by the right side of Eq. 10."""
    figure = Figure(figsize=(7.8, 3.9), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True, sharex=True)
    color = style.loss_style("lr").color
    for ax, simulation in zip(axes, SIMULATIONS, strict=True):
        ax.axvline(1, color=style.MUTED, linewidth=0.8)
        for position, weighting in enumerate(CORRECTED):
            right = weighting.right_side
            r = next(r for r in results if (r.simulation, r.weighting) == (simulation, weighting))
            values = np.sort((r.testing / right).numpy())
            # Sorted values spread evenly: a cumulative curve on its side, the same every time.
            ax.plot(
                values,
                position + 0.32 - 0.44 * (np.arange(len(values)) + 0.5) / len(values),
                "o",
                color=color,
                alpha=0.45,
                markersize=3,
            )
            ax.plot((r.training / right).numpy(), np.full(len(values), position - 0.2), "x", color=color)
            mean, deviation = paper_value(simulation, weighting)
            ax.errorbar(
                mean / right,
                position - 0.34,
                xerr=deviation / right,
                fmt="D",
                color=style.INK,
                markersize=4,
                capsize=2,
            )
        ax.set(title=f"Simulation {SIMULATIONS[simulation]}", xlabel="left side / right side")
        ax.set_yticks(range(len(CORRECTED)), [f"right side {w.right_side:g}" for w in CORRECTED])
    axes[0].invert_yaxis()
    figure.legend(
        handles=[
            Line2D([], [], linestyle="none", marker="o", color=color, alpha=0.6, label="our runs, test"),
            Line2D([], [], linestyle="none", marker="x", color=color, label="our runs, training"),
            Line2D([], [], linestyle="none", marker="D", color=style.INK, markersize=4, label="paper, ± SD"),
        ],
        loc="outside upper center",
        ncols=3,
    )
    return figure


def approach_figure(paths: Sequence[Path]) -> Figure:
    """The left side of Eq. 10 over training: itself, and its distance from the right side."""
    panels = {
        ("sim1", "descent"): "1: gradient descent",
        ("sim2", "constant"): "2: SGD, constant step",
        ("sim2", "falling"): "2: SGD, falling step",
    }
    figure = Figure(figsize=(7.8, 5.4), layout="constrained")
    axes = figure.subplots(2, 3, sharey="row", sharex="col")
    color = style.loss_style("lr").color
    for column, (key, title) in enumerate(panels.items()):
        top, bottom = axes[:, column]
        for path in paths:
            if (path.simulation, path.condition) != key:
                continue
            right, look = path.weighting.right_side, _DASHES[path.weighting.formula]
            steps = np.asarray(path.steps[1:])  # step 0 has no place on a logarithmic axis
            values = path.training[1:].numpy()
            top.axhline(right, color=style.MUTED, linewidth=0.8)
            top.plot(steps, values.mean(1), color=color, linestyle=look)
            top.fill_between(steps, values.min(1), values.max(1), color=color, alpha=0.18, linewidth=0)
            bottom.plot(steps, np.abs(values / right - 1).mean(1), color=color, linestyle=look)
            test = path.testing[1:].numpy()
            bottom.plot(
                steps, np.abs(test / right - 1).mean(1), color=style.INK, linestyle=look, linewidth=1.0
            )
        for ax in (top, bottom):
            ax.set_xscale("log")
            ax.set_yscale("log")
            _log_ticks(ax, (1, 10, 100, 1000))
        top.set_title(title)
        _log_ticks(top, (0.5, 1, 10), "y")
        bottom.set_xlabel("steps")
    axes[1, 0].set_ylim(bottom=1e-8)
    _log_ticks(axes[1, 0], (1, 1e-2, 1e-4, 1e-6, 1e-8), "y")
    axes[0, 0].set_ylabel("left side, training")
    axes[1, 0].set_ylabel("relative distance")
    handles = [
        Line2D([], [], color=color, linestyle=_DASHES[w.formula], label=f"right side {w.right_side:g}")
        for w in CORRECTED
    ]
    handles += [
        Line2D([], [], color=color, label="thick: training"),
        Line2D([], [], color=style.INK, linewidth=1.0, label="thin: test"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=5, columnspacing=1.2)
    return figure


def variants_figure(results: Sequence[Result]) -> Figure:
    """Left side over right side in each condition, on training and on test data."""
    figure = Figure(figsize=(7.8, 4.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    color = style.loss_style("lr").color
    ticks = ((0.1, 0.2, 0.5, 1, 2), (0.8, 0.9, 1, 1.1, 1.25))
    for ax, simulation, shown in zip(axes, SIMULATIONS, ticks, strict=True):
        ax.axvline(1, color=style.MUTED, linewidth=0.8)
        for position, condition in enumerate(CONDITIONS):
            for shift, weighting in zip((-0.24, 0.0, 0.24), CORRECTED, strict=True):
                for r in results:
                    if (r.simulation, r.condition, r.weighting) != (simulation, condition, weighting):
                        continue
                    for data, face, off in ((r.training, color, -0.04), (r.testing, "none", 0.04)):
                        relative = (data / weighting.right_side).numpy()
                        ax.errorbar(
                            relative.mean(),
                            position + shift + off,
                            xerr=relative.std(ddof=1),
                            fmt=_MARKERS[weighting.formula],
                            color=color,
                            markerfacecolor=face,
                            markersize=4.5,
                            linewidth=1.0,
                        )
        ax.set_xscale("log")
        _log_ticks(ax, shown)
        ax.set(title=f"Simulation {SIMULATIONS[simulation]}", xlabel="left side / right side")
        ax.set_yticks(
            range(len(CONDITIONS)),
            [words.replace("weight decay ", "decay ") for words in CONDITIONS.values()],
        )
    axes[0].invert_yaxis()
    handles = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=_MARKERS[w.formula],
            color=color,
            label=f"right side {w.right_side:g}",
        )
        for w in CORRECTED
    ]
    handles.append(
        Line2D([], [], linestyle="none", marker="o", color=color, markerfacecolor="none", label="open: test")
    )
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


def ten_figure(results: Sequence[TenClasses]) -> Figure:
    """Left side over right side of Eq. 9, class by class, on training and on test data."""
    figure = Figure(figsize=(7.8, 5.2), layout="constrained")
    axes = figure.subplots(2, 2, sharey="row").flatten()
    color = style.loss_style("ce").color
    for ax, r in zip(axes, results, strict=True):
        classes = np.arange(len(r.counts))
        ax.axhline(1, color=style.MUTED, linewidth=0.8)
        test = (r.testing[0] / r.testing[1]).numpy()
        train = (r.training[0] / r.training[1]).numpy()
        offsets = np.linspace(-0.22, 0.22, len(test))
        for offset, run in zip(offsets, test, strict=True):
            ax.plot(classes + offset, run, "o", color=color, alpha=0.25, markersize=2)
        half = [stats.mean_interval(column.tolist()).half for column in test.T]
        ax.errorbar(
            classes,
            test.mean(0),
            yerr=half,
            fmt="o",
            color=color,
            markerfacecolor="none",
            markersize=5,
            capsize=2,
        )
        ax.plot(classes, train.mean(0), "x", color=style.INK, markersize=5)
        ax.set_title(f"{r.weights}, {sum(r.counts):,} samples")
        ax.set_yscale("log")
        ax.set_xticks(classes, [str(count) for count in r.counts])
    for ax, ticks in ((axes[0], (0.8, 1, 1.25)), (axes[2], (0.5, 1, 2, 4))):
        _log_ticks(ax, ticks, "y")
        ax.set_ylabel("left side / right side")
    for ax in axes:
        ax.tick_params(axis="x", labelsize=8.5)
    for ax in axes[2:]:
        ax.set_xlabel("class, by its training samples")
    figure.legend(
        handles=[
            Line2D([], [], linestyle="none", marker="x", color=style.INK, label="training"),
            Line2D(
                [],
                [],
                linestyle="none",
                marker="o",
                color=color,
                markerfacecolor="none",
                label="test, mean with 95% interval",
            ),
            Line2D(
                [],
                [],
                linestyle="none",
                marker="o",
                color=color,
                alpha=0.4,
                markersize=3,
                label="test, one run",
            ),
        ],
        loc="outside upper center",
        ncols=3,
    )
    return figure
