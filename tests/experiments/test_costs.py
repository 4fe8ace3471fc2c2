"""Costs come from records, scaled by the work of a run; nothing is timed."""

from dataclasses import replace

import pytest

from lossbook import experiments
from lossbook.experiments import costs, progress
from lossbook.experiments.costs import Estimator, operations, run_sizes, spent
from lossbook.results import Store
from lossbook.training import RunSpec

BASE = {"optimizer": "sgd", "batch_size": 64, "epochs": 2, "optimizer_options": {"lr": 0.1, "momentum": 0.9}}
SPEC = RunSpec(dataset="mnist", model="li2020_cnn2c", loss="ce", **BASE)


def record_of(make_record, spec, seconds, experiment="li2020/table3", key="", profile="paper", **provenance):
    train, test = run_sizes(spec)
    made = make_record(
        0.9,
        config=spec.config,
        profile=profile,
        train_size=train,
        test_size=test,
        seconds=seconds,
        **provenance,
    )
    return replace(made, key=key or spec.key, experiment=experiment, labels={"epochs": spec.epochs})


@pytest.fixture
def estimator(store, monkeypatch):
    """From records of li2020's and yao2018's experiments, where nothing may be timed."""

    def refuse(*_):
        raise AssertionError("a network was timed")

    monkeypatch.setattr(progress, "estimate_seconds", refuse)
    return Estimator(store, [experiments.get(name) for name in ("li2020/table3", "yao2018/table1")])


def test_what_recorded_runs_took(make_record):
    records = [
        record_of(make_record, SPEC, 60.0, threads=1, device_name="A machine"),
        record_of(make_record, replace(SPEC, seed=1), 120.0, threads=2, device_name="A machine"),
    ]
    found = spent([*records, *records])
    assert (found.runs, found.seconds) == (2, 180.0)
    assert str(found) == "2 runs, 3 min in all, 2 min each, on 1 thread of A machine, 2 threads of A machine"
    assert str(spent(records[:1])) == "1 run, 60 s, on 1 thread of A machine"
    assert str(spent([])) == "no runs"


def test_an_estimate_is_the_median_of_the_same_network_scaled_by_images(estimator, store, make_record):
    for seed, seconds in enumerate((50.0, 100.0, 900.0)):
        store.append(record_of(make_record, replace(SPEC, seed=seed), seconds))
    assert estimator(SPEC).seconds == pytest.approx(100)
    assert estimator(replace(SPEC, epochs=20)).seconds == pytest.approx(1000)
    # As many images of the same shape from another data set; the batch changes steps, not images.
    assert estimator(replace(SPEC, dataset="kmnist", batch_size=128)).seconds == pytest.approx(100)
    part = estimator(replace(SPEC, train_size=6000))
    assert part.seconds == pytest.approx(100 * (6000 + 10_000 / 3) / (60_000 + 10_000 / 3))
    assert part.basis == "same network"


def test_runs_that_broke_down_tell_nothing(estimator, store, make_record):
    store.append(record_of(make_record, SPEC, 100.0))
    store.append(replace(record_of(make_record, replace(SPEC, seed=1), 1.0), status="diverged"))
    assert estimator(SPEC).seconds == pytest.approx(100)


def test_another_network_is_scaled_by_its_operations(estimator, store, make_record):
    store.append(record_of(make_record, SPEC, 100.0))
    other = replace(SPEC, model="li2020_cnn5c")
    found = estimator(other)
    ratio = operations("li2020_cnn5c", "mnist") / operations("li2020_cnn2c", "mnist")
    assert found.basis == "operations"
    assert found.seconds == pytest.approx(100 * ratio)


def test_a_trial_tells_nothing_of_another_network(estimator, store, make_record):
    store.append(record_of(make_record, SPEC, 100.0))
    tiny = replace(SPEC, dataset="digits", train_size=128, test_size=50)
    store.append(record_of(make_record, tiny, 60.0, profile="smoke"))
    ratio = operations("li2020_cnn5c", "mnist") / operations("li2020_cnn2c", "mnist")
    assert estimator(replace(SPEC, model="li2020_cnn5c")).seconds == pytest.approx(100 * ratio)


def test_without_any_record_a_stated_rate_serves(estimator):
    found = estimator(SPEC)
    images = 2 * (60_000 + 10_000 / 3)
    assert found.seconds == pytest.approx(3 * operations("li2020_cnn2c", "mnist") * images / costs.OPERATIONS)


def test_every_declared_run_has_an_estimate(tmp_path):
    declared = [experiments.get(name) for name in experiments.names()]
    estimate = Estimator(Store(working=tmp_path, published=tmp_path), declared)
    cells = [cell for each in declared for profile in each.profiles.values() for cell in profile.cells]
    kinds = {(cell.spec.dataset, cell.spec.model): cell.spec for cell in cells}
    assert len(kinds) > 100
    assert all(0 < estimate(spec).seconds < 1e9 for spec in kinds.values())


def test_operations_of_a_network():
    # Table 2 of li2020, CNN2C on 28x28: two convolutions of 5x5 and 800-10, two operations per product.
    products = 24 * 24 * 20 * 25 + 8 * 8 * 50 * 20 * 25 + 800 * 10
    assert operations("li2020_cnn2c", "mnist") == 2 * products


def test_a_run_that_is_measured_on_validation_images():
    spec = RunSpec(dataset="cifar10", model="reference_small", loss="ce", validation_size=5000, **BASE)
    assert run_sizes(spec) == (45_000, 5000)
    assert run_sizes(replace(spec, train_size=512, test_size=500)) == (512, 500)


def test_a_part_of_the_classes_has_a_part_of_the_images():
    spec = replace(SPEC, dataset="cifar100", model="reference_small")
    assert run_sizes(replace(spec, classes=20)) == (10_000, 2000)
    assert run_sizes(replace(spec, classes=20, validation_size=1000, train_size=9500)) == (9000, 1000)
    # Of classes held out the test images are retrieved, the training images of the others are trained on.
    assert run_sizes(replace(spec, unseen_classes=20)) == (40_000, 2000)


def test_tables_cost_by_their_own_network(store, make_record):
    estimator = Estimator(store, [experiments.get("battash2021/table4")])
    spec = RunSpec(dataset="sklearn/iris", model="linear", loss="ce", **BASE | {"batch_size": 8})
    assert estimator(spec).seconds == pytest.approx(2 * 10 * costs.TABLE_STEP)
    estimator = Estimator(store, [experiments.get("battash2021/table4")])
    store.append(record_of(make_record, spec, 3.0, experiment="battash2021/table4"))
    assert estimator(replace(spec, epochs=6)).seconds == pytest.approx(9.0)
    assert estimator(replace(spec, model="hidden")).basis == "operations"


def test_a_large_table_that_copies_may_lack_does_not_count_as_a_small_one(monkeypatch, tmp_path):
    monkeypatch.setenv("LOSSBOOK_DATA", str(tmp_path))
    costs.table_shape.cache_clear()
    spec = RunSpec(dataset="uci121/miniboone", model="linear", loss="ce", **BASE | {"batch_size": 8})
    assert run_sizes(spec) == (65_032, 65_032)
    costs.table_shape.cache_clear()


def test_pending_runs_are_priced_from_records(estimator, store, make_record):
    declared = experiments.get("li2020/table3").profiles["paper"].cells
    cell = next(c for c in declared if c.labels["network"] == "cnn2c" and c.labels["dataset"] == "mnist")
    store.append(replace(record_of(make_record, cell.spec, 500.0), profile="paper"))
    found = experiments.pending("paper", "li2020/table3", store=store)
    same = next(p for p in found if p.labels == dict(cell.labels))
    assert same.count == 4
    assert same.seconds == pytest.approx(4 * 500)
