"""Schedules that mix cross-entropy and expectation loss, and the loss module that follows one."""

import copy
import math
import pickle

import pytest
import torch
from torch.nn import functional as F

from lossbook.errors import UnknownNameError
from lossbook.losses import CEELLoss, MixingSchedule, ceel_loss, expectation_loss, get, mixing_factors

PAPER = ["0", "0,0.5", "0-0.5"]


def example(count=8, classes=5, *extra, dtype=torch.float64):
    generator = torch.Generator().manual_seed(7)
    logits = 3 * torch.randn(count, classes, *extra, dtype=torch.float64, generator=generator)
    return logits.to(dtype), torch.randint(classes, (count, *extra), generator=generator)


def lengths(schedule, epochs):
    return [phase.epochs for phase in schedule.phases(epochs)]


# --- the factors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("focus", "beta"), [(0, 1), (0.1, 1.25), (0.2, 5 / 3), (0.25, 2), (0.3, 2.5), (0.4, 5), (0.49, 50)]
)
def test_equation_14(focus, beta):
    assert mixing_factors(focus) == (1, pytest.approx(beta, rel=1e-13))


def test_at_one_half_only_the_expectation_loss_is_left():
    assert mixing_factors(0.5) == (0, 1)


@pytest.mark.parametrize("focus", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
def test_the_gradient_at_the_target_is_largest_where_its_probability_is_f(focus):
    """For two classes, on a grid of probabilities of the target."""
    p = torch.linspace(1e-4, 1 - 1e-4, 9999, dtype=torch.float64)
    logits = torch.stack([p.logit(), torch.zeros_like(p)], 1).requires_grad_()
    alpha, beta = mixing_factors(focus)
    loss = ceel_loss(logits, torch.zeros(9999, dtype=torch.long), alpha=alpha, beta=beta, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, logits)
    # The grid's step is 1e-4; for F = 0 its first point is the nearest.
    assert p[gradient[:, 0].abs().argmax()].item() == pytest.approx(focus, abs=1.01e-4)


@pytest.mark.parametrize("focus", [-0.1, 0.51, 1.0, math.nan, math.inf])
def test_f_outside_its_range(focus):
    with pytest.raises(ValueError, match=rf"F must lie between 0 and 0.5; got {focus}"):
        mixing_factors(focus)
    with pytest.raises(ValueError, match=rf"F must lie between 0 and 0.5; got {focus}"):
        MixingSchedule([0.0, focus])


# --- the schedules ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "epochs", "expected"),
    [
        ("0", 240, [240]),
        ("0", 90, [90]),
        ("0", 50, [50]),
        ("0", 1, [1]),
        ("0,0.5", 240, [228, 12]),
        ("0,0.5", 90, [85, 5]),
        ("0,0.5", 50, [47, 3]),
        ("0,0.5", 6, [5, 1]),
        ("0,0.5", 2, [1, 1]),
        ("0-0.5", 240, [40, 40, 40, 40, 40, 40]),
        ("0-0.5", 90, [15, 15, 15, 15, 15, 15]),
        ("0-0.5", 50, [8, 9, 8, 9, 8, 8]),
        ("0-0.5", 6, [1, 1, 1, 1, 1, 1]),
    ],
)
def test_the_phases_of_the_papers_runs(name, epochs, expected):
    assert lengths(MixingSchedule(name), epochs) == expected


def test_every_epoch_of_50_in_six_phases():
    schedule = MixingSchedule("0-0.5")
    betas = [1, 1.25, 5 / 3, 2.5, 5, 1]
    expected = [
        (0 if phase == 5 else 1, pytest.approx(betas[phase], rel=1e-13))
        for phase, count in enumerate([8, 9, 8, 9, 8, 8])
        for _ in range(count)
    ]
    assert [schedule(epoch, 50) for epoch in range(50)] == expected


@pytest.mark.parametrize(("epochs", "switch"), [(240, 228), (90, 85), (50, 47)])
def test_the_switch_of_two_phases(epochs, switch):
    schedule = MixingSchedule("0,0.5")
    assert {schedule(epoch, epochs) for epoch in range(switch)} == {(1, 1)}
    assert {schedule(epoch, epochs) for epoch in range(switch, epochs)} == {(0, 1)}


def as_in_the_authors_code(count, share, epoch, epochs):
    """Their rule, epoch by epoch: which phase of ``count`` it is."""
    first = math.floor(epochs * share / count)  # share 1.9 of two phases is 95%
    return 0 if epoch < first else 1 + (epoch - first) * (count - 1) // (epochs - first)


@pytest.mark.parametrize(("name", "share"), [("0,0.5", 1.9), ("0-0.5", 1)])
def test_the_rule_of_the_authors_code_for_any_number_of_epochs(name, share):
    schedule = MixingSchedule(name)
    for epochs in range(6, 301):
        count = len(schedule.phases(epochs))
        expected = [as_in_the_authors_code(count, share, epoch, epochs) for epoch in range(epochs)]
        assert lengths(schedule, epochs) == [expected.count(phase) for phase in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 12])
def test_equal_phases_differ_by_an_epoch_at_most_and_cover_all(count):
    schedule = MixingSchedule([0.5 * i / count for i in range(count)])
    for epochs in range(count, 6 * count + 1):
        found = lengths(schedule, epochs)
        assert sum(found) == epochs
        assert set(found) <= {epochs // count, -(-epochs // count)}


def test_a_list_of_phases_says_when_each_begins_and_what_its_mix_is():
    phases = MixingSchedule([0.0, 0.25, 0.5]).phases(10)
    assert phases == [(0, 3, 0.0, 1.0, 1.0), (3, 4, 0.25, 1.0, 2.0), (7, 3, 0.5, 0.0, 1.0)]
    assert phases[1]._asdict() == {"start": 3, "epochs": 4, "focus": 0.25, "alpha": 1.0, "beta": 2.0}


@pytest.mark.parametrize("name", PAPER)
def test_calling_agrees_with_the_phases(name):
    schedule = MixingSchedule(name)
    for phase in schedule.phases(37):
        for epoch in range(phase.start, phase.start + phase.epochs):
            assert schedule(epoch, 37) == (phase.alpha, phase.beta) == mixing_factors(phase.focus)


def test_equal_schedules_are_those_with_equal_phases():
    six = MixingSchedule([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert six == MixingSchedule("0-0.5")
    assert MixingSchedule(0.0 for _ in range(1)) == MixingSchedule("0")
    # Half of the epochs each, not 95%.
    assert MixingSchedule([0, 0.5]) != MixingSchedule("0,0.5")
    assert MixingSchedule("0") != "0"
    assert len({six, *map(MixingSchedule, PAPER)}) == 3


@pytest.mark.parametrize(
    "schedule", [*map(MixingSchedule, PAPER), MixingSchedule([0, 0.5]), MixingSchedule([0.2])]
)
def test_repr_and_pickle_make_it_again(schedule):
    assert eval(repr(schedule)) == schedule
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert copy.deepcopy(schedule) == schedule


def test_repr_names_the_papers_schedules():
    assert repr(MixingSchedule([0, 0.1, 0.2, 0.3, 0.4, 0.5])) == "MixingSchedule('0-0.5')"
    assert repr(MixingSchedule([0, 0.5])) == "MixingSchedule([0.0, 0.5])"


@pytest.mark.parametrize(
    ("name", "nearest"), [("0-.5", "0-0.5"), ("0, 0.5", "0,0.5"), ("0–0.5", "0-0.5"), ("0,5", "0,0.5")]
)
def test_an_unknown_name_is_answered_with_the_nearest(name, nearest):
    with pytest.raises(UnknownNameError, match=f"unknown mixing schedule '{name}'; did you mean '{nearest}'"):
        MixingSchedule(name)


def test_no_f_at_all():
    with pytest.raises(ValueError, match="at least one F"):
        MixingSchedule([])


@pytest.mark.parametrize("focus", [None, 0.5, [0, None], [0, "half"], [[0.0], [0.5]]])
def test_what_is_no_schedule(focus):
    with pytest.raises(TypeError, match=r"'0', '0,0.5', '0-0.5', or a list of numbers F; got"):
        MixingSchedule(focus)


@pytest.mark.parametrize("epoch", [-1, 6, 7])
def test_an_epoch_that_is_not_one_of_them(epoch):
    with pytest.raises(ValueError, match=rf"0\.\.5, counted from 0, for 6 epochs; got {epoch}$"):
        MixingSchedule("0-0.5")(epoch, 6)


@pytest.mark.parametrize(("name", "count", "epochs"), [("0", 1, 0), ("0", 1, -3), ("0-0.5", 6, 5)])
def test_too_few_epochs(name, count, epochs):
    with pytest.raises(ValueError, match=rf"'{name}'\) has {count} phases? and needs .*; got {epochs}$"):
        MixingSchedule(name)(0, epochs)


@pytest.mark.parametrize("arguments", [(0.0, 6), (0, 6.0)])
def test_epochs_are_whole_numbers(arguments):
    with pytest.raises(TypeError, match="integer"):
        MixingSchedule("0")(*arguments)


# --- the loss -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (1.0, 5 / 3), (0.0, 1.0), (0.3, 0.0), (2.0, 7.0)])
@pytest.mark.parametrize("extra", [(), (2, 3)])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_it_is_the_mix_of_its_parts(alpha, beta, extra, reduction):
    logits, target = example(6, 4, *extra)
    target.view(-1)[0] = 3
    weight = torch.tensor([0.25, 1.0, 3.0, 0.5], dtype=torch.float64)
    settings = {"weight": weight, "ignore_index": 3, "reduction": reduction}
    got = CEELLoss(alpha=alpha, beta=beta, **settings)(logits, target)
    ce, el = F.cross_entropy(logits, target, **settings), expectation_loss(logits, target, **settings)
    torch.testing.assert_close(got, alpha * ce + beta * el, rtol=1e-13, atol=1e-15)
    function = ceel_loss(logits, target, alpha=alpha, beta=beta, **settings)
    torch.testing.assert_close(got, function, rtol=1e-14, atol=0)


@pytest.mark.parametrize("extra", [(), (2,)])
def test_gradients_of_first_and_second_order(extra):
    logits, target = example(3, 4, *extra)
    logits.requires_grad_()
    loss = CEELLoss(alpha=1.0, beta=2.5)
    assert torch.autograd.gradcheck(loss, (logits, target))
    assert torch.autograd.gradgradcheck(loss, (logits, target))


def test_equation_13():
    logits, target = example(20, 6)
    logits.requires_grad_()
    alpha, beta = 1.0, 2.5
    CEELLoss(reduction="sum", alpha=alpha, beta=beta)(logits, target).backward()
    p = logits.detach().softmax(1)
    py = p.gather(1, target[:, None])
    expected = p * (beta * py + alpha)
    expected.scatter_(1, target[:, None], beta * py**2 + py * (alpha - beta) - alpha)
    torch.testing.assert_close(logits.grad, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", PAPER)
def test_it_follows_its_schedule(name):
    logits, target = example()
    loss, schedule = CEELLoss(schedule=name), MixingSchedule(name)
    assert loss.schedule == schedule
    assert (loss.alpha, loss.beta) == (1, 1)
    for epoch in range(50):
        loss.set_epoch(epoch, 50)
        alpha, beta = schedule(epoch, 50)
        assert (loss.alpha, loss.beta) == (alpha, beta)
        expected = ceel_loss(logits, target, alpha=alpha, beta=beta)
        torch.testing.assert_close(loss(logits, target), expected, rtol=1e-14, atol=0)


def test_before_the_first_epoch_it_has_the_mix_of_the_first_phase():
    assert (CEELLoss(schedule=[0.25, 0.5]).alpha, CEELLoss(schedule=[0.25, 0.5]).beta) == (1, 2)


def test_without_a_schedule_the_mix_stays():
    loss = CEELLoss(alpha=0.5, beta=2.0)
    loss.set_epoch(3, 4)
    assert (loss.schedule, loss.alpha, loss.beta) == (None, 0.5, 2.0)


def test_a_wrong_epoch_is_refused_and_changes_nothing():
    loss = CEELLoss(schedule="0-0.5")
    loss.set_epoch(4, 6)
    with pytest.raises(ValueError, match="counted from 0"):
        loss.set_epoch(6, 6)
    assert loss.beta == mixing_factors(0.4)[1]


def test_a_run_that_goes_on_tells_the_loss_its_epoch(tmp_path):
    loss = CEELLoss(torch.tensor([1.0, 2.0]), schedule="0-0.5")
    loss.set_epoch(2, 6)
    assert list(loss.state_dict()) == ["weight"]
    torch.save(loss.state_dict(), tmp_path / "state")
    resumed = CEELLoss(torch.ones(2), schedule="0-0.5")
    resumed.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert resumed.weight.tolist() == [1.0, 2.0]
    resumed.set_epoch(2, 6)
    assert (resumed.alpha, resumed.beta) == mixing_factors(0.2)
    resumed.set_epoch(5, 6)
    assert (resumed.alpha, resumed.beta) == (0, 1)
    assert loss.beta != 1  # Nothing is shared.


@pytest.mark.parametrize("again", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))])
def test_copies_have_the_mix_and_a_life_of_their_own(again):
    loss = CEELLoss(schedule="0,0.5")
    loss.set_epoch(19, 20)
    other = again(loss)
    assert (other.alpha, other.beta, other.schedule) == (0, 1, loss.schedule)
    other.set_epoch(0, 20)
    assert (other.alpha, loss.alpha) == (1, 0)


@pytest.mark.parametrize("cast", [torch.float16, torch.bfloat16, torch.float32])
def test_casting_the_module_leaves_the_mix_exact(cast):
    loss = CEELLoss(torch.ones(5), schedule=[0.2]).to(cast)
    assert loss.weight.dtype == cast
    assert loss.beta == mixing_factors(0.2)[1]
    assert list(loss.state_dict()) == ["weight"]
    loss.set_epoch(0, 1)
    assert loss.beta == mixing_factors(0.2)[1]


def test_the_mix_follows_to_a_device():
    assert CEELLoss().to("meta").mix.device.type == "meta"
    wrapped = torch.nn.Sequential(CEELLoss()).to("meta")
    assert wrapped[0].mix.device.type == "meta"


def test_a_move_that_fails_leaves_the_module_as_it_was():
    loss = CEELLoss(alpha=0.5, beta=2.0)

    def fails(_):
        raise RuntimeError("no such device")

    with pytest.raises(RuntimeError, match="no such device"):
        loss._apply(fails)
    assert (loss.alpha, loss.beta) == (0.5, 2.0)


def test_off_the_meta_device_it_has_its_mix_again():
    loss = CEELLoss(schedule="0,0.5").to("meta")
    loss.set_epoch(19, 20)
    assert (loss.alpha, loss.beta) == (0, 1)
    loss.to_empty(device="cpu")
    assert (loss.alpha, loss.beta) == (0, 1)
    loss.set_epoch(0, 20)
    logits, target = example()
    torch.testing.assert_close(loss(logits, target), ceel_loss(logits, target))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    logits, target = example(dtype=dtype)
    logits.requires_grad_()
    loss = CEELLoss(reduction="sum", schedule=[0.3])
    value = loss(logits, target)
    value.backward()
    assert value.dtype == logits.grad.dtype == dtype
    wide = logits.detach().double().requires_grad_()
    expected = loss(wide, target)
    expected.backward()
    # One rounding of the result.
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(value.double(), expected, rtol=eps, atol=0)
    torch.testing.assert_close(logits.grad.double(), wide.grad, rtol=eps, atol=eps / 100)


def test_under_autocast_the_loss_is_single_precision():
    logits, target = example(dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = CEELLoss()(logits, target)
    assert value.dtype == torch.float32


def test_an_epoch_that_changes_before_the_backward_pass_does_not_change_the_gradient():
    for extra in [(), (2,)]:  # The kernel's path and the formula's.
        logits, target = example(4, 3, *extra)
        logits.requires_grad_()
        loss = CEELLoss(schedule="0,0.5")
        value = loss(logits, target)
        loss.set_epoch(19, 20)
        (got,) = torch.autograd.grad(value, logits)
        (expected,) = torch.autograd.grad(ceel_loss(logits, target), logits)
        torch.testing.assert_close(got, expected, rtol=1e-13, atol=1e-16)


def test_a_change_of_mix_does_not_compile_anew():
    logits, target = example()
    loss = CEELLoss(schedule="0-0.5")
    compiled = []

    def backend(graph, _):
        compiled.append(graph)
        return graph.forward

    run = torch.compile(loss, backend=backend, fullgraph=True)
    for epoch in range(6):
        loss.set_epoch(epoch, 6)
        expected = ceel_loss(logits, target, alpha=loss.alpha, beta=loss.beta)
        torch.testing.assert_close(run(logits, target), expected, rtol=1e-12, atol=0)
    assert len(compiled) == 1


def test_one_mix_for_each_replica():
    """torch.func can hold the mixes of many replicas in one tensor."""
    logits, target = example(12, 3)
    stacked, targets = logits.view(3, 4, 3), target.view(3, 4)
    mixes = torch.tensor([[1.0, 1.0], [1.0, 5.0], [0.0, 1.0]], dtype=torch.float64)

    def one(mix, z, y):
        return torch.func.functional_call(CEELLoss(), {"mix": mix}, (z, y))

    got = torch.func.vmap(one)(mixes, stacked, targets)
    expected = [
        ceel_loss(z, y, alpha=a, beta=b)
        for (a, b), z, y in zip(mixes.tolist(), stacked, targets, strict=True)
    ]
    torch.testing.assert_close(got, torch.stack(expected))


def test_print_shows_the_settings():
    assert repr(CEELLoss(beta=2.0)) == "CEELLoss(alpha=1.0, beta=2.0, ignore_index=-100, reduction='mean')"
    loss = CEELLoss(schedule="0,0.5", reduction="sum", ignore_index=3)
    loss.set_epoch(1, 2)
    assert repr(loss) == (
        "CEELLoss(schedule=MixingSchedule('0,0.5'), alpha=0.0, beta=1.0, ignore_index=3, reduction='sum')"
    )


@pytest.mark.parametrize(("name", "value"), [("alpha", -1.0), ("beta", math.inf), ("beta", math.nan)])
def test_factors_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"{name} must be finite and not negative; got {value}"):
        CEELLoss(**{name: value})


@pytest.mark.parametrize("factors", [{"alpha": 0.0}, {"beta": 2.0}])
def test_factors_or_a_schedule(factors):
    with pytest.raises(ValueError, match="alpha and beta, or a schedule"):
        CEELLoss(schedule="0", **factors)


def test_by_name():
    loss = get("ceel", schedule="0-0.5", reduction="sum")
    assert isinstance(loss, CEELLoss)
    assert loss.schedule == MixingSchedule("0-0.5")
    with pytest.raises(UnknownNameError, match="did you mean '0-0.5'"):
        get("ceel", schedule="0-0,5")


def test_the_last_phase_of_a_schedule_is_finite_where_cross_entropy_is_not():
    loss = CEELLoss(alpha=0.0, beta=2.0)
    logits = torch.tensor([[-torch.inf, 0.0, 1.0]], requires_grad=True)
    value = loss(logits, torch.tensor([0]))
    value.backward()
    assert value.item() == 2.0
    assert logits.grad.tolist() == [[0.0, 0.0, 0.0]]
