"""What identifies a run, and resolving its names."""

import math
from dataclasses import fields, replace

import pytest
import torch

from lossbook import losses
from lossbook.errors import UnknownNameError
from lossbook.training import RunSpec, SettingError, augment, optim, plan_run

SPEC = RunSpec(
    dataset="digits",
    model="keras_mnist_cnn",
    loss="ce",
    optimizer="keras_adadelta",
    batch_size=32,
    epochs=2,
)
CHANGES = {
    "dataset": "mnist",
    "model": "keras_cifar10_cnn",
    "loss": "nllr",
    "optimizer": "keras_rmsprop",
    "batch_size": 33,
    "epochs": 3,
    "train_size": 100,
    "test_size": 100,
    "loss_options": {"reduction": "sum"},
    "optimizer_options": {"lr": 0.5},
    "augmentation": "keras_shift_flip",
    "validation_size": 10,
    "measures": "softmax",
    "epoch_measures": "balance_softmax",
    "class_shares": (1, 0.5),
    "class_weight": "inverse_frequency",
    "precision": "bfloat16",
    "redraw": 0.2,
    "text": {"name": "words", "longest": 9},
    "pixels": "standardised",
    "output_bias": "frequencies",
    "model_options": {"width": 3},
    "schedule": {"name": "steps", "at": [1]},
    "step": "complement",
    "accumulate": 2,
    "classes": 5,
    "unseen_classes": 3,
    "step_measures": "parts",
    "seed": 1,
}


def test_the_key_is_short_and_the_same_every_time():
    assert SPEC.key == replace(SPEC).key
    assert len(SPEC.key) == 16
    assert int(SPEC.key, 16) >= 0


def test_every_setting_changes_the_key():
    assert set(CHANGES) == {setting.name for setting in fields(RunSpec)}
    changed = [replace(SPEC, **{name: value}).key for name, value in CHANGES.items()]
    assert len({SPEC.key, *changed}) == len(CHANGES) + 1


def test_options_count_by_name_and_value_and_not_by_order():
    keys = {
        replace(SPEC, optimizer_options=options).key
        for options in ({"lr": 1.0}, {"lr": 2.0}, {"decay": 1.0}, {"lr": 1.0, "decay": 0.0})
    }
    assert len(keys) == 4
    one = replace(SPEC, optimizer_options={"lr": 1.0, "decay": 0.5})
    other = replace(SPEC, optimizer_options={"decay": 0.5, "lr": 1.0})
    assert one.key == other.key


def test_settings_at_their_defaults_do_not_count():
    said = replace(
        SPEC,
        train_size=None,
        test_size=None,
        loss_options={},
        optimizer_options={},
        augmentation="none",
        seed=0,
    )
    assert said.key == SPEC.key


def test_keys_of_records_already_written_stay_valid():
    """A setting added later with a default must leave this as it is."""
    assert SPEC.key == KEY


KEY = "7a180a78bd786e8d"


FIRST = {
    *("dataset", "model", "loss", "optimizer", "batch_size", "epochs", "train_size", "test_size"),
    *("loss_options", "optimizer_options", "augmentation", "seed"),
}
LATER = {name: value for name, value in CHANGES.items() if name not in FIRST}


def test_the_config_says_everything_but_the_seed():
    spec = replace(SPEC, **LATER, seed=7)
    assert set(spec.config) == {setting.name for setting in fields(RunSpec)} - {"seed"}
    assert RunSpec(**spec.config, seed=7) == spec


def test_the_config_of_a_record_from_before_later_settings_is_that_of_todays_run():
    assert not LATER.keys() & set(SPEC.config)
    assert RunSpec(**SPEC.config) == SPEC


def test_names_become_code():
    spec = replace(
        SPEC,
        loss="nllr",
        loss_options={"clip": 1e-7},
        optimizer="keras_rmsprop",
        augmentation="keras_shift_flip",
    )
    plan = plan_run(spec)
    assert plan.spec is spec
    assert isinstance(plan.loss, losses.NLLRLoss)
    assert plan.loss.clip == 1e-7
    assert plan.build_optimizer is optim.keras_rmsprop
    assert plan.augmentation is augment.keras_shift_flip
    assert plan.modules == (
        "lossbook.losses.softmax",
        "lossbook.models.keras2018",
        "lossbook.training.augment",
        "lossbook.training.images",
        "lossbook.training.loop",
        "lossbook.training.optim",
        "lossbook.training.selection",
        "lossbook.training.steps",
    )


def test_what_is_measured_and_weighted_is_code_too():
    plain = plan_run(SPEC).modules
    chosen = ("class_weight", "precision", "schedule", "epoch_measures", "step_measures", "measures")
    plan = plan_run(replace(SPEC, **{name: CHANGES[name] for name in chosen}))
    assert set(plan.modules) - set(plain) == {
        "lossbook.training.clock",
        "lossbook.training.imbalance",
        "lossbook.training.measures.balance",
        "lossbook.training.measures.parts",
        "lossbook.training.precision",
    }
    assert plan.measuring_modules == ("lossbook.training.measures.predictions",)


def test_the_hash_of_a_run_leaves_out_losses_and_networks_that_it_does_not_use():
    from lossbook.results.code import module_closure

    for name in plan_run(SPEC).modules:
        assert not name.startswith("lossbook.losses")
    assert "lossbook.losses.logistic" in module_closure(["lossbook.losses"])


@pytest.mark.parametrize(
    "setting", ["class_shares", "class_weight", "precision", "pixels", "measures", "epoch_measures"]
)
def test_a_table_is_taken_as_it_is(setting):
    spec = replace(SPEC, model="linear", optimizer="sgd", optimizer_options={"lr": 0.1})
    plan_run(spec)
    with pytest.raises(ValueError, match="takes the whole table"):
        plan_run(replace(spec, **{setting: CHANGES[setting]}))


@pytest.mark.parametrize("setting", ["epochs", "batch_size", "train_size", "test_size"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "2"])
def test_sizes_are_whole_numbers_from_1(setting, value):
    with pytest.raises(SettingError, match=f"{setting} must be a whole number from 1; got {value!r}"):
        plan_run(replace(SPEC, **{setting: value}))


def test_a_table_needs_a_learning_rate():
    with pytest.raises(SettingError, match="needs a learning rate"):
        plan_run(replace(SPEC, model="linear", optimizer="sgd"))


def test_a_loss_that_changes_by_epoch_needs_enough_epochs():
    ceel = replace(SPEC, loss="ceel", loss_options={"schedule": "0-0.5"}, epochs=5)
    with pytest.raises(SettingError, match="the loss 'ceel' cannot be trained so: .* epochs; got 5"):
        plan_run(ceel)
    plan_run(replace(ceel, epochs=6))


@pytest.mark.parametrize(
    ("change", "nearest"),
    [
        ({"model": "keras_mnist_cn"}, "keras_mnist_cnn"),
        ({"loss": "nlr"}, "nllr"),
        ({"optimizer": "keras_adadleta"}, "keras_adadelta"),
        ({"augmentation": "nonne"}, "none"),
        ({"loss": "nllr", "loss_options": {"clipp": 0.1}}, "clip"),
        ({"epoch_measures": "balance_sofmax"}, "balance_softmax"),
        ({"class_weight": "inverse_frequenzy"}, "inverse_frequency"),
        ({"precision": "bfloat61"}, "bfloat16"),
        ({"pixels": "standardized"}, "standardised"),
        ({"schedule": {"name": "cosin"}}, "cosine"),
        ({"step": "plane"}, "plain"),
        ({"step_measures": "part"}, "parts"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(change, nearest):
    with pytest.raises(UnknownNameError, match=f"did you mean '{nearest}'"):
        plan_run(replace(SPEC, **change))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": "complement", "accumulate": 2}, "does not accumulate"),
        ({"accumulate": 33}, "from 1 to the batch size; got 33"),
        ({"accumulate": 1.5}, "from 1 to the batch size; got 1.5"),
        ({"schedule": {"name": "steps", "at": [3, 2]}}, "must be positive and rise"),
        ({"schedule": {"name": "steps", "when": [3]}}, "cannot be made from"),
        ({"model": "mlp", "augmentation": "crop_flip"}, "takes features"),
        ({"model": "mean_embedding", "pixels": "standardised"}, "takes texts"),
        ({"model": "mean_embedding", "output_bias": 0.0}, "for networks of images and of feature vectors"),
        ({"output_bias": "frequency"}, "at a number, or at 'frequencies'; got 'frequency'"),
        ({"output_bias": math.inf}, "at a number, or at 'frequencies'; got inf"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        plan_run(replace(SPEC, **changes))


def test_a_network_for_other_data_is_refused(data):
    with pytest.raises(SettingError, match="'mlp' takes features, but toy holds images"):
        plan_run(replace(SPEC, model="mlp")).task(data)


@pytest.mark.parametrize(
    ("model", "in_shape"),
    [("reference_small", (3, 18, 18)), ("cifar_resnet20", (3, 32, 32)), ("mlp", (7,))],
)
def test_training_may_start_from_the_frequencies_of_the_classes(model, in_shape):
    networks = []
    for bias in (None, "frequencies"):
        torch.manual_seed(0)
        networks.append(plan_run(replace(SPEC, model=model, output_bias=bias)).build_model(in_shape, 5))
    plain, started = (dict(network.named_parameters()) for network in networks)
    moved = [name for name in plain if not torch.equal(plain[name], started[name])]
    (bias,) = [name for name in plain if name.endswith("bias")][-1:]
    assert moved == [bias], "the other weights are drawn as without it"
    # The features of a black image differ from those that are looked for by the biases alone.
    with torch.no_grad():
        plain[bias].zero_()
        inputs = torch.rand(3, *in_shape)
        first, second = (network.eval()(inputs) for network in networks)
    torch.testing.assert_close(second - first, torch.full((3, 5), -math.log(4)))
    chosen = plan_run(replace(SPEC, output_bias=1.5)).build_model((1, 28, 28), 10)
    assert chosen[-1].bias.tolist() == [1.5] * 10


def test_a_start_of_its_own_is_part_of_the_code_of_a_run():
    assert "lossbook.training.start" in plan_run(replace(SPEC, output_bias=0.0)).modules
    assert "lossbook.training.start" not in plan_run(SPEC).modules
