"""The declared experiments: what the papers say, and that every name in them resolves."""

import pytest

from lossbook import datasets, experiments
from lossbook.errors import UnknownNameError
from lossbook.experiments.progress import duration
from lossbook.training import plan_run


@pytest.mark.parametrize("name", experiments.names())
def test_every_cell_resolves_and_no_two_runs_are_the_same(name):
    experiment = experiments.get(name)
    assert {"smoke", "quick"} <= experiment.profiles.keys()
    # What compares the papers, and what no paper asks in this form, has no paper's protocol.
    own = name.startswith("synthesis/") or name in ("dong2019/classes", "battash2021/gradient_norm_reviews")
    assert ("paper" in experiment.profiles) == (not own)
    for profile in experiment.profiles.values():
        runs = profile.runs()
        assert len({spec.key for _, spec in runs}) == len(runs)
        for _, spec in runs:
            plan_run(spec)


@pytest.mark.parametrize("name", experiments.names())
def test_smoke_needs_embedded_data_only(name):
    cells = experiments.get(name).profiles["smoke"].cells
    for dataset in _datasets(cells):
        assert dataset.startswith("sklearn/") or datasets.info(dataset).format in ("sklearn", "made_up"), (
            dataset
        )


def _datasets(cells):
    return {cell.spec.dataset for cell in cells}


def test_yao2018_table1_at_paper_scale_is_the_papers_protocol():
    profile = experiments.get("yao2018/table1").profiles["paper"]
    specs = {
        (cell.labels["dataset"], cell.labels["loss"], cell.labels["epochs"]): cell.spec
        for cell in profile.cells
    }
    for dataset in ("mnist", "cifar10"):
        clipped = ("nllr_clipped", 500)
        for loss, epochs in (("ce", 100), ("bce", 100), ("nllr", 500), ("ce", 500), ("bce", 500), clipped):
            spec = specs.pop((dataset, loss, epochs))
            name, options = ("nllr", {"clip": 1e-7}) if loss == "nllr_clipped" else (loss, {})
            assert (spec.dataset, spec.loss, spec.epochs) == (dataset, name, epochs)
            assert spec.loss_options == options
            assert spec.train_size is None
            assert spec.test_size is None
            assert spec.batch_size == {"mnist": 128, "cifar10": 32}[dataset]
            assert spec.augmentation == {"mnist": "none", "cifar10": "keras_shift_flip"}[dataset]
            assert spec.optimizer == {"mnist": "keras_adadelta", "cifar10": "keras_rmsprop"}[dataset]
    assert not specs
    assert profile.seeds >= 3
    assert not profile.embedded_fallback


def test_keras12_is_all_of_mnist_for_twelve_epochs_with_three_seeds():
    profile = experiments.get("yao2018/table1").profiles["keras12"]
    assert profile.seeds == 3
    assert {cell.labels["loss"] for cell in profile.cells} == {"ce", "bce", "nllr", "nllr_clipped"}
    for cell in profile.cells:
        assert (cell.spec.dataset, cell.spec.epochs, cell.spec.train_size) == ("mnist", 12, None)


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="did you mean 'yao2018/table1'"):
        experiments.get("yao2018/tabel1")
    with pytest.raises(UnknownNameError, match="did you mean 'paper'"):
        experiments.pending("papper")


@pytest.mark.parametrize(
    ("seconds", "text"), [(3, "3 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h"), (3 * 86400, "3.0 days")]
)
def test_durations_in_words(seconds, text):
    assert duration(seconds) == text


def test_battash2021_table4_at_paper_scale_is_the_papers_protocol():
    experiment = experiments.get("battash2021/table4")
    profile = experiment.profiles["paper"]
    assert profile.seeds == 2
    assert len(profile.cells) == 121 * 2 * 6 * 3
    assert len(_datasets(profile.cells)) == 121
    methods = {}
    for cell in profile.cells:
        spec = cell.spec
        assert (spec.batch_size, spec.epochs, spec.optimizer) == (8, 50, "sgd")
        assert spec.dataset == f"uci121/{cell.labels['dataset']}"
        assert spec.optimizer_options == {"lr": cell.labels["learning_rate"], "momentum": 0.9}
        assert spec.model == cell.labels["classifier"]
        methods.setdefault((cell.labels["loss"], cell.labels["schedule"]), set()).add(
            (spec.loss, *sorted(spec.loss_options.items()))
        )
    assert methods == {
        ("ce", ""): {("ce",)},
        ("ceel", "0"): {("ceel", ("schedule", "0"))},
        ("ceel", "0,0.5"): {("ceel", ("schedule", "0,0.5"))},
        ("ceel", "0-0.5"): {("ceel", ("schedule", "0-0.5"))},
        ("el", ""): {("el",)},
        ("focal", ""): {("focal", ("alpha", 0.25), ("gamma", 2.0))},
    }
    assert {cell.labels["learning_rate"] for cell in profile.cells} == {0.01, 0.005, 0.001}
    quick = _datasets(experiment.profiles["quick"].cells)
    assert quick < _datasets(profile.cells)
    assert len(quick) == 23


def test_the_losses_of_the_four_papers_differ_in_loss_and_learning_rate_alone():
    cells = experiments.get("synthesis/head_to_head").profiles["rates"].cells
    others = set()
    for cell in cells:
        config = cell.spec.config
        assert config["optimizer_options"].pop("lr") == cell.labels["lr"]
        del config["loss"], config["loss_options"]
        others.add(str(config))
    assert len(others) == 1
    assert {cell.spec.loss for cell in cells} == {"ce", "nllr", "ceel", "lr", "ss_lr", "lgl_inr"}
    # The best of a loss could be told from one at the end of its grid only if there are three at least.
    for loss in {cell.labels["loss"] for cell in cells}:
        assert sum(cell.labels["loss"] == loss for cell in cells) >= 3
    assert {cell.spec.validation_size for cell in cells} == {5000}, "the test images are left alone"
