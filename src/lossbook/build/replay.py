"""Replaying recorded runs while the book is built: which, and what this machine gives beside the record."""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossbook import paths
from lossbook.errors import LossbookError
from lossbook.results.attestation import DIGITS, EXACT, FIRST_EPOCHS

#: A run that took no longer is replayed as a whole; of a longer one, its first epochs.
WHOLE_SECONDS = 5.0
#: A replay is stopped after this many times the seconds that it took when it was recorded, and a constant: a
#: machine may be slower, and busy.
_PATIENCE, _CONSTANT = 4.0, 20.0


@dataclass(frozen=True)
class Choice:
    """The run of an experiment that costs least to replay.

    Attributes:
        experiment: ``<paper>/<item>``.
        key: Key of its record.
        epochs: After how many epochs to leave it; None for the whole.
        seconds: What that took when it was recorded.
        refusal: Why it is not replayed; empty if it is.
    """

    experiment: str
    key: str
    epochs: int | None
    seconds: float
    refusal: str = ""


def plan(budget: float) -> dict[str, Choice]:
    """Choose one published run per experiment, the cheapest experiments first, for as long as a budget lasts.

    It depends on the records and the budget alone, not on how fast this machine is.

    Args:
        budget: Seconds in all, as they were recorded; 0 for no replay.
    """
    cheapest = sorted(_cheapest(), key=lambda choice: (choice.seconds, choice.experiment))
    found, used = {}, 0.0
    for choice in cheapest:
        refusal = ""
        if not budget:
            refusal = "the build was told not to (REPLAY=0)"
        elif used + choice.seconds > budget:
            refusal = (
                f"its cheapest run took {choice.seconds:.0f} s when it was recorded, and {budget:g} s "
                "are set aside for all replays (REPLAY)"
            )
        else:
            used += choice.seconds
        found[choice.experiment] = Choice(
            choice.experiment, choice.key, choice.epochs, choice.seconds, refusal
        )
    return found


def _cheapest() -> Iterator[Choice]:
    published = paths.published_results()
    for folder in sorted(published.glob("*/*")) if published else ():
        experiment = f"{folder.parent.name}/{folder.name}"
        choices = [_cost(experiment, row) for path in folder.glob("*.jsonl") for row in _rows(path)]
        if choices:
            yield min(choices, key=lambda choice: (choice.seconds, choice.key))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):  # Whoever reads it as a record says what is wrong with it.
            row = json.loads(line)
            if isinstance(row, dict) and row.get("provenance", {}).get("seconds"):
                yield row


def _cost(experiment: str, row: dict[str, Any]) -> Choice:
    seconds, length = float(row["provenance"]["seconds"]), int(row["config"]["epochs"])
    short = seconds <= WHOLE_SECONDS or length <= FIRST_EPOCHS or not row["curves"]
    return Choice(
        experiment,
        row["key"],
        None if short else FIRST_EPOCHS,
        seconds if short else seconds * FIRST_EPOCHS / length,
    )


def replay(experiment: str, chosen: Mapping[str, Choice]) -> dict[str, str]:
    """Train the chosen run of an experiment again, if its data are here, and compare.

    Nothing is downloaded.

    Args:
        experiment: ``<paper>/<item>``.
        chosen: What :func:`plan` chose.

    Returns:
        ``state``: ``same`` (every digit), ``close`` (to a stated number of digits), ``different`` or ``none``
        (not replayed); and ``text``, a sentence for the page.
    """
    choice = chosen.get(experiment)
    if choice is None:
        return _not_replayed("it has no recorded run")
    if choice.refusal:
        return _not_replayed(choice.refusal)
    from lossbook.experiments.attest import trained_again
    from lossbook.experiments.runner import dataset_title, device_named, is_present
    from lossbook.results import Store
    from lossbook.training import OutOfTimeError

    record = next(r for r in Store().records(experiment) if r.key == choice.key and r.origin == "published")
    dataset = record.config["dataset"]
    if not is_present(dataset):
        return _not_replayed(f"its data, {dataset_title(dataset)}, are not here")
    limit = _PATIENCE * choice.seconds + _CONSTANT
    deadline = time.monotonic() + limit
    try:
        again = trained_again(record, device_named("cpu"), deadline, epochs=choice.epochs)
    except OutOfTimeError:
        return _not_replayed(
            f"it was stopped after {limit:.0f} s, and took {choice.seconds:.0f} s when recorded"
        )
    except LossbookError as error:
        return _not_replayed(str(error))
    extent = "" if again.epochs == again.of else f"{again.extent} of "
    what = f"{extent}one recorded run ({record.key}, seed {record.seed})"
    if again.digits >= EXACT:
        return {
            "state": "same",
            "text": f"Replayed on this machine: {what}. Its {again.compared} numbers are the record's.",
        }
    if again.digits >= DIGITS:
        agree = f"The {again.compared} numbers agree with the record to {again.digits} digits or more."
        return {"state": "close", "text": f"Replayed on this machine: {what}. {agree}"}
    differ = f"This machine gives other numbers than the record: {'; '.join(again.differs[:1])}."
    return {"state": "different", "text": f"Replayed on this machine: {what}. {differ}"}


def _not_replayed(why: str) -> dict[str, str]:
    return {"state": "none", "text": f"No run was replayed on this machine: {why}."}
