"""Fig. 1: where the gradient is largest, by the loss itself and by the formula."""

import pytest

from lossbook.papers.battash2021 import fig1


@pytest.mark.parametrize("focus", [0.0, 0.1, 0.25, 0.4, 0.5])
def test_the_largest_gradient_of_the_loss_is_at_f(focus: float) -> None:
    assert fig1.largest(focus, classes=3, steps=400) == pytest.approx(focus, abs=1 / 400)


def test_the_finding_follows_from_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = fig1.focus()
    assert verdict.finding == "holds"
    assert "0.4 (F = 0.4)" in verdict.number
    monkeypatch.setattr(fig1, "mixing_factors", lambda focus: (1.0, 1.0))
    assert fig1.focus().finding == "does not hold"
