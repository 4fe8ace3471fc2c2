"""Replicas trained together are what PyTorch makes of each by itself, whoever trains beside it."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lossbook import losses
from lossbook.errors import UnknownNameError
from lossbook.training import checkpoint as checkpoints
from lossbook.training import replicas as module
from lossbook.training.batched_losses import LossBatch, grouped, has_closed_form
from lossbook.training.checkpoint import OutOfTimeError
from lossbook.training.replicas import (
    REPLICA_CURVES,
    Replica,
    SplitArrays,
    select_epoch,
    train_replicas,
)
from lossbook.training.rng import derive, generator

CLASSES = 3


def draw(dtype=torch.float32, counts=(45, 21, 19), width=5, classes=CLASSES):
    """Overlapping clouds of points, one a class. No part is a whole number of batches of 8."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(classes, width, generator=generator)
    parts = []
    for count in counts:
        labels = torch.randint(classes, (count,), generator=generator)
        noise = torch.randn(count, width, generator=generator)
        parts += [(centres[labels] + noise).to(dtype), labels]
    return SplitArrays(*parts, num_classes=classes)


@pytest.fixture(scope="module")
def arrays():
    return draw()


def run(replicas, arrays, **changes):
    settings = {"hidden": 4, "batch_size": 8, "momentum": 0.9, "ties": "last"}
    return train_replicas(replicas, arrays, **(settings | changes))


#: The losses of the study of battash2021.
STUDY = [
    ("ce", {}),
    ("ceel", {"schedule": "0"}),
    ("ceel", {"schedule": "0,0.5"}),
    ("ceel", {"schedule": "0-0.5"}),
    ("el", {}),
    ("focal", {"gamma": 2.0, "alpha": 0.25}),
]
CLOSED = [
    *STUDY,
    ("mae", {}),
    ("ceel", {"alpha": 0.0, "beta": 3.0}),
    ("ceel", {"alpha": 0.3, "beta": 2.0}),
    ("focal", {}),
    ("focal", {"gamma": 0.0}),
    ("focal", {"gamma": 0.5}),
    ("focal", {"gamma": 3.5, "alpha": 2.0}),
]
OTHER = [
    *(("nllr", {}), ("nllr", {"clip": 1e-3}), ("gce", {}), ("gce", {"k": 0.3}), ("tamed_ce", {"alpha": 0.5})),
    *(("bce", {}), ("mpce", {}), ("complement_entropy", {}), ("el", {"reduction": "sum"})),
    *(("lr", {}), ("hs_lr", {"m": 0.5}), ("ss_lr", {}), ("lgl_inr", {}), ("lgl_inr", {"beta": 4.0})),
    *(
        ("el", {"label_smoothing": 0.1}),
        ("focal", {"label_smoothing": 0.1}),
        ("ceel", {"label_smoothing": 0.1}),
    ),
    *(("ce", {"label_smoothing": 0.1}), ("ce", {"weight": torch.tensor([0.2, 1.0, 3.0]).double()})),
    ("focal", {"alpha": torch.tensor([0.2, 1.0, 3.0]).double()}),
    ("ceel", {"schedule": "0-0.5", "weight": torch.tensor([0.2, 1.0, 3.0]).double()}),
]
EPOCHS = 12


def name_of(loss):
    name, options = loss
    return " ".join([name, *(f"{k}={v}" for k, v in options.items())])


# --- gradients ----------------------------------------------------------------------------------------------


def gradients(given, logits, target, *, count, rates=None, epoch=0):
    """Of each loss in the order given, whatever the order in which they are evaluated."""
    modules = [losses.get(name, **options) for name, options in given]
    rates = rates or [1.0] * len(modules)
    order = grouped(modules)
    out = torch.full_like(logits, 7.0)
    rates = [rates[r] for r in order]
    batch = LossBatch([modules[r] for r in order], rates, [EPOCHS] * len(order), logits[order], out)
    batch.set_epoch(epoch)
    with torch.no_grad():
        batch.evaluate(target[order], count)
    back = torch.empty_like(out)
    back[order] = out
    return back


def own_gradient(loss, logits, target, epoch):
    """As a user would get it, from the package's module and autograd."""
    name, options = loss
    module = losses.get(name, **options)
    if isinstance(module, losses.CEELLoss):
        module.set_epoch(epoch, EPOCHS)
    logits = logits.clone().requires_grad_()
    module(logits, target).backward()
    return logits.grad


@pytest.fixture
def batch():
    """Logits from calm to certain, right and wrong, ``[R, 8, 3]``; and targets."""
    generator = torch.Generator().manual_seed(0)

    def make(replicas, dtype=torch.float64):
        logits = torch.randn(replicas, 8, CLASSES, generator=generator, dtype=torch.float64) * 4
        logits[:, 0] = torch.tensor([0.0, 0.0, 0.0])
        logits[:, 1] = torch.tensor([30.0, -2.0, 1.0])
        logits[:, 2] = torch.tensor([-300.0, 1.0, 2.0])
        target = torch.randint(CLASSES, (replicas, 8), generator=generator)
        target[:, :3] = 0
        return logits.to(dtype), target

    return make


@pytest.mark.parametrize("count", [8, 5])
@pytest.mark.parametrize("epoch", [0, 11])
def test_gradients_are_those_of_the_losses(batch, count, epoch):
    given = CLOSED + OTHER
    logits, target = batch(len(given))
    rates = [0.5 + r for r in range(len(given))]
    got = gradients(given, logits, target, count=count, rates=rates, epoch=epoch)
    assert (got[:, count:] == 0).all(), "rows that hold no example"
    for r, loss in enumerate(given):
        expected = rates[r] * own_gradient(loss, logits[r, :count], target[r, :count], epoch)
        torch.testing.assert_close(got[r, :count], expected, rtol=1e-11, atol=1e-13, msg=name_of(loss))


@pytest.mark.parametrize("loss", CLOSED, ids=name_of)
def test_closed_forms_keep_their_digits_in_single_precision(loss):
    """Where the target's probability is near 1 or 0 too, as 1 - p is a sum and not a difference."""
    lead = torch.linspace(-40, 40, 33)
    logits = torch.stack([lead, torch.zeros(33), torch.full((33,), -1.0)], 1)
    target = torch.zeros(33, dtype=torch.long)
    got = gradients([loss], logits[None], target[None], count=33)[0].double()
    # PyTorch's own cross-entropy takes 1 from p in double precision too.
    exact = ("ceel", {"alpha": 1.0, "beta": 0.0}) if loss[0] == "ce" else loss
    expected = own_gradient(exact, logits.double(), target, 0)
    # Exponentials of 40 units carry the rounding of their argument, 40 * 6e-8.
    torch.testing.assert_close(got, expected, rtol=2e-5, atol=1e-34)


def test_what_is_in_closed_form():
    assert all(has_closed_form(losses.get(name, **options)) for name, options in CLOSED)
    assert not any(has_closed_form(losses.get(name, **options)) for name, options in OTHER)


def test_a_loss_of_another_class_is_not_taken_for_its_parent(batch):
    class Halved(losses.ExpectationLoss):
        def forward(self, input, target):
            return super().forward(input, target) / 2

    logits, target = batch(1)
    out = torch.empty_like(logits)
    LossBatch([Halved()], [1.0], [1], logits, out).evaluate(target, 8)
    torch.testing.assert_close(out[0], own_gradient(("el", {}), logits[0], target[0], 0) / 2)


def test_losses_must_stand_in_their_groups():
    logits = torch.zeros(2, 8, CLASSES)
    with pytest.raises(ValueError, match=r"the order of grouped\(losses\)"):
        LossBatch([losses.get("focal"), losses.get("el")], [1.0] * 2, [1] * 2, logits, logits)


def test_a_loss_that_is_no_number_is_refused(arrays):
    with pytest.raises(ValueError, match="must reduce to one number; got reduction 'none'"):
        run([Replica("el", 0.1, 1, loss_options={"reduction": "none"})], arrays)


# --- against plain PyTorch ----------------------------------------------------------------------------------


def plain(replica, arrays, *, hidden, batch_size=8, momentum=0.9):
    """The loop that a user would write; the cross-entropy and accuracy of each part after every epoch."""
    width, classes = arrays.train_inputs.shape[1], arrays.num_classes
    with torch.random.fork_rng():
        torch.manual_seed(derive(replica.seed, "weights", 0))
        if hidden:
            model = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, classes))
        else:
            model = nn.Sequential(nn.Linear(width, classes))
    model = model.to(arrays.train_inputs.dtype)
    loss = losses.get(replica.loss, **replica.loss_options)
    optimizer = torch.optim.SGD(model.parameters(), lr=replica.learning_rate, momentum=momentum)
    curves = {name: [] for name in REPLICA_CURVES}
    for epoch in range(replica.epochs):
        if isinstance(loss, losses.CEELLoss):
            loss.set_epoch(epoch, replica.epochs)
        order = torch.randperm(len(arrays.train_labels), generator=generator(replica.seed, "order", epoch))
        for rows in order.split(batch_size):
            optimizer.zero_grad()
            loss(model(arrays.train_inputs[rows]), arrays.train_labels[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            for part in ("train", "validation", "test"):
                inputs, labels = arrays.part(part)
                right = (model(inputs).argmax(1) == labels).double()
                curves[f"{part}_accuracy"].append(float(right.mean()))
                curves[f"{part}_ce"].append(float(F.cross_entropy(model(inputs), labels)))
                if part != "train":
                    means = [float(batch.mean()) for batch in right.split(batch_size)]
                    curves[f"{part}_batch_accuracy"].append(sum(means) / len(means))
    return curves


@pytest.mark.parametrize("hidden", [0, 4])
def test_the_result_is_that_of_the_plain_loop(hidden):
    """In double precision, to 1e-10, over a schedule's phases and with smaller last batches."""
    arrays = draw(torch.float64)
    others = [("nllr", {}), ("lgl_inr", {}), ("ce", {"weight": torch.tensor([0.2, 1.0, 3.0]).double()})]
    given = [
        Replica(name, rate, 6, seed, options)
        for name, options in STUDY + others
        for rate in (0.01, 0.1)
        for seed in (0, 1)
    ]
    for replica, result in zip(given, run(given, arrays, hidden=hidden), strict=True):
        expected = plain(replica, arrays, hidden=hidden)
        assert result.status == "finished"
        assert set(result.curves) == set(expected) == set(REPLICA_CURVES)
        for name, curve in expected.items():
            assert result.curves[name] == pytest.approx(curve, rel=1e-10, abs=1e-12), (replica, name)


def test_cross_entropy_is_pytorchs_own():
    arrays = draw(torch.float64)
    assert type(losses.get("ce")) is nn.CrossEntropyLoss
    (result,) = run([Replica("ce", 0.05, 20, 3)], arrays, batch_size=7, momentum=0.0)
    expected = plain(Replica("ce", 0.05, 20, 3), arrays, hidden=4, batch_size=7, momentum=0.0)
    assert result.curves["train_ce"] == pytest.approx(expected["train_ce"], rel=1e-10)
    assert result.curves["train_ce"][-1] < result.curves["train_ce"][0]


@pytest.mark.parametrize("size", [1, 45, 64])
def test_any_batch_size(size):
    arrays = draw(torch.float64)
    replica = Replica("focal", 0.05, 2)
    (result,) = run([replica], arrays, batch_size=size)
    expected = plain(replica, arrays, hidden=4, batch_size=size)
    assert result.curves["test_ce"] == pytest.approx(expected["test_ce"], rel=1e-10)
    assert result.curves["test_batch_accuracy"] == pytest.approx(expected["test_batch_accuracy"])


def test_more_examples_than_are_taken_at_once(monkeypatch):
    arrays = draw(torch.float64, counts=(600, 300, 270))
    monkeypatch.setattr(module, "_INDEX_ELEMENTS", 100)
    replica = Replica("ce", 0.05, 2)
    (result,) = run([replica], arrays)
    expected = plain(replica, arrays, hidden=4)
    for name in REPLICA_CURVES:
        assert result.curves[name] == pytest.approx(expected[name], rel=1e-10)


# --- alone and in company -----------------------------------------------------------------------------------

#: MKL multiplies each of a batch of matrices to the same bits whatever their number. Other libraries may not,
#: and a difference in rounding grows in training.
EXACT = torch.backends.mkl.is_available()


def assert_same(result, other):
    assert (result.status, result.gradient) == (other.status, other.gradient)
    assert set(result.curves) == set(other.curves)
    for name, curve in result.curves.items():
        if EXACT:
            torch.testing.assert_close(curve, other.curves[name], rtol=0, atol=0, equal_nan=True)
        else:
            tolerance = {"rel": 1e-3} if name.endswith("ce") else {"abs": 0.1}
            assert curve == pytest.approx(other.curves[name], nan_ok=True, **tolerance)


@pytest.mark.parametrize(
    ("hidden", "width", "size", "classes"),
    [(0, 5, 8, 2), (5, 5, 8, 3), (17, 16, 8, 7), (33, 33, 8, 26), (70, 3, 7, 5)],
)
def test_a_result_does_not_depend_on_who_trained_beside_it(hidden, width, size, classes):
    arrays = draw(width=width, classes=classes)
    given = [
        Replica(name, rate, 6, seed, options)
        for name, options in [*STUDY, ("nllr", {}), ("lgl_inr", {})]
        for rate in (0.01, 0.1)
        for seed in (0, 1)
    ]
    together = run(given, arrays, hidden=hidden, batch_size=size)
    for r in (0, 13, 21, 25, 30):
        assert_same(run([given[r]], arrays, hidden=hidden, batch_size=size)[0], together[r])
    some = [31, 3, 20, 2, 22, 27]
    results = run([given[r] for r in some], arrays, hidden=hidden, batch_size=size)
    for r, result in zip(some, results, strict=True):
        assert_same(result, together[r])


@pytest.mark.parametrize("hidden", [0, 4])
@pytest.mark.parametrize("loss", ["ce", "nllr", "focal"])
def test_a_replica_that_diverges_is_recorded_and_disturbs_nobody(arrays, hidden, loss):
    good = [Replica(name, 0.05, 5, 1) for name in ("ce", "el", "focal", "nllr")]
    bad = Replica(loss, 1e38, 5, 1)
    results = run([good[0], bad, *good[1:]], arrays, hidden=hidden)
    diverged = results.pop(1)
    assert diverged.status == "diverged"
    assert len(diverged.curves["train_ce"]) == 1
    assert all(math.isnan(curve[-1]) for curve in diverged.curves.values())
    assert diverged.selected_epoch is None
    assert math.isnan(diverged.selected("test_accuracy"))
    for result, alone in zip(results, run(good, arrays, hidden=hidden), strict=True):
        assert (result.status, len(result.curves["test_ce"])) == ("finished", 5)
        assert_same(result, alone)


def test_later_divergence_leaves_the_epochs_before_to_select_from(arrays):
    """The gradient of NLLR never dies out, so at this rate the weights soon leave single precision."""
    (result,) = run([Replica("nllr", 3e36, 30)], arrays, hidden=0, momentum=0.0)
    *before, last = result.curves["validation_accuracy"]
    assert result.status == "diverged"
    assert 2 <= len(before) < 29
    assert math.isnan(last)
    assert not any(map(math.isnan, before))
    assert result.selected("validation_accuracy") == max(before)


def test_replicas_end_when_they_are_done(arrays):
    given = [Replica("ce", 0.05, epochs, 1) for epochs in (2, 6, 1)] + [
        Replica("ceel", 0.05, epochs, 1, {"schedule": "0,0.5"} | options)
        for options in ({}, {"weight": torch.tensor([0.2, 1.0, 3.0])})
        for epochs in (3, 6)
    ]
    results = run(given, arrays)
    assert [len(result.curves["test_ce"]) for result in results] == [2, 6, 1, 3, 6, 3, 6]
    assert results[0].curves["test_ce"] == results[1].curves["test_ce"][:2]
    for replica, result in zip(given, results, strict=True):
        assert_same(result, run([replica], arrays)[0])
    for short, long in (results[3:5], results[5:7]):
        assert short.curves["test_ce"][:2] == long.curves["test_ce"][:2]
        # Of three epochs the last is F = 0.5, of six it is not the third.
        assert short.curves["test_ce"][2] != long.curves["test_ce"][2]
    assert results[1].seconds > results[2].seconds > 0


def test_a_seed_decides_weights_and_order(arrays):
    def start(loss, seed, rate=0.0):
        (result,) = run([Replica(loss, rate, 2, seed)], arrays)
        return result.curves["test_ce"]

    assert start("ce", 0) == start("el", 0) != start("ce", 1)
    assert start("ce", 0)[0] == start("ce", 0)[1]
    assert start("ce", 0, 0.1) == start("ce", 0, 0.1) != start("ce", 1, 0.1)


def test_the_way_a_loss_was_differentiated_is_recorded(arrays):
    results = run([Replica("ce", 0.1, 1), Replica("gce", 0.1, 1), Replica("focal", 0.1, 1)], arrays)
    assert [result.gradient for result in results] == ["closed form", "torch.func", "closed form"]


def test_the_world_outside_is_left_as_it_was(arrays):
    threads = torch.get_num_threads()
    torch.rand(3)
    before = torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        run([Replica("ce", 0.1, 1)], arrays)
        assert torch.get_num_threads() == 2
        assert torch.is_grad_enabled()
        assert torch.equal(torch.get_rng_state(), before)
    finally:
        torch.set_num_threads(threads)


# --- selection ----------------------------------------------------------------------------------------------


def test_selection_and_ties():
    curve = [0.5, math.nan, 0.75, 0.25, 0.75, 0.5]
    assert select_epoch(curve, "first") == 2
    assert select_epoch(curve, "last") == 4
    assert select_epoch([], "first") is None
    assert select_epoch([math.nan], "last") is None
    with pytest.raises(ValueError, match="'first' or 'last'; got 'lowest'"):
        select_epoch(curve, "lowest")


@pytest.mark.parametrize("ties", ["first", "last"])
def test_each_replica_has_an_epoch_of_its_own(arrays, ties):
    results = run(
        [Replica("ce", rate, 15, seed) for rate in (0.01, 0.1) for seed in range(4)], arrays, ties=ties
    )
    for result in results:
        epoch = select_epoch(result.curves["validation_accuracy"], ties)
        assert result.selected_epoch == epoch
        for name in ("test_accuracy", "test_batch_accuracy"):
            assert result.selected(name) == result.curves[name][epoch]
    assert len({result.selected_epoch for result in results}) > 1
    # 19 test examples are batches of 8, 8 and 3: the two accuracies weigh the last ones differently.
    assert any(r.selected("test_accuracy") != r.selected("test_batch_accuracy") for r in results)


# --- stopped and continued ----------------------------------------------------------------------------------

GIVEN = [
    Replica("ce", 0.05, 4),
    Replica("focal", 0.05, 6, 1),
    Replica("ce", 1e38, 6),
    Replica("ceel", 0.05, 6, 0, {"schedule": "0-0.5"}),
    Replica("lgl_inr", 0.05, 6),
]


class Stop(Exception):
    pass


def stop_at(epoch):
    def on_epoch(done):
        if done == epoch:
            raise Stop

    return on_epoch


@pytest.fixture
def every_epoch(monkeypatch):
    """Save after each epoch instead of every 20 seconds."""
    monkeypatch.setattr(checkpoints, "SECONDS", -1.0)


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by one second every time it is asked."""

    class Clock:
        now = 0.0

        def monotonic(self):
            self.now += 1.0
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def assert_continued(results, whole):
    for result, expected in zip(results, whole, strict=True):
        assert (result.status, result.selected_epoch) == (expected.status, expected.selected_epoch)
        torch.testing.assert_close(result.curves, expected.curves, rtol=0, atol=0, equal_nan=True)


def test_stopped_again_and_again(arrays, tmp_path, every_epoch):
    whole, checkpoint = run(GIVEN, arrays), tmp_path / "deep" / "replicas.pt"
    for epoch in (2, 3, 5, 6):
        with pytest.raises(Stop):
            run(GIVEN, arrays, checkpoint=checkpoint, code="a", on_epoch=stop_at(epoch))
    seen = []
    results = run(GIVEN, arrays, checkpoint=checkpoint, code="a", on_epoch=seen.append)
    assert seen == [6], "five epochs had been saved"
    assert_continued(results, whole)
    # What was trained to the end is there, and a part of it: nothing is trained.
    again = run(GIVEN[1:3], arrays, checkpoint=checkpoint, code="a", on_epoch=stop_at(1))
    assert_continued(again, whole[1:3])
    assert [result.together for result in again] == [5, 5]


def test_a_deadline_stops_the_replicas_which_go_on_later(arrays, tmp_path, clock):
    whole, checkpoint = run(GIVEN, arrays), tmp_path / "replicas.pt"
    stops, seen = 0, []
    while True:
        begun = clock.now
        try:
            results = run(GIVEN, arrays, checkpoint=checkpoint, deadline=begun + 22, on_epoch=seen.append)
            break
        except OutOfTimeError:
            stops += 1
            assert clock.now - begun <= 24
            assert checkpoint.is_file()
            assert stops < 10
    assert stops >= 2
    assert seen == [1, 2, 3, 4, 5, 6], "no epoch was lost or made twice"
    assert_continued(results, whole)


def test_a_deadline_already_past_does_nothing(arrays, tmp_path):
    with pytest.raises(OutOfTimeError):
        run(GIVEN, arrays, checkpoint=tmp_path / "replicas.pt", deadline=-math.inf, on_epoch=stop_at(1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [{"code": "b"}, {"momentum": 0.5}, {"hidden": 5}, {"batch_size": 9}])
def test_a_checkpoint_of_something_else_is_not_continued(arrays, tmp_path, every_epoch, change):
    checkpoint, settings = tmp_path / "replicas.pt", {"code": "a"}
    with pytest.raises(Stop):
        run(GIVEN, arrays, checkpoint=checkpoint, on_epoch=stop_at(3), **settings)
    seen = []
    results = run(GIVEN, arrays, checkpoint=checkpoint, on_epoch=seen.append, **(settings | change))
    assert seen == [1, 2, 3, 4, 5, 6]
    assert_continued(results, run(GIVEN, arrays, **change))


def test_a_checkpoint_of_other_replicas_is_not_continued(arrays, tmp_path, every_epoch):
    checkpoint = tmp_path / "replicas.pt"
    with pytest.raises(Stop):
        run(GIVEN, arrays, checkpoint=checkpoint, on_epoch=stop_at(3))
    seen = []
    other = [*GIVEN[1:], Replica("el", 0.05, 6)]
    results = run(other, arrays, checkpoint=checkpoint, on_epoch=seen.append)
    assert seen == [1, 2, 3, 4, 5, 6]
    assert_continued(results, run(other, arrays))


# --- bad input ----------------------------------------------------------------------------------------------


def test_no_replicas_give_no_results(arrays):
    assert run([], arrays) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": -1}, "hidden must be a number of units, 0 for a linear classifier; got -1"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"momentum": 1.0}, "momentum must lie in 0 to below 1; got 1.0"),
        ({"ties": "any"}, "ties must be 'first' or 'last'; got 'any'"),
    ],
)
def test_bad_settings(arrays, change, message):
    with pytest.raises(ValueError, match=message):
        run([Replica("ce", 0.1, 1)], arrays, **change)


@pytest.mark.parametrize(
    ("replica", "message"),
    [
        (Replica("ce", -0.1, 1), "a learning rate must be finite and not negative; got -0.1"),
        (Replica("ce", math.nan, 1), "a learning rate must be finite and not negative; got nan"),
        (Replica("ce", 0.1, 0), "a replica needs at least one epoch; got 0"),
        (Replica("ceel", 0.1, 3, 0, {"schedule": "0-0.5"}), "needs at least as many epochs; got 3"),
    ],
)
def test_bad_replicas(arrays, replica, message):
    with pytest.raises(ValueError, match=message):
        run([replica], arrays)


def test_unknown_losses(arrays):
    with pytest.raises(UnknownNameError, match="did you mean 'focal'"):
        run([Replica("focl", 0.1, 1)], arrays)
    with pytest.raises(UnknownNameError, match="option of the loss 'focal' 'gama'"):
        run([Replica("focal", 0.1, 1, loss_options={"gama": 1.0})], arrays)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"num_classes": 1}, ValueError, "at least 2 classes; got 1"),
        ({"num_classes": 2}, ValueError, r"train labels must lie in 0\.\.1; found 2"),
        ({"test_labels": torch.full((19,), -1)}, ValueError, r"test labels must lie in 0\.\.2; found -1"),
        ({"test_labels": torch.zeros(19)}, TypeError, "test labels must be int64; got torch.float32"),
        (
            {"test_labels": torch.zeros(18, dtype=torch.long)},
            ValueError,
            r"test labels must have shape \[N\]",
        ),
        ({"test_inputs": torch.zeros(19, 4)}, ValueError, r"D as in training; got \[19, 4\] and \[45, 5\]"),
        ({"validation_inputs": torch.zeros(0, 5)}, ValueError, r"N at least 1 .* got \[0, 5\]"),
        ({"test_inputs": torch.zeros(19, 5).double()}, TypeError, "got torch.float64 and torch.float32"),
        ({"train_inputs": torch.zeros(45, 5).long()}, TypeError, "train inputs must be floating point"),
        ({"train_inputs": torch.full((45, 5), math.inf)}, ValueError, "train inputs must be finite"),
    ],
)
def test_bad_data(arrays, change, error, message):
    wrong = SplitArrays(**(vars(arrays) | change))
    with pytest.raises(error, match=message):
        run([Replica("ce", 0.1, 1)], wrong)
