"""Fig. 1: where the gradient is largest, by the loss itself and by the formula."""

import pytest

from lossbook.papers.battash2021 import (
    fig1,
    images_figures,
)


@pytest.mark.parametrize("focus", [0.0, 0.1, 0.25, 0.4, 0.5])
def test_the_largest_gradient_of_the_loss_is_at_f(focus: float) -> None:
    assert fig1.largest(focus, classes=3, steps=400) == pytest.approx(focus, abs=1 / 400)


def test_the_finding_follows_from_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = fig1.focus()
    assert verdict.finding == "holds"
    assert "0.4 (F = 0.4)" in verdict.number
    monkeypatch.setattr(fig1, "mixing_factors", lambda focus: (1.0, 1.0))
    assert fig1.focus().finding == "does not hold"


def test_the_curves_of_fig_1():
    tops = {mix.name: mix.top for mix in fig1.MIXES}
    assert tops["CE"] == (0.0, 1.0)
    assert tops["EL"] == (0.5, 0.25)
    for focus, mix in zip(fig1.FOCUS[:-1], fig1.MIXES[1:], strict=False):
        assert mix.top[0] == pytest.approx(focus)
    assert tops["β = 5"][1] == pytest.approx(1.8)
    frame = fig1.table().set_index("Curve")
    # The areas are the factors of Eq. 21.
    assert frame.loc["β = 5", "Area, times that of CE"] == "2.67"
    assert frame.loc["EL", "Area, times that of CE"] == "0.33"
    assert images_figures.sizes().axes
    assert "β = 5: 1.800 at 0.40" in images_figures.sizes_alt()
