"""Cross-entropy at the size of a mix, and without the examples that seem lost."""

import pytest
import torch
from torch.nn import functional as F

from lossbook import losses
from lossbook.analysis.escaping import gradient_volumes
from lossbook.errors import UnknownNameError
from lossbook.training import RunSpec, plan_run
from lossbook.training.controls import Omission, ScaledCELoss, WithoutLostCELoss

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


LOGITS = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [1.0, 0.9, 0.0], [0.0, 0.0, 5.0]])
TARGET = torch.tensor([0, 0, 1, 2])  # Right; wrong with p = 0.018; wrong with p = 0.40; right.


def late(**options):
    loss = WithoutLostCELoss(**options)
    loss.set_epoch(11, 12)
    return loss


def test_lost_examples_are_left_out_late_and_come_back_when_they_are_right():
    logits = LOGITS.clone().requires_grad_()
    each = F.cross_entropy(LOGITS, TARGET, reduction="none")
    loss = WithoutLostCELoss()
    for epoch in range(12):
        loss.set_epoch(epoch, 12)
        left = each if epoch < 9 else each[[0, 2, 3]]
        torch.testing.assert_close(loss(logits, TARGET).detach(), left.mean())
    (gradient,) = torch.autograd.grad(loss(logits, TARGET), logits)
    assert torch.equal(gradient[1], torch.zeros(3))
    assert all(row.abs().sum() > 0 for row in gradient[[0, 2, 3]])
    # Once it is right it is no longer lost.
    mended = LOGITS.clone()
    mended[1, 0] = 5.0
    (gradient,) = torch.autograd.grad(loss(mended.requires_grad_(), TARGET), mended)
    assert gradient[1].abs().sum() > 0


def test_measured_without_a_gradient_all_examples_count():
    torch.testing.assert_close(late()(LOGITS, TARGET), F.cross_entropy(LOGITS, TARGET))


def test_the_control_leaves_out_as_many_whichever_they_are():
    loss, seen = late(schedule="random"), set()
    for seed in range(40):
        torch.manual_seed(seed)
        logits = LOGITS.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(logits, TARGET), logits)
        (out,) = (gradient.abs().sum(1) == 0).nonzero().squeeze(1).tolist()
        seen.add(out)
    assert seen == {0, 1, 2, 3}


def test_a_batch_that_is_lost_as_a_whole_moves_nothing():
    logits = LOGITS[1:2].clone().requires_grad_()
    value = late()(logits, TARGET[1:2])
    value.backward()
    assert value == 0
    assert torch.equal(logits.grad, torch.zeros(1, 3))


@pytest.mark.parametrize(("epochs", "start"), [(12, 9), (90, 70), (6, 5), (1, 1)])
def test_omission_starts_where_the_paper_follows_images(epochs, start):
    schedule = Omission("lost")
    assert [schedule(e, epochs) for e in range(epochs)] == [None] * start + ["lost"] * (epochs - start)


def test_omissions_that_there_are_not():
    with pytest.raises(UnknownNameError, match="omission 'hard'"):
        WithoutLostCELoss(schedule="hard")
    with pytest.raises(ValueError, match="after must be a share"):
        WithoutLostCELoss(after=70)
    with pytest.raises(ValueError, match="below must be a probability"):
        WithoutLostCELoss(below=20)
