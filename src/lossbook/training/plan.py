"""What defines a run, and the code it resolves to."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

from torch import nn

from lossbook import losses, models
from lossbook.errors import LossbookError, UnknownNameError
from lossbook.training import augment, imbalance, loss_schedule, measures, optim, pixels, precision
from lossbook.training.batched_losses import has_closed_form
from lossbook.training.replicas import Replica

if TYPE_CHECKING:
    from lossbook.training.engine import Arrays

#: Networks for tables: a linear classifier, and one hidden layer as wide as the input.
TABLE_NETWORKS = ("linear", "hidden")


_LATER_SETTINGS = (
    "validation_size",
    "measures",
    "epoch_measures",
    "class_shares",
    "class_weight",
    "precision",
    "pixels",
)


class SettingError(LossbookError, ValueError):
    """Settings of a run that cannot be trained with."""


@dataclass(frozen=True)
class RunSpec:
    """Everything that defines a run, as plain values.

    Attributes:
        dataset: Name of the data set.
        model: Name of the network.
        loss: Name of the loss.
        optimizer: Name of the optimiser.
        batch_size: Examples a step; the last batch of an epoch may be smaller.
        epochs: Number of passes over the training data.
        train_size: Number of training examples, evenly spaced over the set; None for all.
        test_size: Number of test examples, likewise.
        loss_options: Arguments of the loss.
        optimizer_options: Arguments of the optimiser.
        augmentation: Name of the augmentation.
        validation_size: Train on all but so many of the training examples, evenly spaced, and measure on
            those: to choose a setting without the test examples. None for none.
        measures: Name of what is measured once, at the end; None for nothing.
        epoch_measures: Name of what is measured after every epoch besides the usual curves; None for nothing.
        class_shares: Size of each class in training relative to the largest, which has as many examples as
            ``train_size`` or the data allow; None for the classes as they are.
        class_weight: How examples are weighed by the frequency of their class, one of
            :data:`lossbook.training.imbalance.WEIGHTINGS`; None for all alike.
        precision: Number format of the network's products, one of
            :data:`lossbook.training.precision.FORMATS`; None for float32.
        pixels: How pixels are scaled, one of :data:`lossbook.training.pixels.SCALINGS`; None for 0 to 1.
        seed: Seeds the weights, the order of the data, dropout and augmentation. Two runs that differ in the
            loss alone start from the same weights and see the same batches.
    """

    dataset: str
    model: str
    loss: str
    optimizer: str
    batch_size: int
    epochs: int
    train_size: int | None = None
    test_size: int | None = None
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    optimizer_options: Mapping[str, Any] = field(default_factory=dict)
    augmentation: str = "none"
    validation_size: int | None = None
    measures: str | None = None
    epoch_measures: str | None = None
    class_shares: Sequence[float] | None = None
    class_weight: str | None = None
    precision: str | None = None
    pixels: str | None = None
    seed: int = 0

    @property
    def config(self) -> dict[str, Any]:
        """The settings as plain values, without the seed."""
        content = asdict(self)
        del content["seed"]
        # As for the key: left out where a record from before these settings has none.
        return {k: v for k, v in content.items() if k not in _LATER_SETTINGS or v is not None}

    @property
    def key(self) -> str:
        """16 hexadecimal digits that identify the run."""
        # Settings at their defaults do not count, so a setting added later leaves old keys as they are.
        said = {
            setting.name: value
            for setting in fields(self)
            if (value := getattr(self, setting.name)) != _default(setting)
        }
        text = json.dumps(said | {"seed": self.seed}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _default(setting: Field[Any]) -> Any:
    return setting.default if setting.default_factory is MISSING else setting.default_factory()


@dataclass(frozen=True)
class RunPlan:
    """A run with its names resolved to code.

    Attributes:
        spec: What defines the run.
        build_model: From input shape ``(C, H, W)`` and number of classes to the network.
        loss: The loss module.
        build_optimizer: From parameters to optimiser and learning-rate schedule.
        augmentation: From a batch and a generator to a batch.
        entry_points: The definitions whose code decides the result, for the record's code hash.
        measure: What is measured at the end besides, from network and examples to named values.
        epoch_measure: What is measured after every epoch besides, likewise.
    """

    spec: RunSpec
    build_model: Callable[[tuple[int, int, int], int], nn.Module]
    loss: nn.Module
    build_optimizer: Callable[..., optim.Optimizer]
    augmentation: augment.Augmentation
    entry_points: tuple[str, ...]
    measure: measures.Measure | None = None
    epoch_measure: measures.Measure | None = None

    def fitted(self, arrays: "Arrays") -> Self:
        """The plan with what follows from the training examples, without which some cannot be trained.

        These are the weights of classes by their frequency, the scaling of pixels, and the number of steps an
        epoch has, where a loss changes from one to the next. Other plans are returned as they are.

        Args:
            arrays: The examples.

        Raises:
            ValueError: A class without an example to be weighed, or a channel that cannot be standardised.
        """
        if self.build_optimizer is not _unfitted:
            return self
        spec, loss, build = self.spec, self.loss, self.build_model
        if spec.class_weight is not None:
            each = losses.get(spec.loss, **spec.loss_options, reduction="none")
            labels = arrays.train_labels.cpu()
            loss = imbalance.weighted_loss(each, spec.class_weight, labels, arrays.num_classes)
        if spec.pixels is not None:
            build = pixels.standardised(build, arrays.train_images)
        build_optimizer = optim.get(spec.optimizer)
        scheduled = loss_schedule.scheduled_part(loss)
        if scheduled is not None:
            build_optimizer = loss_schedule.follow_epochs(
                scheduled,
                build_optimizer,
                epochs=spec.epochs,
                steps_per_epoch=-(-len(arrays.train_labels) // spec.batch_size),
            )
        return replace(self, loss=loss, build_model=build, build_optimizer=build_optimizer)


@dataclass(frozen=True)
class ReplicaPlan:
    """A run on a table, which is trained together with others that share the table and the network.

    Attributes:
        spec: What defines the run.
        replica: What it does not share with the others.
        momentum: Of SGD.
        entry_points: As for :class:`RunPlan`.
    """

    spec: RunSpec
    replica: Replica
    momentum: float
    entry_points: tuple[str, ...]

    @property
    def group(self) -> str:
        """The same for runs that can be trained as one batched program."""
        spec = self.spec
        shared = (spec.dataset, spec.model, spec.batch_size, self.momentum)
        return hashlib.sha256(repr(shared).encode()).hexdigest()[:16]

    def hidden(self, num_features: int) -> int:
        """Number of hidden units for a table with so many features; 0 for a linear classifier."""
        return num_features if self.spec.model == "hidden" else 0


def plan_run(spec: RunSpec) -> RunPlan | ReplicaPlan:
    """Resolve the names of a run.

    Raises:
        UnknownNameError: A model, loss, option, optimiser or augmentation there is not.
        SettingError: A number out of its range, or a setting that the network cannot be trained with.
    """
    for name in ("epochs", "batch_size", "train_size", "test_size"):
        value = getattr(spec, name)
        if value is None and name.endswith("_size") and name != "batch_size":
            continue
        if not isinstance(value, int) or value < 1:
            raise SettingError(f"{name} must be a whole number from 1; got {value!r}")
    return _plan_replica(spec) if spec.model in TABLE_NETWORKS else _plan_images(spec)


def _plan_images(spec: RunSpec) -> RunPlan:
    model = models.builder(spec.model)
    loss = losses.get(spec.loss, **spec.loss_options)
    optimizer = optim.get(spec.optimizer)
    scheduled = loss_schedule.scheduled_part(loss)
    if scheduled is not None:
        try:
            scheduled.set_epoch(0, spec.epochs)
        except ValueError as error:
            raise SettingError(f"the loss {spec.loss!r} cannot be trained so: {error}") from error
    augmentation = augment.get(spec.augmentation)
    measure = measures.get(spec.measures) if spec.measures is not None else None
    epoch_measure = measures.get(spec.epoch_measures) if spec.epoch_measures is not None else None
    used: list[Any] = [model, type(loss), optimizer, augmentation]
    used += [each for each in (measure, epoch_measure) if each is not None]
    if scheduled is not None:
        used.append(loss_schedule.follow_epochs)
    if spec.class_shares is not None:
        used.append(imbalance.class_rows)
    if spec.class_weight is not None:
        if spec.class_weight not in imbalance.WEIGHTINGS:
            raise UnknownNameError("class weight", spec.class_weight, imbalance.WEIGHTINGS)
        used.append(imbalance.weighted_loss)
    if spec.pixels is not None:
        if spec.pixels not in pixels.SCALINGS:
            raise UnknownNameError("scaling of pixels", spec.pixels, pixels.SCALINGS)
        used.append(pixels.standardised)
    build = model
    if spec.precision is not None:
        if spec.precision not in precision.FORMATS:
            raise UnknownNameError("precision", spec.precision, precision.FORMATS)
        build = precision.mixed(model, spec.precision)
        used.append(precision.mixed)
    needs_data = scheduled is not None or spec.class_weight is not None or spec.pixels is not None
    return RunPlan(
        spec,
        build,
        loss,
        _unfitted if needs_data else optimizer,
        augmentation,
        ("lossbook.training.engine:train", *(f"{part.__module__}:{part.__qualname__}" for part in used)),
        measure,
        epoch_measure,
    )


def _unfitted(*_: Any, **__: Any) -> optim.Optimizer:
    raise SettingError(
        "this plan rests on the training examples (class weights, scaled pixels, or a loss that changes from "
        "epoch to epoch); train plan.fitted(arrays) instead"
    )


def _plan_replica(spec: RunSpec) -> ReplicaPlan:
    loss = losses.get(spec.loss, **spec.loss_options)
    if spec.optimizer != "sgd":
        raise SettingError(f"the network {spec.model!r} is trained with 'sgd'; got {spec.optimizer!r}")
    options = {"lr", "momentum"}
    for option in spec.optimizer_options:
        if option not in options:
            raise UnknownNameError("option of the optimizer 'sgd'", option, sorted(options))
    if "lr" not in spec.optimizer_options:
        raise SettingError(
            f"the network {spec.model!r} needs a learning rate, optimizer_options={{'lr': ...}}"
        )
    whole = ("train_size", "test_size", "validation_size", "class_shares", "class_weight")
    if spec.augmentation != "none" or any(
        getattr(spec, name) is not None
        for name in (*whole, "precision", "pixels", "measures", "epoch_measures")
    ):
        raise SettingError(
            "a run on a table takes the whole table as it is, without augmentation, class weights, mixed "
            "precision, scaled pixels or further measures"
        )
    # In closed form nothing of a loss's own code is run but its schedule.
    used = getattr(loss, "schedule", None) if has_closed_form(loss) else loss
    used_code = () if used is None else (f"{type(used).__module__}:{type(used).__qualname__}",)
    replica = Replica(
        spec.loss,
        float(spec.optimizer_options["lr"]),
        spec.epochs,
        spec.seed,
        dict(spec.loss_options),
    )
    return ReplicaPlan(
        spec,
        replica,
        float(spec.optimizer_options.get("momentum", 0.0)),
        (
            "lossbook.datasets.tables:load_table",
            "lossbook.datasets.uci121:split",
            "lossbook.training.replicas:train_replicas",
            *used_code,
        ),
    )
