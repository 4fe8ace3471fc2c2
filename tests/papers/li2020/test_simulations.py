"""The simulations of li2020: against independent fits, alone against in company, and what holds exactly."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from lossbook.analysis import balance, confusion_balance, mean_confusion
from lossbook.errors import UnknownNameError
from lossbook.papers.li2020.simulations import (
    CORRECTED,
    TESTING,
    TRAINING,
    WEIGHTINGS,
    Networks,
    Samples,
    confusions,
    descent,
    draw,
    draw_ten,
    eq_9,
    fit,
    left_side,
    sampling_deviation,
    solve_output,
    stopping_point,
    train_networks,
    weighted_loss,
)
from lossbook.results import published

SMALL = (40, 400)
EQUAL = torch.tensor([0.5, 0.5])


def close(actual, expected, rtol=0.0, atol=1e-12):
    torch.testing.assert_close(actual, torch.as_tensor(expected, dtype=actual.dtype), rtol=rtol, atol=atol)


# --- weights and data ---


def test_right_sides_of_both_readings():
    assert [each.right_side for each in WEIGHTINGS] == [10, 1, 0.5, 100, 50]
    assert [each.right_side for each in CORRECTED] == [10, 1, 0.5]
    assert [each.lambda_0 for each in WEIGHTINGS[1:3]] == [Fraction(10, 11), Fraction(20, 21)]
    for each in WEIGHTINGS:
        close(each.class_weight.sum(), 1.0)


def test_weightings_stand_in_columns_of_the_papers_table():
    table = published("li2020", "table1")
    assert {each.header for each in WEIGHTINGS} == set(table.lambda_0)
    right = dict(zip(table.lambda_0, table.rhs.astype(float), strict=True))
    assert all(each.right_side == right[each.header] for each in CORRECTED)


def test_a_run_draws_the_same_alone_and_in_company():
    together = draw("sim2", "training", SMALL, range(5), seed=3)
    alone = draw("sim2", "training", SMALL, [4], seed=3)
    assert torch.equal(together.features[4:], alone.features)
    assert together.features.shape == (5, 440, 3)


def test_runs_purposes_and_seeds_draw_different_samples():
    drawn = [
        draw("sim1", purpose, SMALL, [run], seed=seed).features
        for purpose, run, seed in [
            ("training", 0, 0),
            ("testing", 0, 0),
            ("training", 1, 0),
            ("training", 0, 1),
        ]
    ]
    for i, one in enumerate(drawn):
        assert all(not torch.equal(one, other) for other in drawn[:i])


@pytest.mark.parametrize(
    ("simulation", "means", "variances"),
    [
        # The uniform adds a quarter to the mean, towards zero, and 0.25 / 12 to the variance.
        ("sim1", (1.25, -1.25), (1 + 1 / 48, 1 + 1 / 48)),
        ("sim2", (1.0, 0.0), (1.0, 1.2)),
        ("sim2_deviations", (1.0, 0.0), (1.0, 1.44)),
        # Half of each: means (1.5 - 0.25) / 2; variance half of 1 + 1/48, and the square of half the gap.
        ("sim1_mixture", (0.625, -0.625), ((1 + 1 / 48) / 2 + 0.875**2,) * 2),
    ],
)
def test_moments_of_the_simulations(simulation, means, variances):
    features = draw(simulation, "training", (100_000, 100_000), [0]).features[0]
    for part, mean, variance in zip(features.split(100_000), means, variances, strict=True):
        close(part.mean(0), [mean] * part.shape[1], atol=0.02)
        close(part.var(0), [variance] * part.shape[1], atol=0.03)


def test_unknown_simulation_and_purpose():
    with pytest.raises(UnknownNameError, match="sim1"):
        draw("sim3", "training", SMALL, [0])  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="training"):
        draw("sim1", "train", SMALL, [0])


# --- what is measured ---


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(0, 1000))
def test_confusions_are_those_of_the_package(counts, seed):
    generator = torch.Generator().manual_seed(seed)
    z = 3 * torch.randn(2, sum(counts), len(counts) - 1, generator=generator, dtype=torch.float64)
    target = Samples(z, tuple(counts)).target
    for run, confusion in zip(z, confusions(z, counts), strict=True):
        close(confusion, mean_confusion(F.pad(run, (1, 0)), target))


def test_left_side_by_hand():
    z = torch.tensor([0.2, 0.4, 0.9, 0.5], dtype=torch.float64).logit()[None, :, None]
    # Class 0 lacks 0.2 and 0.4, class 1 lacks 0.1 and 0.5.
    close(left_side(z, (2, 2)), [0.3 / 0.3])
    close(left_side(z, (1, 3)), [0.2 / ((0.6 + 0.1 + 0.5) / 3)])


def test_left_side_keeps_its_digits_where_predictions_are_confident():
    z = torch.tensor([[-50.0, 60.0]], dtype=torch.float64)[..., None]
    assert float(left_side(z, (1, 1))) == pytest.approx(math.exp(10), rel=1e-12)


def test_sampling_deviation_is_what_repeated_samples_show():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(4000, 300, 1, generator=generator, dtype=torch.float64) * 1.5
    z[:, :100] -= 1
    ratio = left_side(z, (100, 200))
    assert float(sampling_deviation(z, (100, 200)).mean()) == pytest.approx(float(ratio.std()), rel=0.05)


@pytest.mark.parametrize("counts", [(2, 2), (5,), (4, 0), (1, 2, 1)])
def test_counts_that_do_not_fit_are_refused(counts):
    with pytest.raises(ValueError, match=r"do not fit logits of shape \[1, 4, 2\]|do not fit logits"):
        confusions(torch.zeros(1, 4, 2 if len(counts) == 2 else 1), counts)


# --- the fit ---


@pytest.mark.parametrize("weighting", WEIGHTINGS, ids=lambda w: w.formula)
def test_fit_is_scikit_learns_logistic_regression(weighting):
    samples = draw("sim2", "training", SMALL, [0, 1])
    found = fit(samples, weighting.class_weight)
    lambda_0, lambda_1 = weighting.class_weight.tolist()
    for run in range(2):
        peer = LogisticRegression(
            C=np.inf, tol=1e-10, max_iter=2000, class_weight={0: lambda_0 * 100, 1: lambda_1 * 100}
        ).fit(samples.features[run].numpy(), samples.target.numpy())
        close(found.weight[run], peer.coef_, rtol=1e-4, atol=1e-4)
        close(found.bias[run], peer.intercept_, rtol=1e-4, atol=1e-4)


def test_fit_of_ten_classes_is_stationary_by_autograd():
    samples = draw_ten("training", (30,) * 10, [0])
    class_weight = torch.linspace(1, 2, 10, dtype=torch.float64)
    found = fit(samples, class_weight)
    weight, bias = found.weight[0].requires_grad_(), found.bias[0].requires_grad_()
    z = F.pad(samples.features[0] @ weight.T + bias, (1, 0))
    F.cross_entropy(z, samples.target, weight=class_weight).backward()
    close(weight.grad, torch.zeros_like(weight), atol=1e-11)
    close(bias.grad, torch.zeros_like(bias), atol=1e-11)


@pytest.mark.parametrize(("weight_decay", "bias_decay"), [(0.05, 0.0), (0.0, 0.02), (0.03, 0.5)])
def test_decay_is_that_of_the_objective(weight_decay, bias_decay):
    samples = draw("sim1", "training", SMALL, [0])
    found = fit(samples, EQUAL, weight_decay=weight_decay, bias_decay=bias_decay)
    weight, bias = found.weight[0].requires_grad_(), found.bias[0].requires_grad_()
    z = (samples.features[0] @ weight.T + bias)[:, 0]
    loss = F.binary_cross_entropy_with_logits(z, samples.target.double())
    (loss + weight_decay / 2 * weight.square().sum() + bias_decay / 2 * bias.square().sum()).backward()
    close(weight.grad, [[0.0]], atol=1e-11)
    close(bias.grad, [0.0], atol=1e-11)


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(WEIGHTINGS),
    st.sampled_from(["sim1", "sim2"]),
    st.floats(0, 0.1),
    st.integers(0, 1000),
)
def test_a_free_bias_balances_the_training_data_exactly(weighting, simulation, weight_decay, seed):
    samples = draw(simulation, "training", SMALL, [seed])
    found = fit(samples, weighting.class_weight, weight_decay=weight_decay)
    z = found.logits(samples.features)
    # The same proportions as in the paper, so the same right side.
    assert float(left_side(z, SMALL)) == pytest.approx(weighting.right_side, rel=1e-8)


@pytest.mark.parametrize("options", [{"bias_decay": 0.01}, {"bias": False}])
def test_without_a_free_bias_it_does_not_balance(options):
    samples = draw("sim1", "training", SMALL, [0])
    z = fit(samples, EQUAL, **options).logits(samples.features)
    assert float(left_side(z, SMALL)) < 8


def test_decay_on_the_bias_shifts_the_balance_by_its_own_gradient():
    samples = draw("sim1", "training", SMALL, [0])
    class_weight = CORRECTED[1].class_weight
    found = fit(samples, class_weight, bias_decay=0.02)
    z = F.pad(found.logits(samples.features)[0], (1, 0))
    residual = balance(z, samples.target, class_weight=class_weight).residual
    close(residual[1] / class_weight[samples.target].sum(), 0.02 * found.bias[0, 0], atol=1e-11)
    assert abs(float(residual[1])) > 1e-3


def test_a_start_changes_the_way_and_not_the_end():
    samples = draw("sim2", "training", SMALL, range(2))
    from_zero = fit(samples, EQUAL)
    start = (torch.full((2, 1, 3), 2.0), torch.full((2, 1), -8.0))
    from_far = fit(samples, EQUAL, start=start)
    close(from_far.weight, from_zero.weight, atol=1e-8)
    close(from_far.bias, from_zero.bias, atol=1e-8)


def test_separable_data_are_reported():
    features = torch.tensor([[[-2.0], [-1.0], [1.0], [2.0]]], dtype=torch.float64)
    with pytest.raises(ValueError, match="there is no stationary point, and a weight decay makes one"):
        fit(Samples(features, (2, 2)), EQUAL, tolerance=1e-30)
    assert fit(Samples(features, (2, 2)), EQUAL, weight_decay=0.1).gradient <= 1e-12


# --- alone and in company ---


def test_fits_do_not_depend_on_the_company():
    runs = range(7)
    together = fit(draw("sim1", "training", SMALL, runs), EQUAL)
    for run in runs:
        alone = fit(draw("sim1", "training", SMALL, [run]), EQUAL)
        close(alone.weight[0], together.weight[run], rtol=1e-10)
        close(alone.bias[0], together.bias[run], rtol=1e-10)


def test_a_run_that_is_done_rests_while_others_go_on():
    easy, hard = (draw("sim1", "training", SMALL, [run]).features for run in (0, 1))
    options = {"tolerance": 1e-3}
    alone = fit(Samples(easy, SMALL), EQUAL, **options)
    # Classes further apart take more steps.
    hard = hard + torch.where(Samples(hard, SMALL).target == 0, 2.0, -2.0)[None, :, None]
    together = fit(Samples(torch.cat([easy, hard]), SMALL), EQUAL, **options)
    close(together.weight[0], alone.weight[0], rtol=1e-12)
    assert float((alone.weight - fit(Samples(easy, SMALL), EQUAL).weight).abs()) > 1e-9


def test_gradient_descent_does_not_depend_on_the_company():
    runs = range(7)
    together = descent(draw("sim1", "training", SMALL, runs), CORRECTED, rate=1.0, steps=30)
    for run in (0, 6):
        alone = descent(draw("sim1", "training", SMALL, [run]), CORRECTED, rate=1.0, steps=30)
        close(alone[:, 0], together[:, run], rtol=1e-10, atol=1e-12)


def test_networks_do_not_depend_on_the_company():
    runs = range(7)
    options = {"epochs": 3, "batch": 20, "keep": (5,)}
    together = train_networks(draw("sim2", "training", SMALL, runs), CORRECTED, runs, **options)
    for run in (0, 6):
        samples = draw("sim2", "training", SMALL, [run])
        alone = train_networks(samples, CORRECTED, [run], **options)
        assert list(alone) == list(together) == [5, 66]
        for step, networks in alone.items():
            # Single precision over 66 steps.
            close(networks.inner[0], together[step].inner[run], rtol=1e-4, atol=1e-5)
            close(networks.outer[0], together[step].outer[run], rtol=1e-4, atol=1e-5)


# --- on the way ---


def test_gradient_descent_is_that_of_autograd():
    samples = draw("sim2", "training", SMALL, [0])
    weighting = CORRECTED[2]
    path = descent(samples, [weighting], rate=0.7, steps=3)
    assert path.shape == (4, 1, 1, 4)
    theta = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    weight = weighting.class_weight[samples.target]
    for step in range(3):
        close(path[step, 0, 0], theta.detach())
        z = samples.features[0] @ theta[:3] + theta[3]
        loss = F.binary_cross_entropy_with_logits(z, samples.target.double(), reduction="none")
        (gradient,) = torch.autograd.grad((weight * loss).sum() / weight.sum(), theta)
        theta = (theta - 0.7 * gradient).detach().requires_grad_()
    close(path[3, 0, 0], theta.detach())


def test_gradient_descent_ends_where_newtons_method_does():
    samples = draw("sim1", "training", SMALL, [0])
    path = descent(samples, [CORRECTED[1]], rate=2.0, steps=400)
    found = fit(samples, CORRECTED[1].class_weight)
    close(path[-1, 0, 0], torch.cat([found.weight[0, 0], found.bias[0]]), atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_a_step_of_sgd_is_that_of_autograd(bias):
    samples = draw("sim2", "training", SMALL, [0])
    weighting = CORRECTED[1]
    # One batch of all samples: the order does not matter.
    kept = train_networks(samples, [weighting], [0], epochs=1, rate=0.3, batch=440, keep=(0,), bias=bias)
    before, after = kept[0], kept[1]
    inner, outer = (each[0, 0].double().requires_grad_() for each in (before.inner, before.outer))
    z = (samples.features[0] @ inner[:-1] + inner[-1]).sigmoid() @ outer[:-1] + outer[-1]
    weight = weighting.class_weight[samples.target]
    loss = F.binary_cross_entropy_with_logits(z, samples.target.double(), reduction="none")
    of_inner, of_outer = torch.autograd.grad((weight * loss).sum() / weight.sum(), (inner, outer))
    if not bias:
        assert float(before.outer[0, 0, -1]) == 0
        of_outer[-1] = 0
    close(after.inner[0, 0].double(), (inner - 0.3 * of_inner).detach(), atol=1e-6)
    close(after.outer[0, 0].double(), (outer - 0.3 * of_outer).detach(), atol=1e-6)


def test_the_step_size_falls_to_zero():
    samples = draw("sim2", "training", SMALL, [0])
    kept = train_networks(samples, CORRECTED[:1], [0], epochs=10, batch=44, keep=(0, 1, 99))

    def moved(one, other):
        return float((kept[other].inner - kept[one].inner).norm())

    assert moved(99, 100) < 0.05 * moved(0, 1)


def test_weightings_share_first_weights_and_part_afterwards():
    samples = draw("sim2", "training", SMALL, [0, 1])
    kept = train_networks(samples, CORRECTED, [0, 1], epochs=1, batch=20, keep=(0,))
    first, last = kept[0], kept[max(kept)]
    assert torch.equal(first.inner[:, 0], first.inner[:, 2])
    assert not torch.equal(first.inner[0], first.inner[1])
    assert not torch.equal(last.inner[:, 0], last.inner[:, 2])


def test_a_weighting_does_not_see_the_others():
    samples = draw("sim2", "training", SMALL, [0])
    together = train_networks(samples, CORRECTED, [0], epochs=2, batch=20)[44]
    alone = train_networks(samples, CORRECTED[1:2], [0], epochs=2, batch=20)[44]
    close(alone.inner[:, 0], together.inner[:, 1], rtol=1e-4, atol=1e-5)


def test_a_solved_output_layer_balances_and_keeps_the_hidden_layer():
    samples = draw("sim2", "training", SMALL, range(3))
    networks = train_networks(samples, CORRECTED, range(3), epochs=2, batch=20)[44]
    solved = solve_output(networks, samples, CORRECTED)
    assert torch.equal(solved.inner, networks.inner)
    for position, weighting in enumerate(CORRECTED):
        before, after = (
            left_side(each.logits(samples.features, position), SMALL) for each in (networks, solved)
        )
        close(after, torch.full((3,), weighting.right_side), rtol=1e-8)
        assert float((before / weighting.right_side - 1).abs().max()) > 1e-3
        losses = [
            weighted_loss(each.logits(samples.features, position), samples, weighting)
            for each in (networks, solved)
        ]
        assert bool((losses[1] < losses[0]).all())


def test_networks_compute_their_logits():
    inner = torch.tensor([[1.0, -1.0], [0.5, 2.0], [0.1, 0.2]])[None, None]
    outer = torch.tensor([2.0, -3.0, 0.5])[None, None]
    x = torch.tensor([[[0.3, -0.7]]], dtype=torch.float64)
    hidden = [1 / (1 + math.exp(-(0.3 - 0.35 + 0.1))), 1 / (1 + math.exp(-(-0.3 - 1.4 + 0.2)))]
    expected = 2 * hidden[0] - 3 * hidden[1] + 0.5
    assert float(Networks(inner, outer).logits(x, 0)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("runs", "batch", "message"),
    [([0, 1], 10, "2 runs, but samples of 1"), ([0], 0, "1 to 440"), ([0], 441, "got 441")],
)
def test_networks_refuse_what_does_not_fit(runs, batch, message):
    with pytest.raises(ValueError, match=message):
        train_networks(draw("sim2", "training", SMALL, [0]), CORRECTED, runs, batch=batch)


def test_stopping_point_by_hand():
    losses = torch.tensor([1.0, 0.9, 0.89995, 0.9, 0.8, 0.7])
    assert int(stopping_point(losses, patience=2, least=1e-3)) == 1
    assert int(stopping_point(losses, patience=3, least=1e-3)) == 5
    assert int(stopping_point(losses, patience=2, least=1e-6)) == 5


def test_stopping_point_of_each_run_by_itself():
    slow, fast = [1.0, 0.9, 0.8, 0.7], [1.0, 0.2, 0.3, 0.3]
    assert stopping_point(torch.tensor([slow, fast]).T, patience=2).tolist() == [3, 1]


# --- ten classes ---


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_eq_9_is_the_packages(seed):
    generator = torch.Generator().manual_seed(seed)
    counts, mass = (3, 2, 4), torch.rand(3, generator=generator, dtype=torch.float64) + 0.1
    z = 2 * torch.randn(2, 9, 2, generator=generator, dtype=torch.float64)
    left, right = eq_9(z, counts, mass)
    for run in range(2):
        sides = confusion_balance(confusions(z, counts)[run], mass)
        close(left[run], sides.lacking)
        close(right[run], sides.received)
    close(left.sum(1), right.sum(1))


def test_eq_9_holds_on_training_data_and_not_on_test_data():
    counts = (60, 50, 40, 30, 30, 30, 20, 20, 20, 20)
    training, testing = (draw_ten(purpose, counts, range(2)) for purpose in ("training", "testing"))
    size = torch.tensor(counts, dtype=torch.float64)
    found = fit(training, 1 / size)
    left, right = eq_9(found.logits(training.features), counts, torch.ones(10))
    close(left / right, torch.ones(2, 10), atol=1e-8)
    left, right = eq_9(found.logits(testing.features), counts, torch.ones(10))
    assert float((left / right - 1).abs().max()) > 0.05


def test_ten_classes_have_one_set_of_means():
    one, other = (draw_ten("training", (20_000,) * 10, [0], seed=seed).features[0] for seed in (0, 1))
    close(one.view(10, -1, 4).mean(1), other.view(10, -1, 4).mean(1), atol=0.05)
    assert not torch.equal(one, other)


def test_sizes_are_the_papers():
    assert (TRAINING, TESTING) == ((1000, 10000), (1000, 1000))
