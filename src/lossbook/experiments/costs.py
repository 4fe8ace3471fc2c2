"""What runs cost: the time that records state, and from it what runs would take that have none yet.

Nothing is timed here, so a page states the same cost wherever it is built.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import torch

from lossbook import datasets, models
from lossbook.experiments.grid import TRIALS, Experiment
from lossbook.progress import duration
from lossbook.results import Record, Store
from lossbook.training import RunSpec

#: A test image costs about a third of a training image: forward, without backward.
TEST_SHARE = 1 / 3
#: Settings besides the shape of an input that decide what an image costs.
_DECIDING = ("model", "model_options", "precision", "step")
#: Operations per second of a processor core in float32 where no record of any network tells.
OPERATIONS = 5e10
#: Seconds per step of a small network on a table where no record of it tells: overhead, hardly arithmetic.
TABLE_STEP = 1e-4

Basis = Literal["same network", "operations"]


@dataclass(frozen=True)
class Spent:
    """What recorded runs took.

    Attributes:
        runs: How many runs.
        seconds: Their time together.
        where: The machines, each with the number of threads of a run.
    """

    runs: int
    seconds: float
    where: str

    def __str__(self) -> str:
        """For example ``"36 runs, 5.1 h in all, 8 min each, on 1 thread of AMD EPYC"``."""
        if not self.runs:
            return "no runs"
        if self.runs == 1:
            return f"1 run, {duration(self.seconds)}, on {self.where}"
        each = duration(self.seconds / self.runs)
        return f"{self.runs} runs, {duration(self.seconds)} in all, {each} each, on {self.where}"


def spent(records: Iterable[Record]) -> Spent:
    """What recorded runs took, each counted once.

    Args:
        records: The records; the same run may be among them more than once.
    """
    runs = {record.key: record for record in records}.values()
    where = (
        f"{record.provenance.get('threads', 'unknown')} thread"
        f"{'' if record.provenance.get('threads') == 1 else 's'} of "
        f"{record.provenance.get('device_name') or record.provenance.get('device', 'an unknown machine')}"
        for record in runs
    )
    return Spent(len(runs), sum(map(_own_seconds, runs)), ", ".join(dict.fromkeys(where)))


@dataclass(frozen=True)
class Estimate:
    """What a run would take.

    Attributes:
        seconds: The time.
        basis: Records of the same network on inputs of the same shape, or the operations of the network.
    """

    seconds: float
    basis: Basis


class Estimator:
    r"""Estimates what a run would take from records, as on the machines of those.

    Where there are records of the same network, step and precision
    on inputs of the same shape, it is the median of their time
    per image, times the images of the run: :math:`\text{epochs} \cdot (N_\text{train} + N_\text{test} / 3)`,
    which for equal batches is its number of steps. Elsewhere it is

    .. math:: 3 F \cdot \text{epochs} \cdot (N_\text{train} + N_\text{test} / 3) / R

    with the operations :math:`F` of one image forward through the network, a backward pass counted as two
    forward, and :math:`R` the median over the networks that have records of their operations per second. A
    network on a table or a matrix of features that has no records counts :data:`TABLE_STEP` seconds per step.
    """

    def __init__(self, store: Store, declared: Sequence[Experiment]) -> None:
        """Take what there is to read; nothing is read before it is needed.

        Args:
            store: The records.
            declared: The experiments whose records count.
        """
        self._store = store
        self._declared = declared
        self._read: dict[str, list[Record]] = {}
        self._known: dict[str, float | None] = {}

    def __call__(self, spec: RunSpec) -> Estimate:
        """What a run would take."""
        kind = _kind(spec.config)
        if kind not in self._known:
            times = self._per_image(spec.model, kind)
            self._known[kind] = median(times) if times else None
        if (time := self._known[kind]) is not None:
            return Estimate(time * _images(spec), "same network")
        if datasets.is_table(spec.dataset) or datasets.info(spec.dataset).kind == "features":
            steps = spec.epochs * math.ceil(run_sizes(spec)[0] / spec.batch_size)
            return Estimate(TABLE_STEP * steps, "operations")
        if datasets.info(spec.dataset).kind == "texts":
            return Estimate(text_seconds(spec), "operations")
        return Estimate(3 * operations(spec.model, spec.dataset) * _images(spec) / self._rate(), "operations")

    def seconds(self, spec: RunSpec) -> float:
        """The time alone."""
        return self(spec).seconds

    def _per_image(self, model: str, kind: str) -> list[float]:
        """Seconds per image of every finished run of a kind."""
        declaring = (
            each.name
            for each in self._declared
            if any(cell.spec.model == model for profile in each.profiles.values() for cell in profile.cells)
        )
        return [
            _seconds(record) / worked
            for name in declaring
            for record in self._records(name)
            if _kind(record.config) == kind and (worked := _worked(record))
        ]

    @functools.cached_property
    def _rates(self) -> list[float]:
        """Operations per second of every network on images that has records.

        Trials do not count: what they take is mostly overhead.
        """
        by_network: dict[tuple[str, tuple[int, ...]], list[float]] = defaultdict(list)
        for declared in self._declared:
            cells = [cell for profile in declared.profiles.values() for cell in profile.cells]
            if not all(_on_images(cell.spec.dataset) for cell in cells):
                continue
            for record in self._records(declared.name):
                dataset, worked = record.config["dataset"], _worked(record)
                if worked and _on_images(dataset) and record.profile not in TRIALS:
                    made = 3 * operations(record.config["model"], dataset) * worked
                    by_network[record.config["model"], _shape(dataset)].append(made / _seconds(record))
        return [median(each) for each in by_network.values()]

    def _rate(self) -> float:
        return median(self._rates) if self._rates else OPERATIONS

    def _records(self, experiment: str) -> list[Record]:
        if experiment not in self._read:
            self._read[experiment] = self._store.records(experiment)
        return self._read[experiment]


def run_sizes(spec: RunSpec) -> tuple[int, int]:
    """How many examples a run trains on and is measured on after every epoch."""
    if datasets.is_table(spec.dataset):
        examples, _, _ = table_shape(spec.dataset)
        return math.ceil(examples / 2), math.floor(examples / 2)
    info = datasets.info(spec.dataset)
    # Of published sets all classes are about as large.
    share = 1.0
    if spec.classes is not None or spec.unseen_classes is not None:
        share = (spec.classes or info.num_classes - (spec.unseen_classes or 0)) / info.num_classes
    train = round(info.train_size * share) - (spec.validation_size or 0)
    train = min(spec.train_size or train, train)
    if spec.class_shares is not None:
        train = min(train, int(info.train_size * sum(spec.class_shares) / info.num_classes))
    measured = spec.validation_size or round(
        info.test_size * (share if spec.unseen_classes is None else spec.unseen_classes / info.num_classes)
    )
    return train, min(spec.test_size or measured, measured)


#: Examples, features and classes of tables that copies of the collection may lack.
_ABSENT = {"uci121/miniboone": (130_064, 50, 2)}


@functools.cache
def table_shape(dataset: str) -> tuple[int, int, int]:
    """Examples, features and classes; of a table that cannot be read, about the collection's median."""
    unread = _ABSENT.get(dataset, (700, 16, 3))
    try:
        if not datasets.table_present(dataset):
            return unread
        table = datasets.load_table(dataset)
    except (OSError, datasets.DataUnavailableError, datasets.DataDamagedError):
        return unread  # Whoever trains on it says why.
    return len(table.labels), table.num_features, table.num_classes


def operations(model: str, dataset: str) -> int:
    """Operations of one image forward through a network; a multiplication with its addition counts as two.

    Args:
        model: Name of the network.
        dataset: Name of a data set of images, for their shape and the number of classes.
    """
    return _operations(model, datasets.info(dataset).image_shape, datasets.info(dataset).num_classes)


@functools.cache
def _operations(model: str, shape: tuple[int, int, int], num_classes: int) -> int:
    from torch.utils.flop_counter import FlopCounterMode  # imports Triton: slow, and most pages count nothing

    height, width, channels = shape
    # On the meta device tensors have shapes and no numbers: nothing is drawn, allocated or computed.
    with torch.device("meta"), torch.no_grad():
        network = models.build(model, (channels, height, width), num_classes).eval()
        counter = FlopCounterMode(display=False)
        with counter:
            network(torch.empty(1, channels, height, width))
    return int(counter.get_total_flops())


def text_seconds(spec: RunSpec) -> float:
    """What a run on texts would take on one core, by its operations: two per weight and token.

    Tokens are as many as a text can have at most; embeddings are looked up and count for nothing.
    """
    tokens = dict(spec.text or {}).get("longest", 128)
    classes = datasets.info(spec.dataset).num_classes
    weights = models.weights_per_token(spec.model, classes, **spec.model_options)
    return 3 * 2 * weights * tokens * _images(spec) / OPERATIONS


def _on_images(dataset: str) -> bool:
    return not datasets.is_table(dataset) and datasets.info(dataset).kind == "images"


def _images(spec: RunSpec) -> float:
    train, test = run_sizes(spec)
    return spec.epochs * (train + TEST_SHARE * test)


def _worked(record: Record) -> float:
    """The images that a finished run of a record worked on; 0 where that or its time is not known."""
    made = record.provenance
    known = record.status == "finished" and _seconds(record) > 0 and "train_size" in made
    size = float(made["train_size"]) + TEST_SHARE * float(made.get("test_size", 0)) if known else 0.0
    return float(record.config["epochs"]) * size


def _seconds(record: Record) -> float:
    return float(record.provenance.get("seconds") or 0)


def _kind(config: Mapping[str, Any]) -> str:
    """What runs that cost the same per image have in common."""
    return repr([*(config.get(name) for name in _DECIDING), _shape(config["dataset"])])


def _shape(dataset: str) -> tuple[int, ...]:
    """The shape that decides the cost of a step; tables are small enough to be alike."""
    return () if datasets.is_table(dataset) else datasets.info(dataset).image_shape


def _own_seconds(record: Record) -> float:
    """Without those of the epochs that another run was trained for."""
    begun = record.provenance.get("begun_as") or {}
    return _seconds(record) - float(begun.get("seconds") or 0)
