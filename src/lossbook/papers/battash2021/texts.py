"""What the experiments of battash2021 on texts share: the four regimes, cells, and on what findings rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lossbook.evidence.claims import seeds_text
from lossbook.evidence.contrasts import Select
from lossbook.evidence.select import dataset_name
from lossbook.experiments.grid import Cell, Profile
from lossbook.papers.battash2021.names import METHODS, Method
from lossbook.results import Record
from lossbook.training import RunSpec

#: CE and the paper's three mixtures, in the order of its tables.
CE, CONSTANT, TWO_PHASE, GRADUAL = REGIMES = METHODS[:4]
MIXTURES = REGIMES[1:]
#: The values of labels, as tables name them.
LABELS = {"loss": {"ce": "CE", "ceel": "CE+EL"}, "schedule": {"": "–"}}


def cell(base: RunSpec, method: Method, labels: Mapping[str, Any], **changes: Any) -> Cell:
    """A cell of a grid: a recipe with a regime, and what else it is changed in.

    Args:
        base: The recipe.
        method: The regime.
        labels: What the cell is besides data set, regime and number of epochs.
        **changes: Other settings of the run.
    """
    spec = replace(base, **changes, loss=method.loss, loss_options=dict(method.options))
    common = {
        "dataset": spec.dataset,
        "loss": method.loss,
        "schedule": method.schedule,
        "epochs": spec.epochs,
    }
    return Cell({**labels, **common}, spec)


def by_name(*profiles: Profile) -> dict[str, Profile]:
    """Profiles by their names, in the order given."""
    return {profile.name: profile for profile in profiles}


def select(method: Method, metric: str = "test_accuracy", **labels: Any) -> Select:
    """The runs of a regime, and the metric read of them."""
    return Select({**labels, "loss": method.loss, "schedule": method.schedule}, metric)


def basis(records: Sequence[Record], how: Mapping[str, str]) -> str:
    """On what runs a finding rests.

    Args:
        records: The runs.
        how: Profile -> how far that is from the paper's protocol.
    """
    parts = []
    for profile in dict.fromkeys(r.profile for r in records):
        mine = [r for r in records if r.profile == profile]
        sets = ", ".join(dict.fromkeys(dataset_name(str(r.labels["dataset"])) for r in mine))
        epochs = " or ".join(str(n) for n in sorted({int(r.labels["epochs"]) for r in mine}))
        said = how.get(profile, "to try it")
        parts.append(f"{sets}, {epochs} epochs, {seeds_text(mine)}: {said}")
    return "; ".join(parts) or "no runs"
