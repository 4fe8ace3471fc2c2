"""What defines a run, as plain values."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from typing import Any

from lossbook.errors import LossbookError

# What a record states even where it is the default; records from before the other settings were there stay as
# they are.
_ALWAYS = (
    *("dataset", "model", "loss", "optimizer", "batch_size", "epochs", "train_size", "test_size"),
    *("loss_options", "optimizer_options", "augmentation"),
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
        batch_size: Examples per step; the last batch of an epoch may be smaller.
        epochs: Number of passes over the training data.
        train_size: Number of training examples, evenly spaced over the set; None for all.
        test_size: Number of test examples, likewise.
        loss_options: Arguments of the loss.
        optimizer_options: Arguments of the optimiser.
        model_options: Arguments of the network.
        augmentation: Name of the augmentation.
        schedule: Schedule of the learning rate, in epochs; see :func:`lossbook.training.clock.get`. None for
            a constant one, or the optimiser's own.
        step: ``plain``, or ``complement`` for a second pass on the complement entropy; None is plain.
        accumulate: Number of parts of a batch whose gradients are added up; None for one.
        validation_size: Train on all but this many of the training examples, evenly spaced, and measure on
            those: to choose a setting without the test examples. None for none.
        classes: Train and test on this many of the classes, evenly spaced; None for all.
        unseen_classes: Leave this many classes, evenly spaced, out of training, to be retrieved: their test
            examples are the part ``evaluation``. None for none.
        measures: What is measured once, at the end: a name or several; None for nothing.
        epoch_measures: What is measured after every epoch besides the usual curves, likewise.
        step_measures: What is measured at every step, likewise.
        class_shares: Size of each class in training relative to the largest, which has as many examples as
            ``train_size`` or the data allow; None for the classes as they are.
        class_weight: How examples are weighted by the frequency of their class, one of
            :data:`lossbook.training.imbalance.WEIGHTINGS`; None for all alike.
        precision: Number format of the network's products, one of
            :data:`lossbook.training.precision.FORMATS`; None for float32.
        output_bias: What the biases of the output start from: a number, or ``frequencies`` for
            :math:`-\\log(K - 1)`, where the sigmoids of K classes are 1/K; None for the network's own start.
        pixels: How pixels are scaled, one of :data:`lossbook.training.images.SCALINGS`; None for 0 to 1.
        redraw: Put the training and the test part together and draw this share anew as the test part, by the
            seed; None for the parts as they are.
        text: How texts become numbers, see :func:`lossbook.training.texts.get`; None for the words of the
            training part.
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
    model_options: Mapping[str, Any] = field(default_factory=dict)
    schedule: Mapping[str, Any] | None = None
    step: str | None = None
    accumulate: int | None = None
    validation_size: int | None = None
    classes: int | None = None
    unseen_classes: int | None = None
    measures: str | Sequence[str] | None = None
    epoch_measures: str | Sequence[str] | None = None
    step_measures: str | Sequence[str] | None = None
    class_shares: Sequence[float] | None = None
    class_weight: str | None = None
    precision: str | None = None
    pixels: str | None = None
    output_bias: float | str | None = None
    redraw: float | None = None
    text: Mapping[str, Any] | None = None
    seed: int = 0

    @property
    def config(self) -> dict[str, Any]:
        """The settings as plain values, without the seed."""
        content = asdict(self)
        return {
            setting.name: content[setting.name]
            for setting in fields(self)
            if setting.name != "seed"
            and (setting.name in _ALWAYS or content[setting.name] != _default(setting))
        }

    @property
    def key(self) -> str:
        """16 hexadecimal digits that identify the run."""
        # Settings at their defaults do not count, so a setting added later leaves old keys as they are.
        chosen = {
            setting.name: value
            for setting in fields(self)
            if (value := getattr(self, setting.name)) != _default(setting)
        }
        text = json.dumps(chosen | {"seed": self.seed}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _default(setting: Field[Any]) -> Any:
    return setting.default if setting.default_factory is MISSING else setting.default_factory()


def names(chosen: str | Sequence[str] | None) -> tuple[str, ...]:
    """The names in a setting that is one name, several or none."""
    return () if chosen is None else (chosen,) if isinstance(chosen, str) else tuple(chosen)
