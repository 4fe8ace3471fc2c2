import math

import pytest
import torch
from torch.nn import functional as F

from lossbook.analysis import Balance, balance, confusion_balance, mean_confusion

PREDICTED = torch.tensor(
    [[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.25, 0.25, 0.5]], dtype=torch.float64
)
TARGET = torch.tensor([0, 0, 1, 2])


def case(n=40, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, classes, generator=generator, dtype=torch.float64)
    target = torch.arange(n) % classes
    return logits, target, generator


def close(actual, expected, atol=1e-12):
    torch.testing.assert_close(actual, torch.as_tensor(expected, dtype=torch.float64), rtol=0, atol=atol)


def test_softmax_by_hand():
    sides = balance(PREDICTED.log(), TARGET)
    close(sides.lacking, [0.5 + 0.4, 0.2, 0.5])
    close(sides.received, [0.1 + 0.25, 0.3 + 0.3 + 0.25, 0.2 + 0.1 + 0.1])
    close(sides.residual, [0.55, -0.65, 0.1])
    close(sides.ratio, [0.9 / 0.35, 0.2 / 0.85, 0.5 / 0.4])


def test_class_weights_go_by_the_true_class():
    sides = balance(PREDICTED.log(), TARGET, class_weight=torch.tensor([1.0, 2.0, 4.0]))
    close(sides.lacking, [0.9, 2 * 0.2, 4 * 0.5])
    close(sides.received, [2 * 0.1 + 4 * 0.25, 0.3 + 0.3 + 4 * 0.25, 0.2 + 0.1 + 2 * 0.1])


def test_targets_of_another_integer_type():
    """As many as classes, where uint8 could be taken for a mask."""
    logits, target, weight = torch.zeros(3, 3), torch.tensor([1, 2, 2]), torch.tensor([1.0, 2.0, 5.0])
    expected = balance(logits, target, class_weight=weight).residual
    close(balance(logits, target.to(torch.uint8), class_weight=weight).residual, expected)


def test_sample_weights_by_hand():
    sides = balance(PREDICTED.log(), TARGET, sample_weight=torch.tensor([1.0, 3.0, 0.0, 2.0]))
    close(sides.lacking, [0.5 + 3 * 0.4, 0, 2 * 0.5])
    close(sides.received, [2 * 0.25, 0.3 + 3 * 0.3 + 2 * 0.25, 0.2 + 3 * 0.1])


def test_both_weights_multiply():
    logits, target, generator = case()
    of_class = torch.rand(4, generator=generator)
    of_sample = torch.rand(40, generator=generator)
    both = balance(logits, target, class_weight=of_class, sample_weight=of_sample)
    one = balance(logits, target, sample_weight=of_class.double()[target] * of_sample.double())
    close(both.lacking, one.lacking)
    close(both.received, one.received)


def test_logistic_by_hand():
    logits = torch.tensor([[0.8, 0.1], [0.4, 0.7], [0.3, 0.9]], dtype=torch.float64).logit()
    target = torch.tensor([0, 0, 1])
    sides = balance(logits, target, link="logistic")
    close(sides.lacking, [0.2 + 0.6, 0.1])
    close(sides.received, [0.3, 0.1 + 0.7])
    by_problem = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    sides = balance(logits, target, link="logistic", sample_weight=by_problem)
    close(sides.lacking, [0.2 + 3 * 0.6, 6 * 0.1])
    close(sides.received, [5 * 0.3, 2 * 0.1 + 4 * 0.7])


@pytest.mark.parametrize("weighted", [False, True])
def test_the_residual_is_minus_the_gradient_of_the_bias_softmax(weighted):
    logits, target, generator = case()
    weight = torch.rand(4, generator=generator, dtype=torch.float64) + 0.1 if weighted else None
    bias = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    F.cross_entropy(logits + bias, target, weight=weight, reduction="sum").backward()
    close(balance(logits, target, class_weight=weight).residual, -bias.grad)


@pytest.mark.parametrize("shape", [None, (40,), (40, 4)], ids=["unweighted", "by sample", "by problem"])
def test_the_residual_is_minus_the_gradient_of_the_bias_logistic(shape):
    logits, target, generator = case()
    weight = torch.rand(shape, generator=generator, dtype=torch.float64) if shape else None
    full = torch.ones(40, 4) if weight is None else weight.reshape(40, -1).expand(40, 4)
    bias = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    F.binary_cross_entropy_with_logits(
        logits + bias, F.one_hot(target, 4).double(), weight=full, reduction="sum"
    ).backward()
    close(balance(logits, target, link="logistic", sample_weight=weight).residual, -bias.grad)


def stationary(objective, *parameters):
    """Minimise a convex objective until its gradient vanishes to rounding."""
    # The line search compares values, which agree to rounding while the gradient is still 1e-7. From there
    # on steps that look at the gradient alone go on.
    for line_search in ("strong_wolfe", None):
        search = torch.optim.LBFGS(
            parameters, max_iter=500, tolerance_grad=1e-12, tolerance_change=0.0, line_search_fn=line_search
        )

        def evaluate():
            for parameter in parameters:
                parameter.grad = None
            value = objective()
            value.backward()
            return value

        search.step(evaluate)
    evaluate()
    assert max(float(p.grad.abs().max()) for p in parameters) < 1e-11


@pytest.mark.parametrize("link", ["softmax", "logistic"])
@pytest.mark.parametrize("decay_on_bias", [0.0, 0.1])
def test_a_trained_model_balances_if_its_bias_is_free(link, decay_on_bias):
    generator = torch.Generator().manual_seed(1)
    counts = torch.tensor([30, 15, 5])
    target = torch.repeat_interleave(torch.arange(3), counts)
    features = torch.randn(50, 2, generator=generator, dtype=torch.float64) + 0.5 * target[:, None]
    weight = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    W = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    b = torch.zeros(3, dtype=torch.float64, requires_grad=True)

    def objective():
        z = features @ W + b
        if link == "softmax":
            loss = F.cross_entropy(z, target, weight=weight, reduction="sum")
        else:
            y = F.one_hot(target, 3).double()
            loss = (weight[target, None] * F.binary_cross_entropy_with_logits(z, y, reduction="none")).sum()
        return loss + 0.05 * W.square().sum() + decay_on_bias / 2 * b.square().sum()

    stationary(objective, W, b)
    z = (features @ W + b).detach()
    sides = balance(z, target, link=link, class_weight=weight)
    assert float(sides.lacking.min()) > 0.5  # something is left to be balanced
    # Weight decay on the bias moves the balance by exactly its own gradient.
    close(sides.residual, decay_on_bias * b.detach(), atol=1e-10)
    if decay_on_bias:
        assert float(sides.residual.abs().max()) > 0.01
    again = confusion_balance(mean_confusion(z, target, link=link), counts, class_weight=weight)
    close(again.lacking, sides.lacking)
    close(again.received, sides.received)


def test_mean_confusion_by_hand():
    close(mean_confusion(PREDICTED.log(), TARGET), [[0.55, 0.3, 0.15], [0.1, 0.8, 0.1], [0.25, 0.25, 0.5]])
    weighted = mean_confusion(PREDICTED.log(), TARGET, sample_weight=torch.tensor([1.0, 3.0, 1.0, 1.0]))
    close(weighted[0], [(0.5 + 3 * 0.6) / 4, 0.3, (0.2 + 3 * 0.1) / 4])


def test_mean_confusion_of_sigmoids_need_not_sum_to_one():
    logits = torch.tensor([[0.8, 0.7], [0.4, 0.9]], dtype=torch.float64).logit()
    close(mean_confusion(logits, torch.tensor([0, 1]), link="logistic"), [[0.8, 0.7], [0.4, 0.9]])


def test_confusion_balance_by_hand_and_eq_10():
    # With ten times as many of class 0: 1 - p00 is a tenth of p10.
    confusion = torch.tensor([[0.98, 0.02], [0.2, 0.8]], dtype=torch.float64)
    sides = confusion_balance(confusion, torch.tensor([1000, 100]))
    close(sides.lacking, [20, 20])
    close(sides.received, [20, 20])
    sides = confusion_balance(confusion, torch.tensor([1000, 100]), class_weight=torch.tensor([1.0, 10.0]))
    close(sides.lacking, [20, 200])
    close(sides.received, [200, 20])


def test_confident_predictions_keep_their_digits():
    logits = torch.tensor([[50.0, 0.0], [0.0, 60.0]], dtype=torch.float64)
    for link in ("softmax", "logistic"):
        sides = balance(logits, torch.tensor([0, 1]), link=link)
        assert float(sides.lacking[0]) == pytest.approx(math.exp(-50), rel=1e-9, abs=0)
        assert float(sides.lacking[1]) == pytest.approx(math.exp(-60), rel=1e-9, abs=0)


def test_single_precision_logits_are_worked_on_in_double_precision():
    logits = torch.tensor([[1 / 3, 0.0]]).repeat(3_000_000, 1)
    sides = balance(logits, torch.zeros(3_000_000, dtype=torch.long))
    lacking = 1 / (1 + math.exp(float(logits[0, 0])))
    assert sides.lacking.dtype == torch.float64
    assert float(sides.lacking[0]) == pytest.approx(3_000_000 * lacking, rel=1e-12)


def test_ratio_is_nan_where_there_is_nothing_on_either_side():
    nothing = torch.zeros(2, dtype=torch.float64)
    assert Balance(nothing, nothing).ratio.isnan().all()


Z, Y = torch.zeros(3, 2), torch.tensor([0, 1, 1])


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((Z, Y), {"link": "sigmoid"}, ValueError, "link must be 'softmax' or 'logistic'; got 'sigmoid'"),
        ((Z.long(), Y), {}, TypeError, "logits must be a floating-point tensor; got torch.int64"),
        ((Z[:, :1], Y), {}, ValueError, r"got \[3, 1\] \(a single logit z is the softmax over"),
        ((Z, Y.double()), {}, TypeError, "targets must be class indices"),
        ((Z, Y == 1), {}, TypeError, "targets must be class indices"),
        ((Z, Y[:2]), {}, ValueError, r"targets must have shape \[3\]; got \[2\]"),
        ((Z, Y + 1), {}, ValueError, r"targets must lie in 0\.\.1"),
        ((Z, Y - 1), {}, ValueError, r"targets must lie in 0\.\.1"),
        (
            (Z, Y),
            {"class_weight": torch.ones(3)},
            ValueError,
            r"class_weight must have shape \[2\]; got \[3\]",
        ),
        (
            (Z, Y),
            {"class_weight": -torch.ones(2)},
            ValueError,
            "class_weight must be finite and not negative",
        ),
        ((Z, Y), {"sample_weight": torch.ones(2)}, ValueError, r"sample_weight must have shape \[3\]"),
        ((Z, Y), {"sample_weight": torch.ones(3, 2)}, ValueError, "a softmax loss has one weight per sample"),
        (
            (Z, Y),
            {"link": "logistic", "sample_weight": torch.ones(3, 4)},
            ValueError,
            r"sample_weight must have shape \[3, 2\]; got \[3, 4\]",
        ),
        ((Z, Y), {"sample_weight": torch.tensor([1, torch.nan, 1])}, ValueError, "must be finite"),
    ],
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        balance(*arguments, **options)


def test_bad_input_to_the_confusion_is_named():
    with pytest.raises(ValueError, match=r"none of class 0, 2"):
        mean_confusion(torch.zeros(2, 3), torch.tensor([1, 1]))
    with pytest.raises(ValueError, match=r"one entry per sample, shape \[3\]; got \[3, 2\]"):
        mean_confusion(Z, Y, link="logistic", sample_weight=torch.ones(3, 2))
    with pytest.raises(ValueError, match=r"none of class 1"):
        mean_confusion(Z, Y, sample_weight=torch.tensor([1.0, 0.0, 0.0]))
    with pytest.raises(ValueError, match=r"confusion must have shape \[K, K\]"):
        confusion_balance(torch.zeros(2, 3), torch.ones(2))
    with pytest.raises(ValueError, match=r"counts must have shape \[2\]"):
        confusion_balance(torch.zeros(2, 2), torch.ones(3))
    with pytest.raises(ValueError, match=r"class_weight must have shape \[2\]"):
        confusion_balance(torch.zeros(2, 2), torch.ones(2), class_weight=torch.ones(1))
