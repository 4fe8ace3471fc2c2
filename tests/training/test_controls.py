"""Cross-entropy at the size of a mix: the factor of every phase, and the areas that it makes equal."""

import pytest
import torch
from torch.nn import functional as F

from lossbook import losses
from lossbook.analysis.escaping import gradient_volumes
from lossbook.errors import UnknownNameError
from lossbook.training import RunSpec, plan_run
from lossbook.training.controls import ScaledCELoss

VOLUMES = {"target": "target", "square": "competitor_square", "simplex": "competitor_simplex"}


@pytest.mark.parametrize("reading", VOLUMES)
def test_the_factor_is_that_of_the_areas_in_every_phase(reading):
    loss = ScaledCELoss(schedule="0-0.5", reading=reading)
    schedule = losses.MixingSchedule("0-0.5")
    logits = torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 3, 6, 1, 1])
    for epoch in range(12):
        loss.set_epoch(epoch, 12)
        factor = getattr(gradient_volumes(*schedule(epoch, 12)), VOLUMES[reading])
        assert (loss.alpha, loss.beta) == (pytest.approx(factor), 0.0)
        torch.testing.assert_close(loss(logits, target), factor * F.cross_entropy(logits, target))


def test_it_starts_at_the_first_phase_and_can_go_back():
    loss = ScaledCELoss(schedule="0,0.5", reading="square")
    assert loss.alpha == pytest.approx(1.5)
    loss.set_epoch(11, 12)
    assert loss.alpha == pytest.approx(0.5)
    loss.set_epoch(0, 12)
    assert loss.alpha == pytest.approx(1.5)


def test_a_reading_that_there_is_not():
    with pytest.raises(ValueError, match="reading must be one of 'target', 'square', 'simplex'; got 'both'"):
        ScaledCELoss(reading="both")
    with pytest.raises(UnknownNameError, match="mixing schedule"):
        ScaledCELoss(schedule="0-0.6")


def test_a_run_names_it_and_depends_on_its_code():
    spec = RunSpec(
        "digits", "keras_mnist_cnn", "ce_scaled", "sgd", 32, 12, loss_options={"reading": "square"}
    )
    plan = plan_run(spec)
    assert "lossbook.training.controls" in plan.modules
    loss = plan.loss
    assert plan.scheduled_loss(loss) is loss
    assert repr(loss).startswith("ScaledCELoss(reading='square', schedule=MixingSchedule('0-0.5'), alpha=1.5")
