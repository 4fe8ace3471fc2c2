"""What defines a run, resolved to the code that trains it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor, nn

from lossbook import losses, models
from lossbook.errors import UnknownNameError
from lossbook.training import (
    augmentations,
    clock,
    imbalance,
    measures,
    optim,
    optimizers,
    precision,
    redraw,
    start,
    steps,
    texts,
)
from lossbook.training.clock import Schedule
from lossbook.training.complement import ComplementStep
from lossbook.training.controls import ScaledCELoss, WithoutLostCELoss
from lossbook.training.evaluation import Task
from lossbook.training.features import Features
from lossbook.training.images import SCALINGS, Images
from lossbook.training.replicas import Replica
from lossbook.training.spec import RunSpec, SettingError, names

if TYPE_CHECKING:
    from lossbook.datasets.data import Dataset

#: Losses for experiments alone.
_CONTROLS: dict[str, type[nn.Module]] = {"ce_scaled": ScaledCELoss, "ce_without_lost": WithoutLostCELoss}
#: Networks for tables: a linear classifier, and one hidden layer as wide as the input.
TABLE_NETWORKS = ("linear", "hidden")


class ScheduledLoss(Protocol):
    """A loss with a schedule of its own, such as :class:`lossbook.losses.CEELLoss` with one."""

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Take the settings of `epoch` (0-based) out of `epochs`."""


@dataclass(frozen=True)
class RunPlan:
    """A run with its names resolved to code.

    Attributes:
        spec: What defines the run.
        build_model: From the shape of an input and the number of classes to the network.
        loss: The loss module.
        build_optimizer: From parameters and options to the optimiser and a schedule of its learning rate.
        augmentation: From a batch of images and a generator to a batch.
        step: How a batch becomes an update.
        end_measures: What is measured of the trained network.
        epoch_measures: What is measured after every epoch besides the usual curves.
        step_measures: What is measured at every step.
        modules: The modules whose code decides the training.
        measuring_modules: Those of what is measured at the end.
    """

    spec: RunSpec
    build_model: Callable[[tuple[int, ...], int], nn.Module]
    loss: nn.Module
    build_optimizer: Callable[..., optim.Optimizer]
    augmentation: augmentations.Augmentation
    step: steps.Step
    end_measures: tuple[measures.Measure, ...]
    epoch_measures: tuple[measures.Measure, ...]
    step_measures: tuple[measures.StepMeasure, ...]
    modules: tuple[str, ...]
    measuring_modules: tuple[str, ...]

    def task(self, data: "Dataset") -> Task:
        """What turns the data into the network's inputs, fitted to the training part.

        Raises:
            SettingError: The network does not take data of this kind.
            ValueError: A channel of the images that cannot be standardised.
        """
        kind = models.takes(self.spec.model)
        if data.kind != kind:
            raise SettingError(
                f"the network {self.spec.model!r} takes {kind}, but {data.name} holds {data.kind}"
            )
        if kind == "images":
            return Images(data, pixels=self.spec.pixels, augmentation=self.augmentation)
        task: Task = texts.get(self.spec.text)(data) if kind == "texts" else Features(data)
        return task

    def fitted_loss(self, data: "Dataset") -> nn.Module:
        """The loss, with weights of the classes by their frequency in training where the run has them.

        Raises:
            ValueError: A class without an example.
        """
        spec = self.spec
        if spec.class_weight is None:
            return self.loss
        per_example = losses.get(spec.loss, **spec.loss_options, reduction="none")
        labels = data.parts["train"].targets.cpu()
        return imbalance.weighted_loss(per_example, spec.class_weight, labels, data.num_classes)

    def scheduled_loss(self, loss: nn.Module) -> ScheduledLoss | None:
        """The loss, or the one within it, that changes from epoch to epoch; None if nothing does."""
        return scheduled_part(loss)

    def optimizers(self, network: nn.Module) -> tuple[list[torch.optim.Optimizer], list[Schedule | None]]:
        """As many optimisers as the step asks for, each with the schedule of its learning rate."""
        made: list[torch.optim.Optimizer] = []
        schedules: list[Schedule | None] = []
        for _ in range(self.step.optimizers):
            optimizer, schedule = self.build_optimizer(network.parameters(), **self.spec.optimizer_options)
            if self.spec.schedule is not None:
                schedule = clock.get(self.spec.schedule, optimizer.param_groups[0]["lr"])
            made.append(optimizer)
            schedules.append(schedule)
        return made, schedules

    def forward(self, network: nn.Module, device: torch.device) -> Callable[..., Tensor]:
        """The network as it is called, in the run's number format."""
        return precision.forward(network, self.spec.precision, device)


@dataclass(frozen=True)
class ReplicaPlan:
    """A run on a table, which is trained together with others that share the table and the network.

    Attributes:
        spec: What defines the run.
        replica: What it does not share with the others.
        momentum: Of SGD.
        modules: As for :class:`RunPlan`.
    """

    spec: RunSpec
    replica: Replica
    momentum: float
    modules: tuple[str, ...]
    measuring_modules: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """The same for runs that can be trained as one batched program."""
        spec = self.spec
        shared = (spec.dataset, spec.model, spec.batch_size, self.momentum)
        return hashlib.sha256(repr(shared).encode()).hexdigest()[:16]

    def hidden(self, num_features: int) -> int:
        """Number of hidden units for a table with this many features; 0 for a linear classifier."""
        return num_features if self.spec.model == "hidden" else 0


def plan_run(spec: RunSpec) -> RunPlan | ReplicaPlan:
    """Resolve the names of a run.

    Raises:
        UnknownNameError: An unknown network, loss, option, optimiser, measure or augmentation.
        SettingError: A number out of its range, or a setting that the network cannot be trained with.
    """
    for name in ("epochs", "batch_size", "train_size", "test_size"):
        value = getattr(spec, name)
        if value is None and name.endswith("_size") and name != "batch_size":
            continue
        if not isinstance(value, int) or value < 1:
            raise SettingError(f"{name} must be a whole number from 1; got {value!r}")
    return _plan_replica(spec) if spec.model in TABLE_NETWORKS else _plan_network(spec)


def scheduled_part(loss: nn.Module) -> ScheduledLoss | None:
    """The loss, or the one within it, that changes from epoch to epoch; None if nothing does."""
    for part in loss.modules():
        if hasattr(part, "set_epoch") and getattr(part, "schedule", part) is not None:
            return cast(ScheduledLoss, part)
    return None


def _plan_network(spec: RunSpec) -> RunPlan:
    build = models.builder(spec.model)
    loss = _loss(spec)
    optimizer = optimizers.get(spec.optimizer)
    scheduled = scheduled_part(loss)
    if scheduled is not None:
        try:
            scheduled.set_epoch(0, spec.epochs)
        except ValueError as error:
            raise SettingError(f"the loss {spec.loss!r} cannot be trained so: {error}") from error
    augmentation = augmentations.get(spec.augmentation)
    kind = models.takes(spec.model)
    if kind != "images" and (spec.augmentation != "none" or spec.pixels is not None):
        raise SettingError(f"augmentation and pixels are for images; the network {spec.model!r} takes {kind}")
    if kind != "texts" and spec.text is not None:
        raise SettingError(f"text says how texts are read; the network {spec.model!r} takes {kind}")
    if spec.redraw is not None and not 0 < spec.redraw < 1:
        raise SettingError(f"redraw must be a share of the examples, between 0 and 1; got {spec.redraw!r}")
    _check_choice("class weight", spec.class_weight, imbalance.WEIGHTINGS)
    _check_choice("scaling of pixels", spec.pixels, SCALINGS)
    _check_choice("precision", spec.precision, precision.FORMATS)
    if spec.output_bias is not None:
        if kind == "texts":
            raise SettingError("output_bias is for networks of images and of feature vectors")
        try:
            start.output_bias(spec.output_bias, 2)
        except ValueError as error:
            raise SettingError(str(error)) from error
    if spec.schedule is not None:
        clock.get(spec.schedule, 1.0)
    step = _step(spec)
    at_end = [measures.get(name) for name in names(spec.measures)]
    by_epoch = [measures.get(name) for name in names(spec.epoch_measures)]
    by_step = [measures.get_step(name) for name in names(spec.step_measures)]
    options = spec.model_options

    def build_model(in_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        network: nn.Module = build(in_shape, num_classes, **options)
        if spec.output_bias is not None:
            logit = start.output_bias(spec.output_bias, num_classes)
            start.set_output_bias(network, in_shape, logit)
        return network

    used: list[Any] = [
        build,
        type(loss),
        optimizer,
        augmentation,
        type(step),
        {"images": Images, "features": Features}[kind] if kind != "texts" else texts.task_class(spec.text),
        *by_epoch,
        *by_step,
    ]
    used += [redraw.redraw] if spec.redraw is not None else []
    used += [imbalance.weighted_loss] if spec.class_weight is not None else []
    used += [precision.forward] if spec.precision is not None else []
    used += [start.set_output_bias] if spec.output_bias is not None else []
    used += [clock.get] if spec.schedule is not None else []
    return RunPlan(
        spec,
        build_model,
        loss,
        optimizer,
        augmentation,
        step,
        tuple(at_end),
        tuple(by_epoch),
        tuple(by_step),
        modules_of(used, "lossbook.training.loop", "lossbook.training.selection"),
        modules_of(at_end),
    )


def _loss(spec: RunSpec) -> nn.Module:
    if spec.loss in _CONTROLS:
        return _CONTROLS[spec.loss](**spec.loss_options)
    return losses.get(spec.loss, **spec.loss_options)


def _step(spec: RunSpec) -> steps.Step:
    if spec.step not in (None, "plain", "complement"):
        raise UnknownNameError("step", spec.step, ("plain", "complement"))
    if spec.accumulate is not None:
        if spec.step == "complement":
            raise SettingError("a complement step does not accumulate gradients; leave accumulate out")
        if not isinstance(spec.accumulate, int) or not 1 <= spec.accumulate <= spec.batch_size:
            raise SettingError(
                f"accumulate must be a number of parts, from 1 to the batch size; got {spec.accumulate!r}"
            )
        return steps.AccumulatedStep(spec.accumulate)
    return ComplementStep() if spec.step == "complement" else steps.PlainStep()


def modules_of(used: Sequence[Any], *more: str) -> tuple[str, ...]:
    """The package's modules that some functions and classes are defined in, and more by name; sorted."""
    found = {part.__module__ for part in used if part.__module__.partition(".")[0] == "lossbook"}
    return tuple(sorted({*found, *more}))


def _check_choice(what: str, name: str | None, choices: Sequence[str]) -> None:
    if name is not None and name not in choices:
        raise UnknownNameError(what, name, choices)


def _plan_replica(spec: RunSpec) -> ReplicaPlan:
    losses.get(spec.loss, **spec.loss_options)
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
    takes = {"loss_options", "optimizer_options"}
    others = RunSpec(spec.dataset, spec.model, spec.loss, spec.optimizer, spec.batch_size, spec.epochs)
    for name, value in spec.config.items():
        if name not in takes and value != others.config.get(name):
            raise SettingError(
                f"a run on a table takes the whole table as it is, with nothing but a loss, an optimiser, a "
                f"batch size and a number of epochs; got {name} {value!r}"
            )
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
        ("lossbook.datasets.tables", "lossbook.datasets.uci121", "lossbook.training.replicas"),
    )
