"""What the experiments of dong2019 share: the recipe of the reference network, and cells made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lossbook.experiments.grid import Cell, Profile
from lossbook.papers.dong2019.names import FREQUENCIES, OPTIONS, USUAL
from lossbook.papers.recipe import RECIPE
from lossbook.training import RunSpec

#: The recipe of the reference network at its one rate for all losses, which is the paper's practice.
REFERENCE_RECIPE = replace(RECIPE, dataset="cifar100")


def cell(
    base: RunSpec,
    loss: str,
    *,
    start: str = USUAL,
    lr: float | None = None,
    options: Mapping[str, Any] | None = None,
    labels: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Cell:
    """A cell of a grid: a recipe with a loss, and what else it is changed in.

    Args:
        base: The recipe.
        loss: One of the paper's, at its settings.
        start: Where the biases of the output start.
        lr: The learning rate; the recipe's own for None.
        options: Other settings of the loss than the paper's.
        labels: What the cell is besides data set, network, loss, start, learning rate and epochs.
        **changes: Other settings of the run.
    """
    spec = replace(
        base, **changes, loss=loss, loss_options=dict(OPTIONS[loss] if options is None else options)
    )
    if lr is not None:
        spec = replace(spec, optimizer_options={**spec.optimizer_options, "lr": lr})
    if start == FREQUENCIES:
        spec = replace(spec, output_bias=FREQUENCIES)
    common = {
        "dataset": spec.dataset,
        "network": spec.model,
        "loss": loss,
        "start": start,
        "lr": spec.optimizer_options["lr"],
        "epochs": spec.epochs,
    }
    return Cell({**common, **(labels or {})}, spec)


def by_name(*profiles: Profile) -> dict[str, Profile]:
    """Profiles by their names, in the order given."""
    return {profile.name: profile for profile in profiles}
