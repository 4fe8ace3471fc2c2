"""Agreement with what others publish: PyTorch, torchvision, scikit-learn, timm."""

import pytest
import torch
from sklearn.metrics import log_loss
from timm.loss import AsymmetricLossMultiLabel, AsymmetricLossSingleLabel
from torch.distributions import Categorical
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from lossbook import losses

close = torch.testing.assert_close


def gradient(function, logits):
    leaf = logits.clone().requires_grad_()
    return torch.autograd.grad(function(leaf).sum(), leaf)[0]


@pytest.mark.parametrize("gamma", [0, 0.5, 2, 5])
def test_two_class_focal_loss_is_torchvisions_on_sigmoids(batch, gamma):
    """A softmax over two classes is a sigmoid of the difference of their logits."""
    logits, target = batch(50, 2, scale=3.0)

    def theirs(z):
        return sigmoid_focal_loss(z[:, 1] - z[:, 0], target.double(), alpha=-1, gamma=gamma)

    def ours(z):
        return losses.focal_loss(z, target, gamma=gamma, reduction="none")

    close(ours(logits), theirs(logits), rtol=1e-9, atol=1e-12)
    close(gradient(ours, logits), gradient(theirs, logits), rtol=1e-8, atol=1e-12)


def test_focal_alpha_for_each_class_is_torchvisions(batch):
    """Its alpha is the factor of class 1, and 1 - alpha that of class 0; its mean is over the batch."""
    logits, target = batch(50, 2, scale=3.0)
    for reduction in ("none", "mean", "sum"):
        theirs = sigmoid_focal_loss(
            logits[:, 1] - logits[:, 0], target.double(), alpha=0.25, gamma=2, reduction=reduction
        )
        ours = losses.focal_loss(logits, target, alpha=torch.tensor([0.75, 0.25]), reduction=reduction)
        close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_by_other_names_is_pytorchs(batch, reduction, weighted):
    logits, target = batch(30, 7, 2, scale=3.0)
    target[::5] = -100
    weight = torch.linspace(0.2, 3, 7, dtype=torch.float64) if weighted else None
    settings = {"weight": weight, "reduction": reduction}
    expected = F.cross_entropy(logits, target, **settings)
    close(losses.focal_loss(logits, target, gamma=0, **settings), expected)
    close(losses.tamed_ce_loss(logits, target, alpha=0, **settings), expected)
    close(losses.ceel_loss(logits, target, beta=0, **settings), expected)


def test_bce_is_pytorchs_on_probabilities(batch):
    logits, target = batch(50, 5)
    one_hot = F.one_hot(target, 5).double()

    def theirs(z):
        return F.binary_cross_entropy(z.softmax(1), one_hot, reduction="none").sum(1)

    def ours(z):
        return losses.softmax_bce_loss(z, target, reduction="none")

    close(ours(logits), theirs(logits), rtol=1e-10, atol=1e-12)
    close(gradient(ours, logits), gradient(theirs, logits), rtol=1e-8, atol=1e-11)


def test_mae_is_pytorchs_l1_loss(batch):
    logits, target = batch(50, 5)
    one_hot = F.one_hot(target, 5).double()
    theirs = F.l1_loss(logits.softmax(1), one_hot, reduction="none").sum(1)
    close(losses.mae_loss(logits, target, reduction="none"), theirs, rtol=1e-10, atol=1e-14)


def test_expectation_loss_is_the_error_rate_of_labels_drawn(batch):
    logits, target = batch(5, 4)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(logits.softmax(1), 200_000, replacement=True, generator=generator)
    wrong = (drawn != target[:, None]).double().mean(1)
    error = (losses.expectation_loss(logits, target, reduction="none") - wrong).abs()
    assert (error < 5 * 0.5 / 200_000**0.5).all()


def test_complement_entropy_is_the_entropy_of_pytorchs_categorical(batch):
    logits, target = batch(50, 5)
    wrong = F.one_hot(target, 5) == 0
    competitors = Categorical(logits=logits[wrong].view(50, 4))
    close(losses.complement_entropy_loss(logits, target, reduction="none"), -competitors.entropy())


def test_nllr_is_the_log_odds_of_pytorch(batch):
    logits, target = batch(50, 5)
    p = logits.softmax(1).gather(1, target[:, None]).squeeze(1)
    close(losses.nllr_loss(logits, target, reduction="none"), -torch.logit(p), rtol=1e-8, atol=1e-10)


def test_nllr_of_two_classes_trains_as_a_plain_margin(batch):
    logits, target = batch(50, 2)
    sign = 2 * target - 1
    margin = sign * (logits[:, 1] - logits[:, 0])
    close(losses.nllr_loss(logits, target, reduction="none"), -margin)
    # Its softplus is the logistic loss.
    soft = F.soft_margin_loss(margin, torch.ones_like(margin), reduction="none")
    close(losses.focal_loss(logits, target, gamma=0, reduction="none"), soft)


def test_log_loss_of_scikit_learn(batch):
    logits, target = batch(50, 5)
    expected = log_loss(target.numpy(), logits.softmax(1).numpy(), labels=range(5))
    assert losses.ceel_loss(logits, target, beta=0).item() == pytest.approx(expected, rel=1e-12)
    nllr = losses.nllr_loss(logits, target, reduction="none")
    assert torch.logaddexp(nllr, nllr * 0).mean().item() == pytest.approx(expected, rel=1e-12)


# --- timm's asymmetric loss ---------------------------------------------------------------------------------
#
# On sigmoid outputs it is -w (1 - p)^a log p for a label and -p^b log(1 - p) for any other class, with
# a = gamma_pos, b = gamma_neg, w = pos_weight; "batchmean" sums over classes and averages over examples. With
# a = 0 and no clipping it is LR for b = 0, and SS-LR for b = r, which weighs the K - 1 other classes by
# beta / (K - 1): the factor here is taken out, and its inverse put on the labels. It computes in float32.


def asymmetric(gamma_neg, *, alpha=1.0, **settings):
    """Timm's loss, its other classes weighed by alpha. Its smallest probability is too small to matter."""
    loss = AsymmetricLossMultiLabel(
        gamma_neg=gamma_neg, gamma_pos=0, clip=None, eps=1e-30, pos_weight=1 / alpha, **settings
    )
    return lambda z, labels: alpha * loss(z, labels)


def agree(ours, theirs, logits):
    close(ours(logits), theirs(logits), rtol=1e-5, atol=1e-6)
    close(gradient(ours, logits), gradient(theirs, logits), rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("classes", [2, 7])
def test_lr_is_timms_asymmetric_loss_without_focus(batch, classes):
    logits, target = batch(50, classes, scale=3.0)
    labels = F.one_hot(target, classes)
    theirs = asymmetric(0)
    agree(lambda z: losses.lr_loss(z, target), lambda z: theirs(z, labels), logits.float())


@pytest.mark.parametrize("classes", [2, 7])
@pytest.mark.parametrize("beta", [1.0, 10.0])
@pytest.mark.parametrize("r", [0.5, 1, 2, 4])
def test_ss_lr_is_timms_asymmetric_loss_focused_on_negatives_alone(batch, classes, r, beta):
    logits, target = batch(50, classes, scale=3.0)
    labels = F.one_hot(target, classes)
    theirs = asymmetric(r, alpha=beta / (classes - 1))
    agree(lambda z: losses.ss_lr_loss(z, target, r=r, beta=beta), lambda z: theirs(z, labels), logits.float())


def test_ss_lr_lets_the_gradient_flow_through_the_focus_as_timm_does_by_default(batch):
    logits, target = batch(50, 7)
    labels = F.one_hot(target, 7)
    held = asymmetric(2, alpha=10 / 6, disable_torch_grad_focal_loss=True)
    ours = losses.ss_lr_loss(logits, target)
    close(ours.float(), held(logits, labels), rtol=1e-5, atol=1e-6)
    slopes = [
        gradient(function, logits.float())
        for function in (lambda z: losses.ss_lr_loss(z, target), lambda z: held(z, labels))
    ]
    assert (slopes[0] - slopes[1]).abs().amax() > 0.01


def test_ss_lr_of_several_labels_and_weighted_classes_is_timms(batch):
    """Two labels an example, so that all have as many other classes."""
    logits, target = batch(50, 7, scale=3.0)
    labels = F.one_hot(target, 7) + F.one_hot((target + 3) % 7, 7)
    weight = torch.linspace(0.2, 3, 7)
    theirs = asymmetric(2, alpha=10 / 5, weight=weight)
    agree(
        lambda z: losses.ss_lr_loss(z, labels.float(), weight=weight),
        lambda z: theirs(z, labels),
        logits.float(),
    )


def test_hs_lr_of_all_classes_is_timms_asymmetric_loss_without_focus(batch):
    logits, target = batch(50, 7, scale=3.0)
    labels = F.one_hot(target, 7)
    theirs = asymmetric(0, alpha=10 / 6)
    agree(lambda z: losses.hs_lr_loss(z, target, m=1), lambda z: theirs(z, labels), logits.float())


@pytest.mark.parametrize("gamma", [0, 0.5, 2, 5])
def test_focal_loss_is_timms_asymmetric_loss_of_a_single_label(batch, gamma):
    """On softmax outputs. Without label smoothing no other class enters, nor does gamma_neg."""
    logits, target = batch(50, 7, scale=3.0)
    theirs = AsymmetricLossSingleLabel(gamma_pos=gamma, gamma_neg=3, eps=0)

    def ours(z):
        return losses.focal_loss(z, target, gamma=gamma)

    close(ours(logits), theirs(logits, target), rtol=1e-9, atol=1e-12)
    close(gradient(ours, logits), gradient(lambda z: theirs(z, target), logits), rtol=1e-8, atol=1e-12)
