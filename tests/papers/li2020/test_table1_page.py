"""The tables and sentences of the page on Table 1 of li2020, on results whose answer is known."""

import math

import pytest
import torch
from said import numbers
from scipy import stats as scipy_stats

from lossbook.pages import style
from lossbook.papers.li2020 import table1, table1_figures
from lossbook.papers.li2020.simulations import CORRECTED, WEIGHTINGS
from lossbook.papers.li2020.table1 import Path, Result, TenClasses
from lossbook.results import published


def _values(mean, deviation, n=100):
    """Values with just this mean and standard deviation."""
    raw = torch.linspace(-1, 1, n, dtype=torch.float64)
    return mean + deviation * (raw - raw.mean()) / raw.std()


def _result(simulation, weighting, testing, condition="free", training=None):
    exact = torch.full_like(testing, weighting.right_side)
    return Result(
        simulation,
        weighting,
        condition,
        exact if training is None else training,
        testing,
        0.1 * testing.abs(),
    )


def _like_the_paper(scale=1.0):
    """Results with the paper's own numbers under the corrected header, and far off under the printed one."""
    found = []
    for simulation in table1.SIMULATIONS:
        for weighting in WEIGHTINGS:
            mean, deviation = table1.paper_value(simulation, weighting)
            if weighting.reading == "printed":
                mean, deviation = weighting.right_side, weighting.right_side / 20
            found.append(_result(simulation, weighting, _values(mean, scale * deviation)))
    return found


def test_the_papers_table_is_as_printed():
    table = published("li2020", "table1")
    assert table.lhs.tolist() == ["10.05", "1.00", "0.50", "10.12", "1.01", "0.50"]
    assert table.lhs_sd.tolist() == ["1.13", "0.09", "0.04", "0.67", "0.05", "0.03"]
    assert table1.paper_value("sim2", WEIGHTINGS[0]) == (10.12, 0.67)
    # A corrected weighting stands in the column of the printed one.
    assert (
        table1.paper_value("sim1", WEIGHTINGS[1]) == table1.paper_value("sim1", WEIGHTINGS[3]) == (1.0, 0.09)
    )


def test_spread_is_the_chi_square_interval():
    deviation, low, high = table1.spread(_values(3, 0.5, n=10))
    assert deviation == pytest.approx(0.5)
    # Quantiles of the chi-square distribution with 9 degrees of freedom, from a printed table.
    assert low == pytest.approx(0.5 * math.sqrt(9 / 19.023), rel=1e-4)
    assert high == pytest.approx(0.5 * math.sqrt(9 / 2.700), rel=1e-4)


def test_same_mean_is_welchs_test():
    ours, theirs = _values(1.02, 0.1, n=30), _values(1.0, 0.05)
    expected = scipy_stats.ttest_ind(ours.numpy(), theirs.numpy(), equal_var=False).pvalue
    assert table1.same_mean(ours, 1.0, 0.05) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("ratio", "low", "high"), [(1.0, 0.99, 1.0), (1.5, 1e-5, 1e-3), (1 / 1.5, 1e-5, 1e-3)]
)
def test_same_deviation(ratio, low, high):
    assert low <= table1.same_deviation(_values(5, ratio), 1.0) <= high


def test_table_one_with_the_papers_own_numbers():
    frame = table1.table(_like_the_paper())
    assert len(frame) == 10
    corrected = frame[frame.header != "as printed"]
    assert (corrected["p, mean"].map(str) == "1.000").all()
    assert (frame[frame.header == "as printed"]["p, mean"].map(str) == "< 0.001").all()
    assert str(frame["ours, training"][0]) == "10, exact"
    assert str(frame["ours, test"][0]).startswith("10.05 ± 0.22 (SD 1.13)")
    assert frame["Eq. 10"].tolist() == ["10", "1", "0.5", "100", "50"] * 2


def test_verdict_counts():
    text = table1.verdict(_like_the_paper())
    # Means that agree with the corrected header, the level, and those with the header as printed.
    assert numbers(text) == ["6", "6", "0.05", "0", "4"]
    text = table1.verdict(_like_the_paper(scale=0.5))
    # Deviations that differ: simulation, right side, ours and the paper's.
    assert numbers(text)[5:9] == ["1", "10", "0.565", "1.13"]
    assert len(numbers(text)) == 5 + 6 * 4


def test_what_is_not_exact_is_not_called_so():
    assert str(table1.mean_cell(torch.tensor([1.0, 1.0 + 1e-9]), 1)) == "1, exact"
    assert "exact" not in str(table1.mean_cell(torch.tensor([1.0, 1.0 + 1e-6], dtype=torch.float64), 1))
    cell = table1.mean_cell(_values(10, 1.0), 10)
    assert cell.values["n"] == 100
    assert cell.values["SD"] == pytest.approx(1)
    assert cell.values["high"] - cell.values["mean"] == pytest.approx(0.1984, rel=1e-3)


def test_variants_table_has_a_row_for_what_was_done():
    found = [
        _result(simulation, weighting, _values(weighting.right_side, 0.1), condition)
        for simulation, condition in [("sim1", "none"), ("sim2", "early"), ("sim1", "free")]
        for weighting in CORRECTED
    ]
    frame = table1.variants_table(found)
    assert frame[["simulation", "training"]].to_numpy().tolist() == [
        ["1", "free bias, fitted to the end"],
        ["1", "no output bias"],
        ["2", "early stopping"],
    ]
    assert str(frame["train, 0.5"][0]) == "0.5, exact"
    assert str(frame["test, 10"][0]) == "10.00 ± 0.02 (SD 0.10)"


def _ten():
    generator = torch.Generator().manual_seed(0)
    left = torch.rand(12, 10, generator=generator, dtype=torch.float64) + 0.5
    right = left.flip(1)  # the sums agree
    return TenClasses("equal", (10,) * 10, (left, left), (left, right))


def test_ten_table():
    row = table1.ten_table([_ten()]).iloc[0]
    assert row["training: largest distance"] == "0e+00"
    assert row["independent residuals"] == 5  # mirrored by the construction above
    left, right = _ten().testing
    apart = float((left / right).log().square().mean().sqrt())
    assert row["test: typical distance"].values["rms of log ratio"] == pytest.approx(apart)


def test_figures_are_drawn():
    style.theme()
    results = _like_the_paper()
    steps = (0, 1, 10, 100)
    paths = [
        Path(simulation, condition, weighting, steps, *(torch.rand(4, 3, dtype=torch.float64) + 0.5,) * 2)
        for simulation, condition in [("sim1", "descent"), ("sim2", "constant"), ("sim2", "falling")]
        for weighting in CORRECTED
    ]
    for figure, panels in [
        (table1_figures.reading_figure(results), 2),
        (table1_figures.spread_figure(results), 2),
        (table1_figures.approach_figure(paths), 6),
        (table1_figures.variants_figure(results), 2),
        (table1_figures.ten_figure([_ten()] * 4), 4),
    ]:
        assert len(figure.axes) == panels
        assert all(ax.lines or ax.containers for ax in figure.axes)
        light, dark = style.svg(figure)
        assert light != dark
