"""Training a sample of the committed records again with today's code, to see that it still gives them."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lossbook.errors import LossbookError, UnknownNameError
from lossbook.experiments.grid import Cell
from lossbook.experiments.jobs import train_job
from lossbook.experiments.planned import Run, modules
from lossbook.experiments.runner import deadline_after, device_named
from lossbook.progress import Progress
from lossbook.results import Record, Store, attestation, code_hash, provenance
from lossbook.results.attestation import FIRST_EPOCHS, Attestation
from lossbook.training import OutOfTimeError, RunSpec, plan_run

#: A run that took no longer is trained again as a whole; of a longer one, the first epochs are enough if its
#: curves show all there is.
WHOLE_SECONDS = 600.0


@dataclass(frozen=True)
class Attested:
    """What :func:`attest` did.

    Attributes:
        made: Experiment and attestation of each run that was trained again.
        known: How many were attested with today's code before.
        left: Those that were not trained again, and why, in words.
    """

    made: Sequence[tuple[str, Attestation]]
    known: int
    left: Sequence[str]


@dataclass(frozen=True)
class _Task:
    """A record to be trained again, and the sample of its kind."""

    record: Record
    kind: str
    sample: tuple[str, ...]

    @property
    def run(self) -> Run:
        """The run as it would be trained today.

        Raises:
            LossbookError: Today's code has no such run.
        """
        record = self.record
        try:
            spec = RunSpec(**record.config, seed=record.seed)
            plan = plan_run(spec)
        except (TypeError, ValueError) as error:
            raise LossbookError(f"its settings are no longer valid: {error}") from error
        if spec.key != record.key:
            raise LossbookError(f"a run with its settings has the key {spec.key} today")
        code, cell = code_hash(modules(plan)), Cell(record.labels, spec)
        name = record.experiment, record.profile
        return Run(*name, cell, plan, code, (name,), again=True)

    @property
    def epochs(self) -> int | None:
        """After how many epochs to leave the run; None for the whole."""
        record, length = self.record, int(self.record.config["epochs"])
        changes = "schedule" in record.config or "schedule" in record.config["loss_options"]
        at_end = record.metrics.keys() - record.curves.keys()
        short = attestation.seconds(record) <= WHOLE_SECONDS
        return None if changes or at_end or short or length <= FIRST_EPOCHS else FIRST_EPOCHS

    @property
    def cost(self) -> float:
        """Seconds that it took when the record was made."""
        whole = attestation.seconds(self.record)
        return whole if self.epochs is None else whole * self.epochs / self.record.config["epochs"]


def attest(
    names: Sequence[str] = (),
    *,
    budget_minutes: float | None = None,
    device: str = "cpu",
    store: Store | None = None,
    progress: bool = True,
) -> Attested:
    """Train again a sample of every kind of published records that today's code did not make.

    The cheapest kinds come first. A run that was attested with today's code, and would still be trained by
    the modules that it was attested with, is not trained again; so this can be stopped and called again.

    Args:
        names: Only these experiments; all if there are none.
        budget_minutes: Stop after this many minutes.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        store: Where the records are; the project's own if None.
        progress: Show progress on standard error.

    Raises:
        UnknownNameError: An experiment without published records.
        LossbookError: An unknown device, or a file that cannot be written.
    """
    deadline, where = deadline_after(budget_minutes), device_named(device)
    todo, known, left = _tasks(names, store or Store())
    made: list[tuple[str, Attestation]] = []
    with Progress(show=progress) as shown, shown.bar("", len(todo), "run") as bar:
        for number, task in enumerate(todo):
            what = f"{task.record.experiment} {task.record.key}"
            bar.at(number, label=what)
            try:
                if time.monotonic() > deadline:
                    raise OutOfTimeError
                result = _trained_again(task, where, deadline, task.epochs)
            except OutOfTimeError:
                left.append(f"{what}: the time budget is used up")
            except LossbookError as error:  # Others can be trained all the same.
                left.append(f"{what}: {error}")
            else:
                attestation.add(task.record.experiment, result)
                made.append((task.record.experiment, result))
    return Attested(made, known, left)


def _tasks(names: Sequence[str], store: Store) -> tuple[list[_Task], int, list[str]]:
    """What to train again, the cheapest kinds first; how many were trained before; and what cannot be."""
    records = [record for record in store.records() if record.origin == "published"]
    there = sorted({record.experiment for record in records})
    for name in names:
        if name not in there:
            raise UnknownNameError("experiment with published records", name, there)
    wanted = [r for r in records if (not names or r.experiment in names) and r.trust.state != "fresh"]
    by_kind: list[list[_Task]] = []
    known, left = 0, list[str]()
    for kind, found in attestation.kinds(wanted).items():
        experiment, sample = found[0].experiment, attestation.sample(found)
        keys = tuple(record.key for record in sample)
        attested = {a.key: a.modules for a in attestation.read(experiment) if a.counts and a.kind == kind}
        tasks = []
        for record in sample:
            task = _Task(record, kind, keys)
            try:
                again = attested.get(record.key) != modules(task.run.plan)
            except LossbookError as error:
                left.append(f"{experiment} {record.key}: {error}")
                continue
            if again:
                tasks.append(task)
            else:
                known += 1
        by_kind.append(tasks)
    by_kind.sort(key=lambda tasks: sum(task.cost for task in tasks))
    return [task for tasks in by_kind for task in tasks], known, left


def trained_again(
    record: Record, device: torch.device, deadline: float = math.inf, *, epochs: int | None = None
) -> Attestation:
    """Train the run of one record again with today's code, and compare.

    Args:
        record: The record.
        device: Where to train.
        deadline: ``time.monotonic()`` by which to stop.
        epochs: Leave it after this many epochs, and compare its curves; None for the whole.

    Raises:
        OutOfTimeError: The deadline came first.
        LossbookError: Today's code has no such run, or its data are not there.
    """
    kind = attestation.kind(record.experiment, str(record.provenance["code"]), record.config)
    return _trained_again(_Task(record, kind, (record.key,)), device, deadline, epochs)


def _trained_again(task: _Task, device: torch.device, deadline: float, epochs: int | None) -> Attestation:
    """Train the run of a record again and compare: numbers, status, data, and arrays in files by checksum."""
    record = task.record
    threads = record.provenance.get("threads")
    again = replay(task.run, device, epochs=epochs, threads=threads, deadline=deadline)
    groups = ("curves",) if epochs is not None else ("metrics", "curves", "steps")
    then, now = ({group: getattr(each, group) for group in groups} for each in (record, again))
    for content, each in ((then, record), (now, again)):
        content["data"] = each.provenance.get("data")
        if epochs is None:
            content["status"] = each.status
            content["files"] = {name: file["sha256"] for name, file in each.files.items()}
    count, digits, differs = attestation.compare(then, now, epochs=epochs)
    end = "first" if epochs is not None else "end"
    if record.weights and record.weights[end] != again.weights[end]:
        # Numbers are kept to six digits, in which a difference need not show.
        digits = min(digits, attestation.EXACT - 1)
        differs += (f"weights, {end}: {record.weights[end]} then, {again.weights[end]} now",)
    made = again.provenance
    return Attestation(
        key=record.key,
        profile=record.profile,
        seed=record.seed,
        kind=task.kind,
        sample=task.sample,
        code_then=str(record.provenance["code"]),
        code_now=str(made["code"]),
        modules=tuple(made["modules"]),
        epochs=epochs or record.config["epochs"],
        of=record.config["epochs"],
        compared=count,
        digits=digits,
        differs=differs,
        device=str(made["device"]),
        device_name=str(made["device_name"]),
        device_then=str(record.provenance.get("device_name")),
        threads=int(made["threads"]),
        versions=dict(made["versions"]),
        finished=provenance.now(),
    )


def replay(
    run: Run,
    device: torch.device,
    *,
    epochs: int | None = None,
    threads: int | None = None,
    deadline: float = math.inf,
) -> Record:
    """The record that today's code gives of a run.

    Args:
        run: The run.
        device: Where to train.
        epochs: Leave it after this many epochs; None for the whole.
        threads: How many threads to use: as many as then, so that sums are taken in the same order. As many
            as now if None.
        deadline: ``time.monotonic()`` by which to stop.

    Raises:
        OutOfTimeError: The deadline came first.
        DataUnavailableError: Its data are not there.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        (found,) = train_job([run], device, deadline, [lambda _: None], stop_after=epochs)
    finally:
        torch.set_num_threads(before)
        run.checkpoint.unlink(missing_ok=True)
    return found
